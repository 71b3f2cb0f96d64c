/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver side of a virtqueue: Linux's own drivers/virtio/virtio_ring.c,
 * built from the kernel's source. Plain types only, as its headers and the
 * ring's do not go together in one file.
 */
#ifndef SELFTESTS_CORE_DRV_H
#define SELFTESTS_CORE_DRV_H

#include <stdbool.h>
#include <stdint.h>

struct drv;

struct drv_buf {
	uint64_t addr;
	uint32_t len;
};

struct drv *drv_new(unsigned int num, bool packed, bool event_idx,
		    bool indirect);
void drv_free(struct drv *d);
void *drv_desc(struct drv *d);
void *drv_driver(struct drv *d);
void *drv_device(struct drv *d);
int drv_add(struct drv *d, const struct drv_buf *buf, unsigned int nout,
	    unsigned int nin, void *token);
bool drv_kick_prepare(struct drv *d);
void *drv_get(struct drv *d, unsigned int *len);
void drv_disable_cb(struct drv *d);
bool drv_enable_cb(struct drv *d);
bool drv_enable_cb_delayed(struct drv *d);
unsigned int drv_room(struct drv *d);
bool drv_broken(struct drv *d);

#endif
