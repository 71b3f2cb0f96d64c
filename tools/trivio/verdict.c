// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a queue stuck, and who waits for whom? Two looks at the indices, a moment
 * apart, compared as the virtio specification has driver and device compare
 * them (1.2, sections 2.7.7, 2.7.10 and 2.8.10). Wrong guesses are worse than
 * none: what the indices cannot tell, the text does not claim.
 */
#include <stdio.h>
#include <string.h>

#include "verdict.h"

#define SAY(...)	snprintf(buf, len, __VA_ARGS__)

/* virtio 1.2, 2.7.10.1: was @event passed on the way from @old to @now? */
static bool passed(__u16 event, __u16 now, __u16 old)
{
	return (__u16)(now - event - 1) < (__u16)(now - old);
}

static bool moved(const struct tqueue *a, const struct tqueue *b)
{
	return ring_val(&a->ring, LAST_AVAIL) != ring_val(&b->ring, LAST_AVAIL) ||
	       ring_val(&a->ring, LAST_USED) != ring_val(&b->ring, LAST_USED) ||
	       a->stat[TRIVIO_A_STAT_CHAINS] != b->stat[TRIVIO_A_STAT_CHAINS];
}

/* Buffers that the driver has made available and the device has not taken. */
static __u32 waiting(const struct tqueue *q)
{
	if (q->packed)
		return ring_val(&q->ring, READY);
	return (__u16)(ring_val(&q->ring, DRIVER_IDX) -
		       ring_val(&q->ring, LAST_AVAIL));
}

/*
 * Did the driver ask to be called for something that has been returned by now?
 * Without event indices the ring does not say what the driver has seen.
 */
static bool call_asked(const struct tqueue *q, __u32 *event)
{
	const struct tring *r = &q->ring;
	__u32 flags = ring_val(r, DRIVER_FLAGS);
	int off;

	*event = ring_val(r, DRIVER_EVENT);
	if (!ring_has(r, EVENT_IDX) || !q->num)
		return false;
	if (!q->packed)
		return passed(*event, ring_val(r, DEVICE_IDX),
			      ring_val(r, DEVICE_IDX) - q->num);
	/* Only flags of 2 make the descriptor event count. */
	if (flags != 2)
		return false;
	off = *event & 0x7fff;
	if (*event >> 15 != ring_val(r, USED_WRAP))
		off -= q->num;
	*event &= 0x7fff;
	return (int)ring_val(r, LAST_USED) > off;
}

static enum verdict call_verdict(const struct tqueue *q, char *buf, size_t len)
{
	const struct tring *r = &q->ring;
	__u32 event;

	if (ring_val(r, PENDING) ||
	    ring_val(r, FLUSHED_USED) != ring_val(r, LAST_USED)) {
		SAY("device has returned entries that it does not show yet (last_used %u, shown up to %u): its service has not ended its turn",
		    ring_val(r, LAST_USED), ring_val(r, FLUSHED_USED));
		return V_STUCK;
	}
	if (!call_asked(q, &event))
		return V_OK;
	if (!ring_has(r, CALL_USED)) {
		SAY("driver waits for a call that it asked for after entry %u, and none was made since the queue was started (device is at %u)",
		    event, ring_val(r, LAST_USED));
		return V_STUCK;
	}
	SAY("driver asked for a call after entry %u, it was made by %u, and the driver has not looked since: it is busy or polls, or the interrupt was lost; \"trivio nudge %s %u --call\" tells",
	    event, ring_val(r, CALL_USED), q->dev_name, q->index);
	return V_WAIT;
}

static bool kick_due(const struct tqueue *q)
{
	const struct tring *r = &q->ring;

	if (!q->packed && ring_has(r, EVENT_IDX))
		return passed(ring_val(r, DEVICE_EVENT),
			      ring_val(r, DRIVER_IDX),
			      ring_val(r, LAST_AVAIL));
	if (q->packed)
		return ring_val(r, DEVICE_FLAGS) != 1;
	return !(ring_val(r, DEVICE_FLAGS) & 1);
}

static enum verdict avail_verdict(const struct tqueue *q, char *buf, size_t len)
{
	const struct tring *r = &q->ring;
	bool rx = !strcmp(q->role, "rx");
	__u32 n = waiting(q);
	char count[32];

	if (rx && !n) {
		SAY("device waits for the driver: no receive buffers, packets for the guest must wait");
		return V_WAIT;
	}
	if (rx || !n) {
		if (ring_val(r, INFLIGHT))
			SAY("device holds %u slots in flight, with the port or disk",
			    ring_val(r, INFLIGHT));
		else if (rx)
			SAY("idle: buffers are there, no packet has come from the port");
		else
			SAY("idle: nothing to do");
		return V_OK;
	}
	if (q->packed)
		snprintf(count, sizeof(count), "some");
	else
		snprintf(count, sizeof(count), "%u", n);
	if (ring_has(r, KICK_OFF)) {
		SAY("%s chains wait, and the device said that it looks by itself: its service is late (worker %u), or gone",
		    count, q->worker_pid);
		return V_STUCK;
	}
	if (kick_due(q)) {
		SAY("%s chains wait and the driver had to kick: the kick was lost or is not served; \"trivio nudge %s %u --kick\" tells",
		    count, q->dev_name, q->index);
		return V_STUCK;
	}
	SAY("%s chains wait, and the device had not asked for a kick before slot %u",
	    count, ring_val(r, DEVICE_EVENT));
	return V_STUCK;
}

/**
 * verdict() - what a queue is waiting for
 * @before: an earlier look
 * @now: a look at the same queue a moment later
 * @buf: the verdict in words
 * @len: room there
 *
 * Return: the verdict in one word.
 */
enum verdict verdict(const struct tqueue *before, const struct tqueue *now,
		     char *buf, size_t len)
{
	enum verdict v, c;
	char call[256];

	switch (now->state) {
	case TRIVIO_QUEUE_STATE_IDLE:
		SAY("not started by the driver");
		return V_OK;
	case TRIVIO_QUEUE_STATE_BROKEN:
		SAY("stopped by error %s at head %u; the driver has to reset the device to go on (reboot the guest, or unbind and bind its driver)",
		    now->error.name, now->error.head);
		return V_BROKEN;
	}
	if (moved(before, now)) {
		SAY("in service: the ring moves");
		return V_OK;
	}
	if (!ring_has(&now->ring, LIVE)) {
		SAY("busy, or its ring is not mapped: look again");
		return V_WAIT;
	}
	v = avail_verdict(now, buf, len);
	c = call_verdict(now, call, sizeof(call));
	if (c > v)
		SAY("%s", call);
	return c > v ? c : v;
}

/**
 * verdict_name() - a verdict in one word; a value in JSON
 * @v: verdict
 *
 * Return: a constant string.
 */
const char *verdict_name(enum verdict v)
{
	static const char * const name[] = { "ok", "waiting", "stuck", "broken" };

	return name[v];
}
