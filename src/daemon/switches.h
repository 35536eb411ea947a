/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Switches: files whose being there turns an answer on (enable_if_exists).  The main thread looks, workers only read a
 * flag, so no request costs a system call.  Main thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct switches;

/* Watches the files, whose paths are absolute and are copied.  on: one flag for each file, borrowed, set before this
 * returns and whenever a file comes or goes.  n may be 0: then nothing is ever to be done. */
int switches_new(struct switches **ret, const char *const *files, size_t n, _Atomic bool *on);
struct switches *switches_free(struct switches *switches);	/* NULL is fine; returns NULL */

/* To be asked before each wait: a look may open the descriptor, and sets the time. */
int switches_fd(const struct switches *switches);	/* readable: switches_look() has something to do; -1: none */
uint64_t switches_next_ms(const struct switches *switches);	/* when to look in any case, on CLOCK_MONOTONIC: 0, at
								 * once, before the first look; UINT64_MAX: never */

/* Sets the flags anew; tells fn of each that changed, and of one that cannot be looked at (error: a negative errno;
 * then it counts as not there, and is told once until it changes). */
typedef void switches_fn(void *arg, const char *file, bool on, int error);
void switches_look(struct switches *switches, uint64_t now_ms, switches_fn *fn, void *arg);
