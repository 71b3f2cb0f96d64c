// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that can't be pinned: the client's RLIMIT_MEMLOCK is used up, a
 * request needs more pages than the cache may hold, or the kernel does not let
 * such memory be pinned for long. The container copies it then, vfio_dma_rw(),
 * which sleeps. So, as with a pin, the queue parks and a work item copies the
 * page; and when the device has written to a copy, the used entry is held back
 * until another work item has copied those bytes to the guest.
 *
 * A copy is for one chain of one queue: made after the chain was found in the
 * ring, found only by the pop of that chain, freed when it is pushed or, if it
 * was written to, when that is with the guest. Only the buffers' own bytes are
 * written back: the rest of the page may be in use by others.
 *
 * Ring memory is not copied: both sides write to it at any time.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/slab.h>

#include "dma_impl.h"

/* Of one queue: 2 MiB. */
#define COPY_MAX	512

enum copy_state {
	COPY_USED,	/* its chain is being popped, or in flight */
	COPY_WRITTEN,	/* to be written back */
	COPY_LOST,	/* that failed */
};

/**
 * struct copy - a page of guest memory, copied
 * @node: on &trivio_mdev_dma.copies
 * @q: queue
 * @seq: its chain
 * @addr: guest address of the page
 * @state: under &trivio_mdev_dma.want_lock
 * @last: the queue waits: now or never; likewise
 * @data: a page
 * @used: found since the pop began last; under the lock, like @state
 * @in: bytes found for writing since then; written by the service
 */
struct copy {
	struct list_head node;
	struct trivio_queue *q;
	u64 seq;
	u64 addr;
	enum copy_state state;
	bool last;
	void *data;
	bool used;
	DECLARE_BITMAP(in, PAGE_SIZE);
};

static void copy_free(struct copy *c)
{
	free_page((unsigned long)c->data);
	kfree(c);
}

static struct copy *copy_alloc(const struct trivio_mdev_want *want)
{
	struct copy *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return NULL;
	c->data = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!c->data) {
		kfree(c);
		return NULL;
	}
	c->q = want->q;
	c->seq = want->seq;
	c->addr = want->addr;
	return c;
}

/* Off the list; the caller frees it. */
static void copy_remove(struct trivio_mdev_dma *d, struct copy *c)
{
	lockdep_assert_held(&d->want_lock);
	list_del(&c->node);
	atomic_dec(&c->q->copies);
}

static int copy_rw(struct trivio_mdev *m, u64 addr, void *data, size_t len,
		   bool write)
{
	int err;

	trivio_mdev_call_begin(&m->dma);
	err = vfio_dma_rw(&m->vdev, addr, data, len, write);
	trivio_mdev_call_end(&m->dma);
	return err;
}

/* --- to the device ------------------------------------------------------- */

/*
 * Room for one more? The queue's other chains will make some; if there are none
 * this chain is too large.
 */
static int copy_room(struct trivio_mdev_dma *d,
		     const struct trivio_mdev_want *want)
{
	unsigned long flags;
	int err = -ENOBUFS;
	struct copy *c;

	if (atomic_read(&want->q->copies) < COPY_MAX)
		return 0;
	spin_lock_irqsave(&d->want_lock, flags);
	list_for_each_entry(c, &d->copies, node) {
		if (c->q == want->q && c->seq != want->seq)
			err = -EAGAIN;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	return err;
}

/**
 * trivio_mdev_copy_make() - copy a page that could not be pinned
 * @m: mediated device that is open
 * @want: who needs it, and what for
 *
 * If the queue was stopped meanwhile there is no copy, and no error.
 *
 * Context: may sleep; takes the container's lock.
 *
 * Return: 0; -EAGAIN if the queue has many, and less soon; -ENOBUFS; -ENOMEM;
 * -EINVAL if it is not mapped; -EPERM if it may not be read; -EFAULT.
 */
int trivio_mdev_copy_make(struct trivio_mdev *m,
			  const struct trivio_mdev_want *want)
{
	struct trivio_mdev_dma *d = &m->dma;
	unsigned long flags;
	struct copy *c;
	int err;

	err = want->q ? copy_room(d, want) : -EFAULT;
	if (err)
		return err;
	c = copy_alloc(want);
	if (!c)
		return -ENOMEM;
	err = copy_rw(m, c->addr, c->data, PAGE_SIZE, false);
	if (err) {
		trivio_mdev_count(m, TRIVIO_MDEV_COPY_FAIL, 1);
		copy_free(c);
		return err;
	}
	spin_lock_irqsave(&d->want_lock, flags);
	if (trivio_mdev_want_find(d, want->id) && !d->closing) {
		list_add(&c->node, &d->copies);
		atomic_inc(&c->q->copies);
		c = NULL;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	if (c)
		copy_free(c);
	else
		trivio_mdev_count(m, TRIVIO_MDEV_COPY_IN, 1);
	return 0;
}

/* The copies of one chain: (queue, seq), still in use. */
static bool copy_of(const struct copy *c, const struct trivio_queue *q, u64 seq)
{
	return c->q == q && c->seq == seq && c->state == COPY_USED;
}

/**
 * trivio_mdev_copy_find() - &trivio_mem_ops.copied
 * @mem: address space of a mediated device
 * @q: queue, about to pop a chain
 * @addr: address
 * @len: bytes that are wanted there
 * @perm: TRIVIO_RO or TRIVIO_WO
 * @range: filled in
 *
 * Context: service of @q; atomic.
 *
 * Return: 0, or -ENOENT if the chain has no copy of it.
 */
int trivio_mdev_copy_find(struct trivio_mem *mem, struct trivio_queue *q,
			  u64 addr, u64 len, u32 perm,
			  struct trivio_range *range)
{
	struct trivio_mdev_dma *d = &trivio_mem_mdev(mem)->dma;
	unsigned int off = offset_in_page(addr);
	unsigned long flags;
	int err = -ENOENT;
	struct copy *c;

	spin_lock_irqsave(&d->want_lock, flags);
	list_for_each_entry(c, &d->copies, node) {
		if (c->addr != addr - off || !copy_of(c, q, q->seq))
			continue;
		range->first = c->addr;
		range->last = c->addr + PAGE_SIZE - 1;
		range->base = (unsigned long)c->data;
		range->perm = TRIVIO_RW;
		c->used = true;
		if (perm & TRIVIO_WO && len)
			bitmap_set(c->in, off, min(len, PAGE_SIZE - off));
		err = 0;
		break;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	return err;
}

/**
 * trivio_mdev_copy_missed() - a pop begins anew
 * @d: memory; &trivio_mdev_dma.want_lock is held
 * @q: queue
 *
 * By the next time a page may have been pinned of which there is a copy.
 */
void trivio_mdev_copy_missed(struct trivio_mdev_dma *d,
			     const struct trivio_queue *q)
{
	struct copy *c;

	lockdep_assert_held(&d->want_lock);
	list_for_each_entry(c, &d->copies, node) {
		if (!c->used || !copy_of(c, q, q->seq))
			continue;
		c->used = false;
		bitmap_zero(c->in, PAGE_SIZE);
	}
}

/* --- to the guest -------------------------------------------------------- */

/**
 * trivio_mdev_copy_pushed() - &trivio_mem_ops.pushed
 * @mem: address space of a mediated device
 * @q: queue
 * @chain: chain that was completed
 *
 * All of its writable bytes go to the guest, as the driver can't expect to find
 * any of them unchanged; but none that it did not get as a copy.
 *
 * Context: service of @q; atomic.
 */
void trivio_mdev_copy_pushed(struct trivio_mem *mem, struct trivio_queue *q,
			     const struct trivio_chain *chain)
{
	struct trivio_mdev_dma *d = &trivio_mem_mdev(mem)->dma;
	struct copy *c, *next;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&d->want_lock, flags);
	list_for_each_entry_safe(c, next, &d->copies, node) {
		/* Those of chains that then got on without them go, too. */
		if (!copy_of(c, q, chain->seq) &&
		    (c->used || c->seq >= q->seq || !copy_of(c, q, c->seq)))
			continue;
		if (c->used && !bitmap_empty(c->in, PAGE_SIZE)) {
			c->state = COPY_WRITTEN;
			mod_delayed_work(system_unbound_wq, &d->copy_work, 0);
			continue;
		}
		copy_remove(d, c);
		list_add(&c->node, &done);
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	list_for_each_entry_safe(c, next, &done, node)
		copy_free(c);
}

static int copy_back(struct trivio_mdev *m, struct copy *c)
{
	u64 last = c->addr + PAGE_SIZE - 1;
	unsigned int from, to;
	int err;

	for_each_set_bitrange(from, to, c->in, PAGE_SIZE) {
		err = copy_rw(m, c->addr + from, c->data + from, to - from,
			      true);
		/* Gone for a moment, as when a VMM splits a memory region? */
		if (err == -EINVAL && !READ_ONCE(c->last) &&
		    (trivio_mdev_unmapping(m, c->addr, last) ||
		     trivio_mdev_gap_recent(&m->dma, c->addr, last)))
			return -EAGAIN;
		if (err)
			return err;
	}
	return 0;
}

static struct copy *copy_written(struct trivio_mdev_dma *d,
				 const struct trivio_queue *q)
{
	struct copy *c;

	lockdep_assert_held(&d->want_lock);
	list_for_each_entry(c, &d->copies, node) {
		if (c->state == COPY_WRITTEN && (!q || c->q == q))
			return c;
	}
	return NULL;
}

/* Written back, or lost. The last one of its queue lets the queue go on. */
static void copy_end(struct trivio_mdev *m, struct copy *c, int err)
{
	struct trivio_mdev_dma *d = &m->dma;
	struct trivio_queue *q = c->q;
	bool more;

	trivio_mdev_count(m, err ? TRIVIO_MDEV_COPY_FAIL :
				   TRIVIO_MDEV_COPY_OUT, 1);
	spin_lock_irq(&d->want_lock);
	if (err)
		c->state = COPY_LOST;
	else
		copy_remove(d, c);
	more = copy_written(d, q);
	spin_unlock_irq(&d->want_lock);
	if (!err)
		copy_free(c);
	if (!more)
		trivio_queue_settled(q);
}

/*
 * Nobody else takes a written copy off the list. One that has to wait goes behind the
 * others: another queue's copies must not wait with it, who takes its memory away may be
 * waiting for them.
 */
static void copy_work(struct work_struct *work)
{
	struct trivio_mdev *m = container_of(work, struct trivio_mdev,
					     dma.copy_work.work);
	struct trivio_mdev_dma *d = &m->dma;
	const struct copy *waits = NULL;	/* the first of this round */
	struct copy *c;
	int err;

	while (true) {
		spin_lock_irq(&d->want_lock);
		c = copy_written(d, NULL);
		spin_unlock_irq(&d->want_lock);
		if (!c)
			return;
		if (c == waits) {
			queue_delayed_work(system_unbound_wq, &d->copy_work,
					   TRIVIO_MDEV_GAP_LOOK);
			return;
		}
		err = copy_back(m, c);
		if (err == -EAGAIN) {
			spin_lock_irq(&d->want_lock);
			list_move_tail(&c->node, &d->copies);
			spin_unlock_irq(&d->want_lock);
			if (!waits)
				waits = c;
		} else {
			copy_end(m, c, err);
		}
		cond_resched();
	}
}

/**
 * trivio_mdev_copy_settled() - &trivio_mem_ops.settled
 * @mem: address space of a mediated device
 * @q: queue
 *
 * Context: service of @q; atomic.
 *
 * Return: 0; -EAGAIN while copies have to be written back; -EFAULT if one can't.
 */
int trivio_mdev_copy_settled(struct trivio_mem *mem, struct trivio_queue *q)
{
	struct trivio_mdev_dma *d = &trivio_mem_mdev(mem)->dma;
	unsigned long flags;
	struct copy *c;
	int err = 0;

	spin_lock_irqsave(&d->want_lock, flags);
	list_for_each_entry(c, &d->copies, node) {
		if (c->q != q || c->state == COPY_USED)
			continue;
		err = c->state == COPY_LOST ? -EFAULT : -EAGAIN;
		if (err == -EFAULT)
			break;
	}
	spin_unlock_irqrestore(&d->want_lock, flags);
	return err;
}

/**
 * trivio_mdev_copy_quiet() - &trivio_mem_ops.quiet
 * @mem: address space of a mediated device
 * @q: queue whose service has ended
 *
 * On return it has no copies, and wants none. Memory that is gone is not waited
 * for: whoever takes it away may be waiting for this queue.
 *
 * Context: may sleep; under &trivio_queue.lock. The work that is waited for
 * takes the container's lock and none of ours.
 *
 * Return: 0, or -EFAULT if something that was written got lost.
 */
int trivio_mdev_copy_quiet(struct trivio_mem *mem, struct trivio_queue *q)
{
	struct trivio_mdev_dma *d = &trivio_mem_mdev(mem)->dma;
	struct copy *c, *next;
	LIST_HEAD(done);
	int i, err = 0;

	spin_lock_irq(&d->want_lock);
	for (i = 0; i < TRIVIO_MDEV_WANTS; i++) {
		if (d->want[i].q == q)
			d->want[i].id = 0;
	}
	list_for_each_entry(c, &d->copies, node) {
		if (c->q == q)
			WRITE_ONCE(c->last, true);
	}
	while (copy_written(d, q)) {
		spin_unlock_irq(&d->want_lock);
		flush_delayed_work(&d->copy_work);
		spin_lock_irq(&d->want_lock);
	}
	list_for_each_entry_safe(c, next, &d->copies, node) {
		if (c->q != q)
			continue;
		if (c->state == COPY_LOST)
			err = -EFAULT;
		copy_remove(d, c);
		list_add(&c->node, &done);
	}
	spin_unlock_irq(&d->want_lock);
	list_for_each_entry_safe(c, next, &done, node)
		copy_free(c);
	return err;
}

/* --- life ---------------------------------------------------------------- */

/**
 * trivio_mdev_copy_sync() - write back now, the memory is about to go
 * @m: mediated device that is open
 *
 * Context: may sleep; takes the container's lock.
 */
void trivio_mdev_copy_sync(struct trivio_mdev *m)
{
	flush_delayed_work(&m->dma.copy_work);
}

/**
 * trivio_mdev_copy_init() - a new mediated device: no copies
 * @m: mediated device
 */
void trivio_mdev_copy_init(struct trivio_mdev *m)
{
	INIT_LIST_HEAD(&m->dma.copies);
	INIT_DELAYED_WORK(&m->dma.copy_work, copy_work);
}

/**
 * trivio_mdev_copy_close() - the client goes
 * @m: mediated device; its queues are stopped, so they have no copies
 *
 * Context: may sleep.
 */
void trivio_mdev_copy_close(struct trivio_mdev *m)
{
	cancel_delayed_work_sync(&m->dma.copy_work);
}
