/* SPDX-License-Identifier: GPL-2.0-only */
/* Vectors, and an iterator over one buffer. */
#ifndef SHIM_LINUX_UIO_H
#define SHIM_LINUX_UIO_H

#include <linux/types.h>
#include <string.h>
#include <sys/uio.h>

struct kvec {
	void *iov_base;
	size_t iov_len;
};

struct iov_iter {
	u8 *p;
	size_t count;
};

static inline size_t iov_iter_count(const struct iov_iter *i)
{
	return i->count;
}

static inline void iov_iter_advance(struct iov_iter *i, size_t n)
{
	if (n > i->count)
		n = i->count;
	i->p += n;
	i->count -= n;
}

static inline size_t copy_from_iter(void *dst, size_t n, struct iov_iter *i)
{
	if (n > i->count)
		n = i->count;
	memcpy(dst, i->p, n);
	iov_iter_advance(i, n);
	return n;
}

static inline size_t copy_to_iter(const void *src, size_t n, struct iov_iter *i)
{
	if (n > i->count)
		n = i->count;
	memcpy(i->p, src, n);
	iov_iter_advance(i, n);
	return n;
}

#endif
