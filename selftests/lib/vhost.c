// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device side of the vhost test client: guest memory, the ioctls in the
 * order QEMU sends them, IOTLB messages, and the device's worker threads.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost.h"

static char why[256];

/* vh_node - the node under test; TRIVIO_VHOST_DEV overrides it */
const char *vh_node(void)
{
	const char *e = getenv("TRIVIO_VHOST_DEV");

	return e && *e ? e : "/dev/trivio-vhost-net";
}

/* vh_ref_node - the in-tree device that is compared with */
const char *vh_ref_node(void)
{
	const char *e = getenv("TRIVIO_VHOST_REF");

	return e && *e ? e : "/dev/vhost-net";
}

/* vh_why - what the last failing function said */
const char *vh_why(void)
{
	return why;
}

/* vh_fail - keep the reason of a failure; returns @err */
int vh_fail(int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(why))
		snprintf(why + n, sizeof(why) - n, ": %s", strerror(-err));
	return err;
}

int vh_ioctl(int fd, unsigned long req, void *arg)
{
	return ioctl(fd, req, arg) < 0 ? -errno : 0;
}

/* ---- memory ---- */

int vh_mem_init(struct vh_mem *m, size_t size, unsigned int regions)
{
	size_t unit = 4096UL * (regions ? regions : 1);

	memset(m, 0, sizeof(*m));
	m->regions = regions ? regions : 1;
	m->size = (size + unit - 1) / unit * unit;
	m->fd = memfd_create("guest", MFD_CLOEXEC);
	if (m->fd < 0)
		return vh_fail(-errno, "memfd");
	if (ftruncate(m->fd, m->size) < 0)
		return vh_fail(-errno, "memfd size %zu", m->size);
	m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, m->fd, 0);
	if (m->base == MAP_FAILED) {
		m->base = NULL;
		return vh_fail(-errno, "guest memory");
	}
	return 0;
}

void vh_mem_free(struct vh_mem *m)
{
	if (m->base)
		munmap(m->base, m->size);
	if (m->base || m->fd > 0)
		close(m->fd);
	memset(m, 0, sizeof(*m));
}

/* vh_alloc - take zeroed guest memory; it comes back with vh_mem_free() */
void *vh_alloc(struct vh_mem *m, size_t size, size_t align)
{
	size_t at = (m->brk + align - 1) / align * align;

	if (at + size > m->size) {
		vh_fail(-ENOMEM, "guest memory: %zu of %zu taken", m->brk,
			m->size);
		return NULL;
	}
	m->brk = at + size;
	return m->base + at;
}

uint64_t vh_gpa(const struct vh_mem *m, const void *p)
{
	return VH_GPA_BASE + (uint64_t)((const uint8_t *)p - m->base);
}

void *vh_hva(const struct vh_mem *m, uint64_t gpa)
{
	return m->base + (gpa - VH_GPA_BASE);
}

/* vh_mem_table - announce the memory in its regions */
int vh_mem_table(int fd, const struct vh_mem *m)
{
	size_t part = m->size / m->regions;
	struct vhost_memory *t;
	unsigned int i;
	int r;

	t = calloc(1, sizeof(*t) + m->regions * sizeof(t->regions[0]));
	if (!t)
		return -ENOMEM;
	t->nregions = m->regions;
	for (i = 0; i < m->regions; i++) {
		t->regions[i].guest_phys_addr = VH_GPA_BASE + i * part;
		t->regions[i].memory_size = part;
		t->regions[i].userspace_addr = (uintptr_t)m->base + i * part;
	}
	r = vh_ioctl(fd, VHOST_SET_MEM_TABLE, t);
	free(t);
	return r ? vh_fail(r, "SET_MEM_TABLE of %u", m->regions) : 0;
}

/* ---- worker threads ---- */

static unsigned int tasks_now(pid_t *tids, unsigned int max)
{
	unsigned int n = 0;
	struct dirent *e;
	DIR *dir;

	dir = opendir("/proc/self/task");
	if (!dir)
		return 0;
	while ((e = readdir(dir)) && n < max)
		if (e->d_name[0] != '.')
			tids[n++] = atoi(e->d_name);
	closedir(dir);
	return n;
}

/* vh_workers - threads this process got since the device's SET_OWNER */
unsigned int vh_workers(struct vh_dev *d, pid_t *tids, unsigned int max)
{
	unsigned int i, k, n, out = 0;
	pid_t now[256];

	n = tasks_now(now, 256);
	for (i = 0; i < n; i++) {
		for (k = 0; k < d->ntasks && d->tasks[k] != now[i]; k++)
			;
		if (k == d->ntasks && out < max)
			tids[out++] = now[i];
	}
	return out;
}

/* vh_task_ns - time a thread of ours has run; under icount, instructions */
uint64_t vh_task_ns(pid_t tid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

/* Does the thread run, or want to? */
static bool task_runs(pid_t tid)
{
	char path[64], state = 'S';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'S';
	fclose(f);
	return state == 'R';
}

/* vh_settle - wait until the device's threads have slept for some ms */
void vh_settle(struct vh_dev *d)
{
	unsigned int i, n, quiet = 0, k;
	uint64_t sum, old = ~0ULL;
	bool runs;
	pid_t tids[64];

	for (i = 0; i < 1000 && quiet < 4; i++) {
		usleep(2000);
		n = vh_workers(d, tids, 64);
		for (k = 0, sum = 0, runs = false; k < n; k++) {
			sum += vh_task_ns(tids[k]);
			runs |= task_runs(tids[k]);
		}
		quiet = !runs && sum == old ? quiet + 1 : 0;
		old = sum;
	}
}

/* ---- the device ---- */

/*
 * vh_ring_addr - tell where a ring is. A packed ring's events take the place
 * of the avail and used rings, as QEMU and DPDK send them.
 */
int vh_ring_addr(struct vh_dev *d, unsigned int q, bool log)
{
	struct vh_ring *r = &d->ring[q];
	struct vhost_vring_addr a = {
		.index = q, .flags = log ? 1 << VHOST_VRING_F_LOG : 0,
	};
	void *desc = r->desc, *avail = r->avail, *used = r->used;

	if (r->packed) {
		desc = r->pdesc;
		avail = r->drv_ev;
		used = r->dev_ev;
	}
	if (d->opts.iotlb) {
		a.desc_user_addr = vh_gpa(&d->mem, desc);
		a.avail_user_addr = vh_gpa(&d->mem, avail);
		a.used_user_addr = vh_gpa(&d->mem, used);
	} else {
		a.desc_user_addr = (uintptr_t)desc;
		a.avail_user_addr = (uintptr_t)avail;
		a.used_user_addr = (uintptr_t)used;
	}
	a.log_guest_addr = vh_gpa(&d->mem, used);
	return vh_ioctl(d->fd, VHOST_SET_VRING_ADDR, &a);
}

int vh_set_base(struct vh_dev *d, unsigned int q, uint32_t base)
{
	struct vhost_vring_state s = { .index = q, .num = base };

	return vh_ioctl(d->fd, VHOST_SET_VRING_BASE, &s);
}

int vh_get_base(struct vh_dev *d, unsigned int q, uint32_t *base)
{
	struct vhost_vring_state s = { .index = q };
	int r = vh_ioctl(d->fd, VHOST_GET_VRING_BASE, &s);

	*base = s.num;
	return r;
}

/*
 * vh_ring_base - where the device stands, as we see it: everything it has
 * read it has used, so its avail and used positions are our last_used
 */
uint32_t vh_ring_base(const struct vh_ring *r)
{
	uint32_t at;

	if (!r->packed)
		return r->last_used;
	at = r->last_used | (uint32_t)r->used_wrap << 15;
	return at | at << 16;
}

static int ring_file(struct vh_dev *d, unsigned int q, unsigned long req,
		     int fd)
{
	struct vhost_vring_file f = { .index = q, .fd = fd };

	return vh_ioctl(d->fd, req, &f);
}

/* vh_ring_setup - all messages of one queue, up to but without its backend */
int vh_ring_setup(struct vh_dev *d, unsigned int q)
{
	struct vhost_vring_state s = { .index = q };
	struct vh_ring *r = &d->ring[q];
	uint32_t base;
	int e;

	s.num = r->size;
	e = vh_ioctl(d->fd, VHOST_SET_VRING_NUM, &s);
	if (e)
		return vh_fail(e, "SET_VRING_NUM %u", r->size);
	base = vh_ring_base(r);
	if (d->opts.dpdk_base)
		base &= 0xffff;
	if (!d->opts.no_base) {
		e = vh_set_base(d, q, base);
		if (e)
			return vh_fail(e, "SET_VRING_BASE %#x", base);
	}
	e = vh_ring_addr(d, q, false);
	if (e)
		return vh_fail(e, "SET_VRING_ADDR");
	e = ring_file(d, q, VHOST_SET_VRING_KICK, r->kick);
	e = e ?: ring_file(d, q, VHOST_SET_VRING_CALL, r->call);
	e = e ?: ring_file(d, q, VHOST_SET_VRING_ERR, r->err);
	return e ? vh_fail(e, "eventfds of queue %u", q) : 0;
}

static int set_features(struct vh_dev *d)
{
	uint64_t offered, v2 = VH_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	int r;

	r = vh_ioctl(d->fd, VHOST_GET_FEATURES, &offered);
	if (r)
		return vh_fail(r, "GET_FEATURES");
	if (d->features & ~offered)
		return vh_fail(-EOPNOTSUPP, "features %#llx not offered",
			       (unsigned long long)(d->features & ~offered));
	r = vh_ioctl(d->fd, VHOST_SET_FEATURES, &d->features);
	if (r)
		return vh_fail(r, "SET_FEATURES %#llx",
			       (unsigned long long)d->features);
	if (!d->opts.iotlb)
		return 0;
	r = vh_ioctl(d->fd, VHOST_SET_BACKEND_FEATURES, &v2);
	d->backend_features = v2;
	return r ? vh_fail(r, "SET_BACKEND_FEATURES") : 0;
}

static int open_rings(struct vh_dev *d)
{
	const struct vh_opts *o = &d->opts;
	unsigned int q;
	int r;

	for (q = 0; q < 2; q++) {
		unsigned int size = q == VH_RX && o->rx_size ? o->rx_size :
							       o->size;

		r = vh_ring_init(&d->ring[q], &d->mem, q, size, d->features, o);
		if (r)
			return r;
	}
	return 0;
}

static void default_opts(struct vh_opts *o)
{
	if (!o->size)
		o->size = 256;
	if (!o->slot_size)
		o->slot_size = 2048;
	if (!o->table_len)
		o->table_len = 20;
	if (!o->mem_size)
		o->mem_size = vh_ring_bytes(o, o->size) +
			      vh_ring_bytes(o, o->rx_size ?: o->size) +
			      (1 << 20);
	if (o->iotlb)
		o->features |= VH_BIT(VIRTIO_F_ACCESS_PLATFORM);
}

/*
 * vh_attach - open @node for a device whose memory and rings exist already:
 * another process of a migration, or the second half of a stop and start
 */
int vh_attach(struct vh_dev *d, const char *node)
{
	uint8_t mode = VHOST_FORK_OWNER_KTHREAD;
	unsigned int q;
	int r;

	d->fd = open(node ?: vh_node(), O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return vh_fail(-errno, "open %s", node ?: vh_node());
	d->ntasks = tasks_now(d->tasks, 64);
	if (d->opts.kthread) {
		r = vh_ioctl(d->fd, VHOST_SET_FORK_FROM_OWNER, &mode);
		if (r)
			return vh_fail(r, "SET_FORK_FROM_OWNER");
	}
	r = vh_ioctl(d->fd, VHOST_SET_OWNER, NULL);
	if (r)
		return vh_fail(r, "SET_OWNER");
	r = set_features(d);
	if (r)
		return r;
	r = vh_mem_table(d->fd, &d->mem);
	if (r)
		return r;
	for (q = 0; q < 2; q++) {
		r = vh_ring_setup(d, q);
		if (r)
			return r;
	}
	return 0;
}

static void no_files(struct vh_ring *r)
{
	r->kick = -1;
	r->call = -1;
	r->err = -1;
}

/* vh_open - a device ready for vh_start() */
int vh_open(struct vh_dev *d, const struct vh_opts *o)
{
	uint64_t wide;
	int r;

	memset(d, 0, sizeof(*d));
	d->fd = -1;
	no_files(&d->ring[0]);
	no_files(&d->ring[1]);
	if (o)
		d->opts = *o;
	if (!d->opts.features)
		d->opts.features = VH_USUAL;
	default_opts(&d->opts);
	d->features = d->opts.features;
	wide = VH_BASIC;
	d->hdr_len = d->features & wide ? 12 : 10;

	r = vh_mem_init(&d->mem, d->opts.mem_size, d->opts.regions);
	if (!r)
		r = open_rings(d);
	if (!r)
		r = vh_attach(d, d->opts.node);
	if (r)
		vh_close(d);
	return r;
}

void vh_close(struct vh_dev *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	vh_ring_free(&d->ring[0]);
	vh_ring_free(&d->ring[1]);
	vh_mem_free(&d->mem);
}

/* vh_backend - bind queue @q to @fd, or unbind it with -1 */
int vh_backend(struct vh_dev *d, unsigned int q, int fd)
{
	return ring_file(d, q, VHOST_NET_SET_BACKEND, fd);
}

/* vh_start - bind both queues to @fd */
int vh_start(struct vh_dev *d, int fd)
{
	int r = vh_backend(d, VH_RX, fd) ?: vh_backend(d, VH_TX, fd);

	return r ? vh_fail(r, "SET_BACKEND") : 0;
}

/* vh_stop - unbind both queues; the device has let go of the rings after */
int vh_stop(struct vh_dev *d)
{
	int r = vh_backend(d, VH_RX, -1) ?: vh_backend(d, VH_TX, -1);

	return r ? vh_fail(r, "SET_BACKEND -1") : 0;
}

/* ---- IOTLB messages ---- */

int vh_iotlb_send(int fd, bool v2, const struct vhost_iotlb_msg *m)
{
	struct vhost_msg_v2 m2 = { .type = VHOST_IOTLB_MSG_V2, .iotlb = *m };
	struct vhost_msg m1 = { .type = VHOST_IOTLB_MSG, .iotlb = *m };
	ssize_t n;

	n = v2 ? write(fd, &m2, sizeof(m2)) : write(fd, &m1, sizeof(m1));
	if (n < 0)
		return -errno;
	return (size_t)n == (v2 ? sizeof(m2) : sizeof(m1)) ? 0 : -EIO;
}

static bool dev_v2(const struct vh_dev *d)
{
	return d->backend_features & VH_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
}

int vh_iotlb_map(struct vh_dev *d, uint64_t iova, size_t size, void *p,
		 uint8_t perm)
{
	struct vhost_iotlb_msg m = {
		.iova = iova, .size = size, .uaddr = (uintptr_t)p,
		.perm = perm, .type = VHOST_IOTLB_UPDATE,
	};

	return vh_iotlb_send(d->fd, dev_v2(d), &m);
}

/* vh_iotlb_map_all - all guest memory, IOVA = guest address */
int vh_iotlb_map_all(struct vh_dev *d)
{
	int r = vh_iotlb_map(d, VH_GPA_BASE, d->mem.size, d->mem.base,
			     VHOST_ACCESS_RW);

	return r ? vh_fail(r, "IOTLB update of all memory") : 0;
}

int vh_iotlb_unmap(struct vh_dev *d, uint64_t iova, size_t size)
{
	struct vhost_iotlb_msg m = {
		.iova = iova, .size = size, .type = VHOST_IOTLB_INVALIDATE,
	};

	return vh_iotlb_send(d->fd, dev_v2(d), &m);
}

/* vh_iotlb_read - wait for a message of the device (a MISS) */
int vh_iotlb_read(struct vh_dev *d, struct vhost_iotlb_msg *m, int timeout_ms)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	struct vhost_msg_v2 m2;
	struct vhost_msg m1;
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	if (dev_v2(d)) {
		n = read(d->fd, &m2, sizeof(m2));
		*m = m2.iotlb;
		if (n == sizeof(m2))
			return m2.type == VHOST_IOTLB_MSG_V2 ? 0 : -EPROTO;
	} else {
		n = read(d->fd, &m1, sizeof(m1));
		*m = m1.iotlb;
		if (n == sizeof(m1))
			return m1.type == VHOST_IOTLB_MSG ? 0 : -EPROTO;
	}
	return n < 0 ? -errno : -EIO;
}
