#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs every fuzzer that was built. Without FUZZ_SECONDS: a fixed seed and number
# of runs, so that a check of the same tree gives the same answer. With it: that
# long each, from a new seed; what was found before is kept in corpus/ and built
# upon. FUZZ_TARGETS names some of them only.

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

echo "TAP version 13"
echo "1..$(wc -w <<<"$targets")"
n=0 fail=0
for t in $targets; do
	n=$((n + 1))
	corpus=corpus/$t
	[ -n "${FUZZ_SECONDS:-}" ] || corpus=$seeds/corpus-$t
	mkdir -p "$corpus" "$(seeds_of "$t")"
	log=$seeds/log
	len=4096
	[ "$t" != fuzz_event ] || len=256
	if "./$t" "${limit[@]}" -timeout=60 -max_len="$len" -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="crash-$t-" \
		"$corpus" "$(seeds_of "$t")" >"$log" 2>&1; then
		echo "ok $n $t: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
			"$(find "$corpus" -type f | wc -l) inputs"
	else
		grep -v '^#[0-9]' "$log" | tail -n 40 | sed 's/^/# /'
		echo "not ok $n $t"
		fail=1
	fi
done
exit $fail
