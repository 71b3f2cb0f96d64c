// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is a place at a switch: life of switches and ports. The data path
 * is in port_switch_tx.c and port_switch_rx.c.
 *
 * A switch comes with its first port and goes with its last. Only devices whose
 * memory is pinned can be at one: a frame goes from one guest's memory to
 * another's in the sender's soft interrupt.
 */
#include <linux/etherdevice.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "core.h"
#include "port_napi.h"
#include "port_switch.h"

/* Protects the list, and who is at which switch. */
static DEFINE_MUTEX(switch_mutex);
static LIST_HEAD(switches);

static struct sw_port *to_sw_port(struct trivio_port *port)
{
	return container_of(port, struct sw_port, port);
}

static struct sw_pair *pair_of(struct sw_port *p, const struct trivio_queue *q)
{
	return &p->pair[q->index / 2];
}

static bool is_tx(const struct trivio_queue *q)
{
	return q->index & 1;
}

/* --- switches ---------------------------------------------------------- */

static struct trivio_switch *switch_make(const char *name)
{
	struct trivio_switch *sw = kvzalloc(sizeof(*sw), GFP_KERNEL_ACCOUNT);

	if (!sw)
		return ERR_PTR(-ENOMEM);
	sw->dummy = alloc_netdev_dummy(0);
	if (!sw->dummy) {
		kvfree(sw);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&sw->ref);
	strscpy(sw->name, name);
	spin_lock_init(&sw->fdb_lock);
	list_add(&sw->node, &switches);
	return sw;
}

static struct trivio_switch *switch_get(const char *name)
{
	struct trivio_switch *sw;

	lockdep_assert_held(&switch_mutex);
	list_for_each_entry(sw, &switches, node) {
		if (!strcmp(sw->name, name)) {
			kref_get(&sw->ref);
			return sw;
		}
	}
	return switch_make(name);
}

static void switch_free(struct kref *ref)
{
	struct trivio_switch *sw = container_of(ref, struct trivio_switch, ref);

	lockdep_assert_held(&switch_mutex);
	list_del(&sw->node);
	free_netdev(sw->dummy);
	kvfree(sw);
}

/* --- coming and going -------------------------------------------------- */

static struct sw_port *port_at(struct trivio_switch *sw, u16 id)
{
	return rcu_dereference_protected(sw->port[id],
					 lockdep_is_held(&switch_mutex));
}

static int port_join(struct sw_port *p, const char *name)
{
	struct trivio_switch *sw;
	int err = 0;
	u16 id = 0;

	mutex_lock(&switch_mutex);
	sw = switch_get(name);
	if (IS_ERR(sw)) {
		err = PTR_ERR(sw);
		goto unlock;
	}
	while (id < SW_PORTS && port_at(sw, id))
		id++;
	if (id == SW_PORTS) {
		kref_put(&sw->ref, switch_free);
		err = -ENOSPC;
		goto unlock;
	}
	p->sw = sw;
	p->id = id;
	if (id >= sw->nports)
		WRITE_ONCE(sw->nports, id + 1);
	rcu_assign_pointer(sw->port[id], p);
unlock:
	mutex_unlock(&switch_mutex);
	return err;
}

/* On return no frame is on its way to @p. */
static void port_leave(struct sw_port *p)
{
	struct trivio_switch *sw = p->sw;

	mutex_lock(&switch_mutex);
	RCU_INIT_POINTER(sw->port[p->id], NULL);
	while (sw->nports && !port_at(sw, sw->nports - 1))
		WRITE_ONCE(sw->nports, sw->nports - 1);
	synchronize_net();
	/* Nobody learns of the port any more: its own NAPI has ended. */
	sw_fdb_forget(sw, p->id);
	kref_put(&sw->ref, switch_free);
	mutex_unlock(&switch_mutex);
}

static void tx_irq(struct irq_work *work)
{
	napi_schedule(&container_of(work, struct sw_tx, irq)->napi);
}

static void port_free(struct sw_port *p)
{
	u16 i;

	for (i = 0; i < p->npairs; i++)
		kfree(p->pair[i].rx.chain);
	kfree(p->flow);
	kvfree(p->pair);
	kfree(p);
}

static struct sw_port *port_make(struct trivio_dev *dev)
{
	struct trivio_net *net = dev->class_priv;
	struct sw_port *p;
	u16 i;

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return NULL;
	p->pair = kvcalloc(net->max_pairs, sizeof(*p->pair),
			   GFP_KERNEL_ACCOUNT);
	if (!p->pair)
		goto err;
	p->npairs = net->max_pairs;
	p->ctrl = net->ctrl;
	p->port.net = net;
	if (p->npairs > 1) {
		p->flow = kcalloc(SW_FLOWS, sizeof(*p->flow),
				  GFP_KERNEL_ACCOUNT);
		if (!p->flow)
			goto err;
	}
	for (i = 0; i < p->npairs; i++) {
		struct sw_pair *pair = &p->pair[i];

		spin_lock_init(&pair->rx.lock);
		pair->rx.q = &dev->queue[2 * i];
		pair->rx.chain = kcalloc(NET_RX_MERGE_MAX, sizeof(*pair->rx.chain),
					 GFP_KERNEL_ACCOUNT);
		if (!pair->rx.chain)
			goto err;
		pair->tx.p = p;
		pair->tx.pair = i;
		pair->tx.q = &dev->queue[2 * i + 1];
		init_irq_work(&pair->tx.irq, tx_irq);
	}
	return p;

err:
	port_free(p);
	return NULL;
}

/* --- port -------------------------------------------------------------- */

static int sw_attach(struct trivio_port *port, struct trivio_queue *q)
{
	to_sw_port(port)->refs++;
	return 0;
}

static void sw_destroy(struct sw_port *p)
{
	u16 i;

	for (i = 0; i < p->npairs; i++) {
		irq_work_sync(&p->pair[i].tx.irq);
		netif_napi_del(&p->pair[i].tx.napi);
	}
	port_leave(p);
	port_free(p);
}

static void sw_detach(struct trivio_port *port, struct trivio_queue *q)
{
	struct sw_port *p = to_sw_port(port);

	if (!--p->refs)
		sw_destroy(p);
}

static int sw_start(struct trivio_port *port, struct trivio_queue *q)
{
	struct sw_pair *pair = pair_of(to_sw_port(port), q);

	/* Memory of a process can't be reached from another's soft interrupt. */
	if (!q->ops->kick)
		return -EOPNOTSUPP;
	if (is_tx(q)) {
		pair->tx.hdr_len = port->net->hdr_len;
		napi_enable(&pair->tx.napi);
		return 0;
	}
	spin_lock_bh(&pair->rx.lock);
	pair->rx.hdr_len = port->net->hdr_len;
	pair->rx.mergeable = port->net->mergeable;
	/* Buffers are looked for when there is a frame. */
	trivio_ring_kick_disable(&q->ring);
	WRITE_ONCE(pair->rx.running, true);
	spin_unlock_bh(&pair->rx.lock);
	return 0;
}

static void sw_stop(struct trivio_port *port, struct trivio_queue *q)
{
	struct sw_pair *pair = pair_of(to_sw_port(port), q);

	if (!q->ops->kick)
		return;
	if (is_tx(q)) {
		irq_work_sync(&pair->tx.irq);
		napi_disable(&pair->tx.napi);
		return;
	}
	spin_lock_bh(&pair->rx.lock);
	WRITE_ONCE(pair->rx.running, false);
	trivio_queue_flush(q);
	spin_unlock_bh(&pair->rx.lock);
}

static void sw_kick(struct trivio_port *port, struct trivio_queue *q)
{
	struct sw_tx *tx = &pair_of(to_sw_port(port), q)->tx;

	if (is_tx(q))
		port_napi_kick(&tx->napi, &tx->irq);
}

/* Nobody else would before the next frame comes. */
static void sw_settled(struct trivio_port *port, struct trivio_queue *q)
{
	struct sw_rx *rx = &pair_of(to_sw_port(port), q)->rx;

	if (is_tx(q))
		return;
	spin_lock_bh(&rx->lock);
	if (rx->running)
		trivio_queue_flush(q);
	spin_unlock_bh(&rx->lock);
}

static void sw_features(struct trivio_port *port, u64 features)
{
	WRITE_ONCE(to_sw_port(port)->features, features);
}

/* Never reached: a queue that is not served directly does not start. */
static bool sw_serve(struct trivio_port *port, struct trivio_queue *q)
{
	return false;
}

static const struct trivio_port_ops sw_port_ops = {
	.name		= "switch",
	.atomic		= true,
	.attach		= sw_attach,
	.detach		= sw_detach,
	.start		= sw_start,
	.stop		= sw_stop,
	.serve_tx	= sw_serve,
	.serve_rx	= sw_serve,
	.kick		= sw_kick,
	.settled	= sw_settled,
	.features	= sw_features,
};

/**
 * trivio_port_switch_create() - join a net device to a switch
 * @dev: net device; no queue runs and none has a port
 * @name: the switch; made if there is none of that name
 *
 * All queue pairs get the port; it goes with the device.
 *
 * Context: may sleep.
 *
 * Return: 0; -EINVAL for a name that is empty or too long; -ENOSPC if the switch
 * is full; -EBUSY if a queue runs; -ENOMEM.
 */
int trivio_port_switch_create(struct trivio_dev *dev, const char *name)
{
	struct sw_port *p;
	u16 i;
	int err;

	if (!*name || strlen(name) >= TRIVIO_NAME_MAX)
		return -EINVAL;
	p = port_make(dev);
	if (!p)
		return -ENOMEM;
	p->port.ops = &sw_port_ops;
	err = port_join(p, name);
	if (err) {
		port_free(p);
		return err;
	}
	for (i = 0; i < p->npairs; i++)
		netif_napi_add(p->sw->dummy, &p->pair[i].tx.napi, sw_poll);
	/* Keeps the port while queues are given it, or taken from it. */
	p->refs++;
	for (i = 0; i < 2 * p->npairs; i++) {
		err = trivio_net_set_port(&dev->queue[i], &p->port);
		if (err)
			break;
	}
	if (err)
		while (i--)
			trivio_net_set_port(&dev->queue[i], NULL);
	sw_detach(&p->port, NULL);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_port_switch_create);
