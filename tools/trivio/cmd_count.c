// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio count: what a guest's packets cost. Counts VM exits, interrupts,
 * context switches, wake-ups, system calls and trivio's own events while a
 * command runs or for a time, and divides them by the packets carried.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "cmd_count.h"
#include "nl.h"
#include "trivio.h"

static volatile sig_atomic_t stop;

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0,
	  "only this process (a QEMU) and what works for it (repeat for more, as a vhost-user backend)", 0 },
	{ "iface", 'I', "NAME", 0, "packets of this interface, both ways (repeat for more)", 0 },
	{ "time", 't', "SECONDS", 0, "end after this time", 0 },
	{ "windows", 'w', NULL, 0,
	  "a result for each line of standard input: INTERFACE COMMAND (what is slow, attaching, is done once)", 0 },
	{ "all", 'a', NULL, 0, "every row, zeroes and small ones too", 0 },
	{ "json", 'j', NULL, 0, "an object; the command's output goes to stderr", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct count_opts *o = state->input;
	char *end;

	switch (key) {
	case 'p':
		if (o->npids == TARGETS_MAX)
			argp_error(state, "\"%s\" is one process too many", arg);
		if (parse_u32(arg, &o->pid[o->npids]) || !o->pid[o->npids])
			argp_error(state, "\"%s\" is no process", arg);
		o->npids++;
		return 0;
	case 'I':
		if (o->nifaces == IFACES_MAX || strchr(arg, '/'))
			argp_error(state, "\"%s\" is one interface too many", arg);
		o->iface[o->nifaces++] = arg;
		return 0;
	case 't':
		o->seconds = strtod(arg, &end);
		if (end == arg || *end || !(o->seconds > 0) ||
		    o->seconds > 86400)
			argp_error(state, "\"%s\" is no time", arg);
		return 0;
	case 'w':
		o->windows = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_END:
		if (o->windows && (o->cmd || o->nifaces))
			argp_error(state,
				   "--windows has interface and command on its lines");
		return 0;
	case ARGP_KEY_ARG:
		/* The command; what follows is its own. */
		o->cmd = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, "[-- COMMAND...]",
	"Counts, while COMMAND runs (or for a time, or until interrupted): VM exits by\n"
	"reason, interrupts, context switches and wake-ups by thread, system calls,\n"
	"eventfd signals and trivio's events, and who carried the frames; per packet of\n"
	"the interfaces named, or of trivio's queues. Counting is done in the kernel, and\n"
	"lost events are reported.\n"
	"Needs root.\n"
	"\vEXAMPLES\n"
	"  trivio count -p $(pidof qemu-system-x86_64) -I tap0 -- ping -fc 1000 10.0.0.2\n"
	"  trivio count -t 5                  everything, for five seconds\n"
	"  trivio count --json -p 1234 -I tap0 -- iperf3 -c 10.0.0.2 | jq .per_packet\n"
	"  printf 'tap%d ping -fc 100 10.0.%d.2\\n' 0 0 1 1 | trivio count -w -p 1234\n",
	NULL, NULL, NULL
};

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Packets ---------------------------------------------------------------- */

static int iface_stat(const char *iface, const char *which, __u64 *sum)
{
	unsigned long long n;
	char path[256];
	FILE *f;
	int ok;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", iface,
		 which);
	f = fopen(path, "r");
	if (!f)
		return -ENODEV;
	ok = fscanf(f, "%llu", &n) == 1;
	fclose(f);
	if (!ok)
		return -EIO;
	*sum += n;
	return 0;
}

/* Packets so far: of the interfaces, or, without any, of trivio's queues. */
static int packets(const struct count_opts *o, struct nl *nl, __u64 *sum)
{
	struct tqueue *q;
	int i, n;

	*sum = 0;
	for (i = 0; i < o->nifaces; i++) {
		if (iface_stat(o->iface[i], "rx_packets", sum) ||
		    iface_stat(o->iface[i], "tx_packets", sum)) {
			err_say("no interface %s; \"ip link\" lists them",
				o->iface[i]);
			return RC_NODEV;
		}
	}
	if (o->nifaces || !nl)
		return RC_OK;
	i = nl_queues(nl, NULL, &q, &n);
	if (i)
		return i;
	for (i = 0; i < n; i++)
		*sum += q[i].stat[TRIVIO_A_STAT_PACKETS];
	free(q);
	return RC_OK;
}

static void source(const struct count_opts *o, struct nl *nl, struct result *r)
{
	size_t at = 0;
	int i;

	for (i = 0; i < o->nifaces && at < sizeof(r->source); i++)
		at += snprintf(r->source + at, sizeof(r->source) - at, "%s%s",
			       at ? " " : "", o->iface[i]);
	if (!o->nifaces && nl)
		snprintf(r->source, sizeof(r->source), "all trivio queues");
}

/* The window ------------------------------------------------------------- */

/* Starts the command; it waits on @go until the window is open. */
static pid_t start(const struct count_opts *o, int *go)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		return -1;
	pid = fork();
	if (pid) {
		close(p[0]);
		*go = p[1];
		return pid;
	}
	close(p[1]);
	if (read(p[0], &c, 1) != 1)
		_exit(127);
	close(p[0]);
	if (o->json)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	/* The lines behind this one are not its to read. */
	if (o->windows && !freopen("/dev/null", "r", stdin))
		_exit(127);
	execvp(o->cmd[0], o->cmd);
	err_say("%s: %s", o->cmd[0], strerror(errno));
	_exit(127);
}

static void wait_end(const struct count_opts *o, pid_t pid, struct result *r)
{
	__u64 end = o->seconds ? now_ns() + (__u64)(o->seconds * 1e9) : 0;
	struct timespec ts = { .tv_nsec = 20000000 };

	while (pid > 0 && !end && waitpid(pid, &r->status, 0) < 0 && !stop)
		;
	while ((pid <= 0 || end) && !stop && (!end || now_ns() < end)) {
		if (pid > 0 && waitpid(pid, &r->status, WNOHANG) == pid)
			return;
		nanosleep(&ts, NULL);
	}
	/* Time is up, or somebody has had enough: the command goes, too. */
	if (pid > 0 && (stop || end)) {
		kill(pid, SIGTERM);
		waitpid(pid, &r->status, 0);
	}
}

static int window(const struct count_opts *o, struct counter *c, struct nl *nl,
		  struct result *r)
{
	__u64 before, after, t0;
	pid_t pid = 0;
	int go = -1, rc;

	rc = packets(o, nl, &before);
	if (rc)
		return rc;
	if (o->cmd) {
		pid = start(o, &go);
		if (pid < 0) {
			err_say("%s: %s", o->cmd[0], strerror(errno));
			return RC_FAIL;
		}
	}
	counter_arm(c, true);
	t0 = now_ns();
	if (go >= 0 && write(go, "g", 1) != 1)
		stop = 1;
	if (go >= 0)
		close(go);
	wait_end(o, pid, r);
	counter_arm(c, false);
	r->ns = now_ns() - t0;
	rc = packets(o, nl, &after);
	if (rc)
		return rc;
	/* A device or interface that went away took its counters along. */
	r->packets = after > before ? after - before : 0;
	source(o, nl, r);
	if (counter_read(c, r)) {
		err_say("count: the counters cannot be read");
		return RC_FAIL;
	}
	return RC_OK;
}

static int show(const struct count_opts *o, const struct result *r)
{
	int rc = RC_OK;

	if (o->json)
		rc = count_json(o, r);
	else
		count_text(o, r);
	fflush(stdout);
	return rc;
}

/* A window for each line there is; one that could not be opened ends it. */
static int windows(struct count_opts *o, struct counter *c, struct nl *nl,
		   struct result *r)
{
	char *line = NULL, *sh[] = { "sh", "-c", NULL, NULL };
	char iface[64];
	size_t size = 0;
	int rc = RC_OK, failed = RC_OK, at;

	o->iface[0] = iface;
	o->nifaces = 1;
	o->cmd = sh;
	while (!rc && !stop && getline(&line, &size, stdin) > 0) {
		if (sscanf(line, "%63s %n", iface, &at) < 1)
			continue;
		sh[2] = line + at;
		r->status = 0;
		rc = counter_reset(c) ? RC_FAIL : window(o, c, nl, r);
		if (!rc)
			rc = show(o, r);
		if (r->status)
			failed = RC_CMD;
	}
	free(line);
	return rc ?: failed;
}

static int check_pids(const struct count_opts *o)
{
	char comm[32];
	int i;

	for (i = 0; i < o->npids; i++) {
		if (pid_comm(o->pid[i], comm, sizeof(comm)))
			continue;
		err_say("no process %u; \"pidof qemu-system-x86_64\" finds a QEMU",
			o->pid[i]);
		return RC_FAIL;
	}
	return RC_OK;
}

/**
 * cmd_count() - trivio count
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_count(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct count_opts o = {};
	struct nl *nl = NULL;
	struct counter *c;
	struct result *r;
	int rc;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	rc = check_pids(&o);
	if (rc)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r)
		return RC_FAIL;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	c = counter_open(&o, r, &rc);
	if (!c)
		goto out;
	if (!o.nifaces && !o.windows && !access("/sys/module/trivio", F_OK))
		nl = nl_open(&rc);
	if (o.windows) {
		rc = windows(&o, c, nl, r);
		goto out;
	}
	rc = window(&o, c, nl, r);
	if (!rc)
		rc = show(&o, r);
	if (!rc && o.cmd && r->status && !(o.seconds || stop))
		rc = RC_CMD;
out:
	counter_close(c);
	nl_close(nl);
	free(r);
	return rc;
}
