// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds an empty virtual machine until it is killed.
 *
 * The first machine has KVM patch a branch into the scheduler, the last one's end patches
 * it out again. Under TCG a breakpoint of that patching was seen to be run when it was
 * gone already ("Oops: int3" in __schedule). With one machine from the start, when nothing
 * else runs, to the end, that branch stays as it is.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0) < 0) {
		perror("kvm-hold: /dev/kvm");
		return 1;
	}
	if (daemon(0, 0)) {
		perror("kvm-hold");
		return 1;
	}
	for (;;)
		pause();
}
