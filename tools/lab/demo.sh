#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the laboratory ("lab demo"): one guest with four virtio-net devices, each on
# its own road, measured one after the other with the same traffic. Prints a table, writes
# /lab/demo.json. Ends well only if every row worked and, for trivio, its counters prove
# that it carried the packets: QEMU falls back to user space without a word.

# shellcheck source=tools/lab/inner
. "$(dirname "$(readlink -f "$0")")/inner"

PINGS=${DEMO_PINGS:-20}
SECS=${DEMO_SECS:-3}
ROADS=("QEMU user space" "in-tree vhost_net" "trivio, split ring" "trivio, packed ring")
FAILED=0
ROWS=()

note()
{
	printf '%5.1f s  %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2
}

row_fail()
{
	note "FAILED: $*"
	FAILED=1
	ROW_ERROR=$*
}

tap_make()
{
	ip tuntap add "demo$1" mode tap vnet_hdr
	ip addr add "10.8.$1.1/24" dev "demo$1"
	ip link set "demo$1" up
}

# One guest, four devices. The fds of trivio's node are opened here and inherited.
guest_start()
{
	local i args=()

	modprobe tun
	modprobe vhost_net
	for i in 0 1 2 3; do
		tap_make $i
	done
	args=(-netdev tap,id=n0,ifname=demo0,script=no,downscript=no,vhost=off
	      -netdev tap,id=n1,ifname=demo1,script=no,downscript=no,vhost=on,vhostforce=on)
	HAVE_TRIVIO=0
	if [ -c /dev/trivio-vhost-net ]; then
		HAVE_TRIVIO=1
		exec 20<>/dev/trivio-vhost-net 21<>/dev/trivio-vhost-net
		args+=(-netdev tap,id=n2,ifname=demo2,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=20
		       -netdev tap,id=n3,ifname=demo3,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=21)
	else
		args+=(-netdev tap,id=n2,ifname=demo2,script=no,downscript=no
		       -netdev tap,id=n3,ifname=demo3,script=no,downscript=no)
	fi
	for i in 0 1 2 3; do
		args+=(-device "virtio-net-pci,netdev=n$i,addr=0x$((i + 2)),mac=52:54:00:08:00:0$i,packed=$([ $i = 3 ] && echo on || echo off)")
	done
	inner_start demo --mem 384 -- "${args[@]}" || return 1
	exec 20>&- 21>&-
	for i in 0 1 2 3; do
		inner_exec demo "ip addr add 10.8.$i.2/24 dev eth$i && ip link set eth$i up" || return 1
	done
	QEMU_PID=$(inner_main pid demo)
}

# What trivio itself says it carried, both ways, on all its queues.
trivio_packets()
{
	"$TRIVIO" show --json | jq '[.. | objects | .counters? | select(.) | .packets] | add // 0'
}

# iperf3 in the guest against a server on the tap; prints Mbit/s.
tcp()
{
	local i=$1 reverse=$2

	inner_exec demo -t 120 "iperf3 -c 10.8.$i.1 -t $SECS -J $reverse" |
		jq -r '.end.sum_received.bits_per_second // 0 | . / 1e6 | round'
}

# "demo.sh traffic I FILE": the counted part; runs below "trivio count".
traffic()
{
	local i=$1 out in

	note "${ROADS[i]}: TCP out"
	out=$(tcp "$i" "")
	note "${ROADS[i]}: TCP in"
	in=$(tcp "$i" -R)
	printf '{"out": %s, "in": %s}\n' "${out:-0}" "${in:-0}" >"$2"
}

# trivio rows: the module's own counters must have seen the packets of this device.
road_proof()
{
	local i=$1 carried=$2 packets=$3

	[ "$i" -ge 2 ] || return 0
	if [ "$HAVE_TRIVIO" = 0 ]; then
		row_fail "${ROADS[i]}: no /dev/trivio-vhost-net, QEMU carried it in user space"
	elif [ "$carried" -lt $((packets * 9 / 10)) ]; then
		row_fail "${ROADS[i]}: trivio counted $carried of $packets packets"
	fi
}

# The row's figures from what "trivio count" says. The thread that moved the data is the one
# that ran longest beside the virtual CPU and iperf3.
# shellcheck disable=SC2016	# jq's variables
ROW_JQ='
	$tt[0] as $t | $cc[0] as $c |
	($c.threads | map(select((.name | test("^CPU |iperf3|^trivio$|^jq$|swapper|ksoftirqd|^ping$|inner") | not)
		and .tid != 0)) | max_by(.runtime_ns)) as $mover |
	{road: $road, ping_min_ms: ($min | tonumber? // null), ping_avg_ms: ($avg | tonumber? // null),
	 tcp_out_mbit: $t.out, tcp_in_mbit: $t.in, packets: $c.packets,
	 exits_per_packet: $c.per_packet.kvm_exit, kicks_per_packet: $c.per_packet.ioeventfd,
	 calls_per_packet: $c.per_packet.kvm_msi_set_irq,
	 wakeups_per_packet: (if $c.packets > 0 then ($mover.wakeups // 0) / $c.packets else null end),
	 moved_by: ($mover.name // "?"), trivio_packets: $carried, lost_events: $c.lost,
	 error: (if $err == "" then null else $err end), count: $c}'

# road_measure I: adds one row.
road_measure()
{
	local i=$1 ping min='' avg='' before carried packets

	ROW_ERROR=
	note "${ROADS[i]}: $PINGS pings"
	ping=$(inner_exec demo "ping -q -c $PINGS -i 0.05 10.8.$i.1") || row_fail "${ROADS[i]}: ping"
	read -r min avg < <(sed -n 's|^rtt.*= \([0-9.]*\)/\([0-9.]*\)/.*|\1 \2|p' <<<"$ping")

	before=$(trivio_packets)
	echo '{"out": 0, "in": 0}' >/tmp/traffic
	iperf3 -s -B "10.8.$i.1" -D --pidfile "/tmp/iperf.$i"
	"$TRIVIO" count --json -p "$QEMU_PID" -I "demo$i" -- "$0" traffic "$i" /tmp/traffic >/tmp/count ||
		row_fail "${ROADS[i]}: trivio count ended with $?"
	kill "$(tr -d '\0' <"/tmp/iperf.$i")"
	carried=$(($(trivio_packets) - before))
	jq -e '.out > 0 and .in > 0' /tmp/traffic >/dev/null || row_fail "${ROADS[i]}: iperf3"
	packets=$(jq '.packets' /tmp/count)
	[ "${packets:-0}" -gt 0 ] || row_fail "${ROADS[i]}: no packets"
	road_proof "$i" "$carried" "${packets:-0}"
	ROWS+=("$(jq -n --arg road "${ROADS[i]}" --arg min "$min" --arg avg "$avg" --arg err "$ROW_ERROR" \
		--argjson carried "$carried" --slurpfile tt /tmp/traffic --slurpfile cc /tmp/count \
		"$ROW_JQ")")
}

table()
{
	echo
	echo "One guest, four virtio-net devices, each on its own road (one virtual CPU, nested KVM${LAB_ACCEL:+ on $LAB_ACCEL})"
	echo
	printf '%-20s %15s %15s  %31s  %s\n' '' 'ping (ms)' 'TCP (Mbit/s)' 'per packet' 'moved by'
	printf '%-20s %7s %7s %7s %7s  %7s %7s %7s %7s\n' road min avg out in exits kicks calls wakeups
	jq -r '.rows[] | [.road, .ping_min_ms, .ping_avg_ms, .tcp_out_mbit, .tcp_in_mbit, .exits_per_packet,
		.kicks_per_packet, .calls_per_packet, .wakeups_per_packet, .moved_by, (.error // "")] |
		map(if . == null or . == "" then "-" else . end) | @tsv' /lab/demo.json |
	while IFS=$'\t' read -r road min avg out in e k c w who err; do
		printf '%-20s %7.2f %7.2f %7s %7s  %7.2f %7.2f %7.2f %7.2f  %s\n' "$road" \
			"${min/#-/0}" "${avg/#-/0}" "$out" "$in" "$e" "$k" "$c" "$w" "$who"
		[ "$err" = - ] || printf '    FAILED: %s\n' "$err"
	done
	echo
	jq -r '.rows[] | select(.road | startswith("trivio")) | "\(.road): trivio carried \(.trivio_packets) packets; the tap saw \(.packets)."' /lab/demo.json
	jq -r '[.rows[].lost_events] | add | if . > 0 then "\(.) events were lost while counting." else empty end' /lab/demo.json
	echo "Counted while TCP ran. Packets as the tap sees them (TSO makes them large). Times under TCG"
	echo "are for comparing rows only."
}

main()
{
	local i

	TRIVIO=$INNER_HOME/../trivio/trivio
	[ -x "$TRIVIO" ] || { note "FAILED: tools/trivio is not built"; exit 1; }
	note "starting the guest"
	guest_start || { note "FAILED: the guest did not start"; exit 1; }
	for i in 0 1 2 3; do
		road_measure $i
	done
	inner_stop demo
	printf '%s\n' "${ROWS[@]}" | jq -s --arg accel "${LAB_ACCEL:-}" --arg kernel "$(uname -r)" \
		'{kernel: $kernel, accel: $accel, ok: all(.[]; .error == null), rows: .}' >/lab/demo.json
	if [ "${LAB_JSON:-0}" = 1 ]; then
		cat /lab/demo.json
	else
		table
	fi
	exit $FAILED
}

case ${1:-} in
traffic) traffic "$2" "$3" ;;
*) main ;;
esac
