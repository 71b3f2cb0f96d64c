/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's vDPA simulator, for programs that compare. */
#ifndef VDPA_SIM_H
#define VDPA_SIM_H

#include <stddef.h>

#include "../lib/dice.h"

/**
 * struct sim_test - a program of one test, on the simulator's device and on ours
 * @doc: what it does, for --help
 * @what: the simulator: "net", "blk"
 * @make: makes both devices; 0 or -errno
 * @end: and takes them away
 * @replay: one script from a file
 * @fuzz: many, made up
 */
struct sim_test {
	const char *doc;
	const char *what;
	int (*make)(void);
	void (*end)(void);
	void (*replay)(const char *file);
	void (*fuzz)(const struct dice_args *a);
};

/*
 * Runs it, and exits. The simulator's modules are the kernel's own, or those in the
 * folder TRIVIO_SIM, as Debian's kernel has none; without either it is skipped.
 */
void sim_main(int argc, char **argv, const struct sim_test *t);

/* Path of the vhost-vdpa node of device @name, to @to; -ENODEV. */
int sim_node(const char *name, char *to, size_t size);

#endif /* VDPA_SIM_H */
