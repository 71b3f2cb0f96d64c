#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The block function in a stock guest under an unmodified QEMU: firmware, integrity, a
# file system, growing, a reboot; then, with --all, a file behind packed rings and four
# queues, a read-only disk, and every doorbell.

# shellcheck disable=SC2317,SC2016
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need_guests cmp
TMP=$(mktemp -d /tmp/trivio-blk.XXXXXX)
trap 'guest_clean; rm -rf "$TMP"' EXIT

# blk_new N TYPE [FILE=VALUE...]
blk_new()
{
	local n=$1 type=$2 kv
	shift 2

	mdev_uuid "$n" >"$MDEV_PARENT/mdev_supported_types/$type/create" || return 1
	for kv in "name=vb$n" "$@"; do
		mdev_set "$n" "${kv%%=*}" "${kv#*=}" || return 1
	done
}

# sees SECTORS SERIAL
sees()
{
	[ "$(guest cat /sys/block/vda/size)" = "$1" ] &&
		[ "$(guest cat /sys/block/vda/serial)" = "$2" ]
}

integrity()
{
	guest -t 300 fio --name=v --filename=/dev/vda --direct=1 --rw=randwrite \
		--bsrange=512-32k --blockalign=512 --size=3M --ioengine=libaio \
		--iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 \
		--randrepeat=1
}

filesystem()
{
	guest -t 300 "mkfs.ext4 -q -F /dev/vda && mkdir -p /mnt &&
		mount -t ext4 /dev/vda /mnt &&
		dd if=/dev/urandom of=/mnt/r bs=64k count=24 2>/dev/null &&
		md5sum /mnt/r >/tmp/sum && umount /mnt &&
		mount -t ext4 /dev/vda /mnt && md5sum -c /tmp/sum && umount /mnt"
}

# pattern_in FILE: what the guest writes is what the file has.
pattern_in()
{
	guest "yes trivio | dd of=/dev/vda bs=4k count=16 iflag=fullblock oflag=direct 2>/dev/null &&
		sync" && yes trivio | head -c 65536 | cmp -n 65536 - "$1"
}

reads_back()
{
	[ "$(guest 'dd if=/dev/vda bs=4k count=16 iflag=direct 2>/dev/null | md5sum')" = \
	  "$(yes trivio | head -c 65536 | md5sum)" ]
}

refuses_writes()
{
	[ "$(guest cat /sys/block/vda/ro)" = 1 ] &&
		! guest 'dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct'
}

grown()
{
	mdev_set 1 capacity 96M && within 20 sees 196608 SN-1
}

bell_works()
{
	more 1 "doorbell_$1" guest \
		'dd if=/dev/vda of=/dev/null bs=4k count=40 iflag=direct 2>/dev/null'
}

# The image with fio is large, and QEMU's firmware loads it: start --fio --mem 512 only
# where fio is used.
start()
{
	inner start g --wait $((80 * ${LAB_SLOW:-3})) "$@" -- -device "$(vfio 1)"
}

reboot()
{
	inner reboot g $((80 * ${LAB_SLOW:-3}))
}

# The default doorbell is KVM's write tracking, where KVM has it.
default_bell()
{
	if grep -qw kvm_page_track_register_notifier /proc/kallsyms; then
		echo kvm
	else
		echo fault
	fi
}

# A memory disk, the default doorbell.
check "memory disk: made" blk_new 1 trivio-blk capacity=64M serial=SN-1
check "memory disk: the guest starts (SeaBIOS)" start --fio --mem 512
check "memory disk: size and serial number" sees 131072 SN-1
check "memory disk: notified by the default doorbell" bell_works "$(default_bell)"
check "memory disk: no doorbell trapped" none 1 doorbell_trap irq_intx
check "memory disk: what is written is read (fio crc32c)" more 1 irq_msix integrity
check "memory disk: a file system, mounted twice" filesystem
check "memory disk: nothing was copied for want of a pin" none 1 mem_copied_in
check "memory disk: grows under the guest" grown
check "memory disk: the guest reboots" more 1 resets reboot
check "memory disk: and goes on" integrity
check "memory disk: the guest ends" inner stop g
check "memory disk: nothing stays pinned" \
	test "$(mdev_stat 1 mem_pins)" = "$(mdev_stat 1 mem_unpins)"
check "memory disk: removed" mdev_del 1
[ "${1:-}" = --all ] || test_end

# A file, four queues, packed rings.
truncate -s 8M "$TMP/disk"
blk_new 1 trivio-blk-mq "disk=$TMP/disk"
mdev_set 1 features "$(printf '%#x' $(($(mdev_get 1 features) | 1 << 34)))"
check "file, packed, 4 queues: the guest starts" start --fio --mem 512 --smp 2
check "file, packed, 4 queues: the guest has the queues" guest \
	'[ "$(ls /sys/block/vda/mq | wc -l)" -ge 2 ]'
check "file, packed, 4 queues: what is written is read" integrity
check "file, packed, 4 queues: it is in the file" pattern_in "$TMP/disk"
inner stop g >/dev/null
mdev_del 1

# The same file for the next device, for reading only, and a doorbell a guest.
blk_new 1 trivio-blk "disk=$TMP/disk" read_only=1 doorbell=trap
check "read only, trap: the guest starts" start
check "read only, trap: the data is still there" reads_back
check "read only, trap: writes are refused" refuses_writes
check "read only, trap: notified that way" bell_works trap
inner stop g >/dev/null
for way in poll kvm fault; do
	mdev_set 1 doorbell $way
	check "$way: the guest starts" start
	check "$way: the data is still there" reads_back
	check "$way: notified that way" bell_works $way
	inner stop g >/dev/null
done
test_end
