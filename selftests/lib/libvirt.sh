# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# libvirt in the laboratory, whose root file system forgets everything: no systemd, no
# D-Bus, no users of its own. On a real host none of this is needed.

# libvirtd looks for the user and the group that its package would have made before it reads
# who is to run QEMU.
libvirt_user()
{
	getent group libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:' >>/etc/group
	getent passwd libvirt-qemu >/dev/null ||
		echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
}

# libvirt_start: libvirtd in the background, until virsh gets an answer.
libvirt_start()
{
	local i

	mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt/boot /var/log/libvirt/qemu || return 1
	libvirt_user
	cat >/etc/libvirt/qemu.conf <<-END
		user = "root"
		group = "root"
		security_driver = "none"
		cgroup_controllers = [ ]
		namespaces = [ ]
		stdio_handler = "file"
		remember_owner = 0
	END
	cat >/etc/libvirt/libvirtd.conf <<-END
		auth_unix_rw = "none"
		auth_unix_ro = "none"
		unix_sock_group = "root"
		host_uuid = "6b9d6b0e-6b1f-4bd2-9f0b-3f2f5e0b7a11"
	END
	libvirtd >/run/libvirtd.log 2>&1 </dev/null &
	echo $! >/run/libvirtd.test.pid
	for ((i = 0; i < 240; i++)); do
		! timeout 20 virsh -q -c qemu:///system list >/dev/null 2>&1 || return 0
		kill -0 "$(cat /run/libvirtd.test.pid)" || break
		sleep 0.5
	done
	tail -n 20 /run/libvirtd.log
	return 1
}

libvirt_stop()
{
	kill "$(cat /run/libvirtd.test.pid)" 2>/dev/null
}
