// SPDX-License-Identifier: GPL-2.0-only
/* A ring in memory of its own; see world.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "fuzz_ring.h"
#include "world.h"

#ifdef SHIM_READ_HOOK
void (*shim_read_hook)(const volatile void *p, size_t len);
#endif

/* Guest memory as the ring's owner gives it: whole region or nothing. */
static int world_read(void *ctx, u64 addr, void *dst, u32 len)
{
	struct world *w = ctx;
	int i;

	w->reads++;
	if (w->read_err)
		return w->read_err;
	for (i = 0; i < w->nregion; i++) {
		struct region *g = &w->region[i];

		if (addr >= g->addr && addr - g->addr < g->len &&
		    len <= g->len - (addr - g->addr)) {
			memcpy(dst, g->mem + (addr - g->addr), len);
			return 0;
		}
	}
	return -EFAULT;
}

static void world_log(void *ctx, enum trivio_area area, u32 off, u32 len)
{
	struct world *w = ctx;
	int a = area == TRIVIO_AREA_DESC ? 0 : 2;

	if ((u64)off + len > w->bytes[a])
		abort();
	if (w->dirty[a])
		memset(w->dirty[a] + off, 1, len);
}

static const struct trivio_ring_ops world_ops = {
	.read = world_read,
	.log = world_log,
};

struct world *world_new(u32 num, int features, u16 desc_max)
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	w->cfg.num = num;
	w->cfg.packed = features & W_PACKED;
	w->cfg.event_idx = features & W_EVENT;
	w->cfg.indirect = features & W_INDIRECT;
	w->cfg.in_order = features & W_IN_ORDER;
	trivio_ring_bytes(num, w->cfg.packed, w->cfg.event_idx, &w->bytes[0],
			  &w->bytes[1], &w->bytes[2]);
	for (i = 0; i < 3; i++)
		w->area[i] = calloc(1, w->bytes[i]);
	w->cfg.desc = w->area[0];
	w->cfg.driver = w->area[1];
	w->cfg.device = w->area[2];
	w->cfg.ops = &world_ops;
	w->cfg.ctx = w;
	w->c.desc_max = desc_max;
	w->c.desc = calloc(desc_max, sizeof(*w->c.desc));
	w->wrap = true;
	return w;
}

int world_init(struct world *w)
{
	int err = trivio_ring_init(&w->r, &w->cfg);

	if (!err)
		w->first = trivio_ring_get_state(&w->r);
	return err;
}

void world_free(struct world *w)
{
	int i;

	world_seed(w);
	for (i = 0; i < 3; i++) {
		free(w->area[i]);
		free(w->old[i]);
		free(w->dirty[i]);
	}
	for (i = 0; i < w->nregion; i++)
		free(w->region[i].mem);
	free(w->c.desc);
	free(w);
}

/*
 * Write a descriptor of a table: @last is next (split) or id (packed). The
 * fields swap places between the layouts, which is why the caller says.
 */
static void put_desc(u8 *p, bool packed, u64 addr, u32 len, u16 flags, u16 last)
{
	struct vring_desc d = {
		.addr = cpu_to_le64(addr),
		.len = cpu_to_le32(len),
		.flags = cpu_to_le16(packed ? last : flags),
		.next = cpu_to_le16(packed ? flags : last),
	};

	memcpy(p, &d, sizeof(d));
}

void world_table(struct world *w, void *table, u32 i, u64 addr, u32 len,
		 u16 flags, u16 last)
{
	put_desc(table + 16 * i, w->cfg.packed, addr, len, flags, last);
}

void world_desc(struct world *w, u32 i, u64 addr, u32 len, u16 flags, u16 last)
{
	put_desc(w->area[0] + 16 * i, w->cfg.packed, addr, len, flags, last);
}

/* Mark slot @i available (or not) at the given wrap counter. */
void world_packed_flags(struct world *w, u32 i, u16 flags, bool wrap)
{
	struct vring_packed_desc *d = (void *)w->area[0];

	flags |= 1 << (wrap ? VRING_PACKED_DESC_F_AVAIL :
		       VRING_PACKED_DESC_F_USED);
	WRITE_ONCE(d[i].flags, cpu_to_le16(flags));
}

/* Split: put @head into the avail ring and announce it. */
void world_offer(struct world *w, u16 head)
{
	struct vring_avail *a = (void *)w->area[1];

	a->ring[w->avail & (w->cfg.num - 1)] = cpu_to_le16(head);
	world_avail_idx(w, ++w->avail);
}

void world_avail_idx(struct world *w, u16 idx)
{
	struct vring_avail *a = (void *)w->area[1];

	w->avail = idx;
	WRITE_ONCE(a->idx, cpu_to_le16(idx));
}

void world_avail_flags(struct world *w, u16 flags)
{
	struct vring_avail *a = (void *)w->area[1];

	a->flags = cpu_to_le16(flags);
}

void world_used_event(struct world *w, u16 event)
{
	struct vring_avail *a = (void *)w->area[1];

	a->ring[w->cfg.num] = cpu_to_le16(event);
}

void world_driver_event(struct world *w, u16 off_wrap, u16 flags)
{
	u32 *e = (void *)w->area[1];

	WRITE_ONCE(*e, cpu_to_le32((u32)flags << 16 | off_wrap));
}

/* Offer one buffer with descriptor and id @i, in either layout. */
void world_one(struct world *w, u32 i, u64 addr, u32 len, u16 flags)
{
	if (!w->cfg.packed) {
		world_desc(w, i, addr, len, flags, 0);
		world_offer(w, i);
		return;
	}
	world_next(w, i, addr, len, flags);
}

/* Packed: one descriptor at the driver's position. */
void world_next(struct world *w, u16 id, u64 addr, u32 len, u16 flags)
{
	world_desc(w, w->avail, addr, len, 0, id);
	world_packed_flags(w, w->avail, flags, w->wrap);
	if (++w->avail == w->cfg.num) {
		w->avail = 0;
		w->wrap = !w->wrap;
	}
}

u16 world_used_idx(struct world *w)
{
	struct vring_used *u = (void *)w->area[2];

	return le16_to_cpu(READ_ONCE(u->idx));
}

void world_used(struct world *w, u32 slot, u32 *id, u32 *len)
{
	struct vring_used *u = (void *)w->area[2];

	*id = le32_to_cpu(u->ring[slot & (w->cfg.num - 1)].id);
	*len = le32_to_cpu(u->ring[slot & (w->cfg.num - 1)].len);
}

u16 world_avail_event(struct world *w)
{
	u16 v;

	memcpy(&v, w->area[2] + 4 + 8 * w->cfg.num, 2);
	return le16_to_cpu(v);
}

u16 world_used_flags(struct world *w)
{
	struct vring_used *u = (void *)w->area[2];

	return le16_to_cpu(u->flags);
}

bool world_packed_used(struct world *w, u32 i, bool wrap, u16 *id, u32 *len)
{
	struct vring_packed_desc *d = (void *)w->area[0];
	u16 flags = le16_to_cpu(READ_ONCE(d[i].flags));

	*id = le16_to_cpu(d[i].id);
	*len = le32_to_cpu(d[i].len);
	return !!(flags & (1 << VRING_PACKED_DESC_F_AVAIL)) == wrap &&
	       !!(flags & (1 << VRING_PACKED_DESC_F_USED)) == wrap;
}

u32 world_device_event(struct world *w)
{
	u32 *e = (void *)w->area[2];

	return le32_to_cpu(*e);
}

void *world_region(struct world *w, u64 addr, u64 len)
{
	struct region *g = &w->region[w->nregion++];

	g->addr = addr;
	g->len = len;
	g->mem = calloc(1, len);
	return g->mem;
}

/* From now on: what is in memory, and nothing logged. */
void world_log_start(struct world *w)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (!w->old[i])
			w->old[i] = malloc(w->bytes[i]);
		memcpy(w->old[i], w->area[i], w->bytes[i]);
		free(w->dirty[i]);
		w->dirty[i] = calloc(1, w->bytes[i]);
	}
	w->r.log = true;
}

/* Bytes that changed and were not logged. The driver must not have stored. */
long world_log_missing(struct world *w)
{
	long missing = 0;
	size_t k;
	int i;

	for (i = 0; i < 3; i++)
		for (k = 0; k < w->bytes[i]; k++)
			if (w->old[i][k] != w->area[i][k] && !w->dirty[i][k])
				missing++;
	return missing;
}

static void seed_store(FILE *f, u8 area, const void *p, size_t n)
{
	u16 off = 0, len = n;

	fputc(OP_STORE, f);
	fputc(area, f);
	fwrite(&off, 2, 1, f);
	fwrite(&len, 2, 1, f);
	fwrite(p, n, 1, f);
}

/*
 * What a test leaves behind, as an input for the ring fuzzers: into the folder
 * that SEED_DIR names, if it does.
 */
void world_seed(struct world *w)
{
	static const u8 steps[] = {
		OP_KICK_OFF, OP_POP, OP_POP, OP_UNPOP, OP_POP, OP_POP,
		OP_PUSH, 0, 1, 0, 0, 0, OP_PUSH, 0, 0, 0, 0, 0, OP_LOG, 1,
		OP_FLUSH, OP_CALL, OP_KICK_ON, OP_RESTART, 0, OP_POP,
	};
	const char *dir = getenv("SEED_DIR");
	static unsigned int count;
	char path[512];
	int features, i;
	FILE *f;

	if (!dir || w->cfg.num > FUZZ_NUM_MAX || count >= 500)
		return;
	snprintf(path, sizeof(path), "%s/%s-%u-%u", dir,
		 w->cfg.packed ? "packed" : "split", (unsigned int)getpid(),
		 count++);
	f = fopen(path, "w");
	if (!f)
		return;
	features = w->cfg.packed * W_PACKED | w->cfg.event_idx * W_EVENT |
		   w->cfg.indirect * W_INDIRECT | w->cfg.in_order * W_IN_ORDER;
	fputc(features, f);
	fputc(w->cfg.num - 1, f);
	fputc(w->c.desc_max > 64 ? 63 : w->c.desc_max - 1, f);
	fwrite(&w->first, 4, 1, f);
	for (i = 0; i < 3; i++)
		seed_store(f, i, w->area[i], w->bytes[i]);
	for (i = 0; i < w->nregion && i < 1; i++)
		seed_store(f, AREA_TABLE, w->region[i].mem,
			   w->region[i].len < 4096 ? w->region[i].len : 4096);
	fwrite(steps, sizeof(steps), 1, f);
	fclose(f);
}
