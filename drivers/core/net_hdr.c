// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest writes before each frame, and what the device writes before each
 * frame it delivers. A header is hostile until trivio_net_hdr_check() has
 * compared it with the frame itself: the host's stack takes offload metadata at
 * its word, and warns or worse where it lies.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_net.h>

#include "net_hdr.h"

/* A tag outside (802.1ad) and one inside (802.1Q). */
#define VLAN_DEPTH	2

/* Enough for every legal order of IPv6 extension headers (RFC 8200, 4.1). */
#define IP6_EXT_MAX	8

/* Most segments the host's stack makes of one UDP frame (UDP_MAX_SEGMENTS). */
#define UDP_SEGS_MAX	128

/* The segment size the stack gives a meaning of its own (GSO_BY_FRAGS). */
#define GSO_SIZE_RESERVED	0xffff

#define PROTO_IP	0x0800
#define PROTO_IP6	0x86dd
#define PROTO_8021Q	0x8100
#define PROTO_8021AD	0x88a8

#define L4_HOPOPTS	0
#define L4_TCP		6
#define L4_UDP		17
#define L4_ROUTING	43
#define L4_FRAGMENT	44
#define L4_DSTOPTS	60

#define TCP_HDR_MIN	20
#define TCP_DOFF	12
#define TCP_CSUM	16
#define UDP_HDR		8
#define UDP_CSUM	6

#define F(bit)		(1ULL << (bit))

static const char * const bad_name[TRIVIO_HDR_NR] = {
	[TRIVIO_HDR_OK] = "ok",
	[TRIVIO_HDR_SHORT] = "short",
	[TRIVIO_HDR_LONG] = "long",
	[TRIVIO_HDR_CSUM_OFF] = "csum_off",
	[TRIVIO_HDR_CSUM_RANGE] = "csum_range",
	[TRIVIO_HDR_GSO_TYPE] = "gso_type",
	[TRIVIO_HDR_GSO_OFF] = "gso_off",
	[TRIVIO_HDR_GSO_SIZE] = "gso_size",
	[TRIVIO_HDR_GSO_CSUM] = "gso_csum",
	[TRIVIO_HDR_GSO_PROTO] = "gso_proto",
};

/**
 * trivio_hdr_bad_name() - name of a refusal
 * @bad: code
 *
 * Return: a constant string, "?" for a number that is no code.
 */
const char *trivio_hdr_bad_name(enum trivio_hdr_bad bad)
{
	if ((unsigned int)bad >= TRIVIO_HDR_NR)
		return "?";
	return bad_name[bad];
}

/**
 * trivio_net_hdr_len() - bytes of the header in the ring
 * @features: accepted feature bits
 *
 * virtio 1.2, 5.1.6 and 5.1.6.1: the legacy header has no num_buffers unless
 * MRG_RXBUF was accepted.
 */
u8 trivio_net_hdr_len(u64 features)
{
	if (features & F(VIRTIO_NET_F_HASH_REPORT))
		return TRIVIO_HDR_HASH;
	if (features & (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF)))
		return TRIVIO_HDR_V1;
	return TRIVIO_HDR_LEGACY;
}

/**
 * trivio_net_hdr_decode() - header from ring bytes
 * @raw: @len bytes, copied out of guest memory once
 * @len: TRIVIO_HDR_LEGACY, TRIVIO_HDR_V1 or TRIVIO_HDR_HASH
 * @h: where to; fields that @len does not reach are 0
 */
void trivio_net_hdr_decode(const u8 *raw, u8 len, struct trivio_net_hdr *h)
{
	memset(h, 0, sizeof(*h));
	h->flags = raw[0];
	h->gso_type = raw[1];
	h->hdr_len = trivio_le16(raw + 2);
	h->gso_size = trivio_le16(raw + 4);
	h->csum_start = trivio_le16(raw + 6);
	h->csum_offset = trivio_le16(raw + 8);
	if (len < TRIVIO_HDR_V1)
		return;
	h->num_buffers = trivio_le16(raw + 10);
	if (len < TRIVIO_HDR_HASH)
		return;
	h->hash_value = trivio_le32(raw + 12);
	h->hash_report = trivio_le16(raw + 16);
}

/**
 * trivio_net_hdr_encode() - ring bytes from a header
 * @h: header
 * @raw: room for @len bytes, all of which are written
 * @len: as for trivio_net_hdr_decode()
 */
void trivio_net_hdr_encode(const struct trivio_net_hdr *h, u8 *raw, u8 len)
{
	raw[0] = h->flags;
	raw[1] = h->gso_type;
	trivio_put_le16(raw + 2, h->hdr_len);
	trivio_put_le16(raw + 4, h->gso_size);
	trivio_put_le16(raw + 6, h->csum_start);
	trivio_put_le16(raw + 8, h->csum_offset);
	if (len < TRIVIO_HDR_V1)
		return;
	trivio_put_le16(raw + 10, h->num_buffers);
	if (len < TRIVIO_HDR_HASH)
		return;
	trivio_put_le32(raw + 12, h->hash_value);
	trivio_put_le16(raw + 16, h->hash_report);
	trivio_put_le16(raw + 18, 0);
}

/**
 * trivio_frame_l3() - where the network header of a frame starts
 * @frame: first bytes of the frame
 * @head: how many of them
 * @proto: its ethertype behind VLAN tags, host order
 *
 * Return: offset, or -EINVAL if @head is too short or there are too many tags.
 */
int trivio_frame_l3(const u8 *frame, u32 head, u16 *proto)
{
	u32 off = TRIVIO_FRAME_MIN;
	int depth;

	if (head < off)
		return -EINVAL;
	*proto = trivio_be16(frame + 12);
	for (depth = 0; *proto == PROTO_8021Q || *proto == PROTO_8021AD;
	     depth++) {
		if (depth == VLAN_DEPTH || head < off + 4)
			return -EINVAL;
		*proto = trivio_be16(frame + off + 2);
		off += 4;
	}
	return off;
}

static int ip6_l4(const u8 *frame, u32 head, u32 off, u8 *ip_proto,
		  bool *fragment)
{
	u8 next = frame[off + 6];
	int i;

	off += 40;
	for (i = 0; i < IP6_EXT_MAX; i++) {
		if (next != L4_HOPOPTS && next != L4_ROUTING &&
		    next != L4_DSTOPTS && next != L4_FRAGMENT) {
			*ip_proto = next;
			return off;
		}
		if (head < off + 8)
			return -EINVAL;
		if (next == L4_FRAGMENT) {
			*fragment = true;
			next = frame[off];
			off += 8;
		} else {
			next = frame[off];
			off += (frame[off + 1] + 1) * 8;
		}
	}
	return -EINVAL;
}

/**
 * trivio_frame_l4() - where the transport header of a frame starts
 * @frame: first bytes of the frame
 * @head: how many of them
 * @l3: from trivio_frame_l3()
 * @proto: from trivio_frame_l3()
 * @ip_proto: transport protocol
 * @fragment: the datagram is a fragment
 *
 * Return: offset, not compared with @head; or -EINVAL if the frame is not IP or
 * @head ends too early.
 */
int trivio_frame_l4(const u8 *frame, u32 head, u32 l3, u16 proto, u8 *ip_proto,
		    bool *fragment)
{
	u32 ihl;

	*fragment = false;
	switch (proto) {
	case PROTO_IP:
		if (head < l3 + 20 || frame[l3] >> 4 != 4)
			return -EINVAL;
		ihl = (frame[l3] & 0xf) * 4;
		if (ihl < 20)
			return -EINVAL;
		*fragment = trivio_be16(frame + l3 + 6) & 0x3fff;
		*ip_proto = frame[l3 + 9];
		return l3 + ihl;
	case PROTO_IP6:
		if (head < l3 + 40 || frame[l3] >> 4 != 6)
			return -EINVAL;
		return ip6_l4(frame, head, l3, ip_proto, fragment);
	default:
		return -EINVAL;
	}
}

static enum trivio_hdr_bad check_csum(const struct trivio_net_hdr *h,
				      u64 features, const u8 *frame, u32 head,
				      u32 len)
{
	u32 end = (u32)h->csum_start + h->csum_offset + 2;
	u32 min;
	u16 proto;
	int l3;

	if (!(features & F(VIRTIO_NET_F_CSUM)))
		return TRIVIO_HDR_CSUM_OFF;
	if (end > len)
		return TRIVIO_HDR_CSUM_RANGE;

	/*
	 * A start inside the network header would be behind skb->data once
	 * that is pulled; skb_checksum_help() warns of it.
	 */
	l3 = trivio_frame_l3(frame, head, &proto);
	if (l3 < 0)
		return TRIVIO_HDR_CSUM_RANGE;
	min = proto == PROTO_IP6 ? l3 + 40 : l3 + 20;
	if (h->csum_start < min)
		return TRIVIO_HDR_CSUM_RANGE;
	return TRIVIO_HDR_OK;
}

/* Which protocol a segmentation type is of, and whether it was negotiated. */
static enum trivio_hdr_bad gso_kind(u8 gso_type, u64 features, u8 *ip_proto,
				    u16 *proto)
{
	bool ecn = gso_type & VIRTIO_NET_HDR_GSO_ECN;
	unsigned int bit;

	*proto = 0;
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		bit = VIRTIO_NET_F_HOST_TSO4;
		*ip_proto = L4_TCP;
		*proto = PROTO_IP;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		bit = VIRTIO_NET_F_HOST_TSO6;
		*ip_proto = L4_TCP;
		*proto = PROTO_IP6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP:
		bit = VIRTIO_NET_F_HOST_UFO;
		*ip_proto = L4_UDP;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		bit = VIRTIO_NET_F_HOST_USO;
		*ip_proto = L4_UDP;
		break;
	default:
		return TRIVIO_HDR_GSO_TYPE;
	}
	if (ecn && *ip_proto != L4_TCP)
		return TRIVIO_HDR_GSO_TYPE;
	if (!(features & F(bit)) ||
	    (ecn && !(features & F(VIRTIO_NET_F_HOST_ECN))))
		return TRIVIO_HDR_GSO_OFF;
	return TRIVIO_HDR_OK;
}

static enum trivio_hdr_bad check_gso(const struct trivio_net_hdr *h,
				     u64 features, const u8 *frame, u32 head,
				     u32 len)
{
	u16 want_proto, proto;
	enum trivio_hdr_bad bad;
	u8 want_l4, ip_proto;
	bool fragment;
	int l3, l4;
	u32 end;

	bad = gso_kind(h->gso_type, features, &want_l4, &want_proto);
	if (bad)
		return bad;
	if (!h->gso_size || h->gso_size == GSO_SIZE_RESERVED)
		return TRIVIO_HDR_GSO_SIZE;
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return TRIVIO_HDR_GSO_CSUM;

	l3 = trivio_frame_l3(frame, head, &proto);
	if (l3 < 0 || (want_proto && proto != want_proto))
		return TRIVIO_HDR_GSO_PROTO;
	l4 = trivio_frame_l4(frame, head, l3, proto, &ip_proto, &fragment);
	if (l4 < 0 || ip_proto != want_l4 || fragment)
		return TRIVIO_HDR_GSO_PROTO;
	if (h->csum_start != l4 ||
	    h->csum_offset != (want_l4 == L4_TCP ? TCP_CSUM : UDP_CSUM))
		return TRIVIO_HDR_GSO_CSUM;

	end = l4 + (want_l4 == L4_TCP ? TCP_HDR_MIN : UDP_HDR);
	if (end > head)
		return TRIVIO_HDR_GSO_PROTO;
	if (want_l4 == L4_TCP) {
		end = l4 + (frame[l4 + TCP_DOFF] >> 4) * 4;
		if (end < (u32)l4 + TCP_HDR_MIN || end > head)
			return TRIVIO_HDR_GSO_PROTO;
	} else if (len - end > (u32)h->gso_size * UDP_SEGS_MAX) {
		return TRIVIO_HDR_GSO_SIZE;
	}
	return TRIVIO_HDR_OK;
}

/**
 * trivio_net_hdr_check() - may the host's stack believe this header
 * @h: header, a private copy
 * @features: feature bits the driver accepted
 * @frame: first bytes of the frame, a private copy
 * @head: how many of them: all, or at least TRIVIO_HDR_PEEK
 * @len: bytes of the whole frame
 *
 * Follows virtio 1.2, 5.1.6.2.1, and is stricter than virtio_net_hdr_to_skb():
 * a segmented frame must carry its checksum, in the right place, and really be
 * of the protocol that the type names.
 *
 * Return: TRIVIO_HDR_OK or why not.
 */
enum trivio_hdr_bad trivio_net_hdr_check(const struct trivio_net_hdr *h,
					 u64 features, const u8 *frame,
					 u32 head, u32 len)
{
	enum trivio_hdr_bad bad;

	if (len < TRIVIO_FRAME_MIN || head < TRIVIO_FRAME_MIN)
		return TRIVIO_HDR_SHORT;
	if (len > TRIVIO_FRAME_MAX)
		return TRIVIO_HDR_LONG;
	if (head > len)
		head = len;
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		bad = check_csum(h, features, frame, head, len);
		if (bad)
			return bad;
	}
	if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return check_gso(h, features, frame, head, len);
	return TRIVIO_HDR_OK;
}
