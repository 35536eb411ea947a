/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Idle: whether the daemon was used, for server.idle_exit.  Unused is: no connection stands, and no request was answered
 * since the last look.  The main thread looks, some times in each such time: so it leaves when it was unused for that long,
 * and at most a quarter longer.
 */
#include <stdbool.h>
#include <stdint.h>

struct idle {			/* zero it before use */
	uint64_t next_ms;	/* when idle_look() is due; UINT64_MAX: never */
	uint64_t used_ms;	/* it was in use then */
	uint64_t requests;
};

/* To begin with, and when exit_ms changes; 0: never. */
void idle_begin(struct idle *idle, uint32_t exit_ms, uint64_t requests, uint64_t now_ms);

/* Whether it was unused for exit_ms. */
bool idle_look(struct idle *idle, uint32_t exit_ms, uint32_t connections, uint64_t requests, uint64_t now_ms);
