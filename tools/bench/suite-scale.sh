# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# vDPA by vhost-vdpa: what a packet costs with more devices, more ranges of memory, larger
# rings. The reference is the row's first figure, and growth is what is asked about.

# Flat: as much noise as caches of slabs and pages make.
SCALE_FLAT=1.05
# A step of a binary search, of what a packet costs.
SCALE_STEP=0.02

# scale_case WHAT COUNT FIRST ASKED ARGS...: one row; the figure is in SCALE.
scale_case()
{
	local what=$1 count=$2 first=$3 asked=$4
	shift 4

	SCALE=$(user_bench "$@") || bench_fail "$SUITE: $count $what" || return 1
	row "$count $what" "instr/packet" "$first" "$SCALE" "${first:+$asked}"
}

scale_devices()
{
	local n i first='' dir args

	for dir in tx rx; do
		first=
		for n in 1 4 16 64; do
			args=()
			for ((i = 0; i < n; i++)); do
				args+=(--vdpa "$(vdpa_node s$i)=s$i")
			done
			scale_case "devices, $dir" $n "$first" $SCALE_FLAT --mode $dir "${args[@]}"
			first=${first:-$SCALE}
		done
	done
}

# One range is the last look-up's answer again. From there on a binary search: the second
# figure is what the others are beside.
scale_ranges()
{
	local n first='' asked='' step=0

	for n in 1 8 64 512 2000; do
		scale_case "memory ranges" $n "$first" "$asked" \
			--spread --regions $n --vdpa "$(vdpa_node s0)=s0"
		[ $n = 1 ] || {
			first=${first:-$SCALE}
			step=$((step + 3))
			asked=$(calc "1 + $SCALE_STEP * $step")
		}
	done
}

scale_rings()
{
	local n first='' packed

	for packed in "" --packed; do
		first=
		for n in 256 1024 4096 32768; do
			scale_case "ring entries${packed:+, packed}" $n "$first" $SCALE_FLAT \
				--ring $n -n 32768 ${packed:+$packed} --vdpa "$(vdpa_node s0)=s0"
			first=${first:-$SCALE}
		done
	done
}

suite_scale()
{
	local i names=()

	vdpa_modules || return 1
	echo 300 >/proc/sys/vm/nr_hugepages
	for ((i = 0; i < 64; i++)); do
		mkdir "/sys/kernel/config/trivio/s$i" &&
			echo 32768 >"/sys/kernel/config/trivio/s$i/queue_max"
		names+=("s$i")
	done
	user_device "${names[@]}" || bench_fail "$SUITE: no devices" || return 1
	scale_devices
	scale_ranges
	scale_rings
	vdpa_del "${names[@]}"
}
