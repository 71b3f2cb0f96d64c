// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no driver should do to a net device on a vhost-vdpa node, and what the
 * device does then: frames, buffers and commands. The net half of the defects found
 * in the kernel's simulator (numbers as in the comments; the block half is in
 * hostile.c).
 */
#include <poll.h>

#include "hostile_net.h"

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

/*
 * A buffer in as many pieces as a chain may have, too small for the frame, and one more
 * behind it: the first has used up the queue's room. (The second was written beyond it.)
 */
TEST_F_TIMEOUT(net, R07_no_room_left_to_merge, LONG)
{
	size_t table = NQ_DATA + 0x20000, data = NQ_DATA + 0x40000;
	struct nq *q = &self->q[RXQ];
	struct vring_desc *d;
	int i;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN |
			   1ULL << VIRTIO_NET_F_MRG_RXBUF |
			   1ULL << VIRTIO_RING_F_INDIRECT_DESC));
	d = (struct vring_desc *)(self->c.mem + table);
	for (i = 0; i < 1024; i++)
		d[i] = (struct vring_desc){
			.addr = client_iova(data + i), .len = 1, .next = i + 1,
			.flags = VRING_DESC_F_WRITE |
				 (i < 1023 ? VRING_DESC_F_NEXT : 0),
		};
	nq_put(q, 0, &table, (int[]){ 1024 * sizeof(*d) }, 1);
	nq_desc(q)[0].flags = VRING_DESC_F_INDIRECT;
	for (i = 1; i < 8; i++)
		rx_put(q, i, i, 2000);
	nq_kick(q);
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 1400));
	for (i = 0; i < 100 && counter(DEV, RXQ, "drop_nobuf") != 1; i++)
		usleep(50000);
	EXPECT_EQ(1, counter(DEV, RXQ, "drop_nobuf"));
	EXPECT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* What fits goes in: there it is, still the first. */
	ASSERT_EQ(0, wire_send(self->wire, mac, 0, 60));
	ASSERT_EQ(1, nq_wait(q, 5000));
	EXPECT_EQ(HLEN + 60, (int)nq_next(q)->len);
}

/*
 * Queues that broke are enabled again and again, with no reset between: each time what is
 * left of the last run ends first. (The ring was mapped twice, and NAPI enabled twice.)
 */
TEST_F_TIMEOUT(net, L14_broken_queues_enabled_again, LONG)
{
	struct vhost_vring_state on = { .num = 1 };
	long pinned;
	int i, k;

	ASSERT_EQ(0, start(&self->c, self->q, PLAIN));
	pinned = pinned_kb();
	for (i = 0; i < 5; i++) {
		for (k = RXQ; k <= TXQ; k++) {
			nq_avail(&self->q[k])->idx += 3 * NQ_NUM;
			nq_kick(&self->q[k]);
		}
		wire_send(self->wire, mac, 0, 60);
		for (k = 0; k < 1000 && !(client_status(&self->c) &
					  VIRTIO_CONFIG_S_NEEDS_RESET); k++)
			usleep(10000);
		EXPECT_GT(1000, k);
		for (k = RXQ; k <= TXQ; k++) {
			on.index = k;
			ioctl(self->c.fd, VHOST_VDPA_SET_VRING_ENABLE, &on);
		}
		EXPECT_LE(pinned_kb(), pinned);
	}
	client_set_status(&self->c, 0);
	nq_free(&self->q[RXQ]);
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

TEST_HARNESS_MAIN
