// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration and life of a queue: set up, start, stop, reset.
 */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <trivio/device.h>

#include "core.h"
#include "queue_impl.h"
#include "trace.h"

/**
 * trivio_queue_init() - set up a queue of a new device
 * @q: zeroed queue
 * @dev: its device
 * @index: its position there
 * @num_max: largest ring
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_queue_init(struct trivio_queue *q, struct trivio_dev *dev, u16 index,
		      u32 num_max)
{
	q->dev = dev;
	q->index = index;
	q->num_max = num_max;
	mutex_init(&q->lock);
	spin_lock_init(&q->first_lock);
	INIT_LIST_HEAD(&q->mem_node);
	INIT_LIST_HEAD(&q->ring_node);
	INIT_WORK(&q->map_work, trivio_queue_map_work);
	trivio_work_init(&q->work, trivio_queue_run);
	q->desc = kvmalloc_array(TRIVIO_CHAIN_MAX, sizeof(*q->desc),
				 GFP_KERNEL_ACCOUNT);
	q->seg = kvmalloc_array(TRIVIO_CHAIN_MAX, sizeof(*q->seg),
				GFP_KERNEL_ACCOUNT);
	if (!q->desc || !q->seg) {
		kvfree(q->desc);
		kvfree(q->seg);
		return -ENOMEM;
	}
	return 0;
}

/**
 * trivio_queue_exit() - free what a queue holds
 * @q: queue
 *
 * Context: may sleep.
 */
void trivio_queue_exit(struct trivio_queue *q)
{
	trivio_queue_stop(q);
	trivio_queue_set_worker(q, NULL);
	trivio_queue_set_mem(q, NULL);
	cancel_work_sync(&q->map_work);
	kvfree(q->desc);
	kvfree(q->seg);
}

/**
 * trivio_queue_set_num() - ring size
 * @q: queue
 * @num: entries
 *
 * Return: 0; -EBUSY while it runs; -EINVAL for 0, too large, or, for a split
 * ring, no power of two.
 */
int trivio_queue_set_num(struct trivio_queue *q, u32 num)
{
	int err = 0;

	if (!num || num > q->num_max)
		return -EINVAL;
	if (!trivio_has(q->dev, VIRTIO_F_RING_PACKED) && !is_power_of_2(num))
		return -EINVAL;
	trivio_queue_lock(q);
	if (q->state != TRIVIO_Q_IDLE)
		err = -EBUSY;
	else
		q->num = num;
	mutex_unlock(&q->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_queue_set_num);

/**
 * trivio_queue_set_addr() - where the ring is; may change while it runs
 * @q: queue
 * @desc: descriptor area
 * @driver: driver area (avail ring, driver event)
 * @device: device area (used ring, device event)
 *
 * Return: 0.
 */
int trivio_queue_set_addr(struct trivio_queue *q, u64 desc, u64 driver,
			  u64 device)
{
	trivio_queue_lock(q);
	trivio_queue_unmap(q);
	q->desc_addr = desc;
	q->driver_addr = driver;
	q->device_addr = device;
	mutex_unlock(&q->lock);
	trivio_queue_wake(q);
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_queue_set_addr);

/**
 * trivio_queue_set_state() - ring position
 * @q: queue
 * @state: in the layout of VHOST_SET_VRING_BASE
 *
 * Return: 0; -EBUSY while it runs; -EINVAL.
 */
int trivio_queue_set_state(struct trivio_queue *q, u32 state)
{
	int err;

	trivio_queue_lock(q);
	if (q->state != TRIVIO_Q_IDLE)
		err = -EBUSY;
	else
		err = trivio_ring_set_state(&q->ring,
					    trivio_has(q->dev,
						       VIRTIO_F_RING_PACKED),
					    state);
	mutex_unlock(&q->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_queue_set_state);

/**
 * trivio_queue_get_state() - ring position, same layout
 * @q: queue
 */
u32 trivio_queue_get_state(struct trivio_queue *q)
{
	u32 state;

	trivio_queue_lock(q);
	state = trivio_ring_get_state(&q->ring);
	mutex_unlock(&q->lock);
	return state;
}
EXPORT_SYMBOL_GPL(trivio_queue_get_state);

static void mem_leave(struct trivio_mem *mem, struct list_head *node)
{
	if (!mem)
		return;
	mutex_lock(&mem->lock);
	list_del_init(node);
	mutex_unlock(&mem->lock);
}

/**
 * trivio_queue_set_mems() - the address spaces of the buffers and of the ring
 * @q: queue
 * @mem: of what descriptors point at, indirect tables included; or NULL
 * @ring_mem: of descriptor, driver and device area; NULL if @mem is
 *
 * A running queue lets go of the ring in the old one and goes on in the new.
 *
 * Context: may sleep; takes the address spaces' locks in turn.
 *
 * Return: 0; -EBUSY if it runs and @mem is NULL; -EINVAL for two spaces of
 * different kinds.
 */
int trivio_queue_set_mems(struct trivio_queue *q, struct trivio_mem *mem,
			  struct trivio_mem *ring_mem)
{
	struct trivio_mem *old = q->mem, *old_ring = q->ring_mem;

	if (old == mem && old_ring == ring_mem)
		return 0;
	if (!mem != !ring_mem || (mem && mem->kind != ring_mem->kind))
		return -EINVAL;
	if (!mem && q->state != TRIVIO_Q_IDLE)
		return -EBUSY;
	mem_leave(old, &q->mem_node);
	mem_leave(old_ring, &q->ring_node);
	trivio_queue_lock(q);
	trivio_queue_unmap(q);
	q->mem = mem;
	q->ring_mem = ring_mem;
	q->hit.gen = 0;
	mutex_unlock(&q->lock);
	if (mem) {
		mutex_lock(&mem->lock);
		list_add_tail(&q->mem_node, &mem->queues);
		mutex_unlock(&mem->lock);
		mutex_lock(&ring_mem->lock);
		list_add_tail(&q->ring_node, &ring_mem->rings);
		mutex_unlock(&ring_mem->lock);
	}
	trivio_queue_wake(q);
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_queue_set_mems);

/**
 * trivio_queue_set_mem() - one address space for ring and buffers
 * @q: queue
 * @mem: address space, or NULL
 *
 * Context: may sleep; takes the address spaces' locks in turn.
 *
 * Return: 0, or -EBUSY if it runs and @mem is NULL.
 */
int trivio_queue_set_mem(struct trivio_queue *q, struct trivio_mem *mem)
{
	return trivio_queue_set_mems(q, mem, mem);
}
EXPORT_SYMBOL_GPL(trivio_queue_set_mem);

/**
 * trivio_queue_set_log() - switch the dirty log of device writes
 * @q: queue; may be running
 * @on: whether &trivio_front_ops.log_write and log_ring are called
 */
void trivio_queue_set_log(struct trivio_queue *q, bool on)
{
	trivio_queue_lock(q);
	q->log = on;
	q->ring.log = on;
	mutex_unlock(&q->lock);
}
EXPORT_SYMBOL_GPL(trivio_queue_set_log);

/**
 * trivio_queue_set_worker() - where the queue runs
 * @q: queue; may be running
 * @w: worker (a reference is taken), or NULL
 *
 * Work that the old worker still has runs there; the queue's lock keeps the two
 * apart. The old worker is flushed.
 *
 * Context: may sleep; not from a worker.
 */
void trivio_queue_set_worker(struct trivio_queue *q, struct trivio_worker *w)
{
	struct trivio_worker *old;

	if (w)
		trivio_worker_get(w);
	trivio_queue_lock(q);
	old = rcu_dereference_protected(q->worker, lockdep_is_held(&q->lock));
	rcu_assign_pointer(q->worker, w);
	mutex_unlock(&q->lock);
	if (old) {
		synchronize_rcu();
		trivio_worker_flush(old);
		trivio_worker_put(old);
	}
	trivio_queue_wake(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_set_worker);

/**
 * trivio_queue_start() - put a configured queue into service
 * @q: queue
 *
 * The ring is looked at once without waiting for a kick.
 *
 * Context: may sleep. For user memory: in the owner's process.
 *
 * Return: 0 (also if it already runs); -EINVAL if it lacks size or memory;
 * what mapping the ring said. A missing mapping that was asked for is no error.
 */
int trivio_queue_start(struct trivio_queue *q)
{
	int err = 0;

	trivio_queue_lock(q);
	if (q->state == TRIVIO_Q_RUNNING)
		goto out;
	/* A broken one still has its ring, and its service: that ends first. */
	if (q->state == TRIVIO_Q_BROKEN) {
		trivio_queue_unmap(q);
		q->state = TRIVIO_Q_IDLE;
	}
	if (q->dev->class->queue_ops && q->mem)
		q->ops = q->dev->class->queue_ops(q);
	if (!q->num || !q->mem || !q->ops) {
		err = -EINVAL;
		goto out;
	}
	q->state = TRIVIO_Q_RUNNING;
	WRITE_ONCE(q->kick_pending, false);
	memset(&q->first, 0, sizeof(q->first));
	err = q->hold ? 0 : trivio_queue_map(q);
	if (err == -EAGAIN)
		err = 0;
	if (err)
		q->state = TRIVIO_Q_IDLE;
	else
		trace_trivio_state(q->dev, q->index, TRIVIO_Q_IDLE,
				   TRIVIO_Q_RUNNING);
out:
	mutex_unlock(&q->lock);
	if (!err) {
		trivio_nl_state(q->dev);
		trivio_queue_wake(q);
	}
	return err;
}
EXPORT_SYMBOL_GPL(trivio_queue_start);

/**
 * trivio_queue_stop() - take a queue out of service
 * @q: queue
 *
 * On return nothing touches its ring or its buffers, every completed chain is
 * published, and trivio_queue_get_state() is final.
 *
 * Context: may sleep.
 */
void trivio_queue_stop(struct trivio_queue *q)
{
	trivio_queue_lock(q);
	if (q->state != TRIVIO_Q_IDLE) {
		trace_trivio_state(q->dev, q->index, q->state, TRIVIO_Q_IDLE);
		trivio_queue_unmap(q);
		q->state = TRIVIO_Q_IDLE;
	}
	mutex_unlock(&q->lock);
	trivio_nl_state(q->dev);
}
EXPORT_SYMBOL_GPL(trivio_queue_stop);

/**
 * trivio_queue_pause() - end service and let go of the ring, still running
 * @q: queue; the device is paused, so it does not come back by itself
 */
void trivio_queue_pause(struct trivio_queue *q)
{
	trivio_queue_lock(q);
	trivio_queue_unmap(q);
	mutex_unlock(&q->lock);
}

/**
 * trivio_queue_sync() - wait for the turn of service that may be running
 * @q: queue
 *
 * Worker mode only; a direct queue is waited for with RCU.
 */
void trivio_queue_sync(struct trivio_queue *q)
{
	trivio_queue_lock(q);
	mutex_unlock(&q->lock);
}
EXPORT_SYMBOL_GPL(trivio_queue_sync);

/**
 * trivio_queue_reset() - back to what a new queue is; counters stay
 * @q: queue
 */
void trivio_queue_reset(struct trivio_queue *q)
{
	bool log;

	trivio_queue_stop(q);
	trivio_queue_lock(q);
	q->num = 0;
	q->desc_addr = 0;
	q->driver_addr = 0;
	q->device_addr = 0;
	q->enabled = false;
	q->kick_pending = false;
	/* No position at all: either layout then begins at its own first. */
	log = q->ring.log;
	memset(&q->ring, 0, sizeof(q->ring));
	q->ring.log = log;
	mutex_unlock(&q->lock);
}
EXPORT_SYMBOL_GPL(trivio_queue_reset);

/**
 * trivio_queue_first_error() - the first error since the queue was started
 * @q: queue
 * @rec: filled in; err is TRIVIO_OK if there was none
 *
 * Context: any.
 */
void trivio_queue_first_error(struct trivio_queue *q,
			      struct trivio_fault_rec *rec)
{
	unsigned long flags;

	spin_lock_irqsave(&q->first_lock, flags);
	*rec = q->first;
	spin_unlock_irqrestore(&q->first_lock, flags);
}
EXPORT_SYMBOL_GPL(trivio_queue_first_error);
