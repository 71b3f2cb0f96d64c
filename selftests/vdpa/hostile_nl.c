// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the vdpa netlink family may be told about our management devices:
 * attributes missing, short, long, of odd values, twice; without privilege.
 * Whatever it is, an errno comes back and no device is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/harness.h"

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	300

#define MGMT	"trivio_net"
#define DEV	"tvnl0"

/**
 * struct req - a message that is being put together
 * @n: netlink header
 * @g: generic netlink header
 * @attr: attributes
 */
struct req {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char attr[8192];
};

FIXTURE(nl)
{
	int fd;
	int family;
	char text[256];
};

static void begin(struct req *r, int type, int cmd)
{
	memset(r, 0, sizeof(*r));
	r->n.nlmsg_len = NLMSG_LENGTH(sizeof(r->g));
	r->n.nlmsg_type = type;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r->g.cmd = cmd;
	r->g.version = 1;
}

static void put(struct req *r, int type, const void *data, int len)
{
	struct nlattr *a = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static void put_str(struct req *r, int type, const char *s)
{
	put(r, type, s, strlen(s) + 1);
}

static void text_of(const struct nlmsghdr *n, char *text, int size)
{
	const struct nlmsgerr *e = NLMSG_DATA(n);
	int off = sizeof(*e);

	if (!(n->nlmsg_flags & NLM_F_CAPPED))
		off += e->msg.nlmsg_len - sizeof(e->msg);
	off = NLMSG_HDRLEN + NLMSG_ALIGN(off);
	while (n->nlmsg_flags & NLM_F_ACK_TLVS &&
	       off + NLA_HDRLEN <= (int)n->nlmsg_len) {
		const struct nlattr *a = (const void *)((const char *)n + off);

		if ((a->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			snprintf(text, size, "%s",
				 (const char *)a + NLA_HDRLEN);
		off += NLA_ALIGN(a->nla_len);
	}
}

/* The errno that comes back (negative), and what the kernel says to it. */
static int ask(int fd, struct req *r, char *text, int size)
{
	char buf[16384];
	struct nlmsghdr *n = (void *)buf;
	ssize_t len;

	text[0] = 0;
	if (send(fd, r, r->n.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 0)
			return -errno;
		if (n->nlmsg_type != NLMSG_ERROR)
			continue;
		text_of(n, text, size);
		return ((struct nlmsgerr *)NLMSG_DATA(n))->error;
	}
}

static int family_id(int fd, const char *name)
{
	char buf[8192];
	struct nlmsghdr *n = (void *)buf;
	int off, id = -1;
	struct req r;
	ssize_t len;

	begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	put_str(&r, CTRL_ATTR_FAMILY_NAME, name);
	if (send(fd, &r, r.n.nlmsg_len, 0) < 0)
		return -errno;
	len = recv(fd, buf, sizeof(buf), 0);
	if (len < 0 || n->nlmsg_type == NLMSG_ERROR)
		return -ENOENT;
	for (off = NLMSG_HDRLEN + GENL_HDRLEN; off < (int)n->nlmsg_len;) {
		struct nlattr *a = (void *)(buf + off);

		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			id = *(uint16_t *)((char *)a + NLA_HDRLEN);
		off += NLA_ALIGN(a->nla_len);
	}
	/* Its acknowledgment. */
	if (recv(fd, buf, sizeof(buf), 0) < 0)
		return -errno;
	return id;
}

FIXTURE_SETUP(nl)
{
	int on = 1;

	ASSERT_EQ(0, access("/sys/module/trivio_vdpa", F_OK));
	self->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	ASSERT_LE(0, self->fd);
	setsockopt(self->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	self->family = family_id(self->fd, VDPA_GENL_NAME);
	ASSERT_LT(0, self->family);
}

FIXTURE_TEARDOWN(nl)
{
	/* Nothing that was refused is there. */
	EXPECT_NE(0, access("/sys/bus/vdpa/devices/" DEV, F_OK));
	close(self->fd);
}

static void new_dev(struct req *r, int family, const char *name)
{
	begin(r, family, VDPA_CMD_DEV_NEW);
	if (name)
		put_str(r, VDPA_ATTR_DEV_NAME, name);
	put_str(r, VDPA_ATTR_MGMTDEV_DEV_NAME, MGMT);
}

static int del_dev(int fd, int family, char *text, int size)
{
	struct req r;

	begin(&r, family, VDPA_CMD_DEV_DEL);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	return ask(fd, &r, text, size);
}

TEST_F_TIMEOUT(nl, I17_missing_attributes, LONG)
{
	struct req r;

	begin(&r, self->family, VDPA_CMD_DEV_NEW);
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, NULL);
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
	begin(&r, self->family, VDPA_CMD_DEV_NEW);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	begin(&r, self->family, VDPA_CMD_DEV_DEL);
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
}

TEST_F_TIMEOUT(nl, I17_names, LONG)
{
	static char name[4097];
	static const struct {
		int len;
		int err;
	} t[] = {
		{ 0, -EINVAL },
		{ 16, -ENAMETOOLONG },
		{ 31, -ENAMETOOLONG },
		{ 32, -ENAMETOOLONG },
		{ 255, -ENAMETOOLONG },
		{ 4096, -ENAMETOOLONG },
	};
	struct req r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(name, 'n', sizeof(name));
		name[t[i].len] = 0;
		new_dev(&r, self->family, name);
		EXPECT_EQ(t[i].err, ask(self->fd, &r, self->text,
					sizeof(self->text))) {
			TH_LOG("name of %d bytes", t[i].len);
		}
	}
	new_dev(&r, self->family, "a/b");
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, "a b");
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, "..");
	EXPECT_EQ(-EINVAL, ask(self->fd, &r, self->text, sizeof(self->text)));
}

TEST_F_TIMEOUT(nl, I17_sizes_of_attributes, LONG)
{
	uint8_t mac[8] = { 2, 0, 0, 0, 0, 1 };
	struct req r;

	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, 5);
	EXPECT_EQ(-ERANGE, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, mac, 1);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, mac, 1);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_FEATURES, mac, 4);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
}

TEST_F_TIMEOUT(nl, I17_values, LONG)
{
	static const uint16_t mtu[] = { 0, 1, 67 };
	static const uint16_t vqp[] = { 0, 65, 65535 };
	uint8_t multicast[6] = { 1, 0, 0, 0, 0, 1 };
	uint64_t features;
	struct req r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mtu); i++) {
		new_dev(&r, self->family, DEV);
		put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, &mtu[i], 2);
		EXPECT_EQ(-ERANGE, ask(self->fd, &r, self->text,
				       sizeof(self->text)));
		EXPECT_STRNE("", self->text);
	}
	for (i = 0; i < ARRAY_SIZE(vqp); i++) {
		new_dev(&r, self->family, DEV);
		put(&r, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, &vqp[i], 2);
		EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	}
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, multicast, 6);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	/* A feature no net device of ours has, and one none can do without. */
	features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
		   1ULL << 50;
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_FEATURES, &features, 8);
	EXPECT_EQ(-EOPNOTSUPP, ask(self->fd, &r, self->text,
				   sizeof(self->text)));
	features = 1ULL << VIRTIO_F_VERSION_1;
	new_dev(&r, self->family, DEV);
	put(&r, VDPA_ATTR_DEV_FEATURES, &features, 8);
	EXPECT_EQ(-EOPNOTSUPP, ask(self->fd, &r, self->text,
				   sizeof(self->text)));
	/* A net attribute for a block device. */
	begin(&r, self->family, VDPA_CMD_DEV_NEW);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, "trivio_blk");
	put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, &(uint16_t){ 1500 }, 2);
	EXPECT_EQ(-EOPNOTSUPP, ask(self->fd, &r, self->text,
				   sizeof(self->text)));
	EXPECT_STRNE("", self->text);
	/* A management device that is not there. */
	begin(&r, self->family, VDPA_CMD_DEV_NEW);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, "trivio_nothing");
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
}

/* Refused with the device there, too: set, statistics. */
TEST_F_TIMEOUT(nl, L12_a_device_that_lives, LONG)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 }, multicast[6] = { 1 };
	uint32_t queue[] = { 3, 4095, 70000 };
	struct req r;
	size_t i;

	ASSERT_EQ(0, system("echo 0 >/sys/bus/vdpa/drivers_autoprobe"));
	new_dev(&r, self->family, DEV);
	ASSERT_EQ(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	EXPECT_EQ(-EEXIST, ask(self->fd, &r, self->text, sizeof(self->text)));
	for (i = 0; i < ARRAY_SIZE(queue); i++) {
		begin(&r, self->family, VDPA_CMD_DEV_VSTATS_GET);
		put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
		put(&r, VDPA_ATTR_DEV_QUEUE_INDEX, &queue[i], 4);
		EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	}
	begin(&r, self->family, VDPA_CMD_DEV_ATTR_SET);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, 6);
	EXPECT_EQ(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	EXPECT_EQ(0, system("vdpa -j dev config show " DEV
			    " | grep -q 02:00:00:00:00:02"));
	begin(&r, self->family, VDPA_CMD_DEV_ATTR_SET);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, multicast, 6);
	EXPECT_GT(0, ask(self->fd, &r, self->text, sizeof(self->text)));
	EXPECT_EQ(0, system("vdpa -j dev config show " DEV
			    " | grep -q 02:00:00:00:00:02"));
	EXPECT_EQ(0, del_dev(self->fd, self->family, self->text,
			     sizeof(self->text)));
	EXPECT_EQ(-ENODEV, del_dev(self->fd, self->family, self->text,
				   sizeof(self->text)));
	EXPECT_EQ(0, system("echo 1 >/sys/bus/vdpa/drivers_autoprobe"));
}

/*
 * Asks for a device while the @n-th allocation or copy fails. *@left: fewer were made.
 * The socket is the call's own: what comes late must not answer the next one.
 */
static int new_failing(int fail_fd, int family, const char *mgmt, int n,
		       bool *left)
{
	char text[256], num[16] = "";
	int fd, err, on = 1;
	struct req r;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -EBADF;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	begin(&r, family, VDPA_CMD_DEV_NEW);
	put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, mgmt);
	snprintf(num, sizeof(num), "%d", n);
	if (write(fail_fd, num, strlen(num)) < 0) {
		close(fd);
		return -EBADF;
	}
	err = ask(fd, &r, text, sizeof(text));
	memset(num, 0, sizeof(num));
	/* This copy, too, is one that can be the n-th. */
	*left = pread(fail_fd, num, sizeof(num) - 1, 0) < 0 || atoi(num);
	/* And this one, if fewer were made than last time: then it is over, too. */
	if (write(fail_fd, "0", 1) < 0 && write(fail_fd, "0", 1) < 0)
		err = -EBADF;
	close(fd);
	return err;
}

/* L13: the n-th allocation or copy of a creation fails, for every n there is. */
TEST_F_TIMEOUT(nl, L13_creation_failing_at_each_step, 900)
{
	static const char * const mgmt[] = { "trivio_net", "trivio_blk" };
	int n, m, fd, err, refused, lost;
	bool left = false;

	fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, system("echo 0 >/sys/bus/vdpa/drivers_autoprobe"));
	/* A stack on a serial console for each of 500 places takes longer than all else. */
	system("cd /sys/kernel/debug && echo N >failslab/ignore-gfp-wait;"
	       "for k in failslab fail_page_alloc fail_usercopy; do echo 0 >$k/verbose; done");
	for (m = 0; m < 2; m++) {
		refused = 0;
		lost = 0;
		for (n = 1; n < 2000; n++) {
			err = new_failing(fd, self->family, mgmt[m], n, &left);
			ASSERT_NE(-EBADF, err);
			EXPECT_GE(0, err);
			refused += err < 0;
			if (access("/sys/bus/vdpa/devices/" DEV, F_OK)) {
				EXPECT_GT(0, err);
			} else {
				/* Made, though what failed may be the answer. */
				if (err) {
					EXPECT_TRUE(err == -ENOBUFS ||
						    err == -EFAULT);
					lost++;
				}
				ASSERT_EQ(0, del_dev(self->fd, self->family,
						     self->text,
						     sizeof(self->text)));
			}
			if (left)
				break;
		}
		TH_LOG("%s: %d places, %d times refused, %d answers lost",
		       mgmt[m], n - 1, refused, lost);
		EXPECT_LT(10, refused);
		EXPECT_LT(n, 2000);
	}
	close(fd);
	EXPECT_EQ(0, system("echo 1 >/sys/bus/vdpa/drivers_autoprobe"));
}

TEST_F_TIMEOUT(nl, I17_without_privilege, LONG)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct req r;
		int fd;

		if (setresuid(65534, 65534, 65534))
			_exit(2);
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
		new_dev(&r, self->family, DEV);
		_exit(ask(fd, &r, self->text, sizeof(self->text)) != -EPERM);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
