// SPDX-License-Identifier: GPL-2.0-only
/* One step of a program against the kernel. What it returns does not matter. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kfuzz.h"

static const unsigned long cmds[] = {
	VHOST_SET_OWNER, VHOST_SET_FEATURES, VHOST_GET_FEATURES,
	VHOST_SET_MEM_TABLE, VHOST_SET_LOG_BASE, VHOST_SET_LOG_FD,
	VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
	VHOST_GET_VRING_BUSYLOOP_TIMEOUT, VHOST_SET_BACKEND_FEATURES,
	VHOST_GET_BACKEND_FEATURES, VHOST_NET_SET_BACKEND, VHOST_NEW_WORKER,
	VHOST_FREE_WORKER, VHOST_ATTACH_VRING_WORKER, VHOST_GET_VRING_WORKER,
	VHOST_SET_FORK_FROM_OWNER, VHOST_GET_FORK_FROM_OWNER,
	VHOST_RESET_OWNER, VHOST_SET_VRING_ENDIAN, VHOST_GET_VRING_ENDIAN, 0,
};

#define CMDS	(sizeof(cmds) / sizeof(cmds[0]))

static uint8_t *ring_mem(struct kf_env *e, unsigned int q)
{
	return e->mem + (q & 1) * KF_RINGS;
}

/* Where the parts of a ring are: descriptors, driver's, device's. */
static uint8_t *part(struct kf_env *e, unsigned int q, unsigned int which)
{
	static const size_t at[] = { 0, 32 << 10, 44 << 10 };

	return ring_mem(e, q) + at[which % 3];
}

static uint8_t *buffers(struct kf_env *e)
{
	return e->mem + 2 * KF_RINGS;
}

static uint64_t gpa(struct kf_env *e, const void *p)
{
	return VH_GPA_BASE + ((const uint8_t *)p - e->mem);
}

static bool has(const struct kf_env *e, unsigned int bit)
{
	return e->features >> bit & 1;
}

static uint64_t features_of(uint64_t a)
{
	uint64_t f = VH_USUAL;

	if (a > 63)
		return f ^ a;
	f ^= (a & 1) << VIRTIO_RING_F_EVENT_IDX;
	f ^= (a >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC;
	f |= (a >> 2 & 1) << VIRTIO_F_RING_PACKED;
	f |= (a >> 3 & 1) << VHOST_F_LOG_ALL;
	f |= (a >> 4 & 1) << VIRTIO_F_ACCESS_PLATFORM;
	f |= (a >> 5 & 1) << VIRTIO_F_IN_ORDER;
	return f;
}

/* Memory tables: whole, in parts, with a hole, too many, and not ours. */
static void mem_table(struct kf_env *e, const struct kf_op *o)
{
	static const uint8_t parts[] = { 1, 2, 4, 64, 65, 0, 3, 16 };
	unsigned int n = parts[o->a % 8], i;
	uint64_t size = KF_MEMORY / (n ?: 1);
	struct vhost_memory *t;

	t = calloc(1, sizeof(*t) + 65 * sizeof(t->regions[0]));
	if (!t)
		return;
	t->nregions = n;
	t->padding = o->a == 0xffff;
	for (i = 0; i < n && i < 65; i++) {
		t->regions[i].guest_phys_addr = VH_GPA_BASE + i * size;
		t->regions[i].memory_size = size;
		t->regions[i].userspace_addr = (uintptr_t)e->mem + i * size;
	}
	if (o->b && n) {
		struct vhost_memory_region *r = &t->regions[o->b % n];

		switch (o->b >> 8 & 7) {
		case 0:
			r->memory_size = o->b;
			break;
		case 1:
			r->guest_phys_addr = o->b;
			break;
		case 2:
			r->userspace_addr = o->b;
			break;
		case 3:
			r->guest_phys_addr -= 4096;
			break;
		case 4:
			r->memory_size -= 4096;
			break;
		}
	}
	ioctl(e->fd, VHOST_SET_MEM_TABLE, t);
	free(t);
}

static void vring_addr(struct kf_env *e, const struct kf_op *o)
{
	struct vhost_vring_addr v = {
		.index = o->q,
		.flags = o->b & 8 ? 1 << VHOST_VRING_F_LOG : 0,
	};
	uint64_t at[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		uint8_t *p = part(e, o->q, i);

		at[i] = has(e, VIRTIO_F_ACCESS_PLATFORM) ? gpa(e, p) :
			(uintptr_t)p;
	}
	/* Mostly where it should be; else a little or far away. */
	if (o->a)
		at[o->a % 3] += (o->a & 0x100) ? o->a : (o->a & 0xff) * 16;
	v.desc_user_addr = at[0];
	v.avail_user_addr = at[1];
	v.used_user_addr = at[2];
	v.log_guest_addr = gpa(e, part(e, o->q, 2));
	if (o->b > 0xff)
		v.flags = o->b;
	ioctl(e->fd, VHOST_SET_VRING_ADDR, &v);
}

static int some_fd(struct kf_env *e, const struct kf_op *o)
{
	unsigned int k = o->a;

	if (k < 3)
		return e->event[o->q & 1][k];
	if (k < 7)
		return e->other[k - 3];
	return k & 1 ? -1 : k & 2 ? e->fd : (int)o->a;
}

static void ring_num(struct kf_env *e, const struct kf_op *o)
{
	struct vhost_vring_state s = {
		.index = o->q, .num = o->a < 12 ? 1U << o->a : o->a,
	};

	/* Larger ones do not fit where the parts are; ours reads no further. */
	if (s.num > 1024 && s.num <= 32768 && o->b)
		s.num = 1024;
	if (!ioctl(e->fd, VHOST_SET_VRING_NUM, &s))
		e->num[o->q & 1] = s.num;
}

static void set_base(struct kf_env *e, const struct kf_op *o)
{
	struct vhost_vring_state s = { .index = o->q, .num = o->a };

	if (!o->a && has(e, VIRTIO_F_RING_PACKED))
		s.num = 0x80008000;
	if (!ioctl(e->fd, VHOST_SET_VRING_BASE, &s))
		e->avail[o->q & 1] = s.num;
}

static void do_ioctl(struct kf_env *e, const struct kf_op *o)
{
	unsigned int k = o->sub % CMDS;
	unsigned long cmd = cmds[k];
	struct vhost_vring_file f = { .index = o->q };
	uint64_t room[8] = { o->q | o->a << 32, o->b };
	uint64_t v;
	int fd;

	switch (cmd) {
	case VHOST_SET_FEATURES:
		v = features_of(o->a);
		if (!ioctl(e->fd, cmd, &v))
			e->features = v;
		break;
	case VHOST_SET_MEM_TABLE:
		mem_table(e, o);
		break;
	case VHOST_SET_LOG_BASE:
		v = o->a < 64 ? (uintptr_t)e->log - (VH_GPA_BASE >> 15) : o->a;
		ioctl(e->fd, cmd, &v);
		break;
	case VHOST_SET_LOG_FD:
		fd = some_fd(e, o);
		ioctl(e->fd, cmd, &fd);
		break;
	case VHOST_SET_VRING_NUM:
		ring_num(e, o);
		break;
	case VHOST_SET_VRING_ADDR:
		vring_addr(e, o);
		break;
	case VHOST_SET_VRING_BASE:
		set_base(e, o);
		break;
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		f.fd = some_fd(e, o);
		ioctl(e->fd, cmd, &f);
		break;
	case VHOST_NET_SET_BACKEND:
		f.fd = o->a % 3 == 1 ? -1 : o->a % 7 == 3 ? some_fd(e, o) :
		       e->tap.fd;
		ioctl(e->fd, cmd, &f);
		break;
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
		/* An hour of polling finds nothing. */
		room[0] = o->q | (o->a % 200) << 32;
		ioctl(e->fd, cmd, room);
		break;
	case VHOST_SET_BACKEND_FEATURES:
		v = o->a & 1 ? 2 : o->a;
		ioctl(e->fd, cmd, &v);
		break;
	case VHOST_FREE_WORKER:
	case VHOST_ATTACH_VRING_WORKER:
		if (o->a < 64)
			room[0] = cmd == VHOST_FREE_WORKER ? o->a % 5 :
				  o->q | (o->a % 5) << 32;
		ioctl(e->fd, cmd, room);
		break;
	case 0:
		ioctl(e->fd, 0xaf00 | (o->a & 0xff) | (o->b & 0xffffUL) << 16,
		      room);
		break;
	default:
		ioctl(e->fd, cmd, o->b == ~0ULL ? NULL : room);
	}
}

static void do_msg(struct kf_env *e, const struct kf_op *o)
{
	struct vhost_iotlb_msg m = {
		.type = VHOST_IOTLB_UPDATE, .perm = VHOST_ACCESS_RW,
		.iova = VH_GPA_BASE, .size = KF_MEMORY,
		.uaddr = (uintptr_t)e->mem,
	};

	if (o->a) {
		m.iova += (o->a % (KF_MEMORY / 4096)) * 4096;
		m.uaddr += (o->a % (KF_MEMORY / 4096)) * 4096;
		m.size = 4096;
	}
	switch (o->sub % 12) {
	case 1:
		m.type = VHOST_IOTLB_INVALIDATE;
		break;
	case 2:
		m.type = VHOST_IOTLB_INVALIDATE;
		m.iova = 0;
		m.size = ~0ULL;
		break;
	case 3:
		m.perm = o->b & 3;
		break;
	case 4:
		m.iova = o->a;
		m.size = o->b;
		break;
	case 5:
		m.uaddr = o->b;
		break;
	case 6:
		m.type = o->b;
		break;
	case 7:
		if (write(e->fd, &m, o->b % sizeof(m)) < 0)
			return;
		break;
	}
	vh_iotlb_send(e->fd, o->b & 1, &m);
}

/* A descriptor that makes sense, but for one field now and then. */
static void chain_part(struct kf_env *e, const struct kf_op *o, unsigned int i,
		       unsigned int n, bool in, struct vring_desc *d)
{
	uint64_t at = (o->b + i * 4096) % (KF_BUFS - 8192);

	d->addr = gpa(e, buffers(e) + at);
	d->len = i == 0 && n > 1 ? 12 : o->a % 9000 / n + 1;
	d->flags = (i + 1 < n ? VRING_DESC_F_NEXT : 0) |
		   (in ? VRING_DESC_F_WRITE : 0);
	if (!in && i == 0)
		memset(buffers(e) + at, o->sub & 0x80 ? o->sub : 0, 12);
}

static void split_chain(struct kf_env *e, unsigned int q, const struct kf_op *o,
			bool in)
{
	struct vring_desc *d = (void *)part(e, q, 0);
	struct vring_avail *av = (void *)part(e, q, 1);
	unsigned int num = e->num[q] ?: 1, n = 1 + (o->sub & 7), i, at;

	if (num > 2048)
		num = 2048;
	if (n > num)
		n = num;
	at = e->avail[q] % num;
	for (i = 0; i < n; i++) {
		struct vring_desc c;

		chain_part(e, o, i, n, in, &c);
		c.next = (at + i + 1) % num;
		d[(at + i) % num] = c;
	}
	if (o->sub & 8 && has(e, VIRTIO_RING_F_INDIRECT_DESC)) {
		struct vring_desc *t = (void *)(buffers(e) + KF_BUFS - 4096);

		for (i = 0; i < n; i++) {
			chain_part(e, o, i, n, in, &t[i]);
			t[i].next = i + 1;
		}
		d[at] = (struct vring_desc){ gpa(e, t), n * sizeof(*t),
					     VRING_DESC_F_INDIRECT, 0 };
	}
	av->ring[at] = at;
	e->avail[q]++;
	__atomic_store_n(&av->idx, e->avail[q], __ATOMIC_RELEASE);
}

static void packed_chain(struct kf_env *e, unsigned int q,
			 const struct kf_op *o, bool in)
{
	struct vring_packed_desc *d = (void *)part(e, q, 0);
	unsigned int num = e->num[q] ?: 1, n = 1 + (o->sub & 7), i;
	unsigned int at = e->avail[q] & 0x7fff, first;
	bool wrap = e->avail[q] >> 15;
	uint16_t f, f0 = 0;

	if (num > 2048)
		num = 2048;
	at %= num;
	first = at;
	for (i = 0; i < n; i++) {
		struct vring_desc c;

		chain_part(e, o, i, n, in, &c);
		f = c.flags | (wrap ? 1 << VRING_PACKED_DESC_F_AVAIL :
			       1 << VRING_PACKED_DESC_F_USED);
		d[at].addr = c.addr;
		d[at].len = c.len;
		d[at].id = first;
		if (i)
			d[at].flags = f;
		else
			f0 = f;
		if (++at == num) {
			at = 0;
			wrap = !wrap;
		}
	}
	__atomic_store_n(&d[first].flags, f0, __ATOMIC_RELEASE);
	e->avail[q] = at | wrap << 15;
}

static void kick(struct kf_env *e, unsigned int q)
{
	uint64_t one = 1;

	if (write(e->event[q & 1][0], &one, 8) < 0)
		return;
}

static void do_chain(struct kf_env *e, const struct kf_op *o, bool in)
{
	unsigned int q = in ? VH_RX : VH_TX;

	if (has(e, VIRTIO_F_RING_PACKED))
		packed_chain(e, q, o, in);
	else
		split_chain(e, q, o, in);
	if (!(o->sub & 0x40))
		kick(e, q);
}

/* Scribble into a ring, at fields' places and beside them. */
static void do_ring(struct kf_env *e, const struct kf_op *o)
{
	uint8_t *p = part(e, o->q, o->sub % 3);
	size_t at = o->a % (12 << 10);

	if (o->sub & 0x20)
		at %= 64;
	switch (o->sub >> 6) {
	case 0:
		memcpy(p + at, &o->b, 1);
		break;
	case 1:
		memcpy(p + (at & ~1UL), &o->b, 2);
		break;
	case 2:
		memcpy(p + (at & ~3UL), &o->b, 4);
		break;
	default:
		memcpy(p + (at & ~7UL), &o->b, 8);
	}
}

static void do_frame(struct kf_env *e, const struct kf_op *o)
{
	static __thread uint8_t f[9014];
	unsigned int n = 1 + (o->b & 7), len = 14 + o->a % 9000;

	if (len > 1514 && o->sub & 1)
		len = 60;
	vh_frame_fill(f, len < 22 ? 22 : len, o->a);
	while (n--)
		if (send(e->tap.sock, f, len, MSG_DONTWAIT) < 0)
			return;
}

static void do_mem(struct kf_env *e, const struct kf_op *o)
{
	uint8_t *p = e->mem + (o->a % (KF_MEMORY / 4096)) * 4096;

	switch (o->sub % 4) {
	case 0:
		mprotect(p, 4096, o->b & 1 ? PROT_READ : PROT_NONE);
		break;
	case 1:
		munmap(p, 4096);
		break;
	case 2:
		madvise(p, 4096, MADV_DONTNEED);
		break;
	default:
		mmap(p, 4096, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

/*
 * kf_step - do one step. Steps of the other thread run at the same time: a
 * ring that both write is what a hostile guest has.
 */
void kf_step(struct kf_env *e, const struct kf_op *o)
{
	uint8_t m[128];

	switch (o->kind) {
	case KF_IOCTL:
		do_ioctl(e, o);
		break;
	case KF_MSG:
		do_msg(e, o);
		break;
	case KF_READ:
		if (read(e->fd, m, o->a % 129) < 0)
			break;
		break;
	case KF_RING:
		do_ring(e, o);
		break;
	case KF_TX:
		do_chain(e, o, false);
		break;
	case KF_RX:
		do_chain(e, o, true);
		break;
	case KF_KICK:
		kick(e, o->q);
		break;
	case KF_FRAME:
		do_frame(e, o);
		break;
	case KF_MEM:
		do_mem(e, o);
		break;
	case KF_TAP:
		vh_link(e->tap.name, o->a & 1);
		break;
	case KF_SLEEP:
		usleep(o->a % 2000);
		break;
	}
}

static struct kf_env *mine;

/*
 * A program took a page of guest memory away, and a later step of it writes
 * there: the page comes back. (The device has had its look by then.)
 */
static void page_back(int sig, siginfo_t *si, void *ctx)
{
	size_t at = (uint8_t *)si->si_addr - mine->mem;
	void *p;

	(void)ctx;
	if (at < KF_MEMORY) {
		at &= ~4095UL;
		p = mmap(mine->mem + at, 4096, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, mine->memfd, at);
		if (p == mine->mem + at)
			return;
	}
	signal(sig, SIG_DFL);
}

/* kf_env_open - what outlives a program */
int kf_env_open(struct kf_env *e)
{
	unsigned int i, k;
	int p[2];
	struct sigaction sa = { .sa_sigaction = page_back,
				.sa_flags = SA_SIGINFO };

	memset(e, 0, sizeof(*e));
	mine = e;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	e->fd = -1;
	e->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (e->memfd < 0 || ftruncate(e->memfd, KF_MEMORY))
		return vh_fail(-errno, "guest memory");
	e->mem = mmap(NULL, KF_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
		      e->memfd, 0);
	e->log = mmap(NULL, KF_LOG, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->mem == MAP_FAILED || e->log == MAP_FAILED)
		return vh_fail(-errno, "guest memory");
	for (i = 0; i < 2; i++)
		for (k = 0; k < 3; k++)
			e->event[i][k] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pipe(p))
		return vh_fail(-errno, "pipe");
	e->other[0] = p[0];
	e->other[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	e->other[2] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	e->other[3] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return vh_tap_open(&e->tap, 0, 12);
}

/* kf_env_fresh - memory, positions and tap as a program expects them */
int kf_env_fresh(struct kf_env *e)
{
	uint8_t drop[2048];
	uint8_t *p;
	int n = 64;

	p = mmap(e->mem, KF_MEMORY, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, e->memfd, 0);
	if (p != e->mem)
		return vh_fail(-errno, "guest memory");
	memset(e->mem, 0, 2 * KF_RINGS);
	e->num[0] = e->num[1] = 1;
	e->avail[0] = e->avail[1] = 0;
	e->features = 0;
	vh_link(e->tap.name, true);
	while (n-- && recv(e->tap.sock, drop, sizeof(drop), MSG_DONTWAIT) > 0)
		;
	return 0;
}

unsigned int kf_ioctls(void)
{
	return CMDS;
}
