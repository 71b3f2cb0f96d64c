/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step of a vhost client as data: so a sequence can be run on two nodes
 * and its results laid side by side, be made up at random, be made shorter,
 * and be written down and replayed.
 */
#ifndef TRIVIO_SELFTEST_DIFF_OPS_H
#define TRIVIO_SELFTEST_DIFF_OPS_H

#include "vhost.h"

enum diff_kind {
	D_OWNER, D_RESET_OWNER, D_FEATURES, D_GET_FEATURES, D_BFEATURES,
	D_GET_BFEATURES, D_MEM, D_NUM, D_BASE, D_GET_BASE, D_ADDR, D_KICK_FD,
	D_CALL_FD, D_ERR_FD, D_BUSYLOOP, D_GET_BUSYLOOP, D_ENDIAN,
	D_GET_ENDIAN, D_LOG_BASE, D_LOG_FD, D_BACKEND, D_NEW_WORKER,
	D_FREE_WORKER, D_ATTACH, D_GET_WORKER, D_FORK_OWNER,
	D_GET_FORK_OWNER, D_IOTLB, D_IOTLB_RAW, D_READ, D_POLL, D_UNKNOWN,
	D_TX, D_RX_POST, D_RX_SEND, D_SYNC, D_BAD_CHAIN, D_BAD_ARG,
	D_READ_WAIT, D_USED_IDX, D_AVAIL_FLAGS, D_KINDS
};

/* Where a step runs. */
#define D_IN_CHILD	1u	/* in a forked process: another mm */

/**
 * struct diff_op - one step
 * @kind: what
 * @q: vring index where one is needed
 * @a: first argument: a value, or which of the prepared objects
 * @b: second argument
 * @flags: D_IN_CHILD
 */
struct diff_op {
	enum diff_kind kind;
	unsigned int q;
	uint64_t a;
	uint64_t b;
	unsigned int flags;
};

/** struct diff_res - what a step gave: 0 or -errno, and what was read */
struct diff_res {
	int ret;
	uint64_t val[6];
};

/* Memory tables: argument of D_MEM. */
enum { MEM_ONE, MEM_FOUR, MEM_64, MEM_65, MEM_NONE, MEM_PADDING, MEM_OVERLAP,
       MEM_SIZE0, MEM_GPA_WRAPS, MEM_KERNEL, MEM_NULL, MEM_UNMAPPED,
       MEM_ODD, MEM_ALL, MEM_KINDS };

/* Ring addresses: argument of D_ADDR. */
enum { ADDR_OK, ADDR_LOG, ADDR_AVAIL_ODD, ADDR_USED_ODD, ADDR_LOG_ODD,
       ADDR_FLAGS, ADDR_NULL, ADDR_KERNEL, ADDR_TOP, ADDR_UNMAPPED,
       ADDR_DESC_ODD, ADDR_IOVA, ADDR_OTHER, ADDR_ARG_NULL, ADDR_KINDS };

/* Log bitmaps: argument of D_LOG_BASE. */
enum { LOG_OK, LOG_NULL, LOG_KERNEL, LOG_TOP, LOG_UNMAPPED, LOG_ARG_NULL,
       LOG_KINDS };

/* File descriptors: argument of every step that takes one. */
enum { FD_NONE, FD_EVENT, FD_EVENT2, FD_CLOSED, FD_REGULAR, FD_UDP, FD_UNIX,
       FD_SELF, FD_TUN, FD_TAP, FD_PACKET, FD_PACKET_DGRAM, FD_NULL, FD_PIPE,
       FD_MINUS2, FD_MACVTAP, FD_IPVTAP, FD_KINDS };

/* Arguments that cannot be read: argument b of D_BAD_ARG, a is the ioctl. */
enum { ARG_NULL, ARG_KERNEL, ARG_HALF, ARG_KINDS };

/* Argument b of D_TX and D_RX_POST: chains in tables; without a kick. */
#define B_INDIRECT	VH_BIT(32)
#define B_NO_KICK	VH_BIT(33)

/* IOTLB messages: argument a of D_IOTLB; b is 1 for v1, 2 for v2. */
enum { IOTLB_ALL, IOTLB_DROP_ALL, IOTLB_SIZE0, IOTLB_WRAP, IOTLB_WORLD,
       IOTLB_RO, IOTLB_KERNEL, IOTLB_MISS, IOTLB_FAIL, IOTLB_TYPE0,
       IOTLB_TYPE99, IOTLB_BATCH, IOTLB_ASID, IOTLB_PAGE, IOTLB_PERM0,
       IOTLB_DROP_PAGE, IOTLB_UWRAP, IOTLB_KINDS };

/* Chains no driver makes: argument of D_BAD_CHAIN. */
enum { BAD_HEAD, BAD_NEXT, BAD_LOOP, BAD_ADDR, BAD_TABLE_LEN, BAD_NESTED,
       BAD_TABLE_LOOP, BAD_IDX, BAD_OUT_AFTER_IN, BAD_SHORT, BAD_EMPTY,
       BAD_WRITE, BAD_KINDS };

/** struct diff_ctx - one node with everything the steps may refer to */
struct diff_ctx {
	struct vh_dev d;
	struct vh_tap tap;
	uint8_t *log;
	size_t log_size;
	void *unmapped;
	void *edge;		/* the last four bytes of a page */
	int fds[FD_KINDS];
	unsigned int worker;	/* the last one made */
	uint64_t acked;
	uint64_t tx_seq;
	uint64_t rx_seq;
};

int diff_open(struct diff_ctx *c, const char *node);
void diff_close(struct diff_ctx *c);
void diff_run(struct diff_ctx *c, const struct diff_op *op,
	      struct diff_res *r);
const char *diff_allowed(const struct diff_op *op, const struct diff_res *ref,
			 const struct diff_res *got);
void diff_print(char *buf, size_t size, const struct diff_op *op);
int diff_parse(const char *text, struct diff_op *op);
int diff_sequence(const char *ref, const char *dut, const struct diff_op *ops,
		  unsigned int n, char *why, size_t size);

#endif
