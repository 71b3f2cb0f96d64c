// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: publishing tables, and pinning and mapping ring memory.
 *
 * A changed map is a new table. Readers are look-ups under RCU (direct mode) or
 * under their queue's lock (worker mode); a writer swaps the pointer, waits for
 * both kinds, and frees. So a returned del means that nothing on this host
 * touches the old addresses any more, which is what INVALIDATE promises.
 */
#include <linux/capability.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <trivio/device.h>

#include "core.h"
#include "mem_table.h"

static atomic64_t table_gen = ATOMIC64_INIT(0);
static struct lock_class_key mem_kernel_key;

static struct trivio_table *table_alloc(u32 n)
{
	struct trivio_table *t;

	t = kvzalloc(struct_size(t, range, n), GFP_KERNEL_ACCOUNT);
	if (!t)
		return NULL;
	t->n = n;
	t->gen = atomic64_inc_return(&table_gen);
	return t;
}

/**
 * trivio_mem_gen() - a generation number that no table or cache had before
 */
u64 trivio_mem_gen(void)
{
	return atomic64_inc_return(&table_gen);
}
EXPORT_SYMBOL_GPL(trivio_mem_gen);

/**
 * trivio_mem_init() - set up an address space; it is empty: everything faults
 * @mem: address space
 * @kind: what its segments are
 * @ops: the road's callbacks, or NULL
 * @priv: the road's pointer
 * @max: most ranges it may hold
 */
void trivio_mem_init(struct trivio_mem *mem, enum trivio_mem_kind kind,
		     const struct trivio_mem_ops *ops, void *priv, u32 max)
{
	mem->kind = kind;
	mem->ops = ops;
	mem->priv = priv;
	mem->max = max;
	mem->gen = trivio_mem_gen();
	mem->slots = NULL;
	RCU_INIT_POINTER(mem->table, NULL);
	mutex_init(&mem->lock);
	/*
	 * A service pins user memory under locks that come after this one; maps
	 * of kernel memory may change with an mmap_lock held (vhost_vdpa).
	 */
	if (kind == TRIVIO_MEM_KERNEL)
		lockdep_set_class(&mem->lock, &mem_kernel_key);
	INIT_LIST_HEAD(&mem->queues);
	INIT_LIST_HEAD(&mem->rings);
}
EXPORT_SYMBOL_GPL(trivio_mem_init);

/**
 * trivio_mem_exit() - free an address space
 * @mem: address space that no queue uses any more
 *
 * Context: may sleep.
 */
void trivio_mem_exit(struct trivio_mem *mem)
{
	struct trivio_table *t = rcu_dereference_protected(mem->table, true);

	RCU_INIT_POINTER(mem->table, NULL);
	if (t) {
		synchronize_rcu();
		kvfree(t);
	}
}
EXPORT_SYMBOL_GPL(trivio_mem_exit);

static struct trivio_table *mem_table(struct trivio_mem *mem)
{
	return rcu_dereference_protected(mem->table,
					 lockdep_is_held(&mem->lock));
}

/**
 * trivio_mem_sync() - wait until no queue uses what was unpublished before
 * @mem: address space; its lock is held
 *
 * Context: may sleep; takes the lock of every queue of @mem in turn.
 */
void trivio_mem_sync(struct trivio_mem *mem)
{
	struct trivio_queue *q;
	bool direct = false;

	lockdep_assert_held(&mem->lock);
	list_for_each_entry(q, &mem->queues, mem_node) {
		trivio_queue_sync(q);
		direct |= trivio_queue_direct(q);
	}
	if (direct)
		synchronize_rcu();
}
EXPORT_SYMBOL_GPL(trivio_mem_sync);

/*
 * Queues whose ring memory lies in what changes let go of it, and map it again when
 * they next run. The new table is published before: a ring that is mapped meanwhile,
 * under its queue's lock alone, is either seen here or finds that table.
 */
static void mem_drop_rings(struct trivio_mem *mem, u64 first, u64 last)
{
	struct trivio_queue *q;

	list_for_each_entry(q, &mem->rings, ring_node)
		trivio_queue_unmap_range(q, first, last);
}

/* Queues that wait for memory look again: for buffers, or for their ring. */
static void mem_wake(struct trivio_mem *mem)
{
	struct trivio_queue *q;

	lockdep_assert_held(&mem->lock);
	list_for_each_entry(q, &mem->queues, mem_node)
		trivio_queue_wake(q);
	list_for_each_entry(q, &mem->rings, ring_node) {
		if (q->mem != mem)
			trivio_queue_wake(q);
	}
}

static void mem_publish(struct trivio_mem *mem, struct trivio_table *t)
{
	rcu_assign_pointer(mem->table, t);
	mem->gen = trivio_mem_gen();
}

/* Nothing uses @old any more; rings that it had have been dropped. */
static void mem_retire(struct trivio_mem *mem, struct trivio_table *old)
{
	if (old) {
		trivio_mem_sync(mem);
		/* Others than queues may read it under RCU (the dirty log). */
		kvfree_rcu(old, rcu);
	}
	mem_wake(mem);
}

static int mem_check(struct trivio_mem *mem, const struct trivio_range *r)
{
	int err = trivio_range_check(r);

	if (err)
		return err;
	/* Checked once here, so that the data path need not. */
	if (mem->kind == TRIVIO_MEM_USER &&
	    !access_ok((void __user *)(unsigned long)r->base,
		       r->last - r->first + 1))
		return -EFAULT;
	return 0;
}

/*
 * Is [first, last] mapped to the same place in both tables? Only whole ranges
 * are compared: a split that changes nothing counts as a change.
 */
static bool same_range(const struct trivio_table *a,
		       const struct trivio_table *b, u64 first, u64 last)
{
	const struct trivio_range *x, *y;

	if (!a || !b)
		return false;
	x = trivio_table_find(a, first);
	y = trivio_table_find(b, first);
	return x && y && x->last >= last && y->last >= last &&
	       x->base - x->first == y->base - y->first && x->perm == y->perm;
}

/**
 * trivio_mem_replace() - change a whole map
 * @mem: address space
 * @range: the new map; need not be sorted
 * @n: ranges in it
 *
 * On return nothing uses the old map. Rings whose place did not change stay
 * mapped.
 *
 * Context: may sleep. Takes @mem->lock and the queues' locks.
 *
 * Return: 0, -E2BIG above @mem->max, -EINVAL for a malformed or overlapping
 * range, -EFAULT for a base that is no user address, -ENOMEM. The old map
 * stands after an error.
 */
int trivio_mem_replace(struct trivio_mem *mem, const struct trivio_range *range,
		       u32 n)
{
	struct trivio_table *t, *old;
	struct trivio_queue *q;
	int err;
	u32 i;

	if (n > mem->max)
		return -E2BIG;
	t = table_alloc(n);
	if (!t)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		err = mem_check(mem, &range[i]);
		if (err)
			goto err_free;
		t->range[i] = range[i];
	}
	err = trivio_table_sort(t);
	if (err)
		goto err_free;

	mutex_lock(&mem->lock);
	old = mem_table(mem);
	mem_publish(mem, t);
	list_for_each_entry(q, &mem->rings, ring_node) {
		for (i = 0; i < ARRAY_SIZE(q->map); i++) {
			u64 first, last;

			if (!trivio_queue_area(q, i, &first, &last) ||
			    same_range(old, t, first, last))
				continue;
			trivio_queue_unmap_range(q, first, last);
		}
	}
	mem_retire(mem, old);
	mutex_unlock(&mem->lock);
	return 0;

err_free:
	kvfree(t);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_mem_replace);

/**
 * trivio_mem_add() - map one more range
 * @mem: address space
 * @range: range; what it overlaps is removed first, as a device TLB does
 *
 * If the table is full its oldest entry is not known, so any one goes:
 * the driver's next access to it is a miss like any other. Only for spaces
 * with &trivio_mem_ops.miss; others get -ENOSPC.
 *
 * Context: may sleep. Takes @mem->lock and the queues' locks.
 *
 * Return: 0, -EINVAL, -EFAULT, -ENOSPC or -ENOMEM.
 */
int trivio_mem_add(struct trivio_mem *mem, const struct trivio_range *range)
{
	struct trivio_range out = { .first = 1 };
	struct trivio_table *old, *t;
	u32 n = 0, skip;
	int err;

	err = mem_check(mem, range);
	if (err)
		return err;

	mutex_lock(&mem->lock);
	old = mem_table(mem);
	t = table_alloc((old ? old->n : 0) + 2);
	if (!t) {
		err = -ENOMEM;
		goto out;
	}
	if (old)
		n = trivio_table_cut(old, range->first, range->last, t->range);
	if (n >= mem->max) {
		if (!mem->ops || !mem->ops->miss) {
			kvfree(t);
			err = -ENOSPC;
			goto out;
		}
		skip = get_random_u32_below(n);
		out = t->range[skip];
		n--;
		memmove(&t->range[skip], &t->range[skip + 1],
			(n - skip) * sizeof(t->range[0]));
	}
	t->n = n;
	trivio_table_insert(t, range);
	mem_publish(mem, t);
	mem_drop_rings(mem, range->first, range->last);
	if (out.first <= out.last)
		mem_drop_rings(mem, out.first, out.last);
	mem_retire(mem, old);
out:
	mutex_unlock(&mem->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_mem_add);

/**
 * trivio_mem_del() - unmap every range that touches an interval
 * @mem: address space
 * @first: first address
 * @last: last address
 *
 * On return nothing uses the removed ranges.
 *
 * Context: may sleep. Takes @mem->lock and the queues' locks.
 *
 * Return: 0 or -ENOMEM, with the map unchanged.
 */
int trivio_mem_del(struct trivio_mem *mem, u64 first, u64 last)
{
	struct trivio_table *old, *t;
	int err = 0;

	mutex_lock(&mem->lock);
	old = mem_table(mem);
	if (!old)
		goto out;
	t = table_alloc(old->n + 1);
	if (!t) {
		err = -ENOMEM;
		goto out;
	}
	t->n = trivio_table_cut(old, first, last, t->range);
	mem_publish(mem, t);
	mem_drop_rings(mem, first, last);
	mem_retire(mem, old);
out:
	mutex_unlock(&mem->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_mem_del);

/**
 * trivio_mem_invalidate() - what lies in an interval is about to go away
 * @mem: address space, with a &trivio_mem_ops.lookup that does not find the
 *	interval any more
 * @first: first address
 * @last: last address
 *
 * Drops ring mappings and cached look-ups, and waits for the queues.
 *
 * Context: may sleep. Takes @mem->lock and the queues' locks.
 */
void trivio_mem_invalidate(struct trivio_mem *mem, u64 first, u64 last)
{
	mutex_lock(&mem->lock);
	WRITE_ONCE(mem->gen, trivio_mem_gen());
	mem_drop_rings(mem, first, last);
	trivio_mem_sync(mem);
	mutex_unlock(&mem->lock);
}
EXPORT_SYMBOL_GPL(trivio_mem_invalidate);

/**
 * trivio_mem_retry() - a mapping came in: wake the queues that wait for one
 * @mem: address space
 *
 * Context: may sleep.
 */
void trivio_mem_retry(struct trivio_mem *mem)
{
	mutex_lock(&mem->lock);
	mem_wake(mem);
	mutex_unlock(&mem->lock);
}
EXPORT_SYMBOL_GPL(trivio_mem_retry);

static int charge_pins(struct mm_struct *mm, unsigned long npages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(npages, &mm->pinned_vm) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(npages, &mm->pinned_vm);
		return -ENOMEM;
	}
	mmgrab(mm);
	return 0;
}

static void uncharge_pins(struct mm_struct *mm, unsigned long npages)
{
	atomic64_sub(npages, &mm->pinned_vm);
	mmdrop(mm);
}

/* Give the pages of @m one run of kernel addresses. */
static int mapping_vmap(struct trivio_mapping *m, unsigned long offset,
			pgprot_t prot)
{
	unsigned int i;

	for (i = 1; i < m->npages; i++) {
		if (page_to_pfn(m->pages[i]) != page_to_pfn(m->pages[0]) + i)
			break;
	}
	if (i >= m->npages && pgprot_val(prot) == pgprot_val(PAGE_KERNEL)) {
		m->kaddr = page_address(m->pages[0]) + offset;
		return 0;
	}
	m->vmap = vmap(m->pages, m->npages, VM_MAP, prot);
	if (!m->vmap)
		return -ENOMEM;
	m->kaddr = m->vmap + offset;
	return 0;
}

/**
 * trivio_mem_pin_user() - pin user memory and give it kernel addresses
 * @seg: pieces of user memory; all but the first start on a page, all but the
 *	last end on one
 * @nseg: how many
 * @perm: TRIVIO_RO or with TRIVIO_WO
 * @m: filled in; undo with trivio_mem_unpin_user()
 *
 * The pages are charged to the pinned_vm of the calling process and must fit
 * its RLIMIT_MEMLOCK, CAP_IPC_LOCK aside. Pages that can't be pinned for long
 * (file systems with write-back) are refused.
 *
 * Context: may sleep; current->mm is the owner's.
 *
 * Return: 0, -ENOMEM, -EFAULT, -EINVAL for pieces that do not line up, or what
 * pin_user_pages_fast() said.
 */
int trivio_mem_pin_user(const union trivio_seg *seg, int nseg, u32 perm,
			struct trivio_mapping *m)
{
	unsigned int flags = FOLL_LONGTERM;
	unsigned long off = 0, npages = 0;
	int i, err, got;

	memset(m, 0, sizeof(*m));
	if (!current->mm)
		return -EFAULT;
	if (perm & TRIVIO_WO)
		flags |= FOLL_WRITE;

	for (i = 0; i < nseg; i++) {
		unsigned long a = (unsigned long)seg[i].u.iov_base;

		if (!i)
			off = offset_in_page(a);
		else if (offset_in_page(a))
			return -EINVAL;
		if (i < nseg - 1 && offset_in_page(a + seg[i].u.iov_len))
			return -EINVAL;
		npages += DIV_ROUND_UP(offset_in_page(a) + seg[i].u.iov_len,
				       PAGE_SIZE);
		m->len += seg[i].u.iov_len;
	}

	m->pages = kvmalloc_array(npages, sizeof(*m->pages),
				  GFP_KERNEL_ACCOUNT);
	if (!m->pages)
		return -ENOMEM;
	err = charge_pins(current->mm, npages);
	if (err)
		goto err_pages;
	m->mm = current->mm;

	for (i = 0; i < nseg; i++) {
		unsigned long a = (unsigned long)seg[i].u.iov_base;
		int n = DIV_ROUND_UP(offset_in_page(a) + seg[i].u.iov_len,
				     PAGE_SIZE);

		while (n) {
			got = pin_user_pages_fast(a & PAGE_MASK, n, flags,
						  m->pages + m->npages);
			if (got <= 0) {
				err = got ? got : -EFAULT;
				goto err_unpin;
			}
			m->npages += got;
			n -= got;
			a += (unsigned long)got * PAGE_SIZE;
		}
	}
	err = mapping_vmap(m, off,
			   perm & TRIVIO_WO ? PAGE_KERNEL : PAGE_KERNEL_RO);
	if (err)
		goto err_unpin;
	m->priv = npages;
	m->written = perm & TRIVIO_WO;
	return 0;

err_unpin:
	unpin_user_pages(m->pages, m->npages);
	uncharge_pins(m->mm, npages);
err_pages:
	kvfree(m->pages);
	memset(m, 0, sizeof(*m));
	return err;
}
EXPORT_SYMBOL_GPL(trivio_mem_pin_user);

/**
 * trivio_mem_unpin_user() - undo trivio_mem_pin_user()
 * @m: mapping
 * @dirty: the device may have written to it
 *
 * Context: may sleep; any process.
 */
void trivio_mem_unpin_user(struct trivio_mapping *m, bool dirty)
{
	if (m->vmap)
		vunmap(m->vmap);
	/* A file that its owner can only read is not to be written back. */
	unpin_user_pages_dirty_lock(m->pages, m->npages, dirty && m->written);
	uncharge_pins(m->mm, m->priv);
	kvfree(m->pages);
	memset(m, 0, sizeof(*m));
}
EXPORT_SYMBOL_GPL(trivio_mem_unpin_user);

/* Kernel pages: nothing to pin; only scattered ones need an address. */
static int mem_map_kernel(const union trivio_seg *seg, int nseg,
			  struct trivio_mapping *m)
{
	unsigned long off = offset_in_page(seg[0].k.iov_base);
	unsigned int n = 0;
	int i, err;

	if (nseg == 1) {
		m->kaddr = seg[0].k.iov_base;
		m->len = seg[0].k.iov_len;
		return 0;
	}
	for (i = 0; i < nseg; i++) {
		unsigned long a = (unsigned long)seg[i].k.iov_base;

		if ((i && offset_in_page(a)) || !virt_addr_valid(a))
			return -EINVAL;
		if (i < nseg - 1 && offset_in_page(a + seg[i].k.iov_len))
			return -EINVAL;
		n += DIV_ROUND_UP(offset_in_page(a) + seg[i].k.iov_len,
				  PAGE_SIZE);
		m->len += seg[i].k.iov_len;
	}
	m->pages = kvmalloc_array(n, sizeof(*m->pages), GFP_KERNEL_ACCOUNT);
	if (!m->pages)
		return -ENOMEM;
	for (i = 0; i < nseg; i++) {
		void *a = seg[i].k.iov_base - offset_in_page(seg[i].k.iov_base);

		for (; a < seg[i].k.iov_base + seg[i].k.iov_len; a += PAGE_SIZE)
			m->pages[m->npages++] = virt_to_page(a);
	}
	err = mapping_vmap(m, off, PAGE_KERNEL);
	if (err) {
		kvfree(m->pages);
		m->pages = NULL;
	}
	return err;
}

/* Ring memory of 32768 entries in the worst case is one range a page. */
#define MAP_SEGS_MAX	160

static int mem_map_table(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
			 struct trivio_mapping *m)
{
	struct trivio_table *t;
	union trivio_seg *seg;
	int n, err;
	u64 bad;

	seg = kvmalloc_array(MAP_SEGS_MAX, sizeof(*seg), GFP_KERNEL);
	if (!seg)
		return -ENOMEM;
	rcu_read_lock();
	t = rcu_dereference(mem->table);
	n = t ? trivio_table_translate(t, NULL, addr, len, perm, seg,
				       MAP_SEGS_MAX, &bad) : -EFAULT;
	rcu_read_unlock();
	if (!t)
		bad = addr;
	if (n == -EFAULT && mem->ops && mem->ops->miss)
		n = mem->ops->miss(mem, NULL, bad, perm);
	if (n <= 0)
		err = n ? n : -EFAULT;
	else if (mem->kind == TRIVIO_MEM_USER)
		err = trivio_mem_pin_user(seg, n, perm, m);
	else
		err = mem_map_kernel(seg, n, m);
	kvfree(seg);
	return err;
}

/**
 * trivio_mem_map() - pin and map ring memory
 * @mem: address space
 * @addr: first address in it
 * @len: bytes, not 0
 * @perm: access needed
 * @m: filled in
 *
 * Context: may sleep; for user memory current->mm is the owner's.
 *
 * Return: 0, -EAGAIN if a mapping is missing and was asked for, or a negative
 * errno.
 */
int trivio_mem_map(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		   struct trivio_mapping *m)
{
	memset(m, 0, sizeof(*m));
	if (mem->ops && mem->ops->map)
		return mem->ops->map(mem, addr, len, perm, m);
	return mem_map_table(mem, addr, len, perm, m);
}
EXPORT_SYMBOL_GPL(trivio_mem_map);

/**
 * trivio_mem_map_default() - what trivio_mem_map() does without a road's map
 * @mem: address space
 * @addr: first address in it
 * @len: bytes
 * @perm: access needed
 * @m: filled in
 *
 * For a &trivio_mem_ops.map that only sometimes does otherwise.
 *
 * Return: as trivio_mem_map().
 */
int trivio_mem_map_default(struct trivio_mem *mem, u64 addr, size_t len,
			   u32 perm, struct trivio_mapping *m)
{
	return mem_map_table(mem, addr, len, perm, m);
}
EXPORT_SYMBOL_GPL(trivio_mem_map_default);

/**
 * trivio_mem_unmap() - undo trivio_mem_map()
 * @mem: address space
 * @m: mapping; empty ones are ignored
 *
 * Context: may sleep.
 */
void trivio_mem_unmap(struct trivio_mem *mem, struct trivio_mapping *m)
{
	if (!m->kaddr)
		return;
	if (mem->ops && mem->ops->unmap) {
		mem->ops->unmap(mem, m);
		memset(m, 0, sizeof(*m));
	} else if (m->mm) {
		trivio_mem_unpin_user(m, true);
	} else {
		if (m->vmap)
			vunmap(m->vmap);
		kvfree(m->pages);
		memset(m, 0, sizeof(*m));
	}
}
EXPORT_SYMBOL_GPL(trivio_mem_unmap);
