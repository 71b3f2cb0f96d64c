// SPDX-License-Identifier: GPL-2.0-only
/* The command trivio: picks the sub-command. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "trivio.h"

const char *argp_program_version = "trivio 0.1";

static const struct cmd cmds[] = {
	{ "list", "all devices, one line each", cmd_list },
	{ "show", "a device in full, with a verdict for each queue", cmd_show },
	{ "stat", "counters as they grow: rates and ratios", cmd_stat },
	{ "count", "exits, interrupts, switches and kicks while a command runs",
	  cmd_count },
	{ "events", "errors and state changes as they happen", cmd_events },
	{ "check", "which rules of the specification a driver breaks", cmd_check },
	{ "nudge", "kick or call a stuck queue once", cmd_nudge },
	{ "doctor", "check what this machine needs, and say how to fix it",
	  cmd_doctor },
};

static void overview(FILE *f)
{
	size_t i;

	fputs("Usage: trivio COMMAND [options]\n\n"
	      "Looks into virtio devices that trivio serves, whatever road (vhost, vDPA, VFIO)\n"
	      "leads to them.\n\n", f);
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		fprintf(f, "  %-8s %s\n", cmds[i].name, cmds[i].help);
	fputs("\ntrivio COMMAND --help tells its options, with examples; every command has\n"
	      "--json. Exit status: 0 ok, 1 failure, 2 wrong use, 3 no such device or queue,\n"
	      "4 module not loaded, 5 not permitted, 6 the counted command failed.\n",
	      f);
}

int main(int argc, char **argv)
{
	char name[64];
	size_t i;

	argp_err_exit_status = RC_USAGE;
	if (argc < 2) {
		overview(stderr);
		return RC_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		overview(stdout);
		return RC_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts(argp_program_version);
		return RC_OK;
	}
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (strcmp(argv[1], cmds[i].name))
			continue;
		snprintf(name, sizeof(name), "trivio %s", cmds[i].name);
		argv[1] = name;
		return cmds[i].run(argc - 1, argv + 1);
	}
	err_say("no command \"%s\"; trivio --help lists them", argv[1]);
	return RC_USAGE;
}
