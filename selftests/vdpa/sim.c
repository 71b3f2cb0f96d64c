// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's vDPA simulator, for programs that compare. */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

int sim_load(const char *what)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "modprobe -q vdpa_sim_%s", what);
	if (!system(cmd))
		return 0;
	snprintf(cmd, sizeof(cmd),
		 "[ -e \"$TRIVIO_SIM/vdpa_sim_%s.ko\" ] && modprobe -q vhost_iotlb;"
		 "for m in vringh vdpa_sim vdpa_sim_%s; do"
		 " [ -d /sys/module/$m ] || insmod \"$TRIVIO_SIM/$m.ko\" || exit 1;"
		 " done", what, what);
	return system(cmd);
}
