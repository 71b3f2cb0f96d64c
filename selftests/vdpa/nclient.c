// SPDX-License-Identifier: GPL-2.0-only
/* A user-space driver of a net device on a vhost-vdpa node. */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nclient.h"

static uint8_t *ring(struct nq *q)
{
	return q->c->mem + q->idx * NQ_STRIDE;
}

struct vring_desc *nq_desc(struct nq *q)
{
	return (struct vring_desc *)ring(q);
}

struct vring_avail *nq_avail(struct nq *q)
{
	return (struct vring_avail *)(ring(q) + 0x1000);
}

struct vring_used *nq_used(struct nq *q)
{
	return (struct vring_used *)(ring(q) + 0x2000);
}

int nq_setup(struct nq *q, struct client *c, uint16_t idx, uint64_t iova)
{
	return nq_setup_at(q, c, idx, iova, 0);
}

int nq_setup_at(struct nq *q, struct client *c, uint16_t idx, uint64_t iova,
		uint16_t base)
{
	uint64_t at = iova + idx * NQ_STRIDE;
	struct vhost_vring_state num = { .index = idx, .num = NQ_NUM };
	struct vhost_vring_state pos = { .index = idx, .num = base };
	struct vhost_vring_state on = { .index = idx, .num = 1 };
	struct vhost_vring_addr addr = {
		.index = idx,
		.desc_user_addr = at,
		.avail_user_addr = at + 0x1000,
		.used_user_addr = at + 0x2000,
	};
	struct vhost_vring_file file = { .index = idx };

	memset(q, 0, sizeof(*q));
	q->c = c;
	q->idx = idx;
	q->avail = base;
	q->used = base;
	memset(ring(q), 0, NQ_STRIDE);
	nq_avail(q)->idx = base;
	nq_used(q)->idx = base;
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ioctl(c->fd, VHOST_SET_VRING_NUM, &num) ||
	    ioctl(c->fd, VHOST_SET_VRING_BASE, &pos) ||
	    ioctl(c->fd, VHOST_SET_VRING_ADDR, &addr))
		return -errno;
	file.fd = q->kick;
	if (ioctl(c->fd, VHOST_SET_VRING_KICK, &file))
		return -errno;
	file.fd = q->call;
	if (ioctl(c->fd, VHOST_SET_VRING_CALL, &file) ||
	    ioctl(c->fd, VHOST_VDPA_SET_VRING_ENABLE, &on))
		return -errno;
	return 0;
}

void nq_free(struct nq *q)
{
	if (!q->c)
		return;
	close(q->kick);
	close(q->call);
	q->c = NULL;
}

void nq_put(struct nq *q, uint16_t head, const size_t *off, const int *len,
	    int n)
{
	struct vring_desc *d = nq_desc(q);
	struct vring_avail *a = nq_avail(q);
	int i;

	for (i = 0; i < n; i++) {
		d[head + i].addr = client_iova(off[i]);
		d[head + i].len = abs(len[i]);
		d[head + i].flags = (len[i] < 0 ? VRING_DESC_F_WRITE : 0) |
				    (i < n - 1 ? VRING_DESC_F_NEXT : 0);
		d[head + i].next = head + i + 1;
	}
	a->ring[q->avail++ % NQ_NUM] = head;
	__atomic_store_n(&a->idx, q->avail, __ATOMIC_RELEASE);
}

void nq_kick(struct nq *q)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (write(q->kick, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* Used entries to look at: as soon as there is one, else 0 after @ms. */
int nq_wait(struct nq *q, int ms)
{
	uint16_t n;

	do {
		n = __atomic_load_n(&nq_used(q)->idx, __ATOMIC_ACQUIRE);
		n -= q->used;
		if (n)
			break;
		usleep(1000);
	} while (ms-- > 0);
	return n;
}

/* As nq_wait(), but for @want of them: @ms is for all. */
int nq_wait_for(struct nq *q, int want, int ms)
{
	int n;

	while ((n = nq_wait(q, 1)) < want && ms-- > 0)
		usleep(1000);
	return n;
}

struct vring_used_elem *nq_next(struct nq *q)
{
	return &nq_used(q)->ring[q->used++ % NQ_NUM];
}

int nq_ctrl(struct nq *q, uint8_t class, uint8_t cmd, const void *data,
	    int len)
{
	size_t off[] = { NQ_DATA, NQ_DATA + 0x100, NQ_DATA + 0x1100 };
	uint8_t *mem = q->c->mem;
	int lens[] = { 2, len, -1 };

	mem[off[0]] = class;
	mem[off[0] + 1] = cmd;
	if (len) {
		memcpy(mem + off[1], data, len);
	} else {
		off[1] = off[2];
		lens[1] = -1;
	}
	mem[NQ_DATA + 0x1100] = 0xee;
	nq_put(q, 0, off, lens, len ? 3 : 2);
	nq_kick(q);
	if (!nq_wait(q, 5000))
		return -ETIMEDOUT;
	if (nq_next(q)->len != 1)
		return -EPROTO;
	return mem[NQ_DATA + 0x1100];
}

static int nc_iotlb(struct client *c, uint32_t asid, struct vhost_iotlb_msg m)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2, .asid = asid, .iotlb = m,
	};

	return write(c->fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

int nc_map(struct client *c, uint32_t asid, uint64_t iova, void *addr,
	   uint64_t size, uint8_t perm)
{
	return nc_iotlb(c, asid, (struct vhost_iotlb_msg){
		.iova = iova,
		.size = size,
		.uaddr = (uintptr_t)addr,
		.perm = perm,
		.type = VHOST_IOTLB_UPDATE,
	});
}

int nc_unmap(struct client *c, uint32_t asid, uint64_t iova, uint64_t size)
{
	return nc_iotlb(c, asid, (struct vhost_iotlb_msg){
		.iova = iova,
		.size = size,
		.type = VHOST_IOTLB_INVALIDATE,
	});
}

#define BUS	"/sys/bus/vdpa"
#define CONFIGFS "/sys/kernel/config/trivio"

/* A command; its exit status. */
static int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

int ndev_make(const char *name, const char *set, const char *args, char *node,
	      size_t size)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	char pattern[128];
	glob_t g;

	setrlimit(RLIMIT_MEMLOCK, &lim);
	if (run("modprobe vhost_vdpa") ||
	    run("mkdir -p " CONFIGFS "/%s && cd " CONFIGFS "/%s && %s", name,
		name, set) ||
	    run("echo 0 >" BUS "/drivers_autoprobe") ||
	    run("! [ -e " BUS "/devices/%s ] || vdpa dev del %s", name, name) ||
	    run("vdpa dev add name %s mgmtdev trivio_net %s", name, args) ||
	    run("echo %s >" BUS "/drivers/vhost_vdpa/bind", name))
		return -1;
	snprintf(pattern, sizeof(pattern), BUS "/devices/%s/vhost-vdpa-*", name);
	if (glob(pattern, 0, NULL, &g))
		return -1;
	snprintf(node, size, "/dev/%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
	run("sysctl -qw net.ipv6.conf.%s.disable_ipv6=1 2>/dev/null", name);
	return run("ip link set %s up mtu 9000", name);
}

int ndev_end(const char *name)
{
	return run("timeout 60 vdpa dev del %s", name) |
	       run("rmdir " CONFIGFS "/%s", name) |
	       run("echo 1 >" BUS "/drivers_autoprobe");
}

int wire_open(const char *ifname)
{
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(ifname),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)))
		return -errno;
	return fd;
}

/*
 * The driver runs, so the interface has a carrier; until the kernel's link watch
 * has seen that, frames vanish in its place-holder of a queue.
 */
int wire_ready(const char *ifname)
{
	char path[64], cmd[64], state[16] = "";
	int i;

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", ifname);
	snprintf(cmd, sizeof(cmd), "ip link show dev %s >/dev/null", ifname);
	for (i = 0; i < 1000 && strcmp(state, "up\n"); i++) {
		FILE *f = fopen(path, "r");

		usleep(20000);
		if (!f || !fgets(state, sizeof(state), f))
			state[0] = 0;
		if (f)
			fclose(f);
	}
	if (strcmp(state, "up\n"))
		return -ETIMEDOUT;
	/* It is told before it is done, under RTNL, for which this waits. */
	return system(cmd) ? -ENODEV : 0;
}

/* A frame of @len bytes: header, tag if @vlan, then bytes that count up. */
int wire_send(int fd, const uint8_t *dst, uint16_t vlan, int len)
{
	static const uint8_t src[6] = { 2, 0, 0, 0, 0, 0x99 };
	uint8_t f[65536];
	int i, n = 12;

	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	if (vlan) {
		f[n++] = 0x81;
		f[n++] = 0;
		f[n++] = vlan >> 8;
		f[n++] = vlan;
	}
	f[n++] = 0x88;
	f[n++] = 0xb5;
	for (i = n; i < len; i++)
		f[i] = i;
	return send(fd, f, len, 0) == len ? 0 : -errno;
}

/* The next frame that came from the device; own ones are skipped. */
int wire_recv(int fd, uint8_t *buf, int size, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_ll a;
	socklen_t alen = sizeof(a);
	int n;

	while (poll(&p, 1, ms) > 0) {
		n = recvfrom(fd, buf, size, 0, (void *)&a, &alen);
		if (n < 0)
			return -errno;
		/* The experimental type that the tests use; not IPv6's noise. */
		if (a.sll_pkttype != PACKET_OUTGOING && n >= 14 &&
		    buf[12] == 0x88 && buf[13] == 0xb5)
			return n;
	}
	return -ETIMEDOUT;
}

long long counter(const char *dev, int idx, const char *name)
{
	char cmd[512], line[64] = "-1";
	char which[32] = "";
	FILE *f;

	if (idx >= 0)
		snprintf(which, sizeof(which), "select(.index == %d) |", idx);
	snprintf(cmd, sizeof(cmd),
		 "${TRIVIO:-trivio} show --json %s | jq '[.. | objects | select(.counters?) | %s .counters.%s] | add'",
		 dev, which, name);
	f = popen(cmd, "r");
	if (!f || !fgets(line, sizeof(line), f))
		line[0] = '-';
	if (f)
		pclose(f);
	return atoll(line);
}
