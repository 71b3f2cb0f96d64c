/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client does to move a device: the ioctls of VFIO migration, version 2. */
#ifndef TRIVIO_SELFTEST_VFIO_MIG_H
#define TRIVIO_SELFTEST_VFIO_MIG_H

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client.h"

#define STREAM_MAX	65536

struct mig {
	struct vfio_device_feature f;
	struct vfio_device_feature_mig_state s;
};

static inline int mig_set(struct vc *c, enum vfio_device_mig_state state, int *fd)
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

static inline int mig_get(struct vc *c)
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
static inline ssize_t drain(int fd, uint8_t *buf, size_t max, size_t piece)
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

static inline int feed(int fd, const uint8_t *buf, size_t len, size_t piece)
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

static inline ssize_t save(struct vc *c, uint8_t *buf, size_t piece)
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

static inline int load(struct vc *c, const uint8_t *buf, size_t len, size_t piece)
{
	int fd = -1, err;

	err = mig_set(c, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (err)
		return err;
	err = feed(fd, buf, len, piece);
	close(fd);
	return err ? err : mig_set(c, VFIO_DEVICE_STATE_STOP, NULL);
}

/* Guest memory moves with the rest, and so does our end of the rings. */
static inline void move_memory(struct vc *b, struct vc *a)
{
	int k;

	memcpy(b->mem, a->mem, VC_MEM_SIZE);
	for (k = 0; k < VC_QUEUES; k++) {
		b->q[k] = a->q[k];
		b->q[k].desc = (void *)(b->mem + ((uint8_t *)a->q[k].desc - a->mem));
		b->q[k].avail = (void *)(b->mem + ((uint8_t *)a->q[k].avail - a->mem));
		b->q[k].used = (void *)(b->mem + ((uint8_t *)a->q[k].used - a->mem));
	}
	b->features = a->features;
}

#endif
