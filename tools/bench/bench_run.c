// SPDX-License-Identifier: GPL-2.0-only
/*
 * One measurement: a vhost device and a tap, or vDPA devices and their own
 * interfaces; packets one way in batches. The clock runs only over whole rounds;
 * a batch is one kick, one sleep on the call eventfd, one look at the used ring,
 * as a busy guest would do it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "bench.h"
#include "vhost.h"

#define WAIT_MS	10000

struct bench {
	struct vh_dev dev;
	struct vh_tap tap;
	uint64_t *addr;		/* buffer of each ring position */
	uint64_t kicks;
	uint64_t calls;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* All worker threads of the device together. */
static uint64_t worker_ns(struct bench *b)
{
	unsigned int i, n;
	pid_t tids[16];
	uint64_t sum = 0;

	n = vh_workers(&b->dev, tids, 16);
	for (i = 0; i < n; i++)
		sum += vh_task_ns(tids[i]);
	return sum;
}

/* Two instructions: r0 = XDP_DROP; exit. */
static int xdp_drop(int ifindex)
{
	static const struct bpf_insn prog[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd, r;

	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "drop", "GPL", prog, 2, NULL);
	if (fd < 0)
		return vh_fail(fd, "XDP program");
	r = bpf_xdp_attach(ifindex, fd, XDP_FLAGS_DRV_MODE, NULL);
	close(fd);
	return r ? vh_fail(r, "XDP attach") : 0;
}

/*
 * Many small regions: a buffer a region, far apart. They lie behind what else
 * there is in memory; a region is a page, as is what is left of it.
 */
static int place_apart(struct bench *b, const struct bench_case *c)
{
	size_t from = b->dev.mem.brk / 4096 + 1, n = b->dev.mem.size / 4096;
	size_t at = 0, room = n - from, step = room / 3 | 1;
	unsigned int i;

	if (room < c->ring)
		return vh_fail(-ENOMEM, "%zu pages for %u buffers", room,
			       c->ring);
	while (room % step == 0 && step > 1)
		step -= 2;
	for (i = 0; i < c->ring; i++) {
		b->addr[i] = VH_GPA_BASE + (from + at) * 4096;
		at = (at + step) % room;
	}
	return 0;
}

/* Buffer of each position: in a row, or hopping from region to region. */
static int place_buffers(struct bench *b, const struct bench_case *c)
{
	struct vh_ring *r = &b->dev.ring[c->dir == BENCH_TX ? VH_TX : VH_RX];
	unsigned int n = c->ring, i, step = 1;

	b->addr = calloc(n, sizeof(*b->addr));
	if (!b->addr)
		return -ENOMEM;
	if (c->ndevs && c->spread)
		return place_apart(b, c);
	/* Odd, so every slot of a power of two comes once. */
	if (c->spread && c->regions > 1)
		step = n / c->regions * (c->regions / 2 + 1) + 1;
	for (i = 0; i < n; i++)
		b->addr[i] = vh_gpa(&b->dev.mem, vh_slot(r, (uint64_t)i *
							 (step | 1) % n));
	return 0;
}

/* Device @i of a case over vDPA: the host's end is an interface of its own. */
static int setup_vdpa(struct bench *b, const struct bench_case *c,
		      const struct vh_opts *usual, unsigned int i)
{
	struct vh_opts o = *usual;
	int r;

	o.node = c->vdpa[i];
	r = bench_vdpa_open(&b->dev, &o);
	r = r ?: place_buffers(b, c);
	if (r)
		return r;
	b->tap.ifindex = if_nametoindex(c->netif[i]);
	if (!b->tap.ifindex)
		return vh_fail(-ENODEV, "interface %s", c->netif[i]);
	if (c->dir == BENCH_TX && c->sink == SINK_XDP)
		r = xdp_drop(b->tap.ifindex);
	if (!r && c->dir == BENCH_RX) {
		b->tap.sock = vh_sock_open(c->netif[i], false);
		r = b->tap.sock < 0 ? b->tap.sock : 0;
	}
	return r ?: bench_vdpa_start(&b->dev);
}

static int setup(struct bench *b, const struct bench_case *c, unsigned int i)
{
	struct vh_opts o = {
		.node = c->node, .features = VH_USUAL, .size = c->ring,
		.regions = c->regions, .slot_size = 2048, .table_len = 1,
	};
	unsigned int flags = c->dir == BENCH_TX ? VH_TAP_NOSOCK : 0;
	int r;

	if (c->packed)
		o.features |= VH_BIT(VIRTIO_F_RING_PACKED);
	if (c->in_order)
		o.features |= VH_BIT(VIRTIO_F_IN_ORDER);
	if (c->ndevs)
		return setup_vdpa(b, c, &o, i);
	r = vh_open(&b->dev, &o);
	r = r ?: vh_tap_open(&b->tap, flags, b->dev.hdr_len);
	if (!r && c->sink == SINK_XDP && c->dir == BENCH_TX)
		r = xdp_drop(b->tap.ifindex);
	r = r ?: place_buffers(b, c);
	return r ?: vh_start(&b->dev, b->tap.fd);
}

/*
 * The client's own cost dilutes every ratio, so the bench does not go through
 * vh_add(): a batch is always complete before the next one, so ring positions
 * serve as ids and as buffers' places in the order.
 */
static void put_split(struct vh_ring *r, const uint64_t *addr, uint32_t len,
		      uint16_t flags, unsigned int n)
{
	uint16_t at = r->next_avail, mask = r->size - 1;

	for (; n; n--, at++) {
		struct vring_desc *d = &r->desc[at & mask];

		d->addr = addr[at & mask];
		d->len = len;
		d->flags = flags;
		r->avail->ring[at & mask] = at & mask;
	}
	r->next_avail = at;
}

static void put_packed(struct vh_ring *r, const uint64_t *addr, uint32_t len,
		       uint16_t flags, unsigned int n)
{
	const uint16_t av = 1 << VRING_PACKED_DESC_F_AVAIL;
	const uint16_t us = 1 << VRING_PACKED_DESC_F_USED;
	uint16_t at = r->next_avail;

	r->held = at;
	r->held_flags = flags | (r->avail_wrap ? av : us);
	r->batch += n;
	while (n--) {
		struct vring_packed_desc *d = &r->pdesc[at];

		d->addr = addr[at];
		d->len = len;
		d->id = at;
		if (at != r->held)
			__atomic_store_n(&d->flags, flags |
					 (r->avail_wrap ? av : us),
					 __ATOMIC_RELEASE);
		if (++at == r->size) {
			at = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	r->next_avail = at;
}

static void put(struct bench *b, struct vh_ring *r, uint32_t len, bool write,
		unsigned int n)
{
	uint16_t flags = write ? VRING_DESC_F_WRITE : 0;

	if (r->packed)
		put_packed(r, b->addr, len, flags, n);
	else
		put_split(r, b->addr, len, flags, n);
	b->kicks += vh_publish_kick(r);
}

/* Take back what is used, in the order it was posted; how many. */
static unsigned int take_packed(struct vh_ring *r)
{
	const uint16_t both = 1 << VRING_PACKED_DESC_F_AVAIL |
			      1 << VRING_PACKED_DESC_F_USED;
	unsigned int n = 0, step;

	for (;;) {
		struct vring_packed_desc *d = &r->pdesc[r->last_used];
		uint16_t f = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

		if ((f & both) != (r->used_wrap ? both : 0))
			return n;
		/* IN_ORDER: one entry, with the id of the batch's last. */
		step = 1 + (uint16_t)(d->id - r->last_used + r->size) % r->size;
		n += step;
		r->last_used += step;
		if (r->last_used >= r->size) {
			r->last_used -= r->size;
			r->used_wrap = !r->used_wrap;
		}
	}
}

static unsigned int take(struct vh_ring *r)
{
	uint16_t idx, n;

	if (r->packed)
		return take_packed(r);
	idx = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	n = idx - r->last_used;
	r->last_used = idx;
	return n;
}

static void prepare(struct bench *b, const struct bench_case *c)
{
	struct vh_ring *r = &b->dev.ring[c->dir == BENCH_TX ? VH_TX : VH_RX];
	unsigned int i;

	for (i = 0; i < r->size; i++) {
		uint8_t *p = vh_hva(&b->dev.mem, b->addr[i]);

		memset(p, 0, b->dev.hdr_len);
		vh_frame_fill(p + b->dev.hdr_len, c->len, i);
	}
	/* No faults inside the clock: touch the rings. */
	memset(r->tables, 0, (size_t)r->size * r->table_len * 16);
}

/* Sleep on the call until @n more chains are used. */
static int wait_used(struct bench *b, struct vh_ring *r, unsigned int n)
{
	struct pollfd p = { .fd = r->call, .events = POLLIN };

	if (vh_call_on(r, n))
		return 0;
	if (poll(&p, 1, WAIT_MS) != 1)
		return vh_fail(-ETIMEDOUT, "no call");
	b->calls += vh_drain(r->call);
	return 0;
}

/* Until @n more chains came back. */
static int reap(struct bench *b, struct vh_ring *r, unsigned int n)
{
	unsigned int done = 0;
	int e;

	while (done < n) {
		e = wait_used(b, r, n - done);
		if (e)
			return e;
		done += take(r);
	}
	return 0;
}

static int tx_batch(struct bench *b, const struct bench_case *c)
{
	struct vh_ring *r = &b->dev.ring[VH_TX];

	vh_call_on(r, c->batch);
	put(b, r, b->dev.hdr_len + c->len, false, c->batch);
	return reap(b, r, c->batch);
}

static int rx_batch(struct bench *b, const struct bench_case *c)
{
	struct vh_ring *r = &b->dev.ring[VH_RX];
	static uint8_t frame[65536];
	unsigned int i;
	int e;

	if (!frame[12])
		vh_frame_fill(frame, sizeof(frame), 1);
	vh_call_on(r, c->batch);
	for (i = 0; i < c->batch; i++)
		if (send(b->tap.sock, frame, c->len, 0) < 0)
			return vh_fail(-errno, "send");
	e = reap(b, r, c->batch);
	if (!e)
		put(b, r, 2048, true, c->batch);
	return e;
}

/* A round over @n devices; its figures are of all of them. */
static int one_round(struct bench *b, const struct bench_case *c,
		     unsigned int ndevs, struct bench_result *r)
{
	unsigned int n = (c->packets + c->batch - 1) / c->batch, i;
	uint64_t t, w, kicks = 0, calls = 0;
	int e;

	for (i = 0; i < ndevs; i++) {
		b[i].kicks = 0;
		b[i].calls = 0;
	}
	/* Let the worker of the last round go to sleep and be accounted. */
	usleep(2000);
	w = worker_ns(b);
	t = now_ns();
	for (i = 0; i < n; i++) {
		struct bench *one = &b[i % ndevs];

		e = c->dir == BENCH_TX ? tx_batch(one, c) : rx_batch(one, c);
		if (e)
			return e;
	}
	t = now_ns() - t;
	usleep(2000);
	w = worker_ns(b) - w;
	for (i = 0; i < ndevs; i++) {
		kicks += b[i].kicks;
		calls += b[i].calls;
	}
	n *= c->batch;
	r->total = (double)t / n;
	r->worker = (double)w / n;
	r->kicks = (double)kicks / n;
	r->calls = (double)calls / n;
	return 0;
}

static int begin(struct bench *b, const struct bench_case *c, unsigned int i)
{
	int e;

	b->tap.fd = -1;
	b->tap.sock = -1;
	e = setup(b, c, i);
	if (e)
		return e;
	prepare(b, c);
	if (c->dir == BENCH_RX)
		put(b, &b->dev.ring[VH_RX], 2048, true, c->ring);
	return 0;
}

static void end(struct bench *b, const struct bench_case *c)
{
	if (c->ndevs && c->sink == SINK_XDP && b->tap.ifindex)
		bpf_xdp_detach(b->tap.ifindex, XDP_FLAGS_DRV_MODE, NULL);
	vh_close(&b->dev);
	vh_tap_close(&b->tap);
	free(b->addr);
}

/* bench_run - measure one case; 0 or -errno with vh_why() */
int bench_run(const struct bench_case *c, struct bench_result *best)
{
	unsigned int i, n = 0, ndevs = c->ndevs ?: 1;
	struct bench_result r;
	struct bench *b;
	int e = 0;

	memset(best, 0, sizeof(*best));
	b = calloc(ndevs, sizeof(*b));
	if (!b)
		return vh_fail(-ENOMEM, "%u devices", ndevs);
	while (!e && n < ndevs) {
		e = begin(&b[n], c, n);
		n++;
	}
	/* One round to warm up: slabs, page fragments, the IOTLB caches. */
	for (i = 0; !e && i <= c->rounds; i++) {
		e = one_round(b, c, ndevs, &r);
		if (i == 0 || e)
			continue;
		if (i == 1 || r.total < best->total)
			best->total = r.total;
		if (i == 1 || r.worker < best->worker)
			best->worker = r.worker;
		best->kicks = r.kicks;
		best->calls = r.calls;
	}
	while (n--)
		end(&b[n], c);
	free(b);
	return e;
}
