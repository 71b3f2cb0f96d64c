// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp-wire FROM TO: every frame that comes in at FROM leaves at TO, by a native
 * XDP program, until a signal ends it. The shortest way between the host
 * interfaces of two devices.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

static int wire(int from, int to)
{
	/* r1 = to; r2 = 0; return bpf_redirect(r1, r2) */
	const struct bpf_insn prog[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = to },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd, err;

	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "wire", "GPL", prog,
			   sizeof(prog) / sizeof(prog[0]), NULL);
	if (fd < 0)
		return fd;
	err = bpf_xdp_attach(from, fd, XDP_FLAGS_DRV_MODE, NULL);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	sigset_t set;
	int from, to, err, sig;

	if (argc != 3 || argv[1][0] == '-') {
		printf("usage: %s FROM TO\n", argv[0]);
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	from = if_nametoindex(argv[1]);
	to = if_nametoindex(argv[2]);
	if (!from || !to) {
		fprintf(stderr, "%s: no interface %s\n", argv[0],
			from ? argv[2] : argv[1]);
		return 1;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	err = wire(from, to);
	if (err) {
		fprintf(stderr, "%s: XDP on %s: %s (are you root?)\n", argv[0],
			argv[1], strerror(-err));
		return 1;
	}
	sigwait(&set, &sig);
	bpf_xdp_detach(from, XDP_FLAGS_DRV_MODE, NULL);
	return 0;
}
