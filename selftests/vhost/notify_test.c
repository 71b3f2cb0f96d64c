// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody sleeps through a notification. Things are done in pairs, the second at
 * a random moment around the one when the device is done with the first and goes
 * to sleep: a frame is offered, a buffer is offered while frames wait for one, a
 * frame arrives at the tap. Then the driver sleeps until both are done. Whatever
 * side misses its cue, nothing follows that would wake it: the test stands still,
 * which the library's time limit ends.
 */
#include "common.h"

#define ROUNDS	800	/* even */
#define SPREAD	120	/* microseconds: more than a turn takes to end */
#define WAIT_MS	20000	/* a sleep that long is no matter of load */
#define WAITING	100	/* frames in the tap; less than its queue holds */

FIXTURE(notify) {
	struct vh_dev d;
	struct vh_tap t;
	uint32_t rnd;
};

FIXTURE_VARIANT(notify) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(notify, split_flags) { .features = VH_BASIC };
FIXTURE_VARIANT_ADD(notify, split_event) { .features = VH_BASIC | EVENT };
FIXTURE_VARIANT_ADD(notify, packed_flags) { .features = VH_BASIC | PACKED };
FIXTURE_VARIANT_ADD(notify, packed_event) {
	.features = VH_BASIC | EVENT | PACKED,
};

FIXTURE_SETUP(notify)
{
	struct vh_opts o = { .features = variant->features };

	self->t.fd = -1;
	self->t.sock = -1;
	self->d.fd = -1;
	self->rnd = 1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(start_on_tap(&self->d, &self->t, &o));
}

FIXTURE_TEARDOWN(notify)
{
	if (self->d.fd < 0)
		return;
	vh_close(&self->d);
	vh_tap_close(&self->t);
}

/* Spin, so that the moment is not the timer's. */
static void a_while(uint32_t *rnd)
{
	struct timespec a, b;
	long ns;

	*rnd = *rnd * 1664525 + 1013904223;
	ns = (*rnd >> 8) % (SPREAD * 1000);
	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec <
		 ns);
}

static int arrive(struct vh_tap *t, unsigned int seq)
{
	uint8_t f[60];

	vh_frame_fill(f, sizeof(f), seq);
	if (send(t->sock, f, sizeof(f), 0) != sizeof(f))
		return vh_fail(-errno, "frame %u to the tap", seq);
	return 0;
}

static int expect(struct vh_dev *d, unsigned int seq)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t f[2048];
	uint64_t have;
	int n;

	do {
		n = vh_rx_frame(d, f, sizeof(f), &hdr, WAIT_MS);
		if (n < 0)
			return n;
		n = vh_frame_check(f, n, &have);
		if (n < 0)
			return n;
	} while (!n);
	return have == seq ? 0 : vh_fail(-EBADMSG, "frame %u, not %u",
					 (unsigned int)have, seq);
}

/* Two frames out. Calls are off at first, so that turning them on is raced for, too. */
static int send_two(struct vh_dev *d, uint32_t *rnd, unsigned int seq)
{
	struct vh_ring *r = &d->ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	unsigned int i, done = 0;
	int e;

	vh_call_off(r);
	for (i = 0; i < 2; i++) {
		e = vh_tx_post(d, &s, seq + i);
		if (e)
			return vh_fail(e, "post of frame %u", seq + i);
		vh_publish_kick(r);
		a_while(rnd);
	}
	while (done < 2) {
		e = vh_wait_used(r, WAIT_MS);
		e = e ?: vh_tx_reap(d, &done);
		if (e)
			return e;
	}
	return 0;
}

/* All that was sent is in the socket's buffer, in order. */
static int all_arrived(struct vh_tap *t)
{
	unsigned int n = 0;
	uint64_t have;
	uint8_t f[2048];
	ssize_t len;
	int e;

	while (n < ROUNDS && vh_wait_fd(t->sock, 1000)) {
		len = recv(t->sock, f, sizeof(f), MSG_DONTWAIT);
		if (len < 0)
			break;
		e = vh_frame_check(f, len, &have);
		if (e < 0)
			return e;
		if (e && have != n++)
			return vh_fail(-EBADMSG, "frame %u, not %u",
				       (unsigned int)have, n - 1);
	}
	return n == ROUNDS ? 0 : vh_fail(-ENODATA, "%u arrived", n);
}

TEST_F_TIMEOUT(notify, frames_out, LONG)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i += 2)
		OK(send_two(&self->d, &self->rnd, i));
	OK(all_arrived(&self->t));
}

TEST_F_TIMEOUT(notify, frames_in, LONG)
{
	struct vh_shape s = { 0 };
	unsigned int i;

	for (i = 0; i < ROUNDS; i += 2) {
		vh_rx_post(&self->d, &s, 128);
		vh_call_off(&self->d.ring[VH_RX]);
		OK(arrive(&self->t, i));
		a_while(&self->rnd);
		OK(arrive(&self->t, i + 1));
		a_while(&self->rnd);
		OK(expect(&self->d, i));
		OK(expect(&self->d, i + 1));
	}
}

TEST_F_TIMEOUT(notify, buffers_for_waiting_frames, LONG)
{
	unsigned int i, sent = 0;
	struct vh_shape s = { 0 };

	for (i = 0; i < ROUNDS; i += 2) {
		for (; sent < ROUNDS && sent < i + WAITING; sent++)
			OK(arrive(&self->t, sent));
		vh_call_off(&self->d.ring[VH_RX]);
		ASSERT_EQ(1, vh_rx_post(&self->d, &s, 1));
		a_while(&self->rnd);
		ASSERT_EQ(1, vh_rx_post(&self->d, &s, 1));
		a_while(&self->rnd);
		OK(expect(&self->d, i));
		OK(expect(&self->d, i + 1));
	}
}

TEST_HARNESS_MAIN
