// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no driver should do to a net device on a vhost-vdpa node, and what the
 * device does then; the net half of the defects found in the kernel's simulator
 * (numbers as in the comments; the block half is in hostile.c). The frames' other
 * end is the device's own host interface.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "kselftest_harness.h"

#include "nclient.h"

#define DEV	"tvhn0"
#define BUS	"/sys/bus/vdpa"
#define PROFILE	"/sys/kernel/config/trivio/" DEV

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	120

#define RXQ	0
#define TXQ	1
/* Two pairs. */
#define CTRLQ	4
#define HLEN	((int)sizeof(struct virtio_net_hdr_v1))

#define S_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* What a simple driver takes; offloads only where a test wants them. */
static const uint64_t PLAIN =
		 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
		 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
		 1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_CTRL_VQ |
		 1ULL << VIRTIO_NET_F_CTRL_RX | 1ULL << VIRTIO_NET_F_CTRL_VLAN |
		 1ULL << VIRTIO_NET_F_CTRL_MAC_ADDR;

/* A zero byte in the middle: strncmp() would stop there. */
static const uint8_t mac[6] = { 0x52, 0x00, 0x11, 0x22, 0x33, 0x44 };
static const uint8_t near[6] = { 0x52, 0x00, 0x99, 0x99, 0x99, 0x99 };

static int sh(const char *cmd)
{
	return system(cmd);
}

FIXTURE(net)
{
	struct client c;
	struct nq q[CTRLQ + 1];
	char node[64];
	int wire;
};

/* Memory that is pinned, and memory of the owner's process. */
FIXTURE_VARIANT(net) {
	bool va;
};

FIXTURE_VARIANT_ADD(net, pa) {};
FIXTURE_VARIANT_ADD(net, va) { .va = true };

FIXTURE_SETUP(net)
{
	memset(self->q, 0, sizeof(self->q));
	ASSERT_EQ(0, ndev_make(DEV, variant->va ?
			       "echo 1 >doorbell && echo 1 >use_va" :
			       "echo 1 >doorbell",
			       "mac 52:00:11:22:33:44 mtu 9000 max_vqp 2",
			       self->node, sizeof(self->node)));
	self->wire = wire_open(DEV);
	ASSERT_LE(0, self->wire);
	ASSERT_EQ(0, client_open(&self->c, self->node));
}

FIXTURE_TEARDOWN(net)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(self->q); i++)
		nq_free(&self->q[i]);
	client_close(&self->c);
	close(self->wire);
	EXPECT_EQ(0, ndev_end(DEV));
}

/* All queues over one address space at CLIENT_IOVA, running. */
static int start(struct client *c, struct nq *q, uint64_t features)
{
	int i, err;

	err = client_map(c, CLIENT_IOVA, c->mem, CLIENT_MEM, VHOST_ACCESS_RW);
	if (!err)
		err = client_features(c, features);
	for (i = 0; i <= CTRLQ && !err; i++) {
		nq_free(&q[i]);
		err = nq_setup(&q[i], c, i, CLIENT_IOVA);
	}
	err = err ?: client_set_status(c, S_OK);
	return err ?: wire_ready(DEV);
}

/* A receive buffer of @len bytes at data page @page, filled with 0xa5. */
static void rx_put(struct nq *q, uint16_t head, int page, int len)
{
	size_t off = NQ_DATA + 0x2000 + page * 0x1000UL;

	memset(q->c->mem + off, 0xa5, len + 16);
	nq_put(q, head, &off, (int[]){ -len }, 1);
}

static uint8_t *rx_buf(struct client *c, int page)
{
	return c->mem + NQ_DATA + 0x2000 + page * 0x1000UL;
}

/* The headers of a broadcast frame at data page @page. */
static uint8_t *tx_fill(struct nq *q, int page)
{
	uint8_t *p = rx_buf(q->c, page);

	memset(p, 0, HLEN);
	memset(p + HLEN, 0xff, 6);
	memcpy(p + HLEN + 6, mac, 6);
	p[HLEN + 12] = 0x88;
	p[HLEN + 13] = 0xb5;
	return p;
}

/* The device may look without a kick: what is offered is filled. */
static void tx_offer(struct nq *q, uint16_t head, int page, int len)
{
	size_t off = NQ_DATA + 0x2000 + page * 0x1000UL;

	nq_put(q, head, &off, (int[]){ len }, 1);
}

static void tx_put(struct nq *q, uint16_t head, int page, int len)
{
	tx_fill(q, page);
	tx_offer(q, head, page, len);
}

/* K02, defect 5: exact length, header whole, nothing behind it touched. */
TEST_F_TIMEOUT(net, K02_received_frame_is_exact, LONG)
{
	struct vring_used_elem *e;
	uint8_t *b;
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	rx_put(&self->q[RXQ], 0, 0, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	ASSERT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	e = nq_next(&self->q[RXQ]);
	EXPECT_EQ(HLEN + 60, (int)e->len);
	b = rx_buf(&self->c, 0);
	/* flags, gso type, lengths, offsets: zero; num_buffers: 1. */
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, b[i]);
	EXPECT_EQ(1, b[10] | b[11] << 8);
	EXPECT_EQ(0, memcmp(b + HLEN, mac, 6));
	for (i = HLEN + 60; i < 2000; i++)
		ASSERT_EQ(0xa5, b[i]);
}

/* Defect 3: foreign unicast that agrees up to the zero byte. */
TEST_F_TIMEOUT(net, mac_with_a_zero_byte, LONG)
{
	uint8_t off = 0;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &off, 1));
	rx_put(&self->q[RXQ], 0, 0, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, near, 0, 60));
	EXPECT_EQ(0, nq_wait(&self->q[RXQ], 300));
	EXPECT_EQ(1, counter(DEV, RXQ, "drop_filter"));
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	EXPECT_EQ(1, nq_wait(&self->q[RXQ], 5000));
}

/* Defect 4: every command has an answer of its own, and the queue goes on. */
TEST_F_TIMEOUT(net, R28_control_commands_answered_each, LONG)
{
	static uint8_t big[4096];
	uint8_t on = 1;
	struct nq *q;
	size_t off[] = { NQ_DATA, NQ_DATA + 0x1100 };

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	q = &self->q[CTRLQ];
	EXPECT_EQ(VIRTIO_NET_OK, nq_ctrl(q, VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &on, 1));
	/* Unknown class and command after a good one. */
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, 77, 0, &on, 1));
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, VIRTIO_NET_CTRL_RX, 77, &on, 1));
	/* Not negotiated. */
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL,
					  0));
	/* Too short, too long. */
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, VIRTIO_NET_CTRL_RX, 0, NULL, 0));
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, VIRTIO_NET_CTRL_MAC,
					  VIRTIO_NET_CTRL_MAC_ADDR_SET, mac,
					  5));
	memset(big, 0xff, sizeof(big));
	EXPECT_EQ(VIRTIO_NET_ERR, nq_ctrl(q, VIRTIO_NET_CTRL_MAC,
					  VIRTIO_NET_CTRL_MAC_TABLE_SET, big,
					  sizeof(big)));
	/* A header of one byte is answered, one without room is given back. */
	self->c.mem[NQ_DATA + 0x1100] = 0xee;
	nq_put(q, 0, off, (int[]){ 1, -1 }, 2);
	nq_kick(q);
	ASSERT_EQ(1, nq_wait(q, 5000));
	EXPECT_EQ(1, (int)nq_next(q)->len);
	EXPECT_EQ(VIRTIO_NET_ERR, self->c.mem[NQ_DATA + 0x1100]);
	nq_put(q, 0, off, (int[]){ 2 }, 1);
	nq_kick(q);
	ASSERT_EQ(1, nq_wait(q, 5000));
	EXPECT_EQ(0, (int)nq_next(q)->len);
	EXPECT_EQ(VIRTIO_NET_OK, nq_ctrl(q, VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &on, 1));
	EXPECT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F_TIMEOUT(net, R28_control_queue_numbers, LONG)
{
	uint16_t pairs[] = { 0, 1, 2, 3, 0xffff };
	int want[] = { VIRTIO_NET_ERR, VIRTIO_NET_OK, VIRTIO_NET_OK,
		       VIRTIO_NET_ERR, VIRTIO_NET_ERR };
	uint16_t vid[] = { 0, 4095, 4096, 0xffff };
	struct nq *q = &self->q[CTRLQ];
	size_t i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		EXPECT_EQ(want[i], nq_ctrl(q, VIRTIO_NET_CTRL_MQ,
					   VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
					   &pairs[i], 2));
	for (i = 0; i < ARRAY_SIZE(vid); i++)
		EXPECT_EQ(i < 2 ? VIRTIO_NET_OK : VIRTIO_NET_ERR,
			  nq_ctrl(q, VIRTIO_NET_CTRL_VLAN,
				  VIRTIO_NET_CTRL_VLAN_ADD, &vid[i], 2));
}

/* A driver that says it wants no call gets none, and still its answer. */
TEST_F_TIMEOUT(net, R28_control_no_interrupt, LONG)
{
	uint8_t on = 1;
	uint64_t n;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	nq_avail(&self->q[CTRLQ])->flags = VRING_AVAIL_F_NO_INTERRUPT;
	EXPECT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &on, 1));
	EXPECT_EQ(-1, read(self->q[CTRLQ].call, &n, sizeof(n)));
}

/* Defect 5: an empty receive ring must not hold up what the guest sends. */
TEST_F_TIMEOUT(net, no_receive_buffers, LONG)
{
	uint8_t buf[2048];
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < 200; i++)
		wire_send(self->wire, mac, 0, 100);
	for (i = 0; i < 8; i++)
		tx_put(&self->q[TXQ], i, i, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(60, wire_recv(self->wire, buf, sizeof(buf), 5000));
	/* What waited comes when there is room, in order, none twice. */
	for (i = 0; i < 32; i++)
		rx_put(&self->q[RXQ], i, i % 16, 2000);
	nq_kick(&self->q[RXQ]);
	EXPECT_EQ(32, nq_wait_for(&self->q[RXQ], 32, 5000));
}

/* Defect 5: large frames whole, or dropped and counted, never cut. */
TEST_F_TIMEOUT(net, large_frames, LONG)
{
	uint8_t *b;
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	rx_put(&self->q[RXQ], 0, 0, 12000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 9000));
	ASSERT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	EXPECT_EQ(HLEN + 9000, (int)nq_next(&self->q[RXQ])->len);
	b = rx_buf(&self->c, 0);
	for (i = 14; i < 9000; i++)
		ASSERT_EQ((uint8_t)i, b[HLEN + i]);
	/* Too small for it: the next frame gets the buffer. */
	rx_put(&self->q[RXQ], 0, 0, 1000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 5000));
	EXPECT_EQ(0, nq_wait(&self->q[RXQ], 300));
	EXPECT_EQ(1, counter(DEV, RXQ, "drop_nobuf"));
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 500));
	ASSERT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	EXPECT_EQ(HLEN + 500, (int)nq_next(&self->q[RXQ])->len);
}

/* MRG_RXBUF: one frame over as many small buffers as it needs, number told. */
TEST_F_TIMEOUT(net, merged_buffers, LONG)
{
	int i, n, sum = 0;

	ASSERT_EQ(0, start(&self->c, self->q,
			   PLAIN | 1ULL << VIRTIO_NET_F_MRG_RXBUF));
	for (i = 0; i < 8; i++)
		rx_put(&self->q[RXQ], i, i, 1024);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 4000));
	n = nq_wait_for(&self->q[RXQ], 4, 5000);
	EXPECT_EQ(4, n);
	for (i = 0; i < n; i++)
		sum += nq_next(&self->q[RXQ])->len;
	EXPECT_EQ(HLEN + 4000, sum);
	EXPECT_EQ(4, rx_buf(&self->c, 0)[10]);
}

/* Frames that are none: dropped as malformed, chain returned, queue goes on. */
TEST_F_TIMEOUT(net, bad_frames_are_dropped, LONG)
{
	static const int len[] = { 1, HLEN - 1, HLEN, HLEN + 13, HLEN + 70000 };
	struct virtio_net_hdr_v1 *h;
	uint8_t buf[2048];
	size_t i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < ARRAY_SIZE(len); i++) {
		tx_put(&self->q[TXQ], 0, 0, len[i]);
		nq_kick(&self->q[TXQ]);
		ASSERT_EQ(1, nq_wait(&self->q[TXQ], 5000));
		EXPECT_EQ(0, (int)nq_next(&self->q[TXQ])->len);
	}
	EXPECT_EQ((long long)ARRAY_SIZE(len), counter(DEV, TXQ, "drop_format"));
	/* An offload that was not negotiated. */
	h = (void *)tx_fill(&self->q[TXQ], 0);
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = 60000;
	tx_offer(&self->q[TXQ], 0, 0, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	ASSERT_EQ(1, nq_wait(&self->q[TXQ], 5000));
	nq_next(&self->q[TXQ]);
	EXPECT_EQ(-ETIMEDOUT, wire_recv(self->wire, buf, sizeof(buf), 200));
	EXPECT_EQ((long long)ARRAY_SIZE(len) + 1,
		  counter(DEV, TXQ, "drop_format"));
	tx_put(&self->q[TXQ], 0, 0, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	EXPECT_EQ(60, wire_recv(self->wire, buf, sizeof(buf), 5000));
}

static int config(int fd, bool set, uint32_t off, uint32_t len, void *buf)
{
	struct vhost_vdpa_config *cfg = calloc(1, sizeof(*cfg) + len);
	int err;

	cfg->off = off;
	cfg->len = len;
	if (set)
		memcpy(cfg->buf, buf, len);
	err = ioctl(fd, set ? VHOST_VDPA_SET_CONFIG : VHOST_VDPA_GET_CONFIG,
		    cfg) ? -errno : 0;
	if (!set)
		memcpy(buf, cfg->buf, len);
	free(cfg);
	return err;
}

/* Defects 10 and 11: config space is the device's, a reset undoes the guest. */
TEST_F_TIMEOUT(net, reset_undoes_what_the_driver_set, LONG)
{
	uint8_t other[6] = { 0x52, 0, 0, 0, 0, 7 }, got[6], off = 0;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	EXPECT_EQ(0, config(self->c.fd, true, 0, 6, other));
	EXPECT_EQ(0, config(self->c.fd, false, 0, 6, got));
	EXPECT_EQ(0, memcmp(got, mac, 6));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_MAC,
					 VIRTIO_NET_CTRL_MAC_ADDR_SET, other,
					 6));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &off, 1));
	EXPECT_EQ(0, config(self->c.fd, false, 0, 6, got));
	EXPECT_EQ(0, memcmp(got, other, 6));
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	EXPECT_EQ(0, config(self->c.fd, false, 0, 6, got));
	EXPECT_EQ(0, memcmp(got, mac, 6));
	/* The filter is gone as well: a foreign address comes through. */
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	rx_put(&self->q[RXQ], 0, 0, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, near, 0, 60));
	EXPECT_EQ(1, nq_wait(&self->q[RXQ], 5000));
}

/* I14: all of the space, at its edges and beyond. */
TEST_F_TIMEOUT(net, I14_config_bounds, LONG)
{
	uint32_t size = 0;
	uint8_t b[8];

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_CONFIG_SIZE, &size));
	EXPECT_EQ(sizeof(struct virtio_net_config), size);
	EXPECT_EQ(0, config(self->c.fd, false, size - 1, 1, b));
	EXPECT_EQ(-EINVAL, config(self->c.fd, false, size - 1, 2, b));
	EXPECT_EQ(-EINVAL, config(self->c.fd, false, size + 1, 1, b));
	EXPECT_EQ(-EINVAL, config(self->c.fd, false, UINT32_MAX, 2, b));
	EXPECT_EQ(-EINVAL, config(self->c.fd, true, size - 1, 2, b));
	EXPECT_EQ(-EINVAL, config(self->c.fd, true, 0, 0, b));
}

/* I15 and the groups: data, control, rings of the data queues. */
TEST_F_TIMEOUT(net, I15_groups, LONG)
{
	struct vhost_vring_state s = { .index = RXQ };
	uint64_t f = 0;
	uint32_t n = 0;

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_GROUP_NUM, &n));
	EXPECT_EQ(3, n);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_AS_NUM, &n));
	EXPECT_EQ(3, n);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_GET_BACKEND_FEATURES, &f));
	EXPECT_TRUE(f & 1ULL << VHOST_BACKEND_F_DESC_ASID);
	EXPECT_TRUE(f & 1ULL << VHOST_BACKEND_F_SUSPEND);
	EXPECT_TRUE(f & 1ULL << VHOST_BACKEND_F_RESUME);
	EXPECT_TRUE(f & 1ULL << VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_GROUP, &s));
	EXPECT_EQ(0, s.num);
	s.index = CTRLQ;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_GROUP, &s));
	EXPECT_EQ(1, s.num);
	s.index = TXQ;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_DESC_GROUP, &s));
	EXPECT_EQ(2, s.num);
	s.index = CTRLQ;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_DESC_GROUP, &s));
	EXPECT_EQ(1, s.num);
	s.index = CTRLQ + 1;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_DESC_GROUP, &s));
	s.index = 3;
	s.num = 0;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	s.index = 2;
	s.num = 3;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	s.num = 1;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	EXPECT_EQ(EBUSY, errno);
}

/*
 * Rings in an address space of their own, at addresses where the data's has
 * something else; the control queue in a third.
 */
TEST_F_TIMEOUT(net, rings_in_their_own_address_space, LONG)
{
	struct vhost_vring_state s = { .index = 2, .num = 1 };
	uint8_t *decoy, on = 1, buf[2048];
	int i;

	decoy = mmap(NULL, CLIENT_MEM, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)decoy);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	s.index = 1;
	s.num = 2;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	/* Data: only buffers, and a decoy where the rings are elsewhere. */
	ASSERT_EQ(0, nc_map(&self->c, 0, CLIENT_IOVA, decoy, NQ_DATA,
			    VHOST_ACCESS_RW));
	ASSERT_EQ(0, nc_map(&self->c, 0, client_iova(NQ_DATA),
			    self->c.mem + NQ_DATA, CLIENT_MEM - NQ_DATA,
			    VHOST_ACCESS_RW));
	/* Rings: nothing but them. */
	ASSERT_EQ(0, nc_map(&self->c, 1, CLIENT_IOVA, self->c.mem, NQ_DATA,
			    VHOST_ACCESS_RW));
	/* Control: everything. */
	ASSERT_EQ(0, nc_map(&self->c, 2, CLIENT_IOVA, self->c.mem, CLIENT_MEM,
			    VHOST_ACCESS_RW));
	ASSERT_EQ(0, client_features(&self->c, PLAIN));
	for (i = 0; i <= CTRLQ; i++)
		ASSERT_EQ(0, nq_setup(&self->q[i], &self->c, i, CLIENT_IOVA));
	ASSERT_EQ(0, client_set_status(&self->c, S_OK));
	ASSERT_EQ(0, wire_ready(DEV));
	ASSERT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	rx_put(&self->q[RXQ], 0, 0, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	EXPECT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	tx_put(&self->q[TXQ], 0, 1, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	EXPECT_EQ(60, wire_recv(self->wire, buf, sizeof(buf), 5000));
	EXPECT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_PROMISC, &on, 1));
	for (i = 0; i < NQ_DATA && !decoy[i]; i++)
		;
	EXPECT_EQ(NQ_DATA, i);
	/* A buffer where the rings' space has one, too: it is the data's. */
	nq_put(&self->q[RXQ], 1, (size_t[]){ 0x3000 }, (int[]){ -2000 }, 1);
	nq_kick(&self->q[RXQ]);
	nq_next(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	ASSERT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	EXPECT_EQ(0, memcmp(decoy + 0x3000 + HLEN, mac, 6));
	EXPECT_EQ(0, self->c.mem[0x3000 + HLEN]);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	munmap(decoy, CLIENT_MEM);
}

/* Unmapping the rings' space under traffic stops the device from using them. */
TEST_F_TIMEOUT(net, rings_unmapped_while_running, LONG)
{
	struct vhost_vring_state s = { .index = 2, .num = 1 };
	struct vhost_msg_v2 gone = {
		.type = VHOST_IOTLB_MSG_V2,
		.asid = 1,
		.iotlb = { .iova = CLIENT_IOVA, .size = NQ_DATA,
			   .type = VHOST_IOTLB_INVALIDATE },
	};
	uint16_t before;
	int i;

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	ASSERT_EQ(0, nc_map(&self->c, 0, CLIENT_IOVA, self->c.mem, CLIENT_MEM,
			    VHOST_ACCESS_RW));
	ASSERT_EQ(0, nc_map(&self->c, 1, CLIENT_IOVA, self->c.mem, NQ_DATA,
			    VHOST_ACCESS_RW));
	ASSERT_EQ(0, client_features(&self->c, PLAIN));
	for (i = 0; i <= CTRLQ; i++)
		ASSERT_EQ(0, nq_setup(&self->q[i], &self->c, i, CLIENT_IOVA));
	ASSERT_EQ(0, client_set_status(&self->c, S_OK));
	ASSERT_EQ(0, wire_ready(DEV));
	for (i = 0; i < 8; i++)
		rx_put(&self->q[RXQ], i, i, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	ASSERT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	ASSERT_EQ((ssize_t)sizeof(gone), write(self->c.fd, &gone, sizeof(gone)));
	before = nq_used(&self->q[RXQ])->idx;
	wire_send(self->wire, mac, 0, 60);
	nq_kick(&self->q[RXQ]);
	usleep(300000);
	EXPECT_EQ(before, nq_used(&self->q[RXQ])->idx);
	/* And mapped again they are used again. */
	ASSERT_EQ(0, nc_map(&self->c, 1, CLIENT_IOVA, self->c.mem, NQ_DATA,
			    VHOST_ACCESS_RW));
	for (i = 0; i < 250 && nq_used(&self->q[RXQ])->idx == before; i++) {
		wire_send(self->wire, mac, 0, 60);
		usleep(20000);
	}
	EXPECT_NE(before, nq_used(&self->q[RXQ])->idx);
}

static uint16_t ip_sum(const uint8_t *p, int len)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The host answers a ping from 198.18.7.2 at once. */
static int host_answers(void)
{
	return sh("sysctl -q -w net.ipv6.conf." DEV ".disable_ipv6=1 && "
		  "ip addr add 198.18.7.1/24 dev " DEV " && "
		  "ip neigh add 198.18.7.2 lladdr 52:00:11:22:33:44 dev " DEV);
}

/* An echo request to the host at data page @page. */
static void echo_put(struct nq *q, int page)
{
	static const uint8_t ip[28] = {
		0x45, 0, 0, 46, 0, 1, 0, 0, 64, 1, 0, 0,
		198, 18, 7, 2, 198, 18, 7, 1, 8, 0, 0, 0, 0, 1, 0, 1,
	};
	uint8_t *p = tx_fill(q, page) + HLEN;
	uint16_t sum;
	FILE *f;

	f = fopen("/sys/class/net/" DEV "/address", "r");
	if (f) {
		if (fscanf(f, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &p[0], &p[1],
			   &p[2], &p[3], &p[4], &p[5]) != 6)
			memset(p, 0xff, 6);
		fclose(f);
	}
	memset(p + 14, 0, 46);
	memcpy(p + 12, (uint8_t[]){ 8, 0 }, 2);
	memcpy(p + 14, ip, sizeof(ip));
	sum = ip_sum(p + 14, 20);
	p[24] = sum >> 8;
	p[25] = sum;
	sum = ip_sum(p + 34, 26);
	p[36] = sum >> 8;
	p[37] = sum;
	tx_offer(q, 0, page, HLEN + 60);
}

/*
 * A driver that is called for the answer most often looks at what it sent, too, so
 * that call is put off. One that does not look gets it all the same, and soon.
 */
TEST_F_TIMEOUT(net, a_call_put_off_comes, LONG)
{
	struct pollfd call = { .events = POLLIN };
	uint64_t n;
	int i;

	ASSERT_EQ(0, host_answers());
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	call.fd = self->q[TXQ].call;
	for (i = 0; i < 8; i++)
		rx_put(&self->q[RXQ], i, i, 2000);
	nq_kick(&self->q[RXQ]);
	for (i = 0; i < 8; i++) {
		echo_put(&self->q[TXQ], 17);
		nq_kick(&self->q[TXQ]);
		ASSERT_LE(i + 1, nq_wait_for(&self->q[RXQ], i + 1, 5000));
		ASSERT_EQ(1, poll(&call, 1, 2000)) TH_LOG("exchange %d", i);
		ASSERT_EQ((ssize_t)sizeof(n), read(call.fd, &n, sizeof(n)));
		EXPECT_EQ(i + 1, nq_used(&self->q[TXQ])->idx);
	}
	/* Stopped before its time it comes at once. */
	echo_put(&self->q[TXQ], 17);
	nq_kick(&self->q[TXQ]);
	ASSERT_EQ(i + 1, nq_wait_for(&self->q[TXQ], i + 1, 5000));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	EXPECT_EQ(1, poll(&call, 1, 0));
}

/* Without RSS a flow comes in where it went out: virtio 1.2, 5.1.6.5.5.1. */
TEST_F_TIMEOUT(net, an_answer_comes_on_the_pair_that_asked, LONG)
{
	const uint8_t pairs[2] = { 2, 0 };
	int i, pair;

	ASSERT_EQ(0, host_answers());
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_MQ,
					 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, pairs,
					 sizeof(pairs)));
	for (i = 0; i < 8; i++) {
		rx_put(&self->q[RXQ], i, i, 2000);
		rx_put(&self->q[RXQ + 2], i, 8 + i, 2000);
	}
	nq_kick(&self->q[RXQ]);
	nq_kick(&self->q[RXQ + 2]);
	for (i = 0; i < 8; i++) {
		pair = i & 1;
		echo_put(&self->q[TXQ + 2 * pair], 17 + pair);
		nq_kick(&self->q[TXQ + 2 * pair]);
		EXPECT_EQ(i / 2 + 1, nq_wait_for(&self->q[RXQ + 2 * pair],
						 i / 2 + 1, 2000))
			TH_LOG("exchange %d, pair %d", i, pair);
	}
}

/* L26: suspend under traffic; kicks are kept; twice is once. */
TEST_F_TIMEOUT(net, L26_suspend_under_traffic, LONG)
{
	uint16_t before;
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < 32; i++)
		rx_put(&self->q[RXQ], i, i % 16, 2000);
	nq_kick(&self->q[RXQ]);
	for (i = 0; i < 10; i++)
		wire_send(self->wire, mac, 0, 100);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	before = nq_used(&self->q[RXQ])->idx;
	for (i = 0; i < 10; i++)
		wire_send(self->wire, mac, 0, 100);
	nq_kick(&self->q[RXQ]);
	tx_put(&self->q[TXQ], 0, 17, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	usleep(200000);
	EXPECT_EQ(before, nq_used(&self->q[RXQ])->idx);
	EXPECT_EQ(0, nq_used(&self->q[TXQ])->idx);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_RESUME));
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_RESUME));
	EXPECT_EQ(1, nq_wait(&self->q[TXQ], 5000));
	EXPECT_LE(10, nq_wait_for(&self->q[RXQ], 10, 5000));
	/* A reset while frames are on their way. */
	for (i = 0; i < 50; i++)
		wire_send(self->wire, mac, 0, 100);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	before = nq_used(&self->q[RXQ])->idx;
	wire_send(self->wire, mac, 0, 100);
	usleep(100000);
	EXPECT_EQ(before, nq_used(&self->q[RXQ])->idx);
}

/* Traffic on, close in the middle, open again: nothing is left of the first. */
TEST_F_TIMEOUT(net, closed_under_traffic, LONG)
{
	int i, k;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
		for (k = 0; k < 16; k++)
			rx_put(&self->q[RXQ], k, k, 2000);
		nq_kick(&self->q[RXQ]);
		for (k = 0; k < 8; k++)
			wire_send(self->wire, mac, 0, 200);
		for (k = 0; k <= CTRLQ; k++)
			nq_free(&self->q[k]);
		client_close(&self->c);
		ASSERT_EQ(0, client_open(&self->c, self->node));
	}
}

static void *bell(struct client *c, uint16_t idx, int prot, int flags,
		  size_t size)
{
	return mmap(NULL, size, prot, flags, c->fd, idx * 4096L);
}

/* I16: what is no doorbell can't be mapped. */
TEST_F_TIMEOUT(net, I16_doorbell_bad_maps, LONG)
{
	struct client *c = &self->c;

	EXPECT_EQ(MAP_FAILED, bell(c, CTRLQ + 1, PROT_WRITE, MAP_SHARED, 4096));
	EXPECT_EQ(MAP_FAILED, bell(c, 65535, PROT_WRITE, MAP_SHARED, 4096));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, c->fd,
				   65536L * 4096));
	EXPECT_EQ(MAP_FAILED, bell(c, 0, PROT_WRITE, MAP_SHARED, 8192));
	EXPECT_EQ(MAP_FAILED, bell(c, 0, PROT_WRITE, MAP_PRIVATE, 4096));
	EXPECT_EQ(MAP_FAILED, bell(c, 0, PROT_READ | PROT_WRITE, MAP_SHARED,
				   4096));
}

/* A kick that is one store. */
TEST_F_TIMEOUT(net, I16_doorbell_kicks, LONG)
{
	volatile uint16_t *db;
	uint8_t buf[2048];
	int i;

	db = bell(&self->c, TXQ, PROT_WRITE, MAP_SHARED, 4096);
	ASSERT_NE(MAP_FAILED, (void *)db);
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < 5; i++) {
		tx_put(&self->q[TXQ], 0, 0, HLEN + 60);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		*db = TXQ;
		ASSERT_EQ(60, wire_recv(self->wire, buf, sizeof(buf), 5000));
		nq_next(&self->q[TXQ]);
	}
	EXPECT_EQ(5, counter(DEV, TXQ, "doorbells"));
	EXPECT_EQ(0, counter(DEV, RXQ, "doorbells"));
	/* Not after a reset, and nothing of the last driver can be read. */
	db[100] = 0x1234;
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	EXPECT_EQ(0, db[100]);
	*db = TXQ;
	usleep(100000);
	EXPECT_EQ(5, counter(DEV, TXQ, "doorbells"));
	munmap((void *)db, 4096);
}

/* A page holds its device as an open file does, and outlives a storm. */
TEST_F_TIMEOUT(net, I16_L12_doorbell_held_over_delete, LONG)
{
	volatile uint16_t *db;
	int i;

	db = bell(&self->c, 0, PROT_WRITE, MAP_SHARED, 4096);
	ASSERT_NE(MAP_FAILED, (void *)db);
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < 100000; i++)
		*db = i;
	/* The node is still open through the mapping: the delete waits. */
	close(self->c.fd);
	ASSERT_EQ(0, sh("vdpa dev del " DEV " &"));
	/* The bus forgets it at once; the interface goes when the device does. */
	usleep(500000);
	EXPECT_EQ(0, access("/sys/class/net/" DEV, F_OK));
	for (i = 0; i < 1000; i++)
		*db = i;
	munmap((void *)db, 4096);
	for (i = 0; i < 300 && !access("/sys/class/net/" DEV, F_OK); i++)
		usleep(100000);
	EXPECT_NE(0, access("/sys/class/net/" DEV, F_OK));
	/* For the teardown. */
	self->c.fd = open("/dev/null", O_RDONLY);
	ASSERT_EQ(0, sh("vdpa dev add name " DEV " mgmtdev trivio_net"));
}

/* Nothing mapped is nothing touched; the first error says where. */
TEST_F_TIMEOUT(net, nothing_mapped, LONG)
{
	ASSERT_EQ(0, client_features(&self->c, PLAIN));
	ASSERT_EQ(0, nq_setup(&self->q[RXQ], &self->c, RXQ, CLIENT_IOVA));
	ASSERT_EQ(0, nq_setup(&self->q[TXQ], &self->c, TXQ, 0x1000));
	ASSERT_EQ(0, client_set_status(&self->c, S_OK));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	EXPECT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/*
 * A queue that breaks says so: NEEDS_RESET and a configuration interrupt. The
 * others of the device go on, and a reset mends it.
 */
TEST_F_TIMEOUT(net, needs_reset, LONG)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t off = NQ_DATA + 0x2000;
	uint8_t buf[2048];

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_CONFIG_CALL, &fd));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	/* A receive buffer that the device may only read. */
	nq_put(&self->q[RXQ], 0, &off, (int[]){ 2000 }, 1);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	EXPECT_EQ(1, poll(&p, 1, 5000));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(0, nq_wait(&self->q[RXQ], 100));
	EXPECT_EQ(1, counter(DEV, RXQ, "errors"));
	tx_put(&self->q[TXQ], 0, 1, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	EXPECT_EQ(60, wire_recv(self->wire, buf, sizeof(buf), 5000));
	/* Indices that jump, in both directions. */
	nq_avail(&self->q[TXQ])->idx += NQ_NUM + 1;
	nq_kick(&self->q[TXQ]);
	usleep(100000);
	EXPECT_EQ(1, counter(DEV, TXQ, "errors"));
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	rx_put(&self->q[RXQ], 0, 0, 2000);
	nq_kick(&self->q[RXQ]);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	EXPECT_EQ(1, nq_wait(&self->q[RXQ], 5000));
	close(fd);
}

static long pinned_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmPin: %ld kB", &kb);
	if (f)
		fclose(f);
	return kb;
}

/* E01: pins are the owner's, and end with the last holder of the node. */
TEST_F_TIMEOUT(net, E01_pins_when_another_process_closes, LONG)
{
	long before = pinned_kb(), held;
	int go[2], i;
	char b;
	pid_t pid;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	held = pinned_kb();
	if (variant->va) {
		/* The rings. */
		EXPECT_LT(before, held);
		EXPECT_GT(before + 256, held);
	} else {
		EXPECT_EQ(before + (long)(CLIENT_MEM >> 10), held);
	}
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &b, 1) < 0);
	}
	close(self->c.fd);
	EXPECT_EQ(held, pinned_kb());
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	for (i = 0; i < 100 && pinned_kb() != before; i++)
		usleep(20000);
	EXPECT_EQ(before, pinned_kb());
	self->c.fd = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->c.fd);
	close(go[0]);
}

/* The position outlives a reset, in packed layout too. */
TEST_F_TIMEOUT(net, packed_base_outlives_a_reset, LONG)
{
	struct vhost_vring_state s = { .index = RXQ };

	ASSERT_EQ(0, client_map(&self->c, CLIENT_IOVA, self->c.mem, CLIENT_MEM,
				VHOST_ACCESS_RW));
	ASSERT_EQ(0, client_features(&self->c,
				     PLAIN | 1ULL << VIRTIO_F_RING_PACKED));
	ASSERT_EQ(0, nq_setup(&self->q[RXQ], &self->c, RXQ, CLIENT_IOVA));
	s.num = 0x80058005;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_SET_VRING_BASE, &s));
	ASSERT_EQ(0, client_set_status(&self->c, S_OK));
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	s.num = 0;
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_GET_VRING_BASE, &s));
	EXPECT_EQ(0x80058005, s.num);
}

/* Config interrupt and generation: a link change arrives. */
TEST_F_TIMEOUT(net, config_interrupt, LONG)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint16_t status = 0;

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_CONFIG_CALL, &fd));
	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	EXPECT_EQ(0, config(self->c.fd, false, 6, 2, &status));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, status);
	ASSERT_EQ(0, sh("echo down >" PROFILE "/link"));
	EXPECT_EQ(1, poll(&p, 1, 5000));
	EXPECT_EQ(0, config(self->c.fd, false, 6, 2, &status));
	EXPECT_EQ(0, status);
	/* No frame passes, and it is counted. */
	tx_put(&self->q[TXQ], 0, 0, HLEN + 60);
	nq_kick(&self->q[TXQ]);
	ASSERT_EQ(1, nq_wait(&self->q[TXQ], 5000));
	EXPECT_EQ(1, counter(DEV, TXQ, "drop_filter"));
	close(fd);
}

TEST_HARNESS_MAIN
