// SPDX-License-Identifier: GPL-2.0-only
/* A user-space driver of a vhost-vdpa node. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

struct vring_desc *client_desc(struct client *c)
{
	return (struct vring_desc *)(c->mem + OFF_DESC);
}

struct vring_avail *client_avail(struct client *c)
{
	return (struct vring_avail *)(c->mem + OFF_AVAIL);
}

struct vring_used *client_used(struct client *c)
{
	return (struct vring_used *)(c->mem + OFF_USED);
}

uint64_t client_iova(size_t off)
{
	return CLIENT_IOVA + off;
}

int client_open(struct client *c, const char *path)
{
	uint64_t backend = 1ULL << VHOST_BACKEND_F_IOTLB_MSG_V2 |
			   1ULL << VHOST_BACKEND_F_IOTLB_BATCH |
			   1ULL << VHOST_BACKEND_F_IOTLB_ASID |
			   1ULL << VHOST_BACKEND_F_SUSPEND |
			   1ULL << VHOST_BACKEND_F_RESUME;

	memset(c, 0, sizeof(*c));
	c->kick = -1;
	c->call = -1;
	c->fd = open(path, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return -errno;
	c->mem = mmap(NULL, CLIENT_MEM, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->mem == MAP_FAILED)
		return -errno;
	c->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ioctl(c->fd, VHOST_SET_OWNER) ||
	    ioctl(c->fd, VHOST_SET_BACKEND_FEATURES, &backend))
		return -errno;
	return 0;
}

void client_close(struct client *c)
{
	close(c->fd);
	close(c->kick);
	close(c->call);
	if (c->mem && c->mem != MAP_FAILED)
		munmap(c->mem, CLIENT_MEM);
}

static int iotlb(struct client *c, uint8_t type, uint64_t iova, void *addr,
		 uint64_t size, uint8_t perm)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = {
			.iova = iova,
			.size = size,
			.uaddr = (uintptr_t)addr,
			.perm = perm,
			.type = type,
		},
	};

	return write(c->fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

int client_map(struct client *c, uint64_t iova, void *addr, uint64_t size,
	       uint8_t perm)
{
	return iotlb(c, VHOST_IOTLB_UPDATE, iova, addr, size, perm);
}

int client_unmap(struct client *c, uint64_t iova, uint64_t size)
{
	return iotlb(c, VHOST_IOTLB_INVALIDATE, iova, NULL, size, 0);
}

int client_status(struct client *c)
{
	uint8_t status;

	return ioctl(c->fd, VHOST_VDPA_GET_STATUS, &status) ? -errno : status;
}

int client_set_status(struct client *c, uint8_t status)
{
	return ioctl(c->fd, VHOST_VDPA_SET_STATUS, &status) ? -errno : 0;
}

/* ACKNOWLEDGE, DRIVER, the features that are asked for and offered, FEATURES_OK. */
int client_features(struct client *c, uint64_t features)
{
	uint64_t offered;
	int err;

	err = client_set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (!err)
		err = client_set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE |
					   VIRTIO_CONFIG_S_DRIVER);
	if (err || ioctl(c->fd, VHOST_GET_FEATURES, &offered))
		return err ?: -errno;
	features &= offered;
	if (ioctl(c->fd, VHOST_SET_FEATURES, &features))
		return -errno;
	return client_set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				    VIRTIO_CONFIG_S_DRIVER |
				    VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Queue 0, ready, not yet running. */
int client_queue(struct client *c, uint16_t base)
{
	struct vhost_vring_state num = { .num = CLIENT_NUM };
	struct vhost_vring_state pos = { .num = base };
	struct vhost_vring_state on = { .num = 1 };
	struct vhost_vring_file kick = { .fd = c->kick };
	struct vhost_vring_file call = { .fd = c->call };
	struct vhost_vring_addr addr = {
		.desc_user_addr = client_iova(OFF_DESC),
		.avail_user_addr = client_iova(OFF_AVAIL),
		.used_user_addr = client_iova(OFF_USED),
	};

	if (ioctl(c->fd, VHOST_SET_VRING_NUM, &num) ||
	    ioctl(c->fd, VHOST_SET_VRING_BASE, &pos) ||
	    ioctl(c->fd, VHOST_SET_VRING_ADDR, &addr) ||
	    ioctl(c->fd, VHOST_SET_VRING_KICK, &kick) ||
	    ioctl(c->fd, VHOST_SET_VRING_CALL, &call) ||
	    ioctl(c->fd, VHOST_VDPA_SET_VRING_ENABLE, &on))
		return -errno;
	c->avail = base;
	c->used = base;
	client_avail(c)->idx = base;
	client_used(c)->idx = base;
	return 0;
}

/* All of it: mapped read and write, plain split ring, DRIVER_OK. */
int client_start(struct client *c)
{
	int err;

	err = client_map(c, CLIENT_IOVA, c->mem, CLIENT_MEM, VHOST_ACCESS_RW);
	if (!err)
		err = client_features(c, ~(1ULL << VIRTIO_F_RING_PACKED |
					   1ULL << VIRTIO_RING_F_EVENT_IDX));
	if (!err)
		err = client_queue(c, 0);
	return err ?: client_set_status(c, VIRTIO_CONFIG_S_ACKNOWLEDGE |
					   VIRTIO_CONFIG_S_DRIVER |
					   VIRTIO_CONFIG_S_FEATURES_OK |
					   VIRTIO_CONFIG_S_DRIVER_OK);
}

void client_put(struct client *c, uint16_t head, const size_t *off,
		const int *len, int n)
{
	struct vring_desc *d = client_desc(c);
	struct vring_avail *a = client_avail(c);
	int i;

	for (i = 0; i < n; i++) {
		d[head + i].addr = client_iova(off[i]);
		d[head + i].len = abs(len[i]);
		d[head + i].flags = (len[i] < 0 ? VRING_DESC_F_WRITE : 0) |
				    (i < n - 1 ? VRING_DESC_F_NEXT : 0);
		d[head + i].next = head + i + 1;
	}
	a->ring[c->avail++ % CLIENT_NUM] = head;
	__atomic_store_n(&a->idx, c->avail, __ATOMIC_RELEASE);
}

void client_kick(struct client *c)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (write(c->kick, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* Returns how many used entries there are to look at, after at most @ms. */
int client_wait(struct client *c, int ms)
{
	struct pollfd p = { .fd = c->call, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, ms) > 0 && read(c->call, &n, sizeof(n)) < 0)
		return -errno;
	n = __atomic_load_n(&client_used(c)->idx, __ATOMIC_ACQUIRE);
	return (uint16_t)(n - c->used);
}

/*
 * One block request on descriptors 0..2: header, @out bytes of data or @in bytes
 * of room, status. Returns the status byte, 0x100 if none was written, or a
 * negative errno if the request did not come back.
 */
int client_blk(struct client *c, uint32_t type, uint64_t sector, int out,
	       int in, uint32_t *written)
{
	struct virtio_blk_outhdr *hdr = (void *)(c->mem + OFF_DATA);
	size_t off[4] = { OFF_DATA };
	int len[4] = { sizeof(*hdr) }, n = 1;
	uint8_t *status = c->mem + OFF_DATA + 64;
	struct vring_used_elem *e;

	hdr->type = type;
	hdr->ioprio = 0;
	hdr->sector = sector;
	*status = 0xee;
	if (out) {
		off[n] = OFF_DATA + 0x1000;
		len[n++] = out;
	}
	if (in) {
		off[n] = OFF_DATA + 0x1000;
		len[n++] = -in;
	}
	off[n] = OFF_DATA + 64;
	len[n++] = -1;
	client_put(c, 0, off, len, n);
	client_kick(c);
	if (client_wait(c, 5000) != 1)
		return -ETIMEDOUT;
	e = &client_used(c)->ring[c->used++ % CLIENT_NUM];
	if (written)
		*written = e->len;
	return *status == 0xee ? 0x100 : *status;
}

long pinned_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmPin: %ld kB", &kb);
	if (f)
		fclose(f);
	return kb;
}
