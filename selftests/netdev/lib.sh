# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2015,SC2034,SC2317
# What the tests of the own network interface share: KTAP output, and two vDPA net
# devices driven by virtio_net in two network namespaces, their interfaces on one
# bridge. Interfaces t0 and t1 that are there already are used as they are.

# shellcheck source=selftests/lib/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/wait.sh"
KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4
NS0=trivio-a NS1=trivio-b BR=trivio-br
IP0=10.77.0.1 IP1=10.77.0.2
MAC0=02:00:00:00:01:00 MAC1=02:00:00:00:01:01
PROFILES=/sys/kernel/config/trivio
count=0 failed=0 made=0

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

# report NAME STATUS [DETAIL]
report()
{
	count=$((count + 1))
	if [ "$2" = 0 ]; then
		echo "ok $count $1"
	else
		failed=$((failed + 1))
		echo "not ok $count $1"
		[ -z "${3:-}" ] || echo "# $3"
	fi
}

skip()
{
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
}

# stat IFACE NAME: sum of an ethtool counter over queues, e.g. "tx drops".
stat()
{
	ethtool -S "$1" | awk -v dir="$2" -v name="$3" '
		{ sub(":", "", $1) }
		$1 ~ "^" dir "[0-9]+_" name "$" { n += $2 }
		END { print n + 0 }'
}

# The stock driver's interface with MAC $1.
guest_if()
{
	local d

	for d in /sys/class/net/*; do
		[ "$(cat "$d/address")" = "$1" ] || continue
		ethtool -i "${d##*/}" 2>/dev/null | grep -q '^driver: virtio_net' &&
			echo "${d##*/}"
	done
}

cleanup()
{
	exec 2>/dev/null
	kill "$server"
	ip netns del "$NS0"
	ip netns del "$NS1"
	ip link del "$BR"
	[ "$made" = 0 ] || { vdpa dev del t0; vdpa dev del t1; }
	rmdir "$PROFILES/t0" "$PROFILES/t1"
}

setup()
{
	local i mac dev

	for i in 0 1; do
		[ ! -e /sys/class/net/t$i ] || continue
		mkdir -p "$PROFILES/t$i"
		mac=02:00:00:00:01:0$i
		# Whichever of the bus's drivers came first would have it else.
		echo 0 >/sys/bus/vdpa/drivers_autoprobe
		vdpa dev add name t$i mgmtdev trivio_net mac $mac max_vqp 2 &&
			echo t$i >/sys/bus/vdpa/drivers/virtio_vdpa/bind ||
			skip_all "no vDPA net device could be added"
		echo 1 >/sys/bus/vdpa/drivers_autoprobe
		made=1
	done
	ip netns add "$NS0" && ip netns add "$NS1" || skip_all "no network namespaces"
	ip link add "$BR" type bridge mcast_snooping 0 && ip link set "$BR" up ||
		skip_all "no bridge"
	for i in 0 1; do
		dev=
		for _ in $(seq 50); do
			dev=$(guest_if 02:00:00:00:01:0$i)
			[ -z "$dev" ] || break
			sleep 0.1
		done
		[ -n "$dev" ] || skip_all "virtio_net did not take device $i"
		[ $i = 0 ] && ns=$NS0 || ns=$NS1
		ip link set "$dev" netns "$ns" name v0
		ip link set t$i master "$BR"
		ip link set t$i up
		ip -n "$ns" link set lo up
		ip -n "$ns" link set v0 up
	done
	ip -n "$NS0" addr add $IP0/24 dev v0
	ip -n "$NS1" addr add $IP1/24 dev v0
	# IPv6 would add frames that nobody counts.
	sysctl -qw net.ipv6.conf.t0.disable_ipv6=1 net.ipv6.conf.t1.disable_ipv6=1 \
		net.ipv6.conf.$BR.disable_ipv6=1 2>/dev/null
	sleep 1
}

a() { ip netns exec "$NS0" "$@"; }
b() { ip netns exec "$NS1" "$@"; }

ping_test() { a ping -q -c 5 -i 0.1 -W 2 "$@" "$IP1" | grep -q ' 5 received'; }

# Behind a change of the link: a driver, a bridge's port and a qdisc take it up one after the other.
ping_soon()
{
	for _ in $(seq 20); do
		ping_test -W 1 && return 0
		sleep 0.5
	done
	return 1
}

# iperf JSON field of the receiver's sum.
tcp_test()
{
	local out

	out=$(a iperf3 -J -c "$IP1" -t 1 "$@") || return 1
	printf '%s' "$out" | python3 -c '
import json, sys
s = json.load(sys.stdin)["end"]["sum_received"]
print("#", int(s["bits_per_second"] / 1e6), "Mbit/s")
sys.exit(s["bytes"] == 0)'
}

# run TEST...: set up, run the groups of cases that are named, end.
run()
{
	local t tool

	[ "$(id -u)" = 0 ] || skip_all "needs root"
	for tool in ip tc vdpa ethtool iperf3 jq ping python3; do
		command -v $tool >/dev/null || skip_all "no $tool"
	done
	for t in trivio_vdpa virtio_vdpa virtio_net bridge 8021q; do
		modprobe -q $t || true
	done
	trap cleanup EXIT
	setup
	echo "TAP version 13"
	b iperf3 -s >/dev/null 2>&1 &
	server=$!
	listens 5201 b
	for t in "$@"; do
		"test_$t"
	done
	echo "1..$count"
	[ $failed = 0 ] && exit $KSFT_PASS
	exit $KSFT_FAIL
}
