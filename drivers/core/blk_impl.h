/* SPDX-License-Identifier: GPL-2.0-only */
/* Between blk.c (service) and blk_cfg.c (config space, capacity). */
#ifndef TRIVIO_BLK_IMPL_H
#define TRIVIO_BLK_IMPL_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include <trivio/blk.h>

/* Bits of &trivio_blkq.flags. */
#define BLK_KICKED	0
#define BLK_SPARE	1

/* No memory to carry on with a request: it waits in the ring. */
#define BLK_LATER	1

/**
 * struct trivio_blkq - service state of one request queue
 * @blk: device
 * @q: queue
 * @lock: direct mode: serialises service
 * @flags: BLK_KICKED: somebody should look at the ring; BLK_SPARE: @spare is in use
 * @running: direct mode: the ring may be touched; under @lock
 * @req: the request in hand, with the queue's scratch chain
 * @range: its ranges
 * @inflight: requests with their own memory that are not on @done yet
 * @inflight_bytes: what those write or read, for a bound
 * @spare: memory for a request when there is none to be had
 * @done: completed requests, to be pushed
 * @wait: woken when @done or @inflight changes
 * @work: direct mode: service in the worker
 */
struct trivio_blkq {
	struct trivio_blk *blk;
	struct trivio_queue *q;
	spinlock_t lock;
	unsigned long flags;
	bool running;
	struct trivio_blk_req req;
	struct trivio_blk_range *range;
	atomic_t inflight;
	atomic64_t inflight_bytes;
	struct trivio_blk_req *spare;
	struct llist_head done;
	wait_queue_head_t wait;
	struct trivio_work work;
};

/**
 * struct trivio_blk - class state of a block device
 * @dev: device
 * @disk: its sectors
 * @limits: what requests are checked against; @limits.sectors changes with
 *	trivio_blk_resize(), read with READ_ONCE()
 * @told: capacity as the driver read it last, for the conformance checker
 * @wce: writes may be volatile until a flush; under &trivio_dev.lock
 * @seg_max: advertised
 * @serial: for GET_ID
 * @lifetime: for GET_LIFETIME; a word at a time, in any context
 * @dead: power was lost: no request is carried out until a reset
 * @ending: a reset or the end of the device waits for what is in flight
 * @wq: carries out what may sleep, for this device alone
 * @resize_lock: serialises trivio_blk_resize()
 * @inflight: read side: requests with their own memory, from submission to the
 *	push
 * @nqueues: entries in @bq
 * @bq: one per queue
 */
struct trivio_blk {
	struct trivio_dev *dev;
	struct trivio_disk *disk;
	struct trivio_blk_limits limits;
	u64 told;
	bool wce;
	u16 seg_max;
	char serial[TRIVIO_BLK_SERIAL_MAX];
	u16 lifetime[TRIVIO_BLK_LIFETIME_NR];
	bool dead;
	bool ending;
	struct workqueue_struct *wq;
	struct mutex resize_lock;
	struct srcu_struct inflight;
	u16 nqueues;
	struct trivio_blkq bq[] __counted_by(nqueues);
};

/**
 * trivio_blk_data_iter() - the data of a read or write, without header and status
 * @q: queue
 * @req: request; &trivio_blk_req.iter is set
 */
static inline void trivio_blk_data_iter(struct trivio_queue *q,
					struct trivio_blk_req *req)
{
	if (req->cmd.op == TRIVIO_BLK_IN) {
		trivio_chain_in_iter(q, &req->chain, &req->iter);
	} else {
		trivio_chain_out_iter(q, &req->chain, &req->iter);
		iov_iter_advance(&req->iter, sizeof(struct virtio_blk_outhdr));
	}
	iov_iter_truncate(&req->iter, req->cmd.len);
}

/* blk.c */
void trivio_blk_wake(struct trivio_blkq *bq);

/* blk_req.c */
struct trivio_blk_req *trivio_blk_spare(void);
int trivio_blk_defer(struct trivio_blkq *bq, struct trivio_blk_req *req);
void trivio_blk_req_free(struct trivio_blkq *bq, struct trivio_blk_req *req);

/* blk_cfg.c, blk_state.c */
u32 trivio_blk_config_len(struct trivio_dev *dev);
void trivio_blk_config_read(struct trivio_dev *dev, u32 off, void *buf,
			    u32 len);
void trivio_blk_config_write(struct trivio_dev *dev, u32 off, const void *buf,
			     u32 len);
void trivio_blk_reset(struct trivio_dev *dev);
int trivio_blk_state_len(struct trivio_dev *dev);
void trivio_blk_state_save(struct trivio_dev *dev, void *buf);
int trivio_blk_state_check(struct trivio_dev *dev, const void *buf,
			   u64 features);
int trivio_blk_state_load(struct trivio_dev *dev, const void *buf);

#endif /* TRIVIO_BLK_IMPL_H */
