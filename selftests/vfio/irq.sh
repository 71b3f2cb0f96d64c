#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# INTx alone: a guest without MSI, one function with the level interrupt resampled
# by KVM, one with QEMU in between; they share a line, too.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq
trap guest_clean EXIT

devices()
{
	mdev_new 1 trivio-net && mdev_new 2 trivio-net && mdev_new 3 trivio-net
}

# Slots 4 and 8 have the same line on this machine type, slot 5 another.
start()
{
	inner start g --no-net --append pci=nomsi -- -device "$(vfio 1,addr=4)" \
		-device "$(vfio 2,x-no-kvm-intx=on,addr=5)" -device "$(vfio 3,addr=8)"
}

# The guest's line is of the level kind, and this many functions share it.
level()
{
	guest "grep -E 'virtio' /proc/interrupts"
	guest "grep -E 'IO-APIC.*fasteoi.*virtio' /proc/interrupts" | grep -q . &&
		! guest "grep -E 'PCI-MSI.*virtio' /proc/interrupts" | grep -q .
}

# Each interrupt is unmasked again: the counters stay together.
together()
{
	local n=$1 i u

	i=$(mdev_stat "$n" irq_intx) u=$(mdev_stat "$n" irq_unmasks)
	echo "$i raised, $u unmasked"
	[ "$u" -ge $((i - 1)) ]
}

# resamples N yes|no: it was KVM that unmasked, or it was QEMU.
resamples()
{
	local u r

	u=$(mdev_stat "$1" irq_unmasks) r=$(mdev_stat "$1" irq_resamples)
	echo "$u unmasked, $r of them by resampling"
	if [ "$2" = yes ]; then
		[ "$r" -ge $((u / 2)) ] && [ "$r" -gt 10 ]
	else
		[ "$r" = 0 ]
	fi
}

one()
{
	check "$2: link up" net_up "$1"
	check "$2: ping both ways" more "$1" irq_intx ping_both "$1"
	check "$2: TCP out" tcp "$1"
	check "$2: TCP in" tcp "$1" -R
	check "$2: unmasked as often as raised" together "$1"
	check "$2: by whom it was unmasked" resamples "$1" "$3"
	check "$2: no MSI-X" none "$1" irq_msix
}

check "devices" devices
check "a guest without MSI" start
check "its interrupts are level triggered" level
one 1 "KVM resamples" yes
one 2 "x-no-kvm-intx" no
one 3 "shared line" yes
check "the line's other function still works" ping_both 1
check "guest ends" inner stop g
test_end
