/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables of ranges: build, change, look up. Pure C over struct trivio_table,
 * so that user-space tests and fuzzers run the same code.
 */
#ifndef TRIVIO_MEM_TABLE_H
#define TRIVIO_MEM_TABLE_H

#include <trivio/mem.h>

int trivio_range_check(const struct trivio_range *range);
int trivio_table_sort(struct trivio_table *t);
u32 trivio_table_cut(const struct trivio_table *old, u64 first, u64 last,
		     struct trivio_range *out);
void trivio_table_insert(struct trivio_table *t, const struct trivio_range *range);
const struct trivio_range *trivio_table_find(const struct trivio_table *t,
					     u64 addr);

#endif /* TRIVIO_MEM_TABLE_H */
