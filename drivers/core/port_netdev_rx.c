// SPDX-License-Identifier: GPL-2.0-only
/*
 * Own network interface, host to guest: ndo_start_xmit puts the frame into the
 * guest's receive ring itself, one copy, and calls the driver, without a worker
 * in between. A ring without buffers stops the interface's queue, as hardware
 * does; the driver's next kick starts it again, and no frame is lost.
 *
 * Over user memory frames go through a fifo to the queue's worker instead.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>

#include "core.h"
#include "payload.h"
#include "port_netdev.h"
#include "trace.h"

/* What became of a frame; negative errnos are the queue's. */
enum { ND_NO_BUFFER = 0, ND_DONE = 1, ND_DROPPED = 2 };

/* --- header ------------------------------------------------------------ */

static u32 skb_rss(const struct trivio_rss *rss, const struct sk_buff *skb,
		   u16 *report)
{
	u32 head = min_t(u32, skb->len, TRIVIO_HDR_PEEK);
	u8 peek[TRIVIO_HDR_PEEK];
	const u8 *p;

	*report = VIRTIO_NET_HASH_REPORT_NONE;
	p = skb_header_pointer(skb, 0, head, peek);
	if (!p)
		return 0;
	return trivio_rss_hash(&rss->key, rss->types, p, head, report);
}

static void hash_fill(struct nd_rx *rx, const struct sk_buff *skb,
		      struct virtio_net_hdr_v1_hash *h)
{
	const struct trivio_net_rss *r;
	u16 report;

	h->hash_value = 0;
	h->hash_report = 0;
	h->padding = 0;
	rcu_read_lock();
	r = rcu_dereference(rx->ctrl->rss);
	if (r) {
		h->hash_value = cpu_to_le32(skb_rss(&r->rss, skb, &report));
		h->hash_report = cpu_to_le16(report);
	}
	rcu_read_unlock();
}

/* May this frame's offloads be told to the driver? */
static bool offloads_allowed(const struct nd_rx *rx, const struct sk_buff *skb)
{
	netdev_features_t denied = READ_ONCE(rx->nd->denied);

	if (skb->ip_summed == CHECKSUM_PARTIAL && denied & NETIF_F_HW_CSUM)
		return false;
	if (!skb_is_gso(skb))
		return true;
	return !(denied & ((u64)skb_shinfo(skb)->gso_type << NETIF_F_GSO_SHIFT));
}

/*
 * The header of a frame, but for num_buffers. The stack segments and sums in
 * software what nd_features_check() denies; a frame that was past it while the
 * driver's features changed is refused here.
 */
static int hdr_fill(struct nd_rx *rx, const struct sk_buff *skb,
		    struct virtio_net_hdr_v1_hash *h)
{
	struct virtio_net_hdr *hdr = (struct virtio_net_hdr *)&h->hdr;

	if (likely(!skb_is_gso(skb) && skb->ip_summed == CHECKSUM_NONE)) {
		memset(hdr, 0, sizeof(*hdr));
	} else {
		if (!offloads_allowed(rx, skb) ||
		    virtio_net_hdr_from_skb(skb, hdr, true,
					    !(READ_ONCE(rx->nd->denied) &
					      NETIF_F_HW_CSUM), 0))
			return -EINVAL;
	}
	h->hdr.num_buffers = (__force __virtio16)cpu_to_le16(1);
	if (unlikely(rx->hdr_len == TRIVIO_HDR_HASH))
		hash_fill(rx, skb, h);
	return 0;
}

/* --- frame to ring ----------------------------------------------------- */

/* A frame is an skb, or @len bytes at @data. */
struct nd_frame {
	struct sk_buff *skb;
	const void *data;
	u32 len;
};

/*
 * Pinned memory: plain copies. The kernel's iov_iter helpers check what they copy
 * from (hardened usercopy), which is slow, and for a soft interrupt's stack takes
 * a lock that is not safe there.
 */
static bool copy_pinned(const struct trivio_chain *c, u32 at,
			const struct nd_frame *f, u32 off, u32 len)
{
	u16 i;

	for (i = c->out_segs; i < c->out_segs + c->in_segs && len; i++) {
		size_t size = c->seg[i].k.iov_len;
		void *to = c->seg[i].k.iov_base + at;
		u32 part;

		if (at >= size) {
			at -= size;
			continue;
		}
		part = min_t(size_t, len, size - at);
		if (!f->skb)
			trivio_payload_copy(to, f->data + off, part);
		else if (skb_copy_bits(f->skb, off, to, part))
			return false;
		at = 0;
		off += part;
		len -= part;
	}
	return !len;
}

/* @len bytes of the frame from @off on, to the chain from @at on. */
static bool copy_part(struct nd_rx *rx, const struct trivio_chain *c, u32 at,
		      const struct nd_frame *f, u32 off, u32 len)
{
	struct iov_iter to;

	if (rx->direct)
		return copy_pinned(c, at, f, off, len);
	if (!skb_is_nonlinear(f->skb))
		return !trivio_chain_write(rx->q, c, at, f->skb->data + off,
					   len);
	trivio_chain_in_iter(rx->q, c, &to);
	iov_iter_advance(&to, at);
	return !skb_copy_datagram_iter(f->skb, off, &to, len);
}

/* Fill @n chains and complete them. */
static int fill_chains(struct nd_rx *rx, const struct nd_frame *f,
		       struct virtio_net_hdr_v1_hash *h, u16 n)
{
	struct trivio_queue *q = rx->q;
	u32 hlen = rx->hdr_len, off = 0;
	u16 i;

	h->hdr.num_buffers = (__force __virtio16)cpu_to_le16(n);
	for (i = 0; i < n; i++) {
		struct trivio_chain *c = &rx->chain[i];
		u32 at = i ? 0 : hlen;
		u32 part = min(f->len - off, c->in_len - at);

		if ((at && trivio_chain_write(q, c, 0, h, hlen)) ||
		    !copy_part(rx, c, at, f, off, part))
			return -EFAULT;
		off += part;
	}
	trivio_net_rx_push(q, rx->chain, n, f->len + hlen);
	return 0;
}

/*
 * One frame into the ring.
 *
 * Return: ND_DONE; ND_DROPPED, counted; ND_NO_BUFFER; -EAGAIN if guest memory is
 * not mapped yet; another negative errno if the queue broke, not counted.
 */
static int put_frame(struct nd_rx *rx, const struct nd_frame *f,
		     struct virtio_net_hdr_v1_hash *h)
{
	struct trivio_queue *q = rx->q;
	struct trivio_chain *c = rx->chain;
	u32 hlen = rx->hdr_len, total = f->len + hlen;
	int n;

	n = trivio_net_rx_first(q, c, hlen);
	if (unlikely(n <= 0))
		return n;
	if (likely(c->in_segs == 1 && c->in_len >= total && rx->direct &&
		   (!f->skb || !skb_is_nonlinear(f->skb)))) {
		void *to = c->seg->k.iov_base;

		if (likely(hlen == TRIVIO_HDR_V1))
			memcpy(to, h, TRIVIO_HDR_V1);
		else
			memcpy(to, h, hlen);
		trivio_payload_copy(to + hlen, f->skb ? f->skb->data : f->data,
				    f->len);
		trivio_queue_push(q, c, total);
		trivio_net_rx_count(q, c, f->len);
		return ND_DONE;
	}

	n = trivio_net_rx_more(q, c, rx->mergeable, total);
	if (unlikely(n == -ENOSPC)) {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_NOBUF, c->id, f->len);
		return ND_DROPPED;
	}
	if (n <= 0)
		return n;
	if (unlikely(fill_chains(rx, f, h, n))) {
		trivio_net_rx_unpop(q, c, n);
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, c->id, f->len);
		return ND_DROPPED;
	}
	trivio_net_rx_count(q, c, f->len);
	return ND_DONE;
}

static bool filter_pass(struct nd_rx *rx, const struct sk_buff *skb)
{
	u8 peek[VLAN_ETH_HLEN];
	bool pass;
	u32 head;
	u8 *p;

	if (!rcu_access_pointer(rx->ctrl->filter))
		return true;
	head = min_t(u32, skb->len, sizeof(peek));
	p = skb_header_pointer(skb, 0, head, peek);
	if (!p)
		return false;
	rcu_read_lock();
	pass = trivio_net_filter(rx->ctrl, p, head);
	rcu_read_unlock();
	return pass;
}

/* As put_frame(), for an skb, with what has to be asked of it before. */
static int put_skb(struct nd_rx *rx, struct sk_buff *skb)
{
	struct nd_frame f = { .skb = skb, .len = skb->len };
	struct virtio_net_hdr_v1_hash h;

	if (unlikely(skb->len < ETH_HLEN || skb->len > TRIVIO_FRAME_MAX ||
		     hdr_fill(rx, skb, &h))) {
		trivio_queue_drop(rx->q, TRIVIO_STAT_DROP_FORMAT, 0, skb->len);
		return ND_DROPPED;
	}
	if (unlikely(!filter_pass(rx, skb))) {
		trivio_queue_drop(rx->q, TRIVIO_STAT_DROP_FILTER, 0, skb->len);
		return ND_DROPPED;
	}
	return put_frame(rx, &f, &h);
}

/* --- direct mode ------------------------------------------------------- */

/*
 * The ring has no buffers (or not enough): stop the interface's queue and ask
 * for a kick. The stop is visible before the wish for a kick, so nd_rx_kick()
 * sees it; a driver that was faster is found by looking again.
 *
 * Return: true if it stays stopped, false if there is news.
 */
static bool wait_for_buffers(struct nd_rx *rx)
{
	trivio_queue_flush(rx->q);
	netif_tx_stop_queue(rx->txq);
	/* Pairs with the driver's barrier between its index and its kick. */
	smp_mb__after_atomic();
	if (trivio_ring_kick_enable(&rx->q->ring)) {
		trivio_ring_kick_disable(&rx->q->ring);
		netif_tx_start_queue(rx->txq);
		return false;
	}
	rx->waits = true;
	rx->stops++;
	return true;
}

/*
 * Guest memory is being mapped. Look once more with the queue stopped: either
 * it is there by now, or the wake-up is still to come.
 */
static int put_parked(struct nd_rx *rx, struct sk_buff *skb)
{
	int ret;

	trivio_queue_flush(rx->q);
	netif_tx_stop_queue(rx->txq);
	/* The stop before the look; the waker has it the other way round. */
	smp_mb__after_atomic();
	ret = put_skb(rx, skb);
	if (ret != -EAGAIN)
		netif_tx_start_queue(rx->txq);
	return ret;
}

static void free_sent(struct sk_buff *skb)
{
	/* Bulk free where the per-CPU cache may be used (not under netpoll). */
	if (likely(in_softirq() && !irqs_disabled()))
		napi_consume_skb(skb, 1);
	else
		dev_consume_skb_any(skb);
}

static netdev_tx_t xmit_direct(struct nd_rx *rx, struct sk_buff *skb)
{
	struct trivio_queue *q = rx->q;
	int ret;

	if (unlikely(rx->waits)) {
		rx->waits = false;
		trivio_ring_kick_disable(&q->ring);
	}
	while (true) {
		ret = put_skb(rx, skb);
		if (likely(ret == ND_DONE))
			break;
		if (ret == -EAGAIN)
			ret = put_parked(rx, skb);
		if (ret == -EAGAIN)
			return NETDEV_TX_BUSY;
		if (ret != ND_NO_BUFFER)
			break;
		if (wait_for_buffers(rx))
			return NETDEV_TX_BUSY;
	}

	if (likely(ret == ND_DONE)) {
		skb_tx_timestamp(skb);
		free_sent(skb);
	} else {
		if (ret < 0)
			trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, 0,
					  skb->len);
		dev_kfree_skb_any(skb);
	}
	if (!netdev_xmit_more() || q->ring.pending >= ND_BURST)
		trivio_queue_flush(q);
	/* Stop in time rather than hand the next frame back. */
	if (unlikely(trivio_ring_empty(&q->ring)) && ret > 0)
		wait_for_buffers(rx);
	return NETDEV_TX_OK;
}

/* --- worker mode ------------------------------------------------------- */

static netdev_tx_t xmit_worker(struct nd_rx *rx, struct sk_buff *skb)
{
	if (unlikely(__ptr_ring_full(&rx->fifo))) {
		netif_tx_stop_queue(rx->txq);
		/* Pairs with the barrier in nd_rx_serve(). */
		smp_mb__after_atomic();
		trivio_queue_wake(rx->q);
		if (__ptr_ring_full(&rx->fifo))
			return NETDEV_TX_BUSY;
		netif_tx_start_queue(rx->txq);
	}
	skb_tx_timestamp(skb);
	skb_orphan(skb);
	nf_reset_ct(skb);
	/* The queue's lock makes this the only producer. */
	__ptr_ring_produce(&rx->fifo, skb);
	if (!netdev_xmit_more())
		trivio_queue_wake(rx->q);
	return NETDEV_TX_OK;
}

/**
 * nd_rx_serve() - worker mode: from the fifo to the guest's ring
 * @rx: receive queue
 *
 * Context: worker, under the owner's mm, &trivio_queue.lock held.
 *
 * Return: true if there is more to do.
 */
bool nd_rx_serve(struct nd_rx *rx)
{
	struct trivio_queue *q = rx->q;
	struct sk_buff *skb;
	bool more = true;
	int i, ret;

	if (!rx->running)
		return false;
	trivio_ring_kick_disable(&q->ring);
	for (i = 0; i < ND_BUDGET; i++) {
		skb = __ptr_ring_peek(&rx->fifo);
		if (!skb) {
			more = false;
			break;
		}
		ret = put_skb(rx, skb);
		if (ret == ND_NO_BUFFER) {
			trivio_queue_flush(q);
			if (trivio_ring_kick_enable(&q->ring)) {
				trivio_ring_kick_disable(&q->ring);
				continue;
			}
			more = false;
			break;
		}
		if (ret == -EAGAIN) {
			more = false;
			break;
		}
		if (ret < 0)
			trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, 0,
					  skb->len);
		__ptr_ring_discard_one(&rx->fifo);
		if (ret == ND_DONE)
			consume_skb(skb);
		else
			kfree_skb(skb);
	}
	trivio_queue_flush(q);
	if (i) {
		/* Room was made before looking. Pairs with xmit_worker(). */
		smp_mb();
		if (netif_tx_queue_stopped(rx->txq))
			netif_tx_wake_queue(rx->txq);
	}
	return more;
}

/* --- interface --------------------------------------------------------- */

/**
 * nd_start_xmit() - ndo_start_xmit
 * @skb: frame
 * @ndev: interface
 *
 * Context: soft interrupts off, the interface queue's lock held.
 */
netdev_tx_t nd_start_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	struct nd_rx *rx = &nd->pair[skb_get_queue_mapping(skb)].rx;

	if (unlikely(!rx->running)) {
		/* nd_rx_start() goes on with it. */
		netif_tx_stop_queue(rx->txq);
		return NETDEV_TX_BUSY;
	}
	return rx->direct ? xmit_direct(rx, skb) : xmit_worker(rx, skb);
}

/**
 * nd_select_queue() - which of the guest's receive queues gets a frame
 * @ndev: interface
 * @skb: frame
 * @sb_dev: unused
 *
 * The driver's RSS table; without one the pair on which the guest last sent the
 * same flow (virtio 1.2, 5.1.6.5.5.1).
 *
 * Context: soft interrupts off.
 */
u16 nd_select_queue(struct net_device *ndev, struct sk_buff *skb,
		    struct net_device *sb_dev)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	u16 pairs = READ_ONCE(nd->port.net->pairs);
	const struct trivio_net_rss *r;
	u16 report, pair;
	bool steer;
	u32 hash;

	if (likely(pairs <= 1))
		return 0;
	rcu_read_lock();
	r = rcu_dereference(nd->pair->rx.ctrl->rss);
	steer = r && r->rss.steer;
	if (steer) {
		hash = skb_rss(&r->rss, skb, &report);
		pair = report == VIRTIO_NET_HASH_REPORT_NONE ?
		       r->rss.unclassified : r->rss.table[hash & r->rss.mask];
	}
	rcu_read_unlock();
	if (!steer)
		pair = READ_ONCE(*nd_flow(nd, skb)) % pairs;
	if (pair >= nd->npairs || !READ_ONCE(nd->pair[pair].rx.running))
		return 0;
	return pair;
}

/**
 * nd_rx_put_frame() - a frame that is no skb (XDP) into the guest's ring
 * @rx: receive queue, direct mode; the interface queue's lock is held
 * @data: frame, in kernel memory
 * @len: bytes
 *
 * The caller flushes when it has no more.
 *
 * Return: true, or false if there was no room; then the drop is counted.
 */
bool nd_rx_put_frame(struct nd_rx *rx, const void *data, u32 len)
{
	struct nd_frame f = { .data = data, .len = len };
	struct virtio_net_hdr_v1_hash h = {};
	int ret;

	if (!rx->running || !rx->direct)
		return false;
	if (unlikely(!READ_ONCE(rx->nd->port.net->link_up))) {
		trivio_queue_drop(rx->q, TRIVIO_STAT_DROP_FILTER, 0, len);
		return false;
	}
	h.hdr.num_buffers = (__force __virtio16)cpu_to_le16(1);
	ret = put_frame(rx, &f, &h);
	if (ret == ND_DONE)
		return true;
	if (ret != ND_DROPPED)
		trivio_queue_drop(rx->q, ret < 0 ? TRIVIO_STAT_DROP_FAULT :
				  TRIVIO_STAT_DROP_NOBUF, 0, len);
	return false;
}

/* What the worker did not get to. Nobody produces any more. */
static void fifo_drop(struct nd_rx *rx)
{
	struct sk_buff *skb;

	while ((skb = __ptr_ring_consume(&rx->fifo))) {
		trivio_queue_drop(rx->q, TRIVIO_STAT_DROP_BACKEND, 0, skb->len);
		kfree_skb(skb);
	}
	ptr_ring_cleanup(&rx->fifo, NULL);
}

/**
 * nd_rx_start() - the guest's receive queue goes into service
 * @rx: receive queue
 *
 * Context: may sleep; &trivio_queue.lock held.
 *
 * Return: 0 or -ENOMEM.
 */
int nd_rx_start(struct nd_rx *rx)
{
	struct trivio_queue *q = rx->q;
	struct trivio_net *net = rx->nd->port.net;
	int err;

	rx->direct = q->ops->kick;
	rx->hdr_len = net->hdr_len;
	rx->mergeable = net->mergeable;
	rx->waits = true;
	if (!rx->direct) {
		err = ptr_ring_init(&rx->fifo, ND_FIFO, GFP_KERNEL);
		if (err)
			return err;
	}
	__netif_tx_lock_bh(rx->txq);
	rx->running = true;
	__netif_tx_unlock_bh(rx->txq);
	if (netif_running(rx->nd->ndev))
		netif_tx_wake_queue(rx->txq);
	return 0;
}

/**
 * nd_rx_settled() - frames that were held back are with the guest: say so
 * @rx: receive queue, direct mode
 *
 * Context: process.
 */
void nd_rx_settled(struct nd_rx *rx)
{
	__netif_tx_lock_bh(rx->txq);
	if (rx->running)
		trivio_queue_flush(rx->q);
	__netif_tx_unlock_bh(rx->txq);
}

/**
 * nd_rx_stop() - nothing touches the guest's receive ring any more
 * @rx: receive queue
 *
 * Frames that wait in the interface's queue stay there for a guest that comes
 * back, unless the device as a whole stops: then the carrier goes, and they with
 * it. What waits in the fifo is dropped, and counted.
 *
 * Context: may sleep; &trivio_queue.lock held.
 */
void nd_rx_stop(struct nd_rx *rx)
{
	__netif_tx_lock_bh(rx->txq);
	rx->running = false;
	netif_tx_stop_queue(rx->txq);
	if (rx->direct)
		trivio_queue_flush(rx->q);
	__netif_tx_unlock_bh(rx->txq);
	if (!rx->direct)
		fifo_drop(rx);
}
