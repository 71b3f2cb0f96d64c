#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A mediated device in a stock guest under an unmodified QEMU's vfio-pci: traffic
# both ways, PCI as the guest sees it, ethtool, and what an owner does meanwhile:
# stop, reset, reboot, unplug and plug, removal under the guest's feet.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests ip ping iperf3 jq
trap guest_clean EXIT

# --- the function as a guest sees it --------------------------------------------

# Where PCI device N is in the guest.
guest_slot()
{
	guest "basename \$(dirname \$(readlink -f /sys/class/net/$(guest_if "$1")/device))"
}

lspci_sane()
{
	local out want

	out=$(guest "lspci -n -vvv -s $(guest_slot 1)") || return 1
	printf '%s\n' "$out"
	# What lspci prints where it cannot make sense of what it reads
	! printf '%s\n' "$out" | grep -qE '<\?|rev ff|Unknown header|access denied|cannot' || return 1
	for want in "0200: 1af4:1041 (rev 01)" "Subsystem: 1af4:1100" \
		"Mem+ BusMaster+" "Interrupt: pin A" \
		"(32-bit, non-prefetchable) [size=8K]" \
		"(64-bit, prefetchable) [size=32K]" \
		"Power Management version 3" "Status: D0 NoSoftRst+" \
		"Express (v2) Endpoint" "FLReset+" "LnkSta:	Speed 2.5GT/s" \
		"MSI-X: Enable+ Count=4 Masked-" \
		"VirtIO: CommonCfg" "VirtIO: Notify" "VirtIO: ISR" \
		"VirtIO: DeviceCfg" "Kernel driver in use: virtio-pci"; do
		printf '%s\n' "$out" | grep -qF "$want" || {
			echo "missing: $want"
			return 1
		}
	done
}

# Function level reset is what the kernel finds; the driver works after it.
flr()
{
	local slot dev

	slot=$(guest_slot 1) || return 1
	dev=/sys/bus/pci/devices/$slot
	guest "grep flr $dev/reset_method" || return 1
	guest "echo $slot >/sys/bus/pci/drivers/virtio-pci/unbind &&
		echo 1 >$dev/reset && echo $slot >/sys/bus/pci/drivers/virtio-pci/bind" || return 1
	within 20 guest_if 1 && net_up 1 && ping_both 1
}

driver_info()
{
	local i

	i=$(guest "ethtool -i $(guest_if 1); ethtool -g $(guest_if 1); ethtool -S $(guest_if 1)")
	printf '%s\n' "$i"
	printf '%s\n' "$i" | grep -q '^driver: virtio_net' &&
		printf '%s\n' "$i" | grep -q '^bus-info: 0000:' &&
		printf '%s\n' "$i" | grep -qE '^TX:[[:space:]]+256' &&
		printf '%s\n' "$i" | grep -qE 'tx0?_(kicks|packets): [1-9]|tx_queue_0_kicks: [1-9]'
}

# Traffic with each offload off, and on again.
offloads()
{
	local ifname

	ifname=$(guest_if 1) || return 1
	guest "ethtool -K $ifname tso off" && tcp 1 || return 1
	guest "ethtool -K $ifname tx off sg off" && ping_both 1 && tcp 1 || return 1
	guest "ethtool -K $ifname rx-gro-hw off" && tcp 1 -R || return 1
	guest "ethtool -K $ifname tx on sg on tso on rx-gro-hw on" && ping_both 1 && tcp 1 || return 1
	guest "ethtool -k $ifname" | grep -q '^tcp-segmentation-offload: on'
}

# Written while QEMU has the device open, every setting says EBUSY.
busy()
{
	local f out

	for f in name mac queues mtu ring features doorbell port; do
		out=$(LC_ALL=C mdev_set 1 "$f" "$(mdev_get 1 "$f")" 2>&1) && return 1
		echo "$f: $out"
		case $out in *busy*) ;; *) return 1 ;; esac
	done
}

# --- what an owner does -----------------------------------------------------------

stop_cont()
{
	inner hmp g stop && sleep 1 && inner hmp g cont && ping_both 1
}

unplug()
{
	inner qmp g '{"execute":"device_del","arguments":{"id":"v1"}}' || return 1
	within 30 fails guest_if 1 && within 10 mdev_set 1 mtu 0
}

plug()
{
	local dev

	dev=$MDEV_BUS/$(mdev_uuid 1)
	inner qmp g '{"execute":"device_add","arguments":{"driver":"vfio-pci","id":"v1",
		"bus":"rp1","sysfsdev":"'"$dev"'"}}' || return 1
	within 30 guest_if 1 && net_up 1 && ping_both 1
}

one_default()
{
	check "default: a device" mdev_new 1 trivio-net || return
	check "default: guest starts (SeaBIOS)" inner start g --no-net -- \
		-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=0x10 \
		-device "$(vfio 1,bus=rp1)"
	check "default: link up" net_up 1
	check "default: ping both ways by MSI-X" more 1 irq_msix ping_both 1
	check "default: TCP out" tcp 1
	check "default: TCP in" tcp 1 -R
	check "default: no INTx" none 1 irq_intx
	check "default: doorbells by KVM's write tracking" bells 1 doorbell_kvm
	check "default: lspci shows a sane function" lspci_sane
	check "default: ethtool -i, -g, -S" driver_info
	check "default: offloads off and on" offloads
	check "default: settings are busy" busy
	check "default: stop, cont" stop_cont
	check "default: driver unbound, reset by FLR, bound" flr
	check "default: guest reboots" rebooted 1
	check "default: device_del" unplug
	check "default: device_add" plug
	check "default: removed while the guest uses it" removed_in_use 1
	inner stop g
}

one_default
test_end
