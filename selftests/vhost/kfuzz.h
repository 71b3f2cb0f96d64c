/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kfuzz: programs of random calls, messages and ring writes for a live
 * device, kept when they reach kernel code that none before them did.
 *
 * kfuzz.c		processes, corpus, the innocent device beside it
 * kfuzz_prog.c		programs: made, changed, written down, read back
 * kfuzz_run.c		one step against the kernel
 * kfuzz_cov.c		KCOV
 */
#ifndef TRIVIO_SELFTEST_KFUZZ_H
#define TRIVIO_SELFTEST_KFUZZ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vhost.h"

#define KF_OPS		48	/* steps of a program */
#define KF_THREADS	2	/* that run its steps at the same time */

enum kf_kind {
	KF_IOCTL, KF_MSG, KF_READ, KF_RING, KF_TX, KF_RX, KF_KICK, KF_FRAME,
	KF_MEM, KF_TAP, KF_SLEEP, KF_KINDS
};

/**
 * struct kf_op - one step
 * @kind: enum kf_kind
 * @thread: which thread does it
 * @q: vring
 * @sub: which of the kind
 * @a: value
 * @b: value
 */
struct kf_op {
	uint8_t kind;
	uint8_t thread;
	uint8_t q;
	uint8_t sub;
	uint64_t a;
	uint64_t b;
};

struct kf_prog {
	uint32_t n;
	struct kf_op op[KF_OPS];
};

/* kfuzz_prog.c */
struct kf_rng {
	uint64_t x;
};

uint64_t kf_rnd(struct kf_rng *r, uint64_t n);
void kf_make(struct kf_rng *r, struct kf_prog *p);
void kf_mutate(struct kf_rng *r, struct kf_prog *p,
	       const struct kf_prog *other);
size_t kf_write(const struct kf_prog *p, char *buf, size_t size);
int kf_parse(FILE *f, struct kf_prog *p);

/* kfuzz_run.c */
#define KF_RINGS	(64 << 10)	/* bytes of ring memory of one vring */
#define KF_BUFS		(256 << 10)	/* bytes of buffers */
#define KF_MEMORY	(2 * KF_RINGS + KF_BUFS)
#define KF_LOG		(64 << 10)

/**
 * struct kf_env - what a program works on; one for each process
 * @fd: the device, new for each program
 * @memfd: guest memory's file, so that a program's holes can be filled again
 * @mem: guest memory: two vrings' rings, then buffers
 * @tap: the far end
 * @num: ring sizes, as last set
 * @features: as last set
 * @avail: positions of the driver side; packed: bit 15 is the wrap
 */
struct kf_env {
	int fd;
	int memfd;
	uint8_t *mem;
	uint8_t *log;
	struct vh_tap tap;
	int event[2][3];
	int other[4];
	uint32_t num[2];
	uint64_t features;
	uint16_t avail[2];
};

unsigned int kf_ioctls(void);
int kf_env_open(struct kf_env *e);
int kf_env_fresh(struct kf_env *e);
void kf_step(struct kf_env *e, const struct kf_op *o);

/* kfuzz_cov.c */
struct kf_cov {
	int fd;
	unsigned long *area;
};

bool kf_cov_there(void);
int kf_cov_open(struct kf_cov *c);
int kf_cov_local(struct kf_cov *c);
int kf_cov_remote(struct kf_cov *c, uint64_t id);
void kf_cov_clear(struct kf_cov *c);
unsigned int kf_cov_merge(struct kf_cov *c, uint64_t *seen, size_t slots);
void kf_cov_report(const uint64_t *seen, size_t slots);

#endif
