// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notifications by KVM's write tracking, when the memory slot of the doorbell pages
 * comes and goes as a VMM makes it: a VM of one page of code, whose only instruction
 * that matters stores to the doorbell of the transmit queue. No store may be lost, and
 * those that can be tracked are.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>

#include "common.h"

/* Guest addresses, within reach of real mode. */
#define CODE	0x1000
#define BAR_GPA	0x20000
#define BELLS	3
/* Slots of the second address space, which is that of SMM. */
#define SMM	0x10000

/* mov $0x2500, %ax; mov %ax, %ds; 1: movw $1, (0); hlt; jmp 1b */
static const uint8_t code[] = {
	0xb8, 0x00, 0x25, 0x8e, 0xd8, 0xc7, 0x06, 0x00, 0x00, 0x01, 0x00,
	0xf4, 0xeb, 0xf7,
};

struct bed {
	struct vc c;
	int kvm, vm, cpu;
	struct kvm_run *run;
	size_t run_len;
	uint8_t *ram;
	uint8_t *bells;
	unsigned int exits;	/* stores that found no slot */
	uint32_t seq;
};

FIXTURE(vm) {
	struct bed b;
};

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

/* Until a VMM has mapped the pages, or takes the mapping away. */
static int bells_set(struct bed *b, uint32_t as, bool there)
{
	return slot_set(b->vm, as | 1, BAR_GPA + b->c.caps.notify, b->bells,
			there ? BELLS * 4096 : 0);
}

static int cpu_start(struct bed *b)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(b->cpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(b->cpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(b->cpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

/* One store of the guest; where there is no slot, a VMM writes to the region. */
static int store(struct bed *b)
{
	for (;;) {
		if (ioctl(b->cpu, KVM_RUN, 0))
			return -errno;
		if (b->run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (b->run->exit_reason != KVM_EXIT_MMIO ||
		    b->run->mmio.phys_addr != BAR_GPA + b->c.caps.notify + 4096)
			return -EPROTO;
		b->exits++;
		vc_kick(&b->c, 1);
	}
}

/* A frame that the guest's store alone announces. */
static int frame(struct bed *b)
{
	uint32_t seq;
	int err;

	vc_tx_add(&b->c, ++b->seq);
	err = store(b);
	if (err)
		return err;
	err = vc_host_recv(&b->c, &seq, WAIT_MS);
	return err ? err : seq == b->seq ? 0 : -EBADMSG;
}

/* Frames until one was tracked, which the first ones need not be; then one more is. */
static int tracked(struct bed *b)
{
	long before = vc_stat(&b->c, "doorbell_kvm");
	int i, err;

	for (i = 0; i < 50 && vc_stat(&b->c, "doorbell_kvm") == before; i++) {
		err = frame(b);
		if (err)
			return err;
		usleep(10000);
	}
	before = vc_stat(&b->c, "doorbell_kvm");
	err = frame(b);
	return err ? err : vc_stat(&b->c, "doorbell_kvm") == before + 1 ? 0 : -ENOMSG;
}

FIXTURE_SETUP(vm)
{
	struct bed *b = &self->b;
	struct vc *c = &b->c;

	b->kvm = open("/dev/kvm", O_RDWR);
	if (b->kvm < 0)
		SKIP(return, "no /dev/kvm");
	b->vm = ioctl(b->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, b->vm);
	b->ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)b->ram);
	memcpy(b->ram, code, sizeof(code));
	OK(slot_set(b->vm, 0, CODE, b->ram, 4096));
	b->cpu = ioctl(b->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, b->cpu);
	b->run_len = ioctl(b->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	b->run = mmap(NULL, b->run_len, PROT_READ | PROT_WRITE, MAP_SHARED,
		      b->cpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)b->run);
	OK(cpu_start(b));

	OK(vc_create(c, "trivio-net"));
	OK(vc_attr_set(c, "doorbell", "kvm"));
	c->vm = b->vm;
	if (vc_open(c) == -EOPNOTSUPP) {
		vc_close(c);
		OK(vc_remove(c));
		SKIP(return, "this kernel's KVM has no external write tracking");
	}
	ASSERT_LE(0, c->dev);
	OK(vc_set(c, CFG, PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, BAR_GPA, 4));
	OK(vc_start(c, FEATURES));
	OK(vc_host_open(c));
	OK(vc_host_wait(c, WAIT_MS));
	b->bells = mmap(NULL, BELLS * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			c->dev, c->off[c->caps.bar] + c->caps.notify);
	ASSERT_NE(MAP_FAILED, (void *)b->bells);
}

FIXTURE_TEARDOWN(vm)
{
	struct bed *b = &self->b;

	if (!b->bells)
		return;
	munmap(b->bells, BELLS * 4096);
	vc_close(&b->c);
	EXPECT_EQ(0, pins_left(&b->c));
	EXPECT_EQ(0, vc_remove(&b->c));
	munmap(b->run, b->run_len);
	munmap(b->ram, 4096);
	close(b->cpu);
	close(b->vm);
	close(b->kvm);
}

/*
 * A store while there is no slot leaves KVM an entry which makes it map the page
 * writable when the slot has come, tracked or not.
 */
TEST_F_TIMEOUT(vm, slot_comes_and_goes, LONG)
{
	struct bed *b = &self->b;
	int i;

	for (i = 0; i < 5; i++) {
		OK(frame(b));
		ASSERT_EQ(i + 1, b->exits);
		OK(bells_set(b, 0, true));
		/* Armed, and quiet: what follows is seen by its store alone. */
		usleep(100000);
		OK(tracked(b));
		ASSERT_EQ(i + 1, b->exits);
		OK(bells_set(b, 0, false));
	}
	TH_LOG("late: %ld", vc_stat(&b->c, "doorbell_late"));
}

/* With the slot there from the beginning; and across a reset. */
TEST_F_TIMEOUT(vm, slot_stays, LONG)
{
	struct bed *b = &self->b;
	struct vc *c = &b->c;
	int i;

	OK(bells_set(b, 0, true));
	for (i = 0; i < 3; i++) {
		usleep(100000);
		OK(tracked(b));
		OK(vc_reset(c));
		OK(vc_set(c, CFG, PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, BAR_GPA, 4));
		OK(vc_start(c, FEATURES));
		OK(vc_host_wait(c, WAIT_MS));
	}
	EXPECT_EQ(0, b->exits);
}

/* A slot of SMM's address space at the same place is none of ours. */
TEST_F_TIMEOUT(vm, smm_slot, LONG)
{
	struct bed *b = &self->b;
	long zaps, before;
	int i;

	if (ioctl(b->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
		SKIP(return, "no SMM");
	OK(bells_set(b, 0, true));
	usleep(100000);
	OK(tracked(b));
	zaps = vc_stat(&b->c, "doorbell_zaps");
	for (i = 0; i < 20; i++) {
		OK(bells_set(b, SMM, true));
		OK(bells_set(b, SMM, false));
		before = vc_stat(&b->c, "doorbell_kvm");
		OK(frame(b));
		EXPECT_EQ(before + 1, vc_stat(&b->c, "doorbell_kvm"));
	}
	EXPECT_EQ(zaps, vc_stat(&b->c, "doorbell_zaps"));
	EXPECT_EQ(0, b->exits);
}

static void *toggle(void *arg)
{
	struct bed *b = arg;
	long err = 0;
	int i;

	for (i = 0; i < 60 && !err; i++) {
		err = bells_set(b, 0, true);
		usleep(i % 7 * 2500);
		err = err ? err : bells_set(b, 0, false);
		usleep(i % 5 * 1500);
	}
	return (void *)err;
}

/* Stores at every moment of a slot's coming and going. */
TEST_F_TIMEOUT(vm, race, LONG)
{
	struct bed *b = &self->b;
	pthread_t t;
	void *err;
	int n = 0;

	ASSERT_EQ(0, pthread_create(&t, NULL, toggle, b));
	while (pthread_tryjoin_np(t, &err)) {
		OK(frame(b));
		n++;
	}
	EXPECT_EQ(NULL, err);
	EXPECT_LT(10, n);
	TH_LOG("%d frames, %u exits, %ld tracked, %ld late", n, b->exits,
	       vc_stat(&b->c, "doorbell_kvm"), vc_stat(&b->c, "doorbell_late"));
}

int main(int argc, char **argv)
{
	if (vc_missing()) {
		printf("TAP version 13\n1..0 # SKIP no mdev parent trivio\n");
		return KSFT_SKIP;
	}
	if (system("modprobe -q kvm_amd || modprobe -q kvm_intel"))
		printf("# no KVM module for this CPU\n");
	return test_harness_run(argc, argv);
}
