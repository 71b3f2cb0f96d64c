/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of sysfs, configfs and debugfs, without a shell for each. */
#ifndef TRIVIO_SELFTEST_FILES_H
#define TRIVIO_SELFTEST_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* put - write @text to @path; 0 or -errno */
static inline int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

#endif /* TRIVIO_SELFTEST_FILES_H */
