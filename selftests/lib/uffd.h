/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages that nobody brings. */
#ifndef TRIVIO_SELFTEST_UFFD_H
#define TRIVIO_SELFTEST_UFFD_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* uffd_hold - who touches these untouched pages waits while the result is open; -errno */
static inline int uffd_hold(void *p, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		close(fd);
		return -errno;
	}
	return fd;
}

#endif /* TRIVIO_SELFTEST_UFFD_H */
