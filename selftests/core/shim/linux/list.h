/* SPDX-License-Identifier: GPL-2.0-only */
/* Doubly linked lists with the kernel's names, as far as they are used. */
#ifndef SHIM_LINUX_LIST_H
#define SHIM_LINUX_LIST_H

#include <linux/types.h>

#define LIST_HEAD(name)	struct list_head name = { &(name), &(name) }

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
	return l->next == l;
}

static inline void list_del(struct list_head *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

static inline void list_add_tail(struct list_head *e, struct list_head *l)
{
	e->prev = l->prev;
	e->next = l;
	l->prev->next = e;
	l->prev = e;
}

static inline void list_move(struct list_head *e, struct list_head *l)
{
	list_del(e);
	list_add_tail(e, l->next);
}

static inline void list_splice_tail_init(struct list_head *from,
					 struct list_head *to)
{
	while (!list_empty(from)) {
		struct list_head *e = from->next;

		list_del(e);
		list_add_tail(e, to);
	}
}

#define list_splice_init(from, to)	list_splice_tail_init(from, to)

#define list_entry(p, type, member)					\
	((type *)((char *)(p) - offsetof(type, member)))

#define list_first_entry_or_null(l, type, member)			\
	(list_empty(l) ? NULL : list_entry((l)->next, type, member))

#define list_for_each_entry(pos, l, member)				\
	for (pos = list_entry((l)->next, typeof(*pos), member);		\
	     &pos->member != (l);					\
	     pos = list_entry(pos->member.next, typeof(*pos), member))

#define list_for_each_entry_safe(pos, tmp, l, member)			\
	for (pos = list_entry((l)->next, typeof(*pos), member),		\
	     tmp = list_entry(pos->member.next, typeof(*pos), member);	\
	     &pos->member != (l);					\
	     pos = tmp,							\
	     tmp = list_entry(tmp->member.next, typeof(*tmp), member))

#endif
