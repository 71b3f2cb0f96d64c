// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packed virtqueues: virtio 1.2, section 2.8.
 *
 * A position is a slot and a wrap counter that flips at each lap. A slot is
 * available when its AVAIL bit equals the driver's wrap counter and its USED
 * bit does not; used when both equal the device's. Shared words:
 *
 *	descriptor: u64 addr, u32 len, u16 id, u16 flags
 *	event structure of either side: u16 off_wrap, u16 flags
 *
 * Barrier partners are named by the steps of the driver (in Linux
 * virtqueue_add_packed() and virtqueue_get_buf_ctx_packed()).
 */
#include "ring_impl.h"

#define FLAG_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED	BIT(VRING_PACKED_DESC_F_USED)
#define FLAG_BOTH	(FLAG_AVAIL | FLAG_USED)

/* The same where the upper half of a descriptor's word has them. */
#define BITS_AVAIL	((u32)FLAG_AVAIL << 16)
#define BITS_BOTH	((u32)FLAG_BOTH << 16)
#define BITS_CHAIN	((VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT) << 16)

static __always_inline u64 packed_desc_addr(const struct trivio_ring *r, u32 i)
{
	const struct ring_desc *d = r->desc;

	return le64_to_cpu(READ_ONCE(d[i].addr));
}

/*
 * len in bits 0..31, id in 32..47, flags in 48..63. One load, so a word whose
 * flags say available has the len and id the driver stored before them.
 */
static __always_inline u64 packed_desc_word(const struct trivio_ring *r, u32 i)
{
	const struct ring_desc *d = r->desc;

	return le64_to_cpu(READ_ONCE(d[i].word));
}

static __always_inline u16 word_id(u64 word)
{
	return word >> 32;
}

static __always_inline u16 word_flags(u64 word)
{
	return word >> 48;
}

static __always_inline u16 flags_avail(bool wrap)
{
	return wrap ? FLAG_AVAIL : FLAG_USED;
}

static __always_inline u32 bits_avail(bool wrap)
{
	return (u32)flags_avail(wrap) << 16;
}

/* What a used descriptor's word has beside id and length. */
static __always_inline u64 word_used(bool wrap)
{
	return wrap ? (u64)FLAG_BOTH << 48 : 0;
}

/* @bits is &ring_priv.avail_bits, or what it is in the lap behind. */
static __always_inline bool word_has(u64 word, u32 bits)
{
	return ((u32)(word >> 32) & BITS_BOTH) == bits;
}

static __always_inline bool word_avail(u64 word, bool wrap)
{
	return (word_flags(word) & FLAG_BOTH) == flags_avail(wrap);
}

/* Slots given back that the driver was not shown yet. */
static u32 packed_unflushed(const struct trivio_ring *r)
{
	u32 n = r->last_used - r->flushed_used;

	if (!r->pending)
		return 0;
	return r->last_used <= r->flushed_used ? n + r->num : n;
}

/* What is in flight, or not shown as used yet, is not the driver's to offer. */
static u32 packed_busy(const struct trivio_ring *r)
{
	return r->inflight + packed_unflushed(r);
}

/*
 * The last slot of a lap is for the slow path, which knows the wrap counter, and so
 * are all slots while some of them were put back.
 */
static void packed_avail_limit(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);

	p->avail_end = p->seen ? 0 : min(r->num - 1, r->last_avail + r->num -
						     packed_busy(r));
}

static void packed_avail_step(struct trivio_ring *r, u32 slots)
{
	u32 pos = r->last_avail + slots;

	if (pos >= r->num) {
		pos -= r->num;
		r->avail_wrap = !r->avail_wrap;
		ring_priv(r)->avail_bits = bits_avail(r->avail_wrap);
	}
	r->last_avail = pos;
	r->inflight += slots;
	ring_seen_pop(ring_priv(r), slots);
	packed_avail_limit(r);
}

static void packed_used_step(struct trivio_ring *r, u32 slots)
{
	u32 pos = r->last_used + slots;

	if (pos >= r->num) {
		pos -= r->num;
		r->used_wrap = !r->used_wrap;
		ring_priv(r)->used_word = word_used(r->used_wrap);
	}
	r->last_used = pos;
}

/* Taking chains */

/* Tables are used from the first to the last entry; NEXT is reserved there. */
static int packed_walk_table(struct trivio_ring *r, struct trivio_chain *c,
			     struct ring_walk *w, u64 table, u32 n)
{
	struct ring_desc buf[RING_CHUNK];
	u64 addr, word;
	u32 i, k, have;
	int err;

	if (n > c->desc_max - w->n)
		return ring_fail(r, TRIVIO_ERR_TOO_LONG, w->head, table);
	for (i = 0; i < n; i += have) {
		have = min_t(u32, n - i, RING_CHUNK);
		err = ring_table_read(r, w, table + (u64)i * RING_DESC_SIZE,
				      buf, have);
		if (err)
			return err;
		for (k = 0; k < have; k++) {
			addr = le64_to_cpu(buf[k].addr);
			word = le64_to_cpu(buf[k].word);
			if (word_flags(word) & VRING_DESC_F_INDIRECT)
				return ring_fail(r, TRIVIO_ERR_INDIRECT_NESTED,
						 w->head, addr);
			err = ring_walk_add(r, c, w, addr, word,
					    word_flags(word) &
					    VRING_DESC_F_WRITE);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The rest of a chain whose first descriptor is in @addr and @word. */
static int packed_walk(struct trivio_ring *r, struct trivio_chain *c, u64 addr,
		       u64 word)
{
	struct ring_walk w = { .head = word_id(word) };
	u32 pos = r->last_avail, room = r->num - packed_busy(r);
	bool wrap = r->avail_wrap;
	u16 slots = 1, flags;
	int err;

	for (;;) {
		flags = word_flags(word);
		if (flags & VRING_DESC_F_INDIRECT) {
			err = ring_table_check(r, &w, addr, word, flags);
			if (!err)
				err = packed_walk_table(r, c, &w, addr,
							(u32)word /
							RING_DESC_SIZE);
			if (err)
				return err;
			break;
		}
		err = ring_walk_add(r, c, &w, addr, word,
				    flags & VRING_DESC_F_WRITE);
		if (err)
			return err;
		if (!(flags & VRING_DESC_F_NEXT))
			break;
		if (slots >= room)
			return ring_fail(r, room < r->num ?
					 TRIVIO_ERR_AVAIL_JUMP :
					 TRIVIO_ERR_LOOP, w.head, addr);
		slots++;
		if (++pos >= r->num) {
			pos = 0;
			wrap = !wrap;
		}
		word = packed_desc_word(r, pos);
		if (!word_avail(word, wrap))
			return ring_fail(r, TRIVIO_ERR_PARTIAL, w.head, addr);
		addr = packed_desc_addr(r, pos);
	}
	/* The id that counts is the last descriptor's: virtio 1.2, 2.8.6. */
	if (word_id(word) >= r->num)
		return ring_fail(r, TRIVIO_ERR_HEAD_RANGE, word_id(word), 0);
	c->id = word_id(word);
	c->slots = slots;
	ring_chain_done(r, c, &w);
	return 0;
}

static noinline int packed_pop_walk(struct trivio_ring *r,
				    struct trivio_chain *c, u64 word)
{
	int err;

	if (packed_busy(r) >= r->num)
		return ring_fail(r, TRIVIO_ERR_AVAIL_JUMP, word_id(word), 0);
	err = packed_walk(r, c, packed_desc_addr(r, r->last_avail), word);
	if (err)
		return err;
	packed_avail_step(r, c->slots);
	return 1;
}

/*
 * A chain of one slot that ends a lap or meets the limit: at least once a lap, so
 * that the walk would be felt.
 */
static noinline int packed_pop_edge(struct trivio_ring *r,
				    struct trivio_chain *c, u64 word)
{
	u64 addr = packed_desc_addr(r, r->last_avail);
	u32 high = word >> 32;

	if (unlikely(packed_busy(r) >= r->num || (u16)high >= r->num) ||
	    ring_addr_end(addr, word))
		return packed_pop_walk(r, c, word);
	ring_chain_one(r, c, high, addr, word, high & VRING_DESC_F_WRITE << 16);
	packed_avail_step(r, 1);
	return 1;
}

/*
 * Whatever is not a chain of one slot in the middle of a lap. @word is of the slot
 * at last_avail; the caller has had its barrier behind it. An empty ring ends here,
 * once a kick: nothing of the others' frames is set up for it.
 */
static noinline int packed_pop_slow(struct trivio_ring *r,
				    struct trivio_chain *c, u64 word)
{
	if (!word_has(word, ring_priv(r)->avail_bits))
		return 0;
	if (word >> 32 & BITS_CHAIN)
		return packed_pop_walk(r, c, word);
	return packed_pop_edge(r, c, word);
}

int ring_packed_pop(struct trivio_ring *r, struct trivio_chain *c)
{
	const struct ring_priv *p = ring_priv(r);
	u32 pos = r->last_avail;
	const struct ring_desc *d = (struct ring_desc *)r->desc + pos;
	u64 addr, word = le64_to_cpu(READ_ONCE(d->word));
	u32 high = word >> 32;

	/*
	 * The rest of the chain is loaded after the flags that announced it.
	 * Pairs with the driver's write barrier before it stores the flags of
	 * the chain's first descriptor.
	 */
	smp_rmb();
	if (unlikely((high & (BITS_BOTH | BITS_CHAIN)) != p->avail_bits) ||
	    unlikely(pos >= p->avail_end))
		return packed_pop_slow(r, c, word);
	addr = le64_to_cpu(READ_ONCE(d->addr));
	if (unlikely((u16)high >= r->num) || ring_addr_end(addr, word))
		return packed_pop_slow(r, c, word);
	ring_chain_one(r, c, high, addr, word, high & VRING_DESC_F_WRITE << 16);
	r->last_avail++;
	r->inflight++;
	return 1;
}

void ring_packed_unpop(struct trivio_ring *r, const struct trivio_chain *c)
{
	u32 pos = r->last_avail;

	if (unlikely(pos < c->slots)) {
		pos += r->num;
		r->avail_wrap = !r->avail_wrap;
		ring_priv(r)->avail_bits = bits_avail(r->avail_wrap);
	}
	r->last_avail = pos - c->slots;
	r->inflight -= c->slots;
	ring_priv(r)->seen += c->slots;
	ring_priv(r)->avail_end = 0;
}

bool ring_packed_empty(struct trivio_ring *r)
{
	return !word_has(packed_desc_word(r, r->last_avail),
			 ring_priv(r)->avail_bits);
}

/* Giving them back */

/* A used descriptor: length, id and flags are one store. */
static __always_inline u64 packed_word(u64 word, u64 id, u32 len)
{
	if (len)
		word |= (u64)VRING_DESC_F_WRITE << 48 | len;
	return word | id << 32;
}

/*
 * The driver consumes used descriptors in ring order, so the first of a flush,
 * at flushed_used, holds back all; it is written last.
 */
static void packed_put(struct trivio_ring *r, u32 pos, u64 word)
{
	struct ring_desc *d = r->desc;

	if (pos != r->flushed_used)
		WRITE_ONCE(d[pos].word, cpu_to_le64(word));
	else
		ring_priv(r)->held_word = word;
}

/* Write the used descriptor of an open batch: virtio 1.2, 2.8.7. */
static void packed_batch_close(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);

	packed_put(r, p->batch_at, packed_word(word_used(p->batch_wrap),
					       p->batch_id, p->batch_len));
	p->batch = false;
}

/* As split_push_in_order(). */
static void packed_push_in_order(struct trivio_ring *r, u32 id, u32 written)
{
	struct ring_priv *p = ring_priv(r);

	if (!p->batch) {
		p->batch_at = r->last_used;
		p->batch_wrap = r->used_wrap;
	}
	p->batch = true;
	p->batch_id = id;
	p->batch_len = written;
	if (p->no_batch)
		packed_batch_close(r);
}

/* In order, or around the end of a lap. */
static noinline void packed_push_slow(struct trivio_ring *r, u32 id, u32 slots,
				      u32 written)
{
	struct ring_priv *p = ring_priv(r);

	r->pending++;
	if (r->in_order) {
		packed_push_in_order(r, id, written);
	} else {
		packed_put(r, r->last_used, packed_word(p->used_word, id,
							written));
		p->used_end = r->num;
	}
	packed_used_step(r, slots);
}

/* Wide arguments: they are used as they come. */
void ring_packed_push(struct trivio_ring *r, unsigned long id,
		      unsigned long slots, u32 written)
{
	struct ring_priv *p = ring_priv(r);
	unsigned long pos = r->last_used, end = pos + slots;
	struct ring_desc *d = (struct ring_desc *)r->desc + pos;

	if (unlikely(check_sub_overflow(r->inflight, (u32)slots,
					&r->inflight))) {
		r->inflight += slots;
		ring_fail(r, TRIVIO_ERR_USED_TWICE, id, 0);
		return;
	}
	if (unlikely(end >= p->used_end)) {
		if (end >= r->num || p->used_end || r->in_order) {
			packed_push_slow(r, id, slots, written);
			return;
		}
		/* The first one of a flush: held back. */
		p->held_word = packed_word(p->used_word, id, written);
		p->used_end = r->num;
		r->pending++;
		r->last_used = end;
		return;
	}
	r->pending++;
	r->last_used = end;
	WRITE_ONCE(d->word, cpu_to_le64(packed_word(p->used_word, id,
						    written)));
}

static noinline void packed_log_used(struct trivio_ring *r, u32 pos, u32 n)
{
	u32 run = min(n, r->num - pos);

	/* The page is marked after what makes it dirty, never before. */
	smp_wmb();
	ring_log(r, TRIVIO_AREA_DESC, pos * RING_DESC_SIZE,
		 run * RING_DESC_SIZE);
	if (n > run)
		ring_log(r, TRIVIO_AREA_DESC, 0, (n - run) * RING_DESC_SIZE);
}

static noinline void packed_flush_batch(struct trivio_ring *r)
{
	packed_batch_close(r);
	ring_packed_flush(r);
}

/*
 * What was used is the driver's again, but avail_end stays where it is: too low a
 * limit costs one slow pop, which sets it anew. Rare cases leave by a tail call.
 */
void ring_packed_flush(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);
	u32 n, from = r->flushed_used;
	struct ring_desc *d;

	if (!r->pending)
		return;
	if (unlikely(p->batch)) {
		packed_flush_batch(r);
		return;
	}
	/*
	 * The used descriptors, and the data before them, are visible before
	 * the one that holds them back. Pairs with the driver's read barrier
	 * after it loads the flags of a used descriptor.
	 */
	smp_wmb();
	d = (struct ring_desc *)r->desc + from;
	WRITE_ONCE(d->word, cpu_to_le64(p->held_word));
	p->used_end = 0;
	/* Beyond a lap the position of the last decision means nothing. */
	n = r->last_used - from;
	if (r->last_used <= from)
		n += r->num;
	p->since += n;
	if (unlikely(p->since > r->num)) {
		p->since = 0;
		r->call_valid = false;
	}
	r->flushed_used = r->last_used;
	r->flushed_wrap = r->used_wrap;
	r->pending = 0;
	if (unlikely(READ_ONCE(r->log)))
		packed_log_used(r, from, n);
}

/* Notifications */

bool ring_packed_call_needed(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);
	u16 off, flags, new = r->flushed_used, n = p->since;
	bool valid = r->call_valid;
	u32 event;

	/*
	 * The used flags are stored before the driver's wish is loaded. Pairs
	 * with the driver's full barrier between storing its event structure
	 * and looking at the next used descriptor once more.
	 */
	smp_mb();
	/* One load: off_wrap and flags belong together. */
	event = le32_to_cpu(READ_ONCE(*(__le32 *)r->driver));
	flags = (event >> 16) & 3;
	r->call_used = new;
	r->call_valid = true;
	p->since = 0;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !r->event_idx || !valid)
		return true;
	/*
	 * Bring the event to the lap of what the driver was shown, which a push
	 * since then may have left: virtio 1.2, 2.8.14 and 2.8.21.3.1.
	 */
	off = event & ~RING_WRAP;
	if (!!(event & RING_WRAP) != r->flushed_wrap)
		off -= r->num;
	return vring_need_event(off, new, new - n);
}

/* One store, as the driver may look at any time. */
static __always_inline void packed_store_event(struct trivio_ring *r,
					       u32 off_wrap, u32 flags)
{
	WRITE_ONCE(*(__le32 *)r->device, cpu_to_le32(flags << 16 | off_wrap));
}

static void packed_set_event(struct trivio_ring *r, u16 off_wrap, u16 flags)
{
	packed_store_event(r, off_wrap, flags);
	ring_log(r, TRIVIO_AREA_DEVICE, 0, 4);
}

void ring_packed_kick_disable(struct trivio_ring *r)
{
	if (r->kick_off)
		return;
	r->kick_off = true;
	packed_set_event(r, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

static noinline bool packed_wish_logged(struct trivio_ring *r, bool more)
{
	ring_log(r, TRIVIO_AREA_DEVICE, 0, 4);
	return more;
}

/*
 * Ask for a kick at the slot at @pos, in the lap of @bits, and look whether it is
 * available already.
 */
static __always_inline bool packed_wish(struct trivio_ring *r, u32 pos,
					u32 bits)
{
	u32 wrap = bits & BITS_AVAIL ? RING_WRAP : 0;
	bool more;

	if (likely(r->event_idx))
		packed_store_event(r, pos | wrap, VRING_PACKED_EVENT_FLAG_DESC);
	else if (r->kick_off)
		packed_store_event(r, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	r->kick_off = false;
	/*
	 * The wish for a kick is stored before looking once more. Pairs with
	 * the driver's full barrier between storing descriptor flags and
	 * loading the device event structure.
	 */
	smp_mb();
	more = word_has(packed_desc_word(r, pos), bits);
	/* A tail call, so that the common case has no frame. */
	if (unlikely(READ_ONCE(r->log)))
		return packed_wish_logged(r, more);
	return more;
}

/* Some slots were put back: news is what comes behind them. */
static noinline bool packed_wish_seen(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);
	u32 bits = p->avail_bits, pos;

	/*
	 * What was put back must still be there. A driver that took it away
	 * would else be seen to have more, of which nothing can be popped.
	 */
	if (unlikely(ring_packed_empty(r)))
		p->seen = 0;
	pos = r->last_avail + p->seen;
	if (pos >= r->num) {
		pos -= r->num;
		bits ^= BITS_BOTH;
	}
	return packed_wish(r, pos, bits);
}

bool ring_packed_kick_enable(struct trivio_ring *r)
{
	if (unlikely(ring_priv(r)->seen))
		return packed_wish_seen(r);
	return packed_wish(r, r->last_avail, ring_priv(r)->avail_bits);
}

/* Begin of service at the positions in @r. -EINVAL if they are not legal. */
int ring_packed_start(struct trivio_ring *r)
{
	u32 n;

	if (r->last_avail >= r->num || r->last_used >= r->num)
		return -EINVAL;
	/* What lies between used and avail is in flight: at most a lap. */
	n = r->last_avail - r->last_used;
	if (r->avail_wrap != r->used_wrap)
		n += r->num;
	if (n > r->num)
		return -EINVAL;
	r->inflight = n;
	ring_priv(r)->avail_bits = bits_avail(r->avail_wrap);
	ring_priv(r)->used_word = word_used(r->used_wrap);
	packed_avail_limit(r);
	packed_set_event(r, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	return 0;
}
