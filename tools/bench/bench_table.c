// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table: every case on the in-tree device and on ours in the same boot,
 * split and packed, with the ratio that was promised beside the one reached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "vhost.h"

/**
 * struct row - one line of the table
 * @target: ours to in-tree, at most
 * @by_worker: the ratio is of the worker's instructions, not of all
 */
struct row {
	const char *name;
	enum bench_dir dir;
	enum bench_sink sink;
	unsigned int len;
	unsigned int batch;
	double target;
	bool by_worker;
};

static const struct row rows[] = {
	{ "tx 60 stack",	BENCH_TX, SINK_STACK, 60, 64, 0.72, false },
	{ "tx 60 xdp_drop",	BENCH_TX, SINK_XDP, 60, 64, 0.55, false },
	{ "tx 1500 stack",	BENCH_TX, SINK_STACK, 1500, 64, 0.80, false },
	{ "rx 60 worker",	BENCH_RX, SINK_STACK, 60, 64, 0.60, true },
	{ "rx 1500 worker",	BENCH_RX, SINK_STACK, 1500, 64, 0.70, true },
	{ "tx 60 1/kick",	BENCH_TX, SINK_STACK, 60, 1, 0.95, false },
	{ "rx 60 1/kick",	BENCH_RX, SINK_STACK, 60, 1, 0.95, false },
};

static const unsigned int ring_sizes[] = { 256, 1024, 4096, 32768 };
static const unsigned int region_counts[] = { 1, 2, 4, 8, 16, 32, 64 };

/* Growth allowed over a 128 times larger ring, and per doubling of regions. */
#define RING_TARGET	1.05
#define REGION_STEP	0.02

struct table {
	const char *node;
	const char *ref;
	unsigned int packets;
	unsigned int rounds;
	const char *only;
	json_t *out;
	unsigned int missed;
	unsigned int failed;
};

static struct bench_case case_of(const struct table *t, const struct row *w,
				 const char *node, bool packed)
{
	struct bench_case c = {
		.node = node, .dir = w->dir, .sink = w->sink, .packed = packed,
		.len = w->len, .batch = w->batch, .ring = 256, .regions = 1,
		.packets = t->packets, .rounds = t->rounds,
	};

	/* A packet per kick costs several times as much. */
	if (w->batch == 1)
		c.packets /= 4;
	return c;
}

static void keep(struct table *t, const char *name, const struct bench_case *c,
		 const struct bench_result *r, double ratio, double target)
{
	json_t *o;

	o = json_pack("{ss ss sb si si si si sf sf sf sf}", "case", name,
		      "node", c->node, "packed", c->packed, "len", c->len,
		      "batch", c->batch, "ring", c->ring, "regions",
		      c->regions, "total", r->total, "worker", r->worker,
		      "kicks", r->kicks, "calls", r->calls);
	if (ratio > 0) {
		json_object_set_new(o, "ratio", json_real(ratio));
		json_object_set_new(o, "target", json_real(target));
		json_object_set_new(o, "met", json_boolean(ratio <= target));
		t->missed += ratio > target;
	}
	json_array_append_new(t->out, o);
}

static bool measure(struct table *t, const char *name,
		    const struct bench_case *c, struct bench_result *r)
{
	int e = bench_run(c, r);

	if (!e)
		return true;
	fprintf(stderr, "%s on %s%s: %s\n", name, c->node,
		c->packed ? " packed" : "", vh_why());
	t->failed++;
	return false;
}

static void head(const char *what)
{
	printf("\n%-20s %10s %10s %8s %8s %8s\n", what, "total", "worker",
	       "ratio", "target", "");
}

static void line(const char *name, const struct bench_result *r, double ratio,
		 double target)
{
	printf("%-20s %10.1f %10.1f", name, r->total, r->worker);
	if (ratio > 0)
		printf(" %8.3f %8.3f %8s", ratio, target,
		       ratio <= target ? "met" : "MISSED");
	printf("\n");
	fflush(stdout);
}

static double value(const struct row *w, const struct bench_result *r)
{
	return w->by_worker ? r->worker : r->total;
}

static void run_row(struct table *t, const struct row *w)
{
	struct bench_result ref, split, packed;
	struct bench_case c;
	double ratio;

	head(w->name);
	c = case_of(t, w, t->ref, false);
	if (!measure(t, w->name, &c, &ref))
		return;
	keep(t, w->name, &c, &ref, 0, 0);
	line("  in-tree", &ref, 0, 0);
	if (!strcmp(t->node, t->ref))
		return;

	c = case_of(t, w, t->node, false);
	if (!measure(t, w->name, &c, &split))
		return;
	ratio = value(w, &split) / value(w, &ref);
	keep(t, w->name, &c, &split, ratio, w->target);
	line("  trivio split", &split, ratio, w->target);

	c = case_of(t, w, t->node, true);
	if (!measure(t, w->name, &c, &packed))
		return;
	/* Packed has to be no worse than split, whatever split reached. */
	ratio = value(w, &packed) / value(w, &ref);
	keep(t, w->name, &c, &packed, ratio, value(w, &split) / value(w, &ref));
	line("  trivio packed", &packed, ratio, value(w, &split) /
	     value(w, &ref));
}

/* Cost against ring size or regions; the first one is the measure. */
static void run_growth(struct table *t, bool regions, bool packed)
{
	unsigned int i, n = regions ? 7 : 4;
	struct bench_result r, first = { 0 };
	double ratio, target;
	struct bench_case c;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", regions ? "regions" : "ring size",
		 packed ? ", packed" : "");
	head(name);
	for (i = 0; i < n; i++) {
		c = case_of(t, &rows[0], t->node, packed);
		if (regions)
			c.regions = region_counts[i];
		else
			c.ring = ring_sizes[i];
		if (c.packets < c.ring)
			c.packets = c.ring;
		c.spread = regions;
		snprintf(name, sizeof(name), "  %u", regions ? c.regions :
							       c.ring);
		if (!measure(t, name, &c, &r))
			continue;
		if (i == 0)
			first = r;
		ratio = r.total / first.total;
		target = regions ? 1 + REGION_STEP * i : RING_TARGET;
		keep(t, regions ? "regions" : "ring size", &c, &r,
		     i ? ratio : 0, target);
		line(name, &r, i ? ratio : 0, target);
	}
}

static bool wanted(const struct table *t, const char *name)
{
	return !t->only || strcasestr(name, t->only);
}

/*
 * bench_table - print the table; JSON to @json if given. @only limits it to
 * rows with that text in their name. Returns 1 when a case could not run, or none was meant;
 * a missed target is told, not punished: this is no timed test.
 */
int bench_table(const char *node, const char *ref, unsigned int packets,
		unsigned int rounds, const char *only, FILE *json)
{
	struct table t = {
		.node = node, .ref = ref, .packets = packets,
		.rounds = rounds, .only = only, .out = json_array(),
	};
	unsigned int i;

	printf("ns per packet; under -icount shift=0 this is instructions\n");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wanted(&t, rows[i].name))
			run_row(&t, &rows[i]);
	if (wanted(&t, "ring size")) {
		run_growth(&t, false, false);
		if (strcmp(node, ref))
			run_growth(&t, false, true);
	}
	if (wanted(&t, "regions"))
		run_growth(&t, true, false);
	if (!json_array_size(t.out) && !t.failed) {
		t.failed = 1;
		fprintf(stderr, "no row has \"%s\" in its name; they are", only);
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			fprintf(stderr, " \"%s\",", rows[i].name);
		fprintf(stderr, " \"ring size\", \"regions\"\n");
	}
	printf("\n%u targets missed, %u cases failed\n", t.missed, t.failed);
	if (json) {
		json_dumpf(t.out, json, JSON_INDENT(1));
		fputc('\n', json);
	}
	json_decref(t.out);
	return t.failed ? 1 : 0;
}
