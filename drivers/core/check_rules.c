// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance rules in words. Sections are those of virtio 1.2; the texts
 * are ours. Documentation/conformance.rst says more of each, and selftests/vdpa
 * break each.
 */
#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/virtio_config.h>

#include <trivio/check.h>
#include <trivio/device.h>

static const struct trivio_rule_info rules[] = {
	[TRIVIO_RULE_STATUS_CLEAR] = { "status-clear", "2.1.1", NULL,
		"a status bit is only taken back by a reset" },
	[TRIVIO_RULE_STATUS_FAILED] = { "status-failed", "2.1.1", NULL,
		"after FAILED nothing but a reset comes next" },
	[TRIVIO_RULE_STATUS_ORDER] = { "status-order", "3.1.1", NULL,
		"ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, none left out" },
	[TRIVIO_RULE_FEATURE_OFFERED] = { "feature-offered", "2.2.1", NULL,
		"only features that are offered are accepted" },
	[TRIVIO_RULE_FEATURE_REQUIRES] = { "feature-requires", "2.2.1", NULL,
		"a feature is accepted with those that it requires" },
	[TRIVIO_RULE_FEATURE_VERSION_1] = { "feature-version-1", "6.1", NULL,
		"VERSION_1 is accepted where it is offered" },
	[TRIVIO_RULE_FEATURE_LATE] = { "feature-late", "3.1.1", NULL,
		"features do not change after FEATURES_OK" },
	[TRIVIO_RULE_CONFIG_EARLY] = { "config-early", "3.1.1", NULL,
		"configuration space is not written before FEATURES_OK" },
	[TRIVIO_RULE_CONFIG_READ_ONLY] = { "config-read-only", "2.5", NULL,
		"fields that are the device's alone are not written" },
	[TRIVIO_RULE_KICK_EARLY] = { "kick-early", "3.1.1", NULL,
		"no queue is kicked before DRIVER_OK" },
	[TRIVIO_RULE_KICK_DISABLED] = { "kick-disabled", "2.6", NULL,
		"a queue that was not enabled is not kicked" },

	[TRIVIO_RULE_QUEUE_ALIGN] = { "queue-align", "2.7.1", "2.8.11",
		"the parts of a queue are aligned" },
	[TRIVIO_RULE_CHAIN_ORDER] = { "chain-order", "2.7.4.2", "2.8.17",
		"what the device writes comes behind what it reads" },
	[TRIVIO_RULE_CHAIN_LOOP] = { "chain-loop", "2.7.5.2", "2.8.17",
		"a chain ends" },
	[TRIVIO_RULE_CHAIN_BYTES] = { "chain-bytes", "2.7.5.2", "2.8.17",
		"a chain has at most 4 GiB and does not wrap" },
	[TRIVIO_RULE_CHAIN_NEXT] = { "chain-next", "2.7.5", NULL,
		"next is the index of a descriptor" },
	[TRIVIO_RULE_CHAIN_LONG] = { "chain-long", "2.7.5.3.1", "2.8.17",
		"a chain has at most as many descriptors as the queue" },
	[TRIVIO_RULE_CHAIN_HUGE] = { "chain-huge", "2.7.4.2", "2.8.17",
		"a chain has no more descriptors than the device takes" },
	[TRIVIO_RULE_CHAIN_PARTIAL] = { "chain-partial", "2.8.17", NULL,
		"the first descriptor becomes available after the others" },
	[TRIVIO_RULE_INDIRECT_FEATURE] = { "indirect-feature", "2.7.5.3.1",
		"2.8.19", "indirect tables only with INDIRECT_DESC" },
	[TRIVIO_RULE_INDIRECT_NESTED] = { "indirect-nested", "2.7.5.3.1",
		"2.8.19", "no table within a table" },
	[TRIVIO_RULE_INDIRECT_NEXT] = { "indirect-next", "2.7.5.3.1", "2.8.19",
		"INDIRECT and NEXT are not set together" },
	[TRIVIO_RULE_INDIRECT_LEN] = { "indirect-len", "2.7.5.3", "2.8.7",
		"a table has whole entries, one at least" },
	[TRIVIO_RULE_INDIRECT_FLAGS] = { "indirect-flags", "2.8.19", NULL,
		"entries of a packed ring's table have no flag but WRITE" },
	[TRIVIO_RULE_AVAIL_IDX] = { "avail-idx", "2.7.6.1", "2.8.17",
		"what is offered stays so, and fits the queue" },
	[TRIVIO_RULE_AVAIL_HEAD] = { "avail-head", "2.7.6", "2.8.13",
		"a head, or buffer id, is below the queue's size" },
	[TRIVIO_RULE_AVAIL_FLAGS] = { "avail-flags", "2.7.7.1", NULL,
		"flags of the avail ring are 0, or 1 without EVENT_IDX" },
	[TRIVIO_RULE_EVENT_FLAGS] = { "event-flags", "2.8.10", NULL,
		"event flags are 0, 1, or 2 with EVENT_IDX; the rest is 0" },
	[TRIVIO_RULE_EVENT_OFFSET] = { "event-offset", "2.8.10", NULL,
		"an event names a descriptor of the ring" },
	[TRIVIO_RULE_KICK_MISSING] = { "kick-missing", "2.7.10.1",
		"2.8.21.3.1", "a kick that is asked for is made" },
	[TRIVIO_RULE_IN_ORDER_NEXT] = { "in-order-next", "2.7.5.2", NULL,
		"with IN_ORDER a chain goes through the table in order" },
	[TRIVIO_RULE_REUSED] = { "reused", "2.7.13", "2.8.21.1",
		"what is in flight is not offered again" },
	[TRIVIO_RULE_ALTERED] = { "altered", "3.3.1", "2.8.16",
		"descriptors in flight are not changed" },
	[TRIVIO_RULE_MEMORY] = { "memory", "6.1", NULL,
		"addresses are mapped, for this direction" },

	[TRIVIO_RULE_NET_MTU] = { "net-mtu", "5.1.4.2", NULL,
		"an unsegmented packet is not larger than the MTU" },
	[TRIVIO_RULE_NET_TX_SHORT] = { "net-tx-short", "5.1.6.2", NULL,
		"a packet to send has its header before it" },
	[TRIVIO_RULE_NET_NUM_BUFFERS] = { "net-num-buffers", "5.1.6.2.1", NULL,
		"num_buffers of a packet to send is 0" },
	[TRIVIO_RULE_NET_FLAGS] = { "net-flags", "5.1.6.2.1", NULL,
		"flags are 0 without CSUM" },
	[TRIVIO_RULE_NET_FLAGS_DEVICE] = { "net-flags-device", "5.1.6.2.1",
		NULL, "DATA_VALID and RSC_INFO are the device's to set" },
	[TRIVIO_RULE_NET_GSO_FEATURE] = { "net-gso-feature", "5.1.6.2.1", NULL,
		"a segmentation type is one that was negotiated" },
	[TRIVIO_RULE_NET_GSO_CSUM] = { "net-gso-csum", "5.1.6.2.1", NULL,
		"a packet to segment has NEEDS_CSUM" },
	[TRIVIO_RULE_NET_GSO_SIZE] = { "net-gso-size", "5.1.6.2.1", NULL,
		"a packet to segment says how large its segments are" },
	[TRIVIO_RULE_NET_CSUM_RANGE] = { "net-csum-range", "5.1.6.2.1", NULL,
		"the checksum lies in the packet" },
	[TRIVIO_RULE_NET_RX_SMALL] = { "net-rx-small", "5.1.6.3.1", NULL,
		"a receive buffer holds a header at least" },
	[TRIVIO_RULE_NET_TX_QUEUE] = { "net-tx-queue", "5.1.6.5.6.1", NULL,
		"packets are sent on queues that are in use" },

	[TRIVIO_RULE_CTRL_FORMAT] = { "ctrl-format", "5.1.6.5", NULL,
		"a command has class, command, its data and room for an answer" },
	[TRIVIO_RULE_CTRL_UNKNOWN] = { "ctrl-unknown", "5.1.6.5", NULL,
		"a command is one that the specification knows" },
	[TRIVIO_RULE_CTRL_RX_FEATURE] = { "ctrl-rx-feature", "5.1.6.5.1.2",
		NULL, "receive modes need CTRL_RX, or CTRL_RX_EXTRA" },
	[TRIVIO_RULE_CTRL_MAC_FEATURE] = { "ctrl-mac-feature", "5.1.6.5.2.2",
		NULL, "MAC commands need CTRL_RX, or CTRL_MAC_ADDR" },
	[TRIVIO_RULE_CTRL_MAC_TABLE] = { "ctrl-mac-table", "5.1.6.5.2.2", NULL,
		"a table of unicast addresses, then one of multicast" },
	[TRIVIO_RULE_CTRL_VLAN_FEATURE] = { "ctrl-vlan-feature", "5.1.6.5.3",
		NULL, "VLAN commands need CTRL_VLAN" },
	[TRIVIO_RULE_CTRL_ANNOUNCE_FEATURE] = { "ctrl-announce-feature",
		"5.1.6.5.4", NULL, "ANNOUNCE_ACK needs GUEST_ANNOUNCE" },
	[TRIVIO_RULE_CTRL_MQ_FEATURE] = { "ctrl-mq-feature", "5.1.6.5.6", NULL,
		"VQ_PAIRS_SET needs MQ" },
	[TRIVIO_RULE_CTRL_MQ_PAIRS] = { "ctrl-mq-pairs", "5.1.6.5.6.1", NULL,
		"1 to max_virtqueue_pairs pairs are asked for" },
	[TRIVIO_RULE_CTRL_HASH_FEATURE] = { "ctrl-hash-feature",
		"5.1.6.5.6.4", NULL, "HASH_CONFIG needs HASH_REPORT" },
	[TRIVIO_RULE_CTRL_HASH_RESERVED] = { "ctrl-hash-reserved",
		"5.1.6.5.6.4", NULL, "reserved fields of HASH_CONFIG are 0" },
	[TRIVIO_RULE_CTRL_RSS_FEATURE] = { "ctrl-rss-feature", "5.1.6.5.7.2",
		NULL, "RSS_CONFIG needs RSS" },
	[TRIVIO_RULE_CTRL_RSS_TABLE] = { "ctrl-rss-table", "5.1.6.5.7.2", NULL,
		"a table's size is a power of two that the device allows" },
	[TRIVIO_RULE_CTRL_RSS_QUEUE] = { "ctrl-rss-queue", "5.1.6.5.7.2", NULL,
		"a table names queues that there are" },
	[TRIVIO_RULE_CTRL_RSS_TYPES] = { "ctrl-rss-types", "5.1.6.5.7.2", NULL,
		"hash types are those that the device supports" },
	[TRIVIO_RULE_CTRL_OFFLOADS] = { "ctrl-offloads", "5.1.6.5.8.2", NULL,
		"only offloads that were negotiated are switched on" },

	[TRIVIO_RULE_BLK_FORMAT] = { "blk-format", "5.2.6", NULL,
		"a request has a header and room for its status" },
	[TRIVIO_RULE_BLK_TYPE] = { "blk-type", "5.2.6", NULL,
		"a request is of a type that the specification knows" },
	[TRIVIO_RULE_BLK_FEATURE] = { "blk-feature", "5.2.3", NULL,
		"a request of an optional type needs its feature" },
	[TRIVIO_RULE_BLK_WCE] = { "blk-wce", "5.2.6.1", NULL,
		"the cache mode is written as 0 or 1" },
	[TRIVIO_RULE_BLK_READ_ONLY] = { "blk-read-only", "5.2.5", NULL,
		"nothing is written to a read-only device" },
	[TRIVIO_RULE_BLK_CAPACITY] = { "blk-capacity", "5.2.6.1", NULL,
		"a request lies within the capacity" },
	[TRIVIO_RULE_BLK_FLUSH_SECTOR] = { "blk-flush-sector", "5.2.6.1", NULL,
		"the sector of a flush is 0" },
	[TRIVIO_RULE_BLK_LENGTH] = { "blk-length", "5.2.6.1", NULL,
		"what is read or written is whole sectors" },
	[TRIVIO_RULE_BLK_RANGE_LENGTH] = { "blk-range-length", "5.2.6.1", NULL,
		"range commands carry whole ranges" },
	[TRIVIO_RULE_BLK_ID_LENGTH] = { "blk-id-length", "5.2.6.1", NULL,
		"room for a serial number is 20 bytes" },
	[TRIVIO_RULE_BLK_RANGES] = { "blk-ranges", "5.2.6.1", NULL,
		"no more ranges than the device allows" },
	[TRIVIO_RULE_BLK_UNMAP] = { "blk-unmap", "5.2.6.1", NULL,
		"unmap is only set for write zeroes" },
	[TRIVIO_RULE_BLK_RESERVED] = { "blk-reserved", "5.2.6", NULL,
		"reserved flags of a range are 0" },
};

static_assert(ARRAY_SIZE(rules) == TRIVIO_RULE_NR);

/**
 * trivio_rule_info() - a rule in words
 * @rule: rule
 *
 * Context: any.
 * Return: constant; NULL for a number that is no rule.
 */
const struct trivio_rule_info *trivio_rule_info(enum trivio_rule rule)
{
	return (unsigned int)rule < TRIVIO_RULE_NR ? &rules[rule] : NULL;
}
EXPORT_SYMBOL_GPL(trivio_rule_info);

/**
 * trivio_rule_section() - section of virtio 1.2 for the layout in use
 * @dev: device
 * @rule: rule
 *
 * Context: any.
 * Return: a constant string.
 */
const char *trivio_rule_section(struct trivio_dev *dev, enum trivio_rule rule)
{
	const struct trivio_rule_info *info = &rules[rule];

	return info->packed && trivio_has(dev, VIRTIO_F_RING_PACKED) ?
	       info->packed : info->section;
}
EXPORT_SYMBOL_GPL(trivio_rule_section);
