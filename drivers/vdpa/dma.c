// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's own DMA mapping, for kernel drivers (virtio_vdpa).
 *
 * Every mapping is a slot, and the DMA address names it:
 *
 *	63    62 ....... 44   43 ....... 24   23 ......... 0
 *	0     generation      slot            offset
 *
 * A look-up is two loads and a compare: no tree, no lock. The generation of a
 * slot changes when it is unmapped, so an address that is used too late, even
 * after its slot was given to somebody else, is found out, as are an address
 * that was never mapped, one beyond the end of its mapping, and one used in the
 * wrong direction. The driver then sees its queue break; a tracepoint and the
 * queue's first error have the address.
 *
 * A driver that unmaps what the device is writing to at that moment is not
 * waited for: the memory is the kernel's own, and real hardware would write
 * there too.
 */
#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <trivio/fault.h>

#include "vdpa.h"

#define SLOT_SHIFT	24
#define SLOT_BITS	20
#define GEN_SHIFT	(SLOT_SHIFT + SLOT_BITS)
#define GEN_BITS	19
#define GEN_MASK	((1U << GEN_BITS) - 1)
#define OFFSET_MASK	((1ULL << SLOT_SHIFT) - 1)

/* Offsets start behind a page that is never valid, to catch underruns. */
#define SLOT_GUARD	PAGE_SIZE
/* What remains of a slot after the guard and an offset in the page. */
#define SLOT_MAX	((1UL << SLOT_SHIFT) - 2 * SLOT_GUARD)

#define CHUNK_SHIFT	7
#define CHUNK_SLOTS	(1U << CHUNK_SHIFT)
#define CHUNKS_MAX	(1U << (SLOT_BITS - CHUNK_SHIFT))

#define SLOT_NONE	U32_MAX

/**
 * struct dma_slot - one mapping
 * @base: kernel address of offset @first
 * @first: first valid offset
 * @last: last valid offset
 * @gen: generation; changes at unmap
 * @perm: TRIVIO_RO, TRIVIO_WO, TRIVIO_RW; 0 if not mapped
 * @next: free list
 *
 * Written under &trivio_vdpa_dma.lock, read without: a reader takes @perm and
 * @gen first, the rest, and @gen again. Between two lives of a slot @gen
 * changes, so what it read is of one life.
 */
struct dma_slot {
	unsigned long base;
	u32 first;
	u32 last;
	u32 gen;
	u32 perm;
	u32 next;
};

/**
 * struct trivio_vdpa_dma - mappings of one device
 * @mem: what the core looks addresses up in
 * @lock: protects @free, @nchunks, @mapped and every change of a slot; taken in
 *	any context
 * @free: first free slot
 * @nchunks: entries in @chunk
 * @mapped: slots in use
 * @chunk: slots, in pieces that never move
 */
struct trivio_vdpa_dma {
	struct trivio_mem mem;
	spinlock_t lock;
	u32 free;
	u32 nchunks;
	u32 mapped;
	struct dma_slot *chunk[CHUNKS_MAX];
};

static struct trivio_vdpa_dma *to_dma(struct device *dev)
{
	return to_trivio(dev_to_vdpa(dev))->dma;
}

static struct dma_slot *dma_slot(struct trivio_vdpa_dma *dma, u64 addr)
{
	u32 i = addr >> SLOT_SHIFT & ((1U << SLOT_BITS) - 1);
	struct dma_slot *chunk;

	/* Pairs with the release in dma_grow(). */
	chunk = smp_load_acquire(&dma->chunk[i >> CHUNK_SHIFT]);
	return chunk ? &chunk[i & (CHUNK_SLOTS - 1)] : NULL;
}

static u64 slot_addr(u32 i, u32 gen, u32 off)
{
	return (u64)gen << GEN_SHIFT | (u64)i << SLOT_SHIFT | off;
}

/* One more chunk of slots, all free. */
static bool dma_grow(struct trivio_vdpa_dma *dma)
{
	struct dma_slot *chunk;
	u32 i, first;

	lockdep_assert_held(&dma->lock);
	if (dma->nchunks == CHUNKS_MAX)
		return false;
	chunk = kcalloc(CHUNK_SLOTS, sizeof(*chunk), GFP_ATOMIC | __GFP_NOWARN);
	if (!chunk)
		return false;
	first = dma->nchunks << CHUNK_SHIFT;
	for (i = 0; i < CHUNK_SLOTS; i++) {
		chunk[i].gen = 1;
		chunk[i].next = i + 1 < CHUNK_SLOTS ? first + i + 1 : dma->free;
	}
	dma->free = first;
	/* A reader that finds the chunk finds it initialised. */
	smp_store_release(&dma->chunk[dma->nchunks], chunk);
	dma->nchunks++;
	return true;
}

static u32 dir_perm(enum dma_data_direction dir)
{
	switch (dir) {
	case DMA_TO_DEVICE:
		return TRIVIO_RO;
	case DMA_FROM_DEVICE:
		return TRIVIO_WO;
	case DMA_BIDIRECTIONAL:
		return TRIVIO_RW;
	default:
		return 0;
	}
}

static dma_addr_t slot_map(struct trivio_vdpa_dma *dma, void *kaddr,
			   size_t size, u32 perm)
{
	dma_addr_t addr = DMA_MAPPING_ERROR;
	struct dma_slot *slot;
	unsigned long flags;
	u32 i;

	if (!size || size > SLOT_MAX || !perm)
		return DMA_MAPPING_ERROR;
	spin_lock_irqsave(&dma->lock, flags);
	if (dma->free == SLOT_NONE && !dma_grow(dma))
		goto out;
	i = dma->free;
	slot = &dma->chunk[i >> CHUNK_SHIFT][i & (CHUNK_SLOTS - 1)];
	dma->free = slot->next;
	WRITE_ONCE(slot->base, (unsigned long)kaddr);
	WRITE_ONCE(slot->first, SLOT_GUARD + offset_in_page(kaddr));
	WRITE_ONCE(slot->last, slot->first + size - 1);
	/* Pairs with the acquire in dma_lookup(). */
	smp_store_release(&slot->perm, perm);
	dma->mapped++;
	addr = slot_addr(i, slot->gen, slot->first);
out:
	spin_unlock_irqrestore(&dma->lock, flags);
	return addr;
}

static void slot_unmap(struct trivio_vdpa_dma *dma, dma_addr_t addr)
{
	struct dma_slot *slot = dma_slot(dma, addr);
	unsigned long flags;

	spin_lock_irqsave(&dma->lock, flags);
	/* A driver that unmaps twice must not put a slot on the list twice. */
	if (slot && slot->perm && addr >> GEN_SHIFT == slot->gen) {
		WRITE_ONCE(slot->perm, 0);
		/* The lock orders this before the slot's next life. */
		WRITE_ONCE(slot->gen, ((slot->gen + 1) & GEN_MASK) ?: 1);
		slot->next = dma->free;
		dma->free = addr >> SLOT_SHIFT & ((1U << SLOT_BITS) - 1);
		dma->mapped--;
		/* A queue's cache of this range is stale from here on. */
		WRITE_ONCE(dma->mem.gen, (dma->mem.gen + 1) ?: 1);
	}
	spin_unlock_irqrestore(&dma->lock, flags);
}

static int dma_lookup(struct trivio_mem *mem, u64 addr,
		      struct trivio_range *range)
{
	struct dma_slot *slot = dma_slot(mem->priv, addr);
	u64 start = addr & ~OFFSET_MASK;
	u32 gen, perm, first, last;

	if (!slot)
		return -ENOENT;
	/* Pairs with the release in slot_map(). */
	perm = smp_load_acquire(&slot->perm);
	gen = READ_ONCE(slot->gen);
	if (!perm || addr >> GEN_SHIFT != gen)
		return -ENOENT;
	first = READ_ONCE(slot->first);
	last = READ_ONCE(slot->last);
	range->base = READ_ONCE(slot->base);
	/* Read before looking at gen again; pairs with the lock of writers. */
	smp_rmb();
	if (gen != READ_ONCE(slot->gen) || (addr & OFFSET_MASK) < first ||
	    (addr & OFFSET_MASK) > last)
		return -ENOENT;
	range->first = start + first;
	range->last = start + last;
	range->perm = perm;
	return 0;
}

/* A ring is one mapping: what dma_alloc_coherent() or a map of it gave. */
static int dma_map_ring(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
			struct trivio_mapping *m)
{
	struct trivio_range range;

	if (dma_lookup(mem, addr, &range) || len - 1 > range.last - addr)
		return -EFAULT;
	if (perm & ~range.perm)
		return -EPERM;
	m->kaddr = (void *)(unsigned long)(range.base + addr - range.first);
	m->len = len;
	return 0;
}

static void dma_unmap_ring(struct trivio_mem *mem, struct trivio_mapping *m)
{
}

static const struct trivio_mem_ops dma_mem_ops = {
	.lookup = dma_lookup,
	.map = dma_map_ring,
	.unmap = dma_unmap_ring,
};

/* --- the kernel's DMA interface ---------------------------------------- */

static void *dma_op_alloc(struct device *dev, size_t size, dma_addr_t *handle,
			  gfp_t gfp, unsigned long attrs)
{
	void *kaddr;

	kaddr = alloc_pages_exact(size, gfp | __GFP_ZERO);
	if (!kaddr)
		return NULL;
	*handle = slot_map(to_dma(dev), kaddr, size, TRIVIO_RW);
	if (*handle == DMA_MAPPING_ERROR) {
		free_pages_exact(kaddr, size);
		return NULL;
	}
	return kaddr;
}

static void dma_op_free(struct device *dev, size_t size, void *vaddr,
			dma_addr_t handle, unsigned long attrs)
{
	slot_unmap(to_dma(dev), handle);
	free_pages_exact(vaddr, size);
}

static struct page *dma_op_alloc_pages(struct device *dev, size_t size,
				       dma_addr_t *handle,
				       enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = alloc_pages(gfp | __GFP_ZERO, get_order(size));

	if (!page)
		return NULL;
	*handle = slot_map(to_dma(dev), page_address(page), size,
			   dir_perm(dir));
	if (*handle == DMA_MAPPING_ERROR) {
		__free_pages(page, get_order(size));
		return NULL;
	}
	return page;
}

static void dma_op_free_pages(struct device *dev, size_t size,
			      struct page *page, dma_addr_t handle,
			      enum dma_data_direction dir)
{
	slot_unmap(to_dma(dev), handle);
	__free_pages(page, get_order(size));
}

/* A fault on purpose. The device may not be there yet, or any more. */
static bool map_fails(struct device *dev)
{
	struct trivio_dev *tdev = to_trivio(dev_to_vdpa(dev))->dev;

	return tdev && trivio_fault_dev(tdev, TRIVIO_FAULT_MAP);
}

static dma_addr_t dma_op_map_page(struct device *dev, struct page *page,
				  unsigned long offset, size_t size,
				  enum dma_data_direction dir,
				  unsigned long attrs)
{
	if (map_fails(dev))
		return DMA_MAPPING_ERROR;
	return slot_map(to_dma(dev), page_address(page) + offset, size,
			dir_perm(dir));
}

static void dma_op_unmap_page(struct device *dev, dma_addr_t handle,
			      size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	slot_unmap(to_dma(dev), handle);
}

static void dma_op_unmap_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		slot_unmap(to_dma(dev), sg_dma_address(sg));
}

static int dma_op_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	if (map_fails(dev))
		return -ENOMEM;
	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = slot_map(to_dma(dev), sg_virt(sg),
					      sg->length, dir_perm(dir));
		if (sg_dma_address(sg) == DMA_MAPPING_ERROR) {
			dma_op_unmap_sg(dev, sgl, i, dir, attrs);
			return -ENOMEM;
		}
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static int dma_op_supported(struct device *dev, u64 mask)
{
	return mask == DMA_BIT_MASK(64);
}

static size_t dma_op_max_size(struct device *dev)
{
	return SLOT_MAX;
}

static const struct dma_map_ops vdpa_dma_ops = {
	.alloc = dma_op_alloc,
	.free = dma_op_free,
	.alloc_pages_op = dma_op_alloc_pages,
	.free_pages = dma_op_free_pages,
	.map_page = dma_op_map_page,
	.unmap_page = dma_op_unmap_page,
	.map_sg = dma_op_map_sg,
	.unmap_sg = dma_op_unmap_sg,
	.dma_supported = dma_op_supported,
	.max_mapping_size = dma_op_max_size,
};

/**
 * trivio_vdpa_dma_mem() - the address space of kernel drivers
 * @v: device
 */
struct trivio_mem *trivio_vdpa_dma_mem(struct trivio_vdpa *v)
{
	return &v->dma->mem;
}

/**
 * trivio_vdpa_dma_init() - give a vDPA device its own DMA mapping
 * @v: device, allocated and not yet registered
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_vdpa_dma_init(struct trivio_vdpa *v)
{
	struct device *dev = &v->vdev.dev;
	struct trivio_vdpa_dma *dma;

	dma = kvzalloc(sizeof(*dma), GFP_KERNEL);
	if (!dma)
		return -ENOMEM;
	spin_lock_init(&dma->lock);
	dma->free = SLOT_NONE;
	trivio_mem_init(&dma->mem, TRIVIO_MEM_KERNEL, &dma_mem_ops, dma, 1);
	v->dma = dma;
	v->dma_mask = DMA_BIT_MASK(64);
	dev->dma_mask = &v->dma_mask;
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	set_dma_ops(dev, &vdpa_dma_ops);
	v->vdev.dma_dev = dev;
	return 0;
}

/**
 * trivio_vdpa_dma_exit() - undo trivio_vdpa_dma_init()
 * @v: device that no driver is bound to and no queue uses
 */
void trivio_vdpa_dma_exit(struct trivio_vdpa *v)
{
	struct trivio_vdpa_dma *dma = v->dma;
	u32 i;

	if (!dma)
		return;
	if (dma->mapped)
		dev_warn(&v->vdev.dev, "driver left %u DMA mappings behind\n",
			 dma->mapped);
	trivio_mem_exit(&dma->mem);
	for (i = 0; i < dma->nchunks; i++)
		kfree(dma->chunk[i]);
	kvfree(dma);
	v->dma = NULL;
}
