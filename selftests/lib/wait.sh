# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What tests wait for before they go on. A pause that is long enough on one machine is not on
# a slower one.

# listens PORT [COMMAND...]: until a server listens on a TCP port, in the network namespace that COMMAND
# runs things in.
listens()
{
	local port=$1
	shift

	for _ in $(seq 100); do
		[ -z "$("$@" ss -Hltn "sport = :$port")" ] || return 0
		sleep 0.1
	done
	echo "nobody listens on port $port" >&2
	return 1
}
