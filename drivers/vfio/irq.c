// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of the function: VFIO_DEVICE_SET_IRQS with vfio-pci's semantics
 * (drivers/vfio/pci/vfio_pci_intrs.c), and raising them.
 *
 * Whoever raises one may be in any context (a sender's ndo_start_xmit), so
 * triggers are found under RCU. A message whose vector has no trigger at the
 * moment is kept pending, as a masked one is in the PBA. So is everything that is
 * raised while migration has stopped the device: it belongs to the guest that
 * will run, here or elsewhere, and comes when the device runs.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/nospec.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/virtio_pci.h>

#include "mdev.h"

/* ISR register (virtio 1.2, 4.1.4.5); the UAPI header names only the second. */
#define ISR_QUEUE	0x1

static void trigger_free(struct rcu_head *rcu)
{
	struct trivio_trigger *t = container_of(rcu, struct trivio_trigger, rcu);

	eventfd_ctx_put(t->ctx);
	kfree(t);
}

static struct trivio_trigger *trigger_get(int fd)
{
	struct trivio_trigger *t;

	t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return ERR_PTR(-ENOMEM);
	t->ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(t->ctx)) {
		int err = PTR_ERR(t->ctx);

		kfree(t);
		return ERR_PTR(err);
	}
	return t;
}

static void trigger_replace(struct trivio_mdev *m,
			    struct trivio_trigger __rcu **slot,
			    struct trivio_trigger *t)
{
	struct trivio_trigger *old;

	old = rcu_replace_pointer(*slot, t, lockdep_is_held(&m->irq.lock));
	if (old)
		call_rcu(&old->rcu, trigger_free);
}

static bool trigger_fire(struct trivio_trigger __rcu **slot)
{
	struct trivio_trigger *t;
	bool there;

	rcu_read_lock();
	t = rcu_dereference(*slot);
	there = t;
	if (t)
		eventfd_signal(t->ctx);
	rcu_read_unlock();
	return there;
}

/* --- raising ------------------------------------------------------------ */

/*
 * Signal a pending message if that can be done now. Its bit is seen by us or by
 * who makes it possible: the barriers behind set_bit() here and in msix_raise()
 * pair with those in msix_set() and trivio_mdev_irq_run().
 */
static void msix_flush(struct trivio_mdev *m, u16 vector)
{
	while (!READ_ONCE(m->stopped) &&
	       rcu_access_pointer(m->irq.msix[vector]) &&
	       test_and_clear_bit(vector, m->irq.pending)) {
		if (trigger_fire(&m->irq.msix[vector])) {
			trivio_mdev_count(m, TRIVIO_MDEV_MSIX, 1);
			return;
		}
		/* The trigger went away in between. */
		set_bit(vector, m->irq.pending);
		/* As in msix_raise(). */
		smp_mb__after_atomic();
	}
}

static void msix_raise(struct trivio_mdev *m, u16 vector)
{
	if (vector >= m->nvectors)
		return;
	/* The guest wrote it: also mispredicted it stays in the table. */
	vector = array_index_nospec(vector, m->nvectors);
	if (!READ_ONCE(m->stopped) && trigger_fire(&m->irq.msix[vector])) {
		trivio_mdev_count(m, TRIVIO_MDEV_MSIX, 1);
		return;
	}
	set_bit(vector, m->irq.pending);
	/* Before the trigger is looked at again: see msix_flush(). */
	smp_mb__after_atomic();
	msix_flush(m, vector);
}

/* Level triggered: once raised, masked until the user has served it. */
static void intx_update(struct trivio_mdev *m)
{
	struct trivio_mdev_irq *irq = &m->irq;

	lockdep_assert_held(&irq->intx_lock);
	if (!irq->isr || irq->masked || irq->disabled || READ_ONCE(m->stopped))
		return;
	if (trigger_fire(&irq->intx)) {
		irq->masked = true;
		trivio_mdev_count(m, TRIVIO_MDEV_INTX, 1);
	}
}

static void isr_raise(struct trivio_mdev *m, u8 bit)
{
	unsigned long flags;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	m->irq.isr |= bit;
	intx_update(m);
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

/*
 * While neither INTx nor MSI-X is on, nobody can say which it will be: a VMM
 * switches MSI-X off and on again whenever the guest uses one more vector. So
 * then both remember.
 */
static void irq_raise(struct trivio_mdev *m, u16 vector, u8 isr_bit)
{
	unsigned int type = READ_ONCE(m->irq.type);

	if (type != VFIO_PCI_INTX_IRQ_INDEX)
		msix_raise(m, vector);
	if (type != VFIO_PCI_MSIX_IRQ_INDEX)
		isr_raise(m, isr_bit);
}

/**
 * trivio_mdev_irq_queue() - a queue has used entries
 * @m: mediated device
 * @queue: queue
 *
 * Context: any, but not from inside an eventfd wake-up.
 */
void trivio_mdev_irq_queue(struct trivio_mdev *m, u16 queue)
{
	irq_raise(m, READ_ONCE(m->vq[queue].vector), ISR_QUEUE);
}

/**
 * trivio_mdev_irq_config() - config space changed or the device needs a reset
 * @m: mediated device
 *
 * Context: any, but not from inside an eventfd wake-up.
 */
void trivio_mdev_irq_config(struct trivio_mdev *m)
{
	irq_raise(m, READ_ONCE(m->config_vector), VIRTIO_PCI_ISR_CONFIG);
}

/**
 * trivio_mdev_isr_read() - the driver reads the ISR register
 * @m: mediated device
 *
 * Return: its bits; they are cleared and the line goes down.
 */
u8 trivio_mdev_isr_read(struct trivio_mdev *m)
{
	unsigned long flags;
	u8 isr;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	isr = m->irq.isr;
	m->irq.isr = 0;
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
	return isr;
}

/**
 * trivio_mdev_isr_pending() - PCI_STATUS.INTERRUPT
 * @m: mediated device
 *
 * Return: whether the line is up.
 */
bool trivio_mdev_isr_pending(struct trivio_mdev *m)
{
	return READ_ONCE(m->irq.isr);
}

/**
 * trivio_mdev_irq_command() - COMMAND.INTX_DISABLE may have changed
 * @m: mediated device
 * @command: COMMAND register
 */
void trivio_mdev_irq_command(struct trivio_mdev *m, u16 command)
{
	unsigned long flags;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	WRITE_ONCE(m->irq.disabled, command & PCI_COMMAND_INTX_DISABLE);
	intx_update(m);
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

/**
 * trivio_mdev_irq_run() - migration lets the device run: raise what is due
 * @m: mediated device, no longer stopped; its lock is held
 */
void trivio_mdev_irq_run(struct trivio_mdev *m)
{
	unsigned long flags;
	unsigned int i;

	lockdep_assert_held(&m->lock);
	/* Orders @stopped before the bits; pairs with those behind set_bit(). */
	smp_mb();
	for_each_set_bit(i, m->irq.pending, m->nvectors)
		msix_flush(m, i);
	spin_lock_irqsave(&m->irq.intx_lock, flags);
	intx_update(m);
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

/**
 * trivio_mdev_irq_load() - interrupts that the source of a migration owes
 * @m: mediated device that migration has stopped; its lock is held
 * @isr: ISR register
 * @pending: MSI-X pending bits; none beyond the last vector
 */
void trivio_mdev_irq_load(struct trivio_mdev *m, u8 isr, const u8 *pending)
{
	unsigned long flags;
	unsigned int i;

	lockdep_assert_held(&m->lock);
	spin_lock_irqsave(&m->irq.intx_lock, flags);
	m->irq.isr = isr;
	/* With INTx on, none of them can be a message's (type_set()). */
	for (i = 0; m->irq.type != VFIO_PCI_INTX_IRQ_INDEX && i < m->nvectors; i++) {
		if (pending[i / 8] & BIT(i % 8))
			set_bit(i, m->irq.pending);
	}
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

/**
 * trivio_mdev_irq_request() - ask the client to give the device back
 * @m: mediated device
 * @count: times it was asked before
 */
void trivio_mdev_irq_request(struct trivio_mdev *m, unsigned int count)
{
	if (trigger_fire(&m->irq.req)) {
		if (!(count % 10))
			dev_notice_ratelimited(m->vdev.dev,
					       "asked the user to let go of the device (%u)\n",
					       count);
	} else if (!count) {
		dev_notice(m->vdev.dev,
			   "no request event; waiting for the user to close\n");
	}
}

/* --- SET_IRQS ----------------------------------------------------------- */

static void intx_unmask(struct trivio_mdev *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	m->irq.masked = false;
	intx_update(m);
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
	trivio_mdev_count(m, TRIVIO_MDEV_UNMASK, 1);
}

static void intx_mask(struct trivio_mdev *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	m->irq.masked = true;
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

/*
 * Inside the wake-up of the unmask eventfd. Signalling another eventfd is not
 * allowed here (the kernel drops it), so leave that to the thread function.
 */
static int unmask_handler(void *opaque, void *unused)
{
	return 1;
}

static void unmask_thread(void *opaque, void *unused)
{
	trivio_mdev_count(opaque, TRIVIO_MDEV_RESAMPLE, 1);
	intx_unmask(opaque);
}

static void type_set(struct trivio_mdev *m, unsigned int type)
{
	unsigned long flags;

	lockdep_assert_held(&m->irq.lock);
	spin_lock_irqsave(&m->irq.intx_lock, flags);
	WRITE_ONCE(m->irq.type, type);
	m->irq.masked = false;
	/* ISR is for functions without MSI-X (virtio 1.2, 4.1.4.5.1). */
	if (type == VFIO_PCI_MSIX_IRQ_INDEX)
		m->irq.isr = 0;
	else if (type == VFIO_PCI_INTX_IRQ_INDEX)
		bitmap_zero(m->irq.pending, TRIVIO_PCI_MSIX_MAX);
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
}

static void intx_disable(struct trivio_mdev *m)
{
	lockdep_assert_held(&m->irq.lock);
	vfio_virqfd_disable(&m->irq.unmask);
	type_set(m, VFIO_PCI_NUM_IRQS);
	trigger_replace(m, &m->irq.intx, NULL);
}

static void msix_disable(struct trivio_mdev *m)
{
	unsigned int i;

	lockdep_assert_held(&m->irq.lock);
	for (i = 0; i < m->nvectors; i++)
		trigger_replace(m, &m->irq.msix[i], NULL);
	type_set(m, VFIO_PCI_NUM_IRQS);
}

static int set_intx_mask(struct trivio_mdev *m, const struct vfio_irq_set *hdr,
			 void *data)
{
	if (m->irq.type != VFIO_PCI_INTX_IRQ_INDEX || hdr->start ||
	    hdr->count != 1)
		return -EINVAL;
	switch (hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return -ENOTTY;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!*(u8 *)data)
			return 0;
	}
	intx_mask(m);
	return 0;
}

static int set_intx_unmask(struct trivio_mdev *m,
			   const struct vfio_irq_set *hdr, void *data)
{
	s32 fd;

	if (m->irq.type != VFIO_PCI_INTX_IRQ_INDEX || hdr->start ||
	    hdr->count != 1)
		return -EINVAL;
	switch (hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_EVENTFD:
		fd = *(s32 *)data;
		if (fd < 0) {
			vfio_virqfd_disable(&m->irq.unmask);
			return 0;
		}
		return vfio_virqfd_enable(m, unmask_handler, unmask_thread,
					  NULL, &m->irq.unmask, fd);
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!*(u8 *)data)
			return 0;
	}
	intx_unmask(m);
	return 0;
}

static int set_intx_trigger(struct trivio_mdev *m,
			    const struct vfio_irq_set *hdr, void *data)
{
	u32 type = hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	bool on = m->irq.type == VFIO_PCI_INTX_IRQ_INDEX;
	struct trivio_trigger *t = NULL;
	unsigned long flags;

	if (on && !hdr->count && type == VFIO_IRQ_SET_DATA_NONE) {
		intx_disable(m);
		return 0;
	}
	if ((!on && m->irq.type != VFIO_PCI_NUM_IRQS) || hdr->start ||
	    hdr->count != 1)
		return -EINVAL;

	if (type == VFIO_IRQ_SET_DATA_EVENTFD) {
		s32 fd = *(s32 *)data;

		if (fd >= 0) {
			t = trigger_get(fd);
			if (IS_ERR(t))
				return PTR_ERR(t);
		}
		trigger_replace(m, &m->irq.intx, t);
		if (!on)
			type_set(m, VFIO_PCI_INTX_IRQ_INDEX);
		/* The line may be up already. */
		spin_lock_irqsave(&m->irq.intx_lock, flags);
		intx_update(m);
		spin_unlock_irqrestore(&m->irq.intx_lock, flags);
		return 0;
	}
	if (!on)
		return -EINVAL;
	/* Loopback, for testing; INTX_DISABLE stops it as on a real function. */
	if ((type == VFIO_IRQ_SET_DATA_NONE || *(u8 *)data) &&
	    !READ_ONCE(m->irq.disabled))
		trigger_fire(&m->irq.intx);
	return 0;
}

static void msix_set(struct trivio_mdev *m, unsigned int vector,
		     struct trivio_trigger *t)
{
	trigger_replace(m, &m->irq.msix[vector], t);
	if (!t)
		return;
	/* Pairs with the barriers behind set_bit(). */
	smp_mb();
	msix_flush(m, vector);
}

static int msix_set_block(struct trivio_mdev *m, unsigned int start,
			  unsigned int count, const s32 *fd)
{
	struct trivio_trigger **t;
	unsigned int i;
	int err = 0;

	/* All or nothing: get every eventfd before any is put in place. */
	t = kcalloc(count, sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	for (i = 0; i < count && !err; i++) {
		if (fd[i] < 0)
			continue;
		t[i] = trigger_get(fd[i]);
		if (IS_ERR(t[i])) {
			err = PTR_ERR(t[i]);
			t[i] = NULL;
		}
	}
	for (i = 0; i < count; i++) {
		if (!err)
			msix_set(m, start + i, t[i]);
		else if (t[i])
			trigger_free(&t[i]->rcu);
	}
	kfree(t);
	return err;
}

static int set_msix_trigger(struct trivio_mdev *m,
			    const struct vfio_irq_set *hdr, void *data)
{
	u32 type = hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	bool on = m->irq.type == VFIO_PCI_MSIX_IRQ_INDEX;
	unsigned int i;
	int err;

	if (on && !hdr->count && type == VFIO_IRQ_SET_DATA_NONE) {
		msix_disable(m);
		return 0;
	}
	if (!on && m->irq.type != VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	if (type == VFIO_IRQ_SET_DATA_EVENTFD) {
		err = hdr->count ? msix_set_block(m, hdr->start, hdr->count,
						  data) : 0;
		if (!err && !on)
			type_set(m, VFIO_PCI_MSIX_IRQ_INDEX);
		return err;
	}
	if (!on)
		return -EINVAL;
	for (i = 0; i < hdr->count; i++) {
		if (type == VFIO_IRQ_SET_DATA_NONE || ((u8 *)data)[i])
			trigger_fire(&m->irq.msix[hdr->start + i]);
	}
	return 0;
}

static int set_req_trigger(struct trivio_mdev *m,
			   const struct vfio_irq_set *hdr, void *data)
{
	struct trivio_trigger *t = NULL;
	s32 fd;

	switch (hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (!rcu_access_pointer(m->irq.req))
			return -EINVAL;
		if (hdr->count)
			trigger_fire(&m->irq.req);
		else
			trigger_replace(m, &m->irq.req, NULL);
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!hdr->count)
			return -EINVAL;
		if (*(u8 *)data)
			trigger_fire(&m->irq.req);
		return 0;
	}
	if (!hdr->count)
		return -EINVAL;
	fd = *(s32 *)data;
	if (fd < -1)
		return -EINVAL;
	if (fd >= 0) {
		t = trigger_get(fd);
		if (IS_ERR(t))
			return PTR_ERR(t);
	}
	trigger_replace(m, &m->irq.req, t);
	return 0;
}

/**
 * trivio_mdev_irq_count() - interrupts of an index
 * @m: mediated device
 * @index: VFIO_PCI_*_IRQ_INDEX
 *
 * Return: how many, 0 for one that the function lacks, or -EINVAL.
 */
int trivio_mdev_irq_count(struct trivio_mdev *m, unsigned int index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return m->nvectors;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return 0;
	}
	/* No AER: QEMU takes an error here for "no error events", silently. */
	return -EINVAL;
}

/**
 * trivio_mdev_set_irqs() - VFIO_DEVICE_SET_IRQS
 * @m: mediated device
 * @hdr: validated against the index's own count
 * @data: kernel copy of the data, or NULL
 *
 * Context: may sleep.
 *
 * Return: 0, -ENOTTY for an action that the index lacks, -EINVAL, -EBADF for no
 * eventfd, -ENOMEM.
 */
int trivio_mdev_set_irqs(struct trivio_mdev *m, const struct vfio_irq_set *hdr,
			 void *data)
{
	int (*fn)(struct trivio_mdev *m, const struct vfio_irq_set *hdr,
		  void *data) = NULL;
	u32 action = hdr->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	int err;

	switch (hdr->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_MASK)
			fn = set_intx_mask;
		else if (action == VFIO_IRQ_SET_ACTION_UNMASK)
			fn = set_intx_unmask;
		else if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			fn = set_intx_trigger;
		break;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			fn = set_msix_trigger;
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
			fn = set_req_trigger;
		break;
	}
	if (!fn)
		return -ENOTTY;
	mutex_lock(&m->irq.lock);
	err = fn(m, hdr, data);
	mutex_unlock(&m->irq.lock);
	return err;
}

/* --- life --------------------------------------------------------------- */

/**
 * trivio_mdev_irq_init() - a new mediated device: no interrupts
 * @m: mediated device
 */
void trivio_mdev_irq_init(struct trivio_mdev *m)
{
	mutex_init(&m->irq.lock);
	spin_lock_init(&m->irq.intx_lock);
	m->irq.type = VFIO_PCI_NUM_IRQS;
}

/**
 * trivio_mdev_irq_reset() - what a device reset does to interrupts
 * @m: mediated device
 */
void trivio_mdev_irq_reset(struct trivio_mdev *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->irq.intx_lock, flags);
	m->irq.isr = 0;
	spin_unlock_irqrestore(&m->irq.intx_lock, flags);
	bitmap_zero(m->irq.pending, TRIVIO_PCI_MSIX_MAX);
}

/**
 * trivio_mdev_irq_close() - the client is gone: let go of its eventfds
 * @m: mediated device; its queues are stopped
 */
void trivio_mdev_irq_close(struct trivio_mdev *m)
{
	mutex_lock(&m->irq.lock);
	/* Unmask work that is still queued must not outlive the client. */
	vfio_virqfd_flush_thread(&m->irq.unmask);
	intx_disable(m);
	msix_disable(m);
	trigger_replace(m, &m->irq.req, NULL);
	mutex_unlock(&m->irq.lock);
}
