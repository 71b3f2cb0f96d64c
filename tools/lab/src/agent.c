// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: PID 1 of an inner guest. It answers requests on virtio-serial ports
 * named trivio.agent.N, one child process a port, so that tests never have to read a
 * boot log. Statically linked.
 *
 * Request:  "EXEC <nonce> <length>\n" and a shell command of that length.
 * Answer:   "\n@<nonce> START\n", then frames "<type> <length>\n" and data, where the
 *           type is O (stdout), E (stderr) or X (end; the data is the exit status).
 * A client that goes away takes its command with it; what was left of its answer is
 * skipped by the next client, which looks for its own nonce.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_PREFIX	"trivio.agent."
#define MAX_PORTS	8
#define MAX_COMMAND	65536	/* more than a line of a test needs */
#define IDLE_WAIT_SEC	2	/* SIGIO wakes us earlier when a client connects */

struct request {
	char nonce[64];
	char command[MAX_COMMAND + 1];
};

static int port_open(const char *name)
{
	char path[512], buf[128];
	struct dirent *e;
	int fd = -1;
	DIR *dir;

	dir = opendir("/sys/class/virtio-ports");
	if (!dir)
		return -1;
	while (fd < 0 && (e = readdir(dir))) {
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(buf, sizeof(buf), f)) {
			buf[strcspn(buf, "\n")] = 0;
			if (!strcmp(buf, name)) {
				snprintf(path, sizeof(path), "/dev/%s", e->d_name);
				fd = open(path, O_RDWR | O_CLOEXEC);
			}
		}
		fclose(f);
	}
	closedir(dir);
	return fd;
}

/* Nobody at the other end: sleep until the port's state changes. */
static void port_idle(void)
{
	struct timespec ts = { .tv_sec = IDLE_WAIT_SEC };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigtimedwait(&set, NULL, &ts);
}

/* Read exactly len bytes; false if the client went away. */
static bool port_read(int fd, char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		len -= n;
	}
	return true;
}

static bool port_write(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		len -= n;
	}
	return true;
}

static bool frame_write(int fd, char type, const char *data, size_t len)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%c %zu\n", type, len);

	return port_write(fd, head, n) && port_write(fd, data, len);
}

static bool request_read(int fd, struct request *req)
{
	char line[128];
	size_t n = 0, len;

	do {
		if (n == sizeof(line) - 1)
			n = 0;
		if (!port_read(fd, line + n, 1))
			return false;
	} while (line[n++] != '\n');
	line[n] = 0;
	if (sscanf(line, "EXEC %63s %zu", req->nonce, &len) != 2 || len > MAX_COMMAND)
		return false;
	if (!port_read(fd, req->command, len))
		return false;
	req->command[len] = 0;
	return true;
}

static pid_t command_start(const char *command, int *out, int *err)
{
	int o[2], e[2];
	pid_t pid;

	if (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		sigset_t none;
		int null = open("/dev/null", O_RDONLY);

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(null, 0);
		dup2(o[1], 1);
		dup2(e[1], 2);
		execl("/bin/dash", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(o[1]);
	close(e[1]);
	*out = o[0];
	*err = e[0];
	return pid;
}

/* Pass on what is there; false when the pipe has ended. */
static bool pipe_forward(int pipe, int port, char type)
{
	static char buf[16384];
	ssize_t n = read(pipe, buf, sizeof(buf));

	if (n <= 0)
		return false;
	return frame_write(port, type, buf, n);
}

/*
 * A background process of the command may keep the pipes open for ever: after the
 * command's own end only what is already in them is passed on.
 */
static void pipe_drain(int pipe, int port, char type)
{
	if (pipe < 0)
		return;
	fcntl(pipe, F_SETFL, O_NONBLOCK);
	while (pipe_forward(pipe, port, type))
		;
}

static void command_serve(int port, const struct request *req)
{
	int out = -1, err = -1, pidfd, status = 0;
	char text[32];
	pid_t pid;

	snprintf(text, sizeof(text), "\n@%.20s START\n", req->nonce);
	port_write(port, text, strlen(text));
	pid = command_start(req->command, &out, &err);
	if (pid < 0) {
		frame_write(port, 'X', "126", 3);
		return;
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	for (;;) {
		struct pollfd p[] = {
			{ .fd = out, .events = POLLIN },
			{ .fd = err, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = port, .events = 0 },
		};

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			break;
		if (p[3].revents & POLLHUP) {
			kill(-pid, SIGKILL);
			break;
		}
		if (p[0].revents && !pipe_forward(out, port, 'O')) {
			close(out);
			out = -1;
		}
		if (p[1].revents && !pipe_forward(err, port, 'E')) {
			close(err);
			err = -1;
		}
		if (p[2].revents)
			break;
	}
	waitpid(pid, &status, 0);
	pipe_drain(out, port, 'O');
	pipe_drain(err, port, 'E');
	close(pidfd);
	close(out);
	close(err);
	snprintf(text, sizeof(text), "%d",
		 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	frame_write(port, 'X', text, strlen(text));
}

static void port_serve(int fd)
{
	static struct request req;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		poll(&p, 1, -1);
		/* Without a peer a read is at its end at once, and so "readable". */
		if ((p.revents & (POLLIN | POLLHUP)) == POLLIN) {
			if (request_read(fd, &req))
				command_serve(fd, &req);
		} else {
			port_idle();
		}
	}
}

int main(void)
{
	char name[64];
	int i, fd;

	for (i = 0; i < MAX_PORTS; i++) {
		snprintf(name, sizeof(name), PORT_PREFIX "%d", i);
		fd = port_open(name);
		if (fd < 0)
			continue;
		if (!fork())
			port_serve(fd);
		close(fd);
	}
	for (;;) {
		if (wait(NULL) < 0)
			sleep(3600);
	}
}
