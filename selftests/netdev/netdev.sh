#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The own network interface of a net device under a stock driver: two vDPA
# devices driven by virtio_net in two network namespaces, their interfaces on one
# bridge. KTAP output. Runs as root with trivio_vdpa and virtio_vdpa loaded;
# interfaces t0 and t1 that are there already are used as they are. Arguments pick
# groups of cases, e.g. "link traffic".

# shellcheck disable=SC2015,SC2317

KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4
NS0=trivio-a NS1=trivio-b BR=trivio-br
IP0=10.77.0.1 IP1=10.77.0.2
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
}

setup()
{
	local i mac dev

	for i in 0 1; do
		[ ! -e /sys/class/net/t$i ] || continue
		mac=02:00:00:00:01:0$i
		vdpa dev add name t$i mgmtdev trivio_net mac $mac max_vqp 2 ||
			skip_all "no vDPA net device could be added"
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

test_link()
{
	[ "$(cat /sys/class/net/t0/carrier)" = 1 ] &&
		[ "$(a cat /sys/class/net/v0/carrier)" = 1 ]
	report "carrier on both sides" $?
	ethtool -i t0 | grep -q '^driver: trivio$' &&
		ip -d link show t0 | grep -qw trivio
	report "interface is named as what it is" $?
}

test_traffic()
{
	ping_test; report "ping" $?
	ping_test -s 1400; report "ping of 1400 bytes" $?
	ping_test -s 60000; report "ping of 60000 bytes in fragments" $?
	tcp_test; report "TCP" $?
	tcp_test -R; report "TCP the other way" $?
}

# The same with each offload taken from the driver, at run time.
test_offloads()
{
	local o

	for o in "tx off" "tso off" "gso off tso off" "sg off" "gro off"; do
		# shellcheck disable=SC2086
		a ethtool -K v0 $o >/dev/null 2>&1
		tcp_test && ping_test; report "guest: $o" $?
	done
	a ethtool -K v0 tx on sg on tso on gso on gro on >/dev/null 2>&1
	if a ethtool -K v0 rx-gro-hw off 2>/dev/null; then
		tcp_test -R; report "guest offloads off (control queue)" $?
		a ethtool -K v0 rx-gro-hw on
	else
		skip "guest offloads off (control queue)" "not offered"
	fi
	for o in "tx off" "tso off" "gro off"; do
		# shellcheck disable=SC2086
		ethtool -K t1 $o >/dev/null 2>&1
		tcp_test; report "interface: $o" $?
	done
	ethtool -K t1 tx on tso on gro on >/dev/null 2>&1
}

test_mtu()
{
	local i

	ip link set "$BR" mtu 9000 2>/dev/null
	for i in 0 1; do
		ip link set "t$i" mtu 9000
	done
	ip link set "$BR" mtu 9000
	if a ip link set v0 mtu 9000 2>/dev/null && b ip link set v0 mtu 9000; then
		ping_test -M "do" -s 8900; report "ping of 8900 bytes, one frame" $?
		tcp_test; report "TCP at MTU 9000" $?
		a ip link set v0 mtu 1500
		b ip link set v0 mtu 1500
	else
		skip "MTU 9000" "not offered"
	fi
	for i in 0 1; do
		ip link set "t$i" mtu 1500
	done
}

test_channels()
{
	local max

	max=$(a ethtool -l v0 2>/dev/null | awk '/Combined/ { print $2; exit }')
	if [ "${max:-1}" -lt 2 ]; then
		skip "multiqueue" "one pair"
		return
	fi
	a ethtool -L v0 combined 2 && b ethtool -L v0 combined 2
	report "two pairs" $?
	tcp_test -P 8; report "TCP over two pairs" $?
	[ "$(ethtool -S t1 | awk '/ tx1_packets/ { print $2 }')" -gt 0 ]
	report "the second pair receives" $?
	a ethtool -L v0 combined 1 && b ethtool -L v0 combined 1
	ping_test; report "one pair again" $?
}

# What leaves one interface arrives at the other, or was dropped and counted.
test_conservation()
{
	local s0 d0 r0 s1 d1 r1

	s0=$(stat t0 rx packets) r0=$(stat t1 tx packets) d0=$(stat t1 tx drops)
	a iperf3 -c "$IP1" -u -b 0 -l 100 -t 1 >/dev/null 2>&1
	sleep 0.5
	s1=$(stat t0 rx packets) r1=$(stat t1 tx packets) d1=$(stat t1 tx drops)
	echo "# sent $((s1 - s0)), received $((r1 - r0)), dropped $((d1 - d0))"
	[ $((s1 - s0)) -gt 100 ]
	report "UDP flood went out" $?
	# The bridge's own frames and the server's answers are not of these.
	q=$(tc -s qdisc show dev t1 | sed -n 's/.*dropped \([0-9]*\).*/\1/p' |
	    head -1)
	[ $((r1 - r0 + d1 - d0 + ${q:-0})) -ge $((s1 - s0 - 5)) ]
	report "none lost without being counted" $?
}

# A guest that does not refill: the queue stops, waits, and loses nothing.
test_stop()
{
	local before after stops

	before=$(stat t1 tx drops)
	stops=$(stat t1 tx stops)
	tcp_test; report "TCP into a full ring" $?
	after=$(stat t1 tx drops)
	echo "# stops: $(($(stat t1 tx stops) - stops))"
	[ "$after" = "$before" ]
	report "no drop for lack of buffers" $?
}

test_xdp()
{
	local obj

	obj=$(dirname "$(readlink -f "$0")")/xdp_drop.bpf.o
	if [ ! -e "$obj" ]; then
		skip "XDP_DROP on the interface" "no xdp_drop.bpf.o (needs clang)"
		return
	fi
	ip link set t0 xdp obj "$obj" sec xdp 2>/dev/null ||
		ip link set t0 xdpgeneric obj "$obj" sec xdp
	report "XDP program on the interface" $?
	! ping_test; report "XDP_DROP" $?
	ip link set t0 xdp off 2>/dev/null
	ip link set t0 xdpgeneric off 2>/dev/null
	ping_test; report "program off" $?
}

# An interface in another namespace comes back when that ends.
test_netns()
{
	ip netns add trivio-c
	ip link set t0 netns trivio-c
	ip -n trivio-c link show t0 >/dev/null; report "move to a namespace" $?
	ip netns del trivio-c
	for _ in $(seq 50); do
		[ ! -e /sys/class/net/t0 ] || break
		sleep 0.1
	done
	[ -e /sys/class/net/t0 ]; report "back when the namespace ends" $?
	ip link set t0 master "$BR"
	ip link set t0 up
	sleep 1
	ping_test; report "ping after the moves" $?
}

test_down()
{
	ip link set t0 down
	! ping_test; report "interface down" $?
	ip link set t0 up
	sleep 1
	ping_test; report "interface up" $?
	b ip link set v0 down
	sleep 0.2
	b ip link set v0 up
	sleep 1
	ping_test; report "guest down and up" $?
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
for tool in ip ethtool iperf3 ping python3; do
	command -v $tool >/dev/null || skip_all "no $tool"
done
trap cleanup EXIT
setup
echo "TAP version 13"
b iperf3 -s >/dev/null 2>&1 &
server=$!
sleep 0.5
[ $# -gt 0 ] || set -- link traffic offloads mtu channels stop conservation xdp netns down
for t in "$@"; do
	"test_$t"
done
echo "1..$count"
[ $failed = 0 ] && exit $KSFT_PASS
exit $KSFT_FAIL
