# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A guest with a mediated device for each doorbell that sleeps, beside in-tree vhost_net with
# a tap; then one for the doorbell that is polled: its worker spins, and would be in every
# other device's figure.

# shellcheck source-path=SCRIPTDIR
. "$BENCH_DIR/guestlib.sh"

MDEV_TYPE=/sys/class/mdev_bus/trivio/mdev_supported_types/trivio-net
declare -A BELL_LETTER=([trap]=A [poll]=B [kvm]=C [fault]=D)
BELL_KICKS=30000
BELL_LOOPS=2000

# bell_uuid N
bell_uuid()
{
	printf '7e57be11-0000-4000-8000-0000000000%02x' "$1"
}

bell_device()
{
	local u

	u=$(bell_uuid "$1")
	echo "$u" >$MDEV_TYPE/create &&
		echo "${BELLS[$1]}" >"/sys/bus/mdev/devices/$u/doorbell" &&
		echo "vb$1" >"/sys/bus/mdev/devices/$u/name"
}

bell_stat()
{
	cat "/sys/bus/mdev/devices/$(bell_uuid "$1")/stats/$2"
}

# vfio_suite_start BELL...: a guest with these
vfio_suite_start()
{
	local i args=()

	BELLS=("$@")
	modprobe -qa tun vhost_net vfio vfio_iommu_type1 mdev
	[ -d $MDEV_TYPE ] || bench_fail "$SUITE: no trivio_vfio: load it (make load)" || return 1
	guest_tap gt9 9 || return 1
	args=(-netdev tap,id=n0,ifname=gt9,script=no,downscript=no,vhost=on,vhostforce=on
	      -device virtio-net-pci,netdev=n0,addr=0x2,disable-legacy=on)
	# One processor: who polls may only have it when nobody else wants it.
	echo 0 >/sys/module/trivio_vfio/parameters/poll_sleep_us
	for i in "${!BELLS[@]}"; do
		bell_device "$i" || bench_fail "$SUITE: no device ${BELLS[i]}" || return 1
		args+=(-device "vfio-pci,addr=0x$((i + 3)),sysfsdev=/sys/bus/mdev/devices/$(bell_uuid "$i")")
	done
	args+=(-drive "file=$BENCH_DIR/doorbell,format=raw,if=virtio,readonly=on")
	guest_start --append iomem=relaxed -- "${args[@]}" || return 1
	poller_yields
	guest_if_up eth0 9 gt9 || return 1
	for i in "${!BELLS[@]}"; do
		guest_host_if "vb$i" $((10 + i)) &&
			guest_if_up "eth$((i + 1))" $((10 + i)) "vb$i" || return 1
	done
	guest "head -c $(stat -c %s "$BENCH_DIR/doorbell") /dev/vda >/tmp/doorbell && chmod +x /tmp/doorbell"
}

vfio_suite_end()
{
	local i

	inner_stop $GUEST
	for i in "${!BELLS[@]}"; do
		echo 1 >"/sys/bus/mdev/devices/$(bell_uuid "$i")/remove"
	done
	ip link del gt9
}

poller_yields()
{
	local pid

	for pid in $(pgrep -x 'trivio-vb.*'); do
		chrt -i -p 0 "$pid"
	done
}

# bell_ring BDF QUEUE: instructions of everybody while it is rung, or only spun ("-").
bell_ring()
{
	"$BENCH_DIR/busy" "$INNER_HOME/inner" exec $GUEST /tmp/doorbell "$1" "$2" $BELL_KICKS $BELL_LOOPS
}

# bell_kick SLOT [QUEUE]: what a notification of an idle device costs that the guest does not sleep after.
bell_kick()
{
	local bdf=0000:00:0$1.0 queue=${2:-1} ns

	# What the suite did before ends meanwhile.
	guest "/tmp/doorbell $bdf $queue 20 $BELL_LOOPS && /tmp/doorbell $bdf - $BELL_KICKS $BELL_LOOPS" || return 1
	ns=$(beyond_idle "a kick" $BELL_KICKS "bell_ring $bdf -" "bell_ring $bdf $queue") || return 1
	calc "$ns / $BELL_KICKS"
}

# bell_rows A: what there is beside the doorbells: vhost_net's eventfd and its worker, and an exit
# in which KVM has next to nothing to do.
bell_rows()
{
	local kick

	kick=$(bell_kick 2)
	row_note "$(cat "$COUNT_FILE")" "kick, spinning, in-tree vhost_net, against A" "instr/kick" "$1" "$kick"
	kick=$(bell_kick 2 exit)
	row_note "$(cat "$COUNT_FILE")" "an exit for nothing, against A" "instr/exit" "$1" "$kick"
}

# bell_name I
bell_name()
{
	echo "${BELL_LETTER[${BELLS[$1]}]} ${BELLS[$1]}"
}

vfio_suite_refs()
{
	REF_PING=$(counted "in-tree, a ping" $GUEST_PINGS guest_ping 9) && REF_NOTE=$(cat "$COUNT_FILE")
	REF_RX=$(guest_rx gt9 eth0)
	REF_ONE=$(guest_rx_single gt9 eth0)
	REF_TX=$(guest_tx gt9 eth0)
}

# vfio_suite_ping I
vfio_suite_ping()
{
	local ours

	ours=$(counted "trivio" $GUEST_PINGS guest_ping $((10 + $1)))
	row_note "$REF_NOTE; $(cat "$COUNT_FILE")" "ping, $(bell_name "$1")" "instr/ping" "$REF_PING" "$ours" 0.80
}

vfio_suite_rows()
{
	local i ours kick trap=''

	for i in "${!BELLS[@]}"; do
		local n=$((10 + i)) name eth=eth$((i + 1))

		name=$(bell_name "$i")
		vfio_suite_ping "$i"
		ours=$(guest_rx "vb$i" $eth)
		row_note "$(cat "$COUNT_FILE")" \
			"RX 60 B bursts, $name" "instr/frame" "$REF_RX" "$ours" 0.50
		ours=$(guest_rx_single "vb$i" $eth)
		row_note "$(cat "$COUNT_FILE")" \
			"RX 60 B one by one, $name" "instr/frame" "$REF_ONE" "$ours" 0.50
		ours=$(counted "a frame" $GUEST_FRAMES guest_tx "vb$i" $eth)
		row_note "$(cat "$COUNT_FILE")" \
			"TX 60 B stream, $name" "instr/frame" "$REF_TX" "$ours"
		kick=$(bell_kick $((i + 3)))
		row_note "$(cat "$COUNT_FILE")" "kick, spinning, $name, against A" "instr/kick" "$trap" "$kick"
		trap=${trap:-$kick}
		[ -z "${BENCH_PROFILE:-}" ] || {
			profile "ping $name" 0 guest_ping $n
			profile "one by one $name" 0 guest_rx_single "vb$i" $eth
			profile "kick $name" 0 bell_kick $((i + 3))
		}
	done
	bell_rows "$trap"
}

suite_vfio()
{
	if vfio_suite_start trap kvm fault; then
		vfio_suite_refs
		vfio_suite_rows
	else
		bench_fail "$SUITE: the guest did not start"
	fi
	vfio_suite_end
	if vfio_suite_start poll; then
		vfio_suite_ping 0
	else
		bench_fail "$SUITE: the guest with a polled doorbell did not start"
	fi
	vfio_suite_end
}
