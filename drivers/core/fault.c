// SPDX-License-Identifier: GPL-2.0-only
/* Faults on purpose: whether one happens now, and the late ones. */
#include <linux/bitmap.h>
#include <linux/jhash.h>
#include <linux/jump_label.h>
#include <linux/math.h>
#include <linux/module.h>

#include <trivio/device.h>
#include <trivio/fault.h>

#include "fault_impl.h"
#include "trace.h"

struct static_key_false trivio_faults_on = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(trivio_faults_on);

static const char * const fault_name[] = {
	[TRIVIO_FAULT_LOST_KICK]	= "lost_kick",
	[TRIVIO_FAULT_LOST_CALL]	= "lost_call",
	[TRIVIO_FAULT_LATE_CALL]	= "late_call",
	[TRIVIO_FAULT_SPURIOUS_CALL]	= "spurious_call",
	[TRIVIO_FAULT_USED_LEN]		= "used_len",
	[TRIVIO_FAULT_USED_ID]		= "used_id",
	[TRIVIO_FAULT_STUCK]		= "stuck",
	[TRIVIO_FAULT_BROKEN]		= "broken",
	[TRIVIO_FAULT_NEEDS_RESET]	= "needs_reset",
	[TRIVIO_FAULT_CONFIG]		= "config",
	[TRIVIO_FAULT_IO_ERROR]		= "io_error",
	[TRIVIO_FAULT_IO_DELAY]		= "io_delay",
	[TRIVIO_FAULT_REORDER]		= "reorder",
	[TRIVIO_FAULT_CTRL_ERROR]	= "ctrl_error",
	[TRIVIO_FAULT_MAP]		= "map",
	[TRIVIO_FAULT_POWER_LOSS]	= "power_loss",
};

static_assert(ARRAY_SIZE(fault_name) == TRIVIO_FAULT_NR);

/**
 * trivio_fault_name() - name of a kind of fault, as configfs shows it
 * @kind: kind
 */
const char *trivio_fault_name(enum trivio_fault kind)
{
	return (unsigned int)kind < TRIVIO_FAULT_NR ? fault_name[kind] : "?";
}
EXPORT_SYMBOL_GPL(trivio_fault_name);

/**
 * trivio_fault_value_max() - largest value of a kind
 * @kind: kind
 *
 * A removal of the device waits for what was begun: ten seconds at most.
 */
u32 trivio_fault_value_max(enum trivio_fault kind)
{
	switch (kind) {
	case TRIVIO_FAULT_LATE_CALL:
	case TRIVIO_FAULT_IO_DELAY:
		return 10 * MSEC_PER_SEC;
	case TRIVIO_FAULT_CONFIG:
		return 10000;
	case TRIVIO_FAULT_POWER_LOSS:
		return 100;
	default:
		return U32_MAX;
	}
}
EXPORT_SYMBOL_GPL(trivio_fault_value_max);

/*
 * The next number of a kind and a queue, or of no queue. It depends on the seed and
 * on how many were drawn of this sequence before, and on nothing that happens
 * elsewhere.
 */
static u32 fault_random(struct trivio_faults *f, struct trivio_queue *q,
			unsigned int kind)
{
	struct trivio_fault_draws *d = q ? &q->fault_draws : &f->draws;
	u32 key[] = {
		lower_32_bits(f->seed), upper_32_bits(f->seed), kind,
		q ? q->index : U32_MAX, 0
	};

	lockdep_assert_held(&f->lock);
	if (d->epoch != f->epoch) {
		memset(d->n, 0, sizeof(d->n));
		d->epoch = f->epoch;
	}
	key[4] = d->n[kind]++;
	return jhash2(key, ARRAY_SIZE(key), 0);
}

/* @q: NULL for none. */
static bool fault_hit(struct trivio_dev *dev, struct trivio_queue *q,
		      enum trivio_fault kind, u32 *value)
{
	int index = q ? q->index : -1;
	struct trivio_faults *f = READ_ONCE(dev->faults);
	struct trivio_fault_cfg *cfg;
	unsigned long flags;
	bool hit = false;

	if (!f || !READ_ONCE(f->cfg[kind].every))
		return false;
	spin_lock_irqsave(&f->lock, flags);
	cfg = &f->cfg[kind];
	if (cfg->every && (cfg->queue < 0 || cfg->queue == index) &&
	    (!cfg->times || cfg->hits < cfg->times))
		hit = cfg->every == 1 ||
		      fault_random(f, q, kind) % cfg->every == 0;
	if (hit) {
		cfg->hits++;
		if (value)
			*value = cfg->value;
	}
	spin_unlock_irqrestore(&f->lock, flags);
	return hit;
}

/**
 * __trivio_fault() - does a fault of this kind happen now; counts it if so
 * @q: queue it would happen to
 * @kind: kind
 * @value: filled with the kind's value if it does; may be NULL
 *
 * Context: any.
 * Return: whether it does.
 */
bool __trivio_fault(struct trivio_queue *q, enum trivio_fault kind, u32 *value)
{
	bool hit = fault_hit(q->dev, q, kind, value);

	if (hit)
		atomic64_inc(&q->faults);
	return hit;
}
EXPORT_SYMBOL_GPL(__trivio_fault);

/**
 * __trivio_fault_dev() - the same for what happens in no queue
 * @dev: device
 * @kind: kind
 *
 * Context: any.
 * Return: whether it does.
 */
bool __trivio_fault_dev(struct trivio_dev *dev, enum trivio_fault kind)
{
	return fault_hit(dev, NULL, kind, NULL);
}
EXPORT_SYMBOL_GPL(__trivio_fault_dev);

/**
 * trivio_fault_jitter() - how much longer a block request takes, at random
 * @q: its queue
 *
 * Context: any.
 * Return: microseconds.
 */
u32 trivio_fault_jitter(struct trivio_queue *q)
{
	struct trivio_faults *f = READ_ONCE(q->dev->faults);
	unsigned long flags;
	u32 us = 0;

	if (!f || !READ_ONCE(f->jitter))
		return 0;
	spin_lock_irqsave(&f->lock, flags);
	if (f->jitter)
		us = reciprocal_scale(fault_random(f, q, TRIVIO_FAULT_JITTER),
				      f->jitter + 1);
	spin_unlock_irqrestore(&f->lock, flags);
	return us;
}

/**
 * trivio_fault_power() - the device loses power
 * @dev: device; its class fails every request from now on
 * @keep: percent of what is volatile that is not lost
 *
 * Context: any.
 */
void trivio_fault_power(struct trivio_dev *dev, u32 keep)
{
	struct trivio_faults *f = READ_ONCE(dev->faults);

	WRITE_ONCE(f->keep, keep);
	schedule_work(&f->power);
}

/**
 * trivio_fault_power_wait() - until what is volatile is forgotten
 * @dev: device
 *
 * Context: may sleep.
 */
void trivio_fault_power_wait(struct trivio_dev *dev)
{
	struct trivio_faults *f = READ_ONCE(dev->faults);

	if (f)
		flush_work(&f->power);
}

/**
 * trivio_fault_call() - faults of a call to the driver
 * @q: queue
 * @call: whether the driver wants one
 *
 * Context: service of the queue.
 *
 * Return: whether to make one now.
 */
bool trivio_fault_call(struct trivio_queue *q, bool call)
{
	struct trivio_faults *f = READ_ONCE(q->dev->faults);
	u32 ms;

	if (!call)
		return trivio_fault(q, TRIVIO_FAULT_SPURIOUS_CALL, NULL);
	if (trivio_fault(q, TRIVIO_FAULT_LOST_CALL, NULL))
		return false;
	if (q->index < 64 && trivio_fault(q, TRIVIO_FAULT_LATE_CALL, &ms)) {
		set_bit(q->index, f->late_queues);
		schedule_delayed_work(&f->late, msecs_to_jiffies(ms));
		return false;
	}
	return true;
}

/**
 * trivio_fault_push() - faults of a used entry, and those that come with one
 * @q: queue
 * @id: id that goes into it
 * @written: length that goes into it
 *
 * Context: service of the queue.
 */
void trivio_fault_push(struct trivio_queue *q, u16 *id, u32 *written)
{
	struct trivio_faults *f = READ_ONCE(q->dev->faults);
	u32 value;

	if (trivio_fault(q, TRIVIO_FAULT_USED_LEN, &value))
		*written = value;
	if (trivio_fault(q, TRIVIO_FAULT_USED_ID, &value))
		*id += value;
	if (trivio_fault(q, TRIVIO_FAULT_NEEDS_RESET, NULL))
		trivio_dev_needs_reset(q->dev);
	if (trivio_fault(q, TRIVIO_FAULT_CONFIG, &value)) {
		WRITE_ONCE(f->storm, value);
		schedule_work(&f->config);
	}
}

/* Give back the chain that was held, if there is one. */
static void fault_release(struct trivio_queue *q)
{
	if (!q->late_valid)
		return;
	q->late_valid = false;
	trivio_ring_push(&q->ring, q->late_id, q->late_slots, q->late_written);
}

/**
 * trivio_fault_reorder() - does a used entry wait for the one that follows?
 * @q: queue
 * @id: what would be pushed now
 * @slots: its slots
 * @written: its length
 *
 * One waits at a time, until the next is pushed or the batch is flushed.
 *
 * Context: service of the queue.
 * Return: whether it waits; if not, the caller pushes it, and calls
 * trivio_fault_followed().
 */
bool trivio_fault_reorder(struct trivio_queue *q, u16 id, u16 slots,
			  u32 written)
{
	if (q->late_valid || q->ring.in_order ||
	    !trivio_fault(q, TRIVIO_FAULT_REORDER, NULL))
		return false;
	q->late_valid = true;
	q->late_id = id;
	q->late_slots = slots;
	q->late_written = written;
	return true;
}

/**
 * trivio_fault_followed() - the one that was waited for is there, or none comes
 * @q: queue
 *
 * Context: service of the queue.
 */
void trivio_fault_followed(struct trivio_queue *q)
{
	fault_release(q);
}

static void faults_late(struct work_struct *work)
{
	struct trivio_faults *f = container_of(to_delayed_work(work),
					       struct trivio_faults, late);
	struct trivio_dev *dev = f->dev;
	unsigned int i;

	for_each_set_bit(i, f->late_queues, 64) {
		clear_bit(i, f->late_queues);
		if (dev && i < dev->nqueues)
			dev->front->call(&dev->queue[i]);
	}
}

static void faults_config(struct work_struct *work)
{
	struct trivio_faults *f = container_of(work, struct trivio_faults,
					       config);
	struct trivio_dev *dev = f->dev;
	u32 n = READ_ONCE(f->storm);

	if (!dev)
		return;
	/* Not for longer than the faults act: their end waits for this. */
	while (READ_ONCE(dev->faults) == f) {
		trivio_dev_config_changed(dev);
		if (n-- <= 1)
			break;
		cond_resched();
	}
}

static void faults_power(struct work_struct *work)
{
	struct trivio_faults *f = container_of(work, struct trivio_faults,
					       power);
	struct trivio_dev *dev = f->dev;
	u32 seed;

	spin_lock_irq(&f->lock);
	seed = fault_random(f, NULL, TRIVIO_FAULT_POWER_LOSS);
	spin_unlock_irq(&f->lock);
	if (dev && dev->class->power_loss)
		dev->class->power_loss(dev, READ_ONCE(f->keep), seed);
}

/**
 * trivio_faults_init() - set faults up, all off
 * @f: zeroed memory
 */
void trivio_faults_init(struct trivio_faults *f)
{
	int i;

	spin_lock_init(&f->lock);
	INIT_DELAYED_WORK(&f->late, faults_late);
	INIT_WORK(&f->config, faults_config);
	INIT_WORK(&f->power, faults_power);
	for (i = 0; i < TRIVIO_FAULT_NR; i++)
		f->cfg[i].queue = -1;
	trivio_faults_seed(f, 1);
}
EXPORT_SYMBOL_GPL(trivio_faults_init);

/**
 * trivio_faults_exit() - end of faults that are not attached
 * @f: faults
 */
void trivio_faults_exit(struct trivio_faults *f)
{
	struct trivio_fault_cfg off = { .queue = -1 };
	int i;

	for (i = 0; i < TRIVIO_FAULT_NR; i++)
		trivio_faults_set(f, i, &off);
	trivio_faults_set_jitter(f, 0);
}
EXPORT_SYMBOL_GPL(trivio_faults_exit);

/**
 * trivio_faults_seed() - begin all random sequences anew
 * @f: faults
 * @seed: number
 */
void trivio_faults_seed(struct trivio_faults *f, u64 seed)
{
	unsigned long flags;

	spin_lock_irqsave(&f->lock, flags);
	f->seed = seed;
	f->epoch++;
	spin_unlock_irqrestore(&f->lock, flags);
}
EXPORT_SYMBOL_GPL(trivio_faults_seed);

/**
 * trivio_faults_set() - change one kind; its hits begin at 0
 * @f: faults
 * @kind: kind
 * @cfg: settings
 *
 * Context: may sleep; one caller at a time.
 */
void trivio_faults_set(struct trivio_faults *f, enum trivio_fault kind,
		       const struct trivio_fault_cfg *cfg)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&f->lock, flags);
	was = f->cfg[kind].every;
	/* Looked at without the lock, and before anything else. */
	WRITE_ONCE(f->cfg[kind].every, cfg->every);
	f->cfg[kind].times = cfg->times;
	f->cfg[kind].queue = cfg->queue;
	f->cfg[kind].value = cfg->value;
	f->cfg[kind].hits = 0;
	spin_unlock_irqrestore(&f->lock, flags);
	if (!was && cfg->every)
		static_branch_inc(&trivio_faults_on);
	else if (was && !cfg->every)
		static_branch_dec(&trivio_faults_on);
}
EXPORT_SYMBOL_GPL(trivio_faults_set);

/**
 * trivio_faults_set_jitter() - change how much longer block requests take
 * @f: faults
 * @us: microseconds, at most
 *
 * Context: may sleep; one caller at a time.
 */
void trivio_faults_set_jitter(struct trivio_faults *f, u32 us)
{
	unsigned long flags;
	u32 was;

	spin_lock_irqsave(&f->lock, flags);
	was = f->jitter;
	WRITE_ONCE(f->jitter, us);
	spin_unlock_irqrestore(&f->lock, flags);
	if (!was && us)
		static_branch_inc(&trivio_faults_on);
	else if (was && !us)
		static_branch_dec(&trivio_faults_on);
}
EXPORT_SYMBOL_GPL(trivio_faults_set_jitter);

/**
 * trivio_faults_get() - settings and hits of one kind
 * @f: faults
 * @kind: kind
 * @cfg: filled in
 */
void trivio_faults_get(struct trivio_faults *f, enum trivio_fault kind,
		       struct trivio_fault_cfg *cfg)
{
	unsigned long flags;

	spin_lock_irqsave(&f->lock, flags);
	*cfg = f->cfg[kind];
	spin_unlock_irqrestore(&f->lock, flags);
}
EXPORT_SYMBOL_GPL(trivio_faults_get);

/**
 * trivio_faults_attach() - let faults act on a device
 * @f: faults; they outlive trivio_faults_detach()
 * @dev: device without faults, no queue of which runs
 *
 * Their random sequences begin anew.
 *
 * Context: may sleep.
 */
void trivio_faults_attach(struct trivio_faults *f, struct trivio_dev *dev)
{
	spin_lock_irq(&f->lock);
	f->epoch++;
	spin_unlock_irq(&f->lock);
	f->dev = dev;
	WRITE_ONCE(dev->faults, f);
}
EXPORT_SYMBOL_GPL(trivio_faults_attach);

/**
 * trivio_faults_detach() - no faults any more
 * @f: faults; their device's queues are stopped
 *
 * Context: may sleep.
 */
void trivio_faults_detach(struct trivio_faults *f)
{
	if (!f->dev)
		return;
	WRITE_ONCE(f->dev->faults, NULL);
	synchronize_rcu();
	cancel_delayed_work_sync(&f->late);
	cancel_work_sync(&f->config);
	cancel_work_sync(&f->power);
	f->dev = NULL;
}
EXPORT_SYMBOL_GPL(trivio_faults_detach);
