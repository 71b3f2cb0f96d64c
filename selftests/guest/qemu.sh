#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What an unmodified QEMU 7.2 can do with a vhost device beyond carrying packets: several
# queue pairs, masked vectors, queue reset, segmentation offload, hot-unplug under traffic,
# and a guest that drives its device through an IOMMU.

# shellcheck source=selftests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

HOST=10.6.0.1 GUEST=10.6.0.2
PAIRS=4
HERE=$(cd "$(dirname "$0")" && pwd)

tap_make()
{
	ip link del "$1" 2>/dev/null
	ip tuntap add "$1" mode tap vnet_hdr ${2:+"$2"} &&
		ip addr add $HOST/24 dev "$1" && ip link set "$1" up
}

# --- a guest with four queue pairs in a hot-plug slot ----------------------------

# Descriptors 31 to 34 are the tap's queues. 25 stays open in QEMU without use: it is for the
# device plugged in later.
mq_start()
{
	tap_make mq0 multi_queue || return 1
	"$HERE/tapfds" mq0 $PAIRS 31 "$TOP/tools/lab/inner" start g --smp 2 -- \
		-device pcie-root-port,id=port1,chassis=1,slot=1 \
		-netdev tap,id=n0,fds=31:32:33:34,vhost=on,vhostforce=on,vhostfds=21:22:23:24 \
		-device virtio-net-pci,id=nic,bus=port1,netdev=n0,mq=on,vectors=10,mac=52:54:00:06:00:02 \
		21<>$NODE 22<>$NODE 23<>$NODE 24<>$NODE 25<>$NODE || return 1
	# What it says of its CPU while it boots is not ours.
	nic_up g $GUEST/24 && inner_exec g 'dmesg -c >/dev/null'
}

# Frames of one flow stay on one queue. Without XPS it is the flow that chooses.
mq_on()
{
	inner_exec g "ethtool -L eth0 combined $PAIRS
		for x in /sys/class/net/eth0/queues/tx-*/xps_cpus; do echo 0 >\$x; done
		ethtool -l eth0 | tail -n 2"
}

# How many devices carried at least 20 packets both ways.
pairs_used()
{
	devices "$PID" '[.[] | select(all(.queues[]; .counters.packets >= 20))] | length'
}

mq_traffic()
{
	local i

	for ((i = 0; i < 8; i++)); do
		tcp_json g $HOST -t 1 -P 8 --bidir >/dev/null || return 1
		[ "$(pairs_used)" -lt $PAIRS ] || return 0
	done
	devices "$PID" '[.[].queues[] | [.role, .counters.packets]]'
	return 1
}

# --- offloads ----------------------------------------------------------------------

# large ROLE ARG...: two seconds of iperf3; frames are larger than any wire's on average.
large()
{
	local role=$1 p b
	shift

	p=$(counter "$PID" packets "$role") b=$(counter "$PID" bytes "$role")
	tcp_addr g $HOST "$@" || return 1
	p=$(($(counter "$PID" packets "$role") - p)) b=$(($(counter "$PID" bytes "$role") - b))
	echo "$b bytes in $p packets"
	[ "$p" -ge 20 ] && [ $((b / p)) -ge 4000 ]
}

# Without the offload no frame is larger than the MTU and its header.
small()
{
	local p b

	inner_exec g 'ethtool -K eth0 tso off gso off' || return 1
	p=$(counter "$PID" packets tx) b=$(counter "$PID" bytes tx)
	tcp_addr g $HOST || return 1
	p=$(($(counter "$PID" packets tx) - p)) b=$(($(counter "$PID" bytes tx) - b))
	inner_exec g 'ethtool -K eth0 tso on gso on'
	echo "$b bytes in $p packets"
	[ "$p" -ge 20 ] && [ $((b / p)) -le 1514 ]
}

both_ways()
{
	local rx tx rates

	rx=$(counter "$PID" bytes rx) tx=$(counter "$PID" bytes tx)
	rates=$(tcp_json g $HOST -t 3 --bidir |
		jq '[.end.sum_received.bytes, .end.sum_received_bidir_reverse.bytes] | map(. // 0)')
	rx=$(($(counter "$PID" bytes rx) - rx)) tx=$(($(counter "$PID" bytes tx) - tx))
	echo "iperf3 moved ${rates//[$'\n ']}, trivio $tx out, $rx in"
	jq -e --argjson tx $tx --argjson rx $rx \
		'.[0] > 50000 and .[1] > 50000 and $tx >= .[0] and $rx >= .[1]' <<<"$rates" >/dev/null
}

# --- MSI-X -----------------------------------------------------------------------

# function_mask 0|1: the bit in the message control word that masks all vectors.
function_mask()
{
	inner_exec g "d=\$(readlink -f /sys/class/net/eth0/device/..); setpci -s \${d##*/} \
		CAP_MSIX+2.w=$([ "$1" = 1 ] && echo 4000 || echo 0):4000"
}

# Frames come in while all vectors are masked: trivio calls, the guest hears nothing. When
# the mask goes, so must the interrupt that waits, for nobody sends any more.
masked()
{
	local calls rc=0

	ping -c 1 -W 5 $GUEST || return 1
	function_mask 1 || return 1
	calls=$(counter "$PID" calls rx)
	ping -c 3 -i 0.3 -W 60 $GUEST >/run/ping.masked 2>&1 &
	sleep 4
	calls=$(($(counter "$PID" calls rx) - calls))
	grep 'time=' /run/ping.masked && { echo "answered though masked"; rc=1; }
	function_mask 0 || return 1
	wait $!
	cat /run/ping.masked
	echo "calls while masked: $calls"
	[ "$rc" = 0 ] && [ "$calls" -ge 1 ] && grep -q ' 3 received' /run/ping.masked
}

# Each change of an interrupt's CPU masks its vector, writes it and unmasks it.
moving()
{
	inner_exec g "
		irqs=\$(sed -n 's/^ *\([0-9]*\):.*virtio.*-\(input\|output\).*/\1/p' /proc/interrupts)
		[ -n \"\$irqs\" ] || { echo no vectors; exit 1; }
		(iperf3 -c $HOST -t 5 --bidir -J >/tmp/moving.json) &
		p=\$!
		n=0
		while [ -d /proc/\$p ] && [ \$n -lt 400 ]; do
			for i in \$irqs; do
				echo \$((1 + n % 2)) >/proc/irq/\$i/smp_affinity || exit 1
				n=\$((n + 1))
			done
		done
		wait \$p && echo \$n moves" || return 1
	inner_exec g 'cat /tmp/moving.json' | jq -e '.error == null and .end.sum_received.bytes > 50000 and
		.end.sum_received_bidir_reverse.bytes > 50000' || return 1
	ping_addr g $HOST $GUEST
}

msix_moves()
{
	iperf3 -s -1 -D -B $HOST --pidfile /run/iperf-g >/dev/null 2>&1
	listens 5201 || return 1
	moving
}

# --- queue reset -------------------------------------------------------------------

sizes()
{
	devices "$PID" '[.[].queues[] | select(.state == "running") | .size] | unique'
}

# The driver resets each queue and sets it up anew with another size.
resize()
{
	has_feature "$PID" RING_RESET || { echo "RING_RESET is not negotiated"; return 1; }
	[ "$(sizes)" = "[256]" ] || { echo "before: $(sizes)"; return 1; }
	inner_exec g "ping -q -i 0.1 -c 60 $HOST >/tmp/ping 2>&1 &
		for n in 128 64 256 128; do ethtool -G eth0 rx \$n tx \$n || exit 1; sleep 0.5; done
		wait; cat /tmp/ping; grep -q ' [1-9][0-9]* received' /tmp/ping" || return 1
	echo "after: $(sizes)"
	[ "$(sizes)" = "[128]" ] && ping_addr g $HOST $GUEST && tcp_addr g $HOST && tcp_addr g $HOST -R
}

# --- hot-unplug ----------------------------------------------------------------------

unplugged()
{
	! inner_qmp g '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}' | grep -q '"nic"'
}

idle()
{
	[ "$(devices "$PID" "length == $PAIRS and all(.[]; .state == \"idle\")")" = true ]
}

unplug()
{
	local was

	iperf3 -s -1 -D -B $HOST --pidfile /run/iperf-g >/dev/null 2>&1
	listens 5201 || return 1
	inner_exec g "iperf3 -c $HOST -t 60 --bidir >/dev/null 2>&1 &" || return 1
	was=$(counter "$PID" packets)
	sleep 2
	[ "$(counter "$PID" packets)" -gt $((was + 20)) ] || { echo "no traffic before"; return 1; }
	inner_qmp g '{"execute":"device_del","arguments":{"id":"nic"}}' || return 1
	until_true 60 unplugged || {
		echo "QEMU still has the device; the guest's tasks:"
		inner_exec g 'echo w >/proc/sysrq-trigger; dmesg | tail -n 60'
		return 1
	}
	until_true 10 idle || { devices "$PID" '[.[] | {name, state}]'; return 1; }
	inner_exec g 'killall iperf3; test ! -e /sys/class/net/eth0' || return 1
	kill "$(tr -d '\0' </run/iperf-g)"
}

none_owned()
{
	[ "$(devices "$PID" length)" = 0 ]
}

# What QEMU held for the device is closed. (The spare descriptor has no owner yet.)
netdev_gone()
{
	inner_qmp g '{"execute":"netdev_del","arguments":{"id":"n0"}}' && until_true 10 none_owned
}

replug()
{
	inner_qmp g '{"execute":"netdev_add","arguments":{"type":"tap","id":"n1","ifname":"mq1",
		"script":"no","downscript":"no","vhost":true,"vhostforce":true,"vhostfd":"25"}}' &&
		inner_qmp g '{"execute":"device_add","arguments":{"driver":"virtio-net-pci","id":"nic2",
		"bus":"port1","netdev":"n1","packed":true}}' || return 1
	until_true 60 inner_exec g 'test -e /sys/class/net/eth0' || { echo "no interface"; return 1; }
	nic_up g $GUEST/24 && sleep 1 && ping_addr g $HOST $GUEST || return 1
	has_feature "$PID" RING_PACKED && [ "$(counter "$PID" packets rx)" -ge 5 ]
}

guest_alive()
{
	inner_exec g 'dmesg | grep -E "BUG|Oops|WARNING|blocked for" && exit 1; true'
}

mq_tests()
{
	check "multiqueue: guest starts with $PAIRS descriptors" mq_start || return
	PID=$(inner_pid g)
	check "multiqueue: all pairs in use" mq_on
	check "multiqueue: every pair carries both ways" mq_traffic
	check "TSO: large frames out" large tx
	check "TSO: large frames in" large rx -R
	check "TSO off: none larger than the MTU" small
	check "both directions at once" both_ways
	check "MSI-X: nothing is lost under the function mask" masked
	check "MSI-X: vectors masked and moved under traffic" msix_moves
	check "queue reset: ethtool -G" resize
	check "hot-unplug under traffic: device stops" unplug
	check "hot-unplug: netdev closes its descriptors" netdev_gone
	ip link del mq0
	tap_make mq1
	check "hot-plug: packed this time" replug
	check "guest's kernel did not complain" guest_alive
	inner_stop g
	ip link del mq1
	check "nothing is left" gone
}

# --- behind an IOMMU -------------------------------------------------------------------

# iommu_start IOMMU-OPTS NIC-OPTS: only behind a root port may a device have ATS, by which
# the guest itself invalidates the device's TLB.
iommu_start()
{
	tap_make io0 || return 1
	inner_start io --append "intel_iommu=on iommu.strict=1" -- -machine kernel-irqchip=split \
		-device "intel-iommu,intremap=on$1" -device pcie-root-port,id=port1,chassis=1,slot=1 \
		-netdev tap,id=n0,ifname=io0,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=21 \
		-device "virtio-net-pci,bus=port1,netdev=n0,iommu_platform=on,mac=52:54:00:06:00:03$2" \
		21<>$NODE || return 1
	nic_up io $GUEST/24 &&
		inner_exec io "test -e \$(readlink -f /sys/class/net/eth0/device/..)/iommu_group"
}

# Strict mode unmaps each buffer after use: every packet asks anew.
iommu_misses()
{
	local role m

	for role in rx tx; do
		m=$(counter "$PID" misses $role)
		echo "$role: $m misses, $(counter "$PID" packets $role) packets"
		[ "$m" -ge 20 ] || return 1
	done
	[ "$(counter "$PID" errors)" = 0 ]
}

iommu_tests()
{
	check "intel-iommu$1: guest starts" iommu_start "$2" "$3" || return
	PID=$(inner_pid io)
	check "intel-iommu$1: device IOTLB negotiated" has_feature "$PID" ACCESS_PLATFORM
	check "intel-iommu$1: ping both ways" carried 20 ping_addr io $HOST $GUEST
	check "intel-iommu$1: TCP out" carried 50 tcp_addr io $HOST
	check "intel-iommu$1: TCP in" carried 50 tcp_addr io $HOST -R
	check "intel-iommu$1: misses asked and answered" iommu_misses
	inner_stop io
	ip link del io0
	check "intel-iommu$1: nothing is left" gone
}

echo "TAP version 13"
mq_tests
iommu_tests ", ATS" ",device-iotlb=on" ",ats=on"
iommu_tests ", packed" "" ",packed=on"
finish
