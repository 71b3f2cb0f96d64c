// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio count, the kernel's side: loads the BPF program, attaches it to what
 * this kernel has, opens and closes the window, and reads the counters.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cmd_count.h"
#include "count.skel.h"
#include "trivio.h"

#define TRACEFS	"/sys/kernel/tracing"

const struct event events[C_LOST] = {
	[C_KVM_EXIT] = { "kvm_exit", "guest", "kvm", "kvm_exit", true, "kvm" },
	[C_KVM_USERSPACE_EXIT] = { "kvm_userspace_exit", "guest", "kvm",
				   "kvm_userspace_exit", true, "kvm" },
	[C_KVM_MMIO] = { "kvm_mmio", "guest", "kvm", "kvm_mmio", true, "kvm" },
	[C_KVM_FAST_MMIO] = { "kvm_fast_mmio", "guest", "kvm", "kvm_fast_mmio",
			      true, "kvm" },
	[C_KVM_PIO] = { "kvm_pio", "guest", "kvm", "kvm_pio", true, "kvm" },
	[C_KVM_MSI] = { "kvm_msi_set_irq", "guest", "kvm", "kvm_msi_set_irq",
			false, "kvm" },
	[C_KVM_ACCEPT_IRQ] = { "kvm_apic_accept_irq", "guest", "kvm",
			       "kvm_apic_accept_irq", false, "kvm" },
	[C_KVM_INJ_VIRQ] = { "kvm_inj_virq", "guest", "kvm", "kvm_inj_virq",
			     true, "kvm" },
	[C_KVM_EOI] = { "kvm_eoi", "guest", "kvm", "kvm_eoi", true, "kvm" },
	[C_KVM_WAKEUP] = { "kvm_vcpu_wakeup", "guest", "kvm",
			   "kvm_vcpu_wakeup", true, "kvm" },
	[C_IOEVENTFD] = { "ioeventfd", "host", NULL, "ioeventfd_write", true,
			  "kvm" },
	[C_EVENTFD_SIGNAL] = { "eventfd_signal", "host", NULL,
			       "eventfd_signal_mask", false, NULL },
	[C_SWITCH] = { "context_switches", "host", "sched", "sched_switch",
		       true, NULL },
	[C_WAKEUP] = { "wakeups", "host", "sched", "sched_wakeup", true, NULL },
	[C_SYSCALL] = { "syscalls", "host", "raw_syscalls", "sys_enter", true,
			NULL },
	[C_TRIVIO_KICK] = { "trivio_kick", "trivio", "trivio", "trivio_kick",
			    false, "trivio" },
	[C_TRIVIO_WAKE] = { "trivio_wake", "trivio", "trivio", "trivio_wake",
			    false, "trivio" },
	[C_TRIVIO_POP] = { "trivio_pop", "trivio", "trivio", "trivio_pop",
			   false, "trivio" },
	[C_TRIVIO_XMIT] = { "trivio_xmit", "trivio", "trivio", "trivio_xmit",
			    false, "trivio" },
	[C_TRIVIO_RECV] = { "trivio_recv", "trivio", "trivio", "trivio_recv",
			    false, "trivio" },
	[C_TRIVIO_PUSH] = { "trivio_push", "trivio", "trivio", "trivio_push",
			    false, "trivio" },
	[C_TRIVIO_CALL] = { "trivio_call", "trivio", "trivio", "trivio_call",
			    false, "trivio" },
	[C_TRIVIO_SUPPRESSED] = { "trivio_call_suppressed", "trivio", "trivio",
				  NULL, false, "trivio" },
	[C_TRIVIO_ERROR] = { "trivio_error", "trivio", "trivio",
			     "trivio_error", false, "trivio" },
	[C_TRIVIO_DROP] = { "trivio_drop", "trivio", "trivio", "trivio_drop",
			    false, "trivio" },
	[C_TRIVIO_MISS] = { "trivio_miss", "trivio", "trivio", "trivio_miss",
			    false, "trivio" },
};

struct counter {
	struct count_bpf *skel;
	struct bpf_link *link[C_LOST];
	__u32 pid;
};

/* libbpf's own words come only if it is asked for them. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!getenv("TRIVIO_LIBBPF_DEBUG"))
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

/* Offset of a field in the record of a tracepoint, or 0. */
static __u32 field_offset(const char *category, const char *name,
			  const char *field)
{
	char path[256], line[512], want[64];
	unsigned int off = 0;
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), TRACEFS "/events/%s/%s/format", category,
		 name);
	snprintf(want, sizeof(want), " %s;\toffset:", field);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (!off && fgets(line, sizeof(line), f)) {
		at = strstr(line, want);
		if (at)
			off = strtoul(at + strlen(want), NULL, 10);
	}
	fclose(f);
	return off;
}

static struct bpf_link *attach(struct counter *c, enum count i)
{
	__u64 cookie = i | (events[i].own ? COOKIE_OWN : 0);
	struct bpf_program *prog = c->skel->progs.on_event;

	LIBBPF_OPTS(bpf_tracepoint_opts, tp, .bpf_cookie = cookie);
	LIBBPF_OPTS(bpf_kprobe_opts, kp, .bpf_cookie = cookie);

	switch (i) {
	case C_SWITCH:
		return bpf_program__attach(c->skel->progs.on_switch);
	case C_WAKEUP:
		return bpf_program__attach(c->skel->progs.on_wakeup);
	case C_KVM_EXIT:
		prog = c->skel->progs.on_exit;
		break;
	case C_TRIVIO_CALL:
		prog = c->skel->progs.on_call;
		break;
	case C_SYSCALL:
		prog = c->skel->progs.on_syscall;
		break;
	default:
		break;
	}
	if (!events[i].category)
		return bpf_program__attach_kprobe_opts(c->skel->progs.on_probe,
						       events[i].name, &kp);
	return bpf_program__attach_tracepoint_opts(prog, events[i].category,
						   events[i].name, &tp);
}

static const char *attach_one(struct counter *c, enum count i)
{
	const struct event *e = &events[i];

	if (e->module && !module_loaded(e->module))
		return !strcmp(e->module, "kvm") ? "kvm is not loaded" :
						   "trivio is not loaded";
	/* All system calls of all processes: a cost that nobody asked for. */
	if (i == C_SYSCALL && !c->pid)
		return "only with --pid";
	if (!e->name)
		return NULL;
	c->link[i] = attach(c, i);
	if (c->link[i])
		return NULL;
	if (i == C_SWITCH || i == C_WAKEUP)
		return "this kernel has no BTF";
	return e->category ? "this kernel has no such tracepoint" :
			     "this kernel has no such function to probe";
}

/*
 * Without kernel BTF libbpf does not load an object that has CO-RE relocations,
 * not even if the programs that need them are left out. Given any other BTF it
 * does; the object's own is at hand.
 */
static struct count_bpf *open_without_btf(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct count_bpf *skel;
	const void *elf;
	char path[64];
	size_t len;
	int fd;

	elf = count_bpf__elf_bytes(&len);
	fd = memfd_create("trivio-count", MFD_CLOEXEC);
	if (fd < 0 || write(fd, elf, len) != (ssize_t)len)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opts.btf_custom_path = path;
	skel = count_bpf__open_opts(&opts);
	if (skel) {
		bpf_program__set_autoload(skel->progs.on_switch, false);
		bpf_program__set_autoload(skel->progs.on_wakeup, false);
	}
	/* The file itself stays open: it is read when the object is loaded. */
	return skel;
}

static int load(struct counter *c)
{
	bool btf = !access("/sys/kernel/btf/vmlinux", F_OK);
	struct count_bpf *skel = btf ? count_bpf__open() : open_without_btf();
	int err;

	if (!skel)
		return -errno;
	c->skel = skel;
	skel->rodata->target = c->pid;
	skel->rodata->self = getpid();
	skel->rodata->off_exit_reason = field_offset("kvm", "kvm_exit",
						     "exit_reason");
	skel->rodata->off_exit_isa = field_offset("kvm", "kvm_exit", "isa");
	skel->rodata->off_suppressed = field_offset("trivio", "trivio_call",
						    "suppressed");
	skel->rodata->off_syscall = field_offset("raw_syscalls", "sys_enter",
						 "id");
	err = count_bpf__load(skel);
	return err;
}

/**
 * counter_open() - load and attach; the window is still closed
 * @pid: process to watch, or 0
 * @r: result, whose skipped events are filled in
 * @rc: exit code, if it fails
 *
 * Return: the counter, or NULL, and stderr says why.
 */
struct counter *counter_open(__u32 pid, struct result *r, int *rc)
{
	struct counter *c = calloc(1, sizeof(*c));
	int i, err;

	*rc = RC_FAIL;
	if (!c)
		return NULL;
	c->pid = pid;
	libbpf_set_print(quiet);
	if (access(TRACEFS "/events", F_OK)) {
		*rc = geteuid() ? RC_PERM : RC_FAIL;
		err_say(geteuid() ? "count: not permitted; needs root, try sudo" :
			"count: no tracefs; mount -t tracefs tracefs " TRACEFS);
		counter_close(c);
		return NULL;
	}
	err = load(c);
	if (err) {
		*rc = err == -EPERM || err == -EACCES ? RC_PERM : RC_FAIL;
		err_say("count: the BPF program does not load: %s%s",
			strerror(-err), *rc == RC_PERM ? "; needs root, try sudo" :
			"; TRIVIO_LIBBPF_DEBUG=1 shows why");
		counter_close(c);
		return NULL;
	}
	for (i = 0; i < C_LOST; i++)
		r->skipped[i] = attach_one(c, i);
	return c;
}

/*
 * Makes every processor change its thread once: a thread's time is added up when
 * it leaves its processor, and one that never leaves would count for nothing.
 */
static void switch_all(void)
{
	long i, n = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t old, one;

	if (sched_getaffinity(0, sizeof(old), &old))
		return;
	for (i = 0; i < n && i < CPU_SETSIZE; i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (!sched_setaffinity(0, sizeof(one), &one))
			usleep(1);
	}
	sched_setaffinity(0, sizeof(old), &old);
}

/**
 * counter_arm() - open or close the window
 * @c: counter
 * @on: open it
 */
void counter_arm(struct counter *c, bool on)
{
	switch_all();
	c->skel->bss->armed = on;
}

static int by_n(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return (y->n > x->n) - (y->n < x->n);
}

static int by_runtime(const void *a, const void *b)
{
	const struct thread_row *x = a, *y = b;

	return (y->t.runtime_ns > x->t.runtime_ns) -
	       (y->t.runtime_ns < x->t.runtime_ns);
}

static int read_keyed(int fd, int cpus, struct keyed *k, int *n)
{
	__u64 *val = calloc(cpus, sizeof(*val));
	__u64 key, *prev = NULL;
	int i;

	if (!val)
		return -ENOMEM;
	*n = 0;
	while (*n < KEYS_MAX && !bpf_map_get_next_key(fd, prev, &key)) {
		prev = &k[*n].key;
		k[*n].key = key;
		k[*n].n = 0;
		if (!bpf_map_lookup_elem(fd, &key, val)) {
			for (i = 0; i < cpus; i++)
				k[*n].n += val[i];
		}
		(*n)++;
	}
	free(val);
	qsort(k, *n, sizeof(*k), by_n);
	return 0;
}

static void read_threads(int fd, struct result *r)
{
	__u32 tid, *prev = NULL;

	r->nthreads = 0;
	while (r->nthreads < THREADS_MAX &&
	       !bpf_map_get_next_key(fd, prev, &tid)) {
		struct thread_row *row = &r->threads[r->nthreads++];

		row->tid = tid;
		bpf_map_lookup_elem(fd, &tid, &row->t);
		prev = &row->tid;
	}
	qsort(r->threads, r->nthreads, sizeof(r->threads[0]), by_runtime);
}

/* A program that is entered while one runs on the same processor is left out. */
static __u64 misses(struct counter *c)
{
	struct bpf_program *prog;
	__u64 sum = 0;

	bpf_object__for_each_program(prog, c->skel->obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

/**
 * counter_read() - what was counted
 * @c: counter whose window is closed
 * @r: filled in
 *
 * Return: 0 or a negative errno.
 */
int counter_read(struct counter *c, struct result *r)
{
	int fd = bpf_map__fd(c->skel->maps.counts);
	int cpus = libbpf_num_possible_cpus();
	__u64 *val;
	__u32 i;
	int cpu, err;

	if (cpus < 0)
		return cpus;
	val = calloc(cpus, sizeof(*val));
	if (!val)
		return -ENOMEM;
	for (i = 0; i < C_NR; i++) {
		if (bpf_map_lookup_elem(fd, &i, val))
			continue;
		r->n[i] = 0;
		for (cpu = 0; cpu < cpus; cpu++)
			r->n[i] += val[cpu];
	}
	free(val);
	err = read_keyed(bpf_map__fd(c->skel->maps.exits), cpus, r->exits,
			 &r->nexits);
	if (!err)
		err = read_keyed(bpf_map__fd(c->skel->maps.syscalls), cpus,
				 r->syscalls, &r->nsyscalls);
	read_threads(bpf_map__fd(c->skel->maps.threads), r);
	r->misses = misses(c);
	return err;
}

/**
 * counter_close() - detach and free
 * @c: counter, or NULL
 */
void counter_close(struct counter *c)
{
	int i;

	if (!c)
		return;
	for (i = 0; i < C_LOST; i++)
		bpf_link__destroy(c->link[i]);
	count_bpf__destroy(c->skel);
	free(c);
}
