// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO asks of a device: open, close, regions, ioctls, mmap. Sizes, counts
 * and offsets come from user space unchecked: all bounds are checked here.
 */
#include <linux/nospec.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdev.h"

/* --- open and close ----------------------------------------------------- */

static int ops_open(struct vfio_device *vdev)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);
	int err;

	mutex_lock(&m->lock);
	err = trivio_mdev_dev_open(m);
	if (err)
		goto out;
	err = trivio_mdev_bell_open(m);
	if (err) {
		trivio_mdev_dev_close(m);
		goto out;
	}
	m->open = true;
	WRITE_ONCE(m->owner, task_tgid_nr(current));
out:
	mutex_unlock(&m->lock);
	return err;
}

static void ops_close(struct vfio_device *vdev)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);

	mutex_lock(&m->lock);
	/* Sources of kicks first, then the device, then where calls go. */
	trivio_mdev_bell_close(m);
	trivio_mdev_dev_close(m);
	trivio_mdev_mig_reset(m);
	trivio_mdev_bell_free(m);
	m->open = false;
	WRITE_ONCE(m->owner, 0);
	mutex_unlock(&m->lock);
	trivio_mdev_irq_close(m);
}

static void ops_request(struct vfio_device *vdev, unsigned int count)
{
	trivio_mdev_irq_request(to_trivio_mdev(vdev), count);
}

static void ops_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	trivio_mdev_dma_unmap(to_trivio_mdev(vdev), iova, length);
}

/* --- regions ------------------------------------------------------------ */

static u64 region_size(struct trivio_mdev *m, unsigned int index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return TRIVIO_PCI_CFG_SIZE;
	if (index <= VFIO_PCI_BAR5_REGION_INDEX) {
		index = array_index_nospec(index,
					   VFIO_PCI_BAR5_REGION_INDEX + 1);
		return m->cfg.bar_size[index];	/* nospec: above */
	}
	return 0;
}

/*
 * The way into the BARs for firmware that has not mapped them: it works without
 * COMMAND.MEMORY (virtio 1.2, 4.1.4.9).
 */
static bool window_open(struct trivio_mdev *m, struct trivio_pci_window *w)
{
	return !trivio_pci_cfg_asleep(&m->cfg) &&
	       trivio_pci_cfg_window(&m->cfg, w);
}

static void window_read(struct trivio_mdev *m)
{
	struct trivio_pci_window w;
	u8 *data = m->cfg.val + TRIVIO_PCI_CAP_WINDOW + 16;

	if (window_open(m, &w))
		trivio_mdev_bar_read(m, w.bar, w.off, data, w.len);
}

static void window_write(struct trivio_mdev *m)
{
	struct trivio_pci_window w;
	const u8 *data = m->cfg.val + TRIVIO_PCI_CAP_WINDOW + 16;

	if (!window_open(m, &w))
		return;
	if (w.bar == TRIVIO_PCI_BAR && w.off >= TRIVIO_PCI_NOTIFY)
		trivio_mdev_bell_write(m, w.off - TRIVIO_PCI_NOTIFY);
	else
		trivio_mdev_bar_write(m, w.bar, w.off, data, w.len);
}

static void config_read(struct trivio_mdev *m, u32 off, u8 *buf, u32 len)
{
	if (trivio_pci_cfg_overlaps(off, len, TRIVIO_PCI_CAP_WINDOW + 16, 4))
		window_read(m);
	trivio_pci_cfg_read(&m->cfg, off, buf, len);
	if (trivio_pci_cfg_overlaps(off, len, PCI_STATUS, 1) &&
	    trivio_mdev_isr_pending(m))
		buf[PCI_STATUS - off] |= PCI_STATUS_INTERRUPT;
}

static void config_write(struct trivio_mdev *m, u32 off, const u8 *buf, u32 len)
{
	u32 ev = trivio_pci_cfg_write(&m->cfg, off, buf, len);

	if (ev & TRIVIO_PCI_EV_FLR) {
		trivio_mdev_reset(m);
		return;
	}
	if (ev & (TRIVIO_PCI_EV_COMMAND | TRIVIO_PCI_EV_POWER))
		trivio_mdev_command(m);
	if (ev & TRIVIO_PCI_EV_WINDOW)
		window_write(m);
}

/* A function that does not decode memory reads as all ones, as on a bus. */
static void bar_access(struct trivio_mdev *m, unsigned int bar, u32 off,
		       u8 *buf, u32 len, bool write)
{
	if (!m->decodes) {
		if (!write)
			memset(buf, 0xff, len);
	} else if (write) {
		trivio_mdev_bar_write(m, bar, off, buf, len);
	} else {
		trivio_mdev_bar_read(m, bar, off, buf, len);
	}
}

/* One access of at most 8 bytes, aligned to its size. */
static void access_one(struct trivio_mdev *m, unsigned int index, u32 off,
		       u8 *buf, u32 len, bool write)
{
	/* Doorbells take no lock: the caller may be holding up a whole VM. */
	if (index == TRIVIO_PCI_BAR && off >= TRIVIO_PCI_NOTIFY) {
		bool decodes = READ_ONCE(m->decodes);

		if (!write)
			memset(buf, decodes ? 0 : 0xff, len);
		else if (decodes)
			trivio_mdev_bell_write(m, off - TRIVIO_PCI_NOTIFY);
		return;
	}
	mutex_lock(&m->lock);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		if (write)
			config_write(m, off, buf, len);
		else
			config_read(m, off, buf, len);
	} else {
		bar_access(m, index, off, buf, len, write);
	}
	mutex_unlock(&m->lock);
}

/*
 * Any count at any position: split into naturally aligned accesses, as a bus
 * would. A fault half way gives a short count.
 */
static ssize_t ops_access(struct trivio_mdev *m, char __user *ubuf,
			  size_t count, loff_t *ppos, bool write)
{
	unsigned int index = TRIVIO_VFIO_INDEX(*ppos);
	u64 pos = *ppos & TRIVIO_VFIO_MASK;
	u64 size = region_size(m, index);
	size_t done = 0;

	if (*ppos < 0 || index >= VFIO_PCI_NUM_REGIONS || !size)
		return -EINVAL;
	if (pos > size || (pos == size && count && index ==
			   VFIO_PCI_CONFIG_REGION_INDEX))
		return -EINVAL;
	count = min_t(u64, count, size - pos);

	while (done < count) {
		u8 buf[8] = { };
		u32 len = 8;

		while (len > count - done || pos & (len - 1))
			len >>= 1;
		if (write && copy_from_user(buf, ubuf + done, len))
			break;
		access_one(m, index, pos, buf, len, write);
		if (!write && copy_to_user(ubuf + done, buf, len))
			break;
		done += len;
		pos += len;
		cond_resched();
	}
	if (!done && count)
		return -EFAULT;
	*ppos += done;
	return done;
}

static ssize_t ops_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	return ops_access(to_trivio_mdev(vdev), buf, count, ppos, false);
}

static ssize_t ops_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	return ops_access(to_trivio_mdev(vdev), (char __user *)buf, count, ppos,
			  true);
}

static int ops_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	return trivio_mdev_mmap(to_trivio_mdev(vdev), vma);
}

/* --- ioctls ------------------------------------------------------------- */

static int get_info(void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = { };

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static int region_caps(struct trivio_mdev *m, struct vfio_region_info *info,
		       struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t size = struct_size(sparse, areas, 1);
	int err;

	sparse = kzalloc(size, GFP_KERNEL);
	if (!sparse)
		return -ENOMEM;
	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = 1;
	sparse->areas[0].offset = TRIVIO_PCI_NOTIFY;
	sparse->areas[0].size = (u64)m->nqueues * TRIVIO_PCI_NOTIFY_MUL;
	err = vfio_info_add_capability(caps, &sparse->header, size);
	kfree(sparse);
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return err;
}

static int get_region_info(struct trivio_mdev *m, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = { };
	struct vfio_region_info info = { };
	int err = 0;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info.flags = 0;
	info.cap_offset = 0;
	info.offset = TRIVIO_VFIO_OFFSET(info.index);
	info.size = region_size(m, info.index);
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ |
			     VFIO_REGION_INFO_FLAG_WRITE;
	if (info.index == TRIVIO_PCI_BAR && trivio_mdev_bell_mmap(m)) {
		err = region_caps(m, &info, &caps);
		if (err)
			return err;
	}
	if (caps.size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.size) {
			info.argsz = sizeof(info) + caps.size;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			if (copy_to_user(arg + sizeof(info), caps.buf,
					 caps.size))
				err = -EFAULT;
			info.cap_offset = sizeof(info);
		}
		kfree(caps.buf);
	}
	if (!err && copy_to_user(arg, &info, minsz))
		err = -EFAULT;
	return err;
}

static int get_irq_info(struct trivio_mdev *m, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info = { };
	int count;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	count = trivio_mdev_irq_count(m, info.index);
	if (count < 0)
		return count;
	info.count = count;
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index == VFIO_PCI_REQ_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static int set_irqs(struct trivio_mdev *m, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set hdr;
	void *data = NULL;
	size_t size;
	int count, err;

	if (copy_from_user(&hdr, arg, minsz))
		return -EFAULT;
	count = trivio_mdev_irq_count(m, hdr.index);
	if (count < 0)
		return count;
	/* The helper lets several data types or actions through as one. */
	if (hweight32(hdr.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) != 1)
		return -EINVAL;
	err = vfio_set_irqs_validate_and_prepare(&hdr, count, VFIO_PCI_NUM_IRQS,
						 &size);
	if (err)
		return err;
	if (size) {
		data = memdup_user(arg + minsz, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	} else if ((hdr.flags & VFIO_IRQ_SET_DATA_TYPE_MASK) !=
		   VFIO_IRQ_SET_DATA_NONE) {
		/* No data where some is promised: count is 0. */
		return -EINVAL;
	}
	err = trivio_mdev_set_irqs(m, &hdr, data);
	kfree(data);
	return err;
}

static int do_reset(struct trivio_mdev *m)
{
	mutex_lock(&m->lock);
	trivio_mdev_reset(m);
	trivio_mdev_mig_reset(m);
	mutex_unlock(&m->lock);
	return 0;
}

static int set_ioeventfd(struct trivio_mdev *m, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_device_ioeventfd, fd);
	struct vfio_device_ioeventfd io;
	int err;

	if (copy_from_user(&io, arg, minsz))
		return -EFAULT;
	if (io.argsz < minsz)
		return -EINVAL;
	mutex_lock(&m->lock);
	err = trivio_mdev_ioeventfd(m, &io);
	mutex_unlock(&m->lock);
	return err;
}

static long ops_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(uarg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(m, uarg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info(m, uarg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(m, uarg);
	case VFIO_DEVICE_RESET:
		return do_reset(m);
	case VFIO_DEVICE_IOEVENTFD:
		return set_ioeventfd(m, uarg);
	}
	return -ENOTTY;
}

const struct vfio_device_ops trivio_mdev_ops = {
	.name = "trivio_vfio",
	.init = trivio_mdev_vdev_init,
	.release = trivio_mdev_vdev_release,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
	.open_device = ops_open,
	.close_device = ops_close,
	.read = ops_read,
	.write = ops_write,
	.ioctl = ops_ioctl,
	.mmap = ops_mmap,
	.request = ops_request,
	.dma_unmap = ops_dma_unmap,
};
