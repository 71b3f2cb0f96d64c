#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the kernel's own vDPA simulator out of tree, as something to measure
# against. Debian builds none of it. Nothing of this is installed or shipped.
#
# usage: build-vdpa-sim.sh KERNEL_SOURCE KERNEL_BUILD OUTPUT_FOLDER

set -eu

src=$1 kdir=$2 out=$3

mkdir -p "$out"
cp "$src"/drivers/vdpa/vdpa_sim/*.[ch] "$src"/drivers/vhost/vringh.c "$out"
cat >"$out/Kbuild" <<'END'
obj-m := vringh.o vdpa_sim.o vdpa_sim_net.o vdpa_sim_blk.o
END
make -s -C "$kdir" M="$out" CONFIG_VHOST_RING=m CONFIG_VHOST_IOTLB=m modules
ls "$out"/*.ko
