// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty log: one bit for each 4 KiB page of guest memory that the device wrote,
 * in a bitmap of the owner's. Payload and header are logged when a chain is
 * completed, ring words when they are written.
 */
#include <linux/mutex.h>
#include <linux/rtmutex.h>
#include <uapi/linux/futex.h>
#include <linux/uaccess.h>
#include <asm/futex.h>

#include "vhost.h"

/* A buffer is at most this many pieces after a device TLB look-up. */
#define LOG_SEGS	64

/**
 * vn_log_range_ok() - does the log have room for a range of guest memory
 * @base: user address of the log
 * @addr: guest address
 * @len: bytes
 */
bool vn_log_range_ok(void __user *base, u64 addr, u64 len)
{
	unsigned long a = (unsigned long)base;
	u64 off = addr / VHOST_PAGE_SIZE / 8;

	if (off > ULONG_MAX - a)
		return false;
	return access_ok(base + off,
			 (len + VHOST_PAGE_SIZE * 8 - 1) / VHOST_PAGE_SIZE / 8);
}

/* Set one bit; atomically, as the owner clears bits at the same time. */
static int log_page(void __user *base, u64 page)
{
	unsigned long byte = (unsigned long)base + page / 8;
	u32 __user *word = (u32 __user *)(byte & ~3UL);
	int bit = (byte & 3) * 8 + page % 8, old;

	if (byte < (unsigned long)base)
		return -EFAULT;
	return arch_futex_atomic_op_inuser(FUTEX_OP_OR, 1 << bit, &old, word);
}

static int log_gpa(struct vn_dev *vn, u64 addr, u64 len)
{
	void __user *base = READ_ONCE(vn->log_base);
	u64 page, last;
	int err;

	if (!len)
		return 0;
	last = (addr + len - 1) / VHOST_PAGE_SIZE;
	for (page = addr / VHOST_PAGE_SIZE; page <= last; page++) {
		err = log_page(base, page);
		if (err)
			return err;
	}
	return 0;
}

/*
 * One piece of owner memory, which may be guest memory at several places.
 * Collected under RCU, logged outside it, since that may fault.
 */
static int log_hva(struct vn_dev *vn, u64 hva, u64 len)
{
	u64 gpa[8], part[8];
	const struct trivio_table *t;
	int i, n = 0, err = 0;

	rcu_read_lock();
	t = rcu_dereference(vn->umem.table);
	for (i = 0; t && i < t->n && n < ARRAY_SIZE(gpa); i++) {
		const struct trivio_range *r = &t->range[i];
		u64 end = r->base + (r->last - r->first);
		u64 from = max(hva, r->base), to = min(hva + len - 1, end);

		if (from > to)
			continue;
		gpa[n] = r->first + (from - r->base);
		part[n] = to - from + 1;
		n++;
	}
	rcu_read_unlock();
	if (!n)
		return -EFAULT;
	for (i = 0; i < n && !err; i++)
		err = log_gpa(vn, gpa[i], part[i]);
	return err;
}

/* Device addresses: through the device TLB to the owner's, and back. */
static int log_iova(struct vn_dev *vn, u64 addr, u64 len)
{
	union trivio_seg seg[LOG_SEGS];
	const struct trivio_table *t;
	int i, n, err = 0;
	u64 bad;

	rcu_read_lock();
	t = rcu_dereference(vn->iotlb.table);
	n = t ? trivio_table_translate(t, NULL, addr, len, TRIVIO_WO, seg,
				       ARRAY_SIZE(seg), &bad) : -EFAULT;
	rcu_read_unlock();
	if (n < 0)
		return n;
	for (i = 0; i < n && !err; i++)
		err = log_hva(vn, (unsigned long)seg[i].u.iov_base,
			      seg[i].u.iov_len);
	return err;
}

/* A range is in the log: count it, and tell the owner if it wants to know. */
static void log_done(struct trivio_queue *q, struct vn_dev *vn)
{
	trivio_stat_inc(q, TRIVIO_STAT_LOGGED);
	if (vn->log_ctx)
		eventfd_signal(vn->log_ctx);
}

/**
 * vn_log_write() - a chain's buffer was written
 * @q: queue
 * @addr: guest address, or IOVA with a device TLB
 * @len: bytes
 *
 * Context: service of the queue; may fault.
 *
 * Return: 0 or -EFAULT.
 */
int vn_log_write(struct trivio_queue *q, u64 addr, u64 len)
{
	struct vn_queue *vq = q->front_priv;
	struct vn_dev *vn = vq->vn;
	int err;

	if (!trivio_has(q->dev, VHOST_F_LOG_ALL))
		return 0;
	/* The data before its bit: who clears the bit sees the data. */
	smp_wmb();
	err = vn->use_iotlb ? log_iova(vn, addr, len) : log_gpa(vn, addr, len);
	if (!err)
		log_done(q, vn);
	return err;
}

/**
 * vn_log_ring() - a word of the ring was written
 * @q: queue
 * @area: which part of the ring
 * @off: first byte in it
 * @len: bytes
 *
 * The used ring (packed: the device event structure) has its guest address from
 * the owner; a packed descriptor ring is found through the memory table.
 *
 * Context: service of the queue; may fault.
 *
 * Return: 0 or -EFAULT.
 */
int vn_log_ring(struct trivio_queue *q, enum trivio_area area, u32 off, u32 len)
{
	struct vn_queue *vq = q->front_priv;
	struct vn_dev *vn = vq->vn;
	u64 addr;
	int err;

	if (!vq->log_used)
		return 0;
	/* The word before its bit, as above. */
	smp_wmb();
	addr = area == TRIVIO_AREA_DESC ? q->desc_addr : q->device_addr;
	if (vn->use_iotlb)
		err = log_iova(vn, addr + off, len);
	else if (area == TRIVIO_AREA_DESC)
		err = log_hva(vn, addr + off, len);
	else
		err = log_gpa(vn, vq->log_addr + off, len);
	if (!err)
		log_done(q, vn);
	return err;
}

/**
 * vn_log_umem_ok() - does the log have room for all guest memory
 * @vn: device
 * @base: user address of the log
 *
 * Context: with the device's mutex.
 */
bool vn_log_umem_ok(struct vn_dev *vn, void __user *base)
{
	const struct trivio_table *t;
	bool ok = true;
	u32 i;

	rcu_read_lock();
	t = rcu_dereference(vn->umem.table);
	for (i = 0; t && i < t->n && ok; i++)
		ok = vn_log_range_ok(base, t->range[i].first,
				     t->range[i].last - t->range[i].first + 1);
	rcu_read_unlock();
	return ok;
}

/**
 * vn_log_used_ok() - does the log have room for a queue's used ring
 * @vq: vring
 * @base: user address of the log
 * @log_used: whether it is logged
 * @addr: its guest address
 */
bool vn_log_used_ok(struct vn_queue *vq, void __user *base, bool log_used,
		    u64 addr)
{
	size_t desc, driver, device;

	if (!log_used || vq->vn->use_iotlb)
		return true;
	trivio_ring_bytes(vq->q->num,
			  trivio_has(vq->q->dev, VIRTIO_F_RING_PACKED),
			  trivio_has(vq->q->dev, VIRTIO_RING_F_EVENT_IDX),
			  &desc, &driver, &device);
	return vn_log_range_ok(base, addr, device);
}
