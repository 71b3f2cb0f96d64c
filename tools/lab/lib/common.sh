# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every part of the laboratory uses: messages, caches, waiting with signs of life.

# Exit codes of "lab run" that are the laboratory's own, not the command's.
LAB_EX_KERNEL=123	# the kernel complained, or the success token is missing
LAB_EX_TIMEOUT=124	# time was up
LAB_EX_LAB=125		# the laboratory itself could not do its work

say()
{
	printf '%s lab: %s\n' "$(date +%H:%M:%S)" "$*" >&2
}

verbose()
{
	[ "${OPT_VERBOSE:-0}" = 0 ] || say "$@"
}

warn()
{
	printf 'lab: warning: %s\n' "$*" >&2
}

die()
{
	printf 'lab: error: %s\n' "$*" >&2
	exit $LAB_EX_LAB
}

cache_init()
{
	CACHE=${TRIVIO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/trivio}
	mkdir -p "$CACHE" || die "cannot make the cache folder $CACHE (set TRIVIO_CACHE)"
	CACHE=$(cd "$CACHE" && pwd -P)
	case $CACHE in
	*[[:space:],]*) die "TRIVIO_CACHE must not hold spaces or commas: $CACHE" ;;
	esac
}

# Wait for PID; now and then say how LOG grows, so that a long step is seen to live.
# With -v the log itself is shown.
progress_wait()
{
	local pid=$1 log=$2 what=$3 start=$SECONDS last=0 tailpid=

	if [ "${OPT_VERBOSE:-0}" != 0 ]; then
		tail --pid="$pid" -s 0.2 -n +1 -f "$log" >&2 &
		tailpid=$!
	fi
	while kill -0 "$pid" 2>/dev/null; do
		if [ -z "$tailpid" ] && [ $((SECONDS - start - last)) -ge 15 ]; then
			last=$((SECONDS - start))
			say "  $what: ${last} s, $(wc -l <"$log") log lines, last: $(tail -n 1 "$log" | cut -c1-70)"
		fi
		sleep 0.3
	done
	[ -z "$tailpid" ] || wait "$tailpid" 2>/dev/null
	wait "$pid"
}

# Run a command with its output in a log; show the log's end if it fails.
logged()
{
	local what=$1 log=$2 rc=0
	shift 2

	mkdir -p "$(dirname "$log")"
	: >"$log"
	"$@" >"$log" 2>&1 &
	progress_wait $! "$log" "$what" || rc=$?
	if [ $rc -ne 0 ]; then
		tail -n 40 "$log" >&2
		printf 'lab: error: %s failed (%s); whole log: %s\n' "$what" "$rc" "$log" >&2
	fi
	return $rc
}

# Hold a lock for the rest of a subshell: (lock_cache NAME; work)
lock_cache()
{
	exec {cache_lock}>"$CACHE/.lock-$1"
	flock -n "$cache_lock" || {
		verbose "waiting for another lab that prepares $1"
		flock "$cache_lock"
	}
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root for: $* (run as root, or install sudo)"
	fi
}
