// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance checker at a request: headers of packets, control commands,
 * block requests, and what the driver writes to the configuration space.
 *
 * Requests are read a second time, behind the back of the class that serves
 * them, so that it need not know.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include <trivio/net.h>

#include "blk_impl.h"
#include "check_impl.h"
#include "net_ctrl.h"
#include "net_hdr.h"

/* Two VLAN tags may stand before the MTU's bytes. */
#define NET_TAGS	8

/* VIRTIO_NET_HDR_F_RSC_INFO, and what a driver may not set with it. */
#define NET_FLAGS_DEVICE	(VIRTIO_NET_HDR_F_DATA_VALID | \
				 VIRTIO_NET_HDR_F_RSC_INFO)

static void report(struct trivio_queue *q, const struct trivio_chain *c,
		   enum trivio_rule rule, u64 value)
{
	trivio_check_report(q->dev, q, rule, c->id, value, CHECK_SERVICE);
}

static bool has(const struct trivio_queue *q, unsigned int bit)
{
	return trivio_has(q->dev, bit);
}

/* --- packets ------------------------------------------------------------ */

static bool gso_known(const struct trivio_queue *q, u8 type)
{
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return has(q, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return has(q, VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return has(q, VIRTIO_NET_F_HOST_UFO);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return has(q, VIRTIO_NET_F_HOST_USO);
	default:
		return false;
	}
}

/*
 * On the vhost road (raw headers) most features are between the guest and its
 * hypervisor, and rules that need them are not looked at.
 */
static void net_hdr(struct trivio_queue *q, const struct trivio_chain *c,
		    const struct trivio_net *net, u32 len)
{
	u8 raw[TRIVIO_HDR_MAX];
	struct trivio_net_hdr h;

	if (trivio_chain_read(q, c, 0, raw, net->hdr_len))
		return;
	trivio_net_hdr_decode(raw, net->hdr_len, &h);
	if (h.num_buffers)
		report(q, c, TRIVIO_RULE_NET_NUM_BUFFERS, h.num_buffers);
	if (h.flags & NET_FLAGS_DEVICE)
		report(q, c, TRIVIO_RULE_NET_FLAGS_DEVICE, h.flags);
	else if (h.flags && !net->raw_header && !has(q, VIRTIO_NET_F_CSUM))
		report(q, c, TRIVIO_RULE_NET_FLAGS, h.flags);
	if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    (u32)h.csum_start + h.csum_offset + 2 > len)
		report(q, c, TRIVIO_RULE_NET_CSUM_RANGE,
		       (u32)h.csum_start + h.csum_offset);
	if (h.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		if (has(q, VIRTIO_NET_F_MTU) &&
		    len > (u32)net->mtu + ETH_HLEN + NET_TAGS)
			report(q, c, TRIVIO_RULE_NET_MTU, len);
		return;
	}
	if (!net->raw_header && !gso_known(q, h.gso_type))
		report(q, c, TRIVIO_RULE_NET_GSO_FEATURE, h.gso_type);
	if (!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		report(q, c, TRIVIO_RULE_NET_GSO_CSUM, h.flags);
	if (!h.gso_size)
		report(q, c, TRIVIO_RULE_NET_GSO_SIZE, 0);
}

/*
 * The driver may have queued what is popped now before it made the pairs fewer;
 * so it gets a second.
 */
static void net_tx_queue(struct trivio_queue *q, const struct trivio_chain *c,
			 const struct trivio_net *net)
{
	struct trivio_check *k = trivio_checker(q->dev);
	u16 pairs = READ_ONCE(net->pairs);

	if (!k || (!has(q, VIRTIO_NET_F_MQ) && !has(q, VIRTIO_NET_F_RSS)))
		return;
	if (READ_ONCE(k->pairs) != pairs) {
		WRITE_ONCE(k->pairs, pairs);
		WRITE_ONCE(k->pairs_at, jiffies);
	}
	if (q->index / 2 >= pairs &&
	    time_after(jiffies, READ_ONCE(k->pairs_at) + HZ))
		report(q, c, TRIVIO_RULE_NET_TX_QUEUE, pairs);
}

static void net_tx(struct trivio_queue *q, const struct trivio_chain *c,
		   const struct trivio_net *net)
{
	if (!net->raw_header)
		net_tx_queue(q, c, net);
	if (net->own_header)
		return;
	if (c->out_len < net->hdr_len)
		report(q, c, TRIVIO_RULE_NET_TX_SHORT, c->out_len);
	else
		net_hdr(q, c, net, c->out_len - net->hdr_len);
}

/* --- control commands --------------------------------------------------- */

/* Feature that a command needs, and the rule that says so. */
static const struct {
	u8 class;
	u8 cmd;
	u8 feature;
	enum trivio_rule rule;
} ctrl_needs[] = {
#define NEED(class, cmd, feature, rule)					\
	{ VIRTIO_NET_CTRL_##class, VIRTIO_NET_CTRL_##cmd,		\
	  VIRTIO_NET_F_##feature, TRIVIO_RULE_CTRL_##rule }
	NEED(RX, RX_PROMISC, CTRL_RX, RX_FEATURE),
	NEED(RX, RX_ALLMULTI, CTRL_RX, RX_FEATURE),
	NEED(RX, RX_ALLUNI, CTRL_RX_EXTRA, RX_FEATURE),
	NEED(RX, RX_NOMULTI, CTRL_RX_EXTRA, RX_FEATURE),
	NEED(RX, RX_NOUNI, CTRL_RX_EXTRA, RX_FEATURE),
	NEED(RX, RX_NOBCAST, CTRL_RX_EXTRA, RX_FEATURE),
	NEED(MAC, MAC_TABLE_SET, CTRL_RX, MAC_FEATURE),
	NEED(MAC, MAC_ADDR_SET, CTRL_MAC_ADDR, MAC_FEATURE),
	NEED(VLAN, VLAN_ADD, CTRL_VLAN, VLAN_FEATURE),
	NEED(VLAN, VLAN_DEL, CTRL_VLAN, VLAN_FEATURE),
	NEED(ANNOUNCE, ANNOUNCE_ACK, GUEST_ANNOUNCE, ANNOUNCE_FEATURE),
	NEED(MQ, MQ_VQ_PAIRS_SET, MQ, MQ_FEATURE),
	NEED(MQ, MQ_RSS_CONFIG, RSS, RSS_FEATURE),
	NEED(MQ, MQ_HASH_CONFIG, HASH_REPORT, HASH_FEATURE),
	NEED(GUEST_OFFLOADS, GUEST_OFFLOADS_SET, CTRL_GUEST_OFFLOADS,
	     OFFLOADS),
#undef NEED
};

static bool ctrl_mac_table_ok(const u8 *p, u32 len)
{
	u32 n, i, kind;

	for (kind = 0; kind < 2; kind++) {
		if (len < 4)
			return false;
		n = trivio_le32(p);
		p += 4;
		len -= 4;
		if (n > len / ETH_ALEN)
			return false;
		for (i = 0; i < n; i++, p += ETH_ALEN, len -= ETH_ALEN)
			if ((p[0] & 1) != kind)
				return false;
	}
	return !len;
}

static void ctrl_rss(struct trivio_queue *q, const struct trivio_chain *c,
		     const struct trivio_net *net, const u8 *p, u32 len)
{
	u32 n, i, types;

	if (len < 8)
		goto format;
	types = trivio_le32(p);
	n = (u32)trivio_le16(p + 4) + 1;
	if (types & ~net->hash_types)
		report(q, c, TRIVIO_RULE_CTRL_RSS_TYPES, types);
	if (n & (n - 1) || n > net->rss_max_table) {
		report(q, c, TRIVIO_RULE_CTRL_RSS_TABLE, n);
		return;
	}
	if (len < 8 + 2 * n + 3)
		goto format;
	for (i = 0; i < n; i++) {
		u16 queue = trivio_le16(p + 8 + 2 * i);

		if (queue >= net->max_pairs) {
			report(q, c, TRIVIO_RULE_CTRL_RSS_QUEUE, queue);
			break;
		}
	}
	if (len >= 8 + 2 * n + 3 + p[8 + 2 * n + 2])
		return;
format:
	report(q, c, TRIVIO_RULE_CTRL_FORMAT, len);
}

static void ctrl_mq(struct trivio_queue *q, const struct trivio_chain *c,
		    const struct trivio_net *net, u8 cmd, const u8 *p, u32 len)
{
	u16 pairs;

	switch (cmd) {
	case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		if (len != 2) {
			report(q, c, TRIVIO_RULE_CTRL_FORMAT, len);
			return;
		}
		pairs = trivio_le16(p);
		if (!pairs || pairs > net->max_pairs)
			report(q, c, TRIVIO_RULE_CTRL_MQ_PAIRS, pairs);
		return;
	case VIRTIO_NET_CTRL_MQ_RSS_CONFIG:
		ctrl_rss(q, c, net, p, len);
		return;
	case VIRTIO_NET_CTRL_MQ_HASH_CONFIG:
		if (len < 13 || len < 13 + p[12])
			report(q, c, TRIVIO_RULE_CTRL_FORMAT, len);
		else if (memchr_inv(p + 4, 0, 8))
			report(q, c, TRIVIO_RULE_CTRL_HASH_RESERVED, 0);
		return;
	}
}

static void ctrl_data(struct trivio_queue *q, const struct trivio_chain *c,
		      const struct trivio_net *net, const u8 *buf, u32 len)
{
	const u8 *p = buf + 2;
	u32 want = 0;
	u64 bits;

	len -= 2;
	switch (buf[0]) {
	case VIRTIO_NET_CTRL_RX:
		want = 1;
		break;
	case VIRTIO_NET_CTRL_VLAN:
		want = 2;
		break;
	case VIRTIO_NET_CTRL_MAC:
		if (buf[1] == VIRTIO_NET_CTRL_MAC_TABLE_SET) {
			if (!ctrl_mac_table_ok(p, len))
				report(q, c, TRIVIO_RULE_CTRL_MAC_TABLE, len);
			return;
		}
		want = ETH_ALEN;
		break;
	case VIRTIO_NET_CTRL_MQ:
		ctrl_mq(q, c, net, buf[1], p, len);
		return;
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		want = 8;
		if (len != want)
			break;
		bits = trivio_le32(p) | (u64)trivio_le32(p + 4) << 32;
		if (bits & ~trivio_net_guest_offloads(q->dev->features))
			report(q, c, TRIVIO_RULE_CTRL_OFFLOADS, bits);
		return;
	}
	if (len != want)
		report(q, c, TRIVIO_RULE_CTRL_FORMAT, len);
}

static void ctrl_command(struct trivio_queue *q, const struct trivio_chain *c,
			 const struct trivio_net *net, const u8 *buf, u32 len)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ctrl_needs); i++) {
		if (ctrl_needs[i].class != buf[0] ||
		    ctrl_needs[i].cmd != buf[1])
			continue;
		if (has(q, ctrl_needs[i].feature))
			ctrl_data(q, c, net, buf, len);
		else
			report(q, c, ctrl_needs[i].rule, buf[1]);
		return;
	}
	report(q, c, TRIVIO_RULE_CTRL_UNKNOWN, buf[0] << 8 | buf[1]);
}

static void net_ctrl(struct trivio_queue *q, const struct trivio_chain *c,
		     const struct trivio_net *net)
{
	u8 *buf;

	if (c->out_len < 2 || !c->in_len) {
		report(q, c, TRIVIO_RULE_CTRL_FORMAT, c->out_len);
		return;
	}
	if (c->out_len > TRIVIO_CTRL_MAX)
		return;
	/* The control queue's service may sleep. */
	buf = kmalloc(c->out_len, GFP_KERNEL);
	if (!buf)
		return;
	if (!trivio_chain_read(q, c, 0, buf, c->out_len))
		ctrl_command(q, c, net, buf, c->out_len);
	kfree(buf);
}

static void net_request(struct trivio_queue *q, const struct trivio_chain *c)
{
	const struct trivio_net *net = trivio_net(q);

	if (!net->raw_header && has(q, VIRTIO_NET_F_CTRL_VQ) &&
	    q->index == trivio_net_ctrl_index(q->dev))
		net_ctrl(q, c, net);
	else if (q->index & 1)
		net_tx(q, c, net);
	else if (c->in_len < net->hdr_len && !net->own_header)
		report(q, c, TRIVIO_RULE_NET_RX_SMALL, c->in_len);
}

/* --- block requests ----------------------------------------------------- */

/* Inside what the driver was told last, or what there is now. */
static bool blk_inside(const struct trivio_blk *blk, u64 sector, u64 count)
{
	u64 end = max(READ_ONCE(blk->limits.sectors), READ_ONCE(blk->told));

	return sector <= end && count <= end - sector;
}

static void blk_rw(struct trivio_queue *q, const struct trivio_chain *c,
		   const struct trivio_blk *blk, u64 sector, u32 len)
{
	if (len % TRIVIO_SECTOR_SIZE)
		report(q, c, TRIVIO_RULE_BLK_LENGTH, len);
	else if (!blk_inside(blk, sector, len >> TRIVIO_SECTOR_SHIFT))
		report(q, c, TRIVIO_RULE_BLK_CAPACITY, sector);
}

static void blk_ranges(struct trivio_queue *q, const struct trivio_chain *c,
		       const struct trivio_blk *blk, u32 type, u32 len)
{
	struct virtio_blk_discard_write_zeroes raw;
	u32 i, flags, n = len / sizeof(raw);

	if (!len || len % sizeof(raw)) {
		report(q, c, TRIVIO_RULE_BLK_RANGE_LENGTH, len);
		return;
	}
	if (n > TRIVIO_BLK_RANGES_MAX) {
		report(q, c, TRIVIO_RULE_BLK_RANGES, n);
		return;
	}
	for (i = 0; i < n; i++) {
		if (trivio_chain_read(q, c, sizeof(struct virtio_blk_outhdr) +
				      i * sizeof(raw), &raw, sizeof(raw)))
			return;
		flags = le32_to_cpu(raw.flags);
		if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
			report(q, c, TRIVIO_RULE_BLK_RESERVED, flags);
		if (flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP &&
		    type != VIRTIO_BLK_T_WRITE_ZEROES)
			report(q, c, TRIVIO_RULE_BLK_UNMAP, flags);
		if (!blk_inside(blk, le64_to_cpu(raw.sector),
				le32_to_cpu(raw.num_sectors)))
			report(q, c, TRIVIO_RULE_BLK_CAPACITY,
			       le64_to_cpu(raw.sector));
	}
}

/* Bit that a type needs, or -1. */
static int blk_type_feature(u32 type)
{
	switch (type) {
	case VIRTIO_BLK_T_DISCARD:
		return VIRTIO_BLK_F_DISCARD;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return VIRTIO_BLK_F_WRITE_ZEROES;
	case VIRTIO_BLK_T_SECURE_ERASE:
		return VIRTIO_BLK_F_SECURE_ERASE;
	case TRIVIO_BLK_T_GET_LIFETIME:
		return TRIVIO_BLK_F_LIFETIME;
	default:
		return -1;
	}
}

static void blk_checked(struct trivio_queue *q, const struct trivio_chain *c,
			const struct trivio_blk *blk, u32 type, u64 sector)
{
	u32 out = c->out_len - sizeof(struct virtio_blk_outhdr);
	u32 in = c->in_len - 1;

	switch (type) {
	case VIRTIO_BLK_T_IN:
		blk_rw(q, c, blk, sector, in);
		break;
	case VIRTIO_BLK_T_OUT:
		if (blk->limits.read_only)
			report(q, c, TRIVIO_RULE_BLK_READ_ONLY, sector);
		blk_rw(q, c, blk, sector, out);
		break;
	case VIRTIO_BLK_T_FLUSH:
		if (sector)
			report(q, c, TRIVIO_RULE_BLK_FLUSH_SECTOR, sector);
		break;
	case VIRTIO_BLK_T_GET_ID:
		if (in != VIRTIO_BLK_ID_BYTES)
			report(q, c, TRIVIO_RULE_BLK_ID_LENGTH, in);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
	case VIRTIO_BLK_T_SECURE_ERASE:
		blk_ranges(q, c, blk, type, out);
		break;
	case TRIVIO_BLK_T_GET_LIFETIME:
		break;
	default:
		report(q, c, TRIVIO_RULE_BLK_TYPE, type);
	}
}

static void blk_request(struct trivio_queue *q, const struct trivio_chain *c)
{
	const struct trivio_blk *blk = q->dev->class_priv;
	struct virtio_blk_outhdr hdr;
	int feature;
	u32 type;

	if (c->out_len < sizeof(hdr) || !c->in_len) {
		report(q, c, TRIVIO_RULE_BLK_FORMAT, c->out_len);
		return;
	}
	if (trivio_chain_read(q, c, 0, &hdr, sizeof(hdr)))
		return;
	type = le32_to_cpu((__force __le32)hdr.type);
	feature = blk_type_feature(type);
	if (feature >= 0 && !has(q, feature))
		report(q, c, TRIVIO_RULE_BLK_FEATURE, type);
	else
		blk_checked(q, c, blk, type,
			    le64_to_cpu((__force __le64)hdr.sector));
}

/**
 * trivio_check_request() - look at a request that was popped
 * @q: queue
 * @c: chain
 *
 * Context: service of the queue.
 */
void trivio_check_request(struct trivio_queue *q, const struct trivio_chain *c)
{
	switch (q->dev->class->id) {
	case VIRTIO_ID_NET:
		net_request(q, c);
		break;
	case VIRTIO_ID_BLOCK:
		blk_request(q, c);
		break;
	}
}

/* --- configuration space ------------------------------------------------ */

void __trivio_check_config_write(struct trivio_dev *dev, u32 off,
				 const void *buf, u32 len)
{
	const u32 wce = offsetof(struct virtio_blk_config, wce);
	enum trivio_rule rule = TRIVIO_RULE_CONFIG_READ_ONLY;
	u64 value = off;

	lockdep_assert_held(&dev->lock);
	if (!dev->front->has_status || !len)
		return;
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		rule = TRIVIO_RULE_CONFIG_EARLY;
	} else if (dev->class->id == VIRTIO_ID_BLOCK && off == wce &&
		   len == 1 && trivio_has(dev, VIRTIO_BLK_F_CONFIG_WCE)) {
		value = *(const u8 *)buf;
		if (value <= 1)
			return;
		rule = TRIVIO_RULE_BLK_WCE;
	}
	trivio_check_report(dev, NULL, rule, 0, value, CHECK_DEFER);
}
