// SPDX-License-Identifier: GPL-2.0-only
/* trivio events: errors and state changes as they happen. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "names.h"
#include "nl.h"
#include "trivio.h"

struct opts {
	bool json;
	__u32 max;
	__u32 seen;
	const char *dev;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "one object a line", 0 },
	{ "number", 'n', "N", 0, "end after N events", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'n':
		if (parse_u32(arg, &o->max) || !o->max)
			argp_error(state, "\"%s\" is no number of events", arg);
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
	"Errors and state changes as they happen, of one device or all, until\n"
	"interrupted. Events that the kernel had to drop are counted and said.\n"
	"\vEXAMPLES\n"
	"  trivio events              watch\n"
	"  trivio events -n 1 t0      wait until something happens to t0\n"
	"  trivio events --json       for a program: one object a line\n",
	NULL, NULL, NULL
};

static void stamp(void)
{
	struct timespec ts;
	char buf[16];

	clock_gettime(CLOCK_REALTIME, &ts);
	strftime(buf, sizeof(buf), "%T", localtime(&ts.tv_sec));
	printf("%s.%03ld  ", buf, ts.tv_nsec / 1000000);
}

static int show_state(const struct opts *o, const struct tdev *d)
{
	char status[128];

	if (o->json)
		return json_line(json_pack("{s:s s:s s:I s:s s:I s:I}",
					   "event", "state", "device", d->name,
					   "id", (json_int_t)d->id,
					   "state", name_dev_state(d->state),
					   "status", (json_int_t)d->status,
					   "lost", (json_int_t)d->lost));
	name_status(d->status, status, sizeof(status));
	stamp();
	printf("%s is %s, status %s\n", d->name, name_dev_state(d->state),
	       status);
	return 0;
}

static int show_error(const struct opts *o, const struct tqueue *q)
{
	if (o->json)
		return json_line(json_pack("{s:s s:s s:I s:I s:s s:I s:I s:I s:I}",
					   "event", "error",
					   "device", q->dev_name,
					   "id", (json_int_t)q->dev,
					   "queue", (json_int_t)q->index,
					   "error", q->error.name,
					   "head", (json_int_t)q->error.head,
					   "time_ns", (json_int_t)q->error.time,
					   "count", (json_int_t)q->error.count,
					   "lost", (json_int_t)q->lost));
	stamp();
	printf("%s queue %u broke: %s at head %u\n", q->dev_name, q->index,
	       q->error.name, q->error.head);
	return 0;
}

static int on_event(int cmd, const struct tdev *d, const struct tqueue *q,
		    void *ctx)
{
	__u32 lost = d ? d->lost : q->lost;
	struct opts *o = ctx;
	int rc;

	if (o->dev && strcmp(o->dev, d ? d->name : q->dev_name))
		return 0;
	rc = cmd == TRIVIO_CMD_STATE_NTF ? show_state(o, d) : show_error(o, q);
	if (!o->json && lost)
		printf("              (%u events before this one were dropped)\n",
		       lost);
	if (rc || fflush(stdout))
		return -EIO;
	return o->max && ++o->seen >= o->max ? 1 : 0;
}

/**
 * cmd_events() - trivio events
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_events(int argc, char **argv)
{
	struct opts o = {};
	struct nl *nl;
	int rc, ret;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = nl_listen(nl);
	if (!rc)
		err_say("listening, Ctrl-C ends");
	while (!rc) {
		ret = nl_event(nl, on_event, &o);
		if (ret == -ENOBUFS)
			err_say("some events were lost: they come faster than they are read");
		else if (ret > 0)
			break;
		else if (ret && ret != -EINTR)
			rc = RC_FAIL;
	}
	nl_close(nl);
	return rc;
}
