/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Routes: which answer for which request.
 *
 * What is configured (struct route_settings) becomes, when it is loaded, a list of numbered answers, which a snapshot makes
 * ready as bytes, and a table that leads from a request to a number.  The errors have fixed numbers, the others follow
 * in the order of their routes.
 *
 * A route for the request's host goes before one for any host; of those the longest pattern that matches wins, an exact
 * one before a prefix.  What is left is [response]'s.
 *
 * Listeners have names, which are numbers here, and what is configured for one name alone goes before the same for all.
 */
#include "http/conditions.h"
#include "http/parser.h"
#include "http/response.h"

#include <stdatomic.h>

enum {
	ROUTE_OPTIONS,			/* what is allowed on the server, for "OPTIONS *" */
	ROUTE_ERROR_400,
	ROUTE_ERROR_405,
	ROUTE_ERROR_408,
	ROUTE_ERROR_412,
	ROUTE_ERROR_413,
	ROUTE_ERROR_414,
	ROUTE_ERROR_417,
	ROUTE_ERROR_421,
	ROUTE_ERROR_431,
	ROUTE_ERROR_501,
	ROUTE_ERROR_503,
	ROUTE_ERROR_505,
	ROUTE_REFUSED,			/* 503 to who finds no room: never long, so that nobody can hold the place for it */
	ROUTE_FIXED,			/* from here on: the answers of the routes */
};

enum {
	ROUTES_MAX		= 10000,
	ROUTE_ANSWERS_EACH	= 6,		/* at most, of one route */
	ROUTE_REFUSED_MAX	= 16 * 1024,	/* bytes in the body of ROUTE_REFUSED */
	ROUTE_ALWAYS		= -1,
	ROUTE_NAMES_MAX		= 255,		/* of listeners: from 1 on; 0 is no name, to which all else is the same */
};

/* One section, [response] or [route ...]. */
struct route_setting {
	struct slice section;		/* its name, for the log */
	uint8_t name;			/* only for listeners of this name; 0: for all */
	struct slice host;		/* small letters; empty: any */
	struct slice path;		/* normal, as target.h says; a prefix without its '*' */
	bool prefix;
	bool all;			/* [maintenance]: while it is on, no other route is */
	bool rest;			/* [listen NAME]: in place of [response] */
	int on;				/* the number of the switch that it depends on, or ROUTE_ALWAYS */
	struct slice methods;		/* a list with commas; empty: any */
	unsigned other_methods;		/* 405 or 501 */
	uint32_t delay_ms;
	struct http_answer answer;	/* without what follows from the members above */
	struct http_validators validators;	/* which the answer says, by its fields or by etag and last_modified */
	struct slice gzip_body;		/* empty: there is none */
	struct slice gzip_etag;
};

/* What is configured, borrowed while routes are made from it. */
struct route_settings {
	const struct route_setting *routes;	/* the first is [response] */
	size_t n_routes;
	const struct http_answer *errors;	/* in place of the built-in ones with the same status */
	size_t n_errors;
};

struct route_answer {			/* as a snapshot is to make it */
	struct http_answer answer;
	uint32_t delay_ms;
};

struct routes;

/* Makes the table, and the list of answers in the order of their numbers, which borrows from the settings and from the
 * routes; the list is the caller's to free.  on: the switches' flags, borrowed.  -ENOMEM. */
int routes_new(struct routes **ret, struct route_answer **ret_answers, uint32_t *ret_n,
	       const struct route_settings *settings, const _Atomic bool *on);
struct routes *routes_free(struct routes *routes);		/* NULL is fine; returns NULL */
size_t routes_bytes(const struct routes *routes);		/* what they take, without the answers */

/* The number of the answer to a request that came by a listener of that name.  scratch: 3 * HTTP_REQUEST_LINE_MAX bytes. */
uint32_t routes_find(const struct routes *routes, uint8_t name, const struct http_request *request, char *scratch);
uint32_t routes_error(unsigned status);			/* the answer for a status that the parser gave */

/* The name of the route whose answer that is, borrowed from the routes; "error 404" and the like when it is none's. */
struct slice routes_name(const struct routes *routes, uint32_t answer);
