#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Firmware drives the function: a network boot by OVMF (its own virtio driver) and
# by SeaBIOS (iPXE's, as the function's option ROM). Each finds it, sets its BARs and
# sends a DHCP request from the device's address.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests tcpdump perl
CODE=/usr/share/OVMF/OVMF_CODE_4M.fd
VARS=/usr/share/OVMF/OVMF_VARS_4M.fd
ROM=/usr/lib/ipxe/qemu/pxe-virtio.rom
WORK=$(mktemp -d)
trap 'boot_end; mdev_clean; rm -rf "$WORK"' EXIT
QEMU=
# OVMF writes CR8. When QEMU 7.2 emulates the virtualization below KVM, that aborts it while an
# interrupt waits (cpu_interrupt() without the big lock): an assertion of tcg_handle_interrupt().
# So there OVMF runs emulated itself; the function and VFIO are the same.
OVMF_CPU=(-accel kvm -cpu host)
[ "${LAB_ACCEL:-}" != tcg ] || OVMF_CPU=(-accel tcg -cpu qemu64,+rdrand)

# The ROM is made for the device id of the transitional function. The id is behind
# "PCIR"; byte 6 takes the difference, so that the sum stays 0.
rom_for_1041()
{
	perl -e '
		local $/; open(F, "<:raw", $ARGV[0]) or die; my $r = <F>;
		my $p = index($r, "PCIR");
		die "no PCIR" if $p < 0;
		my ($old, $new) = (unpack("v", substr($r, $p + 6, 2)), 0x1041);
		my $d = ($old & 255) + ($old >> 8) - ($new & 255) - ($new >> 8);
		substr($r, $p + 6, 2) = pack("v", $new);
		substr($r, 6, 1) = chr((ord(substr($r, 6, 1)) + $d) & 255);
		open(G, ">:raw", $ARGV[1]) or die; print G $r;' "$ROM" "$1"
}

# boot QEMU-ARGS...: in the background
boot()
{
	modprobe -qa kvm_amd kvm_intel
	qemu-system-x86_64 -M q35 -m 256 -nodefaults -no-user-config \
		-display none -serial "file:$WORK/serial" "$@" >"$WORK/qemu.log" 2>&1 &
	QEMU=$!
	# The host interface is there when QEMU has opened the device.
	within 30 ip link set vt1 up || { cat "$WORK/qemu.log"; return 1; }
}

boot_end()
{
	[ -z "$QEMU" ] || kill "$QEMU" 2>/dev/null
	wait "$QEMU" 2>/dev/null
	QEMU=
}

# A DHCP request of the device's own address within so many seconds.
asks()
{
	timeout "$1" tcpdump -i vt1 -n -e -c 1 "udp dst port 67 and ether src $(mdev_mac 1)" 2>&1 ||
		{ tail -n 5 "$WORK/serial"; return 1; }
}

by_seabios()
{
	rom_for_1041 "$WORK/rom" && boot -accel kvm -cpu host \
		-device "$(vfio 1,bootindex=1),romfile=$WORK/rom" &&
		asks 120
}

by_ovmf()
{
	cp "$VARS" "$WORK/vars" &&
		boot "${OVMF_CPU[@]}" -drive "if=pflash,format=raw,readonly=on,file=$CODE" \
			-drive "if=pflash,format=raw,file=$WORK/vars" \
			-device "$(vfio 1,bootindex=1)" && asks 420
}

# skip NAME WHY: a test that cannot be done here
skip()
{
	test_count=$((test_count + 1))
	echo "ok $test_count $1 # SKIP $2"
}

check "a device" mdev_new 1 trivio-net
if [ -e "$ROM" ]; then
	check "SeaBIOS: network boot" by_seabios
	boot_end
else
	skip "SeaBIOS: network boot" "no $ROM: package ipxe-qemu"
fi
if [ -e "$CODE" ]; then
	check "OVMF: network boot" by_ovmf
	boot_end
else
	skip "OVMF: network boot" "no $CODE: package ovmf"
fi
test_end
