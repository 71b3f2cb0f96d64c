// SPDX-License-Identifier: GPL-2.0-only
/*
 * The container unmaps memory: let go of what lies there, and pin none of it
 * until it is gone.
 *
 * vfio_iommu_type1.c of Linux 6.12 leaves little room. While a mapping has pins,
 * vfio_dma_do_unmap() calls ops->dma_unmap again and again; after the eleventh
 * call it stops the machine. It calls with its device_list_lock held, and the
 * unpinning needs its iommu->lock; but the next unmap, and the opening of a
 * device, wait for device_list_lock with iommu->lock held. A driver that unpins
 * in the call itself can therefore hang its client for good, and lockdep says so
 * at once. Three rules keep us out of both:
 *
 *  - The call takes no lock under which anything is pinned or unpinned. A work
 *    item lets go, and the call waits for it.
 *  - If that takes long because a pin or unpin of ours is stuck in the container,
 *    the call returns with the work undone: device_list_lock is released, whoever
 *    held up the container goes on, and so does the work; type1 calls again. A
 *    thread may do that LEAVE_MAX times in one system call, then the wait has no
 *    end: a hanging client is better than a dead host.
 *  - From the first call until the thread is back in user space nothing in the
 *    range is pinned. The last put of a file runs on the way there, so that is
 *    what marks the end.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mdev.h"

/* A pin or unpin without progress for so long is stuck. */
#define STUCK		(HZ / 2)
/* Of the eleven calls that type1 makes; all devices of a client together. */
#define LEAVE_MAX	6

/* Protects the list and every entry but for its constant fields; innermost. */
static DEFINE_SPINLOCK(unmap_lock);
static LIST_HEAD(unmaps);

static struct trivio_unmap *unmap_find(struct trivio_mdev *m)
{
	struct trivio_unmap *u;

	lockdep_assert_held(&unmap_lock);
	list_for_each_entry(u, &unmaps, node) {
		if (u->m == m && u->task == current)
			return u;
	}
	return NULL;
}

static void unmap_put(struct trivio_unmap *u)
{
	if (refcount_dec_and_test(&u->users))
		kfree(u);
}

/* The thread that unmaps has left the kernel: what is mapped now may be used. */
static int unmap_release(struct inode *inode, struct file *filp)
{
	struct trivio_unmap *u = filp->private_data;
	struct trivio_mdev *m = u->m;

	spin_lock(&unmap_lock);
	list_del(&u->node);
	spin_unlock(&unmap_lock);
	trivio_mdev_dma_mapped(m, u->first, u->last);
	unmap_put(u);
	put_device(&m->vdev.device);
	return 0;
}

static const struct file_operations unmap_fops = {
	.owner = THIS_MODULE,
	.release = unmap_release,
};

/* An entry that lasts until this system call ends. */
static struct trivio_unmap *unmap_new(struct trivio_mdev *m)
{
	struct trivio_unmap *u = kzalloc(sizeof(*u), GFP_KERNEL);
	struct file *filp;

	if (!u)
		return NULL;
	u->m = m;
	u->task = current;
	u->first = U64_MAX;
	refcount_set(&u->users, 1);
	filp = anon_inode_getfile("trivio-unmap", &unmap_fops, u, O_RDONLY);
	if (IS_ERR(filp)) {
		kfree(u);
		return NULL;
	}
	get_device(&m->vdev.device);
	spin_lock(&unmap_lock);
	list_add(&u->node, &unmaps);
	spin_unlock(&unmap_lock);
	fput(filp);
	return u;
}

/*
 * No memory to watch the thread with: the device pins nothing any more until it
 * is closed. Whoever gets here has other worries.
 */
static struct trivio_unmap *unmap_spare(struct trivio_mdev *m)
{
	struct trivio_unmap *u = &m->dma.spare;

	spin_lock(&unmap_lock);
	if (!u->m) {
		u->m = m;
		u->first = 0;
		u->last = U64_MAX;
		refcount_set(&u->users, 1);
		list_add(&u->node, &unmaps);
	}
	spin_unlock(&unmap_lock);
	return u;
}

static struct trivio_unmap *unmap_get(struct trivio_mdev *m, u64 first,
				      u64 last)
{
	struct trivio_unmap *u;

	spin_lock(&unmap_lock);
	u = unmap_find(m);
	spin_unlock(&unmap_lock);
	if (!u)
		u = unmap_new(m);
	if (!u)
		u = unmap_spare(m);
	spin_lock(&unmap_lock);
	u->first = min(u->first, first);
	u->last = max(u->last, last);
	spin_unlock(&unmap_lock);
	return u;
}

/* Is there a call left that may return with the work undone? */
static bool unmap_may_leave(struct trivio_unmap *u)
{
	const struct trivio_unmap *other;
	unsigned int n = 0;

	spin_lock(&unmap_lock);
	list_for_each_entry(other, &unmaps, node) {
		if (!other->task || other->task == current)
			n += other->left;
	}
	if (n < LEAVE_MAX)
		u->left++;
	spin_unlock(&unmap_lock);
	return n < LEAVE_MAX;
}

/* Have the work done; true if there was nothing left to start. */
static bool unmap_post(struct trivio_mdev *m, struct trivio_unmap *u, u64 first,
		       u64 last, bool *posted)
{
	struct trivio_mdev_dma *d = &m->dma;
	bool done;

	spin_lock(&unmap_lock);
	done = *posted && !u->busy;
	if (!*posted && !u->busy) {
		u->job_first = first;
		u->job_last = last;
		u->busy = true;
		refcount_inc(&u->users);
		list_add_tail(&u->job, &d->jobs);
		queue_work(system_unbound_wq, &d->unmap_work);
		*posted = true;
	}
	spin_unlock(&unmap_lock);
	return done;
}

/**
 * trivio_mdev_dma_unmap() - the container is about to unmap a range
 * @m: mediated device
 * @iova: first address
 * @len: bytes
 *
 * On return nothing of it is pinned or touched; or the container waits for
 * itself, see above, and has to call again.
 *
 * Context: may sleep; the container's device_list_lock is held.
 */
void trivio_mdev_dma_unmap(struct trivio_mdev *m, u64 iova, u64 len)
{
	struct trivio_mdev_dma *d = &m->dma;
	u64 last = iova + len - 1;
	struct trivio_unmap *u;
	bool posted = false;

	trivio_mdev_count(m, TRIVIO_MDEV_UNMAP, 1);
	u = unmap_get(m, iova, last);
	while (!unmap_post(m, u, iova, last, &posted)) {
		if (wait_event_timeout(d->unmapped, !READ_ONCE(u->busy),
				       STUCK / 4))
			continue;
		/* iommufd does not call again, nor can it wait for itself. */
		if (!m->vdev.iommufd_access &&
		    trivio_mdev_dma_stuck(m, STUCK) && unmap_may_leave(u)) {
			trivio_mdev_count(m, TRIVIO_MDEV_UNMAP_AGAIN, 1);
			return;
		}
	}
}

static void unmap_work(struct work_struct *work)
{
	struct trivio_mdev *m = container_of(work, struct trivio_mdev,
					     dma.unmap_work);
	struct trivio_mdev_dma *d = &m->dma;
	struct trivio_unmap *u;
	u64 first, last;

	for (;;) {
		spin_lock(&unmap_lock);
		u = list_first_entry_or_null(&d->jobs, struct trivio_unmap,
					     job);
		if (u) {
			list_del(&u->job);
			first = u->job_first;
			last = u->job_last;
		}
		spin_unlock(&unmap_lock);
		if (!u)
			return;
		trivio_mdev_dma_let_go(m, first, last);
		spin_lock(&unmap_lock);
		WRITE_ONCE(u->busy, false);
		spin_unlock(&unmap_lock);
		wake_up_all(&d->unmapped);
		unmap_put(u);
	}
}

/**
 * trivio_mdev_unmapping() - is any of a range being unmapped now
 * @m: mediated device
 * @first: first address
 * @last: last address
 *
 * Who pins asks first, under a lock that trivio_mdev_dma_let_go() takes for the
 * pins in question; so either it sees the unmap, or the unmap sees its pin.
 *
 * Return: yes or no.
 */
bool trivio_mdev_unmapping(struct trivio_mdev *m, u64 first, u64 last)
{
	const struct trivio_unmap *u;
	bool hit = false;

	spin_lock(&unmap_lock);
	list_for_each_entry(u, &unmaps, node) {
		if (u->m == m && first <= u->last && last >= u->first) {
			hit = true;
			break;
		}
	}
	spin_unlock(&unmap_lock);
	return hit;
}

/**
 * trivio_mdev_unmap_init() - a new mediated device
 * @m: mediated device
 */
void trivio_mdev_unmap_init(struct trivio_mdev *m)
{
	INIT_LIST_HEAD(&m->dma.jobs);
	init_waitqueue_head(&m->dma.unmapped);
	INIT_WORK(&m->dma.unmap_work, unmap_work);
}

/**
 * trivio_mdev_unmap_close() - the client goes: no work is left under way
 * @m: mediated device; its queues have no memory any more
 *
 * Context: may sleep.
 */
void trivio_mdev_unmap_close(struct trivio_mdev *m)
{
	struct trivio_unmap *u = &m->dma.spare;

	flush_work(&m->dma.unmap_work);
	spin_lock(&unmap_lock);
	if (u->m) {
		list_del(&u->node);
		u->m = NULL;
		u->left = 0;
	}
	spin_unlock(&unmap_lock);
}
