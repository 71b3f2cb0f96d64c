/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults on purpose: a device that breaks the rules when it is told to, so that
 * a driver's handling of it can be seen. Nothing is random but by the seed, for
 * each kind and queue by itself: the same settings and the same traffic of a queue
 * give the same faults, whatever other queues do meanwhile.
 *
 * Behind a static key: a device without faults pays a few bytes of no-ops.
 */
#ifndef TRIVIO_FAULT_H
#define TRIVIO_FAULT_H

#include <linux/jump_label.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct trivio_dev;
struct trivio_queue;

/**
 * enum trivio_fault - what can go wrong
 *
 * Names as configfs shows them: trivio_fault_name(). Add at the end.
 *
 * @TRIVIO_FAULT_LOST_KICK: a driver's kick is not seen
 * @TRIVIO_FAULT_LOST_CALL: the driver is not called though it wants to be
 * @TRIVIO_FAULT_LATE_CALL: it is called so many milliseconds late
 * @TRIVIO_FAULT_SPURIOUS_CALL: it is called though it does not want to be
 * @TRIVIO_FAULT_USED_LEN: the used length is this
 * @TRIVIO_FAULT_USED_ID: the used id is off by this
 * @TRIVIO_FAULT_STUCK: the queue takes nothing more from its ring this time
 * @TRIVIO_FAULT_BROKEN: the queue breaks, as if the driver had broken a rule
 * @TRIVIO_FAULT_NEEDS_RESET: the device asks for a reset
 * @TRIVIO_FAULT_CONFIG: a configuration change without one, or so many
 * @TRIVIO_FAULT_IO_ERROR: a block request fails
 * @TRIVIO_FAULT_IO_DELAY: a block request takes so many milliseconds more;
 *	others overtake it
 * @TRIVIO_FAULT_REORDER: a used entry comes behind the one that follows it
 * @TRIVIO_FAULT_CTRL_ERROR: a control command is answered with an error
 * @TRIVIO_FAULT_MAP: memory can't be mapped for the device
 * @TRIVIO_FAULT_POWER_LOSS: a block device loses power: this request and all
 *	that follow fail until a reset, and what was written and not flushed is
 *	gone but for so many percent
 * @TRIVIO_FAULT_NR: number of kinds
 */
enum trivio_fault {
	TRIVIO_FAULT_LOST_KICK,
	TRIVIO_FAULT_LOST_CALL,
	TRIVIO_FAULT_LATE_CALL,
	TRIVIO_FAULT_SPURIOUS_CALL,
	TRIVIO_FAULT_USED_LEN,
	TRIVIO_FAULT_USED_ID,
	TRIVIO_FAULT_STUCK,
	TRIVIO_FAULT_BROKEN,
	TRIVIO_FAULT_NEEDS_RESET,
	TRIVIO_FAULT_CONFIG,
	TRIVIO_FAULT_IO_ERROR,
	TRIVIO_FAULT_IO_DELAY,
	TRIVIO_FAULT_REORDER,
	TRIVIO_FAULT_CTRL_ERROR,
	TRIVIO_FAULT_MAP,
	TRIVIO_FAULT_POWER_LOSS,
	TRIVIO_FAULT_NR,
};

/* The sequence behind those of the kinds: how long a block request takes. */
#define TRIVIO_FAULT_JITTER	TRIVIO_FAULT_NR

/* Longest jitter, microseconds: as much as a delay can be. */
#define TRIVIO_FAULT_JITTER_MAX	(10 * USEC_PER_SEC)

/**
 * struct trivio_fault_cfg - one kind of fault
 * @every: 0: off; 1: each time; N: one time in N, by the seed
 * @times: how often at most, 0: no limit
 * @queue: only this queue, -1: any
 * @value: see enum trivio_fault
 * @hits: how often it fired
 */
struct trivio_fault_cfg {
	u32 every;
	u32 times;
	s32 queue;
	u32 value;
	u64 hits;
};

/**
 * struct trivio_fault_draws - how far the random sequences of a queue are
 * @epoch: &trivio_faults.epoch that @n is of
 * @n: numbers drawn, by kind; under &trivio_faults.lock
 */
struct trivio_fault_draws {
	u32 epoch;
	u32 n[TRIVIO_FAULT_NR + 1];
};

/**
 * struct trivio_faults - faults of one device
 * @lock: protects all down to @cfg, and the queues' draws; any context
 * @seed: of every random sequence
 * @epoch: counts seeds: draws of an older one begin anew
 * @draws: of what happens in no queue
 * @jitter: microseconds that a block request takes more, at most; any number of
 *	them is as likely as another
 * @cfg: by kind
 * @dev: device they act on, or NULL
 * @late: calls that are late
 * @late_queues: queues whose call @late will make
 * @config: makes configuration changes
 * @storm: how many
 * @power: makes the device forget what is volatile
 * @keep: percent of it that it keeps
 */
struct trivio_faults {
	spinlock_t lock;
	u64 seed;
	u32 epoch;
	struct trivio_fault_draws draws;
	u32 jitter;
	struct trivio_fault_cfg cfg[TRIVIO_FAULT_NR];
	struct trivio_dev *dev;
	struct delayed_work late;
	DECLARE_BITMAP(late_queues, 64);
	struct work_struct config;
	u32 storm;
	struct work_struct power;
	u32 keep;
};

DECLARE_STATIC_KEY_FALSE(trivio_faults_on);

bool __trivio_fault(struct trivio_queue *q, enum trivio_fault kind, u32 *value);
bool __trivio_fault_dev(struct trivio_dev *dev, enum trivio_fault kind);
u32 trivio_fault_jitter(struct trivio_queue *q);
void trivio_fault_power(struct trivio_dev *dev, u32 keep);
void trivio_fault_power_wait(struct trivio_dev *dev);

/* Does a fault of this kind happen to @q now? */
#define trivio_fault(q, kind, value) \
	(static_branch_unlikely(&trivio_faults_on) && \
	 __trivio_fault(q, kind, value))

/* Does one happen to @dev now, in no queue of it? */
#define trivio_fault_dev(dev, kind) \
	(static_branch_unlikely(&trivio_faults_on) && \
	 __trivio_fault_dev(dev, kind))

void trivio_faults_init(struct trivio_faults *f);
void trivio_faults_exit(struct trivio_faults *f);
void trivio_faults_seed(struct trivio_faults *f, u64 seed);
void trivio_faults_set(struct trivio_faults *f, enum trivio_fault kind,
		       const struct trivio_fault_cfg *cfg);
void trivio_faults_set_jitter(struct trivio_faults *f, u32 us);
void trivio_faults_get(struct trivio_faults *f, enum trivio_fault kind,
		       struct trivio_fault_cfg *cfg);
void trivio_faults_attach(struct trivio_faults *f, struct trivio_dev *dev);
void trivio_faults_detach(struct trivio_faults *f);
const char *trivio_fault_name(enum trivio_fault kind);
u32 trivio_fault_value_max(enum trivio_fault kind);

#endif /* TRIVIO_FAULT_H */
