/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Pages: memory that is given back while its mapping stays.  What is read there afterwards is zeros.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the pages that begin between the two places; the last one to its end.  advice: MADV_DONTNEED for private memory; of a
 * shared mapping that would free nothing, and MADV_REMOVE does. */
static inline void pages_give_back(void *from, void *to, int advice)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t) from + page - 1) / page * page;

	if (first < (uintptr_t) to)
		(void) madvise((void *) first, (uintptr_t) to - first, advice);
}
