// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a socket to the guest's receive ring.
 *
 * A tap's frames are taken off its ring in batches. Once the tap has delivered
 * one frame itself (so that its header is known to be the one the driver
 * negotiated), plain frames are copied straight from skb to guest memory.
 * VLAN-tagged skbs, XDP frames and sockets without a ring go through recvmsg().
 */
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/ptr_ring.h>
#include <linux/skb_array.h>
#include <linux/uaccess.h>
#include <linux/virtio_net.h>
#include <net/sock.h>
#include <net/xdp.h>

#include "core.h"
#include "port_sock.h"
#include "trace.h"

/* --- the socket's side ------------------------------------------------- */

static bool rx_plain(void *ptr)
{
	return !tun_is_xdp_frame(ptr) &&
	       !skb_vlan_tag_present((struct sk_buff *)ptr);
}

/*
 * Take a batch off the tap's ring. tun counts what it reads; what is going to
 * be copied past it is counted here in its stead. The RCU section is what keeps
 * skb->dev: the ring is emptied before its device can go.
 */
static int rx_fetch(struct sock_port *p)
{
	struct net_device *dev = NULL;
	u64 bytes = 0, packets = 0;
	int i, n;

	rcu_read_lock();
	n = ptr_ring_consume_batched(p->ring, p->rx, SOCK_BATCH);
	if (n && p->tun && p->direct) {
		for (i = 0; i < n; i++) {
			struct sk_buff *skb = p->rx[i];

			if (!rx_plain(skb))
				continue;
			dev = skb->dev;
			bytes += skb->len;
			packets++;
		}
		if (packets && dev &&
		    dev->pcpu_stat_type == NETDEV_PCPU_STAT_TSTATS) {
			preempt_disable();
			dev_sw_netstats_tx_add(dev, packets, bytes);
			preempt_enable();
		}
	}
	rcu_read_unlock();
	p->rx_head = 0;
	p->rx_tail = n;
	return n;
}

static u32 rx_len(void *ptr)
{
	return unlikely(tun_is_xdp_frame(ptr)) ? tun_ptr_to_xdp(ptr)->len :
						 __skb_array_len_with_tag(ptr);
}

/*
 * Is there a frame? *@len: its bytes without header. A packet socket on a device
 * without a link layer may have one of none.
 */
static bool rx_peek(struct sock_port *p, void **ptr, u32 *len)
{
	struct sk_buff *skb;
	unsigned long flags;

	*ptr = NULL;
	if (p->ring) {
		if (p->rx_head == p->rx_tail && !rx_fetch(p))
			return false;
		*ptr = p->rx[p->rx_head];
		*len = rx_len(*ptr);
		return true;
	}
	spin_lock_irqsave(&p->sock->sk->sk_receive_queue.lock, flags);
	skb = skb_peek(&p->sock->sk->sk_receive_queue);
	if (skb)
		*len = __skb_array_len_with_tag(skb);
	spin_unlock_irqrestore(&p->sock->sk->sk_receive_queue.lock, flags);
	return skb;
}

static void rx_free_bulk(struct sock_port *p)
{
	int i;

	if (!p->nfree)
		return;
	local_bh_disable();
	for (i = 0; i < p->nfree; i++)
		napi_consume_skb(p->free[i], 1);
	local_bh_enable();
	p->nfree = 0;
}

static void rx_done(struct sock_port *p, struct sk_buff *skb)
{
	p->free[p->nfree++] = skb;
	if (p->nfree == SOCK_BATCH)
		rx_free_bulk(p);
}

/* Drop the next frame of the socket. */
static void rx_discard(struct sock_port *p, void *ptr)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct kvec none = {};

	if (ptr) {
		p->rx_head++;
		tun_ptr_free(ptr);
		return;
	}
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &none, 0, 0);
	p->sock->ops->recvmsg(p->sock, &msg, 0, MSG_DONTWAIT | MSG_TRUNC);
}

/*
 * What a tap's ring has no room for any more. ptr_ring_unconsume() tells its
 * callback the frame and nothing else, so whoever calls it owns this.
 */
static DEFINE_MUTEX(rx_homeless_lock);
static void *rx_homeless[SOCK_BATCH];	/* under rx_homeless_lock */
static int rx_homeless_n;		/* likewise */

static void rx_homeless_add(void *ptr)
{
	rx_homeless[rx_homeless_n++] = ptr;
}

/*
 * Frames that were taken and not delivered go back to the tap's ring. It may
 * have filled meanwhile: the others are lost.
 */
void sock_rx_stop(struct sock_port *p)
{
	int i;

	lockdep_assert_held(&p->q->lock);
	rx_free_bulk(p);
	if (p->ring && p->rx_head != p->rx_tail) {
		mutex_lock(&rx_homeless_lock);
		rx_homeless_n = 0;
		ptr_ring_unconsume(p->ring, p->rx + p->rx_head,
				   p->rx_tail - p->rx_head, rx_homeless_add);
		for (i = 0; i < rx_homeless_n; i++) {
			trivio_queue_drop(p->q, TRIVIO_STAT_DROP_BACKEND, 0,
					  rx_len(rx_homeless[i]));
			tun_ptr_free(rx_homeless[i]);
		}
		mutex_unlock(&rx_homeless_lock);
	}
	p->rx_head = 0;
	p->rx_tail = 0;
}

/* --- the guest's side -------------------------------------------------- */

static void rx_give_back(struct trivio_queue *q, const struct rx_chain *list,
			 int n)
{
	struct trivio_chain c = {};

	while (n--) {
		c.id = list[n].id;
		c.slots = list[n].slots;
		trivio_queue_unpop(q, &c);
	}
}

/*
 * Collect chains until @need bytes fit.
 *
 * Returns their number; 0 if the guest has too few buffers (kicks are on, the
 * driver's next buffer will bring one); -ENOBUFS if no number of buffers will
 * do: the frame must go; or the error that broke the queue.
 */
static int rx_collect(struct sock_port *p, struct trivio_queue *q, u32 need,
		      struct rx_chain *list, int *segs)
{
	int max = p->port.net->mergeable ? TRIVIO_CHAIN_MAX : 1;
	int n = 0, seg = 0, desc = 0, tries = 0, err;
	struct trivio_chain c;
	u64 total = 0;

	while (total < need) {
		if (n == max || seg == TRIVIO_CHAIN_MAX) {
			err = -ENOBUFS;
			goto err_back;
		}
		c.desc = q->desc + desc;
		c.desc_max = TRIVIO_CHAIN_MAX - desc;
		c.seg = q->seg + seg;
		c.seg_max = TRIVIO_CHAIN_MAX - seg;
		err = trivio_queue_pop(q, &c);
		if (unlikely(err < 0))
			goto err_back;
		if (!err) {
			/*
			 * Asked while the ring looks empty, so that what is
			 * left over from this try is not taken for new.
			 */
			if (trivio_queue_dry(q, tries++))
				continue;
			goto err_back;
		}
		if (unlikely(c.nout || !c.nin)) {
			trivio_queue_unpop(q, &c);
			trivio_queue_error(q, TRIVIO_ERR_FORMAT, c.id, 0);
			err = -EINVAL;
			goto err_back;
		}
		list[n].id = c.id;
		list[n].slots = c.slots;
		list[n].nin = c.nin;
		list[n].desc = desc;
		list[n].room = c.in_len;
		n++;
		seg += c.in_segs;
		desc += c.nin;
		total += c.in_len;
	}
	*segs = seg;
	return n;

err_back:
	rx_give_back(q, list, n);
	return err;
}

static void rx_push(struct sock_port *p, struct trivio_queue *q,
		    const struct rx_chain *list, int n, u32 len)
{
	struct trivio_chain c = {};
	u64 seq = q->seq - n;
	int i;

	for (i = 0; i < n; i++) {
		u32 part = min(len, list[i].room);

		c.id = list[i].id;
		c.slots = list[i].slots;
		c.nin = list[i].nin;
		c.desc = q->desc + list[i].desc;
		c.seq = seq + i;
		trivio_queue_push(q, &c, part);
		len -= part;
	}
}

/* --- one frame --------------------------------------------------------- */

static void rx_iter(struct trivio_queue *q, int segs, size_t len,
		    struct iov_iter *iter)
{
	if (q->mem->kind == TRIVIO_MEM_USER)
		iov_iter_init(iter, ITER_DEST, &q->seg->u, segs, len);
	else
		iov_iter_kvec(iter, ITER_DEST, &q->seg->k, segs, len);
}

static int rx_make_header(struct sk_buff *skb,
			  struct virtio_net_hdr_mrg_rxbuf *hdr, u16 nbufs)
{
	if (likely(!skb_is_gso(skb) && skb->ip_summed == CHECKSUM_NONE))
		memset(&hdr->hdr, 0, sizeof(hdr->hdr));
	else if (virtio_net_hdr_from_skb(skb, &hdr->hdr, true, true, 0))
		return -EINVAL;
	hdr->num_buffers = (__force __virtio16)cpu_to_le16(nbufs);
	return 0;
}

/* One small linear frame into one buffer: two stores and a copy. */
static int rx_copy_fast(struct trivio_queue *q, struct sk_buff *skb,
			const struct virtio_net_hdr_mrg_rxbuf *hdr, u32 hlen)
{
	void __user *to = q->seg->u.iov_base;

	/* access_ok() was checked when the range was mapped. */
	if (raw_copy_to_user(to, hdr, hlen))
		return -EFAULT;
	return raw_copy_to_user(to + hlen, skb->data, skb->len) ? -EFAULT : 0;
}

/* Straight from the skb. Consumes it if it returns 0. */
static int rx_direct(struct sock_port *p, struct trivio_queue *q,
		     struct sk_buff *skb, int nbufs, int segs, u32 total)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	u32 hlen = sock_hlen(p);
	struct iov_iter iter;
	int err;

	err = rx_make_header(skb, &hdr, nbufs);
	if (unlikely(err))
		return err;
	if (likely(segs == 1 && !skb_is_nonlinear(skb) &&
		   hlen <= sizeof(hdr) && q->mem->kind == TRIVIO_MEM_USER)) {
		err = rx_copy_fast(q, skb, &hdr, hlen);
		if (unlikely(err))
			return err;
	} else {
		rx_iter(q, segs, total, &iter);
		if (copy_to_iter(&hdr, min_t(u32, hlen, sizeof(hdr)), &iter) !=
		    min_t(u32, hlen, sizeof(hdr)))
			return -EFAULT;
		if (hlen > sizeof(hdr) &&
		    iov_iter_zero(hlen - sizeof(hdr), &iter) !=
		    hlen - sizeof(hdr))
			return -EFAULT;
		if (skb_copy_datagram_iter(skb, 0, &iter, skb->len))
			return -EFAULT;
	}
	p->rx_head++;
	rx_done(p, skb);
	return 0;
}

static int rx_write_at(struct trivio_queue *q, int segs, u32 total, u32 off,
		       const void *src, u32 len)
{
	struct iov_iter iter;

	rx_iter(q, segs, total, &iter);
	iov_iter_advance(&iter, off);
	return copy_to_iter(src, len, &iter) == len ? 0 : -EFAULT;
}

/* Through the socket. The frame is consumed, whatever comes of it. */
static int rx_recvmsg(struct sock_port *p, struct trivio_queue *q, void *ptr,
		      int nbufs, int segs, u32 total)
{
	struct virtio_net_hdr none = {};
	u32 skip = ring_hlen(p);
	__le16 num = cpu_to_le16(nbufs);
	struct msghdr msg = {
		.msg_control = ptr,
		.msg_flags = MSG_DONTWAIT,
	};
	int got;

	rx_iter(q, segs, total, &msg.msg_iter);
	iov_iter_advance(&msg.msg_iter, skip);
	if (ptr)
		p->rx_head++;
	got = p->sock->ops->recvmsg(p->sock, &msg, total - skip,
				    MSG_DONTWAIT | MSG_TRUNC);
	if (got != total - skip)
		return -EINVAL;
	if (skip && rx_write_at(q, segs, total, 0, &none, sizeof(none)))
		return -EFAULT;
	/*
	 * The field exists, and a driver may look at it, whenever the header
	 * has 12 bytes (virtio 1.2, 5.1.6.1).
	 */
	if (p->port.net->hdr_len > sizeof(none) &&
	    rx_write_at(q, segs, total, sizeof(none), &num, sizeof(num)))
		return -EFAULT;
	p->direct = p->ring && !skip;
	return 0;
}

static int rx_deliver(struct sock_port *p, struct trivio_queue *q, void *ptr,
		      int nbufs, int segs, u32 total)
{
	int err;

	if (likely(p->direct && rx_plain(ptr))) {
		err = rx_direct(p, q, ptr, nbufs, segs, total);
		if (unlikely(err))
			rx_discard(p, ptr);
		return err;
	}
	return rx_recvmsg(p, q, ptr, nbufs, segs, total);
}

/* --- a turn ------------------------------------------------------------ */

static void rx_flush(struct sock_port *p, struct trivio_queue *q)
{
	trivio_queue_flush(q);
	rx_free_bulk(p);
}

/*
 * Deliver one frame of @len bytes.
 *
 * Returns 1 if it is done with, delivered or dropped; 0 if it waits for
 * buffers; or the error that broke the queue.
 */
static int rx_one(struct sock_port *p, struct trivio_queue *q, void *ptr,
		  u32 len)
{
	struct rx_chain *list = p->list;
	u32 total = len + p->port.net->hdr_len;
	int n, segs, err;

	n = rx_collect(p, q, total, list, &segs);
	if (n == -ENOBUFS) {
		rx_discard(p, ptr);
		trivio_queue_drop(q, TRIVIO_STAT_DROP_NOBUF, 0, len);
		return 1;
	}
	if (n <= 0)
		return n;

	err = rx_deliver(p, q, ptr, n, segs, total);
	if (unlikely(err)) {
		rx_give_back(q, list, n);
		trivio_queue_drop(q, err == -EFAULT ? TRIVIO_STAT_DROP_FAULT :
						      TRIVIO_STAT_DROP_FORMAT,
				  list[0].id, len);
		return 1;
	}
	trace_trivio_recv(q, list[0].id, q->seq - n, len);
	rx_push(p, q, list, n, total);
	trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
	trivio_stat_inc(q, TRIVIO_STAT_COPIES);
	trivio_stat_add(q, TRIVIO_STAT_BYTES, len);
	return 1;
}

/**
 * sock_serve_rx() - one turn from the socket to the guest
 * @port: the port
 * @q: receive queue
 *
 * Context: the queue's worker, with its lock.
 *
 * Return: true if the budget ended before the socket did.
 */
bool sock_serve_rx(struct trivio_port *port, struct trivio_queue *q)
{
	struct sock_port *p = to_sock_port(port);
	u32 packets = 0, bytes = 0, len;
	void *ptr;
	int n;

	sock_turn_begin(p);
	trivio_ring_kick_disable(&q->ring);

	while (packets < SOCK_PACKETS && bytes < SOCK_BYTES) {
		if (q->ring.pending >= SOCK_BATCH)
			trivio_queue_flush(q);
		if (!rx_peek(p, &ptr, &len)) {
			rx_flush(p, q);
			if (sock_busy_poll(p, q))
				continue;
			if (sock_turn_lazy(p, q, packets))
				return true;
			if (sock_rearm(p))
				continue;
			return false;
		}
		packets++;
		if (unlikely(!len)) {
			rx_discard(p, ptr);
			trivio_queue_drop(q, TRIVIO_STAT_DROP_FORMAT, 0, 0);
			continue;
		}
		n = rx_one(p, q, ptr, len);
		if (n <= 0) {
			rx_flush(p, q);
			return false;
		}
		bytes += len + p->port.net->hdr_len;
	}
	rx_flush(p, q);
	return true;
}
