// SPDX-License-Identifier: GPL-2.0-only
/*
 * tapfds NAME QUEUES FIRST COMMAND...: the queues of a tap as open files FIRST, FIRST+1 and
 * so on of a command. QEMU takes several vhost descriptors only beside several of the tap.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/if_tun.h>

static int queue_open(const char *name, int at)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE,
	};
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		return -1;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -1;
	if (fd == at)
		return 0;
	if (dup2(fd, at) < 0)
		return -1;
	return close(fd);
}

int main(int argc, char **argv)
{
	int i, queues, first;

	if (argc < 5) {
		fprintf(stderr, "usage: tapfds NAME QUEUES FIRST COMMAND...\n");
		return 2;
	}
	queues = atoi(argv[2]);
	first = atoi(argv[3]);
	for (i = 0; i < queues; i++) {
		if (queue_open(argv[1], first + i)) {
			perror(argv[1]);
			return 1;
		}
	}
	execvp(argv[4], argv + 4);
	perror(argv[4]);
	return 1;
}
