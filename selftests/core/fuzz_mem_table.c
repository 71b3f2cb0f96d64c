// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address tables: built from any ranges, cut, and looked up, against a search
 * that walks all ranges one by one. Pieces must be inside their range, in order,
 * adjacent in guest addresses, and make up the buffer to the byte.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <trivio/mem.h>

#include "../../drivers/core/mem_table.h"
#include "fuzz.h"

#define RANGES	24
#define SEGS	32

static const struct trivio_range *slow_find(const struct trivio_table *t,
					    u64 addr)
{
	u32 i;

	for (i = 0; i < t->n; i++)
		if (addr >= t->range[i].first && addr <= t->range[i].last)
			return &t->range[i];
	return NULL;
}

static void look_up(const struct trivio_table *t, u64 addr, u32 len, u32 perm,
		    int max)
{
	union trivio_seg seg[SEGS];
	struct trivio_hit hit = {};
	u64 bad = 0, at = addr, left = len;
	int i, n;

	n = trivio_table_translate(t, &hit, addr, len, perm, seg, max, &bad);
	CHECK(n != 0 && n <= max);
	if (n == -EOVERFLOW) {
		CHECK(len && addr + (len - 1) < addr);
		return;
	}
	/* the same, one range after the other */
	for (i = 0;; i++) {
		const struct trivio_range *r = slow_find(t, at);
		u64 part;

		if (!r || perm & ~r->perm) {
			CHECK(n == (r ? -EPERM : -EFAULT));
			CHECK(bad == at);
			return;
		}
		if (i == max) {
			CHECK(n == -ENOBUFS);
			return;
		}
		part = r->last - at;
		part = part < left ? part + 1 : left;
		if (part > left)
			part = left;
		if (n > 0) {
			CHECK(i < n);
			CHECK((u64)(uintptr_t)seg[i].u.iov_base ==
			      r->base + (at - r->first));
			CHECK(seg[i].u.iov_len == part);
		}
		left -= part;
		at += part;
		if (!left)
			break;
	}
	CHECK(n == i + 1);
	if (len)
		CHECK(hit.gen == t->gen && addr >= hit.range.first &&
		      addr <= hit.range.last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	u32 n = in_u8(&in) % (RANGES + 1), i, k, cut;
	struct trivio_range out[RANGES + 1];
	struct trivio_table *t;
	u64 first, last;
	int err, max;

	t = calloc(1, sizeof(*t) + RANGES * sizeof(t->range[0]));
	t->gen = 7;
	t->n = n;
	for (i = 0; i < n; i++) {
		u8 how = in_u8(&in);
		struct trivio_range *r = &t->range[i];

		/* small numbers meet each other; large ones meet the ends */
		r->first = how & 1 ? in_u64(&in) : in_u16(&in);
		r->last = how & 2 ? in_u64(&in) : r->first + in_u8(&in);
		r->base = how & 4 ? in_u64(&in) : in_u32(&in);
		r->perm = how >> 3 & 7;
	}
	err = trivio_table_sort(t);
	if (!err) {
		for (i = 0; i < n; i++) {
			CHECK(!trivio_range_check(&t->range[i]));
			for (k = 0; k < i; k++)
				CHECK(t->range[k].last < t->range[i].first);
		}
		while (in.left) {
			u8 how = in_u8(&in);
			u64 addr = how & 1 ? in_u64(&in) : in_u16(&in);

			/* at the edge of a range */
			if (how & 2 && n)
				addr = (how & 4 ? t->range[addr % n].first :
					t->range[addr % n].last) +
				       (s8)in_u8(&in) % 3;
			CHECK(trivio_table_find(t, addr) == slow_find(t, addr));
			max = 1 + in_u8(&in) % SEGS;
			look_up(t, addr, how & 8 ? in_u32(&in) : in_u16(&in),
				how & 16 ? TRIVIO_WO : TRIVIO_RO, max);
		}
		first = n ? t->range[0].first : 0;
		last = n ? t->range[n / 2].last : 0;
		cut = trivio_table_cut(t, first, last, out);
		CHECK(cut <= n);
		for (i = 0; i < cut; i++)
			CHECK(out[i].last < first || out[i].first > last);
	}
	free(t);
	return 0;
}
