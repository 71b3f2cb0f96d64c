// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same sequences of messages, proper and improper, on in-tree vhost_net
 * and on ours: return values, errno and what is read back have to agree. The
 * few differences that are meant are in diff_allowed(), each with its reason.
 */
#include "common.h"
#include "diff_ops.h"

#define USUAL	VH_USUAL
#define DIFF(...) do {							\
	static const struct diff_op ops_[] = { __VA_ARGS__ };		\
	compare(_metadata, ops_, sizeof(ops_) / sizeof(ops_[0]));	\
} while (0)

static void compare(struct __test_metadata *_metadata,
		    const struct diff_op *ops, unsigned int n)
{
	char why[512] = "";
	int r;

	r = diff_sequence(vh_ref_node(), vh_node(), ops, n, why, sizeof(why));
	ASSERT_LE(0, r) TH_LOG("set-up: %s", vh_why());
	ASSERT_EQ(0, r) TH_LOG("%s", why);
}

FIXTURE(diff) {
	int unused;
};

FIXTURE_SETUP(diff)
{
	self->unused = 0;
	if (access(vh_ref_node(), F_OK))
		SKIP(return, "%s is needed to compare with", vh_ref_node());
	OK(vh_ns_enter());
}

FIXTURE_TEARDOWN(diff)
{
}

/* A device set up as QEMU does, without its backend. */
#define SETUP_Q(i)							\
	{ D_NUM, i, 16 }, { D_BASE, i, 0 }, { D_ADDR, i, ADDR_OK },	\
	{ D_KICK_FD, i, FD_EVENT }, { D_CALL_FD, i, FD_EVENT2 }
#define SETUP								\
	{ D_OWNER }, { D_FEATURES, 0, USUAL }, { D_MEM, 0, MEM_ONE },	\
	SETUP_Q(0), SETUP_Q(1)
#define RUN	{ D_BACKEND, 0, FD_TAP }, { D_BACKEND, 1, FD_TAP }

/* Every message, as it is, in whatever state the device is then. */
static const struct diff_op every[] = {
	{ D_GET_FEATURES }, { D_FEATURES, 0, USUAL }, { D_GET_BFEATURES },
	{ D_BFEATURES, 0, 2 }, { D_BFEATURES, 0, 0 }, { D_MEM, 0, MEM_ONE },
	{ D_LOG_BASE, 0, LOG_OK }, { D_LOG_FD, 0, FD_EVENT },
	{ D_LOG_FD, 0, FD_NONE }, { D_NUM, 0, 16 }, { D_BASE, 0, 0 },
	{ D_GET_BASE, 0 }, { D_GET_BASE, 1 }, { D_ADDR, 0, ADDR_OK },
	{ D_ADDR, 1, ADDR_OK }, { D_KICK_FD, 0, FD_EVENT },
	{ D_CALL_FD, 0, FD_EVENT2 }, { D_ERR_FD, 0, FD_EVENT2 },
	{ D_ERR_FD, 0, FD_NONE }, { D_BUSYLOOP, 0, 50 },
	{ D_GET_BUSYLOOP, 0 }, { D_GET_BUSYLOOP, 1 }, { D_ENDIAN, 0, 0 },
	{ D_GET_ENDIAN, 0 }, { D_BACKEND, 0, FD_NONE },
	{ D_BACKEND, 1, FD_NONE }, { D_NEW_WORKER }, { D_GET_WORKER, 0 },
	{ D_GET_FORK_OWNER }, { D_FORK_OWNER, 0, 1 },
	{ D_IOTLB, 0, IOTLB_ALL, 1 }, { D_IOTLB, 0, IOTLB_ALL, 2 },
	{ D_IOTLB_RAW, 0, 72, 2 }, { D_IOTLB_RAW, 0, 3, 1 },
	{ D_READ, 0, 72 }, { D_POLL }, { D_UNKNOWN, 0, 0x5401 },
	{ D_UNKNOWN, 0, 0xaf7f }, { D_UNKNOWN, 0, VHOST_VDPA_GET_STATUS },
	{ D_UNKNOWN, 0, 0x4008afff }, { D_UNKNOWN, 0, 0 },
};

#define N_EVERY	(sizeof(every) / sizeof(every[0]))

/* @before, then each message alone; and again as another process. */
static void each(struct __test_metadata *_metadata,
		 const struct diff_op *before, unsigned int n, bool child)
{
	struct diff_op ops[40];
	unsigned int i;

	memcpy(ops, before, n * sizeof(*ops));
	for (i = 0; i < N_EVERY; i++) {
		ops[n] = every[i];
		ops[n].flags = child ? D_IN_CHILD : 0;
		/* And does the device still say the same of itself? */
		ops[n + 1] = (struct diff_op){ D_GET_BASE, 0 };
		ops[n + 2] = (struct diff_op){ D_GET_FEATURES };
		compare(_metadata, ops, n + 3);
	}
}

TEST_F_TIMEOUT(diff, I01_before_owner, LONG)
{
	each(_metadata, NULL, 0, false);
}

TEST_F_TIMEOUT(diff, I01_after_owner, LONG)
{
	static const struct diff_op b[] = { { D_OWNER } };

	each(_metadata, b, 1, false);
}

TEST_F_TIMEOUT(diff, I01_after_reset_owner, LONG)
{
	static const struct diff_op b[] = { SETUP, RUN, { D_RESET_OWNER } };

	each(_metadata, b, sizeof(b) / sizeof(b[0]), false);
}

TEST_F_TIMEOUT(diff, I01_from_another_process, LONG)
{
	static const struct diff_op b[] = { SETUP };

	each(_metadata, b, sizeof(b) / sizeof(b[0]), true);
}

TEST_F_TIMEOUT(diff, every_message_when_set_up, LONG)
{
	static const struct diff_op b[] = { SETUP };

	each(_metadata, b, sizeof(b) / sizeof(b[0]), false);
}

TEST_F_TIMEOUT(diff, every_message_when_running, LONG)
{
	static const struct diff_op b[] = { SETUP, RUN };

	each(_metadata, b, sizeof(b) / sizeof(b[0]), false);
}

TEST_F_TIMEOUT(diff, every_message_with_iotlb, LONG)
{
	static const struct diff_op b[] = {
		{ D_OWNER }, { D_BFEATURES, 0, 2 },
		{ D_FEATURES, 0, USUAL | VH_BIT(33) }, { D_MEM, 0, MEM_ONE },
	};

	each(_metadata, b, 4, false);
}

TEST_F(diff, owner)
{
	DIFF({ D_OWNER }, { D_OWNER }, { D_RESET_OWNER }, { D_RESET_OWNER },
	     { D_OWNER }, { D_OWNER, .flags = D_IN_CHILD },
	     { D_RESET_OWNER, .flags = D_IN_CHILD }, { D_MEM, 0, MEM_ONE });
	DIFF({ D_FORK_OWNER, 0, 0 }, { D_GET_FORK_OWNER }, { D_OWNER },
	     { D_FORK_OWNER, 0, 1 }, { D_GET_FORK_OWNER }, { D_RESET_OWNER },
	     { D_FORK_OWNER, 0, 1 }, { D_GET_FORK_OWNER });
	DIFF({ D_FORK_OWNER, 0, 2 }, { D_FORK_OWNER, 0, 255 },
	     { D_GET_FORK_OWNER });
}

TEST_F_TIMEOUT(diff, features, LONG)
{
	struct diff_op ops[8] = { { D_OWNER } };
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		ops[1] = (struct diff_op){ D_FEATURES, 0, VH_BIT(bit) };
		ops[2] = (struct diff_op){ D_FEATURES, 0, USUAL | VH_BIT(bit) };
		ops[3] = (struct diff_op){ D_BFEATURES, 0, VH_BIT(bit) };
		ops[4] = (struct diff_op){ D_GET_BFEATURES };
		ops[5] = (struct diff_op){ D_FEATURES, 0, 0 };
		compare(_metadata, ops, 6);
	}
}

TEST_F(diff, I09_features_while_running)
{
	DIFF(SETUP, RUN, { D_FEATURES, 0, USUAL | VH_BIT(33) },
	     { D_FEATURES, 0, USUAL }, { D_FEATURES, 0, USUAL | VH_BIT(33) },
	     { D_GET_BASE, 0 }, { D_FEATURES, 0, 0 },
	     { D_BACKEND, 0, FD_NONE }, { D_BACKEND, 1, FD_NONE });
	DIFF(SETUP, { D_LOG_BASE, 0, LOG_OK }, RUN,
	     { D_FEATURES, 0, USUAL | VH_BIT(26) }, { D_TX, 0, 4, 200 },
	     { D_FEATURES, 0, USUAL }, { D_TX, 0, 4, 200 });
	DIFF(SETUP, RUN, { D_FEATURES, 0, USUAL | VH_BIT(26) });
	DIFF(SETUP, RUN, { D_FEATURES, 0, USUAL & ~MRG },
	     { D_FEATURES, 0, USUAL & ~EVENT }, { D_TX, 0, 4, 200 },
	     { D_FEATURES, 0, VH_BIT(63) }, { D_TX, 0, 4, 200 });
}

TEST_F_TIMEOUT(diff, I06_memory_tables, LONG)
{
	struct diff_op stopped[] = { SETUP, { D_MEM }, RUN, { D_TX, 0, 3, 50 },
				     { D_GET_BASE, 1 } };
	struct diff_op live[] = { SETUP, RUN, { D_MEM }, { D_TX, 0, 3, 50 },
				  { D_MEM, 0, MEM_ONE }, { D_GET_BASE, 0 } };
	unsigned int k;

	for (k = 0; k < MEM_KINDS; k++) {
		stopped[13].a = k;
		live[15].a = k;
		/*
		 * Announced, but it faults: in tree the queue is stuck on the
		 * chain for ever, ours drops the chain and goes on.
		 */
		stopped[16].a = k == MEM_UNMAPPED || k == MEM_ALL ? 0 : 3;
		compare(_metadata, stopped, 18);
		/* Without proper memory the worker finds only errors. */
		if (k == MEM_NONE || k >= MEM_PADDING)
			live[16].a = 0;
		else
			live[16].a = 3;
		compare(_metadata, live, 19);
	}
}

TEST_F_TIMEOUT(diff, I02_I03_I04_numbers, LONG)
{
	static const uint64_t nums[] = {
		0, 1, 2, 3, 15, 16, 17, 255, 256, 1024, 16384, 32768, 32769,
		65535, 65536, 65537, 0x80000000, 0xffffffff, 0x8000, 0x18000,
	};
	static const unsigned int idx[] = {
		0, 1, 2, 3, 0x10000, 0x10001, 0x7fffffff, 0xffffffff,
	};
	static const enum diff_kind kinds[] = {
		D_NUM, D_BASE, D_GET_BASE, D_ADDR, D_KICK_FD, D_CALL_FD,
		D_ERR_FD, D_BUSYLOOP, D_GET_BUSYLOOP, D_ENDIAN, D_GET_ENDIAN,
		D_BACKEND,
	};
	struct diff_op ops[20] = { { D_OWNER } };
	unsigned int i, k;

	for (i = 0; i < 20; i++) {
		ops[1] = (struct diff_op){ D_NUM, 0, nums[i] };
		ops[2] = (struct diff_op){ D_BASE, 0, nums[i] };
		ops[3] = (struct diff_op){ D_GET_BASE, 0 };
		ops[4] = (struct diff_op){ D_BUSYLOOP, 0, nums[i] };
		ops[5] = (struct diff_op){ D_GET_BUSYLOOP, 0 };
		compare(_metadata, ops, 6);
	}
	for (i = 0; i < 8; i++)
		for (k = 0; k < 12; k++) {
			ops[1] = (struct diff_op){ kinds[k], idx[i], 0 };
			compare(_metadata, ops, 2);
		}
	DIFF(SETUP, RUN, { D_NUM, 0, 32 }, { D_NUM, 1, 0 }, { D_BASE, 0, 3 },
	     { D_BASE, 1, 70000 }, { D_GET_BASE, 0 }, { D_GET_BASE, 1 });
	/* A base that does not fit the ring's content. */
	DIFF(SETUP, { D_BASE, 1, 5 }, RUN, { D_GET_BASE, 1 });
}

TEST_F_TIMEOUT(diff, R32_ring_addresses, LONG)
{
	struct diff_op stopped[] = { SETUP, { D_ADDR, 1 }, RUN,
				     { D_GET_BASE, 1 } };
	struct diff_op live[] = { SETUP, RUN, { D_ADDR, 1 },
				  { D_GET_BASE, 1 }, { D_ADDR, 1, ADDR_OK } };
	unsigned int k;

	for (k = 0; k < ADDR_KINDS; k++) {
		stopped[13].a = k;
		live[15].a = k;
		compare(_metadata, stopped, 17);
		compare(_metadata, live, 18);
	}
}

TEST_F_TIMEOUT(diff, I10_I12_files, LONG)
{
	static const enum diff_kind kinds[] = {
		D_KICK_FD, D_CALL_FD, D_ERR_FD, D_LOG_FD, D_BACKEND,
	};
	struct diff_op ops[] = { SETUP, { D_OWNER }, { D_OWNER }, { D_OWNER } };
	struct diff_op live[] = { SETUP, RUN, { D_OWNER }, { D_OWNER } };
	unsigned int i, k;

	for (k = 0; k < FD_KINDS; k++)
		for (i = 0; i < 5; i++) {
			ops[13] = (struct diff_op){ kinds[i], 1, k };
			ops[14] = ops[13];
			ops[15] = (struct diff_op){ kinds[i], 1, FD_NONE };
			compare(_metadata, ops, 16);
			live[15] = ops[13];
			live[16] = ops[15];
			compare(_metadata, live, 17);
		}
}

TEST_F_TIMEOUT(diff, M02_log_base, LONG)
{
	struct diff_op ops[] = {
		SETUP, { D_LOG_BASE }, { D_FEATURES, 0, USUAL | VH_BIT(26) },
		{ D_ADDR, 1, ADDR_LOG }, RUN, { D_LOG_BASE },
		{ D_LOG_BASE, 0, LOG_OK }, { D_TX, 0, 2, 100 },
	};
	unsigned int k;

	for (k = 0; k < LOG_KINDS; k++) {
		ops[13].a = k;
		ops[18].a = k;
		/*
		 * A log that cannot be written: in tree goes on and loses the
		 * page, ours stops the queue and says so. No traffic, then.
		 */
		compare(_metadata, ops, k == LOG_OK ? 21 : 20);
	}
}

TEST_F_TIMEOUT(diff, I07_iotlb_messages, LONG)
{
	struct diff_op ops[] = {
		{ D_OWNER }, { D_BFEATURES, 0, 2 },
		{ D_FEATURES, 0, USUAL | VH_BIT(33) }, { D_MEM, 0, MEM_ONE },
		{ D_IOTLB }, { D_IOTLB }, { D_READ, 0, 72 }, { D_POLL },
	};
	unsigned int k, v;

	for (v = 1; v <= 2; v++)
		for (k = 0; k < IOTLB_KINDS; k++) {
			ops[1].a = v == 2 ? 2 : 0;
			ops[4] = (struct diff_op){ D_IOTLB, 0, k, v };
			ops[5] = (struct diff_op){ D_IOTLB, 0, k, 3 - v };
			compare(_metadata, ops, 8);
			/* And without ACCESS_PLATFORM. */
			ops[2].a = USUAL;
			compare(_metadata, ops, 8);
			ops[2].a = USUAL | VH_BIT(33);
		}
}

TEST_F_TIMEOUT(diff, I07_short_and_odd_writes, LONG)
{
	struct diff_op ops[] = {
		{ D_OWNER }, { D_BFEATURES }, { D_FEATURES, 0,
		  USUAL | VH_BIT(33) }, { D_IOTLB_RAW }, { D_READ, 0, 72 },
	};
	unsigned int len, type;

	for (type = 0; type < 4; type++)
		for (len = 0; len < 90; len += len < 76 && len > 66 ? 1 : 4) {
			ops[1].a = type & 2;
			ops[3] = (struct diff_op){ D_IOTLB_RAW, 0, len, type };
			compare(_metadata, ops, 5);
		}
}

TEST_F_TIMEOUT(diff, K01_reads_of_messages, LONG)
{
	struct diff_op ops[] = {
		{ D_OWNER }, { D_BFEATURES, 0, 2 },
		{ D_FEATURES, 0, USUAL | VH_BIT(33) }, { D_MEM, 0, MEM_ONE },
		{ D_NUM, 1, 16 }, { D_ADDR, 1, ADDR_IOVA },
		/*
		 * Only now the memory: in tree a bind before it is EFAULT, ours
		 * asks by a MISS and waits.
		 */
		{ D_KICK_FD, 1, FD_EVENT }, { D_POLL },
		{ D_IOTLB, 0, IOTLB_ALL, 2 }, { D_BACKEND, 1, FD_TAP },
		{ D_IOTLB, 0, IOTLB_DROP_ALL, 2 }, { D_TX, 0, 2, 100 },
		{ D_POLL }, { D_READ, 0, 0 }, { D_READ, 0, 72 },
	};
	static const unsigned int lens[] = { 0, 1, 8, 40, 71, 72, 73, 200 };
	unsigned int i;

	for (i = 0; i < 8; i++) {
		ops[13].a = lens[i];
		compare(_metadata, ops, 15);
	}
}

TEST_F_TIMEOUT(diff, traffic_and_bad_chains, LONG)
{
	struct diff_op bad[] = { SETUP, { D_ERR_FD, 1, FD_EVENT2 }, RUN,
				 { D_TX, 0, 5, 100 }, { D_BAD_CHAIN },
				 { D_BACKEND, 1, FD_NONE }, { D_GET_BASE, 1 } };
	unsigned int k;

	DIFF(SETUP, RUN, { D_TX, 0, 16, 100 }, { D_TX, 0, 5, 0x0c020100 },
	     { D_RX_POST, 0, 8, 500 }, { D_RX_SEND, 0, 4, 100 },
	     { D_RX_SEND, 0, 4, 1200 }, { D_RX_POST, 0, 16, 500 },
	     { D_BACKEND, 0, FD_NONE }, { D_BACKEND, 1, FD_NONE },
	     { D_GET_BASE, 0 }, { D_GET_BASE, 1 });
	/* The others end differently by decision: see hostile_ring_test. */
	for (k = 0; k <= BAD_TABLE_LOOP; k++) {
		bad[17].a = k;
		compare(_metadata, bad, 20);
	}
}

/* Every ioctl of the UAPI with an argument that faults, at once or halfway. */
static void bad_args(struct __test_metadata *_metadata,
		     const struct diff_op *before, unsigned int n)
{
	static const uint64_t reqs[] = {
		VHOST_GET_FEATURES, VHOST_SET_FEATURES,
		VHOST_GET_BACKEND_FEATURES, VHOST_SET_BACKEND_FEATURES,
		VHOST_SET_MEM_TABLE, VHOST_SET_LOG_BASE, VHOST_SET_LOG_FD,
		VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR,
		VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE,
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
		VHOST_SET_VRING_ERR, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
		VHOST_GET_VRING_BUSYLOOP_TIMEOUT, VHOST_SET_VRING_ENDIAN,
		VHOST_GET_VRING_ENDIAN, VHOST_NET_SET_BACKEND,
		VHOST_SET_FORK_FROM_OWNER, VHOST_GET_FORK_FROM_OWNER,
		VHOST_SET_OWNER,
	};
	struct diff_op ops[40];
	unsigned int i, k;

	memcpy(ops, before, n * sizeof(*ops));
	for (i = 0; i < sizeof(reqs) / sizeof(reqs[0]); i++) {
		for (k = 0; k < ARG_KINDS; k++)
			ops[n + k] = (struct diff_op){ D_BAD_ARG, 0, reqs[i],
						       k };
		ops[n + k] = (struct diff_op){ D_GET_BASE, 0 };
		ops[n + k + 1] = (struct diff_op){ D_GET_FEATURES };
		compare(_metadata, ops, n + k + 2);
	}
}

TEST_F_TIMEOUT(diff, I05_arguments_that_fault, LONG)
{
	static const struct diff_op set_up[] = { SETUP };
	static const struct diff_op running[] = { SETUP, RUN };

	bad_args(_metadata, NULL, 0);
	bad_args(_metadata, set_up, sizeof(set_up) / sizeof(set_up[0]));
	bad_args(_metadata, running, sizeof(running) / sizeof(running[0]));
}

/* Clients rely on it: what waits is served at the bind, kicked or not. */
TEST_F(diff, bind_serves_without_a_kick)
{
	DIFF(SETUP, { D_TX, 0, 5, 100 | B_NO_KICK }, RUN, { D_SYNC },
	     { D_GET_BASE, 1 });
	DIFF(SETUP, { D_RX_POST, 0, 8, 500 }, { D_RX_SEND, 0, 3, 100 }, RUN,
	     { D_SYNC }, { D_BACKEND, 0, FD_NONE }, { D_GET_BASE, 0 });
	DIFF(SETUP, RUN, { D_TX, 0, 3, 100 }, { D_BACKEND, 1, FD_NONE },
	     { D_TX, 0, 4, 100 | B_NO_KICK }, { D_GET_BASE, 1 },
	     { D_BACKEND, 1, FD_TAP }, { D_SYNC }, { D_GET_BASE, 1 });
}

/* The used index is the ring's, whatever the device wrote there last. */
TEST_F(diff, bind_takes_the_used_index_from_the_ring)
{
	DIFF(SETUP, { D_USED_IDX, 1, 7 }, { D_USED_IDX, 0, 65534 }, RUN,
	     { D_TX, 0, 3, 100 }, { D_RX_POST, 0, 8, 500 },
	     { D_RX_SEND, 0, 4, 100 }, { D_GET_BASE, 1 });
	DIFF(SETUP, RUN, { D_TX, 0, 3, 100 }, { D_BACKEND, 1, FD_NONE },
	     { D_USED_IDX, 1, 100 }, { D_BACKEND, 1, FD_TAP },
	     { D_TX, 0, 3, 100 }, { D_GET_BASE, 1 });
}

/* MSI-X masking and queue reset swap these under traffic. */
TEST_F(diff, eventfds_change_while_running)
{
	DIFF(SETUP, RUN, { D_TX, 0, 2, 100 }, { D_CALL_FD, 1, FD_NONE },
	     { D_TX, 0, 2, 100 }, { D_CALL_FD, 1, FD_EVENT2 },
	     { D_TX, 0, 2, 100 }, { D_CALL_FD, 1, FD_REGULAR },
	     { D_TX, 0, 2, 100 });
	/* A kick that was given while none listened counts when one does. */
	DIFF(SETUP, RUN, { D_KICK_FD, 1, FD_NONE }, { D_TX, 0, 2, 100 },
	     { D_SYNC }, { D_KICK_FD, 1, FD_EVENT }, { D_SYNC },
	     { D_TX, 0, 2, 100 }, { D_GET_BASE, 1 });
}

TEST_F_TIMEOUT(diff, notify_on_empty, LONG)
{
	static const uint64_t sets[] = {
		VH_BASIC, VH_BASIC | VH_BIT(VIRTIO_F_NOTIFY_ON_EMPTY),
		VH_USUAL, VH_USUAL | VH_BIT(VIRTIO_F_NOTIFY_ON_EMPTY),
	};
	struct diff_op ops[] = {
		SETUP, RUN, { D_AVAIL_FLAGS, 1, 1 }, { D_TX, 0, 3, 100 },
		{ D_AVAIL_FLAGS, 1, 0 }, { D_TX, 0, 3, 100 },
	};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		ops[1].a = sets[i];
		compare(_metadata, ops, 19);
	}
}

/* Bit 27: the socket has no headers, the device strips and adds them. */
TEST_F(diff, headers_of_the_device)
{
	DIFF({ D_OWNER }, { D_FEATURES, 0, USUAL | VH_BIT(27) },
	     { D_MEM, 0, MEM_ONE }, SETUP_Q(0), SETUP_Q(1),
	     { D_BACKEND, 1, FD_PACKET }, { D_TX, 0, 6, 200 },
	     { D_TX, 0, 6, 0x0c020100 }, { D_BACKEND, 1, FD_NONE },
	     { D_GET_BASE, 1 });
}

/* A read that may wait does not where no message can ever come. */
TEST_F(diff, K01_waiting_reads)
{
	DIFF({ D_READ_WAIT, 0, 72 }, { D_READ_WAIT, 0, 8 }, { D_OWNER },
	     { D_READ_WAIT, 0, 72 }, { D_FEATURES, 0, USUAL },
	     { D_READ_WAIT, 0, 200 }, { D_READ_WAIT, 0, 71 });
}

TEST_F(diff, M02_log_that_does_not_fit_while_running)
{
	DIFF(SETUP, RUN, { D_LOG_BASE, 0, LOG_KERNEL },
	     { D_FEATURES, 0, USUAL | VH_BIT(26) }, { D_GET_BASE, 0 },
	     { D_LOG_BASE, 0, LOG_OK }, { D_FEATURES, 0, USUAL | VH_BIT(26) },
	     { D_LOG_BASE, 0, LOG_TOP }, { D_LOG_BASE, 0, LOG_KERNEL },
	     { D_ADDR, 1, ADDR_LOG }, { D_TX, 0, 3, 100 },
	     { D_FEATURES, 0, USUAL }, { D_ADDR, 1, ADDR_OK },
	     { D_TX, 0, 3, 100 });
}

TEST_HARNESS_MAIN
