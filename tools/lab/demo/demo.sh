#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the laboratory ("lab demo [ROAD...]"): one guest with a virtio-net device for each
# road, measured one after the other with the same traffic. Prints tables, writes
# /lab/demo.json. Ends well only if every row worked and trivio's own counters prove which
# road carried the packets: QEMU falls back to user space without a word.

HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source=tools/lab/inner
. "$HERE/../inner"
# shellcheck source=tools/lab/demo/roads.sh
. "$HERE/roads.sh"
# shellcheck source=tools/lab/demo/table.sh
. "$HERE/table.sh"

TRIVIO=$HERE/../../trivio/trivio
PINGS=${DEMO_PINGS:-20}
SECS=${DEMO_SECS:-1}
COUNT_SECS=${DEMO_COUNT_SECS:-1}
TRIES=${DEMO_TRIES:-3}
FAILED=0 RESTARTS=0 BOOT_ID=
SERVER=/tmp/demo-iperf.pid
COUNT_PID='' COUNT_IN='' COUNT_OUT=''
ROWS=() WANTED=() ROAD_ARGS=() ROAD_FDS=()
ERRORS=() MINS=() AVGS=() TRIED=()	# by number of the road

note()
{
	printf '%5.1f s  %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2
}

die()
{
	note "FAILED: $*"
	exit 1
}

# The row stays in the table, with the first thing that went wrong.
row_fail()
{
	note "FAILED: $ROW_NAME: $*"
	ROW_ERROR=${ROW_ERROR:-$*}
}

row_done()
{
	[ -z "$ROW_ERROR" ] || FAILED=1
	ROWS+=("$1")
}

# wanted [ROAD...]: their numbers; without arguments, of all that need not be asked for.
wanted()
{
	local i key

	for key in "$@"; do
		[ -n "${ROAD_NAME[$key]:-}" ] || die "no road $key (${ROADS[*]})"
	done
	for i in "${!ROADS[@]}"; do
		if [ $# -gt 0 ]; then
			[[ " $* " != *" ${ROADS[i]} "* ]] || WANTED+=("$i")
		elif [ "$i" -lt $((${#ROADS[@]} - ROADS_ASKED)) ]; then
			WANTED+=("$i")
		fi
	done
}

# row_missing I WHY: a road that is not to be had is a row, too; the others go on.
row_missing()
{
	ROW_NAME=${ROAD_NAME[${ROADS[$1]}]} ROW_ERROR=
	row_fail "$2"
	row_done "$(row_bare "$1")"
}

# row_bare I: a row without figures.
# shellcheck disable=SC2016	# jq's variables
row_bare()
{
	jq -n --arg road "${ROADS[$1]}" --arg name "$ROW_NAME" --arg error "$ROW_ERROR" \
		'{road: $road, name: $name, error: $error}'
}

guest_boot_id()
{
	inner_exec demo -t $((5 * LAB_SLOW)) 'cat /proc/sys/kernel/random/boot_id' 2>/dev/null
}

# roads_keep WHY CMD...: the roads for which it does not work are rows without figures.
roads_keep()
{
	local why=$1 i made=()
	shift

	for i in "${WANTED[@]}"; do
		if "$@" "$i"; then
			made+=("$i")
		else
			row_missing "$i" "$why"
		fi
	done
	WANTED=("${made[@]}")
}

road_make()
{
	"road_make_${ROADS[$1]}" "$1"
}

road_ready()
{
	[ "${ROADS[$1]}" != dpdk ] || road_ready_dpdk "$1"
}

road_in_guest()
{
	[[ $UP == *" $1 "* ]]
}

guest_start_once()
{
	local fd rc=0 UP

	modprobe tun
	roads_keep "the host's side cannot be made" road_make
	roads_keep "the host's side does not start" road_ready
	note "starting the guest"
	inner_start demo --mem 384 --memfd --wait $((30 * LAB_SLOW)) -- "${ROAD_ARGS[@]}" || rc=1
	for fd in "${ROAD_FDS[@]}"; do
		exec {fd}>&-
	done
	[ $rc = 0 ] || return 1
	QEMU_PID=$(inner_main pid demo)
	roads_keep "no interface on the host" road_up_host
	UP=" $(roads_up_guest | tr '\n' ' ') "
	server_start
	roads_keep "no interface in the guest" road_in_guest
	BOOT_ID=$(guest_boot_id)
}

# The emulator can lose a guest while it boots, too (guest_lost).
guest_start()
{
	local i

	for ((i = 1; i < TRIES; i++)); do
		guest_start_once && return 0
		note "the guest did not start: once more"
		RESTARTS=$((RESTARTS + 1))
		guest_end
	done
	guest_start_once
}

guest_end()
{
	! inner_alive demo || inner_stop demo
	server_end
	roads_clean
	ROAD_ARGS=() ROAD_FDS=()
}

# The emulator below the laboratory can deliver a guest's interrupt twice, which stops the
# guest or has it reboot (Documentation/lab.rst). Its addresses are gone then, and what was
# counted is worth nothing.
guest_lost()
{
	local is

	is=$(guest_boot_id)
	[ -z "$is" ] || [ "$is" != "$BOOT_ID" ]
}

# "demo.sh traffic I FILE SECONDS": TCP out of the guest and into it, Mbit/s to FILE. Once as it is, for
# the rates, and once below "trivio count": its programs run at each tracepoint, and trivio's roads
# have more of them than the others.
traffic()
{
	local cmd="iperf3 -c 10.8.$1.1 -t $3 -J"

	inner_exec demo -t $((15 * LAB_SLOW)) "$cmd && $cmd -R" |
		jq -sc 'map(.end.sum_received.bits_per_second // 0 | . / 1e6 | round) |
			{out: (.[0] // 0), in: (.[1] // 0)}' >"$2"
}

# The host's end of the traffic, one for all roads.
server_start()
{
	iperf3 -s -D --pidfile "$SERVER"
}

server_end()
{
	local i

	[ ! -e "$SERVER" ] || kill "$(tr -d '\0' <"$SERVER")"
	rm -f "$SERVER"
	# Another can only listen when this one does not any more.
	for ((i = 0; i < 50 * LAB_SLOW; i++)); do
		[ -n "$(ss -Hltn 'sport = :5201')" ] || break
		sleep 0.1
	done
}

# serve I CMD...: runs it with the road's backend awake. A server that a row left in the middle of a
# test would refuse the next row.
serve()
{
	local key=${ROADS[$1]}
	shift

	[ "$key" != dpdk ] || dpdk_say start
	"$@"
	[ "$key" != dpdk ] || dpdk_say stop
	if [ -n "$ROW_ERROR" ]; then
		server_end
		server_start
	fi
}

# moved FILE: traffic() has seen some both ways.
moved()
{
	[[ $(cat "$1") =~ ^\{\"out\":[1-9][0-9]*,\"in\":[1-9] ]]
}

row_ping()
{
	local i=$1 out

	# the first packets also find the neighbour
	out=$(inner_exec demo "ping -q -c 2 -i 0.05 -W 5 10.8.$i.1 >/dev/null
		ping -q -c $PINGS -i 0.02 -W 5 10.8.$i.1") || row_fail "ping"
	read -r "MINS[$i]" "AVGS[$i]" < <(sed -n 's|^rtt.*= \([0-9.]*\)/\([0-9.]*\)/.*|\1 \2|p' <<<"$out")
}

# What is measured with nothing attached that counts.
row_rates()
{
	local i=$1

	ROW_NAME=${ROAD_NAME[${ROADS[i]}]} ROW_ERROR=
	note "$ROW_NAME"
	echo '{"out":0,"in":0}' >"/tmp/rates.$i"
	row_ping "$i"
	traffic "$i" "/tmp/rates.$i" "$SECS"
	moved "/tmp/rates.$i" || row_fail "iperf3"
	ERRORS[i]=$ROW_ERROR
}

# One "trivio count" for all rows: to attach its programs, and to detach them, takes seconds.
count_start()
{
	local pids=(-p "$QEMU_PID")

	note "attaching the counters"
	[ -z "${DPDK_PID:-}" ] || pids+=(-p "$DPDK_PID")
	coproc COUNTER { exec "$TRIVIO" count --json --windows "${pids[@]}"; }
	# shellcheck disable=SC2153	# bash sets it
	COUNT_PID=$COUNTER_PID
	exec {COUNT_IN}>&"${COUNTER[1]}" {COUNT_OUT}<&"${COUNTER[0]}"
	eval "exec ${COUNTER[1]}>&- ${COUNTER[0]}<&-"
}

# Its programs are detached meanwhile, until count_wait.
count_end()
{
	[ -z "$COUNT_PID" ] || exec {COUNT_IN}>&- {COUNT_OUT}<&-
}

count_wait()
{
	[ -z "$COUNT_PID" ] || wait "$COUNT_PID"
	COUNT_PID=''
}

# Of the row at hand: the packets that were counted, how the command ended; what trivio's own
# counters say was carried between two lists, and by which road; the same as JSON.
# shellcheck disable=SC2016	# jq's variables
carried()
{
	jq -nr --slurpfile was /tmp/before --slurpfile is /tmp/after --slurpfile count /tmp/count '
		[$is[0][] | .name as $n | {device: .name, road,
			packets: (.packets - ([$was[0][] | select(.name == $n).packets][0] // 0))}] |
		max_by(.packets) // {packets: 0} | if .packets > 0 then . else {packets: 0} end |
		"\($count[0].packets // 0) \($count[0].command_status // 0) \(.packets) \(.road // "none") \(tojson)"'
}

# row_proof ROAD PACKETS N BY: the road that was meant must have carried at least nine tenths; no
# trivio device the others.
row_proof()
{
	local want=$1 packets=$2 n=$3 road=$4

	if [ "$want" = none ]; then
		[ "$n" -lt $((packets / 10)) ] || row_fail "trivio's $road road carried it"
	elif [ "$road" != "$want" ]; then
		row_fail "carried by $road, not by trivio's $want road: QEMU fell back to user space?"
	elif [ "$n" -lt $((packets * 9 / 10)) ]; then
		row_fail "trivio counted $n of $packets packets"
	fi
}

row_count()
{
	local i=$1 key=${ROADS[$1]} count='{}' carried packets=0 status n road

	ROW_NAME=${ROAD_NAME[$key]} ROW_ERROR=${ERRORS[i]}
	note "$ROW_NAME, counted"
	echo '{"out":0,"in":0}' >/tmp/traffic
	"$TRIVIO" list --json >/tmp/before
	echo "demo$i $0 traffic $i /tmp/traffic $COUNT_SECS" >&"$COUNT_IN"
	read -r -t $((100 * LAB_SLOW)) -u "$COUNT_OUT" count || row_fail "trivio count gave no result"
	"$TRIVIO" list --json >/tmp/after
	echo "$count" >/tmp/count
	moved /tmp/traffic || row_fail "iperf3 while counting"
	read -r packets status n road carried < <(carried)
	[ "$status" = 0 ] || row_fail "the counted command ended with $status"
	[ "$packets" -gt 0 ] || row_fail "no packets"
	row_proof "${ROAD_PROOF[$key]}" "$packets" "$n" "$road"
	ROW=$(jq -n -f "$HERE/row.jq" --arg road "$key" --arg name "$ROW_NAME" --arg min "${MINS[i]}" \
		--arg avg "${AVGS[i]}" --arg err "$ROW_ERROR" --arg proof "${ROAD_PROOF[$key]}" \
		--argjson carried "$carried" --slurpfile tt "/tmp/rates.$i" --slurpfile cc /tmp/count)
}

# The guest was lost below row I, which is not the row's failure: a new guest, and true. That is
# shown, and counted.
once_more()
{
	local i=$1

	[ -n "$ROW_ERROR" ] && [ "${TRIED[i]:-1}" -lt "$TRIES" ] && guest_lost || return 1
	note "the guest stopped or rebooted under $ROW_NAME: once more, with a new guest"
	TRIED[i]=$((${TRIED[i]:-1} + 1)) RESTARTS=$((RESTARTS + 1))
	count_end
	guest_end
	count_wait
	guest_start || die "the guest did not start again"
}

measure()
{
	local i

	for i in "${WANTED[@]}"; do
		serve "$i" row_rates "$i"
		while once_more "$i"; do
			serve "$i" row_rates "$i"
		done
	done
	[ ${#WANTED[@]} = 0 ] || count_start
	while [ ${#WANTED[@]} -gt 0 ]; do
		i=${WANTED[0]} ROW=
		serve "$i" row_count "$i"
		if once_more "$i"; then
			count_start
			continue
		fi
		row_done "${ROW:-$(row_bare "$i")}"
		WANTED=("${WANTED[@]:1}")
	done
	count_end
}

main()
{
	[ -x "$TRIVIO" ] || die "tools/trivio is not built"
	wanted "$@"
	! find /sys/class/net "$VDPA_BUS/devices" /sys/bus/mdev/devices -mindepth 1 2>/dev/null |
		grep -qv '/lo$' || guest_end
	note "making ${#WANTED[@]} network devices"
	guest_start || die "the guest did not start"
	measure
	note "ending"
	guest_end
	count_wait
	printf '%s\n' "${ROWS[@]}" | jq -s --arg accel "${LAB_ACCEL:-}" --arg kernel "$(uname -r)" \
		--argjson restarts "$RESTARTS" '{kernel: $kernel, accel: $accel, restarts: $restarts,
		ok: all(.[]; .error == null), rows: .}' >/lab/demo.json
	if [ "${LAB_JSON:-0}" = 1 ]; then
		cat /lab/demo.json
	else
		table /lab/demo.json
	fi
	exit $FAILED
}

case ${1:-} in
traffic) traffic "$2" "$3" "$4" ;;
*) main "$@" ;;
esac
