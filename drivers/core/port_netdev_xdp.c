// SPDX-License-Identifier: GPL-2.0-only
/*
 * Own network interface: XDP on what the guest sends (native before an skb
 * exists, generic for frames with offloads or too large for one page), and
 * frames that other interfaces redirect to the guest.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

#include "core.h"
#include "port_netdev.h"

/* Largest frame that a native program sees: all of its buffer is in one page. */
#define XDP_MAX		(SKB_WITH_OVERHEAD(PAGE_SIZE) - XDP_PACKET_HEADROOM)

/**
 * nd_xdp_native() - does a frame go through the program without an skb
 * @plain: it asks for no offload
 * @len: its bytes
 */
bool nd_xdp_native(bool plain, u32 len)
{
	return plain && len <= XDP_MAX;
}

/**
 * nd_xdp_alloc() - room for a frame that the program will see
 * @tx: transmit queue, direct mode
 * @len: its bytes
 * @x: set up, with room for the frame at its data
 *
 * Context: NAPI of @tx.
 *
 * Return: 0 or -ENOMEM.
 */
int nd_xdp_alloc(struct nd_tx *tx, u32 len, struct nd_xdp *x)
{
	unsigned int size, at;
	void *start;

	size = SKB_DATA_ALIGN(XDP_PACKET_HEADROOM + len) +
	       SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	x->page = page_pool_dev_alloc_frag(tx->pool, &at, size);
	if (!x->page)
		return -ENOMEM;
	start = page_address(x->page) + at;
	xdp_init_buff(&x->buff, size, &tx->rxq);
	xdp_prepare_buff(&x->buff, start, XDP_PACKET_HEADROOM, len, false);
	return 0;
}

static bool bounce(struct nd_tx *tx, struct xdp_buff *buff)
{
	struct nd_rx *rx = &tx->nd->pair[tx->pair].rx;
	bool ok;

	__netif_tx_lock(rx->txq, smp_processor_id());
	ok = nd_rx_put_frame(rx, buff->data, buff->data_end - buff->data);
	__netif_tx_unlock(rx->txq);
	if (ok)
		tx->bounced = true;
	return ok;
}

/**
 * nd_xdp_free() - give the buffer back
 * @tx: transmit queue
 * @x: from nd_xdp_alloc()
 */
void nd_xdp_free(struct nd_tx *tx, struct nd_xdp *x)
{
	page_pool_put_full_page(tx->pool, x->page, true);
}

/**
 * nd_xdp_run() - what the program says
 * @tx: transmit queue
 * @prog: program
 * @x: buffer with the frame; belongs to this function from now on
 * @skb: the frame for the stack, if it is to have it
 *
 * Context: NAPI of @tx.
 *
 * Return: true if the frame went somewhere; false if it is to be counted as
 * dropped.
 */
bool nd_xdp_run(struct nd_tx *tx, struct bpf_prog *prog, struct nd_xdp *x,
		struct sk_buff **skb)
{
	struct net_device *ndev = tx->nd->ndev;
	struct xdp_buff *buff = &x->buff;
	u32 act = bpf_prog_run_xdp(prog, buff);
	bool ok;

	*skb = NULL;
	switch (act) {
	case XDP_PASS:
		*skb = napi_build_skb(buff->data_hard_start, buff->frame_sz);
		if (!*skb)
			break;
		skb_reserve(*skb, buff->data - buff->data_hard_start);
		__skb_put(*skb, buff->data_end - buff->data);
		skb_mark_for_recycle(*skb);
		return true;
	case XDP_TX:
		ok = bounce(tx, buff);
		nd_xdp_free(tx, x);
		return ok;
	case XDP_REDIRECT:
		if (!xdp_do_redirect(ndev, buff, prog)) {
			tx->redirected = true;
			return true;
		}
		trace_xdp_exception(ndev, prog, act);
		break;
	default:
		bpf_warn_invalid_xdp_action(ndev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(ndev, prog, act);
		break;
	case XDP_DROP:
		break;
	}
	nd_xdp_free(tx, x);
	return false;
}

/**
 * nd_xdp_flush() - the end of a batch
 * @tx: transmit queue
 *
 * Context: NAPI of @tx.
 */
void nd_xdp_flush(struct nd_tx *tx)
{
	struct nd_rx *rx = &tx->nd->pair[tx->pair].rx;

	if (tx->redirected)
		xdp_do_flush();
	if (tx->bounced) {
		__netif_tx_lock(rx->txq, smp_processor_id());
		if (rx->running)
			trivio_queue_flush(rx->q);
		__netif_tx_unlock(rx->txq);
	}
	tx->redirected = false;
	tx->bounced = false;
}

/**
 * nd_xdp_xmit() - ndo_xdp_xmit: frames from other interfaces' programs
 * @ndev: interface
 * @n: frames
 * @frames: frames; those not taken stay the caller's
 * @flags: XDP_XMIT_FLUSH
 *
 * Context: soft interrupt.
 *
 * Return: frames taken, or -EINVAL, or -ENETDOWN.
 */
int nd_xdp_xmit(struct net_device *ndev, int n, struct xdp_frame **frames,
		u32 flags)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	u16 pairs = READ_ONCE(nd->port.net->pairs);
	struct nd_rx *rx;
	int i;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;
	rx = &nd->pair[smp_processor_id() % pairs].rx;
	__netif_tx_lock(rx->txq, smp_processor_id());
	if (!rx->running || !rx->direct) {
		__netif_tx_unlock(rx->txq);
		return -ENETDOWN;
	}
	for (i = 0; i < n; i++) {
		if (!nd_rx_put_frame(rx, frames[i]->data, frames[i]->len))
			break;
		xdp_return_frame_rx_napi(frames[i]);
	}
	if (i)
		trivio_queue_flush(rx->q);
	__netif_tx_unlock(rx->txq);
	return i;
}

/**
 * nd_bpf() - ndo_bpf
 * @ndev: interface
 * @bpf: what is asked
 *
 * Context: rtnl held.
 *
 * Return: 0 or -EINVAL.
 */
int nd_bpf(struct net_device *ndev, struct netdev_bpf *bpf)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	struct bpf_prog *old;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	old = rtnl_dereference(nd->prog);
	rcu_assign_pointer(nd->prog, bpf->prog);
	/* Readers are in soft interrupts, which bpf_prog_put() waits for. */
	if (old)
		bpf_prog_put(old);
	return 0;
}
