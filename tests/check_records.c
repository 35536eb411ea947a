/* SPDX-License-Identifier: MIT */
/* The memory of a worker's connections: what it costs, and that it is given back. */
#undef NDEBUG
#include "http/records.h"

#include "fixture.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SLOTS = 100, SPILL_BYTES = RECORDS_INPUT_MAX + RECORDS_OUTPUT_MAX };

static struct records records;
static unsigned open_fds;

static void setup(void)
{
	open_fds = count_open_fds();
	ck_assert_int_eq(records_init(&records, SLOTS), 0);
}

static void teardown(void)
{
	records_deinit(&records);
	records_deinit(&records);	/* twice is fine */
	ck_assert_uint_eq(count_open_fds(), open_fds);
}

/* Bytes of memory behind the mapping. */
static size_t bytes_in_use(void)
{
	struct stat stat;

	ck_assert_int_eq(fstat(records.fd, &stat), 0);
	return (size_t) stat.st_blocks * 512;
}

START_TEST(a_record_is_at_most_64_bytes)
{
	ck_assert_uint_le(sizeof(struct connection), 64);
}
END_TEST

START_TEST(records_lie_on_cache_lines)
{
	ck_assert_uint_eq((uintptr_t) records.connections % 64, 0);
	ck_assert_uint_eq(sizeof(struct connection) % 64, 0);
}
END_TEST

START_TEST(nothing_is_in_use_before_it_is_written_to)
{
	ck_assert_uint_eq(bytes_in_use(), 0);
}
END_TEST

START_TEST(records_and_timers_begin_as_zeros)
{
	static const struct connection none;
	static const struct timer stopped;

	for (unsigned i = 0; i < SLOTS; i++) {
		ck_assert_mem_eq(&records.connections[i], &none, sizeof none);
		ck_assert_mem_eq(&records.timers[i], &stopped, sizeof stopped);
	}
}
END_TEST

static void fill_spill(uint32_t slot, int byte)
{
	memset(records_spilled_input(&records, slot), byte, RECORDS_INPUT_MAX);
	memset(records_spilled_output(&records, slot), byte, RECORDS_OUTPUT_MAX);
}

static void is_spilled(uint32_t slot, int byte)
{
	const char *input = records_spilled_input(&records, slot);
	const char *output = records_spilled_output(&records, slot);

	ck_assert_int_eq(input[0], byte);
	ck_assert_mem_eq(input, input + 1, RECORDS_INPUT_MAX - 1);
	ck_assert_int_eq(output[0], byte);
	ck_assert_mem_eq(output, output + 1, RECORDS_OUTPUT_MAX - 1);
}

START_TEST(every_place_can_be_filled_without_touching_another)
{
	memset(records.connections, 1, SLOTS * sizeof *records.connections);
	memset(records.timers, 2, SLOTS * sizeof *records.timers);
	memset(records.input, 3, RECORDS_INPUT_MAX);
	memset(records.output, 4, RECORDS_OUTPUT_MAX);
	for (uint32_t slot = 0; slot < SLOTS; slot += SLOTS - 1)
		fill_spill(slot, 5 + (int) slot);
	ck_assert_int_eq(((char *) records.connections)[SLOTS * sizeof *records.connections - 1], 1);
	ck_assert_int_eq(((char *) records.timers)[SLOTS * sizeof *records.timers - 1], 2);
	ck_assert_int_eq(records.input[RECORDS_INPUT_MAX - 1], 3);
	ck_assert_int_eq(records.output[RECORDS_OUTPUT_MAX - 1], 4);
	is_spilled(0, 5);
	is_spilled(SLOTS - 1, 5 + SLOTS - 1);
}
END_TEST

START_TEST(a_spill_is_given_back_whole_and_alone)
{
	fill_spill(1, 'a');
	fill_spill(2, 'b');
	fill_spill(3, 'c');
	ck_assert_uint_eq(bytes_in_use(), 3 * SPILL_BYTES);
	records_free_spill(&records, 2);
	ck_assert_uint_eq(bytes_in_use(), 2 * SPILL_BYTES);
	is_spilled(1, 'a');
	is_spilled(3, 'c');
}
END_TEST

START_TEST(a_spill_that_was_given_back_is_zeros)
{
	fill_spill(SLOTS - 1, 'a');
	records_free_spill(&records, SLOTS - 1);
	is_spilled(SLOTS - 1, 0);
}
END_TEST

START_TEST(what_is_trimmed_is_given_back_and_no_record_before_it)
{
	enum { MANY = 5000, STAY = 3 };
	struct records many;
	struct stat stat;

	ck_assert_int_eq(records_init(&many, MANY), 0);
	memset(many.connections, 1, MANY * sizeof *many.connections);
	memset(many.timers, 2, MANY * sizeof *many.timers);
	memset(many.input, 3, RECORDS_INPUT_MAX);
	memset(many.output, 4, RECORDS_OUTPUT_MAX);
	*records_spilled_input(&many, 0) = 5;
	records_trim(&many, STAY);
	ck_assert_int_eq(fstat(many.fd, &stat), 0);
	ck_assert_uint_eq((size_t) stat.st_blocks * 512, 3 * (size_t) sysconf(_SC_PAGESIZE));
	ck_assert_int_eq(((char *) &many.connections[STAY])[-1], 1);
	ck_assert_int_eq(((char *) &many.timers[STAY])[-1], 2);
	ck_assert_int_eq(*records_spilled_input(&many, 0), 5);
	records_deinit(&many);
}
END_TEST

START_TEST(one_byte_costs_one_page)
{
	*records_spilled_output(&records, 7) = 'a';
	ck_assert_uint_le(bytes_in_use(), (size_t) sysconf(_SC_PAGESIZE));
	records_free_spill(&records, 7);
	ck_assert_uint_eq(bytes_in_use(), 0);
}
END_TEST

START_TEST(a_mapping_that_cannot_be_made_is_an_error_and_leaves_nothing_open)
{
	struct records none;
	struct rlimit limit, small;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	small = limit;
	small.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	r = records_init(&none, SLOTS);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(r, -EMFILE);
	records_deinit(&none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("records");
	TCase *tests = tcase_create("records");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_record_is_at_most_64_bytes);
	tcase_add_test(tests, records_lie_on_cache_lines);
	tcase_add_test(tests, nothing_is_in_use_before_it_is_written_to);
	tcase_add_test(tests, records_and_timers_begin_as_zeros);
	tcase_add_test(tests, every_place_can_be_filled_without_touching_another);
	tcase_add_test(tests, a_spill_is_given_back_whole_and_alone);
	tcase_add_test(tests, a_spill_that_was_given_back_is_zeros);
	tcase_add_test(tests, what_is_trimmed_is_given_back_and_no_record_before_it);
	tcase_add_test(tests, one_byte_costs_one_page);
	tcase_add_test(tests, a_mapping_that_cannot_be_made_is_an_error_and_leaves_nothing_open);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
