// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a driver's addresses to memory: what the queue's last look-up does not answer
 * (queue_impl.h) is looked up in the address space, or asked for.
 */
#include <linux/nospec.h>

#include <trivio/device.h>

#include "queue_impl.h"
#include "trace.h"

static int queue_miss(struct trivio_queue *q, u64 addr, u32 perm)
{
	struct trivio_mem *mem = q->mem;
	int err;

	if (!mem->ops || !mem->ops->miss)
		return -EFAULT;
	err = mem->ops->miss(mem, q, addr, perm);
	if (err == -EAGAIN) {
		trivio_stat_inc(q, TRIVIO_STAT_MISSES);
		trace_trivio_miss(q, addr, perm);
	}
	return err;
}

/*
 * The range of @addr in the road's own table. A worker has the queue's lock, which
 * keeps the core's table, not the road's: that is RCU's.
 */
static bool range_find(struct trivio_queue *q, u64 addr, u64 left, u32 perm,
		       struct trivio_range *r, bool *copy)
{
	bool found;

	/* A chain that has a copy uses it, whatever is pinned now. */
	*copy = unlikely(trivio_copy_any(q)) &&
		trivio_copy_find(q, addr, left, perm, r);
	if (*copy)
		return true;
	rcu_read_lock();
	found = !q->mem->ops->lookup(q->mem, addr, r);
	rcu_read_unlock();
	return found;
}

/* Address spaces that are looked up range by range (a cache of pins). */
static int translate_lookup(struct trivio_queue *q, u64 addr, u32 len, u32 perm,
			    union trivio_seg *seg, int max, u64 *bad)
{
	u64 gen = READ_ONCE(q->mem->gen);
	bool any = trivio_copy_any(q), copy;
	struct trivio_range r;
	u64 left = len;
	int n = 0;

	*bad = addr;
	if (len && addr + (len - 1) < addr)
		return -EOVERFLOW;
	do {
		u64 off, part;

		*bad = addr;
		if (!range_find(q, addr, left, perm, &r, &copy))
			return -EFAULT;
		if (perm & ~r.perm)
			return -EPERM;
		if (n == max)
			return -ENOBUFS;
		off = array_index_nospec(addr - r.first, r.last - r.first + 1);
		part = min_t(u64, left, r.last - r.first + 1 - off);
		seg[n].k.iov_base = (void *)(unsigned long)(r.base + off);
		seg[n].k.iov_len = part;
		/*
		 * A copy goes with its chain. Another thread may have made it
		 * since @any was looked at, which answers for the pins only.
		 */
		if (!n && likely(!any && !copy && !q->mem->slots)) {
			q->hit.range = r;
			q->hit.gen = gen;
		}
		n++;
		left -= part;
		addr += part;
	} while (left);
	return n;
}

/**
 * trivio_queue_translate_slow() - translate what the last look-up does not cover
 * @q: queue
 * @addr: first address
 * @len: bytes
 * @perm: TRIVIO_RO or TRIVIO_WO
 * @seg: filled in
 * @max: room in @seg
 * @bad: on error, the address that it is about
 *
 * Context: service of the queue.
 *
 * Return: segments; -EFAULT, -EPERM, -EOVERFLOW, -ENOBUFS; -EAGAIN if the memory was
 * asked for and the queue will be woken.
 */
noinline int trivio_queue_translate_slow(struct trivio_queue *q, u64 addr,
					 u32 len, u32 perm,
					 union trivio_seg *seg, int max,
					 u64 *bad)
{
	const struct trivio_table *t;
	int n;

	if (q->mem->ops && q->mem->ops->lookup) {
		n = translate_lookup(q, addr, len, perm, seg, max, bad);
	} else {
		t = queue_table(q);
		*bad = addr;
		n = t ? trivio_table_translate(t, &q->hit, addr, len, perm, seg,
					       max, bad) : -EFAULT;
	}
	if (n == -EFAULT)
		n = queue_miss(q, *bad, perm);
	return n;
}

/*
 * The one buffer of a chain in an address space of slots, where the last look-up is
 * never the next one. False: not so simple, or not to be had.
 */
static bool chain_slot(struct trivio_queue *q, struct trivio_chain *c)
{
	const struct trivio_slots *slots = q->mem->slots;

	if (!slots || c->nout + c->nin != 1 ||
	    !slot_seg(slots, c->desc->addr, c->desc->len,
		      c->nin ? TRIVIO_WO : TRIVIO_RO, c->seg))
		return false;
	c->out_segs = c->nout;
	c->in_segs = c->nin;
	return true;
}

static noinline int chain_each(struct trivio_queue *q, struct trivio_chain *c,
			       u64 gen, u64 *bad)
{
	int i, n, at = 0;

	for (i = 0; i < c->nout + c->nin; i++) {
		if (i == c->nout)
			c->out_segs = at;
		n = translate(q, gen, c->desc[i].addr, c->desc[i].len,
			      i < c->nout ? TRIVIO_RO : TRIVIO_WO, &c->seg[at],
			      c->seg_max - at, bad);
		if (unlikely(n < 0))
			return n;
		at += n;
	}
	if (!c->nin)
		c->out_segs = at;
	c->in_segs = at - c->out_segs;
	return 0;
}

/**
 * trivio_chain_translate() - the segments of all buffers of a chain
 * @q: queue
 * @c: chain, as the ring gave it; @c->seg is filled in
 * @gen: the map's generation
 * @bad: on error, the address that it is about
 *
 * Context: service of the queue.
 *
 * Return: 0, or as trivio_queue_translate_slow().
 */
noinline int trivio_chain_translate(struct trivio_queue *q,
				    struct trivio_chain *c, u64 gen, u64 *bad)
{
	return likely(chain_slot(q, c)) ? 0 : chain_each(q, c, gen, bad);
}
