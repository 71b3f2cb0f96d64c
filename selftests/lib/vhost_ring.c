// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver side of a virtqueue, split and packed, written after virtio 1.2
 * sections 2.7 and 2.8. It keeps one id per chain; ids are handed out and
 * taken back first in, first out, which is also what IN_ORDER asks for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vhost.h"

#define PACKED_AVAIL	(1 << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	(1 << VRING_PACKED_DESC_F_USED)

#define load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define full_barrier()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Rings begin on a page each: a dirty log can tell them apart. */
static size_t page_up(size_t n)
{
	return (n + 4095) & ~4095UL;
}

/* vh_ring_bytes - guest memory a ring with its tables and slots takes */
size_t vh_ring_bytes(const struct vh_opts *o, unsigned int size)
{
	size_t n = 3 * 4096 + page_up(16UL * size) + page_up(2UL * size + 6) +
		   page_up(8UL * size + 6);

	n += page_up((size_t)size * o->table_len * sizeof(struct vring_desc));
	return n + page_up((size_t)size * o->slot_size);
}

static int ring_place(struct vh_ring *r, struct vh_mem *m,
		      const struct vh_opts *o)
{
	void *desc, *avail, *used;

	desc = vh_alloc(m, 16UL * r->size, 4096);
	avail = vh_alloc(m, r->packed ? 4 : 2UL * r->size + 6, 4096);
	used = vh_alloc(m, r->packed ? 4 : 8UL * r->size + 6, 4096);
	r->tables = vh_alloc(m, (size_t)r->size * o->table_len * 16, 4096);
	r->slots = vh_alloc(m, (size_t)r->size * o->slot_size, 4096);
	if (!desc || !avail || !used || !r->tables || !r->slots)
		return -ENOMEM;
	if (r->packed) {
		r->pdesc = desc;
		r->drv_ev = avail;
		r->dev_ev = used;
	} else {
		r->desc = desc;
		r->avail = avail;
		r->used = used;
	}
	return 0;
}

/* vh_ring_init - lay out a ring in guest memory; positions from @o->start */
int vh_ring_init(struct vh_ring *r, struct vh_mem *m, unsigned int index,
		 unsigned int size, uint64_t features, const struct vh_opts *o)
{
	uint16_t start = o->start;

	memset(r, 0, sizeof(*r));
	r->mem = m;
	r->index = index;
	r->size = size;
	r->packed = features & VH_BIT(VIRTIO_F_RING_PACKED);
	r->event_idx = features & VH_BIT(VIRTIO_RING_F_EVENT_IDX);
	r->in_order = features & VH_BIT(VIRTIO_F_IN_ORDER);
	r->table_len = o->table_len;
	r->slot_size = o->slot_size;
	r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->ids = calloc(size, sizeof(*r->ids));
	r->order = calloc(size, sizeof(*r->order));
	r->slot_busy = calloc(size, 1);
	if (!r->ids || !r->order || !r->slot_busy || r->err < 0)
		return vh_fail(-ENOMEM, "ring of %u", size);
	if (ring_place(r, m, o))
		return vh_fail(-ENOMEM, "guest memory for a ring of %u", size);
	if (r->packed && !start)
		start = 1 << 15;
	vh_ring_rewind(r, start);
	return 0;
}

/*
 * vh_ring_rewind - empty ring at position @start: split, the index;
 * packed, the position with the wrap counter in bit 15
 */
void vh_ring_rewind(struct vh_ring *r, uint16_t start)
{
	unsigned int i;

	for (i = 0; i < r->size; i++)
		r->ids[i].next = i + 1;
	/* IN_ORDER wants descriptors by ring position: start there. */
	r->free_head = 0;
	r->free_tail = r->size - 1;
	r->nfree = r->size;
	r->nids = r->size;
	r->order_head = 0;
	r->order_count = 0;
	r->in_order_end = -1;
	r->held = -1;
	r->batch = 0;
	memset(r->slot_busy, 0, r->size);
	r->slot_hint = 0;
	if (r->packed) {
		r->avail_wrap = start >> 15;
		r->used_wrap = start >> 15;
		start &= 0x7fff;
		/* Neither available nor used, for either pass of the ring. */
		for (i = 0; i < r->size; i++) {
			bool past = i < start;
			bool w = past ? r->avail_wrap : !r->avail_wrap;

			memset(&r->pdesc[i], 0, sizeof(r->pdesc[i]));
			r->pdesc[i].flags = w ? PACKED_AVAIL | PACKED_USED : 0;
		}
		r->drv_ev->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
		r->dev_ev->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	} else {
		if (r->in_order)
			r->free_head = start & (r->size - 1);
		if (r->in_order) {
			r->free_tail = (start - 1) & (r->size - 1);
			r->ids[r->size - 1].next = 0;
		}
		r->avail->idx = start;
		r->avail->flags = 0;
		r->used->idx = start;
		r->used->flags = 0;
	}
	r->next_avail = start;
	r->last_used = start;
	r->kicked = start;
}

void vh_ring_free(struct vh_ring *r)
{
	free(r->ids);
	free(r->order);
	free(r->slot_busy);
	r->ids = NULL;
	r->order = NULL;
	r->slot_busy = NULL;
	if (r->kick >= 0)
		close(r->kick);
	if (r->call >= 0)
		close(r->call);
	if (r->err >= 0)
		close(r->err);
	r->kick = -1;
	r->call = -1;
	r->err = -1;
}

/* ---- making chains available ---- */

/* Take the first id of the free list. */
static uint16_t id_get(struct vh_ring *r)
{
	uint16_t id = r->free_head;

	r->free_head = r->ids[id].next;
	r->nids--;
	return id;
}

static void id_put(struct vh_ring *r, uint16_t id)
{
	if (r->nids++)
		r->ids[r->free_tail].next = id;
	else
		r->free_head = id;
	r->free_tail = id;
}

static struct vring_desc *fill_table(struct vh_ring *r, uint16_t id,
				     const struct vh_buf *b, unsigned int n)
{
	struct vring_desc *t = &r->tables[(size_t)id * r->table_len];
	unsigned int i;

	for (i = 0; i < n; i++) {
		t[i].addr = b[i].addr;
		t[i].len = b[i].len;
		t[i].flags = b[i].write ? VRING_DESC_F_WRITE : 0;
		t[i].next = 0;
		if (r->packed) {
			/* 2.8.7: no NEXT in a packed ring's table; id, flags. */
			struct vring_packed_desc *p = (void *)&t[i];

			p->id = 0;
			p->flags = b[i].write ? VRING_DESC_F_WRITE : 0;
		} else if (i + 1 < n) {
			t[i].flags |= VRING_DESC_F_NEXT;
			t[i].next = i + 1;
		}
	}
	return t;
}

static int split_add(struct vh_ring *r, const struct vh_buf *b, unsigned int n,
		     bool indirect, uint64_t token)
{
	uint16_t head = id_get(r), id = head;
	struct vring_desc *d;
	unsigned int i;

	if (indirect) {
		d = &r->desc[head];
		d->addr = vh_gpa(r->mem, fill_table(r, head, b, n));
		d->len = n * sizeof(*d);
		d->flags = VRING_DESC_F_INDIRECT;
		d->next = 0;
		n = 1;
	} else {
		for (i = 0; i < n; i++) {
			d = &r->desc[id];
			d->addr = b[i].addr;
			d->len = b[i].len;
			d->flags = b[i].write ? VRING_DESC_F_WRITE : 0;
			if (i + 1 == n)
				break;
			id = id_get(r);
			d->flags |= VRING_DESC_F_NEXT;
			d->next = id;
			/* Freed chains walk this list. */
		}
	}
	r->ids[head].ndesc = n;
	r->ids[head].token = token;
	r->avail->ring[r->next_avail & (r->size - 1)] = head;
	r->next_avail++;
	return head;
}

static uint16_t packed_avail_flags(const struct vh_ring *r)
{
	return r->avail_wrap ? PACKED_AVAIL : PACKED_USED;
}

static int packed_add(struct vh_ring *r, const struct vh_buf *b,
		      unsigned int n, bool indirect, uint64_t token)
{
	uint16_t id = id_get(r), head = r->next_avail, head_flags = 0, f;
	struct vh_buf one;
	unsigned int i;

	if (indirect) {
		one.addr = vh_gpa(r->mem, fill_table(r, id, b, n));
		one.len = n * sizeof(struct vring_packed_desc);
		one.write = false;
		b = &one;
		n = 1;
	}
	for (i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->pdesc[r->next_avail];

		f = packed_avail_flags(r);
		f |= b[i].write ? VRING_DESC_F_WRITE : 0;
		f |= i + 1 < n ? VRING_DESC_F_NEXT : 0;
		f |= indirect ? VRING_DESC_F_INDIRECT : 0;
		d->addr = b[i].addr;
		d->len = b[i].len;
		d->id = id;
		if (i == 0)
			head_flags = f;
		else
			store_release(&d->flags, f);
		if (++r->next_avail == r->size) {
			r->next_avail = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	r->ids[id].ndesc = n;
	r->ids[id].token = token;
	r->batch += n;
	/* The first head of a batch stays hidden, and with it the rest. */
	if (r->held < 0) {
		r->held = head;
		r->held_flags = head_flags;
	} else {
		store_release(&r->pdesc[head].flags, head_flags);
	}
	return id;
}

/*
 * vh_add - put a chain of @n buffers into the ring; the device sees it at
 * vh_publish(). Returns its id, -ENOSPC, or -E2BIG when it fits no table.
 */
int vh_add(struct vh_ring *r, const struct vh_buf *b, unsigned int n,
	   bool indirect, uint64_t token)
{
	unsigned int need = indirect ? 1 : n;
	int id;

	if (indirect && n > r->table_len)
		return -E2BIG;
	if (r->nfree < need)
		return -ENOSPC;
	r->nfree -= need;
	if (r->packed)
		id = packed_add(r, b, n, indirect, token);
	else
		id = split_add(r, b, n, indirect, token);
	r->order[(r->order_head + r->order_count++) % r->size] = id;
	return id;
}

/* vh_publish - make what was added visible; no kick */
void vh_publish(struct vh_ring *r)
{
	if (!r->packed) {
		store_release(&r->avail->idx, r->next_avail);
		return;
	}
	if (r->held < 0)
		return;
	store_release(&r->pdesc[r->held].flags, r->held_flags);
	r->held = -1;
}

static bool packed_kick_wanted(struct vh_ring *r)
{
	uint16_t ev = load_acquire(&r->dev_ev->off_wrap);
	uint16_t flags = load_acquire(&r->dev_ev->flags);
	uint16_t event, now = r->next_avail, batch = r->batch;

	r->batch = 0;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	event = ev & 0x7fff;
	if ((ev >> 15) != r->avail_wrap)
		event -= r->size;
	return vring_need_event(event, now, now - batch);
}

/* vh_kick_wanted - does the device want a kick for what was published? */
bool vh_kick_wanted(struct vh_ring *r)
{
	uint16_t old = r->kicked;

	/* Pairs with the device: event word stored, then the ring read again. */
	full_barrier();
	if (r->packed)
		return packed_kick_wanted(r);
	r->kicked = r->next_avail;
	if (r->event_idx) {
		volatile uint16_t *ev = (void *)&r->used->ring[r->size];

		return vring_need_event(*ev, r->next_avail, old);
	}
	return !(load_acquire(&r->used->flags) & VRING_USED_F_NO_NOTIFY);
}

void vh_kick(struct vh_ring *r)
{
	uint64_t one = 1;

	if (write(r->kick, &one, sizeof(one)) < 0)
		vh_fail(-errno, "kick");
}

/* vh_publish_kick - publish and kick if wanted; true if kicked */
bool vh_publish_kick(struct vh_ring *r)
{
	bool want;

	vh_publish(r);
	want = vh_kick_wanted(r);
	if (want)
		vh_kick(r);
	return want;
}

/* ---- taking chains back ---- */

bool vh_more_used(const struct vh_ring *r)
{
	uint16_t f;

	if (r->in_order_end >= 0)
		return true;
	if (!r->packed)
		return load_acquire(&r->used->idx) != r->last_used;
	f = load_acquire(&r->pdesc[r->last_used].flags);
	return (f & (PACKED_AVAIL | PACKED_USED)) ==
	       (r->used_wrap ? PACKED_AVAIL | PACKED_USED : 0);
}

/* Give a chain's descriptors back. */
static void chain_free(struct vh_ring *r, uint16_t id)
{
	unsigned int i, n = r->ids[id].ndesc;

	r->nfree += n;
	r->ids[id].ndesc = 0;
	if (r->packed) {
		r->last_used += n;
		if (r->last_used >= r->size) {
			r->last_used -= r->size;
			r->used_wrap = !r->used_wrap;
		}
		id_put(r, id);
		return;
	}
	r->last_used++;
	for (i = 0; i < n; i++) {
		uint16_t next = r->desc[id].next;

		id_put(r, id);
		id = next;
	}
}

static bool next_entry(struct vh_ring *r, uint32_t *id, uint32_t *len)
{
	if (!vh_more_used(r))
		return false;
	if (r->packed) {
		*id = r->pdesc[r->last_used].id;
		*len = r->pdesc[r->last_used].len;
	} else {
		struct vring_used_elem *e;

		e = &r->used->ring[r->last_used & (r->size - 1)];
		/*
		 * IN_ORDER: one entry may stand for a batch; it is at the
		 * batch's first place (2.7.9), the index moved by all.
		 */
		*id = e->id;
		*len = e->len;
	}
	return true;
}

static void order_drop(struct vh_ring *r, uint16_t id)
{
	unsigned int i, last;

	/* Mostly the oldest; a device may complete out of order. */
	for (i = 0; i < r->order_count; i++)
		if (r->order[(r->order_head + i) % r->size] == id)
			break;
	if (i == r->order_count)
		return;
	for (; i > 0; i--) {
		last = (r->order_head + i) % r->size;
		r->order[last] = r->order[(r->order_head + i - 1) % r->size];
	}
	r->order_head = (r->order_head + 1) % r->size;
	r->order_count--;
}

/* vh_get_used - take one chain back; ids nobody made available give ~0 */
bool vh_get_used(struct vh_ring *r, struct vh_used *u)
{
	uint32_t id, len;

	u->skipped = false;
	if (r->in_order_end < 0) {
		if (!next_entry(r, &id, &len))
			return false;
		if (id >= r->size || !r->ids[id].ndesc) {
			u->token = ~0ULL;
			u->len = len;
			r->last_used++;
			return true;
		}
		r->in_order_end = id;
		r->in_order_len = len;
	}
	id = r->in_order_end;
	len = r->in_order_len;
	if (r->in_order && r->order_count &&
	    r->order[r->order_head] != id) {
		id = r->order[r->order_head];
		len = 0;
		u->skipped = true;
	} else {
		r->in_order_end = -1;
	}
	u->token = r->ids[id].token;
	u->len = len;
	order_drop(r, id);
	chain_free(r, id);
	return true;
}

/*
 * vh_call_off - ask for no calls; with EVENT_IDX on a split ring only a hint, for
 * half of all indices. What is used already the device may not have decided on yet,
 * so an event close behind it would be one to call for.
 */
void vh_call_off(struct vh_ring *r)
{
	if (r->packed)
		store_release(&r->drv_ev->flags,
			      VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (r->event_idx)
		store_release(&r->avail->ring[r->size],
			      (uint16_t)(r->last_used + 0x8000));
	else
		store_release(&r->avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

/*
 * vh_call_on - ask for a call when @after more chains are used (1: the next).
 * Only EVENT_IDX can wait for more than one; a packed ring counts descriptors.
 * Returns true if that much is used already: look before you sleep.
 */
bool vh_call_on(struct vh_ring *r, unsigned int after)
{
	const uint16_t both = PACKED_AVAIL | PACKED_USED;
	bool wrap = r->used_wrap;
	uint32_t pos = 0;

	if (r->packed && r->event_idx) {
		pos = r->last_used + after - 1;
		if (pos >= r->size) {
			pos -= r->size;
			wrap = !wrap;
		}
		r->drv_ev->off_wrap = pos | wrap << 15;
		store_release(&r->drv_ev->flags, VRING_PACKED_EVENT_FLAG_DESC);
	} else if (r->packed) {
		store_release(&r->drv_ev->flags,
			      VRING_PACKED_EVENT_FLAG_ENABLE);
	} else if (r->event_idx) {
		store_release(&r->avail->ring[r->size],
			      (uint16_t)(r->last_used + after - 1));
	} else {
		store_release(&r->avail->flags, 0);
	}
	/* Pairs with the device: used stored, then our event word read. */
	full_barrier();
	if (!r->packed)
		return (uint16_t)(load_acquire(&r->used->idx) -
				  r->last_used) >= after;
	if (after == 1 || !r->event_idx || r->in_order)
		return vh_more_used(r);
	return (load_acquire(&r->pdesc[pos].flags) & both) ==
	       (wrap ? both : 0);
}

/* vh_wait_fd - 1 when readable, 0 at the timeout */
int vh_wait_fd(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0 && (p.revents & POLLIN);
}

/* vh_drain - read an eventfd's counter, 0 when it is not signalled */
uint64_t vh_drain(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* vh_wait_used - sleep on the call until a chain came back */
int vh_wait_used(struct vh_ring *r, int timeout_ms)
{
	int64_t left, end = now_ms() + timeout_ms;

	/* A call may be an old one: look, sleep, look again. */
	for (;;) {
		if (vh_call_on(r, 1) || vh_more_used(r))
			return 0;
		left = end - now_ms();
		if (left < 0 || !vh_wait_fd(r->call, left))
			return vh_fail(-ETIMEDOUT, "no call for queue %u",
				       r->index);
		vh_drain(r->call);
	}
}

/* ---- packet buffers ---- */

uint8_t *vh_slot(struct vh_ring *r, unsigned int slot)
{
	return r->slots + (size_t)slot * r->slot_size;
}

/* vh_slot_get - a free packet buffer, NULL when all are out */
uint8_t *vh_slot_get(struct vh_ring *r, unsigned int *slot)
{
	unsigned int i, at;

	for (i = 0; i < r->size; i++) {
		at = (r->slot_hint + i) % r->size;
		if (r->slot_busy[at])
			continue;
		r->slot_busy[at] = 1;
		r->slot_hint = at + 1;
		*slot = at;
		return vh_slot(r, at);
	}
	return NULL;
}

void vh_slot_put(struct vh_ring *r, unsigned int slot)
{
	r->slot_busy[slot] = 0;
}
