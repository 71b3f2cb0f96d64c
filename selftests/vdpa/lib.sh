# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the vDPA shell tests share: KTAP output, devices, profiles.

# shellcheck source=selftests/lib/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/wait.sh"
KSFT_SKIP=4
PROFILES=/sys/kernel/config/trivio
VDPA_BUS=/sys/bus/vdpa
test_count=0 test_failed=0 CHECK_SHOW=

test_need()
{
	local tool m

	echo "TAP version 13"
	for tool in vdpa "$@"; do
		command -v "$tool" >/dev/null && continue
		echo "1..0 # SKIP $tool is not installed"
		exit $KSFT_SKIP
	done
	for m in vdpa virtio_vdpa vhost_vdpa trivio_vdpa; do
		modprobe "$m" 2>/dev/null || [ -d "/sys/module/$m" ] || {
			echo "1..0 # SKIP no module $m"
			exit $KSFT_SKIP
		}
	done
	# The drivers of the virtio devices; without udev nobody loads them.
	modprobe -qa virtio_blk virtio_net || true
}

# check NAME CMD...: one test; its output is shown if it fails, or if CHECK_SHOW
# is set: what was seen is then worth reading as such.
check()
{
	local name=$1 out
	shift

	test_count=$((test_count + 1))
	if out=$("$@" 2>&1); then
		[ -z "$CHECK_SHOW" ] || [ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/# /'
		echo "ok $test_count $name"
	else
		test_failed=$((test_failed + 1))
		[ -z "$out" ] || printf '%s\n' "$out" | tail -n 20 | sed 's/^/# /'
		echo "not ok $test_count $name"
	fi
}

# fails CMD...: the command must not succeed.
fails()
{
	! "$@"
}

test_end()
{
	echo "1..$test_count"
	[ "$test_failed" = 0 ]
	exit
}

# vdpa_new NAME CLASS DRIVER [ATTRS...]: a device, bound to DRIVER.
vdpa_new()
{
	local name=$1 class=$2 driver=$3
	shift 3

	echo 0 >"$VDPA_BUS/drivers_autoprobe"
	vdpa dev add name "$name" mgmtdev "trivio_$class" "$@" && vdpa_bind "$name" "$driver"
}

vdpa_bind()
{
	echo "$2" >"$VDPA_BUS/devices/$1/driver_override" && echo "$1" >"$VDPA_BUS/drivers/$2/bind"
}

# The disk of a block device, the network interface of a net device, the node.
vdpa_disk()
{
	local d

	for d in "$VDPA_BUS/devices/$1"/virtio*/block/*; do
		[ -e "$d" ] && echo "/dev/${d##*/}"
	done
}

vdpa_netif()
{
	local d

	for d in "$VDPA_BUS/devices/$1"/virtio*/net/*; do
		[ -e "$d" ] && echo "${d##*/}"
	done
}

vdpa_node()
{
	local d

	for d in "$VDPA_BUS/devices/$1"/vhost-vdpa-*; do
		[ -e "$d" ] && echo "/dev/${d##*/}"
	done
}

# profile NAME FILE=VALUE...: settings for a device that is to be made.
profile()
{
	local name=$1 kv
	shift

	mkdir -p "$PROFILES/$name" || return 1
	for kv in "$@"; do
		echo "${kv#*=}" >"$PROFILES/$name/${kv%%=*}" || return 1
	done
}

profile_end()
{
	rmdir "$PROFILES/$1"
}

vdpa_clean()
{
	local d

	for d in "$@"; do
		[ -e "$VDPA_BUS/devices/$d" ] && vdpa dev del "$d"
		[ -d "$PROFILES/$d" ] && rmdir "$PROFILES/$d"
	done
	echo 1 >"$VDPA_BUS/drivers_autoprobe"
}

# module_load [PARAMETERS], module_unload: trivio_vdpa, as installed or as built.
module_load()
{
	local ko

	ko=$(dirname "$TRIVIO")/../../drivers/vdpa/trivio_vdpa.ko
	if [ -e "$ko" ]; then
		insmod "$ko" "$@"
	else
		modprobe trivio_vdpa "$@"
	fi
}

module_unload()
{
	rmmod trivio_vdpa
}

# reach ADDRESS: five pings are answered. Before that ARP has its time: the link is only
# just up, or the other end is slow, and ping gives up when no address is found.
reach()
{
	local end=$((SECONDS + 60))

	until ping -q -c 1 -W 2 "$1" >/dev/null; do
		[ $SECONDS -lt $end ] || break
		sleep 0.5
	done
	ping -c 5 -i 0.2 -w 60 "$1"
}

TRIVIO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/trivio/trivio

# qstat DEVICE QUEUE COUNTER: a counter of a queue; of all of a role, or of all with "-".
qstat()
{
	local pick

	case $2 in
	-) pick=. ;;
	rx | tx) pick="select(.role == \"$2\")" ;;
	*) pick="select(.index == $2)" ;;
	esac
	"$TRIVIO" show --json "$1" |
		jq "[.[].queues[] | $pick | .counters.$3] | add // 0"
}
