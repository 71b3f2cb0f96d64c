// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies that stand for guest memory in the chains of a queue, where a road can
 * reach that memory only by copying it, in a context that may sleep. The road
 * makes them and writes them back (&trivio_mem_ops); here is when.
 *
 * A copy belongs to one chain. It is made after the chain became available, and
 * found only while that chain is being popped, so it can't be stale. What was
 * written to it is with the driver before the used entry is.
 */
#include <linux/module.h>

#include <trivio/device.h>

#include "queue_impl.h"

/**
 * trivio_copy_find() - is there a copy for the chain that is being popped?
 * @q: queue
 * @addr: address
 * @len: bytes that are wanted there
 * @perm: TRIVIO_RO or TRIVIO_WO
 * @r: filled in; must not be cached
 *
 * Context: service of the queue.
 *
 * Return: whether there is.
 */
bool trivio_copy_find(struct trivio_queue *q, u64 addr, u64 len, u32 perm,
		      struct trivio_range *r)
{
	return !q->mem->ops->copied(q->mem, q, addr, len, perm, r);
}

/**
 * trivio_copy_held() - must pushes be held back?
 * @q: queue that has copies
 *
 * The queue breaks if something that was written got lost.
 *
 * Context: service of the queue.
 *
 * Return: true if they must.
 */
bool trivio_copy_held(struct trivio_queue *q)
{
	int err = q->mem->ops->settled(q->mem, q);

	if (err && err != -EAGAIN && q->state == TRIVIO_Q_RUNNING)
		trivio_queue_error(q, TRIVIO_ERR_FAULT, 0, 0);
	return err;
}

/**
 * trivio_copy_quiet() - service has ended: publish what is held back
 * @q: queue; its lock is held, its ring still mapped
 *
 * On return it has no copies.
 */
void trivio_copy_quiet(struct trivio_queue *q)
{
	lockdep_assert_held(&q->lock);
	if (!q->mem->ops || !q->mem->ops->quiet)
		return;
	if (q->mem->ops->quiet(q->mem, q))
		trivio_queue_error(q, TRIVIO_ERR_FAULT, 0, 0);
	else
		trivio_queue_flush(q);
}

/**
 * trivio_queue_settled() - pushes that were held back may be shown
 * @q: queue
 *
 * Context: process, without the queue's lock.
 */
void trivio_queue_settled(struct trivio_queue *q)
{
	if (trivio_queue_direct(q) && q->ops->settled)
		q->ops->settled(q);
	trivio_queue_wake(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_settled);
