// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the vdpa netlink family may be told about our management devices:
 * attributes missing, short, long, of odd values, twice; without privilege.
 * Whatever it is, an errno comes back and no device is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "../lib/files.h"
#include "../lib/harness.h"

#include "vnl.h"

/* Seconds for one test: a device is made each time, on a slow kernel. */
#define LONG	300

#define MGMT	"trivio_net"
#define DEV	"tvnl0"

FIXTURE(nl)
{
	int fd;
	int family;
	char text[256];
};

FIXTURE_SETUP(nl)
{
	ASSERT_EQ(0, access("/sys/module/trivio_vdpa", F_OK));
	self->fd = vnl_open(&self->family);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(nl)
{
	/* Nothing that was refused is there. */
	EXPECT_NE(0, access("/sys/bus/vdpa/devices/" DEV, F_OK));
	close(self->fd);
}

static void new_dev(struct vnl_req *r, int family, const char *name)
{
	vnl_begin(r, family, VDPA_CMD_DEV_NEW);
	if (name)
		vnl_put_str(r, VDPA_ATTR_DEV_NAME, name);
	vnl_put_str(r, VDPA_ATTR_MGMTDEV_DEV_NAME, MGMT);
}

static int del_dev(int fd, int family, char *text, int size)
{
	struct vnl_req r;

	vnl_begin(&r, family, VDPA_CMD_DEV_DEL);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	return vnl_ask(fd, &r, text, size);
}

TEST_F_TIMEOUT(nl, I17_missing_attributes, LONG)
{
	struct vnl_req r;

	vnl_begin(&r, self->family, VDPA_CMD_DEV_NEW);
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, NULL);
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	vnl_begin(&r, self->family, VDPA_CMD_DEV_NEW);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	vnl_begin(&r, self->family, VDPA_CMD_DEV_DEL);
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
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
	struct vnl_req r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(name, 'n', sizeof(name));
		name[t[i].len] = 0;
		new_dev(&r, self->family, name);
		EXPECT_EQ(t[i].err, vnl_ask(self->fd, &r, self->text,
					    sizeof(self->text))) {
			TH_LOG("name of %d bytes", t[i].len);
		}
	}
	new_dev(&r, self->family, "a/b");
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, "a b");
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, "..");
	EXPECT_EQ(-EINVAL, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
}

TEST_F_TIMEOUT(nl, I17_sizes_of_attributes, LONG)
{
	uint8_t mac[8] = { 2, 0, 0, 0, 0, 1 };
	struct vnl_req r;

	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, 5);
	EXPECT_EQ(-ERANGE, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, mac, 1);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, mac, 1);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_FEATURES, mac, 4);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
}

TEST_F_TIMEOUT(nl, I17_values, LONG)
{
	static const uint16_t mtu[] = { 0, 1, 67 };
	static const uint16_t vqp[] = { 0, 65, 65535 };
	uint8_t multicast[6] = { 1, 0, 0, 0, 0, 1 };
	uint64_t features;
	struct vnl_req r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mtu); i++) {
		new_dev(&r, self->family, DEV);
		vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, &mtu[i], 2);
		EXPECT_EQ(-ERANGE, vnl_ask(self->fd, &r, self->text,
					   sizeof(self->text)));
		EXPECT_STRNE("", self->text);
	}
	for (i = 0; i < ARRAY_SIZE(vqp); i++) {
		new_dev(&r, self->family, DEV);
		vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, &vqp[i], 2);
		EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	}
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, multicast, 6);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	/* A feature no net device of ours has, and one none can do without. */
	features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
		   1ULL << 50;
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_FEATURES, &features, 8);
	EXPECT_EQ(-EOPNOTSUPP, vnl_ask(self->fd, &r, self->text,
				       sizeof(self->text)));
	features = 1ULL << VIRTIO_F_VERSION_1;
	new_dev(&r, self->family, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_FEATURES, &features, 8);
	EXPECT_EQ(-EOPNOTSUPP, vnl_ask(self->fd, &r, self->text,
				       sizeof(self->text)));
	/* A net attribute for a block device. */
	vnl_begin(&r, self->family, VDPA_CMD_DEV_NEW);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	vnl_put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, "trivio_blk");
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, &(uint16_t){ 1500 }, 2);
	EXPECT_EQ(-EOPNOTSUPP, vnl_ask(self->fd, &r, self->text,
				       sizeof(self->text)));
	EXPECT_STRNE("", self->text);
	/* A management device that is not there. */
	vnl_begin(&r, self->family, VDPA_CMD_DEV_NEW);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	vnl_put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, "trivio_nothing");
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
}

/* Refused with the device there, too: set, statistics. */
TEST_F_TIMEOUT(nl, L12_a_device_that_lives, LONG)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 }, multicast[6] = { 1 };
	uint32_t queue[] = { 3, 4095, 70000 };
	struct vnl_req r;
	size_t i;

	ASSERT_EQ(0, put(VDPA_BUS "/drivers_autoprobe", "0"));
	new_dev(&r, self->family, DEV);
	ASSERT_EQ(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	new_dev(&r, self->family, DEV);
	EXPECT_EQ(-EEXIST, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	for (i = 0; i < ARRAY_SIZE(queue); i++) {
		vnl_begin(&r, self->family, VDPA_CMD_DEV_VSTATS_GET);
		vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
		vnl_put(&r, VDPA_ATTR_DEV_QUEUE_INDEX, &queue[i], 4);
		EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	}
	vnl_begin(&r, self->family, VDPA_CMD_DEV_ATTR_SET);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, 6);
	EXPECT_EQ(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	EXPECT_EQ(0, system("vdpa -j dev config show " DEV
			    " | grep -q 02:00:00:00:00:02"));
	vnl_begin(&r, self->family, VDPA_CMD_DEV_ATTR_SET);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, multicast, 6);
	EXPECT_GT(0, vnl_ask(self->fd, &r, self->text, sizeof(self->text)));
	EXPECT_EQ(0, system("vdpa -j dev config show " DEV
			    " | grep -q 02:00:00:00:00:02"));
	EXPECT_EQ(0, del_dev(self->fd, self->family, self->text,
			     sizeof(self->text)));
	EXPECT_EQ(-ENODEV, del_dev(self->fd, self->family, self->text,
				   sizeof(self->text)));
	EXPECT_EQ(0, put(VDPA_BUS "/drivers_autoprobe", "1"));
}

/*
 * Asks for a device while the @n-th allocation or copy fails. *@left: fewer were made.
 * The socket is the call's own: what comes late must not answer the next one.
 */
static int new_failing(int fail_fd, int family, const char *mgmt, int n,
		       bool *left)
{
	char text[256], num[16] = "";
	struct vnl_req r;
	int fd, err;

	fd = vnl_socket();
	if (fd < 0)
		return -EBADF;
	vnl_begin(&r, family, VDPA_CMD_DEV_NEW);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, DEV);
	vnl_put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, mgmt);
	snprintf(num, sizeof(num), "%d", n);
	if (write(fail_fd, num, strlen(num)) < 0) {
		close(fd);
		return -EBADF;
	}
	err = vnl_ask(fd, &r, text, sizeof(text));
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
	ASSERT_EQ(0, put(VDPA_BUS "/drivers_autoprobe", "0"));
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
	EXPECT_EQ(0, put(VDPA_BUS "/drivers_autoprobe", "1"));
}

TEST_F_TIMEOUT(nl, I17_without_privilege, LONG)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vnl_req r;
		int fd;

		if (setresuid(65534, 65534, 65534))
			_exit(2);
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
		new_dev(&r, self->family, DEV);
		_exit(vnl_ask(fd, &r, self->text, sizeof(self->text)) != -EPERM);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
