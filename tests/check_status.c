/* SPDX-License-Identifier: MIT */
/* What `systemctl status` shows, and how often systemd is told; the time is said by each test. */
#undef NDEBUG
#include "daemon/status.h"

#include "fixture.h"
#include <string.h>

static struct status status;
static struct status_facts facts;

static void setup(void)
{
	memset(&status, 0, sizeof status);
	facts = (struct status_facts) { .listeners = "127.0.0.1:8000, [::1]:8000", .generation = 1 };
}

START_TEST(it_names_listeners_connections_rate_and_configuration)
{
	(void) status_text(&status, &facts, 1000);
	facts.connections = 17;
	facts.requests = 24000;
	facts.generation = 3;
	ck_assert_str_eq(status_text(&status, &facts, 3000),
			 "serving on 127.0.0.1:8000, [::1]:8000, 17 connections, 12000 requests/s, configuration 3");
}
END_TEST

static const struct { uint64_t requests, ms; const char *shown; } rates[] = {
	{ 0, 5000, " 0 requests/s" },
	{ 1, 5000, " 0.2 requests/s" },
	{ 5, 5000, " 1 requests/s" },
	{ 49, 5000, " 9.8 requests/s" },
	{ 52, 5000, " 10 requests/s" },
	{ 1000000, 5000, " 200000 requests/s" },
};

START_TEST(the_rate_is_over_the_time_between_two_counts)
{
	(void) status_text(&status, &facts, 1000);
	facts.requests = rates[_i].requests;
	ck_assert_ptr_nonnull(strstr(status_text(&status, &facts, 1000 + rates[_i].ms), rates[_i].shown));
}
END_TEST

/* A reload a moment after a look would show a rate of chance. */
START_TEST(over_less_than_a_second_no_rate_is_made)
{
	(void) status_text(&status, &facts, 1000);
	facts.requests = 100;
	(void) status_text(&status, &facts, 2000);
	facts.requests = 101;
	ck_assert_ptr_nonnull(strstr(status_text(&status, &facts, 2001), " 100 requests/s"));
}
END_TEST

START_TEST(one_connection_is_not_plural)
{
	facts.connections = 1;
	ck_assert_ptr_nonnull(strstr(status_text(&status, &facts, 1000), ", 1 connection, "));
}
END_TEST

START_TEST(what_did_not_change_is_not_told)
{
	(void) status_text(&status, &facts, 1000);
	ck_assert(!status_look(&status, &facts, 6000));
	facts.connections = 1;
	ck_assert(status_look(&status, &facts, 21000));
	ck_assert(!status_look(&status, &facts, 26000));
}
END_TEST

START_TEST(it_is_looked_at_every_5_s_and_less_often_at_rest)
{
	(void) status_text(&status, &facts, 1000);
	ck_assert_uint_eq(status.next_ms, 6000);
	facts.connections = 1;
	(void) status_look(&status, &facts, 6000);
	ck_assert_uint_eq(status.next_ms, 11000);
	(void) status_look(&status, &facts, 11000);
	ck_assert_uint_eq(status.next_ms, 26000);
}
END_TEST

START_TEST(nobody_who_hears_it_is_nobody_who_looks)
{
	status.next_ms = UINT64_MAX;
	(void) status_text(&status, &facts, 1000);
	ck_assert_uint_eq(status.next_ms, UINT64_MAX);
}
END_TEST

START_TEST(a_refused_configuration_is_told_until_the_next_reload)
{
	status_note(&status, true, "/etc/reactord.conf:3: what");
	ck_assert_str_eq(status_text(&status, &facts, 1000), "configuration refused: /etc/reactord.conf:3: what; serving on "
			 "127.0.0.1:8000, [::1]:8000, 0 connections, 0 requests/s, configuration 1");
	facts.connections = 2;
	ck_assert(status_look(&status, &facts, 6000));
	ck_assert_ptr_nonnull(strstr(status.text, "configuration refused: /etc/reactord.conf:3: what; "));
	status_note(&status, false, NULL);
	ck_assert_ptr_null(strstr(status_text(&status, &facts, 7000), "refused"));
}
END_TEST

START_TEST(what_waits_for_a_restart_is_told)
{
	status_note(&status, false, "/etc/reactord.conf:3: what");
	ck_assert_str_eq(status_text(&status, &facts, 1000), "serving on 127.0.0.1:8000, [::1]:8000, 0 connections, "
			 "0 requests/s, configuration 1, except for what needs a restart: /etc/reactord.conf:3: what");
}
END_TEST

START_TEST(the_built_in_503_is_told)
{
	facts.misconfigured = true;
	ck_assert_str_eq(status_text(&status, &facts, 1000), "misconfigured, see the journal: answering 503 on "
			 "127.0.0.1:8000, [::1]:8000, 0 connections, 0 requests/s, configuration 1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("status");
	TCase *tests = tcase_create("status");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, it_names_listeners_connections_rate_and_configuration);
	tcase_add_loop_test(tests, the_rate_is_over_the_time_between_two_counts, 0, sizeof rates / sizeof *rates);
	tcase_add_test(tests, over_less_than_a_second_no_rate_is_made);
	tcase_add_test(tests, one_connection_is_not_plural);
	tcase_add_test(tests, what_did_not_change_is_not_told);
	tcase_add_test(tests, it_is_looked_at_every_5_s_and_less_often_at_rest);
	tcase_add_test(tests, nobody_who_hears_it_is_nobody_who_looks);
	tcase_add_test(tests, a_refused_configuration_is_told_until_the_next_reload);
	tcase_add_test(tests, what_waits_for_a_restart_is_told);
	tcase_add_test(tests, the_built_in_503_is_told);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
