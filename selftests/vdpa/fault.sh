#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Faults on purpose: each does what it says to a stock driver, and counts it. What
# is seen of it is printed: Documentation/faults.rst quotes it.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need dd fio jq ip ping ethtool python3
TRIVIO=${TRIVIO:-$(cd "$(dirname "$0")" && pwd)/../../tools/trivio/trivio}
CHECK_SHOW=1
F=$PROFILES/tf0/faults
trap 'faults_off; F=$PROFILES/tf1/faults; faults_off; vdpa_clean tf0 tf1' EXIT

faults_off()
{
	local f

	for f in "$F"/*/every; do
		[ -e "$f" ] && echo 0 >"$f"
	done
}

# fault KIND EVERY [FILE=VALUE...]
fault()
{
	local kind=$1 every=$2 kv
	shift 2

	for kv in "$@"; do
		echo "${kv#*=}" >"$F/$kind/${kv%%=*}" || return 1
	done
	echo "$every" >"$F/$kind/every"
}

hits()
{
	cat "$F/$1/hits"
}

verdict()
{
	"$TRIVIO" show "$1" "$2" | grep verdict
}

read_disk()
{
	timeout "${2:-60}" dd if="$(vdpa_disk tf0)" of=/dev/null bs=4k count="$1" \
		iflag=direct status=none
}

no_faults()
{
	local f

	for f in "$F"/*/hits; do
		[ "$(cat "$f")" = 0 ] || return 1
	done
}

profile tf0 queues=1 capacity=16M
check "device with faults, all off" vdpa_new tf0 blk virtio_vdpa
check "reads work" read_disk 64
check "none was counted" no_faults

check "one request fails" fault io_error 1 times=1
check "the driver saw it" fails read_disk 1
check "it was counted" test "$(hits io_error)" = 1
check "the next one is good" read_disk 64

slow()
{
	local start=$SECONDS

	fault io_delay 1 value=500 times=4 && read_disk 4 && [ $((SECONDS - start)) -ge 2 ]
}
check "delayed requests take their time" slow
faults_off

# With an event index no later completion is worth a call either, so the request
# waits until there is one that nobody asked for.
lost()
{
	fault lost_call 1 times=1 || return 1
	read_disk 1 &
	sleep 2
	kill -0 $! 2>/dev/null && [ "$(hits lost_call)" = 1 ] || return 1
	verdict tf0 0
	fault spurious_call 1
	read_disk 1 && wait $!
}
check "a lost call holds a request up, a spurious one frees it" lost
faults_off

# told: how often virtio_blk was told of a configuration change since it was counted.
T=/sys/kernel/tracing
told()
{
	awk '$1 == "trivio_told" { print $2 }' "$T/kprobe_profile"
}

told_end()
{
	echo 0 >"$T/events/kprobes/trivio_told/enable"
	echo -:trivio_told >>"$T/kprobe_events"
}

config()
{
	local n

	mountpoint -q "$T" || mount -t tracefs none "$T" || return 1
	echo p:trivio_told virtblk_config_changed >>"$T/kprobe_events" &&
		echo 1 >"$T/events/kprobes/trivio_told/enable" || return 1
	read_disk 16 && n=$(told) && fault config 1 times=5 && read_disk 16 || return 1
	for _ in $(seq 50); do
		[ "$(told)" = 5 ] && break
		sleep 0.1
	done
	echo "told $n without, $(told) with the fault, hits $(hits config)"
	[ "$n" = 0 ] && [ "$(told)" -ge 1 ] && [ "$(told)" -le 5 ] && [ "$(hits config)" = 5 ]
}
check "the driver is told of configuration changes" config
told_end
faults_off

# No later request is worth a kick, as the driver thinks it has made one.
lost_kick()
{
	local pid rc

	fault lost_kick 1 times=1 || return 1
	read_disk 1 &
	pid=$!
	sleep 2
	verdict tf0 0
	kill -0 "$pid" && [ "$(hits lost_kick)" = 1 ] && "$TRIVIO" nudge tf0 0 --kick && wait "$pid"
	rc=$?
	[ "$rc" = 0 ] || "$TRIVIO" nudge tf0 0 --kick
	return "$rc"
}
check "a lost kick holds a request up, a kick frees it" lost_kick
faults_off

stuck()
{
	local pid

	fault stuck 1 || return 1
	read_disk 1 &
	pid=$!
	sleep 2
	verdict tf0 0
	kill -0 "$pid" && [ "$(hits stuck)" -gt 0 ] || return 1
	faults_off
	"$TRIVIO" nudge tf0 0 --kick && wait "$pid"
}
check "a stuck queue takes nothing until it is let go" stuck
faults_off

late()
{
	local start

	fault late_call 1 value=700 times=3 || return 1
	start=$(date +%s%N)
	read_disk 3 && [ "$(hits late_call)" -gt 0 ] &&
		[ $((($(date +%s%N) - start) / 1000000)) -ge $((700 * $(hits late_call))) ]
}
check "late calls come late" late
faults_off

reorder()
{
	fault reorder 2 && fio --name=v --filename="$(vdpa_disk tf0)" --direct=1 --rw=randwrite \
		--bs=4k --size=4M --ioengine=libaio --iodepth=16 --iodepth_batch=8 --verify=crc32c \
		--verify_fatal=1 --output=/dev/null && [ "$(hits reorder)" -gt 10 ]
}
check "reordered completions do virtio_blk no harm" reorder
faults_off

# One request gets no mapping: the table's, and then that of its first part.
map_packed()
{
	fault map 1 times=2 && ! read_disk 1 && [ "$(hits map)" = 2 ] && read_disk 16
}
check "a mapping that fails is an I/O error over a packed ring" map_packed
faults_off

only_queue()
{
	fault io_error 1 queue=5 && read_disk 16 && [ "$(hits io_error)" = 0 ] &&
		fault io_error 1 queue=0 times=1 && ! read_disk 1 && [ "$(hits io_error)" = 1 ]
}
check "a fault of one queue is not another's" only_queue
echo -1 >"$F/io_error/queue"
faults_off

counted()
{
	local n

	n=$("$TRIVIO" show tf0 --json | jq '.[0].queues[0].counters.faults')
	echo "faults $n"
	fault late_call 1 value=1 times=2 && read_disk 2 && [ "$("$TRIVIO" show tf0 --json |
		jq '.[0].queues[0].counters.faults')" = $((n + 2)) ]
}
check "each is counted in its queue" counted
faults_off

generation()
{
	"$TRIVIO" show tf0 --json | jq '.[0].config_generation'
}

storm()
{
	local before

	before=$(generation)
	fault config 1 times=10 value=100 && read_disk 64 || return 1
	sleep 1
	echo "generation $before $(generation)"
	[ $(($(generation) - before)) -ge 100 ] && read_disk 64
}
check "a storm of configuration changes" storm
faults_off

status()
{
	"$TRIVIO" show tf0 --json | jq '.[0].status'
}

# Nothing in 6.12 looks at the bit.
needs_reset()
{
	fault needs_reset 1 times=1 && read_disk 4 && [ $(($(status) & 64)) = 64 ] && read_disk 16 &&
		"$TRIVIO" show tf0 | grep status
}
check "NEEDS_RESET is in the status, virtio_blk goes on" needs_reset
faults_off
vdpa_clean tf0

map_split()
{
	fault map 3 times=20 && read_disk 64 && [ "$(hits map)" = 20 ]
}
profile tf0 queues=1 capacity=16M features=0xfffffffbffffffff
check "split ring: made" vdpa_new tf0 blk virtio_vdpa
check "split ring: a request whose mapping fails is tried again" map_split
faults_off
vdpa_clean tf0

# --- two queues ----------------------------------------------------------------

# which [SEED]: which of 64 reads fail of each CPU, that is of each queue; all CPUs at a time,
# so that the queues' requests meet in an order that is never the same.
which()
{
	faults_off
	[ -z "${1:-}" ] || echo "$1" >"$F/seed" || return 1
	fault io_error 3 && python3 - "$(vdpa_disk tf0)" <<-'END'
	import mmap, os, sys, threading
	out = {}
	def run(cpu):
	    os.sched_setaffinity(0, {cpu})
	    fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
	    buf = mmap.mmap(-1, 4096)
	    out[cpu] = ""
	    for i in range(64):
	        try:
	            os.preadv(fd, [buf], 4096 * i)
	            out[cpu] += "."
	        except OSError:
	            out[cpu] += "E"
	ts = [threading.Thread(target=run, args=(c,)) for c in (0, 1)]
	for t in ts:
	    t.start()
	for t in ts:
	    t.join()
	print(out[0], out[1])
	END
}

# The same requests of each queue, and others of another queue or with another seed.
seeded()
{
	local a b c q0 q1 n

	q0=$(qstat tf0 0 packets) q1=$(qstat tf0 1 packets)
	a=$(which 7) || return 1
	q0=$(($(qstat tf0 0 packets) - q0)) q1=$(($(qstat tf0 1 packets) - q1))
	for n in 1 2 3; do
		b=$(which 7) || return 1
		printf '%s\n' "${a// /$'\n'}" "${b// /$'\n'}"
		[ "$a" = "$b" ] || return 1
	done
	c=$(which 8) || return 1
	echo "requests of queue 0: $q0, of queue 1: $q1"
	[ "$q0" -ge 64 ] && [ "$q1" -ge 64 ] && [ "$(hits io_error)" -gt 10 ] && [ "$c" != "$a" ] &&
		[ "${a% *}" != "${a#* }" ] && [ "${c% *}" != "${a% *}" ] && [ "${c#* }" != "${a#* }" ]
}
profile tf0 queues=2 capacity=16M
check "two queues: made" vdpa_new tf0 blk virtio_vdpa
check "the same seed, the same requests fail, on each of two queues" seeded
# A device that is made anew begins anew.
anew()
{
	local a

	a=$(which 7) && faults_off && vdpa dev del tf0 && vdpa_new tf0 blk virtio_vdpa || return 1
	[ "$(which)" = "$a" ]
}
check "and of a device that is made anew" anew
faults_off
vdpa_clean tf0

# --- net ---------------------------------------------------------------------

F=$PROFILES/tf1/faults
NS=trivio-fault

net_new()
{
	vdpa_new tf1 net virtio_vdpa max_vqp 2 || return 1
	IF=$(vdpa_netif tf1)
	ip netns add "$NS" && ip link set "$IF" netns "$NS" && ip -n "$NS" addr add 10.81.0.2/24 dev "$IF" &&
		ip -n "$NS" link set "$IF" up && ip addr add 10.81.0.1/24 dev tf1 && ip link set tf1 up
}

net_end()
{
	ip netns del "$NS"
	timeout 60 vdpa dev del tf1
}

ping_it()
{
	ping -c 3 -i 0.2 -w "${1:-20}" 10.81.0.2
}

net_if()
{
	ip -n "$NS" -j link | jq -r '.[] | select(.link_type == "ether").ifname'
}

net_stat()
{
	ip -n "$NS" -s -s -j link show "$(net_if)" | jq "$1"
}

# virtio_net counts a length that no buffer has, and drops the packet.
used_len()
{
	local before n

	before=$(net_stat '.[0].stats64.rx.length_errors + .[0].stats64.rx.errors')
	# one pair, so that it is receive queue 0 that gets the replies
	ip netns exec "$NS" ethtool -L "$(net_if)" combined 1 || return 1
	fault used_len 1 value=4000000000 times=4 queue=0 || return 1
	ping_it 5
	n=$(hits used_len)
	faults_off
	ip netns exec "$NS" ethtool -L "$(net_if)" combined 2 || return 1
	echo "hits $n, errors before $before, now $(net_stat '.[0].stats64.rx | "\(.length_errors) of length, \(.bytes) bytes"')"
	[ "$n" -gt 0 ] &&
		[ "$(net_stat '.[0].stats64.rx.length_errors + .[0].stats64.rx.errors')" -gt "$before" ]
}

ctrl_error()
{
	fault ctrl_error 1 times=1 && ! ip netns exec "$NS" ethtool -L "$(net_if)" combined 1 &&
		[ "$(hits ctrl_error)" = 1 ] && ip netns exec "$NS" ethtool -L "$(net_if)" combined 1
}

# What has no answer to give but a line in the log: the flag is set all the same.
promisc()
{
	dmesg -C
	fault ctrl_error 1 times=1 && ip -n "$NS" link set "$(net_if)" promisc on || return 1
	sleep 1
	dmesg | grep -i "failed to .*able promisc\|failed to set promisc" || { dmesg | tail -3; return 1; }
	[ "$(hits ctrl_error)" = 1 ] && ip -n "$NS" -d link show "$(net_if)" | grep -o "promiscuity [0-9]*"
}

# virtio_ring finds out, and the queue is of no use any more.
used_id()
{
	dmesg -C
	fault used_id 1 value=300 times=1 queue=0 || return 1
	ping_it 5
	dmesg | grep -E "id [0-9]+ (is not a head|out of range)" || return 1
	# What the interface says of itself then.
	ip -n "$NS" -br link show "$(net_if)"
}

broken()
{
	# one pair, so that it is transmit queue 1 that has the replies, on whatever CPU
	ip netns exec "$NS" ethtool -L "$(net_if)" combined 1 || return 1
	fault broken 1 times=1 queue=1 || return 1
	ping_it 5
	verdict tf1 1
	"$TRIVIO" show tf1 1 --json | jq -e '.[0].queues[0] | .state == "broken" and
		.first_error.name == "injected"'
}

profile tf1 queues=2
check "net: made" net_new
check "net: ping" ping_it
check "net: a used length beyond the buffer is an error of one packet" used_len
check "net: ping after it" ping_it
check "net: a control command fails, the driver says so, the next one is good" ctrl_error
check "net: promiscuous mode fails, and virtio_net believes in it" promisc
faults_off
check "net: a used id that is not in flight is found by virtio_ring" used_id
check "net: deleted with a broken ring" net_end
faults_off
check "net: made again" net_new
check "net: a queue that breaks is shown with its error" broken
check "net: deleted with a broken queue" net_end
faults_off

test_end
