// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk in memory, sparse: a page exists once it was written to. What was never
 * written, or was discarded, reads as zeroes.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <trivio/blk.h>

/* Pages given back before others may have the lock, or copied before a pause. */
#define RAM_BATCH	512

/**
 * struct disk_ram - a sparse memory disk
 * @disk: what the block class sees
 * @lock: read: pages are copied to or from; write: pages are taken away
 * @pages: by page number; pages appear under the read lock, with xa_cmpxchg()
 */
struct disk_ram {
	struct trivio_disk disk;
	struct rw_semaphore lock;
	struct xarray pages;
};

static struct disk_ram *to_ram(struct trivio_disk *disk)
{
	return container_of(disk, struct disk_ram, disk);
}

/*
 * Where the next @part bytes of the request are, if they are a page: aligned, whole
 * and in one piece, in kernel memory. Most are, and copy_page() costs half of what
 * the general helpers do.
 */
static void *whole_page(struct iov_iter *iter, size_t part)
{
	void *p;

	if (part != PAGE_SIZE || !iov_iter_is_kvec(iter) ||
	    iov_iter_single_seg_count(iter) < PAGE_SIZE)
		return NULL;
	p = iter->kvec->iov_base + iter->iov_offset;
	if (!PAGE_ALIGNED(p))
		return NULL;
	iov_iter_advance(iter, PAGE_SIZE);
	return p;
}

/* From the disk's @page, or from nowhere if there is none. */
static bool part_read(const struct page *page, size_t off, size_t part,
		      struct iov_iter *iter)
{
	void *to;

	if (!page)
		return iov_iter_zero(part, iter) == part;
	to = whole_page(iter, part);
	if (likely(to)) {
		copy_page(to, page_address(page));
		return true;
	}
	/* Lengths were checked; this is no object of the kernel's. */
	return _copy_to_iter(page_address(page) + off, part, iter) == part;
}

static bool part_write(struct page *page, size_t off, size_t part,
		       struct iov_iter *iter)
{
	void *from = whole_page(iter, part);

	if (likely(from)) {
		copy_page(page_address(page), from);
		return true;
	}
	return _copy_from_iter(page_address(page) + off, part, iter) == part;
}

static int ram_read(struct disk_ram *ram, struct trivio_blk_req *req)
{
	u64 pos = req->cmd.sector << TRIVIO_SECTOR_SHIFT;
	size_t left = req->cmd.len;

	while (left) {
		size_t off = offset_in_page(pos);
		size_t part = min_t(size_t, left, PAGE_SIZE - off);
		struct page *page = xa_load(&ram->pages, pos >> PAGE_SHIFT);

		if (!part_read(page, off, part, &req->iter))
			return -EFAULT;
		pos += part;
		left -= part;
		if (unlikely(!((pos >> PAGE_SHIFT) % RAM_BATCH)) &&
		    trivio_blk_req_pause(req))
			return -EIO;
	}
	return 0;
}

/* The page of a position, made if it is missing. */
static struct page *ram_page(struct disk_ram *ram, u64 index, bool may_sleep)
{
	gfp_t gfp = may_sleep ? GFP_NOIO : GFP_NOWAIT | __GFP_NOWARN;
	struct page *page = xa_load(&ram->pages, index), *old;

	if (page)
		return page;
	page = alloc_page(gfp | __GFP_ZERO);
	if (!page)
		return may_sleep ? ERR_PTR(-ENOMEM) : ERR_PTR(-EAGAIN);
	old = xa_cmpxchg(&ram->pages, index, NULL, page, gfp);
	if (!old)
		return page;
	__free_page(page);
	if (!xa_is_err(old))
		return old;
	return may_sleep ? ERR_PTR(xa_err(old)) : ERR_PTR(-EAGAIN);
}

/*
 * If a page can't be had at once the whole request starts again where it may
 * sleep: writing the same bytes twice does no harm.
 */
static int ram_write(struct disk_ram *ram, struct trivio_blk_req *req)
{
	u64 pos = req->cmd.sector << TRIVIO_SECTOR_SHIFT;
	size_t left = req->cmd.len;

	while (left) {
		size_t off = offset_in_page(pos);
		size_t part = min_t(size_t, left, PAGE_SIZE - off);
		struct page *page = ram_page(ram, pos >> PAGE_SHIFT,
					     req->may_sleep);

		if (IS_ERR(page))
			return PTR_ERR(page);
		if (!part_write(page, off, part, &req->iter))
			return -EFAULT;
		pos += part;
		left -= part;
		if (unlikely(!((pos >> PAGE_SHIFT) % RAM_BATCH)) &&
		    trivio_blk_req_pause(req))
			return -EIO;
	}
	return 0;
}

/* Zero a part of one page, if the page exists. */
static void ram_zero_part(struct disk_ram *ram, u64 pos, size_t len)
{
	struct page *page = xa_load(&ram->pages, pos >> PAGE_SHIFT);

	if (page)
		memset(page_address(page) + offset_in_page(pos), 0, len);
}

static void ram_drop_pages(struct disk_ram *ram, u64 first, u64 last,
			   bool erase)
{
	XA_STATE(xas, &ram->pages, first);
	struct page *page;
	u32 n = 0;

	lockdep_assert_held_write(&ram->lock);
	if (first > last)
		return;
	xas_lock(&xas);
	xas_for_each(&xas, page, last) {
		if (erase)
			clear_page(page_address(page));
		xas_store(&xas, NULL);
		__free_page(page);
		if (++n % RAM_BATCH)
			continue;
		xas_pause(&xas);
		xas_unlock(&xas);
		up_write(&ram->lock);
		cond_resched();
		down_write(&ram->lock);
		xas_lock(&xas);
	}
	xas_unlock(&xas);
}

/* Make a range read back as zeroes; whole pages are given back. */
static void ram_clear(struct disk_ram *ram, u64 pos, u64 len, bool erase)
{
	u64 end = pos + len;

	if (offset_in_page(pos)) {
		size_t part = min_t(u64, len, PAGE_SIZE - offset_in_page(pos));

		ram_zero_part(ram, pos, part);
		pos += part;
	}
	if (pos < end && offset_in_page(end)) {
		ram_zero_part(ram, end & PAGE_MASK, offset_in_page(end));
		end &= PAGE_MASK;
	}
	if (pos < end)
		ram_drop_pages(ram, pos >> PAGE_SHIFT, (end >> PAGE_SHIFT) - 1,
			       erase);
}

static int ram_ranges(struct disk_ram *ram, struct trivio_blk_req *req)
{
	bool erase = req->cmd.op == TRIVIO_BLK_SECURE_ERASE;
	u32 i;

	if (!req->may_sleep)
		return -EAGAIN;
	down_write(&ram->lock);
	for (i = 0; i < req->cmd.nseg && !trivio_blk_req_void(req); i++)
		ram_clear(ram, req->range[i].sector << TRIVIO_SECTOR_SHIFT,
			  (u64)req->range[i].count << TRIVIO_SECTOR_SHIFT,
			  erase);
	up_write(&ram->lock);
	return i < req->cmd.nseg ? -EIO : 0;
}

static int ram_submit(struct trivio_disk *disk, struct trivio_blk_req *req)
{
	struct disk_ram *ram = to_ram(disk);
	int err;

	if (req->cmd.op == TRIVIO_BLK_FLUSH)
		return 0;
	if (req->cmd.op > TRIVIO_BLK_FLUSH)
		return ram_ranges(ram, req);
	if (!down_read_trylock(&ram->lock)) {
		if (!req->may_sleep)
			return -EAGAIN;
		down_read(&ram->lock);
	}
	/* The disk may have shrunk since the request was checked. */
	if (req->cmd.sector + (req->cmd.len >> TRIVIO_SECTOR_SHIFT) >
	    disk->sectors)
		err = -EIO;
	else if (req->cmd.op == TRIVIO_BLK_IN)
		err = ram_read(ram, req);
	else
		err = ram_write(ram, req);
	up_read(&ram->lock);
	return err;
}

static int ram_resize(struct trivio_disk *disk, u64 sectors)
{
	struct disk_ram *ram = to_ram(disk);
	u64 old = disk->sectors;

	down_write(&ram->lock);
	disk->sectors = sectors;
	/* What grows back later must not show what was cut off. */
	if (sectors < old)
		ram_clear(ram, sectors << TRIVIO_SECTOR_SHIFT,
			  (old - sectors) << TRIVIO_SECTOR_SHIFT, false);
	up_write(&ram->lock);
	return 0;
}

static void ram_free(struct trivio_disk *disk)
{
	struct disk_ram *ram = to_ram(disk);

	down_write(&ram->lock);
	ram_drop_pages(ram, 0, ULONG_MAX, false);
	up_write(&ram->lock);
	xa_destroy(&ram->pages);
	kfree(ram);
}

static const struct trivio_disk_ops ram_ops = {
	.name = "ram",
	.local = true,
	.atomic = true,
	.submit = ram_submit,
	.resize = ram_resize,
	.free = ram_free,
};

/**
 * trivio_disk_ram_create() - make a sparse memory disk; no memory is used yet
 * @sectors: capacity, in units of 512 bytes
 * @block_size: logical block, bytes
 *
 * Context: may sleep.
 *
 * Return: the disk, or an error pointer.
 */
struct trivio_disk *trivio_disk_ram_create(u64 sectors, u32 block_size)
{
	struct disk_ram *ram;

	ram = kzalloc(sizeof(*ram), GFP_KERNEL_ACCOUNT);
	if (!ram)
		return ERR_PTR(-ENOMEM);
	init_rwsem(&ram->lock);
	xa_init(&ram->pages);
	ram->disk.ops = &ram_ops;
	ram->disk.sectors = sectors;
	ram->disk.block_size = block_size;
	ram->disk.can_discard = true;
	ram->disk.can_zero = true;
	ram->disk.can_erase = true;
	return &ram->disk;
}
EXPORT_SYMBOL_GPL(trivio_disk_ram_create);
