#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Life of vDPA devices under iproute2's vdpa tool and configfs profiles.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need jq ip
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

test_end
