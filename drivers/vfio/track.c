// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbell C: KVM's external write tracking (arch/x86/kvm/mmu/page_track.c).
 * The doorbell pages are ordinary memory to KVM, write-protected; a guest's
 * store is emulated in the vCPU's own context, which then calls us with address
 * and value. No return to user space, and no page faults in the host.
 *
 * KVM's functions are taken by symbol_get(), so the module loads on a kernel
 * without KVM or without the option; such a device can't be opened then.
 *
 * Tracking hangs on the memory slot, which goes when the guest moves the BAR or
 * the VMM takes the mapping away for a while. Then, and until it is armed again,
 * a work item looks at the pages: no notification is lost, it is only late.
 */
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "mdev.h"

#ifdef CONFIG_KVM_EXTERNAL_WRITE_TRACKING
#include <linux/kvm_host.h>
#include <asm/kvm_page_track.h>

#define REARM_MS	10

/**
 * struct trivio_mdev_kvm - write tracking of one function
 * @node: at KVM
 * @m: mediated device
 * @kvm: whose memory; referenced by VFIO between open and close
 * @base: guest frame of the first doorbell page; under &trivio_mdev.lock
 * @armed: pages tracked, a bit each; set under &trivio_mdev.lock, cleared by
 *	KVM as well, when the slot goes
 * @wanted: should be armed; under &trivio_mdev.lock
 * @base_gpa: what the tracker compares with; 0 while disarmed
 * @rearm: arms, and rings late bells
 * @reg: kvm_page_track_register_notifier()
 * @unreg: kvm_page_track_unregister_notifier()
 * @add: kvm_write_track_add_gfn()
 * @remove: kvm_write_track_remove_gfn()
 * @slot: gfn_to_memslot()
 */
struct trivio_mdev_kvm {
	struct kvm_page_track_notifier_node node;
	struct trivio_mdev *m;
	struct kvm *kvm;
	gfn_t base;
	DECLARE_BITMAP(armed, TRIVIO_VFIO_QUEUES_MAX);
	bool wanted;
	gpa_t base_gpa;
	struct delayed_work rearm;
	int (*reg)(struct kvm *kvm, struct kvm_page_track_notifier_node *n);
	void (*unreg)(struct kvm *kvm, struct kvm_page_track_notifier_node *n);
	int (*add)(struct kvm *kvm, gfn_t gfn);
	int (*remove)(struct kvm *kvm, gfn_t gfn);
	struct kvm_memory_slot *(*slot)(struct kvm *kvm, gfn_t gfn);
};

/* In the vCPU's context, under KVM's SRCU; must not sleep. */
static void track_write(gpa_t gpa, const u8 *new, int bytes,
			struct kvm_page_track_notifier_node *node)
{
	struct trivio_mdev_kvm *k = container_of(node, struct trivio_mdev_kvm,
						 node);
	gpa_t base = READ_ONCE(k->base_gpa);
	u64 queue;

	if (!base || gpa < base)
		return;
	queue = (gpa - base) / TRIVIO_PCI_NOTIFY_MUL;
	if (queue >= k->m->nqueues)
		return;
	queue = array_index_nospec(queue, k->m->nqueues);
	trivio_mdev_count(k->m, TRIVIO_MDEV_TRACK, 1);
	trivio_queue_kick(&k->m->dev->queue[queue]);
}

/* A slot goes, and the tracking of its pages with it. */
static void track_remove_region(gfn_t gfn, unsigned long nr_pages,
				struct kvm_page_track_notifier_node *node)
{
	struct trivio_mdev_kvm *k = container_of(node, struct trivio_mdev_kvm,
						 node);
	gpa_t base_gpa = READ_ONCE(k->base_gpa);
	gfn_t base = base_gpa >> PAGE_SHIFT;
	bool hit = false;
	u16 i;

	if (!base_gpa)
		return;
	for (i = 0; i < k->m->nqueues; i++) {
		if (base + i >= gfn && base + i - gfn < nr_pages)
			hit |= test_and_clear_bit(i, k->armed);
	}
	if (hit)
		mod_delayed_work(system_wq, &k->rearm, 0);
}

/*
 * A slot that is on its way out is marked, then we are told, and only then it is
 * gone: what is armed in between is lost without a word. KVM waits for its SRCU
 * before it tells us, so of a slot that was not marked in this section we are
 * told later, when the bit is set.
 */
static bool track_page(struct trivio_mdev_kvm *k, u16 i)
{
	struct kvm_memory_slot *slot;
	bool done = false;
	int idx;

	idx = srcu_read_lock(&k->kvm->srcu);
	slot = k->slot(k->kvm, k->base + i);
	if (slot && !(slot->flags & KVM_MEMSLOT_INVALID) &&
	    !k->add(k->kvm, k->base + i)) {
		set_bit(i, k->armed);
		done = true;
	}
	srcu_read_unlock(&k->kvm->srcu, idx);
	return done;
}

/* True if every page is tracked. */
static bool track_try(struct trivio_mdev *m)
{
	struct trivio_mdev_kvm *k = m->bell.kvm;
	u64 bar = trivio_pci_cfg_bar(&m->cfg, TRIVIO_PCI_BAR);
	gfn_t base = (bar + TRIVIO_PCI_NOTIFY) >> PAGE_SHIFT;
	bool all = true;
	u16 i;

	lockdep_assert_held(&m->lock);
	if (!bar)
		return false;
	for (i = 0; i < m->nqueues && base != k->base; i++) {
		if (test_and_clear_bit(i, k->armed))
			k->remove(k->kvm, k->base + i);
	}
	k->base = base;
	WRITE_ONCE(k->base_gpa, bar + TRIVIO_PCI_NOTIFY);
	for (i = 0; i < m->nqueues; i++) {
		if (!test_bit(i, k->armed) && !track_page(k, i))
			all = false;
	}
	return all;
}

/* A client that has not mapped the pages stores nowhere but to the region. */
static void track_again(struct trivio_mdev *m)
{
	if (READ_ONCE(m->bell.mmapped))
		mod_delayed_work(system_wq, &m->bell.kvm->rearm,
				 msecs_to_jiffies(REARM_MS));
}

static void track_rearm(struct work_struct *work)
{
	struct trivio_mdev_kvm *k = container_of(work, struct trivio_mdev_kvm,
						 rearm.work);
	struct trivio_mdev *m = k->m;
	u16 i;

	mutex_lock(&m->lock);
	if (k->wanted) {
		if (!track_try(m))
			track_again(m);
		for (i = 0; i < m->nqueues; i++)
			trivio_queue_kick(&m->dev->queue[i]);
	}
	mutex_unlock(&m->lock);
}

static void track_put(struct trivio_mdev_kvm *k)
{
	if (k->reg)
		symbol_put(kvm_page_track_register_notifier);
	if (k->unreg)
		symbol_put(kvm_page_track_unregister_notifier);
	if (k->add)
		symbol_put(kvm_write_track_add_gfn);
	if (k->remove)
		symbol_put(kvm_write_track_remove_gfn);
	if (k->slot)
		symbol_put(gfn_to_memslot);
	kfree(k);
}

/**
 * trivio_mdev_track_open() - C: get hold of KVM's write tracking
 * @m: mediated device; its lock is held; in the VM's process
 *
 * Return: 0; -EOPNOTSUPP if the client is no VM or KVM can't do it; -ENOMEM.
 */
int trivio_mdev_track_open(struct trivio_mdev *m)
{
	struct trivio_mdev_kvm *k;
	int err = -EOPNOTSUPP;

	lockdep_assert_held(&m->lock);
	if (!m->vdev.kvm)
		return -EOPNOTSUPP;
	k = kzalloc(sizeof(*k), GFP_KERNEL_ACCOUNT);
	if (!k)
		return -ENOMEM;
	k->reg = symbol_get(kvm_page_track_register_notifier);
	k->unreg = symbol_get(kvm_page_track_unregister_notifier);
	k->add = symbol_get(kvm_write_track_add_gfn);
	k->remove = symbol_get(kvm_write_track_remove_gfn);
	k->slot = symbol_get(gfn_to_memslot);
	if (!k->reg || !k->unreg || !k->add || !k->remove || !k->slot)
		goto err_put;
	k->m = m;
	k->kvm = m->vdev.kvm;
	INIT_DELAYED_WORK(&k->rearm, track_rearm);
	k->node.track_write = track_write;
	k->node.track_remove_region = track_remove_region;
	err = k->reg(k->kvm, &k->node);
	if (err)
		goto err_put;
	m->bell.kvm = k;
	return 0;

err_put:
	track_put(k);
	return err;
}

/**
 * trivio_mdev_track_close() - C: let go of KVM
 * @m: mediated device; its lock is held
 */
void trivio_mdev_track_close(struct trivio_mdev *m)
{
	struct trivio_mdev_kvm *k = m->bell.kvm;

	lockdep_assert_held(&m->lock);
	trivio_mdev_track_disarm(m);
	k->unreg(k->kvm, &k->node);
	m->bell.kvm = NULL;
	/* The work takes our lock, and finds that nothing is wanted. */
	mutex_unlock(&m->lock);
	cancel_delayed_work_sync(&k->rearm);
	mutex_lock(&m->lock);
	track_put(k);
}

/**
 * trivio_mdev_track_mapped() - C: the client has mapped doorbell pages
 * @m: mediated device that is open; &trivio_mdev_bell.mmapped is set
 *
 * Context: any; takes no lock.
 */
void trivio_mdev_track_mapped(struct trivio_mdev *m)
{
	if (m->bell.kvm)
		mod_delayed_work(system_wq, &m->bell.kvm->rearm, 0);
}

/**
 * trivio_mdev_track_arm() - C: the queues run: protect the pages
 * @m: mediated device; its lock is held
 */
void trivio_mdev_track_arm(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->lock);
	m->bell.kvm->wanted = true;
	if (!track_try(m))
		track_again(m);
}

/**
 * trivio_mdev_track_disarm() - C: the queues stop
 * @m: mediated device; its lock is held
 */
void trivio_mdev_track_disarm(struct trivio_mdev *m)
{
	struct trivio_mdev_kvm *k = m->bell.kvm;
	u16 i;

	lockdep_assert_held(&m->lock);
	k->wanted = false;
	for (i = 0; i < m->nqueues; i++) {
		if (test_and_clear_bit(i, k->armed))
			k->remove(k->kvm, k->base + i);
	}
	WRITE_ONCE(k->base_gpa, 0);
}

#else

int trivio_mdev_track_open(struct trivio_mdev *m)
{
	return -EOPNOTSUPP;
}

void trivio_mdev_track_close(struct trivio_mdev *m)
{
}

void trivio_mdev_track_mapped(struct trivio_mdev *m)
{
}

void trivio_mdev_track_arm(struct trivio_mdev *m)
{
}

void trivio_mdev_track_disarm(struct trivio_mdev *m)
{
}

#endif
