/* SPDX-License-Identifier: GPL-2.0-only */
/* What virtio_ring.c of 6.12 needs and the headers of tools/virtio lack. */
#include <stdlib.h>

#define data_race(expr)		(expr)
#define MODULE_DESCRIPTION(x)

/* Ring memory is asked for with __GFP_ZERO, which their kmalloc() ignores. */
#define malloc(n)		calloc(1, n)
