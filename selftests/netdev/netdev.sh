#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The own network interface of a net device under a stock driver: traffic both
# ways, offloads, MTU, pairs, what a full ring does, XDP, namespaces. Arguments
# pick groups of cases, e.g. "link traffic".

# shellcheck disable=SC2015,SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

test_link()
{
	[ "$(cat /sys/class/net/t0/carrier)" = 1 ] &&
		[ "$(a cat /sys/class/net/v0/carrier)" = 1 ]
	report "carrier on both sides" $?
	ethtool -i t0 | grep -q '^driver: trivio$' &&
		ip -d link show t0 | grep -qw trivio
	report "interface is named as what it is" $?
}

# A frame that the host answers at once: one interrupt, the answer's, brings the driver to
# what it sent, too.
answers()
{
	local tx rx host=${IP0%.*}.99

	# The bridge is the host, and answers in the sender's own context. The driver spreads
	# what it gets (RSS), and another pair's interrupt does for nothing.
	a ethtool -L v0 combined 1
	ip addr add "$host/24" dev "$BR"
	tx=$(stat t0 rx calls) rx=$(stat t0 tx calls)
	a ping -q -c 50 -i 0.02 -W 2 "$host" | grep -q ' 50 received' || return 1
	tx=$(($(stat t0 rx calls) - tx)) rx=$(($(stat t0 tx calls) - rx))
	ip addr del "$host/24" dev "$BR"
	a ethtool -L v0 combined 2
	echo "# calls for 50 answers: receive $rx, transmit $tx"
	[ "$rx" -ge 50 ] && [ "$tx" -le $((rx - 5)) ]
}

test_traffic()
{
	answers; report "an answer's interrupt does for the question" $?
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
	ping_soon; report "one pair again" $?
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

	before=$(stat t1 tx drop_nobuf)
	stops=$(stat t1 tx stops)
	tcp_test; report "TCP into a full ring" $?
	after=$(stat t1 tx drop_nobuf)
	echo "# stops: $(($(stat t1 tx stops) - stops)); drops of all kinds: $(ethtool -S t1 |
		grep -E 'tx[0-9]+_drop' | grep -v ': 0$' | tr -s ' \n' ' ')"
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
	ping_soon; report "ping after the moves" $?
}

test_down()
{
	ip link set t0 down
	! ping_test; report "interface down" $?
	ip link set t0 up
	ping_soon; report "interface up" $?
	b ip link set v0 down
	sleep 0.2
	b ip link set v0 up
	ping_soon; report "guest down and up" $?
}

[ $# -gt 0 ] || set -- link traffic offloads mtu channels stop conservation xdp netns down
run "$@"
