/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The sections that say an answer: [response], [listen NAME], [route PATTERN], [maintenance] and [error STATUS].  They share
 * their keys, and there may be any number of routes and errors.  Private to the files conf*.c.
 */
#include "daemon/conf_keys.h"

struct conf_answer {
	enum conf_section kind;		/* CONF_RESPONSE, CONF_LISTEN, CONF_ROUTE, CONF_MAINTENANCE or CONF_ERROR */
	char *name;			/* owned: the section as it was first written, "route /x" */
	const char *file;		/* where that was; borrowed */
	unsigned line;
	char *host, *path;		/* owned, of a route: small letters, and normal as http/target.h says */
	size_t path_length;		/* without the '*' */
	bool prefix;
	char *listener;			/* owned: only for listeners of this name; NULL: for all */

	struct http_answer answer;	/* everything it points to is owned here, or by the [error] whose page it has */
	char *body_file;		/* owned; NULL: none */
	unsigned gzip;			/* 0 or 1 */
	char *methods;			/* owned: "GET, POST"; NULL: any */
	unsigned other_methods;		/* 405 or 501 */
	uint32_t delay_ms;
	char *enable_if_exists;		/* owned: an absolute path; NULL: always */
	bool foreign_body;		/* the body is that of an [error] */
	size_t n_own_fields;		/* of answer.fields; those behind are from an [error] */

	time_t modified;		/* of body_file; 0: there is none */
	char etag[64], gzip_etag[64], last_modified[64];
	struct http_validators validators;
	struct slice gzip_body;
	int on;				/* the number of enable_if_exists in conf->switches, or ROUTE_ALWAYS */

	char **field_texts;		/* owned: "Name: value", which the fields point into */
	struct http_field *fields;	/* owned */
	size_t n_fields;
	char *content_type, *body, *gzip_bytes;		/* owned */
	struct conf_origin origins[CONF_ANSWER_KEYS];	/* by the key's place behind CONF_KEY_ANSWER */
};

int conf_add_response(struct conf_loading *load);	/* before anything is loaded; it is the first */

/* Makes the answer of the section where we are, or finds it; argument: what stands behind the section's first word. */
int conf_enter_answer(struct conf_loading *load, enum conf_section kind, const char *name, const char *argument);

void conf_forget_answers(struct conf_loading *load);	/* what only finds them; may be called twice */

/* What can be judged, and what follows from it, only when all is loaded. */
void conf_finish_answers(struct conf_loading *load);

struct conf_answer *conf_answer_free(struct conf_answer *answer);	/* NULL is fine; returns NULL */
