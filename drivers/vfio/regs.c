// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio structures behind the BARs (virtio 1.2, 4.1.4): common
 * configuration, ISR, device configuration, doorbells; and the MSI-X table.
 *
 * A driver should access each field by its own width. Others get what memory
 * would give: any byte may be read, and a write that covers part of a field
 * changes those bytes of it.
 */
#include <linux/bitmap.h>
#include <linux/nospec.h>
#include <linux/pci_regs.h>
#include <linux/unaligned.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include <trivio/check.h>

#include "mdev.h"

/* struct virtio_pci_modern_common_cfg: with queue_notify_data, queue_reset */
#define COMMON_LEN	64

struct field {
	u8 off;
	u8 len;
	void (*write)(struct trivio_mdev *m, u32 val);
};

static struct trivio_mdev_vq *sel_vq(struct trivio_mdev *m)
{
	if (m->queue_sel >= m->nqueues)
		return NULL;
	return &m->vq[array_index_nospec(m->queue_sel, m->nqueues)];
}

/* --- common configuration ---------------------------------------------- */

static void common_image_queue(struct trivio_mdev *m, u8 *b)
{
	const struct trivio_mdev_vq *vq = sel_vq(m);

	/* A queue that is not there has size 0 and no vector. */
	put_unaligned_le16(VIRTIO_MSI_NO_VECTOR, b + VIRTIO_PCI_COMMON_Q_MSIX);
	if (!vq)
		return;
	put_unaligned_le16(vq->num, b + VIRTIO_PCI_COMMON_Q_SIZE);
	put_unaligned_le16(vq->vector, b + VIRTIO_PCI_COMMON_Q_MSIX);
	put_unaligned_le16(vq->enabled, b + VIRTIO_PCI_COMMON_Q_ENABLE);
	put_unaligned_le16(m->queue_sel, b + VIRTIO_PCI_COMMON_Q_NOFF);
	put_unaligned_le64(vq->desc, b + VIRTIO_PCI_COMMON_Q_DESCLO);
	put_unaligned_le64(vq->driver, b + VIRTIO_PCI_COMMON_Q_AVAILLO);
	put_unaligned_le64(vq->device, b + VIRTIO_PCI_COMMON_Q_USEDLO);
	put_unaligned_le16(m->queue_sel, b + VIRTIO_PCI_COMMON_Q_NDATA);
}

static void common_image(struct trivio_mdev *m, u8 *b)
{
	u64 offered = m->dev->offered;

	memset(b, 0, COMMON_LEN);
	put_unaligned_le32(m->dev_feature_sel, b + VIRTIO_PCI_COMMON_DFSELECT);
	if (m->dev_feature_sel < 2)
		put_unaligned_le32(offered >> 32 * m->dev_feature_sel,
				   b + VIRTIO_PCI_COMMON_DF);
	put_unaligned_le32(m->drv_feature_sel, b + VIRTIO_PCI_COMMON_GFSELECT);
	if (m->drv_feature_sel < 2)
		put_unaligned_le32(m->drv_features >> 32 * m->drv_feature_sel,
				   b + VIRTIO_PCI_COMMON_GF);
	put_unaligned_le16(m->config_vector, b + VIRTIO_PCI_COMMON_MSIX);
	put_unaligned_le16(m->nqueues, b + VIRTIO_PCI_COMMON_NUMQ);
	b[VIRTIO_PCI_COMMON_STATUS] = READ_ONCE(m->dev->status);
	b[VIRTIO_PCI_COMMON_CFGGENERATION] = READ_ONCE(m->dev->generation);
	put_unaligned_le16(m->queue_sel, b + VIRTIO_PCI_COMMON_Q_SELECT);
	common_image_queue(m, b);
}

static void write_dfsel(struct trivio_mdev *m, u32 val)
{
	m->dev_feature_sel = val;
}

static void write_gfsel(struct trivio_mdev *m, u32 val)
{
	m->drv_feature_sel = val;
}

static void write_gf(struct trivio_mdev *m, u32 val)
{
	unsigned int shift = 32 * m->drv_feature_sel;

	/* Fixed once the driver said so (virtio 1.2, 3.1.1). */
	if (m->drv_feature_sel > 1 ||
	    m->dev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		trivio_check_features(m->dev, m->drv_features);
		return;
	}
	m->drv_features &= ~((u64)U32_MAX << shift);
	m->drv_features |= (u64)val << shift;
}

static u16 check_vector(struct trivio_mdev *m, u32 val)
{
	/* What cannot be had reads back as none (virtio 1.2, 4.1.5.1.2). */
	return val < m->nvectors ? val : VIRTIO_MSI_NO_VECTOR;
}

static void write_config_vector(struct trivio_mdev *m, u32 val)
{
	WRITE_ONCE(m->config_vector, check_vector(m, val));
}

static void write_q_select(struct trivio_mdev *m, u32 val)
{
	m->queue_sel = val;
}

static void write_q_vector(struct trivio_mdev *m, u32 val)
{
	struct trivio_mdev_vq *vq = sel_vq(m);

	if (vq)
		WRITE_ONCE(vq->vector, check_vector(m, val));
}

static void write_q_size(struct trivio_mdev *m, u32 val)
{
	struct trivio_mdev_vq *vq = sel_vq(m);

	if (vq && !vq->enabled)
		vq->num = val;
}

static void queue_apply(struct trivio_mdev *m, u16 i)
{
	struct trivio_queue *q = &m->dev->queue[i];
	struct trivio_mdev_vq *vq = &m->vq[i];

	if (trivio_queue_set_num(q, vq->num))
		return;
	trivio_queue_set_addr(q, vq->desc, vq->driver, vq->device);
	vq->enabled = true;
	q->enabled = !m->held;
	/* Enabled late: the specification forbids it, drivers have done it. */
	if (m->dev->status & VIRTIO_CONFIG_S_DRIVER_OK && q->enabled &&
	    trivio_queue_start(q))
		trivio_dev_needs_reset(m->dev);
}

static void write_q_enable(struct trivio_mdev *m, u32 val)
{
	struct trivio_mdev_vq *vq = sel_vq(m);

	/* Only 1 may be written (virtio 1.2, 4.1.4.3.2). */
	if (vq && val == 1 && !vq->enabled &&
	    m->dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		queue_apply(m, m->queue_sel);
}

static void write_half(u64 *addr, u32 val, bool hi)
{
	if (hi)
		*addr = (u64)val << 32 | (u32)*addr;
	else
		*addr = (*addr & ~(u64)U32_MAX) | val;
}

static void write_q_addr(struct trivio_mdev *m, size_t member, u32 val, bool hi)
{
	struct trivio_mdev_vq *vq = sel_vq(m);

	if (vq && !vq->enabled)
		write_half((void *)vq + member, val, hi);
}

#define Q_ADDR(name, member, hi) \
static void name(struct trivio_mdev *m, u32 val) \
{ \
	write_q_addr(m, offsetof(struct trivio_mdev_vq, member), val, hi); \
}

Q_ADDR(write_desc_lo, desc, false)
Q_ADDR(write_desc_hi, desc, true)
Q_ADDR(write_driver_lo, driver, false)
Q_ADDR(write_driver_hi, driver, true)
Q_ADDR(write_device_lo, device, false)
Q_ADDR(write_device_hi, device, true)

static void write_status(struct trivio_mdev *m, u32 val)
{
	struct trivio_dev *dev = m->dev;
	u8 old = dev->status;

	trivio_check_status(dev, val);
	if (!val) {
		trivio_mdev_bell_stop(m);
		trivio_dev_reset(dev);
		trivio_mdev_regs_reset(m);
		trivio_mdev_count(m, TRIVIO_MDEV_RESET, 1);
		return;
	}
	if (val & ~old & VIRTIO_CONFIG_S_FEATURES_OK) {
		trivio_check_features(dev, m->drv_features);
		/*
		 * Refusing is leaving the bit clear (virtio 1.2, 3.1.1). There
		 * is no legacy interface, so VERSION_1 is not optional.
		 */
		if (!(m->drv_features & BIT_ULL(VIRTIO_F_VERSION_1)) ||
		    trivio_dev_set_features(dev, m->drv_features))
			val &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (!((val | old) & VIRTIO_CONFIG_S_FEATURES_OK))
		val &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	if (trivio_dev_set_status(dev, val))
		return;
	if (val & ~old & VIRTIO_CONFIG_S_DRIVER_OK && !m->held)
		trivio_mdev_bell_start(m);
}

static const struct field common_fields[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, write_dfsel },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, write_gfsel },
	{ VIRTIO_PCI_COMMON_GF, 4, write_gf },
	{ VIRTIO_PCI_COMMON_MSIX, 2, write_config_vector },
	{ VIRTIO_PCI_COMMON_STATUS, 1, write_status },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, write_q_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, write_q_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, write_q_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, write_q_enable },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, write_desc_lo },
	{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, write_desc_hi },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, write_driver_lo },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, write_driver_hi },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, write_device_lo },
	{ VIRTIO_PCI_COMMON_Q_USEDHI, 4, write_device_hi },
};

static void common_write(struct trivio_mdev *m, u32 off, const u8 *buf, u32 len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(common_fields); i++) {
		const struct field *f = &common_fields[i];
		u8 image[COMMON_LEN];
		u32 at, val;

		if (!trivio_pci_cfg_overlaps(off, len, f->off, f->len))
			continue;
		common_image(m, image);
		for (at = max_t(u32, off, f->off);
		     at < min_t(u32, off + len, f->off + f->len); at++)
			image[at] = buf[at - off];
		if (f->len == 4)
			val = get_unaligned_le32(image + f->off);
		else if (f->len == 2)
			val = get_unaligned_le16(image + f->off);
		else
			val = image[f->off];
		f->write(m, val);
	}
}

/* --- BARs --------------------------------------------------------------- */

static void image_read(const u8 *image, u32 size, u32 off, u8 *buf, u32 len)
{
	u32 n = off < size ? min(len, size - off) : 0;

	memcpy(buf, image + off, n);
	memset(buf + n, 0, len - n);
}

static void msix_read(struct trivio_mdev *m, u32 off, u8 *buf, u32 len)
{
	u32 i;

	if (off < TRIVIO_PCI_MSIX_PBA) {
		image_read(m->msix_table, m->nvectors * 16, off, buf, len);
		return;
	}
	off -= TRIVIO_PCI_MSIX_PBA;
	for (i = 0; i < len; i++) {
		u32 bit = (off + i) * 8;

		buf[i] = bit < TRIVIO_PCI_MSIX_MAX ?
			 bitmap_get_value8(m->irq.pending, bit) : 0;
	}
}

static void msix_write(struct trivio_mdev *m, u32 off, const u8 *buf, u32 len)
{
	u32 size = m->nvectors * 16;

	if (off < size)
		memcpy(m->msix_table + off, buf, min(len, size - off));
}

static void device_read(struct trivio_mdev *m, u32 off, u8 *buf, u32 len)
{
	u32 size = m->dev->class->config_len(m->dev);
	u32 n = off < size ? min(len, size - off) : 0;

	memset(buf, 0, len);
	if (n)
		trivio_dev_config_read(m->dev, off, buf, n);
}

static void device_write(struct trivio_mdev *m, u32 off, const u8 *buf, u32 len)
{
	u32 size = m->dev->class->config_len(m->dev);

	if (off < size)
		trivio_dev_config_write(m->dev, off, buf,
					min(len, size - off));
}

/**
 * trivio_mdev_bar_read() - read from a BAR
 * @m: mediated device; its lock is held
 * @bar: BAR
 * @off: first byte
 * @buf: kernel buffer
 * @len: bytes, at most 8, and within one structure
 *
 * Whether the function decodes memory is the caller's matter.
 */
void trivio_mdev_bar_read(struct trivio_mdev *m, unsigned int bar, u32 off,
			  void *buf, u32 len)
{
	u32 at = off % TRIVIO_PCI_STRUCT;
	u8 image[COMMON_LEN];

	lockdep_assert_held(&m->lock);
	if (bar == TRIVIO_PCI_MSIX_BAR) {
		msix_read(m, off, buf, len);
		return;
	}
	memset(buf, 0, len);
	switch (off - at) {
	case TRIVIO_PCI_COMMON:
		common_image(m, image);
		image_read(image, COMMON_LEN, at, buf, len);
		break;
	case TRIVIO_PCI_ISR:
		/* Reading clears and lowers the line (virtio 1.2, 4.1.4.5). */
		if (!at)
			*(u8 *)buf = trivio_mdev_isr_read(m);
		break;
	case TRIVIO_PCI_DEVICE:
		device_read(m, at, buf, len);
		break;
	}
}

/**
 * trivio_mdev_bar_write() - write to a BAR; doorbells are not handled here
 * @m: mediated device; its lock is held
 * @bar: BAR
 * @off: first byte
 * @buf: kernel buffer
 * @len: bytes, at most 8, and within one structure
 */
void trivio_mdev_bar_write(struct trivio_mdev *m, unsigned int bar, u32 off,
			   const void *buf, u32 len)
{
	u32 at = off % TRIVIO_PCI_STRUCT;

	lockdep_assert_held(&m->lock);
	if (bar == TRIVIO_PCI_MSIX_BAR) {
		msix_write(m, off, buf, len);
		return;
	}
	switch (off - at) {
	case TRIVIO_PCI_COMMON:
		if (at < COMMON_LEN)
			common_write(m, at, buf, len);
		break;
	case TRIVIO_PCI_DEVICE:
		device_write(m, at, buf, len);
		break;
	}
}

/* --- reset, and when the function may not reach memory ------------------ */

/**
 * trivio_mdev_regs_reset() - transport registers after a device reset
 * @m: mediated device; its lock is held
 */
void trivio_mdev_regs_reset(struct trivio_mdev *m)
{
	u16 i;

	lockdep_assert_held(&m->lock);
	m->dev_feature_sel = 0;
	m->drv_feature_sel = 0;
	m->drv_features = 0;
	m->queue_sel = 0;
	WRITE_ONCE(m->config_vector, VIRTIO_MSI_NO_VECTOR);
	for (i = 0; i < m->nqueues; i++) {
		struct trivio_mdev_vq *vq = &m->vq[i];

		memset(vq, 0, sizeof(*vq));
		vq->num = m->set.ring;
		WRITE_ONCE(vq->vector, VIRTIO_MSI_NO_VECTOR);
	}
	trivio_mdev_irq_reset(m);
}

/**
 * trivio_mdev_reset() - the whole function back to power-on (VFIO, FLR)
 * @m: mediated device; its lock is held
 *
 * On return it touches no memory and raises nothing. Triggers stay: they are
 * the client's.
 */
void trivio_mdev_reset(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	trivio_mdev_bell_stop(m);
	trivio_dev_reset(m->dev);
	trivio_pci_cfg_reset(&m->cfg);
	memset(m->msix_table, 0, sizeof(m->msix_table));
	trivio_mdev_regs_reset(m);
	trivio_mdev_command(m);
	trivio_mdev_dma_drop(m);
	trivio_mdev_count(m, TRIVIO_MDEV_RESET, 1);
}

/**
 * trivio_mdev_hold() - hold or release the queues as the function now must
 * @m: mediated device; its lock is held
 *
 * Held without COMMAND.MASTER, in D3hot, and while migration has stopped
 * the device. Nothing is lost: rings are looked at when it is released.
 */
void trivio_mdev_hold(struct trivio_mdev *m)
{
	bool hold = m->stopped || trivio_pci_cfg_asleep(&m->cfg) ||
		    !(trivio_pci_cfg_command(&m->cfg) & PCI_COMMAND_MASTER);
	bool running = m->dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
	u16 i;

	lockdep_assert_held(&m->lock);
	if (hold == m->held)
		return;
	m->held = hold;
	if (hold) {
		trivio_mdev_bell_stop(m);
		if (running)
			trivio_dev_suspend(m->dev);
	}
	for (i = 0; i < m->nqueues; i++)
		m->dev->queue[i].enabled = m->vq[i].enabled && !hold;
	if (!hold && running) {
		/* May have been set going while held: then not suspended yet. */
		trivio_dev_suspend(m->dev);
		trivio_dev_resume(m->dev);
		trivio_mdev_bell_start(m);
	}
}

/**
 * trivio_mdev_command() - COMMAND or the power state may have changed
 * @m: mediated device; its lock is held
 */
void trivio_mdev_command(struct trivio_mdev *m)
{
	u16 command = trivio_pci_cfg_command(&m->cfg);

	lockdep_assert_held(&m->lock);
	WRITE_ONCE(m->decodes, command & PCI_COMMAND_MEMORY &&
		   !trivio_pci_cfg_asleep(&m->cfg));
	trivio_mdev_irq_command(m, command);
	trivio_mdev_hold(m);
}
