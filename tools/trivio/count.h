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
	C_KVM_PAGE_FAULT,
	C_KVM_WAKEUP,
	C_IOEVENTFD,
	C_IRQFD,
	C_IRQ_USER_MSI,
	C_IRQ_USER_LINE,
	C_KVM_MSI,
	C_KVM_SET_IRQ,
	C_KVM_IOAPIC,
	C_KVM_PIC,
	C_KVM_ACCEPT_IRQ,
	C_KVM_POSTED_IRQ,
	C_KVM_INJ_VIRQ,
	C_KVM_EOI,
	C_KVM_PI_ROUTE,
	C_EVENTFD_SIGNAL,
	C_SWITCH,
	C_WAKEUP,
	C_SYSCALL,
	C_TAP_WRITE,
	C_TAP_SENDMSG,
	C_TAP_READ,
	C_TAP_RECVMSG,
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

/* Processes watched at a time. */
#define TARGETS_MAX	8

#define THREADS_MAX	8192
#define MOVERS_MAX	1024
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

/* A thread that carried frames, and where it did: key of the map of movers. */
struct mover_key {
	unsigned int tid;
	unsigned int softirq;	/* in a softirq that ran on top of the thread */
};

/* What it carried: out of the guest and into it. */
struct mover {
	unsigned long long out;		/* frames, by trivio's tracepoints */
	unsigned long long in;
	unsigned long long tap_out;	/* calls of tun's functions */
	unsigned long long tap_in;
	char comm[16];
};

#endif /* TRIVIO_TOOL_COUNT_H */
