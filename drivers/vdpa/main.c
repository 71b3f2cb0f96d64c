// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio_vdpa.ko: management devices for iproute2's vdpa tool, and the making
 * and ending of vDPA devices.
 *
 *	vdpa dev add name t0 mgmtdev trivio_net
 *	vdpa dev add name d0 mgmtdev trivio_blk
 *
 * A net device comes with a network interface of its name on this host, a block
 * device with a sparse memory disk of 1 GiB. What the tool can't say is read
 * from a configfs directory of the device's name (profile.c).
 */
#include <linux/etherdevice.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <uapi/linux/vdpa.h>

#include "vdpa.h"

#define PAIRS_MAX	64
#define BLK_QUEUES_MAX	64

/* Segments of a request that a ring of the usual size leaves room for. */
#define BLK_SEG_DEFAULT	126

/* Threads that serve, per device: more than processors do not help. */
#define WORKERS_MAX	8

#define TRANSPORT_FEATURES	(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
				 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
				 BIT_ULL(VIRTIO_F_VERSION_1) | \
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
				 BIT_ULL(VIRTIO_F_RING_PACKED) | \
				 BIT_ULL(VIRTIO_F_ORDER_PLATFORM) | \
				 BIT_ULL(VIRTIO_F_NOTIFICATION_DATA))

/* Without these no driver can do anything with a device of ours. */
#define NEEDED_FEATURES		(BIT_ULL(VIRTIO_F_VERSION_1) | \
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))

static struct lock_class_key pa_queue_key;

static bool sim_names;
module_param(sim_names, bool, 0444);
MODULE_PARM_DESC(sim_names, "also be vdpasim_net and vdpasim_blk, for test suites that ask for these");

/**
 * struct vdpa_parent - one management device
 * @mgmt: what the vDPA bus sees
 * @name: its name
 * @is_net: class of the devices it makes
 * @alias: only with the module parameter sim_names
 * @registered: for the way out
 */
struct vdpa_parent {
	struct vdpa_mgmt_dev mgmt;
	const char *name;
	bool is_net;
	bool alias;
	bool registered;
};

/**
 * trivio_vdpa_workers_set() - let the device's own threads serve its queues
 * @v: device
 *
 * Context: may sleep.
 */
void trivio_vdpa_workers_set(struct trivio_vdpa *v)
{
	u16 i;

	for (i = 0; i < v->nvqs; i++)
		trivio_queue_set_worker(&v->dev->queue[i],
					v->worker[i % v->nworkers]);
}

static void workers_end(struct trivio_vdpa *v)
{
	while (v->nworkers)
		trivio_worker_put(v->worker[--v->nworkers]);
	kfree(v->worker);
	v->worker = NULL;
}

static int workers_start(struct trivio_vdpa *v)
{
	u16 n = min3((unsigned int)v->nvqs, num_online_cpus(), WORKERS_MAX);
	struct trivio_worker *w;

	v->worker = kcalloc(n, sizeof(*v->worker), GFP_KERNEL);
	if (!v->worker)
		return -ENOMEM;
	while (v->nworkers < n) {
		w = trivio_worker_create(TRIVIO_WORKER_KTHREAD, v->dev->name,
					 NULL);
		if (IS_ERR(w)) {
			workers_end(v);
			return PTR_ERR(w);
		}
		v->worker[v->nworkers++] = w;
	}
	return 0;
}

static struct trivio_disk *disk_make(const struct trivio_vdpa_settings *s)
{
	u64 sectors = s->capacity >> TRIVIO_SECTOR_SHIFT;

	if (!strcmp(s->backing, "ram"))
		return trivio_disk_ram_create(sectors, s->block_size);
	if (!strcmp(s->backing, "null"))
		return trivio_disk_null_create(sectors, s->block_size);
	return trivio_disk_file_create(s->backing, s->block_size, s->direct_io,
				       s->read_only);
}

/* The disk, and a cache before it if there is to be one. */
static struct trivio_disk *disk_make_cached(const struct trivio_vdpa_settings *s)
{
	struct trivio_disk *disk = disk_make(s), *cached;

	if (IS_ERR(disk) || !s->write_cache)
		return disk;
	cached = trivio_disk_cache_create(disk, s->write_cache);
	if (IS_ERR(cached))
		disk->ops->free(disk);
	return cached;
}

static struct trivio_dev *blk_make(struct trivio_vdpa *v, const char *name)
{
	const struct trivio_vdpa_settings *s = &v->set;
	struct trivio_blk_cfg blk = {
		.read_only = s->read_only,
		.has_lifetime = s->has_lifetime,
	};
	struct trivio_dev_cfg cfg = {
		.name = name,
		.class = &trivio_blk_class,
		.class_cfg = &blk,
		.front = &trivio_vdpa_front,
		.priv = v,
		.nqueues = s->queues,
		.queue_max = s->queue_max,
	};
	struct trivio_dev *dev;

	memcpy(blk.serial, s->serial[0] ? s->serial : name,
	       min_t(size_t, sizeof(blk.serial),
		     strlen(s->serial[0] ? s->serial : name)));
	memcpy(blk.lifetime, s->lifetime, sizeof(blk.lifetime));
	/*
	 * A request is as long as its ring at most (virtio 1.2, 2.7.5.3.1), and
	 * has a header and a status.
	 */
	if (s->queue_size < BLK_SEG_DEFAULT + 2)
		blk.seg_max = max(s->queue_size, 3) - 2;
	blk.disk = disk_make_cached(s);
	if (IS_ERR(blk.disk)) {
		pr_warn_ratelimited("trivio_vdpa: %s: backing '%s': error %ld\n",
				    name, s->backing, PTR_ERR(blk.disk));
		return ERR_CAST(blk.disk);
	}
	cfg.features = (TRANSPORT_FEATURES & s->features) |
		       (trivio_blk_features(blk.disk, s->read_only, s->queues) &
			s->features);
	if (s->has_lifetime)
		cfg.features |= BIT_ULL(TRIVIO_BLK_F_LIFETIME) & s->features;
	dev = trivio_dev_create(&cfg);
	if (IS_ERR(dev))
		blk.disk->ops->free(blk.disk);
	return dev;
}

static u64 net_features(const struct trivio_vdpa_settings *s)
{
	u64 f = trivio_net_class.features;

	/* With one queue there is nothing to choose from. */
	if (s->queues == 1)
		f &= ~(BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS));
	if (!s->mtu)
		f &= ~BIT_ULL(VIRTIO_NET_F_MTU);
	if (!(s->features & BIT_ULL(VIRTIO_NET_F_CTRL_VQ)))
		f &= ~(BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		       BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
		       BIT_ULL(VIRTIO_NET_F_HASH_REPORT));
	return trivio_port_spec_features(&s->port, f & s->features);
}

static struct trivio_dev *net_make(struct trivio_vdpa *v, const char *name)
{
	const struct trivio_vdpa_settings *s = &v->set;
	struct trivio_net_cfg net = {
		.max_pairs = s->queues,
		.mtu = s->mtu,
		.link_down = !s->link,
		.speed = s->speed,
		.duplex = s->duplex,
	};
	struct trivio_dev_cfg cfg = {
		.name = name,
		.class = &trivio_net_class,
		.class_cfg = &net,
		.front = &trivio_vdpa_front,
		.priv = v,
		.nqueues = 2 * s->queues + 1,
		.queue_max = s->queue_max,
		.features = ((TRANSPORT_FEATURES |
			      BIT_ULL(VIRTIO_F_IN_ORDER)) & s->features) |
			    net_features(s),
	};
	struct trivio_dev *dev;
	int err;

	ether_addr_copy(net.mac, s->mac);
	dev = trivio_dev_create(&cfg);
	if (IS_ERR(dev))
		return dev;
	err = trivio_port_spec_attach(&s->port, dev);
	if (err) {
		pr_warn_ratelimited("trivio_vdpa: %s: port '%s': error %d\n",
				    name, s->port.text, err);
		trivio_dev_destroy(dev);
		return ERR_PTR(err);
	}
	return dev;
}

/*
 * The bus gives dev_add() no way to say what is wrong (no extack, unlike its own
 * checks), so the reason goes to the log and the errno is as telling as can be.
 */
#define refuse(name, err, fmt, ...)					\
({									\
	pr_warn_ratelimited("trivio_vdpa: %s not added: " fmt "\n",	\
			    name, ##__VA_ARGS__);			\
	err;								\
})

/* Profile first, then what the tool said. */
static void settings_take(struct trivio_vdpa_settings *s,
			  const struct vdpa_dev_set_config *config)
{
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR))
		ether_addr_copy(s->mac, config->net.mac);
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU))
		s->mtu = config->net.mtu;
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP))
		s->queues = config->net.max_vq_pairs;
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES))
		s->features = config->device_features;
}

static int settings_check(const struct trivio_vdpa_settings *s,
			  const struct vdpa_parent *parent, const char *name,
			  const struct vdpa_dev_set_config *config)
{
	u64 told = config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES) ?
		   config->device_features : 0;
	u16 max = parent->is_net ? PAIRS_MAX : BLK_QUEUES_MAX;
	const char *why;
	int err;

	if (!is_zero_ether_addr(s->mac) && !is_valid_ether_addr(s->mac))
		return refuse(name, -EADDRNOTAVAIL,
			      "%pM is no unicast address", s->mac);
	if (s->mtu && s->mtu < ETH_MIN_MTU)
		return refuse(name, -ERANGE, "MTU %u is below %u", s->mtu,
			      ETH_MIN_MTU);
	if (!s->queues || s->queues > max)
		return refuse(name, -ERANGE, "%u queues, 1 to %u can be had",
			      s->queues, max);
	if (s->queue_size > s->queue_max)
		return refuse(name, -ERANGE,
			      "queue_size %u is above queue_max %u",
			      s->queue_size, s->queue_max);
	if (!is_power_of_2(s->queue_size) &&
	    !(s->features & BIT_ULL(VIRTIO_F_RING_PACKED)))
		return refuse(name, -EINVAL,
			      "queue_size %u is no power of two, and without packed rings it must be",
			      s->queue_size);
	if (~s->features & NEEDED_FEATURES)
		return refuse(name, -EOPNOTSUPP,
			      "VERSION_1 (32) and ACCESS_PLATFORM (33) are needed");
	/* A profile's features are a mask; the tool's are what one wants. */
	if (told & ~parent->mgmt.supported_features)
		return refuse(name, -EOPNOTSUPP, "no such features: %#llx",
			      told & ~parent->mgmt.supported_features);
	if (s->iova_first >= s->iova_last)
		return refuse(name, -ERANGE, "iova_first is not below iova_last");
	if (parent->is_net) {
		err = trivio_port_spec_refused(&s->port, name, s->queues,
					       !s->use_va, &why);
		if (err)
			return refuse(name, err, "port '%s': %s", s->port.text,
				      why);
	}
	if (strlen(name) >= TRIVIO_NAME_MAX)
		return refuse(name, -ENAMETOOLONG, "the name is too long");
	return 0;
}

static int vqs_init(struct trivio_vdpa *v)
{
	u16 i;

	v->nvqs = v->is_net ? 2 * v->set.queues + 1 : v->set.queues;
	v->vq = kvcalloc(v->nvqs, sizeof(*v->vq), GFP_KERNEL);
	if (!v->vq)
		return -ENOMEM;
	for (i = 0; i < v->nvqs; i++) {
		spin_lock_init(&v->vq[i].cb_lock);
		cpumask_setall(&v->vq[i].affinity);
	}
	return 0;
}

/* Nobody is bound any more. What is left is freed by the vDPA bus's release. */
static void dev_unmake(struct trivio_vdpa *v)
{
	struct trivio_dev *dev = v->dev;

	if (!dev)
		return;
	trivio_vdpa_profile_live(v->claim, NULL);
	trivio_vdpa_bell_stop(v);
	v->dev = NULL;
	trivio_dev_destroy(dev);
	workers_end(v);
}

static int dev_make(struct trivio_vdpa *v, const char *name)
{
	struct trivio_dev *dev;
	int err;
	u16 i;

	err = vqs_init(v);
	if (err)
		return err;
	err = trivio_vdpa_dma_init(v);
	if (err)
		return err;
	dev = v->is_net ? net_make(v, name) : blk_make(v, name);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	v->dev = dev;
	for (i = 0; i < v->nvqs; i++) {
		dev->queue[i].front_priv = &v->vq[i];
		/* Never over user memory, so it may be taken below mmap_lock. */
		if (!v->set.use_va)
			lockdep_set_class(&dev->queue[i].lock, &pa_queue_key);
	}
	err = workers_start(v);
	if (err) {
		v->dev = NULL;
		trivio_dev_destroy(dev);
		return err;
	}
	trivio_vdpa_workers_set(v);
	/* Without memory it stays off, as its file then shows. */
	trivio_check_set_mode(dev, v->set.check);
	err = trivio_vdpa_bell_create(v);
	if (err) {
		dev_unmake(v);
		return err;
	}
	if (v->is_net) {
		const struct trivio_net *net = dev->class_priv;

		ether_addr_copy(v->set.mac, net->mac_default);
	}
	return 0;
}

static int parent_dev_add(struct vdpa_mgmt_dev *mgmt, const char *name,
			  const struct vdpa_dev_set_config *config)
{
	struct vdpa_parent *parent = container_of(mgmt, struct vdpa_parent,
						  mgmt);
	struct trivio_vdpa_claim *claim;
	struct trivio_vdpa_settings set;
	struct trivio_vdpa *v;
	int err;

	claim = trivio_vdpa_profile_claim(name);
	if (IS_ERR(claim))
		return PTR_ERR(claim);
	trivio_vdpa_defaults(&set, parent->is_net);
	trivio_vdpa_profile_take(claim, &set);
	settings_take(&set, config);
	err = settings_check(&set, parent, name, config);
	if (err)
		goto err_port;

	v = vdpa_alloc_device(struct trivio_vdpa, vdev, mgmt->device,
			      &trivio_vdpa_ops, VDPA_NGROUPS, VDPA_NAS, name,
			      set.use_va);
	if (IS_ERR(v)) {
		err = PTR_ERR(v);
		goto err_port;
	}
	v->set = set;
	v->claim = claim;
	v->is_net = parent->is_net;
	v->vdev.mdev = mgmt;
	mutex_init(&v->lock);
	spin_lock_init(&v->config_lock);
	trivio_vdpa_mem_init(v);
	trivio_vdpa_groups_reset(v);

	err = dev_make(v, name);
	trivio_port_spec_clear(&v->set.port);
	if (err)
		goto err_put;
	trivio_vdpa_profile_live(claim, v);
	err = _vdpa_register_device(&v->vdev, v->nvqs);
	if (err)
		goto err_unmake;
	return 0;

err_unmake:
	dev_unmake(v);
err_put:
	put_device(&v->vdev.dev);
	goto err_claim;

err_port:
	trivio_port_spec_clear(&set.port);
err_claim:
	trivio_vdpa_profile_release(claim);
	return err;
}

static void parent_dev_del(struct vdpa_mgmt_dev *mgmt, struct vdpa_device *vdev)
{
	struct trivio_vdpa *v = to_trivio(vdev);

	/* The device ends here, however long somebody holds its sysfs. */
	get_device(&vdev->dev);
	_vdpa_unregister_device(vdev);
	dev_unmake(v);
	trivio_vdpa_profile_release(v->claim);
	put_device(&vdev->dev);
}

/* "vdpa dev set NAME mac ...", of iproute2 newer than 6.1. */
static int parent_dev_set_attr(struct vdpa_mgmt_dev *mgmt,
			       struct vdpa_device *vdev,
			       const struct vdpa_dev_set_config *config)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	int err;

	if (!v->is_net ||
	    config->mask != BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR))
		return -EOPNOTSUPP;
	if (!is_valid_ether_addr(config->net.mac))
		return -EADDRNOTAVAIL;
	err = trivio_net_set_mac(v->dev, config->net.mac);
	if (!err)
		trivio_vdpa_profile_mac(v, config->net.mac);
	return err;
}

static const struct vdpa_mgmtdev_ops parent_ops = {
	.dev_add = parent_dev_add,
	.dev_del = parent_dev_del,
	.dev_set_attr = parent_dev_set_attr,
};

static struct virtio_device_id net_ids[] = {
	{ VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_device_id blk_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct vdpa_parent parents[] = {
	{ .name = "trivio_net", .is_net = true },
	{ .name = "trivio_blk" },
	{ .name = "vdpasim_net", .is_net = true, .alias = true },
	{ .name = "vdpasim_blk", .alias = true },
};

static int parent_register(struct vdpa_parent *p)
{
	struct vdpa_mgmt_dev *mgmt = &p->mgmt;
	int err;

	/* A device without a bus gives a management device of its bare name. */
	mgmt->device = root_device_register(p->name);
	if (IS_ERR(mgmt->device))
		return PTR_ERR(mgmt->device);
	mgmt->ops = &parent_ops;
	mgmt->id_table = p->is_net ? net_ids : blk_ids;
	mgmt->config_attr_mask = BIT_ULL(VDPA_ATTR_DEV_FEATURES);
	mgmt->supported_features = TRANSPORT_FEATURES;
	if (p->is_net) {
		mgmt->config_attr_mask |=
			BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR) |
			BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU) |
			BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP);
		/* Frames are completed as they come; disks may overtake. */
		mgmt->supported_features |= trivio_net_class.features |
					    BIT_ULL(VIRTIO_F_IN_ORDER);
		mgmt->max_supported_vqs = 2 * PAIRS_MAX + 1;
	} else {
		mgmt->supported_features |= trivio_blk_class.features;
		mgmt->max_supported_vqs = BLK_QUEUES_MAX;
	}
	err = vdpa_mgmtdev_register(mgmt);
	if (err) {
		root_device_unregister(mgmt->device);
		return err;
	}
	p->registered = true;
	return 0;
}

static void parents_unregister(void)
{
	int i;

	for (i = ARRAY_SIZE(parents) - 1; i >= 0; i--) {
		if (!parents[i].registered)
			continue;
		vdpa_mgmtdev_unregister(&parents[i].mgmt);
		root_device_unregister(parents[i].mgmt.device);
		parents[i].registered = false;
	}
}

static int __init trivio_vdpa_init(void)
{
	int i, err;

	err = trivio_vdpa_profile_setup();
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(parents); i++) {
		if (parents[i].alias && !sim_names)
			continue;
		err = parent_register(&parents[i]);
		if (err)
			goto err_parents;
	}
	return 0;

err_parents:
	parents_unregister();
	trivio_vdpa_profile_teardown();
	return err;
}

static void __exit trivio_vdpa_exit(void)
{
	parents_unregister();
	trivio_vdpa_profile_teardown();
}

module_init(trivio_vdpa_init);
module_exit(trivio_vdpa_exit);

MODULE_DESCRIPTION("trivio: vDPA front end");
MODULE_AUTHOR("The trivio authors");
MODULE_LICENSE("GPL");
