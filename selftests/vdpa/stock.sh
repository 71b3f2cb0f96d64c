#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own virtio_net keeps every rule that the conformance checker
# knows; blk.sh says so of virtio_blk.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need ip ping iperf3 ethtool
NS=trivio-stock
trap 'ip netns pids "$NS" 2>/dev/null | xargs -r kill; ip netns del "$NS" 2>/dev/null; vdpa_clean ts0' EXIT

PACKED_OFF=0xfffffffbffffffff

in_ns()
{
	ip netns exec "$NS" "$@"
}

# The driver's end goes to a namespace, the host's end stays.
up()
{
	ip netns add "$NS" && ip link set "$IF" netns "$NS" &&
		in_ns ip addr add 10.80.0.2/24 dev "$IF" && in_ns ip link set "$IF" up &&
		ip addr add 10.80.0.1/24 dev ts0 && ip link set ts0 up
}

traffic()
{
	local server rc

	in_ns iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	listens 5201 in_ns
	ping -c 3 -i 0.2 -w 20 10.80.0.2 &&
		iperf3 -c 10.80.0.2 -n 4M >/dev/null && wait "$server"
	rc=$?
	kill "$server" 2>/dev/null
	return "$rc"
}

# One after the other whatever the driver has a command for.
controls()
{
	in_ns ethtool -L "$IF" combined 1 && in_ns ethtool -L "$IF" combined 2 && in_ns ethtool -X "$IF" equal 2 &&
		in_ns ethtool -K "$IF" tso off && in_ns ethtool -K "$IF" tso on &&
		in_ns ethtool -K "$IF" rx-gro-hw off && in_ns ip link set "$IF" promisc on &&
		in_ns ip link set "$IF" promisc off &&
		in_ns ip link add link "$IF" name v5 type vlan id 5 &&
		in_ns ip link del v5 && in_ns ip link set "$IF" address 52:54:00:00:00:07 &&
		in_ns ip maddr add 01:00:5e:00:00:09 dev "$IF" &&
		ip neigh flush dev ts0
}

quiet()
{
	local text

	text=$(cat "$PROFILES/ts0/check_reports")
	echo "$text"
	[ "$(cat "$PROFILES/ts0/check")" = log ] && [ -z "$text" ]
}

one()
{
	local name=$1
	shift

	check "$name: settings" profile ts0 check=log "$@"
	check "$name: made" vdpa_new ts0 net virtio_vdpa max_vqp 2
	IF=$(vdpa_netif ts0)
	check "$name: up" up
	check "$name: ping, TCP" traffic
	check "$name: every kind of command" controls
	check "$name: ping, TCP again" traffic
	check "$name: virtio_net broke no rule" quiet
	ip netns del "$NS"
	check "$name: deleted" timeout 60 vdpa dev del ts0
}

one "packed"
one "split" features=$PACKED_OFF

test_end
