// SPDX-License-Identifier: GPL-2.0-only
/*
 * First inputs for the fuzzers of the parsers: one that is accepted for each
 * kind of thing they parse. mkseeds DIR writes DIR/TARGET/N. (The ring fuzzers
 * get theirs from the unit tests, see world_seed().)
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *dir;

static void put(const char *target, int n, const void *p, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/seed-%d", dir, target, n);
	f = fopen(path, "w");
	if (!f)
		return;
	fwrite(p, len, 1, f);
	fclose(f);
}

/* Frames: IPv4 and IPv6, TCP and UDP, plain, tagged, with each GSO type. */
static void net_hdr(void)
{
	static const uint8_t gso[] = { 0, 1, 3, 4, 5, 0x81 };
	uint8_t b[8 + 4 + 40 + 2 + 20 + 300], *h = b + 54, *f = h + 20;
	int n;

	for (n = 0; n < 2 * 2 * 3 * 6; n++) {
		int v6 = n % 2, udp = n / 2 % 2, tag = n / 4 % 3, g = n / 12;
		int l3 = 14 + 4 * tag, l4 = l3 + (v6 ? 40 : 20), i;

		memset(b, 0, sizeof(b));
		memset(b, 0xff, 12 + 40);
		b[5] = 0xff;
		for (i = 0; i < tag; i++)
			f[12 + 4 * i] = 0x81;
		f[12 + 4 * tag] = v6 ? 0x86 : 0x08;
		f[13 + 4 * tag] = v6 ? 0xdd : 0x00;
		f[l3] = v6 ? 0x60 : 0x45;
		f[l3 + (v6 ? 6 : 9)] = udp ? 17 : 6;
		f[l4 + 12] = 0x50;
		h[0] = !!gso[g];
		h[1] = gso[g];
		h[5] = 1;
		h[6] = l4;
		h[8] = udp ? 6 : 16;
		put("net_hdr", n, b, sizeof(b) - 140 * (g & 1));
	}
	/* What is refused last: more segments than there may be. */
	memset(f, 0, sizeof(b) - 74);
	f[12] = 0x08;
	f[14] = 0x45;
	f[23] = 17;
	h[0] = 1;
	h[1] = 5;
	h[4] = 1;
	h[5] = 0;
	h[6] = 34;
	h[8] = 6;
	put("net_hdr", n++, b, sizeof(b));
	/* A type that does not exist, a frame of tags only, a fragment. */
	h[1] = 2;
	put("net_hdr", n++, b, sizeof(b));
	h[1] = 0;
	for (int i = 0; i < 40; i += 4) {
		f[12 + i] = 0x81;
		f[13 + i] = 0;
	}
	put("net_hdr", n++, b, sizeof(b));
	h[0] = 0;
	f[12] = 0x86;
	f[13] = 0xdd;
	f[14] = 0x60;
	f[20] = 44;
	f[54] = 6;
	put("net_hdr", n++, b, sizeof(b));
}

static void net_ctrl(void)
{
	static const struct { int len; uint8_t b[64]; } cmd[] = {
		{ 3, { 0, 0, 1 } }, { 3, { 0, 5, 0 } },
		{ 8, { 1, 1, 2, 0, 0, 0, 0, 1 } },
		{ 22, { 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 3 } },
		{ 4, { 2, 0, 5, 0 } }, { 4, { 2, 1, 0xff, 0x0f } },
		{ 2, { 3, 0 } }, { 4, { 4, 0, 1, 0 } },
		{ 55, { 4, 1, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 40, 1 } },
		{ 57, { 4, 1, 0x3f, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 40,
			1 } },
		{ 55, { 4, 2, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1 } },
		{ 10, { 5, 0, 2 } },
	};
	uint8_t b[9 + 64];
	unsigned int i;

	for (i = 0; i < sizeof(cmd) / sizeof(cmd[0]); i++) {
		memset(b, 0xff, 8);
		b[8] = 3;
		memcpy(b + 9, cmd[i].b, cmd[i].len);
		put("net_ctrl", i, b, 9 + cmd[i].len);
	}
}

static void tables(void)
{
	static const uint8_t t[] = {
		2, 0x18, 0, 0x10, 0xff, 0, 0, 0, 1, 0x08, 0, 0x11, 0xff, 0, 0,
		0, 2, 0, 0x10, 0x10, 5, 0x40, 0, 2, 0, 0, 1, 3, 0xff, 1,
	};
	static const uint8_t m[] = {
		0, 0, 0, 0x10, 0, 0x10, 0, 0, 1, 0, 3, 2, 2, 0, 0x30, 0, 3, 80,
		0, 0, 0, 0x30, 0, 0x10, 0, 0, 2, 0, 3, 2, 1, 8, 0, 0x10, 0, 1,
		0, 0, 0, 0, 0, 3,
	};

	put("mem_table", 0, t, sizeof(t));
	put("iotlb", 0, m, sizeof(m));
}

static void blk(void)
{
	uint8_t b[64];
	int type;

	for (type = 0; type < 15; type++) {
		memset(b, 0, sizeof(b));
		memset(b + 1, 0xff, 8);
		b[11] = 0x10;			/* sectors */
		b[12] = 0x10 + (type & 1 ? 0 : 0x10);
		b[13] = type & 1 ? 2 : 0;	/* bytes out */
		b[14] = 1;
		b[15] = 2;			/* bytes in */
		b[16] = type;
		b[32 + 8] = 8;			/* one range */
		put("blk", type, b, sizeof(b));
	}
}

static void pci(void)
{
	uint8_t b[5 + 3 + 64 * 9];
	int i, n = 0;

	memset(b, 0, sizeof(b));
	for (i = 0; i < 64; i++) {
		uint8_t *p = b + 8 + 9 * i;

		p[0] = 2 | 3 << 2;	/* write four bytes */
		p[1] = 4 * i;
		memset(p + 3, i & 1 ? 0xff : 0x05, 4);
	}
	put("pci", n++, b, sizeof(b));
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 1;
	dir = argv[1];
	mkdir(dir, 0755);
	net_hdr();
	net_ctrl();
	tables();
	blk();
	pci();
	return 0;
}
