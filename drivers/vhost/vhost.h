/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vhost road: the vhost UAPI over a trivio net device. What an ioctl does,
 * and which errno it gives, follows drivers/vhost/{vhost,net}.c of Linux 6.12;
 * selftests/vhost/diff_test compares the two.
 */
#ifndef TRIVIO_VHOST_H
#define TRIVIO_VHOST_H

#include <linux/eventfd.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/vhost.h>
#include <linux/xarray.h>

#include <trivio/net.h>

#define VN_QUEUES	2

/* Device TLB entries; the default of vhost's max_iotlb_entries. */
#define VN_IOTLB_MAX	2048

/*
 * Unanswered IOTLB messages that are kept for one device. Each queue waits for
 * one at a time, so more than a few means that the guest changes its mind.
 */
#define VN_MSG_MAX	64

struct vn_dev;

/**
 * struct vn_queue - one vring
 * @vn: device
 * @q: the core's queue
 * @kick: eventfd that the driver's kicks come through, or NULL; under
 *	&vn_dev.mutex
 * @wait: entry on its wait queue
 * @wqh: that wait queue, or NULL
 * @pt: poll table that adds @wait
 * @call: eventfd for calls; written under q->lock, read by the service
 * @error: eventfd for errors; same
 * @file: backend that is bound, or NULL; under &vn_dev.mutex
 * @log_used: log writes to the used ring (VHOST_VRING_F_LOG); under q->lock
 * @log_addr: where the used ring is for the log; under q->lock
 * @addr_ok: ring addresses are of the current address space; under q->lock
 */
struct vn_queue {
	struct vn_dev *vn;
	struct trivio_queue *q;
	struct file *kick;
	wait_queue_entry_t wait;
	wait_queue_head_t *wqh;
	poll_table pt;
	struct eventfd_ctx *call;
	struct eventfd_ctx *error;
	struct file *file;
	bool log_used;
	u64 log_addr;
	bool addr_ok;
};

/**
 * struct vn_dev - one open file of /dev/trivio-vhost-net
 * @mutex: everything below but where it says otherwise. Taken before any lock
 *	of the core.
 * @dev: the core's device
 * @vq: its queues
 * @mm: the owner's, a reference (mmgrab), or NULL without owner
 * @pid: owner's process id
 * @umem: guest memory: GPA to user addresses
 * @umem_set: SET_MEM_TABLE was called
 * @umem_bad: the table has addresses that are not user's; refused at the latest
 *	when a backend is bound
 * @iotlb: device TLB: IOVA to user addresses
 * @use_iotlb: VIRTIO_F_ACCESS_PLATFORM is set: queues use @iotlb
 * @features: acknowledged feature bits
 * @backend_features: acknowledged VHOST_BACKEND_F_* bits
 * @log_base: user address of the dirty log; read by the services
 * @log_ctx: eventfd for log writes; written under both queues' locks
 * @fork_owner: workers are threads of the owner
 * @workers: workers by id
 * @msg_lock: protects @read_list, @pending_list and @nmsg
 * @read_list: messages not yet read
 * @pending_list: misses that were read and not yet answered
 * @nmsg: messages in both
 * @msg_wait: readers
 */
struct vn_dev {
	struct mutex mutex;
	struct trivio_dev *dev;
	struct vn_queue vq[VN_QUEUES];
	struct mm_struct *mm;
	pid_t pid;
	struct trivio_mem umem;
	bool umem_set;
	bool umem_bad;
	struct trivio_mem iotlb;
	bool use_iotlb;
	u64 features;
	u64 backend_features;
	void __user *log_base;
	struct eventfd_ctx *log_ctx;
	bool fork_owner;
	struct xarray workers;
	spinlock_t msg_lock;
	struct list_head read_list;
	struct list_head pending_list;
	unsigned int nmsg;
	wait_queue_head_t msg_wait;
};

static inline bool vn_has_owner(const struct vn_dev *vn)
{
	return vn->mm;
}

/* -EPERM for anyone but the owner, as vhost_dev_check_owner() says. */
static inline int vn_check_owner(const struct vn_dev *vn)
{
	return vn->mm && vn->mm == current->mm ? 0 : -EPERM;
}

static inline bool vn_running(const struct vn_queue *vq)
{
	return vq->file;
}

/* vring.c */
long vn_vring_ioctl(struct vn_dev *vn, unsigned int cmd, void __user *argp);
long vn_set_backend(struct vn_dev *vn, void __user *argp);
void vn_queue_unbind(struct vn_queue *vq);
void vn_queue_init(struct vn_dev *vn, int i);
void vn_queue_reset(struct vn_queue *vq);
int vn_map_ring(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		struct trivio_mapping *m);

/* worker.c */
int vn_workers_start(struct vn_dev *vn);
void vn_workers_interrupt(struct vn_dev *vn);
void vn_workers_stop(struct vn_dev *vn);
long vn_worker_ioctl(struct vn_dev *vn, unsigned int cmd, void __user *argp);

/* iotlb.c */
extern const struct trivio_mem_ops vn_iotlb_ops;
ssize_t vn_msg_read(struct vn_dev *vn, struct iov_iter *to, bool nonblock);
ssize_t vn_msg_write(struct vn_dev *vn, struct iov_iter *from);
void vn_msg_clear(struct vn_dev *vn);

/* log.c */
int vn_log_write(struct trivio_queue *q, u64 addr, u64 len);
int vn_log_ring(struct trivio_queue *q, enum trivio_area area, u32 off,
		u32 len);
bool vn_log_range_ok(void __user *base, u64 addr, u64 len);
bool vn_log_umem_ok(struct vn_dev *vn, void __user *base);
bool vn_log_used_ok(struct vn_queue *vq, void __user *base, bool log_used,
		    u64 addr);

#endif /* TRIVIO_VHOST_H */
