#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The names that test suites for the kernel's simulator ask for (sim_names=1), and
# what the vdpa tool says of management devices and devices.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need jq ip
trap 'vdpa_clean ts0 ts1; module_unload; module_load' EXIT

mgmt()
{
	vdpa -j mgmtdev show | jq -e --arg m "$1" ".mgmtdev[\$m] | $2"
}

# Left to itself the bus gives a device to the driver that was loaded first.
add_sim()
{
	modprobe virtio_vdpa && echo 0 >"$VDPA_BUS/drivers_autoprobe" &&
	vdpa dev add name ts0 mgmtdev vdpasim_net mac 52:54:00:00:00:51 &&
	vdpa dev add name ts1 mgmtdev vdpasim_blk &&
	vdpa -j dev show ts0 | jq -e '.dev.ts0 | .type == "network" and .mgmtdev == "vdpasim_net"' &&
	vdpa -j dev show ts1 | jq -e '.dev.ts1 | .type == "block" and .mgmtdev == "vdpasim_blk"' &&
	vdpa_bind ts0 virtio_vdpa && vdpa_bind ts1 virtio_vdpa
}

driven()
{
	for _ in $(seq 50); do
		[ -z "$(vdpa_netif ts0)" ] || return 0
		sleep 0.2
	done
	return 1
}

disk_read()
{
	dd if="$(vdpa_disk ts1)" of=/dev/null bs=1M count=4
}

# said TEXT: the reason why a device was refused is in the kernel log.
said()
{
	local text=$1
	shift

	! "$@" 2>/dev/null && dmesg | tail -n 3 | grep -F "$text"
}

check "no such names by default" fails mgmt vdpasim_net .
check "what trivio_net can: classes, queues" mgmt trivio_net \
	'(.supported_classes == ["net"]) and (.max_supported_vqs == 129)'
check "what trivio_net can: features" mgmt trivio_net \
	'.dev_features | (index("MRG_RXBUF") and index("CTRL_VQ") and index("RING_PACKED"))'
check "what trivio_blk can" mgmt trivio_blk \
	'(.supported_classes == ["block"]) and (.max_supported_vqs == 64)'

check "refused with a reason: queues" said "ts0 not added: 65 queues, 1 to 64" \
	vdpa dev add name ts0 mgmtdev trivio_net max_vqp 65
check "refused by the bus, which has a text: no queues" sh -c \
	"vdpa dev add name ts0 mgmtdev trivio_net max_vqp 0 2>&1 | grep 'At least one pair'"
check "refused with a reason: address" said "is no unicast address" \
	vdpa dev add name ts0 mgmtdev trivio_net mac 01:00:00:00:00:01
check "refused with a reason: name" said "no name for a network interface" \
	vdpa dev add name a-name-that-is-too-long mgmtdev trivio_net
check "refused with a reason: features of the profile" profile ts0 features=0x100000000
check "refused with a reason: features" said "VERSION_1 (32) and ACCESS_PLATFORM (33)" \
	vdpa dev add name ts0 mgmtdev trivio_net
check "profile removed" profile_end ts0
check "refused with a reason: backing file" profile ts1 backing=/nowhere/disk
check "refused with a reason: it is not there" said "backing '/nowhere/disk': error -2" \
	vdpa dev add name ts1 mgmtdev trivio_blk
check "profile removed again" profile_end ts1

check "the module goes" module_unload
check "and comes with the simulator's names" module_load sim_names=1
check "vdpasim_net and vdpasim_blk are there" \
	sh -c "vdpa mgmtdev show | grep -c '^vdpasim_[nb]' | grep -qx 2"
check "and make devices" add_sim
check "virtio_net drives it" driven
check "virtio_blk reads it" disk_read
check "devices deleted" sh -c "vdpa dev del ts0 && vdpa dev del ts1"

# A root of its own for modprobe, with the one module.
by_alias()
{
	local conf root ko

	conf=$(dirname "$0")/../../Documentation/examples/modprobe-sim.conf
	root=$(mktemp -d) && mkdir -p "$root/lib/modules/$(uname -r)" || return 1
	ko=$(dirname "$TRIVIO")/../../drivers/vdpa/trivio_vdpa.ko
	[ -e "$ko" ] || ko=$(modinfo -n trivio_vdpa)
	module_unload && cp "$ko" "$root/lib/modules/$(uname -r)/" && depmod -b "$root" &&
		modprobe -d "$root" -C "$conf" vdpa_sim_net &&
		modprobe -d "$root" -C "$conf" vdpa_sim_blk && mgmt vdpasim_net . && mgmt vdpasim_blk .
	set -- $?
	rm -r "$root"
	return "$1"
}
check "the simulator's modules, as aliases" by_alias

# Every file of a profile: bad values are refused and change nothing.
refused()
{
	local before

	before=$(cat "$PROFILES/ts0/$1")
	! profile ts0 "$1=$2" 2>/dev/null && [ "$(cat "$PROFILES/ts0/$1")" = "$before" ]
}

check "a profile" mkdir "$PROFILES/ts0"
while read -r file value; do
	check "$file=$value is refused" refused "$file" "$value"
done <<-END
	features everything
	queues 65
	queue_size 1
	queue_size 32769
	queue_max 0
	queue_max 32769
	use_va 2
	doorbell 2
	doorbell_sleep 1000001
	iova_first -1
	iova_last 0x1ffffffffffffffff
	mac 01:00:00:00:00:00
	mac 52:54
	mtu 67
	mtu 65536
	link maybe
	speed 0
	speed 2147483648
	duplex both
	capacity 0
	capacity 513
	capacity 1X
	block_size 513
	block_size 8192
	read_only 2
	direct_io 2
	io_jitter 10000001
	serial 123456789012345678901
END
check "every file is described" sh -c "
	for f in $PROFILES/ts0/*; do
		[ -d \$f ] || grep -q \"<device>/\$(basename \$f)\$\" $(dirname "$0")/../../Documentation/ABI/configfs-trivio || exit 1
	done"
check "a name too long for a profile" fails mkdir "$PROFILES/$(printf 'n%.0s' $(seq 40))"

test_end
