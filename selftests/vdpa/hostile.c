// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no driver should do to a block device on a vhost-vdpa node, and what a
 * device must do then; each defect found in the kernel's simulator is a case.
 * Makes its own device, so it needs root, iproute2's vdpa and the modules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/files.h"
#include "../lib/harness.h"

#include "client.h"
#include "vnl.h"

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	300

#define DEV	"tvhost0"
#define PROFILE	VDPA_PROFILES DEV
/* 1 MiB, set through the profile. */
#define SECTORS	2048ULL

#define S_START	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		 VIRTIO_CONFIG_S_FEATURES_OK)

FIXTURE(dev)
{
	struct client c;
	char node[64];
};

/* Memory that is pinned, and memory of the owner's process. */
FIXTURE_VARIANT(dev) {
	bool va;
};

FIXTURE_VARIANT_ADD(dev, pa) {};
FIXTURE_VARIANT_ADD(dev, va) { .va = true };

FIXTURE_SETUP(dev)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &lim);
	ASSERT_EQ(0, vdev_profile(DEV));
	ASSERT_EQ(0, put(PROFILE "/capacity", "1M"));
	ASSERT_EQ(0, put(PROFILE "/queues", "2"));
	ASSERT_EQ(0, put(PROFILE "/use_va", variant->va ? "1" : "0"));
	ASSERT_EQ(0, put(PROFILE "/lifetime", "1 5 7"));
	ASSERT_EQ(0, vdev_add(DEV, "trivio_blk", NULL));
	ASSERT_EQ(0, vdev_bind(DEV, self->node, sizeof(self->node)));
	ASSERT_EQ(0, client_open(&self->c, self->node));
}

FIXTURE_TEARDOWN(dev)
{
	client_close(&self->c);
	EXPECT_EQ(0, vdev_del(DEV, 30));
	EXPECT_EQ(0, vdev_profile_end(DEV));
}

TEST_F_TIMEOUT(dev, write_and_read_back, LONG)
{
	uint8_t *data = self->c.mem + OFF_DATA + 0x1000;
	uint32_t written;
	int i;

	ASSERT_EQ(0, client_start(&self->c));
	for (i = 0; i < 4096; i++)
		data[i] = i * 7;
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_OUT, 8, 4096, 0,
				&written));
	EXPECT_EQ(1, written);
	memset(data, 0xff, 4096);
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 8, 0, 4096,
				&written));
	EXPECT_EQ(4097, written);
	for (i = 0; i < 4096 && data[i] == (uint8_t)(i * 7); i++)
		;
	EXPECT_EQ(4096, i);
	/* What was never written is zero, not what the kernel had there. */
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 512, 0, 4096, NULL));
	for (i = 0; i < 4096 && !data[i]; i++)
		;
	EXPECT_EQ(4096, i);
}

TEST_F_TIMEOUT(dev, nothing_mapped_is_nothing_touched, LONG)
{
	ASSERT_EQ(0, client_features(&self->c, ~(1ULL << VIRTIO_F_RING_PACKED)));
	ASSERT_EQ(0, client_queue(&self->c, 0));
	ASSERT_EQ(0, client_set_status(&self->c,
				       S_START | VIRTIO_CONFIG_S_DRIVER_OK));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	client_kick(&self->c);
	EXPECT_EQ(0, client_wait(&self->c, 300));
}

TEST_F_TIMEOUT(dev, R29_bounds_of_the_disk, LONG)
{
	static const struct {
		uint64_t sector;
		int len;
		int status;
	} t[] = {
		{ SECTORS - 1, 512, VIRTIO_BLK_S_OK },
		{ SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR },
		{ 1ULL << 55, 512, VIRTIO_BLK_S_IOERR },
		{ SECTORS - 1, 511, VIRTIO_BLK_S_IOERR },
		{ SECTORS - 1, 513, VIRTIO_BLK_S_IOERR },
		{ 0, 1, VIRTIO_BLK_S_IOERR },
		{ 0, 0, VIRTIO_BLK_S_IOERR },
	};
	size_t i;

	ASSERT_EQ(0, client_start(&self->c));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t written = 99;

		EXPECT_EQ(t[i].status, client_blk(&self->c, VIRTIO_BLK_T_IN,
						  t[i].sector, 0, t[i].len,
						  &written)) {
			TH_LOG("read, case %zu", i);
		}
		/* Never more than was written. */
		EXPECT_EQ(t[i].status ? !t[i].len : t[i].len + 1, written);
		EXPECT_EQ(t[i].status, client_blk(&self->c, VIRTIO_BLK_T_OUT,
						  t[i].sector, t[i].len, 0,
						  NULL)) {
			TH_LOG("write, case %zu", i);
		}
	}
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, client_blk(&self->c, 77, 0, 0, 0, NULL));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_FLUSH, 0, 0, 0, NULL));
}

TEST_F_TIMEOUT(dev, R29_ranges, LONG)
{
	struct virtio_blk_discard_write_zeroes *r =
		(void *)(self->c.mem + OFF_DATA + 0x1000);
	int i, size = sizeof(*r);

	ASSERT_EQ(0, client_start(&self->c));
	memset(r, 0, 300 * size);
	for (i = 0; i < 300; i++) {
		r[i].sector = i;
		r[i].num_sectors = 1;
	}
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, size, 0,
				NULL));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, 16 * size,
				0, NULL));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, 17 * size, 0,
			     NULL));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, 0, 0, NULL));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, size - 1, 0,
			     NULL));
	r[0].num_sectors = 0;
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_WRITE_ZEROES, 0, size, 0,
			     NULL));
	r[0].sector = SECTORS - 1;
	r[0].num_sectors = 2;
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_WRITE_ZEROES, 0, size, 0,
			     NULL));
	r[0].sector = UINT64_MAX;
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  client_blk(&self->c, VIRTIO_BLK_T_SECURE_ERASE, 0, size, 0,
			     NULL));
	r[0].sector = 0;
	r[0].num_sectors = 1;
	r[0].flags = 1;
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_WRITE_ZEROES, 0, size, 0,
				NULL));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP,
		  client_blk(&self->c, VIRTIO_BLK_T_DISCARD, 0, size, 0, NULL));
	r[0].flags = 2;
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP,
		  client_blk(&self->c, VIRTIO_BLK_T_WRITE_ZEROES, 0, size, 0,
			     NULL));
}

/* What is erased reads as zeroes, its neighbours stay. */
TEST_F_TIMEOUT(dev, secure_erase, LONG)
{
	uint8_t *data = self->c.mem + OFF_DATA + 0x1000;
	struct virtio_blk_discard_write_zeroes *r = (void *)data;
	int i;

	ASSERT_EQ(0, client_start(&self->c));
	memset(data, 0xa5, 3 * 4096);
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_OUT, 0, 3 * 4096, 0,
				NULL));
	memset(r, 0, sizeof(*r));
	r->sector = 8;
	r->num_sectors = 8;
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_SECURE_ERASE, 0,
				sizeof(*r), 0, NULL));
	memset(data, 0xff, 3 * 4096);
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 3 * 4096,
				NULL));
	for (i = 0; i < 3 * 4096; i++) {
		if (data[i] != (i / 4096 == 1 ? 0 : 0xa5))
			break;
	}
	EXPECT_EQ(3 * 4096, i);
}

/* Virtio 1.2, 5.2.6; no driver of 6.12 asks for it. */
TEST_F_TIMEOUT(dev, lifetime, LONG)
{
	uint16_t *w = (void *)(self->c.mem + OFF_DATA + 0x1000);
	const uint32_t get = 10;
	uint32_t written;

	ASSERT_EQ(0, client_start(&self->c));
	memset(w, 0xff, 8);
	ASSERT_EQ(0, client_blk(&self->c, get, 0, 0, 6, &written));
	EXPECT_EQ(7, written);
	EXPECT_EQ(1, w[0]);
	EXPECT_EQ(5, w[1]);
	EXPECT_EQ(7, w[2]);
	EXPECT_EQ(0xffff, w[3]);
	/* It wears out while it is in use. */
	ASSERT_EQ(0, put(PROFILE "/lifetime", "3 11 7"));
	EXPECT_NE(0, put(PROFILE "/lifetime", "4 0 0"));
	ASSERT_EQ(0, client_blk(&self->c, get, 0, 0, 6, NULL));
	EXPECT_EQ(3, w[0]);
	EXPECT_EQ(11, w[1]);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, client_blk(&self->c, get, 0, 0, 5, NULL));
}

/* Mappings that fail on purpose: the process's, and then the ring's. */
TEST_F_TIMEOUT(dev, map_fault, LONG)
{
	ASSERT_EQ(0, put(PROFILE "/faults/map/times", "1"));
	ASSERT_EQ(0, put(PROFILE "/faults/map/queue", "-1"));
	ASSERT_EQ(0, put(PROFILE "/faults/map/every", "1"));
	EXPECT_NE(0, client_map(&self->c, CLIENT_IOVA, self->c.mem, CLIENT_MEM,
				VHOST_ACCESS_RW));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM);
	ASSERT_EQ(0, put(PROFILE "/faults/map/queue", "0"));
	ASSERT_EQ(0, put(PROFILE "/faults/map/every", "1"));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM);
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
	ASSERT_EQ(0, put(PROFILE "/faults/map/every", "0"));
}

/* A header in pieces is legal; a chain without room for a status is not. */
TEST_F_TIMEOUT(dev, R29_layout_of_a_request, LONG)
{
	size_t off[] = { OFF_DATA, OFF_DATA + 7, OFF_DATA + 0x1000,
			 OFF_DATA + 64 };
	int split[] = { 7, 9, -512, -1 }, nostatus[] = { 16 };
	struct virtio_blk_outhdr *hdr = (void *)(self->c.mem + OFF_DATA);

	ASSERT_EQ(0, client_start(&self->c));
	memset(hdr, 0, sizeof(*hdr));
	self->c.mem[OFF_DATA + 64] = 0xee;
	client_put(&self->c, 4, off, split, 4);
	client_kick(&self->c);
	ASSERT_EQ(1, client_wait(&self->c, 5000));
	EXPECT_EQ(0, self->c.mem[OFF_DATA + 64]);
	self->c.used++;

	client_put(&self->c, 8, off, nostatus, 1);
	client_kick(&self->c);
	client_wait(&self->c, 500);
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* A refused request must not hold up those behind it. */
TEST_F_TIMEOUT(dev, error_in_a_batch, LONG)
{
	struct virtio_blk_outhdr *bad = (void *)(self->c.mem + OFF_DATA);
	struct virtio_blk_outhdr *good = bad + 1;
	size_t o1[] = { OFF_DATA, OFF_DATA + 0x1000, OFF_DATA + 64 };
	size_t o2[] = { OFF_DATA + 16, OFF_DATA + 0x2000, OFF_DATA + 65 };
	int len[] = { 16, -512, -1 };

	ASSERT_EQ(0, client_start(&self->c));
	memset(bad, 0, 2 * sizeof(*bad));
	bad->sector = SECTORS;
	good->sector = 1;
	self->c.mem[OFF_DATA + 65] = 0xee;
	client_put(&self->c, 0, o1, len, 3);
	client_put(&self->c, 4, o2, len, 3);
	client_kick(&self->c);
	ASSERT_EQ(2, client_wait(&self->c, 5000));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, self->c.mem[OFF_DATA + 64]);
	EXPECT_EQ(VIRTIO_BLK_S_OK, self->c.mem[OFF_DATA + 65]);
}

TEST_F_TIMEOUT(dev, R17_avail_index_jump, LONG)
{
	ASSERT_EQ(0, client_start(&self->c));
	client_avail(&self->c)->idx = CLIENT_NUM + 1;
	client_kick(&self->c);
	EXPECT_EQ(0, client_wait(&self->c, 500));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* A reset makes it as good as new. */
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
}

TEST_F_TIMEOUT(dev, R23_read_only_memory_is_not_written, LONG)
{
	uint8_t *ro = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct virtio_blk_outhdr *hdr = (void *)(self->c.mem + OFF_DATA);
	size_t off[] = { OFF_DATA, CLIENT_MEM, OFF_DATA + 64 };
	int len[] = { 16, -512, -1 };

	memset(ro, 0x5a, 4096);
	ASSERT_EQ(0, client_start(&self->c));
	ASSERT_EQ(0, client_map(&self->c, CLIENT_IOVA + CLIENT_MEM, ro, 4096,
				VHOST_ACCESS_RO));
	memset(hdr, 0, sizeof(*hdr));
	client_put(&self->c, 0, off, len, 3);
	client_kick(&self->c);
	EXPECT_EQ(0, client_wait(&self->c, 500));
	EXPECT_EQ(0x5a, ro[0]);
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	munmap(ro, 4096);
}

/* After an unmap the device does not reach the memory; a reset mends it. */
TEST_F_TIMEOUT(dev, unmapped_while_running, LONG)
{
	ASSERT_EQ(0, client_start(&self->c));
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	memset(self->c.mem + OFF_DATA + 0x1000, 0x5a, 512);
	EXPECT_EQ(-ETIMEDOUT, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512,
					 NULL));
	EXPECT_EQ(0x5a, self->c.mem[OFF_DATA + 0x1000]);
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
}

TEST_F_TIMEOUT(dev, I13_status_out_of_order, LONG)
{
	/* DRIVER_OK without FEATURES_OK is not taken. */
	ASSERT_EQ(0, client_set_status(&self->c, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				       VIRTIO_CONFIG_S_DRIVER));
	client_set_status(&self->c, VIRTIO_CONFIG_S_ACKNOWLEDGE |
			  VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_DRIVER_OK);
	/* FEATURES_OK without features is not kept. */
	client_set_status(&self->c, S_START);
	EXPECT_FALSE(client_status(&self->c) & VIRTIO_CONFIG_S_FEATURES_OK);
	/* Bits can't be taken back but by a reset. */
	EXPECT_EQ(-EINVAL, client_set_status(&self->c,
					     VIRTIO_CONFIG_S_ACKNOWLEDGE));
	EXPECT_EQ(0, client_set_status(&self->c,
				       client_status(&self->c) |
				       VIRTIO_CONFIG_S_FAILED));
	EXPECT_EQ(0, client_set_status(&self->c, 0));
	EXPECT_EQ(0, client_status(&self->c));
}

static int config_get(int fd, uint32_t off, uint32_t len, void *buf)
{
	struct vhost_vdpa_config *cfg;
	int err;

	cfg = calloc(1, sizeof(*cfg) + 256);
	cfg->off = off;
	cfg->len = len;
	err = ioctl(fd, VHOST_VDPA_GET_CONFIG, cfg) ? -errno : 0;
	if (!err)
		memcpy(buf, cfg->buf, len);
	free(cfg);
	return err;
}

TEST_F_TIMEOUT(dev, I14_config_space, LONG)
{
	struct { struct vhost_vdpa_config c; uint64_t v; } set = {
		.c = { .off = 0, .len = 8 }, .v = 12345,
	};
	uint64_t capacity = 0;
	uint32_t size = 0;
	uint8_t b[256];

	ASSERT_EQ(0, client_features(&self->c, ~0ULL));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_CONFIG_SIZE, &size));
	EXPECT_EQ(sizeof(struct virtio_blk_config), size);
	EXPECT_EQ(0, config_get(self->c.fd, 0, 8, &capacity));
	EXPECT_EQ(SECTORS, capacity);
	EXPECT_EQ(-EINVAL, config_get(self->c.fd, 0, 0, b));
	EXPECT_EQ(-EINVAL, config_get(self->c.fd, size + 1, 1, b));
	EXPECT_EQ(-EINVAL, config_get(self->c.fd, size - 1, 2, b));
	EXPECT_EQ(-EINVAL, config_get(self->c.fd, UINT32_MAX, 2, b));
	/* Capacity is not the driver's to write. */
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_CONFIG, &set));
	EXPECT_EQ(0, config_get(self->c.fd, 0, 8, &capacity));
	EXPECT_EQ(SECTORS, capacity);
}

TEST_F_TIMEOUT(dev, I15_groups_and_address_spaces, LONG)
{
	struct vhost_vring_state s = {};
	uint32_t ngroups, nas;

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_GROUP_NUM, &ngroups));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_AS_NUM, &nas));
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_GROUP, &s));
	EXPECT_EQ(0, s.num);
	s.index = ngroups;
	s.num = 0;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	s.index = 0;
	s.num = nas;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	ASSERT_EQ(0, client_start(&self->c));
	s.num = 1;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	EXPECT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
	/* A queue can't be told apart by a size ioctl that fails. */
	s.index = 0;
	s.num = 0;
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_GET_VRING_SIZE, &s));
	EXPECT_EQ(256, s.num);
}

/* What is mapped in another address space is not there for the data group. */
TEST_F_TIMEOUT(dev, I15_wrong_address_space, LONG)
{
	struct vhost_vring_state s = { .index = 0, .num = 1 };

	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SET_GROUP_ASID, &s));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_TRUE(client_status(&self->c) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F_TIMEOUT(dev, base_outlives_a_reset, LONG)
{
	struct vhost_vring_state s = {};
	int i;

	ASSERT_EQ(0, client_start(&self->c));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512,
					NULL));
	ASSERT_EQ(0, client_set_status(&self->c, 0));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_GET_VRING_BASE, &s));
	EXPECT_EQ(3, s.num);
}

TEST_F_TIMEOUT(dev, L26_suspend_and_resume, LONG)
{
	struct virtio_blk_outhdr *hdr = (void *)(self->c.mem + OFF_DATA);
	size_t off[] = { OFF_DATA, OFF_DATA + 0x1000, OFF_DATA + 64 };
	int len[] = { 16, -512, -1 };

	ASSERT_EQ(0, client_start(&self->c));
	ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 512, NULL));
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_SUSPEND));
	memset(hdr, 0, sizeof(*hdr));
	client_put(&self->c, 0, off, len, 3);
	client_kick(&self->c);
	EXPECT_EQ(0, client_wait(&self->c, 300));
	/* The kick is not lost. */
	ASSERT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_RESUME));
	EXPECT_EQ(1, client_wait(&self->c, 5000));
	EXPECT_EQ(0, ioctl(self->c.fd, VHOST_VDPA_RESUME));
}

TEST_F_TIMEOUT(dev, E01_memlock_limit, LONG)
{
	struct rlimit lim = { 64 << 10, 64 << 10 };
	long before = pinned_kb();

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &lim));
	if (variant->va) {
		/* Only the rings are pinned, and charged. */
		EXPECT_EQ(0, client_start(&self->c));
		EXPECT_GT(before + 64, pinned_kb());
		return;
	}
	/* vhost makes every failure of a map -EFAULT. */
	EXPECT_EQ(-EFAULT, client_map(&self->c, CLIENT_IOVA, self->c.mem,
				      CLIENT_MEM, VHOST_ACCESS_RW));
	EXPECT_EQ(before, pinned_kb());
	lim.rlim_cur = RLIM_INFINITY;
	lim.rlim_max = RLIM_INFINITY;
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &lim));
	ASSERT_EQ(0, client_start(&self->c));
	EXPECT_EQ(before + (long)(CLIENT_MEM >> 10), pinned_kb());
	ASSERT_EQ(0, client_unmap(&self->c, CLIENT_IOVA, CLIENT_MEM));
	EXPECT_EQ(before, pinned_kb());
}

/* A process that dies in the middle leaves nothing behind. */
TEST_F_TIMEOUT(dev, closed_while_running, LONG)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, client_start(&self->c));
		ASSERT_EQ(0, client_blk(&self->c, VIRTIO_BLK_T_IN, 0, 0, 4096,
					NULL));
		client_kick(&self->c);
		client_close(&self->c);
		ASSERT_EQ(0, client_open(&self->c, self->node));
	}
}

TEST_F_TIMEOUT(dev, queue_settings, LONG)
{
	struct vhost_vring_state s = { .num = 3 };

	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_SET_VRING_NUM, &s));
	s.num = 32768;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_SET_VRING_NUM, &s));
	s.index = 2;
	s.num = 64;
	EXPECT_EQ(-1, ioctl(self->c.fd, VHOST_SET_VRING_NUM, &s));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED,
				   self->c.fd, 2 * 4096));
}

TEST_HARNESS_MAIN
