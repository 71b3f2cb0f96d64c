// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other half of hostile_net.c: what an owner should not do to a net device's
 * configuration space, memory, doorbell pages and life, and what the device does then.
 */
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "hostile_net.h"

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
	ASSERT_EQ(0, start_mapped(&self->c, self->q, PLAIN));
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
	ASSERT_EQ(0, start_mapped(&self->c, self->q, PLAIN));
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
	/* The carrier was off: what was sent meanwhile may be gone. */
	ASSERT_EQ(0, wire_ready(DEV));
	before = nq_used(&self->q[RXQ])->idx;
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, wire_send(self->wire, mac, 0, 100));
	EXPECT_LE(before + 10, nq_wait_for(&self->q[RXQ], before + 10, 5000));
	/* A reset while frames are on their way. */
	for (i = 0; i < 50; i++)
		wire_send(self->wire, mac, 0, 100);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	before = nq_used(&self->q[RXQ])->idx;
	wire_send(self->wire, mac, 0, 100);
	usleep(100000);
	EXPECT_EQ(before, nq_used(&self->q[RXQ])->idx);
}

/* Without a buffer frames wait; those a worker has are counted when they go. */
TEST_F_TIMEOUT(net, frames_that_wait_are_counted_when_they_go, LONG)
{
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, wire_send(self->wire, mac, 0, 100));
	usleep(200000);
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	/* Direct mode has none: they wait with the interface. */
	EXPECT_EQ(variant->va ? 5 : 0, counter(DEV, RXQ, "drop_backend"));
	EXPECT_EQ(0, counter(DEV, RXQ, "packets"));
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
	ASSERT_EQ(0, vdev_add(DEV, "trivio_net", NULL));
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
	ASSERT_EQ(0, put(PROFILE "/link", "down"));
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
