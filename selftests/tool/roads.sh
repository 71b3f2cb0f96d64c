#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# list, show, stat and count on devices of every road at once: a vhost device (hold), a vDPA
# block device driven by a process and a vDPA net device driven by this kernel, and a VFIO
# mediated device (hold_roads). KTAP output. Runs as root with all modules loaded.

# shellcheck disable=SC2317	# tests are called by name

KSFT_SKIP=4
HERE=$(cd "$(dirname "$0")" && pwd)
TRIVIO=${TRIVIO:-$HERE/../../tools/trivio/trivio}
BUS=/sys/bus/vdpa
TMP=$(mktemp -d)
declare -A PID NAME

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

bad()
{
	echo "# $*"
	return 1
}

# client ROAD PROGRAM ARGUMENTS...: its answers come on a FIFO, as do our wishes.
client()
{
	local road=$1 in out answer tap
	shift

	mkfifo "$TMP/$road.in" "$TMP/$road.out"
	"$@" <"$TMP/$road.in" >"$TMP/$road.out" 2>&1 &
	PID[$road]=$!
	exec {in}>"$TMP/$road.in" {out}<"$TMP/$road.out"
	IN[$road]=$in OUT[$road]=$out
	read -r -t 60 -u "$out" answer tap && [ "$answer" = ok ] || bad "$road: $answer $tap"
}

tell()
{
	local answer

	echo "$2" >&"${IN[$1]}"
	read -r -t 60 -u "${OUT[$1]}" answer && [ "$answer" = ok ] ||
		bad "$1: $2 gave ${answer:-nothing}"
}

clean()
{
	local road

	for road in "${!PID[@]}"; do
		echo quit >&"${IN[$road]}"
		wait "${PID[$road]}" 2>/dev/null
	done
	for road in trb0 trn0; do
		[ ! -e "$BUS/devices/$road" ] || vdpa dev del "$road"
	done
	ip netns del tr-guest 2>/dev/null
	echo 1 >"$BUS/drivers_autoprobe"
	rm -rf "$TMP"
}

# vdpa_make NAME CLASS DRIVER
vdpa_make()
{
	vdpa dev add name "$1" mgmtdev "trivio_$2" || return 1
	echo "$3" >"$BUS/devices/$1/driver_override"
	echo "$1" >"$BUS/drivers/$3/bind"
}

setup()
{
	echo 0 >"$BUS/drivers_autoprobe"
	vdpa_make trb0 blk vhost_vdpa && vdpa_make trn0 net virtio_vdpa || return 1
	client vhost "$HERE/hold" && client vfio "$HERE/hold_roads" vfio &&
		client vdpa "$HERE/hold_roads" vdpa "/dev/$(cd $BUS/devices/trb0 && echo vhost-vdpa-*)"
}

is()
{
	jq -e "$1" "$TMP/out" >/dev/null 2>"$TMP/jq" ||
		bad "not so: $1; $(cat "$TMP/jq") $(head -c 900 "$TMP/out" | tr -d '\n ')"
}

json()
{
	"$TRIVIO" "$@" --json >"$TMP/out" 2>"$TMP/err" || bad "trivio $*: $? $(cat "$TMP/err")"
}

# owned ROAD CLASS PROGRAM: the client's device is in the list, with its pid and name.
owned()
{
	is "any(.[]; .road == \"$1\" and .class == \"$2\" and .owner_pid == ${PID[$1]} and
	    .owner == \"$3\" and .state == \"running\" and .queues_running > 0 and .errors == 0)"
}

test_list_all_roads()
{
	json list || return
	owned vhost net hold && owned vdpa blk hold_roads && owned vfio net hold_roads &&
		is 'any(.[]; .name == "trn0" and .road == "vdpa" and .driver == "virtio_vdpa" and
		    .owner_pid == 0 and .state == "running")' &&
		is 'any(.[]; .name == "trb0" and .driver == "vhost_vdpa")' || return
	"$TRIVIO" list >"$TMP/out" && grep -q '^trn0 .*vdpa.*(virtio_vdpa)$' "$TMP/out" &&
		grep -q "^trb0 .*vdpa *blk .*${PID[vdpa]} hold_roads$" "$TMP/out" ||
		bad "the text says $(cat "$TMP/out")"
}

test_show_vdpa_blk()
{
	json show trb0 || return
	is '.[0] | .road == "vdpa" and .class == "blk" and .owner == "hold_roads"' &&
		is '.[0].features | index("VERSION_1") and index("FLUSH") and index("ACCESS_PLATFORM")' &&
		is '.[0].queues[0] | .role == "request" and .state == "running" and .size == 64 and
		    .layout == "split" and .first_error == null' || return
	tell vdpa "work 5" && json show trb0 || return
	is '.[0].queues[0] | .counters.kicks >= 5 and .counters.calls >= 1 and .counters.packets == 5' &&
		is '.[0].queues[0].ring | .last_avail == 5 and .last_used == 5 and .inflight == 0' || return
	"$TRIVIO" show trb0 >"$TMP/out" && grep -q '^  driver      vhost_vdpa' "$TMP/out" &&
		grep -q '^  status      0x0f (' "$TMP/out" || bad "the text says $(cat "$TMP/out")"
}

test_show_vdpa_net()
{
	json show trn0 || return
	is '.[0] | .road == "vdpa" and .class == "net" and .driver == "virtio_vdpa"' &&
		is '.[0].features | index("MAC") and index("MRG_RXBUF") and index("CTRL_VQ")' &&
		is '[.[0].queues[].role] | .[0] == "rx" and .[1] == "tx" and .[-1] == "ctrl"'
}

test_show_vfio()
{
	local dev

	json list || return
	dev=$(jq -r ".[] | select(.owner_pid == ${PID[vfio]}) | .name" "$TMP/out")
	# an interface that is down drops what it is sent
	ip link set "$dev" up && tell vfio "work 7" && json show "$dev" || return
	is '.[0] | .road == "vfio" and .class == "net" and .owner == "hold_roads"' &&
		is '.[0].features | index("VERSION_1") and index("ACCESS_PLATFORM") and index("CTRL_VQ")' &&
		is '.[0].queues[1] | .role == "tx" and .size == 64 and .counters.packets == 7 and
		    .ring.last_avail == 7' || return
	# What is this road's alone: the client traps, and its memory is found in the cache.
	is '.[0].road_counters | .doorbell_trap >= 7 and .mem_pins > 0 and .mem_misses > 0 and
	    .mem_hits > 0 and .resets >= 0 and .irq_intx == 0'
}

test_stat_vfio()
{
	local dev

	json list || return
	dev=$(jq -r ".[] | select(.owner_pid == ${PID[vfio]}) | .name" "$TMP/out")
	for _ in $(seq 20); do
		"$TRIVIO" stat "$dev" -i 1 -n 1 --json >"$TMP/out" 2>"$TMP/err" &
		sleep 0.3
		tell vfio "work 20" || return
		wait $! || { bad "stat: $(cat "$TMP/err")"; return; }
		jq -e '.queues[1].per_second.packets > 0' "$TMP/out" >/dev/null && break
	done
	is '.queues[1] | .role == "tx" and .per_second.packets > 0 and .per_second.bytes > 0 and
	    .per_1000_packets.kicks > 0 and .drops_unexplained == 0'
}

# The kernel's own driver at one end, the host interface at the other, each in its namespace.
test_stat_rates()
{
	local guest

	guest=$(cd "$BUS/devices/trn0" && echo virtio*/net/*)
	guest=${guest##*/}
	ip netns add tr-guest && ip link set "$guest" netns tr-guest &&
		ip -n tr-guest addr add 10.79.0.2/24 dev "$guest" && ip -n tr-guest link set "$guest" up &&
		ip addr add 10.79.0.1/24 dev trn0 && ip link set trn0 up || return
	ip netns exec tr-guest ping -q -i 0.05 -w 60 10.79.0.1 >"$TMP/ping" &
	# on a busy machine the first looks may see nothing
	for _ in $(seq 40); do
		"$TRIVIO" stat trn0 -i 0.5 -n 1 --json >"$TMP/out" || { bad "stat: $?"; return; }
		jq -e '[.queues[] | select(.role != "ctrl") | .per_second.packets > 0] | all' \
			"$TMP/out" >/dev/null && break
	done
	kill $!
	is '.queues | map(select(.role == "tx" or .role == "rx")) | length == 2 and
	    all(.[]; .per_second.packets > 0 and .per_second.bytes > 0 and
	    .per_1000_packets.kicks >= 0 and .drops_unexplained == 0)'
}

# Who carries: the process that kicks a vDPA device does its requests itself or wakes a
# worker, so what is asserted is the sum, and where the frames went.
test_count_movers()
{
	[ -e /sys/kernel/btf/vmlinux ] || { skip=1; return 0; }
	"$TRIVIO" count --json -p "${PID[vfio]}" -p "${PID[vhost]}" -- bash -c \
		"echo work 9 >&${IN[vfio]}; read -r -t 60 -u ${OUT[vfio]} a
		 echo send 6 >&${IN[vhost]}; read -r -t 60 -u ${OUT[vhost]} a; [ \$a = ok ]" >"$TMP/out" ||
		{ bad "count: $?"; return; }
	is ".pids == [${PID[vfio]}, ${PID[vhost]}]" && is '.counts.trivio_xmit >= 15' &&
		is '([.movers[].out] | add) == .counts.trivio_xmit' &&
		is '[.movers[] | select(.name | startswith("vhost-")) | .out] | add == 6' &&
		is '[.movers[] | select(.softirq) | .out] | add >= 9'
}

test_first_error()
{
	local road dev

	for road in vdpa vfio; do
		tell "$road" break || return
		for _ in $(seq 50); do
			json list || return
			dev=$(jq -r ".[] | select(.road == \"$road\" and .owner_pid == ${PID[$road]}) |
				select(.state == \"broken\") | .name" "$TMP/out")
			[ -z "$dev" ] || break
			sleep 0.2
		done
		[ -n "$dev" ] || { bad "$road: not broken: $(cat "$TMP/out")"; return; }
		json show "$dev" || return
		is '[.[0].queues[] | select(.state == "broken")] | length == 1 and
		    (.[0].first_error | .name == "head-range" and .head == 71) and
		    .[0].verdict == "broken"' || return
	done
	# the neighbours go on
	json list && owned vhost net hold && is 'any(.[]; .name == "trn0" and .state == "running")'
}

test_owner_goes()
{
	echo quit >&"${IN[vdpa]}"
	wait "${PID[vdpa]}"
	unset "PID[vdpa]"
	json list && is 'any(.[]; .name == "trb0" and .owner_pid == 0 and .state != "running")'
}

declare -A IN OUT
TESTS="list_all_roads show_vdpa_blk show_vdpa_net show_vfio stat_vfio stat_rates count_movers first_error owner_goes"

[ "$(id -u)" = 0 ] || skip_all "needs root"
for tool in jq vdpa ping; do
	command -v $tool >/dev/null || skip_all "needs $tool"
done
[ -x "$TRIVIO" ] || skip_all "no $TRIVIO: make tools"
[ -e /dev/trivio-vhost-net ] || skip_all "trivio_vhost is not loaded"
modprobe -qa vhost_vdpa virtio_vdpa virtio_net
[ -d $BUS/drivers/vhost_vdpa ] && [ -d $BUS/drivers/virtio_vdpa ] ||
	skip_all "no vDPA bus drivers in this kernel"
[ -d /sys/class/mdev_bus/trivio ] || skip_all "trivio_vfio is not loaded"

trap clean EXIT
echo "TAP version 13"
setup || { echo "1..1"; echo "not ok 1 devices of all roads"; exit 1; }
n=0 failed=0
for t in $TESTS; do
	n=$((n + 1)) skip=0
	if ! "test_$t"; then
		failed=1
		echo "not ok $n $t"
	elif [ $skip = 1 ]; then
		echo "ok $n $t # SKIP this kernel has no BTF"
	else
		echo "ok $n $t"
	fi
done
echo "1..$n"
exit $failed
