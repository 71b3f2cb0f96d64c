// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue in service: configuration, mapping of its ring, kick -> pop -> serve
 * -> push -> call, and what happens when the driver breaks the rules.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <trivio/device.h>

#include "check_impl.h"
#include "core.h"
#include "fault_impl.h"
#include "queue_impl.h"
#include "trace.h"

enum { AREA_DESC, AREA_DRIVER, AREA_DEVICE, AREA_NR };

static int ring_read(void *ctx, u64 addr, void *dst, u32 len);
static void ring_log(void *ctx, enum trivio_area area, u32 off, u32 len);

static bool ring_idle(void *ctx);

static const struct trivio_ring_ops queue_ring_ops = {
	.read = ring_read,
	.log = ring_log,
	.idle = ring_idle,
};

/* --- what the ring asks for ------------------------------------------- */

/* Indirect tables. A table may cross mappings like any other buffer. */
static int ring_read(void *ctx, u64 addr, void *dst, u32 len)
{
	struct trivio_queue *q = ctx;
	union trivio_seg seg[8];
	int i, n, err;
	u64 bad;

	n = translate(q, queue_gen(q), addr, len, TRIVIO_RO, seg,
		      ARRAY_SIZE(seg), &bad);
	if (n < 0)
		return n;
	for (i = 0; i < n; i++) {
		err = trivio_seg_read(q, dst, &seg[i], 0, seg[i].u.iov_len);
		if (err)
			return err;
		dst += seg[i].u.iov_len;
	}
	return 0;
}

static void ring_log(void *ctx, enum trivio_area area, u32 off, u32 len)
{
	struct trivio_queue *q = ctx;

	if (q->dev->front->log_ring &&
	    q->dev->front->log_ring(q, area, off, len))
		trivio_queue_error(q, TRIVIO_ERR_LOG, 0, 0);
}

static bool ring_idle(void *ctx)
{
	struct trivio_queue *q = ctx;

	return q->dev->front->idle && q->dev->front->idle(q);
}

static void log_chain(struct trivio_queue *q, const struct trivio_chain *c,
		      u32 written)
{
	int i;

	if (!q->dev->front->log_write)
		return;
	for (i = c->nout; i < c->nout + c->nin && written; i++) {
		u32 part = min(written, c->desc[i].len);

		if (part && q->dev->front->log_write(q, c->desc[i].addr, part)) {
			trivio_queue_error(q, TRIVIO_ERR_LOG, c->id,
					   c->desc[i].addr);
			return;
		}
		written -= part;
	}
}

/* --- mapping of the ring ----------------------------------------------- */

static void queue_area_cfg(struct trivio_queue *q, int area, u64 *addr,
			   size_t *len, u32 *perm)
{
	bool packed = trivio_has(q->dev, VIRTIO_F_RING_PACKED);
	size_t bytes[AREA_NR];

	trivio_ring_bytes(q->num, packed,
			  trivio_has(q->dev, VIRTIO_RING_F_EVENT_IDX),
			  &bytes[AREA_DESC], &bytes[AREA_DRIVER],
			  &bytes[AREA_DEVICE]);
	*len = bytes[area];
	switch (area) {
	case AREA_DESC:
		*addr = q->desc_addr;
		*perm = packed ? TRIVIO_RW : TRIVIO_RO;
		break;
	case AREA_DRIVER:
		*addr = q->driver_addr;
		*perm = TRIVIO_RO;
		break;
	default:
		*addr = q->device_addr;
		*perm = TRIVIO_RW;
	}
}

/**
 * trivio_queue_area() - where a mapped ring area lies
 * @q: queue
 * @area: 0 descriptors, 1 driver, 2 device
 * @first: first address, in the ring's address space
 * @last: last address
 *
 * Context: under &trivio_mem.lock of the ring's memory.
 *
 * Return: whether the area is mapped now.
 */
bool trivio_queue_area(struct trivio_queue *q, int area, u64 *first, u64 *last)
{
	bool mapped;
	size_t len;
	u32 perm;

	trivio_queue_lock(q);
	mapped = q->mapped;
	if (mapped) {
		queue_area_cfg(q, area, first, &len, &perm);
		*last = *first + len - 1;
	}
	mutex_unlock(&q->lock);
	return mapped;
}

/**
 * trivio_queue_unmap() - end service and unmap the ring
 * @q: queue; its lock is held
 */
void trivio_queue_unmap(struct trivio_queue *q)
{
	int i;

	lockdep_assert_held(&q->lock);
	if (!q->mapped)
		return;
	if (q->ops->stop)
		q->ops->stop(q);
	trivio_copy_quiet(q);
	q->mapped = false;
	trivio_check_queue_free(q);
	for (i = 0; i < AREA_NR; i++)
		trivio_mem_unmap(q->ring_mem, &q->map[i]);
}

/**
 * trivio_queue_map() - map the ring and let service begin
 * @q: queue; its lock is held
 *
 * Return: 0, -EAGAIN if a mapping was asked for, or a negative errno.
 */
int trivio_queue_map(struct trivio_queue *q)
{
	struct trivio_ring_cfg cfg = {
		.num = q->num,
		.packed = trivio_has(q->dev, VIRTIO_F_RING_PACKED),
		.event_idx = trivio_has(q->dev, VIRTIO_RING_F_EVENT_IDX),
		.indirect = trivio_has(q->dev, VIRTIO_RING_F_INDIRECT_DESC),
		.in_order = trivio_has(q->dev, VIRTIO_F_IN_ORDER),
		.ops = &queue_ring_ops,
		.ctx = q,
	};
	int i, err;

	lockdep_assert_held(&q->lock);
	q->ring_gen = READ_ONCE(q->ring_mem->gen);
	for (i = 0; i < AREA_NR; i++) {
		size_t len;
		u64 addr;
		u32 perm;

		queue_area_cfg(q, i, &addr, &len, &perm);
		err = trivio_fault(q, TRIVIO_FAULT_MAP, NULL) ? -ENOMEM :
		      trivio_mem_map(q->ring_mem, addr, len, perm,
				     &q->map[i]);
		if (err)
			goto err_unmap;
	}
	cfg.desc = q->map[AREA_DESC].kaddr;
	cfg.driver = q->map[AREA_DRIVER].kaddr;
	cfg.device = q->map[AREA_DEVICE].kaddr;
	q->ring.log = q->log;
	err = trivio_ring_init(&q->ring, &cfg);
	if (err)
		goto err_unmap;
	q->hit.gen = 0;
	q->call_due = false;
	q->mapped = true;
	trivio_check_start(q);
	if (q->ops->start) {
		err = q->ops->start(q);
		if (err) {
			q->mapped = false;
			trivio_check_queue_free(q);
			goto err_unmap;
		}
	}
	return 0;

err_unmap:
	for (i = 0; i < AREA_NR; i++)
		trivio_mem_unmap(q->ring_mem, &q->map[i]);
	return err;
}

/**
 * trivio_queue_map_work() - map the ring of a direct queue
 * @work: &trivio_queue.map_work
 */
void trivio_queue_map_work(struct work_struct *work)
{
	struct trivio_queue *q = container_of(work, struct trivio_queue,
					      map_work);
	bool kick = false;
	int err;

	trivio_queue_lock(q);
	if (q->state == TRIVIO_Q_RUNNING && !q->mapped && !q->hold &&
	    !q->dev->suspended && !q->dev->paused) {
		err = trivio_queue_map(q);
		kick = !err;
		/* What is not mapped may come; anything else stays as it is. */
		if (err && err != -EAGAIN && err != -EFAULT)
			trivio_queue_error(q, TRIVIO_ERR_RING_MAP, 0, 0);
	}
	mutex_unlock(&q->lock);
	if (kick)
		trivio_queue_wake(q);
}

/**
 * trivio_queue_unmap_range() - let go of ring memory that is about to change
 * @q: queue
 * @first: first address that changes
 * @last: last address
 *
 * If any area of the ring lies there, service stops and the ring is unmapped;
 * it is mapped again when the queue next runs.
 *
 * Context: under &trivio_mem.lock of the ring's memory; may sleep.
 */
void trivio_queue_unmap_range(struct trivio_queue *q, u64 first, u64 last)
{
	size_t len;
	u64 addr;
	u32 perm;
	int i;

	trivio_queue_lock(q);
	for (i = 0; i < AREA_NR && q->mapped; i++) {
		queue_area_cfg(q, i, &addr, &len, &perm);
		if (addr <= last && addr + len - 1 >= first)
			trivio_queue_unmap(q);
	}
	mutex_unlock(&q->lock);
}

/* --- service ----------------------------------------------------------- */

/*
 * A road with a table of user memory of its own changes it where it can't wait
 * for queues (vhost_vdpa holds its owner's mmap_lock); what it changed counts from
 * the next turn on. A ring that is not there may come back: then the queue is woken.
 */
static bool ring_usable(struct trivio_queue *q)
{
	bool own = q->ring_mem->kind == TRIVIO_MEM_USER && q->ring_mem->ops &&
		   q->ring_mem->ops->lookup;
	int err;

	if (unlikely(own && q->mapped &&
		     q->ring_gen != READ_ONCE(q->ring_mem->gen)))
		trivio_queue_unmap(q);
	if (likely(q->mapped))
		return true;
	err = trivio_queue_map(q);
	if (err && err != -EAGAIN && !(own && err == -EFAULT))
		trivio_queue_error(q, TRIVIO_ERR_RING_MAP, 0, 0);
	return !err;
}

/*
 * What was under way when the queue broke ends as it always does: who waits for it, a
 * map that changes or a migration, does not know that nobody serves here any more.
 */
static void queue_reap(struct trivio_queue *q)
{
	if (!q->mapped || trivio_queue_direct(q) || !q->ops->reap)
		return;
	if (q->mem->kind == TRIVIO_MEM_USER && !current->mm)
		return;
	q->ops->reap(q);
}

static bool queue_serve(struct trivio_queue *q)
{
	lockdep_assert_held(&q->lock);
	if (unlikely(q->state == TRIVIO_Q_BROKEN))
		queue_reap(q);
	if (q->state != TRIVIO_Q_RUNNING || q->dev->suspended ||
	    q->dev->paused || q->hold)
		return false;
	/* Work that was queued before the start found out who serves. */
	if (trivio_queue_direct(q))
		return false;
	/* Queued before it was known that this run is served directly. */
	if (unlikely(!q->ops->serve))
		return false;
	/* Without the owner's mm its addresses mean nothing (it has exited). */
	if (q->mem->kind == TRIVIO_MEM_USER && !current->mm)
		return false;
	if (unlikely(!ring_usable(q)))
		return false;
	trivio_stat_inc(q, TRIVIO_STAT_WAKEUPS);
	trace_trivio_wake(q);
	return q->ops->serve(q);
}

/**
 * trivio_queue_own_turn() - is this turn of service in the queue's own worker
 * @q: queue
 *
 * Context: service of the queue, in worker mode.
 *
 * Return: false if another queue's worker lent it a turn.
 */
bool trivio_queue_own_turn(struct trivio_queue *q)
{
	struct trivio_worker *w;

	w = rcu_dereference_protected(q->worker, lockdep_is_held(&q->lock));
	return w && trivio_worker_is_current(w);
}

/**
 * trivio_queue_run() - one turn in the worker
 * @work: &trivio_queue.work
 */
void trivio_queue_run(struct trivio_work *work)
{
	struct trivio_queue *q = container_of(work, struct trivio_queue, work);
	bool more, lazy;

	mutex_lock(&q->lock);
	q->lazy = false;
	more = queue_serve(q) && q->state == TRIVIO_Q_RUNNING;
	lazy = q->lazy;
	if (more && !lazy)
		trivio_stat_inc(q, TRIVIO_STAT_RESCHEDULES);
	mutex_unlock(&q->lock);
	if (!more)
		return;
	trivio_queue_wake(q);
	/* Its producer waits for this CPU: let it produce before looking. */
	if (lazy)
		yield();
}

/**
 * trivio_queue_wake() - have the queue looked at, without a driver's kick
 * @q: queue
 *
 * Context: any, interrupts off and eventfd wake-ups included.
 */
void trivio_queue_wake(struct trivio_queue *q)
{
	struct trivio_worker *w;

	if (trivio_queue_direct(q)) {
		if (READ_ONCE(q->mapped))
			q->ops->kick(q);
		else if (READ_ONCE(q->state) == TRIVIO_Q_RUNNING)
			schedule_work(&q->map_work);
		return;
	}
	rcu_read_lock();
	w = rcu_dereference(q->worker);
	if (w)
		trivio_worker_queue(w, &q->work);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(trivio_queue_wake);

/**
 * trivio_queue_kick() - the driver notified
 * @q: queue
 *
 * A kick for a queue that does not run is kept in mind by the ring itself: a
 * start always looks.
 *
 * Context: any, interrupts off and eventfd wake-ups included.
 */
void trivio_queue_kick(struct trivio_queue *q)
{
	atomic64_inc(&q->kicks);
	trace_trivio_kick(q);
	trivio_check_kick(q);
	if (unlikely(READ_ONCE(q->state) != TRIVIO_Q_RUNNING))
		WRITE_ONCE(q->kick_pending, true);
	if (trivio_fault(q, TRIVIO_FAULT_LOST_KICK, NULL))
		return;
	trivio_queue_wake(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_kick);

static int pop_failed(struct trivio_queue *q, struct trivio_chain *c, int err,
		      u64 bad)
{
	enum trivio_err code;

	trivio_ring_unpop(&q->ring, c);
	switch (err) {
	case -EAGAIN:
		/* There may be copies the next time. */
		q->hit.gen = 0;
		return err;
	case -EPERM:
		code = TRIVIO_ERR_PERM;
		break;
	case -EOVERFLOW:
		code = TRIVIO_ERR_WRAP;
		break;
	case -ENOBUFS:
		code = TRIVIO_ERR_TOO_LONG;
		break;
	default:
		code = TRIVIO_ERR_UNMAPPED;
	}
	trivio_queue_error(q, code, c->id, bad);
	return err;
}

/**
 * trivio_queue_pop() - take the next request, ready to be touched
 * @q: queue
 * @c: chain with room for descriptors and segments (trivio_chain_init())
 *
 * Context: service of the queue.
 *
 * Return: 1 with a chain; 0 if the ring is empty; -EAGAIN if memory for it is
 * not mapped yet: end the turn, the queue is woken when it is; another negative
 * errno if the queue broke (the first error is kept, the owner was told).
 */
int trivio_queue_pop(struct trivio_queue *q, struct trivio_chain *c)
{
	u64 bad = 0, gen;
	int n;

	if (unlikely(q->state != TRIVIO_Q_RUNNING))
		return -EPIPE;
	if (trivio_fault(q, TRIVIO_FAULT_STUCK, NULL))
		return -EAGAIN;
	if (trivio_fault(q, TRIVIO_FAULT_BROKEN, NULL)) {
		trivio_queue_error(q, TRIVIO_ERR_INJECTED, 0, 0);
		return -EPIPE;
	}
	n = trivio_ring_pop(&q->ring, c);
	if (n <= 0) {
		if (n == -EAGAIN)
			q->hit.gen = 0;
		else if (n < 0)
			trivio_queue_error(q, q->ring.err, q->ring.err_head,
					   q->ring.err_addr);
		return n;
	}
	gen = queue_gen(q);
	if (likely(c->nout + c->nin == 1 &&
		   hit_covers(&q->hit, gen, c->desc->addr, c->desc->len,
			      c->nin ? TRIVIO_WO : TRIVIO_RO))) {
		hit_seg(&q->hit, c->desc, c->seg);
		c->out_segs = c->nout;
		c->in_segs = c->nin;
	} else {
		n = trivio_chain_translate(q, c, gen, &bad);
		if (unlikely(n < 0))
			return pop_failed(q, c, n, bad);
	}
	c->seq = q->seq++;
	trace_trivio_pop(q, c->id, c->seq, c->out_len, c->in_len);
	n = trivio_check_pop(q, c);
	if (unlikely(n < 0)) {
		trivio_queue_unpop(q, c);
		return n;
	}
	return 1;
}
EXPORT_SYMBOL_GPL(trivio_queue_pop);

/* Looks at a ring that says it has more, and then has not. */
#define DRY_TRIES	16

/**
 * trivio_queue_dry() - a pop found nothing: ask for a kick, or look again
 * @q: queue
 * @tries: times that this was said of it in this turn
 *
 * A driver that flips its ring gets no endless turn: after some tries the queue
 * is woken instead, and others have theirs.
 *
 * Context: service of the queue, kicks are off.
 *
 * Return: true if there is more by now and kicks are off; false to end the turn.
 */
bool trivio_queue_dry(struct trivio_queue *q, unsigned int tries)
{
	if (likely(!trivio_ring_kick_enable(&q->ring)))
		return false;
	trivio_ring_kick_disable(&q->ring);
	if (tries < DRY_TRIES)
		return true;
	trivio_queue_wake(q);
	return false;
}
EXPORT_SYMBOL_GPL(trivio_queue_dry);

/**
 * trivio_queue_unpop() - give back the chain popped last
 * @q: queue
 * @c: chain; several go back in reverse order
 *
 * Context: service of the queue.
 */
void trivio_queue_unpop(struct trivio_queue *q, const struct trivio_chain *c)
{
	trivio_check_unpop(q, c);
	trivio_ring_unpop(&q->ring, c);
	q->seq--;
}
EXPORT_SYMBOL_GPL(trivio_queue_unpop);

static noinline void push_with_faults(struct trivio_queue *q, u16 id, u16 slots,
				      u32 written)
{
	trivio_fault_push(q, &id, &written);
	if (trivio_fault_reorder(q, id, slots, written))
		return;
	trivio_ring_push(&q->ring, id, slots, written);
	trivio_fault_followed(q);
}

/**
 * trivio_queue_push() - complete a chain
 * @q: queue
 * @c: chain
 * @written: bytes written to its writable part, from the start
 *
 * The driver sees it after trivio_queue_flush().
 *
 * Context: service of the queue.
 */
void trivio_queue_push(struct trivio_queue *q, const struct trivio_chain *c,
		       u32 written)
{
	u16 id = c->id;

	trivio_check_push(q, c);
	if (unlikely(q->log))
		log_chain(q, c, written);
	if (unlikely(trivio_copy_any(q)))
		q->mem->ops->pushed(q->mem, q, c);
	if (static_branch_unlikely(&trivio_faults_on))
		push_with_faults(q, id, c->slots, written);
	else
		trivio_ring_push(&q->ring, id, c->slots, written);
	trivio_stat_inc(q, TRIVIO_STAT_CHAINS);
	trace_trivio_push(q, c->id, c->seq, written);
}
EXPORT_SYMBOL_GPL(trivio_queue_push);

/* Show the driver what was completed. False if that has to wait. */
static bool queue_publish(struct trivio_queue *q)
{
	if (unlikely(q->late_valid))
		trivio_fault_followed(q);
	if (!q->ring.pending)
		return false;
	if (unlikely(trivio_copy_any(q)) && trivio_copy_held(q))
		return false;
	trivio_ring_flush(&q->ring);
	trivio_stat_inc(q, TRIVIO_STAT_BATCHES);
	trivio_check_flush(q);
	return true;
}

/* Call the driver for what it was shown since the last decision, if it wants. */
static void queue_call(struct trivio_queue *q)
{
	bool call = trivio_ring_call_needed(&q->ring);

	WRITE_ONCE(q->call_due, false);
	if (!call && trivio_has(q->dev, VIRTIO_F_NOTIFY_ON_EMPTY))
		call = trivio_ring_empty(&q->ring);
	if (static_branch_unlikely(&trivio_faults_on))
		call = trivio_fault_call(q, call);
	trace_trivio_call(q, q->ring.last_used, !call);
	if (call) {
		trivio_stat_inc(q, TRIVIO_STAT_CALLS);
		q->dev->front->call(q);
	} else {
		trivio_stat_inc(q, TRIVIO_STAT_CALLS_SUPPRESSED);
	}
}

/**
 * trivio_queue_flush() - publish completed chains, call the driver if it wants
 * @q: queue
 *
 * Held back while what was written to copies is not with the driver yet; then
 * the service flushes again when it is woken.
 *
 * Context: service of the queue; never from inside an eventfd wake-up.
 */
void trivio_queue_flush(struct trivio_queue *q)
{
	if (queue_publish(q) || unlikely(q->call_due))
		queue_call(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_flush);

/**
 * trivio_queue_publish() - publish completed chains; the call is due
 * @q: queue
 *
 * Whoever serves decides on the call later, and soon, with trivio_queue_flush() or
 * trivio_queue_call_due(): what the driver has seen by itself until then needs none.
 *
 * Context: service of the queue.
 */
void trivio_queue_publish(struct trivio_queue *q)
{
	if (queue_publish(q))
		WRITE_ONCE(q->call_due, true);
}
EXPORT_SYMBOL_GPL(trivio_queue_publish);

/**
 * trivio_queue_call_due() - decide on a call that was put off
 * @q: queue
 *
 * Context: as trivio_queue_flush().
 */
void trivio_queue_call_due(struct trivio_queue *q)
{
	if (q->call_due)
		queue_call(q);
}
EXPORT_SYMBOL_GPL(trivio_queue_call_due);
