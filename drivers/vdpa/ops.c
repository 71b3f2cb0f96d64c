// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vDPA bus's operations, translated to the core's. What is subtle:
 *
 *  - kick_vq() may run inside an eventfd wake-up; the core only schedules then;
 *  - a callback is made under the queue's cb_lock, so that after set_vq_cb()
 *    none is under way (vhost_vdpa frees the eventfd before it tells);
 *  - clients read ring positions while the device runs, or after a reset:
 *    reading one freezes its queue, and positions outlive a reset;
 *  - a queue is told its address space when DRIVER_OK is set: what the process
 *    mapped (vhost_vdpa) or what the kernel driver mapped (any other).
 */
#include <linux/cpumask.h>
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <net/netlink.h>
#include <trivio/check.h>
#include <uapi/linux/vdpa.h>

#include "vdpa.h"

/* As long as nobody has a number of their own: QEMU's, as vdpa_sim uses 0. */
#define VDPA_VENDOR_ID		0

static struct trivio_queue *dev_queue(struct vdpa_device *vdev, u16 idx)
{
	return &to_trivio(vdev)->dev->queue[idx];
}

/* --- the core calls us -------------------------------------------------- */

/*
 * Softirqs are off over the callback: what it raises (block completions, NAPI)
 * then runs here at once and not in ksoftirqd.
 */
static void run_callback(spinlock_t *lock, const struct vdpa_callback *cb)
{
	bool bh = !irqs_disabled();
	unsigned long flags;

	if (bh)
		local_bh_disable();
	spin_lock_irqsave(lock, flags);
	if (cb->callback)
		cb->callback(cb->private);
	spin_unlock_irqrestore(lock, flags);
	if (bh)
		local_bh_enable();
}

static void front_call(struct trivio_queue *q)
{
	struct trivio_vdpa_vq *vq = q->front_priv;

	run_callback(&vq->cb_lock, &vq->cb);
}

static void front_config_changed(struct trivio_dev *dev)
{
	struct trivio_vdpa *v = dev->priv;

	run_callback(&v->config_lock, &v->config_cb);
}

static void front_error(struct trivio_queue *q)
{
	trivio_dev_needs_reset(q->dev);
}

static pid_t front_owner_pid(struct trivio_dev *dev)
{
	struct trivio_vdpa *v = dev->priv;

	return READ_ONCE(v->owner);
}

const struct trivio_front_ops trivio_vdpa_front = {
	.name = "vdpa",
	.owner = THIS_MODULE,
	.has_status = true,
	.call = front_call,
	.error = front_error,
	.config_changed = front_config_changed,
	.needs_reset = front_config_changed,
	.owner_pid = front_owner_pid,
};

/* --- queues ------------------------------------------------------------- */

static bool dev_running(const struct trivio_vdpa *v)
{
	return READ_ONCE(v->dev->status) & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !v->dev->suspended;
}

static bool by_process(const struct vdpa_device *vdev)
{
	return vdev->dev.driver && !strcmp(vdev->dev.driver->name, "vhost_vdpa");
}

static int op_set_vq_address(struct vdpa_device *vdev, u16 idx, u64 desc,
			     u64 driver, u64 device)
{
	/*
	 * A kernel driver's addresses mean something only if they went through
	 * the device's own mapping. Refused here, its probe fails; a ring that
	 * never starts would have it wait for ever, with locks held.
	 */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS) && !by_process(vdev)) {
		dev_err_ratelimited(&vdev->dev,
				    "kernel drivers need a kernel with CONFIG_ARCH_HAS_DMA_OPS (on x86: GART_IOMMU)\n");
		return -EOPNOTSUPP;
	}
	return trivio_queue_set_addr(dev_queue(vdev, idx), desc, driver,
				     device);
}

static void op_set_vq_num(struct vdpa_device *vdev, u16 idx, u32 num)
{
	int err = trivio_queue_set_num(dev_queue(vdev, idx), num);

	/* There is no way to refuse; the queue will not start. */
	if (err)
		dev_dbg(&vdev->dev, "queue %u: size %u refused: %d\n", idx,
			num, err);
}

static void op_kick_vq(struct vdpa_device *vdev, u16 idx)
{
	trivio_queue_kick(dev_queue(vdev, idx));
}

static void op_kick_vq_with_data(struct vdpa_device *vdev, u32 data)
{
	u16 idx = data;

	if (idx < to_trivio(vdev)->nvqs)
		trivio_queue_kick(dev_queue(vdev, idx));
}

static void op_set_vq_cb(struct vdpa_device *vdev, u16 idx,
			 struct vdpa_callback *cb)
{
	struct trivio_vdpa_vq *vq = &to_trivio(vdev)->vq[idx];
	unsigned long flags;

	spin_lock_irqsave(&vq->cb_lock, flags);
	vq->cb = *cb;
	spin_unlock_irqrestore(&vq->cb_lock, flags);
}

static void op_set_vq_ready(struct vdpa_device *vdev, u16 idx, bool ready)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	struct trivio_queue *q = dev_queue(vdev, idx);
	int err;

	mutex_lock(&v->lock);
	q->enabled = ready;
	if (!ready) {
		trivio_queue_stop(q);
	} else if (dev_running(v)) {
		err = trivio_queue_start(q);
		if (err)
			trivio_queue_error(q, TRIVIO_ERR_RING_MAP, 0,
					   q->desc_addr);
	}
	mutex_unlock(&v->lock);
}

static bool op_get_vq_ready(struct vdpa_device *vdev, u16 idx)
{
	return dev_queue(vdev, idx)->enabled;
}

static int op_set_vq_state(struct vdpa_device *vdev, u16 idx,
			   const struct vdpa_vq_state *state)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	struct trivio_queue *q = dev_queue(vdev, idx);
	u32 word;
	int err;

	if (trivio_has(v->dev, VIRTIO_F_RING_PACKED))
		word = state->packed.last_avail_idx |
		       state->packed.last_avail_counter << 15 |
		       state->packed.last_used_idx << 16 |
		       (u32)state->packed.last_used_counter << 31;
	else
		word = state->split.avail_index;

	mutex_lock(&v->lock);
	err = trivio_queue_set_state(q, word);
	if (!err)
		v->vq[idx].base_kept = false;
	mutex_unlock(&v->lock);
	return err;
}

static int op_get_vq_state(struct vdpa_device *vdev, u16 idx,
			   struct vdpa_vq_state *state)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	struct trivio_queue *q = dev_queue(vdev, idx);
	struct trivio_vdpa_vq *vq = &v->vq[idx];
	bool packed;
	u32 word;

	mutex_lock(&v->lock);
	if (vq->base_kept) {
		word = vq->base;
		packed = vq->base_packed;
	} else {
		/* What is told must stay true: no more service of this queue. */
		trivio_queue_stop(q);
		word = trivio_queue_get_state(q);
		packed = trivio_has(v->dev, VIRTIO_F_RING_PACKED);
	}
	mutex_unlock(&v->lock);

	memset(state, 0, sizeof(*state));
	if (packed) {
		state->packed.last_avail_idx = word & 0x7fff;
		state->packed.last_avail_counter = word >> 15 & 1;
		state->packed.last_used_idx = word >> 16 & 0x7fff;
		state->packed.last_used_counter = word >> 31;
	} else {
		state->split.avail_index = word;
	}
	return 0;
}

static int op_get_vendor_vq_stats(struct vdpa_device *vdev, u16 idx,
				  struct sk_buff *msg,
				  struct netlink_ext_ack *extack)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	u64 stat[TRIVIO_STAT_NR];
	int i;

	if (idx >= v->nvqs) {
		NL_SET_ERR_MSG_MOD(extack, "no such queue");
		return -EINVAL;
	}
	trivio_queue_stats(dev_queue(vdev, idx), stat);
	for (i = 0; i < TRIVIO_STAT_NR; i++) {
		if (nla_put_string(msg, VDPA_ATTR_DEV_VENDOR_ATTR_NAME,
				   trivio_stat_name(i)) ||
		    nla_put_u64_64bit(msg, VDPA_ATTR_DEV_VENDOR_ATTR_VALUE,
				      stat[i], VDPA_ATTR_PAD))
			return -EMSGSIZE;
	}
	return 0;
}

static u16 op_get_vq_size(struct vdpa_device *vdev, u16 idx)
{
	return to_trivio(vdev)->set.queue_size;
}

static u32 op_get_vq_align(struct vdpa_device *vdev)
{
	return PAGE_SIZE;
}

/* Before features are negotiated the answer is from what is offered. */
static u32 op_get_vq_group(struct vdpa_device *vdev, u16 idx)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	u64 f = v->dev->features ?: v->dev->offered;
	u16 ctrl = 2;

	if (!v->is_net || !(f & BIT_ULL(VIRTIO_NET_F_CTRL_VQ)))
		return VDPA_GROUP_DATA;
	if (f & (BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS)))
		ctrl = v->nvqs - 1;
	return idx == ctrl ? VDPA_GROUP_CTRL : VDPA_GROUP_DATA;
}

/* The control queue is isolated as a whole, by its own group. */
static u32 op_get_vq_desc_group(struct vdpa_device *vdev, u16 idx)
{
	u32 group = op_get_vq_group(vdev, idx);

	return group == VDPA_GROUP_DATA ? VDPA_GROUP_DESC : group;
}

static int op_set_vq_affinity(struct vdpa_device *vdev, u16 idx,
			      const struct cpumask *mask)
{
	struct trivio_vdpa_vq *vq = &to_trivio(vdev)->vq[idx];

	if (mask)
		cpumask_copy(&vq->affinity, mask);
	else
		cpumask_setall(&vq->affinity);
	return 0;
}

static const struct cpumask *op_get_vq_affinity(struct vdpa_device *vdev,
						u16 idx)
{
	return &to_trivio(vdev)->vq[idx].affinity;
}

/* --- the device ---------------------------------------------------------- */

static u64 op_get_device_features(struct vdpa_device *vdev)
{
	return to_trivio(vdev)->dev->offered;
}

static u64 op_get_backend_features(const struct vdpa_device *vdev)
{
	return BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
}

static int op_set_driver_features(struct vdpa_device *vdev, u64 features)
{
	/* The bus itself writes 0 if it is asked for the config space early. */
	if (features)
		trivio_check_features(to_trivio(vdev)->dev, features);
	/* Addresses go through our own map; a driver must know. */
	if (!(features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		return -EINVAL;
	return trivio_dev_set_features(to_trivio(vdev)->dev, features);
}

static u64 op_get_driver_features(struct vdpa_device *vdev)
{
	return to_trivio(vdev)->dev->features;
}

static void op_set_config_cb(struct vdpa_device *vdev,
			     struct vdpa_callback *cb)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	unsigned long flags;

	spin_lock_irqsave(&v->config_lock, flags);
	v->config_cb = *cb;
	spin_unlock_irqrestore(&v->config_lock, flags);
}

static u16 op_get_vq_num_max(struct vdpa_device *vdev)
{
	return to_trivio(vdev)->set.queue_max;
}

static u32 op_get_device_id(struct vdpa_device *vdev)
{
	return to_trivio(vdev)->dev->class->id;
}

static u32 op_get_vendor_id(struct vdpa_device *vdev)
{
	return VDPA_VENDOR_ID;
}

static u8 op_get_status(struct vdpa_device *vdev)
{
	return READ_ONCE(to_trivio(vdev)->dev->status);
}

static void dev_set_mems(struct trivio_vdpa *v)
{
	struct trivio_mem *mem = trivio_vdpa_dma_mem(v), *ring = mem;
	bool process = by_process(&v->vdev);
	u16 i;

	lockdep_assert_held(&v->lock);
	for (i = 0; i < v->nvqs; i++) {
		u8 as = v->group_as[op_get_vq_group(&v->vdev, i)];
		u8 desc_as = v->group_as[op_get_vq_desc_group(&v->vdev, i)];

		if (process) {
			mem = &v->as[as].mem;
			ring = desc_as == VDPA_AS_FOLLOW ? mem :
			       &v->as[desc_as].mem;
		}
		trivio_queue_set_mems(&v->dev->queue[i], mem, ring);
	}
	trivio_vdpa_bell_run(v, process);
}

/**
 * trivio_vdpa_groups_reset() - every group in the first address space
 * @v: device
 */
void trivio_vdpa_groups_reset(struct trivio_vdpa *v)
{
	memset(v->group_as, 0, sizeof(v->group_as));
	/* So that a client that does not know of this group finds its rings. */
	v->group_as[VDPA_GROUP_DESC] = VDPA_AS_FOLLOW;
}

/*
 * A step that does not follow from the last is not taken: DRIVER_OK without
 * FEATURES_OK, FEATURES_OK with features that don't do (virtio 1.2, 3.1.1).
 */
static void op_set_status(struct vdpa_device *vdev, u8 status)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	u8 old = READ_ONCE(v->dev->status);

	mutex_lock(&v->lock);
	trivio_check_status(v->dev, status);
	if (status & ~old & VIRTIO_CONFIG_S_FEATURES_OK &&
	    !trivio_has(v->dev, VIRTIO_F_VERSION_1))
		status &= ~(VIRTIO_CONFIG_S_FEATURES_OK |
			    VIRTIO_CONFIG_S_DRIVER_OK);
	if (status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	if (status & ~old & VIRTIO_CONFIG_S_DRIVER_OK)
		dev_set_mems(v);
	trivio_dev_set_status(v->dev, status);
	mutex_unlock(&v->lock);
}

static int op_reset(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	bool ran = v->dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
	struct vdpa_callback none = {};
	u16 i;

	trivio_dev_give_up(v->dev);
	mutex_lock(&v->lock);
	if (ran) {
		for (i = 0; i < v->nvqs; i++) {
			struct trivio_vdpa_vq *vq = &v->vq[i];

			trivio_queue_stop(&v->dev->queue[i]);
			vq->base = trivio_queue_get_state(&v->dev->queue[i]);
			vq->base_packed = trivio_has(v->dev,
						     VIRTIO_F_RING_PACKED);
			vq->base_kept = true;
		}
	}
	trivio_dev_reset(v->dev);
	for (i = 0; i < v->nvqs; i++)
		trivio_queue_set_mem(&v->dev->queue[i], NULL);
	trivio_vdpa_groups_reset(v);
	trivio_vdpa_bell_run(v, false);
	mutex_unlock(&v->lock);
	/* A fault may still have a call in store; its driver may be gone by then. */
	for (i = 0; i < v->nvqs; i++)
		op_set_vq_cb(vdev, i, &none);
	op_set_config_cb(vdev, &none);
	return 0;
}

/* Clients that do not know of persistent maps expect an empty one. */
static int op_compat_reset(struct vdpa_device *vdev, u32 flags)
{
	u32 i;

	op_reset(vdev);
	if (flags & VDPA_RESET_F_CLEAN_MAP) {
		for (i = 0; i < VDPA_NAS; i++)
			trivio_vdpa_reset_map(vdev, i);
	}
	return 0;
}

static int op_suspend(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	int err;

	mutex_lock(&v->lock);
	err = trivio_dev_suspend(v->dev);
	mutex_unlock(&v->lock);
	return err;
}

static int op_resume(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	int err = 0;

	mutex_lock(&v->lock);
	/* Resuming twice is no error: the device is as it was asked to be. */
	if (v->dev->suspended)
		err = trivio_dev_resume(v->dev);
	mutex_unlock(&v->lock);
	return err;
}

static size_t op_get_config_size(struct vdpa_device *vdev)
{
	struct trivio_dev *dev = to_trivio(vdev)->dev;

	return dev->class->config_len(dev);
}

static void op_get_config(struct vdpa_device *vdev, unsigned int offset,
			  void *buf, unsigned int len)
{
	/* Zeroes what it can't answer. */
	trivio_dev_config_read(to_trivio(vdev)->dev, offset, buf, len);
}

static void op_set_config(struct vdpa_device *vdev, unsigned int offset,
			  const void *buf, unsigned int len)
{
	trivio_dev_config_write(to_trivio(vdev)->dev, offset, buf, len);
}

static u32 op_get_generation(struct vdpa_device *vdev)
{
	return READ_ONCE(to_trivio(vdev)->dev->generation);
}

static struct vdpa_iova_range op_get_iova_range(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	struct vdpa_iova_range range = {
		.first = v->set.iova_first,
		.last = v->set.iova_last,
	};

	return range;
}

static int op_set_group_asid(struct vdpa_device *vdev, unsigned int group,
			     unsigned int asid)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	int err = 0;

	if (group >= VDPA_NGROUPS || asid >= VDPA_NAS)
		return -EINVAL;
	mutex_lock(&v->lock);
	if (v->dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		err = -EBUSY;
	else
		v->group_as[group] = asid;
	mutex_unlock(&v->lock);
	return err;
}

/* --- VA mode: whose memory it is ----------------------------------------- */

static int op_bind_mm(struct vdpa_device *vdev, struct mm_struct *mm)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	struct trivio_worker *w;
	u16 i;

	/* A thread of the owner's: in its limits, and it dies with it. */
	if (mm != current->mm)
		return -EINVAL;
	w = trivio_worker_create(TRIVIO_WORKER_TASK, v->dev->name, NULL);
	if (IS_ERR(w))
		return PTR_ERR(w);
	WRITE_ONCE(v->owner, task_tgid_nr(current));
	WRITE_ONCE(v->mm, mm);
	for (i = 0; i < v->nvqs; i++)
		trivio_queue_set_worker(&v->dev->queue[i], w);
	trivio_worker_put(w);
	return 0;
}

static void op_unbind_mm(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);

	WRITE_ONCE(v->mm, NULL);
	WRITE_ONCE(v->owner, 0);
	trivio_vdpa_workers_set(v);
}

static void op_free(struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);

	trivio_vdpa_mem_exit(v);
	trivio_vdpa_dma_exit(v);
	trivio_vdpa_bell_free(v);
	mutex_destroy(&v->lock);
	kvfree(v->vq);
}

/* bind_mm is only called for devices that use_va. */
const struct vdpa_config_ops trivio_vdpa_ops = {
	.set_vq_address		= op_set_vq_address,
	.set_vq_num		= op_set_vq_num,
	.kick_vq		= op_kick_vq,
	.kick_vq_with_data	= op_kick_vq_with_data,
	.set_vq_cb		= op_set_vq_cb,
	.set_vq_ready		= op_set_vq_ready,
	.get_vq_ready		= op_get_vq_ready,
	.set_vq_state		= op_set_vq_state,
	.get_vq_state		= op_get_vq_state,
	.get_vendor_vq_stats	= op_get_vendor_vq_stats,
	.get_vq_notification	= trivio_vdpa_bell_area,
	.get_vq_size		= op_get_vq_size,
	.get_vq_align		= op_get_vq_align,
	.get_vq_group		= op_get_vq_group,
	.get_vq_desc_group	= op_get_vq_desc_group,
	.set_vq_affinity	= op_set_vq_affinity,
	.get_vq_affinity	= op_get_vq_affinity,
	.get_device_features	= op_get_device_features,
	.get_backend_features	= op_get_backend_features,
	.set_driver_features	= op_set_driver_features,
	.get_driver_features	= op_get_driver_features,
	.set_config_cb		= op_set_config_cb,
	.get_vq_num_max		= op_get_vq_num_max,
	.get_device_id		= op_get_device_id,
	.get_vendor_id		= op_get_vendor_id,
	.get_status		= op_get_status,
	.set_status		= op_set_status,
	.reset			= op_reset,
	.compat_reset		= op_compat_reset,
	.suspend		= op_suspend,
	.resume			= op_resume,
	.get_config_size	= op_get_config_size,
	.get_config		= op_get_config,
	.set_config		= op_set_config,
	.get_generation		= op_get_generation,
	.get_iova_range		= op_get_iova_range,
	.set_map		= trivio_vdpa_set_map,
	.reset_map		= trivio_vdpa_reset_map,
	.set_group_asid		= op_set_group_asid,
	.free			= op_free,
	.bind_mm		= op_bind_mm,
	.unbind_mm		= op_unbind_mm,
};
