#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run test programs one after the other and keep what they say (KTAP) and how they end.
#
#   run_tests.sh [-o DIR] [-s SCALE] [-b BUDGET] [FOLDER[:PROGRAM] ...]
#
# Without names: everything below selftests/. DIR gets NAME.tap and NAME.rc for each, SCALE
# stretches the time limits of slow kernels; none is started after BUDGET seconds, those left
# out are skipped. By hand on a host, as root, with the modules loaded; "tools/lab/lab check"
# runs it in the laboratory.

set -u
TESTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=
SCALE=1
BUDGET=0

# Lines that no test may leave in the kernel log; the laboratory looks for the same.
SPLATS='WARNING: |BUG: |KASAN: |UBSAN: |general protection|Oops|unable to handle|'
SPLATS+='INFO: task .* blocked|possible (circular|recursive)|inconsistent lock|suspicious RCU|'
SPLATS+='sleeping function called|scheduling while atomic|refcount_t: |ODEBUG: |'
SPLATS+='list_(add|del) corruption|Bad page state|unregister_netdevice: waiting|kernel BUG at'

setting()
{
	sed -n "s/^$2=//p" "$TESTS_DIR/$1/settings" 2>/dev/null | tail -n 1
}

# What a folder's Makefile calls its tests, as FOLDER:PROGRAM lines.
tests_of()
{
	make -s --no-print-directory -C "$TESTS_DIR/$1" OUTPUT="$TESTS_DIR/$1" \
		COLLECTION="$1" emit_tests 2>/dev/null | grep "^$1:"
}

tests_all()
{
	local f

	for f in "$TESTS_DIR"/*/Makefile; do
		tests_of "$(basename "$(dirname "$f")")"
	done
}

log_mark()
{
	[ ! -w /dev/kmsg ] || echo "trivio-test: $1" >/dev/kmsg
}

# Splats since the mark of this test.
log_new()
{
	dmesg 2>/dev/null | awk -v m="trivio-test: $1" \
		'index($0, m) { on = 1; n = ""; next } on { n = n $0 "\n" } END { printf "%s", n }' |
		grep -E "$SPLATS"
}

count()
{
	grep -cE "$2" "$1"
}

# emulator_lost FOLDER:PROGRAM: it failed, and the emulator that this runs on had lost a guest of its
# (Documentation/lab.rst). Said in OUT/lost; no program gets a third try.
emulator_lost()
{
	local guests

	[ "${LAB_ACCEL:-}" = tcg ] && ! grep -qsx "$1" "$OUT/lost" || return 1
	guests=$("$TESTS_DIR/../tools/lab/inner" lost | paste -sd,)
	[ -n "$guests" ] || return 1
	echo "$1" >>"$OUT/lost"
	echo "again $1: the emulator lost its guest $guests"
}

# No time for FOLDER:PROGRAM. That's no pass: it is counted, and says what to do about it.
test_leave()
{
	local name=$OUT/${1%%:*}.${1#*:} debug=''

	[ ! -e /sys/kernel/debug/kmemleak ] || debug='--debug-kernel '
	echo "1..0 # SKIP not started: the $BUDGET s for this kernel were over; lab check $debug--only '^$1\$'" >"$name.tap"
	echo "4 0 0" >"$name.rc"
	printf '%-4s %-40s no time was left\n' skip "$1"
}

# test_run FOLDER:PROGRAM: 0 unless it failed.
test_run()
{
	local name=$1 dir=${1%%:*} prog=${1#*:} tap rc=0 start limit splats word

	tap=$OUT/$dir.$prog.tap
	limit=$(setting "$dir" timeout)
	limit=$(( ${limit:-45} * SCALE ))
	start=$SECONDS
	log_mark "$name"
	: >"$tap"
	[ -z "${TRIVIO_LAB:-}" ] || rm -rf /run/inner/*/ /run/inner/.lost
	(cd "$TESTS_DIR/$dir" && exec timeout -k 10 "$limit" "./$prog") >"$tap" 2>"$tap.err" </dev/null ||
		rc=$?
	[ -s "$tap.err" ] && sed 's/^/# /' "$tap.err" >>"$tap"
	rm -f "$tap.err"
	[ -z "${TRIVIO_LAB:-}" ] || "$TESTS_DIR/../tools/lab/inner" stop --all 2>/dev/null
	splats=$(log_new "$name")
	if [ -n "$splats" ]; then
		printf '%s\n' "$splats" | sed 's/^/# kernel: /' >>"$tap"
		echo "not ok 999 kernel log stays clean" >>"$tap"
	fi
	[ $rc -ne 124 ] || echo "# timeout after $limit s" >>"$tap"
	echo "$rc $((SECONDS - start)) $limit" >"$OUT/$dir.$prog.rc"

	word=pass
	if [ $rc -eq 4 ]; then
		word=skip
	elif [ $rc -ne 0 ] || grep -q '^ *not ok' "$tap"; then
		word=FAIL
	fi
	printf '%-4s %-40s %3d ok %3d not ok %3d skip  %4d s\n' "$word" "$name" \
		"$(grep -E '^ *ok' "$tap" | grep -cvE '# *SKIP')" "$(count "$tap" '^ *not ok')" \
		"$(count "$tap" '^ *ok.*# *SKIP')" $((SECONDS - start))
	if [ $word = FAIL ] && emulator_lost "$name"; then
		test_run "$name"
		return
	fi
	if [ $word = FAIL ]; then
		grep -vE '^#  *(RUN|OK) ' "$tap" | tail -n 25 | sed 's/^/     | /'
	fi
	[ $word != FAIL ]
}

main()
{
	local failed=0 t tests=()

	while getopts o:s:b: opt; do
		case $opt in
		o) OUT=$OPTARG ;;
		s) SCALE=$OPTARG ;;
		b) BUDGET=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	[ -n "$OUT" ] || OUT=$(mktemp -d)
	mkdir -p "$OUT"
	for t in "$@"; do
		case $t in
		*:*) tests+=("$t") ;;
		*) mapfile -t -O ${#tests[@]} tests < <(tests_of "$t") ;;
		esac
	done
	[ $# -gt 0 ] || mapfile -t tests < <(tests_all)
	for t in "${tests[@]}"; do
		if [ "$BUDGET" != 0 ] && [ $SECONDS -gt "$BUDGET" ]; then
			test_leave "$t"
			continue
		fi
		test_run "$t" || failed=1
	done
	return $failed
}

main "$@"
