# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# vDPA by vhost-vdpa without a guest: vhost-bench is driver and VMM, the device's own
# interface the other end; beside in-tree vhost_net with a tap.

# Guest memory of vhost-bench, 2 MiB each.
HUGE_PAGES=80

user_device()
{
	local d

	for d in "$@"; do
		vdpa_new "$d" trivio_net vhost_vdpa || return 1
		if_quiet "$d"
	done
}

# user_bench ARGS...: instructions per packet, of all.
user_bench()
{
	"$BENCH_DIR/vhost-bench" --json "$@" >"$BENCH_TMP/user.json" || return 1
	jq -e .total "$BENCH_TMP/user.json"
}

user_row()
{
	local name=$1 asked=$2 dev ref ours packed
	shift 2

	dev=$(vdpa_node user0)=user0
	ref=$(user_bench --dev /dev/vhost-net "$@")
	ours=$(user_bench --vdpa "$dev" "$@")
	packed=$(user_bench --vdpa "$dev" --packed "$@")
	row "$name" "instr/packet" "$ref" "$ours" "$asked"
	row "$name, packed" "instr/packet" "$ref" "$packed" "$asked"
}

suite_vdpa_user()
{
	modprobe -qa tun vhost_net
	vdpa_modules || return 1
	echo $HUGE_PAGES >/proc/sys/vm/nr_hugepages
	user_device user0 || bench_fail "$SUITE: no device" || return 1
	user_row "TX 60 B" "" --mode tx --len 60
	user_row "TX 60 B, XDP_DROP" "" --mode tx --len 60 --sink xdp
	user_row "TX 1500 B" "" --mode tx --len 1500
	user_row "RX 60 B" "" --mode rx --len 60
	user_row "RX 1500 B" "" --mode rx --len 1500
	user_row "TX 60 B, 1 a kick" "" --mode tx --len 60 --batch 1 -n 1600
	user_row "RX 60 B, 1 a kick" 0.50 --mode rx --len 60 --batch 1 -n 1600
	[ -z "${BENCH_PROFILE:-}" ] || {
		profile "TX" 0 user_bench --vdpa "$(vdpa_node user0)=user0" -n 25600
		profile "TX XDP_DROP" 0 user_bench --vdpa "$(vdpa_node user0)=user0" -n 25600 --sink xdp
		profile "RX" 0 user_bench --vdpa "$(vdpa_node user0)=user0" -n 25600 --mode rx
		profile "RX 1 a kick" 0 user_bench --vdpa "$(vdpa_node user0)=user0" -n 12800 --mode rx --batch 1
	}
	vdpa_del user0
}
