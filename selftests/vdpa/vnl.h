/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vdpa netlink family, and devices made by it: what "vdpa dev add" and a shell do in a dozen
 * processes, most of a short test's time on an emulated processor. The tool itself is what the
 * shell programs here use.
 */
#ifndef VDPA_VNL_H
#define VDPA_VNL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <stddef.h>

#define VDPA_BUS	"/sys/bus/vdpa"
#define VDPA_PROFILES	"/sys/kernel/config/trivio/"

/**
 * struct vnl_req - a message that is being put together
 * @n: netlink header
 * @g: generic netlink header
 * @attr: attributes
 */
struct vnl_req {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char attr[8192];
};

/* A socket, or -errno; and with the family's number in @family. */
int vnl_socket(void);
int vnl_open(int *family);

void vnl_begin(struct vnl_req *r, int type, int cmd);
void vnl_put(struct vnl_req *r, int type, const void *data, int len);
void vnl_put_str(struct vnl_req *r, int type, const char *s);

/* The errno that comes back (negative, or 0); what the kernel says to it goes to @text. */
int vnl_ask(int fd, struct vnl_req *r, char *text, int size);

/* Modules there, a profile of that name, devices for a process (drivers_autoprobe off). */
int vdev_profile(const char *name);
int vdev_profile_end(const char *name);

/*
 * A device, with what its profile says by now; @args as "vdpa dev add" has them: "mac M", "mtu N",
 * "max_vqp N". 0 or -errno, with the kernel's words on stderr.
 */
int vdev_add(const char *name, const char *mgmtdev, const char *args);

/* -ETIME if it took more than @secs: what does not go in time hangs for a user. */
int vdev_del(const char *name, int secs);

/* Given to vhost_vdpa; the node's path goes to @node. */
int vdev_bind(const char *name, char *node, size_t size);

#endif /* VDPA_VNL_H */
