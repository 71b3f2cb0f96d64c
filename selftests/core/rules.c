// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver must not do, one named case each: the ring reports the right
 * code, consumes nothing and touches nothing beside the ring. Case ids R01 to
 * R33 are explained in Documentation/ring.rst.
 */
#include <stdlib.h>
#include <string.h>

#include "ktest.h"
#include "world.h"

#define TABLE	0x10000ULL

/* Pops once and wants the given refusal, twice over, with nothing consumed. */
#define EXPECT_REFUSED(w, code, head)					\
do {									\
	struct trivio_ring before = (w)->r;				\
	int again;							\
									\
	world_seed(w);							\
	for (again = 0; again < 2; again++) {				\
		EXPECT_EQ(-EINVAL, trivio_ring_pop(&(w)->r, &(w)->c));	\
		EXPECT_EQ(code, (w)->r.err) {				\
			TH_LOG("got %s", trivio_err_name((w)->r.err));	\
		}							\
		EXPECT_EQ(head, (w)->r.err_head);			\
		EXPECT_EQ(before.last_avail, (w)->r.last_avail);	\
		EXPECT_EQ(before.avail_wrap, (w)->r.avail_wrap);	\
		EXPECT_EQ(before.inflight, (w)->r.inflight);		\
	}								\
} while (0)

static struct world *begin(u32 num, int features)
{
	struct world *w = world_new(num, features, TRIVIO_CHAIN_MAX);

	if (world_init(w))
		abort();
	return w;
}

TEST(names)
{
	int i, k;

	for (i = 0; i < TRIVIO_ERR_NR; i++) {
		ASSERT_NE(NULL, trivio_err_name(i));
		EXPECT_STRNE("unknown", trivio_err_name(i));
		for (k = 0; k < i; k++)
			EXPECT_STRNE(trivio_err_name(k), trivio_err_name(i));
	}
	EXPECT_STREQ("unknown", trivio_err_name(TRIVIO_ERR_NR));
	EXPECT_STREQ("unknown", trivio_err_name(-1));
}

TEST(init_refuses)
{
	struct world *w = world_new(8, 0, 4);
	static const u32 bad_split[] = { 0, 3, 7, 32769, 65536, 0xffffffff };
	static const u32 bad_packed[] = { 0, 32769, 65536, 0xffffffff };
	struct trivio_ring_cfg good = w->cfg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_split); i++) {
		w->cfg.num = bad_split[i];
		EXPECT_EQ(-EINVAL, world_init(w));
	}
	w->cfg.packed = true;
	for (i = 0; i < ARRAY_SIZE(bad_packed); i++) {
		w->cfg.num = bad_packed[i];
		EXPECT_EQ(-EINVAL, world_init(w));
	}
	w->cfg = good;
	w->cfg.desc = NULL;
	EXPECT_EQ(-EINVAL, world_init(w));
	w->cfg = good;
	w->cfg.driver = NULL;
	EXPECT_EQ(-EINVAL, world_init(w));
	w->cfg = good;
	w->cfg.device = NULL;
	EXPECT_EQ(-EINVAL, world_init(w));
	w->cfg = good;
	w->cfg.ops = NULL;
	EXPECT_EQ(-EINVAL, world_init(w));
	w->cfg = good;
	EXPECT_EQ(0, world_init(w));
	world_free(w);
}

TEST(sizes)
{
	size_t desc, driver, device;

	trivio_ring_bytes(256, false, false, &desc, &driver, &device);
	EXPECT_EQ(4096, desc);
	EXPECT_EQ(516, driver);
	EXPECT_EQ(2052, device);
	/* R20: the two event words are beyond the plain ring */
	trivio_ring_bytes(256, false, true, &desc, &driver, &device);
	EXPECT_EQ(518, driver);
	EXPECT_EQ(2054, device);
	trivio_ring_bytes(32768, true, true, &desc, &driver, &device);
	EXPECT_EQ(524288, desc);
	EXPECT_EQ(4, driver);
	EXPECT_EQ(4, device);
}

TEST(R01_head_range)
{
	static const u16 head[] = { 8, 9, 0x7fff, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(head); i++) {
		struct world *w = begin(8, 0);

		world_offer(w, head[i]);
		EXPECT_REFUSED(w, TRIVIO_ERR_HEAD_RANGE, head[i]);
		world_free(w);

		w = begin(5, W_PACKED);
		world_next(w, head[i], 0x1000, 64, 0);
		EXPECT_REFUSED(w, TRIVIO_ERR_HEAD_RANGE, head[i]);
		world_free(w);

		/* the id that counts is in the last descriptor of a chain */
		w = begin(5, W_PACKED);
		world_next(w, 1, 0x1000, 64, F_NEXT);
		world_next(w, head[i], 0x1000, 64, 0);
		EXPECT_REFUSED(w, TRIVIO_ERR_HEAD_RANGE, head[i]);
		world_free(w);
	}
}

TEST(R02_next_range)
{
	static const u16 next[] = { 8, 9, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct world *w = begin(8, W_INDIRECT);
		void *t = world_region(w, TABLE, 4 * 16);

		world_desc(w, 3, 0x1000, 64, F_NEXT, next[i]);
		world_offer(w, 3);
		EXPECT_REFUSED(w, TRIVIO_ERR_NEXT_RANGE, 3);

		/* in the middle of a chain */
		world_desc(w, 3, 0x1000, 64, F_NEXT, 5);
		world_desc(w, 5, 0x2000, 64, F_NEXT, next[i]);
		EXPECT_REFUSED(w, TRIVIO_ERR_NEXT_RANGE, 3);

		/* in a table the limit is the table's */
		world_desc(w, 3, TABLE, 4 * 16, F_INDIRECT, 0);
		world_table(w, t, 0, 0x1000, 64, F_NEXT, next[i]);
		EXPECT_REFUSED(w, TRIVIO_ERR_NEXT_RANGE, 3);
		world_table(w, t, 0, 0x1000, 64, F_NEXT, 4);
		EXPECT_REFUSED(w, TRIVIO_ERR_NEXT_RANGE, 3);
		world_table(w, t, 0, 0x1000, 64, F_NEXT, 3);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		world_free(w);
	}
}

TEST(R03_loop)
{
	u16 i;

	/* itself, two, all, and entered after a straight piece */
	static const u16 back[] = { 7, 6, 0, 4 };
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(back); k++) {
		struct world *w = begin(8, 0);

		for (i = 0; i < 7; i++)
			world_desc(w, i, 0x1000, 1, F_NEXT, i + 1);
		world_desc(w, 7, 0x1000, 1, F_NEXT, back[k]);
		world_offer(w, 0);
		EXPECT_REFUSED(w, TRIVIO_ERR_LOOP, 0);
		/* the longest straight chain is fine */
		world_desc(w, 7, 0x1000, 1, 0, 0);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(8, w->c.nout);
		world_free(w);
	}
}

TEST(R03_loop_packed)
{
	struct world *w = begin(4, W_PACKED);
	u16 i;

	/* a lap of NEXT whose first slot looks available in the next lap too */
	for (i = 0; i < 4; i++)
		world_next(w, i, 0x1000, 1, F_NEXT);
	EXPECT_REFUSED(w, TRIVIO_ERR_LOOP, 0);
	world_free(w);
}

TEST(R04_loop_in_table)
{
	struct world *w = begin(4, W_INDIRECT);
	void *t = world_region(w, TABLE, 64 * 16);
	u16 i;

	world_desc(w, 1, TABLE, 64 * 16, F_INDIRECT, 0);
	world_offer(w, 1);
	for (i = 0; i < 64; i++)
		world_table(w, t, i, 0x1000, 1, F_NEXT, (i + 1) % 64);
	EXPECT_REFUSED(w, TRIVIO_ERR_LOOP, 1);
	world_table(w, t, 0, 0x1000, 1, F_NEXT, 0);
	EXPECT_REFUSED(w, TRIVIO_ERR_LOOP, 1);

	/* the count is per table: 3 in the ring and 64 in the table are fine */
	for (i = 0; i < 64; i++)
		world_table(w, t, i, 0x1000, 1, i < 63 ? F_NEXT : 0, i + 1);
	world_desc(w, 1, 0x1000, 1, F_NEXT, 2);
	world_desc(w, 2, 0x1000, 1, F_NEXT, 3);
	world_desc(w, 3, 0x1000, 1, F_NEXT, 0);
	world_desc(w, 0, TABLE, 64 * 16, F_INDIRECT, 0);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(67, w->c.nout);
	world_free(w);
}

TEST(R04_table_backwards)
{
	struct world *w = begin(4, W_INDIRECT);
	void *t = world_region(w, TABLE, 300 * 16);
	int i;

	/* from the last entry down: every step leaves what was fetched */
	for (i = 0; i < 300; i++)
		world_table(w, t, i, 0x1000 + i, i + 1, i == 1 ? 0 : F_NEXT,
			    i ? i - 1 : 299);
	world_desc(w, 0, TABLE, 300 * 16, F_INDIRECT, 0);
	world_offer(w, 0);
	ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	ASSERT_EQ(300, w->c.nout);
	EXPECT_EQ(0x1000, w->c.desc[0].addr);
	for (i = 1; i < 300; i++) {
		EXPECT_EQ(0x1000 + 300 - i, w->c.desc[i].addr);
		EXPECT_EQ(301 - i, w->c.desc[i].len);
	}
	world_free(w);
}

TEST(R04_too_long)
{
	int packed, i;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = world_new(16, W_INDIRECT | packed, 4);
		void *t = world_region(w, TABLE, 16 * 16);

		ASSERT_EQ(0, world_init(w));
		if (packed) {
			for (i = 0; i < 5; i++)
				world_next(w, 0, 0x1000, 1, i < 4 ? F_NEXT : 0);
		} else {
			for (i = 0; i < 5; i++)
				world_desc(w, i, 0x1000, 1, i < 4 ? F_NEXT : 0,
					   i + 1);
			world_offer(w, 0);
		}
		EXPECT_REFUSED(w, TRIVIO_ERR_TOO_LONG, 0);

		/* the same in a table */
		for (i = 0; i < 5; i++)
			world_table(w, t, i, 0x1000, 1, i < 4 ? F_NEXT : 0, i + 1);
		world_desc(w, 0, TABLE, 5 * 16, F_INDIRECT, 0);
		if (packed)
			world_packed_flags(w, 0, F_INDIRECT, true);
		EXPECT_REFUSED(w, TRIVIO_ERR_TOO_LONG, 0);
		/* four are the device's limit */
		world_table(w, t, 3, 0x1000, 1, 0, 0);
		world_desc(w, 0, TABLE, 4 * 16, F_INDIRECT, 0);
		if (packed)
			world_packed_flags(w, 0, F_INDIRECT, true);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(4, w->c.nout);
		world_free(w);
	}
}

/* One descriptor that names a table, in either layout. */
static void offer_table(struct world *w, u64 addr, u32 len, u16 flags)
{
	world_desc(w, 0, addr, len, flags, 0);
	if (w->cfg.packed)
		world_packed_flags(w, 0, flags, true);
	else if (!w->avail)
		world_offer(w, 0);
}

TEST(R05_nested)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, W_INDIRECT | packed);
		void *t = world_region(w, TABLE, 2 * 16);

		world_table(w, t, 0, 0x1000, 1, packed ? 0 : F_NEXT, 1);
		world_table(w, t, 1, TABLE, 16, F_INDIRECT, 0);
		offer_table(w, TABLE, 2 * 16, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_NESTED, 0);
		world_free(w);
	}
}

TEST(R06_table_length)
{
	static const u32 len[] = {
		0, 1, 15, 17, 24, 31, 65536 * 16 + 16, 0xfffffff0, 0xffffffff
	};
	unsigned int i;
	int packed;

	for (packed = 0; packed < 2; packed++)
		for (i = 0; i < ARRAY_SIZE(len); i++) {
			struct world *w = begin(4, W_INDIRECT | packed);

			world_region(w, TABLE, 64);
			offer_table(w, TABLE, len[i], F_INDIRECT);
			EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_LEN, 0);
			EXPECT_EQ(TABLE, w->r.err_addr);
			EXPECT_EQ(0, w->reads);
			world_free(w);
		}
}

TEST(R06_table_longest)
{
	struct world *w = begin(4, W_INDIRECT);
	void *t = world_region(w, TABLE, 65536 * 16);

	world_table(w, t, 0, 0x1000, 1, F_NEXT, 65535);
	world_table(w, t, 65535, 0x2000, 2, 0, 0);
	offer_table(w, TABLE, 65536 * 16, F_INDIRECT);
	ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(2, w->c.nout);
	EXPECT_EQ(3, w->c.out_len);
	EXPECT_EQ(2, w->reads);
	world_free(w);
}

TEST(R06_table_unreadable)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, W_INDIRECT | packed);
		void *t = world_region(w, TABLE, 16 * 16);

		/* nowhere, over the end of a region, over the end of memory */
		offer_table(w, 0x99000, 16, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_READ, 0);
		memset(t, 0, 16 * 16);
		world_table(w, t, 15, 0x1000, 1, packed ? 0 : F_NEXT, 16);
		offer_table(w, TABLE + 15 * 16, 17 * 16, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_READ, 0);
		offer_table(w, -16ULL, 32, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_WRAP, 0);
		/* parked is no error, and comes to a good end */
		offer_table(w, TABLE, 16, F_INDIRECT);
		w->read_err = -EAGAIN;
		EXPECT_EQ(-EAGAIN, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(0, w->r.inflight);
		w->read_err = 0;
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		world_free(w);
	}
}

TEST(R07_table_flags)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, W_INDIRECT | packed);
		void *t = world_region(w, TABLE, 16);

		world_table(w, t, 0, 0x1000, 1, 0, 0);
		offer_table(w, TABLE, 16, F_INDIRECT | F_NEXT);
		EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_FLAGS, 0);
		/* WRITE on the table itself is to be ignored */
		offer_table(w, TABLE, 16, F_INDIRECT | F_WRITE);
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(1, w->c.nout);
		EXPECT_EQ(0, w->c.nin);
		world_free(w);

		w = begin(4, packed);
		world_region(w, TABLE, 16);
		offer_table(w, TABLE, 16, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_INDIRECT_OFF, 0);
		EXPECT_EQ(0, w->reads);
		world_free(w);
	}
}

TEST(R09_zero_length)
{
	int packed, i;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(8, packed);

		for (i = 0; i < 8; i++) {
			u16 f = (i < 7 ? F_NEXT : 0) | (i > 3 ? F_WRITE : 0);

			if (packed)
				world_next(w, 0, 0xdead000 + i, 0, f);
			else
				world_desc(w, i, 0xdead000 + i, 0, f, i + 1);
		}
		if (!packed)
			world_offer(w, 0);
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(4, w->c.nout);
		EXPECT_EQ(4, w->c.nin);
		EXPECT_EQ(0, w->c.out_len);
		EXPECT_EQ(0, w->c.in_len);
		/* the address is kept, for the owner to check */
		for (i = 0; i < 8; i++)
			EXPECT_EQ(0xdead000 + i, w->c.desc[i].addr);
		EXPECT_EQ(0, trivio_ring_pop(&w->r, &w->c));
		world_free(w);
	}
}

TEST(R10_order)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, W_INDIRECT | packed);
		void *t = world_region(w, TABLE, 2 * 16);

		if (packed) {
			world_next(w, 1, 0x1000, 1, F_NEXT | F_WRITE);
			world_next(w, 1, 0x2000, 1, 0);
		} else {
			world_desc(w, 1, 0x1000, 1, F_NEXT | F_WRITE, 2);
			world_desc(w, 2, 0x2000, 1, 0, 0);
			world_offer(w, 1);
		}
		EXPECT_REFUSED(w, TRIVIO_ERR_ORDER, 1);
		EXPECT_EQ(0x2000, w->r.err_addr);
		world_free(w);

		w = begin(4, W_INDIRECT | packed);
		t = world_region(w, TABLE, 2 * 16);
		world_table(w, t, 0, 0x1000, 1, F_NEXT | F_WRITE, 1);
		world_table(w, t, 1, 0x2000, 1, 0, 0);
		offer_table(w, TABLE, 2 * 16, F_INDIRECT);
		EXPECT_REFUSED(w, TRIVIO_ERR_ORDER, 0);
		world_free(w);
	}
}

TEST(R17_avail_jump)
{
	/* offsets from a sound index, ring of 8, nothing in flight */
	static const u16 jump[] = { 9, 10, 255, 0x7fff, 0x8000, 0xffff };
	struct world *w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jump); i++) {
		w = begin(8, 0);
		world_avail_idx(w, jump[i]);
		EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, jump[i]);
		world_avail_idx(w, 8);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		world_free(w);
	}

	/* back and forth: an index once read is not read again before its end */
	w = begin(8, 0);
	world_avail_idx(w, 2);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	world_avail_idx(w, 0);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, 0);
	world_free(w);
}

TEST(R18_wraps)
{
	static const u32 num[] = { 1, 2, 32768 };
	unsigned int i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(num); i++) {
		struct world *w = world_new(num[i], 0, 2);
		struct vring_used *u = (void *)w->area[2];
		u32 id, len;

		ASSERT_EQ(0, trivio_ring_set_state(&w->r, false, 65530));
		u->idx = 65530;
		w->avail = 65530;
		ASSERT_EQ(0, world_init(w));
		for (n = 0; n < 20; n++) {
			world_one(w, n % num[i], 0x1000 + n, n, 0);
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			EXPECT_EQ(n % num[i], w->c.id);
			EXPECT_EQ(0x1000 + n, w->c.desc[0].addr);
			trivio_ring_push(&w->r, w->c.id, w->c.slots, n + 5);
			trivio_ring_flush(&w->r);
			EXPECT_EQ((u16)(65531 + n), world_used_idx(w));
			world_used(w, 65530 + n, &id, &len);
			EXPECT_EQ(n % num[i], id);
			EXPECT_EQ(n + 5, len);
			EXPECT_EQ(0, trivio_ring_pop(&w->r, &w->c));
		}
		world_free(w);
	}
}

TEST(R21_head_twice)
{
	struct world *w = begin(4, 0);
	int i;

	/* the same head over and over: bounded by what the ring holds */
	for (i = 0; i < 4; i++)
		world_one(w, 2, 0x1000, 8, 0);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(4, w->r.inflight);
	world_one(w, 2, 0x1000, 8, 0);
	EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, 5);
	/* room again after one came back */
	trivio_ring_push(&w->r, 2, 1, 0);
	trivio_ring_flush(&w->r);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	world_free(w);
}

/* Pushed is not yet the driver's: it can't know of it before the flush. */
TEST(R21_offered_before_flush)
{
	int packed, i;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, packed);

		for (i = 0; i < 4; i++) {
			world_one(w, i, 0x1000, 8, 0);
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			trivio_ring_push(&w->r, w->c.id, 1, 0);
		}
		EXPECT_EQ(0, w->r.inflight);
		world_one(w, 1, 0x1000, 8, 0);
		EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, packed ? 1 : 5);
		if (!packed) {
			/* an offer is remembered; the driver's mistake too */
			trivio_ring_flush(&w->r);
			EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		}
		world_free(w);
	}
}

TEST(R21_push_twice)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(4, packed);
		u16 pos;

		world_one(w, 2, 0x1000, 8, 0);
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		trivio_ring_push(&w->r, w->c.id, w->c.slots, 0);
		EXPECT_EQ(TRIVIO_OK, w->r.err);
		pos = w->r.last_used;
		trivio_ring_push(&w->r, w->c.id, w->c.slots, 0);
		EXPECT_EQ(TRIVIO_ERR_USED_TWICE, w->r.err);
		EXPECT_EQ(2, w->r.err_head);
		EXPECT_EQ(pos, w->r.last_used);
		EXPECT_EQ(1, w->r.pending);
		world_free(w);
	}
}

TEST(R22_lengths)
{
	int packed, i;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = begin(8, packed);

		/* over the end of the address space; ending there is legal */
		world_one(w, 1, -0xfffULL, 0x1000, 0);
		EXPECT_REFUSED(w, TRIVIO_ERR_WRAP, 1);
		world_free(w);
		w = begin(8, packed);
		world_one(w, 1, -0x1000ULL, 0x1000, F_WRITE);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		world_one(w, 2, 0, 0xffffffff, F_WRITE);
		EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		EXPECT_EQ(0xffffffff, w->c.in_len);
		world_one(w, 3, -1ULL, 2, F_WRITE);
		EXPECT_REFUSED(w, TRIVIO_ERR_WRAP, 3);
		world_free(w);

		/* 4 GiB - 1 in all, then one byte more, of either direction */
		for (i = 0; i < 3; i++) {
			u16 f = i == 2 ? F_WRITE : 0;

			w = begin(8, packed);
			if (packed) {
				world_next(w, 0, 0, 0xfffffffe, F_NEXT);
				world_next(w, 0, 0, i ? 2 : 1, f);
			} else {
				world_desc(w, 0, 0, 0xfffffffe, F_NEXT, 1);
				world_desc(w, 1, 0, i ? 2 : 1, f, 0);
				world_offer(w, 0);
			}
			if (i) {
				EXPECT_REFUSED(w, TRIVIO_ERR_WRAP, 0);
			} else {
				EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
				EXPECT_EQ(0xffffffff, w->c.out_len);
			}
			world_free(w);
		}
	}
}

TEST(R33_partial)
{
	struct world *w = begin(4, W_PACKED);

	/* a tail that was never made available */
	world_next(w, 1, 0x1000, 1, F_NEXT);
	EXPECT_REFUSED(w, TRIVIO_ERR_PARTIAL, 1);
	/* ... or carries the other wrap counter */
	world_desc(w, 1, 0x2000, 1, 0, 1);
	world_packed_flags(w, 1, 0, false);
	EXPECT_REFUSED(w, TRIVIO_ERR_PARTIAL, 1);
	/* ... or looks used */
	world_packed_flags(w, 1, 1 << VRING_PACKED_DESC_F_USED, true);
	EXPECT_REFUSED(w, TRIVIO_ERR_PARTIAL, 1);
	world_packed_flags(w, 1, 0, true);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(2, w->c.slots);
	world_free(w);
}

TEST(R33_partial_over_the_end)
{
	struct world *w = begin(3, W_PACKED);

	ASSERT_EQ(0, trivio_ring_set_state(&w->r, true, 0x80028002));
	ASSERT_EQ(0, world_init(w));
	w->avail = 2;
	world_next(w, 1, 0x1000, 1, F_NEXT);
	/* after the last slot the wrap counter is the other one */
	world_desc(w, 0, 0x2000, 1, 0, 1);
	world_packed_flags(w, 0, 0, true);
	EXPECT_REFUSED(w, TRIVIO_ERR_PARTIAL, 1);
	world_packed_flags(w, 0, 0, false);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(1, w->r.last_avail);
	EXPECT_FALSE(w->r.avail_wrap);
	world_free(w);
}

TEST(R33_stale_flags)
{
	struct world *w = begin(4, W_PACKED);
	int i;

	/* a lap in flight, then the same slots flipped to the next lap */
	for (i = 0; i < 4; i++)
		world_next(w, i, 0x1000, 1, 0);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(0, trivio_ring_pop(&w->r, &w->c));
	world_packed_flags(w, 0, 0, false);
	world_desc(w, 0, 0x1000, 1, 0, 3);
	world_packed_flags(w, 0, 0, false);
	EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, 3);
	/* two come back: a chain of three still reaches into the others */
	trivio_ring_push(&w->r, 0, 1, 0);
	trivio_ring_push(&w->r, 1, 1, 0);
	trivio_ring_flush(&w->r);
	for (i = 0; i < 3; i++) {
		world_desc(w, i, 0x1000, 1, 0, 1);
		world_packed_flags(w, i, i < 2 ? F_NEXT : 0, false);
	}
	EXPECT_REFUSED(w, TRIVIO_ERR_AVAIL_JUMP, 1);
	world_packed_flags(w, 1, 0, false);
	EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	EXPECT_EQ(2, w->c.slots);
	world_free(w);
}

TEST(R33_used_looks_not_available)
{
	struct world *w = begin(2, W_PACKED);
	int i;

	/* every pattern of the two bits at both wrap counters */
	for (i = 0; i < 8; i++) {
		u16 flags = (i & 1) << VRING_PACKED_DESC_F_AVAIL |
			    (i >> 1 & 1) << VRING_PACKED_DESC_F_USED;
		bool wrap = i >> 2;

		ASSERT_EQ(0, trivio_ring_set_state(&w->r, true,
						   wrap ? 0x80008000 : 0));
		ASSERT_EQ(0, world_init(w));
		world_desc(w, 0, 0x1000, 1, flags, 0);
		EXPECT_EQ((i & 1) == wrap && (i >> 1 & 1) != wrap,
			  trivio_ring_pop(&w->r, &w->c));
	}
	world_free(w);
}

TEST_HARNESS_MAIN
