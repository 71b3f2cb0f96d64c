// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: what to do about a look-up that misses, and pins of ring memory,
 * which the core keeps mapped.
 *
 * Pinning sleeps, and the data path must not. So a look-up that misses the cache
 * (cache.c) notes the address and parks its queue; a work item pins the page, and
 * what lies around it, or makes a copy of it if it can't be pinned (copy.c), and
 * wakes the queues.
 *
 * unmap.c says how pins are given back when the container unmaps memory.
 */
#include <linux/iommu.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dma_impl.h"

/* How long who lost its memory waits for it to come back, and how often it looks. */
#define GAP_WAIT	HZ

static struct lock_class_key mem_key;

/* --- memory that comes and goes ----------------------------------------- */

/**
 * trivio_mdev_gap_recent() - was memory unmapped a moment ago?
 * @d: memory
 * @first: first address
 * @last: last address
 *
 * Context: any.
 *
 * Return: whether any of it was: it may come back.
 */
bool trivio_mdev_gap_recent(struct trivio_mdev_dma *d, u64 first, u64 last)
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

/**
 * trivio_mdev_call_begin() - a call into the container that may wait begins
 * @d: memory
 */
void trivio_mdev_call_begin(struct trivio_mdev_dma *d)
{
	WRITE_ONCE(d->call_time, jiffies);
	atomic_inc(&d->calls);
}

/**
 * trivio_mdev_call_end() - it is over
 * @d: memory
 */
void trivio_mdev_call_end(struct trivio_mdev_dma *d)
{
	WRITE_ONCE(d->call_time, jiffies);
	atomic_dec(&d->calls);
}

/**
 * trivio_mdev_pin() - pin pages in the container
 * @m: mediated device that is open
 * @iova: address of the first
 * @n: how many, at most VFIO_PIN_PAGES_MAX_ENTRIES
 * @prot: IOMMU_READ, IOMMU_WRITE or both
 * @page: filled in
 *
 * Context: may sleep; takes the container's lock.
 *
 * Return: @n, or a negative errno: -EINVAL if not all is mapped, -EPERM,
 * -ENOMEM beyond RLIMIT_MEMLOCK.
 */
int trivio_mdev_pin(struct trivio_mdev *m, u64 iova, unsigned int n, int prot,
		    struct page **page)
{
	int got;

	trivio_mdev_call_begin(&m->dma);
	got = vfio_pin_pages(&m->vdev, iova, n, prot, page);
	trivio_mdev_call_end(&m->dma);
	return got;
}

/**
 * trivio_mdev_unpin() - undo trivio_mdev_pin()
 * @m: mediated device
 * @iova: address of the first
 * @n: how many
 *
 * Context: may sleep; takes the container's lock.
 */
void trivio_mdev_unpin(struct trivio_mdev *m, u64 iova, unsigned int n)
{
	trivio_mdev_call_begin(&m->dma);
	vfio_unpin_pages(&m->vdev, iova, n);
	trivio_mdev_call_end(&m->dma);
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

/* --- misses ------------------------------------------------------------- */

static int dma_miss(struct trivio_mem *mem, struct trivio_queue *q, u64 addr,
		    u32 perm)
{
	struct trivio_mdev *m = trivio_mem_mdev(mem);
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
	if (q && atomic_read(&q->copies))
		trivio_mdev_copy_missed(d, q);
	for (i = 0; i < TRIVIO_MDEV_WANTS; i++) {
		w = &d->want[i];
		if (w->id && w->addr == addr && w->q == q) {
			/* Tried, and it can't be had: say so once. */
			if (w->err) {
				w->id = 0;
				err = -EFAULT;
			}
			goto out;
		}
		if (!w->id || (w->err && !room))
			room = w;
	}
	/* No room: the queue asks again when it is woken. */
	if (room) {
		room->id = ++d->want_id;
		room->addr = addr;
		room->q = q;
		room->seq = q ? q->seq : 0;
		room->err = 0;
	}
	mod_delayed_work(system_unbound_wq, &d->work, 0);
out:
	spin_unlock_irqrestore(&d->want_lock, flags);
	return err;
}

static bool want_next(struct trivio_mdev_dma *d, int *at,
		      struct trivio_mdev_want *want)
{
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&d->want_lock, flags);
	for (; *at < TRIVIO_MDEV_WANTS && !found; (*at)++) {
		*want = d->want[*at];
		found = want->id && !want->err;
	}
	if (d->closing)
		found = false;
	spin_unlock_irqrestore(&d->want_lock, flags);
	return found;
}

/**
 * trivio_mdev_want_find() - is something still wanted?
 * @d: memory; &trivio_mdev_dma.want_lock is held
 * @id: which; ids are not used twice
 *
 * Return: the want, or NULL if the queue does not wait for it any more.
 */
struct trivio_mdev_want *trivio_mdev_want_find(struct trivio_mdev_dma *d,
					       u64 id)
{
	int i;

	lockdep_assert_held(&d->want_lock);
	for (i = 0; i < TRIVIO_MDEV_WANTS; i++) {
		if (d->want[i].id == id)
			return &d->want[i];
	}
	return NULL;
}

static void want_done(struct trivio_mdev_dma *d, u64 id, int err)
{
	struct trivio_mdev_want *w;
	unsigned long flags;

	spin_lock_irqsave(&d->want_lock, flags);
	w = trivio_mdev_want_find(d, id);
	if (w) {
		w->err = err;
		if (!err)
			w->id = 0;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
}

/*
 * Have the page pinned, or else copied: the copy needs a mapping that allows it,
 * too, but neither a limit nor memory that may be pinned for long.
 *
 * Return: 0; -EAGAIN if it may come back; or what there is against it.
 */
static int want_serve(struct trivio_mdev *m,
		      const struct trivio_mdev_want *want)
{
	struct trivio_mdev_dma *d = &m->dma;
	u64 first = want->addr, last = first + PAGE_SIZE - 1;
	bool unmapping;
	int err = 0;

	mutex_lock(&d->lock);
	unmapping = trivio_mdev_unmapping(m, first, last);
	if (!unmapping)
		err = trivio_mdev_cache_pin(m, first);
	mutex_unlock(&d->lock);
	if (unmapping) {
		trivio_mdev_count(m, TRIVIO_MDEV_HOLD, 1);
		return -EINPROGRESS;
	}
	if (err && err != -EINVAL && err != -EPERM)
		err = trivio_mdev_copy_make(m, want);
	/* Gone for a moment, as when a VMM splits a memory region? */
	if (err == -EINVAL && trivio_mdev_gap_recent(d, first, last))
		return -EAGAIN;
	return err;
}

static void dma_work(struct work_struct *work)
{
	struct trivio_mdev *m = container_of(work, struct trivio_mdev,
					     dma.work.work);
	struct trivio_mdev_dma *d = &m->dma;
	struct trivio_mdev_want want;
	bool later = false;
	int at = 0, err;

	while (want_next(d, &at, &want)) {
		err = want_serve(m, &want);
		if (err == -EAGAIN)
			later = true;
		else if (err != -EINPROGRESS)
			want_done(d, want.id, err);
		/* Else, when the unmap is over, we are called again. */
		cond_resched();
	}
	if (later)
		work_in(d, TRIVIO_MDEV_GAP_LOOK);
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

		got = trivio_mdev_pin(m, iova + ((u64)done << PAGE_SHIFT), n,
				      prot, pages + done);
		if (got < 0) {
			if (done)
				trivio_mdev_unpin(m, iova, done);
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
	struct trivio_mdev *m = trivio_mem_mdev(mem);
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
	trivio_mdev_unpin(m, first, npages);
	trivio_mdev_count(m, TRIVIO_MDEV_UNPIN, npages);
err_free:
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
	if (err != -ENOMEM && trivio_mdev_gap_recent(d, first, last)) {
		work_in(d, TRIVIO_MDEV_GAP_LOOK);
		return -EAGAIN;
	}
	return err;
}

static void dma_unmap_ring(struct trivio_mem *mem, struct trivio_mapping *map)
{
	struct trivio_mdev *m = trivio_mem_mdev(mem);

	if (!map->pages)
		return;
	vunmap(map->vmap);
	trivio_mdev_unpin(m, map->priv, map->npages);
	trivio_mdev_count(m, TRIVIO_MDEV_UNPIN, map->npages);
	kvfree(map->pages);
	memset(map, 0, sizeof(*map));
	atomic_dec(&m->dma.rings);
}

static const struct trivio_mem_ops dma_mem_ops = {
	.map = dma_map,
	.unmap = dma_unmap_ring,
	.miss = dma_miss,
	.lookup = trivio_mdev_cache_find,
	.copied = trivio_mdev_copy_find,
	.pushed = trivio_mdev_copy_pushed,
	.settled = trivio_mdev_copy_settled,
	.quiet = trivio_mdev_copy_quiet,
};

/* --- what VFIO says ----------------------------------------------------- */

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
	trivio_mdev_copy_init(m);
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
	trivio_mdev_copy_close(m);
	trivio_mdev_unmap_close(m);
	trivio_mdev_dma_drop(m);
}
