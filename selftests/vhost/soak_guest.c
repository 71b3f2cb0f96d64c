// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner in a soak: sets the device up from where the rings stand, sends
 * and receives, swaps the memory table 64 times a second and the backend now
 * and then. It may be killed between any two instructions, so the order of
 * its stores matters: the next one finds everything it needs in the rings.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

#define AHEAD	4096	/* frames that may be under way */

static struct sk_world *w;

static uint64_t gpa(const void *p)
{
	return VH_GPA_BASE + ((const uint8_t *)p - (const uint8_t *)w->g);
}

static int table(unsigned int parts)
{
	struct {
		struct vhost_memory h;
		struct vhost_memory_region r[4];
	} t = { .h.nregions = parts };
	uint64_t size = (sizeof(*w->g) / parts) & ~4095UL, at = 0;
	unsigned int i;

	for (i = 0; i < parts; i++) {
		t.r[i].guest_phys_addr = VH_GPA_BASE + at;
		t.r[i].userspace_addr = (uintptr_t)w->g + at;
		t.r[i].memory_size = i + 1 < parts ? size :
				     sizeof(*w->g) - at;
		at += size;
	}
	return vh_ioctl(w->fd, VHOST_SET_MEM_TABLE, &t);
}

static int file(unsigned long cmd, unsigned int q, int fd)
{
	struct vhost_vring_file f = { .index = q, .fd = fd };

	return vh_ioctl(w->fd, cmd, &f);
}

static int ring_start(unsigned int q, int tap)
{
	struct sk_ring *r = &w->g->ring[q];
	struct vhost_vring_state s = { .index = q, .num = SK_RING };
	struct vhost_vring_addr a = {
		.index = q, .desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)&r->avail,
		.used_user_addr = (uintptr_t)&r->used,
	};
	int e = vh_ioctl(w->fd, VHOST_SET_VRING_NUM, &s);

	/* All that was taken was used before the last owner was gone. */
	s.num = __atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE);
	e = e ?: vh_ioctl(w->fd, VHOST_SET_VRING_BASE, &s);
	e = e ?: vh_ioctl(w->fd, VHOST_SET_VRING_ADDR, &a);
	e = e ?: file(VHOST_SET_VRING_KICK, q, w->kick[q]);
	e = e ?: file(VHOST_SET_VRING_CALL, q, w->call[q]);
	e = e ?: file(VHOST_SET_VRING_ERR, q, w->err[q]);
	return e ?: file(VHOST_NET_SET_BACKEND, q, tap);
}

static int start(int tap)
{
	uint64_t f = VH_USUAL & ~VH_BIT(VIRTIO_RING_F_EVENT_IDX);
	int e = vh_ioctl(w->fd, VHOST_SET_OWNER, NULL);

	e = e ?: vh_ioctl(w->fd, VHOST_SET_FEATURES, &f);
	e = e ?: table(1);
	e = e ?: ring_start(VH_RX, tap);
	return e ?: ring_start(VH_TX, tap);
}

/* The number that a frame in a slot has. */
static uint64_t slot_seq(const struct sk_ring *r, unsigned int i)
{
	uint64_t seq;

	memcpy(&seq, r->slot[i] + 12 + 14, sizeof(seq));
	return seq;
}

static unsigned int length(uint64_t seq)
{
	return 60 + (seq * 0x9e3779b97f4a7c15ULL >> 40) % (SK_LEN_MAX - 60);
}

/* As many frames as fit; each is published before its number is spent. */
static unsigned int send_some(void)
{
	struct sk_ring *r = &w->g->ring[VH_TX];
	struct sk_books *b = w->b;
	unsigned int n = 0, i;

	while ((uint16_t)(r->avail.idx -
			  __atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE)) <
	       SK_RING && n < 64 &&
	       b->tx_next - __atomic_load_n(&b->tx_got, __ATOMIC_RELAXED) <
	       AHEAD + b->tx_lost && b->tx_next < SK_SEQS) {
		uint64_t seq = b->tx_next;
		unsigned int len = length(seq);

		i = r->avail.idx % SK_RING;
		memset(r->slot[i], 0, 12);
		vh_frame_fill(r->slot[i] + 12, len, seq);
		r->desc[i] = (struct vring_desc){ gpa(r->slot[i]), 12 + len };
		r->avail.ring[i] = i;
		__atomic_store_n(&r->avail.idx, r->avail.idx + 1,
				 __ATOMIC_RELEASE);
		__atomic_store_n(&b->tx_next, seq + 1, __ATOMIC_RELEASE);
		n++;
	}
	return n;
}

/* What came, and the buffer again. */
static unsigned int receive_some(void)
{
	struct sk_ring *r = &w->g->ring[VH_RX];
	struct sk_books *b = w->b;
	unsigned int n = 0;

	while (r->last != __atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE)) {
		struct vring_used_elem e = r->used.ring[r->last % SK_RING];
		unsigned int i = e.id % SK_RING;
		uint64_t seq;
		int ok = vh_frame_check(r->slot[i] + 12, e.len - 12, &seq);

		if (ok < 0 || e.len > SK_SLOT)
			b->bad++;
		if (ok == 1) {
			if (sk_mark(b->rx_seen, seq))
				__atomic_store_n(&b->rx_got, b->rx_got + 1,
						 __ATOMIC_RELEASE);
			else
				b->rx_twice++;
		}
		/* The mark first, then the place: a kill between is one more. */
		__atomic_store_n(&r->last, r->last + 1, __ATOMIC_RELEASE);
		r->desc[i] = (struct vring_desc){ gpa(r->slot[i]), SK_SLOT,
						  VRING_DESC_F_WRITE };
		r->avail.ring[r->avail.idx % SK_RING] = i;
		__atomic_store_n(&r->avail.idx, r->avail.idx + 1,
				 __ATOMIC_RELEASE);
		n++;
	}
	return n;
}

/*
 * The last owner may have ended between taking a used entry and giving the
 * buffer back, or between publishing a frame and counting it.
 */
static void repair(void)
{
	struct sk_ring *rx = &w->g->ring[VH_RX], *tx = &w->g->ring[VH_TX];
	bool out[SK_RING] = { false };
	uint64_t seq;
	uint16_t k;

	if (tx->avail.idx) {
		seq = slot_seq(tx, (uint16_t)(tx->avail.idx - 1) % SK_RING);
		if (seq + 1 > w->b->tx_next)
			w->b->tx_next = seq + 1;
	}
	/* Buffers the ring has, or that wait to be looked at. */
	for (k = rx->used.idx; k != rx->avail.idx; k++)
		out[rx->avail.ring[k % SK_RING] % SK_RING] = true;
	for (k = rx->last; k != rx->used.idx; k++)
		out[rx->used.ring[k % SK_RING].id % SK_RING] = true;
	for (k = 0; k < SK_RING; k++) {
		if (out[k])
			continue;
		rx->desc[k] = (struct vring_desc){ gpa(rx->slot[k]), SK_SLOT,
						   VRING_DESC_F_WRITE };
		rx->avail.ring[rx->avail.idx % SK_RING] = k;
		__atomic_store_n(&rx->avail.idx, rx->avail.idx + 1,
				 __ATOMIC_RELEASE);
	}
}

static void *tables(void *arg)
{
	unsigned int k = 0;

	(void)arg;
	for (;;) {
		usleep(1000000 / 64);
		if (table(1 + k++ % 4) == 0)
			w->b->tables++;
	}
	return NULL;
}

static void kick(unsigned int q)
{
	uint64_t one = 1;

	if (!(w->g->ring[q].used.flags & VRING_USED_F_NO_NOTIFY) &&
	    write(w->kick[q], &one, 8) < 0)
		return;
}

/* sk_guest_main - the owner process; it never returns */
void sk_guest_main(struct sk_world *world, uint64_t seed)
{
	unsigned int at = seed & 1, n, turn = 0;
	uint64_t x = seed | 1;
	pthread_t th;

	w = world;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	repair();
	if (start(w->tap[at].fd))
		_exit(1);
	pthread_create(&th, NULL, tables, NULL);
	__atomic_store_n(&w->b->running, true, __ATOMIC_RELEASE);
	for (;;) {
		n = __atomic_load_n(&w->b->pause, __ATOMIC_ACQUIRE) ? 0 :
		    send_some();
		/* The store of the index before the look at the flags. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		kick(VH_TX);
		n += receive_some();
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		kick(VH_RX);
		if (!n)
			usleep(200);
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (++turn % 512 == 0 && x % 4 == 0) {
			/* Another tap, or for a moment none. */
			at = !at;
			if ((x >> 8) % 3 == 0) {
				file(VHOST_NET_SET_BACKEND, VH_TX, -1);
				file(VHOST_NET_SET_BACKEND, VH_RX, -1);
			}
			/* A deleted one is refused: the next owner has new. */
			file(VHOST_NET_SET_BACKEND, VH_TX, w->tap[at].fd);
			file(VHOST_NET_SET_BACKEND, VH_RX, w->tap[at].fd);
			w->b->swaps++;
		}
	}
}
