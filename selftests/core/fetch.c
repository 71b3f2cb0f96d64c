// SPDX-License-Identifier: GPL-2.0-only
/*
 * R08: the driver changes its words while the device reads them. Every load of
 * shared memory goes through a hook, which here
 *  - ruins each word right after it was read: what comes out must be what was
 *    there at the first read, or a word was read twice;
 *  - changes the word at the k-th read, for every k, to many values: a sound
 *    chain or a refusal comes out, and the address sanitizer stays silent.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/compiler.h>

#include "ktest.h"
#include "world.h"

#define TABLE	0x10000ULL

static struct {
	volatile u8 *last;
	size_t last_len;
	int reads, at;
	u64 flip;
	bool ruin;
	const volatile u8 *shared[3];
	size_t bytes[3];
	struct { const volatile void *p; size_t len; } seen[4096];
	int twice;
} hook;

static void ruin_last(void)
{
	size_t i;

	for (i = 0; i < hook.last_len; i++)
		hook.last[i] ^= 0xa5;
	hook.last_len = 0;
}

static void on_read(const volatile void *p, size_t len)
{
	volatile u8 *b = (volatile u8 *)p;
	size_t k;
	int i;

	if (p >= (void *)hook.shared[0] &&
	    p < (void *)hook.shared[0] + hook.bytes[0])
		;
	else if (p >= (void *)hook.shared[1] &&
		 p < (void *)hook.shared[1] + hook.bytes[1])
		;
	else
		return;
	if (hook.ruin) {
		ruin_last();
		for (i = 0; i < hook.reads && i < 4096; i++)
			if (b < (u8 *)hook.seen[i].p + hook.seen[i].len &&
			    (u8 *)hook.seen[i].p < b + len)
				hook.twice++;
		if (hook.reads < 4096) {
			hook.seen[hook.reads].p = p;
			hook.seen[hook.reads].len = len;
		}
		hook.last = b;
		hook.last_len = len;
	} else if (hook.reads == hook.at) {
		for (k = 0; k < len; k++)
			b[k] ^= hook.flip >> (8 * k);
	}
	hook.reads++;
}

static void hook_on(struct world *w, bool ruin, int at, u64 flip)
{
	int i;

	memset(&hook, 0, sizeof(hook));
	for (i = 0; i < 3; i++) {
		hook.shared[i] = w->area[i];
		hook.bytes[i] = w->bytes[i];
	}
	hook.ruin = ruin;
	hook.at = at;
	hook.flip = flip;
	shim_read_hook = on_read;
}

static void hook_off(void)
{
	shim_read_hook = NULL;
	if (hook.ruin)
		ruin_last();
}

/* A world with one chain of every kind, laid out the same way each time. */
enum kind { ONE, CHAIN, INDIRECT, CHAIN_INDIRECT, KINDS };

static const int kind_desc[] = { 1, 5, 20, 23 };

static struct world *make(int packed, enum kind kind)
{
	struct world *w = world_new(8, W_INDIRECT | W_EVENT | packed, 64);
	void *t = world_region(w, TABLE, 20 * 16);
	int i, direct = kind == ONE ? 1 : kind == CHAIN ? 5 :
		 kind == INDIRECT ? 0 : 3;
	bool table = kind == INDIRECT || kind == CHAIN_INDIRECT;

	if (world_init(w))
		abort();
	for (i = 0; i < 20; i++)
		world_table(w, t, i, 0x20000 + i, i + 100, F_WRITE |
			    (i < 19 && !packed ? F_NEXT : 0), i + 1);
	for (i = 0; i < direct + table; i++) {
		bool last = i == direct + table - 1;
		u16 f = last ? 0 : F_NEXT;
		u64 addr = 0x1000 + i;
		u32 len = 10 + i;

		if (table && last) {
			f = F_INDIRECT;
			addr = TABLE;
			len = 20 * 16;
		}
		if (packed)
			world_next(w, 3, addr, len, f);
		else
			world_desc(w, i, addr, len, f, i + 1);
	}
	if (!packed)
		world_offer(w, 0);
	return w;
}

/* Is what came out of a pop sound in itself? */
static bool sound(struct world *w, int ret)
{
	u64 out = 0, in = 0;
	int i;

	if (ret == 0)
		return w->r.inflight == 0;
	if (ret < 0)
		return ret == -EINVAL && w->r.err != TRIVIO_OK &&
		       w->r.inflight == 0 && w->r.last_avail == 0;
	if (w->c.nout + w->c.nin > w->c.desc_max || w->c.id >= w->r.num ||
	    w->c.slots != w->r.inflight || w->c.slots > w->r.num ||
	    w->c.nout + w->c.nin == 0)
		return false;
	for (i = 0; i < w->c.nout + w->c.nin; i++) {
		struct trivio_desc *d = &w->c.desc[i];

		if (d->addr + d->len < d->addr && d->addr + d->len)
			return false;
		if (i < w->c.nout)
			out += d->len;
		else
			in += d->len;
	}
	return out == w->c.out_len && in == w->c.in_len;
}

TEST(R08_read_once)
{
	int packed, kind, i;

	for (packed = 0; packed < 2; packed++)
		for (kind = 0; kind < KINDS; kind++) {
			struct world *w = make(packed, kind);
			int direct = kind == CHAIN_INDIRECT ? 3 :
				     kind == INDIRECT ? 0 : kind_desc[kind];

			hook_on(w, true, 0, 0);
			EXPECT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			hook_off();
			EXPECT_EQ(0, hook.twice);
			EXPECT_GT(hook.reads, 1);
			EXPECT_EQ(kind_desc[kind], w->c.nout + w->c.nin);
			for (i = 0; i < kind_desc[kind]; i++) {
				bool t = i >= direct;

				EXPECT_EQ((t ? 0x20000 - direct : 0x1000) + i,
					  w->c.desc[i].addr);
				EXPECT_EQ((t ? 100 - direct : 10) + i,
					  w->c.desc[i].len);
			}
			world_free(w);
		}
}

/* One pop with the @k-th read changed. Returns what it did. */
static int kth_read(struct __test_metadata *_metadata, int packed, int kind,
		    int k, u64 flip)
{
	struct world *w = make(packed, kind);
	int ret;

	hook_on(w, false, k, flip);
	ret = trivio_ring_pop(&w->r, &w->c);
	hook_off();
	ASSERT_TRUE(sound(w, ret)) {
		TH_LOG("packed %d kind %d read %d flip %llx", packed, kind, k,
		       (unsigned long long)flip);
	}
	world_free(w);
	return ret;
}

TEST(R08_kth_read)
{
	unsigned long tried = 0, got[3] = {};
	int i, k, bit, n, ret;
	u64 flip;

	for (i = 0; i < 2 * KINDS; i++) {
		n = 1;
		for (k = 0; k < n; k++) {
			for (bit = 0; bit < 64 + 256; bit++) {
				flip = bit < 64 ? 1ULL << bit :
				       (bit + 1) * 0x9e3779b97f4a7c15ULL;
				ret = kth_read(_metadata, i & 1, i / 2, k, flip);
				got[ret < 0 ? 2 : ret]++;
				tried++;
				/* as many as an unharmed pop makes, or more */
				if (hook.reads > n)
					n = hook.reads;
			}
		}
	}
	/* all three ends were seen */
	EXPECT_NE(0, got[0]);
	EXPECT_NE(0, got[1]);
	EXPECT_NE(0, got[2]);
	TH_LOG("%lu changes: %lu empty, %lu chains, %lu refused", tried, got[0],
	       got[1], got[2]);
}

/* The device never loads what it wrote itself, nor stores what it must not. */
TEST(driver_area_untouched)
{
	int features;

	for (features = 0; features < W_ALL; features++) {
		struct world *w = world_new(8, features, 4);
		u8 *before = malloc(w->bytes[1]);
		int i;

		ASSERT_EQ(0, world_init(w));
		for (i = 0; i < 30; i++) {
			world_one(w, i % 8, 0x1000, 9, i & 1 ? F_WRITE : 0);
			memcpy(before, w->area[1], w->bytes[1]);
			trivio_ring_kick_disable(&w->r);
			ASSERT_EQ(1, trivio_ring_pop(&w->r, &w->c));
			trivio_ring_push(&w->r, w->c.id, w->c.slots, i);
			trivio_ring_flush(&w->r);
			trivio_ring_call_needed(&w->r);
			trivio_ring_kick_enable(&w->r);
			EXPECT_EQ(0, memcmp(before, w->area[1], w->bytes[1]));
		}
		free(before);
		world_free(w);
	}
}

TEST_HARNESS_MAIN
