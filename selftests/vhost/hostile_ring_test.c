// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptor and ring abuse: what a hostile guest can write into its rings.
 * One test per case of the catalogue, on split and on packed rings.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "hostile.h"

FIXTURE(ring) {
	struct stage s;
	struct vh_ring *tx;
	struct vh_ring *rx;
	uint64_t buf;		/* a good buffer's guest address */
	uint64_t table;
};

FIXTURE_VARIANT(ring) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(ring, split) { .features = VH_USUAL };
FIXTURE_VARIANT_ADD(ring, packed) { .features = VH_USUAL | PACKED };

FIXTURE_SETUP(ring)
{
	struct vh_opts o = {
		.features = variant->features, .size = 64, .regions = 4,
		.table_len = 64,
	};

	stage_none(&self->s);
	if (variant->features & ~offered(vh_node()))
		SKIP(return, "%s does not offer it", vh_node());
	OK(stage_open(&self->s, &o));
	self->tx = &self->s.d.ring[VH_TX];
	self->rx = &self->s.d.ring[VH_RX];
	self->buf = vh_gpa(&self->s.d.mem, self->tx->slots);
	self->table = vh_gpa(&self->s.d.mem, self->tx->tables);
	memset(self->tx->slots, 0, 4096);
	vh_frame_fill(self->tx->slots + 12, 1000, 1);
}

FIXTURE_TEARDOWN(ring)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

/*
 * Broken and signalled, or used. The in-tree device is not held to it: on
 * some chains it stops without a word.
 */
#define VERDICT(r) do {							\
	int v_ = verdict(r);						\
									\
	if (!dut_is_ref()) {						\
		EXPECT_NE(0, v_) TH_LOG("queue %u: no error and nothing used", \
					(r)->index);			\
	}								\
} while (0)

/* Post to TX, judge, and then a new life. */
#define TX_BAD(chain, n, head) do {					\
	raw_post(self->tx, chain, n, head);				\
	VERDICT(self->tx);						\
	OK(revive(&self->s));						\
} while (0)

#define RX_BAD(chain, n, head) do {					\
	raw_post(self->rx, chain, n, head);				\
	flood(&self->s, 4, 200);					\
	VERDICT(self->rx);						\
	OK(revive(&self->s));						\
} while (0)

TEST_F_TIMEOUT(ring, R01_head_out_of_range, LONG)
{
	static const unsigned int heads[] = { 64, 65, 128, 0x7fff, 0xffff };
	struct raw c = { self->buf, 100, 0, 0 };
	unsigned int i;

	if (self->tx->packed)
		SKIP(return, "split only; R33 has the ids");
	for (i = 0; i < 5; i++)
		TX_BAD(&c, 1, heads[i]);
	RX_BAD(&c, 1, 64);
}

TEST_F_TIMEOUT(ring, R02_next_out_of_range, LONG)
{
	struct raw c = { self->buf, 12, F_NEXT, 64 };

	if (self->tx->packed)
		SKIP(return, "split only");
	TX_BAD(&c, 1, 0);
	c.next = 0xffff;
	TX_BAD(&c, 1, 0);
	c.flags |= F_WRITE;
	RX_BAD(&c, 1, 0);
}

TEST_F_TIMEOUT(ring, R03_chain_loops, LONG)
{
	struct raw c[64];
	unsigned int i, len;

	/* To itself, two in a ring, all in a ring; packed: NEXT for ever. */
	for (len = 1; len <= 64; len = len == 2 ? 64 : len + 1) {
		for (i = 0; i < 64; i++)
			c[i] = (struct raw){ self->buf, 12, F_NEXT,
					     (i + 1) % len };
		TX_BAD(c, self->tx->packed ? 64 : len, 0);
		for (i = 0; i < 64; i++)
			c[i].flags |= F_WRITE;
		RX_BAD(c, self->rx->packed ? 64 : len, 0);
	}
	/* A way in, then the cycle. */
	if (self->tx->packed)
		return;
	for (i = 0; i < 64; i++)
		c[i] = (struct raw){ self->buf, 12, F_NEXT, i == 63 ? 1 :
				     i + 1 };
	TX_BAD(c, 64, 0);
}

TEST_F_TIMEOUT(ring, R04_loops_in_indirect_tables, LONG)
{
	struct raw e = { self->buf, 12, F_NEXT, 0 };
	struct raw c = { self->table, 64 * 16, F_IND, 0 };
	struct raw two[2];
	unsigned int i;

	if (!self->tx->packed) {
		raw_table(self->tx, 0, &e);
		TX_BAD(&c, 1, 0);
		for (i = 0; i < 64; i++) {
			e.next = (i + 1) % 64;
			raw_table(self->tx, i, &e);
		}
		TX_BAD(&c, 1, 0);
		e.next = 64;
		raw_table(self->tx, 0, &e);
		TX_BAD(&c, 1, 0);
	}
	/* Two tables in one chain: the count must be per table, or refuse. */
	for (i = 0; i < 64; i++) {
		e = (struct raw){ self->buf, 12, i < 63 ? F_NEXT : 0, i + 1 };
		if (self->tx->packed)
			e.flags = 0;
		raw_table(self->tx, i, &e);
	}
	two[0] = (struct raw){ self->table, 64 * 16, F_IND | F_NEXT, 1 };
	two[1] = (struct raw){ self->table, 64 * 16, F_IND, 0 };
	TX_BAD(two, 2, 0);
}

TEST_F_TIMEOUT(ring, R05_indirect_in_indirect, LONG)
{
	struct raw e = { self->table, 64, F_IND, 0 };
	struct raw c = { self->table, 16, F_IND, 0 };

	raw_table(self->tx, 0, &e);
	TX_BAD(&c, 1, 0);
	RX_BAD(&c, 1, 0);
}

TEST_F_TIMEOUT(ring, R06_indirect_table_lengths, LONG)
{
	static const uint32_t lens[] = {
		0, 1, 15, 17, 0xfffffff0, 0xffffffff, 65537 * 16, 1u << 31,
	};
	struct raw c = { self->table, 0, F_IND, 0 };
	unsigned int i;

	for (i = 0; i < 8; i++) {
		c.len = lens[i];
		TX_BAD(&c, 1, 0);
		RX_BAD(&c, 1, 0);
	}
	/* A table outside of all memory, and one that begins in it. */
	c = (struct raw){ 0x1000, 64, F_IND, 0 };
	TX_BAD(&c, 1, 0);
	c.addr = VH_GPA_BASE + self->s.d.mem.size - 16;
	TX_BAD(&c, 1, 0);
}

TEST_F_TIMEOUT(ring, R06_legal_table_over_a_region_border, LONG)
{
	struct vh_mem *m = &self->s.d.mem;
	struct vring_desc *saved = self->tx->tables;
	struct vh_shape sh = { .count = 30, .len = 300, .segs = 10,
			       .indirect = true };

	/* Regions are a quarter each; tables lie across the second border. */
	self->tx->tables = (void *)(m->base + m->size / 2 - 5 * 16);
	OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
	self->tx->tables = saved;
}

TEST_F_TIMEOUT(ring, R07_indirect_with_next_or_write, LONG)
{
	struct raw e = { self->buf, 112, 0, 0 };
	struct raw c[2];

	raw_table(self->tx, 0, &e);
	c[0] = (struct raw){ self->table, 16, F_IND | F_NEXT, 1 };
	c[1] = (struct raw){ self->buf, 100, 0, 0 };
	TX_BAD(c, 2, 0);
	/* In tree: WRITE on the table's descriptor is passed over. */
	c[0].flags = F_IND | F_WRITE;
	TX_BAD(c, 1, 0);
}

struct flip {
	struct vh_ring *r;
	volatile bool stop;
	struct raw good;
};

/* Another CPU changes what was checked a moment ago. */
static void *flipper(void *arg)
{
	struct flip *f = arg;
	unsigned int i = 0, k;
	uint64_t x = 88172645463325252ULL;

	while (!f->stop) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		i = x % f->r->size;
		for (k = 0; k < 4; k++) {
			volatile struct vring_desc *d = f->r->packed ?
				(void *)&f->r->pdesc[i] : &f->r->desc[i];
			volatile struct vring_desc *t = &f->r->tables[i];

			switch ((x >> 8) % 6) {
			case 0:
				d->len = x >> 32;
				d->len = 100;
				break;
			case 1:
				d->addr = x;
				d->addr = f->good.addr;
				break;
			case 2:
				t->len = x >> 32;
				t->len = 100;
				break;
			case 3:
				t->addr = x;
				t->addr = f->good.addr;
				break;
			case 4:
				t->flags = x >> 16;
				t->flags = 0;
				break;
			case 5:
				t->next = x >> 16;
				t->next = 1;
				break;
			}
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(ring, R08_double_fetch, LONG)
{
	struct flip f = { .r = self->tx, .good = { self->buf, 100, 0, 0 } };
	struct vh_shape sh = { .len = 100 };
	uint64_t end = now_ms() + 2000;
	unsigned int seq = 0;
	struct vh_used u;
	pthread_t th;

	ASSERT_EQ(0, pthread_create(&th, NULL, flipper, &f));
	while (now_ms() < end) {
		sh.indirect = seq & 1;
		sh.segs = 1 + seq % 4;
		while (!vh_tx_post(&self->s.d, &sh, seq++))
			;
		vh_publish(self->tx);
		vh_kick(self->tx);
		usleep(500);
		while (vh_get_used(self->tx, &u) && u.token != ~0ULL)
			vh_slot_put(self->tx, u.token);
		if (vh_drain(self->tx->err)) {
			OK(vh_stop(&self->s.d));
			vh_ring_rewind(self->tx, self->tx->packed ? 0x8000 : 0);
			OK(vh_set_base(&self->s.d, VH_TX,
				       vh_ring_base(self->tx)));
			OK(vh_start(&self->s.d, self->s.t.fd));
		}
	}
	f.stop = true;
	pthread_join(th, NULL);
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(ring, R09_zero_length_descriptors, LONG)
{
	struct raw c[40];
	unsigned int i;

	for (i = 0; i < 40; i++)
		c[i] = (struct raw){ self->buf, 0, i < 39 ? F_NEXT : 0, i + 1 };
	TX_BAD(c, 40, 0);
	/* One with data among them. */
	c[5].len = 112;
	TX_BAD(c, 40, 0);
	for (i = 0; i < 40; i++)
		c[i].flags |= F_WRITE;
	c[5].len = 2000;
	RX_BAD(c, 40, 0);
	for (i = 0; i < 40; i++)
		c[i] = (struct raw){ 0x10, 0, i < 39 ? F_NEXT : 0, i + 1 };
	TX_BAD(c, 40, 0);
	TX_BAD(&c[39], 1, 0);
}

TEST_F_TIMEOUT(ring, R10_out_after_in, LONG)
{
	struct raw c[2] = {
		{ self->buf, 100, F_NEXT | F_WRITE, 1 }, { self->buf, 100 },
	};

	TX_BAD(c, 2, 0);
	RX_BAD(c, 2, 0);
}

TEST_F_TIMEOUT(ring, R11_wrong_direction, LONG)
{
	struct raw c = { self->buf, 100, F_WRITE, 0 };

	TX_BAD(&c, 1, 0);
	c.flags = 0;
	RX_BAD(&c, 1, 0);
	/* No byte of room: waiting for more buffers is right, as in R16. */
	c = (struct raw){ self->buf, 0, F_WRITE, 0 };
	raw_post(self->rx, &c, 1, 0);
	flood(&self->s, 4, 200);
	usleep(50000);
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(ring, R12_short_transmit, LONG)
{
	struct raw c = { self->buf, 0, 0, 0 };
	unsigned int len;

	for (len = 1; len <= 13; len += 2) {
		c.len = len;
		TX_BAD(&c, 1, 0);
	}
	c.len = 12;
	TX_BAD(&c, 1, 0);
}

TEST_F_TIMEOUT(ring, R13_runt_receive_buffers, LONG)
{
	struct raw c = { self->buf, 1, F_WRITE, 0 };
	unsigned int len;

	for (len = 1; len <= 13; len += 4) {
		struct vh_shape sh = { .rx_buf = len };
		unsigned int i;

		memset(self->rx->slots, 0xaa, 64 * self->rx->slot_size);
		vh_rx_post(&self->s.d, &sh, 64);
		flood(&self->s, 10, 1500);
		usleep(50000);
		for (i = 0; i < 64 * self->rx->slot_size; i++) {
			if (i % self->rx->slot_size < len)
				continue;
			ASSERT_EQ(0xaa, self->rx->slots[i])
				TH_LOG("written behind a buffer");
		}
		OK(revive(&self->s));
	}
	c.len = 1;
	raw_post(self->rx, &c, 1, 0);
	flood(&self->s, 10, 60);
}

TEST_F_TIMEOUT(ring, R15_R16_ring_too_small_for_the_packet, LONG)
{
	uint64_t ns = 0, t = now_ms();
	struct vh_shape sh = { .rx_buf = 1 };
	unsigned int i, n;
	pid_t tids[16];

	/* 63 bytes of room for frames of 1500: what now? Sleep, not spin. */
	vh_rx_post(&self->s.d, &sh, 63);
	flood(&self->s, 200, 1500);
	usleep(200000);
	n = vh_workers(&self->s.d, tids, 16);
	for (i = 0; i < n; i++)
		ns -= vh_task_ns(tids[i]);
	t = now_ms();
	while (now_ms() < t + 1000)
		usleep(10000);
	for (i = 0; i < n; i++)
		ns += vh_task_ns(tids[i]);
	EXPECT_GT(700000000, ns) TH_LOG("the worker spins");
}

TEST_F_TIMEOUT(ring, R17_avail_index_jumps, LONG)
{
	static const int jumps[] = { 65, 66, 1000, 32768, -1, -32768, 65535 };
	unsigned int i;

	if (self->tx->packed)
		SKIP(return, "a packed ring has no index");
	for (i = 0; i < 7; i++) {
		self->tx->avail->idx += jumps[i];
		vh_kick(self->tx);
		self->rx->avail->idx += jumps[i];
		vh_kick(self->rx);
		flood(&self->s, 4, 100);
		VERDICT(self->tx);
		OK(revive(&self->s));
	}
}

TEST_F_TIMEOUT(ring, R19_event_word_never_the_same, LONG)
{
	struct vh_shape sh = { .count = 400, .len = 60, .poll = true };
	unsigned int i;

	for (i = 0; i < 20; i++) {
		uint16_t at = self->tx->last_used + (i % 5 - 2) * 16384;

		if (self->tx->packed)
			self->tx->drv_ev->off_wrap = at;
		else
			self->tx->avail->ring[self->tx->size] = at;
		sh.count = 20;
		OK(vh_tx_check(&self->s.d, &self->s.t, &sh, i * 100));
	}
	/* No endless calls afterwards. */
	usleep(50000);
	vh_drain(self->tx->call);
	usleep(50000);
	EXPECT_EQ(0, vh_drain(self->tx->call));
}

TEST_F_TIMEOUT(ring, R21_same_head_twice, LONG)
{
	struct raw c = { self->buf, 112, 0, 0 };
	struct raw w = { self->buf, 2000, F_WRITE, 0 };
	unsigned int i;

	for (i = 0; i < 10; i++)
		raw_post(self->tx, &c, 1, 0);
	VERDICT(self->tx);
	for (i = 0; i < 10; i++)
		raw_post(self->rx, &w, 1, 0);
	flood(&self->s, 20, 100);
	VERDICT(self->rx);
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(ring, R22_addresses_and_lengths_that_wrap, LONG)
{
	const struct raw c[] = {
		{ self->buf, 0xffffffff }, { self->buf, 0x80000000 },
		{ ~0ULL, 100 }, { ~0ULL - 50, 100 }, { 0, 100 },
		{ 0, 0xffffffff }, { 1ULL << 63, 4096 },
		{ 0xffff888000000000ULL, 4096 },
		{ VH_GPA_BASE - 1, 100 },
		{ VH_GPA_BASE + self->s.d.mem.size - 10, 100 },
		{ (uintptr_t)self->tx->slots, 100 },
	};
	struct raw big[8];
	unsigned int i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct raw w = c[i];

		TX_BAD(&c[i], 1, 0);
		w.flags = F_WRITE;
		RX_BAD(&w, 1, 0);
	}
	for (i = 0; i < 8; i++)
		big[i] = (struct raw){ VH_GPA_BASE, self->s.d.mem.size,
				       i < 7 ? F_NEXT : 0, i + 1 };
	TX_BAD(big, 8, 0);
}

TEST_F_TIMEOUT(ring, R24_descriptors_that_point_to_the_ring, LONG)
{
	void *parts[] = {
		self->rx->packed ? (void *)self->rx->pdesc : self->rx->desc,
		self->rx->packed ? (void *)self->rx->drv_ev : self->rx->avail,
		self->rx->packed ? (void *)self->rx->dev_ev : self->rx->used,
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct raw c = { vh_gpa(self->rx->mem, parts[i]), 1500,
				 F_WRITE, 0 };

		raw_post(self->rx, &c, 1, 0);
		flood(&self->s, 10, 1000);
		usleep(100000);
		OK(revive(&self->s));
		c.flags = 0;
		raw_post(self->tx, &c, 1, 0);
		usleep(50000);
		OK(revive(&self->s));
	}
}

TEST_F_TIMEOUT(ring, R25_every_vnet_header, LONG)
{
	static const uint8_t types[] = { 0, 1, 3, 4, 5, 0x80, 0x81, 0x84, 7,
					 0xff };
	static const uint16_t vals[] = { 0, 1, 14, 34, 54, 1400, 65535 };
	struct vh_shape sh = { .count = 20, .len = 60 };
	unsigned int i, j, k, done = 0;

	for (i = 0; i < 10; i++)
		for (j = 0; j < 7; j++)
			for (k = 0; k < 7; k++) {
				struct virtio_net_hdr h = {
					.flags = (i + j + k) & 7,
					.gso_type = types[i],
					.hdr_len = vals[k],
					.gso_size = vals[j],
					.csum_start = vals[(j + k) % 7],
					.csum_offset = vals[(i + k) % 7],
				};
				struct vh_shape one = { .len = 1000 };
				unsigned int slot = self->tx->slot_hint;

				OK(vh_tx_post(&self->s.d, &one, 0));
				memcpy(vh_slot(self->tx, slot %
					       self->tx->size), &h, sizeof(h));
				vh_publish(self->tx);
				vh_kick(self->tx);
				OK(vh_wait_used(self->tx, 5000));
				OK(vh_tx_reap(&self->s.d, &done));
			}
	EXPECT_EQ(490, done);
	while (vh_wait_fd(self->s.t.sock, 100)) {
		uint8_t f[64];

		recv(self->s.t.sock, f, sizeof(f), MSG_DONTWAIT);
	}
	OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
}

TEST_F_TIMEOUT(ring, R26_short_and_huge_frames, LONG)
{
	struct vh_shape sh = { .count = 20, .len = 60 };
	struct raw c = { self->buf, 0, 0, 0 };
	struct raw big[40];
	unsigned int len, i;

	for (len = 0; len < 14; len++) {
		c.len = 12 + len;
		TX_BAD(&c, 1, 0);
	}
	for (i = 0; i < 40; i++)
		big[i] = (struct raw){ self->buf, 2048, i < 39 ? F_NEXT : 0,
				       i + 1 };
	TX_BAD(big, 40, 0);
	OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
}

TEST_F_TIMEOUT(ring, R27_many_fragments, LONG)
{
	struct vh_shape sh = { .count = 10, .len = 1000, .first = 13 };

	for (sh.segs = 17; sh.segs <= 60; sh.segs += 7)
		OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
	sh.indirect = true;
	sh.segs = 60;
	OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
}

/* Pages of guest memory that go away under a running device. */
static void take_away(struct vh_ring *r, unsigned int how)
{
	uint8_t *p = r->slots + 4096;

	if (how == 0)
		munmap(p, 4096);
	else if (how == 1)
		mprotect(p, 4096, PROT_NONE);
	else
		mmap(p, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE |
		     MAP_ANONYMOUS, -1, 0);
}

TEST_F_TIMEOUT(ring, R30_copy_fails_half_way, LONG)
{
	unsigned int how;

	for (how = 0; how < 3; how++) {
		uint64_t at = vh_gpa(self->tx->mem, self->tx->slots + 3500);
		struct raw c = { at, 1200, 0, 0 };

		take_away(self->tx, how);
		raw_post(self->tx, &c, 1, 0);
		VERDICT(self->tx);
		c.addr = vh_gpa(self->rx->mem, self->rx->slots + 3500);
		c.flags = F_WRITE;
		take_away(self->rx, how);
		raw_post(self->rx, &c, 1, 0);
		flood(&self->s, 3, 1000);
		usleep(200000);
		EXPECT_EQ(0, vh_stop(&self->s.d));
		break;
	}
}

TEST_F_TIMEOUT(ring, R31_ring_memory_disappears, LONG)
{
	struct vh_shape sh = { .len = 60 };
	unsigned int i;

	for (i = 0; i < 10; i++)
		OK(vh_tx_post(&self->s.d, &sh, i));
	ASSERT_EQ(0, ftruncate(self->s.d.mem.fd, 0));
	vh_kick(self->tx);
	vh_kick(self->rx);
	flood(&self->s, 10, 100);
	usleep(200000);
	/* The memory is gone, also for us: nothing may touch it any more. */
	EXPECT_EQ(0, vh_backend(&self->s.d, VH_TX, -1));
	EXPECT_EQ(0, vh_backend(&self->s.d, VH_RX, -1));
}

TEST_F_TIMEOUT(ring, R33_packed_ids_and_flags, LONG)
{
	struct raw c = { self->buf, 112, 0, 64 };
	struct raw part = { self->buf, 12, F_NEXT, 0 };
	unsigned int i;

	if (!self->tx->packed)
		SKIP(return, "packed only");
	/* The id is the driver's own; a strange one comes back or breaks. */
	TX_BAD(&c, 1, 0);
	c.next = 0xffff;
	TX_BAD(&c, 1, 0);
	/* A chain whose end never comes: waiting is right, spinning is not. */
	raw_post(self->tx, &part, 1, 0);
	usleep(100000);
	OK(revive(&self->s));
	/* All flags at once, in every slot. */
	for (i = 0; i < 64; i++)
		self->tx->pdesc[i].flags = 0xffff;
	vh_kick(self->tx);
	usleep(50000);
	OK(revive(&self->s));
	for (i = 0; i < 64; i++)
		self->tx->pdesc[i].flags = 0x0080 | F_IND | F_NEXT;
	vh_kick(self->tx);
	VERDICT(self->tx);
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(ring, R34_kick_storm, LONG)
{
	uint64_t full = 0xfffffffffffffffeULL;
	struct vh_shape sh = { .count = 100, .len = 60, .poll = true };
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		vh_kick(self->tx);
		vh_kick(self->rx);
	}
	/* A call eventfd whose counter can take no more. */
	ASSERT_EQ(8, write(self->tx->call, &full, 8));
	ASSERT_EQ(8, write(self->rx->call, &full, 8));
	OK(vh_tx_check(&self->s.d, &self->s.t, &sh, 0));
	OK(vh_stop(&self->s.d));
	for (i = 0; i < 1000; i++)
		vh_kick(self->tx);
}

TEST_F_TIMEOUT(ring, E08_log_flood, LONG)
{
	struct raw c = { 0x10, 100, 0, 0 };
	unsigned int i;

	/* The oracle in the teardown counts the kernel's lines. */
	for (i = 0; i < 600; i++) {
		raw_post(self->tx, &c, 1, 0);
		if (i % 20)
			continue;
		OK(vh_backend(&self->s.d, VH_TX, -1));
		vh_ring_rewind(self->tx, self->tx->packed ? 0x8000 : 0);
		OK(vh_set_base(&self->s.d, VH_TX, vh_ring_base(self->tx)));
		OK(vh_backend(&self->s.d, VH_TX, self->s.t.fd));
	}
	OK(revive(&self->s));
}

TEST_F_TIMEOUT(ring, K02_used_length_is_what_was_written, LONG)
{
	struct vh_shape sh = { .rx_buf = 1800 };
	unsigned int i, len = 100, k;
	struct vh_used u;
	uint8_t *p;

	vh_rx_post(&self->s.d, &sh, 32);
	flood(&self->s, 16, len);
	for (i = 0; i < 16; i++) {
		OK(vh_wait_used(self->rx, 5000));
		ASSERT_TRUE(vh_get_used(self->rx, &u));
		EXPECT_EQ(12 + len, u.len);
		p = vh_slot(self->rx, u.token);
		/* Behind it: what we put there, nothing of the kernel's. */
		for (k = u.len; k < 1800; k++)
			ASSERT_EQ(0xaa, p[k]) TH_LOG("byte %u", k);
		vh_slot_put(self->rx, u.token);
	}
}

TEST_HARNESS_MAIN
