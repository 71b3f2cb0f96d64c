/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's vDPA simulator, for programs that compare. */
#ifndef VDPA_SIM_H
#define VDPA_SIM_H

#include <stddef.h>

/*
 * The modules of the @what ("net", "blk") simulator: the kernel's own, or those that
 * are in the folder TRIVIO_SIM, as Debian's kernel has none. 0 if they are there.
 */
int sim_load(const char *what);

/* Path of the vhost-vdpa node of device @name, to @to; -ENODEV. */
int sim_node(const char *name, char *to, size_t size);

#endif /* VDPA_SIM_H */
