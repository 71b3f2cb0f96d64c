#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Load or unload the modules built in a tree: load.sh load|unload TREE

set -eu
tree=$2
modules=(trivio trivio_vhost trivio_vdpa trivio_vfio)

load_one()
{
	local name=$1 path dep

	path=$(find "$tree/drivers" -name "$name.ko" -print -quit)
	[ -n "$path" ] || return 0
	[ ! -d "/sys/module/$name" ] || { echo "$name is loaded already"; return 0; }
	for dep in $(modinfo -F depends "$path" | tr ',' ' '); do
		case $dep in
		trivio*) ;;
		*) modprobe "$dep" ;;
		esac
	done
	insmod "$path"
	echo "loaded $path"
}

case $1 in
load)
	for m in "${modules[@]}"; do
		load_one "$m"
	done ;;
unload)
	for ((i = ${#modules[@]} - 1; i >= 0; i--)); do
		[ ! -d "/sys/module/${modules[i]}" ] || rmmod "${modules[i]}"
	done ;;
esac
