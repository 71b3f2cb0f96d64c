// SPDX-License-Identifier: GPL-2.0-only
/* What the owner says about one vring: size, place, eventfds, backend. */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vhost.h"

/* --- kicks ------------------------------------------------------------- */

/* Inside the eventfd's wake-up: interrupts off, its lock held. Only schedule. */
static int kick_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct vn_queue *vq = container_of(wait, struct vn_queue, wait);

	if (key_to_poll(key) & EPOLLIN)
		trivio_queue_kick(vq->q);
	return 0;
}

static void kick_poll_add(struct file *file, wait_queue_head_t *wqh,
			  poll_table *pt)
{
	struct vn_queue *vq = container_of(pt, struct vn_queue, pt);

	vq->wqh = wqh;
	add_wait_queue(wqh, &vq->wait);
}

static void kick_stop(struct vn_queue *vq)
{
	if (vq->wqh) {
		remove_wait_queue(vq->wqh, &vq->wait);
		vq->wqh = NULL;
	}
}

static int kick_start(struct vn_queue *vq)
{
	__poll_t mask;

	if (!vq->kick)
		return 0;
	mask = vfs_poll(vq->kick, &vq->pt);
	if (mask & EPOLLERR) {
		kick_stop(vq);
		return -EINVAL;
	}
	if (mask & EPOLLIN)
		trivio_queue_kick(vq->q);
	return 0;
}

static long set_kick(struct vn_queue *vq, const struct vhost_vring_file *f)
{
	struct file *file, *old = vq->kick;

	file = f->fd == VHOST_FILE_UNBIND ? NULL : eventfd_fget(f->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (file == old) {
		if (file)
			fput(file);
		return 0;
	}
	kick_stop(vq);
	vq->kick = file;
	if (old)
		fput(old);
	return kick_start(vq);
}

static long set_ctx(struct vn_queue *vq, const struct vhost_vring_file *f,
		    struct eventfd_ctx **slot)
{
	struct eventfd_ctx *ctx;

	ctx = f->fd == VHOST_FILE_UNBIND ? NULL : eventfd_ctx_fdget(f->fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	/* The service signals with this lock held. */
	trivio_queue_lock(vq->q);
	swap(ctx, *slot);
	mutex_unlock(&vq->q->lock);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

static long set_file(struct vn_queue *vq, unsigned int cmd, void __user *argp)
{
	struct vhost_vring_file f;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	switch (cmd) {
	case VHOST_SET_VRING_KICK:
		return set_kick(vq, &f);
	case VHOST_SET_VRING_CALL:
		return set_ctx(vq, &f, &vq->call);
	default:
		return set_ctx(vq, &f, &vq->error);
	}
}

/* --- size, position, place --------------------------------------------- */

static long set_num(struct vn_queue *vq, void __user *argp)
{
	struct vhost_vring_state s;

	if (vn_running(vq))
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	return trivio_queue_set_num(vq->q, s.num);
}

static long set_base(struct vn_queue *vq, void __user *argp)
{
	struct vhost_vring_state s;

	if (vn_running(vq))
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	return trivio_queue_set_state(vq->q, s.num);
}

static long get_base(struct vn_queue *vq, u32 index, void __user *argp)
{
	struct vhost_vring_state s = {
		.index = index,
		.num = trivio_queue_get_state(vq->q),
	};

	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static long set_busyloop(struct vn_queue *vq, void __user *argp)
{
	struct vhost_vring_state s;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	WRITE_ONCE(vq->q->busyloop, s.num);
	return 0;
}

static long get_busyloop(struct vn_queue *vq, u32 index, void __user *argp)
{
	struct vhost_vring_state s = {
		.index = index,
		.num = vq->q->busyloop,
	};

	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

/* Without a device TLB ring addresses are the owner's own. */
static bool ring_access_ok(struct vn_queue *vq, u64 desc, u64 avail, u64 used)
{
	size_t dlen, alen, ulen;

	if (vq->vn->use_iotlb)
		return true;
	trivio_ring_bytes(vq->q->num,
			  trivio_has(vq->q->dev, VIRTIO_F_RING_PACKED),
			  trivio_has(vq->q->dev, VIRTIO_RING_F_EVENT_IDX),
			  &dlen, &alen, &ulen);
	return access_ok((void __user *)(unsigned long)desc, dlen) &&
	       access_ok((void __user *)(unsigned long)avail, alen) &&
	       access_ok((void __user *)(unsigned long)used, ulen);
}

static void queue_set_log(struct vn_queue *vq)
{
	trivio_queue_set_log(vq->q, vq->log_used ||
				    vq->vn->features & BIT_ULL(VHOST_F_LOG_ALL));
}

static long set_addr(struct vn_queue *vq, void __user *argp)
{
	struct vhost_vring_addr a;
	bool log_used;

	if (copy_from_user(&a, argp, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if ((a.avail_user_addr & (VRING_AVAIL_ALIGN_SIZE - 1)) ||
	    (a.used_user_addr & (VRING_USED_ALIGN_SIZE - 1)) ||
	    (a.log_guest_addr & (VRING_USED_ALIGN_SIZE - 1)))
		return -EINVAL;
	log_used = a.flags & BIT(VHOST_VRING_F_LOG);
	/* What does not run is checked when a backend is bound. */
	if (vn_running(vq) &&
	    (!ring_access_ok(vq, a.desc_user_addr, a.avail_user_addr,
			     a.used_user_addr) ||
	     !vn_log_used_ok(vq, vq->vn->log_base, log_used,
			     a.log_guest_addr)))
		return -EINVAL;

	trivio_queue_lock(vq->q);
	vq->log_used = log_used;
	vq->log_addr = a.log_guest_addr;
	vq->addr_ok = true;
	vq->q->hold = false;
	mutex_unlock(&vq->q->lock);
	queue_set_log(vq);
	return trivio_queue_set_addr(vq->q, a.desc_user_addr, a.avail_user_addr,
				     a.used_user_addr);
}

/**
 * vn_vring_ioctl() - everything that names a vring
 * @vn: device
 * @cmd: ioctl number
 * @argp: its argument, which starts with the vring's index
 *
 * Return: 0, a negative errno, or -ENOIOCTLCMD.
 */
long vn_vring_ioctl(struct vn_dev *vn, unsigned int cmd, void __user *argp)
{
	struct vn_queue *vq;
	u32 index;

	lockdep_assert_held(&vn->mutex);
	if (get_user(index, (u32 __user *)argp))
		return -EFAULT;
	if (index >= VN_QUEUES)
		return -ENOBUFS;
	vq = &vn->vq[array_index_nospec(index, VN_QUEUES)];

	switch (cmd) {
	case VHOST_SET_VRING_NUM:
		return set_num(vq, argp);
	case VHOST_SET_VRING_ADDR:
		return set_addr(vq, argp);
	case VHOST_SET_VRING_BASE:
		return set_base(vq, argp);
	case VHOST_GET_VRING_BASE:
		return get_base(vq, index, argp);
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return set_file(vq, cmd, argp);
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
		return set_busyloop(vq, argp);
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
		return get_busyloop(vq, index, argp);
	default:
		return -ENOIOCTLCMD;
	}
}

/* --- backend ----------------------------------------------------------- */

/**
 * vn_map_ring() - &trivio_mem_ops.map of guest memory without a device TLB
 * @mem: &vn_dev.umem
 * @addr: user address of the owner
 * @len: bytes
 * @perm: access
 * @m: filled in
 *
 * Return: as trivio_mem_pin_user().
 */
int vn_map_ring(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		struct trivio_mapping *m)
{
	union trivio_seg seg;

	seg.u.iov_base = (void __user *)(unsigned long)addr;
	seg.u.iov_len = len;
	if (!access_ok(seg.u.iov_base, len))
		return -EFAULT;
	return trivio_mem_pin_user(&seg, 1, perm, m);
}

/**
 * vn_queue_unbind() - take a vring's backend away
 * @vq: vring
 *
 * On return all that was taken from the ring is completed, and packets that
 * were taken from the socket and not delivered are back in it.
 */
void vn_queue_unbind(struct vn_queue *vq)
{
	trivio_queue_stop(vq->q);
	trivio_net_set_port(vq->q, NULL);
	if (vq->file)
		fput(vq->file);
	vq->file = NULL;
}

static int queue_bind(struct vn_queue *vq, struct file *file)
{
	struct trivio_port *port;
	int err;

	port = trivio_port_sock_create(file);
	if (IS_ERR(port))
		return PTR_ERR(port);
	err = trivio_net_set_port(vq->q, port);
	if (err) {
		trivio_port_sock_free(port);
		return err;
	}
	err = trivio_queue_start(vq->q);
	if (err) {
		trivio_net_set_port(vq->q, NULL);
		return err;
	}
	vq->file = get_file(file);
	return 0;
}

/* Can the vring run as it is set up? As vhost_vq_access_ok() has it. */
static bool queue_access_ok(struct vn_queue *vq)
{
	struct vn_dev *vn = vq->vn;

	if (!vn->umem_set || vn->umem_bad)
		return false;
	if (vn->features & BIT_ULL(VHOST_F_LOG_ALL) &&
	    !vn_log_umem_ok(vn, vn->log_base))
		return false;
	if (!vn_log_used_ok(vq, vn->log_base, vq->log_used, vq->log_addr))
		return false;
	return ring_access_ok(vq, vq->q->desc_addr, vq->q->driver_addr,
			      vq->q->device_addr);
}

static void bind_failed(struct vn_queue *vq, int err)
{
	pr_notice_ratelimited("trivio_vhost: %s: ring of queue %u can't be mapped (error %d)%s\n",
			      vq->q->dev->name, vq->q->index, err,
			      err == -ENOMEM ? ": raise RLIMIT_MEMLOCK" :
					       ": is it in memory that may be pinned?");
}

/**
 * vn_set_backend() - VHOST_NET_SET_BACKEND
 * @vn: device
 * @argp: struct vhost_vring_file
 *
 * Return: 0; -EPERM; -ENOBUFS for a vring that does not exist; -EFAULT for a
 * ring or memory that can't be accessed; -ENOTSOCK; -ENOMEM.
 */
long vn_set_backend(struct vn_dev *vn, void __user *argp)
{
	struct vhost_vring_file f;
	struct vn_queue *vq;
	struct file *file, *old;
	int err;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	mutex_lock(&vn->mutex);
	err = vn_check_owner(vn);
	if (err)
		goto out;
	err = -ENOBUFS;
	if (f.index >= VN_QUEUES)
		goto out;
	vq = &vn->vq[array_index_nospec(f.index, VN_QUEUES)];
	if (f.fd == VHOST_FILE_UNBIND)
		vn_msg_clear(vn);
	err = -EFAULT;
	if (!queue_access_ok(vq))
		goto out;
	err = 0;
	if (f.fd == VHOST_FILE_UNBIND) {
		vn_queue_unbind(vq);
		goto out;
	}
	err = -ENOTSOCK;
	file = fget(f.fd);
	if (!file)
		goto out;
	err = 0;
	if (file == vq->file)
		goto out_put;

	/* What is no backend leaves the old one in place. */
	err = trivio_port_sock_check(file);
	if (!err && !vq->addr_ok && !vn->use_iotlb)
		err = -EFAULT;
	if (err)
		goto out_put;
	old = vq->file ? get_file(vq->file) : NULL;
	vn_queue_unbind(vq);
	err = queue_bind(vq, file);
	if (err) {
		bind_failed(vq, err);
		if (old)
			queue_bind(vq, old);
	}
	if (old)
		fput(old);
out_put:
	fput(file);
out:
	mutex_unlock(&vn->mutex);
	return err;
}

/* --- life -------------------------------------------------------------- */

/**
 * vn_queue_init() - set up a vring of a new device
 * @vn: device
 * @i: which
 */
void vn_queue_init(struct vn_dev *vn, int i)
{
	struct vn_queue *vq = &vn->vq[i];

	vq->vn = vn;
	vq->q = &vn->dev->queue[i];
	vq->q->front_priv = vq;
	init_waitqueue_func_entry(&vq->wait, kick_wake);
	init_poll_funcptr(&vq->pt, kick_poll_add);
	trivio_queue_set_mem(vq->q, &vn->umem);
	trivio_queue_set_num(vq->q, 1);
}

/**
 * vn_queue_reset() - back to a new vring
 * @vq: vring
 *
 * Order: no more kicks; no more service; then the eventfds that service used.
 */
void vn_queue_reset(struct vn_queue *vq)
{
	kick_stop(vq);
	vn_queue_unbind(vq);
	if (vq->kick)
		fput(vq->kick);
	if (vq->call)
		eventfd_ctx_put(vq->call);
	if (vq->error)
		eventfd_ctx_put(vq->error);
	vq->kick = NULL;
	vq->call = NULL;
	vq->error = NULL;
	vq->log_used = false;
	vq->log_addr = 0;
	vq->addr_ok = false;
	vq->q->hold = false;
	vq->q->busyloop = 0;
	trivio_queue_set_log(vq->q, false);
}
