// SPDX-License-Identifier: GPL-2.0-only
/* Guest buffers for a frame that one chain is too small for (MRG_RXBUF). */
#include <trivio/queue.h>

#include "net_rx.h"

/**
 * trivio_net_rx_unpop() - give chains back, the last one first
 * @q: receive queue
 * @chain: chains
 * @n: how many
 *
 * Context: service of the queue.
 */
void trivio_net_rx_unpop(struct trivio_queue *q, struct trivio_chain *chain,
			 u16 n)
{
	while (n--)
		trivio_queue_unpop(q, &chain[n]);
}

/**
 * trivio_net_rx_more() - pop until a frame fits
 * @q: receive queue
 * @chain: room for NET_RX_MERGE_MAX chains; the first was popped into the queue's
 *	scratch room, which all of them share, so that they stay valid together
 * @mergeable: MRG_RXBUF was accepted: it may be more than one
 * @total: bytes of the frame and its header
 *
 * Context: service of the queue.
 *
 * Return: chains; 0 if there are not enough of them now; -ENOSPC if there never
 * will be enough; another negative errno if the queue broke or has to wait. All
 * of them, the first included, are given back unless > 0.
 */
int trivio_net_rx_more(struct trivio_queue *q, struct trivio_chain *chain,
		       bool mergeable, u32 total)
{
	struct trivio_chain *c = chain;
	u32 sum = c->in_len, slots = c->slots;
	int n = 1, ret;

	while (sum < total) {
		if (!mergeable || n == NET_RX_MERGE_MAX ||
		    slots >= q->ring.num) {
			ret = -ENOSPC;
			goto err;
		}
		/* A pop takes room for one for granted: there must be some left. */
		if (c->desc_max <= c->nout + c->nin ||
		    c->seg_max <= c->out_segs + c->in_segs) {
			ret = -ENOSPC;
			goto err;
		}
		c[1].desc = c->desc + c->nout + c->nin;
		c[1].desc_max = c->desc_max - c->nout - c->nin;
		c[1].seg = c->seg + c->out_segs + c->in_segs;
		c[1].seg_max = c->seg_max - c->out_segs - c->in_segs;
		c++;
		ret = trivio_queue_pop(q, c);
		if (ret <= 0)
			goto err;
		n++;
		if (unlikely(c->nout)) {
			trivio_queue_error(q, TRIVIO_ERR_FORMAT, c->id, 0);
			ret = -EINVAL;
			goto err;
		}
		sum += c->in_len;
		slots += c->slots;
	}
	return n;

err:
	trivio_net_rx_unpop(q, chain, n);
	return ret;
}

/**
 * trivio_net_rx_push() - complete the chains of a frame
 * @q: receive queue
 * @chain: chains
 * @n: how many
 * @total: bytes of the frame and its header
 *
 * Context: service of the queue.
 */
void trivio_net_rx_push(struct trivio_queue *q, const struct trivio_chain *chain,
			u16 n, u32 total)
{
	u16 i;

	for (i = 0; i < n; i++) {
		u32 part = min(total, chain[i].in_len);

		trivio_queue_push(q, &chain[i], part);
		total -= part;
	}
}
