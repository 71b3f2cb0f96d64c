// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells: how a guest's notification reaches trivio_queue_kick().
 *
 * A  trap: the VMM writes to the region. Always works, and is what remains
 *    when a VMM does not map the page.
 * B  poll: the page is mapped, a thread looks for stores.
 * C  kvm: the page is mapped and write-protected by KVM, which reports each
 *    store from the vCPU's own context (track.c); D's means see to it that it is.
 * D  fault: the page is unmapped while its queue is idle, so the first store
 *    faults here; it stays mapped, and stores cost nothing, while the queue is
 *    busy.
 * E  ioeventfd: a client asks that an eventfd rings the bell.
 *
 * For B and D, and for C at first, a store is seen by its value: a page holds
 * IDLE, which no driver writes (a queue index, or one with a ring position in its
 * upper half, is below the number of queues in its lower half).
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "mdev.h"

#define IDLE	0xffffffffu

/* D: how often, and how long each time, to wait for the store that faulted. */
#define STORE_WAITS	20
#define STORE_WAIT_US	50

static unsigned int poll_sleep_us;
module_param(poll_sleep_us, uint, 0644);
MODULE_PARM_DESC(poll_sleep_us,
		 "polled doorbells: sleep so long after an empty round (0: never)");

struct ioevent {
	struct list_head node;
	struct trivio_mdev *m;
	struct virqfd *virqfd;
	u64 offset;
	u64 data;
	u32 size;
	u16 queue;
};

static u32 *bell_word(struct trivio_mdev *m, u16 queue)
{
	return page_address(m->bell.page[queue]);
}

/**
 * trivio_mdev_bell_rung() - was there a store since the last look?
 * @m: mediated device that is open
 * @queue: whose page
 *
 * Context: any; takes no lock.
 *
 * Return: true once for all stores before it.
 */
bool trivio_mdev_bell_rung(struct trivio_mdev *m, u16 queue)
{
	u32 *word = bell_word(m, queue);

	return READ_ONCE(*word) != IDLE && xchg(word, IDLE) != IDLE;
}

static void bell_kick(struct trivio_mdev *m, u16 queue,
		      enum trivio_mdev_stat why)
{
	trivio_mdev_count(m, why, 1);
	trivio_queue_kick(&m->dev->queue[queue]);
}

/**
 * trivio_mdev_bell_write() - A: a trapped write to the doorbells
 * @m: mediated device that is open
 * @off: byte offset in the doorbell area; the page says which queue
 *
 * Context: any; takes no lock.
 */
void trivio_mdev_bell_write(struct trivio_mdev *m, u32 off)
{
	u32 queue = off / TRIVIO_PCI_NOTIFY_MUL;

	if (queue < m->nqueues)
		bell_kick(m, queue, TRIVIO_MDEV_TRAP);
}

/* --- mapped pages ------------------------------------------------------- */

/*
 * Runs below every lock of this device: a queue's buffer may be the doorbell
 * page itself, and then the pin faults here. So: no locks, only kick.
 */
static vm_fault_t bell_fault(struct vm_fault *vmf)
{
	struct trivio_mdev *m = vmf->vma->vm_private_data;
	unsigned long queue = vmf->pgoff -
			      ((TRIVIO_VFIO_OFFSET(TRIVIO_PCI_BAR) +
				TRIVIO_PCI_NOTIFY) >> PAGE_SHIFT);
	int err;

	if (queue >= m->nqueues)
		return VM_FAULT_SIGBUS;
	/*
	 * Map first, then kick: the unmap that follows the kick's service must
	 * find the page mapped.
	 */
	err = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK,
			     m->bell.page[queue]);
	if (err && err != -EBUSY)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	if (m->bell.way == TRIVIO_DOORBELL_FAULT) {
		set_bit(queue, m->bell.fresh);
		set_bit(queue, m->bell.mapped);
		bell_kick(m, queue, TRIVIO_MDEV_FAULT);
	} else if (m->bell.way == TRIVIO_DOORBELL_KVM) {
		trivio_mdev_track_fault(m, queue);
	}
	return VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct bell_vm_ops = {
	.fault = bell_fault,
};

/**
 * trivio_mdev_bell_mmap() - may the doorbell pages be mapped?
 * @m: mediated device
 *
 * Return: true unless every notification is to be trapped.
 */
bool trivio_mdev_bell_mmap(struct trivio_mdev *m)
{
	if (PAGE_SIZE > TRIVIO_PCI_NOTIFY_MUL)
		return false;
	return m->bell.way != TRIVIO_DOORBELL_TRAP;
}

/**
 * trivio_mdev_mmap() - map doorbell pages into a client
 * @m: mediated device
 * @vma: where
 *
 * Return: 0; -EINVAL for anything but a shared mapping within the area.
 */
int trivio_mdev_mmap(struct trivio_mdev *m, struct vm_area_struct *vma)
{
	u64 first = (TRIVIO_VFIO_OFFSET(TRIVIO_PCI_BAR) + TRIVIO_PCI_NOTIFY) >>
		    PAGE_SHIFT;
	u64 pages = vma_pages(vma);

	if (!trivio_mdev_bell_mmap(m) || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff < first)
		return -EINVAL;
	first = vma->vm_pgoff - first;
	if (first > m->nqueues || pages > m->nqueues - first)
		return -EINVAL;
	vm_flags_set(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = m;
	vma->vm_ops = &bell_vm_ops;
	WRITE_ONCE(m->bell.mmapped, true);
	trivio_mdev_track_mapped(m);
	return 0;
}

/* --- D: unmap what is idle ---------------------------------------------- */

/**
 * trivio_mdev_bell_zap() - unmap a doorbell page, from KVM's guest too
 * @m: mediated device that is open
 * @queue: whose page
 *
 * Context: may sleep; no lock of this device's is held.
 */
void trivio_mdev_bell_zap(struct trivio_mdev *m, u16 queue)
{
	loff_t off = TRIVIO_VFIO_OFFSET(TRIVIO_PCI_BAR) + TRIVIO_PCI_NOTIFY +
		     (loff_t)queue * TRIVIO_PCI_NOTIFY_MUL;

	trivio_mdev_count(m, TRIVIO_MDEV_ZAP, 1);
	unmap_mapping_range(m->vdev.inode->i_mapping, off,
			    TRIVIO_PCI_NOTIFY_MUL, 1);
}

/**
 * trivio_mdev_bell_await() - wait a little for the store that faulted
 * @m: mediated device that is open
 * @queue: whose page
 *
 * It has yet to be done: the fault's kick may well be served before the vCPU is
 * back in the guest. Unmapping before that would make it fault again, for ever;
 * but a store may also never come (the fault was a pin).
 *
 * Context: may sleep; takes no lock.
 */
void trivio_mdev_bell_await(struct trivio_mdev *m, u16 queue)
{
	int i;

	for (i = 0; i < STORE_WAITS; i++) {
		if (READ_ONCE(*bell_word(m, queue)) != IDLE)
			return;
		usleep_range(STORE_WAIT_US, 2 * STORE_WAIT_US);
	}
}

static void bell_zap_work(struct work_struct *work)
{
	struct trivio_mdev *m = container_of(work, struct trivio_mdev,
					     bell.zap_work);
	unsigned int queue;

	for_each_set_bit(queue, m->bell.zap, m->nqueues) {
		clear_bit(queue, m->bell.zap);
		if (test_and_clear_bit(queue, m->bell.fresh))
			trivio_mdev_bell_await(m, queue);
		/* Busy again: leave it mapped, the next idle comes back here. */
		if (trivio_mdev_bell_rung(m, queue)) {
			trivio_queue_kick(&m->dev->queue[queue]);
			continue;
		}
		clear_bit(queue, m->bell.mapped);
		trivio_mdev_bell_zap(m, queue);
		/* Stores up to the unmap went to the page and to nobody. */
		if (trivio_mdev_bell_rung(m, queue))
			trivio_queue_kick(&m->dev->queue[queue]);
	}
}

static enum hrtimer_restart bell_zap_timer(struct hrtimer *t)
{
	struct trivio_mdev *m = container_of(t, struct trivio_mdev, bell.zap_timer);

	queue_work(system_highpri_wq, &m->bell.zap_work);
	return HRTIMER_NORESTART;
}

/**
 * trivio_mdev_bell_idle() - a queue found its ring empty and goes to sleep
 * @m: mediated device
 * @queue: queue; the driver has been told to notify
 *
 * Context: service of the queue; atomic.
 *
 * Return: true if the bell rang: look at the ring again.
 */
bool trivio_mdev_bell_idle(struct trivio_mdev *m, u16 queue)
{
	if (m->bell.way != TRIVIO_DOORBELL_FAULT)
		return false;
	if (!test_bit(queue, m->bell.mapped))
		return false;
	if (trivio_mdev_bell_rung(m, queue)) {
		clear_bit(queue, m->bell.fresh);
		return true;
	}
	set_bit(queue, m->bell.zap);
	/*
	 * The store that faulted is yet to be done, most likely: a worker that came now
	 * would take the vCPU's place only to wait for it.
	 */
	if (test_bit(queue, m->bell.fresh))
		hrtimer_start(&m->bell.zap_timer, ns_to_ktime(STORE_WAIT_US * NSEC_PER_USEC),
			      HRTIMER_MODE_REL);
	else
		queue_work(system_highpri_wq, &m->bell.zap_work);
	return false;
}

/* --- B: look at the pages ----------------------------------------------- */

static int bell_poll(void *data)
{
	struct trivio_mdev *m = data;

	while (!kthread_should_stop()) {
		unsigned int sleep = READ_ONCE(poll_sleep_us);
		bool found = false;
		u16 i;

		for (i = 0; i < m->nqueues; i++) {
			if (!trivio_mdev_bell_rung(m, i))
				continue;
			bell_kick(m, i, TRIVIO_MDEV_POLL);
			found = true;
		}
		if (!found && sleep)
			usleep_range(sleep, sleep + sleep / 4 + 1);
		else
			cond_resched();
	}
	return 0;
}

/* --- E: eventfds that ring ---------------------------------------------- */

static int ioevent_handler(void *opaque, void *unused)
{
	struct ioevent *e = opaque;

	bell_kick(e->m, e->queue, TRIVIO_MDEV_IOEVENT);
	return 0;
}

static void ioevent_free(struct trivio_mdev *m, struct ioevent *e)
{
	vfio_virqfd_disable(&e->virqfd);
	list_del(&e->node);
	m->bell.nioevents--;
	kfree(e);
}

static struct ioevent *ioevent_find(struct trivio_mdev *m, u64 offset, u64 data,
				    u32 size)
{
	struct ioevent *e;

	list_for_each_entry(e, &m->bell.ioevents, node) {
		if (e->offset == offset && e->data == data && e->size == size)
			return e;
	}
	return NULL;
}

/**
 * trivio_mdev_ioeventfd() - VFIO_DEVICE_IOEVENTFD
 * @m: mediated device; its lock is held
 * @io: from the client, unchecked; fd -1 takes one away
 *
 * Return: 0; -EINVAL for what is no doorbell; -EEXIST; -ENODEV for taking away
 * what is not there; -ENOSPC; -EBADF; -ENOMEM.
 */
int trivio_mdev_ioeventfd(struct trivio_mdev *m,
			  const struct vfio_device_ioeventfd *io)
{
	u32 size = io->flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;
	u64 pos = io->offset & TRIVIO_VFIO_MASK;
	struct ioevent *e;
	int err;

	lockdep_assert_held(&m->lock);
	if (io->flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK ||
	    hweight32(size) != 1 || io->fd < -1 || io->reserved)
		return -EINVAL;
	if (TRIVIO_VFIO_INDEX(io->offset) != TRIVIO_PCI_BAR ||
	    pos < TRIVIO_PCI_NOTIFY || pos & (size - 1) ||
	    (pos - TRIVIO_PCI_NOTIFY) / TRIVIO_PCI_NOTIFY_MUL >= m->nqueues)
		return -EINVAL;

	e = ioevent_find(m, io->offset, io->data, size);
	if (io->fd == -1) {
		if (!e)
			return -ENODEV;
		ioevent_free(m, e);
		return 0;
	}
	if (e)
		return -EEXIST;
	/* Two a queue: with and without notification data. */
	if (m->bell.nioevents >= 2 * m->nqueues)
		return -ENOSPC;
	e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	e->m = m;
	e->offset = io->offset;
	e->data = io->data;
	e->size = size;
	e->queue = (pos - TRIVIO_PCI_NOTIFY) / TRIVIO_PCI_NOTIFY_MUL;
	err = vfio_virqfd_enable(e, ioevent_handler, NULL, NULL, &e->virqfd,
				 io->fd);
	if (err) {
		kfree(e);
		return err;
	}
	list_add_tail(&e->node, &m->bell.ioevents);
	m->bell.nioevents++;
	return 0;
}

/* --- life --------------------------------------------------------------- */

static void bell_free(struct trivio_mdev *m)
{
	u16 i;

	for (i = 0; m->bell.page && i < m->nqueues; i++) {
		if (m->bell.page[i])
			__free_page(m->bell.page[i]);
	}
	kfree(m->bell.page);
	m->bell.page = NULL;
	bitmap_free(m->bell.mapped);
	m->bell.mapped = NULL;
	bitmap_free(m->bell.fresh);
	m->bell.fresh = NULL;
	bitmap_free(m->bell.zap);
	m->bell.zap = NULL;
}

/**
 * trivio_mdev_bell_open() - make the doorbell pages
 * @m: mediated device that a client opens, in the client's process; its lock
 *	is held
 *
 * Return: 0, -ENOMEM, or what KVM said (C).
 */
int trivio_mdev_bell_open(struct trivio_mdev *m)
{
	int err = -ENOMEM;
	u16 i;

	lockdep_assert_held(&m->lock);
	INIT_WORK(&m->bell.zap_work, bell_zap_work);
	hrtimer_init(&m->bell.zap_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	m->bell.zap_timer.function = bell_zap_timer;
	m->bell.way = m->set.doorbell;
	m->bell.mmapped = false;
	m->bell.page = kcalloc(m->nqueues, sizeof(*m->bell.page),
			       GFP_KERNEL_ACCOUNT);
	m->bell.mapped = bitmap_zalloc(m->nqueues, GFP_KERNEL_ACCOUNT);
	m->bell.fresh = bitmap_zalloc(m->nqueues, GFP_KERNEL_ACCOUNT);
	m->bell.zap = bitmap_zalloc(m->nqueues, GFP_KERNEL_ACCOUNT);
	if (!m->bell.page || !m->bell.mapped || !m->bell.fresh || !m->bell.zap)
		goto err_free;
	for (i = 0; i < m->nqueues; i++) {
		m->bell.page[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!m->bell.page[i])
			goto err_free;
		*bell_word(m, i) = IDLE;
	}
	if (m->set.doorbell == TRIVIO_DOORBELL_KVM ||
	    m->set.doorbell == TRIVIO_DOORBELL_AUTO) {
		m->bell.way = TRIVIO_DOORBELL_KVM;
		err = trivio_mdev_track_open(m);
		if (err && m->set.doorbell == TRIVIO_DOORBELL_KVM)
			goto err_free;
		if (err)
			m->bell.way = TRIVIO_DOORBELL_FAULT;
	}
	return 0;

err_free:
	bell_free(m);
	return err;
}

/**
 * trivio_mdev_bell_close() - no doorbell rings any more
 * @m: mediated device; its lock is held; no mapping of it is left
 */
void trivio_mdev_bell_close(struct trivio_mdev *m)
{
	struct ioevent *e, *next;

	lockdep_assert_held(&m->lock);
	list_for_each_entry_safe(e, next, &m->bell.ioevents, node)
		ioevent_free(m, e);
	trivio_mdev_bell_stop(m);
	if (m->bell.kvm)
		trivio_mdev_track_close(m);
}

/**
 * trivio_mdev_bell_free() - free the pages
 * @m: mediated device; its queues are stopped; its lock is held
 */
void trivio_mdev_bell_free(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	/* Queues are stopped, and no page is mapped: nobody starts it again. */
	hrtimer_cancel(&m->bell.zap_timer);
	cancel_work_sync(&m->bell.zap_work);
	bell_free(m);
}

/**
 * trivio_mdev_bell_start() - the queues run: listen
 * @m: mediated device; its lock is held
 */
void trivio_mdev_bell_start(struct trivio_mdev *m)
{
	struct task_struct *t;

	lockdep_assert_held(&m->lock);
	if (m->bell.kvm)
		trivio_mdev_track_arm(m);
	if (m->bell.way != TRIVIO_DOORBELL_POLL || m->bell.poll)
		return;
	t = kthread_run(bell_poll, m, "trivio-%s", m->dev->name);
	if (IS_ERR(t)) {
		/* Without a listener the guest would hang silently. */
		trivio_dev_needs_reset(m->dev);
		return;
	}
	m->bell.poll = t;
}

/**
 * trivio_mdev_bell_stop() - the queues stop: no need to listen
 * @m: mediated device; its lock is held
 */
void trivio_mdev_bell_stop(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	if (m->bell.kvm)
		trivio_mdev_track_disarm(m);
	if (m->bell.poll) {
		kthread_stop(m->bell.poll);
		m->bell.poll = NULL;
	}
}
