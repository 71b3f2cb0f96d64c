/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the queue's files: service, configuration, translation, copies. */
#ifndef TRIVIO_QUEUE_IMPL_H
#define TRIVIO_QUEUE_IMPL_H

#include <linux/nospec.h>
#include <linux/uaccess.h>

#include <trivio/queue.h>
#include <trivio/slot.h>

#include "payload.h"

int trivio_queue_map(struct trivio_queue *q);
void trivio_queue_unmap(struct trivio_queue *q);
void trivio_queue_map_work(struct work_struct *work);
void trivio_queue_run(struct trivio_work *work);

/* queue_copy.c */
bool trivio_copy_find(struct trivio_queue *q, u64 addr, u64 len, u32 perm,
		      struct trivio_range *r);
bool trivio_copy_held(struct trivio_queue *q);
void trivio_copy_quiet(struct trivio_queue *q);

/* Do copies of guest memory stand for it in any chain of @q? */
static inline bool trivio_copy_any(const struct trivio_queue *q)
{
	return atomic_read(&q->copies);
}

/* queue_xlate.c */
int trivio_chain_translate(struct trivio_queue *q, struct trivio_chain *c, u64 gen,
			   u64 *bad);
int trivio_queue_translate_slow(struct trivio_queue *q, u64 addr, u32 len,
				u32 perm, union trivio_seg *seg, int max,
				u64 *bad);

/* The last look-up, as long as it is good. */
static __always_inline bool hit_covers(const struct trivio_hit *hit, u64 gen,
				       u64 addr, u32 len, u32 perm)
{
	u64 off = addr - hit->range.first;
	u64 span = hit->range.last - hit->range.first;

	/* A length of 0 wraps to one that no range covers. */
	return likely(hit->gen == gen && off <= span && len - 1ULL <= span - off &&
		      !(perm & ~hit->range.perm));
}

/*
 * The map that is in force. A service has it either because it holds its
 * queue's lock, which trivio_mem_sync() takes before a map is freed, or, in
 * direct mode, because it runs under RCU.
 */
static __always_inline const struct trivio_table *
queue_table(struct trivio_queue *q)
{
	return rcu_dereference_check(q->mem->table, lockdep_is_held(&q->lock) ||
				     rcu_read_lock_any_held());
}

/* The generation that a cached hit must have to be valid now. */
static __always_inline u64 queue_gen(struct trivio_queue *q)
{
	const struct trivio_table *t;

	if (q->mem->ops && q->mem->ops->lookup)
		return READ_ONCE(q->mem->gen);
	t = queue_table(q);
	return t ? t->gen : 0;
}

static __always_inline void hit_seg(const struct trivio_hit *hit,
				    const struct trivio_desc *d,
				    union trivio_seg *seg)
{
	/* A mispredicted comparison must not form a foreign address. */
	u64 off = array_index_nospec(d->addr - hit->range.first,
				     hit->range.last - hit->range.first + 1);

	seg->u.iov_base = (void __user *)(unsigned long)(hit->range.base + off);
	seg->u.iov_len = d->len;
}

/* A whole buffer in an address space of slots. False: it is not one slot's, or not to be had. */
static __always_inline bool slot_seg(const struct trivio_slots *slots, u64 addr,
				     u32 len, u32 perm, union trivio_seg *seg)
{
	seg->k.iov_base = trivio_slot_seg(slots, addr, len, perm);
	seg->k.iov_len = len;
	return likely(seg->k.iov_base);
}

static __always_inline int translate(struct trivio_queue *q, u64 gen, u64 addr,
				     u32 len, u32 perm, union trivio_seg *seg,
				     int max, u64 *bad)
{
	struct trivio_desc d = { .addr = addr, .len = len };

	if (hit_covers(&q->hit, gen, addr, len, perm) && max > 0) {
		hit_seg(&q->hit, &d, seg);
		return 1;
	}
	if (q->mem->slots && likely(max > 0) &&
	    slot_seg(q->mem->slots, addr, len, perm, seg))
		return 1;
	return trivio_queue_translate_slow(q, addr, len, perm, seg, max, bad);
}

/* Copy between one segment of @q's memory, from @off on, and the host. */
static inline int trivio_seg_read(struct trivio_queue *q, void *dst,
				  const union trivio_seg *seg, size_t off,
				  size_t len)
{
	if (q->mem->kind == TRIVIO_MEM_KERNEL) {
		trivio_payload_copy(dst, seg->k.iov_base + off, len);
		return 0;
	}
	/* access_ok() was checked when the range was mapped. */
	return raw_copy_from_user(dst, seg->u.iov_base + off, len) ?
	       -EFAULT : 0;
}

static inline int trivio_seg_write(struct trivio_queue *q,
				   const union trivio_seg *seg, size_t off,
				   const void *src, size_t len)
{
	if (q->mem->kind == TRIVIO_MEM_KERNEL) {
		trivio_payload_copy(seg->k.iov_base + off, src, len);
		return 0;
	}
	return raw_copy_to_user(seg->u.iov_base + off, src, len) ? -EFAULT : 0;
}

#endif /* TRIVIO_QUEUE_IMPL_H */
