/* SPDX-License-Identifier: MIT */
/*
 * There is one response for every target; the numbers, not pointers, are what a connection remembers while it reads
 * a request's content, so that it can be carried to another process.
 */
#include "http/routes.h"

#include <assert.h>
#include <stdlib.h>

#define ALLOWED "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

static const struct http_field allow[] = { { { "Allow", 5 }, { ALLOWED, sizeof ALLOWED - 1 } } };
static const struct http_field retry[] = { { { "Retry-After", 11 }, { "1", 1 } } };

static const struct {
	enum route_answer answer;
	unsigned status;
	const char *body;
} errors[] = {
	{ ROUTE_ERROR_400, 400, "400 Bad Request\n" },
	{ ROUTE_ERROR_405, 405, "405 Method Not Allowed\n" },
	{ ROUTE_ERROR_408, 408, "408 Request Timeout\n" },
	{ ROUTE_ERROR_413, 413, "413 Content Too Large\n" },
	{ ROUTE_ERROR_414, 414, "414 URI Too Long\n" },
	{ ROUTE_ERROR_417, 417, "417 Expectation Failed\n" },
	{ ROUTE_ERROR_421, 421, "421 Misdirected Request\n" },
	{ ROUTE_ERROR_431, 431, "431 Request Header Fields Too Large\n" },
	{ ROUTE_ERROR_501, 501, "501 Not Implemented\n" },
	{ ROUTE_ERROR_503, 503, "503 Service Unavailable\n" },
	{ ROUTE_ERROR_505, 505, "505 HTTP Version Not Supported\n" },
};

void routes_answers(const struct http_answer *response, struct http_answer ret[ROUTE_ANSWERS])
{
	ret[ROUTE_RESPONSE] = *response;
	ret[ROUTE_OPTIONS] = (struct http_answer) { .status = 200, .fields = allow, .n_fields = 1 };
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		ret[errors[i].answer] = (struct http_answer) {
			.status = errors[i].status,
			.content_type = SLICE("text/plain"),
			.body = slice_of(errors[i].body),
		};
	ret[ROUTE_ERROR_405].fields = allow;
	ret[ROUTE_ERROR_405].n_fields = 1;
	ret[ROUTE_ERROR_503].fields = retry;
	ret[ROUTE_ERROR_503].n_fields = 1;
}

enum route_answer routes_find(const struct http_request *request)
{
	switch (request->method) {
	case HTTP_OTHER:
	case HTTP_GET:
	case HTTP_HEAD:
		return ROUTE_RESPONSE;
	case HTTP_OPTIONS:
		return ROUTE_OPTIONS;
	case HTTP_CONNECT:	/* a 2xx would turn the connection into a tunnel (RFC 9110 9.3.6) */
	case HTTP_TRACE:	/* would send a client's credentials back to it (RFC 9110 9.3.8) */
		return ROUTE_ERROR_405;
	}
	abort();
}

enum route_answer routes_error(unsigned status)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].status == status)
			return errors[i].answer;
	assert(!"the parser gave a status that has no answer");
	return ROUTE_ERROR_400;
}
