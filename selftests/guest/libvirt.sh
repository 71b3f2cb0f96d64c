#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# libvirt's <backend vhost='...'/>: the domain of Documentation/examples, as it is there,
# defined and started by virsh, its traffic counted by trivio.

# shellcheck source=selftests/guest/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/lib/libvirt.sh
. "$TOP/selftests/lib/libvirt.sh"

XML=$TOP/Documentation/examples/libvirt-trivio-vhost.xml
DOMAIN=trivio-vhost

command -v libvirtd >/dev/null || skip_all "libvirtd is not installed"

virsh_do()
{
	timeout 300 virsh -q -c qemu:///system "$@"
}

taps_make()
{
	ip tuntap add tap0 mode tap vnet_hdr && ip addr add 10.5.0.1/24 dev tap0 && ip link set tap0 up &&
		ip tuntap add tap1 mode tap vnet_hdr multi_queue && ip addr add 10.5.1.1/24 dev tap1 &&
		ip link set tap1 up
}

# The guest answers on libvirt's channel as it does on inner's.
domain_start()
{
	taps_make || return 1
	inner_kvm || return 1
	cp "$LAB_GUEST_DIR/vmlinuz" "$LAB_GUEST_DIR/initrd" /var/lib/libvirt/boot/
	mkdir -p "$INNER_DIR/lv"
	virsh_do define "$XML" || return 1
	virsh_do start $DOMAIN || { tail -n 20 /var/log/libvirt/qemu/$DOMAIN.log; return 1; }
	qemu_pid >"$INNER_DIR/lv/pid"
	inner_wait lv 200
}

qemu_pid()
{
	cat /run/libvirt/qemu/$DOMAIN.pid
}

# What virsh dumps of the running domain still names the backend.
backend_shown()
{
	[ "$(virsh_do dumpxml $DOMAIN | grep -c "vhost='$NODE'")" = 2 ]
}

devices_held()
{
	echo "$(devices "$(qemu_pid)" length) devices"
	[ "$(devices "$(qemu_pid)" length)" = 3 ]
}

layouts()
{
	devices "$(qemu_pid)" '[.[].queues[] | select(.state == "running") | .layout] | group_by(.) | map([.[0], length])'
	[ "$(devices "$(qemu_pid)" '[.[].queues[] | select(.state == "running" and .layout == "packed")] | length')" -ge 2 ]
}

paused()
{
	virsh_do suspend $DOMAIN && sleep 1 && virsh_do resume $DOMAIN && ping_addr lv 10.5.0.1 10.5.0.2
}

echo "TAP version 13"
check "libvirtd runs" libvirt_start || { finish; exit 1; }
if check "virsh starts the domain" domain_start; then
	nic_up lv 10.5.0.2/24 eth0
	nic_up lv 10.5.1.2/24 eth1
	check "the running domain names the backend" backend_shown
	check "QEMU holds three of trivio's devices" devices_held
	check "first interface: ping both ways" carried 20 ping_addr lv 10.5.0.1 10.5.0.2
	check "first interface: TCP out" carried 50 tcp_addr lv 10.5.0.1
	check "first interface: TCP in" carried 50 tcp_addr lv 10.5.0.1 -R
	check "packed, two queue pairs: ping both ways" carried 20 ping_addr lv 10.5.1.1 10.5.1.2
	check "packed, two queue pairs: TCP out" carried 50 tcp_addr lv 10.5.1.1
	check "packed is what was negotiated" layouts
	check "virsh suspend and resume" carried 20 paused
fi
check "virsh ends the domain" virsh_do destroy $DOMAIN
check "nothing is left" gone
libvirt_stop
ip link del tap0
ip link del tap1
finish
