/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM of one page of code, to store to the doorbell of a device's transmit queue: no VMM, no
 * guest kernel. Real mode, no interrupt controller, so that HLT comes back to the caller.
 */
#ifndef TRIVIO_SELFTEST_VFIO_VM_H
#define TRIVIO_SELFTEST_VFIO_VM_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "client.h"

/* Guest addresses, within reach of real mode; a doorbell page is a segment's start. */
#define VM_CODE		0x1000
#define VM_MEMORY	(VM_CODE + 0x800)
#define VM_BAR		0x20000

/* 1: movw $1, (0); hlt; jmp 1b */
static const uint8_t vm_store[] = {
	0xc7, 0x06, 0x00, 0x00, 0x01, 0x00, 0xf4, 0xeb, 0xf7,
};

/* 1: cpuid; hlt; jmp 1b */
static const uint8_t vm_cpuid[] __attribute__((unused)) = {
	0x0f, 0xa2, 0xf4, 0xeb, 0xfb,
};

struct vm {
	int kvm, vm, cpu;
	struct kvm_run *run;
	size_t run_len;
	uint8_t *ram;
	unsigned int exits;	/* stores that found no slot */
};

static inline int vm_slot(struct vm *v, uint32_t slot, uint64_t gpa, void *mem, size_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(v->vm, KVM_SET_USER_MEMORY_REGION, &r) ? -errno : 0;
}

/* -ENOENT without KVM. */
static inline int vm_open(struct vm *v, const uint8_t *code, size_t len)
{
	*v = (struct vm){ .vm = -1, .cpu = -1, .run = MAP_FAILED, .ram = MAP_FAILED };
	v->kvm = open("/dev/kvm", O_RDWR);
	if (v->kvm < 0)
		return -errno;
	v->vm = ioctl(v->kvm, KVM_CREATE_VM, 0);
	if (v->vm < 0)
		return -errno;
	v->ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->ram == MAP_FAILED)
		return -errno;
	memcpy(v->ram, code, len);
	v->cpu = ioctl(v->vm, KVM_CREATE_VCPU, 0);
	if (v->cpu < 0)
		return -errno;
	v->run_len = ioctl(v->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	v->run = mmap(NULL, v->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->cpu, 0);
	return v->run == MAP_FAILED ? -errno : vm_slot(v, 0, VM_CODE, v->ram, 4096);
}

static inline void vm_close(struct vm *v)
{
	if (v->run != MAP_FAILED)
		munmap(v->run, v->run_len);
	if (v->ram != MAP_FAILED)
		munmap(v->ram, 4096);
	close(v->cpu);
	close(v->vm);
	close(v->kvm);
}

/* Where the doorbell is, if the BAR is at VM_BAR. */
static inline uint64_t vm_bell(const struct vc *c)
{
	return VM_BAR + c->caps.notify + c->caps.notify_mul;
}

/* The processor at the start of the code, which stores to @to. */
static inline int vm_start(struct vm *v, uint64_t to)
{
	struct kvm_regs regs = { .rip = VM_CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(v->cpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = to;
	sregs.ds.selector = to >> 4;
	if (ioctl(v->cpu, KVM_SET_SREGS, &sregs) || ioctl(v->cpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

/* Once round the code; where the doorbell has no slot we do as a VMM does. */
static inline int vm_round(struct vm *v, struct vc *c)
{
	for (;;) {
		if (ioctl(v->cpu, KVM_RUN, 0))
			return -errno;
		if (v->run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (v->run->exit_reason != KVM_EXIT_MMIO ||
		    v->run->mmio.phys_addr != vm_bell(c))
			return -EPROTO;
		v->exits++;
		vc_kick(c, 1);
	}
}

#endif
