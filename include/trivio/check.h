/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The conformance checker: what the virtio specification (version 1.2) demands
 * of a driver and a device can see. A driver that breaks a rule is reported
 * with the rule's name and section, the queue and the chain; by tracepoint,
 * counter, netlink and, in small doses, in the log.
 *
 * A device works the same with or without it, but in "stop" mode, where the
 * queue that broke a rule stops. Off, it costs a patched-out jump. Every rule
 * is described in Documentation/conformance.rst.
 */
#ifndef TRIVIO_CHECK_H
#define TRIVIO_CHECK_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct trivio_chain;
struct trivio_check;
struct trivio_dev;
struct trivio_queue;

/*
 * enum trivio_rule - what a driver must keep to
 *
 * Numbers are user visible: add at the end. Names, sections and texts are in
 * drivers/core/check_rules.c, in the order of the specification.
 */
enum trivio_rule {
	/* Status, features, configuration space */
	TRIVIO_RULE_STATUS_CLEAR,
	TRIVIO_RULE_STATUS_FAILED,
	TRIVIO_RULE_STATUS_ORDER,
	TRIVIO_RULE_FEATURE_OFFERED,
	TRIVIO_RULE_FEATURE_REQUIRES,
	TRIVIO_RULE_FEATURE_VERSION_1,
	TRIVIO_RULE_FEATURE_LATE,
	TRIVIO_RULE_CONFIG_EARLY,
	TRIVIO_RULE_CONFIG_READ_ONLY,
	TRIVIO_RULE_KICK_EARLY,
	TRIVIO_RULE_KICK_DISABLED,
	/* Rings */
	TRIVIO_RULE_QUEUE_ALIGN,
	TRIVIO_RULE_CHAIN_ORDER,
	TRIVIO_RULE_CHAIN_LOOP,
	TRIVIO_RULE_CHAIN_BYTES,
	TRIVIO_RULE_CHAIN_NEXT,
	TRIVIO_RULE_CHAIN_LONG,
	TRIVIO_RULE_CHAIN_HUGE,
	TRIVIO_RULE_CHAIN_PARTIAL,
	TRIVIO_RULE_INDIRECT_FEATURE,
	TRIVIO_RULE_INDIRECT_NESTED,
	TRIVIO_RULE_INDIRECT_NEXT,
	TRIVIO_RULE_INDIRECT_LEN,
	TRIVIO_RULE_INDIRECT_FLAGS,
	TRIVIO_RULE_AVAIL_IDX,
	TRIVIO_RULE_AVAIL_HEAD,
	TRIVIO_RULE_AVAIL_FLAGS,
	TRIVIO_RULE_EVENT_FLAGS,
	TRIVIO_RULE_EVENT_OFFSET,
	TRIVIO_RULE_KICK_MISSING,
	TRIVIO_RULE_IN_ORDER_NEXT,
	TRIVIO_RULE_REUSED,
	TRIVIO_RULE_ALTERED,
	TRIVIO_RULE_MEMORY,
	/* Net */
	TRIVIO_RULE_NET_MTU,
	TRIVIO_RULE_NET_TX_SHORT,
	TRIVIO_RULE_NET_NUM_BUFFERS,
	TRIVIO_RULE_NET_FLAGS,
	TRIVIO_RULE_NET_FLAGS_DEVICE,
	TRIVIO_RULE_NET_GSO_FEATURE,
	TRIVIO_RULE_NET_GSO_CSUM,
	TRIVIO_RULE_NET_GSO_SIZE,
	TRIVIO_RULE_NET_CSUM_RANGE,
	TRIVIO_RULE_NET_RX_SMALL,
	TRIVIO_RULE_NET_TX_QUEUE,
	/* Net, control queue */
	TRIVIO_RULE_CTRL_FORMAT,
	TRIVIO_RULE_CTRL_UNKNOWN,
	TRIVIO_RULE_CTRL_RX_FEATURE,
	TRIVIO_RULE_CTRL_MAC_FEATURE,
	TRIVIO_RULE_CTRL_MAC_TABLE,
	TRIVIO_RULE_CTRL_VLAN_FEATURE,
	TRIVIO_RULE_CTRL_ANNOUNCE_FEATURE,
	TRIVIO_RULE_CTRL_MQ_FEATURE,
	TRIVIO_RULE_CTRL_MQ_PAIRS,
	TRIVIO_RULE_CTRL_HASH_FEATURE,
	TRIVIO_RULE_CTRL_HASH_RESERVED,
	TRIVIO_RULE_CTRL_RSS_FEATURE,
	TRIVIO_RULE_CTRL_RSS_TABLE,
	TRIVIO_RULE_CTRL_RSS_QUEUE,
	TRIVIO_RULE_CTRL_RSS_TYPES,
	TRIVIO_RULE_CTRL_OFFLOADS,
	/* Block */
	TRIVIO_RULE_BLK_FORMAT,
	TRIVIO_RULE_BLK_TYPE,
	TRIVIO_RULE_BLK_FEATURE,
	TRIVIO_RULE_BLK_WCE,
	TRIVIO_RULE_BLK_READ_ONLY,
	TRIVIO_RULE_BLK_CAPACITY,
	TRIVIO_RULE_BLK_FLUSH_SECTOR,
	TRIVIO_RULE_BLK_LENGTH,
	TRIVIO_RULE_BLK_RANGE_LENGTH,
	TRIVIO_RULE_BLK_ID_LENGTH,
	TRIVIO_RULE_BLK_RANGES,
	TRIVIO_RULE_BLK_UNMAP,
	TRIVIO_RULE_BLK_RESERVED,
	TRIVIO_RULE_NR,
};

/**
 * struct trivio_rule_info - one rule in words
 * @name: short name, an interface
 * @section: where it stands, virtio 1.2; the split layout's
 * @packed: the packed layout's section, or NULL if it is the same
 * @text: what it says
 */
struct trivio_rule_info {
	const char *name;
	const char *section;
	const char *packed;
	const char *text;
};

/**
 * enum trivio_check_mode - what happens if a rule is broken
 * @TRIVIO_CHECK_OFF: nothing, it is not looked at
 * @TRIVIO_CHECK_LOG: it is reported
 * @TRIVIO_CHECK_STOP: it is reported, and the queue stops; what no queue did
 *	makes the device ask for a reset
 * @TRIVIO_CHECK_NR: number of modes
 */
enum trivio_check_mode {
	TRIVIO_CHECK_OFF,
	TRIVIO_CHECK_LOG,
	TRIVIO_CHECK_STOP,
	TRIVIO_CHECK_NR,
};

/* Queue of a report that is of the device as a whole. */
#define TRIVIO_CHECK_NO_QUEUE	0xffff

/**
 * struct trivio_check_rec - reports of one rule since the mode was set
 * @count: how often it was broken
 * @queue: queue of the first report, or TRIVIO_CHECK_NO_QUEUE
 * @head: its chain, or descriptor
 * @value: what was seen: an address, a length, a bit; by rule
 * @time: ktime_get_real_ns() of it
 */
struct trivio_check_rec {
	u64 count;
	u16 queue;
	u16 head;
	u64 value;
	u64 time;
};

DECLARE_STATIC_KEY_FALSE(trivio_check_on);

/* Settings and results; may sleep. */
int trivio_check_set_mode(struct trivio_dev *dev, enum trivio_check_mode mode);
enum trivio_check_mode trivio_check_mode(struct trivio_dev *dev);
int trivio_check_parse(const char *word);
const char *trivio_check_mode_name(enum trivio_check_mode mode);
bool trivio_check_get(struct trivio_dev *dev, enum trivio_rule rule,
		      struct trivio_check_rec *rec);
const struct trivio_rule_info *trivio_rule_info(enum trivio_rule rule);
const char *trivio_rule_section(struct trivio_dev *dev, enum trivio_rule rule);

void __trivio_check_status(struct trivio_dev *dev, u8 status);
void __trivio_check_features(struct trivio_dev *dev, u64 features);

/**
 * trivio_check_status() - the driver writes the status register
 * @dev: device
 * @status: as written, before a road takes back what does not do
 *
 * Context: any but the service of a queue.
 */
static inline void trivio_check_status(struct trivio_dev *dev, u8 status)
{
	if (static_branch_unlikely(&trivio_check_on))
		__trivio_check_status(dev, status);
}

/**
 * trivio_check_features() - the driver writes its feature bits
 * @dev: device
 * @features: as written
 *
 * Context: as trivio_check_status().
 */
static inline void trivio_check_features(struct trivio_dev *dev, u64 features)
{
	if (static_branch_unlikely(&trivio_check_on))
		__trivio_check_features(dev, features);
}

#endif /* TRIVIO_CHECK_H */
