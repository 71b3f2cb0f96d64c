# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the VFIO shell tests share: KTAP output, mediated devices, inner guests.

KSFT_SKIP=4
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=selftests/lib/wait.sh
. "$HERE/../lib/wait.sh"
INNER=$HERE/../../tools/lab/inner
MDEV_PARENT=/sys/class/mdev_bus/trivio
MDEV_BUS=/sys/bus/mdev/devices
DOORBELLS=(doorbell_trap doorbell_poll doorbell_kvm doorbell_fault)
test_count=0 test_failed=0

# test_need PROGRAM...: skip all without them or without the front end.
test_need()
{
	local tool

	echo "TAP version 13"
	for tool; do
		command -v "$tool" >/dev/null && continue
		echo "1..0 # SKIP $tool is not installed"
		exit $KSFT_SKIP
	done
	modprobe -q trivio_vfio
	modprobe -q vfio_iommu_type1
	[ -d "$MDEV_PARENT" ] && return
	echo "1..0 # SKIP no mdev parent trivio"
	exit $KSFT_SKIP
}

# test_need_guests PROGRAM...: the same for tests with inner guests.
test_need_guests()
{
	test_need qemu-system-x86_64 "$@"
	[ -n "${TRIVIO_LAB:-}" ] && return
	echo "1..0 # SKIP inner guests only run in the laboratory"
	exit $KSFT_SKIP
}

# check NAME CMD...: one test; its output is shown if it fails. In this shell, so that
# what it starts can be ended.
check()
{
	local name=$1 log
	shift

	log=$(mktemp)
	test_count=$((test_count + 1))
	if "$@" >"$log" 2>&1; then
		echo "ok $test_count $name"
	else
		test_failed=$((test_failed + 1))
		tail -n 25 "$log" | sed 's/^/# /'
		echo "not ok $test_count $name"
	fi
	rm -f "$log"
}

# fails CMD...: the command must not succeed.
fails()
{
	! "$@"
}

# within SECONDS CMD...: the command succeeds in that time.
within()
{
	local end=$((SECONDS + $1))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.3
	done
}

test_end()
{
	echo "1..$test_count"
	[ "$test_failed" = 0 ]
	exit
}

# --- mediated devices ---------------------------------------------------------

# The N-th device of these tests: its UUID and its MAC address.
mdev_uuid()
{
	printf '7e570000-0000-4000-8000-%012x' "$1"
}

mdev_mac()
{
	printf '52:54:00:7e:57:%02x' "$1"
}

mdev_set()
{
	echo "$3" >"$MDEV_BUS/$(mdev_uuid "$1")/$2"
}

mdev_get()
{
	cat "$MDEV_BUS/$(mdev_uuid "$1")/$2"
}

mdev_stat()
{
	mdev_get "$1" "stats/$2"
}

# mdev_new N TYPE [FILE=VALUE...]: with host interface vtN.
mdev_new()
{
	local n=$1 type=$2 kv
	shift 2

	mdev_uuid "$n" >"$MDEV_PARENT/mdev_supported_types/$type/create" || return 1
	for kv in "name=vt$n" "mac=$(mdev_mac "$n")" "$@"; do
		mdev_set "$n" "${kv%%=*}" "${kv#*=}" || return 1
	done
}

# Waits for whoever has it open, but not for ever.
mdev_del()
{
	local path

	path=$MDEV_BUS/$(mdev_uuid "$1")/remove
	timeout 60 sh -c "echo 1 >$path"
}

mdev_gone()
{
	[ ! -e "$MDEV_BUS/$(mdev_uuid "$1")" ]
}

mdev_clean()
{
	local d

	for d in "$MDEV_BUS"/7e570000-*; do
		[ ! -e "$d" ] || timeout 60 sh -c "echo 1 >$d/remove"
	done
}

# --- inner guests, always called g ---------------------------------------------

inner()
{
	"$INNER" "$@"
}

guest()
{
	"$INNER" exec g "$@"
}

guest_clean()
{
	"$INNER" stop --all >/dev/null 2>&1
	mdev_clean
}

# The name of device N's interface in the guest.
guest_if()
{
	guest "grep -l $(mdev_mac "$1") /sys/class/net/*/address | cut -d/ -f5 | grep ."
}

# net_up N: addresses 10.77.N.1 in the host, 10.77.N.2 in the guest.
net_up()
{
	local n=$1 ifname

	ip addr replace "10.77.$n.1/24" dev "vt$n" && ip link set "vt$n" up || return 1
	ifname=$(guest_if "$n") || return 1
	guest "ip addr replace 10.77.$n.2/24 dev $ifname && ip link set $ifname up"
}

rebooted()
{
	inner reboot g && net_up "$1" && ping_both "$1"
}

# The request interrupt: QEMU unplugs, the guest lets go, remove comes to an end.
removed_in_use()
{
	mdev_del "$1" && mdev_gone "$1" && within 10 fails guest_if "$1"
}

ping_host()
{
	guest "ping -c 4 -i 0.2 -w 20 10.77.$1.1"
}

ping_guest()
{
	ping -c 4 -i 0.2 -w 20 "10.77.$1.2"
}

ping_both()
{
	ping_guest "$1" && ping_host "$1"
}

# tcp N [-R]: a second of TCP between guest and host: any rate but none.
tcp()
{
	local host=10.77.$1.1 rate
	shift

	iperf3 -s -1 -D -B "$host" >/dev/null 2>&1
	listens 5201 || return 1
	rate=$(guest "iperf3 -c $host -t 1 -J $*" |
		jq '.end.sum_received.bits_per_second // 0 | floor')
	echo "$rate bit/s"
	[ "${rate:-0}" -gt 100000 ]
}

# more N STAT CMD...: the command works, and the device counted some of it.
more()
{
	local n=$1 stat=$2 before after
	shift 2

	before=$(mdev_stat "$n" "$stat")
	"$@" || return 1
	after=$(mdev_stat "$n" "$stat")
	echo "$stat: $before, then $after"
	[ "$after" -gt "$before" ]
}

# none N STAT...: never counted.
none()
{
	local n=$1 stat val
	shift

	for stat; do
		val=$(mdev_stat "$n" "$stat")
		echo "$stat: $val"
		[ "$val" = 0 ] || return 1
	done
}

# vfio N[,OPTS]: QEMU's arguments for device N, id vN.
vfio()
{
	echo "vfio-pci,id=v${1%%,*},sysfsdev=$MDEV_BUS/$(mdev_uuid "${1%%,*}")${1#"${1%%,*}"}"
}

# bells N STAT: the device's doorbells came this way and no other.
bells()
{
	local n=$1 stat=$2 s val

	for s in "${DOORBELLS[@]}"; do
		val=$(mdev_stat "$n" "$s")
		echo "$s: $val"
		if [ "$s" = "$stat" ]; then
			[ "$val" -ge 4 ] || return 1
		# Before the VMM has mapped the page, all of them are trapped.
		elif [ "$s" != doorbell_trap ] || [ "$val" -gt 20 ]; then
			[ "$val" = 0 ] || return 1
		fi
	done
}
