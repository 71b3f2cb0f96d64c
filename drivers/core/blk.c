// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-blk device model (virtio 1.2, 5.2): request queues in front, a
 * disk behind.
 *
 * Two ways to serve a queue:
 *  - direct, for disks that seldom sleep, over kernel memory: a request is
 *    carried out where the kick came in, under a spinlock, and the driver's
 *    call comes before the kick returns. No thread, no switch. A kick that
 *    comes with interrupts off (an eventfd's) or while somebody else serves
 *    goes to the worker, which takes the same lock;
 *  - worker: the queue's worker pops and hands each request to a work item, so
 *    that many are in flight at once. Over user memory the
 *    worker carries them out itself, as it has the mm.
 *
 * A request that can't be done at once is copied from the queue's scratch chain
 * to its own memory (blk_req.c), completes on a list, and is pushed by the service.
 */
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include <trivio/blk.h>
#include <trivio/fault.h>

#include "blk_impl.h"

/* One turn of service: bounds both time under the lock and the latency of
 * other queues of the same worker.
 */
#define BLK_BUDGET_REQS		64
#define BLK_BUDGET_BYTES	(1U << 20)
/* Turns in the context of a kick before the worker takes over. */
#define BLK_KICK_TURNS		2

/* As QEMU's virtio-blk offers by default: ring size less header and status. */
#define BLK_SEG_MAX		126

/*
 * What a queue may have under way. More stays in its ring, so that a driver can't
 * queue hours of work that a reset, or a map that changes, would have to wait for.
 */
#define BLK_INFLIGHT_REQS	256
#define BLK_INFLIGHT_BYTES	(64LL << 20)

/* Threads for what may sleep, for one device. */
#define BLK_WORKERS		64

static struct trivio_blkq *to_blkq(struct trivio_queue *q)
{
	return q->port_priv;
}

/* --- data path --------------------------------------------------------- */

static u8 blk_status(int err)
{
	switch (err) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

/*
 * Used length: bytes that were written from the start of the writable part on.
 * With data that stayed unwritten the status behind it does not count.
 */
static u32 blk_written(const struct trivio_blk_req *req, u8 status)
{
	u32 data = req->chain.in_len - 1;

	if (!data)
		return 1;
	if (status == VIRTIO_BLK_S_OK &&
	    (req->cmd.op == TRIVIO_BLK_IN || req->cmd.op == TRIVIO_BLK_GET_ID ||
	     req->cmd.op == TRIVIO_BLK_GET_LIFETIME))
		return req->cmd.len == data ? data + 1 : req->cmd.len;
	return 0;
}

static void blk_complete(struct trivio_queue *q, struct trivio_blk_req *req,
			 u8 status)
{
	struct trivio_chain *c = &req->chain;

	if (trivio_chain_write(q, c, c->in_len - 1, &status, 1)) {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, c->id, c->in_len);
		trivio_queue_push(q, c, 0);
		return;
	}
	trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
	if (status == VIRTIO_BLK_S_OK) {
		if (req->cmd.op <= TRIVIO_BLK_OUT) {
			trivio_stat_add(q, TRIVIO_STAT_BYTES, req->cmd.len);
			trivio_stat_inc(q, TRIVIO_STAT_COPIES);
		}
	} else {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_BACKEND, c->id,
				  req->cmd.len);
	}
	trivio_queue_push(q, c, blk_written(req, status));
}

/* Copy and check every range before any is carried out. */
static int blk_get_ranges(struct trivio_blkq *bq, struct trivio_blk_req *req,
			  const struct trivio_blk_limits *lim)
{
	struct virtio_blk_discard_write_zeroes raw;
	u32 i, off = sizeof(struct virtio_blk_outhdr);
	int status;

	for (i = 0; i < req->cmd.nseg; i++, off += sizeof(raw)) {
		if (trivio_chain_read(bq->q, &req->chain, off, &raw,
				      sizeof(raw)))
			return VIRTIO_BLK_S_IOERR;
		status = trivio_blk_parse_range(lim, &req->cmd, &raw,
						&bq->range[i]);
		if (status)
			return status;
	}
	req->range = bq->range;
	return 0;
}

/*
 * Faults of a request: power fails before it is carried out, a failure, or a
 * delay in which others overtake it.
 */
static int blk_fault(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	u32 ms, keep, us = 0;

	if (trivio_fault(bq->q, TRIVIO_FAULT_POWER_LOSS, &keep)) {
		WRITE_ONCE(bq->blk->dead, true);
		trivio_fault_power(bq->blk->dev, keep);
		return -EIO;
	}
	if (trivio_fault(bq->q, TRIVIO_FAULT_IO_ERROR, NULL))
		return -EIO;
	if (bq->q->mem->kind != TRIVIO_MEM_KERNEL)
		return 0;
	if (trivio_fault(bq->q, TRIVIO_FAULT_IO_DELAY, &ms))
		us = ms * USEC_PER_MSEC;
	us += trivio_fault_jitter(bq->q);
	if (!us)
		return 0;
	req->delay_us = us;
	return trivio_blk_defer(bq, req);
}

static int blk_submit(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	struct trivio_disk *disk = bq->blk->disk;
	int err;

	req->delay_us = 0;
	if (unlikely(READ_ONCE(bq->blk->dead)))
		return -EIO;
	if (static_branch_unlikely(&trivio_faults_on)) {
		err = blk_fault(bq, req);
		if (err)
			return err;
	}

	/* User memory can only be reached from here, under the owner's mm. */
	req->may_sleep = bq->q->mem->kind == TRIVIO_MEM_USER;
	if (!req->may_sleep &&
	    (!disk->ops->atomic || req->cmd.len > BLK_BUDGET_BYTES))
		return trivio_blk_defer(bq, req);
	if (req->cmd.op <= TRIVIO_BLK_OUT)
		trivio_blk_data_iter(bq->q, req);
	err = disk->ops->submit(disk, req);
	if (err == -EAGAIN && !req->may_sleep)
		err = trivio_blk_defer(bq, req);
	return err;
}

static u8 blk_get_id(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	if (req->cmd.len && trivio_chain_write(bq->q, &req->chain, 0,
					       bq->blk->serial, req->cmd.len))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static u8 blk_get_lifetime(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	__le16 words[TRIVIO_BLK_LIFETIME_NR];
	int i;

	for (i = 0; i < TRIVIO_BLK_LIFETIME_NR; i++)
		words[i] = cpu_to_le16(READ_ONCE(bq->blk->lifetime[i]));
	return trivio_chain_write(bq->q, &req->chain, 0, words,
				  sizeof(words)) ? VIRTIO_BLK_S_IOERR :
						   VIRTIO_BLK_S_OK;
}

/* What is answered here and now, without the disk. */
static bool blk_answered(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	switch (req->cmd.op) {
	case TRIVIO_BLK_GET_ID:
		blk_complete(bq->q, req, blk_get_id(bq, req));
		return true;
	case TRIVIO_BLK_GET_LIFETIME:
		blk_complete(bq->q, req, blk_get_lifetime(bq, req));
		return true;
	default:
		return false;
	}
}

/*
 * One popped request: from the bytes of the driver to the disk, or back. False if
 * it went back to the ring, until something that is under way has ended.
 */
static bool blk_request(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	struct trivio_blk_limits lim = bq->blk->limits;
	struct virtio_blk_outhdr hdr = {};
	struct trivio_queue *q = bq->q;
	struct trivio_chain *c = &req->chain;
	int status, err;

	lim.sectors = READ_ONCE(bq->blk->limits.sectors);
	req->range = NULL;
	if (c->out_len >= sizeof(hdr) &&
	    trivio_chain_read(q, c, 0, &hdr, sizeof(hdr))) {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, c->id, c->out_len);
		trivio_queue_push(q, c, 0);
		return true;
	}
	status = trivio_blk_parse(&lim, &hdr, c->out_len, c->in_len, &req->cmd);
	if (unlikely(status < 0)) {
		/* Nothing to answer in: the driver is broken. */
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FORMAT, c->id,
				  c->out_len);
		trivio_queue_push(q, c, 0);
		trivio_queue_error(q, TRIVIO_ERR_FORMAT, c->id, 0);
		return true;
	}
	if (!status && req->cmd.nseg)
		status = blk_get_ranges(bq, req, &lim);
	if (!status && blk_answered(bq, req))
		return true;
	if (status) {
		req->cmd.len = 0;
		blk_complete(q, req, status);
		return true;
	}
	req->sync = !READ_ONCE(bq->blk->wce);
	err = blk_submit(bq, req);
	if (unlikely(err == BLK_LATER)) {
		trivio_queue_unpop(q, c);
		return false;
	}
	if (err != -EIOCBQUEUED)
		blk_complete(q, req, blk_status(err));
	return true;
}

static void blk_reap(struct trivio_blkq *bq)
{
	struct trivio_blk_req *req, *next;
	struct llist_node *node;

	if (llist_empty(&bq->done))
		return;
	node = llist_reverse_order(llist_del_all(&bq->done));
	llist_for_each_entry_safe(req, next, node, done) {
		blk_complete(bq->q, req, blk_status(req->err));
		trivio_blk_req_free(bq, req);
	}
}

/*
 * Its requests are enough for now: each that ends wakes the queue. So does the one
 * that has the spare.
 */
static bool blk_full(struct trivio_blkq *bq)
{
	int n = atomic_read(&bq->inflight);

	return unlikely(n) &&
	       (n >= BLK_INFLIGHT_REQS ||
		atomic64_read(&bq->inflight_bytes) >= BLK_INFLIGHT_BYTES);
}

/*
 * One bounded turn. Returns whether there is more to do.
 *
 * Kicks are switched off while requests keep coming and on again before the
 * ring is looked at a last time.
 */
static bool blk_turn(struct trivio_blkq *bq)
{
	struct trivio_blk_req *req = &bq->req;
	struct trivio_queue *q = bq->q;
	u32 reqs = 0, bytes = 0;
	int got = 0;

	blk_reap(bq);
	trivio_ring_kick_disable(&q->ring);
	for (;;) {
		got = blk_full(bq) ? 0 : trivio_queue_next(q, &req->chain);
		if (got <= 0)
			break;
		bytes += req->chain.out_len + req->chain.in_len;
		if (unlikely(!blk_request(bq, req))) {
			got = 0;
			break;
		}
		if (++reqs >= BLK_BUDGET_REQS || bytes >= BLK_BUDGET_BYTES)
			break;
	}
	trivio_queue_flush(q);
	return got > 0;
}

/**
 * trivio_blk_wake() - have a queue looked at where it may be served
 * @bq: queue
 *
 * Context: any, interrupts off and eventfd wake-ups included.
 */
void trivio_blk_wake(struct trivio_blkq *bq)
{
	struct trivio_queue *q = bq->q;
	struct trivio_worker *w;

	if (!trivio_queue_direct(q)) {
		trivio_queue_wake(q);
		return;
	}
	set_bit(BLK_KICKED, &bq->flags);
	rcu_read_lock();
	w = rcu_dereference(q->worker);
	if (w)
		trivio_worker_queue(w, &bq->work);
	rcu_read_unlock();
}

/*
 * Direct service. BLK_KICKED is set before the lock is tried: whoever holds the
 * lock looks at the bit after letting it go, so that a kick which finds it
 * taken is never lost.
 */
static void blk_direct(struct trivio_blkq *bq, unsigned int turns)
{
	bool more;

	set_bit(BLK_KICKED, &bq->flags);
	/* Pairs with the barrier behind spin_unlock() below. */
	smp_mb__after_atomic();
	while (test_bit(BLK_KICKED, &bq->flags)) {
		if (!turns--) {
			trivio_blk_wake(bq);
			return;
		}
		if (!spin_trylock(&bq->lock))
			return;
		clear_bit(BLK_KICKED, &bq->flags);
		/* Kicks from here on are new; so is what the ring shows. */
		smp_mb__after_atomic();
		more = bq->running && blk_turn(bq);
		spin_unlock(&bq->lock);
		if (more)
			set_bit(BLK_KICKED, &bq->flags);
		/* Unlock before looking; pairs with the barrier above. */
		smp_mb();
	}
}

static void blk_kick(struct trivio_queue *q)
{
	struct trivio_blkq *bq = to_blkq(q);

	/*
	 * Not inside an eventfd wake-up, whose signals the call would lose, nor
	 * with interrupts off: a driver may hold the lock its call takes.
	 */
	if (!in_task() || irqs_disabled() || !eventfd_signal_allowed())
		trivio_blk_wake(bq);
	else
		blk_direct(bq, BLK_KICK_TURNS);
}

static void blk_direct_work(struct trivio_work *work)
{
	struct trivio_blkq *bq = container_of(work, struct trivio_blkq, work);

	trivio_stat_inc(bq->q, TRIVIO_STAT_WAKEUPS);
	blk_direct(bq, 1);
}

static int blk_direct_start(struct trivio_queue *q)
{
	struct trivio_blkq *bq = to_blkq(q);

	spin_lock(&bq->lock);
	trivio_chain_init(q, &bq->req.chain);
	bq->running = true;
	spin_unlock(&bq->lock);
	return 0;
}

static void blk_drain(struct trivio_blkq *bq)
{
	wait_event(bq->wait, !atomic_read(&bq->inflight));
	/* The last trivio_blk_req_done() may still be in its wake-ups. */
	synchronize_rcu();
	blk_reap(bq);
	trivio_queue_flush(bq->q);
}

static void blk_direct_stop(struct trivio_queue *q)
{
	struct trivio_blkq *bq = to_blkq(q);

	spin_lock(&bq->lock);
	bq->running = false;
	spin_unlock(&bq->lock);
	/* @running is off, so the ring is ours. */
	blk_drain(bq);
}

static const struct trivio_queue_ops blk_direct_ops = {
	.kick = blk_kick,
	.start = blk_direct_start,
	.stop = blk_direct_stop,
};

static bool blk_serve(struct trivio_queue *q)
{
	struct trivio_blkq *bq = to_blkq(q);

	trivio_chain_init(q, &bq->req.chain);
	return blk_turn(bq);
}

static void blk_stop(struct trivio_queue *q)
{
	lockdep_assert_held(&q->lock);
	blk_drain(to_blkq(q));
}

static void blk_reap_broken(struct trivio_queue *q)
{
	lockdep_assert_held(&q->lock);
	blk_reap(to_blkq(q));
	trivio_queue_flush(q);
}

static const struct trivio_queue_ops blk_worker_ops = {
	.serve = blk_serve,
	.stop = blk_stop,
	.reap = blk_reap_broken,
};

static const struct trivio_queue_ops *blk_queue_ops(struct trivio_queue *q)
{
	return to_blkq(q)->blk->disk->ops->atomic &&
	       q->mem->kind == TRIVIO_MEM_KERNEL ? &blk_direct_ops :
						   &blk_worker_ops;
}

/* --- control path ------------------------------------------------------ */

static int blk_queue_init(struct trivio_blk *blk, u16 i)
{
	struct trivio_blkq *bq = &blk->bq[i];
	struct trivio_queue *q = &blk->dev->queue[i];

	bq->blk = blk;
	bq->q = q;
	bq->req.q = q;
	bq->req.blk = blk;
	spin_lock_init(&bq->lock);
	atomic_set(&bq->inflight, 0);
	init_llist_head(&bq->done);
	init_waitqueue_head(&bq->wait);
	trivio_work_init(&bq->work, blk_direct_work);
	bq->range = kvmalloc_array(TRIVIO_BLK_RANGES_MAX, sizeof(*bq->range),
				   GFP_KERNEL_ACCOUNT);
	bq->spare = trivio_blk_spare();
	if (!bq->range || !bq->spare)
		return -ENOMEM;
	q->port_priv = bq;
	return 0;
}

static void blk_free(struct trivio_blk *blk)
{
	u16 i;

	if (blk->wq)
		destroy_workqueue(blk->wq);
	for (i = 0; i < blk->nqueues; i++) {
		kvfree(blk->bq[i].range);
		kvfree(blk->bq[i].spare);
	}
	mutex_destroy(&blk->resize_lock);
	cleanup_srcu_struct(&blk->inflight);
	kvfree(blk);
}

static int blk_init(struct trivio_dev *dev, const void *class_cfg)
{
	const struct trivio_blk_cfg *cfg = class_cfg;
	struct trivio_blk *blk;
	int err;
	u16 i;

	blk = kvzalloc(struct_size(blk, bq, dev->nqueues), GFP_KERNEL_ACCOUNT);
	if (!blk)
		return -ENOMEM;
	blk->nqueues = dev->nqueues;
	blk->dev = dev;
	blk->disk = cfg->disk;
	blk->seg_max = cfg->seg_max ?: BLK_SEG_MAX;
	blk->limits.sectors = cfg->disk->sectors;
	blk->limits.block_size = cfg->disk->block_size;
	blk->limits.read_only = cfg->read_only || cfg->disk->read_only;
	memcpy(blk->serial, cfg->serial, sizeof(blk->serial));
	memcpy(blk->lifetime, cfg->lifetime, sizeof(blk->lifetime));
	mutex_init(&blk->resize_lock);
	err = init_srcu_struct(&blk->inflight);
	if (err) {
		kvfree(blk);
		return err;
	}
	/*
	 * Its own, so that devices don't wait for each other's disks. Not for memory
	 * reclaim, as the file systems that it calls flush work that is not.
	 */
	blk->wq = alloc_workqueue("%s", WQ_UNBOUND, BLK_WORKERS, dev->name);
	if (!blk->wq) {
		err = -ENOMEM;
		goto err_free;
	}
	for (i = 0; i < dev->nqueues; i++) {
		err = blk_queue_init(blk, i);
		if (err)
			goto err_free;
	}
	dev->class_priv = blk;
	return 0;

err_free:
	blk_free(blk);
	return err;
}

static void blk_give_up(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;

	WRITE_ONCE(blk->ending, true);
}

/* Work item of a fault; requests that come meanwhile fail. */
static void blk_power_loss(struct trivio_dev *dev, u32 keep, u32 seed)
{
	struct trivio_blk *blk = dev->class_priv;

	/* What was under way before has reached the disk, or has not. */
	synchronize_srcu(&blk->inflight);
	if (blk->disk->ops->power_loss)
		blk->disk->ops->power_loss(blk->disk, keep, seed);
}

/* Queues are stopped; what the workers still have queued must end first. */
static void blk_exit(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;
	struct trivio_worker *w;
	u16 i;

	for (i = 0; i < blk->nqueues; i++) {
		w = rcu_dereference_protected(dev->queue[i].worker, true);
		if (w)
			trivio_worker_flush(w);
	}
	blk->disk->ops->free(blk->disk);
	blk_free(blk);
}

static int blk_features_set(struct trivio_dev *dev, u64 features)
{
	struct trivio_blk *blk = dev->class_priv;

	blk->limits.features = features;
	/*
	 * Without FLUSH the driver can't ask for stable storage, so every write
	 * is (virtio 1.2, 5.2.6.2).
	 */
	blk->wce = features & BIT_ULL(VIRTIO_BLK_F_FLUSH);
	return 0;
}

const struct trivio_class_ops trivio_blk_class = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.features = TRIVIO_BLK_FEATURES | BIT_ULL(VIRTIO_BLK_F_RO) |
		    BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) |
		    BIT_ULL(VIRTIO_BLK_F_MQ) |
		    BIT_ULL(VIRTIO_BLK_F_DISCARD) |
		    BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES) |
		    BIT_ULL(TRIVIO_BLK_F_LIFETIME) |
		    BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE),
	.init = blk_init,
	.exit = blk_exit,
	.features_set = blk_features_set,
	.config_len = trivio_blk_config_len,
	.config_read = trivio_blk_config_read,
	.config_write = trivio_blk_config_write,
	.give_up = blk_give_up,
	.reset = trivio_blk_reset,
	.queue_ops = blk_queue_ops,
	.power_loss = blk_power_loss,
	.state_len = trivio_blk_state_len,
	.state_save = trivio_blk_state_save,
	.state_check = trivio_blk_state_check,
	.state_load = trivio_blk_state_load,
};
EXPORT_SYMBOL_GPL(trivio_blk_class);
