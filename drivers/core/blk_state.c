// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver made of a block device, as bytes for another one. The sectors
 * are not among them: both devices must have the same ones behind them.
 */
#include <linux/string.h>

#include <trivio/blk.h>

#include "blk_impl.h"

#define VERSION		1

/* Little endian, no holes. */
struct blk_state {
	__le16 version;
	u8 wce;
	u8 read_only;
	__le32 block_size;
	__le64 sectors;
} __packed;

/**
 * trivio_blk_state_len() - bytes of a block device's state
 * @dev: device
 *
 * Return: bytes, or -EOPNOTSUPP if its sectors are nowhere else.
 */
int trivio_blk_state_len(struct trivio_dev *dev)
{
	struct trivio_blk *blk = dev->class_priv;

	return blk->disk->ops->local ? -EOPNOTSUPP : sizeof(struct blk_state);
}

/**
 * trivio_blk_state_save() - write a block device's state
 * @dev: device; its queues are stopped
 * @buf: trivio_blk_state_len() bytes
 */
void trivio_blk_state_save(struct trivio_dev *dev, void *buf)
{
	struct trivio_blk *blk = dev->class_priv;
	struct blk_state *s = buf;

	memset(s, 0, sizeof(*s));
	s->version = cpu_to_le16(VERSION);
	s->wce = READ_ONCE(blk->wce);
	s->read_only = blk->limits.read_only;
	s->block_size = cpu_to_le32(blk->limits.block_size);
	s->sectors = cpu_to_le64(READ_ONCE(blk->limits.sectors));
}

/**
 * trivio_blk_state_check() - could trivio_blk_state_load() take it
 * @dev: device
 * @buf: trivio_blk_state_len() bytes, from anybody
 * @features: what the driver accepted, or 0 if it did not get so far
 *
 * Return: 0, or -EINVAL: also for a disk of another size, block or mode.
 */
int trivio_blk_state_check(struct trivio_dev *dev, const void *buf,
			   u64 features)
{
	struct trivio_blk *blk = dev->class_priv;
	const struct blk_state *s = buf;

	if (le16_to_cpu(s->version) != VERSION || s->wce > 1 ||
	    s->read_only != blk->limits.read_only ||
	    le32_to_cpu(s->block_size) != blk->limits.block_size ||
	    le64_to_cpu(s->sectors) != READ_ONCE(blk->limits.sectors))
		return -EINVAL;
	if (s->wce && !(features & (BIT_ULL(VIRTIO_BLK_F_FLUSH) |
				    BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE))))
		return -EINVAL;
	return 0;
}

/**
 * trivio_blk_state_load() - take a state over
 * @dev: device, just reset, with the driver's features set; no queue runs
 * @buf: what trivio_blk_state_check() said 0 to
 *
 * Return: 0.
 */
int trivio_blk_state_load(struct trivio_dev *dev, const void *buf)
{
	struct trivio_blk *blk = dev->class_priv;
	const struct blk_state *s = buf;

	WRITE_ONCE(blk->wce, s->wce);
	return 0;
}
