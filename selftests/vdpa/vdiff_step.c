// SPDX-License-Identifier: GPL-2.0-only
/* A step of the differential fuzzer on one vhost-vdpa node. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "vdiff.h"

#define WAIT_MS		10000	/* for what has to come */
#define QUIET_MS	20	/* for what must not */

static const char * const name[V_KINDS] = {
	"open", "status", "features", "bfeatures", "get", "num", "base",
	"get-base", "addr", "fd", "enable", "config", "set-config", "asid",
	"suspend", "resume", "map", "msg", "unknown", "blk", "bad", "nocall",
};

/* vd_print - a step as text */
int vd_print(char *s, size_t size, const struct vd_op *o)
{
	return snprintf(s, size, "%s %#llx %#llx %#llx", name[o->kind],
			(unsigned long long)o->a, (unsigned long long)o->b,
			(unsigned long long)o->c);
}

/* vd_parse - and back */
bool vd_parse(const char *s, struct vd_op *o)
{
	unsigned long long a = 0, b = 0, c = 0;
	char word[32];
	int k;

	if (sscanf(s, "%31s %llx %llx %llx", word, &a, &b, &c) < 1)
		return false;
	for (k = 0; k < V_KINDS; k++)
		if (!strcmp(word, name[k]))
			break;
	*o = (struct vd_op){ k, a, b, c };
	return k < V_KINDS;
}

/* vd_node_open - the driver's side; the node itself is opened by V_OPEN */
int vd_node_open(struct vd_node *n, const char *path)
{
	memset(n, 0, sizeof(*n));
	n->path = path;
	n->fd = -1;
	n->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	n->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	n->mem = mmap(NULL, VD_MEM, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n->kick < 0 || n->call < 0 || n->mem == MAP_FAILED)
		return -errno;
	return 0;
}

void vd_node_close(struct vd_node *n)
{
	if (n->fd >= 0)
		close(n->fd);
	close(n->kick);
	close(n->call);
	munmap(n->mem, VD_MEM);
}

void vd_kick(struct vd_node *n)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (write(n->kick, &one, sizeof(one)) < 0)
		n->dead = true;
}

static int call_out(struct vd_node *n, unsigned long cmd, void *arg)
{
	return ioctl(n->fd, cmd, arg) < 0 ? -errno : 0;
}

static int state(struct vd_node *n, unsigned long cmd, uint64_t idx,
		 uint64_t num, uint64_t *val)
{
	struct vhost_vring_state s = { .index = idx, .num = num };
	int r = call_out(n, cmd, &s);

	if (val && !r)
		*val = s.num;
	return r;
}

/* Only the kinds in the list; what both have, of what one has more of. */
static int get(struct vd_node *n, uint64_t what, uint64_t *val)
{
	struct { uint64_t first, last; } range = { 0, 0 };
	uint64_t v = 0;
	int r;

	switch (what) {
	case 0:
		r = call_out(n, VHOST_VDPA_GET_DEVICE_ID, &v);
		break;
	case 1:
		r = call_out(n, VHOST_VDPA_GET_VRING_NUM, &v);
		break;
	case 2:
		r = call_out(n, VHOST_VDPA_GET_CONFIG_SIZE, &v);
		break;
	case 3:
		r = call_out(n, VHOST_VDPA_GET_VQS_COUNT, &v);
		break;
	case 4:
		r = state(n, VHOST_VDPA_GET_VRING_GROUP, 0, 0, &v);
		break;
	case 5:
		r = call_out(n, VHOST_VDPA_GET_IOVA_RANGE, &range);
		v = range.first ^ range.last;
		break;
	case 6:
		r = call_out(n, VHOST_GET_BACKEND_FEATURES, &v);
		v &= ~(1ULL << VHOST_BACKEND_F_DESC_ASID);
		break;
	case 7:
		r = call_out(n, VHOST_GET_FEATURES, &v);
		v &= 1ULL << VIRTIO_F_VERSION_1 |
		     1ULL << VIRTIO_F_ACCESS_PLATFORM |
		     1ULL << VIRTIO_BLK_F_FLUSH |
		     1ULL << VIRTIO_BLK_F_BLK_SIZE |
		     1ULL << VIRTIO_BLK_F_DISCARD |
		     1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
		break;
	default:
		r = call_out(n, VHOST_VDPA_GET_STATUS, &v);
		v &= ~(uint64_t)VIRTIO_CONFIG_S_NEEDS_RESET;
	}
	*val = v;
	return r;
}

static int set_status(struct vd_node *n, uint64_t a, uint64_t *val)
{
	uint8_t v = a;
	int r = call_out(n, VHOST_VDPA_SET_STATUS, &v);

	if (!r && !v) {
		n->ok = false;
		n->on = false;
		n->suspended = false;
		n->dead = false;
	}
	if (!r && v & VIRTIO_CONFIG_S_DRIVER_OK)
		n->ok = true;
	get(n, 8, val);
	return r;
}

static int set_base(struct vd_node *n, uint64_t a)
{
	uint16_t at = a == VD_SAVED ? n->saved : a;
	int r = state(n, VHOST_SET_VRING_BASE, 0, a == VD_SAVED ? at : a,
		      NULL);

	if (!r && !n->ok) {
		n->avail = at;
		n->used = at;
		vd_avail(n)->flags = 0;
		vd_avail(n)->idx = at;
		vd_used(n)->idx = at;
		n->quiet = false;
	}
	return r;
}

static int set_num(struct vd_node *n, uint64_t idx, uint64_t num)
{
	int r = state(n, VHOST_SET_VRING_NUM, idx, num, NULL);

	if (!r && !idx)
		n->num = num;
	return r;
}

static int set_addr(struct vd_node *n, const struct vd_op *o)
{
	struct vhost_vring_addr a = {
		.index = o->a, .flags = o->c,
		.desc_user_addr = VD_IOVA + VD_DESC,
		.avail_user_addr = VD_IOVA + VD_AVAIL + o->b,
		.used_user_addr = VD_IOVA + VD_USED,
	};

	return call_out(n, VHOST_SET_VRING_ADDR, &a);
}

static int set_fd(struct vd_node *n, const struct vd_op *o)
{
	static const unsigned long cmd[] = {
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	};
	int fd = -1, r, file = -1;
	struct vhost_vring_file f = { 0 };

	switch (o->b) {
	case FD_GOOD:
		fd = o->a == FD_KICK ? n->kick : n->call;
		break;
	case FD_CLOSED:
		fd = 1 << 20;
		break;
	case FD_FILE:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		file = fd;
		break;
	}
	f.fd = fd;
	f.index = o->c;
	r = o->a == FD_CONFIG ? call_out(n, VHOST_VDPA_SET_CONFIG_CALL, &fd) :
				call_out(n, cmd[o->a % 3], &f);
	if (file >= 0)
		close(file);
	return r;
}

static int config(struct vd_node *n, unsigned long cmd, uint64_t off,
		  uint64_t len, uint64_t *val)
{
	struct {
		struct vhost_vdpa_config c;
		uint8_t b[256];
	} c = { .c = { .off = off, .len = len } };
	int r;

	/* More than there is room for would be our own fault, not theirs. */
	if (len > sizeof(c.b) && len < (1u << 20))
		c.c.len = sizeof(c.b);
	r = call_out(n, cmd, &c);
	if (!r && cmd == VHOST_VDPA_GET_CONFIG && !off && len == 8)
		memcpy(val, c.c.buf, 8);
	return r;
}

static int send_msg(struct vd_node *n, uint32_t asid, uint8_t type,
		    uint64_t iova, uint64_t size, void *addr)
{
	struct vhost_msg_v2 m = {
		.type = VHOST_IOTLB_MSG_V2, .asid = asid,
		.iotlb = { .iova = iova, .size = size, .type = type,
			   .uaddr = (uintptr_t)addr, .perm = VHOST_ACCESS_RW },
	};

	return write(n->fd, &m, sizeof(m)) == sizeof(m) ? 0 : -errno;
}

static int map(struct vd_node *n, uint64_t how)
{
	switch (how) {
	case MAP_ALL:
		return send_msg(n, 0, VHOST_IOTLB_UPDATE, VD_IOVA, VD_MEM,
				n->mem);
	case MAP_NONE:
		return send_msg(n, 0, VHOST_IOTLB_INVALIDATE, 0, 1ULL << 62,
				NULL);
	case MAP_EXTRA:
		return send_msg(n, 0, VHOST_IOTLB_UPDATE, VD_EXTRA, 8192,
				n->mem + VD_DATA);
	default:
		return send_msg(n, 0, VHOST_IOTLB_INVALIDATE, VD_EXTRA, 8192,
				NULL);
	}
}

static int msg(struct vd_node *n, const struct vd_op *o)
{
	struct vhost_msg old = { .type = VHOST_IOTLB_MSG };
	uint8_t up = VHOST_IOTLB_UPDATE;
	int r;

	switch (o->a) {
	case MSG_EMPTY:
		return send_msg(n, 0, up, VD_EXTRA, 0, n->mem);
	case MSG_WRAPS:
		return send_msg(n, 0, up, ~0ULL - 4095, 8192, n->mem);
	case MSG_WORLD:
		return send_msg(n, 0, up, 0, ~0ULL, n->mem);
	case MSG_TWICE:
		return send_msg(n, 0, up, VD_IOVA + 4096, 4096, n->mem);
	case MSG_NO_SPACE:
		return send_msg(n, 3 + o->b % 1000, up, VD_EXTRA, 4096, n->mem);
	case MSG_NO_MEMORY:
		return send_msg(n, 0, up, VD_EXTRA, 4096,
				(void *)0x7fffffff0000);
	case MSG_NO_TYPE:
		return send_msg(n, 0, 100 + o->b % 100, VD_EXTRA, 4096, n->mem);
	case MSG_SHORT:
		return write(n->fd, &old, o->b % sizeof(old)) < 0 ? -errno : 0;
	case MSG_OLD:
		return write(n->fd, &old, sizeof(old)) < 0 ? -errno : 0;
	case MSG_DROP_NOTHING:
		return send_msg(n, 0, VHOST_IOTLB_INVALIDATE, VD_EXTRA * 4,
				4096, NULL);
	case MSG_BATCH:
		r = send_msg(n, 0, VHOST_IOTLB_BATCH_BEGIN, 0, 0, NULL);
		r = r ?: map(n, MAP_EXTRA);
		r = r ?: map(n, MAP_NO_EXTRA);
		return send_msg(n, 0, VHOST_IOTLB_BATCH_END, 0, 0, NULL) ?: r;
	default:
		return send_msg(n, 0, VHOST_IOTLB_BATCH_END, 0, 0, NULL);
	}
}

static int open_node(struct vd_node *n, bool owner)
{
	const char *path = n->path;
	uint64_t drop;

	if (n->fd >= 0)
		close(n->fd);
	memset(n->mem, 0, VD_MEM);
	if (read(n->call, &drop, 8) < 0 && errno != EAGAIN)
		return -errno;
	if (read(n->kick, &drop, 8) < 0 && errno != EAGAIN)
		return -errno;
	n->suspended = false;
	n->on = false;
	n->ok = false;
	n->dead = false;
	n->quiet = false;
	n->avail = 0;
	n->used = 0;
	n->fold = 0;
	n->num = 256;
	n->fd = open(path, O_RDWR | O_CLOEXEC);
	if (n->fd < 0)
		return -errno;
	return owner ? call_out(n, VHOST_SET_OWNER, NULL) : 0;
}

static bool live(const struct vd_node *n)
{
	return n->ok && n->on && !n->suspended && !n->dead;
}

static bool called(struct vd_node *n, int ms)
{
	struct pollfd p = { .fd = n->call, .events = POLLIN };
	uint64_t v;

	return poll(&p, 1, ms) > 0 && read(n->call, &v, sizeof(v)) == 8;
}

/* What came back. What has to come is waited for, what must not as well. */
static void settle(struct vd_node *n, struct vd_res *r, bool new)
{
	uint16_t idx = n->used;
	int ms;

	if (live(n) && n->used != n->avail) {
		for (ms = 0; ms < WAIT_MS; ms++) {
			idx = __atomic_load_n(&vd_used(n)->idx,
					      __ATOMIC_ACQUIRE);
			if (idx == n->avail)
				break;
			usleep(1000);
		}
		/* A call may be a moment later than the index. */
		r->called = called(n, n->quiet ? QUIET_MS : 2000);
	} else if (new) {
		usleep(QUIET_MS * 1000);
		idx = __atomic_load_n(&vd_used(n)->idx, __ATOMIC_ACQUIRE);
	}
	for (; n->used != idx && r->used < 65536; n->used++, r->used++) {
		struct vring_used_elem e = vd_used(n)->ring[n->used % n->num];
		unsigned int slot = e.id / VD_SLOT_DESC % vd_slots(n);
		uint8_t status = vd_blk_status(n, slot);

		/*
		 * Of a request that failed the simulator says that the first
		 * byte was written; it is the last, ours says none.
		 */
		if (status)
			e.len = 0;
		r->ids = r->ids * 1000003 + e.id * 65537ULL + e.len;
		r->status = r->status * 1000003 + status;
	}
}

static int enable(struct vd_node *n, uint64_t on)
{
	int r = state(n, VHOST_VDPA_SET_VRING_ENABLE, 0, on, NULL);

	if (!r)
		n->on = on;
	/* A kick that came while it was off may be forgotten. */
	if (!r && on)
		vd_kick(n);
	return r;
}

static int pause_it(struct vd_node *n, bool on)
{
	int r = call_out(n, on ? VHOST_VDPA_SUSPEND : VHOST_VDPA_RESUME, NULL);

	if (!r && n->ok)
		n->suspended = on;
	return r;
}

static int get_base(struct vd_node *n, uint64_t *val)
{
	int r = state(n, VHOST_GET_VRING_BASE, 0, 0, val);

	if (!r)
		n->saved = *val;
	return r;
}

static int features(struct vd_node *n, uint64_t f)
{
	return call_out(n, VHOST_SET_FEATURES, &f);
}

/* A call for what came before may still be under way. */
static void quiet(struct vd_node *n, bool on)
{
	while (called(n, QUIET_MS))
		;
	n->quiet = on;
	vd_avail(n)->flags = on ? VRING_AVAIL_F_NO_INTERRUPT : 0;
}

/* vd_step - do a step, and see what came of it */
void vd_step(struct vd_node *n, const struct vd_op *o, struct vd_res *r)
{
	uint64_t room[8] = { o->b, o->c };
	uint64_t v = o->a;

	memset(r, 0, sizeof(*r));
	switch (o->kind) {
	case V_OPEN:
		r->ret = open_node(n, o->a);
		break;
	case V_STATUS:
		r->ret = set_status(n, o->a, &r->val);
		break;
	case V_FEATURES:
		r->ret = features(n, o->a);
		break;
	case V_BFEATURES:
		r->ret = call_out(n, VHOST_SET_BACKEND_FEATURES, &v);
		break;
	case V_GET:
		r->ret = get(n, o->a, &r->val);
		break;
	case V_NUM:
		r->ret = set_num(n, o->a, o->b);
		break;
	case V_BASE:
		r->ret = set_base(n, o->a);
		break;
	case V_GET_BASE:
		r->ret = get_base(n, &r->val);
		break;
	case V_ADDR:
		r->ret = set_addr(n, o);
		break;
	case V_FD:
		r->ret = set_fd(n, o);
		break;
	case V_ENABLE:
		r->ret = enable(n, o->a);
		break;
	case V_CONFIG:
		r->ret = config(n, VHOST_VDPA_GET_CONFIG, o->a, o->b, &r->val);
		break;
	case V_SET_CONFIG:
		r->ret = config(n, VHOST_VDPA_SET_CONFIG, o->a, o->b, NULL);
		break;
	case V_ASID:
		r->ret = state(n, VHOST_VDPA_SET_GROUP_ASID, o->a, o->b, NULL);
		break;
	case V_SUSPEND:
	case V_RESUME:
		r->ret = pause_it(n, o->kind == V_SUSPEND);
		break;
	case V_MAP:
		r->ret = map(n, o->a);
		break;
	case V_MSG:
		r->ret = msg(n, o);
		break;
	case V_UNKNOWN:
		r->ret = call_out(n, o->a, room);
		break;
	case V_BLK:
		r->ret = vd_blk(n, o);
		break;
	case V_BAD:
		r->ret = vd_bad(n, o);
		break;
	case V_NOCALL:
		quiet(n, o->a);
		break;
	default:
		break;
	}
	settle(n, r, o->kind == V_BLK || o->kind == V_BAD);
}
