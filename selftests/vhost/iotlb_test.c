// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACCESS_PLATFORM: every address is an IOVA that user space maps by messages.
 * The device asks (MISS), waits, and goes on by itself after the UPDATE.
 */
#include <poll.h>
#include <sys/mman.h>

#include "common.h"

FIXTURE(iotlb) {
	struct vh_dev d;
	struct vh_tap t;
};

FIXTURE_VARIANT(iotlb) {
	uint64_t features;
	bool v1;
};

FIXTURE_VARIANT_ADD(iotlb, split_v2) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(iotlb, split_v1) { .features = VH_USUAL, .v1 = true };
FIXTURE_VARIANT_ADD(iotlb, packed_v2) { .features = VH_USUAL | PACKED };
FIXTURE_VARIANT_ADD(iotlb, packed_v1) {
	.features = VH_USUAL | PACKED, .v1 = true,
};

FIXTURE_SETUP(iotlb)
{
	struct vh_opts o = {
		.features = variant->features, .iotlb = true, .size = 64,
	};
	uint64_t none = 0;

	self->t.fd = self->t.sock = -1;
	self->d.fd = -1;
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(vh_ns_enter());
	OK(vh_open(&self->d, &o));
	if (variant->v1) {
		OK(vh_ioctl(self->d.fd, VHOST_SET_BACKEND_FEATURES, &none));
		self->d.backend_features = 0;
	}
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
}

FIXTURE_TEARDOWN(iotlb)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
}

/* Map only what a bind needs: the ring parts, a page's worth each. */
static int map_rings(struct vh_dev *d)
{
	unsigned int q;
	int r = 0;

	for (q = 0; q < 2 && !r; q++) {
		struct vh_ring *g = &d->ring[q];
		void *part[3] = { g->desc, g->avail, g->used };
		unsigned int i;

		if (g->packed) {
			part[0] = g->pdesc;
			part[1] = g->drv_ev;
			part[2] = g->dev_ev;
		}
		for (i = 0; i < 3 && !r; i++)
			r = vh_iotlb_map(d, vh_gpa(&d->mem, part[i]), 4096,
					 part[i], VHOST_ACCESS_RW);
	}
	return r;
}

/*
 * All memory in three entries, @r's packet buffers in one of their own: an
 * INVALIDATE takes away whole entries, however little of them it names.
 */
static int map_around(struct vh_dev *d, struct vh_ring *r)
{
	size_t from = r->slots - d->mem.base;
	size_t to = from + (size_t)r->size * r->slot_size;
	int e;

	e = vh_iotlb_map(d, VH_GPA_BASE, from, d->mem.base, VHOST_ACCESS_RW);
	e = e ?: vh_iotlb_map(d, VH_GPA_BASE + from, to - from, r->slots,
			      VHOST_ACCESS_RW);
	return e ?: vh_iotlb_map(d, VH_GPA_BASE + to, d->mem.size - to,
				 d->mem.base + to, VHOST_ACCESS_RW);
}

/* Answer misses until queue @q has used something; how many, or -errno. */
static int serve(struct vh_dev *d, unsigned int q, uint8_t perm, int limit_ms)
{
	uint64_t end = now_ms() + limit_ms;
	struct vhost_iotlb_msg m;
	int r, n = 0;

	while (!vh_more_used(&d->ring[q]) && now_ms() < end) {
		r = vh_iotlb_read(d, &m, 50);
		if (r == -ETIMEDOUT)
			continue;
		if (r)
			return vh_fail(r, "read");
		if (m.type != VHOST_IOTLB_MISS)
			return vh_fail(-EPROTO, "message %u", m.type);
		if (m.iova < VH_GPA_BASE ||
		    m.iova >= VH_GPA_BASE + d->mem.size)
			return vh_fail(-ERANGE, "miss at %#llx",
				       (unsigned long long)m.iova);
		m.iova &= ~4095ULL;
		r = vh_iotlb_map(d, m.iova, 4096, vh_hva(&d->mem, m.iova),
				 perm ?: m.perm);
		if (r)
			return vh_fail(r, "update");
		n++;
	}
	return n;
}

TEST_F_TIMEOUT(iotlb, traffic_with_all_mapped, LONG)
{
	struct vh_shape s = { .count = 200, .len = 1000, .random = true };

	OK(vh_iotlb_map_all(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
	s.segs = 5;
	s.indirect = true;
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(iotlb, bind_works_with_ring_pages_only, LONG)
{
	OK(map_rings(&self->d));
	OK(vh_start(&self->d, self->t.fd));
}

TEST_F_TIMEOUT(iotlb, miss_update_retry_transmit, LONG)
{
	struct vh_shape s = { .len = 100 };
	unsigned int i, done = 0;
	int n, total = 0;

	OK(map_rings(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	for (i = 0; i < 20; i++) {
		OK(vh_tx_post(&self->d, &s, i));
		vh_publish_kick(&self->d.ring[VH_TX]);
		n = serve(&self->d, VH_TX, 0, 5000);
		ASSERT_LE(0, n) TH_LOG("%s", vh_why());
		total += n;
		OK(vh_tx_reap(&self->d, &done));
		ASSERT_EQ(i + 1, done) TH_LOG("no retry after the update");
	}
	/* One per page and no more; the slots take 2 KiB each. */
	EXPECT_LE(5, total);
	EXPECT_GE(40, total);
}

TEST_F_TIMEOUT(iotlb, miss_update_retry_receive, LONG)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vh_shape s = { .len = 100 };
	uint8_t f[2048];
	uint64_t seq;
	int i, n;

	OK(map_rings(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	vh_rx_post(&self->d, &s, 32);
	for (i = 0; i < 20; i++) {
		vh_frame_fill(f, 100, i);
		ASSERT_EQ(100, send(self->t.sock, f, 100, 0));
		n = serve(&self->d, VH_RX, 0, 5000);
		ASSERT_LE(0, n) TH_LOG("%s", vh_why());
		ASSERT_EQ(100, vh_rx_frame(&self->d, f, sizeof(f), &hdr, 5000))
			TH_LOG("%s", vh_why());
		ASSERT_EQ(1, vh_frame_check(f, 100, &seq));
		/* Waiting for the mapping must not lose or reorder frames. */
		ASSERT_EQ(i, seq);
	}
}

TEST_F_TIMEOUT(iotlb, invalidate_is_seen_at_once, LONG)
{
	struct vh_shape s = { .len = 100 };
	struct vh_ring *r = &self->d.ring[VH_TX];
	uint8_t f[2048], *copy;
	unsigned int i, done = 0;
	uint64_t seq;

	OK(map_around(&self->d, r));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_both_check(&self->d, &self->t, 20));
	/* The same IOVAs from now on lie in other memory. */
	copy = mmap(NULL, self->d.mem.size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)copy);
	for (i = 0; i < 10; i++) {
		uint64_t slots = vh_gpa(&self->d.mem, r->slots);
		size_t size = (size_t)r->size * r->slot_size;
		uint8_t *to = i & 1 ? r->slots : copy;

		OK(vh_tx_post(&self->d, &s, 100 + i));
		memcpy(copy, r->slots, size);
		/* What must not be sent: the one that is no longer mapped. */
		memset(i & 1 ? copy : r->slots, 0xee, size);
		OK(vh_iotlb_unmap(&self->d, slots, size));
		OK(vh_iotlb_map(&self->d, slots, size, to, VHOST_ACCESS_RW));
		vh_publish_kick(r);
		OK(vh_wait_used(r, 5000));
		OK(vh_tx_reap(&self->d, &done));
		ASSERT_EQ(1, vh_wait_fd(self->t.sock, 5000));
		ASSERT_EQ(100, recv(self->t.sock, f, sizeof(f), 0));
		ASSERT_EQ(1, vh_frame_check(f, 100, &seq)) TH_LOG("stale");
		ASSERT_EQ(100 + i, seq);
	}
	munmap(copy, self->d.mem.size);
}

TEST_F_TIMEOUT(iotlb, unmapped_ring_asks_again, LONG)
{
	struct vh_shape s = { .len = 100 };
	unsigned int done = 0;
	int n;

	OK(vh_iotlb_map_all(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_both_check(&self->d, &self->t, 20));
	OK(vh_iotlb_unmap(&self->d, 0, ~0ULL));
	OK(vh_tx_post(&self->d, &s, 7));
	/* Whatever the event word says: it lies in unmapped memory. */
	vh_publish(&self->d.ring[VH_TX]);
	vh_kick(&self->d.ring[VH_TX]);
	n = serve(&self->d, VH_TX, VHOST_ACCESS_RW, 10000);
	ASSERT_LT(0, n) TH_LOG("no miss: %s", vh_why());
	OK(vh_tx_reap(&self->d, &done));
	EXPECT_EQ(1, done);
}

TEST_F_TIMEOUT(iotlb, no_write_through_a_read_only_mapping, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_RX];
	uint64_t slots = vh_gpa(&self->d.mem, r->slots);
	size_t size = (size_t)r->size * r->slot_size;
	struct vh_shape s = { .len = 100 };
	uint8_t f[100];
	unsigned int i;

	OK(map_around(&self->d, r));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_iotlb_unmap(&self->d, slots, size));
	OK(vh_iotlb_map(&self->d, slots, size, r->slots, VHOST_ACCESS_RO));
	vh_rx_post(&self->d, &s, 8);
	vh_frame_fill(f, 100, 1);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(100, send(self->t.sock, f, 100, 0));
	usleep(300000);
	/* vh_rx_post() filled them with 0xaa. */
	for (i = 0; i < 8 * r->slot_size; i++)
		ASSERT_EQ(0xaa, r->slots[i]) TH_LOG("byte %u written", i);
	/* The other direction is none the worse. */
	s.count = 20;
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(iotlb, no_read_through_a_write_only_mapping, LONG)
{
	struct vh_ring *r = &self->d.ring[VH_TX];
	uint64_t slots = vh_gpa(&self->d.mem, r->slots);
	size_t size = (size_t)r->size * r->slot_size;
	struct vh_shape s = { .len = 100 };

	OK(map_around(&self->d, r));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_iotlb_unmap(&self->d, slots, size));
	OK(vh_iotlb_map(&self->d, slots, size, r->slots, VHOST_ACCESS_WO));
	OK(vh_tx_post(&self->d, &s, 1));
	vh_publish_kick(r);
	EXPECT_EQ(0, vh_wait_fd(self->t.sock, 500));
}

TEST_F_TIMEOUT(iotlb, buffers_across_many_entries, LONG)
{
	struct vh_shape s = { .count = 200, .len = 1500, .segs = 3 };
	uint64_t at;

	/* 1 KiB entries: every frame crosses one or two borders. */
	for (at = 0; at < self->d.mem.size; at += 1024)
		OK(vh_iotlb_map(&self->d, VH_GPA_BASE + at, 1024,
				self->d.mem.base + at, VHOST_ACCESS_RW));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_tx_check(&self->d, &self->t, &s, 0));
	OK(vh_rx_check(&self->d, &self->t, &s, 0));
}

TEST_F_TIMEOUT(iotlb, I08_more_entries_than_the_limit, LONG)
{
	unsigned int i;

	/* 2048 is the limit; the oldest go, nothing fails, nothing grows. */
	for (i = 0; i < 5000; i++)
		OK(vh_iotlb_map(&self->d, 0x100000000ULL + i * 8192ULL, 4096,
				self->d.mem.base, VHOST_ACCESS_RW));
	OK(vh_iotlb_map_all(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_both_check(&self->d, &self->t, 50));
}

TEST_F_TIMEOUT(iotlb, L04_updates_under_traffic, LONG)
{
	struct vh_shape s = { .count = 40, .len = 300 };
	unsigned int i;

	OK(vh_iotlb_map_all(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	for (i = 0; i < 12; i++) {
		OK(vh_tx_check(&self->d, &self->t, &s, i * 100));
		OK(vh_iotlb_unmap(&self->d, VH_GPA_BASE, self->d.mem.size));
		OK(vh_iotlb_map_all(&self->d));
		OK(vh_rx_check(&self->d, &self->t, &s, i * 100));
		OK(vh_iotlb_unmap(&self->d, 0, ~0ULL));
		OK(vh_iotlb_map_all(&self->d));
	}
}

TEST_F_TIMEOUT(iotlb, L05_unbind_forgets_misses, LONG)
{
	struct vh_shape s = { .len = 100 };
	struct vhost_iotlb_msg m;
	unsigned int done = 0;

	OK(map_rings(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_tx_post(&self->d, &s, 1));
	vh_publish_kick(&self->d.ring[VH_TX]);
	ASSERT_EQ(1, vh_wait_fd(self->d.fd, 5000)) TH_LOG("no miss");
	OK(vh_stop(&self->d));
	EXPECT_EQ(-ETIMEDOUT, vh_iotlb_read(&self->d, &m, 200));
	OK(vh_iotlb_map_all(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	OK(vh_wait_used(&self->d.ring[VH_TX], 5000));
	OK(vh_tx_reap(&self->d, &done));
	EXPECT_EQ(1, done);
}

TEST_F_TIMEOUT(iotlb, E04_misses_nobody_reads, LONG)
{
	struct vh_shape s = { .len = 100 };
	unsigned int i;

	if (dut_is_ref())
		SKIP(return, "in-tree queues a message per kick, unbounded");
	OK(map_rings(&self->d));
	OK(vh_start(&self->d, self->t.fd));
	for (i = 0; i < 30; i++)
		OK(vh_tx_post(&self->d, &s, i));
	vh_publish(&self->d.ring[VH_TX]);
	for (i = 0; i < 2000; i++)
		vh_kick(&self->d.ring[VH_TX]);
	usleep(300000);
	/* One miss stands for all of them; the list is not 2000 long. */
	for (i = 0; i < 100; i++) {
		struct vhost_iotlb_msg m;

		if (vh_iotlb_read(&self->d, &m, 0))
			break;
	}
	EXPECT_GT(100, i);
}

TEST_HARNESS_MAIN
