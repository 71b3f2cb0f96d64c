/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive side scaling: the Toeplitz hash of virtio-net (virtio 1.2, 5.1.6.4)
 * and the state that a driver configures. Plain C, compiled in user space too.
 */
#ifndef TRIVIO_NET_RSS_H
#define TRIVIO_NET_RSS_H

#include <linux/types.h>

/* What the config space announces. */
#define TRIVIO_RSS_KEY		40
#define TRIVIO_RSS_TABLE	128

/*
 * Hash types that are offered: IPv4, TCPv4, UDPv4 and the same of IPv6. The
 * _EX types (home address and routing header of mobile IPv6) are not.
 */
#define TRIVIO_RSS_TYPES	0x3f

/* Longest input: two IPv6 addresses and two ports. */
#define TRIVIO_RSS_INPUT	36
#define TRIVIO_RSS_NIBBLES	(TRIVIO_RSS_INPUT * 2)

/**
 * struct trivio_toeplitz - a key, prepared
 * @part: what each value of each half byte of the input adds to the hash
 */
struct trivio_toeplitz {
	u32 part[TRIVIO_RSS_NIBBLES][16];
};

/**
 * struct trivio_rss - how received frames are hashed and spread
 * @types: VIRTIO_NET_RSS_HASH_TYPE_* in use
 * @steer: the table below chooses the queue (RSS_CONFIG, not HASH_CONFIG)
 * @mask: entries in @table less one
 * @unclassified: pair for frames without a hash
 * @table: pairs
 * @key: hash key
 */
struct trivio_rss {
	u32 types;
	bool steer;
	u16 mask;
	u16 unclassified;
	u16 table[TRIVIO_RSS_TABLE];
	struct trivio_toeplitz key;
};

void trivio_toeplitz_init(struct trivio_toeplitz *t, const u8 *key);
u32 trivio_toeplitz(const struct trivio_toeplitz *t, const u8 *in, u32 len);
u32 trivio_rss_hash(const struct trivio_toeplitz *t, u32 types,
		    const u8 *frame, u32 head, u16 *report);

#endif /* TRIVIO_NET_RSS_H */
