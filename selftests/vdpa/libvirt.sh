#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A domain of stock libvirt with <interface type='vdpa'>: started, pinged through,
# unplugged from and plugged into while it runs, shut down.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
INNER=$(dirname "$0")/../../tools/lab/inner
# shellcheck source=/dev/null
. "$INNER" 2>/dev/null || {
	echo "1..0 # SKIP inner guests only run in the laboratory"
	exit 4
}
# shellcheck source=selftests/lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"
modprobe -q -r vhost_vdpa
modprobe vhost_vdpa max_iotlb_entries=65536
test_need libvirtd virsh ip ping jq
DIR=/run/inner/lv

end()
{
	v destroy lv
	libvirt_stop
	vdpa_clean tv0
} >/dev/null 2>&1
trap end EXIT

v()
{
	timeout 300 virsh -q -c qemu:///system "$@"
}

interface_xml()
{
	cat <<-END
	<interface type='vdpa'>
	  <mac address='52:54:00:00:00:71'/>
	  <source dev='$(vdpa_node tv0)'/>
	  <model type='virtio'/>
	</interface>
	END
}

channels_xml()
{
	local i

	for i in 0 1 2; do
		cat <<-END
		<channel type='unix'>
		  <source mode='bind' path='$DIR/agent.$i'/>
		  <target type='virtio' name='trivio.agent.$i'/>
		</channel>
		END
	done
}

domain_xml()
{
	cat <<-END
	<domain type='kvm'>
	  <name>lv</name>
	  <memory unit='MiB'>256</memory>
	  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
	  <vcpu>1</vcpu>
	  <os>
	    <type arch='x86_64' machine='q35'>hvm</type>
	    <kernel>$LAB_GUEST_DIR/vmlinuz</kernel>
	    <initrd>$LAB_GUEST_DIR/initrd</initrd>
	    <cmdline>console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off</cmdline>
	  </os>
	  <features><acpi/></features>
	  <cpu mode='host-passthrough'/>
	  <on_reboot>restart</on_reboot>
	  <devices>
	    <emulator>$(command -v qemu-system-x86_64)</emulator>
	    <controller type='usb' model='none'/>
	    <memballoon model='none'/>
	    <serial type='file'><source path='$DIR/console'/></serial>
	    $(channels_xml)
	    $(interface_xml)
	  </devices>
	</domain>
	END
}

domain_start()
{
	rm -rf "$DIR"
	mkdir -p "$DIR"
	inner_kvm && domain_xml >/tmp/lv.xml && v create /tmp/lv.xml || {
		tail -n 5 /run/libvirtd.log /var/log/libvirt/qemu/lv.log
		return 1
	}
	cp /run/libvirt/qemu/lv.pid "$DIR/pid"
	"$INNER" wait lv 200
}

up()
{
	"$INNER" exec lv "ip link set $1 up && ip addr replace 10.80.0.2/24 dev $1" &&
	ip link set tv0 up && ip addr replace 10.80.0.1/24 dev tv0 &&
	reach 10.80.0.2
}

counted()
{
	[ "$(qstat tv0 0 packets)" -ge 5 ] && [ "$(qstat tv0 1 packets)" -ge 5 ] &&
	[ "$(qstat tv0 - errors)" = 0 ]
}

unplug()
{
	interface_xml >/tmp/if.xml && v detach-device lv /tmp/if.xml --live || return 1
	for _ in $(seq 60); do
		v dumpxml lv | grep -q "type='vdpa'" || return 0
		sleep 0.5
	done
	return 1
}

plug()
{
	v attach-device lv /tmp/if.xml --live || return 1
	for _ in $(seq 60); do
		"$INNER" exec lv test -e /sys/class/net/eth1 ||
			"$INNER" exec lv test -e /sys/class/net/eth0 && return 0
		sleep 0.5
	done
	return 1
}

plugged_up()
{
	up "$("$INNER" exec lv 'ls /sys/class/net | grep eth')"
}

check "libvirtd runs" libvirt_start
check "a device for it" vdpa_new tv0 net vhost_vdpa
check "the domain starts" domain_start
check "ping through it" up eth0
check "the device counted it" counted
check "unplugged while it runs" unplug
# vhost_vdpa lets one in at a time.
check "nobody holds the node" sh -c "exec 3<>$(vdpa_node tv0)"
check "plugged in again" plug
check "ping through it again" plugged_up
check "the domain ends" v destroy lv
check "the device goes" timeout 60 vdpa dev del tv0

test_end
