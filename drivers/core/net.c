// SPDX-License-Identifier: GPL-2.0-only
/*
 * The net class: features, config space, and which port serves which queue.
 * The data path is the port's (port_sock.c, port_netdev.c); the control queue
 * is net_ctrl.c.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vhost_types.h>
#include <linux/virtio_net.h>

#include <trivio/net.h>

#include "core.h"
#include "net_state.h"

#define NET_FEATURES	(BIT_ULL(VIRTIO_NET_F_CSUM) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | \
			 BIT_ULL(VIRTIO_NET_F_MTU) | \
			 BIT_ULL(VIRTIO_NET_F_MAC) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_USO6) | \
			 BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | \
			 BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | \
			 BIT_ULL(VIRTIO_NET_F_HOST_ECN) | \
			 BIT_ULL(VIRTIO_NET_F_HOST_USO) | \
			 BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
			 BIT_ULL(VIRTIO_NET_F_STATUS) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_VQ) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_RX) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) | \
			 BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE) | \
			 BIT_ULL(VIRTIO_NET_F_MQ) | \
			 BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
			 BIT_ULL(VIRTIO_NET_F_HASH_REPORT) | \
			 BIT_ULL(VIRTIO_NET_F_RSS) | \
			 BIT_ULL(VIRTIO_NET_F_SPEED_DUPLEX))

static struct trivio_port *net_port(struct trivio_queue *q)
{
	return trivio_net(q)->port[q->index];
}

static bool net_serve_rx(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	return port && port->ops->serve_rx(port, q);
}

static bool net_serve_tx(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	return port && port->ops->serve_tx(port, q);
}

static void net_kick(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	port->ops->kick(port, q);
}

static void net_settled(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	if (port->ops->settled)
		port->ops->settled(port, q);
}

static int net_queue_start(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	return port && port->ops->start ? port->ops->start(port, q) : 0;
}

static void net_queue_stop(struct trivio_queue *q)
{
	struct trivio_port *port = net_port(q);

	if (port && port->ops->stop)
		port->ops->stop(port, q);
}

static const struct trivio_queue_ops net_rx_ops = {
	.serve	= net_serve_rx,
	.start	= net_queue_start,
	.stop	= net_queue_stop,
};

static const struct trivio_queue_ops net_tx_ops = {
	.serve	= net_serve_tx,
	.start	= net_queue_start,
	.stop	= net_queue_stop,
};

static const struct trivio_queue_ops net_direct_ops = {
	.kick	= net_kick,
	.start	= net_queue_start,
	.stop	= net_queue_stop,
	.settled = net_settled,
};

static const struct trivio_queue_ops net_ctrl_ops = {
	.serve	= trivio_net_ctrl_serve,
};

static bool net_is_ctrl(struct trivio_queue *q)
{
	return trivio_has(q->dev, VIRTIO_NET_F_CTRL_VQ) &&
	       q->index == trivio_net_ctrl_index(q->dev);
}

static const struct trivio_queue_ops *net_queue_ops(struct trivio_queue *q)
{
	struct trivio_net *net = trivio_net(q);
	struct trivio_port *port;

	if (!net->raw_header && net_is_ctrl(q))
		return &net_ctrl_ops;
	if (q->index >= 2 * net->max_pairs)
		return NULL;
	port = net_port(q);
	if (port && port->ops->atomic && q->mem->kind == TRIVIO_MEM_KERNEL)
		return &net_direct_ops;
	return q->index & 1 ? &net_tx_ops : &net_rx_ops;
}

/**
 * trivio_net_set_port() - give a queue its port
 * @q: receive or transmit queue, stopped
 * @port: port, or NULL
 *
 * The old port is detached.
 *
 * Context: may sleep.
 *
 * Return: 0; -EBUSY while the queue runs; what the port's attach said.
 */
int trivio_net_set_port(struct trivio_queue *q, struct trivio_port *port)
{
	struct trivio_net *net = trivio_net(q);
	struct trivio_port *old;
	int err = 0;

	trivio_queue_lock(q);
	if (q->state != TRIVIO_Q_IDLE) {
		mutex_unlock(&q->lock);
		return -EBUSY;
	}
	old = net->port[q->index];
	if (port) {
		port->net = net;
		err = port->ops->attach ? port->ops->attach(port, q) : 0;
	}
	if (!err)
		net->port[q->index] = port;
	mutex_unlock(&q->lock);

	if (!err && old && old->ops->detach)
		old->ops->detach(old, q);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_net_set_port);

/**
 * trivio_net_set_link() - link up or down, on both ends
 * @dev: net device
 * @up: state
 *
 * While it is down no frame passes, either way. Callers serialise.
 *
 * Context: may sleep.
 */
void trivio_net_set_link(struct trivio_dev *dev, bool up)
{
	struct trivio_net *net = dev->class_priv;
	u16 i;

	if (net->link_up == up)
		return;
	WRITE_ONCE(net->link_up, up);
	for (i = 0; i < 2 * net->max_pairs; i += 2) {
		struct trivio_port *port = net->port[i];

		if (port && port->ops->set_link)
			port->ops->set_link(port, up);
	}
	trivio_dev_config_changed(dev);
}
EXPORT_SYMBOL_GPL(trivio_net_set_link);

/**
 * trivio_net_set_speed() - what config space says about the link
 * @dev: net device
 * @speed: Mbit/s, or SPEED_UNKNOWN
 * @duplex: DUPLEX_HALF, DUPLEX_FULL or DUPLEX_UNKNOWN
 *
 * Nothing is slowed down. Callers serialise.
 *
 * Context: may sleep.
 */
void trivio_net_set_speed(struct trivio_dev *dev, u32 speed, u8 duplex)
{
	struct trivio_net *net = dev->class_priv;

	if (net->speed == speed && net->duplex == duplex)
		return;
	WRITE_ONCE(net->speed, speed);
	WRITE_ONCE(net->duplex, duplex);
	trivio_dev_config_changed(dev);
}
EXPORT_SYMBOL_GPL(trivio_net_set_speed);

/**
 * trivio_net_set_mac() - another address, which a reset keeps
 * @dev: net device
 * @mac: unicast address
 *
 * Return: 0; -EBUSY while a driver uses the device.
 *
 * Context: may sleep.
 */
int trivio_net_set_mac(struct trivio_dev *dev, const u8 *mac)
{
	struct trivio_net *net = dev->class_priv;
	int err = 0;

	mutex_lock(&dev->lock);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		err = -EBUSY;
	} else {
		ether_addr_copy(net->mac_default, mac);
		ether_addr_copy(net->mac, mac);
		dev->generation++;
	}
	mutex_unlock(&dev->lock);
	return err;
}
EXPORT_SYMBOL_GPL(trivio_net_set_mac);

static int net_features_set(struct trivio_dev *dev, u64 features)
{
	struct trivio_net *net = dev->class_priv;
	u16 i;

	if (features & BIT_ULL(VIRTIO_NET_F_HASH_REPORT))
		net->hdr_len = sizeof(struct virtio_net_hdr_v1_hash);
	else if (features & (BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) |
			     BIT_ULL(VIRTIO_F_VERSION_1)))
		net->hdr_len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	else
		net->hdr_len = sizeof(struct virtio_net_hdr);
	net->mergeable = features & BIT_ULL(VIRTIO_NET_F_MRG_RXBUF);
	net->own_header = net->raw_header &&
			  features & BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);

	for (i = 0; i < 2 * net->max_pairs; i++) {
		struct trivio_port *port = net->port[i];

		if (port && port->ops->features)
			port->ops->features(port, features);
	}
	return 0;
}

static u32 net_config_len(struct trivio_dev *dev)
{
	return sizeof(struct virtio_net_config);
}

static void net_config_read(struct trivio_dev *dev, u32 off, void *buf, u32 len)
{
	struct trivio_net *net = dev->class_priv;
	struct virtio_net_config cfg = {};

	ether_addr_copy(cfg.mac, net->mac);
	cfg.status = (__force __virtio16)cpu_to_le16(
		READ_ONCE(net->link_up) ? VIRTIO_NET_S_LINK_UP : 0);
	if (READ_ONCE(net->announce))
		cfg.status |= (__force __virtio16)
			      cpu_to_le16(VIRTIO_NET_S_ANNOUNCE);
	cfg.max_virtqueue_pairs =
		(__force __virtio16)cpu_to_le16(net->max_pairs);
	cfg.mtu = (__force __virtio16)cpu_to_le16(net->mtu);
	cfg.speed = cpu_to_le32(net->speed);
	cfg.duplex = net->duplex;
	cfg.rss_max_key_size = net->rss_max_key;
	cfg.rss_max_indirection_table_length =
		cpu_to_le16(net->rss_max_table);
	cfg.supported_hash_types = cpu_to_le32(net->hash_types);
	memcpy(buf, (u8 *)&cfg + off, len);
}

/* Only legacy drivers may write the address; VERSION_1 made it read-only. */
static void net_config_write(struct trivio_dev *dev, u32 off, const void *buf,
			     u32 len)
{
	struct trivio_net *net = dev->class_priv;

	if (trivio_has(dev, VIRTIO_F_VERSION_1) || off >= ETH_ALEN)
		return;
	memcpy(net->mac + off, buf, min_t(u32, len, ETH_ALEN - off));
}

static void net_reset(struct trivio_dev *dev)
{
	struct trivio_net *net = dev->class_priv;

	ether_addr_copy(net->mac, net->mac_default);
	net->pairs = 1;
	net->announce = false;
	net_features_set(dev, 0);
	trivio_net_ctrl_reset(net);
}

static int net_init(struct trivio_dev *dev, const void *class_cfg)
{
	const struct trivio_net_cfg *cfg = class_cfg;
	struct trivio_net *net;
	int err;

	if (!cfg->max_pairs || 2 * cfg->max_pairs > dev->nqueues)
		return -EINVAL;
	net = kzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);
	if (!net)
		return -ENOMEM;
	net->port = kcalloc(dev->nqueues, sizeof(*net->port),
			    GFP_KERNEL_ACCOUNT);
	if (!net->port) {
		kfree(net);
		return -ENOMEM;
	}
	net->dev = dev;
	net->max_pairs = cfg->max_pairs;
	net->pairs = 1;
	net->raw_header = cfg->raw_header;
	net->link_up = !cfg->link_down;
	net->mtu = cfg->mtu;
	net->speed = cfg->speed ?: SPEED_UNKNOWN;
	net->duplex = cfg->speed ? cfg->duplex : DUPLEX_UNKNOWN;
	if (is_valid_ether_addr(cfg->mac))
		ether_addr_copy(net->mac_default, cfg->mac);
	else
		eth_random_addr(net->mac_default);
	ether_addr_copy(net->mac, net->mac_default);
	dev->class_priv = net;
	net_features_set(dev, 0);
	err = trivio_net_ctrl_init(net);
	if (err) {
		kfree(net->port);
		kfree(net);
	}
	return err;
}

static void net_exit(struct trivio_dev *dev)
{
	struct trivio_net *net = dev->class_priv;
	u16 i;

	for (i = 0; i < 2 * net->max_pairs; i++)
		trivio_net_set_port(&dev->queue[i], NULL);
	trivio_net_ctrl_exit(net);
	kfree(net->port);
	kfree(net);
}

const struct trivio_class_ops trivio_net_class = {
	.name		= "net",
	.id		= VIRTIO_ID_NET,
	.features	= NET_FEATURES,
	.init		= net_init,
	.exit		= net_exit,
	.features_set	= net_features_set,
	.config_len	= net_config_len,
	.config_read	= net_config_read,
	.config_write	= net_config_write,
	.reset		= net_reset,
	.queue_ops	= net_queue_ops,
	.state_len	= trivio_net_state_len,
	.state_save	= trivio_net_state_save,
	.state_check	= trivio_net_state_check,
	.state_load	= trivio_net_state_load,
};
EXPORT_SYMBOL_GPL(trivio_net_class);
