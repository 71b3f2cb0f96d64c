# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One guest, four virtio-net devices: in-tree vhost_net, trivio by vhost (split, packed),
# trivio by vhost-vdpa with its own interface. And the receive path of vhost-vdpa without a
# guest, where nothing but the road costs.

# shellcheck source-path=SCRIPTDIR
. "$BENCH_DIR/guestlib.sh"

guest_suite_start()
{
	local i args=()

	modprobe -qa tun vhost_net
	# A guest's memory is scattered: more ranges than vhost_vdpa takes by default.
	modprobe -q -r vhost_vdpa
	modprobe vhost_vdpa max_iotlb_entries=65536
	vdpa_modules || return 1
	[ -c /dev/trivio-vhost-net ] || bench_fail "$SUITE: no /dev/trivio-vhost-net" || return 1
	vdpa_new gv trivio_net vhost_vdpa || bench_fail "$SUITE: no vDPA device" || return 1
	for i in 0 1 2; do
		guest_tap "gt$i" $i || return 1
	done
	guest_host_if gv 3
	exec 20<>/dev/trivio-vhost-net 21<>/dev/trivio-vhost-net
	args=(-netdev tap,id=n0,ifname=gt0,script=no,downscript=no,vhost=on,vhostforce=on
	      -netdev tap,id=n1,ifname=gt1,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=20
	      -netdev tap,id=n2,ifname=gt2,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=21
	      -netdev "vhost-vdpa,id=n3,vhostdev=$(vdpa_node gv)"
	      -device virtio-net-pci,netdev=n0,addr=0x2,disable-legacy=on
	      -device virtio-net-pci,netdev=n1,addr=0x3,disable-legacy=on
	      -device virtio-net-pci,netdev=n2,addr=0x4,disable-legacy=on,packed=on
	      -device virtio-net-pci,netdev=n3,addr=0x5,disable-legacy=on)
	guest_start --memfd -- "${args[@]}" || return 1
	exec 20>&- 21>&-
	for i in 0 1 2; do
		guest_if_up eth$i $i gt$i || return 1
	done
	guest_if_up eth3 3 gv
}

guest_suite_rows()
{
	local i host ref ours name=("" "vhost split" "vhost packed" "vhost-vdpa")

	ref[0]=$(counted "in-tree, a ping" $GUEST_PINGS guest_ping 0) && ref[1]=$(cat "$COUNT_FILE")
	ref[2]=$(guest_tcp 0)
	ref[3]=$(guest_tcp 0 -R)
	ref[4]=$(guest_rx gt0 eth0)
	ref[5]=$(guest_rx_single gt0 eth0)
	ref[6]=$(guest_tx gt0 eth0)
	for i in 1 2 3; do
		host=gt$i
		[ $i -lt 3 ] || host=gv
		ours=$(counted "trivio" $GUEST_PINGS guest_ping $i)
		row_note "${ref[1]}; $(cat "$COUNT_FILE")" \
			"ping, ${name[i]}" "instr/ping" "${ref[0]}" "$ours" \
			"$([ $i = 3 ] && echo 0.70 || echo 1.00)"
		# Minutes over the last road, whose copies the emulator makes byte by byte.
		[ $i = 3 ] || {
			row "TCP out, ${name[i]}" "Mbit/s" "${ref[2]}" "$(guest_tcp $i)" 1.00 ge
			row "TCP in, ${name[i]}" "Mbit/s" "${ref[3]}" "$(guest_tcp $i -R)" 1.00 ge
		}
		row "RX 60 B bursts, ${name[i]}" "instr/frame" "${ref[4]}" "$(guest_rx $host eth$i)"
		row "RX 60 B one by one, ${name[i]}" "instr/frame" "${ref[5]}" \
			"$(guest_rx_single $host eth$i)" "$([ $i = 3 ] && echo 0.50)"
		row "TX 60 B stream, ${name[i]}" "instr/frame" "${ref[6]}" "$(guest_tx $host eth$i)"
		[ -z "${BENCH_PROFILE:-}" ] || {
			profile "ping ${name[i]}" 0 guest_ping $i
			profile "one by one ${name[i]}" 0 guest_rx_single $host eth$i
		}
	done
	[ -z "${BENCH_PROFILE:-}" ] || {
		profile "ping in-tree" 0 guest_ping 0
		profile "one by one in-tree" 0 guest_rx_single gt0 eth0
	}
}

suite_guest()
{
	if guest_suite_start; then
		guest_suite_rows
	else
		bench_fail "$SUITE: the guest did not start"
	fi
	inner_stop $GUEST
	vdpa_del gv
}
