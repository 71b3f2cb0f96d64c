/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to shared memory. With SHIM_READ_HOOK every READ_ONCE() first calls a
 * function of the test, which may change the word as a driver on another CPU
 * would: that makes a double fetch show without luck.
 */
#ifndef SHIM_LINUX_COMPILER_H
#define SHIM_LINUX_COMPILER_H

#include <linux/types.h>

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((__noinline__))
#define __cold		__attribute__((__cold__))
#define __aligned(x)	__attribute__((__aligned__(x)))
#define __packed	__attribute__((__packed__))
#define __maybe_unused	__attribute__((__unused__))
#define __must_check	__attribute__((__warn_unused_result__))
#define fallthrough	__attribute__((__fallthrough__))
#define barrier()	__asm__ __volatile__("" ::: "memory")
#ifndef __always_inline
#define __always_inline	inline __attribute__((__always_inline__))
#endif

#ifdef SHIM_READ_HOOK
extern void (*shim_read_hook)(const volatile void *p, size_t len);

static inline void shim_read(const volatile void *p, size_t len)
{
	if (shim_read_hook)
		shim_read_hook(p, len);
}
#else
static inline void shim_read(const volatile void *p, size_t len)
{
}
#endif

#define READ_ONCE(x)						\
({								\
	shim_read(&(x), sizeof(x));				\
	*(const volatile typeof(x) *)&(x);			\
})

#define WRITE_ONCE(x, val)					\
	(*(volatile typeof(x) *)&(x) = (val))

#endif
