// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a queue counts: the names that every road and tool shows, and a snapshot
 * that any context may take.
 */
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/kernel.h>

#include <trivio/queue.h>

static const char * const stat_name[] = {
	[TRIVIO_STAT_KICKS]		= "kicks",
	[TRIVIO_STAT_CALLS]		= "calls",
	[TRIVIO_STAT_CALLS_SUPPRESSED]	= "calls_suppressed",
	[TRIVIO_STAT_WAKEUPS]		= "wakeups",
	[TRIVIO_STAT_RESCHEDULES]	= "reschedules",
	[TRIVIO_STAT_BATCHES]		= "batches",
	[TRIVIO_STAT_CHAINS]		= "chains",
	[TRIVIO_STAT_PACKETS]		= "packets",
	[TRIVIO_STAT_BYTES]		= "bytes",
	[TRIVIO_STAT_COPIES]		= "copies",
	[TRIVIO_STAT_DROPS]		= "drops",
	[TRIVIO_STAT_DROP_NOBUF]	= "drop_nobuf",
	[TRIVIO_STAT_DROP_FORMAT]	= "drop_format",
	[TRIVIO_STAT_DROP_BACKEND]	= "drop_backend",
	[TRIVIO_STAT_DROP_FAULT]	= "drop_fault",
	[TRIVIO_STAT_DROP_NOMEM]	= "drop_nomem",
	[TRIVIO_STAT_DROP_FILTER]	= "drop_filter",
	[TRIVIO_STAT_ERRORS]		= "errors",
	[TRIVIO_STAT_MISSES]		= "misses",
	[TRIVIO_STAT_FAULTS]		= "faults",
	[TRIVIO_STAT_POLLS]		= "polls",
	[TRIVIO_STAT_VIOLATIONS]	= "violations",
	[TRIVIO_STAT_LOGGED]		= "logged",
	[TRIVIO_STAT_DOORBELLS]		= "doorbells",
};

static_assert(ARRAY_SIZE(stat_name) == TRIVIO_STAT_NR);

/**
 * trivio_stat_name - name of a counter, as every tool shows it
 * @s: counter
 *
 * The names are an interface, as the numbers are: the netlink specification,
 * the tracepoint trivio_drop and `vdpa dev vstats` carry them.
 *
 * Context: any.
 * Return: a constant string, "?" for a number that is no counter.
 */
const char *trivio_stat_name(enum trivio_stat s)
{
	if ((unsigned int)s >= TRIVIO_STAT_NR)
		return "?";
	return stat_name[s];
}
EXPORT_SYMBOL_GPL(trivio_stat_name);

/**
 * trivio_queue_stats - counters of a queue at this moment
 * @q: queue
 * @stat: where to put them
 *
 * No lock: each counter has one writer and is whole, but the set may be torn by
 * a service that runs meanwhile. Sums are exact once the queue is at rest.
 *
 * Context: any.
 */
void trivio_queue_stats(struct trivio_queue *q, u64 stat[TRIVIO_STAT_NR])
{
	unsigned int i;

	for (i = 0; i < TRIVIO_STAT_NR; i++)
		stat[i] = READ_ONCE(q->stat[i]);
	/* These come in any context, so they are not the service's to count. */
	stat[TRIVIO_STAT_KICKS] = atomic64_read(&q->kicks);
	stat[TRIVIO_STAT_FAULTS] = atomic64_read(&q->faults);
	stat[TRIVIO_STAT_VIOLATIONS] = atomic64_read(&q->violations);
}
EXPORT_SYMBOL_GPL(trivio_queue_stats);
