// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "trivio": what user space asks and what it may do.
 *
 * Reading is open to all; messages hold no kernel pointer, and guest or user
 * addresses only for CAP_NET_ADMIN. The one operation that does something is
 * the nudge, for a queue that lost a kick or a call: CAP_NET_ADMIN as well.
 * Every policy is strict: an attribute that an operation does not know is
 * refused, not ignored.
 */
#include <linux/capability.h>
#include <linux/nospec.h>
#include <uapi/linux/trivio.h>

#include "core.h"
#include "nl.h"

/* Policies --------------------------------------------------------------- */

static const struct nla_policy dev_get_policy[TRIVIO_A_DEV_NAME + 1] = {
	[TRIVIO_A_DEV_ID]	= { .type = NLA_U32 },
	[TRIVIO_A_DEV_NAME]	= { .type = NLA_NUL_STRING,
				    .len = TRIVIO_NAME_LEN },
};

/* A dump of devices takes no attribute; one without a type is refused. */
static const struct nla_policy dev_dump_policy[TRIVIO_A_DEV_ID + 1];

static const struct nla_policy queue_get_policy[TRIVIO_A_QUEUE_INDEX + 1] = {
	[TRIVIO_A_QUEUE_DEV]		= { .type = NLA_U32 },
	[TRIVIO_A_QUEUE_DEV_NAME]	= { .type = NLA_NUL_STRING,
					    .len = TRIVIO_NAME_LEN },
	[TRIVIO_A_QUEUE_INDEX]		= { .type = NLA_U32 },
};

static const struct nla_policy queue_dump_policy[] = {
	[TRIVIO_A_QUEUE_DEV]		= { .type = NLA_U32 },
	[TRIVIO_A_QUEUE_DEV_NAME]	= { .type = NLA_NUL_STRING,
					    .len = TRIVIO_NAME_LEN },
};

static const struct nla_policy nudge_policy[TRIVIO_A_QUEUE_NUDGE + 1] = {
	[TRIVIO_A_QUEUE_DEV]		= { .type = NLA_U32 },
	[TRIVIO_A_QUEUE_DEV_NAME]	= { .type = NLA_NUL_STRING,
					    .len = TRIVIO_NAME_LEN },
	[TRIVIO_A_QUEUE_INDEX]		= { .type = NLA_U32 },
	[TRIVIO_A_QUEUE_NUDGE]		=
		NLA_POLICY_MASK(NLA_U32, TRIVIO_NUDGE_KICK | TRIVIO_NUDGE_CALL),
};

/* Lookup ----------------------------------------------------------------- */

/**
 * trivio_nl_dev_by_attr() - device that a request names
 * @id: its id, or NULL
 * @name: its name, or NULL
 *
 * Context: list of devices locked.
 * Return: the first device that fits, or NULL.
 */
struct trivio_dev *trivio_nl_dev_by_attr(const struct nlattr *id,
					 const struct nlattr *name)
{
	struct trivio_dev *dev = NULL;

	while ((dev = trivio_dev_next(dev))) {
		if (id && nla_get_u32(id) != dev->id)
			continue;
		if (name && nla_strcmp(name, dev->name))
			continue;
		return dev;
	}
	return NULL;
}

/* Context: list of devices locked. */
static struct trivio_queue *queue_by_info(struct genl_info *info)
{
	struct nlattr *id = info->attrs[TRIVIO_A_QUEUE_DEV];
	struct nlattr *name = info->attrs[TRIVIO_A_QUEUE_DEV_NAME];
	struct nlattr *index = info->attrs[TRIVIO_A_QUEUE_INDEX];
	struct trivio_dev *dev;

	if (!id && !name) {
		GENL_SET_ERR_MSG(info, "device id or name is missing");
		return ERR_PTR(-EINVAL);
	}
	if (GENL_REQ_ATTR_CHECK(info, TRIVIO_A_QUEUE_INDEX))
		return ERR_PTR(-EINVAL);
	dev = trivio_nl_dev_by_attr(id, name);
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(info->extack, id ?: name, "no such device");
		return ERR_PTR(-ENODEV);
	}
	if (nla_get_u32(index) >= dev->nqueues) {
		NL_SET_ERR_MSG_ATTR(info->extack, index, "no such queue");
		return ERR_PTR(-ENOENT);
	}
	return &dev->queue[array_index_nospec(nla_get_u32(index),
					      dev->nqueues)];
}

/* Devices ---------------------------------------------------------------- */

static int dev_get_doit(struct sk_buff *req, struct genl_info *info)
{
	struct nlattr *id = info->attrs[TRIVIO_A_DEV_ID];
	struct nlattr *name = info->attrs[TRIVIO_A_DEV_NAME];
	struct trivio_dev *dev;
	struct sk_buff *skb;
	int err = -EMSGSIZE;
	void *hdr;

	if (!id && !name) {
		GENL_SET_ERR_MSG(info, "device id or name is missing");
		return -EINVAL;
	}
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_iput(skb, info);
	if (!hdr)
		goto err_free;

	trivio_dev_list_lock();
	dev = trivio_nl_dev_by_attr(id, name);
	if (dev)
		err = trivio_nl_fill_dev(skb, dev);
	else
		err = -ENODEV;
	trivio_dev_list_unlock();
	if (err == -ENODEV)
		NL_SET_ERR_MSG_ATTR(info->extack, id ?: name, "no such device");
	if (err)
		goto err_free;

	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);

err_free:
	nlmsg_free(skb);
	return err;
}

/*
 * A dump may take several calls. It goes on by position in the list; if the
 * list has changed meanwhile, readers see it by the generation.
 */
static int dev_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct trivio_dev *dev = NULL;
	long pos = 0;
	int err = 0;
	void *hdr;

	trivio_dev_list_lock();
	cb->seq = trivio_nl_generation();
	while ((dev = trivio_dev_next(dev))) {
		if (pos++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &trivio_nl_family,
				  NLM_F_MULTI, TRIVIO_CMD_DEV_GET);
		err = hdr ? trivio_nl_fill_dev(skb, dev) : -EMSGSIZE;
		if (err) {
			if (hdr)
				genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cb->args[0] = pos;
	}
	trivio_dev_list_unlock();
	/* What did not fit comes with the next call; one alone always fits. */
	return skb->len ? skb->len : err;
}

/* Queues ----------------------------------------------------------------- */

static int queue_get_doit(struct sk_buff *req, struct genl_info *info)
{
	bool admin = netlink_capable(req, CAP_NET_ADMIN);
	struct trivio_queue *q;
	struct sk_buff *skb;
	int err = -EMSGSIZE;
	void *hdr;

	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_iput(skb, info);
	if (!hdr)
		goto err_free;

	trivio_dev_list_lock();
	q = queue_by_info(info);
	err = IS_ERR(q) ? PTR_ERR(q) : trivio_nl_fill_queue(skb, q, admin);
	trivio_dev_list_unlock();
	if (err)
		goto err_free;

	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);

err_free:
	nlmsg_free(skb);
	return err;
}

static int queue_dump_one(struct sk_buff *skb, struct netlink_callback *cb,
			  struct trivio_queue *q, bool admin)
{
	void *hdr;
	int err;

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &trivio_nl_family, NLM_F_MULTI, TRIVIO_CMD_QUEUE_GET);
	if (!hdr)
		return -EMSGSIZE;
	err = trivio_nl_fill_queue(skb, q, admin);
	if (err) {
		genlmsg_cancel(skb, hdr);
		return err;
	}
	genl_dump_check_consistent(cb, hdr);
	genlmsg_end(skb, hdr);
	return 0;
}

/* args[0]: devices done; args[1]: queues of the next one done. */
static int queue_dump_all(struct sk_buff *skb, struct netlink_callback *cb,
			  const struct nlattr *id, const struct nlattr *name)
{
	bool admin = netlink_capable(cb->skb, CAP_NET_ADMIN);
	struct trivio_dev *dev = NULL;
	bool found = false;
	long pos = 0;
	int err;

	while ((dev = trivio_dev_next(dev))) {
		if ((id && nla_get_u32(id) != dev->id) ||
		    (name && nla_strcmp(name, dev->name))) {
			pos++;
			continue;
		}
		found = true;
		if (pos++ < cb->args[0])
			continue;
		while (cb->args[1] < dev->nqueues) {
			err = queue_dump_one(skb, cb,
					     &dev->queue[cb->args[1]], admin);
			if (err)
				return err;
			cb->args[1]++;
		}
		cb->args[0] = pos;
		cb->args[1] = 0;
	}
	/* A device that went away in the middle only ends the dump. */
	return found || (!id && !name) || cb->args[0] ? 0 : -ENODEV;
}

static int queue_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct nlattr *id = info->attrs[TRIVIO_A_QUEUE_DEV];
	struct nlattr *name = info->attrs[TRIVIO_A_QUEUE_DEV_NAME];
	int err;

	trivio_dev_list_lock();
	cb->seq = trivio_nl_generation();
	err = queue_dump_all(skb, cb, id, name);
	trivio_dev_list_unlock();
	if (err == -ENODEV)
		NL_SET_ERR_MSG_ATTR(cb->extack, id ?: name, "no such device");
	return skb->len ? skb->len : err;
}

/* Nudge ------------------------------------------------------------------ */

static int nudge(struct trivio_queue *q, u32 what, struct genl_info *info)
{
	/*
	 * The lock makes this a service context, as the road's callback needs.
	 * Who holds it may sleep for long, so it is not waited for.
	 */
	if (!mutex_trylock(&q->lock)) {
		GENL_SET_ERR_MSG(info, "queue is being served, try again");
		return -EBUSY;
	}
	if (q->state != TRIVIO_Q_RUNNING) {
		mutex_unlock(&q->lock);
		GENL_SET_ERR_MSG(info, "queue is not running");
		return -ENETDOWN;
	}
	if (what & TRIVIO_NUDGE_CALL)
		q->dev->front->call(q);
	mutex_unlock(&q->lock);
	if (what & TRIVIO_NUDGE_KICK)
		trivio_queue_kick(q);
	return 0;
}

static int nudge_doit(struct sk_buff *req, struct genl_info *info)
{
	struct trivio_queue *q;
	u32 what;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, TRIVIO_A_QUEUE_NUDGE))
		return -EINVAL;
	what = nla_get_u32(info->attrs[TRIVIO_A_QUEUE_NUDGE]);
	if (!what) {
		GENL_SET_ERR_MSG(info, "neither kick nor call asked for");
		return -EINVAL;
	}
	trivio_dev_list_lock();
	q = queue_by_info(info);
	err = IS_ERR(q) ? PTR_ERR(q) : nudge(q, what, info);
	trivio_dev_list_unlock();
	return err;
}

/* Family ----------------------------------------------------------------- */

static const struct genl_split_ops nl_ops[] = {
	{
		.cmd		= TRIVIO_CMD_DEV_GET,
		.doit		= dev_get_doit,
		.policy		= dev_get_policy,
		.maxattr	= ARRAY_SIZE(dev_get_policy) - 1,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= TRIVIO_CMD_DEV_GET,
		.dumpit		= dev_get_dumpit,
		.policy		= dev_dump_policy,
		.maxattr	= ARRAY_SIZE(dev_dump_policy) - 1,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= TRIVIO_CMD_QUEUE_GET,
		.doit		= queue_get_doit,
		.policy		= queue_get_policy,
		.maxattr	= ARRAY_SIZE(queue_get_policy) - 1,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= TRIVIO_CMD_QUEUE_GET,
		.dumpit		= queue_get_dumpit,
		.policy		= queue_dump_policy,
		.maxattr	= ARRAY_SIZE(queue_dump_policy) - 1,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= TRIVIO_CMD_NUDGE,
		.doit		= nudge_doit,
		.policy		= nudge_policy,
		.maxattr	= ARRAY_SIZE(nudge_policy) - 1,
		.flags		= GENL_CMD_CAP_DO | GENL_ADMIN_PERM,
	},
	{
		.cmd		= TRIVIO_CMD_CHECK_GET,
		.dumpit		= trivio_nl_check_dumpit,
		.policy		= trivio_nl_check_dump_policy,
		.maxattr	= ARRAY_SIZE(trivio_nl_check_dump_policy) - 1,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= TRIVIO_CMD_CHECK_SET,
		.doit		= trivio_nl_check_set_doit,
		.policy		= trivio_nl_check_set_policy,
		.maxattr	= ARRAY_SIZE(trivio_nl_check_set_policy) - 1,
		.flags		= GENL_CMD_CAP_DO | GENL_ADMIN_PERM,
	},
};

static const struct genl_multicast_group nl_groups[] = {
	{ .name = TRIVIO_MCGRP_EVENTS },
};

struct genl_family trivio_nl_family __ro_after_init = {
	.name		= TRIVIO_FAMILY_NAME,
	.version	= TRIVIO_FAMILY_VERSION,
	.module		= THIS_MODULE,
	/* The list's lock orders operations; none needs genl's mutex as well. */
	.parallel_ops	= true,
	.split_ops	= nl_ops,
	.n_split_ops	= ARRAY_SIZE(nl_ops),
	.resv_start_op	= TRIVIO_CMD_MAX + 1,
	.mcgrps		= nl_groups,
	.n_mcgrps	= ARRAY_SIZE(nl_groups),
};

/**
 * trivio_nl_init() - register the family
 *
 * Context: module init, before there is a device.
 * Return: 0 or a negative errno.
 */
int __init trivio_nl_init(void)
{
	return genl_register_family(&trivio_nl_family);
}

/**
 * trivio_nl_exit() - the family goes
 *
 * Context: module exit, or failed init; there is no device any more.
 */
void trivio_nl_exit(void)
{
	trivio_nl_event_exit();
	genl_unregister_family(&trivio_nl_family);
}
