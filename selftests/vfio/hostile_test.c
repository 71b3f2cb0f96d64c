// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no client should do: the catalogue's cases for VFIO, one test each, its
 * id in the name. The oracle beside each is the same: an errno, no complaint of
 * the kernel, nothing left pinned, and the device works afterwards.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "common.h"

FIXTURE(hostile) {
	struct vc c;
};

FIXTURE_SETUP(hostile)
{
	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
}

FIXTURE_TEARDOWN(hostile)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

/* The device is as good as new. */
static void works(struct __test_metadata *_metadata, struct vc *c)
{
	uint32_t seq;

	OK(vc_reset(c));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 42));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(42, seq);
	vc_host_close(c);
}

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

/* --- I19: SET_IRQS -------------------------------------------------------- */

TEST_F(hostile, I19_ranges)
{
	struct vc *c = &self->c;
	int fd[4] = { -1, -1, -1, -1 };
	unsigned int x = VFIO_PCI_MSIX_IRQ_INDEX;

	EXPECT_EQ(-EINVAL, vc_irqs(c, x, EVENT | TRIGGER, 4, 1, fd));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, EVENT | TRIGGER, 1, 4, fd));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | TRIGGER, 0xffffffff, 2, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | TRIGGER, 2, 0xfffffffe, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | TRIGGER, 0, 0xffffffff, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, EVENT | TRIGGER, 0, 4, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, VFIO_PCI_INTX_IRQ_INDEX, EVENT | TRIGGER,
				   1, 1, fd));
	EXPECT_EQ(-EINVAL, vc_irqs(c, 5, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, 0xffffffff, NONE | TRIGGER, 0, 1, NULL));
	/* No MSI: its count is 0. */
	EXPECT_EQ(-EINVAL, vc_irqs(c, VFIO_PCI_MSI_IRQ_INDEX, NONE | TRIGGER, 0,
				   1, NULL));
	works(_metadata, c);
}

TEST_F(hostile, I19_types_mixed)
{
	struct vc *c = &self->c;
	unsigned int x, f;

	/* Every flag combination on every index: no complaint is the point. */
	for (x = 0; x < 6; x++) {
		for (f = 0; f < 128; f++) {
			int fd = -1;
			int err = vc_irqs(c, x, f, 0, 1, &fd);
			unsigned int data = f & 7, action = f & 0x38;

			if (data & (data - 1) || action & (action - 1) ||
			    !data || !action || f & 64)
				EXPECT_GT(0, err) TH_LOG("%u %#x", x, f);
			vc_irqs(c, x, f, 0, 0, NULL);
		}
		vc_irqs(c, x, NONE | TRIGGER, 0, 0, NULL);
	}
	works(_metadata, c);
}

TEST_F(hostile, I19_no_eventfd)
{
	struct vc *c = &self->c;
	int fd[2] = { eventfd(0, EFD_NONBLOCK), open("/dev/null", O_RDWR) };

	EXPECT_EQ(-EINVAL, vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, EVENT | TRIGGER,
				   0, 2, fd));
	close(fd[1]);
	EXPECT_EQ(-EBADF, vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, EVENT | TRIGGER,
				  0, 2, fd));
	/* All or nothing: the good one was not kept. */
	OK(vc_msix(c, 1, -1));
	OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER, 0, 2, NULL));
	EXPECT_EQ(0, fired(fd[0], 0));
	close(fd[0]);
	works(_metadata, c);
}

/* What an eventfd is called by its fdinfo; numbers are used again. */
static int eventfd_id(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "eventfd-id: %d", &id);
	if (f)
		fclose(f);
	return id;
}

/* A trigger that is replaced is let go of (kvmgt keeps it). */
TEST_F_TIMEOUT(hostile, I19_replaced_eventfd_is_freed, LONG)
{
	struct vc *c = &self->c;
	int fd, i, first = -1, id = -1;

	for (i = 0; i < 1000; i++) {
		fd = eventfd(0, EFD_NONBLOCK);
		id = eventfd_id(fd);
		if (!i)
			first = id;
		OK(vc_msix(c, 1, fd));
		OK(vc_irqs(c, VFIO_PCI_REQ_IRQ_INDEX, EVENT | TRIGGER, 0, 1,
			   &fd));
		close(fd);
		usleep(500);
	}
	/* RCU may keep some for a while. */
	EXPECT_GT(first + 900, id);
	works(_metadata, c);
}

/* --- I20: region access --------------------------------------------------- */

TEST_F(hostile, I20_past_the_region)
{
	volatile uintptr_t nowhere = 8;
	struct vc *c = &self->c;
	uint8_t buf[64];
	int i;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		uint64_t size = c->size[i];

		EXPECT_GE(0, vc_read(c, i, size, buf, 1));
		EXPECT_GE(0, vc_write(c, i, size, buf, 1));
		EXPECT_GE(0, vc_read(c, i, size + 1, buf, 1));
		EXPECT_GE(0, vc_read(c, i, (1ull << 40) - 1, buf, 1));
		if (!size)
			continue;
		/* Short at the end, never beyond it. */
		EXPECT_EQ(3, vc_read(c, i, size - 3, buf, 64));
	}
	EXPECT_EQ(-1, pread(c->dev, buf, 4, (9ull << 40)));
	EXPECT_EQ(-1, pread(c->dev, buf, 4, (0x7fffffull << 40)));
	EXPECT_EQ(-1, pread(c->dev, buf, 4, -4));
	EXPECT_EQ(-EFAULT, vc_read(c, CFG, 0, (void *)nowhere, 4));
	works(_metadata, c);
}

/*
 * Offsets and counts are as wide as they look: 64 KiB further is another place
 * (mtty's is not), and a huge count ends at the region's end.
 */
TEST_F(hostile, I20_offset_not_truncated)
{
	struct vc *c = &self->c;
	uint32_t val = 0;
	uint8_t *big;

	vc_close(c);
	OK(vc_attr_set(c, "queues", "32"));
	OK(vc_open(c));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	ASSERT_LT(0x20000, c->size[BAR(c)]);
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 1, 4));
	EXPECT_EQ(1, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 4));
	EXPECT_EQ(4, vc_read(c, BAR(c), 0x10000 + COM(c, 0), &val, 4));
	EXPECT_EQ(0, val);
	OK(vc_set(c, BAR(c), 0x10000 + COM(c, 0), 7, 4));
	EXPECT_EQ(1, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 4));
	EXPECT_GT(0, vc_read(c, CFG, 0x10000, &val, 4));
	big = mmap(NULL, 1 << 24, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, big);
	EXPECT_EQ(c->size[CFG], vc_read(c, CFG, 0, big, 1 << 24));
	EXPECT_EQ(c->size[BAR(c)], vc_read(c, BAR(c), 0, big, 1 << 24));
	munmap(big, 1 << 24);
	works(_metadata, c);
}

/* Any width and alignment gives the same bytes. */
TEST_F(hostile, I20_unaligned)
{
	struct vc *c = &self->c;
	uint8_t whole[64], part[64];
	unsigned int off, len, i;
	int regions[] = { CFG, 1, 4 };

	OK(vc_command(c, PCI_COMMAND_MEMORY));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(64, vc_read(c, regions[i], 0, whole, 64));
		for (off = 0; off < 64; off++) {
			for (len = 1; len <= 64 - off; len++) {
				ASSERT_EQ(len, vc_read(c, regions[i], off, part,
						       len));
				ASSERT_EQ(0, memcmp(part, whole + off, len))
					TH_LOG("%u: %u+%u", i, off, len);
			}
		}
	}
}

TEST_F(hostile, I20_memory_disabled)
{
	struct vc *c = &self->c;
	uint32_t val = 0;

	OK(vc_start(c, FEATURES));
	OK(vc_command(c, PCI_COMMAND_MASTER));
	EXPECT_EQ(4, vc_read(c, 4, COM(c, 0), &val, 4));
	EXPECT_EQ(0xffffffff, val);
	vc_set_status(c, 0);
	OK(vc_command(c, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_DRIVER_OK);
	/* D3hot: the same, and configuration space still answers. */
	OK(vc_set(c, CFG, 0x44, 3, 2));
	EXPECT_EQ(0xff, vc_status(c));
	EXPECT_EQ(0x1af4, vc_get(c, CFG, 0, 2));
	OK(vc_set(c, CFG, 0x44, 0, 2));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_DRIVER_OK);
	works(_metadata, c);
}

TEST_F(hostile, I20_queue_select)
{
	static const uint16_t sel[] = { 3, 4, 128, 129, 255, 0x7fff, 0xffff };
	struct vc *c = &self->c;
	unsigned int i, off;

	OK(vc_command(c, PCI_COMMAND_MEMORY));
	for (i = 0; i < ARRAY_SIZE(sel); i++) {
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SELECT),
			  sel[i], 2));
		for (off = VIRTIO_PCI_COMMON_Q_SIZE; off < 64; off++)
			vc_set(c, BAR(c), COM(c, off), 1, 1);
		EXPECT_EQ(0, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SIZE),
				    2));
		EXPECT_EQ(0xffff, vc_get(c, BAR(c),
					 COM(c, VIRTIO_PCI_COMMON_Q_MSIX), 2));
		vc_set(c, BAR(c), c->caps.notify + sel[i] * 4096ull, 0, 2);
	}
	works(_metadata, c);
}

/* Random writes everywhere, with the driver running or not. */
TEST_F_TIMEOUT(hostile, I20_random_writes, LONG)
{
	struct vc *c = &self->c;
	static const int regions[] = { CFG, 1, 4, 4 };
	uint32_t s = 12345, i;

	for (i = 0; i < 6000; i++) {
		int region = regions[rnd(&s) % 4];
		uint64_t off = rnd(&s) % (rnd(&s) & 1 ? 256 : c->size[region]);
		uint8_t buf[8];
		unsigned int k;

		for (k = 0; k < sizeof(buf); k++)
			buf[k] = rnd(&s);
		if (!(i % 500)) {
			vc_reset(c);
			vc_start(c, FEATURES);
		}
		if (rnd(&s) & 1)
			vc_write(c, region, off, buf, 1 + rnd(&s) % 8);
		else
			vc_read(c, region, off, buf, 1 + rnd(&s) % 8);
	}
	works(_metadata, c);
}

/* --- I21: configuration space --------------------------------------------- */

TEST_F(hostile, I21_every_byte)
{
	struct vc *c = &self->c;
	static const int vals[] = { 0xff, 0x5a, 0 };
	uint8_t before[256], after[256];
	unsigned int i, v;

	ASSERT_EQ(256, vc_read(c, CFG, 0, before, 256));
	for (i = 0; i < 4096; i++) {
		for (v = 0; v < 3; v++)
			vc_set(c, CFG, i, vals[v], 1);
	}
	OK(vc_reset(c));
	ASSERT_EQ(256, vc_read(c, CFG, 0, after, 256));
	EXPECT_EQ(0, memcmp(before, after, 256));
	works(_metadata, c);
}

TEST_F(hostile, I21_window_everywhere)
{
	static const uint32_t offs[] = {
		0, 1, 0x14, 0x3ffe, 0x4000, 0x7fff, 0x8000, 0xfffffffc,
	};
	struct vc *c = &self->c;
	unsigned int bar, o, len;

	OK(vc_start(c, FEATURES));
	for (bar = 0; bar < 256; bar++) {
		for (o = 0; o < ARRAY_SIZE(offs); o++) {
			for (len = 0; len < 10; len++) {
				vc_set(c, CFG, 0xd8, bar, 1);
				vc_set(c, CFG, 0xdc, offs[o], 4);
				vc_set(c, CFG, 0xe0, len, 4);
				vc_set(c, CFG, 0xe4, 0x0f0f0f0f, 4);
				vc_get(c, CFG, 0xe4, 4);
			}
		}
		/* The interesting ones are few. */
		if (bar == 6)
			bar = 254;
	}
	works(_metadata, c);
}

/* --- I22: creation and removal -------------------------------------------- */

TEST_F_TIMEOUT(hostile, I22_cycles, LONG)
{
	struct vc d;
	int i;

	for (i = 0; i < 30; i++) {
		OK(vc_create(&d, i & 1 ? "trivio-net" : "trivio-net-mq"));
		if (!(i % 4)) {
			OK(vc_open(&d));
			OK(vc_start(&d, FEATURES));
			vc_close(&d);
		}
		OK(vc_remove(&d));
	}
	works(_metadata, &self->c);
}

TEST_F(hostile, I22_same_uuid)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/mdev_bus/trivio/"
		 "mdev_supported_types/trivio-net/create");
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, self->c.uuid, strlen(self->c.uuid)));
	EXPECT_EQ(EEXIST, errno);
	close(fd);
	works(_metadata, &self->c);
}

TEST_F_TIMEOUT(hostile, I22_too_many, LONG)
{
	struct vc *many = calloc(65, sizeof(*many));
	int n, err = 0;

	for (n = 0; n < 65 && !err; n++)
		err = vc_create(&many[n], "trivio-net");
	EXPECT_EQ(-EUSERS, err);
	for (n--; n > 0; n--)
		EXPECT_EQ(0, vc_remove(&many[n - 1]));
	free(many);
}

/* --- I23, L18, E01: DMA ---------------------------------------------------- */

TEST_F(hostile, I23_map_unmap)
{
	struct vc *c = &self->c;
	struct vfio_iommu_type1_dma_unmap all = {
		.argsz = sizeof(all), .flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	EXPECT_EQ(-EEXIST, vc_map(c, VC_IOVA, c->mem, 4096));
	EXPECT_EQ(-EINVAL, vc_map(c, VC_IOVA * 2, c->mem, 0));
	EXPECT_EQ(-EINVAL, vc_map(c, -4096ull, c->mem, 8192));
	EXPECT_EQ(-EINVAL, vc_unmap(c, VC_IOVA + 4096, 4096));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 1));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	/* Rings and buffers are pinned: all must be let go of. */
	ASSERT_EQ(0, ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &all));
	EXPECT_EQ(0, pins_left(c));
	OK(vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
	vc_host_close(c);
	works(_metadata, c);
}

struct sender {
	struct vc *c;
	volatile bool stop;
};

static void *send_always(void *arg)
{
	struct sender *s = arg;
	uint32_t seq = 0;

	while (!s->stop) {
		vc_host_send(s->c, seq);
		vc_kick(s->c, 1);
		vc_kick(s->c, 0);
		seq++;
	}
	return NULL;
}

/*
 * Unmap and map again under traffic. Left to itself a driver pins again between
 * two calls of the container, which stops the machine after ten. The ring comes
 * back by itself, because its memory does.
 */
TEST_F_TIMEOUT(hostile, L18_unmap_under_traffic, LONG)
{
	struct vc *c = &self->c;
	struct sender s = { .c = c };
	uint32_t seq;
	pthread_t t;
	int i, n;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	vc_rx_post(c, VC_RING);
	ASSERT_EQ(0, pthread_create(&t, NULL, send_always, &s));
	for (i = 0; i < 25; i++) {
		ASSERT_EQ(0, vc_unmap(c, VC_IOVA, VC_MEM_SIZE));
		ASSERT_EQ(0, vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
		for (n = 0; n < VC_RING && vc_wait_used(c, 0, 0) >= 0; n++)
			vc_rx_post(c, 1);
		usleep(i * 1000);
	}
	s.stop = true;
	pthread_join(t, NULL);
	/* It went on: a packet each way. */
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	OK(vc_tx(c, 77));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	do
		n = vc_host_recv(c, &seq, WAIT_MS);
	while (!n && seq != 77);
	EXPECT_EQ(0, n);
	EXPECT_LT(0, vc_stat(c, "mem_unmaps"));
}

/* Ranges of their own, a thread each; what they share is the container. */
#define RANGE_IOVA(i)	(0x20000000ull + (i) * 0x1000000)
#define RANGE_LEN	0x40000

struct unmapper {
	struct vc *c;
	pthread_mutex_t *ring;
	int index;
	unsigned int rounds;
	int err;
};

static void *unmap_always(void *arg)
{
	struct unmapper *u = arg;
	struct vc *c = u->c;
	uint64_t iova = RANGE_IOVA(u->index);
	uint8_t *mem;
	unsigned int i;

	mem = mmap(NULL, RANGE_LEN, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		u->err = -ENOMEM;
		return NULL;
	}
	for (i = 0; i < u->rounds && !u->err; i++) {
		u->err = vc_map(c, iova, mem, RANGE_LEN);
		if (u->err)
			break;
		/* A frame out of it, so that the device has it pinned. */
		pthread_mutex_lock(u->ring);
		vc_add(c, 1, iova + i % 64 * 4096, VC_HDR + 60, false);
		vc_kick(c, 1);
		if (vc_wait_used(c, 1, WAIT_MS) < 0)
			u->err = -ETIMEDOUT;
		pthread_mutex_unlock(u->ring);
		if (vc_unmap(c, iova, RANGE_LEN))
			u->err = -EIO;
	}
	munmap(mem, RANGE_LEN);
	return NULL;
}

/*
 * Two threads unmap pinned memory of one container at a time, and devices join
 * and leave it meanwhile. type1 calls the device with a lock held that both wait
 * for holding another one, which the unpinning needs: who waits for the unpin
 * where it is called hangs here for good.
 */
TEST_F_TIMEOUT(hostile, L18_unmaps_in_parallel, LONG)
{
	struct vc *c = &self->c, d;
	pthread_mutex_t ring = PTHREAD_MUTEX_INITIALIZER;
	struct unmapper u[2];
	pthread_t t[2];
	int i;

	OK(vc_start(c, FEATURES));
	OK(vc_create(&d, "trivio-net"));
	for (i = 0; i < 2; i++) {
		u[i] = (struct unmapper){ c, &ring, i, 60, 0 };
		ASSERT_EQ(0, pthread_create(&t[i], NULL, unmap_always, &u[i]));
	}
	for (i = 0; i < 10; i++) {
		OK(vc_join(&d, c));
		vc_close(&d);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(0, u[i].err);
	}
	EXPECT_EQ(0, vc_remove(&d));
	TH_LOG("%ld unmaps, %ld of them again", vc_stat(c, "mem_unmaps"),
	       vc_stat(c, "mem_unmaps_again"));
	works(_metadata, c);
}

/*
 * A VMM that splits a memory region unmaps all of it and maps the parts. What
 * the driver queued in the gap waits; what stays away breaks the queue.
 */
TEST_F(hostile, L18_buffer_comes_back)
{
	struct vc *c = &self->c;
	uint32_t seq;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 1));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	OK(vc_unmap(c, VC_IOVA, VC_MEM_SIZE));
	/* Rings first, the buffers later. */
	OK(vc_map(c, VC_IOVA, c->mem, 0x100000));
	OK(vc_tx(c, 2));
	usleep(100000);
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	OK(vc_map(c, VC_IOVA + 0x100000, c->mem + 0x100000,
		  VC_MEM_SIZE - 0x100000));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(2, seq);
	vc_host_close(c);
}

/* A buffer where nothing is mapped: the queue breaks, and says so. */
TEST_F(hostile, L18_buffer_not_mapped)
{
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK);

	OK(vc_start(c, FEATURES));
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 0, 2));
	OK(vc_msix(c, 0, fd));
	vc_add(c, 1, 0x10000, 100, false);
	vc_kick(c, 1);
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close(fd);
	works(_metadata, c);
}

/* The device's own doorbell as a buffer: the pin faults in our handler. */
TEST_F(hostile, L18_own_doorbell_as_buffer)
{
	struct vc *c = &self->c;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			  c->dev, c->off[BAR(c)] + c->caps.notify + 4096);

	ASSERT_NE(MAP_FAILED, page);
	OK(vc_map(c, 0x10000000, page, 4096));
	OK(vc_start(c, FEATURES));
	vc_add(c, 1, 0x10000000, 100, false);
	vc_kick(c, 1);
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	OK(vc_unmap(c, 0x10000000, 4096));
	munmap(page, 4096);
	works(_metadata, c);
}

/* Rings that are nowhere, or beyond the end. */
TEST_F(hostile, L18_ring_not_mapped)
{
	struct vc *c = &self->c;

	OK(vc_unmap(c, VC_IOVA, VC_MEM_SIZE));
	EXPECT_EQ(-EIO, vc_start(c, FEATURES));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(0, pins_left(c));
	OK(vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
	works(_metadata, c);
}

/*
 * 9 pages of rings and 1 of data: with 16 allowed it works, though a whole
 * block can't be pinned; with 8 the rings can't be, and the driver is told.
 */
TEST(E01_memlock)
{
	unsigned int pages;
	int status;
	struct vc c;
	pid_t pid;

	OK(vc_create(&c, "trivio-net"));
	for (pages = 8; pages <= 16; pages += 8) {
		pid = fork();
		if (!pid) {
			int err;

			if (vc_memlock(pages) || vc_open(&c))
				_exit(1);
			err = vc_start(&c, FEATURES);
			if (pages == 8)
				_exit(err != -EIO || pins_left(&c));
			if (err)
				_exit(2);
			vc_tx(&c, 1);
			if (vc_wait_used(&c, 1, WAIT_MS) < 0)
				_exit(3);
			_exit(pins_left(&c) > 16 ? 4 : 0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("%u pages", pages);
		EXPECT_EQ(0, pins_left(&c));
	}
	EXPECT_EQ(0, vc_remove(&c));
}

/*
 * More memory in use than may be pinned: the cache gives pages back to have
 * others, all the traffic passes, and the container's complaints stay few.
 */
TEST(E01_memlock_many_buffers)
{
	int status;
	struct vc c;
	pid_t pid;

	OK(vc_create(&c, "trivio-net"));
	pid = fork();
	if (!pid) {
		unsigned int i;

		if (vc_memlock(20) || vc_open(&c) || vc_start(&c, FEATURES))
			_exit(1);
		for (i = 0; i < 300; i++) {
			vc_add(&c, 1, VC_IOVA + 0x100000 + i * 8192, 72, false);
			vc_kick(&c, 1);
			if (vc_wait_used(&c, 1, WAIT_MS) < 0)
				_exit(2);
			if (pins_left(&c) > 20)
				_exit(3);
		}
		_exit(vc_stat(&c, "mem_pin_failures") > 2 ? 4 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pins_left(&c));
	EXPECT_EQ(0, vc_remove(&c));
}

/* Killed at any moment: nothing stays pinned, the device can be removed. */
TEST_F_TIMEOUT(hostile, E01_killed_client, LONG)
{
	OK(killed_clients(20, 7000));
}

/* --- L16, L17, L19, L20: lifetimes ------------------------------------------ */

TEST_F(hostile, L16_interface_down_and_up)
{
	struct vc *c = &self->c;
	char cmd[160];

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	snprintf(cmd, sizeof(cmd),
		 "ip link set %s down && ip link set %s mtu 1400 && ip link set %s up",
		 c->ifname, c->ifname, c->ifname);
	vc_tx(c, 1);
	EXPECT_EQ(0, system(cmd));
	vc_host_close(c);
	works(_metadata, c);
}

static void *remove_it(void *arg)
{
	return (void *)(long)vc_remove(arg);
}

TEST(L17_remove_while_open)
{
	struct vc c;
	int req = eventfd(0, EFD_NONBLOCK);
	pthread_t t;
	void *ret;

	OK(vc_create(&c, "trivio-net"));
	OK(vc_open(&c));
	OK(vc_start(&c, FEATURES));
	OK(vc_irqs(&c, VFIO_PCI_REQ_IRQ_INDEX, EVENT | TRIGGER, 0, 1, &req));
	ASSERT_EQ(0, pthread_create(&t, NULL, remove_it, &c));
	EXPECT_LE(1, fired(req, WAIT_MS));
	/* Still ours until we let go. */
	EXPECT_EQ(0, vc_reset(&c));
	vc_close(&c);
	pthread_join(t, &ret);
	EXPECT_EQ(0, (long)ret);
	close(req);
}

TEST_F(hostile, L19_two_fds)
{
	struct vc *c = &self->c;
	int dev2 = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, c->uuid);
	int first = c->dev;

	ASSERT_LE(0, dev2);
	OK(vc_start(c, FEATURES));
	close(first);
	c->dev = dev2;
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_DRIVER_OK);
	works(_metadata, c);
}

struct flipper {
	struct vc *c;
	volatile bool stop;
	int how;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	int fd = eventfd(0, EFD_NONBLOCK);

	while (!f->stop) {
		switch (f->how) {
		case 0:
			vc_msix(f->c, 2, fd);
			vc_msix(f->c, 2, -1);
			vc_irqs(f->c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER,
				0, 0, NULL);
			break;
		case 1:
			vc_irqs(f->c, VFIO_PCI_INTX_IRQ_INDEX, EVENT | TRIGGER,
				0, 1, &fd);
			vc_irqs(f->c, VFIO_PCI_INTX_IRQ_INDEX, EVENT | UNMASK,
				0, 1, &fd);
			vc_irqs(f->c, VFIO_PCI_INTX_IRQ_INDEX, NONE | MASK, 0,
				1, NULL);
			vc_irqs(f->c, VFIO_PCI_INTX_IRQ_INDEX, NONE | TRIGGER,
				0, 0, NULL);
			break;
		case 2:
			vc_reset(f->c);
			vc_start(f->c, FEATURES);
			break;
		}
	}
	close(fd);
	return NULL;
}

static void race(struct __test_metadata *_metadata, struct vc *c, int how)
{
	struct flipper f = { .c = c, .how = how };
	pthread_t t;
	int i;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	ASSERT_EQ(0, pthread_create(&t, NULL, flip, &f));
	for (i = 0; i < 1000; i++) {
		vc_add(c, 1, vc_slot_iova(1, i % VC_RING), 72, false);
		vc_kick(c, 1);
	}
	f.stop = true;
	pthread_join(t, NULL);
	vc_host_close(c);
	vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER, 0, 0, NULL);
	vc_irqs(c, VFIO_PCI_INTX_IRQ_INDEX, NONE | TRIGGER, 0, 0, NULL);
	works(_metadata, c);
}

TEST_F_TIMEOUT(hostile, L20_msix_change_against_raise, LONG)
{
	race(_metadata, &self->c, 0);
}

TEST_F_TIMEOUT(hostile, L20_intx_change_against_raise, LONG)
{
	race(_metadata, &self->c, 1);
}

TEST_F_TIMEOUT(hostile, L19_reset_during_traffic, LONG)
{
	race(_metadata, &self->c, 2);
}

/* --- K03: nothing of the kernel's comes back -------------------------------- */

TEST_F(hostile, K03_no_stack_in_answers)
{
	uint8_t buf[512];
	unsigned int i, k;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region_info *r = (void *)buf;

		memset(buf, 0xa5, sizeof(buf));
		r->argsz = sizeof(buf);
		r->index = i;
		ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_REGION_INFO, r));
		EXPECT_EQ(0, r->flags & ~0xfu);
		/* Beyond what it says it wrote, our own poison. */
		for (k = r->cap_offset ? 128 : sizeof(*r); k < sizeof(buf); k++)
			ASSERT_EQ(0xa5, buf[k]);
	}
	for (i = 0; i < 2; i++) {
		struct vfio_device_info *d = (void *)buf;

		memset(buf, 0xa5, sizeof(buf));
		d->argsz = i ? sizeof(buf) : 16;
		ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_INFO, d));
		for (k = 20; k < sizeof(buf); k++)
			ASSERT_EQ(0xa5, buf[k]);
	}
	/* Device memory reads as zero where there is nothing. */
	OK(vc_command(&self->c, PCI_COMMAND_MEMORY));
	for (i = 0x3000; i < 0x4000; i += 4)
		ASSERT_EQ(0, vc_get(&self->c, 4, i, 4));
	for (i = 64; i < 4096; i += 4)
		ASSERT_EQ(0, vc_get(&self->c, CFG, 256 + i % 3840, 4));
}

/* What we do not do is said so, the first time too (mbochs says ENOMEM). */
TEST_F(hostile, K03_other_ioctls)
{
	static const unsigned int cmd[] = {
		VFIO_DEVICE_QUERY_GFX_PLANE, VFIO_DEVICE_GET_GFX_DMABUF,
		VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VFIO_DEVICE_PCI_HOT_RESET,
		_IO(VFIO_TYPE, VFIO_BASE + 99), 0, ~0u,
	};
	uint8_t buf[512], same[512];
	unsigned int i;

	memset(same, 0xa5, sizeof(same));
	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		memset(buf, 0xa5, sizeof(buf));
		*(uint32_t *)buf = sizeof(buf);
		EXPECT_EQ(-1, ioctl(self->c.dev, cmd[i], buf));
		EXPECT_EQ(ENOTTY, errno) TH_LOG("%#x", cmd[i]);
		EXPECT_EQ(0, memcmp(buf + 4, same, sizeof(buf) - 4));
	}
	for (i = 0; i < 64; i++) {
		struct vfio_device_feature *f = (void *)buf;

		memset(buf, 0, sizeof(buf));
		f->argsz = sizeof(buf);
		f->flags = VFIO_DEVICE_FEATURE_GET | (0x100 + i);
		EXPECT_EQ(-1, ioctl(self->c.dev, VFIO_DEVICE_FEATURE, f));
	}
	works(_metadata, &self->c);
}

TEST_F(hostile, K03_doorbell_page_is_clean)
{
	uint8_t *page = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, self->c.dev,
			     self->c.off[4] + self->c.caps.notify);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, page);
	for (i = 0; i < 3 * 4096; i++)
		ASSERT_EQ(i % 4096 < 4 ? 0xff : 0, page[i]);
	munmap(page, 3 * 4096);
}

TEST_F(hostile, K03_mmap_only_doorbells)
{
	struct vc *c = &self->c;
	uint64_t n = c->off[4] + c->caps.notify;
	struct { uint64_t off; size_t len; int flags; } bad[] = {
		{ c->off[4], 4096, MAP_SHARED },
		{ c->off[4], 8 * 4096, MAP_SHARED },
		{ n - 4096, 4096, MAP_SHARED },
		{ n, 4 * 4096, MAP_SHARED },
		{ n + 3 * 4096, 4096, MAP_SHARED },
		{ n + 2 * 4096, 2 * 4096, MAP_SHARED },
		{ n, 4096, MAP_PRIVATE },
		{ c->off[1], 4096, MAP_SHARED },
		{ c->off[CFG], 4096, MAP_SHARED },
		{ 0, 4096, MAP_SHARED },
		{ 0x7ffffffffffff000, 4096, MAP_SHARED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(MAP_FAILED, mmap(NULL, bad[i].len,
					   PROT_READ | PROT_WRITE, bad[i].flags,
					   c->dev, bad[i].off)) TH_LOG("%u", i);
}

VFIO_HARNESS_MAIN
