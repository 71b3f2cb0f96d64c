/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user-space driver of a vhost-vdpa node: one split queue, memory of its own,
 * nothing between the test and the device.
 */
#ifndef VDPA_CLIENT_H
#define VDPA_CLIENT_H

#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define CLIENT_NUM	64
#define CLIENT_MEM	(1UL << 20)
#define CLIENT_IOVA	0x40000000UL

/* The status of a device that its driver runs. */
#define S_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* Where things are in the client's memory. */
#define OFF_DESC	0x0000
#define OFF_AVAIL	0x1000
#define OFF_USED	0x2000
#define OFF_DATA	0x10000

/**
 * struct client - an open node
 * @fd: the node
 * @kick: eventfd, driver to device
 * @call: eventfd, device to driver
 * @mem: CLIENT_MEM bytes, at CLIENT_IOVA for the device once mapped
 * @avail: next free avail index
 * @used: next used index to look at
 */
struct client {
	int fd;
	int kick;
	int call;
	uint8_t *mem;
	uint16_t avail;
	uint16_t used;
};

struct vring_desc *client_desc(struct client *c);
struct vring_avail *client_avail(struct client *c);
struct vring_used *client_used(struct client *c);
uint64_t client_iova(size_t off);

int client_open(struct client *c, const char *path);
void client_close(struct client *c);
int client_map(struct client *c, uint64_t iova, void *addr, uint64_t size,
	       uint8_t perm);
int client_unmap(struct client *c, uint64_t iova, uint64_t size);
int client_status(struct client *c);
int client_set_status(struct client *c, uint8_t status);
int client_features(struct client *c, uint64_t features);
int client_queue(struct client *c, uint16_t base);
int client_start(struct client *c);
int client_wait(struct client *c, int ms);

/* A chain of up to three parts; negative lengths can be written by the device. */
void client_put(struct client *c, uint16_t head, const size_t *off,
		const int *len, int n);
void client_kick(struct client *c);
int client_blk(struct client *c, uint32_t type, uint64_t sector, int out,
	       int in, uint32_t *written);

/* What this process has pinned (VmPin); -1 if that is not to be found. */
long pinned_kb(void);

#endif /* VDPA_CLIENT_H */
