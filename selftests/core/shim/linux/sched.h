/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread, which never waits. */
#ifndef SHIM_LINUX_SCHED_H
#define SHIM_LINUX_SCHED_H

#include <stdlib.h>

/* What ends a wait, as nothing else comes. */
static __attribute__((unused)) int shim_signal = 1;

#define EPOLLIN				0
#define EPOLLRDNORM			0
#define TASK_INTERRUPTIBLE		0
#define ERESTARTSYS			512
#define current				NULL
#define DEFINE_WAIT(w)			int w
#define wake_up_interruptible_poll(q, e)	do { } while (0)
#define prepare_to_wait(q, w, s)	((void)(w))
#define finish_wait(q, w)		((void)(w))
#define signal_pending(t)		shim_signal
#define schedule()			abort()

#endif
