#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The domain of Documentation/examples with <interface type='vdpa'>, as it is there, in a stock
# libvirt: started, pinged through, unplugged from and plugged into while it runs, shut down.

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
XML=$(dirname "$0")/../../Documentation/examples/libvirt-trivio-vdpa.xml
DOMAIN=trivio-vdpa

end()
{
	v destroy "$DOMAIN"
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
	sed -n '/<interface/,/<\/interface>/p' "$XML"
}

domain_start()
{
	rm -rf "$DIR"
	mkdir -p "$DIR"
	cp "$LAB_GUEST_DIR/vmlinuz" "$LAB_GUEST_DIR/initrd" /var/lib/libvirt/boot/ || return 1
	inner_kvm && v create "$XML" || {
		tail -n 5 /run/libvirtd.log "/var/log/libvirt/qemu/$DOMAIN.log"
		return 1
	}
	cp "/run/libvirt/qemu/$DOMAIN.pid" "$DIR/pid"
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
	interface_xml >/tmp/if.xml && v detach-device "$DOMAIN" /tmp/if.xml --live || return 1
	for _ in $(seq 60); do
		v dumpxml "$DOMAIN" | grep -q "type='vdpa'" || return 0
		sleep 0.5
	done
	return 1
}

plug()
{
	v attach-device "$DOMAIN" /tmp/if.xml --live || return 1
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
check "it has the node of the example" grep -q "'$(vdpa_node tv0)'" "$XML"
check "the domain starts" domain_start
check "ping through it" up eth0
check "the device counted it" counted
check "unplugged while it runs" unplug
# vhost_vdpa lets one in at a time.
check "nobody holds the node" sh -c "exec 3<>$(vdpa_node tv0)"
check "plugged in again" plug
check "ping through it again" plugged_up
check "the domain ends" v destroy "$DOMAIN"
check "the device goes" timeout 60 vdpa dev del tv0

test_end
