#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What changes under a block device in use, and what is lost with the power:
# capacity, cache mode, unflushed writes, secrets.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need fio mkfs.ext4 fsck.ext4 blkdiscard
TMP=$(mktemp -d /tmp/trivio-live.XXXXXX)
F=$PROFILES/tv0/faults
trap 'umount -q "$TMP/mnt"; vdpa_clean tv0; rm -rf "$TMP"' EXIT
mkdir "$TMP/mnt"

# pattern BYTE: an endless file of it
pattern()
{
	tr '\0' "\\$(printf %03o "$1")" </dev/zero
}

# put BYTE MIB FLAGS...: one MiB of it, past the page cache
put()
{
	local byte=$1 at=$2
	shift 2

	pattern "$byte" | dd of="$(vdpa_disk tv0)" bs=64k count=16 iflag=fullblock \
		seek=$((at * 16)) oflag=direct status=none "$@"
}

# is BYTE MIB: that MiB is all this byte
is()
{
	cmp -n 1048576 <(dd if="$(vdpa_disk tv0)" bs=64k count=16 skip=$(($2 * 16)) \
		iflag=direct status=none) <(pattern "$1")
}

size_is()
{
	timeout 20 sh -c "until [ \$(blockdev --getsize64 $(vdpa_disk tv0)) = $1 ]; do sleep 0.1; done"
}

# --- capacity ---------------------------------------------------------------

resizes()
{
	local mib pid

	fio --name=r --filename="$(vdpa_disk tv0)" --direct=1 --rw=randrw --bs=4k --size=16M \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --runtime=60 \
		--time_based --output="$TMP/fio" &
	pid=$!
	sleep 2
	for mib in 96 48 200 64; do
		echo "${mib}M" >"$PROFILES/tv0/capacity" && size_is $((mib << 20)) || return 1
	done
	kill -INT "$pid"
	wait "$pid"
	grep -q "err= 0" "$TMP/fio" || { cat "$TMP/fio"; return 1; }
}

beyond()
{
	! dd if="$(vdpa_disk tv0)" of=/dev/null bs=1M skip=70 count=1 iflag=direct status=none ||
		[ "$(dd if="$(vdpa_disk tv0)" bs=1M skip=70 count=1 iflag=direct status=none | wc -c)" = 0 ]
}

# What was cut off must not come back.
regrown()
{
	put 90 63 && echo 32M >"$PROFILES/tv0/capacity" && size_is $((32 << 20)) &&
		echo 64M >"$PROFILES/tv0/capacity" && size_is $((64 << 20)) && is 0 63
}

profile tv0 capacity=64M queues=2
check "device" vdpa_new tv0 blk virtio_vdpa
check "capacity changes under load, the driver follows" resizes
check "nothing is read beyond the end" beyond
check "what was cut off is gone when it grows again" regrown
check "a capacity that is no number of sectors is refused" fails profile tv0 capacity=1000
check "no capacity is refused" fails profile tv0 capacity=0

# virtio_blk of 6.12 tells data to the device from data of the device by the lowest
# bit of the type, which SECURE_ERASE (14) has not: its ranges come in a buffer
# that the device may only write. hostile.c has an erase that works.
secure_erase()
{
	profile tv0 check=log && put 165 1 && ! blkdiscard --secure -o 1M -l 1M "$(vdpa_disk tv0)" &&
		is 165 1 || return 1
	cat "$PROFILES/tv0/check_reports"
	[ "$(cut -d' ' -f1,2 "$PROFILES/tv0/check_reports")" = "blk-range-length 5.2.6.1" ]
}
check "secure erase of virtio_blk: ranges the wrong way round, found by the checker" secure_erase
vdpa_clean tv0

# --- a volatile cache ---------------------------------------------------------

# The power fails at the next request, which fails; so do all that follow.
lose_power()
{
	echo "${1:-0}" >"$F/power_loss/value" && echo 1 >"$F/power_loss/times" &&
		echo 1 >"$F/power_loss/every" || return 1
	! dd if="$(vdpa_disk tv0)" of=/dev/null bs=4k count=1 iflag=direct status=none &&
		! dd if="$(vdpa_disk tv0)" of=/dev/null bs=4k count=1 skip=9 iflag=direct status=none &&
		[ "$(cat "$F/power_loss/hits")" = 1 ]
}

# A driver that is bound anew resets the device: the power is back.
reboot()
{
	echo tv0 >"$VDPA_BUS/drivers/virtio_vdpa/unbind" &&
		echo tv0 >"$VDPA_BUS/drivers/virtio_vdpa/bind" && [ -b "$(vdpa_disk tv0)" ]
}

cache_type()
{
	cat "/sys/block/$(basename "$(vdpa_disk tv0)")/cache_type"
}

unflushed()
{
	put 17 0 && put 34 1 conv=fsync && put 51 2 && is 17 0 && is 51 2 || return 1
	lose_power && reboot || return 1
	# All that was written before the flush is there, the rest is not.
	is 17 0 && is 34 1 && is 0 2
}

overwritten()
{
	put 68 2 conv=fsync && put 85 2 && is 85 2 && lose_power && reboot && is 68 2
}

through()
{
	echo "write through" >"/sys/block/$(basename "$(vdpa_disk tv0)")/cache_type" &&
		[ "$(cache_type)" = "write through" ] && put 102 3 && lose_power && reboot && is 102 3
}

# Half of what was not flushed happens to be there: any mix of old and new pages.
torn()
{
	put 1 4 conv=fsync && put 2 4 || return 1
	echo 5 >"$F/seed"
	lose_power 50 && reboot || return 1
	dd if="$(vdpa_disk tv0)" bs=64k skip=64 count=16 iflag=direct status=none |
		od -An -v -tu1 -w4096 | awk '
		{ for (i = 2; i <= NF; i++) if ($i != $1) mixed++; n[$1]++ }
		END { print n[1] + 0, "old", n[2] + 0, "new", mixed + 0, "mixed"
		      exit mixed || n[1] < 60 || n[2] < 60 || n[1] + n[2] != 256 }'
}

full()
{
	# The cache holds 4 MiB; what does not fit has been written.
	put 9 8 && put 9 9 && put 9 10 && put 9 11 && put 9 12 && put 9 13 && lose_power && reboot ||
		return 1
	is 9 8 && ! is 9 13
}

# A journal is worth what the flushes are: what was synced is there, and the
# file system is whole.
journal()
{
	local disk

	disk=$(vdpa_disk tv0)
	mkfs.ext4 -q -F "$disk" && mount "$disk" "$TMP/mnt" &&
		dd if=/dev/urandom of="$TMP/mnt/kept" bs=64k count=32 conv=fsync status=none &&
		(cd "$TMP/mnt" && md5sum kept) >"$TMP/sum" &&
		dd if=/dev/urandom of="$TMP/mnt/lost" bs=64k count=32 status=none || return 1
	lose_power
	umount "$TMP/mnt"
	reboot && disk=$(vdpa_disk tv0) && mount "$disk" "$TMP/mnt" &&
		(cd "$TMP/mnt" && md5sum -c "$TMP/sum") && umount "$TMP/mnt" && fsck.ext4 -fn "$disk"
}

for behind in ram file; do
	case $behind in
	ram)
		profile tv0 capacity=64M write_cache=4M ;;
	file)
		truncate -s 64M "$TMP/disk"
		profile tv0 backing="$TMP/disk" write_cache=4M ;;
	esac
	check "cache over $behind: made" vdpa_new tv0 blk virtio_vdpa
	check "cache over $behind: the driver knows" test "$(cache_type)" = "write back"
	check "cache over $behind: flushed is kept, unflushed is lost" unflushed
	check "cache over $behind: an unflushed overwrite leaves the old" overwritten
	check "cache over $behind: write-through is kept" through
	check "cache over $behind: half of it, page by page" torn
	check "cache over $behind: more than it holds" full
	check "cache over $behind: ext4's journal" journal
	vdpa_clean tv0
done

truncate -s 0 "$TMP/disk"
truncate -s 64M "$TMP/disk"
profile tv0 backing="$TMP/disk" write_cache=16M
check "cache: made" vdpa_new tv0 blk virtio_vdpa
check "cache: fio crc32c" fio --name=v --filename="$(vdpa_disk tv0)" --direct=1 --rw=randwrite \
	--bsrange=512-64k --bs_unaligned=0 --blockalign=512 --size=8M --ioengine=libaio \
	--iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 --output="$TMP/fio"
check "cache: a write that is not flushed" put 119 20
check "cache: is not in the file yet" fails cmp -n 1048576 -i 20971520:0 "$TMP/disk" <(pattern 119)
check "cache: a device that is deleted writes what it has" vdpa dev del tv0
check "cache: now it is" cmp -n 1048576 -i 20971520:0 "$TMP/disk" <(pattern 119)
vdpa_clean tv0

test_end
