#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# DPDK's virtio-user driver on a vhost-vdpa node: it answers the host's pings,
# in each ring layout that it has, and sends as fast as it can. What arrived is
# asked of the device's counters.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need dpdk-testpmd ip ping jq # package dpdk-dev
ulimit -l unlimited
PMD=/tmp/testpmd.$$
pmd=

pmd_stop()
{
	[ -n "$pmd" ] || return 0
	kill -INT "$pmd" 2>/dev/null
	timeout 60 tail --pid="$pmd" -f /dev/null || kill -KILL "$pmd"
	pmd=
}

trap 'pmd_stop; vdpa_clean td0; rm -f $PMD; echo 0 >/proc/sys/vm/nr_hugepages' EXIT
echo 96 >/proc/sys/vm/nr_hugepages

# It has set the device up. What it prints stays in its buffer.
running()
{
	"$TRIVIO" show --json td0 | jq -e 'all(.[0].queues[:2][]; .state == "running")'
} >/dev/null

# pmd_start MODE VDEV-OPTS: with --stats-period it asks for no key to end. Rings are
# named by virtual addresses whatever the mode, so that must be the mode.
pmd_start()
{
	dpdk-testpmd -l 0,1 -m 96 --in-memory --iova-mode=va --no-pci --no-telemetry \
		"--vdev=net_virtio_user0,path=$(vdpa_node td0),mac=52:54:00:0d:00:01$2" \
		-- --forward-mode="$1" --total-num-mbufs=4096 --auto-start \
		--stats-period 1000 >"$PMD" 2>&1 </dev/null &
	pmd=$!
}

pmd_up()
{
	local end=$((SECONDS + 120))

	until running; do
		[ "$SECONDS" -lt "$end" ] && kill -0 "$pmd" || { cat "$PMD"; return 1; }
		sleep 0.3
	done
}

dev_new()
{
	vdpa_new td0 net vhost_vdpa mac 52:54:00:0d:00:01 &&
	ip link set td0 up && ip addr replace 10.79.0.1/24 dev td0
}

# carried QUEUE MIN [COUNTER]: the device's own count
carried()
{
	local n

	n=$(qstat td0 "$1" "${3:-packets}")
	echo "queue $1: $n ${3:-packets}"
	[ "$n" -ge "$2" ]
}

# The driver accepted the feature, in trivio's words.
accepted()
{
	"$TRIVIO" show --json td0 | jq -e --arg f "$1" '.[0].features | index($f)' ||
		{ "$TRIVIO" show td0; return 1; }
}

one()
{
	local name=$1 opts=$2 feature=${3:-}

	check "$name: a device for it" dev_new
	pmd_start icmpecho "$opts"
	check "$name: DPDK drives it" pmd_up
	check "$name: it answers pings" reach 10.79.0.2
	check "$name: the device carried them" carried 0 5
	check "$name: and the answers" carried 1 5
	[ -z "$feature" ] || check "$name: $feature was accepted" accepted "$feature"
	check "$name: nothing broke" test "$(qstat td0 0 errors)" = 0
	pmd_stop
	check "$name: the device goes" timeout 60 vdpa dev del td0
}

one "split" ",packed_vq=0,in_order=0"
one "split in order" ",packed_vq=0,in_order=1" IN_ORDER
one "packed" ",packed_vq=1,in_order=0" RING_PACKED
one "packed in order" ",packed_vq=1,in_order=1" IN_ORDER

check "flood: a device for it" dev_new
pmd_start txonly ",packed_vq=1"
check "flood: DPDK sends" pmd_up
sleep 2
check "flood: the interface got it" carried 1 1000
# Killed in the middle: nothing of it is left, and the next one works.
kill -KILL "$pmd"
timeout 60 tail --pid="$pmd" -f /dev/null
check "flood: killed, the device goes" timeout 60 vdpa dev del td0
pmd=

test_end
