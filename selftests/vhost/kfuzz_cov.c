// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which places of the kernel a thread ran (KCOV). Only what was compiled for
 * it reports, which on the laboratory's debug kernel is trivio alone. The
 * workers report to the thread that made them, by the remote handle that it
 * has when it becomes the owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kcov.h>

#include "kfuzz.h"

#define NODE	"/sys/kernel/debug/kcov"
#define WORDS	(64 << 10)

bool kf_cov_there(void)
{
	return access(NODE, R_OK | W_OK) == 0;
}

int kf_cov_open(struct kf_cov *c)
{
	c->area = NULL;
	c->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return vh_fail(-errno, NODE);
	if (ioctl(c->fd, KCOV_INIT_TRACE, WORDS))
		return vh_fail(-errno, "KCOV_INIT_TRACE");
	c->area = mmap(NULL, WORDS * sizeof(*c->area), PROT_READ | PROT_WRITE,
		       MAP_SHARED, c->fd, 0);
	if (c->area == MAP_FAILED)
		return vh_fail(-errno, "KCOV memory");
	return 0;
}

/* kf_cov_local - what the calling thread runs in the kernel */
int kf_cov_local(struct kf_cov *c)
{
	return ioctl(c->fd, KCOV_ENABLE, KCOV_TRACE_PC) ?
	       vh_fail(-errno, "KCOV_ENABLE") : 0;
}

/* kf_cov_remote - what workers run that the calling thread makes */
int kf_cov_remote(struct kf_cov *c, uint64_t id)
{
	struct kcov_remote_arg a = {
		.trace_mode = KCOV_TRACE_PC, .area_size = WORDS,
		.common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, id),
	};

	return ioctl(c->fd, KCOV_REMOTE_ENABLE, &a) ?
	       vh_fail(-errno, "KCOV_REMOTE_ENABLE") : 0;
}

void kf_cov_clear(struct kf_cov *c)
{
	if (c->area)
		__atomic_store_n(&c->area[0], 0, __ATOMIC_RELAXED);
}

/*
 * kf_cov_merge - put the places into @seen, a table that processes share; how
 * many were new
 */
unsigned int kf_cov_merge(struct kf_cov *c, uint64_t *seen, size_t slots)
{
	unsigned long i, n;
	unsigned int fresh = 0;

	if (!c->area)
		return 0;
	n = __atomic_load_n(&c->area[0], __ATOMIC_RELAXED);
	if (n > WORDS - 1)
		n = WORDS - 1;
	for (i = 1; i <= n; i++) {
		uint64_t pc = c->area[i], was = 0;
		size_t at = (pc * 0x9e3779b97f4a7c15ULL) >> 48;

		for (;; at++) {
			at &= slots - 1;
			was = __atomic_load_n(&seen[at], __ATOMIC_RELAXED);
			if (was == pc)
				break;
			if (was)
				continue;
			if (__atomic_compare_exchange_n(&seen[at], &was, pc,
							false,
							__ATOMIC_RELAXED,
							__ATOMIC_RELAXED)) {
				fresh++;
				break;
			}
			if (was == pc)
				break;
		}
	}
	return fresh;
}

static uint64_t number_in(const char *path)
{
	char text[32] = "0";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return strtoull(text, NULL, 0);
}

/* Places that the compiler marked in a module; 0 if that cannot be told. */
static unsigned long places_of(const char *name, const char *ko)
{
	unsigned long n = 0;
	char cmd[256];
	FILE *p;

	if (access(ko, R_OK))
		return 0;
	snprintf(cmd, sizeof(cmd),
		 "objdump -dr %s 2>/dev/null | grep -c 'sanitizer_cov_trace_pc'",
		 ko);
	p = popen(cmd, "r");
	if (p && fscanf(p, "%lu", &n) != 1)
		n = 0;
	if (p)
		pclose(p);
	return n;
}

/* kf_cov_report - how many places of each module were run */
void kf_cov_report(const uint64_t *seen, size_t slots)
{
	static const struct {
		const char *name, *ko;
	} mod[] = {
		{ "trivio", "../../drivers/core/trivio.ko" },
		{ "trivio_vhost", "../../drivers/vhost/trivio_vhost.ko" },
	};
	unsigned int i, hit;
	size_t k;

	for (i = 0; i < 2; i++) {
		unsigned long all = places_of(mod[i].name, mod[i].ko);
		uint64_t text, core;
		char path[128];

		snprintf(path, sizeof(path), "/sys/module/%s/sections/.text",
			 mod[i].name);
		text = number_in(path);
		snprintf(path, sizeof(path), "/sys/module/%s/coresize",
			 mod[i].name);
		core = number_in(path);
		for (k = 0, hit = 0; k < slots; k++)
			hit += seen[k] >= text && seen[k] < text + core;
		printf("# %s: %u of %lu places run\n", mod[i].name, hit, all);
	}
}
