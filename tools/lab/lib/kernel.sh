# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Where kernels come from: the stock kernel and its headers, unpacked into the cache and never
# installed (the header package depends on the image package, which would make the host's
# boot loader and initramfs know it), and the source for kselftest and UAPI headers.

KERNEL_SERIES=6.12

# The newest release of the series that apt knows, e.g. 6.12.117+deb12-amd64.
archive_release()
{
	apt-cache depends "linux-headers-$KERNEL_SERIES-amd64" 2>/dev/null |
		sed -n "s/.*Depends: linux-headers-\($KERNEL_SERIES\..*-amd64\)$/\1/p" | head -n 1
}

# The newest release that is complete in the cache, or nothing.
cached_release()
{
	local d

	for d in "$CACHE/headers/$KERNEL_SERIES".*-amd64; do
		if [ -e "$d/done" ] && [ -e "$CACHE/kernel/${d##*/}/done" ]; then
			echo "${d##*/}"
		fi
	done | sort -V | tail -n 1
}

headers_dir()
{
	echo "$CACHE/headers/$1/usr/src/linux-headers-$1"
}

# The newest downloaded package of that name.
package_deb()
{
	find "$CACHE/debs" -name "$1_*.deb" 2>/dev/null | sort -V | tail -n 1
}

# packages_fetch NAME...: download those that are not there.
packages_fetch()
{
	local p missing=()

	for p in "$@"; do
		[ -n "$(package_deb "$p")" ] || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	mkdir -p "$CACHE/debs"
	say "downloading ${missing[*]} (once; unpacked, not installed)"
	(cd "$CACHE/debs" && apt_download "${missing[@]}")
}

# apt's sandbox user cannot write into a private cache folder.
apt_download()
{
	apt-get -qq -o APT::Sandbox::User=root download "$@" >&2
}

# image_unpack RELEASE: what boots, and its modules.
image_unpack()
{
	local dir=$CACHE/kernel/$1 deb

	[ ! -e "$dir/done" ] || return 0
	deb=$(package_deb "linux-image-$1")
	say "unpacking $(basename "$deb")"
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	dpkg -x "$deb" "$dir.tmp" || return 1
	# merged-/usr packages keep modules below /usr/lib
	[ -d "$dir.tmp/lib/modules" ] || ln -s usr/lib "$dir.tmp/lib"
	depmod -b "$dir.tmp" "$1" || return 1
	touch "$dir.tmp/done"
	mv "$dir.tmp" "$dir"
}

# headers_unpack RELEASE PACKAGE...: what modules are built with. The packages' links are relative, and
# hold in any folder; the one absolute path in them is that of the makefile all share.
headers_unpack()
{
	local dir=$CACHE/headers/$1 p
	shift

	[ ! -e "$dir/done" ] || return 0
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	for p in "$@"; do
		dpkg -x "$(package_deb "$p")" "$dir.tmp" || return 1
	done
	sed -i "s|^include /usr/src/|include $dir/usr/src/|" "$dir.tmp/usr/src/$1/Makefile" &&
		[ -d "$dir.tmp/usr/src/$1/scripts/" ] || return 1
	touch "$dir.tmp/done"
	mv "$dir.tmp" "$dir"
}

# kernel_unpack RELEASE: both, one lab at a time.
kernel_unpack()
{
	local headers=("linux-headers-$1" "linux-headers-${1%-amd64}-common" "linux-kbuild-${1%-amd64}")

	(lock_cache kernel
	packages_fetch "linux-image-$1" "${headers[@]}" &&
		headers_unpack "$1" "${headers[@]}" && image_unpack "$1")
}

# The stock release: of the cache, else the archive's newest. Sets STOCK_RELEASE.
stock_release_prepare()
{
	STOCK_RELEASE=$(cached_release)
	[ -z "$STOCK_RELEASE" ] || return 0
	STOCK_RELEASE=$(archive_release)
	if [ -z "$STOCK_RELEASE" ] || ! kernel_unpack "$STOCK_RELEASE"; then
		# lists that are old name packages that are gone
		apt_update_once
		STOCK_RELEASE=$(archive_release)
		[ -n "$STOCK_RELEASE" ] ||
			die "apt knows no linux-headers-$KERNEL_SERIES-amd64. Next: see that" \
			    "/etc/apt/sources.list has Debian 12 with bookworm-security, then again"
		kernel_unpack "$STOCK_RELEASE" ||
			die "could not fetch the stock kernel $STOCK_RELEASE." \
			    "Next: apt-get download linux-image-$STOCK_RELEASE shows why"
	fi
}

# kernel_paths RELEASE: sets KERNEL_RELEASE, KERNEL_IMAGE, KERNEL_MODULES, KERNEL_BUILD.
kernel_paths()
{
	KERNEL_RELEASE=$1
	KERNEL_IMAGE=$CACHE/kernel/$1/boot/vmlinuz-$1
	KERNEL_MODULES=$CACHE/kernel/$1/lib/modules/$1
	KERNEL_BUILD=$(headers_dir "$1")
	[ -e "$KERNEL_IMAGE" ] && [ -e "$KERNEL_BUILD/Makefile" ] ||
		die "the cache is damaged: no $KERNEL_IMAGE. Next: rm -r $CACHE/kernel $CACHE/headers, then again"
}

stock_kernel_prepare()
{
	stock_release_prepare
	kernel_paths "$STOCK_RELEASE"
}

# A kernel the user names: a file (bzImage) or a release in the archive.
named_kernel_prepare()
{
	local what=$1

	if [ ! -f "$what" ]; then
		case $what in
		*/*) die "no kernel image $what" ;;
		esac
		kernel_unpack "$what" || { apt_update_once; kernel_unpack "$what"; } ||
			die "no packages linux-image-$what and linux-headers-$what in the archive"
		kernel_paths "$what"
		return
	fi
	need_packages "to read the release of a kernel image" file
	KERNEL_IMAGE=$(readlink -f "$what")
	KERNEL_RELEASE=$(file -bL "$KERNEL_IMAGE" | sed -n 's/.*version \([^ ]*\).*/\1/p')
	[ -n "$KERNEL_RELEASE" ] || die "$what does not look like a kernel image"
	KERNEL_MODULES=/lib/modules/$KERNEL_RELEASE
	KERNEL_BUILD=$KERNEL_MODULES/build
	if [ ! -d "$KERNEL_MODULES" ] && [ -d "$CACHE/kernel/$KERNEL_RELEASE" ]; then
		KERNEL_MODULES=$CACHE/kernel/$KERNEL_RELEASE/lib/modules/$KERNEL_RELEASE
		KERNEL_BUILD=$(headers_dir "$KERNEL_RELEASE")
	fi
	[ -d "$KERNEL_MODULES" ] || die "no modules for $what in /lib/modules/$KERNEL_RELEASE"
	[ -e "$KERNEL_BUILD/Makefile" ] || die "no $KERNEL_BUILD to build trivio's modules with: install the headers of $KERNEL_RELEASE"
}

source_version()
{
	dpkg-query -W -f '${Version}' "linux-source-$KERNEL_SERIES" 2>/dev/null
}

# The kernel's source, unpacked once: kselftest headers, UAPI headers, checkpatch
# and the debug kernel come from it. Sets SOURCE_TREE.
source_prepare()
{
	local dir tar

	need_packages "kernel source: kselftest and UAPI headers, style checks" "linux-source-$KERNEL_SERIES"
	dir=$CACHE/source/$(source_version)
	tar=/usr/src/linux-source-$KERNEL_SERIES.tar.xz
	(lock_cache source
	[ ! -e "$dir/Makefile" ] || exit 0
	say "unpacking the kernel source (once, about a minute)"
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	tar -C "$dir.tmp" -xf "$tar" --strip-components=1 && mv "$dir.tmp" "$dir") ||
		die "could not unpack $tar"
	SOURCE_TREE=$dir
}

# kselftest's own files and the UAPI headers of the target kernel, for user-space
# programs: Debian 12's linux-libc-dev is 6.1's. Sets KSFT_DIR and UAPI_DIR.
ksft_prepare()
{
	local ver

	need_packages "to install UAPI headers" build-essential rsync
	ver=$(source_version)
	[ -n "$ver" ] || { source_prepare; ver=$(source_version); }
	KSFT_DIR=$CACHE/ksft-$ver
	UAPI_DIR=$CACHE/uapi-$ver/include
	(lock_cache ksft
	[ -e "$KSFT_DIR/lib.mk" ] && [ -d "$UAPI_DIR/linux" ] && exit 0
	source_prepare
	say "taking kselftest and UAPI headers from the kernel source"
	rm -rf "$KSFT_DIR.tmp" "$CACHE/uapi-$ver"
	mkdir -p "$KSFT_DIR.tmp" "$CACHE/uapi-$ver/obj"
	cp -r "$SOURCE_TREE"/tools/testing/selftests/{lib.mk,kselftest,kselftest.h,kselftest_harness.h} \
		"$KSFT_DIR.tmp/" &&
	logged "headers_install" "$CACHE/uapi-$ver/log" make -C "$SOURCE_TREE" ARCH=x86 \
		O="$CACHE/uapi-$ver/obj" INSTALL_HDR_PATH="$CACHE/uapi-$ver" headers_install &&
	rm -rf "$CACHE/uapi-$ver/obj" "$KSFT_DIR" && mv "$KSFT_DIR.tmp" "$KSFT_DIR") ||
		die "could not prepare the kselftest headers"
}
