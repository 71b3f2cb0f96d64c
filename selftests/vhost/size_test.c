// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ring sizes from 1 to 32768, positions that begin just before their wrap,
 * and frames larger than one buffer: GSO both ways.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include "common.h"

FIXTURE(size) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_VARIANT(size) {
	unsigned int size;
	uint64_t features;
	uint16_t start;
};

#define VARIANT(name, n, bits, at)					\
	FIXTURE_VARIANT_ADD(size, name) {				\
		.size = (n), .features = (bits), .start = (at) }

/* Packed: the position, and the wrap counter in bit 15. */
VARIANT(split_1, 1, VH_USUAL, 65534);
VARIANT(split_2, 2, VH_USUAL, 65533);
VARIANT(split_4, 4, VH_USUAL, 65500);
VARIANT(split_64, 64, VH_USUAL, 65530);
VARIANT(split_1024, 1024, VH_USUAL, 65000);
VARIANT(split_32768, 32768, VH_USUAL, 65000);
VARIANT(split_32768_flags, 32768, VH_BASIC, 32000);
VARIANT(split_64_order, 64, VH_USUAL | ORDER, 65530);
VARIANT(packed_1, 1, VH_USUAL | PACKED, 0x8000);
VARIANT(packed_2, 2, VH_USUAL | PACKED, 0x8001);
VARIANT(packed_4, 4, VH_USUAL | PACKED, 0x0003);
VARIANT(packed_64, 64, VH_USUAL | PACKED, 0x803e);
VARIANT(packed_1024, 1024, VH_USUAL | PACKED, 0x03f0);
VARIANT(packed_32768, 32768, VH_USUAL | PACKED, 0xff00);
VARIANT(packed_64_order, 64, VH_USUAL | PACKED | ORDER, 0x803e);
VARIANT(packed_64_flags, 64, VH_BASIC | PACKED, 0x003e);

FIXTURE_SETUP(size)
{
	struct vh_opts o = {
		.features = variant->features, .size = variant->size,
		.start = variant->start,
	};

	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(start_on_tap(&self->d, &self->t, &o));
}

FIXTURE_TEARDOWN(size)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

/* More than one pass of every ring, two of most. */
TEST_F_TIMEOUT(size, R18_wraps, LONG)
{
	unsigned int n = variant->size < 1024 ? 1500 : 2 * variant->size;
	struct vh_shape s = { .count = n, .len = 60, .batch = 64 };

	if (n > 36000)
		s.count = 36000;
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(size, chains_cross_the_end, LONG)
{
	struct vh_shape s = { .count = 600, .len = 120, .batch = 16 };

	if (variant->size < 4)
		SKIP(return, "a chain of 3 does not fit");
	s.segs = 3;
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

/* ---- GSO ---- */

FIXTURE(gso) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_VARIANT(gso) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(gso, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(gso, packed) { .features = VH_USUAL | PACKED };

#define GSO_FRAME	40000
#define GSO_SIZE	1400
#define GSO_HEAD	(ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))

FIXTURE_SETUP(gso)
{
	struct vh_opts o = {
		.features = variant->features, .slot_size = 65536 + 4096,
		.size = 64,
	};

	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(vh_ns_enter());
	OK(vh_open(&self->d, &o));
	OK(vh_tap_open(&self->t, VH_TAP_GSO, self->d.hdr_len));
	OK(vh_start(&self->d, self->t.fd));
}

FIXTURE_TEARDOWN(gso)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

static uint8_t gso_byte(unsigned int i, unsigned int seq)
{
	return i * 7 + (i >> 8) + seq;
}

/* A TCP/IPv4 frame of @len bytes to nobody in particular. */
static void gso_fill(uint8_t *f, unsigned int len, unsigned int seq)
{
	struct iphdr *ip = (void *)(f + ETH_HLEN);
	struct tcphdr *tcp = (void *)(ip + 1);
	uint32_t sum = 0;
	unsigned int i;

	memset(f, 0, GSO_HEAD);
	memset(f, 2, 12);
	f[12] = ETH_P_IP >> 8;
	f[13] = ETH_P_IP & 0xff;
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = htonl(0x0a000001);
	ip->daddr = htonl(0x0a000002);
	ip->tot_len = htons(len - ETH_HLEN);
	for (i = 0; i < 10; i++)
		sum += ((uint16_t *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	tcp->doff = 5;
	tcp->ack = 1;
	tcp->seq = htonl(seq);
	for (i = GSO_HEAD; i < len; i++)
		f[i] = gso_byte(i, seq);
}

static void gso_hdr(struct virtio_net_hdr *h)
{
	memset(h, 0, sizeof(*h));
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = GSO_SIZE;
	h->hdr_len = GSO_HEAD;
	h->csum_start = ETH_HLEN + sizeof(struct iphdr);
	h->csum_offset = offsetof(struct tcphdr, check);
}

static bool gso_same(const uint8_t *f, unsigned int len, unsigned int seq)
{
	unsigned int i;

	for (i = GSO_HEAD; i < len; i++)
		if (f[i] != gso_byte(i, seq))
			return false;
	return true;
}

TEST_F_TIMEOUT(gso, transmit, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	static uint8_t f[70000];
	struct virtio_net_hdr *h = (void *)f;
	struct vh_used u;
	unsigned int seq, slot, k, n;
	uint8_t *p;

	for (seq = 0; seq < 60; seq++) {
		struct vh_buf b[16];

		p = vh_slot_get(r, &slot);
		ASSERT_NE(NULL, p);
		memset(p, 0, self->d.hdr_len);
		gso_hdr((void *)p);
		gso_fill(p + self->d.hdr_len, GSO_FRAME, seq);
		/* The header alone, then pieces that straddle pages. */
		b[0] = (struct vh_buf){ vh_gpa(r->mem, p), self->d.hdr_len };
		for (k = 0, n = 1; k < GSO_FRAME; n++) {
			unsigned int len = k + 7000 < GSO_FRAME ? 7000 :
								 GSO_FRAME - k;

			b[n] = (struct vh_buf){ vh_gpa(r->mem, p) +
						self->d.hdr_len + k, len };
			k += len;
		}
		ASSERT_LE(0, vh_add(r, b, n, seq & 1, slot));
		vh_publish_kick(r);
		OK(vh_wait_used(r, 5000));
		ASSERT_TRUE(vh_get_used(r, &u));
		EXPECT_EQ(0, u.len);
		vh_slot_put(r, u.token);
		ASSERT_EQ(1, vh_wait_fd(self->t.sock, 5000));
		ASSERT_EQ(GSO_FRAME + 10, recv(self->t.sock, f, sizeof(f), 0));
		EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, h->gso_type);
		EXPECT_EQ(GSO_SIZE, h->gso_size);
		EXPECT_TRUE(gso_same(f + 10, GSO_FRAME, seq));
	}
}

TEST_F_TIMEOUT(gso, receive_in_many_buffers, LONG)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	static uint8_t f[70000], rx[70000];
	struct vh_shape s = { .rx_buf = 1536 };
	unsigned int seq;

	for (seq = 0; seq < 60; seq++) {
		vh_rx_post(&self->d, &s, ~0U);
		gso_hdr((void *)f);
		gso_fill(f + 10, GSO_FRAME, seq);
		ASSERT_EQ(GSO_FRAME + 10, send(self->t.sock, f, GSO_FRAME + 10,
					       0));
		ASSERT_EQ(GSO_FRAME, vh_rx_frame(&self->d, rx, sizeof(rx), &hdr,
						 5000)) TH_LOG("%s", vh_why());
		EXPECT_EQ((GSO_FRAME + 12 + 1535) / 1536, hdr.num_buffers);
		EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, hdr.hdr.gso_type);
		EXPECT_EQ(GSO_SIZE, hdr.hdr.gso_size);
		EXPECT_EQ(VIRTIO_NET_HDR_F_NEEDS_CSUM, hdr.hdr.flags);
		ASSERT_TRUE(gso_same(rx, GSO_FRAME, seq)) TH_LOG("%u", seq);
	}
}

TEST_F_TIMEOUT(gso, receive_in_one_large_buffer, LONG)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	static uint8_t f[70000], rx[70000];
	struct vh_shape s = { .segs = 5 };

	vh_rx_post(&self->d, &s, 4);
	gso_hdr((void *)f);
	gso_fill(f + 10, GSO_FRAME, 9);
	ASSERT_EQ(GSO_FRAME + 10, send(self->t.sock, f, GSO_FRAME + 10, 0));
	ASSERT_EQ(GSO_FRAME, vh_rx_frame(&self->d, rx, sizeof(rx), &hdr, 5000))
		TH_LOG("%s", vh_why());
	EXPECT_EQ(1, hdr.num_buffers);
	EXPECT_TRUE(gso_same(rx, GSO_FRAME, 9));
}

TEST_HARNESS_MAIN
