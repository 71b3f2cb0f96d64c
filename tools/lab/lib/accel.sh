# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Which accelerator to use. A /dev/kvm that exists proves nothing: some hosts offer
# it for para-virtualised guests only, and an ordinary guest hangs or dies there.

# A 64 KiB ROM whose reset vector writes 0x15 to the debug-exit port, which ends
# QEMU with (0x15 << 1) | 1 = 43. Nothing but real guest execution gives that.
kvm_probe_rom()
{
	truncate -s 65520 "$1"
	# mov $0x15,%al; out %al,$0xf4; hlt; filled up to the end of the ROM
	printf '\xb0\x15\xe6\xf4\xf4\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90' >>"$1"
}

kvm_probe()
{
	local rom rc=0

	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	rom=$(mktemp)
	: >"$rom"
	kvm_probe_rom "$rom"
	timeout -k 1 5 qemu-system-x86_64 -M pc -accel kvm -m 16 -display none \
		-nodefaults -no-user-config -serial none -monitor none \
		-device isa-debug-exit,iobase=0xf4,iosize=1 -bios "$rom" \
		>/dev/null 2>&1 </dev/null || rc=$?
	rm -f "$rom"
	[ $rc -eq 43 ]
}

# Some hosts run real-mode code and choke on more: a whole kernel has to boot to its
# first program, which ends QEMU with a word on the console (guest/init).
kvm_probe_kernel()
{
	local out

	out=$(mktemp)
	# the shell would report that QEMU was killed: hence a shell of its own
	(timeout -k 1 20 qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 512 -display none \
		-nodefaults -no-user-config -no-reboot -serial "file:$out" -monitor none \
		-kernel "$KERNEL_IMAGE" -initrd "$LAB_INITRD" \
		-append "console=ttyS0 panic=-1 lab.probe"; :) >/dev/null 2>&1 </dev/null
	grep -qa LAB-PROBE-OK "$out" && rm -f "$out" && return 0
	rm -f "$out"
	return 1
}

kvm_nested()
{
	grep -qs '^[1Y]' /sys/module/kvm_amd/parameters/nested \
		/sys/module/kvm_intel/parameters/nested
}

# Sets ACCEL to kvm or tcg; needs the kernel and its initrd. The answer is kept until the host boots again.
accel_choose()
{
	local note

	note=$CACHE/accel-$(cat /proc/sys/kernel/random/boot_id)-$(id -u)
	if [ ! -s "$note" ]; then
		verbose "probing /dev/kvm"
		rm -f "$CACHE"/accel-*
		if [ ! -e /dev/kvm ]; then
			echo "tcg no /dev/kvm" >"$note"
		elif ! kvm_probe || ! kvm_probe_kernel; then
			echo "tcg /dev/kvm is there but does not run guest code for this user" >"$note"
		elif ! kvm_nested; then
			echo "tcg KVM works but not nested, which inner guests need (kvm_amd/kvm_intel nested=1)" >"$note"
		else
			echo "kvm /dev/kvm runs guest code, nested too" >"$note"
		fi
	fi
	read -r ACCEL ACCEL_WHY <"$note"
	if [ "${OPT_ICOUNT:-0}" = 1 ]; then
		ACCEL=tcg ACCEL_WHY="counting instructions needs TCG"
	fi
	verbose "accelerator: $ACCEL ($ACCEL_WHY)"
}

# QEMU arguments for CPU and accelerator, in ACCEL_ARGS.
accel_args()
{
	case $ACCEL in
	kvm)
		ACCEL_ARGS=(-accel kvm -cpu host -smp "${OPT_SMP:-2}") ;;
	*)
		if [ "${OPT_ICOUNT:-0}" = 1 ]; then
			ACCEL_ARGS=(-accel tcg,thread=single -icount shift=0,sleep=off
				    -cpu "EPYC,svm=on,npt=on" -smp 1)
		else
			ACCEL_ARGS=(-accel tcg,thread=multi -cpu "EPYC,svm=on,npt=on"
				    -smp "${OPT_SMP:-2}")
		fi ;;
	esac
}
