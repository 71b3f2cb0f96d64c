// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device on a leash, for tests of the command: makes a device with a tap, and
 * does what lines on its standard input say, each answered by "ok" or "failed".
 *
 *   post N    make N frames available to the transmit queue, without a kick
 *   kick      kick the transmit queue
 *   reap      take what was returned
 *   send N    N frames, kicked and taken back
 *   break     make a head available that the ring does not have, and kick
 *   rx        post receive buffers
 *   quit
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost.h"

#define FRAME	60

static struct vh_dev d;
static struct vh_tap t;
static uint64_t seq;

static const struct vh_shape shape = { .count = 1, .len = FRAME, .batch = 1,
				       .segs = 1 };

static int post(unsigned int n)
{
	int err;

	while (n--) {
		err = vh_tx_post(&d, &shape, seq++);
		if (err)
			return err;
	}
	vh_publish(&d.ring[VH_TX]);
	return 0;
}

static int send_frames(unsigned int n)
{
	struct vh_ring *r = &d.ring[VH_TX];
	unsigned int done;
	int err;

	while (n--) {
		err = post(1);
		if (err)
			return err;
		vh_kick(r);
		done = 0;
		while (!done) {
			err = vh_wait_used(r, 5000);
			if (!err)
				err = vh_tx_reap(&d, &done);
			if (err)
				return err;
		}
	}
	return 0;
}

static int break_ring(void)
{
	struct vh_ring *r = &d.ring[VH_TX];
	uint16_t idx = r->avail->idx;

	r->avail->ring[idx % r->size] = r->size + 7;
	__atomic_store_n(&r->avail->idx, idx + 1, __ATOMIC_RELEASE);
	vh_kick(r);
	return 0;
}

static int obey(const char *line)
{
	struct vh_shape rx = { .count = 8, .len = FRAME };
	unsigned int n = 0, done;

	if (sscanf(line, "post %u", &n) == 1)
		return post(n);
	if (sscanf(line, "send %u", &n) == 1)
		return send_frames(n);
	if (!strcmp(line, "kick\n"))
		return vh_kick(&d.ring[VH_TX]), 0;
	if (!strcmp(line, "reap\n"))
		return vh_tx_reap(&d, &done);
	if (!strcmp(line, "break\n"))
		return break_ring();
	if (!strcmp(line, "rx\n"))
		return vh_rx_post(&d, &rx, 8) < 0 ? -1 : 0;
	return -1;
}

int main(int argc, char **argv)
{
	struct vh_opts o = { .features = VH_USUAL, .size = 64 };
	char line[128];

	if (argc > 1 && !strcmp(argv[1], "packed"))
		o.features |= VH_BIT(VIRTIO_F_RING_PACKED);
	if (vh_open(&d, &o) || vh_tap_open(&t, 0, d.hdr_len) ||
	    vh_start(&d, t.fd)) {
		fprintf(stderr, "hold: %s\n", vh_why());
		return 1;
	}
	printf("ok %s\n", t.name);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "quit\n"))
			break;
		puts(obey(line) ? "failed" : "ok");
		fflush(stdout);
	}
	vh_close(&d);
	vh_tap_close(&t);
	return 0;
}
