// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets and buffers that are awkward rather than broken: too many pieces,
 * too little room, memory with holes, more work than a turn should hold.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "hostile.h"

FIXTURE(packet) {
	struct stage s;
	struct vh_dev *d;
	struct vh_tap *t;
};

FIXTURE_VARIANT(packet) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(packet, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(packet, packed) { .features = VH_USUAL | PACKED };

FIXTURE_SETUP(packet)
{
	struct vh_opts o = {
		.features = variant->features, .size = 2048, .table_len = 1100,
		.slot_size = 2048, .mem_size = 128 << 20,
	};

	stage_none(&self->s);
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(stage_open(&self->s, &o));
	self->d = &self->s.d;
	self->t = &self->s.t;
}

FIXTURE_TEARDOWN(packet)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

/* A chain broke the queue, or was used: a queue that says nothing hangs. */
#define VERDICT(r) EXPECT_NE(0, verdict(r))				\
	TH_LOG("queue %u: no error and nothing used", (r)->index)

TEST_F_TIMEOUT(packet, R14_frame_of_ninety_buffers, LONG)
{
	struct vh_shape s = { .count = 40, .len = 1400, .rx_buf = 16 };

	OK(vh_rx_check(self->d, self->t, &s, 0));
	s.random = true;
	OK(vh_rx_check(self->d, self->t, &s, 100));
}

TEST_F_TIMEOUT(packet, R14_frame_of_more_buffers_than_there_may_be, LONG)
{
	struct vh_shape tiny = { .rx_buf = 1 };
	struct vh_ring *r = &self->d->ring[VH_RX];
	unsigned int i;

	/* 1512 buffers of one byte: beyond UIO_MAXIOV. The frame goes. */
	ASSERT_EQ(2048, vh_rx_post(self->d, &tiny, 2048));
	flood(&self->s, 4, 1500);
	usleep(100000);
	EXPECT_FALSE(vh_more_used(r));
	EXPECT_EQ(0, vh_drain(r->err));
	/* The next that fits is delivered: 72 bytes of header and frame. */
	flood(&self->s, 1, 60);
	for (i = 0; i < 2000 && !vh_more_used(r); i++)
		usleep(1000);
	EXPECT_TRUE(vh_more_used(r));
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(packet, R14_chain_longer_than_any_frame_needs, LONG)
{
	struct vh_shape s = { .count = 6, .len = 1500, .rx_buf = 2000,
			      .segs = 200, .first = 12, .batch = 1 };

	OK(vh_rx_check(self->d, self->t, &s, 0));
	s.indirect = true;
	OK(vh_rx_check(self->d, self->t, &s, 10));
}

/* Everything after the plain ring's last byte is somebody else's. */
static void *end_of_memory(struct vh_dev *d, size_t bytes)
{
	return d->mem.base + d->mem.size - bytes;
}

TEST_F_TIMEOUT(packet, R20_event_words_behind_the_end, LONG)
{
	struct vh_ring *r = &self->d->ring[VH_TX];
	uint64_t plain = variant->features & ~EVENT;
	size_t bytes = 4 + 2 * r->size;
	unsigned int i;

	if (r->packed)
		SKIP(return, "a packed ring's event areas do not grow");
	/*
	 * The avail ring without its event word ends with the memory. The bit
	 * comes after the size was checked, at rest and while it runs.
	 */
	for (i = 0; i < 4; i++) {
		OK(vh_stop(self->d));
		OK(vh_ioctl(self->d->fd, VHOST_SET_FEATURES, &plain));
		r->avail = end_of_memory(self->d, bytes);
		memset(r->avail, 0, bytes);
		OK(vh_ring_addr(self->d, VH_TX, false));
		if (i & 1)
			OK(vh_start(self->d, self->t->fd));
		OK(vh_ioctl(self->d->fd, VHOST_SET_FEATURES,
			    (void *)&variant->features));
		/* Refused, stopped or served: not read beyond the end. */
		vh_start(self->d, self->t->fd);
		vh_kick(r);
		usleep(20000);
		vh_drain(r->err);
	}
	OK(vh_stop(self->d));
	r->avail = vh_alloc(&self->d->mem, bytes + 2, 4096);
	ASSERT_NE(NULL, r->avail);
	OK(vh_ring_addr(self->d, VH_TX, false));
	OK(revive(&self->s));
}

/* Guest memory with one page missing in the middle. */
static int table_with_hole(struct vh_dev *d, size_t hole)
{
	struct {
		struct vhost_memory h;
		struct vhost_memory_region r[2];
	} t = { .h.nregions = 2 };

	t.r[0] = (struct vhost_memory_region){
		.guest_phys_addr = VH_GPA_BASE, .memory_size = hole,
		.userspace_addr = (uintptr_t)d->mem.base,
	};
	t.r[1] = (struct vhost_memory_region){
		.guest_phys_addr = VH_GPA_BASE + hole + 4096,
		.memory_size = d->mem.size - hole - 4096,
		.userspace_addr = (uintptr_t)d->mem.base + hole + 4096,
	};
	return vh_ioctl(d->fd, VHOST_SET_MEM_TABLE, &t);
}

TEST_F_TIMEOUT(packet, R23_buffer_ends_in_a_hole, LONG)
{
	struct vh_ring *tx = &self->d->ring[VH_TX];
	struct vh_ring *rx = &self->d->ring[VH_RX];
	size_t hole = (self->d->mem.size - (8 << 20)) & ~4095UL;
	struct raw c = { VH_GPA_BASE + hole - 100, 200, 0, 0 };
	uint8_t *edge = self->d->mem.base + hole;

	OK(table_with_hole(self->d, hole));
	memset(edge - 100, 0, 8300);
	/* 100 bytes there, 100 not. */
	raw_post(tx, &c, 1, 0);
	VERDICT(tx);
	OK(revive(&self->s));
	c.flags = F_WRITE;
	c.len = 2000;
	memset(edge, 0x77, 4096);
	raw_post(rx, &c, 1, 0);
	flood(&self->s, 4, 1000);
	VERDICT(rx);
	EXPECT_EQ(0x77, edge[0]);
	EXPECT_EQ(0x77, edge[1999 - 100]);
	OK(revive(&self->s));
	/* From the hole into memory, and all of it in the hole. */
	c = (struct raw){ VH_GPA_BASE + hole + 4000, 200, 0, 0 };
	raw_post(tx, &c, 1, 0);
	VERDICT(tx);
	OK(revive(&self->s));
	c.addr = VH_GPA_BASE + hole + 8;
	raw_post(tx, &c, 1, 0);
	VERDICT(tx);
	OK(revive(&self->s));
	OK(vh_mem_table(self->d->fd, &self->d->mem));
}

/* One worker for both rings: the busy one may not keep it to itself. */
static int one_worker(struct vh_dev *d)
{
	struct vhost_vring_worker w = { .index = VH_TX };
	int r = vh_ioctl(d->fd, VHOST_GET_VRING_WORKER, &w);

	w.index = VH_RX;
	return r ?: vh_ioctl(d->fd, VHOST_ATTACH_VRING_WORKER, &w);
}

struct busy {
	struct vh_dev *d;
	volatile bool stop;
	unsigned long frames;
};

static void *keep_full(void *arg)
{
	struct vh_shape s = { .len = 1400 };
	struct busy *b = arg;
	struct vh_used u;

	while (!b->stop) {
		while (!vh_tx_post(b->d, &s, b->frames))
			b->frames++;
		vh_publish(&b->d->ring[VH_TX]);
		vh_kick(&b->d->ring[VH_TX]);
		while (vh_get_used(&b->d->ring[VH_TX], &u) && u.token != ~0ULL)
			vh_slot_put(&b->d->ring[VH_TX], u.token);
	}
	return NULL;
}

TEST_F_TIMEOUT(packet, E07_full_queue_leaves_the_other_its_share, LONG)
{
	struct vh_shape s = { .count = 200, .len = 60 };
	struct busy b = { .d = self->d };
	uint64_t idle, loaded;
	pthread_t th;

	if (!dut_is_ref())
		OK(one_worker(self->d));
	idle = now_ms();
	OK(vh_rx_check(self->d, self->t, &s, 0));
	OK(vh_both_check(&self->s.peer, &self->s.peer_tap, 200));
	idle = now_ms() - idle;
	/* Nobody reads what is sent: the stack drops it behind the tap. */
	close(self->t->sock);
	self->t->sock = vh_sock_open(self->t->name, false);
	ASSERT_EQ(0, pthread_create(&th, NULL, keep_full, &b));
	usleep(100000);
	loaded = now_ms();
	EXPECT_EQ(0, vh_rx_check(self->d, self->t, &s, 1000))
		TH_LOG("%s", vh_why());
	EXPECT_EQ(0, vh_both_check(&self->s.peer, &self->s.peer_tap, 200))
		TH_LOG("%s", vh_why());
	loaded = now_ms() - loaded;
	b.stop = true;
	pthread_join(th, NULL);
	TH_LOG("%llu ms alone, %llu ms beside %lu frames",
	       (unsigned long long)idle, (unsigned long long)loaded, b.frames);
	EXPECT_LT(0, b.frames);
	/* Two CPUs for four busy threads, and a machine with other work. */
	EXPECT_GT(40 * (idle + 100), loaded);
	OK(restart(&self->s));
}

static long meminfo(const char *what)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kb = atol(line + strlen(what) + 1);
	if (f)
		fclose(f);
	return kb;
}

TEST_F_TIMEOUT(packet, E06_tables_cost_the_host_nothing, LONG)
{
	struct vh_ring *r = &self->d->ring[VH_TX];
	unsigned int n = 32768, i;
	struct vring_desc *t = vh_alloc(&self->d->mem, n * sizeof(*t), 4096);
	struct raw c = { 0, n * sizeof(*t), F_IND, 0 };
	long slab, more, most = 0;

	ASSERT_NE(NULL, t);
	c.addr = vh_gpa(&self->d->mem, t);
	for (i = 0; i < n; i++) {
		t[i] = (struct vring_desc){ vh_gpa(&self->d->mem, r->slots), 1,
					    i + 1 < n ? F_NEXT : 0,
					    r->packed ? 0 : i + 1 };
		if (r->packed)
			((struct vring_packed_desc *)t)[i] =
				(struct vring_packed_desc){
					vh_gpa(&self->d->mem, r->slots), 1, 0,
					0 };
	}
	slab = meminfo("Slab:");
	/* The largest table there can be, again and again. */
	for (i = 0; i < 20; i++) {
		raw_post(r, &c, 1, 0);
		VERDICT(r);
		more = meminfo("Slab:") - slab;
		most = more > most ? more : most;
		OK(restart(&self->s));
	}
	/* 20 of them at 512 KiB of table would be 10 MiB. */
	EXPECT_GT(6 << 10, most) TH_LOG("%ld KiB more slab", most);
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(packet, E10_frames_too_large_for_any_buffer, LONG)
{
	struct vh_opts o = { .features = variant->features & ~MRG,
			     .size = 64 };
	struct vh_shape s = { .count = 40, .len = 100, .rx_buf = 200 };
	unsigned int i;

	/* Without mergeable buffers a frame has one chain. */
	vh_close(self->d);
	OK(vh_open(self->d, &o));
	vh_tap_close(self->t);
	OK(vh_tap_open(self->t, 0, self->d->hdr_len));
	OK(vh_start(self->d, self->t->fd));
	for (i = 0; i < 4; i++) {
		vh_rx_post(self->d, &s, 64);
		flood(&self->s, 200, 1500);
		/* They go, one by one; the small one behind them comes. */
		OK(vh_rx_check(self->d, self->t, &s, i * 100));
	}
	EXPECT_EQ(0, vh_drain(self->d->ring[VH_RX].err));
}

#define SECRET	0xc7

/* Sixteen bytes of the secret in a row: no pattern of ours has them. */
static bool secret_in(const uint8_t *p, size_t n)
{
	size_t i, row = 0;

	for (i = 0; i < n; i++) {
		row = p[i] == SECRET ? row + 1 : 0;
		if (row == 16)
			return true;
	}
	return false;
}

TEST_F_TIMEOUT(packet, K05_nothing_of_one_guest_reaches_another, LONG)
{
	struct vh_dev *peer = &self->s.peer;
	struct vh_ring *tx = &self->d->ring[VH_TX];
	struct vh_shape s = { .count = 30, .len = 60 };
	uint8_t *p = tx->slots, f[2048];
	unsigned int i;
	ssize_t n;

	memset(p, 0, 12);
	memset(p + 12, SECRET, 1800);
	for (i = 0; i < 8; i++) {
		/* Copied half way, then the address is nowhere; and too short. */
		struct raw c[2] = {
			{ vh_gpa(&self->d->mem, p), 1000, F_NEXT, 1 },
			{ 0x10, 500, 0, 0 },
		};
		struct raw runt = { c[0].addr, 12 + i, 0, 0 };

		raw_post(tx, c, 2, 0);
		VERDICT(tx);
		OK(restart(&self->s));
		raw_post(tx, &runt, 1, 0);
		VERDICT(tx);
		OK(restart(&self->s));
		/* The next user of those pages, both ways. */
		OK(vh_tx_check(peer, &self->s.peer_tap, &s, i * 100));
		OK(vh_rx_check(peer, &self->s.peer_tap, &s, i * 100));
		n = recv(self->s.peer_tap.sock, f, sizeof(f), MSG_DONTWAIT);
		EXPECT_FALSE(n > 0 && secret_in(f, n));
	}
	EXPECT_FALSE(secret_in(peer->mem.base, peer->mem.size));
}

TEST_HARNESS_MAIN
