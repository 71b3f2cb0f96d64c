/* SPDX-License-Identifier: GPL-2.0-only */
/* The mediated device of hostile_test.c and hostile_life_test.c. */
#ifndef SELFTESTS_VFIO_HOSTILE_H
#define SELFTESTS_VFIO_HOSTILE_H

#include "common.h"

FIXTURE(hostile) {
	struct vc c;
};

FIXTURE_SETUP(hostile)
{
	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
}

FIXTURE_TEARDOWN(hostile)
{
	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, locked_kb());
	EXPECT_EQ(0, vc_remove(&self->c));
}

/* The device is as good as new. */
static inline void works(struct __test_metadata *_metadata, struct vc *c)
{
	uint32_t seq;

	OK(vc_reset(c));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_tx(c, 42));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(c, &seq, WAIT_MS));
	EXPECT_EQ(42, seq);
	vc_host_close(c);
}

static inline uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

#endif /* SELFTESTS_VFIO_HOSTILE_H */
