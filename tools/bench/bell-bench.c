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
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "vm.h"

#define FEATURES (VC_BIT(VIRTIO_F_VERSION_1) | VC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
		  VC_BIT(VIRTIO_NET_F_MAC) | VC_BIT(VIRTIO_NET_F_CTRL_VQ))

const char *argp_program_version = "bell-bench 1";

enum way { TRAP, KVM, FAULT, IOEVENTFD, MEMORY, EXIT, WAYS };

static const char *const names[WAYS] = {
	"trap", "kvm", "fault", "ioeventfd", "memory", "exit",
};

struct bed {
	enum way way;
	unsigned int count;
	unsigned int sleep_us;
	struct vc c;
	struct vm vm;
	void *bells;
	size_t bells_len;
};

static bool rings(const struct bed *b)
{
	return b->way < MEMORY;
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
		.addr = vm_bell(&b->c),
		.len = 2,
		.datamatch = 1,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	v.fd = eventfd(0, EFD_NONBLOCK);
	if (v.fd < 0)
		return -errno;
	k.fd = v.fd;
	if (ioctl(b->c.dev, VFIO_DEVICE_IOEVENTFD, &v) || ioctl(b->vm.vm, KVM_IOEVENTFD, &k))
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
	c->vm = b->vm.vm;
	err = vc_open(c) ?:
	      vc_set(c, VFIO_PCI_CONFIG_REGION_INDEX,
		     PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, VM_BAR, 4) ?:
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
	return vm_slot(&b->vm, 1, VM_BAR + c->caps.notify, b->bells, b->bells_len);
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
			err = vm_round(&b->vm, &b->c);
		usleep(b->sleep_us);
	}
	err = err ?: ran(&after);
	if (err)
		return err;
	heard = bells_heard(b) - heard;
	printf("%.1f\n", (double)(after - before) / b->count);
	fprintf(stderr, "%s: %u kicks, %ld heard that way, %u exits to this program\n",
		names[b->way], b->count, heard, b->vm.exits);
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
	err = b.way == EXIT ? vm_open(&b.vm, vm_cpuid, sizeof(vm_cpuid)) :
			      vm_open(&b.vm, vm_store, sizeof(vm_store));
	if (!err && rings(&b))
		err = device_make(&b);
	err = err ?: vm_start(&b.vm, rings(&b) ? vm_bell(&b.c) : VM_MEMORY) ?: measure(&b);
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
