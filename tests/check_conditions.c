/* SPDX-License-Identifier: MIT */
/*
 * RFC 9110 13, 8.8.3, 5.6.7 and 12.5.3, as tables: what a request's conditions and Accept-Encoding come to.  All that is
 * read ends at a page that cannot be.
 */
#undef NDEBUG
#include "http/conditions.h"

#include "fixture.h"
#include "guarded.h"

#include <stdio.h>

#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static struct slice at_edge(const char *text)
{
	return (struct slice) { guarded(text, strlen(text)), strlen(text) };
}

static const struct {
	const char *fields;
	enum http_method method;
	enum http_verdict verdict;
} conditions[] = {
	{ "", HTTP_GET, HTTP_PROCEED },
	{ "X-If-Match: \"x\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "Host: If-Match: \"x\"\r\nA:\r\n", HTTP_GET, HTTP_PROCEED },

	/* 13.1.1: strong comparison */
	{ "If-Match: \"a\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "if-match:\"a\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "IF-MATCH: \t\"a\" \t\r\n", HTTP_OTHER, HTTP_PROCEED },
	{ "If-Match: \"b\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"b\"\r\n", HTTP_HEAD, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"b\"\r\n", HTTP_OTHER, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"A\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: W/\"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: *\r\n", HTTP_OTHER, HTTP_PROCEED },
	{ "If-Match: \"b\", \"a\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Match: ,, \"b\" ,\t\"c,\" , \"a\",\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Match: \"b\"\r\nX: y\r\nIf-Match: \"a\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Match: \"x,a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match:\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: a\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"b\" \"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: * \r\n", HTTP_GET, HTTP_PROCEED },

	/* what cannot be read to its end matches nothing, wherever it is broken */
	{ "If-Match: \"a\" \"b\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\"\"b\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\", b\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: b, \"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\", *\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\"\r\nIf-Match: b\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: b\r\nIf-Match: \"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: *\r\nIf-Match: \"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-None-Match: \"a\", b\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-None-Match: \"a\"\r\nIf-None-Match: *\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Match: w/\"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },

	/* 13.1.2: weak comparison */
	{ "If-None-Match: \"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-None-Match: \"a\"\r\n", HTTP_HEAD, HTTP_NOT_MODIFIED },
	{ "If-None-Match: \"a\"\r\n", HTTP_OTHER, HTTP_PRECONDITION_FAILED },
	{ "If-None-Match: W/\"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-None-Match: \"b\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-None-Match: \"b\", W/\"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-None-Match: *\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-None-Match: *\r\n", HTTP_OTHER, HTTP_PRECONDITION_FAILED },
	{ "If-None-Match: \"*\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-None-Match: a\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-None-Match:\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-None-Match: b\", \"a\"\r\n", HTTP_GET, HTTP_PROCEED },

	/* 13.1.3 */
	{ "If-Modified-Since: " MODIFIED "\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-Modified-Since: " AFTER "\r\n", HTTP_HEAD, HTTP_NOT_MODIFIED },
	{ "If-Modified-Since: " BEFORE "\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Modified-Since: " MODIFIED "\r\n", HTTP_OTHER, HTTP_PROCEED },
	{ "If-Modified-Since: yesterday\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Modified-Since: " AFTER "\r\nIf-Modified-Since: " AFTER "\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Modified-Since: " AFTER "\r\nIf-None-Match: \"b\"\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Modified-Since: " BEFORE "\r\nIf-None-Match: \"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },

	/* 13.1.4 */
	{ "If-Unmodified-Since: " MODIFIED "\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Unmodified-Since: " BEFORE "\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Unmodified-Since: " BEFORE "\r\n", HTTP_OTHER, HTTP_PRECONDITION_FAILED },
	{ "If-Unmodified-Since: x\r\n", HTTP_OTHER, HTTP_PROCEED },
	{ "If-Unmodified-Since: " BEFORE "\r\nIf-Match: \"a\"\r\n", HTTP_GET, HTTP_PROCEED },

	/* 13.1.5, 13.2.1, 13.2.2 */
	{ "If-Range: \"b\"\r\nRange: bytes=0-0\r\n", HTTP_GET, HTTP_PROCEED },
	{ "If-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", HTTP_GET, HTTP_PRECONDITION_FAILED },
	{ "If-Match: \"a\"\r\nIf-None-Match: \"a\"\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-Unmodified-Since: " MODIFIED "\r\nIf-Modified-Since: " MODIFIED "\r\n", HTTP_GET, HTTP_NOT_MODIFIED },
	{ "If-Match: \"b\"\r\n", HTTP_OPTIONS, HTTP_PROCEED },
	{ "If-None-Match: *\r\n", HTTP_TRACE, HTTP_PROCEED },
	{ "If-Match: \"b\"\r\n", HTTP_CONNECT, HTTP_PROCEED },
};

START_TEST(conditions_come_to_a_verdict)
{
	static const struct http_validators validators = { { "\"a\"", 3 }, 784111777 };

	ck_assert_int_eq(http_judge(at_edge(conditions[_i].fields), conditions[_i].method, &validators),
			 conditions[_i].verdict);
}
END_TEST

static const struct {
	const char *etag, *fields;
	enum http_verdict verdict;
} validators[] = {
	{ "", "If-Match: \"a\"\r\n", HTTP_PRECONDITION_FAILED },
	{ "", "If-Match: *\r\n", HTTP_PROCEED },
	{ "", "If-None-Match: \"\"\r\n", HTTP_PROCEED },
	{ "", "If-None-Match: *\r\n", HTTP_NOT_MODIFIED },
	{ "", "If-Modified-Since: " AFTER "\r\n", HTTP_PROCEED },
	{ "", "If-Unmodified-Since: " BEFORE "\r\n", HTTP_PROCEED },
	{ "W/\"a\"", "If-Match: W/\"a\"\r\n", HTTP_PRECONDITION_FAILED },
	{ "W/\"a\"", "If-Match: \"a\"\r\n", HTTP_PRECONDITION_FAILED },
	{ "W/\"a\"", "If-None-Match: \"a\"\r\n", HTTP_NOT_MODIFIED },
	{ "W/\"a\"", "If-None-Match: W/\"a\"\r\n", HTTP_NOT_MODIFIED },
	{ "no tag", "If-None-Match: no tag\r\n", HTTP_PROCEED },
};

START_TEST(without_a_strong_tag_and_a_date_less_can_be_said)
{
	struct http_validators of = { slice_of(validators[_i].etag), 0 };

	ck_assert_int_eq(http_judge(at_edge(validators[_i].fields), HTTP_GET, &of), validators[_i].verdict);
}
END_TEST

START_TEST(nothing_to_compare_with_may_be_a_null_pointer)
{
	static const struct http_validators none;

	ck_assert_int_eq(http_judge(SLICE("If-Match: \"a\"\r\n"), HTTP_GET, &none), HTTP_PRECONDITION_FAILED);
	ck_assert_int_eq(http_judge(SLICE("If-None-Match: \"\"\r\n"), HTTP_GET, &none), HTTP_PROCEED);
}
END_TEST

/* Half a tag is none, neither of the answer nor of the request. */
START_TEST(a_tag_that_is_cut_off_matches_nothing)
{
	static const char whole[] = "W/\"abc\"";
	char fields[40];

	for (int n = 0; n < (int) strlen(whole); n++) {
		struct http_validators of = { .etag = { guarded(whole, (size_t) n), (size_t) n } };

		(void) snprintf(fields, sizeof fields, "If-None-Match: %.*s\r\n", n, whole);
		ck_assert_int_eq(http_judge(slice_of(fields), HTTP_GET, &of), HTTP_PROCEED);
		of.etag = slice_of(whole);
		ck_assert_int_eq(http_judge(at_edge(fields), HTTP_GET, &of), HTTP_PROCEED);
	}
}
END_TEST

enum { NOW = 1800000000 };		/* Fri, 15 Jan 2027 08:00:00 GMT */

static const struct {
	const char *text;
	time_t at;			/* -1: it is no date */
} dates[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
	{ "Sun Nov  6 08:49:37 1994", 784111777 },
	{ "Sun Nov 16 08:49:37 1994", 784975777 },
	{ "Sun Nov 06 08:49:37 1994", 784111777 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },		/* a wrong day of the week */
	{ "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 },
	{ "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
	{ "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },	/* a leap second */
	{ "Tuesday, 01-Jan-77 00:00:00 GMT", 3376684800 },	/* 2077: no more than 50 years ahead */
	{ "Friday, 15-Jan-77 08:00:00 GMT", 3377923200 },
	{ "Saturday, 15-Jan-77 08:00:01 GMT", 222163201 },	/* 1977 */
	{ "Saturday, 31-Dec-77 00:00:00 GMT", 252374400 },
	{ "Sunday, 01-Jan-78 00:00:00 GMT", 252460800 },	/* 1978 */
	{ "Fri, 01 Jan 2100 00:00:00 GMT", 4102444800 },
	{ "", -1 },
	{ "0", -1 },
	{ "784111777", -1 },
	{ "Thu, 29 Feb 2023 00:00:00 GMT", -1 },
	{ "Mon, 29 Feb 2100 00:00:00 GMT", -1 },
	{ "Sat, 31 Feb 2026 00:00:00 GMT", -1 },
	{ "Thu, 31 Apr 2024 00:00:00 GMT", -1 },
	{ "Thu, 00 Apr 2024 00:00:00 GMT", -1 },
	{ "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:60:00 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
	{ "Sun, 06 Nov 1969 08:49:37 GMT", 0 },
	{ "Sun, 06 Nov 0001 08:49:37 GMT", 0 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun,  6 Nov 1994 08:49:37 GMT", -1 },
	{ "sun, 06 nov 1994 08:49:37 gmt", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 +0000", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
	{ "Sun, 06 Nov 1994 08:49:37", -1 },
	{ "Sun, 06 Nov 1994 08:49 GMT", -1 },
	{ "Sunday, 06 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06-Nov-94 08:49:37 GMT", -1 },
	{ "Sun Nov 6 08:49:37 1994", -1 },
	{ "Sun Nov  6 08:49:37 1994 GMT", -1 },
	{ "Son, 06 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nox 1994 08:49:37 GMT", -1 },
	{ "Sun, 0\x36 Nov 1994 0:49:37 GMT", -1 },
};

START_TEST(a_date_is_read_in_three_forms_and_no_other)
{
	time_t at = -1;
	bool good = http_date_read(at_edge(dates[_i].text), NOW, &at);

	ck_assert_int_eq(good, dates[_i].at >= 0);
	ck_assert_int_eq(at, dates[_i].at);
}
END_TEST

START_TEST(a_date_that_is_cut_off_is_none)
{
	time_t at = -1;

	for (size_t n = 0; n < strlen(dates[_i].text); n++)
		if (dates[_i].at >= 0)
			ck_assert(!http_date_read((struct slice) { guarded(dates[_i].text, n), n }, NOW, &at));
	ck_assert_int_eq(at, -1);
}
END_TEST

/* At the end of a century 10 is of the next: it would be 85 years past in this one, and is 15 ahead in that. */
START_TEST(two_digits_of_a_year_may_be_of_the_next_century)
{
	time_t at = -1;

	ck_assert(http_date_read(SLICE("Wednesday, 01-Jan-10 00:00:00 GMT"), 3944678400, &at));	/* asked in 2095 */
	ck_assert_int_eq(at, 4417977600);							/* of 2110 */
}
END_TEST

static const struct {
	const char *fields;
	bool gzip;
} encodings[] = {
	{ "", false },
	{ "Accept-Encoding: gzip\r\n", true },
	{ "accept-encoding:GZIP\r\n", true },
	{ "Accept-Encoding: x-gzip\r\n", true },
	{ "Accept-Encoding: deflate, gzip;q=1.0, *;q=0.5\r\n", true },
	{ "Accept-Encoding: gzip, deflate, br, zstd\r\n", true },
	{ "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", true },
	{ "Accept-Encoding: br\r\n", false },
	{ "Accept-Encoding: gzipped\r\n", false },
	{ "Accept-Encoding:\r\n", false },
	{ "Accept-Encoding: ,, gzip ,\r\n", true },
	{ "Accept-Encoding: *\r\n", true },
	{ "Accept-Encoding: *;q=0\r\n", false },
	{ "Accept-Encoding: *;q=0, gzip\r\n", true },
	{ "Accept-Encoding: gzip;q=0, *\r\n", false },
	{ "Accept-Encoding: gzip;q=0\r\n", false },
	{ "Accept-Encoding: gzip;q=0.000\r\n", false },
	{ "Accept-Encoding: gzip;q=0.001\r\n", true },
	{ "Accept-Encoding: gzip ; q=0.5\r\n", true },
	{ "Accept-Encoding: gzip;Q=1\r\n", true },
	{ "Accept-Encoding: gzip;q=0.5, identity\r\n", false },
	{ "Accept-Encoding: gzip;q=0.5, identity;q=0.5\r\n", true },
	{ "Accept-Encoding: gzip;q=0.5, identity;q=0.6\r\n", false },
	{ "Accept-Encoding: identity;q=0\r\n", false },
	{ "Accept-Encoding: identity;q=0, *\r\n", true },
	{ "Accept-Encoding: gzip;q=1.001\r\n", false },
	{ "Accept-Encoding: gzip;q=2\r\n", false },
	{ "Accept-Encoding: gzip;q=\r\n", false },
	{ "Accept-Encoding: gzip;q=0.1234\r\n", false },
	{ "Accept-Encoding: gzip;q=.5\r\n", false },
	{ "Accept-Encoding: gzip;q=1,5\r\n", true },		/* a coding named 5 */
	{ "Accept-Encoding: gzip;level=9\r\n", false },
	{ "Accept-Encoding: gzip q=1\r\n", false },
	{ "Accept-Encoding: \"gzip\"\r\n", false },
};

START_TEST(gzip_is_taken_or_not)
{
	ck_assert_int_eq(http_accepts_gzip(at_edge(encodings[_i].fields)), encodings[_i].gzip);
}
END_TEST

#define COUNT(table) (sizeof table / sizeof *table)

int main(void)
{
	Suite *suite = suite_create("conditions");
	TCase *tests = tcase_create("conditions");

	tcase_add_loop_test(tests, conditions_come_to_a_verdict, 0, COUNT(conditions));
	tcase_add_loop_test(tests, without_a_strong_tag_and_a_date_less_can_be_said, 0, COUNT(validators));
	tcase_add_test(tests, nothing_to_compare_with_may_be_a_null_pointer);
	tcase_add_test(tests, a_tag_that_is_cut_off_matches_nothing);
	tcase_add_loop_test(tests, a_date_that_is_cut_off_is_none, 0, COUNT(dates));
	tcase_add_loop_test(tests, a_date_is_read_in_three_forms_and_no_other, 0, COUNT(dates));
	tcase_add_test(tests, two_digits_of_a_year_may_be_of_the_next_century);
	tcase_add_loop_test(tests, gzip_is_taken_or_not, 0, COUNT(encodings));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
