// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames and their headers from any guest. What passes the check must be what
 * the host's stack may believe; the hash must stay within the frame. The frame
 * is in memory of just its size, so the sanitizer sees every step too far.
 */
#include <linux/types.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_net.h>

#include "../../drivers/core/net_hdr.h"
#include "../../drivers/core/net_rss.h"
#include "fuzz.h"

static void check_good(const struct trivio_net_hdr *h, u64 features, u32 len)
{
	bool csum = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	CHECK(len >= TRIVIO_FRAME_MIN && len <= TRIVIO_FRAME_MAX);
	if (csum) {
		CHECK(features & 1ULL << VIRTIO_NET_F_CSUM);
		CHECK((u32)h->csum_start + h->csum_offset + 2 <= len);
		CHECK(h->csum_start >= TRIVIO_FRAME_MIN + 20);
	}
	if (h->gso_type) {
		CHECK(csum);
		CHECK(h->gso_size && h->gso_size != 0xffff);
		/* at least a transport header lies behind the start */
		CHECK(h->csum_start + 8u <= len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	u64 features = in_u64(&in);
	u32 types = in_u32(&in), len, head, hash;
	u8 raw[TRIVIO_HDR_MAX], back[TRIVIO_HDR_MAX], hlen, *frame;
	struct trivio_toeplitz key;
	struct trivio_net_hdr h;
	enum trivio_hdr_bad bad;
	u8 k[TRIVIO_RSS_KEY];
	u16 report, more;

	in_bytes(&in, k, sizeof(k));
	more = in_u16(&in);
	hlen = trivio_net_hdr_len(features);
	CHECK(hlen == TRIVIO_HDR_LEGACY || hlen == TRIVIO_HDR_V1 ||
	      hlen == TRIVIO_HDR_HASH);
	in_bytes(&in, raw, sizeof(raw));
	trivio_net_hdr_decode(raw, hlen, &h);
	memset(back, 0xee, sizeof(back));
	trivio_net_hdr_encode(&h, back, hlen);
	/* what is decoded is encoded the same, but for reserved bytes */
	CHECK(!memcmp(raw, back, hlen < TRIVIO_HDR_HASH ? hlen : 18));
	CHECK(hlen == sizeof(back) || back[hlen] == 0xee);

	/* all of a short frame is at hand, or the first bytes of a long one */
	head = in.left;
	len = head >= TRIVIO_HDR_PEEK ? head + more * 2 : head;
	frame = malloc(head ? head : 1);
	in_bytes(&in, frame, head);
	bad = trivio_net_hdr_check(&h, features, frame, head, len);
	CHECK(bad < TRIVIO_HDR_NR);
	CHECK(strcmp(trivio_hdr_bad_name(bad), "?"));
	if (bad == TRIVIO_HDR_OK)
		check_good(&h, features, len);

	trivio_toeplitz_init(&key, k);
	hash = trivio_rss_hash(&key, types, frame, head, &report);
	CHECK(report || !hash);
	CHECK(report <= VIRTIO_NET_HASH_REPORT_UDPv6);
	/* the same frame, the same hash; more bytes do not change it */
	CHECK(hash == trivio_rss_hash(&key, types, frame, head, &report));
	free(frame);
	return 0;
}
