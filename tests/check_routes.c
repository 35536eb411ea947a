/* SPDX-License-Identifier: MIT */
/* Which answer for which request, and that every answer is one that could be configured. */
#undef NDEBUG
#include "http/routes.h"

#include "fixture.h"

#include <stdio.h>

static struct http_answer answers[ROUTE_ANSWERS];
static const struct http_answer response = {
	.status = 218, .content_type = { "a/b", 3 }, .body = { "body", 4 },
};

static void setup(void)
{
	routes_answers(&response, answers);
}

static bool has_field(const struct http_answer *answer, struct slice name)
{
	for (size_t i = 0; i < answer->n_fields; i++)
		if (slice_equal(answer->fields[i].name, name))
			return true;
	return false;
}

static const struct {
	enum http_method method;
	enum route_answer answer;
} methods[] = {
	{ HTTP_GET, ROUTE_RESPONSE },
	{ HTTP_HEAD, ROUTE_RESPONSE },
	{ HTTP_OTHER, ROUTE_RESPONSE },		/* POST, PUT, and what nobody has thought of yet */
	{ HTTP_OPTIONS, ROUTE_OPTIONS },
	{ HTTP_CONNECT, ROUTE_ERROR_405 },	/* a 2xx would make it a tunnel */
	{ HTTP_TRACE, ROUTE_ERROR_405 },	/* would send credentials back */
};

START_TEST(a_method_leads_to_its_answer)
{
	struct http_request request = { .method = methods[_i].method };

	ck_assert_int_eq(routes_find(&request), methods[_i].answer);
}
END_TEST

/* Those that parser.h and body.h can give, and those that a connection gives by itself. */
static const unsigned statuses[] = { 400, 405, 408, 413, 414, 417, 421, 431, 501, 503, 505 };

START_TEST(every_status_of_an_error_has_an_answer_of_its_own)
{
	const struct http_answer *answer = &answers[routes_error(statuses[_i])];
	char begin[8];

	ck_assert_uint_eq(answer->status, statuses[_i]);
	(void) snprintf(begin, sizeof begin, "%u ", statuses[_i]);
	ck_assert_int_eq(strncmp(answer->body.at, begin, 4), 0);
	ck_assert_mem_eq(answer->body.at + 4, http_reason(statuses[_i]), strlen(http_reason(statuses[_i])));
}
END_TEST

START_TEST(every_answer_is_allowed_by_the_protocol)
{
	ck_assert_uint_ge(answers[_i].status, 200);
	ck_assert_ptr_null(http_answer_refused(&answers[_i]));
	for (size_t i = 0; i < answers[_i].n_fields; i++)
		ck_assert_ptr_null(http_field_refused(answers[_i].fields[i].name, answers[_i].fields[i].value));
}
END_TEST

START_TEST(the_response_is_what_was_configured)
{
	ck_assert_mem_eq(&answers[ROUTE_RESPONSE], &response, sizeof response);
}
END_TEST

START_TEST(who_asks_for_options_and_who_may_not_is_told_what_is_allowed)
{
	ck_assert(has_field(&answers[ROUTE_OPTIONS], SLICE("Allow")));
	ck_assert(has_field(&answers[ROUTE_ERROR_405], SLICE("Allow")));
}
END_TEST

START_TEST(who_finds_no_room_is_told_when_to_come_again)
{
	ck_assert(has_field(&answers[ROUTE_ERROR_503], SLICE("Retry-After")));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("routes");
	TCase *tests = tcase_create("routes");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_loop_test(tests, a_method_leads_to_its_answer, 0, sizeof methods / sizeof *methods);
	tcase_add_loop_test(tests, every_status_of_an_error_has_an_answer_of_its_own, 0,
			    sizeof statuses / sizeof *statuses);
	tcase_add_loop_test(tests, every_answer_is_allowed_by_the_protocol, 0, ROUTE_ANSWERS);
	tcase_add_test(tests, the_response_is_what_was_configured);
	tcase_add_test(tests, who_asks_for_options_and_who_may_not_is_told_what_is_allowed);
	tcase_add_test(tests, who_finds_no_room_is_told_when_to_come_again);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
