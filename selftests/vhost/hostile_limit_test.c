// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of an owner's: pinned memory, files, threads, cgroups, sizes; a page that
 * never comes; modules that are taken away.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include "../lib/uffd.h"
#include "owner.h"

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

/* A kernel thread pins for its owner: the owner's limit, as it was then, holds. */
TEST_F_TIMEOUT(owner, E01_memlock_limit_of_a_kthread, LONG)
{
	struct vh_opts o = { .kthread = true };
	int status;
	pid_t pid;

	if (dut_is_ref())
		SKIP(return, "needs VHOST_SET_FORK_FROM_OWNER");
	pid = fork();
	if (!pid) {
		struct rlimit l;
		struct vh_dev d;
		struct vh_tap t;

		drop_ipc_lock();
		getrlimit(RLIMIT_MEMLOCK, &l);
		l.rlim_cur = 4096;
		if (setrlimit(RLIMIT_MEMLOCK, &l) || vh_open(&d, &o) ||
		    vh_tap_open(&t, 0, 12))
			_exit(10);
		/* The bind pins from here, where there is room by now. */
		l.rlim_cur = l.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &l) || vh_start(&d, t.fd))
			_exit(11);
		/* The same place again: now it is the thread that maps it. */
		if (vh_ring_addr(&d, VH_RX, false))
			_exit(12);
		_exit(vh_wait_fd(d.ring[VH_RX].err, 5000) ? 0 : 13);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
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
	/* The kernel's report of whom it killed for that limit. */
	if (WIFSIGNALED(status))
		self->s.others = 100;
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

/* The process whose page it is; says on @report how far it came. */
static void child_holds(bool kthread, int report)
{
	static struct vh_dev d;
	static struct vh_tap t;
	struct vh_opts o = { .kthread = kthread };
	struct raw bad = { 0, 4000, 0, 0 };
	uint8_t *hold;
	char b;
	int r;

	r = vh_open(&d, &o) ?: vh_tap_open(&t, 0, 12);
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
	if (write(report, &b, 1) != 1 || r)
		_exit(r);
	/* This stop would wait for the page; the kill must not. */
	usleep(100000);
	if (!kthread)
		vh_stop(&d);
	for (;;)
		pause();
}

static void page_never_comes(struct __test_metadata *_metadata,
			     struct stage *s, bool kthread)
{
	pid_t pid;
	int p[2];
	char b;

	ASSERT_EQ(0, pipe(p));
	pid = fork();
	if (!pid)
		child_holds(kthread, p[1]);
	ASSERT_EQ(1, read(p[0], &b, 1));
	usleep(300000);
	OK(vh_both_check(&s->peer, &s->peer_tap, 50));
	kill(pid, SIGKILL);
	EXPECT_EQ(0, gone(pid, 2 * CLOSE_MS));
	EXPECT_EQ(0, b) TH_LOG("the child could not set up: %d", b);
}

TEST_F_TIMEOUT(owner, R31_page_that_never_comes, LONG)
{
	page_never_comes(_metadata, &self->s, false);
}

/* The thread is no part of the owner: closing must end what it waits for. */
TEST_F_TIMEOUT(owner, R31_page_that_never_comes_kthread, LONG)
{
	if (dut_is_ref())
		SKIP(return, "needs VHOST_SET_FORK_FROM_OWNER");
	page_never_comes(_metadata, &self->s, true);
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
