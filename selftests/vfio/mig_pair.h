/* SPDX-License-Identifier: GPL-2.0-only */
/* Two mediated devices, one of which is to go on as the other. */
#ifndef TRIVIO_SELFTEST_VFIO_MIG_PAIR_H
#define TRIVIO_SELFTEST_VFIO_MIG_PAIR_H

#include "common.h"
#include "mig.h"

FIXTURE(mig) {
	struct vc a, b;
	uint8_t *buf;
};

FIXTURE_SETUP(mig)
{
	self->buf = malloc(STREAM_MAX);
	OK(vc_create(&self->a, "trivio-net"));
	OK(vc_create(&self->b, "trivio-net"));
	OK(vc_attr_set(&self->b, "mac", "52:54:00:00:00:0b"));
	OK(vc_open(&self->a));
	OK(vc_open(&self->b));
}

FIXTURE_TEARDOWN(mig)
{
	PAIR_END(&self->a, &self->b);
	free(self->buf);
}

#endif /* TRIVIO_SELFTEST_VFIO_MIG_PAIR_H */
