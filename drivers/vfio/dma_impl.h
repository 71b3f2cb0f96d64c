/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files that reach guest memory: dma.c, cache.c and copy.c. */
#ifndef TRIVIO_VFIO_DMA_IMPL_H
#define TRIVIO_VFIO_DMA_IMPL_H

#include "mdev.h"

/* How often memory is looked for that was unmapped a moment ago. */
#define TRIVIO_MDEV_GAP_LOOK	msecs_to_jiffies(20)

static inline struct trivio_mdev *trivio_mem_mdev(struct trivio_mem *mem)
{
	return container_of(mem, struct trivio_mdev, dma.mem);
}

/* dma.c */
bool trivio_mdev_gap_recent(struct trivio_mdev_dma *d, u64 first, u64 last);
void trivio_mdev_call_begin(struct trivio_mdev_dma *d);
void trivio_mdev_call_end(struct trivio_mdev_dma *d);
int trivio_mdev_pin(struct trivio_mdev *m, u64 iova, unsigned int n, int prot,
		    struct page **page);
void trivio_mdev_unpin(struct trivio_mdev *m, u64 iova, unsigned int n);
struct trivio_mdev_want *trivio_mdev_want_find(struct trivio_mdev_dma *d,
					       u64 id);

/* cache.c */
int trivio_mdev_cache_find(struct trivio_mem *mem, u64 addr,
			   struct trivio_range *range);
int trivio_mdev_cache_pin(struct trivio_mdev *m, u64 addr);

/* copy.c */
void trivio_mdev_copy_init(struct trivio_mdev *m);
void trivio_mdev_copy_close(struct trivio_mdev *m);
void trivio_mdev_copy_sync(struct trivio_mdev *m);
int trivio_mdev_copy_make(struct trivio_mdev *m,
			  const struct trivio_mdev_want *want);
int trivio_mdev_copy_find(struct trivio_mem *mem, struct trivio_queue *q,
			  u64 addr, u64 len, u32 perm,
			  struct trivio_range *range);
void trivio_mdev_copy_missed(struct trivio_mdev_dma *d,
			     const struct trivio_queue *q);
void trivio_mdev_copy_pushed(struct trivio_mem *mem, struct trivio_queue *q,
			     const struct trivio_chain *c);
int trivio_mdev_copy_settled(struct trivio_mem *mem, struct trivio_queue *q);
int trivio_mdev_copy_quiet(struct trivio_mem *mem, struct trivio_queue *q);

#endif /* TRIVIO_VFIO_DMA_IMPL_H */
