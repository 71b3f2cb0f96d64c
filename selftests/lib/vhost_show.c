// SPDX-License-Identifier: GPL-2.0-only
/*
 * What "trivio show" says of a device: its own counters, which a test has to
 * ask for, as frames may come over another road unnoticed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost.h"

/*
 * vh_trivio - run the tool with @args; what it prints, until the next call. The
 * netlink family is the first network namespace's alone, so it runs there.
 */
char *vh_trivio(const char *args)
{
	static char out[1 << 20];
	char cmd[192];
	size_t n = 0;
	FILE *p;

	snprintf(cmd, sizeof(cmd),
		 "nsenter --net=/proc/1/ns/net ../../tools/trivio/trivio %s 2>&1",
		 args);
	p = popen(cmd, "r");
	if (p) {
		n = fread(out, 1, sizeof(out) - 1, p);
		pclose(p);
	}
	out[n] = 0;
	return out;
}

/* vh_json_number - the first @key from @json on; 0 if there is none */
uint64_t vh_json_number(const char *json, const char *key)
{
	char name[64];
	const char *p;

	snprintf(name, sizeof(name), "\"%s\":", key);
	p = json ? strstr(json, name) : NULL;
	return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

/* vh_json_queue - where queue @q begins in what "show --json" says, or NULL */
const char *vh_json_queue(const char *json, unsigned int q)
{
	char want[32];

	snprintf(want, sizeof(want), "\"index\": %u", q);
	return strstr(json, want);
}

/* vh_device_name - the device that @pid owns; 0 or -errno */
int vh_device_name(pid_t pid, char *buf, size_t size)
{
	char *json = vh_trivio("list --json"), *at, *name, *end;
	char want[48];

	snprintf(want, sizeof(want), "\"owner_pid\": %d,", pid);
	at = strstr(json, want);
	if (!at)
		return vh_fail(-ENODEV, "no device of %d: %.80s", pid, json);
	/* The object around it: keys come in the tool's order. */
	while (at > json && *at != '{')
		at--;
	name = strstr(at, "\"name\": \"");
	end = name ? strchr(name + 9, '"') : NULL;
	if (!end || (size_t)(end - name) > size)
		return vh_fail(-EPROTO, "list --json: %.80s", at);
	snprintf(buf, size, "%.*s", (int)(end - name - 9), name + 9);
	return 0;
}
