/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two virtqueue layouts, split and packed, behind one small interface.
 *
 * Everything here works on ring memory that is already mapped: plain pointers,
 * no user access, no sleeping, no allocation. So drivers/core/ring_split.c and
 * ring_packed.c also compile in user space, where selftests/core runs them
 * against the kernel's own virtio_ring.c and under sanitizers and fuzzers.
 *
 * Shared ring words are little endian (VERSION_1); legacy rings are only
 * supported on little-endian hosts, where both are the same.
 */
#ifndef TRIVIO_RING_H
#define TRIVIO_RING_H

#include <linux/types.h>
#include <linux/virtio_ring.h>

/* Largest ring either layout allows (virtio 1.2, 2.7 and 2.8). */
#define TRIVIO_RING_MAX		32768

/* Most descriptors one chain may have; UIO_MAXIOV, as vhost_net has it. */
#define TRIVIO_CHAIN_MAX	1024

/**
 * enum trivio_err - why a queue broke or a chain was refused
 *
 * Kept as the first error of a queue, counted, traced and shown by name
 * (trivio_err_name()). Numbers are user visible: add at the end.
 *
 * @TRIVIO_OK:			no error
 * @TRIVIO_ERR_AVAIL_JUMP:	avail index moved by more than the ring size
 * @TRIVIO_ERR_HEAD_RANGE:	head (or packed id) not below the ring size
 * @TRIVIO_ERR_NEXT_RANGE:	next field not below the table size
 * @TRIVIO_ERR_LOOP:		chain longer than its table: it loops
 * @TRIVIO_ERR_TOO_LONG:	chain has more descriptors than the device takes
 * @TRIVIO_ERR_ORDER:		a device-readable buffer after a writable one
 * @TRIVIO_ERR_INDIRECT_OFF:	INDIRECT used but not negotiated
 * @TRIVIO_ERR_INDIRECT_NESTED:	indirect table inside an indirect table
 * @TRIVIO_ERR_INDIRECT_LEN:	indirect table of length 0, odd or too long
 * @TRIVIO_ERR_INDIRECT_FLAGS:	INDIRECT together with NEXT
 * @TRIVIO_ERR_INDIRECT_READ:	indirect table is not readable memory
 * @TRIVIO_ERR_PARTIAL:		packed chain whose tail is not available
 * @TRIVIO_ERR_UNMAPPED:	buffer address has no mapping
 * @TRIVIO_ERR_PERM:		mapping does not allow this direction
 * @TRIVIO_ERR_WRAP:		address + length wraps, or total exceeds 4 GiB
 * @TRIVIO_ERR_RING_MAP:	ring memory can't be mapped
 * @TRIVIO_ERR_FAULT:		memory access failed half way
 * @TRIVIO_ERR_FORMAT:		chain lacks a part its class demands
 * @TRIVIO_ERR_LOG:		dirty log is not writable
 * @TRIVIO_ERR_USED_TWICE:	a head was returned that is not in flight
 * @TRIVIO_ERR_BACKEND:		port or disk failed for good
 * @TRIVIO_ERR_NOMEM:		no memory for the request
 * @TRIVIO_ERR_INJECTED:	a fault that was asked for
 * @TRIVIO_ERR_RULE:		the conformance checker stopped the queue
 * @TRIVIO_ERR_NR:		number of codes
 */
enum trivio_err {
	TRIVIO_OK = 0,
	TRIVIO_ERR_AVAIL_JUMP,
	TRIVIO_ERR_HEAD_RANGE,
	TRIVIO_ERR_NEXT_RANGE,
	TRIVIO_ERR_LOOP,
	TRIVIO_ERR_TOO_LONG,
	TRIVIO_ERR_ORDER,
	TRIVIO_ERR_INDIRECT_OFF,
	TRIVIO_ERR_INDIRECT_NESTED,
	TRIVIO_ERR_INDIRECT_LEN,
	TRIVIO_ERR_INDIRECT_FLAGS,
	TRIVIO_ERR_INDIRECT_READ,
	TRIVIO_ERR_PARTIAL,
	TRIVIO_ERR_UNMAPPED,
	TRIVIO_ERR_PERM,
	TRIVIO_ERR_WRAP,
	TRIVIO_ERR_RING_MAP,
	TRIVIO_ERR_FAULT,
	TRIVIO_ERR_FORMAT,
	TRIVIO_ERR_LOG,
	TRIVIO_ERR_USED_TWICE,
	TRIVIO_ERR_BACKEND,
	TRIVIO_ERR_NOMEM,
	TRIVIO_ERR_INJECTED,
	TRIVIO_ERR_RULE,
	TRIVIO_ERR_NR,
};

/**
 * struct trivio_desc - one buffer of a chain, as the driver described it
 * @addr: address in the queue's address space (GPA, IOVA or DMA address)
 * @len: bytes
 */
struct trivio_desc {
	u64 addr;
	u32 len;
};

union trivio_seg;

/**
 * struct trivio_chain - one popped request
 * @id: head index (split) or buffer id (packed); goes back in the used entry
 * @slots: ring slots the chain took; packed rings need it at push time
 * @nout: device-readable descriptors; they come first in @desc
 * @nin: device-writable descriptors; they follow
 * @out_len: sum of the readable lengths, bytes
 * @in_len: sum of the writable lengths, bytes
 * @desc: array of at least @desc_max entries, owned by the caller
 * @desc_max: room in @desc
 * @seg_max: room in @seg
 * @out_segs: readable entries in @seg
 * @in_segs: writable entries in @seg, after the readable ones
 * @seg: what the buffers are on this host, filled by trivio_queue_pop()
 *	(readable ones first); a buffer that crosses mappings has several
 * @seq: running number of the chain in its queue, for tracing
 */
struct trivio_chain {
	u16 id;
	u16 slots;
	u16 nout;
	u16 nin;
	u32 out_len;
	u32 in_len;
	struct trivio_desc *desc;
	u16 desc_max;
	u16 seg_max;
	u16 out_segs;
	u16 in_segs;
	union trivio_seg *seg;
	u64 seq;
};

/**
 * enum trivio_area - the parts of a ring that the device writes
 * @TRIVIO_AREA_DESC: packed descriptor ring
 * @TRIVIO_AREA_DEVICE: split used ring, or packed device event structure
 */
enum trivio_area {
	TRIVIO_AREA_DESC,
	TRIVIO_AREA_DEVICE,
};

/**
 * struct trivio_ring_ops - what a ring asks of its owner
 * @read: copy @len bytes of guest memory at @addr (indirect tables). 0 or a
 *	negative errno; -EAGAIN means "parked, try this pop again later".
 * @log: the device wrote @len bytes at @off of @area; only called while
 *	&trivio_ring.log is set
 * @idle: the ring is empty and kicks are enabled: the service is about to
 *	sleep. True: a kick has come already, look again. Optional.
 */
struct trivio_ring_ops {
	int (*read)(void *ctx, u64 addr, void *dst, u32 len);
	void (*log)(void *ctx, enum trivio_area area, u32 off, u32 len);
	bool (*idle)(void *ctx);
};

/**
 * struct trivio_ring_cfg - how to set a ring up
 * @num: entries; split: a power of two; packed: any; 1..32768
 * @packed: VIRTIO_F_RING_PACKED negotiated
 * @event_idx: VIRTIO_RING_F_EVENT_IDX negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC negotiated
 * @in_order: VIRTIO_F_IN_ORDER negotiated
 * @desc: descriptor table or packed descriptor ring
 * @driver: avail ring, or driver event suppression structure
 * @device: used ring, or device event suppression structure
 * @ops: callbacks
 * @ctx: their first argument
 */
struct trivio_ring_cfg {
	u32 num;
	bool packed;
	bool event_idx;
	bool indirect;
	bool in_order;
	void *desc;
	void *driver;
	void *device;
	const struct trivio_ring_ops *ops;
	void *ctx;
};

/**
 * struct trivio_ring - one virtqueue layout over mapped memory
 *
 * Callers serialise every call on one ring (the queue's service lock).
 *
 * @desc: descriptor table (split) or ring (packed)
 * @driver: avail ring or driver event structure; the device only reads it
 * @device: used ring or device event structure; the device only writes it
 * @num: entries
 * @packed: which layout
 * @event_idx: event index suppression in use
 * @indirect: indirect tables allowed
 * @in_order: used entries may be batched
 * @log: report writes through &trivio_ring_ops.log
 * @call_valid: @call_used holds the position of the last call decision
 * @kick_off: driver was told not to kick
 * @avail_wrap: packed: wrap counter of @last_avail
 * @used_wrap: packed: wrap counter of @last_used
 * @flushed_wrap: packed: wrap counter of @flushed_used
 * @last_avail: next slot to pop (split: free running)
 * @avail_idx: split: driver's index as last read
 * @last_used: next slot to push (split: free running)
 * @flushed_used: @last_used as the driver can see it
 * @call_used: @last_used at the last call decision
 * @pending: pushes not yet flushed
 * @inflight: slots popped and not yet pushed
 * @err: code of the last failure of trivio_ring_pop()
 * @err_head: its head
 * @err_addr: its address, or 0
 * @ops: callbacks
 * @ctx: their first argument
 * @priv: state private to the layout
 */
struct trivio_ring {
	void *desc;
	void *driver;
	void *device;
	u32 num;
	bool packed;
	bool event_idx;
	bool indirect;
	bool in_order;
	bool log;
	bool call_valid;
	bool kick_off;
	bool avail_wrap;
	bool used_wrap;
	bool flushed_wrap;
	u16 last_avail;
	u16 avail_idx;
	u16 last_used;
	u16 flushed_used;
	u16 call_used;
	u16 pending;
	u32 inflight;
	enum trivio_err err;
	u16 err_head;
	u64 err_addr;
	const struct trivio_ring_ops *ops;
	void *ctx;
	u64 priv[6];
};

void trivio_ring_bytes(u32 num, bool packed, bool event_idx, size_t *desc,
		       size_t *driver, size_t *device);
int trivio_ring_init(struct trivio_ring *r, const struct trivio_ring_cfg *cfg);
int trivio_ring_set_state(struct trivio_ring *r, bool packed, u32 state);
u32 trivio_ring_get_state(const struct trivio_ring *r);
int trivio_ring_pop(struct trivio_ring *r, struct trivio_chain *c);
void trivio_ring_unpop(struct trivio_ring *r, const struct trivio_chain *c);
void trivio_ring_push(struct trivio_ring *r, u16 id, u16 slots, u32 written);
void trivio_ring_flush(struct trivio_ring *r);
bool trivio_ring_call_needed(struct trivio_ring *r);
void trivio_ring_kick_disable(struct trivio_ring *r);
bool trivio_ring_kick_enable(struct trivio_ring *r);
bool trivio_ring_empty(struct trivio_ring *r);
const char *trivio_err_name(enum trivio_err err);

#endif /* TRIVIO_RING_H */
