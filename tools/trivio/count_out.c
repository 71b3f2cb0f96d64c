// SPDX-License-Identifier: GPL-2.0-only
/* trivio count, what people and programs get to read. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cmd_count.h"
#include "names.h"
#include "trivio.h"

/* Rows shown to people; --all and --json have every one. */
#define ROWS	12

static double per_packet(const struct result *r, __u64 n)
{
	return r->packets ? (double)n / r->packets : 0;
}

static int exit_status(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return 128 + WTERMSIG(status);
}

static __u64 lost(const struct result *r)
{
	return r->n[C_LOST] + r->misses;
}

/* JSON ------------------------------------------------------------------- */

static json_t *exits_json(const struct result *r)
{
	json_t *o = json_object();
	char buf[32];
	int i;

	for (i = 0; i < r->nexits; i++) {
		const struct keyed *k = &r->exits[i];
		const char *name = name_exit(k->key >> 32, k->key, buf,
					     sizeof(buf));

		json_object_set_new(o, name, json_integer(k->n));
	}
	return o;
}

static json_t *syscalls_json(const struct result *r)
{
	json_t *o = json_object();
	char buf[32];
	int i;

	for (i = 0; i < r->nsyscalls; i++)
		json_object_set_new(o, name_syscall(r->syscalls[i].key, buf,
						    sizeof(buf)),
				    json_integer(r->syscalls[i].n));
	return o;
}

static json_t *threads_json(const struct result *r)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < r->nthreads; i++) {
		const struct thread_row *t = &r->threads[i];

		json_array_append_new(a, json_pack("{s:I s:I s:s s:I s:I s:I}",
						   "tid", (json_int_t)t->tid,
						   "tgid", (json_int_t)t->t.tgid,
						   "name", t->t.comm,
						   "runtime_ns", (json_int_t)t->t.runtime_ns,
						   "switches", (json_int_t)t->t.switches,
						   "wakeups", (json_int_t)t->t.wakeups));
	}
	return a;
}

static json_t *movers_json(const struct result *r)
{
	json_t *a = json_array();
	int i;

	for (i = 0; i < r->nmovers; i++) {
		const struct mover_row *m = &r->movers[i];

		json_array_append_new(a, json_pack("{s:I s:s s:b s:I s:I s:I s:I}",
						   "tid", (json_int_t)m->key.tid,
						   "name", m->m.comm, "softirq",
						   (int)m->key.softirq,
						   "out", (json_int_t)m->m.out,
						   "in", (json_int_t)m->m.in,
						   "tap_out", (json_int_t)m->m.tap_out,
						   "tap_in", (json_int_t)m->m.tap_in));
	}
	return a;
}

/**
 * count_json() - the result as one object
 * @o: options
 * @r: result
 *
 * Return: an exit code.
 */
int count_json(const struct count_opts *o, const struct result *r)
{
	json_t *counts = json_object(), *ratio = json_object();
	json_t *skipped = json_object(), *pids = json_array(), *root;
	int i;

	for (i = 0; i < C_LOST; i++) {
		if (r->skipped[i]) {
			json_object_set_new(skipped, events[i].key,
					    json_string(r->skipped[i]));
			continue;
		}
		json_object_set_new(counts, events[i].key,
				    json_integer(r->n[i]));
		if (r->packets)
			json_object_set_new(ratio, events[i].key,
					    json_real(per_packet(r, r->n[i])));
	}
	for (i = 0; i < o->npids; i++)
		json_array_append_new(pids, json_integer(o->pid[i]));
	root = json_pack("{s:f s:I s:o s:I s:s s:o s:o s:o s:o s:o s:o s:o s:I}",
			 "seconds", r->ns / 1e9, "pid", (json_int_t)o->pid[0],
			 "pids", pids,
			 "packets", (json_int_t)r->packets,
			 "packets_of", r->source, "counts", counts,
			 "per_packet", ratio, "exits", exits_json(r),
			 "syscalls", syscalls_json(r),
			 "threads", threads_json(r),
			 "movers", movers_json(r), "skipped", skipped,
			 "lost", (json_int_t)lost(r));
	if (root && o->cmd)
		json_object_set_new(root, "command_status",
				    json_integer(exit_status(r->status)));
	return o->windows ? json_line(root) : json_out(root);
}

/* Text ------------------------------------------------------------------- */

static void row(const struct result *r, const char *name, __u64 n)
{
	printf("  %-26s %12llu %12.0f", name, n, n / (r->ns / 1e9));
	if (r->packets)
		printf(" %10.3f", per_packet(r, n));
	printf("\n");
}

static void group_text(const struct count_opts *o, const struct result *r,
		       const char *group)
{
	int i;

	for (i = 0; i < C_LOST; i++) {
		if (strcmp(events[i].group, group) || r->skipped[i])
			continue;
		if (r->n[i] || o->all)
			row(r, events[i].key, r->n[i]);
	}
}

static void keyed_text(const struct count_opts *o, const struct result *r,
		       const char *title, const struct keyed *k, int n,
		       bool exits)
{
	int i, rows = o->all || n < ROWS ? n : ROWS;
	char buf[32];

	if (!n)
		return;
	printf("%s\n", title);
	for (i = 0; i < rows; i++)
		row(r, exits ? name_exit(k[i].key >> 32, k[i].key, buf, sizeof(buf)) :
			       name_syscall(k[i].key, buf, sizeof(buf)), k[i].n);
	if (rows < n)
		printf("  ... %d more (--all)\n", n - rows);
}

static void threads_text(const struct count_opts *o, const struct result *r)
{
	int i, rows = o->all || r->nthreads < ROWS ? r->nthreads : ROWS;

	if (!r->nthreads)
		return;
	printf("%-28s %12s %12s %10s\n", "threads", "ms running", "switches",
	       "wakeups");
	for (i = 0; i < rows; i++) {
		const struct thread_row *t = &r->threads[i];

		printf("  %-16s %-9u %12.3f %12llu %10llu\n", t->t.comm, t->tid,
		       t->t.runtime_ns / 1e6, t->t.switches, t->t.wakeups);
	}
	if (rows < r->nthreads)
		printf("  ... %d more (--all)\n", r->nthreads - rows);
}

static void movers_text(const struct count_opts *o, const struct result *r)
{
	int i, rows = o->all || r->nmovers < ROWS ? r->nmovers : ROWS;

	if (!r->nmovers)
		return;
	printf("%-28s %12s %12s %10s %10s\n", "who carried frames",
	       "from guest", "to guest", "tap writes", "reads");
	for (i = 0; i < rows; i++) {
		const struct mover_row *m = &r->movers[i];
		char id[32];

		snprintf(id, sizeof(id), "%u%s", m->key.tid,
			 m->key.softirq ? " si" : "");
		printf("  %-16s %-9s %12llu %12llu %10llu %10llu\n", m->m.comm,
		       id, m->m.out, m->m.in, m->m.tap_out, m->m.tap_in);
	}
	if (rows < r->nmovers)
		printf("  ... %d more (--all)\n", r->nmovers - rows);
}

/* Events that were left out, together if for the same reason. */
static void skipped_text(const struct result *r)
{
	int i, j;

	for (i = 0; i < C_LOST; i++) {
		for (j = 0; j < i; j++) {
			if (r->skipped[i] && r->skipped[j] &&
			    !strcmp(r->skipped[i], r->skipped[j]))
				break;
		}
		if (!r->skipped[i] || j < i)
			continue;
		printf("not counted (%s):", r->skipped[i]);
		for (j = i; j < C_LOST; j++) {
			if (r->skipped[j] && !strcmp(r->skipped[i], r->skipped[j]))
				printf(" %s", events[j].key);
		}
		printf("\n");
	}
}

/**
 * count_text() - the result for people
 * @o: options
 * @r: result
 */
void count_text(const struct count_opts *o, const struct result *r)
{
	printf("%.3f s", r->ns / 1e9);
	if (r->source[0])
		printf(", %llu packets (%s)", r->packets, r->source);
	if (o->cmd)
		printf(", command ended with status %d",
		       exit_status(r->status));
	printf("\n%-28s %12s %12s%s\n", "events", "count", "per second",
	       r->packets ? " per packet" : "");
	group_text(o, r, "guest");
	group_text(o, r, "interrupt");
	group_text(o, r, "trivio");
	group_text(o, r, "host");
	keyed_text(o, r, "exits by reason", r->exits, r->nexits, true);
	keyed_text(o, r, "system calls", r->syscalls, r->nsyscalls, false);
	threads_text(o, r);
	movers_text(o, r);
	skipped_text(r);
	printf("lost events: %llu\n", lost(r));
}
