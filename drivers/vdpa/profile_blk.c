// SPDX-License-Identifier: GPL-2.0-only
/* Profiles: settings of block devices. Documentation/ABI/configfs-trivio. */
#include <linux/configfs.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "profile.h"

NUMBER_ATTR(read_only, F_READ_ONLY, 0, 1, "%u");
NUMBER_ATTR(direct_io, F_DIRECT_IO, 0, 1, "%u");
STRING_ATTR(serial, F_SERIAL);
STRING_ATTR(backing, F_BACKING);

/* Bytes, with a suffix if wanted. */
static int bytes_parse(const char *page, u64 *val)
{
	char *end;

	*val = memparse(page, &end);
	return end == page || (*end && *end != '\n') ? -EINVAL : 0;
}

SETTING_SHOW(capacity, "%llu")

/* The one number that may change under a live device. */
static ssize_t profile_capacity_store(struct config_item *item,
				      const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	u64 val;
	int err;

	err = bytes_parse(page, &val);
	if (err)
		return err;
	if (!val || val % TRIVIO_SECTOR_SIZE || val > S64_MAX)
		return -ERANGE;
	mutex_lock(&p->lock);
	if (p->v)
		err = p->v->is_net ? -EBUSY :
		      trivio_blk_resize(p->v->dev, val >> TRIVIO_SECTOR_SHIFT);
	if (!err) {
		p->set.capacity = val;
		p->given |= BIT(F_CAPACITY);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, capacity);

SETTING_SHOW(block_size, "%u")

static ssize_t profile_block_size_store(struct config_item *item,
					const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	u32 val;
	int err;

	err = kstrtou32(page, 0, &val);
	if (err)
		return err;
	if (!is_power_of_2(val))
		return -EINVAL;
	if (val < TRIVIO_SECTOR_SIZE || val > PAGE_SIZE)
		return -ERANGE;
	return trivio_vdpa_set_number(p, F_BLOCK_SIZE, &p->set.block_size,
				      sizeof(p->set.block_size), val) ?: count;
}
CONFIGFS_ATTR(profile_, block_size);

SETTING_SHOW(write_cache, "%llu")

static ssize_t profile_write_cache_store(struct config_item *item,
					 const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	u64 val;
	int err;

	err = bytes_parse(page, &val);
	if (err)
		return err;
	if (val && (val < PAGE_SIZE || val > S64_MAX))
		return -ERANGE;
	return trivio_vdpa_set_number(p, F_WRITE_CACHE, &p->set.write_cache,
				      sizeof(p->set.write_cache), val) ?: count;
}
CONFIGFS_ATTR(profile_, write_cache);

static ssize_t profile_lifetime_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	trivio_vdpa_profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%u %u %u\n", s.lifetime[0], s.lifetime[1],
			  s.lifetime[2]);
}

/* The values can change under a device that has the feature. */
static ssize_t profile_lifetime_store(struct config_item *item,
				      const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	u16 w[TRIVIO_BLK_LIFETIME_NR];
	int err = 0;

	if (sscanf(page, "%hu %hu %hu", &w[0], &w[1], &w[2]) != 3)
		return -EINVAL;
	/* Virtio 1.2, 5.2.6: what is above is reserved. */
	if (w[0] > 3 || w[1] > 11 || w[2] > 11)
		return -ERANGE;
	mutex_lock(&p->lock);
	if (p->v && (p->v->is_net || !p->v->set.has_lifetime)) {
		err = -EBUSY;
	} else {
		memcpy(p->set.lifetime, w, sizeof(w));
		p->given |= BIT(F_LIFETIME);
		if (p->v) {
			memcpy(p->v->set.lifetime, w, sizeof(w));
			trivio_blk_set_lifetime(p->v->dev, w);
		}
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, lifetime);

/* Nothing that shapes a device: it acts at once, as faults do. */
static ssize_t profile_io_jitter_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n",
			  trivio_vdpa_faults_jitter(to_profile(item)->faults));
}

static ssize_t profile_io_jitter_store(struct config_item *item,
				       const char *page, size_t count)
{
	u32 us;
	int err;

	err = kstrtou32(page, 0, &us);
	if (err)
		return err;
	if (us > TRIVIO_FAULT_JITTER_MAX)
		return -ERANGE;
	trivio_vdpa_faults_set_jitter(to_profile(item)->faults, us);
	return count;
}
CONFIGFS_ATTR(profile_, io_jitter);

struct configfs_attribute *trivio_vdpa_profile_blk[] = {
	&profile_attr_backing,
	&profile_attr_capacity,
	&profile_attr_block_size,
	&profile_attr_read_only,
	&profile_attr_direct_io,
	&profile_attr_write_cache,
	&profile_attr_lifetime,
	&profile_attr_io_jitter,
	&profile_attr_serial,
	NULL,
};
