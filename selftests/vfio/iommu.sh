#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that has an IOMMU of its own (intel-iommu, caching-mode=on) in front of
# the function: each buffer is mapped and unmapped while it is in use.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq
trap guest_clean EXIT

start()
{
	inner start g --no-net --mem 384 --append "intel_iommu=on iommu.strict=1" -- \
		-machine kernel-irqchip=split \
		-device intel-iommu,intremap=on,caching-mode=on -device "$(vfio 1)"
}

translated()
{
	local slot type

	slot=$(guest "basename \$(dirname \$(readlink -f /sys/class/net/$(guest_if 1)/device))")
	type=$(guest "cat /sys/bus/pci/devices/$slot/iommu_group/type")
	echo "$slot: $type"
	[ "$type" = DMA ]
}

# ACCESS_PLATFORM: bit 33
platform()
{
	[ "$(guest "cut -c34 /sys/class/net/$(guest_if 1)/device/features")" = 1 ]
}

held_equal()
{
	[ "$(mdev_stat 1 mem_pins)" = "$(mdev_stat 1 mem_unpins)" ]
}

check "a device" mdev_new 1 trivio-net
check "a guest with an IOMMU" start
check "link up" net_up 1
check "its DMA is translated" translated
check "ACCESS_PLATFORM was negotiated" platform
check "ping both ways, memory unmapped meanwhile" more 1 mem_unmaps ping_both 1
check "TCP out" tcp 1
check "TCP in" tcp 1 -R
check "ping still" ping_both 1
check "guest reboots" inner reboot g
check "link up again" net_up 1
check "ping after the reboot" ping_both 1
check "guest ends" inner stop g
check "nothing is left pinned" held_equal
test_end
