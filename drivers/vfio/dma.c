// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: a bounded cache of pages pinned in the VFIO container, found
 * under RCU, and pins of ring memory, which the core keeps mapped.
 *
 * Pinning sleeps, and the data path must not. So a look-up that misses notes
 * the address and parks its queue; a work item pins the page, and what lies
 * around it, and wakes the queues.
 *
 * dma_unmap: the container (vfio_iommu_type1.c, vfio_dma_do_unmap()) tells us
 * until nothing is pinned in the range, and after ten times without success it
 * panics the host. Pins that come back between two calls must therefore be put off:
 * a range that is announced again and again is held for a while.
 */
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "mdev.h"

/* Pages pinned at a time; a block is one entry of the cache. */
#define BLOCK_PAGES	64
#define BLOCK_SHIFT	(PAGE_SHIFT + 6)

/* While a VMM pre-copies: what is pinned counts as dirty again and again. */
#define SMALL_PAGES	256

/* Unmaps of one range in a row before its pins are put off, and how long. */
#define HOLD_CALLS	3
#define HOLD_ROW	msecs_to_jiffies(50)
#define HOLD_TIME	msecs_to_jiffies(100)
/* How long a ring that lost its memory waits for it to come back. */
#define RING_WAIT	HZ

static unsigned int max_pinned = 65536;
module_param(max_pinned, uint, 0644);
MODULE_PARM_DESC(max_pinned,
		 "most pages a device keeps pinned beside its rings (65536)");

/**
 * struct block - neighbouring pages, some of them pinned
 * @iova: address of the first
 * @used: looked up since the last eviction round
 * @npinned: how many are pinned; under &trivio_mdev_dma.lock
 * @lru: on &trivio_mdev_dma.lru
 * @rcu: for freeing
 * @perm: of each page
 * @page: NULL if not pinned; set under the lock, read under RCU
 */
struct block {
	u64 iova;
	bool used;
	unsigned int npinned;
	struct list_head lru;
	struct rcu_head rcu;
	u8 perm[BLOCK_PAGES];
	struct page *page[BLOCK_PAGES];
};

static struct trivio_mdev *mem_mdev(struct trivio_mem *mem)
{
	return container_of(mem, struct trivio_mdev, dma.mem);
}

/* --- holding off pins --------------------------------------------------- */

/* Is any of [first, last] being unmapped right now, or @ago jiffies ago? */
static bool recently(struct trivio_mdev_dma *d, u64 first, u64 last,
		     unsigned int calls, unsigned long ago)
{
	unsigned long flags;
	bool hit = false;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_HOLDS && !hit; i++) {
		struct trivio_mdev_hold *h = &d->hold[i];

		hit = h->calls >= calls && first <= h->last &&
		      last >= h->first && time_before(jiffies, h->time + ago);
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	return hit;
}

static bool held(struct trivio_mdev_dma *d, u64 first, u64 last)
{
	return recently(d, first, last, HOLD_CALLS, HOLD_TIME);
}

static void hold_note(struct trivio_mdev_dma *d, u64 first, u64 last)
{
	struct trivio_mdev_hold *h, *oldest = &d->hold[0];
	unsigned long flags;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_HOLDS; i++) {
		h = &d->hold[i];
		if (h->calls && h->first == first && h->last == last)
			goto found;
		if (!h->calls || (oldest->calls &&
				  time_before(h->time, oldest->time)))
			oldest = h;
	}
	h = oldest;
	h->first = first;
	h->last = last;
	h->calls = 0;
found:
	if (h->calls && time_after(jiffies, h->time + HOLD_ROW))
		h->calls = 0;
	h->calls++;
	h->time = jiffies;
	spin_unlock_irqrestore(&d->want_lock, flags);
}

/* Count the time from when the range was given up, however long that took. */
static void hold_renew(struct trivio_mdev_dma *d, u64 first, u64 last)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_HOLDS; i++) {
		struct trivio_mdev_hold *h = &d->hold[i];

		if (h->calls && h->first == first && h->last == last)
			h->time = jiffies;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
}

static void work_in(struct trivio_mdev_dma *d, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&d->want_lock, flags);
	if (!d->closing)
		mod_delayed_work(system_unbound_wq, &d->work, delay);
	spin_unlock_irqrestore(&d->want_lock, flags);
}

/* --- look-up ------------------------------------------------------------ */

static int dma_lookup(struct trivio_mem *mem, u64 addr,
		      struct trivio_range *range)
{
	struct trivio_mdev *m = mem_mdev(mem);
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

static int dma_miss(struct trivio_mem *mem, struct trivio_queue *q, u64 addr,
		    u32 perm)
{
	struct trivio_mdev *m = mem_mdev(mem);
	struct trivio_mdev_dma *d = &m->dma;
	struct trivio_mdev_want *w, *room = NULL;
	unsigned long flags;
	int i, err = -EAGAIN;

	addr &= PAGE_MASK;
	trivio_mdev_count(m, TRIVIO_MDEV_MISS, 1);
	spin_lock_irqsave(&d->want_lock, flags);
	if (d->closing) {
		err = -EFAULT;
		goto out;
	}
	for (i = 0; i < TRIVIO_MDEV_WANTS; i++) {
		w = &d->want[i];
		if (w->used && w->addr == addr) {
			/* Tried, and it can't be had: say so once. */
			if (w->err) {
				w->used = false;
				err = -EFAULT;
			}
			goto out;
		}
		if (!w->used || (w->err && !room))
			room = w;
	}
	/* No room: the queue asks again when it is woken. */
	if (room) {
		room->used = true;
		room->addr = addr;
		room->err = 0;
	}
	mod_delayed_work(system_unbound_wq, &d->work, 0);
out:
	spin_unlock_irqrestore(&d->want_lock, flags);
	return err;
}

/* --- pins of the cache -------------------------------------------------- */

static void block_unpin(struct trivio_mdev *m, struct block *b)
{
	unsigned int i, n;

	lockdep_assert_held(&m->dma.lock);
	for (i = 0; i < BLOCK_PAGES; i += n) {
		n = 1;
		if (!b->page[i])
			continue;
		while (i + n < BLOCK_PAGES && b->page[i + n])
			n++;
		vfio_unpin_pages(&m->vdev, b->iova + ((u64)i << PAGE_SHIFT), n);
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

/* Make room for one more block; second chance for those in use. */
static void evict(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;
	unsigned long max = d->small ? SMALL_PAGES :
			    max(READ_ONCE(max_pinned), 2u * BLOCK_PAGES);
	struct block *b, *next;
	LIST_HEAD(list);
	unsigned long gone = 0;
	int round;

	lockdep_assert_held(&d->lock);
	if (d->pinned + BLOCK_PAGES <= max)
		return;
	/* An eighth at a time, so that the wait below is rare. */
	for (round = 0; round < 2 && gone < max / 8; round++) {
		list_for_each_entry_safe(b, next, &d->lru, lru) {
			if (gone >= max / 8)
				break;
			if (b->used && !round) {
				b->used = false;
				continue;
			}
			gone += b->npinned;
			block_remove(d, b, &list);
		}
	}
	mutex_lock(&d->mem.lock);
	WRITE_ONCE(d->mem.gen, trivio_mem_gen());
	trivio_mem_sync(&d->mem);
	mutex_unlock(&d->mem.lock);
	blocks_free(m, &list);
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

static int pin_range(struct trivio_mdev *m, struct block *b, unsigned int i,
		     unsigned int n)
{
	u64 iova = b->iova + ((u64)i << PAGE_SHIFT);
	struct page *page[BLOCK_PAGES];
	u8 perm = TRIVIO_RW;
	int got;

	got = vfio_pin_pages(&m->vdev, iova, n, IOMMU_READ | IOMMU_WRITE, page);
	if (got == -EPERM) {
		perm = TRIVIO_RO;
		got = vfio_pin_pages(&m->vdev, iova, n, IOMMU_READ, page);
	}
	if (got < 0)
		return got;
	if (WARN_ON_ONCE(got != n)) {
		vfio_unpin_pages(&m->vdev, iova, got);
		return -EFAULT;
	}
	block_set(m, b, i, page, n, perm);
	return 0;
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
	int err;

	lockdep_assert_held(&d->lock);
	evict(m);
	b = block_get(d, addr);
	if (!b)
		return -ENOMEM;
	if (b->page[i])
		return 0;
	if (!b->npinned && !d->small && !held(d, b->iova, b->iova +
				 (1ull << BLOCK_SHIFT) - 1) &&
	    !pin_range(m, b, 0, BLOCK_PAGES))
		return 0;
	err = pin_range(m, b, i, 1);
	if (err) {
		trivio_mdev_count(m, TRIVIO_MDEV_PIN_FAIL, 1);
		if (!b->npinned) {
			xa_erase(&d->blocks, addr >> BLOCK_SHIFT);
			list_del(&b->lru);
			kfree_rcu(b, rcu);
		}
	}
	return err;
}

static bool want_next(struct trivio_mdev_dma *d, int *at, u64 *addr)
{
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&d->want_lock, flags);
	for (; *at < TRIVIO_MDEV_WANTS && !found; (*at)++) {
		struct trivio_mdev_want *w = &d->want[*at];

		found = w->used && !w->err;
		*addr = w->addr;
	}
	if (d->closing)
		found = false;
	spin_unlock_irqrestore(&d->want_lock, flags);
	return found;
}

static void want_done(struct trivio_mdev_dma *d, u64 addr, int err)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_WANTS; i++) {
		struct trivio_mdev_want *w = &d->want[i];

		if (w->used && w->addr == addr) {
			w->err = err;
			w->used = err;
		}
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
}

static void dma_work(struct work_struct *work)
{
	struct trivio_mdev *m = container_of(work, struct trivio_mdev,
					     dma.work.work);
	struct trivio_mdev_dma *d = &m->dma;
	bool later = false;
	int at = 0, err;
	u64 addr;

	while (want_next(d, &at, &addr)) {
		mutex_lock(&d->lock);
		if (held(d, addr, addr + PAGE_SIZE - 1)) {
			trivio_mdev_count(m, TRIVIO_MDEV_HOLD, 1);
			later = true;
			mutex_unlock(&d->lock);
			continue;
		}
		err = pin_one(m, addr);
		mutex_unlock(&d->lock);
		want_done(d, addr, err);
		cond_resched();
	}
	if (later)
		work_in(d, HOLD_TIME);
	trivio_mem_retry(&d->mem);
}

/* --- pins of ring memory ------------------------------------------------ */

static int ring_pin(struct trivio_mdev *m, u64 iova, unsigned int npages,
		    int prot, struct page **pages)
{
	unsigned int done = 0;
	int got;

	while (done < npages) {
		unsigned int n = min_t(unsigned int, npages - done,
				       VFIO_PIN_PAGES_MAX_ENTRIES);

		got = vfio_pin_pages(&m->vdev, iova + ((u64)done << PAGE_SHIFT),
				     n, prot, pages + done);
		if (got < 0) {
			if (done)
				vfio_unpin_pages(&m->vdev, iova, done);
			return got;
		}
		done += got;
	}
	trivio_mdev_count(m, TRIVIO_MDEV_PIN, npages);
	return 0;
}

static int dma_map(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		   struct trivio_mapping *map)
{
	struct trivio_mdev *m = mem_mdev(mem);
	struct trivio_mdev_dma *d = &m->dma;
	u64 first = addr & PAGE_MASK, last = addr + len - 1;
	int err, prot = IOMMU_READ | (perm & TRIVIO_WO ? IOMMU_WRITE : 0);
	pgprot_t pg = perm & TRIVIO_WO ? PAGE_KERNEL : PAGE_KERNEL_RO;
	unsigned int npages;

	memset(map, 0, sizeof(*map));
	if (!len || last < addr)
		return -EINVAL;
	if (held(d, first, last)) {
		trivio_mdev_count(m, TRIVIO_MDEV_HOLD, 1);
		work_in(d, HOLD_TIME);
		return -EAGAIN;
	}
	npages = (last >> PAGE_SHIFT) - (first >> PAGE_SHIFT) + 1;
	map->pages = kvcalloc(npages, sizeof(*map->pages), GFP_KERNEL_ACCOUNT);
	if (!map->pages)
		return -ENOMEM;
	err = ring_pin(m, first, npages, prot, map->pages);
	if (err) {
		trivio_mdev_count(m, TRIVIO_MDEV_PIN_FAIL, 1);
		goto err_free;
	}
	map->vmap = vmap(map->pages, npages, VM_MAP, pg);
	if (!map->vmap) {
		err = -ENOMEM;
		goto err_unpin;
	}
	map->kaddr = map->vmap + offset_in_page(addr);
	map->len = len;
	map->npages = npages;
	map->priv = first;
	atomic_inc(&d->rings);
	return 0;

err_unpin:
	vfio_unpin_pages(&m->vdev, first, npages);
err_free:
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
	/* Gone for a moment, as when a VMM splits a memory region? */
	if (err != -ENOMEM && recently(d, first, last, 1, RING_WAIT)) {
		work_in(d, HOLD_TIME);
		return -EAGAIN;
	}
	return err;
}

static void dma_unmap_ring(struct trivio_mem *mem, struct trivio_mapping *map)
{
	struct trivio_mdev *m = mem_mdev(mem);

	if (!map->pages)
		return;
	vunmap(map->vmap);
	vfio_unpin_pages(&m->vdev, map->priv, map->npages);
	trivio_mdev_count(m, TRIVIO_MDEV_UNPIN, map->npages);
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
	atomic_dec(&m->dma.rings);
}

static const struct trivio_mem_ops dma_mem_ops = {
	.map = dma_map,
	.unmap = dma_unmap_ring,
	.miss = dma_miss,
	.lookup = dma_lookup,
};

/* --- what VFIO says ----------------------------------------------------- */

/**
 * trivio_mdev_dma_unmap() - the container is about to unmap a range
 * @m: mediated device
 * @iova: first address
 * @len: bytes
 *
 * On return nothing of it is pinned or touched.
 *
 * Context: may sleep; the container's device_list_lock is held.
 */
void trivio_mdev_dma_unmap(struct trivio_mdev *m, u64 iova, u64 len)
{
	struct trivio_mdev_dma *d = &m->dma;
	u64 last = iova + len - 1;
	struct block *b;
	unsigned long at;
	LIST_HEAD(list);

	trivio_mdev_count(m, TRIVIO_MDEV_UNMAP, 1);
	mutex_lock(&d->lock);
	hold_note(d, iova, last);
	xa_for_each_range(&d->blocks, at, b, iova >> BLOCK_SHIFT,
			  last >> BLOCK_SHIFT)
		block_remove(d, b, &list);
	/* A ring may be about to be mapped: the core's locks know, we don't. */
	trivio_mem_invalidate(&d->mem, iova, last);
	blocks_free(m, &list);
	hold_renew(d, iova, last);
	mutex_unlock(&d->lock);
	/* Rings that had to let go try again, once the range is back. */
	work_in(d, HOLD_TIME);
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
	if (!list_empty(&list)) {
		mutex_lock(&d->mem.lock);
		WRITE_ONCE(d->mem.gen, trivio_mem_gen());
		trivio_mem_sync(&d->mem);
		mutex_unlock(&d->mem.lock);
	}
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

/* --- life --------------------------------------------------------------- */

/**
 * trivio_mdev_dma_init() - a new mediated device: an empty address space
 * @m: mediated device
 */
void trivio_mdev_dma_init(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;

	mutex_init(&d->lock);
	spin_lock_init(&d->want_lock);
	xa_init(&d->blocks);
	INIT_LIST_HEAD(&d->lru);
	INIT_DELAYED_WORK(&d->work, dma_work);
	d->closing = true;
	trivio_mem_init(&d->mem, TRIVIO_MEM_KERNEL, &dma_mem_ops, m, 1);
}

/**
 * trivio_mdev_dma_exit() - end of a mediated device
 * @m: mediated device that is closed
 */
void trivio_mdev_dma_exit(struct trivio_mdev *m)
{
	trivio_mem_exit(&m->dma.mem);
	xa_destroy(&m->dma.blocks);
}

/**
 * trivio_mdev_dma_open() - a client opened the device: pins may be made
 * @m: mediated device
 */
void trivio_mdev_dma_open(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;

	spin_lock_irq(&d->want_lock);
	memset(d->want, 0, sizeof(d->want));
	memset(d->hold, 0, sizeof(d->hold));
	d->closing = false;
	spin_unlock_irq(&d->want_lock);
}

/**
 * trivio_mdev_dma_close() - the client goes: leave no pin behind
 * @m: mediated device; its queues are stopped
 *
 * Context: may sleep.
 */
void trivio_mdev_dma_close(struct trivio_mdev *m)
{
	struct trivio_mdev_dma *d = &m->dma;

	spin_lock_irq(&d->want_lock);
	d->closing = true;
	spin_unlock_irq(&d->want_lock);
	cancel_delayed_work_sync(&d->work);
	trivio_mdev_dma_drop(m);
}
