// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notifications by KVM's write tracking, when the memory slot of the doorbell pages
 * comes and goes as a VMM makes it: a VM of one page of code, whose only instruction
 * that matters stores to the doorbell of the transmit queue. No store may be lost, and
 * those that can be tracked are.
 */
#include <pthread.h>

#include "common.h"
#include "vm.h"

#define BELLS	3
/* Slots of the second address space, which is that of SMM. */
#define SMM	0x10000

struct bed {
	struct vc c;
	struct vm vm;
	uint8_t *bells;
	uint32_t seq;
};

FIXTURE(vm) {
	struct bed b;
};

/* Until a VMM has mapped the pages, or takes the mapping away. */
static int bells_set(struct bed *b, uint32_t as, bool there)
{
	return vm_slot(&b->vm, as | 1, VM_BAR + b->c.caps.notify, b->bells,
		       there ? BELLS * 4096 : 0);
}

/* A frame that the guest's store alone announces. */
static int frame(struct bed *b)
{
	uint32_t seq;
	int err;

	vc_tx_add(&b->c, ++b->seq);
	err = vm_round(&b->vm, &b->c);
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
	int err;

	err = vm_open(&b->vm, vm_store, sizeof(vm_store));
	if (err == -ENOENT)
		SKIP(return, "no /dev/kvm");
	OK(err);
	OK(vc_create(c, "trivio-net"));
	OK(vc_attr_set(c, "doorbell", "kvm"));
	c->vm = b->vm.vm;
	if (vc_open(c) == -EOPNOTSUPP) {
		vc_close(c);
		OK(vc_remove(c));
		SKIP(return, "this kernel's KVM has no external write tracking");
	}
	ASSERT_LE(0, c->dev);
	OK(vm_start(&b->vm, vm_bell(c)));
	OK(vc_set(c, CFG, PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, VM_BAR, 4));
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
	vm_close(&b->vm);
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
		ASSERT_EQ(i + 1, b->vm.exits);
		OK(bells_set(b, 0, true));
		/* Armed, and quiet: what follows is seen by its store alone. */
		usleep(100000);
		OK(tracked(b));
		ASSERT_EQ(i + 1, b->vm.exits);
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
		OK(vc_set(c, CFG, PCI_BASE_ADDRESS_0 + 4 * c->caps.bar, VM_BAR, 4));
		OK(vc_start(c, FEATURES));
		OK(vc_host_wait(c, WAIT_MS));
	}
	EXPECT_EQ(0, b->vm.exits);
}

/* A slot of SMM's address space at the same place is none of ours. */
TEST_F_TIMEOUT(vm, smm_slot, LONG)
{
	struct bed *b = &self->b;
	long zaps, before;
	int i;

	if (ioctl(b->vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
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
	EXPECT_EQ(0, b->vm.exits);
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
	TH_LOG("%d frames, %u exits, %ld tracked, %ld late", n, b->vm.exits,
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
