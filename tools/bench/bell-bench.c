// SPDX-License-Identifier: GPL-2.0-only
/*
 * bell-bench: what one notification of an idle mediated device costs, by doorbell, and
 * nothing else: no VMM, no guest kernel, nobody's timers. A VM of one page of code stores to
 * the doorbell of the transmit queue, whose ring is empty, and halts; this program sleeps a
 * moment, as a VMM's processor thread does, and runs it again.
 *
 * Counted is the run time of everybody but the idle thread; under icount with one CPU that is
 * instructions. The same with a store to its own memory is what there is beside the doorbell,
 * and is for whoever compares to subtract; with CPUID it is an exit that does nothing.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "client.h"

/* Guest addresses, within reach of real mode; a doorbell page is a segment's start. */
#define CODE	0x1000
#define BAR_GPA	0x20000

#define FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | VC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
		  VC_BIT(VIRTIO_NET_F_MAC) | VC_BIT(VIRTIO_NET_F_CTRL_VQ))

const char *argp_program_version = "bell-bench 1";

/* 1: movw $1, (0); hlt; jmp 1b */
static const uint8_t code_store[] = {
	0xc7, 0x06, 0x00, 0x00, 0x01, 0x00, 0xf4, 0xeb, 0xf7,
};

/* 1: cpuid; hlt; jmp 1b */
static const uint8_t code_exit[] = { 0x0f, 0xa2, 0xf4, 0xeb, 0xfb };

enum way { TRAP, KVM, FAULT, IOEVENTFD, MEMORY, EXIT, WAYS };

static const char *const names[WAYS] = {
	"trap", "kvm", "fault", "ioeventfd", "memory", "exit",
};

struct bed {
	enum way way;
	unsigned int count;
	unsigned int sleep_us;
	struct vc c;
	int kvm, vm, cpu, event;
	struct kvm_run *run;
	uint8_t *ram;
	void *bells;
	size_t bells_len;
	unsigned long traps;
};

static bool rings(const struct bed *b)
{
	return b->way < MEMORY;
}

static int slot_set(int vm, uint32_t slot, uint64_t gpa, void *mem, size_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) ? -errno : 0;
}

static uint64_t bell_gpa(const struct bed *b)
{
	return BAR_GPA + b->c.caps.notify + b->c.caps.notify_mul;
}

/* The processor's registers: where the code is, and what it stores to. */
static int cpu_start(struct bed *b)
{
	uint32_t to = rings(b) ? bell_gpa(b) : CODE + 0x800;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(b->cpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = to;
	sregs.ds.selector = to >> 4;
	if (ioctl(b->cpu, KVM_SET_SREGS, &sregs) || ioctl(b->cpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

static int vm_make(struct bed *b)
{
	size_t len;

	b->kvm = open("/dev/kvm", O_RDWR);
	if (b->kvm < 0)
		return -errno;
	b->vm = ioctl(b->kvm, KVM_CREATE_VM, 0);
	if (b->vm < 0)
		return -errno;
	b->ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b->ram == MAP_FAILED)
		return -errno;
	if (b->way == EXIT)
		memcpy(b->ram, code_exit, sizeof(code_exit));
	else
		memcpy(b->ram, code_store, sizeof(code_store));
	b->cpu = ioctl(b->vm, KVM_CREATE_VCPU, 0);
	len = ioctl(b->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (b->cpu < 0)
		return -errno;
	b->run = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, b->cpu, 0);
	return b->run == MAP_FAILED ? -errno : slot_set(b->vm, 0, CODE, b->ram, 4096);
}

/* E: KVM signals an eventfd for the store, which the device has been told of. */
static int ioeventfd_make(struct bed *b)
{
	struct vfio_device_ioeventfd v = {
		.argsz = sizeof(v),
		.flags = VFIO_DEVICE_IOEVENTFD_16,
		.offset = b->c.off[b->c.caps.bar] + b->c.caps.notify + b->c.caps.notify_mul,
		.data = 1,
	};
	struct kvm_ioeventfd k = {
		.addr = bell_gpa(b),
		.len = 2,
		.datamatch = 1,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	b->event = eventfd(0, EFD_NONBLOCK);
	if (b->event < 0)
		return -errno;
	v.fd = b->event;
	k.fd = b->event;
	if (ioctl(b->c.dev, VFIO_DEVICE_IOEVENTFD, &v) || ioctl(b->vm, KVM_IOEVENTFD, &k))
		return -errno;
	return 0;
}

static int device_make(struct bed *b)
{
	struct vc *c = &b->c;
	int err;

	err = vc_create(c, "trivio-net") ?:
	      vc_attr_set(c, "doorbell", b->way <= FAULT ? names[b->way] : "trap");
	if (err)
		return err;
	c->vm = b->vm;
	err = vc_open(c) ?:
	      vc_set(c, VFIO_PCI_CONFIG_REGION_INDEX,
		     PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, BAR_GPA, 4) ?:
	      vc_start(c, FEATURES);
	if (err || b->way == TRAP)
		return err;
	if (b->way == IOEVENTFD)
		return ioeventfd_make(b);
	b->bells_len = 2 * c->caps.notify_mul;
	b->bells = mmap(NULL, b->bells_len, PROT_READ | PROT_WRITE, MAP_SHARED, c->dev,
			c->off[c->caps.bar] + c->caps.notify);
	if (b->bells == MAP_FAILED)
		return -errno;
	return slot_set(b->vm, 1, BAR_GPA + c->caps.notify, b->bells, b->bells_len);
}

/* Once round the code. */
static int kick(struct bed *b)
{
	for (;;) {
		if (ioctl(b->cpu, KVM_RUN, 0))
			return -errno;
		if (b->run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (b->run->exit_reason != KVM_EXIT_MMIO)
			return -EPROTO;
		b->traps++;
		vc_kick(&b->c, 1);
	}
}

/* Run time of all threads of all CPUs, ns: the seventh number of each "cpu" line. */
static int ran(uint64_t *ns)
{
	unsigned long long t;
	char line[256];
	FILE *f;

	/* Who runs now is not in it before he sleeps. */
	usleep(1000);
	f = fopen("/proc/schedstat", "r");
	if (!f)
		return -errno;
	*ns = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %llu", &t) == 1)
			*ns += t;
	}
	fclose(f);
	return *ns ? 0 : -ENODATA;
}

static long bells_heard(struct bed *b)
{
	static const char *const stats[] = {
		"doorbell_trap", "doorbell_kvm", "doorbell_fault", "doorbell_ioeventfd",
	};

	return rings(b) ? vc_stat(&b->c, stats[b->way]) : 0;
}

static int measure(struct bed *b)
{
	unsigned int warm = b->count / 10 + 20, i;
	uint64_t before, after;
	long heard = 0;
	int err = 0;

	for (i = 0; i < warm + b->count && !err; i++) {
		if (i == warm) {
			heard = bells_heard(b);
			err = ran(&before);
		}
		if (!err)
			err = kick(b);
		usleep(b->sleep_us);
	}
	err = err ?: ran(&after);
	if (err)
		return err;
	heard = bells_heard(b) - heard;
	printf("%.1f\n", (double)(after - before) / b->count);
	fprintf(stderr, "%s: %u kicks, %ld heard that way, %lu exits to this program\n",
		names[b->way], b->count, heard, b->traps);
	/* A store that came another way is not what this is about. */
	return rings(b) && heard < b->count * 0.95 ? -ENOMSG : 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct bed *b = st->input;

	switch (key) {
	case 'n':
		b->count = strtoul(arg, NULL, 0);
		break;
	case 's':
		b->sleep_us = strtoul(arg, NULL, 0);
		break;
	case ARGP_KEY_ARG:
		for (b->way = 0; b->way < WAYS && strcmp(arg, names[b->way]); b->way++)
			;
		if (st->arg_num || b->way == WAYS)
			argp_usage(st);
		break;
	case ARGP_KEY_END:
		if (b->way == WAYS || !b->count)
			argp_usage(st);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "kicks to count (2000)", 0 },
	{ "sleep", 's', "US", 0, "microseconds between two (300)", 0 },
	{ 0 }
};

static const struct argp argp = {
	options, parse, "trap|kvm|fault|ioeventfd|memory|exit",
	"Nanoseconds that all threads ran for one notification of an idle mediated device; "
	"instructions, under \"lab bench\". \"memory\": a store to the VM's own memory, \"exit\": "
	"an exit that does nothing. Exit status 0, or 1 with what was not possible.",
	NULL, NULL, NULL
};

int main(int argc, char **argv)
{
	struct bed b = { .way = WAYS, .count = 2000, .sleep_us = 300 };
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &b);
	setrlimit(RLIMIT_MEMLOCK, &all);
	vc_init(&b.c);
	if (rings(&b) && vc_missing()) {
		fputs("bell-bench: no mdev parent trivio: load trivio_vfio (make load)\n",
		      stderr);
		return 1;
	}
	err = vm_make(&b);
	if (!err && rings(&b))
		err = device_make(&b);
	err = err ?: cpu_start(&b) ?: measure(&b);
	if (err)
		fprintf(stderr, "bell-bench: %s: %s\n", names[b.way],
			err == -ENOMSG ? "the stores came another way" :
			err == -EOPNOTSUPP ? "this kernel's KVM can't do that" : strerror(-err));
	if (b.bells)
		munmap(b.bells, b.bells_len);
	vc_close(&b.c);
	if (b.c.uuid[0])
		vc_remove(&b.c);
	return err ? 1 : 0;
}
