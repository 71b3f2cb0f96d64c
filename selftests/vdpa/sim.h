/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's vDPA simulator, for programs that compare. */
#ifndef VDPA_SIM_H
#define VDPA_SIM_H

#include <stddef.h>
#include <string.h>

#include "kselftest.h"
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
 * The modules of the @what simulator: the kernel's own, or those that are in the
 * folder TRIVIO_SIM, as Debian's kernel has none. 0 if they are there.
 */
int sim_load(const char *what);

/* Runs it, and exits. Inline: kselftest's counters are each file's own. */
static inline void sim_main(int argc, char **argv, const struct sim_test *t)
{
	struct dice_args a = { .seed = 1 };
	int err;

	dice_parse(argc, argv, t->doc, true, &a);
	ksft_print_header();
	ksft_set_plan(1);
	if (sim_load(t->what))
		ksft_exit_skip("no vdpa_sim_%s: not in this kernel, and TRIVIO_SIM names no folder with it\n",
			       t->what);
	err = t->make();
	if (err)
		ksft_test_result_fail("two devices: %s\n", strerror(-err));
	else if (a.replay)
		t->replay(a.replay);
	else
		t->fuzz(&a);
	t->end();
	ksft_finished();
}

#endif /* VDPA_SIM_H */
