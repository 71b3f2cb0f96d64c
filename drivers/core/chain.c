// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains: room for them, and copies between their buffers and the host.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <trivio/queue.h>

#include "queue_impl.h"

/**
 * trivio_chain_init() - use the queue's own scratch room for a chain
 * @q: queue
 * @c: chain; valid until the next pop into the same scratch
 *
 * Context: service of the queue.
 */
void trivio_chain_init(struct trivio_queue *q, struct trivio_chain *c)
{
	c->desc = q->desc;
	c->desc_max = TRIVIO_CHAIN_MAX;
	c->seg = q->seg;
	c->seg_max = TRIVIO_CHAIN_MAX;
}
EXPORT_SYMBOL_GPL(trivio_chain_init);

/**
 * trivio_chain_alloc() - own room for a chain that outlives its turn
 * @c: chain
 * @max: descriptors and segments
 * @gfp: allocation flags
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_chain_alloc(struct trivio_chain *c, u16 max, gfp_t gfp)
{
	memset(c, 0, sizeof(*c));
	c->desc = kvmalloc_array(max, sizeof(*c->desc), gfp);
	c->seg = kvmalloc_array(max, sizeof(*c->seg), gfp);
	if (!c->desc || !c->seg) {
		trivio_chain_free(c);
		return -ENOMEM;
	}
	c->desc_max = max;
	c->seg_max = max;
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_chain_alloc);

/**
 * trivio_chain_free() - undo trivio_chain_alloc()
 * @c: chain
 */
void trivio_chain_free(struct trivio_chain *c)
{
	kvfree(c->desc);
	kvfree(c->seg);
	memset(c, 0, sizeof(*c));
}
EXPORT_SYMBOL_GPL(trivio_chain_free);

/**
 * trivio_chain_read() - copy out of the readable part
 * @q: queue the chain is of
 * @c: chain
 * @off: first byte
 * @dst: where to
 * @len: bytes
 *
 * Context: service of the queue; user memory may fault and sleep.
 *
 * Return: 0; -EINVAL if the chain is too short; -EFAULT.
 */
int trivio_chain_read(struct trivio_queue *q, const struct trivio_chain *c,
		      u32 off, void *dst, u32 len)
{
	int i;

	for (i = 0; i < c->out_segs && len; i++) {
		size_t size = c->seg[i].u.iov_len, part;

		if (off >= size) {
			off -= size;
			continue;
		}
		part = min_t(size_t, len, size - off);
		if (trivio_seg_read(q, dst, &c->seg[i], off, part))
			return -EFAULT;
		dst += part;
		len -= part;
		off = 0;
	}
	return len ? -EINVAL : 0;
}
EXPORT_SYMBOL_GPL(trivio_chain_read);

/**
 * trivio_chain_write() - copy into the writable part
 * @q: queue the chain is of
 * @c: chain
 * @off: first byte
 * @src: where from
 * @len: bytes
 *
 * Context: service of the queue; user memory may fault and sleep.
 *
 * Return: 0; -EINVAL if the chain is too short; -EFAULT.
 */
int trivio_chain_write(struct trivio_queue *q, const struct trivio_chain *c,
		       u32 off, const void *src, u32 len)
{
	int i;

	for (i = c->out_segs; i < c->out_segs + c->in_segs && len; i++) {
		size_t size = c->seg[i].u.iov_len, part;

		if (off >= size) {
			off -= size;
			continue;
		}
		part = min_t(size_t, len, size - off);
		if (trivio_seg_write(q, &c->seg[i], off, src, part))
			return -EFAULT;
		src += part;
		len -= part;
		off = 0;
	}
	return len ? -EINVAL : 0;
}
EXPORT_SYMBOL_GPL(trivio_chain_write);

static void chain_iter(struct trivio_queue *q, const union trivio_seg *seg,
		       int n, size_t len, unsigned int dir,
		       struct iov_iter *iter)
{
	if (q->mem->kind == TRIVIO_MEM_USER)
		iov_iter_init(iter, dir, &seg->u, n, len);
	else
		iov_iter_kvec(iter, dir, &seg->k, n, len);
}

/**
 * trivio_chain_out_iter() - the readable part as an iov_iter
 * @q: queue the chain is of
 * @c: chain; its segments must stay while @iter is used
 * @iter: set up as a source
 */
void trivio_chain_out_iter(struct trivio_queue *q, const struct trivio_chain *c,
			   struct iov_iter *iter)
{
	chain_iter(q, c->seg, c->out_segs, c->out_len, ITER_SOURCE, iter);
}
EXPORT_SYMBOL_GPL(trivio_chain_out_iter);

/**
 * trivio_chain_in_iter() - the writable part as an iov_iter
 * @q: queue the chain is of
 * @c: chain; its segments must stay while @iter is used
 * @iter: set up as a destination
 */
void trivio_chain_in_iter(struct trivio_queue *q, const struct trivio_chain *c,
			  struct iov_iter *iter)
{
	chain_iter(q, c->seg + c->out_segs, c->in_segs, c->in_len, ITER_DEST,
		   iter);
}
EXPORT_SYMBOL_GPL(trivio_chain_in_iter);
