// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver made of a net device, as bytes for another one: address, pairs
 * in use, receive filter, steering, offloads that are off. The bytes come from a
 * migration stream, so they are believed no more than a driver's commands are.
 */
#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <trivio/net.h>

#include "net_ctrl.h"
#include "net_state.h"

#define VERSION		1

/* Flags of struct net_state. */
#define HAS_FILTER	BIT(0)
#define HAS_RSS		BIT(1)
#define STEER		BIT(2)
#define ANNOUNCE	BIT(3)
#define PROMISC		BIT(4)
#define ALLMULTI	BIT(5)
#define ALLUNI		BIT(6)
#define NOMULTI		BIT(7)
#define NOUNI		BIT(8)
#define NOBCAST		BIT(9)
#define VLANS		BIT(10)
#define FLAGS		(BIT(11) - 1)

/* Little endian, no holes. */
struct net_state {
	__le16 version;
	__le16 pairs;
	__le32 flags;
	u8 mac[ETH_ALEN];
	u8 filter_mac[ETH_ALEN];
	__le32 types;
	__le64 off;
	__le32 n_uni;
	__le32 n_multi;
	u8 uni[TRIVIO_MAC_MAX][ETH_ALEN];
	u8 multi[TRIVIO_MAC_MAX][ETH_ALEN];
	u8 vlan[TRIVIO_VLAN_MAX / 8];
	__le16 mask;
	__le16 unclassified;
	u8 reserved[4];
	u8 key[TRIVIO_RSS_KEY];
	__le16 table[TRIVIO_RSS_TABLE];
} __packed;

/* What only makes sense if the driver took a feature. */
#define FILTER_FEATURES	(BIT_ULL(VIRTIO_NET_F_CTRL_RX) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR))

/**
 * trivio_net_state_len() - bytes of a net device's state
 * @dev: device
 *
 * Return: bytes.
 */
int trivio_net_state_len(struct trivio_dev *dev)
{
	return sizeof(struct net_state);
}

/* --- saving -------------------------------------------------------------- */

static void save_filter(struct net_state *s, const struct trivio_filter *f)
{
	u32 flags = HAS_FILTER, i;

	flags |= f->promisc ? PROMISC : 0;
	flags |= f->allmulti ? ALLMULTI : 0;
	flags |= f->alluni ? ALLUNI : 0;
	flags |= f->nomulti ? NOMULTI : 0;
	flags |= f->nouni ? NOUNI : 0;
	flags |= f->nobcast ? NOBCAST : 0;
	flags |= f->vlans ? VLANS : 0;
	s->flags |= cpu_to_le32(flags);
	ether_addr_copy(s->filter_mac, f->mac);
	s->n_uni = cpu_to_le32(f->n_uni);
	s->n_multi = cpu_to_le32(f->n_multi);
	if (f->n_uni <= TRIVIO_MAC_MAX)
		memcpy(s->uni, f->uni, f->n_uni * ETH_ALEN);
	if (f->n_multi <= TRIVIO_MAC_MAX)
		memcpy(s->multi, f->multi, f->n_multi * ETH_ALEN);
	for (i = 0; i < TRIVIO_VLAN_MAX; i++) {
		if (test_bit(i, f->vlan))
			s->vlan[i / 8] |= BIT(i % 8);
	}
}

static void save_rss(struct net_state *s, const struct trivio_net_rss *r)
{
	u32 i;

	s->flags |= cpu_to_le32(HAS_RSS | (r->rss.steer ? STEER : 0));
	s->types = cpu_to_le32(r->rss.types);
	s->mask = cpu_to_le16(r->rss.mask);
	s->unclassified = cpu_to_le16(r->rss.unclassified);
	memcpy(s->key, r->key, sizeof(s->key));
	for (i = 0; i < TRIVIO_RSS_TABLE; i++)
		s->table[i] = cpu_to_le16(r->rss.table[i]);
}

/**
 * trivio_net_state_save() - write a net device's state
 * @dev: device; its queues are stopped
 * @buf: trivio_net_state_len() bytes
 *
 * Context: may sleep.
 */
void trivio_net_state_save(struct trivio_dev *dev, void *buf)
{
	struct trivio_net *net = dev->class_priv;
	struct trivio_net_ctrl *ctrl = net->ctrl;
	const struct trivio_filter *f;
	const struct trivio_net_rss *r;
	struct net_state *s = buf;

	memset(s, 0, sizeof(*s));
	s->version = cpu_to_le16(VERSION);
	mutex_lock(&ctrl->lock);
	s->pairs = cpu_to_le16(net->pairs);
	ether_addr_copy(s->mac, net->mac);
	s->off = cpu_to_le64(ctrl->off);
	if (net->announce)
		s->flags |= cpu_to_le32(ANNOUNCE);
	f = rcu_dereference_protected(ctrl->filter,
				      lockdep_is_held(&ctrl->lock));
	r = rcu_dereference_protected(ctrl->rss, lockdep_is_held(&ctrl->lock));
	if (f)
		save_filter(s, f);
	if (r)
		save_rss(s, r);
	mutex_unlock(&ctrl->lock);
}

/* --- loading ------------------------------------------------------------- */

/* Zero what is not used: there is one way to say each state. */
static bool check_rss(const struct trivio_net *net, const struct net_state *s,
		      u64 features)
{
	u32 flags = le32_to_cpu(s->flags), i;
	u16 mask = le16_to_cpu(s->mask);

	if (!(flags & HAS_RSS))
		return !(flags & STEER) && !s->types;
	if (!(features & (BIT_ULL(VIRTIO_NET_F_RSS) |
			  BIT_ULL(VIRTIO_NET_F_HASH_REPORT))))
		return false;
	if (flags & STEER && !(features & BIT_ULL(VIRTIO_NET_F_RSS)))
		return false;
	if (le32_to_cpu(s->types) & ~net->hash_types ||
	    mask >= TRIVIO_RSS_TABLE || mask & (mask + 1) ||
	    le16_to_cpu(s->unclassified) >= net->max_pairs)
		return false;
	for (i = 0; i < TRIVIO_RSS_TABLE; i++) {
		if (le16_to_cpu(s->table[i]) >= net->max_pairs)
			return false;
	}
	return true;
}

static bool check(struct trivio_dev *dev, const struct net_state *s,
		  u64 features)
{
	const struct trivio_net *net = dev->class_priv;
	u32 flags = le32_to_cpu(s->flags);
	u16 pairs = le16_to_cpu(s->pairs);

	if (le16_to_cpu(s->version) != VERSION || flags & ~FLAGS ||
	    memchr_inv(s->reserved, 0, sizeof(s->reserved)))
		return false;
	if (!pairs || pairs > net->max_pairs || !is_valid_ether_addr(s->mac))
		return false;
	if (pairs > 1 && !(features & (BIT_ULL(VIRTIO_NET_F_MQ) |
				       BIT_ULL(VIRTIO_NET_F_RSS))))
		return false;
	if (flags & ANNOUNCE &&
	    !(features & BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE)))
		return false;
	if (le64_to_cpu(s->off) & ~trivio_net_guest_offloads(features))
		return false;
	if (flags & HAS_FILTER) {
		if (!(features & FILTER_FEATURES) ||
		    !is_valid_ether_addr(s->filter_mac) ||
		    le32_to_cpu(s->n_uni) > TRIVIO_CTRL_MAX / ETH_ALEN ||
		    le32_to_cpu(s->n_multi) > TRIVIO_CTRL_MAX / ETH_ALEN)
			return false;
	} else if (flags & (PROMISC | ALLMULTI | ALLUNI | NOMULTI | NOUNI |
			    NOBCAST | VLANS)) {
		return false;
	}
	return check_rss(net, s, features);
}

static struct trivio_filter *load_filter(const struct net_state *s)
{
	struct trivio_filter *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	u32 flags = le32_to_cpu(s->flags), i;

	if (!f)
		return NULL;
	f->promisc = flags & PROMISC;
	f->allmulti = flags & ALLMULTI;
	f->alluni = flags & ALLUNI;
	f->nomulti = flags & NOMULTI;
	f->nouni = flags & NOUNI;
	f->nobcast = flags & NOBCAST;
	f->vlans = flags & VLANS;
	ether_addr_copy(f->mac, s->filter_mac);
	f->n_uni = le32_to_cpu(s->n_uni);
	f->n_multi = le32_to_cpu(s->n_multi);
	memcpy(f->uni, s->uni, sizeof(f->uni));
	memcpy(f->multi, s->multi, sizeof(f->multi));
	for (i = 0; i < TRIVIO_VLAN_MAX; i++)
		__assign_bit(i, f->vlan, s->vlan[i / 8] & BIT(i % 8));
	return f;
}

static struct trivio_net_rss *load_rss(const struct net_state *s)
{
	struct trivio_net_rss *r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!r)
		return NULL;
	r->rss.types = le32_to_cpu(s->types);
	r->rss.steer = le32_to_cpu(s->flags) & STEER;
	r->rss.mask = le16_to_cpu(s->mask);
	r->rss.unclassified = le16_to_cpu(s->unclassified);
	for (i = 0; i < TRIVIO_RSS_TABLE; i++)
		r->rss.table[i] = le16_to_cpu(s->table[i]);
	memcpy(r->key, s->key, sizeof(r->key));
	trivio_toeplitz_init(&r->rss.key, r->key);
	return r;
}

/**
 * trivio_net_state_check() - could trivio_net_state_load() take it
 * @dev: device
 * @buf: trivio_net_state_len() bytes, from anybody
 * @features: what the driver accepted, or 0 if it did not get so far
 *
 * Return: 0 or -EINVAL.
 */
int trivio_net_state_check(struct trivio_dev *dev, const void *buf,
			   u64 features)
{
	return check(dev, buf, features) ? 0 : -EINVAL;
}

/**
 * trivio_net_state_load() - take a state over
 * @dev: device, just reset, with the driver's features set; no queue runs
 * @buf: what trivio_net_state_check() said 0 to
 *
 * Context: may sleep.
 *
 * Return: 0 or -ENOMEM; then nothing was changed.
 */
int trivio_net_state_load(struct trivio_dev *dev, const void *buf)
{
	struct trivio_net *net = dev->class_priv;
	struct trivio_net_ctrl *ctrl = net->ctrl;
	const struct net_state *s = buf;
	u32 flags = le32_to_cpu(s->flags);
	struct trivio_filter *f = NULL;
	struct trivio_net_rss *r = NULL;

	if (flags & HAS_FILTER) {
		f = load_filter(s);
		if (!f)
			return -ENOMEM;
	}
	if (flags & HAS_RSS) {
		r = load_rss(s);
		if (!r) {
			kfree(f);
			return -ENOMEM;
		}
	}
	mutex_lock(&ctrl->lock);
	WRITE_ONCE(net->pairs, le16_to_cpu(s->pairs));
	WRITE_ONCE(net->announce, flags & ANNOUNCE);
	ether_addr_copy(net->mac, s->mac);
	trivio_net_ctrl_set(net, f, r, le64_to_cpu(s->off));
	mutex_unlock(&ctrl->lock);
	return 0;
}
