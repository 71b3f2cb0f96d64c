// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration, version 2 of VFIO's protocol (include/uapi/linux/vfio.h): states
 * STOP, RUNNING, STOP_COPY, RESUMING, with the P2P and PRE_COPY ones.
 *
 * The stream is a header, which is all there is to send while the device runs
 * (the target can refuse early), and the state of the stopped device. Guest
 * memory is the VMM's affair: the container knows what was pinned and so may be
 * dirty. That is every page in our cache each time it looks, so while the VMM
 * pre-copies the cache is kept small.
 *
 * A stream comes from somebody who may not be trusted: lengths, counts, vectors,
 * feature bits and what must be zero are checked before anything is applied. The
 * rest goes through the functions that the driver's own writes go through, and a
 * ring position that makes no sense there leaves the device reset.
 *
 * What the driver made of the device as a net or block device comes from the
 * core, as bytes behind the queues.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_pci.h>

#include "mdev.h"

#define MAGIC		0x6f697674	/* "tvio" */
#define VERSION		2

/* Little endian, no holes. */
struct head {
	__le32 magic;
	__le16 version;
	__le16 virtio_id;
	__le64 offered;
	__le32 config_len;
	__le16 nqueues;
	__le16 ring;
	__le32 total;
	__le32 class_len;
} __packed;

struct state_vq {
	__le64 desc;
	__le64 driver;
	__le64 device;
	__le32 position;
	__le16 num;
	__le16 vector;
	u8 enabled;
	u8 reserved[7];
} __packed;

struct state {
	__le64 features;
	__le32 dev_feature_sel;
	__le32 drv_feature_sel;
	__le16 config_vector;
	__le16 queue_sel;
	u8 status;
	u8 isr;
	u8 reserved[2];
	u8 cfg[TRIVIO_PCI_CFG_BYTES];
	u8 msix_table[TRIVIO_PCI_MSIX_MAX * 16];
	u8 msix_pending[TRIVIO_PCI_MSIX_MAX / 8];
	struct state_vq vq[];
} __packed;

/**
 * struct mig_file - one data transfer
 * @lock: everything here; never held together with &trivio_mdev.lock by the
 *	file's own calls, taken inside it by ours
 * @users: the file and the device
 * @buf: the stream
 * @size: bytes it has, or will have
 * @pos: read or written so far
 * @avail: saving: bytes that may be read by now
 * @precopy: saving: more will come
 * @dead: the state machine has moved on
 */
struct mig_file {
	struct mutex lock; /* all of it */
	refcount_t users;
	u8 *buf;
	size_t size;
	size_t pos;
	size_t avail;
	bool precopy;
	bool dead;
};

/**
 * struct trivio_mdev_mig - migration of one mediated device
 * @state: where it is; under &trivio_mdev.lock
 * @file: transfer in progress, or NULL; likewise
 */
struct trivio_mdev_mig {
	enum vfio_device_mig_state state;
	struct mig_file *file;
};

/* --- the file ------------------------------------------------------------ */

static void file_put(struct mig_file *f)
{
	if (!refcount_dec_and_test(&f->users))
		return;
	kvfree(f->buf);
	kfree(f);
}

static int file_release(struct inode *inode, struct file *filp)
{
	file_put(filp->private_data);
	return 0;
}

static ssize_t file_read(struct file *filp, char __user *buf, size_t len,
			 loff_t *ppos)
{
	struct mig_file *f = filp->private_data;
	ssize_t ret;

	if (ppos && filp->f_mode & FMODE_LSEEK)
		return -ESPIPE;
	mutex_lock(&f->lock);
	if (f->dead) {
		ret = -ENODEV;
	} else if (f->pos == f->avail && f->precopy) {
		ret = -ENOMSG;
	} else {
		len = min(len, f->avail - f->pos);
		ret = len;
		if (copy_to_user(buf, f->buf + f->pos, len))
			ret = -EFAULT;
		else
			f->pos += len;
	}
	mutex_unlock(&f->lock);
	return ret;
}

static ssize_t file_write(struct file *filp, const char __user *buf, size_t len,
			  loff_t *ppos)
{
	struct mig_file *f = filp->private_data;
	ssize_t ret = len;

	mutex_lock(&f->lock);
	if (f->dead)
		ret = -ENODEV;
	else if (len > f->size - f->pos)
		ret = -ENOSPC;
	else if (copy_from_user(f->buf + f->pos, buf, len))
		ret = -EFAULT;
	else
		f->pos += len;
	mutex_unlock(&f->lock);
	return ret;
}

static long file_precopy_info(struct mig_file *f, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct vfio_precopy_info info = { };
	int err = 0;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = 0;
	info.dirty_bytes = 0;
	mutex_lock(&f->lock);
	if (f->dead)
		err = -ENODEV;
	else if (!f->precopy)
		err = -EINVAL;
	else
		info.initial_bytes = f->avail - f->pos;
	mutex_unlock(&f->lock);
	if (!err && copy_to_user(arg, &info, minsz))
		err = -EFAULT;
	return err;
}

static long file_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	return file_precopy_info(filp->private_data, (void __user *)arg);
}

static const struct file_operations save_fops = {
	.owner = THIS_MODULE,
	.read = file_read,
	.unlocked_ioctl = file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = file_release,
};

static const struct file_operations load_fops = {
	.owner = THIS_MODULE,
	.write = file_write,
	.release = file_release,
};

static size_t class_off(const struct trivio_mdev *m)
{
	return sizeof(struct head) +
	       struct_size_t(struct state, vq, m->nqueues);
}

/* -EOPNOTSUPP for a device that can't move. */
static ssize_t stream_size(const struct trivio_mdev *m)
{
	int len = m->dev->class->state_len(m->dev);

	return len < 0 ? len : (ssize_t)class_off(m) + len;
}

static struct file *file_new(struct trivio_mdev *m, bool save)
{
	ssize_t size = stream_size(m);
	struct mig_file *f;
	struct file *filp;

	lockdep_assert_held(&m->lock);
	if (size < 0)
		return ERR_PTR(size);
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	mutex_init(&f->lock);
	refcount_set(&f->users, 2);
	f->size = size;
	f->buf = kvzalloc(f->size, GFP_KERNEL_ACCOUNT);
	if (!f->buf) {
		kfree(f);
		return ERR_PTR(-ENOMEM);
	}
	filp = anon_inode_getfile("trivio-migration",
				  save ? &save_fops : &load_fops, f,
				  save ? O_RDONLY : O_WRONLY);
	if (IS_ERR(filp)) {
		kvfree(f->buf);
		kfree(f);
		return filp;
	}
	stream_open(filp->f_inode, filp);
	m->mig->file = f;
	return filp;
}

/* What is left of the file can only be closed. */
static void file_end(struct trivio_mdev *m)
{
	struct mig_file *f = m->mig->file;

	lockdep_assert_held(&m->lock);
	if (!f)
		return;
	mutex_lock(&f->lock);
	f->dead = true;
	mutex_unlock(&f->lock);
	m->mig->file = NULL;
	file_put(f);
}

/* --- saving --------------------------------------------------------------- */

static void save_head(struct trivio_mdev *m, struct head *h)
{
	h->magic = cpu_to_le32(MAGIC);
	h->version = cpu_to_le16(VERSION);
	h->virtio_id = cpu_to_le16(m->dev->class->id);
	h->offered = cpu_to_le64(m->dev->offered);
	h->config_len = cpu_to_le32(m->dev->class->config_len(m->dev));
	h->nqueues = cpu_to_le16(m->nqueues);
	h->ring = cpu_to_le16(m->set.ring);
	h->total = cpu_to_le32(stream_size(m));
	h->class_len = cpu_to_le32(m->dev->class->state_len(m->dev));
}

static void save_state(struct trivio_mdev *m, struct state *s)
{
	u16 i;

	s->features = cpu_to_le64(m->drv_features);
	s->dev_feature_sel = cpu_to_le32(m->dev_feature_sel);
	s->drv_feature_sel = cpu_to_le32(m->drv_feature_sel);
	s->config_vector = cpu_to_le16(m->config_vector);
	s->queue_sel = cpu_to_le16(m->queue_sel);
	s->status = m->dev->status;
	s->isr = m->irq.isr;
	memcpy(s->cfg, m->cfg.val, sizeof(s->cfg));
	memcpy(s->msix_table, m->msix_table, sizeof(s->msix_table));
	for (i = 0; i < sizeof(s->msix_pending); i++)
		s->msix_pending[i] = bitmap_get_value8(m->irq.pending, i * 8);
	for (i = 0; i < m->nqueues; i++) {
		struct trivio_mdev_vq *vq = &m->vq[i];
		struct state_vq *o = &s->vq[i];

		o->desc = cpu_to_le64(vq->desc);
		o->driver = cpu_to_le64(vq->driver);
		o->device = cpu_to_le64(vq->device);
		o->num = cpu_to_le16(vq->num);
		o->vector = cpu_to_le16(vq->vector);
		o->enabled = vq->enabled;
		o->position = cpu_to_le32(trivio_queue_get_state(&m->dev->queue[i]));
	}
}

static struct file *save_begin(struct trivio_mdev *m, bool precopy)
{
	struct file *filp = file_new(m, true);
	struct mig_file *f;

	if (IS_ERR(filp))
		return filp;
	f = m->mig->file;
	save_head(m, (struct head *)f->buf);
	f->avail = sizeof(struct head);
	f->precopy = precopy;
	return filp;
}

/* The device is stopped: the rest of the stream is there. */
static void save_end(struct trivio_mdev *m)
{
	struct mig_file *f = m->mig->file;

	mutex_lock(&f->lock);
	save_state(m, (struct state *)(f->buf + sizeof(struct head)));
	m->dev->class->state_save(m->dev, f->buf + class_off(m));
	f->avail = f->size;
	f->precopy = false;
	mutex_unlock(&f->lock);
}

/* --- loading -------------------------------------------------------------- */

static int load_check_head(struct trivio_mdev *m, const struct head *h)
{
	/* The source must have offered no more than we do, and no other shape. */
	if (le32_to_cpu(h->magic) != MAGIC ||
	    le16_to_cpu(h->version) != VERSION ||
	    le16_to_cpu(h->virtio_id) != m->dev->class->id ||
	    le32_to_cpu(h->config_len) !=
	    m->dev->class->config_len(m->dev) ||
	    le16_to_cpu(h->nqueues) != m->nqueues ||
	    le16_to_cpu(h->ring) > m->set.ring ||
	    le32_to_cpu(h->total) != stream_size(m) ||
	    le32_to_cpu(h->class_len) != m->dev->class->state_len(m->dev))
		return -EINVAL;
	return le64_to_cpu(h->offered) & ~m->dev->offered ? -EINVAL : 0;
}

static bool vector_ok(struct trivio_mdev *m, __le16 vector)
{
	return le16_to_cpu(vector) == VIRTIO_MSI_NO_VECTOR ||
	       le16_to_cpu(vector) < m->nvectors;
}

static int load_check(struct trivio_mdev *m, const struct state *s)
{
	u64 features = le64_to_cpu(s->features);
	u16 i;

	if (s->status & VIRTIO_CONFIG_S_FEATURES_OK &&
	    (features & ~m->dev->offered ||
	     !(features & BIT_ULL(VIRTIO_F_VERSION_1))))
		return -EINVAL;
	if (s->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(s->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EINVAL;
	if (!vector_ok(m, s->config_vector) || s->isr & ~3)
		return -EINVAL;
	/* What no write can change must be the same. */
	for (i = 0; i < TRIVIO_PCI_CFG_BYTES; i++) {
		if ((s->cfg[i] ^ m->cfg.init[i]) & ~m->cfg.wmask[i])
			return -EINVAL;
	}
	/* No write can have led to D1 or D2. */
	if ((s->cfg[TRIVIO_PCI_CAP_PM + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK) % 3)
		return -EINVAL;
	if (memchr_inv(s->reserved, 0, sizeof(s->reserved)) ||
	    memchr_inv(s->msix_table + 16 * m->nvectors, 0,
		       sizeof(s->msix_table) - 16 * m->nvectors))
		return -EINVAL;
	for (i = m->nvectors; i < TRIVIO_PCI_MSIX_MAX; i++) {
		if (s->msix_pending[i / 8] & BIT(i % 8))
			return -EINVAL;
	}
	for (i = 0; i < m->nqueues; i++) {
		const struct state_vq *v = &s->vq[i];
		u16 num = le16_to_cpu(v->num);

		if (v->enabled > 1 || !vector_ok(m, v->vector) ||
		    memchr_inv(v->reserved, 0, sizeof(v->reserved)))
			return -EINVAL;
		if (v->enabled && (!num || num > m->set.ring ||
				   !(s->status & VIRTIO_CONFIG_S_FEATURES_OK)))
			return -EINVAL;
	}
	return 0;
}

static int load_queue(struct trivio_mdev *m, u16 i, const struct state_vq *v)
{
	struct trivio_queue *q = &m->dev->queue[i];
	struct trivio_mdev_vq *vq = &m->vq[i];
	int err;

	vq->num = le16_to_cpu(v->num);
	WRITE_ONCE(vq->vector, le16_to_cpu(v->vector));
	vq->desc = le64_to_cpu(v->desc);
	vq->driver = le64_to_cpu(v->driver);
	vq->device = le64_to_cpu(v->device);
	if (!v->enabled)
		return 0;
	err = trivio_queue_set_num(q, vq->num);
	if (err)
		return err;
	trivio_queue_set_addr(q, vq->desc, vq->driver, vq->device);
	err = trivio_queue_set_state(q, le32_to_cpu(v->position));
	if (err)
		return err;
	vq->enabled = true;
	return 0;
}

static int load_apply(struct trivio_mdev *m, const struct state *s,
		      const void *class_state)
{
	u8 status = s->status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	unsigned int i;
	int err;

	memcpy(m->cfg.val, s->cfg, sizeof(m->cfg.val));
	memcpy(m->msix_table, s->msix_table, sizeof(m->msix_table));
	m->dev_feature_sel = le32_to_cpu(s->dev_feature_sel);
	m->drv_feature_sel = le32_to_cpu(s->drv_feature_sel);
	m->drv_features = le64_to_cpu(s->features);
	m->queue_sel = le16_to_cpu(s->queue_sel);
	WRITE_ONCE(m->config_vector, le16_to_cpu(s->config_vector));
	if (status & VIRTIO_CONFIG_S_FEATURES_OK) {
		err = trivio_dev_set_features(m->dev, m->drv_features);
		if (err)
			return err;
	}
	err = m->dev->class->state_load(m->dev, class_state);
	if (err)
		return err;
	for (i = 0; i < m->nqueues; i++) {
		err = load_queue(m, i, &s->vq[i]);
		if (err)
			return err;
	}
	/* Held: DRIVER_OK starts nothing yet. */
	if (status)
		trivio_dev_set_status(m->dev, status);
	if (s->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		trivio_dev_needs_reset(m->dev);
	trivio_mdev_irq_load(m, s->isr, s->msix_pending);
	trivio_mdev_command(m);
	return 0;
}

static u64 accepted(const struct state *s)
{
	return s->status & VIRTIO_CONFIG_S_FEATURES_OK ?
	       le64_to_cpu(s->features) : 0;
}

static int load_end(struct trivio_mdev *m)
{
	const struct trivio_class_ops *class = m->dev->class;
	struct mig_file *f = m->mig->file;
	const struct head *h = (const struct head *)f->buf;
	const struct state *s = (const struct state *)(h + 1);
	int err = -EINVAL;

	mutex_lock(&f->lock);
	/* A client that resumes without data keeps the device as it is. */
	if (!f->pos)
		err = 0;
	else if (f->pos == f->size)
		err = load_check_head(m, h) ?: load_check(m, s) ?:
		      class->state_check(m->dev, f->buf + class_off(m),
					 accepted(s));
	if (!err && f->pos) {
		trivio_mdev_reset(m);
		err = load_apply(m, s, f->buf + class_off(m));
		if (err)
			trivio_mdev_reset(m);
	}
	mutex_unlock(&f->lock);
	return err;
}

/* --- states --------------------------------------------------------------- */

static void stop(struct trivio_mdev *m, bool stopped)
{
	WRITE_ONCE(m->stopped, stopped);
	trivio_mdev_hold(m);
	if (!stopped)
		trivio_mdev_irq_run(m);
}

static struct file *step(struct trivio_mdev *m,
			 enum vfio_device_mig_state new)
{
	enum vfio_device_mig_state cur = m->mig->state;
	struct file *filp;
	int err;

#define ARC(a, b) (cur == VFIO_DEVICE_STATE_##a && \
		   new == VFIO_DEVICE_STATE_##b)
	if (ARC(RUNNING, RUNNING_P2P) || ARC(PRE_COPY, PRE_COPY_P2P)) {
		stop(m, true);
		return NULL;
	}
	if (ARC(RUNNING_P2P, RUNNING) || ARC(PRE_COPY_P2P, PRE_COPY)) {
		stop(m, false);
		return NULL;
	}
	/* Nothing is left to do: doorbells of the others find a held queue. */
	if (ARC(RUNNING_P2P, STOP) || ARC(STOP, RUNNING_P2P))
		return NULL;
	if (ARC(RUNNING, PRE_COPY) || ARC(RUNNING_P2P, PRE_COPY_P2P)) {
		filp = save_begin(m, true);
		if (!IS_ERR(filp))
			trivio_mdev_dma_small(m, true);
		return filp;
	}
	if (ARC(PRE_COPY, RUNNING) || ARC(PRE_COPY_P2P, RUNNING_P2P)) {
		trivio_mdev_dma_small(m, false);
		file_end(m);
		return NULL;
	}
	if (ARC(PRE_COPY_P2P, STOP_COPY)) {
		save_end(m);
		return NULL;
	}
	if (ARC(STOP, STOP_COPY)) {
		filp = save_begin(m, false);
		if (!IS_ERR(filp))
			save_end(m);
		return filp;
	}
	if (ARC(STOP_COPY, STOP)) {
		trivio_mdev_dma_small(m, false);
		file_end(m);
		return NULL;
	}
	if (ARC(STOP, RESUMING))
		return file_new(m, false);
	if (ARC(RESUMING, STOP)) {
		err = load_end(m);
		file_end(m);
		return ERR_PTR(err);
	}
#undef ARC
	return ERR_PTR(-EINVAL);
}

static struct file *mig_set_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state new)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);
	struct file *filp = NULL;

	mutex_lock(&m->lock);
	/* Before it is stopped half way there. */
	if (new >= VFIO_DEVICE_STATE_STOP_COPY &&
	    new != VFIO_DEVICE_STATE_RUNNING_P2P) {
		ssize_t size = stream_size(m);

		if (size < 0) {
			mutex_unlock(&m->lock);
			return ERR_PTR(size);
		}
	}
	while (m->mig->state != new) {
		enum vfio_device_mig_state next;
		int err;

		err = vfio_mig_get_next_state(vdev, m->mig->state, new, &next);
		if (err) {
			filp = ERR_PTR(err);
			break;
		}
		filp = step(m, next);
		if (IS_ERR(filp)) {
			/* Data that was refused leaves no state to go on with. */
			if (m->mig->state == VFIO_DEVICE_STATE_RESUMING)
				m->mig->state = VFIO_DEVICE_STATE_ERROR;
			break;
		}
		m->mig->state = next;
		/* Only the last step of a path gives a file. */
		if (filp && next != new) {
			fput(filp);
			filp = ERR_PTR(-EINVAL);
			break;
		}
	}
	mutex_unlock(&m->lock);
	return filp;
}

static int mig_get_state(struct vfio_device *vdev,
			 enum vfio_device_mig_state *state)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);

	mutex_lock(&m->lock);
	*state = m->mig->state;
	mutex_unlock(&m->lock);
	return 0;
}

static int mig_get_data_size(struct vfio_device *vdev, unsigned long *size)
{
	struct trivio_mdev *m = to_trivio_mdev(vdev);
	ssize_t len;

	mutex_lock(&m->lock);
	len = stream_size(m);
	mutex_unlock(&m->lock);
	if (len < 0)
		return len;
	*size = len;
	return 0;
}

static const struct vfio_migration_ops mig_ops = {
	.migration_set_state = mig_set_state,
	.migration_get_state = mig_get_state,
	.migration_get_data_size = mig_get_data_size,
};

/**
 * trivio_mdev_mig_init() - a new mediated device can migrate
 * @m: mediated device
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_mdev_mig_init(struct trivio_mdev *m)
{
	m->mig = kzalloc(sizeof(*m->mig), GFP_KERNEL_ACCOUNT);
	if (!m->mig)
		return -ENOMEM;
	m->mig->state = VFIO_DEVICE_STATE_RUNNING;
	m->vdev.migration_flags = VFIO_MIGRATION_STOP_COPY |
				  VFIO_MIGRATION_P2P |
				  VFIO_MIGRATION_PRE_COPY;
	m->vdev.mig_ops = &mig_ops;
	return 0;
}

/**
 * trivio_mdev_mig_reset() - VFIO reset or close: running, whatever it was
 * @m: mediated device; its lock is held
 */
void trivio_mdev_mig_reset(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	file_end(m);
	trivio_mdev_dma_small(m, false);
	m->mig->state = VFIO_DEVICE_STATE_RUNNING;
	stop(m, false);
}
