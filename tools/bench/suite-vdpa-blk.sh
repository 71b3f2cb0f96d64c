# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# vDPA block under virtio_vdpa: 4 KiB random reads of a RAM disk, beside vdpa_sim_blk. By
# fio, and by blk-bench, which has nearly no cost of its own.

# blk_fio DISK DEPTH: instructions per read.
blk_fio()
{
	fio --name=read --filename="$1" --direct=1 --rw=randread --bs=4k --size=64m \
		--ioengine=libaio --iodepth="$2" --number_ios=16384 --randrepeat=1 \
		--gtod_reduce=1 --output-format=json 2>"$BENCH_TMP/fio.err" |
		jq -e '.jobs[0] | select(.error == 0) | .read | .runtime * 1e6 / .total_ios'
}

blk_lean()
{
	"$BENCH_DIR/blk-bench" --size 64 --count 5000 --rounds 2 --depth "$2" "$1"
}

# Pages that were never written read as zeroes without being touched.
blk_fill()
{
	tr '\0' '\252' </dev/zero | dd of="$1" bs=1M count=64 iflag=fullblock oflag=direct status=none
}

blk_device()
{
	vdpa_new "$1" "$2" virtio_vdpa && blk_fill "$(vdpa_disk "$1")"
}

# blk_profile DEVICE FEATURES
blk_profile()
{
	mkdir "/sys/kernel/config/trivio/$1" && echo "$2" >"/sys/kernel/config/trivio/$1/features"
}

# What the simulator has and none beside it, so that only the device differs: SIZE_MAX, SEG_MAX,
# BLK_SIZE, FLUSH, TOPOLOGY, MQ, DISCARD, WRITE_ZEROES, ANY_LAYOUT, VERSION_1, ACCESS_PLATFORM.
BLK_LIKE=0x308007646
# All but the packed ring.
BLK_SPLIT=0xffffffabffffffff
declare -A BLK_NAME=([blike]="its features" [bsplit]=split [bpacked]=packed)

suite_vdpa_blk()
{
	local depth ref how dev

	vdpa_modules && sim_modules || return 1
	blk_device bsim vdpasim_blk && blk_profile blike $BLK_LIKE && blk_device blike trivio_blk &&
		blk_profile bsplit $BLK_SPLIT && blk_device bsplit trivio_blk &&
		blk_device bpacked trivio_blk || bench_fail "$SUITE: no devices" || return 1
	for depth in 1 32; do
		for how in lean fio; do
			ref=$(blk_$how "$(vdpa_disk bsim)" $depth)
			for dev in blike bsplit bpacked; do
				[ $how = lean ] || [ $dev = blike ] || continue
				row "$how, depth $depth, ${BLK_NAME[$dev]}" "instr/read" "$ref" \
					"$(blk_$how "$(vdpa_disk $dev)" $depth)" 0.50
			done
		done
		[ -z "${BENCH_PROFILE:-}" ] || {
			profile "sim, depth $depth" 0 blk_lean "$(vdpa_disk bsim)" $depth
			profile "trivio, depth $depth" 0 blk_lean "$(vdpa_disk blike)" $depth
		}
	done
	vdpa_del bsim blike bsplit bpacked
}
