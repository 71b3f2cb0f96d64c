// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime and message abuse: files closed, swapped and shared at the worst
 * moment, owners that fork, die or freeze, taps that vanish.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/sockios.h>
#include <net/if.h>

#include "hostile.h"

FIXTURE(life) {
	struct stage s;
	struct vh_dev *d;
	struct vh_tap *t;
};

FIXTURE_VARIANT(life) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(life, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(life, packed) { .features = VH_USUAL | PACKED };

FIXTURE_SETUP(life)
{
	struct vh_opts o = { .features = variant->features, .regions = 2 };

	stage_none(&self->s);
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(stage_open(&self->s, &o));
	self->d = &self->s.d;
	self->t = &self->s.t;
}

FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

TEST_F_TIMEOUT(life, I05_ring_moves_while_running, LONG)
{
	struct vh_ring *r = &self->d->ring[VH_TX];
	struct vh_shape s = { .count = 50, .len = 100 };
	size_t size = r->packed ? 16 * r->size : 6 + 8 * r->size;
	void *old, *new;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		OK(vh_tx_check(self->d, self->t, &s, i * 100));
		/* The quiet ring's device part moves to another page. */
		new = vh_alloc(&self->d->mem, size, 4096);
		ASSERT_NE(NULL, new);
		old = r->packed ? (void *)r->pdesc : (void *)r->used;
		memcpy(new, old, size);
		if (r->packed)
			r->pdesc = new;
		else
			r->used = new;
		OK(vh_ring_addr(self->d, VH_TX, false));
		/* What is written to the old place now is a stale mapping. */
		memset(old, 0x5a, size);
		OK(vh_tx_check(self->d, self->t, &s, i * 100 + 50));
		ASSERT_EQ(0x5a, ((uint8_t *)old)[size - 1]);
	}
}

static void *swapper(void *arg)
{
	struct vh_dev *d = arg;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		d->mem.regions = i & 1 ? 2 : 1;
		if (vh_mem_table(d->fd, &d->mem))
			return (void *)1;
		usleep(5000);
	}
	return NULL;
}

TEST_F_TIMEOUT(life, I06_memory_tables_swapped_under_traffic, LONG)
{
	struct vh_shape s = { .count = 100, .len = 300 };
	pthread_t th;
	void *ret;
	int i;

	ASSERT_EQ(0, pthread_create(&th, NULL, swapper, self->d));
	for (i = 0; i < 6; i++) {
		OK(vh_tx_check(self->d, self->t, &s, i * 100));
		OK(vh_rx_check(self->d, self->t, &s, i * 100));
	}
	pthread_join(th, &ret);
	EXPECT_EQ(NULL, ret);
}

TEST_F_TIMEOUT(life, I06_memory_shrinks_while_running, LONG)
{
	struct vhost_memory none = { .nregions = 0 };
	struct vh_shape s = { .len = 100 };

	OK(vh_ioctl(self->d->fd, VHOST_SET_MEM_TABLE, &none));
	OK(vh_tx_post(self->d, &s, 0));
	vh_publish(&self->d->ring[VH_TX]);
	vh_kick(&self->d->ring[VH_TX]);
	/* Nothing may be sent out of memory that is no longer announced. */
	EXPECT_EQ(0, vh_wait_fd(self->t->sock, 500));
}

static void *dup_racer(void *arg)
{
	int *fds = arg;

	while (!fds[3]) {
		dup2(fds[0], fds[2]);
		dup2(fds[1], fds[2]);
	}
	return NULL;
}

TEST_F_TIMEOUT(life, I11_fd_changes_between_two_looks, LONG)
{
	int fds[4] = { self->t->fd, -1, -1, 0 };
	pthread_t th;
	int i;

	fds[1] = open("/dev/null", O_RDWR);
	fds[2] = dup(fds[1]);
	ASSERT_EQ(0, pthread_create(&th, NULL, dup_racer, fds));
	for (i = 0; i < 300; i++) {
		int r = vh_backend(self->d, i & 1, fds[2]);

		ASSERT_TRUE(r == 0 || r == -ENOTSOCK || r == -EBADF)
			TH_LOG("%d", r);
	}
	fds[3] = 1;
	pthread_join(th, NULL);
	close(fds[1]);
	close(fds[2]);
	OK(vh_start(self->d, self->t->fd));
	OK(vh_both_check(self->d, self->t, 50));
}

TEST_F_TIMEOUT(life, I12_eventfds_shared_and_replaced, LONG)
{
	static const unsigned long reqs[] = {
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
		VHOST_SET_VRING_ERR,
	};
	unsigned int before = open_fds(), i;
	struct vhost_vring_file f;

	/* One for everything: a call is a kick is an error. */
	for (i = 0; i < 6; i++) {
		f = (struct vhost_vring_file){ i & 1, self->d->ring[0].kick };
		OK(vh_ioctl(self->d->fd, reqs[i / 2], &f));
	}
	stir(self->d, self->t, 50);
	usleep(50000);
	/* New ones at a high rate under traffic. */
	for (i = 0; i < 1000; i++) {
		f.index = i & 1;
		f.fd = eventfd(0, EFD_NONBLOCK);
		ASSERT_LE(0, f.fd);
		OK(vh_ioctl(self->d->fd, reqs[i % 3], &f));
		close(f.fd);
		f.fd = 1000;
		EXPECT_NE(0, vh_ioctl(self->d->fd, reqs[i % 3], &f));
		if (i % 100 == 0) {
			stir(self->d, self->t, 20);
			reap(self->d);
		}
	}
	EXPECT_EQ(before, open_fds());
}

TEST_F_TIMEOUT(life, L01_close_during_traffic, LONG)
{
	int i;

	for (i = 0; i < 40; i++) {
		struct vh_opts o = { .features = variant->features };
		uint64_t t;

		stir(self->d, self->t, 100);
		usleep(i * 13 % 1000);
		t = now_ms();
		close(self->d->fd);
		ASSERT_GT(CLOSE_MS, now_ms() - t);
		self->d->fd = -1;
		vh_close(self->d);
		OK(vh_open(self->d, &o));
		OK(vh_start(self->d, self->t->fd));
	}
}

TEST_F_TIMEOUT(life, L02_backends_swapped_during_traffic, LONG)
{
	struct vh_tap b;
	int i;

	OK(vh_tap_open(&b, 0, self->d->hdr_len));
	for (i = 0; i < 100; i++) {
		stir(self->d, i & 1 ? &b : self->t, 60);
		OK(vh_start(self->d, i % 3 == 0 ? b.fd : i % 3 == 1 ?
			    self->t->fd : -1));
		reap(self->d);
	}
	vh_tap_close(&b);
	OK(restart(&self->s));
	OK(vh_both_check(self->d, self->t, 50));
}

TEST_F_TIMEOUT(life, L03_reset_owner_with_packets_in_flight, LONG)
{
	int i;

	for (i = 0; i < 20; i++) {
		stir(self->d, self->t, 100);
		OK(vh_ioctl(self->d->fd, VHOST_RESET_OWNER, NULL));
		EXPECT_EQ(-EPERM, vh_backend(self->d, 0, -1));
		close(self->d->fd);
		vh_ring_rewind(&self->d->ring[0],
			       variant->features & PACKED ? 0x8000 : 0);
		vh_ring_rewind(&self->d->ring[1],
			       variant->features & PACKED ? 0x8000 : 0);
		OK(vh_attach(self->d, NULL));
		OK(vh_start(self->d, self->t->fd));
	}
}

TEST_F_TIMEOUT(life, L03_next_owner_is_another_process, LONG)
{
	int status;
	pid_t pid;

	stir(self->d, self->t, 100);
	OK(vh_ioctl(self->d->fd, VHOST_RESET_OWNER, NULL));
	pid = fork();
	if (!pid)
		_exit(vh_ioctl(self->d->fd, VHOST_SET_OWNER, NULL) ||
		      vh_mem_table(self->d->fd, &self->d->mem));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Its owner is gone; the file is not. */
	EXPECT_EQ(-EPERM, vh_mem_table(self->d->fd, &self->d->mem));
}

TEST_F_TIMEOUT(life, L06_owner_forks_and_child_goes_first, LONG)
{
	int status, i;
	pid_t pid;

	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid)
			_exit(vh_backend(self->d, 0, -1) == -EPERM ? 0 : 1);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		OK(vh_both_check(self->d, self->t, 20));
	}
}

/* A process of its own that owns a device and keeps it busy. */
static pid_t owner_process(uint64_t features, int *ready)
{
	struct vh_opts o = { .features = features };
	static struct vh_dev d;
	static struct vh_tap t;
	int p[2];
	pid_t pid;

	if (pipe(p))
		return -1;
	pid = fork();
	if (pid) {
		close(p[1]);
		*ready = p[0];
		return pid;
	}
	if (vh_open(&d, &o) || vh_tap_open(&t, 0, 12) || vh_start(&d, t.fd))
		_exit(1);
	if (write(p[1], "", 1) != 1)
		_exit(1);
	for (;;) {
		stir(&d, &t, 100);
		usleep(100);
		reap(&d);
	}
}

TEST_F_TIMEOUT(life, L07_owner_is_killed, LONG)
{
	int i, ready;
	pid_t pid;
	char c;

	for (i = 0; i < 8; i++) {
		pid = owner_process(variant->features, &ready);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(ready, &c, 1)) TH_LOG("owner: no start");
		close(ready);
		usleep(i * 3000);
		kill(pid, i & 1 ? SIGKILL : SIGTERM);
		ASSERT_EQ(0, gone(pid, CLOSE_MS)) TH_LOG("round %d", i);
	}
}

TEST_F_TIMEOUT(life, L07_owner_is_stopped_and_goes_on, LONG)
{
	int ready, i;
	pid_t pid;
	char c;

	pid = owner_process(variant->features, &ready);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(ready, &c, 1));
	close(ready);
	for (i = 0; i < 10; i++) {
		kill(pid, SIGSTOP);
		usleep(50000);
		/* The innocent one does not care. */
		EXPECT_EQ(0, vh_both_check(&self->s.peer, &self->s.peer_tap,
					   20)) TH_LOG("%s", vh_why());
		kill(pid, SIGCONT);
		usleep(20000);
	}
	kill(pid, SIGSTOP);
	usleep(20000);
	kill(pid, SIGKILL);
	EXPECT_EQ(0, gone(pid, CLOSE_MS));
}

TEST_F_TIMEOUT(life, L07_file_outlives_its_owner, LONG)
{
	int status;
	pid_t pid;

	/* The child owns a device that the parent opened, and dies. */
	close(self->d->fd);
	self->d->fd = open(vh_node(), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->d->fd);
	pid = fork();
	if (!pid) {
		struct vh_dev d = *self->d;
		unsigned int q;
		int r = vh_ioctl(d.fd, VHOST_SET_OWNER, NULL) ?:
			vh_ioctl(d.fd, VHOST_SET_FEATURES, &d.features) ?:
			vh_mem_table(d.fd, &d.mem);

		for (q = 0; q < 2; q++)
			r = r ?: vh_ring_setup(&d, q);
		r = r ?: vh_start(&d, self->t->fd);
		stir(&d, self->t, 100);
		_exit(!!r);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Kicks and packets for a device whose mm has gone. */
	stir(self->d, self->t, 100);
	usleep(100000);
	EXPECT_EQ(-EPERM, vh_backend(self->d, 0, -1));
}

TEST_F_TIMEOUT(life, L11_call_closed_while_it_is_signalled, LONG)
{
	struct vh_ring *r = &self->d->ring[VH_TX];
	struct vhost_vring_file f = { .index = VH_TX };
	int i;

	for (i = 0; i < 200; i++) {
		f.fd = eventfd(0, EFD_NONBLOCK);
		OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_CALL, &f));
		stir(self->d, self->t, 30);
		vh_call_on(r, 1);
		close(f.fd);
		f.fd = -1;
		OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_CALL, &f));
		reap(self->d);
	}
}

TEST_F_TIMEOUT(life, L16_tap_goes_down_and_up, LONG)
{
	struct vh_shape s = { .count = 50, .len = 60 };
	int i;

	for (i = 0; i < 8; i++) {
		OK(vh_link(self->t->name, false));
		stir(self->d, self->t, 30);
		usleep(10000);
		OK(vh_link(self->t->name, true));
		usleep(10000);
		reap(self->d);
	}
	OK(restart(&self->s));
	OK(vh_tx_check(self->d, self->t, &s, 0));
}

TEST_F_TIMEOUT(life, L16_tap_is_closed_under_the_device, LONG)
{
	int i;

	stir(self->d, self->t, 100);
	/* The device holds the file, but the interface can be taken away. */
	close(self->t->fd);
	self->t->fd = -1;
	usleep(20000);
	reap(self->d);
	stir(self->d, self->t, 100);
	OK(vh_stop(self->d));
	/* The last reference went with the unbind: so does the interface. */
	for (i = 0; i < 300 && if_nametoindex(self->t->name); i++)
		usleep(10000);
	EXPECT_EQ(0, if_nametoindex(self->t->name));
}

TEST_F_TIMEOUT(life, L16_interface_is_deleted, LONG)
{
	char cmd[64];
	int i;

	for (i = 0; i < 5; i++) {
		stir(self->d, self->t, 100);
		snprintf(cmd, sizeof(cmd), "ip link del %s", self->t->name);
		if (system(cmd))
			SKIP(return, "needs ip");
		stir(self->d, self->t, 100);
		usleep(20000);
		OK(restart(&self->s));
		OK(vh_both_check(self->d, self->t, 20));
		OK(restart(&self->s));
	}
}

TEST_F_TIMEOUT(life, E03_many_opens, LONG)
{
	int i, fd;

	for (i = 0; i < 1000; i++) {
		fd = open(vh_node(), O_RDWR);
		ASSERT_LE(0, fd);
		if (i % 10 == 0)
			OK(vh_ioctl(fd, VHOST_SET_OWNER, NULL));
		close(fd);
	}
	OK(vh_both_check(self->d, self->t, 20));
}

TEST_F_TIMEOUT(life, E12_longest_busy_poll, LONG)
{
	struct vhost_vring_state s = { .index = 0, .num = 0xffffffff };
	struct vh_shape sh = { .count = 50, .len = 60 };

	OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s));
	s.index = 1;
	OK(vh_ioctl(self->d->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s));
	OK(vh_tx_check(self->d, self->t, &sh, 0));
	OK(vh_rx_check(self->d, self->t, &sh, 0));
	/* It polls for an hour, but it lets go when asked. */
	OK(vh_stop(self->d));
}

TEST_HARNESS_MAIN
