// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of virtio-blk requests (virtio 1.2, 5.2.6).
 *
 * All arithmetic is on sectors and done so that nothing can wrap: a length is
 * compared with what is left behind the start, never added to it. The start and
 * the length are both checked in whole logical blocks, so that the last block
 * can't be overrun by a part of one.
 *
 * Pure C over bytes that were copied out of guest memory before: no double
 * fetch is possible here. Compiles in user space.
 */
#include <linux/virtio_config.h>
#ifdef __KERNEL__
#include <linux/errno.h>
#include <asm/byteorder.h>
#else
#include <endian.h>
#include <errno.h>
#define le32_to_cpu	le32toh
#define le64_to_cpu	le64toh
#endif

#include <trivio/blk_parse.h>

static inline __u32 blk_le32(__virtio32 v)
{
	return le32_to_cpu((__force __le32)v);
}

static inline __u64 blk_le64(__virtio64 v)
{
	return le64_to_cpu((__force __le64)v);
}

static _Bool has(const struct trivio_blk_limits *lim, unsigned int bit)
{
	return lim->features >> bit & 1;
}

/* Is a run of sectors whole blocks, all of them on the disk? */
static _Bool run_ok(const struct trivio_blk_limits *lim, __u64 sector,
		    __u64 count)
{
	__u64 mask = (lim->block_size >> TRIVIO_SECTOR_SHIFT) - 1;

	if ((sector | count) & mask)
		return 0;
	return sector <= lim->sectors && count <= lim->sectors - sector;
}

static int parse_rw(const struct trivio_blk_limits *lim,
		    struct trivio_blk_cmd *cmd, __u32 len)
{
	if (!len || len & (TRIVIO_SECTOR_SIZE - 1) ||
	    !run_ok(lim, cmd->sector, len >> TRIVIO_SECTOR_SHIFT))
		return VIRTIO_BLK_S_IOERR;
	cmd->len = len;
	return 0;
}

static int parse_ranges(const struct trivio_blk_limits *lim,
			struct trivio_blk_cmd *cmd, unsigned int feature,
			__u32 len)
{
	const __u32 size = sizeof(struct virtio_blk_discard_write_zeroes);

	if (!has(lim, feature))
		return VIRTIO_BLK_S_UNSUPP;
	if (lim->read_only || !len || len % size ||
	    len / size > TRIVIO_BLK_RANGES_MAX)
		return VIRTIO_BLK_S_IOERR;
	cmd->len = len;
	cmd->nseg = len / size;
	return 0;
}

/**
 * trivio_blk_parse() - check a request
 * @lim: what the device allows
 * @hdr: its header, copied from the first bytes that the device can read;
 *	ignored if @out_len is too short for one
 * @out_len: bytes the device can read, header included
 * @in_len: bytes the device can write, status byte included
 * @cmd: filled in if 0 is returned
 *
 * Return: 0; a VIRTIO_BLK_S_ code to complete the request with; -EINVAL if it
 * has no room for a status or no whole header, so that nothing can be answered.
 */
int trivio_blk_parse(const struct trivio_blk_limits *lim,
		     const struct virtio_blk_outhdr *hdr, __u32 out_len,
		     __u32 in_len, struct trivio_blk_cmd *cmd)
{
	if (out_len < sizeof(*hdr) || !in_len)
		return -EINVAL;
	out_len -= sizeof(*hdr);
	in_len--;

	cmd->sector = blk_le64(hdr->sector);
	cmd->len = 0;
	cmd->nseg = 0;

	switch (blk_le32(hdr->type)) {
	case VIRTIO_BLK_T_IN:
		cmd->op = TRIVIO_BLK_IN;
		return parse_rw(lim, cmd, in_len);
	case VIRTIO_BLK_T_OUT:
		cmd->op = TRIVIO_BLK_OUT;
		if (lim->read_only)
			return VIRTIO_BLK_S_IOERR;
		return parse_rw(lim, cmd, out_len);
	case VIRTIO_BLK_T_FLUSH:
		/* Without the feature writes are stable, so nothing to do. */
		cmd->op = TRIVIO_BLK_FLUSH;
		return 0;
	case VIRTIO_BLK_T_GET_ID:
		cmd->op = TRIVIO_BLK_GET_ID;
		cmd->len = in_len;
		if (cmd->len > VIRTIO_BLK_ID_BYTES)
			cmd->len = VIRTIO_BLK_ID_BYTES;
		return 0;
	case TRIVIO_BLK_T_GET_LIFETIME:
		if (!has(lim, TRIVIO_BLK_F_LIFETIME))
			return VIRTIO_BLK_S_UNSUPP;
		if (in_len < TRIVIO_BLK_LIFETIME_BYTES)
			return VIRTIO_BLK_S_IOERR;
		cmd->op = TRIVIO_BLK_GET_LIFETIME;
		cmd->len = TRIVIO_BLK_LIFETIME_BYTES;
		return 0;
	case VIRTIO_BLK_T_DISCARD:
		cmd->op = TRIVIO_BLK_DISCARD;
		return parse_ranges(lim, cmd, VIRTIO_BLK_F_DISCARD, out_len);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		cmd->op = TRIVIO_BLK_WRITE_ZEROES;
		return parse_ranges(lim, cmd, VIRTIO_BLK_F_WRITE_ZEROES,
				    out_len);
	case VIRTIO_BLK_T_SECURE_ERASE:
		cmd->op = TRIVIO_BLK_SECURE_ERASE;
		return parse_ranges(lim, cmd, VIRTIO_BLK_F_SECURE_ERASE,
				    out_len);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/**
 * trivio_blk_parse_range() - check one range of a range command
 * @lim: what the device allows
 * @cmd: the command that carries it
 * @raw: the range, copied from guest memory
 * @range: filled in if 0 is returned
 *
 * Flags: only UNMAP is defined, and only for WRITE ZEROES; a device must refuse
 * others with UNSUPP (virtio 1.2, 5.2.6.2).
 *
 * Return: 0 or a VIRTIO_BLK_S_ code for the whole command.
 */
int trivio_blk_parse_range(const struct trivio_blk_limits *lim,
			   const struct trivio_blk_cmd *cmd,
			   const struct virtio_blk_discard_write_zeroes *raw,
			   struct trivio_blk_range *range)
{
	__u32 flags = le32_to_cpu(raw->flags);

	range->sector = le64_to_cpu(raw->sector);
	range->count = le32_to_cpu(raw->num_sectors);
	range->unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
		return VIRTIO_BLK_S_UNSUPP;
	if (range->unmap && cmd->op != TRIVIO_BLK_WRITE_ZEROES)
		return VIRTIO_BLK_S_UNSUPP;
	if (!range->count || range->count > trivio_blk_range_max(cmd->op) ||
	    !run_ok(lim, range->sector, range->count))
		return VIRTIO_BLK_S_IOERR;
	return 0;
}
