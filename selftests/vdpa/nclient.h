/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user-space driver of a net device on a vhost-vdpa node: several split
 * queues, control commands, and the other end of the wire (a packet socket on
 * the device's host interface).
 */
#ifndef VDPA_NCLIENT_H
#define VDPA_NCLIENT_H

#include <linux/virtio_net.h>

#include "client.h"

/* Each queue has its ring in a stretch of its own. Data is above all of them. */
#define NQ_NUM		64
#define NQ_STRIDE	0x4000
#define NQ_DATA		0x40000

/**
 * struct nq - a queue
 * @c: node
 * @idx: its number
 * @avail: next free avail index
 * @used: next used index to look at
 * @kick: eventfd, or -1
 * @call: eventfd
 */
struct nq {
	struct client *c;
	uint16_t idx;
	uint16_t avail;
	uint16_t used;
	int kick;
	int call;
};

struct vring_desc *nq_desc(struct nq *q);
struct vring_avail *nq_avail(struct nq *q);
struct vring_used *nq_used(struct nq *q);

/* @iova: where the device finds the client's memory, for this ring; @base: where it begins. */
int nq_setup(struct nq *q, struct client *c, uint16_t idx, uint64_t iova);
int nq_setup_at(struct nq *q, struct client *c, uint16_t idx, uint64_t iova,
		uint16_t base);
void nq_free(struct nq *q);
void nq_put(struct nq *q, uint16_t head, const size_t *off, const int *len,
	    int n);
void nq_kick(struct nq *q);
int nq_wait(struct nq *q, int ms);
int nq_wait_for(struct nq *q, int want, int ms);
struct vring_used_elem *nq_next(struct nq *q);

/* One command; the answer, or a negative errno if none came. */
int nq_ctrl(struct nq *q, uint8_t class, uint8_t cmd, const void *data,
	    int len);

int nc_map(struct client *c, uint32_t asid, uint64_t iova, void *addr,
	   uint64_t size, uint8_t perm);
int nc_unmap(struct client *c, uint32_t asid, uint64_t iova, uint64_t size);

/*
 * A device @name for a process, with @args of "vdpa dev add", its interface up;
 * @set are commands run in its profile first. The node's path goes to @node.
 */
int ndev_make(const char *name, const char *set, const char *args, char *node,
	      size_t size);
int ndev_end(const char *name);

/* The wire. */
int wire_open(const char *ifname);
int wire_ready(const char *ifname);
int wire_send(int fd, const uint8_t *dst, uint16_t vlan, int len);
int wire_recv(int fd, uint8_t *buf, int size, int ms);

/* A counter of a queue, summed over all if @idx is -1; from trivio's netlink. */
long long counter(const char *dev, int idx, const char *name);

#endif /* VDPA_NCLIENT_H */
