// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is a socket: tap, macvtap/ipvtap or AF_PACKET raw. What sockets
 * are taken is what in-tree vhost_net takes (drivers/vhost/net.c:get_socket()).
 *
 * Here: life, and being woken. port_sock_tx.c and port_sock_rx.c move frames.
 */
#include <linux/file.h>
#include <linux/if_tap.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/ptr_ring.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "core.h"
#include "port_sock.h"

/* --- being woken ------------------------------------------------------- */

/*
 * What a worker sends is often answered within the call: an echo, the host's own
 * TCP and its acknowledgment. Waking the receive queue's worker for each answer
 * costs a switch and often an interrupt of the guest's, too. So the worker that
 * sent carries it when its turn is over, for one turn of the receive queue; if
 * there is more then, it is the receive queue's worker's. What an interrupt brings
 * is no answer, whatever thread it came upon.
 */
static void sock_wake_rx(struct trivio_queue *q)
{
	struct trivio_worker *w;

	rcu_read_lock();
	w = in_serving_softirq() || in_hardirq() ? NULL :
	    rcu_dereference(q->dev->queue[q->index ^ 1].worker);
	if (w && rcu_access_pointer(q->worker) && trivio_worker_is_current(w))
		trivio_worker_queue(w, &q->work);
	else
		trivio_queue_wake(q);
	rcu_read_unlock();
}

static int sock_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct sock_port *p = container_of(wait, struct sock_port, wait);

	if (!(key_to_poll(key) & p->mask) || !READ_ONCE(p->armed))
		return 0;
	WRITE_ONCE(p->armed, false);
	if (p->mask & EPOLLIN)
		sock_wake_rx(p->q);
	else
		trivio_queue_wake(p->q);
	return 0;
}

static void sock_poll_add(struct file *file, wait_queue_head_t *wqh,
			  poll_table *pt)
{
	struct sock_port *p = container_of(pt, struct sock_port, pt);

	p->wqh = wqh;
	add_wait_queue(wqh, &p->wait);
}

/* Is there something for the guest in the socket? */
bool sock_has_rx(struct sock_port *p)
{
	if (p->rx_head != p->rx_tail)
		return true;
	if (p->ring)
		return !__ptr_ring_empty(p->ring);
	return !skb_queue_empty_lockless(&p->sock->sk->sk_receive_queue);
}

/*
 * Ask to be woken by the next frame.
 *
 * Returns true if one came in meanwhile: the caller must look again.
 */
bool sock_rearm(struct sock_port *p)
{
	WRITE_ONCE(p->armed, true);
	/*
	 * Armed before looked. Pairs with the barrier between a producer's
	 * store to the ring and its look at the wait queue
	 * (skwq_has_sleeper()).
	 */
	smp_mb();
	if (likely(!sock_has_rx(p)))
		return false;
	WRITE_ONCE(p->armed, false);
	return true;
}

/*
 * Where the producer shares a CPU with the worker, going idle after each packet
 * costs two context switches and a wake-up for it. If idle times have been that
 * short several times in a row and somebody waits for this CPU, the worker lets
 * them run and looks again instead. On a CPU of its own nothing changes; and if
 * what ran was not the producer, so that time went by for nothing, it is not
 * tried again for long.
 */
#define LAZY_GAP	(20 * NSEC_PER_USEC)
#define LAZY_STREAK	4
#define LAZY_LOSS	(100 * NSEC_PER_USEC)
#define LAZY_BACKOFF	1000

void sock_turn_begin(struct sock_port *p)
{
	WRITE_ONCE(p->armed, false);
	p->calls = p->q->stat[TRIVIO_STAT_CALLS];
	if (p->yield_at || !p->idle_at)
		return;
	if (p->streak < 0 || local_clock() - p->idle_at < LAZY_GAP)
		p->streak++;
	else
		p->streak = 0;
}

/*
 * The turn found nothing more to do. True if it shall be followed by another
 * one, without arming a wake-up; else the idle time begins.
 */
bool sock_turn_lazy(struct sock_port *p, struct trivio_queue *q, u32 packets)
{
	u64 now;

	if (p->q->stat[TRIVIO_STAT_CALLS] != p->calls) {
		/*
		 * The driver waits for us, so no producer will run on. The
		 * clock is not read for that; this idle time counts as short.
		 */
		p->streak = 1;
		p->yield_at = 0;
		p->idle_at = 0;
		return false;
	}
	now = local_clock();
	if (p->yield_at && !packets) {
		p->streak = now - p->yield_at > LAZY_LOSS ? -LAZY_BACKOFF : 0;
	} else if (p->streak >= LAZY_STREAK && !single_task_running() &&
		   trivio_queue_own_turn(q)) {
		p->yield_at = now;
		q->lazy = true;
		return true;
	}
	p->yield_at = 0;
	p->idle_at = now;
	return false;
}

/*
 * Spin for a while before going idle (VHOST_SET_VRING_BUSYLOOP_TIMEOUT), with the
 * queue's lock held, but not while anybody waits for it.
 *
 * Returns true if there is something to do.
 */
bool sock_busy_poll(struct sock_port *p, struct trivio_queue *q)
{
	struct trivio_worker *w;
	bool found = false;
	u64 end;

	if (!q->busyloop)
		return false;
	end = local_clock() + (u64)q->busyloop * NSEC_PER_USEC;
	while (!found && !need_resched() && !signal_pending(current) &&
	       !atomic_read(&q->waiting) && local_clock() < end) {
		rcu_read_lock();
		w = rcu_dereference(q->worker);
		if (w && trivio_worker_has_work(w))
			end = 0;
		rcu_read_unlock();
		found = q->index & 1 ? !trivio_ring_empty(&q->ring) :
				       sock_has_rx(p);
		cpu_relax();
	}
	trivio_stat_inc(q, TRIVIO_STAT_POLLS);
	return found;
}

/* --- life -------------------------------------------------------------- */

static int sock_attach(struct trivio_port *port, struct trivio_queue *q)
{
	struct sock_port *p = to_sock_port(port);

	if (q->index & 1) {
		p->xdp = kcalloc(SOCK_BATCH, sizeof(*p->xdp),
				 GFP_KERNEL_ACCOUNT);
		if (!p->xdp)
			return -ENOMEM;
	} else {
		p->list = kcalloc(TRIVIO_CHAIN_MAX, sizeof(*p->list),
				  GFP_KERNEL_ACCOUNT);
		if (!p->list)
			return -ENOMEM;
		p->ring = tun_get_tx_ring(p->file);
		p->tun = !IS_ERR(p->ring);
		if (IS_ERR(p->ring))
			p->ring = tap_get_ptr_ring(p->file);
		if (IS_ERR(p->ring))
			p->ring = NULL;
	}
	p->q = q;
	p->mask = q->index & 1 ? EPOLLOUT : EPOLLIN;
	init_waitqueue_func_entry(&p->wait, sock_wake);
	init_poll_funcptr(&p->pt, sock_poll_add);
	vfs_poll(p->file, &p->pt);
	return 0;
}

static void sock_detach(struct trivio_port *port, struct trivio_queue *q)
{
	struct sock_port *p = to_sock_port(port);

	/* After this no wake-up can reach the queue. */
	if (p->wqh)
		remove_wait_queue(p->wqh, &p->wait);
	sock_tx_free(p);
	kfree(p->xdp);
	kfree(p->list);
	fput(p->file);
	kfree(p);
}

static int sock_start(struct trivio_port *port, struct trivio_queue *q)
{
	to_sock_port(port)->direct = false;
	return 0;
}

static void sock_stop(struct trivio_port *port, struct trivio_queue *q)
{
	struct sock_port *p = to_sock_port(port);

	WRITE_ONCE(p->armed, false);
	if (!(q->index & 1))
		sock_rx_stop(p);
}

static const struct trivio_port_ops sock_port_ops = {
	.name		= "socket",
	.attach		= sock_attach,
	.detach		= sock_detach,
	.start		= sock_start,
	.stop		= sock_stop,
	.serve_tx	= sock_serve_tx,
	.serve_rx	= sock_serve_rx,
};

static struct socket *sock_of_file(struct file *file)
{
	struct socket *sock = sock_from_file(file);

	if (sock) {
		if (sock->sk->sk_type != SOCK_RAW ||
		    sock->sk->sk_family != AF_PACKET)
			return ERR_PTR(-ENOTSOCK);
		return sock;
	}
	sock = tun_get_socket(file);
	if (IS_ERR(sock))
		sock = tap_get_socket(file);
	return IS_ERR(sock) ? ERR_PTR(-ENOTSOCK) : sock;
}

/**
 * trivio_port_sock_check() - would trivio_port_sock_create() take a file
 * @file: file
 *
 * Return: 0 or -ENOTSOCK.
 */
int trivio_port_sock_check(struct file *file)
{
	return PTR_ERR_OR_ZERO(sock_of_file(file));
}
EXPORT_SYMBOL_GPL(trivio_port_sock_check);

/**
 * trivio_port_sock_create() - a port over a socket
 * @file: tap, macvtap or ipvtap character device, or AF_PACKET SOCK_RAW socket;
 *	the port takes its own reference
 *
 * Give it to one queue with trivio_net_set_port(), which owns it from then on.
 *
 * Context: may sleep.
 *
 * Return: the port; -ENOTSOCK for any other file; -ENOMEM.
 */
struct trivio_port *trivio_port_sock_create(struct file *file)
{
	struct socket *sock = sock_of_file(file);
	struct sock_port *p;

	if (IS_ERR(sock))
		return ERR_CAST(sock);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->port.ops = &sock_port_ops;
	p->file = get_file(file);
	p->sock = sock;
	return &p->port;
}
EXPORT_SYMBOL_GPL(trivio_port_sock_create);

/**
 * trivio_port_sock_free() - free a port that no queue took
 * @port: from trivio_port_sock_create()
 */
void trivio_port_sock_free(struct trivio_port *port)
{
	struct sock_port *p = to_sock_port(port);

	fput(p->file);
	kfree(p->xdp);
	kfree(p->list);
	kfree(p);
}
EXPORT_SYMBOL_GPL(trivio_port_sock_free);
