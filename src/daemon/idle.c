/* SPDX-License-Identifier: MIT */
/*
 * Looking is simpler than being told: a worker that told when its last connection ended would write to a descriptor
 * for each connection of a host that is hardly used.
 */
#include "daemon/idle.h"

enum { LOOKS = 4 };		/* in the time after which it leaves */

static uint64_t next_look(uint32_t exit_ms, uint64_t now_ms)
{
	return exit_ms ? now_ms + exit_ms / LOOKS + 1 : UINT64_MAX;
}

void idle_begin(struct idle *idle, uint32_t exit_ms, uint64_t requests, uint64_t now_ms)
{
	*idle = (struct idle) { .next_ms = next_look(exit_ms, now_ms), .used_ms = now_ms, .requests = requests };
}

bool idle_look(struct idle *idle, uint32_t exit_ms, uint32_t connections, uint64_t requests, uint64_t now_ms)
{
	if (connections > 0 || requests != idle->requests) {
		idle->used_ms = now_ms;
		idle->requests = requests;
	}
	idle->next_ms = next_look(exit_ms, now_ms);
	return exit_ms > 0 && now_ms - idle->used_ms >= exit_ms;
}
