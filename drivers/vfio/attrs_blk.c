// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings of a block function, and the opening of its disk. A file is opened
 * when its setting is written, with the rights and in the mount namespace of who
 * writes it: the client that opens the device later may have neither.
 * Documentation/ABI/sysfs-trivio-mdev describes every file.
 */
#include <linux/device.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/virtio_ids.h>

#include <trivio/blk.h>

#include "mdev.h"

/* A disk of zeroes may be large; one of memory is sparse. */
#define CAPACITY_MAX	((u64)S64_MAX & ~(u64)(SZ_4K - 1))

/**
 * trivio_mdev_blk_defaults() - settings of a new block function
 * @m: mediated device
 */
void trivio_mdev_blk_defaults(struct trivio_mdev *m)
{
	strscpy(m->set.disk, "ram");
	m->set.capacity = SZ_1G;
	m->set.block_size = TRIVIO_SECTOR_SIZE;
}

static bool is_path(const struct trivio_mdev *m)
{
	return m->set.disk[0] == '/';
}

/**
 * trivio_mdev_disk_open() - have the disk that the settings name
 * @m: mediated device of the block class; its lock is held. A disk that is
 *	there stays.
 *
 * Context: may sleep; the caller's rights count.
 *
 * Return: 0 or the disk's error.
 */
int trivio_mdev_disk_open(struct trivio_mdev *m)
{
	const struct trivio_mdev_set *s = &m->set;
	u64 sectors = s->capacity >> TRIVIO_SECTOR_SHIFT;
	struct trivio_disk *disk;

	lockdep_assert_held(&m->lock);
	if (m->disk)
		return 0;
	if (is_path(m))
		disk = trivio_disk_file_create(s->disk, s->block_size,
					       s->direct_io, s->read_only);
	else if (!strcmp(s->disk, "null"))
		disk = trivio_disk_null_create(sectors, s->block_size);
	else
		disk = trivio_disk_ram_create(sectors, s->block_size);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	m->disk = disk;
	return 0;
}

/**
 * trivio_mdev_disk_drop() - let go of a disk that no device took over
 * @m: mediated device that is not open
 */
void trivio_mdev_disk_drop(struct trivio_mdev *m)
{
	if (m->disk)
		m->disk->ops->free(m->disk);
	m->disk = NULL;
}

/*
 * What shapes a disk changes all at once or not at all: if the disk can't be
 * had, the old settings are in force again.
 */
static ssize_t disk_change(struct trivio_mdev *m, const struct trivio_mdev_set *set,
			   size_t count)
{
	struct trivio_mdev_set old = m->set;
	int err;

	lockdep_assert_held(&m->lock);
	/* Only one may have a block device open for writing. */
	trivio_mdev_dev_drop(m);
	trivio_mdev_disk_drop(m);
	m->set = *set;
	err = trivio_mdev_disk_open(m);
	if (err) {
		m->set = old;
		/* If this fails too, the next open says so. */
		trivio_mdev_disk_open(m);
	}
	return trivio_mdev_set_end(m, err, count);
}

static ssize_t disk_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&m->lock);
	n = sysfs_emit(buf, "%s\n", m->set.disk);
	mutex_unlock(&m->lock);
	return n;
}

static ssize_t disk_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	size_t len = strcspn(buf, "\n");
	struct trivio_mdev_set set;
	int err;

	if (!len || len >= sizeof(set.disk))
		return -EINVAL;
	if (*buf != '/' && !sysfs_streq(buf, "ram") && !sysfs_streq(buf, "null"))
		return -EINVAL;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	set = m->set;
	memcpy(set.disk, buf, len);
	set.disk[len] = 0;
	return disk_change(m, &set, count);
}
static DEVICE_ATTR_RW(disk);

static ssize_t capacity_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	u64 bytes;

	mutex_lock(&m->lock);
	if (m->dev)
		bytes = trivio_blk_sectors(m->dev) << TRIVIO_SECTOR_SHIFT;
	else if (m->disk)
		bytes = m->disk->sectors << TRIVIO_SECTOR_SHIFT;
	else
		bytes = m->set.capacity;
	mutex_unlock(&m->lock);
	return sysfs_emit(buf, "%llu\n", bytes);
}

/* Lets go of the device's lock, as trivio_mdev_set_end() does. */
static ssize_t capacity_change(struct trivio_mdev *m, u64 val, size_t count)
{
	struct trivio_mdev_set set = m->set;
	int err = 0;

	lockdep_assert_held(&m->lock);
	if (!val || val > CAPACITY_MAX || val & (m->set.block_size - 1))
		err = -EINVAL;
	else if (!m->open && is_path(m))
		err = -EOPNOTSUPP;
	else if (m->dev)
		err = trivio_blk_resize(m->dev, val >> TRIVIO_SECTOR_SHIFT);
	if (!err && !m->dev) {
		set.capacity = val;
		return disk_change(m, &set, count);
	}
	if (!err)
		m->set.capacity = val;
	mutex_unlock(&m->lock);
	return err ? err : count;
}

/* The one setting that may change under an open device: the driver is told. */
static ssize_t capacity_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	char *end;
	u64 val = memparse(buf, &end);

	if (end == buf || (*end && *end != '\n'))
		return -EINVAL;
	mutex_lock(&m->lock);
	return capacity_change(m, val, count);
}
static DEVICE_ATTR_RW(capacity);

#define DISK_NUMBER(_name, _ok) \
static ssize_t _name##_show(struct device *dev, \
			    struct device_attribute *attr, char *buf) \
{ \
	struct trivio_mdev *m = dev_get_drvdata(dev); \
	return sysfs_emit(buf, "%u\n", m->set._name); \
} \
static ssize_t _name##_store(struct device *dev, \
			     struct device_attribute *attr, \
			     const char *buf, size_t count) \
{ \
	struct trivio_mdev *m = dev_get_drvdata(dev); \
	struct trivio_mdev_set set; \
	u32 val; \
	int err = kstrtou32(buf, 0, &val); \
	if (err) \
		return err; \
	if (!(_ok)) \
		return -EINVAL; \
	err = trivio_mdev_set_begin(m); \
	if (err) \
		return err; \
	set = m->set; \
	set._name = val; \
	return disk_change(m, &set, count); \
} \
static DEVICE_ATTR_RW(_name)

DISK_NUMBER(block_size, is_power_of_2(val) && val >= TRIVIO_SECTOR_SIZE &&
	    val <= SZ_4K);
DISK_NUMBER(read_only, val <= 1);
DISK_NUMBER(direct_io, val <= 1);

static ssize_t serial_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&m->lock);
	n = sysfs_emit(buf, "%s\n", m->set.serial);
	mutex_unlock(&m->lock);
	return n;
}

static ssize_t serial_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	size_t len = strcspn(buf, "\n");
	int err;

	if (len >= sizeof(m->set.serial))
		return -EINVAL;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	memset(m->set.serial, 0, sizeof(m->set.serial));
	memcpy(m->set.serial, buf, len);
	return trivio_mdev_set_end(m, 0, count);
}
static DEVICE_ATTR_RW(serial);

static struct attribute *blk_attrs[] = {
	&dev_attr_disk.attr,
	&dev_attr_capacity.attr,
	&dev_attr_block_size.attr,
	&dev_attr_read_only.attr,
	&dev_attr_direct_io.attr,
	&dev_attr_serial.attr,
	NULL,
};

static umode_t blk_visible(struct kobject *kobj, struct attribute *a, int n)
{
	struct trivio_mdev *m = dev_get_drvdata(kobj_to_dev(kobj));

	return m->type->class->id == VIRTIO_ID_BLOCK ? a->mode : 0;
}

const struct attribute_group trivio_mdev_blk_group = {
	.attrs = blk_attrs,
	.is_visible = blk_visible,
};
