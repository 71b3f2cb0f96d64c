// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every rule of the conformance checker that a vhost-vdpa process can break, by
 * a driver that breaks it; the checker must report this rule with its section,
 * and no other. Then its modes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kselftest.h"
#include "rule.h"

#define BLK	"trule0"
#define NET	"trule1"
#define RO	"trule2"
#define STATUS	(DATA + 0x100)

/* How long a report may take, and how long none is waited for. */
#define REPORT_MS	5000
#define QUIET_MS	150

/* @settings of its profile: "file=text ...", and a device of that name. */
static int make(const char *name, const char *class, const char *settings)
{
	char mgmtdev[32], file[32], text[64];
	int err = vdev_profile(name), used;

	while (!err && sscanf(settings, " %31[^=]=%63s%n", file, text, &used) == 2) {
		err = dev_file(name, file, text);
		settings += used;
	}
	snprintf(mgmtdev, sizeof(mgmtdev), "trivio_%s", class);
	return err ?: vdev_add(name, mgmtdev, NULL);
}

static void unmake(const char *name)
{
	if (vdev_del(name, 60) | vdev_profile_end(name))
		ksft_print_msg("%s could not be deleted\n", name);
}

/* Waits for a report; what there is a little later is all of them. */
static void reports(struct dev *d, bool wait, char *buf, size_t len)
{
	unsigned int ms = 0, most = wait ? REPORT_MS : QUIET_MS;

	do {
		pause_ms(10);
		ms += 10;
		if (dev_read(d->name, "check_reports", buf, len) < 0)
			buf[0] = 0;
	} while (ms < most && !buf[0]);
	pause_ms(30);
	if (dev_read(d->name, "check_reports", buf, len) < 0)
		buf[0] = 0;
}

/* "NAME SECTION COUNT QUEUE HEAD", one line. */
static bool is_report(const char *text, const struct rule_case *t)
{
	char name[64], section[64], after = 0;
	int n;

	if (!t->rule)
		return !text[0];
	n = sscanf(text, "%63s %63s %*u %*d %*u %c", name, section, &after);
	return n == 2 && !strcmp(name, t->rule) &&
	       !strcmp(section, t->section);
}

static void run(struct dev *d, const struct rule_case *t)
{
	char text[4096];
	int err;

	err = dev_stop(d) ?: dev_file(d->name, "check", "log") ?: t->run(d);
	reports(d, t->rule, text, sizeof(text));
	dev_file(d->name, "faults/io_delay/every", "0");
	if (!err && is_report(text, t)) {
		ksft_test_result_pass("%s: %s %s\n", d->name,
				      t->rule ?: "nothing broken:", t->section);
		return;
	}
	ksft_print_msg("error %d, reports:\n%s", err, text);
	ksft_test_result_fail("%s: %s %s\n", d->name,
			      t->rule ?: "nothing broken:", t->section);
}

static const struct rule_case *find(const char *rule)
{
	int i;

	for (i = 0; i < rule_blk_nr; i++) {
		if (rule_blk[i].rule && !strcmp(rule_blk[i].rule, rule))
			return &rule_blk[i];
	}
	return NULL;
}

/* "stop": not served, and the queue is broken; a reset makes it good. */
static void mode_stop(struct dev *d)
{
	const struct rule_case *t = find("blk-flush-sector");
	char text[4096];
	int err, status;

	err = dev_stop(d) ?: dev_file(d->name, "check", "stop") ?: t->run(d);
	reports(d, true, text, sizeof(text));
	status = client_status(&d->c);
	ksft_test_result(!err && is_report(text, t) &&
			 status & VIRTIO_CONFIG_S_NEEDS_RESET &&
			 *at(d, STATUS) == 0xee,
			 "stop: the request is not served, NEEDS_RESET\n");
	run(d, &rule_blk[0]);

	/* What no queue did. */
	t = find("status-order");
	err = dev_stop(d) ?: dev_file(d->name, "check", "stop") ?: t->run(d);
	reports(d, true, text, sizeof(text));
	pause_ms(100);
	status = client_status(&d->c);
	ksft_test_result(!err && is_report(text, t) &&
			 status & VIRTIO_CONFIG_S_NEEDS_RESET,
			 "stop: a step left out makes the device ask for a reset\n");
}

static void mode_off(struct dev *d)
{
	const struct rule_case *t = find("blk-flush-sector");
	char text[4096];
	int err;

	/* Off keeps what there was, on forgets it. */
	err = dev_stop(d) ?: dev_file(d->name, "check", "log") ?:
	      dev_file(d->name, "check", "off") ?: t->run(d);
	reports(d, false, text, sizeof(text));
	ksft_test_result(!err && !text[0] && *at(d, STATUS) == 0,
			 "off: nothing is reported, the request is served\n");
}

static void mode_live(struct dev *d)
{
	const struct rule_case *t = find("blk-flush-sector");
	char text[4096];
	int err;

	err = dev_stop(d) ?: dev_file(d->name, "check", "off") ?: t->run(d);
	pause_ms(50);
	err = err ?: dev_file(d->name, "check", "log");
	reports(d, false, text, sizeof(text));
	ksft_test_result(!err && !text[0],
			 "switched on while it runs: the past is not reported\n");
	*at(d, STATUS) = 0xee;
	offer(d, 0, 0);
	kick(d, 0);
	reports(d, true, text, sizeof(text));
	ksft_test_result(is_report(text, t),
			 "switched on while it runs: the next one is\n");
	ksft_test_result(dev_file(d->name, "check", "loud") < 0,
			 "a mode that there is not is refused\n");
}

static void all(struct dev *d, const struct rule_case *t, int n)
{
	int i;

	for (i = 0; i < n; i++)
		run(d, &t[i]);
}

int main(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	struct dev blk, net, ro;
	int err;

	ksft_print_header();
	setrlimit(RLIMIT_MEMLOCK, &lim);
	if (system("modprobe -a vdpa vhost_vdpa; modprobe -q trivio_vdpa;"
		   "test -d /sys/module/trivio_vdpa"))
		ksft_exit_skip("no module trivio_vdpa\n");
	ksft_set_plan(rule_blk_nr + rule_net_nr + rule_blk_ro_nr + 7);
	err = make(BLK, "blk", "capacity=1M queues=2") ?:
	      make(RO, "blk", "capacity=1M read_only=1") ?:
	      make(NET, "net",
		   "queues=2 mtu=1500 features=0xffffffffffffffff") ?:
	      system("ip addr add 10.79.0.1/24 dev " NET
		     "; ip link set " NET " up");
	err = err ?: dev_open(&blk, BLK) ?: dev_open(&ro, RO) ?:
	      dev_open(&net, NET);
	if (err)
		ksft_exit_fail_msg("no devices: %d\n", err);

	all(&blk, rule_blk, rule_blk_nr);
	all(&ro, rule_blk_ro, rule_blk_ro_nr);
	all(&net, rule_net, rule_net_nr);
	mode_stop(&blk);
	mode_off(&blk);
	mode_live(&blk);

	client_close(&blk.c);
	client_close(&ro.c);
	client_close(&net.c);
	unmake(BLK);
	unmake(RO);
	unmake(NET);
	ksft_finished();
}
