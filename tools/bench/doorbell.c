// SPDX-License-Identifier: GPL-2.0-only
/*
 * doorbell BDF QUEUE COUNT LOOPS: runs in a guest and notifies a queue of a
 * virtio PCI function that has nothing in it, and spins between any two: what an
 * idle notification costs, and nothing else. A guest that slept meanwhile would
 * have timers and wake-ups in the figure, more than the notification itself. QUEUE
 * "-" only spins, to be subtracted; "exit" has the processor leave the guest for
 * nothing (CPUID), the least that anything costs that leaves it.
 * Linked statically. Needs iomem=relaxed on the guest's command line.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

struct bell {
	unsigned int bar;
	uint32_t off;
	uint32_t step;
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The notification capability: where doorbells are, and how far apart. */
static int find(const char *bdf, struct bell *b)
{
	char path[128];
	uint8_t cfg[256];
	unsigned int at, n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, cfg, sizeof(cfg)) != sizeof(cfg))
		return -1;
	close(fd);
	at = cfg[PCI_CAPABILITY_LIST];
	for (n = 0; at && n < 48; n++, at = cfg[at + 1]) {
		if (at > sizeof(cfg) - 20)
			return -1;
		if (cfg[at] != PCI_CAP_ID_VNDR ||
		    cfg[at + 3] != VIRTIO_PCI_CAP_NOTIFY_CFG)
			continue;
		b->bar = cfg[at + 4];
		b->off = le32(cfg + at + 8);
		b->step = le32(cfg + at + 16);
		return 0;
	}
	return -1;
}

static void cpuid_0(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
}

static void spin(unsigned int loops)
{
	while (loops--)
		__asm__ volatile("");
}

int main(int argc, char **argv)
{
	unsigned int queue, count, loops;
	uint16_t nowhere = 0;
	volatile uint16_t *p;
	struct bell b;
	char path[128];
	size_t at;
	bool leave;
	void *m;
	int fd;

	if (argc != 5) {
		printf("usage: %s BDF QUEUE COUNT LOOPS\n", argv[0]);
		return 2;
	}
	queue = atoi(argv[2]);
	count = atoi(argv[3]);
	loops = atoi(argv[4]);
	if (find(argv[1], &b)) {
		fprintf(stderr, "%s: no doorbell\n", argv[1]);
		return 1;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u",
		 argv[1], b.bar);
	at = b.off + (size_t)queue * b.step;
	fd = open(path, O_RDWR | O_SYNC);
	m = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_SHARED, fd, at & ~4095UL);
	if (m == MAP_FAILED) {
		perror(path);
		return 1;
	}
	p = (volatile uint16_t *)((uint8_t *)m + (at & 4095));
	leave = !strcmp(argv[2], "exit");
	if (leave || !strcmp(argv[2], "-"))
		p = &nowhere;
	while (count--) {
		if (leave)
			cpuid_0();
		*p = queue;
		spin(loops);
	}
	return 0;
}
