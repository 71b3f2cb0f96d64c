// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which thread serves which queue: the vhost worker ioctls, which in-tree
 * vhost_net answers with ENOTTY, and two workers by default.
 */
#include <stdlib.h>

#include "common.h"

FIXTURE(worker) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_SETUP(worker)
{
	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	if (dut_is_ref())
		SKIP(return, "in-tree vhost_net has no worker ioctls");
	OK(vh_ns_enter());
	OK(vh_open(&self->d, NULL));
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
	OK(vh_start(&self->d, self->t.fd));
}

FIXTURE_TEARDOWN(worker)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

static int new_worker(struct vh_dev *d, unsigned int *id)
{
	struct vhost_worker_state s = { 0 };
	int r = vh_ioctl(d->fd, VHOST_NEW_WORKER, &s);

	*id = s.worker_id;
	return r;
}

static int free_worker(struct vh_dev *d, unsigned int id)
{
	struct vhost_worker_state s = { .worker_id = id };

	return vh_ioctl(d->fd, VHOST_FREE_WORKER, &s);
}

static int attach(struct vh_dev *d, unsigned int q, unsigned int id)
{
	struct vhost_vring_worker w = { .index = q, .worker_id = id };

	return vh_ioctl(d->fd, VHOST_ATTACH_VRING_WORKER, &w);
}

static int which(struct vh_dev *d, unsigned int q, unsigned int *id)
{
	struct vhost_vring_worker w = { .index = q };
	int r = vh_ioctl(d->fd, VHOST_GET_VRING_WORKER, &w);

	*id = w.worker_id;
	return r;
}

/* The device's threads, and their clocks at a moment. */
struct clocks {
	pid_t tid[16];
	uint64_t ns[16];
	unsigned int n;
};

static void clocks_start(struct clocks *c, struct vh_dev *d)
{
	unsigned int i;

	c->n = vh_workers(d, c->tid, 16);
	for (i = 0; i < c->n; i++)
		c->ns[i] = vh_task_ns(c->tid[i]);
}

/* Threads that ran since, a bit for each; who ran a little was only woken. */
static unsigned int clocks_moved(struct clocks *c)
{
	unsigned int i, k = 0;
	uint64_t most = 0;

	usleep(20000);
	for (i = 0; i < c->n; i++) {
		c->ns[i] = vh_task_ns(c->tid[i]) - c->ns[i];
		most = c->ns[i] > most ? c->ns[i] : most;
	}
	for (i = 0; i < c->n; i++)
		k |= (c->ns[i] > most / 4) << i;
	return k;
}

/* Threads whose clock moved while traffic ran one way. */
static unsigned int busy(struct vh_dev *d, struct vh_tap *t, bool rx, int *err)
{
	struct vh_shape s = { .count = 200, .len = 60, .batch = 32 };
	struct clocks c;

	clocks_start(&c, d);
	*err = rx ? vh_rx_check(d, t, &s, 0) : vh_tx_check(d, t, &s, 0);
	return clocks_moved(&c);
}

TEST_F_TIMEOUT(worker, receive_and_transmit_have_their_own, LONG)
{
	unsigned int rx = 0, tx = 0, a, b, i;
	int e;

	OK(which(&self->d, VH_RX, &a));
	OK(which(&self->d, VH_TX, &b));
	EXPECT_NE(a, b);
	/* Clocks of threads are noisy on a busy host; once is enough. */
	for (i = 0; i < 8; i++) {
		rx = busy(&self->d, &self->t, true, &e);
		OK(e);
		tx = busy(&self->d, &self->t, false, &e);
		OK(e);
		if (rx && !(rx & tx))
			break;
	}
	EXPECT_NE(0, rx);
	EXPECT_EQ(0, rx & tx) TH_LOG("threads %#x and %#x", rx, tx);
}

/* Frames out, each of which a bridge sends back at once. */
static int echo(struct vh_dev *d, unsigned int count)
{
	struct vh_shape s = { .count = count, .len = 60 };
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int i, done = 0;
	uint64_t have = 0;
	uint8_t f[256];
	int e;

	for (i = 0; i < count; i++) {
		vh_rx_post(d, &s, ~0U);
		e = vh_tx_post(d, &s, i);
		if (e)
			return e;
		vh_publish_kick(&d->ring[VH_TX]);
		do {
			e = vh_rx_frame(d, f, sizeof(f), &hdr, 5000);
			if (e >= 0)
				e = vh_frame_check(f, e, &have);
			if (e < 0)
				return e;
		} while (!e);
		e = have == i ? vh_tx_reap(d, &done) : -EBADMSG;
		if (e)
			return e;
	}
	return 0;
}

/*
 * What comes back within the transmit worker's own call is carried by it; a frame
 * from elsewhere is not.
 */
TEST_F_TIMEOUT(worker, an_answer_wakes_nobody_else, LONG)
{
	unsigned int tx = 0, rx = 0, both = 0, i;
	struct clocks c;
	char cmd[256];
	int e;

	snprintf(cmd, sizeof(cmd),
		 "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 && "
		 "ip link add br0 up type bridge && ip link set %s master br0 && "
		 "bridge link set dev %s hairpin on flood on", self->t.name,
		 self->t.name);
	tx = busy(&self->d, &self->t, false, &e);
	OK(e);
	ASSERT_EQ(0, system(cmd));
	for (i = 0; i < 8; i++) {
		clocks_start(&c, &self->d);
		OK(echo(&self->d, 300));
		both = clocks_moved(&c);
		rx = busy(&self->d, &self->t, true, &e);
		OK(e);
		if (both == tx && rx && !(rx & tx))
			break;
	}
	EXPECT_EQ(tx, both) TH_LOG("threads %#x, transmit alone %#x", both, tx);
	EXPECT_NE(0, rx);
	EXPECT_EQ(0, rx & tx) TH_LOG("threads %#x and %#x", rx, tx);
}

TEST_F_TIMEOUT(worker, attach_moves_a_queue, LONG)
{
	unsigned int id, got, before, after = 0, i;
	int e;

	before = busy(&self->d, &self->t, false, &e);
	OK(e);
	OK(new_worker(&self->d, &id));
	OK(attach(&self->d, VH_TX, id));
	OK(which(&self->d, VH_TX, &got));
	EXPECT_EQ(id, got);
	for (i = 0; i < 8; i++) {
		after = busy(&self->d, &self->t, false, &e);
		OK(e);
		if (before != after)
			break;
	}
	EXPECT_NE(before, after);
	OK(vh_both_check(&self->d, &self->t, 100));
}

TEST_F_TIMEOUT(worker, one_worker_can_serve_both, LONG)
{
	unsigned int a, rx = 0, tx = 0, i;
	int e;

	OK(which(&self->d, VH_RX, &a));
	OK(attach(&self->d, VH_TX, a));
	for (i = 0; i < 8; i++) {
		rx = busy(&self->d, &self->t, true, &e);
		OK(e);
		tx = busy(&self->d, &self->t, false, &e);
		OK(e);
		if (rx == tx)
			break;
	}
	EXPECT_EQ(rx, tx);
}

TEST_F_TIMEOUT(worker, I18_attach_during_traffic, LONG)
{
	struct vh_shape s = { .count = 30, .len = 60, .batch = 30 };
	unsigned int id[4], i, k, done = 0;

	for (i = 0; i < 4; i++)
		OK(new_worker(&self->d, &id[i]));
	for (i = 0; i < 60; i++) {
		for (k = 0; k < 30; k++)
			if (vh_tx_post(&self->d, &s, i))
				break;
		vh_publish_kick(&self->d.ring[VH_TX]);
		OK(attach(&self->d, VH_TX, id[i % 4]));
		OK(attach(&self->d, VH_RX, id[(i / 2) % 4]));
		OK(vh_tx_reap(&self->d, &done));
	}
	while (self->d.ring[VH_TX].nfree < self->d.ring[VH_TX].size) {
		OK(vh_wait_used(&self->d.ring[VH_TX], 5000));
		OK(vh_tx_reap(&self->d, &done));
	}
	/* Forget those frames; then check that none is lost in order. */
	usleep(50000);
	vh_tap_close(&self->t);
	OK(vh_stop(&self->d));
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_both_check(&self->d, &self->t, 200));
}

TEST_F_TIMEOUT(worker, I18_wrong_ids_and_indices, LONG)
{
	struct vh_dev other;
	unsigned int id, far, got;

	EXPECT_EQ(-ENODEV, attach(&self->d, VH_TX, 0x7fffffff));
	EXPECT_EQ(-ENODEV, free_worker(&self->d, 0x7fffffff));
	EXPECT_EQ(-ENOBUFS, attach(&self->d, 2, 0));
	EXPECT_EQ(-ENOBUFS, which(&self->d, 0xffffffff, &got));
	OK(new_worker(&self->d, &id));
	OK(attach(&self->d, VH_TX, id));
	EXPECT_EQ(-EBUSY, free_worker(&self->d, id));
	OK(which(&self->d, VH_RX, &got));
	OK(attach(&self->d, VH_TX, got));
	EXPECT_EQ(0, free_worker(&self->d, id));
	EXPECT_EQ(-ENODEV, free_worker(&self->d, id));
	/* Another device's worker is nobody here. */
	OK(vh_open(&other, NULL));
	do {
		OK(new_worker(&other, &far));
	} while (far < 8);
	EXPECT_EQ(-ENODEV, attach(&self->d, VH_TX, far));
	vh_close(&other);
	OK(vh_both_check(&self->d, &self->t, 50));
}

TEST_F_TIMEOUT(worker, I18_very_many, LONG)
{
	unsigned int id, i, n = 0;
	int r = 0;

	/* However many are allowed: an error, not a crash, then all go. */
	for (i = 0; i < 10000 && !r; i++) {
		r = new_worker(&self->d, &id);
		n += !r;
		/* 10^4 threads are a test of TCG; a hundred of us. */
		if (n >= 100)
			break;
	}
	EXPECT_LT(0, n);
	OK(vh_both_check(&self->d, &self->t, 50));
	OK(vh_stop(&self->d));
	close(self->d.fd);
	self->d.fd = -1;
	usleep(200000);
	self->d.fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(0, vh_workers(&self->d, (pid_t[64]) { 0 }, 64));
}

/* EINVAL, as vhost_worker_ioctl() has it: without an owner no workers. */
TEST_F_TIMEOUT(worker, none_without_owner, LONG)
{
	unsigned int id;
	int fd = self->d.fd;

	self->d.fd = open(vh_node(), O_RDWR);
	EXPECT_EQ(-EINVAL, new_worker(&self->d, &id));
	EXPECT_EQ(-EINVAL, which(&self->d, 0, &id));
	close(self->d.fd);
	self->d.fd = fd;
}

TEST_F_TIMEOUT(worker, kthread_mode_works_and_makes_no_more, LONG)
{
	uint8_t kthread = VHOST_FORK_OWNER_KTHREAD;
	struct vh_dev d;
	unsigned int id;

	OK(vh_stop(&self->d));
	OK(vh_open(&d, NULL));
	OK(vh_ioctl(d.fd, VHOST_RESET_OWNER, NULL));
	if (vh_ioctl(d.fd, VHOST_SET_FORK_FROM_OWNER, &kthread)) {
		vh_close(&d);
		SKIP(return, "no VHOST_SET_FORK_FROM_OWNER");
	}
	vh_close(&d);
	d = (struct vh_dev){ .fd = open(vh_node(), O_RDWR) };
	OK(vh_ioctl(d.fd, VHOST_SET_FORK_FROM_OWNER, &kthread));
	OK(vh_ioctl(d.fd, VHOST_SET_OWNER, NULL));
	/* In tree: refused, so that no user overflows the system. */
	EXPECT_EQ(-EFAULT, new_worker(&d, &id));
	close(d.fd);
}

TEST_HARNESS_MAIN
