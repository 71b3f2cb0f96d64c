// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a device: creation, features, status, config space, end. The one
 * place where a device changes state.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include <trivio/device.h>

#include "check_impl.h"
#include "core.h"
#include "trace.h"

/* Protects the list of devices and their names. Taken before any other lock. */
DEFINE_MUTEX(trivio_dev_mutex);
static LIST_HEAD(dev_list);
static DEFINE_IDA(dev_ida);

/* Bits that rings and core do for every class. */
#define TRANSPORT_FEATURES	(BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) | \
				 BIT_ULL(VHOST_F_LOG_ALL) | \
				 BIT_ULL(VIRTIO_F_ANY_LAYOUT) | \
				 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
				 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
				 BIT_ULL(VIRTIO_F_VERSION_1) | \
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
				 BIT_ULL(VIRTIO_F_RING_PACKED) | \
				 BIT_ULL(VIRTIO_F_IN_ORDER) | \
				 BIT_ULL(VIRTIO_F_ORDER_PLATFORM) | \
				 BIT_ULL(VIRTIO_F_NOTIFICATION_DATA) | \
				 BIT_ULL(VIRTIO_F_RING_RESET))

static int dev_name_set(struct trivio_dev *dev, const char *name)
{
	const char *mark = strstr(name, "%d");
	struct trivio_dev *other;
	int n;

	if (mark)
		n = snprintf(dev->name, sizeof(dev->name), "%.*s%u%s",
			     (int)(mark - name), name, dev->id, mark + 2);
	else
		n = strscpy(dev->name, name, sizeof(dev->name));
	if (n <= 0 || n >= sizeof(dev->name))
		return -EINVAL;
	list_for_each_entry(other, &dev_list, node) {
		if (!strcmp(other->name, dev->name))
			return -EEXIST;
	}
	return 0;
}

static int dev_queues_init(struct trivio_dev *dev, u32 num_max)
{
	u16 i;
	int err;

	for (i = 0; i < dev->nqueues; i++) {
		err = trivio_queue_init(&dev->queue[i], dev, i, num_max);
		if (err)
			goto err_exit;
	}
	return 0;

err_exit:
	while (i--)
		trivio_queue_exit(&dev->queue[i]);
	return err;
}

/**
 * trivio_dev_create() - create a device
 * @cfg: how
 *
 * Context: may sleep.
 *
 * Return: the device, or an error pointer: -EINVAL for a bad name, queue count
 * or feature, -EEXIST for a name in use, -ENOMEM, or the class's error.
 */
struct trivio_dev *trivio_dev_create(const struct trivio_dev_cfg *cfg)
{
	struct trivio_dev *dev;
	int err;

	if (!cfg->nqueues || cfg->nqueues > TRIVIO_QUEUES_MAX ||
	    !cfg->queue_max || cfg->queue_max > TRIVIO_RING_MAX ||
	    cfg->features & ~(cfg->class->features | TRANSPORT_FEATURES))
		return ERR_PTR(-EINVAL);

	dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->queue = kvcalloc(cfg->nqueues, sizeof(*dev->queue),
			      GFP_KERNEL_ACCOUNT);
	if (!dev->queue) {
		err = -ENOMEM;
		goto err_dev;
	}
	mutex_init(&dev->lock);
	dev->class = cfg->class;
	dev->front = cfg->front;
	dev->priv = cfg->priv;
	dev->nqueues = cfg->nqueues;
	dev->offered = cfg->features;

	err = ida_alloc(&dev_ida, GFP_KERNEL);
	if (err < 0)
		goto err_queue;
	dev->id = err;
	err = dev_queues_init(dev, cfg->queue_max);
	if (err)
		goto err_ida;

	/* The name is needed by the class (its netdev); it joins the list last. */
	mutex_lock(&trivio_dev_mutex);
	err = dev_name_set(dev, cfg->name);
	mutex_unlock(&trivio_dev_mutex);
	if (err)
		goto err_queues;
	err = dev->class->init(dev, cfg->class_cfg);
	if (err)
		goto err_queues;

	mutex_lock(&trivio_dev_mutex);
	err = dev_name_set(dev, dev->name);
	if (!err)
		list_add_tail(&dev->node, &dev_list);
	mutex_unlock(&trivio_dev_mutex);
	if (err)
		goto err_class;
	trivio_debugfs_add(dev);
	trivio_nl_state(dev);
	return dev;

err_class:
	dev->class->exit(dev);
err_queues:
	while (dev->nqueues)
		trivio_queue_exit(&dev->queue[--dev->nqueues]);
err_ida:
	ida_free(&dev_ida, dev->id);
err_queue:
	kvfree(dev->queue);
err_dev:
	kfree(dev);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(trivio_dev_create);

/**
 * trivio_dev_destroy() - end a device
 * @dev: device; the road calls nothing of it any more, kicks included
 *
 * Order: out of the list, so that no reader finds it; queues stopped, so that
 * no service runs; the class (and its ports) gone; workers let go of, which
 * waits for work that is still queued; then free.
 *
 * Context: may sleep.
 */
void trivio_dev_destroy(struct trivio_dev *dev)
{
	u16 i;

	trivio_debugfs_remove(dev);
	mutex_lock(&trivio_dev_mutex);
	list_del(&dev->node);
	trivio_nl_gone(dev);
	mutex_unlock(&trivio_dev_mutex);

	trivio_dev_give_up(dev);
	for (i = 0; i < dev->nqueues; i++)
		trivio_queue_stop(&dev->queue[i]);
	dev->class->exit(dev);
	trivio_check_free(dev);
	for (i = 0; i < dev->nqueues; i++)
		trivio_queue_exit(&dev->queue[i]);
	ida_free(&dev_ida, dev->id);
	kvfree(dev->queue);
	kfree(dev);
}
EXPORT_SYMBOL_GPL(trivio_dev_destroy);

/**
 * trivio_dev_set_features() - the feature bits that the driver accepted
 * @dev: device
 * @features: bits
 *
 * Roads that allow it (vhost) may change them while queues run: those let go of
 * their rings first and map them again as the new bits say.
 *
 * Context: may sleep.
 *
 * Return: 0, -EOPNOTSUPP for a bit that is not offered, or the class's error.
 */
int trivio_dev_set_features(struct trivio_dev *dev, u64 features)
{
	bool pause = (features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL);
	int err = 0;
	u16 i;

	if (features & ~dev->offered)
		return -EOPNOTSUPP;
	mutex_lock(&dev->lock);
	if (pause) {
		WRITE_ONCE(dev->paused, true);
		for (i = 0; i < dev->nqueues; i++)
			trivio_queue_pause(&dev->queue[i]);
	}
	if (dev->class->features_set)
		err = dev->class->features_set(dev, features);
	if (!err)
		WRITE_ONCE(dev->features, features);
	WRITE_ONCE(dev->paused, false);
	for (i = 0; i < dev->nqueues && pause; i++)
		trivio_queue_wake(&dev->queue[i]);
	mutex_unlock(&dev->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_dev_set_features);

static int dev_start(struct trivio_dev *dev)
{
	u16 i;
	int err;

	for (i = 0; i < dev->nqueues; i++) {
		if (!dev->queue[i].enabled)
			continue;
		err = trivio_queue_start(&dev->queue[i]);
		if (err) {
			trivio_queue_error(&dev->queue[i], TRIVIO_ERR_RING_MAP,
					   0, dev->queue[i].desc_addr);
			goto err_stop;
		}
	}
	if (dev->class->started)
		dev->class->started(dev);
	return 0;

err_stop:
	while (i--)
		trivio_queue_stop(&dev->queue[i]);
	return err;
}

static void dev_stop(struct trivio_dev *dev)
{
	u16 i;

	for (i = 0; i < dev->nqueues; i++)
		trivio_queue_stop(&dev->queue[i]);
}

/**
 * trivio_dev_set_status() - the driver wrote the status register
 * @dev: device
 * @status: new value (virtio 1.2, 2.1); 0 resets
 *
 * Setting DRIVER_OK starts the enabled queues; a ring that can't be mapped
 * gives NEEDS_RESET, and a device that needs a reset starts none. Bits can only
 * be added, but for a reset.
 *
 * Return: 0; -EINVAL if a bit would be cleared.
 */
int trivio_dev_set_status(struct trivio_dev *dev, u8 status)
{
	u8 old, set;

	if (!status) {
		trivio_dev_reset(dev);
		return 0;
	}
	mutex_lock(&dev->lock);
	old = READ_ONCE(dev->status);
	do {
		if (old & ~status & ~VIRTIO_CONFIG_S_NEEDS_RESET) {
			mutex_unlock(&dev->lock);
			return -EINVAL;
		}
		set = status | (old & VIRTIO_CONFIG_S_NEEDS_RESET);
	} while (!try_cmpxchg(&dev->status, &old, set));
	if (status & ~old & VIRTIO_CONFIG_S_DRIVER_OK) {
		dev->suspended = false;
		if (!(old & VIRTIO_CONFIG_S_NEEDS_RESET) && dev_start(dev))
			trivio_dev_needs_reset(dev);
	}
	mutex_unlock(&dev->lock);
	trivio_nl_state(dev);
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_dev_set_status);

/**
 * trivio_dev_give_up() - a reset or the end comes: nobody waits for results
 * @dev: device
 *
 * What its queues have under way ends soon, with errors, so that stopping them is not
 * as long as what a driver asked for. trivio_dev_reset() does it itself, and ends it.
 *
 * Context: any.
 */
void trivio_dev_give_up(struct trivio_dev *dev)
{
	if (dev->class->give_up)
		dev->class->give_up(dev);
}
EXPORT_SYMBOL_GPL(trivio_dev_give_up);

/**
 * trivio_dev_reset() - power-on state; nothing of the driver's is touched after
 * @dev: device
 *
 * Ring positions are gone, too: a road whose clients read them after a reset
 * keeps them itself.
 *
 * Context: may sleep.
 */
void trivio_dev_reset(struct trivio_dev *dev)
{
	u16 i;

	trivio_dev_give_up(dev);
	mutex_lock(&dev->lock);
	dev_stop(dev);
	trivio_check_reset(dev);
	WRITE_ONCE(dev->status, 0);
	dev->suspended = false;
	dev->features = 0;
	for (i = 0; i < dev->nqueues; i++)
		trivio_queue_reset(&dev->queue[i]);
	if (dev->class->reset)
		dev->class->reset(dev);
	dev->generation++;
	mutex_unlock(&dev->lock);
	trivio_nl_state(dev);
}
EXPORT_SYMBOL_GPL(trivio_dev_reset);

/**
 * trivio_dev_suspend() - stop touching rings and buffers, keep all state
 * @dev: device
 *
 * On return all that was popped is completed and published.
 *
 * Return: 0, or -EINVAL without DRIVER_OK.
 */
int trivio_dev_suspend(struct trivio_dev *dev)
{
	int err = -EINVAL;

	mutex_lock(&dev->lock);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		dev->suspended = true;
		dev_stop(dev);
		err = 0;
	}
	mutex_unlock(&dev->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_dev_suspend);

/**
 * trivio_dev_resume() - go on after a suspend
 * @dev: device
 *
 * Addresses, positions and enables set meanwhile take effect; rings are looked
 * at once, so no kick is lost.
 *
 * Return: 0; -EINVAL if it is not suspended; -EIO and NEEDS_RESET if a ring
 * can't be mapped.
 */
int trivio_dev_resume(struct trivio_dev *dev)
{
	int err = -EINVAL;

	mutex_lock(&dev->lock);
	if (dev->suspended) {
		dev->suspended = false;
		err = dev_start(dev);
		if (err) {
			trivio_dev_needs_reset(dev);
			err = -EIO;
		}
	}
	mutex_unlock(&dev->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_dev_resume);

/**
 * trivio_dev_needs_reset() - the device as a whole is broken
 * @dev: device
 *
 * Context: any.
 */
void trivio_dev_needs_reset(struct trivio_dev *dev)
{
	u8 old = READ_ONCE(dev->status);

	/* Against the driver's own write, which has the lock. */
	while (!try_cmpxchg(&dev->status, &old,
			    (u8)(old | VIRTIO_CONFIG_S_NEEDS_RESET)))
		;
	if (dev->front->needs_reset)
		dev->front->needs_reset(dev);
}
EXPORT_SYMBOL_GPL(trivio_dev_needs_reset);

/**
 * trivio_dev_config_read() - read config space
 * @dev: device
 * @off: first byte
 * @buf: where to; bytes beyond the space read as 0
 * @len: bytes
 *
 * Return: 0, or -EINVAL if @off or @off + @len is outside.
 */
int trivio_dev_config_read(struct trivio_dev *dev, u32 off, void *buf, u32 len)
{
	u32 size = dev->class->config_len(dev);

	memset(buf, 0, len);
	if (off > size || len > size - off)
		return -EINVAL;
	mutex_lock(&dev->lock);
	dev->class->config_read(dev, off, buf, len);
	mutex_unlock(&dev->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_dev_config_read);

/**
 * trivio_dev_config_write() - write config space; read-only bytes are ignored
 * @dev: device
 * @off: first byte
 * @buf: what to write
 * @len: bytes
 *
 * Return: 0, or -EINVAL if outside.
 */
int trivio_dev_config_write(struct trivio_dev *dev, u32 off, const void *buf,
			    u32 len)
{
	u32 size = dev->class->config_len(dev);

	if (off > size || len > size - off)
		return -EINVAL;
	mutex_lock(&dev->lock);
	trivio_check_config_write(dev, off, buf, len);
	if (dev->class->config_write)
		dev->class->config_write(dev, off, buf, len);
	mutex_unlock(&dev->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_dev_config_write);

/**
 * trivio_dev_config_changed() - config space has new contents: tell the driver
 * @dev: device
 *
 * Context: may sleep; without the device's lock.
 */
void trivio_dev_config_changed(struct trivio_dev *dev)
{
	bool tell;

	mutex_lock(&dev->lock);
	dev->generation++;
	tell = dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
	mutex_unlock(&dev->lock);
	if (tell && dev->front->config_changed)
		dev->front->config_changed(dev);
}
EXPORT_SYMBOL_GPL(trivio_dev_config_changed);

/**
 * trivio_dev_list_lock() - keep devices from coming and going
 *
 * Context: may sleep. Before any other lock of the core.
 */
void trivio_dev_list_lock(void)
{
	mutex_lock(&trivio_dev_mutex);
}

/**
 * trivio_dev_list_unlock() - end trivio_dev_list_lock()
 */
void trivio_dev_list_unlock(void)
{
	mutex_unlock(&trivio_dev_mutex);
}

/**
 * trivio_dev_next() - iterate over all devices
 * @dev: the one before, or NULL for the first
 *
 * Context: with the list locked.
 */
struct trivio_dev *trivio_dev_next(struct trivio_dev *dev)
{
	lockdep_assert_held(&trivio_dev_mutex);
	if (!dev)
		return list_first_entry_or_null(&dev_list, struct trivio_dev,
						node);
	if (list_is_last(&dev->node, &dev_list))
		return NULL;
	return list_next_entry(dev, node);
}

/**
 * trivio_dev_find() - device by name
 * @name: name
 *
 * Context: with the list locked.
 */
struct trivio_dev *trivio_dev_find(const char *name)
{
	struct trivio_dev *dev;

	lockdep_assert_held(&trivio_dev_mutex);
	list_for_each_entry(dev, &dev_list, node) {
		if (!strcmp(dev->name, name))
			return dev;
	}
	return NULL;
}
