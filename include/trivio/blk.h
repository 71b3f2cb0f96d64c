/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block class: what a virtio-blk device is, apart from where its sectors
 * live. Where they live is a disk: sparse memory, a file or block device, or
 * nothing at all. Every queue is a request queue.
 *
 * A request is checked once, in drivers/core/blk_parse.c, against the limits of
 * the device; a disk sees only requests that lie inside it.
 */
#ifndef TRIVIO_BLK_H
#define TRIVIO_BLK_H

#include <linux/blk_types.h>
#include <linux/llist.h>
#include <linux/prandom.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/virtio_blk.h>
#include <linux/workqueue.h>

#include <trivio/blk_parse.h>
#include <trivio/device.h>

struct trivio_blk;
struct trivio_blk_req;
struct trivio_disk;

#define TRIVIO_BLK_SERIAL_MAX	VIRTIO_BLK_ID_BYTES

/* Words of struct virtio_blk_lifetime. */
#define TRIVIO_BLK_LIFETIME_NR	3

/**
 * struct trivio_disk_ops - a kind of disk
 * @name: "ram", "null", "file"
 * @atomic: most requests can be done without sleeping, so it is worth to try
 *	where the kick came in
 * @submit: carry out &trivio_blk_req.cmd, which lies inside the disk, and
 *	return 0 or a negative errno. -EAGAIN if that needs to sleep and
 *	&trivio_blk_req.may_sleep is not set: nothing was done, and it is
 *	called again for the same request where it may. -EIOCBQUEUED if
 *	trivio_blk_req_done() will be called, from any context; only if
 *	@may_sleep is set.
 * @resize: make it @sectors long; existing sectors inside stay. May sleep.
 *	Optional.
 * @power_loss: forget what was written and not flushed, but for @keep percent of
 *	it, chosen by @seed. May sleep. Optional: nothing is volatile.
 * @free: let go of everything, the disk included; no request is in flight
 * @local: sectors die with the disk, so the device can't move elsewhere
 */
struct trivio_disk_ops {
	const char *name;
	bool atomic;
	bool local;
	int (*submit)(struct trivio_disk *disk, struct trivio_blk_req *req);
	int (*resize)(struct trivio_disk *disk, u64 sectors);
	void (*power_loss)(struct trivio_disk *disk, u32 keep, u32 seed);
	void (*free)(struct trivio_disk *disk);
};

/**
 * struct trivio_disk - where the sectors of one device live
 * @ops: its kind
 * @sectors: capacity in units of 512 bytes
 * @block_size: logical block, bytes: 512..4096
 * @read_only: writes are not possible
 * @can_discard: sectors can be given back
 * @can_zero: sectors can be zeroed without writing
 * @can_erase: sectors can be erased securely
 * @has_cache: writes may be volatile until a flush
 */
struct trivio_disk {
	const struct trivio_disk_ops *ops;
	u64 sectors;
	u32 block_size;
	bool read_only;
	bool can_discard;
	bool can_zero;
	bool can_erase;
	bool has_cache;
};

/**
 * struct trivio_blk_req - one request on its way
 * @cmd: what to do, checked
 * @range: TRIVIO_BLK_DISCARD, _WRITE_ZEROES, _SECURE_ERASE: where; @cmd.nseg
 *	entries, checked
 * @iter: TRIVIO_BLK_IN: the driver's buffer; TRIVIO_BLK_OUT: its data
 * @q: queue it came from
 * @blk: device it is for
 * @may_sleep: the disk may sleep
 * @delay_us: injected delay before the disk gets it
 * @sync: completion of this request means stable storage (write-through)
 * @chain: the popped chain
 * @err: outcome, 0 or a negative errno
 * @done: on the list of completed requests of its queue
 * @srcu_idx: the block class's mark that it is in flight
 * @work: carries it out where it may sleep
 */
struct trivio_blk_req {
	struct trivio_blk_cmd cmd;
	struct trivio_blk_range *range;
	struct iov_iter iter;
	struct trivio_queue *q;
	struct trivio_blk *blk;
	bool may_sleep;
	u32 delay_us;
	bool sync;
	struct trivio_chain chain;
	int err;
	struct llist_node done;
	int srcu_idx;
	struct work_struct work;
};

/**
 * struct trivio_blk_cfg - settings of a block device
 * @disk: its disk; owned by the device once it is created
 * @serial: answer to GET_ID, zero padded
 * @read_only: offer VIRTIO_BLK_F_RO
 * @has_lifetime: offer VIRTIO_BLK_F_LIFETIME, and answer with @lifetime
 * @lifetime: pre-EOL information and estimates of type A and B (virtio 1.2,
 *	5.2.6)
 * @seg_max: data segments a request may have, 0 for a default
 */
struct trivio_blk_cfg {
	struct trivio_disk *disk;
	char serial[TRIVIO_BLK_SERIAL_MAX];
	bool read_only;
	bool has_lifetime;
	u16 lifetime[TRIVIO_BLK_LIFETIME_NR];
	u16 seg_max;
};

extern const struct trivio_class_ops trivio_blk_class;

/**
 * TRIVIO_BLK_FEATURES - class feature bits that the block model can do with any
 * disk; what a given disk can do beyond is added by trivio_blk_features()
 */
#define TRIVIO_BLK_FEATURES \
	(BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | \
	 BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_FLUSH))

u64 trivio_blk_features(const struct trivio_disk *disk, bool read_only,
			u16 queues);
int trivio_blk_resize(struct trivio_dev *dev, u64 sectors);
u64 trivio_blk_sectors(struct trivio_dev *dev);
void trivio_blk_sync(struct trivio_dev *dev);
void trivio_blk_set_lifetime(struct trivio_dev *dev, const u16 *words);
void trivio_blk_req_done(struct trivio_blk_req *req, int err);
bool trivio_blk_req_void(const struct trivio_blk_req *req);
bool trivio_blk_req_pause(const struct trivio_blk_req *req);

struct trivio_disk *trivio_disk_ram_create(u64 sectors, u32 block_size);
struct trivio_disk *trivio_disk_null_create(u64 sectors, u32 block_size);
struct trivio_disk *trivio_disk_cache_create(struct trivio_disk *lower,
					     u64 bytes);
struct trivio_disk *trivio_disk_file_create(const char *path, u32 block_size,
					    bool direct, bool read_only);

#endif /* TRIVIO_BLK_H */
