// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that can't be pinned is copied through the container: the client
 * may lock no more pages than its rings take, or a request is larger than the
 * cache of pinned pages. Everything must still arrive, both ways, and only what
 * is the device's to write may be written.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "common.h"

#define BLK_FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | \
		      VC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
		      VC_BIT(VIRTIO_BLK_F_FLUSH))
/* Three areas of a page each for every queue. */
#define NET_RINGS	9
#define BLK_RINGS	3
#define NET_FEATURES	(FEATURES | VC_BIT(VIRTIO_NET_F_CTRL_RX))
#define MAX_PINNED	"/sys/module/trivio_vfio/parameters/max_pinned"

static long copied(struct vc *c)
{
	return vc_stat(c, "mem_copied_in");
}

static int put(const char *path, const char *val)
{
	int fd = open(path, O_WRONLY);
	int err = fd < 0 || write(fd, val, strlen(val)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

/* --- net: not a page beside the rings ------------------------------------- */

FIXTURE(net) {
	struct vc c;
};

FIXTURE_SETUP(net)
{
	struct vc *c = &self->c;

	OK(vc_create(c, "trivio-net"));
	OK(vc_memlock(NET_RINGS));
	OK(vc_open(c));
	OK(vc_start(c, NET_FEATURES));
	OK(vc_host_open(c));
	OK(vc_host_wait(c, WAIT_MS));
}

FIXTURE_TEARDOWN(net)
{
	vc_host_close(&self->c);
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

/* One buffer for all frames: each has what was in it when it was sent. */
TEST_F(net, frames_out)
{
	uint64_t at = vc_slot_iova(1, 0);
	struct vc *c = &self->c;
	uint32_t i, seq;

	for (i = 0; i < 100; i++) {
		int slot = c->q[1].next % VC_RING;

		OK(vc_tx(c, i));
		/* All in the place of the first: what vc_tx() wrote, moved. */
		if (slot) {
			ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
			ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
			ASSERT_EQ(i, seq);
			memcpy(vc_slot(c, 1, 0), vc_slot(c, 1, slot), VC_SLOT);
			vc_add(c, 1, at, VC_HDR + 60, false);
			vc_kick(c, 1);
		}
		ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
	}
	EXPECT_LE(100, copied(c));
	EXPECT_EQ(0, vc_stat(c, "mem_copied_out"));
	EXPECT_EQ(0, vc_stat(c, "mem_copy_failures"));
	EXPECT_EQ(NET_RINGS, pins_left(c));
}

/* A ring full at a time, in order. */
TEST_F(net, frames_out_many)
{
	struct vc *c = &self->c;
	uint32_t i, n, seq;

	for (i = 0; i < 4; i++) {
		for (n = 0; n < VC_RING; n++)
			OK(vc_tx(c, i * VC_RING + n));
		for (n = 0; n < VC_RING; n++) {
			ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
			ASSERT_EQ(i * VC_RING + n, seq);
			ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		}
	}
	EXPECT_LE(4 * VC_RING, copied(c));
}

/* What lies beside a buffer is its owner's, who is busy with it. */
struct owner {
	struct vc *c;
	volatile bool stop;
	unsigned long changed;
};

static void *count_beside(void *arg)
{
	struct owner *o = arg;
	uint64_t n = 0;
	int i;

	for (i = 0; i < VC_RING; i++)
		*(volatile uint64_t *)(vc_slot(o->c, 0, i) + VC_SLOT - 8) = 0;
	while (!o->stop) {
		for (i = 0; i < VC_RING; i++) {
			volatile uint64_t *p = (void *)(vc_slot(o->c, 0, i) +
							VC_SLOT - 8);

			o->changed += *p != n;
			*p = n + 1;
		}
		n++;
	}
	return NULL;
}

TEST_F(net, frames_in)
{
	struct vc *c = &self->c;
	struct owner o = { .c = c };
	uint32_t i, seq;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, count_beside, &o));
	for (i = 0; i < 150; i++) {
		int slot = c->q[0].next % VC_RING;

		memset(vc_slot(c, 0, slot), 0xa5, VC_SLOT - 8);
		vc_add(c, 0, vc_slot_iova(0, slot), VC_SLOT - 8, true);
		vc_kick(c, 0);
		OK(vc_host_send(c, i));
		/* The used entry must not be there before the bytes are. */
		ASSERT_EQ(0, vc_rx(c, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
	}
	o.stop = true;
	pthread_join(t, NULL);
	EXPECT_EQ(0, o.changed);
	EXPECT_LE(150, vc_stat(c, "mem_copied_out"));
	EXPECT_EQ(0, vc_stat(c, "mem_copy_failures"));
	EXPECT_EQ(NET_RINGS, pins_left(c));
}

/* A burst; the control queue, whose answer is written to the command's page. */
TEST_F(net, frames_in_many)
{
	struct vc *c = &self->c;
	uint8_t off = 0;
	uint32_t i, seq;

	OK(vc_rx_post(c, VC_RING));
	for (i = 0; i < VC_RING; i++)
		OK(vc_host_send(c, i));
	for (i = 0; i < VC_RING; i++) {
		ASSERT_EQ(0, vc_rx(c, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
	}
	EXPECT_EQ(VIRTIO_NET_OK, vc_ctrl(c, 2, VIRTIO_NET_CTRL_RX,
					 VIRTIO_NET_CTRL_RX_ALLMULTI, &off, 1));
	EXPECT_EQ(VIRTIO_NET_ERR, vc_ctrl(c, 2, 99, 0, &off, 1));
}

static void *send_always(void *arg)
{
	struct owner *o = arg;
	uint32_t seq = 0;

	while (!o->stop) {
		vc_host_send(o->c, seq++);
		vc_kick(o->c, 1);
		vc_kick(o->c, 0);
	}
	return NULL;
}

/* The memory goes and comes, and the device is reset, while copies are made. */
TEST_F_TIMEOUT(net, unmap_and_reset_under_traffic, LONG)
{
	struct vc *c = &self->c;
	struct owner o = { .c = c };
	uint32_t i, n, seq = 0;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, send_always, &o));
	for (i = 0; i < 20; i++) {
		vc_rx_post(c, VC_RING / 2);
		for (n = 0; n < VC_RING / 2; n++)
			vc_tx(c, n);
		if (i % 4 == 3) {
			OK(vc_reset(c));
		} else {
			OK(vc_unmap(c, VC_IOVA, VC_MEM_SIZE));
			EXPECT_EQ(0, pins_left(c));
			OK(vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
			usleep(20000);
			OK(vc_reset(c));
		}
		OK(vc_start(c, NET_FEATURES));
	}
	o.stop = true;
	pthread_join(t, NULL);
	OK(vc_reset(c));
	OK(vc_start(c, NET_FEATURES));
	while (!vc_host_recv(c, &seq, 0))
		;
	OK(vc_tx(c, 4242));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(4242, seq);
}

TEST_F_TIMEOUT(net, killed_client, LONG)
{
	EXPECT_LE(0, copied(&self->c));
	OK(killed_clients(10, 14000));
}

/* --- blk ------------------------------------------------------------------- */

FIXTURE(blk) {
	struct vc c;
	char path[64];
};

FIXTURE_VARIANT(blk) {
	const char *disk;
};

FIXTURE_VARIANT_ADD(blk, memory) {
	.disk = "ram",
};

FIXTURE_VARIANT_ADD(blk, file) {
	.disk = NULL,
};

#define DISK_SIZE	(16 << 20)

FIXTURE_SETUP(blk)
{
	int fd;

	snprintf(self->path, sizeof(self->path), "/tmp/trivio-copy-%d", getpid());
	fd = open(self->path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, DISK_SIZE));
	close(fd);
	OK(vc_create(&self->c, "trivio-blk"));
	OK(vc_attr_set(&self->c, "capacity", "16M"));
	OK(vc_attr_set(&self->c, "disk", variant->disk ? variant->disk :
							 self->path));
}

FIXTURE_TEARDOWN(blk)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
	unlink(self->path);
}

/* Data of request @n: apart from those of others by more than they are long. */
static uint64_t data_at(int n, uint32_t len)
{
	return 0x200000 + n * ((len + 0x3fffull) & ~0xfffull) + 0x200;
}

/* Head, data and status of a request in a descriptor each; not aligned. */
static void blk_add(struct vc *c, int n, uint32_t type, uint64_t sector,
		    uint32_t len)
{
	struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };
	struct vc_queue *q = &c->q[0];
	uint64_t head = 0x100000 + n * 64;
	int d = n * 3;

	memcpy(c->mem + head, &hdr, sizeof(hdr));
	c->mem[head + 32] = 0xee;
	q->desc[d] = (struct vring_desc) {
		.addr = VC_IOVA + head, .len = sizeof(hdr),
		.flags = VRING_DESC_F_NEXT, .next = d + 1,
	};
	q->desc[d + 1] = (struct vring_desc) {
		.addr = VC_IOVA + data_at(n, len), .len = len, .next = d + 2,
		.flags = VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_OUT ? 0 :
					      VRING_DESC_F_WRITE),
	};
	q->desc[d + 2] = (struct vring_desc) {
		.addr = VC_IOVA + head + 32, .len = 1,
		.flags = VRING_DESC_F_WRITE,
	};
	q->avail->ring[q->next % VC_RING] = d;
	__atomic_store_n(&q->avail->idx, ++q->next, __ATOMIC_SEQ_CST);
}

static void pattern(uint8_t *p, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		p[i] = seed * 31 + i * 7 + (i >> 8);
}

static bool same(const uint8_t *p, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != (uint8_t)(seed * 31 + i * 7 + (i >> 8)))
			return false;
	}
	return true;
}

/* Up to 16 requests at a time: how many came back well. */
static int blk_all(struct vc *c, int n, uint32_t type, uint32_t len,
		   uint32_t seed)
{
	int i, good = 0;

	for (i = 0; i < n; i++) {
		uint8_t *p = c->mem + data_at(i, len);

		memset(p - 16, 0x77, len + 32);
		if (type == VIRTIO_BLK_T_OUT)
			pattern(p, len, seed + i);
		blk_add(c, i, type, (uint64_t)i * (len / 512), len);
	}
	vc_kick(c, 0);
	for (i = 0; i < n; i++) {
		int k = vc_wait_used(c, 0, WAIT_MS) / 3;
		uint8_t *p = c->mem + data_at(k, len);

		if (k < 0)
			return k;
		good += c->mem[0x100000 + k * 64 + 32] == VIRTIO_BLK_S_OK &&
			same(p, len, seed + k) && p[-1] == 0x77 &&
			p[len] == 0x77;
	}
	return good;
}

TEST_F(blk, requests)
{
	struct vc *c = &self->c;
	uint32_t i;

	OK(vc_memlock(BLK_RINGS));
	OK(vc_open(c));
	OK(vc_start(c, BLK_FEATURES));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(16, blk_all(c, 16, VIRTIO_BLK_T_OUT, 24576, i));
		ASSERT_EQ(16, blk_all(c, 16, VIRTIO_BLK_T_IN, 24576, i));
	}
	EXPECT_LE(6 * 16 * 7, copied(c));
	EXPECT_LE(3 * 16 * 7, vc_stat(c, "mem_copied_out"));
	EXPECT_EQ(0, vc_stat(c, "mem_copy_failures"));
	EXPECT_EQ(BLK_RINGS, pins_left(c));
}

/* The cache holds 128 pages at least; a request of 257 does not fit in. */
TEST_F(blk, request_larger_than_cache)
{
	struct vc *c = &self->c;

	OK(put(MAX_PINNED, "1"));
	OK(vc_open(c));
	OK(vc_start(c, BLK_FEATURES));
	EXPECT_EQ(1, blk_all(c, 1, VIRTIO_BLK_T_OUT, 1 << 20, 1));
	EXPECT_EQ(1, blk_all(c, 1, VIRTIO_BLK_T_IN, 1 << 20, 1));
	EXPECT_EQ(2, blk_all(c, 2, VIRTIO_BLK_T_OUT, 1 << 20, 2));
	EXPECT_EQ(2, blk_all(c, 2, VIRTIO_BLK_T_IN, 1 << 20, 2));
	OK(put(MAX_PINNED, "65536"));
	EXPECT_LT(0, copied(c));
	EXPECT_GE(128 + BLK_RINGS, pins_left(c));
}

/* Copies have a bound, too: the driver is told, and a reset mends it. */
TEST_F(blk, too_large)
{
	struct vc *c = &self->c;
	int ms;

	OK(vc_memlock(BLK_RINGS));
	OK(vc_open(c));
	OK(vc_start(c, BLK_FEATURES));
	blk_add(c, 0, VIRTIO_BLK_T_IN, 0, 3 << 20);
	vc_kick(c, 0);
	for (ms = 0; ms < WAIT_MS; ms += 100) {
		if (vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET)
			break;
		usleep(100000);
	}
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 0, 100));
	OK(vc_reset(c));
	OK(vc_start(c, BLK_FEATURES));
	EXPECT_EQ(1, blk_all(c, 1, VIRTIO_BLK_T_OUT, 65536, 1));
	EXPECT_EQ(1, blk_all(c, 1, VIRTIO_BLK_T_IN, 65536, 1));
}

VFIO_HARNESS_MAIN
