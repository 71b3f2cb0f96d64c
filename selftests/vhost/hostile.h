/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stage of the hostile cases: a victim device, an innocent second one,
 * and the oracle. A case id as in the catalogue begins each test's name.
 *
 * The oracle: the queue is broken and its error eventfd signalled, or the
 * chain is dropped and the queue goes on; the innocent device still works;
 * the kernel log has no splat and few lines; close() comes back soon.
 */
#ifndef TRIVIO_SELFTEST_HOSTILE_H
#define TRIVIO_SELFTEST_HOSTILE_H

#include <dirent.h>
#include <sys/wait.h>

#include "../lib/files.h"
#include "common.h"

/* What a case may say: this much, and the rate limit's share of its time. */
#define LOG_LINES	60
#define LOG_PER_S	4
#define CLOSE_MS	5000

struct stage {
	struct vh_dev d;
	struct vh_tap t;
	struct vh_dev peer;
	struct vh_tap peer_tap;
	int kmsg;
	uint64_t begun;
	/* lines that others than we write because of the case */
	unsigned int others;
};

/* stage_none - what a fixture sets before it may skip */
static inline void stage_none(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	s->d.fd = -1;
	s->peer.fd = -1;
	s->t.fd = -1;
	s->t.sock = -1;
	s->peer_tap = s->t;
	s->kmsg = -1;
}

/* stage_open - 0 or -errno */
static inline int stage_open(struct stage *s, const struct vh_opts *o)
{
	int r;

	stage_none(s);
	s->kmsg = vh_kmsg_open();
	s->begun = now_ms();
	r = vh_ns_enter();
	r = r ?: vh_open(&s->peer, NULL);
	r = r ?: vh_tap_open(&s->peer_tap, 0, 12);
	r = r ?: vh_start(&s->peer, s->peer_tap.fd);
	r = r ?: vh_open(&s->d, o);
	r = r ?: vh_tap_open(&s->t, 0, s->d.hdr_len);
	return r ?: vh_start(&s->d, s->t.fd);
}

/* stage_close - close the victim in time, then judge the rest */
static inline int stage_close(struct stage *s)
{
	unsigned int lines = 0;
	uint64_t t = now_ms();
	int r = 0;

	if (s->d.fd >= 0)
		vh_close(&s->d);
	t = now_ms() - t;
	if (t > CLOSE_MS)
		r = vh_fail(-ETIME, "close took %llu ms",
			    (unsigned long long)t);
	if (!r && s->peer.fd >= 0)
		r = vh_both_check(&s->peer, &s->peer_tap, 50);
	if (!r && s->kmsg >= 0) {
		r = vh_kmsg_scan(s->kmsg, &lines);
		if (!r && lines > LOG_LINES + s->others +
		    LOG_PER_S * (now_ms() - s->begun) / 1000)
			r = vh_fail(-EFBIG, "%u lines in the kernel log",
				    lines);
	}
	if (s->peer.fd >= 0)
		vh_close(&s->peer);
	vh_tap_close(&s->t);
	vh_tap_close(&s->peer_tap);
	if (s->kmsg >= 0)
		close(s->kmsg);
	return r;
}

/* One raw descriptor; @next is the id in a packed ring. */
struct raw {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define F_NEXT	VRING_DESC_F_NEXT
#define F_WRITE	VRING_DESC_F_WRITE
#define F_IND	VRING_DESC_F_INDIRECT

/*
 * raw_post - write @c as it is at the start of the free space and publish:
 * split at index 0 with head @head, packed at the next position
 */
static inline void raw_post(struct vh_ring *r, const struct raw *c,
			    unsigned int n, unsigned int head)
{
	const uint16_t av = 1 << VRING_PACKED_DESC_F_AVAIL;
	const uint16_t us = 1 << VRING_PACKED_DESC_F_USED;
	uint16_t first = r->next_avail, f, f0 = 0;
	unsigned int i;

	if (!r->packed) {
		for (i = 0; i < n && i < r->size; i++)
			r->desc[i] = (struct vring_desc){
				c[i].addr, c[i].len, c[i].flags, c[i].next };
		r->avail->ring[r->next_avail & (r->size - 1)] = head;
		r->next_avail++;
		__atomic_store_n(&r->avail->idx, r->next_avail,
				 __ATOMIC_RELEASE);
		vh_kick(r);
		return;
	}
	for (i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->pdesc[r->next_avail];

		d->addr = c[i].addr;
		d->len = c[i].len;
		d->id = c[i].next;
		f = c[i].flags | (r->avail_wrap ? av : us);
		if (i == 0)
			f0 = f;
		else
			d->flags = f;
		if (++r->next_avail == r->size) {
			r->next_avail = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	__atomic_store_n(&r->pdesc[first].flags, f0, __ATOMIC_RELEASE);
	vh_kick(r);
}

/* raw_table - entry @i of the first indirect table, in the ring's format */
static inline void raw_table(struct vh_ring *r, unsigned int i,
			     const struct raw *c)
{
	if (r->packed) {
		struct vring_packed_desc *p = (void *)&r->tables[i];

		*p = (struct vring_packed_desc){ c->addr, c->len, c->next,
						 c->flags };
		return;
	}
	r->tables[i] = (struct vring_desc){ c->addr, c->len, c->flags,
					    c->next };
}

/* Something was used: looks at memory, takes nothing. */
static inline bool raw_used(struct vh_ring *r)
{
	return vh_more_used(r);
}

/*
 * verdict - 1: broken and signalled; 2: used, the queue goes on; 0: neither
 * within a second
 */
static inline int verdict(struct vh_ring *r)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (vh_drain(r->err))
			return 1;
		if (raw_used(r))
			return 2;
		usleep(1000);
	}
	return 0;
}

/* Both rings empty and at their start, bound. */
static inline int restart(struct stage *s)
{
	unsigned int q;
	int r;

	r = vh_stop(&s->d);
	for (q = 0; q < 2 && !r; q++) {
		struct vh_ring *g = &s->d.ring[q];

		vh_ring_rewind(g, g->packed ? 0x8000 : 0);
		vh_drain(g->err);
		vh_drain(g->call);
		r = vh_set_base(&s->d, q, vh_ring_base(g));
	}
	vh_tap_close(&s->t);
	r = r ?: vh_tap_open(&s->t, 0, s->d.hdr_len);
	return r ?: vh_start(&s->d, s->t.fd);
}

/*
 * A broken queue must come back after unbind, new base and bind, and carry
 * packets; it is left empty for what comes next.
 */
static inline int revive(struct stage *s)
{
	int r = restart(s);

	r = r ?: vh_both_check(&s->d, &s->t, 20);
	return r ?: restart(s);
}

/* flood - @n frames into the tap that nobody waits for */
static inline void flood(struct stage *s, unsigned int n, unsigned int len)
{
	uint8_t f[2048];

	for (; n; n--) {
		vh_frame_fill(f, len, n);
		if (send(s->t.sock, f, len, MSG_DONTWAIT) < 0)
			return;
	}
}

/* stir - packets both ways that nobody waits for */
static inline void stir(struct vh_dev *d, struct vh_tap *t, unsigned int n)
{
	struct vh_shape s = { .len = 200 };
	uint8_t f[200];
	unsigned int i;

	vh_frame_fill(f, sizeof(f), 1);
	for (i = 0; i < n; i++) {
		if (vh_tx_post(d, &s, i))
			break;
		if (t->sock >= 0 &&
		    send(t->sock, f, sizeof(f), MSG_DONTWAIT) < 0)
			break;
	}
	vh_rx_post(d, &s, n);
	vh_publish(&d->ring[VH_TX]);
	vh_kick(&d->ring[VH_TX]);
}

/* reap - take back what was used, unlooked at */
static inline void reap(struct vh_dev *d)
{
	struct vh_used u;
	unsigned int q;

	for (q = 0; q < 2; q++)
		while (vh_get_used(&d->ring[q], &u) && u.token != ~0ULL)
			vh_slot_put(&d->ring[q], u.token);
}

/* open_fds - descriptors of this process */
static inline unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* gone - 0 when the child is gone within the time */
static inline int gone(pid_t pid, int ms)
{
	int status;

	for (; ms > 0; ms -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return 0;
		usleep(10000);
	}
	return -ETIME;
}

#endif
