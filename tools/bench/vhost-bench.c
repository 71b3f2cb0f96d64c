// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-bench: packets through a vhost-net node without a virtual machine.
 * It plays the guest driver and the VMM, counts what a packet costs in all
 * and in the device's worker threads, and compares two nodes in one boot.
 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "vhost.h"

const char *argp_program_version = "vhost-bench 1";

enum { OPT_RING = 256, OPT_PACKED, OPT_IN_ORDER, OPT_REGIONS, OPT_SPREAD,
       OPT_JSON, OPT_TABLE, OPT_ONLY, OPT_REF, OPT_COMPARE, OPT_VDPA };

static const struct argp_option options[] = {
	{ "dev", 'd', "NODE", 0, "device (TRIVIO_VHOST_DEV or "
	  "/dev/trivio-vhost-net)", 0 },
	{ "ref", OPT_REF, "NODE", 0, "device to compare with "
	  "(TRIVIO_VHOST_REF or /dev/vhost-net)", 0 },
	{ "vdpa", OPT_VDPA, "NODE=IF", 0, "a vhost-vdpa node instead, and the "
	  "host interface of its device; several take turns", 0 },
	{ "compare", 'c', NULL, 0, "measure both and print the ratio", 0 },
	{ "table", OPT_TABLE, NULL, 0, "the whole table with its targets", 0 },
	{ "only", OPT_ONLY, "TEXT", 0, "table: rows with TEXT in the name", 0 },
	{ "mode", 'm', "tx|rx", 0, "direction, as the guest sees it (tx)", 0 },
	{ "sink", 's', "stack|xdp", 0, "who drops sent frames (stack)", 0 },
	{ "len", 'l', "BYTES", 0, "frame length (60)", 0 },
	{ "batch", 'b', "N", 0, "packets per kick (64)", 0 },
	{ "ring", OPT_RING, "N", 0, "ring size (256)", 0 },
	{ "packed", OPT_PACKED, NULL, 0, "packed ring", 0 },
	{ "in-order", OPT_IN_ORDER, NULL, 0, "VIRTIO_F_IN_ORDER", 0 },
	{ "regions", OPT_REGIONS, "N", 0, "memory regions (1)", 0 },
	{ "spread", OPT_SPREAD, NULL, 0, "hop from region to region", 0 },
	{ "packets", 'n', "N", 0, "packets of a round (6400)", 0 },
	{ "rounds", 'r', "N", 0, "rounds; the cheapest counts (5)", 0 },
	{ "json", OPT_JSON, "FILE", OPTION_ARG_OPTIONAL,
	  "results as JSON, on stdout or in FILE", 0 },
	{ 0 }
};

struct args {
	struct bench_case c;
	const char *ref;
	const char *only;
	const char *json_file;
	bool json;
	bool table;
	bool compare;
};

static unsigned int number(struct argp_state *st, const char *s,
			   unsigned int min, unsigned int max)
{
	char *end;
	unsigned long v = strtoul(s, &end, 0);

	if (*end || v < min || v > max)
		argp_error(st, "%s is not a number from %u to %u", s, min, max);
	return v;
}

static void choice(struct argp_state *st, int key, const char *s,
		   struct bench_case *c)
{
	if (key == 'm' && (!strcmp(s, "tx") || !strcmp(s, "rx")))
		c->dir = *s == 't' ? BENCH_TX : BENCH_RX;
	else if (key == 's' && (!strcmp(s, "stack") || !strcmp(s, "xdp")))
		c->sink = *s == 'x' ? SINK_XDP : SINK_STACK;
	else
		argp_error(st, "%s is none of the choices", s);
}

/* "NODE=IF" */
static void add_vdpa(struct argp_state *st, char *s, struct bench_case *c)
{
	char *eq = strchr(s, '=');

	if (!eq || c->ndevs == BENCH_DEVS_MAX)
		argp_error(st, "%s: NODE=IF, %u of them at most", s,
			   BENCH_DEVS_MAX);
	*eq = 0;
	c->vdpa[c->ndevs] = s;
	c->netif[c->ndevs++] = eq + 1;
	c->node = s;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct args *a = st->input;
	struct bench_case *c = &a->c;

	switch (key) {
	case 'd':
		c->node = arg;
		break;
	case OPT_REF:
		a->ref = arg;
		break;
	case 'c':
		a->compare = true;
		break;
	case OPT_TABLE:
		a->table = true;
		break;
	case OPT_ONLY:
		a->only = arg;
		break;
	case OPT_VDPA:
		add_vdpa(st, arg, c);
		break;
	case 'm':
	case 's':
		choice(st, key, arg, c);
		break;
	case 'l':
		c->len = number(st, arg, 22, 2036);
		break;
	case 'b':
		c->batch = number(st, arg, 1, 32768);
		break;
	case OPT_RING:
		c->ring = number(st, arg, 1, 32768);
		break;
	case OPT_PACKED:
		c->packed = true;
		break;
	case OPT_IN_ORDER:
		c->in_order = true;
		break;
	case OPT_REGIONS:
		c->regions = number(st, arg, 1, 2048);
		break;
	case OPT_SPREAD:
		c->spread = true;
		break;
	case 'n':
		c->packets = number(st, arg, 1, 1 << 30);
		break;
	case 'r':
		c->rounds = number(st, arg, 1, 1000);
		break;
	case OPT_JSON:
		a->json = true;
		a->json_file = arg;
		break;
	case ARGP_KEY_ARG:
		argp_usage(st);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static json_t *result_json(const struct bench_case *c,
			   const struct bench_result *r)
{
	return json_pack("{ss ss ss si si si si sb sb sf sf sf sf}",
			 "node", c->node,
			 "mode", c->dir == BENCH_TX ? "tx" : "rx",
			 "sink", c->sink == SINK_XDP ? "xdp" : "stack",
			 "len", c->len, "batch", c->batch, "ring", c->ring,
			 "regions", c->regions, "packed", c->packed,
			 "in_order", c->in_order, "total", r->total,
			 "worker", r->worker, "kicks", r->kicks,
			 "calls", r->calls);
}

static void result_text(const struct bench_case *c,
			const struct bench_result *r)
{
	printf("%s %s %u B, batch %u, ring %u %s: total %.1f worker %.1f ns/packet, %.4f kicks %.4f calls\n",
	       c->node, c->dir == BENCH_TX ? "tx" : "rx", c->len, c->batch,
	       c->ring, c->packed ? "packed" : "split", r->total, r->worker,
	       r->kicks, r->calls);
}

static int one(struct args *a, FILE *json)
{
	struct bench_result r, ref;
	json_t *o = NULL;

	if (bench_run(&a->c, &r)) {
		fprintf(stderr, "%s: %s\n", a->c.node, vh_why());
		return 1;
	}
	if (json)
		o = result_json(&a->c, &r);
	else
		result_text(&a->c, &r);
	if (a->compare) {
		struct bench_case c = a->c;

		c.node = a->ref;
		c.ndevs = 0;
		c.regions = 1;
		c.spread = false;
		c.packed = false;
		c.in_order = false;
		if (bench_run(&c, &ref)) {
			fprintf(stderr, "%s: %s\n", c.node, vh_why());
			json_decref(o);
			return 1;
		}
		if (json) {
			json_object_set_new(o, "ref", result_json(&c, &ref));
			json_object_set_new(o, "ratio_total",
					    json_real(r.total / ref.total));
			json_object_set_new(o, "ratio_worker",
					    json_real(r.worker / ref.worker));
		} else {
			result_text(&c, &ref);
			printf("ratio: total %.3f worker %.3f\n",
			       r.total / ref.total, r.worker / ref.worker);
		}
	}
	if (json) {
		json_dumpf(o, json, JSON_INDENT(1));
		fputc('\n', json);
		json_decref(o);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, NULL,
		"Measure what a packet costs through a vhost-net device.",
		NULL, NULL, NULL
	};
	struct args a = {
		.c = { .len = 60, .batch = 64, .ring = 256, .regions = 1,
		       .packets = 6400, .rounds = 5 },
	};
	FILE *json = NULL;
	int r;

	a.c.node = vh_node();
	a.ref = vh_ref_node();
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.c.batch > a.c.ring) {
		fprintf(stderr, "a batch of %u does not fit a ring of %u\n",
			a.c.batch, a.c.ring);
		return 2;
	}
	if (a.json) {
		json = a.json_file ? fopen(a.json_file, "w") : stdout;
		if (!json) {
			fprintf(stderr, "%s: %s\n", a.json_file,
				strerror(errno));
			return 2;
		}
	}
	/* The interfaces of vDPA devices are in this network namespace. */
	r = a.c.ndevs ? 0 : vh_ns_enter();
	if (r) {
		fprintf(stderr, "own network namespace: %s (are you root?)\n",
			strerror(-r));
		return 2;
	}
	r = a.table ? bench_table(a.c.node, a.ref, a.c.packets, a.c.rounds,
				  a.only, json) : one(&a, json);
	if (a.json_file && fclose(json)) {
		fprintf(stderr, "%s: %s\n", a.json_file, strerror(errno));
		return 2;
	}
	return r;
}
