// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suppression against a model that keeps a list: the driver may put its event
 * anywhere and change its mind at any time; a call is made when one of the
 * entries shown since the last decision is the one asked for, and only then.
 * The same for kicks: after the device asked, the event word names the next
 * chain, and "there is more" is said when, and only when, there is.
 */
#include <linux/compiler.h>

#include "fuzz.h"
#include "world.h"

#define NUM_MAX	32

struct model {
	struct world *w;
	u64 used;		/* slots shown since the start */
	u64 decided;		/* the same at the last decision */
	u64 offered, popped;
	bool valid;
};

/* Split positions repeat after 65536 entries, packed ones after two laps. */
static bool expect_call(struct model *m, u16 event, u16 flags)
{
	struct world *w = m->w;
	bool packed = w->cfg.packed;
	u64 lap = packed ? 2 * w->cfg.num : 65536, i, want;

	if (packed) {
		if (flags == 1)
			return false;
		if (flags != 2 || !w->cfg.event_idx)
			return true;
	} else if (!w->cfg.event_idx) {
		return !(flags & 1);
	}
	if (!m->valid || m->used - m->decided > (packed ? w->cfg.num : 65535))
		return true;
	if (packed)
		want = event & 0x8000 ? event & 0x7fff :
		       w->cfg.num + (event & 0x7fff);
	else
		want = event;
	for (i = m->decided; i < m->used; i++)
		if (i % lap == want)
			return true;
	return false;
}

static void decide(struct model *m, u16 event, u16 flags)
{
	struct world *w = m->w;
	bool want, got;

	if (w->cfg.packed) {
		/* an offset that no ring has: any answer will do */
		if ((event & 0x7fff) >= w->cfg.num)
			event = (event & 0x8000) |
				(event & 0x7fff) % w->cfg.num;
		world_driver_event(w, event, flags & 3);
		want = expect_call(m, event, flags & 3);
	} else {
		if (w->cfg.event_idx)
			world_used_event(w, event);
		world_avail_flags(w, flags & 1);
		want = expect_call(m, event, flags & 1);
	}
	got = trivio_ring_call_needed(&w->r);
	CHECK(want == got);
	m->decided = m->used;
	m->valid = true;
}

static void enable(struct model *m)
{
	struct world *w = m->w;
	bool more = trivio_ring_kick_enable(&w->r);
	u64 next = m->popped, num = w->cfg.num;

	CHECK(more == (m->offered != m->popped));
	if (!w->cfg.event_idx)
		return;
	if (w->cfg.packed)
		CHECK(world_device_event(w) == (2 << 16 | next % num |
			(next / num % 2 ? 0u : 0x8000)));
	else
		CHECK(world_avail_event(w) == (u16)next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	int features = in_u8(&in) & (W_PACKED | W_EVENT | W_IN_ORDER);
	u32 num = 1 + in_u8(&in) % NUM_MAX;
	struct model m = {};
	struct world *w;
	u64 pushed = 0;

	if (!(features & W_PACKED))
		while (num & (num - 1))
			num &= num - 1;
	w = world_new(num, features, 2);
	m.w = w;
	CHECK(!world_init(w));
	while (in.left) {
		u8 op = in_u8(&in);
		u32 n = 1 + (op >> 3) % 32;

		switch (op & 7) {
		case 0:
			for (; n && m.offered - m.used < num; n--) {
				world_one(w, m.offered % num, 0x1000, 1, 0);
				m.offered++;
			}
			break;
		case 1:
			for (; n && m.popped < m.offered; n--) {
				CHECK(trivio_ring_pop(&w->r, &w->c) == 1);
				m.popped++;
			}
			break;
		case 2:
			for (; n && pushed < m.popped; n--) {
				trivio_ring_push(&w->r, pushed % num, 1, 0);
				pushed++;
			}
			break;
		case 3:
			trivio_ring_flush(&w->r);
			m.used = pushed;
			break;
		case 4:
			/* near the position, where it matters */
			n = (u8)in_u8(&in);
			if (w->cfg.packed) {
				u64 at = m.used + 2 * num + n % 8 - 4;

				decide(&m, at % num |
				       (at / num % 2 ? 0 : 0x8000), op >> 3);
			} else {
				decide(&m, m.used + n % 8 - 4, op >> 3);
			}
			break;
		case 5:
			decide(&m, in_u16(&in), op >> 3);
			break;
		case 6:
			enable(&m);
			break;
		case 7:
			trivio_ring_kick_disable(&w->r);
			/* many round trips without a decision */
			for (n *= 4; n; n--) {
				if (m.offered != m.popped ||
				    pushed != m.popped ||
				    m.offered - m.used >= num)
					break;
				world_one(w, m.offered++ % num, 0x1000, 1, 0);
				CHECK(trivio_ring_pop(&w->r, &w->c) == 1);
				trivio_ring_push(&w->r, m.popped++ % num, 1, 0);
				trivio_ring_flush(&w->r);
				m.used = ++pushed;
			}
			break;
		}
	}
	world_free(w);
	return 0;
}
