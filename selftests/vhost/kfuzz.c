// SPDX-License-Identifier: GPL-2.0-only
/*
 * kfuzz: coverage-guided fuzzing of the running module, from user space.
 *
 * Each process has a device; one thread of it owns the device and collects
 * what the workers run, two execute a program's steps at the same time and
 * collect what their calls run. A program that reaches a new place joins the
 * corpus that all processes share. The last programs are kept in a file that
 * outlives the kernel; --replay runs such a file.
 *
 * The judge: the kernel's log, KASAN and lockdep (which end the run), closing
 * in time, and an innocent device that must go on carrying packets.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kfuzz.h"
#include "kselftest.h"

#define PROCS_MAX	8
#define CORPUS		4096
#define SLOTS		(1 << 16)	/* places of the kernel, hashed */
#define KEPT		16		/* programs in the file */
#define KEPT_SIZE	4096
#define CLOSE_MS	20000

/* What the processes share. */
struct shared {
	uint64_t seen[SLOTS];
	uint32_t ncorpus;
	uint32_t lock;
	uint64_t runs[PROCS_MAX];
	uint64_t alive_ms[PROCS_MAX];
	uint64_t calls;
	bool stop;
	struct kf_prog corpus[CORPUS];
};

static struct shared *sh;

struct args {
	unsigned int seconds;
	unsigned int procs;
	uint64_t seed;
	const char *replay;
	unsigned int repeat;
};

/* One process. */
struct fuzzer {
	struct kf_env env;
	struct kf_cov cov[1 + KF_THREADS];
	struct kf_prog prog;
	pthread_barrier_t begin;
	pthread_barrier_t owned;
	pthread_barrier_t end;
	pthread_t thread[KF_THREADS];
	unsigned int id;
	bool last;
	int keep;
};

struct runner {
	struct fuzzer *f;
	unsigned int id;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* ---- running a program ---- */

static void *runner_main(void *arg)
{
	struct runner *r = arg;
	struct fuzzer *f = r->f;
	unsigned int i;

	if (kf_cov_there())
		kf_cov_local(&f->cov[1 + r->id]);
	for (;;) {
		pthread_barrier_wait(&f->begin);
		if (f->last)
			return NULL;
		if (r->id == 0)
			f->env.fd = open(vh_node(), O_RDWR | O_CLOEXEC |
					 O_NONBLOCK);
		pthread_barrier_wait(&f->owned);
		pthread_barrier_wait(&f->owned);
		for (i = 0; i < f->prog.n; i++)
			if (f->prog.op[i].thread == r->id)
				kf_step(&f->env, &f->prog.op[i]);
		pthread_barrier_wait(&f->end);
		if (r->id == 0 && f->env.fd >= 0)
			close(f->env.fd);
		pthread_barrier_wait(&f->end);
	}
}

/* A crash leaves no time to say what did it: it is written down before. */
static void keep(struct fuzzer *f, uint64_t run)
{
	static char text[KEPT_SIZE];
	size_t n;

	if (f->keep < 0)
		return;
	n = snprintf(text, sizeof(text), "\n# run %llu\n",
		     (unsigned long long)run);
	n += kf_write(&f->prog, text + n, sizeof(text) - n - 1);
	memset(text + n, '\n', sizeof(text) - n);
	if (pwrite(f->keep, text, sizeof(text),
		   run % KEPT * sizeof(text)) < 0)
		f->keep = -1;
}

/* run_one - the fuzzer's program; places that no program ran before */
static int run_one(struct fuzzer *f, uint64_t run)
{
	unsigned int fresh = 0, i;
	uint64_t t;

	if (kf_env_fresh(&f->env))
		return -1;
	keep(f, run);
	for (i = 0; i <= KF_THREADS; i++)
		kf_cov_clear(&f->cov[i]);
	pthread_barrier_wait(&f->begin);
	pthread_barrier_wait(&f->owned);
	/* This thread's coverage is that of the workers it makes. */
	vh_ioctl(f->env.fd, VHOST_SET_OWNER, NULL);
	pthread_barrier_wait(&f->owned);
	pthread_barrier_wait(&f->end);
	t = now_ms();
	pthread_barrier_wait(&f->end);
	if (now_ms() - t > CLOSE_MS) {
		vh_fail(-ETIME, "close took %llu ms",
			(unsigned long long)(now_ms() - t));
		return -1;
	}
	for (i = 0; i <= KF_THREADS; i++)
		fresh += kf_cov_merge(&f->cov[i], sh->seen, SLOTS);
	return fresh;
}

static int fuzzer_open(struct fuzzer *f, unsigned int id, const char *dir)
{
	static struct runner r[KF_THREADS];
	char path[128];
	unsigned int i;
	int err;

	memset(f, 0, sizeof(*f));
	f->id = id;
	f->keep = -1;
	err = kf_env_open(&f->env);
	for (i = 0; !err && i <= KF_THREADS && kf_cov_there(); i++)
		err = kf_cov_open(&f->cov[i]);
	if (!err && kf_cov_there())
		err = kf_cov_remote(&f->cov[0], id + 1);
	if (err)
		return err;
	if (dir) {
		snprintf(path, sizeof(path), "%s/kfuzz-%u", dir, id);
		f->keep = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			       0644);
	}
	pthread_barrier_init(&f->begin, NULL, 1 + KF_THREADS);
	pthread_barrier_init(&f->owned, NULL, 1 + KF_THREADS);
	pthread_barrier_init(&f->end, NULL, 1 + KF_THREADS);
	for (i = 0; i < KF_THREADS; i++) {
		r[i] = (struct runner){ f, i };
		if (pthread_create(&f->thread[i], NULL, runner_main, &r[i]))
			return vh_fail(-EAGAIN, "thread");
	}
	return 0;
}

static void fuzzer_close(struct fuzzer *f)
{
	unsigned int i;

	f->last = true;
	pthread_barrier_wait(&f->begin);
	for (i = 0; i < KF_THREADS; i++)
		pthread_join(f->thread[i], NULL);
}

/* ---- corpus ---- */

static void corpus_add(struct kf_rng *r, const struct kf_prog *p)
{
	uint32_t at;

	while (__atomic_exchange_n(&sh->lock, 1, __ATOMIC_ACQUIRE))
		usleep(50);
	at = sh->ncorpus < CORPUS ? sh->ncorpus : kf_rnd(r, CORPUS);
	sh->corpus[at] = *p;
	if (sh->ncorpus < CORPUS)
		__atomic_store_n(&sh->ncorpus, at + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&sh->lock, 0, __ATOMIC_RELEASE);
}

static void choose(struct kf_rng *r, struct kf_prog *p)
{
	uint32_t n = __atomic_load_n(&sh->ncorpus, __ATOMIC_ACQUIRE);

	if (!n || kf_rnd(r, 4) == 0) {
		kf_make(r, p);
		return;
	}
	/* New ones are better than old ones, but not much. */
	*p = sh->corpus[kf_rnd(r, 2) ? kf_rnd(r, n) :
			n - 1 - kf_rnd(r, n < 32 ? n : 32)];
	kf_mutate(r, p, &sh->corpus[kf_rnd(r, n)]);
}

static void fuzz_process(const struct args *a, unsigned int id, const char *dir)
{
	struct kf_rng rng = { (a->seed + id) * 0x9e3779b97f4a7c15ULL | 1 };
	static struct fuzzer f;
	int fresh;

	if (fuzzer_open(&f, id, dir)) {
		printf("# process %u: %s\n", id, vh_why());
		exit(2);
	}
	while (!__atomic_load_n(&sh->stop, __ATOMIC_RELAXED)) {
		choose(&rng, &f.prog);
		fresh = run_one(&f, sh->runs[id]);
		if (fresh < 0) {
			printf("# process %u: %s\n", id, vh_why());
			exit(3);
		}
		if (fresh)
			corpus_add(&rng, &f.prog);
		sh->runs[id]++;
		sh->alive_ms[id] = now_ms();
		__atomic_fetch_add(&sh->calls, f.prog.n, __ATOMIC_RELAXED);
	}
	fuzzer_close(&f);
	exit(0);
}

/* ---- the judge ---- */

static int innocent_check(struct vh_dev *d, struct vh_tap *t)
{
	int i, r = 0;

	/* A second chance: four busy threads share two slow CPUs. */
	for (i = 0; i < 2; i++) {
		r = vh_both_check(d, t, 20);
		if (!r)
			break;
	}
	return r;
}

static int watch(const struct args *a, pid_t *pid, struct vh_dev *d,
		 struct vh_tap *t, int kmsg)
{
	uint64_t end = now_ms() + a->seconds * 1000ULL;
	unsigned int lines = 0, i;
	int r = 0, status;

	while (!r && now_ms() < end) {
		usleep(500000);
		r = innocent_check(d, t);
		if (!r && kmsg >= 0)
			r = vh_kmsg_scan(kmsg, &lines);
		for (i = 0; i < a->procs && !r; i++) {
			if (waitpid(pid[i], &status, WNOHANG) == pid[i])
				r = vh_fail(-ECHILD, "process %u ended: %#x", i,
					    status);
			else if (sh->alive_ms[i] &&
				 now_ms() > sh->alive_ms[i] + 60000)
				r = vh_fail(-ETIME, "process %u hangs", i);
		}
	}
	sh->stop = true;
	for (i = 0; i < a->procs; i++) {
		int ms = 30000;

		while (waitpid(pid[i], &status, WNOHANG) == 0 && ms > 0) {
			usleep(20000);
			ms -= 20;
		}
		if (ms <= 0) {
			kill(pid[i], SIGKILL);
			r = r ?: vh_fail(-ETIME, "process %u did not end", i);
		}
	}
	return r ?: innocent_check(d, t);
}

static void kept_show(const char *dir, unsigned int procs)
{
	char path[128], line[256];
	unsigned int i;
	FILE *f;

	for (i = 0; i < procs; i++) {
		snprintf(path, sizeof(path), "%s/kfuzz-%u", dir, i);
		f = fopen(path, "r");
		printf("# the last programs of process %u (%s, for --replay):\n",
		       i, path);
		while (f && fgets(line, sizeof(line), f))
			if (line[0] != '\n')
				printf("# %s", line);
		if (f)
			fclose(f);
	}
}

static unsigned int places(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < SLOTS; i++)
		n += sh->seen[i] != 0;
	return n;
}

static int fuzz(const struct args *a)
{
	const char *dir = getenv("TRIVIO_LAB") ? "/lab" : "/tmp";
	uint64_t runs = 0;
	pid_t pid[PROCS_MAX];
	struct vh_dev d;
	struct vh_tap t;
	unsigned int i;
	int r, kmsg;

	ksft_print_msg("seed %llu, %u processes of %u threads, %u s, %s\n",
		       (unsigned long long)a->seed, a->procs, 1 + KF_THREADS,
		       a->seconds, kf_cov_there() ? "guided by KCOV" :
		       "blind: this kernel has no KCOV");
	fflush(stdout);
	for (i = 0; i < a->procs; i++) {
		pid[i] = fork();
		if (!pid[i])
			fuzz_process(a, i, dir);
	}
	r = vh_open(&d, NULL) ?: vh_tap_open(&t, 0, d.hdr_len) ?:
	    vh_start(&d, t.fd);
	kmsg = vh_kmsg_open();
	if (!r)
		r = watch(a, pid, &d, &t, kmsg);
	else
		sh->stop = true;
	for (i = 0; i < a->procs; i++)
		runs += sh->runs[i];
	if (r)
		ksft_print_msg("%s\n", vh_why());
	ksft_print_msg("%llu programs, %llu steps, %u in the corpus, %u places\n",
		       (unsigned long long)runs, (unsigned long long)sh->calls,
		       sh->ncorpus, places());
	if (kf_cov_there())
		kf_cov_report(sh->seen, SLOTS);
	if (r)
		kept_show(dir, a->procs);
	ksft_test_result(!r && runs, "random programs leave the kernel alone\n");
	/* Workers report, too, or the guide is half blind. */
	if (kf_cov_there())
		ksft_test_result(places() > 500, "coverage comes in\n");
	else
		ksft_test_result_skip("no KCOV in this kernel\n");
	return r;
}

static int replay(const struct args *a)
{
	static struct kf_prog list[64];
	static struct fuzzer f;
	unsigned int n = 0, i, k;
	FILE *in = fopen(a->replay, "r");
	int r = 0;

	while (in && n < 64 && kf_parse(in, &list[n]))
		n++;
	if (in)
		fclose(in);
	if (!n || fuzzer_open(&f, 0, NULL)) {
		ksft_test_result_fail("%s: no program in it, or %s\n",
				      a->replay, vh_why());
		return 1;
	}
	for (k = 0; k < a->repeat && r >= 0; k++)
		for (i = 0; i < n && r >= 0; i++) {
			f.prog = list[i];
			r = run_one(&f, i);
		}
	fuzzer_close(&f);
	ksft_test_result(r >= 0, "replay of %u programs, %u times\n", n,
			 a->repeat);
	return r < 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct args *a = st->input;

	switch (key) {
	case 't':
		a->seconds = atoi(arg);
		break;
	case 'p':
		a->procs = atoi(arg);
		if (a->procs < 1 || a->procs > PROCS_MAX)
			argp_error(st, "1 to %u processes", PROCS_MAX);
		break;
	case 's':
		a->seed = strtoull(arg, NULL, 0);
		break;
	case 'r':
		a->replay = arg;
		break;
	case 'n':
		a->repeat = atoi(arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The debug kernel has KASAN and KCOV: that is where time is well spent. */
static unsigned int default_seconds(void)
{
	return kf_cov_there() ? 300 : 15;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "seconds", 't', "N", 0,
		  "how long (15; 300 on a kernel with KCOV)", 0 },
		{ "procs", 'p', "N", 0, "processes, each with a device (2)", 0 },
		{ "seed", 's', "N", 0, "where the dice begin (the clock)", 0 },
		{ "replay", 'r', "FILE", 0, "run the programs of a file", 0 },
		{ "repeat", 'n', "N", 0, "so many times (100)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL,
		"Random calls, messages and ring writes on live devices, kept "
		"when they reach new kernel code.",
		NULL, NULL, NULL
	};
	struct args a = { .procs = 2, .repeat = 100, .seed = time(NULL) };

	a.seconds = default_seconds();
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	ksft_print_header();
	ksft_set_plan(a.replay ? 1 : 2);
	signal(SIGPIPE, SIG_IGN);
	if (vh_ns_enter())
		ksft_exit_skip("needs root\n");
	if (access(vh_node(), R_OK | W_OK))
		ksft_exit_skip("%s is not there\n", vh_node());
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		ksft_exit_fail_msg("no memory to share\n");
	if (a.replay)
		replay(&a);
	else
		fuzz(&a);
	ksft_finished();
}
