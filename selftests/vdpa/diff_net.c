// SPDX-License-Identifier: GPL-2.0-only
/*
 * diff_net: made-up scripts for a net device on the kernel's vDPA simulator and on
 * ours, both behind vhost_vdpa: frames, control commands, suspend and resume, a
 * start at any position. The simulator sends back what is for itself or for many;
 * ours has a host interface instead, so this program does at that interface what
 * the simulator does inside, and on the way compares the frame that came out there
 * with the one that was sent. Results and errno, used rings, calls, positions,
 * config space, answers and the frames received have to agree. A script that
 * tells them apart is made as short as it can be and printed, ready for --replay.
 *
 * Left out, because the two were made to differ (Documentation/vdpa.rst): receive
 * buffers too small for a frame, or none (the simulator cuts, or drops), the
 * header of a received frame, frames above a page and below an Ethernet header,
 * MAC addresses of a wrong length, more than one command a kick, and groups that
 * change their address space while the device runs.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../lib/dice.h"
#include "kselftest.h"
#include "nclient.h"
#include "sim.h"
#include "vnl.h"

#define SIM		"tvsimn0"
#define OURS		"tvourn0"
#define ADDR		"mac 02:1d:00:00:00:01 mtu 1500"
#define SCRIPTS		25		/* without --seconds */
#define MOST		64		/* steps of a script */
#define WAIT_MS		20000		/* for what has to come */
#define QUIET_MS	20		/* for what must not */

#define HLEN		((int)sizeof(struct virtio_net_hdr_v1))
#define TX_SLOTS	16		/* of four descriptors */
#define TX_DATA		(NQ_DATA + 0x10000)
#define RX_SLOTS	32		/* of two */
#define RX_DATA		(NQ_DATA + 0x20000)
#define SLOT		0x1000

static const uint64_t FEATURES =
	1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM |
	1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
	1ULL << VIRTIO_NET_F_MTU | 1ULL << VIRTIO_NET_F_CTRL_VQ |
	1ULL << VIRTIO_NET_F_CTRL_MAC_ADDR;

enum kind { N_SEND, N_CTRL, N_SUSPEND, N_RESUME, N_QUIET, N_ASK, N_AGAIN, KINDS };

static const char * const name[KINDS] = {
	"send", "ctrl", "suspend", "resume", "quiet", "ask", "again",
};

/* Argument a of N_SEND: to whom. */
enum { TO_SELF, TO_ALL, TO_MANY, TO_OTHER, TO_KINDS };

/*
 * A step. N_SEND: b is the frame's length, c has in bits 0 and 1 into how many more
 * parts it is cut, in 2 and 3 how many more frames go with the same kick.
 * N_CTRL: class, command, and the last byte of a MAC address. N_AGAIN: a reset and
 * a start at position a (or where suspend left it, if b is set), the control queue
 * in address space c.
 */
struct step {
	enum kind kind;
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

struct script {
	struct step s[MOST];
	unsigned int n;
};

/* One device, and its driver's side. */
struct node {
	char path[64];
	struct client c;
	struct nq q[3];
	unsigned int left[2];	/* of rx and tx: put there, not yet back */
	uint16_t saved[3];
	bool suspended;
	bool quiet;
};

/* What can be seen of a step; compared as it lies in memory. */
struct seen {
	int64_t ret;
	uint64_t used[3];	/* a sum over ids, and lengths but of what failed */
	uint64_t called;
	uint64_t frames;	/* a sum over what was received */
	uint64_t value;
};

static uint64_t rng = 1;
static struct node node[2];
static int wire;

static uint64_t rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

static uint64_t mix(uint64_t sum, uint64_t v)
{
	return (sum ^ v) * 0x100000001b3ULL + 1;
}

static uint64_t mix_bytes(uint64_t sum, const uint8_t *p, size_t n)
{
	while (n--)
		sum = mix(sum, *p++);
	return sum;
}

/* ---- scripts ---- */

static struct step some_send(void)
{
	static const unsigned int len[] = { 14, 15, 59, 60, 61, 64, 127, 1513, 1514 };

	return (struct step){ N_SEND, rnd(TO_KINDS),
			      rnd(2) ? len[rnd(9)] : 14 + rnd(1501), rnd(16) };
}

static struct step some_ctrl(void)
{
	static const struct step c[] = {
		{ N_CTRL, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET },
		{ N_CTRL, VIRTIO_NET_CTRL_MAC, 7 },
		{ N_CTRL, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC },
		{ N_CTRL, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD },
		{ N_CTRL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET },
		{ N_CTRL, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK },
		{ N_CTRL, 99, 3 },
	};

	if (rnd(2))
		return (struct step){ N_CTRL, VIRTIO_NET_CTRL_MAC,
				      VIRTIO_NET_CTRL_MAC_ADDR_SET, rnd(256) };
	return c[rnd(7)];
}

static void script(struct script *s)
{
	unsigned int len = 4 + rnd(20);
	bool stopped = false;
	struct step t;

	s->n = 0;
	s->s[s->n++] = (struct step){ N_AGAIN, rnd(2) ? 0 : rnd(0x10000), 0, rnd(2) };
	while (len--) {
		switch (rnd(12)) {
		case 0:
			t = (struct step){ stopped ? N_RESUME : N_SUSPEND };
			stopped = !stopped;
			break;
		case 1:
			t = (struct step){ N_QUIET, rnd(2) };
			break;
		case 2:
			t = (struct step){ N_ASK, rnd(8), rnd(3) };
			break;
		case 3:
		case 4:
		case 5:
			/* What waits for a resume may meet another command then. */
			if (stopped)
				continue;
			t = some_ctrl();
			break;
		case 6:
			if (!stopped)
				s->s[s->n++] = (struct step){ N_SUSPEND };
			t = (struct step){ N_AGAIN, 0, 1, rnd(2) };
			stopped = false;
			break;
		default:
			t = some_send();
		}
		s->s[s->n++] = t;
	}
	if (stopped)
		s->s[s->n++] = (struct step){ N_RESUME };
}

/* ---- the driver's side ---- */

static struct vhost_vdpa_config *config(struct node *n, void *room)
{
	struct vhost_vdpa_config *c = room;

	c->off = 0;
	c->len = 12;
	return ioctl(n->c.fd, VHOST_VDPA_GET_CONFIG, c) ? NULL : c;
}

static void rx_put(struct node *n, unsigned int slot)
{
	size_t at = RX_DATA + slot * SLOT;
	size_t off[] = { at, at + HLEN };

	memset(n->c.mem + at, 0xaa, SLOT);
	nq_put(&n->q[0], slot * 2, off, (int[]){ -HLEN, HLEN - SLOT }, 2);
	n->left[0]++;
}

/* Reset, and from there to a device that serves. */
static int again(struct node *n, const struct step *s)
{
	struct vhost_vring_state group = { .index = 1, .num = s->c };
	static const uint8_t mac[6] = { 2, 0x1d, 0, 0, 0, 1 };
	int i, err;

	/* What is mapped outlives a reset, and is not mapped twice. */
	nc_unmap(&n->c, 0, CLIENT_IOVA, CLIENT_MEM);
	nc_unmap(&n->c, 1, CLIENT_IOVA, CLIENT_MEM);
	err = client_set_status(&n->c, 0);
	if (!err && ioctl(n->c.fd, VHOST_VDPA_SET_GROUP_ASID, &group))
		err = -errno;
	err = err ?: nc_map(&n->c, 0, CLIENT_IOVA, n->c.mem, CLIENT_MEM,
			    VHOST_ACCESS_RW);
	if (s->c)
		err = err ?: nc_map(&n->c, 1, CLIENT_IOVA, n->c.mem, CLIENT_MEM,
				    VHOST_ACCESS_RW);
	err = err ?: client_features(&n->c, FEATURES);
	for (i = 0; i < 3 && !err; i++) {
		nq_free(&n->q[i]);
		err = nq_setup_at(&n->q[i], &n->c, i, CLIENT_IOVA,
				  s->b ? n->saved[i] : s->a);
	}
	n->left[0] = 0;
	n->left[1] = 0;
	n->suspended = false;
	n->quiet = false;
	for (i = 0; i < RX_SLOTS; i++)
		rx_put(n, i);
	err = err ?: client_set_status(&n->c, S_OK);
	if (!err && n == &node[1])
		err = wire_ready(OURS);
	/* The simulator keeps a new address over a reset, ours has its first one then. */
	return err ?: nq_ctrl(&n->q[2], VIRTIO_NET_CTRL_MAC,
			      VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6);
}

/* Where the device finds its own address: byte 5 is what N_CTRL changes. */
static void address(struct node *n, unsigned int to, uint8_t *mac)
{
	uint8_t room[sizeof(struct vhost_vdpa_config) + 16];
	struct vhost_vdpa_config *c = config(n, room);

	memset(mac, to == TO_ALL ? 0xff : 0, 6);
	if (to == TO_SELF && c)
		memcpy(mac, c->buf, 6);
	if (to == TO_MANY)
		memcpy(mac, (uint8_t[]){ 1, 0, 0x5e, 1, 2, 3 }, 6);
	if (to == TO_OTHER)
		memcpy(mac, (uint8_t[]){ 2, 0xee, 0, 0, 0, 1 }, 6);
}

static unsigned int send_frames(struct node *n, const struct step *s)
{
	unsigned int count = 1 + (s->c >> 2 & 3), parts = 1 + (s->c & 3);
	unsigned int i, k, slot, len = s->b + HLEN;
	size_t at, off[4];
	int size[4];
	uint8_t *p;

	if (n->left[1] + count > TX_SLOTS)
		return 0;
	for (i = 0; i < count; i++) {
		slot = n->q[1].avail % TX_SLOTS;
		at = TX_DATA + slot * SLOT;
		p = n->c.mem + at;
		memset(p, 0, HLEN);
		address(n, s->a, p + HLEN);
		memcpy(p + HLEN + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 0x77, 0x88, 0xb5 },
		       8);
		for (k = 14; k < s->b; k++)
			p[HLEN + k] = k * 7 + i * 31 + s->a;
		for (k = 0; k < parts; k++) {
			off[k] = at + (uint64_t)len * k / parts;
			size[k] = at + (uint64_t)len * (k + 1) / parts - off[k];
		}
		nq_put(&n->q[1], slot * 4, off, size, parts);
		n->left[1]++;
	}
	nq_kick(&n->q[1]);
	return count;
}

/* Frames of @s that the simulator would have had back. */
static unsigned int echoed(const struct step *s, unsigned int count)
{
	return s->a == TO_OTHER ? 0 : count;
}

static bool called(struct nq *q, int ms)
{
	struct pollfd p = { .fd = q->call, .events = POLLIN };
	uint64_t v;

	return poll(&p, 1, ms) > 0 && read(q->call, &v, sizeof(v)) == 8;
}

/* @want entries of queue @i, which have to come, or a while without any. */
static int settle(struct node *n, int i, unsigned int want, struct seen *r)
{
	struct nq *q = &n->q[i];
	struct vring_used_elem *e;
	unsigned int slot;

	if (!want)
		usleep(QUIET_MS * 1000);
	if (nq_wait_for(q, want, WAIT_MS) < (int)want)
		return -ETIMEDOUT;
	while (want--) {
		e = nq_next(q);
		r->used[i] = mix(mix(r->used[i], e->id), e->len);
		if (i < 2)
			n->left[i]--;
		if (i)
			continue;
		slot = e->id / 2 % RX_SLOTS;
		if (e->len > SLOT || e->len < (unsigned int)HLEN)
			return -EMSGSIZE;
		r->frames = mix_bytes(r->frames,
				      n->c.mem + RX_DATA + slot * SLOT + HLEN,
				      SLOT - HLEN);
		rx_put(n, slot);
	}
	return 0;
}

/* More came back than was to. */
static int none_left(struct node *n)
{
	return nq_wait(&n->q[0], 0) || nq_wait(&n->q[1], 0) ? -EOVERFLOW : 0;
}

/*
 * What lies between ours and the wire, done as the simulator does it: the frames are
 * those that were sent, and those to itself or to many come back.
 */
static int reflect(const struct node *n, unsigned int slot,
		   unsigned int count, const struct step *s)
{
	uint8_t f[2048];
	const uint8_t *p;
	int len;

	for (; count--; slot++) {
		len = wire_recv(wire, f, sizeof(f), WAIT_MS);
		if (len < 0)
			return len;
		p = n->c.mem + TX_DATA + slot % TX_SLOTS * SLOT + HLEN;
		if (len != (int)s->b || memcmp(f, p, len))
			return -EBADMSG;
		if (echoed(s, 1) && send(wire, f, len, 0) != len)
			return -errno;
	}
	return 0;
}

/* Frames sent while the device was suspended: they go at the resume. */
static struct {
	struct step s[TX_SLOTS];
	unsigned int n[TX_SLOTS];
	unsigned int have;
} held[2];

static int frames(int k, const struct step *s, unsigned int count,
		  struct seen *r)
{
	unsigned int slot = node[k].q[1].used % TX_SLOTS;
	int err = k ? reflect(&node[k], slot, count, s) : 0;

	err = err ?: settle(&node[k], 1, count, r);
	return err ?: settle(&node[k], 0, echoed(s, count), r);
}

static int do_send(int k, const struct step *s, struct seen *r)
{
	struct node *n = &node[k];
	unsigned int count = send_frames(n, s), i;
	int err;

	if (!count)
		return 0;
	if (n->suspended) {
		i = held[k].have++;
		held[k].s[i] = *s;
		held[k].n[i] = count;
		return settle(n, 1, 0, r) ?: settle(n, 0, 0, r);
	}
	err = frames(k, s, count, r);
	/* Calls: of a queue that gave something back, unless none are wanted. */
	for (i = 0; i < 2 && !err; i++)
		if (!i ? echoed(s, count) : count)
			r->called |= called(&n->q[i], n->quiet ? QUIET_MS : 2000) << i;
	return err;
}

static int do_pause(int k, bool on, struct seen *r)
{
	struct node *n = &node[k];
	unsigned int i;
	int err = 0;

	if (ioctl(n->c.fd, on ? VHOST_VDPA_SUSPEND : VHOST_VDPA_RESUME))
		return -errno;
	n->suspended = on;
	for (i = 0; on && i < 3; i++) {
		struct vhost_vring_state s = { .index = i };

		if (ioctl(n->c.fd, VHOST_GET_VRING_BASE, &s))
			return -errno;
		n->saved[i] = s.num;
		r->value = mix(r->value, s.num);
	}
	if (on)
		return 0;
	if (k)
		err = wire_ready(OURS);
	for (i = 0; i < held[k].have && !err; i++)
		err = frames(k, &held[k].s[i], held[k].n[i], r);
	held[k].have = 0;
	while (called(&n->q[0], QUIET_MS) || called(&n->q[1], QUIET_MS))
		;
	return err;
}

static int do_ctrl(struct node *n, const struct step *s, struct seen *r)
{
	uint8_t data[8] = { 2, 0x1d, 0, 0, 0, s->c };
	uint8_t room[sizeof(struct vhost_vdpa_config) + 16];
	struct vhost_vdpa_config *c;
	int err = nq_ctrl(&n->q[2], s->a, s->b, data, 6);

	r->called = called(&n->q[2], 2000);
	c = config(n, room);
	if (c)
		r->value = mix_bytes(0, c->buf, 6);
	return err;
}

static int do_ask(struct node *n, const struct step *s, struct seen *r)
{
	static const unsigned long one[] = {
		VHOST_VDPA_GET_DEVICE_ID, VHOST_VDPA_GET_CONFIG_SIZE,
		VHOST_VDPA_GET_VQS_COUNT,
	};
	struct vhost_vring_state st = { .index = s->b };
	uint32_t v = 0;
	uint8_t status;
	int err;

	switch (s->a) {
	case 0:
	case 1:
	case 2:
		err = ioctl(n->c.fd, one[s->a], &v) ? -errno : 0;
		r->value = v;
		return err;
	case 3:
		/* Groups: ours has one more, for descriptors; not for these queues. */
		err = ioctl(n->c.fd, VHOST_VDPA_GET_VRING_GROUP, &st) ? -errno : 0;
		r->value = st.num;
		return err;
	case 4:
		err = ioctl(n->c.fd, VHOST_VDPA_GET_STATUS, &status) ? -errno : 0;
		r->value = status;
		return err;
	case 5:
		st.index = 3 + s->b;
		return ioctl(n->c.fd, VHOST_GET_VRING_BASE, &st) ? -errno : 0;
	case 6:
		st.index = 3 + s->b;
		st.num = 1;
		return ioctl(n->c.fd, VHOST_VDPA_SET_VRING_ENABLE, &st) ? -errno : 0;
	default:
		st.num = 3;
		return ioctl(n->c.fd, VHOST_SET_VRING_NUM, &st) ? -errno : 0;
	}
}

static void do_step(int k, const struct step *s, struct seen *r)
{
	struct node *n = &node[k];
	uint8_t junk[64];

	memset(r, 0, sizeof(*r));
	switch (s->kind) {
	case N_SEND:
		r->ret = do_send(k, s, r) ?: none_left(n);
		break;
	case N_CTRL:
		r->ret = do_ctrl(n, s, r);
		break;
	case N_SUSPEND:
	case N_RESUME:
		r->ret = do_pause(k, s->kind == N_SUSPEND, r) ?: none_left(n);
		break;
	case N_QUIET:
		n->quiet = s->a;
		nq_avail(&n->q[0])->flags = s->a ? VRING_AVAIL_F_NO_INTERRUPT : 0;
		nq_avail(&n->q[1])->flags = nq_avail(&n->q[0])->flags;
		while (called(&n->q[0], QUIET_MS) || called(&n->q[1], QUIET_MS))
			;
		break;
	case N_ASK:
		r->ret = do_ask(n, s, r);
		break;
	default:
		held[k].have = 0;
		while (k && recv(wire, junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
		r->ret = again(n, s);
	}
}

/* ---- the comparison ---- */

static void print(char *line, size_t size, const struct step *s)
{
	snprintf(line, size, "%s %#llx %#llx %#llx", name[s->kind],
		 (unsigned long long)s->a, (unsigned long long)s->b,
		 (unsigned long long)s->c);
}

/* -1 if both do the same, else the step where they part; @why says how. */
static int differ(const struct script *s, char *why, size_t size)
{
	struct seen r[2];
	unsigned int i;
	char line[96];
	int k, at = -1;

	for (k = 0; k < 2; k++)
		if (client_open(&node[k].c, node[k].path))
			at = 0;
	snprintf(why, size, "a node that cannot be opened");
	for (i = 0; i < s->n && at < 0; i++) {
		for (k = 0; k < 2; k++)
			do_step(k, &s->s[i], &r[k]);
		/* Both alike, and neither because nothing works. */
		if (!memcmp(&r[0], &r[1], sizeof(r[0])) && r[0].ret != -ETIMEDOUT &&
		    (s->s[i].kind != N_AGAIN || !r[0].ret))
			continue;
		at = i;
		print(line, sizeof(line), &s->s[i]);
		snprintf(why, size, "step %u, %s: simulator %lld, called %llx; ours %lld, called %llx%s%s%s",
			 i, line, (long long)r[0].ret,
			 (unsigned long long)r[0].called, (long long)r[1].ret,
			 (unsigned long long)r[1].called,
			 memcmp(r[0].used, r[1].used, sizeof(r[0].used)) ?
			 "; other used entries" : "",
			 r[0].frames != r[1].frames ? "; other frames" : "",
			 r[0].value != r[1].value ? "; other values" : "");
	}
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			nq_free(&node[k].q[i]);
		client_close(&node[k].c);
	}
	return at;
}

/* Fewer steps that still part at one of the same kind; the first, a start, stays. */
static void shrink(struct script *s, char *why, size_t size)
{
	int at = differ(s, why, size);
	unsigned int i, chunk;
	struct script t;
	enum kind kind;

	if (at < 0)
		return;
	kind = s->s[at].kind;
	s->n = at + 1;
	for (chunk = s->n / 2; chunk; chunk /= 2) {
		for (i = 1; i + chunk < s->n;) {
			t = *s;
			t.n -= chunk;
			memmove(&t.s[i], &t.s[i + chunk], (t.n - i) * sizeof(t.s[0]));
			at = differ(&t, why, size);
			if (at == (int)t.n - 1 && t.s[at].kind == kind)
				*s = t;
			else
				i += chunk;
		}
	}
	differ(s, why, size);
}

/* ---- devices ---- */

static int devices_make(void)
{
	if (ndev_make(OURS, "true", ADDR, node[1].path, sizeof(node[1].path)))
		return -EIO;
	wire = wire_open(OURS);
	if (wire < 0)
		return wire;
	return vdev_add(SIM, "vdpasim_net", ADDR) ?:
	       vdev_bind(SIM, node[0].path, sizeof(node[0].path));
}

static void devices_end(void)
{
	close(wire);
	if (vdev_del(SIM, 60) | ndev_end(OURS) |
	    system("rmmod vdpa_sim_net vdpa_sim"))
		ksft_print_msg("the devices did not go\n");
}

/* ---- main ---- */

static void replay(const char *file)
{
	FILE *f = fopen(file, "r");
	unsigned long long a, b, c;
	char line[256], word[32], why[512] = "";
	struct script s = { .n = 0 };
	int k, at;

	while (f && s.n < MOST && fgets(line, sizeof(line), f)) {
		a = b = c = 0;
		if (sscanf(line, "%*[# ]%31s %llx %llx %llx", word, &a, &b, &c) < 1 &&
		    sscanf(line, "%31s %llx %llx %llx", word, &a, &b, &c) < 1)
			continue;
		for (k = 0; k < KINDS && strcmp(word, name[k]); k++)
			;
		if (k < KINDS)
			s.s[s.n++] = (struct step){ k, a, b, c };
	}
	if (f)
		fclose(f);
	at = s.n ? differ(&s, why, sizeof(why)) : 0;
	if (at >= 0)
		ksft_print_msg("%s: %s\n", file, s.n ? why : "no steps in it");
	ksft_test_result(at < 0, "replay of %u steps\n", s.n);
}

static void fuzz(const struct dice_args *a)
{
	time_t end = time(NULL) + (a->seconds ?: 120);
	unsigned int runs = 0, steps = 0, i;
	char why[512] = "", line[96];
	struct script s;
	int at = -1;

	rng = a->seed * 0x9e3779b97f4a7c15ULL | 1;
	while (at < 0 && time(NULL) < end && (a->seconds || runs < SCRIPTS)) {
		script(&s);
		at = differ(&s, why, sizeof(why));
		runs++;
		steps += s.n;
	}
	ksft_print_msg("seed %llu: %u scripts, %u steps\n",
		       (unsigned long long)a->seed, runs, steps);
	if (at >= 0) {
		ksft_print_msg("%s\n", why);
		shrink(&s, why, sizeof(why));
		ksft_print_msg("shortest: %s\n", why);
		ksft_print_msg("script, for --replay:\n");
		for (i = 0; i < s.n; i++) {
			print(line, sizeof(line), &s.s[i]);
			printf("#   %s\n", line);
		}
	}
	ksft_test_result(at < 0 && runs, "random scripts agree\n");
}

static const struct sim_test test = {
	.doc = "Random frames and commands on the kernel's vDPA net simulator and on ours, compared.",
	.what = "net", .make = devices_make, .end = devices_end,
	.replay = replay, .fuzz = fuzz,
};

int main(int argc, char **argv)
{
	sim_main(argc, argv, &test);
}
