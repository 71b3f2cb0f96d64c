# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Builds a copy of the checkout, so that the tree stays clean and checkouts and
# kernels do not disturb each other.

# Tests that run on this machine are built only with BUILD_HOST_TESTS set to nothing.
# Sets BUILD_DIR, the built copy (of BUILD_TARGETS, else everything) for the chosen kernel.
build_prepare()
{
	local hash what=()

	build_environment
	case $TOP_DIR in
	"$CACHE"/build/*)
		# the lab of a built copy (a test calls it): there is nothing to build
		BUILD_DIR=$TOP_DIR
		return ;;
	esac
	hash=$(printf '%s' "$TOP_DIR" | sha256sum | cut -c1-10)
	BUILD_DIR=$CACHE/build/$hash-$KERNEL_RELEASE
	mkdir -p "$BUILD_DIR"
	[ "${OPT_BUILD:-1}" = 1 ] || { [ -e "$BUILD_DIR/.built" ] && return 0; }

	need_packages "to build modules, tools and tests" "${PACKAGES_BUILD[@]}"
	exec {build_lock}>"$BUILD_DIR.lock"
	flock "$build_lock"
	# A build that a crash cut off leaves dependency files that are cut off, too, and
	# objects that are not made anew though their headers changed.
	[ ! -e "$BUILD_DIR.building" ] || rm -rf "$BUILD_DIR"
	mkdir -p "$BUILD_DIR"
	touch "$BUILD_DIR.building"
	build_copy
	verbose "building in $BUILD_DIR"
	# KCOV_INSTRUMENT: a kernel with KCOV instruments only what asks for it, which is us
	if ! logged "build" "$BUILD_DIR.log" make -C "$BUILD_DIR" -j"$(nproc)" \
		KDIR="$KERNEL_BUILD" KCOV_INSTRUMENT=y \
		SKIP_HOST_TESTS="${BUILD_HOST_TESTS-1}" "${BUILD_TARGETS[@]:-all}"; then
		rm -f "$BUILD_DIR.building"
		die "the build failed"
	fi
	rm -f "$BUILD_DIR.building"
	touch "$BUILD_DIR/.built"
	exec {build_lock}>&-
}

# What .gitignore names is build output: neither copied nor deleted.
build_copy()
{
	rsync -a --delete --exclude=/.git --exclude=/.built --filter=':- .gitignore' \
		"$TOP_DIR/" "$BUILD_DIR/" || die "cannot copy $TOP_DIR to $BUILD_DIR"
}

# What makefiles of tests and tools look for. The kernel's source only if tests are built
# (BUILD_SOURCE=0: not): it takes minutes the first time.
build_environment()
{
	KSFT_DIR='' UAPI_DIR=''
	if [ "${BUILD_SOURCE:-1}" = 1 ]; then
		ksft_prepare
		export KSFT_DIR
		export KHDR_INCLUDES="-isystem $UAPI_DIR" KHDR=$UAPI_DIR KSFT=$KSFT_DIR
		KSRC_DIR=$CACHE/source/$(source_version)
		export KSRC_DIR
	fi
	# BTF types for CO-RE programs: the stock kernel's headers carry them
	stock_release_prepare
	VMLINUX_BTF=$(headers_dir "$STOCK_RELEASE")/vmlinux
	export VMLINUX_BTF
}
