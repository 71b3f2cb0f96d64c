// SPDX-License-Identifier: GPL-2.0-only
/*
 * diff_fuzz: made-up scripts of ioctls, IOTLB messages and block requests on the
 * kernel's vDPA simulator and on ours, both behind vhost_vdpa. Results, errno,
 * what is read, the used ring, statuses, data and calls have to agree. A script
 * that tells them apart is made as short as it can be and printed, ready for
 * --replay.
 *
 * Left out, because the two were made to differ (Documentation/vdpa.rst): steps
 * of device status that do not follow from the last, address spaces that only
 * ours has, the position while the device runs and after a reset, requests of no
 * or of part of a sector, several ranges in one request, and layouts without a
 * header or a status.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "../lib/dice.h"
#include "../lib/files.h"
#include "kselftest.h"
#include "sim.h"
#include "vdiff.h"
#include "vnl.h"

#define SIM		"tvsim0"
#define OURS		"tvours0"
#define PROFILE		VDPA_PROFILES OURS
#define STEPS		30
#define SCRIPTS		40	/* without --seconds */
#define MOST		256	/* steps of a script */

#define S_DRIVER	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define S_FEATURES	(S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define S_OK		(S_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK)

static uint64_t rng = 1;
static uint64_t common;		/* features that both have */
static char path[2][64];

static uint64_t rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return n ? (rng >> 11) % n : 0;
}

static struct vd_op op(enum vd_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	return (struct vd_op){ kind, a, b, c };
}

/* ---- scripts ---- */

/* What the script has done so far decides what may follow. */
struct gen {
	struct vd_op o[MOST];
	unsigned int n;
	unsigned int fixed;	/* steps of the set-up: they stay */
	bool suspended;
	bool on;
};

static void emit(struct gen *g, struct vd_op o)
{
	if (g->n < MOST)
		g->o[g->n++] = o;
}

static uint64_t some(void)
{
	static const uint64_t v[] = {
		0, 1, 2, 3, 8, 255, 256, 512, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0xffffffff,
	};

	return v[rnd(sizeof(v) / sizeof(v[0]))];
}

/* From a reset to a device that serves. */
static void start(struct gen *g, uint64_t base)
{
	emit(g, op(V_MAP, MAP_NONE, 0, 0));
	emit(g, op(V_STATUS, 0, 0, 0));
	emit(g, op(V_MAP, MAP_ALL, 0, 0));
	emit(g, op(V_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE, 0, 0));
	emit(g, op(V_STATUS, S_DRIVER, 0, 0));
	emit(g, op(V_FEATURES, common, 0, 0));
	emit(g, op(V_STATUS, S_FEATURES, 0, 0));
	emit(g, op(V_NUM, 0, rnd(3) ? 256 : 64, 0));
	emit(g, op(V_BASE, base, 0, 0));
	emit(g, op(V_ADDR, 0, 0, 0));
	emit(g, op(V_FD, FD_KICK, FD_GOOD, 0));
	emit(g, op(V_FD, FD_CALL, FD_GOOD, 0));
	emit(g, op(V_ENABLE, 1, 0, 0));
	emit(g, op(V_STATUS, S_OK, 0, 0));
	g->suspended = false;
	g->on = true;
}

static struct vd_op some_blk(void)
{
	static const uint64_t end[] = {
		VD_CAPACITY - 1, VD_CAPACITY, VD_CAPACITY - 2, 1ULL << 54,
		1ULL << 55, 1ULL << 63, ~0ULL, ~0ULL - 7,
	};
	uint64_t n = 1 + rnd(20), at = rnd(VD_PLAY - n), shape = rnd(16) << 8;

	if (rnd(8) == 0) {
		at = end[rnd(8)];
		n = 1 + rnd(2);
	}
	shape |= rnd(3) ? 0 : rnd(4) << 12;
	switch (rnd(12)) {
	case 0: case 1: case 2:
		return op(V_BLK, VIRTIO_BLK_T_OUT, at, shape | n);
	case 3: case 4: case 5:
		return op(V_BLK, VIRTIO_BLK_T_IN, at, shape | n);
	case 6:
		return op(V_BLK, VIRTIO_BLK_T_FLUSH, 0, shape);
	case 7:
		return op(V_BLK, VIRTIO_BLK_T_GET_ID, 0, shape);
	case 8:
		/* What it leaves behind is not said: nobody reads there. */
		return op(V_BLK, VIRTIO_BLK_T_DISCARD,
			  at < VD_PLAY ? at + 0x10000 : at,
			  shape | n | rnd(4) << 16);
	case 9: case 10:
		return op(V_BLK, VIRTIO_BLK_T_WRITE_ZEROES, at,
			  shape | n | rnd(4) << 16);
	default:
		return op(V_BLK, rnd(2) ? 99 : rnd(1u << 20) + 20, 0, shape);
	}
}

/* Steps that are refused, or only ask. */
static struct vd_op some_call(const struct gen *g)
{
	static const uint64_t bad_num[] = { 0, 3, 512, 65535, 65536, 255 };
	static const uint64_t bad_status[] = { 1, 3, 8, 0xb, 7, 4 };

	switch (rnd(14)) {
	case 0: case 1: case 2:
		return op(V_GET, rnd(9), 0, 0);
	case 3:
		return op(V_NUM, rnd(4) ? 0 : 1 + rnd(~0U), bad_num[rnd(6)], 0);
	case 4:
		return op(V_BASE, g->suspended ? 0x10000 + rnd(9) : some(), 0,
			  0);
	case 5:
		return g->suspended ? op(V_GET, 8, 0, 0) :
				      op(V_ADDR, rnd(3) ? 0 : some(),
					 rnd(3), rnd(3) ? 0 : rnd(4));
	case 6:
		return op(V_FD, rnd(4), FD_CLOSED + rnd(2),
			  rnd(4) ? 0 : 1 + some());
	case 7:
		return op(V_FD, rnd(2), FD_GOOD, 0);
	case 8:
		return op(V_FD, rnd(2) ? FD_ERR : FD_CONFIG, FD_NONE, 0);
	case 9:
		return op(rnd(3) ? V_CONFIG : V_SET_CONFIG, rnd(2) ? 0 : some(),
			  rnd(2) ? 8 : some(), 0);
	case 10:
		return op(V_ASID, rnd(2) ? some() | 4 : 0, some() | 4, 0);
	case 11:
		/*
		 * Before it runs only steps that may be taken. Told S_OK again
		 * the simulator forgets that it is suspended.
		 */
		return op(V_STATUS, (rnd(3) || g->suspended ?
				     bad_status[rnd(6)] : S_OK) &
			  (g->on ? ~0U : S_DRIVER), 0, 0);
	case 12:
		if (rnd(2))
			return op(V_BFEATURES, 1ULL << rnd(64) &
				  ~(1ULL << VHOST_BACKEND_F_DESC_ASID), 0, 0);
		return op(V_FEATURES, !g->on || rnd(2) ? common :
			  1ULL << rnd(64), 0, 0);
	default:
		return op(V_UNKNOWN, 0xaf80 + rnd(64), rnd(1000), 0);
	}
}

static void some_step(struct gen *g)
{
	switch (rnd(16)) {
	case 0: case 1: case 2: case 3:
		emit(g, some_call(g));
		break;
	case 4:
		emit(g, op(V_MSG, rnd(MSG_KINDS), rnd(1000), 0));
		break;
	case 5:
		emit(g, op(V_MAP, rnd(2) ? MAP_EXTRA : MAP_NO_EXTRA, 0, 0));
		break;
	case 6:
		g->suspended = !g->suspended;
		emit(g, op(g->suspended ? V_SUSPEND : V_RESUME, 0, 0, 0));
		break;
	case 7:
		/* Off and on again, with nothing in between that waits. */
		if (g->suspended)
			break;
		emit(g, op(V_ENABLE, 0, 0, 0));
		emit(g, op(V_ENABLE, 1, 0, 0));
		break;
	case 8:
		emit(g, op(V_NOCALL, rnd(2), 0, 0));
		break;
	default:
		emit(g, some_blk());
	}
}

/* How it ends; after each of these it has to begin again. */
static void finish(struct gen *g)
{
	if (g->suspended) {
		emit(g, op(V_RESUME, 0, 0, 0));
		g->suspended = false;
	}
	switch (rnd(4)) {
	case 0:
		emit(g, op(V_BAD, rnd(BAD_KINDS), rnd(70000), 0));
		start(g, rnd(1000));
		break;
	case 1:
		emit(g, op(V_SUSPEND, 0, 0, 0));
		emit(g, op(V_GET_BASE, 0, 0, 0));
		start(g, VD_SAVED);
		break;
	case 2:
		emit(g, op(V_STATUS, S_OK | VIRTIO_CONFIG_S_FAILED, 0, 0));
		start(g, 0xffff);
		break;
	default:
		return;
	}
	emit(g, op(V_BLK, VIRTIO_BLK_T_IN, 0, 8 | 3 << 12));
}

static void script(struct gen *g)
{
	static const uint64_t bases[] = { 0, 0, 1, 300, 0x7fff, 0xfffe };
	uint64_t known = 1ULL << VHOST_BACKEND_F_IOTLB_MSG_V2 |
			 1ULL << VHOST_BACKEND_F_IOTLB_BATCH |
			 1ULL << VHOST_BACKEND_F_IOTLB_ASID;
	unsigned int len = 4 + rnd(STEPS);

	memset(g, 0, sizeof(*g));
	if (rnd(6) == 0) {
		/* Nobody owns it yet. */
		emit(g, op(V_OPEN, 0, 0, 0));
		while (rnd(4))
			emit(g, rnd(3) ? some_call(g) :
					op(V_MSG, rnd(MSG_KINDS), 0, 0));
	}
	emit(g, op(V_OPEN, 1, 0, 0));
	if (rnd(3) == 0)
		known |= 1ULL << VHOST_BACKEND_F_IOTLB_PERSIST;
	emit(g, op(V_BFEATURES, known, 0, 0));
	start(g, bases[rnd(6)]);
	/* Both disks alike where they are read. */
	emit(g, op(V_BLK, VIRTIO_BLK_T_WRITE_ZEROES, 0, 128));
	emit(g, op(V_BLK, VIRTIO_BLK_T_WRITE_ZEROES, 128, 128));
	g->fixed = g->n;
	while (len-- && g->n < MOST - 40)
		some_step(g);
	finish(g);
}

/* ---- the comparison ---- */

static bool same(const struct vd_res *a, const struct vd_res *b)
{
	return a->ret == b->ret && a->val == b->val && a->used == b->used &&
	       a->ids == b->ids && a->status == b->status &&
	       a->called == b->called;
}

static int say(char *s, size_t size, const char *who, const struct vd_res *r)
{
	return snprintf(s, size, "%s: %d, value %#llx, %u used (%#llx, status %#llx)%s",
			who, r->ret, (unsigned long long)r->val, r->used,
			(unsigned long long)r->ids,
			(unsigned long long)r->status,
			r->called ? ", called" : "");
}

/*
 * run - both nodes through a script: 0, 1 if they differ (at a step of kind
 * @kind), or -errno
 */
static int run(const struct vd_op *o, unsigned int n, enum vd_kind *kind,
	       char *why, size_t size)
{
	struct vd_node node[2];
	struct vd_res res[2];
	char line[96];
	unsigned int i, k;
	int r = 0, at;

	for (k = 0; k < 2; k++)
		if (vd_node_open(&node[k], path[k]))
			return -errno;
	for (i = 0; i < n && !r; i++) {
		for (k = 0; k < 2; k++)
			vd_step(&node[k], &o[i], &res[k]);
		r = !same(&res[0], &res[1]);
		if (!r && node[0].fd < 0)
			r = -ENODEV;
		if (!r && memcmp(node[0].mem + VD_DATA, node[1].mem + VD_DATA,
				 VD_MEM - VD_DATA))
			r = 2;
		if (r <= 0)
			continue;
		*kind = o[i].kind;
		vd_print(line, sizeof(line), &o[i]);
		at = snprintf(why, size, "step %u, %s%s\n#   ", i, line,
			      r == 2 ? ": other data" : "");
		at += say(why + at, size - at, "simulator", &res[0]);
		at += snprintf(why + at, size - at, "\n#   ");
		say(why + at, size - at, "ours", &res[1]);
		r = 1;
	}
	for (k = 0; k < 2; k++)
		vd_node_close(&node[k]);
	return r;
}

/*
 * Drop steps behind the set-up as long as the two still differ, at the same kind
 * of step: a script that does not make sense any more differs for a duller reason.
 */
static void shrink(struct gen *g, enum vd_kind kind, char *why, size_t size)
{
	static struct vd_op t[MOST];
	unsigned int chunk, i;
	enum vd_kind at;

	for (chunk = g->n / 2; chunk; chunk /= 2) {
		for (i = g->fixed; i + chunk <= g->n;) {
			memcpy(t, g->o, i * sizeof(*t));
			memcpy(&t[i], &g->o[i + chunk],
			       (g->n - i - chunk) * sizeof(*t));
			if (run(t, g->n - chunk, &at, why, size) == 1 &&
			    at == kind) {
				g->n -= chunk;
				memcpy(g->o, t, g->n * sizeof(*t));
			} else {
				i += chunk;
			}
		}
	}
	run(g->o, g->n, &at, why, size);
}

static void show(const struct gen *g)
{
	char line[128];
	unsigned int i;

	ksft_print_msg("script, for --replay:\n");
	for (i = 0; i < g->n; i++) {
		vd_print(line, sizeof(line), &g->o[i]);
		printf("#   %s\n", line);
	}
}

/* ---- devices ---- */

static int common_find(void)
{
	uint64_t f;
	int k, fd;

	common = ~0ULL;
	for (k = 0; k < 2; k++) {
		fd = open(path[k], O_RDWR | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, VHOST_GET_FEATURES, &f))
			return -errno;
		close(fd);
		common &= f;
	}
	return 0;
}

static int devices_make(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &lim);
	return vdev_profile(OURS) ?:
	       put(PROFILE "/capacity", "128M") ?:
	       put(PROFILE "/queues", "1") ?:
	       put(PROFILE "/queue_max", "256") ?:
	       put(PROFILE "/use_va", "1") ?:
	       put(PROFILE "/serial", "vdpa_blk_sim") ?:
	       vdev_add(SIM, "vdpasim_blk", NULL) ?:
	       vdev_add(OURS, "trivio_blk", NULL) ?:
	       vdev_bind(SIM, path[0], sizeof(path[0])) ?:
	       vdev_bind(OURS, path[1], sizeof(path[1])) ?: common_find();
}

static void devices_end(void)
{
	if (vdev_del(SIM, 60) | vdev_del(OURS, 60) | vdev_profile_end(OURS) |
	    system("rmmod vdpa_sim_blk vdpa_sim"))
		ksft_print_msg("the devices did not go\n");
}

/* ---- main ---- */

static void replay(const char *file)
{
	static struct gen g;
	char line[256], why[512] = "";
	FILE *f = fopen(file, "r");
	enum vd_kind at;
	char *p;
	int r;

	while (f && g.n < MOST && fgets(line, sizeof(line), f)) {
		for (p = line; *p == '#' || *p == ' '; p++)
			;
		g.n += vd_parse(p, &g.o[g.n]);
	}
	if (f)
		fclose(f);
	r = g.n ? run(g.o, g.n, &at, why, sizeof(why)) : -ENOENT;
	if (r)
		ksft_print_msg("%s: %d %s\n", file, r, why);
	ksft_test_result(!r, "replay of %u steps\n", g.n);
}

static void fuzz(const struct dice_args *a)
{
	time_t end = time(NULL) + (a->seconds ?: 120);
	unsigned int runs = 0, steps = 0;
	static struct gen g;
	char why[512] = "";
	enum vd_kind at;
	int r = 0;

	rng = a->seed * 0x9e3779b97f4a7c15ULL | 1;
	while (!r && time(NULL) < end && (a->seconds || runs < SCRIPTS)) {
		script(&g);
		r = run(g.o, g.n, &at, why, sizeof(why));
		runs++;
		steps += g.n;
	}
	ksft_print_msg("seed %llu: %u scripts, %u steps, features %#llx\n",
		       (unsigned long long)a->seed, runs, steps,
		       (unsigned long long)common);
	if (r < 0)
		ksft_print_msg("%s\n", strerror(-r));
	if (r == 1) {
		ksft_print_msg("%s\n", why);
		shrink(&g, at, why, sizeof(why));
		ksft_print_msg("shortest: %s\n", why);
		show(&g);
	}
	ksft_test_result(!r && runs, "random scripts agree\n");
}

static const struct sim_test test = {
	.doc = "Random scripts on the kernel's vDPA simulator and on ours, compared.",
	.what = "blk", .make = devices_make, .end = devices_end,
	.replay = replay, .fuzz = fuzz,
};

int main(int argc, char **argv)
{
	sim_main(argc, argv, &test);
}
