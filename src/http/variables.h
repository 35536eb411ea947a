/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Variables: what the value of a configured field may repeat of the request, written ${name}.
 *
 *	${host}		of the target or of Host, without a port; it is the client's word
 *	${path}		of the target, with exactly one slash at its start
 *	${query}	behind the '?', without it
 *	${target}	path, and '?' and query if there is one
 *	${request_id}	32 hexadecimal digits that no other request has
 *
 * $${ stands for ${ itself.  When a configuration is loaded, a value becomes a template: a variable is a NUL and a
 * number in it, and neither can be in a field otherwise.  Nothing that a client sends can end a line or leave a URI:
 * what is not allowed in one is percent-encoded.  Pure.
 */
#include "http/parser.h"

enum {
	HTTP_REQUEST_ID_LENGTH	= 32,
	HTTP_VARIABLES_TEXT_MAX	= 16 * 1024,	/* host, path and query together, to be repeated */
};

enum {
	HTTP_VARIABLES_ANY	= 1 << 0,
	HTTP_VARIABLES_HOST	= 1 << 1,
	HTTP_VARIABLES_PATH	= 1 << 2,
	HTTP_VARIABLES_QUERY	= 1 << 3,
	HTTP_VARIABLES_REQUEST_ID = 1 << 4,
};

struct http_variables {			/* the values for one request */
	struct slice host, path, query;
	bool has_query;			/* an empty one is one */
	char request_id[HTTP_REQUEST_ID_LENGTH];
};

const char *http_variables_refused(struct slice value);		/* why a value cannot be configured; NULL: it can */
bool http_variables_used(struct slice value);			/* of a value as configured */
size_t http_variables_compile(char *to, struct slice value);	/* to a template, which is not longer; its length */
unsigned http_variables_in(struct slice template);		/* what its variables repeat, of the bits above; 0: it has none */

/* The digits of ${request_id}, as two numbers of 16 each.  seed: random, of this server; number: of the request, never
 * used twice with it. */
void http_request_id(uint64_t ret[2], const uint64_t seed[2], uint64_t number);

/* The values borrow from the request. */
void http_variables_of(struct http_variables *ret, const struct http_request *request, const uint64_t id[2]);

/* Writes the template with its values; returns the length, or -ENOBUFS. */
ssize_t http_variables_expand(char *to, size_t capacity, struct slice template, const struct http_variables *values);
