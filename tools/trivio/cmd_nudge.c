// SPDX-License-Identifier: GPL-2.0-only
/* trivio nudge: kick or call a queue once, as if the other side had. */
#include <argp.h>
#include <stdio.h>

#include "nl.h"
#include "trivio.h"

struct opts {
	bool json;
	const char *dev;
	__u32 queue;
	__u32 what;
};

static const struct argp_option options[] = {
	{ "kick", 'k', NULL, 0, "the driver's kick: the device looks at the ring", 0 },
	{ "call", 'c', NULL, 0, "the device's call: the driver gets its interrupt", 0 },
	{ "json", 'j', NULL, 0, "an object", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case 'k':
		o->what |= TRIVIO_NUDGE_KICK;
		return 0;
	case 'c':
		o->what |= TRIVIO_NUDGE_CALL;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			o->dev = arg;
		else if (state->arg_num > 1 || parse_u32(arg, &o->queue))
			argp_error(state, "\"%s\" is no queue index", arg);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num != 2)
			argp_error(state, "a device and a queue are needed");
		if (!o->what)
			argp_error(state, "--kick or --call is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "DEVICE QUEUE",
	"Kicks or calls a running queue once. It does no harm to a healthy queue, and\n"
	"a stuck one that moves afterwards has lost that notification. Needs\n"
	"CAP_NET_ADMIN.\n"
	"\vEXAMPLES\n"
	"  trivio show vhost0 1             says \"the kick was lost or is not served\"\n"
	"  trivio nudge vhost0 1 --kick     if it moves now, the kick was lost\n",
	NULL, NULL, NULL
};

/**
 * cmd_nudge() - trivio nudge
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_nudge(int argc, char **argv)
{
	struct opts o = {};
	struct nl *nl;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	nl = nl_open(&rc);
	if (!nl)
		return rc;
	rc = nl_nudge(nl, o.dev, o.queue, o.what);
	nl_close(nl);
	if (!rc && o.json)
		rc = json_out(json_pack("{s:s s:I s:b s:b}", "device", o.dev,
					"queue", (json_int_t)o.queue,
					"kick", !!(o.what & TRIVIO_NUDGE_KICK),
					"call", !!(o.what & TRIVIO_NUDGE_CALL)));
	return rc;
}
