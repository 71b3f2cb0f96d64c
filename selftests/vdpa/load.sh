#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Net devices that are bound, unbound and deleted while frames go both ways.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need ip jq python3
flood_pid=

flood_end()
{
	[ -z "$flood_pid" ] || kill $flood_pid 2>/dev/null
	flood_pid=
}
trap 'flood_end; vdpa_clean tn0 tn1' EXIT

# Frames out of every interface named, whether it is there just now or not.
flood()
{
	python3 - "$@" <<-'END' &
	import socket, sys, time
	f = b"\xff" * 6 + bytes.fromhex("020000000099") + b"\x88\xb5" + bytes(200)
	s = {}
	while True:
	    for i in sys.argv[1:]:
	        try:
	            if i not in s:
	                s[i] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	                s[i].bind((i, 0))
	                s[i].setblocking(False)
	            for _ in range(50):
	                s[i].send(f)
	        except OSError:
	            s.pop(i, None)
	    time.sleep(0.001)
	END
	flood_pid=$!
}

# Traffic is there before and after each change, each way: none makes up for the other.
flows()
{
	local rx tx

	rx=$(qstat tn0 rx packets) tx=$(qstat tn0 tx packets)
	for _ in $(seq 50); do
		sleep 0.2
		[ "$(qstat tn0 rx packets)" -gt $((rx + 20)) ] &&
			[ "$(qstat tn0 tx packets)" -gt $((tx + 20)) ] && return 0
	done
	echo "received $rx, then $(qstat tn0 rx packets); sent $tx, then $(qstat tn0 tx packets)"
	return 1
}

driven()
{
	local d

	for _ in $(seq 50); do
		d=$(vdpa_netif tn0)
		[ -n "$d" ] && ip link set "$d" up && return 0
		sleep 0.1
	done
	return 1
}

rebind()
{
	echo tn0 >"$VDPA_BUS/drivers/$1/unbind" &&
	echo "$2" >"$VDPA_BUS/devices/tn0/driver_override" &&
	echo tn0 >"$VDPA_BUS/drivers/$2/bind"
}

cycle()
{
	local i

	for i in 1 2 3 4 5; do
		rebind virtio_vdpa virtio_vdpa && driven && flows || return 1
		rebind virtio_vdpa vhost_vdpa && sleep 0.2 &&
		rebind vhost_vdpa virtio_vdpa && driven || return 1
	done
}

again()
{
	local i

	for i in 1 2 3 4 5; do
		timeout 60 vdpa dev del tn0 &&
		vdpa_new tn0 net virtio_vdpa max_vqp 2 &&
		driven && ip link set tn0 up || return 1
	done
}

check "a device" vdpa_new tn0 net virtio_vdpa max_vqp 2
check "driven" driven
ip link set tn0 up
flood tn0 "$(vdpa_netif tn0)"
check "frames go both ways" flows
check "unbound and bound, to either driver and back" cycle
check "frames go on" flows
check "deleted and made anew" again
check "and go on" flows
check "delete under load" timeout 60 vdpa dev del tn0
check "the module goes" module_unload
check "and comes" module_load
flood_end

test_end
