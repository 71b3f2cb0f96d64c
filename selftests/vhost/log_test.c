// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log is complete when every page of guest memory that differs
 * from its copy has its bit: payload, headers, used rings, event words. The
 * memory itself is the oracle; nothing is assumed about how it was written.
 */
#include <sys/mman.h>

#include "common.h"

#define LOG	VH_BIT(VHOST_F_LOG_ALL)

FIXTURE(log) {
	struct vh_dev d;
	struct vh_tap t;
	uint8_t *bits;
	size_t bits_size;
	uint8_t *copy;
	uint64_t seq;
};

FIXTURE_VARIANT(log) {
	uint64_t features;
	bool iotlb;
};

FIXTURE_VARIANT_ADD(log, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(log, split_flags) { .features = VH_BASIC | IND };
FIXTURE_VARIANT_ADD(log, split_iotlb) { .features = VH_USUAL, .iotlb = true };
FIXTURE_VARIANT_ADD(log, split_order) { .features = VH_USUAL | ORDER };
FIXTURE_VARIANT_ADD(log, packed) { .features = VH_USUAL | PACKED };
FIXTURE_VARIANT_ADD(log, packed_flags) { .features = VH_BASIC | PACKED };
FIXTURE_VARIANT_ADD(log, packed_iotlb) {
	.features = VH_USUAL | PACKED, .iotlb = true,
};

FIXTURE_SETUP(log)
{
	struct vh_opts o = {
		.features = variant->features, .iotlb = variant->iotlb,
		.size = 64, .regions = 3,
	};

	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	self->seq = 0;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(vh_ns_enter());
	OK(vh_open(&self->d, &o));
	if (variant->iotlb)
		OK(vh_iotlb_map_all(&self->d));
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
	OK(vh_start(&self->d, self->t.fd));
	self->bits_size = (VH_GPA_BASE + self->d.mem.size) / 4096 / 8 + 64;
	self->bits = mmap(NULL, self->bits_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	self->copy = malloc(self->d.mem.size);
	ASSERT_NE(NULL, self->copy);
}

FIXTURE_TEARDOWN(log)
{
	free(self->copy);
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

/* As QEMU does it: base, ring addresses with F_LOG, then the feature. */
static int log_switch(struct vh_dev *d, void *bits, bool on)
{
	uint64_t base = (uintptr_t)bits;
	uint64_t f = d->features | (on ? LOG : 0);
	int r = 0;

	if (on)
		r = vh_ioctl(d->fd, VHOST_SET_LOG_BASE, &base);
	r = r ?: vh_ioctl(d->fd, VHOST_SET_FEATURES, &f);
	/* SET_FEATURES with ACCESS_PLATFORM begins with an empty IOTLB. */
	if (!r && d->opts.iotlb)
		r = vh_iotlb_map_all(d);
	r = r ?: vh_ring_addr(d, VH_RX, on);
	r = r ?: vh_ring_addr(d, VH_TX, on);
	return r ? vh_fail(r, "log %s", on ? "on" : "off") : 0;
}

/* Pages that differ from @copy without a bit; @dirty counts all bits. */
static unsigned int missing(struct vh_dev *d, const uint8_t *bits,
			    const uint8_t *copy, unsigned int *dirty,
			    uint64_t *first)
{
	unsigned int page, n = 0;
	uint64_t pfn;

	*dirty = 0;
	for (page = 0; page < d->mem.size / 4096; page++) {
		pfn = VH_GPA_BASE / 4096 + page;
		if (bits[pfn / 8] & (1 << (pfn % 8))) {
			(*dirty)++;
			continue;
		}
		if (!memcmp(d->mem.base + page * 4096UL, copy + page * 4096UL,
			    4096))
			continue;
		if (!n++)
			*first = page;
	}
	return n;
}

/*
 * Our own writes are in the difference too: post everything beforehand, copy,
 * and then only let the device work. Event words are ours by the half.
 */
#define CHECK(what) do {						\
	unsigned int dirty_ = 0;					\
	uint64_t page_ = 0;						\
	EXPECT_EQ(0, missing(&self->d, self->bits, self->copy, &dirty_,	\
			     &page_))					\
		TH_LOG("%s: page %llu (first) not logged; rx ring at %llu, tx at %llu", \
		       what, (long long)page_,				\
		       (long long)part(&self->d, VH_RX),		\
		       (long long)part(&self->d, VH_TX));		\
	EXPECT_LT(0, dirty_) TH_LOG("%s: nothing logged", what);	\
} while (0)

static uint64_t part(struct vh_dev *d, unsigned int q)
{
	struct vh_ring *r = &d->ring[q];

	return ((uint8_t *)(r->packed ? (void *)r->pdesc : (void *)r->desc) -
		d->mem.base) / 4096;
}

/* Until @r has used something and the rest is done, too. */
static void wait_used(struct vh_dev *d, struct vh_ring *r)
{
	unsigned int i;

	for (i = 0; i < 5000 && !vh_more_used(r); i++)
		usleep(1000);
	vh_settle(d);
}

static int rx_burst(struct vh_dev *d, struct vh_tap *t, uint64_t seq,
		    unsigned int n, unsigned int len)
{
	uint8_t f[2048];

	for (; n; n--) {
		vh_frame_fill(f, len, seq++);
		if (send(t->sock, f, len, 0) != (ssize_t)len)
			return vh_fail(-errno, "send");
	}
	wait_used(d, &d->ring[VH_RX]);
	return 0;
}

static void reap_rx(struct vh_dev *d)
{
	struct vh_used u;

	while (vh_get_used(&d->ring[VH_RX], &u))
		vh_slot_put(&d->ring[VH_RX], u.token);
}

/* Each kind of traffic: post, copy, let it run, compare. */
static void receive(struct __test_metadata *_metadata,
		    struct _test_data_log *self, const struct vh_shape *s,
		    unsigned int n, unsigned int len)
{
	vh_rx_post(&self->d, s, 60);
	vh_settle(&self->d);
	memset(self->bits, 0, self->bits_size);
	memcpy(self->copy, self->d.mem.base, self->d.mem.size);
	OK(rx_burst(&self->d, &self->t, self->seq, n, len));
	ASSERT_TRUE(vh_more_used(&self->d.ring[VH_RX]));
	CHECK("receive");
	reap_rx(&self->d);
	self->seq += n;
}

static void transmit(struct __test_metadata *_metadata,
		     struct _test_data_log *self, const struct vh_shape *s,
		     unsigned int n)
{
	unsigned int i, done = 0;

	for (i = 0; i < n; i++)
		OK(vh_tx_post(&self->d, s, i));
	vh_publish(&self->d.ring[VH_TX]);
	vh_settle(&self->d);
	memset(self->bits, 0, self->bits_size);
	memcpy(self->copy, self->d.mem.base, self->d.mem.size);
	vh_kick(&self->d.ring[VH_TX]);
	wait_used(&self->d, &self->d.ring[VH_TX]);
	ASSERT_TRUE(vh_more_used(&self->d.ring[VH_TX]));
	CHECK("transmit");
	OK(vh_tx_reap(&self->d, &done));
	EXPECT_EQ(n, done);
}

TEST_F_TIMEOUT(log, M03_receive, LONG)
{
	struct vh_shape s = { .len = 60 };
	unsigned int round;

	OK(log_switch(&self->d, self->bits, true));
	for (round = 0; round < 10; round++)
		receive(_metadata, self, &s, 1 + round, 60 + round * 140);
}

TEST_F_TIMEOUT(log, M03_receive_merged_and_chained, LONG)
{
	struct vh_shape s = { .rx_buf = 256 };
	unsigned int round;

	OK(log_switch(&self->d, self->bits, true));
	for (round = 0; round < 10; round++) {
		s.segs = 1 + round % 3;
		s.first = 1 + round * 3;
		receive(_metadata, self, &s, 4, 1000);
	}
}

TEST_F_TIMEOUT(log, M03_transmit, LONG)
{
	struct vh_shape s = { .len = 60 };
	unsigned int round;

	OK(log_switch(&self->d, self->bits, true));
	for (round = 0; round < 10; round++)
		transmit(_metadata, self, &s, 1 + round * 3);
}

TEST_F_TIMEOUT(log, M01_indirect_and_empty_descriptors, LONG)
{
	struct vh_shape s = { .len = 200, .segs = 4, .indirect = true };

	if (!(variant->features & IND))
		SKIP(return, "no INDIRECT_DESC in this variant");
	OK(log_switch(&self->d, self->bits, true));
	receive(_metadata, self, &s, 8, 300);
	transmit(_metadata, self, &s, 8);
	/* A zero length first descriptor: first is 12, then 0 bytes each. */
	s.rx_buf = 16;
	s.segs = 4;
	receive(_metadata, self, &s, 2, 60);
}

TEST_F_TIMEOUT(log, L21_switched_under_traffic, LONG)
{
	struct vh_shape s = { .len = 60, .count = 50 };
	unsigned int round;

	for (round = 0; round < 6; round++) {
		OK(log_switch(&self->d, self->bits, true));
		receive(_metadata, self, &s, 10, 400);
		OK(vh_tx_check(&self->d, &self->t, &s, round * 100));
		OK(log_switch(&self->d, self->bits, false));
		/* Off means off: no bit comes any more. */
		memset(self->bits, 0, self->bits_size);
		OK(vh_tx_check(&self->d, &self->t, &s, round * 100));
		vh_rx_post(&self->d, &s, 20);
		OK(rx_burst(&self->d, &self->t, 0, 10, 200));
		reap_rx(&self->d);
		vh_settle(&self->d);
		ASSERT_EQ(0, self->bits[VH_GPA_BASE / 4096 / 8]);
	}
}

TEST_F_TIMEOUT(log, M02_log_in_bad_memory_hurts_nobody, LONG)
{
	struct vh_shape s = { .len = 60 };
	void *none;

	none = mmap(NULL, self->bits_size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, none);
	OK(log_switch(&self->d, none, true));
	vh_rx_post(&self->d, &s, 10);
	OK(rx_burst(&self->d, &self->t, 0, 10, 200));
	/* Switched off by the client, or to a proper log: it goes on. */
	OK(vh_stop(&self->d));
	OK(log_switch(&self->d, self->bits, false));
}

TEST_HARNESS_MAIN
