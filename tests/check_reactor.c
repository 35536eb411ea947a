/* SPDX-License-Identifier: MIT */
/*
 * The reactor between a real poller and a channel that a test empties.
 * Linked with -Wl,--wrap=epoll_wait -Wl,--wrap=epoll_ctl: how much was asked for is part of the contract.
 */
#undef NDEBUG
#include "core/reactor.h"

#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

enum { CAPACITY = 64, READY = 2000 };

static struct {
	struct poller poller;
	struct channel channel;
	struct reactor reactor;
	unsigned open_fds;
	int asked_for;			/* the last epoll_wait's max */
	int asked_timeout_ms;
	_Atomic unsigned waits;
	int wait_error, control_error;	/* errno that the calls fail with; 0: the real ones are called */
	int fds[READY];
	unsigned told[READY + 1];	/* by id */
} f;

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __real_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	f.asked_for = max;
	f.asked_timeout_ms = timeout_ms;
	atomic_fetch_add(&f.waits, 1);
	if (f.wait_error) {
		errno = f.wait_error;
		return -1;
	}
	return __real_epoll_wait(fd, events, max, timeout_ms);
}

int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
	if (f.control_error) {
		errno = f.control_error;
		return -1;
	}
	return __real_epoll_ctl(fd, operation, of, event);
}

static void start(bool threaded)
{
	memset(&f, 0, sizeof f);
	f.open_fds = count_open_fds();
	ck_assert_int_eq(poller_init(&f.poller), 0);
	ck_assert_int_eq(channel_init(&f.channel, CAPACITY, threaded), 0);
	ck_assert_int_eq(reactor_init(&f.reactor, &f.poller, &f.channel), 0);
}

static void setup(void)
{
	start(false);
}

static void setup_threaded(void)
{
	start(true);
}

static void teardown(void)
{
	reactor_deinit(&f.reactor);
	reactor_deinit(&f.reactor);	/* twice is fine */
	channel_deinit(&f.channel);
	poller_deinit(&f.poller);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

/* Ids begin with 1: 0 is the reactor's own. */
static void make_ready(unsigned n)
{
	raise_descriptor_limit();
	for (unsigned i = 0; i < n; i++) {
		f.fds[i] = open_eventfd(1);
		ck_assert_int_eq(poller_add(&f.poller, f.fds[i], POLLER_READ, POLLER_EDGE, i + 1), 0);
	}
}

static void close_ready(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(close(f.fds[i]), 0);
}

static unsigned take(unsigned n)
{
	struct event event;
	unsigned taken = 0;

	while (taken < n && channel_take(&f.channel, &event)) {
		f.told[event.id]++;
		taken++;
	}
	return taken;
}

START_TEST(what_is_ready_is_put_into_the_channel)
{
	struct event event;

	make_ready(1);
	ck_assert_int_eq(reactor_turn(&f.reactor, -1), 1);
	ck_assert(channel_take(&f.channel, &event));
	ck_assert_uint_eq(event.id, 1);
	ck_assert_uint_eq(event.ready, POLLER_READ);
	close_ready(1);
}
END_TEST

START_TEST(the_timeout_is_the_callers)
{
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), 0);
	ck_assert_int_eq(f.asked_timeout_ms, 0);
	ck_assert_int_eq(reactor_turn(&f.reactor, 1), 0);
	ck_assert_int_eq(f.asked_timeout_ms, 1);
}
END_TEST

START_TEST(it_asks_for_no_more_than_there_is_room_for)
{
	make_ready(CAPACITY);
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), CAPACITY);
	ck_assert_int_eq(f.asked_for, CAPACITY);
	ck_assert_uint_eq(take(10), 10);
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), 0);
	ck_assert_int_eq(f.asked_for, 10);
	close_ready(CAPACITY);
}
END_TEST

/* With -1 it would wait for ever, holding nothing and with nobody to take anything: this is the inline worker. */
START_TEST(with_a_full_channel_it_does_not_wait)
{
	make_ready(CAPACITY);
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), CAPACITY);
	atomic_store(&f.waits, 0);
	ck_assert_int_eq(reactor_turn(&f.reactor, -1), 0);
	ck_assert_uint_eq(atomic_load(&f.waits), 0);
	close_ready(CAPACITY);
}
END_TEST

/* Taken a few at a time, so that room is sometimes at the ring's end and sometimes all of it. */
START_TEST(what_does_not_fit_stays_in_the_kernel_and_comes_later)
{
	static const unsigned steps[] = { 1, 7, CAPACITY - 1, CAPACITY };
	unsigned sum = 0;
	int n;

	make_ready(READY);
	do {
		n = reactor_turn(&f.reactor, 0);
		ck_assert_int_ge(n, 0);
		ck_assert_uint_le(channel_length(&f.channel), CAPACITY);
		sum += take(steps[_i]);
	} while (n > 0 || channel_length(&f.channel) > 0);
	ck_assert_uint_eq(sum, READY);
	for (unsigned i = 1; i <= READY; i++)
		ck_assert_uint_eq(f.told[i], 1);
	close_ready(READY);
}
END_TEST

START_TEST(a_wait_that_fails_is_returned_and_puts_nothing)
{
	f.wait_error = EBADF;
	ck_assert_int_eq(reactor_turn(&f.reactor, -1), -EBADF);
	ck_assert_uint_eq(channel_length(&f.channel), 0);
	f.wait_error = EINTR;
	ck_assert_int_eq(reactor_turn(&f.reactor, -1), 0);
}
END_TEST

START_TEST(waking_puts_an_event_that_names_nothing)
{
	struct event event = { .id = 1 };

	for (int i = 0; i < 3; i++) {	/* nobody reads the eventfd, and still every wake-up counts */
		reactor_wake(&f.reactor);
		ck_assert_int_eq(reactor_turn(&f.reactor, -1), 1);
		ck_assert(channel_take(&f.channel, &event));
		ck_assert_uint_eq(event.id, 0);
	}
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), 0);
}
END_TEST

START_TEST(what_cannot_be_made_leaves_nothing_behind)
{
	struct reactor other;
	unsigned open_fds = count_open_fds();

	f.control_error = ENOMEM;
	ck_assert_int_eq(reactor_init(&other, &f.poller, &f.channel), -ENOMEM);
	ck_assert_uint_eq(count_open_fds(), open_fds);
	f.control_error = 0;
}
END_TEST

static void *run(void *arg)
{
	*(int *) arg = reactor_run(&f.reactor);
	return NULL;
}

START_TEST(a_running_reactor_ends_when_the_channel_is_closed_and_it_is_woken)
{
	pthread_t thread;
	int result = 1;

	ck_assert_int_eq(pthread_create(&thread, NULL, run, &result), 0);
	while (atomic_load(&f.waits) == 0)
		(void) sched_yield();
	channel_close(&f.channel);
	reactor_wake(&f.reactor);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(result, 0);
}
END_TEST

START_TEST(a_running_reactor_without_room_ends_when_the_channel_is_closed)
{
	pthread_t thread;
	int result = 1;

	make_ready(CAPACITY + 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, &result), 0);
	while (!atomic_load(&f.channel.producer_sleeps))
		(void) sched_yield();
	ck_assert_uint_eq(channel_length(&f.channel), CAPACITY);
	channel_close(&f.channel);
	reactor_wake(&f.reactor);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(result, 0);
	close_ready(CAPACITY + 1);
}
END_TEST

START_TEST(a_running_reactor_gives_everything_to_a_slow_consumer)
{
	pthread_t thread;
	unsigned sum = 0;
	int result = 1;

	make_ready(READY);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, &result), 0);
	while (sum < READY) {
		channel_wait_events(&f.channel);
		sum += take(1 + sum % 5);
		(void) sched_yield();
	}
	for (unsigned i = 1; i <= READY; i++)
		ck_assert_uint_eq(f.told[i], 1);
	channel_close(&f.channel);
	reactor_wake(&f.reactor);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close_ready(READY);
}
END_TEST

START_TEST(a_running_reactor_that_fails_closes_the_channel)
{
	pthread_t thread;
	int result = 1;

	f.wait_error = EBADF;
	ck_assert_int_eq(pthread_create(&thread, NULL, run, &result), 0);
	channel_wait_events(&f.channel);	/* would sleep for ever otherwise */
	ck_assert(channel_closed(&f.channel));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(result, -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reactor");
	TCase *tests = tcase_create("one thread");
	TCase *threads = tcase_create("a thread of its own");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_ready_is_put_into_the_channel);
	tcase_add_test(tests, the_timeout_is_the_callers);
	tcase_add_test(tests, it_asks_for_no_more_than_there_is_room_for);
	tcase_add_test(tests, with_a_full_channel_it_does_not_wait);
	tcase_add_loop_test(tests, what_does_not_fit_stays_in_the_kernel_and_comes_later, 0, 4);
	tcase_add_test(tests, a_wait_that_fails_is_returned_and_puts_nothing);
	tcase_add_test(tests, waking_puts_an_event_that_names_nothing);
	tcase_add_test(tests, what_cannot_be_made_leaves_nothing_behind);
	suite_add_tcase(suite, tests);

	tcase_set_timeout(threads, HANG_GUARD_S);
	tcase_add_checked_fixture(threads, setup_threaded, teardown);
	tcase_add_test(threads, a_running_reactor_ends_when_the_channel_is_closed_and_it_is_woken);
	tcase_add_test(threads, a_running_reactor_without_room_ends_when_the_channel_is_closed);
	tcase_add_test(threads, a_running_reactor_gives_everything_to_a_slow_consumer);
	tcase_add_test(threads, a_running_reactor_that_fails_closes_the_channel);
	suite_add_tcase(suite, threads);
	return run_suite(suite);
}
