/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The own network interface port: between its files.
 *
 * Directions are the guest's: receive is host to guest (ndo_start_xmit), transmit
 * is guest to host (NAPI).
 */
#ifndef TRIVIO_PORT_NETDEV_H
#define TRIVIO_PORT_NETDEV_H

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/irq_work.h>
#include <linux/netdevice.h>
#include <linux/ptr_ring.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#include <trivio/net.h>

#include "net_ctrl.h"
#include "net_hdr.h"
#include "net_rx.h"

/* Used entries that may wait for more of a burst (netdev_xmit_more()). */
#define ND_BURST	64

/* Frames on the way to a worker; then the interface's queue stops. */
#define ND_FIFO		256

/* Frames a worker carries a turn. */
#define ND_BUDGET	64

/* Flows remembered for steering; a power of two. */
#define ND_FLOWS	256

struct trivio_netdev;

/**
 * struct nd_rx - receive queue of a pair
 * @nd: port
 * @q: queue
 * @txq: the interface's side; its lock serialises the ring in direct mode
 * @ctrl: control state of the device
 * @running: frames may be put into the ring; under @txq's lock
 * @direct: no worker; constant while @running
 * @mergeable: MRG_RXBUF; constant while @running
 * @hdr_len: bytes of the header; constant while @running
 * @pair: number of the pair
 * @waits: kicks are on, for want of guest buffers
 * @stops: times it was
 * @chain: NET_RX_MERGE_MAX chains of the frame at hand
 * @fifo: worker mode: frames on their way
 */
struct nd_rx {
	struct trivio_netdev *nd;
	struct trivio_queue *q;
	struct netdev_queue *txq;
	struct trivio_net_ctrl *ctrl;
	bool running;
	bool direct;
	bool mergeable;
	u8 hdr_len;
	bool waits;
	u16 pair;
	u64 stops;
	struct trivio_chain *chain;
	struct ptr_ring fifo;
};

/**
 * struct nd_tx - transmit queue of a pair
 * @nd: port
 * @q: queue
 * @hdr_len: bytes of the header; constant while it runs
 * @pair: number of the pair
 * @napi: direct mode: serialises the ring
 * @irq: schedules @napi for a kick that came with interrupts off
 * @late: has @napi decide on a call that was put off
 * @pool: pages of frames, recycled
 * @rxq: for XDP
 * @redirected: XDP redirected frames of this batch; NAPI only
 * @bounced: XDP sent frames of this batch back; NAPI only
 */
struct nd_tx {
	struct trivio_netdev *nd;
	struct trivio_queue *q;
	u8 hdr_len;
	u16 pair;
	struct napi_struct napi;
	struct irq_work irq;
	struct timer_list late;
	struct page_pool *pool;
	struct xdp_rxq_info rxq;
	bool redirected;
	bool bounced;
};

/**
 * struct nd_pair - a queue pair
 * @rx: host to guest
 * @tx: guest to host
 */
struct nd_pair {
	struct nd_rx rx;
	struct nd_tx tx;
};

/**
 * struct trivio_netdev - the port, private area of its interface
 * @port: what the net class knows of it
 * @ndev: interface
 * @dev: device
 * @refs: queues it is attached to; under the creator's or destroyer's order
 * @npairs: entries of @pair
 * @lock: protects @rx_running, and the carrier that follows it
 * @rx_running: receive queues in service
 * @denied: offloads that the driver did not accept
 * @sync: brings the interface's features in line with @denied, under rtnl
 * @prog: XDP program on what the guest sends, or NULL; written under rtnl
 * @flow: pair on which a flow was last seen from the guest
 * @pair: queue pairs
 */
struct trivio_netdev {
	struct trivio_port port;
	struct net_device *ndev;
	struct trivio_dev *dev;
	unsigned int refs;
	u16 npairs;
	spinlock_t lock;	/* rx_running, carrier */
	int rx_running;
	netdev_features_t denied;
	struct work_struct sync;
	struct bpf_prog __rcu *prog;
	u16 flow[ND_FLOWS];
	struct nd_pair *pair;
};

/* Slot of a frame's flow; the same for both directions. */
static inline u16 *nd_flow(struct trivio_netdev *nd, struct sk_buff *skb)
{
	return &nd->flow[__skb_get_hash_symmetric(skb) & (ND_FLOWS - 1)];
}

/* port_netdev_rx.c */
netdev_tx_t nd_start_xmit(struct sk_buff *skb, struct net_device *ndev);
u16 nd_select_queue(struct net_device *ndev, struct sk_buff *skb,
		    struct net_device *sb_dev);
int nd_rx_start(struct nd_rx *rx);
void nd_rx_stop(struct nd_rx *rx);
void nd_rx_settled(struct nd_rx *rx);
bool nd_rx_serve(struct nd_rx *rx);
bool nd_rx_put_frame(struct nd_rx *rx, const void *data, u32 len);

/* port_netdev_tx.c */
int nd_poll(struct napi_struct *napi, int budget);
void nd_tx_kick(struct nd_tx *tx);
void nd_tx_late(struct timer_list *timer);
bool nd_tx_serve(struct nd_tx *tx);

/**
 * struct nd_xdp - a frame for an XDP program
 * @page: its page, of the queue's pool
 * @buff: what the program sees
 */
struct nd_xdp {
	struct page *page;
	struct xdp_buff buff;
};

/* port_netdev_xdp.c */
bool nd_xdp_native(bool plain, u32 len);
int nd_xdp_alloc(struct nd_tx *tx, u32 len, struct nd_xdp *x);
void nd_xdp_free(struct nd_tx *tx, struct nd_xdp *x);
bool nd_xdp_run(struct nd_tx *tx, struct bpf_prog *prog, struct nd_xdp *x,
		struct sk_buff **skb);
void nd_xdp_flush(struct nd_tx *tx);
int nd_xdp_xmit(struct net_device *ndev, int n, struct xdp_frame **frames,
		u32 flags);
int nd_bpf(struct net_device *ndev, struct netdev_bpf *bpf);

/* port_netdev_ethtool.c */
extern const struct ethtool_ops nd_ethtool_ops;

#endif /* TRIVIO_PORT_NETDEV_H */
