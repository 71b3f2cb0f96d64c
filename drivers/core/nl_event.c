// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink events: errors and state changes, to whoever listens.
 *
 * They come up in any context, interrupts off included, so they are copied into
 * a small buffer and a work item sends them. A guest can break its queue as fast
 * as its owner restarts it: a budget per device keeps one from using up what
 * listeners of another need, and says how many events it has swallowed.
 */
#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <uapi/linux/trivio.h>

#include "core.h"
#include "nl.h"

/* Events on their way; the work item drains them within a scheduler tick. */
#define EVENTS_MAX	64
/* Events of one device in a second; a start or stop is a handful. */
#define EVENTS_PER_SEC	32
/* Budgets, by device id; more devices than this share them. */
#define BUDGETS		64

struct budget {
	unsigned long since;
	u32 spent;
	u32 lost;
};

/* Protects all below. Taken in any context, so with interrupts off. */
static DEFINE_SPINLOCK(event_lock);
static struct trivio_nl_event event[EVENTS_MAX];
static unsigned int event_head, event_tail;
static struct budget budget[BUDGETS];

static atomic_t generation = ATOMIC_INIT(1);

/**
 * trivio_nl_generation() - changes whenever a dump begun before may be torn
 *
 * Context: any.
 * Return: what goes in &netlink_callback.seq.
 */
u32 trivio_nl_generation(void)
{
	return atomic_read(&generation);
}

static bool event_next(struct trivio_nl_event *e, u32 *lost)
{
	struct budget *b;
	bool got = false;

	spin_lock_irq(&event_lock);
	if (event_head != event_tail) {
		*e = event[event_tail++ % EVENTS_MAX];
		b = &budget[e->dev % BUDGETS];
		*lost = b->lost;
		b->lost = 0;
		got = true;
	}
	spin_unlock_irq(&event_lock);
	return got;
}

static void event_send(struct work_struct *work)
{
	struct trivio_nl_event e;
	struct sk_buff *skb;
	void *hdr;
	u32 lost;

	while (event_next(&e, &lost)) {
		skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
		if (!skb)
			continue;
		hdr = genlmsg_put(skb, 0, 0, &trivio_nl_family, 0, e.cmd);
		if (!hdr || trivio_nl_fill_event(skb, &e, lost)) {
			nlmsg_free(skb);
			continue;
		}
		genlmsg_end(skb, hdr);
		/* That nobody listens any more is no failure. */
		genlmsg_multicast(&trivio_nl_family, skb, 0, 0, GFP_KERNEL);
	}
}

static DECLARE_WORK(event_work, event_send);

static bool budget_take(struct budget *b)
{
	lockdep_assert_held(&event_lock);
	if (time_after(jiffies, b->since + HZ) || !b->since) {
		b->since = jiffies ?: 1;
		b->spent = 0;
	}
	if (b->spent >= EVENTS_PER_SEC ||
	    event_head - event_tail >= EVENTS_MAX) {
		b->lost++;
		return false;
	}
	b->spent++;
	return true;
}

static void event_queue(const struct trivio_nl_event *e)
{
	unsigned long flags;
	bool send;

	if (!genl_has_listeners(&trivio_nl_family, &init_net, 0))
		return;
	spin_lock_irqsave(&event_lock, flags);
	send = budget_take(&budget[e->dev % BUDGETS]);
	if (send)
		event[event_head++ % EVENTS_MAX] = *e;
	spin_unlock_irqrestore(&event_lock, flags);
	if (send)
		schedule_work(&event_work);
}

/* What listeners were told last; its first byte is the status register. */
#define TOLD(state, status)	(((state) + 1) << 8 | (status))

static void event_state(struct trivio_dev *dev, u32 state)
{
	struct trivio_nl_event e = {
		.cmd = TRIVIO_CMD_STATE_NTF,
		.dev = dev->id,
		.state = state,
		.status = READ_ONCE(dev->status),
	};

	memcpy(e.name, dev->name, sizeof(e.name));
	event_queue(&e);
}

/**
 * trivio_nl_state() - tell listeners what a device does now, if that changed
 * @dev: device; the stop of its queues after trivio_nl_gone() is not told
 *
 * Context: any.
 */
void trivio_nl_state(struct trivio_dev *dev)
{
	u32 state = trivio_nl_dev_state(dev);
	u32 told = TOLD(state, READ_ONCE(dev->status));

	if (READ_ONCE(dev->told) >> 8 == TRIVIO_DEV_STATE_GONE + 1)
		return;
	if (xchg(&dev->told, told) == told)
		return;
	atomic_inc(&generation);
	event_state(dev, state);
}

/**
 * trivio_nl_gone() - tell listeners that a device was removed
 * @dev: device; off the list of devices, whose lock is still held, so that no
 *	dump goes over the shorter list unaware
 *
 * Context: any.
 */
void trivio_nl_gone(struct trivio_dev *dev)
{
	WRITE_ONCE(dev->told, TOLD(TRIVIO_DEV_STATE_GONE, 0));
	atomic_inc(&generation);
	event_state(dev, TRIVIO_DEV_STATE_GONE);
}

/**
 * trivio_nl_error() - tell listeners that a queue broke
 * @q: queue; &trivio_queue.first is set
 *
 * Context: any.
 */
void trivio_nl_error(struct trivio_queue *q)
{
	struct trivio_nl_event e = {
		.cmd = TRIVIO_CMD_ERROR_NTF,
		.dev = q->dev->id,
		.queue = q->index,
	};

	trivio_queue_first_error(q, &e.rec);
	memcpy(e.name, q->dev->name, sizeof(e.name));
	event_queue(&e);
}

/**
 * trivio_nl_event_exit() - let events that are on their way go out
 *
 * Context: may sleep; no device is left, so no event comes any more.
 */
void trivio_nl_event_exit(void)
{
	flush_work(&event_work);
}
