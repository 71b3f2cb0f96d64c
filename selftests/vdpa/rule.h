/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drivers that break one rule of the specification each, and what the device's
 * checker says of them. rule_ring.c has the rings, rule_blk.c and rule_net.c
 * the cases, rule_test.c runs them.
 */
#ifndef VDPA_RULE_H
#define VDPA_RULE_H

#include <linux/virtio_net.h>

#include "client.h"
#include "vnl.h"

#define RULE_NUM	16
#define RULE_QUEUES	5

#define F(bit)		(1ULL << (bit))
#define F_BASE		(F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_ACCESS_PLATFORM))

#define S_DRIVER	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define S_FEATURES	(S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define S_LIVE		(S_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK)

#define D_NEXT		VRING_DESC_F_NEXT
#define D_WRITE		VRING_DESC_F_WRITE
#define D_TABLE		VRING_DESC_F_INDIRECT

/* A queue's rings; free memory for data is behind those of all queues. */
#define RING_AT(q)	((q) * 0x3000UL)
#define DATA		(RING_AT(RULE_QUEUES) + 0x1000)

/**
 * struct dev - a device under test
 * @name: of the device
 * @c: client of its node
 * @packed: layout of the rings in use
 * @skew: added to the address of the descriptors
 * @kick: eventfd of each queue
 * @avail: split: avail index of each queue
 */
struct dev {
	const char *name;
	struct client c;
	bool packed;
	size_t skew;
	int kick[RULE_QUEUES];
	uint16_t avail[RULE_QUEUES];
};

/**
 * struct rule_case - one broken rule
 * @rule: its name, or NULL: a driver that breaks none
 * @section: as it is to be reported
 * @run: breaks it; nonzero if that could not be done
 */
struct rule_case {
	const char *rule;
	const char *section;
	int (*run)(struct dev *d);
};

extern const struct rule_case rule_blk[], rule_blk_ro[], rule_net[];
extern const int rule_blk_nr, rule_blk_ro_nr, rule_net_nr;

int dev_file(const char *dev, const char *file, const char *text);
int dev_read(const char *dev, const char *file, char *buf, size_t len);

int dev_open(struct dev *d, const char *name);
int dev_features(struct dev *d, uint64_t features);
int dev_queue(struct dev *d, unsigned int q, bool enable);
int dev_start(struct dev *d, uint64_t features, unsigned int queues);
int dev_stop(struct dev *d);

/* Descriptors at any address: the test's memory begins at CLIENT_IOVA. */
void desc(struct dev *d, unsigned int q, unsigned int i, uint64_t addr,
	  uint32_t len, uint16_t flags, uint16_t next);
void table(struct dev *d, size_t at, unsigned int i, uint64_t addr,
	   uint32_t len, uint16_t flags, uint16_t next);
void offer(struct dev *d, unsigned int q, uint16_t head);
void pdesc(struct dev *d, unsigned int q, unsigned int slot, uint64_t addr,
	   uint32_t len, uint16_t id, uint16_t flags);
void kick(struct dev *d, unsigned int q);
void pause_ms(unsigned int ms);

#define IOVA(off)	(CLIENT_IOVA + (off))

static inline uint8_t *at(struct dev *d, size_t off)
{
	return d->c.mem + off;
}

#endif /* VDPA_RULE_H */
