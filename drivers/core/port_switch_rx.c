// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switch port: a frame into a guest's receive ring, straight from the sender's
 * buffers.
 *
 * A guest that has no buffers loses the frame, counted at its queue: a switch
 * that waited for one guest would let it stop the others.
 */
#include <linux/etherdevice.h>
#include <net/flow_dissector.h>

#include "core.h"
#include "payload.h"
#include "port_switch.h"
#include "trace.h"

/* --- copying ----------------------------------------------------------- */

/**
 * struct src - how far a frame was read
 * @f: frame
 * @pos: next byte of the frame
 * @seg: segment that it is in
 * @at: and where in it; valid once @pos is past the head
 */
struct src {
	const struct sw_frame *f;
	u32 pos;
	u16 seg;
	size_t at;
};

static void src_begin(struct src *s, const struct sw_frame *f)
{
	s->f = f;
	s->pos = 0;
	s->seg = 0;
	s->at = (size_t)f->off + f->head_len;
}

/* The next @len bytes; they are there, as the chain's length was checked. */
static void src_copy(struct src *s, void *to, u32 len)
{
	const struct sw_frame *f = s->f;
	u32 part;

	if (s->pos < f->head_len) {
		part = min(len, f->head_len - s->pos);
		trivio_payload_copy(to, f->head + s->pos, part);
		s->pos += part;
		to += part;
		len -= part;
	}
	while (len && s->seg < f->nseg) {
		const struct kvec *k = &f->seg[s->seg].k;

		if (s->at >= k->iov_len) {
			s->at -= k->iov_len;
			s->seg++;
			continue;
		}
		part = min_t(size_t, len, k->iov_len - s->at);
		trivio_payload_copy(to, k->iov_base + s->at, part);
		s->at += part;
		s->pos += part;
		to += part;
		len -= part;
	}
}

/* @len bytes to the writable part of @c, from its byte @at on. */
static void fill_chain(const struct trivio_chain *c, u32 at, struct src *s,
		       u32 len)
{
	u16 i;

	for (i = c->out_segs; i < c->out_segs + c->in_segs && len; i++) {
		const struct kvec *k = &c->seg[i].k;
		u32 part;

		if (at >= k->iov_len) {
			at -= k->iov_len;
			continue;
		}
		part = min_t(size_t, len, k->iov_len - at);
		src_copy(s, k->iov_base + at, part);
		at = 0;
		len -= part;
	}
}

/* --- header ------------------------------------------------------------ */

static void hash_fill(const struct sw_port *to, const struct sw_frame *f,
		      struct trivio_net_hdr *h)
{
	const struct trivio_net_rss *r = rcu_dereference(to->ctrl->rss);

	if (r)
		h->hash_value = trivio_rss_hash(&r->rss.key, r->rss.types,
						f->head, f->head_len,
						&h->hash_report);
}

static void hdr_fill(const struct sw_port *to, const struct sw_rx *rx,
		     const struct sw_frame *f, u16 n, u8 *raw)
{
	struct trivio_net_hdr h;

	if (likely(trivio_net_hdr_plain(f->h.flags, f->h.gso_type) &&
		   rx->hdr_len == TRIVIO_HDR_V1)) {
		memset(raw, 0, TRIVIO_HDR_V1);
		trivio_put_le16(raw + TRIVIO_HDR_NUM_BUFFERS, n);
		return;
	}
	h = f->h;
	h.num_buffers = n;
	h.hash_value = 0;
	h.hash_report = VIRTIO_NET_HASH_REPORT_NONE;
	if (rx->hdr_len == TRIVIO_HDR_HASH)
		hash_fill(to, f, &h);
	trivio_net_hdr_encode(&h, raw, rx->hdr_len);
}

/* --- steering ---------------------------------------------------------- */

static u16 *flow_slot(struct sw_port *p, const struct sw_frame *f)
{
	const struct ethhdr *eth = (const struct ethhdr *)f->head;
	struct flow_keys keys;

	memset(&keys, 0, sizeof(keys));
	__skb_flow_dissect(&init_net, NULL, &flow_keys_dissector, &keys,
			   f->head, eth->h_proto, ETH_HLEN, f->head_len, 0);
	/* The same for both directions of a flow. */
	return &p->flow[flow_hash_from_keys(&keys) & (SW_FLOWS - 1)];
}

/**
 * sw_flow_learn() - remember on which pair a guest sends a flow
 * @p: port
 * @pair: pair
 * @f: frame of the flow
 *
 * Context: soft interrupt, RCU reader.
 */
void sw_flow_learn(struct sw_port *p, u16 pair, const struct sw_frame *f)
{
	u16 *slot;

	if (READ_ONCE(p->port.net->pairs) <= 1)
		return;
	slot = flow_slot(p, f);
	if (READ_ONCE(*slot) != pair)
		WRITE_ONCE(*slot, pair);
}

/*
 * The driver's RSS table; without one the pair on which the guest last sent the
 * same flow (virtio 1.2, 5.1.6.5.5.1).
 */
static struct sw_rx *steer(struct sw_port *to, const struct sw_frame *f)
{
	u16 pairs = READ_ONCE(to->port.net->pairs), report, pair;
	const struct trivio_net_rss *r;
	u32 hash;

	if (likely(pairs <= 1))
		return &to->pair->rx;
	r = rcu_dereference(to->ctrl->rss);
	if (r && r->rss.steer) {
		hash = trivio_rss_hash(&r->rss.key, r->rss.types, f->head,
				       f->head_len, &report);
		pair = report == VIRTIO_NET_HASH_REPORT_NONE ?
		       r->rss.unclassified : r->rss.table[hash & r->rss.mask];
	} else {
		pair = READ_ONCE(*flow_slot(to, f)) % pairs;
	}
	if (pair >= to->npairs || !READ_ONCE(to->pair[pair].rx.running))
		pair = 0;
	return &to->pair[pair].rx;
}

/* --- delivery ---------------------------------------------------------- */

static void fill(struct sw_port *to, struct sw_rx *rx,
		 const struct sw_frame *f, u16 n)
{
	u32 total = f->len + rx->hdr_len, at = rx->hdr_len, part, i;
	struct trivio_queue *q = rx->q;
	u8 raw[TRIVIO_HDR_MAX];
	struct src s;

	hdr_fill(to, rx, f, n, raw);
	src_begin(&s, f);
	trivio_chain_write(q, rx->chain, 0, raw, rx->hdr_len);
	for (i = 0; i < n; i++) {
		struct trivio_chain *c = &rx->chain[i];

		part = min(total, c->in_len);
		fill_chain(c, at, &s, part - at);
		total -= part;
		at = 0;
	}
	trivio_net_rx_push(q, rx->chain, n, f->len + rx->hdr_len);
}

/* Why a frame is dropped: the queue broke, or it has no buffer for it (yet). */
static enum trivio_stat no_room(int err)
{
	return err && err != -EAGAIN && err != -ENOSPC ?
	       TRIVIO_STAT_DROP_FAULT : TRIVIO_STAT_DROP_NOBUF;
}

/*
 * Under the ring's lock.
 *
 * Return: 0, or the reason for which the frame is dropped.
 */
static enum trivio_stat put(struct sw_port *to, struct sw_rx *rx,
			    const struct sw_frame *f)
{
	struct trivio_queue *q = rx->q;
	struct trivio_chain *c = rx->chain;
	u32 total = f->len + rx->hdr_len;
	int n;

	n = trivio_net_rx_first(q, c, rx->hdr_len);
	if (unlikely(n <= 0))
		return no_room(n);
	if (likely(c->in_segs == 1 && c->in_len >= total)) {
		u8 *buf = c->seg->k.iov_base;
		struct src s;

		hdr_fill(to, rx, f, 1, buf);
		src_begin(&s, f);
		src_copy(&s, buf + rx->hdr_len, f->len);
		trivio_queue_push(q, c, total);
		return 0;
	}
	n = trivio_net_rx_more(q, c, rx->mergeable, total);
	if (unlikely(n <= 0))
		return no_room(n);
	fill(to, rx, f, n);
	return 0;
}

/**
 * sw_deliver() - a frame to a guest
 * @to: its port
 * @f: frame; its driver takes the offloads it needs, or sw_deliver_soft() did
 *	them
 *
 * A drop is counted at the guest's queue. The guest is called by sw_flush().
 *
 * Context: soft interrupt, RCU reader.
 *
 * Return: false if its driver does not receive; then nothing is counted.
 */
bool sw_deliver(struct sw_port *to, const struct sw_frame *f)
{
	struct sw_rx *rx = steer(to, f);
	struct trivio_queue *q = rx->q;
	enum trivio_stat why;

	spin_lock(&rx->lock);
	if (unlikely(!rx->running)) {
		spin_unlock(&rx->lock);
		return false;
	}
	if (unlikely(!READ_ONCE(to->port.net->link_up)) ||
	    unlikely(!trivio_net_filter(to->ctrl, f->head, f->head_len)))
		why = TRIVIO_STAT_DROP_FILTER;
	else
		why = put(to, rx, f);
	if (unlikely(why))
		trivio_queue_drop(q, why, 0, f->len);
	else
		trivio_net_rx_count(q, rx->chain, f->len);
	spin_unlock(&rx->lock);
	return true;
}

/**
 * sw_flush() - call a guest for what it was given
 * @to: its port
 *
 * Context: soft interrupt.
 */
void sw_flush(struct sw_port *to)
{
	u16 i;

	for (i = 0; i < to->npairs; i++) {
		struct sw_rx *rx = &to->pair[i].rx;

		spin_lock(&rx->lock);
		if (rx->running)
			trivio_queue_flush(rx->q);
		spin_unlock(&rx->lock);
	}
}
