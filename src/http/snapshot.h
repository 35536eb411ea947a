/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Snapshot: a configuration as loaded, immutable and numbered.  The bytes of all its answers are one image in a sealed
 * memfd: heads and bodies are named by offsets in it, so that a half-sent body can be finished from the very bytes it
 * was begun with, by another process too.  Made and freed by the main thread; workers only read it.
 */
#include "http/routes.h"

enum {
	HTTP_HEAD_MAX = 16 * 1024,	/* a response head's size at most */
	HTTP_IMAGE_MAX = 1 << 30,	/* all heads and bodies of a snapshot */
};

enum access_log { ACCESS_OFF, ACCESS_ERRORS, ACCESS_SAMPLE, ACCESS_ALL };

/* One answer, as places in the image. */
struct prepared {
	uint32_t head[HTTP_PERSISTENCES], head_length[HTTP_PERSISTENCES];
	uint32_t date;			/* offset of Date's value in each of the heads */
	uint32_t body, body_length;
	uint32_t delay_ms;
	uint16_t status;
	uint16_t variables;		/* the heads are templates that repeat this: bits of variables.h; 0: they are none */
};

struct snapshot {
	uint64_t number;
	struct http_limits limits;
	enum access_log access;
	uint32_t access_sample;		/* every Nth request */
	int image_fd;			/* owned; sealed */
	const char *image;		/* owned: its mapping, read only */
	size_t image_length;
	struct routes *routes;		/* owned */
	struct prepared *answers;	/* owned; by the numbers that routes_find() gives */
	uint32_t n_answers;
	_Atomic bool *on;		/* owned: the switches of its routes, which main sets */
};

/* The settings are copied.  -E2BIG: a head is too large; -EFBIG: all together are. */
int snapshot_new(struct snapshot **ret, uint64_t number, const struct http_limits *limits,
		 const struct route_settings *settings, size_t n_switches);
size_t snapshot_heads_length(const struct snapshot *snapshot);	/* of all together */

/* What a snapshot of these settings takes, without making it. */
struct snapshot_size {
	size_t bytes;			/* its image included */
	size_t image_length, heads_length;
	uint32_t n_answers;
};
int snapshot_measure(struct snapshot_size *ret, const struct route_settings *settings, size_t n_switches);
struct snapshot *snapshot_free(struct snapshot *snapshot);	/* NULL is fine; returns NULL */
