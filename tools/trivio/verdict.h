/* SPDX-License-Identifier: GPL-2.0-only */
/* What a queue is waiting for, in words. */
#ifndef TRIVIO_TOOL_VERDICT_H
#define TRIVIO_TOOL_VERDICT_H

#include "nl.h"

/**
 * enum verdict - how a queue is
 * @V_OK: in service, or idle with nothing to do
 * @V_WAIT: it waits for the other side, as it may
 * @V_STUCK: it waits for something that does not seem to come
 * @V_BROKEN: it was stopped by an error
 */
enum verdict { V_OK, V_WAIT, V_STUCK, V_BROKEN };

enum verdict verdict(const struct tqueue *before, const struct tqueue *now,
		     char *buf, size_t len);
const char *verdict_name(enum verdict v);

#endif /* TRIVIO_TOOL_VERDICT_H */
