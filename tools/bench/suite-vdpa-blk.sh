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

# Split ring: the simulator has no other, so that only the device differs.
blk_split()
{
	mkdir "/sys/kernel/config/trivio/$1" &&
		echo 0xfffffffbffffffff >"/sys/kernel/config/trivio/$1/features"
}

suite_vdpa_blk()
{
	local depth ref how

	vdpa_modules && sim_modules || return 1
	blk_device bsim vdpasim_blk && blk_split bsplit && blk_device bsplit trivio_blk &&
		blk_device bpacked trivio_blk || bench_fail "$SUITE: no devices" || return 1
	for depth in 1 32; do
		for how in lean fio; do
			ref=$(blk_$how "$(vdpa_disk bsim)" $depth)
			row "$how, depth $depth, split" "instr/read" "$ref" \
				"$(blk_$how "$(vdpa_disk bsplit)" $depth)" 0.50
			[ $how = fio ] || row "$how, depth $depth, packed" "instr/read" "$ref" \
				"$(blk_$how "$(vdpa_disk bpacked)" $depth)" 0.50
		done
		[ -z "${BENCH_PROFILE:-}" ] || {
			profile "sim, depth $depth" blk_lean "$(vdpa_disk bsim)" $depth
			profile "trivio, depth $depth" blk_lean "$(vdpa_disk bsplit)" $depth
		}
	done
	vdpa_del bsim bsplit bpacked
}
