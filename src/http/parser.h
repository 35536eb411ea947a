/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Parser: the bytes of a request head to a struct, by the letter of RFC 9112 and, for the fields that
 * frame or route a message, RFC 9110.  It is pure: no state, no allocation, no system call, no clock; the
 * same bytes always get the same answer, however they arrived.  The request borrows from the bytes it was
 * read from.
 */
#include "http/slice.h"

#include <stdint.h>
#include <sys/types.h>

/* What a request may cost.  Sizes in bytes, times in milliseconds; 0 for max_requests: no limit. */
struct http_limits {
	uint32_t max_connections;	/* of all workers together */
	uint32_t max_request_line;	/* without its line end: 414 */
	uint32_t max_header;		/* all field lines together: 431 */
	uint32_t max_headers;		/* number of field lines: 431 */
	uint64_t max_body;		/* 413 */
	uint64_t max_requests;		/* of one connection */
	uint32_t header_timeout_ms;
	uint32_t body_timeout_ms;
	uint32_t write_timeout_ms;
	uint32_t idle_timeout_ms;
};

enum {				/* the most that max_request_line and max_header can be set to */
	HTTP_REQUEST_LINE_MAX	= 64 * 1024,
	HTTP_HEADER_MAX		= 256 * 1024,
};

enum http_method {		/* those that the protocol treats in a way of their own; all others are OTHER */
	HTTP_OTHER,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
};

enum http_form {		/* of the target, RFC 9112 3.2 */
	HTTP_ORIGIN,
	HTTP_ABSOLUTE,
	HTTP_AUTHORITY,
	HTTP_ASTERISK,
};

struct http_request {
	struct slice method_name;
	struct slice target;		/* as it was sent */
	struct slice host;		/* of an absolute-form target, else of Host; empty: there was none */
	struct slice host_name;		/* the same without a port */
	struct slice path;		/* starts with '/', if need be as "/"; empty for authority and asterisk */
	struct slice query;		/* without '?'; at is NULL when there was none */
	struct slice fields;		/* the field lines, each with its line end */
	uint64_t content_length;	/* 0 when there is none */
	enum http_method method;
	enum http_form form;
	uint8_t minor;			/* of HTTP/1.x: 0 or 1; what is above 1 is served as 1 */
	bool keep_alive;		/* RFC 9112 9.3: the client lets the connection persist */
	bool chunked;			/* the content is in chunks, else content_length says how much there is */
	bool expect_continue;		/* a 100 is expected (HTTP/1.1 only) */
	bool conditional;		/* some field may hold a precondition: see conditions.h */
};

/* Reads one head from the start of the bytes.  Returns
 *	> 0	the length of the head, with empty lines before it and the empty line behind it;
 *	0	more bytes are needed, and nothing is wrong so far;
 *	< 0	minus the status to answer before the connection is closed; ret->method is right even then, as
 *		far as it was read (HEAD: the answer has no content), and HTTP_OTHER when it was not.  With
 *		413, 417, 421 and 501 the head is well formed and all of *ret is right.
 * A verdict once given stays the same with more bytes behind, so asking less often than bytes arrive changes
 * no answer, it only comes later. */
ssize_t http_parse_request(const char *bytes, size_t length, const struct http_limits *limits,
			   struct http_request *ret);
