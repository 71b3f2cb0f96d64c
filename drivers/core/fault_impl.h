/* SPDX-License-Identifier: GPL-2.0-only */
/* Between queue.c and fault.c. */
#ifndef TRIVIO_FAULT_IMPL_H
#define TRIVIO_FAULT_IMPL_H

#include <trivio/fault.h>

bool trivio_fault_call(struct trivio_queue *q, bool call);
bool trivio_fault_reorder(struct trivio_queue *q, u16 id, u16 slots,
			  u32 written);
void trivio_fault_followed(struct trivio_queue *q);
void trivio_fault_push(struct trivio_queue *q, u16 *id, u32 *written);

#endif /* TRIVIO_FAULT_IMPL_H */
