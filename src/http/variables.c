/* SPDX-License-Identifier: MIT */
/*
 * The escaping is for the place where a value can do harm, Location: a line end would add a field, a second slash or a
 * backslash at the start would make a path another server's address.  One rule for all fields was chosen over one for
 * each: a value that is right in Location is harmless elsewhere.
 */
#include "http/variables.h"

#include "http/target.h"

#include <errno.h>
#include <stdio.h>

enum variable { HOST = 1, PATH, QUERY, TARGET, REQUEST_ID };

static const struct {
	enum variable variable;
	struct slice name;
} names[] = {
	{ HOST, { "host}", 5 } },
	{ PATH, { "path}", 5 } },
	{ QUERY, { "query}", 6 } },
	{ TARGET, { "target}", 7 } },
	{ REQUEST_ID, { "request_id}", 11 } },
};

/* --- values as they are configured ------------------------------------------------------------------------------- */

static bool starts_with(const char *at, const char *end, struct slice text)
{
	return (size_t) (end - at) >= text.length && memcmp(at, text.at, text.length) == 0;
}

/* A piece of a value: a variable, or the bytes before the next one. */
struct piece {
	struct slice text;
	unsigned variable;	/* 0: none */
	bool unknown;		/* it begins as a variable does, and is none */
};

static struct piece next_piece(const char *at, const char *end)
{
	const char *start = at;

	if (starts_with(at, end, SLICE("$${")))
		return (struct piece) { .text = { at + 1, 2 } };
	if (!starts_with(at, end, SLICE("${"))) {
		while (at < end && !(at > start && starts_with(at, end, SLICE("$${"))) &&
		       !starts_with(at, end, SLICE("${")))
			at++;
		return (struct piece) { .text = { start, (size_t) (at - start) } };
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (starts_with(at + 2, end, names[i].name))
			return (struct piece) { .text = { at, 2 + names[i].name.length }, .variable = names[i].variable };
	return (struct piece) { .text = { at, 2 }, .unknown = true };
}

static const char *behind(const struct piece *piece)
{
	return piece->text.at + piece->text.length;
}

const char *http_variables_refused(struct slice value)
{
	const char *end = value.at + value.length;

	for (const char *at = value.at; at < end;) {
		struct piece piece = next_piece(at, end);

		if (piece.unknown)
			return "${...} names no variable; there are ${host}, ${path}, ${query}, ${target} and "
			       "${request_id}, and $${ stands for ${";
		at = behind(&piece);
	}
	return NULL;
}

bool http_variables_used(struct slice value)
{
	const char *end = value.at + value.length;

	for (const char *at = value.at; at < end;) {
		struct piece piece = next_piece(at, end);

		if (piece.variable)
			return true;
		at = behind(&piece);
	}
	return false;
}

size_t http_variables_compile(char *to, struct slice value)
{
	const char *end = value.at + value.length;
	size_t length = 0;

	for (const char *at = value.at; at < end;) {
		struct piece piece = next_piece(at, end);

		if (piece.variable) {
			to[length++] = '\0';
			to[length++] = (char) piece.variable;
		} else {
			memcpy(to + length, piece.text.at, piece.text.length);
			length += piece.text.length;
		}
		at = behind(&piece);
	}
	return length;
}

/* --- templates --------------------------------------------------------------------------------------------------- */

unsigned http_variables_in(struct slice template)
{
	static const unsigned parts[] = {
		[HOST] = HTTP_VARIABLES_HOST, [PATH] = HTTP_VARIABLES_PATH, [QUERY] = HTTP_VARIABLES_QUERY,
		[TARGET] = HTTP_VARIABLES_PATH | HTTP_VARIABLES_QUERY, [REQUEST_ID] = HTTP_VARIABLES_REQUEST_ID,
	};
	const char *end = template.at + template.length;
	const char *at = template.at;
	unsigned in = 0;

	while (at < end && (at = memchr(at, '\0', (size_t) (end - at))) != NULL) {
		in |= HTTP_VARIABLES_ANY | parts[(unsigned char) at[1]];
		at += 2;
	}
	return in;
}

/* A bijection that looks random (the finalizer of SplitMix64), so that the digits do not tell how many were served. */
static uint64_t mixed(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* No more than one slash at the start, whichever way it is written: "//evil.example" is another server's address. */
static struct slice without_slashes(struct slice path)
{
	while (path.length > 0 && (*path.at == '/' || *path.at == '\\')) {
		path.at++;
		path.length--;
	}
	return path;
}

void http_request_id(uint64_t ret[2], const uint64_t seed[2], uint64_t number)
{
	ret[0] = seed[0];
	ret[1] = mixed(number ^ seed[1]);
}

void http_variables_of(struct http_variables *ret, const struct http_request *request, const uint64_t id[2])
{
	char digits[HTTP_REQUEST_ID_LENGTH + 1];

	*ret = (struct http_variables) {
		.host = request->host_name,
		.path = without_slashes(request->path),
		.query = request->query,
		.has_query = request->query.at != NULL,
	};
	(void) snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long) id[0], (unsigned long long) id[1]);
	memcpy(ret->request_id, digits, sizeof ret->request_id);
}

struct writer {
	char *to;
	size_t length, capacity;
	bool full;
};

static void put(struct writer *w, struct slice text)
{
	w->full |= w->capacity - w->length < text.length;
	if (w->full || text.length == 0)
		return;
	memcpy(w->to + w->length, text.at, text.length);
	w->length += text.length;
}

/* In pieces, so that as much room is asked for as is needed, and not three times the text. */
static void put_escaped(struct writer *w, struct slice text)
{
	enum { PIECE = 256 };
	char escaped[3 * PIECE];

	while (text.length > 0 && !w->full) {
		size_t n = text.length < PIECE ? text.length : PIECE;

		put(w, (struct slice) { escaped, http_target_escape(escaped, (struct slice) { text.at, n }) });
		text.at += n;
		text.length -= n;
	}
}

static void put_path(struct writer *w, const struct http_variables *values)
{
	put(w, SLICE("/"));
	put_escaped(w, values->path);
}

static void put_variable(struct writer *w, unsigned variable, const struct http_variables *values)
{
	switch ((enum variable) variable) {
	case HOST:
		put(w, values->host);	/* the parser has taken nothing but the bytes of a host */
		return;
	case PATH:
		put_path(w, values);
		return;
	case QUERY:
		put_escaped(w, values->query);
		return;
	case TARGET:
		put_path(w, values);
		if (values->has_query)
			put(w, SLICE("?"));
		put_escaped(w, values->query);
		return;
	case REQUEST_ID:
		put(w, (struct slice) { values->request_id, sizeof values->request_id });
		return;
	}
}

ssize_t http_variables_expand(char *to, size_t capacity, struct slice template, const struct http_variables *values)
{
	struct writer w = { .to = to, .capacity = capacity };
	const char *end = template.at + template.length;

	for (const char *at = template.at; at < end;) {
		const char *variable = memchr(at, '\0', (size_t) (end - at));

		put(&w, (struct slice) { at, (size_t) ((variable ? variable : end) - at) });
		if (!variable)
			break;
		put_variable(&w, (unsigned char) variable[1], values);
		at = variable + 2;
	}
	return w.full ? -ENOBUFS : (ssize_t) w.length;
}
