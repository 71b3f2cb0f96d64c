/* SPDX-License-Identifier: GPL-2.0-only */
/* How a port that serves directly gets from a kick to its NAPI. */
#ifndef TRIVIO_PORT_NAPI_H
#define TRIVIO_PORT_NAPI_H

#include <linux/irq_work.h>
#include <linux/netdevice.h>

/**
 * port_napi_kick() - have a transmit ring polled
 * @napi: it is polled there
 * @irq: schedules @napi
 *
 * With interrupts off outside of an interrupt (an eventfd wake-up in the kicking
 * CPU's own context) raising the soft interrupt would wait for ksoftirqd; an
 * irq_work runs as soon as they are on again, in this very context.
 *
 * Context: any.
 */
static inline void port_napi_kick(struct napi_struct *napi,
				  struct irq_work *irq)
{
	if (in_interrupt()) {
		napi_schedule(napi);
	} else if (irqs_disabled()) {
		irq_work_queue(irq);
	} else {
		local_bh_disable();
		napi_schedule(napi);
		local_bh_enable();
	}
}

#endif /* TRIVIO_PORT_NAPI_H */
