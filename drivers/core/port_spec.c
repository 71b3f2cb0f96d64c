// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the frames of a net device go, in words, for front ends whose users
 * configure it by file:
 *
 *	netdev		a host interface of the device's own
 *	switch:NAME	a place at the switch NAME, with other devices
 *	packet:NAME	a packet socket on the interface NAME
 *	fd:N		a tap, macvtap or packet socket that the writer has open
 *	none		nowhere
 *
 * A socket is made, or taken, when the words are written, in the network
 * namespace and with the rights of who writes them.
 */
#include <linux/file.h>
#include <linux/if_packet.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sockptr.h>
#include <linux/string.h>
#include <linux/virtio_net.h>
#include <net/sock.h>

#include "core.h"

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

/* The name after "switch:", or NULL. */
static const char *switch_name(const char *text)
{
	size_t n = str_has_prefix(text, "switch:");

	return n ? text + n : NULL;
}

/* NULL for the kinds that need no file. */
static struct file *port_open(const char *text)
{
	const char *arg = switch_name(text);

	if (arg)
		return *arg && strlen(arg) < TRIVIO_NAME_MAX ? NULL :
		       ERR_PTR(-EINVAL);
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

/**
 * trivio_port_spec_parse() - what a user wrote
 * @spec: filled in; what it had is not looked at
 * @text: words as above; space around them is ignored
 *
 * Context: the writer's; may sleep.
 *
 * Return: 0; -EINVAL for other words; -ENODEV if there is no such interface;
 * -EBADF or -ENOTSOCK for a file that is none of these; what the socket said.
 */
int trivio_port_spec_parse(struct trivio_port_spec *spec, const char *text)
{
	struct file *file;

	memset(spec, 0, sizeof(*spec));
	if (strscpy(spec->text, skip_spaces(text)) < 0)
		return -EINVAL;
	strim(spec->text);
	file = port_open(spec->text);
	if (IS_ERR(file))
		return PTR_ERR(file);
	spec->file = file;
	return 0;
}
EXPORT_SYMBOL_GPL(trivio_port_spec_parse);

/**
 * trivio_port_spec_clear() - let go of what the words stand for
 * @spec: parsed, or all zero; the text stays
 *
 * Context: may sleep.
 */
void trivio_port_spec_clear(struct trivio_port_spec *spec)
{
	if (spec->file)
		fput(spec->file);
	spec->file = NULL;
}
EXPORT_SYMBOL_GPL(trivio_port_spec_clear);

/**
 * trivio_port_spec_refused() - why a device can't have a port
 * @spec: port
 * @name: name of the device
 * @pairs: queue pairs that it is to have
 * @pinned: its memory is (TRIVIO_MEM_KERNEL)
 * @why: set to words for the user, if it can't
 *
 * Return: 0; -ENAMETOOLONG or -EINVAL for a name that no interface can have; -EINVAL
 * for a socket and more than one pair; -EOPNOTSUPP for a switch and memory that is
 * not pinned.
 */
int trivio_port_spec_refused(const struct trivio_port_spec *spec,
			     const char *name, u16 pairs, bool pinned,
			     const char **why)
{
	if (spec->file && pairs > 1) {
		*why = "a socket has one queue pair";
		return -EINVAL;
	}
	if (switch_name(spec->text) && !pinned) {
		*why = "a switch needs pinned memory";
		return -EOPNOTSUPP;
	}
	if (strcmp(spec->text, "netdev") || dev_valid_name(name))
		return 0;
	*why = "no name for a network interface";
	return strlen(name) >= IFNAMSIZ ? -ENAMETOOLONG : -EINVAL;
}
EXPORT_SYMBOL_GPL(trivio_port_spec_refused);

/**
 * trivio_port_spec_features() - what a port leaves of the features
 * @spec: port
 * @features: bits
 *
 * A socket has one queue, no filter, and no offload can be switched off behind
 * its back.
 *
 * Return: those that remain.
 */
u64 trivio_port_spec_features(const struct trivio_port_spec *spec, u64 features)
{
	if (!spec->file)
		return features;
	return features & ~(BIT_ULL(VIRTIO_NET_F_MQ) |
			    BIT_ULL(VIRTIO_NET_F_RSS) |
			    BIT_ULL(VIRTIO_NET_F_HASH_REPORT) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
}
EXPORT_SYMBOL_GPL(trivio_port_spec_features);

static int queue_sock(struct trivio_queue *q, struct file *file)
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
 * trivio_port_spec_attach() - give a new net device its port
 * @spec: port
 * @dev: device; no queue runs and none has a port
 *
 * Context: may sleep; takes rtnl.
 *
 * Return: 0; -EINVAL for a socket and more than one queue pair; what the port
 * said.
 */
int trivio_port_spec_attach(const struct trivio_port_spec *spec,
			    struct trivio_dev *dev)
{
	const struct trivio_net *net = dev->class_priv;
	int err;

	if (!strcmp(spec->text, "netdev"))
		return trivio_port_netdev_create(dev, dev->name);
	if (switch_name(spec->text))
		return trivio_port_switch_create(dev, switch_name(spec->text));
	if (!spec->file)
		return 0;
	if (net->max_pairs > 1)
		return -EINVAL;
	err = queue_sock(&dev->queue[0], spec->file);
	return err ? err : queue_sock(&dev->queue[1], spec->file);
}
EXPORT_SYMBOL_GPL(trivio_port_spec_attach);
