// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration space of a virtio function (virtio 1.2, 4.1; PCI Local Bus
 * 3.0, 6; PCI Express Base, 7). What software may write is said byte by byte in
 * a mask, so a write of any width at any offset, across fields or into the
 * middle of one, changes exactly the bits that it may.
 */
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/virtio_pci.h>
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#include "pci_cfg.h"

#define VENDOR_ID	0x1af4
#define DEVICE_ID_BASE	0x1040
#define SUBSYSTEM_ID	0x1100

static void put16(__u8 *p, __u16 v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static void put32(__u8 *p, __u32 v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static __u16 get16(const __u8 *p)
{
	return p[0] | p[1] << 8;
}

static __u32 get32(const __u8 *p)
{
	return get16(p) | (__u32)get16(p + 2) << 16;
}

/**
 * trivio_pci_bar_size() - bytes of the BAR with the virtio structures
 * @nqueues: doorbell pages in it
 *
 * Return: a power of two.
 */
__u32 trivio_pci_bar_size(__u16 nqueues)
{
	__u32 need = TRIVIO_PCI_NOTIFY + (__u32)nqueues * TRIVIO_PCI_NOTIFY_MUL;
	__u32 size = 0x8000;

	while (size < need)
		size <<= 1;
	return size;
}

static void cap_pm(struct trivio_pci_cfg *c, __u8 next)
{
	__u8 *p = c->val + TRIVIO_PCI_CAP_PM;

	p[0] = PCI_CAP_ID_PM;
	p[1] = next;
	/* Version 3; neither D1 nor D2, and no PME. */
	put16(p + PCI_PM_PMC, 3);
	/* The state survives D3hot, so waking up needs no new probe. */
	put16(p + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	put16(c->wmask + TRIVIO_PCI_CAP_PM + PCI_PM_CTRL,
	      PCI_PM_CTRL_STATE_MASK);
}

static void cap_exp(struct trivio_pci_cfg *c, __u8 next)
{
	__u8 *p = c->val + TRIVIO_PCI_CAP_EXP;
	__u8 *w = c->wmask + TRIVIO_PCI_CAP_EXP;

	p[0] = PCI_CAP_ID_EXP;
	p[1] = next;
	put16(p + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(p + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	/*
	 * Relaxed ordering and no snoop are on, reads of 512 bytes at power-on.
	 * What DEVCAP does not announce (larger payloads, extended tags, phantom
	 * functions) stays zero; so does the reset bit, which only acts.
	 */
	put16(p + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_RELAX_EN |
	      PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ_512B);
	put16(w + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
	      PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
	      PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
	      PCI_EXP_DEVCTL_READRQ);
	put32(p + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4 |
	      PCI_EXP_LNKCAP_ASPM_L0S);
	put16(w + PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC);
	put16(p + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB |
	      PCI_EXP_LNKSTA_NLW_X1);
	put32(p + PCI_EXP_LNKCAP2, PCI_EXP_LNKCAP2_SLS_2_5GB);
	put16(p + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_2_5GT);
}

static void cap_msix(struct trivio_pci_cfg *c, __u8 next, __u16 nvectors)
{
	__u8 *p = c->val + TRIVIO_PCI_CAP_MSIX;

	p[0] = PCI_CAP_ID_MSIX;
	p[1] = next;
	put16(p + PCI_MSIX_FLAGS, nvectors - 1);
	put16(c->wmask + TRIVIO_PCI_CAP_MSIX + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put32(p + PCI_MSIX_TABLE, TRIVIO_PCI_MSIX_BAR);
	put32(p + PCI_MSIX_PBA, TRIVIO_PCI_MSIX_PBA | TRIVIO_PCI_MSIX_BAR);
}

static void cap_virtio(struct trivio_pci_cfg *c, __u8 at, __u8 len, __u8 next,
		       __u8 type, __u32 off, __u32 size)
{
	__u8 *p = c->val + at;

	p[0] = PCI_CAP_ID_VNDR;
	p[1] = next;
	p[2] = len;
	p[3] = type;
	/* The access capability points nowhere until the driver says where. */
	p[4] = type == VIRTIO_PCI_CAP_PCI_CFG ? 0 : TRIVIO_PCI_BAR;
	put32(p + 8, off);
	put32(p + 12, size);
}

static void caps_virtio(struct trivio_pci_cfg *c,
			const struct trivio_pci_id *id)
{
	__u8 *w = c->wmask + TRIVIO_PCI_CAP_WINDOW;

	cap_virtio(c, TRIVIO_PCI_CAP_COMMON, 16, TRIVIO_PCI_CAP_NOTIFY,
		   VIRTIO_PCI_CAP_COMMON_CFG, TRIVIO_PCI_COMMON,
		   TRIVIO_PCI_STRUCT);
	cap_virtio(c, TRIVIO_PCI_CAP_NOTIFY, 20, TRIVIO_PCI_CAP_ISR,
		   VIRTIO_PCI_CAP_NOTIFY_CFG, TRIVIO_PCI_NOTIFY,
		   (__u32)id->nqueues * TRIVIO_PCI_NOTIFY_MUL);
	put32(c->val + TRIVIO_PCI_CAP_NOTIFY + 16, TRIVIO_PCI_NOTIFY_MUL);
	cap_virtio(c, TRIVIO_PCI_CAP_ISR, 16, TRIVIO_PCI_CAP_DEVICE,
		   VIRTIO_PCI_CAP_ISR_CFG, TRIVIO_PCI_ISR, 4);
	cap_virtio(c, TRIVIO_PCI_CAP_DEVICE, 16, TRIVIO_PCI_CAP_WINDOW,
		   VIRTIO_PCI_CAP_DEVICE_CFG, TRIVIO_PCI_DEVICE,
		   id->config_len);
	cap_virtio(c, TRIVIO_PCI_CAP_WINDOW, 20, 0, VIRTIO_PCI_CAP_PCI_CFG,
		   0, 0);
	/* bar, offset, length and data are the driver's (virtio 1.2, 4.1.4.9) */
	w[4] = 0xff;
	memset(w + 8, 0xff, 12);
}

static void bars(struct trivio_pci_cfg *c, __u16 nqueues)
{
	__u8 *v = c->val + PCI_BASE_ADDRESS_0;
	__u8 *w = c->wmask + PCI_BASE_ADDRESS_0;
	__u32 size = trivio_pci_bar_size(nqueues);

	c->bar_size[TRIVIO_PCI_MSIX_BAR] = TRIVIO_PCI_MSIX_SIZE;
	put32(w + 4 * TRIVIO_PCI_MSIX_BAR, ~(TRIVIO_PCI_MSIX_SIZE - 1));
	c->bar_size[TRIVIO_PCI_BAR] = size;
	put32(v + 4 * TRIVIO_PCI_BAR, PCI_BASE_ADDRESS_MEM_TYPE_64 |
	      PCI_BASE_ADDRESS_MEM_PREFETCH);
	put32(w + 4 * TRIVIO_PCI_BAR, ~(size - 1));
	put32(w + 4 * TRIVIO_PCI_BAR + 4, 0xffffffff);
}

/**
 * trivio_pci_cfg_init() - fill in a function's configuration space
 * @c: configuration space
 * @id: what it is
 */
void trivio_pci_cfg_init(struct trivio_pci_cfg *c,
			 const struct trivio_pci_id *id)
{
	memset(c, 0, sizeof(*c));
	put16(c->val + PCI_VENDOR_ID, VENDOR_ID);
	put16(c->val + PCI_DEVICE_ID, DEVICE_ID_BASE + id->virtio_id);
	put16(c->val + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(c->val + PCI_CLASS_REVISION, id->class << 8 | 1);
	put16(c->val + PCI_SUBSYSTEM_VENDOR_ID, VENDOR_ID);
	put16(c->val + PCI_SUBSYSTEM_ID, SUBSYSTEM_ID);
	c->val[PCI_CAPABILITY_LIST] = TRIVIO_PCI_CAP_PM;
	c->val[PCI_INTERRUPT_PIN] = 1;

	put16(c->wmask + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	      PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
	      PCI_COMMAND_INTX_DISABLE);
	c->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	c->wmask[PCI_INTERRUPT_LINE] = 0xff;

	bars(c, id->nqueues);
	cap_pm(c, TRIVIO_PCI_CAP_EXP);
	cap_exp(c, TRIVIO_PCI_CAP_MSIX);
	cap_msix(c, TRIVIO_PCI_CAP_COMMON, id->nvectors);
	caps_virtio(c, id);
	memcpy(c->init, c->val, sizeof(c->init));
}

/**
 * trivio_pci_cfg_reset() - the power-on state; BARs and COMMAND are cleared
 * @c: configuration space
 */
void trivio_pci_cfg_reset(struct trivio_pci_cfg *c)
{
	memcpy(c->val, c->init, sizeof(c->val));
}

/**
 * trivio_pci_cfg_overlaps() - do two byte ranges meet?
 * @off: first byte of one
 * @len: its length
 * @first: first byte of the other
 * @size: its length
 *
 * Return: true if they have a byte in common.
 */
bool trivio_pci_cfg_overlaps(__u32 off, __u32 len, __u32 first, __u32 size)
{
	return off < first + size && first < off + len;
}

/**
 * trivio_pci_cfg_read() - read bytes
 * @c: configuration space
 * @off: first byte; @off + @len is at most TRIVIO_PCI_CFG_SIZE
 * @buf: where to
 * @len: bytes
 */
void trivio_pci_cfg_read(const struct trivio_pci_cfg *c, __u32 off, void *buf,
			 __u32 len)
{
	__u32 n = 0;

	if (off < TRIVIO_PCI_CFG_BYTES) {
		n = TRIVIO_PCI_CFG_BYTES - off;
		if (n > len)
			n = len;
		memcpy(buf, c->val + off, n);
	}
	memset((__u8 *)buf + n, 0, len - n);
}

/**
 * trivio_pci_cfg_write() - write bytes, as far as each bit may be written
 * @c: configuration space
 * @off: first byte; @off + @len is at most TRIVIO_PCI_CFG_SIZE
 * @buf: what
 * @len: bytes
 *
 * Return: TRIVIO_PCI_EV_* bits.
 */
__u32 trivio_pci_cfg_write(struct trivio_pci_cfg *c, __u32 off,
			   const void *buf, __u32 len)
{
	const __u32 flr = TRIVIO_PCI_CAP_EXP + PCI_EXP_DEVCTL + 1;
	const __u32 pm = TRIVIO_PCI_CAP_PM + PCI_PM_CTRL;
	const __u8 *b = buf;
	__u16 command = trivio_pci_cfg_command(c);
	__u8 power = c->val[pm];
	__u32 ev = 0;
	__u32 i;

	if (off >= TRIVIO_PCI_CFG_BYTES)
		return 0;
	if (len > TRIVIO_PCI_CFG_BYTES - off)
		len = TRIVIO_PCI_CFG_BYTES - off;

	for (i = 0; i < len; i++) {
		__u8 w = c->wmask[off + i];

		if (off + i == flr && b[i] & 0x80)
			ev |= TRIVIO_PCI_EV_FLR;
		c->val[off + i] = (c->val[off + i] & ~w) | (b[i] & w);
	}
	/* A state that PMC does not announce is dropped (PCI PM 1.2, 3.2.4). */
	if ((c->val[pm] & PCI_PM_CTRL_STATE_MASK) % 3)
		c->val[pm] = (c->val[pm] & ~PCI_PM_CTRL_STATE_MASK) |
			     (power & PCI_PM_CTRL_STATE_MASK);
	if (trivio_pci_cfg_command(c) != command)
		ev |= TRIVIO_PCI_EV_COMMAND;
	if (c->val[pm] != power)
		ev |= TRIVIO_PCI_EV_POWER;
	if (trivio_pci_cfg_overlaps(off, len, PCI_BASE_ADDRESS_0, 24))
		ev |= TRIVIO_PCI_EV_BAR;
	if (trivio_pci_cfg_overlaps(off, len, TRIVIO_PCI_CAP_WINDOW + 16, 4))
		ev |= TRIVIO_PCI_EV_WINDOW;
	return ev;
}

/**
 * trivio_pci_cfg_window() - where does the PCI access capability point?
 * @c: configuration space
 * @w: filled in
 *
 * Checked at each access: all three fields are the driver's (virtio 1.2,
 * 4.1.4.9.1).
 *
 * Return: whether that is an aligned access inside a BAR.
 */
bool trivio_pci_cfg_window(const struct trivio_pci_cfg *c,
			   struct trivio_pci_window *w)
{
	const __u8 *p = c->val + TRIVIO_PCI_CAP_WINDOW;
	__u32 len = get32(p + 12);

	w->bar = p[4];
	w->off = get32(p + 8);
	w->len = len;
	if (w->bar >= 6 || (len != 1 && len != 2 && len != 4) || w->off % len)
		return false;
	return w->off < c->bar_size[w->bar] &&
	       len <= c->bar_size[w->bar] - w->off;
}

/**
 * trivio_pci_cfg_command() - the COMMAND register
 * @c: configuration space
 *
 * Return: its 16 bits.
 */
__u16 trivio_pci_cfg_command(const struct trivio_pci_cfg *c)
{
	return get16(c->val + PCI_COMMAND);
}

/**
 * trivio_pci_cfg_bar() - address a BAR was set to
 * @c: configuration space
 * @bar: 0..5; the lower half of a 64-bit one
 *
 * Return: the address, 0 if it was not set.
 */
__u64 trivio_pci_cfg_bar(const struct trivio_pci_cfg *c, unsigned int bar)
{
	__u32 lo = get32(c->val + PCI_BASE_ADDRESS_0 + 4 * bar);
	__u64 addr = lo & ~0xfu;

	if (lo & PCI_BASE_ADDRESS_MEM_TYPE_64)
		addr |= (__u64)get32(c->val + PCI_BASE_ADDRESS_0 + 4 * bar + 4)
			<< 32;
	return addr;
}

/**
 * trivio_pci_cfg_asleep() - is the function in D3hot?
 * @c: configuration space
 *
 * Return: true if it may neither decode memory nor do DMA.
 */
bool trivio_pci_cfg_asleep(const struct trivio_pci_cfg *c)
{
	return c->val[TRIVIO_PCI_CAP_PM + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
}
