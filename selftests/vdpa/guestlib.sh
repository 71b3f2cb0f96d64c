# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# A stock guest on -netdev vhost-vdpa and a net device tq0: what qemu.sh and net.sh share.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
INNER=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/lab/inner
# shellcheck source=/dev/null
. "$INNER" 2>/dev/null || {
	echo "1..0 # SKIP inner guests only run in the laboratory"
	exit $KSFT_SKIP
}
# Scattered guest memory is more ranges than the default allows.
modprobe -q -r vhost_vdpa
modprobe vhost_vdpa max_iotlb_entries=65536

# For begin(): what the device is made with.
NEW=()

inner_stop_all()
{
	"$INNER" stop --all >/dev/null 2>&1
}

guest()
{
	"$INNER" exec q "$@"
}

# start NAME DEVICE NETDEV-OPTS DEVICE-OPTS [INNER-OPTS...]
start()
{
	local name=$1 dev=$2 ndev=$3 opts=$4
	shift 4

	ulimit -l unlimited
	"$INNER" start "$name" --memfd --no-net "$@" -- \
		-netdev "vhost-vdpa,id=n,vhostdev=$(vdpa_node "$dev")$ndev" \
		-device "virtio-net-pci,netdev=n,disable-legacy=on$opts"
}

guest_up()
{
	guest ip link set eth0 up && guest ip addr replace 10.78.0.2/24 dev eth0
}

net_up()
{
	ip link set tq0 up && ip addr replace 10.78.0.1/24 dev tq0
}

# Pings that the device counted, both ways.
carried()
{
	local rx tx

	# Any pair may have the flow.
	rx=$(qstat tq0 rx packets) tx=$(qstat tq0 tx packets)
	reach 10.78.0.2 || return 1
	echo "before: $rx $tx, now: $(qstat tq0 rx packets) $(qstat tq0 tx packets)"
	[ $(($(qstat tq0 rx packets) - rx)) -ge 5 ] && [ $(($(qstat tq0 tx packets) - tx)) -ge 5 ]
}

stop_cont()
{
	"$INNER" hmp q stop && sleep 1 && "$INNER" hmp q cont && carried
}

reboot()
{
	"$INNER" reboot q 200 && guest_up && carried
}

# begin NAME NETDEV-OPTS DEVICE-OPTS: a device in a guest, and pings.
begin()
{
	local name=$1
	shift

	check "$name: device for a process" vdpa_new tq0 net vhost_vdpa "${NEW[@]}"
	check "$name: host interface up" net_up
	check "$name: guest starts" start q tq0 "$@"
	check "$name: guest interface up" guest_up
	check "$name: pings, and the device counts them" carried
}

end()
{
	check "$1: no queue broke" test "$(qstat tq0 - errors)" = 0
	check "$1: guest ends" "$INNER" stop q
	check "$1: device deleted" timeout 60 vdpa dev del tq0
}

is_packed()
{
	"$TRIVIO" show --json tq0 | jq -e '.[0].features | index("RING_PACKED")'
}

both_pairs()
{
	guest ethtool -L eth0 combined 2 && carried &&
	guest ethtool -l eth0 | grep -A5 Current | grep -q "Combined:.*2" &&
	"$TRIVIO" show --json tq0 | jq -e '.[0].queues[3].state == "running"'
}
