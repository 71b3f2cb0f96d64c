// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-net header checks of drivers/core/net_hdr.c: what a stock driver
 * sends passes, and each way to lie about a frame has its own refusal.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"
#include "../../drivers/core/net_hdr.h"

#include "kselftest_harness.h"

#define F(bit)	(1ULL << (bit))

#define ALL (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_CSUM) | \
	     F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) | \
	     F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_HOST_UFO) | \
	     F(VIRTIO_NET_F_HOST_USO))

static void put16(u8 *p, u16 v)
{
	p[0] = v >> 8;
	p[1] = v;
}

FIXTURE(hdr) {
	u8 f[2048];
	u32 len;
	struct trivio_net_hdr h;
};

FIXTURE_VARIANT(hdr) {
	u8 gso;
	u8 l4;
	bool six;
	int tags;
	unsigned int bit;
};

FIXTURE_VARIANT_ADD(hdr, tcp4) {
	.gso = VIRTIO_NET_HDR_GSO_TCPV4, .l4 = 6,
	.bit = VIRTIO_NET_F_HOST_TSO4,
};

FIXTURE_VARIANT_ADD(hdr, tcp4_vlan) {
	.gso = VIRTIO_NET_HDR_GSO_TCPV4, .l4 = 6, .tags = 1,
	.bit = VIRTIO_NET_F_HOST_TSO4,
};

FIXTURE_VARIANT_ADD(hdr, tcp6) {
	.gso = VIRTIO_NET_HDR_GSO_TCPV6, .l4 = 6, .six = true,
	.bit = VIRTIO_NET_F_HOST_TSO6,
};

FIXTURE_VARIANT_ADD(hdr, tcp6_qinq) {
	.gso = VIRTIO_NET_HDR_GSO_TCPV6, .l4 = 6, .six = true, .tags = 2,
	.bit = VIRTIO_NET_F_HOST_TSO6,
};

FIXTURE_VARIANT_ADD(hdr, uso4) {
	.gso = VIRTIO_NET_HDR_GSO_UDP_L4, .l4 = 17,
	.bit = VIRTIO_NET_F_HOST_USO,
};

FIXTURE_VARIANT_ADD(hdr, uso6) {
	.gso = VIRTIO_NET_HDR_GSO_UDP_L4, .l4 = 17, .six = true,
	.bit = VIRTIO_NET_F_HOST_USO,
};

FIXTURE_SETUP(hdr)
{
	u32 off = 12;

	memset(self, 0, sizeof(*self));
	for (int i = 0; i < variant->tags; i++) {
		put16(self->f + off, i ? 0x8100 : 0x88a8);
		off += 4;
	}
	put16(self->f + off, variant->six ? 0x86dd : 0x0800);
	off += 2;
	if (variant->six) {
		self->f[off] = 0x60;
		self->f[off + 6] = variant->l4;
		off += 40;
	} else {
		self->f[off] = 0x45;
		self->f[off + 9] = variant->l4;
		off += 20;
	}
	self->h.csum_start = off;
	if (variant->l4 == 6) {
		self->f[off + 12] = 0x50;
		self->h.csum_offset = 16;
	} else {
		self->h.csum_offset = 6;
	}
	self->h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	self->h.gso_type = variant->gso;
	self->h.gso_size = 400;
	self->h.hdr_len = off + 20;
	self->len = off + 1400;
}

FIXTURE_TEARDOWN(hdr)
{
}

static enum trivio_hdr_bad check(const struct trivio_net_hdr *h, u64 features,
				 const u8 *f, u32 len)
{
	return trivio_net_hdr_check(h, features, f,
				    len < TRIVIO_HDR_PEEK ? len :
				    TRIVIO_HDR_PEEK, len);
}

#define CHECK() check(&self->h, ALL, self->f, self->len)

TEST_F(hdr, good)
{
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	/* The length hint is never trusted, so never refused. */
	self->h.hdr_len = 65535;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	self->h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	self->h.flags = 0;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
}

TEST_F(hdr, needs_its_feature)
{
	EXPECT_EQ(TRIVIO_HDR_GSO_OFF, check(&self->h, ALL & ~F(variant->bit),
					    self->f, self->len));
	EXPECT_EQ(TRIVIO_HDR_CSUM_OFF, check(&self->h,
					     ALL & ~F(VIRTIO_NET_F_CSUM),
					     self->f, self->len));
}

TEST_F(hdr, ecn)
{
	self->h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	if (variant->l4 == 6) {
		EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
		EXPECT_EQ(TRIVIO_HDR_GSO_OFF,
			  check(&self->h, ALL & ~F(VIRTIO_NET_F_HOST_ECN),
				self->f, self->len));
	} else {
		EXPECT_EQ(TRIVIO_HDR_GSO_TYPE, CHECK());
	}
}

TEST_F(hdr, every_other_type)
{
	for (int type = 1; type < 256; type++) {
		u8 plain = type & ~VIRTIO_NET_HDR_GSO_ECN;
		bool ufo = plain == VIRTIO_NET_HDR_GSO_UDP &&
			   variant->l4 == 17;

		if (plain == variant->gso || ufo)
			continue;
		self->h.gso_type = type;
		EXPECT_NE(TRIVIO_HDR_OK, CHECK());
	}
}

TEST_F(hdr, segment_size)
{
	self->h.gso_size = 0;
	EXPECT_EQ(TRIVIO_HDR_GSO_SIZE, CHECK());
	self->h.gso_size = 65535;
	EXPECT_EQ(TRIVIO_HDR_GSO_SIZE, CHECK());
	self->h.gso_size = 1;
	EXPECT_EQ(variant->l4 == 6 ? TRIVIO_HDR_OK : TRIVIO_HDR_GSO_SIZE,
		  CHECK());
}

TEST_F(hdr, gso_without_csum)
{
	self->h.flags = 0;
	EXPECT_EQ(TRIVIO_HDR_GSO_CSUM, CHECK());
}

TEST_F(hdr, gso_csum_elsewhere)
{
	self->h.csum_start++;
	EXPECT_EQ(TRIVIO_HDR_GSO_CSUM, CHECK());
	self->h.csum_start--;
	self->h.csum_offset += 2;
	EXPECT_EQ(TRIVIO_HDR_GSO_CSUM, CHECK());
}

TEST_F(hdr, csum_range)
{
	bool out;

	self->h.gso_type = 0;
	for (int start = 0; start < 65536; start += start < 100 ? 1 : 97) {
		self->h.csum_start = start;
		self->h.csum_offset = 6;
		out = (u32)start + 8 > self->len ||
		      start < (variant->six ? 40 : 20) + 14 + 4 * variant->tags;
		EXPECT_EQ(out ? TRIVIO_HDR_CSUM_RANGE : TRIVIO_HDR_OK, CHECK());
	}
	self->h.csum_start = 65535;
	self->h.csum_offset = 65535;
	EXPECT_EQ(TRIVIO_HDR_CSUM_RANGE, CHECK());
	self->h.csum_start = self->len - 2;
	self->h.csum_offset = 0;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	self->h.csum_offset = 1;
	EXPECT_EQ(TRIVIO_HDR_CSUM_RANGE, CHECK());
}

TEST_F(hdr, wrong_protocol)
{
	u32 l3 = 14 + 4 * variant->tags;

	/* Ethertype 0, ARP, and the other IP. */
	put16(self->f + l3 - 2, 0);
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
	put16(self->f + l3 - 2, 0x0806);
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
	put16(self->f + l3 - 2, variant->six ? 0x0800 : 0x86dd);
	EXPECT_NE(TRIVIO_HDR_OK, CHECK());
	put16(self->f + l3 - 2, variant->six ? 0x86dd : 0x0800);
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());

	/* IP version, header length, transport. */
	self->f[l3] ^= 0x30;
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
	self->f[l3] ^= 0x30;
	if (!variant->six) {
		self->f[l3] = 0x44;
		EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
		self->f[l3] = 0x46;
		EXPECT_EQ(TRIVIO_HDR_GSO_CSUM, CHECK());
		self->f[l3] = 0x45;
		self->f[l3 + 6] = 0x20;
		EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
		self->f[l3 + 6] = 0;
	}
	self->f[l3 + (variant->six ? 6 : 9)] = 1;
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
}

TEST_F(hdr, tcp_data_offset)
{
	u32 l4 = self->h.csum_start;

	if (variant->l4 != 6)
		SKIP(return, "TCP only");
	self->f[l4 + 12] = 0x40;
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
	self->f[l4 + 12] = 0xf0;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, check(&self->h, ALL, self->f, l4 + 59));
}

TEST_F(hdr, three_tags)
{
	memmove(self->f + 24, self->f + 12, 1024);
	for (int i = 0; i < 3; i++)
		put16(self->f + 12 + 4 * i, 0x8100);
	EXPECT_NE(TRIVIO_HDR_OK, CHECK());
}

TEST_F(hdr, ipv6_extensions)
{
	u32 l3 = 14 + 4 * variant->tags, l4;

	if (!variant->six)
		SKIP(return, "IPv6 only");
	l4 = l3 + 40;
	memmove(self->f + l4 + 16, self->f + l4, 512);
	memset(self->f + l4, 0, 16);
	self->f[l3 + 6] = 0;
	self->f[l4] = 60;
	self->f[l4 + 8] = variant->l4;
	self->h.csum_start += 16;
	EXPECT_EQ(TRIVIO_HDR_OK, CHECK());
	/* A fragment header. */
	self->f[l4] = 44;
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
	/* An extension that runs out of what is at hand. */
	self->f[l4] = 60;
	self->f[l4 + 9] = 255;
	EXPECT_EQ(TRIVIO_HDR_GSO_CSUM, CHECK());
	/* A chain of extensions without an end. */
	memset(self->f + l4, 0, 1024);
	EXPECT_EQ(TRIVIO_HDR_GSO_PROTO, CHECK());
}

TEST_F(hdr, cut_short)
{
	/* Exact allocations: a read too far is seen by the sanitizer. */
	for (u32 n = 0; n < self->len; n += n < 200 ? 1 : 31) {
		u8 *cut = malloc(n ? n : 1);

		memcpy(cut, self->f, n);
		EXPECT_EQ(n < TRIVIO_FRAME_MIN, TRIVIO_HDR_SHORT ==
			  check(&self->h, ALL, cut, n));
		free(cut);
	}
}

TEST_F(hdr, too_long)
{
	self->len = TRIVIO_FRAME_MAX;
	EXPECT_EQ(variant->l4 == 6 ? TRIVIO_HDR_OK : TRIVIO_HDR_GSO_SIZE,
		  CHECK());
	self->len++;
	EXPECT_EQ(TRIVIO_HDR_LONG, CHECK());
}

TEST(hdr_length)
{
	EXPECT_EQ(10, trivio_net_hdr_len(0));
	EXPECT_EQ(12, trivio_net_hdr_len(F(VIRTIO_NET_F_MRG_RXBUF)));
	EXPECT_EQ(12, trivio_net_hdr_len(F(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(20, trivio_net_hdr_len(F(VIRTIO_F_VERSION_1) |
					 F(VIRTIO_NET_F_HASH_REPORT)));
}

TEST(hdr_layout)
{
	/* The kernel's own structure is the oracle of the layout. */
	struct virtio_net_hdr_v1_hash v = {
		.hdr = {
			.flags = 1, .gso_type = 4, .hdr_len = 0x1234,
			.gso_size = 0x2345, .csum_start = 0x3456,
			.csum_offset = 0x4567, .num_buffers = 0x5678,
		},
		.hash_value = 0x6789abcd,
		.hash_report = 0x789a,
	};
	struct trivio_net_hdr h;
	u8 raw[TRIVIO_HDR_MAX];

	trivio_net_hdr_decode((u8 *)&v, TRIVIO_HDR_HASH, &h);
	EXPECT_EQ(1, h.flags);
	EXPECT_EQ(4, h.gso_type);
	EXPECT_EQ(0x1234, h.hdr_len);
	EXPECT_EQ(0x2345, h.gso_size);
	EXPECT_EQ(0x3456, h.csum_start);
	EXPECT_EQ(0x4567, h.csum_offset);
	EXPECT_EQ(0x5678, h.num_buffers);
	EXPECT_EQ(0x6789abcd, h.hash_value);
	EXPECT_EQ(0x789a, h.hash_report);
	memset(raw, 0xff, sizeof(raw));
	trivio_net_hdr_encode(&h, raw, TRIVIO_HDR_HASH);
	EXPECT_EQ(0, memcmp(raw, &v, sizeof(v)));

	memset(raw, 0xff, sizeof(raw));
	trivio_net_hdr_encode(&h, raw, TRIVIO_HDR_LEGACY);
	EXPECT_EQ(0, memcmp(raw, &v, 10));
	EXPECT_EQ(0xff, raw[10]);
	trivio_net_hdr_decode((u8 *)&v, TRIVIO_HDR_LEGACY, &h);
	EXPECT_EQ(0, h.num_buffers);
}

TEST(hdr_names)
{
	for (int i = 0; i < TRIVIO_HDR_NR; i++)
		EXPECT_NE(NULL, trivio_hdr_bad_name(i));
	EXPECT_STREQ("?", trivio_hdr_bad_name(TRIVIO_HDR_NR));
}

TEST_HARNESS_MAIN
