// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switch port: what a guest sends. A kick schedules NAPI, which pops a batch,
 * looks where each frame goes, and hands it to the receiving side; one call to
 * each guest that got frames, when the batch is over.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/unaligned.h>

#include "core.h"
#include "payload.h"
#include "port_switch.h"
#include "trace.h"

/* --- header and first bytes -------------------------------------------- */

/* What a driver must have accepted to get a frame with this header. */
static u64 hdr_needs(const struct trivio_net_hdr *h)
{
	u64 needs = 0;

	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		needs |= BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		needs |= BIT_ULL(VIRTIO_NET_F_GUEST_ECN);
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		needs |= BIT_ULL(VIRTIO_NET_F_GUEST_TSO4);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		needs |= BIT_ULL(VIRTIO_NET_F_GUEST_TSO6);
		break;
	default:
		needs |= BIT_ULL(VIRTIO_NET_F_GUEST_USO4) |
			 BIT_ULL(VIRTIO_NET_F_GUEST_USO6);
	}
	return needs;
}

/* Copies are private from here on: the guest may write while we look. */
static enum trivio_stat frame_read(struct sw_tx *tx, struct sw_frame *f)
{
	struct trivio_chain *c = &tx->c;
	u32 hlen = tx->hdr_len;

	if (unlikely(c->nin || c->out_len < hlen + TRIVIO_FRAME_MIN ||
		     c->out_len > hlen + TRIVIO_FRAME_MAX))
		return TRIVIO_STAT_DROP_FORMAT;
	f->len = c->out_len - hlen;
	f->seg = c->seg;
	f->nseg = c->out_segs;
	f->off = hlen;
	f->head = tx->head;
	f->needs = 0;
	if (likely(c->seg->k.iov_len >= hlen))
		memcpy(tx->raw, c->seg->k.iov_base, hlen);
	else
		trivio_chain_read(tx->q, c, 0, tx->raw, hlen);

	if (likely(trivio_net_hdr_plain(tx->raw[0], tx->raw[1]))) {
		memset(&f->h, 0, sizeof(f->h));
	} else {
		trivio_net_hdr_decode(tx->raw, hlen, &f->h);
		f->h.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	}
	f->head_len = min_t(u32, f->len, TRIVIO_HDR_PEEK);
	if (likely(c->seg->k.iov_len >= hlen + f->head_len))
		trivio_payload_copy(tx->head, c->seg->k.iov_base + hlen,
				    f->head_len);
	else
		trivio_chain_read(tx->q, c, hlen, tx->head, f->head_len);
	if (unlikely(f->h.flags | f->h.gso_type)) {
		if (trivio_net_hdr_check(&f->h, tx->q->dev->features, tx->head,
					 f->head_len, f->len))
			return TRIVIO_STAT_DROP_FORMAT;
		/* The sender's hint says too little or too much; ours is true. */
		f->h.hdr_len = f->head_len;
		f->needs = hdr_needs(&f->h);
	}
	return 0;
}

/* --- where it goes ----------------------------------------------------- */

static bool give(struct sw_tx *tx, struct sw_port *to, const struct sw_frame *f)
{
	__set_bit(to->id, tx->touched);
	if (likely(!(f->needs & ~READ_ONCE(to->features))))
		return sw_deliver(to, f);
	return sw_deliver_soft(tx, to, f);
}

static enum trivio_stat flood(struct sw_tx *tx, const struct sw_frame *f)
{
	struct trivio_switch *sw = tx->p->sw;
	u16 i, n = READ_ONCE(sw->nports);
	struct sw_port *to;
	bool any = false;

	for (i = 0; i < n; i++) {
		to = rcu_dereference(sw->port[i]);
		if (!to || to == tx->p)
			continue;
		any |= give(tx, to, f);
	}
	return any ? 0 : TRIVIO_STAT_DROP_BACKEND;
}

/* Learn the source. False if it is no address of a sender. */
static bool learn(struct sw_tx *tx)
{
	const u8 *from = tx->head + ETH_ALEN;
	/* The two bytes behind the address give way to the port. */
	u64 key = (get_unaligned_be64(from) & ~0xffffULL) | (tx->p->id + 1);
	const struct sw_fdb *e = tx->src;

	if (likely(e && READ_ONCE(e->key) == key && !sw_fdb_worn(e)))
		return true;
	if (!is_valid_ether_addr(from))
		return false;
	tx->src = sw_fdb_learn(tx->p->sw, key);
	return true;
}

/* The key of the destination; 0 if it is not known. */
static u64 find(struct sw_tx *tx)
{
	u64 mac = sw_fdb_mac(get_unaligned_be64(tx->head));
	u64 key = tx->dst ? READ_ONCE(tx->dst->key) : 0;

	if (unlikely(!key || sw_fdb_mac(key) != mac)) {
		tx->dst = sw_fdb_find(tx->p->sw, mac);
		/* Read once more: it may be another address's by now. */
		key = tx->dst ? READ_ONCE(tx->dst->key) : 0;
		if (!key || sw_fdb_mac(key) != mac)
			return 0;
	}
	return likely(sw_fdb_fresh(tx->dst)) ? key : 0;
}

/*
 * As 802.1D has it: learn the source, send to the one port of the destination,
 * or to all others if that is not known.
 *
 * Return: 0, or the reason for which it is dropped.
 */
static enum trivio_stat forward(struct sw_tx *tx, const struct sw_frame *f)
{
	const struct ethhdr *eth = (const struct ethhdr *)tx->head;
	struct trivio_switch *sw = tx->p->sw;
	struct sw_port *to;
	u64 key;

	if (unlikely(!learn(tx)))
		return TRIVIO_STAT_DROP_FORMAT;
	if (unlikely(is_multicast_ether_addr(eth->h_dest))) {
		/* Spanning tree and its like end at the switch. */
		if (is_link_local_ether_addr(eth->h_dest))
			return TRIVIO_STAT_DROP_FILTER;
		return flood(tx, f);
	}
	key = find(tx);
	if (unlikely(!key))
		return flood(tx, f);
	to = rcu_dereference(sw->port[sw_fdb_id(key)]);
	if (unlikely(to == tx->p))
		return TRIVIO_STAT_DROP_FILTER;
	if (unlikely(!to) || unlikely(!give(tx, to, f)))
		return TRIVIO_STAT_DROP_BACKEND;
	return 0;
}

static void poll_one(struct sw_tx *tx)
{
	struct trivio_queue *q = tx->q;
	enum trivio_stat why;
	struct sw_frame f;

	why = frame_read(tx, &f);
	if (likely(!why)) {
		sw_flow_learn(tx->p, tx->pair, &f);
		why = unlikely(!READ_ONCE(tx->p->port.net->link_up)) ?
		      TRIVIO_STAT_DROP_FILTER : forward(tx, &f);
	}
	if (unlikely(why)) {
		trivio_queue_drop(q, why, tx->c.id, tx->c.out_len);
	} else {
		trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
		trivio_stat_add(q, TRIVIO_STAT_BYTES, f.len);
		trace_trivio_xmit(q, tx->c.id, tx->c.seq, f.len);
	}
	trivio_queue_push(q, &tx->c, 0);
}

static void flush_touched(struct sw_tx *tx)
{
	struct sw_port *to;
	unsigned int id;

	for_each_set_bit(id, tx->touched, SW_PORTS) {
		to = rcu_dereference(tx->p->sw->port[id]);
		if (to)
			sw_flush(to);
	}
	bitmap_zero(tx->touched, SW_PORTS);
}

/**
 * sw_poll() - NAPI: a guest's transmit ring
 * @napi: of a pair
 * @budget: most frames
 *
 * Ends with kicks on if the ring is empty; a kick that comes before NAPI is
 * complete makes it run again (NAPI_STATE_MISSED).
 *
 * Return: frames taken; @budget if there may be more.
 */
int sw_poll(struct napi_struct *napi, int budget)
{
	struct sw_tx *tx = container_of(napi, struct sw_tx, napi);
	struct trivio_queue *q = tx->q;
	int done = 0;

	if (unlikely(!budget))
		return 0;
	trivio_stat_inc(q, TRIVIO_STAT_WAKEUPS);
	trace_trivio_wake(q);
	trivio_ring_kick_disable(&q->ring);
	trivio_chain_init(q, &tx->c);
	rcu_read_lock();
	while (done < budget) {
		if (trivio_queue_next(q, &tx->c) <= 0)
			break;
		poll_one(tx);
		done++;
	}
	flush_touched(tx);
	rcu_read_unlock();
	trivio_queue_flush(q);
	if (done == budget) {
		trivio_stat_inc(q, TRIVIO_STAT_RESCHEDULES);
		return budget;
	}
	napi_complete_done(napi, done);
	return done;
}
