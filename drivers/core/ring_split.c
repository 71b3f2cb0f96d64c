// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues: virtio 1.2, section 2.7.
 *
 * Positions run freely over 16 bits; slot = position & (num - 1). Shared words:
 *
 *	driver area: u16 flags, u16 idx, u16 ring[num], u16 used_event
 *	device area: u16 flags, u16 idx, {u32 id, u32 len}[num], u16 avail_event
 *
 * Barrier partners are named by the steps of the driver (virtio 1.2, 2.7.13
 * and 2.7.14; in Linux virtqueue_add_split() and virtqueue_get_buf_ctx_split()).
 */
#include "ring_impl.h"

#define USED_ELEM(i)	(4 + 8 * (i))

/* Used elements sit at 4 modulo 8; one store all the same. */
typedef __le64 used_elem_t __aligned(4);

static __always_inline const __le16 *split_avail(const struct trivio_ring *r)
{
	return r->driver;
}

static __always_inline u16 split_avail_idx(const struct trivio_ring *r)
{
	return le16_to_cpu(READ_ONCE(split_avail(r)[1]));
}

static __always_inline u64 split_desc_addr(const struct trivio_ring *r,
					   unsigned long i)
{
	const struct ring_desc *d = r->desc;

	return le64_to_cpu(READ_ONCE(d[i].addr));
}

/* len in bits 0..31, flags in 32..47, next in 48..63 */
static __always_inline u64 split_desc_word(const struct trivio_ring *r,
					   unsigned long i)
{
	const struct ring_desc *d = r->desc;

	return le64_to_cpu(READ_ONCE(d[i].word));
}

static __always_inline u16 word_flags(u64 word)
{
	return word >> 32;
}

static __always_inline u16 word_next(u64 word)
{
	return word >> 48;
}

/* Device-written words. */

static void split_set_flags(struct trivio_ring *r, u16 flags)
{
	__le16 *used = r->device;

	WRITE_ONCE(used[0], cpu_to_le16(flags));
	ring_log(r, TRIVIO_AREA_DEVICE, 0, 2);
}

static void split_set_avail_event(struct trivio_ring *r, u16 event)
{
	u32 off = USED_ELEM(r->num);
	__le16 *p = r->device + off;

	WRITE_ONCE(*p, cpu_to_le16(event));
	ring_log(r, TRIVIO_AREA_DEVICE, off, 2);
}

static __always_inline void split_put(struct trivio_ring *r, u16 pos, u32 id,
				      u32 len)
{
	unsigned long slot = pos & ring_priv(r)->mask;
	used_elem_t *e = r->device + USED_ELEM(slot);

	WRITE_ONCE(*e, cpu_to_le64((u64)len << 32 | id));
}

/* Taking chains */

/* Read a table elsewhere in guest memory; the chain ends with it. */
static int split_walk_table(struct trivio_ring *r, struct trivio_chain *c,
			    struct ring_walk *w, u64 table, u32 n)
{
	struct ring_desc buf[RING_CHUNK];
	u32 base = 0, have = 0, left = n, i = 0, k;
	u64 addr, word;
	int err;

	for (;;) {
		if (i - base >= have) {
			base = i;
			have = min_t(u32, n - i, RING_CHUNK);
			err = ring_table_read(r, w, table + (u64)i *
					      RING_DESC_SIZE, buf, have);
			if (err)
				return err;
		}
		k = (i - base) & (RING_CHUNK - 1);
		addr = le64_to_cpu(buf[k].addr);
		word = le64_to_cpu(buf[k].word);
		if (word_flags(word) & VRING_DESC_F_INDIRECT)
			return ring_fail(r, TRIVIO_ERR_INDIRECT_NESTED,
					 w->head, addr);
		err = ring_walk_add(r, c, w, addr, word,
				    word_flags(word) & VRING_DESC_F_WRITE);
		if (err)
			return err;
		if (!(word_flags(word) & VRING_DESC_F_NEXT))
			return 0;
		if (!--left)
			return ring_fail(r, TRIVIO_ERR_LOOP, w->head, addr);
		i = word_next(word);
		if (i >= n)
			return ring_fail(r, TRIVIO_ERR_NEXT_RANGE, w->head,
					 addr);
	}
}

/* The rest of a chain whose first descriptor is in @addr and @word. */
static int split_walk(struct trivio_ring *r, struct trivio_chain *c, u16 head,
		      u64 addr, u64 word)
{
	struct ring_walk w = { .head = head };
	u32 left = r->num;
	u16 flags, i;
	int err;

	for (;;) {
		flags = word_flags(word);
		if (flags & VRING_DESC_F_INDIRECT) {
			err = ring_table_check(r, &w, addr, word, flags);
			if (!err)
				err = split_walk_table(r, c, &w, addr,
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
		if (!--left)
			return ring_fail(r, TRIVIO_ERR_LOOP, head, addr);
		i = word_next(word);
		if (i >= r->num)
			return ring_fail(r, TRIVIO_ERR_NEXT_RANGE, head, addr);
		i &= ring_priv(r)->mask;
		addr = split_desc_addr(r, i);
		word = split_desc_word(r, i);
	}
	c->slots = 1;
	ring_chain_done(r, c, &w);
	return 0;
}

/*
 * Look for new entries. One load serves all pops until they are used up.
 * Returns 1 if there are any, 0 if not, negative if the driver made more
 * available than the ring holds beside what is in flight or not yet shown used.
 */
static int split_refill(struct trivio_ring *r)
{
	u16 idx = split_avail_idx(r);
	u16 new = idx - r->last_avail;

	if (!new)
		return 0;
	if (unlikely(new > r->num - r->inflight - r->pending))
		return ring_fail(r, TRIVIO_ERR_AVAIL_JUMP, idx, 0);
	r->avail_idx = idx;
	/*
	 * Entries and descriptors are loaded after the index that announced
	 * them. Pairs with the driver's write barrier before its idx store.
	 */
	smp_rmb();
	return 1;
}

static __always_inline void split_pop_done(struct trivio_ring *r)
{
	r->last_avail++;
	r->inflight++;
	ring_seen_pop(ring_priv(r), 1);
}

static noinline int split_pop_walk(struct trivio_ring *r,
				   struct trivio_chain *c, u16 head, u64 addr,
				   u64 word)
{
	int err = split_walk(r, c, head, addr, word);

	if (err)
		return err;
	c->id = head;
	split_pop_done(r);
	return 1;
}

static noinline int split_pop_bad_head(struct trivio_ring *r, u16 head)
{
	return ring_fail(r, TRIVIO_ERR_HEAD_RANGE, head, 0);
}

/* There is an entry at last_avail. Rare cases leave by a tail call. */
static __always_inline int split_pop_one(struct trivio_ring *r,
					 struct trivio_chain *c)
{
	unsigned long mask = ring_priv(r)->mask, head;
	u64 addr, word;

	head = le16_to_cpu(READ_ONCE(split_avail(r)[2 + (r->last_avail & mask)]));
	if (unlikely(head > mask))
		return split_pop_bad_head(r, head);
	head &= mask;
	addr = split_desc_addr(r, head);
	word = split_desc_word(r, head);
	if (unlikely(word_flags(word) &
		     (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) ||
	    ring_addr_end(addr, word))
		return split_pop_walk(r, c, head, addr, word);
	ring_chain_one(r, c, head, addr, word,
		       word_flags(word) & VRING_DESC_F_WRITE);
	split_pop_done(r);
	return 1;
}

static noinline int split_pop_refill(struct trivio_ring *r,
				     struct trivio_chain *c)
{
	int ret = split_refill(r);

	if (ret <= 0)
		return ret;
	return split_pop_one(r, c);
}

int ring_split_pop(struct trivio_ring *r, struct trivio_chain *c)
{
	if (unlikely(r->avail_idx == r->last_avail))
		return split_pop_refill(r, c);
	return split_pop_one(r, c);
}

void ring_split_unpop(struct trivio_ring *r, const struct trivio_chain *c)
{
	r->last_avail -= c->slots;
	r->inflight -= c->slots;
	ring_priv(r)->seen += c->slots;
}

bool ring_split_empty(struct trivio_ring *r)
{
	return r->avail_idx == r->last_avail &&
	       split_avail_idx(r) == r->last_avail;
}

/* Giving them back */

/* Write the used entry of an open batch: virtio 1.2, 2.7.9. */
static void split_batch_close(struct trivio_ring *r)
{
	struct ring_priv *p = ring_priv(r);

	split_put(r, p->batch_at, p->batch_id, p->batch_len);
	p->batch = false;
}

/*
 * One entry for a batch: it stands where the first chain's would be and has the
 * id of the last. A batch ends with the flush, or with a chain whose length
 * must be told.
 */
static noinline void split_push_in_order(struct trivio_ring *r, u32 id,
					 u32 written)
{
	struct ring_priv *p = ring_priv(r);

	if (!p->batch)
		p->batch_at = r->last_used;
	p->batch = true;
	p->batch_id = id;
	p->batch_len = written;
	r->last_used++;
	if (p->no_batch)
		split_batch_close(r);
}

void ring_split_push(struct trivio_ring *r, u32 id, u32 written)
{
	if (unlikely(!r->inflight)) {
		ring_fail(r, TRIVIO_ERR_USED_TWICE, id, 0);
		return;
	}
	r->inflight--;
	r->pending++;
	if (r->in_order) {
		split_push_in_order(r, id, written);
		return;
	}
	split_put(r, r->last_used++, id, written);
}

static noinline void split_log_used(struct trivio_ring *r)
{
	u32 slot = r->flushed_used & ring_priv(r)->mask;
	u32 n = (u16)(r->last_used - r->flushed_used);
	u32 run = min(n, r->num - slot);

	/* The page is marked after what makes it dirty, never before. */
	smp_wmb();
	ring_log(r, TRIVIO_AREA_DEVICE, USED_ELEM(slot), 8 * run);
	if (n > run)
		ring_log(r, TRIVIO_AREA_DEVICE, USED_ELEM(0), 8 * (n - run));
	ring_log(r, TRIVIO_AREA_DEVICE, 2, 2);
}

void ring_split_flush(struct trivio_ring *r)
{
	__le16 *used = r->device;
	u16 n;

	if (!r->pending)
		return;
	if (ring_priv(r)->batch)
		split_batch_close(r);
	/*
	 * Used entries, and the data before them, are visible before the index
	 * that announces them. Pairs with the driver's read barrier after it
	 * loads the used idx.
	 */
	smp_wmb();
	WRITE_ONCE(used[1], cpu_to_le16(r->last_used));
	if (unlikely(READ_ONCE(r->log)))
		split_log_used(r);
	/*
	 * With no decision for 65536 entries the position of the last one means
	 * nothing any more.
	 */
	n = r->last_used - r->flushed_used;
	if (unlikely((u16)(r->last_used - r->call_used) < n))
		r->call_valid = false;
	r->flushed_used = r->last_used;
	r->pending = 0;
}

/* Notifications */

bool ring_split_call_needed(struct trivio_ring *r)
{
	const __le16 *avail = split_avail(r);
	u16 old = r->call_used, new = r->flushed_used, event;
	bool valid = r->call_valid;

	/*
	 * The used index is stored before the driver's wish is loaded. Pairs
	 * with the driver's full barrier between storing used_event (or flags)
	 * and looking at the used idx once more.
	 */
	smp_mb();
	if (!r->event_idx)
		return !(le16_to_cpu(READ_ONCE(avail[0])) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	r->call_used = new;
	r->call_valid = true;
	if (unlikely(!valid))
		return true;
	event = le16_to_cpu(READ_ONCE(avail[2 + r->num]));
	return vring_need_event(event, new, old);
}

void ring_split_kick_disable(struct trivio_ring *r)
{
	if (r->kick_off)
		return;
	r->kick_off = true;
	/* An event index that is not moved on needs no other switch. */
	if (!r->event_idx)
		split_set_flags(r, VRING_USED_F_NO_NOTIFY);
}

bool ring_split_kick_enable(struct trivio_ring *r)
{
	u16 want = r->last_avail + ring_priv(r)->seen;

	if (r->event_idx)
		split_set_avail_event(r, want);
	else if (r->kick_off)
		split_set_flags(r, 0);
	r->kick_off = false;
	/*
	 * The wish for a kick is stored before looking once more. Pairs with
	 * the driver's full barrier between storing the avail idx and loading
	 * avail_event (or flags).
	 */
	smp_mb();
	return split_avail_idx(r) != want;
}

/*
 * Begin of service at r->last_avail; the used position is in the ring. What lies
 * between them is in flight, unless it is more than a ring holds: then one of
 * the two is from another life.
 */
void ring_split_start(struct trivio_ring *r)
{
	const __le16 *used = r->device;
	u16 n;

	ring_priv(r)->mask = r->num - 1;
	r->avail_idx = r->last_avail;
	r->last_used = le16_to_cpu(READ_ONCE(used[1]));
	n = r->last_avail - r->last_used;
	if (n <= r->num)
		r->inflight = n;
	split_set_flags(r, 0);
}
