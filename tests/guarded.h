/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Guarded: a copy of some bytes that ends where a page begins that nobody may read, so that one byte too
 * far is a crash without any sanitizer.  The copy lives until the next one is made.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { GUARDED_MAX = 256 * 1024, GUARDED_PAGE = 64 * 1024 };

static inline const char *guarded(const char *bytes, size_t length)
{
	static char *end;
	void *at;

	if (!end) {
		at = mmap(NULL, GUARDED_MAX + GUARDED_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert(at != MAP_FAILED);
		end = (char *) at + GUARDED_MAX;
		if (mprotect(end, GUARDED_PAGE, PROT_NONE) < 0)
			assert(!"mprotect");
	}
	assert(length <= GUARDED_MAX);
	return memcpy(end - length, bytes, length);
}

/* A sequence that looks random and is the same in every run (xorshift). */
static inline unsigned random_next(unsigned long long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned) (*state >> 32);
}
