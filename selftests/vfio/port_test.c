// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the frames of a net function go when that is a socket: a packet socket
 * on an interface, or a tap that somebody opened; or a switch.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include "common.h"

FIXTURE(port) {
	struct vc c;
	int tap;
};

FIXTURE_SETUP(port)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = 12;

	OK(vc_create(&self->c, "trivio-net"));
	self->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->tap);
	ASSERT_EQ(0, ioctl(self->tap, TUNSETIFF, &ifr));
	ASSERT_EQ(0, ioctl(self->tap, TUNSETVNETHDRSZ, &len));
	/* The host's end: what client.c opens its packet socket on. */
	strcpy(self->c.ifname, ifr.ifr_name);
}

FIXTURE_TEARDOWN(port)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
	close(self->tap);
}

static void both_ways(struct __test_metadata *_metadata, struct vc *c)
{
	uint32_t seq, i;

	OK(vc_open(c));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	vc_rx_post(c, VC_RING);
	for (i = 0; i < 200; i++) {
		OK(vc_tx(c, i));
		ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
		ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
		OK(vc_host_send(c, 1000 + i));
		ASSERT_EQ(0, vc_rx(c, &seq, WAIT_MS));
		ASSERT_EQ(1000 + i, seq);
		vc_rx_post(c, 1);
	}
	EXPECT_EQ(0, vc_status(c) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vc_host_close(c);
}

static int set_fd(struct vc *c, int fd)
{
	char text[16];

	snprintf(text, sizeof(text), "fd:%d", fd);
	return vc_attr_set(c, "port", text);
}

TEST_F_TIMEOUT(port, tap, LONG)
{
	struct vc *c = &self->c;

	OK(set_fd(c, self->tap));
	/* The device has it from now on. */
	close(self->tap);
	self->tap = -1;
	both_ways(_metadata, c);
	vc_close(c);
	EXPECT_NE(0, if_nametoindex(c->ifname));
	OK(vc_attr_set(c, "port", "none"));
	EXPECT_EQ(0, if_nametoindex(c->ifname));
}

/* On an interface whose other end is a tap's reader: us. */
TEST_F_TIMEOUT(port, packet_socket, LONG)
{
	struct vc *c = &self->c;
	char text[32], cmd[96];

	snprintf(cmd, sizeof(cmd),
		 "ip link add pt0 type veth peer name pt1 && ip link set pt0 up");
	if (system(cmd))
		SKIP(return, "no veth in this kernel");
	strcpy(c->ifname, "pt1");
	snprintf(text, sizeof(text), "packet:pt0");
	OK(vc_attr_set(c, "port", text));
	both_ways(_metadata, c);
	vc_close(c);
	/* The interface goes, the device stays. */
	EXPECT_EQ(0, system("ip link del pt0"));
	OK(vc_open(c));
	OK(vc_start(c, FEATURES));
	OK(vc_tx(c, 1));
	EXPECT_LE(0, vc_wait_used(c, 1, WAIT_MS));
}

/*
 * Two functions at one switch. Guest memory is pinned when it is first used, and
 * a switch does not wait for that: the first frame into a page may be lost.
 */
TEST_F_TIMEOUT(port, at_a_switch, LONG)
{
	struct vc *c = &self->c, to = {};
	uint32_t seq, i, tries, lost = 0;

	OK(vc_create(&to, "trivio-net"));
	OK(vc_attr_set(c, "port", "switch:pt"));
	OK(vc_attr_set(&to, "port", "switch:pt"));
	OK(vc_open(c));
	OK(vc_open(&to));
	OK(vc_start(c, FEATURES));
	OK(vc_start(&to, FEATURES));
	vc_rx_post(&to, VC_RING);
	for (i = 0; i < 200; i++) {
		for (tries = 0; tries < 5; tries++) {
			OK(vc_tx(c, i));
			ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
			if (!vc_rx(&to, &seq, 200))
				break;
			lost++;
		}
		ASSERT_EQ(i, seq);
		vc_rx_post(&to, 1);
	}
	TH_LOG("%u frames lost while memory was being pinned", lost);
	EXPECT_GT(20, lost);
	vc_close(&to);
	/* Nobody is there any more; the sender goes on. */
	OK(vc_tx(c, i));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	EXPECT_EQ(0, pins_left(&to));
	EXPECT_EQ(0, vc_remove(&to));
}

TEST_F(port, refusals)
{
	struct vc *c = &self->c;
	int null = open("/dev/null", O_RDWR);
	char buf[64];

	EXPECT_EQ(-ENODEV, vc_attr_set(c, "port", "packet:nosuch"));
	EXPECT_EQ(-ENOTSOCK, set_fd(c, null));
	EXPECT_EQ(-EBADF, set_fd(c, 9999));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "port", "fd:-1"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "port", "tap"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "port", "switch:"));
	EXPECT_EQ(-EINVAL, vc_attr_set(c, "port",
				       "packet:0123456789012345678901234567890123456789"));
	OK(vc_attr_get(c, "port", buf, sizeof(buf)));
	EXPECT_STREQ("netdev", buf);
	/* One socket, one pair. */
	OK(set_fd(c, self->tap));
	OK(vc_attr_set(c, "queues", "2"));
	EXPECT_EQ(-EINVAL, vc_open(c));
	vc_close(c);
	OK(vc_attr_set(c, "queues", "1"));
	OK(vc_open(c));
	EXPECT_EQ(-EBUSY, vc_attr_set(c, "port", "none"));
	close(null);
}

/* What a socket cannot do is not offered. */
TEST_F(port, features)
{
	struct vc *c = &self->c;
	uint32_t f;

	OK(set_fd(c, self->tap));
	OK(vc_open(c));
	OK(vc_command(c, PCI_COMMAND_MEMORY));
	f = vc_get(c, BAR(c), COM(c, VIRTIO_PCI_COMMON_DF), 4);
	EXPECT_TRUE(f & VC_BIT(VIRTIO_NET_F_MAC));
	EXPECT_FALSE(f & VC_BIT(VIRTIO_NET_F_CTRL_RX));
	EXPECT_FALSE(f & VC_BIT(VIRTIO_NET_F_MQ));
}

VFIO_HARNESS_MAIN
