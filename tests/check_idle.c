/* SPDX-License-Identifier: MIT */
/* When a daemon that nobody uses leaves; the time is said by each test. */
#undef NDEBUG
#include "daemon/idle.h"

#include "fixture.h"

enum { EXIT_MS = 1000, BEGIN_MS = 50000 };

static struct idle idle;

static void setup(void)
{
	idle_begin(&idle, EXIT_MS, 7, BEGIN_MS);
}

/* Looks when it is due, as long as nothing happens; returns when it leaves, or 0 when it stays for ten times that long. */
static uint64_t leaves_at(uint32_t connections, uint64_t requests)
{
	while (idle.next_ms < BEGIN_MS + 10 * EXIT_MS) {
		uint64_t now_ms = idle.next_ms;

		if (idle_look(&idle, EXIT_MS, connections, requests, now_ms))
			return now_ms;
	}
	return 0;
}

START_TEST(unused_from_the_start_it_leaves_in_time_and_at_most_a_quarter_later)
{
	uint64_t at_ms = leaves_at(0, 7);

	ck_assert_uint_ge(at_ms, BEGIN_MS + EXIT_MS);
	ck_assert_uint_le(at_ms, BEGIN_MS + EXIT_MS + EXIT_MS / 4 + 1);
}
END_TEST

START_TEST(a_connection_that_stands_keeps_it)
{
	ck_assert_uint_eq(leaves_at(1, 7), 0);
}
END_TEST

START_TEST(a_request_between_two_looks_keeps_it_for_another_time)
{
	uint64_t used_ms = idle.next_ms;

	ck_assert(!idle_look(&idle, EXIT_MS, 0, 8, used_ms));
	ck_assert_uint_ge(leaves_at(0, 8), used_ms + EXIT_MS);
}
END_TEST

START_TEST(from_the_end_of_its_last_connection_on_time_runs)
{
	uint64_t used_ms;

	for (int i = 0; i < 20; i++)
		ck_assert(!idle_look(&idle, EXIT_MS, 1, 7, idle.next_ms));
	used_ms = idle.used_ms;
	ck_assert_uint_ge(leaves_at(0, 7), used_ms + EXIT_MS);
}
END_TEST

START_TEST(at_zero_it_stays_and_nobody_looks)
{
	idle_begin(&idle, 0, 0, BEGIN_MS);
	ck_assert_uint_eq(idle.next_ms, UINT64_MAX);
	ck_assert(!idle_look(&idle, 0, 0, 0, BEGIN_MS + 1000000));
	ck_assert_uint_eq(idle.next_ms, UINT64_MAX);
}
END_TEST

START_TEST(the_shortest_time_is_looked_at_without_spinning)
{
	idle_begin(&idle, 1, 0, BEGIN_MS);
	ck_assert_uint_gt(idle.next_ms, BEGIN_MS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("idle");
	TCase *tests = tcase_create("idle");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, unused_from_the_start_it_leaves_in_time_and_at_most_a_quarter_later);
	tcase_add_test(tests, a_connection_that_stands_keeps_it);
	tcase_add_test(tests, a_request_between_two_looks_keeps_it_for_another_time);
	tcase_add_test(tests, from_the_end_of_its_last_connection_on_time_runs);
	tcase_add_test(tests, at_zero_it_stays_and_nobody_looks);
	tcase_add_test(tests, the_shortest_time_is_looked_at_without_spinning);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
