// SPDX-License-Identifier: GPL-2.0-only
/* Drops every frame; for netdev.sh. */
#include <linux/bpf.h>

__attribute__((section("xdp"), used))
int xdp_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] __attribute__((section("license"), used)) = "GPL";
