#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The own network interface of a net device under a stock driver: traffic both
# ways, offloads, MTU, pairs, what a full ring does, XDP, namespaces. Arguments
# pick groups of cases, e.g. "link traffic".

# shellcheck disable=SC2015,SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$(readlink -f "$0")")

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

# Every drop there is of an interface: its queues', by whatever reason, and its qdisc's.
drops()
{
	echo $(($(ethtool -S "$1" | awk '/_drop/ { n += $2 } END { print n + 0 }') +
		$(tc -s -j qdisc show dev "$1" | jq 'map(.drops) | add')))
}

# A guest that looks at its ring twice a second only: 256 buffers are there for 1000 frames,
# so the queue stops, waits, and loses nothing.
test_stop()
{
	local stops drops dir=/sys/class/net/v0

	b ethtool -L v0 combined 1
	tc qdisc replace dev t1 root pfifo limit 2000
	b sh -c "echo 100 >$dir/napi_defer_hard_irqs; echo 500000000 >$dir/gro_flush_timeout"
	stops=$(stat t1 tx stops) drops=$(drops t1)
	b python3 "$HERE/frames.py" expect v0 s 1000 60 \
		nsenter --net=/proc/$$/ns/net python3 "$HERE/frames.py" send t1 "$MAC1" s 1000
	report "1000 frames into a ring of 256 that is not emptied: all arrive, in order" $?
	stops=$(($(stat t1 tx stops) - stops)) drops=$(($(drops t1) - drops))
	echo "# stops: $stops, drops: $drops"
	[ "$stops" -gt 0 ]; report "the queue stopped" $?
	[ "$drops" = 0 ]; report "nothing was dropped" $?
	b sh -c "echo 0 >$dir/napi_defer_hard_irqs; echo 0 >$dir/gro_flush_timeout"
	tc qdisc del dev t1 root
	b ethtool -L v0 combined 2
	drops=$(stat t1 tx drop_nobuf)
	tcp_test; report "TCP" $?
	[ "$(stat t1 tx drop_nobuf)" = "$drops" ]
	report "no drop for lack of buffers" $?
}

# rtt: the least round trip of five pings, microseconds.
rtt()
{
	a ping -q -c 5 -i 0.3 -W 5 "$IP1" |
		awk -F'[ /]' '/^rtt/ { print int($7 * 1000); n++ } END { exit !n }'
}

# The latency model of the interface is the kernel's: what the guest gets is late.
test_netem()
{
	local before with after

	modprobe -q sch_netem
	before=$(rtt)
	tc qdisc add dev t0 root netem delay 400ms; report "netem on the interface" $?
	with=$(rtt)
	[ "$with" -ge 400000 ]; report "what the guest gets is late" $?
	tc qdisc replace dev t0 root netem delay 20ms 10ms loss 100%
	! ping_test; report "or lost" $?
	tc qdisc del dev t0 root
	after=$(rtt)
	echo "# round trips, us: $before, with netem $with, then $after"
	[ "$before" -lt 400000 ] && [ "$after" -lt 400000 ]; report "without it, not" $?
}

# xdp OBJECT: on interface t0, in the driver's own hook.
xdp()
{
	ip link set t0 xdpdrv obj "$HERE/$1" sec xdp || return 1
	# 1: XDP_ATTACHED_DRV
	[ "$(ip -j -d link show t0 | jq '.[0].xdp.mode')" = 1 ]
}

# acts LETTER COUNT NS MARK SECONDS [IFINDEX]: 50 frames from the guest with what the program
# is to do with them; so many of them are then seen in NS.
acts()
{
	ip netns exec "$3" python3 "$HERE/frames.py" expect v0 "$4" "$2" "$5" \
		ip netns exec "$NS0" python3 "$HERE/frames.py" send v0 "$MAC1" "$1" 50 "${6:-0}"
}

test_xdp()
{
	local drops

	if [ ! -e "$HERE/xdp_drop.bpf.o" ]; then
		skip "XDP on the interface" "no xdp_drop.bpf.o (needs clang)"
		return
	fi
	xdp xdp_drop.bpf.o; report "XDP program on the interface, native" $?
	drops=$(stat t0 rx drops)
	! ping_test; report "XDP_DROP" $?
	[ "$(stat t0 rx drops)" -gt "$drops" ]; report "what it drops is counted" $?
	ip link set t0 xdpdrv off; report "program off" $?
	ping_soon; report "ping without it" $?

	xdp xdp_act.bpf.o; report "another program" $?
	acts P 50 "$NS1" p 20; report "XDP_PASS: the stack has the frames" $?
	acts D 0 "$NS1" d 2; report "XDP_DROP: nobody has them" $?
	acts T 50 "$NS0" t 20; report "XDP_TX: who sent them has them" $?
	# Without a bridge between them there is no other way.
	ip link set t1 nomaster
	acts R 50 "$NS1" r 20 "$(cat /sys/class/net/t1/ifindex)"
	report "XDP_REDIRECT: the other device's guest has them" $?
	acts P 0 "$NS1" p 2; report "XDP_PASS then leads nowhere" $?
	ip link set t1 master "$BR"
	ip link set t0 xdpdrv off
	ping_soon; report "ping without a program" $?
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

[ $# -gt 0 ] || set -- link traffic offloads mtu channels stop conservation netem xdp netns down
run "$@"
