# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The Debian packages the laboratory lives on, and how they get installed.

PACKAGES_RUN=(qemu-system-x86 busybox-static rsync cpio kmod xz-utils zstd iproute2
	      procps util-linux jq)
PACKAGES_BUILD=(build-essential gcc-12 pahole pkg-config
		libjansson-dev libmnl-dev libbpf-dev libelf-dev zlib1g-dev
		bpftool clang llvm libclang-rt-14-dev)
PACKAGES_GUEST=(iperf3 iputils-ping ethtool fio pciutils)
PACKAGES_KERNEL_BUILD=(build-essential bc flex bison libelf-dev libssl-dev kmod cpio)
# what tests and measurements drive: the real clients, and tools that look in
# (libvirt without its -system package: nothing starts on this machine)
PACKAGES_CHECK=(socat mdevctl libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients dpdk dpdk-dev
		trace-cmd tcpdump uuid-runtime valgrind xfsprogs ipxe-qemu ovmf)
# a vhost-user backend (testpmd) for the demonstration
PACKAGES_DEMO=(dpdk-dev)
PACKAGES_STATIC=(sparse coccinelle shellcheck perl python3)

apt_updated=

# A list of packages that is weeks old names versions that are gone.
apt_update_once()
{
	[ -z "$apt_updated" ] || return 0
	say "refreshing apt's package lists"
	as_root apt-get -qq update >&2 || warn "apt-get update failed; going on with the lists there are"
	apt_updated=1
}

package_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages WHY PACKAGE...: install those that are missing.
need_packages()
{
	local why=$1 have p missing=()
	shift

	command -v dpkg-query >/dev/null || die "this is no Debian: install by hand: $*"
	have=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "$@" 2>/dev/null) "
	for p in "$@"; do
		case $have in
		*" installed=$p "*) ;;
		*) missing+=("$p") ;;
		esac
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	say "installing ${missing[*]} ($why)"
	apt_install "${missing[@]}" || {
		apt_update_once
		apt_install "${missing[@]}"
	} || die "apt could not install: ${missing[*]}"
}

apt_install()
{
	compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt_update_once
	logged "apt-get install" "$CACHE/apt.log" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 \
		--no-install-recommends install "$@"
}
