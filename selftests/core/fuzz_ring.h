/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The input of the ring fuzzers, as world_seed() writes it from the unit tests:
 *
 *	u8 features (W_*), u8 size - 1, u8 descriptors a chain - 1, u32 state
 *	then steps: u8 op, operands as below
 */
#ifndef SELFTESTS_CORE_FUZZ_RING_H
#define SELFTESTS_CORE_FUZZ_RING_H

enum {
	OP_POP,			/* */
	OP_PUSH,		/* u8 which, u32 written */
	OP_FLUSH,		/* */
	OP_CALL,		/* */
	OP_KICK_OFF,		/* */
	OP_KICK_ON,		/* */
	OP_UNPOP,		/* */
	OP_STORE,		/* u8 area, u16 offset, u16 bytes, bytes */
	OP_HOOK,		/* u8 read, u64 flip: at a later read */
	OP_PARK,		/* u8 errno of memory reads, 0 for none */
	OP_LOG,			/* u8 on */
	OP_RESTART,		/* u8 how */
	OP_OFFER,		/* u16 how many more chains the index says */
	OP_ONE,			/* u16 id, u64 address, u32 length, u16 flags */
	OP_NR,
};

/* Area of OP_STORE that is guest memory, where indirect tables may lie. */
#define AREA_TABLE	3
#define TABLE_ADDR	0x10000ULL
#define TABLE_BYTES	4096

#define FUZZ_NUM_MAX	64

#endif
