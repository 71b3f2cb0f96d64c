// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control queue commands as drivers/core/net_ctrl_parse.c reads them: each
 * legal one, and each malformed in every way its layout allows.
 */
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"
#include "../../drivers/core/net_ctrl.h"
#include "../../drivers/core/net_hdr.h"

#include "kselftest_harness.h"

#define F(bit)	(1ULL << (bit))
#define ALL	(~0ULL)
#define PAIRS	4

static struct trivio_ctrl_cmd c;

/* Parse an exact allocation, so that a read too far is seen. */
static int parse(const u8 *buf, u32 len, u64 features)
{
	u8 *copy = malloc(len ? len : 1);
	int ret;

	memset(&c, 0xa5, sizeof(c));
	memcpy(copy, buf, len);
	ret = trivio_net_ctrl_parse(copy, len, features, PAIRS, &c);
	free(copy);
	return ret;
}

/* The command passes with its feature, and no shorter. */
#define EXPECT_WHOLE(buf, len, bit) do {				\
	u8 _b[1024] = { 0 };						\
	memcpy(_b, buf, len);						\
	EXPECT_EQ(0, parse(_b, len, F(bit)));				\
	EXPECT_EQ(-EOPNOTSUPP, parse(_b, len, ~F(bit)));		\
	for (u32 _n = 0; _n < (len); _n++)				\
		EXPECT_EQ(-EINVAL, parse(_b, _n, ALL));			\
} while (0)

/* Nor longer. */
#define EXPECT_EXACT(buf, len, bit) do {				\
	u8 _c[1024] = { 0 };						\
	memcpy(_c, buf, len);						\
	EXPECT_WHOLE(buf, len, bit);					\
	EXPECT_EQ(-EINVAL, parse(_c, (len) + 1, ALL));			\
	EXPECT_EQ(-EINVAL, parse(_c, sizeof(_c), ALL));			\
} while (0)

TEST(R28_rx_mode)
{
	u8 b[3] = { VIRTIO_NET_CTRL_RX, 0, 1 };

	EXPECT_EXACT(b, 3, VIRTIO_NET_F_CTRL_RX);
	for (int cmd = 0; cmd < 256; cmd++) {
		b[1] = cmd;
		EXPECT_EQ(cmd < 6 ? 0 : -EOPNOTSUPP, parse(b, 3, ALL));
		EXPECT_EQ(cmd < 2 ? 0 : -EOPNOTSUPP,
			  parse(b, 3, F(VIRTIO_NET_F_CTRL_RX)));
	}
	b[1] = VIRTIO_NET_CTRL_RX_ALLMULTI;
	b[2] = 0;
	EXPECT_EQ(0, parse(b, 3, ALL));
	EXPECT_FALSE(c.on);
	b[2] = 0x80;
	EXPECT_EQ(0, parse(b, 3, ALL));
	EXPECT_TRUE(c.on);
}

TEST(R28_mac_addr)
{
	u8 b[8] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
		    0x02, 1, 2, 3, 4, 5 };

	EXPECT_EXACT(b, 8, VIRTIO_NET_F_CTRL_MAC_ADDR);
	EXPECT_EQ(0, parse(b, 8, ALL));
	EXPECT_EQ(0, memcmp(c.mac, b + 2, 6));
	b[2] = 0x03;
	EXPECT_EQ(-EINVAL, parse(b, 8, ALL));
	memset(b + 2, 0, 6);
	EXPECT_EQ(-EINVAL, parse(b, 8, ALL));
	b[1] = 2;
	EXPECT_EQ(-EOPNOTSUPP, parse(b, 8, ALL));
}

TEST(R28_mac_table)
{
	u8 b[2 + 4 + 12 + 4 + 6] = { VIRTIO_NET_CTRL_MAC,
				     VIRTIO_NET_CTRL_MAC_TABLE_SET };

	trivio_put_le32(b + 2, 2);
	memset(b + 6, 0x02, 12);
	trivio_put_le32(b + 18, 1);
	memset(b + 22, 0x33, 6);
	EXPECT_EXACT(b, sizeof(b), VIRTIO_NET_F_CTRL_RX);
	EXPECT_EQ(0, parse(b, sizeof(b), ALL));
	EXPECT_EQ(2, c.n_uni);
	EXPECT_EQ(1, c.n_multi);
	EXPECT_EQ(12 + 4, c.multi - c.uni);

	/* Counts that reach beyond the command, or wrap. */
	static const u32 bad[] = { 3, 4, 0x2aaaaaab, 0x2aaaaaac, 0x55555556,
				   0x7fffffff, 0x80000000, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		trivio_put_le32(b + 2, bad[i]);
		EXPECT_EQ(-EINVAL, parse(b, sizeof(b), ALL));
		trivio_put_le32(b + 2, 2);
		trivio_put_le32(b + 18, bad[i]);
		EXPECT_EQ(-EINVAL, parse(b, sizeof(b), ALL));
		trivio_put_le32(b + 18, 1);
	}
	memset(b + 2, 0, 8);
	EXPECT_EQ(0, parse(b, 10, ALL));
	EXPECT_EQ(0, c.n_uni);
	EXPECT_EQ(0, c.n_multi);
}

TEST(R28_vlan)
{
	u8 b[4] = { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 7, 0 };

	EXPECT_EXACT(b, 4, VIRTIO_NET_F_CTRL_VLAN);
	for (u32 vid = 0; vid < 65536; vid++) {
		trivio_put_le16(b + 2, vid);
		ASSERT_EQ(vid < 4096 ? 0 : -EINVAL, parse(b, 4, ALL));
	}
	trivio_put_le16(b + 2, 4095);
	b[1] = VIRTIO_NET_CTRL_VLAN_DEL;
	EXPECT_EQ(0, parse(b, 4, ALL));
	EXPECT_EQ(4095, c.vid);
	b[1] = 2;
	EXPECT_EQ(-EOPNOTSUPP, parse(b, 4, ALL));
}

TEST(R28_announce)
{
	u8 b[2] = { VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK };

	EXPECT_EXACT(b, 2, VIRTIO_NET_F_GUEST_ANNOUNCE);
	b[1] = 1;
	EXPECT_EQ(-EOPNOTSUPP, parse(b, 2, ALL));
}

TEST(R28_pairs)
{
	u8 b[4] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 1 };

	EXPECT_EXACT(b, 4, VIRTIO_NET_F_MQ);
	for (u32 n = 0; n < 65536; n++) {
		trivio_put_le16(b + 2, n);
		ASSERT_EQ(n >= 1 && n <= PAIRS ? 0 : -EINVAL,
			  parse(b, 4, ALL));
	}
	b[1] = 3;
	EXPECT_EQ(-EOPNOTSUPP, parse(b, 4, ALL));
}

static u32 rss_cmd(u8 *b, u32 types, u16 mask, u16 entry, u16 pairs, u8 key)
{
	u32 off = 10;

	memset(b, 0, 1024);
	b[0] = VIRTIO_NET_CTRL_MQ;
	b[1] = VIRTIO_NET_CTRL_MQ_RSS_CONFIG;
	trivio_put_le32(b + 2, types);
	trivio_put_le16(b + 6, mask);
	for (int i = 0; i <= mask && i < 300; i++, off += 2)
		trivio_put_le16(b + off, entry);
	trivio_put_le16(b + off, pairs);
	b[off + 2] = key;
	memset(b + off + 3, 0x6d, key);
	return off + 3 + key;
}

TEST(R28_rss)
{
	u8 b[1024];
	u32 len;

	len = rss_cmd(b, 0x3f, 127, 3, 4, 40);
	EXPECT_WHOLE(b, len, VIRTIO_NET_F_RSS);
	/* Linux sends a byte more. */
	EXPECT_EQ(0, parse(b, len + 1, ALL));
	EXPECT_EQ(0, parse(b, len, ALL));
	EXPECT_EQ(127, c.rss.mask);
	EXPECT_EQ(3, c.rss.table[127]);
	EXPECT_EQ(4, c.pairs);
	EXPECT_EQ(0x6d, c.key[39]);

	/* A shorter key is padded. */
	len = rss_cmd(b, 0x3f, 0, 0, 1, 16);
	EXPECT_EQ(0, parse(b, len, ALL));
	EXPECT_EQ(0x6d, c.key[15]);
	EXPECT_EQ(0, c.key[16]);

	len = rss_cmd(b, 0x40, 127, 3, 4, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 255, 3, 4, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 65535, 3, 4, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 126, 3, 4, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 127, 4, 4, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 127, 3, 0, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 127, 3, 5, 40);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 127, 3, 4, 41);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0x3f, 127, 3, 4, 0);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
	len = rss_cmd(b, 0, 127, 3, 4, 0);
	EXPECT_EQ(0, parse(b, len, ALL));
	trivio_put_le16(b + 8, 4);
	EXPECT_EQ(-EINVAL, parse(b, len, ALL));
}

TEST(R28_hash)
{
	u8 b[64] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG };

	trivio_put_le32(b + 2, 0x3f);
	b[14] = 40;
	memset(b + 15, 0x6d, 40);
	EXPECT_WHOLE(b, 55, VIRTIO_NET_F_HASH_REPORT);
	EXPECT_EQ(0, parse(b, 56, ALL));
	EXPECT_EQ(0, parse(b, 55, ALL));
	EXPECT_EQ(0x3f, c.rss.types);
	trivio_put_le32(b + 2, 0x1ff);
	EXPECT_EQ(-EINVAL, parse(b, 55, ALL));
}

TEST(R28_offloads)
{
	u8 b[10] = { VIRTIO_NET_CTRL_GUEST_OFFLOADS,
		     VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET };
	u64 f = F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
		F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_USO4);

	EXPECT_EXACT(b, 10, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	for (int bit = 0; bit < 64; bit++) {
		trivio_put_le32(b + 2, F(bit));
		trivio_put_le32(b + 6, F(bit) >> 32);
		EXPECT_EQ(bit == VIRTIO_NET_F_GUEST_CSUM ||
			  bit == VIRTIO_NET_F_GUEST_USO4 ? 0 : -EINVAL,
			  parse(b, 10, f));
		/* A feature that is no offload can't be switched. */
		if (!(trivio_net_guest_offloads(ALL) & F(bit)))
			EXPECT_EQ(-EINVAL, parse(b, 10, ALL));
	}
}

TEST(R28_unknown)
{
	u8 b[64] = { 0 };

	for (int class = 0; class < 256; class++) {
		b[0] = class;
		if (class <= 5)
			continue;
		EXPECT_EQ(-EOPNOTSUPP, parse(b, sizeof(b), ALL));
	}
	EXPECT_EQ(-EINVAL, parse(b, 0, ALL));
	EXPECT_EQ(-EINVAL, parse(b, 1, ALL));
}

TEST(R28_random_bytes)
{
	u8 b[1200];

	srandom(7);
	for (int i = 0; i < 200000; i++) {
		u32 len = random() % (i & 1 ? 64 : sizeof(b));

		for (u32 k = 0; k < len; k++)
			b[k] = random();
		if (len > 1) {
			b[0] %= 7;
			b[1] %= 7;
		}
		if (parse(b, len, ALL))
			continue;
		if (c.class == VIRTIO_NET_CTRL_MAC && c.cmd == 0)
			ASSERT_LE(c.n_uni * 6 + c.n_multi * 6 + 10, len);
	}
}

TEST_HARNESS_MAIN
