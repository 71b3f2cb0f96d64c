/* SPDX-License-Identifier: GPL-2.0-only */
/* What the netlink files share: netlink.c asks, nl_fill.c writes messages. */
#ifndef TRIVIO_NL_H
#define TRIVIO_NL_H

#include <linux/types.h>
#include <net/genetlink.h>
#include <uapi/linux/trivio.h>

#include <trivio/device.h>

/**
 * struct trivio_nl_event - one error or state change on its way to listeners
 * @cmd: TRIVIO_CMD_STATE_NTF or TRIVIO_CMD_ERROR_NTF
 * @dev: device id
 * @queue: TRIVIO_CMD_ERROR_NTF: queue
 * @state: TRIVIO_CMD_STATE_NTF: TRIVIO_DEV_STATE_*
 * @status: virtio status register
 * @rec: the error
 * @name: the device's name
 */
struct trivio_nl_event {
	u8 cmd;
	u32 dev;
	u16 queue;
	u32 state;
	u8 status;
	struct trivio_fault_rec rec;
	char name[TRIVIO_NAME_MAX];
};

extern struct genl_family trivio_nl_family;

/* netlink.c; the list of devices is locked */
struct trivio_dev *trivio_nl_dev_by_attr(const struct nlattr *id,
					 const struct nlattr *name);

/* nl_fill.c */
u32 trivio_nl_dev_state(const struct trivio_dev *dev);
int trivio_nl_fill_dev(struct sk_buff *skb, struct trivio_dev *dev);
int trivio_nl_fill_queue(struct sk_buff *skb, struct trivio_queue *q,
			 bool admin);
int trivio_nl_fill_event(struct sk_buff *skb, const struct trivio_nl_event *e,
			 u32 lost);

/* nl_check.c */
int trivio_nl_check_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int trivio_nl_check_set_doit(struct sk_buff *req, struct genl_info *info);
extern const struct nla_policy
trivio_nl_check_dump_policy[TRIVIO_A_CHECK_DEV_NAME + 1];
extern const struct nla_policy
trivio_nl_check_set_policy[TRIVIO_A_CHECK_MODE + 1];

/* nl_event.c */
u32 trivio_nl_generation(void);
void trivio_nl_event_exit(void);

#endif /* TRIVIO_NL_H */
