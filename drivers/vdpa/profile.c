// SPDX-License-Identifier: GPL-2.0-only
/*
 * Profiles: what the vdpa tool can't say about a device. A directory under
 * /sys/kernel/config/trivio/ holds the settings of the device of its name; made
 * before the device it shapes it, and while the device lives the attributes that
 * can change then act on it at once. So it can't be made for a device that lives,
 * which would not have it, and not go before its device does.
 *
 * Documentation/ABI/configfs-trivio describes every file.
 */
#include <linux/configfs.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "fault_fs.h"
#include "profile.h"
#include "vdpa.h"

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
	strscpy(s->port.text, "netdev");
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
	/* 0 is what the class has by default. */
	if (p->set.queues)
		TAKE(p, s, F_QUEUES, queues);
	TAKE(p, s, F_QUEUE_SIZE, queue_size);
	TAKE(p, s, F_QUEUE_MAX, queue_max);
	/* Of these two, the one that was not written follows the other. */
	if (p->given & BIT(F_QUEUE_SIZE) && !(p->given & BIT(F_QUEUE_MAX)))
		s->queue_max = max(s->queue_max, s->queue_size);
	if (p->given & BIT(F_QUEUE_MAX) && !(p->given & BIT(F_QUEUE_SIZE)))
		s->queue_size = min(s->queue_size, s->queue_max);
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
	if (p->given & BIT(F_PORT))
		s->port = p->set.port;
	if (p->given & BIT(F_SERIAL))
		strscpy(s->serial, p->set.serial);
	if (p->given & BIT(F_BACKING))
		strscpy(s->backing, p->set.backing);
}

/* --- attributes --------------------------------------------------------- */

/**
 * trivio_vdpa_set_number() - a number that shapes a device
 * @p: profile
 * @bit: the setting
 * @field: where it goes
 * @size: its bytes: 1, 2, 4 or 8
 * @val: value, checked
 *
 * Return: 0, or -EBUSY under a device, which it can't change any more.
 */
int trivio_vdpa_set_number(struct trivio_vdpa_profile *p, enum field bit,
			   void *field, size_t size, u64 val)
{
	int err = 0;

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
	return err;
}

/**
 * trivio_vdpa_store_number() - store function of a number that shapes a device
 * @p: profile
 * @bit: the setting
 * @field: where it goes
 * @size: its bytes: 1, 2, 4 or 8
 * @min: least value
 * @max: largest
 * @page: what was written
 * @count: how much
 *
 * Return: @count; -ERANGE; -EBUSY under a device; what kstrtou64() says.
 */
ssize_t trivio_vdpa_store_number(struct trivio_vdpa_profile *p, enum field bit,
				 void *field, size_t size, u64 min, u64 max,
				 const char *page, size_t count)
{
	u64 val;
	int err;

	err = kstrtou64(page, 0, &val);
	if (!err && (val < min || val > max))
		err = -ERANGE;
	return err ?: trivio_vdpa_set_number(p, bit, field, size, val) ?:
	       count;
}

/**
 * trivio_vdpa_store_string() - store function of a text that shapes a device
 * @p: profile
 * @bit: the setting
 * @field: where it goes
 * @size: its bytes
 * @page: what was written
 * @count: how much
 *
 * Return: @count; -EINVAL if it is empty or too long; -EBUSY under a device.
 */
ssize_t trivio_vdpa_store_string(struct trivio_vdpa_profile *p, enum field bit,
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

/**
 * trivio_vdpa_profile_now() - what the device has, or is to have
 * @p: profile
 * @s: filled in
 */
void trivio_vdpa_profile_now(struct trivio_vdpa_profile *p,
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
		/* It is not known yet of which class the device will be. */
		s->queues = 0;
		profile_apply(p, s);
	}
	mutex_unlock(&p->lock);
}

NUMBER_ATTR(features, F_FEATURES, 0, U64_MAX, "%#llx");
NUMBER_ATTR(queues, F_QUEUES, 0, 64, "%u");
NUMBER_ATTR(queue_max, F_QUEUE_MAX, 2, TRIVIO_RING_MAX, "%u");
NUMBER_ATTR(queue_size, F_QUEUE_SIZE, 2, TRIVIO_RING_MAX, "%u");
NUMBER_ATTR(use_va, F_USE_VA, 0, 1, "%u");
NUMBER_ATTR(doorbell, F_DOORBELL, 0, 1, "%u");
NUMBER_ATTR(doorbell_sleep, F_DOORBELL_SLEEP, 0, USEC_PER_SEC, "%u");
NUMBER_ATTR(iova_first, F_IOVA_FIRST, 0, U64_MAX, "%#llx");
NUMBER_ATTR(iova_last, F_IOVA_LAST, 0, U64_MAX, "%#llx");

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
	&profile_attr_check,
	&profile_attr_check_reports,
	NULL,
};

/* These, and those of both classes: a directory does not know which it is for. */
static struct configfs_attribute *all_attrs[PROFILE_ATTRS_MAX + 1];

static void attrs_collect(void)
{
	struct configfs_attribute **const from[] = {
		profile_attrs, trivio_vdpa_profile_net,
		trivio_vdpa_profile_blk,
	};
	size_t i, n = 0;
	int k;

	for (k = 0; k < ARRAY_SIZE(from); k++)
		for (i = 0; from[k][i] && n < PROFILE_ATTRS_MAX; i++)
			all_attrs[n++] = from[k][i];
}

/* --- directories -------------------------------------------------------- */

static void profile_release(struct config_item *item)
{
	struct trivio_vdpa_profile *p = to_profile(item);

	trivio_vdpa_faults_free(p->faults);
	trivio_port_spec_clear(&p->set.port);
	mutex_destroy(&p->lock);
	kfree(p);
}

static struct configfs_item_operations profile_item_ops = {
	.release = profile_release,
};

static const struct config_item_type profile_type = {
	.ct_item_ops = &profile_item_ops,
	.ct_attrs = all_attrs,
	.ct_owner = THIS_MODULE,
};

/* Devices that live or are being made. Under su_mutex. */
static LIST_HEAD(claims);

static bool claimed(const char *name)
{
	struct trivio_vdpa_claim *c;

	list_for_each_entry(c, &claims, node)
		if (!strcmp(c->name, name))
			return true;
	return false;
}

/* Called with su_mutex held. */
static struct config_group *profile_make(struct config_group *group,
					 const char *name)
{
	struct trivio_vdpa_profile *p;

	if (strlen(name) >= TRIVIO_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	if (claimed(name))
		return ERR_PTR(-EBUSY);
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
 * trivio_vdpa_profile_claim() - take a name, and its profile if there is one
 * @name: of the device that is to be made
 *
 * From here on no profile of that name can be made, and the one there is can't go.
 *
 * Context: may sleep; not below configfs, whose locks it takes.
 *
 * Return: to be given to trivio_vdpa_profile_release(); -EEXIST if there is such a
 * device; another error.
 */
struct trivio_vdpa_claim *trivio_vdpa_profile_claim(const char *name)
{
	struct trivio_vdpa_claim *c;
	struct config_item *item;
	int err;

	c = kzalloc(struct_size(c, name, strlen(name) + 1), GFP_KERNEL);
	if (!c)
		return ERR_PTR(-ENOMEM);
	memcpy(c->name, name, strlen(name) + 1);
	mutex_lock(&profiles.su_mutex);
	if (claimed(name)) {
		mutex_unlock(&profiles.su_mutex);
		kfree(c);
		return ERR_PTR(-EEXIST);
	}
	list_add(&c->node, &claims);
	item = config_group_find_item(&profiles.su_group, name);
	mutex_unlock(&profiles.su_mutex);
	if (!item)
		return c;
	c->profile = to_profile(item);
	err = configfs_depend_item(&profiles, item);
	if (!err)
		return c;
	config_item_put(item);
	c->profile = NULL;
	/* An rmdir came between: then there is none. */
	if (err == -ENOENT)
		return c;
	trivio_vdpa_profile_release(c);
	return ERR_PTR(err);
}

/**
 * trivio_vdpa_profile_release() - the device is no more
 * @c: from trivio_vdpa_profile_claim()
 *
 * Context: may sleep.
 */
void trivio_vdpa_profile_release(struct trivio_vdpa_claim *c)
{
	if (c->profile) {
		configfs_undepend_item(&c->profile->group.cg_item);
		config_item_put(&c->profile->group.cg_item);
	}
	mutex_lock(&profiles.su_mutex);
	list_del(&c->node);
	mutex_unlock(&profiles.su_mutex);
	kfree(c);
}

/**
 * trivio_vdpa_profile_take() - apply the profile of a device that is being made
 * @c: its claim
 * @s: defaults; what the profile says goes over them. Its port is the caller's
 *	to clear.
 */
void trivio_vdpa_profile_take(struct trivio_vdpa_claim *c,
			      struct trivio_vdpa_settings *s)
{
	struct trivio_vdpa_profile *p = c->profile;

	if (!p)
		return;
	mutex_lock(&p->lock);
	profile_apply(p, s);
	/* The file may be written before the device takes the socket. */
	if (s->port.file)
		get_file(s->port.file);
	mutex_unlock(&p->lock);
}

/**
 * trivio_vdpa_profile_live() - the device of a profile came to life, or ends
 * @c: its claim
 * @v: device; NULL: its end
 *
 * On return with NULL no attribute touches the device.
 */
void trivio_vdpa_profile_live(struct trivio_vdpa_claim *c,
			      struct trivio_vdpa *v)
{
	struct trivio_vdpa_profile *p = c->profile;

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
	struct trivio_vdpa_profile *p = v->claim->profile;

	if (p)
		mutex_lock(&p->lock);
	ether_addr_copy(v->set.mac, mac);
	if (p)
		mutex_unlock(&p->lock);
}

/**
 * trivio_vdpa_profile_setup() - make /sys/kernel/config/trivio
 *
 * Return: 0 or a negative errno.
 */
int trivio_vdpa_profile_setup(void)
{
	attrs_collect();
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
