/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two ring layouts share, private to ring.c, ring_split.c and
 * ring_packed.c.
 *
 * Shared memory rule: a word the driver can write is loaded exactly once per
 * use, with READ_ONCE(), into a local; only the local is checked and used. An
 * index that came from the driver is masked or clamped before it addresses
 * memory, so that a mispredicted bounds check reads nothing either.
 */
#ifndef TRIVIO_RING_IMPL_H
#define TRIVIO_RING_IMPL_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

#include <trivio/ring.h>

/* A descriptor is fetched as two loads of 64 bits that must not tear. */
static_assert(sizeof(long) == 8);

/**
 * struct ring_desc - a descriptor as two loads see it: virtio 1.2, 2.7.5, 2.8.13
 * @addr: guest address
 * @word: split: len, flags, next; packed: len, id, flags; low bits first
 */
struct ring_desc {
	__le64 addr;
	__le64 word;
};

#define RING_DESC_SIZE	sizeof(struct ring_desc)

/* Descriptors of an indirect table fetched at once; a power of two. */
#define RING_CHUNK	16

/* Most entries of an indirect table: what a 16-bit next field can reach. */
#define RING_TABLE_MAX	65536

/* Wrap counter in a packed index word: virtio 1.2, 2.8.14. */
#define RING_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

/**
 * enum ring_start - where the position of a ring comes from
 * @RING_START_NONE: nobody set it: begin at the layout's first position
 * @RING_START_SET: trivio_ring_set_state()
 * @RING_START_RAN: left by an earlier run
 */
enum ring_start {
	RING_START_NONE,
	RING_START_SET,
	RING_START_RAN,
};

/**
 * struct ring_priv - &trivio_ring.priv
 * @held_word: packed: first used slot of this flush, not yet written
 * @used_word: packed: AVAIL and USED of a slot that is used, in their place
 * @mask: split: num - 1
 * @seen: slots after last_avail that were popped and put back
 * @batch_at: in order: slot of the open batch's used entry
 * @batch_id: id of the last chain in the open batch
 * @batch_len: bytes written to that chain
 * @since: packed: used slots published since the last call decision
 * @avail_end: packed: chains of one slot below this position are taken without
 *	a look at the wrap counter, at what is the driver's to offer, or at @seen
 * @used_end: packed: chains that end below this position are given back without
 *	a look at the wrap counter; 0 if the next one is not written at once
 * @avail_bits: packed: AVAIL and USED of a slot that is available, in the upper
 *	half of an u32
 * @start: an enum ring_start
 * @batch: in order: a batch is open
 * @batch_wrap: packed: used wrap counter at @batch_at
 * @no_batch: in order: a chain had a writable part, so every chain needs its
 *	own length and none may be skipped
 */
struct ring_priv {
	u64 held_word;
	u64 used_word;
	u16 mask;
	u16 seen;
	u16 batch_at;
	u16 batch_id;
	u32 batch_len;
	u32 since;
	u16 avail_end;
	u16 used_end;
	u32 avail_bits;
	u8 start;
	bool batch;
	bool batch_wrap;
	bool no_batch;
};

static_assert(sizeof(struct ring_priv) <=
	      sizeof(((struct trivio_ring *)0)->priv));

static inline struct ring_priv *ring_priv(struct trivio_ring *r)
{
	return (struct ring_priv *)r->priv;
}

/**
 * struct ring_walk - a chain being read
 * @head: for error reports
 * @n: descriptors so far
 * @nout: readable ones among them
 * @out: bytes readable
 * @in: bytes writable
 */
struct ring_walk {
	u16 head;
	u32 n;
	u32 nout;
	u64 out;
	u64 in;
};

int ring_fail(struct trivio_ring *r, enum trivio_err err, u16 head, u64 addr);
int ring_table_check(struct trivio_ring *r, struct ring_walk *w, u64 addr,
		     u32 len, u16 flags);
int ring_table_read(struct trivio_ring *r, struct ring_walk *w, u64 addr,
		    struct ring_desc *dst, u32 n);

int ring_split_pop(struct trivio_ring *r, struct trivio_chain *c);
void ring_split_unpop(struct trivio_ring *r, const struct trivio_chain *c);
void ring_split_push(struct trivio_ring *r, u32 id, u32 written);
void ring_split_flush(struct trivio_ring *r);
bool ring_split_call_needed(struct trivio_ring *r);
void ring_split_kick_disable(struct trivio_ring *r);
bool ring_split_kick_enable(struct trivio_ring *r);
bool ring_split_empty(struct trivio_ring *r);
void ring_split_start(struct trivio_ring *r);

int ring_packed_pop(struct trivio_ring *r, struct trivio_chain *c);
void ring_packed_unpop(struct trivio_ring *r, const struct trivio_chain *c);
void ring_packed_push(struct trivio_ring *r, unsigned long id,
		      unsigned long slots, u32 written);
void ring_packed_flush(struct trivio_ring *r);
bool ring_packed_call_needed(struct trivio_ring *r);
void ring_packed_kick_disable(struct trivio_ring *r);
bool ring_packed_kick_enable(struct trivio_ring *r);
bool ring_packed_empty(struct trivio_ring *r);
int ring_packed_start(struct trivio_ring *r);

/* Does a buffer run over the end of the address space? Ending there is legal. */
static inline bool ring_addr_wraps(u64 addr, u32 len)
{
	return addr + len < addr && addr + len;
}

/* The same, with false alarms that ring_walk_add() sorts out. */
static __always_inline bool ring_addr_end(u64 addr, u32 len)
{
	return unlikely(addr + len < addr);
}

/**
 * ring_walk_add() - add one buffer to a chain being read
 * @r: ring
 * @c: chain
 * @w: the walk
 * @addr: guest address of the buffer
 * @len: its bytes, 0 is legal
 * @write: device-writable
 *
 * Return: 0, or -EINVAL with the reason kept.
 */
static __always_inline int ring_walk_add(struct trivio_ring *r,
					 struct trivio_chain *c,
					 struct ring_walk *w, u64 addr,
					 u32 len, bool write)
{
	struct trivio_desc *d = &c->desc[w->n];

	if (unlikely(w->n >= c->desc_max))
		return ring_fail(r, TRIVIO_ERR_TOO_LONG, w->head, addr);
	if (unlikely(ring_addr_wraps(addr, len)))
		return ring_fail(r, TRIVIO_ERR_WRAP, w->head, addr);
	if (write) {
		w->in += len;
	} else {
		/* Readable ones come first: virtio 1.2, 2.7.4.2 and 2.8.17. */
		if (unlikely(w->n != w->nout))
			return ring_fail(r, TRIVIO_ERR_ORDER, w->head, addr);
		w->nout++;
		w->out += len;
	}
	if (unlikely(w->in + w->out > U32_MAX))
		return ring_fail(r, TRIVIO_ERR_WRAP, w->head, addr);
	d->addr = addr;
	d->len = len;
	w->n++;
	return 0;
}

/* A chain of one descriptor, the common case. */
static __always_inline void ring_chain_one(struct trivio_ring *r,
					   struct trivio_chain *c, u16 id,
					   u64 addr, u32 len, bool write)
{
	struct trivio_desc *d = c->desc;

	c->id = id;
	c->slots = 1;
	d->addr = addr;
	d->len = len;
	if (write) {
		c->nout = 0;
		c->nin = 1;
		c->out_len = 0;
		c->in_len = len;
		ring_priv(r)->no_batch = true;
	} else {
		c->nout = 1;
		c->nin = 0;
		c->out_len = len;
		c->in_len = 0;
	}
}

static inline void ring_chain_done(struct trivio_ring *r,
				   struct trivio_chain *c,
				   const struct ring_walk *w)
{
	c->nout = w->nout;
	c->nin = w->n - w->nout;
	c->out_len = w->out;
	c->in_len = w->in;
	if (c->nin)
		ring_priv(r)->no_batch = true;
}

/* A pop moves over slots that were put back before: they are seen no more. */
static noinline void ring_seen_less(struct ring_priv *p, u16 slots)
{
	p->seen -= min(p->seen, slots);
}

static __always_inline void ring_seen_pop(struct ring_priv *p, u16 slots)
{
	if (unlikely(p->seen))
		ring_seen_less(p, slots);
}

static __always_inline void ring_log(struct trivio_ring *r,
				     enum trivio_area area, u32 off, u32 len)
{
	if (unlikely(READ_ONCE(r->log)))
		r->ops->log(r->ctx, area, off, len);
}

#endif /* TRIVIO_RING_IMPL_H */
