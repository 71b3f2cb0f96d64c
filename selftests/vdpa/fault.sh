#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Faults on purpose: each does what it says to a stock driver, and counts it.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need dd
F=$PROFILES/tf0/faults
trap 'faults_off; vdpa_clean tf0' EXIT

faults_off()
{
	local f

	for f in "$F"/*/every; do
		[ -e "$f" ] && echo 0 >"$f"
	done
}

# fault KIND EVERY [FILE=VALUE...]
fault()
{
	local kind=$1 every=$2 kv
	shift 2

	for kv in "$@"; do
		echo "${kv#*=}" >"$F/$kind/${kv%%=*}" || return 1
	done
	echo "$every" >"$F/$kind/every"
}

hits()
{
	cat "$F/$1/hits"
}

read_disk()
{
	timeout "${2:-60}" dd if="$(vdpa_disk tf0)" of=/dev/null bs=4k count="$1" \
		iflag=direct status=none
}

no_faults()
{
	local f

	for f in "$F"/*/hits; do
		[ "$(cat "$f")" = 0 ] || return 1
	done
}

profile tf0 queues=1 capacity=16M
check "device with faults, all off" vdpa_new tf0 blk virtio_vdpa
check "reads work" read_disk 64
check "none was counted" no_faults

check "one request fails" fault io_error 1 times=1
check "the driver saw it" fails read_disk 1
check "it was counted" test "$(hits io_error)" = 1
check "the next one is good" read_disk 64

# Calls are wanted here at nearly each flush, so a late call is what recurs.
seeded()
{
	local a b

	faults_off
	echo 7 >"$F/seed"; fault late_call 5 value=1; read_disk 100 || return 1
	a=$(hits late_call)
	faults_off
	echo 7 >"$F/seed"; fault late_call 5 value=1; read_disk 100 || return 1
	b=$(hits late_call)
	echo "hits $a $b"
	[ "$a" = "$b" ] && [ "$a" -gt 0 ]
}
check "the same seed, the same faults" seeded
faults_off

slow()
{
	local start=$SECONDS

	fault io_delay 1 value=500 times=4 && read_disk 4 && [ $((SECONDS - start)) -ge 2 ]
}
check "delayed requests take their time" slow
faults_off

# With an event index no later completion is worth a call either, so the request
# waits until there is one that nobody asked for.
lost()
{
	fault lost_call 1 times=1 || return 1
	read_disk 1 &
	sleep 2
	kill -0 $! 2>/dev/null && [ "$(hits lost_call)" = 1 ] || return 1
	fault spurious_call 1
	read_disk 1 && wait $!
}
check "a lost call holds a request up, a spurious one frees it" lost
faults_off

config()
{
	fault config 1 times=5 && read_disk 16 && [ "$(hits config)" = 5 ]
}
check "configuration changes" config
faults_off

test_end
