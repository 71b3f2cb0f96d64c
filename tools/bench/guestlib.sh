# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Measurements with a stock guest below a stock QEMU, one road at a time: its interface
# IF_GUEST in the guest meets IF_HOST in the host.

# shellcheck source=tools/lab/inner
. "$BENCH_DIR/../lab/inner"

# QEMU 7.2's VMRUN leaves the vector it injects pending (helper_vmrun(), exception_index):
# when the instruction budget of -icount ends before the guest's next exit, the emulated CPU
# delivers the vector once more, interrupts off or not, and the guest dies of a double fault.
# Without paravirtual EOI that exit is the handler's first act.
export INNER_CPU=host,kvm-pv-eoi=off

GUEST=bench
GUEST_PINGS=200
GUEST_FRAMES=10000
GUEST_SINGLES=1000

# guest_start INNER-OPTIONS -- QEMU-ARGS. What KVM polls for before it lets an idle virtual CPU
# sleep, up to 200 us, grows and shrinks with chance, and would be most of what is counted.
guest_start()
{
	ulimit -l unlimited
	inner_kvm && echo 0 >/sys/module/kvm/parameters/halt_poll_ns && inner_start $GUEST --mem 384 "$@"
}

guest()
{
	inner_exec $GUEST "$@"
}

# A tap for QEMU, with the host's address 10.8.N.1.
guest_tap()
{
	ip tuntap add "$1" mode tap vnet_hdr && guest_host_if "$1" "$2"
}

guest_host_if()
{
	sysctl -q -w "net.ipv6.conf.$1.disable_ipv6=1"
	ip addr add "10.8.$2.1/24" dev "$1" && ip link set "$1" up
}

# The guest's interface N has 10.8.N.2, and neighbours are known before anybody asks.
guest_if_up()
{
	local netif=$1 n=$2 host_if=$3 mac

	mac=$(guest cat "/sys/class/net/$netif/address") || return 1
	guest "ip addr add 10.8.$n.2/24 dev $netif && ip link set $netif up promisc on &&
		ip neigh replace 10.8.$n.1 lladdr $(if_mac "$host_if") dev $netif nud permanent" &&
		ip neigh replace "10.8.$n.2" lladdr "$mac" dev "$host_if" nud permanent
}

# Round trip of a ping from the guest: instructions, median of many (a tick that meets one
# would be in the mean).
guest_ping()
{
	local ms

	guest "ping -q -c 5 -i 0.01 10.8.$1.1" >/dev/null || return 1
	ms=$(guest "ping -c $GUEST_PINGS -i 0.01 10.8.$1.1" | sed -n 's/.* time=\([0-9.]*\) ms/\1/p' |
		sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
	[ -n "$ms" ] && calc "$ms * 1e6"
}

# TCP: guest_tcp N [-R]: Mbit/s while an instruction takes a nanosecond. No more bytes than a
# steady rate needs: with each interrupt the emulator may deliver one twice, in the middle of
# its handler, which then waits for its own lock for ever (Documentation/lab.rst).
guest_tcp()
{
	iperf3 -s -1 -B "10.8.$1.1" -D --pidfile "$BENCH_TMP/iperf.$1"
	guest -t 900 "iperf3 -c 10.8.$1.1 -n 200M -J ${2:-}" |
		jq -e '.end.sum_received.bits_per_second // empty | . / 1e6'
}

# Frames for somebody else: the guest's stack drops them first thing.
OTHER_MAC=52:54:00:ff:ff:fe

# guest_rx_bursts HOST_IF GUEST_IF COUNT BURST: instructions of everybody for a frame that the
# guest got, in bursts a millisecond apart, and its exits in COUNT_FILE.
guest_rx_bursts()
{
	local host_if=$1 netif=$2 count=$3 burst=$4 ns before got frames
	local send=("$BENCH_DIR/busy" -b "$burst" -i "$host_if" -m "$OTHER_MAC")

	frames=$((count * burst))
	"${send[@]}" -n 20 >/dev/null || return 1
	before=$(guest cat "/sys/class/net/$netif/statistics/rx_packets")
	ns=$(beyond_idle "a frame" $frames "$BENCH_DIR/busy -n $count" "${send[*]} -n $count") || return 1
	got=$(($(guest cat "/sys/class/net/$netif/statistics/rx_packets") - before))
	[ $got -ge $((frames * 9 / 10)) ] ||
		bench_fail "$SUITE: $got of $frames frames reached the guest from $host_if" || return 1
	calc "$ns / $got"
}

guest_rx()
{
	guest_rx_bursts "$1" "$2" $((GUEST_FRAMES / 64)) 64
}

# One frame at a time into an idle guest.
guest_rx_single()
{
	guest_rx_bursts "$1" "$2" $GUEST_SINGLES 1
}

# A stream out of the guest, thrown away by the host's stack. The virtual CPU gives way to
# whoever serves it, so that it does not spin on a full ring. IF_HOST counts.
guest_tx()
{
	local host_if=$1 netif=$2 cpu before us got

	cpu=$(grep -l '^CPU 0/KVM' "/proc/$(inner_main pid $GUEST)/task"/*/comm | cut -d/ -f5)
	guest "[ -d $PKTGEN ] || insmod /lib/modules/*/pktgen.ko" || return 1
	before=$(if_stat "$host_if" rx_packets)
	chrt -i -p 0 "$cpu"
	us=$(guest "t=$PKTGEN/kpktgend_0; echo rem_device_all >\$t; echo add_device $netif >\$t
		for w in 'count $GUEST_FRAMES' 'pkt_size 60' 'delay 0' 'clone_skb 1000000' \
			'burst 64' 'dst_mac $OTHER_MAC'; do echo \$w >$PKTGEN/$netif; done
		echo start >$PKTGEN/pgctrl; cat $PKTGEN/$netif" |
		sed -n 's/.*OK: \([0-9]*\)(.*/\1/p')
	chrt -o -p 0 "$cpu"
	got=$(($(if_stat "$host_if" rx_packets) + $(if_stat "$host_if" rx_dropped) - before))
	[ -n "$us" ] && [ $got -gt $((GUEST_FRAMES / 2)) ] ||
		bench_fail "$SUITE: $got of $GUEST_FRAMES frames came out of the guest at $host_if" || return 1
	calc "$us * 1000 / $got"
}

# Exits of all virtual CPUs so far, and those that went to QEMU.
guest_exits()
{
	cat /sys/kernel/debug/kvm/*-*/exits 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}

guest_user_exits()
{
	cat /sys/kernel/debug/kvm/*-*/mmio_exits 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}

COUNT_FILE=$BENCH_TMP/exits

# exits_note WHAT EVENTS EXITS USER_EXITS: exits for each event, in COUNT_FILE.
exits_note()
{
	printf '%s: %.2f exits, %.2f to QEMU' "$1" "$(calc "$3 / $2")" "$(calc "$4 / $2")" >"$COUNT_FILE"
}

# counted WHAT EVENTS CMD...: runs CMD; its output, and exits for each of EVENTS.
counted()
{
	local what=$1 events=$2 all user
	shift 2

	all=$(guest_exits) user=$(guest_user_exits)
	"$@" || return 1
	exits_note "$what" "$events" $(($(guest_exits) - all)) $(($(guest_user_exits) - user))
}

# beyond_idle WHAT EVENTS IDLE CMD: IDLE and CMD are commands that take as long as each other and
# print nanoseconds that threads ran. Prints what CMD ran beyond IDLE; its exits beyond IDLE's, for
# each of EVENTS, too. Idle time leaps under -icount, so no clock tells.
beyond_idle()
{
	local all user idle_all idle_user idle ns

	all=$(guest_exits) user=$(guest_user_exits)
	# shellcheck disable=SC2086	# words
	idle=$($3) || return 1
	idle_all=$(guest_exits) idle_user=$(guest_user_exits)
	# shellcheck disable=SC2086	# words
	ns=$($4) || return 1
	exits_note "$1" "$2" $(($(guest_exits) - 2 * idle_all + all)) \
		$(($(guest_user_exits) - 2 * idle_user + user))
	calc "$ns - $idle"
}
