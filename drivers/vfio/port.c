// SPDX-License-Identifier: GPL-2.0-only
/*
 * The setting "port" of a net function: where its frames go, in the words of
 * trivio_port_spec_parse(). A socket's owner is the device until the setting
 * changes.
 */
#include <linux/sysfs.h>

#include <trivio/net.h>

#include "mdev.h"

static ssize_t port_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&m->lock);
	n = sysfs_emit(buf, "%s\n", m->set.port.text);
	mutex_unlock(&m->lock);
	return n;
}

static ssize_t port_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	struct trivio_port_spec spec, old;
	int err;

	err = trivio_port_spec_parse(&spec, buf);
	if (err)
		return err;
	err = trivio_mdev_set_begin(m);
	if (err) {
		trivio_port_spec_clear(&spec);
		return err;
	}
	old = m->set.port;
	m->set.port = spec;
	count = trivio_mdev_set_end(m, 0, count);
	trivio_port_spec_clear(&old);
	return count;
}

DEVICE_ATTR_RW(port);
