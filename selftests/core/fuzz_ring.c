// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings under any driver: the input says what lies in memory, what the device
 * does, and which word changes at which read. Built three times, for split
 * rings, packed rings, and both with indirect tables always on.
 *
 * Must hold: nothing is touched beside the areas (sanitizer), the driver area
 * is never stored to, a chain is sound in itself, an error consumes nothing,
 * and every store is in the log while that is on.
 */
#include <linux/compiler.h>

#include "fuzz.h"
#include "fuzz_ring.h"
#include "world.h"

#ifndef FUZZ_FORCE
#define FUZZ_FORCE	0
#endif
#ifndef FUZZ_FORBID
#define FUZZ_FORBID	0
#endif

struct held {
	u16 id, slots;
};

struct fuzz {
	struct world *w;
	struct held held[FUZZ_NUM_MAX];
	int nheld;
	bool last_pop;		/* the last step was a pop that gave a chain */
	u8 *driver;		/* copy of the driver area */
};

static struct world *hook_world;
static int hook_left;
static u64 hook_flip;

/* Changes a word of the shared areas, nothing of the ring's own. */
static void flip_read(const volatile void *p, size_t len)
{
	volatile u8 *b = (volatile u8 *)p;
	size_t i;

	for (i = 0; i < 3; i++)
		if (b >= hook_world->area[i] &&
		    b < hook_world->area[i] + hook_world->bytes[i])
			break;
	if (i == 3 || !hook_left || --hook_left)
		return;
	for (i = 0; i < len; i++)
		b[i] ^= hook_flip >> (8 * i);
}

static void check_chain(struct world *w, const struct trivio_ring *before)
{
	struct trivio_chain *c = &w->c;
	u64 out = 0, in = 0;
	int i;

	CHECK(c->nout + c->nin > 0);
	CHECK(c->nout + c->nin <= c->desc_max);
	CHECK(c->id < w->r.num);
	CHECK(c->slots >= 1 && c->slots <= w->r.num);
	CHECK(w->r.inflight == before->inflight + c->slots);
	CHECK(w->r.inflight <= w->r.num);
	for (i = 0; i < c->nout + c->nin; i++) {
		u64 end = c->desc[i].addr + c->desc[i].len;

		CHECK(end >= c->desc[i].addr || !end);
		if (i < c->nout)
			out += c->desc[i].len;
		else
			in += c->desc[i].len;
	}
	CHECK(out == c->out_len);
	CHECK(in == c->in_len);
	CHECK(out + in <= 0xffffffff);
}

static void do_pop(struct fuzz *f)
{
	struct world *w = f->w;
	struct trivio_ring before = w->r;
	int ret = trivio_ring_pop(&w->r, &w->c);

	if (ret == 1) {
		check_chain(w, &before);
		CHECK(f->nheld < FUZZ_NUM_MAX);
		f->held[f->nheld].id = w->c.id;
		f->held[f->nheld].slots = w->c.slots;
		f->nheld++;
		f->last_pop = true;
		return;
	}
	CHECK(ret == 0 || ret == -EAGAIN || ret == -EINVAL);
	CHECK(w->r.last_avail == before.last_avail);
	CHECK(w->r.avail_wrap == before.avail_wrap);
	CHECK(w->r.inflight == before.inflight);
	if (ret == -EINVAL) {
		CHECK(w->r.err > TRIVIO_OK && w->r.err < TRIVIO_ERR_NR);
		CHECK(w->r.err <= TRIVIO_ERR_PARTIAL ||
		      w->r.err == TRIVIO_ERR_WRAP);
	}
	if (ret == -EAGAIN)
		CHECK(w->read_err == -EAGAIN);
}

static void do_push(struct fuzz *f, struct in *in)
{
	struct world *w = f->w;
	u32 i = in_u8(in), written = in_u32(in);
	u16 used = w->r.last_used;

	if (!f->nheld) {
		/* nothing is held: what is left in flight is another life's */
		if (w->r.inflight)
			return;
		trivio_ring_push(&w->r, i, 1, written);
		CHECK(w->r.err == TRIVIO_ERR_USED_TWICE);
		CHECK(w->r.last_used == used);
		return;
	}
	/* in order means in order */
	i = w->cfg.in_order ? 0 : i % f->nheld;
	trivio_ring_push(&w->r, f->held[i].id, f->held[i].slots, written);
	f->nheld--;
	memmove(&f->held[i], &f->held[i + 1],
		(f->nheld - i) * sizeof(f->held[0]));
}

static void do_store(struct fuzz *f, struct in *in)
{
	struct world *w = f->w;
	u8 area = in_u8(in) & 3;
	u16 off = in_u16(in), n = in_u16(in);
	size_t bytes = area == AREA_TABLE ? TABLE_BYTES : w->bytes[area];
	u8 *p = area == AREA_TABLE ? w->region[0].mem : w->area[area];

	if (off >= bytes)
		return;
	if (n > bytes - off)
		n = bytes - off;
	in_bytes(in, p + off, n);
}

static void do_restart(struct fuzz *f, struct in *in)
{
	struct world *w = f->w;
	u8 how = in_u8(in);
	u32 state = trivio_ring_get_state(&w->r);
	u32 inflight = w->r.inflight;

	if (how & 1)
		state = in_u32(in);
	if (how & 2) {
		bool log = w->r.log;

		memset(&w->r, 0, sizeof(w->r));
		w->r.log = log;
	}
	if (how & 1 || !w->r.num)
		if (trivio_ring_set_state(&w->r, w->cfg.packed, state))
			CHECK(how & 1);
	if (world_init(w)) {
		/* absurd: stay out of service, start over */
		memset(&w->r, 0, sizeof(w->r));
		CHECK(!world_init(w));
	}
	CHECK(w->r.inflight <= w->r.num);
	f->nheld = 0;
	/* the split used index is in memory that anyone may have changed */
	if (w->cfg.packed && !(how & 1) && state >> 16)
		CHECK(w->r.inflight == inflight);
}

static void do_offer(struct fuzz *f, struct in *in)
{
	u16 n = in_u16(in);

	if (!f->w->cfg.packed)
		world_avail_idx(f->w, f->w->r.avail_idx + n);
}

static void do_one(struct fuzz *f, struct in *in)
{
	struct world *w = f->w;
	u16 id = in_u16(in), flags;
	u64 addr = in_u64(in);
	u32 len = in_u32(in);

	flags = in_u16(in);
	if (w->cfg.packed) {
		w->avail = w->r.last_avail;
		w->wrap = w->r.avail_wrap;
		world_next(w, id, addr, len, flags & 7);
	} else {
		world_desc(w, id % w->cfg.num, addr, len, flags & 7, id >> 8);
		world_offer(w, id % w->cfg.num);
	}
}

static void do_flush(struct world *w)
{
	trivio_ring_flush(&w->r);
	CHECK(w->r.flushed_used == w->r.last_used);
	CHECK(!w->r.pending);
}

static void do_kick_on(struct world *w)
{
	bool more = trivio_ring_kick_enable(&w->r);

	/* a word that changed meanwhile may say anything */
	if (!hook_flip && more)
		CHECK(!trivio_ring_empty(&w->r));
}

/* One step of the device; the log and the driver area are looked at after. */
static void step(struct fuzz *f, u8 op, struct in *in)
{
	struct world *w = f->w;
	bool unpop = f->last_pop;

	f->last_pop = false;
	switch (op) {
	case OP_POP:
		do_pop(f);
		break;
	case OP_PUSH:
		do_push(f, in);
		break;
	case OP_FLUSH:
		do_flush(w);
		break;
	case OP_CALL:
		trivio_ring_call_needed(&w->r);
		break;
	case OP_KICK_OFF:
		trivio_ring_kick_disable(&w->r);
		break;
	case OP_KICK_ON:
		do_kick_on(w);
		break;
	case OP_UNPOP:
		if (!unpop)
			break;
		trivio_ring_unpop(&w->r, &w->c);
		f->nheld--;
		CHECK(w->r.inflight <= w->r.num);
		break;
	case OP_RESTART:
		do_restart(f, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	int features = (in_u8(&in) | FUZZ_FORCE) & ~FUZZ_FORBID & (W_ALL - 1);
	u32 num = 1 + in_u8(&in) % FUZZ_NUM_MAX, state;
	u16 desc_max = 1 + in_u8(&in) % 64;
	struct fuzz f = {};
	bool armed = false;
	struct world *w;
	int steps = 400;

	if (!(features & W_PACKED))
		while (num & (num - 1))
			num &= num - 1;
	w = world_new(num, features, desc_max);
	world_region(w, TABLE_ADDR, TABLE_BYTES);
	f.w = w;
	f.driver = malloc(w->bytes[1]);
	state = in_u32(&in);
	trivio_ring_set_state(&w->r, w->cfg.packed, state);
	if (world_init(w))
		goto out;
	hook_world = w;
	hook_left = 0;
	hook_flip = 0;
	shim_read_hook = flip_read;

	while (in.left && steps--) {
		u8 op = in_u8(&in) % OP_NR;
		bool hooked;

		if (op == OP_STORE || op == OP_OFFER || op == OP_ONE ||
		    op == OP_LOG)
			armed = false;
		switch (op) {
		case OP_STORE:
			do_store(&f, &in);
			continue;
		case OP_OFFER:
			do_offer(&f, &in);
			continue;
		case OP_ONE:
			do_one(&f, &in);
			continue;
		case OP_HOOK:
			hook_left = 1 + in_u8(&in) % 64;
			hook_flip = in_u64(&in);
			continue;
		case OP_PARK:
			w->read_err = -in_u8(&in);
			if (w->read_err && w->read_err != -EAGAIN)
				w->read_err = -EFAULT;
			continue;
		case OP_LOG:
			w->r.log = in_u8(&in) & 1;
			continue;
		}
		/* what is stored for a driver is not in the log */
		if (w->r.log && !hook_left && !w->r.pending) {
			world_log_start(w);
			armed = true;
		}
		if (hook_left || op == OP_RESTART)
			armed = false;
		memcpy(f.driver, w->area[1], w->bytes[1]);
		hooked = hook_left;
		step(&f, op, &in);
		if (!hooked)
			CHECK(!memcmp(f.driver, w->area[1], w->bytes[1]));
		if (!hook_left)
			hook_flip = 0;
		if (armed && w->r.log && !w->r.pending)
			CHECK(!world_log_missing(w));
	}
out:
	shim_read_hook = NULL;
	free(f.driver);
	world_free(w);
	return 0;
}
