// SPDX-License-Identifier: GPL-2.0-only
/* Programs of the in-kernel fuzzer: made, changed, written down, read back. */
#include <inttypes.h>
#include <string.h>

#include "kfuzz.h"

static const char * const kind_name[KF_KINDS] = {
	[KF_IOCTL] = "ioctl", [KF_MSG] = "msg", [KF_READ] = "read",
	[KF_RING] = "ring", [KF_TX] = "tx", [KF_RX] = "rx",
	[KF_KICK] = "kick", [KF_FRAME] = "frame", [KF_MEM] = "mem",
	[KF_TAP] = "tap", [KF_SLEEP] = "sleep",
};

uint64_t kf_rnd(struct kf_rng *r, uint64_t n)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return n ? (r->x >> 11) % n : r->x;
}

static uint64_t value(struct kf_rng *r)
{
	static const uint64_t v[] = {
		0, 1, 2, 3, 4, 7, 8, 12, 16, 60, 64, 128, 255, 256, 1000, 1500,
		4095, 4096, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 1ULL << 47, 0xffff888000000000ULL,
		1ULL << 63, ~0ULL, ~0ULL - 4095,
	};

	switch (kf_rnd(r, 4)) {
	case 0:
		return kf_rnd(r, 0);
	case 1:
		return kf_rnd(r, 4096);
	default:
		return v[kf_rnd(r, sizeof(v) / sizeof(v[0]))];
	}
}

static struct kf_op any(struct kf_rng *r)
{
	/* More traffic than calls, more calls than accidents. */
	static const uint8_t often[] = {
		KF_IOCTL, KF_IOCTL, KF_IOCTL, KF_IOCTL, KF_MSG, KF_MSG,
		KF_READ, KF_RING, KF_RING, KF_RING, KF_RING, KF_TX, KF_TX,
		KF_TX, KF_TX, KF_RX, KF_RX, KF_RX, KF_KICK, KF_KICK, KF_FRAME,
		KF_FRAME, KF_FRAME, KF_MEM, KF_TAP, KF_SLEEP, KF_SLEEP,
	};

	return (struct kf_op){
		.kind = often[kf_rnd(r, sizeof(often))],
		.thread = kf_rnd(r, KF_THREADS),
		.q = kf_rnd(r, 16) ? kf_rnd(r, 2) : kf_rnd(r, 256),
		.sub = kf_rnd(r, 256), .a = value(r), .b = value(r),
	};
}

static void add(struct kf_prog *p, uint8_t sub, uint8_t q, uint64_t a,
		uint64_t b)
{
	if (p->n < KF_OPS)
		p->op[p->n++] = (struct kf_op){ KF_IOCTL, 0, q, sub, a, b };
}

/*
 * kf_make - a set-up that leads to a running device, and then anything. The
 * numbers of the ioctls are places in the table of kfuzz_run.c.
 */
void kf_make(struct kf_rng *r, struct kf_prog *p)
{
	unsigned int len = 4 + kf_rnd(r, KF_OPS - 24), q;
	uint64_t bits = kf_rnd(r, 4) ? kf_rnd(r, 64) : kf_rnd(r, 0);

	p->n = 0;
	if (kf_rnd(r, 12)) {
		add(p, 1, 0, bits, 0);			/* SET_FEATURES */
		add(p, 4, 0, 0, 0);			/* SET_LOG_BASE */
		add(p, 3, 0, kf_rnd(r, 3), 0);		/* SET_MEM_TABLE */
		for (q = 0; q < 2; q++) {
			add(p, 6, q, 1 + kf_rnd(r, 8), 0);	/* NUM */
			add(p, 8, q, 0, 0);			/* BASE */
			add(p, 7, q, 0, bits & 8);		/* ADDR */
			add(p, 10, q, 0, 0);			/* KICK */
			add(p, 11, q, 1, 0);			/* CALL */
			add(p, 12, q, 2, 0);			/* ERR */
		}
		if (bits & 16)
			p->op[p->n++] = (struct kf_op){ KF_MSG, 0, 0, 0, 0, 0 };
		add(p, 17, 0, 0, 0);			/* SET_BACKEND */
		add(p, 17, 1, 0, 0);
	}
	while (len-- && p->n < KF_OPS)
		p->op[p->n++] = any(r);
}

static void change(struct kf_rng *r, struct kf_prog *p)
{
	struct kf_op *o;
	unsigned int at;

	if (!p->n)
		return;
	at = kf_rnd(r, p->n);
	o = &p->op[at];
	switch (kf_rnd(r, 9)) {
	case 0:
		o->a = value(r);
		break;
	case 1:
		o->b = value(r);
		break;
	case 2:
		o->a ^= 1ULL << kf_rnd(r, 64);
		break;
	case 3:
		o->thread = kf_rnd(r, KF_THREADS);
		break;
	case 4:
		o->sub = kf_rnd(r, 256);
		break;
	case 5:
		*o = any(r);
		break;
	case 6:
		memmove(o, o + 1, (p->n - at - 1) * sizeof(*o));
		p->n--;
		break;
	case 7:
		if (p->n == KF_OPS)
			break;
		memmove(o + 1, o, (p->n - at) * sizeof(*o));
		p->n++;
		*o = any(r);
		break;
	default:
		if (p->n == KF_OPS)
			break;
		p->op[p->n++] = kf_rnd(r, 2) ? *o : any(r);
	}
}

/* kf_mutate - change @p a little, or join its head to @other's tail */
void kf_mutate(struct kf_rng *r, struct kf_prog *p, const struct kf_prog *other)
{
	unsigned int n = 1 + kf_rnd(r, 6), from, room;

	if (other && other->n && kf_rnd(r, 6) == 0) {
		p->n = kf_rnd(r, p->n + 1);
		from = kf_rnd(r, other->n);
		room = KF_OPS - p->n;
		if (room > other->n - from)
			room = other->n - from;
		memcpy(&p->op[p->n], &other->op[from],
		       room * sizeof(p->op[0]));
		p->n += room;
	}
	while (n--)
		change(r, p);
}

/* kf_write - as text, for kf_parse(); bytes */
size_t kf_write(const struct kf_prog *p, char *buf, size_t size)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < p->n && at < size; i++) {
		const struct kf_op *o = &p->op[i];

		at += snprintf(buf + at, size - at,
			       "%s %u %u %u %#" PRIx64 " %#" PRIx64 "\n",
			       kind_name[o->kind], o->thread, o->q, o->sub,
			       o->a, o->b);
	}
	return at < size ? at : size;
}

/* kf_parse - the next program of a file: up to an empty line; steps */
int kf_parse(FILE *f, struct kf_prog *p)
{
	unsigned int t, q, sub, k;
	char line[160], name[16];
	uint64_t a, b;

	p->n = 0;
	while (p->n < KF_OPS && fgets(line, sizeof(line), f)) {
		if (line[strspn(line, "\n ")] == 0) {
			if (p->n)
				break;
			continue;
		}
		/* As kfuzz prints it, or without the comment's sign. */
		if (sscanf(line + strspn(line, "# "),
			   "%15s %u %u %u %" SCNx64 " %" SCNx64, name, &t, &q,
			   &sub, &a, &b) != 6)
			continue;
		for (k = 0; k < KF_KINDS && strcmp(kind_name[k], name); k++)
			;
		if (k == KF_KINDS)
			continue;
		p->op[p->n++] = (struct kf_op){ k, t % KF_THREADS, q, sub, a,
						b };
	}
	return p->n;
}
