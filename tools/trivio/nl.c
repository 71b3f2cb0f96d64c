// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talks to the kernel's generic netlink family trivio through libmnl. Every
 * function says on stderr what failed and gives an exit code, so that commands
 * only have to pass it on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "nl.h"
#include "nl_attr.h"
#include "trivio.h"

/* A dump is read again if the list of devices changed below it. */
#define DUMP_TRIES	10

struct nl {
	struct mnl_socket *sock;
	__u32 portid;
	__u32 seq;
	__u16 family;
	__u32 group;
	char said[256];		/* what the kernel added to an error */
	char *buf;
	size_t buf_len;
};

typedef int (*msg_fn)(const struct nlmsghdr *nlh, void *ctx);

struct list {
	void *item;
	int n;
	int err;
};

/* Requests --------------------------------------------------------------- */

static struct nlmsghdr *request(struct nl *nl, void *buf, __u16 type,
				__u8 cmd, __u16 flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

/*
 * Keeps the sentence that the kernel sent along with an error; it is among the
 * attributes behind @off bytes of payload.
 */
static void keep_message(struct nl *nl, const struct nlmsghdr *nlh, size_t off)
{
	const struct nlattr *a;

	nl->said[0] = 0;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	mnl_attr_for_each(a, nlh, off) {
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
			snprintf(nl->said, sizeof(nl->said), ": %s",
				 mnl_attr_get_str(a));
	}
}

/* Bytes before the attributes of an error: it repeats the request, or its head. */
static size_t error_len(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_flags & NLM_F_CAPPED)
		return sizeof(*e);
	return sizeof(*e) - sizeof(e->msg) + MNL_ALIGN(e->msg.nlmsg_len);
}

/* 0 or a negative errno; -EINTR if a dump was torn. */
static int transact(struct nl *nl, struct nlmsghdr *req, msg_fn fn, void *ctx)
{
	const struct nlmsghdr *nlh;
	bool torn = false;
	int len;

	nl->said[0] = 0;
	if (mnl_socket_sendto(nl->sock, req, req->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		len = mnl_socket_recvfrom(nl->sock, nl->buf, nl->buf_len);
		if (len < 0)
			return -errno;
		for (nlh = (void *)nl->buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != req->nlmsg_seq)
				continue;
			torn |= !!(nlh->nlmsg_flags & NLM_F_DUMP_INTR);
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e;

				e = mnl_nlmsg_get_payload(nlh);
				keep_message(nl, nlh, error_len(nlh));
				return e->error;
			}
			if (nlh->nlmsg_type == NLMSG_DONE) {
				int *err = mnl_nlmsg_get_payload(nlh);

				if (mnl_nlmsg_get_payload_len(nlh) >= 4 && *err) {
					keep_message(nl, nlh, sizeof(*err));
					return *err;
				}
				return torn ? -EINTR : 0;
			}
			if (fn && fn(nlh, ctx) != MNL_CB_OK)
				return -ENOMEM;
			if (!(nlh->nlmsg_flags & NLM_F_MULTI) &&
			    !(req->nlmsg_flags & NLM_F_ACK))
				return 0;
		}
	}
}

/* An exit code for an errno, with a line on stderr that names the next step. */
static int fail(struct nl *nl, int err, const char *what)
{
	switch (-err) {
	case ENODEV:
		err_say("%s%s; \"trivio list\" names the devices", what, nl->said);
		return RC_NODEV;
	case ENOENT:
		err_say("%s%s; \"trivio show DEV\" lists its queues", what, nl->said);
		return RC_NODEV;
	case EPERM:
	case EACCES:
		err_say("%s: not permitted; needs CAP_NET_ADMIN, try sudo", what);
		return RC_PERM;
	case EINTR:
		err_say("%s: devices come and go too fast, try again", what);
		return RC_FAIL;
	default:
		err_say("%s: %s%s", what, strerror(-err), nl->said);
		return RC_FAIL;
	}
}

/* Open ------------------------------------------------------------------- */

static int family_cb(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *a, *grp, *g;
	struct nl *nl = ctx;

	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(grp, a) {
			const char *name = "";
			__u32 id = 0;

			mnl_attr_for_each_nested(g, grp) {
				if (mnl_attr_get_type(g) == CTRL_ATTR_MCAST_GRP_NAME)
					name = mnl_attr_get_str(g);
				if (mnl_attr_get_type(g) == CTRL_ATTR_MCAST_GRP_ID)
					id = mnl_attr_get_u32(g);
			}
			if (!strcmp(name, TRIVIO_MCGRP_EVENTS))
				nl->group = id;
		}
	}
	return MNL_CB_OK;
}

static int family_resolve(struct nl *nl)
{
	char buf[256];
	struct nlmsghdr *nlh = request(nl, buf, GENL_ID_CTRL,
				       CTRL_CMD_GETFAMILY, 0);

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, TRIVIO_FAMILY_NAME);
	return transact(nl, nlh, family_cb, nl);
}

/**
 * nl_open() - connect to the kernel
 * @rc: exit code, if it fails
 *
 * Return: a connection, or NULL, and stderr says why.
 */
struct nl *nl_open(int *rc)
{
	struct nl *nl = calloc(1, sizeof(*nl));
	int one = 1, err;

	*rc = RC_FAIL;
	if (!nl)
		return NULL;
	nl->buf_len = 65536;
	nl->buf = malloc(nl->buf_len);
	nl->sock = mnl_socket_open(NETLINK_GENERIC);
	if (!nl->buf || !nl->sock ||
	    mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err_say("netlink: %s", strerror(errno));
		nl_close(nl);
		return NULL;
	}
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one,
			      sizeof(one));
	err = family_resolve(nl);
	if (err == -ENOENT) {
		if (access("/sys/module/trivio", F_OK))
			err_say("trivio.ko is not loaded; \"modprobe trivio_vhost\" (or trivio_vdpa, trivio_vfio) loads it, \"trivio doctor\" checks the rest");
		else
			err_say("trivio.ko is loaded but cannot be reached from this network namespace; use the initial one (nsenter -t 1 -n)");
		*rc = RC_NOMODULE;
	} else if (err) {
		*rc = fail(nl, err, "netlink");
	}
	if (err) {
		nl_close(nl);
		return NULL;
	}
	return nl;
}

/**
 * nl_close() - disconnect
 * @nl: connection, or NULL
 */
void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl->buf);
	free(nl);
}

/* Dumps ------------------------------------------------------------------ */

static void *list_grow(struct list *l, size_t size)
{
	void *item = realloc(l->item, (l->n + 1) * size);

	if (!item)
		return NULL;
	l->item = item;
	return (char *)item + l->n++ * size;
}

static int dev_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct tdev *d = list_grow(ctx, sizeof(*d));

	if (!d)
		return MNL_CB_ERROR;
	nl_attr_dev(nlh, d);
	return MNL_CB_OK;
}

static int queue_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct tqueue *q = list_grow(ctx, sizeof(*q));

	if (!q)
		return MNL_CB_ERROR;
	nl_attr_queue(nlh, q);
	return MNL_CB_OK;
}

static int check_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct tcheck *c = list_grow(ctx, sizeof(*c));

	if (!c)
		return MNL_CB_ERROR;
	nl_attr_check(nlh, c);
	return MNL_CB_OK;
}

/* The name of a device is the same attribute in every dump. */
_Static_assert((int)TRIVIO_A_CHECK_DEV_NAME == (int)TRIVIO_A_QUEUE_DEV_NAME,
	       "dump() takes either");

static int dump(struct nl *nl, __u8 cmd, const char *dev, msg_fn fn,
		struct list *l)
{
	struct nlmsghdr *nlh;
	char buf[256];
	int i, err;

	for (i = 0; i < DUMP_TRIES; i++) {
		l->n = 0;
		nlh = request(nl, buf, nl->family, cmd, NLM_F_DUMP);
		if (dev)
			mnl_attr_put_strz(nlh, TRIVIO_A_QUEUE_DEV_NAME, dev);
		err = transact(nl, nlh, fn, l);
		if (err != -EINTR)
			break;
	}
	if (err) {
		free(l->item);
		l->item = NULL;
	}
	return err;
}

/**
 * nl_devs() - all devices
 * @nl: connection
 * @devs: array, to be freed by the caller
 * @n: how many
 *
 * Return: an exit code.
 */
int nl_devs(struct nl *nl, struct tdev **devs, int *n)
{
	struct list l = {};
	int err = dump(nl, TRIVIO_CMD_DEV_GET, NULL, dev_cb, &l);

	if (err)
		return fail(nl, err, "list of devices");
	*devs = l.item;
	*n = l.n;
	return RC_OK;
}

/**
 * nl_dev() - one device by name
 * @nl: connection
 * @name: name
 * @dev: filled in
 *
 * Return: an exit code.
 */
int nl_dev(struct nl *nl, const char *name, struct tdev *dev)
{
	struct list l = {};
	struct nlmsghdr *nlh;
	char buf[256];
	int err;

	if (strlen(name) > TRIVIO_NAME_LEN) {
		err_say("%s: no such device; \"trivio list\" names them", name);
		return RC_NODEV;
	}
	nlh = request(nl, buf, nl->family, TRIVIO_CMD_DEV_GET, 0);
	mnl_attr_put_strz(nlh, TRIVIO_A_DEV_NAME, name);
	err = transact(nl, nlh, dev_cb, &l);
	if (!err)
		*dev = *(struct tdev *)l.item;
	free(l.item);
	return err ? fail(nl, err, name) : RC_OK;
}

/**
 * nl_queues() - queues of a device, or of all
 * @nl: connection
 * @dev: name, or NULL
 * @queues: array, to be freed by the caller; in order of device and index
 * @n: how many
 *
 * Return: an exit code.
 */
int nl_queues(struct nl *nl, const char *dev, struct tqueue **queues, int *n)
{
	struct list l = {};
	int err;

	if (dev && strlen(dev) > TRIVIO_NAME_LEN)
		err = -ENODEV;
	else
		err = dump(nl, TRIVIO_CMD_QUEUE_GET, dev, queue_cb, &l);
	if (err)
		return fail(nl, err, dev ?: "list of queues");
	*queues = l.item;
	*n = l.n;
	return RC_OK;
}

/**
 * nl_checks() - conformance checker of a device, or of all
 * @nl: connection
 * @dev: name, or NULL
 * @checks: array, to be freed by the caller: each device, then its broken rules
 * @n: how many
 *
 * Return: an exit code.
 */
int nl_checks(struct nl *nl, const char *dev, struct tcheck **checks, int *n)
{
	struct list l = {};
	int err;

	if (dev && strlen(dev) > TRIVIO_NAME_LEN)
		err = -ENODEV;
	else
		err = dump(nl, TRIVIO_CMD_CHECK_GET, dev, check_cb, &l);
	if (err)
		return fail(nl, err, dev ?: "conformance reports");
	*checks = l.item;
	*n = l.n;
	return RC_OK;
}

/**
 * nl_check_set() - switch the conformance checker of a device
 * @nl: connection
 * @dev: name
 * @mode: TRIVIO_CHECK_MODE_*
 *
 * Return: an exit code.
 */
int nl_check_set(struct nl *nl, const char *dev, __u32 mode)
{
	struct nlmsghdr *nlh;
	char buf[256];
	int err;

	if (strlen(dev) > TRIVIO_NAME_LEN)
		return fail(nl, -ENODEV, dev);
	nlh = request(nl, buf, nl->family, TRIVIO_CMD_CHECK_SET, NLM_F_ACK);
	mnl_attr_put_strz(nlh, TRIVIO_A_CHECK_DEV_NAME, dev);
	mnl_attr_put_u32(nlh, TRIVIO_A_CHECK_MODE, mode);
	err = transact(nl, nlh, NULL, NULL);
	return err ? fail(nl, err, dev) : RC_OK;
}

/**
 * nl_nudge() - kick or call a queue once
 * @nl: connection
 * @dev: name
 * @queue: index
 * @what: TRIVIO_NUDGE_*
 *
 * Return: an exit code.
 */
int nl_nudge(struct nl *nl, const char *dev, __u32 queue, __u32 what)
{
	struct nlmsghdr *nlh;
	char buf[256];
	int err;

	if (strlen(dev) > TRIVIO_NAME_LEN)
		return fail(nl, -ENODEV, dev);
	nlh = request(nl, buf, nl->family, TRIVIO_CMD_NUDGE, NLM_F_ACK);
	mnl_attr_put_strz(nlh, TRIVIO_A_QUEUE_DEV_NAME, dev);
	mnl_attr_put_u32(nlh, TRIVIO_A_QUEUE_INDEX, queue);
	mnl_attr_put_u32(nlh, TRIVIO_A_QUEUE_NUDGE, what);
	err = transact(nl, nlh, NULL, NULL);
	return err ? fail(nl, err, dev) : RC_OK;
}

/* Events ----------------------------------------------------------------- */

/**
 * nl_listen() - join the group of events; nl_event() reads them
 * @nl: connection, from now on for nothing else
 *
 * Return: an exit code.
 */
int nl_listen(struct nl *nl)
{
	if (!nl->group ||
	    mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &nl->group,
				  sizeof(nl->group)) < 0)
		return fail(nl, nl->group ? -errno : -EOPNOTSUPP, "events");
	return RC_OK;
}

/**
 * nl_event() - wait for events, and hand over those that came
 * @nl: connection after nl_listen()
 * @fn: gets each; nonzero ends
 * @ctx: for @fn
 *
 * Return: 0, what @fn gave, or a negative errno; -ENOBUFS if events were lost
 * because they were read too slowly, -EINTR on a signal.
 */
int nl_event(struct nl *nl,
	     int (*fn)(int cmd, const struct tdev *dev, const struct tqueue *q,
		       void *ctx), void *ctx)
{
	const struct genlmsghdr *genl;
	const struct nlmsghdr *nlh;
	struct tqueue q;
	struct tdev d;
	int len, ret;

	len = mnl_socket_recvfrom(nl->sock, nl->buf, nl->buf_len);
	if (len < 0)
		return -errno;
	for (nlh = (void *)nl->buf; mnl_nlmsg_ok(nlh, len);
	     nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type != nl->family)
			continue;
		genl = mnl_nlmsg_get_payload(nlh);
		ret = 0;
		if (genl->cmd == TRIVIO_CMD_STATE_NTF) {
			nl_attr_dev(nlh, &d);
			ret = fn(genl->cmd, &d, NULL, ctx);
		} else if (genl->cmd == TRIVIO_CMD_ERROR_NTF) {
			nl_attr_queue(nlh, &q);
			ret = fn(genl->cmd, NULL, &q, ctx);
		}
		if (ret)
			return ret;
	}
	return 0;
}
