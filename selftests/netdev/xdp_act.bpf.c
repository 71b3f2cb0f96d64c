// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does with a frame of netdev.sh what it asks for by its first byte: T, back to
 * who sent it; R, out of the interface whose index follows; D, dropped; all else
 * passes. What it has seen it marks: the byte becomes a small letter.
 */
#include <linux/bpf.h>

#define ETH_LEN		14

static long (*const redirect)(__u32 ifindex, __u64 flags) =
	(void *)BPF_FUNC_redirect;

__attribute__((section("xdp"), used))
int xdp_act(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 act;

	if (data + ETH_LEN + 5 > end || data[12] != 0x88 || data[13] != 0xb5)
		return XDP_PASS;
	act = data[ETH_LEN];
	data[ETH_LEN] |= 0x20;
	switch (act) {
	case 'T':
		return XDP_TX;
	case 'R':
		return redirect(data[15] | data[16] << 8 | data[17] << 16 |
				(__u32)data[18] << 24, 0);
	case 'D':
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

char _license[] __attribute__((section("license"), used)) = "GPL";
