// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls and state: 32-bit callers, settings changed without a stop between,
 * floods of messages, answers that could carry kernel memory, positions that
 * no ring has, and rings that move from device to device.
 */
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <net/if.h>

#include "hostile.h"

FIXTURE(call) {
	struct stage s;
	struct vh_dev *d;
	struct vh_tap *t;
};

FIXTURE_VARIANT(call) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(call, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(call, packed) { .features = VH_USUAL | PACKED };

FIXTURE_SETUP(call)
{
	struct vh_opts o = { .features = variant->features, .regions = 2 };

	stage_none(&self->s);
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(stage_open(&self->s, &o));
	self->d = &self->s.d;
	self->t = &self->s.t;
}

FIXTURE_TEARDOWN(call)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

/* ---- 32-bit callers ---- */

/*
 * ioctl() of a 32-bit program: system call 54 through the old gate. A kernel
 * without it ends the caller by a signal.
 */
static int ioctl32(int fd, unsigned long cmd, void *low)
{
	long r = 54;

#ifdef __x86_64__
	__asm__ __volatile__("int $0x80" : "+a" (r)
			     : "b" ((long)fd), "c" (cmd), "d" (low)
			     : "memory", "r8", "r9", "r10", "r11");
#else
	r = ioctl(fd, cmd, low) < 0 ? -errno : 0;
#endif
	return r;
}

static void no_gate(int sig)
{
	_exit(2);
}

/* A signal that nobody handles would be a line in the kernel log. */
static bool has_32bit(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGSEGV, no_gate);
		_exit(ioctl32(-1, 0, NULL) == -EBADF ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static const unsigned long every[] = {
	VHOST_GET_FEATURES, VHOST_SET_FEATURES, VHOST_SET_OWNER,
	VHOST_SET_MEM_TABLE, VHOST_SET_LOG_BASE, VHOST_SET_LOG_FD,
	VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
	VHOST_GET_VRING_BUSYLOOP_TIMEOUT, VHOST_SET_BACKEND_FEATURES,
	VHOST_GET_BACKEND_FEATURES, VHOST_NET_SET_BACKEND, VHOST_NEW_WORKER,
	VHOST_GET_VRING_WORKER, VHOST_ATTACH_VRING_WORKER, VHOST_FREE_WORKER,
	VHOST_SET_FORK_FROM_OWNER, VHOST_GET_FORK_FROM_OWNER,
	VHOST_SET_VRING_ENDIAN, VHOST_GET_VRING_ENDIAN, VHOST_RESET_OWNER,
};

#define EVERY	(sizeof(every) / sizeof(every[0]))

/* What @cmd is given: the same for both callers. */
static void fill(uint8_t *arg, unsigned long cmd, unsigned int round, int event)
{
	struct vhost_vring_file *f = (void *)arg;

	memset(arg, 0, 128);
	switch (cmd) {
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		f->index = round % 3;
		f->fd = round & 1 ? event : 1000;
		break;
	case VHOST_SET_LOG_FD:
		memcpy(arg, &event, 4);
		break;
	case VHOST_NET_SET_BACKEND:
		f->index = round % 3;
		f->fd = round & 1 ? -1 : event;
		break;
	case VHOST_SET_VRING_NUM:
		f->index = round % 3;
		f->fd = 1 << round % 20;
		break;
	case VHOST_SET_FEATURES:
		memcpy(arg, &(uint64_t){ round & 1 ? VH_BASIC : 1 }, 8);
		break;
	default:
		arg[0] = round % 3;
		break;
	}
}

TEST_F_TIMEOUT(call, I24_every_ioctl_from_a_32bit_caller, LONG)
{
	uint8_t *arg[2], *low;
	unsigned int i, round, fds;
	int fd[2], event, r[2];

	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
	if (!has_32bit())
		SKIP(return, "this kernel has no 32-bit system calls");
	arg[0] = low;
	arg[1] = low + 4096;
	event = eventfd(0, EFD_NONBLOCK);
	for (i = 0; i < 2; i++)
		fd[i] = open(vh_node(), O_RDWR | O_CLOEXEC);
	fds = open_fds();
	for (round = 0; round < 40; round++) {
		for (i = 0; i < EVERY; i++) {
			fill(arg[0], every[i], round, event);
			fill(arg[1], every[i], round, event);
			r[0] = vh_ioctl(fd[0], every[i], arg[0]);
			r[1] = ioctl32(fd[1], every[i], arg[1]);
			ASSERT_EQ(r[0], r[1]) TH_LOG("ioctl %#lx", every[i]);
			ASSERT_EQ(0, memcmp(arg[0], arg[1], 128))
				TH_LOG("ioctl %#lx", every[i]);
		}
	}
	EXPECT_EQ(fds, open_fds());
	for (i = 0; i < 2; i++)
		close(fd[i]);
	close(event);
	munmap(low, 8192);
}

/* ---- nothing set free between ---- */

TEST_F_TIMEOUT(call, L22_set_again_without_a_stop, LONG)
{
	struct vh_tap b;
	int i;

	OK(vh_tap_open(&b, 0, self->d->hdr_len));
	for (i = 0; i < 60; i++) {
		struct vhost_vring_file f = { i & 1, -1 };
		struct vh_ring *r = &self->d->ring[i & 1];

		stir(self->d, self->t, 40);
		/* Backend over backend, eventfd over eventfd, table over table. */
		OK(vh_start(self->d, i & 1 ? b.fd : self->t->fd));
		OK(vh_start(self->d, i & 1 ? b.fd : self->t->fd));
		f.fd = r->call;
		OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_CALL, &f));
		f.fd = r->kick;
		OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_KICK, &f));
		OK(vh_ring_addr(self->d, i & 1, false));
		OK(vh_mem_table(self->d->fd, &self->d->mem));
		EXPECT_EQ(-EBUSY, vh_ioctl(self->d->fd, VHOST_SET_OWNER, NULL));
		EXPECT_EQ(-EBUSY, vh_set_base(self->d, i & 1, 0));
		reap(self->d);
	}
	vh_tap_close(&b);
	OK(restart(&self->s));
	OK(vh_both_check(self->d, self->t, 50));
}

static long slab_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "SUnreclaim:", 11))
			kb = atol(line + 11);
	if (f)
		fclose(f);
	return kb;
}

TEST_F_TIMEOUT(call, E05_floods_of_messages, LONG)
{
	struct vhost_iotlb_msg m = { .type = VHOST_IOTLB_UPDATE,
				     .perm = VHOST_ACCESS_RW };
	uint64_t f = variant->features | VH_BIT(VIRTIO_F_ACCESS_PLATFORM);
	unsigned int fds = open_fds();
	int none = -1, event, i;
	long slab;

	OK(vh_stop(self->d));
	OK(vh_ioctl(self->d->fd, VHOST_SET_FEATURES, &f));
	slab = slab_kb();
	for (i = 0; i < 12000; i++) {
		/* The same range, an invalid one, one that is taken away. */
		m.iova = VH_GPA_BASE + (i % 8) * 4096;
		m.size = i % 5 ? 4096 : ~0ULL;
		m.uaddr = (uintptr_t)self->d->mem.base;
		m.type = i % 7 ? VHOST_IOTLB_UPDATE : VHOST_IOTLB_INVALIDATE;
		vh_iotlb_send(self->d->fd, false, &m);
		if (i % 16)
			continue;
		OK(vh_mem_table(self->d->fd, &self->d->mem));
		event = eventfd(0, 0);
		OK(vh_ioctl(self->d->fd, VHOST_SET_LOG_FD, &event));
		close(event);
	}
	OK(vh_ioctl(self->d->fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(fds, open_fds());
	/*
	 * 64 bytes a message would be a megabyte; RCU frees with a delay. KASAN
	 * keeps what was freed, but a kernel with it is scanned for leaks.
	 */
	if (access("/sys/kernel/debug/kmemleak", F_OK)) {
		for (i = 0; i < 100 && slab_kb() - slab >= 768; i++)
			usleep(100000);
		EXPECT_GT(768, slab_kb() - slab);
	}
	f = variant->features;
	OK(vh_ioctl(self->d->fd, VHOST_SET_FEATURES, &f));
	for (i = 0; i < 2; i++)
		OK(vh_ring_addr(self->d, i, false));
	OK(restart(&self->s));
}

/* ---- answers ---- */

TEST_F_TIMEOUT(call, K03_answers_carry_nothing_else, LONG)
{
	static const unsigned long gets[] = {
		VHOST_GET_FEATURES, VHOST_GET_BACKEND_FEATURES,
		VHOST_GET_VRING_BASE, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
		VHOST_GET_VRING_WORKER, VHOST_GET_FORK_FROM_OWNER,
		VHOST_NEW_WORKER,
	};
	uint8_t a[64], b[64];
	unsigned int i, k;

	for (i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
		unsigned int size = _IOC_SIZE(gets[i]);

		for (k = 0; k < 8; k++) {
			/* Different stacks before each: the same answer. */
			memset(a, 0x5a, sizeof(a));
			memset(b, 0xa5, sizeof(b));
			memset(a, 0, size < 4 ? size : 4);
			memset(b, 0, size < 4 ? size : 4);
			if (vh_ioctl(self->d->fd, gets[i], a))
				break;
			vh_ioctl(self->d->fd, VHOST_SET_OWNER, NULL);
			OK(vh_ioctl(self->d->fd, gets[i], b));
			if (gets[i] == VHOST_NEW_WORKER)
				memcpy(b, a, 4);
			ASSERT_EQ(0, memcmp(a, b, size))
				TH_LOG("ioctl %#lx", gets[i]);
			/* And not a byte behind the structure. */
			ASSERT_EQ(0x5a, a[size]) TH_LOG("ioctl %#lx", gets[i]);
			ASSERT_EQ(0xa5, b[size]) TH_LOG("ioctl %#lx", gets[i]);
		}
	}
}

static char found[160];

/* ffff8... to fffff...: sixteen hex digits of the kernel's half. */
static bool pointer_in(const char *text, size_t n)
{
	size_t i, k;

	for (i = 0; i + 16 <= n; i++) {
		if (strncmp(text + i, "ffff", 4) || strchr("0123456", text[i + 4]))
			continue;
		if (i && strchr("0123456789abcdef", text[i - 1]))
			continue;
		for (k = 4; k < 16; k++)
			if (!strchr("0123456789abcdef", text[i + k]))
				break;
		/*
		 * All ones is a mask, or minus something; and what tests put
		 * into rings themselves may be told.
		 */
		if (k < 16 || !strncmp(text + i, "ffffffffffff", 12) ||
		    !strncmp(text + i, "ffff888000000000", 16))
			continue;
		snprintf(found, sizeof(found), "%.80s",
			 text + (i > 40 ? i - 40 : 0));
		return true;
	}
	return false;
}

static int look_into(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	char buf[65536];
	ssize_t n;
	int fd;

	if (type != FTW_F || !(st->st_mode & 0400))
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n > 0 && pointer_in(buf, n);
}

TEST_F_TIMEOUT(call, K04_no_kernel_pointer_is_shown, LONG)
{
	static const char * const trees[] = {
		"/sys/kernel/debug/trivio", "/sys/module/trivio/parameters",
		"/sys/module/trivio_vhost/parameters",
		"/sys/kernel/config/trivio",
		"/sys/class/misc/trivio-vhost-net",
	};
	struct raw bad = { 0x10, 100, 0, 0 };
	static char log[1 << 20];
	unsigned int i;
	char *shown;
	int n;

	ASSERT_TRUE(pointer_in("x ffff888012345678 y", 20));
	ASSERT_FALSE(pointer_in("x ffffffffffffffff 0000ffff888012345", 36));
	/* Errors are told, queues shown while they run and when they broke. */
	stir(self->d, self->t, 50);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, access(trees[i], F_OK) ? 0 : nftw(trees[i], look_into, 16, FTW_PHYS))
			TH_LOG("%s: %s", trees[i], found);
	raw_post(&self->d->ring[VH_TX], &bad, 1, 0);
	verdict(&self->d->ring[VH_TX]);
	EXPECT_EQ(0, access(trees[0], F_OK) ? 0 :
		  nftw(trees[0], look_into, 16, FTW_PHYS))
		TH_LOG("%s", found);
	shown = vh_trivio("show --json");
	EXPECT_NE(NULL, strstr(shown, "name")) TH_LOG("%.100s", shown);
	EXPECT_FALSE(pointer_in(shown, strlen(shown))) TH_LOG("%s", found);
	n = klogctl(3, log, sizeof(log));
	for (i = 0; n > 0 && i < (unsigned int)n;) {
		char *end = memchr(log + i, '\n', n - i);
		size_t len = (end ?: log + n) - (log + i);

		/* Only what we said ourselves. */
		if (memmem(log + i, len, "trivio", 6))
			EXPECT_FALSE(pointer_in(log + i, len))
				TH_LOG("%s", found);
		i += len + 1;
	}
	OK(revive(&self->s));
}

/* ---- state ---- */

TEST_F_TIMEOUT(call, M05_positions_no_ring_has, LONG)
{
	static const uint32_t bases[] = {
		1, 200, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x00018000,
		0x7fffffff, 0xffffffff, 0x80010001, 0x01000100,
	};
	struct vh_shape s = { .len = 60 };
	unsigned int i, q;

	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		OK(vh_stop(self->d));
		for (q = 0; q < 2; q++) {
			int r = vh_set_base(self->d, q, bases[i]);

			ASSERT_TRUE(r == 0 || r == -EINVAL) TH_LOG("%d", r);
		}
		/* The ring says otherwise: it breaks, or waits, or serves. */
		vh_start(self->d, self->t->fd);
		vh_tx_post(self->d, &s, i);
		vh_publish(&self->d->ring[VH_TX]);
		vh_kick(&self->d->ring[VH_TX]);
		vh_rx_post(self->d, &s, 4);
		flood(&self->s, 4, 100);
		usleep(20000);
		OK(restart(&self->s));
	}
	OK(vh_both_check(self->d, self->t, 50));
}

/* Stop, hand both rings over to a device of another file, start. */
static int hand_over(struct vh_dev *d, struct vh_tap *t, bool kick)
{
	uint32_t base[2];
	unsigned int q;
	int r = vh_stop(d);

	for (q = 0; q < 2; q++)
		r = r ?: vh_get_base(d, q, &base[q]);
	if (kick)
		vh_kick(&d->ring[VH_TX]);
	close(d->fd);
	r = r ?: vh_attach(d, NULL);
	for (q = 0; q < 2; q++)
		r = r ?: vh_set_base(d, q, base[q]);
	return r ?: vh_start(d, t->fd);
}

TEST_F_TIMEOUT(call, M06_kick_pending_and_chains_unread, LONG)
{
	struct vh_ring *tx = &self->d->ring[VH_TX];
	struct vh_shape s = { .len = 60 };
	unsigned int i, k, done = 0, seq = 0;
	uint64_t lost;

	for (i = 0; i < 10; i++) {
		/* Made available behind the source's back; i odd: kicked. */
		OK(vh_stop(self->d));
		for (k = 0; k < 20; k++)
			OK(vh_tx_post(self->d, &s, seq++));
		vh_publish(tx);
		if (i & 1)
			vh_kick(tx);
		if (i % 4 == 3)
			/* The count itself went to the source. */
			ASSERT_LT(0, read(tx->kick, &lost, sizeof(lost)));
		OK(hand_over(self->d, self->t, i & 2));
		/* No kick from here on: the target looks by itself. */
		for (k = 0; k < 5000 && done < seq; k++) {
			OK(vh_tx_reap(self->d, &done));
			usleep(1000);
		}
		ASSERT_EQ(seq, done);
	}
}

TEST_F_TIMEOUT(call, M08_back_and_forth_under_load, LONG)
{
	unsigned int seq = 0, done = 0, got = 0, cycle, i;
	struct vh_shape s = { .len = 60 };
	struct vh_dev *d = self->d;
	uint8_t f[2048];
	uint64_t have;
	ssize_t n;

	for (cycle = 0; cycle < 100; cycle++) {
		for (i = 0; i < 60 && !vh_tx_post(d, &s, seq); i++)
			seq++;
		vh_publish_kick(&d->ring[VH_TX]);
		usleep(cycle % 5 * 100);
		OK(hand_over(d, self->t, false));
		OK(vh_tx_reap(d, &done));
		while ((n = recv(self->t->sock, f, sizeof(f), MSG_DONTWAIT)) > 0) {
			if (vh_frame_check(f, n, &have) != 1)
				continue;
			ASSERT_EQ(got, have) TH_LOG("cycle %u", cycle);
			got++;
		}
	}
	for (i = 0; i < 5000 && done < seq; i++) {
		OK(vh_tx_reap(d, &done));
		usleep(1000);
	}
	while (vh_wait_fd(self->t->sock, got < seq ? 2000 : 200)) {
		n = recv(self->t->sock, f, sizeof(f), MSG_DONTWAIT);
		if (n < 0 || vh_frame_check(f, n, &have) != 1)
			continue;
		ASSERT_EQ(got, have);
		got++;
	}
	EXPECT_EQ(seq, done);
	EXPECT_EQ(seq, got);
	OK(vh_both_check(d, self->t, 50));
}

/* ---- the interface changes under the device ---- */

static int run(const char *fmt, ...)
{
	char cmd[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

TEST_F_TIMEOUT(call, L16_tap_moves_and_its_mtu_changes, LONG)
{
	static const int mtus[] = { 68, 9000, 65521, 1500 };
	int i;

	if (run("ip -V >/dev/null 2>&1"))
		SKIP(return, "needs ip");
	for (i = 0; i < 12; i++) {
		stir(self->d, self->t, 50);
		EXPECT_EQ(0, run("ip link set %s mtu %d", self->t->name,
				 mtus[i % 4]));
		reap(self->d);
	}
	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid) {
			if (unshare(CLONE_NEWNET))
				_exit(1);
			for (;;)
				pause();
		}
		usleep(50000);
		stir(self->d, self->t, 50);
		/* Down, out of sight, and packets still come out of the ring. */
		EXPECT_EQ(0, run("ip link set %s netns %d", self->t->name, pid));
		stir(self->d, self->t, 50);
		usleep(20000);
		reap(self->d);
		kill(pid, SIGKILL);
		ASSERT_EQ(0, gone(pid, CLOSE_MS));
		/* The other namespace goes, and the interface with it. */
		usleep(50000);
		stir(self->d, self->t, 20);
		OK(restart(&self->s));
		OK(vh_both_check(self->d, self->t, 20));
		OK(restart(&self->s));
	}
}

TEST_HARNESS_MAIN
