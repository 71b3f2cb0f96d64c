/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step of a vhost-vdpa client as data, so that a script of them can be run
 * on two nodes, compared, made shorter, written down and replayed.
 *
 * vdiff_step.c		a step on one node
 * vdiff_blk.c		block requests, and chains that are none
 * diff_fuzz.c		scripts
 */
#ifndef VDPA_VDIFF_H
#define VDPA_VDIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#define VD_MEM		0x100000UL
#define VD_IOVA		0x40000000UL
#define VD_EXTRA	0x80000000UL	/* nothing is there by itself */
#define VD_CAPACITY	0x40000UL	/* sectors; vdpa_sim_blk has so many */
#define VD_PLAY		256		/* sectors that are written and read */

/* Where things are in a node's memory. */
#define VD_DESC		0x0000
#define VD_AVAIL	0x2000
#define VD_USED		0x3000
#define VD_DATA		0x10000
#define VD_SLOT		0x4000		/* bytes of a request */
#define VD_SLOT_DESC	8		/* and its descriptors */

enum vd_kind {
	V_OPEN, V_STATUS, V_FEATURES, V_BFEATURES, V_GET, V_NUM, V_BASE,
	V_GET_BASE, V_ADDR, V_FD, V_ENABLE, V_CONFIG, V_SET_CONFIG, V_ASID,
	V_SUSPEND, V_RESUME, V_MAP, V_MSG, V_UNKNOWN, V_BLK, V_BAD, V_NOCALL,
	V_KINDS
};

/* Argument a of V_BASE: where the last V_GET_BASE said that it stood. */
#define VD_SAVED	0x100000

/* Argument a of V_MAP. */
enum { MAP_ALL, MAP_NONE, MAP_EXTRA, MAP_NO_EXTRA };

/* Argument a of V_MSG: messages that are refused, or change nothing. */
enum {
	MSG_EMPTY, MSG_WRAPS, MSG_WORLD, MSG_TWICE, MSG_NO_SPACE, MSG_NO_MEMORY,
	MSG_NO_TYPE, MSG_SHORT, MSG_OLD, MSG_DROP_NOTHING, MSG_BATCH,
	MSG_END_ALONE, MSG_KINDS
};

/* Argument a of V_FD: whose; b: what. */
enum { FD_KICK, FD_CALL, FD_ERR, FD_CONFIG };
enum { FD_GOOD, FD_CLOSED, FD_FILE, FD_NONE };

/* Argument a of V_BAD. */
enum {
	BAD_HEAD, BAD_NEXT, BAD_LOOP, BAD_FULL_LOOP, BAD_ORDER, BAD_KINDS
};

/**
 * struct vd_op - a step
 * @kind: what
 * @a: first argument
 * @b: second
 * @c: third
 */
struct vd_op {
	enum vd_kind kind;
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

/**
 * struct vd_res - what can be seen of a step
 * @ret: 0 or -errno
 * @val: what was read
 * @used: entries that came into the used ring
 * @ids: a sum over their ids and lengths
 * @status: a sum over the status bytes
 * @called: the driver was called
 */
struct vd_res {
	int ret;
	uint64_t val;
	unsigned int used;
	uint64_t ids;
	uint64_t status;
	bool called;
};

/**
 * struct vd_node - a node and its driver's side
 * @path: of the node
 * @mem: VD_MEM bytes, at VD_IOVA for the device
 * @avail: next free avail index
 * @used: next used index to look at
 * @num: size of the ring
 * @saved: what V_GET_BASE said
 * @live: it should serve
 * @on: the queue is enabled
 * @ok: DRIVER_OK
 * @quiet: it was asked not to call
 * @fold: a bit for each slot: any failure is as good as another
 */
struct vd_node {
	const char *path;
	int fd;
	int kick;
	int call;
	uint8_t *mem;
	uint16_t avail;
	uint16_t used;
	unsigned int num;
	uint16_t saved;
	bool suspended;
	bool on;
	bool ok;
	bool dead;
	bool quiet;
	uint32_t fold;
};

int vd_node_open(struct vd_node *n, const char *path);
void vd_node_close(struct vd_node *n);
void vd_step(struct vd_node *n, const struct vd_op *o, struct vd_res *r);
void vd_kick(struct vd_node *n);
int vd_print(char *s, size_t size, const struct vd_op *o);
bool vd_parse(const char *s, struct vd_op *o);

int vd_blk(struct vd_node *n, const struct vd_op *o);
int vd_bad(struct vd_node *n, const struct vd_op *o);
uint8_t vd_blk_status(struct vd_node *n, unsigned int slot);

static inline struct vring_desc *vd_desc(struct vd_node *n)
{
	return (void *)(n->mem + VD_DESC);
}

static inline struct vring_avail *vd_avail(struct vd_node *n)
{
	return (void *)(n->mem + VD_AVAIL);
}

static inline struct vring_used *vd_used(struct vd_node *n)
{
	return (void *)(n->mem + VD_USED);
}

/* Requests that may be under way at a time. */
static inline unsigned int vd_slots(const struct vd_node *n)
{
	return n->num / VD_SLOT_DESC;
}

#endif /* VDPA_VDIFF_H */
