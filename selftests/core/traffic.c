// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring against Linux's own driver: every request must reach the device as
 * it was made and come back with what the device said, whatever the layout,
 * size, features, chain shapes, batches and order; and neither side ever looks
 * at the ring unless it was notified, so a lost notification shows as standstill.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/compiler.h>
#include <trivio/ring.h>

#include "drv.h"
#include "ktest.h"

#ifdef SHIM_READ_HOOK
void (*shim_read_hook)(const volatile void *p, size_t len);
#endif

#define SEQ_SHIFT	24
#define MAX_DESC	1024

struct req {
	u64 seq;
	unsigned int nout, nin;
	u32 written;
	bool busy;
	struct drv_buf buf[];
};

/**
 * struct bench - one ring, its driver and its device
 * @req: requests by number modulo @nreq
 * @hold: chains the device has popped and not pushed
 * @kicked: the driver kicked since the device looked
 * @called: the device called since the driver looked
 */
struct bench {
	struct drv *d;
	struct trivio_ring r;
	struct trivio_ring_cfg cfg;
	struct trivio_chain c;
	struct req **req;
	unsigned int nreq;
	struct { u16 id, slots; u64 seq; } *hold;
	unsigned int nhold;
	u64 added, popped, pushed, got;
	u64 kicks, calls;
	bool kicked, called;
	bool delayed;
	unsigned int max_desc;
	unsigned int rnd;
	const char *why;
};

static unsigned int rnd(struct bench *b, unsigned int n)
{
	b->rnd = b->rnd * 1664525 + 1013904223;
	return (b->rnd >> 8) % n;
}

static int bench_read(void *ctx, u64 addr, void *dst, u32 len)
{
	struct bench *b = ctx;

	if (rnd(b, 16) == 0)
		return -EAGAIN;
	memcpy(dst, (void *)(unsigned long)addr, len);
	return 0;
}

static int bench_read_plain(void *ctx, u64 addr, void *dst, u32 len)
{
	memcpy(dst, (void *)(unsigned long)addr, len);
	return 0;
}

static void bench_log(void *ctx, enum trivio_area area, u32 off, u32 len)
{
}

static const struct trivio_ring_ops bench_ops = {
	.read = bench_read,
	.log = bench_log,
};

static const struct trivio_ring_ops plain_ops = {
	.read = bench_read_plain,
	.log = bench_log,
};

static struct bench *bench_new(unsigned int num, bool packed, bool event_idx,
			       bool indirect)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->d = drv_new(num, packed, event_idx, indirect);
	if (!b->d)
		abort();
	b->cfg = (struct trivio_ring_cfg) {
		.num = num,
		.packed = packed,
		.event_idx = event_idx,
		.indirect = indirect,
		.desc = drv_desc(b->d),
		.driver = drv_driver(b->d),
		.device = drv_device(b->d),
		.ops = &bench_ops,
		.ctx = b,
	};
	if (trivio_ring_init(&b->r, &b->cfg))
		abort();
	b->c.desc_max = MAX_DESC;
	b->c.desc = calloc(MAX_DESC, sizeof(*b->c.desc));
	b->nreq = 2 * num;
	b->req = calloc(b->nreq, sizeof(*b->req));
	b->hold = calloc(num, sizeof(*b->hold));
	b->max_desc = num < MAX_DESC ? num : MAX_DESC;
	b->rnd = num * 8 + packed * 4 + event_idx * 2 + indirect;
	return b;
}

static void bench_free(struct bench *b)
{
	unsigned int i;

	drv_free(b->d);
	for (i = 0; i < b->nreq; i++)
		free(b->req[i]);
	free(b->req);
	free(b->hold);
	free(b->c.desc);
	free(b);
}

static bool fail(struct bench *b, const char *why)
{
	b->why = why;
	return false;
}

/* Driver: make one request. False if there is no room. */
static bool drive_one(struct bench *b)
{
	struct req *q;
	unsigned int n, i;
	u64 seq = b->added;

	if (b->req[seq % b->nreq] && b->req[seq % b->nreq]->busy)
		return false;
	switch (rnd(b, 8)) {
	case 0:
		n = 1 + rnd(b, b->max_desc);
		break;
	case 1 ... 3:
		n = 1 + rnd(b, b->max_desc < 5 ? b->max_desc : 5);
		break;
	default:
		n = 1;
	}
	q = malloc(sizeof(*q) + n * sizeof(*q->buf));
	q->seq = seq;
	q->nout = rnd(b, n + 1);
	q->nin = n - q->nout;
	q->busy = true;
	for (i = 0; i < n; i++) {
		q->buf[i].addr = (1ULL << 52) + (seq << SEQ_SHIFT) +
				 i * 8192 + rnd(b, 4096);
		q->buf[i].len = 1 + rnd(b, 65536);
	}
	if (drv_add(b->d, q->buf, q->nout, q->nin, q)) {
		free(q);
		return false;
	}
	free(b->req[seq % b->nreq]);
	b->req[seq % b->nreq] = q;
	WRITE_ONCE(b->added, seq + 1);
	return true;
}

/* Driver: take what came back. */
static bool drive_get(struct bench *b)
{
	unsigned int len;
	struct req *q;

	while ((q = drv_get(b->d, &len))) {
		if (!q->busy)
			return fail(b, "request came back twice");
		if (len != q->written)
			return fail(b, "driver got a wrong length");
		q->busy = false;
		b->got++;
	}
	return drv_broken(b->d) ? fail(b, "driver found the ring broken") : true;
}

/* Device: does the chain say what the driver made? */
static bool check_chain(struct bench *b)
{
	u64 seq = (b->c.desc[0].addr - (1ULL << 52)) >> SEQ_SHIFT;
	u64 out = 0, in = 0;
	struct req *q;
	unsigned int i;

	if (seq != b->popped)
		return fail(b, "chain out of turn");
	q = b->req[seq % b->nreq];
	if (b->c.nout != q->nout || b->c.nin != q->nin)
		return fail(b, "chain has a wrong number of buffers");
	for (i = 0; i < q->nout + q->nin; i++) {
		if (b->c.desc[i].addr != q->buf[i].addr ||
		    b->c.desc[i].len != q->buf[i].len)
			return fail(b, "chain has a wrong buffer");
		if (i < q->nout)
			out += q->buf[i].len;
		else
			in += q->buf[i].len;
	}
	if (b->c.out_len != out || b->c.in_len != in)
		return fail(b, "chain has wrong sums");
	b->hold[b->nhold].id = b->c.id;
	b->hold[b->nhold].slots = b->c.slots;
	b->hold[b->nhold].seq = seq;
	b->nhold++;
	b->popped++;
	return true;
}

/* Device: give back some of what it holds, in any order. */
static void serve_push(struct bench *b, unsigned int n)
{
	unsigned int i;
	struct req *q;

	while (n-- && b->nhold) {
		i = rnd(b, b->nhold);
		q = b->req[b->hold[i].seq % b->nreq];
		q->written = q->nin ? 1 + rnd(b, 100) : 0;
		trivio_ring_push(&b->r, b->hold[i].id, b->hold[i].slots,
				 q->written);
		b->hold[i] = b->hold[--b->nhold];
		b->pushed++;
	}
	trivio_ring_flush(&b->r);
	if (trivio_ring_call_needed(&b->r)) {
		b->called = true;
		b->calls++;
	}
}

/* Device: start anew from the saved position, with chains in flight or not. */
static bool serve_restart(struct bench *b)
{
	u32 state = trivio_ring_get_state(&b->r);
	u32 inflight = b->r.inflight;

	/* a used half of 0 can't be told from one that was never given */
	if (b->cfg.packed && !(state >> 16) && inflight)
		return true;
	if (rnd(b, 2))
		memset(&b->r, 0, sizeof(b->r));
	if (trivio_ring_set_state(&b->r, b->cfg.packed, state) ||
	    trivio_ring_init(&b->r, &b->cfg))
		return fail(b, "restart refused");
	if (b->r.inflight != inflight)
		return fail(b, "restart lost what is in flight");
	if (trivio_ring_get_state(&b->r) != state)
		return fail(b, "restart moved the position");
	return true;
}

static bool serve(struct bench *b)
{
	int n, budget = 1 + rnd(b, 80);

	trivio_ring_kick_disable(&b->r);
	for (;;) {
		n = trivio_ring_pop(&b->r, &b->c);
		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return fail(b, trivio_err_name(b->r.err));
		if (!n) {
			serve_push(b, rnd(b, 64));
			if (!trivio_ring_kick_enable(&b->r))
				break;
			trivio_ring_kick_disable(&b->r);
			continue;
		}
		if (rnd(b, 8) == 0) {
			/* look at it and put it back */
			trivio_ring_unpop(&b->r, &b->c);
			if (trivio_ring_empty(&b->r))
				return fail(b, "empty after putting back");
			continue;
		}
		if (!check_chain(b))
			return false;
		if (rnd(b, 4) == 0)
			serve_push(b, rnd(b, 16));
		if (rnd(b, 64) == 0 && !serve_restart(b))
			return false;
		if (rnd(b, 64) == 0)
			trivio_ring_kick_disable(&b->r);
		if (!--budget) {
			b->kicked = true;	/* to be continued */
			break;
		}
	}
	return true;
}

/* Runs until @n requests went round. False with b->why on any trouble. */
static bool run(struct bench *b, u64 n)
{
	unsigned int batch;

	while (b->got < n) {
		u64 before = b->added + b->popped + b->pushed + b->got;

		batch = 1 + rnd(b, 64);
		while (b->added < n && batch-- && drive_one(b))
			;
		if (drv_kick_prepare(b->d)) {
			b->kicked = true;
			b->kicks++;
		}
		if (b->kicked) {
			b->kicked = false;
			if (!serve(b))
				return false;
		} else if (b->nhold) {
			serve_push(b, 1 + rnd(b, 64));
		}
		if (b->called) {
			b->called = false;
			drv_disable_cb(b->d);
			do {
				if (!drive_get(b))
					return false;
			} while (b->delayed ? !drv_enable_cb_delayed(b->d) :
				 !drv_enable_cb(b->d));
		}
		if (!b->kicked && !b->called && !b->nhold &&
		    before == b->added + b->popped + b->pushed + b->got)
			return fail(b, "standstill: a notification is lost");
	}
	return b->r.inflight ? fail(b, "in flight count is off") : true;
}

FIXTURE(mix)
{
};

FIXTURE_VARIANT(mix)
{
	bool packed, event_idx, indirect, delayed;
};

#define MIX(p, e, i, d)							\
FIXTURE_VARIANT_ADD(mix, packed##p##_event##e##_indirect##i##_delayed##d) \
{									\
	.packed = p, .event_idx = e, .indirect = i, .delayed = d,	\
}

MIX(0, 0, 0, 0);
MIX(0, 0, 1, 0);
MIX(0, 1, 0, 0);
MIX(0, 1, 1, 0);
MIX(0, 1, 1, 1);
MIX(1, 0, 0, 0);
MIX(1, 0, 1, 0);
MIX(1, 1, 0, 0);
MIX(1, 1, 1, 0);
MIX(1, 1, 1, 1);

FIXTURE_SETUP(mix)
{
}

FIXTURE_TEARDOWN(mix)
{
}

TEST_F_TIMEOUT(mix, traffic, 600)
{
	static const u32 extra[] = {
		100, 127, 128, 129, 255, 256, 257, 512, 1000, 1024, 2048, 4093,
		4096, 8192, 16384, 32767, 32768
	};
	u64 total = 0, kicks = 0, calls = 0;
	unsigned int k, num;

	for (k = 1; k <= 64 + ARRAY_SIZE(extra); k++) {
		struct bench *b;
		bool ok;

		num = k <= 64 ? k : extra[k - 65];
		if (!variant->packed && (num & (num - 1)))
			continue;
		b = bench_new(num, variant->packed, variant->event_idx,
			      variant->indirect);
		b->delayed = variant->delayed;
		/* long enough for the 16-bit positions of a split ring to wrap */
		ok = run(b, num == 256 || num == 32768 ? 70000 : 2000);
		ASSERT_TRUE(ok) {
			TH_LOG("num %u, request %llu: %s", num,
			       (unsigned long long)b->got, b->why);
		}
		total += b->got;
		kicks += b->kicks;
		calls += b->calls;
		bench_free(b);
	}
	TH_LOG("%llu requests, %llu kicks, %llu calls",
	       (unsigned long long)total, (unsigned long long)kicks,
	       (unsigned long long)calls);
}

/*
 * The same with two CPUs: driver and device are threads that sleep until the
 * other notifies. What the barriers are for shows here or never.
 */
struct race {
	struct bench *b;
	sem_t kick, call;
	u64 n;
	bool stop;
	const char *why;
};

static bool wait_sem(sem_t *s)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 60;
	while (sem_timedwait(s, &t))
		if (errno != EINTR)
			return false;
	while (!sem_trywait(s))
		;
	return true;
}

static void *race_device(void *arg)
{
	struct race *x = arg;
	struct bench *b = x->b;
	int n, batch = 0;

	while (!READ_ONCE(x->stop)) {
		trivio_ring_kick_disable(&b->r);
		for (;;) {
			n = trivio_ring_pop(&b->r, &b->c);
			if (n < 0) {
				x->why = trivio_err_name(b->r.err);
				sem_post(&x->call);
				return NULL;
			}
			if (n)
				trivio_ring_push(&b->r, b->c.id, b->c.slots,
						 b->c.in_len);
			if (!n || ++batch % 8 == 0) {
				bool any = b->r.pending;

				trivio_ring_flush(&b->r);
				if (any && trivio_ring_call_needed(&b->r)) {
					b->calls++;
					sem_post(&x->call);
				}
			}
			if (n)
				continue;
			if (!trivio_ring_kick_enable(&b->r))
				break;
			trivio_ring_kick_disable(&b->r);
		}
		if (!wait_sem(&x->kick)) {
			x->why = "device waits for a kick for ever";
			sem_post(&x->call);
			return NULL;
		}
	}
	return NULL;
}

static void race_driver(struct race *x)
{
	struct bench *b = x->b;
	unsigned int len, burst;
	struct drv_buf buf[3];
	u64 in = 0, out = 0;
	void *token;

	while (out < x->n && !x->why) {
		burst = 1 + rnd(b, 4);
		while (in < x->n && burst--) {
			unsigned int k, n = 1 + (rnd(b, 4) == 0);

			if (n > b->cfg.num)
				n = 1;
			for (k = 0; k < n; k++) {
				buf[k].addr = 4096 * (in + 1);
				buf[k].len = 1 + in % 1000;
			}
			/* the sum of the writable ones is what is written */
			if (drv_add(b->d, buf, n - 1, 1, (void *)(in + 1)))
				break;
			in++;
		}
		if (drv_kick_prepare(b->d)) {
			b->kicks++;
			sem_post(&x->kick);
		}
		for (;;) {
			drv_disable_cb(b->d);
			while ((token = drv_get(b->d, &len))) {
				if (token != (void *)(out + 1) ||
				    len != 1 + out % 1000) {
					x->why = "driver got something else";
					return;
				}
				out++;
			}
			if (drv_enable_cb(b->d))
				break;
		}
		if (in - out >= (b->cfg.num + 1) / 2 || in == x->n) {
			if (out < x->n && !wait_sem(&x->call)) {
				x->why = "driver waits for a call for ever";
				return;
			}
		}
	}
}

TEST_F_TIMEOUT(mix, two_cpus, 600)
{
	static const u32 num[] = { 1, 2, 4, 64, 256 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(num); i++) {
		struct race x = { .n = num[i] > 4 ? 20000 : 8000 };
		pthread_t t;

		x.b = bench_new(num[i], variant->packed, variant->event_idx,
				variant->indirect);
		x.b->r.ops = &plain_ops;
		sem_init(&x.kick, 0, 0);
		sem_init(&x.call, 0, 0);
		ASSERT_EQ(0, pthread_create(&t, NULL, race_device, &x));
		race_driver(&x);
		WRITE_ONCE(x.stop, true);
		sem_post(&x.kick);
		pthread_join(t, NULL);
		ASSERT_EQ(NULL, x.why) {
			TH_LOG("num %u: %s", num[i], x.why);
		}
		bench_free(x.b);
	}
}

TEST_HARNESS_MAIN
