// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the frames of a net function go, as its setting "port" says:
 *
 *	netdev		a host interface of the device's own
 *	packet:NAME	a packet socket on the interface NAME
 *	fd:N		a tap, macvtap or packet socket that the writer has open
 *	none		nowhere
 *
 * A socket is made, or taken, when the setting is written, in the network
 * namespace and with the rights of who writes it. Its owner is the device until
 * the setting changes.
 */
#include <linux/file.h>
#include <linux/if_packet.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sockptr.h>
#include <linux/string.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/sock.h>

#include <trivio/net.h>

#include "mdev.h"

static int packet_opt(struct socket *sock, int name, int val)
{
	return sock->ops->setsockopt(sock, SOL_PACKET, name,
				     KERNEL_SOCKPTR(&val), sizeof(val));
}

static int packet_setup(struct socket *sock, int ifindex)
{
	struct packet_mreq mr = {
		.mr_ifindex = ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int err;

	/* The header that every driver of version 1 has. */
	err = packet_opt(sock, PACKET_VNET_HDR_SZ,
			 sizeof(struct virtio_net_hdr_mrg_rxbuf));
	if (err)
		return err;
	/* What this host sends there itself is not for the guest. */
	err = packet_opt(sock, PACKET_IGNORE_OUTGOING, 1);
	if (err)
		return err;
	err = sock->ops->setsockopt(sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
				    KERNEL_SOCKPTR(&mr), sizeof(mr));
	if (err)
		return err;
	return kernel_bind(sock, (struct sockaddr *)&sll, sizeof(sll));
}

static struct file *packet_open(const char *name)
{
	struct net_device *dev;
	struct socket *sock;
	int ifindex, err;

	dev = dev_get_by_name(current->nsproxy->net_ns, name);
	if (!dev)
		return ERR_PTR(-ENODEV);
	ifindex = dev->ifindex;
	dev_put(dev);
	/* Protocol 0: nothing is received before it is bound. */
	err = sock_create(AF_PACKET, SOCK_RAW, 0, &sock);
	if (err)
		return ERR_PTR(err);
	err = packet_setup(sock, ifindex);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock_alloc_file(sock, O_NONBLOCK, NULL);
}

static struct file *fd_open(const char *text)
{
	struct file *file;
	unsigned int fd;
	int err;

	err = kstrtouint(text, 10, &fd);
	if (err)
		return ERR_PTR(err);
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	err = trivio_port_sock_check(file);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

/* NULL for the kinds that need no file. */
static struct file *port_open(const char *text)
{
	const char *arg;

	if (!strcmp(text, "netdev") || !strcmp(text, "none"))
		return NULL;
	arg = text + str_has_prefix(text, "packet:");
	if (arg != text)
		return packet_open(arg);
	arg = text + str_has_prefix(text, "fd:");
	if (arg != text)
		return fd_open(arg);
	return ERR_PTR(-EINVAL);
}

static ssize_t port_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	ssize_t n;

	mutex_lock(&m->lock);
	n = sysfs_emit(buf, "%s\n", m->set.port);
	mutex_unlock(&m->lock);
	return n;
}

static ssize_t port_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct trivio_mdev *m = dev_get_drvdata(dev);
	char text[sizeof(m->set.port)];
	struct file *file, *old;
	int err;

	if (strscpy(text, buf) < 0)
		return -EINVAL;
	strim(text);
	file = port_open(text);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = trivio_mdev_set_begin(m);
	if (err) {
		if (file)
			fput(file);
		return err;
	}
	strscpy(m->set.port, text);
	old = m->port;
	m->port = file;
	count = trivio_mdev_set_end(m, 0, count);
	if (old)
		fput(old);
	return count;
}

DEVICE_ATTR_RW(port);

/**
 * trivio_mdev_port_features() - what a port leaves of the features
 * @m: mediated device of the net class
 * @features: bits
 *
 * A socket has one queue, no filter, and no offload can be switched off behind
 * its back.
 *
 * Return: those that remain.
 */
u64 trivio_mdev_port_features(const struct trivio_mdev *m, u64 features)
{
	if (!m->port)
		return features;
	return features & ~(BIT_ULL(VIRTIO_NET_F_MQ) |
			    BIT_ULL(VIRTIO_NET_F_RSS) |
			    BIT_ULL(VIRTIO_NET_F_HASH_REPORT) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
}

static int port_queue(struct trivio_queue *q, struct file *file)
{
	struct trivio_port *port = trivio_port_sock_create(file);
	int err;

	if (IS_ERR(port))
		return PTR_ERR(port);
	err = trivio_net_set_port(q, port);
	if (err)
		trivio_port_sock_free(port);
	return err;
}

/**
 * trivio_mdev_port_attach() - give a new net device its port
 * @m: mediated device; its lock is held
 * @dev: the core's device
 *
 * Return: 0; -EINVAL for a socket and more than one queue pair; what the port
 * said.
 */
int trivio_mdev_port_attach(struct trivio_mdev *m, struct trivio_dev *dev)
{
	int err;

	lockdep_assert_held(&m->lock);
	if (!strcmp(m->set.port, "netdev"))
		return trivio_port_netdev_create(dev, dev->name);
	if (!m->port)
		return 0;
	if (m->set.queues > 1)
		return -EINVAL;
	err = port_queue(&dev->queue[0], m->port);
	return err ? err : port_queue(&dev->queue[1], m->port);
}

/**
 * trivio_mdev_port_drop() - let go of the socket of a port
 * @m: mediated device without a core device
 */
void trivio_mdev_port_drop(struct trivio_mdev *m)
{
	if (m->port)
		fput(m->port);
	m->port = NULL;
}
