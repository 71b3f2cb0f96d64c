# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Initial RAM disks: a small one that mounts the laboratory's root, and the image
# that is the whole of an inner guest.

# initrd_modules KERNEL_MODULES RELEASE STAGE NAME...: copy modules with what they
# need, unpacked, and note the load order. A name that is built in costs nothing.
initrd_modules()
{
	local moddir=$1 rel=$2 stage=$3 base m path out
	shift 3

	base=${moddir%/lib/modules/*}
	out=$stage/lib/modules/$rel
	mkdir -p "$out"
	for m in "$@"; do
		modprobe -d "$base" -S "$rel" --show-depends "$m" 2>/dev/null |
			sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++' | while read -r path; do
		case $path in
		*.xz) xz -dc "$path" >"$out/$(basename "${path%.xz}")"
		      basename "${path%.xz}" ;;
		*.zst) zstd -qdc "$path" >"$out/$(basename "${path%.zst}")"
		       basename "${path%.zst}" ;;
		*) cp "$path" "$out/"
		   basename "$path" ;;
		esac
	done >"$out/order"
}

# initrd_programs STAGE PROGRAM...: copy programs with the libraries they need.
initrd_programs()
{
	local stage=$1 p path lib
	shift

	for p in "$@"; do
		path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$p") || die "no program $p for the guest image"
		install -D "$(readlink -f "$path")" "$stage/bin/$p"
		{ ldd "$path" 2>/dev/null || true; } |
			sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^\s*\(\/[^ ]*\) (.*/\1/p'
	done | sort -u | while read -r lib; do
		[ -e "$stage$lib" ] || install -D "$(readlink -f "$lib")" "$stage$lib"
	done
}

initrd_pack()
{
	(cd "$1" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) >"$2.tmp" && mv "$2.tmp" "$2"
}

initrd_stage_base()
{
	local stage=$1

	mkdir -p "$stage"/{bin,sbin,dev,proc,sys,run,tmp,etc,root,newroot,lab}
	cp "$(command -v busybox)" "$stage/bin/busybox"
}

# The laboratory's own: sets LAB_INITRD.
lab_initrd_prepare()
{
	local key stage

	key=$(cat "$LAB_DIR/lib/initrd.sh" "$LAB_DIR/guest/init" | sha256sum | cut -c1-10)
	LAB_INITRD=$CACHE/initrd/lab-$KERNEL_RELEASE-$key
	[ -e "$LAB_INITRD" ] && [ "$LAB_INITRD" -nt "$KERNEL_MODULES/modules.dep" ] && return 0
	mkdir -p "$CACHE/initrd"
	stage=$(mktemp -d)
	initrd_stage_base "$stage"
	initrd_modules "$KERNEL_MODULES" "$KERNEL_RELEASE" "$stage" \
		virtio_pci virtio_console 9pnet_virtio 9p overlay
	install -m 755 "$LAB_DIR/guest/init" "$stage/init"
	initrd_pack "$stage" "$LAB_INITRD"
	rm -rf "$stage"
}

# bzimage_unpack IMAGE FILE: the kernel proper of a bzImage (payload_offset and _length of the
# x86 boot protocol). QEMU starts it by its PVH entry, without the seconds that unpacking
# takes a guest below a guest. Fails for a kernel without that entry.
bzimage_unpack()
{
	local sects off len magic tool

	sects=$(od -An -tu1 -j497 -N1 "$1")
	off=$((($(od -An -tu4 -j584 -N4 "$1")) + (sects + 1) * 512))
	len=$(od -An -tu4 -j588 -N4 "$1")
	magic=$(od -An -tx1 -j$off -N4 "$1")
	case $magic in
	' fd 37 7a 58') tool=xz ;;
	' 1f 8b'*) tool=gzip ;;
	' 28 b5 2f fd') tool=zstd ;;
	*) return 1 ;;
	esac
	command -v $tool >/dev/null || return 1
	# the last four bytes are its length
	tail -c +$((off + 1)) "$1" | head -c $((len - 4)) | $tool -dc >"$2" 2>/dev/null
	# all of it is read: under pipefail an early end would be a failure
	readelf -n "$2" 2>/dev/null | grep '(0x00000012)' >/dev/null
}

# The inner guest: stock kernel and one RAM disk; sets GUEST_DIR with vmlinuz, the same
# unpacked as "kernel" where that can be, initrd, and initrd-fio (with fio, mkfs.ext4 and ext4, too: 80 MB).
guest_image_prepare()
{
	local key stage release image modules
	local drivers=(virtio_pci virtio_console virtio_net virtio_blk
		vmw_vsock_virtio_transport virtio_balloon af_packet pktgen)

	# always the stock kernel, whatever the laboratory runs
	if [ "${KERNEL_STOCK:-}" = 1 ]; then
		release=$KERNEL_RELEASE image=$KERNEL_IMAGE modules=$KERNEL_MODULES
	else
		read -r release image modules < <(
			stock_kernel_prepare >&2
			echo "$KERNEL_RELEASE $KERNEL_IMAGE $KERNEL_MODULES")
		[ -n "$image" ] || die "no stock kernel for inner guests"
	fi
	need_packages "programs inside the test guests" "${PACKAGES_GUEST[@]}" busybox-static
	key=$({ cat "$LAB_DIR/lib/initrd.sh" "$LAB_DIR/guest/inner-init" "$LAB_DIR/src/agent.c"
		dpkg-query -W -f '${Package}=${Version} ' "${PACKAGES_GUEST[@]}" libc6
		} | sha256sum | cut -c1-10)
	GUEST_DIR=$CACHE/guest/$release-$key
	[ -e "$GUEST_DIR/done" ] && return 0
	say "making the inner guest's image"
	(lock_cache guest
	[ ! -e "$GUEST_DIR/done" ] || exit 0
	rm -rf "$GUEST_DIR"
	mkdir -p "$GUEST_DIR"
	stage=$(mktemp -d)
	initrd_stage_base "$stage"
	initrd_modules "$modules" "$release" "$stage" "${drivers[@]}"
	initrd_programs "$stage" dash iperf3 ping ethtool ip tc lspci setpci
	cp -rL /usr/share/misc/pci.ids "$stage/etc/pci.ids" 2>/dev/null
	printf 'root::0:0:root:/root:/bin/sh\n' >"$stage/etc/passwd"
	install -m 755 "$LAB_DIR/guest/inner-init" "$stage/init"
	cc -O2 -Wall -static -o "$stage/bin/agent" "$LAB_DIR/src/agent.c" || exit 1
	cp "$image" "$GUEST_DIR/vmlinuz"
	bzimage_unpack "$image" "$GUEST_DIR/kernel" || ln -sf vmlinuz "$GUEST_DIR/kernel"
	initrd_pack "$stage" "$GUEST_DIR/initrd"
	initrd_modules "$modules" "$release" "$stage" "${drivers[@]}" ext4
	initrd_programs "$stage" fio mkfs.ext4
	initrd_pack "$stage" "$GUEST_DIR/initrd-fio"
	rm -rf "$stage"
	touch "$GUEST_DIR/done") || die "could not make the guest image"
}
