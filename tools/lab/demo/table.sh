# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The demonstration's result for people: table FILE.json

# cells FILTER: one line a row of the result, cells separated by tabs, "-" for nothing.
cells()
{
	jq -r ".rows[] | [$1] | map(if . == null or . == \"\" then \"-\" else . end) | @tsv" "$TABLE_JSON"
}

# number WIDTH DIGITS VALUE
number()
{
	if [ "$3" = - ]; then
		printf " %$1s" -
	else
		printf " %$1.$2f" "$3"
	fi
}

# table_rows PRINTER: calls it with the cells of each line.
table_rows()
{
	local line cell

	while IFS= read -r line; do
		IFS=$'\t' read -r -a cell <<<"$line"
		"$1" "${cell[@]}"
	done
}

row_cost()
{
	local name=$1 err=$2 i
	shift 2

	printf '%-20s' "$name"
	for i in 2 2 0 0 2 2 2 2 2 2 2; do
		number 6 "$i" "$1"
		shift
	done
	echo
	[ "$err" = - ] || printf '    FAILED: %s\n' "$err"
}

row_who()
{
	printf '%-20s %-16s %-16s %-33s %s\n' "$@"
}

row_interrupt()
{
	local name=$1 how=$2 i
	shift 2

	printf '%-20s' "$name"
	for i in 1 2 3 4 5 6 7 8; do
		number 7 2 "$1"
		shift
	done
	printf '  %s\n' "$how"
}

table()
{
	TABLE_JSON=$1
	echo
	echo "One guest, a virtio-net device for each road (one virtual CPU, nested KVM${LAB_ACCEL:+ on $LAB_ACCEL})"
	echo
	printf '%-20s %13s %13s  %s\n' '' 'ping (ms)' 'TCP (Mbit/s)' '---------------- per packet ------------------'
	printf '%-20s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s %6s\n' road min avg out in \
		exits QEMU kicks ioevfd calls irqfd wakes
	cells '.name, .error, .ping_min_ms, .ping_avg_ms, .tcp_out_mbit, .tcp_in_mbit, .exits_per_packet,
		.user_exits_per_packet, .kicks_per_packet, .ioeventfd_per_packet, .calls_per_packet,
		.irqfd_per_packet, .wakeups_per_packet' | table_rows row_cost
	echo
	row_who 'who' 'copies out' 'copies in' 'is woken (per packet)' 'carried by trivio'
	# shellcheck disable=SC2016	# jq's
	cells '.name, .copied_out_by, .copied_in_by,
		(.woken // [] | map(select(.per_packet >= 0.01)) | .[:2] |
			map("\(.name) \(.per_packet * 100 | round / 100)") | join(", ")),
		(if .proof != "none" and .carried.device then "\(.carried.device) \(.carried.packets)/\(.packets)" else "no" end)' |
		table_rows row_who
	echo
	printf '%-20s %7s %7s %7s %7s %7s %7s %7s %7s  %s\n' 'interrupts a packet' irqfd ioctl MSI pin vAPIC posted inject EOI how
	cells '.name, .interrupt_how, .interrupts.irqfd, .interrupts.ioctl_msi,
		.interrupts.msi, .interrupts.pin, .interrupts.accepted, .interrupts.posted, .interrupts.injected,
		.interrupts.eoi' | table_rows row_interrupt
	echo
	jq -r 'if (.restarts // 0) > 0 then "Guests lost to the emulator, replaced by new ones: \(.restarts)." else empty end' \
		"$TABLE_JSON"
	jq -r '[.rows[].lost_events // 0] | add | if . > 0 then "\(.) events were lost while counting." else empty end' "$TABLE_JSON"
	cat <<-END
	Rates without counting; then counted while TCP ran again, per packet of the host's interface (TSO makes
	packets large; the DPDK row has none). QEMU: exits that leave the kernel; wakes: of threads that are no
	vCPU. All columns, and the functions behind them: Documentation/paths.rst. Times under TCG are for
	comparing rows only. DPDK polls: it needs no wake-ups and keeps a core busy without traffic, too.
	END
}
