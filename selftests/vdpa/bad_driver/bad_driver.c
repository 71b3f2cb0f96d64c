// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of vDPA block devices that has the bugs which a device with its own DMA
 * mapping finds: it makes one request of a split ring, with an address that is good or
 * wrong in a way that is asked for, and says what became of it.
 *
 *	echo bad_driver > /sys/bus/vdpa/devices/d0/driver_override
 *	echo d0 > /sys/bus/vdpa/drivers/bad_driver/bind
 *	echo read late > /sys/bus/vdpa/devices/d0/request
 *	cat /sys/bus/vdpa/devices/d0/request
 *
 * What is written is WHAT, BUG and a byte to fill data with:
 *
 *	read, write	the data of a request has the bug
 *	table		its table of indirect descriptors has
 *	ring		the descriptor table of the queue has
 *
 * The device is reset before each request, and left as it is after it, to be looked at.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_choices.h>
#include <linux/sysfs.h>
#include <linux/vdpa.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_blk.h>

#define BAD_NUM		8
/* Not 0, so that an error which names the head really has it. */
#define BAD_HEAD	3
#define BAD_SECTOR	8

/* A buffer is inside its page: what is before and behind it is seen, too. */
#define BAD_OFFSET	512
#define BAD_CANARY	0xc3
#define BAD_FILL	0x5a

/* A slow kernel takes its time, but not so long. */
#define BAD_WAIT	(10 * HZ)

#define BAD_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | \
			 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC))

enum bad_op {
	OP_READ,
	OP_WRITE,
	OP_TABLE,
	OP_RING,
};

static const char * const op_name[] = { "read", "write", "table", "ring" };

/**
 * enum bad_bug - what is wrong with an address
 * @WRONG_NONE: nothing
 * @WRONG_NEVER: the memory was never mapped: it is the physical address
 * @WRONG_WILD: it was never anything
 * @WRONG_LATE: it was unmapped before it is used
 * @WRONG_REUSED: the same, and something else was mapped since
 * @WRONG_DIRECTION: it was mapped the other way round
 * @WRONG_BEYOND: only the first half was mapped
 * @WRONG_BEFORE: it begins before what was mapped
 */
enum bad_bug {
	WRONG_NONE,
	WRONG_NEVER,
	WRONG_WILD,
	WRONG_LATE,
	WRONG_REUSED,
	WRONG_DIRECTION,
	WRONG_BEYOND,
	WRONG_BEFORE,
};

static const char * const bug_name[] = {
	"good", "never", "wild", "late", "reused", "direction", "beyond", "before",
};

enum bad_which {
	BUF_HEADER,
	BUF_DATA,
	BUF_STATUS,
	BUF_TABLE,
	BUF_DESC,
	BUF_NR,
};

static const u16 buf_len[BUF_NR] = {
	[BUF_HEADER]	= sizeof(struct virtio_blk_outhdr),
	[BUF_DATA]	= 512,
	[BUF_STATUS]	= 1,
	[BUF_TABLE]	= 3 * sizeof(struct vring_desc),
	[BUF_DESC]	= BAD_NUM * sizeof(struct vring_desc),
};

/**
 * struct bad_buf - memory for the device
 * @page: it, and canaries around
 * @len: bytes
 * @dir: which way they go
 * @told: the address that the device is given
 * @live: what is mapped now, or DMA_MAPPING_ERROR
 * @live_len: bytes of that
 * @live_dir: its direction
 */
struct bad_buf {
	u8 *page;
	size_t len;
	enum dma_data_direction dir;
	dma_addr_t told;
	dma_addr_t live;
	size_t live_len;
	enum dma_data_direction live_dir;
};

/* What the driver and the device area of a split ring are. */
struct bad_ring {
	struct {
		__virtio16 flags;
		__virtio16 idx;
		__virtio16 ring[BAD_NUM];
	} avail;
	struct {
		__virtio16 flags;
		__virtio16 idx;
		struct vring_used_elem ring[BAD_NUM];
	} used __aligned(VRING_USED_ALIGN_SIZE);
};

/**
 * struct bad - one device
 * @vdev: it
 * @lock: protects all below
 * @done: the device called, for the queue or the configuration
 * @config_called: for the latter
 * @ring: driver and device area
 * @ring_addr: its address
 * @buf: all other memory
 * @other: what is mapped after the buffer in question was unmapped (WRONG_REUSED)
 * @op: the last request
 * @bug: its bug
 */
struct bad {
	struct vdpa_device *vdev;
	struct mutex lock;	/* one request at a time */
	struct completion done;
	bool config_called;
	struct bad_ring *ring;
	dma_addr_t ring_addr;
	struct bad_buf buf[BUF_NR];
	struct bad_buf other;
	enum bad_op op;
	enum bad_bug bug;
};

static struct device *bad_dev(const struct bad *b)
{
	return vdpa_get_dma_dev(b->vdev);
}

static void *buf_mem(const struct bad_buf *buf)
{
	return buf->page + BAD_OFFSET;
}

static void buf_unmap(struct bad *b, struct bad_buf *buf)
{
	if (buf->live != DMA_MAPPING_ERROR)
		dma_unmap_single(bad_dev(b), buf->live, buf->live_len,
				 buf->live_dir);
	buf->live = DMA_MAPPING_ERROR;
}

static int buf_map_as(struct bad *b, struct bad_buf *buf, size_t len,
		      enum dma_data_direction dir)
{
	buf->live = dma_map_single(bad_dev(b), buf_mem(buf), len, dir);
	if (dma_mapping_error(bad_dev(b), buf->live)) {
		buf->live = DMA_MAPPING_ERROR;
		return -ENOMEM;
	}
	buf->live_len = len;
	buf->live_dir = dir;
	buf->told = buf->live;
	return 0;
}

static enum dma_data_direction turned(enum dma_data_direction dir)
{
	return dir == DMA_TO_DEVICE ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
}

/* Map a buffer as a driver with @bug does. */
static int buf_map(struct bad *b, struct bad_buf *buf, enum bad_bug bug)
{
	enum dma_data_direction dir = buf->dir;
	size_t len = buf->len;
	int err;

	switch (bug) {
	case WRONG_NEVER:
		buf->told = virt_to_phys(buf_mem(buf));
		return 0;
	case WRONG_WILD:
		buf->told = S64_MAX & PAGE_MASK;
		return 0;
	case WRONG_DIRECTION:
		dir = turned(dir);
		break;
	case WRONG_BEYOND:
		len /= 2;
		break;
	default:
		break;
	}
	err = buf_map_as(b, buf, len, dir);
	if (err)
		return err;
	if (bug == WRONG_BEFORE)
		buf->told -= sizeof(struct vring_desc);
	if (bug == WRONG_LATE || bug == WRONG_REUSED)
		buf_unmap(b, buf);
	if (bug == WRONG_REUSED)
		return buf_map_as(b, &b->other, len, dir);
	return 0;
}

static void desc_set(struct vring_desc *desc, const struct bad_buf *buf,
		     u16 flags, u16 next)
{
	desc->addr = __cpu_to_virtio64(true, buf->told);
	desc->len = __cpu_to_virtio32(true, buf->len);
	desc->flags = __cpu_to_virtio16(true, flags);
	desc->next = __cpu_to_virtio16(true, next);
}

/* The request's three parts, from entry @at of a table on. */
static void desc_request(struct bad *b, struct vring_desc *table, u16 at)
{
	bool read = b->buf[BUF_DATA].dir == DMA_FROM_DEVICE;

	desc_set(&table[at], &b->buf[BUF_HEADER], VRING_DESC_F_NEXT, at + 1);
	desc_set(&table[at + 1], &b->buf[BUF_DATA],
		 VRING_DESC_F_NEXT | (read ? VRING_DESC_F_WRITE : 0), at + 2);
	desc_set(&table[at + 2], &b->buf[BUF_STATUS], VRING_DESC_F_WRITE, 0);
}

static enum bad_bug bug_of(const struct bad *b, enum bad_which which)
{
	static const enum bad_which has_it[] = {
		[OP_READ] = BUF_DATA,
		[OP_WRITE] = BUF_DATA,
		[OP_TABLE] = BUF_TABLE,
		[OP_RING] = BUF_DESC,
	};

	return has_it[b->op] == which ? b->bug : WRONG_NONE;
}

/* Fill and map all of it: each before what has its address. */
static int bad_fill(struct bad *b, u8 fill)
{
	struct virtio_blk_outhdr *hdr = buf_mem(&b->buf[BUF_HEADER]);
	struct vring_desc *table = buf_mem(&b->buf[BUF_TABLE]);
	struct vring_desc *desc = buf_mem(&b->buf[BUF_DESC]);
	bool write = b->op == OP_WRITE;
	int err = 0, i;

	memset(b->ring, 0, sizeof(*b->ring));
	memset(b->other.page, BAD_CANARY, PAGE_SIZE);
	for (i = 0; i < BUF_NR; i++) {
		memset(b->buf[i].page, BAD_CANARY, PAGE_SIZE);
		b->buf[i].len = buf_len[i];
		b->buf[i].dir = DMA_TO_DEVICE;
	}
	b->buf[BUF_STATUS].dir = DMA_FROM_DEVICE;
	if (!write)
		b->buf[BUF_DATA].dir = DMA_FROM_DEVICE;
	else
		memset(buf_mem(&b->buf[BUF_DATA]), fill, buf_len[BUF_DATA]);
	hdr->type = __cpu_to_virtio32(true, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
	hdr->ioprio = 0;
	hdr->sector = __cpu_to_virtio64(true, BAD_SECTOR);

	for (i = 0; i < BUF_NR && !err; i++) {
		if (i == BUF_TABLE) {
			desc_request(b, table, 0);
		} else if (i == BUF_DESC) {
			memset(desc, 0, buf_len[BUF_DESC]);
			if (b->op == OP_TABLE)
				desc_set(&desc[BAD_HEAD], &b->buf[BUF_TABLE],
					 VRING_DESC_F_INDIRECT, 0);
			else
				desc_request(b, desc, BAD_HEAD);
		}
		err = buf_map(b, &b->buf[i], bug_of(b, i));
	}
	return err;
}

static irqreturn_t bad_called(void *priv)
{
	struct bad *b = priv;

	complete(&b->done);
	return IRQ_HANDLED;
}

static irqreturn_t bad_config_changed(void *priv)
{
	struct bad *b = priv;

	WRITE_ONCE(b->config_called, true);
	complete(&b->done);
	return IRQ_HANDLED;
}

/* The device touches no memory after a reset, whatever it was told. */
static void bad_stop(struct bad *b)
{
	int i;

	vdpa_reset(b->vdev, 0);
	for (i = 0; i < BUF_NR; i++)
		buf_unmap(b, &b->buf[i]);
	buf_unmap(b, &b->other);
}

static int bad_start(struct bad *b)
{
	struct vdpa_callback config_cb = { .callback = bad_config_changed, .private = b };
	struct vdpa_callback cb = { .callback = bad_called, .private = b };
	const struct vdpa_config_ops *ops = b->vdev->config;
	u8 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	int err;

	vdpa_set_status(b->vdev, status);
	err = vdpa_set_features(b->vdev, BAD_FEATURES);
	if (err)
		return err;
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	vdpa_set_status(b->vdev, status);
	if (!(ops->get_status(b->vdev) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EOPNOTSUPP;
	ops->set_config_cb(b->vdev, &config_cb);
	ops->set_vq_cb(b->vdev, 0, &cb);
	ops->set_vq_num(b->vdev, 0, BAD_NUM);
	err = ops->set_vq_address(b->vdev, 0, b->buf[BUF_DESC].told,
				  b->ring_addr + offsetof(struct bad_ring, avail),
				  b->ring_addr + offsetof(struct bad_ring, used));
	if (err)
		return err;
	ops->set_vq_ready(b->vdev, 0, true);
	vdpa_set_status(b->vdev, status | VIRTIO_CONFIG_S_DRIVER_OK);
	return 0;
}

/* One request, and its end, or the device's. */
static int bad_request(struct bad *b, u8 fill)
{
	int err;

	bad_stop(b);
	b->config_called = false;
	reinit_completion(&b->done);
	err = bad_fill(b, fill);
	if (!err)
		err = bad_start(b);
	if (err) {
		bad_stop(b);
		return err;
	}
	b->ring->avail.ring[0] = __cpu_to_virtio16(true, BAD_HEAD);
	/* The device sees the entry before the index that covers it. */
	dma_wmb();
	WRITE_ONCE(b->ring->avail.idx, __cpu_to_virtio16(true, 1));
	/* And the index before the kick. */
	mb();
	b->vdev->config->kick_vq(b->vdev, 0);
	return wait_for_completion_timeout(&b->done, BAD_WAIT) ? 0 : -ETIMEDOUT;
}

/* Is all around a buffer as it was? */
static bool around_intact(const struct bad_buf *buf)
{
	const u8 *end = buf_mem(buf) + buf->len;

	return !memchr_inv(buf->page, BAD_CANARY, BAD_OFFSET) &&
	       !memchr_inv(end, BAD_CANARY, buf->page + PAGE_SIZE - end);
}

static ssize_t request_show(struct device *dev, struct device_attribute *attr,
			    char *out)
{
	struct bad *b = vdpa_get_drvdata(dev_to_vdpa(dev));
	enum bad_which which = b->op == OP_TABLE ? BUF_TABLE :
			       b->op == OP_RING ? BUF_DESC : BUF_DATA;
	const u8 *data = buf_mem(&b->buf[BUF_DATA]);
	bool intact;
	int n, i;

	mutex_lock(&b->lock);
	intact = !memchr_inv(b->other.page, BAD_CANARY, PAGE_SIZE);
	for (i = 0; i < BUF_NR; i++)
		intact &= around_intact(&b->buf[i]);
	n = sysfs_emit(out, "request %s %s\n", op_name[b->op], bug_name[b->bug]);
	n += sysfs_emit_at(out, n, "address %#llx\n", (u64)b->buf[which].told);
	n += sysfs_emit_at(out, n, "mapped %zu\n",
			   b->buf[which].live == DMA_MAPPING_ERROR ? 0 :
			   b->buf[which].live_len);
	if (b->other.live != DMA_MAPPING_ERROR)
		n += sysfs_emit_at(out, n, "other %#llx\n", (u64)b->other.live);
	n += sysfs_emit_at(out, n, "used %u\n",
			   __virtio16_to_cpu(true, READ_ONCE(b->ring->used.idx)));
	n += sysfs_emit_at(out, n, "status %#x\n",
			   *(u8 *)buf_mem(&b->buf[BUF_STATUS]));
	if (memchr_inv(data, data[0], buf_len[BUF_DATA]))
		n += sysfs_emit_at(out, n, "data mixed\n");
	else
		n += sysfs_emit_at(out, n, "data %#x\n", data[0]);
	n += sysfs_emit_at(out, n, "around %s\n", intact ? "intact" : "written");
	n += sysfs_emit_at(out, n, "device %#x\n",
			   b->vdev->config->get_status(b->vdev));
	n += sysfs_emit_at(out, n, "told %s\n",
			   str_yes_no(READ_ONCE(b->config_called)));
	mutex_unlock(&b->lock);
	return n;
}

static ssize_t request_store(struct device *dev, struct device_attribute *attr,
			     const char *in, size_t count)
{
	struct bad *b = vdpa_get_drvdata(dev_to_vdpa(dev));
	char what[8] = "", how[16] = "";
	int op, bug, err;
	u8 fill = BAD_FILL;

	if (sscanf(in, "%7s %15s %hhi", what, how, &fill) < 2)
		return -EINVAL;
	op = match_string(op_name, ARRAY_SIZE(op_name), what);
	bug = match_string(bug_name, ARRAY_SIZE(bug_name), how);
	if (op < 0 || bug < 0)
		return -EINVAL;
	mutex_lock(&b->lock);
	b->op = op;
	b->bug = bug;
	err = bad_request(b, fill);
	mutex_unlock(&b->lock);
	return err ?: count;
}
static DEVICE_ATTR_RW(request);

static struct attribute *bad_attrs[] = {
	&dev_attr_request.attr,
	NULL,
};
ATTRIBUTE_GROUPS(bad);

static int buf_alloc(struct bad_buf *buf)
{
	buf->live = DMA_MAPPING_ERROR;
	buf->page = (u8 *)get_zeroed_page(GFP_KERNEL);
	return buf->page ? 0 : -ENOMEM;
}

static void bad_free(struct bad *b)
{
	int i;

	if (b->ring)
		dma_free_coherent(bad_dev(b), sizeof(*b->ring), b->ring,
				  b->ring_addr);
	for (i = 0; i < BUF_NR; i++)
		free_page((unsigned long)b->buf[i].page);
	free_page((unsigned long)b->other.page);
	kfree(b);
}

static int bad_probe(struct vdpa_device *vdev)
{
	struct bad *b;
	int err, i;

	if (vdev->config->get_device_id(vdev) != VIRTIO_ID_BLOCK)
		return -ENODEV;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->vdev = vdev;
	mutex_init(&b->lock);
	init_completion(&b->done);
	err = buf_alloc(&b->other);
	for (i = 0; i < BUF_NR && !err; i++)
		err = buf_alloc(&b->buf[i]);
	if (!err) {
		b->ring = dma_alloc_coherent(bad_dev(b), sizeof(*b->ring),
					     &b->ring_addr, GFP_KERNEL);
		err = b->ring ? 0 : -ENOMEM;
	}
	if (err) {
		bad_free(b);
		return err;
	}
	vdpa_set_drvdata(vdev, b);
	return 0;
}

static void bad_remove(struct vdpa_device *vdev)
{
	struct bad *b = vdpa_get_drvdata(vdev);

	bad_stop(b);
	bad_free(b);
}

static struct vdpa_driver bad_driver = {
	.driver = {
		.name = "bad_driver",
		.dev_groups = bad_groups,
	},
	.probe = bad_probe,
	.remove = bad_remove,
};
module_vdpa_driver(bad_driver);

MODULE_DESCRIPTION("trivio: a vDPA driver with bugs, for tests");
MODULE_AUTHOR("The trivio authors");
MODULE_LICENSE("GPL");
