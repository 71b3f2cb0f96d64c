#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mdevctl as an administrator uses it: types, define, modify, start, list, stop,
# undefine; attributes are in the device when it starts.

# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
test_need mdevctl jq
U=$(mdev_uuid 1)
CONF=/etc/mdevctl.d
mkdir -p "$CONF"
trap 'mdevctl undefine -u "$U" 2>/dev/null; mdev_clean' EXIT

types()
{
	local out

	out=$(mdevctl types) || return 1
	printf '%s\n' "$out"
	for want in "^trivio$" "^  trivio-net$" "^  trivio-net-mq$" "Device API: vfio-pci" \
		"Available instances: [1-9]" "Name: trivio virtio-net" "Description: virtio 1"; do
		printf '%s\n' "$out" | grep -q "$want" || { echo "missing: $want"; return 1; }
	done
}

define()
{
	mdevctl define -u "$U" -p trivio -t trivio-net && [ -e "$CONF/trivio/$U" ] && mdev_gone 1
}

modify()
{
	local kv

	for kv in name=vt1 "mac=$(mdev_mac 1)" queues=2 mtu=1400 ring=128 doorbell=fault \
		features=0x300000020 port=none; do
		mdevctl modify -u "$U" --addattr="${kv%%=*}" --value="${kv#*=}" || return 1
	done
	mdevctl modify -u "$U" --auto
}

# dumped [CMD...]: the JSON that list gives, without the outer layers
dumped()
{
	mdevctl list "$@" --dumpjson | jq -e ".[0].trivio[0].\"$U\""
}

defined()
{
	dumped -d | jq -e '.mdev_type == "trivio-net" and .start == "auto" and
		(.attrs | length) == 8 and (.attrs | add).mtu == "1400"'
}

start()
{
	mdevctl start -u "$U" && mdevctl list | grep "^$U trivio trivio-net.*defined"
}

applied()
{
	[ "$(mdev_get 1 name)" = vt1 ] && [ "$(mdev_get 1 mac)" = "$(mdev_mac 1)" ] &&
		[ "$(mdev_get 1 queues)" = 2 ] && [ "$(mdev_get 1 mtu)" = 1400 ] &&
		[ "$(mdev_get 1 ring)" = 128 ] && [ "$(mdev_get 1 doorbell)" = fault ] &&
		[ "$(mdev_get 1 features)" = 0x300000020 ] && [ "$(mdev_get 1 port)" = none ]
}

# A value that the device refuses: it does not start, and nothing is left.
refused()
{
	mdevctl modify -u "$U" --addattr=mtu --value=5 || return 1
	! mdevctl start -u "$U" && mdev_gone 1 || return 1
	mdevctl modify -u "$U" --delattr --index=8
}

transient()
{
	U2=$(mdev_uuid 2)
	mdevctl start -u "$U2" -p trivio -t trivio-net-mq && mdevctl list | grep "$U2 trivio trivio-net-mq" &&
		[ "$(mdev_get 2 queues)" = 4 ] && mdevctl stop -u "$U2" && mdev_gone 2
}

stop()
{
	mdevctl stop -u "$U" && mdev_gone 1 && mdevctl list -d | grep -q "^$U"
}

undefine()
{
	mdevctl undefine -u "$U" && [ ! -e "$CONF/trivio/$U" ] && ! mdevctl list -d | grep -q "$U"
}

check "types" types
check "define makes no device" define
check "modify: every attribute" modify
check "list shows what is defined" defined
check "start" start
check "attributes are in the device" applied
check "stop; it stays defined" stop
check "start again" start
check "attributes are in the new device" applied
check "stop again" stop
check "a bad attribute stops the start" refused
check "start without a definition" transient
check "undefine" undefine
test_end
