// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk-bench: what a 4 KiB direct read of a block device costs, with as little of
 * its own as can be: io_uring with a registered buffer and file, all that is free
 * submitted in one system call, which waits for one completion. fio spends more
 * in its own code than the kernel does for a whole read of memory.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BLOCK	4096U

const char *argp_program_version = "blk-bench 1";

struct args {
	const char *path;
	unsigned int depth;
	unsigned int count;
	unsigned int rounds;
	uint64_t size;
};

struct ring {
	int fd;
	unsigned int *sq_tail;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int sq_mask;
	unsigned int cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *ring_map(int fd, size_t len, off_t off)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, off);
}

static int ring_open(struct ring *r, unsigned int depth)
{
	struct io_uring_params p = { 0 };
	unsigned int i, *array;
	uint8_t *sq, *cq;

	r->fd = syscall(__NR_io_uring_setup, depth, &p);
	if (r->fd < 0)
		return -errno;
	sq = ring_map(r->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqe),
		      IORING_OFF_CQ_RING);
	r->sqe = ring_map(r->fd, p.sq_entries * sizeof(*r->sqe),
			  IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqe == MAP_FAILED)
		return -errno;
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = p.sq_entries - 1;
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = p.cq_entries - 1;
	r->cqe = (void *)(cq + p.cq_off.cqes);
	array = (void *)(sq + p.sq_off.array);
	for (i = 0; i < p.sq_entries; i++)
		array[i] = i;
	return 0;
}

static int ring_register(struct ring *r, int file, uint8_t *buf, size_t len)
{
	struct iovec v = { buf, len };

	if (syscall(__NR_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &v,
		    1) < 0 ||
	    syscall(__NR_io_uring_register, r->fd, IORING_REGISTER_FILES, &file,
		    1) < 0)
		return -errno;
	return 0;
}

/* The next block, all over the device; the same ones in every run. */
static uint64_t next_block(uint64_t *seed, uint64_t blocks)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % blocks;
}

static void queue_read(struct ring *r, unsigned int tail, uint8_t *buf,
		       unsigned int slot, uint64_t block)
{
	struct io_uring_sqe *s = &r->sqe[tail & r->sq_mask];

	memset(s, 0, sizeof(*s));
	s->opcode = IORING_OP_READ_FIXED;
	s->flags = IOSQE_FIXED_FILE;
	s->addr = (uintptr_t)buf + (size_t)slot * BLOCK;
	s->len = BLOCK;
	s->off = block * BLOCK;
	s->user_data = slot;
}

/* Take what is complete; how many, or the first error. */
static int reap(struct ring *r, unsigned int *slot)
{
	unsigned int head = *r->cq_head, n = 0;
	unsigned int tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++) {
		struct io_uring_cqe *c = &r->cqe[head & r->cq_mask];

		if (c->res != (int)BLOCK)
			return c->res < 0 ? c->res : -EIO;
		slot[n++] = c->user_data;
	}
	__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
	return n;
}

static int round_of(struct ring *r, const struct args *a, uint8_t *buf,
		    double *ns)
{
	unsigned int left = a->count, out = 0, nfree = a->depth, i, n;
	unsigned int slot[a->depth];
	uint64_t seed = 88172645463325252ULL, t;
	int got;

	for (i = 0; i < a->depth; i++)
		slot[i] = i;
	t = now_ns();
	while (left || out) {
		unsigned int tail = *r->sq_tail;

		for (n = 0; n < nfree && left; n++, left--)
			queue_read(r, tail + n, buf, slot[n],
				   next_block(&seed, a->size / BLOCK));
		__atomic_store_n(r->sq_tail, tail + n, __ATOMIC_RELEASE);
		if (syscall(__NR_io_uring_enter, r->fd, n, 1,
			    IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			return -errno;
		out += n;
		got = reap(r, slot);
		if (got < 0)
			return got;
		out -= got;
		nfree = got;
	}
	*ns = (double)(now_ns() - t) / a->count;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct args *a = st->input;

	switch (key) {
	case 'd':
		a->depth = strtoul(arg, NULL, 0);
		if (!a->depth || a->depth > 1024)
			argp_error(st, "depth: 1 to 1024");
		break;
	case 'n':
		a->count = strtoul(arg, NULL, 0);
		break;
	case 'r':
		a->rounds = strtoul(arg, NULL, 0);
		break;
	case 's':
		a->size = strtoull(arg, NULL, 0) << 20;
		break;
	case ARGP_KEY_ARG:
		a->path = arg;
		break;
	case ARGP_KEY_END:
		if (!a->path || !a->count || !a->rounds || a->size < BLOCK)
			argp_usage(st);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "depth", 'd', "N", 0, "reads in flight (1)", 0 },
		{ "count", 'n', "N", 0, "reads of a round (10000)", 0 },
		{ "rounds", 'r', "N", 0, "rounds; the cheapest counts (3)", 0 },
		{ "size", 's', "MB", 0, "part of the device (64)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "DEVICE",
		"Nanoseconds for a 4 KiB random direct read.", NULL, NULL, NULL
	};
	struct args a = { .depth = 1, .count = 10000, .rounds = 3,
			  .size = 64 << 20 };
	double ns = 0, best = 0;
	struct ring r = { .fd = -1 };
	unsigned int i;
	uint8_t *buf;
	int fd, err;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	fd = open(a.path, O_RDONLY | O_DIRECT);
	buf = mmap(NULL, (size_t)a.depth * BLOCK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fd < 0 || buf == MAP_FAILED) {
		perror(a.path);
		return 1;
	}
	err = ring_open(&r, a.depth);
	err = err ?: ring_register(&r, fd, buf, (size_t)a.depth * BLOCK);
	/* The first round only warms up. */
	for (i = 0; !err && i <= a.rounds; i++) {
		err = round_of(&r, &a, buf, &ns);
		if (i == 1 || (i && ns < best))
			best = ns;
	}
	if (err) {
		fprintf(stderr, "%s: %s\n", a.path, strerror(-err));
		return 1;
	}
	printf("%.1f\n", best);
	return 0;
}
