// SPDX-License-Identifier: GPL-2.0-only
/* trivio stat: counters as they grow, as rates and per 1000 packets. */
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "names.h"
#include "nl.h"
#include "trivio.h"

struct opts {
	bool json;
	bool all;
	double interval;
	__u32 rounds;
	const char *dev;
};

static const struct argp_option options[] = {
	{ "interval", 'i', "SECONDS", 0, "between two looks (1)", 0 },
	{ "number", 'n', "N", 0, "looks; without it, until interrupted", 0 },
	{ "all", 'a', NULL, 0, "queues without traffic, too", 0 },
	{ "json", 'j', NULL, 0, "one object a line, for each look", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	char *end;

	switch (key) {
	case 'i':
		o->interval = strtod(arg, &end);
		if (end == arg || *end || !(o->interval >= 0.01) ||
		    o->interval > 86400)
			argp_error(state, "\"%s\" is no interval", arg);
		return 0;
	case 'n':
		if (parse_u32(arg, &o->rounds) || !o->rounds)
			argp_error(state, "\"%s\" is no number of looks", arg);
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one device at most");
		o->dev = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "[DEVICE]",
	"Counters as they grow: rates per second, and what 1000 packets cost in kicks,\n"
	"calls and wake-ups. Drops are checked: the reasons must add up.\n"
	"\vEXAMPLES\n"
	"  trivio stat                    everything, each second\n"
	"  trivio stat vhost0 -i 5 -n 1   one device, five seconds, then end\n"
	"  trivio stat --json -n 10       ten lines for a program\n",
	NULL, NULL, NULL
};

/* What a queue did between two looks. */
struct delta {
	__u64 d[TRIVIO_A_STAT_MAX + 1];
	double seconds;
};

#define D(x, name)	((x)->d[TRIVIO_A_STAT_##name])

static void delta_of(const struct tqueue *was, const struct tqueue *now,
		     double seconds, struct delta *x)
{
	int i;

	x->seconds = seconds;
	for (i = 0; i <= TRIVIO_A_STAT_MAX; i++)
		x->d[i] = now->stat[i] - (was ? was->stat[i] : 0);
}

/*
 * Every drop has one reason. Totals, not deltas: a look may fall between the two
 * increments of a drop, so one may be missing for a moment.
 */
static __u64 unexplained(const struct tqueue *q)
{
	__u64 sum = 0;
	int i;

	for (i = TRIVIO_A_STAT_DROP_NOBUF; i <= TRIVIO_A_STAT_DROP_FILTER; i++)
		sum += q->stat[i];
	sum = sum > q->stat[TRIVIO_A_STAT_DROPS] ?
	      sum - q->stat[TRIVIO_A_STAT_DROPS] :
	      q->stat[TRIVIO_A_STAT_DROPS] - sum;
	return sum > 1 ? sum : 0;
}

static double per_k(__u64 n, __u64 packets)
{
	return packets ? n * 1000.0 / packets : 0;
}

static json_t *queue_json(const struct tqueue *q, const struct delta *x)
{
	json_t *rate = json_object(), *o;
	__u64 p = D(x, PACKETS);
	int i;

	for (i = 1; i <= TRIVIO_A_STAT_MAX; i++)
		json_object_set_new(rate, name_stat(i),
				    json_real(x->d[i] / x->seconds));
	o = json_pack("{s:s s:I s:s s:s s:o s:I}", "device", q->dev_name,
		      "queue", (json_int_t)q->index, "role", q->role,
		      "state", name_queue_state(q->state),
		      "per_second", rate,
		      "drops_unexplained", (json_int_t)unexplained(q));
	if (p)
		json_object_set_new(o, "per_1000_packets",
				    json_pack("{s:f s:f s:f s:f}",
					      "kicks", per_k(D(x, KICKS), p),
					      "calls", per_k(D(x, CALLS), p),
					      "wakeups", per_k(D(x, WAKEUPS), p),
					      "batches", per_k(D(x, BATCHES), p)));
	return o;
}

static void queue_line(const struct tqueue *q, const struct delta *x)
{
	double t = x->seconds;
	__u64 p = D(x, PACKETS);

	printf("%-16s %3u %-5s %11.0f %9.1f %9.0f %9.0f %9.0f |", q->dev_name,
	       q->index, q->role, p / t, D(x, BYTES) / t * 8 / 1e6,
	       D(x, KICKS) / t, D(x, CALLS) / t, D(x, DROPS) / t);
	if (p)
		printf(" %7.1f %7.1f %7.1f\n", per_k(D(x, KICKS), p),
		       per_k(D(x, CALLS), p), per_k(D(x, WAKEUPS), p));
	else
		printf(" %7s %7s %7s\n", "-", "-", "-");
	if (unexplained(q))
		printf("  %s queue %u: %llu drops without a reason: please report this\n",
		       q->dev_name, q->index, unexplained(q));
}

static const struct tqueue *find(const struct tqueue *q, int n,
				 const struct tqueue *same)
{
	int i;

	for (i = 0; i < n; i++) {
		if (q[i].dev == same->dev && q[i].index == same->index)
			return &q[i];
	}
	return NULL;
}

static bool idle(const struct delta *x)
{
	int i;

	for (i = 1; i <= TRIVIO_A_STAT_MAX; i++) {
		if (x->d[i])
			return false;
	}
	return true;
}

static int print_round(const struct opts *o, const struct tqueue *was, int nwas,
		       const struct tqueue *now, int n, double seconds)
{
	json_t *list = o->json ? json_array() : NULL;
	struct delta x;
	int i, shown = 0;

	if (!o->json)
		printf("%-16s %3s %-5s %11s %9s %9s %9s %9s | %7s %7s %7s\n",
		       "DEVICE", "Q", "ROLE", "PACKETS/S", "MBIT/S", "KICKS/S",
		       "CALLS/S", "DROPS/S", "KICKS", "CALLS", "WAKEUPS");
	for (i = 0; i < n; i++) {
		delta_of(find(was, nwas, &now[i]), &now[i], seconds, &x);
		if (o->json)
			json_array_append_new(list, queue_json(&now[i], &x));
		else if (o->all || !idle(&x) || unexplained(&now[i]))
			queue_line(&now[i], &x);
		else
			continue;
		shown++;
	}
	if (o->json)
		return json_line(json_pack("{s:f s:o}", "seconds", seconds,
					   "queues", list));
	if (!shown)
		printf("no traffic on %d queues (--all lists them)\n", n);
	return fflush(stdout) ? RC_FAIL : RC_OK;
}

static void pause_for(double seconds)
{
	struct timespec ts = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)(fmod(seconds, 1) * 1e9),
	};

	nanosleep(&ts, NULL);
}

/**
 * cmd_stat() - trivio stat
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_stat(int argc, char **argv)
{
	struct opts o = { .interval = 1 };
	struct tqueue *was = NULL, *now;
	int nwas = 0, n, rc;
	__u64 t0, t1;
	__u32 i;
	struct nl *nl;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = nl_queues(nl, o.dev, &was, &nwas);
	t0 = now_ns();
	for (i = 0; !rc && (!o.rounds || i < o.rounds); i++) {
		pause_for(o.interval);
		rc = nl_queues(nl, o.dev, &now, &n);
		if (rc)
			break;
		t1 = now_ns();
		rc = print_round(&o, was, nwas, now, n, (t1 - t0) / 1e9);
		free(was);
		was = now;
		nwas = n;
		t0 = t1;
	}
	free(was);
	nl_close(nl);
	return rc;
}
