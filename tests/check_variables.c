/* SPDX-License-Identifier: MIT */
/* What a field repeats of a request, and that nothing in the request makes it more than one field, or another's address. */
#undef NDEBUG
#include "http/variables.h"

#include "fixture.h"

#include <errno.h>
#include <stdio.h>

static const uint64_t seed[2] = { 0x0123456789abcdef, 42 };

static const struct {
	const char *target, *host, *value, *expanded;
} values[] = {
	{ "/a", "example.org", "plain", "plain" },
	{ "/a", "example.org", "https://${host}${target}", "https://example.org/a" },
	{ "/a?b=c", "example.org", "https://${host}${target}", "https://example.org/a?b=c" },
	{ "/a?", "example.org", "${target}|${path}|${query}|", "/a?|/a||" },
	{ "/a", "example.org", "${target}|${path}|${query}|", "/a|/a||" },
	{ "/a?b?c", "example.org", "${query}", "b?c" },
	{ "/", "example.org:8080", "${host}", "example.org" },
	{ "/", "[::1]:8080", "http://${host}/", "http://[::1]/" },
	{ "/", "[::1]", "http://${host}/", "http://[::1]/" },
	{ "/", "Example.ORG", "${host}", "Example.ORG" },
	{ "http://other.example:81/x?y", "example.org", "${host}${target}", "other.example/x?y" },
	{ "http://other.example?y", "example.org", "${host}${target}", "other.example/?y" },
	{ "//evil.example/a", "h", "${target}", "/evil.example/a" },
	{ "///evil.example/a", "h", "${path}", "/evil.example/a" },
	{ "/\\evil.example/a", "h", "${target}", "/evil.example/a" },
	{ "/a\\b", "h", "${target}", "/a%5Cb" },
	{ "/a%0d%0aSet-Cookie:x", "h", "${target}", "/a%0d%0aSet-Cookie:x" },
	{ "/\"|^`{}", "h", "${path}", "/%22%7C%5E%60%7B%7D" },
	{ "/?\"<>", "h", "${query}", "%22%3C%3E" },
	{ "/%41%zz%", "h", "${path}", "/%41%zz%" },
	{ "/", "h", "$${host} $ $$ $x {host} $", "${host} $ $$ $x {host} $" },
	{ "/", "h", "$$${host}", "$${host}" },
	{ "/", "h", "", "" },
	{ "/", "h", "${path}${path}", "//" },
};

/* The request is parsed, so that what it has is what a client can send. */
static void parse(struct http_request *request, char *head, size_t capacity, const char *target, const char *host)
{
	static const struct http_limits limits = {
		.max_request_line = HTTP_REQUEST_LINE_MAX, .max_header = 1000, .max_headers = 10,
	};
	int n = snprintf(head, capacity, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);

	ck_assert_int_lt(n, (int) capacity);
	ck_assert_int_eq(http_parse_request(head, (size_t) n, &limits, request), n);
}

START_TEST(a_value_is_expanded)
{
	char head[1000], template[1000], text[1000];
	struct slice value = slice_of(values[_i].value);
	struct http_variables variables;
	struct http_request request;
	struct slice compiled;
	ssize_t n;

	parse(&request, head, sizeof head, values[_i].target, values[_i].host);
	ck_assert_ptr_null(http_variables_refused(value));
	compiled = (struct slice) { template, http_variables_compile(template, value) };
	ck_assert_uint_le(compiled.length, value.length);
	ck_assert_int_eq(http_variables_in(compiled) != 0, http_variables_used(value));
	http_variables_of(&variables, &request, seed);
	n = http_variables_expand(text, sizeof text, compiled, &variables);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, values[_i].expanded);

	/* Byte for byte it fits, or it is not begun. */
	if (http_variables_in(compiled))
		for (size_t room = 0; room < (size_t) n; room++)
			ck_assert_int_eq(http_variables_expand(text, room, compiled, &variables), -ENOBUFS);
}
END_TEST

static const char *const wrong[] = {
	"${", "${}", "${hosts}", "${Host}", "${ host}", "${host", "a${host}b${x}", "${request_id", "$${host}${",
};

START_TEST(an_unknown_variable_is_refused)
{
	ck_assert_ptr_nonnull(http_variables_refused(slice_of(wrong[_i])));
}
END_TEST

static const struct {
	const char *value;
	unsigned in;
} parts[] = {
	{ "", 0 },
	{ "plain $${host}", 0 },
	{ "${request_id}", HTTP_VARIABLES_ANY | HTTP_VARIABLES_REQUEST_ID },
	{ "x${path} ${host}", HTTP_VARIABLES_ANY | HTTP_VARIABLES_PATH | HTTP_VARIABLES_HOST },
	{ "${query}", HTTP_VARIABLES_ANY | HTTP_VARIABLES_QUERY },
	{ "${target}", HTTP_VARIABLES_ANY | HTTP_VARIABLES_PATH | HTTP_VARIABLES_QUERY },
};

START_TEST(what_a_template_repeats_is_known)
{
	char template[100];
	size_t n = http_variables_compile(template, slice_of(parts[_i].value));

	ck_assert_uint_eq(http_variables_in((struct slice) { template, n }), parts[_i].in);
}
END_TEST

/* As much room is needed as there are bytes, and no more. */
START_TEST(what_need_not_be_escaped_needs_no_room_for_it)
{
	static char path[5000], text[5000];
	struct http_request request = { .path = { path, sizeof path } };
	struct http_variables variables;
	char template[10];
	size_t n = http_variables_compile(template, SLICE("${path}"));

	memset(path, 'a', sizeof path);
	path[0] = '/';
	http_variables_of(&variables, &request, seed);
	ck_assert_int_eq(http_variables_expand(text, sizeof text, (struct slice) { template, n }, &variables), 5000);
	ck_assert_mem_eq(text, path, sizeof text);
	ck_assert_int_eq(http_variables_expand(text, 4999, (struct slice) { template, n }, &variables), -ENOBUFS);
}
END_TEST

static int by_id(const void *a_, const void *b_)
{
	const struct http_variables *a = a_, *b = b_;

	return memcmp(a->request_id, b->request_id, HTTP_REQUEST_ID_LENGTH);
}

/* The digits of many requests in a row: all of the right form, all different, so that sorted no two beside each other are
 * the same. */
START_TEST(no_two_requests_have_one_id)
{
	enum { MANY = 10000 };
	static struct http_variables ids[MANY];
	struct http_request request = { .path = SLICE("/") };

	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t id[2];

		http_request_id(id, seed, i);
		http_variables_of(&ids[i], &request, id);
	}
	for (int i = 0; i < HTTP_REQUEST_ID_LENGTH; i++)
		ck_assert_ptr_nonnull(strchr("0123456789abcdef", ids[7].request_id[i]));
	qsort(ids, MANY, sizeof *ids, by_id);
	for (int i = 1; i < MANY; i++)
		ck_assert_mem_ne(ids[i - 1].request_id, ids[i].request_id, HTTP_REQUEST_ID_LENGTH);
}
END_TEST

/* Every byte that a target can have, in every place. */
START_TEST(no_target_leaves_its_field)
{
	for (int byte = 0; byte < 256; byte++) {
		struct http_request request = { .host_name = SLICE("h"), .fields = { 0 } };
		char path[] = { '/', (char) byte, 'x', (char) byte, (char) byte };
		char template[10], text[100];
		struct http_variables variables;
		ssize_t n;

		request.path = (struct slice) { path, sizeof path };
		request.query = (struct slice) { path + 1, sizeof path - 1 };
		http_variables_of(&variables, &request, seed);
		n = (ssize_t) http_variables_compile(template, SLICE("${target}"));
		n = http_variables_expand(text, sizeof text, (struct slice) { template, (size_t) n }, &variables);
		ck_assert_int_gt(n, 3);
		ck_assert(text[0] == '/' && text[1] != '/' && text[1] != '\\');
		for (ssize_t i = 0; i < n; i++) {
			ck_assert_int_gt(text[i], ' ');
			ck_assert_int_lt(text[i], 0x7f);
			ck_assert_ptr_null(strchr("\"<>\\^`{|}", text[i]));
		}
	}
}
END_TEST

#define COUNT(table) (sizeof table / sizeof *table)

int main(void)
{
	Suite *suite = suite_create("variables");
	TCase *tests = tcase_create("variables");

	tcase_add_loop_test(tests, a_value_is_expanded, 0, COUNT(values));
	tcase_add_loop_test(tests, an_unknown_variable_is_refused, 0, COUNT(wrong));
	tcase_add_loop_test(tests, what_a_template_repeats_is_known, 0, COUNT(parts));
	tcase_add_test(tests, what_need_not_be_escaped_needs_no_room_for_it);
	tcase_add_test(tests, no_two_requests_have_one_id);
	tcase_add_test(tests, no_target_leaves_its_field);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
