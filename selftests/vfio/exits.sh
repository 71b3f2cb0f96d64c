#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# No test but a count: what a notification costs by each doorbell, in exits of the
# virtual CPU, returns to user space, page faults and unmaps per packet. Idle: one
# ping at a time. Busy: a flood of datagrams from the guest. Run by hand:
#
#   tools/lab/lab run -- selftests/vfio/exits.sh [trap|poll|kvm|fault]...
#
# Everything but "notified" and "interrupts", which the device counts, comes from
# KVM's debugfs. Counts, not times: they say nothing of what an exit costs.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq >/dev/null
trap guest_clean EXIT
IDLE=200
WAYS=(trap poll kvm fault)
[ $# = 0 ] || WAYS=("$@")

kvm_stat()
{
	cat /sys/kernel/debug/kvm/*-*/"$1" 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}

# notified user-exits exits faults unmaps interrupts packets-sent-by-the-guest
snapshot()
{
	local s bells=0

	for s in "${DOORBELLS[@]}"; do
		bells=$((bells + $(mdev_stat 1 "$s")))
	done
	echo "$bells $(kvm_stat mmio_exits) $(kvm_stat exits) $(kvm_stat pf_taken)" \
		"$(mdev_stat 1 doorbell_zaps) $(mdev_stat 1 irq_msix)" \
		"$(cat /sys/class/net/vt1/statistics/rx_packets)"
}

# row WAY LOAD CMD...: the difference over the command, for each packet
row()
{
	local way=$1 load=$2 before after
	shift 2

	before=$(snapshot)
	"$@" >/dev/null 2>&1 || { echo "$way $load: failed"; return 1; }
	after=$(snapshot)
	echo "$before $after" | awk -v way="$way" -v load="$load" '{
		n = $14 - $7
		printf "%-6s %-5s %8d", way, load, n
		for (i = 1; i <= 6; i++)
			printf " %10.3f", ($(i + 7) - $i) / n
		print "" }'
}

flood()
{
	iperf3 -s -1 -D -B 10.77.1.1
	sleep 1
	guest "iperf3 -u -c 10.77.1.1 -b 0 -l 60 -t 4"
}

printf '%-6s %-5s %8s %10s %10s %10s %10s %10s %10s\n' way load packets notified user-exits \
	exits faults unmaps interrupts
for way in "${WAYS[@]}"; do
	mdev_new 1 trivio-net doorbell="$way" || exit
	inner start g --no-net -- -device "$(vfio 1)" && net_up 1 || exit
	guest "ping -c 5 -i 0.2 10.77.1.1" >/dev/null
	sleep 1
	row "$way" idle guest "ping -c $IDLE -i 0.05 10.77.1.1"
	row "$way" busy flood
	inner stop g
	mdev_del 1
done
