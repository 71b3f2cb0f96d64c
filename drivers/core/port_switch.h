/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch port: between its files.
 *
 * A switch joins net devices without an interface or socket in between: what one
 * guest sends is copied once, from its buffers into another's. Directions are
 * the guest's.
 */
#ifndef TRIVIO_PORT_SWITCH_H
#define TRIVIO_PORT_SWITCH_H

#include <linux/bitmap.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>

#include <trivio/net.h>

#include "net_ctrl.h"
#include "net_hdr.h"
#include "net_rx.h"

/* Devices that a switch can join. */
#define SW_PORTS	128

/*
 * Addresses that a switch remembers: sets of four. A guest that invents
 * addresses can't make it remember more.
 */
#define SW_FDB_BITS	8
#define SW_FDB_WAYS	4

/* How long an address is remembered without being seen; 802.1D's default. */
#define SW_FDB_AGE	(300 * HZ)

/* Flows a port remembers for steering; a power of two. */
#define SW_FLOWS	256

struct sw_fdb;
struct sw_port;
struct trivio_switch;

/**
 * struct sw_rx - a guest's receive queue at a switch
 * @lock: serialises the ring, whichever port a frame comes from
 * @q: queue
 * @running: frames may be put into the ring; under @lock
 * @mergeable: MRG_RXBUF; constant while @running
 * @hdr_len: bytes of the header; constant while @running
 * @chain: NET_RX_MERGE_MAX chains of the frame at hand
 */
struct sw_rx {
	spinlock_t lock;	/* the ring, @running, @chain */
	struct trivio_queue *q;
	bool running;
	bool mergeable;
	u8 hdr_len;
	struct trivio_chain *chain;
};

/**
 * struct sw_tx - a guest's transmit queue at a switch
 * @p: port
 * @q: queue
 * @hdr_len: bytes of the header; constant while it runs
 * @pair: number of the pair
 * @napi: serialises the ring
 * @irq: schedules @napi for a kick that came with interrupts off
 * @touched: ports that got frames of this batch; NAPI only
 * @src: where the last frame's source was found, or NULL; its key tells whether it is
 *	this frame's. NAPI only.
 * @dst: the same of its destination
 * @c: chain of the frame at hand
 * @raw: its header as the guest wrote it
 * @head: its first bytes, copied: what is looked at is what is sent on
 */
struct sw_tx {
	struct sw_port *p;
	struct trivio_queue *q;
	u8 hdr_len;
	u16 pair;
	struct napi_struct napi;
	struct irq_work irq;
	DECLARE_BITMAP(touched, SW_PORTS);
	struct sw_fdb *src;
	struct sw_fdb *dst;
	struct trivio_chain c;
	u8 raw[TRIVIO_HDR_MAX];
	u8 head[TRIVIO_HDR_PEEK];
};

/**
 * struct sw_pair - a queue pair
 * @rx: switch to guest
 * @tx: guest to switch
 */
struct sw_pair {
	struct sw_rx rx;
	struct sw_tx tx;
};

/**
 * struct sw_port - a device at a switch
 * @port: as the net class sees it
 * @sw: the switch
 * @ctrl: control state of the device
 * @id: position in &trivio_switch.port
 * @npairs: entries of @pair
 * @refs: queues it is attached to; in the creator's or destroyer's order
 * @features: what the driver takes now: those negotiated, less the offloads that
 *	it switched off
 * @flow: pair on which the guest last sent a flow, SW_FLOWS entries; NULL with
 *	one pair
 * @pair: queue pairs
 */
struct sw_port {
	struct trivio_port port;
	struct trivio_switch *sw;
	struct trivio_net_ctrl *ctrl;
	u16 id;
	u16 npairs;
	unsigned int refs;
	u64 features;
	u16 *flow;
	struct sw_pair *pair;
};

/**
 * struct sw_fdb - an address and where it was seen
 * @key: the address in the upper 48 bits, port + 1 below; 0: free. Read and
 *	written whole.
 * @seen: jiffies
 */
struct sw_fdb {
	u64 key;
	unsigned long seen;
};

/**
 * struct trivio_switch - a named switch
 * @node: in the list of switches
 * @ref: its ports
 * @name: name
 * @dummy: what NAPI hangs on
 * @nports: highest id in use, and one; written under the list's mutex
 * @port: by id; RCU
 * @fdb_lock: serialises changes of @fdb
 * @fdb: addresses, in sets
 */
struct trivio_switch {
	struct list_head node;
	struct kref ref;
	char name[TRIVIO_NAME_MAX];
	struct net_device *dummy;
	u16 nports;
	struct sw_port __rcu *port[SW_PORTS];
	spinlock_t fdb_lock;	/* writers of @fdb */
	struct sw_fdb fdb[SW_FDB_WAYS << SW_FDB_BITS];
};

static inline u64 sw_fdb_mac(u64 key)
{
	return key >> 16;
}

/* Port of a key that is not 0. */
static inline u16 sw_fdb_id(u64 key)
{
	return (u16)key - 1;
}

static inline bool sw_fdb_fresh(const struct sw_fdb *e)
{
	return time_before(jiffies, READ_ONCE(e->seen) + SW_FDB_AGE);
}

/* Long enough ago to be worth a store into a line that all processors read. */
static inline bool sw_fdb_worn(const struct sw_fdb *e)
{
	return time_after(jiffies, READ_ONCE(e->seen) + HZ);
}

/* port_switch_fdb.c */
struct sw_fdb *sw_fdb_learn(struct trivio_switch *sw, u64 key);
struct sw_fdb *sw_fdb_find(struct trivio_switch *sw, u64 mac);
void sw_fdb_forget(struct trivio_switch *sw, u16 id);

/* port_switch_tx.c */
int sw_poll(struct napi_struct *napi, int budget);

/* port_switch_rx.c */

/**
 * struct sw_frame - a frame on its way to one or more guests
 * @h: its header, checked, host byte order
 * @needs: guest offload features without which a driver can't take it
 * @head: first bytes
 * @head_len: how many
 * @seg: where the rest is: the sender's buffers; NULL if @head is all
 * @nseg: their number
 * @off: byte in @seg at which the frame begins
 * @len: bytes of the frame
 */
struct sw_frame {
	struct trivio_net_hdr h;
	u64 needs;
	const u8 *head;
	u32 head_len;
	const union trivio_seg *seg;
	u16 nseg;
	u32 off;
	u32 len;
};

bool sw_deliver(struct sw_port *to, const struct sw_frame *f);
void sw_flush(struct sw_port *to);
void sw_flow_learn(struct sw_port *p, u16 pair, const struct sw_frame *f);

/* port_switch_soft.c */
bool sw_deliver_soft(struct sw_tx *tx, struct sw_port *to,
		     const struct sw_frame *f);

#endif /* TRIVIO_PORT_SWITCH_H */
