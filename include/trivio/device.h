/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device: one virtio device of a class (net, blk), whatever road leads to it.
 *
 * A road creates it, gives its queues memory and rings, starts and stops them
 * (queue by queue as vhost does, or through the status register as vDPA and
 * VFIO do), and is told of calls, configuration changes and errors through
 * struct trivio_front_ops.
 */
#ifndef TRIVIO_DEVICE_H
#define TRIVIO_DEVICE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <trivio/queue.h>

#define TRIVIO_NAME_MAX		32
#define TRIVIO_QUEUES_MAX	1024

struct trivio_check;
struct trivio_dev;
struct trivio_faults;

/**
 * struct trivio_front_ops - what the core asks of a front end
 * @name: road: "vhost", "vdpa" or "vfio"
 * @owner: module that holds the code
 * @has_status: drivers come by a status register, and enable queues one by one
 * @call: tell the driver that @q has used entries. Service context of the
 *	queue; may be atomic. Never from inside an eventfd wake-up.
 * @error: @q broke; the first error is in &trivio_queue.first. Atomic.
 * @config_changed: tell the driver that the config space changed. May sleep.
 * @needs_reset: the device is broken as a whole; status has NEEDS_RESET.
 *	Atomic.
 * @owner_pid: pid of the process that drives the device, or 0. Optional.
 * @idle: the service of @q found its ring empty, asked the driver for kicks and
 *	is about to sleep: a chance to change how kicks come in. Atomic. True: a
 *	kick has come meanwhile, look again. Optional.
 * @counter: name and value of the road's counter @i; NULL behind the last. Any
 *	context. Optional.
 * @log_write: @len bytes at guest address @addr of @q's memory were written;
 *	only while &trivio_queue.log. 0 or a negative errno.
 * @log_ring: same for @len bytes at @off of a ring area
 */
struct trivio_front_ops {
	const char *name;
	struct module *owner;
	bool has_status;
	void (*call)(struct trivio_queue *q);
	void (*error)(struct trivio_queue *q);
	void (*config_changed)(struct trivio_dev *dev);
	void (*needs_reset)(struct trivio_dev *dev);
	pid_t (*owner_pid)(struct trivio_dev *dev);
	bool (*idle)(struct trivio_queue *q);
	const char *(*counter)(struct trivio_dev *dev, unsigned int i,
			       u64 *val);
	int (*log_write)(struct trivio_queue *q, u64 addr, u64 len);
	int (*log_ring)(struct trivio_queue *q, enum trivio_area area, u32 off,
			u32 len);
};

/**
 * struct trivio_class_ops - a device class: net or blk
 * @name: "net" or "blk"
 * @id: virtio device id (virtio 1.2, 5)
 * @features: feature bits the class can do
 * @init: set up class state from &trivio_dev_cfg.class_cfg; sets every
 *	&trivio_queue.ops. May sleep.
 * @exit: undo @init; every queue is stopped
 * @features_set: the driver's features are final; 0 or -EINVAL
 * @config_len: bytes of config space
 * @config_read: read config space; bounds are checked, little endian
 * @config_write: write it; read-only fields are ignored. Optional.
 * @give_up: a reset or the end waits for what queues have under way: fail what takes
 *	long, until @reset. Queues run; any context. Optional.
 * @reset: back to power-on state; queues are stopped. Optional.
 * @started: DRIVER_OK was set and enabled queues run. Optional.
 * @power_loss: forget what is volatile but for @keep percent, by @seed; queues
 *	may run. May sleep. Optional.
 * @queue_ops: how @q is to be served, asked at each start under the queue's
 *	lock, when its memory is known. Optional.
 * @state_len: bytes of what the driver made of the device and a reset would
 *	undo, for moving it to another device; -EOPNOTSUPP if that can't be
 * @state_save: write them; no queue runs. May sleep.
 * @state_check: could @state_load take bytes of anybody, with these features of
 *	the driver (0: none yet)? 0 or -EINVAL.
 * @state_load: take checked bytes over; the device is reset, its features are
 *	set, no queue runs. May sleep. 0 or -ENOMEM.
 */
struct trivio_class_ops {
	const char *name;
	u32 id;
	u64 features;
	int (*init)(struct trivio_dev *dev, const void *class_cfg);
	void (*exit)(struct trivio_dev *dev);
	int (*features_set)(struct trivio_dev *dev, u64 features);
	u32 (*config_len)(struct trivio_dev *dev);
	void (*config_read)(struct trivio_dev *dev, u32 off, void *buf,
			    u32 len);
	void (*config_write)(struct trivio_dev *dev, u32 off, const void *buf,
			     u32 len);
	void (*give_up)(struct trivio_dev *dev);
	void (*reset)(struct trivio_dev *dev);
	void (*started)(struct trivio_dev *dev);
	void (*power_loss)(struct trivio_dev *dev, u32 keep, u32 seed);
	const struct trivio_queue_ops *(*queue_ops)(struct trivio_queue *q);
	int (*state_len)(struct trivio_dev *dev);
	void (*state_save)(struct trivio_dev *dev, void *buf);
	int (*state_check)(struct trivio_dev *dev, const void *buf,
			   u64 features);
	int (*state_load)(struct trivio_dev *dev, const void *buf);
};

/**
 * struct trivio_dev_cfg - how to create a device
 * @name: unique name; "%d" is replaced by the device id
 * @class: its class
 * @class_cfg: class specific settings (struct trivio_net_cfg ...)
 * @front: the road's callbacks
 * @priv: the road's pointer
 * @nqueues: queues, control queue included; 1..TRIVIO_QUEUES_MAX
 * @queue_max: largest ring
 * @features: feature bits to offer; class and transport bits
 */
struct trivio_dev_cfg {
	const char *name;
	const struct trivio_class_ops *class;
	const void *class_cfg;
	const struct trivio_front_ops *front;
	void *priv;
	u16 nqueues;
	u32 queue_max;
	u64 features;
};

/**
 * struct trivio_dev - one virtio device
 * @name: for people
 * @id: number, unique while the device lives
 * @class: its class
 * @class_priv: class state (struct trivio_net ...)
 * @front: the road
 * @priv: the road's pointer
 * @offered: feature bits offered
 * @features: feature bits the driver accepted
 * @status: virtio status register (virtio 1.2, 2.1); under @lock
 * @suspended: queues are held by trivio_dev_suspend(); under @lock
 * @paused: queues hold while features change; written under @lock
 * @generation: config generation; under @lock
 * @lock: status changes. Taken before &trivio_mem.lock and
 *	&trivio_queue.lock.
 * @node: on the list of all devices, under trivio_dev_mutex
 * @told: state and status that netlink listeners were told last
 * @faults: faults on purpose, or NULL; changed while no queue runs
 * @check: conformance checker once it was switched on, else NULL; it lives as
 *	long as the device
 * @nqueues: entries in @queue
 * @queue: the queues
 */
struct trivio_dev {
	char name[TRIVIO_NAME_MAX];
	u32 id;
	const struct trivio_class_ops *class;
	void *class_priv;
	const struct trivio_front_ops *front;
	void *priv;
	u64 offered;
	u64 features;
	u8 status;
	bool suspended;
	bool paused;
	u32 generation;
	struct mutex lock;
	struct list_head node;
	u32 told;
	struct trivio_faults *faults;
	struct trivio_check *check;
	u16 nqueues;
	struct trivio_queue *queue;
};

static inline bool trivio_has(const struct trivio_dev *dev, unsigned int bit)
{
	return dev->features & BIT_ULL(bit);
}

struct trivio_dev *trivio_dev_create(const struct trivio_dev_cfg *cfg);
void trivio_dev_destroy(struct trivio_dev *dev);

int trivio_dev_set_features(struct trivio_dev *dev, u64 features);

/* Roads with a status register. All may sleep and take the device's lock. */
int trivio_dev_set_status(struct trivio_dev *dev, u8 status);
void trivio_dev_give_up(struct trivio_dev *dev);
void trivio_dev_reset(struct trivio_dev *dev);
int trivio_dev_suspend(struct trivio_dev *dev);
int trivio_dev_resume(struct trivio_dev *dev);
void trivio_dev_needs_reset(struct trivio_dev *dev);
int trivio_dev_config_read(struct trivio_dev *dev, u32 off, void *buf, u32 len);
int trivio_dev_config_write(struct trivio_dev *dev, u32 off, const void *buf,
			    u32 len);
void trivio_dev_config_changed(struct trivio_dev *dev);

/* All devices, for netlink and debugfs. */
void trivio_dev_list_lock(void);
void trivio_dev_list_unlock(void);
struct trivio_dev *trivio_dev_next(struct trivio_dev *dev);
struct trivio_dev *trivio_dev_find(const char *name);

#endif /* TRIVIO_DEVICE_H */
