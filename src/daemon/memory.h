/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Memory: how much of it a configuration can take.  Not counted are the program and its libraries, which are the same
 * whatever is configured, and what the kernel has in the buffers of sockets.
 */
#include "daemon/conf.h"

struct memory {
	uint64_t most;			/* each connection has all that it can have */
	uint64_t idle;			/* as many of them, which have asked for nothing */
};

int memory_of(struct memory *ret, const struct conf *conf);	/* -ENOMEM; -E2BIG, -EFBIG as for snapshot_new() */

enum { MEMORY_TEXT_MAX = 32 };
const char *memory_text(uint64_t bytes, char to[MEMORY_TEXT_MAX]);	/* "1.8 GiB": never less than it is; returns to */
