/* SPDX-License-Identifier: MIT */
/* What a configuration can take: which of its settings count, and how often.  That no server takes more: check_server. */
#undef NDEBUG
#include "daemon/memory.h"

#include "fixture.h"
#include "http/server.h"

#include <string.h>

enum { MIB = 1024 * 1024 };

static struct memory memory_with(const char *const *overrides, size_t n)
{
	struct conf_source source = { .overrides = overrides, .n_overrides = n };
	struct conf_errors errors = { 0 };
	struct memory memory;
	struct conf *conf;

	ck_assert_int_eq(conf_load(&conf, &source, &errors), 0);
	ck_assert_int_eq(memory_of(&memory, conf), 0);
	conf_free(conf);
	return memory;
}

#define MEMORY(...) \
	memory_with((const char *const []) { __VA_ARGS__ }, sizeof (const char *[]) { __VA_ARGS__ } / sizeof(char *))

START_TEST(each_connection_has_its_record_and_at_most_a_spill)
{
	struct memory one = MEMORY("server.workers=1", "limits.max_connections=1");
	struct memory many = MEMORY("server.workers=1", "limits.max_connections=10001");
	struct http_limits limits = { .max_request_line = 8 << 10, .max_header = 32 << 10 };
	size_t each = CONNECTION_IDLE_BYTES + connection_spill_bytes(&limits);

	ck_assert_uint_eq(many.idle - one.idle, 10000 * CONNECTION_IDLE_BYTES);
	ck_assert_uint_ge(many.most - one.most, 10000 * each - MIB);	/* tables are rounded to pages */
	ck_assert_uint_le(many.most - one.most, 10000 * each + MIB);
}
END_TEST

/* The connections are of all workers together; but each has a table with room for all. */
START_TEST(a_worker_more_has_a_table_and_buffers_and_no_connections_more)
{
	struct memory one = MEMORY("server.workers=1", "limits.max_connections=10000");
	struct memory two = MEMORY("server.workers=2", "limits.max_connections=10000");

	ck_assert_uint_ge(two.most - one.most, 10000 * CONNECTION_IDLE_BYTES + RECORDS_INPUT_MAX + SERVER_DISCARD_MAX);
	ck_assert_uint_lt(two.most - one.most, 10 * MIB);
	ck_assert_uint_lt(two.idle - one.idle, 2 * MIB);
}
END_TEST

START_TEST(what_a_client_may_send_counts_for_each_connection)
{
	struct memory small = MEMORY("limits.max_connections=100", "limits.max_request_line=8K", "limits.max_header=32K");
	struct memory large = MEMORY("limits.max_connections=100", "limits.max_request_line=64K", "limits.max_header=256K");

	ck_assert_uint_eq(large.most - small.most, 100 * (64 + 256 - 8 - 32) * 1024);
	ck_assert_uint_eq(large.idle, small.idle);
}
END_TEST

/* While one is loaded it is in a configuration and two snapshots. */
START_TEST(a_page_counts_three_times_whichever_listener_it_is_for)
{
	static char body[MIB + 64], named[MIB + 64];
	struct memory plain = MEMORY("response.status=200");
	size_t lines = 0;

	strcpy(body, "response.body=");
	for (lines = 0; lines < MIB / 1024; lines++) {
		memset(body + strlen(body), 'x', 1023);
		strcat(body, "\n");
	}
	strcpy(named, "listen admin.body=");
	strcat(named, strchr(body, '=') + 1);
	ck_assert_uint_ge(MEMORY(body).idle - plain.idle, 3 * MIB);
	ck_assert_uint_le(MEMORY(body).idle - plain.idle, 3 * MIB + MIB / 64);
	ck_assert_uint_ge(MEMORY(named).idle - plain.idle, 3 * MIB);
}
END_TEST

static const struct {
	uint64_t bytes;
	const char *text;
} texts[] = {
	{ 1, "0.1 KiB" },
	{ 1024, "1.0 KiB" },
	{ 1025, "1.1 KiB" },			/* never less than it is */
	{ 1000 * 1024, "1000.0 KiB" },
	{ 1000 * 1024 + 1, "1.0 MiB" },
	{ 5 * MIB + MIB / 2, "5.5 MiB" },
	{ 3ull << 30, "3.0 GiB" },
	{ 2000ull << 40, "2000.0 TiB" },
};

START_TEST(a_number_of_bytes_is_written_for_people_and_rounded_up)
{
	char text[MEMORY_TEXT_MAX];

	ck_assert_str_eq(memory_text(texts[_i].bytes, text), texts[_i].text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tests = tcase_create("memory");

	tcase_add_test(tests, each_connection_has_its_record_and_at_most_a_spill);
	tcase_add_test(tests, a_worker_more_has_a_table_and_buffers_and_no_connections_more);
	tcase_add_test(tests, what_a_client_may_send_counts_for_each_connection);
	tcase_add_test(tests, a_page_counts_three_times_whichever_listener_it_is_for);
	tcase_add_loop_test(tests, a_number_of_bytes_is_written_for_people_and_rounded_up, 0, sizeof texts / sizeof *texts);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
