// SPDX-License-Identifier: GPL-2.0-only
/*
 * Own network interface of a net device: life, configuration, and what the net
 * class calls. The data path is in port_netdev_rx.c and port_netdev_tx.c.
 *
 * The interface lives as long as the device, whatever drives it; its carrier
 * follows the driver. Nothing here takes rtnl while the driver may wait: a driver
 * sends control commands, and becomes ready, with its own rtnl held.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/page_pool/helpers.h>
#include <net/rtnetlink.h>

#include "core.h"
#include "port_netdev.h"

#define ND_TSO		(NETIF_F_TSO | NETIF_F_TSO_ECN | NETIF_F_TSO6 | \
			 NETIF_F_GSO_UDP_L4)

/* What the port can do, if the driver can. */
#define ND_FEATURES	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | \
			 NETIF_F_HW_CSUM | ND_TSO)

/* Pages a queue keeps for recycling: 32 of order 3, a megabyte. */
#define ND_POOL		32
#define ND_POOL_ORDER	3

static struct trivio_netdev *to_netdev(struct trivio_port *port)
{
	return container_of(port, struct trivio_netdev, port);
}

static struct nd_pair *pair_of(struct trivio_netdev *nd,
			       const struct trivio_queue *q)
{
	return &nd->pair[q->index / 2];
}

static bool is_tx(const struct trivio_queue *q)
{
	return q->index & 1;
}

/* @more receive queues run than did. */
static void carrier_update(struct trivio_netdev *nd, int more)
{
	spin_lock(&nd->lock);
	nd->rx_running += more;
	if (nd->rx_running && READ_ONCE(nd->port.net->link_up))
		netif_carrier_on(nd->ndev);
	else
		netif_carrier_off(nd->ndev);
	spin_unlock(&nd->lock);
}

/* --- offloads ---------------------------------------------------------- */

/* virtio 1.2, 5.1.6.3: what the driver lets a device hand it. */
static netdev_features_t denied_by(u64 features)
{
	netdev_features_t denied = 0;

	if (!(features & BIT_ULL(VIRTIO_NET_F_GUEST_CSUM)))
		return NETIF_F_HW_CSUM | ND_TSO;
	if (!(features & BIT_ULL(VIRTIO_NET_F_GUEST_TSO4)))
		denied |= NETIF_F_TSO;
	if (!(features & BIT_ULL(VIRTIO_NET_F_GUEST_TSO6)))
		denied |= NETIF_F_TSO6;
	if (!(features & BIT_ULL(VIRTIO_NET_F_GUEST_ECN)))
		denied |= NETIF_F_TSO_ECN;
	if (!(features & BIT_ULL(VIRTIO_NET_F_GUEST_USO4)) ||
	    !(features & BIT_ULL(VIRTIO_NET_F_GUEST_USO6)))
		denied |= NETIF_F_GSO_UDP_L4;
	return denied;
}

static void nd_features(struct trivio_port *port, u64 features)
{
	struct trivio_netdev *nd = to_netdev(port);
	netdev_features_t denied = denied_by(features);

	if (nd->denied == denied)
		return;
	WRITE_ONCE(nd->denied, denied);
	queue_work(system_unbound_wq, &nd->sync);
}

static void nd_sync(struct work_struct *work)
{
	struct trivio_netdev *nd = container_of(work, struct trivio_netdev,
						sync);

	rtnl_lock();
	if (nd->ndev->reg_state == NETREG_REGISTERED)
		netdev_update_features(nd->ndev);
	rtnl_unlock();
}

static netdev_features_t nd_fix_features(struct net_device *ndev,
					 netdev_features_t features)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	return features & ~READ_ONCE(nd->denied);
}

/* Takes effect at once, where nd_sync() has to wait for rtnl. */
static netdev_features_t nd_features_check(struct sk_buff *skb,
					   struct net_device *ndev,
					   netdev_features_t features)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	return vlan_features_check(skb, features & ~READ_ONCE(nd->denied));
}

/* --- interface --------------------------------------------------------- */

static int nd_open(struct net_device *ndev)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	u16 i;

	for (i = 0; i < nd->npairs; i++) {
		struct nd_rx *rx = &nd->pair[i].rx;

		__netif_tx_lock_bh(rx->txq);
		if (rx->running)
			netif_tx_start_queue(rx->txq);
		else
			netif_tx_stop_queue(rx->txq);
		__netif_tx_unlock_bh(rx->txq);
	}
	return 0;
}

static int nd_stop_dev(struct net_device *ndev)
{
	return 0;
}

static void nd_get_stats64(struct net_device *ndev,
			   struct rtnl_link_stats64 *st)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	u64 stat[TRIVIO_STAT_NR];
	u16 i;

	for (i = 0; i < nd->npairs; i++) {
		trivio_queue_stats(nd->pair[i].rx.q, stat);
		st->tx_packets += stat[TRIVIO_STAT_PACKETS];
		st->tx_bytes += stat[TRIVIO_STAT_BYTES];
		st->tx_dropped += stat[TRIVIO_STAT_DROPS];
		trivio_queue_stats(nd->pair[i].tx.q, stat);
		st->rx_packets += stat[TRIVIO_STAT_PACKETS];
		st->rx_bytes += stat[TRIVIO_STAT_BYTES];
		st->rx_dropped += stat[TRIVIO_STAT_DROPS] -
				  stat[TRIVIO_STAT_DROP_FORMAT];
		st->rx_errors += stat[TRIVIO_STAT_DROP_FORMAT];
		st->rx_frame_errors += stat[TRIVIO_STAT_DROP_FORMAT];
	}
}

static const struct net_device_ops nd_ops = {
	.ndo_open		= nd_open,
	.ndo_stop		= nd_stop_dev,
	.ndo_start_xmit		= nd_start_xmit,
	.ndo_select_queue	= nd_select_queue,
	.ndo_features_check	= nd_features_check,
	.ndo_fix_features	= nd_fix_features,
	.ndo_get_stats64	= nd_get_stats64,
	.ndo_bpf		= nd_bpf,
	.ndo_xdp_xmit		= nd_xdp_xmit,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

/*
 * Only for its name in "ip -d link", and so that an interface whose network
 * namespace ends goes back to the initial one instead of away: no user can make
 * or delete one.
 */
static struct rtnl_link_ops nd_link_ops = {
	.kind		= "trivio",
	.netns_refund	= true,
};

static const struct device_type nd_type = {
	.name = "trivio",
};

/* --- pairs ------------------------------------------------------------- */

static void tx_irq(struct irq_work *work)
{
	struct nd_tx *tx = container_of(work, struct nd_tx, irq);

	napi_schedule(&tx->napi);
}

static void pair_exit(struct nd_pair *p)
{
	irq_work_sync(&p->tx.irq);
	xdp_rxq_info_unreg(&p->tx.rxq);
	page_pool_destroy(p->tx.pool);
	kfree(p->rx.chain);
}

static int pair_init(struct trivio_netdev *nd, u16 i)
{
	struct nd_pair *p = &nd->pair[i];
	struct page_pool_params pp = {
		.order = ND_POOL_ORDER,
		.pool_size = ND_POOL,
		.nid = NUMA_NO_NODE,
		.napi = &p->tx.napi,
	};
	struct trivio_net *net = nd->dev->class_priv;
	int err;

	p->rx.nd = nd;
	p->rx.pair = i;
	p->rx.q = &nd->dev->queue[2 * i];
	p->rx.txq = netdev_get_tx_queue(nd->ndev, i);
	p->rx.ctrl = net->ctrl;
	p->tx.nd = nd;
	p->tx.pair = i;
	p->tx.q = &nd->dev->queue[2 * i + 1];
	init_irq_work(&p->tx.irq, tx_irq);
	timer_setup(&p->tx.late, nd_tx_late, 0);

	p->rx.chain = kcalloc(NET_RX_MERGE_MAX, sizeof(*p->rx.chain),
			      GFP_KERNEL_ACCOUNT);
	if (!p->rx.chain)
		return -ENOMEM;
	p->tx.pool = page_pool_create(&pp);
	if (IS_ERR(p->tx.pool)) {
		err = PTR_ERR(p->tx.pool);
		goto err_chain;
	}
	err = xdp_rxq_info_reg(&p->tx.rxq, nd->ndev, i, 0);
	if (err)
		goto err_pool;
	err = xdp_rxq_info_reg_mem_model(&p->tx.rxq, MEM_TYPE_PAGE_POOL,
					 p->tx.pool);
	if (err)
		goto err_rxq;
	netif_napi_add(nd->ndev, &p->tx.napi, nd_poll);
	return 0;

err_rxq:
	xdp_rxq_info_unreg(&p->tx.rxq);
err_pool:
	page_pool_destroy(p->tx.pool);
err_chain:
	kfree(p->rx.chain);
	return err;
}

/* --- port -------------------------------------------------------------- */

static int nd_attach(struct trivio_port *port, struct trivio_queue *q)
{
	to_netdev(port)->refs++;
	return 0;
}

static void nd_destroy(struct trivio_netdev *nd)
{
	struct net_device *ndev = nd->ndev;
	struct nd_pair *pair = nd->pair;
	u16 i, n = nd->npairs;

	if (ndev->reg_state == NETREG_REGISTERED)
		unregister_netdev(ndev);
	cancel_work_sync(&nd->sync);
	for (i = 0; i < n; i++)
		pair_exit(&pair[i]);
	free_netdev(ndev);
	kfree(pair);
}

static void nd_detach(struct trivio_port *port, struct trivio_queue *q)
{
	struct trivio_netdev *nd = to_netdev(port);

	if (!--nd->refs)
		nd_destroy(nd);
}

static int nd_start(struct trivio_port *port, struct trivio_queue *q)
{
	struct trivio_netdev *nd = to_netdev(port);
	struct nd_pair *p = pair_of(nd, q);
	int err;

	if (is_tx(q)) {
		p->tx.hdr_len = port->net->hdr_len;
		if (q->ops->kick)
			napi_enable(&p->tx.napi);
		return 0;
	}
	err = nd_rx_start(&p->rx);
	if (err)
		return err;
	carrier_update(nd, 1);
	return 0;
}

static void nd_stop(struct trivio_port *port, struct trivio_queue *q)
{
	struct trivio_netdev *nd = to_netdev(port);
	struct nd_pair *p = pair_of(nd, q);

	if (is_tx(q)) {
		if (q->ops->kick) {
			irq_work_sync(&p->tx.irq);
			napi_disable(&p->tx.napi);
			timer_delete_sync(&p->tx.late);
			trivio_queue_call_due(q);
		}
		return;
	}
	nd_rx_stop(&p->rx);
	carrier_update(nd, -1);
}

static void nd_kick(struct trivio_port *port, struct trivio_queue *q)
{
	struct nd_pair *p = pair_of(to_netdev(port), q);

	if (is_tx(q))
		nd_tx_kick(&p->tx);
	else if (netif_tx_queue_stopped(p->rx.txq))
		netif_tx_wake_queue(p->rx.txq);
}

/* Nobody else would before the next frame comes. */
static void nd_settled(struct trivio_port *port, struct trivio_queue *q)
{
	if (!is_tx(q))
		nd_rx_settled(&pair_of(to_netdev(port), q)->rx);
}

static bool nd_serve_tx(struct trivio_port *port, struct trivio_queue *q)
{
	return nd_tx_serve(&pair_of(to_netdev(port), q)->tx);
}

static bool nd_serve_rx(struct trivio_port *port, struct trivio_queue *q)
{
	return nd_rx_serve(&pair_of(to_netdev(port), q)->rx);
}

static void nd_set_link(struct trivio_port *port, bool up)
{
	carrier_update(to_netdev(port), 0);
}

static const struct trivio_port_ops nd_port_ops = {
	.name		= "netdev",
	.atomic		= true,
	.attach		= nd_attach,
	.detach		= nd_detach,
	.start		= nd_start,
	.stop		= nd_stop,
	.serve_tx	= nd_serve_tx,
	.serve_rx	= nd_serve_rx,
	.kick		= nd_kick,
	.settled	= nd_settled,
	.features	= nd_features,
	.set_link	= nd_set_link,
};

static void nd_setup(struct trivio_netdev *nd, u16 mtu)
{
	struct net_device *ndev = nd->ndev;

	ndev->netdev_ops = &nd_ops;
	ndev->ethtool_ops = &nd_ethtool_ops;
	ndev->rtnl_link_ops = &nd_link_ops;
	SET_NETDEV_DEVTYPE(ndev, &nd_type);
	ndev->hw_features = ND_FEATURES;
	ndev->features = ND_FEATURES;
	ndev->vlan_features = ND_FEATURES;
	ndev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			     NETDEV_XDP_ACT_NDO_XMIT;
	ndev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	ndev->min_mtu = ETH_MIN_MTU;
	ndev->max_mtu = ETH_MAX_MTU - ETH_HLEN;
	if (mtu >= ndev->min_mtu && mtu <= ndev->max_mtu)
		ndev->mtu = mtu;
	eth_hw_addr_random(ndev);
	netif_carrier_off(ndev);
}

static int nd_register(struct trivio_netdev *nd)
{
	u16 i;
	int err;

	err = register_netdev(nd->ndev);
	if (err)
		return err;
	/* Also tells of the carrier, which was set before the registration. */
	netif_carrier_off(nd->ndev);
	for (i = 0; i < 2 * nd->npairs; i++) {
		err = trivio_net_set_port(&nd->dev->queue[i], &nd->port);
		if (err)
			break;
	}
	if (!err)
		return 0;
	/* Keep the port while queues are taken from it. */
	nd->refs++;
	while (i--)
		trivio_net_set_port(&nd->dev->queue[i], NULL);
	nd->refs--;
	return err;
}

/**
 * trivio_port_netdev_create() - give a net device its own network interface
 * @dev: net device; no queue runs and none has a port
 * @name: name of the interface, in the initial network namespace
 *
 * All queue pairs get the port; it goes with the device.
 *
 * Context: may sleep; takes rtnl.
 *
 * Return: 0; -EINVAL for a name that is too long or not allowed; -EEXIST if it is
 * in use; -EBUSY if a queue runs; -ENOMEM.
 */
int trivio_port_netdev_create(struct trivio_dev *dev, const char *name)
{
	struct trivio_net *net = dev->class_priv;
	struct trivio_netdev *nd;
	struct net_device *ndev;
	u16 i;
	int err;

	if (strlen(name) >= IFNAMSIZ || !dev_valid_name(name))
		return -EINVAL;
	ndev = alloc_netdev_mqs(sizeof(*nd), name, NET_NAME_USER, ether_setup,
				net->max_pairs, net->max_pairs);
	if (!ndev)
		return -ENOMEM;
	nd = netdev_priv(ndev);
	nd->port.ops = &nd_port_ops;
	nd->port.net = net;
	nd->ndev = ndev;
	nd->dev = dev;
	nd->npairs = net->max_pairs;
	nd->denied = denied_by(0);
	spin_lock_init(&nd->lock);
	INIT_WORK(&nd->sync, nd_sync);
	nd_setup(nd, net->mtu);

	nd->pair = kcalloc(nd->npairs, sizeof(*nd->pair), GFP_KERNEL_ACCOUNT);
	if (!nd->pair) {
		free_netdev(ndev);
		return -ENOMEM;
	}
	for (i = 0; i < nd->npairs; i++) {
		err = pair_init(nd, i);
		if (err) {
			nd->npairs = i;
			goto err_destroy;
		}
	}
	err = nd_register(nd);
	if (!err)
		return 0;

err_destroy:
	nd_destroy(nd);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_port_netdev_create);
