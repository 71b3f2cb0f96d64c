/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A net device on a vhost-vdpa node, and what its hostile drivers share: the fixture
 * of hostile_net.c and hostile_net_life.c. The frames' other end is the device's own
 * host interface.
 */
#ifndef SELFTESTS_HOSTILE_NET_H
#define SELFTESTS_HOSTILE_NET_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/files.h"
#include "../lib/harness.h"

#include "nclient.h"
#include "vnl.h"

#define DEV	"tvhn0"
#define PROFILE	VDPA_PROFILES DEV

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	300

#define RXQ	0
#define TXQ	1
/* Two pairs. */
#define CTRLQ	4
#define HLEN	((int)sizeof(struct virtio_net_hdr_v1))

/* What a simple driver takes; offloads only where a test wants them. */
static const uint64_t PLAIN =
		 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
		 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
		 1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_CTRL_VQ |
		 1ULL << VIRTIO_NET_F_CTRL_RX | 1ULL << VIRTIO_NET_F_CTRL_VLAN |
		 1ULL << VIRTIO_NET_F_CTRL_MAC_ADDR;

/* A zero byte in the middle: strncmp() would stop there. */
static const uint8_t mac[6] = { 0x52, 0x00, 0x11, 0x22, 0x33, 0x44 };
static const uint8_t near[6] = { 0x52, 0x00, 0x99, 0x99, 0x99, 0x99 };

static inline int sh(const char *cmd)
{
	return system(cmd);
}

FIXTURE(net)
{
	struct client c;
	struct nq q[CTRLQ + 1];
	char node[64];
	int wire;
};

/* Memory that is pinned, and memory of the owner's process. */
FIXTURE_VARIANT(net) {
	bool va;
};

FIXTURE_VARIANT_ADD(net, pa) {};
FIXTURE_VARIANT_ADD(net, va) { .va = true };

FIXTURE_SETUP(net)
{
	memset(self->q, 0, sizeof(self->q));
	ASSERT_EQ(0, ndev_make(DEV, variant->va ?
			       "echo 1 >doorbell && echo 1 >use_va" :
			       "echo 1 >doorbell",
			       "mac 52:00:11:22:33:44 mtu 9000 max_vqp 2",
			       self->node, sizeof(self->node)));
	self->wire = wire_open(DEV);
	ASSERT_LE(0, self->wire);
	ASSERT_EQ(0, client_open(&self->c, self->node));
}

FIXTURE_TEARDOWN(net)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(self->q); i++)
		nq_free(&self->q[i]);
	client_close(&self->c);
	close(self->wire);
	EXPECT_EQ(0, ndev_end(DEV));
}

/* All queues, with rings at CLIENT_IOVA of what is mapped, running. */
static inline int start_mapped(struct client *c, struct nq *q, uint64_t features)
{
	int i, err = client_features(c, features);

	for (i = 0; i <= CTRLQ && !err; i++) {
		nq_free(&q[i]);
		err = nq_setup(&q[i], c, i, CLIENT_IOVA);
	}
	err = err ?: client_set_status(c, S_OK);
	return err ?: wire_ready(DEV);
}

/* The same over one address space. */
static inline int start(struct client *c, struct nq *q, uint64_t features)
{
	return client_map(c, CLIENT_IOVA, c->mem, CLIENT_MEM, VHOST_ACCESS_RW) ?:
	       start_mapped(c, q, features);
}

/* A receive buffer of @len bytes at data page @page, filled with 0xa5. */
static inline void rx_put(struct nq *q, uint16_t head, int page, int len)
{
	size_t off = NQ_DATA + 0x2000 + page * 0x1000UL;

	memset(q->c->mem + off, 0xa5, len + 16);
	nq_put(q, head, &off, (int[]){ -len }, 1);
}

static inline uint8_t *rx_buf(struct client *c, int page)
{
	return c->mem + NQ_DATA + 0x2000 + page * 0x1000UL;
}

/* The headers of a broadcast frame at data page @page. */
static inline uint8_t *tx_fill(struct nq *q, int page)
{
	uint8_t *p = rx_buf(q->c, page);

	memset(p, 0, HLEN);
	memset(p + HLEN, 0xff, 6);
	memcpy(p + HLEN + 6, mac, 6);
	p[HLEN + 12] = 0x88;
	p[HLEN + 13] = 0xb5;
	return p;
}

/* The device may look without a kick: what is offered is filled. */
static inline void tx_offer(struct nq *q, uint16_t head, int page, int len)
{
	size_t off = NQ_DATA + 0x2000 + page * 0x1000UL;

	nq_put(q, head, &off, (int[]){ len }, 1);
}

static inline void tx_put(struct nq *q, uint16_t head, int page, int len)
{
	tx_fill(q, page);
	tx_offer(q, head, page, len);
}

#endif /* SELFTESTS_HOSTILE_NET_H */
