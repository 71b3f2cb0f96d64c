// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of a device, in configfs: trivio/<device>/faults/<kind>/. They can be
 * set before the device exists and changed while it runs.
 */
#include <linux/configfs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "fault_fs.h"

/**
 * struct fault_dir - the directory of one kind
 * @group: in configfs
 * @fs: of which device
 * @kind: kind
 */
struct fault_dir {
	struct config_group group;
	struct trivio_vdpa_faults *fs;
	enum trivio_fault kind;
};

/**
 * struct trivio_vdpa_faults - the faults directory of one device
 * @group: in configfs
 * @lock: serialises changes
 * @seed: as written last
 * @faults: what the core looks at
 * @dir: one per kind
 */
struct trivio_vdpa_faults {
	struct config_group group;
	struct mutex lock;
	u64 seed;
	struct trivio_faults faults;
	struct fault_dir dir[TRIVIO_FAULT_NR];
};

static struct fault_dir *to_dir(struct config_item *item)
{
	return container_of(to_config_group(item), struct fault_dir, group);
}

static struct trivio_vdpa_faults *to_fs(struct config_item *item)
{
	return container_of(to_config_group(item), struct trivio_vdpa_faults,
			    group);
}

static ssize_t fault_change(struct config_item *item, const char *page,
			    size_t count, size_t field)
{
	struct fault_dir *dir = to_dir(item);
	struct trivio_fault_cfg cfg;
	u32 val;
	int err;

	/* "any" and -1 are the same for the queue. */
	if (field == offsetof(struct trivio_fault_cfg, queue))
		err = kstrtos32(page, 0, (s32 *)&val);
	else
		err = kstrtou32(page, 0, &val);
	if (err)
		return err;
	if (field == offsetof(struct trivio_fault_cfg, value) &&
	    val > trivio_fault_value_max(dir->kind))
		return -ERANGE;
	mutex_lock(&dir->fs->lock);
	trivio_faults_get(&dir->fs->faults, dir->kind, &cfg);
	*(u32 *)((u8 *)&cfg + field) = val;
	trivio_faults_set(&dir->fs->faults, dir->kind, &cfg);
	mutex_unlock(&dir->fs->lock);
	return count;
}

#define FAULT_ATTR(_name, _fmt)						\
static ssize_t fault_##_name##_show(struct config_item *item,		\
				    char *page)				\
{									\
	struct fault_dir *dir = to_dir(item);				\
	struct trivio_fault_cfg cfg;					\
									\
	trivio_faults_get(&dir->fs->faults, dir->kind, &cfg);		\
	return sysfs_emit(page, _fmt "\n", cfg._name);			\
}									\
									\
static ssize_t fault_##_name##_store(struct config_item *item,		\
				     const char *page, size_t count)	\
{									\
	return fault_change(item, page, count,				\
			    offsetof(struct trivio_fault_cfg, _name));	\
}									\
CONFIGFS_ATTR(fault_, _name)

FAULT_ATTR(every, "%u");
FAULT_ATTR(times, "%u");
FAULT_ATTR(queue, "%d");
FAULT_ATTR(value, "%u");

static ssize_t fault_hits_show(struct config_item *item, char *page)
{
	struct fault_dir *dir = to_dir(item);
	struct trivio_fault_cfg cfg;

	trivio_faults_get(&dir->fs->faults, dir->kind, &cfg);
	return sysfs_emit(page, "%llu\n", cfg.hits);
}
CONFIGFS_ATTR_RO(fault_, hits);

static struct configfs_attribute *fault_attrs[] = {
	&fault_attr_every,
	&fault_attr_times,
	&fault_attr_queue,
	&fault_attr_value,
	&fault_attr_hits,
	NULL,
};

static const struct config_item_type fault_type = {
	.ct_attrs = fault_attrs,
	.ct_owner = THIS_MODULE,
};

static ssize_t faults_seed_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", to_fs(item)->seed);
}

static ssize_t faults_seed_store(struct config_item *item, const char *page,
				 size_t count)
{
	struct trivio_vdpa_faults *fs = to_fs(item);
	u64 seed;
	int err;

	err = kstrtou64(page, 0, &seed);
	if (err)
		return err;
	mutex_lock(&fs->lock);
	fs->seed = seed;
	trivio_faults_seed(&fs->faults, seed);
	mutex_unlock(&fs->lock);
	return count;
}
CONFIGFS_ATTR(faults_, seed);

static struct configfs_attribute *faults_attrs[] = {
	&faults_attr_seed,
	NULL,
};

static const struct config_item_type faults_type = {
	.ct_attrs = faults_attrs,
	.ct_owner = THIS_MODULE,
};

/**
 * trivio_vdpa_faults_create() - make the faults directory of a profile
 * @parent: the profile's directory
 *
 * Return: it, to be freed when the profile is, or NULL without memory.
 */
struct trivio_vdpa_faults *
trivio_vdpa_faults_create(struct config_group *parent)
{
	struct trivio_vdpa_faults *fs;
	int i;

	fs = kzalloc(sizeof(*fs), GFP_KERNEL_ACCOUNT);
	if (!fs)
		return NULL;
	mutex_init(&fs->lock);
	fs->seed = 1;
	trivio_faults_init(&fs->faults);
	config_group_init_type_name(&fs->group, "faults", &faults_type);
	for (i = 0; i < TRIVIO_FAULT_NR; i++) {
		struct fault_dir *dir = &fs->dir[i];

		dir->fs = fs;
		dir->kind = i;
		config_group_init_type_name(&dir->group, trivio_fault_name(i),
					    &fault_type);
		configfs_add_default_group(&dir->group, &fs->group);
	}
	configfs_add_default_group(&fs->group, parent);
	return fs;
}

/**
 * trivio_vdpa_faults_free() - free it
 * @fs: faults directory whose profile is gone
 */
void trivio_vdpa_faults_free(struct trivio_vdpa_faults *fs)
{
	trivio_faults_detach(&fs->faults);
	trivio_faults_exit(&fs->faults);
	mutex_destroy(&fs->lock);
	kfree(fs);
}

/**
 * trivio_vdpa_faults_set_jitter() - how much longer block requests take, at most
 * @fs: faults directory
 * @us: microseconds
 */
void trivio_vdpa_faults_set_jitter(struct trivio_vdpa_faults *fs, u32 us)
{
	mutex_lock(&fs->lock);
	trivio_faults_set_jitter(&fs->faults, us);
	mutex_unlock(&fs->lock);
}

/**
 * trivio_vdpa_faults_jitter() - what was set
 * @fs: faults directory
 *
 * Return: microseconds.
 */
u32 trivio_vdpa_faults_jitter(struct trivio_vdpa_faults *fs)
{
	return READ_ONCE(fs->faults.jitter);
}

/**
 * trivio_vdpa_faults_live() - the device came to life, or ends
 * @fs: faults directory
 * @dev: device, no queue of which runs; NULL: its end
 */
void trivio_vdpa_faults_live(struct trivio_vdpa_faults *fs,
			     struct trivio_dev *dev)
{
	if (dev)
		trivio_faults_attach(&fs->faults, dev);
	else
		trivio_faults_detach(&fs->faults);
}
