// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules of packets and control commands, each broken once. The device has two
 * pairs of queues, an MTU of 1500 and all features.
 */
#include <string.h>
#include <stdlib.h>

#include "rule.h"

#define HDR_LEN	12
#define PKT	DATA
#define ACK	(DATA + 0x3000)

#define F_CTRL	(F_BASE | F(VIRTIO_NET_F_CTRL_VQ))
#define F_MQ	(F_CTRL | F(VIRTIO_NET_F_MQ))
#define F_RSS	(F_CTRL | F(VIRTIO_NET_F_RSS))
#define F_HASH	(F_CTRL | F(VIRTIO_NET_F_HASH_REPORT))

/* Without MQ or RSS the control queue is the third, with them the last. */
#define CTRL	2
#define CTRL_MQ	4

/* A queue that has no part in these features can't be started. */
static unsigned int queues(uint64_t features)
{
	return features & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)) ? 5 : 4;
}

/* A broadcast of 60 bytes with this header, or of more, on queue @q. */
static int send(struct dev *d, uint64_t features, unsigned int q,
		const struct virtio_net_hdr_v1 *h, uint32_t len)
{
	int err = dev_start(d, features, queues(features));

	memset(at(d, PKT), 0, 0x1000);
	memcpy(at(d, PKT), h, HDR_LEN);
	memset(at(d, PKT) + HDR_LEN, 0xff, 6);
	desc(d, q, 0, IOVA(PKT), len, 0, 0);
	offer(d, q, 0);
	kick(d, q);
	return err;
}

static int tx(struct dev *d, uint64_t features,
	      const struct virtio_net_hdr_v1 *h)
{
	return send(d, F_BASE | features, 1, h, HDR_LEN + 60);
}

static int fine(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {};
	int err = tx(d, F(VIRTIO_NET_F_CSUM), &h);

	desc(d, 0, 0, IOVA(PKT + 0x1000), 1526, D_WRITE, 0);
	offer(d, 0, 0);
	kick(d, 0);
	return err;
}

/* A frame of two descriptors with IN_ORDER. */
static int in_order(struct dev *d, uint16_t first, uint16_t second)
{
	memset(at(d, PKT), 0, HDR_LEN);
	memset(at(d, PKT) + HDR_LEN, 0xff, 60);
	desc(d, 1, first, IOVA(PKT), HDR_LEN, D_NEXT, second);
	desc(d, 1, second, IOVA(PKT + HDR_LEN), 60, 0, 0);
	offer(d, 1, first);
	kick(d, 1);
	return 0;
}

static int fine_in_order(struct dev *d)
{
	uint64_t f = F_BASE | F(VIRTIO_F_IN_ORDER);

	return dev_start(d, f, queues(f)) ?: in_order(d, 0, 1) ?:
	       in_order(d, 2, 3);
}

static int in_order_next(struct dev *d)
{
	uint64_t f = F_BASE | F(VIRTIO_F_IN_ORDER);

	return dev_start(d, f, queues(f)) ?: in_order(d, 0, 2);
}

static int feature_requires(struct dev *d)
{
	dev_features(d, F_BASE | F(VIRTIO_NET_F_HOST_TSO4));
	return 0;
}

static int net_mtu(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {};

	return send(d, F_BASE | F(VIRTIO_NET_F_MTU), 1, &h, HDR_LEN + 1600);
}

static int net_tx_short(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {};

	return send(d, F_BASE, 1, &h, 8);
}

static int net_num_buffers(struct dev *d)
{
	struct virtio_net_hdr_v1 h = { .num_buffers = 1 };

	return tx(d, 0, &h);
}

static int net_flags(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 34, .csum_offset = 6,
	};

	return tx(d, 0, &h);
}

static int net_flags_device(struct dev *d)
{
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	return tx(d, F(VIRTIO_NET_F_CSUM), &h);
}

static int gso(struct dev *d, uint64_t features, uint8_t flags, uint16_t size)
{
	struct virtio_net_hdr_v1 h = {
		.flags = flags, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = size, .csum_start = 34, .csum_offset = 16,
	};

	return tx(d, F(VIRTIO_NET_F_CSUM) | features, &h);
}

static int net_gso_feature(struct dev *d)
{
	return gso(d, 0, VIRTIO_NET_HDR_F_NEEDS_CSUM, 1000);
}

static int net_gso_csum(struct dev *d)
{
	return gso(d, F(VIRTIO_NET_F_HOST_TSO4), 0, 1000);
}

static int net_gso_size(struct dev *d)
{
	return gso(d, F(VIRTIO_NET_F_HOST_TSO4), VIRTIO_NET_HDR_F_NEEDS_CSUM,
		   0);
}

static int net_csum_range(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 59, .csum_offset = 6,
	};

	return tx(d, F(VIRTIO_NET_F_CSUM), &h);
}

/* Received frames make the device look at its buffers. */
static int net_rx_small(struct dev *d)
{
	int err = dev_start(d, F_BASE | F(VIRTIO_NET_F_MRG_RXBUF), 4);

	desc(d, 0, 0, IOVA(PKT), HDR_LEN - 1, D_WRITE, 0);
	offer(d, 0, 0);
	kick(d, 0);
	if (!err && system("ip neigh flush dev trule1 2>/dev/null;"
			   "ping -c 1 -W 1 -I trule1 10.79.0.2 >/dev/null 2>&1"))
		return 0;
	return err;
}

static int net_tx_queue(struct dev *d)
{
	struct virtio_net_hdr_v1 h = {};
	int err = send(d, F_MQ, 1, &h, HDR_LEN + 60);

	/* Nobody may have queued it before the number of pairs was known. */
	pause_ms(1500);
	desc(d, 3, 0, IOVA(PKT), HDR_LEN + 60, 0, 0);
	offer(d, 3, 0);
	kick(d, 3);
	return err;
}

/* --- control commands ---------------------------------------------------- */

static int ctrl(struct dev *d, uint64_t features, unsigned int q, uint8_t class,
		uint8_t cmd, const void *data, uint32_t len)
{
	int err = dev_start(d, features, queues(features));

	at(d, PKT)[0] = class;
	at(d, PKT)[1] = cmd;
	memcpy(at(d, PKT) + 2, data, len);
	desc(d, q, 0, IOVA(PKT), 2 + len, D_NEXT, 1);
	desc(d, q, 1, IOVA(ACK), 1, D_WRITE, 0);
	offer(d, q, 0);
	kick(d, q);
	return err;
}

static int fine_ctrl(struct dev *d)
{
	uint16_t pairs = 2;

	return ctrl(d, F_MQ, CTRL_MQ, VIRTIO_NET_CTRL_MQ,
		    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
}

static int ctrl_format(struct dev *d)
{
	return ctrl(d, F_CTRL | F(VIRTIO_NET_F_CTRL_RX), CTRL,
		    VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, "\1\1", 2);
}

static int ctrl_no_answer(struct dev *d)
{
	int err = dev_start(d, F_CTRL, 4);

	desc(d, CTRL, 0, IOVA(PKT), 3, 0, 0);
	offer(d, CTRL, 0);
	kick(d, CTRL);
	return err;
}

static int ctrl_unknown(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, 99, 0, "", 0);
}

static int ctrl_rx(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, VIRTIO_NET_CTRL_RX,
		    VIRTIO_NET_CTRL_RX_PROMISC, "\1", 1);
}

static int ctrl_mac(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, VIRTIO_NET_CTRL_MAC,
		    VIRTIO_NET_CTRL_MAC_ADDR_SET, "\2\0\0\0\0\1", 6);
}

/* A multicast address among the unicast ones. */
static int ctrl_mac_table(struct dev *d)
{
	uint8_t t[14] = { 1, 0, 0, 0, 0x01 };

	return ctrl(d, F_CTRL | F(VIRTIO_NET_F_CTRL_RX), CTRL,
		    VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, t, 14);
}

static int ctrl_vlan(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, VIRTIO_NET_CTRL_VLAN,
		    VIRTIO_NET_CTRL_VLAN_ADD, "\5", 2);
}

static int ctrl_announce(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, VIRTIO_NET_CTRL_ANNOUNCE,
		    VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0);
}

static int ctrl_mq(struct dev *d)
{
	return ctrl(d, F_CTRL, CTRL, VIRTIO_NET_CTRL_MQ,
		    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\1", 2);
}

static int ctrl_mq_pairs(struct dev *d)
{
	return ctrl(d, F_MQ, CTRL_MQ, VIRTIO_NET_CTRL_MQ,
		    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\3", 2);
}

static int hash(struct dev *d, uint64_t features, uint8_t reserved)
{
	uint8_t c[14] = { [4] = reserved, [12] = 1 };

	return ctrl(d, features, CTRL, VIRTIO_NET_CTRL_MQ,
		    VIRTIO_NET_CTRL_MQ_HASH_CONFIG, c, sizeof(c));
}

static int ctrl_hash(struct dev *d)
{
	return hash(d, F_CTRL, 0);
}

static int ctrl_hash_reserved(struct dev *d)
{
	return hash(d, F_HASH, 7);
}

static int rss(struct dev *d, uint64_t features, uint32_t types, uint16_t mask,
	       uint16_t queue)
{
	struct {
		uint32_t types;
		uint16_t mask;
		uint16_t unclassified;
		uint16_t table[4];
		uint16_t max_tx;
		uint8_t key_len;
		uint8_t key[40];
	} __attribute__((packed)) c = {
		.types = types, .mask = mask, .table = { queue },
		.max_tx = 2, .key_len = 40,
	};

	return ctrl(d, features, features & F(VIRTIO_NET_F_RSS) ? CTRL_MQ :
		    CTRL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
		    &c, sizeof(c));
}

static int fine_rss(struct dev *d)
{
	return rss(d, F_RSS, VIRTIO_NET_RSS_HASH_TYPE_IPv4, 3, 1);
}

static int ctrl_rss(struct dev *d)
{
	return rss(d, F_CTRL, 0, 3, 0);
}

static int ctrl_rss_table(struct dev *d)
{
	return rss(d, F_RSS, 0, 2, 0);
}

static int ctrl_rss_queue(struct dev *d)
{
	return rss(d, F_RSS, 0, 3, 2);
}

static int ctrl_rss_types(struct dev *d)
{
	return rss(d, F_RSS, 1U << 31, 3, 0);
}

static int ctrl_offloads(struct dev *d)
{
	uint64_t offloads = F(VIRTIO_NET_F_GUEST_TSO4);

	return ctrl(d, F_CTRL | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS), CTRL,
		    VIRTIO_NET_CTRL_GUEST_OFFLOADS,
		    VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8);
}

const struct rule_case rule_net[] = {
	{ NULL, "packets", fine },
	{ NULL, "control queue", fine_ctrl },
	{ NULL, "RSS", fine_rss },
	{ NULL, "chains in order", fine_in_order },
	{ "feature-requires", "2.2.1", feature_requires },
	{ "in-order-next", "2.7.5.2", in_order_next },
	{ "net-mtu", "5.1.4.2", net_mtu },
	{ "net-tx-short", "5.1.6.2", net_tx_short },
	{ "net-num-buffers", "5.1.6.2.1", net_num_buffers },
	{ "net-flags", "5.1.6.2.1", net_flags },
	{ "net-flags-device", "5.1.6.2.1", net_flags_device },
	{ "net-gso-feature", "5.1.6.2.1", net_gso_feature },
	{ "net-gso-csum", "5.1.6.2.1", net_gso_csum },
	{ "net-gso-size", "5.1.6.2.1", net_gso_size },
	{ "net-csum-range", "5.1.6.2.1", net_csum_range },
	{ "net-rx-small", "5.1.6.3.1", net_rx_small },
	{ "net-tx-queue", "5.1.6.5.6.1", net_tx_queue },
	{ "ctrl-format", "5.1.6.5", ctrl_format },
	{ "ctrl-format", "5.1.6.5", ctrl_no_answer },
	{ "ctrl-unknown", "5.1.6.5", ctrl_unknown },
	{ "ctrl-rx-feature", "5.1.6.5.1.2", ctrl_rx },
	{ "ctrl-mac-feature", "5.1.6.5.2.2", ctrl_mac },
	{ "ctrl-mac-table", "5.1.6.5.2.2", ctrl_mac_table },
	{ "ctrl-vlan-feature", "5.1.6.5.3", ctrl_vlan },
	{ "ctrl-announce-feature", "5.1.6.5.4", ctrl_announce },
	{ "ctrl-mq-feature", "5.1.6.5.6", ctrl_mq },
	{ "ctrl-mq-pairs", "5.1.6.5.6.1", ctrl_mq_pairs },
	{ "ctrl-hash-feature", "5.1.6.5.6.4", ctrl_hash },
	{ "ctrl-hash-reserved", "5.1.6.5.6.4", ctrl_hash_reserved },
	{ "ctrl-rss-feature", "5.1.6.5.7.2", ctrl_rss },
	{ "ctrl-rss-table", "5.1.6.5.7.2", ctrl_rss_table },
	{ "ctrl-rss-queue", "5.1.6.5.7.2", ctrl_rss_queue },
	{ "ctrl-rss-types", "5.1.6.5.7.2", ctrl_rss_types },
	{ "ctrl-offloads", "5.1.6.5.8.2", ctrl_offloads },
};

const int rule_net_nr = sizeof(rule_net) / sizeof(rule_net[0]);
