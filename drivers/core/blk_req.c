// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests that can't be done at once: memory of their own, a thread that may
 * sleep, and their way back to the service of their queue (blk.c).
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include <trivio/blk.h>

#include "blk_impl.h"

/**
 * trivio_blk_req_void() - does nobody wait for the result of a request any more
 * @req: request
 *
 * A disk asks between steps of what takes long, and fails the rest with -EIO.
 *
 * Context: any.
 *
 * Return: true once a reset or the end of the device waits for it.
 */
bool trivio_blk_req_void(const struct trivio_blk_req *req)
{
	return req->blk && READ_ONCE(req->blk->ending);
}
EXPORT_SYMBOL_GPL(trivio_blk_req_void);

/**
 * trivio_blk_req_pause() - between two steps of a request that takes long
 * @req: request
 *
 * One that may sleep lets others have their turn.
 *
 * Context: as &trivio_blk_req.may_sleep says.
 *
 * Return: true if nobody wants the rest: end it with -EIO.
 */
bool trivio_blk_req_pause(const struct trivio_blk_req *req)
{
	if (!req->may_sleep)
		return false;
	cond_resched();
	return trivio_blk_req_void(req);
}
EXPORT_SYMBOL_GPL(trivio_blk_req_pause);

/* What the disk may have to read or write for it. */
static u64 blk_bytes(const struct trivio_blk_req *req)
{
	u64 bytes = req->cmd.len;
	u32 i;

	if (req->cmd.op != TRIVIO_BLK_WRITE_ZEROES)
		return bytes;
	for (i = 0; i < req->cmd.nseg; i++)
		bytes += (u64)req->range[i].count << TRIVIO_SECTOR_SHIFT;
	return bytes;
}

/**
 * trivio_blk_req_done() - a request that was -EIOCBQUEUED is complete
 * @req: request
 * @err: 0 or a negative errno
 *
 * Context: any. @req is not the caller's any more.
 */
void trivio_blk_req_done(struct trivio_blk_req *req, int err)
{
	struct trivio_blkq *bq = req->q->port_priv;

	req->err = err;
	/* Keeps @bq from going away under the wake-ups: stop waits for RCU. */
	rcu_read_lock();
	atomic64_sub(blk_bytes(req), &bq->inflight_bytes);
	llist_add(&req->done, &bq->done);
	atomic_dec(&bq->inflight);
	trivio_blk_wake(bq);
	wake_up(&bq->wait);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(trivio_blk_req_done);

/* Injected; a reset need not wait for it. */
static void blk_delay(const struct trivio_blk_req *req)
{
	ktime_t end = ktime_add_us(ktime_get(), req->delay_us);
	s64 left;

	while ((left = ktime_us_delta(end, ktime_get())) > 0 &&
	       !trivio_blk_req_void(req)) {
		left = min(left, 50 * USEC_PER_MSEC);
		usleep_range(left, left + 20);
	}
}

static void blk_work(struct work_struct *work)
{
	struct trivio_blk_req *req = container_of(work, struct trivio_blk_req,
						  work);
	/* The disk may lie on a file system that lies on this device. */
	unsigned int noio = memalloc_noio_save();
	struct trivio_disk *disk = req->blk->disk;
	int err;

	if (unlikely(req->delay_us))
		blk_delay(req);
	err = trivio_blk_req_void(req) ? -EIO : disk->ops->submit(disk, req);
	memalloc_noio_restore(noio);
	if (err != -EIOCBQUEUED)
		trivio_blk_req_done(req, err);
}

static size_t blk_req_size(u32 ndesc, u32 nseg, u32 nrange)
{
	return sizeof(struct trivio_blk_req) +
	       nseg * sizeof(union trivio_seg) +
	       ndesc * sizeof(struct trivio_desc) +
	       nrange * sizeof(struct trivio_blk_range);
}

/**
 * trivio_blk_spare() - memory for the largest request, for &trivio_blkq.spare
 *
 * Context: may sleep.
 *
 * Return: to be freed with kvfree(), or NULL.
 */
struct trivio_blk_req *trivio_blk_spare(void)
{
	return kvmalloc(blk_req_size(TRIVIO_CHAIN_MAX, TRIVIO_CHAIN_MAX,
				     TRIVIO_BLK_RANGES_MAX),
			GFP_KERNEL_ACCOUNT);
}

/*
 * Where memory can't be waited for, one request at a time has the spare's. For
 * others that one's end is what they wait for.
 */
static struct trivio_blk_req *blk_req_alloc(struct trivio_blkq *bq, size_t size)
{
	gfp_t gfp = trivio_queue_direct(bq->q) ? GFP_NOWAIT | __GFP_NOWARN :
						 GFP_NOIO | __GFP_NOWARN;
	struct trivio_blk_req *req = kvmalloc(size, gfp);

	if (likely(req))
		return req;
	return test_and_set_bit(BLK_SPARE, &bq->flags) ? NULL : bq->spare;
}

/* Give the request in hand memory of its own: head, segments, ranges. */
static struct trivio_blk_req *blk_req_dup(struct trivio_blkq *bq,
					  const struct trivio_blk_req *src)
{
	const struct trivio_chain *c = &src->chain;
	u32 ndesc = c->nout + c->nin, nseg = c->out_segs + c->in_segs;
	struct trivio_blk_req *req;
	void *p;

	req = blk_req_alloc(bq, blk_req_size(ndesc, nseg, src->cmd.nseg));
	if (!req)
		return NULL;
	*req = *src;
	p = req + 1;
	req->chain.seg = memcpy(p, c->seg, nseg * sizeof(*c->seg));
	req->chain.seg_max = nseg;
	p += nseg * sizeof(*c->seg);
	req->chain.desc = memcpy(p, c->desc, ndesc * sizeof(*c->desc));
	req->chain.desc_max = ndesc;
	p += ndesc * sizeof(*c->desc);
	req->range = src->cmd.nseg ? memcpy(p, src->range, src->cmd.nseg *
					    sizeof(*src->range)) : NULL;
	return req;
}

/**
 * trivio_blk_defer() - carry on with the request in hand where it may sleep
 * @bq: queue it was popped from
 * @req: the queue's own, copied here
 *
 * Context: service of the queue.
 *
 * Return: -EIOCBQUEUED, or BLK_LATER without memory for it: another that is under
 * way has the spare, and its end wakes the queue.
 */
int trivio_blk_defer(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	struct trivio_blk_req *own;

	own = blk_req_dup(bq, req);
	if (!own)
		return BLK_LATER;
	own->may_sleep = true;
	/* Ends in another context, which sparse can't follow. */
	own->srcu_idx = srcu_down_read(&bq->blk->inflight);
	__release(&bq->blk->inflight);
	if (own->cmd.op <= TRIVIO_BLK_OUT)
		trivio_blk_data_iter(bq->q, own);
	INIT_WORK(&own->work, blk_work);
	atomic_inc(&bq->inflight);
	atomic64_add(blk_bytes(own), &bq->inflight_bytes);
	queue_work(bq->blk->wq, &own->work);
	return -EIOCBQUEUED;
}

/**
 * trivio_blk_req_free() - end of a request that had its own memory
 * @bq: queue it came from
 * @req: request; pushed
 *
 * Context: service of the queue.
 */
void trivio_blk_req_free(struct trivio_blkq *bq, struct trivio_blk_req *req)
{
	__acquire(&req->blk->inflight);
	srcu_up_read(&req->blk->inflight, req->srcu_idx);
	if (unlikely(req == bq->spare))
		clear_bit(BLK_SPARE, &bq->flags);
	else
		kvfree(req);
}
