// SPDX-License-Identifier: GPL-2.0-only
/* Block requests of the differential fuzzer, and chains that are none. */
#include <errno.h>
#include <string.h>
#include <linux/virtio_blk.h>

#include "vdiff.h"

#define SLOT_STATUS	64	/* where in its slot */
#define SLOT_DATA	0x1000
#define SECTORS_MOST	24

/* One part of a request under construction. */
struct part {
	struct vd_node *n;
	unsigned int first;
	unsigned int count;
};

static void part_add(struct part *p, size_t at, unsigned int len, bool in)
{
	struct vring_desc *d = vd_desc(p->n) + p->first;

	if (p->count) {
		d[p->count - 1].flags |= VRING_DESC_F_NEXT;
		d[p->count - 1].next = p->first + p->count;
	}
	d[p->count++] = (struct vring_desc){
		.addr = VD_IOVA + at, .len = len,
		.flags = in ? VRING_DESC_F_WRITE : 0,
	};
}

static void publish(struct vd_node *n, unsigned int head)
{
	struct vring_avail *a = vd_avail(n);

	a->ring[n->avail % n->num] = head;
	n->avail++;
	__atomic_store_n(&a->idx, n->avail, __ATOMIC_RELEASE);
}

/* Data of @len bytes in @pieces, any border is a good one. */
static void data_add(struct part *p, size_t at, unsigned int len,
		     unsigned int pieces, bool in, unsigned int extra)
{
	unsigned int i, part = len / pieces - 3;

	for (i = 0; i + 1 < pieces; i++, at += part, len -= part)
		part_add(p, at, part, in);
	part_add(p, at, len + extra, in);
}

static void pattern(uint8_t *p, unsigned int len, uint64_t seed)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		p[i] = (seed * 167 + i * 13 + (i >> 8)) & 0xff;
}

/*
 * One request: @type at @sector; @c has in bits 0 to 7 the sectors of data, in
 * 8 and 9 in how many pieces, in 10 whether the header is cut, in 11 whether the
 * status lies behind the data, in 16 and up the flags of a range.
 */
static void request(struct vd_node *n, uint32_t type, uint64_t sector,
		    uint64_t c)
{
	unsigned int slot = n->avail % vd_slots(n), sectors = c & 0xff;
	size_t at = VD_DATA + slot * VD_SLOT, data = at + SLOT_DATA;
	struct virtio_blk_outhdr *h = (void *)(n->mem + at);
	unsigned int pieces = 1 + (c >> 8 & 3), len, last = 1;
	struct part p = { n, slot * VD_SLOT_DESC, 0 };
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	uint8_t *status = n->mem + at + SLOT_STATUS;

	if (pieces > 3)
		pieces = 3;
	if (sectors > SECTORS_MOST)
		sectors = SECTORS_MOST;
	h->type = type;
	h->ioprio = 0;
	h->sector = sector;
	*status = 0xee;
	n->fold &= ~(1u << slot);
	memset(n->mem + data, 0xaa, SECTORS_MOST * 512);
	part_add(&p, at, c >> 10 & 1 ? 7 : sizeof(*h), false);
	if (c >> 10 & 1)
		part_add(&p, at + 7, sizeof(*h) - 7, false);
	switch (type) {
	case VIRTIO_BLK_T_OUT:
		pattern(n->mem + data, sectors * 512, n->avail + sector);
		data_add(&p, data, sectors * 512, pieces, false, 0);
		break;
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_GET_ID:
		len = in && type == VIRTIO_BLK_T_IN ? sectors * 512 :
						      VIRTIO_BLK_ID_BYTES;
		if (c >> 11 & 1) {
			last = 0;
			n->mem[data + len] = 0xee;
		}
		data_add(&p, data, len, pieces, true, !last);
		if (!last)
			status = n->mem + data + len;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES: {
		struct virtio_blk_discard_write_zeroes *r;

		/* Their sector is in the range, the header's has to be 0. */
		r = (void *)(n->mem + data);
		h->sector = 0;
		r->sector = sector;
		r->num_sectors = c & 0xff;
		r->flags = c >> 16;
		data_add(&p, data, sizeof(*r), pieces > 1 ? 2 : 1, false, 0);
		break;
	}
	case VIRTIO_BLK_T_FLUSH:
		h->sector = 0;
		break;
	default:
		/* The simulator says IOERR to what it does not know. */
		h->sector = 0;
		n->fold |= 1u << slot;
	}
	if (last)
		part_add(&p, at + SLOT_STATUS, 1, true);
	/* Where the status is, for vd_blk_status(). */
	*(uint32_t *)(n->mem + at + SLOT_STATUS + 8) = status - n->mem;
	publish(n, slot * VD_SLOT_DESC);
}

/* vd_blk_status - the status byte of a slot, any failure alike if asked for */
uint8_t vd_blk_status(struct vd_node *n, unsigned int slot)
{
	size_t at = VD_DATA + slot * VD_SLOT + SLOT_STATUS;
	uint8_t *s = &n->mem[*(uint32_t *)(n->mem + at + 8) % VD_MEM];

	/* In memory, too, which is compared as a whole. */
	if (n->fold >> slot & 1 && *s == VIRTIO_BLK_S_UNSUPP)
		*s = VIRTIO_BLK_S_IOERR;
	return *s;
}

/* vd_blk - up to four requests (bits 12 to 13 of c) and one kick */
int vd_blk(struct vd_node *n, const struct vd_op *o)
{
	unsigned int count = 1 + (o->c >> 12 & 3), i;

	if ((uint16_t)(n->avail - n->used) + count > vd_slots(n))
		return 0;
	for (i = 0; i < count; i++)
		request(n, o->a, o->b, o->c);
	vd_kick(n);
	return 0;
}

/* vd_bad - a chain that no driver makes */
int vd_bad(struct vd_node *n, const struct vd_op *o)
{
	struct vring_desc *d = vd_desc(n);
	unsigned int head = 0, i;

	for (i = 0; i < n->num; i++)
		d[i] = (struct vring_desc){ VD_IOVA + VD_DATA, 16,
					    VRING_DESC_F_NEXT, i + 1 };
	d[n->num - 1].next = 0;
	switch (o->a) {
	case BAD_HEAD:
		head = n->num + o->b % 1000;
		break;
	case BAD_NEXT:
		d[0].next = n->num + o->b % 1000;
		break;
	case BAD_LOOP:
		d[2].next = 1;
		break;
	case BAD_ORDER:
		d[0].flags |= VRING_DESC_F_WRITE;
		d[1].flags = 0;
		break;
	default:
		break;
	}
	publish(n, head);
	vd_kick(n);
	n->dead = true;
	return 0;
}
