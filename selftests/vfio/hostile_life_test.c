// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other half of hostile_test.c: memory that is mapped, unmapped and limited under
 * traffic, and lifetimes that race.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "hostile.h"

/* --- I23, L18, E01: DMA ---------------------------------------------------- */

TEST_F(hostile, I23_map_unmap)
{
	struct vc *c = &self->c;
	struct vfio_iommu_type1_dma_unmap all = {
		.argsz = sizeof(all), .flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};
	struct vfio_iommu_type1_dma_unmap vaddr = {
		.argsz = sizeof(vaddr),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR,
	};

	EXPECT_EQ(-EEXIST, vc_map(c, VC_IOVA, c->mem, 4096));
	EXPECT_EQ(-EINVAL, vc_map(c, VC_IOVA * 2, c->mem, 0));
	EXPECT_EQ(-EINVAL, vc_map(c, -4096ull, c->mem, 8192));
	EXPECT_EQ(-EINVAL, vc_unmap(c, VC_IOVA + 4096, 4096));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 1));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	/* The addresses of pinned memory can't be swapped under the device. */
	EXPECT_EQ(-1, ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &vaddr));
	OK(vc_tx(c, 2));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_LT(0, locked_kb());
	/* Rings and buffers are pinned: all must be let go of. */
	ASSERT_EQ(0, ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &all));
	EXPECT_EQ(0, pins_left(c));
	OK(vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE));
	vc_host_close(c);
	works(_metadata, c);
}

/* As many mappings as the container takes, and one more; the device is none the worse. */
TEST_F_TIMEOUT(hostile, I23_too_many_maps, LONG)
{
	const uint64_t iova = 0x100000000ull;
	struct vc *c = &self->c;
	uint32_t seq;
	unsigned int n;
	int err = 0;

	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	for (n = 0; n < 70000 && !err; n++)
		err = vc_map(c, iova + n * 8192ull, c->mem, 4096);
	EXPECT_EQ(-ENOSPC, err);
	OK(vc_tx(c, 5));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(5, seq);
	OK(vc_unmap(c, iova, n * 8192ull));
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

VFIO_HARNESS_MAIN
