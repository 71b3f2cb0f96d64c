/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: from an address the driver wrote to something the CPU can
 * touch. One struct trivio_mem is one address space (a guest's memory table, a
 * device IOTLB, one ASID of a vDPA device, the IOVA space of a VFIO container).
 *
 * A look-up reads an immutable, sorted table published by RCU: a changed map is
 * a new table. It costs log2(ranges), less a per-queue cache of the last hit,
 * takes no lock, and works in any context. An empty table means fault.
 */
#ifndef TRIVIO_MEM_H
#define TRIVIO_MEM_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/uio.h>

struct page;
struct trivio_chain;
struct trivio_mem;
struct trivio_queue;
struct trivio_slots;

/* Access bits; the values of VHOST_ACCESS_RO, _WO and _RW. */
#define TRIVIO_RO	0x1	/* the device may read */
#define TRIVIO_WO	0x2	/* the device may write */
#define TRIVIO_RW	0x3

/**
 * union trivio_seg - one piece of a buffer on this host
 * @u: user memory of the owner; only under the owner's mm
 * @k: kernel address of pinned pages; any context
 */
union trivio_seg {
	struct iovec u;
	struct kvec k;
};

/**
 * struct trivio_range - one contiguous mapping
 * @first: first address
 * @last: last address, inclusive
 * @base: user address (TRIVIO_MEM_USER) or kernel address (TRIVIO_MEM_KERNEL)
 *	of @first
 * @perm: TRIVIO_RO, TRIVIO_WO or TRIVIO_RW
 */
struct trivio_range {
	u64 first;
	u64 last;
	u64 base;
	u32 perm;
};

/**
 * struct trivio_table - immutable map of one address space
 * @rcu: for freeing after the last reader
 * @gen: changes with every published table, so caches notice
 * @n: ranges
 * @range: sorted by first, not overlapping
 */
struct trivio_table {
	struct rcu_head rcu;
	u64 gen;
	u32 n;
	struct trivio_range range[];
};

/**
 * struct trivio_hit - a queue's cache of its last look-up
 * @gen: &trivio_table.gen the copy is of; 0 is never valid
 * @range: copy of the range
 */
struct trivio_hit {
	u64 gen;
	struct trivio_range range;
};

/**
 * struct trivio_mapping - ring memory, pinned and mapped
 * @kaddr: where the CPU sees the first byte
 * @len: bytes
 * @pages: pinned pages, or NULL if @kaddr is in the direct map
 * @npages: how many
 * @vmap: what to vunmap(), or NULL
 * @mm: mm that was charged for the pins, or NULL
 * @written: it was pinned to be written, so it may be marked dirty
 * @priv: for &trivio_mem_ops
 */
struct trivio_mapping {
	void *kaddr;
	size_t len;
	struct page **pages;
	unsigned int npages;
	void *vmap;
	struct mm_struct *mm;
	bool written;
	u64 priv;
};

/**
 * enum trivio_mem_kind - what the segments of an address space are
 * @TRIVIO_MEM_USER: user addresses of one mm
 * @TRIVIO_MEM_KERNEL: kernel addresses of pinned pages
 */
enum trivio_mem_kind {
	TRIVIO_MEM_USER,
	TRIVIO_MEM_KERNEL,
};

/**
 * struct trivio_mem_ops - the road's part in an address space
 * @map: pin and map ring memory. May sleep. NULL: the core's default for the
 *	kind (user: pin_user_pages_fast() of current->mm, charged to its
 *	pinned_vm; kernel: the table's own addresses, vmap()ed if scattered).
 * @unmap: undo @map
 * @miss: no mapping for @addr. Return -EAGAIN if one was asked for and the
 *	queue should park until trivio_mem_retry(), else -EFAULT. Service
 *	context of the queue; atomic for TRIVIO_MEM_KERNEL. NULL: -EFAULT.
 * @lookup: find the range of @addr elsewhere than in &trivio_mem.table (a cache
 *	of pinned pages); 0 or -ENOENT. Any context, under RCU. Ranges it gave
 *	may be cached until &trivio_mem.gen changes.
 * @copied: asked before @lookup: a copy that was made for the chain that @q is
 *	about to pop (&trivio_queue.seq), of which @len bytes at @addr will be
 *	used, as far as they are in it. 0 or -ENOENT. Service context.
 *	This and the rest are called while &trivio_queue.copies is not 0. A
 *	@miss means that the pop begins anew.
 * @pushed: a chain was completed. What the device wrote to its copies has to
 *	go to the guest before @settled. Service context, atomic.
 * @settled: may pushes be shown? 0; -EAGAIN: not yet, trivio_queue_settled()
 *	will be called; -EFAULT: never, what was written got lost. Service
 *	context, atomic.
 * @quiet: service of @q has ended. What was pushed goes to the guest now, all
 *	copies and wants of @q go. 0 or -EFAULT, as @settled. Under
 *	&trivio_queue.lock; may sleep. Called with no copies, too.
 */
struct trivio_mem_ops {
	int (*map)(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		   struct trivio_mapping *m);
	void (*unmap)(struct trivio_mem *mem, struct trivio_mapping *m);
	int (*miss)(struct trivio_mem *mem, struct trivio_queue *q, u64 addr,
		    u32 perm);
	int (*lookup)(struct trivio_mem *mem, u64 addr,
		      struct trivio_range *range);
	int (*copied)(struct trivio_mem *mem, struct trivio_queue *q, u64 addr,
		      u64 len, u32 perm, struct trivio_range *range);
	void (*pushed)(struct trivio_mem *mem, struct trivio_queue *q,
		       const struct trivio_chain *c);
	int (*settled)(struct trivio_mem *mem, struct trivio_queue *q);
	int (*quiet)(struct trivio_mem *mem, struct trivio_queue *q);
};

/**
 * struct trivio_mem - one address space
 * @kind: what its segments are
 * @ops: the road's callbacks, or NULL
 * @priv: the road's pointer
 * @table: current map. Readers hold RCU, or are a queue's service, which
 *	trivio_mem_replace() waits for. Written under @lock.
 * @lock: serialises changes of @table, @queues and @rings; taken before a
 *	queue's lock
 * @queues: queues whose buffers lie in it (&trivio_queue.mem_node)
 * @rings: queues whose ring lies in it (&trivio_queue.ring_node)
 * @gen: generation of what &trivio_mem_ops.lookup finds, never 0
 * @slots: look a whole buffer up here first, or NULL; nothing that @ops finds
 *	is cached then
 * @max: most ranges allowed
 */
struct trivio_mem {
	enum trivio_mem_kind kind;
	const struct trivio_mem_ops *ops;
	void *priv;
	struct trivio_table __rcu *table;
	struct mutex lock;
	struct list_head queues;
	struct list_head rings;
	u64 gen;
	const struct trivio_slots *slots;
	u32 max;
};

void trivio_mem_init(struct trivio_mem *mem, enum trivio_mem_kind kind,
		     const struct trivio_mem_ops *ops, void *priv, u32 max);
void trivio_mem_exit(struct trivio_mem *mem);
int trivio_mem_replace(struct trivio_mem *mem, const struct trivio_range *range,
		       u32 n);
int trivio_mem_add(struct trivio_mem *mem, const struct trivio_range *range);
int trivio_mem_del(struct trivio_mem *mem, u64 first, u64 last);
void trivio_mem_invalidate(struct trivio_mem *mem, u64 first, u64 last);
void trivio_mem_retry(struct trivio_mem *mem);
void trivio_mem_sync(struct trivio_mem *mem);
u64 trivio_mem_gen(void);
int trivio_mem_map_default(struct trivio_mem *mem, u64 addr, size_t len,
			   u32 perm, struct trivio_mapping *m);
int trivio_mem_pin_user(const union trivio_seg *seg, int nseg, u32 perm,
			struct trivio_mapping *m);
void trivio_mem_unpin_user(struct trivio_mapping *m, bool dirty);
int trivio_mem_map(struct trivio_mem *mem, u64 addr, size_t len, u32 perm,
		   struct trivio_mapping *m);
void trivio_mem_unmap(struct trivio_mem *mem, struct trivio_mapping *m);
int trivio_table_translate(const struct trivio_table *t, struct trivio_hit *hit,
			   u64 addr, u32 len, u32 perm, union trivio_seg *seg,
			   int max, u64 *bad);

#endif /* TRIVIO_MEM_H */
