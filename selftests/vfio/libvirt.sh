#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# libvirt: a device defined by mdevctl is listed, started, shown, destroyed and undefined
# by virsh, and a guest gets it by the XML in Documentation/examples.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/lib/libvirt.sh
. "$HERE/../lib/libvirt.sh"
test_need_guests libvirtd virsh mdevctl ip ping iperf3 jq
EXAMPLES=$HERE/../../Documentation/examples
INNER_CLIENT=$HERE/../../tools/lab/src/inner-client
WORK=$(mktemp -d)
NODE=mdev_$(mdev_uuid 1 | tr - _)_trivio
trap daemons_stop EXIT

v()
{
	LC_ALL=C timeout 120 virsh -q -c qemu:///system "$@"
}

# libvirt's list of devices comes from udev, which the laboratory does not run.
daemons_start()
{
	mkdir -p /run/udev /etc/mdevctl.d
	[ -e /run/udev/control ] || /lib/systemd/systemd-udevd --daemon || return 1
	udevadm trigger && udevadm settle -t 90
	libvirt_start
}

daemons_stop()
{
	v destroy g >/dev/null 2>&1
	v undefine g >/dev/null 2>&1
	mdevctl undefine -u "$(mdev_uuid 1)" 2>/dev/null
	libvirt_stop
	udevadm control --exit 2>/dev/null
	mdev_clean
	rm -rf "$WORK"
}

# libvirt knows parents that are PCI, CCW or AP devices. Ours is none of them, so it can
# define nothing (virsh nodedev-define says "invalid parent device"); mdevctl can.
define()
{
	mdevctl define -u "$(mdev_uuid 1)" -p trivio --jsonfile "$EXAMPLES/trivio-mdev.json" &&
		within 30 listed --all && mdev_gone 1
}

# listed [--all]: among the active ones, or all
listed()
{
	v nodedev-list --cap mdev "$@" | grep -qx "$NODE"
}

start()
{
	v nodedev-start "$NODE" && [ "$(mdev_get 1 name)" = vt1 ] &&
		[ "$(mdev_get 1 mac)" = "$(mdev_mac 1)" ] && within 30 listed
}

active()
{
	v nodedev-dumpxml "$NODE" >"$WORK/active.xml"
	cat "$WORK/active.xml"
	grep -q "<type id='trivio-net'/>" "$WORK/active.xml" &&
		grep -q "<uuid>$(mdev_uuid 1)</uuid>" "$WORK/active.xml" &&
		grep -q "<iommuGroup number=" "$WORK/active.xml"
}

domain_xml()
{
	cat <<-END
	<domain type='kvm'>
	  <name>g</name>
	  <memory unit='MiB'>256</memory>
	  <vcpu>1</vcpu>
	  <os>
	    <type arch='x86_64' machine='q35'>hvm</type>
	    <kernel>$LAB_GUEST_DIR/vmlinuz</kernel>
	    <initrd>$LAB_GUEST_DIR/initrd</initrd>
	    <cmdline>console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off</cmdline>
	  </os>
	  <features><acpi/><apic/></features>
	  <cpu mode='host-passthrough'/>
	  <devices>
	    <emulator>/usr/bin/qemu-system-x86_64</emulator>
	    <serial type='file'><source path='$WORK/console'/></serial>
	    <channel type='unix'>
	      <source mode='bind' path='$WORK/agent.0'/>
	      <target type='virtio' name='trivio.agent.0'/>
	    </channel>
	    $(grep -v '<!--' "$EXAMPLES/trivio-mdev-hostdev.xml")
	    <memballoon model='none'/>
	  </devices>
	</domain>
	END
}

# The guest's agent, as tools/lab/inner asks it.
guest()
{
	"$INNER_CLIENT" exec "$WORK" 300 "$*"
}

guest_start()
{
	modprobe -qa kvm_amd kvm_intel
	domain_xml >"$WORK/g.xml"
	v define "$WORK/g.xml" && v start g || {
		tail -n 5 /var/log/libvirt/qemu/g.log
		return 1
	}
	guest true
}

shutdown()
{
	v destroy g && v undefine g && mdev_set 1 mtu 0
}

destroy()
{
	v nodedev-destroy "$NODE" && mdev_gone 1 && v nodedev-undefine "$NODE" &&
		within 30 fails listed --all && ! mdevctl list -d | grep -q "$(mdev_uuid 1)"
}

check "udev and libvirtd" daemons_start
check "defined by mdevctl, libvirt lists it" define
check "nodedev-start: attributes are in the device" start
check "nodedev-dumpxml" active
check "a guest with the device" guest_start || test_end
check "link up" net_up 1
check "ping both ways by MSI-X" more 1 irq_msix ping_both 1
check "TCP out" tcp 1
check "TCP in" tcp 1 -R
check "guest destroyed, the device is free" shutdown
check "nodedev-destroy, -undefine" destroy
test_end
