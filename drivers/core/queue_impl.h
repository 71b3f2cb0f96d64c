/* SPDX-License-Identifier: GPL-2.0-only */
/* Between queue.c (service) and queue_cfg.c (configuration). */
#ifndef TRIVIO_QUEUE_IMPL_H
#define TRIVIO_QUEUE_IMPL_H

#include <linux/uaccess.h>

#include <trivio/queue.h>

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

/* Copy between one segment of @q's memory, from @off on, and the host. */
static inline int trivio_seg_read(struct trivio_queue *q, void *dst,
		       const union trivio_seg *seg, size_t off, size_t len)
{
	if (q->mem->kind == TRIVIO_MEM_KERNEL) {
		memcpy(dst, seg->k.iov_base + off, len);
		return 0;
	}
	/* access_ok() was checked when the range was mapped. */
	return raw_copy_from_user(dst, seg->u.iov_base + off, len) ?
	       -EFAULT : 0;
}

static inline int trivio_seg_write(struct trivio_queue *q, const union trivio_seg *seg,
			size_t off, const void *src, size_t len)
{
	if (q->mem->kind == TRIVIO_MEM_KERNEL) {
		memcpy(seg->k.iov_base + off, src, len);
		return 0;
	}
	return raw_copy_to_user(seg->u.iov_base + off, src, len) ? -EFAULT : 0;
}

#endif /* TRIVIO_QUEUE_IMPL_H */
