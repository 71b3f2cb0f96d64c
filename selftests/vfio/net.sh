#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The network function in a stock guest under an unmodified QEMU, briefly: packed rings
# and the default doorbell, traffic both ways, a balloon, a reboot, removal under the
# guest's feet. qemu.sh, many.sh, irq.sh and iommu.sh go further.

# shellcheck disable=SC2317,SC2016
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq
trap guest_clean EXIT

device()
{
	mdev_new 1 trivio-net &&
		mdev_set 1 features "$(printf '%#x' $(($(mdev_get 1 features) | 1 << 34)))"
}

# The guest's driver took packed rings: bit 34 of what was agreed.
packed()
{
	guest "cut -c35 /sys/class/net/$(guest_if 1)/device/features" | grep -q 1
}

in_use()
{
	echo "in use: $(mdev_get 1 doorbell_in_use)"
	[ "$(mdev_get 1 doorbell_in_use)" = "$1" ]
}

rss()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$(inner pid g)/status"
}

balloon_at()
{
	[ "$(inner qmp g '{"execute":"query-balloon"}' | jq .return.actual)" = $(($1 << 20)) ]
}

# The guest gives 96 MB away and gets them back. QEMU must not let go of that memory: the
# function may have it pinned, and would go on with pages that are the guest's no more.
balloon()
{
	local before after

	guest 'head -c 100663296 /dev/zero >/tmp/fill && rm /tmp/fill' || return 1
	before=$(rss)
	inner qmp g '{"execute":"balloon","arguments":{"value":'$((224 << 20))'}}' &&
		within 20 balloon_at 224 || return 1
	after=$(rss)
	echo "QEMU has $before kB, then $after kB"
	[ "$after" -gt $((before - 16384)) ] && ping_both 1 || return 1
	inner qmp g '{"execute":"balloon","arguments":{"value":'$((320 << 20))'}}' &&
		within 20 balloon_at 320 && ping_both 1 && tcp 1
}

check "a device that offers packed rings" device
check "closed: no doorbell in use" in_use none
check "the guest starts" inner start g --no-net --mem 320 -- \
	-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=0x10 \
	-device "$(vfio 1,bus=rp1)" -device virtio-balloon-pci
check "link up" net_up 1
check "packed rings were agreed" packed
check "ping both ways by MSI-X" more 1 irq_msix ping_both 1
check "TCP out" tcp 1
check "TCP in" tcp 1 -R
check "no INTx" none 1 irq_intx
check "doorbells by KVM's write tracking" bells 1 doorbell_kvm
check "which sysfs says, too" in_use kvm
check "pages were found in the cache" more 1 mem_hits ping_both 1
check "no copies for want of a pin" none 1 mem_copied_in mem_pin_failures
check "a balloon takes no memory away" balloon
check "the guest reboots" more 1 resets rebooted 1
check "removed while the guest uses it" removed_in_use 1
inner stop g
test_end
