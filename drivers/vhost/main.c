// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/trivio-vhost-net: the standard vhost UAPI, as /dev/vhost-net has it, and
 * beyond it packed rings, IN_ORDER and the worker ioctls.
 *
 * One open file is one device with one queue pair. The owner is a process (its
 * mm), everything else is refused once there is one.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "vhost.h"

#define VN_FEATURES	(BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
			 BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) | \
			 BIT_ULL(VHOST_F_LOG_ALL) | \
			 BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) | \
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT_ULL(VIRTIO_F_VERSION_1) | \
			 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
			 BIT_ULL(VIRTIO_F_RING_PACKED) | \
			 BIT_ULL(VIRTIO_F_IN_ORDER) | \
			 BIT_ULL(VIRTIO_F_RING_RESET))

#define VN_BACKEND_FEATURES	BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2)

/* Largest memory table, however large the parameter: it is kernel memory. */
#define VN_REGIONS_MAX	65536

static ushort max_mem_regions = 64;
module_param(max_mem_regions, ushort, 0444);
MODULE_PARM_DESC(max_mem_regions, "Most regions in a memory table (64)");

/* --- what the core asks ------------------------------------------------ */

static void vn_call(struct trivio_queue *q)
{
	struct vn_queue *vq = q->front_priv;

	if (vq->call)
		eventfd_signal(vq->call);
}

static void vn_error(struct trivio_queue *q)
{
	struct vn_queue *vq = q->front_priv;

	if (vq->error)
		eventfd_signal(vq->error);
}

static pid_t vn_owner_pid(struct trivio_dev *dev)
{
	struct vn_dev *vn = dev->priv;

	return READ_ONCE(vn->pid);
}

static const struct trivio_front_ops vn_front_ops = {
	.name		= "vhost",
	.owner		= THIS_MODULE,
	.call		= vn_call,
	.error		= vn_error,
	.owner_pid	= vn_owner_pid,
	.log_write	= vn_log_write,
	.log_ring	= vn_log_ring,
};

static const struct trivio_mem_ops vn_umem_ops = {
	.map	= vn_map_ring,
};

/* --- memory ------------------------------------------------------------ */

static int range_cmp(const void *a, const void *b)
{
	const struct trivio_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/*
 * Regions may overlap: the one that starts first wins, as in-tree look-ups have
 * it. Returns how many are left.
 */
static u32 regions_clip(struct trivio_range *r, u32 n)
{
	u32 i, kept = 0;

	sort(r, n, sizeof(*r), range_cmp, NULL);
	for (i = 0; i < n; i++) {
		struct trivio_range x = r[i];

		if (kept && x.first <= r[kept - 1].last) {
			if (x.last <= r[kept - 1].last)
				continue;
			x.base += r[kept - 1].last + 1 - x.first;
			x.first = r[kept - 1].last + 1;
		}
		r[kept++] = x;
	}
	return kept;
}

static bool regions_user(const struct trivio_range *r, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		u64 size = r[i].last - r[i].first + 1;

		if (r[i].base + size < r[i].base ||
		    !access_ok((void __user *)(unsigned long)r[i].base, size))
			return false;
	}
	return true;
}

static bool vn_any_running(struct vn_dev *vn)
{
	return vn_running(&vn->vq[0]) || vn_running(&vn->vq[1]);
}

static int regions_get(struct trivio_range *r, u32 n,
		       const struct vhost_memory_region __user *from)
{
	struct vhost_memory_region m;
	u32 i;

	for (i = 0; i < n; i++) {
		if (copy_from_user(&m, &from[i], sizeof(m)))
			return -EFAULT;
		r[i].first = m.guest_phys_addr;
		r[i].last = m.guest_phys_addr + m.memory_size - 1;
		r[i].base = m.userspace_addr;
		r[i].perm = TRIVIO_RW;
		if (!m.memory_size || r[i].last < r[i].first)
			return -EFAULT;
	}
	return 0;
}

/* All guest memory must have a bit in the log, if one is in use. */
static bool regions_log_ok(struct vn_dev *vn, const struct trivio_range *r,
			   u32 n)
{
	u32 i;

	if (!(vn->features & BIT_ULL(VHOST_F_LOG_ALL)) || !vn_any_running(vn))
		return true;
	for (i = 0; i < n; i++) {
		if (!vn_log_range_ok(vn->log_base, r[i].first,
				     r[i].last - r[i].first + 1))
			return false;
	}
	return true;
}

static long vn_set_mem_table(struct vn_dev *vn, void __user *argp)
{
	struct vhost_memory __user *from = argp;
	struct vhost_memory head;
	struct trivio_range *r;
	bool bad;
	long err;
	u32 n;

	if (copy_from_user(&head, from, offsetof(struct vhost_memory, regions)))
		return -EFAULT;
	if (head.padding)
		return -EOPNOTSUPP;
	if (head.nregions > max_mem_regions)
		return -E2BIG;
	r = kvmalloc_array(max(head.nregions, 1U), sizeof(*r),
			   GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	err = regions_get(r, head.nregions, from->regions);
	if (err)
		goto out;

	/*
	 * A table with foreign addresses is only refused when it would be used;
	 * until then it is kept as "bad", and nothing is mapped.
	 */
	err = -EFAULT;
	bad = !regions_user(r, head.nregions);
	if ((bad && vn_any_running(vn)) || !regions_log_ok(vn, r, head.nregions))
		goto out;
	n = bad ? 0 : regions_clip(r, head.nregions);
	err = trivio_mem_replace(&vn->umem, r, n);
	if (!err) {
		vn->umem_set = true;
		vn->umem_bad = bad;
	}
out:
	kvfree(r);
	return err;
}

/* --- log --------------------------------------------------------------- */

static long vn_set_log_base(struct vn_dev *vn, void __user *argp)
{
	bool log_all = vn->features & BIT_ULL(VHOST_F_LOG_ALL);
	void __user *base;
	u64 addr;
	int i;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	base = (void __user *)(unsigned long)addr;
	for (i = 0; i < VN_QUEUES; i++) {
		struct vn_queue *vq = &vn->vq[i];

		if (!vn_running(vq))
			continue;
		if ((log_all && !vn_log_umem_ok(vn, base)) ||
		    !vn_log_used_ok(vq, base, vq->log_used, vq->log_addr))
			return -EFAULT;
	}
	WRITE_ONCE(vn->log_base, base);
	/* Nothing is written to the old log after this returns. */
	for (i = 0; i < VN_QUEUES; i++)
		trivio_queue_sync(vn->vq[i].q);
	return 0;
}

static long vn_set_log_fd(struct vn_dev *vn, void __user *argp)
{
	struct eventfd_ctx *ctx;
	int fd, i;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	ctx = fd == VHOST_FILE_UNBIND ? NULL : eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	swap(ctx, vn->log_ctx);
	for (i = 0; i < VN_QUEUES; i++)
		trivio_queue_sync(vn->vq[i].q);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

/* --- features ---------------------------------------------------------- */

/*
 * Ring addresses of one address space mean nothing in the other: the queue
 * holds until the owner gives new ones.
 */
static void vn_addr_void(struct vn_dev *vn)
{
	int i;

	for (i = 0; i < VN_QUEUES; i++) {
		struct vn_queue *vq = &vn->vq[i];

		trivio_queue_lock(vq->q);
		vq->addr_ok = false;
		vq->q->hold = true;
		mutex_unlock(&vq->q->lock);
	}
}

static int vn_switch_iotlb(struct vn_dev *vn, bool on)
{
	int i, err;

	if (on) {
		err = trivio_mem_replace(&vn->iotlb, NULL, 0);
		if (err)
			return err;
	}
	if (on == vn->use_iotlb)
		return 0;
	vn_addr_void(vn);
	WRITE_ONCE(vn->use_iotlb, on);
	for (i = 0; i < VN_QUEUES; i++)
		trivio_queue_set_mem(vn->vq[i].q, on ? &vn->iotlb : &vn->umem);
	if (!on) {
		vn_msg_clear(vn);
		trivio_mem_replace(&vn->iotlb, NULL, 0);
		wake_up_interruptible_poll(&vn->msg_wait,
					   EPOLLIN | EPOLLRDNORM);
	}
	return 0;
}

static long vn_set_features(struct vn_dev *vn, void __user *argp)
{
	u64 features;
	long err = 0;
	int i;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~VN_FEATURES)
		return -EOPNOTSUPP;

	mutex_lock(&vn->mutex);
	/* Stricter than in-tree: with an owner, the owner alone. */
	if (vn_has_owner(vn))
		err = vn_check_owner(vn);
	if (!err && features & BIT_ULL(VHOST_F_LOG_ALL) && vn_any_running(vn) &&
	    !vn_log_umem_ok(vn, vn->log_base))
		err = -EFAULT;
	if (!err && vn_switch_iotlb(vn, features &
					BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		err = -EFAULT;
	if (err)
		goto out;

	/* Logging starts before the bit is seen, and ends after. */
	vn->features = features;
	err = trivio_dev_set_features(vn->dev, features);
	for (i = 0; i < VN_QUEUES; i++)
		trivio_queue_set_log(vn->vq[i].q, vn->vq[i].log_used ||
				     features & BIT_ULL(VHOST_F_LOG_ALL));
out:
	mutex_unlock(&vn->mutex);
	return err;
}

static long vn_set_backend_features(struct vn_dev *vn, void __user *argp)
{
	u64 features;
	long err = 0;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~VN_BACKEND_FEATURES)
		return -EOPNOTSUPP;
	mutex_lock(&vn->mutex);
	if (vn_has_owner(vn))
		err = vn_check_owner(vn);
	if (!err)
		WRITE_ONCE(vn->backend_features, features);
	mutex_unlock(&vn->mutex);
	return err;
}

/* --- owner ------------------------------------------------------------- */

static long vn_set_owner(struct vn_dev *vn)
{
	int err;

	mutex_lock(&vn->mutex);
	err = -EBUSY;
	if (vn_has_owner(vn))
		goto out;
	err = vn_workers_start(vn);
	if (err)
		goto out;
	mmgrab(current->mm);
	vn->mm = current->mm;
	WRITE_ONCE(vn->pid, task_tgid_nr(current));
out:
	mutex_unlock(&vn->mutex);
	return err;
}

/*
 * Back to a device that was just opened. Queues first, so that nothing runs;
 * then workers, which wait for work that is queued; then what they used.
 */
static void vn_reset(struct vn_dev *vn)
{
	int i;

	for (i = 0; i < VN_QUEUES; i++)
		vn_queue_reset(&vn->vq[i]);
	vn_workers_stop(vn);
	vn_msg_clear(vn);
	vn_switch_iotlb(vn, false);
	trivio_mem_replace(&vn->umem, NULL, 0);
	vn->umem_set = false;
	vn->umem_bad = false;
	if (vn->log_ctx)
		eventfd_ctx_put(vn->log_ctx);
	vn->log_ctx = NULL;
	vn->log_base = NULL;
	vn->fork_owner = true;
	vn->backend_features = 0;
	vn->features = 0;
	trivio_dev_set_features(vn->dev, 0);
	for (i = 0; i < VN_QUEUES; i++) {
		trivio_queue_reset(vn->vq[i].q);
		trivio_queue_set_num(vn->vq[i].q, 1);
		vn->vq[i].q->hold = false;
	}
	if (vn->mm)
		mmdrop(vn->mm);
	vn->mm = NULL;
	WRITE_ONCE(vn->pid, 0);
	wake_up_interruptible_poll(&vn->msg_wait, EPOLLIN | EPOLLRDNORM);
}

static long vn_reset_owner(struct vn_dev *vn)
{
	long err;

	mutex_lock(&vn->mutex);
	err = vn_check_owner(vn);
	if (!err) {
		vn_reset(vn);
		/* The table is empty and yet set, as in-tree leaves it. */
		vn->umem_set = true;
	}
	mutex_unlock(&vn->mutex);
	return err;
}

static long vn_fork_ioctl(struct vn_dev *vn, unsigned int cmd,
			  void __user *argp)
{
	u8 val = vn->fork_owner ? VHOST_FORK_OWNER_TASK :
				  VHOST_FORK_OWNER_KTHREAD;

	if (cmd == VHOST_GET_FORK_FROM_OWNER)
		return put_user(val, (u8 __user *)argp);
	if (vn_has_owner(vn))
		return -EBUSY;
	if (get_user(val, (u8 __user *)argp))
		return -EFAULT;
	if (val != VHOST_FORK_OWNER_TASK && val != VHOST_FORK_OWNER_KTHREAD)
		return -EINVAL;
	vn->fork_owner = val == VHOST_FORK_OWNER_TASK;
	return 0;
}

/* --- file operations --------------------------------------------------- */

static long vn_owner_ioctl(struct vn_dev *vn, unsigned int cmd,
			   void __user *argp)
{
	long err;

	if (cmd == VHOST_SET_FORK_FROM_OWNER ||
	    cmd == VHOST_GET_FORK_FROM_OWNER)
		return vn_fork_ioctl(vn, cmd, argp);
	err = vn_worker_ioctl(vn, cmd, argp);
	if (err != -ENOIOCTLCMD)
		return err;
	err = vn_check_owner(vn);
	if (err)
		return err;
	switch (cmd) {
	case VHOST_SET_MEM_TABLE:
		return vn_set_mem_table(vn, argp);
	case VHOST_SET_LOG_BASE:
		return vn_set_log_base(vn, argp);
	case VHOST_SET_LOG_FD:
		return vn_set_log_fd(vn, argp);
	default:
		return vn_vring_ioctl(vn, cmd, argp);
	}
}

static long vn_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vn_dev *vn = file->private_data;
	void __user *argp = (void __user *)arg;
	u64 bits;
	long err;

	switch (cmd) {
	case VHOST_NET_SET_BACKEND:
		return vn_set_backend(vn, argp);
	case VHOST_GET_FEATURES:
		bits = VN_FEATURES;
		return copy_to_user(argp, &bits, sizeof(bits)) ? -EFAULT : 0;
	case VHOST_SET_FEATURES:
		return vn_set_features(vn, argp);
	case VHOST_GET_BACKEND_FEATURES:
		bits = VN_BACKEND_FEATURES;
		return copy_to_user(argp, &bits, sizeof(bits)) ? -EFAULT : 0;
	case VHOST_SET_BACKEND_FEATURES:
		return vn_set_backend_features(vn, argp);
	case VHOST_SET_OWNER:
		return vn_set_owner(vn);
	case VHOST_RESET_OWNER:
		return vn_reset_owner(vn);
	default:
		mutex_lock(&vn->mutex);
		err = vn_owner_ioctl(vn, cmd, argp);
		mutex_unlock(&vn->mutex);
		return err;
	}
}

static ssize_t vn_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;

	return vn_msg_read(file->private_data, to,
			   file->f_flags & O_NONBLOCK ||
			   iocb->ki_flags & IOCB_NOWAIT);
}

static ssize_t vn_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return vn_msg_write(iocb->ki_filp->private_data, from);
}

static __poll_t vn_poll(struct file *file, poll_table *wait)
{
	struct vn_dev *vn = file->private_data;

	poll_wait(file, &vn->msg_wait, wait);
	return list_empty_careful(&vn->read_list) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static int vn_open(struct inode *inode, struct file *file)
{
	static const struct trivio_net_cfg net_cfg = {
		.max_pairs	= 1,
		.raw_header	= true,
	};
	struct trivio_dev_cfg cfg = {
		.name		= "vhost%d",
		.class		= &trivio_net_class,
		.class_cfg	= &net_cfg,
		.front		= &vn_front_ops,
		.nqueues	= VN_QUEUES,
		.queue_max	= TRIVIO_RING_MAX,
		.features	= VN_FEATURES,
	};
	struct vn_dev *vn;
	int i, err;

	vn = kvzalloc(sizeof(*vn), GFP_KERNEL_ACCOUNT);
	if (!vn)
		return -ENOMEM;
	mutex_init(&vn->mutex);
	xa_init_flags(&vn->workers, XA_FLAGS_ALLOC);
	spin_lock_init(&vn->msg_lock);
	INIT_LIST_HEAD(&vn->read_list);
	INIT_LIST_HEAD(&vn->pending_list);
	init_waitqueue_head(&vn->msg_wait);
	vn->fork_owner = true;
	trivio_mem_init(&vn->umem, TRIVIO_MEM_USER, &vn_umem_ops, vn,
			VN_REGIONS_MAX);
	trivio_mem_init(&vn->iotlb, TRIVIO_MEM_USER, &vn_iotlb_ops, vn,
			VN_IOTLB_MAX);
	cfg.priv = vn;
	vn->dev = trivio_dev_create(&cfg);
	if (IS_ERR(vn->dev)) {
		err = PTR_ERR(vn->dev);
		kvfree(vn);
		return err;
	}
	for (i = 0; i < VN_QUEUES; i++)
		vn_queue_init(vn, i);
	file->private_data = vn;
	return 0;
}

static int vn_release(struct inode *inode, struct file *file)
{
	struct vn_dev *vn = file->private_data;

	mutex_lock(&vn->mutex);
	vn_workers_interrupt(vn);
	vn_reset(vn);
	mutex_unlock(&vn->mutex);
	trivio_dev_destroy(vn->dev);
	trivio_mem_exit(&vn->umem);
	trivio_mem_exit(&vn->iotlb);
	xa_destroy(&vn->workers);
	kvfree(vn);
	return 0;
}

static const struct file_operations vn_fops = {
	.owner		= THIS_MODULE,
	.open		= vn_open,
	.release	= vn_release,
	.read_iter	= vn_read_iter,
	.write_iter	= vn_write_iter,
	.poll		= vn_poll,
	.unlocked_ioctl	= vn_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice vn_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "trivio-vhost-net",
	.fops	= &vn_fops,
	.mode	= 0600,
};

static int __init vn_init(void)
{
	return misc_register(&vn_misc);
}

static void __exit vn_exit(void)
{
	misc_deregister(&vn_misc);
}

module_init(vn_init);
module_exit(vn_exit);

MODULE_DESCRIPTION("trivio: vhost-net front end");
MODULE_AUTHOR("The trivio authors");
MODULE_LICENSE("GPL");
