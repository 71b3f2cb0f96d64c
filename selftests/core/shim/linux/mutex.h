/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread: locks are there to be named. */
#ifndef SHIM_LINUX_MUTEX_H
#define SHIM_LINUX_MUTEX_H

struct mutex {
	int unused;
};

typedef struct {
	int unused;
} spinlock_t;

static inline void mutex_lock(struct mutex *m)
{
}

static inline void mutex_unlock(struct mutex *m)
{
}

static inline void spin_lock(spinlock_t *l)
{
}

static inline void spin_unlock(spinlock_t *l)
{
}

#endif
