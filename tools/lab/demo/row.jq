# SPDX-License-Identifier: GPL-2.0-only
# One row of the demonstration, from what "trivio count" and iperf3 said ($c, $t).

# A thread in words, whatever its number.
def who:
	if test("^CPU [0-9]+/KVM") then "vCPU"
	elif test("^vhost-") then "vhost worker"
	elif test("^ksoftirqd") then "ksoftirqd"
	elif test("^qemu-system") then "QEMU loop"
	elif test("^(rte|lcore|dpdk)-worker") then "DPDK core"
	elif test("^iperf3") then "sender"
	else . end;

# Threads that measure, and those at the two ends of the traffic.
def bystander:
	test("^(trivio|jq|demo|bash|swapper|iperf3|ping|inner|sleep)");

# Softirqs borrow a thread: the one that raised them, or any.
def context:
	(.name | who) as $w | if .softirq | not then $w
	elif $w == "vCPU" or $w == "sender" then "\($w) softirq" else "softirq" end;

# [{name, n}] of the contexts that moved frames, most first.
def movers(f):
	[.movers[] | {name: context, n: f}] |
	group_by(.name) | map({name: .[0].name, n: (map(.n) | add)}) |
	map(select(.n > 0)) | sort_by(-.n);

# The first of them, with its share if others have one worth mentioning.
def first_of:
	(map(.n) | add // 0) as $all |
	if length == 0 then null
	elif .[0].n >= 0.9 * $all then .[0].name
	else "\(.[0].name) \(100 * .[0].n / $all | round)%" end;

def per($n; $packets): if $packets > 0 then $n / $packets else null end;

$cc[0] as $c | $tt[0] as $t | ($proof != "none") as $ours |
($c | if $ours then movers(.out) else movers(.tap_out) end) as $out |
($c | if $ours then movers(.in) else movers(.tap_in) end) as $in |
($c.threads | map(select(.name | bystander | not)) |
	group_by(.name | who) |
	map({name: (.[0].name | who), per_packet: per(map(.wakeups) | add; $c.packets)}) |
	sort_by(-.per_packet)) as $woken |
{
	road: $road, name: $name, proof: $proof,
	ping_min_ms: ($min | tonumber? // null), ping_avg_ms: ($avg | tonumber? // null),
	tcp_out_mbit: $t.out, tcp_in_mbit: $t.in, packets: $c.packets,
	exits_per_packet: $c.per_packet.kvm_exit,
	user_exits_per_packet: $c.per_packet.kvm_userspace_exit,
	# other backends' kicks are what KVM's ioeventfds saw, their calls what became an MSI
	kicks_per_packet: (if $ours then $c.per_packet.trivio_kick else $c.per_packet.ioeventfd end),
	calls_per_packet: (if $ours then $c.per_packet.trivio_call else $c.per_packet.kvm_msi_set_irq end),
	ioeventfd_per_packet: $c.per_packet.ioeventfd,
	irqfd_per_packet: $c.per_packet.irqfd,
	wakeups_per_packet: ($woken | map(select(.name != "vCPU").per_packet) | add // 0),
	copied_out_by: ($out | first_of), copied_in_by: ($in | first_of),
	copies_out: $out, copies_in: $in, woken: $woken,
	interrupts: ($c.per_packet | {
		irqfd, ioctl_msi: .user_msi, ioctl_line: .user_irq_line, msi: .kvm_msi_set_irq,
		pin: .kvm_set_irq, accepted: .kvm_apic_accept_irq, posted: .kvm_apicv_accept_irq,
		injected: .kvm_inj_virq, eoi: .kvm_eoi}),
	# lines are moved for timers and the console, too: what the device does is MSIs
	interrupt_how: ($c.counts | (.irqfd // 0) as $fd | (.user_msi // 0) as $io |
		if (.kvm_apicv_accept_irq // 0) > (.kvm_apic_accept_irq // 0) then "passed through"
		elif $fd + $io == 0 then "none"
		elif $fd >= 4 * $io then "injected: irqfd"
		elif $io >= 4 * $fd then "emulated: QEMU"
		else "irqfd and QEMU" end),
	carried: $carried, lost_events: $c.lost,
	error: (if $err == "" then null else $err end), count: $c
}
