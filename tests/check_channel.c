/* SPDX-License-Identifier: MIT */
/*
 * The channel on one thread, where everything can be looked at, and on two, where it can only be tried hard: a small
 * ring makes both ends sleep all the time.  Worth running under a thread sanitizer.
 */
#undef NDEBUG
#include "core/channel.h"

#include "fixture.h"

#include <pthread.h>

enum { CAPACITY = 8, MILLION = 1000000 };

static struct {
	struct channel channel;
	uint64_t put, taken;		/* numbers that serve as ids */
	uint64_t events;		/* how many the producer's thread puts */
} f;

static void setup(void)
{
	f.put = f.taken = 0;
	f.events = MILLION;
	ck_assert_int_eq(channel_init(&f.channel, CAPACITY, false), 0);
}

static void setup_threaded(void)
{
	f.put = f.taken = 0;
	f.events = MILLION;
	ck_assert_int_eq(channel_init(&f.channel, CAPACITY, true), 0);
}

static void teardown(void)
{
	channel_deinit(&f.channel);
	channel_deinit(&f.channel);	/* twice is fine */
}

/* Puts what is contiguous, n at the most; returns how many there was room for. */
static uint32_t put(uint32_t n)
{
	uint32_t room;
	struct event *at = channel_reserve(&f.channel, &room);

	ck_assert((at == NULL) == (room == 0));
	if (n > room)
		n = room;
	for (uint32_t i = 0; i < n; i++)
		at[i] = (struct event) { .id = ++f.put, .ready = (uint32_t) f.put };
	channel_commit(&f.channel, n);
	return n;
}

static void assert_take(uint32_t n)
{
	struct event event;

	while (n-- > 0) {
		ck_assert(channel_take(&f.channel, &event));
		ck_assert_uint_eq(event.id, ++f.taken);
		ck_assert_uint_eq(event.ready, (uint32_t) event.id);
	}
}

static void assert_empty(void)
{
	struct event event = { .id = 12345 };

	ck_assert(!channel_take(&f.channel, &event));
	ck_assert_uint_eq(event.id, 12345);
	ck_assert_uint_eq(channel_length(&f.channel), 0);
}

START_TEST(only_a_power_of_two_is_a_capacity)
{
	static const struct { uint32_t capacity; int result; } cases[] = {
		{ 0, -EINVAL }, { 3, -EINVAL }, { 1000, -EINVAL }, { UINT32_MAX, -EINVAL },
		{ 1, 0 }, { 2, 0 }, { 1024, 0 },
	};
	struct channel channel;

	ck_assert_int_eq(channel_init(&channel, cases[_i].capacity, false), cases[_i].result);
	if (cases[_i].result == 0)
		channel_deinit(&channel);
}
END_TEST

START_TEST(a_new_channel_is_empty)
{
	assert_empty();
	ck_assert(!channel_closed(&f.channel));
}
END_TEST

START_TEST(events_come_out_in_the_order_they_were_put)
{
	ck_assert_uint_eq(put(3), 3);
	ck_assert_uint_eq(channel_length(&f.channel), 3);
	assert_take(2);
	ck_assert_uint_eq(put(2), 2);
	assert_take(3);
	assert_empty();
}
END_TEST

START_TEST(what_was_not_committed_is_not_there)
{
	uint32_t room;

	channel_reserve(&f.channel, &room)->id = 1;
	assert_empty();
	channel_commit(&f.channel, 0);
	assert_empty();
}
END_TEST

START_TEST(a_full_channel_has_no_room_until_something_is_taken)
{
	uint32_t room = 12345;

	ck_assert_uint_eq(put(CAPACITY), CAPACITY);
	ck_assert_ptr_null(channel_reserve(&f.channel, &room));
	ck_assert_uint_eq(room, 0);
	assert_take(1);
	ck_assert_uint_eq(put(CAPACITY), 1);
	assert_take(CAPACITY);
	assert_empty();
}
END_TEST

/* The poller writes straight into the ring, so room must not reach over its end. */
START_TEST(room_is_contiguous)
{
	uint32_t room;

	ck_assert_uint_eq(put(5), 5);
	assert_take(5);
	ck_assert_ptr_eq(channel_reserve(&f.channel, &room), &f.channel.at[5]);
	ck_assert_uint_eq(room, 3);
	ck_assert_uint_eq(put(CAPACITY), 3);
	ck_assert_ptr_eq(channel_reserve(&f.channel, &room), &f.channel.at[0]);
	ck_assert_uint_eq(room, 5);
	ck_assert_uint_eq(put(CAPACITY), 5);
	assert_take(CAPACITY);
}
END_TEST

START_TEST(a_channel_of_one_works)
{
	channel_deinit(&f.channel);
	ck_assert_int_eq(channel_init(&f.channel, 1, false), 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(put(2), 1);
		ck_assert_uint_eq(put(2), 0);
		assert_take(1);
		assert_empty();
	}
}
END_TEST

START_TEST(every_place_of_the_ring_can_be_first_and_last)
{
	for (int i = 0; i < 1000; i++) {
		uint32_t n = 1 + (uint32_t) i * 5 % CAPACITY;
		uint32_t done = put(n);

		done += put(n - done);
		ck_assert_uint_eq(done, n);
		assert_take(n);
		assert_empty();
	}
}
END_TEST

/* After 2^32 events the counters start over, and nobody may notice. */
START_TEST(the_counters_may_wrap_around)
{
	atomic_store(&f.channel.head, UINT32_MAX - 2);
	atomic_store(&f.channel.tail, UINT32_MAX - 2);
	for (int i = 0; i < 4; i++) {
		uint32_t n = put(CAPACITY);

		n += put(CAPACITY - n);
		ck_assert_uint_eq(n, CAPACITY);
		ck_assert_uint_eq(channel_length(&f.channel), CAPACITY);
		ck_assert_uint_eq(put(1), 0);
		assert_take(CAPACITY);
		assert_empty();
	}
}
END_TEST

START_TEST(what_was_put_before_the_close_can_still_be_taken)
{
	ck_assert_uint_eq(put(3), 3);
	channel_close(&f.channel);
	ck_assert(channel_closed(&f.channel));
	assert_take(3);
	assert_empty();
}
END_TEST

START_TEST(a_wait_for_what_is_there_already_returns)
{
	ck_assert(channel_wait_room(&f.channel));
	ck_assert_uint_eq(put(1), 1);
	channel_wait_events(&f.channel);
	assert_take(1);
	assert_empty();
}
END_TEST

START_TEST(nobody_waits_on_a_closed_channel)
{
	ck_assert_uint_eq(put(CAPACITY), CAPACITY);
	channel_close(&f.channel);
	ck_assert(!channel_wait_room(&f.channel));
	assert_take(CAPACITY);
	channel_wait_events(&f.channel);
	ck_assert(!channel_wait_room(&f.channel));	/* also when there is room */
}
END_TEST

static void *wait_for_room(void *arg)
{
	return channel_wait_room(&f.channel) ? arg : NULL;
}

static void *wait_for_events(void *arg)
{
	(void) arg;
	channel_wait_events(&f.channel);
	return NULL;
}

/* Until the other end has said that it sleeps: a condition, not a time. */
static void until(_Atomic bool *sleeps)
{
	while (!atomic_load(sleeps))
		(void) sched_yield();
}

START_TEST(closing_wakes_a_producer_that_waits_for_room)
{
	pthread_t thread;
	void *result = &f;

	ck_assert_uint_eq(put(CAPACITY), CAPACITY);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_room, &f), 0);
	until(&f.channel.producer_sleeps);
	channel_close(&f.channel);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_null(result);
}
END_TEST

/* Not at the first event taken: it would go back to sleep after putting one. */
START_TEST(a_producer_that_found_no_room_is_woken_when_half_is_free)
{
	pthread_t thread;
	void *result = NULL;

	ck_assert_uint_eq(put(CAPACITY), CAPACITY);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_room, &f), 0);
	until(&f.channel.producer_sleeps);
	assert_take(CAPACITY / 2 - 1);
	ck_assert(atomic_load(&f.channel.producer_sleeps));
	assert_take(1);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, &f);
}
END_TEST

START_TEST(closing_wakes_a_consumer_that_waits_for_events)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_events, NULL), 0);
	until(&f.channel.consumer_sleeps);
	channel_close(&f.channel);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(committing_wakes_a_consumer_that_waits_for_events)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_events, NULL), 0);
	until(&f.channel.consumer_sleeps);
	ck_assert_uint_eq(put(1), 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	assert_take(1);
}
END_TEST

static void *produce(void *arg)
{
	uint32_t burst = 1;

	(void) arg;
	while (f.put < f.events && channel_wait_room(&f.channel)) {
		uint64_t left = f.events - f.put;

		(void) put(left < burst ? (uint32_t) left : burst);
		burst = burst % f.channel.capacity + 1;
	}
	channel_close(&f.channel);
	return NULL;
}

/* The smaller the ring, the more often both ends sleep; in a ring of one they do nothing else. */
START_TEST(a_million_events_pass_between_two_threads_in_order)
{
	static const struct { uint32_t capacity; uint64_t events; } cases[] = {
		{ 1, MILLION / 20 }, { 2, MILLION / 10 }, { 64, MILLION }, { 1024, MILLION },
	};
	pthread_t thread;
	struct event event;

	channel_deinit(&f.channel);
	ck_assert_int_eq(channel_init(&f.channel, cases[_i].capacity, true), 0);
	f.events = cases[_i].events;
	ck_assert_int_eq(pthread_create(&thread, NULL, produce, NULL), 0);
	while (f.taken < f.events) {
		channel_wait_events(&f.channel);
		while (channel_take(&f.channel, &event)) {
			ck_assert(event.id == f.taken + 1 && event.ready == (uint32_t) event.id);
			f.taken++;
		}
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	assert_empty();
}
END_TEST

static void *take_until_closed(void *arg)
{
	struct event event;

	(void) arg;
	while (!channel_closed(&f.channel)) {
		channel_wait_events(&f.channel);
		while (channel_take(&f.channel, &event))
			f.taken++;
	}
	while (channel_take(&f.channel, &event))
		f.taken++;
	return NULL;
}

/* A third thread closes; whatever was committed is taken, and both ends come home. */
START_TEST(closing_in_the_middle_loses_nothing_and_ends_both)
{
	pthread_t producer, consumer;

	ck_assert_int_eq(pthread_create(&consumer, NULL, take_until_closed, NULL), 0);
	ck_assert_int_eq(pthread_create(&producer, NULL, produce, NULL), 0);
	while (atomic_load(&f.channel.head) < 1000)
		(void) sched_yield();
	channel_close(&f.channel);
	ck_assert_int_eq(pthread_join(producer, NULL), 0);
	ck_assert_int_eq(pthread_join(consumer, NULL), 0);
	while (f.taken < f.put)		/* what was committed after the consumer had looked for the last time */
		assert_take(1);
	assert_empty();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tests = tcase_create("one thread");
	TCase *threads = tcase_create("two threads");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, only_a_power_of_two_is_a_capacity, 0, 7);
	tcase_add_test(tests, a_new_channel_is_empty);
	tcase_add_test(tests, events_come_out_in_the_order_they_were_put);
	tcase_add_test(tests, what_was_not_committed_is_not_there);
	tcase_add_test(tests, a_full_channel_has_no_room_until_something_is_taken);
	tcase_add_test(tests, room_is_contiguous);
	tcase_add_test(tests, a_channel_of_one_works);
	tcase_add_test(tests, every_place_of_the_ring_can_be_first_and_last);
	tcase_add_test(tests, the_counters_may_wrap_around);
	tcase_add_test(tests, what_was_put_before_the_close_can_still_be_taken);
	suite_add_tcase(suite, tests);

	tcase_set_timeout(threads, HANG_GUARD_S);
	tcase_add_checked_fixture(threads, setup_threaded, teardown);
	tcase_add_test(threads, a_wait_for_what_is_there_already_returns);
	tcase_add_test(threads, nobody_waits_on_a_closed_channel);
	tcase_add_test(threads, closing_wakes_a_producer_that_waits_for_room);
	tcase_add_test(threads, a_producer_that_found_no_room_is_woken_when_half_is_free);
	tcase_add_test(threads, closing_wakes_a_consumer_that_waits_for_events);
	tcase_add_test(threads, committing_wakes_a_consumer_that_waits_for_events);
	tcase_add_loop_test(threads, a_million_events_pass_between_two_threads_in_order, 0, 4);
	tcase_add_test(threads, closing_in_the_middle_loses_nothing_and_ends_both);
	suite_add_tcase(suite, threads);
	return run_suite(suite);
}
