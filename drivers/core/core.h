/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of trivio.ko share, and no front end sees. */
#ifndef TRIVIO_CORE_H
#define TRIVIO_CORE_H

#include <trivio/device.h>
#include <trivio/net.h>

/* queue.c */
int trivio_queue_init(struct trivio_queue *q, struct trivio_dev *dev, u16 index,
		      u32 num_max);
void trivio_queue_exit(struct trivio_queue *q);
void trivio_queue_pause(struct trivio_queue *q);
bool trivio_queue_own_turn(struct trivio_queue *q);
bool trivio_queue_area(struct trivio_queue *q, int area, u64 *first, u64 *last);
void trivio_queue_unmap_range(struct trivio_queue *q, u64 first, u64 last);

/* device.c */
extern struct mutex trivio_dev_mutex;

/* netlink.c */
int trivio_nl_init(void);
void trivio_nl_exit(void);

/* nl_event.c; any context */
void trivio_nl_error(struct trivio_queue *q);
void trivio_nl_state(struct trivio_dev *dev);
void trivio_nl_gone(struct trivio_dev *dev);

/* debugfs.c */
void trivio_debugfs_init(void);
void trivio_debugfs_exit(void);
void trivio_debugfs_add(struct trivio_dev *dev);
void trivio_debugfs_remove(struct trivio_dev *dev);

/* net_ctrl.c */
int trivio_net_ctrl_init(struct trivio_net *net);
void trivio_net_ctrl_exit(struct trivio_net *net);
void trivio_net_ctrl_reset(struct trivio_net *net);
bool trivio_net_ctrl_serve(struct trivio_queue *q);

#endif /* TRIVIO_CORE_H */
