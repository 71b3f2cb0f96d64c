// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: a bounded cache of pages pinned in the VFIO container, found
 * under RCU, and pins of ring memory, which the core keeps mapped.
 *
 * Pinning sleeps, and the data path must not. So a look-up that misses notes
 * the address and parks its queue; a work item pins the page, and what lies
 * around it, and wakes the queues.
 *
 * unmap.c says how pins are given back when the container unmaps memory.
 */
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/lockdep.h>
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

/* How long who lost its memory waits for it to come back, and how often it looks. */
#define GAP_WAIT	HZ
#define GAP_LOOK	msecs_to_jiffies(20)

/* Rounds of eviction in which no queue got on: more are no use. */
#define THRASH_MAX	64

static unsigned int max_pinned = 65536;
module_param(max_pinned, uint, 0644);
MODULE_PARM_DESC(max_pinned,
		 "most pages a device keeps pinned beside its rings (65536)");

static struct lock_class_key mem_key;

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

/* --- memory that comes and goes ----------------------------------------- */

/* Was any of [first, last] unmapped a moment ago? */
static bool gap_recent(struct trivio_mdev_dma *d, u64 first, u64 last)
{
	unsigned long flags;
	bool hit = false;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_GAPS && !hit; i++) {
		struct trivio_mdev_gap *g = &d->gap[i];

		hit = g->used && first <= g->last && last >= g->first &&
		      time_before(jiffies, g->time + GAP_WAIT);
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	return hit;
}

static void gap_note(struct trivio_mdev_dma *d, u64 first, u64 last)
{
	struct trivio_mdev_gap *g, *oldest = &d->gap[0];
	unsigned long flags;
	int i;

	spin_lock_irqsave(&d->want_lock, flags);
	for (i = 0; i < TRIVIO_MDEV_GAPS; i++) {
		g = &d->gap[i];
		if (g->used && g->first == first && g->last == last) {
			oldest = g;
			break;
		}
		if (!g->used || (oldest->used &&
				 time_before(g->time, oldest->time)))
			oldest = g;
	}
	oldest->used = true;
	oldest->first = first;
	oldest->last = last;
	oldest->time = jiffies;
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

/* --- calls into the container -------------------------------------------- */

static void call_begin(struct trivio_mdev_dma *d)
{
	WRITE_ONCE(d->call_time, jiffies);
	atomic_inc(&d->calls);
}

static void call_end(struct trivio_mdev_dma *d)
{
	WRITE_ONCE(d->call_time, jiffies);
	atomic_dec(&d->calls);
}

static int pin(struct trivio_mdev *m, u64 iova, unsigned int n, int prot,
	       struct page **page)
{
	int got;

	call_begin(&m->dma);
	got = vfio_pin_pages(&m->vdev, iova, n, prot, page);
	call_end(&m->dma);
	return got;
}

static void unpin(struct trivio_mdev *m, u64 iova, unsigned int n)
{
	call_begin(&m->dma);
	vfio_unpin_pages(&m->vdev, iova, n);
	call_end(&m->dma);
}

/**
 * trivio_mdev_dma_stuck() - do pins or unpins of ours make no progress
 * @m: mediated device
 * @time: jiffies without any
 *
 * Return: whether one is under way and none began or ended for so long.
 */
bool trivio_mdev_dma_stuck(struct trivio_mdev *m, unsigned long time)
{
	return atomic_read(&m->dma.calls) &&
	       time_after(jiffies, READ_ONCE(m->dma.call_time) + time);
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
		unpin(m, b->iova + ((u64)i << PAGE_SHIFT), n);
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
		if (++d->thrash > THRASH_MAX) {
			d->thrash = 0;
			return -ENOBUFS;
		}
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

	got = pin(m, iova, n, IOMMU_READ | IOMMU_WRITE, page);
	if (got == -EPERM && n == 1) {
		perm = TRIVIO_RO;
		got = pin(m, iova, n, IOMMU_READ, page);
	}
	if (got < 0)
		return got;
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
	whole = !b && !d->small && d->room >= 2 * BLOCK_PAGES;
	err = evict(m, whole ? BLOCK_PAGES : 1);
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

/*
 * The same within the client's RLIMIT_MEMLOCK, which is learned by running into
 * it: from then on the cache stays below, as the container logs every attempt.
 */
static int pin_limited(struct trivio_mdev *m, u64 addr)
{
	struct trivio_mdev_dma *d = &m->dma;
	int err;

	lockdep_assert_held(&d->lock);
	err = pin_one(m, addr);
	while (err == -ENOMEM && d->pinned) {
		d->room = d->pinned;
		err = pin_one(m, addr);
	}
	if (err)
		trivio_mdev_count(m, TRIVIO_MDEV_PIN_FAIL, 1);
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
		/* When it is over we are called again. */
		if (trivio_mdev_unmapping(m, addr, addr + PAGE_SIZE - 1)) {
			trivio_mdev_count(m, TRIVIO_MDEV_HOLD, 1);
			mutex_unlock(&d->lock);
			continue;
		}
		err = pin_limited(m, addr);
		mutex_unlock(&d->lock);
		/* Gone for a moment, as when a VMM splits a memory region? */
		if (err == -EINVAL && gap_recent(d, addr, addr))
			later = true;
		else
			want_done(d, addr, err);
		cond_resched();
	}
	if (later)
		work_in(d, GAP_LOOK);
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

		got = pin(m, iova + ((u64)done << PAGE_SHIFT), n, prot,
			  pages + done);
		if (got < 0) {
			if (done)
				unpin(m, iova, done);
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
	if (trivio_mdev_unmapping(m, first, last)) {
		trivio_mdev_count(m, TRIVIO_MDEV_HOLD, 1);
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
	unpin(m, first, npages);
	trivio_mdev_count(m, TRIVIO_MDEV_UNPIN, npages);
err_free:
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
	if (err != -ENOMEM && gap_recent(d, first, last)) {
		work_in(d, GAP_LOOK);
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
	unpin(m, map->priv, map->npages);
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
 * trivio_mdev_dma_mapped() - an unmap is over; there may be new mappings
 * @m: mediated device
 * @first: first address
 * @last: last address
 *
 * Queues that had to let go try again.
 */
void trivio_mdev_dma_mapped(struct trivio_mdev *m, u64 first, u64 last)
{
	gap_note(&m->dma, first, last);
	work_in(&m->dma, 0);
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
	trivio_mdev_unmap_init(m);
	trivio_mem_init(&d->mem, TRIVIO_MEM_KERNEL, &dma_mem_ops, m, 1);
	/*
	 * Pins are made and given back below it, and the container then takes
	 * an mmap_lock; vDPA takes its own below one.
	 */
	lockdep_set_class(&d->mem.lock, &mem_key);
}

/**
 * trivio_mdev_dma_exit() - end of a mediated device
 * @m: mediated device that is closed
 */
void trivio_mdev_dma_exit(struct trivio_mdev *m)
{
	trivio_mdev_unmap_close(m);
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
	memset(d->gap, 0, sizeof(d->gap));
	d->closing = false;
	spin_unlock_irq(&d->want_lock);
	mutex_lock(&d->lock);
	d->room = ULONG_MAX;
	d->thrash = 0;
	mutex_unlock(&d->lock);
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
	trivio_mdev_unmap_close(m);
	trivio_mdev_dma_drop(m);
}
