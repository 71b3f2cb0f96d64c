/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the command share: exit codes, commands, small helpers. */
#ifndef TRIVIO_TOOL_H
#define TRIVIO_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <jansson.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit codes; documented in trivio(1), never renumbered. */
enum {
	RC_OK = 0,
	RC_FAIL = 1,		/* something else went wrong; stderr says what */
	RC_USAGE = 2,		/* wrong options or arguments */
	RC_NODEV = 3,		/* no such device or queue */
	RC_NOMODULE = 4,	/* trivio.ko is not loaded */
	RC_PERM = 5,		/* not allowed */
	RC_CMD = 6,		/* count: the command it ran failed */
};

/**
 * struct cmd - a sub-command
 * @name: as typed
 * @help: one line
 * @run: gets its own argv (argv[0] is "trivio NAME"); an exit code
 */
struct cmd {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_count(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_nudge(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* util.c */
void __attribute__((format(printf, 1, 2))) err_say(const char *fmt, ...);
int json_out(json_t *root);
int json_line(json_t *obj);
bool pid_comm(__u32 pid, char *buf, size_t len);
bool vdpa_driver(const char *dev, char *buf, size_t len);
__u64 now_ns(void);
int parse_u32(const char *s, __u32 *val);

#endif /* TRIVIO_TOOL_H */
