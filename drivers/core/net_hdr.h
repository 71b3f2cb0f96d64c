/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtio-net header: decode, encode and check. Plain C without kernel
 * calls, so selftests/net and the fuzzers compile the same file.
 */
#ifndef TRIVIO_NET_HDR_H
#define TRIVIO_NET_HDR_H

#include <linux/types.h>

/* Bytes of the header in the ring (virtio 1.2, 5.1.6): legacy, v1, hash. */
#define TRIVIO_HDR_LEGACY	10
#define TRIVIO_HDR_V1		12
#define TRIVIO_HDR_HASH		20
#define TRIVIO_HDR_MAX		20

/* Byte offset of num_buffers, where it has one. */
#define TRIVIO_HDR_NUM_BUFFERS	10

/*
 * Largest frame: an IP datagram of 65535 bytes, the Ethernet header and two
 * VLAN tags.
 */
#define TRIVIO_FRAME_MAX	(65535 + 14 + 8)

/* Smallest frame: an Ethernet header. */
#define TRIVIO_FRAME_MIN	14

/*
 * Bytes of a frame that have to be at hand for trivio_net_hdr_check(): Ethernet,
 * two tags, IPv4 with options (60) and TCP with options (60) take 142; the rest
 * is for IPv6 extension headers.
 */
#define TRIVIO_HDR_PEEK		256

/**
 * struct trivio_net_hdr - a virtio-net header in host byte order
 * @flags: VIRTIO_NET_HDR_F_*
 * @gso_type: VIRTIO_NET_HDR_GSO_*
 * @hdr_len: driver's hint of the header bytes; never trusted
 * @gso_size: payload bytes of each segment
 * @csum_start: first byte to sum
 * @csum_offset: where the sum goes, from @csum_start
 * @num_buffers: chains the frame takes (receive)
 * @hash_report: VIRTIO_NET_HASH_REPORT_* (receive)
 * @hash_value: its value
 */
struct trivio_net_hdr {
	u8 flags;
	u8 gso_type;
	u16 hdr_len;
	u16 gso_size;
	u16 csum_start;
	u16 csum_offset;
	u16 num_buffers;
	u16 hash_report;
	u32 hash_value;
};

/**
 * enum trivio_hdr_bad - why a header or frame was refused
 * @TRIVIO_HDR_OK: it is good
 * @TRIVIO_HDR_SHORT: less than a virtio and an Ethernet header
 * @TRIVIO_HDR_LONG: more than TRIVIO_FRAME_MAX
 * @TRIVIO_HDR_CSUM_OFF: checksum offload was not negotiated
 * @TRIVIO_HDR_CSUM_RANGE: checksum start or place outside of the frame
 * @TRIVIO_HDR_GSO_TYPE: unknown segmentation type
 * @TRIVIO_HDR_GSO_OFF: this segmentation type was not negotiated
 * @TRIVIO_HDR_GSO_SIZE: segment size of 0 or 65535, or too many segments
 * @TRIVIO_HDR_GSO_CSUM: segmentation without a checksum, or in a wrong place
 * @TRIVIO_HDR_GSO_PROTO: the frame is not of the protocol that it claims
 * @TRIVIO_HDR_NR: number of codes
 */
enum trivio_hdr_bad {
	TRIVIO_HDR_OK = 0,
	TRIVIO_HDR_SHORT,
	TRIVIO_HDR_LONG,
	TRIVIO_HDR_CSUM_OFF,
	TRIVIO_HDR_CSUM_RANGE,
	TRIVIO_HDR_GSO_TYPE,
	TRIVIO_HDR_GSO_OFF,
	TRIVIO_HDR_GSO_SIZE,
	TRIVIO_HDR_GSO_CSUM,
	TRIVIO_HDR_GSO_PROTO,
	TRIVIO_HDR_NR,
};

/* Loads that need no alignment; the compiler makes one instruction of each. */
static inline u16 trivio_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static inline u32 trivio_le32(const u8 *p)
{
	return trivio_le16(p) | (u32)trivio_le16(p + 2) << 16;
}

static inline u16 trivio_be16(const u8 *p)
{
	return p[0] << 8 | p[1];
}

static inline void trivio_put_le16(u8 *p, u16 v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static inline void trivio_put_le32(u8 *p, u32 v)
{
	trivio_put_le16(p, v);
	trivio_put_le16(p + 2, v >> 16);
}

/**
 * trivio_net_hdr_plain() - does a header ask for nothing
 * @flags: first byte of the header
 * @gso_type: second byte
 *
 * Bits that only a device sets (DATA_VALID, RSC_INFO) are ignored, as virtio
 * 1.2, 5.1.6.2.2 wants of flags a device does not know.
 */
static inline bool trivio_net_hdr_plain(u8 flags, u8 gso_type)
{
	return !((flags & 1) | gso_type);
}

u8 trivio_net_hdr_len(u64 features);
void trivio_net_hdr_decode(const u8 *raw, u8 len, struct trivio_net_hdr *h);
void trivio_net_hdr_encode(const struct trivio_net_hdr *h, u8 *raw, u8 len);
enum trivio_hdr_bad trivio_net_hdr_check(const struct trivio_net_hdr *h,
					 u64 features, const u8 *frame,
					 u32 head, u32 len);
int trivio_frame_l3(const u8 *frame, u32 head, u16 *proto);
int trivio_frame_l4(const u8 *frame, u32 head, u32 l3, u16 proto, u8 *ip_proto,
		    bool *fragment);
const char *trivio_hdr_bad_name(enum trivio_hdr_bad bad);

#endif /* TRIVIO_NET_HDR_H */
