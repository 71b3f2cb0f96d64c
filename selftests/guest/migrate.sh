#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Live migration between two QEMUs with trivio on both sides, under ping and two TCP streams
# whose bytes are summed at both ends. The last word on the dirty log: when the guest has
# stopped on one side and not yet started on the other, its memory is the same byte for byte.
# The check moves it once with a split ring; GUEST_ALL=1 there and back, packed as well.

# shellcheck source=selftests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

HOST=10.7.0.1 GUEST=10.7.0.2 MEM=256
RUN=/run/migrate
TRACING=/sys/kernel/tracing
# What KVM may write into a stopped guest's memory: the time stolen from it. Its clock stays: without it
# the guest falls back to the HPET here, and each look at the time is an exit to QEMU.
APPEND="no-steal-acc"

# end_start NAME OPTS ARG...: one end of a migration: a tap in the bridge, trivio behind it.
end_start()
{
	local name=$1 opts=$2 fd rc
	shift 2

	ip tuntap add "tap-$name" mode tap vnet_hdr || return 1
	ip link set "tap-$name" master br-mig up
	exec {fd}<>"$NODE" || return 1
	inner_start "$name" --mem $MEM --append "$APPEND" "$@" \
		-netdev "tap,id=n0,ifname=tap-$name,script=no,downscript=no,vhost=on,vhostforce=on,vhostfd=$fd" \
		-device "virtio-net-pci,id=nic,netdev=n0,mac=52:54:00:07:00:02$opts"
	rc=$?
	exec {fd}>&-
	return $rc
}

end_stop()
{
	inner_stop "$1"
	ip link del "tap-$1"
}

# --- traffic that goes on meanwhile --------------------------------------------

# Down: random bytes to the guest, which keeps them in its memory. Up: the same the other way.
streams_start()
{
	(while [ ! -e $RUN/stop ]; do head -c 32768 /dev/urandom; sleep 0.03; done |
		tee >(sha256sum >$RUN/down.sent) | socat -u - TCP-LISTEN:5001,bind=$HOST,reuseaddr) \
		>/dev/null 2>&1 &
	(socat -u TCP-LISTEN:5002,bind=$HOST,reuseaddr - | sha256sum >$RUN/up.got) >/dev/null 2>&1 &
	ping -i 0.2 -W 1 $GUEST >$RUN/ping 2>&1 &
	echo $! >$RUN/ping.pid
	listens 5001 && listens 5002 || return 1
	inner_exec "$1" "mkdir /tmp/s; cd /tmp/s
		(sleep 1000 | nc $HOST 5001 | tee down | sha256sum >down.got) >/dev/null 2>&1 &
		(while [ ! -e stop ]; do head -c 16384 /dev/urandom; sleep 0.03; done | tee up |
			nc $HOST 5002) >/dev/null 2>&1 &" || return 1
	until_true 60 inner_exec "$1" 'test -s /tmp/s/down && test -s /tmp/s/up'
}

down_ended()
{
	[ -s $RUN/down.sent ] && inner_exec "$1" 'test -s /tmp/s/down.got'
}

streams_stop()
{
	touch $RUN/stop
	kill -INT "$(cat $RUN/ping.pid)"
	inner_exec "$1" 'touch /tmp/s/stop' || return 1
	until_true 120 down_ended "$1" || { echo "the stream to the guest does not end"; return 1; }
	until_true 60 test -s $RUN/up.got || { echo "the stream from the guest does not end"; return 1; }
}

# As sent, as received, and as it still lies in the guest's memory.
down_whole()
{
	local sent got kept size

	read -r sent _ <$RUN/down.sent
	read -r got _ < <(inner_exec "$1" 'cat /tmp/s/down.got')
	read -r kept _ < <(inner_exec "$1" 'sha256sum </tmp/s/down')
	size=$(inner_exec "$1" 'stat -c %s /tmp/s/down')
	echo "$size bytes: sent $sent, got $got, kept $kept"
	[ "$size" -gt 1000000 ] && [ "$sent" = "$got" ] && [ "$sent" = "$kept" ]
}

up_whole()
{
	local got kept size

	read -r got _ <$RUN/up.got
	read -r kept _ < <(inner_exec "$1" 'sha256sum </tmp/s/up')
	size=$(inner_exec "$1" 'stat -c %s /tmp/s/up')
	echo "$size bytes: kept $kept, got $got"
	[ "$size" -gt 500000 ] && [ "$got" = "$kept" ]
}

# Answers came before, and came after; what fell into the pauses is lost.
ping_went_on()
{
	local sent got last

	last=$(sed -n 's/.*icmp_seq=\([0-9]*\).*time=.*/\1/p' $RUN/ping | tail -n 1)
	got=$(grep -c 'time=' $RUN/ping)
	sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' $RUN/ping)
	echo "sent $sent, answered $got, the last answered was $last"
	[ "$got" -ge 20 ] && [ "$last" -ge $((sent - 10)) ]
}

# --- migration -----------------------------------------------------------------

bandwidth()
{
	inner_qmp "$1" '{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":'"$2"',"downtime-limit":5000}}'
}

status_is()
{
	[ "$(inner_qmp "$1" '{"execute":"query-migrate"}' | jq -r .return.status)" = "$2" ]
}

# The log is on, and both directions of traffic went into it.
log_is_busy()
{
	local pid=$1

	has_feature "$pid" LOG_ALL || return 1
	LOGGED_RX=$(($(counter "$pid" logged rx) - WAS_RX))
	LOGGED_TX=$(($(counter "$pid" logged tx) - WAS_TX))
	PACKETS_RX=$(($(counter "$pid" packets rx) - WAS_PACKETS))
	[ $LOGGED_TX -ge 100 ] && [ $PACKETS_RX -ge 100 ] && [ $LOGGED_RX -ge $PACKETS_RX ]
}

# Slow first, so that traffic runs while the log is on, then fast, so that it ends.
migrate_logged()
{
	local from=$1 to=$2 pid

	pid=$(inner_pid "$from")
	WAS_RX=$(counter "$pid" logged rx) WAS_TX=$(counter "$pid" logged tx)
	WAS_PACKETS=$(counter "$pid" packets rx)
	! has_feature "$pid" LOG_ALL || { echo "LOG_ALL before the migration"; return 1; }
	bandwidth "$from" 1500000 &&
		inner_qmp "$from" '{"execute":"migrate","arguments":{"uri":"unix:'$RUN/"$to"'.sock"}}' || return 1
	until_true 60 log_is_busy "$pid"
	echo "logged $LOGGED_RX rx, $LOGGED_TX tx, of $PACKETS_RX packets to the guest"
	log_is_busy "$pid" && status_is "$from" active
}

migrate_end()
{
	bandwidth "$1" 4000000000 && until_true 120 status_is "$1" completed && return 0
	inner_qmp "$1" '{"execute":"query-migrate"}'
	return 1
}

# Guest memory of a QEMU: START and SIZE of the mapping that is as large.
ram_of()
{
	local range a b

	while read -r range _; do
		a=$((16#${range%-*})) b=$((16#${range#*-}))
		[ $((b - a)) -ne $((MEM << 20)) ] || { echo $a; return 0; }
	done <"/proc/$(inner_pid "$1")/maps"
	echo "no guest memory of $MEM MB in $1" >&2
	return 1
}

# The page that KVM writes by itself on the side that takes over: QEMU tells it where the guest
# wants the wall clock, and KVM puts it there. The guest said so while it booted.
clock_watch()
{
	inner_kvm && echo >$TRACING/trace && echo 'ecx == 0x4b564d00' >$TRACING/events/kvm/kvm_msr/filter &&
		echo 1 >$TRACING/events/kvm/kvm_msr/enable
}

clock_page()
{
	local addr

	echo 0 >$TRACING/events/kvm/kvm_msr/enable
	addr=$(sed -n 's/.*msr_write 4b564d00 = \(0x[0-9a-f]*\).*/\1/p' $TRACING/trace | tail -n 1)
	[ -n "$addr" ] && printf '%x\n' $((addr >> 12)) | tee $RUN/clock-page
}

# Pages that differ between two stopped guests: none but the clock's.
memory_equal()
{
	local a b pages

	a=$(ram_of "$1") && b=$(ram_of "$2") || return 1
	pages=$(cmp -l -n $((MEM << 20)) -i "$a:$b" "/proc/$(inner_pid "$1")/mem" "/proc/$(inner_pid "$2")/mem" |
		head -c 4000000 | awk '{ p[int(($1 - 1) / 4096)]++ } END { for (i in p) printf "%x (%d bytes)\n", i, p[i] }' |
		grep -v "^$(cat $RUN/clock-page) ")
	[ -z "$pages" ] && return 0
	echo "pages that differ:"
	head -n 20 <<<"$pages"
	return 1
}

takes_over()
{
	local pid

	pid=$(inner_pid "$1")
	inner_wait "$1" && ping_addr "$1" $HOST $GUEST || return 1
	echo "rx $(counter "$pid" packets rx), tx $(counter "$pid" packets tx)"
	[ "$(counter "$pid" packets rx)" -ge 30 ] && [ "$(counter "$pid" packets tx)" -ge 30 ]
}

# hop FROM TO OPTS WHAT: one migration, with the memory compared while both are stopped.
hop()
{
	local from=$1 to=$2 opts=$3 what=$4

	check "$what: other side waits" end_start "$to" "$opts" --incoming "unix:$RUN/$to.sock" -- -S || return 1
	check "$what: dirty log is on and busy" migrate_logged "$from" "$to"
	check "$what: migration completes" migrate_end "$from" || return 1
	check "$what: every byte of guest memory arrives" memory_equal "$from" "$to"
	check "$what: guest goes on" inner_qmp "$to" '{"execute":"cont"}'
	end_stop "$from"
	check "$what: the other side's trivio carries on" takes_over "$to"
}

# road NAME OPTS: a guest that moves, there and (GUEST_ALL=1) back, in the middle of its streams.
road()
{
	local name=$1 opts=$2 at=b

	rm -rf $RUN
	mkdir -p $RUN
	check "$name: KVM's clock is watched" clock_watch
	check "$name: guest starts" end_start a "$opts" -- || return
	nic_up a $GUEST/24
	check "$name: ping both ways" ping_addr a $HOST $GUEST
	check "$name: where KVM keeps the guest's clock" clock_page a
	check "$name: streams start" streams_start a || return
	hop a b "$opts" "$name, there" || return
	if [ -n "${GUEST_ALL:-}" ]; then
		hop b a "$opts" "$name, and back" || return
		at=a
	fi
	check "$name: streams end" streams_stop $at
	check "$name: TCP to the guest unbroken, nothing changed" down_whole $at
	check "$name: TCP from the guest unbroken, nothing changed" up_whole $at
	check "$name: ping went on" ping_went_on
	end_stop $at
	check "$name: nothing is left" gone
}

modprobe bridge
ip link add br-mig type bridge && ip addr add $HOST/24 dev br-mig && ip link set br-mig up ||
	skip_all "no bridge in this kernel"

echo "TAP version 13"
road split ""
[ -z "${GUEST_ALL:-}" ] || road packed ",packed=on"
ip link del br-mig
finish
