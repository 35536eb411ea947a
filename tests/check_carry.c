/* SPDX-License-Identifier: MIT */
/*
 * Connections that go from one server to another, as their clients see it.  Both servers are in this process; the first
 * stands still from the moment that it gives.  Linked with -Wl,--wrap=clock_gettime: time passes when a test says so.
 */
#undef NDEBUG
#include "http/carry.h"

#include "core/cleanup.h"
#include "http/variables.h"
#include "http_fixture.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

enum { LONG_BODY = 12 << 20, DELAY_MS = 5000, MANY = 300 };

static const struct slice hello = { "hello\n", 6 };
static struct site from, to;
static struct site beside;			/* another worker of the first process; few open it */
static char *long_body;
static struct handover_taken taken;
static struct snapshot *older[4];
static size_t n_older;
static size_t carried_bytes;			/* of all connections */
static _Atomic uint64_t passed_ms;
static unsigned open_fds;
static const char *const *next_names;		/* of the second server */
static size_t n_next_names;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = __real_clock_gettime(clock, ret);

	if (r == 0 && clock == CLOCK_MONOTONIC)
		ret->tv_sec += (time_t) (atomic_load(&passed_ms) / 1000);
	return r;
}

static void setup(void)
{
	atomic_store(&passed_ms, 0);
	n_older = 0;
	n_next_names = 0;
	open_fds = count_open_fds();
	long_body = make_pattern(LONG_BODY, 1);
}

static void end_frozen(struct site *site)
{
	if (!site->server)
		return;
	server_stop(site->server);
	server_thaw(site->server);
	(void) server_join(site->server);
	site->server = server_free(site->server);
	for (unsigned i = 0; i < site->n_snapshots; i++)
		snapshot_free(site->snapshots[i]);
	(void) close(site->listener);
	(void) close(site->answer_fd);
}

static void teardown(void)
{
	if (to.server)
		site_close(&to);
	for (size_t i = 0; i < n_older; i++)
		snapshot_free(older[i]);
	end_frozen(&from);
	end_frozen(&beside);
	free(long_body);
	ck_assert_uint_eq(count_open_fds(), open_fds);
}

static const struct http_field location = { { "Location", 8 }, { "${host}${target}", 16 } };

static const struct http_field id_field = { SLICE("X-Id"), SLICE("${request_id}") };

static struct snapshot *routes_of(uint64_t number, struct slice body)
{
	struct http_limits limits = generous_limits;
	struct snapshot *snapshot;
	struct route_setting routes[] = {
		{ .answer = answer_with(body) },
		{ .path = SLICE("/slow"), .delay_ms = DELAY_MS, .answer = answer_with(SLICE("slow")) },
		{ .path = SLICE("/long"), .answer = answer_with((struct slice) { long_body, LONG_BODY }) },
		{ .path = SLICE("/to/"), .prefix = true, .answer = { .status = 201, .fields = &location, .n_fields = 1 } },
		{ .name = 1, .path = SLICE("/whoami"), .answer = answer_with(SLICE("one")) },
		{ .name = 2, .path = SLICE("/whoami"), .answer = answer_with(SLICE("two")) },
		{ .path = SLICE("/id"), .answer = { .status = 202, .fields = &id_field, .n_fields = 1 } },
		{ .path = SLICE("/slow/id"), .delay_ms = DELAY_MS, .answer = { .status = 202, .fields = &id_field, .n_fields = 1 } },
	};

	for (size_t i = 0; i < 8; i++)
		routes[i].on = ROUTE_ALWAYS;
	limits.max_connections = MANY + 10;
	snapshot = make_routes(number, &limits, routes, 8);
	snapshot->access = ACCESS_ALL;
	return snapshot;
}

static const char *const names[] = { "http", "admin" };
static const char *const other_names[] = { "admin", "http" };

static void open_from_by_name(int way, uint8_t name)
{
	from = (struct site) { .open_fds = count_open_fds(), .name = name, .names = names, .n_names = 2 };
	site_open_snapshot(&from, way, routes_of(7, hello), MANY + 10);
}

static void open_from(int way)
{
	open_from_by_name(way, 0);
}

static void freeze(struct site *site)
{
	uint64_t question = server_freeze(site->server);

	WAIT_UNTIL(site, server_answered(site->server, question));
}

/* All that the first server has, and the one beside it, to a second one, which answers with another body. */
static void carry_over(int way, uint32_t layout)
{
	struct handover *handover;
	struct handover_item *items[MANY + 10];
	struct carry_arrivals arrivals = { .items = items, .layout = layout };
	uint64_t question;
	int fd;

	freeze(&from);
	if (beside.server)
		freeze(&beside);
	ck_assert_int_eq(handover_new(&handover, CARRY_LAYOUT), 0);
	ck_assert_int_eq(carry_snapshot(handover, from.snapshots[0]), 0);
	ck_assert_int_eq(carry_connections(handover, from.server), 0);
	if (beside.server)
		ck_assert_int_eq(carry_connections(handover, beside.server), 0);
	ck_assert_int_eq(handover_finish(handover, &fd), 0);
	handover_free(handover);

	ck_assert_int_eq(handover_take(&taken, fd), 0);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_uint_ge(taken.n, 1);
	ck_assert_uint_eq(taken.items[0].kind, CARRY_SNAPSHOT);
	ck_assert_int_eq(carry_take_snapshot(&older[n_older++], &taken.items[0]), 0);
	ck_assert_uint_eq(older[0]->number, 7);
	carried_bytes = 0;
	for (size_t i = 1; i < taken.n; i++) {
		items[arrivals.n++] = &taken.items[i];
		carried_bytes += taken.items[i].length;
	}
	arrivals.snapshots = (const struct snapshot **) older;
	arrivals.n_snapshots = n_older;

	to = (struct site) { .open_fds = count_open_fds(), .names = next_names, .n_names = n_next_names };
	site_open_snapshot(&to, way, routes_of(8, SLICE("second")), MANY + 10);
	question = carry_to(to.server, &arrivals);
	WAIT_UNTIL(&to, server_answered(to.server, question));
	if (layout == CARRY_LAYOUT)
		ck_assert_uint_eq(arrivals.taken, arrivals.n);
	to.open_fds = UINT_MAX;		/* counted at the end: descriptors of both are open */
	handover_taken_deinit(&taken);
}

START_TEST(idle_connections_go_on)
{
	static struct client clients[MANY];

	open_from(_i);
	for (int i = 0; i < MANY; i++) {
		client_open(&clients[i], &from);
		if (i % 3 == 0)
			continue;
		say(&clients[i], GET);
		hear_reply(&clients[i], 200, hello);
	}
	wait_for_standing(&from, MANY);
	carry_over(_i, CARRY_LAYOUT);
	ck_assert_uint_eq(atomic_load(&to.server->standing), MANY);
	for (int i = 0; i < MANY; i++) {
		say(&clients[i], GET);
		ck_assert(!hear_reply(&clients[i], 200, SLICE("second")).close);
		client_close(&clients[i]);
	}
	wait_for_standing(&to, 0);
}
END_TEST

/* In every place of it: what was read stays read, and is answered once. */
START_TEST(a_request_in_pieces_goes_on)
{
	static const char text[] = "PUT /to/x?y HTTP/1.1\r\nHost: there\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "5\r\n12345\r\n3;a=\"b\"\r\n123\r\n0\r\nT: u\r\n\r\n" GET;
	static struct client clients[sizeof text];

	open_from(_i);
	for (size_t i = 0; i < sizeof text; i++) {
		client_open(&clients[i], &from);
		say_bytes(&clients[i], text, i);
	}
	wait_for_standing(&from, sizeof text);
	turn_over(&from);
	turn_over(&from);
	carry_over(_i, CARRY_LAYOUT);
	for (size_t i = 0; i < sizeof text; i++) {
		struct reply reply;

		say_bytes(&clients[i], text + i, sizeof text - 1 - i);
		reply = hear_reply(&clients[i], 201, SLICE(""));
		ck_assert_msg(strncmp(field_of(&reply, "\r\nLocation: "), "there/to/x?y\r", 13) == 0, "%zu: %s", i, reply.head);
		hear_head(&clients[i], &reply);
		ck_assert_uint_eq(reply.status, 200);
		ck_assert_uint_eq(reply.length, 6);	/* of the first or of the second: it depends on the place */
		hear_bytes(&clients[i], i == sizeof text - 1 ? "hello\n" : "second", 6);
		client_close(&clients[i]);
	}
}
END_TEST

START_TEST(a_long_answer_is_finished_from_the_bytes_it_was_begun_with)
{
	struct client client;

	open_from(_i);
	client_open(&client, &from);
	say(&client, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	client_wait(&client, POLLIN);
	for (int i = 0; i < 100; i++)
		turn_over(&from);
	long_body[LONG_BODY - 1]++;		/* what the second serves is another page */
	carry_over(_i, CARRY_LAYOUT);
	long_body[LONG_BODY - 1]--;
	hear_reply(&client, 200, (struct slice) { long_body, LONG_BODY });
	hear_reply(&client, 200, SLICE("second"));
	WAIT_UNTIL(&to, atomic_load(&to.server->oldest_held) == 8);	/* and the page is let go */
	client_close(&client);
}
END_TEST

START_TEST(a_delayed_answer_comes_when_it_was_due)
{
	struct client client;

	open_from(_i);
	client_open(&client, &from);
	say(&client, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	wait_for_standing(&from, 1);
	turn_over(&from);
	turn_over(&from);
	atomic_store(&passed_ms, DELAY_MS / 2);
	carry_over(_i, CARRY_LAYOUT);
	ck_assert(is_quiet(&client));
	atomic_store(&passed_ms, DELAY_MS + 1000);
	turn_over(&to);
	hear_reply(&client, 200, SLICE("slow"));
	hear_reply(&client, 200, SLICE("second"));
	client_close(&client);
}
END_TEST

START_TEST(a_timeout_goes_on_from_where_it_was)
{
	struct client client, newer;

	open_from(_i);
	client_open(&client, &from);
	say(&client, "GET / HT");
	wait_for_standing(&from, 1);
	turn_over(&from);
	turn_over(&from);
	atomic_store(&passed_ms, PATIENCE_MS / 2);
	client_open(&newer, &from);
	say(&newer, "GET / HT");
	wait_for_standing(&from, 2);
	turn_over(&from);
	turn_over(&from);
	carry_over(_i, CARRY_LAYOUT);
	atomic_store(&passed_ms, PATIENCE_MS + 1000);
	turn_over(&to);
	hear_error(&client, 408);
	say(&newer, "TP/1.1\r\nHost: a\r\n\r\n");
	hear_reply(&newer, 200, SLICE("second"));
	client_close(&client);
	client_close(&newer);
}
END_TEST

static bool says_the_id_of(const struct reply *reply, const struct report *report)
{
	const char *said = field_of(reply, "\r\nX-Id: ");
	char id[64];

	(void) snprintf(id, sizeof id, "%016llx%016llx\r\n", (unsigned long long) report->request_id[0],
			(unsigned long long) report->request_id[1]);
	return said && strncmp(said, id, strlen(id)) == 0;
}

/* Each was the first of its worker, and asks the same as the others; bytes that nobody understands have no numbers. */
START_TEST(connections_of_two_workers_and_a_new_one_have_numbers_and_ids_of_their_own)
{
	static const struct slice get = SLICE("GET /id HTTP/1.1\r\nHost: a\r\n\r\n");
	struct client clients[3];
	struct report reports[3];
	int way = _i % WAYS;

	open_from(way);
	beside = (struct site) { .open_fds = count_open_fds(), .names = names, .n_names = 2 };
	site_open_snapshot(&beside, way, routes_of(7, hello), MANY + 10);
	client_open(&clients[0], &from);
	client_open(&clients[1], &beside);
	wait_for_standing(&from, 1);
	wait_for_standing(&beside, 1);
	carry_over(way, CARRY_LAYOUT + (uint32_t) (_i / WAYS));
	client_open(&clients[2], &to);
	for (int i = 0; i < 3; i++) {
		struct reply reply;

		say(&clients[i], get.at);
		reply = hear_reply(&clients[i], 202, SLICE(""));
		turn_over(&to);
		ck_assert(report_take(to.server->reports, &reports[i]));
		ck_assert(says_the_id_of(&reply, &reports[i]));
		for (int j = 0; j < i; j++) {
			ck_assert_mem_ne(reports[i].request_id, reports[j].request_id, sizeof reports[i].request_id);
			ck_assert_uint_ne(reports[i].connection, reports[j].connection);
		}
		client_close(&clients[i]);
	}
}
END_TEST

/* A request is read in part, or waits, and is answered and logged by the next server. */
static const struct { const char *before, *after, *method, *target; } halves[] = {
	{ "GET /slow/id HTTP/1.1\r\nHost: a\r\n\r\n", "", "GET", "/slow/id" },
	{ "PUT /id HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", "345", "PUT", "/id" },
	{ "PUT /id HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", "345\r\n0\r\n\r\n", "PUT", "/id" },
};

START_TEST(what_was_asked_before_is_logged_with_the_id_that_the_answer_says)
{
	struct report report;
	struct client client;
	struct reply reply;

	open_from(_i % WAYS);
	client_open(&client, &from);
	say(&client, halves[_i / WAYS].before);
	wait_for_standing(&from, 1);
	turn_over(&from);
	turn_over(&from);
	ck_assert(!report_take(from.server->reports, &report));
	carry_over(_i % WAYS, CARRY_LAYOUT);
	ck_assert_uint_lt(carried_bytes, 256);		/* no more than there is to be repeated */
	atomic_store(&passed_ms, DELAY_MS + 1000);
	turn_over(&to);
	say(&client, halves[_i / WAYS].after);
	reply = hear_reply(&client, 202, SLICE(""));
	turn_over(&to);
	ck_assert(report_take(to.server->reports, &report));
	ck_assert_uint_eq(report.status, 202);
	ck_assert_str_eq(report.method, halves[_i / WAYS].method);
	ck_assert_str_eq(report.target, halves[_i / WAYS].target);
	ck_assert(says_the_id_of(&reply, &report));
	client_close(&client);
}
END_TEST

#define WHOAMI "GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n"

/* The numbers are another process's: "admin" is 2 here and 1 there. */
START_TEST(who_came_by_a_listener_of_a_name_is_answered_by_that_name)
{
	struct client idle, busy;

	open_from_by_name(_i, 2);
	client_open(&idle, &from);
	client_open(&busy, &from);
	say(&idle, WHOAMI);
	hear_reply(&idle, 200, SLICE("two"));
	say_bytes(&busy, WHOAMI, 10);
	wait_for_standing(&from, 2);
	turn_over(&from);
	turn_over(&from);
	next_names = other_names;
	n_next_names = 2;
	carry_over(_i, CARRY_LAYOUT);
	say(&idle, WHOAMI);
	hear_reply(&idle, 200, SLICE("one"));
	say(&busy, &WHOAMI[10]);
	hear_reply(&busy, 200, SLICE("one"));
	client_close(&idle);
	client_close(&busy);
}
END_TEST

/* One name less, or bytes that nobody understands. */
static const struct {
	size_t n_names;
	uint32_t layout;
} without_name[] = { { 1, CARRY_LAYOUT }, { 2, CARRY_LAYOUT + 1 } };

START_TEST(of_a_name_that_is_gone_what_is_for_all_is_answered)
{
	static const char *const one_name[] = { "http", "other" };
	struct client client;

	open_from_by_name(WORKER_INLINE, 2);
	client_open(&client, &from);
	say(&client, WHOAMI);
	hear_reply(&client, 200, SLICE("two"));
	next_names = one_name;
	n_next_names = without_name[_i].n_names;
	carry_over(WORKER_INLINE, without_name[_i].layout);
	say(&client, WHOAMI);
	hear_reply(&client, 200, SLICE("second"));
	client_close(&client);
}
END_TEST

START_TEST(of_another_layout_only_idle_ones_are_taken)
{
	struct client idle, busy;

	open_from(_i);
	client_open(&idle, &from);
	client_open(&busy, &from);
	say(&idle, GET);
	hear_reply(&idle, 200, hello);
	say(&busy, "GET / HT");
	wait_for_standing(&from, 2);
	turn_over(&from);
	turn_over(&from);
	carry_over(_i, CARRY_LAYOUT + 1);
	ck_assert_uint_eq(atomic_load(&to.server->standing), 1);
	say(&idle, GET);
	hear_reply(&idle, 200, SLICE("second"));
	client_close(&idle);
	client_close(&busy);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("carry");
	TCase *tests = tcase_create("carry");

	tcase_set_timeout(tests, HANG_GUARD_S);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, idle_connections_go_on, 0, WAYS);
	tcase_add_loop_test(tests, a_request_in_pieces_goes_on, 0, WAYS);
	tcase_add_loop_test(tests, a_long_answer_is_finished_from_the_bytes_it_was_begun_with, 0, WAYS);
	tcase_add_loop_test(tests, a_delayed_answer_comes_when_it_was_due, 0, WAYS);
	tcase_add_loop_test(tests, a_timeout_goes_on_from_where_it_was, 0, WAYS);
	tcase_add_loop_test(tests, who_came_by_a_listener_of_a_name_is_answered_by_that_name, 0, WAYS);
	tcase_add_loop_test(tests, of_a_name_that_is_gone_what_is_for_all_is_answered, 0, 2);
	tcase_add_loop_test(tests, of_another_layout_only_idle_ones_are_taken, 0, WAYS);
	tcase_add_loop_test(tests, connections_of_two_workers_and_a_new_one_have_numbers_and_ids_of_their_own, 0, 2 * WAYS);
	tcase_add_loop_test(tests, what_was_asked_before_is_logged_with_the_id_that_the_answer_says, 0, 3 * WAYS);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
