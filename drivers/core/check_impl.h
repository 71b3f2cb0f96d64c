/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conformance checker, inside the core: check.c keeps the reports, check_ring.c
 * and check_class.c look at what comes off a ring. Every hook is behind a static
 * key, and behind the mode of its device.
 */
#ifndef TRIVIO_CHECK_IMPL_H
#define TRIVIO_CHECK_IMPL_H

#include <trivio/check.h>
#include <trivio/device.h>

/**
 * enum check_ctx - where a report comes from, and so how a queue is stopped
 * @CHECK_SERVICE: service of the queue: at once
 * @CHECK_DEFER: anywhere: a work item does it
 * @CHECK_BROKEN: the queue is broken already
 */
enum check_ctx {
	CHECK_SERVICE,
	CHECK_DEFER,
	CHECK_BROKEN,
};

/* A descriptor as it was popped; in the layout of struct ring_desc. */
struct check_desc {
	u64 addr;
	u64 word;
};

/**
 * struct trivio_check_queue - what is in flight in one ring, to see it altered
 * @num: entries of the ring
 * @busy: bit per descriptor (split) or buffer id (packed) that is in flight
 * @over: packed: bit per slot that a used descriptor was written over
 * @start: packed: first slot of a chain, by id
 * @slots: packed: its slots, by id
 * @shot: descriptors in flight, by index (split) or slot (packed)
 *
 * Made and freed under &trivio_queue.lock, used by the service only.
 */
struct trivio_check_queue {
	u32 num;
	unsigned long *busy;
	unsigned long *over;
	u16 *start;
	u16 *slots;
	struct check_desc shot[];
};

/**
 * struct check_watch - a queue as it was seen last; to see missing kicks
 * @kicks: kicks so far
 * @want: position that a kick was asked for
 * @phase: enum watch_phase in check_ring.c
 */
struct check_watch {
	u64 kicks;
	u32 want;
	u8 phase;
};

/**
 * struct trivio_check - checker of one device
 * @dev: device
 * @mode: enum trivio_check_mode; written under check_mutex
 * @lock: protects @rec, @stop_queue and @stop_dev; any context
 * @rec: reports, by rule
 * @stop_work: stops what @stop_queue and @stop_dev name
 * @stop_queue: queues to stop
 * @stop_dev: the device is to ask for a reset
 * @pairs: net: queue pairs in use as seen last, @pairs_at when they changed
 * @pairs_at: jiffies
 * @watch_work: looks for missing kicks, twice a second
 * @watch: per queue; @watch_work only
 */
struct trivio_check {
	struct trivio_dev *dev;
	enum trivio_check_mode mode;
	spinlock_t lock;	/* reports and what to stop */
	struct trivio_check_rec rec[TRIVIO_RULE_NR];
	struct work_struct stop_work;
	DECLARE_BITMAP(stop_queue, TRIVIO_QUEUES_MAX);
	bool stop_dev;
	u16 pairs;
	unsigned long pairs_at;
	struct delayed_work watch_work;
	struct check_watch watch[];
};

void trivio_check_reset(struct trivio_dev *dev);
void trivio_check_free(struct trivio_dev *dev);
void trivio_check_report(struct trivio_dev *dev, struct trivio_queue *q,
			 enum trivio_rule rule, u16 head, u64 value,
			 enum check_ctx ctx);

/* check_ring.c */
void trivio_check_watch(struct work_struct *work);
int trivio_check_queue_alloc(struct trivio_queue *q);
void trivio_check_queue_free(struct trivio_queue *q);
void __trivio_check_start(struct trivio_queue *q);
int __trivio_check_pop(struct trivio_queue *q, const struct trivio_chain *c);
void __trivio_check_unpop(struct trivio_queue *q, const struct trivio_chain *c);
void __trivio_check_push(struct trivio_queue *q, const struct trivio_chain *c);
void __trivio_check_flush(struct trivio_queue *q);
void __trivio_check_kick(struct trivio_queue *q);
void __trivio_check_error(struct trivio_queue *q, enum trivio_err err, u16 head,
			  u64 addr);

/* check_class.c */
void trivio_check_request(struct trivio_queue *q, const struct trivio_chain *c);
void __trivio_check_config_write(struct trivio_dev *dev, u32 off,
				 const void *buf, u32 len);

static inline struct trivio_check *trivio_checker(const struct trivio_dev *dev)
{
	/* Pairs with the release in trivio_check_set_mode(). */
	struct trivio_check *k = smp_load_acquire(&dev->check);

	return k && READ_ONCE(k->mode) ? k : NULL;
}

#define trivio_checked(dev) \
	(static_branch_unlikely(&trivio_check_on) && trivio_checker(dev))

/* The queue's ring was mapped and is about to be served. */
static inline void trivio_check_start(struct trivio_queue *q)
{
	if (trivio_checked(q->dev))
		__trivio_check_start(q);
}

/* A chain was popped: 0, or -EPIPE if the queue stopped because of it. */
static inline int trivio_check_pop(struct trivio_queue *q,
				   const struct trivio_chain *c)
{
	return trivio_checked(q->dev) ? __trivio_check_pop(q, c) : 0;
}

/* It is put back. */
static inline void trivio_check_unpop(struct trivio_queue *q,
				      const struct trivio_chain *c)
{
	if (static_branch_unlikely(&trivio_check_on))
		__trivio_check_unpop(q, c);
}

/* It is about to be returned. */
static inline void trivio_check_push(struct trivio_queue *q,
				     const struct trivio_chain *c)
{
	if (static_branch_unlikely(&trivio_check_on))
		__trivio_check_push(q, c);
}

/* Used entries were shown. */
static inline void trivio_check_flush(struct trivio_queue *q)
{
	if (trivio_checked(q->dev))
		__trivio_check_flush(q);
}

/* The driver kicked; any context. */
static inline void trivio_check_kick(struct trivio_queue *q)
{
	if (trivio_checked(q->dev))
		__trivio_check_kick(q);
}

/* The queue broke. */
static inline void trivio_check_error(struct trivio_queue *q,
				      enum trivio_err err, u16 head, u64 addr)
{
	if (trivio_checked(q->dev))
		__trivio_check_error(q, err, head, addr);
}

/* The driver writes the configuration space; &trivio_dev.lock is held. */
static inline void trivio_check_config_write(struct trivio_dev *dev, u32 off,
					     const void *buf, u32 len)
{
	if (trivio_checked(dev))
		__trivio_check_config_write(dev, off, buf, len);
}

#endif /* TRIVIO_CHECK_IMPL_H */
