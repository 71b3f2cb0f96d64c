#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Types, creation, removal and unloading at any time; and a client that keeps a
# device whatever it is asked: nobody but who removes that device waits for it.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
HOLDER=$HERE/holder
test_need rmmod insmod modinfo uuidgen
KO=$(modinfo -n trivio_vfio 2>/dev/null)
[ -e "$KO" ] || KO=$HERE/../../drivers/vfio/trivio_vfio.ko
trap 'holder_end; mdev_clean' EXIT
HOLDER_PID=

type_file()
{
	cat "$MDEV_PARENT/mdev_supported_types/$1/$2"
}

types()
{
	local t

	for t in trivio-net trivio-net-mq; do
		[ "$(type_file "$t" device_api)" = vfio-pci ] || return 1
		[ -n "$(type_file "$t" name)" ] && [ -n "$(type_file "$t" description)" ] || return 1
		[ "$(type_file "$t" available_instances)" -gt 0 ] || return 1
	done
	[ "$(readlink -f "$MDEV_PARENT")" = /sys/devices/virtual/trivio/trivio ]
}

# Types share their number; it comes back.
instances()
{
	local before

	before=$(type_file trivio-net available_instances)
	mdev_new 1 trivio-net && mdev_new 2 trivio-net-mq || return 1
	[ "$(type_file trivio-net available_instances)" = $((before - 2)) ] &&
		[ "$(type_file trivio-net-mq available_instances)" = $((before - 2)) ] || return 1
	mdev_del 1 && mdev_del 2 &&
		[ "$(type_file trivio-net available_instances)" = "$before" ]
}

# holder_start N [polite]: a client that keeps device N open.
holder_start()
{
	local out rc=0

	out=$(mktemp)
	"$HOLDER" "$(mdev_uuid "$1")" ${2:+"$2"} >"$out" &
	HOLDER_PID=$!
	within 20 grep -q open "$out" || rc=1
	rm -f "$out"
	return "$rc"
}

holder_end()
{
	[ -z "$HOLDER_PID" ] || kill -9 "$HOLDER_PID" 2>/dev/null
	wait "$HOLDER_PID" 2>/dev/null
	HOLDER_PID=
}

busy_when_open()
{
	local f out

	for f in name mac queues mtu ring features doorbell port; do
		out=$(LC_ALL=C mdev_set 1 "$f" "$(mdev_get 1 "$f")" 2>&1) && return 1
		case $out in *busy*) ;; *) return 1 ;; esac
	done
}

takes_effect()
{
	mdev_set 1 mtu 1400 && mdev_set 1 name vt1b && holder_start 1 || return 1
	[ "$(mdev_get 1 name)" = vt1b ] && [ -e /sys/class/net/vt1b ] && [ ! -e /sys/class/net/vt1 ]
}

# A remover that waits for the client of device 1.
remover_start()
{
	echo 1 >"$MDEV_BUS/$(mdev_uuid 1)/remove" &
	REMOVER=$!
	sleep 2
	kill -0 "$REMOVER"
}

remover_ends()
{
	within 30 fails kill -0 "$REMOVER" && mdev_gone 1
}

# Others, meanwhile: made, opened, closed, removed, and asked for.
others_go_on()
{
	local i pid=$HOLDER_PID end=$((SECONDS + 40))

	for i in 2 3 4; do
		mdev_new "$i" trivio-net && holder_start "$i" || return 1
		kill "$HOLDER_PID"
		wait "$HOLDER_PID" 2>/dev/null
		mdev_del "$i" || return 1
	done
	HOLDER_PID=$pid
	[ "$SECONDS" -lt "$end" ] && type_file trivio-net available_instances
}

# Nobody else can start a removal of it, and none has to wait.
second_remover()
{
	timeout 10 sh -c "echo 1 >$MDEV_BUS/$(mdev_uuid 1)/remove"
	[ $? -ne 124 ]
}

unload_refused()
{
	local out

	out=$(timeout 20 rmmod trivio_vfio 2>&1) && { load; return 1; }
	echo "$out"
	case $out in *"in use"*) ;; *) return 1 ;; esac
}

load()
{
	insmod "$KO" && [ -d "$MDEV_PARENT" ]
}

unload()
{
	timeout 60 rmmod trivio_vfio && [ ! -e "$MDEV_PARENT" ]
}

# Unloaded with devices that nobody has open: they go with it.
unload_with_devices()
{
	mdev_new 1 trivio-net && mdev_new 2 trivio-net-mq && holder_start 2 || return 1
	holder_end
	unload && mdev_gone 1 && mdev_gone 2 && [ ! -e /sys/class/net/vt2 ] && load
}

# Devices are made and removed all the time while the module comes and goes.
unload_race()
{
	local i pids=()

	for i in 1 2; do
		while :; do
			mdev_uuid $((16 + i)) >"$MDEV_PARENT/mdev_supported_types/trivio-net/create"
			mdev_set $((16 + i)) remove 1
		done 2>/dev/null &
		pids+=($!)
	done
	for ((i = 0; i < 8; i++)); do
		sleep 0.2
		within 20 timeout 60 rmmod trivio_vfio || break
		insmod "$KO" || break
	done
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	[ "$i" = 8 ]
}

check "types have name, description, api, instances" types
check "instances are counted, over all types" instances
check "a device" mdev_new 1 trivio-net
check "a client opens it" holder_start 1
check "settings are busy while it is open" busy_when_open
holder_end
check "settings take effect at the next open" takes_effect
check "remove waits for the client" remover_start
check "second remove does not wait" second_remover
check "other devices live and die meanwhile" others_go_on
check "unloading is refused at once" unload_refused
holder_end
check "remove ends when the client is killed" remover_ends
check "a device for a client that listens" mdev_new 1 trivio-net
check "which opens it" holder_start 1 polite
check "remove asks, the client lets go" mdev_del 1
HOLDER_PID=
check "unloading takes idle devices with it" unload_with_devices
check "creation and removal against unloading" unload_race
check "and a device works" mdev_new 1 trivio-net
check "a client opens it again" holder_start 1
holder_end
check "devices removed" mdev_clean
test_end
