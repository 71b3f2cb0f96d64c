// SPDX-License-Identifier: GPL-2.0-only
/* The vdpa netlink family, and devices made by it. */
#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/files.h"
#include "vnl.h"

void vnl_begin(struct vnl_req *r, int type, int cmd)
{
	memset(r, 0, sizeof(*r));
	r->n.nlmsg_len = NLMSG_LENGTH(sizeof(r->g));
	r->n.nlmsg_type = type;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r->g.cmd = cmd;
	r->g.version = 1;
}

void vnl_put(struct vnl_req *r, int type, const void *data, int len)
{
	struct nlattr *a = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

void vnl_put_str(struct vnl_req *r, int type, const char *s)
{
	vnl_put(r, type, s, strlen(s) + 1);
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

int vnl_ask(int fd, struct vnl_req *r, char *text, int size)
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
	struct vnl_req r;
	int off, id = -1;
	ssize_t len;

	vnl_begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	vnl_put_str(&r, CTRL_ATTR_FAMILY_NAME, name);
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

int vnl_socket(void)
{
	int fd, on = 1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return fd;
}

int vnl_open(int *family)
{
	int fd = vnl_socket();

	if (fd < 0)
		return fd;
	*family = family_id(fd, VDPA_GENL_NAME);
	if (*family > 0)
		return fd;
	close(fd);
	return *family ?: -ENOENT;
}

int vdev_profile(const char *name)
{
	char path[96];

	if (access(VDPA_BUS "/drivers/vhost_vdpa", F_OK) &&
	    system("modprobe vhost_vdpa"))
		return -ENODEV;
	snprintf(path, sizeof(path), VDPA_PROFILES "%s", name);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	return put(VDPA_BUS "/drivers_autoprobe", "0");
}

int vdev_profile_end(const char *name)
{
	char path[96];
	int err = 0;

	snprintf(path, sizeof(path), VDPA_PROFILES "%s", name);
	if (rmdir(path))
		err = -errno;
	return put(VDPA_BUS "/drivers_autoprobe", "1") ?: err;
}

/* One message about device @name, of which @args says more. */
static int ask_once(const char *name, int cmd, const char *mgmtdev,
		    const char *args)
{
	int fd, err, family, used;
	char text[256], key[16], val[32];
	struct vnl_req r;

	fd = vnl_open(&family);
	if (fd < 0)
		return fd;
	vnl_begin(&r, family, cmd);
	vnl_put_str(&r, VDPA_ATTR_DEV_NAME, name);
	if (mgmtdev)
		vnl_put_str(&r, VDPA_ATTR_MGMTDEV_DEV_NAME, mgmtdev);
	for (; args && sscanf(args, "%15s %31s%n", key, val, &used) == 2; args += used) {
		uint16_t n = atoi(val);
		uint8_t mac[6];

		if (!strcmp(key, "mac") &&
		    sscanf(val, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1],
			   &mac[2], &mac[3], &mac[4], &mac[5]) == 6) {
			vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MACADDR, mac, sizeof(mac));
		} else if (!strcmp(key, "mtu")) {
			vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MTU, &n, sizeof(n));
		} else if (!strcmp(key, "max_vqp")) {
			vnl_put(&r, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, &n, sizeof(n));
		} else {
			close(fd);
			return -EINVAL;
		}
	}
	err = vnl_ask(fd, &r, text, sizeof(text));
	if (err)
		fprintf(stderr, "%s: %s: %s\n", name, strerror(-err), text);
	close(fd);
	return err;
}

int vdev_add(const char *name, const char *mgmtdev, const char *args)
{
	return ask_once(name, VDPA_CMD_DEV_NEW, mgmtdev, args);
}

int vdev_del(const char *name, int secs)
{
	struct timespec t, end;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &t);
	err = ask_once(name, VDPA_CMD_DEV_DEL, NULL, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return err ?: end.tv_sec - t.tv_sec > secs ? -ETIME : 0;
}

int vdev_bind(const char *name, char *node, size_t size)
{
	char path[128];
	glob_t g;
	int err;

	err = put(VDPA_BUS "/drivers/vhost_vdpa/bind", name);
	if (err)
		return err;
	snprintf(path, sizeof(path), VDPA_BUS "/devices/%s/vhost-vdpa-*", name);
	if (glob(path, 0, NULL, &g))
		return -ENODEV;
	snprintf(node, size, "/dev/%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
	return 0;
}
