/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of trivio_vfio.ko share: one mediated device, which is a
 * virtio PCI function for VFIO and one struct trivio_dev for the core.
 *
 * Locks, in the order in which they are taken:
 *   vfio's group and device set locks (open, close)
 *   &trivio_mdev.lock
 *   &trivio_mdev_dma.lock
 *   the core's locks (device, memory, queue)
 *   the type1 container's own lock (pin, unpin), then its device_list_lock,
 *   and mmap_lock
 * dma_unmap runs with device_list_lock held, so it takes none of these; a work
 * item does what it asks (unmap.c).
 * The fault handler of the doorbell pages runs below all of these (a guest may
 * name a doorbell page as DMA target), so it takes none of them.
 */
#ifndef TRIVIO_VFIO_MDEV_H
#define TRIVIO_VFIO_MDEV_H

#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/virtio_blk.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <trivio/device.h>
#include <trivio/net.h>

#include "pci_cfg.h"

struct trivio_disk;
struct trivio_mdev;

/* Region index in bits 40 and up of a file offset, as vfio-pci has it. */
#define TRIVIO_VFIO_SHIFT	40
#define TRIVIO_VFIO_INDEX(off)	((u64)(off) >> TRIVIO_VFIO_SHIFT)
#define TRIVIO_VFIO_OFFSET(i)	((u64)(i) << TRIVIO_VFIO_SHIFT)
#define TRIVIO_VFIO_MASK	(TRIVIO_VFIO_OFFSET(1) - 1)

/* Queues of one function: a vector and a doorbell page for each. */
#define TRIVIO_VFIO_QUEUES_MAX	129
#define TRIVIO_VFIO_RING_MAX	1024

/**
 * enum trivio_doorbell - how a guest's notification gets to the host
 * @TRIVIO_DOORBELL_TRAP: by a write of the VMM to the region, after a trap
 * @TRIVIO_DOORBELL_POLL: mapped page that a thread looks at
 * @TRIVIO_DOORBELL_KVM: mapped page that KVM write-protects and reports
 * @TRIVIO_DOORBELL_FAULT: page that is mapped only while its queue is busy
 * @TRIVIO_DOORBELL_AUTO: KVM write tracking if the client is a VM that can do
 *	it, else the fault
 * @TRIVIO_DOORBELL_NR: number of ways; a trapped write works with all of them
 */
enum trivio_doorbell {
	TRIVIO_DOORBELL_TRAP,
	TRIVIO_DOORBELL_POLL,
	TRIVIO_DOORBELL_KVM,
	TRIVIO_DOORBELL_FAULT,
	TRIVIO_DOORBELL_AUTO,
	TRIVIO_DOORBELL_NR,
};

/**
 * enum trivio_mdev_stat - what a mediated device counts; shown in sysfs
 * @TRIVIO_MDEV_TRAP: doorbells by a write to the region
 * @TRIVIO_MDEV_FAULT: doorbells by a fault of the page
 * @TRIVIO_MDEV_TRACK: doorbells by KVM write tracking
 * @TRIVIO_MDEV_POLL: doorbells found by polling
 * @TRIVIO_MDEV_IOEVENT: doorbells by an ioeventfd
 * @TRIVIO_MDEV_LATE: stores that KVM did not report, found in their page
 * @TRIVIO_MDEV_ZAP: times a doorbell page was unmapped
 * @TRIVIO_MDEV_MSIX: MSI-X messages signalled
 * @TRIVIO_MDEV_INTX: INTx assertions signalled
 * @TRIVIO_MDEV_UNMASK: INTx unmasks
 * @TRIVIO_MDEV_RESAMPLE: of these, by the eventfd: KVM's resampling
 * @TRIVIO_MDEV_HIT: look-ups found in the cache of pinned pages
 * @TRIVIO_MDEV_MISS: look-ups that had to wait for a pin
 * @TRIVIO_MDEV_PIN: pages pinned
 * @TRIVIO_MDEV_UNPIN: pages unpinned
 * @TRIVIO_MDEV_PIN_FAIL: pins refused
 * @TRIVIO_MDEV_COPY_IN: pages copied from the guest, for want of a pin
 * @TRIVIO_MDEV_COPY_OUT: of these, copied back
 * @TRIVIO_MDEV_COPY_FAIL: copies that failed, either way
 * @TRIVIO_MDEV_UNMAP: unmap notifications of the container
 * @TRIVIO_MDEV_UNMAP_AGAIN: notifications that were left for the container to
 *	repeat, because it waited for itself
 * @TRIVIO_MDEV_HOLD: pins put off because their range is being unmapped
 * @TRIVIO_MDEV_RESET: resets, all causes
 * @TRIVIO_MDEV_STAT_NR: number of counters
 */
enum trivio_mdev_stat {
	TRIVIO_MDEV_TRAP,
	TRIVIO_MDEV_FAULT,
	TRIVIO_MDEV_TRACK,
	TRIVIO_MDEV_POLL,
	TRIVIO_MDEV_IOEVENT,
	TRIVIO_MDEV_LATE,
	TRIVIO_MDEV_ZAP,
	TRIVIO_MDEV_MSIX,
	TRIVIO_MDEV_INTX,
	TRIVIO_MDEV_UNMASK,
	TRIVIO_MDEV_RESAMPLE,
	TRIVIO_MDEV_HIT,
	TRIVIO_MDEV_MISS,
	TRIVIO_MDEV_PIN,
	TRIVIO_MDEV_UNPIN,
	TRIVIO_MDEV_PIN_FAIL,
	TRIVIO_MDEV_COPY_IN,
	TRIVIO_MDEV_COPY_OUT,
	TRIVIO_MDEV_COPY_FAIL,
	TRIVIO_MDEV_UNMAP,
	TRIVIO_MDEV_UNMAP_AGAIN,
	TRIVIO_MDEV_HOLD,
	TRIVIO_MDEV_RESET,
	TRIVIO_MDEV_STAT_NR,
};

struct trivio_mdev_stats {
	unsigned long n[TRIVIO_MDEV_STAT_NR];
};

/**
 * struct trivio_mdev_type - a type in mdev_supported_types
 * @type: for the mdev frame; first
 * @class: device class
 * @queues: default queue pairs (net) or queues (blk)
 * @text: description
 */
struct trivio_mdev_type {
	struct mdev_type type;
	const struct trivio_class_ops *class;
	u16 queues;
	const char *text;
};

/**
 * struct trivio_mdev_set - settings; attributes of the mediated device
 * @name: name of the core's device and of its interface; "%d" is a number
 * @mac: address, zero for a random one
 * @mtu: 0 to offer none
 * @queues: queue pairs (net) or queues (blk)
 * @ring: largest ring
 * @features: feature bits to offer
 * @doorbell: way of notification
 * @port: net: where frames go (port.c)
 * @disk: blk: "ram", "null", or the path of a file or block device
 * @capacity: blk: bytes of "ram" and "null"
 * @block_size: blk: logical block, bytes
 * @read_only: blk: no writes
 * @direct_io: blk: a file is read and written past the page cache
 * @serial: blk: answer to GET_ID; empty for the name
 */
struct trivio_mdev_set {
	char name[TRIVIO_NAME_MAX];
	u8 mac[6];
	u16 mtu;
	u16 queues;
	u16 ring;
	u64 features;
	enum trivio_doorbell doorbell;
	struct trivio_port_spec port;
	char disk[256];
	u64 capacity;
	u32 block_size;
	bool read_only;
	bool direct_io;
	char serial[VIRTIO_BLK_ID_BYTES + 1];
};

/**
 * struct trivio_mdev_vq - transport registers of a queue
 * @num: ring size
 * @vector: MSI-X vector or VIRTIO_MSI_NO_VECTOR
 * @enabled: the driver enabled it
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 */
struct trivio_mdev_vq {
	u16 num;
	u16 vector;
	bool enabled;
	u64 desc;
	u64 driver;
	u64 device;
};

/**
 * struct trivio_trigger - an eventfd that somebody may be signalling
 * @ctx: eventfd
 * @rcu: freed after the last signaller
 */
struct trivio_trigger {
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

/**
 * struct trivio_mdev_irq - interrupts of the function
 * @lock: serialises SET_IRQS
 * @type: VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX or VFIO_PCI_NUM_IRQS
 *	for none. Written under @lock and @intx_lock.
 * @msix: triggers, RCU; written under @lock
 * @pending: vectors raised while they had no trigger or the device was stopped
 *	(MSI-X PBA)
 * @intx: INTx trigger, RCU; written under @lock
 * @intx_lock: @isr and @masked
 * @isr: ISR register
 * @masked: INTx masked by the user or by having been raised
 * @disabled: COMMAND.INTX_DISABLE
 * @unmask: eventfd that unmasks (resamplefd)
 * @req: trigger of the unplug request, RCU; written under @lock
 */
struct trivio_mdev_irq {
	struct mutex lock; /* SET_IRQS */
	unsigned int type;
	struct trivio_trigger __rcu *msix[TRIVIO_PCI_MSIX_MAX];
	DECLARE_BITMAP(pending, TRIVIO_PCI_MSIX_MAX);
	struct trivio_trigger __rcu *intx;
	spinlock_t intx_lock; /* isr, masked, disabled */
	u8 isr;
	bool masked;
	bool disabled;
	struct virqfd *unmask;
	struct trivio_trigger __rcu *req;
};

/* Unmapped ranges remembered: who uses one waits for it to come back. */
#define TRIVIO_MDEV_GAPS	8
/* Pages whose pin queues wait for. */
#define TRIVIO_MDEV_WANTS	32

struct trivio_mdev_gap {
	u64 first;
	u64 last;
	unsigned long time;
	bool used;
};

/**
 * struct trivio_unmap - a system call that unmaps memory of one device
 * @node: on the list of all; this and what follows under unmap.c's lock
 * @job: on &trivio_mdev_dma.jobs while @busy
 * @users: the file that tells of its end, and the job
 * @m: device; constant
 * @task: thread; constant; NULL for &trivio_mdev_dma.spare
 * @first: first address that must not be pinned
 * @last: last one
 * @job_first: first address to let go of
 * @job_last: last one
 * @busy: the job is queued or runs
 * @left: calls that returned before the job was done
 */
struct trivio_unmap {
	struct list_head node;
	struct list_head job;
	refcount_t users;
	struct trivio_mdev *m;
	const struct task_struct *task;
	u64 first;
	u64 last;
	u64 job_first;
	u64 job_last;
	bool busy;
	unsigned int left;
};

/**
 * struct trivio_mdev_want - a page that a queue waits for
 * @id: never used twice; 0 if the slot is free
 * @addr: address of the page
 * @q: queue
 * @seq: of the chain that needs it (&trivio_queue.seq)
 * @err: why it can't be had, until the queue asks again
 */
struct trivio_mdev_want {
	u64 id;
	u64 addr;
	struct trivio_queue *q;
	u64 seq;
	int err;
};

/**
 * struct trivio_mdev_dma - guest memory of one function
 * @mem: address space of its queues
 * @lock: pins and unpins of the cache; see the order above
 * @blocks: cache of pinned pages, by address; read under RCU
 * @lru: blocks, oldest use last; under @lock
 * @pinned: pages in the cache; under @lock
 * @small: keep the cache small, for the dirty log's sake; under @lock
 * @room: pages that the client's RLIMIT_MEMLOCK seems to allow; under @lock
 * @chains: chains completed by all queues at the last eviction; under @lock
 * @thrash: evictions since any was; under @lock
 * @want: pages to pin; under @want_lock
 * @want_id: last &trivio_mdev_want.id; under @want_lock
 * @gap: recent unmaps; under @want_lock
 * @copies: copies of pages (copy.c); under @want_lock
 * @copy_work: writes back what the device wrote to them
 * @want_lock: innermost; any context
 * @calls: pins and unpins under way in the container
 * @call_time: jiffies when one began or ended
 * @jobs: ranges to let go of (unmap.c)
 * @unmap_work: does it
 * @unmapped: woken when it has
 * @spare: in use when there was no memory for a better one
 * @work: pins what is wanted and wakes the queues
 * @closing: no more pins; under @want_lock
 * @rings: ring areas pinned now, for showing; atomic
 */
struct trivio_mdev_dma {
	struct trivio_mem mem;
	struct mutex lock; /* pins of the cache */
	struct xarray blocks;
	struct list_head lru;
	unsigned long pinned;
	bool small;
	unsigned long room;
	u64 chains;
	unsigned int thrash;
	struct trivio_mdev_want want[TRIVIO_MDEV_WANTS];
	u64 want_id;
	struct trivio_mdev_gap gap[TRIVIO_MDEV_GAPS];
	struct list_head copies;
	struct delayed_work copy_work;
	spinlock_t want_lock; /* want, gap, copies, closing */
	atomic_t calls;
	unsigned long call_time;
	struct list_head jobs;
	struct work_struct unmap_work;
	wait_queue_head_t unmapped;
	struct trivio_unmap spare;
	struct delayed_work work;
	bool closing;
	atomic_t rings;
};

struct trivio_mdev_kvm;
struct trivio_mdev_mig;

/**
 * struct trivio_mdev_bell - doorbells of one function
 * @way: what is in use; never TRIVIO_DOORBELL_AUTO
 * @mmapped: the client has mapped pages since it opened the device
 * @page: one per queue: what the guest's stores go to
 * @mapped: D: pages that are mapped now, a bit each
 * @fresh: D: pages mapped for a store that was not seen yet
 * @zap: D: pages to unmap
 * @zap_work: does it
 * @zap_timer: D: starts it a little later, when the store has been done
 * @poll: B: the thread
 * @kvm: C: state, or NULL
 * @ioevents: E: registered ones, under &trivio_mdev.lock
 * @nioevents: E: how many
 */
struct trivio_mdev_bell {
	enum trivio_doorbell way;
	bool mmapped;
	struct page **page;
	unsigned long *mapped;
	unsigned long *fresh;
	unsigned long *zap;
	struct work_struct zap_work;
	struct hrtimer zap_timer;
	struct task_struct *poll;
	struct trivio_mdev_kvm *kvm;
	struct list_head ioevents;
	unsigned int nioevents;
};

/**
 * struct trivio_mdev - one mediated device
 * @vdev: for VFIO; first
 * @mdev: for the mdev frame
 * @type: its type
 * @lock: everything here that has no other rule
 * @set: settings; fixed while @open
 * @open: a VFIO client has it open
 * @owner: pid of that client, or 0; read without a lock
 * @dev: the core's device; made at the first open, kept until a setting changes
 * @disk: blk: opened when its setting was written, until @dev takes it over
 * @worker: serves what needs a thread (control queue, blk)
 * @nqueues: queues of @dev
 * @nvectors: MSI-X vectors
 * @dma: guest memory
 * @cfg: PCI configuration space
 * @irq: interrupts
 * @bell: doorbells
 * @dev_feature_sel: device_feature_select
 * @drv_feature_sel: driver_feature_select
 * @drv_features: driver_feature, both halves
 * @config_vector: msix_config
 * @queue_sel: queue_select
 * @vq: queue registers
 * @decodes: COMMAND.MEMORY, and not in D3hot; read without a lock by doorbells
 * @stopped: migration holds the device; read without a lock by who raises interrupts
 * @held: queues are held (COMMAND.MASTER off, D3hot, or @stopped)
 * @mig: migration state
 * @msix_table: MSI-X table for clients that write it; VMMs emulate their own
 * @stats: counters
 */
struct trivio_mdev {
	struct vfio_device vdev;
	struct mdev_device *mdev;
	const struct trivio_mdev_type *type;
	struct mutex lock; /* what has no other rule */
	struct trivio_mdev_set set;
	bool open;
	pid_t owner;
	struct trivio_dev *dev;
	struct trivio_disk *disk;
	struct trivio_worker *worker;
	u16 nqueues;
	u16 nvectors;
	struct trivio_mdev_dma dma;
	struct trivio_pci_cfg cfg;
	struct trivio_mdev_irq irq;
	struct trivio_mdev_bell bell;
	u32 dev_feature_sel;
	u32 drv_feature_sel;
	u64 drv_features;
	u16 config_vector;
	u16 queue_sel;
	struct trivio_mdev_vq vq[TRIVIO_VFIO_QUEUES_MAX];
	bool decodes;
	bool stopped;
	bool held;
	struct trivio_mdev_mig *mig;
	u8 msix_table[TRIVIO_PCI_MSIX_MAX * 16];
	struct trivio_mdev_stats __percpu *stats;
};

static inline struct trivio_mdev *to_trivio_mdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct trivio_mdev, vdev);
}

static inline void trivio_mdev_count(struct trivio_mdev *m,
				     enum trivio_mdev_stat s, unsigned long n)
{
	this_cpu_add(m->stats->n[s], n);
}

/* main.c */
int trivio_mdev_vdev_init(struct vfio_device *vdev);
void trivio_mdev_vdev_release(struct vfio_device *vdev);

/* attrs.c */
extern const struct attribute_group *trivio_mdev_groups[];
void trivio_mdev_defaults(struct trivio_mdev *m);
const char *trivio_mdev_counter(struct trivio_dev *dev, unsigned int i,
				u64 *val);
int trivio_mdev_set_begin(struct trivio_mdev *m);
ssize_t trivio_mdev_set_end(struct trivio_mdev *m, int err, size_t count);

/* attrs_blk.c */
extern const struct attribute_group trivio_mdev_blk_group;
void trivio_mdev_blk_defaults(struct trivio_mdev *m);
int trivio_mdev_disk_open(struct trivio_mdev *m);
void trivio_mdev_disk_drop(struct trivio_mdev *m);

/* port.c */
extern struct device_attribute dev_attr_port;

/* dev.c */
int trivio_mdev_dev_open(struct trivio_mdev *m);
void trivio_mdev_dev_close(struct trivio_mdev *m);
void trivio_mdev_dev_drop(struct trivio_mdev *m);
void trivio_mdev_dev_sync(struct trivio_mdev *m);
u64 trivio_mdev_features(const struct trivio_mdev_type *type);

/* ops.c */
extern const struct vfio_device_ops trivio_mdev_ops;

/* regs.c */
void trivio_mdev_bar_read(struct trivio_mdev *m, unsigned int bar, u32 off,
			  void *buf, u32 len);
void trivio_mdev_bar_write(struct trivio_mdev *m, unsigned int bar, u32 off,
			   const void *buf, u32 len);
void trivio_mdev_reset(struct trivio_mdev *m);
void trivio_mdev_hold(struct trivio_mdev *m);
void trivio_mdev_command(struct trivio_mdev *m);
void trivio_mdev_regs_reset(struct trivio_mdev *m);

/* irq.c */
void trivio_mdev_irq_init(struct trivio_mdev *m);
void trivio_mdev_irq_close(struct trivio_mdev *m);
void trivio_mdev_irq_reset(struct trivio_mdev *m);
void trivio_mdev_irq_queue(struct trivio_mdev *m, u16 queue);
void trivio_mdev_irq_config(struct trivio_mdev *m);
void trivio_mdev_irq_command(struct trivio_mdev *m, u16 command);
void trivio_mdev_irq_run(struct trivio_mdev *m);
void trivio_mdev_irq_load(struct trivio_mdev *m, u8 isr, const u8 *pending);
void trivio_mdev_irq_request(struct trivio_mdev *m, unsigned int count);
u8 trivio_mdev_isr_read(struct trivio_mdev *m);
bool trivio_mdev_isr_pending(struct trivio_mdev *m);
int trivio_mdev_irq_count(struct trivio_mdev *m, unsigned int index);
int trivio_mdev_set_irqs(struct trivio_mdev *m, const struct vfio_irq_set *hdr,
			 void *data);

/* dma.c, cache.c */
void trivio_mdev_dma_init(struct trivio_mdev *m);
void trivio_mdev_dma_exit(struct trivio_mdev *m);
void trivio_mdev_dma_open(struct trivio_mdev *m);
void trivio_mdev_dma_close(struct trivio_mdev *m);
void trivio_mdev_dma_let_go(struct trivio_mdev *m, u64 first, u64 last);
void trivio_mdev_dma_mapped(struct trivio_mdev *m, u64 first, u64 last);
bool trivio_mdev_dma_stuck(struct trivio_mdev *m, unsigned long time);
void trivio_mdev_dma_drop(struct trivio_mdev *m);
void trivio_mdev_dma_small(struct trivio_mdev *m, bool small);

/* unmap.c */
void trivio_mdev_dma_unmap(struct trivio_mdev *m, u64 iova, u64 len);
bool trivio_mdev_unmapping(struct trivio_mdev *m, u64 first, u64 last);
void trivio_mdev_unmap_init(struct trivio_mdev *m);
void trivio_mdev_unmap_close(struct trivio_mdev *m);

/* doorbell.c */
int trivio_mdev_bell_open(struct trivio_mdev *m);
void trivio_mdev_bell_close(struct trivio_mdev *m);
void trivio_mdev_bell_free(struct trivio_mdev *m);
void trivio_mdev_bell_start(struct trivio_mdev *m);
void trivio_mdev_bell_stop(struct trivio_mdev *m);
bool trivio_mdev_bell_idle(struct trivio_mdev *m, u16 queue);
void trivio_mdev_bell_write(struct trivio_mdev *m, u32 off);
bool trivio_mdev_bell_mmap(struct trivio_mdev *m);
bool trivio_mdev_bell_rung(struct trivio_mdev *m, u16 queue);
void trivio_mdev_bell_await(struct trivio_mdev *m, u16 queue);
void trivio_mdev_bell_zap(struct trivio_mdev *m, u16 queue);
int trivio_mdev_mmap(struct trivio_mdev *m, struct vm_area_struct *vma);
int trivio_mdev_ioeventfd(struct trivio_mdev *m,
			  const struct vfio_device_ioeventfd *arg);

/* track.c */
int trivio_mdev_track_open(struct trivio_mdev *m);
void trivio_mdev_track_close(struct trivio_mdev *m);
void trivio_mdev_track_mapped(struct trivio_mdev *m);
void trivio_mdev_track_fault(struct trivio_mdev *m, u16 queue);
void trivio_mdev_track_arm(struct trivio_mdev *m);
void trivio_mdev_track_disarm(struct trivio_mdev *m);

/* migrate.c */
int trivio_mdev_mig_init(struct trivio_mdev *m);
void trivio_mdev_mig_reset(struct trivio_mdev *m);

#endif /* TRIVIO_VFIO_MDEV_H */
