# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# vDPA net under virtio_vdpa: frames from one interface of the stock virtio_net to another,
# beside vdpa_sim_net, which hands a device's frames back to itself. The clock runs from
# the first frame to the last one; what did not arrive is not counted.

NET_FRAMES=20000
NET_BURST=64
declare -A NET_NAME=(
	[like]="switch, its features" [switch]=switch [xdp]=xdp [redirect]=redirect [bridge]=bridge
)

# net_send FROM TO LEN: instructions for each frame that arrived at TO.
net_send()
{
	local from=$1 to=$2 len=$3 before got ns

	# The receiver has said something, as hosts have, so that a bridge or switch knows it.
	[ "$from" = "$to" ] || pktgen "$to" "$(if_mac "$from")" "$len" 1 1 >/dev/null || return 1
	pktgen "$from" "$(if_mac "$to")" "$len" 1000 $NET_BURST >/dev/null || return 1
	before=$(if_stat "$to" rx_packets)
	ns=$(pktgen "$from" "$(if_mac "$to")" "$len" $NET_FRAMES $NET_BURST) || return 1
	# what is still under way
	sleep 0.1
	got=$(($(if_stat "$to" rx_packets) - before))
	[ $got -gt $((NET_FRAMES * 9 / 10)) ] ||
		bench_fail "$SUITE: $got of $NET_FRAMES frames from $from at $to" || return 1
	calc "$ns / $got"
}

# A pair of devices, and something in the host that connects their interfaces.
net_pair()
{
	local d

	for d in na nb; do
		vdpa_new $d trivio_net virtio_vdpa || return 1
		if_quiet $d
		if_quiet "$(vdpa_netif $d)"
	done
	if_drop "$(vdpa_netif nb)"
}

net_bridge()
{
	ip link add br0 type bridge && ip link set na master br0 && ip link set nb master br0 &&
		if_quiet br0
}

net_unbridge()
{
	ip link del br0
}

net_redirect()
{
	tc qdisc add dev na clsact &&
		tc filter add dev na ingress matchall action mirred egress redirect dev nb
}

net_unredirect()
{
	tc qdisc del dev na clsact
}

net_xdp()
{
	"$BENCH_DIR/xdp-wire" na nb &
	XDP_PID=$!
	sleep 0.2
	kill -0 "$XDP_PID"
}

net_unxdp()
{
	kill "$XDP_PID" && wait "$XDP_PID"
	return 0
}

# The same two devices at a switch.
net_switch()
{
	local d

	vdpa_del na nb
	for d in na nb; do
		mkdir -p "/sys/kernel/config/trivio/$d" &&
			echo switch:bench >"/sys/kernel/config/trivio/$d/port" || return 1
		[ -z "${1:-}" ] || echo "$1" >"/sys/kernel/config/trivio/$d/features" || return 1
		vdpa_new $d trivio_net virtio_vdpa && if_quiet "$(vdpa_netif $d)" || return 1
	done
	if_drop "$(vdpa_netif nb)"
}

net_unswitch()
{
	vdpa_del na nb
}

# The same with the features that the simulator has, and none beside them: MTU, MAC, STATUS,
# CTRL_VQ, CTRL_MAC_ADDR, ANY_LAYOUT, VERSION_1, ACCESS_PLATFORM. So a split ring, and a
# driver with small buffers.
net_like()
{
	net_switch 0x308830028
}

net_unlike()
{
	net_unswitch
}

suite_vdpa_net()
{
	local len how ref ours sim

	vdpa_modules && sim_modules || return 1
	vdpa_new nsim vdpasim_net virtio_vdpa mac 52:54:00:0a:00:01 &&
		sim=$(vdpa_netif nsim) && if_quiet "$sim" && if_drop "$sim" ||
		bench_fail "$SUITE: no devices" || return 1
	for len in 60 1500; do
		ref=$(net_send "$sim" "$sim" $len)
		for how in like switch xdp redirect bridge; do
			[ -e "$VDPA_BUS/devices/na" ] || [[ "$how" = switch || "$how" = like ]] || net_pair
			net_$how || bench_fail "$SUITE: $how" || continue
			ours=$(net_send "$(vdpa_netif na)" "$(vdpa_netif nb)" $len)
			row "$len B, by ${NET_NAME[$how]}" "instr/frame" "$ref" "$ours" 0.50
			[ -z "${BENCH_PROFILE:-}" ] ||
				profile "$len B $how" $NET_FRAMES net_send "$(vdpa_netif na)" "$(vdpa_netif nb)" $len
			net_un$how
		done
	done
	[ -z "${BENCH_PROFILE:-}" ] || profile "sim" $NET_FRAMES net_send "$sim" "$sim" 60
	vdpa_del nsim na nb
}
