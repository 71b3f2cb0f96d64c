// SPDX-License-Identifier: GPL-2.0-only
/* trivio list: all devices, one line each. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "nl.h"
#include "trivio.h"

struct opts {
	bool json;
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
		argp_error(state, "list takes no device; \"trivio show %s\" does",
			   arg);
		break;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"All devices, one line each.\n"
	"\vEXAMPLES\n"
	"  trivio list                who is served by what, and how it is\n"
	"  trivio list --json | jq -r '.[] | select(.state == \"broken\").name'\n",
	NULL, NULL, NULL
};

/* What a device's queues add up to. */
struct sum {
	__u64 packets;
	__u64 drops;
	__u64 errors;
	unsigned int running;
	bool packed;
};

static void sum_queues(const struct tdev *d, const struct tqueue *q, int n,
		       struct sum *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < n; i++) {
		if (q[i].dev != d->id)
			continue;
		s->packets += q[i].stat[TRIVIO_A_STAT_PACKETS];
		s->drops += q[i].stat[TRIVIO_A_STAT_DROPS];
		s->errors += q[i].stat[TRIVIO_A_STAT_ERRORS];
		s->running += q[i].state == TRIVIO_QUEUE_STATE_RUNNING;
		s->packed |= q[i].packed;
	}
}

static json_t *dev_json(const struct tdev *d, const struct sum *s)
{
	char comm[32], driver[32] = "";

	pid_comm(d->owner_pid, comm, sizeof(comm));
	if (!strcmp(d->road, "vdpa"))
		vdpa_driver(d->name, driver, sizeof(driver));
	return json_pack("{s:I s:s s:s s:s s:I s:s s:s s:s s:I s:I s:b s:I s:I s:I}",
			 "id", (json_int_t)d->id, "name", d->name,
			 "road", d->road, "class", d->class,
			 "owner_pid", (json_int_t)d->owner_pid, "owner", comm,
			 "driver", driver,
			 "state", name_dev_state(d->state),
			 "queues", (json_int_t)d->nqueues,
			 "queues_running", (json_int_t)s->running,
			 "packed", (int)s->packed,
			 "packets", (json_int_t)s->packets,
			 "drops", (json_int_t)s->drops,
			 "errors", (json_int_t)s->errors);
}

static void dev_line(const struct tdev *d, const struct sum *s)
{
	char owner[64] = "-", comm[32], queues[32];

	if (d->owner_pid) {
		pid_comm(d->owner_pid, comm, sizeof(comm));
		snprintf(owner, sizeof(owner), "%u %s", d->owner_pid, comm);
	} else if (!strcmp(d->road, "vdpa") &&
		   vdpa_driver(d->name, comm, sizeof(comm))) {
		snprintf(owner, sizeof(owner), "(%s)", comm);
	}
	snprintf(queues, sizeof(queues), "%u/%u %s", s->running, d->nqueues,
		 s->packed ? "packed" : "split");
	printf("%-16s %-6s %-5s %-10s %-12s %12llu %10llu %7llu  %s\n", d->name,
	       d->road, d->class, name_dev_state(d->state), queues,
	       s->packets, s->drops, s->errors, owner);
}

/**
 * cmd_list() - trivio list
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_list(int argc, char **argv)
{
	struct tqueue *q = NULL;
	struct tdev *d = NULL;
	struct opts o = {};
	json_t *root;
	struct nl *nl;
	int n, nq, i, rc;
	struct sum s;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = nl_devs(nl, &d, &n);
	if (!rc)
		rc = nl_queues(nl, NULL, &q, &nq);
	if (rc)
		goto out;
	root = o.json ? json_array() : NULL;
	if (!o.json && n)
		printf("%-16s %-6s %-5s %-10s %-12s %12s %10s %7s  %s\n",
		       "DEVICE", "ROAD", "CLASS", "STATE", "RUNNING",
		       "PACKETS", "DROPS", "ERRORS", "OWNER");
	for (i = 0; i < n; i++) {
		sum_queues(&d[i], q, nq, &s);
		if (o.json)
			json_array_append_new(root, dev_json(&d[i], &s));
		else
			dev_line(&d[i], &s);
	}
	if (o.json)
		rc = json_out(root);
	else if (!n)
		fputs("no devices; open /dev/trivio-vhost-net (QEMU: vhostfd=), or \"vdpa dev add\", or start an mdev\n",
		      stderr);
out:
	free(q);
	free(d);
	nl_close(nl);
	return rc;
}
