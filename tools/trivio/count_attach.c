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

/* A tracepoint of KVM that occurs in a vCPU's own thread, or anywhere. */
#define KVM_OWN(name)	{ #name, "guest", "kvm", #name, true, "kvm" }
#define KVM_IRQ(name, own) { #name, "interrupt", "kvm", #name, own, "kvm" }
#define TAP(name, func)	{ name, "host", NULL, func, true, NULL }
#define TRIVIO(name)	{ #name, "trivio", "trivio", #name, false, "trivio" }

const struct event events[C_LOST] = {
	[C_KVM_EXIT] = KVM_OWN(kvm_exit),
	[C_KVM_USERSPACE_EXIT] = KVM_OWN(kvm_userspace_exit),
	[C_KVM_MMIO] = KVM_OWN(kvm_mmio),
	[C_KVM_FAST_MMIO] = KVM_OWN(kvm_fast_mmio),
	[C_KVM_PIO] = KVM_OWN(kvm_pio),
	[C_KVM_PAGE_FAULT] = KVM_OWN(kvm_page_fault),
	[C_KVM_WAKEUP] = KVM_OWN(kvm_vcpu_wakeup),
	[C_IOEVENTFD] = { "ioeventfd", "host", NULL, "ioeventfd_write", true,
			  "kvm" },
	[C_IRQFD] = { "irqfd", "interrupt", NULL, "irqfd_wakeup", false,
		      "kvm" },
	[C_IRQ_USER_MSI] = { "user_msi", "interrupt", NULL,
			     "kvm_send_userspace_msi", true, "kvm" },
	[C_IRQ_USER_LINE] = { "user_irq_line", "interrupt", NULL,
			      "kvm_vm_ioctl_irq_line", true, "kvm" },
	[C_KVM_MSI] = KVM_IRQ(kvm_msi_set_irq, false),
	[C_KVM_SET_IRQ] = KVM_IRQ(kvm_set_irq, false),
	[C_KVM_IOAPIC] = KVM_IRQ(kvm_ioapic_set_irq, false),
	[C_KVM_PIC] = KVM_IRQ(kvm_pic_set_irq, false),
	[C_KVM_ACCEPT_IRQ] = KVM_IRQ(kvm_apic_accept_irq, false),
	[C_KVM_POSTED_IRQ] = KVM_IRQ(kvm_apicv_accept_irq, false),
	[C_KVM_INJ_VIRQ] = KVM_IRQ(kvm_inj_virq, true),
	[C_KVM_EOI] = KVM_IRQ(kvm_eoi, true),
	[C_KVM_PI_ROUTE] = KVM_IRQ(kvm_pi_irte_update, false),
	[C_EVENTFD_SIGNAL] = { "eventfd_signal", "host", NULL,
			       "eventfd_signal_mask", false, NULL },
	[C_SWITCH] = { "context_switches", "host", "sched", "sched_switch",
		       true, NULL },
	[C_WAKEUP] = { "wakeups", "host", "sched", "sched_wakeup", true, NULL },
	[C_SYSCALL] = { "syscalls", "host", "raw_syscalls", "sys_enter", true,
			NULL },
	[C_TAP_WRITE] = TAP("tap_write", "tun_chr_write_iter"),
	[C_TAP_SENDMSG] = TAP("tap_sendmsg", "tun_sendmsg"),
	[C_TAP_READ] = TAP("tap_read", "tun_chr_read_iter"),
	[C_TAP_RECVMSG] = TAP("tap_recvmsg", "tun_recvmsg"),
	[C_TRIVIO_KICK] = TRIVIO(trivio_kick),
	[C_TRIVIO_WAKE] = TRIVIO(trivio_wake),
	[C_TRIVIO_POP] = TRIVIO(trivio_pop),
	[C_TRIVIO_XMIT] = TRIVIO(trivio_xmit),
	[C_TRIVIO_RECV] = TRIVIO(trivio_recv),
	[C_TRIVIO_PUSH] = TRIVIO(trivio_push),
	[C_TRIVIO_CALL] = TRIVIO(trivio_call),
	[C_TRIVIO_SUPPRESSED] = { "trivio_call_suppressed", "trivio", "trivio",
				  NULL, false, "trivio" },
	[C_TRIVIO_ERROR] = TRIVIO(trivio_error),
	[C_TRIVIO_DROP] = TRIVIO(trivio_drop),
	[C_TRIVIO_MISS] = TRIVIO(trivio_miss),
};

struct counter {
	struct count_bpf *skel;
	struct bpf_link *link[C_LOST];
	struct bpf_link *softirq[2];
	bool any;	/* process, not one that is named */
	__u64 missed;	/* before the last reset: those programs' count stays */
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
	case C_TRIVIO_XMIT:
	case C_TRIVIO_RECV:
		prog = c->skel->progs.on_move;
		break;
	case C_TAP_WRITE:
	case C_TAP_SENDMSG:
	case C_TAP_READ:
	case C_TAP_RECVMSG:
		prog = c->skel->progs.on_tap;
		break;
	default:
		prog = events[i].category ? prog : c->skel->progs.on_probe;
		break;
	}
	if (!events[i].category)
		return bpf_program__attach_kprobe_opts(prog, events[i].name,
						       &kp);
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
	if (i == C_SYSCALL && c->any)
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

static int load(struct counter *c, const struct count_opts *o)
{
	bool btf = !access("/sys/kernel/btf/vmlinux", F_OK);
	struct count_bpf *skel = btf ? count_bpf__open() : open_without_btf();
	int i, err;

	if (!skel)
		return -errno;
	c->skel = skel;
	for (i = 0; i < o->npids; i++)
		skel->rodata->target[i] = o->pid[i];
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

/* Without them every frame counts as carried by the thread itself. */
static void attach_softirq(struct counter *c)
{
	c->softirq[0] = bpf_program__attach_tracepoint(c->skel->progs.on_softirq_entry,
						       "irq", "softirq_entry");
	c->softirq[1] = bpf_program__attach_tracepoint(c->skel->progs.on_softirq_exit,
						       "irq", "softirq_exit");
}

/**
 * counter_open() - load and attach; the window is still closed
 * @o: options: the processes to watch, if any
 * @r: result, whose skipped events are filled in
 * @rc: exit code, if it fails
 *
 * Return: the counter, or NULL, and stderr says why.
 */
struct counter *counter_open(const struct count_opts *o, struct result *r,
			     int *rc)
{
	struct counter *c = calloc(1, sizeof(*c));
	int i, err;

	*rc = RC_FAIL;
	if (!c)
		return NULL;
	c->any = !o->npids;
	libbpf_set_print(quiet);
	if (access(TRACEFS "/events", F_OK)) {
		*rc = geteuid() ? RC_PERM : RC_FAIL;
		err_say(geteuid() ? "count: not permitted; needs root, try sudo" :
			"count: no tracefs; mount -t tracefs tracefs " TRACEFS);
		counter_close(c);
		return NULL;
	}
	err = load(c, o);
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
	attach_softirq(c);
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

static __u64 moved(const struct mover_row *r)
{
	return r->m.out + r->m.in + r->m.tap_out + r->m.tap_in;
}

static int by_moved(const void *a, const void *b)
{
	__u64 x = moved(a), y = moved(b);

	return (y > x) - (y < x);
}

static void read_movers(int fd, struct result *r)
{
	struct mover_key key, *prev = NULL;

	r->nmovers = 0;
	while (r->nmovers < MOVERS_MAX &&
	       !bpf_map_get_next_key(fd, prev, &key)) {
		struct mover_row *row = &r->movers[r->nmovers++];

		row->key = key;
		bpf_map_lookup_elem(fd, &key, &row->m);
		prev = &row->key;
	}
	qsort(r->movers, r->nmovers, sizeof(r->movers[0]), by_moved);
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

static void empty(int fd)
{
	__u64 key;	/* the longest there is */

	while (!bpf_map_get_next_key(fd, NULL, &key) &&
	       !bpf_map_delete_elem(fd, &key))
		;
}

/**
 * counter_reset() - forget what was counted
 * @c: counter whose window is closed
 *
 * Return: 0 or a negative errno.
 */
int counter_reset(struct counter *c)
{
	int fd = bpf_map__fd(c->skel->maps.counts);
	int cpus = libbpf_num_possible_cpus();
	__u64 *val;
	__u32 i;
	int err = 0;

	if (cpus < 0)
		return cpus;
	val = calloc(cpus, sizeof(*val));
	if (!val)
		return -ENOMEM;
	for (i = 0; i < C_NR && !err; i++)
		err = bpf_map_update_elem(fd, &i, val, BPF_ANY);
	free(val);
	empty(bpf_map__fd(c->skel->maps.exits));
	empty(bpf_map__fd(c->skel->maps.syscalls));
	empty(bpf_map__fd(c->skel->maps.threads));
	empty(bpf_map__fd(c->skel->maps.movers));
	c->missed = misses(c);
	return err;
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
	read_movers(bpf_map__fd(c->skel->maps.movers), r);
	r->misses = misses(c) - c->missed;
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
	bpf_link__destroy(c->softirq[0]);
	bpf_link__destroy(c->softirq[1]);
	count_bpf__destroy(c->skel);
	free(c);
}
