// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue in service (virtio 1.2, 5.1.6.5): commands are copied out
 * of guest memory once, parsed by net_ctrl_parse.c and carried out here. What
 * the data path needs of them, the receive filter and RSS, is published by RCU
 * as whole new objects.
 *
 * A malformed or unknown command is answered with VIRTIO_NET_ERR and the queue
 * goes on; a chain without room for an answer is dropped and counted.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_net.h>

#include <trivio/fault.h>
#include <trivio/net.h>

#include "core.h"
#include "net_ctrl.h"
#include "net_hdr.h"

/* Commands a turn; the queue is woken again for more. */
#define CTRL_BUDGET	64

static struct trivio_net_ctrl *net_ctrl(struct trivio_net *net)
{
	return net->ctrl;
}

/* --- receive filter ---------------------------------------------------- */

static bool in_table(const u8 (*table)[ETH_ALEN], u32 n, const u8 *mac)
{
	u32 i;

	if (n > TRIVIO_MAC_MAX)
		return true;
	for (i = 0; i < n; i++)
		if (ether_addr_equal_unaligned(table[i], mac))
			return true;
	return false;
}

/**
 * __trivio_net_filter() - does the driver want this frame
 * @f: filter
 * @frame: first bytes, at least an Ethernet header
 * @head: how many of them
 *
 * virtio 1.2, 5.1.6.5.1 to 5.1.6.5.3. Frames without a tag pass the VLAN
 * filter.
 *
 * Context: RCU reader, any.
 */
bool __trivio_net_filter(const struct trivio_filter *f, const u8 *frame,
			 u32 head)
{
	u16 vid;

	if (f->promisc)
		return true;
	if (f->vlans && trivio_be16(frame + 12) == ETH_P_8021Q) {
		if (head < VLAN_ETH_HLEN)
			return false;
		vid = trivio_be16(frame + ETH_HLEN) & VLAN_VID_MASK;
		if (!test_bit(vid, f->vlan))
			return false;
	}
	if (is_broadcast_ether_addr(frame))
		return !f->nobcast;
	if (is_multicast_ether_addr(frame)) {
		if (f->nomulti)
			return false;
		return f->allmulti || in_table(f->multi, f->n_multi, frame);
	}
	if (f->nouni)
		return false;
	return f->alluni || ether_addr_equal_unaligned(f->mac, frame) ||
	       in_table(f->uni, f->n_uni, frame);
}

/* A private copy of the filter in force, or a new one. */
static struct trivio_filter *filter_copy(struct trivio_net *net)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);
	struct trivio_filter *old, *f;

	old = rcu_dereference_protected(ctrl->filter,
					lockdep_is_held(&ctrl->lock));
	f = kmalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return NULL;
	if (old) {
		*f = *old;
		return f;
	}
	memset(f, 0, sizeof(*f));
	/* What a device does that was told nothing: everything passes. */
	f->promisc = true;
	f->vlans = trivio_has(net->dev, VIRTIO_NET_F_CTRL_VLAN);
	ether_addr_copy(f->mac, net->mac);
	return f;
}

static void filter_publish(struct trivio_net_ctrl *ctrl,
			   struct trivio_filter *f)
{
	struct trivio_filter *old;

	old = rcu_replace_pointer(ctrl->filter, f,
				  lockdep_is_held(&ctrl->lock));
	if (old)
		kfree_rcu(old, rcu);
}

static void rss_publish(struct trivio_net_ctrl *ctrl, struct trivio_net_rss *r)
{
	struct trivio_net_rss *old;

	old = rcu_replace_pointer(ctrl->rss, r, lockdep_is_held(&ctrl->lock));
	if (old)
		kfree_rcu(old, rcu);
}

/* --- commands ---------------------------------------------------------- */

static void filter_rx(struct trivio_filter *f, const struct trivio_ctrl_cmd *c)
{
	switch (c->cmd) {
	case VIRTIO_NET_CTRL_RX_PROMISC:
		f->promisc = c->on;
		break;
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		f->allmulti = c->on;
		break;
	case VIRTIO_NET_CTRL_RX_ALLUNI:
		f->alluni = c->on;
		break;
	case VIRTIO_NET_CTRL_RX_NOMULTI:
		f->nomulti = c->on;
		break;
	case VIRTIO_NET_CTRL_RX_NOUNI:
		f->nouni = c->on;
		break;
	case VIRTIO_NET_CTRL_RX_NOBCAST:
		f->nobcast = c->on;
		break;
	}
}

static void filter_mac(struct trivio_net *net, struct trivio_filter *f,
		       const struct trivio_ctrl_cmd *c)
{
	if (c->cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET) {
		ether_addr_copy(net->mac, c->mac);
		ether_addr_copy(f->mac, c->mac);
		return;
	}
	f->n_uni = c->n_uni;
	if (c->n_uni <= TRIVIO_MAC_MAX)
		memcpy(f->uni, c->uni, c->n_uni * ETH_ALEN);
	f->n_multi = c->n_multi;
	if (c->n_multi <= TRIVIO_MAC_MAX)
		memcpy(f->multi, c->multi, c->n_multi * ETH_ALEN);
}

static int do_filter(struct trivio_net *net, const struct trivio_ctrl_cmd *c)
{
	struct trivio_filter *f = filter_copy(net);

	if (!f)
		return -ENOMEM;
	switch (c->class) {
	case VIRTIO_NET_CTRL_RX:
		filter_rx(f, c);
		break;
	case VIRTIO_NET_CTRL_MAC:
		filter_mac(net, f, c);
		break;
	case VIRTIO_NET_CTRL_VLAN:
		if (c->cmd == VIRTIO_NET_CTRL_VLAN_ADD)
			__set_bit(c->vid, f->vlan);
		else
			__clear_bit(c->vid, f->vlan);
		break;
	}
	filter_publish(net_ctrl(net), f);
	return 0;
}

static int do_mq(struct trivio_net *net, const struct trivio_ctrl_cmd *c)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);
	struct trivio_net_rss *r, *old;
	bool steer;

	old = rcu_dereference_protected(ctrl->rss,
					lockdep_is_held(&ctrl->lock));
	if (c->cmd == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) {
		/* The automatic steering again, instead of the table. */
		if (old && old->rss.steer) {
			r = kmemdup(old, sizeof(*old), GFP_KERNEL_ACCOUNT);
			if (!r)
				return -ENOMEM;
			r->rss.steer = false;
			rss_publish(ctrl, r);
		}
		WRITE_ONCE(net->pairs, c->pairs);
		return 0;
	}

	steer = c->cmd == VIRTIO_NET_CTRL_MQ_RSS_CONFIG;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	/* A hash report alone leaves the table as it is. */
	if (!steer && old)
		r->rss = old->rss;
	r->rss.types = c->rss.types;
	memcpy(r->key, c->key, sizeof(r->key));
	trivio_toeplitz_init(&r->rss.key, c->key);
	if (steer) {
		r->rss.steer = true;
		r->rss.mask = c->rss.mask;
		r->rss.unclassified = c->rss.unclassified;
		memcpy(r->rss.table, c->rss.table, sizeof(r->rss.table));
	}
	rss_publish(ctrl, r);
	if (steer)
		WRITE_ONCE(net->pairs, c->pairs);
	return 0;
}

/* Tell each port once which offloads its receive side may use. */
static void ports_features(struct trivio_net *net)
{
	u64 features = trivio_net_guest_features(net);
	struct trivio_port *port;
	u16 i;

	for (i = 0; i < 2 * net->max_pairs; i += 2) {
		port = net->port[i];
		if (port && port->ops->features)
			port->ops->features(port, features);
	}
}

static int do_offloads(struct trivio_net *net, const struct trivio_ctrl_cmd *c)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);

	WRITE_ONCE(ctrl->off, trivio_net_guest_offloads(net->dev->features) &
			      ~c->offloads);
	ports_features(net);
	return 0;
}

static int ctrl_do(struct trivio_net *net, const struct trivio_ctrl_cmd *c)
{
	switch (c->class) {
	case VIRTIO_NET_CTRL_RX:
	case VIRTIO_NET_CTRL_MAC:
	case VIRTIO_NET_CTRL_VLAN:
		return do_filter(net, c);
	case VIRTIO_NET_CTRL_MQ:
		return do_mq(net, c);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		WRITE_ONCE(net->announce, false);
		return 0;
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return do_offloads(net, c);
	default:
		return -EOPNOTSUPP;
	}
}

/* --- service ----------------------------------------------------------- */

static void ctrl_chain(struct trivio_net *net, struct trivio_queue *q,
		       const struct trivio_chain *c)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);
	u8 ack = VIRTIO_NET_ERR;
	int err = -EINVAL;

	if (!c->in_len) {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FORMAT, c->id,
				  c->out_len);
		trivio_queue_push(q, c, 0);
		return;
	}
	if (c->out_len <= TRIVIO_CTRL_MAX)
		err = trivio_chain_read(q, c, 0, ctrl->buf, c->out_len);
	if (!err)
		err = trivio_net_ctrl_parse(ctrl->buf, c->out_len,
					    q->dev->features, net->max_pairs,
					    &ctrl->cmd);
	if (!err && trivio_fault(q, TRIVIO_FAULT_CTRL_ERROR, NULL))
		err = -EIO;
	mutex_lock(&ctrl->lock);
	if (!err)
		err = ctrl_do(net, &ctrl->cmd);
	if (err)
		ctrl->failed++;
	else
		ctrl->ok++;
	mutex_unlock(&ctrl->lock);
	if (!err)
		ack = VIRTIO_NET_OK;
	trivio_stat_inc(q, TRIVIO_STAT_PACKETS);
	trivio_stat_add(q, TRIVIO_STAT_BYTES, c->out_len);

	if (trivio_chain_write(q, c, 0, &ack, sizeof(ack))) {
		trivio_queue_drop(q, TRIVIO_STAT_DROP_FAULT, c->id, c->out_len);
		trivio_queue_push(q, c, 0);
		return;
	}
	trivio_queue_push(q, c, sizeof(ack));
}

/**
 * trivio_net_ctrl_serve() - one turn of the control queue
 * @q: control queue
 *
 * Context: worker, &trivio_queue.lock held. Takes no rtnl: a driver waits for
 * the answer with its own rtnl held.
 *
 * Return: true if there is more to do.
 */
bool trivio_net_ctrl_serve(struct trivio_queue *q)
{
	struct trivio_net *net = trivio_net(q);
	struct trivio_chain c;
	int i;

	/* What the last turn had to hold back. */
	trivio_queue_flush(q);
	trivio_chain_init(q, &c);
	trivio_ring_kick_disable(&q->ring);
	for (i = 0; i < CTRL_BUDGET; i++) {
		if (trivio_queue_next(q, &c) <= 0)
			return false;
		ctrl_chain(net, q, &c);
		/* The driver waits for each. */
		trivio_queue_flush(q);
	}
	return true;
}

/**
 * trivio_net_announce() - ask the driver to announce itself to the network
 * @dev: net device
 *
 * Does nothing unless VIRTIO_NET_F_GUEST_ANNOUNCE was accepted.
 *
 * Context: may sleep.
 */
void trivio_net_announce(struct trivio_dev *dev)
{
	struct trivio_net *net = dev->class_priv;

	if (!trivio_has(dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	WRITE_ONCE(net->announce, true);
	trivio_dev_config_changed(dev);
}
EXPORT_SYMBOL_GPL(trivio_net_announce);

/**
 * trivio_net_guest_features() - features less offloads that were switched off
 * @net: device
 *
 * Context: any.
 */
u64 trivio_net_guest_features(struct trivio_net *net)
{
	return net->dev->features & ~READ_ONCE(net_ctrl(net)->off);
}

/**
 * trivio_net_ctrl_reset() - nothing filtered, nothing hashed, no offload off
 * @net: device; its queues are stopped
 *
 * Context: may sleep.
 */
void trivio_net_ctrl_reset(struct trivio_net *net)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);

	if (!ctrl)
		return;
	mutex_lock(&ctrl->lock);
	filter_publish(ctrl, NULL);
	rss_publish(ctrl, NULL);
	WRITE_ONCE(ctrl->off, 0);
	mutex_unlock(&ctrl->lock);
}

/**
 * trivio_net_ctrl_set() - have the control state of another device
 * @net: device, &trivio_net_ctrl.lock held
 * @f: filter, or NULL; given away
 * @r: steering, or NULL; given away
 * @off: guest offloads that are off
 *
 * Context: may sleep.
 */
void trivio_net_ctrl_set(struct trivio_net *net, struct trivio_filter *f,
			 struct trivio_net_rss *r, u64 off)
{
	struct trivio_net_ctrl *ctrl = net_ctrl(net);

	lockdep_assert_held(&ctrl->lock);
	filter_publish(ctrl, f);
	rss_publish(ctrl, r);
	WRITE_ONCE(ctrl->off, off);
	ports_features(net);
}

/**
 * trivio_net_ctrl_init() - control state of a new device
 * @net: device
 *
 * Return: 0 or -ENOMEM.
 */
int trivio_net_ctrl_init(struct trivio_net *net)
{
	struct trivio_net_ctrl *ctrl;

	ctrl = kzalloc(sizeof(*ctrl), GFP_KERNEL_ACCOUNT);
	if (!ctrl)
		return -ENOMEM;
	ctrl->buf = kmalloc(TRIVIO_CTRL_MAX, GFP_KERNEL_ACCOUNT);
	if (!ctrl->buf) {
		kfree(ctrl);
		return -ENOMEM;
	}
	mutex_init(&ctrl->lock);
	net->ctrl = ctrl;
	net->rss_max_key = TRIVIO_RSS_KEY;
	net->rss_max_table = TRIVIO_RSS_TABLE;
	net->hash_types = TRIVIO_RSS_TYPES;
	return 0;
}

/**
 * trivio_net_ctrl_exit() - undo trivio_net_ctrl_init()
 * @net: device; its queues are stopped and its ports detached
 *
 * Context: may sleep.
 */
void trivio_net_ctrl_exit(struct trivio_net *net)
{
	trivio_net_ctrl_reset(net);
	kfree(net_ctrl(net)->buf);
	kfree(net->ctrl);
	net->ctrl = NULL;
}
