// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio show: a device in full. For each queue the indices of driver and
 * device side by side, what they mean, and what it counts.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "names.h"
#include "nl.h"
#include "trivio.h"
#include "verdict.h"

/* Between two looks at the indices: far longer than a turn of service. */
#define LOOK_US	100000

struct opts {
	bool json;
	const char *dev;
	__u32 queue;
	bool one;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "an array of objects", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0) {
			o->dev = arg;
			return 0;
		}
		if (state->arg_num > 1 || parse_u32(arg, &o->queue))
			argp_error(state, "\"%s\" is no queue index", arg);
		o->one = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "[DEVICE [QUEUE]]",
	"A device in full, or all: features, queues, ring positions, counters, the\n"
	"first error, and for each queue a verdict: what it waits for, and from whom.\n"
	"Addresses are shown to root.\n"
	"\vEXAMPLES\n"
	"  trivio show vhost0         one device\n"
	"  trivio show vhost0 1       its first transmit queue: is it stuck, and why\n"
	"  trivio show --json | jq '.[].queues[] | select(.verdict != \"ok\")'\n",
	NULL, NULL, NULL
};

/* JSON ------------------------------------------------------------------- */

static json_t *features_json(const struct tdev *d, __u64 bits)
{
	json_t *a = json_array();
	unsigned int i;
	char buf[16];

	for (i = 0; i < 64; i++) {
		const char *name = name_feature(d->class, i, buf, sizeof(buf));

		if (bits & (1ull << i))
			json_array_append_new(a, json_string(name));
	}
	return a;
}

static const struct {
	int attr;
	const char *key;
} ring_key[] = {
	{ TRIVIO_A_RING_LAST_AVAIL, "last_avail" },
	{ TRIVIO_A_RING_AVAIL_IDX, "avail_idx_read" },
	{ TRIVIO_A_RING_LAST_USED, "last_used" },
	{ TRIVIO_A_RING_FLUSHED_USED, "flushed_used" },
	{ TRIVIO_A_RING_CALL_USED, "call_used" },
	{ TRIVIO_A_RING_AVAIL_WRAP, "avail_wrap" },
	{ TRIVIO_A_RING_USED_WRAP, "used_wrap" },
	{ TRIVIO_A_RING_PENDING, "pending" },
	{ TRIVIO_A_RING_INFLIGHT, "inflight" },
	{ TRIVIO_A_RING_READY, "ready" },
	{ TRIVIO_A_RING_DRIVER_IDX, "driver_idx" },
	{ TRIVIO_A_RING_DRIVER_FLAGS, "driver_flags" },
	{ TRIVIO_A_RING_DRIVER_EVENT, "driver_event" },
	{ TRIVIO_A_RING_DEVICE_IDX, "device_idx" },
	{ TRIVIO_A_RING_DEVICE_FLAGS, "device_flags" },
	{ TRIVIO_A_RING_DEVICE_EVENT, "device_event" },
};

static json_t *ring_json(const struct tring *r)
{
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ring_key); i++) {
		if (r->has & (1ull << ring_key[i].attr))
			json_object_set_new(o, ring_key[i].key,
					    json_integer(r->val[ring_key[i].attr]));
	}
	json_object_set_new(o, "event_idx", json_boolean(ring_has(r, EVENT_IDX)));
	json_object_set_new(o, "kick_off", json_boolean(ring_has(r, KICK_OFF)));
	json_object_set_new(o, "live", json_boolean(ring_has(r, LIVE)));
	return o;
}

static json_t *error_json(const struct terror *e)
{
	json_t *o;

	if (!e->code)
		return json_null();
	o = json_pack("{s:I s:s s:I s:I s:I}", "code", (json_int_t)e->code,
		      "name", e->name, "head", (json_int_t)e->head,
		      "time_ns", (json_int_t)e->time,
		      "count", (json_int_t)e->count);
	if (e->has_addr)
		json_object_set_new(o, "addr", json_integer(e->addr));
	return o;
}

static json_t *queue_json(const struct tqueue *before, const struct tqueue *q)
{
	json_t *stats = json_object(), *o;
	enum verdict v;
	char text[256];
	int i;

	for (i = 1; i <= TRIVIO_A_STAT_MAX; i++)
		json_object_set_new(stats, name_stat(i),
				    json_integer(q->stat[i]));
	v = verdict(before, q, text, sizeof(text));
	o = json_pack("{s:I s:s s:s s:s s:I s:I s:b s:b s:b s:I s:s s:s s:o s:o s:o}",
		      "index", (json_int_t)q->index, "role", q->role,
		      "state", name_queue_state(q->state),
		      "layout", q->packed ? "packed" : "split",
		      "size", (json_int_t)q->num,
		      "size_max", (json_int_t)q->num_max,
		      "enabled", (int)q->enabled, "direct", (int)q->direct,
		      "kick_pending", (int)q->kick_pending,
		      "worker_pid", (json_int_t)q->worker_pid,
		      "verdict", verdict_name(v), "verdict_text", text,
		      "ring", ring_json(&q->ring), "counters", stats,
		      "first_error", error_json(&q->error));
	if (o && q->has_addr) {
		json_object_set_new(o, "desc_addr", json_integer(q->desc_addr));
		json_object_set_new(o, "driver_addr",
				    json_integer(q->driver_addr));
		json_object_set_new(o, "device_addr",
				    json_integer(q->device_addr));
	}
	return o;
}

static json_t *dev_json(const struct tdev *d)
{
	json_t *counters = json_object();
	char comm[32], driver[32] = "";
	int i;

	for (i = 0; i < d->ncounters; i++)
		json_object_set_new(counters, d->counter[i].name,
				    json_integer(d->counter[i].val));
	pid_comm(d->owner_pid, comm, sizeof(comm));
	if (!strcmp(d->road, "vdpa"))
		vdpa_driver(d->name, driver, sizeof(driver));
	return json_pack("{s:I s:s s:s s:s s:I s:s s:s s:s s:I s:I s:I s:o s:I s:o s:o s:o}",
			 "id", (json_int_t)d->id, "name", d->name,
			 "road", d->road, "class", d->class,
			 "owner_pid", (json_int_t)d->owner_pid, "owner", comm,
			 "driver", driver,
			 "state", name_dev_state(d->state),
			 "status", (json_int_t)d->status,
			 "config_generation", (json_int_t)d->generation,
			 "features_offered_bits", (json_int_t)d->offered,
			 "features_offered", features_json(d, d->offered),
			 "features_bits", (json_int_t)d->features,
			 "features", features_json(d, d->features),
			 "road_counters", counters,
			 "queues", json_array());
}

/* Text ------------------------------------------------------------------- */

static void features_text(const struct tdev *d)
{
	unsigned int i, n = 0;
	char buf[16];

	printf("  features   ");
	for (i = 0; i < 64; i++) {
		if (!(d->offered & (1ull << i)))
			continue;
		/* What the driver left lying is in brackets. */
		n += printf(d->features & (1ull << i) ? " %s" : " [%s]",
			    name_feature(d->class, i, buf, sizeof(buf)));
		if (n > 60) {
			printf("\n             ");
			n = 0;
		}
	}
	printf("\n");
}

static void counters_text(const struct tdev *d)
{
	int i, n = 0;

	for (i = 0; i < d->ncounters; i++) {
		if (!d->counter[i].val)
			continue;
		if (n++ % 4 == 0)
			printf(n > 1 ? "\n             " : "  road       ");
		printf(" %s %llu", d->counter[i].name, d->counter[i].val);
	}
	if (n)
		printf("\n");
}

static void dev_text(const struct tdev *d)
{
	char comm[32], status[128];

	printf("%s: %s device %u on the %s road, %s\n", d->name, d->class,
	       d->id, d->road, name_dev_state(d->state));
	if (d->owner_pid) {
		pid_comm(d->owner_pid, comm, sizeof(comm));
		printf("  owner       %u (%s)\n", d->owner_pid, comm);
	}
	if (!strcmp(d->road, "vdpa") && vdpa_driver(d->name, comm, sizeof(comm)))
		printf("  driver      %s\n", comm);
	if (strcmp(d->road, "vhost")) {
		name_status(d->status, status, sizeof(status));
		printf("  status      0x%02x (%s)\n", d->status, status);
	}
	features_text(d);
	counters_text(d);
}

static void ring_text(const struct tqueue *q)
{
	const struct tring *r = &q->ring;

	printf("    device    takes %u next", ring_val(r, LAST_AVAIL));
	if (q->packed)
		printf(" (wrap %u)", ring_val(r, AVAIL_WRAP));
	printf(", returned up to %u", ring_val(r, LAST_USED));
	if (q->packed)
		printf(" (wrap %u)", ring_val(r, USED_WRAP));
	printf(", %u in flight, %s", ring_val(r, INFLIGHT),
	       ring_has(r, KICK_OFF) ? "needs no kick" : "wants kicks");
	if (ring_has(r, CALL_USED))
		printf(", last call decision at %u", ring_val(r, CALL_USED));
	printf("\n");
	if (!ring_has(r, LIVE))
		return;
	if (q->packed) {
		printf("    shared    next slot %s, driver event 0x%x flags %u, device event 0x%x flags %u\n",
		       ring_val(r, READY) ? "available" : "empty",
		       ring_val(r, DRIVER_EVENT), ring_val(r, DRIVER_FLAGS),
		       ring_val(r, DEVICE_EVENT), ring_val(r, DEVICE_FLAGS));
		return;
	}
	printf("    shared    avail %u flags %u, used %u flags %u",
	       ring_val(r, DRIVER_IDX), ring_val(r, DRIVER_FLAGS),
	       ring_val(r, DEVICE_IDX), ring_val(r, DEVICE_FLAGS));
	if (ring_has(r, EVENT_IDX))
		printf(", driver wants a call after %u, device a kick after %u",
		       ring_val(r, DRIVER_EVENT), ring_val(r, DEVICE_EVENT));
	printf("\n");
}

static void error_text(const struct terror *e)
{
	time_t t = e->time / 1000000000;
	char when[32];

	if (!e->code)
		return;
	strftime(when, sizeof(when), "%F %T", localtime(&t));
	printf("    error     %s at head %u", e->name, e->head);
	if (e->has_addr)
		printf(", address 0x%llx", e->addr);
	printf(", %s, %llu since\n", when, e->count);
}

static void queue_text(const struct tqueue *before, const struct tqueue *q)
{
	enum verdict v;
	char text[256];
	int i, n = 0;

	printf("  queue %u     %s, %s, %s ring of %u (at most %u)", q->index,
	       q->role, name_queue_state(q->state),
	       q->packed ? "packed" : "split", q->num, q->num_max);
	if (q->worker_pid)
		printf(", worker %u", q->worker_pid);
	if (q->direct)
		printf(", served directly by its port");
	printf("\n");
	v = verdict(before, q, text, sizeof(text));
	printf("    verdict   %s: %s\n", verdict_name(v), text);
	if (q->state != TRIVIO_QUEUE_STATE_IDLE)
		ring_text(q);
	if (q->has_addr && q->num)
		printf("    memory    desc 0x%llx, driver 0x%llx, device 0x%llx\n",
		       q->desc_addr, q->driver_addr, q->device_addr);
	error_text(&q->error);
	printf("    counters ");
	for (i = 1; i <= TRIVIO_A_STAT_MAX; i++) {
		if (q->stat[i] && n++ && n % 5 == 1)
			printf("\n             ");
		if (q->stat[i])
			printf(" %s %llu", name_stat(i), q->stat[i]);
	}
	printf("%s\n", n ? "" : " none yet");
}

/* Show ------------------------------------------------------------------- */

/* The same queue in the earlier look, or itself if it is new. */
static const struct tqueue *same(const struct tqueue *before, int n,
				 const struct tqueue *q)
{
	int i;

	for (i = 0; i < n; i++) {
		if (before[i].dev == q->dev && before[i].index == q->index)
			return &before[i];
	}
	return q;
}

struct look {
	struct tdev *dev;
	struct tqueue *before, *now;
	struct tcheck *check;
	int ndev, nbefore, nnow, ncheck;
};

static json_t *show_dev(const struct opts *o, const struct look *l,
			const struct tdev *d)
{
	json_t *root = o->json ? dev_json(d) : NULL;
	int i;

	if (!o->json) {
		dev_text(d);
		check_text(l->check, l->ncheck, d->id, "  ");
	} else {
		json_object_set_new(root, "check",
				    check_json(l->check, l->ncheck, d->id));
	}
	for (i = 0; i < l->nnow; i++) {
		const struct tqueue *q = &l->now[i], *was;

		if (q->dev != d->id || (o->one && q->index != o->queue))
			continue;
		was = same(l->before, l->nbefore, q);
		if (!o->json)
			queue_text(was, q);
		else
			json_array_append_new(json_object_get(root, "queues"),
					      queue_json(was, q));
	}
	return root;
}

static int look(const struct opts *o, struct nl *nl, struct look *l)
{
	int rc = nl_queues(nl, o->dev, &l->before, &l->nbefore);

	if (rc)
		return rc;
	usleep(LOOK_US);
	rc = nl_queues(nl, o->dev, &l->now, &l->nnow);
	if (!rc)
		rc = nl_checks(nl, o->dev, &l->check, &l->ncheck);
	if (rc)
		return rc;
	if (!o->dev)
		return nl_devs(nl, &l->dev, &l->ndev);
	l->dev = calloc(1, sizeof(*l->dev));
	l->ndev = 1;
	if (!l->dev)
		return RC_FAIL;
	rc = nl_dev(nl, o->dev, l->dev);
	if (!rc && o->one && o->queue >= l->dev->nqueues) {
		err_say("%s has queues 0 to %u", o->dev, l->dev->nqueues - 1);
		rc = RC_NODEV;
	}
	return rc;
}

/**
 * cmd_show() - trivio show
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_show(int argc, char **argv)
{
	struct look l = {};
	struct opts o = {};
	json_t *root, *obj;
	struct nl *nl;
	int i, rc;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = look(&o, nl, &l);
	if (rc)
		goto out;
	root = o.json ? json_array() : NULL;
	for (i = 0; i < l.ndev; i++) {
		obj = show_dev(&o, &l, &l.dev[i]);
		if (o.json)
			json_array_append_new(root, obj);
	}
	if (o.json)
		rc = json_out(root);
out:
	free(l.dev);
	free(l.before);
	free(l.now);
	free(l.check);
	nl_close(nl);
	return rc;
}
