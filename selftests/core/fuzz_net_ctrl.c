// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control queue commands from any guest. What is accepted must be within the
 * limits that the code which carries it out relies on, and was negotiated.
 */
#include <linux/errno.h>
#include <linux/types.h>
#include <uapi/linux/virtio_net.h>

#include "../../drivers/core/net_ctrl.h"
#include "fuzz.h"

static void check_cmd(const struct trivio_ctrl_cmd *c, const u8 *buf, u32 len,
		      u64 features, u16 max_pairs)
{
	u32 i;

	switch (c->class) {
	case VIRTIO_NET_CTRL_MAC:
		if (c->cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET) {
			CHECK(!(c->mac[0] & 1));
			break;
		}
		CHECK(c->uni >= buf && c->n_uni <= len / 6 &&
		      c->uni + 6 * c->n_uni <= buf + len);
		CHECK(c->multi >= buf && c->n_multi <= len / 6 &&
		      c->multi + 6 * c->n_multi <= buf + len);
		break;
	case VIRTIO_NET_CTRL_VLAN:
		CHECK(c->vid < TRIVIO_VLAN_MAX);
		break;
	case VIRTIO_NET_CTRL_MQ:
		if (c->cmd != VIRTIO_NET_CTRL_MQ_HASH_CONFIG)
			CHECK(c->pairs && c->pairs <= max_pairs);
		if (c->cmd != VIRTIO_NET_CTRL_MQ_RSS_CONFIG)
			break;
		CHECK(c->rss.mask < TRIVIO_RSS_TABLE);
		CHECK(!(c->rss.mask & (c->rss.mask + 1)));
		CHECK(c->rss.unclassified < max_pairs);
		for (i = 0; i <= c->rss.mask; i++)
			CHECK(c->rss.table[i] < max_pairs);
		CHECK(!(c->rss.types & ~TRIVIO_RSS_TYPES));
		break;
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		CHECK(!(c->offloads & ~features));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	u64 features = in_u64(&in);
	u16 max_pairs = 1 + in_u8(&in) % 128;
	struct trivio_ctrl_cmd c;
	u32 len = in.left;
	u8 *buf = malloc(len ? len : 1);
	int err;

	in_bytes(&in, buf, len);
	memset(&c, 0x5a, sizeof(c));
	err = trivio_net_ctrl_parse(buf, len, features, max_pairs, &c);
	CHECK(err == 0 || err == -EINVAL || err == -EOPNOTSUPP);
	if (!err)
		check_cmd(&c, buf, len, features, max_pairs);
	/* nothing negotiated, nothing done */
	err = trivio_net_ctrl_parse(buf, len, 0, max_pairs, &c);
	CHECK(err == -EINVAL || err == -EOPNOTSUPP);
	free(buf);
	return 0;
}
