// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw dumps for people who debug a ring: trivio/<device>/q<index>/ring shows
 * every descriptor and both index rings as they lie in guest memory. Root only,
 * since guest addresses are in it, and no stable format: tools use netlink.
 *
 * A ring is mapped and unmapped under its queue's lock only, so the lock is all
 * a dump needs, even if a port serves the ring directly meanwhile; then the dump
 * is a blurred picture, but never a wild read.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/seq_file.h>
#include <linux/virtio_ring.h>

#include "core.h"

/*
 * Who holds a queue's lock may sleep in a page fault that user space serves, and
 * removing the file waits for its readers: so a reader gives up.
 */
#define LOCK_TRIES	50

static struct dentry *root;

static bool ring_lock(struct trivio_queue *q)
{
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (mutex_trylock(&q->lock))
			return true;
		usleep_range(100, 200);
	}
	return false;
}

static u16 split_event(const void *ring16, u32 num, u32 entry)
{
	const __le16 *p = ring16 + 4 + (size_t)num * entry;

	return le16_to_cpu(READ_ONCE(*p));
}

static void show_split_head(struct seq_file *m, const struct trivio_ring *r)
{
	const __le16 *avail = r->driver;
	const __le16 *used = r->device;

	seq_printf(m, "avail flags=0x%x idx=%u",
		   le16_to_cpu(READ_ONCE(avail[0])),
		   le16_to_cpu(READ_ONCE(avail[1])));
	if (r->event_idx)
		seq_printf(m, " used_event=%u",
			   split_event(avail, r->num, 2));
	seq_printf(m, "\nused flags=0x%x idx=%u",
		   le16_to_cpu(READ_ONCE(used[0])),
		   le16_to_cpu(READ_ONCE(used[1])));
	if (r->event_idx)
		seq_printf(m, " avail_event=%u",
			   split_event(used, r->num, 8));
	seq_puts(m, "\nslot  desc.addr        desc.len desc.flags desc.next  avail  used.id used.len\n");
}

static void show_packed_event(struct seq_file *m, const char *who,
			      const struct vring_packed_desc_event *e)
{
	u16 off = le16_to_cpu(READ_ONCE(e->off_wrap));

	seq_printf(m, "%s event off=%u wrap=%u flags=%u\n", who,
		   off & 0x7fff, off >> 15, le16_to_cpu(READ_ONCE(e->flags)));
}

static void show_head(struct seq_file *m, const struct trivio_queue *q)
{
	const struct trivio_ring *r = &q->ring;

	seq_printf(m, "%s queue %u: %s ring of %u, last_avail=%u last_used=%u inflight=%u\n",
		   q->dev->name, q->index, r->packed ? "packed" : "split",
		   r->num, r->last_avail, r->last_used, r->inflight);
	if (!r->packed) {
		show_split_head(m, r);
		return;
	}
	show_packed_event(m, "driver", r->driver);
	show_packed_event(m, "device", r->device);
	seq_puts(m, "slot  desc.addr        desc.len desc.id desc.flags\n");
}

static void show_split(struct seq_file *m, const struct trivio_ring *r, u32 i)
{
	const struct vring_desc *d = r->desc + i * sizeof(*d);
	const __le16 *avail = r->driver + 4;
	const __le32 *used = r->device + 4;

	seq_printf(m, "%5u %016llx %8u     0x%04x     %5u  %5u %8u %8u\n", i,
		   le64_to_cpu((__force __le64)READ_ONCE(d->addr)),
		   le32_to_cpu((__force __le32)READ_ONCE(d->len)),
		   le16_to_cpu((__force __le16)READ_ONCE(d->flags)),
		   le16_to_cpu((__force __le16)READ_ONCE(d->next)),
		   le16_to_cpu(READ_ONCE(avail[i])),
		   le32_to_cpu(READ_ONCE(used[2 * i])),
		   le32_to_cpu(READ_ONCE(used[2 * i + 1])));
}

static void show_packed(struct seq_file *m, const struct trivio_ring *r, u32 i)
{
	const struct vring_packed_desc *d = r->desc + i * sizeof(*d);

	seq_printf(m, "%5u %016llx %8u   %5u     0x%04x\n", i,
		   le64_to_cpu(READ_ONCE(d->addr)),
		   le32_to_cpu(READ_ONCE(d->len)),
		   le16_to_cpu(READ_ONCE(d->id)),
		   le16_to_cpu(READ_ONCE(d->flags)));
}

/*
 * Record 0 is the heading, 1 to num are the slots. The lock is held from start
 * to stop, that is for one buffer of text.
 */
static void *ring_seq_start(struct seq_file *m, loff_t *pos)
{
	struct trivio_queue *q = m->private;

	if (!ring_lock(q))
		return ERR_PTR(-EBUSY);
	return *pos <= (q->mapped ? q->ring.num : 0) ? pos : NULL;
}

static void *ring_seq_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct trivio_queue *q = m->private;

	++*pos;
	return *pos <= (q->mapped ? q->ring.num : 0) ? pos : NULL;
}

static void ring_seq_stop(struct seq_file *m, void *v)
{
	struct trivio_queue *q = m->private;

	/* After an error of start there is nothing to undo. */
	if (!IS_ERR(v))
		mutex_unlock(&q->lock);
}

static int ring_seq_show(struct seq_file *m, void *v)
{
	struct trivio_queue *q = m->private;
	loff_t pos = *(loff_t *)v;

	if (!q->mapped)
		seq_puts(m, "not mapped\n");
	else if (!pos)
		show_head(m, q);
	else if (q->ring.packed)
		show_packed(m, &q->ring, pos - 1);
	else
		show_split(m, &q->ring, pos - 1);
	return 0;
}

static const struct seq_operations ring_sops = {
	.start	= ring_seq_start,
	.next	= ring_seq_next,
	.stop	= ring_seq_stop,
	.show	= ring_seq_show,
};

DEFINE_SEQ_ATTRIBUTE(ring);

/**
 * trivio_debugfs_add() - show the rings of a new device
 * @dev: device
 *
 * A failure leaves files out and is no error, as everywhere in debugfs.
 *
 * Context: may sleep.
 */
void trivio_debugfs_add(struct trivio_dev *dev)
{
	struct dentry *dir = debugfs_create_dir(dev->name, root);
	char name[16];
	u16 i;

	if (IS_ERR(dir))
		return;
	for (i = 0; i < dev->nqueues; i++) {
		snprintf(name, sizeof(name), "q%u", i);
		debugfs_create_file("ring", 0400, debugfs_create_dir(name, dir),
				    &dev->queue[i], &ring_fops);
	}
}

/**
 * trivio_debugfs_remove() - take the files of a device away
 * @dev: device
 *
 * On return no reader is in them.
 *
 * Context: may sleep.
 */
void trivio_debugfs_remove(struct trivio_dev *dev)
{
	debugfs_lookup_and_remove(dev->name, root);
}

/**
 * trivio_debugfs_init() - the module's folder
 */
void trivio_debugfs_init(void)
{
	root = debugfs_create_dir("trivio", NULL);
}

/**
 * trivio_debugfs_exit() - the folder goes
 */
void trivio_debugfs_exit(void)
{
	debugfs_remove(root);
}
