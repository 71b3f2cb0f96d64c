/* SPDX-License-Identifier: GPL-2.0-only */
/* The files that steps refer to; see diff_ops.h. */
#ifndef TRIVIO_SELFTEST_DIFF_FILES_H
#define TRIVIO_SELFTEST_DIFF_FILES_H

#include "diff_ops.h"

void diff_files_open(struct diff_ctx *c);
int diff_file(struct diff_ctx *c, uint64_t kind);

#endif
