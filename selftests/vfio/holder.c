// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens a mediated device as a VFIO client, says so, and keeps it until it is
 * killed: "holder UUID [polite]". A polite one lets go when it is asked to; any
 * other has not even said where to ask.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "client.h"

#define FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | VC_BIT(VIRTIO_NET_F_MAC) | \
		  VC_BIT(VIRTIO_NET_F_CTRL_VQ))

int main(int argc, char **argv)
{
	int req = eventfd(0, EFD_NONBLOCK), err;
	struct pollfd p = { .fd = req, .events = POLLIN };
	bool polite = argc > 2 && !strcmp(argv[2], "polite");
	struct vc c;

	if (argc < 2)
		return 2;
	vc_init(&c);
	snprintf(c.uuid, sizeof(c.uuid), "%s", argv[1]);
	err = vc_open(&c);
	if (!err)
		err = vc_start(&c, FEATURES);
	if (!err && polite)
		err = vc_irqs(&c, VFIO_PCI_REQ_IRQ_INDEX,
			      VFIO_IRQ_SET_DATA_EVENTFD |
			      VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &req);
	if (err) {
		fprintf(stderr, "holder: %s\n", strerror(-err));
		return 1;
	}
	puts("open");
	fflush(stdout);
	poll(&p, 1, -1);
	vc_close(&c);
	return 0;
}
