// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk that stores nothing: reads are zeroes, writes are taken and forgotten.
 * What is left to measure is the road.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include <trivio/blk.h>

/* Bytes that are zeroed before a pause. */
#define NULL_BATCH	(1U << 20)

static int null_submit(struct trivio_disk *disk, struct trivio_blk_req *req)
{
	size_t left = req->cmd.len, part;

	if (req->cmd.op != TRIVIO_BLK_IN)
		return 0;
	/* A driver must never see what its buffer held before. */
	for (; left; left -= part) {
		part = min_t(size_t, left, NULL_BATCH);
		if (iov_iter_zero(part, &req->iter) != part)
			return -EFAULT;
		if (left > part && trivio_blk_req_pause(req))
			return -EIO;
	}
	return 0;
}

static int null_resize(struct trivio_disk *disk, u64 sectors)
{
	disk->sectors = sectors;
	return 0;
}

static void null_free(struct trivio_disk *disk)
{
	kfree(disk);
}

static const struct trivio_disk_ops null_ops = {
	.name = "null",
	.atomic = true,
	.submit = null_submit,
	.resize = null_resize,
	.free = null_free,
};

/**
 * trivio_disk_null_create() - make a disk that stores nothing
 * @sectors: capacity, in units of 512 bytes
 * @block_size: logical block, bytes
 *
 * Context: may sleep.
 *
 * Return: the disk, or an error pointer.
 */
struct trivio_disk *trivio_disk_null_create(u64 sectors, u32 block_size)
{
	struct trivio_disk *disk;

	disk = kzalloc(sizeof(*disk), GFP_KERNEL_ACCOUNT);
	if (!disk)
		return ERR_PTR(-ENOMEM);
	disk->ops = &null_ops;
	disk->sectors = sectors;
	disk->block_size = block_size;
	disk->can_discard = true;
	disk->can_zero = true;
	return disk;
}
EXPORT_SYMBOL_GPL(trivio_disk_null_create);
