// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device IOTLB: messages to and from the owner (uapi/linux/vhost_types.h,
 * struct vhost_msg and vhost_msg_v2). A queue that misses parks; an UPDATE wakes
 * it.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "vhost.h"

/**
 * struct vn_msg - a message that waits
 * @node: on the read or pending list
 * @v2: which layout the reader gets
 * @m: what it says
 */
struct vn_msg {
	struct list_head node;
	bool v2;
	struct vhost_iotlb_msg m;
};

static bool msg_waits(struct list_head *list, u64 iova, u32 perm)
{
	struct vn_msg *msg;

	list_for_each_entry(msg, list, node) {
		if (msg->m.iova == iova && msg->m.perm == perm)
			return true;
	}
	return false;
}

/*
 * Ask the owner for a mapping. The same question is asked once; a guest that
 * changes its question all the time gets no more than VN_MSG_MAX through, and
 * waits like one whose owner does not answer.
 */
static int iotlb_miss(struct trivio_mem *mem, struct trivio_queue *q, u64 addr,
		      u32 perm)
{
	struct vn_dev *vn = mem->priv;
	struct vn_msg *msg;
	bool added = false;

	msg = kzalloc(sizeof(*msg), GFP_KERNEL_ACCOUNT);
	if (!msg)
		return -ENOMEM;
	msg->v2 = vn->backend_features & BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2);
	msg->m.type = VHOST_IOTLB_MISS;
	msg->m.iova = addr;
	msg->m.perm = perm;

	spin_lock(&vn->msg_lock);
	if (vn->nmsg < VN_MSG_MAX && !msg_waits(&vn->read_list, addr, perm) &&
	    !msg_waits(&vn->pending_list, addr, perm)) {
		list_add_tail(&msg->node, &vn->read_list);
		vn->nmsg++;
		added = true;
	}
	spin_unlock(&vn->msg_lock);
	if (added)
		wake_up_interruptible_poll(&vn->msg_wait,
					   EPOLLIN | EPOLLRDNORM);
	else
		kfree(msg);
	return -EAGAIN;
}

const struct trivio_mem_ops vn_iotlb_ops = {
	.miss	= iotlb_miss,
};

static void msg_free_list(struct list_head *list)
{
	struct vn_msg *msg, *next;

	list_for_each_entry_safe(msg, next, list, node)
		kfree(msg);
}

/**
 * vn_msg_clear() - forget all messages
 * @vn: device
 */
void vn_msg_clear(struct vn_dev *vn)
{
	struct vn_msg *msg;
	LIST_HEAD(list);

	spin_lock(&vn->msg_lock);
	list_splice_init(&vn->read_list, &list);
	list_splice_tail_init(&vn->pending_list, &list);
	/* One that a reader has in its hands stays counted until it is done with. */
	list_for_each_entry(msg, &list, node)
		vn->nmsg--;
	spin_unlock(&vn->msg_lock);
	msg_free_list(&list);
}

/* Questions that [iova, last] answers, or makes pointless. */
static void msg_answered(struct vn_dev *vn, u64 iova, u64 last)
{
	struct vn_msg *msg, *next;
	LIST_HEAD(list);

	spin_lock(&vn->msg_lock);
	list_for_each_entry_safe(msg, next, &vn->pending_list, node) {
		if (msg->m.iova >= iova && msg->m.iova <= last) {
			list_move(&msg->node, &list);
			vn->nmsg--;
		}
	}
	spin_unlock(&vn->msg_lock);
	msg_free_list(&list);
}

static struct vn_msg *msg_take(struct vn_dev *vn)
{
	struct vn_msg *msg;

	spin_lock(&vn->msg_lock);
	msg = list_first_entry_or_null(&vn->read_list, struct vn_msg, node);
	if (msg)
		list_del(&msg->node);
	spin_unlock(&vn->msg_lock);
	return msg;
}

static ssize_t msg_copy(const struct vn_msg *msg, struct iov_iter *to)
{
	struct vhost_msg_v2 v2 = { .type = VHOST_IOTLB_MSG_V2 };
	struct vhost_msg v1 = { .type = VHOST_IOTLB_MSG };

	/* Field by field into zeroed room: padding carries nothing out. */
	if (msg->v2) {
		v2.iotlb.iova = msg->m.iova;
		v2.iotlb.perm = msg->m.perm;
		v2.iotlb.type = msg->m.type;
		return copy_to_iter(&v2, sizeof(v2), to);
	}
	v1.iotlb.iova = msg->m.iova;
	v1.iotlb.perm = msg->m.perm;
	v1.iotlb.type = msg->m.type;
	return copy_to_iter(&v1, sizeof(v1), to);
}

/**
 * vn_msg_read() - read() of the device: the next message
 * @vn: device
 * @to: where to; less room than a message reads 0 bytes
 * @nonblock: do not wait
 *
 * Return: bytes; -EAGAIN; -ERESTARTSYS; -EBADFD if there is no device IOTLB to
 * wait for.
 */
ssize_t vn_msg_read(struct vn_dev *vn, struct iov_iter *to, bool nonblock)
{
	DEFINE_WAIT(wait);
	struct vn_msg *msg;
	ssize_t ret = 0;

	if (iov_iter_count(to) < sizeof(struct vhost_msg))
		return 0;

	for (;;) {
		if (!nonblock)
			prepare_to_wait(&vn->msg_wait, &wait,
					TASK_INTERRUPTIBLE);
		msg = msg_take(vn);
		if (msg)
			break;
		if (nonblock)
			ret = -EAGAIN;
		else if (signal_pending(current))
			ret = -ERESTARTSYS;
		else if (!READ_ONCE(vn->use_iotlb))
			ret = -EBADFD;
		if (ret)
			break;
		schedule();
	}
	if (!nonblock)
		finish_wait(&vn->msg_wait, &wait);
	if (!msg)
		return ret;

	ret = msg_copy(msg, to);
	spin_lock(&vn->msg_lock);
	if (ret == sizeof(struct vhost_msg)) {
		list_add_tail(&msg->node, &vn->pending_list);
		msg = NULL;
	} else {
		vn->nmsg--;
	}
	spin_unlock(&vn->msg_lock);
	kfree(msg);
	return ret;
}

static int iotlb_update(struct vn_dev *vn, const struct vhost_iotlb_msg *m)
{
	struct trivio_range r = {
		.first	= m->iova,
		.last	= m->iova + m->size - 1,
		.base	= m->uaddr,
		.perm	= m->perm & TRIVIO_RW,
	};
	int err;

	if (!vn->use_iotlb)
		return -EFAULT;
	if (r.last < r.first)
		return -EFAULT;
	/* Mapped for nothing is as good as not mapped. */
	err = r.perm ? trivio_mem_add(&vn->iotlb, &r) :
		       trivio_mem_del(&vn->iotlb, r.first, r.last);
	if (!err)
		msg_answered(vn, r.first, r.last);
	return err;
}

static int iotlb_invalidate(struct vn_dev *vn, const struct vhost_iotlb_msg *m)
{
	u64 last = m->iova + m->size - 1;

	if (!vn->use_iotlb)
		return -EFAULT;
	if (last < m->iova)
		return 0;
	return trivio_mem_del(&vn->iotlb, m->iova, last);
}

/**
 * vn_msg_write() - write() to the device: a message from the owner
 * @vn: device
 * @from: struct vhost_msg or vhost_msg_v2
 *
 * Return: the size of the message; -EINVAL for a malformed one; -EFAULT if it
 * can't be carried out.
 */
ssize_t vn_msg_write(struct vn_dev *vn, struct iov_iter *from)
{
	struct vhost_iotlb_msg m;
	size_t skip, size;
	int type, err;

	if (copy_from_iter(&type, sizeof(type), from) != sizeof(type))
		return -EINVAL;
	switch (type) {
	case VHOST_IOTLB_MSG:
		skip = offsetof(struct vhost_msg, iotlb) - sizeof(type);
		size = sizeof(struct vhost_msg);
		break;
	case VHOST_IOTLB_MSG_V2:
		skip = offsetof(struct vhost_msg_v2, iotlb) - sizeof(type);
		size = sizeof(struct vhost_msg_v2);
		break;
	default:
		return -EINVAL;
	}
	iov_iter_advance(from, skip);
	if (copy_from_iter(&m, sizeof(m), from) != sizeof(m))
		return -EINVAL;
	if (m.type == VHOST_IOTLB_UPDATE && !m.size)
		return -EINVAL;

	mutex_lock(&vn->mutex);
	switch (m.type) {
	case VHOST_IOTLB_UPDATE:
		err = iotlb_update(vn, &m);
		break;
	case VHOST_IOTLB_INVALIDATE:
		err = iotlb_invalidate(vn, &m);
		break;
	default:
		err = -EINVAL;
	}
	mutex_unlock(&vn->mutex);
	return err ? -EFAULT : size;
}
