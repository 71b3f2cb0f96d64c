// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners that exec, freeze, starve or hand their file on; workers that are
 * flushed, swapped and freed under them.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "owner.h"

TEST_F_TIMEOUT(owner, L06_owner_execs, LONG)
{
	int i, status;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		pid = fork();
		if (!pid) {
			struct vh_opts o = { 0 };
			struct vh_dev d;
			struct vh_tap t;

			/* The file lives on in a program that knows nothing. */
			if (vh_open(&d, &o) || vh_tap_open(&t, 0, 12) ||
			    vh_start(&d, t.fd))
				_exit(1);
			fcntl(d.fd, F_SETFD, 0);
			stir(&d, &t, 100);
			execl("/bin/sleep", "sleep", "0.2", NULL);
			_exit(1);
		}
		ASSERT_EQ(0, gone(pid, 2 * CLOSE_MS));
		OK(vh_both_check(&self->s.peer, &self->s.peer_tap, 20));
	}
	ASSERT_EQ(-1, waitpid(-1, &status, WNOHANG));
}

static int fd_send(int sock, int fd)
{
	char c = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return sendmsg(sock, &m, 0) == 1 ? 0 : -errno;
}

static int fd_receive(int sock)
{
	char c, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	if (recvmsg(sock, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

TEST_F_TIMEOUT(owner, L06_L25_file_is_passed_on_and_owner_dies, LONG)
{
	uint64_t f = VH_BASIC;
	int pair[2], fd, i;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		pid = fork();
		if (!pid) {
			static struct vh_dev d;
			static struct vh_tap t;

			if (vh_open(&d, NULL) || vh_tap_open(&t, 0, 12) ||
			    vh_start(&d, t.fd) || fd_send(pair[0], d.fd))
				_exit(1);
			for (;;) {
				stir(&d, &t, 100);
				usleep(100);
				reap(&d);
			}
		}
		fd = fd_receive(pair[1]);
		ASSERT_LE(0, fd);
		/* Not ours while it lives, and not ours after. */
		EXPECT_EQ(-EPERM, vh_mem_table(fd, &self->d->mem));
		EXPECT_EQ(-EPERM, vh_ioctl(fd, VHOST_RESET_OWNER, NULL));
		kill(pid, i & 1 ? SIGTERM : SIGKILL);
		ASSERT_EQ(0, gone(pid, CLOSE_MS));
		/* Its workers are dead: nothing may wait for them. */
		EXPECT_EQ(-EPERM, vh_mem_table(fd, &self->d->mem));
		EXPECT_EQ(-EBUSY, vh_ioctl(fd, VHOST_SET_OWNER, NULL));
		EXPECT_EQ(0, vh_ioctl(fd, VHOST_GET_FEATURES, &f));
		close(fd);
		close(pair[0]);
		close(pair[1]);
	}
}

TEST_F_TIMEOUT(owner, L07_owner_is_frozen, LONG)
{
	char events[128];
	struct child c;
	int i, k;

	if (group_make(NULL))
		SKIP(return, "no cgroup v2");
	group(events, sizeof(events), "cgroup.events");
	OK(child_start(&c));
	OK(group_add(c.pid));
	OK(child_go(&c));
	for (i = 0; i < 4; i++) {
		OK(group_put("cgroup.freeze", "1"));
		/* Frozen means every thread, the workers with them. */
		for (k = 0; k < 500 && get(events, "frozen ") != 1; k++)
			usleep(10000);
		EXPECT_EQ(1, get(events, "frozen "));
		OK(vh_both_check(&self->s.peer, &self->s.peer_tap, 20));
		if (i < 3)
			OK(group_put("cgroup.freeze", "0"));
		usleep(20000);
	}
	child_end(&c);
	EXPECT_EQ(0, gone(c.pid, 2 * CLOSE_MS));
	group_drop();
}

TEST_F_TIMEOUT(owner, L07_owner_runs_out_of_memory, LONG)
{
	unsigned int lines = 0;
	int status = 0, i;
	pid_t pid;

	if (group_make("memory"))
		SKIP(return, "no memory cgroups");
	OK(group_put("memory.max", "16777216"));
	pid = fork();
	if (!pid) {
		static struct vh_dev d;
		static struct vh_tap t;
		size_t i, n = 64 << 20;
		char *p;

		if (group_add(getpid()) || vh_open(&d, NULL) ||
		    vh_tap_open(&t, 0, 12) || vh_start(&d, t.fd))
			_exit(2);
		p = mmap(NULL, n, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (i = 0; i < n; i += 4096) {
			p[i] = 1;
			if (i % (1 << 20) == 0)
				stir(&d, &t, 20);
		}
		_exit(3);
	}
	for (i = 0; i < 6 * CLOSE_MS && waitpid(pid, &status, WNOHANG) == 0;
	     i += 10)
		usleep(10000);
	/* By the limit, and by nothing else. */
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		TH_LOG("status %#x", status);
	group_drop();
	/* The OOM report has a hundred lines, which are not ours. */
	EXPECT_EQ(0, vh_kmsg_scan(self->s.kmsg, &lines));
}

static int kthread_mode(int fd)
{
	uint8_t mode = VHOST_FORK_OWNER_KTHREAD;

	return vh_ioctl(fd, VHOST_SET_FORK_FROM_OWNER, &mode);
}

TEST_F_TIMEOUT(owner, L08_mm_goes_while_a_kthread_copies, LONG)
{
	int i, status, k;
	pid_t pid;

	if (dut_is_ref())
		SKIP(return, "needs VHOST_SET_FORK_FROM_OWNER");
	for (i = 0; i < 6; i++) {
		int fd = open(vh_node(), O_RDWR | O_CLOEXEC);

		ASSERT_LE(0, fd);
		pid = fork();
		if (!pid) {
			static struct vh_dev d;
			unsigned int q;
			int r;

			d = *self->d;
			d.fd = fd;
			/* A copy of the memory: it is this mm's alone. */
			d.mem.base = mmap(NULL, d.mem.size,
					  PROT_READ | PROT_WRITE, MAP_SHARED,
					  d.mem.fd, 0);
			r = kthread_mode(fd) ?:
			    vh_ioctl(fd, VHOST_SET_OWNER, NULL) ?:
			    vh_ioctl(fd, VHOST_SET_FEATURES, &d.features) ?:
			    vh_mem_table(fd, &self->d->mem);
			for (q = 0; q < 2; q++)
				r = r ?: vh_ring_setup(&d, q);
			r = r ?: vh_start(&d, self->t->fd);
			stir(&d, self->t, 200);
			usleep(i * 200);
			_exit(r ? 1 : 0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		/* Frames and kicks for rings whose mm has gone. */
		for (k = 0; k < 20; k++) {
			flood(&self->s, 5, 300);
			vh_kick(&self->d->ring[VH_RX]);
			vh_kick(&self->d->ring[VH_TX]);
			usleep(500);
		}
		close(fd);
		vh_close(self->d);
		OK(vh_open(self->d, NULL));
	}
}

struct racer {
	struct stage *s;
	volatile bool stop;
	volatile int fd;
};

static void *sender(void *arg)
{
	struct racer *r = arg;

	while (!r->stop) {
		flood(r->s, 20, 100);
		vh_kick(&r->s->d.ring[VH_RX]);
		vh_kick(&r->s->d.ring[VH_TX]);
	}
	return NULL;
}

TEST_F_TIMEOUT(owner, L09_owner_is_set_under_a_sender, LONG)
{
	struct racer r = { .s = &self->s };
	pthread_t th;
	int i;

	/* Kick eventfds and tap are hot before the workers exist. */
	ASSERT_EQ(0, pthread_create(&th, NULL, sender, &r));
	for (i = 0; i < 40; i++) {
		close(self->d->fd);
		vh_ring_rewind(&self->d->ring[0], 0);
		vh_ring_rewind(&self->d->ring[1], 0);
		OK(vh_attach(self->d, NULL));
		OK(vh_start(self->d, self->t->fd));
		if (i & 1)
			OK(vh_ioctl(self->d->fd, VHOST_RESET_OWNER, NULL));
	}
	r.stop = true;
	pthread_join(th, NULL);
	close(self->d->fd);
	vh_ring_rewind(&self->d->ring[0], 0);
	vh_ring_rewind(&self->d->ring[1], 0);
	OK(vh_attach(self->d, NULL));
	OK(restart(&self->s));
	OK(vh_both_check(self->d, self->t, 50));
}

static int worker_op(int fd, unsigned long cmd, unsigned int q,
		     unsigned int *id)
{
	struct vhost_vring_worker w = { .index = q, .worker_id = *id };
	struct vhost_worker_state s = { .worker_id = *id };
	int r;

	if (cmd == VHOST_ATTACH_VRING_WORKER)
		return vh_ioctl(fd, cmd, &w);
	r = vh_ioctl(fd, cmd, &s);
	*id = s.worker_id;
	return r;
}

static void *swapper(void *arg)
{
	struct racer *r = arg;
	unsigned int id = 0, old[2] = { 0, 1 }, q = 0;

	while (!r->stop) {
		/* A new one, the queue moves there, the old one is freed. */
		if (!worker_op(r->fd, VHOST_NEW_WORKER, 0, &id) &&
		    !worker_op(r->fd, VHOST_ATTACH_VRING_WORKER, q, &id)) {
			worker_op(r->fd, VHOST_FREE_WORKER, 0, &old[q]);
			old[q] = id;
		}
		q = !q;
	}
	return NULL;
}

TEST_F_TIMEOUT(owner, L10_flush_against_attach_and_free, LONG)
{
	struct racer r = { .s = &self->s, .fd = self->d->fd };
	uint32_t base;
	pthread_t th;
	int i;

	if (dut_is_ref())
		SKIP(return, "in-tree vhost_net has no worker ioctls");
	ASSERT_EQ(0, pthread_create(&th, NULL, swapper, &r));
	for (i = 0; i < 60; i++) {
		stir(self->d, self->t, 100);
		/* Each of these waits for what is queued. */
		OK(vh_backend(self->d, i & 1, -1));
		OK(vh_get_base(self->d, i & 1, &base));
		OK(vh_backend(self->d, i & 1, self->t->fd));
		reap(self->d);
	}
	r.stop = true;
	pthread_join(th, NULL);
	OK(restart(&self->s));
	/* No wake-up was lost on the way. */
	OK(vh_both_check(self->d, self->t, 50));
}

TEST_HARNESS_MAIN
