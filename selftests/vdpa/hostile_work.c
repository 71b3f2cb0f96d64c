// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work that takes long, and who waits for it: requests that a reset overtakes, a
 * page that never comes, calls that come late, memory that is not to be had. Makes
 * its own device, so it needs root, iproute2's vdpa and the modules.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/files.h"
#include "../lib/harness.h"
#include "../lib/uffd.h"

#include "client.h"
#include "vnl.h"

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	300

#define DEV	"twork0"
#define PROFILE	VDPA_PROFILES DEV
#define FAULT	PROFILE "/faults/"
#define BACKING	"/tmp/" DEV ".img"
#define SLAB	"/sys/kernel/debug/failslab/"

/*
 * A large request of the client: most of its memory, some times over, 3.5 MiB. Its pages
 * need not lie side by side, and a chain has 1024 pieces at most.
 */
#define PART	(896 << 10)
#define PARTS	4
#define BIG	(PART * PARTS)
#define BIGS	10	/* with descriptors of their own */

static int sh(const char *cmd)
{
	return system(cmd);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

FIXTURE(work)
{
	struct client c;
	char node[64];
};

FIXTURE_SETUP(work)
{
	ASSERT_EQ(0, vdev_profile(DEV));
	ASSERT_EQ(0, put(PROFILE "/capacity", "64M"));
	self->c.fd = -1;
	self->c.kick = -1;
	self->c.call = -1;
}

FIXTURE_TEARDOWN(work)
{
	client_close(&self->c);
	EXPECT_EQ(0, vdev_del(DEV, 60));
	EXPECT_EQ(0, vdev_profile_end(DEV));
	unlink(BACKING);
}

#define ADD()								\
do {									\
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };		\
									\
	setrlimit(RLIMIT_MEMLOCK, &lim);				\
	ASSERT_EQ(0, vdev_add(DEV, "trivio_blk", NULL));		\
	ASSERT_EQ(0, vdev_bind(DEV, self->node, sizeof(self->node)));	\
} while (0)

#define OPEN()								\
do {									\
	ADD();								\
	ASSERT_EQ(0, client_open(&self->c, self->node));		\
	ASSERT_EQ(0, client_start(&self->c));				\
} while (0)

static uint8_t *status_of(struct client *c, unsigned int slot)
{
	return c->mem + OFF_DATA + 0x800 + slot;
}

/* A request in a slot of its own: up to 20 of them, or BIGS with PARTS parts. */
static void post(struct client *c, unsigned int slot, uint32_t type,
		 uint64_t sector, int len, int parts)
{
	struct virtio_blk_outhdr *hdr = (void *)(c->mem + OFF_DATA + 32 * slot);
	bool in = type == VIRTIO_BLK_T_IN;
	size_t off[PARTS + 2];
	int n[PARTS + 2], i;

	hdr->type = type;
	hdr->ioprio = 0;
	hdr->sector = sector;
	*status_of(c, slot) = 0xee;
	off[0] = (uint8_t *)hdr - c->mem;
	n[0] = sizeof(*hdr);
	for (i = 1; i <= parts; i++) {
		off[i] = OFF_DATA + 0x1000;
		n[i] = in ? -len : len;
	}
	off[i] = status_of(c, slot) - c->mem;
	n[i] = -1;
	client_put(c, slot * (parts + 2), off, n, parts + 2);
}

/* Used entries, after at most @ms, or as soon as there are @n. */
static int used(struct client *c, int n, int ms)
{
	long end = now_ms() + ms;

	while (client_wait(c, 20) < n && now_ms() < end)
		;
	return client_wait(c, 0);
}

static void holder(const char *node, bool resets, int report)
{
	struct client c;
	char ok;

	ok = !client_open(&c, node) &&
	     uffd_hold(c.mem + OFF_DATA + 0x10000, 0x10000) >= 0 &&
	     !client_start(&c);
	if (ok) {
		size_t off[] = { OFF_DATA, OFF_DATA + 0x10000, OFF_DATA + 64 };
		int len[] = { 16, -4096, -1 };

		memset(c.mem + OFF_DATA, 0, 16);
		client_put(&c, 0, off, len, 3);
		client_kick(&c);
		/* It must not have come back: else nothing was tested. */
		ok = client_wait(&c, 500) == 0;
	}
	if (write(report, &ok, 1) != 1)
		_exit(1);
	if (resets)
		client_set_status(&c, 0);
	for (;;)
		pause();
}

static bool ends(pid_t pid, int ms)
{
	long end = now_ms() + ms;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ms() > end)
			return false;
		usleep(10000);
	}
	return true;
}

TEST_F_TIMEOUT(work, R31_page_that_never_comes, LONG)
{
	int i, report[2];
	pid_t pid;
	char ok;

	ASSERT_EQ(0, put(PROFILE "/use_va", "1"));
	ADD();
	/* With its owner at rest, and with one that waits in a reset. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pipe(report));
		pid = fork();
		if (!pid)
			holder(self->node, i, report[1]);
		ASSERT_EQ(1, read(report[0], &ok, 1));
		EXPECT_TRUE(ok);
		usleep(300000);
		kill(pid, SIGKILL);
		ASSERT_TRUE(ends(pid, 20000));
		close(report[0]);
		close(report[1]);
	}
	ASSERT_EQ(0, client_open(&self->c, self->node));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 4096, NULL));
}

TEST_F_TIMEOUT(work, L26_reset_does_not_wait_for_requests, LONG)
{
	long begin;
	int i;

	OPEN();
	ASSERT_EQ(0, put(FAULT "io_delay/value", "9000"));
	ASSERT_EQ(0, put(FAULT "io_delay/every", "1"));
	for (i = 0; i < 20; i++)
		post(&self->c, i, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(&self->c);
	EXPECT_EQ(0, used(&self->c, 1, 500));
	begin = now_ms();
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	EXPECT_GT(5000, now_ms() - begin);
	/* Ended, not forgotten: each has its answer. */
	EXPECT_EQ(20, client_wait(&self->c, 0));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, *status_of(&self->c, i));
	ASSERT_EQ(0, put(FAULT "io_delay/every", "0"));
	/* The device has forgotten its map; vhost_vdpa has not. */
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 4096, NULL));
}

static int base_of(struct client *c)
{
	struct vhost_vring_state s = { 0 };

	return ioctl(c->fd, VHOST_GET_VRING_BASE, &s) ? -errno : (int)s.num;
}

/* Where the ring is and how far it is, as who brings a stopped device back says it. */
static int place(struct client *c, unsigned int base)
{
	struct vhost_vring_state pos = { .num = base };
	struct vhost_vring_addr addr = {
		.desc_user_addr = client_iova(OFF_DESC),
		.avail_user_addr = client_iova(OFF_AVAIL),
		.used_user_addr = client_iova(OFF_USED),
	};

	if (ioctl(c->fd, VHOST_SET_VRING_ADDR, &addr) ||
	    ioctl(c->fd, VHOST_SET_VRING_BASE, &pos))
		return -errno;
	return 0;
}

/* 20 requests that take a while. */
static int under_way(struct client *c, const char *ms)
{
	int i;

	if (put(FAULT "io_delay/value", ms) || put(FAULT "io_delay/every", "1"))
		return -1;
	for (i = 0; i < 20; i++)
		post(c, i, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(c);
	return used(c, 1, 300);
}

/* All 20 are done, and of one more nothing is taken: the position stays. */
static bool rests(struct client *c)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (*status_of(c, i))
			return false;
	}
	if (put(FAULT "io_delay/every", "0"))
		return false;
	post(c, 20, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(c);
	return used(c, 21, 300) == 20 && base_of(c) == 20;
}

/* All that was taken is done when SUSPEND returns, and nothing is taken then. */
TEST_F_TIMEOUT(work, suspend_waits_for_requests, LONG)
{
	long begin;
	int i;

	OPEN();
	begin = now_ms();
	ASSERT_EQ(0, under_way(&self->c, "3000"));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	EXPECT_EQ(20, client_wait(&self->c, 0));
	EXPECT_LE(2900, now_ms() - begin);
	EXPECT_TRUE(rests(&self->c));
	ASSERT_EQ(0, place(&self->c, 20));
	EXPECT_EQ(20, used(&self->c, 21, 300));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_RESUME));
	EXPECT_EQ(21, used(&self->c, 21, 5000));
	EXPECT_EQ(0, *status_of(&self->c, 20));
	self->c.used = 21;
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 4096, NULL));
	EXPECT_EQ(S_OK, client_status(&self->c));
}

/* A queue whose position is read stops, so that what was read stays true. */
TEST_F_TIMEOUT(work, base_of_a_queue_that_runs, LONG)
{
	struct vhost_vring_state on = { .num = 1 };

	OPEN();
	ASSERT_EQ(0, under_way(&self->c, "3000"));
	EXPECT_EQ(20, base_of(&self->c));
	EXPECT_EQ(20, client_wait(&self->c, 0));
	EXPECT_TRUE(rests(&self->c));
	/* Until it is enabled again; it knows where it was. */
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_VRING_ENABLE, &on));
	EXPECT_EQ(21, used(&self->c, 21, 5000));
	EXPECT_EQ(0, *status_of(&self->c, 20));
}

/* 20 requests: pairs that changed places, and how long the first and each half took. */
struct spread {
	int inversions;
	int early;
	long first;
	long last;
};

static int spread(struct client *c, struct spread *s, long half)
{
	struct vring_used *u = client_used(c);
	long begin = now_ms();
	int i, k, n = 0, got;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 20; i++)
		post(c, i, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(c);
	while (n < 20) {
		got = client_wait(c, 5);
		if (got > n && !n)
			s->first = now_ms() - begin;
		n = got;
		s->last = now_ms() - begin;
		if (s->last <= half)
			s->early = n;
		if (s->last > 30000)
			return -ETIMEDOUT;
	}
	for (i = 0; i < 20; i++)
		for (k = 0; k < i; k++)
			s->inversions += u->ring[(c->used + k) % CLIENT_NUM].id >
					 u->ring[(c->used + i) % CLIENT_NUM].id;
	c->used += 20;
	for (i = 0; i < 20; i++)
		if (*status_of(c, i))
			return -EIO;
	return 0;
}

/* By the seed, which nobody sets here, the numbers are the same each time. */
TEST_F_TIMEOUT(work, jitter_spreads_requests, LONG)
{
	struct spread s;

	ASSERT_EQ(0, put(PROFILE "/io_jitter", "2000000"));
	EXPECT_NE(0, put(PROFILE "/io_jitter", "10000001"));
	OPEN();
	ASSERT_EQ(0, spread(&self->c, &s, 1000));
	TH_LOG("%d inversions, %d of 20 in the first half, %ld to %ld ms",
	       s.inversions, s.early, s.first, s.last);
	EXPECT_LT(40, s.inversions);
	EXPECT_GT(150, s.inversions);
	EXPECT_LE(5, s.early);
	EXPECT_GE(15, s.early);
	EXPECT_GT(700, s.first);
	EXPECT_LT(1300, s.last);
	EXPECT_GT(4000, s.last);

	/* On top of a delay, and while the device runs. */
	ASSERT_EQ(0, put(FAULT "io_delay/value", "1000"));
	ASSERT_EQ(0, put(FAULT "io_delay/every", "1"));
	ASSERT_EQ(0, put(PROFILE "/io_jitter", "1000000"));
	ASSERT_EQ(0, spread(&self->c, &s, 1500));
	EXPECT_LE(1000, s.first);
	EXPECT_GT(1500, s.first);
	EXPECT_LT(1600, s.last);
	EXPECT_LT(40, s.inversions);

	ASSERT_EQ(0, put(FAULT "io_delay/every", "0"));
	ASSERT_EQ(0, put(PROFILE "/io_jitter", "0"));
	ASSERT_EQ(0, spread(&self->c, &s, 500));
	EXPECT_EQ(0, s.inversions);
	EXPECT_EQ(20, s.early);
}

/*
 * 105 MiB, each request as long as the others and all at a time: 64 MiB are under way
 * at most, and one request more, so they take two times as long.
 */
TEST_F_TIMEOUT(work, E07_work_under_way_is_bounded, LONG)
{
	long begin;
	int i;

	ASSERT_EQ(0, put(PROFILE "/backing", "null"));
	OPEN();
	ASSERT_EQ(0, put(FAULT "io_delay/value", "6000"));
	ASSERT_EQ(0, put(FAULT "io_delay/every", "1"));
	for (i = 0; i < BIGS; i++)
		post(&self->c, i, VIRTIO_BLK_T_OUT, 0, PART, PARTS);
	/* The same again and again. */
	for (; i < 30; i++) {
		struct vring_avail *a = client_avail(&self->c);

		a->ring[self->c.avail++ % CLIENT_NUM] = i % BIGS * (PARTS + 2);
		__atomic_store_n(&a->idx, self->c.avail, __ATOMIC_RELEASE);
	}
	begin = now_ms();
	client_kick(&self->c);
	EXPECT_EQ(30, used(&self->c, 30, 60000));
	EXPECT_LE(11900, now_ms() - begin);
	for (i = 0; i < BIGS; i++)
		EXPECT_EQ(0, *status_of(&self->c, i));
}

/* Larger than one turn of service: served elsewhere, and served right. */
TEST_F_TIMEOUT(work, large_requests, LONG)
{
	uint8_t *data, bad = 0;
	int i;

	OPEN();
	data = self->c.mem + OFF_DATA + 0x1000;
	for (i = 0; i < PART; i++)
		data[i] = i * 11 + (i >> 12);
	post(&self->c, 0, VIRTIO_BLK_T_OUT, 8, PART, PARTS);
	client_kick(&self->c);
	ASSERT_EQ(1, used(&self->c, 1, 20000));
	ASSERT_EQ(0, *status_of(&self->c, 0));
	memset(data, 0, PART);
	post(&self->c, 1, VIRTIO_BLK_T_IN, 8 + (BIG - PART) / 512, PART, 1);
	client_kick(&self->c);
	ASSERT_EQ(2, used(&self->c, 2, 20000));
	ASSERT_EQ(0, *status_of(&self->c, 1));
	for (i = 0; i < PART; i++)
		bad |= data[i] ^ (uint8_t)(i * 11 + (i >> 12));
	EXPECT_EQ(0, bad);
}

TEST_F_TIMEOUT(work, late_call_does_not_come_after_a_reset, LONG)
{
	uint64_t n;

	OPEN();
	ASSERT_EQ(0, put(FAULT "late_call/value", "1500"));
	ASSERT_EQ(0, put(FAULT "late_call/every", "1"));
	post(&self->c, 0, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(&self->c);
	EXPECT_EQ(1, used(&self->c, 1, 1000));
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	EXPECT_EQ(-1, read(self->c.call, &n, sizeof(n)));
	usleep(2500000);
	EXPECT_EQ(-1, read(self->c.call, &n, sizeof(n)));
}

TEST_F_TIMEOUT(work, values_of_faults_have_limits, LONG)
{
	OPEN();
	EXPECT_NE(0, put(FAULT "io_delay/value", "10001"));
	EXPECT_NE(0, put(FAULT "late_call/value", "10001"));
	EXPECT_NE(0, put(FAULT "config/value", "10001"));
	EXPECT_NE(0, put(FAULT "power_loss/value", "101"));
	EXPECT_EQ(0, put(FAULT "used_len/value", "4294967295"));
}

/* A stop that was put off is of the driver before the reset, not of this one. */
TEST_F_TIMEOUT(work, stop_does_not_outlive_a_reset, LONG)
{
	int i, k, status = 0;

	ASSERT_EQ(0, put(PROFILE "/check", "stop"));
	ADD();
	ASSERT_EQ(0, client_open(&self->c, self->node));
	for (i = 0; i < 300 && !status; i++) {
		/* DRIVER without ACKNOWLEDGE breaks a rule. */
		ASSERT_EQ(0, client_set_status(&self->c, VIRTIO_CONFIG_S_DRIVER));
		ASSERT_EQ(0, client_set_status(&self->c, 0));
		for (k = 0; k < 100 && !status; k++)
			status = client_status(&self->c);
	}
	EXPECT_EQ(0, status) TH_LOG("after %d resets", i);
}

/* Checked against the old size, carried out after the new one. */
TEST_F_TIMEOUT(work, file_shrinks_under_a_request, LONG)
{
	ASSERT_EQ(0, sh("truncate -s 1M " BACKING));
	ASSERT_EQ(0, put(PROFILE "/backing", "" BACKING ""));
	OPEN();
	ASSERT_EQ(0, put(FAULT "io_delay/value", "2000"));
	ASSERT_EQ(0, put(FAULT "io_delay/every", "1"));
	post(&self->c, 0, VIRTIO_BLK_T_IN, 2040, 4096, 1);
	post(&self->c, 1, VIRTIO_BLK_T_IN, 0, 4096, 1);
	client_kick(&self->c);
	EXPECT_EQ(0, used(&self->c, 1, 300));
	ASSERT_EQ(0, put(PROFILE "/capacity", "512K"));
	EXPECT_EQ(2, used(&self->c, 2, 10000));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, *status_of(&self->c, 0));
	EXPECT_EQ(0, *status_of(&self->c, 1));
}

/* Memory goes and comes back, but the ring can't be mapped in it: that is said. */
TEST_F_TIMEOUT(work, ring_that_cannot_be_mapped_again, LONG)
{
	int i;

	OPEN();
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 4096, NULL));
	/* Of this queue's ring, not of what is mapped for the device. */
	ASSERT_EQ(0, put(FAULT "map/queue", "0"));
	ASSERT_EQ(0, put(FAULT "map/every", "1"));
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	ASSERT_EQ(0, client_map(&self->c, CLIENT_IOVA, self->c.mem, CLIENT_MEM,
				VHOST_ACCESS_RW));
	client_kick(&self->c);
	for (i = 0; i < 500 && client_status(&self->c) == S_OK; i++)
		usleep(10000);
	EXPECT_EQ(S_OK | VIRTIO_CONFIG_S_NEEDS_RESET, client_status(&self->c));
	EXPECT_EQ(0, sh("../../tools/trivio/trivio show " DEV " | grep -q ring-map"));
}

/* Where the code of the core is, for the filter of failing allocations. */
static int core_text(unsigned long *first, unsigned long *last)
{
	FILE *f = fopen("/proc/modules", "r");
	char line[512], name[64];
	unsigned long size;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lu %*s %*s %*s %lx", name, &size,
			   first) == 3 && !strcmp(name, "trivio")) {
			fclose(f);
			*last = *first + size;
			return 0;
		}
	}
	if (f)
		fclose(f);
	return -1;
}

/* What can't be had at once fails in the core only, each time. */
static int fail_slab(bool on)
{
	unsigned long first, last;
	char text[32];
	int err;

	if (!on)
		return put(SLAB "probability", "0");
	if (core_text(&first, &last))
		return -1;
	snprintf(text, sizeof(text), "%#lx", first);
	err = put(SLAB "require-start", text);
	snprintf(text, sizeof(text), "%#lx", last);
	err = err ?: put(SLAB "require-end", text);
	err = err ?: put(SLAB "stacktrace-depth", "32");
	err = err ?: put(SLAB "ignore-gfp-wait", "Y");
	err = err ?: put(SLAB "task-filter", "N");
	err = err ?: put(SLAB "verbose", "0");
	err = err ?: put(SLAB "interval", "1");
	err = err ?: put(SLAB "times", "-1");
	return err ?: put(SLAB "probability", "100");
}

/* Ranges are work for later, which needs memory now. */
TEST_F_TIMEOUT(work, E02_no_memory_to_put_a_request_off, LONG)
{
	struct virtio_blk_discard_write_zeroes *r;
	int i;

	OPEN();
	if (access(SLAB "require-start", F_OK))
		SKIP(return, "needs a kernel with failslab: --debug-kernel");
	r = (void *)(self->c.mem + OFF_DATA + 0x1000);
	r->sector = 0;
	r->num_sectors = 8;
	r->flags = 0;
	ASSERT_EQ(0, fail_slab(true));
	for (i = 0; i < 20; i++)
		post(&self->c, i, VIRTIO_BLK_T_DISCARD, 0, sizeof(*r), 1);
	client_kick(&self->c);
	EXPECT_EQ(20, used(&self->c, 20, 30000));
	ASSERT_EQ(0, fail_slab(false));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, *status_of(&self->c, i));
}

TEST_HARNESS_MAIN
