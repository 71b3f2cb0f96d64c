// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control queue commands from bytes: every length, count and range is checked
 * here, once, so that what carries a command out can trust it. Plain C, so the
 * unit tests and the fuzzer compile this very file.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/virtio_net.h>

#include "net_ctrl.h"
#include "net_hdr.h"

#define MAC_LEN	6

#define F(bit)	(1ULL << (bit))

/* What is left of a command; a failed take leaves it empty. */
struct cursor {
	const u8 *p;
	u32 left;
};

static const u8 *take(struct cursor *c, u32 n)
{
	const u8 *p = c->p;

	if (c->left < n) {
		c->left = 0;
		return NULL;
	}
	c->p += n;
	c->left -= n;
	return p;
}

/**
 * trivio_net_guest_offloads() - offloads that a driver may switch
 * @features: accepted feature bits
 */
u64 trivio_net_guest_offloads(u64 features)
{
	return features & (F(VIRTIO_NET_F_GUEST_CSUM) |
			   F(VIRTIO_NET_F_GUEST_TSO4) |
			   F(VIRTIO_NET_F_GUEST_TSO6) |
			   F(VIRTIO_NET_F_GUEST_ECN) |
			   F(VIRTIO_NET_F_GUEST_UFO) |
			   F(VIRTIO_NET_F_GUEST_USO4) |
			   F(VIRTIO_NET_F_GUEST_USO6));
}

static int parse_rx(struct cursor *in, u64 features, struct trivio_ctrl_cmd *c)
{
	const u8 *p;

	if (!(features & F(VIRTIO_NET_F_CTRL_RX)))
		return -EOPNOTSUPP;
	switch (c->cmd) {
	case VIRTIO_NET_CTRL_RX_PROMISC:
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		break;
	case VIRTIO_NET_CTRL_RX_ALLUNI:
	case VIRTIO_NET_CTRL_RX_NOMULTI:
	case VIRTIO_NET_CTRL_RX_NOUNI:
	case VIRTIO_NET_CTRL_RX_NOBCAST:
		if (!(features & F(VIRTIO_NET_F_CTRL_RX_EXTRA)))
			return -EOPNOTSUPP;
		break;
	default:
		return -EOPNOTSUPP;
	}
	p = take(in, 1);
	if (!p || in->left)
		return -EINVAL;
	c->on = *p;
	return 0;
}

static const u8 *parse_table(struct cursor *in, u32 *n)
{
	const u8 *p = take(in, 4);

	if (!p)
		return NULL;
	*n = trivio_le32(p);
	if (*n > in->left / MAC_LEN)
		return NULL;
	return take(in, *n * MAC_LEN);
}

static int parse_mac(struct cursor *in, u64 features, struct trivio_ctrl_cmd *c)
{
	const u8 *p;

	switch (c->cmd) {
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		if (!(features & F(VIRTIO_NET_F_CTRL_RX)))
			return -EOPNOTSUPP;
		c->uni = parse_table(in, &c->n_uni);
		if (!c->uni)
			return -EINVAL;
		c->multi = parse_table(in, &c->n_multi);
		if (!c->multi || in->left)
			return -EINVAL;
		return 0;
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (!(features & F(VIRTIO_NET_F_CTRL_MAC_ADDR)))
			return -EOPNOTSUPP;
		p = take(in, MAC_LEN);
		/* A station's address is neither a group's nor zero. */
		if (!p || in->left || p[0] & 1 ||
		    !(p[0] | p[1] | p[2] | p[3] | p[4] | p[5]))
			return -EINVAL;
		memcpy(c->mac, p, MAC_LEN);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int parse_vlan(struct cursor *in, u64 features,
		      struct trivio_ctrl_cmd *c)
{
	const u8 *p;

	if (!(features & F(VIRTIO_NET_F_CTRL_VLAN)) ||
	    (c->cmd != VIRTIO_NET_CTRL_VLAN_ADD &&
	     c->cmd != VIRTIO_NET_CTRL_VLAN_DEL))
		return -EOPNOTSUPP;
	p = take(in, 2);
	if (!p || in->left)
		return -EINVAL;
	c->vid = trivio_le16(p);
	return c->vid < TRIVIO_VLAN_MAX ? 0 : -EINVAL;
}

static int parse_key(struct cursor *in, struct trivio_ctrl_cmd *c)
{
	const u8 *p = take(in, 1);
	u8 n;

	if (!p || *p > TRIVIO_RSS_KEY)
		return -EINVAL;
	n = *p;
	/*
	 * Bytes behind the key are ignored: Linux sends one, the padding of its
	 * struct virtio_net_rss_config_trailer.
	 */
	p = take(in, n);
	if (!p)
		return -EINVAL;
	/* A hash without a key would be a constant. */
	if (c->rss.types && !n)
		return -EINVAL;
	memset(c->key, 0, sizeof(c->key));
	memcpy(c->key, p, n);
	return 0;
}

static int parse_rss(struct cursor *in, u64 features, u16 max_pairs,
		     struct trivio_ctrl_cmd *c)
{
	const u8 *p;
	u32 i, n;

	if (!(features & F(VIRTIO_NET_F_RSS)))
		return -EOPNOTSUPP;
	p = take(in, 8);
	if (!p)
		return -EINVAL;
	c->rss.types = trivio_le32(p);
	c->rss.mask = trivio_le16(p + 4);
	c->rss.unclassified = trivio_le16(p + 6);
	n = (u32)c->rss.mask + 1;
	if (c->rss.types & ~TRIVIO_RSS_TYPES || n > TRIVIO_RSS_TABLE ||
	    n & (n - 1) || c->rss.unclassified >= max_pairs)
		return -EINVAL;
	p = take(in, n * 2);
	if (!p)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		c->rss.table[i] = trivio_le16(p + 2 * i);
		if (c->rss.table[i] >= max_pairs)
			return -EINVAL;
	}
	p = take(in, 2);
	if (!p)
		return -EINVAL;
	c->pairs = trivio_le16(p);
	if (!c->pairs || c->pairs > max_pairs)
		return -EINVAL;
	return parse_key(in, c);
}

static int parse_mq(struct cursor *in, u64 features, u16 max_pairs,
		    struct trivio_ctrl_cmd *c)
{
	const u8 *p;

	switch (c->cmd) {
	case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		if (!(features & F(VIRTIO_NET_F_MQ)))
			return -EOPNOTSUPP;
		p = take(in, 2);
		if (!p || in->left)
			return -EINVAL;
		c->pairs = trivio_le16(p);
		return c->pairs && c->pairs <= max_pairs ? 0 : -EINVAL;
	case VIRTIO_NET_CTRL_MQ_RSS_CONFIG:
		return parse_rss(in, features, max_pairs, c);
	case VIRTIO_NET_CTRL_MQ_HASH_CONFIG:
		if (!(features & F(VIRTIO_NET_F_HASH_REPORT)))
			return -EOPNOTSUPP;
		p = take(in, 12);
		if (!p)
			return -EINVAL;
		c->rss.types = trivio_le32(p);
		if (c->rss.types & ~TRIVIO_RSS_TYPES)
			return -EINVAL;
		return parse_key(in, c);
	default:
		return -EOPNOTSUPP;
	}
}

static int parse_offloads(struct cursor *in, u64 features,
			  struct trivio_ctrl_cmd *c)
{
	const u8 *p;

	if (!(features & F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)) ||
	    c->cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET)
		return -EOPNOTSUPP;
	p = take(in, 8);
	if (!p || in->left)
		return -EINVAL;
	c->offloads = trivio_le32(p) | (u64)trivio_le32(p + 4) << 32;
	return c->offloads & ~trivio_net_guest_offloads(features) ? -EINVAL : 0;
}

/**
 * trivio_net_ctrl_parse() - one command from bytes
 * @buf: the readable part of the chain, a private copy
 * @len: bytes
 * @features: accepted feature bits; a command needs its own
 * @max_pairs: queue pairs of the device
 * @c: result; its pointers point into @buf. Undefined after an error.
 *
 * Return: 0; -EINVAL for a malformed command; -EOPNOTSUPP for one that is
 * unknown or was not negotiated. Both are answered with VIRTIO_NET_ERR.
 */
int trivio_net_ctrl_parse(const u8 *buf, u32 len, u64 features, u16 max_pairs,
			  struct trivio_ctrl_cmd *c)
{
	struct cursor in = { buf, len };
	const u8 *p = take(&in, 2);

	if (!p)
		return -EINVAL;
	c->class = p[0];
	c->cmd = p[1];
	switch (c->class) {
	case VIRTIO_NET_CTRL_RX:
		return parse_rx(&in, features, c);
	case VIRTIO_NET_CTRL_MAC:
		return parse_mac(&in, features, c);
	case VIRTIO_NET_CTRL_VLAN:
		return parse_vlan(&in, features, c);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		if (!(features & F(VIRTIO_NET_F_GUEST_ANNOUNCE)) ||
		    c->cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK)
			return -EOPNOTSUPP;
		return in.left ? -EINVAL : 0;
	case VIRTIO_NET_CTRL_MQ:
		return parse_mq(&in, features, max_pairs, c);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return parse_offloads(&in, features, c);
	default:
		return -EOPNOTSUPP;
	}
}
