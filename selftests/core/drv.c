// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux's virtio_ring.c as the driver under a plain interface; see drv.h. Built
 * with the user-space headers of tools/virtio in the kernel's source.
 */
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/slab.h>

#include "drv.h"

#define DRV_SG_MAX	1024

struct drv {
	struct virtio_device vdev;
	struct virtqueue *vq;
	struct scatterlist sg[DRV_SG_MAX];
};

/* virtio_ring.c defines these; the headers of tools/virtio lack them. */
dma_addr_t virtqueue_get_desc_addr(const struct virtqueue *vq);
dma_addr_t virtqueue_get_avail_addr(const struct virtqueue *vq);
dma_addr_t virtqueue_get_used_addr(const struct virtqueue *vq);
bool virtqueue_kick_prepare(struct virtqueue *vq);
bool virtqueue_is_broken(const struct virtqueue *vq);

/* tools/virtio/linux/kernel.h wants them from its user. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

static bool drv_notify(struct virtqueue *vq)
{
	return true;
}

static void drv_callback(struct virtqueue *vq)
{
}

struct drv *drv_new(unsigned int num, bool packed, bool event_idx,
		    bool indirect)
{
	struct drv *d = calloc(1, sizeof(*d));

	INIT_LIST_HEAD(&d->vdev.vqs);
	spin_lock_init(&d->vdev.vqs_list_lock);
	__virtio_set_bit(&d->vdev, VIRTIO_F_VERSION_1);
	if (packed)
		__virtio_set_bit(&d->vdev, VIRTIO_F_RING_PACKED);
	if (event_idx)
		__virtio_set_bit(&d->vdev, VIRTIO_RING_F_EVENT_IDX);
	if (indirect)
		__virtio_set_bit(&d->vdev, VIRTIO_RING_F_INDIRECT_DESC);
	d->vq = vring_create_virtqueue(0, num, 16, &d->vdev, true, false, false,
				       drv_notify, drv_callback, "test");
	if (!d->vq) {
		free(d);
		return NULL;
	}
	return d;
}

void drv_free(struct drv *d)
{
	unsigned int len;

	while (virtqueue_get_buf(d->vq, &len))
		;
	while (virtqueue_detach_unused_buf(d->vq))
		;
	vring_del_virtqueue(d->vq);
	free(d);
}

void *drv_desc(struct drv *d)
{
	return (void *)(unsigned long)virtqueue_get_desc_addr(d->vq);
}

void *drv_driver(struct drv *d)
{
	return (void *)(unsigned long)virtqueue_get_avail_addr(d->vq);
}

void *drv_device(struct drv *d)
{
	return (void *)(unsigned long)virtqueue_get_used_addr(d->vq);
}

/* Addresses are what the device is to see; nothing is at them. */
int drv_add(struct drv *d, const struct drv_buf *buf, unsigned int nout,
	    unsigned int nin, void *token)
{
	struct scatterlist *list[2] = { d->sg, d->sg + nout };
	unsigned int i, n = nout + nin;

	if (n > DRV_SG_MAX)
		return -E2BIG;
	sg_init_table(d->sg, n);
	for (i = 0; i < n; i++) {
		sg_set_page(&d->sg[i], (void *)(buf[i].addr & ~4095ul),
			    buf[i].len, buf[i].addr & 4095);
		sg_unmark_end(&d->sg[i]);
	}
	if (nout)
		sg_mark_end(&d->sg[nout - 1]);
	if (nin)
		sg_mark_end(&d->sg[n - 1]);
	if (!nout)
		list[0] = list[1];
	return virtqueue_add_sgs(d->vq, list, !!nout, !!nin, token, GFP_ATOMIC);
}

bool drv_kick_prepare(struct drv *d)
{
	return virtqueue_kick_prepare(d->vq);
}

void *drv_get(struct drv *d, unsigned int *len)
{
	return virtqueue_get_buf(d->vq, len);
}

void drv_disable_cb(struct drv *d)
{
	virtqueue_disable_cb(d->vq);
}

bool drv_enable_cb(struct drv *d)
{
	return virtqueue_enable_cb(d->vq);
}

bool drv_enable_cb_delayed(struct drv *d)
{
	return virtqueue_enable_cb_delayed(d->vq);
}

unsigned int drv_room(struct drv *d)
{
	return d->vq->num_free;
}

bool drv_broken(struct drv *d)
{
	return virtqueue_is_broken(d->vq);
}
