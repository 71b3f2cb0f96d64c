#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Lines that the unit tests, the fuzzers' seeds and what the fuzzers found run, for each
# file of the ring engine and each parser; fails below GATE (95) percent.
#
#   coverage.sh			build what it needs (make coverage), then that
#   coverage.sh BIN CORPUS FILE...	programs built for coverage, inputs, files
#
# SHOW=1 prints the lines that were not run.

KSFT_SKIP=4
cd "$(dirname "$0")" || exit 1
if [ $# -eq 0 ]; then
	[ -n "$(find corpus -type f -print -quit 2>/dev/null)" ] ||
		{ echo "no corpus: run fuzz.sh first"; exit $KSFT_SKIP; }
	exec make -s --no-print-directory OUTPUT="$PWD" coverage
fi
bin=$1 corpus=$2
shift 2
suffix=
command -v llvm-cov >/dev/null || suffix=-14
rm -f "$bin"/*.profraw
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
"$(dirname "$corpus")/mkseeds" "$seeds" || exit 1

echo "TAP version 13"
objects=()
for t in "$bin"/*; do
	[ -f "$t" ] && [ -x "$t" ] || continue
	name=$(basename "$t")
	objects+=(-object "$t")
	export LLVM_PROFILE_FILE=$bin/$name-%p.profraw
	case $name in
	fuzz_*)
		mkdir -p "$corpus/$name" "$seeds/${name#fuzz_}"
		"$t" -runs=0 "$corpus/$name" "$seeds/${name#fuzz_}" >/dev/null 2>&1 ;;
	*) "$t" >/dev/null 2>&1 ;;
	esac || { echo "Bail out! $name failed"; exit 1; }
done
"llvm-profdata$suffix" merge -sparse "$bin"/*.profraw -o "$bin/all.profdata" || exit 1

echo "1..$#"
fail=0 n=0
for f in "$@"; do
	n=$((n + 1))
	line=$("llvm-cov$suffix" report "${objects[@]:1}" -instr-profile="$bin/all.profdata" "$f" 2>/dev/null |
		awk '/^TOTAL/ { print $8, $9, $10 }')
	read -r lines missed percent <<<"$line"
	word=ok
	awk "BEGIN { exit !(${percent%\%} + 0 >= ${GATE:-95}) }" || word="not ok" fail=1
	printf '%s %s %s: %s of %s lines not run, %s\n' "$word" $n "$(basename "$f")" \
		"${missed:-?}" "${lines:-?}" "${percent:-nothing}"
	[ "${SHOW:-0}" = 0 ] || "llvm-cov$suffix" show "${objects[@]:1}" \
		-instr-profile="$bin/all.profdata" "$f" | grep -E '^ +[0-9]+\| +0\|' | sed 's/^/# /'
done
exit $fail
