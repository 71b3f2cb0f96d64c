# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One notification by each doorbell of a mediated device, alone: the device has nothing to do, and
# the guest has slept, so that exits, faults and their ends are all there is. A VM of one page
# of code instead of a guest; no VMM, no driver (bell-bench.c).

BELL_WAYS=([0]="A trap" [1]="C kvm" [2]="D fault" [3]="E ioeventfd" [4]="exit")

suite_bells()
{
	local name way base trap='' kick

	modprobe -qa vfio vfio_iommu_type1 mdev kvm_amd kvm_intel
	base=$("$BENCH_DIR/bell-bench" memory 2>"$COUNT_FILE") ||
		bench_fail "$SUITE: $(tail -n 1 "$COUNT_FILE")" || return 1
	for name in "${BELL_WAYS[@]}"; do
		way=${name#? }
		kick=$("$BENCH_DIR/bell-bench" "$way" 2>"$COUNT_FILE") ||
			{ bench_fail "$SUITE: $name: $(tail -n 1 "$COUNT_FILE")"; continue; }
		kick=$(calc "$kick - $base")
		row_note "$(cat "$COUNT_FILE")" "$name, against A" "instr/kick" "$trap" "$kick" \
			"$([ -z "$trap" ] || [ "$way" = exit ] || echo 0.333)"
		trap=${trap:-$kick}
		[ -z "${BENCH_PROFILE:-}" ] || profile "$name" 0 "$BENCH_DIR/bell-bench" "$way"
	done
}
