#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What becomes of a kernel driver's wrong addresses: never mapped, unmapped before they are used,
# mapped the wrong way round or too short. bad_driver/ is the driver. Nothing may be read or
# written, the device says NEEDS_RESET, and its first error has the address. What is seen of it
# is printed: Documentation/faults.rst quotes it.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need dd cmp jq
KO=$(cd "$(dirname "$0")" && pwd)/bad_driver/bad_driver.ko
REQUEST=$VDPA_BUS/devices/bd0/request
DATA=/tmp/dma.$$
[ -e "$KO" ] || {
	echo "1..0 # SKIP $KO is not built"
	exit $KSFT_SKIP
}
CHECK_SHOW=1
busy_pid=

end()
{
	[ -z "$busy_pid" ] || kill "$busy_pid" 2>/dev/null
	vdpa_clean bd0 bd1
	rmmod bad_driver 2>/dev/null
	rm -f "$DATA"
}
trap end EXIT

# word NAME: what the driver says of its last request.
word()
{
	local name value

	while read -r name value; do
		[ "$name" != "$1" ] || echo "$value"
	done <"$REQUEST"
}

# request WHAT BUG [BYTE]
request()
{
	echo "$*" >"$REQUEST"
}

# is NAME VALUE...
is()
{
	local said

	said=$'\n'$(<"$REQUEST")$'\n'
	while [ $# -gt 1 ]; do
		[[ $said == *$'\n'"$1 $2"$'\n'* ]] || {
			echo "$1 is not $2:$said"
			return 1
		}
		shift 2
	done
}

good()
{
	request "$@" && is used 1 status 0x0 around intact device 0xf told no
}

# What the sector has, read with a good driver.
sector()
{
	good read good && is data "$1"
}

# shown ERROR OFFSET HEAD: the first error is that, OFFSET behind the address that was told.
shown()
{
	local out want

	want="error     $1 at head $3, address $(printf '%#x' $(($(word address) + $2))),"
	out=$("$TRIVIO" show bd0 0)
	[[ $out == *", broken"*"$want"*", 1 since"* ]] || {
		echo "expected: $want"
		echo "$out"
		return 1
	}
	grep -F "$want" <<<"$out"
}

# bad WHAT BUG ERROR OFFSET [HEAD]: the request has no end, memory and disk are untouched, the
# driver is told, and after a reset it is served as before.
bad()
{
	local seen=0xc3

	[ "$1" != write ] || seen=0x77
	request "$1" "$2" 0x77 &&
		is used 0 status 0xc3 data "$seen" around intact device 0x4f told yes &&
		shown "$3" "$4" "${5:-3}" && sector 0x5a && return
	# What was written to the disk is no fault of the next one's.
	request write good
	return 1
}

# The slot of the mapping is the next one's, so only its generation tells the two.
reused()
{
	request "$1" reused && [ $((($(word address) ^ $(word other)) << 20)) = 0 ] &&
		[ $(($(word address))) != $(($(word other))) ]
}

# log TEXT: in the kernel's log since the mark.
log()
{
	dmesg | sed "1,/dma.sh: $$/d" | grep -F "$1"
}

logged()
{
	log "trivio: bd0: queue 0 stopped: $1 (head 3, address $(word address))"
}

fill()
{
	dd if=/dev/urandom of="$DATA" bs=64k count=16 status=none &&
		dd if="$DATA" of="$(vdpa_disk bd1)" bs=64k oflag=direct status=none
}

# Until something is read that is not what was written.
busy()
{
	while dd if="$1" bs=64k count=16 iflag=direct status=none | cmp - "$DATA"; do
		sleep 0.1
	done
}

# It reads on, and all it has read was right.
others()
{
	local n

	n=$(qstat bd1 - bytes)
	sleep 1
	kill -0 "$busy_pid" && [ "$(qstat bd1 - bytes)" -gt "$n" ] && [ "$(qstat bd1 - errors)" = 0 ] &&
		"$TRIVIO" show --json bd1 | jq -e '.[0].status == 15' >/dev/null
}

echo "dma.sh: $$" >/dev/kmsg
check "the driver with bugs is there" insmod "$KO"
profile bd0 queues=1 capacity=16M
profile bd1 queues=1 capacity=16M
check "a device for it" vdpa_new bd0 blk bad_driver
check "another, with a stock driver" vdpa_new bd1 blk virtio_vdpa
check "that has data" fill
busy "$(vdpa_disk bd1)" >/dev/null 2>&1 &
busy_pid=$!
check "no such bug" fails request read strange

check "a good driver writes" good write good 0x5a
check "and reads it again" sector 0x5a
check "over an indirect table, too" good table good

check "read to what was never mapped" bad read never unmapped 0
request read never
check "and the log names the address" logged unmapped
for what in read write; do
	[ $what = read ] || check "$what: never mapped" bad $what never unmapped 0
	check "$what: an address of nothing" bad $what wild unmapped 0
	check "$what: late, unmapped already" bad $what late unmapped 0
	check "$what: late, and mapped for another" bad $what reused unmapped 0
	check "$what: which has the same slot" reused $what
	check "$what: mapped the other way round" bad $what direction perm 0
	check "$what: beyond the end of the mapping" bad $what beyond unmapped 256
	check "$what: before its begin" bad $what before unmapped 0
done
for bug in never wild late reused direction beyond before; do
	check "indirect table: $bug" bad table $bug indirect-read 0
	check "ring: $bug" bad ring $bug ring-map 0 0
done
check "other devices go on" others

check "the driver is unbound with a broken queue" sh -c \
	"echo read late >$REQUEST; echo bd0 >$VDPA_BUS/drivers/bad_driver/unbind"
check "a stock driver takes the device" vdpa_bind bd0 virtio_vdpa
check "and reads what was written" sh -c \
	"dd if=$(vdpa_disk bd0) bs=512 skip=8 count=1 status=none | tr -d '\\132' | wc -c | grep -qx 0"
kill "$busy_pid"
wait "$busy_pid" 2>/dev/null
busy_pid=
check "devices go" sh -c "timeout 60 vdpa dev del bd0 && timeout 60 vdpa dev del bd1"
check "no mapping was left behind" fails log "left"
check "the driver goes" rmmod bad_driver

test_end
