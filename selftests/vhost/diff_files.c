// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that steps hand to a device, proper and absurd: eventfds, every
 * kind of socket that may be a backend, and some that may not.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>

#include "diff_files.h"

static int tun_fd(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0)
		perror("tun");
	return fd;
}

/*
 * A macvtap or ipvtap on an interface of its own. Not all kernels have them:
 * then the steps do what they do with a file descriptor that is not open.
 */
static int upper_fd(const char *type)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	static unsigned int seq;
	int fd, i, hdr = 12;
	char buf[160];

	seq++;
	snprintf(buf, sizeof(buf),
		 "ip link add dl%u type dummy && ip link set dl%u up && ip link add link dl%u name du%u type %s && ip link set du%u up",
		 seq, seq, seq, seq, type, seq);
	if (system(buf))
		return 100000;
	snprintf(buf, sizeof(buf), "du%u", seq);
	i = if_nametoindex(buf);
	snprintf(buf, sizeof(buf), "/dev/tap%u", i);
	for (i = 0; i < 50 && access(buf, F_OK); i++)
		usleep(20000);
	fd = open(buf, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0)
		perror(buf);
	return fd;
}

/* diff_files_open - all but those that take long to make */
void diff_files_open(struct diff_ctx *c)
{
	int p[2];

	c->fds[FD_NONE] = -1;
	c->fds[FD_EVENT] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->fds[FD_EVENT2] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->fds[FD_CLOSED] = 100000;
	c->fds[FD_REGULAR] = memfd_create("file", MFD_CLOEXEC);
	c->fds[FD_UDP] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	c->fds[FD_UNIX] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->fds[FD_SELF] = c->d.fd;
	c->fds[FD_TUN] = tun_fd();
	c->fds[FD_TAP] = c->tap.fd;
	c->fds[FD_PACKET] = c->tap.sock;
	c->fds[FD_PACKET_DGRAM] = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC,
					 0);
	c->fds[FD_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	c->fds[FD_PIPE] = pipe2(p, O_CLOEXEC) ? -1 : p[0];
	if (c->fds[FD_PIPE] >= 0)
		close(p[1]);
	c->fds[FD_MINUS2] = -2;
}

/* diff_file - the descriptor for one of FD_*; made when first asked for */
int diff_file(struct diff_ctx *c, uint64_t kind)
{
	if (kind >= FD_KINDS)
		return -1;
	if (kind == FD_MACVTAP && !c->fds[kind])
		c->fds[kind] = upper_fd("macvtap mode bridge");
	if (kind == FD_IPVTAP && !c->fds[kind])
		c->fds[kind] = upper_fd("ipvtap mode l2");
	return c->fds[kind];
}
