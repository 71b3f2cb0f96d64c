// SPDX-License-Identifier: GPL-2.0-only
/* trivio.ko: the virtio device core. Wiring only. */
#include <linux/module.h>

#include "core.h"

static int __init trivio_init(void)
{
	int err;

	err = trivio_nl_init();
	if (err)
		return err;
	trivio_debugfs_init();
	return 0;
}

static void __exit trivio_exit(void)
{
	trivio_debugfs_exit();
	trivio_nl_exit();
}

module_init(trivio_init);
module_exit(trivio_exit);

MODULE_DESCRIPTION("trivio: virtio device core");
MODULE_AUTHOR("The trivio authors");
MODULE_LICENSE("GPL");
