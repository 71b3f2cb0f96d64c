// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bounded cache of pinned pages: found under RCU, filled by the work item of
 * dma.c, emptied when room is wanted, the container unmaps, or a reset comes.
 */
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dma_impl.h"

/* Pages pinned at a time; a block is one entry of the cache. */
#define BLOCK_PAGES	64
#define BLOCK_SHIFT	(PAGE_SHIFT + 6)

/* While a VMM pre-copies: what is pinned counts as dirty again and again. */
#define SMALL_PAGES	256

/* Rounds of eviction in which no queue got on: more are no use. */
#define THRASH_MAX	64

static unsigned int max_pinned = 65536;
module_param(max_pinned, uint, 0644);
MODULE_PARM_DESC(max_pinned,
		 "most pages a device keeps pinned beside its rings (65536)");

/**
 * struct block - neighbouring pages, some of them pinned
 * @iova: address of the first
 * @used: looked up since the last eviction round
 * @whole: pinned in one go: iommufd wants it back as it was given
 * @npinned: how many are pinned; under &trivio_mdev_dma.lock
 * @lru: on &trivio_mdev_dma.lru
 * @rcu: for freeing
 * @perm: of each page
 * @page: NULL if not pinned; set under the lock, read under RCU
 */
struct block {
	u64 iova;
	bool used;
	bool whole;
	unsigned int npinned;
	struct list_head lru;
	struct rcu_head rcu;
	u8 perm[BLOCK_PAGES];
	struct page *page[BLOCK_PAGES];
};

/* --- look-up ------------------------------------------------------------ */

/**
 * trivio_mdev_cache_find() - &trivio_mem_ops.lookup
 * @mem: address space of a mediated device
 * @addr: address
 * @range: filled in
 *
 * Context: any, under RCU.
 *
 * Return: 0, or -ENOENT if it is not pinned.
 */
int trivio_mdev_cache_find(struct trivio_mem *mem, u64 addr,
			   struct trivio_range *range)
{
	struct trivio_mdev *m = trivio_mem_mdev(mem);
	unsigned int i = addr >> PAGE_SHIFT & (BLOCK_PAGES - 1), first, last;
	struct block *b;
	struct page *page;

	b = xa_load(&m->dma.blocks, addr >> BLOCK_SHIFT);
	page = b ? READ_ONCE(b->page[i]) : NULL;
	if (!page)
		return -ENOENT;
	if (!READ_ONCE(b->used))
		WRITE_ONCE(b->used, true);
	trivio_mdev_count(m, TRIVIO_MDEV_HIT, 1);

	/* Neighbours that happen to be neighbours here too (huge pages). */
	for (first = i; first; first--) {
		if (READ_ONCE(b->page[first - 1]) != page - (i - first + 1) ||
		    b->perm[first - 1] != b->perm[i])
			break;
	}
	for (last = i; last < BLOCK_PAGES - 1; last++) {
		if (READ_ONCE(b->page[last + 1]) != page + (last + 1 - i) ||
		    b->perm[last + 1] != b->perm[i])
			break;
	}
	range->first = b->iova + ((u64)first << PAGE_SHIFT);
	range->last = b->iova + ((u64)(last + 1) << PAGE_SHIFT) - 1;
	range->base = (unsigned long)page_address(page) -
		      ((unsigned long)(i - first) << PAGE_SHIFT);
	range->perm = b->perm[i];
	return 0;
}

/* --- pins of the cache -------------------------------------------------- */

static void block_unpin(struct trivio_mdev *m, struct block *b)
{
	unsigned int i, n;

	lockdep_assert_held(&m->dma.lock);
	n = b->whole ? BLOCK_PAGES : 1;
	for (i = 0; i < BLOCK_PAGES; i += n) {
		if (b->page[i])
			trivio_mdev_unpin(m, b->iova + ((u64)i << PAGE_SHIFT),
					  n);
	}
	m->dma.pinned -= b->npinned;
	trivio_mdev_count(m, TRIVIO_MDEV_UNPIN, b->npinned);
	kfree_rcu(b, rcu);
}

static void block_remove(struct trivio_mdev_dma *d, struct block *b,
			 struct list_head *out)
{
	lockdep_assert_held(&d->lock);
	xa_erase(&d->blocks, b->iova >> BLOCK_SHIFT);
	list_move(&b->lru, out);
}

/* Nothing uses the blocks of @list after this. */
static void blocks_free(struct trivio_mdev *m, struct list_head *list)
{
	struct block *b, *next;

	list_for_each_entry_safe(b, next, list, lru) {
		list_del(&b->lru);
		block_unpin(m, b);
	}
}

/*
 * Wait until nothing uses what was taken out of the cache, requests that a disk
 * still has included.
 */
static void quiesce(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;

	lockdep_assert_held(&d->lock);
	mutex_lock(&d->mem.lock);
	WRITE_ONCE(d->mem.gen, trivio_mem_gen());
	trivio_mem_sync(&d->mem);
	mutex_unlock(&d->mem.lock);
	trivio_mdev_dev_sync(m);
}

static unsigned long cache_max(const struct trivio_mdev_dma *d)
{
	unsigned long max = d->small ? SMALL_PAGES :
			    max(READ_ONCE(max_pinned), 2u * BLOCK_PAGES);

	return min(max, d->room);
}

/* Has any queue got on since the last eviction? */
static bool progress(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;
	u64 sum = 0;
	u16 i;

	for (i = 0; i < m->nqueues; i++)
		sum += READ_ONCE(m->dev->queue[i].stat[TRIVIO_STAT_CHAINS]);
	if (sum == d->chains)
		return false;
	d->chains = sum;
	return true;
}

/*
 * Make room for @n more pages; second chance for those in use. One request may
 * need more pages than the cache should hold: then it grows, up to what is
 * allowed, and at that bound gives up after a while with -ENOBUFS.
 */
static int evict(struct trivio_mdev *m, unsigned int n)
{
	struct trivio_mdev_dma *d = &m->dma;
	unsigned long max = cache_max(d), gone = 0, goal;
	struct block *b, *next;
	LIST_HEAD(list);
	int round;

	lockdep_assert_held(&d->lock);
	if (d->pinned + n <= max)
		return 0;
	if (progress(m)) {
		d->thrash = 0;
	} else {
		if (d->pinned + n <= min(d->room, READ_ONCE(max_pinned)))
			return 0;
		/* Until one does: what is pinned stays, the rest is copied. */
		if (d->thrash >= THRASH_MAX)
			return -ENOBUFS;
		d->thrash++;
	}
	/* An eighth at a time, so that the wait below is rare. */
	goal = max(d->pinned + n - max, max / 8);
	for (round = 0; round < 2 && gone < goal; round++) {
		list_for_each_entry_safe(b, next, &d->lru, lru) {
			if (gone >= goal)
				break;
			if (b->used && !round) {
				b->used = false;
				continue;
			}
			gone += b->npinned;
			block_remove(d, b, &list);
		}
	}
	quiesce(m);
	blocks_free(m, &list);
	return 0;
}

static struct block *block_get(struct trivio_mdev_dma *d, u64 addr)
{
	struct block *b;

	lockdep_assert_held(&d->lock);
	b = xa_load(&d->blocks, addr >> BLOCK_SHIFT);
	if (b)
		return b;
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return NULL;
	b->iova = addr & ~((1ull << BLOCK_SHIFT) - 1);
	if (xa_err(xa_store(&d->blocks, addr >> BLOCK_SHIFT, b,
			    GFP_KERNEL_ACCOUNT))) {
		kfree(b);
		return NULL;
	}
	list_add_tail(&b->lru, &d->lru);
	return b;
}

static void block_set(struct trivio_mdev *m, struct block *b, unsigned int i,
		      struct page **page, unsigned int n, u8 perm)
{
	unsigned int k;

	for (k = 0; k < n; k++) {
		b->perm[i + k] = perm;
		/* After the permission: pairs with the dependent read. */
		smp_store_release(&b->page[i + k], page[k]);
	}
	b->npinned += n;
	m->dma.pinned += n;
	trivio_mdev_count(m, TRIVIO_MDEV_PIN, n);
}

/*
 * Read only is what a single page may be instead. Of several, one that is would
 * make all of them so: a guest's IOMMU maps each buffer as it is to be used.
 */
static int pin_range(struct trivio_mdev *m, struct block *b, unsigned int i,
		     unsigned int n)
{
	u64 iova = b->iova + ((u64)i << PAGE_SHIFT);
	struct page *page[BLOCK_PAGES];
	u8 perm = TRIVIO_RW;
	int got;

	got = trivio_mdev_pin(m, iova, n, IOMMU_READ | IOMMU_WRITE, page);
	if (got == -EPERM && n == 1) {
		perm = TRIVIO_RO;
		got = trivio_mdev_pin(m, iova, n, IOMMU_READ, page);
	}
	if (got < 0)
		return got;
	b->whole = n == BLOCK_PAGES;
	block_set(m, b, i, page, n, perm);
	return 0;
}

static void block_drop_empty(struct trivio_mdev_dma *d, struct block *b)
{
	lockdep_assert_held(&d->lock);
	if (b->npinned)
		return;
	xa_erase(&d->blocks, b->iova >> BLOCK_SHIFT);
	list_del(&b->lru);
	kfree_rcu(b, rcu);
}

/*
 * Pin the page at @addr, and the rest of its block if that can be done in one
 * go: not if the block crosses the end of a mapping, or is partly there.
 */
static int pin_one(struct trivio_mdev *m, u64 addr)
{
	struct trivio_mdev_dma *d = &m->dma;
	unsigned int i = addr >> PAGE_SHIFT & (BLOCK_PAGES - 1);
	struct block *b;
	bool whole;
	int err;

	lockdep_assert_held(&d->lock);
	b = xa_load(&d->blocks, addr >> BLOCK_SHIFT);
	if (b && b->page[i])
		return 0;
	if (!d->room)
		return -ENOMEM;
	whole = !b && !d->small && d->room >= 2 * BLOCK_PAGES;
	if (whole && evict(m, BLOCK_PAGES))
		whole = false;
	err = whole ? 0 : evict(m, 1);
	if (err)
		return err;
	b = block_get(d, addr);
	if (!b)
		return -ENOMEM;
	whole = whole && !b->npinned &&
		!trivio_mdev_unmapping(m, b->iova, b->iova +
				       (1ull << BLOCK_SHIFT) - 1);
	err = whole ? pin_range(m, b, 0, BLOCK_PAGES) : -EAGAIN;
	if (err == -ENOMEM)
		d->room = d->pinned + BLOCK_PAGES - 1;
	if (err)
		err = pin_range(m, b, i, 1);
	if (err)
		block_drop_empty(d, b);
	return err;
}

/**
 * trivio_mdev_cache_pin() - have a page in the cache
 * @m: mediated device that is open; &trivio_mdev_dma.lock is held
 * @addr: address of the page
 *
 * The client's RLIMIT_MEMLOCK is learned by running into it: from then on the
 * cache stays below, as the container logs every attempt.
 *
 * Context: may sleep.
 *
 * Return: 0; -EINVAL if it is not mapped; -EPERM; -ENOMEM if not even one page
 * may be pinned; -ENOBUFS if the requests under way need more than there may be;
 * what pin_user_pages() said.
 */
int trivio_mdev_cache_pin(struct trivio_mdev *m, u64 addr)
{
	struct trivio_mdev_dma *d = &m->dma;
	int err;

	lockdep_assert_held(&d->lock);
	err = pin_one(m, addr);
	while (err == -ENOMEM && d->pinned) {
		d->room = d->pinned;
		err = pin_one(m, addr);
	}
	if (err == -ENOMEM)
		d->room = d->pinned;
	if (err)
		trivio_mdev_count(m, TRIVIO_MDEV_PIN_FAIL, 1);
	return err;
}

/* --- emptying ----------------------------------------------------------- */

/**
 * trivio_mdev_dma_let_go() - unpin everything in a range
 * @m: mediated device
 * @first: first address
 * @last: last address
 *
 * On return nothing of it is pinned or touched. Pins of it must be kept from
 * coming back, see trivio_mdev_unmapping().
 *
 * Context: may sleep, for as long as a disk takes; the work item of unmap.c.
 */
void trivio_mdev_dma_let_go(struct trivio_mdev *m, u64 first, u64 last)
{
	struct trivio_mdev_dma *d = &m->dma;
	struct block *b;
	unsigned long at, flags;
	LIST_HEAD(list);
	bool open;

	/* While this runs a close waits, so the core's device stays. */
	spin_lock_irqsave(&d->want_lock, flags);
	open = !d->closing;
	spin_unlock_irqrestore(&d->want_lock, flags);

	trivio_mdev_copy_sync(m);
	mutex_lock(&d->lock);
	xa_for_each_range(&d->blocks, at, b, first >> BLOCK_SHIFT,
			  last >> BLOCK_SHIFT)
		block_remove(d, b, &list);
	/* A ring may be about to be mapped: the core's locks know, we don't. */
	trivio_mem_invalidate(&d->mem, first, last);
	if (open && !list_empty(&list))
		trivio_mdev_dev_sync(m);
	blocks_free(m, &list);
	mutex_unlock(&d->lock);
}

/**
 * trivio_mdev_dma_drop() - empty the cache
 * @m: mediated device
 *
 * Context: may sleep.
 */
void trivio_mdev_dma_drop(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;
	struct block *b;
	unsigned long at;
	LIST_HEAD(list);

	mutex_lock(&d->lock);
	xa_for_each(&d->blocks, at, b)
		block_remove(d, b, &list);
	if (!list_empty(&list))
		quiesce(m);
	blocks_free(m, &list);
	mutex_unlock(&d->lock);
}

/**
 * trivio_mdev_dma_small() - keep few pages pinned, or as many as allowed again
 * @m: mediated device
 * @small: which
 *
 * Context: may sleep.
 */
void trivio_mdev_dma_small(struct trivio_mdev *m, bool small)
{
	struct trivio_mdev_dma *d = &m->dma;
	bool change;

	mutex_lock(&d->lock);
	change = d->small != small;
	d->small = small;
	mutex_unlock(&d->lock);
	if (change && small)
		trivio_mdev_dma_drop(m);
}
