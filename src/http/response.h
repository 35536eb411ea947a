/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Response: an answer to bytes, ready when the configuration is loaded.  For each answer there are three heads, which
 * differ only in what they say of the connection, each with a place for Date; a worker keeps a copy of its own and
 * rewrites that place once a second.  Pure.
 */
#include "http/slice.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct http_field {
	struct slice name, value;
};

/* What is to be answered.  Everything is borrowed while bytes are made from it. */
struct http_answer {
	unsigned status;
	struct slice content_type;		/* empty: none */
	const struct http_field *fields;	/* as configured: their values may have variables */
	size_t n_fields;
	struct slice body;

	/* Fields that are not configured but follow from what is.  Each is empty when it is not to be sent. */
	struct slice etag, last_modified, allow, content_encoding, vary;
};

enum http_persistence {			/* what a head says of the connection */
	HTTP_KEEP,			/* nothing: HTTP/1.1 persists */
	HTTP_KEEP_ALIVE,		/* "Connection: keep-alive", for HTTP/1.0 */
	HTTP_CLOSE,			/* "Connection: close" */
	HTTP_PERSISTENCES,
};

enum { HTTP_DATE_LENGTH = 29 };		/* Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110 5.6.7) */

const char *http_reason(unsigned status);			/* "Not Found"; "" for a status without a name */
bool http_status_has_content(unsigned status);			/* false for 204, 205 and 304 */
bool http_status_has_length(unsigned status);			/* false for 204 (RFC 9110 8.6) */
void http_date_write(char to[HTTP_DATE_LENGTH], time_t at);	/* no NUL */

/* Writes the head, without the body; returns its length, at most capacity, else -ENOBUFS.  The place for Date is
 * filled with spaces and its offset is returned.  With variables in it the head is a template (variables.h); they all
 * come behind Date. */
ssize_t http_head_write(char *to, size_t capacity, const struct http_answer *answer,
			enum http_persistence persistence, uint32_t *ret_date);

/* Whether some configured field has the name. */
bool http_answer_has(const struct http_answer *answer, struct slice name);

/* Why a field cannot be configured: it is no token, its value has control bytes or an unknown variable, or the protocol
 * owns it.  NULL: it can.  The text is for "header Foo: <text>". */
const char *http_field_refused(struct slice name, struct slice value);
/* Why an answer cannot be configured (a status of 1xx, a body with 204, ...); NULL: it can. */
const char *http_answer_refused(const struct http_answer *answer);
