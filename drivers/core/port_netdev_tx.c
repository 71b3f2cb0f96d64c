// SPDX-License-Identifier: GPL-2.0-only
/*
 * Own network interface, guest to host: a kick schedules NAPI, which pops a
 * batch, builds skbs from recycled pages and feeds them to GRO; one call
 * decision a batch. Over user memory the queue's worker does the same without
 * NAPI.
 *
 * Whatever the guest wrote is copied first and checked then (net_hdr.c). A bad
 * frame is dropped, with its chain returned and the reason counted.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>
#include <net/page_pool/helpers.h>

#include "core.h"
#include "payload.h"
#include "port_napi.h"
#include "port_netdev.h"
#include "trace.h"

/*
 * Larger frames have their headers in the linear part and the rest in page
 * fragments; up to here all is linear, with skb_shared_info in one page.
 */
#define LINEAR_MAX	(SKB_WITH_OVERHEAD(PAGE_SIZE) - HEADROOM)

/* In front of the frame, for headers that the stack adds. */
#define HEADROOM	(NET_SKB_PAD + NET_IP_ALIGN)

/* Bytes of a fragment of a large frame. */
#define FRAG_SIZE	(PAGE_SIZE << 3)

/**
 * struct nd_job - a frame on its way
 * @tx: queue
 * @c: its chain
 * @raw: header as the guest wrote it
 * @len: bytes of the frame
 */
struct nd_job {
	struct nd_tx *tx;
	struct trivio_chain c;
	u8 raw[TRIVIO_HDR_MAX];
	u32 len;
};

/* --- frame to skb ------------------------------------------------------ */

/* Copy @len bytes of the frame from @off; one segment is a plain copy. */
static bool copy_linear(struct nd_job *j, void *to, u32 len)
{
	const union trivio_seg *seg = j->c.seg;
	u32 hlen = j->tx->hdr_len;

	if (likely(j->tx->q->mem->kind == TRIVIO_MEM_KERNEL)) {
		if (j->c.out_segs == 1) {
			trivio_payload_copy(to, seg->k.iov_base + hlen, len);
			return true;
		}
		if (j->c.out_segs == 2 && seg[0].k.iov_len == hlen) {
			trivio_payload_copy(to, seg[1].k.iov_base, len);
			return true;
		}
	}
	return !trivio_chain_read(j->tx->q, &j->c, hlen, to, len);
}

/*
 * An skb over recycled memory: the kernel's own allocators would clear a page
 * for every fourth frame (init_on_alloc).
 */
static struct sk_buff *alloc_linear(struct nd_job *j, u32 len)
{
	struct nd_tx *tx = j->tx;
	unsigned int size, at;
	struct sk_buff *skb;
	struct page *page;

	if (unlikely(!tx->q->ops->kick))
		return netdev_alloc_skb_ip_align(tx->nd->ndev, len);
	size = SKB_DATA_ALIGN(HEADROOM + len) +
	       SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	page = page_pool_dev_alloc_frag(tx->pool, &at, size);
	if (unlikely(!page))
		return NULL;
	skb = napi_build_skb(page_address(page) + at, size);
	if (unlikely(!skb)) {
		page_pool_put_full_page(tx->pool, page, true);
		return NULL;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, HEADROOM);
	return skb;
}

/* The frame's bytes from @off on go to page fragments. */
static int add_frags(struct nd_job *j, struct sk_buff *skb, u32 off)
{
	while (off < j->len) {
		u32 part = min_t(u32, j->len - off, FRAG_SIZE);
		unsigned int at;
		struct page *page;

		page = page_pool_dev_alloc_frag(j->tx->pool, &at, part);
		if (!page)
			return -ENOMEM;
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, at, part,
				part);
		if (trivio_chain_read(j->tx->q, &j->c, j->tx->hdr_len + off,
				      page_address(page) + at, part))
			return -EFAULT;
		off += part;
	}
	return 0;
}

static struct sk_buff *build_skb_of(struct nd_job *j)
{
	u32 linear = j->len <= LINEAR_MAX ? j->len : TRIVIO_HDR_PEEK;
	struct sk_buff *skb;
	int err = -ENOMEM;

	skb = alloc_linear(j, linear);
	if (unlikely(!skb))
		goto drop;
	err = -EFAULT;
	if (!copy_linear(j, __skb_put(skb, linear), linear))
		goto drop;
	if (linear < j->len) {
		skb_mark_for_recycle(skb);
		err = add_frags(j, skb, linear);
		if (err)
			goto drop;
	}
	return skb;

drop:
	trivio_queue_drop(j->tx->q, err == -ENOMEM ? TRIVIO_STAT_DROP_NOMEM :
			  TRIVIO_STAT_DROP_FAULT, j->c.id, j->len);
	kfree_skb(skb);
	return NULL;
}

/*
 * Offload metadata, after it was compared with the frame. What the kernel's own
 * helper then refuses is refused too.
 */
static bool apply_hdr(struct nd_job *j, struct sk_buff *skb)
{
	struct virtio_net_hdr raw;
	struct trivio_net_hdr h;

	trivio_net_hdr_decode(j->raw, j->tx->hdr_len, &h);
	if (trivio_net_hdr_check(&h, j->tx->q->dev->features, skb->data,
				 skb_headlen(skb), j->len))
		return false;
	memcpy(&raw, j->raw, sizeof(raw));
	return !virtio_net_hdr_to_skb(skb, &raw, true);
}

static void sent(struct nd_job *j)
{
	struct trivio_queue *q = j->tx->q;

	trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
	trivio_stat_add(q, TRIVIO_STAT_BYTES, j->len);
	trivio_stat_inc(q, TRIVIO_STAT_COPIES);
	trace_trivio_xmit(q, j->c.id, j->c.seq, j->len);
}

/* The frame through a native program; NULL if it was not for the stack. */
static struct sk_buff *xdp_skb(struct nd_job *j, struct bpf_prog *prog)
{
	struct nd_tx *tx = j->tx;
	struct sk_buff *skb = NULL;
	struct nd_xdp x;

	if (nd_xdp_alloc(tx, j->len, &x)) {
		trivio_queue_drop(tx->q, TRIVIO_STAT_DROP_NOMEM, j->c.id,
				  j->len);
		return NULL;
	}
	if (!copy_linear(j, x.buff.data, j->len)) {
		nd_xdp_free(tx, &x);
		trivio_queue_drop(tx->q, TRIVIO_STAT_DROP_FAULT, j->c.id,
				  j->len);
		return NULL;
	}
	if (!nd_xdp_run(tx, prog, &x, &skb))
		trivio_queue_drop(tx->q, TRIVIO_STAT_DROP_BACKEND, j->c.id,
				  j->len);
	else if (!skb)
		sent(j);
	return skb;
}

/* The frame through a generic program. */
static struct sk_buff *xdp_generic(struct nd_job *j, struct bpf_prog *prog,
				   struct sk_buff *skb)
{
	if (do_xdp_generic(prog, &skb) == XDP_PASS)
		return skb;
	/* Dropped, or on its way elsewhere: the program's tracepoints tell. */
	trivio_queue_drop(j->tx->q, TRIVIO_STAT_DROP_BACKEND, j->c.id, j->len);
	return NULL;
}

/*
 * An skb of the frame, ready for the stack; or NULL, with the drop counted or
 * the frame gone elsewhere.
 *
 * Context: RCU reader or soft interrupt, for @prog.
 */
static struct sk_buff *frame_skb(struct nd_job *j, struct bpf_prog *prog)
{
	bool plain = trivio_net_hdr_plain(j->raw[0], j->raw[1]);
	bool native = prog && j->tx->q->ops->kick &&
		      nd_xdp_native(plain, j->len);
	struct sk_buff *skb;

	skb = unlikely(native) ? xdp_skb(j, prog) : build_skb_of(j);
	if (unlikely(!skb))
		return NULL;
	if (unlikely(!plain) &&
	    !apply_hdr(j, skb)) {
		trivio_queue_drop(j->tx->q, TRIVIO_STAT_DROP_FORMAT, j->c.id,
				  j->len);
		kfree_skb(skb);
		return NULL;
	}
	/* A program may have left less than an Ethernet header. */
	if (unlikely(native && !pskb_may_pull(skb, ETH_HLEN))) {
		trivio_queue_drop(j->tx->q, TRIVIO_STAT_DROP_BACKEND, j->c.id,
				  j->len);
		kfree_skb(skb);
		return NULL;
	}
	skb->protocol = eth_type_trans(skb, j->tx->nd->ndev);
	skb_record_rx_queue(skb, j->tx->pair);
	if (unlikely(prog && !native))
		return xdp_generic(j, prog, skb);
	return skb;
}

/* The chain's shape and header; false with the drop counted. */
static bool read_hdr(struct nd_job *j)
{
	struct trivio_chain *c = &j->c;
	u32 hlen = j->tx->hdr_len;

	if (unlikely(c->nin || c->out_len < hlen + TRIVIO_FRAME_MIN ||
		     c->out_len > hlen + TRIVIO_FRAME_MAX)) {
		trivio_queue_drop(j->tx->q, TRIVIO_STAT_DROP_FORMAT, c->id,
				  c->out_len);
		return false;
	}
	j->len = c->out_len - hlen;
	if (likely(c->seg->k.iov_len >= hlen &&
		   j->tx->q->mem->kind == TRIVIO_MEM_KERNEL)) {
		memcpy(j->raw, c->seg->k.iov_base, hlen);
		return true;
	}
	if (trivio_chain_read(j->tx->q, c, 0, j->raw, hlen)) {
		trivio_queue_drop(j->tx->q, TRIVIO_STAT_DROP_FAULT, c->id,
				  c->out_len);
		return false;
	}
	return true;
}

/* Remember where the flow was seen, for nd_select_queue(). */
static void learn_flow(struct nd_tx *tx, struct sk_buff *skb)
{
	u16 *flow;

	if (READ_ONCE(tx->nd->port.net->pairs) <= 1)
		return;
	/* What the hash is taken from begins there. */
	skb_reset_network_header(skb);
	flow = nd_flow(tx->nd, skb);
	if (READ_ONCE(*flow) != tx->pair)
		WRITE_ONCE(*flow, tx->pair);
}

/* Why a frame of the guest goes nowhere now: a drop reason, or 0 if it does. */
static enum trivio_stat nd_closed(const struct nd_tx *tx)
{
	if (unlikely(!READ_ONCE(tx->nd->port.net->link_up)))
		return TRIVIO_STAT_DROP_FILTER;
	return netif_running(tx->nd->ndev) ? 0 : TRIVIO_STAT_DROP_BACKEND;
}

/* A chain's header is read, and the frame may go somewhere; or the drop is counted. */
static bool frame_open(struct nd_job *j, enum trivio_stat closed)
{
	if (!read_hdr(j))
		return false;
	if (unlikely(closed)) {
		trivio_queue_drop(j->tx->q, closed, j->c.id, j->len);
		return false;
	}
	return true;
}

/* The frame goes up, if there is one. */
static struct sk_buff *frame_sent(struct nd_job *j, struct sk_buff *skb)
{
	if (likely(skb)) {
		learn_flow(j->tx, skb);
		sent(j);
	}
	return skb;
}

/* --- direct mode ------------------------------------------------------- */

/*
 * A frame on its own (there is nothing to merge it with) goes up at once, and what
 * the host answers is in the receive ring when this returns. If the guest is called
 * for that, it looks at its sent frames, too; the call for this one is put off: most
 * often it is not wanted any more when it is decided on.
 *
 * True if it was put off.
 */
static bool poll_lone(struct nd_job *j, struct sk_buff *skb)
{
	struct trivio_queue *rxq = j->tx->nd->pair[j->tx->pair].rx.q;
	u64 calls;

	trivio_queue_push(j->tx->q, &j->c, 0);
	trivio_queue_publish(j->tx->q);
	/* The guest that is called from here on finds the frame sent. */
	calls = READ_ONCE(rxq->stat[TRIVIO_STAT_CALLS]);
	if (likely(skb))
		netif_receive_skb(skb);
	return READ_ONCE(rxq->stat[TRIVIO_STAT_CALLS]) != calls;
}

/* Longest time to put off a call: a tick. */
static void poll_put_off(struct nd_tx *tx)
{
	if (tx->q->call_due && !timer_pending(&tx->late))
		mod_timer(&tx->late, jiffies + 1);
}

/**
 * nd_tx_late() - a call was put off for long enough
 * @timer: &nd_tx.late
 */
void nd_tx_late(struct timer_list *timer)
{
	struct nd_tx *tx = from_timer(tx, timer, late);

	if (READ_ONCE(tx->q->call_due))
		napi_schedule(&tx->napi);
}

/**
 * nd_poll() - NAPI: the guest's transmit ring
 * @napi: of a pair
 * @budget: most frames
 *
 * Ends with kicks on if the ring is empty; a kick that comes before NAPI is
 * complete makes it run again (NAPI_STATE_MISSED).
 *
 * Return: frames taken; @budget if there may be more.
 */
int nd_poll(struct napi_struct *napi, int budget)
{
	struct nd_tx *tx = container_of(napi, struct nd_tx, napi);
	enum trivio_stat closed = nd_closed(tx);
	struct trivio_queue *q = tx->q;
	struct nd_job j = { .tx = tx };
	struct bpf_prog *prog;
	struct sk_buff *skb;
	bool off = false;
	int done = 0;

	if (unlikely(!budget))
		return 0;
	prog = rcu_dereference_bh(tx->nd->prog);
	trivio_stat_inc(q, TRIVIO_STAT_WAKEUPS);
	trace_trivio_wake(q);
	/* What was put off is decided on by the next turn. */
	trivio_queue_call_due(q);
	trivio_ring_kick_disable(&q->ring);
	trivio_chain_init(q, &j.c);
	while (done < budget) {
		if (trivio_queue_next(q, &j.c) <= 0)
			break;
		skb = frame_open(&j, closed) ?
		      frame_sent(&j, frame_skb(&j, prog)) : NULL;
		if (!done++ && trivio_ring_empty(&q->ring)) {
			off = poll_lone(&j, skb);
			continue;
		}
		if (likely(skb))
			napi_gro_receive(napi, skb);
		trivio_queue_push(q, &j.c, 0);
	}
	if (unlikely(prog))
		nd_xdp_flush(tx);
	if (off && done == 1)
		poll_put_off(tx);
	else
		trivio_queue_flush(q);
	if (done == budget) {
		trivio_stat_inc(q, TRIVIO_STAT_RESCHEDULES);
		return budget;
	}
	napi_complete_done(napi, done);
	return done;
}

/**
 * nd_tx_kick() - the guest wants to send
 * @tx: transmit queue, direct mode
 *
 * Context: any.
 */
void nd_tx_kick(struct nd_tx *tx)
{
	port_napi_kick(&tx->napi, &tx->irq);
}

/* --- worker mode ------------------------------------------------------- */

/* Programs are generic here: guest memory can't be read under RCU. */
static struct sk_buff *worker_xdp(struct nd_job *j, struct sk_buff *skb)
{
	struct bpf_prog *prog;

	rcu_read_lock_bh();
	prog = rcu_dereference_bh(j->tx->nd->prog);
	if (prog)
		skb = xdp_generic(j, prog, skb);
	rcu_read_unlock_bh();
	return skb;
}

/* One chain; its skb, or NULL. */
static struct sk_buff *serve_one(struct nd_job *j, enum trivio_stat closed)
{
	struct sk_buff *skb;

	if (!frame_open(j, closed))
		return NULL;
	skb = frame_skb(j, NULL);
	if (skb && unlikely(rcu_access_pointer(j->tx->nd->prog)))
		skb = worker_xdp(j, skb);
	return frame_sent(j, skb);
}

/**
 * nd_tx_serve() - worker mode: one turn
 * @tx: transmit queue
 *
 * Context: worker, under the owner's mm, &trivio_queue.lock held.
 *
 * Return: true if there is more to do.
 */
bool nd_tx_serve(struct nd_tx *tx)
{
	enum trivio_stat closed = nd_closed(tx);
	struct trivio_queue *q = tx->q;
	struct nd_job j = { .tx = tx };
	struct sk_buff *skb;
	LIST_HEAD(list);
	int i, n = 1;

	trivio_ring_kick_disable(&q->ring);
	trivio_chain_init(q, &j.c);
	for (i = 0; i < ND_BUDGET; i++) {
		n = trivio_queue_next(q, &j.c);
		if (n <= 0)
			break;
		skb = serve_one(&j, closed);
		if (skb)
			list_add_tail(&skb->list, &list);
		trivio_queue_push(q, &j.c, 0);
	}
	local_bh_disable();
	netif_receive_skb_list(&list);
	local_bh_enable();
	trivio_queue_flush(q);
	return n > 0;
}
