// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's own DMA mapping, for kernel drivers (virtio_vdpa).
 *
 * Every mapping is a slot (trivio/slot.h), and the DMA address names it. The generation of a
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
#include <trivio/slot.h>

#include "vdpa.h"

#define GEN_BITS	19
#define GEN_MASK	((1U << GEN_BITS) - 1)

/* Offsets start behind a page that is never valid, to catch underruns. */
#define SLOT_GUARD	PAGE_SIZE
/* What remains of a slot after the guard and an offset in the page. */
#define SLOT_MAX	((1UL << TRIVIO_SLOT_SHIFT) - 2 * SLOT_GUARD)

#define SLOT_NONE	U32_MAX

/**
 * struct trivio_vdpa_dma - mappings of one device
 * @mem: what the core looks addresses up in
 * @slots: the mappings
 */
struct trivio_vdpa_dma {
	struct trivio_mem mem;
	struct trivio_slots slots;
};

static struct trivio_slots *to_slots(struct device *dev)
{
	return &to_trivio(dev_to_vdpa(dev))->dma->slots;
}

static u64 slot_addr(u32 i, u32 gen, u32 off)
{
	return (u64)gen << TRIVIO_SLOT_GEN_SHIFT | (u64)i << TRIVIO_SLOT_SHIFT | off;
}

/* One more chunk of slots, all free. */
static bool slots_grow(struct trivio_slots *slots)
{
	struct trivio_slot *chunk;
	u32 i, first;

	lockdep_assert_held(&slots->lock);
	if (slots->nchunks == TRIVIO_SLOT_CHUNKS)
		return false;
	chunk = kcalloc(TRIVIO_SLOT_CHUNK, sizeof(*chunk), GFP_ATOMIC | __GFP_NOWARN);
	if (!chunk)
		return false;
	first = slots->nchunks << TRIVIO_SLOT_CHUNK_SHIFT;
	for (i = 0; i < TRIVIO_SLOT_CHUNK; i++) {
		chunk[i].gen = 1;
		chunk[i].next = i + 1 < TRIVIO_SLOT_CHUNK ? first + i + 1 : slots->free;
	}
	slots->free = first;
	/* A reader that finds the chunk finds it initialised: trivio_slot_of(). */
	smp_store_release(&slots->chunk[slots->nchunks], chunk);
	slots->nchunks++;
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

static dma_addr_t slot_map(struct trivio_slots *slots, void *kaddr,
			   size_t size, u32 perm)
{
	dma_addr_t addr = DMA_MAPPING_ERROR;
	struct trivio_slot *slot;
	unsigned long flags;
	u32 i;

	if (!size || size > SLOT_MAX || !perm)
		return DMA_MAPPING_ERROR;
	spin_lock_irqsave(&slots->lock, flags);
	if (slots->free == SLOT_NONE && !slots_grow(slots))
		goto out;
	i = slots->free;
	slot = &slots->chunk[i >> TRIVIO_SLOT_CHUNK_SHIFT][i & (TRIVIO_SLOT_CHUNK - 1)];
	slots->free = slot->next;
	WRITE_ONCE(slot->base, (unsigned long)kaddr);
	WRITE_ONCE(slot->first, SLOT_GUARD + offset_in_page(kaddr));
	WRITE_ONCE(slot->last, slot->first + size - 1);
	/* Pairs with the acquire in trivio_slot_seg(). */
	smp_store_release(&slot->perm, perm);
	slots->mapped++;
	addr = slot_addr(i, slot->gen, slot->first);
out:
	spin_unlock_irqrestore(&slots->lock, flags);
	return addr;
}

static void slot_unmap(struct trivio_slots *slots, dma_addr_t addr)
{
	struct trivio_slot *slot = trivio_slot_of(slots, addr);
	unsigned long flags;

	spin_lock_irqsave(&slots->lock, flags);
	/* A driver that unmaps twice must not put a slot on the list twice. */
	if (slot && slot->perm && addr >> TRIVIO_SLOT_GEN_SHIFT == slot->gen) {
		WRITE_ONCE(slot->perm, 0);
		/* The lock orders this before the slot's next life. */
		WRITE_ONCE(slot->gen, ((slot->gen + 1) & GEN_MASK) ?: 1);
		slot->next = slots->free;
		slots->free = addr >> TRIVIO_SLOT_SHIFT & TRIVIO_SLOT_INDEX;
		slots->mapped--;
	}
	spin_unlock_irqrestore(&slots->lock, flags);
}

static int dma_lookup(struct trivio_mem *mem, u64 addr,
		      struct trivio_range *range)
{
	struct trivio_slot *slot = trivio_slot_of(mem->slots, addr);
	u64 start = addr & ~TRIVIO_SLOT_OFFSET;
	u32 gen, perm, first, last;

	if (!slot)
		return -ENOENT;
	/* Pairs with the release in slot_map(). */
	perm = smp_load_acquire(&slot->perm);
	gen = READ_ONCE(slot->gen);
	if (!perm || addr >> TRIVIO_SLOT_GEN_SHIFT != gen)
		return -ENOENT;
	first = READ_ONCE(slot->first);
	last = READ_ONCE(slot->last);
	range->base = READ_ONCE(slot->base);
	/* Read before looking at gen again; pairs with the lock of writers. */
	smp_rmb();
	if (gen != READ_ONCE(slot->gen) || (addr & TRIVIO_SLOT_OFFSET) < first ||
	    (addr & TRIVIO_SLOT_OFFSET) > last)
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
	*handle = slot_map(to_slots(dev), kaddr, size, TRIVIO_RW);
	if (*handle == DMA_MAPPING_ERROR) {
		free_pages_exact(kaddr, size);
		return NULL;
	}
	return kaddr;
}

static void dma_op_free(struct device *dev, size_t size, void *vaddr,
			dma_addr_t handle, unsigned long attrs)
{
	slot_unmap(to_slots(dev), handle);
	free_pages_exact(vaddr, size);
}

static struct page *dma_op_alloc_pages(struct device *dev, size_t size,
				       dma_addr_t *handle,
				       enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = alloc_pages(gfp | __GFP_ZERO, get_order(size));

	if (!page)
		return NULL;
	*handle = slot_map(to_slots(dev), page_address(page), size,
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
	slot_unmap(to_slots(dev), handle);
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
	return slot_map(to_slots(dev), page_address(page) + offset, size,
			dir_perm(dir));
}

static void dma_op_unmap_page(struct device *dev, dma_addr_t handle,
			      size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	slot_unmap(to_slots(dev), handle);
}

static void dma_op_unmap_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		slot_unmap(to_slots(dev), sg_dma_address(sg));
}

static int dma_op_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	if (map_fails(dev))
		return -ENOMEM;
	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = slot_map(to_slots(dev), sg_virt(sg),
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
	spin_lock_init(&dma->slots.lock);
	dma->slots.free = SLOT_NONE;
	trivio_mem_init(&dma->mem, TRIVIO_MEM_KERNEL, &dma_mem_ops, NULL, 1);
	dma->mem.slots = &dma->slots;
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
	if (dma->slots.mapped)
		dev_warn(&v->vdev.dev, "driver left %u DMA mappings behind\n",
			 dma->slots.mapped);
	trivio_mem_exit(&dma->mem);
	for (i = 0; i < dma->slots.nchunks; i++)
		kfree(dma->slots.chunk[i]);
	kvfree(dma);
	v->dma = NULL;
}
