// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function's configuration space in detail: what each bit lets software do,
 * power states, PCI Express, function level reset, the window into the BARs; and
 * DMA mappings of every size a VMM makes.
 */
#include "common.h"

#define PM	0x40
#define EXP	0x48
#define WINDOW	0xd4
#define WINDOW_DATA	(WINDOW + 16)
#define DEVCTL	(EXP + PCI_EXP_DEVCTL)

FIXTURE(pci) {
	struct vc c;
};

FIXTURE_SETUP(pci)
{
	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
}

FIXTURE_TEARDOWN(pci)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

/* --- masks ---------------------------------------------------------------- */

/* Bits that software may change, from the specifications; all others are 0. */
static const struct {
	uint8_t off;
	uint8_t mask;
} writable[] = {
	{ PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		       PCI_COMMAND_PARITY },
	{ PCI_COMMAND + 1, (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8 },
	{ PCI_CACHE_LINE_SIZE, 0xff },
	{ PCI_INTERRUPT_LINE, 0xff },
	/* BAR 1, 8 KiB; BAR 4, 32 KiB, 64-bit */
	{ 0x15, 0xe0 }, { 0x16, 0xff }, { 0x17, 0xff },
	{ 0x21, 0x80 }, { 0x22, 0xff }, { 0x23, 0xff },
	{ 0x24, 0xff }, { 0x25, 0xff }, { 0x26, 0xff }, { 0x27, 0xff },
	{ PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK },
	{ DEVCTL, 0x1f }, { DEVCTL + 1, 0x78 },
	{ EXP + PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC },
	{ 0x84 + PCI_MSIX_FLAGS + 1, 0xc0 },
	{ WINDOW + 4, 0xff },
	{ WINDOW + 8, 0xff }, { WINDOW + 9, 0xff },
	{ WINDOW + 10, 0xff }, { WINDOW + 11, 0xff },
	{ WINDOW + 12, 0xff }, { WINDOW + 13, 0xff },
	{ WINDOW + 14, 0xff }, { WINDOW + 15, 0xff },
	{ WINDOW + 16, 0xff }, { WINDOW + 17, 0xff },
	{ WINDOW + 18, 0xff }, { WINDOW + 19, 0xff },
};

static uint8_t mask_of(unsigned int off)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(writable); i++) {
		if (writable[i].off == off)
			return writable[i].mask;
	}
	return 0;
}

TEST_F(pci, each_bit_as_specified)
{
	struct vc *c = &self->c;
	unsigned int off;

	for (off = 0; off < 256; off++) {
		/* Not the bit that resets everything. */
		uint8_t ones = off == DEVCTL + 1 ? 0x7f : 0xff;
		uint8_t set, clear;

		OK(vc_set(c, CFG, off, ones, 1));
		set = vc_get(c, CFG, off, 1);
		OK(vc_set(c, CFG, off, 0, 1));
		clear = vc_get(c, CFG, off, 1);
		EXPECT_EQ(mask_of(off), set ^ clear)
			TH_LOG("byte %#x: %#x, %#x", off, set, clear);
	}
}

/* One access over several registers changes what each of them allows. */
TEST_F(pci, across_registers)
{
	struct vc *c = &self->c;
	uint8_t was[16], is[16], ones[16];
	unsigned int at, len, i;

	memset(ones, 0xff, sizeof(ones));
	for (at = 0; at < 12; at++) {
		for (len = 1; len <= 16 - at; len++) {
			OK(vc_reset(c));
			ASSERT_EQ(16, vc_read(c, CFG, 0, was, 16));
			ASSERT_EQ(len, vc_write(c, CFG, at, ones, len));
			ASSERT_EQ(16, vc_read(c, CFG, 0, is, 16));
			for (i = 0; i < 16; i++)
				EXPECT_EQ(i < at || i >= at + len ? was[i] :
					  was[i] | mask_of(i), is[i])
					TH_LOG("%u+%u: byte %u", at, len, i);
		}
	}
}

/* --- power ---------------------------------------------------------------- */

TEST_F(pci, power_states)
{
	struct vc *c = &self->c;
	uint32_t seq;

	/* No D1, no D2: such a write is dropped. */
	EXPECT_EQ(0, vc_get(c, CFG, PM + PCI_PM_PMC, 2) &
		  (PCI_PM_CAP_D1 | PCI_PM_CAP_D2));
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 1, 2));
	EXPECT_EQ(0, vc_get(c, CFG, PM + PCI_PM_CTRL, 1) & 3);
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 2, 1));
	EXPECT_EQ(0, vc_get(c, CFG, PM + PCI_PM_CTRL, 1) & 3);

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 3, 2));
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 1, 2));
	EXPECT_EQ(3, vc_get(c, CFG, PM + PCI_PM_CTRL, 1) & 3);
	/* Asleep it decodes no memory and does no DMA, bus master or not. */
	EXPECT_EQ(0xff, vc_status(c));
	OK(vc_tx(c, 9));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 1, 300));
	EXPECT_EQ(0x1af4, vc_get(c, CFG, PCI_VENDOR_ID, 2));
	/* NoSoftRst: all is as it was, and nothing was forgotten. */
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 0, 2));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(9, seq);
}

/* --- PCI Express ------------------------------------------------------------ */

TEST_F(pci, express)
{
	struct vc *c = &self->c;

	EXPECT_EQ(PCI_EXP_TYPE_ENDPOINT << 4 | 2,
		  vc_get(c, CFG, EXP + PCI_EXP_FLAGS, 2));
	EXPECT_EQ(PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR,
		  vc_get(c, CFG, EXP + PCI_EXP_DEVCAP, 4));
	/* Relaxed ordering, no snoop, reads of 512 bytes: the base values. */
	EXPECT_EQ(0x2810, vc_get(c, CFG, DEVCTL, 2));
	EXPECT_EQ(0, vc_get(c, CFG, EXP + PCI_EXP_DEVSTA, 2));
	EXPECT_EQ(0x11, vc_get(c, CFG, EXP + PCI_EXP_LNKSTA, 2));
	EXPECT_EQ(0x11, vc_get(c, CFG, EXP + PCI_EXP_LNKCAP, 2) & 0x3ff);
	/* Larger payloads, extended tags and phantom functions are not there. */
	OK(vc_set(c, CFG, DEVCTL, 0x03e0, 2));
	EXPECT_EQ(0, vc_get(c, CFG, DEVCTL, 2));
}

static int flr_word(struct vc *c)
{
	return vc_set(c, CFG, DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
}

static int flr_byte(struct vc *c)
{
	return vc_set(c, CFG, DEVCTL + 1, 0x80, 1);
}

static int flr_wide(struct vc *c)
{
	uint8_t buf[8] = { [5] = 0x80 };
	int n = vc_write(c, CFG, DEVCTL - 4, buf, 8);

	return n == 8 ? 0 : n;
}

/* However wide the write that asks for it. The client's eventfds stay. */
TEST_F(pci, function_level_reset)
{
	static int (*const how[])(struct vc *c) = {
		flr_word, flr_byte, flr_wide,
	};
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK);
	unsigned int i;
	uint32_t seq;
	long resets;

	OK(vc_msix(c, 2, fd));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		OK(vc_start(c, FEATURES));
		OK(vc_set(c, CFG, DEVCTL, 0x1f, 1));
		resets = vc_stat(c, "resets");
		OK(how[i](c));
		EXPECT_EQ(resets + 1, vc_stat(c, "resets"));
		EXPECT_EQ(0x2810, vc_get(c, CFG, DEVCTL, 2));
		EXPECT_EQ(0, vc_get(c, CFG, PCI_COMMAND, 2));
		EXPECT_EQ(0, pins_left(c));
		OK(vc_start(c, FEATURES));
		OK(vc_host_open(c));
		OK(vc_tx(c, i));
		EXPECT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
		EXPECT_EQ(1, fired(fd, WAIT_MS));
		vc_host_close(c);
	}
	close(fd);
}

/* Whatever the driver wrote is gone, and nothing is owed any more. */
TEST_F(pci, reset_is_complete)
{
	static const struct { uint8_t off, len; uint32_t val; } reg[] = {
		{ VIRTIO_PCI_COMMON_DFSELECT, 4, 0 }, { VIRTIO_PCI_COMMON_GFSELECT, 4, 0 },
		{ VIRTIO_PCI_COMMON_GF, 4, 0 }, { VIRTIO_PCI_COMMON_MSIX, 2, 0xffff },
		{ VIRTIO_PCI_COMMON_STATUS, 1, 0 }, { VIRTIO_PCI_COMMON_Q_SELECT, 2, 0 },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, 256 }, { VIRTIO_PCI_COMMON_Q_MSIX, 2, 0xffff },
		{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0 }, { VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0 },
		{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0 }, { VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0 },
	};
	struct vc *c = &self->c;
	unsigned int i, how;
	int fd = eventfd(0, EFD_NONBLOCK);

	for (how = 0; how < 2; how++) {
		OK(vc_start(c, FEATURES));
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 0, 2));
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_GFSELECT), 1, 4));
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 1, 4));
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SELECT), 2, 2));
		/* The MSI-X table is memory, and no more than its vectors. */
		for (i = 0; i < 4 * 16; i += 4)
			OK(vc_set(c, 1, i, 0xa5000000 + i, 4));
		for (i = 0; i < 4 * 16; i += 4)
			EXPECT_EQ(0xa5000000 + i, vc_get(c, 1, i, 4));
		/* A message and a level that nobody has taken. */
		OK(vc_tx(c, 1));
		ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		for (i = 0; i < WAIT_MS / 10 && !vc_get(c, 1, 0x1000, 1); i++)
			usleep(10000);
		EXPECT_EQ(4, vc_get(c, 1, 0x1000, 1));
		OK(how ? flr_word(c) : vc_reset(c));
		OK(vc_command(c, PCI_COMMAND_MEMORY));
		EXPECT_EQ(0, vc_get(c, 1, 0x1000, 1));
		EXPECT_EQ(0, vc_get(c, BAR(c), c->caps.isr, 1));
		for (i = 0; i < 4 * 16; i += 4)
			EXPECT_EQ(0, vc_get(c, 1, i, 4));
		for (i = 0; i < ARRAY_SIZE(reg); i++)
			EXPECT_EQ(reg[i].val, vc_get(c, BAR(c), COM(c, reg[i].off),
						     reg[i].len))
				TH_LOG("register %#x", reg[i].off);
		OK(vc_msix(c, 2, fd));
		EXPECT_EQ(0, fired(fd, 100));
		OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER, 0, 0, NULL));
	}
	close(fd);
}

/* --- the window (virtio 1.2, 4.1.4.9) ---------------------------------------- */

static void window(struct vc *c, uint32_t off, int len)
{
	vc_set(c, CFG, WINDOW + 4, BAR(c), 1);
	vc_set(c, CFG, WINDOW + 8, off, 4);
	vc_set(c, CFG, WINDOW + 12, len, 4);
}

/* It is for firmware that has not mapped the BARs: memory is not decoded. */
TEST_F(pci, window_without_memory)
{
	struct vc *c = &self->c;

	EXPECT_EQ(0, vc_get(c, CFG, PCI_COMMAND, 2));
	EXPECT_EQ(0xffff, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
	window(c, COM(c, VIRTIO_PCI_COMMON_NUMQ), 2);
	EXPECT_EQ(3, vc_get(c, CFG, WINDOW_DATA, 2));
	window(c, COM(c, VIRTIO_PCI_COMMON_STATUS), 1);
	OK(vc_set(c, CFG, WINDOW_DATA, VIRTIO_CONFIG_S_ACKNOWLEDGE, 1));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	EXPECT_EQ(VIRTIO_CONFIG_S_ACKNOWLEDGE, vc_status(c));
	/* Asleep there is nothing behind it: the data stay what they are. */
	window(c, COM(c, VIRTIO_PCI_COMMON_NUMQ), 2);
	OK(vc_set(c, CFG, WINDOW_DATA, 0x5a5a, 2));
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 3, 2));
	OK(vc_set(c, CFG, WINDOW_DATA, 0xa5a5, 2));
	EXPECT_EQ(0xa5a5, vc_get(c, CFG, WINDOW_DATA, 2));
	OK(vc_set(c, CFG, PM + PCI_PM_CTRL, 0, 2));
	EXPECT_EQ(3, vc_get(c, CFG, WINDOW_DATA, 2));
}

TEST_F(pci, window_rings_the_doorbell)
{
	struct vc *c = &self->c;
	uint32_t seq;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_command(c, PCI_COMMAND_MASTER));
	/* The doorbell itself is not there: memory is not decoded. */
	OK(vc_tx(c, 1));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 1, 300));
	EXPECT_EQ(0xffff, vc_get(c, BAR(c), c->caps.notify, 2));
	EXPECT_EQ(0, vc_stat(c, "doorbell_trap"));
	window(c, c->caps.notify + c->caps.notify_mul, 2);
	OK(vc_set(c, CFG, WINDOW_DATA, 1, 2));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	vc_host_recv(c, &seq, 0);
}

/* --- BARs and DMA -------------------------------------------------------------- */

/* What upstream checks: each region that says so can be mapped, and no other. */
TEST_F(pci, mappable_regions)
{
	struct vc *c = &self->c;
	int i;

	for (i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX;
	     i++) {
		struct vfio_region_info r = { .argsz = sizeof(r), .index = i };
		uint64_t at = i == 4 ? c->caps.notify : 0;
		void *p;

		ASSERT_EQ(0, ioctl(c->dev, VFIO_DEVICE_GET_REGION_INFO, &r));
		EXPECT_EQ(i == 4, !!(r.flags & VFIO_REGION_INFO_FLAG_MMAP));
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c->dev,
			 r.offset + at);
		EXPECT_EQ(i == 4, p != MAP_FAILED) TH_LOG("BAR %d", i);
		if (p != MAP_FAILED)
			munmap(p, 4096);
	}
}

FIXTURE(dma) {
	struct vc c;
};

FIXTURE_VARIANT(dma) {
	size_t size;
	int flags;
};

FIXTURE_VARIANT_ADD(dma, anonymous_4k) { 4096, 0 };
FIXTURE_VARIANT_ADD(dma, anonymous_64k) { 65536, 0 };
FIXTURE_VARIANT_ADD(dma, anonymous_2m) { 2 << 20, 0 };
FIXTURE_VARIANT_ADD(dma, hugetlb_2m) { 2 << 20, MAP_HUGETLB };

FIXTURE_SETUP(dma)
{
	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
}

FIXTURE_TEARDOWN(dma)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

static void hugepages(const char *n)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fputs(n, f);
		fclose(f);
	}
}

static void send_from(struct vc *c, uint8_t *p, uint64_t iova)
{
	memset(p, 0, VC_HDR + 60);
	memset(p + VC_HDR, 0xff, 6);
	vc_add(c, 1, iova, VC_HDR + 60, false);
	vc_kick(c, 1);
}

/* Map, read from both ends by DMA, unmap, map again: then it is gone. */
TEST_F(dma, map_and_unmap)
{
	const uint64_t iova = 0x80000000;
	size_t size = variant->size;
	struct vc *c = &self->c;
	uint8_t *p;
	int i;

	if (!access("/proc/lockdep", F_OK))
		SKIP(return, "type1 has its own lock inversion");
	if (variant->flags)
		hugepages("4");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | variant->flags, -1, 0);
	if (p == MAP_FAILED && variant->flags)
		SKIP(return, "no huge pages to be had");
	ASSERT_NE(MAP_FAILED, p);
	OK(vc_start(c, FEATURES));
	for (i = 0; i < 3; i++) {
		OK(vc_map(c, iova, p, size));
		EXPECT_EQ(-EEXIST, vc_map(c, iova, p, size));
		send_from(c, p, iova);
		EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		send_from(c, p + size - VC_HDR - 60,
			  iova + size - VC_HDR - 60);
		EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		OK(vc_unmap(c, iova, size));
	}
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	send_from(c, p, iova);
	for (i = 0; i < WAIT_MS / 10; i++) {
		if (vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET)
			break;
		usleep(10000);
	}
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 1, 0));
	munmap(p, size);
	if (variant->flags)
		hugepages("0");
}

/*
 * A guest's IOMMU maps what is sent read only, what is received into for writing,
 * side by side. Pinning many pages at once must not make them all the same.
 */
TEST_F(pci, mapping_of_each_page)
{
	const uint64_t iova = 0x90000000;
	const size_t half = 32 * 4096;
	struct vc *c = &self->c;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.iova = iova,
		.size = half,
	};
	uint32_t seq;
	uint8_t *p;

	p = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	map.vaddr = (uintptr_t)p;
	ASSERT_EQ(0, ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map));
	OK(vc_map(c, iova + half, p + half, half));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	send_from(c, p, iova);
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	vc_host_recv(c, &seq, 0);
	vc_add(c, 0, iova + half, 2048, true);
	vc_kick(c, 0);
	OK(vc_host_send(c, 7));
	EXPECT_LE(0, vc_wait_used(c, 0, WAIT_MS));
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(VC_ETHERTYPE >> 8, p[half + VC_HDR + 12]);
	/* What is read only stays so. */
	vc_add(c, 0, iova, 2048, true);
	vc_kick(c, 0);
	vc_host_send(c, 8);
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 0, 500));
	EXPECT_TRUE(vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	munmap(p, 2 * half);
}

VFIO_HARNESS_MAIN
