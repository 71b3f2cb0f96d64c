// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers of a vhost device: by default one for each queue, so that receive and
 * transmit run in parallel; the worker ioctls rearrange that.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "vhost.h"

/*
 * More workers than this make no sense for two queues; threads are charged to
 * the owner's RLIMIT_NPROC besides.
 */
#define VN_WORKERS_MAX	64

static int worker_new(struct vn_dev *vn, u32 *id)
{
	char name[TASK_COMM_LEN];
	struct trivio_worker *w;
	int err;

	/* The name that tools know vhost's threads by. */
	snprintf(name, sizeof(name), "vhost-%d", current->pid);
	w = trivio_worker_create(vn->fork_owner ? TRIVIO_WORKER_TASK :
						  TRIVIO_WORKER_KTHREAD,
				 name, current->mm);
	if (IS_ERR(w))
		return PTR_ERR(w);
	err = xa_alloc(&vn->workers, id, w, XA_LIMIT(0, VN_WORKERS_MAX - 1),
		       GFP_KERNEL_ACCOUNT);
	if (err)
		trivio_worker_put(w);
	return err;
}

static struct trivio_worker *queue_worker(struct vn_queue *vq)
{
	/* Only changed under the device's mutex, which the caller has. */
	return rcu_dereference_protected(vq->q->worker,
					 lockdep_is_held(&vq->vn->mutex));
}

/**
 * vn_workers_start() - give each queue its own worker
 * @vn: device, in the process that becomes the owner
 *
 * Return: 0 or a negative errno; nothing is left behind after an error.
 */
int vn_workers_start(struct vn_dev *vn)
{
	int i, err;
	u32 id;

	lockdep_assert_held(&vn->mutex);
	for (i = 0; i < VN_QUEUES; i++) {
		err = worker_new(vn, &id);
		if (err) {
			vn_workers_stop(vn);
			return err;
		}
		trivio_queue_set_worker(vn->vq[i].q, xa_load(&vn->workers, id));
	}
	return 0;
}

/**
 * vn_workers_interrupt() - no worker waits for its owner's memory any more
 * @vn: device that is being closed
 *
 * Else a fault that is the owner's own to answer would wait for the owner, whose
 * end waits for this close.
 */
void vn_workers_interrupt(struct vn_dev *vn)
{
	struct trivio_worker *w;
	unsigned long id;

	lockdep_assert_held(&vn->mutex);
	xa_for_each(&vn->workers, id, w)
		trivio_worker_interrupt(w);
}

/**
 * vn_workers_stop() - end all workers
 * @vn: device; its queues are stopped
 */
void vn_workers_stop(struct vn_dev *vn)
{
	struct trivio_worker *w;
	unsigned long id;
	int i;

	for (i = 0; i < VN_QUEUES; i++)
		trivio_queue_set_worker(vn->vq[i].q, NULL);
	xa_for_each(&vn->workers, id, w) {
		xa_erase(&vn->workers, id);
		trivio_worker_put(w);
	}
}

static long worker_ioctl_new(struct vn_dev *vn, void __user *argp)
{
	struct vhost_worker_state state = {};
	struct trivio_worker *w;
	int err;

	/* Kernel threads are in nobody's RLIMIT_NPROC. */
	if (!vn->fork_owner)
		return -EFAULT;
	err = worker_new(vn, &state.worker_id);
	if (err)
		return err == -EBUSY ? -ENOMEM : err;
	if (copy_to_user(argp, &state, sizeof(state))) {
		w = xa_erase(&vn->workers, state.worker_id);
		trivio_worker_put(w);
		return -EFAULT;
	}
	return 0;
}

static long worker_ioctl_free(struct vn_dev *vn, void __user *argp)
{
	struct vhost_worker_state state;
	struct trivio_worker *w;
	int i;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	w = xa_load(&vn->workers, state.worker_id);
	if (!w)
		return -ENODEV;
	for (i = 0; i < VN_QUEUES; i++) {
		if (queue_worker(&vn->vq[i]) == w)
			return -EBUSY;
	}
	xa_erase(&vn->workers, state.worker_id);
	trivio_worker_put(w);
	return 0;
}

static long worker_ioctl_vring(struct vn_dev *vn, unsigned int cmd,
			       void __user *argp)
{
	struct vhost_vring_worker ring;
	struct trivio_worker *w, *mine;
	struct vn_queue *vq;
	unsigned long id;
	u32 index;

	if (get_user(index, (u32 __user *)argp))
		return -EFAULT;
	if (index >= VN_QUEUES)
		return -ENOBUFS;
	vq = &vn->vq[array_index_nospec(index, VN_QUEUES)];

	if (cmd == VHOST_ATTACH_VRING_WORKER) {
		if (copy_from_user(&ring, argp, sizeof(ring)))
			return -EFAULT;
		w = xa_load(&vn->workers, ring.worker_id);
		if (!w)
			return -ENODEV;
		if (w != queue_worker(vq))
			trivio_queue_set_worker(vq->q, w);
		return 0;
	}

	mine = queue_worker(vq);
	xa_for_each(&vn->workers, id, w) {
		if (w != mine)
			continue;
		ring.index = index;
		ring.worker_id = id;
		return copy_to_user(argp, &ring, sizeof(ring)) ? -EFAULT : 0;
	}
	return -EINVAL;
}

/**
 * vn_worker_ioctl() - VHOST_NEW_WORKER and its kin
 * @vn: device
 * @cmd: ioctl number
 * @argp: its argument
 *
 * In-tree vhost_net does not have them; the semantics are those of
 * vhost_worker_ioctl(), which vhost_scsi uses.
 *
 * Return: 0, a negative errno, or -ENOIOCTLCMD for another ioctl.
 */
long vn_worker_ioctl(struct vn_dev *vn, unsigned int cmd, void __user *argp)
{
	int err;

	switch (cmd) {
	case VHOST_NEW_WORKER:
	case VHOST_FREE_WORKER:
	case VHOST_ATTACH_VRING_WORKER:
	case VHOST_GET_VRING_WORKER:
		break;
	default:
		return -ENOIOCTLCMD;
	}
	if (!vn_has_owner(vn))
		return -EINVAL;
	err = vn_check_owner(vn);
	if (err)
		return err;
	if (cmd == VHOST_NEW_WORKER)
		return worker_ioctl_new(vn, argp);
	if (cmd == VHOST_FREE_WORKER)
		return worker_ioctl_free(vn, argp);
	return worker_ioctl_vring(vn, cmd, argp);
}
