// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of the generic netlink family trivio, into plain structures. */
#include <stddef.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "nl_attr.h"
#include "trivio.h"

/* Where an attribute goes in a structure; kind 0 is none of ours. */
enum { SKIP, U32, UINT, STR, TEXT, FLAG };

struct field {
	int kind;
	size_t off;
};

#define FIELD(kind, type, member)	{ kind, offsetof(struct type, member) }

static const struct field dev_field[TRIVIO_A_DEV_MAX + 1] = {
	[TRIVIO_A_DEV_ID]		= FIELD(U32, tdev, id),
	[TRIVIO_A_DEV_NAME]		= FIELD(STR, tdev, name),
	[TRIVIO_A_DEV_ROAD]		= FIELD(STR, tdev, road),
	[TRIVIO_A_DEV_CLASS]		= FIELD(STR, tdev, class),
	[TRIVIO_A_DEV_OWNER_PID]	= FIELD(U32, tdev, owner_pid),
	[TRIVIO_A_DEV_STATE]		= FIELD(U32, tdev, state),
	[TRIVIO_A_DEV_STATUS]		= FIELD(U32, tdev, status),
	[TRIVIO_A_DEV_OFFERED]		= FIELD(UINT, tdev, offered),
	[TRIVIO_A_DEV_FEATURES]		= FIELD(UINT, tdev, features),
	[TRIVIO_A_DEV_GENERATION]	= FIELD(U32, tdev, generation),
	[TRIVIO_A_DEV_NQUEUES]		= FIELD(U32, tdev, nqueues),
	[TRIVIO_A_DEV_LOST]		= FIELD(U32, tdev, lost),
};

static const struct field queue_field[TRIVIO_A_QUEUE_MAX + 1] = {
	[TRIVIO_A_QUEUE_DEV]		= FIELD(U32, tqueue, dev),
	[TRIVIO_A_QUEUE_DEV_NAME]	= FIELD(STR, tqueue, dev_name),
	[TRIVIO_A_QUEUE_INDEX]		= FIELD(U32, tqueue, index),
	[TRIVIO_A_QUEUE_ROLE]		= FIELD(STR, tqueue, role),
	[TRIVIO_A_QUEUE_STATE]		= FIELD(U32, tqueue, state),
	[TRIVIO_A_QUEUE_NUM]		= FIELD(U32, tqueue, num),
	[TRIVIO_A_QUEUE_NUM_MAX]	= FIELD(U32, tqueue, num_max),
	[TRIVIO_A_QUEUE_PACKED]		= FIELD(FLAG, tqueue, packed),
	[TRIVIO_A_QUEUE_ENABLED]	= FIELD(FLAG, tqueue, enabled),
	[TRIVIO_A_QUEUE_DIRECT]		= FIELD(FLAG, tqueue, direct),
	[TRIVIO_A_QUEUE_KICK_PENDING]	= FIELD(FLAG, tqueue, kick_pending),
	[TRIVIO_A_QUEUE_WORKER_PID]	= FIELD(U32, tqueue, worker_pid),
	[TRIVIO_A_QUEUE_DESC_ADDR]	= FIELD(UINT, tqueue, desc_addr),
	[TRIVIO_A_QUEUE_DRIVER_ADDR]	= FIELD(UINT, tqueue, driver_addr),
	[TRIVIO_A_QUEUE_DEVICE_ADDR]	= FIELD(UINT, tqueue, device_addr),
	[TRIVIO_A_QUEUE_LOST]		= FIELD(U32, tqueue, lost),
};

static const struct field error_field[TRIVIO_A_ERROR_MAX + 1] = {
	[TRIVIO_A_ERROR_CODE]		= FIELD(U32, terror, code),
	[TRIVIO_A_ERROR_NAME]		= FIELD(STR, terror, name),
	[TRIVIO_A_ERROR_HEAD]		= FIELD(U32, terror, head),
	[TRIVIO_A_ERROR_ADDR]		= FIELD(UINT, terror, addr),
	[TRIVIO_A_ERROR_TIME]		= FIELD(UINT, terror, time),
	[TRIVIO_A_ERROR_COUNT]		= FIELD(UINT, terror, count),
};

static const struct field check_field[TRIVIO_A_CHECK_MAX + 1] = {
	[TRIVIO_A_CHECK_DEV]		= FIELD(U32, tcheck, dev),
	[TRIVIO_A_CHECK_DEV_NAME]	= FIELD(STR, tcheck, dev_name),
	[TRIVIO_A_CHECK_MODE]		= FIELD(U32, tcheck, mode),
	[TRIVIO_A_CHECK_NAME]		= FIELD(STR, tcheck, name),
	[TRIVIO_A_CHECK_SECTION]	= FIELD(STR, tcheck, section),
	[TRIVIO_A_CHECK_TEXT]		= FIELD(TEXT, tcheck, text),
	[TRIVIO_A_CHECK_COUNT]		= FIELD(UINT, tcheck, count),
	[TRIVIO_A_CHECK_QUEUE]		= FIELD(U32, tcheck, queue),
	[TRIVIO_A_CHECK_HEAD]		= FIELD(U32, tcheck, head),
	[TRIVIO_A_CHECK_VALUE]		= FIELD(UINT, tcheck, value),
	[TRIVIO_A_CHECK_TIME]		= FIELD(UINT, tcheck, time),
};

static const struct field counter_field[TRIVIO_A_COUNTER_MAX + 1] = {
	[TRIVIO_A_COUNTER_NAME]		= FIELD(STR, tcounter, name),
	[TRIVIO_A_COUNTER_VALUE]	= FIELD(UINT, tcounter, val),
};

static __u64 attr_uint(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) == 8 ? mnl_attr_get_u64(a) :
						  mnl_attr_get_u32(a);
}

static void attr_str(const struct nlattr *a, char *buf, size_t size)
{
	size_t len = mnl_attr_get_payload_len(a);

	if (len >= size)
		len = size - 1;
	memcpy(buf, mnl_attr_get_payload(a), len);
	buf[len] = 0;
}

static void field_set(const struct nlattr *a, const struct field *table,
		      size_t n, void *obj)
{
	__u16 type = mnl_attr_get_type(a);
	void *to;

	if (type >= n)
		return;
	to = (char *)obj + table[type].off;
	switch (table[type].kind) {
	case U32:
		*(__u32 *)to = mnl_attr_get_u32(a);
		break;
	case UINT:
		*(__u64 *)to = attr_uint(a);
		break;
	case STR:
		attr_str(a, to, NAME_MAX_LEN);
		break;
	case TEXT:
		attr_str(a, to, TEXT_MAX_LEN);
		break;
	case FLAG:
		*(bool *)to = true;
		break;
	}
}

static void parse_counter(const struct nlattr *nest, struct tdev *d)
{
	struct tcounter *c = &d->counter[d->ncounters];
	const struct nlattr *a;

	if (d->ncounters == TCOUNTERS)
		return;
	d->ncounters++;
	mnl_attr_for_each_nested(a, nest)
		field_set(a, counter_field, ARRAY_SIZE(counter_field), c);
}

/**
 * nl_attr_dev() - a device from a message
 * @nlh: message of the family, from the kernel: attributes are taken as they come
 * @d: filled; what is not in the message is 0
 */
void nl_attr_dev(const struct nlmsghdr *nlh, struct tdev *d)
{
	const struct nlattr *a;

	memset(d, 0, sizeof(*d));
	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(a) == TRIVIO_A_DEV_COUNTER)
			parse_counter(a, d);
		else
			field_set(a, dev_field, ARRAY_SIZE(dev_field), d);
	}
}

static void parse_ring(const struct nlattr *nest, struct tring *r)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		__u16 type = mnl_attr_get_type(a);

		if (type > TRIVIO_A_RING_MAX)
			continue;
		r->has |= 1ull << type;
		/* Flags have no payload. */
		r->val[type] = mnl_attr_get_payload_len(a) >= 4 ?
			       mnl_attr_get_u32(a) : 1;
	}
}

static void parse_stats(const struct nlattr *nest, __u64 *stat)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) <= TRIVIO_A_STAT_MAX)
			stat[mnl_attr_get_type(a)] = attr_uint(a);
	}
}

static void parse_error(const struct nlattr *nest, struct terror *e)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		field_set(a, error_field, ARRAY_SIZE(error_field), e);
		e->has_addr |= mnl_attr_get_type(a) == TRIVIO_A_ERROR_ADDR;
	}
}

/**
 * nl_attr_queue() - a queue, its counters and first error from a message
 * @nlh: as for nl_attr_dev()
 * @q: filled
 */
void nl_attr_queue(const struct nlmsghdr *nlh, struct tqueue *q)
{
	const struct nlattr *a;

	memset(q, 0, sizeof(*q));
	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		switch (mnl_attr_get_type(a)) {
		case TRIVIO_A_QUEUE_RING:
			parse_ring(a, &q->ring);
			break;
		case TRIVIO_A_QUEUE_STATS:
			parse_stats(a, q->stat);
			break;
		case TRIVIO_A_QUEUE_ERROR:
			parse_error(a, &q->error);
			break;
		default:
			field_set(a, queue_field, ARRAY_SIZE(queue_field), q);
			q->has_addr |= mnl_attr_get_type(a) ==
				       TRIVIO_A_QUEUE_DESC_ADDR;
		}
	}
}

/**
 * nl_attr_check() - a rule of the conformance checker, or its mode, from a message
 * @nlh: as for nl_attr_dev()
 * @c: filled
 */
void nl_attr_check(const struct nlmsghdr *nlh, struct tcheck *c)
{
	const struct nlattr *a;

	memset(c, 0, sizeof(*c));
	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		field_set(a, check_field, ARRAY_SIZE(check_field), c);
		c->rule |= mnl_attr_get_type(a) == TRIVIO_A_CHECK_RULE;
		c->has_queue |= mnl_attr_get_type(a) == TRIVIO_A_CHECK_QUEUE;
		c->has_value |= mnl_attr_get_type(a) == TRIVIO_A_CHECK_VALUE;
	}
}
