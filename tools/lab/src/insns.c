// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU TCG plugin: counts executed instructions by the address of their block. Not a
 * sample: each block adds its length to a counter of its own whenever it runs.
 *
 * The machine inside says when, by files in a folder that both see (argument dir=):
 *
 *	insns.ready	there from the start
 *	insns.begin	made by the machine: counters to 0, then the file is removed
 *	insns.end	made by the machine: counts go to insns.out, then it is removed
 *	insns.out	a line for each address: address (hexadecimal) instructions times
 *
 * One processor only, as "lab bench" has it: translated code adds without a lock.
 */
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu_plugin.h"

#define EXPORT	__attribute__((visibility("default")))
#define POLL_US	1000

/* Addresses that are told apart: far more than a run has. */
#define SLOTS		1000000
#define HASH_BITS	22
#define HASH_MASK	((size_t)(1 << HASH_BITS) - 1)

EXPORT int qemu_plugin_version = 1;

/**
 * struct slot - what ran at an address
 * @vaddr: address of the block
 * @insns: instructions
 * @times: blocks
 */
struct slot {
	uint64_t vaddr;
	uint64_t insns;
	uint64_t times;
};

static struct slot *slots;	/* @used of them, without a gap: soon copied */
static struct slot *shot;	/* as they were when the count ended */
static uint32_t *hash;		/* number of the slot, plus 1 */
static unsigned long used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* @used, @hash, all vaddr */
static char dir[PATH_MAX - 16];

/* NULL if the table is full: such a block is not counted. */
static struct slot *slot_of(uint64_t vaddr)
{
	size_t i = (vaddr * 0x9e3779b97f4a7c15ULL) >> (64 - HASH_BITS);

	while (hash[i] && slots[hash[i] - 1].vaddr != vaddr)
		i = (i + 1) & HASH_MASK;
	if (!hash[i]) {
		if (used == SLOTS)
			return NULL;
		slots[used].vaddr = vaddr;
		hash[i] = ++used;
	}
	return &slots[hash[i] - 1];
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct slot *s;

	(void)id;
	pthread_mutex_lock(&lock);
	s = slot_of(qemu_plugin_tb_vaddr(tb));
	pthread_mutex_unlock(&lock);
	if (!s)
		return;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &s->insns,
						 qemu_plugin_tb_n_insns(tb));
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &s->times, 1);
}

static void begin(void)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < used; i++) {
		slots[i].insns = 0;
		slots[i].times = 0;
	}
	pthread_mutex_unlock(&lock);
}

static void end(void)
{
	char path[PATH_MAX];
	size_t i, n;
	FILE *f;

	/* The machine runs on. */
	pthread_mutex_lock(&lock);
	n = used;
	memcpy(shot, slots, n * sizeof(*slots));
	pthread_mutex_unlock(&lock);
	snprintf(path, sizeof(path), "%s/insns.out", dir);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		return;
	}
	for (i = 0; i < n; i++)
		if (shot[i].insns)
			fprintf(f, "%016lx %lu %lu\n", shot[i].vaddr, shot[i].insns,
				shot[i].times);
	if (fclose(f))
		perror(path);
}

static void obey(const char *word, void (*what)(void))
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/insns.%s", dir, word);
	if (access(path, F_OK))
		return;
	what();
	unlink(path);
}

static void *watch(void *arg)
{
	for (;;) {
		usleep(POLL_US);
		obey("begin", begin);
		obey("end", end);
	}
	return arg;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
			       char **argv)
{
	char path[PATH_MAX];
	pthread_t thread;
	FILE *f;
	int i;

	(void)info;
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "dir=", 4))
			snprintf(dir, sizeof(dir), "%s", argv[i] + 4);
	if (!dir[0]) {
		fprintf(stderr, "insns: say where with dir=FOLDER\n");
		return -1;
	}
	slots = calloc(SLOTS, sizeof(*slots));
	shot = calloc(SLOTS, sizeof(*shot));
	hash = calloc(HASH_MASK + 1, sizeof(*hash));
	if (!slots || !shot || !hash || pthread_create(&thread, NULL, watch, NULL)) {
		fprintf(stderr, "insns: no memory or thread\n");
		return -1;
	}
	pthread_detach(thread);
	snprintf(path, sizeof(path), "%s/insns.ready", dir);
	f = fopen(path, "w");
	if (!f || fclose(f)) {
		perror(path);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
