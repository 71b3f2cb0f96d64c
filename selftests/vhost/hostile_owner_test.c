// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners that exec, freeze, starve, run out of limits or hand their file on;
 * workers that are flushed, swapped and freed under them; modules that are
 * taken away.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>

#include "hostile.h"

#define CGROUP	"/sys/fs/cgroup"

FIXTURE(owner) {
	struct stage s;
	struct vh_dev *d;
	struct vh_tap *t;
};

FIXTURE_SETUP(owner)
{
	stage_none(&self->s);
	OK(stage_open(&self->s, NULL));
	self->d = &self->s.d;
	self->t = &self->s.t;
}

FIXTURE_TEARDOWN(owner)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The line of @path that starts with @key, as a number; -1 without it. */
static long get(const char *path, const char *key)
{
	char line[256];
	long v = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			v = atol(line + strlen(key));
	if (f)
		fclose(f);
	return v;
}

static pid_t group_id;	/* children are of the same */

static void group(char *path, size_t size, const char *file)
{
	snprintf(path, size, CGROUP "/trivio-test-%d%s%s", group_id,
		 file ? "/" : "", file ?: "");
}

/* A cgroup with a controller; 0, or -errno where that does not exist. */
static int group_make(const char *controller)
{
	char path[128], on[32];

	if (access(CGROUP "/cgroup.controllers", F_OK))
		return -ENOENT;
	snprintf(on, sizeof(on), "+%s", controller ?: "");
	if (controller && put(CGROUP "/cgroup.subtree_control", on))
		return -ENOENT;
	group_id = getpid();
	group(path, sizeof(path), NULL);
	return mkdir(path, 0755) ? -errno : 0;
}

static void group_drop(void)
{
	char path[128];
	int i;

	group(path, sizeof(path), NULL);
	for (i = 0; i < 200 && rmdir(path) && errno == EBUSY; i++)
		usleep(10000);
}

static int group_put(const char *file, const char *text)
{
	char path[128];

	group(path, sizeof(path), file);
	return put(path, text);
}

static int group_add(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return group_put("cgroup.procs", text);
}

/*
 * A process with a device of its own, busy for ever. It waits for a byte on
 * @go before it starts, and writes one to @ready when it runs.
 */
struct child {
	pid_t pid;
	int go;
	int ready;
};

static void child_main(int go, int ready)
{
	static struct vh_dev d;
	static struct vh_tap t;
	char c;

	if (read(go, &c, 1) != 1 || vh_open(&d, NULL) ||
	    vh_tap_open(&t, 0, 12) || vh_start(&d, t.fd) ||
	    write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		stir(&d, &t, 100);
		usleep(100);
		reap(&d);
	}
}

static int child_start(struct child *c)
{
	int go[2], ready[2];

	if (pipe(go) || pipe(ready))
		return -errno;
	c->pid = fork();
	if (!c->pid)
		child_main(go[0], ready[1]);
	close(go[0]);
	close(ready[1]);
	c->go = go[1];
	c->ready = ready[0];
	return c->pid < 0 ? -errno : 0;
}

static int child_go(struct child *c)
{
	char b = 0;

	if (write(c->go, &b, 1) != 1 || read(c->ready, &b, 1) != 1)
		return vh_fail(-EPIPE, "the child did not start");
	return 0;
}

static void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	close(c->go);
	close(c->ready);
}

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

TEST_F_TIMEOUT(owner, E07_workers_are_in_the_owners_cgroup, LONG)
{
	char mine[256] = "", theirs[256], path[64];
	pid_t tids[16];
	unsigned int i, n;
	FILE *f;

	if (dut_is_ref())
		SKIP(return, "one worker");
	if (group_make(NULL))
		SKIP(return, "no cgroup v2");
	vh_close(self->d);
	OK(group_add(getpid()));
	OK(vh_open(self->d, NULL));
	f = fopen("/proc/self/cgroup", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(mine, sizeof(mine), f));
	fclose(f);
	n = vh_workers(self->d, tids, 16);
	ASSERT_LE(2, n);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/cgroup",
			 tids[i]);
		f = fopen(path, "r");
		ASSERT_NE(NULL, f);
		ASSERT_NE(NULL, fgets(theirs, sizeof(theirs), f));
		fclose(f);
		EXPECT_STREQ(mine, theirs);
	}
	OK(put(CGROUP "/cgroup.procs", "0"));
	group_drop();
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

/* ---- limits ---- */

static void drop_ipc_lock(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct c[2];

	syscall(SYS_capget, &h, c);
	c[CAP_IPC_LOCK / 32].effective &= ~(1U << CAP_IPC_LOCK % 32);
	syscall(SYS_capset, &h, c);
}

TEST_F_TIMEOUT(owner, E01_ring_pins_and_the_memlock_limit, LONG)
{
	struct rlimit none = { 4096, 4096 }, much;
	int i, status;
	long pins;
	pid_t pid;

	if (dut_is_ref())
		SKIP(return, "in-tree vhost_net pins nothing");
	/* Exact: up with the bind, and down to where it was. */
	OK(vh_stop(self->d));
	pins = get("/proc/self/status", "VmPin:");
	for (i = 0; i < 5; i++) {
		OK(vh_start(self->d, self->t->fd));
		OK(vh_both_check(self->d, self->t, 10));
		EXPECT_LT(pins, get("/proc/self/status", "VmPin:"));
		OK(vh_stop(self->d));
		EXPECT_EQ(pins, get("/proc/self/status", "VmPin:"));
	}
	/* Beyond the limit: -ENOMEM or no service, and nothing is left. */
	pid = fork();
	if (!pid) {
		struct vh_dev d;
		struct vh_tap t;
		long p;
		int r;

		drop_ipc_lock();
		getrlimit(RLIMIT_MEMLOCK, &much);
		if (vh_open(&d, NULL) || vh_tap_open(&t, 0, 12))
			_exit(10);
		setrlimit(RLIMIT_MEMLOCK, &none);
		p = get("/proc/self/status", "VmPin:");
		r = vh_start(&d, t.fd);
		if (r != -ENOMEM)
			_exit(11);
		if (get("/proc/self/status", "VmPin:") != p)
			_exit(12);
		vh_close(&d);
		_exit(get("/proc/self/status", "VmPin:") != p ? 13 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	OK(vh_start(self->d, self->t->fd));
}

TEST_F_TIMEOUT(owner, E03_no_file_descriptors_left, LONG)
{
	struct rlimit l, few;
	int fds[64], n = 0, i;

	getrlimit(RLIMIT_NOFILE, &l);
	few = l;
	few.rlim_cur = open_fds() + 8;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n < 64) {
		fds[n] = open(vh_node(), O_RDWR | O_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
	}
	EXPECT_EQ(EMFILE, errno);
	/* Owner threads need no descriptors: it works to the end. */
	EXPECT_EQ(0, vh_ioctl(fds[0], VHOST_SET_OWNER, NULL));
	for (i = 0; i < n; i++)
		close(fds[i]);
	setrlimit(RLIMIT_NOFILE, &l);
	OK(vh_both_check(self->d, self->t, 20));
}

TEST_F_TIMEOUT(owner, E03_no_threads_left, LONG)
{
	struct rlimit few = { 1, 1 };
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		int fd = open(vh_node(), O_RDWR), r;

		/* Root is not held to it, nobody else has the device. */
		setrlimit(RLIMIT_NPROC, &few);
		if (setuid(65534))
			_exit(10);
		r = vh_ioctl(fd, VHOST_SET_OWNER, NULL);
		if (r != -EAGAIN)
			_exit(11);
		/* Nothing is half done: still no owner. */
		if (vh_ioctl(fd, VHOST_RESET_OWNER, NULL) != -EPERM)
			_exit(12);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F_TIMEOUT(owner, E09_memory_cgroup_is_charged_and_obeyed, LONG)
{
	int fds[400], n, status;
	char stat[128];
	long before, most = 0;
	pid_t pid;

	if (group_make("memory"))
		SKIP(return, "no memory cgroups");
	group(stat, sizeof(stat), "memory.stat");
	OK(group_put("memory.max", "33554432"));
	pid = fork();
	if (!pid) {
		if (group_add(getpid()))
			_exit(10);
		before = get(stat, "kernel ");
		for (n = 0; n < 400; n++) {
			fds[n] = open(vh_node(), O_RDWR);
			if (fds[n] < 0)
				break;
			if (vh_ioctl(fds[n], VHOST_SET_OWNER, NULL) == 0)
				most = get(stat, "kernel ") - before;
		}
		/* Stopped by the limit, one way or the other, or all fit. */
		_exit(most > 100 * 4096 ? 0 : 11);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0)
		TH_LOG("status %#x", status);
	group_drop();
	OK(vh_both_check(self->d, self->t, 20));
}

TEST_F_TIMEOUT(owner, I25_numbers_that_size_allocations, LONG)
{
	struct vhost_vring_state s = { .index = 0 };
	struct vhost_memory m = { .nregions = 0 };
	static const uint32_t nums[] = { 0, 0x10000, 0x7fffffff, 0xffffffff };
	static const uint32_t regs[] = { 65, 0xffff, 0x10000, 0x0fffffff,
					 0x7fffffff, 0xffffffff };
	unsigned int i;
	long slab = get("/proc/meminfo", "Slab:");

	OK(vh_stop(self->d));
	for (i = 0; i < 4; i++) {
		s.num = nums[i];
		EXPECT_EQ(-EINVAL, vh_ioctl(self->d->fd, VHOST_SET_VRING_NUM,
					    &s));
	}
	/* The table's head alone is in memory: it is refused for its number. */
	for (i = 0; i < 6; i++) {
		m.nregions = regs[i];
		EXPECT_EQ(-E2BIG, vh_ioctl(self->d->fd, VHOST_SET_MEM_TABLE,
					   &m));
	}
	EXPECT_GT(16 << 10, get("/proc/meminfo", "Slab:") - slab);
	OK(vh_start(self->d, self->t->fd));
	OK(vh_both_check(self->d, self->t, 20));
}

/* ---- a page that never comes ---- */

static int uffd_hold(void *p, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		close(fd);
		return -errno;
	}
	return fd;
}

TEST_F_TIMEOUT(owner, R31_page_that_never_comes, LONG)
{
	pid_t pid;
	int p[2];
	char b;

	ASSERT_EQ(0, pipe(p));
	pid = fork();
	if (!pid) {
		static struct vh_dev d;
		static struct vh_tap t;
		struct raw bad = { 0, 4000, 0, 0 };
		uint8_t *hold;
		int r;

		r = vh_open(&d, NULL) ?: vh_tap_open(&t, 0, 12);
		if (r)
			_exit(1);
		hold = vh_alloc(&d.mem, 8192, 4096);
		/* Never touched, and nobody answers for it. */
		r = uffd_hold(hold, 8192);
		if (r < 0)
			r = r == -EPERM ? 4 : 1;
		else
			r = vh_start(&d, t.fd) ? 1 : 0;
		bad.addr = vh_gpa(&d.mem, hold);
		if (!r)
			raw_post(&d.ring[VH_TX], &bad, 1, 0);
		b = r;
		if (write(p[1], &b, 1) != 1 || r)
			_exit(r);
		/* This close would wait for the page; the kill must not. */
		usleep(100000);
		vh_stop(&d);
		_exit(0);
	}
	ASSERT_EQ(1, read(p[0], &b, 1));
	usleep(300000);
	OK(vh_both_check(&self->s.peer, &self->s.peer_tap, 50));
	kill(pid, SIGKILL);
	EXPECT_EQ(0, gone(pid, 2 * CLOSE_MS));
	EXPECT_EQ(0, b) TH_LOG("the child could not set up: %d", b);
}

/* ---- the module ---- */

static int rmmod(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static int insmod(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return r;
}

static void *open_close(void *arg)
{
	volatile bool *stop = arg;
	int fd;

	while (!*stop) {
		fd = open("/dev/trivio-vhost-net", O_RDWR);
		if (fd >= 0) {
			ioctl(fd, VHOST_SET_OWNER, NULL);
			close(fd);
		}
		/* a gap for the removal to fall into, long and short */
		usleep(300 + random() % 5000);
	}
	return NULL;
}

FIXTURE(module) {
	int none;
};

FIXTURE_SETUP(module)
{
}

FIXTURE_TEARDOWN(module)
{
}

TEST_F_TIMEOUT(module, L15_in_use_and_in_motion, LONG)
{
	const char *ko = "../../drivers/vhost/trivio_vhost.ko";
	volatile bool stop = false;
	int fd, i, out = 0;
	pthread_t th;

	if (dut_is_ref() || access(ko, R_OK))
		SKIP(return, "no %s", ko);
	fd = open(vh_node(), O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, rmmod("trivio_vhost"));
	OK(vh_ioctl(fd, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(-EAGAIN, rmmod("trivio_vhost"));
	EXPECT_NE(0, rmmod("trivio"));
	close(fd);
	/* Out and in while another thread opens and closes. */
	ASSERT_EQ(0, pthread_create(&th, NULL, open_close, (void *)&stop));
	for (i = 0; i < 4000 && out < 15; i++) {
		if (rmmod("trivio_vhost")) {
			usleep(1000);
			continue;
		}
		out++;
		ASSERT_EQ(0, insmod(ko));
	}
	stop = true;
	pthread_join(th, NULL);
	EXPECT_LT(0, out);
	for (i = 0; i < 500 && rmmod("trivio_vhost"); i++)
		usleep(10000);
	EXPECT_GT(500, i);
	EXPECT_EQ(0, insmod(ko));
}

TEST_HARNESS_MAIN
