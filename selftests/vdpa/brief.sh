#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A net device and a disk under the kernel's own drivers, from being made to being
# deleted under load: as much of it as a slow kernel has time for. The other
# programs have the details.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need ip ping iperf3 ethtool blkdiscard jq
NS=trivio-brief
load=
trap 'exec 2>/dev/null; kill $load; ip netns pids $NS | xargs -r kill; ip netns del $NS; vdpa_clean tb0 tb1; rm -rf $WORK' EXIT
WORK=$(mktemp -d)

in_ns()
{
	ip netns exec "$NS" "$@"
}

# --- net ---------------------------------------------------------------------

net_up()
{
	local dev

	dev=$(vdpa_netif tb0)
	{ [ -e "/run/netns/$NS" ] || ip netns add "$NS"; } && ip link set "$dev" netns "$NS" name v0 &&
		in_ns ip addr add 10.84.0.2/24 dev v0 && in_ns ip link set v0 up &&
		ip addr replace 10.84.0.1/24 dev tb0 && ip link set tb0 up
}

# Pings that the device counted, both ways.
pings()
{
	local rx tx

	rx=$(qstat tb0 - packets)
	reach 10.84.0.2 || return 1
	tx=$(qstat tb0 - packets)
	echo "$rx packets, then $tx"
	[ $((tx - rx)) -ge 10 ]
}

tcp()
{
	in_ns iperf3 -s -1 -D && listens 5201 in_ns && timeout 120 iperf3 -c 10.84.0.2 -n 512K "$@"
}

# The control queue, and rings that stop and start under it.
two_pairs()
{
	in_ns ethtool -L v0 combined 2 && pings && in_ns ethtool -L v0 combined 1
}

# under_load CMD...: while a ping has a frame under way always.
under_load()
{
	local rc

	ping -q -f -w 60 10.84.0.2 >"$WORK/flood" 2>&1 &
	load=$!
	sleep 2
	"$@"
	rc=$?
	kill -INT "$load"
	wait "$load"
	load=
	cat "$WORK/flood"
	# What is lost then is lost; but frames did flow.
	[ "$rc" = 0 ] && grep -q '[1-9][0-9]* received' "$WORK/flood"
}

rebind()
{
	echo tb0 >"$VDPA_BUS/drivers/virtio_vdpa/unbind" &&
		echo tb0 >"$VDPA_BUS/drivers/virtio_vdpa/bind"
}

# --- disk --------------------------------------------------------------------

blk_size()
{
	[ "$(blockdev --getsize64 "$DISK")" = $((16 << 20)) ]
}

blk_verify()
{
	dd if=/dev/urandom of="$WORK/data" bs=64K count=16 status=none &&
		dd if="$WORK/data" of="$DISK" bs=64K oflag=direct conv=fsync status=none &&
		dd if="$DISK" of="$WORK/back" bs=64K count=16 iflag=direct status=none &&
		cmp "$WORK/data" "$WORK/back"
}

blk_discard()
{
	blkdiscard -o 65536 -l 131072 "$DISK" &&
		dd if="$DISK" of="$WORK/back" bs=64K skip=1 count=2 iflag=direct status=none &&
		cmp -n 131072 "$WORK/back" /dev/zero
}

blk_under_load()
{
	while dd if="$DISK" of=/dev/null bs=16K count=64 iflag=direct status=none; do
		:
	done >/dev/null 2>&1 &
	load=$!
	sleep 2
	timeout 60 vdpa dev del tb1
	local rc=$?

	wait "$load"
	load=
	return "$rc"
}

check "net: made" vdpa_new tb0 net virtio_vdpa max_vqp 2
check "net: up" net_up
check "net: pings, and the device counts them" pings
check "net: TCP" tcp
check "net: TCP the other way" tcp -R
check "net: two pairs and one again" two_pairs
check "net: nothing broke" test "$(qstat tb0 - errors)" = 0
check "net: unbound and bound under load" under_load rebind
check "net: up again" net_up
check "net: pings again" pings
check "net: deleted under load" under_load timeout 60 vdpa dev del tb0
check "disk: 16 MiB" profile tb1 capacity=16M
check "disk: made" vdpa_new tb1 blk virtio_vdpa
DISK=$(vdpa_disk tb1)
check "disk: its size" blk_size
check "disk: reads what was written" blk_verify
check "disk: discarded, reads zeroes" blk_discard
check "disk: nothing broke" test "$(qstat tb1 - errors)" = 0
check "disk: deleted under load" blk_under_load

test_end
