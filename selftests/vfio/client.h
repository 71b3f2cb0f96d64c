/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user-space VFIO client of one trivio mediated device: makes and removes the
 * device through sysfs, opens it through group and container, and drives its
 * virtio-net function with split rings. Its other end is a packet socket on the
 * host interface of the device.
 *
 * Functions return 0 or a count, or a negative errno, unless said otherwise.
 */
#ifndef TRIVIO_SELFTEST_VFIO_CLIENT_H
#define TRIVIO_SELFTEST_VFIO_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#define VC_BIT(n)	(1ULL << (n))
#define VC_MEM_SIZE	(8ul << 20)
#define VC_IOVA		0x40000000ull
#define VC_RING		64
#define VC_QUEUES	5
#define VC_HDR		12
#define VC_SLOT		2048
#define VC_ETHERTYPE	0x88b5

/* Where the function has its structures; read from its capabilities. */
struct vc_caps {
	uint8_t bar;
	uint32_t common, isr, device, notify, notify_mul;
};

struct vc_queue {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next;		/* next slot to make available */
	uint16_t seen;		/* used entries seen */
};

/**
 * struct vc - one device and its client
 * @uuid: of the mediated device
 * @ifname: host interface
 * @container: -1 if closed
 * @group: -1 if closed
 * @dev: -1 if closed
 * @vm: KVM's VM whose device this is to be, before it is opened; or -1
 * @mem: guest memory, mapped at VC_IOVA
 * @host: packet socket, -1 if none
 */
struct vc {
	char uuid[40];
	char ifname[16];
	int container, group, dev;
	int vm;
	uint8_t *mem;
	int memfd;
	int host;
	uint64_t off[VFIO_PCI_NUM_REGIONS];
	uint64_t size[VFIO_PCI_NUM_REGIONS];
	struct vc_caps caps;
	struct vc_queue q[VC_QUEUES];
	uint64_t features;
};

/* The mediated device. vc_init(): one that somebody else has made. */
bool vc_missing(void);
void vc_init(struct vc *c);
int vc_create(struct vc *c, const char *type);
int vc_remove(struct vc *c);
int vc_attr_set(struct vc *c, const char *name, const char *value);
int vc_attr_get(struct vc *c, const char *name, char *buf, size_t len);
long vc_stat(struct vc *c, const char *name);

/* The VFIO client. vc_memlock(): this process may lock so many pages. */
int vc_memlock(unsigned int pages);
int vc_open(struct vc *c);
int vc_open_no_map(struct vc *c);
int vc_join(struct vc *c, struct vc *other);
void vc_close(struct vc *c);
int vc_map(struct vc *c, uint64_t iova, void *addr, size_t len);
int vc_unmap(struct vc *c, uint64_t iova, size_t len);
int vc_read(struct vc *c, int region, uint64_t off, void *buf, size_t len);
int vc_write(struct vc *c, int region, uint64_t off, const void *buf,
	     size_t len);
uint32_t vc_get(struct vc *c, int region, uint64_t off, int len);
int vc_set(struct vc *c, int region, uint64_t off, uint32_t val, int len);
int vc_irqs(struct vc *c, unsigned int index, unsigned int flags,
	    unsigned int start, unsigned int count, const void *data);
int vc_msix(struct vc *c, unsigned int vector, int fd);
int vc_command(struct vc *c, uint16_t command);
int vc_reset(struct vc *c);

/* The virtio driver. */
int vc_caps(struct vc *c);
uint8_t vc_status(struct vc *c);
void vc_set_status(struct vc *c, uint8_t status);
int vc_start(struct vc *c, uint64_t features);
void vc_ring_init(struct vc *c);
uint64_t vc_slot_iova(int queue, int slot);
uint8_t *vc_slot(struct vc *c, int queue, int slot);
void vc_add(struct vc *c, int queue, uint64_t iova, uint32_t len, bool write);
void vc_kick(struct vc *c, int queue);
int vc_wait_used(struct vc *c, int queue, int ms);
int vc_ctrl(struct vc *c, int queue, uint8_t class, uint8_t cmd,
	    const void *data, size_t len);

/* Frames. */
int vc_host_open(struct vc *c);
int vc_host_wait(struct vc *c, int ms);
void vc_host_close(struct vc *c);
void vc_tx_add(struct vc *c, uint32_t seq);
int vc_tx(struct vc *c, uint32_t seq);
int vc_host_recv(struct vc *c, uint32_t *seq, int ms);
int vc_rx_post(struct vc *c, int n);
int vc_host_send(struct vc *c, uint32_t seq);
int vc_rx(struct vc *c, uint32_t *seq, int ms);

#endif
