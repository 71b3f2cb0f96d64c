// SPDX-License-Identifier: GPL-2.0-only
/* Own network interface: what ethtool shows. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "core.h"
#include "port_netdev.h"

static void nd_get_drvinfo(struct net_device *ndev, struct ethtool_drvinfo *i)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	strscpy(i->driver, "trivio", sizeof(i->driver));
	strscpy(i->bus_info, nd->dev->front->name, sizeof(i->bus_info));
}

static void nd_get_channels(struct net_device *ndev,
			    struct ethtool_channels *ch)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	ch->max_combined = nd->npairs;
	ch->combined_count = READ_ONCE(nd->port.net->pairs);
}

/* Read only: ring sizes and pairs are the driver's choice. */
static void nd_get_ringparam(struct net_device *ndev,
			     struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kring,
			     struct netlink_ext_ack *extack)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	ring->rx_max_pending = nd->pair->tx.q->num_max;
	ring->tx_max_pending = nd->pair->rx.q->num_max;
	ring->rx_pending = nd->pair->tx.q->num;
	ring->tx_pending = nd->pair->rx.q->num;
}

static int nd_get_link_ksettings(struct net_device *ndev,
				 struct ethtool_link_ksettings *ks)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	ks->base.speed = READ_ONCE(nd->port.net->speed);
	ks->base.duplex = READ_ONCE(nd->port.net->duplex);
	ks->base.port = PORT_OTHER;
	ks->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

/* Per queue: its counters by name, and how often a receive queue stopped. */
static int nd_get_sset_count(struct net_device *ndev, int set)
{
	struct trivio_netdev *nd = netdev_priv(ndev);

	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return nd->npairs * (2 * TRIVIO_STAT_NR + 1);
}

static void nd_get_strings(struct net_device *ndev, u32 set, u8 *data)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	int i, s;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < nd->npairs; i++) {
		for (s = 0; s < TRIVIO_STAT_NR; s++)
			ethtool_sprintf(&data, "rx%d_%s", i,
					trivio_stat_name(s));
		for (s = 0; s < TRIVIO_STAT_NR; s++)
			ethtool_sprintf(&data, "tx%d_%s", i,
					trivio_stat_name(s));
		ethtool_sprintf(&data, "tx%d_stops", i);
	}
}

static void nd_get_stats(struct net_device *ndev, struct ethtool_stats *st,
			 u64 *data)
{
	struct trivio_netdev *nd = netdev_priv(ndev);
	u16 i;

	/* The interface's receive queue is the guest's transmit queue. */
	for (i = 0; i < nd->npairs; i++) {
		trivio_queue_stats(nd->pair[i].tx.q, data);
		data += TRIVIO_STAT_NR;
		trivio_queue_stats(nd->pair[i].rx.q, data);
		data += TRIVIO_STAT_NR;
		*data++ = READ_ONCE(nd->pair[i].rx.stops);
	}
}

const struct ethtool_ops nd_ethtool_ops = {
	.get_drvinfo		= nd_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_channels		= nd_get_channels,
	.get_ringparam		= nd_get_ringparam,
	.get_link_ksettings	= nd_get_link_ksettings,
	.get_sset_count		= nd_get_sset_count,
	.get_strings		= nd_get_strings,
	.get_ethtool_stats	= nd_get_stats,
	.get_ts_info		= ethtool_op_get_ts_info,
};
