// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbell pages: a page of memory per queue that a process maps from its
 * vhost-vdpa node (and gives to its guest), and a thread that looks for stores.
 * A kick is then one store: no system call, no VM exit, no wake-up.
 *
 * The price is the thread. It runs only while a process drives the device and
 * has mapped a page, and it sleeps between looks unless told not to. Nothing
 * says when a page is unmapped, so pages that were mapped once are looked at
 * whenever the device runs.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "vdpa.h"

/*
 * What the first word of a page holds until a driver stores there. A driver
 * stores the queue's number, in 16 bits, or with 16 more bits of data
 * (VIRTIO_F_NOTIFICATION_DATA); no queue has the number 0xffff.
 */
#define BELL_IDLE	U32_MAX

/**
 * struct trivio_vdpa_bell - doorbell pages of a device
 * @v: device
 * @task: the thread that looks
 * @wait: where it sleeps while there is nothing to look at
 * @running: a process drives the device
 * @any: a page was mapped
 * @mapped: pages that were
 * @page: one a queue
 */
struct trivio_vdpa_bell {
	struct trivio_vdpa *v;
	struct task_struct *task;
	wait_queue_head_t wait;
	bool running;
	bool any;
	unsigned long *mapped;
	u32 **page;
};

static bool bell_wanted(const struct trivio_vdpa_bell *b)
{
	return READ_ONCE(b->running) && READ_ONCE(b->any);
}

/* Kick the queues whose page was stored to. */
static bool bell_look(struct trivio_vdpa_bell *b)
{
	struct trivio_vdpa *v = b->v;
	bool found = false;
	unsigned int i;

	for_each_set_bit(i, b->mapped, v->nvqs) {
		struct trivio_queue *q = &v->dev->queue[i];

		if (READ_ONCE(*b->page[i]) == BELL_IDLE)
			continue;
		/*
		 * Full barrier: what the driver published before its store is
		 * seen by the service. A store after this is a new kick.
		 */
		xchg(b->page[i], BELL_IDLE);
		trivio_stat_inc(q, TRIVIO_STAT_DOORBELLS);
		trivio_queue_kick(q);
		found = true;
	}
	return found;
}

static int bell_thread(void *data)
{
	struct trivio_vdpa_bell *b = data;
	u64 pause = b->v->set.doorbell_sleep, last = 0, now;

	while (!kthread_should_stop()) {
		if (!bell_wanted(b)) {
			wait_event_interruptible(b->wait, bell_wanted(b) ||
						 kthread_should_stop());
			continue;
		}
		now = ktime_get_ns();
		if (bell_look(b))
			last = now;
		/* Where one kick came another may follow: look on as long. */
		if (pause && now - last > pause * NSEC_PER_USEC)
			usleep_range(pause, pause + pause / 4 + 1);
		else
			cond_resched();
		cpu_relax();
	}
	return 0;
}

static void bell_rearm(struct trivio_vdpa_bell *b)
{
	u16 i;

	for (i = 0; i < b->v->nvqs; i++) {
		/* The next process must not read what this one left. */
		memset(b->page[i], 0, PAGE_SIZE);
		WRITE_ONCE(*b->page[i], BELL_IDLE);
	}
}

/**
 * trivio_vdpa_bell_area() - &vdpa_config_ops.get_vq_notification
 * @vdev: device
 * @idx: queue, as the process says
 *
 * Asked when a page is mapped, and when it is first stored to.
 *
 * Context: mmap_lock is held.
 *
 * Return: the page; nothing (vhost_vdpa refuses to map that) if the device has
 * none or there is no such queue.
 */
struct vdpa_notification_area
trivio_vdpa_bell_area(struct vdpa_device *vdev, u16 idx)
{
	struct vdpa_notification_area area = {};
	struct trivio_vdpa *v = to_trivio(vdev);
	struct trivio_vdpa_bell *b = v->bell;

	if (!b || idx >= v->nvqs)
		return area;
	set_bit(idx, b->mapped);
	WRITE_ONCE(b->any, true);
	wake_up(&b->wait);
	area.addr = virt_to_phys(b->page[idx]);
	area.size = PAGE_SIZE;
	return area;
}

/**
 * trivio_vdpa_bell_run() - a process begins or ends to drive the device
 * @v: device
 * @on: which
 *
 * Stores that came before the begin are seen after it.
 */
void trivio_vdpa_bell_run(struct trivio_vdpa *v, bool on)
{
	struct trivio_vdpa_bell *b = v->bell;

	if (!b || b->running == on)
		return;
	WRITE_ONCE(b->running, on);
	if (on)
		wake_up(&b->wait);
	else
		bell_rearm(b);
}

/**
 * trivio_vdpa_bell_create() - pages and thread, if the settings ask for them
 * @v: device with its queues
 *
 * Context: may sleep.
 *
 * Return: 0 or a negative errno; then trivio_vdpa_bell_free() cleans up.
 */
int trivio_vdpa_bell_create(struct trivio_vdpa *v)
{
	struct trivio_vdpa_bell *b;
	u16 i;

	if (!v->set.doorbell)
		return 0;
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	v->bell = b;
	b->v = v;
	init_waitqueue_head(&b->wait);
	b->mapped = bitmap_zalloc(v->nvqs, GFP_KERNEL_ACCOUNT);
	b->page = kcalloc(v->nvqs, sizeof(*b->page), GFP_KERNEL_ACCOUNT);
	if (!b->mapped || !b->page)
		return -ENOMEM;
	for (i = 0; i < v->nvqs; i++) {
		b->page[i] = (u32 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!b->page[i])
			return -ENOMEM;
		*b->page[i] = BELL_IDLE;
	}
	b->task = kthread_run(bell_thread, b, "bell-%s", v->dev->name);
	if (IS_ERR(b->task)) {
		int err = PTR_ERR(b->task);

		b->task = NULL;
		return err;
	}
	return 0;
}

/**
 * trivio_vdpa_bell_stop() - end the thread; no queue is kicked afterwards
 * @v: device
 *
 * Context: may sleep.
 */
void trivio_vdpa_bell_stop(struct trivio_vdpa *v)
{
	if (v->bell && v->bell->task)
		kthread_stop(v->bell->task);
	if (v->bell)
		v->bell->task = NULL;
}

/**
 * trivio_vdpa_bell_free() - free the pages
 * @v: device that nobody has open, so that no page is mapped
 *
 * Context: may sleep.
 */
void trivio_vdpa_bell_free(struct trivio_vdpa *v)
{
	struct trivio_vdpa_bell *b = v->bell;
	u16 i;

	if (!b)
		return;
	trivio_vdpa_bell_stop(v);
	v->bell = NULL;
	for (i = 0; b->page && i < v->nvqs; i++)
		free_page((unsigned long)b->page[i]);
	kfree(b->page);
	bitmap_free(b->mapped);
	kfree(b);
}
