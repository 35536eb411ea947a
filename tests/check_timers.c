/* SPDX-License-Identifier: MIT */
/*
 * Timers: now is a parameter, so every test says what time it is.
 */
#undef NDEBUG
#include "core/timers.h"

#include "fixture.h"

#include <limits.h>

enum { SLOTS = 16 };

static struct {
	struct timer at[SLOTS];
	struct timers timers;
	unsigned list;			/* of 100 ms */
} f;

static void setup(void)
{
	memset(f.at, 0, sizeof f.at);
	timers_init(&f.timers, f.at);
	f.list = timers_add_list(&f.timers, 100);
}

static void assert_due(uint64_t now_ms, uint32_t slot, unsigned list)
{
	unsigned of = 0;

	ck_assert_uint_eq(timers_take_due(&f.timers, now_ms, &of), slot);
	ck_assert_uint_eq(of, list);
}

static void assert_nothing_due(uint64_t now_ms)
{
	unsigned of = 12345;

	ck_assert_uint_eq(timers_take_due(&f.timers, now_ms, &of), TIMERS_NONE);
	ck_assert_uint_eq(of, 12345);
}

START_TEST(lists_are_numbered_from_1)
{
	ck_assert_uint_eq(f.list, 1);
	ck_assert_uint_eq(timers_add_list(&f.timers, 5), 2);
}
END_TEST

START_TEST(a_timer_is_due_when_its_duration_has_passed_and_not_before)
{
	timers_start(&f.timers, 3, f.list, 1000);
	assert_nothing_due(1000);
	assert_nothing_due(1099);
	assert_due(1100, 3, f.list);
}
END_TEST

START_TEST(the_newest_of_a_list_tells_when_it_was_started)
{
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 0);
	timers_start(&f.timers, 3, f.list, 1000);
	timers_start(&f.timers, 4, f.list, 1010);
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 1010);
	timers_start(&f.timers, 3, f.list, 1020);
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 1020);
	timers_stop(&f.timers, 3);
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 1010);
	timers_stop(&f.timers, 4);
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 0);
}
END_TEST

START_TEST(a_timer_is_due_once)
{
	timers_start(&f.timers, 3, f.list, 1000);
	assert_due(5000, 3, f.list);
	assert_nothing_due(5000);
	ck_assert_int_eq(timers_timeout(&f.timers, 5000), -1);
}
END_TEST

START_TEST(the_one_that_waited_longest_is_due_first)
{
	timers_start(&f.timers, 5, f.list, 1000);
	timers_start(&f.timers, 1, f.list, 1001);
	timers_start(&f.timers, 9, f.list, 1002);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), 5);
	assert_due(1101, 5, f.list);
	assert_due(1101, 1, f.list);
	assert_nothing_due(1101);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), 9);
}
END_TEST

START_TEST(starting_again_moves_a_timer_to_the_end)
{
	for (uint32_t slot = 0; slot < 3; slot++)
		timers_start(&f.timers, slot, f.list, 1000 + slot);
	timers_start(&f.timers, 0, f.list, 1050);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), 1);
	timers_start(&f.timers, 2, f.list, 1060);	/* from the middle */
	assert_due(2000, 1, f.list);
	assert_due(2000, 0, f.list);
	assert_due(2000, 2, f.list);
	assert_nothing_due(2000);
}
END_TEST

/* In whatever order they come: at the front, in between, at the end, and the one of the same time behind it. */
START_TEST(one_that_was_started_elsewhere_is_due_when_it_would_have_been)
{
	static const struct { uint32_t slot; uint64_t since_ms; } order[] = {
		{ 7, 900 }, { 8, 950 }, { 1, 1000 }, { 5, 1500 }, { 2, 2000 }, { 4, 2000 }, { 9, 2500 },
	};

	timers_start(&f.timers, 1, f.list, 1000);
	timers_start(&f.timers, 2, f.list, 2000);
	timers_resume(&f.timers, 7, f.list, 900);
	timers_resume(&f.timers, 5, f.list, 1500);
	timers_resume(&f.timers, 8, f.list, 950);
	timers_resume(&f.timers, 4, f.list, 2000);
	timers_resume(&f.timers, 9, f.list, 2500);
	ck_assert_uint_eq(timers_newest_ms(&f.timers, f.list), 2500);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		assert_nothing_due(order[i].since_ms + 99);
		assert_due(order[i].since_ms + 100, order[i].slot, f.list);
	}
	assert_nothing_due(UINT32_MAX);
	timers_resume(&f.timers, 3, f.list, 10);
	timers_stop(&f.timers, 3);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), TIMERS_NONE);
}
END_TEST

START_TEST(the_last_of_a_list_can_be_started_again)
{
	timers_start(&f.timers, 0, f.list, 1000);
	timers_start(&f.timers, 1, f.list, 1001);
	timers_start(&f.timers, 1, f.list, 1050);
	ck_assert_int_eq(timers_timeout(&f.timers, 1050), 50);
	assert_due(1149, 0, f.list);
	assert_nothing_due(1149);
	assert_due(1150, 1, f.list);
}
END_TEST

START_TEST(a_stopped_timer_is_never_due)
{
	static const uint32_t stopped[] = { 0, 1, 2 };	/* the first, one in the middle, the last */
	uint32_t slot = stopped[_i];

	for (uint32_t i = 0; i < 3; i++)
		timers_start(&f.timers, i, f.list, 1000);
	timers_stop(&f.timers, slot);
	timers_stop(&f.timers, slot);	/* does not run: nothing to do */
	for (uint32_t i = 0; i < 3; i++) {
		if (i != slot)
			assert_due(2000, i, f.list);
	}
	assert_nothing_due(2000);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), TIMERS_NONE);
}
END_TEST

START_TEST(a_timer_can_move_from_one_list_to_another)
{
	unsigned other = timers_add_list(&f.timers, 30);

	timers_start(&f.timers, 0, f.list, 1000);
	timers_start(&f.timers, 1, f.list, 1000);
	timers_start(&f.timers, 0, other, 1000);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), 1);
	ck_assert_uint_eq(timers_oldest(&f.timers, other), 0);
	assert_due(1030, 0, other);
	assert_nothing_due(1030);
	assert_due(1100, 1, f.list);
}
END_TEST

START_TEST(the_timeout_is_until_the_next_of_all_lists)
{
	unsigned other = timers_add_list(&f.timers, 30);

	ck_assert_int_eq(timers_timeout(&f.timers, 1000), -1);
	timers_start(&f.timers, 0, f.list, 1000);
	ck_assert_int_eq(timers_timeout(&f.timers, 1000), 100);
	timers_start(&f.timers, 1, other, 1060);
	ck_assert_int_eq(timers_timeout(&f.timers, 1060), 30);
	timers_stop(&f.timers, 1);
	ck_assert_int_eq(timers_timeout(&f.timers, 1060), 40);
	ck_assert_int_eq(timers_timeout(&f.timers, 1100), 0);
	ck_assert_int_eq(timers_timeout(&f.timers, 9999), 0);
}
END_TEST

START_TEST(the_timeout_never_overflows_an_int)
{
	timers_set_duration(&f.timers, f.list, UINT32_MAX);
	timers_start(&f.timers, 0, f.list, 1000);
	ck_assert_int_eq(timers_timeout(&f.timers, 1000), INT_MAX);
	assert_nothing_due(1000 + (uint64_t) UINT32_MAX - 1);
	assert_due(1000 + (uint64_t) UINT32_MAX, 0, f.list);
}
END_TEST

/* Seven hundred thousand years of uptime are enough, but 49 days (32 bits) are not. */
START_TEST(a_long_uptime_is_no_different)
{
	uint64_t now_ms = (UINT64_C(1) << 40) + 7;

	timers_start(&f.timers, 0, f.list, now_ms);
	ck_assert_int_eq(timers_timeout(&f.timers, now_ms), 100);
	assert_nothing_due(now_ms + 99);
	assert_due(now_ms + 100, 0, f.list);
}
END_TEST

START_TEST(a_list_of_duration_0_is_never_due)
{
	timers_set_duration(&f.timers, f.list, 0);
	timers_start(&f.timers, 0, f.list, 1000);
	assert_nothing_due(UINT64_C(1) << 50);
	ck_assert_int_eq(timers_timeout(&f.timers, 2000), -1);
	ck_assert_uint_eq(timers_oldest(&f.timers, f.list), 0);
}
END_TEST

START_TEST(a_list_of_duration_0_does_not_hold_up_the_others)
{
	unsigned other = timers_add_list(&f.timers, 30);

	timers_set_duration(&f.timers, f.list, 0);
	timers_start(&f.timers, 0, f.list, 0);
	timers_start(&f.timers, 1, other, 1000);
	ck_assert_int_eq(timers_timeout(&f.timers, 1000), 30);
	assert_due(1030, 1, other);
}
END_TEST

START_TEST(a_new_duration_counts_for_those_that_run_and_keeps_them_sorted)
{
	for (uint32_t slot = 0; slot < 3; slot++)
		timers_start(&f.timers, slot, f.list, 1000 + 10 * slot);
	timers_set_duration(&f.timers, f.list, 20);
	timers_start(&f.timers, 3, f.list, 1025);
	ck_assert_int_eq(timers_timeout(&f.timers, 1000), 20);
	assert_due(1045, 0, f.list);
	assert_due(1045, 1, f.list);
	assert_due(1045, 2, f.list);
	assert_due(1045, 3, f.list);
	timers_start(&f.timers, 0, f.list, 2000);
	timers_set_duration(&f.timers, f.list, 500);
	assert_nothing_due(2499);
	assert_due(2500, 0, f.list);
}
END_TEST

/* A callback may start its own timer again: it must not be due in the same round, or the round never ends. */
START_TEST(one_that_is_started_again_when_due_waits_its_whole_duration)
{
	unsigned list;
	uint32_t slot;
	int rounds = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		timers_start(&f.timers, i, f.list, 1000);
	while ((slot = timers_take_due(&f.timers, 1100, &list)) != TIMERS_NONE) {
		timers_start(&f.timers, slot, list, 1100);
		rounds++;
	}
	ck_assert_int_eq(rounds, SLOTS);
	ck_assert_int_eq(timers_timeout(&f.timers, 1100), 100);
}
END_TEST

/* Against the simplest thing that could be right: an array that is searched. */
START_TEST(whatever_is_started_moved_and_stopped_the_due_ones_are_those_of_a_search)
{
	enum { LISTS = 4, STEPS = 20000 };
	static const uint32_t durations[LISTS + 1] = { 0, 100, 7, 0, 1000 };
	struct { unsigned list; uint64_t since; } model[SLOTS] = { 0 };
	uint64_t now_ms = 1;
	uint32_t random = 12345;

	for (unsigned list = 2; list <= LISTS; list++)
		ck_assert_uint_eq(timers_add_list(&f.timers, durations[list]), list);

	for (int step = 0; step < STEPS; step++) {
		uint32_t slot, best;
		unsigned list;

		random = random * 1664525 + 1013904223;
		slot = random >> 8 & (SLOTS - 1);
		list = 1 + (random >> 16) % LISTS;
		now_ms += random >> 28;
		if (random >> 24 & 1) {
			timers_start(&f.timers, slot, list, now_ms);
			model[slot].list = list;
			model[slot].since = now_ms;
		} else if (random >> 25 & 1) {
			timers_stop(&f.timers, slot);
			model[slot].list = 0;
		}

		while ((slot = timers_take_due(&f.timers, now_ms, &list)) != TIMERS_NONE) {
			ck_assert_uint_eq(model[slot].list, list);
			ck_assert_uint_ne(durations[list], 0);
			ck_assert_uint_le(model[slot].since + durations[list], now_ms);
			model[slot].list = 0;
		}
		best = UINT32_MAX;
		for (slot = 0; slot < SLOTS; slot++) {
			if (model[slot].list == 0 || durations[model[slot].list] == 0)
				continue;
			ck_assert_uint_gt(model[slot].since + durations[model[slot].list], now_ms);
			if (model[slot].since + durations[model[slot].list] - now_ms < best)
				best = (uint32_t) (model[slot].since + durations[model[slot].list] - now_ms);
		}
		ck_assert_int_eq(timers_timeout(&f.timers, now_ms), best == UINT32_MAX ? -1 : (int) best);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timers");
	TCase *tests = tcase_create("timers");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, lists_are_numbered_from_1);
	tcase_add_test(tests, a_timer_is_due_when_its_duration_has_passed_and_not_before);
	tcase_add_test(tests, the_newest_of_a_list_tells_when_it_was_started);
	tcase_add_test(tests, a_timer_is_due_once);
	tcase_add_test(tests, the_one_that_waited_longest_is_due_first);
	tcase_add_test(tests, starting_again_moves_a_timer_to_the_end);
	tcase_add_test(tests, one_that_was_started_elsewhere_is_due_when_it_would_have_been);
	tcase_add_test(tests, the_last_of_a_list_can_be_started_again);
	tcase_add_loop_test(tests, a_stopped_timer_is_never_due, 0, 3);
	tcase_add_test(tests, a_timer_can_move_from_one_list_to_another);
	tcase_add_test(tests, the_timeout_is_until_the_next_of_all_lists);
	tcase_add_test(tests, the_timeout_never_overflows_an_int);
	tcase_add_test(tests, a_long_uptime_is_no_different);
	tcase_add_test(tests, a_list_of_duration_0_is_never_due);
	tcase_add_test(tests, a_list_of_duration_0_does_not_hold_up_the_others);
	tcase_add_test(tests, a_new_duration_counts_for_those_that_run_and_keeps_them_sorted);
	tcase_add_test(tests, one_that_is_started_again_when_due_waits_its_whole_duration);
	tcase_add_test(tests, whatever_is_started_moved_and_stopped_the_due_ones_are_those_of_a_search);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
