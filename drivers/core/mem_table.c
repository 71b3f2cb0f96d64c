// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of ranges: build, change, look up.
 *
 * A table is immutable once published; drivers/core/mem.c does the publishing.
 * Nothing here allocates, sleeps or locks, and nothing is kernel-only, so
 * selftests/core compiles this file in user space.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/nospec.h>
#include <linux/sort.h>

#include "mem_table.h"

static int range_cmp(const void *a, const void *b)
{
	const struct trivio_range *x = a, *y = b;

	if (x->first < y->first)
		return -1;
	return x->first > y->first;
}

/**
 * trivio_range_check() - is a range one that a table may hold
 * @range: range
 *
 * The full 64-bit space in one range is refused: its length has no u64.
 *
 * Return: 0 or -EINVAL.
 */
int trivio_range_check(const struct trivio_range *range)
{
	u64 span = range->last - range->first;

	if (range->last < range->first || span == U64_MAX)
		return -EINVAL;
	if (range->base + span < range->base)
		return -EINVAL;
	if (!range->perm || range->perm & ~TRIVIO_RW)
		return -EINVAL;
	return 0;
}

/**
 * trivio_table_sort() - put a table into the order that look-ups need
 * @t: table, not yet published
 *
 * Return: 0, or -EINVAL if a range is malformed or two overlap.
 */
int trivio_table_sort(struct trivio_table *t)
{
	u32 i;

	for (i = 0; i < t->n; i++) {
		if (trivio_range_check(&t->range[i]))
			return -EINVAL;
	}
	sort(t->range, t->n, sizeof(t->range[0]), range_cmp, NULL);
	for (i = 1; i < t->n; i++) {
		if (t->range[i].first <= t->range[i - 1].last)
			return -EINVAL;
	}
	return 0;
}

/**
 * trivio_table_cut() - copy a table without what lies in an interval
 * @old: table
 * @first: first address to leave out
 * @last: last address to leave out
 * @out: room for @old->n + 1 ranges
 *
 * Ranges that reach over an edge of the interval are removed whole, as
 * vhost_iotlb_del_range() does: a device TLB may forget, never invent.
 *
 * Return: how many ranges were written to @out.
 */
u32 trivio_table_cut(const struct trivio_table *old, u64 first, u64 last,
		     struct trivio_range *out)
{
	u32 i, n = 0;

	for (i = 0; i < old->n; i++) {
		const struct trivio_range *r = &old->range[i];

		if (r->last < first || r->first > last)
			out[n++] = *r;
	}
	return n;
}

/**
 * trivio_table_insert() - add a range to a table in order
 * @t: table, not yet published, with room for one more
 * @range: range that overlaps none in @t
 */
void trivio_table_insert(struct trivio_table *t, const struct trivio_range *range)
{
	u32 at = t->n;

	while (at && t->range[at - 1].first > range->first) {
		t->range[at] = t->range[at - 1];
		at--;
	}
	t->range[at] = *range;
	t->n++;
}

/**
 * trivio_table_find() - the range that holds an address
 * @t: table
 * @addr: address
 *
 * Return: the range, or NULL.
 */
const struct trivio_range *trivio_table_find(const struct trivio_table *t,
					     u64 addr)
{
	u32 lo = 0, hi = t->n;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (t->range[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == t->n || t->range[lo].first > addr)
		return NULL;
	return &t->range[lo];
}

/**
 * trivio_table_translate() - from a guest buffer to pieces on this host
 * @t: table
 * @hit: cache of the last range, or NULL
 * @addr: first address
 * @len: bytes; 0 is legal: the address is still checked
 * @perm: access wanted, TRIVIO_RO or TRIVIO_WO
 * @seg: filled with the pieces, in order
 * @max: room in @seg
 * @bad: the address that failed
 *
 * Context: any; the caller keeps @t alive (RCU or the queue's lock).
 *
 * Return: number of pieces; -EFAULT if @bad has no mapping, -EPERM if its
 * mapping does not allow @perm, -EOVERFLOW if the buffer wraps the address
 * space, -ENOBUFS if @max is too small.
 */
int trivio_table_translate(const struct trivio_table *t, struct trivio_hit *hit,
			   u64 addr, u32 len, u32 perm, union trivio_seg *seg,
			   int max, u64 *bad)
{
	u64 left = len;
	int n = 0;

	*bad = addr;
	if (len && addr + (len - 1) < addr)
		return -EOVERFLOW;

	do {
		const struct trivio_range *r = trivio_table_find(t, addr);
		u64 off, size, part;

		*bad = addr;
		if (!r)
			return -EFAULT;
		if (perm & ~r->perm)
			return -EPERM;
		if (n == max)
			return -ENOBUFS;
		size = r->last - r->first + 1;
		/* A mispredicted search must not form a foreign address. */
		off = array_index_nospec(addr - r->first, size);
		part = min_t(u64, left, size - off);
		seg[n].u.iov_base = (void __user *)(unsigned long)(r->base + off);
		seg[n].u.iov_len = part;
		n++;
		left -= part;
		addr += part;
		if (hit && n == 1) {
			hit->gen = t->gen;
			hit->range = *r;
		}
	} while (left);

	return n;
}
EXPORT_SYMBOL_GPL(trivio_table_translate);
