/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports of the conformance checker, as text and JSON. */
#ifndef TRIVIO_TOOL_CHECK_H
#define TRIVIO_TOOL_CHECK_H

#include <jansson.h>

#include "nl.h"

void check_text(const struct tcheck *c, int n, __u32 dev, const char *indent);
json_t *check_json(const struct tcheck *c, int n, __u32 dev);

#endif /* TRIVIO_TOOL_CHECK_H */
