/* SPDX-License-Identifier: MIT */
/*
 * One state per place in the grammar, one byte per step; only the data of a chunk, which has no grammar, is
 * jumped over.  The state is the whole memory of the walk, so it does not matter where the bytes were cut.
 *
 * Collecting a size line before looking at it was rejected: it needs a place to collect it in, a limit on
 * that place, and a second way of saying "not yet".  Servers that ask only for a line feed, or that search
 * for "\r\n" without looking at what is in between, disagree with their neighbours on where a request ends;
 * here each byte must be the one that the grammar asks for.
 */
#include "http/body.h"
#include "http/bytes.h"

#include <assert.h>

enum state {
	SIZE_FIRST,		/* the first digit of a size */
	SIZE,
	EXTENSION,		/* blanks before ';' */
	EXTENSION_FIRST,	/* blanks, then the first byte of a name */
	EXTENSION_NAME,
	EXTENSION_NAMED,	/* blanks before '=' or ';' */
	EXTENSION_VALUE_FIRST,	/* blanks, then the first byte of a value or a quote */
	EXTENSION_VALUE,
	EXTENSION_QUOTED,
	EXTENSION_ESCAPED,	/* behind a backslash */
	EXTENSION_QUOTED_END,	/* behind the closing quote */
	SIZE_END,		/* the LF of the size line */
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST,		/* a field name, or the CR that ends the body */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_END,		/* the LF of a trailer's line */
	END,			/* the last LF */
	DONE,
};

static inline bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static inline int go(struct http_chunked *chunked, enum state state)
{
	chunked->state = (uint8_t) state;
	return 0;
}

/* Behind a size, or behind what is complete in an extension.  Blanks alone before the line's end are in no
 * grammar. */
static int end_or_extension(struct http_chunked *chunked, char byte)
{
	if (byte == '\r')
		return go(chunked, SIZE_END);
	if (byte == ';')
		return go(chunked, EXTENSION_FIRST);
	return is_blank(byte) ? go(chunked, EXTENSION) : -400;
}

/* 1*HEXDIG, and nothing else that strtoull() would take: no sign, no "0x". */
static int step_size(struct http_chunked *chunked, char byte)
{
	int r;

	if (http_is(byte, HTTP_HEX)) {
		/* One digit more is past 64 bits: that is no size, and where the chunk ends cannot be told. */
		if (chunked->left >> 60 || ++chunked->digits > HTTP_CHUNK_DIGITS_MAX)
			return -400;
		/* The last four bits of a letter count from 'A'. */
		chunked->left = chunked->left << 4 | ((byte & 0xf) + (http_is(byte, HTTP_DIGIT) ? 0 : 9));
		return go(chunked, SIZE);
	}
	if (chunked->state == SIZE_FIRST)
		return -400;

	r = end_or_extension(chunked, byte);
	if (r == 0 && chunked->left > chunked->allowed)
		return -413;
	chunked->allowed -= chunked->left;
	return r;
}

/* *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) */
static int step_extension(struct http_chunked *chunked, char byte)
{
	if (++chunked->overhead > HTTP_CHUNK_EXTENSIONS_MAX)
		return -400;

	switch (chunked->state) {
	case EXTENSION:
		if (is_blank(byte))
			return 0;
		return byte == ';' ? go(chunked, EXTENSION_FIRST) : -400;
	case EXTENSION_FIRST:
		if (is_blank(byte))
			return 0;
		return http_is(byte, HTTP_TOKEN) ? go(chunked, EXTENSION_NAME) : -400;
	case EXTENSION_NAME:
		if (http_is(byte, HTTP_TOKEN))
			return 0;
		if (byte == '=')
			return go(chunked, EXTENSION_VALUE_FIRST);
		return is_blank(byte) ? go(chunked, EXTENSION_NAMED) : end_or_extension(chunked, byte);
	case EXTENSION_NAMED:
		if (is_blank(byte))
			return 0;
		if (byte == '=')
			return go(chunked, EXTENSION_VALUE_FIRST);
		return byte == ';' ? go(chunked, EXTENSION_FIRST) : -400;
	case EXTENSION_VALUE_FIRST:
		if (is_blank(byte))
			return 0;
		if (byte == '"')
			return go(chunked, EXTENSION_QUOTED);
		return http_is(byte, HTTP_TOKEN) ? go(chunked, EXTENSION_VALUE) : -400;
	case EXTENSION_VALUE:
		return http_is(byte, HTTP_TOKEN) ? 0 : end_or_extension(chunked, byte);
	case EXTENSION_QUOTED:
		if (byte == '"')
			return go(chunked, EXTENSION_QUOTED_END);
		if (byte == '\\')
			return go(chunked, EXTENSION_ESCAPED);
		return http_is(byte, HTTP_QUOTED) ? 0 : -400;
	case EXTENSION_ESCAPED:
		return http_is(byte, HTTP_VALUE) ? go(chunked, EXTENSION_QUOTED) : -400;
	default:	/* EXTENSION_QUOTED_END */
		return end_or_extension(chunked, byte);
	}
}

/* Field lines as in a head (RFC 9112 7.1.2); the CR that ends the body is not counted. */
static int step_trailer(struct http_chunked *chunked, char byte)
{
	if (chunked->state == TRAILER_FIRST && byte == '\r')
		return go(chunked, END);
	if (++chunked->overhead > HTTP_TRAILERS_MAX)
		return -431;

	switch (chunked->state) {
	case TRAILER_FIRST:
		return http_is(byte, HTTP_TOKEN) ? go(chunked, TRAILER_NAME) : -400;
	case TRAILER_NAME:
		if (http_is(byte, HTTP_TOKEN))
			return 0;
		return byte == ':' ? go(chunked, TRAILER_VALUE) : -400;
	case TRAILER_VALUE:
		if (http_is(byte, HTTP_VALUE))
			return 0;
		return byte == '\r' ? go(chunked, TRAILER_END) : -400;
	default:	/* TRAILER_END */
		return byte == '\n' ? go(chunked, TRAILER_FIRST) : -400;
	}
}

static int begin_data(struct http_chunked *chunked)
{
	if (chunked->left > 0)
		return go(chunked, DATA);
	chunked->overhead = 0;
	return go(chunked, TRAILER_FIRST);
}

static int begin_size(struct http_chunked *chunked)
{
	chunked->left = 0;
	chunked->digits = 0;
	return go(chunked, SIZE_FIRST);
}

static int step(struct http_chunked *chunked, char byte)
{
	switch ((enum state) chunked->state) {
	case SIZE_FIRST:
	case SIZE:
		return step_size(chunked, byte);
	case EXTENSION:
	case EXTENSION_FIRST:
	case EXTENSION_NAME:
	case EXTENSION_NAMED:
	case EXTENSION_VALUE_FIRST:
	case EXTENSION_VALUE:
	case EXTENSION_QUOTED:
	case EXTENSION_ESCAPED:
	case EXTENSION_QUOTED_END:
		return step_extension(chunked, byte);
	case SIZE_END:
		return byte == '\n' ? begin_data(chunked) : -400;
	case DATA_CR:
		return byte == '\r' ? go(chunked, DATA_LF) : -400;
	case DATA_LF:
		return byte == '\n' ? begin_size(chunked) : -400;
	case TRAILER_FIRST:
	case TRAILER_NAME:
	case TRAILER_VALUE:
	case TRAILER_END:
		return step_trailer(chunked, byte);
	case END:
		return byte == '\n' ? go(chunked, DONE) : -400;
	case DATA:
	case DONE:
		break;
	}
	assert(false);		/* the walk steps over data, and not past the end */
	return -400;
}

void http_chunked_begin(struct http_chunked *chunked, uint64_t allowed)
{
	*chunked = (struct http_chunked) { .allowed = allowed };
}

ssize_t http_chunked_walk(struct http_chunked *chunked, const char *bytes, size_t length, bool *ret_done)
{
	uint64_t data;
	size_t at = 0;
	int r;

	while (at < length && chunked->state != DONE) {
		data = http_chunked_data(chunked);
		if (data > 0) {
			if (data > length - at)
				data = length - at;
			http_chunked_skip(chunked, data);
			at += data;
			continue;
		}
		r = step(chunked, bytes[at]);
		if (r < 0)
			return r;
		at++;
	}

	*ret_done = chunked->state == DONE;
	return (ssize_t) at;
}

uint64_t http_chunked_data(const struct http_chunked *chunked)
{
	return chunked->state == DATA ? chunked->left : 0;
}

void http_chunked_skip(struct http_chunked *chunked, uint64_t n)
{
	assert(n <= http_chunked_data(chunked));
	if (n == 0)
		return;
	chunked->left -= n;
	if (chunked->left == 0)
		go(chunked, DATA_CR);
}
