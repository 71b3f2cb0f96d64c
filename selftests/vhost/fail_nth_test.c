// SPDX-License-Identifier: GPL-2.0-only
/*
 * E02: the n-th allocation, page or copy of a call fails, for n = 1, 2, ...
 * until the call ends before its n-th. Each time the error is one that user
 * space expects, nothing is left behind, and the same call works afterwards.
 * The same for the worker's thread while packets pass.
 *
 * Needs a kernel with fault injection (the laboratory's debug kernel). What
 * leaks memory is found by kmemleak at the end of the boot.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "hostile.h"

#define MOST	400	/* a call with more failing places than this is a loop */

/* nth_set - let the @n-th place of thread @tid fail; 0 disarms */
static int nth_set(pid_t tid, unsigned int n)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	snprintf(text, sizeof(text), "%u", n);
	return put(path, text);
}

/* nth_left - 0 when it has happened; else what is left to count */
static long nth_left(pid_t tid)
{
	char path[64];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

/* Sleeping allocations fail, too; quietly. */
static int injection_on(void)
{
	static const char * const quiet[] = {
		"failslab", "fail_page_alloc", "fail_usercopy",
	};
	char path[96];
	unsigned int i;
	int r = 0;

	for (i = 0; i < 3 && !r; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose",
			 quiet[i]);
		r = put(path, "0");
	}
	r = r ?: put("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	r = r ?: put("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	return r ?: put("/sys/kernel/debug/fail_page_alloc/min-order", "0");
}

FIXTURE(nth) {
	struct vh_dev d;
	struct vh_tap t;
	int log;
	void *bits;
	pid_t me;
	unsigned int fds;
	unsigned int points;
};

FIXTURE_VARIANT(nth) {
	uint64_t features;
	bool iotlb;
};

FIXTURE_VARIANT_ADD(nth, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(nth, packed) { .features = VH_USUAL | PACKED };
FIXTURE_VARIANT_ADD(nth, iotlb) { .features = VH_USUAL, .iotlb = true };

FIXTURE_SETUP(nth)
{
	struct vh_opts o = { .features = variant->features, .size = 64,
			     .regions = 4, .iotlb = variant->iotlb };

	self->t.fd = self->t.sock = self->d.fd = -1;
	self->me = syscall(SYS_gettid);
	if (injection_on() || nth_set(self->me, 0))
		SKIP(return, "no fault injection: needs the debug kernel");
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(vh_ns_enter());
	OK(vh_open(&self->d, &o));
	if (variant->iotlb)
		OK(vh_iotlb_map_all(&self->d));
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
	self->log = eventfd(0, EFD_NONBLOCK);
	self->bits = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->fds = open_fds();
}

FIXTURE_TEARDOWN(nth)
{
	if (self->d.fd < 0)
		return;
	EXPECT_EQ(self->fds, open_fds());
	vh_close(&self->d);
	vh_tap_close(&self->t);
	close(self->log);
	TH_LOG("%u places failed", self->points);
}

static bool sane(long r)
{
	return r >= 0 || r == -ENOMEM || r == -EFAULT || r == -EAGAIN ||
	       r == -ENOBUFS || r == -EINTR;
}

/*
 * @call with its n-th place failing, n = 1, 2, ..., and @undo after each time
 * it worked all the same; at last it runs to its end.
 */
#define SWEEP(call, undo) do {						\
	unsigned int n_;						\
	long r_ = 0, left_ = 0;						\
									\
	for (n_ = 1; n_ < MOST; n_++) {					\
		ASSERT_EQ(0, nth_set(self->me, n_));			\
		r_ = (call);						\
		left_ = nth_left(self->me);				\
		nth_set(self->me, 0);					\
		ASSERT_TRUE(sane(r_))					\
			TH_LOG("%s, place %u: %ld", #call, n_, r_);	\
		if (left_)						\
			break;						\
		self->points++;						\
		if (r_ >= 0) {						\
			undo;						\
		}							\
	}								\
	ASSERT_GT(MOST, n_) TH_LOG("%s never ends", #call);		\
	ASSERT_LE(0, r_) TH_LOG("%s, nothing failing: %ld", #call, r_);	\
	undo;								\
} while (0)

static int node_open(void)
{
	int fd = open(vh_node(), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

TEST_F_TIMEOUT(nth, E02_open, LONG)
{
	int fd = -1;

	SWEEP((fd = node_open()), close(fd));
}

/* A call on a device that has no owner and nothing else yet. */
TEST_F_TIMEOUT(nth, E02_owner_and_workers, LONG)
{
	int fd = node_open();
	pid_t tids[64];
	unsigned int tasks = vh_workers(&self->d, tids, 64);

	ASSERT_LE(0, fd);
	SWEEP(vh_ioctl(fd, VHOST_SET_OWNER, NULL),
	      OK(vh_ioctl(fd, VHOST_RESET_OWNER, NULL)));
	/* No worker stays behind a start that failed half way. */
	usleep(20000);
	EXPECT_EQ(tasks, vh_workers(&self->d, tids, 64));
	OK(vh_ioctl(fd, VHOST_SET_OWNER, NULL));
	SWEEP(vh_ioctl(fd, VHOST_RESET_OWNER, NULL),
	      vh_ioctl(fd, VHOST_SET_OWNER, NULL));
	close(fd);
	usleep(20000);
	EXPECT_EQ(tasks, vh_workers(&self->d, tids, 64));
}

static int simple(struct vh_dev *d, unsigned long cmd, uint32_t a, uint32_t b)
{
	struct vhost_vring_state s = { .index = a, .num = b };

	return vh_ioctl(d->fd, cmd, &s);
}

TEST_F_TIMEOUT(nth, E02_every_setting, LONG)
{
	uint64_t f = self->d.features, off = f & ~VH_BIT(33), bf = 2, at;
	struct vh_dev *d = &self->d;
	int none = -1;

	SWEEP(vh_ioctl(d->fd, VHOST_GET_FEATURES, &at), (void)0);
	SWEEP(vh_ioctl(d->fd, VHOST_SET_BACKEND_FEATURES, &bf), (void)0);
	SWEEP(vh_ioctl(d->fd, VHOST_GET_BACKEND_FEATURES, &at), (void)0);
	/* To a device IOTLB and back. */
	SWEEP(vh_ioctl(d->fd, VHOST_SET_FEATURES, &off), (void)0);
	SWEEP(vh_ioctl(d->fd, VHOST_SET_FEATURES, &f),
	      OK(vh_ioctl(d->fd, VHOST_SET_FEATURES, &off)));
	OK(vh_ioctl(d->fd, VHOST_SET_FEATURES, &f));
	SWEEP(vh_mem_table(d->fd, &d->mem), (void)0);
	at = (uintptr_t)self->bits;
	SWEEP(vh_ioctl(d->fd, VHOST_SET_LOG_BASE, &at), (void)0);
	SWEEP(vh_ioctl(d->fd, VHOST_SET_LOG_FD, &self->log), (void)0);
	OK(vh_ioctl(d->fd, VHOST_SET_LOG_FD, &none));
	SWEEP(vh_ring_setup(d, VH_RX), (void)0);
	SWEEP(vh_ring_setup(d, VH_TX), (void)0);
	SWEEP(simple(d, VHOST_GET_VRING_BASE, 1, 0), (void)0);
	SWEEP(simple(d, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 0), (void)0);
	SWEEP(simple(d, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, 1, 0), (void)0);
	if (variant->iotlb)
		OK(vh_iotlb_map_all(d));
	OK(vh_start(d, self->t.fd));
	OK(vh_both_check(d, &self->t, 20));
}

TEST_F_TIMEOUT(nth, E02_bind_and_unbind, LONG)
{
	struct vh_dev *d = &self->d;

	SWEEP(vh_backend(d, VH_TX, self->t.fd), OK(vh_backend(d, VH_TX, -1)));
	SWEEP(vh_backend(d, VH_RX, self->t.fd), OK(vh_backend(d, VH_RX, -1)));
	OK(vh_start(d, self->t.fd));
	SWEEP(vh_backend(d, VH_TX, -1), OK(vh_backend(d, VH_TX, self->t.fd)));
	SWEEP(vh_backend(d, VH_RX, -1), OK(vh_backend(d, VH_RX, self->t.fd)));
	OK(vh_start(d, self->t.fd));
	OK(vh_both_check(d, &self->t, 20));
}

/* A message that cannot be read is EINVAL, as in tree. */
static int map_one(struct vh_dev *d, bool on)
{
	uint64_t iova = VH_GPA_BASE + (1ULL << 32);
	int r;

	r = on ? vh_iotlb_map(d, iova, 4096, d->mem.base, VHOST_ACCESS_RW) :
		 vh_iotlb_unmap(d, iova, 4096);
	return r == -EINVAL ? -EFAULT : r;
}

/* A miss that the device asks and user space reads. */
static int miss_read(struct vh_dev *d)
{
	struct vhost_iotlb_msg m;

	return vh_iotlb_read(d, &m, 0);
}

/* Empty both rings, whatever state the failures left them in. */
static int again(struct vh_dev *d, struct vh_tap *t)
{
	unsigned int q;
	int r = vh_stop(d);

	for (q = 0; q < 2; q++) {
		struct vh_ring *g = &d->ring[q];

		vh_ring_rewind(g, g->packed ? 0x8000 : 0);
		vh_drain(g->err);
		r = r ?: vh_set_base(d, q, vh_ring_base(g));
	}
	vh_tap_close(t);
	r = r ?: vh_tap_open(t, 0, d->hdr_len);
	return r ?: vh_start(d, t->fd);
}

TEST_F_TIMEOUT(nth, E02_messages, LONG)
{
	struct vh_dev *d = &self->d;
	struct vh_shape s = { .len = 60 };
	unsigned int n;
	long left = 0;
	int r;

	if (!variant->iotlb)
		SKIP(return, "no device IOTLB in this variant");
	SWEEP(map_one(d, true), OK(map_one(d, false)));
	OK(map_one(d, true));
	SWEEP(map_one(d, false), OK(map_one(d, true)));
	OK(vh_start(d, self->t.fd));
	OK(vh_iotlb_unmap(d, VH_GPA_BASE, d->mem.size));
	OK(vh_tx_post(d, &s, 0));
	vh_publish(&d->ring[VH_TX]);
	vh_kick(&d->ring[VH_TX]);
	for (n = 1; n < MOST && !left; n++) {
		usleep(20000);
		nth_set(self->me, n);
		r = miss_read(d);
		left = nth_left(self->me);
		nth_set(self->me, 0);
		/* A message that could not be copied is gone, as in tree. */
		ASSERT_TRUE(r == 0 || r == -EFAULT || r == -EIO ||
			    r == -ETIMEDOUT || r == -ENOMEM) TH_LOG("%d", r);
		vh_kick(&d->ring[VH_TX]);
	}
	ASSERT_GT(MOST, n);
	/* The frame that waited is sent now; what follows gets a new tap. */
	OK(vh_iotlb_map_all(d));
	OK(again(d, &self->t));
	OK(vh_both_check(d, &self->t, 20));
}

static int worker(struct vh_dev *d, unsigned long cmd, unsigned int *id)
{
	struct vhost_vring_worker w = { .index = VH_TX, .worker_id = *id };
	struct vhost_worker_state s = { .worker_id = *id };
	int r;

	if (cmd == VHOST_NEW_WORKER || cmd == VHOST_FREE_WORKER) {
		r = vh_ioctl(d->fd, cmd, &s);
		*id = s.worker_id;
		return r;
	}
	return vh_ioctl(d->fd, cmd, &w);
}

TEST_F_TIMEOUT(nth, E02_worker_ioctls, LONG)
{
	unsigned int id = 0, mine = 0, old = 1;
	struct vh_dev *d = &self->d;

	SWEEP(worker(d, VHOST_NEW_WORKER, &id),
	      OK(worker(d, VHOST_FREE_WORKER, &id)));
	OK(worker(d, VHOST_NEW_WORKER, &mine));
	SWEEP(worker(d, VHOST_ATTACH_VRING_WORKER, &mine),
	      OK(worker(d, VHOST_ATTACH_VRING_WORKER, &old)));
	SWEEP(worker(d, VHOST_GET_VRING_WORKER, &old), (void)0);
	old = 1;
	OK(worker(d, VHOST_ATTACH_VRING_WORKER, &old));
	SWEEP(worker(d, VHOST_FREE_WORKER, &mine),
	      OK(worker(d, VHOST_NEW_WORKER, &mine)));
}

/* Frames both ways; they may be lost. */
static void pass_some(struct vh_dev *d, struct vh_tap *t)
{
	struct vh_shape s = { .len = 900, .segs = 3 };
	uint8_t f[900];
	unsigned int i;

	vh_frame_fill(f, sizeof(f), 1);
	vh_rx_post(d, &s, 8);
	for (i = 0; i < 6; i++) {
		s.indirect = i & 1;
		if (!vh_tx_post(d, &s, i) &&
		    send(t->sock, f, sizeof(f), MSG_DONTWAIT) < 0)
			break;
	}
	vh_publish(&d->ring[VH_TX]);
	vh_kick(&d->ring[VH_TX]);
	usleep(30000);
}

TEST_F_TIMEOUT(nth, E02_the_workers_own_path, LONG)
{
	struct vh_dev *d = &self->d;
	unsigned int i, k, n, quiet;
	pid_t tids[16];

	n = vh_workers(d, tids, 16);
	ASSERT_LE(1, n);
	OK(vh_start(d, self->t.fd));
	for (i = 0; i < n; i++) {
		/* The first packets map rings and ask for pages. */
		for (k = 1, quiet = 0; k < 120 && quiet < 3; k++) {
			if (k % 4 == 0)
				OK(again(d, &self->t));
			ASSERT_EQ(0, nth_set(tids[i], k));
			pass_some(d, &self->t);
			if (nth_left(tids[i])) {
				quiet++;
			} else {
				quiet = 0;
				self->points++;
			}
			nth_set(tids[i], 0);
			reap(d);
			/* It broke or it dropped: a new start carries again. */
			OK(again(d, &self->t));
			if (k % 8 == 0)
				OK(vh_both_check(d, &self->t, 5));
			OK(again(d, &self->t));
		}
	}
	OK(vh_both_check(d, &self->t, 20));
}

TEST_HARNESS_MAIN
