/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI configuration space of a virtio function: bytes, a write mask for every
 * byte, and nothing else. It knows no device, no locks and no kernel services,
 * so the same file runs in user space under a fuzzer.
 */
#ifndef TRIVIO_VFIO_PCI_CFG_H
#define TRIVIO_VFIO_PCI_CFG_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

/* Region size: PCI Express extended space reads as zero: no extended caps. */
#define TRIVIO_PCI_CFG_SIZE	4096
#define TRIVIO_PCI_CFG_BYTES	256

/* BAR 1: MSI-X table and pending bits, alone, so that nobody must trap more. */
#define TRIVIO_PCI_MSIX_BAR	1
#define TRIVIO_PCI_MSIX_PBA	0x1000
#define TRIVIO_PCI_MSIX_SIZE	0x2000
#define TRIVIO_PCI_MSIX_MAX	256

/* BAR 4: the virtio structures, a page each; doorbells last, a page a queue. */
#define TRIVIO_PCI_BAR		4
#define TRIVIO_PCI_COMMON	0x0000
#define TRIVIO_PCI_ISR		0x1000
#define TRIVIO_PCI_DEVICE	0x2000
#define TRIVIO_PCI_NOTIFY	0x4000
#define TRIVIO_PCI_STRUCT	0x1000
#define TRIVIO_PCI_NOTIFY_MUL	0x1000

/* Where the capabilities lie. */
#define TRIVIO_PCI_CAP_PM	0x40
#define TRIVIO_PCI_CAP_EXP	0x48
#define TRIVIO_PCI_CAP_MSIX	0x84
#define TRIVIO_PCI_CAP_COMMON	0x90
#define TRIVIO_PCI_CAP_NOTIFY	0xa0
#define TRIVIO_PCI_CAP_ISR	0xb4
#define TRIVIO_PCI_CAP_DEVICE	0xc4
#define TRIVIO_PCI_CAP_WINDOW	0xd4

/* What a write did, beside storing bytes. */
#define TRIVIO_PCI_EV_COMMAND	0x1	/* COMMAND changed */
#define TRIVIO_PCI_EV_BAR	0x2	/* a BAR changed */
#define TRIVIO_PCI_EV_FLR	0x4	/* function level reset asked for */
#define TRIVIO_PCI_EV_POWER	0x8	/* power state changed */
#define TRIVIO_PCI_EV_WINDOW	0x10	/* data of the PCI access capability */

/**
 * struct trivio_pci_cfg - one function's configuration space
 * @val: bytes as they are read
 * @wmask: bits software may change
 * @init: @val after reset
 * @bar_size: bytes of each BAR, powers of two; 0 if there is none
 */
struct trivio_pci_cfg {
	__u8 val[TRIVIO_PCI_CFG_BYTES];
	__u8 wmask[TRIVIO_PCI_CFG_BYTES];
	__u8 init[TRIVIO_PCI_CFG_BYTES];
	__u32 bar_size[6];
};

/**
 * struct trivio_pci_id - what differs between functions
 * @virtio_id: virtio device id; the PCI device id is 0x1040 above it
 * @class: base class, sub class, programming interface in bits 23..0
 * @nvectors: MSI-X vectors, 1..TRIVIO_PCI_MSIX_MAX
 * @nqueues: queues, hence doorbell pages
 * @config_len: bytes of the device configuration structure
 */
struct trivio_pci_id {
	__u16 virtio_id;
	__u32 class;
	__u16 nvectors;
	__u16 nqueues;
	__u32 config_len;
};

/**
 * struct trivio_pci_window - where the PCI access capability points
 * @bar: BAR
 * @off: byte offset in it
 * @len: 1, 2 or 4
 */
struct trivio_pci_window {
	__u8 bar;
	__u32 off;
	__u8 len;
};

void trivio_pci_cfg_init(struct trivio_pci_cfg *c,
			 const struct trivio_pci_id *id);
void trivio_pci_cfg_reset(struct trivio_pci_cfg *c);
void trivio_pci_cfg_read(const struct trivio_pci_cfg *c, __u32 off, void *buf,
			 __u32 len);
__u32 trivio_pci_cfg_write(struct trivio_pci_cfg *c, __u32 off,
			   const void *buf, __u32 len);
bool trivio_pci_cfg_window(const struct trivio_pci_cfg *c,
			   struct trivio_pci_window *w);
bool trivio_pci_cfg_overlaps(__u32 off, __u32 len, __u32 first, __u32 size);
__u16 trivio_pci_cfg_command(const struct trivio_pci_cfg *c);
__u64 trivio_pci_cfg_bar(const struct trivio_pci_cfg *c, unsigned int bar);
bool trivio_pci_cfg_asleep(const struct trivio_pci_cfg *c);
__u32 trivio_pci_bar_size(__u16 nqueues);

#endif /* TRIVIO_VFIO_PCI_CFG_H */
