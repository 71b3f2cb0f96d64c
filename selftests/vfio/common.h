/* SPDX-License-Identifier: GPL-2.0-only */
/* What the VFIO tests share. */
#ifndef TRIVIO_SELFTEST_VFIO_COMMON_H
#define TRIVIO_SELFTEST_VFIO_COMMON_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/harness.h"
#include "client.h"

#define CFG	VFIO_PCI_CONFIG_REGION_INDEX
#define BAR(c)	((c)->caps.bar)
#define COM(c, off)	((c)->caps.common + (off))

/* One test's limit where the harness's is short: slow is not yet a hang. */
#define LONG	600
#define WAIT_MS	20000

/* Without the front end (a kernel without mdev) there is nothing to test. */
#define VFIO_HARNESS_MAIN						\
int main(int argc, char **argv)						\
{									\
	if (vc_missing()) {						\
		printf("TAP version 13\n1..0 # SKIP no mdev parent trivio\n"); \
		return KSFT_SKIP;					\
	}								\
	return test_harness_run(argc, argv);				\
}

#define FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | \
		  VC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
		  VC_BIT(VIRTIO_NET_F_MAC) | VC_BIT(VIRTIO_NET_F_STATUS) | \
		  VC_BIT(VIRTIO_NET_F_MRG_RXBUF) | \
		  VC_BIT(VIRTIO_NET_F_CTRL_VQ))

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENT	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

#define OK(call) do {							\
	int ok_ = (call);						\
	ASSERT_EQ(0, ok_) TH_LOG("%s: %s", #call, strerror(-ok_));	\
} while (0)

/* How often an eventfd was signalled since the last look; waits for the first. */
static inline uint64_t fired(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, ms) <= 0 || read(fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	return n;
}

/* Every pin given back? Only true when nothing is open. */
static inline long pins_left(struct vc *c)
{
	return vc_stat(c, "mem_pins") - vc_stat(c, "mem_unpins");
}

/* The end of two devices, of which neither has left anything behind. */
#define PAIR_END(a, b) do {						\
	vc_close(a);							\
	vc_close(b);							\
	EXPECT_EQ(0, pins_left(a));					\
	EXPECT_EQ(0, pins_left(b));					\
	EXPECT_EQ(0, vc_remove(a));					\
	EXPECT_EQ(0, vc_remove(b));					\
} while (0)

/* What the kernel says that this process has locked or pinned, kB. */
static inline long locked_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	long kb, sum = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmLck: %ld", &kb) == 1 ||
		    sscanf(line, "VmPin: %ld", &kb) == 1)
			sum += kb;
	}
	if (f)
		fclose(f);
	return f ? sum : -1;
}

/*
 * Clients that send for ever, killed one after the other, each @step microseconds
 * later in its life than the one before. 0; -EBUSY if one left pins behind, or what
 * could not be done.
 */
static inline int killed_clients(int n, int step)
{
	struct vc d;
	pid_t pid;
	int i, err;

	err = vc_create(&d, "trivio-net");
	for (i = 0; i < n && !err; i++) {
		pid = fork();
		if (!pid) {
			uint32_t seq = 0;

			if (vc_open(&d) || vc_start(&d, FEATURES))
				_exit(1);
			for (;;)
				vc_tx(&d, seq++);
		}
		usleep(5000 + i * step);
		if (pid < 0 || kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
			return -errno;
		err = pins_left(&d) ? -EBUSY : 0;
	}
	return err ?: vc_remove(&d);
}

#endif
