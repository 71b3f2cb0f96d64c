#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A stock QEMU with -netdev vhost-vdpa, its guest's stock virtio_net, and the
# host's own interface of the device on the other side. Arguments pick groups of
# cases, e.g. "packed shadow".

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/guestlib.sh"
test_need qemu-system-x86_64 ip ping jq
trap 'inner_stop_all; ip link del tqbr 2>/dev/null; vdpa_clean tq0 tq1' EXIT
# What QEMU 7.2's shadow queues can follow: nothing but CSUM, GUEST_CSUM, MTU, MAC,
# TSO and ECN both ways, MRG_RXBUF, STATUS, CTRL_VQ, MQ, CTRL_MAC_ADDR, EVENT_IDX,
# VERSION_1, ACCESS_PLATFORM.
SVQ_FEATURES=0x328c3ffab

test_split()
{
	begin "split" "" ""
	check "split: stop, cont" stop_cont
	check "split: reboot" reboot
	check "split: no page, no doorbell" test "$(qstat tq0 - doorbells)" = 0
	end "split"
}

test_packed()
{
	begin "packed" "" ",packed=on"
	check "packed: stop, cont" stop_cont
	check "packed: the ring is packed" is_packed
	end "packed"
}

test_multiqueue()
{
	NEW=(max_vqp 2)
	begin "multiqueue" ",queues=2" ",mq=on,vectors=6"
	check "multiqueue: both pairs run" both_pairs
	check "multiqueue: stop, cont" stop_cont
	end "multiqueue"
	NEW=()
}

# Kicks of the guest are stores to a page: QEMU maps it into the guest.
test_doorbell()
{
	check "doorbell page: asked for" profile tq0 doorbell=1
	begin "doorbell page" "" ",page-per-vq=on"
	check "doorbell page: kicks come through it" test "$(qstat tq0 1 doorbells)" -ge 5
	# But for those with which QEMU begins.
	check "doorbell page: and no other way" test \
		$(($(qstat tq0 1 kicks) - $(qstat tq0 1 doorbells))) -le 3
	end "doorbell page"
	check "doorbell page: profile removed" profile_end tq0
}

other_end()
{
	vdpa_new tq1 net vhost_vdpa "${NEW[@]}" &&
	ip link add tqbr type bridge && ip addr flush dev tq0 &&
	ip link set tq0 master tqbr && ip link set tq1 up master tqbr &&
	ip link set tqbr up && ip addr add 10.78.0.1/24 dev tqbr &&
	start q2 tq1 ",x-svq=on" "" --incoming unix:/tmp/migrate.$$
}

migrate()
{
	local i status=none

	"$INNER" qmp q '{"execute":"migrate","arguments":{"uri":"unix:/tmp/migrate.'$$'"}}' ||
		return 1
	for i in $(seq 240); do
		status=$("$INNER" qmp q '{"execute":"query-migrate"}' | jq -r '.return.status // .status')
		case $status in
		completed) return 0 ;;
		failed | cancelled) break ;;
		esac
		sleep 0.5
	done
	echo "migration: $status"
	"$INNER" qmp q '{"execute":"query-migrate"}'
	"$INNER" log q | tail -5
	"$INNER" log q2 | tail -5
	return 1
}

arrived()
{
	"$INNER" wait q2 120 && reach 10.78.0.2 &&
	[ "$(qstat tq1 0 packets)" -ge 5 ] && [ "$(qstat tq1 1 packets)" -ge 5 ] &&
	[ "$(qstat tq1 - errors)" = 0 ]
}

# QEMU 7.2 forgets which receive buffers its shadow queues held when it stops: the
# available index that it writes afterwards stays 0, whatever the device. Sending does
# go on, and after a migration so does receiving.
sends_again()
{
	local tx

	tx=$(qstat tq0 1 packets)
	"$INNER" hmp q stop && sleep 1 && "$INNER" hmp q cont || return 1
	guest "ping -c 5 -i 0.2 -W 1 10.78.0.1 >/dev/null; true"
	echo "sent: $(($(qstat tq0 1 packets) - tx))"
	[ $(($(qstat tq0 1 packets) - tx)) -ge 5 ]
}

# Shadow queues: QEMU stands between, and can then migrate.
test_shadow()
{
	check "shadow: features it can follow" profile tq0 features="$SVQ_FEATURES"
	check "shadow: the same for the other end" profile tq1 features="$SVQ_FEATURES"
	NEW=(mac 52:54:00:00:78:02)
	begin "shadow" ",x-svq=on" ""
	check "shadow: stop, cont, and it sends again" sends_again
	check "migration: a device at the other end" other_end
	check "migration: completes" migrate
	check "migration: the guest goes on over the other device" arrived
	check "migration: guest ends" "$INNER" stop q2
	"$INNER" stop q >/dev/null 2>&1
	check "migration: devices deleted" timeout 60 sh -c \
		"vdpa dev del tq0 && vdpa dev del tq1"
	NEW=()
}

[ $# -gt 0 ] || set -- split packed multiqueue doorbell shadow
for t in "$@"; do
	"test_$t"
done
test_end
