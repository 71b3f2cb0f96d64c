/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of trivio_vdpa.ko share. */
#ifndef TRIVIO_VDPA_H
#define TRIVIO_VDPA_H

#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vdpa.h>
#include <linux/workqueue.h>

#include <trivio/blk.h>
#include <trivio/check.h>
#include <trivio/device.h>
#include <trivio/net.h>

/*
 * Groups of queues, and the address spaces they may be given. The third is not
 * of queues but of the rings of the data queues.
 */
#define VDPA_GROUP_DATA		0
#define VDPA_GROUP_CTRL		1
#define VDPA_GROUP_DESC		2
#define VDPA_NGROUPS		3
#define VDPA_NAS		3

/* The rings are where their group of queues is. */
#define VDPA_AS_FOLLOW		0xff

/* More ranges than any sane address space has. */
#define VDPA_RANGES_MAX		(1U << 20)

struct trivio_vdpa;
struct trivio_vdpa_bell;
struct trivio_vdpa_claim;
struct trivio_vdpa_dma;

/**
 * struct trivio_vdpa_vq - what the front end keeps per queue
 * @cb_lock: protects @cb and is held over the callback, so that none is under
 *	way once set_vq_cb() has returned
 * @cb: the driver's callback
 * @affinity: as the driver asked
 * @base: ring position as it was at the last reset, for clients that ask for it
 *	after one; under &trivio_vdpa.lock
 * @base_packed: @base is in packed layout
 * @base_kept: @base is valid: nothing was set since
 */
struct trivio_vdpa_vq {
	spinlock_t cb_lock;
	struct vdpa_callback cb;
	struct cpumask affinity;
	u32 base;
	bool base_packed;
	bool base_kept;
};

/**
 * struct trivio_vdpa_table - map of an address space in VA mode
 * @rcu: for freeing after the last reader
 * @n: ranges
 * @range: sorted, not overlapping
 */
struct trivio_vdpa_table {
	struct rcu_head rcu;
	u32 n;
	struct trivio_range range[];
};

/**
 * struct trivio_vdpa_as - one address space a vhost_vdpa process fills
 * @v: device
 * @mem: what the core looks addresses up in
 * @lock: serialises changes
 * @range: PA mode: the map now, sorted; a reference is held on every page
 * @n: entries in @range
 * @table: VA mode: the map now; readers under RCU, written under @lock
 * @drop: VA mode: unmaps rings that were mapped through an older map
 */
struct trivio_vdpa_as {
	struct trivio_vdpa *v;
	struct trivio_mem mem;
	struct mutex lock;
	struct trivio_range *range;
	u32 n;
	struct trivio_vdpa_table __rcu *table;
	struct work_struct drop;
};

/**
 * struct trivio_vdpa_settings - all that can be said before a device exists
 * @features: class and transport bits that may be offered
 * @queues: net: queue pairs; blk: request queues
 * @queue_size: ring size for virtio_vdpa
 * @queue_max: largest ring
 * @use_va: process addresses instead of pinned pages
 * @doorbell: a page per queue that a process can map, and a thread that looks
 * @doorbell_sleep: microseconds it sleeps between looks; 0: never
 * @iova_first: first address a process may map
 * @iova_last: last one
 * @mac: net: address, or zero
 * @mtu: net: 0 or 68..65535
 * @check: conformance checker
 * @link: net: link state at first
 * @speed: net: Mbit/s, or SPEED_UNKNOWN
 * @duplex: net: DUPLEX_*
 * @port: net: where frames go
 * @capacity: blk: bytes
 * @block_size: blk: logical block, bytes
 * @read_only: blk
 * @direct_io: blk: O_DIRECT on @backing
 * @serial: blk
 * @write_cache: blk: bytes of a volatile cache, or 0
 * @has_lifetime: blk: @lifetime was set
 * @lifetime: blk: pre-EOL information, estimates of type A and B
 * @backing: blk: "ram", "null", or the path of a file or block device
 */
struct trivio_vdpa_settings {
	u64 features;
	u16 queues;
	u16 queue_size;
	u16 queue_max;
	bool use_va;
	bool doorbell;
	u32 doorbell_sleep;
	u64 iova_first;
	u64 iova_last;
	u8 mac[ETH_ALEN];
	u16 mtu;
	enum trivio_check_mode check;
	bool link;
	u32 speed;
	u8 duplex;
	struct trivio_port_spec port;
	u64 capacity;
	u32 block_size;
	bool read_only;
	bool direct_io;
	u64 write_cache;
	bool has_lifetime;
	u16 lifetime[TRIVIO_BLK_LIFETIME_NR];
	char serial[TRIVIO_BLK_SERIAL_MAX + 1];
	char backing[256];
};

/**
 * struct trivio_vdpa - one vDPA device
 * @vdev: what the vDPA bus sees
 * @dev: the device; NULL until it exists and after it is gone
 * @dma_mask: of the vDPA device, which drivers map memory for
 * @lock: readiness, groups and kept positions
 * @config_lock: protects @config_cb and is held over the callback
 * @config_cb: the driver's callback for configuration changes
 * @group_as: address space of each group; VDPA_AS_FOLLOW only for the rings'
 * @as: address spaces, for vhost_vdpa
 * @dma: mappings of a kernel driver, for virtio_vdpa
 * @bell: doorbell pages, or NULL
 * @mm: owner (VA mode), between bind_mm and unbind_mm
 * @owner: pid of the process whose memory is mapped, or 0; read without a lock
 * @nworkers: entries in @worker
 * @worker: threads that serve without a process's mm
 * @set: settings it was made with
 * @claim: of its name, and of its profile; until the device is gone
 * @is_net: class
 * @nvqs: entries in @vq
 * @vq: one per queue
 */
struct trivio_vdpa {
	struct vdpa_device vdev;
	struct trivio_dev *dev;
	u64 dma_mask;
	struct mutex lock;
	spinlock_t config_lock;
	struct vdpa_callback config_cb;
	u8 group_as[VDPA_NGROUPS];
	struct trivio_vdpa_as as[VDPA_NAS];
	struct trivio_vdpa_dma *dma;
	struct trivio_vdpa_bell *bell;
	struct mm_struct *mm;
	pid_t owner;
	u16 nworkers;
	struct trivio_worker **worker;
	struct trivio_vdpa_settings set;
	struct trivio_vdpa_claim *claim;
	bool is_net;
	u16 nvqs;
	struct trivio_vdpa_vq *vq;
};

static inline struct trivio_vdpa *to_trivio(const struct vdpa_device *vdev)
{
	return container_of(vdev, struct trivio_vdpa, vdev);
}

/* main.c */
void trivio_vdpa_workers_set(struct trivio_vdpa *v);

/* ops.c */
extern const struct vdpa_config_ops trivio_vdpa_ops;
extern const struct trivio_front_ops trivio_vdpa_front;
void trivio_vdpa_groups_reset(struct trivio_vdpa *v);

/* mem.c */
void trivio_vdpa_mem_init(struct trivio_vdpa *v);
void trivio_vdpa_mem_exit(struct trivio_vdpa *v);
int trivio_vdpa_set_map(struct vdpa_device *vdev, unsigned int asid,
			struct vhost_iotlb *iotlb);
int trivio_vdpa_reset_map(struct vdpa_device *vdev, unsigned int asid);

/* dma.c */
int trivio_vdpa_dma_init(struct trivio_vdpa *v);
void trivio_vdpa_dma_exit(struct trivio_vdpa *v);
struct trivio_mem *trivio_vdpa_dma_mem(struct trivio_vdpa *v);

/* doorbell.c */
struct vdpa_notification_area
trivio_vdpa_bell_area(struct vdpa_device *vdev, u16 idx);
void trivio_vdpa_bell_run(struct trivio_vdpa *v, bool on);
int trivio_vdpa_bell_create(struct trivio_vdpa *v);
void trivio_vdpa_bell_stop(struct trivio_vdpa *v);
void trivio_vdpa_bell_free(struct trivio_vdpa *v);

/* profile.c */
int trivio_vdpa_profile_setup(void);
void trivio_vdpa_profile_teardown(void);
void trivio_vdpa_defaults(struct trivio_vdpa_settings *s, bool is_net);
struct trivio_vdpa_claim *trivio_vdpa_profile_claim(const char *name);
void trivio_vdpa_profile_release(struct trivio_vdpa_claim *c);
void trivio_vdpa_profile_take(struct trivio_vdpa_claim *c,
			      struct trivio_vdpa_settings *s);
void trivio_vdpa_profile_live(struct trivio_vdpa_claim *c,
			      struct trivio_vdpa *v);
void trivio_vdpa_profile_mac(struct trivio_vdpa *v, const u8 *mac);

#endif /* TRIVIO_VDPA_H */
