/* SPDX-License-Identifier: MIT */
/* The ring between a worker and the log: order, what does not fit, and that nobody sleeps beside a record. */
#undef NDEBUG
#include "http/report.h"

#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { RECORDS = 100000 };

static struct report_ring ring;

static void set_up(void)
{
	memset(&ring, 0, sizeof ring);
	ring.wake_fd = open_eventfd(0);
}

static void tear_down(void)
{
	(void) close(ring.wake_fd);
}

static void put(uint64_t number)
{
	report_put(&ring, &(struct report) { .connection = number, .bytes = ~number, .target = "/x" });
}

/* The number of the next record, which is whole; UINT64_MAX: there is none. */
static uint64_t take(void)
{
	struct report report;

	if (!report_take(&ring, &report))
		return UINT64_MAX;
	ck_assert_uint_eq(report.bytes, ~report.connection);
	ck_assert_str_eq(report.target, "/x");
	return report.connection;
}

START_TEST(an_empty_ring_gives_nothing)
{
	ck_assert_uint_eq(take(), UINT64_MAX);
	ck_assert_uint_eq(report_take_dropped(&ring), 0);
}
END_TEST

START_TEST(records_come_out_in_the_order_they_were_put)
{
	put(1);
	put(2);
	ck_assert_uint_eq(take(), 1);
	put(3);
	ck_assert_uint_eq(take(), 2);
	ck_assert_uint_eq(take(), 3);
	ck_assert_uint_eq(take(), UINT64_MAX);
}
END_TEST

START_TEST(a_full_ring_drops_the_newest_and_counts_them)
{
	for (uint64_t i = 0; i < REPORT_RING_LENGTH + 3; i++)
		put(i);
	for (uint64_t i = 0; i < REPORT_RING_LENGTH; i++)
		ck_assert_uint_eq(take(), i);
	ck_assert_uint_eq(take(), UINT64_MAX);
	ck_assert_uint_eq(report_take_dropped(&ring), 3);
}
END_TEST

START_TEST(what_was_told_to_be_dropped_is_not_told_again)
{
	for (uint64_t i = 0; i < REPORT_RING_LENGTH + 3; i++)
		put(i);
	ck_assert_uint_eq(report_take_dropped(&ring), 3);
	ck_assert_uint_eq(report_take_dropped(&ring), 0);
	put(0);
	ck_assert_uint_eq(report_take_dropped(&ring), 1);
}
END_TEST

START_TEST(one_taken_makes_room_for_one)
{
	for (uint64_t i = 0; i < REPORT_RING_LENGTH; i++)
		put(i);
	ck_assert_uint_eq(take(), 0);
	put(REPORT_RING_LENGTH);
	for (uint64_t i = 1; i <= REPORT_RING_LENGTH; i++)
		ck_assert_uint_eq(take(), i);
	ck_assert_uint_eq(report_take_dropped(&ring), 0);
}
END_TEST

START_TEST(the_counters_go_on_where_32_bits_end)
{
	ring.head = ring.tail = UINT32_MAX - 1;
	for (uint64_t i = 0; i < REPORT_RING_LENGTH + 1; i++)
		put(i);
	for (uint64_t i = 0; i < REPORT_RING_LENGTH; i++)
		ck_assert_uint_eq(take(), i);
	ck_assert_uint_eq(take(), UINT64_MAX);
	ck_assert_uint_eq(report_take_dropped(&ring), 1);
}
END_TEST

START_TEST(what_was_left_out_is_counted_by_kind)
{
	report_suppress(&ring, REPORT_FULL);
	report_suppress(&ring, REPORT_FULL);
	report_suppress(&ring, REPORT_NO_DESCRIPTORS);
	ck_assert_uint_eq(report_take_suppressed(&ring, REPORT_FULL), 2);
	ck_assert_uint_eq(report_take_suppressed(&ring, REPORT_FULL), 0);
	ck_assert_uint_eq(report_take_suppressed(&ring, REPORT_NO_DESCRIPTORS), 1);
	ck_assert_uint_eq(take(), UINT64_MAX);
}
END_TEST

static uint64_t wakes(void)
{
	uint64_t count = 0;

	return read(ring.wake_fd, &count, sizeof count) == sizeof count ? count : 0;
}

START_TEST(a_reader_that_is_awake_is_not_woken)
{
	put(1);
	ck_assert_uint_eq(wakes(), 0);
}
END_TEST

START_TEST(a_sleeping_reader_is_woken_by_the_first_record_only)
{
	atomic_store(&ring.reader_sleeps, true);
	put(1);
	put(2);
	ck_assert_uint_eq(wakes(), 1);
	ck_assert(!atomic_load(&ring.reader_sleeps));
}
END_TEST

/* The last record waits for room, so that the reader knows when all were put. */
static void *put_all(void *arg)
{
	for (uint64_t i = 0; i < RECORDS; i++)
		put(i);
	while (atomic_load(&ring.head) - atomic_load(&ring.tail) == REPORT_RING_LENGTH)
		(void) sched_yield();
	put(RECORDS);
	return arg;
}

/* Raises the flag, looks once more, and waits: as the log does.  A wake-up that is lost is a hang, which the guard ends. */
static uint64_t sleep_and_take(void)
{
	struct pollfd wake = { .fd = ring.wake_fd, .events = POLLIN };
	uint64_t number;

	atomic_store_explicit(&ring.reader_sleeps, true, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	number = take();
	if (number == UINT64_MAX) {
		ck_assert_int_eq(poll(&wake, 1, -1), 1);
		(void) wakes();
	}
	atomic_store_explicit(&ring.reader_sleeps, false, memory_order_relaxed);
	return number;
}

START_TEST(two_threads_lose_nothing_but_what_is_counted)
{
	uint64_t taken = 0, next = 0;
	pthread_t producer;

	ck_assert_int_eq(pthread_create(&producer, NULL, put_all, NULL), 0);
	while (next <= RECORDS) {
		uint64_t number = take();

		if (number == UINT64_MAX)
			number = sleep_and_take();
		if (number == UINT64_MAX)
			continue;
		ck_assert_uint_ge(number, next);
		next = number + 1;
		taken++;
	}
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	ck_assert_uint_eq(take(), UINT64_MAX);
	ck_assert_uint_eq(taken + report_take_dropped(&ring), RECORDS + 1);
}
END_TEST

/* Each record is asked for by an eventfd, so the reader has always just gone to sleep, or is about to. */
static void *put_when_asked(void *arg)
{
	struct pollfd asked = { .fd = *(int *) arg, .events = POLLIN };
	uint64_t count;

	for (uint64_t i = 0; i < RECORDS / 10; i++) {
		ck_assert_int_eq(poll(&asked, 1, -1), 1);
		ck_assert_int_eq(read(asked.fd, &count, sizeof count), sizeof count);
		put(i);
	}
	return arg;
}

START_TEST(a_record_put_while_the_reader_falls_asleep_wakes_it)
{
	int ask_fd = open_eventfd(0);
	uint64_t one = 1;
	pthread_t producer;

	ck_assert_int_eq(pthread_create(&producer, NULL, put_when_asked, &ask_fd), 0);
	for (uint64_t i = 0; i < RECORDS / 10; i++) {
		uint64_t number = UINT64_MAX;

		ck_assert_int_eq(write(ask_fd, &one, sizeof one), sizeof one);
		while (number == UINT64_MAX)
			number = sleep_and_take();
		ck_assert_uint_eq(number, i);
	}
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	ck_assert_uint_eq(report_take_dropped(&ring), 0);
	(void) close(ask_fd);
}
END_TEST

/* --- peers ------------------------------------------------------------------------------------------------------- */

static int connect_to_self(int family)
{
	struct sockaddr_storage at = { .ss_family = (sa_family_t) family };
	socklen_t length = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET6)
		((struct sockaddr_in6 *) &at)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *) &at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &at, &length), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *) &at, length), 0);	/* TCP allows it: both ends are this one */
	return fd;
}

static void peer_begins(int fd, const char *expected)
{
	struct report report = { 0 };

	report_set_peer(&report, fd);
	ck_assert_int_eq(strncmp(report.peer, expected, strlen(expected)), 0);
	ck_assert_uint_eq(strlen(report.peer) > strlen(expected), *expected && strcmp(expected, "unix") != 0);
	(void) close(fd);
}

START_TEST(a_peer_is_told_by_its_address)
{
	int pair[2];

	peer_begins(connect_to_self(AF_INET), "127.0.0.1:");
	peer_begins(connect_to_self(AF_INET6), "[::1]:");
	open_pair(pair);
	peer_begins(pair[0], "unix");
	(void) close(pair[1]);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_not_told)
{
	peer_begins(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tcase = tcase_create("report");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, an_empty_ring_gives_nothing);
	tcase_add_test(tcase, records_come_out_in_the_order_they_were_put);
	tcase_add_test(tcase, a_full_ring_drops_the_newest_and_counts_them);
	tcase_add_test(tcase, what_was_told_to_be_dropped_is_not_told_again);
	tcase_add_test(tcase, one_taken_makes_room_for_one);
	tcase_add_test(tcase, the_counters_go_on_where_32_bits_end);
	tcase_add_test(tcase, what_was_left_out_is_counted_by_kind);
	tcase_add_test(tcase, a_reader_that_is_awake_is_not_woken);
	tcase_add_test(tcase, a_sleeping_reader_is_woken_by_the_first_record_only);
	tcase_add_test(tcase, two_threads_lose_nothing_but_what_is_counted);
	tcase_add_test(tcase, a_record_put_while_the_reader_falls_asleep_wakes_it);
	tcase_add_test(tcase, a_peer_is_told_by_its_address);
	tcase_add_test(tcase, a_peer_that_is_gone_is_not_told);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
