/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of the family trivio, read into the structures of nl.h. */
#ifndef TRIVIO_TOOL_NL_ATTR_H
#define TRIVIO_TOOL_NL_ATTR_H

#include "nl.h"

struct nlmsghdr;

void nl_attr_dev(const struct nlmsghdr *nlh, struct tdev *d);
void nl_attr_queue(const struct nlmsghdr *nlh, struct tqueue *q);
void nl_attr_check(const struct nlmsghdr *nlh, struct tcheck *c);

#endif
