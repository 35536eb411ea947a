/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Bytes: what each byte may be a part of, by the grammars of RFC 9110 5.6 and RFC 3986, in one table.  The
 * parser and the body share it, so a field line in a trailer is judged as one in a head is.  A look-up has
 * no branches and asks no locale; <ctype.h> does, and knows nothing of tokens.
 */
#include <stdint.h>
#include <string.h>

enum {
	HTTP_TOKEN	= 1 << 0,	/* tchar: methods, field names, codings */
	HTTP_TARGET	= 1 << 1,	/* what we take in a request target: any visible ASCII but '#' */
	HTTP_PATH	= 1 << 2,	/* the same without '?' */
	HTTP_VALUE	= 1 << 3,	/* a field value, and behind a backslash: HTAB, SP, visible, obs-text */
	HTTP_QUOTED	= 1 << 4,	/* qdtext: a value's bytes without the quote and the backslash */
	HTTP_HOST	= 1 << 5,	/* unreserved and sub-delims: a reg-name, but for %XX */
	HTTP_DIGIT	= 1 << 6,
	HTTP_HEX	= 1 << 7,
};

#define HTTP_TEXT	(HTTP_VALUE | HTTP_QUOTED)
#define HTTP_VISIBLE	(HTTP_TEXT | HTTP_TARGET | HTTP_PATH)
#define HTTP_LETTER	(HTTP_VISIBLE | HTTP_TOKEN | HTTP_HOST)

/* RFC 3986 allows fewer bytes in a path or query.  But browsers send | [ ] { } ^ " ` \ and curl sends what
 * it is given; none of them changes where a target ends, so they are taken. */
static const uint8_t http_bytes[256] = {
	['\t'] = HTTP_TEXT,
	[' '] = HTTP_TEXT,
	['!'] = HTTP_LETTER,
	['"'] = HTTP_VALUE | HTTP_TARGET | HTTP_PATH,
	['#'] = HTTP_TEXT | HTTP_TOKEN,
	['$'] = HTTP_LETTER,
	['%'] = HTTP_VISIBLE | HTTP_TOKEN,
	['&'] = HTTP_LETTER,
	['\''] = HTTP_LETTER,
	['('] = HTTP_VISIBLE | HTTP_HOST,
	[')'] = HTTP_VISIBLE | HTTP_HOST,
	['*'] = HTTP_LETTER,
	['+'] = HTTP_LETTER,
	[','] = HTTP_VISIBLE | HTTP_HOST,
	['-'] = HTTP_LETTER,
	['.'] = HTTP_LETTER,
	['/'] = HTTP_VISIBLE,
	['0' ... '9'] = HTTP_LETTER | HTTP_DIGIT | HTTP_HEX,
	[':'] = HTTP_VISIBLE,
	[';'] = HTTP_VISIBLE | HTTP_HOST,
	['<'] = HTTP_VISIBLE,
	['='] = HTTP_VISIBLE | HTTP_HOST,
	['>'] = HTTP_VISIBLE,
	['?'] = HTTP_TEXT | HTTP_TARGET,
	['@'] = HTTP_VISIBLE,
	['A' ... 'F'] = HTTP_LETTER | HTTP_HEX,
	['G' ... 'Z'] = HTTP_LETTER,
	['['] = HTTP_VISIBLE,
	['\\'] = HTTP_VALUE | HTTP_TARGET | HTTP_PATH,
	[']'] = HTTP_VISIBLE,
	['^'] = HTTP_VISIBLE | HTTP_TOKEN,
	['_'] = HTTP_LETTER,
	['`'] = HTTP_VISIBLE | HTTP_TOKEN,
	['a' ... 'f'] = HTTP_LETTER | HTTP_HEX,
	['g' ... 'z'] = HTTP_LETTER,
	['{'] = HTTP_VISIBLE,
	['|'] = HTTP_VISIBLE | HTTP_TOKEN,
	['}'] = HTTP_VISIBLE,
	['~'] = HTTP_LETTER,
	[0x80 ... 0xff] = HTTP_TEXT,
};

/* Whether a byte is of any of these classes. */
static inline unsigned http_is(char byte, unsigned classes)
{
	return http_bytes[(unsigned char) byte] & classes;
}

/* The first byte from there on that is of none of these classes, or stop. */
static inline const char *http_skip(const char *at, const char *stop, unsigned classes)
{
	while (at < stop && http_is(*at, classes))
		at++;
	return at;
}
