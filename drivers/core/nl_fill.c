// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink messages: what a device, a queue and an event look like to user
 * space (Documentation/netlink/specs/trivio.yaml).
 *
 * Readers must not be able to wait for a guest or its owner. So positions and
 * counters are read without a lock, each whole but the set perhaps torn, and the
 * shared words of a ring only if its queue's lock is free: who holds it may
 * sleep in a page fault that user space serves.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <uapi/linux/trivio.h>

#include "nl.h"

/* Counter n travels as attribute n + 1. */
static_assert((int)TRIVIO_A_STAT_KICKS == (int)TRIVIO_STAT_KICKS + 1);
static_assert((int)TRIVIO_A_STAT_DOORBELLS ==
	      (int)TRIVIO_STAT_DOORBELLS + 1);
static_assert((int)TRIVIO_A_STAT_MAX == (int)TRIVIO_STAT_NR);
static_assert((int)TRIVIO_NAME_LEN == (int)TRIVIO_NAME_MAX - 1);
static_assert((int)TRIVIO_QUEUE_STATE_IDLE == (int)TRIVIO_Q_IDLE);
static_assert((int)TRIVIO_QUEUE_STATE_RUNNING == (int)TRIVIO_Q_RUNNING);
static_assert((int)TRIVIO_QUEUE_STATE_BROKEN == (int)TRIVIO_Q_BROKEN);

/**
 * trivio_nl_dev_state() - what a device does, seen as a whole
 * @dev: device that can't go away meanwhile
 *
 * A road without a status register (vhost) starts queues one by one, so it is
 * the queues that are asked.
 *
 * Context: any; no lock.
 * Return: TRIVIO_DEV_STATE_*.
 */
u32 trivio_nl_dev_state(const struct trivio_dev *dev)
{
	bool running = false;
	u16 i;

	if (READ_ONCE(dev->status) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return TRIVIO_DEV_STATE_BROKEN;
	for (i = 0; i < dev->nqueues; i++) {
		switch (READ_ONCE(dev->queue[i].state)) {
		case TRIVIO_Q_BROKEN:
			return TRIVIO_DEV_STATE_BROKEN;
		case TRIVIO_Q_RUNNING:
			running = true;
			break;
		default:
			break;
		}
	}
	if (!running)
		return TRIVIO_DEV_STATE_IDLE;
	return READ_ONCE(dev->suspended) ? TRIVIO_DEV_STATE_SUSPENDED :
					   TRIVIO_DEV_STATE_RUNNING;
}

/* What the road counts; a message has room for some sixty. */
static int fill_counters(struct sk_buff *skb, struct trivio_dev *dev)
{
	struct nlattr *nest;
	const char *name;
	unsigned int i;
	u64 val;

	if (!dev->front->counter)
		return 0;
	for (i = 0; (name = dev->front->counter(dev, i, &val)); i++) {
		nest = nla_nest_start(skb, TRIVIO_A_DEV_COUNTER);
		if (!nest || nla_put_string(skb, TRIVIO_A_COUNTER_NAME, name) ||
		    nla_put_uint(skb, TRIVIO_A_COUNTER_VALUE, val))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

/**
 * trivio_nl_fill_dev() - attributes of a device
 * @skb: message
 * @dev: device
 *
 * Context: list of devices locked.
 * Return: 0, or -EMSGSIZE.
 */
int trivio_nl_fill_dev(struct sk_buff *skb, struct trivio_dev *dev)
{
	pid_t pid = dev->front->owner_pid ? dev->front->owner_pid(dev) : 0;

	if (nla_put_u32(skb, TRIVIO_A_DEV_ID, dev->id) ||
	    nla_put_string(skb, TRIVIO_A_DEV_NAME, dev->name) ||
	    nla_put_string(skb, TRIVIO_A_DEV_ROAD, dev->front->name) ||
	    nla_put_string(skb, TRIVIO_A_DEV_CLASS, dev->class->name) ||
	    (pid && nla_put_u32(skb, TRIVIO_A_DEV_OWNER_PID, pid)) ||
	    nla_put_u32(skb, TRIVIO_A_DEV_STATE, trivio_nl_dev_state(dev)) ||
	    nla_put_u32(skb, TRIVIO_A_DEV_STATUS, READ_ONCE(dev->status)) ||
	    nla_put_uint(skb, TRIVIO_A_DEV_OFFERED, READ_ONCE(dev->offered)) ||
	    nla_put_uint(skb, TRIVIO_A_DEV_FEATURES,
			 READ_ONCE(dev->features)) ||
	    nla_put_u32(skb, TRIVIO_A_DEV_GENERATION,
			READ_ONCE(dev->generation)) ||
	    nla_put_u32(skb, TRIVIO_A_DEV_NQUEUES, dev->nqueues) ||
	    fill_counters(skb, dev))
		return -EMSGSIZE;
	return 0;
}

static const char *queue_role(const struct trivio_queue *q)
{
	const struct trivio_dev *dev = q->dev;

	if (dev->class->id != VIRTIO_ID_NET)
		return "request";
	if (dev->offered & BIT_ULL(VIRTIO_NET_F_CTRL_VQ) &&
	    q->index == dev->nqueues - 1)
		return "ctrl";
	return q->index & 1 ? "tx" : "rx";
}

static int fill_shared_split(struct sk_buff *skb, const struct trivio_ring *r)
{
	const struct vring_avail *avail = r->driver;
	const struct vring_used *used = r->device;
	u16 idx = le16_to_cpu((__force __le16)READ_ONCE(avail->idx));
	u16 flags = le16_to_cpu((__force __le16)READ_ONCE(avail->flags));
	__le16 event;

	if (nla_put_u32(skb, TRIVIO_A_RING_READY, idx != READ_ONCE(r->last_avail)) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DRIVER_IDX, idx) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DRIVER_FLAGS, flags))
		return -EMSGSIZE;
	idx = le16_to_cpu((__force __le16)READ_ONCE(used->idx));
	flags = le16_to_cpu((__force __le16)READ_ONCE(used->flags));
	if (nla_put_u32(skb, TRIVIO_A_RING_DEVICE_IDX, idx) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DEVICE_FLAGS, flags))
		return -EMSGSIZE;
	/* Without the feature the mapping may end before these words. */
	if (!r->event_idx)
		return 0;
	event = READ_ONCE(*(__le16 *)&avail->ring[r->num]);
	if (nla_put_u32(skb, TRIVIO_A_RING_DRIVER_EVENT, le16_to_cpu(event)))
		return -EMSGSIZE;
	event = READ_ONCE(*(__le16 *)&used->ring[r->num]);
	return nla_put_u32(skb, TRIVIO_A_RING_DEVICE_EVENT, le16_to_cpu(event));
}

static int fill_shared_packed(struct sk_buff *skb, const struct trivio_ring *r)
{
	const struct vring_packed_desc_event *driver = r->driver;
	const struct vring_packed_desc_event *device = r->device;
	const struct vring_packed_desc *desc = r->desc;
	u16 slot = READ_ONCE(r->last_avail);
	bool wrap = READ_ONCE(r->avail_wrap);
	bool ready = false;
	u16 flags;

	if (slot < r->num) {
		flags = le16_to_cpu(READ_ONCE(desc[slot].flags));
		ready = !!(flags & BIT(VRING_PACKED_DESC_F_AVAIL)) == wrap &&
			!!(flags & BIT(VRING_PACKED_DESC_F_USED)) != wrap;
	}
	if (nla_put_u32(skb, TRIVIO_A_RING_READY, ready) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DRIVER_FLAGS,
			le16_to_cpu(READ_ONCE(driver->flags))) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DRIVER_EVENT,
			le16_to_cpu(READ_ONCE(driver->off_wrap))) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DEVICE_FLAGS,
			le16_to_cpu(READ_ONCE(device->flags))) ||
	    nla_put_u32(skb, TRIVIO_A_RING_DEVICE_EVENT,
			le16_to_cpu(READ_ONCE(device->off_wrap))))
		return -EMSGSIZE;
	return 0;
}

/*
 * The words that driver and device share. A ring is mapped and unmapped under
 * the queue's lock only, so while it is held they can be read, even if a port
 * serves the ring directly at the same time.
 */
static int fill_shared(struct sk_buff *skb, struct trivio_queue *q)
{
	int err = 0;

	if (!mutex_trylock(&q->lock))
		return 0;
	if (q->mapped) {
		err = nla_put_flag(skb, TRIVIO_A_RING_LIVE);
		if (!err && q->ring.packed)
			err = fill_shared_packed(skb, &q->ring);
		else if (!err)
			err = fill_shared_split(skb, &q->ring);
	}
	mutex_unlock(&q->lock);
	return err;
}

static int fill_ring(struct sk_buff *skb, struct trivio_queue *q)
{
	const struct trivio_ring *r = &q->ring;
	struct nlattr *nest = nla_nest_start(skb, TRIVIO_A_QUEUE_RING);

	if (!nest ||
	    nla_put_u32(skb, TRIVIO_A_RING_LAST_AVAIL,
			READ_ONCE(r->last_avail)) ||
	    nla_put_u32(skb, TRIVIO_A_RING_LAST_USED,
			READ_ONCE(r->last_used)) ||
	    nla_put_u32(skb, TRIVIO_A_RING_FLUSHED_USED,
			READ_ONCE(r->flushed_used)) ||
	    nla_put_u32(skb, TRIVIO_A_RING_PENDING, READ_ONCE(r->pending)) ||
	    nla_put_u32(skb, TRIVIO_A_RING_INFLIGHT, READ_ONCE(r->inflight)))
		return -EMSGSIZE;
	if (READ_ONCE(r->packed)) {
		if (nla_put_u32(skb, TRIVIO_A_RING_AVAIL_WRAP,
				READ_ONCE(r->avail_wrap)) ||
		    nla_put_u32(skb, TRIVIO_A_RING_USED_WRAP,
				READ_ONCE(r->used_wrap)))
			return -EMSGSIZE;
	} else if (nla_put_u32(skb, TRIVIO_A_RING_AVAIL_IDX,
			       READ_ONCE(r->avail_idx))) {
		return -EMSGSIZE;
	}
	if ((READ_ONCE(r->call_valid) &&
	     nla_put_u32(skb, TRIVIO_A_RING_CALL_USED,
			 READ_ONCE(r->call_used))) ||
	    (READ_ONCE(r->event_idx) &&
	     nla_put_flag(skb, TRIVIO_A_RING_EVENT_IDX)) ||
	    (READ_ONCE(r->kick_off) &&
	     nla_put_flag(skb, TRIVIO_A_RING_KICK_OFF)) ||
	    fill_shared(skb, q))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int fill_stats(struct sk_buff *skb, struct trivio_queue *q)
{
	struct nlattr *nest = nla_nest_start(skb, TRIVIO_A_QUEUE_STATS);
	u64 stat[TRIVIO_STAT_NR];
	int i;

	if (!nest)
		return -EMSGSIZE;
	trivio_queue_stats(q, stat);
	for (i = 0; i < TRIVIO_STAT_NR; i++) {
		if (nla_put_uint(skb, i + 1, stat[i]))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int fill_error(struct sk_buff *skb, const struct trivio_fault_rec *rec,
		      bool admin)
{
	struct nlattr *nest;

	if (rec->err == TRIVIO_OK)
		return 0;
	nest = nla_nest_start(skb, TRIVIO_A_QUEUE_ERROR);
	if (!nest ||
	    nla_put_u32(skb, TRIVIO_A_ERROR_CODE, rec->err) ||
	    nla_put_string(skb, TRIVIO_A_ERROR_NAME,
			   trivio_err_name(rec->err)) ||
	    nla_put_u32(skb, TRIVIO_A_ERROR_HEAD, rec->head) ||
	    (admin && nla_put_uint(skb, TRIVIO_A_ERROR_ADDR, rec->addr)) ||
	    nla_put_uint(skb, TRIVIO_A_ERROR_TIME, rec->time) ||
	    nla_put_uint(skb, TRIVIO_A_ERROR_COUNT, rec->count))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static pid_t queue_worker_pid(const struct trivio_queue *q)
{
	struct trivio_worker *w;
	pid_t pid = 0;

	/* A worker is let go of a grace period after it was replaced. */
	rcu_read_lock();
	w = rcu_dereference(q->worker);
	if (w)
		pid = trivio_worker_pid(w);
	rcu_read_unlock();
	return pid;
}

static int fill_queue_flags(struct sk_buff *skb, const struct trivio_queue *q)
{
	bool packed = trivio_has(q->dev, VIRTIO_F_RING_PACKED);

	if ((packed && nla_put_flag(skb, TRIVIO_A_QUEUE_PACKED)) ||
	    (READ_ONCE(q->enabled) &&
	     nla_put_flag(skb, TRIVIO_A_QUEUE_ENABLED)) ||
	    (trivio_queue_direct(q) &&
	     nla_put_flag(skb, TRIVIO_A_QUEUE_DIRECT)) ||
	    (READ_ONCE(q->kick_pending) &&
	     nla_put_flag(skb, TRIVIO_A_QUEUE_KICK_PENDING)))
		return -EMSGSIZE;
	return 0;
}

/**
 * trivio_nl_fill_queue() - attributes of a queue
 * @skb: message
 * @q: queue
 * @admin: the reader may see addresses
 *
 * Context: list of devices locked; does not wait for the queue.
 * Return: 0, or -EMSGSIZE.
 */
int trivio_nl_fill_queue(struct sk_buff *skb, struct trivio_queue *q,
			 bool admin)
{
	struct trivio_fault_rec rec;
	pid_t pid = queue_worker_pid(q);

	trivio_queue_first_error(q, &rec);
	if (nla_put_u32(skb, TRIVIO_A_QUEUE_DEV, q->dev->id) ||
	    nla_put_string(skb, TRIVIO_A_QUEUE_DEV_NAME, q->dev->name) ||
	    nla_put_u32(skb, TRIVIO_A_QUEUE_INDEX, q->index) ||
	    nla_put_string(skb, TRIVIO_A_QUEUE_ROLE, queue_role(q)) ||
	    nla_put_u32(skb, TRIVIO_A_QUEUE_STATE, READ_ONCE(q->state)) ||
	    nla_put_u32(skb, TRIVIO_A_QUEUE_NUM, READ_ONCE(q->num)) ||
	    nla_put_u32(skb, TRIVIO_A_QUEUE_NUM_MAX, q->num_max) ||
	    fill_queue_flags(skb, q) ||
	    (pid && nla_put_u32(skb, TRIVIO_A_QUEUE_WORKER_PID, pid)))
		return -EMSGSIZE;
	if (admin &&
	    (nla_put_uint(skb, TRIVIO_A_QUEUE_DESC_ADDR,
			  READ_ONCE(q->desc_addr)) ||
	     nla_put_uint(skb, TRIVIO_A_QUEUE_DRIVER_ADDR,
			  READ_ONCE(q->driver_addr)) ||
	     nla_put_uint(skb, TRIVIO_A_QUEUE_DEVICE_ADDR,
			  READ_ONCE(q->device_addr))))
		return -EMSGSIZE;
	if (fill_ring(skb, q) || fill_stats(skb, q) ||
	    fill_error(skb, &rec, admin))
		return -EMSGSIZE;
	return 0;
}

/**
 * trivio_nl_fill_event() - attributes of an event
 * @skb: message
 * @e: what happened
 * @lost: events dropped before it
 *
 * Everybody may listen, so no address goes out.
 *
 * Return: 0, or -EMSGSIZE.
 */
int trivio_nl_fill_event(struct sk_buff *skb, const struct trivio_nl_event *e,
			 u32 lost)
{
	if (e->cmd == TRIVIO_CMD_STATE_NTF) {
		if (nla_put_u32(skb, TRIVIO_A_DEV_ID, e->dev) ||
		    nla_put_string(skb, TRIVIO_A_DEV_NAME, e->name) ||
		    nla_put_u32(skb, TRIVIO_A_DEV_STATE, e->state) ||
		    nla_put_u32(skb, TRIVIO_A_DEV_STATUS, e->status) ||
		    (lost && nla_put_u32(skb, TRIVIO_A_DEV_LOST, lost)))
			return -EMSGSIZE;
		return 0;
	}
	if (nla_put_u32(skb, TRIVIO_A_QUEUE_DEV, e->dev) ||
	    nla_put_string(skb, TRIVIO_A_QUEUE_DEV_NAME, e->name) ||
	    nla_put_u32(skb, TRIVIO_A_QUEUE_INDEX, e->queue) ||
	    fill_error(skb, &e->rec, false) ||
	    (lost && nla_put_u32(skb, TRIVIO_A_QUEUE_LOST, lost)))
		return -EMSGSIZE;
	return 0;
}
