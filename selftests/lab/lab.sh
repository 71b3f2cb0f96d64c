#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Can the laboratory fail? Each case boots it with something that must not pass for a
# success, and looks at the exit status and at what is said. LAB_JOBS boots at a time (2);
# LAB_BOOTS names those that are wanted.

# shellcheck disable=SC2317	# tests are called by name

KSFT_SKIP=4
TOP=$(cd "$(dirname "$0")/../.." && pwd)
LAB=$TOP/tools/lab/lab
HANG_LIMIT=45		# seconds; an idle machine boots in 15
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

echo "TAP version 13"
command -v qemu-system-x86_64 >/dev/null || {
	echo "1..0 # SKIP no QEMU: tools/lab/lab prepare installs it"
	exit $KSFT_SKIP
}

# boot NAME ARGUMENTS...: "lab run", its status and its words kept.
boot()
{
	local name=$1 rc=0
	shift

	# shellcheck disable=SC2086	# options, split on purpose
	"$LAB" run ${LAB_OPTIONS:-} "$@" >"$TMP/$name.out" 2>"$TMP/$name.err" </dev/null || rc=$?
	echo "$rc" >"$TMP/$name.rc"
}

# status NAME WANT
status()
{
	local rc

	rc=$(cat "$TMP/$1.rc")
	[ "$rc" = "$2" ] && return
	echo "# exit status $rc, not $2"
	tail -n 15 "$TMP/$1.err" | sed 's/^/# /'
	return 1
}

# says NAME out|err REGEX
says()
{
	grep -qE -- "$3" "$TMP/$1.$2" && return
	echo "# std$2 does not say \"$3\", but"
	tail -n 15 "$TMP/$1.$2" | sed 's/^/# /'
	return 1
}

boot_false()
{
	boot false -- bash -c 'echo to stdout; echo to stderr >&2; grep -c ^trivio /proc/modules; false'
}

test_false()
{
	status false 1 && says false out '^to stdout$' && says false err '^to stderr$' &&
		says false out '^4$' || return
	! grep -q stderr "$TMP/false.out" || { echo "# the two streams are mixed"; return 1; }
}

boot_load()
{
	# shellcheck disable=SC2016	# expanded in the laboratory
	boot load --no-modules -- bash -ec '
		loaded() { grep -c ^trivio /proc/modules || true; }
		[ $(loaded) = 0 ]; tools/load.sh load /trivio; [ $(loaded) = 4 ]
		[ -c /dev/trivio-vhost-net ]
		tools/load.sh load /trivio | grep "loaded already"
		tools/load.sh unload /trivio; [ $(loaded) = 0 ]; [ ! -e /dev/trivio-vhost-net ]
		tools/load.sh unload /trivio; echo all of it'
}

test_load()
{
	status load 0 && says load out '^all of it$'
}

boot_panic()
{
	boot panic -- bash -c 'echo c >/proc/sysrq-trigger; sleep 60'
}

test_panic()
{
	status panic 123 && says panic err 'FAILED: .*(Kernel panic|BUG: )' &&
		says panic err '^--- last lines of the console' && says panic err 'sysrq'
}

# The words that a WARN begins with, since no stock module warns on request. The command ends
# well: only the log scan can find it.
boot_warn()
{
	boot warn -- bash -c 'echo "WARNING: CPU: 0 PID: 1 at test" >/dev/kmsg'
}

test_warn()
{
	status warn 123 && says warn err 'no success token after the log scan' &&
		says warn err 'WARNING: CPU: 0 PID: 1 at test'
}

# Nobody tells a machine that is switched off from one that did its work, but for the token.
boot_off()
{
	boot off -- bash -c 'echo o >/proc/sysrq-trigger; sleep 60'
}

test_off()
{
	status off 123 && says off err 'FAILED: the kernel went away under the command'
}

boot_hang()
{
	boot hang --timeout "$HANG_LIMIT" -- bash -c 'echo started; sleep 10000'
}

test_hang()
{
	status hang 124 && says hang err "FAILED: no end after" &&
		says hang err '^--- last lines of the console'
}

# The makefile's targets for people, with the headers that the laboratory builds with, and where
# and as it was built there, or make would build all of it anew. Installed below DESTDIR:
# to /lib/modules it took longer in here than a boot may last.
boot_make()
{
	# shellcheck disable=SC2016	# expanded in the laboratory
	boot make --no-modules -- bash -ec '
		loaded() { grep -c ^trivio /proc/modules || true; }
		cd "$LAB_TREE"; export KDIR=$LAB_KDIR KCOV_INSTRUMENT=y
		make -s load; [ $(loaded) = 4 ]
		tools/trivio/trivio list
		make -s unload; [ $(loaded) = 0 ]
		if modprobe -q trivio_vhost; then echo installed before; exit 3; fi
		make -s install DESTDIR=/tmp/stage
		find /tmp/stage -name "trivio_vhost.ko*"; [ -x /tmp/stage/usr/local/bin/trivio ]
		grep trivio_vhost "/tmp/stage/lib/modules/$(uname -r)/modules.dep"
		if modprobe -q trivio_vhost; then echo installed beside DESTDIR; exit 3; fi
		echo all of it'
}

test_make()
{
	status make 0 && says make out '^all of it$' &&
		says make out '^/tmp/stage/lib/modules/.*/updates/.*trivio_vhost\.ko' &&
		says make out 'trivio_vhost\.ko.*: .*trivio\.ko'
}

# What a person types at the prompt; the terminal echoes it, and bash talks to the terminal.
boot_shell()
{
	local rc=0

	# shellcheck disable=SC2016,SC2086	# expanded in the laboratory; options
	printf 'echo modules: $(grep -c ^trivio /proc/modules)\nexit 7\n' |
		timeout 600 "$LAB" shell ${LAB_OPTIONS:-} >"$TMP/shell.out" 2>"$TMP/shell.err" || rc=$?
	echo "$rc" >"$TMP/shell.rc"
}

test_shell()
{
	status shell 7 && says shell out 'modules: 4'
}

test_options()
{
	local args rc

	for args in 'no-such-command' 'run' 'run --no-such-option -- true' 'run --smp' \
		    'run --kernel /no/such/file -- true'; do
		rc=0
		# shellcheck disable=SC2086
		"$LAB" $args >"$TMP/options.out" 2>"$TMP/options.err" </dev/null || rc=$?
		echo "$rc" >"$TMP/options.rc"
		status options 125 && says options err '^lab: error: ' || { echo "# lab $args"; return 1; }
	done
	"$LAB" --help >"$TMP/options.out" && says options out '--debug-kernel'
}

BOOTS=${LAB_BOOTS:-hang false panic load make warn off shell}
for b in $BOOTS; do
	while [ "$(jobs -rp | wc -l)" -ge "${LAB_JOBS:-2}" ]; do
		wait -n
	done
	"boot_$b" &
done
wait

n=0 failed=0
for t in $BOOTS options; do
	n=$((n + 1))
	if "test_$t"; then
		echo "ok $n $t"
	else
		echo "not ok $n $t"
		failed=1
	fi
done
echo "1..$n"
exit $failed
