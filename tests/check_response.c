/* SPDX-License-Identifier: MIT */
/* Answers to bytes: Date, the three heads, what may be configured. */
#undef NDEBUG
#include "http/response.h"

#include "fixture.h"

/* --- Date -------------------------------------------------------------------------------------------------------- */

static const struct {
	time_t at;
	const char *text;
} dates[] = {
	{ 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },		/* RFC 9110 5.6.7 */
	{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
	{ 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },		/* 2000 is a leap year, as every 400th */
	{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
	{ 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
	{ 1709164800, "Thu, 29 Feb 2024 00:00:00 GMT" },
	{ 1772323199, "Sat, 28 Feb 2026 23:59:59 GMT" },	/* no leap year */
	{ 1772323200, "Sun, 01 Mar 2026 00:00:00 GMT" },
	{ 1767225599, "Wed, 31 Dec 2025 23:59:59 GMT" },
	{ 1767225600, "Thu, 01 Jan 2026 00:00:00 GMT" },
	{ 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT" },	/* beyond 31 bits */
	{ 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },	/* 2100 is no leap year, */
	{ 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },	/* as three of four 100th are none */
	{ 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },	/* the last that the format can say */
};

START_TEST(a_date_is_written_as_the_protocol_wants_it)
{
	char text[HTTP_DATE_LENGTH + 1] = { 0 };

	text[HTTP_DATE_LENGTH] = 'x';
	http_date_write(text, dates[_i].at);
	ck_assert_int_eq(text[HTTP_DATE_LENGTH], 'x');
	text[HTTP_DATE_LENGTH] = '\0';
	ck_assert_str_eq(text, dates[_i].text);
}
END_TEST

START_TEST(a_date_does_not_depend_on_the_time_zone)
{
	char text[HTTP_DATE_LENGTH + 1] = { 0 };

	ck_assert_int_eq(setenv("TZ", "Asia/Kathmandu-5:45", 1), 0);
	tzset();
	http_date_write(text, 784111777);
	ck_assert_int_eq(unsetenv("TZ"), 0);
	tzset();
	ck_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
}
END_TEST

/* A clock that is off must not make us write beyond the place. */
START_TEST(a_date_never_leaves_its_place)
{
	static const time_t odd[] = { -1, 253402300800, (time_t) 1 << 62, -((time_t) 1 << 62) };
	char text[HTTP_DATE_LENGTH + 1];

	text[HTTP_DATE_LENGTH] = 'x';
	http_date_write(text, odd[_i]);
	ck_assert_int_eq(text[HTTP_DATE_LENGTH], 'x');
}
END_TEST

/* --- heads ------------------------------------------------------------------------------------------------------- */

static char head[16 * 1024 + 1];

#define DATE "Date:                              \r\n"

static void is_head(const struct http_answer *answer, enum http_persistence persistence, const char *expected)
{
	uint32_t date = 0;
	ssize_t n = http_head_write(head, sizeof head - 1, answer, persistence, &date);

	ck_assert_int_gt(n, 0);
	head[n] = '\0';
	ck_assert_str_eq(head, expected);
	ck_assert_mem_eq(head + date - 6, "Date: ", 6);
	ck_assert_mem_eq(head + date + HTTP_DATE_LENGTH, "\r\n", 2);
}

static const struct http_field fields[] = {
	{ { "Retry-After", 11 }, { "3600", 4 } },
	{ { "X-Empty", 7 }, { "", 0 } },
	{ { "Retry-After", 11 }, { "1", 1 } },
};

START_TEST(the_three_heads_differ_in_connection_only)
{
	const struct http_answer hello = {
		.status = 200, .content_type = SLICE("text/html"), .body = SLICE("hello"),
	};

	is_head(&hello, HTTP_KEEP,
		"HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/html\r\nContent-Length: 5\r\n\r\n");
	is_head(&hello, HTTP_KEEP_ALIVE, "HTTP/1.1 200 OK\r\n" DATE
		"Content-Type: text/html\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
	is_head(&hello, HTTP_CLOSE, "HTTP/1.1 200 OK\r\n" DATE
		"Content-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
}
END_TEST

START_TEST(fields_come_in_the_order_they_were_given)
{
	const struct http_answer answer = { .status = 503, .fields = fields, .n_fields = 3 };

	is_head(&answer, HTTP_KEEP, "HTTP/1.1 503 Service Unavailable\r\n" DATE
		"Retry-After: 3600\r\nX-Empty: \r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
}
END_TEST

START_TEST(an_upgrade_is_named_in_connection)
{
	const struct http_field upgrade = { SLICE("upgrade"), SLICE("h2c") };
	const struct http_answer answer = { .status = 426, .fields = &upgrade, .n_fields = 1 };

	is_head(&answer, HTTP_KEEP, "HTTP/1.1 426 Upgrade Required\r\n" DATE
		"upgrade: h2c\r\nContent-Length: 0\r\nConnection: upgrade\r\n\r\n");
	is_head(&answer, HTTP_KEEP_ALIVE, "HTTP/1.1 426 Upgrade Required\r\n" DATE
		"upgrade: h2c\r\nContent-Length: 0\r\nConnection: keep-alive, upgrade\r\n\r\n");
	is_head(&answer, HTTP_CLOSE, "HTTP/1.1 426 Upgrade Required\r\n" DATE
		"upgrade: h2c\r\nContent-Length: 0\r\nConnection: close, upgrade\r\n\r\n");
}
END_TEST

/* The blank behind the status is part of the line even when there is no reason (RFC 9112 4). */
START_TEST(a_status_without_a_name_has_an_empty_reason)
{
	is_head(&(struct http_answer) { .status = 299 }, HTTP_KEEP,
		"HTTP/1.1 299 \r\n" DATE "Content-Length: 0\r\n\r\n");
}
END_TEST

static const struct {
	unsigned status;
	bool length, content;
} contents[] = {
	{ 200, true, true },
	{ 201, true, true },
	{ 204, false, false },		/* RFC 9110 8.6: MUST NOT */
	{ 205, true, false },		/* RFC 9110 15.3.6: a length of zero is one of the ways to say it */
	{ 304, false, false },		/* what it says would be the length of a 200 */
	{ 301, true, true },
	{ 404, true, true },
	{ 599, true, true },
	{ 199, false, false },
	{ 100, false, false },
};

START_TEST(what_has_no_content_says_so)
{
	struct http_answer answer = { .status = contents[_i].status, .content_type = SLICE("text/html") };
	uint32_t date;
	ssize_t n = http_head_write(head, sizeof head - 1, &answer, HTTP_KEEP, &date);

	ck_assert_int_gt(n, 0);
	head[n] = '\0';
	ck_assert_int_eq(strstr(head, "Content-Length: 0\r\n") != NULL, contents[_i].length);
	ck_assert_int_eq(strstr(head, "Content-Type: ") != NULL, contents[_i].content);
	ck_assert_int_eq(http_status_has_length(contents[_i].status), contents[_i].length);
	ck_assert_int_eq(http_status_has_content(contents[_i].status), contents[_i].content);
}
END_TEST

START_TEST(without_a_type_none_is_said)
{
	is_head(&(struct http_answer) { .status = 200, .body = SLICE("x") }, HTTP_KEEP,
		"HTTP/1.1 200 OK\r\n" DATE "Content-Length: 1\r\n\r\n");
}
END_TEST

START_TEST(a_head_fits_exactly_or_not_at_all)
{
	const struct http_answer answer = { .status = 200, .fields = fields, .n_fields = 3, .body = SLICE("x") };
	uint32_t date = 12345;
	ssize_t n = http_head_write(head, sizeof head, &answer, HTTP_CLOSE, &date);

	ck_assert_int_gt(n, 0);
	for (ssize_t less = 0; less < n; less++) {
		char *small = malloc((size_t) less + 1);	/* so that a sanitizer sees a byte too many */

		small[less] = 'x';
		date = 12345;
		ck_assert_int_eq(http_head_write(small, (size_t) less, &answer, HTTP_CLOSE, &date), -ENOBUFS);
		ck_assert_int_eq(small[less], 'x');
		ck_assert_uint_eq(date, 12345);
		free(small);
	}
	head[n] = 'x';
	ck_assert_int_eq(http_head_write(head, (size_t) n, &answer, HTTP_CLOSE, &date), n);
	ck_assert_int_eq(head[n], 'x');
}
END_TEST

START_TEST(the_place_of_date_does_not_depend_on_persistence)
{
	const struct http_answer answer = { .status = 404, .body = SLICE("x") };
	uint32_t date[HTTP_PERSISTENCES];

	for (int p = 0; p < HTTP_PERSISTENCES; p++)
		ck_assert_int_gt(http_head_write(head, sizeof head, &answer, (enum http_persistence) p, &date[p]), 0);
	ck_assert_uint_eq(date[HTTP_KEEP], date[HTTP_KEEP_ALIVE]);
	ck_assert_uint_eq(date[HTTP_KEEP], date[HTTP_CLOSE]);
}
END_TEST

/* --- what may be configured -------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *value;
	bool allowed;
} settings[] = {
	{ "Retry-After", "120", true },
	{ "X", "", true },
	{ "!#$%&'*+-.^_`|~09azAZ", "every byte of a token", true },
	{ "X", "\t !\"'(),/:;<=>?@[\\]{}\x80\xff", true },
	{ "", "x", false },			/* a token has a byte at least */
	{ "X Y", "x", false },
	{ "X:", "x", false },
	{ "X\r\nY", "x", false },		/* response splitting */
	{ "X", "a\r\nSet-Cookie: b", false },
	{ "X", "a\rb", false },
	{ "X", "a\nb", false },
	{ "X", "a\x7f", false },
	{ "X", "\x01", false },
	{ "X\xc3\xa4", "x", false },
	{ "Content-Length", "1", false },
	{ "content-length", "1", false },
	{ "TRANSFER-ENCODING", "chunked", false },
	{ "Connection", "close", false },
	{ "Date", "now", false },
	{ "Content-Type", "text/html", false },
	{ "Keep-Alive", "timeout=5", false },
	{ "Trailer", "X", false },
	{ "TE", "trailers", false },
	{ "Content-Length2", "1", true },
	{ "Server", "reactord", true },
};

START_TEST(a_field_is_allowed_or_refused)
{
	const char *why = http_field_refused(slice_of(settings[_i].name), slice_of(settings[_i].value));

	ck_assert_msg(!why == settings[_i].allowed, "%s: %s", settings[_i].name, why);
}
END_TEST

START_TEST(a_nul_is_refused_in_name_and_value)
{
	ck_assert_ptr_nonnull(http_field_refused(SLICE("X\0Y"), SLICE("x")));
	ck_assert_ptr_nonnull(http_field_refused(SLICE("X"), SLICE("x\0y")));
}
END_TEST

static const struct {
	unsigned status;
	const char *field, *body;
	bool allowed;
} configured[] = {
	{ 200, NULL, "x", true },
	{ 599, NULL, "", true },
	{ 0, NULL, "", false },
	{ 100, NULL, "", false },		/* interim: the client would wait for another */
	{ 101, NULL, "", false },		/* no protocol of ours follows */
	{ 199, NULL, "", false },
	{ 600, NULL, "", false },
	{ 204, NULL, "", true },
	{ 204, NULL, "x", false },
	{ 205, NULL, "x", false },
	{ 304, NULL, "", true },
	{ 304, NULL, "x", false },
	{ 206, NULL, "x", false },
	{ 416, NULL, "x", false },
	{ 401, NULL, "x", false },
	{ 401, "www-authenticate", "x", true },
	{ 407, NULL, "x", false },
	{ 407, "Proxy-Authenticate", "x", true },
	{ 426, NULL, "x", false },
	{ 426, "Upgrade", "x", true },
	{ 405, NULL, "x", true },		/* Allow is added to it */
	{ 405, "Allow", "x", true },
	{ 301, NULL, "x", true },
};

START_TEST(an_answer_is_allowed_or_refused)
{
	struct http_field field = { slice_of(configured[_i].field ? configured[_i].field : ""), SLICE("x") };
	struct http_answer answer = {
		.status = configured[_i].status,
		.fields = &field,
		.n_fields = configured[_i].field ? 1 : 0,
		.body = slice_of(configured[_i].body),
	};
	const char *why = http_answer_refused(&answer);

	ck_assert_msg(!why == configured[_i].allowed, "%u: %s", configured[_i].status, why);
}
END_TEST

START_TEST(reasons_are_those_of_the_registry)
{
	ck_assert_str_eq(http_reason(200), "OK");
	ck_assert_str_eq(http_reason(413), "Content Too Large");
	ck_assert_str_eq(http_reason(422), "Unprocessable Content");
	ck_assert_str_eq(http_reason(503), "Service Unavailable");
	ck_assert_str_eq(http_reason(511), "Network Authentication Required");
	ck_assert_str_eq(http_reason(418), "");		/* unused, says RFC 9110 */
	ck_assert_str_eq(http_reason(0), "");
	ck_assert_str_eq(http_reason(1000), "");
}
END_TEST

#define COUNT(table) (sizeof table / sizeof *table)

int main(void)
{
	Suite *suite = suite_create("response");
	TCase *tests = tcase_create("response");

	tcase_add_loop_test(tests, a_date_is_written_as_the_protocol_wants_it, 0, COUNT(dates));
	tcase_add_test(tests, a_date_does_not_depend_on_the_time_zone);
	tcase_add_loop_test(tests, a_date_never_leaves_its_place, 0, 4);
	tcase_add_test(tests, the_three_heads_differ_in_connection_only);
	tcase_add_test(tests, fields_come_in_the_order_they_were_given);
	tcase_add_test(tests, an_upgrade_is_named_in_connection);
	tcase_add_test(tests, a_status_without_a_name_has_an_empty_reason);
	tcase_add_loop_test(tests, what_has_no_content_says_so, 0, COUNT(contents));
	tcase_add_test(tests, without_a_type_none_is_said);
	tcase_add_test(tests, a_head_fits_exactly_or_not_at_all);
	tcase_add_test(tests, the_place_of_date_does_not_depend_on_persistence);
	tcase_add_loop_test(tests, a_field_is_allowed_or_refused, 0, COUNT(settings));
	tcase_add_test(tests, a_nul_is_refused_in_name_and_value);
	tcase_add_loop_test(tests, an_answer_is_allowed_or_refused, 0, COUNT(configured));
	tcase_add_test(tests, reasons_are_those_of_the_registry);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
