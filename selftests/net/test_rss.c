// SPDX-License-Identifier: GPL-2.0-only
/*
 * Toeplitz hash and frame parsing of drivers/core/net_rss.c, against the
 * verification suite that Microsoft publishes with its RSS specification, and
 * against a bit by bit hash of random input.
 */
#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"
#include "../../drivers/core/net_hdr.h"
#include "../../drivers/core/net_rss.h"
#include "../lib/toeplitz.h"

#include "kselftest_harness.h"

static void put16(u8 *p, u16 v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* A frame of the vector with @tags VLAN tags; returns its length. */
static u32 frame_of(const struct vector *v, u8 l4, int tags, u8 *f)
{
	bool six = strchr(v->dst, ':');
	u32 off = 12;

	memset(f, 0, 128);
	while (tags--) {
		put16(f + off, tags ? 0x88a8 : 0x8100);
		off += 4;
	}
	put16(f + off, six ? 0x86dd : 0x0800);
	off += 2;
	if (six) {
		f[off] = 0x60;
		f[off + 6] = l4;
		inet_pton(AF_INET6, v->src, f + off + 8);
		inet_pton(AF_INET6, v->dst, f + off + 24);
		off += 40;
	} else {
		f[off] = 0x45;
		f[off + 9] = l4;
		inet_pton(AF_INET, v->src, f + off + 12);
		inet_pton(AF_INET, v->dst, f + off + 16);
		off += 20;
	}
	put16(f + off, v->sport);
	put16(f + off + 2, v->dport);
	return off + 20;
}

FIXTURE(rss) {
	struct trivio_toeplitz t;
	u8 f[128];
};

FIXTURE_SETUP(rss)
{
	trivio_toeplitz_init(&self->t, ms_key);
}

FIXTURE_TEARDOWN(rss)
{
}

TEST_F(rss, published_vectors)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		bool six = strchr(v->dst, ':');
		u16 report;
		u32 len;

		for (int tags = 0; tags < 3; tags++) {
			len = frame_of(v, 6, tags, self->f);
			EXPECT_EQ(v->tcp, trivio_rss_hash(&self->t, 0x3f,
							  self->f, len,
							  &report));
			EXPECT_EQ(six ? VIRTIO_NET_HASH_REPORT_TCPv6 :
				  VIRTIO_NET_HASH_REPORT_TCPv4, report);
			/* Addresses only, when the type is not asked for. */
			EXPECT_EQ(v->ip, trivio_rss_hash(&self->t, 0x09,
							 self->f, len,
							 &report));
			EXPECT_EQ(six ? VIRTIO_NET_HASH_REPORT_IPv6 :
				  VIRTIO_NET_HASH_REPORT_IPv4, report);
			/* UDP hashes the same bytes. */
			len = frame_of(v, 17, tags, self->f);
			EXPECT_EQ(v->tcp, trivio_rss_hash(&self->t, 0x24,
							  self->f, len,
							  &report));
			EXPECT_EQ(six ? VIRTIO_NET_HASH_REPORT_UDPv6 :
				  VIRTIO_NET_HASH_REPORT_UDPv4, report);
		}
	}
}

TEST_F(rss, types_not_asked_for)
{
	u16 report = 99;
	u32 len = frame_of(&vectors[0], 6, 0, self->f);

	EXPECT_EQ(0, trivio_rss_hash(&self->t, 0, self->f, len, &report));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, report);
	/* IPv6 types do not fit an IPv4 frame. */
	EXPECT_EQ(0, trivio_rss_hash(&self->t, 0x38, self->f, len, &report));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, report);
	/* UDP wanted, TCP seen. */
	EXPECT_EQ(0, trivio_rss_hash(&self->t, 0x04, self->f, len, &report));
}

TEST_F(rss, fragment_has_no_ports)
{
	u32 len = frame_of(&vectors[0], 6, 0, self->f);
	u16 report;

	self->f[14 + 6] = 0x20;
	EXPECT_EQ(vectors[0].ip, trivio_rss_hash(&self->t, 0x3f, self->f, len,
						 &report));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_IPv4, report);
}

TEST_F(rss, not_ip_or_cut)
{
	u32 len = frame_of(&vectors[5], 6, 0, self->f);
	u16 report;
	u8 *cut;

	/* Exact allocations: a read too far is seen by the sanitizer. */
	for (u32 n = 0; n <= len; n++) {
		cut = malloc(n ? n : 1);
		memcpy(cut, self->f, n);
		trivio_rss_hash(&self->t, 0x3f, cut, n, &report);
		if (n < 14 + 40)
			EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, report);
		free(cut);
	}
	put16(self->f + 12, 0x0806);
	EXPECT_EQ(0, trivio_rss_hash(&self->t, 0x3f, self->f, len, &report));
	EXPECT_EQ(VIRTIO_NET_HASH_REPORT_NONE, report);
}

static u32 slow_toeplitz(const u8 *key, const u8 *in, u32 len)
{
	u32 h = 0;

	for (u32 bit = 0; bit < len * 8; bit++) {
		u32 w = 0;

		if (!(in[bit / 8] & (0x80 >> bit % 8)))
			continue;
		for (u32 i = 0; i < 32; i++) {
			u32 b = bit + i;

			w = w << 1 | (b / 8 < TRIVIO_RSS_KEY &&
				      key[b / 8] & (0x80 >> b % 8));
		}
		h ^= w;
	}
	return h;
}

TEST(rss_random_keys)
{
	u8 key[TRIVIO_RSS_KEY], in[TRIVIO_RSS_INPUT];
	struct trivio_toeplitz t;

	srandom(1);
	for (int i = 0; i < 200; i++) {
		u32 len = random() % (TRIVIO_RSS_INPUT + 1);

		for (size_t k = 0; k < sizeof(key); k++)
			key[k] = random();
		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = random();
		trivio_toeplitz_init(&t, key);
		ASSERT_EQ(slow_toeplitz(key, in, len),
			  trivio_toeplitz(&t, in, len));
	}
}

TEST_HARNESS_MAIN
