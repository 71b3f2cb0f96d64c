#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The command trivio, on a device that a small client (hold) keeps on a leash: what it says
# in text and JSON, its verdicts, its exit codes. KTAP output. Runs as root with
# trivio_vhost loaded.

# shellcheck disable=SC2317	# tests are called by name

KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4
HERE=$(cd "$(dirname "$0")" && pwd)
TRIVIO=${TRIVIO:-$HERE/../../tools/trivio/trivio}
TMP=$(mktemp -d)
count=0 failed=0 HOLD_ID=

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

note()
{
	echo "# $*"
}

# What a test found instead; the test fails.
bad()
{
	note "$@"
	return 1
}

# The client listens on descriptor 20 and answers on 21.
hold_start()
{
	rm -f "$TMP/in" "$TMP/answers"
	mkfifo "$TMP/in" "$TMP/answers"
	"$HERE/hold" "$@" <"$TMP/in" >"$TMP/answers" 2>&1 &
	HOLD_ID=$!
	exec 20>"$TMP/in" 21<"$TMP/answers"
	read -r -t 60 -u 21 answer tap && [ "$answer" = ok ] ||
		bad "hold: $answer $tap"
}

hold()
{
	echo "$*" >&20
	read -r -t 60 -u 21 answer && [ "$answer" = ok ] ||
		bad "hold: $* gave ${answer:-nothing}"
}

hold_stop()
{
	[ -n "$HOLD_ID" ] || return 0
	echo quit >&20
	wait "$HOLD_ID" 2>/dev/null
	HOLD_ID=
}

trap 'hold_stop; rm -rf "$TMP"' EXIT

# rc WANT COMMAND...: its exit code, and a word on stderr if it failed.
rc()
{
	local want=$1 got=0
	shift

	"$@" >"$TMP/out" 2>"$TMP/err" || got=$?
	[ "$got" = "$want" ] || { bad "$*: exit status $got, not $want: $(head -n 1 "$TMP/err")"; return; }
	[ "$want" = 0 ] || [ -s "$TMP/err" ] || bad "$*: failed without a word"
}

# is FILTER: it holds for the JSON of $TMP/out.
is()
{
	jq -e "$1" "$TMP/out" >/dev/null 2>"$TMP/jq" ||
		bad "not so: $1; $(cat "$TMP/jq") $(head -c 600 "$TMP/out" | tr -d '\n')"
}

# The first device, which is the client's.
device()
{
	"$TRIVIO" list --json | jq -r --argjson pid "$HOLD_ID" \
		'.[] | select(.owner_pid == $pid) | .name'
}

# verdict_is QUEUE VERDICT REGEX: within 20 s; a busy queue has none for the moment.
verdict_is()
{
	local want=".[0].queues[0] | .verdict == \"$2\" and (.verdict_text | test(\"$3\"))"

	for _ in $(seq 40); do
		rc 0 "$TRIVIO" show "$DEV" "$1" --json || return
		jq -e "$want" "$TMP/out" >/dev/null 2>&1 && return
		sleep 0.4
	done
	is "$want"
}

# A queue that is being served at this moment can't be nudged; it says so.
nudge_kick()
{
	for _ in $(seq 20); do
		"$TRIVIO" nudge "$DEV" 1 --kick 2>/dev/null && return
		sleep 0.2
	done
	rc 0 "$TRIVIO" nudge "$DEV" 1 --kick
}

test_list()
{
	rc 0 "$TRIVIO" list --json || return
	is 'type == "array" and length >= 1' &&
		is 'all(.[]; (.name | type) == "string" and (.id | type) == "number")' &&
		is "any(.[]; .owner == \"hold\" and .road == \"vhost\" and .class == \"net\" and
		    .state == \"running\" and .queues == 2 and .queues_running == 2)" || return
	rc 0 "$TRIVIO" list && grep -q "$DEV" "$TMP/out" || bad "no $DEV in the text"
}

test_show()
{
	rc 0 "$TRIVIO" show "$DEV" --json || return
	is 'length == 1 and (.[0].queues | length) == 2' &&
		is '.[0].features | index("VERSION_1") and index("EVENT_IDX")' &&
		is '.[0].queues[0].role == "rx" and .[0].queues[1].role == "tx"' &&
		is '.[0].queues | all(.[]; .state == "running" and .size == 64 and .layout == "split")' &&
		is '.[0].queues | all(.[]; .desc_addr > 0 and .worker_pid > 0 and .ring.live)' &&
		is '.[0].queues | all(.[]; .counters | length >= 23)' || return
	rc 0 "$TRIVIO" show "$DEV" && grep -q '^  queue 1 .*tx, running' "$TMP/out" ||
		bad "no queue 1 in the text"
}

test_show_unprivileged()
{
	rc 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRIVIO" show "$DEV" --json || return
	is '.[0].queues | all(.[]; has("desc_addr") or has("driver_addr") | not)'
}

test_counters()
{
	local before after

	before=$("$TRIVIO" show "$DEV" --json | jq '[.[].queues[].counters.packets] | add')
	hold send 10 || return
	after=$("$TRIVIO" show "$DEV" --json | jq '[.[].queues[].counters.packets] | add')
	[ $((after - before)) = 10 ] || bad "10 frames sent, $((after - before)) counted"
}

# The names in the tracepoint, in the command and in the specification are the same.
test_drop_names()
{
	local format=/sys/kernel/tracing/events/trivio/trivio_drop/format name n=0

	[ -r "$format" ] || { bad "no $format"; return; }
	rc 0 "$TRIVIO" show "$DEV" --json || return
	for name in $(grep -o '"drop_[a-z]*"' "$format" | tr -d '"'); do
		is ".[0].queues[0].counters | has(\"$name\")" || return
		n=$((n + 1))
	done
	[ "$n" = 6 ] || bad "$n drop reasons in the tracepoint"
}

test_verdict_idle()
{
	verdict_is 1 ok idle
}

# Frames without a kick: the verdict says so, and the nudge gets them going.
test_verdict_lost_kick()
{
	hold post 3 || return
	verdict_is 1 stuck '3 chains wait and the driver had to kick' || return
	nudge_kick || return
	verdict_is 1 waiting 'driver asked for a call after entry' || return
	hold reap
}

test_verdict_no_buffers()
{
	verdict_is 0 waiting 'no receive buffers'
}

test_stat()
{
	rc 0 "$TRIVIO" stat "$DEV" -i 0.2 -n 2 --json || return
	[ "$(jq -s length "$TMP/out")" = 2 ] || { bad "not two lines"; return; }
	is '.queues | length == 2 and all(.[]; .per_second.packets >= 0 and .drops_unexplained == 0)' &&
		rc 0 "$TRIVIO" stat -i 0.1 -n 1
}

# Counting is tested where the kernel has BTF, as distributions' kernels have.
btf()
{
	[ -e /sys/kernel/btf/vmlinux ] || { skip='this kernel has no BTF'; return 1; }
}

test_count()
{
	btf || return 0
	rc 0 "$TRIVIO" count --json -- sleep 0.2 || return
	is '.seconds >= 0.2 and .command_status == 0 and (.lost | type) == "number"' || return
	is '.counts.context_switches > 0 and any(.threads[]; .name == "sleep")' || return
	rc 3 "$TRIVIO" count -I no-such-iface -t 0.1 &&
		rc 6 "$TRIVIO" count -- sh -c 'echo failed >&2; exit 3'
}

# What is counted must be what was done: 50 frames, one kick and one call decision each.
test_count_exact()
{
	btf || return 0
	# shellcheck disable=SC2016	# expanded by the inner shell
	rc 0 "$TRIVIO" count --json -- bash -c \
		'echo send 50 >&20; read -r -t 60 -u 21 answer; [ "$answer" = ok ]' || return
	is '.lost == 0' || note "events were lost: only bounds are checked"
	# shellcheck disable=SC2016	# variables of jq
	is '. as $all | ["xmit", "pop", "push", "kick"] |
	    all(.[]; $all.counts["trivio_" + .] as $n | $n <= 50 and $n + $all.lost >= 50)' &&
		is '.counts.trivio_call + .counts.trivio_call_suppressed <= 50' &&
		is '.packets == 50 and .per_packet.trivio_kick == .counts.trivio_kick / 50'
}

# Each window has its own numbers: one datagram to a closed port is four packets of lo, and the
# thread that slept in the second is not in the others. Scripts sleep, too: it has its own name.
test_count_windows()
{
	local udp="bash -c 'exec -a windows-udp bash -c \"echo >/dev/udp/127.0.0.1/9\"'"

	ip link set lo up
	cp "$(command -v sleep)" "$TMP/window-nap" || return
	printf '%s\n' "lo $udp" "lo $TMP/window-nap 0.1" "lo $udp" "lo exit 3" | "$TRIVIO" count --json -w >"$TMP/lines"
	[ $? = 6 ] || bad "a command that failed must show" || return
	jq -s . "$TMP/lines" >"$TMP/out"
	is 'length == 4 and map(.packets) == [4, 0, 4, 0] and map(.command_status) == [0, 0, 0, 3]' || return
	# who ran is known where the kernel has BTF
	[ ! -e /sys/kernel/btf/vmlinux ] || {
		is 'map(any(.threads[]; .name == "window-nap")) == [false, true, false, false]' &&
			is 'all(.[]; .counts.context_switches > 0)'
	} || return
	echo "no-such-iface true" | rc 3 "$TRIVIO" count -w && rc 2 "$TRIVIO" count -w -I lo
}

test_count_without_kvm()
{
	btf || return 0
	[ ! -e /sys/module/kvm ] || { skip='kvm is loaded'; return 0; }
	rc 0 "$TRIVIO" count --json -t 0.1 &&
		is '.skipped.kvm_exit == "kvm is not loaded" and (.counts | has("kvm_exit") | not)'
}

test_debugfs()
{
	local ring=/sys/kernel/debug/trivio/$DEV/q1/ring

	[ "$(wc -l <"$ring")" = 68 ] || { bad "$(wc -l <"$ring") lines for 64 slots"; return; }
	grep -q "^$DEV queue 1: split ring of 64" "$ring" || { bad "no heading"; return; }
	! setpriv --reuid 65534 --regid 65534 --clear-groups cat "$ring" >/dev/null 2>&1 ||
		bad "anybody may read it"
}

test_events_and_error()
{
	"$TRIVIO" events -n 1 --json "$DEV" >"$TMP/event" 2>"$TMP/listen" &
	local pid=$!

	for _ in $(seq 100); do
		grep -q listening "$TMP/listen" && break
		sleep 0.1
	done
	hold break || return
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	cp "$TMP/event" "$TMP/out"
	is '.event == "error" and .queue == 1 and .error == "head-range"' || return
	verdict_is 1 broken head-range &&
		is '.[0].queues[0] | .state == "broken" and .first_error.name == "head-range" and
		    .first_error.head == 71 and .first_error.count >= 1' || return
	rc 0 "$TRIVIO" list --json && is 'any(.[]; .state == "broken" and .errors >= 1)'
}

# A client that offers a head beyond its ring breaks a rule; the vhost road, too.
test_check()
{
	rc 0 "$TRIVIO" check "$DEV" --json && is '.[0] | .mode == "off" and .rules == []' || return
	hold_stop
	hold_start || return
	DEV=$(device)
	rc 0 "$TRIVIO" check "$DEV" log && hold send 5 && rc 0 "$TRIVIO" check "$DEV" --json &&
		is '.[0] | .mode == "log" and .rules == []' || return
	hold break || return
	for _ in $(seq 50); do
		"$TRIVIO" check "$DEV" | grep -q avail-head && break
		sleep 0.1
	done
	rc 0 "$TRIVIO" check "$DEV" --json &&
		is '.[0].rules | length == 1 and (.[0] | .rule == "avail-head" and
		    .section == "2.7.6" and .queue == 1 and .head == 71 and .count >= 1)' || return
	rc 0 "$TRIVIO" show "$DEV" --json && is '.[0].check.rules[0].rule == "avail-head"' &&
		is '.[0].queues[1].counters.violations >= 1' &&
		rc 0 "$TRIVIO" check "$DEV" log && rc 0 "$TRIVIO" check "$DEV" --json &&
		is '.[0].rules == []' && rc 0 "$TRIVIO" check "$DEV" off
}

test_exit_codes()
{
	rc 2 "$TRIVIO" || return
	rc 2 "$TRIVIO" no-such-command && rc 2 "$TRIVIO" list "$DEV" &&
		rc 2 "$TRIVIO" show --no-such-option && rc 2 "$TRIVIO" nudge "$DEV" 1 &&
		rc 2 "$TRIVIO" stat -i 0 && rc 2 "$TRIVIO" stat -n x &&
		rc 3 "$TRIVIO" show no-such-device && rc 3 "$TRIVIO" show "$DEV" 2 &&
		rc 3 "$TRIVIO" show "$(printf 'x%.0s' {1..300})" &&
		rc 3 "$TRIVIO" nudge "$DEV" 9 --kick && rc 3 "$TRIVIO" stat no-such-device -n 1 &&
		rc 1 "$TRIVIO" count -p 4194304 -t 0.1 &&
		rc 5 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRIVIO" nudge "$DEV" 1 --kick &&
		rc 2 "$TRIVIO" check "$DEV" loud && rc 3 "$TRIVIO" check no-such-device log &&
		rc 5 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRIVIO" check "$DEV" log &&
		rc 5 setpriv --reuid 65534 --regid 65534 --clear-groups "$TRIVIO" count -t 0.1
}

# The family lives in the initial network namespace only, and the command says so.
test_other_namespace()
{
	rc 4 unshare -n "$TRIVIO" list && grep -q namespace "$TMP/err"
}

test_help()
{
	local c

	rc 0 "$TRIVIO" --help || return
	for c in list show stat count events check nudge doctor; do
		rc 0 "$TRIVIO" "$c" --help && grep -q EXAMPLES "$TMP/out" || { bad "$c"; return; }
	done
}

test_doctor()
{
	"$TRIVIO" doctor --json >"$TMP/out" 2>"$TMP/err"
	is 'length == 10 and all(.[]; .status == "ok" or .fix != "")' &&
		is 'map({(.check): .status}) | add | .trivio == "ok" and .trivio_vhost == "ok" and
		    .vhost_node == "ok" and .tap == "ok"'
}

test_packed()
{
	hold_stop
	hold_start packed || return
	DEV=$(device)
	hold send 5 || return
	rc 0 "$TRIVIO" show "$DEV" --json &&
		is '.[0].queues | all(.[]; .layout == "packed")' &&
		is '.[0].queues[1].counters.packets == 5' &&
		is '.[0].queues[1].ring | has("avail_wrap") and has("driver_flags")' || return
	hold post 2 || return
	verdict_is 1 stuck 'had to kick' || return
	nudge_kick || return
	hold reap && [ "$(grep -c . "/sys/kernel/debug/trivio/$DEV/q1/ring")" = 68 ]
}

test_no_device()
{
	hold_stop
	rc 0 "$TRIVIO" show --json && is 'type == "array"' &&
		rc 3 "$TRIVIO" show "$DEV" && [ ! -e "/sys/kernel/debug/trivio/$DEV" ]
}

TESTS="list show show_unprivileged verdict_idle verdict_no_buffers counters drop_names
verdict_lost_kick stat count count_exact count_windows count_without_kvm debugfs events_and_error
exit_codes check other_namespace help doctor packed no_device"

[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -e /dev/trivio-vhost-net ] || skip_all "trivio_vhost is not loaded"
[ -x "$TRIVIO" ] || skip_all "no $TRIVIO: make tools"
command -v jq >/dev/null || skip_all "needs jq"
hold_start || skip_all "no device to look at"
DEV=$(device)

echo "TAP version 13"
echo "1..$(wc -w <<<"$TESTS")"
for t in $TESTS; do
	count=$((count + 1)) skip=
	if ! "test_$t"; then
		failed=$((failed + 1))
		echo "not ok $count $t"
	elif [ -n "$skip" ]; then
		echo "ok $count $t # SKIP $skip"
	else
		echo "ok $count $t"
	fi
done
[ $failed = 0 ] && exit $KSFT_PASS
exit $KSFT_FAIL
