/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers of the kernel and the virtio specification, in words. */
#ifndef TRIVIO_TOOL_NAMES_H
#define TRIVIO_TOOL_NAMES_H

#include <linux/types.h>
#include <stddef.h>

const char *name_dev_state(__u32 state);
const char *name_queue_state(__u32 state);
const char *name_stat(unsigned int attr);
const char *name_feature(const char *class, unsigned int bit, char *buf,
			 size_t len);
const char *name_exit(__u32 isa, __u32 reason, char *buf, size_t len);
const char *name_syscall(__u32 nr, char *buf, size_t len);
void name_status(__u32 status, char *buf, size_t len);

#endif /* TRIVIO_TOOL_NAMES_H */
