/* SPDX-License-Identifier: GPL-2.0-only */
/* A port that is a socket: tap, macvtap/ipvtap or AF_PACKET. */
#ifndef TRIVIO_PORT_SOCK_H
#define TRIVIO_PORT_SOCK_H

#include <linux/net.h>
#include <linux/poll.h>
#include <linux/skbuff.h>
#include <net/xdp.h>

#include <trivio/net.h>

/* Packets handed over, or taken, at once; VHOST_NET_BATCH. */
#define SOCK_BATCH	64

/*
 * Work per turn, so that one queue can't starve the others of its worker: the
 * limits of vhost_net (VHOST_NET_PKT_WEIGHT, VHOST_NET_WEIGHT).
 */
#define SOCK_PACKETS	256
#define SOCK_BYTES	0x80000

/*
 * The largest frame with its header that a driver may send: virtio 1.2, 5.1.6.3.1
 * has 65562 bytes for it.
 */
#define SOCK_TX_MAX	65562

/* Pages that transmit buffers are cut from, used in turn. */
#define SOCK_PAGES	8
#define SOCK_PAGE_ORDER	3
#define SOCK_PAGE_SIZE	(PAGE_SIZE << SOCK_PAGE_ORDER)
/* References taken at once, one for every buffer that can be cut, and more. */
#define SOCK_PAGE_REFS	4096

/**
 * struct sock_page - a page that is being cut into buffers
 * @page: compound page, or NULL
 * @off: next free byte
 * @refs: references that are still ours; page_ref_count() falls to this when
 *	the stack has freed every buffer
 */
struct sock_page {
	struct page *page;
	u32 off;
	u32 refs;
};

/**
 * struct rx_chain - a chain that a frame goes to
 * @id: &trivio_chain.id
 * @slots: &trivio_chain.slots
 * @nin: its buffers
 * @desc: where they are in the queue's scratch
 * @room: their bytes
 */
struct rx_chain {
	u16 id;
	u16 slots;
	u16 nin;
	u16 desc;
	u32 room;
};

/**
 * struct sock_port - one socket serving one queue
 *
 * All but @armed and the wait entry belong to the queue's service.
 *
 * @port: as the net class sees it
 * @q: queue that it serves
 * @file: holds the socket
 * @sock: the socket
 * @ring: tap's receive ring, or NULL for sockets without one
 * @tun: @ring is a tun's: count what is taken from it as tun does
 * @rx: packets taken off @ring, not yet delivered
 * @rx_head: next to deliver
 * @rx_tail: one past the last
 * @free: delivered packets, freed in bulk
 * @nfree: how many
 * @list: chains that the frame in hand goes to
 * @direct: the port's header length is known to be the driver's: packets may be
 *	copied without asking the tap
 * @xdp: transmit batch
 * @nxdp: packets in it
 * @page: transmit pages
 * @page_at: the one in use
 * @wait: entry on the socket's wait queue
 * @wqh: that wait queue
 * @pt: poll table that adds @wait
 * @mask: events that matter: EPOLLIN or EPOLLOUT
 * @idle_at: when the service last went idle, local_clock(); 0 if it called the
 *	driver before
 * @yield_at: when it last let others run instead, or 0
 * @streak: idle times in a row that were too short to be worth it; negative:
 *	letting others run did not pay
 * @calls: calls of the queue when the turn began
 * @armed: the wake-up shall start the service
 */
struct sock_port {
	struct trivio_port port;
	struct trivio_queue *q;
	struct file *file;
	struct socket *sock;
	struct ptr_ring *ring;
	bool tun;

	void *rx[SOCK_BATCH];
	int rx_head;
	int rx_tail;
	struct sk_buff *free[SOCK_BATCH];
	int nfree;
	struct rx_chain *list;
	bool direct;

	struct xdp_buff *xdp;
	int nxdp;
	struct sock_page page[SOCK_PAGES];
	int page_at;

	wait_queue_entry_t wait;
	wait_queue_head_t *wqh;
	poll_table pt;
	__poll_t mask;
	u64 idle_at;
	u64 yield_at;
	int streak;
	u64 calls;
	bool armed;
};

static inline struct sock_port *to_sock_port(struct trivio_port *port)
{
	return container_of(port, struct sock_port, port);
}

bool sock_serve_tx(struct trivio_port *port, struct trivio_queue *q);
bool sock_serve_rx(struct trivio_port *port, struct trivio_queue *q);
void sock_rx_stop(struct sock_port *p);
void sock_tx_free(struct sock_port *p);
bool sock_rearm(struct sock_port *p);
void sock_turn_begin(struct sock_port *p);
bool sock_turn_lazy(struct sock_port *p, struct trivio_queue *q, u32 packets);
bool sock_busy_poll(struct sock_port *p, struct trivio_queue *q);
bool sock_has_rx(struct sock_port *p);

/* Bytes of header that the socket expects before each frame. */
static inline u32 sock_hlen(const struct sock_port *p)
{
	return p->port.net->own_header ? 0 : p->port.net->hdr_len;
}

/* Bytes of header that are in the ring and not in the socket. */
static inline u32 ring_hlen(const struct sock_port *p)
{
	return p->port.net->own_header ? p->port.net->hdr_len : 0;
}

#endif /* TRIVIO_PORT_SOCK_H */
