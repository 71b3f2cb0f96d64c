// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of the vDPA or of the VFIO road on a leash, as hold.c has one of the
 * vhost road:
 *
 *   hold_roads vdpa NODE    a block device on a vhost-vdpa node
 *   hold_roads vfio         a net device: makes its own mediated device
 *
 * It answers "ok NAME", then obeys lines on its standard input, each answered by
 * "ok" or "failed":
 *
 *   work N    N block requests, or N frames to the host
 *   break     make a head available that the ring does not have, and kick
 *   quit
 */
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../vdpa/client.h"
#include "../vfio/client.h"

#define VFIO_TX	1

static struct client vdpa;
static struct vc vfio;
static bool is_vfio;

static int vdpa_start(const char *node)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &lim);
	return client_open(&vdpa, node) || client_start(&vdpa);
}

static int vfio_start(void)
{
	uint64_t features = VC_BIT(VIRTIO_F_VERSION_1) |
			    VC_BIT(VIRTIO_F_ACCESS_PLATFORM) |
			    VC_BIT(VIRTIO_NET_F_MAC) |
			    VC_BIT(VIRTIO_NET_F_MRG_RXBUF) |
			    VC_BIT(VIRTIO_NET_F_CTRL_VQ);

	return vc_create(&vfio, "trivio-net") || vc_open(&vfio) ||
	       vc_start(&vfio, features);
}

static int work(unsigned int n)
{
	uint32_t written;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!is_vfio) {
			if (client_blk(&vdpa, VIRTIO_BLK_T_IN, i, 0, 512,
				       &written) || written != 513)
				return -1;
			continue;
		}
		if (vc_tx(&vfio, i))
			return -1;
	}
	return 0;
}

static int break_ring(void)
{
	struct vring_avail *a = is_vfio ? vfio.q[VFIO_TX].avail :
					  client_avail(&vdpa);
	uint16_t size = is_vfio ? VC_RING : CLIENT_NUM, idx = a->idx;

	a->ring[idx % size] = size + 7;
	__atomic_store_n(&a->idx, idx + 1, __ATOMIC_RELEASE);
	if (is_vfio)
		vc_kick(&vfio, VFIO_TX);
	else
		client_kick(&vdpa);
	return 0;
}

static int obey(const char *line)
{
	unsigned int n;

	if (sscanf(line, "work %u", &n) == 1)
		return work(n);
	if (!strcmp(line, "break\n"))
		return break_ring();
	return -1;
}

int main(int argc, char **argv)
{
	char line[128];
	int err;

	is_vfio = argc == 2 && !strcmp(argv[1], "vfio");
	if (!is_vfio && (argc != 3 || strcmp(argv[1], "vdpa"))) {
		fprintf(stderr, "usage: hold_roads vdpa NODE | vfio\n");
		return 2;
	}
	err = is_vfio ? vfio_start() : vdpa_start(argv[2]);
	if (err) {
		printf("failed to start: %d\n", err);
		return 1;
	}
	printf("ok %s\n", is_vfio ? vfio.ifname : argv[2]);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "quit\n"))
			break;
		puts(obey(line) ? "failed" : "ok");
		fflush(stdout);
	}
	if (is_vfio) {
		vc_close(&vfio);
		vc_remove(&vfio);
	} else {
		client_close(&vdpa);
	}
	return 0;
}
