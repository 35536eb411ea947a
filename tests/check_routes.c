/* SPDX-License-Identifier: MIT */
/* Which answer for which request, and that every answer is one that could be configured. */
#undef NDEBUG
#include "http/routes.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	struct routes *routes;
	struct route_answer *answers;
	uint32_t n;
	_Atomic bool on[4];
	uint8_t name;			/* of the listener that is asked */
} f;

static void make_site(const struct route_settings *site)
{
	ck_assert_int_eq(routes_new(&f.routes, &f.answers, &f.n, site, f.on), 0);
}

static void make(const struct route_setting *routes, size_t n)
{
	make_site(&(struct route_settings) { .routes = routes, .n_routes = n });
}

static void teardown(void)
{
	f.routes = routes_free(f.routes);
	free_pointer(&f.answers);
	f.name = 0;
	for (int i = 0; i < 4; i++)
		f.on[i] = false;
}

static struct http_request ask(const char *method, const char *host, const char *target, const char *fields)
{
	static const struct http_limits limits = { .max_request_line = 8000, .max_header = 8000, .max_headers = 10 };
	static char head[10000];
	struct http_request request;
	int n = host ? snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, target, host, fields)
		     : snprintf(head, sizeof head, "%s %s HTTP/1.0\r\n%s\r\n", method, target, fields);

	ck_assert_int_eq(http_parse_request(head, (size_t) n, &limits, &request), n);
	return request;
}

static const struct http_answer *find(const struct http_request *request)
{
	static char scratch[3 * HTTP_REQUEST_LINE_MAX];
	uint32_t number = routes_find(f.routes, f.name, request, scratch);

	ck_assert_uint_lt(number, f.n);
	return &f.answers[number].answer;
}

static const struct http_answer *get(const char *host, const char *target)
{
	struct http_request request = ask("GET", host, target, "");

	return find(&request);
}

/* --- one response for all ---------------------------------------------------------------------------------------- */

static const struct route_setting response = {
	.on = ROUTE_ALWAYS,
	.answer = { .status = 218, .content_type = { "a/b", 3 }, .body = { "body", 4 } },
};

static const struct {
	const char *method, *target;
	unsigned status;
} methods[] = {
	{ "GET", "/", 218 },
	{ "HEAD", "/", 218 },
	{ "POST", "/", 218 },
	{ "BREW", "/", 218 },		/* what nobody has thought of yet */
	{ "get", "/", 218 },
	{ "OPTIONS", "/", 200 },
	{ "OPTIONS", "*", 200 },
	{ "options", "/", 218 },
	{ "CONNECT", "a:1", 405 },	/* a 2xx would make it a tunnel */
	{ "TRACE", "/", 405 },		/* would send credentials back */
};

START_TEST(a_method_leads_to_its_answer)
{
	struct http_request request = ask(methods[_i].method, "a", methods[_i].target, "");
	const struct http_answer *answer;

	make(&response, 1);
	answer = find(&request);
	ck_assert_uint_eq(answer->status, methods[_i].status);
	if (answer->status != 218)
		ck_assert(slice_equal(answer->allow, SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
}
END_TEST

/* Those that parser.h and body.h can give, and those that a connection gives by itself. */
static const unsigned statuses[] = { 400, 405, 408, 412, 413, 414, 417, 421, 431, 501, 503, 505 };

START_TEST(every_status_of_an_error_has_an_answer_of_its_own)
{
	const struct http_answer *answer;
	char begin[8];

	make(&response, 1);
	answer = &f.answers[routes_error(statuses[_i])].answer;
	ck_assert_uint_eq(answer->status, statuses[_i]);
	(void) snprintf(begin, sizeof begin, "%u ", statuses[_i]);
	ck_assert_int_eq(strncmp(answer->body.at, begin, 4), 0);
	ck_assert_mem_eq(answer->body.at + 4, http_reason(statuses[_i]), strlen(http_reason(statuses[_i])));
}
END_TEST

START_TEST(an_error_can_have_a_page_of_its_own)
{
	const struct http_answer error = { .status = statuses[_i], .body = SLICE("mine") };
	const struct http_answer *answer;

	make_site(&(struct route_settings) { .routes = &response, .n_routes = 1, .errors = &error, .n_errors = 1 });
	answer = &f.answers[routes_error(statuses[_i])].answer;
	ck_assert_uint_eq(answer->status, statuses[_i]);
	ck_assert(slice_equal(answer->body, SLICE("mine")));
	ck_assert_int_eq(answer->allow.length > 0, statuses[_i] == 405);
}
END_TEST

START_TEST(every_answer_is_allowed_by_the_protocol)
{
	make(&response, 1);
	for (uint32_t i = 0; i < f.n; i++) {
		const struct http_answer *answer = &f.answers[i].answer;

		ck_assert_ptr_null(http_answer_refused(answer));
		for (size_t j = 0; j < answer->n_fields; j++)
			ck_assert_ptr_null(http_field_refused(answer->fields[j].name, answer->fields[j].value));
	}
}
END_TEST

START_TEST(who_finds_no_room_is_told_when_to_come_again)
{
	make(&response, 1);
	ck_assert(http_answer_has(&f.answers[ROUTE_ERROR_503].answer, SLICE("Retry-After")));
	ck_assert(http_answer_has(&f.answers[ROUTE_REFUSED].answer, SLICE("Retry-After")));
}
END_TEST

/* It would hold the place of who comes next for as long as it is not read. */
START_TEST(who_finds_no_room_gets_no_long_page)
{
	static const char text[ROUTE_REFUSED_MAX + 1];
	struct http_answer error = { .status = 503, .body = { text, ROUTE_REFUSED_MAX } };
	struct route_settings settings = { .routes = &response, .n_routes = 1, .errors = &error, .n_errors = 1 };

	make_site(&settings);
	ck_assert_ptr_eq(f.answers[ROUTE_REFUSED].answer.body.at, text);
	teardown();
	error.body.length++;
	make_site(&settings);
	ck_assert_uint_eq(f.answers[ROUTE_REFUSED].answer.status, 503);
	ck_assert_uint_lt(f.answers[ROUTE_REFUSED].answer.body.length, 100);
	ck_assert_ptr_eq(f.answers[ROUTE_ERROR_503].answer.body.at, text);
}
END_TEST

START_TEST(an_allow_that_is_configured_stays_the_only_one)
{
	const struct http_field allow = { SLICE("allow"), SLICE("FOO") };
	const struct http_answer error = { .status = 405, .fields = &allow, .n_fields = 1 };
	const struct route_setting route = { .on = ROUTE_ALWAYS, .methods = SLICE("GET"), .answer.status = 200 };
	struct http_request request = ask("PUT", "a", "/", "");

	make_site(&(struct route_settings) { .routes = &route, .n_routes = 1, .errors = &error, .n_errors = 1 });
	ck_assert_uint_eq(find(&request)->status, 405);
	ck_assert_uint_eq(find(&request)->allow.length, 0);
	ck_assert_uint_eq(f.answers[ROUTE_ERROR_405].answer.allow.length, 0);
}
END_TEST

/* --- which route ------------------------------------------------------------------------------------------------- */

#define ROUTE(host_, path_, prefix_, status_) \
	{ .host = SLICE(host_), .path = SLICE(path_), .prefix = prefix_, .on = ROUTE_ALWAYS, .answer.status = status_ }

static const struct route_setting many[] = {
	ROUTE("", "", false, 200),
	ROUTE("", "/a", false, 401),
	ROUTE("", "/a", true, 402),
	ROUTE("", "/a/", true, 403),
	ROUTE("", "/a/b", false, 404),
	ROUTE("", "/a/b/", true, 405),
	ROUTE("", "/a/b/c/d", false, 406),
	ROUTE("", "/b/", true, 407),
	ROUTE("", "/%C3%A9", false, 408),
	ROUTE("", "/%2F", false, 409),
	ROUTE("example.org", "/a", false, 501),
	ROUTE("example.org", "/x/", true, 502),
	ROUTE("xn--a.example", "/", true, 503),
	ROUTE("a.example", "/", false, 504),
	ROUTE("[::1]", "/", true, 505),
};

static const struct {
	const char *host, *target;
	unsigned status;
} found[] = {
	{ "other", "/", 200 },
	{ "other", "/b", 200 },
	{ "other", "/c", 200 },
	{ "other", "/a", 401 },
	{ "other", "/a?x=/b", 401 },
	{ "other", "/ab", 402 },
	{ "other", "/a0", 402 },
	{ "other", "/a.", 402 },
	{ "other", "/a/", 403 },
	{ "other", "/a/x", 403 },
	{ "other", "/a/b", 404 },
	{ "other", "/a/bb", 403 },
	{ "other", "/a/b/", 405 },
	{ "other", "/a/b/c", 405 },
	{ "other", "/a/b/c/d", 406 },
	{ "other", "/a/b/c/d/", 405 },
	{ "other", "/a/b/c/e", 405 },
	{ "other", "/b/", 407 },
	{ "other", "/A", 200 },			/* paths have letters of both cases */
	{ "other", "//a", 200 },
	{ "other", "/%61", 401 },		/* RFC 3986 6.2.2.2 */
	{ "other", "/./a", 401 },		/* 6.2.2.3 */
	{ "other", "/x/../a", 401 },
	{ "other", "/x/%2e%2E/a", 401 },
	{ "other", "/../../a", 401 },
	{ "other", "/a/b/..", 403 },
	{ "other", "/a/b/c/..", 405 },
	{ "other", "/b/../a/b", 404 },
	{ "other", "/%c3%a9", 408 },		/* 6.2.2.1 */
	{ "other", "/%2f", 409 },		/* an encoded slash is no slash */
	{ "other", "/a%2Fb", 402 },
	{ "other", "http://other/a/b", 404 },
	{ "other", "http://other", 200 },
	{ "example.org", "/a", 501 },
	{ "example.org", "/a/b", 404 },		/* not among those of the host: those for any */
	{ "EXAMPLE.org", "/a", 501 },
	{ "example.org:8080", "/a", 501 },
	{ "example.org.", "/a", 501 },
	{ "example.org", "/x/y", 502 },
	{ "example.org", "/x", 200 },
	{ "www.example.org", "/a", 401 },
	{ "example.or", "/a", 401 },
	{ "example.orgs", "/a", 401 },
	{ "other", "http://example.org/a", 501 },
	{ "xn--a.example", "/whatever", 503 },
	{ "a.example", "/", 504 },
	{ "a.example", "/?", 504 },
	{ "[::1]:80", "/x", 505 },
	{ "[::1]", "/a", 505 },
};

START_TEST(the_longest_that_matches_wins)
{
	make(many, sizeof many / sizeof *many);
	ck_assert_uint_eq(get(found[_i].host, found[_i].target)->status, found[_i].status);
}
END_TEST

START_TEST(without_a_host_the_routes_of_any_host_are_found)
{
	make(many, sizeof many / sizeof *many);
	ck_assert_uint_eq(get(NULL, "/a")->status, 401);
}
END_TEST

/* All patterns of up to four letters of two kinds, as prefixes, against a search that tries them all. */
START_TEST(the_search_agrees_with_trying_all)
{
	enum { N = 31, ROUNDS = 200 };
	static char texts[N][8];
	static struct route_setting routes[N];
	unsigned n = 0;

	for (unsigned length = 0; length < 5; length++)
		for (unsigned bits = 0; bits < 1u << length; bits++, n++) {
			texts[n][0] = '/';
			for (unsigned i = 0; i < length; i++)
				texts[n][i + 1] = bits >> i & 1 ? 'b' : 'a';
		}
	ck_assert_uint_eq(n, N);
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t chosen = 1;

		routes[0] = many[0];
		for (unsigned i = 0; i < N && chosen < N; i++) {
			if (rand() % 3)
				continue;
			routes[chosen] = (struct route_setting) {
				.path = slice_of(texts[i]), .prefix = rand() % 3 > 0, .on = ROUTE_ALWAYS,
				.answer.status = 400 + i,
			};
			chosen++;
		}
		make(routes, chosen);
		for (unsigned i = 0; i < N; i++) {
			const struct route_setting *best = &routes[0];

			for (size_t j = 1; j < chosen; j++)
				if (strncmp(texts[i], routes[j].path.at, routes[j].path.length) == 0 &&
				    (routes[j].prefix || strlen(texts[i]) == routes[j].path.length) &&
				    routes[j].path.length >= best->path.length)
					best = &routes[j];
			ck_assert_uint_eq(get("h", texts[i])->status, best->answer.status);
		}
		teardown();
	}
}
END_TEST

/* --- listeners by name ------------------------------------------------------------------------------------------- */

static const struct route_setting named[] = {
	ROUTE("", "", false, 200),
	ROUTE("", "/a", false, 401),
	ROUTE("", "/b/", true, 402),
	{ .name = 1, .on = ROUTE_ALWAYS, .rest = true, .answer.status = 210 },
	{ .name = 1, .path = SLICE("/a"), .on = ROUTE_ALWAYS, .answer.status = 411 },
	{ .name = 1, .path = SLICE("/b/"), .prefix = true, .on = 0, .answer.status = 412 },
	{ .name = 1, .path = SLICE("/b"), .prefix = true, .on = ROUTE_ALWAYS, .answer.status = 413 },
	{ .name = 2, .path = SLICE("/c"), .on = ROUTE_ALWAYS, .answer.status = 421 },
	{ .name = 2, .host = SLICE("h"), .path = SLICE("/"), .prefix = true, .on = ROUTE_ALWAYS, .answer.status = 422 },
	{ .all = true, .on = 1, .answer.status = 503 },
	{ .name = 1, .all = true, .on = 2, .answer.status = 513 },
};

static const struct {
	uint8_t name;
	const char *host, *target;
	unsigned on, status;		/* on: bits of switches */
} by_name[] = {
	{ 0, "x", "/", 0, 200 },
	{ 0, "x", "/a", 0, 401 },
	{ 0, "x", "/b/c", 1, 402 },
	{ 0, "x", "/c", 0, 200 },
	{ 1, "x", "/", 0, 210 },	/* in place of [response] */
	{ 1, "x", "/c", 0, 210 },	/* that of another name */
	{ 1, "x", "/a", 0, 411 },	/* before the same pattern for all */
	{ 1, "x", "/b/c", 1, 412 },
	{ 1, "x", "/b/c", 0, 402 },	/* which is there while it is off; a longer one goes before a name's */
	{ 1, "x", "/bc", 0, 413 },
	{ 2, "x", "/", 0, 200 },	/* has a route, and no rest of its own */
	{ 2, "x", "/c", 0, 421 },
	{ 2, "h", "/a", 0, 422 },
	{ 1, "h", "/a", 0, 411 },
	{ 3, "x", "/a", 0, 401 },	/* has nothing of its own */
	{ 255, "x", "/", 0, 200 },
	{ 0, "x", "/a", 2, 503 },
	{ 1, "x", "/a", 2, 503 },
	{ 1, "x", "/a", 4, 513 },
	{ 1, "x", "/a", 6, 513 },
	{ 2, "x", "/a", 4, 401 },
};

START_TEST(a_name_of_listeners_has_answers_of_its_own_beside_those_for_all)
{
	f.name = by_name[_i].name;
	for (int i = 0; i < 3; i++)
		f.on[i] = by_name[_i].on >> i & 1;
	make(named, sizeof named / sizeof *named);
	ck_assert_uint_eq(get(by_name[_i].host, by_name[_i].target)->status, by_name[_i].status);
}
END_TEST

/* --- switches ---------------------------------------------------------------------------------------------------- */

static const struct route_setting switched[] = {
	ROUTE("", "", false, 200),
	ROUTE("", "/a/", true, 401),
	{ .path = SLICE("/a/b"), .prefix = true, .on = 0, .answer.status = 402 },
	{ .all = true, .on = 1, .answer.status = 503 },
};

START_TEST(a_route_that_is_off_is_not_there)
{
	make(switched, 4);
	ck_assert_uint_eq(get("h", "/a/b")->status, 401);
	f.on[0] = true;
	ck_assert_uint_eq(get("h", "/a/b")->status, 402);
	f.on[0] = false;
	ck_assert_uint_eq(get("h", "/a/b")->status, 401);
}
END_TEST

START_TEST(maintenance_goes_before_all_routes)
{
	make(switched, 4);
	f.on[0] = f.on[1] = true;
	ck_assert_uint_eq(get("h", "/a/b")->status, 503);
	ck_assert_uint_eq(get("h", "/")->status, 503);
	{
		struct http_request options = ask("OPTIONS", "h", "/a/b", ""), server = ask("OPTIONS", "h", "*", "");

		ck_assert_uint_eq(find(&options)->status, 503);
		ck_assert_uint_eq(find(&server)->status, 503);
	}
	f.on[1] = false;
	ck_assert_uint_eq(get("h", "/a/b")->status, 402);
}
END_TEST

/* --- methods ----------------------------------------------------------------------------------------------------- */

static const struct {
	const char *methods;
	unsigned other_methods;
	const char *method;
	unsigned status;
	const char *allow;
} listed[] = {
	{ "GET", 405, "GET", 299, "" },
	{ "GET", 405, "HEAD", 299, "" },
	{ "GET", 405, "POST", 405, "GET, HEAD, OPTIONS" },
	{ "GET", 405, "get", 405, "GET, HEAD, OPTIONS" },
	{ "GET", 405, "GETS", 405, "GET, HEAD, OPTIONS" },
	{ "GET", 501, "POST", 501, "" },
	{ "GET", 501, "TRACE", 405, "GET, HEAD, OPTIONS" },
	{ "GET", 405, "OPTIONS", 200, "GET, HEAD, OPTIONS" },
	{ "GET, HEAD, POST", 405, "POST", 299, "" },
	{ "GET, HEAD, POST", 405, "PUT", 405, "GET, HEAD, POST, OPTIONS" },
	{ "POST", 405, "HEAD", 405, "POST, OPTIONS" },
	{ "POST, OPTIONS", 405, "OPTIONS", 299, "POST, OPTIONS" },
	{ "POST, OPTIONS", 405, "POST", 299, "POST, OPTIONS" },
	{ "POST, OPTIONS", 405, "GET", 405, "POST, OPTIONS" },
	{ "PROPFIND", 405, "PROPFIND", 299, "" },
};

START_TEST(what_is_not_listed_is_refused)
{
	struct route_setting route = {
		.on = ROUTE_ALWAYS, .methods = slice_of(listed[_i].methods), .other_methods = listed[_i].other_methods,
		.answer.status = 299,
	};
	struct http_request request = ask(listed[_i].method, "a", "/", "");
	const struct http_answer *answer;

	make(&route, 1);
	answer = find(&request);
	ck_assert_uint_eq(answer->status, listed[_i].status);
	ck_assert_msg(slice_equal(answer->allow, slice_of(listed[_i].allow)), "%.*s", (int) answer->allow.length,
		      answer->allow.at);
}
END_TEST

/* A load balancer asks by OPTIONS whether a server is well. */
START_TEST(options_gets_an_error_that_is_configured)
{
	struct route_setting routes[] = {
		{ .on = ROUTE_ALWAYS, .answer.status = 503 },
		{ .on = ROUTE_ALWAYS, .answer.status = 403, .path = SLICE("/a"), .methods = SLICE("GET"), .other_methods = 405 },
		{ .on = ROUTE_ALWAYS, .answer.status = 301, .path = SLICE("/b") },
	};
	struct http_request request = ask("OPTIONS", "h", "/", "");

	make(routes, 3);
	ck_assert_uint_eq(find(&request)->status, 503);
	request = ask("OPTIONS", "h", "/a", "");
	ck_assert_uint_eq(find(&request)->status, 403);
	request = ask("OPTIONS", "h", "/b", "");
	ck_assert_uint_eq(find(&request)->status, 200);
}
END_TEST

START_TEST(a_405_that_is_configured_says_what_is_allowed)
{
	const struct http_field allow = { SLICE("allow"), SLICE("FOO") };
	struct route_setting route = { .on = ROUTE_ALWAYS, .answer.status = 405 };

	make(&route, 1);
	ck_assert_uint_gt(get("a", "/")->allow.length, 0);
	teardown();
	route.answer.fields = &allow;
	route.answer.n_fields = 1;
	make(&route, 1);
	ck_assert_uint_eq(get("a", "/")->allow.length, 0);	/* not twice */
}
END_TEST

/* --- representations --------------------------------------------------------------------------------------------- */

static const struct route_setting page = {
	.on = ROUTE_ALWAYS,
	.delay_ms = 5,
	.answer = {
		.status = 200, .content_type = { "a/b", 3 }, .body = { "plain", 5 }, .etag = { "\"p\"", 3 },
		.last_modified = { "Sun, 06 Nov 1994 08:49:37 GMT", 29 },
	},
	.validators = { { "\"p\"", 3 }, 784111777 },
	.gzip_body = { "small", 5 },
	.gzip_etag = { "\"z\"", 3 },
};

static const struct {
	const char *method, *fields;
	unsigned status;
	const char *etag, *body;
} chosen[] = {
	{ "GET", "", 200, "\"p\"", "plain" },
	{ "GET", "Accept-Encoding: gzip\r\n", 200, "\"z\"", "small" },
	{ "HEAD", "Accept-Encoding: gzip\r\n", 200, "\"z\"", "small" },
	{ "GET", "Accept-Encoding: br\r\n", 200, "\"p\"", "plain" },
	{ "GET", "If-None-Match: \"p\"\r\n", 304, "\"p\"", "" },
	{ "GET", "If-None-Match: \"z\"\r\n", 200, "\"p\"", "plain" },
	{ "GET", "If-None-Match: \"z\"\r\nAccept-Encoding: gzip\r\n", 304, "\"z\"", "" },
	{ "GET", "If-None-Match: \"p\"\r\nAccept-Encoding: gzip\r\n", 200, "\"z\"", "small" },
	{ "PUT", "If-None-Match: \"p\"\r\n", 412, "", "412 Precondition Failed\n" },
	{ "GET", "If-Match: \"q\"\r\n", 412, "", "412 Precondition Failed\n" },
	{ "GET", "If-Match: \"p\"\r\n", 200, "\"p\"", "plain" },
	{ "GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, "\"p\"", "" },
	{ "GET", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412, "", "412 Precondition Failed\n" },
};

START_TEST(the_representation_is_the_one_that_is_asked_for)
{
	struct http_request request = ask(chosen[_i].method, "a", "/", chosen[_i].fields);
	const struct http_answer *answer;

	make(&page, 1);
	answer = find(&request);
	ck_assert_uint_eq(answer->status, chosen[_i].status);
	ck_assert(slice_equal(answer->etag, slice_of(chosen[_i].etag)));
	ck_assert(slice_equal(answer->body, slice_of(chosen[_i].body)));
	if (answer->status == 412)
		return;
	ck_assert(slice_equal(answer->vary, SLICE("Accept-Encoding")));
	ck_assert_int_eq(slice_equal(answer->content_encoding, SLICE("gzip")), strcmp(chosen[_i].body, "small") == 0);
}
END_TEST

static const struct {
	const char *configured, *added;
} varied[] = {
	{ "Cookie", "Accept-Encoding" },
	{ "Cookie, accept-encoding", "" },
	{ "*", "" },
	{ "Accept-Encoding-X", "Accept-Encoding" },
};

START_TEST(vary_is_not_said_twice)
{
	const struct http_field vary = { SLICE("vary"), slice_of(varied[_i].configured) };
	struct route_setting route = page;

	route.answer.fields = &vary;
	route.answer.n_fields = 1;
	make(&route, 1);
	ck_assert(slice_equal(get("a", "/")->vary, slice_of(varied[_i].added)));
}
END_TEST

START_TEST(only_a_success_has_conditions)
{
	struct http_request request = ask("GET", "a", "/", "If-None-Match: *\r\nIf-Match: \"x\"\r\n");
	struct route_setting route = page;

	route.answer.status = 503;
	make(&route, 1);
	ck_assert_uint_eq(find(&request)->status, 503);
}
END_TEST

#define COUNT(table) (sizeof table / sizeof *table)

/* --- names ------------------------------------------------------------------------------------------------------- */

/* Each has another number of answers than its neighbours. */
static const struct route_setting sections[] = {
	{ .section = SLICE("response"), .on = ROUTE_ALWAYS, .answer.status = 200 },
	{ .section = SLICE("/a"), .path = SLICE("/a"), .on = ROUTE_ALWAYS, .answer.status = 404 },
	{ .section = SLICE("/b/*"), .path = SLICE("/b/"), .prefix = true, .on = ROUTE_ALWAYS, .methods = SLICE("GET"),
	  .answer = { .status = 200, .body = SLICE("b") }, .validators.etag = SLICE("\"b\""), .gzip_body = SLICE("z"),
	  .gzip_etag = SLICE("\"z\"") },
	{ .section = SLICE("/c"), .path = SLICE("/c"), .on = ROUTE_ALWAYS, .methods = SLICE("GET"), .other_methods = 501,
	  .answer.status = 301 },
	{ .section = SLICE("maintenance"), .all = true, .on = 0, .answer.status = 503 },
};

static const struct {
	const char *method, *target, *fields, *name;
	bool maintenance;
} names[] = {
	{ "GET", "/", "", "response", false },
	{ "GET", "/a", "", "/a", false },
	{ "GET", "/b/x", "", "/b/*", false },
	{ "GET", "/b/x", "Accept-Encoding: gzip\r\n", "/b/*", false },
	{ "GET", "/b/x", "If-None-Match: \"b\"\r\n", "/b/*", false },
	{ "GET", "/b/x", "Accept-Encoding: gzip\r\nIf-None-Match: \"z\"\r\n", "/b/*", false },
	{ "OPTIONS", "/b/x", "", "/b/*", false },
	{ "PUT", "/b/x", "", "/b/*", false },			/* its own 405 */
	{ "GET", "/b/x", "If-Match: \"c\"\r\n", "error 412", false },
	{ "GET", "/c", "", "/c", false },
	{ "PUT", "/c", "", "error 501", false },
	{ "TRACE", "/", "", "error 405", false },
	{ "OPTIONS", "*", "", "OPTIONS", false },
	{ "GET", "/a", "", "maintenance", true },
};

START_TEST(an_answer_has_the_name_of_the_section_that_says_it)
{
	static char scratch[3 * HTTP_REQUEST_LINE_MAX];
	struct http_request request = ask(names[_i].method, "h", names[_i].target, names[_i].fields);
	struct slice name;

	make(sections, COUNT(sections));
	f.on[0] = names[_i].maintenance;
	name = routes_name(f.routes, routes_find(f.routes, 0, &request, scratch));
	ck_assert_msg(slice_equal(name, slice_of(names[_i].name)), "%.*s", (int) name.length, name.at);
}
END_TEST

START_TEST(an_error_is_named_by_its_status)
{
	char expected[32];
	struct slice name;

	make(sections, COUNT(sections));
	for (uint32_t i = 0; i < ROUTE_FIXED; i++) {
		name = routes_name(f.routes, i);
		(void) snprintf(expected, sizeof expected, "error %u", f.answers[i].answer.status);
		ck_assert(slice_equal(name, slice_of(i == ROUTE_OPTIONS ? "OPTIONS" : expected)));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("routes");
	TCase *tests = tcase_create("routes");

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, a_method_leads_to_its_answer, 0, COUNT(methods));
	tcase_add_loop_test(tests, every_status_of_an_error_has_an_answer_of_its_own, 0, COUNT(statuses));
	tcase_add_loop_test(tests, an_error_can_have_a_page_of_its_own, 0, COUNT(statuses));
	tcase_add_test(tests, every_answer_is_allowed_by_the_protocol);
	tcase_add_test(tests, who_finds_no_room_is_told_when_to_come_again);
	tcase_add_test(tests, who_finds_no_room_gets_no_long_page);
	tcase_add_test(tests, an_allow_that_is_configured_stays_the_only_one);
	tcase_add_loop_test(tests, the_longest_that_matches_wins, 0, COUNT(found));
	tcase_add_test(tests, without_a_host_the_routes_of_any_host_are_found);
	tcase_add_loop_test(tests, a_name_of_listeners_has_answers_of_its_own_beside_those_for_all, 0, COUNT(by_name));
	tcase_add_test(tests, the_search_agrees_with_trying_all);
	tcase_add_test(tests, a_route_that_is_off_is_not_there);
	tcase_add_test(tests, maintenance_goes_before_all_routes);
	tcase_add_loop_test(tests, what_is_not_listed_is_refused, 0, COUNT(listed));
	tcase_add_test(tests, options_gets_an_error_that_is_configured);
	tcase_add_test(tests, a_405_that_is_configured_says_what_is_allowed);
	tcase_add_loop_test(tests, the_representation_is_the_one_that_is_asked_for, 0, COUNT(chosen));
	tcase_add_loop_test(tests, vary_is_not_said_twice, 0, COUNT(varied));
	tcase_add_test(tests, only_a_success_has_conditions);
	tcase_add_loop_test(tests, an_answer_has_the_name_of_the_section_that_says_it, 0, COUNT(names));
	tcase_add_test(tests, an_error_is_named_by_its_status);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
