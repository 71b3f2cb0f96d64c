/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * soak: numbered frames both ways for as long as one likes, while somebody
 * breaks things. Guest memory, the driver's place in it and the books are
 * shared memory: an owner that is killed is followed by one that goes on.
 *
 * soak.c		the one who breaks things, and the books at the end
 * soak_guest.c		the owner: a driver that can be killed at any moment
 */
#ifndef TRIVIO_SELFTEST_SOAK_H
#define TRIVIO_SELFTEST_SOAK_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost.h"

#define SK_RING		256
#define SK_SLOT		2048
#define SK_LEN_MAX	1500
#define SK_SEQS		(64u << 20)	/* frames of one run, each way */

/**
 * struct sk_ring - one split ring in guest memory, and what the driver knows
 * @last: used entries that were looked at
 */
struct sk_ring {
	struct vring_desc desc[SK_RING];
	struct {
		uint16_t flags;
		uint16_t idx;
		uint16_t ring[SK_RING];
		uint16_t event;
	} avail __attribute__((aligned(4096)));
	struct {
		uint16_t flags;
		uint16_t idx;
		struct vring_used_elem ring[SK_RING];
		uint16_t event;
	} used __attribute__((aligned(4096)));
	uint16_t last;
	uint8_t slot[SK_RING][SK_SLOT] __attribute__((aligned(4096)));
};

/* The driver side's memory: what the device may touch. */
struct sk_guest {
	struct sk_ring ring[2];
};

/**
 * struct sk_books - who has seen what
 * @tx_next: number of the next frame out
 * @tx_got: numbers that arrived behind the tap
 * @tx_twice: and came again
 * @tx_lost: and never will: what was counted as dropped when an owner ended
 * @rx_next: number of the next frame in; in @rx_sent were taken by the tap
 * @rx_got: numbers that came out of the ring
 * @bad: frames whose content was not theirs
 * @tx_seen: a bit for each number
 * @rx_seen: likewise
 */
struct sk_books {
	uint64_t tx_next;
	uint64_t tx_got;
	uint64_t tx_twice;
	uint64_t tx_lost;
	uint64_t rx_next;
	uint64_t rx_sent;
	uint64_t rx_got;
	uint64_t rx_twice;
	uint64_t bad;
	uint64_t swaps;
	uint64_t tables;
	bool pause;
	bool running;
	uint64_t tx_seen[SK_SEQS / 64];
	uint64_t rx_seen[SK_SEQS / 64];
};

/**
 * struct sk_world - everything the two processes share
 * @fd: the device, opened by the one who breaks things, owned by the other
 * @tap: two of them, so that there is something to swap
 */
struct sk_world {
	struct sk_guest *g;
	struct sk_books *b;
	int memfd;
	int fd;
	int kick[2];
	int call[2];
	int err[2];
	struct vh_tap tap[2];
};

void sk_guest_main(struct sk_world *w, uint64_t seed);

/* sk_mark - note a number; true if it was new */
static inline bool sk_mark(uint64_t *seen, uint64_t seq)
{
	uint64_t bit = 1ULL << seq % 64;

	if (seq >= SK_SEQS)
		return false;
	if (seen[seq / 64] & bit)
		return false;
	seen[seq / 64] |= bit;
	return true;
}

#endif
