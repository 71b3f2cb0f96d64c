/* SPDX-License-Identifier: GPL-2.0-only */
/* What the BPF program that counts and the command that reads it share. */
#ifndef TRIVIO_TOOL_COUNT_H
#define TRIVIO_TOOL_COUNT_H

/* Counters; count_attach.c has the event of each. */
enum count {
	C_KVM_EXIT,
	C_KVM_USERSPACE_EXIT,
	C_KVM_MMIO,
	C_KVM_FAST_MMIO,
	C_KVM_PIO,
	C_KVM_MSI,
	C_KVM_ACCEPT_IRQ,
	C_KVM_INJ_VIRQ,
	C_KVM_EOI,
	C_KVM_WAKEUP,
	C_IOEVENTFD,
	C_EVENTFD_SIGNAL,
	C_SWITCH,
	C_WAKEUP,
	C_SYSCALL,
	C_TRIVIO_KICK,
	C_TRIVIO_WAKE,
	C_TRIVIO_POP,
	C_TRIVIO_XMIT,
	C_TRIVIO_RECV,
	C_TRIVIO_PUSH,
	C_TRIVIO_CALL,
	C_TRIVIO_SUPPRESSED,
	C_TRIVIO_ERROR,
	C_TRIVIO_DROP,
	C_TRIVIO_MISS,
	C_LOST,
	C_NR,
};

/* Bit of an attach cookie: only events in the watched process's threads. */
#define COOKIE_OWN	0x10000

#define THREADS_MAX	8192
#define REASONS_MAX	1024
#define SYSCALLS_MAX	512

/* One thread that ran in the window. */
struct thread {
	unsigned long long runtime_ns;
	unsigned long long switches;	/* times it was put on a processor */
	unsigned long long wakeups;
	unsigned int tgid;
	char comm[16];
};

#endif /* TRIVIO_TOOL_COUNT_H */
