// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vhost-vdpa node as a measured device: the messages of its set-up, in the
 * order QEMU sends them. Guest memory is huge pages, so that its map has as many
 * ranges as it is told in and not as many as the kernel found pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "bench.h"
#include "vhost.h"

#define HUGE_SIZE	(2UL << 20)

/* Ready for the driver; DRIVER_OK comes when the queues are set up. */
#define STATUS_READY	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK)

static int huge_mem(struct vh_mem *m, size_t size, unsigned int regions)
{
	memset(m, 0, sizeof(*m));
	/* Regions are a page at least, and all of one size. */
	if (size < regions * 4096UL)
		size = regions * 4096UL;
	m->regions = regions ? regions : 1;
	m->size = (size + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;
	m->fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB);
	if (m->fd < 0 || ftruncate(m->fd, m->size) < 0)
		return vh_fail(-errno, "memfd of huge pages");
	m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       m->fd, 0);
	if (m->base == MAP_FAILED) {
		m->base = NULL;
		return vh_fail(-errno, "%zu bytes of huge pages (see vm.nr_hugepages)",
			       m->size);
	}
	return 0;
}

static int set_status(int fd, uint8_t status)
{
	int err = vh_ioctl(fd, VHOST_VDPA_SET_STATUS, &status);

	return err ? vh_fail(err, "status %#x", status) : 0;
}

static int negotiate(struct vh_dev *d)
{
	uint64_t backend = VH_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) |
			   VH_BIT(VHOST_BACKEND_F_IOTLB_BATCH);
	uint64_t offered;
	int err;

	err = vh_ioctl(d->fd, VHOST_SET_OWNER, NULL) ?:
	      vh_ioctl(d->fd, VHOST_SET_BACKEND_FEATURES, &backend) ?:
	      vh_ioctl(d->fd, VHOST_GET_FEATURES, &offered);
	if (err)
		return vh_fail(err, "owner and backend features");
	d->backend_features = backend;
	if (d->features & ~offered)
		return vh_fail(-EOPNOTSUPP, "features %#llx not offered",
			       (unsigned long long)(d->features & ~offered));
	err = set_status(d->fd, VIRTIO_CONFIG_S_ACKNOWLEDGE) ?:
	      set_status(d->fd, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				VIRTIO_CONFIG_S_DRIVER);
	if (err)
		return err;
	err = vh_ioctl(d->fd, VHOST_SET_FEATURES, &d->features);
	if (err)
		return vh_fail(err, "features");
	return set_status(d->fd, STATUS_READY);
}

/* One page a region, the last one takes the rest; all told at once. */
static int map_all(struct vh_dev *d)
{
	struct vhost_iotlb_msg m = { .type = VHOST_IOTLB_BATCH_BEGIN };
	size_t part = d->mem.size / d->mem.regions / 4096 * 4096;
	unsigned int i;
	int err;

	err = vh_iotlb_send(d->fd, true, &m);
	for (i = 0; !err && i < d->mem.regions; i++) {
		size_t at = i * part;

		err = vh_iotlb_map(d, VH_GPA_BASE + at,
				   i + 1 == d->mem.regions ?
				   d->mem.size - at : part,
				   d->mem.base + at, VHOST_ACCESS_RW);
	}
	m.type = VHOST_IOTLB_BATCH_END;
	err = err ?: vh_iotlb_send(d->fd, true, &m);
	return err ? vh_fail(err, "%u ranges of memory", d->mem.regions) : 0;
}

static int set_queue(struct vh_dev *d, unsigned int q)
{
	struct vhost_vring_state on = { .index = q, .num = 1 };
	int err = vh_ring_setup(d, q);

	if (err)
		return err;
	err = vh_ioctl(d->fd, VHOST_VDPA_SET_VRING_ENABLE, &on);
	return err ? vh_fail(err, "queue %u on", q) : 0;
}

/*
 * bench_vdpa_open - a device of @o->node, its rings set up, not yet running
 *
 * Return: 0 or a negative errno with vh_why(); vh_close() in either case.
 */
int bench_vdpa_open(struct vh_dev *d, const struct vh_opts *o)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned int q;
	int err;

	memset(d, 0, sizeof(*d));
	for (q = 0; q < 2; q++) {
		d->ring[q].kick = -1;
		d->ring[q].call = -1;
		d->ring[q].err = -1;
	}
	d->opts = *o;
	d->opts.iotlb = true;
	d->features = o->features | VH_BIT(VIRTIO_F_ACCESS_PLATFORM);
	d->hdr_len = VH_HDR_MAX;
	/* vhost_vdpa pins guest memory and charges root for it, too. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	d->fd = open(o->node, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return vh_fail(-errno, "open %s", o->node);
	err = huge_mem(&d->mem, 2 * vh_ring_bytes(o, o->size) + (1 << 20),
		       o->regions);
	for (q = 0; !err && q < 2; q++)
		err = vh_ring_init(&d->ring[q], &d->mem, q, o->size,
				   d->features, &d->opts);
	err = err ?: negotiate(d);
	err = err ?: map_all(d);
	for (q = 0; !err && q < 2; q++)
		err = set_queue(d, q);
	return err;
}

/* bench_vdpa_start - the device runs from here on */
int bench_vdpa_start(struct vh_dev *d)
{
	return set_status(d->fd, STATUS_READY | VIRTIO_CONFIG_S_DRIVER_OK);
}
