#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A stock QEMU with -netdev vhost-vdpa, its guest's stock virtio_net, and the
# host's own interface of the device on the other side.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/../../tools/lab/inner" 2>/dev/null || {
	echo "1..0 # SKIP inner guests only run in the laboratory"
	exit 4
}
# Scattered guest memory is more ranges than the default allows.
modprobe -q -r vhost_vdpa
modprobe vhost_vdpa max_iotlb_entries=65536
test_need qemu-system-x86_64 ip ping
trap 'inner_stop_all; vdpa_clean tq0' EXIT
INNER=$(dirname "$0")/../../tools/lab/inner

inner_stop_all()
{
	"$INNER" stop --all >/dev/null 2>&1
}

guest()
{
	"$INNER" exec q "$@"
}

# start NETDEV-OPTS DEVICE-OPTS
start()
{
	ulimit -l unlimited
	"$INNER" start q --memfd --no-net -- \
		-netdev "vhost-vdpa,id=n,vhostdev=$(vdpa_node tq0)$1" \
		-device "virtio-net-pci,netdev=n,disable-legacy=on$2" || return 1
	guest ip link set eth0 up && guest ip addr add 10.78.0.2/24 dev eth0
}

net_up()
{
	ip link set tq0 up && ip addr replace 10.78.0.1/24 dev tq0
}

ping_guest()
{
	ping -c 5 -i 0.3 -w 30 10.78.0.2
}

counted()
{
	ethtool -S tq0 | awk -F: '/rx.*packets|tx.*packets/ { n += $2 } END { exit n < 8 }'
}

stop_cont()
{
	"$INNER" hmp q stop && sleep 1 && "$INNER" hmp q cont && ping_guest
}

one()
{
	local name=$1
	shift

	check "$name: device for a process" vdpa_new tq0 net vhost_vdpa "${NEW[@]}"
	check "$name: host interface up" net_up
	check "$name: guest starts" start "$@"
	check "$name: ping" ping_guest
	check "$name: the device counted the packets" counted
	check "$name: stop, cont, ping" stop_cont
	check "$name: guest ends" "$INNER" stop q
	check "$name: device deleted" timeout 60 vdpa dev del tq0
}

NEW=()
one "split" "" ""
one "packed" "" ",packed=on"
NEW=(max_vqp 2)
one "multiqueue" ",queues=2" ",mq=on,vectors=6"

test_end
