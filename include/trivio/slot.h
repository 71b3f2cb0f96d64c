/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address spaces of many small mappings that come and go with each request, as a
 * kernel driver's DMA mappings do. Every mapping is a slot, and the address names it:
 *
 *	63    62 ....... 44   43 ....... 24   23 ......... 0
 *	0     generation      slot            offset
 *
 * A look-up is a few loads and compares: no tree, no lock, nothing worth caching.
 */
#ifndef TRIVIO_SLOT_H
#define TRIVIO_SLOT_H

#include <linux/compiler.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <asm/barrier.h>

#define TRIVIO_SLOT_SHIFT	24
#define TRIVIO_SLOT_BITS	20
#define TRIVIO_SLOT_GEN_SHIFT	(TRIVIO_SLOT_SHIFT + TRIVIO_SLOT_BITS)
#define TRIVIO_SLOT_OFFSET	((1ULL << TRIVIO_SLOT_SHIFT) - 1)
#define TRIVIO_SLOT_INDEX	((1U << TRIVIO_SLOT_BITS) - 1)

#define TRIVIO_SLOT_CHUNK_SHIFT	7
#define TRIVIO_SLOT_CHUNK	(1U << TRIVIO_SLOT_CHUNK_SHIFT)
#define TRIVIO_SLOT_CHUNKS	(1U << (TRIVIO_SLOT_BITS - TRIVIO_SLOT_CHUNK_SHIFT))

/**
 * struct trivio_slot - one mapping
 * @base: kernel address of offset @first
 * @first: first valid offset
 * @last: last valid offset
 * @gen: generation; changes at unmap
 * @perm: TRIVIO_RO, TRIVIO_WO, TRIVIO_RW; 0 if not mapped
 * @next: free list
 *
 * Written under &trivio_slots.lock, read without: a reader takes @perm and
 * @gen first, the rest, and @gen again. Between two lives of a slot @gen
 * changes, so what it read is of one life.
 */
struct trivio_slot {
	unsigned long base;
	u32 first;
	u32 last;
	u32 gen;
	u32 perm;
	u32 next;
};

/**
 * struct trivio_slots - all mappings of one address space
 * @lock: protects @free, @nchunks, @mapped and every change of a slot; taken in
 *	any context
 * @free: first free slot
 * @nchunks: entries in @chunk
 * @mapped: slots in use
 * @chunk: slots, in pieces that never move, published with a release
 */
struct trivio_slots {
	spinlock_t lock;
	u32 free;
	u32 nchunks;
	u32 mapped;
	struct trivio_slot *chunk[TRIVIO_SLOT_CHUNKS];
};

/**
 * trivio_slot_of() - the slot that an address names
 * @slots: mappings
 * @addr: address, of whatever generation
 *
 * Context: any.
 *
 * Return: slot, mapped or not; NULL if there never was one.
 */
static __always_inline struct trivio_slot *
trivio_slot_of(const struct trivio_slots *slots, u64 addr)
{
	u32 i = addr >> TRIVIO_SLOT_SHIFT & TRIVIO_SLOT_INDEX;
	struct trivio_slot *chunk;

	/* Pairs with the release of whoever adds a chunk. */
	chunk = smp_load_acquire(&slots->chunk[i >> TRIVIO_SLOT_CHUNK_SHIFT]);
	return chunk ? &chunk[i & (TRIVIO_SLOT_CHUNK - 1)] : NULL;
}

/**
 * trivio_slot_seg() - memory of one whole buffer
 * @slots: mappings
 * @addr: first address
 * @len: bytes
 * @perm: what is wanted: TRIVIO_RO, TRIVIO_WO
 *
 * Context: any.
 *
 * Return: kernel address of the first byte; NULL if that is not one mapping's, or
 * not to be used so.
 */
static __always_inline void *trivio_slot_seg(const struct trivio_slots *slots,
					     u64 addr, u32 len, u32 perm)
{
	const struct trivio_slot *slot = trivio_slot_of(slots, addr);
	u64 off = addr & TRIVIO_SLOT_OFFSET, span;
	unsigned long base;
	u32 gen;

	if (unlikely(!slot))
		return NULL;
	/* Pairs with the release of whoever maps. */
	if (unlikely(perm & ~smp_load_acquire(&slot->perm)))
		return NULL;
	gen = READ_ONCE(slot->gen);
	off -= READ_ONCE(slot->first);
	span = READ_ONCE(slot->last) - READ_ONCE(slot->first);
	base = READ_ONCE(slot->base);
	/* Read before looking at gen again; pairs with the lock of writers. */
	smp_rmb();
	/* A length of 0 wraps to one that no mapping covers. */
	if (unlikely(addr >> TRIVIO_SLOT_GEN_SHIFT != gen || READ_ONCE(slot->gen) != gen ||
		     off > span || len - 1ULL > span - off))
		return NULL;
	/* A mispredicted comparison must not form a foreign address. */
	return (void *)(base + array_index_nospec(off, span + 1));
}

#endif /* TRIVIO_SLOT_H */
