// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces that a vhost_vdpa process fills.
 *
 * PA mode: vhost_vdpa pins the process's pages and tells physical addresses.
 * It lets go of pins before it tells that a map went away, and in a batch long
 * before, so this file holds a reference of its own on every page of the map:
 * what the device can still reach is never given to anybody else.
 *
 * VA mode: user addresses, reached under the process's mm. vhost_vdpa may call
 * with mmap_lock held, and a service that faults waits for that lock; so a
 * change must never wait for the service. The map is an own table under RCU,
 * and what rings were mapped through the old one is dropped in a work item.
 *
 * An empty map means fault, in both.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost_iotlb.h>

#include <trivio/fault.h>

#include "vdpa.h"

/* Pieces that one ring area may lie in. */
#define VA_RING_SEGS	256

static u64 range_bytes(const struct trivio_range *r)
{
	return r->last - r->first + 1;
}

/* The ranges of an IOTLB, in order. */
static int ranges_get(struct vhost_iotlb *iotlb,
		      int (*fill)(const struct vhost_iotlb_map *map,
				  struct trivio_range *r),
		      struct trivio_range **range, u32 *n)
{
	struct vhost_iotlb_map *map;
	u32 i = 0;
	int err;

	*n = 0;
	*range = NULL;
	if (!iotlb->nmaps)
		return 0;
	*range = kvcalloc(iotlb->nmaps, sizeof(**range), GFP_KERNEL_ACCOUNT);
	if (!*range)
		return -ENOMEM;
	for (map = vhost_iotlb_itree_first(iotlb, 0, U64_MAX);
	     map && i < iotlb->nmaps;
	     map = vhost_iotlb_itree_next(map, 0, U64_MAX), i++) {
		struct trivio_range *r = &(*range)[i];

		r->first = map->start;
		r->last = map->last;
		/* VHOST_MAP_* and TRIVIO_* have the same values. */
		r->perm = map->perm;
		err = fill(map, r);
		if (err) {
			kvfree(*range);
			*range = NULL;
			return err;
		}
	}
	*n = i;
	return 0;
}

/* --- PA mode ----------------------------------------------------------- */

static void pa_get(const struct trivio_range *r)
{
	unsigned long a = r->base, n = range_bytes(r) >> PAGE_SHIFT;

	for (; n; n--, a += PAGE_SIZE)
		get_page(virt_to_page((void *)a));
}

static void pa_put(const struct trivio_range *r)
{
	unsigned long a = r->base, n = range_bytes(r) >> PAGE_SHIFT;

	for (; n; n--, a += PAGE_SIZE)
		put_page(virt_to_page((void *)a));
}

/* For every range of @a that is not in @b as it is; both are sorted. */
static void pa_each_new(const struct trivio_range *a, u32 na,
			const struct trivio_range *b, u32 nb,
			void (*fn)(const struct trivio_range *r))
{
	u32 i, j = 0;

	for (i = 0; i < na; i++) {
		while (j < nb && b[j].first < a[i].first)
			j++;
		if (j == nb || b[j].first != a[i].first ||
		    b[j].last != a[i].last || b[j].base != a[i].base)
			fn(&a[i]);
		cond_resched();
	}
}

static int pa_fill(const struct vhost_iotlb_map *map, struct trivio_range *r)
{
	u64 end = map->addr + (map->last - map->start);

	if (offset_in_page(map->start) || offset_in_page(map->addr) ||
	    offset_in_page(map->last + 1) || end < map->addr)
		return -EINVAL;
	/* Both ends in memory that has a struct page and a kernel address. */
	if (!pfn_valid(PHYS_PFN(map->addr)) || !pfn_valid(PHYS_PFN(end)))
		return -EFAULT;
	r->base = (unsigned long)phys_to_virt(map->addr);
	return 0;
}

static int pa_publish(struct trivio_vdpa *v, struct trivio_vdpa_as *as,
		      struct trivio_range *range, u32 n)
{
	int err;

	lockdep_assert_held(&as->lock);
	pa_each_new(range, n, as->range, as->n, pa_get);
	err = trivio_mem_replace(&as->mem, range, n);
	if (err) {
		pa_each_new(range, n, as->range, as->n, pa_put);
		return err;
	}
	/* Requests that sleep in the disk may still use the old pages. */
	if (as->n && v->dev && !v->is_net)
		trivio_blk_sync(v->dev);
	pa_each_new(as->range, as->n, range, n, pa_put);
	kvfree(as->range);
	as->range = range;
	as->n = n;
	return 0;
}

/* --- VA mode ----------------------------------------------------------- */

static int va_fill(const struct vhost_iotlb_map *map, struct trivio_range *r)
{
	if (!access_ok((void __user *)(unsigned long)map->addr,
		       map->last - map->start + 1))
		return -EFAULT;
	r->base = map->addr;
	return 0;
}

static int va_lookup(struct trivio_mem *mem, u64 addr,
		     struct trivio_range *range)
{
	struct trivio_vdpa_as *as = mem->priv;
	const struct trivio_vdpa_table *t = rcu_dereference(as->table);
	u32 lo = 0, hi = t ? t->n : 0;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (t->range[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!t || lo == t->n || t->range[lo].first > addr)
		return -ENOENT;
	*range = t->range[lo];
	return 0;
}

/* Ring memory: found in the own table, pinned by the core. */
static int va_map(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		  struct trivio_mapping *m)
{
	struct trivio_vdpa_as *as = mem->priv;
	union trivio_seg *seg;
	struct trivio_range r;
	int n = 0, err = 0;

	/* Only where the owner's memory can be pinned: its worker will. */
	if (!current->mm || current->mm != READ_ONCE(as->v->mm))
		return -EAGAIN;
	seg = kcalloc(VA_RING_SEGS, sizeof(*seg), GFP_KERNEL);
	if (!seg)
		return -ENOMEM;
	while (len && !err) {
		u64 part;

		rcu_read_lock();
		err = va_lookup(mem, addr, &r);
		rcu_read_unlock();
		if (err || n == VA_RING_SEGS) {
			err = -EFAULT;
		} else if (perm & ~r.perm) {
			err = -EPERM;
		} else {
			part = min_t(u64, len, r.last - addr + 1);
			seg[n].u.iov_base = (void __user *)(unsigned long)
					    (r.base + addr - r.first);
			seg[n++].u.iov_len = part;
			addr += part;
			len -= part;
		}
	}
	if (!err)
		err = trivio_mem_pin_user(seg, n, perm, m);
	kfree(seg);
	return err;
}

static void va_unmap(struct trivio_mem *mem, struct trivio_mapping *m)
{
	trivio_mem_unpin_user(m, true);
}

static const struct trivio_mem_ops va_ops = {
	.lookup = va_lookup,
	.map = va_map,
	.unmap = va_unmap,
};

static void va_drop(struct work_struct *work)
{
	struct trivio_vdpa_as *as = container_of(work, struct trivio_vdpa_as,
						 drop);

	trivio_mem_invalidate(&as->mem, 0, U64_MAX);
	trivio_mem_retry(&as->mem);
}

static int va_publish(struct trivio_vdpa_as *as, struct trivio_range *range,
		      u32 n)
{
	struct trivio_vdpa_table *t, *old;

	/* Ranges carry user addresses here; no pages are held. */
	lockdep_assert_held(&as->lock);
	t = kvzalloc(struct_size(t, range, n), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	t->n = n;
	if (n)
		memcpy(t->range, range, n * sizeof(*range));
	kvfree(range);
	old = rcu_replace_pointer(as->table, t, lockdep_is_held(&as->lock));
	/* Cached look-ups of the old table end here. */
	WRITE_ONCE(as->mem.gen, trivio_mem_gen());
	kvfree_rcu(old, rcu);
	schedule_work(&as->drop);
	return 0;
}

/* --- both -------------------------------------------------------------- */

static int as_set(struct trivio_vdpa *v, struct trivio_vdpa_as *as,
		  struct vhost_iotlb *iotlb)
{
	struct trivio_range *range = NULL;
	u32 n = 0;
	int err = 0;

	if (iotlb)
		err = ranges_get(iotlb, v->vdev.use_va ? va_fill : pa_fill,
				 &range, &n);
	if (err)
		return err;
	mutex_lock(&as->lock);
	if (v->vdev.use_va)
		err = va_publish(as, range, n);
	else
		err = pa_publish(v, as, range, n);
	mutex_unlock(&as->lock);
	if (err)
		kvfree(range);
	return err;
}

/**
 * trivio_vdpa_set_map() - &vdpa_config_ops.set_map
 * @vdev: device
 * @asid: address space
 * @iotlb: its new contents
 *
 * vhost_vdpa ignores the result when it unmaps and at the end of a batch, so a
 * change that can't be made leaves the map empty and the device in need of a
 * reset rather than running on an old map.
 *
 * Context: may sleep; mmap_lock of the owner may be held.
 */
int trivio_vdpa_set_map(struct vdpa_device *vdev, unsigned int asid,
			struct vhost_iotlb *iotlb)
{
	struct trivio_vdpa *v = to_trivio(vdev);
	int err;

	if (asid >= VDPA_NAS)
		return -EINVAL;
	err = trivio_fault_dev(v->dev, TRIVIO_FAULT_MAP) ? -ENOMEM :
	      as_set(v, &v->as[asid], iotlb);
	/* Maps come from a process, in its own system call. */
	if (!asid)
		WRITE_ONCE(v->owner, vhost_iotlb_itree_first(iotlb, 0, U64_MAX) ?
				     task_tgid_nr(current) : 0);
	if (err) {
		dev_warn_ratelimited(&vdev->dev,
				     "map of address space %u failed: %d\n",
				     asid, err);
		as_set(v, &v->as[asid], NULL);
		trivio_dev_needs_reset(v->dev);
	}
	return err;
}

/**
 * trivio_vdpa_reset_map() - &vdpa_config_ops.reset_map: back to empty
 * @vdev: device
 * @asid: address space
 */
int trivio_vdpa_reset_map(struct vdpa_device *vdev, unsigned int asid)
{
	struct trivio_vdpa *v = to_trivio(vdev);

	if (asid >= VDPA_NAS)
		return -EINVAL;
	if (!asid)
		WRITE_ONCE(v->owner, 0);
	return as_set(v, &v->as[asid], NULL);
}

/**
 * trivio_vdpa_mem_init() - set the address spaces up, empty
 * @v: device; @v->vdev.use_va says which kind
 */
void trivio_vdpa_mem_init(struct trivio_vdpa *v)
{
	bool va = v->vdev.use_va;
	u32 i;

	for (i = 0; i < VDPA_NAS; i++) {
		struct trivio_vdpa_as *as = &v->as[i];

		as->v = v;
		mutex_init(&as->lock);
		INIT_WORK(&as->drop, va_drop);
		trivio_mem_init(&as->mem,
				va ? TRIVIO_MEM_USER : TRIVIO_MEM_KERNEL,
				va ? &va_ops : NULL, as, VDPA_RANGES_MAX);
	}
}

/**
 * trivio_vdpa_mem_exit() - free the address spaces
 * @v: device whose queues are gone
 */
void trivio_vdpa_mem_exit(struct trivio_vdpa *v)
{
	u32 i;

	for (i = 0; i < VDPA_NAS; i++) {
		struct trivio_vdpa_as *as = &v->as[i];

		cancel_work_sync(&as->drop);
		trivio_mem_exit(&as->mem);
		/* Only if the owner went without unmapping. */
		pa_each_new(as->range, as->n, NULL, 0, pa_put);
		kvfree(as->range);
		kvfree(rcu_dereference_protected(as->table, true));
		mutex_destroy(&as->lock);
	}
}
