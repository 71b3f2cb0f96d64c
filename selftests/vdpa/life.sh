#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Life of vDPA devices under iproute2's vdpa tool and configfs profiles.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need dd fio jq ip
trap 'vdpa_clean tl0 tl1' EXIT

mgmt_has()
{
	vdpa -j mgmtdev show | jq -e --arg m "$1" --arg c "$2" \
		'.mgmtdev[$m].supported_classes | index($c)'
}

dev_json()
{
	vdpa -j dev show "$1" | jq -e "$2"
}

net_config()
{
	vdpa -j dev config show tl0 | jq -e '.config.tl0 |
		.mac == "52:54:00:12:34:56" and .mtu == 1400 and
		.max_vq_pairs == 2'
}

# The tool's exit status says nothing here.
vstats()
{
	vdpa dev vstats show tl0 qidx "$1" 2>/dev/null | grep -q "kicks [0-9]"
}

check "trivio_net is a management device for net" mgmt_has trivio_net net
check "trivio_blk is a management device for block" mgmt_has trivio_blk block

check "add a net device with mac, mtu and max_vqp" vdpa_new tl0 net virtio_vdpa \
	mac 52:54:00:12:34:56 mtu 1400 max_vqp 2
check "it is shown" dev_json tl0 '.dev.tl0.type == "network"'
check "it has five queues" dev_json tl0 '.dev.tl0.max_vqs == 5'
check "config show says what was set" net_config
check "the host has an interface of its name" test -d /sys/class/net/tl0
check "vstats show names counters" vstats 0
check "vstats of a queue it has not is refused" fails vstats 77
check "a second device of the name is refused" fails vdpa dev add name tl0 mgmtdev trivio_blk
# says TEXT CMD...: it fails, and says so.
says()
{
	local text=$1 out
	shift

	out=$(LC_ALL=C "$@" 2>&1) && return 1
	echo "$out"
	[[ $out == *"$text"* ]]
}
check "no profile for a device that lives without one" says "resource busy" mkdir "$PROFILES/tl0"
check "delete" vdpa dev del tl0
check "the interface went with it" fails test -e /sys/class/net/tl0

check "mtu 60 is refused" fails vdpa dev add name tl0 mgmtdev trivio_net mtu 60
check "max_vqp 0 is refused" fails vdpa dev add name tl0 mgmtdev trivio_net max_vqp 0
check "max_vqp 60000 is refused" fails vdpa dev add name tl0 mgmtdev trivio_net max_vqp 60000
check "a name too long for an interface is refused" fails \
	vdpa dev add name a2345678901234567890 mgmtdev trivio_net
check "nothing was left behind" fails test -e /sys/class/net/a2345678901234567890

check "profile: capacity, queues, serial" profile tl1 capacity=3M queues=3 serial=sn-1234
check "profile: a bad block size is refused" fails profile tl1 block_size=1000
check "profile: a bad queue size is refused" fails profile tl1 queue_max=70000
check "add a block device of that profile" vdpa_new tl1 blk virtio_vdpa
check "its capacity" test "$(blockdev --getsize64 "$(vdpa_disk tl1)")" = 3145728
check "its queues" dev_json tl1 '.dev.tl1.max_vqs == 3'
check "its serial" grep -q sn-1234 "/sys/block/$(basename "$(vdpa_disk tl1)")/serial"
check "queues can't change while it lives" fails profile tl1 queues=1
check "capacity can" profile tl1 capacity=5M
check "the driver saw the new capacity" timeout 20 sh -c \
	"until [ \$(blockdev --getsize64 $(vdpa_disk tl1)) = 5242880 ]; do sleep 0.2; done"

rebind()
{
	local i

	for i in 1 2 3; do
		echo tl1 >"$VDPA_BUS/drivers/virtio_vdpa/unbind" &&
		echo vhost_vdpa >"$VDPA_BUS/devices/tl1/driver_override" &&
		echo tl1 >"$VDPA_BUS/drivers/vhost_vdpa/bind" &&
		[ -e "$VDPA_BUS/drivers/vhost_vdpa/tl1" ] &&
		echo tl1 >"$VDPA_BUS/drivers/vhost_vdpa/unbind" &&
		echo virtio_vdpa >"$VDPA_BUS/devices/tl1/driver_override" &&
		echo tl1 >"$VDPA_BUS/drivers/virtio_vdpa/bind" || return 1
	done
}
check "from virtio_vdpa to vhost_vdpa and back, three times" rebind
check "its disk is there again" test -b "$(vdpa_disk tl1)"

# Reads under way while the device goes; they may fail, nothing may hang.
del_under_load()
{
	local disk pid

	disk=$(vdpa_disk tl1)
	(while dd if="$disk" of=/dev/null bs=4k iflag=direct; do :; done) >/dev/null 2>&1 &
	pid=$!
	sleep 1
	timeout 60 vdpa dev del tl1 || return 1
	wait "$pid"
	! [ -e "$VDPA_BUS/devices/tl1" ]
}
check "delete under load" del_under_load

many()
{
	local i

	for i in $(seq 20); do
		vdpa dev add name tl0 mgmtdev trivio_net &&
		vdpa dev add name tl1 mgmtdev trivio_blk &&
		vdpa dev del tl0 && vdpa dev del tl1 || return 1
	done
}
check "twenty times add and delete" many

# A profile acts on its device as long as that lives, so it can't go before it.
pinned()
{
	profile tl0 && vdpa dev add name tl0 mgmtdev trivio_net || return 1
	says "resource busy" rmdir "$PROFILES/tl0" && ip link set tl0 up &&
		echo down >"$PROFILES/tl0/link" && [ "$(cat /sys/class/net/tl0/carrier)" = 0 ]
}

# What was refused holds nothing.
refused()
{
	profile tl0 iova_first=7 iova_last=7 && fails vdpa dev add name tl0 mgmtdev trivio_net &&
		fails vdpa dev add name tl0 mgmtdev trivio_net && rmdir "$PROFILES/tl0" &&
		profile tl0 && rmdir "$PROFILES/tl0"
}

# said TEXT CMD...: it fails, and the kernel's log says why.
said()
{
	local text=$1
	shift

	dmesg -C
	"$@" && return 1
	sleep 0.2
	dmesg | grep -F "$text"
}

queues_shown()
{
	profile tl0 && [ "$(cat "$PROFILES/tl0/queues")" = 0 ] && profile tl0 queues=0 || return 1
	vdpa dev add name tl0 mgmtdev trivio_net && [ "$(cat "$PROFILES/tl0/queues")" = 1 ] &&
		vdpa dev del tl0 && profile tl0 queues=3 && [ "$(cat "$PROFILES/tl0/queues")" = 3 ] &&
		vdpa dev add name tl0 mgmtdev trivio_net && dev_json tl0 '.dev.tl0.max_vqs == 7'
}

# ring SIZE: of a disk's queue as its driver has it; no device stays.
ring()
{
	local n rc=0

	vdpa_new tl1 blk virtio_vdpa || return 1
	n=$("$TRIVIO" show --json tl1 | jq '.[0].queues[0].size')
	echo "ring of $n"
	[ "$n" = "$1" ] && dd if="$(vdpa_disk tl1)" of=/dev/null bs=4k count=16 iflag=direct || rc=1
	vdpa dev del tl1
	return "$rc"
}

sizes()
{
	profile tl1 queue_size=512 queue_max=64 &&
		said "queue_size 512 is above queue_max 64" vdpa dev add name tl1 mgmtdev trivio_blk &&
		profile tl1 queue_size=64 && ring 64 && rmdir "$PROFILES/tl1" &&
		profile tl1 queue_max=32 && ring 32 && rmdir "$PROFILES/tl1" &&
		profile tl1 queue_size=2048 && [ "$(cat "$PROFILES/tl1/queue_max")" = 2048 ] && ring 2048
}

# Ring 100 only as a packed one.
odd()
{
	profile tl1 queue_size=100 && ring 100 && profile tl1 features=0xfffffffbffffffff &&
		said "queue_size 100 is no power of two" vdpa dev add name tl1 mgmtdev trivio_blk
}

# Whoever comes first: a device has its profile, or there is none.
race()
{
	local i n=60 made=0 without=0

	# Seconds each on the debug kernel
	[ ! -e /proc/lockdep ] || n=6
	for i in $(seq "$n"); do
		mkdir "$PROFILES/tl0" || return 1
		(rmdir "$PROFILES/tl0"; mkdir "$PROFILES/tl0") 2>/dev/null &
		vdpa dev add name tl0 mgmtdev trivio_net || return 1
		wait $!
		if [ -d "$PROFILES/tl0" ]; then
			made=$((made + 1))
			ip link set tl0 up && echo down >"$PROFILES/tl0/link" &&
				[ "$(cat /sys/class/net/tl0/carrier)" = 0 ] &&
				fails rmdir "$PROFILES/tl0" 2>/dev/null || return 1
		else
			without=$((without + 1))
			fails mkdir "$PROFILES/tl0" 2>/dev/null || return 1
		fi
		vdpa dev del tl0
		[ ! -d "$PROFILES/tl0" ] || rmdir "$PROFILES/tl0" || return 1
	done
	echo "$made with a profile, $without without"
}
check "the profile of a live device can't be removed" pinned
check "delete it" vdpa dev del tl0
check "then it can" rmdir "$PROFILES/tl0"
check "a profile whose device was refused can be removed" refused
check "queues: 0 is the default of the class" queues_shown
vdpa_clean tl0 tl1
check "a ring's size and its largest: what was not written follows, a contradiction is refused" sizes
vdpa_clean tl1
check "a ring of 100 as a packed one, not as a split one" odd
vdpa_clean tl0 tl1
check "rmdir and mkdir while the device is added" race

# Requests of the disk are under way when the module goes: they fail, nothing hangs.
unload_under_io()
{
	local pid n

	vdpa_new tl1 blk virtio_vdpa || return 1
	fio --name=v --filename="$(vdpa_disk tl1)" --direct=1 --rw=randrw --bs=4k --size=64M \
		--ioengine=libaio --iodepth=16 --time_based --runtime=120 --output=/dev/null &
	pid=$!
	for _ in $(seq 100); do
		n=$(qstat tl1 - packets)
		[ "$n" -gt 100 ] && break
		sleep 0.2
	done
	[ "$n" -gt 100 ] && timeout 60 rmmod trivio_vdpa || return 1
	wait "$pid" && echo "fio saw nothing of it" && return 1
	[ ! -e /sys/module/trivio_vdpa ] && [ ! -e "$VDPA_BUS/devices/tl1" ]
}

# Somebody has the node open: rmmod waits for the close, as "vdpa dev del" does.
unload_while_open()
{
	local pid

	vdpa_new tl1 blk vhost_vdpa && exec 9<>"$(vdpa_node tl1)" || return 1
	rmmod trivio_vdpa 9>&- &
	pid=$!
	sleep 3
	kill -0 "$pid" || return 1
	exec 9>&-
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	wait "$pid" && [ ! -e /sys/module/trivio_vdpa ]
}

# A profile is in use as its directory is there: nothing goes, nothing changes.
unload_with_profile()
{
	profile tl1 capacity=8M && vdpa_new tl1 blk virtio_vdpa && says "in use" rmmod trivio_vdpa &&
		dd if="$(vdpa_disk tl1)" of=/dev/null bs=4k count=16 iflag=direct
}

vdpa_clean tl0 tl1
check "the module goes under fio" unload_under_io
check "it comes back" module_load
check "the module goes when the node is closed, not before" unload_while_open
check "it comes back" module_load
check "with a profile it does not go" unload_with_profile

test_end
