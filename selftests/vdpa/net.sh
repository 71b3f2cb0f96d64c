#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The short one of qemu.sh: one stock guest over -netdev vhost-vdpa, packed ring, two queue
# pairs: pings, TCP both ways, stop and cont, a reboot. What is asked each time is what trivio
# itself has counted.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/guestlib.sh"
test_need qemu-system-x86_64 ip ping jq iperf3 ss
PIDFILE=/run/iperf-vdpa
NEW=(max_vqp 2)

end_all()
{
	inner_stop_all
	iperf_end
	vdpa_clean tq0
}
trap end_all EXIT

iperf_end()
{
	[ ! -s "$PIDFILE" ] || kill "$(tr -d '\0' <"$PIDFILE")" 2>/dev/null
	rm -f "$PIDFILE"
}

# tcp ROLE [-R]: two seconds of TCP, and queues of that role carried what was received of it.
tcp()
{
	local role=$1 bytes before now
	shift

	iperf3 -s -1 -D -B 10.78.0.1 --pidfile "$PIDFILE" >/dev/null 2>&1
	listens 5201 || return 1
	before=$(qstat tq0 "$role" bytes)
	bytes=$(guest "timeout $((20 * LAB_SLOW)) iperf3 -c 10.78.0.1 -t 2 -J $*" |
		jq '.end.sum_received.bytes // 0')
	now=$(qstat tq0 "$role" bytes)
	iperf_end
	echo "received ${bytes:=0}, carried $((now - before))"
	[ "$bytes" -gt 100000 ] && [ $((now - before)) -ge "$bytes" ]
}

# A new life, and not only a guest that answers.
rebooted()
{
	local before

	before=$(guest cat /proc/sys/kernel/random/boot_id)
	reboot && [ "$(guest cat /proc/sys/kernel/random/boot_id)" != "$before" ] && is_packed
}

begin "guest" ",queues=2" ",mq=on,vectors=6,packed=on"
check "guest: the ring is packed" is_packed
check "guest: both pairs run" both_pairs
check "guest: TCP out" tcp tx
check "guest: TCP in" tcp rx -R
check "guest: stop, cont" stop_cont
check "guest: reboot" rebooted
check "guest: TCP out after it" tcp tx
end "guest"
test_end
