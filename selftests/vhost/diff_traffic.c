// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps that move packets. Each ends when the device has gone to sleep,
 * and gives what can be seen then: used rings, payload, frames on the tap,
 * error events and the dirty log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diff_traffic.h"

/* In tree follows tables that were not negotiated; ours refuses them. */
static bool indirect(struct diff_ctx *c, const struct diff_op *op)
{
	return op->b & B_INDIRECT &&
	       c->acked & VH_BIT(VIRTIO_RING_F_INDIRECT_DESC);
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		h = (h ^ *b++) * 0x100000001b3ULL;
	return h;
}

/* Bits of the guest's 64 pages. */
static uint64_t log_bits(struct diff_ctx *c)
{
	uint64_t w;

	memcpy(&w, c->log + VH_GPA_BASE / 4096 / 8, 8);
	return w;
}

/* Used entries of both rings and the bytes of received chains. */
static void look(struct diff_ctx *c, struct diff_res *r)
{
	unsigned int q, i, n, len;
	uint8_t f[4096];
	uint64_t seq;
	ssize_t got;

	r->val[0] = c->d.ring[VH_RX].used->idx |
		    (uint64_t)c->d.ring[VH_TX].used->idx << 16;
	r->val[1] = 14695981039346656037ULL;
	for (q = 0; q < 2; q++) {
		struct vh_ring *ring = &c->d.ring[q];

		n = (uint16_t)(ring->used->idx - ring->last_used);
		for (i = 0; i < n && i < 16; i++) {
			uint16_t at = (ring->last_used + i) & 15;
			struct vring_used_elem *e = &ring->used->ring[at];

			r->val[1] = mix(r->val[1], e, sizeof(*e));
			len = e->len > 2048 ? 2048 : e->len;
			if (q == VH_RX && e->id < 16)
				r->val[1] = mix(r->val[1], vh_slot(ring, e->id),
						len);
		}
	}
	r->val[2] = 14695981039346656037ULL;
	while ((got = recv(c->tap.sock, f, sizeof(f), MSG_DONTWAIT)) >= 0)
		if (vh_frame_check(f, got, &seq))
			r->val[2] = mix(r->val[2], f, got);
	r->val[3] = vh_drain(c->d.ring[VH_TX].err) ||
		    vh_drain(c->fds[FD_EVENT2]);
	r->val[5] = log_bits(c);
}

/* Take used chains back without looking at what they say. */
static void reap(struct diff_ctx *c)
{
	struct vh_used u;
	unsigned int q;

	for (q = 0; q < 2; q++) {
		struct vh_ring *r = &c->d.ring[q];

		while (vh_more_used(r) &&
		       (uint16_t)(r->used->idx - r->last_used) <= 16)
			if (vh_get_used(r, &u) && u.token != ~0ULL)
				vh_slot_put(r, u.token);
	}
}

/* Kick through the ring's own eventfd and through the steps' one. */
static void kick(struct diff_ctx *c, unsigned int q)
{
	uint64_t one = 1;

	vh_publish(&c->d.ring[q]);
	vh_kick(&c->d.ring[q]);
	if (write(c->fds[FD_EVENT], &one, 8) < 0)
		return;
}

static void tx(struct diff_ctx *c, const struct diff_op *op)
{
	struct vh_shape s = {
		.len = 60 + op->b % 1400, .segs = 1 + (op->b >> 16) % 4,
		.first = (op->b >> 24) % 32, .indirect = indirect(c, op),
	};
	unsigned int i;

	for (i = 0; i < op->a % 17; i++)
		if (!vh_tx_post(&c->d, &s, c->tx_seq))
			c->tx_seq++;
	if (op->b & B_NO_KICK)
		vh_publish(&c->d.ring[VH_TX]);
	else
		kick(c, VH_TX);
}

static void rx_post(struct diff_ctx *c, const struct diff_op *op)
{
	struct vh_shape s = {
		.rx_buf = 64 + op->b % 1900, .segs = 1 + (op->b >> 16) % 3,
		.indirect = indirect(c, op),
	};

	vh_rx_post(&c->d, &s, op->a % 17);
	kick(c, VH_RX);
}

static void rx_send(struct diff_ctx *c, const struct diff_op *op)
{
	unsigned int len = 60 + op->b % 1400, i;
	uint8_t f[2048];

	for (i = 0; i < op->a % 17; i++) {
		vh_frame_fill(f, len, c->rx_seq++);
		if (send(c->tap.sock, f, len, MSG_DONTWAIT) < 0)
			return;
	}
}

static void put(struct vh_ring *r, unsigned int i, uint64_t addr, uint32_t len,
		uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

/* One malformed chain in the TX ring, made by hand. */
static void bad_chain(struct diff_ctx *c, const struct diff_op *op)
{
	struct vh_ring *r = &c->d.ring[VH_TX];
	uint64_t a = vh_gpa(r->mem, r->slots);
	uint64_t t = vh_gpa(r->mem, r->tables);
	unsigned int jump = 1, i;
	uint16_t head = 0;

	put(r, 0, a, 100, 0, 0);
	switch (op->a) {
	case BAD_HEAD:
		head = 16 + op->b % 100;
		break;
	case BAD_NEXT:
		put(r, 0, a, 12, VRING_DESC_F_NEXT, 16 + op->b % 100);
		break;
	case BAD_LOOP:
		put(r, 0, a, 12, VRING_DESC_F_NEXT, 1);
		put(r, 1, a, 12, VRING_DESC_F_NEXT, 0);
		break;
	case BAD_ADDR:
		put(r, 0, 0x10, 100, 0, 0);
		break;
	case BAD_TABLE_LEN:
		put(r, 0, t, op->b & 1 ? 17 : 0, VRING_DESC_F_INDIRECT, 0);
		break;
	case BAD_NESTED:
		r->tables[0] = (struct vring_desc){ a, 12,
						    VRING_DESC_F_INDIRECT, 0 };
		put(r, 0, t, 64, VRING_DESC_F_INDIRECT, 0);
		break;
	case BAD_TABLE_LOOP:
		/* In tree reads a table front to back, whatever next says. */
		for (i = 0; i < 4; i++)
			r->tables[i] = (struct vring_desc){ a, 12,
				VRING_DESC_F_NEXT, (i + 1) % 4 };
		put(r, 0, t, 64, VRING_DESC_F_INDIRECT, 0);
		break;
	case BAD_IDX:
		jump = 17 + op->b % 30000;
		break;
	case BAD_OUT_AFTER_IN:
		put(r, 0, a, 100, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
		put(r, 1, a, 100, 0, 0);
		break;
	case BAD_SHORT:
		put(r, 0, a, 1 + op->b % 11, 0, 0);
		break;
	case BAD_EMPTY:
		put(r, 0, a, 0, 0, 0);
		break;
	case BAD_WRITE:
		put(r, 0, a, 100, VRING_DESC_F_WRITE, 0);
		break;
	}
	r->avail->ring[r->next_avail & 15] = head;
	r->next_avail += jump;
	kick(c, VH_TX);
}

/* diff_traffic - run one of the packet steps and look at the outcome */
int diff_traffic(struct diff_ctx *c, const struct diff_op *op,
		 struct diff_res *r)
{
	switch (op->kind) {
	case D_TX:
		tx(c, op);
		break;
	case D_RX_POST:
		rx_post(c, op);
		break;
	case D_RX_SEND:
		rx_send(c, op);
		break;
	case D_BAD_CHAIN:
		bad_chain(c, op);
		break;
	case D_USED_IDX:
		c->d.ring[op->q & 1].used->idx = op->a;
		c->d.ring[op->q & 1].last_used = op->a;
		break;
	case D_AVAIL_FLAGS:
		c->d.ring[op->q & 1].avail->flags = op->a;
		break;
	default:
		break;
	}
	vh_settle(&c->d);
	look(c, r);
	reap(c);
	return 0;
}
