// SPDX-License-Identifier: GPL-2.0-only
/*
 * Profiles: what the vdpa tool can't say about a device. A directory under
 * /sys/kernel/config/trivio/ holds the settings of the device of its name; made
 * before the device it shapes it, and while the device lives the attributes that
 * can change then act on it at once.
 *
 * Documentation/ABI/configfs-trivio describes every file.
 */
#include <linux/configfs.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_choices.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "fault_fs.h"
#include "vdpa.h"

/**
 * struct trivio_vdpa_profile - one directory
 * @group: in configfs; holds the reference count
 * @lock: protects the rest
 * @set: settings; only fields in @given count
 * @given: bits of enum field that were written
 * @v: the device, while it lives
 * @faults: its faults directory
 */
struct trivio_vdpa_profile {
	struct config_group group;
	struct mutex lock;
	struct trivio_vdpa_settings set;
	u32 given;
	struct trivio_vdpa *v;
	struct trivio_vdpa_faults *faults;
};

enum field {
	F_FEATURES,
	F_QUEUES,
	F_QUEUE_SIZE,
	F_QUEUE_MAX,
	F_USE_VA,
	F_DOORBELL,
	F_DOORBELL_SLEEP,
	F_IOVA_FIRST,
	F_IOVA_LAST,
	F_MAC,
	F_MTU,
	F_CHECK,
	F_LINK,
	F_SPEED,
	F_DUPLEX,
	F_CAPACITY,
	F_BLOCK_SIZE,
	F_READ_ONLY,
	F_DIRECT_IO,
	F_SERIAL,
	F_WRITE_CACHE,
	F_LIFETIME,
	F_BACKING,
};

static struct trivio_vdpa_profile *to_profile(struct config_item *item)
{
	return container_of(to_config_group(item), struct trivio_vdpa_profile,
			    group);
}

/**
 * trivio_vdpa_defaults() - what a device is without a profile
 * @s: filled in
 * @is_net: class
 */
void trivio_vdpa_defaults(struct trivio_vdpa_settings *s, bool is_net)
{
	memset(s, 0, sizeof(*s));
	/* Costs per packet or kick that somebody should ask for. */
	s->features = ~(BIT_ULL(VIRTIO_F_NOTIFICATION_DATA) |
			BIT_ULL(VIRTIO_F_ORDER_PLATFORM) |
			BIT_ULL(VIRTIO_NET_F_HASH_REPORT));
	s->queues = is_net ? 1 : min(num_online_cpus(), 8U);
	s->queue_size = 256;
	s->queue_max = 1024;
	s->iova_last = U64_MAX;
	s->doorbell_sleep = 50;
	s->link = true;
	s->speed = SPEED_UNKNOWN;
	s->duplex = DUPLEX_UNKNOWN;
	s->capacity = SZ_1G;
	s->block_size = TRIVIO_SECTOR_SIZE;
	strscpy(s->backing, "ram");
}

#define TAKE(p, s, bit, field)						\
	do {								\
		if ((p)->given & BIT(bit))				\
			(s)->field = (p)->set.field;			\
	} while (0)

static void profile_apply(const struct trivio_vdpa_profile *p,
			  struct trivio_vdpa_settings *s)
{
	TAKE(p, s, F_FEATURES, features);
	TAKE(p, s, F_QUEUES, queues);
	TAKE(p, s, F_QUEUE_SIZE, queue_size);
	TAKE(p, s, F_QUEUE_MAX, queue_max);
	TAKE(p, s, F_USE_VA, use_va);
	TAKE(p, s, F_DOORBELL, doorbell);
	TAKE(p, s, F_DOORBELL_SLEEP, doorbell_sleep);
	TAKE(p, s, F_IOVA_FIRST, iova_first);
	TAKE(p, s, F_IOVA_LAST, iova_last);
	TAKE(p, s, F_MTU, mtu);
	TAKE(p, s, F_CHECK, check);
	TAKE(p, s, F_LINK, link);
	TAKE(p, s, F_SPEED, speed);
	TAKE(p, s, F_DUPLEX, duplex);
	TAKE(p, s, F_CAPACITY, capacity);
	TAKE(p, s, F_BLOCK_SIZE, block_size);
	TAKE(p, s, F_READ_ONLY, read_only);
	TAKE(p, s, F_DIRECT_IO, direct_io);
	TAKE(p, s, F_WRITE_CACHE, write_cache);
	if (p->given & BIT(F_LIFETIME)) {
		s->has_lifetime = true;
		memcpy(s->lifetime, p->set.lifetime, sizeof(s->lifetime));
	}
	if (p->given & BIT(F_MAC))
		ether_addr_copy(s->mac, p->set.mac);
	if (p->given & BIT(F_SERIAL))
		strscpy(s->serial, p->set.serial);
	if (p->given & BIT(F_BACKING))
		strscpy(s->backing, p->set.backing);
}

/* --- attributes --------------------------------------------------------- */

/*
 * A setting that shapes a device can't change under one; its file then says
 * -EBUSY.
 */
static ssize_t store_number(struct trivio_vdpa_profile *p, enum field bit,
			    void *field, size_t size, u64 min, u64 max,
			    const char *page, size_t count)
{
	u64 val;
	int err;

	err = kstrtou64(page, 0, &val);
	if (err)
		return err;
	if (val < min || val > max)
		return -ERANGE;
	mutex_lock(&p->lock);
	if (p->v) {
		err = -EBUSY;
	} else {
		switch (size) {
		case 1:
			*(u8 *)field = val;
			break;
		case 2:
			*(u16 *)field = val;
			break;
		case 4:
			*(u32 *)field = val;
			break;
		default:
			*(u64 *)field = val;
		}
		p->given |= BIT(bit);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}

/* What the device has, or will have as far as this directory says. */
static void profile_now(struct trivio_vdpa_profile *p,
			struct trivio_vdpa_settings *s)
{
	mutex_lock(&p->lock);
	if (p->v) {
		*s = p->v->set;
		if (!p->v->is_net)
			s->capacity = trivio_blk_sectors(p->v->dev) <<
				      TRIVIO_SECTOR_SHIFT;
	} else {
		trivio_vdpa_defaults(s, false);
		profile_apply(p, s);
	}
	mutex_unlock(&p->lock);
}

#define NUMBER_ATTR(_name, _bit, _min, _max, _fmt)			\
static ssize_t profile_##_name##_show(struct config_item *item,		\
				      char *page)			\
{									\
	struct trivio_vdpa_settings s;					\
									\
	profile_now(to_profile(item), &s);				\
	return sysfs_emit(page, _fmt "\n", s._name);			\
}									\
									\
static ssize_t profile_##_name##_store(struct config_item *item,	\
				       const char *page, size_t count)	\
{									\
	struct trivio_vdpa_profile *p = to_profile(item);		\
									\
	return store_number(p, _bit, &p->set._name,			\
			    sizeof(p->set._name), _min, _max, page,	\
			    count);					\
}									\
CONFIGFS_ATTR(profile_, _name)

NUMBER_ATTR(features, F_FEATURES, 0, U64_MAX, "%#llx");
NUMBER_ATTR(queues, F_QUEUES, 1, 64, "%u");
NUMBER_ATTR(queue_max, F_QUEUE_MAX, 2, TRIVIO_RING_MAX, "%u");
NUMBER_ATTR(queue_size, F_QUEUE_SIZE, 2, TRIVIO_RING_MAX, "%u");
NUMBER_ATTR(use_va, F_USE_VA, 0, 1, "%u");
NUMBER_ATTR(doorbell, F_DOORBELL, 0, 1, "%u");
NUMBER_ATTR(doorbell_sleep, F_DOORBELL_SLEEP, 0, USEC_PER_SEC, "%u");
NUMBER_ATTR(iova_first, F_IOVA_FIRST, 0, U64_MAX, "%#llx");
NUMBER_ATTR(iova_last, F_IOVA_LAST, 0, U64_MAX, "%#llx");
NUMBER_ATTR(mtu, F_MTU, ETH_MIN_MTU, ETH_MAX_MTU, "%u");
NUMBER_ATTR(read_only, F_READ_ONLY, 0, 1, "%u");
NUMBER_ATTR(direct_io, F_DIRECT_IO, 0, 1, "%u");

static ssize_t profile_capacity_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%llu\n", s.capacity);
}

/* The one number that may change under a live device. */
static ssize_t profile_capacity_store(struct config_item *item,
				      const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	char *end;
	u64 val = memparse(page, &end);
	int err = 0;

	if (end == page || (*end && *end != '\n'))
		return -EINVAL;
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

static ssize_t profile_check_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	enum trivio_check_mode mode;

	mutex_lock(&p->lock);
	mode = p->v ? trivio_check_mode(p->v->dev) : p->set.check;
	mutex_unlock(&p->lock);
	return sysfs_emit(page, "%s\n", trivio_check_mode_name(mode));
}

static ssize_t profile_check_store(struct config_item *item, const char *page,
				   size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	int mode = trivio_check_parse(page), err = 0;

	if (mode < 0)
		return mode;
	mutex_lock(&p->lock);
	if (p->v)
		err = trivio_check_set_mode(p->v->dev, mode);
	if (!err) {
		p->set.check = mode;
		p->given |= BIT(F_CHECK);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, check);

/* Every rule that was broken, in the order of the rules. */
static ssize_t profile_check_reports_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	struct trivio_check_rec rec;
	struct trivio_dev *dev;
	ssize_t n = 0;
	int i;

	mutex_lock(&p->lock);
	dev = p->v ? p->v->dev : NULL;
	for (i = 0; dev && i < TRIVIO_RULE_NR; i++) {
		if (!trivio_check_get(dev, i, &rec))
			continue;
		n += sysfs_emit_at(page, n, "%s %s %llu %d %u\n",
				   trivio_rule_info(i)->name,
				   trivio_rule_section(dev, i), rec.count,
				   (s16)rec.queue, rec.head);
	}
	mutex_unlock(&p->lock);
	return n;
}
CONFIGFS_ATTR_RO(profile_, check_reports);

static ssize_t profile_block_size_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%u\n", s.block_size);
}

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
	return store_number(p, F_BLOCK_SIZE, &p->set.block_size,
			    sizeof(p->set.block_size), TRIVIO_SECTOR_SIZE,
			    PAGE_SIZE, page, count);
}
CONFIGFS_ATTR(profile_, block_size);

static ssize_t profile_write_cache_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%llu\n", s.write_cache);
}

static ssize_t profile_write_cache_store(struct config_item *item,
					 const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	char *end;
	u64 val = memparse(page, &end);
	int err = 0;

	if (end == page || (*end && *end != '\n'))
		return -EINVAL;
	if (val && (val < PAGE_SIZE || val > S64_MAX))
		return -ERANGE;
	mutex_lock(&p->lock);
	if (p->v) {
		err = -EBUSY;
	} else {
		p->set.write_cache = val;
		p->given |= BIT(F_WRITE_CACHE);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, write_cache);

static ssize_t profile_lifetime_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
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

static ssize_t profile_mac_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%pM\n", s.mac);
}

static ssize_t profile_mac_store(struct config_item *item, const char *page,
				 size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	u8 mac[ETH_ALEN];
	int err = 0;

	if (!mac_pton(page, mac))
		return -EINVAL;
	if (!is_valid_ether_addr(mac))
		return -EADDRNOTAVAIL;
	mutex_lock(&p->lock);
	if (p->v) {
		err = -EBUSY;
	} else {
		ether_addr_copy(p->set.mac, mac);
		p->given |= BIT(F_MAC);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, mac);

/* --- what may change under a live net device ----------------------------- */

static ssize_t profile_link_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%s\n", str_up_down(s.link));
}

static ssize_t profile_link_store(struct config_item *item, const char *page,
				  size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	int err = 0;
	bool up;

	if (sysfs_streq(page, "up"))
		up = true;
	else if (sysfs_streq(page, "down"))
		up = false;
	else
		return -EINVAL;
	mutex_lock(&p->lock);
	if (!p->v)
		p->given |= BIT(F_LINK);
	else if (!p->v->is_net)
		err = -EOPNOTSUPP;
	else
		trivio_net_set_link(p->v->dev, up);
	if (!err) {
		p->set.link = up;
		if (p->v)
			p->v->set.link = up;
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, link);

/* Speed or duplex changed; the device, if there is one, tells its driver. */
static int speed_set(struct trivio_vdpa_profile *p, u32 speed, u8 duplex)
{
	lockdep_assert_held(&p->lock);
	if (p->v && !p->v->is_net)
		return -EOPNOTSUPP;
	p->set.speed = speed;
	p->set.duplex = duplex;
	p->given |= BIT(F_SPEED) | BIT(F_DUPLEX);
	if (p->v) {
		p->v->set.speed = speed;
		p->v->set.duplex = duplex;
		trivio_net_set_speed(p->v->dev, speed, duplex);
	}
	return 0;
}

static ssize_t profile_speed_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	profile_now(to_profile(item), &s);
	if (s.speed == SPEED_UNKNOWN)
		return sysfs_emit(page, "unknown\n");
	return sysfs_emit(page, "%u\n", s.speed);
}

static ssize_t profile_speed_store(struct config_item *item, const char *page,
				   size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	struct trivio_vdpa_settings s;
	u32 val = SPEED_UNKNOWN;
	int err;

	if (!sysfs_streq(page, "unknown")) {
		err = kstrtou32(page, 0, &val);
		if (err)
			return err;
		/* virtio 1.2, 5.1.4: 0 to 0x7fffffff. */
		if (!val || val > INT_MAX)
			return -ERANGE;
	}
	profile_now(p, &s);
	mutex_lock(&p->lock);
	err = speed_set(p, val, s.duplex);
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, speed);

static const struct {
	u8 duplex;
	const char *name;
} duplexes[] = {
	{ DUPLEX_HALF, "half" },
	{ DUPLEX_FULL, "full" },
	{ DUPLEX_UNKNOWN, "unknown" },
};

static ssize_t profile_duplex_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;
	int i;

	profile_now(to_profile(item), &s);
	for (i = 0; i < ARRAY_SIZE(duplexes) - 1; i++) {
		if (duplexes[i].duplex == s.duplex)
			break;
	}
	return sysfs_emit(page, "%s\n", duplexes[i].name);
}

static ssize_t profile_duplex_store(struct config_item *item, const char *page,
				    size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	struct trivio_vdpa_settings s;
	int i, err;

	for (i = 0; i < ARRAY_SIZE(duplexes); i++) {
		if (sysfs_streq(page, duplexes[i].name))
			break;
	}
	if (i == ARRAY_SIZE(duplexes))
		return -EINVAL;
	profile_now(p, &s);
	mutex_lock(&p->lock);
	err = speed_set(p, s.speed, duplexes[i].duplex);
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, duplex);

/* Writing asks the driver to announce itself, as after a migration. */
static ssize_t profile_announce_store(struct config_item *item,
				      const char *page, size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	int err = 0;

	if (!sysfs_streq(page, "1"))
		return -EINVAL;
	mutex_lock(&p->lock);
	if (!p->v)
		err = -ENODEV;
	else if (!p->v->is_net ||
		 !trivio_has(p->v->dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		err = -EOPNOTSUPP;
	else
		trivio_net_announce(p->v->dev);
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR_WO(profile_, announce);

static ssize_t store_string(struct trivio_vdpa_profile *p, enum field bit,
			    char *field, size_t size, const char *page,
			    size_t count)
{
	size_t len = strcspn(page, "\n");
	int err = 0;

	if (!len || len >= size)
		return -EINVAL;
	mutex_lock(&p->lock);
	if (p->v) {
		err = -EBUSY;
	} else {
		memset(field, 0, size);
		memcpy(field, page, len);
		p->given |= BIT(bit);
	}
	mutex_unlock(&p->lock);
	return err ?: count;
}

#define STRING_ATTR(_name, _bit)					\
static ssize_t profile_##_name##_show(struct config_item *item,		\
				      char *page)			\
{									\
	struct trivio_vdpa_settings s;					\
									\
	profile_now(to_profile(item), &s);				\
	return sysfs_emit(page, "%s\n", s._name);			\
}									\
									\
static ssize_t profile_##_name##_store(struct config_item *item,	\
				       const char *page, size_t count)	\
{									\
	struct trivio_vdpa_profile *p = to_profile(item);		\
									\
	return store_string(p, _bit, p->set._name,			\
			    sizeof(p->set._name), page, count);		\
}									\
CONFIGFS_ATTR(profile_, _name)

STRING_ATTR(serial, F_SERIAL);
STRING_ATTR(backing, F_BACKING);

static struct configfs_attribute *profile_attrs[] = {
	&profile_attr_features,
	&profile_attr_queues,
	&profile_attr_queue_size,
	&profile_attr_queue_max,
	&profile_attr_use_va,
	&profile_attr_doorbell,
	&profile_attr_doorbell_sleep,
	&profile_attr_iova_first,
	&profile_attr_iova_last,
	&profile_attr_mac,
	&profile_attr_mtu,
	&profile_attr_check,
	&profile_attr_check_reports,
	&profile_attr_link,
	&profile_attr_speed,
	&profile_attr_duplex,
	&profile_attr_announce,
	&profile_attr_capacity,
	&profile_attr_block_size,
	&profile_attr_read_only,
	&profile_attr_direct_io,
	&profile_attr_write_cache,
	&profile_attr_lifetime,
	&profile_attr_serial,
	&profile_attr_backing,
	NULL,
};

/* --- directories -------------------------------------------------------- */

static void profile_release(struct config_item *item)
{
	struct trivio_vdpa_profile *p = to_profile(item);

	trivio_vdpa_faults_free(p->faults);
	mutex_destroy(&p->lock);
	kfree(p);
}

static struct configfs_item_operations profile_item_ops = {
	.release = profile_release,
};

static const struct config_item_type profile_type = {
	.ct_item_ops = &profile_item_ops,
	.ct_attrs = profile_attrs,
	.ct_owner = THIS_MODULE,
};

static struct config_group *profile_make(struct config_group *group,
					 const char *name)
{
	struct trivio_vdpa_profile *p;

	if (strlen(name) >= TRIVIO_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	mutex_init(&p->lock);
	config_group_init_type_name(&p->group, name, &profile_type);
	p->faults = trivio_vdpa_faults_create(&p->group);
	if (!p->faults) {
		mutex_destroy(&p->lock);
		kfree(p);
		return ERR_PTR(-ENOMEM);
	}
	return &p->group;
}

static struct configfs_group_operations profiles_group_ops = {
	.make_group = profile_make,
};

static const struct config_item_type profiles_type = {
	.ct_group_ops = &profiles_group_ops,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem profiles = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "trivio",
			.ci_type = &profiles_type,
		},
	},
};

/**
 * trivio_vdpa_profile_get() - apply the profile of a device that is being made
 * @name: device
 * @s: defaults; what the profile says goes over them
 *
 * Return: the profile, to be put, or NULL if there is none.
 */
struct trivio_vdpa_profile *
trivio_vdpa_profile_get(const char *name, struct trivio_vdpa_settings *s)
{
	struct trivio_vdpa_profile *p = NULL;
	struct config_item *item;

	mutex_lock(&profiles.su_mutex);
	item = config_group_find_item(&profiles.su_group, name);
	mutex_unlock(&profiles.su_mutex);
	if (item) {
		p = to_profile(item);
		mutex_lock(&p->lock);
		profile_apply(p, s);
		mutex_unlock(&p->lock);
	}
	return p;
}

/**
 * trivio_vdpa_profile_live() - the device of a profile came to life, or ends
 * @p: profile, or NULL
 * @v: device; NULL: its end
 *
 * On return with NULL no attribute touches the device.
 */
void trivio_vdpa_profile_live(struct trivio_vdpa_profile *p,
			      struct trivio_vdpa *v)
{
	if (!p)
		return;
	mutex_lock(&p->lock);
	p->v = v;
	trivio_vdpa_faults_live(p->faults, v ? v->dev : NULL);
	mutex_unlock(&p->lock);
}

/**
 * trivio_vdpa_profile_mac() - remember the address that a net device has
 * @v: device
 * @mac: address
 */
void trivio_vdpa_profile_mac(struct trivio_vdpa *v, const u8 *mac)
{
	struct trivio_vdpa_profile *p = v->profile;

	if (p)
		mutex_lock(&p->lock);
	ether_addr_copy(v->set.mac, mac);
	if (p)
		mutex_unlock(&p->lock);
}

/**
 * trivio_vdpa_profile_put() - let go of a profile
 * @p: profile, or NULL
 */
void trivio_vdpa_profile_put(struct trivio_vdpa_profile *p)
{
	if (p)
		config_item_put(&p->group.cg_item);
}

/**
 * trivio_vdpa_profile_setup() - make /sys/kernel/config/trivio
 *
 * Return: 0 or a negative errno.
 */
int trivio_vdpa_profile_setup(void)
{
	config_group_init(&profiles.su_group);
	mutex_init(&profiles.su_mutex);
	return configfs_register_subsystem(&profiles);
}

/**
 * trivio_vdpa_profile_teardown() - undo trivio_vdpa_profile_setup()
 */
void trivio_vdpa_profile_teardown(void)
{
	configfs_unregister_subsystem(&profiles);
	mutex_destroy(&profiles.su_mutex);
}
