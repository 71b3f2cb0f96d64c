#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# coverage.sh BIN CORPUS FILE...: runs the unit tests and the fuzzers' inputs
# built with coverage in BIN, prints lines run of each FILE. Fails if a ring file
# is below GATE percent (95).

cd "$(dirname "$0")" || exit 1
bin=$1 corpus=$2
shift 2
suffix=
command -v llvm-cov >/dev/null || suffix=-14
rm -f "$bin"/*.profraw
objects=()
for t in "$bin"/*; do
	[ -f "$t" ] && [ -x "$t" ] || continue
	name=$(basename "$t")
	objects+=(-object "$t")
	export LLVM_PROFILE_FILE=$bin/$name-%p.profraw
	case $name in
	fuzz_*) "$t" -runs=0 "$corpus/$name" >/dev/null 2>&1 ;;
	*) "$t" >/dev/null ;;
	esac || { echo "$name failed"; exit 1; }
done
"llvm-profdata$suffix" merge -sparse "$bin"/*.profraw -o "$bin/all.profdata" || exit 1

fail=0
for f in "$@"; do
	line=$("llvm-cov$suffix" report "${objects[@]:1}" -instr-profile="$bin/all.profdata" "$f" 2>/dev/null |
		awk '/^TOTAL/ { print $8, $9, $10 }')
	read -r lines missed percent <<<"$line"
	printf '%-28s %5s lines, %4s not run, %s\n' "$(basename "$f")" "$lines" "$missed" "$percent"
	case $(basename "$f") in
	ring*)
		awk "BEGIN { exit !(${percent%\%} + 0 >= ${GATE:-95}) }" || fail=1
		[ "${SHOW:-0}" = 0 ] || "llvm-cov$suffix" show "${objects[@]:1}" \
			-instr-profile="$bin/all.profdata" "$f" | grep -E '^ +[0-9]+\| +0\|'
		;;
	esac
done
[ $fail = 0 ] || echo "a ring file is below ${GATE:-95} %"
exit $fail
