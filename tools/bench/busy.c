// SPDX-License-Identifier: GPL-2.0-only
/*
 * busy: how long all threads of the machine ran together, the idle one left
 * out, while a command ran or while frames went out in bursts. Under icount
 * with one CPU that is instructions, whatever slept in between. What interrupts
 * do while nothing runs is not in it.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TASKS_MAX	4096
#define BURST_MAX	256
#define SEND_TRIES	1000
#define SEND_WAIT_US	100
#define SETTLE_US	3000	/* asleep, so that the own time is accounted */

const char *argp_program_version = "busy 1";

struct task {
	int tid;
	uint64_t ns;
};

struct snap {
	unsigned int n;
	struct task task[TASKS_MAX];
};

struct args {
	const char *netif;
	const char *mac;
	unsigned int len;
	unsigned int count;
	unsigned int burst;
	unsigned int gap;
	char **cmd;
};

static void snap_process(struct snap *s, const char *pid)
{
	char path[600];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir)) && s->n < TASKS_MAX) {
		unsigned long long ns;
		FILE *f;

		if (!isdigit(e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid,
			 e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1) {
			s->task[s->n].tid = atoi(e->d_name);
			s->task[s->n++].ns = ns;
		}
		fclose(f);
	}
	closedir(dir);
}

static void snap_take(struct snap *s)
{
	struct dirent *e;
	DIR *dir;

	usleep(SETTLE_US);
	s->n = 0;
	dir = opendir("/proc");
	while (dir && (e = readdir(dir)))
		if (isdigit(e->d_name[0]))
			snap_process(s, e->d_name);
	if (dir)
		closedir(dir);
}

/* What every thread of @b ran since @a; a new one counts from its start. */
static uint64_t snap_diff(const struct snap *a, const struct snap *b)
{
	uint64_t sum = 0;
	unsigned int i, k;

	for (i = 0; i < b->n; i++) {
		for (k = 0; k < a->n && a->task[k].tid != b->task[i].tid; k++)
			;
		sum += b->task[i].ns - (k < a->n ? a->task[k].ns : 0);
	}
	return sum;
}

static int open_netif(const char *name)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(name),
	};
	int s, one = 1;

	s = socket(AF_PACKET, SOCK_RAW, 0);
	if (s < 0)
		return -1;
	setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return bind(s, (void *)&sa, sizeof(sa)) ? -1 : s;
}

/*
 * A burst of the same frame. A stopped queue starts again soon: a buffer's page
 * may have to be pinned first.
 */
static int burst_send(int s, uint8_t *f, size_t len, unsigned int n)
{
	static struct mmsghdr m[BURST_MAX];
	struct iovec v = { .iov_base = f, .iov_len = len };
	unsigned int i, tries = 0, done = 0;
	int sent;

	for (i = 0; i < n; i++) {
		m[i].msg_hdr.msg_iov = &v;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < n) {
		sent = sendmmsg(s, m, n - done, 0);
		if (sent > 0) {
			done += sent;
			continue;
		}
		if (errno != ENOBUFS || ++tries > SEND_TRIES)
			return -1;
		usleep(SEND_WAIT_US);
	}
	return 0;
}

/* A burst, a pause, the next; without an interface only the pauses. */
static int frames(const struct args *a)
{
	uint8_t f[1514] = { 0 };
	unsigned int i;
	int s = -1;

	if (a->netif) {
		s = open_netif(a->netif);
		if (s < 0)
			return -1;
		if (sscanf(a->mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", f, f + 1,
			   f + 2, f + 3, f + 4, f + 5) != 6) {
			errno = EINVAL;
			return -1;
		}
		f[6] = 2;
		f[12] = 0x88;
		f[13] = 0xb5;
	}
	for (i = 0; i < a->count; i++) {
		if (s >= 0 && burst_send(s, f, a->len, a->burst))
			return -1;
		usleep(a->gap);
	}
	if (s >= 0)
		close(s);
	return 0;
}

/* The command's own time goes with it: the kernel keeps it for the parent. */
static int command(char **cmd, uint64_t *ns)
{
	struct rusage u;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		dup2(2, 1);
		execvp(cmd[0], cmd);
		perror(cmd[0]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	getrusage(RUSAGE_CHILDREN, &u);
	*ns = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ULL +
	      (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ULL;
	errno = ECHILD;
	return status ? -1 : 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct args *a = st->input;

	switch (key) {
	case 'i':
		a->netif = arg;
		break;
	case 'm':
		a->mac = arg;
		break;
	case 'l':
		a->len = strtoul(arg, NULL, 0);
		break;
	case 'n':
		a->count = strtoul(arg, NULL, 0);
		break;
	case 'b':
		a->burst = strtoul(arg, NULL, 0);
		break;
	case 'g':
		a->gap = strtoul(arg, NULL, 0);
		break;
	case ARGP_KEY_ARGS:
		a->cmd = st->argv + st->next;
		break;
	case ARGP_KEY_END:
		if (!a->cmd && !a->count)
			argp_error(st, "a command, or -n");
		if (a->len < 14 || a->len > 1514)
			argp_error(st, "frames have 14 to 1514 bytes");
		if (!a->burst || a->burst > BURST_MAX)
			argp_error(st, "a burst has 1 to %u frames", BURST_MAX);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "interface", 'i', "IF", 0, "send frames there", 0 },
		{ "mac", 'm', "MAC", 0, "their destination (broadcast)", 0 },
		{ "len", 'l', "BYTES", 0, "of a frame (60)", 0 },
		{ "count", 'n', "N", 0, "bursts, or pauses without -i", 0 },
		{ "burst", 'b', "N", 0, "frames of a burst (1)", 0 },
		{ "gap", 'g', "US", 0, "pause after each (1000)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "[CMD...]",
		"Nanoseconds that all threads ran together meanwhile.",
		NULL, NULL, NULL
	};
	struct args a = { .mac = "ff:ff:ff:ff:ff:ff", .len = 60, .burst = 1,
			  .gap = 1000 };
	static struct snap before, after;
	uint64_t ns = 0;
	int r;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	snap_take(&before);
	r = a.cmd ? command(a.cmd, &ns) : frames(&a);
	if (r) {
		fprintf(stderr, "%s: %s: %s\n", argv[0],
			a.cmd ? a.cmd[0] : a.netif, strerror(errno));
		return 1;
	}
	snap_take(&after);
	printf("%llu\n", (unsigned long long)(ns + snap_diff(&before, &after)));
	return 0;
}
