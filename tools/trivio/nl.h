/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's generic netlink family trivio, as plain structures. */
#ifndef TRIVIO_TOOL_NL_H
#define TRIVIO_TOOL_NL_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/trivio.h>

#define NAME_MAX_LEN	32
#define TEXT_MAX_LEN	128

/* Counters of a road that are shown. */
#define TCOUNTERS	48

struct tcounter {
	char name[NAME_MAX_LEN];
	__u64 val;
};

/*
 * struct tdev - a device; see Documentation/netlink/specs/trivio.yaml
 * @lost: in events: events lost before this one
 */
struct tdev {
	__u32 id;
	char name[NAME_MAX_LEN];
	char road[NAME_MAX_LEN];
	char class[NAME_MAX_LEN];
	__u32 owner_pid;
	__u32 state;
	__u32 status;
	__u64 offered;
	__u64 features;
	__u32 generation;
	__u32 nqueues;
	__u32 lost;
	struct tcounter counter[TCOUNTERS];
	int ncounters;
};

/*
 * struct tring - positions in a ring, by number of the attribute
 * @val: values
 * @has: bit n: attribute n is there
 */
struct tring {
	__u32 val[TRIVIO_A_RING_MAX + 1];
	__u64 has;
};

#define ring_has(r, a)	(!!((r)->has & (1ull << TRIVIO_A_RING_##a)))
#define ring_val(r, a)	((r)->val[TRIVIO_A_RING_##a])

/*
 * struct terror - first error of a queue
 * @code: 0: none
 */
struct terror {
	__u32 code;
	char name[NAME_MAX_LEN];
	__u32 head;
	__u64 addr;
	bool has_addr;
	__u64 time;
	__u64 count;
};

/*
 * struct tqueue - a queue
 * @stat: counters, by number of the attribute
 * @has_addr: the addresses are there: the reader may see them
 */
struct tqueue {
	__u32 dev;
	char dev_name[NAME_MAX_LEN];
	__u32 index;
	char role[NAME_MAX_LEN];
	__u32 state;
	__u32 num;
	__u32 num_max;
	bool packed;
	bool enabled;
	bool direct;
	bool kick_pending;
	__u32 worker_pid;
	__u64 desc_addr;
	__u64 driver_addr;
	__u64 device_addr;
	bool has_addr;
	struct tring ring;
	__u64 stat[TRIVIO_A_STAT_MAX + 1];
	struct terror error;
	__u32 lost;
};

/*
 * struct tcheck - the conformance checker of a device, or one rule that was broken
 * @rule: the rest is there
 * @has_queue: it was in a queue
 * @has_value: the reader may see it
 */
struct tcheck {
	__u32 dev;
	char dev_name[NAME_MAX_LEN];
	__u32 mode;
	bool rule;
	char name[NAME_MAX_LEN];
	char section[NAME_MAX_LEN];
	char text[TEXT_MAX_LEN];
	__u64 count;
	__u32 queue;
	bool has_queue;
	__u32 head;
	__u64 value;
	bool has_value;
	__u64 time;
};

struct nl;

struct nl *nl_open(int *rc);
void nl_close(struct nl *nl);
int nl_devs(struct nl *nl, struct tdev **devs, int *n);
int nl_dev(struct nl *nl, const char *name, struct tdev *dev);
int nl_queues(struct nl *nl, const char *dev, struct tqueue **queues, int *n);
int nl_nudge(struct nl *nl, const char *dev, __u32 queue, __u32 what);
int nl_checks(struct nl *nl, const char *dev, struct tcheck **checks, int *n);
int nl_check_set(struct nl *nl, const char *dev, __u32 mode);
int nl_listen(struct nl *nl);
int nl_event(struct nl *nl,
	     int (*fn)(int cmd, const struct tdev *dev, const struct tqueue *q,
		       void *ctx), void *ctx);

#endif /* TRIVIO_TOOL_NL_H */
