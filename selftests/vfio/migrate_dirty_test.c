// SPDX-License-Identifier: GPL-2.0-only
/*
 * The container's dirty log while a device is moved: what the device wrote is in
 * it, little else is, and it is enough to move the memory with.
 */
#include <linux/if_packet.h>

#include "mig_pair.h"

static int dirty_track(struct vc *c, uint32_t flag)
{
	struct vfio_iommu_type1_dirty_bitmap d = {
		.argsz = sizeof(d), .flags = flag,
	};

	return ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &d) ? -errno : 0;
}

static int dirty_get(struct vc *c, uint8_t *map)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap d;
		struct vfio_iommu_type1_dirty_bitmap_get g;
	} q = {
		.d.argsz = sizeof(q),
		.d.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.g.iova = VC_IOVA,
		.g.size = VC_MEM_SIZE,
		.g.bitmap = {
			.pgsize = 4096, .size = VC_MEM_SIZE / 4096 / 8,
			.data = (void *)map,
		},
	};

	memset(map, 0, VC_MEM_SIZE / 4096 / 8);
	return ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &q) ? -errno : 0;
}

/*
 * What the device writes, the container calls dirty; memory that it has nothing
 * to do with is clean, and little enough is pinned while a VMM pre-copies.
 */
TEST_F_TIMEOUT(mig, M07_dirty_pages, LONG)
{
	uint8_t map[VC_MEM_SIZE / 4096 / 8];
	struct vc *a = &self->a;
	unsigned int i, page, n;
	int fd = -1, slot;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	OK(dirty_track(a, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	OK(dirty_get(a, map));
	for (i = 0; i < 10; i++) {
		OK(vc_host_send(a, i));
		slot = vc_wait_used(a, 0, WAIT_MS);
		ASSERT_LE(0, slot);
		OK(dirty_get(a, map));
		page = (vc_slot_iova(0, slot) - VC_IOVA) / 4096;
		EXPECT_TRUE(map[page / 8] & 1 << page % 8);
		page = ((uint8_t *)a->q[0].used - a->mem) / 4096;
		EXPECT_TRUE(map[page / 8] & 1 << page % 8);
	}
	for (n = 0, i = 0; i < VC_MEM_SIZE / 4096; i++)
		n += !!(map[i / 8] & 1 << i % 8);
	EXPECT_GE(256 + 9, n);
	for (i = VC_MEM_SIZE / 4096 - 64; i < VC_MEM_SIZE / 4096; i++)
		EXPECT_FALSE(map[i / 8] & 1 << i % 8);
	OK(mig_set(a, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(fd);
	OK(dirty_track(a, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
}

/* Pages that this client itself writes; a VMM knows its guest's. */
static bool ours(struct vc *c, unsigned int page)
{
	uint64_t at = page * 4096ull;
	int k;

	for (k = 0; k < VC_QUEUES; k++) {
		uint64_t ring = (uint8_t *)c->q[k].desc - c->mem;

		if (at >= ring && at < ring + 0x2000)
			return true;
	}
	return at >= vc_slot_iova(1, 0) - VC_IOVA &&
	       at < vc_slot_iova(2, 0) - VC_IOVA;
}

/*
 * Memory is copied while the device runs, then once more what is dirty: if the log
 * lacks a page, the target's guest reads yesterday's.
 */
TEST_F_TIMEOUT(mig, M07_the_log_is_enough, LONG)
{
	uint8_t map[VC_MEM_SIZE / 4096 / 8], *mem;
	struct vc *a = &self->a, *b = &self->b;
	unsigned int i, sent, copied = 0;
	uint32_t seq;
	ssize_t len, n;
	int fd = -1;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	for (sent = 0; sent < 5; sent++) {
		OK(vc_host_send(a, sent));
		ASSERT_EQ(0, vc_rx(a, &seq, WAIT_MS));
	}
	OK(dirty_track(a, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	len = read(fd, self->buf, STREAM_MAX);
	ASSERT_LT(0, len);
	OK(dirty_get(a, map));
	mem = malloc(VC_MEM_SIZE);
	memcpy(mem, a->mem, VC_MEM_SIZE);

	/* Not looked at by this guest before it has moved. */
	for (; sent < 35; sent++)
		OK(vc_host_send(a, sent));
	for (i = 0; i < 10; i++) {
		OK(vc_tx(a, i));
		ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	}
	for (i = 0; i < WAIT_MS / 10 &&
	     __atomic_load_n(&a->q[0].used->idx, __ATOMIC_ACQUIRE) != sent; i++)
		usleep(10000);
	ASSERT_EQ(sent, a->q[0].used->idx);
	OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	n = drain(fd, self->buf + len, STREAM_MAX - len, 4096);
	ASSERT_LT(0, n);
	close(fd);
	OK(dirty_get(a, map));
	move_memory(b, a);
	memcpy(b->mem, mem, VC_MEM_SIZE);
	for (i = 0; i < VC_MEM_SIZE / 4096; i++) {
		if (!ours(a, i) && !(map[i / 8] & 1 << i % 8))
			continue;
		memcpy(b->mem + i * 4096ul, a->mem + i * 4096ul, 4096);
		copied++;
	}
	EXPECT_GT(VC_MEM_SIZE / 4096 / 2, copied);
	EXPECT_EQ(0, memcmp(a->mem, b->mem, VC_MEM_SIZE));

	OK(load(b, self->buf, len + n, 4096));
	OK(vc_host_open(b));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	for (i = 5; i < sent; i++) {
		ASSERT_EQ(0, vc_rx(b, &seq, 0));
		ASSERT_EQ(i, seq);
	}
	OK(vc_host_wait(b, WAIT_MS));
	for (; i < sent + 10; i++) {
		OK(vc_host_send(b, i));
		ASSERT_EQ(0, vc_rx(b, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
	}
	free(mem);
}

VFIO_HARNESS_MAIN
