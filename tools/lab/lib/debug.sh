# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The debug kernel: built once from linux-source, cached by version and config.

# What the cache entry depends on: source version, options (not comments), compiler.
debug_key()
{
	local sum

	sum=$({ grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$LAB_DIR/debug.config"
		"${CC:-gcc}" -dumpfullversion; } | sha256sum | cut -c1-12)
	echo "$(source_version)-$sum"
}

# A list entry that Kconfig dropped would be a check that silently does not run.
debug_config_verify()
{
	local config=$1 line name bad=0

	while read -r line; do
		case $line in
		CONFIG_*=n)
			name=${line%=n}
			grep -q "^$name=" "$config" && { warn "debug.config: $name is on"; bad=1; } ;;
		CONFIG_*)
			grep -qxF -- "$line" "$config" || { warn "debug.config: no $line"; bad=1; } ;;
		"# CONFIG_"*" is not set")
			name=${line#\# }; name=${name% is not set}
			grep -q "^$name=" "$config" && { warn "debug.config: $name is on"; bad=1; } ;;
		esac
	done <"$LAB_DIR/debug.config"
	return $bad
}

# Build or find the debug kernel; sets KERNEL_RELEASE, KERNEL_IMAGE,
# KERNEL_MODULES (a lib/modules/RELEASE folder) and KERNEL_BUILD (for make M=).
debug_kernel_prepare()
{
	local src dir obj log

	source_prepare
	src=$SOURCE_TREE
	dir=$CACHE/debug/$(debug_key)
	obj=$dir/obj
	log=$dir/build.log
	mkdir -p "$dir"

	exec {debug_lock}>"$dir/lock"
	flock -n "$debug_lock" || {
		say "waiting for another build of the debug kernel ($log)"
		flock "$debug_lock"
	}
	if [ ! -e "$dir/done" ]; then
		need_packages "to build the debug kernel" "${PACKAGES_KERNEL_BUILD[@]}"
		say "building the debug kernel (once; 10 to 25 minutes on 2 cores), log in $log"
		rm -rf "$obj" "$dir/modules"
		mkdir -p "$obj"
		debug_kernel_build "$src" "$obj" "$dir" >"$log" 2>&1 &
		progress_wait $! "$log" "debug kernel" || {
			tail -n 25 "$log" >&2
			die "the debug kernel did not build: $log"
		}
		touch "$dir/done"
	fi
	exec {debug_lock}>&-

	KERNEL_RELEASE=$(cat "$obj/include/config/kernel.release")
	KERNEL_IMAGE=$obj/arch/x86/boot/bzImage
	KERNEL_MODULES=$dir/modules/lib/modules/$KERNEL_RELEASE
	KERNEL_BUILD=$obj
}

debug_kernel_build()
{
	local src=$1 obj=$2 dir=$3
	local mk=(nice make -C "$src" "O=$obj" ARCH=x86 KBUILD_BUILD_HOST=trivio-lab KBUILD_BUILD_USER=lab)

	set -e
	"${mk[@]}" tinyconfig
	(cd "$obj" && "$src/scripts/kconfig/merge_config.sh" -m -O "$obj" .config "$LAB_DIR/debug.config")
	"${mk[@]}" olddefconfig
	debug_config_verify "$obj/.config"
	"${mk[@]}" -j"$(nproc)" bzImage modules
	"${mk[@]}" INSTALL_MOD_PATH="$dir/modules" modules_install
}
