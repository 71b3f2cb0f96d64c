#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Block devices under the stock virtio_blk: data integrity, file systems,
# every kind of disk, split and packed rings.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need fio mkfs.ext4 fsck.ext4 blkdiscard jq
TMP=$(mktemp -d /tmp/trivio-blk.XXXXXX)
LOOP=
trap 'umount -q "$TMP/mnt"; vdpa_clean tb0; [ -z "$LOOP" ] || losetup -d "$LOOP"; rm -rf "$TMP"' EXIT
mkdir "$TMP/mnt"

PACKED_OFF=0xfffffffbffffffff

integrity()
{
	fio --name=v --filename="$(vdpa_disk tb0)" --direct=1 --rw=randwrite \
		--bsrange=512-64k --bs_unaligned=0 --blockalign=512 --size=8M \
		--ioengine=libaio --iodepth=16 --verify=crc32c --do_verify=1 \
		--verify_fatal=1 --randrepeat=1 --output="$TMP/fio" ||
		{ cat "$TMP/fio"; return 1; }
}

filesystem()
{
	local disk

	disk=$(vdpa_disk tb0)
	mkfs.ext4 -q -F "$disk" && mount "$disk" "$TMP/mnt" &&
		cp -r /usr/share/doc/bash* "$TMP/mnt/" &&
		dd if=/dev/urandom of="$TMP/mnt/r" bs=1M count=8 status=none &&
		md5sum "$TMP/mnt/r" >"$TMP/sum" && fstrim "$TMP/mnt" &&
		umount "$TMP/mnt" && mount "$disk" "$TMP/mnt" &&
		md5sum -c "$TMP/sum" && umount "$TMP/mnt" &&
		fsck.ext4 -fn "$disk"
}

# Zeroes where it was discarded, the rest untouched.
discard()
{
	local disk

	disk=$(vdpa_disk tb0)
	tr '\0' '\252' </dev/zero | dd of="$disk" bs=64k count=16 iflag=fullblock \
		oflag=direct status=none
	blkdiscard -o 65536 -l 131072 "$disk" &&
	cmp -n 131072 -i 65536:0 "$disk" /dev/zero &&
	[ "$(dd if="$disk" bs=512 skip=127 count=1 status=none | tr -d '\252' | wc -c)" = 0 ] &&
	[ "$(dd if="$disk" bs=512 skip=384 count=1 status=none | tr -d '\252' | wc -c)" = 0 ]
}

zeroout()
{
	local disk

	disk=$(vdpa_disk tb0)
	tr '\0' '\252' </dev/zero | dd of="$disk" bs=64k count=16 iflag=fullblock \
		oflag=direct status=none
	blkdiscard -z -o 4096 -l 65536 "$disk" && cmp -n 65536 -i 4096:0 "$disk" /dev/zero
}

write_fails()
{
	! dd if=/dev/zero of="$(vdpa_disk tb0)" bs=4k count=1 oflag=direct status=none
}

# Neither has virtio_blk broken a rule of the specification meanwhile.
no_reports()
{
	local text

	text=$(cat "$PROFILES/tb0/check_reports")
	echo "$text"
	[ "$(cat "$PROFILES/tb0/check")" = log ] && [ -z "$text" ]
}

# All that a disk that stores must do.
suite()
{
	local name=$1
	shift

	check "$name: made" vdpa_new tb0 blk virtio_vdpa
	check "$name: checker on" profile tb0 check=log
	check "$name: what is written is read (fio crc32c)" integrity
	check "$name: discard reads as zeroes, neighbours stay" discard
	check "$name: write zeroes" zeroout
	check "$name: ext4 made, mounted, trimmed, checked" filesystem
	check "$name: virtio_blk broke no rule" no_reports
	check "$name: deleted" vdpa dev del tb0
}

kib_free()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree/ { print $2 }' /proc/meminfo
}

# Without a word 1 GiB, of which what was never written takes no memory, reads included, and
# what was discarded none any more.
sparse()
{
	local disk free made written

	free=$(kib_free)
	vdpa_new tb0 blk virtio_vdpa || return 1
	disk=$(vdpa_disk tb0)
	[ "$(blockdev --getsize64 "$disk")" = 1073741824 ] &&
		dd if="$disk" of=/dev/null bs=1M iflag=direct status=none || return 1
	made=$((free - $(kib_free)))
	dd if=/dev/zero of="$disk" bs=1M count=128 seek=800 oflag=direct status=none || return 1
	written=$((free - $(kib_free)))
	blkdiscard "$disk" || return 1
	set -- $((free - $(kib_free)))
	echo "KiB: $made after reading it, $written with 128 MiB written, $1 discarded"
	[ "$made" -lt 60000 ] && [ "$written" -gt $((made + 100000)) ] && [ "$1" -lt 60000 ]
}

# limit FILE VALUE: what virtio_blk made of configuration space.
limit()
{
	local is

	is=$(cat "/sys/block/$(basename "$(vdpa_disk tb0)")/queue/$1")
	echo "$1 $is"
	[ "$is" = "$2" ]
}

# A granularity, 16 ranges in a request, and as many segments as a ring has room for.
limits()
{
	limit discard_granularity "$1" && limit max_discard_segments 16 && limit max_segments "$2" &&
		limit logical_block_size "$1"
}

check "default: 1 GiB that takes no memory until it is written" sparse
check "default: limits of requests" limits 512 126
vdpa_clean tb0
profile tb0 capacity=64M
suite "RAM, packed ring"
profile tb0 features=$PACKED_OFF queue_size=64
suite "RAM, split ring of 64"
profile tb0 block_size=4096
check "RAM, 4 KiB blocks: made" vdpa_new tb0 blk virtio_vdpa
check "RAM, 4 KiB blocks: block size" test "$(blockdev --getss "$(vdpa_disk tb0)")" = 4096
check "RAM, 4 KiB blocks: limits of requests, ring of 64" limits 4096 62
check "RAM, 4 KiB blocks: ext4" filesystem
vdpa_clean tb0

truncate -s 64M "$TMP/file"
profile tb0 backing="$TMP/file"
suite "file, buffered"
if profile tb0 direct_io=1; then
	# a tmpfs may not know O_DIRECT
	if dd if="$TMP/file" of=/dev/null bs=4k count=1 iflag=direct status=none; then
		suite "file, O_DIRECT"
	fi
fi
# A block device behind a block device, past the page cache. Not one that does DMA: under
# virtio_vdpa the driver has mapped the pages already, and a kernel with DMA_API_DEBUG warns
# of a second mapping.
modprobe loop
truncate -s 64M "$TMP/disk"
LOOP=$(losetup -f --show "$TMP/disk")
check "block device behind: made" test -b "$LOOP"
profile tb0 backing="$LOOP" direct_io=1
suite "block device"

dd if=/dev/urandom of="$TMP/file" bs=1M count=2 conv=notrunc status=none
profile tb0 backing="$TMP/file" direct_io=0 read_only=1
check "read-only: made" vdpa_new tb0 blk virtio_vdpa
check "read-only: the driver knows" test "$(blockdev --getro "$(vdpa_disk tb0)")" = 1
check "read-only: reads" cmp -n 2097152 "$(vdpa_disk tb0)" "$TMP/file"
check "read-only: a write fails" write_fails
check "read-only: discard is refused" fails blkdiscard "$(vdpa_disk tb0)"
check "read-only: mkfs is refused" fails mkfs.ext4 -q -F "$(vdpa_disk tb0)"
check "read-only: the file is as it was" test "$(stat -c %s "$TMP/file")" = 67108864
vdpa_clean tb0

profile tb0 backing=/nonexistent
check "a backing that is not there is refused" fails vdpa_new tb0 blk virtio_vdpa
vdpa_clean tb0
profile tb0 backing=null capacity=1T
check "null, 1 TiB: made" vdpa_new tb0 blk virtio_vdpa
check "null: reads are zeroes" cmp -n 1048576 "$(vdpa_disk tb0)" /dev/zero
vdpa_clean tb0


# 300 MB is the least that XFS takes; a sparse disk uses what is written.
xfs()
{
	local disk

	disk=$(vdpa_disk tb0)
	mkfs.xfs -q -f "$disk" && mount -t xfs "$disk" "$TMP/mnt" &&
		dd if=/dev/urandom of="$TMP/mnt/r" bs=1M count=8 status=none &&
		md5sum "$TMP/mnt/r" >"$TMP/sum" && fstrim "$TMP/mnt" &&
		umount "$TMP/mnt" && xfs_repair -n "$disk" && mount -t xfs "$disk" "$TMP/mnt" &&
		md5sum -c "$TMP/sum" && umount "$TMP/mnt"
}

if command -v mkfs.xfs >/dev/null && modprobe -q xfs; then
	profile tb0 capacity=400M queues=2
	check "XFS, two queues: made" vdpa_new tb0 blk virtio_vdpa
	check "XFS, two queues: made, mounted, trimmed, checked" xfs
	vdpa_clean tb0
else
	echo "# no mkfs.xfs or no XFS in this kernel: not tried"
fi

test_end
