// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests from any guest. What is accepted lies on the disk, in whole
 * blocks, and is allowed; sums are checked in wider arithmetic than the parser's.
 */
#include <linux/types.h>

#include <errno.h>
#include <trivio/blk_parse.h>

#include "fuzz.h"

static void on_disk(const struct trivio_blk_limits *lim, __u64 sector,
		    __u64 count)
{
	unsigned __int128 end = (unsigned __int128)sector + count;

	CHECK(end <= lim->sectors);
	CHECK(sector % (lim->block_size / 512) == 0);
	CHECK(count % (lim->block_size / 512) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct virtio_blk_discard_write_zeroes raw;
	struct trivio_blk_limits lim = {};
	struct trivio_blk_range range;
	struct virtio_blk_outhdr hdr;
	struct trivio_blk_cmd cmd;
	__u32 out_len, in_len, i;
	__u8 how = in_u8(&in);
	int ret;

	lim.features = in_u64(&in);
	lim.block_size = 512 << in_u8(&in) % 8;
	lim.sectors = how & 1 ? in_u64(&in) : in_u16(&in);
	lim.sectors -= lim.sectors % (lim.block_size / 512);
	lim.read_only = how & 2;
	out_len = how & 4 ? in_u32(&in) : in_u16(&in);
	in_len = how & 8 ? in_u32(&in) : in_u16(&in);
	in_bytes(&in, &hdr, sizeof(hdr));
	/* at the end of the disk */
	if (how & 16)
		hdr.sector = lim.sectors + (__s8)in_u8(&in);
	memset(&cmd, 0xee, sizeof(cmd));
	ret = trivio_blk_parse(&lim, &hdr, out_len, in_len, &cmd);
	if (ret) {
		CHECK(ret == -EINVAL || ret == VIRTIO_BLK_S_IOERR ||
		      ret == VIRTIO_BLK_S_UNSUPP);
		CHECK(ret != -EINVAL || out_len < 16 || !in_len);
		return 0;
	}
	CHECK(out_len >= 16 && in_len);
	switch (cmd.op) {
	case TRIVIO_BLK_IN:
		CHECK(cmd.len && cmd.len < in_len);
		on_disk(&lim, cmd.sector, cmd.len / 512);
		break;
	case TRIVIO_BLK_OUT:
		CHECK(!lim.read_only && cmd.len && cmd.len <= out_len - 16);
		on_disk(&lim, cmd.sector, cmd.len / 512);
		break;
	case TRIVIO_BLK_FLUSH:
		break;
	case TRIVIO_BLK_GET_ID:
		CHECK(cmd.len <= 20 && cmd.len < in_len);
		break;
	case TRIVIO_BLK_GET_LIFETIME:
		CHECK(lim.features >> TRIVIO_BLK_F_LIFETIME & 1);
		CHECK(cmd.len == 6 && cmd.len < in_len);
		break;
	default:
		CHECK(!lim.read_only);
		CHECK(cmd.nseg && cmd.nseg <= TRIVIO_BLK_RANGES_MAX);
		CHECK(cmd.nseg * 16 == out_len - 16);
		for (i = 0; i < cmd.nseg && in.left; i++) {
			in_bytes(&in, &raw, sizeof(raw));
			ret = trivio_blk_parse_range(&lim, &cmd, &raw, &range);
			if (ret) {
				CHECK(ret == VIRTIO_BLK_S_IOERR ||
				      ret == VIRTIO_BLK_S_UNSUPP);
				break;
			}
			CHECK(range.count);
			CHECK(range.count <= trivio_blk_range_max(cmd.op));
			on_disk(&lim, range.sector, range.count);
			CHECK(!range.unmap ||
			      cmd.op == TRIVIO_BLK_WRITE_ZEROES);
		}
	}
	return 0;
}
