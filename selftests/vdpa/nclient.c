// SPDX-License-Identifier: GPL-2.0-only
/* A user-space driver of a net device on a vhost-vdpa node. */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/netif.h"

#include "nclient.h"
#include "vnl.h"

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

int ndev_make(const char *name, const char *set, const char *args, char *node,
	      size_t size)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	char path[96], cmd[512];

	setrlimit(RLIMIT_MEMLOCK, &lim);
	if (vdev_profile(name))
		return -1;
	/* One that a test before this left behind. */
	snprintf(path, sizeof(path), VDPA_BUS "/devices/%s", name);
	if (!access(path, F_OK) && vdev_del(name, 60))
		return -1;
	snprintf(cmd, sizeof(cmd), "cd " VDPA_PROFILES "%s && %s", name, set);
	if (system(cmd) || vdev_add(name, "trivio_net", args) ||
	    vdev_bind(name, node, size))
		return -1;
	netif_silence(name);
	return netif_mtu(name, 9000) ?: netif_flags(name, IFF_UP, 0);
}

int ndev_end(const char *name)
{
	int err = vdev_del(name, 60);

	return vdev_profile_end(name) | err;
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

int wire_ready(const char *ifname)
{
	return netif_wait(ifname, 20000);
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

/* Counter @name of all objects in @j that have counters; of queue @idx, unless that is -1. */
static long long sum(json_t *j, int idx, const char *name)
{
	json_t *counters = json_object_get(j, "counters"), *v;
	long long n = 0;
	const char *key;
	size_t i;

	if (counters && (idx < 0 || json_integer_value(json_object_get(j, "index")) == idx))
		n = json_integer_value(json_object_get(counters, name));
	json_object_foreach(j, key, v)
		n += sum(v, idx, name);
	json_array_foreach(j, i, v)
		n += sum(v, idx, name);
	return n;
}

long long counter(const char *dev, int idx, const char *name)
{
	long long n = -1;
	char cmd[128];
	json_t *j;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "${TRIVIO:-trivio} show --json %s", dev);
	f = popen(cmd, "r");
	if (!f)
		return -1;
	j = json_loadf(f, 0, NULL);
	if (!pclose(f) && j)
		n = sum(j, idx, name);
	json_decref(j);
	return n;
}
