/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of vhost-bench share: one case, one result, the table. */
#ifndef TRIVIO_VHOST_BENCH_H
#define TRIVIO_VHOST_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct vh_dev;
struct vh_opts;

/* Devices that one case drives in turn. */
#define BENCH_DEVS_MAX	64

enum bench_dir { BENCH_TX, BENCH_RX };
enum bench_sink { SINK_STACK, SINK_XDP };

/**
 * struct bench_case - what is measured
 * @node: device node
 * @ndevs: vhost-vdpa devices, a batch each in turn; 0: @node is a vhost-net one
 * @vdpa: their nodes
 * @netif: their host interfaces
 * @dir: which way the packets go
 * @sink: TX: the host stack throws them away, or XDP_DROP on the tap does
 * @packed: ring format
 * @in_order: acknowledge IN_ORDER
 * @len: frame bytes
 * @batch: packets per kick
 * @ring: ring size
 * @regions: memory regions
 * @spread: visit packet buffers so that neighbours lie in other regions
 * @packets: of one round
 * @rounds: the cheapest one counts
 */
struct bench_case {
	const char *node;
	unsigned int ndevs;
	const char *vdpa[BENCH_DEVS_MAX];
	const char *netif[BENCH_DEVS_MAX];
	enum bench_dir dir;
	enum bench_sink sink;
	bool packed;
	bool in_order;
	unsigned int len;
	unsigned int batch;
	unsigned int ring;
	unsigned int regions;
	bool spread;
	unsigned int packets;
	unsigned int rounds;
};

/**
 * struct bench_result - per packet, of the cheapest round
 * @total: ns on the clock (under icount with one CPU: all instructions)
 * @worker: ns in the device's worker threads
 * @kicks: kicks of that round
 * @calls: calls of that round
 */
struct bench_result {
	double total;
	double worker;
	double kicks;
	double calls;
};

int bench_vdpa_open(struct vh_dev *d, const struct vh_opts *o);
int bench_vdpa_start(struct vh_dev *d);
int bench_run(const struct bench_case *c, struct bench_result *r);
int bench_table(const char *node, const char *ref, unsigned int packets,
		unsigned int rounds, const char *only, FILE *json);

#endif
