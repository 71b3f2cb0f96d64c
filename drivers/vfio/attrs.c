// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs of a mediated device: settings, which can be written until a client
 * opens the device (mdevctl writes them when it starts one), and counters.
 * Documentation/ABI/sysfs-trivio-mdev describes every file.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/log2.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include <trivio/net.h>

#include "mdev.h"

static const char * const doorbell_names[TRIVIO_DOORBELL_NR] = {
	[TRIVIO_DOORBELL_TRAP] = "trap",
	[TRIVIO_DOORBELL_POLL] = "poll",
	[TRIVIO_DOORBELL_KVM] = "kvm",
	[TRIVIO_DOORBELL_FAULT] = "fault",
	[TRIVIO_DOORBELL_AUTO] = "auto",
};

static bool is_net(const struct trivio_mdev *m)
{
	return m->type->class->id == VIRTIO_ID_NET;
}

/**
 * trivio_mdev_defaults() - settings of a new mediated device
 * @m: mediated device
 */
void trivio_mdev_defaults(struct trivio_mdev *m)
{
	struct trivio_mdev_set *s = &m->set;

	strscpy(s->name, "mdev%d");
	eth_random_addr(s->mac);
	s->queues = m->type->queues;
	s->ring = 256;
	/* Linux guests take the packed layout if they see it: not unasked. */
	s->features = trivio_mdev_features(m->type) &
		      ~BIT_ULL(VIRTIO_F_RING_PACKED);
	if (is_net(m))
		s->features &= ~BIT_ULL(VIRTIO_NET_F_HASH_REPORT);
	else
		trivio_mdev_blk_defaults(m);
	s->doorbell = TRIVIO_DOORBELL_AUTO;
	strscpy(s->port.text, "netdev");
}

/**
 * trivio_mdev_set_begin() - a setting is about to change
 * @m: mediated device
 *
 * Return: 0 with its lock held, or -EBUSY while a client has it open.
 */
int trivio_mdev_set_begin(struct trivio_mdev *m)
{
	mutex_lock(&m->lock);
	if (m->open) {
		mutex_unlock(&m->lock);
		return -EBUSY;
	}
	return 0;
}

/**
 * trivio_mdev_set_end() - a setting was changed, or not
 * @m: mediated device; its lock is let go of
 * @err: 0 if it was: then the core's device is made anew at the next open
 * @count: what a store function returns
 *
 * Return: @count or @err.
 */
ssize_t trivio_mdev_set_end(struct trivio_mdev *m, int err, size_t count)
{
	if (!err)
		trivio_mdev_dev_drop(m);
	/* In this context: it has the rights and the file names of whoever sets. */
	if (!err && !is_net(m))
		err = trivio_mdev_disk_open(m);
	mutex_unlock(&m->lock);
	return err ? err : count;
}

static ssize_t name_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&m->lock);
	n = sysfs_emit(buf, "%s\n", m->dev ? m->dev->name : m->set.name);
	mutex_unlock(&m->lock);
	return n;
}

static ssize_t name_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	char name[TRIVIO_NAME_MAX], *s, *mark;
	int err;

	if (strscpy(name, buf, sizeof(name)) < 0)
		return -ENAMETOOLONG;
	s = strim(name);
	/* It is an interface's name too, and may hold one "%d". */
	mark = strstr(s, "%d");
	if (mark && strchr(mark + 2, '%'))
		return -EINVAL;
	if (!mark && (strchr(s, '%') || !dev_valid_name(s)))
		return -EINVAL;
	if (strchr(s, '/') || strlen(s) + (mark ? 3 : 0) >= IFNAMSIZ)
		return -EINVAL;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	strscpy(m->set.name, s);
	return trivio_mdev_set_end(m, 0, count);
}
static DEVICE_ATTR_RW(name);

static ssize_t mac_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%pM\n", m->set.mac);
}

static ssize_t mac_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	u8 mac[ETH_ALEN];
	int err;

	if (!mac_pton(buf, mac) || !is_valid_ether_addr(mac))
		return -EINVAL;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	ether_addr_copy(m->set.mac, mac);
	return trivio_mdev_set_end(m, 0, count);
}
static DEVICE_ATTR_RW(mac);

#define NUMBER_ATTR(_name, _ok) \
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
	u16 val; \
	int err = kstrtou16(buf, 0, &val); \
	if (err) \
		return err; \
	if (!(_ok)) \
		return -EINVAL; \
	err = trivio_mdev_set_begin(m); \
	if (err) \
		return err; \
	m->set._name = val; \
	return trivio_mdev_set_end(m, 0, count); \
} \
static DEVICE_ATTR_RW(_name)

/* A control queue may come on top. */
NUMBER_ATTR(queues, val && val <= (TRIVIO_VFIO_QUEUES_MAX - 1) /
	    (is_net(m) ? 2 : 1));
NUMBER_ATTR(mtu, !val || (val >= ETH_MIN_MTU && val <= ETH_MAX_MTU));
NUMBER_ATTR(ring, val >= 4 && val <= TRIVIO_VFIO_RING_MAX &&
	    is_power_of_2(val));

static ssize_t features_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%#llx\n", m->set.features);
}

static ssize_t features_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	u64 val;
	int err;

	err = kstrtou64(buf, 0, &val);
	if (err)
		return err;
	if (val & ~trivio_mdev_features(m->type))
		return -EINVAL;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	m->set.features = val;
	return trivio_mdev_set_end(m, 0, count);
}
static DEVICE_ATTR_RW(features);

static ssize_t doorbell_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", doorbell_names[m->set.doorbell]);
}

static ssize_t doorbell_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	int val, err;

	val = sysfs_match_string(doorbell_names, buf);
	if (val < 0)
		return val;
	err = trivio_mdev_set_begin(m);
	if (err)
		return err;
	m->set.doorbell = val;
	return trivio_mdev_set_end(m, 0, count);
}
static DEVICE_ATTR_RW(doorbell);

static ssize_t doorbell_in_use_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	const char *way = "none";

	mutex_lock(&m->lock);
	if (m->open)
		way = doorbell_names[m->bell.mmapped ? m->bell.way :
				     TRIVIO_DOORBELL_TRAP];
	mutex_unlock(&m->lock);
	return sysfs_emit(buf, "%s\n", way);
}
static DEVICE_ATTR_RO(doorbell_in_use);

static struct attribute *set_attrs[] = {
	&dev_attr_name.attr,
	&dev_attr_mac.attr,
	&dev_attr_queues.attr,
	&dev_attr_mtu.attr,
	&dev_attr_ring.attr,
	&dev_attr_features.attr,
	&dev_attr_doorbell.attr,
	&dev_attr_doorbell_in_use.attr,
	&dev_attr_port.attr,
	NULL,
};

static umode_t set_visible(struct kobject *kobj, struct attribute *a, int n)
{
	struct trivio_mdev *m = dev_get_drvdata(kobj_to_dev(kobj));

	if (!is_net(m) && (a == &dev_attr_mac.attr || a == &dev_attr_mtu.attr ||
			   a == &dev_attr_port.attr))
		return 0;
	return a->mode;
}

static const struct attribute_group set_group = {
	.attrs = set_attrs,
	.is_visible = set_visible,
};

/* --- counters ----------------------------------------------------------- */

struct stat_attr {
	struct device_attribute attr;
	enum trivio_mdev_stat stat;
};

static u64 stat_sum(const struct trivio_mdev *m, enum trivio_mdev_stat stat)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(m->stats, cpu)->n[stat];
	return sum;
}

static ssize_t stat_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct stat_attr *sa = container_of(attr, struct stat_attr, attr);
	struct trivio_mdev *m = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", stat_sum(m, sa->stat));
}

#define STAT(_name, _stat) \
static struct stat_attr stat_##_name = { \
	.attr = __ATTR(_name, 0444, stat_show, NULL), \
	.stat = _stat, \
}

STAT(doorbell_trap, TRIVIO_MDEV_TRAP);
STAT(doorbell_fault, TRIVIO_MDEV_FAULT);
STAT(doorbell_kvm, TRIVIO_MDEV_TRACK);
STAT(doorbell_poll, TRIVIO_MDEV_POLL);
STAT(doorbell_ioeventfd, TRIVIO_MDEV_IOEVENT);
STAT(doorbell_late, TRIVIO_MDEV_LATE);
STAT(doorbell_zaps, TRIVIO_MDEV_ZAP);
STAT(irq_msix, TRIVIO_MDEV_MSIX);
STAT(irq_intx, TRIVIO_MDEV_INTX);
STAT(irq_unmasks, TRIVIO_MDEV_UNMASK);
STAT(irq_resamples, TRIVIO_MDEV_RESAMPLE);
STAT(mem_hits, TRIVIO_MDEV_HIT);
STAT(mem_misses, TRIVIO_MDEV_MISS);
STAT(mem_pins, TRIVIO_MDEV_PIN);
STAT(mem_unpins, TRIVIO_MDEV_UNPIN);
STAT(mem_pin_failures, TRIVIO_MDEV_PIN_FAIL);
STAT(mem_copied_in, TRIVIO_MDEV_COPY_IN);
STAT(mem_copied_out, TRIVIO_MDEV_COPY_OUT);
STAT(mem_copy_failures, TRIVIO_MDEV_COPY_FAIL);
STAT(mem_unmaps, TRIVIO_MDEV_UNMAP);
STAT(mem_unmaps_again, TRIVIO_MDEV_UNMAP_AGAIN);
STAT(mem_holds, TRIVIO_MDEV_HOLD);
STAT(resets, TRIVIO_MDEV_RESET);

static struct attribute *stat_attrs[] = {
	&stat_doorbell_trap.attr.attr,
	&stat_doorbell_fault.attr.attr,
	&stat_doorbell_kvm.attr.attr,
	&stat_doorbell_poll.attr.attr,
	&stat_doorbell_ioeventfd.attr.attr,
	&stat_doorbell_late.attr.attr,
	&stat_doorbell_zaps.attr.attr,
	&stat_irq_msix.attr.attr,
	&stat_irq_intx.attr.attr,
	&stat_irq_unmasks.attr.attr,
	&stat_irq_resamples.attr.attr,
	&stat_mem_hits.attr.attr,
	&stat_mem_misses.attr.attr,
	&stat_mem_pins.attr.attr,
	&stat_mem_unpins.attr.attr,
	&stat_mem_pin_failures.attr.attr,
	&stat_mem_copied_in.attr.attr,
	&stat_mem_copied_out.attr.attr,
	&stat_mem_copy_failures.attr.attr,
	&stat_mem_unmaps.attr.attr,
	&stat_mem_unmaps_again.attr.attr,
	&stat_mem_holds.attr.attr,
	&stat_resets.attr.attr,
	NULL,
};

/**
 * trivio_mdev_counter() - a counter as netlink shows it
 * @dev: the core's device
 * @i: which
 * @val: its value
 *
 * Return: its name, or NULL if there is none.
 */
const char *trivio_mdev_counter(struct trivio_dev *dev, unsigned int i,
				u64 *val)
{
	struct stat_attr *sa;

	if (i >= ARRAY_SIZE(stat_attrs) - 1)
		return NULL;
	sa = container_of(stat_attrs[i], struct stat_attr, attr.attr);
	*val = stat_sum(dev->priv, sa->stat);
	return sa->attr.attr.name;
}

static const struct attribute_group stat_group = {
	.name = "stats",
	.attrs = stat_attrs,
};

const struct attribute_group *trivio_mdev_groups[] = {
	&set_group,
	&trivio_mdev_blk_group,
	&stat_group,
	NULL,
};
