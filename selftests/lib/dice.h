/* SPDX-License-Identifier: GPL-2.0-only */
/* Command line of programs that throw dice: how long, from which seed, or one script again. */
#ifndef SELFTESTS_LIB_DICE_H
#define SELFTESTS_LIB_DICE_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* @seconds and @seed are as they were before if they were not given. */
struct dice_args {
	unsigned int seconds;
	uint64_t seed;
	const char *replay;
};

static error_t dice_option(int key, char *arg, struct argp_state *st)
{
	struct dice_args *a = st->input;

	if (key == 't')
		a->seconds = atoi(arg);
	else if (key == 's')
		a->seed = strtoull(arg, NULL, 0);
	else if (key == 'r')
		a->replay = arg;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

/* dice_parse - @doc: what the program does; @replays: it can run a script from a file */
static inline void dice_parse(int argc, char **argv, const char *doc,
			      bool replays, struct dice_args *a)
{
	struct argp_option options[] = {
		{ "seconds", 't', "N", 0, "how long (a short time)", 0 },
		{ "seed", 's', "N", 0, "where the dice begin (1)", 0 },
		{ "replay", 'r', "FILE", 0, "run one script", 0 },
		{ 0 }
	};
	struct argp argp = { options, dice_option, NULL, doc, NULL, NULL, NULL };

	if (!replays)
		options[2] = options[3];
	argp_parse(&argp, argc, argv, 0, NULL, a);
}

#endif
