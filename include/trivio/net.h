/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The net class: what a virtio-net device is, apart from where its frames go.
 * Where they go is a port: a tap, macvtap or packet socket, the device's own
 * network interface, or a switch that joins devices. Queue 2n receives (host to
 * guest), 2n+1 transmits, and the last one is the control queue if
 * VIRTIO_NET_F_CTRL_VQ is offered.
 */
#ifndef TRIVIO_NET_H
#define TRIVIO_NET_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <linux/virtio_net.h>

#include <trivio/device.h>

struct file;
struct trivio_net;
struct trivio_port;

/**
 * struct trivio_port_ops - a kind of port
 * @name: "tap", "packet", "netdev" ...
 * @atomic: serves directly, over pinned memory only: &trivio_queue_ops.kick
 *	is the port's, and no worker is used
 * @attach: the port is @q's from now on; @q is stopped. May sleep.
 * @detach: @q lets go of the port; @q is stopped. The last queue's detach frees
 *	it. May sleep.
 * @start: a queue of the pair starts. May sleep.
 * @stop: a queue stops; in direct mode nothing may touch its ring afterwards
 * @serve_tx: worker mode: one bounded turn from the guest's transmit queue to
 *	the port; true if there is more
 * @serve_rx: worker mode: one bounded turn from the port to the guest's receive
 *	queue
 * @kick: direct mode
 * @settled: direct mode: flush what was held back; process context. Optional.
 * @features: offloads in the driver's features changed. Optional.
 * @set_link: link state for the port's other side. Optional.
 */
struct trivio_port_ops {
	const char *name;
	bool atomic;
	int (*attach)(struct trivio_port *port, struct trivio_queue *q);
	void (*detach)(struct trivio_port *port, struct trivio_queue *q);
	int (*start)(struct trivio_port *port, struct trivio_queue *q);
	void (*stop)(struct trivio_port *port, struct trivio_queue *q);
	bool (*serve_tx)(struct trivio_port *port, struct trivio_queue *q);
	bool (*serve_rx)(struct trivio_port *port, struct trivio_queue *q);
	void (*kick)(struct trivio_port *port, struct trivio_queue *q);
	void (*settled)(struct trivio_port *port, struct trivio_queue *q);
	void (*features)(struct trivio_port *port, u64 features);
	void (*set_link)(struct trivio_port *port, bool up);
};

/**
 * struct trivio_port - where the frames of a queue, or a pair, go
 * @ops: its kind
 * @net: device that it serves
 */
struct trivio_port {
	const struct trivio_port_ops *ops;
	struct trivio_net *net;
};

/**
 * struct trivio_net_cfg - settings of a net device
 * @max_pairs: queue pairs
 * @mac: address, or zero for a random one
 * @mtu: 0 or 68..65535
 * @link_down: the link is down at first
 * @speed: Mbit/s, SPEED_UNKNOWN, or 0 for that
 * @duplex: DUPLEX_*, if @speed is not 0
 * @raw_header: headers pass through as the port has them and control queue,
 *	config space and filters are the owner's business (vhost)
 */
struct trivio_net_cfg {
	u16 max_pairs;
	u8 mac[ETH_ALEN];
	u16 mtu;
	bool link_down;
	u32 speed;
	u8 duplex;
	bool raw_header;
};

/**
 * struct trivio_net - class state of a net device
 * @dev: device
 * @max_pairs: queue pairs it has
 * @pairs: queue pairs in use (VIRTIO_NET_CTRL_MQ)
 * @raw_header: see &trivio_net_cfg
 * @hdr_len: bytes of the virtio-net header in the ring: 10, 12 or 20
 * @mergeable: MRG_RXBUF negotiated
 * @own_header: the device adds and strips the header, the port has none
 *	(VHOST_NET_F_VIRTIO_NET_HDR)
 * @link_up: link state
 * @mac: current address
 * @mac_default: address at reset
 * @mtu: MTU, 0 if not offered
 * @speed: Mbit/s, or SPEED_UNKNOWN
 * @duplex: DUPLEX_*
 * @announce: the driver is asked to announce itself
 * @rss_max_key: longest RSS key, bytes, as config space says
 * @rss_max_table: largest RSS indirection table
 * @hash_types: VIRTIO_NET_HASH_TYPE_* the device can do
 * @ctrl: control queue state (drivers/core/net_ctrl.c)
 * @port: one per queue, or NULL; changed only while the queue is stopped. A
 *	port that serves both queues of a pair is there twice.
 */
struct trivio_net {
	struct trivio_dev *dev;
	u16 max_pairs;
	u16 pairs;
	bool raw_header;
	u8 hdr_len;
	bool mergeable;
	bool own_header;
	bool link_up;
	u8 mac[ETH_ALEN];
	u8 mac_default[ETH_ALEN];
	u16 mtu;
	u32 speed;
	u8 duplex;
	bool announce;
	u8 rss_max_key;
	u16 rss_max_table;
	u32 hash_types;
	void *ctrl;
	struct trivio_port **port;
};

/* Longest text of a port, and one. */
#define TRIVIO_PORT_TEXT	40

/**
 * struct trivio_port_spec - a port that a device is to have, as a user wrote it
 * @text: what was written: "netdev", "switch:NAME", "packet:NAME", "fd:N" or
 *	"none"
 * @file: the socket of the last two, or NULL; a reference is held
 */
struct trivio_port_spec {
	char text[TRIVIO_PORT_TEXT];
	struct file *file;
};

extern const struct trivio_class_ops trivio_net_class;

static inline struct trivio_net *trivio_net(const struct trivio_queue *q)
{
	return q->dev->class_priv;
}

/* Index of the control queue, which depends on MQ being negotiated. */
static inline u16 trivio_net_ctrl_index(const struct trivio_dev *dev)
{
	const struct trivio_net *net = dev->class_priv;

	return dev->features & (BIT_ULL(VIRTIO_NET_F_MQ) |
				BIT_ULL(VIRTIO_NET_F_RSS)) ?
	       2 * net->max_pairs : 2;
}

int trivio_net_set_port(struct trivio_queue *q, struct trivio_port *port);
void trivio_net_set_link(struct trivio_dev *dev, bool up);
void trivio_net_set_speed(struct trivio_dev *dev, u32 speed, u8 duplex);
int trivio_net_set_mac(struct trivio_dev *dev, const u8 *mac);
void trivio_net_announce(struct trivio_dev *dev);

int trivio_port_sock_check(struct file *file);
struct trivio_port *trivio_port_sock_create(struct file *file);
void trivio_port_sock_free(struct trivio_port *port);
int trivio_port_netdev_create(struct trivio_dev *dev, const char *name);
int trivio_port_switch_create(struct trivio_dev *dev, const char *name);

int trivio_port_spec_parse(struct trivio_port_spec *spec, const char *text);
void trivio_port_spec_clear(struct trivio_port_spec *spec);
int trivio_port_spec_refused(const struct trivio_port_spec *spec,
			     const char *name, u16 pairs, bool pinned,
			     const char **why);
u64 trivio_port_spec_features(const struct trivio_port_spec *spec,
			      u64 features);
int trivio_port_spec_attach(const struct trivio_port_spec *spec,
			    struct trivio_dev *dev);

#endif /* TRIVIO_NET_H */
