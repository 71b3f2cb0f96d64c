// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block function, by a client that is a small virtio-blk driver: identity,
 * settings, requests on every kind of disk, and what must be refused.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <sys/stat.h>

#include "common.h"
#include "mig.h"

#define EXTRA		0x10000		/* more memory, behind the client's own */
#define EXTRA_IOVA	(VC_IOVA + VC_MEM_SIZE)
#define BLK_FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | \
		      VC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
		      VC_BIT(VIRTIO_BLK_F_FLUSH))

/* Where a request of queue q, position n has its parts. */
#define AREA(q, n)	(0x100000 + ((q) * 16 + (n) % 16) * 0x8000ull)
#define DATA		0x1000
#define DATA_MAX	0x6000
#define STATUS		0x7000

static uint8_t *area(struct vc *c, int q, int n)
{
	return c->mem + AREA(q, n);
}

/* Make a request available: head, data, status in a descriptor each. */
static void blk_add(struct vc *c, int queue, uint32_t type, uint64_t sector,
		    uint32_t len)
{
	struct vc_queue *q = &c->q[queue];
	int n = q->next % 16, d = n * 3;
	uint64_t at = VC_IOVA + AREA(queue, n);
	struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };

	memcpy(area(c, queue, n), &hdr, sizeof(hdr));
	area(c, queue, n)[STATUS] = 0xee;
	q->desc[d] = (struct vring_desc) {
		.addr = at, .len = sizeof(hdr), .flags = VRING_DESC_F_NEXT,
		.next = len ? d + 1 : d + 2,
	};
	q->desc[d + 1] = (struct vring_desc) {
		.addr = at + DATA, .len = len, .next = d + 2,
		.flags = VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_OUT ? 0 :
					      VRING_DESC_F_WRITE),
	};
	q->desc[d + 2] = (struct vring_desc) {
		.addr = at + STATUS, .len = 1, .flags = VRING_DESC_F_WRITE,
	};
	q->avail->ring[q->next % VC_RING] = d;
	__atomic_store_n(&q->avail->idx, ++q->next, __ATOMIC_SEQ_CST);
}

/* One request from kick to status; data lies in area(queue, 0) + DATA. */
static int blk_do(struct vc *c, int queue, uint32_t type, uint64_t sector,
		  uint32_t len)
{
	int n = c->q[queue].next % 16, head;

	blk_add(c, queue, type, sector, len);
	vc_kick(c, queue);
	head = vc_wait_used(c, queue, WAIT_MS);
	if (head < 0)
		return head;
	return head == n * 3 ? area(c, queue, n)[STATUS] : -EBADMSG;
}

static uint8_t *next_data(struct vc *c, int queue)
{
	return area(c, queue, c->q[queue].next % 16) + DATA;
}

static void pattern(uint8_t *p, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		p[i] = seed * 31 + i * 7 + (i >> 8);
}

static int same(const uint8_t *p, uint32_t len, uint32_t seed)
{
	uint8_t want[DATA_MAX];

	pattern(want, len, seed);
	return !memcmp(p, want, len);
}

static int blk_write(struct vc *c, int queue, uint64_t sector, uint32_t len,
		     uint32_t seed)
{
	pattern(next_data(c, queue), len, seed);
	return blk_do(c, queue, VIRTIO_BLK_T_OUT, sector, len);
}

/* VIRTIO_BLK_S_*, 1000 for other bytes than @seed's, or a negative errno. */
static int blk_read(struct vc *c, int queue, uint64_t sector, uint32_t len,
		    uint32_t seed)
{
	uint8_t *p = next_data(c, queue);
	int ret;

	memset(p, 0xa5, len);
	ret = blk_do(c, queue, VIRTIO_BLK_T_IN, sector, len);
	return ret ? ret : same(p, len, seed) ? 0 : 1000;
}

static uint64_t capacity(struct vc *c)
{
	return vc_get(c, BAR(c), c->caps.device, 4) |
	       (uint64_t)vc_get(c, BAR(c), c->caps.device + 4, 4) << 32;
}

static uint64_t offered(struct vc *c)
{
	uint64_t f = 0;
	int i;

	for (i = 0; i < 2; i++) {
		vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), i, 4);
		f |= (uint64_t)vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DF),
				      4) << 32 * i;
	}
	return f;
}

#define FILE_SIZE	(1 << 20)

FIXTURE(blk) {
	struct vc c;
	char path[64];
};

FIXTURE_SETUP(blk)
{
	int fd;

	snprintf(self->path, sizeof(self->path), "/tmp/trivio-blk-%d", getpid());
	fd = open(self->path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, FILE_SIZE));
	close(fd);
	OK(vc_create(&self->c, "trivio-blk"));
	OK(vc_attr_set(&self->c, "capacity", "16M"));
}

FIXTURE_TEARDOWN(blk)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
	unlink(self->path);
}

static void start(struct __test_metadata *_metadata, struct vc *c)
{
	OK(vc_open(c));
	OK(vc_start(c, BLK_FEATURES));
}

TEST_F(blk, identity)
{
	struct vc *c = &self->c;

	OK(vc_open(c));
	EXPECT_EQ(0x1af4, vc_get(c, CFG, PCI_VENDOR_ID, 2));
	EXPECT_EQ(0x1042, vc_get(c, CFG, PCI_DEVICE_ID, 2));
	/* Mass storage, as firmware looks for it. */
	EXPECT_EQ(0x0100, vc_get(c, CFG, PCI_CLASS_DEVICE, 2));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	EXPECT_EQ((16 << 20) / 512, capacity(c));
	EXPECT_EQ(1, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
	EXPECT_TRUE(offered(c) & VC_BIT(VIRTIO_BLK_F_FLUSH));
	EXPECT_TRUE(offered(c) & VC_BIT(VIRTIO_F_ACCESS_PLATFORM));
	EXPECT_FALSE(offered(c) & VC_BIT(VIRTIO_BLK_F_RO));
}

TEST_F(blk, settings)
{
	static const struct { const char *name, *good, *bad; } attr[] = {
		{ "block_size", "4096", "768" },
		{ "read_only", "1", "2" },
		{ "direct_io", "1", "yes" },
		{ "serial", "abc", "123456789012345678901" },
		{ "disk", "null", "relative/path" },
		{ "queues", "3", "0" },
		{ "ring", "128", "100" },
	};
	struct vc *c = &self->c;
	char buf[300];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attr); i++) {
		EXPECT_EQ(-EINVAL, vc_attr_set(c, attr[i].name, attr[i].bad))
			TH_LOG("%u", i);
		OK(vc_attr_set(c, attr[i].name, attr[i].good));
		OK(vc_attr_get(c, attr[i].name, buf, sizeof(buf)));
		EXPECT_EQ(0, strcmp(attr[i].good, buf)) TH_LOG("%s", buf);
	}
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "capacity", "1000"));
	OK(vc_attr_set(c, "capacity", "32M"));
	OK(vc_attr_get(c, "capacity", buf, sizeof(buf)));
	EXPECT_STREQ("33554432", buf);
	/* What only a net function has is not there. */
	EXPECT_EQ(-ENOENT, vc_attr_set(c, "mac", "52:54:00:00:00:01"));
	OK(vc_open(c));
	for (i = 0; i < ARRAY_SIZE(attr); i++)
		EXPECT_EQ(-EBUSY, vc_attr_set(c, attr[i].name, attr[i].good))
			TH_LOG("%u", i);
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	EXPECT_EQ(3, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
	EXPECT_TRUE(offered(c) & VC_BIT(VIRTIO_BLK_F_RO));
	EXPECT_TRUE(offered(c) & VC_BIT(VIRTIO_BLK_F_MQ));
}

TEST_F(blk, memory_disk)
{
	struct vc *c = &self->c;
	uint32_t i;

	start(_metadata, c);
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, blk_write(c, 0, i * 48, DATA_MAX, i));
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, blk_read(c, 0, i * 48, DATA_MAX, i));
	EXPECT_EQ(0, blk_do(c, 0, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_do(c, 0, 77, 0, 512));
	/* The last sector, and the one behind. */
	EXPECT_EQ(0, blk_write(c, 0, capacity(c) - 1, 512, 1));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_write(c, 0, capacity(c), 512, 1));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_read(c, 0, ~0ull, 512, 1));
	EXPECT_LT(0, vc_stat(c, "mem_pins"));
	/* Sectors outlive a client. */
	vc_close(c);
	start(_metadata, c);
	EXPECT_EQ(0, blk_read(c, 0, 48, DATA_MAX, 1));
}

TEST_F(blk, serial)
{
	struct vc *c = &self->c;
	uint8_t *p;

	OK(vc_attr_set(c, "serial", "SN-0815"));
	start(_metadata, c);
	p = next_data(c, 0);
	memset(p, 0xee, 20);
	ASSERT_EQ(0, blk_do(c, 0, VIRTIO_BLK_T_GET_ID, 0, 20));
	EXPECT_EQ(0, memcmp(p, "SN-0815\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
}

static void file_disk(struct __test_metadata *_metadata, FIXTURE_DATA(blk) *self,
		      const char *direct)
{
	struct vc *c = &self->c;
	uint8_t buf[4096];
	char path[64];
	uint32_t i;
	int fd;

	/* O_DIRECT needs a file system that has it. */
	snprintf(path, sizeof(path), "%s", self->path);
	OK(vc_attr_set(c, "disk", path));
	if (vc_attr_set(c, "direct_io", direct))
		SKIP(return, "no direct I/O on %s", path);
	OK(vc_attr_set(c, "block_size", "4096"));
	start(_metadata, c);
	EXPECT_EQ(FILE_SIZE / 512, capacity(c));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, blk_write(c, 0, i * 8, 4096, i));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_write(c, 0, 1, 4096, 1));
	ASSERT_EQ(0, blk_do(c, 0, VIRTIO_BLK_T_FLUSH, 0, 0));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, blk_read(c, 0, i * 8, 4096, i));
	/* It is there for others, too. */
	fd = open(self->path, O_RDONLY);
	ASSERT_LE(0, fd);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(4096, pread(fd, buf, 4096, i * 4096));
		EXPECT_TRUE(same(buf, 4096, i));
	}
	close(fd);
}

TEST_F(blk, file_disk)
{
	file_disk(_metadata, self, "0");
}

TEST_F(blk, file_disk_direct)
{
	file_disk(_metadata, self, "1");
}

/* Opened as the setting is written, not when some client opens the device. */
TEST_F(blk, file_is_opened_by_who_sets_it)
{
	struct vc *c = &self->c;
	char buf[300];

	EXPECT_EQ(-ENOENT, vc_attr_set(c, "disk", "/nowhere/at/all"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "disk", "/dev/null"));
	OK(vc_attr_get(c, "disk", buf, sizeof(buf)));
	EXPECT_STREQ("ram", buf);
	OK(vc_attr_set(c, "disk", self->path));
	ASSERT_EQ(0, unlink(self->path));
	start(_metadata, c);
	EXPECT_EQ(0, blk_write(c, 0, 8, 4096, 1));
	EXPECT_EQ(0, blk_read(c, 0, 8, 4096, 1));
}

TEST_F(blk, read_only)
{
	struct vc *c = &self->c;

	OK(vc_attr_set(c, "disk", self->path));
	OK(vc_attr_set(c, "read_only", "1"));
	OK(vc_open(c));
	OK(vc_start(c, BLK_FEATURES | VC_BIT(VIRTIO_BLK_F_RO)));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_write(c, 0, 0, 512, 1));
	EXPECT_EQ(0, blk_do(c, 0, VIRTIO_BLK_T_IN, 0, 512));
}

/* The driver is told, and believes the new size. */
TEST_F(blk, resize_while_open)
{
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK);

	start(_metadata, c);
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 0, 2));
	OK(vc_msix(c, 0, fd));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_write(c, 0, (24 << 20) / 512, 512, 1));
	OK(vc_attr_set(c, "capacity", "32M"));
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	EXPECT_EQ((32 << 20) / 512, capacity(c));
	EXPECT_EQ(0, blk_write(c, 0, (24 << 20) / 512, 512, 1));
	close(fd);
}

TEST_F(blk, several_queues)
{
	struct vc *c = &self->c;
	struct vc d;
	uint32_t i;

	OK(vc_attr_set(c, "queues", "3"));
	start(_metadata, c);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(0, blk_write(c, i % 3, i * 8, 4096, i));
	for (i = 0; i < 30; i++)
		ASSERT_EQ(0, blk_read(c, (i + 1) % 3, i * 8, 4096, i));

	OK(vc_create(&d, "trivio-blk-mq"));
	OK(vc_open(&d));
	OK(vc_command(&d, PCI_COMMAND_MEMORY));
	EXPECT_EQ(4, vc_get(&d, BAR(&d), COM(&d, VIRTIO_PCI_COMMON_NUMQ), 2));
	vc_close(&d);
	EXPECT_EQ(0, vc_remove(&d));
}

struct writer {
	struct vc *c;
	volatile bool stop;
	unsigned int done, bad;
};

/* Keeps requests in flight; more than one, so that some are with the disk. */
static void *write_always(void *arg)
{
	struct writer *w = arg;
	struct vc *c = w->c;
	int i, head;

	while (!w->stop) {
		for (i = 0; i < 8; i++) {
			pattern(next_data(c, 0), 4096, i);
			blk_add(c, 0, VIRTIO_BLK_T_OUT, i * 8, 4096);
		}
		vc_kick(c, 0);
		for (i = 0; i < 8; i++) {
			head = vc_wait_used(c, 0, WAIT_MS);
			if (head < 0 || area(c, 0, head / 3)[STATUS])
				w->bad++;
			w->done++;
		}
	}
	return NULL;
}

/*
 * Memory goes away and comes back while a disk copies from it. Unmapping waits
 * for those requests; the next ones wait for the memory.
 */
static void unmap_under_io(struct __test_metadata *_metadata, struct vc *c)
{
	struct writer w = { .c = c };
	pthread_t t;
	int i;

	start(_metadata, c);
	ASSERT_EQ(0, pthread_create(&t, NULL, write_always, &w));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, vc_unmap(c, VC_IOVA, VC_MEM_SIZE));
		EXPECT_EQ(0, pins_left(c));
		ASSERT_EQ(0, vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
		usleep(i * 1000);
	}
	w.stop = true;
	pthread_join(t, NULL);
	EXPECT_LT(0, w.done);
	EXPECT_EQ(0, w.bad);
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(0, blk_read(c, 0, 8, 4096, 1));
}

TEST_F_TIMEOUT(blk, L18_unmap_under_io_memory, LONG)
{
	unmap_under_io(_metadata, &self->c);
}

TEST_F_TIMEOUT(blk, L18_unmap_under_io_file, LONG)
{
	OK(vc_attr_set(&self->c, "disk", self->path));
	unmap_under_io(_metadata, &self->c);
}

/* The client goes with requests in flight. */
TEST_F_TIMEOUT(blk, E01_closed_under_io, LONG)
{
	struct vc *c = &self->c;
	int i, k;

	OK(vc_attr_set(c, "disk", self->path));
	for (i = 0; i < 10; i++) {
		start(_metadata, c);
		for (k = 0; k < 16; k++)
			blk_add(c, 0, VIRTIO_BLK_T_OUT, k * 8, 4096);
		vc_kick(c, 0);
		usleep(i * 300);
		vc_close(c);
		ASSERT_EQ(0, pins_left(c));
	}
}

/* Nothing to answer in: the queue breaks and says so; a reset cures it. */
TEST_F(blk, I20_no_status_byte)
{
	struct vc *c = &self->c;

	start(_metadata, c);
	vc_add(c, 0, VC_IOVA + 0x100000, 16, false);
	vc_kick(c, 0);
	while (!(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET))
		usleep(1000);
	OK(vc_reset(c));
	OK(vc_start(c, BLK_FEATURES));
	EXPECT_EQ(0, blk_write(c, 0, 0, 512, 1));
}

/*
 * The queue breaks while the disk still has requests of it. They end as any other: memory
 * that only they use can be unmapped, which waits for them.
 */
TEST_F(blk, L18_unmap_behind_a_broken_queue)
{
	struct vc *c = &self->c;
	struct vc_queue *q = &c->q[0];
	unsigned int ended = 0;
	void *extra;
	int i, id;

	OK(vc_attr_set(c, "disk", self->path));
	start(_metadata, c);
	extra = mmap(NULL, EXTRA, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, extra);
	ASSERT_EQ(0, vc_map(c, EXTRA_IOVA, extra, EXTRA));
	/* Each page once, so that it is pinned and nobody has to wait for it below. */
	for (i = 0; i < 8; i++) {
		blk_add(c, 0, VIRTIO_BLK_T_IN, i * 8, 4096);
		q->desc[i * 3 + 1].addr = EXTRA_IOVA + i * 4096;
	}
	vc_kick(c, 0);
	/* Requests to a file end in any order. */
	for (i = 0; i < 8; i++) {
		id = vc_wait_used(c, 0, WAIT_MS);
		ASSERT_LE(0, id);
		ASSERT_GT(8 * 3, id);
		ended |= 1u << id / 3;
	}
	ASSERT_EQ(0xff, ended);
	for (i = 8; i < 16; i++) {
		blk_add(c, 0, VIRTIO_BLK_T_IN, i * 8, 4096);
		q->desc[i * 3 + 1].addr = EXTRA_IOVA + (i - 8) * 4096;
	}
	/* The last one is a header, and nothing to answer in. */
	q->desc[15 * 3].flags = 0;
	vc_kick(c, 0);
	while (!(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET))
		usleep(1000);
	ASSERT_EQ(0, vc_unmap(c, EXTRA_IOVA, EXTRA));
	OK(vc_reset(c));
	OK(vc_start(c, BLK_FEATURES));
	EXPECT_EQ(0, blk_write(c, 0, 0, 512, 1));
	munmap(extra, EXTRA);
}

/* --- migration -------------------------------------------------------------- */

FIXTURE(pair) {
	struct vc a, b;
	char path[64];
	uint8_t *buf;
};

/* Two devices with the same file behind them, as shared storage has it. */
FIXTURE_SETUP(pair)
{
	int fd, i;

	self->buf = malloc(STREAM_MAX);
	snprintf(self->path, sizeof(self->path), "/tmp/trivio-blk-%d", getpid());
	fd = open(self->path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, FILE_SIZE));
	close(fd);
	for (i = 0; i < 2; i++) {
		struct vc *c = i ? &self->b : &self->a;

		OK(vc_create(c, "trivio-blk"));
		OK(vc_attr_set(c, "disk", self->path));
		OK(vc_open(c));
	}
}

FIXTURE_TEARDOWN(pair)
{
	PAIR_END(&self->a, &self->b);
	unlink(self->path);
	free(self->buf);
}

/*
 * Stopped with requests anywhere between the ring and the disk. Each completes
 * once, here or there, and its data is on the disk.
 */
TEST_F_TIMEOUT(pair, M07_moves_under_io, LONG)
{
	struct vc *a = &self->a, *b = &self->b, *from = a, *to = b, *t;
	int round, i, n, head;
	ssize_t len;

	OK(vc_start(a, BLK_FEATURES));
	for (round = 0; round < 6; round++) {
		for (i = 0; i < 12; i++) {
			pattern(next_data(from, 0), 4096, round * 12 + i);
			blk_add(from, 0, VIRTIO_BLK_T_OUT,
				(round * 12 + i) * 8 % 2000, 4096);
		}
		vc_kick(from, 0);
		usleep(round * 200);
		len = save(from, self->buf, 4096);
		ASSERT_LT(0, len);
		move_memory(to, from);
		OK(load(to, self->buf, len, 4096));
		OK(mig_set(to, VFIO_DEVICE_STATE_RUNNING, NULL));
		for (n = 0; n < 12; n++) {
			head = vc_wait_used(to, 0, WAIT_MS);
			ASSERT_LE(0, head);
			ASSERT_EQ(0, area(to, 0, head / 3)[STATUS]);
			/* Not a second time. */
			area(to, 0, head / 3)[STATUS] = 0xee;
		}
		EXPECT_EQ(-ETIMEDOUT, vc_wait_used(to, 0, 50));
		for (i = 0; i < 12; i++)
			ASSERT_EQ(0, blk_read(to, 0, (round * 12 + i) * 8 % 2000,
					      4096, round * 12 + i));
		OK(vc_reset(from));
		t = from;
		from = to;
		to = t;
	}
}

/* The driver's cache mode moves; a disk of another size is refused. */
TEST_F(pair, M07_what_moves)
{
	struct vc *a = &self->a, *b = &self->b;
	ssize_t len;
	int wce = 32;

	OK(vc_start(a, BLK_FEATURES | VC_BIT(VIRTIO_BLK_F_CONFIG_WCE)));
	ASSERT_EQ(1, vc_get(a, BAR(a), a->caps.device + wce, 1));
	OK(vc_set(a, BAR(a), a->caps.device + wce, 0, 1));
	ASSERT_EQ(0, vc_get(a, BAR(a), a->caps.device + wce, 1));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	move_memory(b, a);
	OK(load(b, self->buf, len, 4096));
	EXPECT_EQ(0, vc_get(b, BAR(b), b->caps.device + wce, 1));
	OK(vc_reset(b));
	OK(vc_attr_set(b, "capacity", "512K"));
	EXPECT_EQ(-EINVAL, load(b, self->buf, len, 4096));
	EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, mig_get(b));
	OK(vc_reset(b));
	OK(vc_attr_set(b, "capacity", "1M"));
	OK(load(b, self->buf, len, 4096));
}

TEST_F_TIMEOUT(pair, M07_every_byte, LONG)
{
	int stride = access("/proc/lockdep", F_OK) ? 11 : 37;
	ssize_t len, i;

	OK(vc_start(&self->a, BLK_FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (i = 0; i < len; i += i < 64 || len - i < 64 ? 1 : stride) {
		self->buf[i] ^= 1 << i % 8;
		if (!load(&self->b, self->buf, len, 65536))
			mig_set(&self->b, VFIO_DEVICE_STATE_RUNNING, NULL);
		self->buf[i] ^= 1 << i % 8;
		OK(vc_reset(&self->b));
	}
	OK(load(&self->b, self->buf, len, 4096));
}

/* Sectors in the memory of this host go nowhere, and nothing is stopped. */
TEST_F(blk, M07_memory_disk_stays)
{
	struct vc *c = &self->c;
	int fd = -1;

	start(_metadata, c);
	EXPECT_EQ(-EOPNOTSUPP, mig_set(c, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(-EOPNOTSUPP, mig_set(c, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(c));
	EXPECT_EQ(0, blk_write(c, 0, 0, 512, 1));
}

VFIO_HARNESS_MAIN
