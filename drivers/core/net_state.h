/* SPDX-License-Identifier: GPL-2.0-only */
/* Between net.c (the class) and net_state.c (its state as bytes). */
#ifndef TRIVIO_NET_STATE_H
#define TRIVIO_NET_STATE_H

#include <linux/types.h>

struct trivio_dev;

int trivio_net_state_len(struct trivio_dev *dev);
void trivio_net_state_save(struct trivio_dev *dev, void *buf);
int trivio_net_state_check(struct trivio_dev *dev, const void *buf,
			   u64 features);
int trivio_net_state_load(struct trivio_dev *dev, const void *buf);

#endif /* TRIVIO_NET_STATE_H */
