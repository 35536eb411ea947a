/* SPDX-License-Identifier: MIT */
/*
 * The poller against the real epoll: what is promised here is what the layers above take for granted of the kernel.
 * Linked with -Wl,--wrap=epoll_wait, for what a wait can fail with.
 */
#undef NDEBUG
#include "core/poller.h"

#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>

enum { EVENTFDS = 1500 };

static struct {
	struct poller poller;
	int pair[2];
	unsigned open_fds;
	int wait_error;			/* errno that epoll_wait fails with; 0: the real one is called */
} f;

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	if (f.wait_error) {
		errno = f.wait_error;
		return -1;
	}
	return __real_epoll_wait(fd, events, max, timeout_ms);
}

static void setup(void)
{
	f.wait_error = 0;
	f.open_fds = count_open_fds();
	ck_assert_int_eq(poller_init(&f.poller), 0);
	open_pair(f.pair);
}

static void teardown(void)
{
	close_pair(f.pair);
	poller_deinit(&f.poller);
	poller_deinit(&f.poller);	/* twice is fine */
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

static struct event wait_for_one(void)
{
	struct event event = { 0 };

	ck_assert_int_eq(poller_wait(&f.poller, &event, 1, 0), 1);
	return event;
}

static void assert_silent(void)
{
	struct event event;

	ck_assert_int_eq(poller_wait(&f.poller, &event, 1, 0), 0);
}

START_TEST(an_event_carries_all_64_bits_of_the_id)
{
	struct event event;

	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 0xfedcba9876543210), 0);
	send_byte(f.pair[1]);
	event = wait_for_one();
	ck_assert_uint_eq(event.id, 0xfedcba9876543210);
	ck_assert_uint_eq(event.ready, POLLER_READ);
}
END_TEST

START_TEST(an_edge_is_told_once_for_every_change)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	send_byte(f.pair[1]);
	(void) wait_for_one();
	assert_silent();
	send_byte(f.pair[1]);
	(void) wait_for_one();
	assert_silent();
}
END_TEST

START_TEST(what_was_ready_before_it_was_added_is_told)
{
	send_byte(f.pair[1]);
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	(void) wait_for_one();
}
END_TEST

START_TEST(read_and_write_are_told_in_one_event)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ | POLLER_WRITE, POLLER_EDGE, 1), 0);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(wait_for_one().ready, POLLER_READ | POLLER_WRITE);
	assert_silent();
}
END_TEST

START_TEST(a_one_shot_is_silent_until_it_is_modified)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_ONCE, 1), 0);
	send_byte(f.pair[1]);
	(void) wait_for_one();
	send_byte(f.pair[1]);
	assert_silent();
	ck_assert_int_eq(poller_modify(&f.poller, f.pair[0], POLLER_READ, POLLER_ONCE, 2), 0);
	ck_assert_uint_eq(wait_for_one().id, 2);
	assert_silent();
}
END_TEST

/* RDHUP alone would use up the one event, and the wait for WRITE would never end. */
START_TEST(a_one_shot_that_wants_write_is_not_used_up_by_a_half_closed_peer)
{
	fill(f.pair[0]);
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_WRITE, POLLER_ONCE, 1), 0);
	ck_assert_int_eq(shutdown(f.pair[1], SHUT_WR), 0);
	assert_silent();
	(void) empty(f.pair[1]);
	ck_assert_uint_eq(wait_for_one().ready, POLLER_WRITE);
}
END_TEST

START_TEST(modifying_tells_again_what_is_ready)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	send_byte(f.pair[1]);
	(void) wait_for_one();
	ck_assert_int_eq(poller_modify(&f.poller, f.pair[0], POLLER_READ | POLLER_WRITE, POLLER_EDGE, 1), 0);
	ck_assert_uint_eq(wait_for_one().ready, POLLER_READ | POLLER_WRITE);
}
END_TEST

START_TEST(nothing_is_told_after_removal)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	send_byte(f.pair[1]);
	ck_assert_int_eq(poller_remove(&f.poller, f.pair[0]), 0);
	assert_silent();
}
END_TEST

START_TEST(a_half_closed_peer_is_told_as_read_and_rdhup)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	ck_assert_int_eq(shutdown(f.pair[1], SHUT_WR), 0);
	ck_assert_uint_eq(wait_for_one().ready, POLLER_READ | POLLER_RDHUP);
}
END_TEST

START_TEST(a_reset_is_told_as_error_without_being_asked_for)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger reset = { .l_onoff = 1 };
	socklen_t length = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int server;

	ck_assert_int_eq(bind(listener, (struct sockaddr *) &at, sizeof at), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &at, &length), 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *) &at, sizeof at), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);

	ck_assert_int_eq(poller_add(&f.poller, server, POLLER_READ, POLLER_EDGE, 1), 0);
	ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
	ck_assert_int_eq(close(client), 0);
	ck_assert_uint_ne(wait_for_one().ready & POLLER_ERROR, 0);

	ck_assert_int_eq(close(server), 0);
	ck_assert_int_eq(close(listener), 0);
}
END_TEST

START_TEST(an_exclusive_one_cannot_be_modified)
{
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE_EXCLUSIVE, 1), 0);
	ck_assert_int_eq(poller_modify(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE_EXCLUSIVE, 1), -EINVAL);
}
END_TEST

START_TEST(failures_are_negative_errno)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), 0);
	ck_assert_int_eq(poller_add(&f.poller, f.pair[0], POLLER_READ, POLLER_EDGE, 1), -EEXIST);
	ck_assert_int_eq(poller_modify(&f.poller, f.pair[1], POLLER_READ, POLLER_EDGE, 1), -ENOENT);
	ck_assert_int_eq(poller_remove(&f.poller, f.pair[1]), -ENOENT);
	ck_assert_int_eq(poller_add(&f.poller, fileno(file), POLLER_READ, POLLER_EDGE, 1), -EPERM);
	(void) fclose(file);
}
END_TEST

/* The other half comes with the next wait: nothing is lost in between. */
START_TEST(a_wait_takes_what_it_was_asked_for_and_1024_at_the_most)
{
	static const unsigned asked[] = { 1, 7, POLLER_WAIT_MAX, POLLER_WAIT_MAX + 1, 5000 };
	unsigned max = asked[_i], most = max < POLLER_WAIT_MAX ? max : POLLER_WAIT_MAX;
	static struct event events[5000];
	static int fds[EVENTFDS];
	unsigned told[EVENTFDS] = { 0 }, sum = 0;
	int n;

	raise_descriptor_limit();
	for (unsigned i = 0; i < EVENTFDS; i++) {
		fds[i] = open_eventfd(1);
		ck_assert_int_eq(poller_add(&f.poller, fds[i], POLLER_READ, POLLER_EDGE, i), 0);
	}
	while ((n = poller_wait(&f.poller, events, max, 0)) > 0) {
		ck_assert_uint_eq((unsigned) n, EVENTFDS - sum < most ? EVENTFDS - sum : most);
		for (int i = 0; i < n; i++)
			told[events[i].id]++;
		sum += (unsigned) n;
	}
	for (unsigned i = 0; i < EVENTFDS; i++) {
		ck_assert_uint_eq(told[i], 1);
		(void) close(fds[i]);
	}
}
END_TEST

START_TEST(a_signal_ends_a_wait_without_an_error)
{
	struct event event;

	f.wait_error = EINTR;
	ck_assert_int_eq(poller_wait(&f.poller, &event, 1, -1), 0);
}
END_TEST

START_TEST(a_wait_that_fails_says_why)
{
	struct event event;

	f.wait_error = EBADF;
	ck_assert_int_eq(poller_wait(&f.poller, &event, 1, -1), -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("poller");
	TCase *tests = tcase_create("poller");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_event_carries_all_64_bits_of_the_id);
	tcase_add_test(tests, an_edge_is_told_once_for_every_change);
	tcase_add_test(tests, what_was_ready_before_it_was_added_is_told);
	tcase_add_test(tests, read_and_write_are_told_in_one_event);
	tcase_add_test(tests, a_one_shot_is_silent_until_it_is_modified);
	tcase_add_test(tests, a_one_shot_that_wants_write_is_not_used_up_by_a_half_closed_peer);
	tcase_add_test(tests, modifying_tells_again_what_is_ready);
	tcase_add_test(tests, nothing_is_told_after_removal);
	tcase_add_test(tests, a_half_closed_peer_is_told_as_read_and_rdhup);
	tcase_add_test(tests, a_reset_is_told_as_error_without_being_asked_for);
	tcase_add_test(tests, an_exclusive_one_cannot_be_modified);
	tcase_add_test(tests, failures_are_negative_errno);
	tcase_add_loop_test(tests, a_wait_takes_what_it_was_asked_for_and_1024_at_the_most, 0, 5);
	tcase_add_test(tests, a_signal_ends_a_wait_without_an_error);
	tcase_add_test(tests, a_wait_that_fails_says_why);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
