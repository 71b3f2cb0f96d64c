// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance checker at a ring: what is in flight, what the driver does to
 * it meanwhile, notification words, and kicks.
 *
 * Ring memory is read a second time here, behind the back of the ring code,
 * which has checked it for the device's own safety. A driver can change it in
 * between; then a report may be wrong about that driver, and nothing else.
 */
#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include <trivio/fault.h>

#include "check_impl.h"
#include "core.h"
#include "ring_impl.h"

/* How often queues are looked at for a kick that did not come. */
#define WATCH_PERIOD	(HZ / 2)

/* Entries of an indirect table that are looked at. */
#define TABLE_MAX	128

/**
 * enum watch_phase - what is known of a queue that waits for a kick
 * @WATCH_NONE: nothing
 * @WATCH_IDLE: a kick was asked for at a position that was not available
 * @WATCH_READY: it has become available since, without a kick
 */
enum watch_phase {
	WATCH_NONE,
	WATCH_IDLE,
	WATCH_READY,
};

static void report(struct trivio_queue *q, enum trivio_rule rule, u16 head,
		   u64 value)
{
	trivio_check_report(q->dev, q, rule, head, value, CHECK_SERVICE);
}

/* --- life of the shadow ------------------------------------------------- */

/**
 * trivio_check_queue_alloc() - make room for what is in flight
 * @q: queue whose ring is mapped; its lock is held
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_check_queue_alloc(struct trivio_queue *q)
{
	u32 num = q->ring.num, words = BITS_TO_LONGS(num);
	struct trivio_check_queue *s;
	size_t size;
	void *p;

	lockdep_assert_held(&q->lock);
	if (q->check)
		return 0;
	size = struct_size(s, shot, num);
	s = kvzalloc(size + 2 * words * sizeof(long) + 2 * num * sizeof(u16),
		     GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	s->num = num;
	p = (void *)s + size;
	s->busy = p;
	s->over = s->busy + words;
	s->start = (u16 *)(s->over + words);
	s->slots = s->start + num;
	/* A service that runs directly sees it whole. */
	smp_store_release(&q->check, s);
	return 0;
}

/**
 * trivio_check_queue_free() - the ring is about to be unmapped
 * @q: queue; its lock is held and its service has ended
 */
void trivio_check_queue_free(struct trivio_queue *q)
{
	lockdep_assert_held(&q->lock);
	kvfree(q->check);
	q->check = NULL;
}

static struct trivio_check_queue *shadow(struct trivio_queue *q)
{
	/* Pairs with the release in trivio_check_queue_alloc(). */
	return smp_load_acquire(&q->check);
}

void __trivio_check_start(struct trivio_queue *q)
{
	u32 align = q->ring.packed ? 4 : 2;

	/* Without memory there is less to see. */
	trivio_check_queue_alloc(q);
	if (q->desc_addr & 15)
		trivio_check_report(q->dev, q, TRIVIO_RULE_QUEUE_ALIGN, 0,
				    q->desc_addr, CHECK_DEFER);
	if (q->driver_addr & (align - 1))
		trivio_check_report(q->dev, q, TRIVIO_RULE_QUEUE_ALIGN, 0,
				    q->driver_addr, CHECK_DEFER);
	if (q->device_addr & 3)
		trivio_check_report(q->dev, q, TRIVIO_RULE_QUEUE_ALIGN, 0,
				    q->device_addr, CHECK_DEFER);
}

/* --- chains in flight --------------------------------------------------- */

/* A descriptor as it lies in the ring now; @i is below the ring's size. */
static struct check_desc desc_now(const struct trivio_ring *r, u32 i)
{
	const struct ring_desc *d = (const struct ring_desc *)r->desc + i;
	struct check_desc now = {
		.addr = le64_to_cpu(READ_ONCE(d->addr)),
		.word = le64_to_cpu(READ_ONCE(d->word)),
	};

	return now;
}

static u16 split_flags(u64 word)
{
	return word >> 32;
}

/* Does the chain go on behind this descriptor, and where? */
static bool split_next(const struct check_desc *d, u32 num, u32 *next)
{
	u16 flags = split_flags(d->word);

	if (flags & VRING_DESC_F_INDIRECT || !(flags & VRING_DESC_F_NEXT))
		return false;
	*next = d->word >> 48;
	return *next < num;
}

static void split_taken(struct trivio_queue *q, struct trivio_check_queue *s,
			u16 head)
{
	u32 i = head, next, left = s->num;
	bool in_order = q->ring.in_order;

	while (left--) {
		if (__test_and_set_bit(i, s->busy)) {
			report(q, TRIVIO_RULE_REUSED, head, i);
			return;
		}
		s->shot[i] = desc_now(&q->ring, i);
		if (!split_next(&s->shot[i], s->num, &next))
			return;
		if (in_order && next != ((i + 1) & (s->num - 1)))
			report(q, TRIVIO_RULE_IN_ORDER_NEXT, head, next);
		i = next;
	}
}

/* Whole chain, as it was popped; altered ones are reported once. */
static void split_gone(struct trivio_queue *q, struct trivio_check_queue *s,
		       u16 head, bool compare)
{
	u32 i = head, left = s->num;

	while (left-- && __test_and_clear_bit(i, s->busy)) {
		struct check_desc now = desc_now(&q->ring, i);

		if (compare && (now.addr != s->shot[i].addr ||
				now.word != s->shot[i].word)) {
			report(q, TRIVIO_RULE_ALTERED, head, i);
			compare = false;
		}
		if (!split_next(&s->shot[i], s->num, &i))
			return;
	}
}

static u32 slot_next(const struct trivio_check_queue *s, u32 i)
{
	return i + 1 < s->num ? i + 1 : 0;
}

/* The ring has moved on already: the chain lies before its position. */
static void packed_taken(struct trivio_queue *q, struct trivio_check_queue *s,
			 const struct trivio_chain *c)
{
	u32 slot = q->ring.last_avail, n;

	slot = slot >= c->slots ? slot - c->slots :
				  slot + s->num - c->slots;
	if (__test_and_set_bit(c->id, s->busy))
		report(q, TRIVIO_RULE_REUSED, c->id, slot);
	s->start[c->id] = slot;
	s->slots[c->id] = c->slots;
	for (n = 0; n < c->slots; n++, slot = slot_next(s, slot)) {
		__clear_bit(slot, s->over);
		s->shot[slot] = desc_now(&q->ring, slot);
	}
}

/* Used descriptors are written over slots of whatever chain: not compared. */
static void packed_gone(struct trivio_queue *q, struct trivio_check_queue *s,
			u16 id, bool compare)
{
	u32 slot = s->start[id], n;

	if (!__test_and_clear_bit(id, s->busy))
		return;
	for (n = 0; n < s->slots[id]; n++, slot = slot_next(s, slot)) {
		struct check_desc now = desc_now(&q->ring, slot);

		if (compare && !q->ring.in_order && !test_bit(slot, s->over) &&
		    (now.addr != s->shot[slot].addr ||
		     now.word != s->shot[slot].word)) {
			report(q, TRIVIO_RULE_ALTERED, id, slot);
			compare = false;
		}
	}
}

/* Virtio 1.2, 2.8.19: the device ignores other flags, so nobody else looks. */
static void packed_table(struct trivio_queue *q, u16 id,
			 const struct check_desc *d)
{
	u32 n = min_t(u32, (u32)d->word / RING_DESC_SIZE, TABLE_MAX), i, have;
	struct ring_desc buf[RING_CHUNK];
	u16 flags;

	for (i = 0; i < n; i += have) {
		u32 k;

		have = min_t(u32, n - i, RING_CHUNK);
		if (q->ring.ops->read(q->ring.ctx, d->addr + i * RING_DESC_SIZE,
				      buf, have * RING_DESC_SIZE))
			return;
		for (k = 0; k < have; k++) {
			flags = le64_to_cpu(buf[k].word) >> 48;
			if (flags & ~VRING_DESC_F_WRITE) {
				report(q, TRIVIO_RULE_INDIRECT_FLAGS, id,
				       flags);
				return;
			}
		}
	}
}

static void chain_taken(struct trivio_queue *q, struct trivio_check_queue *s,
			const struct trivio_chain *c)
{
	u32 last;

	if (!q->ring.packed) {
		split_taken(q, s, c->id);
		return;
	}
	packed_taken(q, s, c);
	last = s->start[c->id] + c->slots - 1;
	if (last >= s->num)
		last -= s->num;
	if (s->shot[last].word >> 48 & VRING_DESC_F_INDIRECT)
		packed_table(q, c->id, &s->shot[last]);
}

int __trivio_check_pop(struct trivio_queue *q, const struct trivio_chain *c)
{
	struct trivio_check_queue *s = shadow(q);

	if (s)
		chain_taken(q, s, c);
	if (c->nout + c->nin > q->ring.num)
		report(q, TRIVIO_RULE_CHAIN_LONG, c->id, c->nout + c->nin);
	trivio_check_request(q, c);
	/* Only "stop" stops it, and what stopped is not served. */
	return READ_ONCE(q->state) == TRIVIO_Q_RUNNING ? 0 : -EPIPE;
}

static void chain_gone(struct trivio_queue *q, const struct trivio_chain *c,
		       bool compare)
{
	struct trivio_check_queue *s = shadow(q);

	if (!s || c->id >= s->num)
		return;
	if (q->ring.packed)
		packed_gone(q, s, c->id, compare);
	else
		split_gone(q, s, c->id, compare);
}

void __trivio_check_unpop(struct trivio_queue *q, const struct trivio_chain *c)
{
	chain_gone(q, c, false);
}

void __trivio_check_push(struct trivio_queue *q, const struct trivio_chain *c)
{
	struct trivio_check_queue *s = shadow(q);

	chain_gone(q, c, true);
	if (!s || !q->ring.packed)
		return;
	/* With faults on purpose it is not known which slot this goes to. */
	if (static_branch_unlikely(&trivio_faults_on))
		bitmap_fill(s->over, s->num);
	else if (q->ring.last_used < s->num)
		__set_bit(q->ring.last_used, s->over);
}

/* --- notification ------------------------------------------------------- */

static void flush_split(struct trivio_queue *q)
{
	const __le16 *avail = q->ring.driver;
	u16 flags = le16_to_cpu(READ_ONCE(avail[0]));
	u16 may = q->ring.event_idx ? 0 : VRING_AVAIL_F_NO_INTERRUPT;

	if (flags & ~may)
		report(q, TRIVIO_RULE_AVAIL_FLAGS, 0, flags);
}

static void flush_packed(struct trivio_queue *q)
{
	u32 event = le32_to_cpu(READ_ONCE(*(__le32 *)q->ring.driver));
	u16 flags = event >> 16, off = event & ~RING_WRAP;

	if (flags > VRING_PACKED_EVENT_FLAG_DESC ||
	    (flags == VRING_PACKED_EVENT_FLAG_DESC && !q->ring.event_idx))
		report(q, TRIVIO_RULE_EVENT_FLAGS, 0, flags);
	else if (flags == VRING_PACKED_EVENT_FLAG_DESC && off >= q->ring.num)
		report(q, TRIVIO_RULE_EVENT_OFFSET, 0, off);
}

void __trivio_check_flush(struct trivio_queue *q)
{
	if (q->ring.packed)
		flush_packed(q);
	else
		flush_split(q);
}

void __trivio_check_kick(struct trivio_queue *q)
{
	u8 status = READ_ONCE(q->dev->status);

	/* A road without a status register can't tell. */
	if (!q->dev->front->has_status)
		return;
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		trivio_check_report(q->dev, q, TRIVIO_RULE_KICK_EARLY, 0,
				    status, CHECK_DEFER);
	else if (!READ_ONCE(q->enabled))
		trivio_check_report(q->dev, q, TRIVIO_RULE_KICK_DISABLED, 0,
				    status, CHECK_DEFER);
}

/* Position that the device waits at, whether a kick was asked for there, and
 * whether it is available.
 */
static bool waits_split(const struct trivio_ring *r, u16 seen, u32 *want,
			bool *ready)
{
	const __le16 *avail = r->driver, *used = r->device;
	u16 at = READ_ONCE(r->last_avail) + seen, event;

	*want = at;
	*ready = le16_to_cpu(READ_ONCE(avail[1])) != at;
	if (!r->event_idx)
		return !(le16_to_cpu(READ_ONCE(used[0])) &
			 VRING_USED_F_NO_NOTIFY);
	event = le16_to_cpu(READ_ONCE(used[2 + 4 * r->num]));
	return event == at;
}

static bool waits_packed(const struct trivio_ring *r, u16 seen, u32 *want,
			 bool *ready)
{
	u32 event = le32_to_cpu(READ_ONCE(*(__le32 *)r->device));
	u32 at = READ_ONCE(r->last_avail) + seen;
	bool wrap = READ_ONCE(r->avail_wrap);
	u16 flags;

	if (at >= r->num) {
		at -= r->num;
		wrap = !wrap;
	}
	if (at >= r->num)
		return false;
	*want = at | (wrap ? RING_WRAP : 0);
	flags = desc_now(r, at).word >> 48;
	*ready = !!(flags & BIT(VRING_PACKED_DESC_F_AVAIL)) == wrap &&
		 !!(flags & BIT(VRING_PACKED_DESC_F_USED)) != wrap;
	switch (event >> 16) {
	case VRING_PACKED_EVENT_FLAG_ENABLE:
		return true;
	case VRING_PACKED_EVENT_FLAG_DESC:
		return (event & U16_MAX) == *want;
	default:
		return false;
	}
}

/*
 * A kick is missing if the position that one was asked for at has become
 * available and none came for a whole period. Kicks are counted before anything
 * can lose them, so a fault on purpose is not the driver's.
 */
static void watch_queue(struct trivio_queue *q, struct check_watch *w)
{
	struct trivio_ring *r = &q->ring;
	u64 kicks = atomic64_read(&q->kicks);
	bool waits, ready = false;
	u32 want = 0;
	u16 seen;

	lockdep_assert_held(&q->lock);
	if (q->state != TRIVIO_Q_RUNNING || !q->mapped ||
	    READ_ONCE(r->kick_off)) {
		w->phase = WATCH_NONE;
		return;
	}
	seen = READ_ONCE(ring_priv(r)->seen);
	waits = r->packed ? waits_packed(r, seen, &want, &ready) :
			    waits_split(r, seen, &want, &ready);
	if (!waits) {
		w->phase = WATCH_NONE;
	} else if (!ready) {
		w->phase = WATCH_IDLE;
		w->want = want;
		w->kicks = kicks;
	} else if (want != w->want || kicks != w->kicks) {
		w->phase = WATCH_NONE;
	} else if (w->phase == WATCH_IDLE) {
		w->phase = WATCH_READY;
	} else if (w->phase == WATCH_READY) {
		w->phase = WATCH_NONE;
		trivio_check_report(q->dev, q, TRIVIO_RULE_KICK_MISSING, 0,
				    want, CHECK_DEFER);
	}
}

/**
 * trivio_check_watch() - look at every queue of a device for missing kicks
 * @work: &trivio_check.watch_work
 */
void trivio_check_watch(struct work_struct *work)
{
	struct trivio_check *k = container_of(to_delayed_work(work),
					      struct trivio_check, watch_work);
	u16 i;

	for (i = 0; i < k->dev->nqueues; i++) {
		struct trivio_queue *q = &k->dev->queue[i];

		/* Who holds it is at work, or sleeps for longer than we may. */
		if (!mutex_trylock(&q->lock))
			continue;
		watch_queue(q, &k->watch[i]);
		mutex_unlock(&q->lock);
	}
	schedule_delayed_work(&k->watch_work, WATCH_PERIOD);
}

/* --- what broke the queue ----------------------------------------------- */

/* TRIVIO_RULE_NR: not a rule of the driver's. */
static const u8 err_rule[TRIVIO_ERR_NR] = {
	[TRIVIO_OK]			= TRIVIO_RULE_NR,
	[TRIVIO_ERR_AVAIL_JUMP]		= TRIVIO_RULE_AVAIL_IDX,
	[TRIVIO_ERR_HEAD_RANGE]		= TRIVIO_RULE_AVAIL_HEAD,
	[TRIVIO_ERR_NEXT_RANGE]		= TRIVIO_RULE_CHAIN_NEXT,
	[TRIVIO_ERR_LOOP]		= TRIVIO_RULE_CHAIN_LOOP,
	[TRIVIO_ERR_TOO_LONG]		= TRIVIO_RULE_CHAIN_HUGE,
	[TRIVIO_ERR_ORDER]		= TRIVIO_RULE_CHAIN_ORDER,
	[TRIVIO_ERR_INDIRECT_OFF]	= TRIVIO_RULE_INDIRECT_FEATURE,
	[TRIVIO_ERR_INDIRECT_NESTED]	= TRIVIO_RULE_INDIRECT_NESTED,
	[TRIVIO_ERR_INDIRECT_LEN]	= TRIVIO_RULE_INDIRECT_LEN,
	[TRIVIO_ERR_INDIRECT_FLAGS]	= TRIVIO_RULE_INDIRECT_NEXT,
	[TRIVIO_ERR_INDIRECT_READ]	= TRIVIO_RULE_MEMORY,
	[TRIVIO_ERR_PARTIAL]		= TRIVIO_RULE_CHAIN_PARTIAL,
	[TRIVIO_ERR_UNMAPPED]		= TRIVIO_RULE_MEMORY,
	[TRIVIO_ERR_PERM]		= TRIVIO_RULE_MEMORY,
	[TRIVIO_ERR_WRAP]		= TRIVIO_RULE_CHAIN_BYTES,
	[TRIVIO_ERR_RING_MAP]		= TRIVIO_RULE_MEMORY,
	[TRIVIO_ERR_FAULT]		= TRIVIO_RULE_NR,
	/* The class has looked at the request before. */
	[TRIVIO_ERR_FORMAT]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_LOG]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_USED_TWICE]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_BACKEND]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_NOMEM]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_INJECTED]		= TRIVIO_RULE_NR,
	[TRIVIO_ERR_RULE]		= TRIVIO_RULE_NR,
};

void __trivio_check_error(struct trivio_queue *q, enum trivio_err err, u16 head,
			  u64 addr)
{
	/* A queue that has no part in the accepted features was not mapped. */
	if (err == TRIVIO_ERR_RING_MAP && !q->ops)
		return;
	if (err_rule[err] < TRIVIO_RULE_NR)
		trivio_check_report(q->dev, q, err_rule[err], head, addr,
				    CHECK_BROKEN);
}
