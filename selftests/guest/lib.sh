# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the guest tests share: TAP lines, trivio's own counters, the inner guests. QEMU falls
# back to user space without a word, so a test that saw packets arrive has seen nothing yet:
# it asks the counters of the devices that its own QEMU (or testpmd) holds open.

KSFT_SKIP=4
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TRIVIO=$TOP/tools/trivio/trivio
NODE=/dev/trivio-vhost-net
n=0 failed=0

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	exit $KSFT_SKIP
}

[ -n "${TRIVIO_LAB:-}" ] || skip_all "needs the laboratory's guest images"
[ -c $NODE ] || skip_all "no $NODE: load trivio_vhost"
[ -x "$TRIVIO" ] || skip_all "tools/trivio is not built"

# shellcheck source=tools/lab/inner
. "$TOP/tools/lab/inner"
# shellcheck source=selftests/lib/wait.sh
. "$TOP/selftests/lib/wait.sh"

result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		failed=$((failed + 1))
		echo "not ok $n $2"
	fi
}

# check NAME CMD...: its output is shown if it fails.
check()
{
	local name=$1 out rc=0 start=$SECONDS
	shift

	out=$("$@" 2>&1) || rc=$?
	[ $rc = 0 ] || printf '%s\n' "$out" | tail -n 25 | sed 's/^/# /'
	result $rc "$name"
	[ -z "${GUEST_TIMES:-}" ] || echo "# $((SECONDS - start)) s: ${out//$'\n'/ | }" >&2
	return $rc
}

finish()
{
	echo "1..$n"
	[ "$failed" = 0 ]
}

# until_true SECONDS CMD...: asks again until it is true. Like all limits here, for a machine
# as slow as TCG makes it (LAB_SLOW 3); the debug kernel gets four times as much.
until_true()
{
	local end=$((SECONDS + $1 * LAB_SLOW / 3))
	shift

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# --- what trivio says --------------------------------------------------------

packets()
{
	"$TRIVIO" show --json 2>/dev/null |
		jq '[.. | objects | .counters? | select(.) | .packets] | add // 0'
}

# devices PID [FILTER]: the devices that a process owns, through a jq filter.
devices()
{
	"$TRIVIO" show --json | jq -c --argjson pid "$1" "[.[] | select(.owner_pid == \$pid)] | ${2:-.}"
}

# counter PID NAME [ROLE]: a counter's sum over all queues (of a role) of a process.
counter()
{
	devices "$1" "[.[].queues[] | select(.role == \"${3:-}\" or \"${3:-}\" == \"\") | .counters.$2] | add // 0"
}

# Is a feature negotiated on all devices of a process (and is there one)?
has_feature()
{
	[ "$(devices "$1" "length > 0 and all(.[]; .features | index(\"$2\"))")" = true ]
}

features()
{
	"$TRIVIO" show --json | grep -qi "$1"
}

# carried MIN CMD...: the command works, and trivio carried at least MIN packets.
carried()
{
	local min=$1 before after
	shift

	before=$(packets)
	"$@" || return 1
	after=$(packets)
	echo "trivio carried $((after - before)) packets"
	[ $((after - before)) -ge "$min" ]
}

no_devices()
{
	[ "$("$TRIVIO" list --json | jq '[.[] | select(.road == "vhost")] | length')" = 0 ]
}

# Nothing is left of devices whose owner ended.
gone()
{
	until_true 20 no_devices
}

inner_pid()
{
	cat "$INNER_DIR/$1/pid"
}

# --- traffic -----------------------------------------------------------------

# Both ends answer; the first packets may go while the link comes up.
ping_addr()
{
	inner_exec "$1" "ping -c 2 -W 5 $2 >/dev/null; ping -c 5 -i 0.2 -W 5 $2" || return 1
	ping -c 5 -i 0.2 -W 5 "$3"
}

ping_both()
{
	ping_addr "$1" "$(inner_addr "$1" host)" "$(inner_addr "$1" guest)"
}

# tcp_json GUEST HOST-ADDRESS ARG...: iperf3 from the guest to a server here; its JSON.
tcp_json()
{
	local g=$1 host=$2
	shift 2

	iperf3 -s -1 -D -B "$host" --pidfile "/run/iperf-$g" >/dev/null 2>&1
	listens 5201 || return 1
	inner_exec "$g" "iperf3 -c $host -J $*"
}

# tcp_addr GUEST HOST-ADDRESS [-R]: two seconds of TCP, any rate but none.
tcp_addr()
{
	local rate

	rate=$(tcp_json "$1" "$2" -t 2 "${@:3}" | jq '.end.sum_received.bits_per_second // 0 | floor')
	echo "$rate bit/s"
	[ "${rate:-0}" -gt 100000 ]
}

tcp()
{
	local g=$1
	shift

	tcp_addr "$g" "$(inner_addr "$g" host)" "$@"
}

# nic_up GUEST ADDRESS/LEN [INTERFACE]
nic_up()
{
	inner_exec "$1" "ip addr flush dev ${3:-eth0}; ip addr add $2 dev ${3:-eth0} && ip link set ${3:-eth0} up"
}
