/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small user-space vhost client: the driver side of one virtio-net queue
 * pair (split and packed rings), the vhost messages that set it up, a tap
 * with a packet socket at its other end, and traffic that checks itself.
 * It talks to any node that speaks the vhost-net UAPI, so the same program
 * runs against the in-tree device and against trivio.
 *
 * Functions return 0 or a negative errno unless said otherwise; what failed
 * is kept as text in vh_why(). Nothing here is thread safe: one thread uses
 * one device, except where a test says so. Everything is little endian.
 */
#ifndef TRIVIO_SELFTEST_VHOST_H
#define TRIVIO_SELFTEST_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif

#define VH_BIT(n)	(1ULL << (n))
#define VH_RX		0	/* queue 0 of a pair: device to driver */
#define VH_TX		1	/* queue 1: driver to device */
#define VH_HDR_MAX	12	/* struct virtio_net_hdr_mrg_rxbuf */
#define VH_ETHERTYPE	0x88b5	/* IEEE 802 local experimental 1 */

/* IN_ORDER is missing in the 6.1 headers of Debian 12. */
#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER	35
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET	40
#endif

/* What most tests start from; add bits to it. */
#define VH_BASIC (VH_BIT(VIRTIO_F_VERSION_1) | VH_BIT(VIRTIO_NET_F_MRG_RXBUF))
#define VH_USUAL (VH_BASIC | VH_BIT(VIRTIO_RING_F_EVENT_IDX) | \
		  VH_BIT(VIRTIO_RING_F_INDIRECT_DESC))

/* Guest addresses start here, so that a mixed-up address is never valid. */
#define VH_GPA_BASE	0x40000000ULL

/**
 * struct vh_mem - guest memory: one shared mapping, announced as regions
 * @base: where it is in this process
 * @size: bytes
 * @brk: bytes given out so far
 * @fd: the memfd behind it
 * @regions: parts it is announced in; guest addresses go on across them
 */
struct vh_mem {
	uint8_t *base;
	size_t size;
	size_t brk;
	int fd;
	unsigned int regions;
};

/** struct vh_buf - one descriptor's worth of guest memory */
struct vh_buf {
	uint64_t addr;
	uint32_t len;
	bool write;
};

/**
 * struct vh_used - one chain that came back
 * @token: what vh_add() was given
 * @len: bytes written, as the device says
 * @skipped: IN_ORDER: the device wrote no entry for this one; @len is 0
 */
struct vh_used {
	uint64_t token;
	uint32_t len;
	bool skipped;
};

struct vh_id {
	uint64_t token;
	uint16_t ndesc;
	uint16_t next;
};

/**
 * struct vh_ring - driver side of one ring; tests may touch every field
 * @desc: split descriptors; NULL when packed
 * @pdesc: packed descriptors; NULL when split
 * @drv_ev: packed: written by us, when the device shall call
 * @dev_ev: packed: written by the device, when it wants a kick
 * @next_avail: split: free running; packed: position
 * @last_used: likewise
 * @kicked: split: avail index at the last kick decision
 * @held: packed: position of the head not yet published, or -1
 */
struct vh_ring {
	struct vh_mem *mem;
	unsigned int index;
	unsigned int size;
	bool packed;
	bool event_idx;
	bool in_order;

	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *pdesc;
	struct vring_packed_desc_event *drv_ev;
	struct vring_packed_desc_event *dev_ev;

	uint16_t next_avail;
	uint16_t last_used;
	uint16_t kicked;
	bool avail_wrap;
	bool used_wrap;
	int held;
	uint16_t held_flags;
	unsigned int batch;	/* packed: descriptors since the last kick */

	struct vh_id *ids;
	uint16_t free_head;
	uint16_t free_tail;
	unsigned int nfree;	/* descriptors */
	unsigned int nids;	/* ids in the free list */
	uint16_t *order;	/* IN_ORDER: ids in the order made available */
	unsigned int order_head;
	unsigned int order_count;
	int in_order_end;	/* id that ends the batch being reported, or -1 */
	uint32_t in_order_len;

	struct vring_desc *tables;	/* indirect tables, one per id */
	unsigned int table_len;

	uint8_t *slots;		/* packet buffers, one per id */
	size_t slot_size;
	uint8_t *slot_busy;
	unsigned int slot_hint;

	int kick;
	int call;
	int err;
};

/**
 * struct vh_opts - how to make a device; zero means the usual
 * @node: device node; NULL is vh_node()
 * @features: acknowledged as they are; -EOPNOTSUPP when one is not offered
 * @size: ring size of both queues (256)
 * @rx_size: receive ring size when it differs
 * @regions: memory regions (1)
 * @mem_size: guest memory in bytes (enough for the rings and slots)
 * @slot_size: packet buffer size (2048)
 * @table_len: entries of an indirect table (20)
 * @start: first avail index; packed: position, bit 15 is the wrap counter
 * @no_base: do not send SET_VRING_BASE (packed clients exist that never do)
 * @dpdk_base: packed: send the high half of the base as 0
 * @iotlb: memory is told by IOTLB updates, not by the table
 * @kthread: served by kernel threads, not by threads of this process
 */
struct vh_opts {
	const char *node;
	uint64_t features;
	unsigned int size;
	unsigned int rx_size;
	unsigned int regions;
	size_t mem_size;
	size_t slot_size;
	unsigned int table_len;
	uint16_t start;
	bool no_base;
	bool dpdk_base;
	bool iotlb;
	bool kthread;
};

/** struct vh_dev - one open vhost node with its memory and its two rings */
struct vh_dev {
	int fd;
	uint64_t features;
	uint64_t backend_features;
	unsigned int hdr_len;
	struct vh_opts opts;
	struct vh_mem mem;
	struct vh_ring ring[2];
	pid_t tasks[64];	/* threads before SET_OWNER */
	unsigned int ntasks;
};

/** struct vh_tap - a tap, up, silent, and a packet socket that sees it */
struct vh_tap {
	char name[16];
	int fd;
	int sock;
	int ifindex;
};

/* Flags of vh_tap_open(). */
#define VH_TAP_MQ	1u	/* IFF_MULTI_QUEUE */
#define VH_TAP_GSO	2u	/* take GSO frames; the socket speaks vnet headers */
#define VH_TAP_NAPI	4u	/* IFF_NAPI */
#define VH_TAP_NOSOCK	8u	/* no packet socket */

/**
 * struct vh_shape - how traffic looks
 * @count: frames
 * @len: bytes of a frame, from 22 (Ethernet header and sequence number)
 * @batch: frames per kick (16)
 * @segs: descriptors of a chain (1)
 * @first: bytes of the first descriptor when @segs > 1 (the vnet header)
 * @indirect: one ring descriptor, the chain in a table
 * @rx_buf: bytes of a receive buffer (the slot)
 * @random: lengths vary from 60 to @len
 * @poll: never wait for a call, look at the ring
 */
struct vh_shape {
	unsigned int count;
	unsigned int len;
	unsigned int batch;
	unsigned int segs;
	unsigned int first;
	bool indirect;
	unsigned int rx_buf;
	bool random;
	bool poll;
};

/* vhost.c: the device */
const char *vh_node(void);
const char *vh_ref_node(void);
const char *vh_why(void);
int vh_fail(int err, const char *fmt, ...)
	__printf(2, 3);

int vh_mem_init(struct vh_mem *m, size_t size, unsigned int regions);
void vh_mem_free(struct vh_mem *m);
void *vh_alloc(struct vh_mem *m, size_t size, size_t align);
uint64_t vh_gpa(const struct vh_mem *m, const void *p);
void *vh_hva(const struct vh_mem *m, uint64_t gpa);
int vh_mem_table(int fd, const struct vh_mem *m);

int vh_open(struct vh_dev *d, const struct vh_opts *o);
int vh_attach(struct vh_dev *d, const char *node);
void vh_close(struct vh_dev *d);
int vh_ring_addr(struct vh_dev *d, unsigned int q, bool log);
int vh_ring_setup(struct vh_dev *d, unsigned int q);
int vh_backend(struct vh_dev *d, unsigned int q, int fd);
int vh_start(struct vh_dev *d, int fd);
int vh_stop(struct vh_dev *d);
int vh_get_base(struct vh_dev *d, unsigned int q, uint32_t *base);
int vh_set_base(struct vh_dev *d, unsigned int q, uint32_t base);
uint32_t vh_ring_base(const struct vh_ring *r);
int vh_ioctl(int fd, unsigned long req, void *arg);

int vh_iotlb_send(int fd, bool v2, const struct vhost_iotlb_msg *m);
int vh_iotlb_map(struct vh_dev *d, uint64_t iova, size_t size, void *p,
		 uint8_t perm);
int vh_iotlb_map_all(struct vh_dev *d);
int vh_iotlb_unmap(struct vh_dev *d, uint64_t iova, size_t size);
int vh_iotlb_read(struct vh_dev *d, struct vhost_iotlb_msg *m, int timeout_ms);

unsigned int vh_workers(struct vh_dev *d, pid_t *tids, unsigned int max);
uint64_t vh_task_ns(pid_t tid);
void vh_settle(struct vh_dev *d);

/* vhost_ring.c: the rings */
size_t vh_ring_bytes(const struct vh_opts *o, unsigned int size);
int vh_ring_init(struct vh_ring *r, struct vh_mem *m, unsigned int index,
		 unsigned int size, uint64_t features,
		 const struct vh_opts *o);
void vh_ring_rewind(struct vh_ring *r, uint16_t start);
void vh_ring_free(struct vh_ring *r);
int vh_add(struct vh_ring *r, const struct vh_buf *b, unsigned int n,
	   bool indirect, uint64_t token);
void vh_publish(struct vh_ring *r);
bool vh_kick_wanted(struct vh_ring *r);
void vh_kick(struct vh_ring *r);
bool vh_publish_kick(struct vh_ring *r);
bool vh_get_used(struct vh_ring *r, struct vh_used *u);
bool vh_more_used(const struct vh_ring *r);
void vh_call_off(struct vh_ring *r);
bool vh_call_on(struct vh_ring *r, unsigned int after);
int vh_wait_fd(int fd, int timeout_ms);
int vh_wait_used(struct vh_ring *r, int timeout_ms);
uint64_t vh_drain(int fd);
uint8_t *vh_slot_get(struct vh_ring *r, unsigned int *slot);
void vh_slot_put(struct vh_ring *r, unsigned int slot);
uint8_t *vh_slot(struct vh_ring *r, unsigned int slot);

/* vhost_net.c: taps and traffic */
int vh_tap_open(struct vh_tap *t, unsigned int flags, unsigned int hdr_len);
int vh_tap_queue(const struct vh_tap *t, unsigned int flags,
		 unsigned int hdr_len);
void vh_tap_close(struct vh_tap *t);
int vh_link(const char *name, bool up);
int vh_sock_open(const char *name, bool vnet_hdr);
int vh_sock_proto(const char *name, unsigned int proto, bool vnet_hdr);
void vh_frame_fill(uint8_t *f, unsigned int len, uint64_t seq);
int vh_frame_check(const uint8_t *f, unsigned int len, uint64_t *seq);
unsigned int vh_shape_len(const struct vh_shape *s, uint64_t seq);

int vh_tx_post(struct vh_dev *d, const struct vh_shape *s, uint64_t seq);
int vh_tx_reap(struct vh_dev *d, unsigned int *done);
int vh_tx_check(struct vh_dev *d, struct vh_tap *t, const struct vh_shape *s,
		uint64_t seq);
int vh_rx_post(struct vh_dev *d, const struct vh_shape *s, unsigned int max);
int vh_rx_frame(struct vh_dev *d, uint8_t *frame, unsigned int room,
		struct virtio_net_hdr_mrg_rxbuf *hdr, int timeout_ms);
int vh_rx_check(struct vh_dev *d, struct vh_tap *t, const struct vh_shape *s,
		uint64_t seq);
int vh_both_check(struct vh_dev *d, struct vh_tap *t, unsigned int count);

/* vhost_net.c: what the kernel says meanwhile */
int vh_kmsg_open(void);
int vh_kmsg_scan(int fd, unsigned int *lines);
int vh_ns_enter(void);

/* vhost_show.c: what the device counts */
char *vh_trivio(const char *args);
uint64_t vh_json_number(const char *json, const char *key);
const char *vh_json_queue(const char *json, unsigned int q);
int vh_device_name(pid_t pid, char *buf, size_t size);

#endif
