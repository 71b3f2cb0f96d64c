/* SPDX-License-Identifier: GPL-2.0-only */
/* What the vhost tests share: the harness, the client, a short assertion. */
#ifndef TRIVIO_SELFTEST_VHOST_COMMON_H
#define TRIVIO_SELFTEST_VHOST_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "vhost.h"

#define PACKED	VH_BIT(VIRTIO_F_RING_PACKED)
#define ORDER	VH_BIT(VIRTIO_F_IN_ORDER)
#define EVENT	VH_BIT(VIRTIO_RING_F_EVENT_IDX)
#define IND	VH_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define MRG	VH_BIT(VIRTIO_NET_F_MRG_RXBUF)
#define V1	VH_BIT(VIRTIO_F_VERSION_1)

/* One test's limit: TCG on a busy machine is slow, a hang is for ever. */
#define LONG	400

/* OK(call): 0 or the reason the library kept. */
#define OK(call) do {							\
	int ok_ = (call);						\
	ASSERT_EQ(0, ok_) TH_LOG("%s: %s", #call, vh_why());		\
} while (0)

/* Is the in-tree device the one under test? Then some tests cannot pass. */
static inline bool dut_is_ref(void)
{
	return !strcmp(vh_node(), vh_ref_node());
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Bits the node offers, 0 when it cannot be opened. */
static inline uint64_t offered(const char *node)
{
	uint64_t f = 0;
	int fd = open(node, O_RDWR);

	if (fd < 0)
		return 0;
	vh_ioctl(fd, VHOST_GET_FEATURES, &f);
	close(fd);
	return f;
}

/* A device between a tap of its own and us, in a network namespace of its own, running. */
static inline int start_on_tap(struct vh_dev *d, struct vh_tap *t,
			       const struct vh_opts *o)
{
	return vh_ns_enter() ?: vh_open(d, o) ?:
	       vh_tap_open(t, 0, d->hdr_len) ?: vh_start(d, t->fd);
}

#endif
