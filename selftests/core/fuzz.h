/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzers share: a reader of their input that gives zeroes when the
 * input is used up, and CHECK() for what must hold whatever the input.
 */
#ifndef SELFTESTS_CORE_FUZZ_H
#define SELFTESTS_CORE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct in {
	const uint8_t *p;
	size_t left;
};

static inline void in_bytes(struct in *in, void *dst, size_t n)
{
	size_t k = n < in->left ? n : in->left;

	if (k)
		memcpy(dst, in->p, k);
	memset((uint8_t *)dst + k, 0, n - k);
	in->p += k;
	in->left -= k;
}

static inline uint8_t in_u8(struct in *in)
{
	uint8_t v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint16_t in_u16(struct in *in)
{
	uint16_t v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint32_t in_u32(struct in *in)
{
	uint32_t v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline uint64_t in_u64(struct in *in)
{
	uint64_t v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

#define CHECK(cond)							\
do {									\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		abort();						\
	}								\
} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
