/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

#define min_t(type, x, y)				\
({							\
	type shim_x = (x), shim_y = (y);		\
	shim_x < shim_y ? shim_x : shim_y;		\
})
#define max_t(type, x, y)				\
({							\
	type shim_x = (x), shim_y = (y);		\
	shim_x > shim_y ? shim_x : shim_y;		\
})
#define min(x, y)	min_t(typeof((x) + 0), x, y)
#define max(x, y)	max_t(typeof((x) + 0), x, y)

#endif
