/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue: one virtqueue in service. Its ring, where it runs, how a kick comes
 * in, how a call goes out, and what it counts.
 *
 * Life: set_num, set_addr, set_state, set_mem -> start -> (kick, serve, call)*
 * -> stop -> get_state. Configuration is refused (-EBUSY) while it runs, but
 * for the address, the memory and the log, which may change under traffic.
 *
 * Two ways to serve:
 *  - worker: trivio_queue_ops.serve runs in &trivio_queue.worker with
 *    &trivio_queue.lock held; it may sleep;
 *  - direct: trivio_queue_ops.kick is set; the port serves the queue wherever
 *    it likes (NAPI, ndo_start_xmit), serialises ring access itself, and its
 *    trivio_queue_ops.stop returns when nothing touches the ring any more.
 *    Only over TRIVIO_MEM_KERNEL.
 */
#ifndef TRIVIO_QUEUE_H
#define TRIVIO_QUEUE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <trivio/fault.h>
#include <trivio/mem.h>
#include <trivio/ring.h>
#include <trivio/worker.h>

struct trivio_check_queue;
struct trivio_dev;
struct trivio_queue;

/**
 * enum trivio_stat - what a queue counts; names as user space sees them are in
 * drivers/core/stats.c. Add at the end.
 *
 * @TRIVIO_STAT_KICKS: notifications from the driver
 * @TRIVIO_STAT_CALLS: notifications to the driver
 * @TRIVIO_STAT_CALLS_SUPPRESSED: flushes for which the driver wanted no call
 * @TRIVIO_STAT_WAKEUPS: times the service was started
 * @TRIVIO_STAT_RESCHEDULES: times it used up its budget
 * @TRIVIO_STAT_BATCHES: flushes of used entries
 * @TRIVIO_STAT_CHAINS: chains completed
 * @TRIVIO_STAT_PACKETS: packets or requests carried
 * @TRIVIO_STAT_BYTES: their bytes, without the virtio header
 * @TRIVIO_STAT_COPIES: copies of payload between guest and host
 * @TRIVIO_STAT_DROPS: packets dropped, the sum of the drop reasons
 * @TRIVIO_STAT_DROP_NOBUF: no or too small guest buffers
 * @TRIVIO_STAT_DROP_FORMAT: malformed chain or header
 * @TRIVIO_STAT_DROP_BACKEND: the port or disk refused it
 * @TRIVIO_STAT_DROP_FAULT: guest memory failed under the copy
 * @TRIVIO_STAT_DROP_NOMEM: no host memory
 * @TRIVIO_STAT_DROP_FILTER: not for this device (MAC, VLAN, link down)
 * @TRIVIO_STAT_ERRORS: times the queue broke
 * @TRIVIO_STAT_MISSES: look-ups that had to wait for a mapping
 * @TRIVIO_STAT_FAULTS: injected faults that fired
 * @TRIVIO_STAT_POLLS: busy-poll rounds
 * @TRIVIO_STAT_VIOLATIONS: rules that the driver broke, if the checker is on
 * @TRIVIO_STAT_LOGGED: ranges of guest memory noted in the dirty log
 * @TRIVIO_STAT_DOORBELLS: kicks that were stores to a mapped page
 * @TRIVIO_STAT_NR: number of counters
 */
enum trivio_stat {
	TRIVIO_STAT_KICKS,
	TRIVIO_STAT_CALLS,
	TRIVIO_STAT_CALLS_SUPPRESSED,
	TRIVIO_STAT_WAKEUPS,
	TRIVIO_STAT_RESCHEDULES,
	TRIVIO_STAT_BATCHES,
	TRIVIO_STAT_CHAINS,
	TRIVIO_STAT_PACKETS,
	TRIVIO_STAT_BYTES,
	TRIVIO_STAT_COPIES,
	TRIVIO_STAT_DROPS,
	TRIVIO_STAT_DROP_NOBUF,
	TRIVIO_STAT_DROP_FORMAT,
	TRIVIO_STAT_DROP_BACKEND,
	TRIVIO_STAT_DROP_FAULT,
	TRIVIO_STAT_DROP_NOMEM,
	TRIVIO_STAT_DROP_FILTER,
	TRIVIO_STAT_ERRORS,
	TRIVIO_STAT_MISSES,
	TRIVIO_STAT_FAULTS,
	TRIVIO_STAT_POLLS,
	TRIVIO_STAT_VIOLATIONS,
	TRIVIO_STAT_LOGGED,
	TRIVIO_STAT_DOORBELLS,
	TRIVIO_STAT_NR,
};

/**
 * struct trivio_fault_rec - the first error of a queue, kept until reset
 * @err: code, or TRIVIO_OK
 * @head: chain head or id
 * @addr: guest address at fault, or 0
 * @time: ktime_get_real_ns() of it
 * @count: errors since, this one included
 */
struct trivio_fault_rec {
	enum trivio_err err;
	u16 head;
	u64 addr;
	u64 time;
	u64 count;
};

/**
 * enum trivio_qstate - what a queue is doing
 * @TRIVIO_Q_IDLE: not started; rings are not mapped
 * @TRIVIO_Q_RUNNING: in service
 * @TRIVIO_Q_BROKEN: the driver broke the rules; nothing runs until stop/start
 */
enum trivio_qstate {
	TRIVIO_Q_IDLE,
	TRIVIO_Q_RUNNING,
	TRIVIO_Q_BROKEN,
};

/**
 * struct trivio_queue_ops - how a queue is served; set by its device class
 * @serve: one turn of service in the worker, &trivio_queue.lock held. Must
 *	bound its work; returns true if more is to be done at once.
 * @kick: direct mode: a kick came in. Any context, interrupts may be off.
 * @start: ring is mapped, service may begin. May sleep. Optional.
 * @stop: service must have ended on return. May sleep. Optional in worker
 *	mode, where the lock alone does it. In flight chains are completed.
 * @reap: worker mode, @lock held: the queue broke, and something that was under way
 *	has ended: complete it, and flush. Optional; a class whose chains outlive
 *	their turn needs it.
 * @settled: direct mode: flush what was held back (&trivio_mem_ops.settled).
 *	Process context. Optional where a kick flushes.
 */
struct trivio_queue_ops {
	bool (*serve)(struct trivio_queue *q);
	void (*kick)(struct trivio_queue *q);
	int (*start)(struct trivio_queue *q);
	void (*stop)(struct trivio_queue *q);
	void (*reap)(struct trivio_queue *q);
	void (*settled)(struct trivio_queue *q);
};

/**
 * struct trivio_queue - one virtqueue
 *
 * Hot fields first.
 *
 * @ring: layout and position. Service context.
 * @dev: device it belongs to
 * @ops: how it is served; constant while running
 * @mem: address space of the buffers, constant while running
 * @ring_mem: address space of the ring; most often @mem. Under @lock.
 * @hit: last look-up. Service context.
 * @state: written under @lock, read anywhere
 * @log: dirty log wanted: written under @lock
 * @call_due: published without a decision on the call yet; written by the service
 * @copies: copies of guest memory that stand for it in chains of this queue;
 *	the road's count
 * @index: position in &trivio_dev.queue
 * @worker: where it runs (worker mode); RCU, written under @lock
 * @work: its entry there
 * @stat: counters, written by the service only, but for @kicks,
 *	@faults and @violations
 * @kicks: kicks, counted in any context
 * @seq: chains popped
 * @lock: configuration, and service in worker mode. Taken after
 *	&trivio_mem.lock.
 * @waiting: who waits for @lock: a service that polls lets go of it
 * @port_priv: state of the port or disk for this queue
 * @front_priv: state of the front end for this queue (call eventfd ...)
 * @busyloop: microseconds to poll before going idle (worker mode)
 * @lazy: set by the service: run again after whoever else wants the CPU
 * @num: ring size
 * @num_max: largest ring size the device takes
 * @desc_addr: descriptor area, in the address space
 * @driver_addr: driver area
 * @device_addr: device area
 * @enabled: the driver enabled it (status roads)
 * @hold: the road has no valid addresses for it: not served; under @lock
 * @kick_pending: a kick came while it did not run; the next start looks anyway
 * @mapped: the areas in @map are mapped and @ring is over them; under @lock
 * @map: the three mapped areas: desc, driver, device
 * @ring_gen: &trivio_mem.gen of @ring_mem when @map was made; under @lock
 * @map_work: maps the ring of a direct queue when memory comes back
 * @faults: injected faults that fired, counted in any context
 * @fault_draws: how far the random sequences of its faults are
 * @late_valid: an injected fault holds back a used entry: @late_id, @late_slots
 *	and @late_written. Service context.
 * @late_id: its id
 * @late_slots: its slots
 * @late_written: its length
 * @violations: rules broken, counted in any context
 * @check: what is in flight, for the conformance checker; written under @lock
 * @first: first error
 * @first_lock: protects @first
 * @mem_node: on &trivio_mem.queues of @mem, under its lock
 * @ring_node: on &trivio_mem.rings of @ring_mem, under its lock
 * @desc: scratch descriptors for the service
 * @seg: scratch segments for the service
 */
struct trivio_queue {
	struct trivio_ring ring;
	struct trivio_dev *dev;
	const struct trivio_queue_ops *ops;
	struct trivio_mem *mem;
	struct trivio_mem *ring_mem;
	struct trivio_hit hit;
	enum trivio_qstate state;
	bool log;
	bool call_due;
	u16 index;
	atomic_t copies;
	struct trivio_worker __rcu *worker;
	struct trivio_work work;
	u64 stat[TRIVIO_STAT_NR];
	atomic64_t kicks;
	u64 seq;
	struct mutex lock;
	atomic_t waiting;
	void *port_priv;
	void *front_priv;

	u32 busyloop;
	bool lazy;
	u32 num;
	u32 num_max;
	u64 desc_addr;
	u64 driver_addr;
	u64 device_addr;
	bool enabled;
	bool hold;
	bool kick_pending;
	bool mapped;
	u64 ring_gen;
	struct trivio_mapping map[3];
	struct work_struct map_work;
	atomic64_t faults;
	struct trivio_fault_draws fault_draws;
	bool late_valid;
	u16 late_id;
	u16 late_slots;
	u32 late_written;
	atomic64_t violations;
	struct trivio_check_queue *check;
	struct trivio_fault_rec first;
	spinlock_t first_lock;
	struct list_head mem_node;
	struct list_head ring_node;
	struct trivio_desc *desc;
	union trivio_seg *seg;
};

static inline void trivio_stat_add(struct trivio_queue *q, enum trivio_stat s,
				   u64 n)
{
	WRITE_ONCE(q->stat[s], q->stat[s] + n);
}

static inline void trivio_stat_inc(struct trivio_queue *q, enum trivio_stat s)
{
	trivio_stat_add(q, s, 1);
}

/* Is @q served directly by its port, over pinned memory, without a worker? */
static inline bool trivio_queue_direct(const struct trivio_queue *q)
{
	return q->ops && q->ops->kick;
}

/**
 * trivio_queue_lock() - take the queue's lock, whatever its service does
 * @q: queue
 *
 * A service in a worker may poll with the lock held for as long as the owner
 * asked (&trivio_queue.busyloop, 71 minutes at most), and stops for whoever waits
 * here. So everybody but that worker takes the lock by this.
 *
 * Context: may sleep. Unlock with mutex_unlock().
 */
static inline void trivio_queue_lock(struct trivio_queue *q)
{
	if (mutex_trylock(&q->lock))
		return;
	atomic_inc(&q->waiting);
	mutex_lock(&q->lock);
	atomic_dec(&q->waiting);
}

/* Configuration; every one takes the queue's lock and may sleep. */
int trivio_queue_set_num(struct trivio_queue *q, u32 num);
int trivio_queue_set_addr(struct trivio_queue *q, u64 desc, u64 driver,
			  u64 device);
int trivio_queue_set_state(struct trivio_queue *q, u32 state);
u32 trivio_queue_get_state(struct trivio_queue *q);
int trivio_queue_set_mem(struct trivio_queue *q, struct trivio_mem *mem);
int trivio_queue_set_mems(struct trivio_queue *q, struct trivio_mem *mem,
			  struct trivio_mem *ring_mem);
void trivio_queue_set_log(struct trivio_queue *q, bool on);
void trivio_queue_set_worker(struct trivio_queue *q, struct trivio_worker *w);
int trivio_queue_start(struct trivio_queue *q);
void trivio_queue_stop(struct trivio_queue *q);
void trivio_queue_sync(struct trivio_queue *q);
void trivio_queue_reset(struct trivio_queue *q);

/* Any context. */
void trivio_queue_kick(struct trivio_queue *q);
void trivio_queue_wake(struct trivio_queue *q);
void trivio_queue_settled(struct trivio_queue *q);
void trivio_queue_stats(struct trivio_queue *q, u64 stat[TRIVIO_STAT_NR]);
void trivio_queue_first_error(struct trivio_queue *q,
			      struct trivio_fault_rec *rec);
const char *trivio_stat_name(enum trivio_stat s);

/* Service context of the queue. */
int trivio_queue_pop(struct trivio_queue *q, struct trivio_chain *c);
bool trivio_queue_dry(struct trivio_queue *q, unsigned int tries);
void trivio_queue_unpop(struct trivio_queue *q, const struct trivio_chain *c);
void trivio_queue_push(struct trivio_queue *q, const struct trivio_chain *c,
		       u32 written);
void trivio_queue_flush(struct trivio_queue *q);
void trivio_queue_publish(struct trivio_queue *q);
void trivio_queue_call_due(struct trivio_queue *q);
void trivio_queue_error(struct trivio_queue *q, enum trivio_err err, u16 head,
			u64 addr);
void trivio_queue_drop(struct trivio_queue *q, enum trivio_stat reason,
		       u16 head, u32 len);
void trivio_chain_init(struct trivio_queue *q, struct trivio_chain *c);
int trivio_chain_alloc(struct trivio_chain *c, u16 max, gfp_t gfp);
void trivio_chain_free(struct trivio_chain *c);
int trivio_chain_read(struct trivio_queue *q, const struct trivio_chain *c,
		      u32 off, void *dst, u32 len);
int trivio_chain_write(struct trivio_queue *q, const struct trivio_chain *c,
		       u32 off, const void *src, u32 len);
void trivio_chain_out_iter(struct trivio_queue *q, const struct trivio_chain *c,
			   struct iov_iter *iter);
void trivio_chain_in_iter(struct trivio_queue *q, const struct trivio_chain *c,
			  struct iov_iter *iter);

/**
 * trivio_queue_next() - take the next request, or ask for a kick
 * @q: queue; kicks are off
 * @c: as trivio_queue_pop() has it
 *
 * Context: service of the queue.
 *
 * Return: as trivio_queue_pop(); with 0 kicks are on, or the queue was woken.
 */
static inline int trivio_queue_next(struct trivio_queue *q,
				    struct trivio_chain *c)
{
	unsigned int tries = 0;
	int n;

	do {
		n = trivio_queue_pop(q, c);
	} while (!n && trivio_queue_dry(q, tries++));
	return n;
}

#endif /* TRIVIO_QUEUE_H */
