// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration v2 from end to end, by a client that knows the ioctls: state saved
 * under load in one device, restored in another, traffic goes on and nothing is
 * lost or doubled; and streams that are cut, altered or foreign.
 */
#include "common.h"

struct mig {
	struct vfio_device_feature f;
	struct vfio_device_feature_mig_state s;
};

static int mig_set(struct vc *c, enum vfio_device_mig_state state, int *fd)
{
	struct mig m = {
		.f.argsz = sizeof(m),
		.f.flags = VFIO_DEVICE_FEATURE_SET |
			   VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		.s.device_state = state,
		.s.data_fd = -1,
	};

	if (ioctl(c->dev, VFIO_DEVICE_FEATURE, &m))
		return -errno;
	if (fd)
		*fd = m.s.data_fd;
	return 0;
}

static int mig_get(struct vc *c)
{
	struct mig m = {
		.f.argsz = sizeof(m),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
	};

	return ioctl(c->dev, VFIO_DEVICE_FEATURE, &m) ? -errno :
	       (int)m.s.device_state;
}

/* All of a stream; @piece bytes a read. */
static ssize_t drain(int fd, uint8_t *buf, size_t max, size_t piece)
{
	size_t len = 0;
	ssize_t n;

	while (len < max) {
		n = read(fd, buf + len, piece < max - len ? piece : max - len);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	return len;
}

static int feed(int fd, const uint8_t *buf, size_t len, size_t piece)
{
	while (len) {
		ssize_t n = write(fd, buf, piece < len ? piece : len);

		if (n <= 0)
			return n ? -errno : -EIO;
		buf += n;
		len -= n;
	}
	return 0;
}

#define STREAM_MAX	65536

FIXTURE(mig) {
	struct vc a, b;
	uint8_t *buf;
};

FIXTURE_SETUP(mig)
{
	self->buf = malloc(STREAM_MAX);
	OK(vc_create(&self->a, "trivio-net"));
	OK(vc_create(&self->b, "trivio-net"));
	OK(vc_attr_set(&self->b, "mac", "52:54:00:00:00:0b"));
	OK(vc_open(&self->a));
	OK(vc_open(&self->b));
}

FIXTURE_TEARDOWN(mig)
{
	vc_close(&self->a);
	vc_close(&self->b);
	EXPECT_EQ(0, pins_left(&self->a));
	EXPECT_EQ(0, pins_left(&self->b));
	EXPECT_EQ(0, vc_remove(&self->a));
	EXPECT_EQ(0, vc_remove(&self->b));
	free(self->buf);
}

static ssize_t save(struct vc *c, uint8_t *buf, size_t piece)
{
	ssize_t n;
	int fd = -1;

	n = mig_set(c, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (n)
		return n;
	n = drain(fd, buf, STREAM_MAX, piece);
	close(fd);
	return n;
}

static int load(struct vc *c, const uint8_t *buf, size_t len, size_t piece)
{
	int fd = -1, err;

	err = mig_set(c, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (err)
		return err;
	err = feed(fd, buf, len, piece);
	close(fd);
	return err ? err : mig_set(c, VFIO_DEVICE_STATE_STOP, NULL);
}

TEST_F(mig, feature)
{
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_migration m;
	} q = {
		.f.argsz = sizeof(q),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIGRATION,
	};
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_mig_data_size s;
	} z = {
		.f.argsz = sizeof(z),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
	};

	ASSERT_EQ(0, ioctl(self->a.dev, VFIO_DEVICE_FEATURE, &q));
	EXPECT_EQ(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
		  VFIO_MIGRATION_PRE_COPY, q.m.flags);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->a));
	ASSERT_EQ(0, ioctl(self->a.dev, VFIO_DEVICE_FEATURE, &z));
	EXPECT_EQ(z.s.stop_copy_length, save(&self->a, self->buf, 4096));
}

/* Every state from every other, where the kernel's table allows it. */
TEST_F(mig, M07_all_arcs)
{
	int from, to, fd = -1;

	for (from = VFIO_DEVICE_STATE_STOP;
	     from <= VFIO_DEVICE_STATE_PRE_COPY_P2P; from++) {
		for (to = VFIO_DEVICE_STATE_ERROR;
		     to <= VFIO_DEVICE_STATE_PRE_COPY_P2P + 1; to++) {
			OK(vc_reset(&self->a));
			fd = -1;
			if (mig_set(&self->a, from, &fd))
				continue;
			close(fd);
			fd = -1;
			if (!mig_set(&self->a, to, &fd))
				EXPECT_EQ(to, mig_get(&self->a));
			close(fd);
		}
	}
	OK(vc_reset(&self->a));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->a));
}

/*
 * Packets before, during and after: host to guest and guest to host. The rings
 * are filled while the device stands still, so the target starts with work.
 */
static void move(struct __test_metadata *_metadata, FIXTURE_DATA(mig) *self,
		 bool precopy, size_t piece)
{
	struct vc *a = &self->a, *b = &self->b;
	uint32_t seq, i;
	ssize_t len;
	int fd = -1, k;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	for (i = 0; i < 10; i++) {
		OK(vc_host_send(a, i));
		ASSERT_EQ(0, vc_rx(a, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
		OK(vc_tx(a, i));
		ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
		ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	}
	if (precopy) {
		struct vfio_precopy_info info = { .argsz = sizeof(info) };
		ssize_t n;

		OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY, &fd));
		ASSERT_EQ(0, ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
		EXPECT_LT(0, info.initial_bytes);
		len = read(fd, self->buf, STREAM_MAX);
		EXPECT_EQ(info.initial_bytes, len);
		EXPECT_EQ(-1, read(fd, self->buf + len, 1));
		EXPECT_EQ(ENOMSG, errno);
		/* It still runs. */
		OK(vc_tx(a, i));
		ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
		ASSERT_EQ(i++, seq);
		ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
		OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, NULL));
		n = drain(fd, self->buf + len, STREAM_MAX - len, piece);
		ASSERT_LT(0, n);
		len += n;
		close(fd);
	} else {
		len = save(a, self->buf, piece);
		ASSERT_LT(0, len);
	}
	/* Stopped: kicks do nothing, buffers stay. */
	for (k = 0; k < 5; k++)
		OK(vc_tx(a, 100 + k));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(a, 1, 200));

	/* Guest memory moves with the rest, and so does our end of the rings. */
	memcpy(b->mem, a->mem, VC_MEM_SIZE);
	for (k = 0; k < VC_QUEUES; k++) {
		b->q[k] = a->q[k];
		b->q[k].desc = (void *)(b->mem + ((uint8_t *)a->q[k].desc - a->mem));
		b->q[k].avail = (void *)(b->mem + ((uint8_t *)a->q[k].avail - a->mem));
		b->q[k].used = (void *)(b->mem + ((uint8_t *)a->q[k].used - a->mem));
	}
	OK(load(b, self->buf, len, piece));
	OK(vc_host_open(b));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(b, 1, 200));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	for (k = 0; k < 5; k++) {
		ASSERT_LE(0, vc_wait_used(b, 1, WAIT_MS));
		ASSERT_EQ(0, vc_host_recv(b, &seq, WAIT_MS));
		EXPECT_EQ(100 + k, seq);
	}
	EXPECT_EQ(-ETIMEDOUT, vc_host_recv(b, &seq, 200));
	for (i = 200; i < 205; i++) {
		OK(vc_host_send(b, i));
		ASSERT_EQ(0, vc_rx(b, &seq, WAIT_MS));
		EXPECT_EQ(i, seq);
	}
	EXPECT_EQ(vc_get(a, CFG, PCI_COMMAND, 2), vc_get(b, CFG, PCI_COMMAND, 2));
	EXPECT_EQ(0, vc_status(b) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F_TIMEOUT(mig, M07_stop_copy_under_traffic, LONG)
{
	move(_metadata, self, false, 4096);
}

TEST_F_TIMEOUT(mig, M07_pre_copy_under_traffic, LONG)
{
	move(_metadata, self, true, 4096);
}

TEST_F_TIMEOUT(mig, M07_one_byte_pieces, LONG)
{
	move(_metadata, self, false, 1);
}

/* The source may change its mind. */
TEST_F_TIMEOUT(mig, M07_cancelled, LONG)
{
	struct vc *a = &self->a;
	uint32_t seq;
	char c;
	int fd = -1;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	OK(vc_tx(a, 1));
	OK(mig_set(a, VFIO_DEVICE_STATE_RUNNING, NULL));
	/* The file is dead, the device is not. */
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
	EXPECT_EQ(1, seq);
}

TEST_F_TIMEOUT(mig, M07_truncated_stream, LONG)
{
	ssize_t len, cut;

	OK(vc_start(&self->a, FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (cut = 1; cut < len; cut += cut < 64 ? 1 : 397) {
		EXPECT_EQ(-EINVAL, load(&self->b, self->buf, cut, 4096));
		EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, mig_get(&self->b));
		OK(vc_reset(&self->b));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->b));
	}
	self->buf[len] = 0;
	EXPECT_EQ(-ENOSPC, load(&self->b, self->buf, len + 1, 4096));
	OK(vc_reset(&self->b));
	OK(load(&self->b, self->buf, len, 4096));
}

/* One byte wrong at each place: refused, or taken and harmless. */
TEST_F_TIMEOUT(mig, M07_altered_stream, LONG)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	ssize_t len, i;
	unsigned int k;

	OK(vc_start(&self->a, FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (i = 0; i < len; i += i < 360 || i > 4480 ? 1 : 211) {
		for (k = 0; k < ARRAY_SIZE(flips); k++) {
			self->buf[i] ^= flips[k];
			if (!load(&self->b, self->buf, len, 65536))
				mig_set(&self->b, VFIO_DEVICE_STATE_RUNNING,
					NULL);
			self->buf[i] ^= flips[k];
			OK(vc_reset(&self->b));
		}
	}
	OK(load(&self->b, self->buf, len, 4096));
}

/* Data for another kind of device is refused. */
TEST_F(mig, M07_foreign_stream)
{
	struct vc *a = &self->a;
	ssize_t len;

	vc_close(a);
	OK(vc_attr_set(a, "queues", "2"));
	OK(vc_open(a));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	EXPECT_NE(0, load(&self->b, self->buf, len, 4096));
}

/* A data file may be read after its device was reset or closed. */
TEST_F(mig, M07_file_outlives_device)
{
	int fd = -1;
	char c;

	OK(mig_set(&self->a, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	OK(vc_reset(&self->a));
	EXPECT_EQ(-1, read(fd, &c, 1));
	close(fd);
	OK(mig_set(&self->a, VFIO_DEVICE_STATE_RESUMING, &fd));
	vc_close(&self->a);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

VFIO_HARNESS_MAIN
