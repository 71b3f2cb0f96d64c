// SPDX-License-Identifier: GPL-2.0-only
/*
 * The core's device behind a mediated device: made from the settings, told of
 * opens and closes, and answering with interrupts. This is all there is to the
 * road's part in the data path: the core's classes do the work.
 */
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <trivio/blk.h>
#include <trivio/net.h>

#include "mdev.h"

/* Transport bits of this road, beside the class's own. */
#define ROAD_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | \
			 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT_ULL(VIRTIO_F_RING_PACKED))

static void front_call(struct trivio_queue *q)
{
	trivio_mdev_irq_queue(q->dev->priv, q->index);
}

static void front_config_changed(struct trivio_dev *dev)
{
	trivio_mdev_irq_config(dev->priv);
}

/* One broken queue breaks the device for the driver (virtio 1.2, 2.1.2). */
static void front_error(struct trivio_queue *q)
{
	trivio_dev_needs_reset(q->dev);
}

static bool front_idle(struct trivio_queue *q)
{
	return trivio_mdev_bell_idle(q->dev->priv, q->index);
}

static pid_t front_owner_pid(struct trivio_dev *dev)
{
	struct trivio_mdev *m = dev->priv;

	return READ_ONCE(m->owner);
}

static const struct trivio_front_ops trivio_mdev_front = {
	.name = "vfio",
	.owner = THIS_MODULE,
	.has_status = true,
	.call = front_call,
	.error = front_error,
	.config_changed = front_config_changed,
	.needs_reset = front_config_changed,
	.idle = front_idle,
	.counter = trivio_mdev_counter,
	.owner_pid = front_owner_pid,
};

/**
 * trivio_mdev_features() - every feature bit that a type can offer
 * @type: type
 */
u64 trivio_mdev_features(const struct trivio_mdev_type *type)
{
	return type->class->features | ROAD_FEATURES;
}

static bool is_net(const struct trivio_mdev *m)
{
	return m->type->class->id == VIRTIO_ID_NET;
}

static u64 offered(const struct trivio_mdev *m)
{
	u64 f = m->set.features & trivio_mdev_features(m->type);

	f |= BIT_ULL(VIRTIO_F_VERSION_1);
	if (!is_net(m))
		return f;
	f |= BIT_ULL(VIRTIO_NET_F_MAC);
	if (m->set.queues < 2)
		f &= ~(BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS) |
		       BIT_ULL(VIRTIO_NET_F_HASH_REPORT));
	if (!m->set.mtu)
		f &= ~BIT_ULL(VIRTIO_NET_F_MTU);
	f = trivio_port_spec_features(&m->set.port, f);
	/* What needs a control queue goes with it (virtio 1.2, 5.1.3.1). */
	if (!(f & BIT_ULL(VIRTIO_NET_F_CTRL_VQ)))
		f &= ~(BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
		       BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	return f;
}

static struct trivio_dev *net_create(struct trivio_mdev *m,
				     struct trivio_dev_cfg *cfg)
{
	struct trivio_net_cfg net = {
		.max_pairs = m->set.queues,
		.mtu = m->set.mtu,
	};
	struct trivio_dev *dev;
	int err;

	memcpy(net.mac, m->set.mac, sizeof(net.mac));
	cfg->class_cfg = &net;
	cfg->features = offered(m);
	cfg->nqueues = 2 * m->set.queues;
	if (cfg->features & BIT_ULL(VIRTIO_NET_F_CTRL_VQ))
		cfg->nqueues++;
	dev = trivio_dev_create(cfg);
	if (IS_ERR(dev))
		return dev;
	err = trivio_port_spec_attach(&m->set.port, dev);
	if (err) {
		trivio_dev_destroy(dev);
		return ERR_PTR(err);
	}
	return dev;
}

static struct trivio_dev *blk_create(struct trivio_mdev *m,
				     struct trivio_dev_cfg *cfg)
{
	const struct trivio_mdev_set *s = &m->set;
	struct trivio_blk_cfg blk = { .read_only = s->read_only };
	const char *serial = s->serial[0] ? s->serial :
			     dev_name(mdev_dev(m->mdev));
	struct trivio_dev *dev;
	int err;

	err = trivio_mdev_disk_open(m);
	if (err)
		return ERR_PTR(err);
	memcpy(blk.serial, serial, min(sizeof(blk.serial), strlen(serial)));
	blk.disk = m->disk;
	cfg->class_cfg = &blk;
	cfg->nqueues = s->queues;
	cfg->features = BIT_ULL(VIRTIO_F_VERSION_1) |
			(s->features & (ROAD_FEATURES |
					trivio_blk_features(m->disk,
							    s->read_only,
							    s->queues)));
	/* Not the driver's to refuse. */
	cfg->features |= trivio_blk_features(m->disk, s->read_only, 1) &
			 BIT_ULL(VIRTIO_BLK_F_RO);
	dev = trivio_dev_create(cfg);
	if (!IS_ERR(dev))
		m->disk = NULL;
	return dev;
}

static int dev_make(struct trivio_mdev *m)
{
	struct trivio_dev_cfg cfg = {
		.name = m->set.name,
		.class = m->type->class,
		.front = &trivio_mdev_front,
		.priv = m,
		.queue_max = m->set.ring,
	};
	struct trivio_dev *dev;

	dev = is_net(m) ? net_create(m, &cfg) : blk_create(m, &cfg);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	m->dev = dev;
	m->nqueues = dev->nqueues;
	m->nvectors = dev->nqueues + 1;
	return 0;
}

static u32 class_code(const struct trivio_mdev *m)
{
	/* Ethernet; SCSI, as QEMU's virtio-blk says, for firmware's sake. */
	return is_net(m) ? 0x020000 : 0x010000;
}

/**
 * trivio_mdev_dev_open() - a client opened the function: power it on
 * @m: mediated device; its lock is held
 *
 * Return: 0 or what making the core's device said.
 */
int trivio_mdev_dev_open(struct trivio_mdev *m)
{
	struct trivio_pci_id id = { };
	u16 i;
	int err;

	lockdep_assert_held(&m->lock);
	if (!m->dev) {
		err = dev_make(m);
		if (err)
			return err;
	}
	m->worker = trivio_worker_create(TRIVIO_WORKER_KTHREAD, m->dev->name,
					 NULL);
	if (IS_ERR(m->worker)) {
		err = PTR_ERR(m->worker);
		m->worker = NULL;
		return err;
	}

	id.virtio_id = m->dev->class->id;
	id.class = class_code(m);
	id.nvectors = m->nvectors;
	id.nqueues = m->nqueues;
	id.config_len = m->dev->class->config_len(m->dev);
	trivio_pci_cfg_init(&m->cfg, &id);
	WRITE_ONCE(m->stopped, false);
	/* COMMAND.MEMORY and COMMAND.MASTER are off at power-on. */
	WRITE_ONCE(m->decodes, false);
	m->held = true;
	trivio_mdev_regs_reset(m);
	trivio_mdev_dma_open(m);
	for (i = 0; i < m->nqueues; i++) {
		trivio_queue_set_worker(&m->dev->queue[i], m->worker);
		trivio_queue_set_mem(&m->dev->queue[i], &m->dma.mem);
	}
	return 0;
}

/**
 * trivio_mdev_dev_close() - the last client closed it: power it off
 * @m: mediated device; its lock is held
 *
 * On return nothing of the client's memory is touched or pinned.
 */
void trivio_mdev_dev_close(struct trivio_mdev *m)
{
	u16 i;

	lockdep_assert_held(&m->lock);
	/* Pinning may wait for the client, whose end waits for this close. */
	trivio_worker_interrupt(m->worker);
	trivio_dev_reset(m->dev);
	for (i = 0; i < m->nqueues; i++) {
		trivio_queue_set_mem(&m->dev->queue[i], NULL);
		trivio_queue_set_worker(&m->dev->queue[i], NULL);
	}
	trivio_mdev_dma_close(m);
	trivio_worker_put(m->worker);
	m->worker = NULL;
}

/**
 * trivio_mdev_dev_sync() - wait for requests that were popped before
 * @m: mediated device that is open
 *
 * Context: may sleep for as long as a disk takes.
 */
void trivio_mdev_dev_sync(struct trivio_mdev *m)
{
	if (!is_net(m))
		trivio_blk_sync(m->dev);
}

/**
 * trivio_mdev_dev_drop() - give up the core's device; the next open makes one
 * @m: mediated device that is not open; its lock is held
 */
void trivio_mdev_dev_drop(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	if (!m->dev)
		return;
	trivio_dev_destroy(m->dev);
	m->dev = NULL;
}
