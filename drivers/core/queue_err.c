// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes wrong in a queue: the one exit for a queue that breaks, and the one
 * for a packet that is dropped.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ratelimit.h>

#include <trivio/device.h>

#include "check_impl.h"
#include "core.h"
#include "trace.h"

/**
 * trivio_queue_error() - the driver broke the rules, or the memory did
 * @q: queue
 * @err: what happened
 * @head: chain head or id
 * @addr: guest address, or 0
 *
 * The queue stops until it is stopped and started again. The first error is
 * kept; the owner is told each time.
 *
 * Context: service of the queue; atomic.
 */
void trivio_queue_error(struct trivio_queue *q, enum trivio_err err, u16 head,
			u64 addr)
{
	unsigned long flags;
	bool first;

	WRITE_ONCE(q->state, TRIVIO_Q_BROKEN);
	spin_lock_irqsave(&q->first_lock, flags);
	first = q->first.err == TRIVIO_OK;
	if (first) {
		q->first.err = err;
		q->first.head = head;
		q->first.addr = addr;
		q->first.time = ktime_get_real_ns();
	}
	q->first.count++;
	spin_unlock_irqrestore(&q->first_lock, flags);

	trivio_stat_inc(q, TRIVIO_STAT_ERRORS);
	trace_trivio_error(q, err, head, addr);
	trivio_check_error(q, err, head, addr);
	if (first)
		pr_warn_ratelimited("trivio: %s: queue %u stopped: %s (head %u, address %#llx)\n",
				    q->dev->name, q->index,
				    trivio_err_name(err), head, addr);
	if (q->dev->front->error)
		q->dev->front->error(q);
	trivio_nl_error(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_error);

/**
 * trivio_queue_drop() - the one exit for a packet that is not delivered
 * @q: queue
 * @reason: TRIVIO_STAT_DROP_*
 * @head: chain, if there is one
 * @len: bytes
 *
 * Context: service of the queue, or the port's receive side.
 */
void trivio_queue_drop(struct trivio_queue *q, enum trivio_stat reason,
		       u16 head, u32 len)
{
	trivio_stat_inc(q, reason);
	trivio_stat_inc(q, TRIVIO_STAT_DROPS);
	trace_trivio_drop(q, reason, head, len);
}
EXPORT_SYMBOL_GPL(trivio_queue_drop);
