// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts in the kernel, per processor, so that nothing is sent and nothing can be
 * lost on the way. Most events are classic tracepoints, whose field offsets user
 * space reads from tracefs: they work without BTF, the kernel's or a module's.
 * The scheduler's are BTF tracepoints, for the fields of its tasks (CO-RE).
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "count.h"

/* <linux/sched.h> */
#define PF_KTHREAD	0x00200000

char LICENSE[] SEC("license") = "GPL";

/* Set before load. */
const volatile __u32 target[TARGETS_MAX]; /* processes to watch; none: all */
const volatile __u32 self;		/* who counts is not counted */
const volatile __u32 off_exit_reason;	/* in the record of kvm_exit */
const volatile __u32 off_exit_isa;
const volatile __u32 off_suppressed;	/* in the record of trivio_call */
const volatile __u32 off_syscall;	/* in the record of sys_enter */

/* The window is open. */
volatile bool armed;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, C_NR);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/* Key: reason, and the instruction set in the upper half. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, REASONS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} exits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, SYSCALLS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} syscalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREADS_MAX);
	__type(key, __u32);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MOVERS_MAX);
	__type(key, struct mover_key);
	__type(value, struct mover);
} movers SEC(".maps");

/* A softirq runs on this processor. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} softirq SEC(".maps");

/* When the thread that is on this processor was put there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} since SEC(".maps");

static __always_inline void add(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		(*n)++;
}

static __always_inline void add_key(void *map, __u64 key)
{
	__u64 *n = bpf_map_lookup_elem(map, &key);
	__u64 one = 1;

	if (n)
		(*n)++;
	else if (bpf_map_update_elem(map, &key, &one, BPF_NOEXIST))
		add(C_LOST);
}

/* Unused places of the array hold 0, which is no process of anybody. */
static __always_inline bool watched(__u32 tgid)
{
	int i;

	if (!target[0])
		return true;
#pragma unroll
	for (i = 0; i < TARGETS_MAX; i++) {
		if (target[i] == tgid)
			return true;
	}
	return false;
}

static __always_inline bool own(void)
{
	return watched(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline void count_cookie(void *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	if (armed && (!(cookie & COOKIE_OWN) || own()))
		add(cookie & 0xffff);
}

SEC("tp")
int on_event(void *ctx)
{
	count_cookie(ctx);
	return 0;
}

SEC("kprobe")
int on_probe(struct pt_regs *ctx)
{
	count_cookie(ctx);
	return 0;
}

/*
 * Softirqs don't nest. A window that opens inside one is corrected by the next
 * that ends.
 */
static __always_inline int softirq_set(__u32 on)
{
	__u32 zero = 0, *in = bpf_map_lookup_elem(&softirq, &zero);

	if (in)
		*in = on;
	return 0;
}

SEC("tp")
int on_softirq_entry(void *ctx)
{
	return softirq_set(1);
}

SEC("tp")
int on_softirq_exit(void *ctx)
{
	return softirq_set(0);
}

static __always_inline struct mover *mover(void)
{
	struct mover_key key = { .tid = bpf_get_current_pid_tgid() };
	__u32 zero = 0, *in = bpf_map_lookup_elem(&softirq, &zero);
	struct mover fresh = {}, *m;

	key.softirq = in && *in;
	m = bpf_map_lookup_elem(&movers, &key);
	if (m)
		return m;
	bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
	bpf_map_update_elem(&movers, &key, &fresh, BPF_NOEXIST);
	m = bpf_map_lookup_elem(&movers, &key);
	if (!m)
		add(C_LOST);
	return m;
}

/* A frame changes hands, or tun is asked to take or give some. */
static __always_inline int move(void *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 which = cookie & 0xffff;
	struct mover *m;

	if (!armed || ((cookie & COOKIE_OWN) && !own()))
		return 0;
	add(which);
	m = mover();
	if (!m)
		return 0;
	switch (which) {
	case C_TRIVIO_XMIT:
		__sync_fetch_and_add(&m->out, 1);
		break;
	case C_TRIVIO_RECV:
		__sync_fetch_and_add(&m->in, 1);
		break;
	case C_TAP_WRITE:
	case C_TAP_SENDMSG:
		__sync_fetch_and_add(&m->tap_out, 1);
		break;
	case C_TAP_READ:
	case C_TAP_RECVMSG:
		__sync_fetch_and_add(&m->tap_in, 1);
		break;
	}
	return 0;
}

SEC("tp")
int on_move(void *ctx)
{
	return move(ctx);
}

SEC("kprobe")
int on_tap(struct pt_regs *ctx)
{
	return move(ctx);
}

SEC("tp")
int on_exit(void *ctx)
{
	__u32 reason = 0, isa = 0;

	if (!armed || !own())
		return 0;
	add(C_KVM_EXIT);
	bpf_probe_read_kernel(&reason, sizeof(reason), ctx + off_exit_reason);
	bpf_probe_read_kernel(&isa, sizeof(isa), ctx + off_exit_isa);
	add_key(&exits, (__u64)isa << 32 | reason);
	return 0;
}

SEC("tp")
int on_call(void *ctx)
{
	__u8 suppressed = 0;

	if (!armed)
		return 0;
	bpf_probe_read_kernel(&suppressed, sizeof(suppressed),
			      ctx + off_suppressed);
	add(suppressed ? C_TRIVIO_SUPPRESSED : C_TRIVIO_CALL);
	return 0;
}

SEC("tp")
int on_syscall(void *ctx)
{
	long nr = 0;

	if (!armed || !own())
		return 0;
	add(C_SYSCALL);
	bpf_probe_read_kernel(&nr, sizeof(nr), ctx + off_syscall);
	add_key(&syscalls, (__u32)nr);
	return 0;
}

/* Kernel threads that work for guests; in 6.4 and later vhost's are the owner's. */
static __always_inline bool helper(struct task_struct *p)
{
	char comm[16] = {};

	if (!(BPF_CORE_READ(p, flags) & PF_KTHREAD))
		return false;
	bpf_core_read_str(comm, sizeof(comm), &p->comm);
	/* Interfaces of trivio's own are served in softirqs. */
	if (comm[0] == 'k' && comm[1] == 's' && comm[2] == 'o' && comm[3] == 'f')
		return true;
	return (comm[0] == 'v' && comm[1] == 'h' && comm[2] == 'o') ||
	       (comm[0] == 't' && comm[1] == 'r' && comm[2] == 'i' &&
		comm[3] == 'v') ||
	       (comm[0] == 'k' && comm[1] == 'v' && comm[2] == 'm');
}

static __always_inline struct thread *watch(struct task_struct *p)
{
	struct thread fresh = {}, *t;
	__u32 tid = BPF_CORE_READ(p, pid);
	__u32 tgid = BPF_CORE_READ(p, tgid);

	/* Number 0 is the idle thread of each processor. */
	if (!tid || tgid == self || (!watched(tgid) && !helper(p)))
		return NULL;
	t = bpf_map_lookup_elem(&threads, &tid);
	if (t)
		return t;
	fresh.tgid = tgid;
	bpf_core_read_str(fresh.comm, sizeof(fresh.comm), &p->comm);
	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t)
		add(C_LOST);
	return t;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	__u64 now = bpf_ktime_get_ns();
	struct thread *t;
	__u32 zero = 0;
	__u64 *start;

	start = bpf_map_lookup_elem(&since, &zero);
	if (!start)
		return 0;
	if (armed) {
		t = watch(prev);
		if (t) {
			if (*start)
				__sync_fetch_and_add(&t->runtime_ns,
						     now - *start);
			/* A program it has started since gave it a new name. */
			bpf_core_read_str(t->comm, sizeof(t->comm),
					  &prev->comm);
		}
		t = watch(next);
		if (t) {
			__sync_fetch_and_add(&t->switches, 1);
			add(C_SWITCH);
		}
	}
	*start = now;
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *p)
{
	struct thread *t;

	if (!armed)
		return 0;
	t = watch(p);
	if (t) {
		__sync_fetch_and_add(&t->wakeups, 1);
		add(C_WAKEUP);
	}
	return 0;
}
