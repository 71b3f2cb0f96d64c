/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the bytes of a virtio-blk request to a checked command, or to the status
 * that refuses it. No kernel-only calls: selftests and fuzzers compile
 * drivers/core/blk_parse.c in user space.
 */
#ifndef TRIVIO_BLK_PARSE_H
#define TRIVIO_BLK_PARSE_H

#include <linux/types.h>
#include <linux/virtio_blk.h>

/* Virtio 1.2, 5.2.3 and 5.2.6; Linux 6.12 does not define them. */
#define TRIVIO_BLK_F_LIFETIME		15
#define TRIVIO_BLK_T_GET_LIFETIME	10
#define TRIVIO_BLK_LIFETIME_BYTES	6

#define TRIVIO_SECTOR_SHIFT	9
#define TRIVIO_SECTOR_SIZE	(1U << TRIVIO_SECTOR_SHIFT)

/*
 * What one DISCARD, WRITE ZEROES or SECURE ERASE command may carry. A disk may have
 * to write its zeroes: those are as long as a large write, not longer.
 */
#define TRIVIO_BLK_RANGES_MAX	16
#define TRIVIO_BLK_RANGE_SECTORS_MAX	(1U << 22)
#define TRIVIO_BLK_ZERO_SECTORS_MAX	(1U << 17)

/**
 * enum trivio_blk_op - what a request asks for
 * @TRIVIO_BLK_IN: read
 * @TRIVIO_BLK_OUT: write
 * @TRIVIO_BLK_FLUSH: make completed writes stable
 * @TRIVIO_BLK_GET_ID: read the serial
 * @TRIVIO_BLK_DISCARD: contents of the ranges are not needed any more
 * @TRIVIO_BLK_WRITE_ZEROES: the ranges read back as zeroes
 * @TRIVIO_BLK_SECURE_ERASE: the ranges can't be read back by any means
 * @TRIVIO_BLK_GET_LIFETIME: read how worn the device is
 */
enum trivio_blk_op {
	TRIVIO_BLK_IN,
	TRIVIO_BLK_OUT,
	TRIVIO_BLK_FLUSH,
	TRIVIO_BLK_GET_ID,
	TRIVIO_BLK_DISCARD,
	TRIVIO_BLK_WRITE_ZEROES,
	TRIVIO_BLK_SECURE_ERASE,
	TRIVIO_BLK_GET_LIFETIME,
};

/**
 * struct trivio_blk_limits - what the device allows
 * @features: negotiated feature bits
 * @sectors: capacity in units of 512 bytes
 * @block_size: logical block in bytes, a power of two, 512 or more
 * @read_only: the device refuses writes
 */
struct trivio_blk_limits {
	__u64 features;
	__u64 sectors;
	__u32 block_size;
	_Bool read_only;
};

/**
 * struct trivio_blk_cmd - a checked command
 * @op: what to do
 * @sector: first sector (IN, OUT)
 * @len: bytes of data, without header and status
 * @nseg: ranges that the data holds (DISCARD, WRITE ZEROES, SECURE ERASE)
 */
struct trivio_blk_cmd {
	enum trivio_blk_op op;
	__u64 sector;
	__u32 len;
	__u32 nseg;
};

/**
 * struct trivio_blk_range - a checked range
 * @sector: first sector
 * @count: sectors, not 0
 * @unmap: WRITE ZEROES: the sectors may be given back
 */
struct trivio_blk_range {
	__u64 sector;
	__u32 count;
	_Bool unmap;
};

/**
 * trivio_blk_range_max() - longest range of a command
 * @op: TRIVIO_BLK_DISCARD, _WRITE_ZEROES or _SECURE_ERASE
 *
 * Return: units of 512 bytes.
 */
static inline __u32 trivio_blk_range_max(enum trivio_blk_op op)
{
	return op == TRIVIO_BLK_WRITE_ZEROES ? TRIVIO_BLK_ZERO_SECTORS_MAX :
					       TRIVIO_BLK_RANGE_SECTORS_MAX;
}

int trivio_blk_parse(const struct trivio_blk_limits *lim,
		     const struct virtio_blk_outhdr *hdr, __u32 out_len,
		     __u32 in_len, struct trivio_blk_cmd *cmd);
int trivio_blk_parse_range(const struct trivio_blk_limits *lim,
			   const struct trivio_blk_cmd *cmd,
			   const struct virtio_blk_discard_write_zeroes *raw,
			   struct trivio_blk_range *range);

#endif /* TRIVIO_BLK_PARSE_H */
