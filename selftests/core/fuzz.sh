#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs every fuzzer that was built, FUZZ_JOBS (2) at a time. Without FUZZ_SECONDS: a
# fixed seed and number of runs, so that a check of the same tree gives the same
# answer. With it (CI: 60): that long each, from a new seed; what was found before is
# kept in corpus/ and built upon. FUZZ_TARGETS names some of them only.

KSFT_SKIP=4
cd "$(dirname "$0")" || exit 1
if [ -n "${FUZZ_SECONDS:-}" ]; then
	limit=(-max_total_time="$FUZZ_SECONDS")
else
	limit=(-runs=30000 -seed=1)
fi
targets=${FUZZ_TARGETS:-$(find . -maxdepth 1 -name 'fuzz_*' -type f -executable -printf '%f\n' | sort)}
[ -n "$targets" ] || { echo "no fuzzer was built: clang is missing"; exit $KSFT_SKIP; }

seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
./mkseeds "$seeds" || exit 1
mkdir -p "$seeds/ring"
for t in rules fetch; do
	SEED_DIR=$seeds/ring "./$t" >/dev/null 2>&1
done

# target NAME: which seeds it starts from
seeds_of()
{
	case $1 in
	fuzz_split | fuzz_packed | fuzz_indirect) echo "$seeds/ring" ;;
	*) echo "$seeds/${1#fuzz_}" ;;
	esac
}

# target NAME: its TAP line without a number, in $seeds/result-NAME
target()
{
	local t=$1 corpus=corpus/$1 log=$seeds/log-$1 len=4096

	# the same start each time, or the answer changes from run to run
	[ -n "${FUZZ_SECONDS:-}" ] || rm -rf "$corpus"
	mkdir -p "$corpus" "$(seeds_of "$t")"
	[ "$t" != fuzz_event ] || len=256
	if nice "./$t" "${limit[@]}" -timeout=60 -max_len="$len" -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="crash-$t-" \
		"$corpus" "$(seeds_of "$t")" >"$log" 2>&1; then
		echo "ok - $t: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
			"$(find "$corpus" -type f | wc -l) inputs"
	else
		grep -v '^#[0-9]' "$log" | tail -n 40 | sed 's/^/# /'
		# the input itself, so that it outlives this machine
		for f in "crash-$t-"*; do
			[ ! -s "$f" ] || echo "# $f, base64: $(base64 -w 0 "$f" | head -c 6000)"
		done
		echo "not ok - $t"
	fi >"$seeds/result-$t"
}

echo "TAP version 13"
echo "1..$(wc -w <<<"$targets")"
for t in $targets; do
	while [ "$(jobs -rp | wc -l)" -ge "${FUZZ_JOBS:-2}" ]; do
		wait -n
	done
	target "$t" &
done
wait
n=0
for t in $targets; do
	n=$((n + 1))
	sed "s/^ok -/ok $n/; s/^not ok -/not ok $n/" "$seeds/result-$t"
done
! grep -q '^not ok' "$seeds"/result-*
