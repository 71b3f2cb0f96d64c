// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration v2 from end to end, by a client that knows the ioctls: state saved
 * under load in one device, restored in another, traffic goes on and nothing is
 * lost or doubled; and streams that are cut, altered or foreign.
 */
#include <linux/if_packet.h>
#include <pthread.h>
#include <sys/socket.h>

#include "mig_pair.h"

TEST_F(mig, feature)
{
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_migration m;
	} q = {
		.f.argsz = sizeof(q),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIGRATION,
	};
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_mig_data_size s;
	} z = {
		.f.argsz = sizeof(z),
		.f.flags = VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
	};

	ASSERT_EQ(0, ioctl(self->a.dev, VFIO_DEVICE_FEATURE, &q));
	EXPECT_EQ(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
		  VFIO_MIGRATION_PRE_COPY, q.m.flags);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->a));
	ASSERT_EQ(0, ioctl(self->a.dev, VFIO_DEVICE_FEATURE, &z));
	EXPECT_EQ(z.s.stop_copy_length, save(&self->a, self->buf, 4096));
}

/* Every state from every other, where the kernel's table allows it. */
TEST_F(mig, M07_all_arcs)
{
	int from, to, fd = -1;

	for (from = VFIO_DEVICE_STATE_STOP;
	     from <= VFIO_DEVICE_STATE_PRE_COPY_P2P; from++) {
		for (to = VFIO_DEVICE_STATE_ERROR;
		     to <= VFIO_DEVICE_STATE_PRE_COPY_P2P + 1; to++) {
			OK(vc_reset(&self->a));
			fd = -1;
			if (mig_set(&self->a, from, &fd))
				continue;
			close(fd);
			fd = -1;
			if (!mig_set(&self->a, to, &fd))
				EXPECT_EQ(to, mig_get(&self->a));
			close(fd);
		}
	}
	OK(vc_reset(&self->a));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->a));
}

/*
 * Packets before, during and after: host to guest and guest to host. The rings
 * are filled while the device stands still, so the target starts with work.
 */
static void move(struct __test_metadata *_metadata, FIXTURE_DATA(mig) *self,
		 bool precopy, size_t piece)
{
	struct vc *a = &self->a, *b = &self->b;
	uint32_t seq, i;
	ssize_t len;
	int fd = -1, k;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	for (i = 0; i < 10; i++) {
		OK(vc_host_send(a, i));
		ASSERT_EQ(0, vc_rx(a, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
		OK(vc_tx(a, i));
		ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
		ASSERT_EQ(i, seq);
		ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	}
	if (precopy) {
		struct vfio_precopy_info info = { .argsz = sizeof(info) };
		ssize_t n;

		OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY, &fd));
		ASSERT_EQ(0, ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
		EXPECT_LT(0, info.initial_bytes);
		len = read(fd, self->buf, STREAM_MAX);
		EXPECT_EQ(info.initial_bytes, len);
		EXPECT_EQ(-1, read(fd, self->buf + len, 1));
		EXPECT_EQ(ENOMSG, errno);
		/* It still runs. */
		OK(vc_tx(a, i));
		ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
		ASSERT_EQ(i++, seq);
		ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
		OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, NULL));
		n = drain(fd, self->buf + len, STREAM_MAX - len, piece);
		ASSERT_LT(0, n);
		len += n;
		close(fd);
	} else {
		len = save(a, self->buf, piece);
		ASSERT_LT(0, len);
	}
	/* Stopped: kicks do nothing, buffers stay. */
	for (k = 0; k < 5; k++)
		OK(vc_tx(a, 100 + k));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(a, 1, 200));

	move_memory(b, a);
	OK(load(b, self->buf, len, piece));
	OK(vc_host_open(b));
	EXPECT_EQ(-ETIMEDOUT, vc_wait_used(b, 1, 200));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	for (k = 0; k < 5; k++) {
		ASSERT_LE(0, vc_wait_used(b, 1, WAIT_MS));
		ASSERT_EQ(0, vc_host_recv(b, &seq, WAIT_MS));
		EXPECT_EQ(100 + k, seq);
	}
	EXPECT_EQ(-ETIMEDOUT, vc_host_recv(b, &seq, 200));
	for (i = 200; i < 205; i++) {
		OK(vc_host_send(b, i));
		ASSERT_EQ(0, vc_rx(b, &seq, WAIT_MS));
		EXPECT_EQ(i, seq);
	}
	EXPECT_EQ(vc_get(a, CFG, PCI_COMMAND, 2), vc_get(b, CFG, PCI_COMMAND, 2));
	EXPECT_EQ(0, vc_status(b) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F_TIMEOUT(mig, M07_stop_copy_under_traffic, LONG)
{
	move(_metadata, self, false, 4096);
}

TEST_F_TIMEOUT(mig, M07_pre_copy_under_traffic, LONG)
{
	move(_metadata, self, true, 4096);
}

TEST_F_TIMEOUT(mig, M07_one_byte_pieces, LONG)
{
	move(_metadata, self, false, 1);
}

/* The source may change its mind. */
TEST_F_TIMEOUT(mig, M07_cancelled, LONG)
{
	struct vc *a = &self->a;
	uint32_t seq;
	char c;
	int fd = -1;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	OK(vc_tx(a, 1));
	OK(mig_set(a, VFIO_DEVICE_STATE_RUNNING, NULL));
	/* The file is dead, the device is not. */
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	ASSERT_EQ(0, vc_host_recv(a, &seq, WAIT_MS));
	EXPECT_EQ(1, seq);
}

TEST_F_TIMEOUT(mig, M07_truncated_stream, LONG)
{
	ssize_t len, cut;

	OK(vc_start(&self->a, FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (cut = 1; cut < len; cut += cut < 64 ? 1 : 397) {
		EXPECT_EQ(-EINVAL, load(&self->b, self->buf, cut, 4096));
		EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, mig_get(&self->b));
		OK(vc_reset(&self->b));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(&self->b));
	}
	self->buf[len] = 0;
	EXPECT_EQ(-ENOSPC, load(&self->b, self->buf, len + 1, 4096));
	OK(vc_reset(&self->b));
	OK(load(&self->b, self->buf, len, 4096));
}

/*
 * One byte wrong at each place: refused, or taken and harmless. The debug kernel
 * takes some of them.
 */
TEST_F_TIMEOUT(mig, M07_every_byte, LONG)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	int stride = access("/proc/lockdep", F_OK) ? 1 : 7, refused = 0;
	ssize_t len, i;

	OK(vc_start(&self->a, FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (i = 0; i < len; i += i < 360 ? 1 : stride) {
		uint8_t flip = flips[i % 3];

		self->buf[i] ^= flip;
		if (load(&self->b, self->buf, len, 65536)) {
			refused++;
			EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, mig_get(&self->b));
		} else {
			mig_set(&self->b, VFIO_DEVICE_STATE_RUNNING, NULL);
		}
		self->buf[i] ^= flip;
		OK(vc_reset(&self->b));
	}
	/* The header whole, and at least what is checked behind it. */
	EXPECT_LT(100, refused);
	OK(load(&self->b, self->buf, len, 4096));
}

/* No byte of the header may differ. */
TEST_F(mig, M07_header_is_exact)
{
	ssize_t len, i;
	int bit;

	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(32, len);
	for (i = 0; i < 32; i++) {
		for (bit = 0; bit < 8; bit++) {
			/* Fewer features, a smaller ring: the target has more. */
			if ((i >= 8 && i < 16) || i == 22 || i == 23)
				continue;
			self->buf[i] ^= 1 << bit;
			EXPECT_EQ(-EINVAL, load(&self->b, self->buf, len, 4096))
				TH_LOG("byte %zd bit %d", i, bit);
			self->buf[i] ^= 1 << bit;
			OK(vc_reset(&self->b));
		}
	}
}

/* Data for another kind of device is refused. */
TEST_F(mig, M07_foreign_stream)
{
	struct vc *a = &self->a;
	ssize_t len;

	vc_close(a);
	OK(vc_attr_set(a, "queues", "2"));
	OK(vc_open(a));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	EXPECT_NE(0, load(&self->b, self->buf, len, 4096));
}

/* --- under load ----------------------------------------------------------- */

struct pump {
	struct vc *c;
	volatile bool stop;
	uint32_t seq, last;
};

/* A guest that transmits as fast as the ring lets it, numbers in the frames. */
static void *pump(void *arg)
{
	struct pump *p = arg;
	struct vc_queue *q = &p->c->q[1];

	while (!p->stop && p->seq < p->last) {
		while (vc_wait_used(p->c, 1, 0) >= 0)
			;
		if ((uint16_t)(q->next - q->seen) < VC_RING - 2)
			vc_tx(p->c, p->seq++);
	}
	return NULL;
}

static void big_buffer(int fd)
{
	int size = 16 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

/*
 * Stopped in the middle of traffic, at a place that nobody chose. Every frame
 * comes out once, in order, of one device or the other.
 */
static void under_load(struct __test_metadata *_metadata,
		       FIXTURE_DATA(mig) *self, bool precopy)
{
	struct vc *a = &self->a, *b = &self->b;
	struct pump p = { .c = a, .last = ~0u };
	ssize_t len = 0, n;
	uint32_t seq, want = 0;
	pthread_t t;
	int fd = -1;

	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	big_buffer(a->host);
	ASSERT_EQ(0, pthread_create(&t, NULL, pump, &p));
	while (p.seq < 200)
		usleep(1000);
	if (precopy) {
		OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY, &fd));
		len = read(fd, self->buf, STREAM_MAX);
		ASSERT_LT(0, len);
		n = p.seq;
		while (p.seq < n + 200)
			usleep(1000);
		OK(mig_set(a, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	} else {
		OK(mig_set(a, VFIO_DEVICE_STATE_RUNNING_P2P, NULL));
	}
	/* The guest's processors run a little longer than the device. */
	usleep(20000);
	p.stop = true;
	pthread_join(t, NULL);
	if (precopy) {
		OK(mig_set(a, VFIO_DEVICE_STATE_STOP_COPY, NULL));
		n = drain(fd, self->buf + len, STREAM_MAX - len, 1000);
		ASSERT_LT(0, n);
		len += n;
		close(fd);
	} else {
		len = save(a, self->buf, 1000);
		ASSERT_LT(0, len);
	}
	move_memory(b, a);
	OK(load(b, self->buf, len, 1000));
	OK(vc_host_open(b));
	big_buffer(b->host);
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	p.c = b;
	p.last = p.seq + 200;
	p.stop = false;
	pump(&p);
	while (b->q[1].seen != b->q[1].next)
		ASSERT_LE(0, vc_wait_used(b, 1, WAIT_MS));

	while (!vc_host_recv(a, &seq, 0)) {
		ASSERT_EQ(want, seq);
		want++;
	}
	EXPECT_LT(0, want);
	n = want;
	while (!vc_host_recv(b, &seq, 200)) {
		ASSERT_EQ(want, seq);
		want++;
	}
	EXPECT_LT(n, want);
	EXPECT_EQ(p.last, want);
}

TEST_F_TIMEOUT(mig, M07_nothing_lost_stop_copy, LONG)
{
	under_load(_metadata, self, false);
}

TEST_F_TIMEOUT(mig, M07_nothing_lost_pre_copy, LONG)
{
	under_load(_metadata, self, true);
}

/* --- what the driver made of the device ----------------------------------- */

/* A frame from the host to an address, maybe with a VLAN tag. */
static int host_send_to(struct vc *c, uint8_t last, int vid)
{
	uint8_t f[64] = { 0x52, 0x54, 0, 0, 0, last, 2, 2, 2, 2, 2, 2 };
	int at = 12;

	if (vid) {
		f[at++] = 0x81;
		f[at++] = 0;
		f[at++] = vid >> 8;
		f[at++] = vid;
	}
	f[at++] = VC_ETHERTYPE >> 8;
	f[at++] = VC_ETHERTYPE & 0xff;
	return send(c->host, f, sizeof(f), MSG_DONTWAIT) == sizeof(f) ? 0 : -errno;
}

/* Which of four frames come in: bits 0 to 3. */
static unsigned int passes(struct vc *c)
{
	static const struct { uint8_t last; int vid; } f[] = {
		{ 0x77, 5 }, { 0x99, 5 }, { 0x55, 5 }, { 0x77, 6 },
	};
	unsigned int i, got = 0;

	for (i = 0; i < ARRAY_SIZE(f); i++) {
		if (host_send_to(c, f[i].last, f[i].vid))
			return 0xee;
		if (vc_wait_used(c, 0, 300) >= 0)
			got |= 1 << i;
	}
	return got;
}

TEST_F_TIMEOUT(mig, M07_filters_move, LONG)
{
	struct vc *a = &self->a, *b = &self->b;
	const uint64_t features = FEATURES | VC_BIT(VIRTIO_NET_F_CTRL_RX) |
		VC_BIT(VIRTIO_NET_F_CTRL_VLAN) |
		VC_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);
	struct {
		uint32_t n_uni;
		uint8_t uni[6];
		uint32_t n_multi;
	} __attribute__((packed)) table = { 1, { 0x52, 0x54, 0, 0, 0, 0x77 }, 0 };
	uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 0x99 }, off = 0;
	uint16_t vid = 5;
	ssize_t len;

	OK(vc_start(a, features));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	EXPECT_EQ(0, vc_ctrl(a, 2, VIRTIO_NET_CTRL_RX,
			     VIRTIO_NET_CTRL_RX_PROMISC, &off, 1));
	EXPECT_EQ(0, vc_ctrl(a, 2, VIRTIO_NET_CTRL_MAC,
			     VIRTIO_NET_CTRL_MAC_TABLE_SET, &table,
			     sizeof(table)));
	EXPECT_EQ(0, vc_ctrl(a, 2, VIRTIO_NET_CTRL_MAC,
			     VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6));
	EXPECT_EQ(0, vc_ctrl(a, 2, VIRTIO_NET_CTRL_VLAN,
			     VIRTIO_NET_CTRL_VLAN_ADD, &vid, 2));
	ASSERT_EQ(3, passes(a));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	move_memory(b, a);
	OK(load(b, self->buf, len, 4096));
	OK(vc_host_open(b));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	OK(vc_host_wait(b, WAIT_MS));
	EXPECT_EQ(3, passes(b));
	EXPECT_EQ(0x99, vc_get(b, BAR(b), b->caps.device + 5, 1));
	/* The control queue goes on where it was. */
	off = 1;
	EXPECT_EQ(0, vc_ctrl(b, 2, VIRTIO_NET_CTRL_RX,
			     VIRTIO_NET_CTRL_RX_PROMISC, &off, 1));
	/* A reset forgets it all. */
	OK(vc_start(b, features));
	EXPECT_EQ(0x0b, vc_get(b, BAR(b), b->caps.device + 5, 1));
}

/* Everything to the second pair, which nobody would choose unasked. */
TEST_F_TIMEOUT(mig, M07_steering_moves, LONG)
{
	struct vc *a = &self->a, *b = &self->b;
	struct {
		uint32_t types;
		uint16_t mask, unclassified, table[4], max_tx;
		uint8_t key_len, key[40];
	} __attribute__((packed)) rss = {
		.types = VIRTIO_NET_RSS_HASH_TYPE_IPv4,
		.mask = 3, .unclassified = 1, .table = { 1, 1, 1, 1 },
		.max_tx = 2, .key_len = 40, .key = { 1, 2, 3 },
	};
	ssize_t len;
	int i;

	vc_close(a);
	vc_close(b);
	OK(vc_attr_set(a, "queues", "2"));
	OK(vc_attr_set(b, "queues", "2"));
	OK(vc_open(a));
	OK(vc_open(b));
	OK(vc_start(a, FEATURES | VC_BIT(VIRTIO_NET_F_MQ) |
		    VC_BIT(VIRTIO_NET_F_RSS)));
	OK(vc_host_open(a));
	for (i = 0; i < 20; i++)
		vc_add(a, 2, vc_slot_iova(2, i), VC_SLOT, true);
	vc_kick(a, 2);
	ASSERT_EQ(0, vc_ctrl(a, 4, VIRTIO_NET_CTRL_MQ,
			     VIRTIO_NET_CTRL_MQ_RSS_CONFIG, &rss, sizeof(rss)));
	OK(vc_host_send(a, 1));
	ASSERT_EQ(0, vc_wait_used(a, 2, WAIT_MS));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	move_memory(b, a);
	OK(load(b, self->buf, len, 4096));
	OK(vc_host_open(b));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	OK(vc_host_wait(b, WAIT_MS));
	for (i = 1; i < 5; i++) {
		OK(vc_host_send(b, i));
		EXPECT_EQ(i, vc_wait_used(b, 2, WAIT_MS));
	}
}

/* --- interrupts ------------------------------------------------------------ */

/* What the driver wrote to the transport, as it reads it. */
static void same_registers(struct __test_metadata *_metadata, struct vc *a,
			   struct vc *b)
{
	static const struct { uint8_t off, len; } reg[] = {
		{ VIRTIO_PCI_COMMON_DFSELECT, 4 }, { VIRTIO_PCI_COMMON_GFSELECT, 4 },
		{ VIRTIO_PCI_COMMON_GF, 4 }, { VIRTIO_PCI_COMMON_MSIX, 2 },
		{ VIRTIO_PCI_COMMON_STATUS, 1 }, { VIRTIO_PCI_COMMON_Q_SIZE, 2 },
		{ VIRTIO_PCI_COMMON_Q_MSIX, 2 }, { VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
		{ VIRTIO_PCI_COMMON_Q_DESCLO, 4 }, { VIRTIO_PCI_COMMON_Q_DESCHI, 4 },
		{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4 }, { VIRTIO_PCI_COMMON_Q_AVAILHI, 4 },
		{ VIRTIO_PCI_COMMON_Q_USEDLO, 4 }, { VIRTIO_PCI_COMMON_Q_USEDHI, 4 },
	};
	unsigned int i, k;

	EXPECT_EQ(vc_get(a, BAR(a), COM(a, VIRTIO_PCI_COMMON_Q_SELECT), 2),
		  vc_get(b, BAR(b), COM(b, VIRTIO_PCI_COMMON_Q_SELECT), 2));
	for (k = 0; k < 3; k++) {
		OK(vc_set(a, BAR(a), COM(a, VIRTIO_PCI_COMMON_Q_SELECT), k, 2));
		OK(vc_set(b, BAR(b), COM(b, VIRTIO_PCI_COMMON_Q_SELECT), k, 2));
		for (i = 0; i < ARRAY_SIZE(reg); i++)
			EXPECT_EQ(vc_get(a, BAR(a), COM(a, reg[i].off), reg[i].len),
				  vc_get(b, BAR(b), COM(b, reg[i].off), reg[i].len))
				TH_LOG("queue %u, register %#x", k, reg[i].off);
	}
	for (i = 0; i < 4 * 16; i += 4)
		EXPECT_EQ(vc_get(a, 1, i, 4), vc_get(b, 1, i, 4));
}

/* The client's eventfds: vectors 0 to 3, or INTx. */
static void triggers(struct __test_metadata *_metadata, struct vc *c,
		     const int *fd, bool intx)
{
	OK(intx ? vc_irqs(c, VFIO_PCI_INTX_IRQ_INDEX, EVENT | TRIGGER, 0, 1, fd) :
	   vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, EVENT | TRIGGER, 0, 4, fd));
}

/*
 * The source owes its driver interrupts. The target's client makes its eventfds
 * while it loads (as QEMU does since 8.1) or when it has; they come when the target
 * runs, not before, once.
 */
static void owed(struct __test_metadata *_metadata, FIXTURE_DATA(mig) *self,
		 bool intx, bool early)
{
	struct vc *a = &self->a, *b = &self->b;
	int fd[4], m = -1, i;
	uint32_t seq;
	ssize_t len;

	for (i = 0; i < 4; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK);
	OK(vc_start(a, FEATURES));
	OK(vc_host_open(a));
	vc_rx_post(a, 60);
	OK(vc_set(a, BAR(a), COM(a, VIRTIO_PCI_COMMON_MSIX), 3, 2));
	for (i = 0; i < 4 * 16; i += 4)
		OK(vc_set(a, 1, i, 0x1000 + i, 4));
	OK(vc_tx(a, 1));
	ASSERT_LE(0, vc_wait_used(a, 1, WAIT_MS));
	OK(vc_host_send(a, 2));
	ASSERT_EQ(0, vc_rx(a, &seq, WAIT_MS));
	len = save(a, self->buf, 4096);
	ASSERT_LT(0, len);
	EXPECT_EQ(6, vc_get(a, 1, 0x1000, 1));
	move_memory(b, a);

	OK(mig_set(b, VFIO_DEVICE_STATE_RESUMING, &m));
	OK(feed(m, self->buf, len, 4096));
	close(m);
	if (early)
		triggers(_metadata, b, fd, intx);
	OK(mig_set(b, VFIO_DEVICE_STATE_STOP, NULL));
	if (!early)
		triggers(_metadata, b, fd, intx);
	usleep(100000);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, fired(fd[i], 0));
	same_registers(_metadata, a, b);
	OK(vc_host_open(b));
	OK(mig_set(b, VFIO_DEVICE_STATE_RUNNING, NULL));
	if (intx) {
		EXPECT_EQ(1, fired(fd[0], WAIT_MS));
		EXPECT_EQ(1, vc_get(b, BAR(b), b->caps.isr, 1));
		OK(vc_irqs(b, VFIO_PCI_INTX_IRQ_INDEX, NONE | UNMASK, 0, 1, NULL));
		EXPECT_EQ(0, fired(fd[0], 100));
	} else {
		EXPECT_EQ(1, fired(fd[1], WAIT_MS));
		EXPECT_EQ(1, fired(fd[2], WAIT_MS));
		EXPECT_EQ(0, vc_get(b, 1, 0x1000, 1));
	}
	/* And it goes on with the same vectors. */
	OK(vc_tx(b, 3));
	ASSERT_LE(0, vc_wait_used(b, 1, WAIT_MS));
	EXPECT_EQ(1, fired(fd[intx ? 0 : 2], WAIT_MS));
	if (intx) {
		EXPECT_EQ(1, vc_get(b, BAR(b), b->caps.isr, 1));
		OK(vc_irqs(b, VFIO_PCI_INTX_IRQ_INDEX, NONE | UNMASK, 0, 1, NULL));
	}
	OK(vc_host_wait(b, WAIT_MS));
	OK(vc_host_send(b, 4));
	ASSERT_EQ(0, vc_rx(b, &seq, WAIT_MS));
	EXPECT_EQ(4, seq);
	EXPECT_EQ(1, fired(fd[intx ? 0 : 1], WAIT_MS));
	EXPECT_EQ(0, fired(fd[3], 0));
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

TEST_F_TIMEOUT(mig, M07_messages_owed_eventfds_first, LONG)
{
	owed(_metadata, self, false, true);
}

TEST_F_TIMEOUT(mig, M07_messages_owed_eventfds_last, LONG)
{
	owed(_metadata, self, false, false);
}

TEST_F_TIMEOUT(mig, M07_intx_owed_eventfd_first, LONG)
{
	owed(_metadata, self, true, true);
}

TEST_F_TIMEOUT(mig, M07_intx_owed_eventfd_last, LONG)
{
	owed(_metadata, self, true, false);
}

/* What must be zero in a stream, and power states that do not exist. */
TEST_F_TIMEOUT(mig, M07_unused_bytes, LONG)
{
	/* Behind the header: power state; MSI-X table, pending bit of vector 4 */
	static const struct { unsigned int off; uint8_t bits; } bad[] = {
		{ 24 + 0x44, 1 }, { 24 + 0x44, 2 }, { 22, 1 }, { 23, 0x80 },
		{ 24 + 256 + 4 * 16, 1 }, { 24 + 256 + 255 * 16 + 15, 0x80 },
		{ 24 + 256 + 4096, 0x10 }, { 24 + 256 + 4096 + 31, 0x80 },
		{ 24 + 256 + 4096 + 32 + 33, 1 },
	};
	unsigned int i;
	ssize_t len;

	OK(vc_start(&self->a, FEATURES));
	len = save(&self->a, self->buf, 4096);
	ASSERT_LT(0, len);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->buf[32 + bad[i].off] ^= bad[i].bits;
		EXPECT_EQ(-EINVAL, load(&self->b, self->buf, len, 65536))
			TH_LOG("case %u", i);
		self->buf[32 + bad[i].off] ^= bad[i].bits;
		OK(vc_reset(&self->b));
	}
	OK(load(&self->b, self->buf, len, 65536));
}

/* A data file may be read after its device was reset or closed. */
TEST_F(mig, M07_file_outlives_device)
{
	int fd = -1;
	char c;

	OK(mig_set(&self->a, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	OK(vc_reset(&self->a));
	EXPECT_EQ(-1, read(fd, &c, 1));
	close(fd);
	OK(mig_set(&self->a, VFIO_DEVICE_STATE_RESUMING, &fd));
	vc_close(&self->a);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

VFIO_HARNESS_MAIN
