/* SPDX-License-Identifier: MIT */
/*
 * (3) of the four files that follow a request: connection, parser, routes, response.
 *
 * Numbers, not pointers, are what a connection remembers while it reads a request's content, so that it can be carried
 * to another process.
 *
 * The patterns of one host are sorted, and each knows the longest other one that it begins with (`up`).  The last pattern
 * that is not behind the path, or one of those above it, is the longest that matches: whatever the path begins with is
 * sorted before it, and all that is sorted between begins with that, too.  So a look-up is a binary search and a few
 * steps up.  Trying one pattern after the other would be simpler; a list of a thousand old addresses with their
 * redirects is an ordinary configuration, and it would cost more than all the rest of a request.
 *
 * Each name of listeners that has something of its own has a table of its own, in which what is for all is repeated.  One
 * table, whose routes say whom they are for, would be smaller, and each look-up would walk past those of others.
 */
#include "http/routes.h"

#include "core/cleanup.h"
#include "http/target.h"

#include <assert.h>
#include <stdlib.h>

#define ALLOWED "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

enum { NO_PATTERN = UINT32_MAX };

struct route {
	struct slice section;		/* its name, for the log */
	uint32_t first;			/* of its answers: all up to the next route's first are its own */
	struct slice host, path;
	bool prefix, all;
	uint8_t name;			/* only for listeners of this name; 0: for all */
	uint32_t answer;
	uint32_t gzip;			/* the same, compressed; 0: there is none */
	uint32_t not_modified, gzip_not_modified;	/* 304; 0: the answer is no success, so nothing is asked of it */
	uint32_t options;
	uint32_t refused;		/* 405 with its Allow */
	uint32_t others;		/* to a method that is not in the list */
	struct slice methods;		/* empty: any */
	int on;				/* the number of a switch, or ROUTE_ALWAYS */
	struct http_validators validators, gzip_validators;
};

struct pattern {
	struct slice path;
	bool prefix;
	uint32_t up;			/* the longest other pattern that is a beginning of this one */
	uint32_t route;
};

struct host {
	struct slice name;		/* empty: any */
	uint32_t first, n;		/* its patterns */
};

struct table {
	struct pattern *patterns;	/* owned; sorted by host, path, prefix before exact, for all before for the name */
	struct host *hosts;		/* owned; sorted, so that "any" is the first if it is there */
	size_t n_patterns, n_hosts;
	const struct route *all[2];	/* go before all others while they are on: the name's, and that for all; or NULL */
	const struct route *rest;	/* [response]'s, or [listen NAME]'s */
};

struct routes {
	struct route *routes;		/* owned; the first is [response]'s */
	size_t n_routes;
	struct table *tables;		/* owned; the first is of all names that have none of their own */
	size_t n_tables;
	const struct table *by_name[ROUTE_NAMES_MAX + 1];
	const _Atomic bool *on;		/* borrowed */
	char *text;			/* owned: what slices point to */
	size_t text_length, text_size;
};

/* --- the built-in answers ---------------------------------------------------------------------------------------- */

static const struct http_field retry[] = { { { "Retry-After", 11 }, { "1", 1 } } };

static const struct {
	uint32_t answer;
	unsigned status;
	struct slice name;
	const char *body;
} errors[] = {
	{ ROUTE_ERROR_400, 400, { "error 400", 9 }, "400 Bad Request\n" },
	{ ROUTE_ERROR_405, 405, { "error 405", 9 }, "405 Method Not Allowed\n" },
	{ ROUTE_ERROR_408, 408, { "error 408", 9 }, "408 Request Timeout\n" },
	{ ROUTE_ERROR_412, 412, { "error 412", 9 }, "412 Precondition Failed\n" },
	{ ROUTE_ERROR_413, 413, { "error 413", 9 }, "413 Content Too Large\n" },
	{ ROUTE_ERROR_414, 414, { "error 414", 9 }, "414 URI Too Long\n" },
	{ ROUTE_ERROR_417, 417, { "error 417", 9 }, "417 Expectation Failed\n" },
	{ ROUTE_ERROR_421, 421, { "error 421", 9 }, "421 Misdirected Request\n" },
	{ ROUTE_ERROR_431, 431, { "error 431", 9 }, "431 Request Header Fields Too Large\n" },
	{ ROUTE_ERROR_501, 501, { "error 501", 9 }, "501 Not Implemented\n" },
	{ ROUTE_ERROR_503, 503, { "error 503", 9 }, "503 Service Unavailable\n" },
	{ ROUTE_ERROR_505, 505, { "error 505", 9 }, "505 HTTP Version Not Supported\n" },
};

static struct http_answer error_answer(const struct route_settings *settings, unsigned status, const char *body)
{
	struct http_answer answer = {
		.status = status,
		.content_type = SLICE("text/plain"),
		.body = slice_of(body),
	};

	if (status == 503) {
		answer.fields = retry;
		answer.n_fields = 1;
	}
	for (size_t i = 0; i < settings->n_errors; i++)
		if (settings->errors[i].status == status)
			answer = settings->errors[i];
	if (status == 405 && !http_answer_has(&answer, SLICE("Allow")))
		answer.allow = SLICE(ALLOWED);
	return answer;
}

uint32_t routes_error(unsigned status)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].status == status)
			return errors[i].answer;
	assert(!"the parser gave a status that has no answer");
	return ROUTE_ERROR_400;
}

/* --- making the table -------------------------------------------------------------------------------------------- */

struct making {
	struct routes *routes;
	struct route_answer *answers;
	uint32_t n_answers;
};

static size_t text_size(const struct route_settings *settings)
{
	size_t size = 0;

	for (size_t i = 0; i < settings->n_routes; i++) {
		const struct route_setting *from = &settings->routes[i];

		size += from->section.length + from->host.length + from->path.length + 2 * from->methods.length +
			sizeof ", HEAD, OPTIONS" + from->validators.etag.length + from->gzip_etag.length;
	}
	return size;
}

/* Appends to the text that begins at `to`, or begins one when that is empty. */
static void extend(struct routes *routes, struct slice *to, struct slice by)
{
	if (to->length == 0)
		to->at = routes->text + routes->text_length;
	if (by.length > 0)
		memcpy(routes->text + routes->text_length, by.at, by.length);
	routes->text_length += by.length;
	to->length += by.length;
}

static struct slice keep(struct routes *routes, struct slice text)
{
	struct slice kept = { 0 };

	extend(routes, &kept, text);
	return kept;
}

/* The next member of a list with commas; false: there is no more. */
static bool next_member(struct slice *list, struct slice *ret)
{
	const char *end = list->at + list->length;
	const char *at = list->at;
	const char *comma;

	while (at < end && (*at == ',' || *at == ' '))
		at++;
	if (at == end)
		return false;
	comma = memchr(at, ',', (size_t) (end - at));
	*ret = (struct slice) { at, (size_t) ((comma ? comma : end) - at) };
	*list = (struct slice) { at + ret->length, (size_t) (end - at) - ret->length };
	return true;
}

/* Methods are case-sensitive (RFC 9110 9.1). */
static bool lists(struct slice methods, struct slice method)
{
	struct slice member;

	while (next_member(&methods, &member))
		if (slice_equal(member, method))
			return true;
	return false;
}

/* Who allows GET allows HEAD (RFC 9110 9.1), and OPTIONS is answered in any case. */
static struct slice allowed_by(struct routes *routes, struct slice methods)
{
	struct slice allowed = keep(routes, methods);

	if (lists(methods, SLICE("GET")) && !lists(methods, SLICE("HEAD")))
		extend(routes, &allowed, SLICE(", HEAD"));
	if (!lists(methods, SLICE("OPTIONS")))
		extend(routes, &allowed, SLICE(", OPTIONS"));
	return allowed;
}

static uint32_t add_answer(struct making *m, const struct http_answer *answer, uint32_t delay_ms)
{
	m->answers[m->n_answers] = (struct route_answer) { *answer, delay_ms };
	return m->n_answers++;
}

/* RFC 9110 15.4.5: what the 200 would say of itself, without its content. */
static uint32_t add_not_modified(struct making *m, const struct http_answer *success, uint32_t delay_ms)
{
	struct http_answer answer = *success;

	answer.status = 304;
	answer.body = answer.content_encoding = (struct slice) { "", 0 };
	return add_answer(m, &answer, delay_ms);
}

/* A configured Vary may say already that the content depends on Accept-Encoding. */
static bool varies(const struct http_answer *answer)
{
	for (size_t i = 0; i < answer->n_fields; i++) {
		struct slice value = answer->fields[i].value, member;

		if (!slice_equal_nocase(answer->fields[i].name, SLICE("Vary")))
			continue;
		while (next_member(&value, &member))
			if (slice_equal_nocase(member, SLICE("Accept-Encoding")) || slice_equal(member, SLICE("*")))
				return true;
	}
	return false;
}

static void add_gzip(struct making *m, struct route *route, const struct route_setting *from, struct http_answer answer)
{
	answer.body = from->gzip_body;
	answer.etag = from->gzip_etag;
	answer.content_encoding = SLICE("gzip");
	route->gzip = add_answer(m, &answer, from->delay_ms);
	if (route->not_modified)
		route->gzip_not_modified = add_not_modified(m, &answer, from->delay_ms);
	route->gzip_validators = (struct http_validators) { keep(m->routes, from->gzip_etag), from->validators.modified };
}

static void add_route(struct making *m, struct route *route, const struct route_setting *from)
{
	struct http_answer answer = from->answer;
	struct slice allowed = SLICE(ALLOWED);

	*route = (struct route) {
		.section = keep(m->routes, from->section),
		.first = m->n_answers,
		.host = keep(m->routes, from->host),
		.path = keep(m->routes, from->path),
		.prefix = from->prefix,
		.all = from->all,
		.name = from->name,
		.methods = keep(m->routes, from->methods),
		.on = from->on,
		.validators = { keep(m->routes, from->validators.etag), from->validators.modified },
		.options = ROUTE_OPTIONS,
		.refused = ROUTE_ERROR_405,
	};
	if (from->methods.length > 0) {
		struct http_answer refused = m->answers[ROUTE_ERROR_405].answer;
		struct http_answer options = m->answers[ROUTE_OPTIONS].answer;

		options.allow = allowed = allowed_by(m->routes, from->methods);
		if (refused.allow.length > 0)
			refused.allow = allowed;
		route->refused = add_answer(m, &refused, 0);
		route->options = add_answer(m, &options, 0);
	}
	route->others = from->other_methods == 501 ? ROUTE_ERROR_501 : route->refused;

	/* An answer to OPTIONS says what is allowed, also when it is the configured one. */
	if (lists(from->methods, SLICE("OPTIONS")) || answer.status == 405)
		answer.allow = allowed;
	if (http_answer_has(&answer, SLICE("Allow")))
		answer.allow = (struct slice) { "", 0 };
	if (from->gzip_body.length > 0 && !varies(&answer))
		answer.vary = SLICE("Accept-Encoding");

	route->answer = add_answer(m, &answer, from->delay_ms);
	if (answer.status >= 400)	/* nothing can be done here, which who asks to know whether we are well should hear */
		route->options = route->answer;
	if (answer.status < 300)
		route->not_modified = add_not_modified(m, &answer, from->delay_ms);
	if (from->gzip_body.length > 0)
		add_gzip(m, route, from, answer);
}

static void add_answers(struct making *m, const struct route_settings *settings)
{
	m->n_answers = ROUTE_FIXED;
	m->answers[ROUTE_OPTIONS].answer = (struct http_answer) { .status = 200, .allow = SLICE(ALLOWED) };
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		m->answers[errors[i].answer].answer = error_answer(settings, errors[i].status, errors[i].body);
	m->answers[ROUTE_REFUSED] = m->answers[ROUTE_ERROR_503];
	if (m->answers[ROUTE_REFUSED].answer.body.length > ROUTE_REFUSED_MAX)
		m->answers[ROUTE_REFUSED].answer = error_answer(&(struct route_settings) { 0 }, 503,
								"503 Service Unavailable\n");
	for (size_t i = 0; i < settings->n_routes; i++)
		add_route(m, &m->routes->routes[i], &settings->routes[i]);
}

static int compare_slices(struct slice a, struct slice b)
{
	size_t n = a.length < b.length ? a.length : b.length;
	int r = n > 0 ? memcmp(a.at, b.at, n) : 0;

	return r ? r : (a.length > b.length) - (a.length < b.length);
}

/* Whoever comes last is tried first. */
static int compare_routes(const void *a_, const void *b_)
{
	const struct route *a = *(const struct route *const *) a_, *b = *(const struct route *const *) b_;
	int r = compare_slices(a->host, b->host);

	if (r == 0)
		r = compare_slices(a->path, b->path);
	if (r == 0)
		r = b->prefix - a->prefix;
	return r ? r : a->name - b->name;
}

static bool begins_with(struct slice text, struct slice prefix)
{
	return text.length >= prefix.length && (prefix.length == 0 || memcmp(text.at, prefix.at, prefix.length) == 0);
}

static void add_pattern(struct table *table, const struct routes *routes, const struct route *route)
{
	struct host *host = table->n_hosts > 0 ? &table->hosts[table->n_hosts - 1] : NULL;
	uint32_t number = (uint32_t) table->n_patterns++;
	struct pattern *pattern = &table->patterns[number];
	uint32_t up = NO_PATTERN;

	if (!host || !slice_equal(host->name, route->host)) {
		host = &table->hosts[table->n_hosts++];
		*host = (struct host) { .name = route->host, .first = number };
	}
	*pattern = (struct pattern) {
		.path = route->path, .prefix = route->prefix, .route = (uint32_t) (route - routes->routes),
	};
	if (host->n++ > 0)
		up = number - 1;
	while (up != NO_PATTERN && !begins_with(pattern->path, table->patterns[up].path))
		up = table->patterns[up].up;
	pattern->up = up;
}

/* What is for all, and for the name; 0 has no more than the former. */
static int fill_table(struct table *table, const struct routes *routes, const struct route_settings *settings, uint8_t name)
{
	cleanup(free_pointer) const struct route **sorted = calloc(routes->n_routes, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	table->rest = routes->routes;
	for (size_t i = 1; i < routes->n_routes; i++) {
		const struct route *route = &routes->routes[i];

		if (route->name != 0 && route->name != name)
			continue;
		if (settings->routes[i].rest)
			table->rest = route;
		else if (route->all)
			table->all[route->name == 0] = route;
		else
			sorted[n++] = route;
	}
	table->patterns = calloc(n + 1, sizeof *table->patterns);
	table->hosts = calloc(n + 1, sizeof *table->hosts);
	if (!table->patterns || !table->hosts)
		return -ENOMEM;
	qsort(sorted, n, sizeof *sorted, compare_routes);
	for (size_t i = 0; i < n; i++)
		add_pattern(table, routes, sorted[i]);
	return 0;
}

static int add_tables(struct routes *routes, const struct route_settings *settings)
{
	bool has_own[ROUTE_NAMES_MAX + 1] = { true };
	size_t n = 0;

	for (size_t i = 1; i < routes->n_routes; i++)
		has_own[routes->routes[i].name] = true;
	for (unsigned name = 0; name <= ROUTE_NAMES_MAX; name++)
		n += has_own[name];
	routes->tables = calloc(n, sizeof *routes->tables);
	if (!routes->tables)
		return -ENOMEM;
	for (unsigned name = 0; name <= ROUTE_NAMES_MAX; name++) {
		routes->by_name[name] = has_own[name] ? &routes->tables[routes->n_tables++] : routes->tables;
		if (has_own[name] && fill_table(&routes->tables[routes->n_tables - 1], routes, settings, (uint8_t) name) < 0)
			return -ENOMEM;
	}
	return 0;
}

int routes_new(struct routes **ret, struct route_answer **ret_answers, uint32_t *ret_n,
	       const struct route_settings *settings, const _Atomic bool *on)
{
	struct routes *routes = calloc(1, sizeof *routes);
	struct making m = { .routes = routes };

	if (!routes)
		return -ENOMEM;
	assert(settings->n_routes > 0 && settings->n_routes <= ROUTES_MAX + 2);
	routes->on = on;
	routes->n_routes = settings->n_routes;
	routes->routes = calloc(settings->n_routes, sizeof *routes->routes);
	routes->text_size = text_size(settings) + 1;
	routes->text = malloc(routes->text_size);
	m.answers = calloc(ROUTE_FIXED + settings->n_routes * ROUTE_ANSWERS_EACH, sizeof *m.answers);
	if (!routes->routes || !routes->text || !m.answers)
		goto fail;
	add_answers(&m, settings);
	if (add_tables(routes, settings) < 0)
		goto fail;
	*ret = routes;
	*ret_answers = m.answers;
	*ret_n = m.n_answers;
	return 0;
fail:
	free(m.answers);
	routes_free(routes);
	return -ENOMEM;
}

struct routes *routes_free(struct routes *routes)
{
	if (!routes)
		return NULL;
	for (size_t i = 0; i < routes->n_tables; i++) {
		free(routes->tables[i].patterns);
		free(routes->tables[i].hosts);
	}
	free(routes->tables);
	free(routes->routes);
	free(routes->text);
	free(routes);
	return NULL;
}

/* Each table is counted as if every route were in it. */
size_t routes_bytes(const struct routes *routes)
{
	size_t table = sizeof *routes->tables + (routes->n_routes + 1) * (sizeof(struct pattern) + sizeof(struct host));

	return sizeof *routes + routes->n_routes * sizeof *routes->routes + routes->text_size + routes->n_tables * table;
}

/* --- finding ----------------------------------------------------------------------------------------------------- */

static bool is_on(const struct routes *routes, const struct route *route)
{
	return route->on == ROUTE_ALWAYS || atomic_load_explicit(&routes->on[route->on], memory_order_relaxed);
}

/* The last of the host's patterns that is not behind the path. */
static uint32_t find_last(const struct table *table, const struct host *host, struct slice path)
{
	uint32_t low = host->first, high = host->first + host->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_slices(table->patterns[middle].path, path) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > host->first ? low - 1 : NO_PATTERN;
}

static const struct route *find_on_host(const struct routes *routes, const struct table *table, const struct host *host,
					struct slice path)
{
	for (uint32_t i = find_last(table, host, path); i != NO_PATTERN; i = table->patterns[i].up) {
		const struct pattern *pattern = &table->patterns[i];
		const struct route *route = &routes->routes[pattern->route];

		if (begins_with(path, pattern->path) && (pattern->prefix || path.length == pattern->path.length) &&
		    is_on(routes, route))
			return route;
	}
	return NULL;
}

/* Hosts have small letters in the table, and whatever letters in a request. */
static int compare_host(struct slice written, struct slice name)
{
	size_t n = written.length < name.length ? written.length : name.length;
	int r = n > 0 ? strncasecmp(written.at, name.at, n) : 0;

	return r ? r : (written.length > name.length) - (written.length < name.length);
}

static const struct host *find_host(const struct table *table, struct slice name)
{
	size_t low = 0, high = table->n_hosts;

	if (name.length > 1 && name.at[name.length - 1] == '.')		/* of the root: the same host */
		name.length--;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare_host(name, table->hosts[middle].name);

		if (r == 0)
			return &table->hosts[middle];
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static const struct route *find_route(const struct routes *routes, const struct table *table,
				      const struct http_request *request, char *scratch)
{
	const struct route *route = NULL;
	const struct host *host;
	struct slice path = request->path;

	for (int i = 0; i < 2; i++)
		if (table->all[i] && is_on(routes, table->all[i]))
			return table->all[i];
	if (table->n_patterns == 0 || path.length == 0)
		return table->rest;
	if (!http_path_is_normal(path))
		path = (struct slice) { scratch, http_path_normalise(scratch, path) };
	if (request->host_name.length > 0) {
		host = find_host(table, request->host_name);
		route = host ? find_on_host(routes, table, host, path) : NULL;
	}
	if (!route && table->hosts[0].name.length == 0)
		route = find_on_host(routes, table, &table->hosts[0], path);
	return route ? route : table->rest;
}

static bool is_allowed(const struct route *route, const struct http_request *request)
{
	return route->methods.length == 0 || lists(route->methods, request->method_name) ||
	       (request->method == HTTP_HEAD && lists(route->methods, SLICE("GET")));
}

/* RFC 9110 13.2: the conditions are of the representation that would be sent. */
static uint32_t find_representation(const struct route *route, const struct http_request *request)
{
	bool gzip = route->gzip && http_accepts_gzip(request->fields);

	if (request->conditional && route->not_modified) {
		switch (http_judge(request->fields, request->method,
				   gzip ? &route->gzip_validators : &route->validators)) {
		case HTTP_PROCEED:
			break;
		case HTTP_NOT_MODIFIED:
			return gzip ? route->gzip_not_modified : route->not_modified;
		case HTTP_PRECONDITION_FAILED:
			return ROUTE_ERROR_412;
		}
	}
	return gzip ? route->gzip : route->answer;
}

uint32_t routes_find(const struct routes *routes, uint8_t name, const struct http_request *request, char *scratch)
{
	const struct route *route = find_route(routes, routes->by_name[name], request, scratch);

	switch (request->method) {
	case HTTP_CONNECT:	/* a 2xx would turn the connection into a tunnel (RFC 9110 9.3.6) */
	case HTTP_TRACE:	/* would send a client's credentials back to it (RFC 9110 9.3.8) */
		return route->refused;
	case HTTP_OPTIONS:
		if (route->all)		/* nothing is as it usually is */
			break;
		if (request->form == HTTP_ASTERISK)
			return ROUTE_OPTIONS;
		if (!lists(route->methods, SLICE("OPTIONS")))
			return route->options;
		break;
	case HTTP_OTHER:
	case HTTP_GET:
	case HTTP_HEAD:
		if (!is_allowed(route, request))
			return route->others;
		break;
	}
	return find_representation(route, request);
}

struct slice routes_name(const struct routes *routes, uint32_t answer)
{
	size_t low = 0, high = routes->n_routes;

	if (answer == ROUTE_OPTIONS)
		return SLICE("OPTIONS");
	for (size_t i = 0; i < sizeof errors / sizeof *errors && answer < ROUTE_FIXED; i++)
		if (errors[i].answer == answer)
			return errors[i].name;
	if (answer == ROUTE_REFUSED)
		return SLICE("error 503");
	while (high - low > 1) {	/* the last whose first is not behind it */
		size_t middle = low + (high - low) / 2;

		if (routes->routes[middle].first <= answer)
			low = middle;
		else
			high = middle;
	}
	return routes->routes[low].section;
}
