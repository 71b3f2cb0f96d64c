/* SPDX-License-Identifier: GPL-2.0-only */
/* Profiles: between their files. */
#ifndef TRIVIO_VDPA_PROFILE_H
#define TRIVIO_VDPA_PROFILE_H

#include <linux/configfs.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include "fault_fs.h"
#include "vdpa.h"

/* Files in a profile, at most. */
#define PROFILE_ATTRS_MAX	40

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
	struct mutex lock;	/* all below */
	struct trivio_vdpa_settings set;
	u32 given;
	struct trivio_vdpa *v;
	struct trivio_vdpa_faults *faults;
};

/**
 * struct trivio_vdpa_claim - a device's hold on its name
 * @node: in the list of all, under the subsystem's mutex
 * @profile: the profile, which can't be removed meanwhile, or NULL
 * @name: of the device
 */
struct trivio_vdpa_claim {
	struct list_head node;
	struct trivio_vdpa_profile *profile;
	char name[];
};

/* Settings, as bits of &trivio_vdpa_profile.given. */
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
	F_PORT,
	F_CAPACITY,
	F_BLOCK_SIZE,
	F_READ_ONLY,
	F_DIRECT_IO,
	F_SERIAL,
	F_WRITE_CACHE,
	F_LIFETIME,
	F_BACKING,
};

static inline struct trivio_vdpa_profile *to_profile(struct config_item *item)
{
	return container_of(to_config_group(item), struct trivio_vdpa_profile,
			    group);
}

/* profile.c */
int trivio_vdpa_set_number(struct trivio_vdpa_profile *p, enum field bit,
			   void *field, size_t size, u64 val);
ssize_t trivio_vdpa_store_number(struct trivio_vdpa_profile *p, enum field bit,
				 void *field, size_t size, u64 min, u64 max,
				 const char *page, size_t count);
ssize_t trivio_vdpa_store_string(struct trivio_vdpa_profile *p, enum field bit,
				 char *field, size_t size, const char *page,
				 size_t count);
void trivio_vdpa_profile_now(struct trivio_vdpa_profile *p,
			     struct trivio_vdpa_settings *s);

/* profile_net.c, profile_blk.c; they end with NULL */
extern struct configfs_attribute *trivio_vdpa_profile_net[];
extern struct configfs_attribute *trivio_vdpa_profile_blk[];

/* A setting as the device has it, or is to have it. */
#define SETTING_SHOW(_name, _fmt)					\
static ssize_t profile_##_name##_show(struct config_item *item,		\
				      char *page)			\
{									\
	struct trivio_vdpa_settings s;					\
									\
	trivio_vdpa_profile_now(to_profile(item), &s);			\
	return sysfs_emit(page, _fmt "\n", s._name);			\
}

/* A file that is a number, or a text, that shapes a device. */
#define NUMBER_ATTR(_name, _bit, _min, _max, _fmt)			\
SETTING_SHOW(_name, _fmt)						\
									\
static ssize_t profile_##_name##_store(struct config_item *item,	\
				       const char *page, size_t count)	\
{									\
	struct trivio_vdpa_profile *p = to_profile(item);		\
									\
	return trivio_vdpa_store_number(p, _bit, &p->set._name,		\
					sizeof(p->set._name), _min,	\
					_max, page, count);		\
}									\
CONFIGFS_ATTR(profile_, _name)

#define STRING_ATTR(_name, _bit)					\
SETTING_SHOW(_name, "%s")						\
									\
static ssize_t profile_##_name##_store(struct config_item *item,	\
				       const char *page, size_t count)	\
{									\
	struct trivio_vdpa_profile *p = to_profile(item);		\
									\
	return trivio_vdpa_store_string(p, _bit, p->set._name,		\
					sizeof(p->set._name), page,	\
					count);				\
}									\
CONFIGFS_ATTR(profile_, _name)

#endif /* TRIVIO_VDPA_PROFILE_H */
