// SPDX-License-Identifier: GPL-2.0-only
/* Profiles: settings of net devices. Documentation/ABI/configfs-trivio. */
#include <linux/configfs.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/string_choices.h>
#include <linux/virtio_net.h>

#include "profile.h"

NUMBER_ATTR(mtu, F_MTU, ETH_MIN_MTU, ETH_MAX_MTU, "%u");

static ssize_t profile_mac_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	trivio_vdpa_profile_now(to_profile(item), &s);
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

	trivio_vdpa_profile_now(to_profile(item), &s);
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

	trivio_vdpa_profile_now(to_profile(item), &s);
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
	trivio_vdpa_profile_now(p, &s);
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

	trivio_vdpa_profile_now(to_profile(item), &s);
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
	trivio_vdpa_profile_now(p, &s);
	mutex_lock(&p->lock);
	err = speed_set(p, s.speed, duplexes[i].duplex);
	mutex_unlock(&p->lock);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, duplex);

static ssize_t profile_port_show(struct config_item *item, char *page)
{
	struct trivio_vdpa_settings s;

	trivio_vdpa_profile_now(to_profile(item), &s);
	return sysfs_emit(page, "%s\n", s.port.text);
}

static ssize_t profile_port_store(struct config_item *item, const char *page,
				  size_t count)
{
	struct trivio_vdpa_profile *p = to_profile(item);
	struct trivio_port_spec spec, old = {};
	int err;

	err = trivio_port_spec_parse(&spec, page);
	if (err)
		return err;
	mutex_lock(&p->lock);
	if (p->v) {
		err = -EBUSY;
		old = spec;
	} else {
		old = p->set.port;
		p->set.port = spec;
		p->given |= BIT(F_PORT);
	}
	mutex_unlock(&p->lock);
	trivio_port_spec_clear(&old);
	return err ?: count;
}
CONFIGFS_ATTR(profile_, port);

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

struct configfs_attribute *trivio_vdpa_profile_net[] = {
	&profile_attr_mac,
	&profile_attr_mtu,
	&profile_attr_link,
	&profile_attr_speed,
	&profile_attr_duplex,
	&profile_attr_port,
	&profile_attr_announce,
	NULL,
};
