// SPDX-License-Identifier: GPL-2.0-only
/*
 * diff_fuzz: made-up scripts of messages, ring operations and packets on
 * in-tree vhost_net and on ours; what can be seen has to agree. A script
 * that tells them apart is made as short as it can be and printed, ready
 * for --replay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dice.h"
#include "diff_ops.h"
#include "kselftest.h"

#define STEPS		40
#define SCRIPTS		12	/* without --seconds: a smoke test */
#define SETUP_STEPS	16

static uint64_t rng;

static uint64_t rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return n ? (rng >> 11) % n : 0;
}

static struct diff_op op(enum diff_kind kind, unsigned int q, uint64_t a,
			 uint64_t b)
{
	return (struct diff_op){ kind, q, a, b, 0 };
}

/* The set-up that leads somewhere; sometimes a step is left out later. */
static unsigned int setup(struct diff_op *o)
{
	static const uint64_t drop[] = {
		0, 0, 0, 1ULL << VIRTIO_RING_F_EVENT_IDX,
		1ULL << VIRTIO_RING_F_INDIRECT_DESC,
	};
	uint64_t f = VH_USUAL & ~drop[rnd(5)];
	unsigned int n = 0, q;

	o[n++] = op(D_OWNER, 0, 0, 0);
	o[n++] = op(D_LOG_BASE, 0, LOG_OK, 0);
	if (rnd(3) == 0)
		f |= 1ULL << VHOST_F_LOG_ALL;
	o[n++] = op(D_FEATURES, 0, f, 0);
	o[n++] = op(D_MEM, 0, rnd(4) ? MEM_ONE : rnd(2) ? MEM_FOUR : MEM_64, 0);
	for (q = 0; q < 2; q++) {
		o[n++] = op(D_NUM, q, 16, 0);
		o[n++] = op(D_BASE, q, 0, 0);
		o[n++] = op(D_ADDR, q, f >> VHOST_F_LOG_ALL & 1 ? ADDR_LOG :
			    ADDR_OK, 0);
		o[n++] = op(D_KICK_FD, q, FD_EVENT, 0);
		o[n++] = op(D_CALL_FD, q, FD_EVENT2, 0);
	}
	o[n++] = op(D_BACKEND, 0, FD_TAP, 0);
	o[n++] = op(D_BACKEND, 1, FD_TAP, 0);
	return n;
}

static uint64_t some_value(void)
{
	static const uint64_t v[] = {
		0, 1, 2, 3, 16, 17, 255, 256, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0xffffffff,
	};

	return v[rnd(13)];
}

/*
 * Memory that faults, logs that cannot be written and a bind before its
 * IOTLB entries are decided differences (see diff_test); leave them out.
 */
static struct diff_op any_step(void)
{
	static const uint64_t mem[] = {
		MEM_ONE, MEM_ONE, MEM_FOUR, MEM_64, MEM_65, MEM_PADDING,
		MEM_OVERLAP, MEM_SIZE0, MEM_GPA_WRAPS, MEM_KERNEL, MEM_NULL,
	};
	static const uint64_t addr[] = {
		ADDR_AVAIL_ODD, ADDR_USED_ODD, ADDR_LOG_ODD, ADDR_FLAGS,
		ADDR_KERNEL, ADDR_ARG_NULL,
	};
	static const uint64_t files[] = {
		FD_CLOSED, FD_REGULAR, FD_UDP, FD_UNIX, FD_SELF, FD_NULL,
		FD_PIPE, FD_MINUS2, FD_PACKET_DGRAM,
	};
	unsigned int q = rnd(20) ? rnd(2) : rnd(2) ? 2 : 0xffffffff;
	static const uint64_t b64 = 1;
	struct diff_op o;

	switch (rnd(20)) {
	case 0: case 1: case 2: case 3:
		return op(D_TX, 1, 1 + rnd(16), rnd(1ULL << 29) |
			  (uint64_t)rnd(2) << 32);
	case 4: case 5: case 6:
		return op(D_RX_POST, 0, 1 + rnd(16), rnd(1ULL << 18) |
			  (uint64_t)rnd(2) << 32);
	case 7: case 8: case 9:
		return op(D_RX_SEND, 0, 1 + rnd(8), rnd(1400));
	case 10:
		o = op(D_MEM, 0, mem[rnd(11)], 0);
		break;
	case 11:
		o = op(D_ADDR, q, addr[rnd(6)], 0);
		break;
	case 12:
		o = op(rnd(2) ? D_NUM : D_BASE, q, some_value(), 0);
		break;
	case 13:
		o = op(D_KICK_FD + rnd(3), q, files[rnd(9)], 0);
		break;
	case 14:
		o = op(D_BACKEND, q, files[rnd(9)], 0);
		break;
	case 15:
		o = op(rnd(2) ? D_GET_BASE : D_GET_BUSYLOOP, q, 0, 0);
		break;
	case 16:
		o = op(D_BFEATURES + rnd(2), 0, rnd(3) ? 2 : b64 << rnd(64), 0);
		break;
	case 17:
		o = op(D_IOTLB_RAW, 0, rnd(100), rnd(4));
		break;
	case 18:
		o = op(D_OWNER, 0, 0, 0);
		break;
	default:
		o = op(rnd(2) ? D_POLL : D_UNKNOWN, 0, 0xaf00 + rnd(256), 0);
		break;
	}
	if (rnd(10) == 0)
		o.flags = D_IN_CHILD;
	return o;
}

/* Stop, look where it stands, go on: what every client does. */
static unsigned int restart(struct diff_op *o)
{
	unsigned int n = 0, q;

	for (q = 0; q < 2; q++) {
		o[n++] = op(D_BACKEND, q, FD_NONE, 0);
		o[n++] = op(D_GET_BASE, q, 0, 0);
	}
	for (q = 0; q < 2; q++)
		o[n++] = op(D_BACKEND, q, FD_TAP, 0);
	return n;
}

static unsigned int script(struct diff_op *o)
{
	unsigned int n = setup(o), len = 4 + rnd(STEPS);

	while (len--) {
		if (rnd(8) == 0)
			n += restart(&o[n]);
		else
			o[n++] = any_step();
	}
	/* After a bad chain a queue is not what it was: only at the end. */
	if (rnd(3) == 0) {
		uint64_t kind;

		do {
			kind = rnd(BAD_KINDS);
			/* Ours drops these, in tree is stuck on them. */
		} while (kind == BAD_SHORT || kind == BAD_EMPTY ||
			 kind == BAD_WRITE || kind >= BAD_KINDS);
		o[n++] = op(D_BAD_CHAIN, 1, kind, rnd(1 << 20));
		o[n++] = op(D_BACKEND, 1, FD_NONE, 0);
	}
	return n;
}

/*
 * Drop steps as long as the two still differ. The set-up stays: without its
 * kick eventfd, say, a script would differ for a duller reason.
 */
static unsigned int shrink(struct diff_op *o, unsigned int n, char *why,
			   size_t size)
{
	struct diff_op t[512];
	unsigned int chunk, i;

	for (chunk = n / 2; chunk; chunk /= 2) {
		for (i = SETUP_STEPS; i + chunk <= n;) {
			memcpy(t, o, i * sizeof(*t));
			memcpy(&t[i], &o[i + chunk],
			       (n - i - chunk) * sizeof(*t));
			if (diff_sequence(vh_ref_node(), vh_node(), t,
					  n - chunk, why, size) == 1) {
				n -= chunk;
				memcpy(o, t, n * sizeof(*t));
			} else {
				i += chunk;
			}
		}
	}
	diff_sequence(vh_ref_node(), vh_node(), o, n, why, size);
	return n;
}

static void show(const struct diff_op *o, unsigned int n)
{
	char line[128];
	unsigned int i;

	ksft_print_msg("script, for --replay:\n");
	for (i = 0; i < n; i++) {
		diff_print(line, sizeof(line), &o[i]);
		printf("#   %s\n", line);
	}
}

static int run_replay(const char *path)
{
	static struct diff_op o[512];
	char line[256], why[512] = "";
	unsigned int n = 0;
	const char *p;
	FILE *f;
	int r;

	f = fopen(path, "r");
	if (!f) {
		ksft_test_result_fail("%s: %s\n", path, strerror(errno));
		return 1;
	}
	while (n < 512 && fgets(line, sizeof(line), f)) {
		/* As printed above, or without the frame. */
		for (p = line; *p == '#' || *p == ' '; p++)
			;
		r = diff_parse(p, &o[n]);
		if (!r)
			n++;
	}
	fclose(f);
	r = diff_sequence(vh_ref_node(), vh_node(), o, n, why, sizeof(why));
	if (r)
		ksft_print_msg("%s\n", r < 0 ? vh_why() : why);
	ksft_test_result(!r, "replay of %u steps\n", n);
	return r != 0;
}

static int run_random(const struct dice_args *a)
{
	static struct diff_op o[512];
	unsigned int runs = 0, steps = 0, n;
	time_t end = time(NULL) + (a->seconds ?: 60);
	char why[512] = "";
	int r = 0;

	rng = a->seed ?: 1;
	while (time(NULL) < end && (a->seconds || runs < SCRIPTS)) {
		n = script(o);
		r = diff_sequence(vh_ref_node(), vh_node(), o, n, why,
				  sizeof(why));
		runs++;
		steps += n;
		if (r == 1)
			/* Twice, or it was the clock. */
			r = diff_sequence(vh_ref_node(), vh_node(), o, n, why,
					  sizeof(why));
		if (r)
			break;
	}
	ksft_print_msg("seed %llu: %u scripts, %u steps\n",
		       (unsigned long long)a->seed, runs, steps);
	if (r < 0)
		ksft_print_msg("%s\n", vh_why());
	if (r == 1) {
		ksft_print_msg("%s\n", why);
		n = shrink(o, n, why, sizeof(why));
		ksft_print_msg("%s\n", why);
		show(o, n);
	}
	ksft_test_result(!r, "random scripts agree\n");
	return r != 0;
}

int main(int argc, char **argv)
{
	struct dice_args a = { .seed = 1 };
	FILE *f;

	dice_parse(argc, argv,
		   "Random scripts on in-tree vhost_net and on ours, compared.",
		   true, &a);
	ksft_print_header();
	ksft_set_plan(1);
	f = fopen(vh_ref_node(), "r+");
	if (!f) {
		ksft_test_result_skip("%s is needed to compare with\n",
				      vh_ref_node());
		ksft_finished();
	}
	fclose(f);
	if (vh_ns_enter())
		ksft_exit_skip("needs root\n");
	if (a.replay)
		run_replay(a.replay);
	else
		run_random(&a);
	ksft_finished();
}
