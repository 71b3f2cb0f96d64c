// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk in a file or on a block device, through the page cache or past it
 * (O_DIRECT). Every request runs where it may sleep: over kernel memory in a
 * work item of its own, over user memory in the queue's worker, which has the
 * mm. So flush is the file's fsync, and discard its hole.
 */
#include <linux/bvec.h>
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include <trivio/blk.h>

/**
 * struct disk_file - a file as a disk
 * @disk: what the block class sees
 * @file: open file
 * @direct: opened with O_DIRECT
 */
struct disk_file {
	struct trivio_disk disk;
	struct file *file;
	bool direct;
};

static struct disk_file *to_file(struct trivio_disk *disk)
{
	return container_of(disk, struct disk_file, disk);
}

/* O_DIRECT wants pages: turn kernel segments into bio_vecs. */
static struct bio_vec *file_bvecs(const struct trivio_blk_req *req,
				  struct iov_iter *iter)
{
	const struct trivio_chain *c = &req->chain;
	struct iov_iter from = req->iter;
	struct bio_vec *bv;
	unsigned int n = 0;

	bv = kvmalloc_array(c->out_segs + c->in_segs, sizeof(*bv), GFP_NOIO);
	if (!bv)
		return NULL;
	while (iov_iter_count(&from)) {
		void *addr = from.kvec->iov_base + from.iov_offset;
		size_t len = min(from.kvec->iov_len - from.iov_offset,
				 iov_iter_count(&from));

		if (len) {
			if (!virt_addr_valid(addr)) {
				kvfree(bv);
				return NULL;
			}
			bvec_set_virt(&bv[n++], addr, len);
		}
		iov_iter_advance(&from, len);
	}
	iov_iter_bvec(iter, iov_iter_rw(&req->iter), bv, n,
		      iov_iter_count(&req->iter));
	return bv;
}

static int file_rw(struct disk_file *df, struct trivio_blk_req *req)
{
	loff_t pos = req->cmd.sector << TRIVIO_SECTOR_SHIFT;
	bool write = req->cmd.op == TRIVIO_BLK_OUT;
	struct iov_iter iter = req->iter;
	struct bio_vec *bv = NULL;
	ssize_t did;

	if (df->direct && iov_iter_is_kvec(&iter)) {
		bv = file_bvecs(req, &iter);
		if (!bv)
			return -ENOMEM;
	}
	while (iov_iter_count(&iter)) {
		if (trivio_blk_req_void(req)) {
			did = -EIO;
			break;
		}
		if (write)
			did = vfs_iter_write(df->file, &iter, &pos,
					     req->sync ? RWF_DSYNC : 0);
		else
			did = vfs_iter_read(df->file, &iter, &pos, 0);
		if (did <= 0)
			break;
	}
	did = min_t(ssize_t, did, 0);
	/* A file may be shorter than its disk: a hole at the end. */
	if (!did && iov_iter_count(&iter)) {
		if (write)
			did = -EIO;
		else if (iov_iter_zero(iov_iter_count(&iter), &iter) == 0)
			did = -EFAULT;
	}
	kvfree(bv);
	return did;
}

static int file_write_zeroes(struct disk_file *df,
			     const struct trivio_blk_req *req, loff_t pos,
			     loff_t len)
{
	void *zero;
	int err = 0;

	/* O_DIRECT wants aligned memory; pages are. */
	zero = (void *)get_zeroed_page(GFP_NOIO);
	if (!zero)
		return -ENOMEM;
	while (len && !err) {
		size_t part = min_t(loff_t, len, PAGE_SIZE);
		struct bio_vec bv;
		struct iov_iter iter;
		ssize_t did;

		bvec_set_virt(&bv, zero, part);
		iov_iter_bvec(&iter, ITER_SOURCE, &bv, 1, part);
		did = trivio_blk_req_pause(req) ? -EIO :
		      vfs_iter_write(df->file, &iter, &pos, 0);
		if (did <= 0)
			err = did ?: -EIO;
		else
			len -= did;
	}
	free_page((unsigned long)zero);
	return err;
}

/* The disk may have shrunk since the request was checked. */
static bool file_inside(struct disk_file *df, u64 sector, u64 count)
{
	return sector + count <= READ_ONCE(df->disk.sectors);
}

static int file_range(struct disk_file *df, const struct trivio_blk_req *req,
		      const struct trivio_blk_range *range)
{
	loff_t pos = range->sector << TRIVIO_SECTOR_SHIFT;
	loff_t len = (loff_t)range->count << TRIVIO_SECTOR_SHIFT;
	int err;

	if (trivio_blk_req_void(req) ||
	    !file_inside(df, range->sector, range->count))
		return -EIO;
	if (req->cmd.op == TRIVIO_BLK_DISCARD) {
		err = vfs_fallocate(df->file, FALLOC_FL_PUNCH_HOLE |
				    FALLOC_FL_KEEP_SIZE, pos, len);
		/* Discard is advice (virtio 1.2, 5.2.6.2). */
		return err == -EOPNOTSUPP ? 0 : err;
	}
	err = vfs_fallocate(df->file, FALLOC_FL_KEEP_SIZE |
			    (range->unmap ? FALLOC_FL_PUNCH_HOLE :
					    FALLOC_FL_ZERO_RANGE), pos, len);
	if (err == -EOPNOTSUPP)
		err = file_write_zeroes(df, req, pos, len);
	return err;
}

static int file_submit(struct trivio_disk *disk, struct trivio_blk_req *req)
{
	struct disk_file *df = to_file(disk);
	int err = 0;
	u32 i;

	if (!req->may_sleep)
		return -EAGAIN;
	switch (req->cmd.op) {
	case TRIVIO_BLK_IN:
	case TRIVIO_BLK_OUT:
		return file_inside(df, req->cmd.sector,
				   req->cmd.len >> TRIVIO_SECTOR_SHIFT) ?
		       file_rw(df, req) : -EIO;
	case TRIVIO_BLK_FLUSH:
		return vfs_fsync(df->file, 1);
	case TRIVIO_BLK_DISCARD:
	case TRIVIO_BLK_WRITE_ZEROES:
		for (i = 0; i < req->cmd.nseg && !err; i++)
			err = file_range(df, req, &req->range[i]);
		if (!err && req->sync)
			err = vfs_fsync(df->file, 1);
		return err;
	default:
		return -EOPNOTSUPP;
	}
}

/* The file itself is its owner's to grow; only what is shown changes. */
static int file_resize(struct trivio_disk *disk, u64 sectors)
{
	struct inode *inode = to_file(disk)->file->f_mapping->host;

	if (S_ISBLK(inode->i_mode) &&
	    sectors > i_size_read(inode) >> TRIVIO_SECTOR_SHIFT)
		return -ENOSPC;
	/* Seen by requests that begin later; those before are waited for. */
	WRITE_ONCE(disk->sectors, sectors);
	return 0;
}

static void file_free(struct trivio_disk *disk)
{
	struct disk_file *df = to_file(disk);

	fput(df->file);
	kfree(df);
}

static const struct trivio_disk_ops file_ops = {
	.name = "file",
	.submit = file_submit,
	.resize = file_resize,
	.free = file_free,
};

static int file_check(struct disk_file *df)
{
	struct inode *inode = df->file->f_mapping->host;
	struct trivio_disk *disk = &df->disk;

	if (!S_ISREG(inode->i_mode) && !S_ISBLK(inode->i_mode))
		return -EINVAL;
	if (S_ISBLK(inode->i_mode))
		disk->block_size = max(disk->block_size,
				       bdev_logical_block_size(I_BDEV(inode)));
	disk->sectors = i_size_read(inode) >> TRIVIO_SECTOR_SHIFT;
	/* Whole blocks only: a tail that is none is not shown. */
	disk->sectors &= ~(u64)((disk->block_size >> TRIVIO_SECTOR_SHIFT) - 1);
	if (!disk->sectors)
		return -ENOSPC;
	disk->can_discard = df->file->f_op->fallocate;
	disk->can_zero = true;
	disk->has_cache = true;
	return 0;
}

/**
 * trivio_disk_file_create() - make a disk of a file or block device
 * @path: its path, in the caller's mount namespace and with its rights
 * @block_size: logical block, bytes; a block device may need larger ones
 * @direct: past the page cache
 * @read_only: open it for reading only
 *
 * Context: may sleep.
 *
 * Return: the disk, or an error pointer: of the open; -EINVAL for what is
 * neither a file nor a block device; -ENOSPC if it has no whole block.
 */
struct trivio_disk *trivio_disk_file_create(const char *path, u32 block_size,
					    bool direct, bool read_only)
{
	int flags = O_LARGEFILE | (read_only ? O_RDONLY : O_RDWR) |
		    (direct ? O_DIRECT : 0);
	struct disk_file *df;
	int err;

	df = kzalloc(sizeof(*df), GFP_KERNEL_ACCOUNT);
	if (!df)
		return ERR_PTR(-ENOMEM);
	df->disk.ops = &file_ops;
	df->disk.block_size = block_size;
	df->disk.read_only = read_only;
	df->direct = direct;
	df->file = filp_open(path, flags, 0);
	if (IS_ERR(df->file)) {
		err = PTR_ERR(df->file);
		goto err_free;
	}
	err = file_check(df);
	if (err)
		goto err_put;
	return &df->disk;

err_put:
	fput(df->file);
err_free:
	kfree(df);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(trivio_disk_file_create);
