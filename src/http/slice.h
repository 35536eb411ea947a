/* SPDX-License-Identifier: MIT */
#pragma once

/* Slice: borrowed bytes.  It never outlives what it points into, and no NUL ends it. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *at;
	size_t length;
};

#define SLICE(literal) ((struct slice) { "" literal, sizeof literal - 1 })

static inline struct slice slice_of(const char *text)
{
	return (struct slice) { text, strlen(text) };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* ASCII letters in either case; the daemon runs in the C locale. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.length == b.length && (a.length == 0 || strncasecmp(a.at, b.at, a.length) == 0);
}
