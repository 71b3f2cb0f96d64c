// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio_vfio.ko: virtio PCI functions as VFIO mediated devices. Here: the
 * parent device, its types, and the birth and end of a mediated device.
 *
 * Order at unload: the parent first (mdev removes every device and waits for
 * it), then the driver, then the device that was the parent.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <trivio/blk.h>
#include <trivio/net.h>

#include "mdev.h"

static unsigned int max_devices = 64;
module_param(max_devices, uint, 0444);
MODULE_PARM_DESC(max_devices, "most mediated devices at a time (64)");

static struct trivio_mdev_type type_net = {
	.type = {
		.sysfs_name = "net",
		.pretty_name = "trivio virtio-net, one queue pair",
	},
	.class = &trivio_net_class,
	.queues = 1,
	.text = "virtio 1.x network function with its own host interface",
};

static struct trivio_mdev_type type_net_mq = {
	.type = {
		.sysfs_name = "net-mq",
		.pretty_name = "trivio virtio-net, several queue pairs",
	},
	.class = &trivio_net_class,
	.queues = 4,
	.text = "virtio 1.x network function, 4 queue pairs by default",
};

static struct trivio_mdev_type type_blk = {
	.type = {
		.sysfs_name = "blk",
		.pretty_name = "trivio virtio-blk, one queue",
	},
	.class = &trivio_blk_class,
	.queues = 1,
	.text = "virtio 1.x block function: a memory disk, a file or a block device",
};

static struct trivio_mdev_type type_blk_mq = {
	.type = {
		.sysfs_name = "blk-mq",
		.pretty_name = "trivio virtio-blk, several queues",
	},
	.class = &trivio_blk_class,
	.queues = 4,
	.text = "virtio 1.x block function, 4 queues by default",
};

static struct mdev_type *types[] = {
	&type_net.type,
	&type_net_mq.type,
	&type_blk.type,
	&type_blk_mq.type,
};

int trivio_mdev_vdev_init(struct vfio_device *vdev)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);

	m->mdev = to_mdev_device(vdev->dev);
	m->type = container_of(m->mdev->type, struct trivio_mdev_type, type);
	m->stats = alloc_percpu(struct trivio_mdev_stats);
	if (!m->stats)
		return -ENOMEM;
	mutex_init(&m->lock);
	INIT_LIST_HEAD(&m->bell.ioevents);
	if (trivio_mdev_mig_init(m)) {
		free_percpu(m->stats);
		return -ENOMEM;
	}
	trivio_mdev_irq_init(m);
	trivio_mdev_dma_init(m);
	trivio_mdev_defaults(m);
	return 0;
}

void trivio_mdev_vdev_release(struct vfio_device *vdev)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);

	trivio_mdev_dma_exit(m);
	trivio_mdev_disk_drop(m);
	trivio_port_spec_clear(&m->set.port);
	kfree(m->mig);
	free_percpu(m->stats);
}

static int trivio_mdev_probe(struct mdev_device *mdev)
{
	struct trivio_mdev *m;
	int err;

	m = vfio_alloc_device(trivio_mdev, vdev, &mdev->dev, &trivio_mdev_ops);
	if (IS_ERR(m))
		return PTR_ERR(m);
	dev_set_drvdata(&mdev->dev, m);
	err = vfio_register_emulated_iommu_dev(&m->vdev);
	if (err)
		vfio_put_device(&m->vdev);
	return err;
}

static void trivio_mdev_remove(struct mdev_device *mdev)
{
	struct trivio_mdev *m = dev_get_drvdata(&mdev->dev);

	/* Waits until the last client has closed; ops->request asks it to. */
	vfio_unregister_group_dev(&m->vdev);
	mutex_lock(&m->lock);
	trivio_mdev_dev_drop(m);
	mutex_unlock(&m->lock);
	vfio_put_device(&m->vdev);
}

static ssize_t trivio_mdev_description(struct mdev_type *mtype, char *buf)
{
	struct trivio_mdev_type *t = container_of(mtype,
						  struct trivio_mdev_type, type);

	return sysfs_emit(buf, "%s\n", t->text);
}

static struct mdev_driver trivio_mdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = trivio_mdev_probe,
	.remove = trivio_mdev_remove,
	.show_description = trivio_mdev_description,
	.driver = {
		.name = "trivio_vfio",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = trivio_mdev_groups,
	},
};

/* A type's directory is named after its parent's class: "trivio-net". */
static const struct class trivio_class = {
	.name = "trivio",
};

static struct device *parent_dev;
static struct mdev_parent parent;

static int __init trivio_vfio_init(void)
{
	int err;

	trivio_mdev_driver.max_instances = clamp(max_devices, 1u, 4096u);
	err = class_register(&trivio_class);
	if (err)
		return err;
	parent_dev = device_create(&trivio_class, NULL, 0, NULL, "trivio");
	if (IS_ERR(parent_dev)) {
		err = PTR_ERR(parent_dev);
		goto err_class;
	}
	err = mdev_register_driver(&trivio_mdev_driver);
	if (err)
		goto err_device;
	err = mdev_register_parent(&parent, parent_dev, &trivio_mdev_driver,
				   types, ARRAY_SIZE(types));
	if (err)
		goto err_driver;
	return 0;

err_driver:
	mdev_unregister_driver(&trivio_mdev_driver);
err_device:
	device_unregister(parent_dev);
err_class:
	class_unregister(&trivio_class);
	return err;
}

static void __exit trivio_vfio_exit(void)
{
	mdev_unregister_parent(&parent);
	mdev_unregister_driver(&trivio_mdev_driver);
	device_unregister(parent_dev);
	class_unregister(&trivio_class);
	/* Triggers are freed by call_rcu(). */
	rcu_barrier();
}

module_init(trivio_vfio_init);
module_exit(trivio_vfio_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("the trivio authors");
MODULE_DESCRIPTION("virtio PCI functions as VFIO mediated devices");
