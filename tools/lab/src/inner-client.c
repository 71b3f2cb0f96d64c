// SPDX-License-Identifier: GPL-2.0-only
/*
 * The laboratory's end of an inner guest: runs a command through the guest's agent
 * (agent.c has the protocol), or sends a QMP command to its QEMU.
 *
 *   inner-client exec DIR SECONDS COMMAND     exit status is the command's
 *   inner-client qmp SOCKET SECONDS JSON      prints the answer; 1 if it is an error
 *
 * DIR holds the sockets agent.N; QEMU takes one client a socket, so each is taken
 * under a lock, agent.N.lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS	8
#define EX_TIMEOUT	124
#define EX_BROKEN	125

struct stream {
	int fd;
	double deadline;
	char buf[65536];
	size_t pos, len;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int sock_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void stream_fill(struct stream *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	double left = s->deadline - now();
	ssize_t n;

	if (left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) == 0) {
		fprintf(stderr, "inner: no answer in time\n");
		exit(EX_TIMEOUT);
	}
	n = read(s->fd, s->buf, sizeof(s->buf));
	if (n <= 0) {
		fprintf(stderr, "inner: the guest's QEMU closed the connection\n");
		exit(EX_BROKEN);
	}
	s->pos = 0;
	s->len = n;
}

static char stream_char(struct stream *s)
{
	if (s->pos == s->len)
		stream_fill(s);
	return s->buf[s->pos++];
}

static void stream_copy(struct stream *s, size_t len, FILE *to)
{
	while (len) {
		size_t n;

		if (s->pos == s->len)
			stream_fill(s);
		n = s->len - s->pos < len ? s->len - s->pos : len;
		fwrite(s->buf + s->pos, 1, n, to);
		s->pos += n;
		len -= n;
	}
	fflush(to);
}

static size_t stream_line(struct stream *s, char *line, size_t size)
{
	size_t n = 0;
	char c;

	while ((c = stream_char(s)) != '\n') {
		if (n < size - 1)
			line[n++] = c;
	}
	line[n] = 0;
	return n;
}

static void send_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0) {
			fprintf(stderr, "inner: cannot write to the guest\n");
			exit(EX_BROKEN);
		}
		buf += n;
		len -= n;
	}
}

/* Take the first free agent port, or wait for the first of them. */
static int agent_connect(const char *dir)
{
	char path[256];
	int i, fd, lock, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < MAX_PORTS; i++) {
			snprintf(path, sizeof(path), "%s/agent.%d", dir, i);
			if (access(path, F_OK))
				break;
			snprintf(path, sizeof(path), "%s/agent.%d.lock", dir, i);
			lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
			if (lock < 0 || flock(lock, LOCK_EX | (pass ? 0 : LOCK_NB))) {
				close(lock);
				continue;
			}
			snprintf(path, sizeof(path), "%s/agent.%d", dir, i);
			fd = sock_connect(path);
			if (fd >= 0)
				return fd;
			close(lock);
		}
	}
	return -1;
}

static int agent_exec(struct stream *s, const char *command)
{
	char nonce[17], head[64], line[256], start[64], type;
	unsigned char rnd[8];
	size_t len, i;
	char *req;

	if (getrandom(rnd, sizeof(rnd), 0) != sizeof(rnd))
		return EX_BROKEN;
	for (i = 0; i < sizeof(rnd); i++)
		sprintf(nonce + 2 * i, "%02x", rnd[i]);
	snprintf(head, sizeof(head), "EXEC %s %zu\n", nonce, strlen(command));
	if (asprintf(&req, "%s%s", head, command) < 0)
		return EX_BROKEN;
	send_all(s->fd, req, strlen(req));
	free(req);

	snprintf(start, sizeof(start), "@%s START", nonce);
	do {
		stream_line(s, line, sizeof(line));
	} while (strcmp(line, start));
	for (;;) {
		stream_line(s, line, sizeof(line));
		if (sscanf(line, "%c %zu", &type, &len) != 2)
			return EX_BROKEN;
		if (type == 'X')
			break;
		stream_copy(s, len, type == 'E' ? stderr : stdout);
	}
	for (i = 0; i < len && i < sizeof(line) - 1; i++)
		line[i] = stream_char(s);
	line[i] = 0;
	return atoi(line);
}

/* The answer to a command is the first line that is neither greeting nor event. */
static bool qmp_answer(struct stream *s, char *line, size_t size)
{
	for (;;) {
		stream_line(s, line, size);
		if (!strncmp(line, "{\"return\"", 9))
			return true;
		if (!strncmp(line, "{\"error\"", 8))
			return false;
	}
}

static int qmp_run(struct stream *s, const char *json)
{
	static const char caps[] = "{\"execute\":\"qmp_capabilities\"}\n";
	static char line[1 << 20];
	bool ok;

	send_all(s->fd, caps, sizeof(caps) - 1);
	if (!qmp_answer(s, line, sizeof(line)))
		return EX_BROKEN;
	send_all(s->fd, json, strlen(json));
	send_all(s->fd, "\n", 1);
	ok = qmp_answer(s, line, sizeof(line));
	line[strcspn(line, "\r")] = 0;
	puts(line);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct stream s;
	bool exec;

	if (argc != 5 || (strcmp(argv[1], "exec") && strcmp(argv[1], "qmp"))) {
		fprintf(stderr, "usage: inner-client exec DIR SECONDS COMMAND\n"
				"       inner-client qmp SOCKET SECONDS JSON\n");
		return EX_BROKEN;
	}
	exec = !strcmp(argv[1], "exec");
	s.deadline = now() + atof(argv[3]);
	s.fd = exec ? agent_connect(argv[2]) : sock_connect(argv[2]);
	if (s.fd < 0) {
		fprintf(stderr, "inner: no connection to %s: %s\n", argv[2], strerror(errno));
		return EX_BROKEN;
	}
	return exec ? agent_exec(&s, argv[4]) : qmp_run(&s, argv[4]);
}
