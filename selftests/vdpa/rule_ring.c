// SPDX-License-Identifier: GPL-2.0-only
/* Rings of a driver without manners: every word is the test's to choose. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "rule.h"

#define OFF_DRIVER	0x1000
#define OFF_DEVICE	0x2000

void pause_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static int profile_open(const char *dev, const char *file, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), VDPA_PROFILES "%s/%s", dev, file);
	return open(path, flags | O_CLOEXEC);
}

/* A file of the device's configfs directory, without a shell for each. */
int dev_file(const char *dev, const char *file, const char *text)
{
	int fd = profile_open(dev, file, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int dev_read(const char *dev, const char *file, char *buf, size_t len)
{
	int fd = profile_open(dev, file, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return n;
}

int dev_open(struct dev *d, const char *name)
{
	char node[64];
	int i, err;

	memset(d, 0, sizeof(*d));
	d->name = name;
	err = vdev_bind(name, node, sizeof(node));
	if (err)
		return err;
	for (i = 0; i < RULE_QUEUES; i++) {
		d->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->kick[i] < 0)
			return -errno;
	}
	return client_open(&d->c, node);
}

/* Exactly these, offered or not; then FEATURES_OK. */
int dev_features(struct dev *d, uint64_t features)
{
	if (client_set_status(&d->c, VIRTIO_CONFIG_S_ACKNOWLEDGE) ||
	    client_set_status(&d->c, S_DRIVER) ||
	    ioctl(d->c.fd, VHOST_SET_FEATURES, &features))
		return -errno;
	d->packed = features & F(VIRTIO_F_RING_PACKED);
	return client_set_status(&d->c, S_FEATURES);
}

int dev_queue(struct dev *d, unsigned int q, bool enable)
{
	struct vhost_vring_state num = { .index = q, .num = RULE_NUM };
	struct vhost_vring_state pos = {
		.index = q, .num = d->packed ? 0x80008000 : 0,
	};
	struct vhost_vring_state on = { .index = q, .num = enable };
	struct vhost_vring_file kick = { .index = q, .fd = d->kick[q] };
	struct vhost_vring_addr addr = {
		.index = q,
		.desc_user_addr = IOVA(RING_AT(q)) + d->skew,
		.avail_user_addr = IOVA(RING_AT(q) + OFF_DRIVER),
		.used_user_addr = IOVA(RING_AT(q) + OFF_DEVICE),
	};

	memset(at(d, RING_AT(q)), 0, 0x3000);
	d->avail[q] = 0;
	if (ioctl(d->c.fd, VHOST_SET_VRING_NUM, &num) ||
	    ioctl(d->c.fd, VHOST_SET_VRING_BASE, &pos) ||
	    ioctl(d->c.fd, VHOST_SET_VRING_ADDR, &addr) ||
	    ioctl(d->c.fd, VHOST_SET_VRING_KICK, &kick) ||
	    ioctl(d->c.fd, VHOST_VDPA_SET_VRING_ENABLE, &on))
		return -errno;
	return 0;
}

/* Mapped, with queues 0 to @queues - 1, DRIVER_OK. */
int dev_start(struct dev *d, uint64_t features, unsigned int queues)
{
	unsigned int q;
	int err;

	err = client_map(&d->c, CLIENT_IOVA, d->c.mem, CLIENT_MEM,
			 VHOST_ACCESS_RW);
	if (!err)
		err = dev_features(d, features);
	for (q = 0; q < queues && !err; q++)
		err = dev_queue(d, q, true);
	return err ?: client_set_status(&d->c, S_LIVE);
}

/* A reset; kicks that came too early are taken back. */
int dev_stop(struct dev *d)
{
	uint64_t n;
	int i, err;

	err = client_set_status(&d->c, 0);
	client_unmap(&d->c, CLIENT_IOVA, CLIENT_MEM);
	for (i = 0; i < RULE_QUEUES; i++) {
		if (read(d->kick[i], &n, sizeof(n)) < 0 && errno != EAGAIN)
			return -errno;
	}
	d->skew = 0;
	d->packed = false;
	return err;
}

static void put(struct vring_desc *v, uint64_t addr, uint32_t len,
		uint16_t flags, uint16_t next)
{
	v->addr = addr;
	v->len = len;
	v->flags = flags;
	v->next = next;
}

void desc(struct dev *d, unsigned int q, unsigned int i, uint64_t addr,
	  uint32_t len, uint16_t flags, uint16_t next)
{
	put((struct vring_desc *)at(d, RING_AT(q) + d->skew) + i, addr, len,
	    flags, next);
}

/* In a packed ring's table the fields change places: id, then flags. */
void table(struct dev *d, size_t off, unsigned int i, uint64_t addr,
	   uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc *v = (struct vring_desc *)at(d, off) + i;

	if (d->packed)
		put(v, addr, len, 0, flags);
	else
		put(v, addr, len, flags, next);
}

void offer(struct dev *d, unsigned int q, uint16_t head)
{
	struct vring_avail *a = (void *)at(d, RING_AT(q) + OFF_DRIVER);

	a->ring[d->avail[q]++ % RULE_NUM] = head;
	__atomic_store_n(&a->idx, d->avail[q], __ATOMIC_RELEASE);
}

/* First lap only, so the wrap counter is 1. Callers go from last to first. */
void pdesc(struct dev *d, unsigned int q, unsigned int slot, uint64_t addr,
	   uint32_t len, uint16_t id, uint16_t flags)
{
	struct vring_packed_desc *v = (void *)at(d, RING_AT(q));

	v[slot].addr = addr;
	v[slot].len = len;
	v[slot].id = id;
	__atomic_store_n(&v[slot].flags,
			 flags | 1 << VRING_PACKED_DESC_F_AVAIL,
			 __ATOMIC_RELEASE);
}

void kick(struct dev *d, unsigned int q)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (write(d->kick[q], &one, sizeof(one)) != sizeof(one))
		abort();
}
