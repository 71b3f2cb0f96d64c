// SPDX-License-Identifier: GPL-2.0-only
/*
 * Positions: saved, restored, at the ends of rings of every size. Chains put
 * back. In-order batches, against a driver that skips as virtio 1.2, 2.7.9 and
 * 2.8.7 tell it to. And the dirty log: every byte the device stored is in it.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/compiler.h>

#include "ktest.h"
#include "world.h"

TEST(state_default)
{
	struct world *w = world_new(8, 0, 4);

	EXPECT_EQ(0, trivio_ring_get_state(&w->r));
	ASSERT_EQ(0, world_init(w));
	EXPECT_EQ(0, trivio_ring_get_state(&w->r));
	world_free(w);

	/* slot 0, wrap counters 1, when nobody says (some clients never do) */
	w = world_new(8, W_PACKED, 4);
	ASSERT_EQ(0, world_init(w));
	EXPECT_EQ(0x80008000, trivio_ring_get_state(&w->r));
	world_free(w);
}

TEST(state_split)
{
	struct world *w = world_new(8, 0, 4);
	struct vring_used *u = (void *)w->area[2];

	EXPECT_EQ(-EINVAL, trivio_ring_set_state(&w->r, false, 0x10000));
	EXPECT_EQ(-EINVAL, trivio_ring_set_state(&w->r, false, 0xffffffff));
	EXPECT_EQ(0, trivio_ring_set_state(&w->r, false, 0xffff));
	u->idx = 0xfffd;
	ASSERT_EQ(0, world_init(w));
	EXPECT_EQ(0xffff, trivio_ring_get_state(&w->r));
	EXPECT_EQ(0xfffd, w->r.last_used);
	EXPECT_EQ(2, w->r.inflight);
	/* a used idx from another life is taken, but nothing is in flight */
	u->idx = 0x1234;
	ASSERT_EQ(0, world_init(w));
	EXPECT_EQ(0x1234, w->r.last_used);
	EXPECT_EQ(0, w->r.inflight);
	world_free(w);
}

TEST(state_packed)
{
	static const struct { u32 state, back; int err, inflight; } t[] = {
		/* both halves; one half: used = avail */
		{ 0x80038005, 0x80038005, 0, 2 },
		{ 0x00038001, 0x00038001, 0, 6 },
		{ 0x80050003, 0x80050003, 0, 6 },
		{ 0x00008000, 0x80008000, 0, 0 },
		{ 0x00000005, 0x00050005, 0, 0 },
		{ 0x00000000, 0x00000000, 0, 0 },
		{ 0x80070007, 0x80070007, 0, 8 },
		{ 0x00078007, 0x00078007, 0, 8 },
		/* used ahead of avail; more than a lap; no such slot */
		{ 0x80058003, 0, -EINVAL, 0 },
		{ 0x80030005, 0, -EINVAL, 0 },
		{ 0x80008008, 0, -EINVAL, 0 },
		{ 0x80088000, 0, -EINVAL, 0 },
		{ 0xffffffff, 0, -EINVAL, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct world *w = world_new(8, W_PACKED, 4);

		ASSERT_EQ(0, trivio_ring_set_state(&w->r, true, t[i].state));
		ASSERT_EQ(t[i].err, world_init(w)) {
			TH_LOG("state %08x", t[i].state);
		}
		if (!t[i].err) {
			EXPECT_EQ(t[i].back, trivio_ring_get_state(&w->r));
			EXPECT_EQ(t[i].inflight, w->r.inflight);
		}
		world_free(w);
	}
}

/* A restart without a new position goes on where the last run stopped. */
TEST(state_survives)
{
	int packed, i;

	for (packed = 0; packed < 2; packed++) {
		struct world *w = world_new(4, packed, 4);
		u32 state;

		ASSERT_EQ(0, world_init(w));
		w->r.log = true;
		for (i = 0; i < 6; i++) {
			world_one(w, i % 4, 0x1000 + i, 8, 0);
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			trivio_ring_push(&w->r, w->c.id, 1, 0);
			trivio_ring_flush(&w->r);
			state = trivio_ring_get_state(&w->r);
			ASSERT_EQ(0, world_init(w));
			EXPECT_EQ(state, trivio_ring_get_state(&w->r));
			EXPECT_TRUE(w->r.log);
		}
		/* the other layout does not know this position */
		w->cfg.packed = !packed;
		ASSERT_EQ(0, world_init(w));
		EXPECT_EQ(packed ? 0 : 0x80008000,
			  trivio_ring_get_state(&w->r));
		/* set before the layout was known: the word is read anew */
		ASSERT_EQ(0, trivio_ring_set_state(&w->r, packed,
						   packed ? 3 : 0x8003));
		ASSERT_EQ(0, world_init(w));
		EXPECT_EQ(packed ? 3 : 0x80038003,
			  trivio_ring_get_state(&w->r));
		world_free(w);
	}
}

/* A packed word with a used half is no split position. */
TEST(state_mismatch)
{
	struct world *w = world_new(4, 0, 4);

	ASSERT_EQ(0, trivio_ring_set_state(&w->r, true, 0x80028003));
	EXPECT_EQ(-EINVAL, world_init(w));
	world_free(w);
}

/* Every size there is, over the end of the ring, with a chain across it. */
TEST(every_size)
{
	u32 num, state, n, i;
	u16 id;
	u32 len;

	for (num = 1; num <= TRIVIO_RING_MAX; num++) {
		struct world *w = world_new(num, W_PACKED, 4);

		state = (num - 1) | 0x8000;
		ASSERT_EQ(0, trivio_ring_set_state(&w->r, true,
						   state << 16 | state));
		ASSERT_EQ(0, world_init(w));
		w->avail = num - 1;
		n = num < 3 ? num : 3;
		for (i = 0; i < n; i++)
			world_next(w, num - 1, 0x1000 + i, i + 1,
				   i < n - 1 ? F_NEXT : 0);
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		ASSERT_EQ(n, w->c.slots);
		ASSERT_EQ(num - 1, w->c.id);
		trivio_ring_push(&w->r, w->c.id, w->c.slots, 77);
		ASSERT_FALSE(world_packed_used(w, num - 1, true, &id, &len));
		trivio_ring_flush(&w->r);
		ASSERT_TRUE(world_packed_used(w, num - 1, true, &id, &len));
		ASSERT_EQ(num - 1, id);
		ASSERT_EQ(77, len);
		ASSERT_EQ((n - 1) % num, w->r.last_used);
		ASSERT_EQ(num == 1, !w->r.used_wrap && n == num &&
			  !w->r.last_used);
		ASSERT_EQ(0, w->r.inflight);
		world_free(w);
		if (num & (num - 1))
			continue;

		w = world_new(num, 0, 4);
		ASSERT_EQ(0, trivio_ring_set_state(&w->r, false, 0xffff));
		((struct vring_used *)w->area[2])->idx = 0xffff;
		w->avail = 0xffff;
		ASSERT_EQ(0, world_init(w));
		for (i = 0; i < 3; i++) {
			world_one(w, num - 1, 0x1000 + i, 5, F_WRITE);
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			ASSERT_EQ(num - 1, w->c.id);
			ASSERT_EQ(0x1000 + i, w->c.desc[0].addr);
			trivio_ring_push(&w->r, w->c.id, 1, i);
			trivio_ring_flush(&w->r);
			ASSERT_EQ((u16)i, world_used_idx(w));
		}
		world_free(w);
	}
}

TEST(put_back)
{
	u32 i, k, pos;
	int packed;

	for (packed = 0; packed < 2; packed++)
		for (pos = 0; pos < 4; pos++) {
			struct world *w = world_new(4, packed, 4);
			struct trivio_chain one;

			ASSERT_EQ(0, world_init(w));
			for (i = 0; i < pos; i++) {
				world_one(w, i, 0x1000, 8, 0);
				ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
				trivio_ring_push(&w->r, i, 1, 0);
			}
			trivio_ring_flush(&w->r);
			for (i = 0; i < 4; i++)
				world_one(w, i, 0x1000 + i, 8, 0);
			for (k = 0; k <= 4; k++) {
				for (i = 0; i < k; i++) {
					ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
					EXPECT_EQ(0x1000 + i, w->c.desc[0].addr);
				}
				one = w->c;
				for (i = 0; i < k; i++)
					trivio_ring_unpop(&w->r, &one);
				EXPECT_EQ(0, w->r.inflight);
				EXPECT_FALSE(trivio_ring_empty(&w->r));
			}
			world_free(w);
		}
}

/* A driver of in-order split rings: skips forward to the id it reads. */
TEST(in_order_split)
{
	struct world *w = world_new(8, W_IN_ORDER, 4);
	u32 id, len, n = 0, seen = 0, entries = 0, i;

	ASSERT_EQ(0, world_init(w));
	while (n < 1000) {
		u32 batch = 1 + n % 8;

		for (i = 0; i < batch; i++)
			world_one(w, (n + i) % 8, 0x1000, 64, 0);
		for (i = 0; i < batch; i++) {
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			trivio_ring_push(&w->r, w->c.id, w->c.slots, 0);
		}
		n += batch;
		EXPECT_EQ((u16)seen, world_used_idx(w));
		memset(w->area[2] + 4, 0xee, 8 * 8);
		trivio_ring_flush(&w->r);
		EXPECT_EQ((u16)n, world_used_idx(w));
		/* one entry, where the first of the batch is, id of the last */
		world_used(w, seen, &id, &len);
		EXPECT_EQ((n - 1) % 8, id);
		EXPECT_EQ(0, len);
		for (i = seen + 1; i < n; i++) {
			world_used(w, i, &id, &len);
			EXPECT_EQ(0xeeeeeeee, id);
		}
		seen = n;
		entries++;
	}
	EXPECT_GT(n / 3, entries);
	world_free(w);
}

TEST(in_order_packed)
{
	struct world *w = world_new(7, W_IN_ORDER | W_PACKED, 4);
	u32 n, len, i, used = 0;
	bool wrap = true;
	u16 id;

	ASSERT_EQ(0, world_init(w));
	for (n = 0; n < 1000; n++) {
		u32 batch = 1 + n % 3, slots = 0;

		for (i = 0; i < batch; i++) {
			/* chains of one and two slots */
			if (i & 1) {
				world_next(w, i, 0x1000, 64, F_NEXT);
				slots++;
			}
			world_next(w, i, 0x2000, 64, 0);
			slots++;
		}
		for (i = 0; i < batch; i++) {
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			trivio_ring_push(&w->r, w->c.id, w->c.slots, 0);
		}
		ASSERT_FALSE(world_packed_used(w, used, wrap, &id, &len));
		trivio_ring_flush(&w->r);
		ASSERT_TRUE(world_packed_used(w, used, wrap, &id, &len));
		EXPECT_EQ(batch - 1, id);
		for (i = 1; i < slots; i++) {
			u32 at = (used + i) % 7;

			EXPECT_FALSE(world_packed_used(w, at,
						       used + i < 7 ? wrap :
						       !wrap, &id, &len));
		}
		used += slots;
		if (used >= 7) {
			used -= 7;
			wrap = !wrap;
		}
	}
	world_free(w);
}

/* Lengths matter as soon as one chain is writable: then all have an entry. */
TEST(in_order_writable)
{
	struct world *w = world_new(8, W_IN_ORDER, 4);
	u32 id, len, i;

	ASSERT_EQ(0, world_init(w));
	for (i = 0; i < 2; i++)
		world_one(w, i, 0x1000, 64, 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		trivio_ring_push(&w->r, w->c.id, 1, 0);
	}
	/* in the middle of an open batch */
	for (i = 2; i < 5; i++) {
		world_one(w, i, 0x1000, 64, F_WRITE);
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		trivio_ring_push(&w->r, w->c.id, 1, 10 * i);
	}
	trivio_ring_flush(&w->r);
	EXPECT_EQ(5, world_used_idx(w));
	/* the open batch ends with the first writable one */
	world_used(w, 0, &id, &len);
	EXPECT_EQ(2, id);
	EXPECT_EQ(20, len);
	for (i = 3; i < 5; i++) {
		world_used(w, i, &id, &len);
		EXPECT_EQ(i, id);
		EXPECT_EQ(10 * i, len);
	}
	world_free(w);

	w = world_new(8, W_IN_ORDER | W_PACKED, 4);
	ASSERT_EQ(0, world_init(w));
	for (i = 0; i < 4; i++)
		world_one(w, i, 0x1000, 64, F_WRITE);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		trivio_ring_push(&w->r, w->c.id, 1, 10 + i);
	}
	trivio_ring_flush(&w->r);
	for (i = 0; i < 4; i++) {
		u16 pid;

		ASSERT_TRUE(world_packed_used(w, i, true, &pid, &len));
		EXPECT_EQ(i, pid);
		EXPECT_EQ(10 + i, len);
	}
	world_free(w);
}

/* The driver sees nothing of a push before the flush. */
TEST(flush_shows_all)
{
	u32 i, len;
	u16 id;
	struct world *w = world_new(8, W_PACKED, 4);

	ASSERT_EQ(0, world_init(w));
	for (i = 0; i < 5; i++)
		world_one(w, i, 0x1000, 64, 0);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
		trivio_ring_push(&w->r, 4 - i, 1, i);
		EXPECT_FALSE(world_packed_used(w, 0, true, &id, &len));
	}
	trivio_ring_flush(&w->r);
	for (i = 0; i < 5; i++) {
		EXPECT_TRUE(world_packed_used(w, i, true, &id, &len));
		EXPECT_EQ(4 - i, id);
		EXPECT_EQ(i, len);
	}
	trivio_ring_flush(&w->r);
	EXPECT_EQ(5, w->r.last_used);
	world_free(w);
}

static unsigned int seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Random work; after each device action, what it stored must be logged. */
TEST(log_complete)
{
	int features, round, i;
	u32 num;

	for (features = 0; features < W_ALL; features++)
		for (round = 0; round < 40; round++) {
			struct world *w;
			struct { u16 id, slots; } hold[64];
			int n = 0;

			num = features & W_PACKED ? 1 + rnd(40) : 1 << rnd(6);
			w = world_new(num, features, 4);
			ASSERT_EQ(0, world_init(w));
			for (i = 0; i < 300; i++) {
				int k = rnd(num + 1);

				while (k-- && w->r.inflight + n < num && n < 60) {
					world_one(w, rnd(num), 0x1000, 9,
						  rnd(2) ? F_WRITE : 0);
					ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
					hold[n].id = w->c.id;
					hold[n++].slots = w->c.slots;
				}
				world_log_start(w);
				switch (rnd(4)) {
				case 0:
					trivio_ring_kick_enable(&w->r);
					break;
				case 1:
					trivio_ring_kick_disable(&w->r);
					break;
				default:
					/* the log may come on after a push */
					w->r.log = rnd(2);
					for (k = 0; k < n; k++)
						trivio_ring_push(&w->r, hold[k].id,
								 hold[k].slots,
								 rnd(100));
					w->r.log = true;
					trivio_ring_flush(&w->r);
					n = 0;
				}
				ASSERT_EQ(0, world_log_missing(w)) {
					TH_LOG("features %d num %u", features,
					       num);
				}
			}
			world_free(w);
		}
}

/* The log test above can fail. */
TEST(log_test_works)
{
	struct world *w = world_new(4, 0, 4);

	ASSERT_EQ(0, world_init(w));
	world_one(w, 0, 0x1000, 9, 0);
	ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
	world_log_start(w);
	w->r.log = false;
	trivio_ring_push(&w->r, 0, 1, 5);
	trivio_ring_flush(&w->r);
	EXPECT_EQ(2, world_log_missing(w));
	world_free(w);
}

TEST_HARNESS_MAIN
