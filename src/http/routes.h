/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Routes: which answer for which request.  Every answer of a snapshot has a number: the configured one, those to
 * the methods that the protocol treats in its own way, and one for each error.
 */
#include "http/parser.h"
#include "http/response.h"

enum route_answer {
	ROUTE_RESPONSE,			/* [response] */
	ROUTE_OPTIONS,			/* what is allowed here */
	ROUTE_ERROR_400,
	ROUTE_ERROR_405,
	ROUTE_ERROR_408,
	ROUTE_ERROR_413,
	ROUTE_ERROR_414,
	ROUTE_ERROR_417,
	ROUTE_ERROR_421,
	ROUTE_ERROR_431,
	ROUTE_ERROR_501,
	ROUTE_ERROR_503,
	ROUTE_ERROR_505,
	ROUTE_ANSWERS,
};

/* All answers of a configuration, for snapshot_new(); the response is borrowed. */
void routes_answers(const struct http_answer *response, struct http_answer ret[ROUTE_ANSWERS]);

enum route_answer routes_find(const struct http_request *request);
enum route_answer routes_error(unsigned status);	/* the answer for a status that the parser gave */
