// SPDX-License-Identifier: GPL-2.0-only
/*
 * A block device's features, config space and capacity.
 */
#include <linux/module.h>
#include <linux/srcu.h>

#include <trivio/blk.h>
#include <trivio/fault.h>

#include "blk_impl.h"

/**
 * trivio_blk_features() - class features that a disk makes possible
 * @disk: disk
 * @read_only: the device is to be read-only, whatever the disk can
 * @queues: request queues
 */
u64 trivio_blk_features(const struct trivio_disk *disk, bool read_only,
			u16 queues)
{
	u64 f = TRIVIO_BLK_FEATURES;

	if (queues > 1)
		f |= BIT_ULL(VIRTIO_BLK_F_MQ);
	if (read_only || disk->read_only)
		return f | BIT_ULL(VIRTIO_BLK_F_RO);
	f |= BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);
	if (disk->can_discard)
		f |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	if (disk->can_zero)
		f |= BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (disk->can_erase)
		f |= BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE);
	return f;
}
EXPORT_SYMBOL_GPL(trivio_blk_features);

u32 trivio_blk_config_len(struct trivio_dev *dev)
{
	return sizeof(struct virtio_blk_config);
}

#define blk_le(bits, v) ((__force __virtio##bits)cpu_to_le##bits(v))

void trivio_blk_config_read(struct trivio_dev *dev, u32 off, void *buf,
			    u32 len)
{
	struct trivio_blk *blk = dev->class_priv;
	struct virtio_blk_config c = {};
	u32 block = blk->limits.block_size >> TRIVIO_SECTOR_SHIFT;

	c.capacity = blk_le(64, READ_ONCE(blk->limits.sectors));
	c.seg_max = blk_le(32, blk->seg_max);
	c.blk_size = blk_le(32, blk->limits.block_size);
	c.min_io_size = blk_le(16, 1);
	c.opt_io_size = blk_le(32, 1);
	c.wce = blk->wce;
	c.num_queues = blk_le(16, blk->nqueues);
	c.max_discard_sectors = blk_le(32, TRIVIO_BLK_RANGE_SECTORS_MAX);
	c.max_discard_seg = blk_le(32, TRIVIO_BLK_RANGES_MAX);
	c.discard_sector_alignment = blk_le(32, block);
	c.max_write_zeroes_sectors = blk_le(32, TRIVIO_BLK_ZERO_SECTORS_MAX);
	c.max_write_zeroes_seg = blk_le(32, TRIVIO_BLK_RANGES_MAX);
	c.write_zeroes_may_unmap = blk->disk->can_discard;
	c.max_secure_erase_sectors = blk_le(32, TRIVIO_BLK_RANGE_SECTORS_MAX);
	c.max_secure_erase_seg = blk_le(32, TRIVIO_BLK_RANGES_MAX);
	c.secure_erase_sector_alignment = blk_le(32, block);
	if (off < sizeof(c.capacity))
		WRITE_ONCE(blk->told, le64_to_cpu((__force __le64)c.capacity));
	memcpy(buf, (u8 *)&c + off, len);
}

/* Only the cache mode is the driver's to write (virtio 1.2, 5.2.5). */
void trivio_blk_config_write(struct trivio_dev *dev, u32 off, const void *buf,
			     u32 len)
{
	const u32 wce = offsetof(struct virtio_blk_config, wce);
	struct trivio_blk *blk = dev->class_priv;

	lockdep_assert_held(&dev->lock);
	if (!trivio_has(dev, VIRTIO_BLK_F_CONFIG_WCE) || off > wce ||
	    wce - off >= len)
		return;
	WRITE_ONCE(blk->wce, !!((const u8 *)buf)[wce - off]);
}

void trivio_blk_reset(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;

	blk->limits.features = 0;
	blk->wce = false;
	/* Power comes back when all that was lost is. */
	if (blk->dead)
		trivio_fault_power_wait(dev);
	WRITE_ONCE(blk->dead, false);
	WRITE_ONCE(blk->ending, false);
}

/**
 * trivio_blk_set_lifetime() - how worn the device says it is
 * @dev: block device
 * @words: TRIVIO_BLK_LIFETIME_NR of them
 *
 * Context: any.
 */
void trivio_blk_set_lifetime(struct trivio_dev *dev, const u16 *words)
{
	struct trivio_blk *blk = dev->class_priv;
	int i;

	for (i = 0; i < TRIVIO_BLK_LIFETIME_NR; i++)
		WRITE_ONCE(blk->lifetime[i], words[i]);
}
EXPORT_SYMBOL_GPL(trivio_blk_set_lifetime);

/**
 * trivio_blk_sync() - wait for the requests that are in flight now
 * @dev: block device
 *
 * A road calls it after a map changed: requests that were popped before may
 * still copy to and from the old one. Not those over user memory, which are
 * carried out under their queue's lock.
 *
 * Context: may sleep for as long as the disk takes.
 */
void trivio_blk_sync(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;

	synchronize_srcu(&blk->inflight);
}
EXPORT_SYMBOL_GPL(trivio_blk_sync);

/**
 * trivio_blk_resize() - change the capacity while the device is in use
 * @dev: block device
 * @sectors: new capacity, in units of 512 bytes, whole blocks
 *
 * The driver is told by a configuration change. Requests that are under way
 * were checked against the old capacity; the disk fails those that do not fit
 * any more.
 *
 * Context: may sleep; without the device's lock.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP if the disk has a fixed size; the disk's
 * error.
 */
int trivio_blk_resize(struct trivio_dev *dev, u64 sectors)
{
	struct trivio_blk *blk = dev->class_priv;
	u32 block = blk->limits.block_size >> TRIVIO_SECTOR_SHIFT;
	bool less;
	int err;

	if (!sectors || sectors & (block - 1) ||
	    sectors > S64_MAX >> TRIVIO_SECTOR_SHIFT)
		return -EINVAL;
	if (!blk->disk->ops->resize)
		return -EOPNOTSUPP;
	mutex_lock(&blk->resize_lock);
	less = sectors < blk->limits.sectors;
	if (less)
		WRITE_ONCE(blk->limits.sectors, sectors);
	err = blk->disk->ops->resize(blk->disk, sectors);
	WRITE_ONCE(blk->limits.sectors, blk->disk->sectors);
	mutex_unlock(&blk->resize_lock);
	/* The disk looked when they began, if that was long ago. */
	if (less)
		trivio_blk_sync(dev);
	if (!err)
		trivio_dev_config_changed(dev);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_blk_resize);

/**
 * trivio_blk_sectors() - capacity now
 * @dev: block device
 *
 * Return: units of 512 bytes.
 */
u64 trivio_blk_sectors(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;

	return READ_ONCE(blk->limits.sectors);
}
EXPORT_SYMBOL_GPL(trivio_blk_sectors);
