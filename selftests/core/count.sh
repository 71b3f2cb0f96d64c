#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Executed instructions per pop, push and flush, counted by callgrind: exact and
# the same on every machine with this compiler. Fails above the limits the data
# path was designed for.

KSFT_SKIP=4
cd "$(dirname "$0")" || exit 1
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit $KSFT_SKIP; }
[ "$(uname -m)" = x86_64 ] || { echo "limits are known for x86_64 only"; exit $KSFT_SKIP; }

# collected FUNCTION LAYOUT SHAPE: instructions within the function, all calls
collected()
{
	valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
		--toggle-collect="$1" ./count "$2" "$3" 2>&1 >/dev/null |
		sed -n 's/.*Collected : *//p'
}

fail=0
echo "TAP version 13"
echo "1..12"
n=0
for layout in split packed; do
	layout_packed=$([ $layout = packed ] && echo 1 || echo 0)
	for shape in 1 3; do
		for fn in pop push flush; do
			case $fn$shape in
			pop1) limit=65 per=32000 ;;
			push*) limit=$((layout_packed ? 45 : 30)) per=32000 ;;
			pop3) limit=300 per=32000 ;;
			flush*) limit=60 per=1000 ;;
			esac
			got=$(collected trivio_ring_$fn $layout $shape)
			got=$(awk "BEGIN { printf \"%.1f\", ${got:-0} / $per }")
			n=$((n + 1))
			if awk "BEGIN { exit !($got > 0 && $got <= $limit) }"; then
				echo "ok $n $layout $fn, $shape descriptor(s): $got instructions"
			else
				echo "not ok $n $layout $fn, $shape descriptor(s): $got instructions, limit $limit"
				fail=1
			fi
		done
	done
done
exit $fail
