/* SPDX-License-Identifier: GPL-2.0-only */
/* What ports that write frames into a guest's receive ring themselves share. */
#ifndef TRIVIO_NET_RX_H
#define TRIVIO_NET_RX_H

#include <trivio/queue.h>

#include "trace.h"

/*
 * Most guest buffers that one frame is spread over (MRG_RXBUF): 64 KiB in
 * buffers of a kilobyte. A driver with smaller ones loses large frames.
 */
#define NET_RX_MERGE_MAX	64

int trivio_net_rx_more(struct trivio_queue *q, struct trivio_chain *chain,
		       bool mergeable, u32 total);
void trivio_net_rx_unpop(struct trivio_queue *q, struct trivio_chain *chain,
			 u16 n);
void trivio_net_rx_push(struct trivio_queue *q, const struct trivio_chain *chain,
			u16 n, u32 total);

/**
 * trivio_net_rx_first() - pop the chain that a frame begins in
 * @q: receive queue
 * @c: chain; uses the queue's scratch room
 * @hlen: bytes of the header, which have to be in it
 *
 * Context: service of the queue.
 *
 * Return: as trivio_queue_pop(); -EINVAL with the queue broken for a chain that
 * receives nothing.
 */
static inline int trivio_net_rx_first(struct trivio_queue *q,
				      struct trivio_chain *c, u32 hlen)
{
	int n;

	trivio_chain_init(q, c);
	n = trivio_queue_pop(q, c);
	if (unlikely(n <= 0))
		return n;
	if (likely(!c->nout && c->in_len >= hlen))
		return n;
	trivio_queue_unpop(q, c);
	trivio_queue_error(q, TRIVIO_ERR_FORMAT, c->id, 0);
	return -EINVAL;
}

/**
 * trivio_net_rx_count() - a frame was received
 * @q: receive queue
 * @c: chain that it begins in
 * @len: its bytes
 *
 * Context: service of the queue.
 */
static inline void trivio_net_rx_count(struct trivio_queue *q,
				       const struct trivio_chain *c, u32 len)
{
	trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
	trivio_stat_add(q, TRIVIO_STAT_BYTES, len);
	trivio_stat_inc(q, TRIVIO_STAT_COPIES);
	trace_trivio_recv(q, c->id, c->seq, len);
}

#endif /* TRIVIO_NET_RX_H */
