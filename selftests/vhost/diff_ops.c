// SPDX-License-Identifier: GPL-2.0-only
/*
 * The messages among the steps: every ioctl and IOTLB message, with prepared
 * arguments from proper to absurd, and the comparison of two nodes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diff_files.h"
#include "diff_ops.h"
#include "diff_traffic.h"

#define KERNEL_ADDR	0xffff888000000000ULL
#define TOP_ADDR	0x7fffffffe000ULL	/* last user page starts above */

static const char * const names[D_KINDS] = {
	[D_OWNER] = "owner", [D_RESET_OWNER] = "reset_owner",
	[D_FEATURES] = "features", [D_GET_FEATURES] = "get_features",
	[D_BFEATURES] = "backend_features",
	[D_GET_BFEATURES] = "get_backend_features",
	[D_MEM] = "mem", [D_NUM] = "num", [D_BASE] = "base",
	[D_GET_BASE] = "get_base", [D_ADDR] = "addr", [D_KICK_FD] = "kick_fd",
	[D_CALL_FD] = "call_fd", [D_ERR_FD] = "err_fd",
	[D_BUSYLOOP] = "busyloop", [D_GET_BUSYLOOP] = "get_busyloop",
	[D_ENDIAN] = "endian", [D_GET_ENDIAN] = "get_endian",
	[D_LOG_BASE] = "log_base", [D_LOG_FD] = "log_fd",
	[D_BACKEND] = "backend", [D_NEW_WORKER] = "new_worker",
	[D_FREE_WORKER] = "free_worker", [D_ATTACH] = "attach_worker",
	[D_GET_WORKER] = "get_worker", [D_FORK_OWNER] = "fork_owner",
	[D_GET_FORK_OWNER] = "get_fork_owner", [D_IOTLB] = "iotlb",
	[D_IOTLB_RAW] = "write", [D_READ] = "read", [D_POLL] = "poll",
	[D_UNKNOWN] = "ioctl", [D_TX] = "tx", [D_RX_POST] = "rx_post",
	[D_RX_SEND] = "rx_send", [D_SYNC] = "sync",
	[D_BAD_CHAIN] = "bad_chain", [D_BAD_ARG] = "bad_arg",
	[D_READ_WAIT] = "read_wait", [D_USED_IDX] = "used_idx",
	[D_AVAIL_FLAGS] = "avail_flags",
};

/* ---- the objects ---- */

/*
 * diff_open - a fresh node with everything around it. The taps and files of
 * the last time are taken again: making them is what takes time.
 */
int diff_open(struct diff_ctx *c, const char *node)
{
	struct vh_opts o = {
		.features = VH_USUAL, .size = 16, .slot_size = 2048,
		.table_len = 8,
	};
	uint8_t f[64];
	unsigned int q;
	int r = 0;

	memset(&c->d, 0, sizeof(c->d));
	c->d.opts = o;
	c->d.hdr_len = 12;
	c->acked = 0;
	c->tx_seq = 0;
	c->rx_seq = 0;
	c->d.fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (c->d.fd < 0)
		return vh_fail(-errno, "open %s", node);
	/* Threads that appear from here on are the device's. */
	c->d.ntasks = vh_workers(&c->d, c->d.tasks, 64);
	/* 64 pages: their log bits fit one word. */
	r = vh_mem_init(&c->d.mem, 64 * 4096, 1);
	for (q = 0; !r && q < 2; q++)
		r = vh_ring_init(&c->d.ring[q], &c->d.mem, q, 16, VH_USUAL, &o);
	if (r)
		return r;
	if (!c->log) {
		r = vh_tap_open(&c->tap, 0, 12);
		c->log_size = 65536;
		c->log = mmap(NULL, c->log_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		c->unmapped = mmap(NULL, 1 << 20, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		/* A readable page with nothing behind it. */
		c->edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect((char *)c->edge + 4096, 4096, PROT_NONE);
		c->edge = (char *)c->edge + 4092;
		diff_files_open(c);
	}
	c->fds[FD_SELF] = c->d.fd;
	memset(c->log, 0, c->log_size);
	while (recv(c->tap.sock, f, sizeof(f), MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
	vh_drain(c->fds[FD_EVENT]);
	vh_drain(c->fds[FD_EVENT2]);
	return r;
}

/* What waits in the tap goes with the device it was meant for. */
static void tap_empty(struct vh_tap *t)
{
	char f[2048];

	while (read(t->fd, f, sizeof(f)) > 0)
		;
}

void diff_close(struct diff_ctx *c)
{
	vh_close(&c->d);
	tap_empty(&c->tap);
}

/* ---- messages ---- */

static int set_mem(struct diff_ctx *c, uint64_t kind)
{
	struct {
		struct vhost_memory h;
		struct vhost_memory_region r[65];
	} t = { .h.nregions = 1 };
	uint64_t base = (uintptr_t)c->d.mem.base;
	uint64_t part = c->d.mem.size;
	unsigned int i;

	if (kind == MEM_FOUR)
		t.h.nregions = 4;
	if (kind == MEM_64 || kind == MEM_65)
		t.h.nregions = kind == MEM_64 ? 64 : 65;
	part /= t.h.nregions > 64 ? 64 : t.h.nregions;
	for (i = 0; i < t.h.nregions; i++) {
		t.r[i].guest_phys_addr = VH_GPA_BASE + i * part;
		t.r[i].memory_size = part;
		t.r[i].userspace_addr = base + i * part;
	}
	switch (kind) {
	case MEM_NONE:
		t.h.nregions = 0;
		break;
	case MEM_PADDING:
		t.h.padding = 1;
		break;
	case MEM_OVERLAP:
		t.h.nregions = 2;
		t.r[1] = t.r[0];
		break;
	case MEM_SIZE0:
		t.r[0].memory_size = 0;
		break;
	case MEM_GPA_WRAPS:
		t.r[0].guest_phys_addr = -4096ULL;
		t.r[0].memory_size = 8192;
		break;
	case MEM_KERNEL:
		t.r[0].userspace_addr = KERNEL_ADDR;
		break;
	case MEM_NULL:
		return vh_ioctl(c->d.fd, VHOST_SET_MEM_TABLE, NULL);
	case MEM_UNMAPPED:
		t.r[0].userspace_addr = (uintptr_t)c->unmapped;
		break;
	case MEM_ODD:
		t.r[0].userspace_addr = base + 1;
		t.r[0].memory_size -= 1;
		break;
	case MEM_ALL:
		t.r[0].guest_phys_addr = 0;
		t.r[0].memory_size = ~0ULL;
		t.r[0].userspace_addr = 0;
		break;
	}
	return vh_ioctl(c->d.fd, VHOST_SET_MEM_TABLE, &t);
}

static void odd_addr(struct diff_ctx *c, uint64_t kind,
		     struct vhost_vring_addr *a)
{
	uint64_t where = 0;

	switch (kind) {
	case ADDR_LOG:
		a->flags = 1;
		break;
	case ADDR_AVAIL_ODD:
		a->avail_user_addr++;
		break;
	case ADDR_USED_ODD:
		a->used_user_addr += 2;
		break;
	case ADDR_LOG_ODD:
		a->log_guest_addr += 2;
		break;
	case ADDR_FLAGS:
		a->flags = 2;
		break;
	case ADDR_DESC_ODD:
		a->desc_user_addr += 8;
		break;
	case ADDR_KERNEL:
		where = KERNEL_ADDR;
		break;
	case ADDR_TOP:
		where = TOP_ADDR;
		break;
	case ADDR_UNMAPPED:
		where = (uintptr_t)c->unmapped;
		break;
	}
	if (where || kind == ADDR_NULL) {
		a->desc_user_addr = where;
		a->avail_user_addr = where;
		a->used_user_addr = where;
	}
}

static int set_addr(struct diff_ctx *c, unsigned int q, uint64_t kind)
{
	struct vh_ring *r = &c->d.ring[(kind == ADDR_OTHER ? !q : q) & 1];
	struct vhost_vring_addr a = {
		.index = q, .desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
		.log_guest_addr = vh_gpa(&c->d.mem, r->used),
	};

	if (kind == ADDR_ARG_NULL)
		return vh_ioctl(c->d.fd, VHOST_SET_VRING_ADDR, NULL);
	if (kind == ADDR_IOVA) {
		a.desc_user_addr = vh_gpa(&c->d.mem, r->desc);
		a.avail_user_addr = vh_gpa(&c->d.mem, r->avail);
		a.used_user_addr = vh_gpa(&c->d.mem, r->used);
	}
	odd_addr(c, kind, &a);
	return vh_ioctl(c->d.fd, VHOST_SET_VRING_ADDR, &a);
}

static int set_log(struct diff_ctx *c, uint64_t kind)
{
	uint64_t base = (uintptr_t)c->log;

	switch (kind) {
	case LOG_NULL:
		base = 0;
		break;
	case LOG_KERNEL:
		base = KERNEL_ADDR;
		break;
	case LOG_TOP:
		base = -4096ULL;
		break;
	case LOG_UNMAPPED:
		base = (uintptr_t)c->unmapped;
		break;
	case LOG_ARG_NULL:
		return vh_ioctl(c->d.fd, VHOST_SET_LOG_BASE, NULL);
	}
	return vh_ioctl(c->d.fd, VHOST_SET_LOG_BASE, &base);
}

static int iotlb(struct diff_ctx *c, uint64_t kind, bool v2)
{
	struct vhost_iotlb_msg m = {
		.iova = VH_GPA_BASE, .size = c->d.mem.size,
		.uaddr = (uintptr_t)c->d.mem.base, .perm = VHOST_ACCESS_RW,
		.type = VHOST_IOTLB_UPDATE,
	};
	struct vhost_msg_v2 m2 = { .type = VHOST_IOTLB_MSG_V2, .asid = 1 };

	switch (kind) {
	case IOTLB_DROP_ALL:
		m.type = VHOST_IOTLB_INVALIDATE;
		m.iova = 0;
		m.size = ~0ULL;
		break;
	case IOTLB_SIZE0:
		m.size = 0;
		break;
	case IOTLB_WRAP:
		m.iova = -4096ULL;
		m.size = 8192;
		break;
	case IOTLB_WORLD:
		m.iova = 0;
		m.size = ~0ULL;
		break;
	case IOTLB_RO:
		m.perm = VHOST_ACCESS_RO;
		break;
	case IOTLB_KERNEL:
		m.uaddr = KERNEL_ADDR;
		break;
	case IOTLB_UWRAP:
		m.uaddr = -4096ULL;
		break;
	case IOTLB_MISS:
		m.type = VHOST_IOTLB_MISS;
		break;
	case IOTLB_FAIL:
		m.type = VHOST_IOTLB_ACCESS_FAIL;
		break;
	case IOTLB_TYPE0:
		m.type = 0;
		break;
	case IOTLB_TYPE99:
		m.type = 99;
		break;
	case IOTLB_BATCH:
		m.type = VHOST_IOTLB_BATCH_BEGIN;
		break;
	case IOTLB_PAGE:
		m.size = 4096;
		break;
	case IOTLB_PERM0:
		m.perm = 0;
		break;
	case IOTLB_DROP_PAGE:
		m.type = VHOST_IOTLB_INVALIDATE;
		m.size = 4096;
		break;
	case IOTLB_ASID:
		m2.iotlb = m;
		return write(c->d.fd, &m2, sizeof(m2)) < 0 ? -errno : 0;
	}
	return vh_iotlb_send(c->d.fd, v2, &m);
}

/* Writes of odd lengths and types. */
static int raw_write(struct diff_ctx *c, uint64_t len, uint64_t type)
{
	uint8_t buf[256] = { 0 };
	ssize_t n;

	memcpy(buf, &type, 4);
	n = write(c->d.fd, buf, len % sizeof(buf));
	return n < 0 ? -errno : n;
}

static int raw_read(struct diff_ctx *c, uint64_t len, struct diff_res *r)
{
	uint8_t buf[256];
	ssize_t n;

	memset(buf, 0xa5, sizeof(buf));
	n = read(c->d.fd, buf, len % sizeof(buf));
	if (n < 0)
		return -errno;
	if (n > 0)
		memcpy(r->val, buf, n < 48 ? n : 48);
	return n;
}

/* Without O_NONBLOCK; only for states in which in-tree does not wait. */
static int waiting_read(struct diff_ctx *c, uint64_t len, struct diff_res *r)
{
	int fl = fcntl(c->d.fd, F_GETFL), n;

	fcntl(c->d.fd, F_SETFL, fl & ~O_NONBLOCK);
	n = raw_read(c, len, r);
	fcntl(c->d.fd, F_SETFL, fl);
	return n;
}

/* Ioctl @req with an argument that is not there, or not all of it. */
static int bad_arg(struct diff_ctx *c, unsigned long req, uint64_t kind)
{
	switch (kind) {
	case ARG_KERNEL:
		return vh_ioctl(c->d.fd, req, (void *)KERNEL_ADDR);
	case ARG_HALF:
		/* Its first four bytes, zeros, are the end of a page. */
		return vh_ioctl(c->d.fd, req, c->edge);
	default:
		return vh_ioctl(c->d.fd, req, NULL);
	}
}

static int state(struct diff_ctx *c, unsigned long req,
		 const struct diff_op *op, struct diff_res *r)
{
	struct vhost_vring_state s = { .index = op->q, .num = op->a };
	int e = vh_ioctl(c->d.fd, req, &s);

	if (_IOC_DIR(req) & _IOC_READ || req == VHOST_GET_VRING_BUSYLOOP_TIMEOUT)
		r->val[0] = e ? 0 : s.num;
	return e;
}

static int file(struct diff_ctx *c, unsigned long req, const struct diff_op *op)
{
	struct vhost_vring_file f = { .index = op->q };

	f.fd = diff_file(c, op->a);
	return vh_ioctl(c->d.fd, req, &f);
}

static int worker_op(struct diff_ctx *c, const struct diff_op *op)
{
	struct vhost_vring_worker w = { .index = op->q, .worker_id = op->a };
	struct vhost_worker_state s = { .worker_id = op->a };
	int r;

	switch (op->kind) {
	case D_NEW_WORKER:
		r = vh_ioctl(c->d.fd, VHOST_NEW_WORKER, &s);
		c->worker = s.worker_id;
		return r;
	case D_FREE_WORKER:
		return vh_ioctl(c->d.fd, VHOST_FREE_WORKER, &s);
	case D_ATTACH:
		return vh_ioctl(c->d.fd, VHOST_ATTACH_VRING_WORKER, &w);
	default:
		return vh_ioctl(c->d.fd, VHOST_GET_VRING_WORKER, &w);
	}
}

static int get64(struct diff_ctx *c, unsigned long req, struct diff_res *r)
{
	return vh_ioctl(c->d.fd, req, &r->val[0]);
}

static int device_op(struct diff_ctx *c, const struct diff_op *op,
		     struct diff_res *r)
{
	struct pollfd p = { .fd = c->d.fd, .events = POLLIN | POLLOUT };
	uint64_t a = op->a;
	uint8_t byte = op->a;
	int e, fd;

	switch (op->kind) {
	case D_OWNER:
		return vh_ioctl(c->d.fd, VHOST_SET_OWNER, NULL);
	case D_RESET_OWNER:
		return vh_ioctl(c->d.fd, VHOST_RESET_OWNER, NULL);
	case D_FEATURES:
		e = vh_ioctl(c->d.fd, VHOST_SET_FEATURES, &a);
		c->acked = e ? c->acked : a;
		return e;
	case D_GET_FEATURES:
		return get64(c, VHOST_GET_FEATURES, r);
	case D_BFEATURES:
		return vh_ioctl(c->d.fd, VHOST_SET_BACKEND_FEATURES, &a);
	case D_GET_BFEATURES:
		return get64(c, VHOST_GET_BACKEND_FEATURES, r);
	case D_MEM:
		return set_mem(c, op->a);
	case D_LOG_BASE:
		return set_log(c, op->a);
	case D_LOG_FD:
		fd = diff_file(c, op->a);
		return vh_ioctl(c->d.fd, VHOST_SET_LOG_FD, &fd);
	case D_FORK_OWNER:
		return vh_ioctl(c->d.fd, VHOST_SET_FORK_FROM_OWNER, &byte);
	case D_GET_FORK_OWNER:
		e = vh_ioctl(c->d.fd, VHOST_GET_FORK_FROM_OWNER, &byte);
		r->val[0] = byte;
		return e;
	case D_IOTLB:
		return iotlb(c, op->a, op->b == 2);
	case D_IOTLB_RAW:
		return raw_write(c, op->a, op->b);
	case D_READ:
		return raw_read(c, op->a, r);
	case D_READ_WAIT:
		return waiting_read(c, op->a, r);
	case D_BAD_ARG:
		return bad_arg(c, op->a, op->b);
	case D_POLL:
		poll(&p, 1, 0);
		r->val[0] = p.revents;
		return 0;
	case D_UNKNOWN:
		a = 0;
		return vh_ioctl(c->d.fd, op->a, &a);
	default:
		return worker_op(c, op);
	}
}

static int do_op(struct diff_ctx *c, const struct diff_op *op,
		 struct diff_res *r)
{
	int e;

	switch (op->kind) {
	case D_NUM:
		return state(c, VHOST_SET_VRING_NUM, op, r);
	case D_BASE:
		return state(c, VHOST_SET_VRING_BASE, op, r);
	case D_GET_BASE:
		return state(c, VHOST_GET_VRING_BASE, op, r);
	case D_BUSYLOOP:
		return state(c, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, op, r);
	case D_GET_BUSYLOOP:
		return state(c, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, op, r);
	case D_ENDIAN:
		return state(c, VHOST_SET_VRING_ENDIAN, op, r);
	case D_GET_ENDIAN:
		return state(c, VHOST_GET_VRING_ENDIAN, op, r);
	case D_ADDR:
		return set_addr(c, op->q, op->a);
	case D_KICK_FD:
		return file(c, VHOST_SET_VRING_KICK, op);
	case D_CALL_FD:
		return file(c, VHOST_SET_VRING_CALL, op);
	case D_ERR_FD:
		return file(c, VHOST_SET_VRING_ERR, op);
	case D_BACKEND:
		e = file(c, VHOST_NET_SET_BACKEND, op);
		/* A bind serves what is there: let it, before more is. */
		vh_settle(&c->d);
		return e;
	case D_TX:
	case D_RX_POST:
	case D_RX_SEND:
	case D_SYNC:
	case D_BAD_CHAIN:
	case D_USED_IDX:
	case D_AVAIL_FLAGS:
		return diff_traffic(c, op, r);
	default:
		return device_op(c, op, r);
	}
}

/* diff_run - one step */
void diff_run(struct diff_ctx *c, const struct diff_op *op, struct diff_res *r)
{
	pid_t pid;
	int p[2];

	memset(r, 0, sizeof(*r));
	if (!(op->flags & D_IN_CHILD)) {
		r->ret = do_op(c, op, r);
		return;
	}
	if (pipe(p) < 0)
		return;
	pid = fork();
	if (!pid) {
		r->ret = do_op(c, op, r);
		_exit(write(p[1], r, sizeof(*r)) != sizeof(*r));
	}
	close(p[1]);
	if (read(p[0], r, sizeof(*r)) != sizeof(*r))
		r->ret = -ECHILD;
	close(p[0]);
	waitpid(pid, NULL, 0);
}

/* ---- side by side ---- */

/*
 * diff_allowed - NULL when two results agree or may differ; else what
 * differs. Each difference allowed here is one that was decided on.
 */
const char *diff_allowed(const struct diff_op *op, const struct diff_res *ref,
			 const struct diff_res *got)
{
	unsigned int i;

	switch (op->kind) {
	case D_NEW_WORKER:
	case D_FREE_WORKER:
	case D_ATTACH:
	case D_GET_WORKER:
		/* in-tree vhost_net does not wire them: ENOTTY; ours works */
		return NULL;
	case D_GET_FEATURES:
		/* ours also offers RING_PACKED and IN_ORDER */
		if (ref->val[0] != (got->val[0] & ~(VH_BIT(34) | VH_BIT(35))))
			return "features";
		return ref->ret == got->ret ? NULL : "result";
	case D_FEATURES:
		if (op->a & (VH_BIT(34) | VH_BIT(35)))
			return NULL;
		break;
	default:
		break;
	}
	/* Stricter: once owned, only the owner may negotiate. */
	if (op->flags & D_IN_CHILD && got->ret == -EPERM &&
	    (op->kind == D_FEATURES || op->kind == D_BFEATURES))
		return NULL;
	if (ref->ret != got->ret)
		return "result";
	for (i = 0; i < 6; i++) {
		/* Which address is missed first, and for what, is their own. */
		if (op->kind == D_READ && (i == 1 || i == 4))
			continue;
		/* A call too many is legal: ours calls anew after a remap. */
		if (i == 3 && op->kind >= D_TX && !ref->val[i])
			continue;
		/* The last word is log bits: more than in-tree is no fault. */
		if (i == 5 && (op->kind == D_SYNC || op->kind == D_TX ||
			       op->kind == D_RX_SEND)) {
			if (ref->val[i] & ~got->val[i])
				return "log bits missing";
		} else if (ref->val[i] != got->val[i]) {
			return i == 0 ? "value 0" : i == 1 ? "value 1" :
			       i == 2 ? "value 2" : i == 3 ? "value 3" :
			       i == 4 ? "value 4" : "value 5";
		}
	}
	return NULL;
}

/* diff_print - a step as one line of a script */
void diff_print(char *buf, size_t size, const struct diff_op *op)
{
	snprintf(buf, size, "%s %u %#llx %#llx%s", names[op->kind], op->q,
		 (unsigned long long)op->a, (unsigned long long)op->b,
		 op->flags & D_IN_CHILD ? " child" : "");
}

/* diff_parse - the other way round; 1 for an empty line or a comment */
int diff_parse(const char *text, struct diff_op *op)
{
	char name[32], child[8] = "";
	unsigned long long a, b;
	unsigned int i;

	memset(op, 0, sizeof(*op));
	if (*text == '#' || *text == '\n' || !*text)
		return 1;
	if (sscanf(text, "%31s %u %lli %lli %7s", name, &op->q, (long long *)&a,
		   (long long *)&b, child) < 4)
		return -EINVAL;
	for (i = 0; i < D_KINDS && strcmp(names[i], name); i++)
		;
	if (i == D_KINDS)
		return -EINVAL;
	op->kind = i;
	op->a = a;
	op->b = b;
	op->flags = *child ? D_IN_CHILD : 0;
	return 0;
}

/*
 * diff_sequence - run @ops on both nodes, fresh. 0 when they agree, 1 when
 * not (@why tells where), -errno when a node could not be set up.
 */
int diff_sequence(const char *ref, const char *dut, const struct diff_op *ops,
		  unsigned int n, char *why, size_t size)
{
	static struct diff_ctx a, b;
	struct diff_res ra, rb;
	char line[128];
	const char *e;
	unsigned int i;
	int r;

	r = diff_open(&a, ref);
	if (r)
		return r;
	r = diff_open(&b, dut);
	if (r) {
		diff_close(&a);
		return r;
	}
	for (i = 0; i < n; i++) {
		diff_run(&a, &ops[i], &ra);
		diff_run(&b, &ops[i], &rb);
		e = diff_allowed(&ops[i], &ra, &rb);
		if (!e)
			continue;
		diff_print(line, sizeof(line), &ops[i]);
		snprintf(why, size,
			 "step %u (%s): %s differs: in-tree %d %llx %llx %llx %llx %llx %llx, ours %d %llx %llx %llx %llx %llx %llx",
			 i, line, e, ra.ret, (long long)ra.val[0],
			 (long long)ra.val[1], (long long)ra.val[2],
			 (long long)ra.val[3], (long long)ra.val[4],
			 (long long)ra.val[5], rb.ret, (long long)rb.val[0],
			 (long long)rb.val[1], (long long)rb.val[2],
			 (long long)rb.val[3], (long long)rb.val[4],
			 (long long)rb.val[5]);
		r = 1;
		break;
	}
	diff_close(&a);
	diff_close(&b);
	return r;
}
