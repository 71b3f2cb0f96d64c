/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps that move packets; see diff_ops.h. */
#ifndef TRIVIO_SELFTEST_DIFF_TRAFFIC_H
#define TRIVIO_SELFTEST_DIFF_TRAFFIC_H

#include "diff_ops.h"

int diff_traffic(struct diff_ctx *c, const struct diff_op *op,
		 struct diff_res *r);

#endif
