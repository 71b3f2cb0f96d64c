// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function as a VFIO client sees it: information, configuration space,
 * BARs, interrupts, reset, doorbells, DMA, and packets through its rings.
 */
#include "common.h"

FIXTURE(dev) {
	struct vc c;
};

FIXTURE_SETUP(dev)
{
	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
}

FIXTURE_TEARDOWN(dev)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

TEST_F(dev, info)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_RESET);
	EXPECT_LE(8, info.num_regions);
	EXPECT_LE(3, info.num_irqs);
	EXPECT_EQ(4096, self->c.size[CFG]);
	EXPECT_EQ(0x2000, self->c.size[1]);
	EXPECT_LE(0x4000 + 3 * 4096, self->c.size[4]);
	EXPECT_EQ(0, self->c.size[0]);
	EXPECT_EQ(0, self->c.size[VFIO_PCI_ROM_REGION_INDEX]);
}

TEST_F(dev, irq_info)
{
	static const int want[] = { 1, 0, 4, -EINVAL, 1, -EINVAL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		struct vfio_irq_info info = {
			.argsz = sizeof(info), .index = i,
		};
		int got = ioctl(self->c.dev, VFIO_DEVICE_GET_IRQ_INFO, &info) ?
			  -errno : (int)info.count;

		EXPECT_EQ(want[i], got) TH_LOG("index %u", i);
	}
}

TEST_F(dev, sparse_mmap)
{
	struct {
		struct vfio_region_info info;
		char caps[256];
	} r = { .info = { .argsz = sizeof(r), .index = 4 } };
	struct vfio_region_info_cap_sparse_mmap *s = (void *)r.caps;
	struct vfio_region_info small = { .argsz = sizeof(small), .index = 4 };

	ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_REGION_INFO, &small));
	EXPECT_LT(sizeof(small), small.argsz);
	EXPECT_EQ(0, small.cap_offset);

	ASSERT_EQ(0, ioctl(self->c.dev, VFIO_DEVICE_GET_REGION_INFO, &r));
	ASSERT_EQ(sizeof(r.info), r.info.cap_offset);
	EXPECT_EQ(VFIO_REGION_INFO_CAP_SPARSE_MMAP, s->header.id);
	ASSERT_EQ(1, s->nr_areas);
	EXPECT_EQ(0x4000, s->areas[0].offset);
	EXPECT_EQ(3 * 4096, s->areas[0].size);
}

/* What upstream's vfio_pci_device_test checks, and a little more. */
TEST_F(dev, config_space)
{
	struct vc *c = &self->c;

	EXPECT_EQ(0x1af4, vc_get(c, CFG, PCI_VENDOR_ID, 2));
	EXPECT_EQ(0x1041, vc_get(c, CFG, PCI_DEVICE_ID, 2));
	EXPECT_EQ(0x02000001, vc_get(c, CFG, PCI_CLASS_REVISION, 4));
	EXPECT_EQ(0, vc_get(c, CFG, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	OK(vc_command(c, PCI_COMMAND_MASTER));
	EXPECT_EQ(PCI_COMMAND_MASTER, vc_get(c, CFG, PCI_COMMAND, 2));
	OK(vc_command(c, 0));
	EXPECT_EQ(0, vc_get(c, CFG, PCI_COMMAND, 2));
	/* Read only, and partly written fields. */
	OK(vc_set(c, CFG, PCI_VENDOR_ID, 0xdead, 2));
	EXPECT_EQ(0x1af4, vc_get(c, CFG, PCI_VENDOR_ID, 2));
	OK(vc_set(c, CFG, PCI_COMMAND, 0xffff, 2));
	EXPECT_EQ(0x546, vc_get(c, CFG, PCI_COMMAND, 2));
	/* BAR sizing, one byte at a time */
	OK(vc_set(c, CFG, PCI_BASE_ADDRESS_1, 0xff, 1));
	EXPECT_EQ(0, vc_get(c, CFG, PCI_BASE_ADDRESS_1, 4));
	OK(vc_set(c, CFG, PCI_BASE_ADDRESS_1, 0xffffffff, 4));
	EXPECT_EQ(0xffffe000, vc_get(c, CFG, PCI_BASE_ADDRESS_1, 4));
	OK(vc_set(c, CFG, PCI_BASE_ADDRESS_4, 0xffffffff, 4));
	EXPECT_EQ(0xffff800c, vc_get(c, CFG, PCI_BASE_ADDRESS_4, 4));
	/* Extended space: nothing there. */
	EXPECT_EQ(0, vc_get(c, CFG, 256, 4));
	EXPECT_EQ(0, vc_get(c, CFG, 4092, 4));
}

TEST_F(dev, capabilities)
{
	struct vc *c = &self->c;
	uint8_t at = vc_get(c, CFG, PCI_CAPABILITY_LIST, 1);
	int pm = 0, exp = 0, msix = 0, vndr = 0, n = 0;

	for (; at && n < 20; n++) {
		switch (vc_get(c, CFG, at, 1)) {
		case PCI_CAP_ID_PM:
			pm = at;
			break;
		case PCI_CAP_ID_EXP:
			exp = at;
			break;
		case PCI_CAP_ID_MSIX:
			msix = at;
			break;
		case PCI_CAP_ID_VNDR:
			vndr++;
			break;
		}
		EXPECT_EQ(0, at & 3);
		at = vc_get(c, CFG, at + 1, 1);
	}
	EXPECT_EQ(8, n);
	EXPECT_NE(0, pm);
	EXPECT_EQ(5, vndr);
	ASSERT_NE(0, exp);
	EXPECT_TRUE(vc_get(c, CFG, exp + PCI_EXP_DEVCAP, 4) &
		    PCI_EXP_DEVCAP_FLR);
	ASSERT_NE(0, msix);
	EXPECT_EQ(3, vc_get(c, CFG, msix + PCI_MSIX_FLAGS, 2));
	EXPECT_EQ(1, vc_get(c, CFG, msix + PCI_MSIX_TABLE, 4));
	EXPECT_EQ(0x1001, vc_get(c, CFG, msix + PCI_MSIX_PBA, 4));
}

/* The window in configuration space reaches what the BAR does. */
TEST_F(dev, config_window)
{
	struct vc *c = &self->c;
	uint8_t w = 0xd4;

	OK(vc_command(c, PCI_COMMAND_MEMORY));
	ASSERT_EQ(VIRTIO_PCI_CAP_PCI_CFG, vc_get(c, CFG, w + 3, 1));
	OK(vc_set(c, CFG, w + 4, BAR(c), 1));
	OK(vc_set(c, CFG, w + 8, COM(c, VIRTIO_PCI_COMMON_NUMQ), 4));
	OK(vc_set(c, CFG, w + 12, 2, 4));
	EXPECT_EQ(3, vc_get(c, CFG, w + 16, 2));
	/* A bad place leaves the data as it was. */
	OK(vc_set(c, CFG, w + 8, 0xfffffffe, 4));
	EXPECT_EQ(3, vc_get(c, CFG, w + 16, 2));
	OK(vc_set(c, CFG, w + 12, 3, 4));
	EXPECT_EQ(3, vc_get(c, CFG, w + 16, 2));
	OK(vc_set(c, CFG, w + 4, 9, 1));
	EXPECT_EQ(3, vc_get(c, CFG, w + 16, 2));
}

TEST_F(dev, common_config)
{
	struct vc *c = &self->c;
	uint64_t f;

	/* Not before memory is decoded. */
	EXPECT_EQ(0xffff, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	EXPECT_EQ(3, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
	f = vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DF), 4);
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 1, 4));
	f |= (uint64_t)vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DF), 4) << 32;
	EXPECT_EQ(FEATURES, f & FEATURES);
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DFSELECT), 2, 4));
	EXPECT_EQ(0, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DF), 4));
	/* A vector that is not there reads back as none. */
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 3, 2));
	EXPECT_EQ(3, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 2));
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 4, 2));
	EXPECT_EQ(0xffff, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_MSIX), 2));
	/* A queue that is not there has no size. */
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SELECT), 3, 2));
	EXPECT_EQ(0, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SIZE), 2));
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SELECT), 2, 2));
	EXPECT_EQ(256, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SIZE), 2));
	/* A byte in the middle of a field, and a whole field by its half */
	OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_DESCLO) + 1, 0x12, 1));
	EXPECT_EQ(0x1200, vc_get(c, BAR(c),
				 COM(c, VIRTIO_PCI_COMMON_Q_DESCLO), 4));
}

TEST_F(dev, features_must_have_version_1)
{
	EXPECT_EQ(-EOPNOTSUPP, vc_start(&self->c, VC_BIT(VIRTIO_NET_F_MAC)));
	EXPECT_EQ(-EOPNOTSUPP, vc_start(&self->c, FEATURES | VC_BIT(63 - 1)));
	EXPECT_EQ(0, vc_start(&self->c, FEATURES));
}

TEST_F(dev, mac_is_the_attribute)
{
	struct vc *c = &self->c;
	uint8_t m[6];
	char want[32], got[32];

	OK(vc_command(c, PCI_COMMAND_MEMORY));
	ASSERT_EQ(6, vc_read(c, BAR(c), c->caps.device, m, 6));
	snprintf(got, sizeof(got), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1],
		 m[2], m[3], m[4], m[5]);
	OK(vc_attr_get(c, "mac", want, sizeof(want)));
	EXPECT_STREQ(want, got);
}

/* --- interrupts ---------------------------------------------------------- */

TEST_F(dev, msix_loopback)
{
	struct vc *c = &self->c;
	int fd[4], i;
	uint8_t on[4] = { 0, 1, 0, 1 };

	for (i = 0; i < 4; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK);
	OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, EVENT | TRIGGER, 0, 4, fd));
	OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER, 0, 4, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, fired(fd[i], 0));
	OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, BOOL | TRIGGER, 0, 4, on));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(on[i], fired(fd[i], 0));
	OK(vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, NONE | TRIGGER,
				   0, 1, NULL));
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

TEST_F(dev, intx_semantics)
{
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK), un = eventfd(0, EFD_NONBLOCK);
	unsigned int x = VFIO_PCI_INTX_IRQ_INDEX;
	uint32_t seq;
	uint64_t one = 1;

	/* Off: nothing but switching on is possible. */
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | MASK, 0, 1, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | UNMASK, 0, 1, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, x, NONE | TRIGGER, 0, 1, NULL));
	OK(vc_irqs(c, x, EVENT | TRIGGER, 0, 1, &fd));
	OK(vc_irqs(c, x, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(1, fired(fd, 0));
	EXPECT_EQ(-ENOTTY, vc_irqs(c, x, EVENT | MASK, 0, 1, &un));
	EXPECT_EQ(-EINVAL, vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, EVENT | TRIGGER,
				   0, 1, &fd));

	/* A transmit completion raises it once; ISR read and unmask rearm. */
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 1));
	EXPECT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	EXPECT_TRUE(vc_get(c, CFG, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	OK(vc_tx(c, 2));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(0, fired(fd, 100));
	/* Unmasked by an eventfd while the line is still up: again */
	OK(vc_irqs(c, x, EVENT | UNMASK, 0, 1, &un));
	ASSERT_EQ(8, write(un, &one, 8));
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	EXPECT_EQ(1, vc_get(c, BAR(c), c->caps.isr, 1));
	EXPECT_EQ(0, vc_get(c, BAR(c), c->caps.isr, 1));
	ASSERT_EQ(8, write(un, &one, 8));
	EXPECT_EQ(0, fired(fd, 100));
	/* INTX_DISABLE keeps it quiet, and it is not forgotten. */
	OK(vc_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		      PCI_COMMAND_INTX_DISABLE));
	OK(vc_tx(c, 3));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(0, fired(fd, 100));
	OK(vc_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	OK(vc_irqs(c, x, NONE | TRIGGER, 0, 0, NULL));
	close(fd);
	close(un);
}

/* A message raised while its vector has no eventfd comes when it gets one. */
TEST_F(dev, msix_pending_is_kept)
{
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK);
	uint32_t seq;

	OK(vc_msix(c, 0, -1));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 1));
	EXPECT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	usleep(100000);
	EXPECT_EQ(1 << 2, vc_get(c, 1, 0x1000, 1));
	OK(vc_msix(c, 2, fd));
	EXPECT_EQ(1, fired(fd, WAIT_MS));
	EXPECT_EQ(0, vc_get(c, 1, 0x1000, 1));
	close(fd);
}

/* --- reset --------------------------------------------------------------- */

TEST_F(dev, reset_is_complete)
{
	struct vc *c = &self->c;
	int i;

	for (i = 0; i < 2; i++) {
		OK(vc_start(c, FEATURES));
		OK(vc_set(c, CFG, PCI_BASE_ADDRESS_1, 0xfe000000, 4));
		if (i)
			OK(vc_reset(c));
		else	/* function level reset */
			OK(vc_set(c, CFG, 0x48 + PCI_EXP_DEVCTL,
				  PCI_EXP_DEVCTL_BCR_FLR, 2));
		EXPECT_EQ(0, vc_get(c, CFG, PCI_COMMAND, 2));
		EXPECT_EQ(0, vc_get(c, CFG, PCI_BASE_ADDRESS_1, 4));
		EXPECT_EQ(0, pins_left(c));
		OK(vc_command(c, PCI_COMMAND_MEMORY));
		EXPECT_EQ(0, vc_status(c));
		OK(vc_set(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_Q_SELECT), 1, 2));
		EXPECT_EQ(0, vc_get(c, BAR(c),
				    COM(c, VIRTIO_PCI_COMMON_Q_ENABLE), 2));
	}
}

/* --- doorbells and packets ------------------------------------------------ */

FIXTURE(bell) {
	struct vc c;
	volatile uint8_t *page;
};

FIXTURE_VARIANT(bell) {
	const char *way;
	const char *stat;
};

FIXTURE_VARIANT_ADD(bell, trap) { "trap", "doorbell_trap" };
FIXTURE_VARIANT_ADD(bell, poll) { "poll", "doorbell_poll" };
FIXTURE_VARIANT_ADD(bell, fault) { "fault", "doorbell_fault" };

FIXTURE_SETUP(bell)
{
	struct vc *c = &self->c;

	self->page = MAP_FAILED;
	OK(vc_create(c, "trivio-net"));
	OK(vc_attr_set(c, "doorbell", variant->way));
	OK(vc_open(c));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	if (strcmp(variant->way, "trap")) {
		self->page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED, c->dev,
				  c->off[BAR(c)] + c->caps.notify);
		ASSERT_NE(MAP_FAILED, self->page);
	}
}

FIXTURE_TEARDOWN(bell)
{
	if (self->page != MAP_FAILED)
		munmap((void *)self->page, 3 * 4096);
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
}

static void ring(struct vc *c, volatile uint8_t *page, int queue)
{
	if (page == MAP_FAILED)
		vc_kick(c, queue);
	else
		*(volatile uint16_t *)(page + queue * 4096) = queue;
}

/* One packet at a time: each finds the queue asleep. */
TEST_F_TIMEOUT(bell, no_kick_is_lost, LONG)
{
	struct vc *c = &self->c;
	uint32_t seq, i;

	for (i = 0; i < 300; i++) {
		int slot = c->q[1].next % VC_RING;
		uint8_t *p = vc_slot(c, 1, slot);

		memset(p, 0, VC_HDR + 60);
		memset(p + VC_HDR, 0xff, 6);
		p[VC_HDR + 6] = 2;
		p[VC_HDR + 12] = VC_ETHERTYPE >> 8;
		p[VC_HDR + 13] = VC_ETHERTYPE & 0xff;
		vc_add(c, 1, vc_slot_iova(1, slot), VC_HDR + 60, false);
		ring(c, self->page, 1);
		ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS))
			TH_LOG("packet %u", i);
		/* All distances between kick and sleep */
		if (i % 3)
			usleep(i * 7 % 1000);
		vc_host_recv(c, &seq, 0);
	}
	EXPECT_LT(0, vc_stat(c, variant->stat));
}

TEST_F_TIMEOUT(bell, packets_both_ways, LONG)
{
	struct vc *c = &self->c;
	uint32_t seq, i;

	OK(vc_rx_post(c, VC_RING / 2));
	if (self->page != MAP_FAILED)
		ring(c, self->page, 0);
	for (i = 0; i < 200; i++) {
		OK(vc_host_send(c, i));
		ASSERT_EQ(0, vc_rx(c, &seq, WAIT_MS)) TH_LOG("rx %u", i);
		EXPECT_EQ(i, seq);
		vc_rx_post(c, 1);
		OK(vc_tx(c, i));
		ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS)) TH_LOG("tx %u", i);
		EXPECT_EQ(i, seq);
		ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	}
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F(dev, ioeventfd)
{
	struct vc *c = &self->c;
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = VFIO_DEVICE_IOEVENTFD_16,
		.offset = c->off[BAR(c)] + c->caps.notify + 4096,
		.data = 1,
		.fd = eventfd(0, EFD_NONBLOCK),
	};
	uint64_t one = 1;
	int slot = 0;

	ASSERT_EQ(0, ioctl(c->dev, VFIO_DEVICE_IOEVENTFD, &io));
	EXPECT_EQ(-1, ioctl(c->dev, VFIO_DEVICE_IOEVENTFD, &io));
	EXPECT_EQ(EEXIST, errno);
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	memset(vc_slot(c, 1, slot), 0, VC_HDR + 60);
	vc_add(c, 1, vc_slot_iova(1, slot), VC_HDR + 60, false);
	ASSERT_EQ(8, write(io.fd, &one, 8));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(1, vc_stat(c, "doorbell_ioeventfd"));
	close(io.fd);
	io.fd = -1;
	ASSERT_EQ(0, ioctl(c->dev, VFIO_DEVICE_IOEVENTFD, &io));
	EXPECT_EQ(-1, ioctl(c->dev, VFIO_DEVICE_IOEVENTFD, &io));
	io.offset = c->off[BAR(c)];
	io.fd = eventfd(0, 0);
	EXPECT_EQ(-1, ioctl(c->dev, VFIO_DEVICE_IOEVENTFD, &io));
	EXPECT_EQ(EINVAL, errno);
	close(io.fd);
}

/* Without bus mastering nothing moves; with it, nothing was forgotten. */
TEST_F(dev, bus_master_is_honoured)
{
	struct vc *c = &self->c;
	uint32_t seq;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	OK(vc_tx(c, 7));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(c, 1, 200));
	OK(vc_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(7, seq);
}

/* --- settings ------------------------------------------------------------- */

TEST_F(dev, settings_are_fixed_while_open)
{
	struct vc *c = &self->c;

	EXPECT_EQ(-EBUSY, vc_attr_set(c, "mac", "52:54:00:00:00:01"));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "queues", "2"));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "mtu", "1400"));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "doorbell", "trap"));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "port", "none"));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "features", "0x100000000"));
	vc_close(c);
	EXPECT_EQ(0, vc_attr_set(c, "mac", "52:54:00:00:00:01"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "mac", "53:54:00:00:00:01"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "mac", "nonsense"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "queues", "0"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "queues", "65"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "mtu", "67"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "features", "0xffffffffffffffff"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "ring", "100"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "name", "a/b"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "name", "%s"));
	EXPECT_EQ(0, vc_attr_set(c, "queues", "2"));
	OK(vc_open(c));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	EXPECT_EQ(5, vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_NUMQ), 2));
}

VFIO_HARNESS_MAIN
