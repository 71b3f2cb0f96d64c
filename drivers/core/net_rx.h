/* SPDX-License-Identifier: GPL-2.0-only */
/* What ports that write into a guest's receive ring share. */
#ifndef TRIVIO_NET_RX_H
#define TRIVIO_NET_RX_H

#include <trivio/queue.h>

int trivio_net_rx_more(struct trivio_queue *q, struct trivio_chain *chain,
		       u16 max, u32 total);
void trivio_net_rx_unpop(struct trivio_queue *q, struct trivio_chain *chain,
			 u16 n);

#endif /* TRIVIO_NET_RX_H */
