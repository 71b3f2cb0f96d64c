// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of socket that may be a backend carries traffic, each payload
 * checked: tap, macvtap, ipvtap, and AF_PACKET raw with headers of its own
 * and without. All but the tap sit on one end of a veth pair, the test's
 * packet socket on the other.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "../lib/netif.h"
#include "common.h"

#define STRIP	VH_BIT(VHOST_NET_F_VIRTIO_NET_HDR)

/* Since 6.4; Debian 12's own headers are older. */
#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ	24
#endif

enum port { TAP, MACVTAP, IPVTAP, PACKET };

FIXTURE(port) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_VARIANT(port) {
	enum port kind;
	uint64_t features;
	int hdr;
};

#define VARIANT(name, kind_, bits, hdr_)				\
	FIXTURE_VARIANT_ADD(port, name) {				\
		.kind = (kind_), .features = (bits), .hdr = (hdr_) }

VARIANT(tap, TAP, VH_USUAL, 12);
VARIANT(tap_legacy, TAP, EVENT | IND, 10);
VARIANT(macvtap, MACVTAP, VH_USUAL, 12);
VARIANT(macvtap_legacy, MACVTAP, EVENT | IND, 10);
VARIANT(macvtap_packed, MACVTAP, VH_USUAL | PACKED, 12);
VARIANT(ipvtap, IPVTAP, VH_USUAL, 12);
VARIANT(packet, PACKET, VH_USUAL, 12);
VARIANT(packet_packed, PACKET, VH_USUAL | PACKED, 12);
VARIANT(packet_stripped, PACKET, VH_USUAL | STRIP, 0);
VARIANT(packet_stripped_legacy, PACKET, EVENT | IND | STRIP, 0);

/* A veth pair in a network of our own, silent and up. */
static int veth_make(void)
{
	return system("ip link add p0 type veth peer name p1 && "
		      "for i in p0 p1; do "
		      "sysctl -q -w net.ipv6.conf.$i.disable_ipv6=1; "
		      "ip link set $i arp off up || exit 1; done") ?
		-EIO : 0;
}

/* macvtap and ipvtap: the file is /dev/tapN, N the index of the interface. */
static int upper_open(const char *type, int hdr_len)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd, i, sndbuf = INT32_MAX;
	char buf[160];

	snprintf(buf, sizeof(buf), "ip link add link p0 name u0 type %s && "
		 "sysctl -q -w net.ipv6.conf.u0.disable_ipv6=1; "
		 "ip link set u0 up", type);
	if (system(buf))
		return -EOPNOTSUPP;
	snprintf(buf, sizeof(buf), "/dev/tap%u", if_nametoindex("u0"));
	for (i = 0; i < 50 && access(buf, F_OK); i++)
		usleep(20000);
	fd = open(buf, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return vh_fail(-errno, "%s", buf);
	i = vh_ioctl(fd, TUNSETIFF, &ifr);
	i = i ?: vh_ioctl(fd, TUNSETVNETHDRSZ, &hdr_len);
	i = i ?: vh_ioctl(fd, TUNSETSNDBUF, &sndbuf);
	i = i ?: vh_ioctl(fd, TUNSETOFFLOAD, NULL);
	return i ? vh_fail(i, "%s", type) : fd;
}

/* @hdr_len 0: no headers in the socket, the device strips and adds them. */
static int packet_open(int hdr_len)
{
	int fd = vh_sock_open("p0", false);

	if (fd >= 0 && hdr_len &&
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR_SZ, &hdr_len,
		       sizeof(hdr_len)) < 0)
		return vh_fail(-errno, "PACKET_VNET_HDR_SZ");
	return fd;
}

static int port_open(struct vh_tap *t, enum port kind, int hdr_len)
{
	int e;

	if (kind == TAP)
		return vh_tap_open(t, 0, hdr_len);
	e = veth_make();
	if (e)
		return e;
	if (kind == PACKET)
		t->fd = packet_open(hdr_len);
	else
		t->fd = upper_open(kind == MACVTAP ? "macvtap mode passthru" :
				   "ipvtap mode l2", hdr_len);
	if (t->fd < 0)
		return t->fd;
	t->sock = vh_sock_open("p1", false);
	return t->sock < 0 ? t->sock : 0;
}

FIXTURE_SETUP(port)
{
	struct vh_opts o = { .features = variant->features };
	int e;

	self->t.fd = -1;
	self->t.sock = -1;
	self->d.fd = -1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(vh_ns_enter());
	OK(vh_open(&self->d, &o));
	e = port_open(&self->t, variant->kind, variant->hdr);
	if (e == -EOPNOTSUPP)
		SKIP(return, "this kernel has no such interface");
	OK(e);
	OK(vh_start(&self->d, self->t.fd));
}

FIXTURE_TEARDOWN(port)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

TEST_F_TIMEOUT(port, carries_both_ways, LONG)
{
	struct vh_shape small = { .count = 100, .len = 60, .batch = 32 };
	struct vh_shape mixed = {
		.count = 60, .len = 1514, .batch = 16, .random = true,
	};

	OK(vh_tx_check(&self->d, &self->t, &small, 0));
	OK(vh_rx_check(&self->d, &self->t, &small, 0));
	OK(vh_tx_check(&self->d, &self->t, &mixed, 5));
	OK(vh_rx_check(&self->d, &self->t, &mixed, 5));
}

/* Chains cut anywhere, the header in pieces: all go through one iov_iter. */
TEST_F_TIMEOUT(port, carries_chains_in_pieces, LONG)
{
	static const unsigned int firsts[] = { 1, 12, 13 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct vh_shape s = {
			.count = 16, .len = 900, .batch = 8, .segs = 5,
			.first = firsts[i],
		};

		OK(vh_tx_check(&self->d, &self->t, &s, i * 100));
		OK(vh_rx_check(&self->d, &self->t, &s, i * 100));
	}
}

/* Frames that wait in the socket survive an unbind; so does the order. */
TEST_F_TIMEOUT(port, goes_on_after_unbind, LONG)
{
	struct vh_shape s = { .count = 32, .len = 300, .batch = 16 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		OK(vh_tx_check(&self->d, &self->t, &s, i * 32));
		OK(vh_rx_check(&self->d, &self->t, &s, i * 32));
		OK(vh_stop(&self->d));
		OK(vh_start(&self->d, self->t.fd));
	}
}

/* Frames until the tap takes no more; how many. */
static unsigned int tap_fill(struct vh_tap *t)
{
	unsigned int sent = 0;
	uint8_t f[300];

	for (;;) {
		vh_frame_fill(f, sizeof(f), sent);
		if (send(t->sock, f, sizeof(f), MSG_DONTWAIT) < 0)
			return sent;
		sent++;
	}
}

/*
 * The device takes frames off a tap in batches. When it lets go of the tap they
 * go back; what finds no room any more is lost, and must be counted.
 */
TEST(counts_what_a_full_tap_takes_not_back)
{
	struct vh_opts o = { .features = VH_USUAL };
	struct vh_shape s = { .len = 300 };
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned int sent, got = 0;
	static uint8_t f[2048];
	char show[80], name[64];
	struct vh_tap t;
	struct vh_dev d;
	uint64_t lost;

	OK(vh_ns_enter());
	OK(vh_open(&d, &o));
	OK(vh_tap_open(&t, 0, 12));
	/* A full batch, and its places filled again. */
	sent = tap_fill(&t);
	ASSERT_LT(500, sent);
	OK(vh_start(&d, t.fd));
	usleep(200000);
	sent += tap_fill(&t);
	OK(vh_stop(&d));
	OK(vh_device_name(getpid(), name, sizeof(name)));
	snprintf(show, sizeof(show), "show %s --json", name);
	lost = vh_json_number(vh_json_queue(vh_trivio(show), VH_RX),
			      "drop_backend");
	EXPECT_LT(0, lost);
	OK(vh_start(&d, t.fd));
	while (vh_rx_post(&d, &s, ~0U) &&
	       vh_rx_frame(&d, f, sizeof(f), &hdr, 2000) >= 0)
		got++;
	EXPECT_EQ(sent, got + lost);
	vh_close(&d);
	vh_tap_close(&t);
}

/* A packet socket that takes all there is on a device without a link layer. */
static int tun_sock(const char *name)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog prog = { 1, &all };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), hdr = 12;

	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)) ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR_SZ, &hdr, sizeof(hdr)))
		return -errno;
	return fd;
}

/*
 * A tun's packet information, and nothing behind it: a packet of no bytes, which is
 * dropped and counted. (The worker looked at it for ever, with the queue's lock.)
 */
TEST(a_packet_of_no_bytes)
{
	static const uint8_t pi[4] = { 0, 0, 8, 0 };
	struct vh_opts o = { .features = VH_USUAL };
	struct ifreq ifr = { .ifr_name = "nobytes", .ifr_flags = IFF_TUN };
	char show[80], name[64];
	struct vh_dev d;
	uint64_t dropped = 0;
	int tun, fd, i;

	OK(vh_ns_enter());
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, tun);
	OK(vh_ioctl(tun, TUNSETIFF, &ifr));
	/* IPv6's own packets would wait in front, as no buffer is here to receive them. */
	netif_silence("nobytes");
	OK(vh_link("nobytes", true));
	fd = tun_sock("nobytes");
	ASSERT_LE(0, fd);
	OK(vh_open(&d, &o));
	OK(vh_start(&d, fd));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(4, write(tun, pi, sizeof(pi)));
	OK(vh_device_name(getpid(), name, sizeof(name)));
	snprintf(show, sizeof(show), "show %s --json", name);
	for (i = 0; i < 100 && dropped != 3; i++) {
		usleep(50000);
		dropped = vh_json_number(vh_json_queue(vh_trivio(show), VH_RX),
					 "drop_format");
	}
	EXPECT_EQ(3, dropped);
	OK(vh_stop(&d));
	vh_close(&d);
	close(fd);
	close(tun);
}

TEST_HARNESS_MAIN
