// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hash report and receive-side scaling of a net device, live: the frames of the
 * verification suite that Microsoft publishes with its RSS specification go in
 * at the host's interface, and the hash in the header and the queue they come
 * out of must be the published ones.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/harness.h"

#include "../lib/toeplitz.h"
#include "nclient.h"

#define DEV	"tvrss0"
#define PAIRS	4
#define CTRLQ	(2 * PAIRS)
#define HLEN	((int)sizeof(struct virtio_net_hdr_v1_hash))

static const uint64_t FEATURES =
		  1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
		  1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_CTRL_VQ |
		  1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_RSS |
		  1ULL << VIRTIO_NET_F_HASH_REPORT;

/* struct virtio_net_rss_config with a table of four. */
struct rss4 {
	uint32_t types;
	uint16_t mask;
	uint16_t unclassified;
	uint16_t table[4];
	uint16_t max_tx;
	uint8_t key_len;
	uint8_t key[40];
} __attribute__((packed));

FIXTURE(rss)
{
	struct client c;
	struct nq q[CTRLQ + 1];
	char node[64];
	int wire;
};

FIXTURE_SETUP(rss)
{
	memset(self->q, 0, sizeof(self->q));
	ASSERT_EQ(0, ndev_make(DEV, "echo 0xffffffffffffffff >features",
			       "max_vqp 4", self->node, sizeof(self->node)));
	self->wire = wire_open(DEV);
	ASSERT_LE(0, self->wire);
	ASSERT_EQ(0, client_open(&self->c, self->node));
}

FIXTURE_TEARDOWN(rss)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(self->q); i++)
		nq_free(&self->q[i]);
	client_close(&self->c);
	close(self->wire);
	EXPECT_EQ(0, ndev_end(DEV));
}

/* Running, with receive buffers on every pair. */
static int start(struct client *c, struct nq *q)
{
	int i, k, err;

	err = client_map(c, CLIENT_IOVA, c->mem, CLIENT_MEM, VHOST_ACCESS_RW);
	if (!err)
		err = client_features(c, FEATURES);
	for (i = 0; i <= CTRLQ && !err; i++) {
		err = nq_setup(&q[i], c, i, CLIENT_IOVA);
		for (k = 0; k < 16 && !(i & 1) && i < CTRLQ; k++) {
			size_t off = NQ_DATA + 0x2000 +
				     (i * 8 + k) * 0x1000UL;

			nq_put(&q[i], k, &off, (int[]){ -0x1000 }, 1);
		}
	}
	err = err ?: client_set_status(c, S_OK);
	return err ?: wire_ready(DEV);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* The vector as a TCP or UDP frame, out of the host's interface. */
static int send_vector(int wire, const struct vector *v, uint8_t l4)
{
	bool six = strchr(v->dst, ':');
	uint8_t f[128] = { 0 }, *ip = f + ETH_HLEN, *p;
	int len;

	memset(f, 0xff, 6);
	f[6] = 2;
	put16(f + 12, six ? ETH_P_IPV6 : ETH_P_IP);
	if (six) {
		ip[0] = 0x60;
		put16(ip + 4, 20);
		ip[6] = l4;
		ip[7] = 64;
		inet_pton(AF_INET6, v->src, ip + 8);
		inet_pton(AF_INET6, v->dst, ip + 24);
		p = ip + 40;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 40);
		ip[8] = 64;
		ip[9] = l4;
		inet_pton(AF_INET, v->src, ip + 12);
		inet_pton(AF_INET, v->dst, ip + 16);
		p = ip + 20;
	}
	put16(p, v->sport);
	put16(p + 2, v->dport);
	p[12] = 0x50;
	len = p + 20 - f;
	return send(wire, f, len, 0) == len ? 0 : -errno;
}

/* The queue that got a frame, and its header; -1 if none did. */
static int took(struct nq *q, struct virtio_net_hdr_v1_hash *h)
{
	int i, k;

	for (k = 0; k < 3000; k++) {
		for (i = 0; i < CTRLQ; i += 2) {
			struct vring_used_elem *e;

			if (!nq_wait(&q[i], 0))
				continue;
			e = nq_next(&q[i]);
			memcpy(h, q->c->mem + (nq_desc(&q[i])[e->id].addr -
					       CLIENT_IOVA), sizeof(*h));
			return i / 2;
		}
	}
	return -1;
}

static struct rss4 rss_config(uint32_t types)
{
	struct rss4 r = {
		.types = types,
		.mask = 3,
		.unclassified = PAIRS - 1,
		.table = { 0, 1, 2, 3 },
		.max_tx = PAIRS,
		.key_len = sizeof(ms_key),
	};

	memcpy(r.key, ms_key, sizeof(ms_key));
	return r;
}

TEST_F(rss, published_vectors)
{
	struct rss4 r = rss_config(VIRTIO_NET_RSS_HASH_TYPE_IPv4 |
				   VIRTIO_NET_RSS_HASH_TYPE_TCPv4 |
				   VIRTIO_NET_RSS_HASH_TYPE_IPv6 |
				   VIRTIO_NET_RSS_HASH_TYPE_TCPv6);
	struct virtio_net_hdr_v1_hash h;
	size_t i;

	ASSERT_EQ(0, start(&self->c, self->q));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_MQ,
					 VIRTIO_NET_CTRL_MQ_RSS_CONFIG, &r,
					 sizeof(r)));
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		bool six = strchr(v->dst, ':');

		ASSERT_EQ(0, send_vector(self->wire, v, IPPROTO_TCP));
		EXPECT_EQ((int)(v->tcp & 3), took(self->q, &h)) {
			TH_LOG("TCP vector %zu", i);
		}
		EXPECT_EQ(v->tcp, h.hash_value);
		EXPECT_EQ(six ? VIRTIO_NET_HASH_REPORT_TCPv6 :
			  VIRTIO_NET_HASH_REPORT_TCPv4, h.hash_report);
		EXPECT_EQ(1, h.hdr.num_buffers);
		/* Ports are not asked for of UDP: the addresses alone. */
		ASSERT_EQ(0, send_vector(self->wire, v, IPPROTO_UDP));
		EXPECT_EQ((int)(v->ip & 3), took(self->q, &h)) {
			TH_LOG("IP vector %zu", i);
		}
		EXPECT_EQ(v->ip, h.hash_value);
		EXPECT_EQ(six ? VIRTIO_NET_HASH_REPORT_IPv6 :
			  VIRTIO_NET_HASH_REPORT_IPv4, h.hash_report);
	}
}

/* What has no hash goes where the driver said, and says that it has none. */
TEST_F(rss, unclassified)
{
	struct rss4 r = rss_config(VIRTIO_NET_RSS_HASH_TYPE_TCPv6);
	struct virtio_net_hdr_v1_hash h;
	const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };

	ASSERT_EQ(0, start(&self->c, self->q));
	ASSERT_EQ(VIRTIO_NET_OK, nq_ctrl(&self->q[CTRLQ], VIRTIO_NET_CTRL_MQ,
					 VIRTIO_NET_CTRL_MQ_RSS_CONFIG, &r,
					 sizeof(r)));
	ASSERT_EQ(0, wire_send(self->wire, bcast, 0, 60));
	EXPECT_EQ(3, took(self->q, &h));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, h.hash_report);
	EXPECT_EQ(0, h.hash_value);
	ASSERT_EQ(0, send_vector(self->wire, &vectors[0], IPPROTO_TCP));
	EXPECT_EQ(3, took(self->q, &h));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, h.hash_report);
}

/* Tables and keys that are none are refused, and the last good one stands. */
TEST_F(rss, bad_configurations)
{
	struct rss4 good = rss_config(VIRTIO_NET_RSS_HASH_TYPE_TCPv4), r;
	struct virtio_net_hdr_v1_hash h;
	struct nq *q = &self->q[CTRLQ];
	int n;

	ASSERT_EQ(0, start(&self->c, self->q));
#define CONFIG(len) nq_ctrl(q, VIRTIO_NET_CTRL_MQ, \
			    VIRTIO_NET_CTRL_MQ_RSS_CONFIG, &r, len)
	r = good;
	ASSERT_EQ(VIRTIO_NET_OK, CONFIG(sizeof(r)));
	for (n = 1; n < (int)sizeof(r); n += 5)
		EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(n));
	r.mask = 2;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	r.mask = 0xffff;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	r = good;
	r.table[3] = PAIRS;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	r = good;
	r.key_len = 41;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	r = good;
	r.types = ~0U;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	r = good;
	r.max_tx = PAIRS + 1;
	EXPECT_EQ(VIRTIO_NET_ERR, CONFIG(sizeof(r)));
	ASSERT_EQ(0, send_vector(self->wire, &vectors[0], IPPROTO_TCP));
	EXPECT_EQ((int)(vectors[0].tcp & 3), took(self->q, &h));
	EXPECT_EQ(vectors[0].tcp, h.hash_value);
}

TEST_HARNESS_MAIN
