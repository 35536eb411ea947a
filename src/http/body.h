/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Body: walks chunked content (RFC 9112 7.1) and throws it away.  Every byte of the framing is checked,
 * chunk extensions by their grammar and trailer fields as field lines are; nothing is stored but the few
 * words of state below, which hold no pointers, so that a walk can stop and go on at any byte, in another
 * process too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_chunked {
	uint64_t left;		/* bytes left of the chunk's data; while its size line is read: the size so far */
	uint64_t allowed;	/* content bytes that may still come */
	uint32_t overhead;	/* bytes of extensions so far, then of trailers: bounded */
	uint8_t state;		/* enum in body.c; 0 is the start */
	uint8_t digits;		/* of this chunk's size so far: bounded, as zeros may lead it */
};

enum {
	HTTP_CHUNK_EXTENSIONS_MAX	= 16 * 1024,	/* of one body, all extensions together: 400 beyond */
	HTTP_TRAILERS_MAX		= 32 * 1024,	/* all trailer lines with their ends: 431 beyond */
	HTTP_CHUNK_DIGITS_MAX		= 32,		/* of one size, with leading zeros: 400 beyond */
};

void http_chunked_begin(struct http_chunked *chunked, uint64_t allowed);

/* Walks the bytes: how many of them belong to the body, all of them unless it ended (*ret_done), or minus
 * the status to answer: 400 for a malformed framing, 413 when more content is announced than allowed,
 * 431.  The walk is over after a status; after the end it takes no more bytes. */
ssize_t http_chunked_walk(struct http_chunked *chunked, const char *bytes, size_t length, bool *ret_done);

/* How many of the next bytes are plain chunk data: so many may be discarded unseen, and are then told
 * here. */
uint64_t http_chunked_data(const struct http_chunked *chunked);
void http_chunked_skip(struct http_chunked *chunked, uint64_t n);
