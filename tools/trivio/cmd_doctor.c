// SPDX-License-Identifier: GPL-2.0-only
/*
 * trivio doctor: what this machine needs for each road, checked by doing it
 * where that harms nothing, with the command that repairs each failure.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "trivio.h"

/* A KVM that cannot run a guest may hang: it gets this long. */
#define KVM_SECONDS	3
/* A ring of 32768 entries is 1 MiB; a small guest's memory is 512. */
#define MEMLOCK_LOW	(64ull << 20)

enum status { OK, WARN, FAIL };

/* What a check found, and the command that repairs it. */
struct finding {
	enum status status;
	char detail[256];
	char fix[256];
};

/* One thing to look at; name is a value in JSON. */
struct check {
	const char *name;
	void (*run)(struct finding *f);
};

static void __attribute__((format(printf, 3, 4)))
say(struct finding *f, enum status status, const char *fmt, ...)
{
	va_list ap;

	f->status = status;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 3)))
fix(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->fix, sizeof(f->fix), fmt, ap);
	va_end(ap);
}

/* Checks ----------------------------------------------------------------- */

static void check_kernel(struct finding *f)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		major = 0;
	say(f, OK, "%s", u.release);
	if (major > 6 || (major == 6 && minor >= 12))
		return;
	say(f, FAIL, "%s is older than 6.12, which trivio is for", u.release);
	fix(f, "boot 6.12 (Debian: apt install linux-image-6.12-amd64), or use tools/lab/lab demo");
}

static void check_module(struct finding *f, const char *name, bool needed,
			 const char *why)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (!access(path, F_OK)) {
		say(f, OK, "loaded");
		return;
	}
	say(f, needed ? FAIL : WARN, "not loaded: %s", why);
	fix(f, "modprobe %s (from the source tree: make load)", name);
}

static void check_core(struct finding *f)
{
	check_module(f, "trivio", true, "no road works");
}

static void check_vhost(struct finding *f)
{
	check_module(f, "trivio_vhost", false, "no /dev/trivio-vhost-net");
}

static void check_vdpa(struct finding *f)
{
	check_module(f, "trivio_vdpa", false,
		     "\"vdpa mgmtdev show\" has no trivio");
}

static void check_vfio(struct finding *f)
{
	check_module(f, "trivio_vfio", false, "mdevctl types has no trivio");
}

static bool check_node(struct finding *f, const char *path, const char *missing)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		say(f, OK, "%s can be opened", path);
		return true;
	}
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
		say(f, WARN, "%s is missing", path);
		fix(f, "%s", missing);
	} else {
		say(f, FAIL, "%s: %s", path, strerror(errno));
		fix(f, "setfacl -m u:%u:rw %s (or run as root)",
		    (unsigned int)getuid(), path);
	}
	return false;
}

static void check_vhost_node(struct finding *f)
{
	const char *path = "/dev/trivio-vhost-net";
	unsigned long long features;
	int fd;

	if (!check_node(f, path, "modprobe trivio_vhost"))
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ioctl(fd, VHOST_GET_FEATURES, &features)) {
		say(f, FAIL, "%s is no vhost device: %s", path,
		    strerror(errno));
		fix(f, "rm %s; modprobe -r trivio_vhost; modprobe trivio_vhost",
		    path);
	} else {
		say(f, OK, "%s offers features 0x%llx", path, features);
	}
	close(fd);
}

static void check_tap(struct finding *f)
{
	check_node(f, "/dev/net/tun", "modprobe tun");
}

/*
 * Real mode at address 0: one HLT, which leaves to user space. Tells whether
 * guest code really runs; a node that opens proves nothing.
 */
static int kvm_hlt(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = 4096 };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	unsigned char *mem;
	int kvm, vm, vcpu, size;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return 1;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm < 0 || size <= 0 || mem == MAP_FAILED)
		return 2;
	mem[0] = 0xf4;
	region.userspace_addr = (unsigned long)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return 3;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return 4;
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return 5;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu, KVM_SET_REGS, &regs) || ioctl(vcpu, KVM_RUN, 0))
		return 6;
	return run->exit_reason == KVM_EXIT_HLT ? 0 : 7;
}

static void check_kvm(struct finding *f)
{
	int status = 0, i;
	pid_t pid;

	if (!check_node(f, "/dev/kvm", "modprobe kvm_amd or kvm_intel; enable virtualisation in the firmware"))
		return;
	pid = fork();
	if (!pid)
		_exit(kvm_hlt());
	for (i = 0; i < KVM_SECONDS * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		usleep(10000);
	}
	if (i == KVM_SECONDS * 100) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		say(f, FAIL, "/dev/kvm opens, but guest code hangs");
	} else if (status) {
		say(f, FAIL, "/dev/kvm opens, but guest code does not run (step %d)",
		    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	} else {
		say(f, OK, "runs guest code (a first instruction; tools/lab/lab prepare tries a whole guest)");
		return;
	}
	fix(f, "QEMU has to use -accel tcg here; nested virtualisation may be off on the host below");
}

static void check_memlock(struct finding *f)
{
	struct rlimit l;

	getrlimit(RLIMIT_MEMLOCK, &l);
	if (l.rlim_cur == RLIM_INFINITY || !geteuid()) {
		say(f, OK, "%s", geteuid() ? "no limit" : "does not bind root");
		return;
	}
	say(f, OK, "%llu KiB", (unsigned long long)l.rlim_cur >> 10);
	if (l.rlim_cur >= MEMLOCK_LOW)
		return;
	say(f, WARN, "only %llu KiB may be locked: enough for rings, not for guest memory (vDPA, VFIO)",
	    (unsigned long long)l.rlim_cur >> 10);
	fix(f, "ulimit -l unlimited, or LimitMEMLOCK= of the service, or <hard_limit> in libvirt");
}

static void check_counting(struct finding *f)
{
	if (geteuid()) {
		say(f, WARN, "\"trivio count\" needs root");
		fix(f, "sudo trivio count ...");
	} else if (access("/sys/kernel/tracing/events", F_OK)) {
		say(f, WARN, "no tracefs: \"trivio count\" cannot attach");
		fix(f, "mount -t tracefs tracefs /sys/kernel/tracing");
	} else if (access("/sys/kernel/btf/vmlinux", F_OK)) {
		say(f, WARN, "kernel without BTF: \"trivio count\" leaves threads out");
		fix(f, "boot a kernel with CONFIG_DEBUG_INFO_BTF");
	} else {
		say(f, OK, "tracefs and BTF are there");
	}
}

static const struct check checks[] = {
	{ "kernel", check_kernel },
	{ "trivio", check_core },
	{ "trivio_vhost", check_vhost },
	{ "vhost_node", check_vhost_node },
	{ "trivio_vdpa", check_vdpa },
	{ "trivio_vfio", check_vfio },
	{ "tap", check_tap },
	{ "kvm", check_kvm },
	{ "memlock", check_memlock },
	{ "counting", check_counting },
};

/* Command ---------------------------------------------------------------- */

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "an array of objects", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		*(bool *)state->input = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "doctor takes no argument, not \"%s\"", arg);
		break;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse, NULL,
	"Checks what this machine needs, by doing it, and says how to repair what\n"
	"fails. Exit status 0 if nothing failed (warnings are no failure), else 1.\n"
	"\vEXAMPLES\n"
	"  trivio doctor\n"
	"  trivio doctor --json | jq -r '.[] | select(.status == \"fail\").fix'\n",
	NULL, NULL, NULL
};

/**
 * cmd_doctor() - trivio doctor
 * @argc: arguments
 * @argv: arguments
 *
 * Return: an exit code.
 */
int cmd_doctor(int argc, char **argv)
{
	static const char * const word[] = { "ok", "warn", "fail" };
	bool json = false, failed = false;
	json_t *root;
	size_t i;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	root = json ? json_array() : NULL;
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding f = { .status = FAIL };

		checks[i].run(&f);
		failed |= f.status == FAIL;
		if (json) {
			json_array_append_new(root, json_pack("{s:s s:s s:s s:s}",
							      "check", checks[i].name,
							      "status", word[f.status],
							      "detail", f.detail,
							      "fix", f.fix));
			continue;
		}
		printf("%-4s  %-13s %s\n", word[f.status], checks[i].name,
		       f.detail);
		if (f.fix[0])
			printf("                    fix: %s\n", f.fix);
		fflush(stdout);
	}
	rc = json ? json_out(root) : RC_OK;
	return rc ?: failed ? RC_FAIL : RC_OK;
}
