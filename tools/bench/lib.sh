# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the suites share: results, vDPA devices, pktgen. Runs in the laboratory under
# -icount, where a nanosecond of the clock is an instruction.

BENCH_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BENCH_TMP=${BENCH_TMP:-$(mktemp -d /tmp/bench.XXXXXX)}
BENCH_ROWS=$BENCH_TMP/rows
BENCH_FAILED=$BENCH_TMP/failed
VDPA_BUS=/sys/bus/vdpa
PKTGEN=/proc/net/pktgen

note()
{
	printf '%7.1f s  %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2
}

bench_fail()
{
	note "FAILED: $*"
	echo "$*" >>"$BENCH_FAILED"
	return 1
}

# row CASE UNIT REF OURS [ASKED [ge]]: one comparison. ASKED is the ratio ours to
# reference that was promised, at most (or at least, with ge). REF may be empty, ASKED too.
# What is in ROW_NOTE goes beside it.
row()
{
	local case=$1 unit=$2 ref=$3 ours=$4 asked=${5:-} way=${6:-le}

	[ -n "$ours" ] || { bench_fail "$SUITE: $case: nothing was measured"; return 1; }
	jq -nc --arg suite "$SUITE" --arg case "$case" --arg unit "$unit" --arg ref "$ref" \
		--arg ours "$ours" --arg asked "$asked" --arg way "$way" --arg note "${ROW_NOTE:-}" '
		($ref | tonumber? // null) as $r | ($ours | tonumber) as $o |
		($asked | tonumber? // null) as $a |
		(if $r then $o / $r else null end) as $q |
		{suite: $suite, case: $case, unit: $unit, reference: $r, trivio: $o, ratio: $q,
		 asked: $a, at_least: ($way == "ge"),
		 met: (if $q and $a then (if $way == "ge" then $q >= $a else $q <= $a end)
		       else null end),
		 note: (if $note == "" then null else $note end)}' >>"$BENCH_ROWS"
	note "$SUITE: $case: ${ref:--} -> $ours"
}

# row_note CASE CMD...: the row with a remark.
row_note()
{
	local ROW_NOTE=$1
	shift

	row "$@"
}

bench_table()
{
	[ -s "$BENCH_ROWS" ] || return 0
	printf '\n%-44s %-16s %10s %10s %7s %7s\n' case unit reference trivio ratio asked
	jq -r '[.suite + ": " + .case, .unit, .reference, .trivio, .ratio, .asked,
		(if .met == null then "-" elif .met then "met" else "MISSED" end), .note] |
		map(if . == null then "-" else . end) | @tsv' "$BENCH_ROWS" |
	while IFS=$'\t' read -r case unit ref ours ratio asked met remark; do
		printf '%-44s %-16s %10s %10s %7s %7s  %s %s\n' "$case" "$unit" \
			"$(bench_number "$ref" 1)" "$(bench_number "$ours" 1)" \
			"$(bench_number "$ratio" 3)" "$(bench_number "$asked" 3)" \
			"${met#-}" "$([ "$remark" = - ] || echo "($remark)")"
	done
}

bench_number()
{
	[ "$1" = - ] && { echo -; return; }
	printf "%.$2f" "$1"
}

# calc EXPRESSION: awk's arithmetic.
calc()
{
	awk "BEGIN { printf \"%.4f\", $1 }"
}

# --- vDPA ----------------------------------------------------------------

# Binding is by hand: this device to the kernel's own driver, that one to a process.
vdpa_modules()
{
	modprobe -qa vdpa virtio_vdpa vhost_vdpa virtio_net virtio_blk
	[ -d "$VDPA_BUS" ] && [ -d /sys/module/trivio_vdpa ] ||
		bench_fail "$SUITE: no trivio_vdpa: load it (make load)" || return 1
	echo 0 >"$VDPA_BUS/drivers_autoprobe"
}

# The kernel's own simulator, built for this kernel: build-vdpa-sim.sh, BENCH_SIM.
sim_modules()
{
	local m

	for m in vringh vdpa_sim vdpa_sim_net vdpa_sim_blk; do
		[ ! -d "/sys/module/$m" ] || continue
		modprobe -q vhost_iotlb
		insmod "${BENCH_SIM:-/nowhere}/$m.ko" 2>/dev/null || modprobe -q "$m" ||
			bench_fail "$SUITE: no $m to compare with (--sim DIR)" || return 1
	done
}

sim_unload()
{
	rmmod vdpa_sim_blk vdpa_sim_net vdpa_sim vringh 2>/dev/null
	return 0
}

# vdpa_new NAME MGMTDEV DRIVER [ATTRS...]
vdpa_new()
{
	local name=$1 mgmt=$2 driver=$3
	shift 3

	vdpa dev add name "$name" mgmtdev "$mgmt" "$@" || return 1
	echo "$driver" >"$VDPA_BUS/devices/$name/driver_override"
	echo "$name" >"$VDPA_BUS/drivers/$driver/bind"
}

vdpa_del()
{
	local d

	for d in "$@"; do
		[ ! -e "$VDPA_BUS/devices/$d" ] || vdpa dev del "$d"
		[ ! -d "/sys/kernel/config/trivio/$d" ] || rmdir "/sys/kernel/config/trivio/$d"
	done
}

vdpa_disk()
{
	local d=("$VDPA_BUS/devices/$1"/virtio*/block/*)

	[ -e "${d[0]}" ] && echo "/dev/${d[0]##*/}"
}

vdpa_netif()
{
	local d=("$VDPA_BUS/devices/$1"/virtio*/net/*)

	[ -e "${d[0]}" ] && echo "${d[0]##*/}"
}

vdpa_node()
{
	local d=("$VDPA_BUS/devices/$1"/vhost-vdpa-*)

	[ -e "${d[0]}" ] && echo "/dev/${d[0]##*/}"
}

# --- interfaces and pktgen -----------------------------------------------

# An interface that is up, says nothing of its own, and drops what it gets.
if_quiet()
{
	local i

	for i in "$@"; do
		sysctl -q -w "net.ipv6.conf.$i.disable_ipv6=1"
		ip link set "$i" up arp off
	done
}

# Frames that come in are counted and thrown away before the stack sees them.
if_drop()
{
	tc qdisc add dev "$1" clsact &&
		tc filter add dev "$1" ingress matchall action drop
}

if_mac()
{
	cat "/sys/class/net/$1/address"
}

if_stat()
{
	cat "/sys/class/net/$1/statistics/$2"
}

# insns begin|end: tell the laboratory's QEMU to count, and that it was that.
insns()
{
	# Seen and removed already while it is being made: that counts, too.
	{ : >"/lab/insns.$1"; } 2>/dev/null
	while [ -e "/lab/insns.$1" ]; do
		sleep 0.01
	done
}

# pktgen DEV MAC LEN COUNT BURST: LEN without the checksum. Its thread only runs when
# nothing else wants the CPU, so that a full ring costs no waiting. Prints the nanoseconds.
pktgen()
{
	local dev=$1 mac=$2 len=$3 count=$4 burst=$5 t=$PKTGEN/kpktgend_0 us

	[ -d $PKTGEN ] || modprobe pktgen || return 1
	chrt -i -p 0 "$(pgrep -x kpktgend_0)" || return 1
	echo rem_device_all >$t
	echo "add_device $dev" >$t || return 1
	{
		echo "count $count"
		echo "pkt_size $len"
		echo "delay 0"
		echo "dst_mac $mac"
		echo "dst 198.18.0.2"
		[ "$burst" -le 1 ] || echo "clone_skb 1000000"
		[ "$burst" -le 1 ] || echo "burst $burst"
	} | while read -r word; do
		echo "$word" >"$PKTGEN/$dev" || exit 1
	done || return 1
	[ -z "${BENCH_PROFILE:-}" ] || insns begin
	echo start >$PKTGEN/pgctrl
	[ -z "${BENCH_PROFILE:-}" ] || insns end
	us=$(sed -n 's/.*OK: \([0-9]*\)(.*/\1/p' "$PKTGEN/$dev")
	echo rem_device_all >$t
	[ -n "$us" ] && echo $((us * 1000))
}
