// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration space from any guest: accesses of any size anywhere. No
 * write changes a bit that software may not change, BARs keep their size, the
 * window stays within its BAR, and a reset brings everything back.
 */
#include <linux/types.h>

#include "../../drivers/vfio/pci_cfg.h"
#include "fuzz.h"

static void check(const struct trivio_pci_cfg *c,
		  const struct trivio_pci_cfg *first)
{
	struct trivio_pci_window w;
	unsigned int i;

	CHECK(!memcmp(c->wmask, first->wmask, sizeof(c->wmask)));
	CHECK(!memcmp(c->init, first->init, sizeof(c->init)));
	for (i = 0; i < TRIVIO_PCI_CFG_BYTES; i++)
		CHECK(!((c->val[i] ^ c->init[i]) & ~c->wmask[i]));
	for (i = 0; i < 6; i++)
		CHECK(!c->bar_size[i] ||
		      !(trivio_pci_cfg_bar(c, i) & (c->bar_size[i] - 1)));
	trivio_pci_cfg_command(c);
	trivio_pci_cfg_asleep(c);
	if (trivio_pci_cfg_window(c, &w)) {
		CHECK(w.len == 1 || w.len == 2 || w.len == 4);
		CHECK(w.bar < 6 && c->bar_size[w.bar]);
		CHECK((__u64)w.off + w.len <= c->bar_size[w.bar]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct trivio_pci_cfg c, first;
	struct trivio_pci_id id;
	__u8 *buf;

	memset(&id, 0, sizeof(id));
	id.virtio_id = 1 + in_u8(&in) % 2;
	id.class = in_u32(&in) & 0xffffff;
	id.nvectors = 1 + in_u8(&in) % TRIVIO_PCI_MSIX_MAX;
	id.nqueues = 1 + in_u8(&in) % 64;
	id.config_len = in_u8(&in);
	trivio_pci_cfg_init(&c, &id);
	first = c;
	while (in.left) {
		__u8 op = in_u8(&in);
		__u32 off = in_u16(&in) % TRIVIO_PCI_CFG_SIZE;
		__u32 len = 1 + (op >> 2) % 8;

		if (off + len > TRIVIO_PCI_CFG_SIZE)
			len = TRIVIO_PCI_CFG_SIZE - off;
		buf = malloc(len);
		switch (op & 3) {
		case 0:
			memset(buf, 0xee, len);
			trivio_pci_cfg_read(&c, off, buf, len);
			break;
		case 1 ... 2:
			in_bytes(&in, buf, len);
			/* most of it lies in the first 256 bytes */
			trivio_pci_cfg_write(&c, op & 1 ? off :
					     off % TRIVIO_PCI_CFG_BYTES, buf,
					     len);
			break;
		case 3:
			if (off % 16)
				break;
			trivio_pci_cfg_reset(&c);
			CHECK(!memcmp(c.val, c.init, sizeof(c.val)));
			break;
		}
		free(buf);
		check(&c, &first);
	}
	return 0;
}
