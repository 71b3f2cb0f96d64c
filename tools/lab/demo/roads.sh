# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The roads of the demonstration: for each, a virtio-net device of the one guest and what
# is on the host's side of it. Number I is road ROADS[I]; its host interface is demoI, its
# guest's PCI slot I + 2, its addresses 10.8.I.1 (host) and 10.8.I.2 (guest).
#
# road_make_KEY I adds QEMU's arguments to ROAD_ARGS.

# shellcheck disable=SC2317,SC2034	# called by name; used by demo.sh

# The last three are for who names them.
ROADS=(qemu vhost dpdk split packed vdpa trap fault vdpa-packed vdpa-page kvm)
ROADS_ASKED=3
declare -A ROAD_NAME=(
	[qemu]="QEMU user space"
	[vhost]="in-tree vhost_net"
	[dpdk]="vhost-user, DPDK"
	[split]="trivio vhost, split"
	[packed]="trivio vhost, packed"
	[vdpa]="trivio vDPA"
	[trap]="trivio VFIO, trap"
	[fault]="trivio VFIO, fault"
	[vdpa-packed]="trivio vDPA, packed"
	[vdpa-page]="trivio vDPA, page"
	[kvm]="trivio VFIO, kvm"
)
# The road that "trivio list" must name as the one that carried it; none: not trivio at all.
declare -A ROAD_PROOF=(
	[qemu]=none [vhost]=none [dpdk]=none [split]=vhost [packed]=vhost
	[vdpa]=vdpa [trap]=vfio [fault]=vfio
	[vdpa-packed]=vdpa [vdpa-page]=vdpa [kvm]=vfio
)

VDPA_BUS=/sys/bus/vdpa
PROFILES=/sys/kernel/config/trivio
MDEV_TYPE=/sys/class/mdev_bus/trivio/mdev_supported_types/trivio-net
DPDK_RUN=/run/demo-dpdk

road_mac()
{
	printf '52:54:00:08:00:%02x\n' "$1"
}

road_tap()
{
	ip tuntap add "demo$1" mode tap vnet_hdr
}

# road_virtio I NETDEV-OPTIONS [DEVICE-OPTIONS]
road_virtio()
{
	ROAD_ARGS+=(-netdev "$2,id=n$1"
		    -device "virtio-net-pci,netdev=n$1,addr=0x$(printf %x $(($1 + 2))),mac=$(road_mac "$1")${3:+,$3}")
}

road_make_qemu()
{
	road_tap "$1" && road_virtio "$1" "tap,ifname=demo$1,script=no,downscript=no,vhost=off"
}

road_make_vhost()
{
	modprobe vhost_net && road_tap "$1" &&
		road_virtio "$1" "tap,ifname=demo$1,script=no,downscript=no,vhost=on,vhostforce=on"
}

# trivio's node is opened here and inherited, as libvirt does it.
road_trivio_vhost()
{
	local fd

	road_tap "$1" || return 1
	[ -c /dev/trivio-vhost-net ] || { echo "no /dev/trivio-vhost-net" >&2; return 1; }
	exec {fd}<>/dev/trivio-vhost-net || return 1
	ROAD_FDS+=("$fd")
	road_virtio "$1" "tap,ifname=demo$1,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=$fd" "$2"
}

road_make_split()
{
	road_trivio_vhost "$1" packed=off
}

road_make_packed()
{
	road_trivio_vhost "$1" packed=on
}

# A user-space backend: DPDK's testpmd hands frames from a vhost-user port to a tap of its
# own and back. It polls, so it forwards only while its row is measured (dpdk_say).
# Neither port does TSO; the checksum of a frame is the sender's.
road_make_dpdk()
{
	mkdir -p "$DPDK_RUN"
	mkfifo "$DPDK_RUN/in"
	dpdk-testpmd --lcores "0@0,1@$(($(nproc) - 1))" --no-huge -m 192 --no-pci --no-telemetry --file-prefix demo \
		--vdev "net_vhost0,iface=$DPDK_RUN/sock" --vdev "net_tap0,iface=demo$1" -- \
		-i --nb-cores=1 --no-mlockall --total-num-mbufs=8192 <>"$DPDK_RUN/in" >"$DPDK_RUN/log" 2>&1 &
	DPDK_PID=$!
	exec {DPDK_FD}<>"$DPDK_RUN/in"
	ROAD_ARGS+=(-chardev "socket,id=vu,path=$DPDK_RUN/sock")
	road_virtio "$1" "vhost-user,chardev=vu" "csum=off,guest_csum=off,gso=off"
}

# It takes seconds to start, in which the other roads are made.
road_ready_dpdk()
{
	local i

	for ((i = 0; i < 100 * LAB_SLOW; i++)); do
		[ -e "/sys/class/net/demo$1" ] && [ -S "$DPDK_RUN/sock" ] && return 0
		kill -0 "$DPDK_PID" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 5 "$DPDK_RUN/log" >&2
	return 1
}

dpdk_say()
{
	echo "$1" >&"$DPDK_FD"
}

# road_vdpa I [DEVICE-OPTIONS]
road_vdpa()
{
	local node

	# scattered guest memory takes more ranges than the default allows
	modprobe vhost_vdpa max_iotlb_entries=65536 || return 1
	ulimit -l unlimited
	echo 0 >"$VDPA_BUS/drivers_autoprobe"
	vdpa dev add name "demo$1" mgmtdev trivio_net mac "$(road_mac "$1")" || return 1
	echo vhost_vdpa >"$VDPA_BUS/devices/demo$1/driver_override"
	echo "demo$1" >"$VDPA_BUS/drivers/vhost_vdpa/bind" || return 1
	node=$(cd "$VDPA_BUS/devices/demo$1" && echo vhost-vdpa-*)
	road_virtio "$1" "vhost-vdpa,vhostdev=/dev/$node" "disable-legacy=on${2:+,$2}"
}

road_make_vdpa()
{
	road_vdpa "$1"
}

road_make_vdpa-packed()
{
	road_vdpa "$1" packed=on
}

# The guest's kicks are stores to a page that a thread of the host's looks at.
road_make_vdpa-page()
{
	modprobe configfs
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	mkdir -p "$PROFILES/demo$1" && echo 1 >"$PROFILES/demo$1/doorbell" || return 1
	road_vdpa "$1" page-per-vq=on
}

# road_mdev I DOORBELL: the guest gets a PCI function; QEMU knows nothing of virtio here.
road_mdev()
{
	local uuid dev

	uuid=$(cat /proc/sys/kernel/random/uuid)
	dev=/sys/bus/mdev/devices/$uuid
	echo "$uuid" >"$MDEV_TYPE/create" || return 1
	echo "demo$1" >"$dev/name" && road_mac "$1" >"$dev/mac" && echo "$2" >"$dev/doorbell" || return 1
	ROAD_ARGS+=(-device "vfio-pci,sysfsdev=$dev,addr=0x$(printf %x $(($1 + 2)))")
}

road_make_trap()
{
	road_mdev "$1" trap
}

road_make_fault()
{
	road_mdev "$1" fault
}

road_make_kvm()
{
	road_mdev "$1" kvm
}

# What a run leaves, or an earlier one that was broken off: it may be run again in a shell.
roads_clean()
{
	local i dev

	if [ -n "${DPDK_PID:-}" ]; then
		kill "$DPDK_PID" 2>/dev/null
		wait "$DPDK_PID"
		exec {DPDK_FD}>&-
		DPDK_PID=
	fi
	for i in "${!ROADS[@]}"; do
		[ ! -e "$VDPA_BUS/devices/demo$i" ] || vdpa dev del "demo$i"
		[ ! -d "$PROFILES/demo$i" ] || rmdir "$PROFILES/demo$i"
		ip link del "demo$i" 2>/dev/null
	done
	for dev in /sys/bus/mdev/devices/*; do
		[ ! -e "$dev/name" ] || [[ $(cat "$dev/name") != demo* ]] || echo 1 >"$dev/remove"
	done
	rm -rf "$DPDK_RUN"
}

# Both ends get their addresses when the guest is up: an mdev's interface comes when it is
# opened.
road_up_host()
{
	local i=$1 n

	for ((n = 0; n < 50 * LAB_SLOW; n++)); do
		[ ! -e "/sys/class/net/demo$i" ] || break
		sleep 0.1
	done
	ip addr add "10.8.$i.1/24" dev "demo$i" && ip link set "demo$i" up
}

# roads_up_guest: all at once, found by their address (road_mac) and not by their number;
# prints the numbers of those that are there.
roads_up_guest()
{
	# shellcheck disable=SC2016	# the guest's shell expands it
	inner_exec demo -t $((20 * LAB_SLOW)) 'for d in /sys/class/net/*; do
			read -r mac <$d/address
			case $mac in 52:54:00:08:00:*) ;; *) continue ;; esac
			i=$((0x${mac##*:}))
			ip addr add 10.8.$i.2/24 dev ${d##*/} && ip link set ${d##*/} up && echo $i
		done'
}
