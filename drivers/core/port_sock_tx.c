// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the guest's transmit ring to a socket.
 *
 * Frames that fit a page are copied once, straight into the buffer that their
 * skb (or XDP program) will use, and handed over in batches (TUN_MSG_PTR, the
 * interface that tun and tap have for vhost). Others go one by one as an
 * iov_iter over guest memory.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <net/sock.h>

#include "core.h"
#include "port_sock.h"
#include "trace.h"

#define TX_PAD		(NET_IP_ALIGN + NET_SKB_PAD)
#define TX_SHINFO	SKB_DATA_ALIGN(sizeof(struct skb_shared_info))

/* --- buffers ----------------------------------------------------------- */

/* Give up a page; whoever frees its last buffer frees it. */
static void page_drop(struct sock_page *sp)
{
	if (!sp->page)
		return;
	/* All of ours but one, which put_page() drops and looks at. */
	page_ref_sub(sp->page, sp->refs - 1);
	put_page(sp->page);
	sp->page = NULL;
}

static bool page_renew(struct sock_page *sp)
{
	if (sp->page) {
		/*
		 * All buffers freed? Then nobody else can take a reference any
		 * more. Pairs with the full barrier in put_page().
		 */
		if (page_ref_count(sp->page) == sp->refs) {
			smp_acquire__after_ctrl_dep();
			if (sp->refs < SOCK_PAGE_REFS / 2) {
				page_ref_add(sp->page,
					     SOCK_PAGE_REFS - sp->refs);
				sp->refs = SOCK_PAGE_REFS;
			}
			sp->off = 0;
			return true;
		}
		page_drop(sp);
	}
	sp->page = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_NOWARN |
			       __GFP_NORETRY | __GFP_ACCOUNT, SOCK_PAGE_ORDER);
	if (!sp->page)
		return false;
	page_ref_add(sp->page, SOCK_PAGE_REFS - 1);
	sp->refs = SOCK_PAGE_REFS;
	sp->off = 0;
	return true;
}

static void *tx_buf(struct sock_port *p, u32 len)
{
	struct sock_page *sp = &p->page[p->page_at];
	void *buf;

	if (unlikely(!sp->page || sp->off + len > SOCK_PAGE_SIZE ||
		     sp->refs <= 1)) {
		p->page_at = (p->page_at + 1) % SOCK_PAGES;
		sp = &p->page[p->page_at];
		if (!page_renew(sp))
			return NULL;
	}
	buf = page_address(sp->page) + sp->off;
	sp->off += ALIGN(len, SMP_CACHE_BYTES);
	sp->refs--;
	return buf;
}

/* The buffer cut last is not needed after all. */
static void tx_buf_undo(struct sock_port *p, u32 len)
{
	struct sock_page *sp = &p->page[p->page_at];

	sp->off -= ALIGN(len, SMP_CACHE_BYTES);
	sp->refs++;
}

/* Let go of the transmit pages; the stack frees what it still has. */
void sock_tx_free(struct sock_port *p)
{
	int i;

	for (i = 0; i < SOCK_PAGES; i++)
		page_drop(&p->page[i]);
}

/* --- one frame --------------------------------------------------------- */

/*
 * The checksum must lie in what the header says is linear; and what the header
 * says must lie in the frame. As vhost_net_build_xdp() demands.
 */
static bool tx_header_ok(struct virtio_net_hdr *gso, u32 len)
{
	u32 need;

	if (!(gso->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	need = le16_to_cpu((__force __le16)gso->csum_start) +
	       le16_to_cpu((__force __le16)gso->csum_offset) + 2;
	if (need > le16_to_cpu((__force __le16)gso->hdr_len)) {
		gso->hdr_len = (__force __virtio16)cpu_to_le16(need);
		return need <= len;
	}
	return true;
}

/*
 * Copy a frame into a batch entry.
 *
 * Header and payload come in one copy, the header then moves to where the tap
 * looks for it. Returns 0, -ENOSPC if it is too large for a page, -ENOMEM, or
 * -EFAULT or -EINVAL for what the driver got wrong.
 */
static int tx_build(struct sock_port *p, struct trivio_queue *q,
		    const struct trivio_chain *c, u32 skip, u32 len)
{
	u32 hlen = sock_hlen(p);
	u32 headroom = sock_flag(p->sock->sk, SOCK_XDP) ? XDP_PACKET_HEADROOM :
							  0;
	u32 pad = SKB_DATA_ALIGN(TX_PAD + headroom + hlen);
	u32 room = SKB_DATA_ALIGN(len + pad) + TX_SHINFO;
	struct xdp_buff *xdp = &p->xdp[p->nxdp];
	struct tun_xdp_hdr *hdr;
	void *buf, *at;
	int err;

	if (unlikely(len < hlen))
		return -EINVAL;
	if (room > PAGE_SIZE)
		return -ENOSPC;
	buf = tx_buf(p, room);
	if (unlikely(!buf))
		return -ENOMEM;

	hdr = buf;
	at = buf + pad - hlen;
	err = -EFAULT;
	if (likely(c->out_segs == 1 && q->mem->kind == TRIVIO_MEM_USER)) {
		/* access_ok() was checked when the range was mapped. */
		if (raw_copy_from_user(at, c->seg[0].u.iov_base + skip, len))
			goto err_undo;
	} else if (trivio_chain_read(q, c, skip, at, len)) {
		goto err_undo;
	}
	if (likely(hlen)) {
		memcpy(&hdr->gso, at, sizeof(hdr->gso));
		err = -EINVAL;
		if (unlikely(!tx_header_ok(&hdr->gso, len)))
			goto err_undo;
	} else {
		memset(&hdr->gso, 0, sizeof(hdr->gso));
	}
	xdp_init_buff(xdp, room, NULL);
	xdp_prepare_buff(xdp, buf, pad, len - hlen, true);
	hdr->buflen = room;
	p->nxdp++;
	return 0;

err_undo:
	tx_buf_undo(p, room);
	return err;
}

static noinline void tx_send_xdp(struct sock_port *p, struct trivio_queue *q)
{
	struct tun_msg_ctl ctl = {
		.type = TUN_MSG_PTR,
		.num = p->nxdp,
		.ptr = p->xdp,
	};
	struct msghdr msg = {
		.msg_flags = MSG_DONTWAIT,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};
	int i;

	if (unlikely(p->sock->ops->sendmsg(p->sock, &msg, 0) < 0)) {
		/* The device behind the socket is gone. */
		for (i = 0; i < p->nxdp; i++) {
			trivio_queue_drop(q, TRIVIO_STAT_DROP_BACKEND, 0,
					  p->xdp[i].data_end - p->xdp[i].data);
			put_page(virt_to_head_page(p->xdp[i].data));
		}
	}
	p->nxdp = 0;
}

/* Hand the batch over, then tell the guest that its buffers are free. */
static void tx_flush(struct sock_port *p, struct trivio_queue *q)
{
	if (p->nxdp)
		tx_send_xdp(p, q);
	trivio_queue_flush(q);
}

static int tx_single(struct sock_port *p, struct trivio_queue *q,
		     const struct trivio_chain *c, u32 skip, u32 len, bool more)
{
	struct msghdr msg = {
		.msg_flags = MSG_DONTWAIT | (more ? MSG_MORE : 0),
	};
	int err;

	trivio_chain_out_iter(q, c, &msg.msg_iter);
	iov_iter_advance(&msg.msg_iter, skip);
	err = p->sock->ops->sendmsg(p->sock, &msg, len);
	return err < 0 ? err : 0;
}

/* --- a turn ------------------------------------------------------------ */

static void tx_refused(struct trivio_queue *q, const struct trivio_chain *c,
		       int err, u32 len)
{
	enum trivio_stat reason = TRIVIO_STAT_DROP_BACKEND;

	if (err == -EFAULT)
		reason = TRIVIO_STAT_DROP_FAULT;
	else if (err == -EINVAL)
		reason = TRIVIO_STAT_DROP_FORMAT;
	trivio_queue_drop(q, reason, c->id, len);
}

/* The socket is full: go on when it has room. */
static void tx_wait_room(struct sock_port *p, struct trivio_queue *q)
{
	WRITE_ONCE(p->armed, true);
	/* Pairs with the barrier before the socket wakes its writers. */
	smp_mb();
	if (vfs_poll(p->file, NULL) & EPOLLOUT) {
		WRITE_ONCE(p->armed, false);
		trivio_queue_wake(q);
	}
}

/*
 * Send one popped chain.
 *
 * Returns 0 if it is done with, sent or refused, or -EAGAIN if it shall be
 * tried again when the socket has room.
 */
static int tx_one(struct sock_port *p, struct trivio_queue *q,
		  struct trivio_chain *c, bool batch)
{
	u32 skip = ring_hlen(p);
	u32 len = c->out_len - skip;
	int err = -ENOSPC;

	/* No skb can hold it: the socket would say "no memory" for ever. */
	if (unlikely(c->out_len > SOCK_TX_MAX)) {
		tx_refused(q, c, -EINVAL, len);
		trivio_queue_push(q, c, 0);
		return 0;
	}
	if (likely(batch))
		err = tx_build(p, q, c, skip, len);
	if (err == -ENOSPC) {
		tx_flush(p, q);
		err = tx_single(p, q, c, skip, len,
				!batch && !trivio_ring_empty(&q->ring));
	}
	if (unlikely(err)) {
		if (err == -EAGAIN || err == -ENOMEM || err == -ENOBUFS)
			return -EAGAIN;
		tx_refused(q, c, err, len);
	} else {
		trace_trivio_xmit(q, c->id, c->seq, len);
	}
	trivio_queue_push(q, c, 0);
	return 0;
}

/**
 * sock_serve_tx() - one turn from the guest to the socket
 * @port: the port
 * @q: transmit queue
 *
 * Context: the queue's worker, with its lock.
 *
 * Return: true if the budget ended before the ring did.
 */
bool sock_serve_tx(struct trivio_port *port, struct trivio_queue *q)
{
	struct sock_port *p = to_sock_port(port);
	bool batch = READ_ONCE(p->sock->sk->sk_sndbuf) == INT_MAX;
	u32 hlen = p->port.net->hdr_len, skip = ring_hlen(p);
	u32 packets = 0, tries = 0, bytes = 0;
	struct trivio_chain c;
	bool more = false;
	int n;

	trivio_chain_init(q, &c);
	sock_turn_begin(p);
	trivio_ring_kick_disable(&q->ring);

	while (packets + tries < SOCK_PACKETS && bytes < SOCK_BYTES) {
		if (q->ring.pending >= SOCK_BATCH || p->nxdp == SOCK_BATCH)
			tx_flush(p, q);
		n = trivio_queue_pop(q, &c);
		if (unlikely(n < 0))
			goto out;
		if (!n) {
			tx_flush(p, q);
			if (sock_busy_poll(p, q))
				continue;
			more = sock_turn_lazy(p, q, packets);
			if (more)
				goto out;
			if (!trivio_ring_kick_enable(&q->ring))
				goto out;
			trivio_ring_kick_disable(&q->ring);
			/* A driver that flips its ring gets no endless turn. */
			tries++;
			continue;
		}
		if (unlikely(c.nin || c.out_len <= skip)) {
			trivio_ring_unpop(&q->ring, &c);
			trivio_queue_error(q, TRIVIO_ERR_FORMAT, c.id, 0);
			goto out;
		}
		if (unlikely(tx_one(p, q, &c, batch))) {
			trivio_queue_unpop(q, &c);
			tx_wait_room(p, q);
			goto out;
		}
		packets++;
		bytes += c.out_len - min(c.out_len, hlen);
	}
	more = true;
out:
	tx_flush(p, q);
	trivio_stat_add(q, TRIVIO_STAT_PACKETS, packets);
	trivio_stat_add(q, TRIVIO_STAT_BYTES, bytes);
	trivio_stat_add(q, TRIVIO_STAT_COPIES, packets);
	return more;
}
