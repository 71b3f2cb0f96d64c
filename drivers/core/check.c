// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conformance checker of a device: its mode, its reports, what happens when
 * a rule is broken, and the rules of status and features.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "check_impl.h"
#include "trace.h"

/*
 * Who holds a queue's lock may sleep in a page fault that user space serves:
 * a change of mode gives up after a while.
 */
#define LOCK_TRIES	100

struct static_key_false trivio_check_on = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(trivio_check_on);

/* Serialises changes of mode. Taken before queues' locks. */
static DEFINE_MUTEX(check_mutex);

static const char * const mode_name[TRIVIO_CHECK_NR] = {
	[TRIVIO_CHECK_OFF]	= "off",
	[TRIVIO_CHECK_LOG]	= "log",
	[TRIVIO_CHECK_STOP]	= "stop",
};

/**
 * trivio_check_mode_name() - a mode as people write it
 * @mode: mode
 *
 * Return: a constant string.
 */
const char *trivio_check_mode_name(enum trivio_check_mode mode)
{
	return (unsigned int)mode < TRIVIO_CHECK_NR ? mode_name[mode] : "?";
}
EXPORT_SYMBOL_GPL(trivio_check_mode_name);

/**
 * trivio_check_parse() - the mode that a word names
 * @word: "off", "log" or "stop", a newline may follow
 *
 * Return: enum trivio_check_mode, or -EINVAL.
 */
int trivio_check_parse(const char *word)
{
	return sysfs_match_string(mode_name, word);
}
EXPORT_SYMBOL_GPL(trivio_check_parse);

/* --- reports ------------------------------------------------------------ */

static void check_stop(struct trivio_check *k, struct trivio_queue *q,
		       u16 head, u64 value, enum check_ctx ctx)
{
	unsigned long flags;

	if (ctx == CHECK_BROKEN)
		return;
	if (ctx == CHECK_SERVICE) {
		if (READ_ONCE(q->state) == TRIVIO_Q_RUNNING)
			trivio_queue_error(q, TRIVIO_ERR_RULE, head, value);
		return;
	}
	spin_lock_irqsave(&k->lock, flags);
	if (q)
		__set_bit(q->index, k->stop_queue);
	else
		k->stop_dev = true;
	spin_unlock_irqrestore(&k->lock, flags);
	schedule_work(&k->stop_work);
}

static void check_stop_queue(struct trivio_queue *q)
{
	trivio_queue_lock(q);
	if (q->state == TRIVIO_Q_RUNNING)
		trivio_queue_error(q, TRIVIO_ERR_RULE, 0, 0);
	mutex_unlock(&q->lock);
}

static void check_stop_work(struct work_struct *work)
{
	struct trivio_check *k = container_of(work, struct trivio_check,
					      stop_work);
	struct trivio_dev *dev = k->dev;
	bool all;
	u16 i;

	/* Not across a reset: what was said of the driver before is no longer so. */
	mutex_lock(&dev->lock);
	spin_lock_irq(&k->lock);
	all = k->stop_dev;
	k->stop_dev = false;
	spin_unlock_irq(&k->lock);
	for (i = 0; i < dev->nqueues; i++) {
		bool stop;

		spin_lock_irq(&k->lock);
		stop = __test_and_clear_bit(i, k->stop_queue);
		spin_unlock_irq(&k->lock);
		if (stop)
			check_stop_queue(&dev->queue[i]);
	}
	if (all)
		trivio_dev_needs_reset(dev);
	mutex_unlock(&dev->lock);
}

/**
 * trivio_check_reset() - forget stops that were put off
 * @dev: device that is being reset; its lock is held
 */
void trivio_check_reset(struct trivio_dev *dev)
{
	struct trivio_check *k = dev->check;

	lockdep_assert_held(&dev->lock);
	if (!k)
		return;
	spin_lock_irq(&k->lock);
	k->stop_dev = false;
	bitmap_zero(k->stop_queue, TRIVIO_QUEUES_MAX);
	spin_unlock_irq(&k->lock);
}

/**
 * trivio_check_report() - the driver broke a rule
 * @dev: device
 * @q: queue it was in, or NULL
 * @rule: rule
 * @head: chain, descriptor or id
 * @value: what was seen
 * @ctx: where we are
 *
 * Context: as @ctx says.
 */
void trivio_check_report(struct trivio_dev *dev, struct trivio_queue *q,
			 enum trivio_rule rule, u16 head, u64 value,
			 enum check_ctx ctx)
{
	const struct trivio_rule_info *info = trivio_rule_info(rule);
	struct trivio_check *k = trivio_checker(dev);
	u16 index = q ? q->index : TRIVIO_CHECK_NO_QUEUE;
	struct trivio_check_rec *rec;
	unsigned long flags;

	if (!k)
		return;
	rec = &k->rec[rule];
	spin_lock_irqsave(&k->lock, flags);
	if (!rec->count++) {
		rec->queue = index;
		rec->head = head;
		rec->value = value;
		rec->time = ktime_get_real_ns();
	}
	spin_unlock_irqrestore(&k->lock, flags);
	if (q)
		atomic64_inc(&q->violations);
	trace_trivio_check(dev, index, head, info->name,
			   trivio_rule_section(dev, rule), value);
	if (q)
		pr_warn_ratelimited("trivio: %s: queue %u, head %u: %s (virtio 1.2, %s): %s; seen %#llx\n",
				    dev->name, index, head, info->name,
				    trivio_rule_section(dev, rule), info->text,
				    value);
	else
		pr_warn_ratelimited("trivio: %s: %s (virtio 1.2, %s): %s; seen %#llx\n",
				    dev->name, info->name,
				    trivio_rule_section(dev, rule), info->text,
				    value);
	if (READ_ONCE(k->mode) == TRIVIO_CHECK_STOP)
		check_stop(k, q, head, value, ctx);
}

/**
 * trivio_check_get() - reports of one rule
 * @dev: device
 * @rule: rule
 * @rec: filled in
 *
 * Context: any.
 * Return: whether there are any.
 */
bool trivio_check_get(struct trivio_dev *dev, enum trivio_rule rule,
		      struct trivio_check_rec *rec)
{
	/* Pairs with the release in trivio_check_set_mode(). */
	struct trivio_check *k = smp_load_acquire(&dev->check);
	unsigned long flags;

	memset(rec, 0, sizeof(*rec));
	if (!k || (unsigned int)rule >= TRIVIO_RULE_NR)
		return false;
	spin_lock_irqsave(&k->lock, flags);
	*rec = k->rec[rule];
	spin_unlock_irqrestore(&k->lock, flags);
	return rec->count;
}
EXPORT_SYMBOL_GPL(trivio_check_get);

/* --- mode --------------------------------------------------------------- */

/**
 * trivio_check_mode() - mode of a device
 * @dev: device
 *
 * Context: any.
 * Return: mode; "off" for a device that was never switched on.
 */
enum trivio_check_mode trivio_check_mode(struct trivio_dev *dev)
{
	struct trivio_check *k = trivio_checker(dev);

	return k ? READ_ONCE(k->mode) : TRIVIO_CHECK_OFF;
}
EXPORT_SYMBOL_GPL(trivio_check_mode);

static bool check_queue_lock(struct trivio_queue *q)
{
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (mutex_trylock(&q->lock))
			return true;
		usleep_range(500, 1000);
	}
	return false;
}

/* A queue that runs already is watched from here on. */
static int check_queues_join(struct trivio_dev *dev)
{
	u16 i;

	for (i = 0; i < dev->nqueues; i++) {
		struct trivio_queue *q = &dev->queue[i];
		int err = 0;

		if (!check_queue_lock(q))
			return -EBUSY;
		if (q->mapped)
			err = trivio_check_queue_alloc(q);
		mutex_unlock(&q->lock);
		if (err)
			return err;
	}
	return 0;
}

static struct trivio_check *check_create(struct trivio_dev *dev)
{
	struct trivio_check *k;

	k = kvzalloc(struct_size(k, watch, dev->nqueues), GFP_KERNEL_ACCOUNT);
	if (!k)
		return NULL;
	k->dev = dev;
	spin_lock_init(&k->lock);
	INIT_WORK(&k->stop_work, check_stop_work);
	INIT_DELAYED_WORK(&k->watch_work, trivio_check_watch);
	/* Seen whole by hooks that run in any context. */
	smp_store_release(&dev->check, k);
	return k;
}

static void check_switch(struct trivio_check *k, enum trivio_check_mode mode)
{
	enum trivio_check_mode old = k->mode;

	lockdep_assert_held(&check_mutex);
	spin_lock_irq(&k->lock);
	if (mode)
		memset(k->rec, 0, sizeof(k->rec));
	spin_unlock_irq(&k->lock);
	WRITE_ONCE(k->mode, mode);
	if (!old && mode) {
		static_branch_inc(&trivio_check_on);
		schedule_delayed_work(&k->watch_work, 0);
	} else if (old && !mode) {
		static_branch_dec(&trivio_check_on);
		cancel_delayed_work_sync(&k->watch_work);
	}
}

/**
 * trivio_check_set_mode() - switch the checker of a device
 * @dev: device that can't go away meanwhile
 * @mode: mode; reports begin at 0 unless it is TRIVIO_CHECK_OFF, which keeps
 *	those there are
 *
 * Rings that are in service are joined where they are: what was in flight
 * before is not known.
 *
 * Context: may sleep, not for long.
 * Return: 0; -EINVAL; -ENOMEM; -EBUSY if a queue's service does not end a turn,
 * and nothing has changed.
 */
int trivio_check_set_mode(struct trivio_dev *dev, enum trivio_check_mode mode)
{
	struct trivio_check *k;
	int err = 0;

	if ((unsigned int)mode >= TRIVIO_CHECK_NR)
		return -EINVAL;
	mutex_lock(&check_mutex);
	k = dev->check;
	if (!k && mode)
		k = check_create(dev);
	if (k && mode && !k->mode)
		err = check_queues_join(dev);
	else if (!k && mode)
		err = -ENOMEM;
	if (k && !err)
		check_switch(k, mode);
	mutex_unlock(&check_mutex);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_check_set_mode);

/**
 * trivio_check_free() - end of a device
 * @dev: device; its queues are stopped for good and nobody can find it
 *
 * Context: may sleep.
 */
void trivio_check_free(struct trivio_dev *dev)
{
	struct trivio_check *k = dev->check;

	if (!k)
		return;
	trivio_check_set_mode(dev, TRIVIO_CHECK_OFF);
	cancel_work_sync(&k->stop_work);
	dev->check = NULL;
	kvfree(k);
}

/* --- status and features ------------------------------------------------ */

/* Each step, and the one that must have been taken before. */
static const struct {
	u8 bit;
	u8 before;
} status_step[] = {
	{ VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE },
	{ VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER },
	{ VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK },
};

static void report_dev(struct trivio_dev *dev, enum trivio_rule rule, u64 value)
{
	trivio_check_report(dev, NULL, rule, 0, value, CHECK_DEFER);
}

void __trivio_check_status(struct trivio_dev *dev, u8 status)
{
	u8 old = READ_ONCE(dev->status) & ~VIRTIO_CONFIG_S_NEEDS_RESET, set;
	int i;

	if (!status || !trivio_checker(dev))
		return;
	set = status & ~old & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (old & ~status)
		report_dev(dev, TRIVIO_RULE_STATUS_CLEAR, status);
	if (old & VIRTIO_CONFIG_S_FAILED && set)
		report_dev(dev, TRIVIO_RULE_STATUS_FAILED, status);
	for (i = 0; i < ARRAY_SIZE(status_step); i++) {
		/* Several steps in one write are none left out. */
		if (set & status_step[i].bit &&
		    !((old | status) & status_step[i].before)) {
			report_dev(dev, TRIVIO_RULE_STATUS_ORDER, status);
			break;
		}
	}
}
EXPORT_SYMBOL_GPL(__trivio_check_status);

/* Virtio 1.2, 5.1.3.1: the bit needs one of the others. */
static const struct {
	u8 bit;
	u64 any;
} net_requires[] = {
#define ANY(a)		BIT_ULL(VIRTIO_NET_F_##a)
	{ VIRTIO_NET_F_GUEST_TSO4, ANY(GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_TSO6, ANY(GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_ECN, ANY(GUEST_TSO4) | ANY(GUEST_TSO6) },
	{ VIRTIO_NET_F_GUEST_UFO, ANY(GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_USO4, ANY(GUEST_CSUM) },
	{ VIRTIO_NET_F_GUEST_USO6, ANY(GUEST_CSUM) },
	{ VIRTIO_NET_F_HOST_TSO4, ANY(CSUM) },
	{ VIRTIO_NET_F_HOST_TSO6, ANY(CSUM) },
	{ VIRTIO_NET_F_HOST_ECN, ANY(HOST_TSO4) | ANY(HOST_TSO6) },
	{ VIRTIO_NET_F_HOST_UFO, ANY(CSUM) },
	{ VIRTIO_NET_F_HOST_USO, ANY(CSUM) },
	{ VIRTIO_NET_F_CTRL_RX, ANY(CTRL_VQ) },
	{ VIRTIO_NET_F_CTRL_VLAN, ANY(CTRL_VQ) },
	{ VIRTIO_NET_F_GUEST_ANNOUNCE, ANY(CTRL_VQ) },
	{ VIRTIO_NET_F_MQ, ANY(CTRL_VQ) },
	{ VIRTIO_NET_F_CTRL_MAC_ADDR, ANY(CTRL_VQ) },
	{ VIRTIO_NET_F_RSS, ANY(CTRL_VQ) },
#undef ANY
};

void __trivio_check_features(struct trivio_dev *dev, u64 features)
{
	u64 bad = features & ~dev->offered;
	int i;

	if (!trivio_checker(dev))
		return;
	if (bad)
		report_dev(dev, TRIVIO_RULE_FEATURE_OFFERED, bad);
	if (dev->offered & ~features & BIT_ULL(VIRTIO_F_VERSION_1))
		report_dev(dev, TRIVIO_RULE_FEATURE_VERSION_1, features);
	if (READ_ONCE(dev->status) & VIRTIO_CONFIG_S_FEATURES_OK)
		report_dev(dev, TRIVIO_RULE_FEATURE_LATE, features);
	if (dev->class->id != VIRTIO_ID_NET)
		return;
	for (i = 0; i < ARRAY_SIZE(net_requires); i++) {
		if (features & BIT_ULL(net_requires[i].bit) &&
		    !(features & net_requires[i].any))
			report_dev(dev, TRIVIO_RULE_FEATURE_REQUIRES,
				   net_requires[i].bit);
	}
}
EXPORT_SYMBOL_GPL(__trivio_check_features);
