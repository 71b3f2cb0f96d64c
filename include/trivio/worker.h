/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A worker: the thread in which queues are served when their memory or their
 * port may sleep. Work is a lock-free list, so queuing it is allowed in any
 * context, an eventfd wake-up with interrupts off included.
 */
#ifndef TRIVIO_WORKER_H
#define TRIVIO_WORKER_H

#include <linux/llist.h>
#include <linux/types.h>

struct mm_struct;
struct trivio_worker;

/**
 * struct trivio_work - something for a worker to do
 * @node: on the worker's list while queued
 * @flags: bit 0: queued
 * @fn: runs in the worker; may sleep, may queue itself again
 */
struct trivio_work {
	struct llist_node node;
	unsigned long flags;
	void (*fn)(struct trivio_work *work);
};

static inline void trivio_work_init(struct trivio_work *work,
				    void (*fn)(struct trivio_work *work))
{
	work->flags = 0;
	work->fn = fn;
}

/**
 * enum trivio_worker_kind - what kind of thread
 * @TRIVIO_WORKER_TASK: vhost_task: a thread of the calling process; has its mm,
 *	cgroups and limits, and ends with it
 * @TRIVIO_WORKER_KTHREAD: kernel thread; with an mm if one is given
 */
enum trivio_worker_kind {
	TRIVIO_WORKER_TASK,
	TRIVIO_WORKER_KTHREAD,
};

struct trivio_worker *trivio_worker_create(enum trivio_worker_kind kind,
					   const char *name,
					   struct mm_struct *mm);
void trivio_worker_get(struct trivio_worker *w);
void trivio_worker_put(struct trivio_worker *w);
bool trivio_worker_queue(struct trivio_worker *w, struct trivio_work *work);
void trivio_worker_interrupt(struct trivio_worker *w);
void trivio_worker_flush(struct trivio_worker *w);
bool trivio_worker_has_work(struct trivio_worker *w);
bool trivio_worker_is_current(const struct trivio_worker *w);
pid_t trivio_worker_pid(struct trivio_worker *w);

#endif /* TRIVIO_WORKER_H */
