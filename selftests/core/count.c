// SPDX-License-Identifier: GPL-2.0-only
/*
 * A steady load for count.sh, which has callgrind count what one public
 * function executes: count LAYOUT SHAPE, chains of one descriptor or of three.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define ROUNDS	1000
#define BATCH	32

int main(int argc, char **argv)
{
	bool packed = argc > 1 && !strcmp(argv[1], "packed");
	int shape = argc > 2 ? atoi(argv[2]) : 1;
	struct world *w = world_new(256, W_EVENT | packed, 16);
	struct { u16 id, slots; } c[BATCH];
	int i, k, round;
	u32 head = 0;

	if (world_init(w))
		return 1;
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BATCH; i++) {
			for (k = 0; k < shape; k++) {
				u16 f = k < shape - 1 ? F_NEXT : 0;

				if (packed)
					world_next(w, i, 0x1000, 64, f);
				else
					world_desc(w, (head + k) % 256, 0x1000,
						   64, f, (head + k + 1) % 256);
			}
			if (!packed)
				world_offer(w, head % 256);
			head += shape;
		}
		for (i = 0; i < BATCH; i++) {
			if (trivio_ring_pop(&w->r, &w->c) != 1)
				return 1;
			c[i].id = w->c.id;
			c[i].slots = w->c.slots;
		}
		for (i = 0; i < BATCH; i++)
			trivio_ring_push(&w->r, c[i].id, c[i].slots, 64);
		trivio_ring_flush(&w->r);
		trivio_ring_call_needed(&w->r);
	}
	printf("%d\n", ROUNDS * BATCH);
	world_free(w);
	return 0;
}
