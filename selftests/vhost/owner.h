/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hostile_owner_test.c and hostile_limit_test.c share: a device of the test's
 * own, cgroups, and processes with a device of theirs.
 */
#ifndef SELFTESTS_VHOST_OWNER_H
#define SELFTESTS_VHOST_OWNER_H

#include <signal.h>
#include <sys/stat.h>

#include "hostile.h"

#define CGROUP	"/sys/fs/cgroup"

FIXTURE(owner) {
	struct stage s;
	struct vh_dev *d;
	struct vh_tap *t;
};

FIXTURE_SETUP(owner)
{
	stage_none(&self->s);
	OK(stage_open(&self->s, NULL));
	self->d = &self->s.d;
	self->t = &self->s.t;
}

FIXTURE_TEARDOWN(owner)
{
	EXPECT_EQ(0, stage_close(&self->s)) TH_LOG("%s", vh_why());
}

/* The line of @path that starts with @key, as a number; -1 without it. */
static inline long get(const char *path, const char *key)
{
	char line[256];
	long v = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			v = atol(line + strlen(key));
	if (f)
		fclose(f);
	return v;
}

static pid_t group_id;	/* children are of the same */

static inline void group(char *path, size_t size, const char *file)
{
	snprintf(path, size, CGROUP "/trivio-test-%d%s%s", group_id,
		 file ? "/" : "", file ?: "");
}

/* A cgroup with a controller; 0, or -errno where that does not exist. */
static inline int group_make(const char *controller)
{
	char path[128], on[32];

	if (access(CGROUP "/cgroup.controllers", F_OK))
		return -ENOENT;
	snprintf(on, sizeof(on), "+%s", controller ?: "");
	if (controller && put(CGROUP "/cgroup.subtree_control", on))
		return -ENOENT;
	group_id = getpid();
	group(path, sizeof(path), NULL);
	return mkdir(path, 0755) ? -errno : 0;
}

static inline void group_drop(void)
{
	char path[128];
	int i;

	group(path, sizeof(path), NULL);
	for (i = 0; i < 200 && rmdir(path) && errno == EBUSY; i++)
		usleep(10000);
}

static inline int group_put(const char *file, const char *text)
{
	char path[128];

	group(path, sizeof(path), file);
	return put(path, text);
}

static inline int group_add(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return group_put("cgroup.procs", text);
}

/*
 * A process with a device of its own, busy for ever. It waits for a byte on
 * @go before it starts, and writes one to @ready when it runs.
 */
struct child {
	pid_t pid;
	int go;
	int ready;
};

static inline void child_main(int go, int ready)
{
	static struct vh_dev d;
	static struct vh_tap t;
	char c;

	if (read(go, &c, 1) != 1 || vh_open(&d, NULL) ||
	    vh_tap_open(&t, 0, 12) || vh_start(&d, t.fd) ||
	    write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		stir(&d, &t, 100);
		usleep(100);
		reap(&d);
	}
}

static inline int child_start(struct child *c)
{
	int go[2], ready[2];

	if (pipe(go) || pipe(ready))
		return -errno;
	c->pid = fork();
	if (!c->pid)
		child_main(go[0], ready[1]);
	close(go[0]);
	close(ready[1]);
	c->go = go[1];
	c->ready = ready[0];
	return c->pid < 0 ? -errno : 0;
}

static inline int child_go(struct child *c)
{
	char b = 0;

	if (write(c->go, &b, 1) != 1 || read(c->ready, &b, 1) != 1)
		return vh_fail(-EPIPE, "the child did not start");
	return 0;
}

static inline void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	close(c->go);
	close(c->ready);
}

#endif /* SELFTESTS_VHOST_OWNER_H */
