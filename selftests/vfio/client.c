// SPDX-License-Identifier: GPL-2.0-only
/* See client.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../lib/netif.h"
#include "client.h"

#define PARENT	"/sys/class/mdev_bus/trivio/mdev_supported_types"
#define MDEVS	"/sys/bus/mdev/devices"

#define CFG	VFIO_PCI_CONFIG_REGION_INDEX

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* --- sysfs --------------------------------------------------------------- */

static int get(const char *path, char *buf, size_t len)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

/* Is there no parent device? Loads what a client needs beside it. */
bool vc_missing(void)
{
	if (access(PARENT, F_OK))
		return true;
	if (system("modprobe vfio_iommu_type1"))
		perror("modprobe vfio_iommu_type1");
	return false;
}

void vc_init(struct vc *c)
{
	*c = (struct vc){ .container = -1, .group = -1, .dev = -1, .vm = -1,
			  .memfd = -1, .host = -1 };
}

int vc_create(struct vc *c, const char *type)
{
	unsigned char r[16];
	char path[160];
	int err;

	vc_init(c);
	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return -EIO;
	snprintf(c->uuid, sizeof(c->uuid),
		 "%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x",
		 r[0], r[1], r[2], r[3], r[4], r[5], r[6] & 15, r[7], r[8] & 15,
		 r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
	snprintf(path, sizeof(path), PARENT "/%s/create", type);
	err = put(path, c->uuid);
	if (err)
		return err;
	snprintf(c->ifname, sizeof(c->ifname), "vt%02x%02x%02x", r[0], r[1],
		 r[2]);
	return vc_attr_set(c, "name", c->ifname);
}

int vc_remove(struct vc *c)
{
	return vc_attr_set(c, "remove", "1");
}

int vc_attr_set(struct vc *c, const char *name, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), MDEVS "/%s/%s", c->uuid, name);
	return put(path, value);
}

int vc_attr_get(struct vc *c, const char *name, char *buf, size_t len)
{
	char path[160];

	snprintf(path, sizeof(path), MDEVS "/%s/%s", c->uuid, name);
	return get(path, buf, len);
}

long vc_stat(struct vc *c, const char *name)
{
	char path[64], buf[32];

	snprintf(path, sizeof(path), "stats/%s", name);
	if (vc_attr_get(c, path, buf, sizeof(buf)))
		return -1;
	return atol(buf);
}

/* --- VFIO ---------------------------------------------------------------- */

static int group_open(struct vc *c)
{
	char path[160], link[160];
	ssize_t n;

	snprintf(path, sizeof(path), MDEVS "/%s/iommu_group", c->uuid);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	c->group = open(path, O_RDWR);
	return c->group < 0 ? -errno : 0;
}

/*
 * A device of a VM knows it from the moment when it is opened; until then KVM's
 * device that told it must stay: *@fd, -1 if there is no VM.
 */
static int group_to_vm(struct vc *c, int *fd)
{
	struct kvm_create_device dev = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_ADD,
		.addr = (uintptr_t)&c->group,
	};

	*fd = -1;
	if (c->vm < 0)
		return 0;
	if (ioctl(c->vm, KVM_CREATE_DEVICE, &dev))
		return -errno;
	*fd = dev.fd;
	return ioctl(dev.fd, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

static int regions(struct vc *c)
{
	int i;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region_info info = {
			.argsz = sizeof(info),
			.index = i,
		};

		if (ioctl(c->dev, VFIO_DEVICE_GET_REGION_INFO, &info))
			return -errno;
		c->off[i] = info.offset;
		c->size[i] = info.size;
	}
	return 0;
}

int vc_open_no_map(struct vc *c)
{
	int err, fd;

	c->container = open("/dev/vfio/vfio", O_RDWR);
	if (c->container < 0)
		return -errno;
	err = group_open(c);
	if (err)
		return err;
	if (ioctl(c->group, VFIO_GROUP_SET_CONTAINER, &c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	err = group_to_vm(c, &fd);
	if (!err) {
		c->dev = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, c->uuid);
		err = c->dev < 0 ? -errno : regions(c);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* Open @c in the container of @other, which closes after it. */
int vc_join(struct vc *c, struct vc *other)
{
	int err;

	err = group_open(c);
	if (err)
		return err;
	if (ioctl(c->group, VFIO_GROUP_SET_CONTAINER, &other->container))
		return -errno;
	c->dev = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, c->uuid);
	if (c->dev < 0)
		return -errno;
	return regions(c);
}

int vc_open(struct vc *c)
{
	int err = vc_open_no_map(c);

	if (err)
		return err;
	c->memfd = memfd_create("guest", 0);
	if (c->memfd < 0 || ftruncate(c->memfd, VC_MEM_SIZE))
		return -errno;
	c->mem = mmap(NULL, VC_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      c->memfd, 0);
	if (c->mem == MAP_FAILED) {
		c->mem = NULL;
		return -errno;
	}
	err = vc_map(c, VC_IOVA, c->mem, VC_MEM_SIZE);
	return err ? err : vc_caps(c);
}

void vc_close(struct vc *c)
{
	vc_host_close(c);
	if (c->dev >= 0)
		close(c->dev);
	if (c->group >= 0)
		close(c->group);
	if (c->container >= 0)
		close(c->container);
	if (c->mem)
		munmap(c->mem, VC_MEM_SIZE);
	if (c->memfd >= 0)
		close(c->memfd);
	c->container = c->group = c->dev = c->memfd = -1;
	c->mem = NULL;
}

/* CAP_IPC_LOCK would lift the limit, so it goes. */
int vc_memlock(unsigned int pages)
{
	struct rlimit lim = { pages * 4096ul, pages * 4096ul };
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	d[0].effective &= ~(1u << CAP_IPC_LOCK);
	d[0].permitted &= ~(1u << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &h, d) || setrlimit(RLIMIT_MEMLOCK, &lim))
		return -errno;
	return 0;
}

int vc_map(struct vc *c, uint64_t iova, void *addr, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};

	return ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int vc_unmap(struct vc *c, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap map = {
		.argsz = sizeof(map),
		.iova = iova,
		.size = len,
	};

	return ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &map) ? -errno : 0;
}

int vc_read(struct vc *c, int region, uint64_t off, void *buf, size_t len)
{
	ssize_t n = pread(c->dev, buf, len, c->off[region] + off);

	return n < 0 ? -errno : n;
}

int vc_write(struct vc *c, int region, uint64_t off, const void *buf,
	     size_t len)
{
	ssize_t n = pwrite(c->dev, buf, len, c->off[region] + off);

	return n < 0 ? -errno : n;
}

/* Little endian; 0xffffffff when the access fails. */
uint32_t vc_get(struct vc *c, int region, uint64_t off, int len)
{
	uint32_t val = 0;

	return vc_read(c, region, off, &val, len) == len ? val : 0xffffffff;
}

int vc_set(struct vc *c, int region, uint64_t off, uint32_t val, int len)
{
	int n = vc_write(c, region, off, &val, len);

	return n == len ? 0 : n < 0 ? n : -EIO;
}

int vc_irqs(struct vc *c, unsigned int index, unsigned int flags,
	    unsigned int start, unsigned int count, const void *data)
{
	size_t each = flags & VFIO_IRQ_SET_DATA_EVENTFD ? 4 :
		      flags & VFIO_IRQ_SET_DATA_BOOL ? 1 : 0;
	size_t size = data ? each * count : 0;
	struct vfio_irq_set *set;
	int err = 0;

	set = calloc(1, sizeof(*set) + size);
	if (!set)
		return -ENOMEM;
	set->argsz = sizeof(*set) + size;
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (size)
		memcpy(set->data, data, size);
	if (ioctl(c->dev, VFIO_DEVICE_SET_IRQS, set))
		err = -errno;
	free(set);
	return err;
}

int vc_msix(struct vc *c, unsigned int vector, int fd)
{
	return vc_irqs(c, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_DATA_EVENTFD |
		       VFIO_IRQ_SET_ACTION_TRIGGER, vector, 1, &fd);
}

int vc_command(struct vc *c, uint16_t command)
{
	return vc_set(c, CFG, PCI_COMMAND, command, 2);
}

int vc_reset(struct vc *c)
{
	return ioctl(c->dev, VFIO_DEVICE_RESET) ? -errno : 0;
}

/* --- virtio -------------------------------------------------------------- */

int vc_caps(struct vc *c)
{
	uint8_t at = vc_get(c, CFG, PCI_CAPABILITY_LIST, 1);
	int guard;

	for (guard = 0; at && guard < 48; guard++) {
		uint32_t off = vc_get(c, CFG, at + 8, 4);

		if (vc_get(c, CFG, at, 1) == PCI_CAP_ID_VNDR) {
			switch (vc_get(c, CFG, at + 3, 1)) {
			case VIRTIO_PCI_CAP_COMMON_CFG:
				c->caps.bar = vc_get(c, CFG, at + 4, 1);
				c->caps.common = off;
				break;
			case VIRTIO_PCI_CAP_NOTIFY_CFG:
				c->caps.notify = off;
				c->caps.notify_mul = vc_get(c, CFG, at + 16, 4);
				break;
			case VIRTIO_PCI_CAP_ISR_CFG:
				c->caps.isr = off;
				break;
			case VIRTIO_PCI_CAP_DEVICE_CFG:
				c->caps.device = off;
				break;
			}
		}
		at = vc_get(c, CFG, at + 1, 1);
	}
	return c->caps.notify ? 0 : -ENODEV;
}

static uint32_t com_get(struct vc *c, int off, int len)
{
	return vc_get(c, c->caps.bar, c->caps.common + off, len);
}

static void com_set(struct vc *c, int off, uint32_t val, int len)
{
	vc_set(c, c->caps.bar, c->caps.common + off, val, len);
}

uint8_t vc_status(struct vc *c)
{
	return com_get(c, VIRTIO_PCI_COMMON_STATUS, 1);
}

void vc_set_status(struct vc *c, uint8_t status)
{
	com_set(c, VIRTIO_PCI_COMMON_STATUS, status, 1);
}

static uint64_t ring_off(int queue)
{
	return queue * 0x4000ull;
}

/* Our side of the rings, as a driver that starts has it. */
void vc_ring_init(struct vc *c)
{
	int i;

	for (i = 0; i < VC_QUEUES; i++) {
		uint8_t *p = c->mem + ring_off(i);

		memset(p, 0, 0x4000);
		c->q[i].desc = (void *)p;
		c->q[i].avail = (void *)(p + 0x1000);
		c->q[i].used = (void *)(p + 0x2000);
		c->q[i].next = c->q[i].seen = 0;
	}
}

static void addr_set(struct vc *c, int off, uint64_t val)
{
	com_set(c, off, val, 4);
	com_set(c, off + 4, val >> 32, 4);
}

/* From reset to DRIVER_OK; queue i uses vector i + 1. */
int vc_start(struct vc *c, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	int i;

	vc_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vc_set_status(c, 0);
	vc_set_status(c, status);
	for (i = 0; i < 2; i++) {
		com_set(c, VIRTIO_PCI_COMMON_GFSELECT, i, 4);
		com_set(c, VIRTIO_PCI_COMMON_GF, features >> 32 * i, 4);
	}
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	vc_set_status(c, status);
	if (!(vc_status(c) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EOPNOTSUPP;
	c->features = features;
	vc_ring_init(c);
	for (i = 0; i < VC_QUEUES; i++) {
		uint64_t at = VC_IOVA + ring_off(i);

		com_set(c, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		if (!com_get(c, VIRTIO_PCI_COMMON_Q_SIZE, 2))
			break;
		com_set(c, VIRTIO_PCI_COMMON_Q_SIZE, VC_RING, 2);
		com_set(c, VIRTIO_PCI_COMMON_Q_MSIX, i + 1, 2);
		addr_set(c, VIRTIO_PCI_COMMON_Q_DESCLO, at);
		addr_set(c, VIRTIO_PCI_COMMON_Q_AVAILLO, at + 0x1000);
		addr_set(c, VIRTIO_PCI_COMMON_Q_USEDLO, at + 0x2000);
		com_set(c, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		if (com_get(c, VIRTIO_PCI_COMMON_Q_ENABLE, 2) != 1)
			return -EIO;
	}
	vc_set_status(c, status | VIRTIO_CONFIG_S_DRIVER_OK);
	status = vc_status(c);
	return status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(status & VIRTIO_CONFIG_S_NEEDS_RESET) ? 0 : -EIO;
}

uint64_t vc_slot_iova(int queue, int slot)
{
	return VC_IOVA + 0x100000 + (queue * VC_RING + slot) * VC_SLOT;
}

uint8_t *vc_slot(struct vc *c, int queue, int slot)
{
	return c->mem + (vc_slot_iova(queue, slot) - VC_IOVA);
}

/* One descriptor a chain; the slot is the ring position. */
void vc_add(struct vc *c, int queue, uint64_t iova, uint32_t len, bool write)
{
	struct vc_queue *q = &c->q[queue];
	uint16_t i = q->next % VC_RING;

	q->desc[i] = (struct vring_desc) {
		.addr = iova,
		.len = len,
		.flags = write ? VRING_DESC_F_WRITE : 0,
	};
	q->avail->ring[i] = i;
	__atomic_store_n(&q->avail->idx, ++q->next, __ATOMIC_SEQ_CST);
}

void vc_kick(struct vc *c, int queue)
{
	vc_set(c, c->caps.bar, c->caps.notify + queue * c->caps.notify_mul,
	       queue, 2);
}

/* Wait for one more used entry: its slot, or -ETIMEDOUT. */
int vc_wait_used(struct vc *c, int queue, int ms)
{
	struct vc_queue *q = &c->q[queue];
	uint64_t end = now_ms() + ms;

	while (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->seen) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		usleep(200);
	}
	return q->used->ring[q->seen++ % VC_RING].id;
}

/* One command of a net function's control queue: the answer, or an errno. */
int vc_ctrl(struct vc *c, int queue, uint8_t class, uint8_t cmd,
	    const void *data, size_t len)
{
	struct vc_queue *q = &c->q[queue];
	int i = q->next % VC_RING, k = (i + 1) % VC_RING;
	uint64_t at = vc_slot_iova(queue, i);
	uint8_t *p = vc_slot(c, queue, i);

	p[0] = class;
	p[1] = cmd;
	memcpy(p + 2, data, len);
	p[VC_SLOT - 1] = 0xee;
	vc_add(c, queue, at, len + 2, false);
	/* Not seen before the kick. */
	q->desc[i].flags = VRING_DESC_F_NEXT;
	q->desc[i].next = k;
	q->desc[k] = (struct vring_desc) {
		.addr = at + VC_SLOT - 1, .len = 1, .flags = VRING_DESC_F_WRITE,
	};
	vc_kick(c, queue);
	i = vc_wait_used(c, queue, 20000);
	return i < 0 ? i : p[VC_SLOT - 1];
}

/* --- frames -------------------------------------------------------------- */

int vc_host_open(struct vc *c)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(VC_ETHERTYPE),
	};
	int err;

	/* Its neighbour discovery would eat the receive buffers. */
	netif_silence(c->ifname);
	c->host = socket(AF_PACKET, SOCK_RAW, htons(VC_ETHERTYPE));
	if (c->host < 0)
		return -errno;
	err = netif_flags(c->ifname, IFF_UP | IFF_PROMISC, 0);
	if (err)
		return err;
	sll.sll_ifindex = if_nametoindex(c->ifname);
	if (bind(c->host, (void *)&sll, sizeof(sll)))
		return -errno;
	return 0;
}

int vc_host_wait(struct vc *c, int ms)
{
	return netif_wait(c->ifname, ms);
}

void vc_host_close(struct vc *c)
{
	if (c->host >= 0)
		close(c->host);
	c->host = -1;
}

static void frame_fill(uint8_t *f, uint32_t seq)
{
	int i;

	memset(f, 0xff, 6);
	memset(f + 6, 2, 6);
	f[12] = VC_ETHERTYPE >> 8;
	f[13] = VC_ETHERTYPE & 0xff;
	memcpy(f + 14, &seq, 4);
	for (i = 18; i < 60; i++)
		f[i] = seq + i;
}

static int frame_check(const uint8_t *f, int len, uint32_t *seq)
{
	uint8_t want[60];

	if (len < 60)
		return -EMSGSIZE;
	memcpy(seq, f + 14, 4);
	frame_fill(want, *seq);
	return memcmp(f, want, 60) ? -EBADMSG : 0;
}

/* Guest to host, as far as the ring. */
void vc_tx_add(struct vc *c, uint32_t seq)
{
	int slot = c->q[1].next % VC_RING;
	uint8_t *p = vc_slot(c, 1, slot);

	memset(p, 0, VC_HDR);
	frame_fill(p + VC_HDR, seq);
	vc_add(c, 1, vc_slot_iova(1, slot), VC_HDR + 60, false);
}

/* Kicks, does not wait. */
int vc_tx(struct vc *c, uint32_t seq)
{
	vc_tx_add(c, seq);
	vc_kick(c, 1);
	return 0;
}

int vc_host_recv(struct vc *c, uint32_t *seq, int ms)
{
	struct pollfd p = { .fd = c->host, .events = POLLIN };
	struct sockaddr_ll from;
	socklen_t flen = sizeof(from);
	uint8_t buf[2048];
	ssize_t n;

	do {
		if (poll(&p, 1, ms) <= 0)
			return -ETIMEDOUT;
		n = recvfrom(c->host, buf, sizeof(buf), 0, (void *)&from,
			     &flen);
		if (n < 0)
			return -errno;
	} while (from.sll_pkttype == PACKET_OUTGOING);
	return frame_check(buf, n, seq);
}

/* Make @n receive buffers available. */
int vc_rx_post(struct vc *c, int n)
{
	while (n--) {
		int slot = c->q[0].next % VC_RING;

		vc_add(c, 0, vc_slot_iova(0, slot), VC_SLOT, true);
	}
	vc_kick(c, 0);
	return 0;
}

int vc_host_send(struct vc *c, uint32_t seq)
{
	uint8_t f[60];

	frame_fill(f, seq);
	return send(c->host, f, sizeof(f), MSG_DONTWAIT) == sizeof(f) ? 0 : -errno;
}

/* The next of our frames that came in; others are skipped. */
int vc_rx(struct vc *c, uint32_t *seq, int ms)
{
	uint64_t end = now_ms() + ms;

	for (;;) {
		int slot = vc_wait_used(c, 0, ms);
		uint8_t *f;

		if (slot < 0)
			return slot;
		f = vc_slot(c, 0, slot % VC_RING) + VC_HDR;
		if (f[12] == VC_ETHERTYPE >> 8 && f[13] == (VC_ETHERTYPE & 0xff))
			return frame_check(f, 60, seq);
		if (now_ms() > end)
			return -ETIMEDOUT;
	}
}
