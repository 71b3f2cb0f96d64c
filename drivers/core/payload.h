/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies of payload between kernel addresses. */
#ifndef TRIVIO_PAYLOAD_H
#define TRIVIO_PAYLOAD_H

#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/unaligned.h>

/*
 * From so many bytes on a string instruction is worth its start. The kernel's copies
 * from and to user space begin with them at 64 (arch/x86/lib/copy_user_64.S), its
 * memcpy() has a loop of eight byte words before the newest processors (FSRM).
 */
#define TRIVIO_PAYLOAD_REP		256

/* Sanitizers know memcpy() only. */
#if defined(CONFIG_X86_64) && !defined(CONFIG_KASAN) && !defined(CONFIG_KMSAN) && \
	!defined(CONFIG_KCSAN)
/* The last word goes by itself and may be written twice: no loop for the odd bytes. */
static __always_inline void payload_string(void *to, const void *from,
					   size_t len)
{
	u64 last = get_unaligned((const u64 *)(from + len - 8));
	u64 *end = to + len - 8;
	size_t words = len / 8;

	asm volatile("rep movsq"
		     : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	put_unaligned(last, end);
}
#else
#define payload_string	memcpy
#endif

/**
 * trivio_payload_copy() - copy payload
 * @to: where to; does not overlap @from
 * @from: where from; a guest may write to it meanwhile, and then gets some mixture
 * @len: bytes
 *
 * Context: any.
 */
static __always_inline void trivio_payload_copy(void *to, const void *from,
						size_t len)
{
	if (len >= TRIVIO_PAYLOAD_REP)
		payload_string(to, from, len);
	else
		memcpy(to, from, len);
}

#endif /* TRIVIO_PAYLOAD_H */
