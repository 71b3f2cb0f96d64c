// SPDX-License-Identifier: GPL-2.0-only
/*
 * The far end of the vhost test client: a tap with a packet socket on it,
 * frames that carry a sequence number and a pattern made from it, and the
 * two loops that push such frames one way and check each at the other end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "netif.h"
#include "vhost.h"

#define FRAME_MIN	22	/* Ethernet header and the sequence number */
#define WAIT_MS		5000	/* under TCG on a busy machine */

/* ---- taps ---- */

int vh_link(const char *name, bool up)
{
	return netif_flags(name, IFF_NOARP | (up ? IFF_UP : 0), up ? 0 : IFF_UP);
}

/* vh_tap_queue - one more fd of the tap, or its first; the fd or -errno */
int vh_tap_queue(const struct vh_tap *t, unsigned int flags,
		 unsigned int hdr_len)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd, r, sndbuf = INT32_MAX, hdr = hdr_len;
	unsigned int off = 0;

	if (flags & VH_TAP_MQ)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (flags & VH_TAP_NAPI)
		ifr.ifr_flags |= IFF_NAPI;
	if (flags & VH_TAP_GSO)
		off = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return vh_fail(-errno, "/dev/net/tun");
	memcpy(ifr.ifr_name, t->name, IFNAMSIZ);
	r = vh_ioctl(fd, TUNSETIFF, &ifr);
	r = r ?: vh_ioctl(fd, TUNSETVNETHDRSZ, &hdr);
	r = r ?: vh_ioctl(fd, TUNSETSNDBUF, &sndbuf);
	r = r ?: vh_ioctl(fd, TUNSETOFFLOAD, (void *)(uintptr_t)off);
	if (r) {
		close(fd);
		return vh_fail(r, "tap %s", t->name);
	}
	return fd;
}

/*
 * vh_sock_proto - a packet socket that hears @proto (0: nothing, it only sends)
 * on interface @name, or on all of them if that is NULL
 */
int vh_sock_proto(const char *name, unsigned int proto, bool vnet_hdr)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET, .sll_protocol = htons(proto),
		.sll_ifindex = name ? if_nametoindex(name) : 0,
	};
	int s, one = 1, big = 32 << 20;

	s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return vh_fail(-errno, "packet socket");
	setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	if (vnet_hdr && setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one,
				   sizeof(one)) < 0)
		return vh_fail(-errno, "PACKET_VNET_HDR");
	if (bind(s, (void *)&sa, sizeof(sa)) < 0)
		return vh_fail(-errno, "bind to %s", name ?: "all");
	return s;
}

/* vh_sock_open - a packet socket for our ethertype and GSO test frames */
int vh_sock_open(const char *name, bool vnet_hdr)
{
	return vh_sock_proto(name, ETH_P_ALL, vnet_hdr);
}

/* vh_tap_open - a fresh tap, up, and a socket on it */
int vh_tap_open(struct vh_tap *t, unsigned int flags, unsigned int hdr_len)
{
	static unsigned int seq;
	int r;

	memset(t, 0, sizeof(*t));
	t->sock = -1;
	snprintf(t->name, sizeof(t->name), "vh%u_%u", getpid() % 100000,
		 seq++ % 1000);
	t->fd = vh_tap_queue(t, flags, hdr_len);
	if (t->fd < 0)
		return t->fd;
	netif_silence(t->name);
	r = vh_link(t->name, true);
	if (r)
		return vh_fail(r, "%s up", t->name);
	t->ifindex = if_nametoindex(t->name);
	if (flags & VH_TAP_NOSOCK)
		return 0;
	t->sock = vh_sock_open(t->name, flags & VH_TAP_GSO);
	return t->sock < 0 ? t->sock : 0;
}

void vh_tap_close(struct vh_tap *t)
{
	if (t->sock >= 0)
		close(t->sock);
	if (t->fd >= 0)
		close(t->fd);
	t->sock = t->fd = -1;
}

/* vh_ns_enter - leave the machine's own network alone */
int vh_ns_enter(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

/* ---- frames ---- */

/* Bytes of the pattern: each depends on the sequence number and its place. */
static uint8_t pattern(uint64_t seq, unsigned int i)
{
	return (seq * 167 + i * 13 + (i >> 8)) & 0xff;
}

void vh_frame_fill(uint8_t *f, unsigned int len, uint64_t seq)
{
	static const uint8_t eth[14] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
		VH_ETHERTYPE >> 8, VH_ETHERTYPE & 0xff,
	};
	unsigned int i;

	memcpy(f, eth, sizeof(eth));
	memcpy(f + 14, &seq, 8);
	for (i = FRAME_MIN; i < len; i++)
		f[i] = pattern(seq, i);
}

/* vh_frame_check - 1: ours and whole; 0: somebody else's; -EBADMSG */
int vh_frame_check(const uint8_t *f, unsigned int len, uint64_t *seq)
{
	unsigned int i;

	if (len < FRAME_MIN || f[12] != VH_ETHERTYPE >> 8 ||
	    f[13] != (VH_ETHERTYPE & 0xff))
		return 0;
	memcpy(seq, f + 14, 8);
	for (i = FRAME_MIN; i < len; i++)
		if (f[i] != pattern(*seq, i))
			return vh_fail(-EBADMSG, "frame %llu: byte %u of %u",
				       (unsigned long long)*seq, i, len);
	return 1;
}

/* vh_shape_len - length of frame @seq */
unsigned int vh_shape_len(const struct vh_shape *s, uint64_t seq)
{
	uint64_t x = seq * 0x9e3779b97f4a7c15ULL;

	if (!s->random)
		return s->len;
	return 60 + (x >> 33) % (s->len - 59);
}

/* Cut @total bytes at @p in s->segs descriptors; how many were made. */
static unsigned int cut(const struct vh_dev *d, const struct vh_shape *s,
			uint8_t *p, unsigned int total, bool write,
			struct vh_buf *b)
{
	unsigned int n = s->segs ?: 1, i, at = 0, part, first;

	if (n > total)
		n = total;
	first = s->first ?: d->hdr_len;
	if (n > 1 && first > total - (n - 1))
		first = total - (n - 1);
	part = n > 1 ? (total - first) / (n - 1) : 0;
	for (i = 0; i < n; i++) {
		uint32_t len = i == 0 ? first : part;

		if (i + 1 == n)
			len = total - at;
		b[i].addr = vh_gpa(&d->mem, p + at);
		b[i].len = len;
		b[i].write = write;
		at += len;
	}
	return n;
}

/* ---- driver to device ---- */

/* vh_tx_post - add frame @seq, unpublished; -ENOSPC when the ring is full */
int vh_tx_post(struct vh_dev *d, const struct vh_shape *s, uint64_t seq)
{
	unsigned int len = vh_shape_len(s, seq), slot, n;
	struct vh_ring *r = &d->ring[VH_TX];
	struct vh_buf b[256];
	uint8_t *p;
	int e;

	p = vh_slot_get(r, &slot);
	if (!p)
		return -ENOSPC;
	memset(p, 0, d->hdr_len);
	vh_frame_fill(p + d->hdr_len, len, seq);
	n = cut(d, s, p, d->hdr_len + len, false, b);
	e = vh_add(r, b, n, s->indirect, slot);
	if (e < 0)
		vh_slot_put(r, slot);
	return e < 0 ? e : 0;
}

/* vh_tx_reap - take sent chains back; TX must report nothing written */
int vh_tx_reap(struct vh_dev *d, unsigned int *done)
{
	struct vh_ring *r = &d->ring[VH_TX];
	struct vh_used u;

	while (vh_get_used(r, &u)) {
		if (u.token == ~0ULL)
			return vh_fail(-EBADMSG, "TX: unknown id came back");
		if (u.len)
			return vh_fail(-EBADMSG, "TX: %u bytes written",
				       u.len);
		vh_slot_put(r, u.token);
		(*done)++;
	}
	return 0;
}

/* Read frames off the socket; each must be the next one. */
static int sock_take(struct vh_tap *t, const struct vh_shape *s, uint64_t seq,
		     unsigned int *got, int timeout_ms)
{
	static uint8_t f[70000];
	uint64_t have;
	ssize_t n;
	int r;

	while (*got < s->count) {
		if (timeout_ms && !vh_wait_fd(t->sock, timeout_ms))
			return 0;
		n = recv(t->sock, f, sizeof(f), MSG_DONTWAIT);
		if (n < 0)
			return 0;
		r = vh_frame_check(f, n, &have);
		if (r < 0)
			return r;
		if (!r)
			continue;
		if (have != seq + *got)
			return vh_fail(-EBADMSG, "TX: frame %llu, not %llu",
				       (unsigned long long)have,
				       (unsigned long long)(seq + *got));
		if ((unsigned int)n != vh_shape_len(s, have))
			return vh_fail(-EBADMSG, "TX: %zd bytes, not %u", n,
				       vh_shape_len(s, have));
		(*got)++;
	}
	return 0;
}

static int tx_wait(struct vh_dev *d, const struct vh_shape *s)
{
	struct vh_ring *r = &d->ring[VH_TX];
	int i;

	if (!s->poll)
		return vh_wait_used(r, WAIT_MS);
	vh_call_off(r);
	for (i = 0; i < WAIT_MS && !vh_more_used(r); i++)
		usleep(1000);
	return vh_more_used(r) ? 0 : vh_fail(-ETIMEDOUT, "TX: nothing used");
}

/* vh_tx_check - send s->count frames from @seq, see each arrive, in order */
int vh_tx_check(struct vh_dev *d, struct vh_tap *t, const struct vh_shape *s,
		uint64_t seq)
{
	unsigned int batch = s->batch ?: 16, sent = 0, done = 0, got = 0, i;
	struct vh_ring *r = &d->ring[VH_TX];
	int e;

	while (done < s->count) {
		e = 0;
		for (i = 0; i < batch && sent < s->count; i++) {
			e = vh_tx_post(d, s, seq + sent);
			if (e)
				break;
			sent++;
		}
		if (e && e != -ENOSPC)
			return vh_fail(e, "TX: frame %u", sent);
		if (i)
			vh_publish_kick(r);
		if (e == -ENOSPC || sent == s->count) {
			e = tx_wait(d, s);
			if (e)
				return e;
		}
		e = vh_tx_reap(d, &done);
		if (e)
			return e;
		e = sock_take(t, s, seq, &got, 0);
		if (e)
			return e;
	}
	e = sock_take(t, s, seq, &got, 1000);
	if (e)
		return e;
	if (got != s->count)
		return vh_fail(-ENODATA, "TX: %u of %u arrived", got,
			       s->count);
	return 0;
}

/* ---- device to driver ---- */

/* vh_rx_post - post up to @max receive buffers; how many */
int vh_rx_post(struct vh_dev *d, const struct vh_shape *s, unsigned int max)
{
	struct vh_ring *r = &d->ring[VH_RX];
	unsigned int len = s->rx_buf ?: r->slot_size, slot, n, k = 0;
	struct vh_buf b[256];
	uint8_t *p;

	while (k < max) {
		p = vh_slot_get(r, &slot);
		if (!p)
			break;
		memset(p, 0xaa, len);
		n = cut(d, s, p, len, true, b);
		if (vh_add(r, b, n, s->indirect, slot) < 0) {
			vh_slot_put(r, slot);
			break;
		}
		k++;
	}
	if (k)
		vh_publish_kick(r);
	return k;
}

static int rx_part(struct vh_dev *d, uint8_t **p, uint32_t *len, uint64_t *slot,
		   int timeout_ms)
{
	struct vh_ring *r = &d->ring[VH_RX];
	struct vh_used u;
	int e;

	if (!vh_more_used(r)) {
		e = vh_wait_used(r, timeout_ms);
		if (e)
			return e;
	}
	if (!vh_get_used(r, &u))
		return vh_fail(-ETIMEDOUT, "RX: call without a used chain");
	if (u.token == ~0ULL)
		return vh_fail(-EBADMSG, "RX: unknown id came back");
	if (u.len > r->slot_size)
		return vh_fail(-EBADMSG, "RX: %u bytes in a buffer of %zu",
			       u.len, r->slot_size);
	*p = vh_slot(r, u.token);
	*len = u.len;
	*slot = u.token;
	return 0;
}

/* vh_rx_frame - next frame out of the RX ring; its length or -errno */
int vh_rx_frame(struct vh_dev *d, uint8_t *frame, unsigned int room,
		struct virtio_net_hdr_mrg_rxbuf *hdr, int timeout_ms)
{
	struct vh_ring *r = &d->ring[VH_RX];
	unsigned int at = 0, want = 1, k;
	uint64_t slot = 0;
	uint8_t *p = NULL;
	uint32_t len = 0;
	int e;

	memset(hdr, 0, sizeof(*hdr));
	for (k = 0; k < want; k++) {
		e = rx_part(d, &p, &len, &slot, k ? 1000 : timeout_ms);
		if (e)
			return e;
		if (k == 0) {
			if (len < d->hdr_len)
				return vh_fail(-EBADMSG, "RX: %u bytes", len);
			memcpy(hdr, p, d->hdr_len);
			if (d->features & VH_BIT(VIRTIO_NET_F_MRG_RXBUF))
				want = hdr->num_buffers;
			p += d->hdr_len;
			len -= d->hdr_len;
			if (want == 0)
				return vh_fail(-EBADMSG, "RX: num_buffers 0");
		}
		if (at + len > room)
			return vh_fail(-EBADMSG, "RX: frame over %u", room);
		memcpy(frame + at, p, len);
		at += len;
		vh_slot_put(r, slot);
	}
	return at;
}

static int sock_send(struct vh_tap *t, const struct vh_shape *s, uint64_t seq)
{
	static uint8_t f[70000];
	unsigned int len = vh_shape_len(s, seq);
	int i;

	vh_frame_fill(f, len, seq);
	for (i = 0; i < 2000; i++) {
		if (send(t->sock, f, len, 0) == (ssize_t)len)
			return 0;
		if (errno != ENOBUFS && errno != EAGAIN)
			break;
		usleep(1000);
	}
	return vh_fail(-errno, "RX: send %u bytes", len);
}

/* vh_rx_check - send s->count frames from @seq into the tap, take each out */
int vh_rx_check(struct vh_dev *d, struct vh_tap *t, const struct vh_shape *s,
		uint64_t seq)
{
	unsigned int batch = s->batch ?: 16, sent = 0, got = 0, len;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	static uint8_t f[70000];
	uint64_t have;
	int n, e;

	while (got < s->count) {
		vh_rx_post(d, s, ~0U);
		for (; sent < s->count && sent - got < batch; sent++) {
			e = sock_send(t, s, seq + sent);
			if (e)
				return e;
		}
		n = vh_rx_frame(d, f, sizeof(f), &hdr, WAIT_MS);
		if (n < 0)
			return n;
		e = vh_frame_check(f, n, &have);
		if (e < 0)
			return e;
		if (!e)
			continue;
		if (have != seq + got)
			return vh_fail(-EBADMSG, "RX: frame %llu, not %llu",
				       (unsigned long long)have,
				       (unsigned long long)(seq + got));
		len = vh_shape_len(s, have);
		if ((unsigned int)n != len)
			return vh_fail(-EBADMSG, "RX: %d bytes, not %u", n,
				       len);
		got++;
	}
	return 0;
}

/* vh_both_check - @count plain frames each way: is the device alive? */
int vh_both_check(struct vh_dev *d, struct vh_tap *t, unsigned int count)
{
	struct vh_shape s = { .count = count, .len = 200 };
	int e;

	e = vh_tx_check(d, t, &s, 1000);
	return e ?: vh_rx_check(d, t, &s, 2000);
}

/* ---- the kernel log ---- */

/* vh_kmsg_open - from here on */
int vh_kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * vh_kmsg_scan - count the lines since the last call; -EFAULT if one of them
 * is a splat. A log that overran counts as 10000 lines.
 */
int vh_kmsg_scan(int fd, unsigned int *lines)
{
	static const char * const bad[] = {
		"BUG:", "WARNING:", "Oops", "KASAN", "UBSAN", "lockup",
		"blocked for more", "refcount_t", "general protection",
	};
	char buf[8192];
	unsigned int i;
	ssize_t n;
	int r = 0;

	for (;;) {
		n = read(fd, buf, sizeof(buf) - 1);
		if (n < 0 && errno == EPIPE) {
			*lines += 10000;
			continue;
		}
		if (n <= 0)
			return r;
		buf[n] = 0;
		(*lines)++;
		/* A program's fault, not the kernel's. */
		if (strstr(buf, ";traps: "))
			continue;
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (strstr(buf, bad[i]))
				r = vh_fail(-EFAULT, "kernel log: %.120s",
					    strchr(buf, ';') ?: buf);
	}
}
