#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a stock driver asks of a net device through its control queue, and what the
# owner changes under it: addresses, receive filter, VLANs, pairs, RSS, segmentation,
# link, speed, announcement. Frames that must not pass are counted as filtered.

# shellcheck disable=SC2015,SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# frame DST [VID]: one frame of 60 bytes out of the host's interface t0.
frame()
{
	python3 - "$@" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind(("t0", 0))
	f = bytes.fromhex(sys.argv[1].replace(":", "") + "020000000099")
	if len(sys.argv) > 2:
	    f += b"\x81\x00" + int(sys.argv[2]).to_bytes(2, "big")
	s.send(f + b"\x88\xb5" + bytes(46))
	END
}

# passes YES|NO DST [VID]: whether the driver gets such a frame; if not, it is
# counted as filtered.
passes()
{
	local want=$1 p f
	shift

	p=$(stat t0 tx packets) f=$(stat t0 tx drop_filter)
	frame "$@"
	sleep 0.1
	p=$(($(stat t0 tx packets) - p)) f=$(($(stat t0 tx drop_filter) - f))
	[ "$want" = yes ] && [ "$p" -ge 1 ] && [ "$f" = 0 ] ||
		{ [ "$want" = no ] && [ "$f" -ge 1 ]; }
}

test_filter()
{
	# The bridge's and the stack's own frames are none of these.
	ip link set t0 nomaster
	sleep 0.5
	passes yes "$MAC0"; report "own address" $?
	passes no 02:00:00:00:77:77; report "foreign unicast is filtered" $?
	passes yes ff:ff:ff:ff:ff:ff; report "broadcast" $?
	passes no 01:00:5e:01:02:03; report "foreign multicast is filtered" $?
	a ip maddr add 01:00:5e:01:02:03 dev v0
	passes yes 01:00:5e:01:02:03; report "multicast that was joined" $?
	a ip maddr del 01:00:5e:01:02:03 dev v0
	passes no 01:00:5e:01:02:03; report "and left again" $?
	a ip link set v0 allmulticast on
	passes yes 01:00:5e:01:02:03; report "allmulticast" $?
	passes no 02:00:00:00:77:77; report "is not promiscuous" $?
	a ip link set v0 allmulticast off
	a ip link set v0 promisc on
	passes yes 02:00:00:00:77:77; report "promiscuous" $?
	a ip link set v0 promisc off
	passes no 02:00:00:00:77:77; report "promiscuous off" $?
	ip link set t0 master "$BR"
}

test_mac()
{
	ip link set t0 nomaster
	a ip link set v0 address 02:00:00:00:01:77
	report "address changed by the driver" $?
	passes yes 02:00:00:00:01:77; report "new address" $?
	passes no "$MAC0"; report "old address is filtered" $?
	a ip link set v0 address "$MAC0"
	passes yes "$MAC0"; report "back" $?
	ip link set t0 master "$BR"
}

test_vlan()
{
	ip link set t0 nomaster
	if [ "$(a ethtool -k v0 | sed -n 's/^rx-vlan-filter: \([a-z]*\).*/\1/p')" != on ]; then
		report "VLAN filter is offered" 1
		return
	fi
	passes no "$MAC0" 5; report "VLAN that nobody asked for is filtered" $?
	a ip link add link v0 name v0.5 type vlan id 5 && a ip link set v0.5 up
	passes yes "$MAC0" 5; report "VLAN of an interface" $?
	passes no "$MAC0" 6; report "its neighbour is filtered" $?
	a ip link del v0.5
	passes no "$MAC0" 5; report "VLAN gone" $?
	ip link set t0 master "$BR"
}

# grows PAIR CMD...: which of the driver's receive queues gets the frames.
grows()
{
	local pair=$1 q=$((1 - $1)) x0 x1
	shift

	x0=$(ethtool -S t1 | awk "/ tx${pair}_packets:/ { print \$2 }")
	x1=$(ethtool -S t1 | awk "/ tx${q}_packets:/ { print \$2 }")
	"$@" || return 1
	x0=$(($(ethtool -S t1 | awk "/ tx${pair}_packets:/ { print \$2 }") - x0))
	x1=$(($(ethtool -S t1 | awk "/ tx${q}_packets:/ { print \$2 }") - x1))
	echo "# pair $pair: $x0, pair $q: $x1"
	[ "$x0" -ge 5 ] && [ "$x1" -le 2 ]
}

test_rss()
{
	b ethtool -L v0 combined 2; report "two pairs" $?
	b ethtool -x v0 | grep -q "RX flow hash indirection table"
	report "the driver sees a table" $?
	b ethtool -X v0 weight 0 1; report "all flows to pair 1" $?
	grows 1 ping_test; report "pair 1 gets them" $?
	b ethtool -X v0 weight 1 0; report "all flows to pair 0" $?
	grows 0 ping_test; report "pair 0 gets them" $?
	b ethtool -X v0 equal 2; report "both again" $?
	b ethtool -N v0 rx-flow-hash tcp4 sdfn; report "hash over ports" $?
	tcp_test -P 4; report "TCP" $?
	# The driver keeps a table that somebody set, and so its pairs.
	b ethtool -X v0 default
	b ethtool -L v0 combined 1; report "one pair" $?
	grows 0 ping_test; report "which gets all" $?
}

# RING_RESET can't be negotiated over virtio_vdpa, so 6.12's driver refuses.
test_rings()
{
	[ "$(a ethtool -g v0 | awk '/^RX:/ { print $2; exit }')" = 256 ]
	report "ring size of the profile" $?
	! a ethtool -G v0 rx 128 2>/dev/null; report "another size is refused" $?
	ping_test; report "and changes nothing" $?
}

# UDP in ten segments, sent at once: one frame for the device.
test_uso()
{
	local before

	# virtio_net has it off unless asked.
	a ethtool -K v0 tx-udp-segmentation on; report "UDP segmentation is offered" $?
	b timeout 20 python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5999))
s.settimeout(10)
n = 0
while n < 10:
    d = s.recv(2000)
    if len(d) != 1000 or d != bytes([n]) * 1000:
        sys.exit(1)
    n += 1' &
	sleep 1
	before=$(stat t0 rx packets)
	a python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)
s.sendto(b"".join(bytes([i]) * 1000 for i in range(10)), ("'"$IP1"'", 5999))'
	wait $!; report "ten datagrams of one send arrive whole" $?
	[ $(($(stat t0 rx packets) - before)) -lt 10 ]
	report "as one frame through the ring" $?
}

test_knobs()
{
	local before i

	echo down >"$PROFILES/t0/link"; report "link down" $?
	for _ in $(seq 50); do
		[ "$(a cat /sys/class/net/v0/carrier)$(cat /sys/class/net/t0/carrier)" != 00 ] || break
		sleep 0.1
	done
	[ "$(a cat /sys/class/net/v0/carrier)" = 0 ] && [ "$(cat /sys/class/net/t0/carrier)" = 0 ]
	report "no carrier on either side" $?
	! ping_test -W 1; report "nothing passes" $?
	vdpa -j dev config show t0 | grep -q '"link *":"down"'; report "the vdpa tool says so" $?
	# The driver reads these when the link comes up.
	echo 25000 >"$PROFILES/t0/speed" && echo full >"$PROFILES/t0/duplex"
	report "speed and duplex" $?
	echo up >"$PROFILES/t0/link"; report "link up" $?
	ping_soon; report "traffic again" $?
	a ethtool v0 | grep -q "Speed: 25000Mb/s" && a ethtool v0 | grep -q "Duplex: Full"
	report "the driver shows them" $?
	ethtool t0 | grep -q "Speed: 25000Mb/s"; report "and the interface" $?
	ip link set t0 nomaster
	before=$(stat t0 rx packets)
	echo 1 >"$PROFILES/t0/announce"; report "announcement asked for" $?
	for i in $(seq 20); do
		[ "$(stat t0 rx packets)" = "$before" ] || break
		sleep 0.2
	done
	[ "$(stat t0 rx packets)" -gt "$before" ]; report "the driver announces itself" $?
	ip link set t0 master "$BR"
	! echo sideways 2>/dev/null >"$PROFILES/t0/link"; report "a bad link state is refused" $?
	! echo 0 2>/dev/null >"$PROFILES/t0/speed"; report "a bad speed is refused" $?
	! echo 9 2>/dev/null >"$PROFILES/t0/announce"; report "a bad announcement is refused" $?
}

# Every counter has a name, and none is there twice.
test_statistics()
{
	[ "$(ethtool -S t0 | grep -c ': ')" -ge 80 ] &&
		[ -z "$(ethtool -S t0 | awk -F: 'NR > 1 { print $1 }' | sort | uniq -d)" ]
	report "ethtool statistics" $?
	[ "$(ethtool -S t0 | awk '/ rx0_packets:/ { print $2 }')" = \
	  "$(vdpa -j dev vstats show t0 qidx 1 2>/dev/null |
	     python3 -c 'import json, sys
def find(o):
    if isinstance(o, dict):
        if "packets" in o: return o["packets"]
        for v in o.values():
            r = find(v)
            if r is not None: return r
print(find(json.load(sys.stdin)))')" ]
	report "vstats says the same" $?
}

[ $# -gt 0 ] || set -- filter mac vlan rss rings uso knobs statistics
run "$@"
