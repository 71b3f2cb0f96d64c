# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Where kernels come from: the stock image (unpacked, never installed), the
# headers to build modules with, and the source for kselftest and UAPI headers.

KERNEL_SERIES=6.12

# The release of the newest installed headers, e.g. 6.12.117+deb12-amd64.
headers_release()
{
	local d best=

	for d in /usr/src/linux-headers-"$KERNEL_SERIES".*-amd64; do
		[ -e "$d/Makefile" ] && best=$(printf '%s\n%s\n' "$best" "${d##*linux-headers-}" |
			sort -V | tail -n 1)
	done
	echo "$best"
}

headers_prepare()
{
	need_packages "headers of the stock $KERNEL_SERIES kernel, to build modules" \
		"linux-headers-$KERNEL_SERIES-amd64"
	KERNEL_RELEASE=$(headers_release)
	[ -n "$KERNEL_RELEASE" ] || die "linux-headers-$KERNEL_SERIES-amd64 is installed, yet /usr/src has no headers"
}

# Fetch linux-image-RELEASE without installing it. The archive keeps only the
# newest version: when the headers are older, they are upgraded to it.
image_fetch()
{
	local dir=$1 pkg=linux-image-$KERNEL_RELEASE

	mkdir -p "$dir"
	say "downloading $pkg (about 105 MB, once; it is unpacked, not installed)"
	(cd "$dir" && apt_download "$pkg") && return 0
	apt_update_once
	(cd "$dir" && apt_download "$pkg") && return 0
	say "$pkg is no longer in the archive: upgrading the headers to what is"
	apt_install "linux-headers-$KERNEL_SERIES-amd64" || return 1
	KERNEL_RELEASE=$(headers_release)
	pkg=linux-image-$KERNEL_RELEASE
	(cd "$dir" && apt_download "$pkg")
}

# The newest downloaded image package of a release.
image_deb()
{
	find "$CACHE/debs" -name "linux-image-$1_*.deb" 2>/dev/null | sort -V | tail -n 1
}

# apt's sandbox user cannot write into a private cache folder.
apt_download()
{
	apt-get -qq -o APT::Sandbox::User=root download "$1" >&2
}

# The stock kernel: sets KERNEL_RELEASE, KERNEL_IMAGE, KERNEL_MODULES, KERNEL_BUILD.
stock_kernel_prepare()
{
	local dir deb

	headers_prepare
	dir=$CACHE/kernel/$KERNEL_RELEASE
	if [ ! -e "$dir/done" ]; then
		(lock_cache kernel
		[ ! -e "$dir/done" ] || exit 0
		deb=$(image_deb "$KERNEL_RELEASE")
		if [ -z "$deb" ]; then
			image_fetch "$CACHE/debs" || exit 1
			deb=$(image_deb "$KERNEL_RELEASE")
		fi
		image_unpack "$deb" "$CACHE/kernel/$KERNEL_RELEASE") ||
			die "no kernel image for the headers $KERNEL_RELEASE." \
			    "Next: apt-get update && apt-get install linux-headers-$KERNEL_SERIES-amd64, then again"
		KERNEL_RELEASE=$(headers_release)
		dir=$CACHE/kernel/$KERNEL_RELEASE
	fi
	KERNEL_IMAGE=$dir/boot/vmlinuz-$KERNEL_RELEASE
	KERNEL_MODULES=$dir/lib/modules/$KERNEL_RELEASE
	KERNEL_BUILD=/usr/src/linux-headers-$KERNEL_RELEASE
	[ -e "$KERNEL_IMAGE" ] ||
		die "kernel image and headers do not match: no $KERNEL_IMAGE. Next: rm -r $CACHE/kernel $CACHE/debs, then again"
}

# image_unpack DEB DIR
image_unpack()
{
	local deb=$1 dir=$2 rel

	say "unpacking $(basename "$deb")"
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	dpkg -x "$deb" "$dir.tmp" || return 1
	# merged-/usr packages keep modules below /usr/lib
	[ -d "$dir.tmp/lib/modules" ] || ln -s usr/lib "$dir.tmp/lib"
	rel=$(basename "$dir.tmp"/lib/modules/*)
	depmod -b "$dir.tmp" "$rel" || return 1
	touch "$dir.tmp/done"
	mv "$dir.tmp" "$dir"
}

# A kernel the user names: a file (bzImage) or a release in the archive or on this host.
named_kernel_prepare()
{
	local what=$1

	if [ -f "$what" ]; then
		KERNEL_IMAGE=$(readlink -f "$what")
		KERNEL_RELEASE=$(file -bL "$KERNEL_IMAGE" | sed -n 's/.*version \([^ ]*\).*/\1/p')
		[ -n "$KERNEL_RELEASE" ] || die "$what does not look like a kernel image"
		KERNEL_MODULES=/lib/modules/$KERNEL_RELEASE
		if [ ! -d "$KERNEL_MODULES" ] && [ -d "$CACHE/kernel/$KERNEL_RELEASE" ]; then
			KERNEL_MODULES=$CACHE/kernel/$KERNEL_RELEASE/lib/modules/$KERNEL_RELEASE
		fi
		[ -d "$KERNEL_MODULES" ] || die "no modules for $what in /lib/modules/$KERNEL_RELEASE"
	else
		KERNEL_RELEASE=$what
		if [ ! -e "$CACHE/kernel/$what/done" ]; then
			image_fetch_named "$what" || die "no package linux-image-$what"
		fi
		KERNEL_IMAGE=$CACHE/kernel/$what/boot/vmlinuz-$what
		KERNEL_MODULES=$CACHE/kernel/$what/lib/modules/$what
	fi
	KERNEL_BUILD=/lib/modules/$KERNEL_RELEASE/build
	[ -e "$KERNEL_BUILD" ] || need_packages "to build modules for $KERNEL_RELEASE" "linux-headers-$KERNEL_RELEASE"
}

image_fetch_named()
{
	local deb

	mkdir -p "$CACHE/debs"
	(cd "$CACHE/debs" && apt_download "linux-image-$1") || {
		apt_update_once
		(cd "$CACHE/debs" && apt_download "linux-image-$1")
	} || return 1
	deb=$(image_deb "$1")
	image_unpack "$deb" "$CACHE/kernel/$1"
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
