// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers in words. Counters: Documentation/netlink/specs/trivio.yaml. Feature
 * bits and status: virtio 1.2, sections 2.1, 5.1.3, 5.2.3 and 6. VM exits: the
 * processors' manuals, as <asm/svm.h> and <asm/vmx.h> number them.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <asm/vmx.h>
#include <linux/trivio.h>

#include "names.h"
#include "trivio.h"

/* Exception vectors, by which <asm/svm.h> names exits but does not define. */
enum {
	DE_VECTOR, DB_VECTOR, BP_VECTOR = 3, OF_VECTOR, BR_VECTOR, UD_VECTOR,
	NM_VECTOR, DF_VECTOR, TS_VECTOR = 10, NP_VECTOR, SS_VECTOR, GP_VECTOR,
	PF_VECTOR, MF_VECTOR = 16, AC_VECTOR, MC_VECTOR, XM_VECTOR,
};

#include <asm/svm.h>

static const char * const dev_state[] = {
	[TRIVIO_DEV_STATE_IDLE]		= "idle",
	[TRIVIO_DEV_STATE_RUNNING]	= "running",
	[TRIVIO_DEV_STATE_SUSPENDED]	= "suspended",
	[TRIVIO_DEV_STATE_BROKEN]	= "broken",
	[TRIVIO_DEV_STATE_GONE]		= "gone",
};

static const char * const queue_state[] = {
	[TRIVIO_QUEUE_STATE_IDLE]	= "idle",
	[TRIVIO_QUEUE_STATE_RUNNING]	= "running",
	[TRIVIO_QUEUE_STATE_BROKEN]	= "broken",
};

static const char * const stat[TRIVIO_A_STAT_MAX + 1] = {
	[TRIVIO_A_STAT_KICKS]		= "kicks",
	[TRIVIO_A_STAT_CALLS]		= "calls",
	[TRIVIO_A_STAT_CALLS_SUPPRESSED] = "calls_suppressed",
	[TRIVIO_A_STAT_WAKEUPS]		= "wakeups",
	[TRIVIO_A_STAT_RESCHEDULES]	= "reschedules",
	[TRIVIO_A_STAT_BATCHES]		= "batches",
	[TRIVIO_A_STAT_CHAINS]		= "chains",
	[TRIVIO_A_STAT_PACKETS]		= "packets",
	[TRIVIO_A_STAT_BYTES]		= "bytes",
	[TRIVIO_A_STAT_COPIES]		= "copies",
	[TRIVIO_A_STAT_DROPS]		= "drops",
	[TRIVIO_A_STAT_DROP_NOBUF]	= "drop_nobuf",
	[TRIVIO_A_STAT_DROP_FORMAT]	= "drop_format",
	[TRIVIO_A_STAT_DROP_BACKEND]	= "drop_backend",
	[TRIVIO_A_STAT_DROP_FAULT]	= "drop_fault",
	[TRIVIO_A_STAT_DROP_NOMEM]	= "drop_nomem",
	[TRIVIO_A_STAT_DROP_FILTER]	= "drop_filter",
	[TRIVIO_A_STAT_ERRORS]		= "errors",
	[TRIVIO_A_STAT_MISSES]		= "misses",
	[TRIVIO_A_STAT_FAULTS]		= "faults",
	[TRIVIO_A_STAT_POLLS]		= "polls",
	[TRIVIO_A_STAT_VIOLATIONS]	= "violations",
	[TRIVIO_A_STAT_LOGGED]		= "logged",
	[TRIVIO_A_STAT_DOORBELLS]	= "doorbells",
};

static const char * const net_feature[64] = {
	[0] = "CSUM", [1] = "GUEST_CSUM", [2] = "CTRL_GUEST_OFFLOADS",
	[3] = "MTU", [5] = "MAC", [7] = "GUEST_TSO4", [8] = "GUEST_TSO6",
	[9] = "GUEST_ECN", [10] = "GUEST_UFO", [11] = "HOST_TSO4",
	[12] = "HOST_TSO6", [13] = "HOST_ECN", [14] = "HOST_UFO",
	[15] = "MRG_RXBUF", [16] = "STATUS", [17] = "CTRL_VQ",
	[18] = "CTRL_RX", [19] = "CTRL_VLAN", [20] = "CTRL_RX_EXTRA",
	[21] = "GUEST_ANNOUNCE", [22] = "MQ", [23] = "CTRL_MAC_ADDR",
	[53] = "VQ_NOTF_COAL", [54] = "GUEST_USO4", [55] = "GUEST_USO6",
	[56] = "HOST_USO", [57] = "HASH_REPORT", [59] = "GUEST_HDRLEN",
	[60] = "RSS", [61] = "RSC_EXT", [62] = "STANDBY",
	[63] = "SPEED_DUPLEX",
};

static const char * const blk_feature[64] = {
	[1] = "SIZE_MAX", [2] = "SEG_MAX", [4] = "GEOMETRY", [5] = "RO",
	[6] = "BLK_SIZE", [9] = "FLUSH", [10] = "TOPOLOGY",
	[11] = "CONFIG_WCE", [12] = "MQ", [13] = "DISCARD",
	[14] = "WRITE_ZEROES", [15] = "LIFETIME", [16] = "SECURE_ERASE",
	[17] = "ZONED",
};

/* Every class; bits 26 and 27 are vhost's on its road, virtio's legacy else. */
static const char * const any_feature[64] = {
	[24] = "NOTIFY_ON_EMPTY", [26] = "LOG_ALL", [27] = "ANY_LAYOUT",
	[28] = "INDIRECT_DESC", [29] = "EVENT_IDX", [32] = "VERSION_1",
	[33] = "ACCESS_PLATFORM", [34] = "RING_PACKED", [35] = "IN_ORDER",
	[36] = "ORDER_PLATFORM", [37] = "SR_IOV", [38] = "NOTIFICATION_DATA",
	[39] = "NOTIF_CONFIG_DATA", [40] = "RING_RESET",
};

/* Codes that are not in a table are printed as numbers. */
struct code {
	__u32 code;
	const char *name;
};

static const struct code svm_exit[] = { SVM_EXIT_REASONS };
static const struct code vmx_exit[] = { VMX_EXIT_REASONS };

static const struct code syscalls[] = {
	{ SYS_read, "read" }, { SYS_write, "write" }, { SYS_poll, "poll" },
	{ SYS_ioctl, "ioctl" }, { SYS_readv, "readv" },
	{ SYS_writev, "writev" }, { SYS_ppoll, "ppoll" },
	{ SYS_futex, "futex" }, { SYS_epoll_wait, "epoll_wait" },
	{ SYS_clock_nanosleep, "clock_nanosleep" },
	{ SYS_pread64, "pread64" }, { SYS_pwrite64, "pwrite64" },
	{ SYS_preadv, "preadv" }, { SYS_pwritev, "pwritev" },
	{ SYS_sendmsg, "sendmsg" }, { SYS_recvmsg, "recvmsg" },
	{ SYS_io_uring_enter, "io_uring_enter" },
	{ SYS_timerfd_settime, "timerfd_settime" },
	{ SYS_rt_sigaction, "rt_sigaction" }, { SYS_mmap, "mmap" },
	{ SYS_munmap, "munmap" }, { SYS_close, "close" },
};

static const char *pick(const char * const *table, size_t n, size_t i)
{
	return i < n && table[i] ? table[i] : "unknown";
}

/**
 * name_dev_state() - state of a device
 * @state: TRIVIO_DEV_STATE_*
 *
 * Return: a constant string.
 */
const char *name_dev_state(__u32 state)
{
	return pick(dev_state, ARRAY_SIZE(dev_state), state);
}

/**
 * name_queue_state() - state of a queue
 * @state: TRIVIO_QUEUE_STATE_*
 *
 * Return: a constant string.
 */
const char *name_queue_state(__u32 state)
{
	return pick(queue_state, ARRAY_SIZE(queue_state), state);
}

/**
 * name_stat() - name of a counter; a key in JSON
 * @attr: TRIVIO_A_STAT_*
 *
 * Return: a constant string.
 */
const char *name_stat(unsigned int attr)
{
	return pick(stat, ARRAY_SIZE(stat), attr);
}

/**
 * name_feature() - name of a feature bit
 * @class: device class, "net" or "blk"
 * @bit: number of the bit, 0 to 63
 * @buf: room for a name that has to be made
 * @len: how much
 *
 * Return: a constant string, or @buf.
 */
const char *name_feature(const char *class, unsigned int bit, char *buf,
			 size_t len)
{
	const char *name = any_feature[bit];

	if (!name && !strcmp(class, "net"))
		name = net_feature[bit];
	if (!name && !strcmp(class, "blk"))
		name = blk_feature[bit];
	if (name)
		return name;
	snprintf(buf, len, "BIT_%u", bit);
	return buf;
}

static const char *lookup(const struct code *table, size_t n, __u32 code,
			  char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (table[i].code == code)
			return table[i].name;
	}
	snprintf(buf, len, "%u", code);
	return buf;
}

/**
 * name_exit() - why a guest left the processor
 * @isa: 1 for VMX, 2 for SVM (KVM's numbers in its event kvm_exit)
 * @reason: exit reason of that processor
 * @buf: room for a name that has to be made
 * @len: how much
 *
 * Return: a constant string, or @buf.
 */
const char *name_exit(__u32 isa, __u32 reason, char *buf, size_t len)
{
	if (isa == 1)
		return lookup(vmx_exit, ARRAY_SIZE(vmx_exit), reason & 0xffff,
			      buf, len);
	return lookup(svm_exit, ARRAY_SIZE(svm_exit), reason, buf, len);
}

/**
 * name_syscall() - name of a system call that virtual machines use much
 * @nr: its number
 * @buf: room for a name that has to be made
 * @len: how much
 *
 * Return: a constant string, or @buf.
 */
const char *name_syscall(__u32 nr, char *buf, size_t len)
{
	return lookup(syscalls, ARRAY_SIZE(syscalls), nr, buf, len);
}

/**
 * name_status() - virtio status register
 * @status: its bits
 * @buf: where to put the names
 * @len: room there
 */
void name_status(__u32 status, char *buf, size_t len)
{
	static const char * const bit[8] = {
		"ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK", NULL,
		NULL, "NEEDS_RESET", "FAILED",
	};
	size_t at = 0;
	int i;

	buf[0] = 0;
	for (i = 0; i < 8; i++) {
		if (status & (1u << i) && bit[i] && at < len)
			at += snprintf(buf + at, len - at, "%s%s",
				       at ? " " : "", bit[i]);
	}
	if (!at)
		snprintf(buf, len, "none");
}
