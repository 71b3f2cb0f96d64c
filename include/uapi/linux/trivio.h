/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Generic netlink family "trivio": looking into virtio devices, whatever road
 * (vhost, vDPA, VFIO) leads to them. Described field by field in
 * Documentation/netlink/specs/trivio.yaml. Numbers here never change; new ones
 * are added at the end.
 *
 * Reading is open to everybody, but for addresses, which need CAP_NET_ADMIN.
 */
#ifndef _UAPI_LINUX_TRIVIO_H
#define _UAPI_LINUX_TRIVIO_H

#define TRIVIO_FAMILY_NAME	"trivio"
#define TRIVIO_FAMILY_VERSION	1

/* Multicast group of errors and state changes. */
#define TRIVIO_MCGRP_EVENTS	"events"

/* Longest device name, without the terminating zero. */
#define TRIVIO_NAME_LEN		31

enum {
	TRIVIO_CMD_UNSPEC,
	TRIVIO_CMD_DEV_GET,	/* do, dump: TRIVIO_A_DEV_* */
	TRIVIO_CMD_QUEUE_GET,	/* do, dump: TRIVIO_A_QUEUE_* */
	TRIVIO_CMD_NUDGE,	/* do, CAP_NET_ADMIN: TRIVIO_A_QUEUE_NUDGE */
	TRIVIO_CMD_STATE_NTF,	/* event: TRIVIO_A_DEV_* */
	TRIVIO_CMD_ERROR_NTF,	/* event: TRIVIO_A_QUEUE_* */
	TRIVIO_CMD_CHECK_GET,	/* dump: TRIVIO_A_CHECK_* */
	TRIVIO_CMD_CHECK_SET,	/* do, CAP_NET_ADMIN: TRIVIO_A_CHECK_MODE */

	__TRIVIO_CMD_MAX,
	TRIVIO_CMD_MAX = __TRIVIO_CMD_MAX - 1
};

/* TRIVIO_A_DEV_STATE: what a device does, seen as a whole. */
enum {
	TRIVIO_DEV_STATE_IDLE,	/* no queue runs */
	TRIVIO_DEV_STATE_RUNNING,	/* at least one queue runs */
	TRIVIO_DEV_STATE_SUSPENDED,	/* held by suspend */
	TRIVIO_DEV_STATE_BROKEN,	/* a queue broke, or the device needs a reset */
	TRIVIO_DEV_STATE_GONE,	/* only in events: the device was removed */
};

/* TRIVIO_A_QUEUE_STATE */
enum {
	TRIVIO_QUEUE_STATE_IDLE,	/* not started */
	TRIVIO_QUEUE_STATE_RUNNING,	/* in service */
	TRIVIO_QUEUE_STATE_BROKEN,	/* stopped by TRIVIO_A_QUEUE_ERROR */
};

/* TRIVIO_A_QUEUE_NUDGE: what to do once, as if the other side had. */
#define TRIVIO_NUDGE_KICK	0x1	/* the driver's kick */
#define TRIVIO_NUDGE_CALL	0x2	/* the device's call */

enum {
	TRIVIO_A_DEV_UNSPEC,
	TRIVIO_A_DEV_ID,		/* u32 */
	TRIVIO_A_DEV_NAME,		/* string */
	TRIVIO_A_DEV_ROAD,		/* string: vhost, vdpa, vfio */
	TRIVIO_A_DEV_CLASS,		/* string: net, blk */
	TRIVIO_A_DEV_OWNER_PID,		/* u32; absent if nobody drives it */
	TRIVIO_A_DEV_STATE,		/* u32: TRIVIO_DEV_STATE_* */
	TRIVIO_A_DEV_STATUS,		/* u32: virtio status register */
	TRIVIO_A_DEV_OFFERED,		/* uint: feature bits */
	TRIVIO_A_DEV_FEATURES,		/* uint: feature bits, accepted */
	TRIVIO_A_DEV_GENERATION,	/* u32: of the configuration */
	TRIVIO_A_DEV_NQUEUES,		/* u32 */
	TRIVIO_A_DEV_LOST,		/* u32: events lost before this one */
	TRIVIO_A_DEV_COUNTER,		/* nest, many: TRIVIO_A_COUNTER_* */

	__TRIVIO_A_DEV_MAX,
	TRIVIO_A_DEV_MAX = __TRIVIO_A_DEV_MAX - 1
};

/* A counter of the road that the device is on. */
enum {
	TRIVIO_A_COUNTER_UNSPEC,
	TRIVIO_A_COUNTER_NAME,		/* string */
	TRIVIO_A_COUNTER_VALUE,		/* uint */

	__TRIVIO_A_COUNTER_MAX,
	TRIVIO_A_COUNTER_MAX = __TRIVIO_A_COUNTER_MAX - 1
};

enum {
	TRIVIO_A_QUEUE_UNSPEC,
	TRIVIO_A_QUEUE_DEV,		/* u32: id of the device */
	TRIVIO_A_QUEUE_DEV_NAME,	/* string */
	TRIVIO_A_QUEUE_INDEX,		/* u32 */
	TRIVIO_A_QUEUE_ROLE,		/* string: rx, tx, ctrl, request */
	TRIVIO_A_QUEUE_STATE,		/* u32: TRIVIO_QUEUE_STATE_* */
	TRIVIO_A_QUEUE_NUM,		/* u32: entries; 0 before set-up */
	TRIVIO_A_QUEUE_NUM_MAX,		/* u32 */
	TRIVIO_A_QUEUE_PACKED,		/* flag */
	TRIVIO_A_QUEUE_ENABLED,		/* flag */
	TRIVIO_A_QUEUE_DIRECT,		/* flag: served without a worker */
	TRIVIO_A_QUEUE_KICK_PENDING,	/* flag: a kick waits for service */
	TRIVIO_A_QUEUE_WORKER_PID,	/* u32; absent without a worker */
	TRIVIO_A_QUEUE_DESC_ADDR,	/* uint; CAP_NET_ADMIN */
	TRIVIO_A_QUEUE_DRIVER_ADDR,	/* uint; CAP_NET_ADMIN */
	TRIVIO_A_QUEUE_DEVICE_ADDR,	/* uint; CAP_NET_ADMIN */
	TRIVIO_A_QUEUE_RING,		/* nest: TRIVIO_A_RING_* */
	TRIVIO_A_QUEUE_STATS,		/* nest: TRIVIO_A_STAT_* */
	TRIVIO_A_QUEUE_ERROR,		/* nest: TRIVIO_A_ERROR_*; the first */
	TRIVIO_A_QUEUE_NUDGE,		/* u32: TRIVIO_NUDGE_* */
	TRIVIO_A_QUEUE_LOST,		/* u32: events lost before this one */

	__TRIVIO_A_QUEUE_MAX,
	TRIVIO_A_QUEUE_MAX = __TRIVIO_A_QUEUE_MAX - 1
};

/*
 * Positions in the ring. The shared words are there only if TRIVIO_A_RING_LIVE
 * is: they are read from the ring itself while no service runs.
 */
enum {
	TRIVIO_A_RING_UNSPEC,
	TRIVIO_A_RING_LAST_AVAIL,	/* u32: next slot to take */
	TRIVIO_A_RING_AVAIL_IDX,	/* u32: split: driver's index as read */
	TRIVIO_A_RING_LAST_USED,	/* u32: next slot to return */
	TRIVIO_A_RING_FLUSHED_USED,	/* u32: LAST_USED as shown */
	TRIVIO_A_RING_CALL_USED,	/* u32: LAST_USED at the last call check */
	TRIVIO_A_RING_AVAIL_WRAP,	/* u32: packed: 0 or 1 */
	TRIVIO_A_RING_USED_WRAP,	/* u32: packed: 0 or 1 */
	TRIVIO_A_RING_PENDING,		/* u32: returned, not yet shown */
	TRIVIO_A_RING_INFLIGHT,		/* u32: taken, not yet returned */
	TRIVIO_A_RING_EVENT_IDX,	/* flag: event index suppression */
	TRIVIO_A_RING_KICK_OFF,		/* flag: the driver need not kick */
	TRIVIO_A_RING_LIVE,		/* flag: what follows is there */
	TRIVIO_A_RING_READY,		/* u32: 1: the next slot is available */
	TRIVIO_A_RING_DRIVER_IDX,	/* u32: split: avail index */
	TRIVIO_A_RING_DRIVER_FLAGS,	/* u32: avail or driver event flags */
	TRIVIO_A_RING_DRIVER_EVENT,	/* u32: used_event, or off_wrap */
	TRIVIO_A_RING_DEVICE_IDX,	/* u32: split: used index */
	TRIVIO_A_RING_DEVICE_FLAGS,	/* u32: used or device event flags */
	TRIVIO_A_RING_DEVICE_EVENT,	/* u32: avail_event, or off_wrap */

	__TRIVIO_A_RING_MAX,
	TRIVIO_A_RING_MAX = __TRIVIO_A_RING_MAX - 1
};

/* Counters, all uint. */
enum {
	TRIVIO_A_STAT_UNSPEC,
	TRIVIO_A_STAT_KICKS,
	TRIVIO_A_STAT_CALLS,
	TRIVIO_A_STAT_CALLS_SUPPRESSED,
	TRIVIO_A_STAT_WAKEUPS,
	TRIVIO_A_STAT_RESCHEDULES,
	TRIVIO_A_STAT_BATCHES,
	TRIVIO_A_STAT_CHAINS,
	TRIVIO_A_STAT_PACKETS,
	TRIVIO_A_STAT_BYTES,
	TRIVIO_A_STAT_COPIES,
	TRIVIO_A_STAT_DROPS,
	TRIVIO_A_STAT_DROP_NOBUF,
	TRIVIO_A_STAT_DROP_FORMAT,
	TRIVIO_A_STAT_DROP_BACKEND,
	TRIVIO_A_STAT_DROP_FAULT,
	TRIVIO_A_STAT_DROP_NOMEM,
	TRIVIO_A_STAT_DROP_FILTER,
	TRIVIO_A_STAT_ERRORS,
	TRIVIO_A_STAT_MISSES,
	TRIVIO_A_STAT_FAULTS,
	TRIVIO_A_STAT_POLLS,
	TRIVIO_A_STAT_VIOLATIONS,
	TRIVIO_A_STAT_LOGGED,
	TRIVIO_A_STAT_DOORBELLS,

	__TRIVIO_A_STAT_MAX,
	TRIVIO_A_STAT_MAX = __TRIVIO_A_STAT_MAX - 1
};

/* The first error of a queue since it was started. */
enum {
	TRIVIO_A_ERROR_UNSPEC,
	TRIVIO_A_ERROR_CODE,		/* u32 */
	TRIVIO_A_ERROR_NAME,		/* string: the code in words */
	TRIVIO_A_ERROR_HEAD,		/* u32: chain */
	TRIVIO_A_ERROR_ADDR,		/* uint; CAP_NET_ADMIN, not in events */
	TRIVIO_A_ERROR_TIME,		/* uint: ns since 1970 */
	TRIVIO_A_ERROR_COUNT,		/* uint: errors since, this included */

	__TRIVIO_A_ERROR_MAX,
	TRIVIO_A_ERROR_MAX = __TRIVIO_A_ERROR_MAX - 1
};

/* TRIVIO_A_CHECK_MODE */
enum {
	TRIVIO_CHECK_MODE_OFF,	/* drivers are not checked */
	TRIVIO_CHECK_MODE_LOG,	/* rules that are broken are reported */
	TRIVIO_CHECK_MODE_STOP,	/* and the queue stops */
};

/*
 * The conformance checker of a device. A dump has a message per device, with its
 * mode and without a rule, followed by one for each rule that was broken since
 * the mode was set.
 */
enum {
	TRIVIO_A_CHECK_UNSPEC,
	TRIVIO_A_CHECK_DEV,		/* u32: id of the device */
	TRIVIO_A_CHECK_DEV_NAME,	/* string */
	TRIVIO_A_CHECK_MODE,		/* u32: TRIVIO_CHECK_MODE_* */
	TRIVIO_A_CHECK_RULE,		/* u32: number of the rule */
	TRIVIO_A_CHECK_NAME,		/* string: its short name */
	TRIVIO_A_CHECK_SECTION,		/* string: section of virtio 1.2 */
	TRIVIO_A_CHECK_TEXT,		/* string: what it says */
	TRIVIO_A_CHECK_COUNT,		/* uint: how often it was broken */
	TRIVIO_A_CHECK_QUEUE,		/* u32: where first; absent: no queue */
	TRIVIO_A_CHECK_HEAD,		/* u32: chain or descriptor */
	TRIVIO_A_CHECK_VALUE,		/* uint: what was seen; CAP_NET_ADMIN */
	TRIVIO_A_CHECK_TIME,		/* uint: ns since 1970 */

	__TRIVIO_A_CHECK_MAX,
	TRIVIO_A_CHECK_MAX = __TRIVIO_A_CHECK_MAX - 1
};

#endif /* _UAPI_LINUX_TRIVIO_H */
