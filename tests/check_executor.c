/* SPDX-License-Identifier: MIT */
/*
 * The executor with a real poller and channel below it, on one thread: turn() is what an inline worker does.  Events
 * can also be put into the channel by hand, for what would otherwise be a matter of luck.
 * Linked with -Wl,--wrap=epoll_ctl -Wl,--wrap=clock_gettime: the kernel's calls are counted, and time stands still
 * until a test moves it.
 */
#undef NDEBUG
#include "core/executor.h"
#include "core/reactor.h"

#include "fixture.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

enum { SLOTS = 8, CAPACITY = 16, RUNS_MAX = 64 };

struct run {
	interest_id id;
	uint32_t ready;
	void *arg;
};

static struct {
	struct poller poller;
	struct channel channel;
	struct reactor reactor;
	struct executor *ex;
	int a[2], b[2];			/* pairs; [0] is ours, [1] the peer's */
	interest_id id_a, id_b;
	unsigned open_fds;
	unsigned controls;		/* calls of epoll_ctl */
	uint64_t now_ms;		/* 0: the real clock */
	unsigned clock_reads;
	unsigned alarms;		/* calls of timerfd_settime */

	struct run runs[RUNS_MAX];	/* what note() was told, in order */
	unsigned n;
} f;

int __real_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	f.alarms++;
	return __real_timerfd_settime(fd, flags, value, old);
}

int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
	f.controls++;
	return __real_epoll_ctl(fd, operation, of, event);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	f.clock_reads++;
	if (f.now_ms == 0)
		return __real_clock_gettime(clock, now);
	now->tv_sec = (time_t) (f.now_ms / 1000);
	now->tv_nsec = (long) (f.now_ms % 1000) * 1000000;
	return 0;
}

static void note(void *arg, interest_id id, uint32_t ready)
{
	ck_assert_uint_lt(f.n, RUNS_MAX);
	f.runs[f.n++] = (struct run) { .id = id, .ready = ready, .arg = arg };
}

static void note_timer(void *arg, interest_id id)
{
	note(arg, id, 0);
}

static void setup(void)
{
	memset(&f, 0, sizeof f);
	f.now_ms = 1000000;
	f.open_fds = count_open_fds();
	ck_assert_int_eq(poller_init(&f.poller), 0);
	ck_assert_int_eq(channel_init(&f.channel, CAPACITY, false), 0);
	ck_assert_int_eq(reactor_init(&f.reactor, &f.poller, &f.channel), 0);
	ck_assert_int_eq(executor_new(&f.ex, &f.poller, &f.channel, SLOTS, NULL), 0);
	open_pair(f.a);
	open_pair(f.b);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], REGISTRY_STANDING, &f.id_a), 0);
	ck_assert_int_eq(executor_watch(f.ex, f.b[0], REGISTRY_STANDING, &f.id_b), 0);
	f.controls = f.clock_reads = 0;
}

static void teardown(void)
{
	f.now_ms = 0;
	close_pair(f.a);
	close_pair(f.b);
	ck_assert_ptr_null(executor_free(f.ex));
	reactor_deinit(&f.reactor);
	channel_deinit(&f.channel);
	poller_deinit(&f.poller);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

/* One round of an inline worker that does not wait; returns the number of callbacks. */
static int turn(void)
{
	ck_assert_int_ge(reactor_turn(&f.reactor, 0), 0);
	return executor_turn(f.ex);
}

/* An event that is in the channel already. */
static void put(interest_id id, uint32_t ready)
{
	uint32_t room;
	struct event *at = channel_reserve(&f.channel, &room);

	ck_assert_ptr_nonnull(at);
	*at = (struct event) { .id = id, .ready = ready };
	channel_commit(&f.channel, 1);
}

static void await_once(interest_id id, uint32_t what, executor_fn *fn)
{
	ck_assert_int_eq(executor_await_once(f.ex, id, what, fn, &f), 0);
}

static void await_keep(interest_id id, uint32_t what, executor_fn *fn)
{
	ck_assert_int_eq(executor_await_keep(f.ex, id, what, fn, &f), 0);
}

static void assert_ran(unsigned n, interest_id id, uint32_t ready)
{
	ck_assert_uint_lt(n, f.n);
	ck_assert_uint_eq(f.runs[n].id, id);
	ck_assert_uint_eq(f.runs[n].ready, ready);
	ck_assert_ptr_eq(f.runs[n].arg, &f);
}

/* --- once and keep ----------------------------------------------------------------------------------------------- */

START_TEST(a_callback_is_told_who_is_ready_for_what)
{
	await_once(f.id_b, POLLER_READ, note);
	send_byte(f.b[1]);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_b, POLLER_READ);
}
END_TEST

START_TEST(await_once_runs_once)
{
	await_once(f.id_a, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 0);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

START_TEST(await_keep_stays)
{
	await_keep(f.id_a, POLLER_READ, note);
	for (int i = 0; i < 3; i++) {
		send_byte(f.a[1]);
		ck_assert_int_eq(turn(), 1);
		ck_assert_int_eq(turn(), 0);
	}
}
END_TEST

static void note_and_await(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	await_once(id, POLLER_READ, note_and_await);
}

START_TEST(a_once_callback_may_await_itself_again)
{
	await_once(f.id_a, POLLER_READ, note_and_await);
	for (int i = 0; i < 3; i++) {
		send_byte(f.a[1]);
		ck_assert_int_eq(turn(), 1);
		ck_assert_int_eq(turn(), 0);
	}
}
END_TEST

START_TEST(awaiting_the_same_again_costs_no_call_of_the_kernel)
{
	await_once(f.id_a, POLLER_READ, note_and_await);
	ck_assert_uint_eq(f.controls, 1);
	for (int i = 0; i < 5; i++) {
		send_byte(f.a[1]);
		ck_assert_int_eq(turn(), 1);
	}
	ck_assert_uint_eq(f.controls, 1);
}
END_TEST

START_TEST(awaiting_replaces_what_was_awaited_before)
{
	await_keep(f.id_a, POLLER_READ, note_and_await);
	ck_assert_int_eq(executor_await_once(f.ex, f.id_a, POLLER_READ, note, &f.n), 0);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	ck_assert_ptr_eq(f.runs[0].arg, &f.n);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

START_TEST(events_run_in_the_order_of_the_channel)
{
	await_once(f.id_a, POLLER_READ, note);
	await_once(f.id_b, POLLER_READ, note);
	put(f.id_b, POLLER_READ);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 2);
	assert_ran(0, f.id_b, POLLER_READ);
	assert_ran(1, f.id_a, POLLER_READ);
}
END_TEST

START_TEST(read_and_write_can_be_awaited_at_the_same_time)
{
	await_once(f.id_a, POLLER_READ | POLLER_WRITE, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, POLLER_READ | POLLER_WRITE);
}
END_TEST

START_TEST(awaiting_for_an_interest_that_is_gone_says_so)
{
	executor_forget(f.ex, f.id_a);
	ck_assert_int_eq(executor_await_once(f.ex, f.id_a, POLLER_READ, note, &f), -ENOENT);
	ck_assert_int_eq(executor_await_keep(f.ex, f.id_a, POLLER_READ, note, &f), -ENOENT);
	ck_assert_uint_eq(f.controls, 0);
}
END_TEST

START_TEST(an_event_that_names_nothing_is_passed_over)
{
	put(0, POLLER_READ);
	put(f.id_a, POLLER_READ);		/* watched, never awaited */
	put(f.id_a + (UINT64_C(1) << 32), POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
}
END_TEST

/* --- forgetting -------------------------------------------------------------------------------------------------- */

static void forget_the_other(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_forget(f.ex, id == f.id_a ? f.id_b : f.id_a);
}

/* Both are ready in one turn; whichever runs first forgets the other. */
START_TEST(a_forgotten_interest_does_not_run_though_its_event_is_in_the_channel)
{
	await_once(f.id_a, POLLER_READ, forget_the_other);
	await_once(f.id_b, POLLER_READ, forget_the_other);
	send_byte(f.a[1]);
	send_byte(f.b[1]);
	ck_assert_int_eq(turn(), 1);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

static interest_id newcomer;

/* The other's slot, and the number of its descriptor, belong to somebody else before its event is taken. */
static void replace_the_other(void *arg, interest_id id, uint32_t ready)
{
	int fd = f.b[0];

	note(arg, id, ready);
	executor_forget(f.ex, f.id_b);
	close_pair(f.b);
	open_pair(f.b);
	ck_assert(f.b[0] == fd || f.b[1] == fd);
	ck_assert_int_eq(executor_watch(f.ex, fd, REGISTRY_STANDING, &newcomer), 0);
	ck_assert_uint_eq(interest_slot(newcomer), interest_slot(f.id_b));
	await_keep(newcomer, POLLER_READ, note);
}

START_TEST(a_newcomer_in_the_slot_is_not_told_what_was_meant_for_its_predecessor)
{
	await_once(f.id_a, POLLER_READ, replace_the_other);
	await_once(f.id_b, POLLER_READ, note);
	put(f.id_a, POLLER_READ);
	put(f.id_b, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	ck_assert_int_eq(turn(), 0);
	send_byte(f.b[0] == executor_fd(f.ex, newcomer) ? f.b[1] : f.b[0]);
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, newcomer, POLLER_READ);
}
END_TEST

static void forget_and_close(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_forget(f.ex, id);
	executor_forget(f.ex, id);	/* gone already is fine */
	close_pair(f.a);
}

START_TEST(a_callback_may_forget_itself_and_close_its_descriptor)
{
	await_keep(f.id_a, POLLER_READ, forget_and_close);
	put(f.id_a, POLLER_READ);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	ck_assert_int_eq(executor_fd(f.ex, f.id_a), -1);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

static void be_reborn(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_forget(f.ex, id);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], REGISTRY_STANDING, &newcomer), 0);
	ck_assert_uint_eq(interest_slot(newcomer), interest_slot(id));
	ck_assert_uint_ne(newcomer, id);
	await_once(newcomer, POLLER_READ, note);
}

START_TEST(a_callback_may_take_its_own_slot_for_a_new_interest)
{
	await_keep(f.id_a, POLLER_READ, be_reborn);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	ck_assert_int_eq(turn(), 1);	/* adding it told the kernel to look anew */
	assert_ran(1, newcomer, POLLER_READ);
}
END_TEST

static void watch_all_that_fits(void *arg, interest_id id, uint32_t ready)
{
	interest_id ids[SLOTS];
	int n = 0;

	note(arg, id, ready);
	while (executor_watch(f.ex, f.b[1], REGISTRY_STANDING, &ids[n]) == 0)
		n++;
	ck_assert_int_eq(n, SLOTS - 2);
	ck_assert_int_eq(executor_watch(f.ex, f.b[1], REGISTRY_STANDING, &ids[0]), -ENOSPC);
	while (n-- > 0)
		executor_forget(f.ex, ids[n]);
}

START_TEST(a_callback_may_watch_until_the_table_is_full)
{
	await_once(f.id_a, POLLER_READ, watch_all_that_fits);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
}
END_TEST

START_TEST(the_descriptor_of_an_interest_can_be_asked_for)
{
	ck_assert_int_eq(executor_fd(f.ex, f.id_a), f.a[0]);
	ck_assert_uint_eq(executor_id(f.ex, interest_slot(f.id_a)), f.id_a);
	executor_forget(f.ex, f.id_a);
	ck_assert_int_eq(executor_fd(f.ex, f.id_a), -1);
	ck_assert_uint_eq(executor_id(f.ex, interest_slot(f.id_a)), 0);
}
END_TEST

/* --- no edge is lost --------------------------------------------------------------------------------------------- */

START_TEST(an_event_that_is_not_awaited_is_kept_until_it_is)
{
	await_once(f.id_a, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 0);	/* the kernel tells this edge once */
	await_once(f.id_a, POLLER_READ, note);
	ck_assert(executor_is_busy(f.ex));
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, f.id_a, POLLER_READ);
	ck_assert_int_eq(turn(), 0);
}
END_TEST

START_TEST(what_comes_while_something_else_is_awaited_is_kept)
{
	await_once(f.id_a, POLLER_READ | POLLER_WRITE, note);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, POLLER_WRITE);
	fill(f.a[0]);
	await_once(f.id_a, POLLER_WRITE, note);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(1, f.id_a, POLLER_READ);
}
END_TEST

START_TEST(what_was_kept_is_told_together_with_what_comes)
{
	await_once(f.id_a, POLLER_WRITE, note);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_keep(f.id_a, POLLER_READ | POLLER_WRITE, note);
	put(f.id_a, POLLER_WRITE);
	ck_assert_int_eq(executor_turn(f.ex), 2);	/* the kept one first: it ran as again */
	assert_ran(0, f.id_a, POLLER_READ);
	assert_ran(1, f.id_a, POLLER_WRITE);
}
END_TEST

static void await_b_too(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	await_once(f.id_b, POLLER_READ, note);
}

/* b's edge was kept; a's callback awaits it, and in the same turn another event for b is delivered. */
START_TEST(a_once_callback_does_not_run_twice_for_what_was_kept)
{
	await_once(f.id_b, POLLER_WRITE, note);
	put(f.id_b, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, await_b_too);
	put(f.id_a, POLLER_READ);
	put(f.id_b, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 2);
	assert_ran(1, f.id_b, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

/* Who asked for it explicitly gets it, whatever came in between. */
START_TEST(again_runs_though_an_event_ran_the_callback_before)
{
	await_once(f.id_a, POLLER_WRITE, note);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);	/* joins the list for what was kept */
	executor_again(f.ex, f.id_a);		/* and is asked for */
	await_once(f.id_a, 0, note);		/* but awaits nothing any more */
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, f.id_a, 0);
}
END_TEST

START_TEST(one_that_stopped_awaiting_what_was_kept_is_not_run)
{
	await_once(f.id_a, POLLER_WRITE, note);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);
	await_once(f.id_a, POLLER_WRITE, note);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, f.id_a, POLLER_READ);
}
END_TEST

START_TEST(write_is_told_when_there_is_room_again)
{
	fill(f.a[0]);
	await_once(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(turn(), 0);
	await_once(f.id_a, POLLER_WRITE, note);
	ck_assert_int_eq(turn(), 0);
	(void) empty(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, POLLER_WRITE);
}
END_TEST

START_TEST(rdhup_is_told_with_every_event_after_it_was_seen)
{
	await_keep(f.id_a, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(shutdown(f.a[1], SHUT_WR), 0);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, POLLER_READ | POLLER_RDHUP);
	await_once(f.id_a, POLLER_WRITE, note);
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, f.id_a, POLLER_WRITE | POLLER_RDHUP);
	executor_again(f.ex, f.id_a);
	ck_assert_int_eq(turn(), 1);
	assert_ran(2, f.id_a, POLLER_RDHUP);
}
END_TEST

START_TEST(rdhup_that_nobody_awaited_is_told_later)
{
	await_once(f.id_a, POLLER_WRITE, note);
	put(f.id_a, POLLER_READ | POLLER_RDHUP);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, f.id_a, POLLER_READ | POLLER_RDHUP);
}
END_TEST

START_TEST(a_newcomer_does_not_inherit_rdhup)
{
	await_keep(f.id_a, POLLER_READ, note);
	put(f.id_a, POLLER_READ | POLLER_RDHUP);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	executor_forget(f.ex, f.id_a);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], REGISTRY_STANDING, &newcomer), 0);
	ck_assert_uint_eq(interest_slot(newcomer), interest_slot(f.id_a));
	await_keep(newcomer, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, newcomer, POLLER_READ);
}
END_TEST

START_TEST(an_error_reaches_an_interest_that_awaits_nothing)
{
	await_once(f.id_a, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);		/* its callback has run: nothing is awaited */
	ck_assert_int_eq(close(f.a[1]), 0);
	f.a[1] = -1;
	ck_assert_int_eq(turn(), 1);
	ck_assert_uint_ne(f.runs[1].ready & POLLER_ERROR, 0);
	ck_assert_int_eq(turn(), 0);		/* and does not spin */
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

START_TEST(an_error_reaches_an_interest_that_awaits_zero)
{
	await_keep(f.id_a, POLLER_READ, note);
	await_keep(f.id_a, 0, note);
	put(f.id_a, POLLER_READ | POLLER_ERROR);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, f.id_a, POLLER_ERROR);
	await_keep(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(1, f.id_a, POLLER_READ);
}
END_TEST

START_TEST(an_error_that_came_before_there_was_a_callback_is_told_to_the_first)
{
	put(f.id_a, POLLER_ERROR);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	await_once(f.id_a, POLLER_READ, note);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, f.id_a, POLLER_ERROR);
}
END_TEST

/* --- one-shot and shared ----------------------------------------------------------------------------------------- */

static interest_id watch_again(enum registry_kind kind)
{
	interest_id id;

	executor_forget(f.ex, f.id_a);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], kind, &id), 0);
	return id;
}

START_TEST(a_one_shot_is_silent_until_it_is_awaited_again)
{
	interest_id id = watch_again(REGISTRY_ONE_SHOT);

	await_once(id, POLLER_READ, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	send_byte(f.a[1]);
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), 0);	/* in the kernel, not only here */
	await_once(id, POLLER_READ, note);
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, id, POLLER_READ);
}
END_TEST

/* One-shot is level-triggered: a callback that did not read is told again when it awaits again. */
START_TEST(a_one_shot_that_did_not_read_is_told_again)
{
	interest_id id = watch_again(REGISTRY_ONE_SHOT);

	await_once(id, POLLER_READ, note_and_await);
	send_byte(f.a[1]);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(turn(), 1);
		assert_ran(i, id, POLLER_READ);
	}
}
END_TEST

START_TEST(a_one_shot_that_awaits_write_is_told_beside_a_half_closed_peer)
{
	interest_id id = watch_again(REGISTRY_ONE_SHOT);

	fill(f.a[0]);
	await_once(id, POLLER_WRITE, note);
	ck_assert_int_eq(shutdown(f.a[1], SHUT_WR), 0);
	ck_assert_int_eq(turn(), 0);
	(void) empty(f.a[1]);
	ck_assert_int_eq(turn(), 1);
	ck_assert_uint_eq(f.runs[0].ready & POLLER_WRITE, POLLER_WRITE);
}
END_TEST

START_TEST(awaiting_nothing_takes_a_shared_one_out_of_the_kernel)
{
	interest_id id = watch_again(REGISTRY_SHARED);

	await_keep(id, POLLER_READ, note);
	await_keep(id, 0, note);
	send_byte(f.a[1]);
	ck_assert_int_eq(reactor_turn(&f.reactor, 0), 0);
	await_keep(id, POLLER_READ, note);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, id, POLLER_READ);
}
END_TEST

START_TEST(a_refusal_of_the_kernel_reaches_who_awaits)
{
	int closed = dup(f.a[0]);
	interest_id id;

	ck_assert_int_eq(close(closed), 0);
	ck_assert_int_eq(executor_watch(f.ex, closed, REGISTRY_STANDING, &id), 0);
	ck_assert_int_eq(executor_await_once(f.ex, id, POLLER_READ, note, &f), -EBADF);
}
END_TEST

/* --- again ------------------------------------------------------------------------------------------------------- */

static void note_and_again(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_again(f.ex, id);
	executor_again(f.ex, id);	/* is on the list already */
}

START_TEST(again_runs_in_the_next_turn_and_that_turn_does_not_sleep)
{
	await_once(f.id_a, POLLER_READ, note_and_again);
	ck_assert(!executor_is_busy(f.ex));
	send_byte(f.a[1]);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(turn(), 1);
		ck_assert(executor_is_busy(f.ex));
	}
	assert_ran(0, f.id_a, POLLER_READ);
	assert_ran(3, f.id_a, 0);
}
END_TEST

START_TEST(those_that_run_again_take_turns)
{
	interest_id expected[] = { f.id_b, f.id_a, f.id_b, f.id_a };

	await_once(f.id_a, 0, note_and_again);
	await_once(f.id_b, 0, note_and_again);
	executor_again(f.ex, f.id_b);
	executor_again(f.ex, f.id_a);
	ck_assert_int_eq(turn(), 2);
	ck_assert_int_eq(turn(), 2);
	for (unsigned i = 0; i < 4; i++)
		assert_ran(i, expected[i], 0);
}
END_TEST

START_TEST(one_that_is_forgotten_while_it_waits_to_run_again_does_not_run)
{
	await_once(f.id_a, 0, note);
	await_once(f.id_b, 0, note);
	executor_again(f.ex, f.id_a);
	executor_again(f.ex, f.id_b);
	executor_forget(f.ex, f.id_a);
	executor_again(f.ex, f.id_a);
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_b, 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

/* Its slot holds the list together until the list has come by. */
START_TEST(a_slot_is_not_reused_while_it_waits_to_run_again)
{
	interest_id c, d;

	await_once(f.id_a, 0, note);
	await_once(f.id_b, 0, note);
	executor_again(f.ex, f.id_a);
	executor_again(f.ex, f.id_b);
	executor_forget(f.ex, f.id_a);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], REGISTRY_STANDING, &c), 0);
	ck_assert_uint_ne(interest_slot(c), interest_slot(f.id_a));
	await_once(c, 0, note);
	executor_again(f.ex, c);
	ck_assert_int_eq(turn(), 2);
	assert_ran(0, f.id_b, 0);
	assert_ran(1, c, 0);
	ck_assert_int_eq(executor_watch(f.ex, f.a[0], REGISTRY_STANDING, &d), 0);
	ck_assert_uint_eq(interest_slot(d), interest_slot(f.id_a));
}
END_TEST

static void forget_the_other_and_again(void *arg, interest_id id, uint32_t ready)
{
	forget_the_other(arg, id, ready);
	executor_again(f.ex, id);
}

START_TEST(one_that_runs_again_may_forget_the_next_on_the_list)
{
	await_once(f.id_a, 0, forget_the_other_and_again);
	await_once(f.id_b, 0, forget_the_other_and_again);
	executor_again(f.ex, f.id_a);
	executor_again(f.ex, f.id_b);
	ck_assert_int_eq(turn(), 1);
	ck_assert_int_eq(turn(), 1);
	assert_ran(1, f.id_a, 0);
}
END_TEST

START_TEST(again_without_a_callback_does_nothing)
{
	executor_again(f.ex, f.id_a);
	ck_assert_int_eq(turn(), 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

/* --- yield ------------------------------------------------------------------------------------------------------- */

enum { YIELDING = EXECUTOR_YIELDED_PER_TURN + 1 };

static interest_id yielding[YIELDING];		/* more than run in a turn */

static void let_many_yield(executor_fn *fn)
{
	for (int i = 0; i < YIELDING; i++) {
		ck_assert_int_eq(executor_watch(f.ex, -1, REGISTRY_STANDING, &yielding[i]), 0);
		await_keep(yielding[i], 0, fn);
		executor_yield(f.ex, yielding[i]);
	}
}

static void note_and_yield(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_yield(f.ex, id);
	executor_yield(f.ex, id);	/* does so already */
	executor_again(f.ex, id);	/* and is on a list */
}

START_TEST(some_of_those_that_yield_run_in_a_turn_behind_who_is_ready)
{
	let_many_yield(note);
	await_once(f.id_b, POLLER_READ, note);
	put(f.id_b, POLLER_READ);
	ck_assert(executor_is_busy(f.ex));
	ck_assert_int_eq(executor_turn(f.ex), 1 + EXECUTOR_YIELDED_PER_TURN);
	assert_ran(0, f.id_b, POLLER_READ);
	assert_ran(EXECUTOR_YIELDED_PER_TURN, yielding[EXECUTOR_YIELDED_PER_TURN - 1], 0);
	ck_assert(executor_is_busy(f.ex));
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(YIELDING, yielding[YIELDING - 1], 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

static void yield_and_await(void *arg, interest_id id, uint32_t ready)
{
	note(arg, id, ready);
	executor_yield(f.ex, id);
	await_keep(id, POLLER_READ, note);
}

START_TEST(what_is_pending_does_not_hurry_one_that_yields)
{
	let_many_yield(yield_and_await);
	for (int i = 0; i < YIELDING; i++)
		put(yielding[i], POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), EXECUTOR_YIELDED_PER_TURN);
	ck_assert_int_eq(executor_turn(f.ex), EXECUTOR_YIELDED_PER_TURN);
}
END_TEST

START_TEST(those_that_yield_take_turns)
{
	let_many_yield(note_and_yield);
	for (unsigned i = 0; i < YIELDING; i++)
		ck_assert_int_eq(executor_turn(f.ex), EXECUTOR_YIELDED_PER_TURN);
	for (unsigned i = 0; i < YIELDING * EXECUTOR_YIELDED_PER_TURN; i++)
		assert_ran(i, yielding[i % YIELDING], 0);
}
END_TEST

START_TEST(what_is_ready_for_one_that_yields_is_kept_until_it_runs)
{
	let_many_yield(note);
	await_keep(f.id_a, POLLER_READ, note);
	executor_yield(f.ex, f.id_a);
	put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), EXECUTOR_YIELDED_PER_TURN);
	ck_assert_int_eq(executor_turn(f.ex), 2);
	assert_ran(YIELDING, f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	put(f.id_a, POLLER_READ);	/* and from then on at once */
	ck_assert_int_eq(executor_turn(f.ex), 1);
}
END_TEST

START_TEST(the_slot_of_one_that_yields_and_is_forgotten_is_free_in_the_next_turn)
{
	interest_id next;

	let_many_yield(note);
	executor_forget(f.ex, yielding[YIELDING - 1]);
	ck_assert_int_eq(executor_turn(f.ex), EXECUTOR_YIELDED_PER_TURN);
	ck_assert_int_eq(executor_watch(f.ex, -1, REGISTRY_STANDING, &next), 0);
	ck_assert_uint_eq(interest_slot(next), interest_slot(yielding[YIELDING - 1]));
	ck_assert_int_eq(executor_turn(f.ex), 0);
	ck_assert(!executor_is_busy(f.ex));
	await_keep(next, 0, note);
	executor_yield(f.ex, next);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(EXECUTOR_YIELDED_PER_TURN, next, 0);
}
END_TEST

START_TEST(one_that_yields_and_is_forgotten_holds_nobody_up)
{
	let_many_yield(note);
	for (int i = 0; i < EXECUTOR_YIELDED_PER_TURN; i++)
		executor_forget(f.ex, yielding[i]);
	ck_assert_int_eq(executor_turn(f.ex), 1);
	assert_ran(0, yielding[YIELDING - 1], 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

/* --- timers ------------------------------------------------------------------------------------------------------ */

START_TEST(a_timer_runs_when_it_is_due)
{
	unsigned list = executor_add_timer_list(f.ex, 100, note_timer, &f);

	executor_start_timer(f.ex, f.id_a, list);
	f.now_ms += 99;
	ck_assert_int_eq(turn(), 0);
	f.now_ms++;
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, 0);
	ck_assert(!executor_is_busy(f.ex));
}
END_TEST

/* With the real clock: without the alarm the wait would be for ever. */
START_TEST(a_wait_ends_when_a_timer_is_due)
{
	unsigned list = executor_add_timer_list(f.ex, 5, note_timer, &f);
	uint64_t began_ms = f.now_ms;

	f.now_ms = 0;
	(void) executor_turn(f.ex);
	executor_start_timer(f.ex, f.id_a, list);
	ck_assert_int_eq(executor_turn(f.ex), 0);
	while (f.n == 0) {
		ck_assert(!executor_is_busy(f.ex));
		ck_assert_int_eq(reactor_turn(&f.reactor, -1), 1);
		(void) executor_turn(f.ex);
	}
	assert_ran(0, f.id_a, 0);
	f.now_ms = began_ms;	/* libcheck asks our clock how long a test took, and ends if that is more than it can count */
}
END_TEST

START_TEST(a_timer_that_begins_anew_sets_no_new_alarm)
{
	unsigned list = executor_add_timer_list(f.ex, 1000, note_timer, &f);
	unsigned sooner = executor_add_timer_list(f.ex, 100, note_timer, &f);

	for (int i = 0; i < 9; i++) {
		executor_start_timer(f.ex, f.id_a, list);
		ck_assert_int_eq(turn(), 0);
		f.now_ms += 100;
	}
	ck_assert_uint_eq(f.alarms, 1);
	f.now_ms += 100;
	ck_assert_int_eq(turn(), 0);		/* it has gone off, and is set to when the timer is due */
	ck_assert_uint_eq(f.alarms, 2);
	executor_start_timer(f.ex, f.id_b, sooner);
	ck_assert_int_eq(turn(), 0);
	ck_assert_uint_eq(f.alarms, 3);
	executor_stop_timer(f.ex, f.id_b);
	ck_assert_int_eq(turn(), 0);
	ck_assert_uint_eq(f.alarms, 3);
}
END_TEST

START_TEST(an_interest_without_a_descriptor_is_a_timer)
{
	unsigned list = executor_add_timer_list(f.ex, 100, note_timer, &f);
	interest_id id;

	ck_assert_int_eq(executor_watch(f.ex, -1, REGISTRY_STANDING, &id), 0);
	executor_start_timer(f.ex, id, list);
	f.now_ms += 100;
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, id, 0);
}
END_TEST

START_TEST(forgetting_stops_the_timer)
{
	unsigned list = executor_add_timer_list(f.ex, 100, note_timer, &f);

	executor_start_timer(f.ex, f.id_a, list);
	executor_forget(f.ex, f.id_a);
	executor_start_timer(f.ex, f.id_a, list);	/* it is gone */
	executor_stop_timer(f.ex, f.id_a);
	ck_assert(!executor_is_busy(f.ex));
	f.now_ms += 1000;
	ck_assert_int_eq(turn(), 0);
}
END_TEST

START_TEST(a_callback_of_the_same_turn_can_stop_a_timer_that_is_due)
{
	unsigned list = executor_add_timer_list(f.ex, 100, note_timer, &f);

	executor_start_timer(f.ex, f.id_b, list);
	await_once(f.id_a, POLLER_READ, forget_the_other);
	send_byte(f.a[1]);
	f.now_ms += 100;
	ck_assert_int_eq(turn(), 1);
	assert_ran(0, f.id_a, POLLER_READ);
}
END_TEST

static void count_timer(void *arg, interest_id id)
{
	(void) arg;
	(void) id;
}

static void restart_timer(void *arg, interest_id id)
{
	note(arg, id, 0);
	executor_start_timer(f.ex, id, 1);
}

START_TEST(of_many_timers_that_are_due_some_run_in_a_turn)
{
	static struct timer table[EXECUTOR_DUE_PER_TURN + 3];
	struct executor *ex;
	interest_id id;
	unsigned list;

	ck_assert_int_eq(executor_new(&ex, &f.poller, &f.channel, EXECUTOR_DUE_PER_TURN + 3, table), 0);
	list = executor_add_timer_list(ex, 100, count_timer, &f);
	for (int i = 0; i < EXECUTOR_DUE_PER_TURN + 3; i++) {
		ck_assert_int_eq(executor_watch(ex, -1, REGISTRY_STANDING, &id), 0);
		executor_start_timer(ex, id, list);
	}
	f.now_ms += 100;
	ck_assert_int_eq(executor_turn(ex), EXECUTOR_DUE_PER_TURN);
	ck_assert(executor_is_busy(ex));
	ck_assert_int_eq(executor_turn(ex), 3);
	ck_assert(!executor_is_busy(ex));
	executor_free(ex);
}
END_TEST

START_TEST(a_timer_may_start_itself_again)
{
	ck_assert_uint_eq(executor_add_timer_list(f.ex, 100, restart_timer, &f), 1);
	executor_start_timer(f.ex, f.id_a, 1);
	for (int i = 0; i < 3; i++) {
		f.now_ms += 100;
		ck_assert_int_eq(turn(), 1);
		ck_assert_int_eq(turn(), 0);
	}
}
END_TEST

static void forget_both(void *arg, interest_id id)
{
	note(arg, id, 0);
	executor_forget(f.ex, f.id_a);
	executor_forget(f.ex, f.id_b);
}

START_TEST(a_timer_may_forget_another_that_is_due)
{
	unsigned list = executor_add_timer_list(f.ex, 100, forget_both, &f);

	executor_start_timer(f.ex, f.id_a, list);
	executor_start_timer(f.ex, f.id_b, list);
	f.now_ms += 100;
	ck_assert_int_eq(turn(), 1);
}
END_TEST

START_TEST(the_oldest_of_a_list_is_the_one_that_waited_longest)
{
	unsigned list = executor_add_timer_list(f.ex, 0, note_timer, &f);

	ck_assert_uint_eq(executor_oldest(f.ex, list), 0);
	executor_start_timer(f.ex, f.id_b, list);
	executor_start_timer(f.ex, f.id_a, list);
	ck_assert_uint_eq(executor_oldest(f.ex, list), f.id_b);
	executor_start_timer(f.ex, f.id_b, list);
	ck_assert_uint_eq(executor_oldest(f.ex, list), f.id_a);
	executor_forget(f.ex, f.id_a);
	ck_assert_uint_eq(executor_oldest(f.ex, list), f.id_b);
	f.now_ms += 1000000;
	ck_assert_int_eq(turn(), 0);	/* duration 0: for ever */
	executor_set_duration(f.ex, list, 10);
	ck_assert_int_eq(turn(), 1);
}
END_TEST

START_TEST(a_timer_table_can_be_borrowed)
{
	static struct timer table[SLOTS];
	struct executor *ex;
	interest_id id;
	unsigned list;

	ck_assert_int_eq(executor_new(&ex, &f.poller, &f.channel, SLOTS, table), 0);
	list = executor_add_timer_list(ex, 100, note_timer, &f);
	ck_assert_int_eq(executor_watch(ex, -1, REGISTRY_STANDING, &id), 0);
	executor_start_timer(ex, id, list);
	ck_assert_uint_eq(table[interest_slot(id)].list, list);
	ck_assert_uint_eq(table[interest_slot(id)].since_ms, f.now_ms);
	ck_assert_ptr_null(executor_free(ex));
}
END_TEST

START_TEST(a_turn_reads_the_clock_once)
{
	unsigned list = executor_add_timer_list(f.ex, 100, note_timer, &f);

	await_keep(f.id_a, POLLER_READ, note_and_again);
	await_keep(f.id_b, POLLER_READ, note_and_again);
	executor_start_timer(f.ex, f.id_a, list);
	executor_start_timer(f.ex, f.id_b, list);
	send_byte(f.a[1]);
	send_byte(f.b[1]);
	f.now_ms += 100;
	f.clock_reads = 0;
	ck_assert_int_eq(turn(), 4);
	ck_assert_uint_eq(f.clock_reads, 1);
	ck_assert_uint_eq(executor_now_ms(f.ex), f.now_ms);
	ck_assert_uint_eq(f.clock_reads, 1);
}
END_TEST

/* --- bounds ------------------------------------------------------------------------------------------------------ */

START_TEST(a_turn_takes_what_was_in_the_channel_when_it_began)
{
	await_keep(f.id_a, POLLER_READ, note);
	for (int i = 0; i < CAPACITY; i++)
		put(f.id_a, POLLER_READ);
	ck_assert_int_eq(executor_turn(f.ex), CAPACITY);
	ck_assert_uint_eq(channel_length(&f.channel), 0);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	ck_assert_ptr_null(executor_free(NULL));
}
END_TEST

START_TEST(a_table_that_cannot_be_had_is_an_error)
{
	struct executor *ex = NULL;

	ck_assert_int_lt(executor_new(&ex, &f.poller, &f.channel, 0, NULL), 0);
	ck_assert_ptr_null(ex);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("executor");
	TCase *tests = tcase_create("executor");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_callback_is_told_who_is_ready_for_what);
	tcase_add_test(tests, await_once_runs_once);
	tcase_add_test(tests, await_keep_stays);
	tcase_add_test(tests, a_once_callback_may_await_itself_again);
	tcase_add_test(tests, awaiting_the_same_again_costs_no_call_of_the_kernel);
	tcase_add_test(tests, awaiting_replaces_what_was_awaited_before);
	tcase_add_test(tests, events_run_in_the_order_of_the_channel);
	tcase_add_test(tests, read_and_write_can_be_awaited_at_the_same_time);
	tcase_add_test(tests, awaiting_for_an_interest_that_is_gone_says_so);
	tcase_add_test(tests, an_event_that_names_nothing_is_passed_over);

	tcase_add_test(tests, a_forgotten_interest_does_not_run_though_its_event_is_in_the_channel);
	tcase_add_test(tests, a_newcomer_in_the_slot_is_not_told_what_was_meant_for_its_predecessor);
	tcase_add_test(tests, a_callback_may_forget_itself_and_close_its_descriptor);
	tcase_add_test(tests, a_callback_may_take_its_own_slot_for_a_new_interest);
	tcase_add_test(tests, a_callback_may_watch_until_the_table_is_full);
	tcase_add_test(tests, the_descriptor_of_an_interest_can_be_asked_for);

	tcase_add_test(tests, an_event_that_is_not_awaited_is_kept_until_it_is);
	tcase_add_test(tests, what_comes_while_something_else_is_awaited_is_kept);
	tcase_add_test(tests, what_was_kept_is_told_together_with_what_comes);
	tcase_add_test(tests, a_once_callback_does_not_run_twice_for_what_was_kept);
	tcase_add_test(tests, again_runs_though_an_event_ran_the_callback_before);
	tcase_add_test(tests, one_that_stopped_awaiting_what_was_kept_is_not_run);
	tcase_add_test(tests, write_is_told_when_there_is_room_again);
	tcase_add_test(tests, rdhup_is_told_with_every_event_after_it_was_seen);
	tcase_add_test(tests, rdhup_that_nobody_awaited_is_told_later);
	tcase_add_test(tests, a_newcomer_does_not_inherit_rdhup);
	tcase_add_test(tests, an_error_reaches_an_interest_that_awaits_nothing);
	tcase_add_test(tests, an_error_reaches_an_interest_that_awaits_zero);
	tcase_add_test(tests, an_error_that_came_before_there_was_a_callback_is_told_to_the_first);

	tcase_add_test(tests, a_one_shot_is_silent_until_it_is_awaited_again);
	tcase_add_test(tests, a_one_shot_that_did_not_read_is_told_again);
	tcase_add_test(tests, a_one_shot_that_awaits_write_is_told_beside_a_half_closed_peer);
	tcase_add_test(tests, awaiting_nothing_takes_a_shared_one_out_of_the_kernel);
	tcase_add_test(tests, a_refusal_of_the_kernel_reaches_who_awaits);

	tcase_add_test(tests, again_runs_in_the_next_turn_and_that_turn_does_not_sleep);
	tcase_add_test(tests, those_that_run_again_take_turns);
	tcase_add_test(tests, one_that_is_forgotten_while_it_waits_to_run_again_does_not_run);
	tcase_add_test(tests, a_slot_is_not_reused_while_it_waits_to_run_again);
	tcase_add_test(tests, one_that_runs_again_may_forget_the_next_on_the_list);
	tcase_add_test(tests, again_without_a_callback_does_nothing);

	tcase_add_test(tests, some_of_those_that_yield_run_in_a_turn_behind_who_is_ready);
	tcase_add_test(tests, what_is_pending_does_not_hurry_one_that_yields);
	tcase_add_test(tests, those_that_yield_take_turns);
	tcase_add_test(tests, what_is_ready_for_one_that_yields_is_kept_until_it_runs);
	tcase_add_test(tests, the_slot_of_one_that_yields_and_is_forgotten_is_free_in_the_next_turn);
	tcase_add_test(tests, one_that_yields_and_is_forgotten_holds_nobody_up);

	tcase_add_test(tests, a_timer_runs_when_it_is_due);
	tcase_add_test(tests, a_wait_ends_when_a_timer_is_due);
	tcase_add_test(tests, a_timer_that_begins_anew_sets_no_new_alarm);
	tcase_add_test(tests, an_interest_without_a_descriptor_is_a_timer);
	tcase_add_test(tests, forgetting_stops_the_timer);
	tcase_add_test(tests, a_callback_of_the_same_turn_can_stop_a_timer_that_is_due);
	tcase_add_test(tests, of_many_timers_that_are_due_some_run_in_a_turn);
	tcase_add_test(tests, a_timer_may_start_itself_again);
	tcase_add_test(tests, a_timer_may_forget_another_that_is_due);
	tcase_add_test(tests, the_oldest_of_a_list_is_the_one_that_waited_longest);
	tcase_add_test(tests, a_timer_table_can_be_borrowed);
	tcase_add_test(tests, a_turn_reads_the_clock_once);

	tcase_add_test(tests, a_turn_takes_what_was_in_the_channel_when_it_began);
	tcase_add_test(tests, freeing_nothing_is_fine);
	tcase_add_test(tests, a_table_that_cannot_be_had_is_an_error);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
