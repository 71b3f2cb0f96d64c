// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switch port: a frame with offloads for a guest that does not take them. It
 * becomes an skb, so that the kernel's own segmentation and checksums do the
 * work, and its pieces go on as plain frames.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>
#include <net/gso.h>

#include "core.h"
#include "port_switch.h"

/* Fragments of up to 32 KiB; smaller ones if there are none. */
#define FRAG_ORDER	3

static bool fill_frags(struct sw_tx *tx, struct sk_buff *skb, u32 off)
{
	u32 at = tx->hdr_len + off;
	int i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		if (trivio_chain_read(tx->q, &tx->c, at, skb_frag_address(frag),
				      skb_frag_size(frag)))
			return false;
		at += skb_frag_size(frag);
	}
	return true;
}

/* The lengths that the kernel's segmentation wants to know. */
static void set_offsets(struct sk_buff *skb)
{
	int depth;

	skb_reset_mac_header(skb);
	skb->protocol = eth_hdr(skb)->h_proto;
	skb_set_network_header(skb, ETH_HLEN);
	if (eth_type_vlan(skb->protocol) &&
	    vlan_get_protocol_and_depth(skb, skb->protocol, &depth))
		skb_set_network_header(skb, depth);
}

static struct sk_buff *skb_of(struct sw_tx *tx, const struct sw_frame *f,
			      enum trivio_stat *why)
{
	struct virtio_net_hdr hdr;
	struct sk_buff *skb;
	int err;

	*why = TRIVIO_STAT_DROP_NOMEM;
	skb = alloc_skb_with_frags(f->head_len, f->len - f->head_len,
				   FRAG_ORDER, &err, GFP_ATOMIC);
	if (!skb)
		return NULL;
	skb_put_data(skb, f->head, f->head_len);
	skb->data_len = f->len - f->head_len;
	skb->len += skb->data_len;
	*why = TRIVIO_STAT_DROP_FAULT;
	if (!fill_frags(tx, skb, f->head_len))
		goto drop;
	set_offsets(skb);
	*why = TRIVIO_STAT_DROP_FORMAT;
	memcpy(&hdr, tx->raw, sizeof(hdr));
	if (virtio_net_hdr_to_skb(skb, &hdr, true))
		goto drop;
	return skb;

drop:
	kfree_skb(skb);
	return NULL;
}

/* A frame, or a piece of one, without offloads. */
static bool deliver_skb(struct sw_port *to, struct sk_buff *skb,
			enum trivio_stat *why)
{
	struct sw_frame f = {};

	*why = TRIVIO_STAT_DROP_NOMEM;
	if (skb_linearize(skb))
		return false;
	*why = TRIVIO_STAT_DROP_FORMAT;
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return false;
	f.head = skb->data;
	f.head_len = skb->len;
	f.len = skb->len;
	*why = TRIVIO_STAT_DROP_BACKEND;
	return sw_deliver(to, &f);
}

/* All pieces; those that a guest has no room for are counted there. */
static bool deliver_segments(struct sw_port *to, struct sk_buff *skb,
			     enum trivio_stat *why)
{
	struct sk_buff *segs, *next;
	bool ok = true;

	segs = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segs)) {
		*why = TRIVIO_STAT_DROP_FORMAT;
		return false;
	}
	skb_list_walk_safe(segs, segs, next) {
		skb_mark_not_on_list(segs);
		ok = ok && deliver_skb(to, segs, why);
		consume_skb(segs);
	}
	return ok;
}

/**
 * sw_deliver_soft() - a frame to a guest that can't take its offloads
 * @tx: queue that it comes from
 * @to: port of the guest
 * @f: frame
 *
 * What is lost on the way is counted at the sender's queue, what the guest has
 * no room for at its own.
 *
 * Context: soft interrupt, RCU reader.
 *
 * Return: false if its driver does not receive; then nothing is counted.
 */
bool sw_deliver_soft(struct sw_tx *tx, struct sw_port *to,
		     const struct sw_frame *f)
{
	enum trivio_stat why;
	struct sk_buff *skb;
	bool ok = false;

	skb = skb_of(tx, f, &why);
	if (skb) {
		ok = skb_is_gso(skb) ? deliver_segments(to, skb, &why) :
				       deliver_skb(to, skb, &why);
		consume_skb(skb);
	}
	if (ok)
		trivio_stat_inc(tx->q, TRIVIO_STAT_COPIES);
	else if (why != TRIVIO_STAT_DROP_BACKEND)
		trivio_queue_drop(tx->q, why, tx->c.id, f->len);
	return ok || why != TRIVIO_STAT_DROP_BACKEND;
}
