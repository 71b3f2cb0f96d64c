// SPDX-License-Identifier: GPL-2.0-only
/* Small helpers that every command uses. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trivio.h"

/**
 * err_say() - one line on stderr, under the command's name
 * @fmt: what went wrong, and what to do about it
 */
void err_say(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("trivio: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/**
 * json_out() - print a document, readable, and let go of it
 * @root: the document
 *
 * Return: RC_OK, or RC_FAIL if it could not be built or written.
 */
int json_out(json_t *root)
{
	int err;

	if (!root) {
		err_say("out of memory");
		return RC_FAIL;
	}
	err = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return err || fflush(stdout) ? RC_FAIL : RC_OK;
}

/**
 * json_line() - print an object of a stream on one line, and let go of it
 * @obj: the object
 *
 * Return: RC_OK, or RC_FAIL.
 */
int json_line(json_t *obj)
{
	int err = json_dumpf(obj, stdout, JSON_COMPACT);

	putchar('\n');
	json_decref(obj);
	return err || fflush(stdout) ? RC_FAIL : RC_OK;
}

/**
 * pid_comm() - name of a process or thread
 * @pid: its number
 * @buf: where to put the name
 * @len: room there
 *
 * Return: whether it exists; if not, @buf is empty.
 */
bool pid_comm(__u32 pid, char *buf, size_t len)
{
	char path[64];
	FILE *f;

	buf[0] = 0;
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(buf, len, f))
		buf[0] = 0;
	fclose(f);
	buf[strcspn(buf, "\n")] = 0;
	return true;
}

/**
 * vdpa_driver() - which driver of the vDPA bus has a device
 * @dev: its name
 * @buf: where to put the driver's
 * @len: room there
 *
 * Return: whether there is one; if not, @buf is empty.
 */
bool vdpa_driver(const char *dev, char *buf, size_t len)
{
	char path[128], target[256];
	const char *base;
	ssize_t n;

	buf[0] = 0;
	snprintf(path, sizeof(path), "/sys/bus/vdpa/devices/%s/driver", dev);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	base = strrchr(target, '/');
	snprintf(buf, len, "%s", base ? base + 1 : target);
	return true;
}

/**
 * now_ns() - monotonic time
 *
 * Return: nanoseconds.
 */
__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/**
 * parse_u32() - a whole number from the command line
 * @s: text, decimal or 0x...
 * @val: the number
 *
 * Return: 0, or -EINVAL.
 */
int parse_u32(const char *s, __u32 *val)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s || *end || *s == '-' || v > ~0u)
		return -EINVAL;
	*val = v;
	return 0;
}
