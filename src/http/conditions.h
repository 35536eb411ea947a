/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Conditions: whether a request's preconditions (RFC 9110 13) let an answer with content go out, and whether a client
 * takes that content compressed (12.5.3).  Both are asked for only where an answer has something to decide by.  Pure.
 */
#include "http/parser.h"

#include <time.h>

struct http_validators {	/* of the representation that would be sent */
	struct slice etag;	/* with its quotation marks, and W/ if it is weak; empty: there is none */
	time_t modified;	/* Last-Modified; 0: there is none */
};

enum http_verdict {
	HTTP_PROCEED,		/* the answer goes out as it is */
	HTTP_NOT_MODIFIED,	/* 304 */
	HTTP_PRECONDITION_FAILED,	/* 412 */
};

/* fields: the field lines of a head that the parser took, each with its line end.  In the order of RFC 9110 13.2.2. */
enum http_verdict http_judge(struct slice fields, enum http_method method, const struct http_validators *validators);

bool http_accepts_gzip(struct slice fields);

/* Whether it is a whole entity tag, and nothing else. */
bool http_is_etag(struct slice text);

/* An HTTP-date in any of its three forms (RFC 9110 5.6.7); false: it is none.  What is before 1970 is 0.  now decides on
 * the century of a year with two digits. */
bool http_date_read(struct slice text, time_t now, time_t *ret);
