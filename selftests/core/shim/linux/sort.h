/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SORT_H
#define SHIM_LINUX_SORT_H

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <stdlib.h>

#define sort(base, n, size, cmp, swap)	qsort(base, n, size, cmp)

#endif
