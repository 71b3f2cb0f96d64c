// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volatile write cache in front of another disk, as a drive has one: what was
 * written and not yet flushed is in memory only, and gone when the power is
 * (trivio_disk.power_loss). So it shows whether a driver, a file system or an
 * application flushes where it has to.
 *
 * The cache holds sectors, not blocks of the disk behind, so that nothing has
 * to be read to write a part of a page. Reads are those of the disk behind with
 * the cached sectors laid over. A full cache is written behind, without a flush.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <trivio/blk.h>

/* Sectors that are copied before a pause. */
#define CACHE_BATCH	4096

/**
 * struct disk_cache - a cache
 * @disk: what the block class sees
 * @lower: the disk behind
 * @lock: read: sectors are added or looked at; write: they are taken away
 * @pages: by page number; &page.private has a bit for each of its PAGE_SECTORS
 *	sectors that is cached
 * @count: pages
 * @limit: most of them
 */
struct disk_cache {
	struct trivio_disk disk;
	struct trivio_disk *lower;
	struct rw_semaphore lock;
	struct xarray pages;
	atomic_long_t count;
	long limit;
};

static struct disk_cache *to_cache(struct trivio_disk *disk)
{
	return container_of(disk, struct disk_cache, disk);
}

static int lower_submit(struct disk_cache *c, struct trivio_blk_req *req)
{
	return c->lower->ops->submit(c->lower, req);
}

/* --- sectors ------------------------------------------------------------- */

static bool cache_has(const struct page *page, unsigned int sector)
{
	return test_bit(sector, &page->private);
}

static void cache_drop_page(struct disk_cache *c, unsigned long index,
			    struct page *page)
{
	lockdep_assert_held_write(&c->lock);
	xa_erase(&c->pages, index);
	atomic_long_dec(&c->count);
	set_page_private(page, 0);
	__free_page(page);
}

/* Forget what is cached of a range: it has a newer life behind. */
static void cache_forget(struct disk_cache *c, u64 sector, u64 count)
{
	u64 end = sector + count;
	unsigned long index;
	struct page *page;

	lockdep_assert_held_write(&c->lock);
	xa_for_each_range(&c->pages, index, page, sector / PAGE_SECTORS,
			  (end - 1) / PAGE_SECTORS) {
		u64 first = (u64)index * PAGE_SECTORS, s;

		for (s = max(sector, first);
		     s < min(end, first + PAGE_SECTORS); s++)
			clear_bit(s - first, &page->private);
		if (!page->private)
			cache_drop_page(c, index, page);
	}
}

/* Write a run of cached sectors to the disk behind. */
static int cache_write_run(struct disk_cache *c, struct trivio_blk_req *req,
			   u64 sector, void *data, unsigned int count)
{
	size_t len = (size_t)count << TRIVIO_SECTOR_SHIFT;
	struct kvec vec = { .iov_base = data, .iov_len = len };
	struct trivio_blk_req own = {
		.cmd = { .op = TRIVIO_BLK_OUT, .sector = sector, .len = len },
		.q = req ? req->q : NULL,
		.blk = req ? req->blk : NULL,
		.may_sleep = true,
		/* One segment, for a disk that wants to count them. */
		.chain = { .out_segs = 1 },
	};

	iov_iter_kvec(&own.iter, ITER_SOURCE, &vec, 1, len);
	return lower_submit(c, &own);
}

static int cache_write_page(struct disk_cache *c, struct trivio_blk_req *req,
			    unsigned long index, struct page *page)
{
	unsigned int from, to;
	int err = 0;

	for (from = 0; from < PAGE_SECTORS && !err; from = to) {
		to = from + 1;
		if (!cache_has(page, from))
			continue;
		while (to < PAGE_SECTORS && cache_has(page, to))
			to++;
		err = cache_write_run(c, req, (u64)index * PAGE_SECTORS + from,
				      page_address(page) +
				      (from << TRIVIO_SECTOR_SHIFT),
				      to - from);
	}
	return err;
}

/* All of it goes to the disk behind; what fails stays. */
static int cache_write_back(struct disk_cache *c, struct trivio_blk_req *req)
{
	unsigned long index;
	struct page *page;
	int err = 0;

	lockdep_assert_held_write(&c->lock);
	xa_for_each(&c->pages, index, page) {
		int one = cache_write_page(c, req, index, page);

		if (one)
			err = err ?: one;
		else
			cache_drop_page(c, index, page);
		cond_resched();
	}
	return err;
}

/* --- requests ------------------------------------------------------------ */

static int cache_read(struct disk_cache *c, struct trivio_blk_req *req)
{
	u64 sector = req->cmd.sector;
	u64 end = sector + (req->cmd.len >> TRIVIO_SECTOR_SHIFT);
	struct iov_iter iter = req->iter;
	int err = lower_submit(c, req);

	if (err || xa_empty(&c->pages))
		return err;
	for (; sector < end; sector++) {
		struct page *page = xa_load(&c->pages, sector / PAGE_SECTORS);
		unsigned int at = sector % PAGE_SECTORS;

		if (unlikely(!(sector % CACHE_BATCH)) &&
		    trivio_blk_req_pause(req))
			return -EIO;
		if (!page || !cache_has(page, at)) {
			iov_iter_advance(&iter, TRIVIO_SECTOR_SIZE);
			continue;
		}
		if (_copy_to_iter(page_address(page) +
				  (at << TRIVIO_SECTOR_SHIFT),
				  TRIVIO_SECTOR_SIZE, &iter) !=
		    TRIVIO_SECTOR_SIZE)
			return -EFAULT;
	}
	return 0;
}

static struct page *cache_page(struct disk_cache *c, unsigned long index,
			       bool may_sleep)
{
	gfp_t gfp = may_sleep ? GFP_NOIO : GFP_NOWAIT | __GFP_NOWARN;
	struct page *page = xa_load(&c->pages, index), *old;

	if (page)
		return page;
	page = alloc_page(gfp);
	if (!page)
		return may_sleep ? ERR_PTR(-ENOMEM) : ERR_PTR(-EAGAIN);
	set_page_private(page, 0);
	old = xa_cmpxchg(&c->pages, index, NULL, page, gfp);
	if (!old) {
		atomic_long_inc(&c->count);
		return page;
	}
	__free_page(page);
	if (!xa_is_err(old))
		return old;
	return may_sleep ? ERR_PTR(xa_err(old)) : ERR_PTR(-EAGAIN);
}

/* As ram_write(): what is begun again writes the same. */
static int cache_write(struct disk_cache *c, struct trivio_blk_req *req)
{
	u64 sector = req->cmd.sector;
	u64 end = sector + (req->cmd.len >> TRIVIO_SECTOR_SHIFT);

	for (; sector < end; sector++) {
		struct page *page = cache_page(c, sector / PAGE_SECTORS,
					       req->may_sleep);
		unsigned int at = sector % PAGE_SECTORS;

		if (unlikely(!(sector % CACHE_BATCH)) &&
		    trivio_blk_req_pause(req))
			return -EIO;
		if (IS_ERR(page))
			return PTR_ERR(page);
		if (_copy_from_iter(page_address(page) +
				    (at << TRIVIO_SECTOR_SHIFT),
				    TRIVIO_SECTOR_SIZE, &req->iter) !=
		    TRIVIO_SECTOR_SIZE)
			return -EFAULT;
		set_bit(at, &page->private);
	}
	return 0;
}

/* Requests that take sectors out of the cache. */
static int cache_exclusive(struct disk_cache *c, struct trivio_blk_req *req)
{
	int err = 0;
	u32 i;

	if (!req->may_sleep)
		return -EAGAIN;
	down_write(&c->lock);
	switch (req->cmd.op) {
	case TRIVIO_BLK_OUT:
		if (req->sync)
			cache_forget(c, req->cmd.sector,
				     req->cmd.len >> TRIVIO_SECTOR_SHIFT);
		else
			err = cache_write_back(c, req);
		break;
	case TRIVIO_BLK_FLUSH:
		err = cache_write_back(c, req);
		break;
	default:
		for (i = 0; i < req->cmd.nseg; i++)
			cache_forget(c, req->range[i].sector,
				     req->range[i].count);
	}
	err = err ?: lower_submit(c, req);
	up_write(&c->lock);
	return err;
}

static int cache_submit(struct trivio_disk *disk, struct trivio_blk_req *req)
{
	struct disk_cache *c = to_cache(disk);
	bool write = req->cmd.op == TRIVIO_BLK_OUT;
	int err;

	/* A full cache is emptied first, and this write goes behind it. */
	if (req->cmd.op > TRIVIO_BLK_OUT || (write && req->sync) ||
	    (write && atomic_long_read(&c->count) >= c->limit))
		return cache_exclusive(c, req);
	if (!down_read_trylock(&c->lock)) {
		if (!req->may_sleep)
			return -EAGAIN;
		down_read(&c->lock);
	}
	/* The disk may have shrunk since the request was checked. */
	if (req->cmd.sector + (req->cmd.len >> TRIVIO_SECTOR_SHIFT) >
	    c->lower->sectors)
		err = -EIO;
	else
		err = write ? cache_write(c, req) : cache_read(c, req);
	up_read(&c->lock);
	return err;
}

/* --- life ---------------------------------------------------------------- */

static int cache_resize(struct trivio_disk *disk, u64 sectors)
{
	struct disk_cache *c = to_cache(disk);
	int err;

	if (!c->lower->ops->resize)
		return -EOPNOTSUPP;
	down_write(&c->lock);
	if (sectors < disk->sectors)
		cache_forget(c, sectors, disk->sectors - sectors);
	err = c->lower->ops->resize(c->lower, sectors);
	disk->sectors = c->lower->sectors;
	up_write(&c->lock);
	return err;
}

/* A drive that loses power may just have written some of its cache. */
static void cache_power_loss(struct trivio_disk *disk, u32 keep, u32 seed)
{
	struct disk_cache *c = to_cache(disk);
	struct rnd_state rnd;
	unsigned long index;
	struct page *page;

	prandom_seed_state(&rnd, seed);
	down_write(&c->lock);
	xa_for_each(&c->pages, index, page) {
		if (prandom_u32_state(&rnd) % 100 < keep)
			cache_write_page(c, NULL, index, page);
		cache_drop_page(c, index, page);
		cond_resched();
	}
	up_write(&c->lock);
}

/* A device that is deleted is one that is shut down, not one that crashed. */
static void cache_free(struct trivio_disk *disk)
{
	struct disk_cache *c = to_cache(disk);
	unsigned long index;
	struct page *page;

	down_write(&c->lock);
	if (cache_write_back(c, NULL))
		pr_warn("trivio: cached sectors could not be written at the end of a disk\n");
	xa_for_each(&c->pages, index, page)
		cache_drop_page(c, index, page);
	up_write(&c->lock);
	xa_destroy(&c->pages);
	c->lower->ops->free(c->lower);
	kfree(c);
}

/* Where the disk behind seldom sleeps, so does the cache. */
static const struct trivio_disk_ops cache_atomic_ops = {
	.name = "cache",
	.atomic = true,
	.submit = cache_submit,
	.resize = cache_resize,
	.power_loss = cache_power_loss,
	.free = cache_free,
};

static const struct trivio_disk_ops cache_ops = {
	.name = "cache",
	.submit = cache_submit,
	.resize = cache_resize,
	.power_loss = cache_power_loss,
	.free = cache_free,
};

/**
 * trivio_disk_cache_create() - put a volatile write cache before a disk
 * @lower: disk; freed with the cache
 * @bytes: most that it holds
 *
 * Context: may sleep.
 *
 * Return: the cached disk, or an error pointer, and @lower is still the
 * caller's: -EINVAL for a disk that can't be written to or for no bytes.
 */
struct trivio_disk *trivio_disk_cache_create(struct trivio_disk *lower,
					     u64 bytes)
{
	struct disk_cache *c;

	if (lower->read_only || bytes < PAGE_SIZE)
		return ERR_PTR(-EINVAL);
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->disk = *lower;
	c->disk.ops = lower->ops->atomic ? &cache_atomic_ops : &cache_ops;
	c->disk.has_cache = true;
	c->lower = lower;
	c->limit = bytes >> PAGE_SHIFT;
	init_rwsem(&c->lock);
	xa_init(&c->pages);
	return &c->disk;
}
EXPORT_SYMBOL_GPL(trivio_disk_cache_create);
