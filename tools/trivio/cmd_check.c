// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio check: which rules of the virtio specification a driver has broken, and
 * the switch of the checker.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "names.h"
#include "trivio.h"

static const char * const mode_name[] = {
	[TRIVIO_CHECK_MODE_OFF]		= "off",
	[TRIVIO_CHECK_MODE_LOG]		= "log",
	[TRIVIO_CHECK_MODE_STOP]	= "stop",
};

struct opts {
	bool json;
	const char *dev;
	int mode;		/* -1: leave it */
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "an array of objects", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	size_t i;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0) {
			o->dev = arg;
			return 0;
		}
		for (i = 0; i < ARRAY_SIZE(mode_name); i++) {
			if (!strcmp(arg, mode_name[i]))
				o->mode = i;
		}
		if (state->arg_num > 1 || o->mode < 0)
			argp_error(state, "\"%s\" is not off, log or stop", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "[DEVICE [off|log|stop]]",
	"Rules of the virtio 1.2 specification that a driver has broken since the\n"
	"checker of its device was switched on. \"log\" reports, \"stop\" also stops the\n"
	"queue. Switching needs CAP_NET_ADMIN; switching on forgets older reports.\n"
	"Documentation/conformance.rst describes every rule.\n"
	"\vEXAMPLES\n"
	"  trivio check vhost0 log    from now on\n"
	"  trivio check vhost0        what it has found\n"
	"  trivio check --json | jq '.[].rules[] | .section'\n",
	NULL, NULL, NULL
};

static const char *mode_text(__u32 mode)
{
	return mode < ARRAY_SIZE(mode_name) ? mode_name[mode] : "unknown";
}

/**
 * check_text() - checker of a device in lines; none if it is off and idle
 * @c: what nl_checks() gave
 * @n: how many
 * @dev: id of the device
 * @indent: before each line
 */
void check_text(const struct tcheck *c, int n, __u32 dev, const char *indent)
{
	const struct tcheck *head = NULL;
	int i, broken = 0;

	for (i = 0; i < n; i++) {
		if (c[i].dev != dev)
			continue;
		broken += c[i].rule;
		if (!c[i].rule)
			head = &c[i];
	}
	if (!head || (!head->mode && !broken))
		return;
	printf("%schecker     %s, %d rules broken\n", indent,
	       mode_text(head->mode), broken);
	for (i = 0; i < n; i++) {
		if (c[i].dev != dev || !c[i].rule)
			continue;
		printf("%s  %-11s %s: %s; %llu times, first ", indent,
		       c[i].section, c[i].name, c[i].text, c[i].count);
		if (c[i].has_queue)
			printf("on queue %u at head %u", c[i].queue, c[i].head);
		else
			printf("by the device's registers");
		if (c[i].has_value)
			printf(", value 0x%llx", c[i].value);
		printf("\n");
	}
}

static json_t *rule_json(const struct tcheck *c)
{
	json_t *o = json_pack("{s:s s:s s:s s:I s:I s:I}", "rule", c->name,
			      "section", c->section, "text", c->text,
			      "count", (json_int_t)c->count,
			      "head", (json_int_t)c->head,
			      "time_ns", (json_int_t)c->time);

	json_object_set_new(o, "queue", c->has_queue ?
			    json_integer(c->queue) : json_null());
	if (c->has_value)
		json_object_set_new(o, "value", json_integer(c->value));
	return o;
}

/**
 * check_json() - checker of a device
 * @c: what nl_checks() gave
 * @n: how many
 * @dev: id of the device
 *
 * Return: an object.
 */
json_t *check_json(const struct tcheck *c, int n, __u32 dev)
{
	json_t *rules = json_array(), *o = json_object();
	int i;

	for (i = 0; i < n; i++) {
		if (c[i].dev != dev)
			continue;
		if (c[i].rule) {
			json_array_append_new(rules, rule_json(&c[i]));
			continue;
		}
		json_object_set_new(o, "name", json_string(c[i].dev_name));
		json_object_set_new(o, "mode",
				    json_string(mode_text(c[i].mode)));
	}
	json_object_set_new(o, "rules", rules);
	return o;
}

static void show_text(const struct tcheck *c, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (c[i].rule)
			continue;
		printf("%s%s\n", c[i].dev_name,
		       c[i].mode ? "" : ": checker off");
		check_text(c, n, c[i].dev, "  ");
	}
}

static int show(const struct opts *o, struct nl *nl)
{
	struct tcheck *c = NULL;
	int i, n = 0, rc = nl_checks(nl, o->dev, &c, &n);
	json_t *root;

	if (rc)
		return rc;
	if (!o->json) {
		show_text(c, n);
		free(c);
		return RC_OK;
	}
	root = json_array();
	for (i = 0; i < n; i++) {
		if (!c[i].rule)
			json_array_append_new(root,
					      check_json(c, n, c[i].dev));
	}
	free(c);
	return json_out(root);
}

/**
 * cmd_check() - trivio check
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_check(int argc, char **argv)
{
	struct opts o = { .mode = -1 };
	struct nl *nl;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = o.mode >= 0 ? nl_check_set(nl, o.dev, o.mode) : RC_OK;
	if (!rc && (o.mode < 0 || o.json))
		rc = show(&o, nl);
	nl_close(nl);
	return rc;
}
