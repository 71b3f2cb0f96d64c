/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one event for each hop of a chain, the same on every road.
 *
 * Names and fields are an interface (Documentation/tracepoints.rst): change
 * them only by addition. Identity comes first in each record: device id, queue,
 * then head and seq, which together name one chain for its whole way. The
 * device's name is a fixed array, so that records can be read without pointers.
 * The texts of errors and counters are those of trivio_err_name() and
 * trivio_stat_name().
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM trivio

#if !defined(TRIVIO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TRIVIO_TRACE_H

#include <linux/tracepoint.h>

#include <trivio/device.h>

/* Numbers behind the texts, for user space that reads raw records. */
TRACE_DEFINE_ENUM(TRIVIO_OK);
TRACE_DEFINE_ENUM(TRIVIO_ERR_AVAIL_JUMP);
TRACE_DEFINE_ENUM(TRIVIO_ERR_HEAD_RANGE);
TRACE_DEFINE_ENUM(TRIVIO_ERR_NEXT_RANGE);
TRACE_DEFINE_ENUM(TRIVIO_ERR_LOOP);
TRACE_DEFINE_ENUM(TRIVIO_ERR_TOO_LONG);
TRACE_DEFINE_ENUM(TRIVIO_ERR_ORDER);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INDIRECT_OFF);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INDIRECT_NESTED);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INDIRECT_LEN);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INDIRECT_FLAGS);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INDIRECT_READ);
TRACE_DEFINE_ENUM(TRIVIO_ERR_PARTIAL);
TRACE_DEFINE_ENUM(TRIVIO_ERR_UNMAPPED);
TRACE_DEFINE_ENUM(TRIVIO_ERR_PERM);
TRACE_DEFINE_ENUM(TRIVIO_ERR_WRAP);
TRACE_DEFINE_ENUM(TRIVIO_ERR_RING_MAP);
TRACE_DEFINE_ENUM(TRIVIO_ERR_FAULT);
TRACE_DEFINE_ENUM(TRIVIO_ERR_FORMAT);
TRACE_DEFINE_ENUM(TRIVIO_ERR_LOG);
TRACE_DEFINE_ENUM(TRIVIO_ERR_USED_TWICE);
TRACE_DEFINE_ENUM(TRIVIO_ERR_BACKEND);
TRACE_DEFINE_ENUM(TRIVIO_ERR_NOMEM);
TRACE_DEFINE_ENUM(TRIVIO_ERR_INJECTED);
TRACE_DEFINE_ENUM(TRIVIO_ERR_RULE);

TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_NOBUF);
TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_FORMAT);
TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_BACKEND);
TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_FAULT);
TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_NOMEM);
TRACE_DEFINE_ENUM(TRIVIO_STAT_DROP_FILTER);

TRACE_DEFINE_ENUM(TRIVIO_Q_IDLE);
TRACE_DEFINE_ENUM(TRIVIO_Q_RUNNING);
TRACE_DEFINE_ENUM(TRIVIO_Q_BROKEN);

#define trivio_show_err(err)						\
	__print_symbolic(err,						\
		{ TRIVIO_OK,			"ok" },			\
		{ TRIVIO_ERR_AVAIL_JUMP,	"avail-jump" },		\
		{ TRIVIO_ERR_HEAD_RANGE,	"head-range" },		\
		{ TRIVIO_ERR_NEXT_RANGE,	"next-range" },		\
		{ TRIVIO_ERR_LOOP,		"loop" },		\
		{ TRIVIO_ERR_TOO_LONG,		"too-long" },		\
		{ TRIVIO_ERR_ORDER,		"order" },		\
		{ TRIVIO_ERR_INDIRECT_OFF,	"indirect-off" },	\
		{ TRIVIO_ERR_INDIRECT_NESTED,	"indirect-nested" },	\
		{ TRIVIO_ERR_INDIRECT_LEN,	"indirect-len" },	\
		{ TRIVIO_ERR_INDIRECT_FLAGS,	"indirect-flags" },	\
		{ TRIVIO_ERR_INDIRECT_READ,	"indirect-read" },	\
		{ TRIVIO_ERR_PARTIAL,		"partial" },		\
		{ TRIVIO_ERR_UNMAPPED,		"unmapped" },		\
		{ TRIVIO_ERR_PERM,		"perm" },		\
		{ TRIVIO_ERR_WRAP,		"wrap" },		\
		{ TRIVIO_ERR_RING_MAP,		"ring-map" },		\
		{ TRIVIO_ERR_FAULT,		"fault" },		\
		{ TRIVIO_ERR_FORMAT,		"format" },		\
		{ TRIVIO_ERR_LOG,		"log" },		\
		{ TRIVIO_ERR_USED_TWICE,	"used-twice" },		\
		{ TRIVIO_ERR_BACKEND,		"backend" },		\
		{ TRIVIO_ERR_NOMEM,		"nomem" },		\
		{ TRIVIO_ERR_INJECTED,		"injected" },		\
		{ TRIVIO_ERR_RULE,		"rule" })

#define trivio_show_drop(reason)					\
	__print_symbolic(reason,					\
		{ TRIVIO_STAT_DROP_NOBUF,	"drop_nobuf" },		\
		{ TRIVIO_STAT_DROP_FORMAT,	"drop_format" },	\
		{ TRIVIO_STAT_DROP_BACKEND,	"drop_backend" },	\
		{ TRIVIO_STAT_DROP_FAULT,	"drop_fault" },		\
		{ TRIVIO_STAT_DROP_NOMEM,	"drop_nomem" },		\
		{ TRIVIO_STAT_DROP_FILTER,	"drop_filter" })

#define trivio_show_qstate(state)					\
	__print_symbolic(state,						\
		{ TRIVIO_Q_IDLE,		"idle" },		\
		{ TRIVIO_Q_RUNNING,		"running" },		\
		{ TRIVIO_Q_BROKEN,		"broken" })

DECLARE_EVENT_CLASS(trivio_queue_class,
	TP_PROTO(const struct trivio_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u name=%s", __entry->dev, __entry->queue,
		  __entry->name)
);

/* The driver's notification came in, in whatever context. */
DEFINE_EVENT(trivio_queue_class, trivio_kick,
	TP_PROTO(const struct trivio_queue *q),
	TP_ARGS(q)
);

/* The service of the queue starts a turn. */
DEFINE_EVENT(trivio_queue_class, trivio_wake,
	TP_PROTO(const struct trivio_queue *q),
	TP_ARGS(q)
);

/* A chain was taken off the ring. */
TRACE_EVENT(trivio_pop,
	TP_PROTO(const struct trivio_queue *q, u16 id, u64 seq, u32 out_len,
		 u32 in_len),
	TP_ARGS(q, id, seq, out_len, in_len),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u16, head)
		__field(u64, seq)
		__field(u32, out_len)
		__field(u32, in_len)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->head = id;
		__entry->seq = seq;
		__entry->out_len = out_len;
		__entry->in_len = in_len;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u head=%u seq=%llu out_len=%u in_len=%u name=%s",
		  __entry->dev, __entry->queue, __entry->head, __entry->seq,
		  __entry->out_len, __entry->in_len, __entry->name)
);

DECLARE_EVENT_CLASS(trivio_chain_class,
	TP_PROTO(const struct trivio_queue *q, u16 id, u64 seq, u32 len),
	TP_ARGS(q, id, seq, len),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u16, head)
		__field(u64, seq)
		__field(u32, len)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->head = id;
		__entry->seq = seq;
		__entry->len = len;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u head=%u seq=%llu len=%u name=%s",
		  __entry->dev, __entry->queue, __entry->head, __entry->seq,
		  __entry->len, __entry->name)
);

/* A packet of the guest went to the port; len without the virtio header. */
DEFINE_EVENT(trivio_chain_class, trivio_xmit,
	TP_PROTO(const struct trivio_queue *q, u16 id, u64 seq, u32 len),
	TP_ARGS(q, id, seq, len)
);

/* A packet of the port went to the guest; len without the virtio header. */
DEFINE_EVENT(trivio_chain_class, trivio_recv,
	TP_PROTO(const struct trivio_queue *q, u16 id, u64 seq, u32 len),
	TP_ARGS(q, id, seq, len)
);

/* A chain was returned; len is what was written to it. */
DEFINE_EVENT(trivio_chain_class, trivio_push,
	TP_PROTO(const struct trivio_queue *q, u16 id, u64 seq, u32 len),
	TP_ARGS(q, id, seq, len)
);

/* Used entries were shown to the driver, and it was, or was not, called. */
TRACE_EVENT(trivio_call,
	TP_PROTO(const struct trivio_queue *q, u16 used, bool suppressed),
	TP_ARGS(q, used, suppressed),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u16, used)
		__field(u8, suppressed)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->used = used;
		__entry->suppressed = suppressed;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u used=%u suppressed=%u name=%s",
		  __entry->dev, __entry->queue, __entry->used,
		  __entry->suppressed, __entry->name)
);

/* The queue broke; addr is a guest address, or 0. */
TRACE_EVENT(trivio_error,
	TP_PROTO(const struct trivio_queue *q, enum trivio_err err, u16 id,
		 u64 addr),
	TP_ARGS(q, err, id, addr),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u16, head)
		__field(u64, addr)
		__field(u32, err)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->head = id;
		__entry->addr = addr;
		__entry->err = err;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u head=%u addr=0x%llx err=%s name=%s",
		  __entry->dev, __entry->queue, __entry->head, __entry->addr,
		  trivio_show_err(__entry->err), __entry->name)
);

/* A packet was dropped; reason is the counter that counted it. */
TRACE_EVENT(trivio_drop,
	TP_PROTO(const struct trivio_queue *q, enum trivio_stat reason,
		 u16 id, u32 len),
	TP_ARGS(q, reason, id, len),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u16, head)
		__field(u32, len)
		__field(u32, reason)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->head = id;
		__entry->len = len;
		__entry->reason = reason;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u head=%u len=%u reason=%s name=%s",
		  __entry->dev, __entry->queue, __entry->head, __entry->len,
		  trivio_show_drop(__entry->reason), __entry->name)
);

/* An address had no mapping and one was asked for. */
TRACE_EVENT(trivio_miss,
	TP_PROTO(const struct trivio_queue *q, u64 addr, u32 perm),
	TP_ARGS(q, addr, perm),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, queue)
		__field(u64, addr)
		__field(u32, perm)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = q->dev->id;
		__entry->queue = q->index;
		__entry->addr = addr;
		__entry->perm = perm;
		memcpy(__entry->name, q->dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%u addr=0x%llx perm=%u name=%s",
		  __entry->dev, __entry->queue, __entry->addr, __entry->perm,
		  __entry->name)
);

/*
 * A queue changed state (enum trivio_qstate), or, with queue -1, the device's
 * status register did.
 */
TRACE_EVENT(trivio_state,
	TP_PROTO(const struct trivio_dev *dev, int queue, u32 old, u32 new),
	TP_ARGS(dev, queue, old, new),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(s32, queue)
		__field(u32, old)
		__field(u32, new)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = dev->id;
		__entry->queue = queue;
		__entry->old = old;
		__entry->new = new;
		memcpy(__entry->name, dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%d old=%u new=%u (%s) name=%s",
		  __entry->dev, __entry->queue, __entry->old, __entry->new,
		  __entry->queue < 0 ? "status" :
			trivio_show_qstate(__entry->new), __entry->name)
);

/*
 * The driver broke a rule of the specification: its name and section; queue -1
 * is the device as a whole. What value is depends on the rule.
 */
TRACE_EVENT(trivio_check,
	TP_PROTO(const struct trivio_dev *dev, u16 queue, u16 id,
		 const char *rule, const char *section, u64 value),
	TP_ARGS(dev, queue, id, rule, section, value),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(s32, queue)
		__field(u16, head)
		__field(u64, value)
		__array(char, rule, 24)
		__array(char, section, 16)
		__array(char, name, TRIVIO_NAME_MAX)
	),
	TP_fast_assign(
		__entry->dev = dev->id;
		__entry->queue = (s16)queue;
		__entry->head = id;
		__entry->value = value;
		strscpy(__entry->rule, rule, sizeof(__entry->rule));
		strscpy(__entry->section, section, sizeof(__entry->section));
		memcpy(__entry->name, dev->name, TRIVIO_NAME_MAX);
	),
	TP_printk("dev=%u queue=%d head=%u rule=%s section=%s value=0x%llx name=%s",
		  __entry->dev, __entry->queue, __entry->head, __entry->rule,
		  __entry->section, __entry->value, __entry->name)
);

#endif /* TRIVIO_TRACE_H */

/* Out of tree: drivers/core/Kbuild puts this folder on trace.o's path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
