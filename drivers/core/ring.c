// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtqueue layouts: what split and packed rings share. Set-up, saved state,
 * chain checks, names of errors, and the public functions that pick a layout.
 *
 * Nothing here sleeps, allocates or calls the kernel, so that the files of the
 * ring compile in user space as they are.
 */
#include <linux/export.h>
#include <linux/string.h>

#include "ring_impl.h"

static const char * const ring_err_name[TRIVIO_ERR_NR] = {
	[TRIVIO_OK]			= "ok",
	[TRIVIO_ERR_AVAIL_JUMP]		= "avail-jump",
	[TRIVIO_ERR_HEAD_RANGE]		= "head-range",
	[TRIVIO_ERR_NEXT_RANGE]		= "next-range",
	[TRIVIO_ERR_LOOP]		= "loop",
	[TRIVIO_ERR_TOO_LONG]		= "too-long",
	[TRIVIO_ERR_ORDER]		= "order",
	[TRIVIO_ERR_INDIRECT_OFF]	= "indirect-off",
	[TRIVIO_ERR_INDIRECT_NESTED]	= "indirect-nested",
	[TRIVIO_ERR_INDIRECT_LEN]	= "indirect-len",
	[TRIVIO_ERR_INDIRECT_FLAGS]	= "indirect-flags",
	[TRIVIO_ERR_INDIRECT_READ]	= "indirect-read",
	[TRIVIO_ERR_PARTIAL]		= "partial",
	[TRIVIO_ERR_UNMAPPED]		= "unmapped",
	[TRIVIO_ERR_PERM]		= "perm",
	[TRIVIO_ERR_WRAP]		= "wrap",
	[TRIVIO_ERR_RING_MAP]		= "ring-map",
	[TRIVIO_ERR_FAULT]		= "fault",
	[TRIVIO_ERR_FORMAT]		= "format",
	[TRIVIO_ERR_LOG]		= "log",
	[TRIVIO_ERR_USED_TWICE]		= "used-twice",
	[TRIVIO_ERR_BACKEND]		= "backend",
	[TRIVIO_ERR_NOMEM]		= "nomem",
	[TRIVIO_ERR_INJECTED]		= "injected",
	[TRIVIO_ERR_RULE]		= "rule",
};

/**
 * trivio_err_name() - name of an error code, as user space sees it
 * @err: the code
 *
 * Context: any.
 * Return: a constant string; "unknown" for a number that is no code.
 */
const char *trivio_err_name(enum trivio_err err)
{
	if ((unsigned int)err >= TRIVIO_ERR_NR || !ring_err_name[err])
		return "unknown";
	return ring_err_name[err];
}
EXPORT_SYMBOL_GPL(trivio_err_name);

/* Checks both layouts share */

/**
 * ring_fail() - keep the reason of a failed pop
 * @r: ring
 * @err: reason
 * @head: head or id it happened at
 * @addr: guest address it happened at, or 0
 *
 * Return: -EINVAL, for the caller to pass on.
 */
noinline int ring_fail(struct trivio_ring *r, enum trivio_err err, u16 head,
		       u64 addr)
{
	r->err = err;
	r->err_head = head;
	r->err_addr = addr;
	return -EINVAL;
}

/**
 * ring_table_check() - may this descriptor name an indirect table?
 * @r: ring
 * @w: the walk
 * @addr: guest address of the table
 * @len: its bytes
 * @flags: flags of the descriptor that names it; WRITE is ignored (virtio 1.2,
 *	2.7.5.3.2), NEXT refused
 *
 * Return: 0, or -EINVAL with the reason kept.
 */
int ring_table_check(struct trivio_ring *r, struct ring_walk *w, u64 addr,
		     u32 len, u16 flags)
{
	if (!r->indirect)
		return ring_fail(r, TRIVIO_ERR_INDIRECT_OFF, w->head, addr);
	if (flags & VRING_DESC_F_NEXT)
		return ring_fail(r, TRIVIO_ERR_INDIRECT_FLAGS, w->head, addr);
	if (!len || len % RING_DESC_SIZE ||
	    len / RING_DESC_SIZE > RING_TABLE_MAX)
		return ring_fail(r, TRIVIO_ERR_INDIRECT_LEN, w->head, addr);
	if (ring_addr_wraps(addr, len))
		return ring_fail(r, TRIVIO_ERR_WRAP, w->head, addr);
	return 0;
}

/**
 * ring_table_read() - copy part of an indirect table
 * @r: ring
 * @w: the walk
 * @addr: guest address of the part
 * @dst: where to
 * @n: descriptors, at most RING_CHUNK
 *
 * Return: 0, -EAGAIN if memory is not there yet (nothing is kept, try the pop
 * again later), or -EINVAL with the reason kept.
 */
int ring_table_read(struct trivio_ring *r, struct ring_walk *w, u64 addr,
		    struct ring_desc *dst, u32 n)
{
	int err = r->ops->read(r->ctx, addr, dst, n * RING_DESC_SIZE);

	if (!err || err == -EAGAIN)
		return err;
	return ring_fail(r, TRIVIO_ERR_INDIRECT_READ, w->head, addr);
}

/* Set-up and state */

/**
 * trivio_ring_bytes() - sizes of the three areas of a ring
 * @num: entries
 * @packed: layout
 * @event_idx: VIRTIO_RING_F_EVENT_IDX negotiated: two more bytes at the end of
 *	the split rings
 * @desc: out: descriptor table or ring, bytes
 * @driver: out: avail ring or driver event structure, bytes
 * @device: out: used ring or device event structure, bytes
 *
 * Context: any. virtio 1.2, 2.7 and 2.8.10.
 */
void trivio_ring_bytes(u32 num, bool packed, bool event_idx, size_t *desc,
		       size_t *driver, size_t *device)
{
	size_t event = event_idx ? 2 : 0;

	*desc = (size_t)num * RING_DESC_SIZE;
	if (packed) {
		*driver = 4;
		*device = 4;
		return;
	}
	*driver = 4 + 2 * (size_t)num + event;
	*device = 4 + 8 * (size_t)num + event;
}
EXPORT_SYMBOL_GPL(trivio_ring_bytes);

static int ring_load_state(struct trivio_ring *r, bool packed, u32 state)
{
	if (!packed) {
		if (state > U16_MAX)
			return -EINVAL;
		r->last_avail = state;
		r->avail_wrap = false;
	} else {
		/* Zero is what clients that know no used half leave there. */
		u16 avail = state, used = state >> 16 ? : avail;

		r->last_avail = avail & ~RING_WRAP;
		r->avail_wrap = avail & RING_WRAP;
		r->last_used = used & ~RING_WRAP;
		r->used_wrap = used & RING_WRAP;
	}
	r->packed = packed;
	return 0;
}

/**
 * trivio_ring_set_state() - set where the next run begins
 * @r: ring, not in service; may be zeroed memory that was never set up
 * @packed: layout the state word is in
 * @state: what trivio_ring_get_state() gave, or VHOST_SET_VRING_BASE got.
 *	Split: next avail position, at most 0xffff. Packed: avail slot in bits
 *	0..14, its wrap counter in bit 15, the same for used in the high half;
 *	a high half of 0 means used = avail.
 *
 * Whether packed slots fit the ring is checked by trivio_ring_init(), which
 * knows its size. Without this call a ring begins at slot 0 (wrap counters 1),
 * or where it stopped last.
 *
 * Context: any, under the lock of the ring's queue.
 * Return: 0, or -EINVAL for a state that no split ring has.
 * Source: vhost_vring_ioctl() in drivers/vhost/vhost.c.
 */
int trivio_ring_set_state(struct trivio_ring *r, bool packed, u32 state)
{
	int err = ring_load_state(r, packed, state);

	if (!err)
		ring_priv(r)->start = RING_START_SET;
	return err;
}

/**
 * trivio_ring_get_state() - where the ring stands
 * @r: ring, flushed
 *
 * Context: any, under the lock of the ring's queue.
 * Return: the state word in the layout that trivio_ring_set_state() takes.
 */
u32 trivio_ring_get_state(const struct trivio_ring *r)
{
	u32 avail = r->last_avail, used = r->last_used;

	if (!r->packed)
		return avail;
	if (r->avail_wrap)
		avail |= RING_WRAP;
	if (r->used_wrap)
		used |= RING_WRAP;
	return used << 16 | avail;
}

/* Bring the saved position into the layout that is about to run. */
static int ring_position(struct trivio_ring *r, bool packed)
{
	u32 first = packed ? RING_WRAP : 0;
	struct ring_priv *p = ring_priv(r);
	u32 state;

	switch (p->start) {
	case RING_START_NONE:
		return ring_load_state(r, packed, first);
	case RING_START_RAN:
		if (r->packed == packed)
			return 0;
		/* A position of the other layout says nothing in this one. */
		return ring_load_state(r, packed, first);
	default:
		/* Set before the layout was known: read the word anew. */
		if (r->packed == packed)
			return 0;
		state = trivio_ring_get_state(r);
		/* The used half may be one that was filled in. */
		if (!packed && state >> 16 == (u16)state)
			state = (u16)state;
		return ring_load_state(r, packed, state);
	}
}

/**
 * trivio_ring_init() - bring a ring into service
 * @r: ring. Its position (trivio_ring_set_state(), or where the last run ended)
 *	and &trivio_ring.log are kept, all else is set anew. Zeroed memory is a
 *	ring without a position.
 * @cfg: layout, size, features, mapped areas, callbacks
 *
 * The used position of a split ring is read from its used idx, as
 * vhost_vq_init_access() does. Writes the device's notification word: kicks
 * are wanted.
 *
 * Context: any, under the lock of the ring's queue.
 * Return: 0, or -EINVAL: size, pointers or position are not legal. The position
 * is kept then.
 */
int trivio_ring_init(struct trivio_ring *r, const struct trivio_ring_cfg *cfg)
{
	struct ring_priv *p = ring_priv(r);
	u8 start = p->start;
	int err;

	if (!cfg->num || cfg->num > TRIVIO_RING_MAX ||
	    (!cfg->packed && (cfg->num & (cfg->num - 1))))
		return -EINVAL;
	if (!cfg->desc || !cfg->driver || !cfg->device || !cfg->ops)
		return -EINVAL;
	err = ring_position(r, cfg->packed);
	if (err)
		return err;

	r->desc = cfg->desc;
	r->driver = cfg->driver;
	r->device = cfg->device;
	r->num = cfg->num;
	r->event_idx = cfg->event_idx;
	r->indirect = cfg->indirect;
	r->in_order = cfg->in_order;
	r->ops = cfg->ops;
	r->ctx = cfg->ctx;
	r->call_valid = false;
	r->kick_off = false;
	r->pending = 0;
	r->inflight = 0;
	r->err = TRIVIO_OK;
	r->err_head = 0;
	r->err_addr = 0;
	memset(p, 0, sizeof(*p));
	p->start = start;

	if (r->packed) {
		err = ring_packed_start(r);
		if (err)
			return err;
	} else {
		ring_split_start(r);
	}
	r->flushed_used = r->last_used;
	r->call_used = r->last_used;
	r->flushed_wrap = r->used_wrap;
	p->start = RING_START_RAN;
	return 0;
}

/* Service */

/**
 * trivio_ring_pop() - take the next chain
 * @r: ring in service
 * @c: chain; &trivio_chain.desc has room for &trivio_chain.desc_max, at least
 *	1, descriptors. Filled but for the segments and the number.
 *
 * Checks what the layout itself can tell: ranges, loops, order, lengths. Where
 * the buffers are is not looked at; a length of 0 is legal and keeps its
 * address. Nothing is consumed unless 1 is returned; @c may have been
 * scribbled on then.
 *
 * Context: any; callers serialise. Does not sleep unless
 * &trivio_ring_ops.read does.
 * Return: 1 with a chain, 0 if there is none, -EAGAIN if an indirect table is
 * in memory that is not there yet, -EINVAL if the driver broke a rule (see
 * &trivio_ring.err, err_head and err_addr).
 * Source: virtio 1.2, 2.7.14 and 2.8.21.
 */
int trivio_ring_pop(struct trivio_ring *r, struct trivio_chain *c)
{
	if (r->packed)
		return ring_packed_pop(r, c);
	return ring_split_pop(r, c);
}

/**
 * trivio_ring_unpop() - put the last popped chain back
 * @r: ring
 * @c: chain; of several, the one popped last goes first
 *
 * The next pop gives it again. trivio_ring_kick_enable() does not count it as
 * news: a caller that needs more buffers than there are can sleep.
 *
 * Context: as trivio_ring_pop().
 */
void trivio_ring_unpop(struct trivio_ring *r, const struct trivio_chain *c)
{
	if (r->packed)
		ring_packed_unpop(r, c);
	else
		ring_split_unpop(r, c);
}

/**
 * trivio_ring_push() - give a chain back to the driver
 * @r: ring
 * @id: &trivio_chain.id
 * @slots: &trivio_chain.slots
 * @written: bytes written to the device-writable part
 *
 * The driver sees nothing before trivio_ring_flush(). With IN_ORDER chains must
 * come back as they were popped; while no chain of the ring had a writable part
 * one used entry then stands for all of a flush (virtio 1.2, 2.7.9: chains that
 * have no entry of their own count as written in full).
 *
 * A push with nothing in flight is refused: &trivio_ring.err says
 * TRIVIO_ERR_USED_TWICE.
 *
 * Context: as trivio_ring_pop().
 */
void trivio_ring_push(struct trivio_ring *r, u16 id, u16 slots, u32 written)
{
	if (r->packed)
		ring_packed_push(r, id, slots, written);
	else
		ring_split_push(r, id, written);
}

/**
 * trivio_ring_flush() - show the driver all pushes since the last flush
 * @r: ring
 *
 * One index (split) or flags (packed) store, after a write barrier.
 *
 * Context: as trivio_ring_pop().
 */
void trivio_ring_flush(struct trivio_ring *r)
{
	if (r->packed)
		ring_packed_flush(r);
	else
		ring_split_flush(r);
}

/**
 * trivio_ring_call_needed() - does the driver want a call for the flushes since
 * the last decision?
 * @r: ring, flushed
 *
 * To be asked once after a flush or several. The first decision of a run, and
 * one after so many entries that the last position means nothing, is yes, as
 * &vhost_virtqueue.signalled_used_valid has it; a DISABLE of the packed event
 * structure always counts.
 *
 * Context: as trivio_ring_pop(). Full barrier.
 * Return: true if the driver is to be called.
 * Source: virtio 1.2, 2.7.7.2 and 2.8.21.3.1; vhost_notify().
 */
bool trivio_ring_call_needed(struct trivio_ring *r)
{
	if (r->packed)
		return ring_packed_call_needed(r);
	return ring_split_call_needed(r);
}

/**
 * trivio_ring_kick_disable() - tell the driver that kicks are not needed
 * @r: ring
 *
 * A hint: kicks may still come.
 *
 * Context: as trivio_ring_pop().
 */
void trivio_ring_kick_disable(struct trivio_ring *r)
{
	if (r->packed)
		ring_packed_kick_disable(r);
	else
		ring_split_kick_disable(r);
}

/**
 * trivio_ring_kick_enable() - ask for a kick at the next chain
 * @r: ring
 *
 * Context: as trivio_ring_pop(). Full barrier.
 * Return: true if there already is a chain that was never popped, for which no
 * kick may come: go on (after trivio_ring_kick_disable(), if kicks are
 * unwelcome). Chains that were put back do not count.
 */
bool trivio_ring_kick_enable(struct trivio_ring *r)
{
	bool more;

	if (r->packed)
		more = ring_packed_kick_enable(r);
	else
		more = ring_split_kick_enable(r);
	if (!more && r->ops->idle)
		more = r->ops->idle(r->ctx);
	return more;
}

/**
 * trivio_ring_empty() - is there nothing to pop?
 * @r: ring
 *
 * For busy polling: one load of a shared word at most, no barrier. Chains that
 * were put back count as there; so does a position the driver broke, which the
 * next pop reports.
 *
 * Context: as trivio_ring_pop().
 * Return: true if there is nothing.
 */
bool trivio_ring_empty(struct trivio_ring *r)
{
	if (r->packed)
		return ring_packed_empty(r);
	return ring_split_empty(r);
}
