/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control queue of a net device (virtio 1.2, 5.1.6.5): what a driver may ask,
 * and the receive filter and steering that come of it.
 *
 * The first part is plain C, compiled in user space too; the second is the
 * kernel's.
 */
#ifndef TRIVIO_NET_CTRL_H
#define TRIVIO_NET_CTRL_H

#include <linux/types.h>

#include "net_rss.h"

/*
 * Largest command: a MAC table of 2700 addresses, far more than are kept. A
 * larger one is answered with VIRTIO_NET_ERR.
 */
#define TRIVIO_CTRL_MAX		16384

/* MAC addresses kept of each kind; a longer list lets all of the kind pass. */
#define TRIVIO_MAC_MAX		64

#define TRIVIO_VLAN_MAX		4096

/**
 * struct trivio_ctrl_cmd - a parsed command
 * @class: VIRTIO_NET_CTRL_*
 * @cmd: command of the class
 * @on: RX mode: new state
 * @mac: address
 * @uni: unicast table, @n_uni addresses, in the command's buffer
 * @multi: multicast table, @n_multi addresses
 * @n_uni: entries
 * @n_multi: entries
 * @vid: VLAN id, below TRIVIO_VLAN_MAX
 * @pairs: queue pairs, 1 to the device's
 * @offloads: VIRTIO_NET_F_GUEST_* bits
 * @rss: types, mask, table and unclassified queue; not the prepared key
 * @key: hash key, padded with zeroes
 */
struct trivio_ctrl_cmd {
	u8 class;
	u8 cmd;
	bool on;
	u8 mac[6];
	const u8 *uni;
	const u8 *multi;
	u32 n_uni;
	u32 n_multi;
	u16 vid;
	u16 pairs;
	u64 offloads;
	struct {
		u32 types;
		u16 mask;
		u16 unclassified;
		u16 table[TRIVIO_RSS_TABLE];
	} rss;
	u8 key[TRIVIO_RSS_KEY];
};

/* Offloads that VIRTIO_NET_CTRL_GUEST_OFFLOADS may change. */
u64 trivio_net_guest_offloads(u64 features);

int trivio_net_ctrl_parse(const u8 *buf, u32 len, u64 features, u16 max_pairs,
			  struct trivio_ctrl_cmd *c);

#ifdef __KERNEL__

#include <linux/mutex.h>
#include <linux/rcupdate.h>

struct trivio_net;
struct trivio_queue;

/**
 * struct trivio_filter - which frames a driver wants; immutable
 * @rcu: for freeing after the last reader
 * @promisc: everything
 * @allmulti: every multicast
 * @alluni: every unicast
 * @nomulti: no multicast
 * @nouni: no unicast
 * @nobcast: no broadcast
 * @vlans: VLAN filtering is on, by @vlan
 * @mac: the device's own address
 * @n_uni: entries of @uni; above TRIVIO_MAC_MAX all unicast passes
 * @n_multi: entries of @multi; above TRIVIO_MAC_MAX all multicast passes
 * @uni: unicast addresses
 * @multi: multicast addresses
 * @vlan: VLAN ids
 */
struct trivio_filter {
	struct rcu_head rcu;
	bool promisc;
	bool allmulti;
	bool alluni;
	bool nomulti;
	bool nouni;
	bool nobcast;
	bool vlans;
	u8 mac[6];
	u32 n_uni;
	u32 n_multi;
	u8 uni[TRIVIO_MAC_MAX][6];
	u8 multi[TRIVIO_MAC_MAX][6];
	unsigned long vlan[TRIVIO_VLAN_MAX / BITS_PER_LONG];
};

/**
 * struct trivio_net_rss - steering, as published
 * @rcu: for freeing after the last reader
 * @rss: the state; immutable
 * @key: the key that it was prepared from
 */
struct trivio_net_rss {
	struct rcu_head rcu;
	struct trivio_rss rss;
	u8 key[TRIVIO_RSS_KEY];
};

/**
 * struct trivio_net_ctrl - control state of a net device (&trivio_net.ctrl)
 * @lock: serialises changes; the data path does not take it
 * @filter: NULL if all frames pass
 * @rss: NULL if frames are not hashed
 * @off: guest offloads that the driver switched off, VIRTIO_NET_F_GUEST_* bits
 * @ok: commands done
 * @failed: commands answered with VIRTIO_NET_ERR
 * @buf: TRIVIO_CTRL_MAX bytes; control queue service only
 * @cmd: scratch; control queue service only
 */
struct trivio_net_ctrl {
	struct mutex lock;	/* changes of all below but @buf and @cmd */
	struct trivio_filter __rcu *filter;
	struct trivio_net_rss __rcu *rss;
	u64 off;
	u64 ok;
	u64 failed;
	u8 *buf;
	struct trivio_ctrl_cmd cmd;
};

int trivio_net_ctrl_init(struct trivio_net *net);
void trivio_net_ctrl_exit(struct trivio_net *net);
void trivio_net_ctrl_reset(struct trivio_net *net);
void trivio_net_ctrl_set(struct trivio_net *net, struct trivio_filter *f,
			 struct trivio_net_rss *r, u64 off);
bool trivio_net_ctrl_serve(struct trivio_queue *q);
u64 trivio_net_guest_features(struct trivio_net *net);
bool __trivio_net_filter(const struct trivio_filter *f, const u8 *frame,
			 u32 head);

/**
 * trivio_net_filter() - does the driver want this frame
 * @ctrl: control state
 * @frame: first bytes, at least an Ethernet header
 * @head: how many of them
 *
 * Context: RCU reader, any.
 */
static inline bool trivio_net_filter(const struct trivio_net_ctrl *ctrl,
				     const u8 *frame, u32 head)
{
	const struct trivio_filter *f = rcu_dereference(ctrl->filter);

	return !f || __trivio_net_filter(f, frame, head);
}

#endif /* __KERNEL__ */

#endif /* TRIVIO_NET_CTRL_H */
