// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no client should do: the catalogue's cases for VFIO, one test each, its
 * id in the name. The oracle beside each is the same: an errno, no complaint of
 * the kernel, nothing left pinned, and the device works afterwards.
 */
#include <fcntl.h>
#include <time.h>

#include "hostile.h"
#include "mig.h"

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
	/* The debug kernel takes a hundred times as long. */
	int i, n = access("/proc/lockdep", F_OK) ? 2000 : 30;
	struct vc d;

	for (i = 0; i < n; i++) {
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

/* --- K03: nothing of the kernel's comes back -------------------------------- */

TEST_F(hostile, K03_no_stack_in_answers)
{
	uint8_t buf[512];
	struct vfio_precopy_info *p = (void *)buf;
	unsigned int i, k;
	int fd = -1;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region_info *r = (void *)buf;

		memset(buf, 0xa5, sizeof(buf));
		r->argsz = sizeof(buf);
		r->index = i;
		ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_REGION_INFO, r));
		EXPECT_EQ(0, r->flags & ~0xfu);
		/* Beyond what it says it wrote, our own poison. */
		for (k = r->cap_offset ? sizeof(*r) + 32 : sizeof(*r);
		     k < sizeof(buf); k++)
			ASSERT_EQ(0xa5, buf[k]);
	}
	for (i = 0; i < 2; i++) {
		struct vfio_device_info *d = (void *)buf;

		memset(buf, 0xa5, sizeof(buf));
		d->argsz = i ? sizeof(buf) : 16;
		ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_INFO, d));
		for (k = 16; k < sizeof(buf); k++)
			ASSERT_EQ(0xa5, buf[k]);
	}
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info *q = (void *)buf;

		memset(buf, 0xa5, sizeof(buf));
		q->argsz = sizeof(buf);
		q->index = i;
		if (ioctl(self->c.dev, VFIO_DEVICE_GET_IRQ_INFO, q))
			continue;
		EXPECT_EQ(0, q->flags & ~0xfu);
		for (k = sizeof(*q); k < sizeof(buf); k++)
			ASSERT_EQ(0xa5, buf[k]);
	}
	ASSERT_EQ(0, mig_set(&self->c, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	memset(buf, 0xa5, sizeof(buf));
	p->argsz = sizeof(buf);
	ASSERT_EQ(0, ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, p));
	EXPECT_EQ(0, p->flags);
	EXPECT_EQ(0, p->dirty_bytes);
	for (k = sizeof(*p); k < sizeof(buf); k++)
		ASSERT_EQ(0xa5, buf[k]);
	close(fd);
	ASSERT_EQ(0, mig_set(&self->c, VFIO_DEVICE_STATE_RUNNING, NULL));
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
