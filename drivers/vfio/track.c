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
 * a work item kicks the queues: no notification is lost, it is only late.
 *
 * A page that is armed is not protected yet. A store that found no slot leaves an
 * MMIO entry in the guest's page table, and KVM takes that, when the slot has
 * come, for a mapping that was writable before and makes it so again, tracked or
 * not (6.12, make_spte()); that store and all after it go to the page and to
 * nobody. So a page is on probation until KVM has reported a store to it: it is
 * unmapped in the VMM's process, whoever touches it comes through our fault
 * handler, and the work item waits for the store. If KVM did not report it, the
 * page is unmapped again, which takes KVM's entry with it, and the next store
 * finds none that could mislead.
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
 * @armed: pages tracked, a bit each; set under &trivio_mdev.lock and KVM's SRCU,
 *	cleared by KVM as well, when the slot goes
 * @raw: pages armed whose mappings are still those of before; set under
 *	&trivio_mdev.lock, cleared by @rearm
 * @fresh: pages mapped on probation, for a store that @rearm is to wait for
 * @shown: pages of which KVM has reported a store: the probation is over
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
	DECLARE_BITMAP(raw, TRIVIO_VFIO_QUEUES_MAX);
	DECLARE_BITMAP(fresh, TRIVIO_VFIO_QUEUES_MAX);
	DECLARE_BITMAP(shown, TRIVIO_VFIO_QUEUES_MAX);
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
	if (!test_bit(queue, k->shown))
		set_bit(queue, k->shown);
	trivio_mdev_count(k->m, TRIVIO_MDEV_TRACK, 1);
	trivio_queue_kick(&k->m->dev->queue[queue]);
}

/*
 * A slot is gone, and the tracking of its pages with it; KVM's slots_lock is held.
 * It may be one of the other address space (SMM), which our pages do not hang on.
 */
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
		if (base + i >= gfn && base + i - gfn < nr_pages &&
		    !k->slot(k->kvm, base + i))
			hit |= test_and_clear_bit(i, k->armed);
	}
	if (hit)
		mod_delayed_work(system_wq, &k->rearm, 0);
}

/*
 * The slot of a page, if it is there to stay for this section of KVM's SRCU: one
 * that is to go is marked, KVM waits for all sections, takes it away, and then
 * tells us. So whatever hangs on a slot seen here is there until the end of the
 * section, and its removal is announced after it.
 */
static bool track_slot(struct trivio_mdev_kvm *k, u16 i)
{
	struct kvm_memory_slot *slot = k->slot(k->kvm, k->base + i);

	return slot && !(slot->flags & KVM_MEMSLOT_INVALID);
}

static bool track_page(struct trivio_mdev_kvm *k, u16 i)
{
	bool done;
	int idx;

	idx = srcu_read_lock(&k->kvm->srcu);
	done = track_slot(k, i) && !k->add(k->kvm, k->base + i);
	if (done) {
		set_bit(i, k->raw);
		set_bit(i, k->armed);
	}
	srcu_read_unlock(&k->kvm->srcu, idx);
	return done;
}

/* KVM warns of a page that is let go of and was not tracked: a new slot's. */
static void track_drop(struct trivio_mdev_kvm *k, u16 i)
{
	int idx;

	idx = srcu_read_lock(&k->kvm->srcu);
	if (test_and_clear_bit(i, k->armed) && track_slot(k, i))
		k->remove(k->kvm, k->base + i);
	srcu_read_unlock(&k->kvm->srcu, idx);
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
	for (i = 0; i < m->nqueues && base != k->base; i++)
		track_drop(k, i);
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

/*
 * Probation begins: what is mapped now was mapped before KVM looked for tracked
 * pages. Who had begun to emulate a store then, and would report one of which
 * nothing follows, is waited for.
 */
static void track_unmap_raw(struct trivio_mdev_kvm *k)
{
	DECLARE_BITMAP(raw, TRIVIO_VFIO_QUEUES_MAX);
	struct trivio_mdev *m = k->m;
	unsigned int i;

	/* What is armed from now on needs a wait of its own. */
	bitmap_copy(raw, k->raw, TRIVIO_VFIO_QUEUES_MAX);
	if (bitmap_empty(raw, TRIVIO_VFIO_QUEUES_MAX))
		return;
	synchronize_srcu_expedited(&k->kvm->srcu);
	for_each_set_bit(i, raw, m->nqueues) {
		clear_bit(i, k->raw);
		clear_bit(i, k->shown);
		clear_bit(i, k->fresh);
		trivio_mdev_bell_zap(m, i);
		if (trivio_mdev_bell_rung(m, i))
			trivio_queue_kick(&m->dev->queue[i]);
	}
}

/* Somebody has touched a page on probation: did KVM report it? */
static void track_check_fresh(struct trivio_mdev_kvm *k)
{
	struct trivio_mdev *m = k->m;
	unsigned int i;

	for_each_set_bit(i, k->fresh, m->nqueues) {
		if (!test_bit(i, k->armed))
			continue;
		clear_bit(i, k->fresh);
		trivio_mdev_bell_await(m, i);
		if (test_bit(i, k->shown))
			continue;
		trivio_mdev_bell_zap(m, i);
		if (!trivio_mdev_bell_rung(m, i))
			continue;
		trivio_mdev_count(m, TRIVIO_MDEV_LATE, 1);
		trivio_queue_kick(&m->dev->queue[i]);
	}
}

static void track_rearm(struct work_struct *work)
{
	struct trivio_mdev_kvm *k = container_of(work, struct trivio_mdev_kvm,
						 rearm.work);
	struct trivio_mdev *m = k->m;
	bool wanted;
	u16 i;

	mutex_lock(&m->lock);
	wanted = k->wanted;
	if (wanted) {
		if (!track_try(m))
			track_again(m);
		for (i = 0; i < m->nqueues; i++)
			trivio_queue_kick(&m->dev->queue[i]);
	}
	mutex_unlock(&m->lock);
	/* Unmapping takes locks that a fault on our pages is below of. */
	if (wanted) {
		track_unmap_raw(k);
		track_check_fresh(k);
	}
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
 * trivio_mdev_track_fault() - C: a doorbell page was mapped, to be touched next
 * @m: mediated device that is open
 * @queue: whose page
 *
 * Context: the fault handler of the pages; takes no lock.
 */
void trivio_mdev_track_fault(struct trivio_mdev *m, u16 queue)
{
	struct trivio_mdev_kvm *k = m->bell.kvm;

	if (!k || test_bit(queue, k->shown))
		return;
	/* A store from now on is seen. */
	trivio_mdev_bell_rung(m, queue);
	set_bit(queue, k->fresh);
	mod_delayed_work(system_highpri_wq, &k->rearm, 0);
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
	else
		mod_delayed_work(system_wq, &m->bell.kvm->rearm, 0);
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
	for (i = 0; i < m->nqueues; i++)
		track_drop(k, i);
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

void trivio_mdev_track_fault(struct trivio_mdev *m, u16 queue)
{
}

void trivio_mdev_track_arm(struct trivio_mdev *m)
{
}

void trivio_mdev_track_disarm(struct trivio_mdev *m)
{
}

#endif
