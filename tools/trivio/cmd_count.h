/* SPDX-License-Identifier: GPL-2.0-only */
/* trivio count: what its files share. */
#ifndef TRIVIO_TOOL_CMD_COUNT_H
#define TRIVIO_TOOL_CMD_COUNT_H

#include <stdbool.h>
#include <linux/types.h>

#include "count.h"

#define IFACES_MAX	16
#define KEYS_MAX	1024
#define SKIP_MAX	C_NR

/*
 * struct event - something that is counted
 * @key: name, in text and JSON
 * @group: where people find it in the text: guest, interrupt, trivio, host
 * @category: tracepoint's folder in tracefs, or NULL for a kernel function
 * @name: tracepoint or function; NULL: counted along with another
 * @own: only in threads of the watched process
 * @module: what has to be loaded for it to exist, or NULL
 */
struct event {
	const char *key;
	const char *group;
	const char *category;
	const char *name;
	bool own;
	const char *module;
};

extern const struct event events[C_LOST];

/* A number that was counted under a key: exit reason, system call. */
struct keyed {
	__u64 key;
	__u64 n;
};

struct thread_row {
	__u32 tid;
	struct thread t;
};

struct mover_row {
	struct mover_key key;
	struct mover m;
};

/*
 * struct result - what was seen in the window
 * @ns: its length
 * @n: counters
 * @skipped: why an event could not be counted, or NULL
 * @exits: by reason, most first
 * @syscalls: by number, most first
 * @threads: by time on a processor, most first
 * @movers: who carried frames, most first
 * @misses: times a counter was entered while another one ran there; not counted
 * @packets: packets in the window
 * @source: whose packets, or NULL if there is nothing to go by
 * @status: of the command that was run, as waitpid() has it
 */
struct result {
	__u64 ns;
	__u64 n[C_NR];
	const char *skipped[C_LOST];
	struct keyed exits[KEYS_MAX];
	int nexits;
	struct keyed syscalls[KEYS_MAX];
	int nsyscalls;
	struct thread_row threads[THREADS_MAX];
	int nthreads;
	struct mover_row movers[MOVERS_MAX];
	int nmovers;
	__u64 misses;
	__u64 packets;
	char source[256];
	int status;
};

/*
 * struct count_opts - the command line
 */
struct count_opts {
	bool json;
	bool all;
	bool windows;
	__u32 pid[TARGETS_MAX];
	int npids;
	double seconds;
	const char *iface[IFACES_MAX];
	int nifaces;
	char **cmd;
};

struct counter;

/* count_attach.c */
struct counter *counter_open(const struct count_opts *o, struct result *r,
			     int *rc);
void counter_arm(struct counter *c, bool on);
int counter_reset(struct counter *c);
int counter_read(struct counter *c, struct result *r);
void counter_close(struct counter *c);

/* count_out.c */
int count_json(const struct count_opts *o, const struct result *r);
void count_text(const struct count_opts *o, const struct result *r);

#endif /* TRIVIO_TOOL_CMD_COUNT_H */
