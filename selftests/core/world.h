/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring in memory of its own, and the driver's side of it as plain stores: what
 * a well-behaved driver never does is done with this. Each area is allocated
 * to the byte, so the address sanitizer sees a step beside it.
 */
#ifndef SELFTESTS_CORE_WORLD_H
#define SELFTESTS_CORE_WORLD_H

#include <errno.h>
#include <asm/byteorder.h>
#include <trivio/ring.h>

#define F_NEXT		VRING_DESC_F_NEXT
#define F_WRITE		VRING_DESC_F_WRITE
#define F_INDIRECT	VRING_DESC_F_INDIRECT

#define WORLD_REGIONS	8

struct region {
	u64 addr;
	u64 len;
	void *mem;
};

/**
 * struct world - one ring and its surroundings
 * @r: the ring under test
 * @cfg: how it was set up
 * @area: desc, driver, device
 * @bytes: their sizes
 * @c: chain for pops
 * @region: guest memory that indirect tables may be read from
 * @nregion: how many
 * @read_err: what reads return, if not 0
 * @reads: reads so far
 * @old: copy of the areas, for the dirty log
 * @dirty: per byte of each area, logged
 * @avail: driver: next avail position (split: free running; packed: slot)
 * @wrap: driver: packed wrap counter of @avail
 * @first: saved position before the first run, for seeds
 */
struct world {
	struct trivio_ring r;
	struct trivio_ring_cfg cfg;
	u8 *area[3];
	size_t bytes[3];
	struct trivio_chain c;
	struct region region[WORLD_REGIONS];
	int nregion;
	int read_err;
	unsigned long reads;
	u8 *old[3];
	u8 *dirty[3];
	u32 avail;
	bool wrap;
	u32 first;
};

enum {
	W_PACKED = 1,
	W_EVENT = 2,
	W_INDIRECT = 4,
	W_IN_ORDER = 8,
	W_ALL = 16,
};

struct world *world_new(u32 num, int features, u16 desc_max);
void world_free(struct world *w);
int world_init(struct world *w);

/* The driver's stores. */
void world_desc(struct world *w, u32 i, u64 addr, u32 len, u16 flags, u16 last);
void world_table(struct world *w, void *table, u32 i, u64 addr, u32 len,
		 u16 flags, u16 last);
void world_offer(struct world *w, u16 head);
void world_avail_idx(struct world *w, u16 idx);
void world_packed_flags(struct world *w, u32 i, u16 flags, bool wrap);
void world_used_event(struct world *w, u16 event);
void world_avail_flags(struct world *w, u16 flags);
void world_driver_event(struct world *w, u16 off_wrap, u16 flags);

/* One chain of one buffer, in slot or descriptor @i. */
void world_one(struct world *w, u32 i, u64 addr, u32 len, u16 flags);
void world_next(struct world *w, u16 id, u64 addr, u32 len, u16 flags);

/* What it sees of the device. */
u16 world_used_idx(struct world *w);
void world_used(struct world *w, u32 slot, u32 *id, u32 *len);
u16 world_avail_event(struct world *w);
u16 world_used_flags(struct world *w);
bool world_packed_used(struct world *w, u32 i, bool wrap, u16 *id, u32 *len);
u32 world_device_event(struct world *w);

void *world_region(struct world *w, u64 addr, u64 len);
void world_log_start(struct world *w);
long world_log_missing(struct world *w);
void world_seed(struct world *w);

#endif
