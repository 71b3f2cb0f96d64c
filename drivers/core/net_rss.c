// SPDX-License-Identifier: GPL-2.0-only
/*
 * Toeplitz hash of a frame as virtio 1.2, 5.1.6.4.3 defines it. The key is
 * turned into tables of half bytes once, so a hash of a TCP/IPv6 frame is 72
 * look-ups instead of 288 shifts.
 */
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/virtio_net.h>

#include "net_hdr.h"
#include "net_rss.h"

#define PROTO_IP	0x0800
#define L4_TCP		6
#define L4_UDP		17

/* 32 bits of the key from bit @bit on. */
static u32 key_window(const u8 *key, u32 bit)
{
	u32 byte = bit / 8, shift = bit % 8;
	u64 v = 0;
	int i;

	for (i = 0; i < 5; i++)
		v = v << 8 | (byte + i < TRIVIO_RSS_KEY ? key[byte + i] : 0);
	return v >> (8 - shift);
}

/**
 * trivio_toeplitz_init() - prepare a key
 * @t: where to
 * @key: TRIVIO_RSS_KEY bytes; shorter keys are padded with zeroes by the caller
 */
void trivio_toeplitz_init(struct trivio_toeplitz *t, const u8 *key)
{
	u32 nibble, value, bit;

	for (nibble = 0; nibble < TRIVIO_RSS_NIBBLES; nibble++) {
		for (value = 0; value < 16; value++) {
			u32 h = 0;

			for (bit = 0; bit < 4; bit++)
				if (value & (8 >> bit))
					h ^= key_window(key, nibble * 4 + bit);
			t->part[nibble][value] = h;
		}
	}
}

/**
 * trivio_toeplitz() - hash bytes
 * @t: prepared key
 * @in: input
 * @len: bytes, at most TRIVIO_RSS_INPUT
 */
u32 trivio_toeplitz(const struct trivio_toeplitz *t, const u8 *in, u32 len)
{
	const u32 (*part)[16] = t->part;
	const u8 *end;
	u32 h = 0;

	if (len > TRIVIO_RSS_INPUT)
		len = TRIVIO_RSS_INPUT;
	end = in + len;

	for (; in < end; in++, part += 2)
		h ^= part[0][*in >> 4] ^ part[1][*in & 15];
	return h;
}

/**
 * trivio_rss_hash() - hash a frame
 * @t: prepared key
 * @types: VIRTIO_NET_RSS_HASH_TYPE_* to consider
 * @frame: first bytes of the frame
 * @head: how many of them; TRIVIO_HDR_PEEK are enough
 * @report: VIRTIO_NET_HASH_REPORT_* of the result
 *
 * The most specific type wins; a fragment has no ports (virtio 1.2,
 * 5.1.6.4.3.1 and 5.1.6.4.3.2).
 *
 * Return: hash, 0 with a report of NONE.
 */
u32 trivio_rss_hash(const struct trivio_toeplitz *t, u32 types,
		    const u8 *frame, u32 head, u16 *report)
{
	u32 addrs, shift, rep, n;
	u8 in[TRIVIO_RSS_INPUT];
	bool fragment, ports;
	u8 ip_proto = 0;
	u16 proto;
	int l3, l4;

	*report = VIRTIO_NET_HASH_REPORT_NONE;
	l3 = trivio_frame_l3(frame, head, &proto);
	if (l3 < 0)
		return 0;
	l4 = trivio_frame_l4(frame, head, l3, proto, &ip_proto, &fragment);
	if (l4 < 0)
		return 0;

	/* Types and reports of IPv6 are three after those of IPv4. */
	if (proto == PROTO_IP) {
		addrs = l3 + 12;
		n = 8;
		shift = 0;
	} else {
		addrs = l3 + 8;
		n = 32;
		shift = 3;
	}
	types >>= shift;
	ports = !fragment && head >= (u32)l4 + 4;
	if (ports && ip_proto == L4_TCP &&
	    types & VIRTIO_NET_RSS_HASH_TYPE_TCPv4) {
		rep = VIRTIO_NET_HASH_REPORT_TCPv4;
	} else if (ports && ip_proto == L4_UDP &&
		   types & VIRTIO_NET_RSS_HASH_TYPE_UDPv4) {
		rep = VIRTIO_NET_HASH_REPORT_UDPv4;
	} else if (types & VIRTIO_NET_RSS_HASH_TYPE_IPv4) {
		rep = VIRTIO_NET_HASH_REPORT_IPv4;
		ports = false;
	} else {
		return 0;
	}

	memcpy(in, frame + addrs, n);
	if (ports) {
		memcpy(in + n, frame + l4, 4);
		n += 4;
	}
	*report = rep + shift;
	return trivio_toeplitz(t, in, n);
}
