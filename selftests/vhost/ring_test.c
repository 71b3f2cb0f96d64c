// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traffic through both ring formats with every payload checked: layouts of
 * chains, indirect tables, notification words, sizes and wrap-arounds, and
 * what has to survive when a queue is stopped and started again.
 */
#include "common.h"

FIXTURE(ring) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_VARIANT(ring) {
	uint64_t features;
	bool dpdk_base;
	bool no_base;
};

#define VARIANT(name, bits, ...)					\
	FIXTURE_VARIANT_ADD(ring, name) { .features = (bits), __VA_ARGS__ }

VARIANT(split, VH_USUAL);
VARIANT(split_flags, VH_BASIC | IND);
VARIANT(split_nomrg, V1 | EVENT | IND);
VARIANT(split_legacy, MRG | EVENT | IND);
VARIANT(split_order, VH_USUAL | ORDER);
VARIANT(split_order_flags, VH_BASIC | ORDER);
VARIANT(packed, VH_USUAL | PACKED);
VARIANT(packed_flags, VH_BASIC | IND | PACKED);
VARIANT(packed_nomrg, V1 | EVENT | IND | PACKED);
VARIANT(packed_order, VH_USUAL | PACKED | ORDER);
VARIANT(packed_dpdk_base, VH_BASIC | PACKED | ORDER, .dpdk_base = true);
VARIANT(packed_no_base, VH_USUAL | PACKED, .no_base = true);

FIXTURE_SETUP(ring)
{
	struct vh_opts o = {
		.features = variant->features,
		.dpdk_base = variant->dpdk_base, .no_base = variant->no_base,
	};

	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(start_on_tap(&self->d, &self->t, &o));
}

FIXTURE_TEARDOWN(ring)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

TEST_F_TIMEOUT(ring, small_frames_both_ways, LONG)
{
	struct vh_shape s = { .count = 1000, .len = 60, .batch = 64 };

	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(ring, random_lengths_both_ways, LONG)
{
	struct vh_shape s = {
		.count = 400, .len = 1514, .batch = 32, .random = true,
	};

	OK(vh_tx_check(&self->d, &self->t, &s, 5));
	OK(vh_rx_check(&self->d, &self->t, &s, 5));
}

TEST_F_TIMEOUT(ring, one_frame_per_kick, LONG)
{
	struct vh_shape s = { .count = 60, .len = 100, .batch = 1 };
	unsigned int i;

	for (i = 0; i < s.count; i++) {
		struct vh_shape one = { .count = 1, .len = 100, .batch = 1 };

		OK(vh_tx_check(&self->d, &self->t, &one, i));
	}
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(ring, chains_and_split_headers, LONG)
{
	static const unsigned int firsts[] = { 1, 4, 10, 11, 12, 13, 20, 60 };
	unsigned int i, segs;

	for (segs = 2; segs <= 18; segs += 4)
		for (i = 0; i < 8; i++) {
			struct vh_shape s = {
				.count = 8, .len = 300, .batch = 8,
				.segs = segs, .first = firsts[i],
			};

			OK(vh_tx_check(&self->d, &self->t, &s, i * 100));
			OK(vh_rx_check(&self->d, &self->t, &s, i * 100));
		}
}

TEST_F_TIMEOUT(ring, header_in_one_byte_descriptors, LONG)
{
	struct vh_shape s = { .count = 20, .len = 22, .segs = 34, .first = 1 };

	/* 12 or 10 bytes of header and 22 of frame, a byte each. */
	s.segs = self->d.hdr_len + s.len;
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(ring, indirect_tables, LONG)
{
	struct vh_shape s = {
		.count = 100, .len = 1000, .indirect = true, .random = true,
	};
	unsigned int segs;

	if (!(variant->features & IND))
		SKIP(return, "no INDIRECT_DESC in this variant");
	for (segs = 1; segs <= 19; segs += 6) {
		s.segs = segs;
		OK(vh_tx_check(&self->d, &self->t, &s, 0));
		OK(vh_rx_check(&self->d, &self->t, &s, 0));
	}
}

TEST_F_TIMEOUT(ring, polled_without_calls, LONG)
{
	struct vh_shape s = {
		.count = 512, .len = 60, .batch = 64, .poll = true,
	};

	OK(vh_tx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(ring, mergeable_buffers, LONG)
{
	struct vh_shape s = {
		.count = 200, .len = 1514, .rx_buf = 128, .batch = 4,
		.random = true,
	};

	if (!(variant->features & MRG))
		SKIP(return, "no MRG_RXBUF in this variant");
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
	s.rx_buf = 700;
	s.segs = 3;
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(ring, num_buffers_is_one, LONG)
{
	struct vh_shape s = { .count = 1, .len = 100 };
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t tx[100], rx[2048];
	int i;

	if (!(variant->features & V1))
		SKIP(return, "a 10 byte header has no num_buffers");
	if (dut_is_ref() && !(variant->features & MRG))
		SKIP(return, "in-tree leaves it unwritten without MRG_RXBUF");
	vh_frame_fill(tx, sizeof(tx), 7);
	/* The buffers are filled with 0xaa beforehand. */
	vh_rx_post(&self->d, &s, 8);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(sizeof(tx), send(self->t.sock, tx, sizeof(tx), 0));
		ASSERT_EQ(sizeof(tx), vh_rx_frame(&self->d, rx, sizeof(rx),
						  &hdr, 5000));
		EXPECT_EQ(1, hdr.num_buffers);
		EXPECT_EQ(0, hdr.hdr.gso_type);
	}
}

/* Wait until @n chains of queue @q are used, by looking only. */
static unsigned int used_now(struct vh_ring *r, unsigned int n, int ms)
{
	struct vh_used u;
	unsigned int k = 0;

	while (k < n && ms-- > 0) {
		while (vh_get_used(r, &u)) {
			vh_slot_put(r, u.token);
			k++;
		}
		if (k < n)
			usleep(1000);
	}
	return k;
}

TEST_F_TIMEOUT(ring, call_comes_exactly_when_asked, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	unsigned int i, round;

	if (!r->event_idx)
		SKIP(return, "no EVENT_IDX in this variant");
	/* The first chain after a bind is always called for. */
	OK(vh_both_check(&self->d, &self->t, 1));
	for (round = 0; round < 15; round++) {
		vh_drain(r->call);
		vh_call_on(r, 8);
		for (i = 0; i < 7; i++)
			OK(vh_tx_post(&self->d, &s, i));
		vh_publish_kick(r);
		if (r->in_order && r->packed) {
			/* used by one entry: only the end can be seen */
			usleep(20000);
		} else {
			/* Look without moving last_used: the event counts. */
			for (i = 0; i < 5000 && !vh_more_used(r); i++)
				usleep(1000);
			usleep(10000);
		}
		ASSERT_EQ(0, vh_drain(r->call)) TH_LOG("round %u", round);
		OK(vh_tx_post(&self->d, &s, 8));
		vh_publish_kick(r);
		ASSERT_EQ(1, vh_wait_fd(r->call, 5000)) TH_LOG("round %u",
							       round);
		ASSERT_EQ(1, vh_drain(r->call));
		ASSERT_EQ(8, used_now(r, 8, 1000));
	}
}

TEST_F_TIMEOUT(ring, no_call_when_not_asked, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	unsigned int i, round;

	OK(vh_both_check(&self->d, &self->t, 1));
	/* What is shown as used is not called for yet. */
	vh_settle(&self->d);
	vh_drain(r->call);
	for (round = 0; round < 20; round++) {
		vh_call_off(r);
		for (i = 0; i < 30; i++)
			OK(vh_tx_post(&self->d, &s, i));
		vh_publish_kick(r);
		ASSERT_EQ(30, used_now(r, 30, 5000));
	}
	usleep(50000);
	EXPECT_EQ(0, vh_drain(r->call));
	/* And it comes back when it is wanted again. */
	vh_call_on(r, 1);
	OK(vh_tx_post(&self->d, &s, 0));
	vh_publish_kick(r);
	EXPECT_EQ(1, vh_wait_fd(r->call, 5000));
}

TEST_F_TIMEOUT(ring, idle_device_wants_a_kick, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	int i;

	for (i = 0; i < 20; i++) {
		vh_settle(&self->d);
		OK(vh_tx_post(&self->d, &s, i));
		vh_publish(r);
		/* Idle since the last round, so it must have asked for it. */
		ASSERT_TRUE(vh_kick_wanted(r)) TH_LOG("round %d", i);
		vh_kick(r);
		ASSERT_EQ(1, used_now(r, 1, 5000));
	}
}

TEST_F_TIMEOUT(ring, bind_serves_without_a_kick, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	int i, round;

	for (round = 0; round < 10; round++) {
		OK(vh_stop(&self->d));
		for (i = 0; i < 5; i++)
			OK(vh_tx_post(&self->d, &s, i));
		vh_publish(r);
		OK(vh_start(&self->d, self->t.fd));
		ASSERT_EQ(5, used_now(r, 5, 5000)) TH_LOG("round %d", round);
	}
}

TEST_F_TIMEOUT(ring, unbind_keeps_the_positions, LONG)
{
	struct vh_shape s = { .count = 300, .len = 60, .batch = 32 };
	uint32_t base;
	int i;

	for (i = 0; i < 5; i++) {
		OK(vh_tx_check(&self->d, &self->t, &s, i * 1000));
		OK(vh_rx_check(&self->d, &self->t, &s, i * 1000));
		OK(vh_stop(&self->d));
		OK(vh_get_base(&self->d, VH_TX, &base));
		ASSERT_EQ(vh_ring_base(&self->d.ring[VH_TX]), base);
		OK(vh_get_base(&self->d, VH_RX, &base));
		ASSERT_EQ(vh_ring_base(&self->d.ring[VH_RX]), base);
		/* DPDK binds again without a word about the base. */
		OK(vh_start(&self->d, self->t.fd));
	}
}

/* P1: nothing lost and nothing twice, whatever the queue was doing. */
TEST_F_TIMEOUT(ring, M04_stop_hand_over_start, LONG)
{
	unsigned int seq = 0, done = 0, got = 0, cycle, i;
	struct vh_shape s = { .len = 60 };
	struct vh_dev *d = &self->d;
	uint8_t f[2048];
	uint32_t base[2];
	uint64_t have;
	ssize_t n;

	for (cycle = 0; cycle < 30; cycle++) {
		for (i = 0; i < 100; i++) {
			if (vh_tx_post(d, &s, seq))
				break;
			seq++;
		}
		vh_publish_kick(&d->ring[VH_TX]);
		if (cycle % 3)
			usleep(cycle * 20);
		OK(vh_stop(d));
		OK(vh_get_base(d, VH_RX, &base[VH_RX]));
		OK(vh_get_base(d, VH_TX, &base[VH_TX]));
		close(d->fd);
		/* The next device gets the rings as they are, and the base. */
		OK(vh_attach(d, NULL));
		for (i = 0; i < 2; i++)
			OK(vh_set_base(d, i, base[i]));
		OK(vh_start(d, self->t.fd));
		OK(vh_tx_reap(d, &done));
	}
	vh_kick(&d->ring[VH_TX]);
	for (i = 0; i < 5000 && done < seq; i++) {
		OK(vh_tx_reap(d, &done));
		usleep(1000);
	}
	ASSERT_EQ(seq, done);
	while (vh_wait_fd(self->t.sock, got < seq ? 2000 : 200)) {
		n = recv(self->t.sock, f, sizeof(f), MSG_DONTWAIT);
		if (n < 0 || vh_frame_check(f, n, &have) != 1)
			continue;
		ASSERT_EQ(got, have) TH_LOG("of %u", seq);
		got++;
	}
	EXPECT_EQ(seq, got);
}

TEST_F_TIMEOUT(ring, full_ring_and_empty_ring, LONG)
{
	struct vh_shape s = { .count = 600, .len = 60, .batch = 256 };

	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	/* Nothing posted: the frame waits in the tap, and then comes. */
	s.count = 300;
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_HARNESS_MAIN
