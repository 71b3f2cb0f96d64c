#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# DPDK's virtio-user: an independent driver, without a virtual machine. testpmd answers ping
# (icmpecho), so each reply, whose bytes ping compares, went through both rings.
# The check runs one kind of ring; GUEST_ALL=1 all of them.

# shellcheck source=selftests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

command -v dpdk-testpmd >/dev/null || skip_all "dpdk-testpmd is not installed (package dpdk-dev)"

TAP=dpdk0 HOST=10.4.0.1 PEER=10.4.0.2 LOG=/run/testpmd.log

# testpmd_start MEMORY DEVARGS: it polls until it is told to stop.
testpmd_start()
{
	local memory=$1 args=$2

	# shellcheck disable=SC2086
	setsid dpdk-testpmd -l 0,1 $memory --no-pci --no-telemetry --file-prefix=trivio \
		--vdev="net_virtio_user0,path=$NODE,iface=$TAP,queues=1,$args" \
		-- --forward-mode=icmpecho --auto-start --stats-period=5 --total-num-mbufs=4096 \
		>$LOG 2>&1 </dev/null &
	echo $! >/run/testpmd.pid
	until_true 90 running && ip addr add $HOST/24 dev $TAP && ip link set $TAP up && return 0
	tail -n 20 $LOG
	return 1
}

testpmd_pid()
{
	cat /run/testpmd.pid
}

running()
{
	[ "$(devices "$(testpmd_pid)" 'length == 1 and all(.[].queues[]; .state == "running")' 2>/dev/null)" = true ]
}

ended()
{
	! kill -0 "$(testpmd_pid)" 2>/dev/null && [ "$(devices "$(testpmd_pid)" length)" = 0 ]
}

testpmd_stop()
{
	kill -INT "$(testpmd_pid)"
	until_true 30 ended || { kill -KILL "$(testpmd_pid)"; return 1; }
}

# $1 pings one by one, then many at once; what trivio counted, both ways.
echoed()
{
	local count=$1 pid rx tx got

	pid=$(testpmd_pid)
	until_true 20 ping -c 1 -W 2 $PEER >/dev/null || { tail -n 5 $LOG; return 1; }
	rx=$(counter "$pid" packets rx) tx=$(counter "$pid" packets tx)
	ping -q -c 20 -i 0.05 -s 1400 -W 5 $PEER || return 1
	ping -q -f -l 16 -c "$count" -s 600 -W 5 $PEER | tee /run/ping.dpdk
	got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' /run/ping.dpdk)
	rx=$(($(counter "$pid" packets rx) - rx)) tx=$(($(counter "$pid" packets tx) - tx))
	echo "trivio: $rx to testpmd, $tx from it"
	[ "${got:-0}" -ge $((count * 95 / 100)) ] && [ "$rx" -ge $((got + 20)) ] && [ "$tx" -ge $((got + 20)) ] &&
		[ "$(counter "$pid" drops tx)" = 0 ] && [ "$(counter "$pid" errors)" = 0 ]
}

negotiated()
{
	local f

	for f in "$@"; do
		case $f in
		-*) ! has_feature "$(testpmd_pid)" "${f#-}" ;;
		*) has_feature "$(testpmd_pid)" "$f" ;;
		esac || { devices "$(testpmd_pid)" '.[].features'; echo "not as asked: $f"; return 1; }
	done
}

# road NAME MEMORY DEVARGS FEATURE...
road()
{
	local name=$1 memory=$2 args=$3
	shift 3

	if check "$name: testpmd starts" testpmd_start "$memory" "$args"; then
		check "$name: negotiated" negotiated "$@"
		check "$name: every ping is echoed, counted both ways" echoed 1000
	fi
	check "$name: testpmd ends, device is gone" testpmd_stop
}

hugepages()
{
	echo 160 >/proc/sys/vm/nr_hugepages
	mkdir -p /run/huge
	mount -t hugetlbfs -o pagesize=2M none /run/huge || return 1
	[ "$(cat /proc/sys/vm/nr_hugepages)" -ge 160 ]
}

NOHUGE="--no-huge -m 256 --iova-mode=va"
HUGE="-m 256 --huge-dir=/run/huge --iova-mode=va --huge-unlink"

modprobe tun
echo "TAP version 13"
road "packed, in order" "$NOHUGE" "queue_size=256,packed_vq=1,in_order=1,mrg_rxbuf=1" IN_ORDER RING_PACKED MRG_RXBUF
if [ -n "${GUEST_ALL:-}" ]; then
	road "split, in order" "$NOHUGE" "queue_size=256,packed_vq=0,in_order=1,mrg_rxbuf=1" IN_ORDER -RING_PACKED MRG_RXBUF
	road "split, no merging" "$NOHUGE" "queue_size=256,packed_vq=0,in_order=0,mrg_rxbuf=0" -IN_ORDER -RING_PACKED -MRG_RXBUF
	road "packed, no merging" "$NOHUGE" "queue_size=1024,packed_vq=1,in_order=0,mrg_rxbuf=0" -IN_ORDER RING_PACKED -MRG_RXBUF
	check "huge pages are there" hugepages &&
		road "huge pages, packed" "$HUGE" "queue_size=256,packed_vq=1,in_order=1,mrg_rxbuf=1" IN_ORDER RING_PACKED
	umount /run/huge
	echo 0 >/proc/sys/vm/nr_hugepages
fi
finish
