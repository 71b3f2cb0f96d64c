#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Ports other than the own interface, under the stock virtio_net: devices at a switch, which
# copies a frame once, from guest to guest; and sockets.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need ip ping iperf3 ethtool jq python3 socat

SERVER=
JSON=$(mktemp)
finish()
{
	local d

	rm -f "$JSON"
	[ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null
	for d in 0 1 2 3 4; do
		ip netns del "tsw$d" 2>/dev/null
	done
	ip link del swv0 2>/dev/null
	vdpa_clean sw0 sw1 sw2 sw3 sw4
}
trap finish EXIT

# n I CMD...: in the namespace of device I.
n()
{
	local i=$1
	shift

	ip netns exec "tsw$i" "$@"
}

# guest I SETTINGS...: device swI, its driver's interface v0 in namespace tswI.
guest()
{
	local i=$1 net
	shift

	profile "sw$i" "$@" && vdpa_new "sw$i" net virtio_vdpa mac "02:00:00:00:05:0$i" || return 1
	net=$(vdpa_netif "sw$i")
	ip netns add "tsw$i" && ip link set "$net" netns "tsw$i" name v0 &&
		n "$i" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 &&
		n "$i" ip addr add "10.79.0.1$i/24" dev v0 && n "$i" ip link set v0 up
}

pings()
{
	n "$1" ping -q -c 5 -i 0.1 -w 10 "10.79.0.1$2" | tee /dev/stderr | grep -q ' 5 received'
}

# tcp FROM TO [ARGS]: bytes arrive.
tcp()
{
	local from=$1 to=$2
	shift 2

	n "$from" iperf3 -J -c "10.79.0.1$to" -n 8M "$@" >"$JSON"
	jq -c '.error, .end.sum_received' "$JSON"
	# iperf3's receiver may leave before it has read the last of 8 MB.
	jq -e '.end.sum_received.bytes > 1000000' "$JSON"
}

carried()
{
	[ "$(qstat "sw$1" "$2" rx_packets)" -gt 0 ]
}

# TCP of whole segments, copied once: no copy is counted where a guest sends.
one_copy()
{
	local sent got copies later big

	tcp 0 1 || return 1
	# A connection's last frame may come between two looks.
	sent=$(qstat sw0 1 copies) got=$(qstat sw1 0 packets) copies=$(qstat sw1 0 copies)
	later=$(qstat sw1 0 packets)
	big=$(($(qstat sw1 0 bytes) / got))
	echo "sender's copies $sent, receiver: $got to $later frames of $big bytes, $copies copies"
	# A slow sender makes them small, but of two packets at least.
	[ "$sent" = 0 ] && [ "$got" -gt 0 ] && [ "$copies" -ge "$got" ] &&
		[ "$copies" -le "$later" ] && [ "$big" -gt 1600 ]
}

# No guest sums what came from another one's memory, so neither would TCP see it change.
whole()
{
	local sent got out=$JSON.bytes

	n 1 timeout 60 socat -u TCP-LISTEN:5400,reuseaddr "CREATE:$out.got" &
	head -c 4000000 /dev/urandom >"$out"
	sleep 0.5
	n 0 timeout 60 socat -u "OPEN:$out" TCP:10.79.0.11:5400,retry=50,interval=0.2
	wait $!
	sent=$(sha256sum <"$out") got=$(sha256sum <"$out.got")
	echo "$(stat -c %s "$out.got") of 4000000 bytes: sent $sent, got $got"
	rm -f "$out" "$out.got"
	[ "$sent" = "$got" ]
}

# Frames that came to device I; most drivers have the device filter by address.
seen()
{
	echo $(($(qstat "sw$1" 0 packets) + $(qstat "sw$1" 0 drop_filter)))
}

# Once an address is known, its frames go to nobody else.
learned()
{
	local before after

	before=$(seen 2)
	tcp 0 1 && pings 1 0 || return 1
	after=$(seen 2)
	echo "third device got $((after - before)) frames"
	[ $((after - before)) -lt 5 ]
}

# A frame for an address that nobody has goes to all.
flooded()
{
	local before1 before2 after1 after2

	before1=$(seen 1) before2=$(seen 2)
	n 0 ip neigh replace 10.79.0.99 lladdr 02:00:00:00:05:99 dev v0
	n 0 ping -q -c 3 -i 0.1 -w 1 10.79.0.99
	after1=$(seen 1) after2=$(seen 2)
	echo "$((after1 - before1)) and $((after2 - before2))"
	[ $((after1 - before1)) -ge 3 ] && [ $((after2 - before2)) -ge 3 ]
}

# raw I TO FROM: ten frames.
raw()
{
	n "$1" python3 - "$2" "$3" <<-'EOF'
	import socket, sys
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind(("v0", 0))
	for i in range(10):
	    s.send(bytes.fromhex(sys.argv[1] + sys.argv[2] + "88b5") + bytes(46))
	EOF
}

# What a device sends under another one's address does not draw that one's frames away.
spoofed()
{
	local before

	raw 2 ffffffffffff 020000000501 || return 1
	before=$(seen 2)
	pings 0 1 && [ $(($(seen 2) - before)) -lt 5 ]
}

# An address behind a device that is seen at another one, and then at the first again: frames
# follow it, from one that has sent to it all the time.
moved()
{
	local at other before1 before2 d1 d2

	for at in 1 2 1; do
		other=$((3 - at))
		raw "$at" ffffffffffff 020000000a01 && sleep 0.2 || return 1
		before1=$(seen 1) before2=$(seen 2)
		raw 0 020000000a01 020000000500 && sleep 0.2 || return 1
		d1=$(($(seen 1) - before1)) d2=$(($(seen 2) - before2))
		echo "seen at $at: $d1 frames to 1, $d2 to 2"
		[ $((at == 1 ? d1 : d2)) -ge 10 ] && [ $((other == 1 ? d1 : d2)) -lt 5 ] || return 1
	done
}

# sw3's driver takes no offload at all: the switch cuts and sums for it.
soft()
{
	local copies

	n 3 ethtool -k v0 | grep -E '^(rx-checksumming|generic-receive|large)'
	tcp 0 3 && tcp 3 0 || return 1
	copies=$(qstat sw0 1 copies)
	echo "frames cut in software: $copies; largest to sw3 on average $(($(qstat sw3 0 bytes) / $(qstat sw3 0 packets)))"
	[ "$copies" -gt 0 ] && [ $(($(qstat sw3 0 bytes) / $(qstat sw3 0 packets))) -le 1514 ] &&
		[ "$(n 3 nstat -az TcpInErrs | tail -n 1 | tr -s ' ' | cut -d' ' -f2)" = 0 ]
}

apart()
{
	fails n 4 ping -q -c 2 -i 0.1 -w 2 10.79.0.10 && [ "$(qstat sw4 0 packets)" = 0 ]
}

link_down()
{
	echo down >"$PROFILES/sw1/link" && fails pings 0 1 || return 1
	echo up >"$PROFILES/sw1/link" && sleep 0.5 && pings 0 1
}

# Others go on while one is taken away under load, and one that is new joins.
comes_and_goes()
{
	local load rc

	n 2 iperf3 -s -1 -p 5300 >/dev/null 2>&1 &
	listens 5300 n 2
	n 3 iperf3 -c 10.79.0.12 -p 5300 -t 20 >/dev/null 2>&1 &
	load=$!
	sleep 1
	vdpa dev del sw3 && pings 0 1 && tcp 1 0
	rc=$?
	kill "$load"
	ip netns del tsw3
	vdpa_clean sw3
	[ "$rc" = 0 ] && guest 3 port=switch:one && pings 3 0
}

refused_va()
{
	mkdir -p "$PROFILES/sw4" && echo 1 >"$PROFILES/sw4/use_va" && echo switch:one >"$PROFILES/sw4/port" &&
		fails vdpa dev add name sw4 mgmtdev trivio_net && dmesg | grep -q 'sw4 not added: port .switch:one.: a switch needs pinned'
}

words()
{
	local w

	for w in switch: switch:123456789012345678901234567890123 tap "packet:nosuch" fd:77 ""; do
		fails sh -c "echo '$w' >$PROFILES/sw4/port" || return 1
	done
	[ "$(cat "$PROFILES/sw4/port")" = switch:one ] && fails sh -c "echo none >$PROFILES/sw0/port"
}

# A packet socket on one end of a pair of interfaces; the guest talks to the other end.
packet_port()
{
	vdpa_clean sw4
	ip link add swv0 type veth peer name swv1 && ip addr add 10.79.1.1/24 dev swv1 &&
		ip link set swv0 up && ip link set swv1 up && ethtool -K swv1 tx off >/dev/null &&
		guest 4 port=packet:swv0 && n 4 ip addr add 10.79.1.4/24 dev v0 &&
		ping -q -c 5 -i 0.1 -w 10 10.79.1.4 && [ "$(qstat sw4 0 packets)" -ge 5 ] &&
		[ "$(qstat sw4 1 packets)" -ge 5 ]
}

# A macvtap that the shell has open: the device keeps it when the shell lets go.
macvtap_port()
{
	local tap major minor

	vdpa_clean sw4
	ip netns del tsw4
	ip link add link swv1 name swt address 02:00:00:00:05:04 type macvtap mode bridge &&
		ip link set swt up || return 1
	tap=/dev/tap$(cat /sys/class/net/swt/ifindex)
	IFS=: read -r major minor </sys/class/net/swt/tap*/dev
	[ -e "$tap" ] || mknod "$tap" c "$major" "$minor"
	exec 9<>"$tap"
	# TUNSETVNETHDRSZ: the header of a driver of version 1.
	python3 -c 'import fcntl, struct; fcntl.ioctl(9, 0x400454d8, struct.pack("i", 12))' || return 1
	guest 4 port=fd:9
	exec 9>&-
	ip addr flush dev swv1
	ip netns add tswv && ip link set swv0 netns tswv && ip -n tswv addr add 10.79.1.9/24 dev swv0 &&
		ip -n tswv link set swv0 up && n 4 ip addr add 10.79.1.4/24 dev v0 &&
		ip netns exec tswv ping -q -c 5 -i 0.1 -w 10 10.79.1.4
	local rc=$?
	[ "$(qstat sw4 0 packets)" -ge 5 ] && [ "$(qstat sw4 1 packets)" -ge 5 ] || rc=1
	ip netns del tswv
	return "$rc"
}

no_trace()
{
	finish
	fails ls -d "$VDPA_BUS"/devices/sw* 2>/dev/null
}

check "three devices at one switch" eval 'guest 0 port=switch:one && guest 1 port=switch:one && guest 2 port=switch:one'
check "they have no interface on the host" fails ls -d /sys/class/net/sw0 /sys/class/net/sw1
n 1 iperf3 -s >/dev/null 2>&1 &
SERVER=$!
n 0 iperf3 -s -D && listens 5201 n 0 && listens 5201 n 1
check "ping" eval 'pings 0 1 && pings 1 2 && pings 2 0'
check "TCP, segments whole, one copy" one_copy
check "bytes arrive as they were sent" whole
check "TCP the other way" tcp 0 1 -R
check "frames for a known address go there alone" learned
check "frames for an unknown one go to all" flooded
check "an address can't be taken from its device" spoofed
check "an address that moves is followed" moved
check "a driver without offloads" guest 3 port=switch:one features=0x300010020
n 3 iperf3 -s -D && listens 5201 n 3
check "gets whole TCP from one with them" soft
check "another switch is another network" eval 'guest 4 port=switch:two && apart'
ip netns del tsw4
vdpa_clean sw4
check "link down and up" link_down
check "devices go and come under load" comes_and_goes
check "no switch for memory that is not pinned" refused_va
check "other words for a port are refused" words
check "a packet socket as port" packet_port
check "a macvtap as port" macvtap_port
check "all of it goes" no_trace
test_end
