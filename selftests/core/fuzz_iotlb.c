// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device IOTLB messages from any process: drivers/vhost/iotlb.c itself, on top
 * of the core's tables, with the kernel's lists and locks replaced.
 *
 * Must hold: a message is taken whole or refused, the table stays sorted and
 * within its limit, what was invalidated is gone, what was updated is found,
 * questions are bounded and asked once, and what is read out has no stray byte.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/bits.h>
#include <linux/sched.h>
#include <linux/vhost.h>
#include <trivio/mem.h>

#include "../../drivers/core/mem_table.h"
#include "fuzz.h"

/* Stands for drivers/vhost/vhost.h, of which little is needed. */
#define TRIVIO_VHOST_H
#define VN_MSG_MAX	16
#define TLB_MAX		8

struct vn_dev {
	struct mutex mutex;
	struct trivio_mem iotlb;
	bool use_iotlb;
	u64 backend_features;
	spinlock_t msg_lock;
	struct list_head read_list;
	struct list_head pending_list;
	unsigned int nmsg;
	int msg_wait;
};

static struct trivio_table *table;

static bool in_order(const struct trivio_table *t)
{
	u32 i;

	for (i = 1; i < t->n; i++)
		if (t->range[i - 1].last >= t->range[i].first)
			return false;
	return true;
}

/* As trivio_mem_add() and trivio_mem_del(), without rings and RCU. */
int trivio_mem_add(struct trivio_mem *mem, const struct trivio_range *range)
{
	struct trivio_table *t;

	if (trivio_range_check(range))
		return -EINVAL;
	t = calloc(1, sizeof(*t) + (table->n + 2) * sizeof(*range));
	t->gen = table->gen + 1;
	t->n = trivio_table_cut(table, range->first, range->last, t->range);
	if (t->n >= mem->max) {
		t->n--;
		memmove(&t->range[0], &t->range[1], t->n * sizeof(*range));
	}
	trivio_table_insert(t, range);
	CHECK(in_order(t));
	free(table);
	table = t;
	return 0;
}

int trivio_mem_del(struct trivio_mem *mem, u64 first, u64 last)
{
	struct trivio_range out[TLB_MAX + 1];
	u32 n = trivio_table_cut(table, first, last, out);

	CHECK(n <= table->n);
	memcpy(table->range, out, n * sizeof(out[0]));
	table->n = n;
	table->gen++;
	return 0;
}

const struct trivio_mem_ops vn_iotlb_ops;
void vn_msg_clear(struct vn_dev *vn);
ssize_t vn_msg_read(struct vn_dev *vn, struct iov_iter *to, bool nonblock);
ssize_t vn_msg_write(struct vn_dev *vn, struct iov_iter *from);

void (*shim_read_hook)(const volatile void *p, size_t len);

#include "iotlb.c"

static void do_write(struct vn_dev *vn, struct in *in)
{
	u8 raw[sizeof(struct vhost_msg_v2)], how = in_u8(in);
	struct vhost_iotlb_msg m = {};
	struct iov_iter it;
	u8 *start;
	int type, n = 72;
	ssize_t ret;

	m.iova = how & 1 ? in_u64(in) : in_u16(in);
	m.size = how & 2 ? in_u64(in) : in_u16(in);
	m.uaddr = how & 4 ? in_u64(in) : in_u32(in);
	m.perm = in_u8(in) & 7;
	m.type = in_u8(in) % 7;
	type = how & 8 ? VHOST_IOTLB_MSG : VHOST_IOTLB_MSG_V2;
	if (how & 16)
		type = in_u32(in);
	if (how & 32)
		n = in_u8(in) % 73;
	memset(raw, 0, sizeof(raw));
	memcpy(raw, &type, 4);
	memcpy(raw + 8, &m, sizeof(m));
	/* memory of just the size that is written */
	start = malloc(n ? n : 1);
	memcpy(start, raw, n);
	it.p = start;
	it.count = n;
	ret = vn_msg_write(vn, &it);
	free(start);
	CHECK(ret == 72 || ret == -EINVAL || ret == -EFAULT);
	CHECK(table->n <= TLB_MAX);
	CHECK(!trivio_table_sort(table));
	if (ret != 72)
		return;
	CHECK(vn->use_iotlb && n >= 8 + (int)sizeof(m));
	if (m.type == VHOST_IOTLB_INVALIDATE) {
		CHECK(!m.size || m.iova + m.size - 1 < m.iova ||
		      !trivio_table_find(table, m.iova));
	} else {
		const struct trivio_range *r = trivio_table_find(table, m.iova);

		CHECK(m.type == VHOST_IOTLB_UPDATE);
		CHECK(m.perm & 3 ? r && r->base == m.uaddr &&
		      r->last == m.iova + m.size - 1 : !r);
	}
}

static void do_read(struct vn_dev *vn, struct in *in)
{
	u8 raw[80];
	size_t n = in_u8(in) % 81, i;
	struct iov_iter it = { raw, n };
	unsigned int before = vn->nmsg;
	struct vhost_iotlb_msg m;
	bool wait = in_u8(in) & 1;
	ssize_t ret;

	/* Without a device IOTLB nothing can come: no signal is needed. */
	shim_signal = vn->use_iotlb;
	memset(raw, 0xee, sizeof(raw));
	ret = vn_msg_read(vn, &it, !wait);
	if (ret <= 0) {
		CHECK(ret == 0 ? n < 72 : !wait ? ret == -EAGAIN :
		      ret == (vn->use_iotlb ? -ERESTARTSYS : -EBADFD));
		CHECK(raw[0] == 0xee);
		return;
	}
	CHECK(ret == 72 && vn->nmsg == before);
	memcpy(&m, raw + 8, sizeof(m));
	CHECK(m.type == VHOST_IOTLB_MISS && !m.size && !m.uaddr);
	for (i = 4; i < 8; i++)
		CHECK(!raw[i]);
	for (i = 8 + 26; i < 72; i++)
		CHECK(!raw[i]);
	CHECK(raw[72] == 0xee);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct vn_dev vn = { .use_iotlb = true };

	vn.iotlb.max = TLB_MAX;
	vn.iotlb.priv = &vn;
	INIT_LIST_HEAD(&vn.read_list);
	INIT_LIST_HEAD(&vn.pending_list);
	table = calloc(1, sizeof(*table));
	while (in.left) {
		switch (in_u8(&in) % 6) {
		case 0 ... 1:
			do_write(&vn, &in);
			break;
		case 2:
			CHECK(vn_iotlb_ops.miss(&vn.iotlb, NULL, in_u16(&in),
						1 + in_u8(&in) % 2) == -EAGAIN);
			CHECK(vn.nmsg <= VN_MSG_MAX);
			break;
		case 3:
			do_read(&vn, &in);
			break;
		case 4:
			vn.backend_features = in_u8(&in);
			break;
		case 5:
			vn.use_iotlb = in_u8(&in) % 8;
			if (!vn.use_iotlb)
				vn_msg_clear(&vn);
			break;
		}
	}
	vn_msg_clear(&vn);
	CHECK(!vn.nmsg);
	free(table);
	return 0;
}
