// SPDX-License-Identifier: GPL-2.0-only
/* Rules of initialization, rings and block requests, each broken once. */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "rule.h"

/* Where a request's parts lie. */
#define HDR	DATA
#define STATUS	(DATA + 0x100)
#define TABLE	(DATA + 0x1000)
#define BUF	(DATA + 0x8000)

#define F_SPLIT	F_BASE
#define F_PACKED	(F_BASE | F(VIRTIO_F_RING_PACKED))
#define F_RANGES	(F_BASE | F(VIRTIO_BLK_F_DISCARD) | \
			 F(VIRTIO_BLK_F_WRITE_ZEROES))

static void header(struct dev *d, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *h = (void *)at(d, HDR);

	h->type = type;
	h->ioprio = 0;
	h->sector = sector;
	*at(d, STATUS) = 0xee;
}

/* Header, @out bytes, @in bytes, status, on descriptors 0 on. */
static void request(struct dev *d, uint32_t type, uint64_t sector, uint32_t out,
		    uint32_t in)
{
	unsigned int i = 1;

	header(d, type, sector);
	desc(d, 0, 0, IOVA(HDR), 16, D_NEXT, 1);
	if (out) {
		desc(d, 0, i, IOVA(BUF), out, D_NEXT, i + 1);
		i++;
	}
	if (in) {
		desc(d, 0, i, IOVA(BUF), in, D_WRITE | D_NEXT, i + 1);
		i++;
	}
	desc(d, 0, i, IOVA(STATUS), 1, D_WRITE, 0);
	offer(d, 0, 0);
	kick(d, 0);
}

static void good(struct dev *d)
{
	request(d, VIRTIO_BLK_T_IN, 0, 0, 512);
}

/* 0 when the device has written a good status. */
static int finished(struct dev *d)
{
	volatile uint8_t *status = at(d, STATUS);
	int i;

	for (i = 0; i < 2000 && *status == 0xee; i++)
		pause_ms(1);
	/* The used entry comes behind the status. */
	pause_ms(2);
	return *status;
}

/* The same in a packed ring, on slots 0 to 2, with this buffer id. */
static void packed_good(struct dev *d, unsigned int slot, uint16_t id)
{
	header(d, VIRTIO_BLK_T_IN, 0);
	pdesc(d, 0, slot + 2, IOVA(STATUS), 1, id, D_WRITE);
	pdesc(d, 0, slot + 1, IOVA(BUF), 512, id, D_WRITE | D_NEXT);
	pdesc(d, 0, slot, IOVA(HDR), 16, id, D_NEXT);
}

/* Requests stay in flight for a while. */
static int slow(struct dev *d, bool on)
{
	return dev_file(d->name, "faults/io_delay/value", "300") ?:
	       dev_file(d->name, "faults/io_delay/every", on ? "1" : "0");
}

/* --- nothing broken ------------------------------------------------------ */

static int fine_split(struct dev *d)
{
	int i, err = dev_start(d, F_SPLIT | F(VIRTIO_RING_F_EVENT_IDX), 1);

	for (i = 0; i < 40 && !err; i++) {
		good(d);
		err = finished(d);
	}
	return err;
}

static int fine_packed(struct dev *d)
{
	int err = dev_start(d, F_PACKED, 1);

	if (err)
		return err;
	packed_good(d, 0, 5);
	packed_good(d, 3, 7);
	kick(d, 0);
	return finished(d);
}

/* --- status, features, configuration space ------------------------------- */

static int status_failed(struct dev *d)
{
	uint64_t f = F_BASE;

	client_set_status(&d->c, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	client_set_status(&d->c, S_DRIVER);
	client_set_status(&d->c, S_DRIVER | VIRTIO_CONFIG_S_FAILED);
	if (ioctl(d->c.fd, VHOST_SET_FEATURES, &f))
		return -errno;
	client_set_status(&d->c, S_FEATURES | VIRTIO_CONFIG_S_FAILED);
	return 0;
}

static int status_order(struct dev *d)
{
	client_set_status(&d->c, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	client_set_status(&d->c, S_DRIVER);
	client_set_status(&d->c, S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	return 0;
}

static int feature_offered(struct dev *d)
{
	dev_features(d, F_BASE | F(VIRTIO_BLK_F_SIZE_MAX));
	return 0;
}

static int feature_version_1(struct dev *d)
{
	dev_features(d, F(VIRTIO_F_ACCESS_PLATFORM));
	return 0;
}

static int config_write(struct dev *d, uint32_t off, uint8_t value)
{
	struct {
		struct vhost_vdpa_config c;
		uint8_t v[8];
	} set = { .c = { .off = off, .len = 1 } };

	memcpy(set.c.buf, &value, 1);
	return ioctl(d->c.fd, VHOST_VDPA_SET_CONFIG, &set) ? -errno : 0;
}

static int config_early(struct dev *d)
{
	client_set_status(&d->c, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	client_set_status(&d->c, S_DRIVER);
	return config_write(d, offsetof(struct virtio_blk_config, wce), 1);
}

static int config_read_only(struct dev *d)
{
	return dev_features(d, F_BASE) ?: config_write(d, 0, 1);
}

static int blk_wce(struct dev *d)
{
	return dev_features(d, F_BASE | F(VIRTIO_BLK_F_CONFIG_WCE) |
			    F(VIRTIO_BLK_F_FLUSH)) ?:
	       config_write(d, offsetof(struct virtio_blk_config, wce), 2);
}

static int kick_early(struct dev *d)
{
	int err = dev_features(d, F_BASE) ?: dev_queue(d, 0, true);

	kick(d, 0);
	return err;
}

static int kick_disabled(struct dev *d)
{
	int err;

	err = client_map(&d->c, CLIENT_IOVA, d->c.mem, CLIENT_MEM,
			 VHOST_ACCESS_RW) ?:
	      dev_features(d, F_BASE) ?: dev_queue(d, 0, true) ?:
	      dev_queue(d, 1, false) ?: client_set_status(&d->c, S_LIVE);
	kick(d, 1);
	return err;
}

/* --- split rings --------------------------------------------------------- */

static int queue_align(struct dev *d)
{
	d->skew = 8;
	return dev_start(d, F_SPLIT, 1);
}

static int chain_order(struct dev *d)
{
	int err = dev_start(d, F_SPLIT, 1);

	header(d, VIRTIO_BLK_T_IN, 0);
	desc(d, 0, 3, IOVA(HDR), 16, D_NEXT, 4);
	desc(d, 0, 4, IOVA(BUF), 512, D_WRITE | D_NEXT, 5);
	desc(d, 0, 5, IOVA(STATUS), 1, 0, 0);
	offer(d, 0, 3);
	kick(d, 0);
	return err;
}

static int one(struct dev *d, uint64_t features, uint64_t addr, uint32_t len,
	       uint16_t flags, uint16_t next)
{
	int err = dev_start(d, features, 1);

	desc(d, 0, 0, addr, len, flags, next);
	offer(d, 0, 0);
	kick(d, 0);
	return err;
}

static int chain_loop(struct dev *d)
{
	return one(d, F_SPLIT, IOVA(HDR), 16, D_NEXT, 0);
}

static int chain_bytes(struct dev *d)
{
	return one(d, F_SPLIT, UINT64_MAX - 100, 4096, 0, 0);
}

static int chain_next(struct dev *d)
{
	return one(d, F_SPLIT, IOVA(HDR), 16, D_NEXT, 1000);
}

/* A table of @n entries that is a good request but for its length. */
static void long_table(struct dev *d, unsigned int n)
{
	unsigned int i;

	header(d, VIRTIO_BLK_T_IN, 0);
	table(d, TABLE, 0, IOVA(HDR), 16, D_NEXT, 1);
	for (i = 1; i < n - 1; i++)
		table(d, TABLE, i, IOVA(BUF), 512, D_WRITE | D_NEXT, i + 1);
	table(d, TABLE, n - 1, IOVA(STATUS), 1, D_WRITE, 0);
}

static int indirect(struct dev *d, uint32_t len, uint16_t flags)
{
	return one(d, F_SPLIT | F(VIRTIO_RING_F_INDIRECT_DESC), IOVA(TABLE),
		   len, flags, 1);
}

static int chain_long(struct dev *d)
{
	long_table(d, RULE_NUM + 1);
	return indirect(d, 16 * (RULE_NUM + 1), D_TABLE);
}

static int chain_huge(struct dev *d)
{
	long_table(d, 1100);
	return indirect(d, 16 * 1100, D_TABLE);
}

static int indirect_feature(struct dev *d)
{
	return one(d, F_SPLIT, IOVA(TABLE), 48, D_TABLE, 0);
}

static int indirect_nested(struct dev *d)
{
	table(d, TABLE, 0, IOVA(TABLE), 48, D_TABLE, 0);
	return indirect(d, 48, D_TABLE);
}

static int indirect_next(struct dev *d)
{
	long_table(d, 3);
	return indirect(d, 48, D_TABLE | D_NEXT);
}

static int indirect_len(struct dev *d)
{
	return indirect(d, 24, D_TABLE);
}

static int avail_idx(struct dev *d)
{
	int err = dev_start(d, F_SPLIT, 1);

	d->avail[0] = RULE_NUM + 1;
	offer(d, 0, 0);
	kick(d, 0);
	return err;
}

static int avail_head(struct dev *d)
{
	int err = dev_start(d, F_SPLIT, 1);

	offer(d, 0, RULE_NUM);
	kick(d, 0);
	return err;
}

static void avail_flag(struct dev *d, uint16_t flags)
{
	*(uint16_t *)at(d, RING_AT(0) + 0x1000) = flags;
}

static int avail_flags(struct dev *d)
{
	int err = dev_start(d, F_SPLIT, 1);

	avail_flag(d, 2);
	good(d);
	return err;
}

static int avail_flags_event(struct dev *d)
{
	int err = dev_start(d, F_SPLIT | F(VIRTIO_RING_F_EVENT_IDX), 1);

	avail_flag(d, 1);
	good(d);
	return err;
}

static int kick_missing(struct dev *d)
{
	int err = dev_start(d, F_SPLIT | F(VIRTIO_RING_F_EVENT_IDX), 1);

	good(d);
	pause_ms(1000);
	header(d, VIRTIO_BLK_T_IN, 0);
	offer(d, 0, 0);
	pause_ms(1500);
	return err;
}

static int reused(struct dev *d)
{
	int err = slow(d, true) ?: dev_start(d, F_SPLIT, 1);

	request(d, VIRTIO_BLK_T_IN, 0, 0, 512);
	offer(d, 0, 0);
	kick(d, 0);
	pause_ms(100);
	return err;
}

static int altered(struct dev *d)
{
	int err = slow(d, true) ?: dev_start(d, F_SPLIT, 1);

	good(d);
	pause_ms(100);
	desc(d, 0, 1, IOVA(BUF) + 64, 512, D_WRITE | D_NEXT, 2);
	return err;
}

static int memory(struct dev *d)
{
	return one(d, F_SPLIT, 0x1000, 16, 0, 0);
}

/* --- packed rings -------------------------------------------------------- */

static int packed_order(struct dev *d)
{
	int err = dev_start(d, F_PACKED, 1);

	header(d, VIRTIO_BLK_T_IN, 0);
	pdesc(d, 0, 1, IOVA(HDR), 16, 2, 0);
	pdesc(d, 0, 0, IOVA(STATUS), 1, 2, D_WRITE | D_NEXT);
	kick(d, 0);
	return err;
}

static int packed_partial(struct dev *d)
{
	int err = dev_start(d, F_PACKED, 1);

	pdesc(d, 0, 0, IOVA(HDR), 16, 2, D_NEXT);
	kick(d, 0);
	return err;
}

static int packed_id(struct dev *d)
{
	int err = dev_start(d, F_PACKED, 1);

	pdesc(d, 0, 0, IOVA(HDR), 16, RULE_NUM, 0);
	kick(d, 0);
	return err;
}

static int packed_table(struct dev *d)
{
	int err = dev_start(d, F_PACKED | F(VIRTIO_RING_F_INDIRECT_DESC), 1);

	header(d, VIRTIO_BLK_T_IN, 0);
	table(d, TABLE, 0, IOVA(HDR), 16, D_NEXT, 0);
	table(d, TABLE, 1, IOVA(BUF), 512, D_WRITE, 0);
	table(d, TABLE, 2, IOVA(STATUS), 1, D_WRITE, 0);
	pdesc(d, 0, 0, IOVA(TABLE), 48, 2, D_TABLE);
	kick(d, 0);
	return err;
}

static int packed_event(struct dev *d, uint64_t features, uint16_t off,
			uint16_t flags)
{
	struct vring_packed_desc_event *e = (void *)at(d, RING_AT(0) + 0x1000);
	int err = dev_start(d, F_PACKED | features, 1);

	e->off_wrap = off;
	e->flags = flags;
	packed_good(d, 0, 1);
	kick(d, 0);
	return err;
}

static int event_flags(struct dev *d)
{
	return packed_event(d, F(VIRTIO_RING_F_EVENT_IDX), 0, 3);
}

static int event_flags_desc(struct dev *d)
{
	return packed_event(d, 0, 0, VRING_PACKED_EVENT_FLAG_DESC);
}

static int event_offset(struct dev *d)
{
	return packed_event(d, F(VIRTIO_RING_F_EVENT_IDX), 0x8000 | 100,
			    VRING_PACKED_EVENT_FLAG_DESC);
}

static int packed_reused(struct dev *d)
{
	int err = slow(d, true) ?: dev_start(d, F_PACKED, 1);

	packed_good(d, 0, 3);
	packed_good(d, 3, 3);
	kick(d, 0);
	pause_ms(100);
	return err;
}

static int packed_altered(struct dev *d)
{
	int err = slow(d, true) ?: dev_start(d, F_PACKED, 1);

	packed_good(d, 0, 3);
	kick(d, 0);
	pause_ms(100);
	pdesc(d, 0, 1, IOVA(BUF) + 64, 512, 3, D_WRITE | D_NEXT);
	return err;
}

static int packed_kick_missing(struct dev *d)
{
	int err = dev_start(d, F_PACKED | F(VIRTIO_RING_F_EVENT_IDX), 1);

	packed_good(d, 0, 1);
	kick(d, 0);
	pause_ms(1000);
	packed_good(d, 3, 1);
	pause_ms(1500);
	return err;
}

/* --- requests ------------------------------------------------------------ */

static int req(struct dev *d, uint64_t features, uint32_t type, uint64_t sector,
	       uint32_t out, uint32_t in)
{
	int err = dev_start(d, features, 1);

	request(d, type, sector, out, in);
	return err;
}

static int blk_format(struct dev *d)
{
	header(d, VIRTIO_BLK_T_IN, 0);
	return one(d, F_SPLIT, IOVA(HDR), 16, 0, 0);
}

static int blk_type(struct dev *d)
{
	return req(d, F_SPLIT, 77, 0, 0, 0);
}

static int blk_feature(struct dev *d)
{
	return req(d, F_SPLIT, VIRTIO_BLK_T_DISCARD, 0, 16, 0);
}

static int blk_read_only(struct dev *d)
{
	return req(d, F_SPLIT | F(VIRTIO_BLK_F_RO), VIRTIO_BLK_T_OUT, 0, 512,
		   0);
}

static int blk_capacity(struct dev *d)
{
	return req(d, F_SPLIT, VIRTIO_BLK_T_IN, 2047, 0, 1024);
}

static int blk_flush_sector(struct dev *d)
{
	return req(d, F_SPLIT | F(VIRTIO_BLK_F_FLUSH), VIRTIO_BLK_T_FLUSH, 8,
		   0, 0);
}

static int blk_length(struct dev *d)
{
	return req(d, F_SPLIT, VIRTIO_BLK_T_OUT, 0, 100, 0);
}

static int blk_id_length(struct dev *d)
{
	return req(d, F_SPLIT, VIRTIO_BLK_T_GET_ID, 0, 0, 21);
}

static int range(struct dev *d, uint32_t type, uint32_t len, uint64_t sector,
		 uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *r = (void *)at(d, BUF);
	uint32_t i;

	for (i = 0; i <= len / sizeof(*r); i++) {
		r[i].sector = sector;
		r[i].num_sectors = 1;
		r[i].flags = flags;
	}
	return req(d, F_RANGES, type, 0, len, 0);
}

static int blk_range_length(struct dev *d)
{
	return range(d, VIRTIO_BLK_T_WRITE_ZEROES, 15, 0, 0);
}

static int blk_range_capacity(struct dev *d)
{
	return range(d, VIRTIO_BLK_T_DISCARD, 16, 1 << 20, 0);
}

static int blk_ranges(struct dev *d)
{
	return range(d, VIRTIO_BLK_T_DISCARD, 17 * 16, 0, 0);
}

static int blk_unmap(struct dev *d)
{
	return range(d, VIRTIO_BLK_T_DISCARD, 16, 0, 1);
}

static int blk_reserved(struct dev *d)
{
	return range(d, VIRTIO_BLK_T_WRITE_ZEROES, 16, 0, 4);
}

const struct rule_case rule_blk[] = {
	{ NULL, "split ring", fine_split },
	{ NULL, "packed ring", fine_packed },
	{ "status-failed", "2.1.1", status_failed },
	{ "status-order", "3.1.1", status_order },
	{ "feature-offered", "2.2.1", feature_offered },
	{ "feature-version-1", "6.1", feature_version_1 },
	{ "config-early", "3.1.1", config_early },
	{ "config-read-only", "2.5", config_read_only },
	{ "blk-wce", "5.2.6.1", blk_wce },
	{ "kick-early", "3.1.1", kick_early },
	{ "kick-disabled", "2.6", kick_disabled },
	{ "queue-align", "2.7.1", queue_align },
	{ "chain-order", "2.7.4.2", chain_order },
	{ "chain-loop", "2.7.5.2", chain_loop },
	{ "chain-bytes", "2.7.5.2", chain_bytes },
	{ "chain-next", "2.7.5", chain_next },
	{ "chain-long", "2.7.5.3.1", chain_long },
	{ "chain-huge", "2.7.4.2", chain_huge },
	{ "indirect-feature", "2.7.5.3.1", indirect_feature },
	{ "indirect-nested", "2.7.5.3.1", indirect_nested },
	{ "indirect-next", "2.7.5.3.1", indirect_next },
	{ "indirect-len", "2.7.5.3", indirect_len },
	{ "avail-idx", "2.7.6.1", avail_idx },
	{ "avail-head", "2.7.6", avail_head },
	{ "avail-flags", "2.7.7.1", avail_flags },
	{ "avail-flags", "2.7.7.1", avail_flags_event },
	{ "kick-missing", "2.7.10.1", kick_missing },
	{ "reused", "2.7.13", reused },
	{ "altered", "3.3.1", altered },
	{ "memory", "6.1", memory },
	{ "chain-order", "2.8.17", packed_order },
	{ "chain-partial", "2.8.17", packed_partial },
	{ "avail-head", "2.8.13", packed_id },
	{ "indirect-flags", "2.8.19", packed_table },
	{ "event-flags", "2.8.10", event_flags },
	{ "event-flags", "2.8.10", event_flags_desc },
	{ "event-offset", "2.8.10", event_offset },
	{ "reused", "2.8.21.1", packed_reused },
	{ "altered", "2.8.16", packed_altered },
	{ "kick-missing", "2.8.21.3.1", packed_kick_missing },
	{ "blk-format", "5.2.6", blk_format },
	{ "blk-type", "5.2.6", blk_type },
	{ "blk-feature", "5.2.3", blk_feature },
	{ "blk-capacity", "5.2.6.1", blk_capacity },
	{ "blk-flush-sector", "5.2.6.1", blk_flush_sector },
	{ "blk-length", "5.2.6.1", blk_length },
	{ "blk-id-length", "5.2.6.1", blk_id_length },
	{ "blk-range-length", "5.2.6.1", blk_range_length },
	{ "blk-capacity", "5.2.6.1", blk_range_capacity },
	{ "blk-ranges", "5.2.6.1", blk_ranges },
	{ "blk-unmap", "5.2.6.1", blk_unmap },
	{ "blk-reserved", "5.2.6", blk_reserved },
};

const int rule_blk_nr = sizeof(rule_blk) / sizeof(rule_blk[0]);

const struct rule_case rule_blk_ro[] = {
	{ "blk-read-only", "5.2.5", blk_read_only },
};

const int rule_blk_ro_nr = sizeof(rule_blk_ro) / sizeof(rule_blk_ro[0]);
