/* SPDX-License-Identifier: GPL-2.0-only */
/* Network interfaces of the host's side, without a process for each step. */
#ifndef TRIVIO_SELFTEST_NETIF_H
#define TRIVIO_SELFTEST_NETIF_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "files.h"

/* netif_flags - set and clear IFF_* of interface @name; waits for RTNL; 0 or -errno */
static inline int netif_flags(const char *name, short set, short clear)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
	struct ifreq ifr = {};

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		r = -errno;
	ifr.ifr_flags = (ifr.ifr_flags & ~clear) | set;
	if (!r && ioctl(fd, SIOCSIFFLAGS, &ifr))
		r = -errno;
	close(fd);
	return r;
}

/* netif_mtu - 0 or -errno */
static inline int netif_mtu(const char *name, int mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;
	struct ifreq ifr = { .ifr_mtu = mtu };

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCSIFMTU, &ifr))
		r = -errno;
	close(fd);
	return r;
}

/* netif_silence - no neighbour discovery, no MLD: only a test's frames may pass */
static inline void netif_silence(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
		 name);
	/* A kernel without IPv6 has nothing to say. */
	put(path, "1");
}

/*
 * netif_wait - until @name has a carrier, for @ms at most; 0 or -errno
 *
 * The driver behind it runs a moment before the kernel's link watch has seen that; until then
 * frames vanish in its place-holder of a queue.
 */
static inline int netif_wait(const char *name, int ms)
{
	char path[64], state[16];
	int fd, n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
	for (; ms >= 0; ms -= 5) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, state, sizeof(state));
		close(fd);
		/* It is told before it is done, under RTNL, for which this waits. */
		if (n == 3 && !memcmp(state, "up\n", 3))
			return netif_flags(name, 0, 0);
		usleep(5000);
	}
	return -ETIMEDOUT;
}

#endif /* TRIVIO_SELFTEST_NETIF_H */
