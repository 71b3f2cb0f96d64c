#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Seven mediated devices in one guest: one for each doorbell, one with the packed
# ring, one with several queue pairs, and two under QEMU options that take the
# mapped doorbell or KVM's interrupts away.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq
POLL=/sys/module/trivio_vfio/parameters/poll_sleep_us
trap 'guest_clean; echo 0 >$POLL' EXIT
PACKED=$((1 << 34))
TRIVIO=$HERE/../../tools/trivio/trivio

devices()
{
	local f

	# A polling thread that never sleeps would take one of the two CPUs.
	echo 500 >"$POLL"
	mdev_new 1 trivio-net doorbell=trap &&
		mdev_new 2 trivio-net doorbell=poll &&
		mdev_new 3 trivio-net doorbell=fault &&
		mdev_new 4 trivio-net doorbell=kvm &&
		mdev_new 5 trivio-net-mq &&
		mdev_new 6 trivio-net &&
		mdev_new 7 trivio-net || return 1
	f=$(mdev_get 4 features)
	mdev_set 4 features "$(printf '%#x' $((f | PACKED)))"
}

start()
{
	inner start g --no-net --smp 2 -- \
		-device "$(vfio 1)" -device "$(vfio 2)" -device "$(vfio 3)" \
		-device "$(vfio 4)" -device "$(vfio 5)" \
		-device "$(vfio 6,x-no-mmap=on)" -device "$(vfio 7,x-no-kvm-msix=on)"
}

# one N STAT NAME: device N works, and its notifications come by STAT alone.
one()
{
	check "$3: link up" net_up "$1"
	check "$3: ping both ways" more "$1" irq_msix ping_both "$1"
	check "$3: TCP out" tcp "$1"
	check "$3: TCP in" tcp "$1" -R
	check "$3: notified by $2 alone" bells "$1" "$2"
}

# A bit string, bit 0 first: bit 34 is character 35.
packed()
{
	[ "$(guest "cut -c35 /sys/class/net/$(guest_if 4)/device/features")" = 1 ]
}

# Interrupts of the second queue pair's half, over all CPUs
pair_irqs()
{
	guest "grep -- '-$1\.1$' /proc/interrupts" |
		awk '{ for (i = 2; i < NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
}

# Two queue pairs, both in use; then one.
channels()
{
	local ifname

	ifname=$(guest_if 5) || return 1
	guest "ethtool -l $ifname" | grep -q 'Combined:.*4' || return 1
	guest "ethtool -L $ifname combined 2" && ping_both 5 && tcp 5 -P6 && tcp 5 -P6 -R || return 1
	echo "second pair: $(pair_irqs input) in, $(pair_irqs output) out"
	[ "$(pair_irqs input)" -gt 0 ] && [ "$(pair_irqs output)" -gt 0 ] || return 1
	guest "ethtool -L $ifname combined 1" && ping_both 5
}

kicks()
{
	"$TRIVIO" show "vt$1" --json | jq '[.. | objects | .counters? | select(.) | .kicks] | add'
}

# Nothing to do, nothing done: write tracking is not retried where no page is mapped.
quiet()
{
	local before after

	sleep 1
	before=$(kicks 6)
	sleep 3
	after=$(kicks 6)
	echo "kicks: $before, then $after"
	[ "$before" -gt 0 ] && [ $((after - before)) -lt 30 ]
}

# No device answers for another.
all_ping()
{
	local n

	for n in 1 2 3 4 5 6 7; do
		ping_host "$n" || return 1
	done
}

check "seven devices" devices
check "a guest with all of them" start
one 1 doorbell_trap "trap"
one 2 doorbell_poll "poll"
one 3 doorbell_fault "fault"
one 4 doorbell_kvm "kvm, packed"
check "packed is what was negotiated" packed
one 5 doorbell_kvm "multiqueue"
check "multiqueue: ethtool -L" channels
one 6 doorbell_trap "x-no-mmap"
one 7 doorbell_kvm "x-no-kvm-msix"
check "x-no-mmap: quiet when idle" quiet
check "all of them once more" all_ping
check "guest ends" inner stop g
check "devices removed" mdev_clean
test_end
