// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance checker over netlink: its mode and its reports, for a device
 * of any road.
 */
#include <linux/capability.h>
#include <uapi/linux/trivio.h>

#include <trivio/check.h>

#include "nl.h"

static_assert((int)TRIVIO_CHECK_MODE_OFF == (int)TRIVIO_CHECK_OFF);
static_assert((int)TRIVIO_CHECK_MODE_LOG == (int)TRIVIO_CHECK_LOG);
static_assert((int)TRIVIO_CHECK_MODE_STOP == (int)TRIVIO_CHECK_STOP);

const struct nla_policy
trivio_nl_check_dump_policy[TRIVIO_A_CHECK_DEV_NAME + 1] = {
	[TRIVIO_A_CHECK_DEV]		= { .type = NLA_U32 },
	[TRIVIO_A_CHECK_DEV_NAME]	= { .type = NLA_NUL_STRING,
					    .len = TRIVIO_NAME_LEN },
};

const struct nla_policy
trivio_nl_check_set_policy[TRIVIO_A_CHECK_MODE + 1] = {
	[TRIVIO_A_CHECK_DEV]		= { .type = NLA_U32 },
	[TRIVIO_A_CHECK_DEV_NAME]	= { .type = NLA_NUL_STRING,
					    .len = TRIVIO_NAME_LEN },
	[TRIVIO_A_CHECK_MODE]		=
		NLA_POLICY_MAX(NLA_U32, TRIVIO_CHECK_MODE_STOP),
};

/* --- dump --------------------------------------------------------------- */

static int fill_dev(struct sk_buff *skb, struct trivio_dev *dev)
{
	if (nla_put_u32(skb, TRIVIO_A_CHECK_DEV, dev->id) ||
	    nla_put_string(skb, TRIVIO_A_CHECK_DEV_NAME, dev->name) ||
	    nla_put_u32(skb, TRIVIO_A_CHECK_MODE, trivio_check_mode(dev)))
		return -EMSGSIZE;
	return 0;
}

static int fill_rule(struct sk_buff *skb, struct trivio_dev *dev,
		     enum trivio_rule rule, const struct trivio_check_rec *rec,
		     bool admin)
{
	const struct trivio_rule_info *info = trivio_rule_info(rule);

	if (nla_put_u32(skb, TRIVIO_A_CHECK_RULE, rule) ||
	    nla_put_string(skb, TRIVIO_A_CHECK_NAME, info->name) ||
	    nla_put_string(skb, TRIVIO_A_CHECK_SECTION,
			   trivio_rule_section(dev, rule)) ||
	    nla_put_string(skb, TRIVIO_A_CHECK_TEXT, info->text) ||
	    nla_put_uint(skb, TRIVIO_A_CHECK_COUNT, rec->count) ||
	    (rec->queue != TRIVIO_CHECK_NO_QUEUE &&
	     nla_put_u32(skb, TRIVIO_A_CHECK_QUEUE, rec->queue)) ||
	    nla_put_u32(skb, TRIVIO_A_CHECK_HEAD, rec->head) ||
	    (admin && nla_put_uint(skb, TRIVIO_A_CHECK_VALUE, rec->value)) ||
	    nla_put_uint(skb, TRIVIO_A_CHECK_TIME, rec->time))
		return -EMSGSIZE;
	return 0;
}

/* @step 0 is the device, 1 on are the rules; 1 if there was nothing to say. */
static int dump_step(struct sk_buff *skb, struct netlink_callback *cb,
		     struct trivio_dev *dev, unsigned int step, bool admin)
{
	struct trivio_check_rec rec;
	void *hdr;
	int err;

	if (step && !trivio_check_get(dev, step - 1, &rec))
		return 1;
	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &trivio_nl_family, NLM_F_MULTI, TRIVIO_CMD_CHECK_GET);
	if (!hdr)
		return -EMSGSIZE;
	err = fill_dev(skb, dev);
	if (!err && step)
		err = fill_rule(skb, dev, step - 1, &rec, admin);
	if (err) {
		genlmsg_cancel(skb, hdr);
		return err;
	}
	genl_dump_check_consistent(cb, hdr);
	genlmsg_end(skb, hdr);
	return 0;
}

/* args[0]: devices done; args[1]: steps of the next one done. */
static int dump_all(struct sk_buff *skb, struct netlink_callback *cb,
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
		while (cb->args[1] <= TRIVIO_RULE_NR) {
			err = dump_step(skb, cb, dev, cb->args[1], admin);
			if (err < 0)
				return err;
			cb->args[1]++;
		}
		cb->args[0] = pos;
		cb->args[1] = 0;
	}
	return found || (!id && !name) || cb->args[0] ? 0 : -ENODEV;
}

/**
 * trivio_nl_check_dumpit() - modes and reports
 * @skb: message
 * @cb: dump; may name a device
 *
 * Return: bytes, 0 at the end, or a negative errno.
 */
int trivio_nl_check_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct nlattr *id = info->attrs[TRIVIO_A_CHECK_DEV];
	struct nlattr *name = info->attrs[TRIVIO_A_CHECK_DEV_NAME];
	int err;

	trivio_dev_list_lock();
	cb->seq = trivio_nl_generation();
	err = dump_all(skb, cb, id, name);
	trivio_dev_list_unlock();
	if (err == -ENODEV)
		NL_SET_ERR_MSG_ATTR(cb->extack, id ?: name, "no such device");
	return skb->len ? skb->len : err;
}

/* --- set ---------------------------------------------------------------- */

/**
 * trivio_nl_check_set_doit() - switch the checker of a device
 * @req: request
 * @info: what it says
 *
 * Return: 0 or a negative errno.
 */
int trivio_nl_check_set_doit(struct sk_buff *req, struct genl_info *info)
{
	struct nlattr *id = info->attrs[TRIVIO_A_CHECK_DEV];
	struct nlattr *name = info->attrs[TRIVIO_A_CHECK_DEV_NAME];
	struct trivio_dev *dev;
	int err = -ENODEV;

	if (!id && !name) {
		GENL_SET_ERR_MSG(info, "device id or name is missing");
		return -EINVAL;
	}
	if (GENL_REQ_ATTR_CHECK(info, TRIVIO_A_CHECK_MODE))
		return -EINVAL;
	trivio_dev_list_lock();
	dev = trivio_nl_dev_by_attr(id, name);
	if (dev)
		err = trivio_check_set_mode(dev,
					    nla_get_u32(info->attrs[TRIVIO_A_CHECK_MODE]));
	trivio_dev_list_unlock();
	if (err == -ENODEV)
		NL_SET_ERR_MSG_ATTR(info->extack, id ?: name, "no such device");
	else if (err == -EBUSY)
		GENL_SET_ERR_MSG(info, "a queue is being served, try again");
	return err;
}
