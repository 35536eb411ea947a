/* SPDX-License-Identifier: MIT */
#pragma once

/* The clock that deadlines are measured by: CLOCK_MONOTONIC, which the vDSO reads without a system call. */
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}
