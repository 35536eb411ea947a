/* SPDX-License-Identifier: MIT */
/*
 * The worker, with real threads: every test runs inline and threaded, because the same events must come to the same
 * callbacks.  What a test waits for is a condition; one that never comes true is ended by the guard.
 * Linked with -Wl,--wrap=epoll_wait -Wl,--wrap=pthread_create.  Worth running under a thread sanitizer.
 */
#undef NDEBUG
#include "core/worker.h"

#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/un.h>

enum { SLOTS = 4096, MODES = 2 };

static struct {
	struct worker *worker;
	struct executor *ex;
	unsigned open_fds;
	_Atomic int wait_error;		/* errno that epoll_wait fails with; 0: the real one is called */
	int create_fails_at;		/* the nth pthread_create fails; 0: none */
	_Atomic unsigned asked, answered, ran, failed;
	_Atomic bool quit;
} f;

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	int error = atomic_load(&f.wait_error);

	if (error) {
		errno = error;
		return -1;
	}
	return __real_epoll_wait(fd, events, max, timeout_ms);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
	if (f.create_fails_at > 0 && --f.create_fails_at == 0)
		return EAGAIN;
	return __real_pthread_create(thread, attributes, fn, arg);
}

static void setup(void)
{
	memset(&f, 0, sizeof f);
	f.open_fds = count_open_fds();
}

static void teardown(void)
{
	ck_assert_ptr_null(worker_free(f.worker));
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

static void make(int mode)
{
	ck_assert_int_eq(worker_new(&f.worker, (enum worker_mode) mode, SLOTS, NULL), 0);
	f.ex = worker_executor(f.worker);
}

static void answer(void *arg)
{
	atomic_store(&f.answered, atomic_load(&f.asked));
	if (atomic_load(&f.quit))
		worker_quit(arg);
}

static void count_failure(void *arg)
{
	(void) arg;
	atomic_fetch_add(&f.failed, 1);
}

static void start(void)
{
	ck_assert_int_eq(worker_start(f.worker, "worker", answer, count_failure, f.worker), 0);
}

static void stop(struct worker *worker)
{
	atomic_store(&f.quit, true);
	worker_ask(worker);
	ck_assert_int_eq(worker_join(worker), 0);
	ck_assert_uint_eq(atomic_load(&f.failed), 0);
}

static void until(_Atomic unsigned *counter, unsigned value)
{
	while (atomic_load(counter) != value)
		(void) sched_yield();
}

START_TEST(a_worker_that_never_started_can_be_freed)
{
	make(_i);
	ck_assert_int_eq(worker_join(f.worker), 0);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	ck_assert_ptr_null(worker_free(NULL));
}
END_TEST

START_TEST(a_worker_ends_when_it_is_told_to_quit)
{
	make(_i);
	start();
	stop(f.worker);
}
END_TEST

START_TEST(every_question_is_answered)
{
	make(_i);
	start();
	for (unsigned i = 1; i <= 2000; i++) {
		atomic_store(&f.asked, i);
		worker_ask(f.worker);
		until(&f.answered, i);
	}
	stop(f.worker);
}
END_TEST

START_TEST(of_questions_that_melt_the_last_is_answered)
{
	make(_i);
	start();
	for (unsigned i = 1; i <= 2000; i++) {
		atomic_store(&f.asked, i);
		worker_ask(f.worker);
	}
	until(&f.answered, 2000);
	stop(f.worker);
}
END_TEST

START_TEST(a_question_asked_before_the_start_is_answered)
{
	make(_i);
	atomic_store(&f.asked, 1);
	worker_ask(f.worker);
	start();
	until(&f.answered, 1);
	stop(f.worker);
}
END_TEST

static pthread_t callback_thread;
static sigset_t callback_mask;
static char callback_name[16];

static void look_around(void *arg)
{
	callback_thread = pthread_self();
	(void) pthread_sigmask(SIG_SETMASK, NULL, &callback_mask);
	(void) pthread_getname_np(pthread_self(), callback_name, sizeof callback_name);
	worker_quit(arg);
}

START_TEST(callbacks_run_on_a_named_thread_that_takes_no_signal)
{
	make(_i);
	ck_assert_int_eq(worker_start(f.worker, "worker 7", look_around, NULL, f.worker), 0);
	worker_ask(f.worker);
	ck_assert_int_eq(worker_join(f.worker), 0);
	ck_assert(!pthread_equal(callback_thread, pthread_self()));
	ck_assert_int_eq(sigismember(&callback_mask, SIGTERM), 1);
	ck_assert_int_eq(sigismember(&callback_mask, SIGHUP), 1);
	ck_assert_str_eq(callback_name, "worker 7");
}
END_TEST

/* --- events ------------------------------------------------------------------------------------------------------ */

enum { PAIRS = 64, ROUNDS = 200 };

static void echo(void *arg, interest_id id, uint32_t ready)
{
	char bytes[64];
	ssize_t n;

	(void) ready;
	while ((n = read(executor_fd(f.ex, id), bytes, sizeof bytes)) > 0)
		ck_assert_int_eq(write(executor_fd(f.ex, id), bytes, (size_t) n), n);
	ck_assert_int_eq(executor_await_once(f.ex, id, POLLER_READ, echo, arg), 0);
}

START_TEST(what_is_sent_comes_back)
{
	static int pairs[PAIRS][2];
	interest_id id;
	char byte;

	make(_i);
	for (int i = 0; i < PAIRS; i++) {
		open_pair(pairs[i]);
		ck_assert_int_eq(fcntl(pairs[i][1], F_SETFL, 0), 0);	/* our end waits */
		ck_assert_int_eq(executor_watch(f.ex, pairs[i][0], REGISTRY_STANDING, &id), 0);
		ck_assert_int_eq(executor_await_once(f.ex, id, POLLER_READ, echo, NULL), 0);
	}
	start();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PAIRS; i++)
			send_byte(pairs[i][1]);
		for (int i = 0; i < PAIRS; i++)
			ck_assert_int_eq(read(pairs[i][1], &byte, 1), 1);
	}
	stop(f.worker);
	for (int i = 0; i < PAIRS; i++)
		close_pair(pairs[i]);
}
END_TEST

static void again_a_thousand_times(void *arg, interest_id id, uint32_t ready)
{
	(void) ready;
	if (atomic_fetch_add(&f.ran, 1) < 1000)
		executor_again(f.ex, id);
	else
		worker_quit(arg);
}

/* No event comes: a turn that slept would sleep for ever. */
START_TEST(a_worker_does_not_sleep_while_something_runs_again)
{
	interest_id id;

	make(_i);
	ck_assert_int_eq(executor_watch(f.ex, -1, REGISTRY_STANDING, &id), 0);
	ck_assert_int_eq(executor_await_keep(f.ex, id, 0, again_a_thousand_times, f.worker), 0);
	executor_again(f.ex, id);
	start();
	ck_assert_int_eq(worker_join(f.worker), 0);
	ck_assert_uint_eq(atomic_load(&f.ran), 1001);
}
END_TEST

static void quit_on_timer(void *arg, interest_id id)
{
	(void) id;
	worker_quit(arg);
}

START_TEST(a_worker_wakes_up_for_a_timer)
{
	interest_id id;
	unsigned list;

	make(_i);
	list = executor_add_timer_list(f.ex, 1, quit_on_timer, f.worker);
	ck_assert_int_eq(executor_watch(f.ex, -1, REGISTRY_STANDING, &id), 0);
	executor_start_timer(f.ex, id, list);
	start();
	ck_assert_int_eq(worker_join(f.worker), 0);
}
END_TEST

/* More are ready than the channel holds, and every callback registers a successor that is ready at once, until there
 * were STORM in all: the reactor is without room most of the time, and the executor keeps telling the poller. */
enum { AT_ONCE = 1500, STORM = 20000 };

static unsigned begun;

static void succeed(void *arg, interest_id id, uint32_t ready);

static void begin_one(void *arg)
{
	int fd = open_eventfd(1);
	interest_id id;

	begun++;
	ck_assert_int_eq(executor_watch(f.ex, fd, begun % 3 ? REGISTRY_STANDING : REGISTRY_ONE_SHOT, &id), 0);
	if (begun % 2)
		ck_assert_int_eq(executor_await_once(f.ex, id, POLLER_READ, succeed, arg), 0);
	else
		ck_assert_int_eq(executor_await_keep(f.ex, id, POLLER_READ, succeed, arg), 0);
}

static void succeed(void *arg, interest_id id, uint32_t ready)
{
	int fd = executor_fd(f.ex, id);

	ck_assert_uint_eq(ready, POLLER_READ);
	executor_forget(f.ex, id);
	ck_assert_int_eq(close(fd), 0);
	if (begun < STORM)
		begin_one(arg);
	if (atomic_fetch_add(&f.ran, 1) + 1 == STORM)
		worker_quit(arg);
}

START_TEST(a_full_channel_does_not_dead_lock_while_callbacks_register_more)
{
	raise_descriptor_limit();
	make(_i);
	begun = 0;
	while (begun < AT_ONCE)
		begin_one(f.worker);
	start();
	ck_assert_int_eq(worker_join(f.worker), 0);
	ck_assert_uint_eq(atomic_load(&f.ran), STORM);
}
END_TEST

/* --- listeners shared by two workers ----------------------------------------------------------------------------- */

enum { CLIENTS = 200 };

static struct {
	struct worker *worker;
	struct executor *ex;
	_Atomic unsigned accepted;
} two[2];

static _Atomic unsigned accepted;

static void accept_all(void *arg, interest_id id, uint32_t ready)
{
	unsigned i = (unsigned) (uintptr_t) arg;
	int fd;

	(void) ready;
	while ((fd = accept4(executor_fd(two[i].ex, id), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		ck_assert_int_eq(close(fd), 0);
		atomic_fetch_add(&two[i].accepted, 1);
		atomic_fetch_add(&accepted, 1);
	}
	ck_assert_int_eq(errno, EAGAIN);
}

static void quit_now(void *arg)
{
	worker_quit(arg);
}

static int open_listener(struct sockaddr_un *ret_at, socklen_t *ret_length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret_at = (struct sockaddr_un) { .sun_family = AF_UNIX };
	ck_assert_int_eq(bind(fd, (struct sockaddr *) ret_at, sizeof ret_at->sun_family), 0);	/* abstract, any name */
	*ret_length = sizeof *ret_at;
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *) ret_at, ret_length), 0);
	ck_assert_int_eq(listen(fd, CLIENTS), 0);
	return fd;
}

/* The second worker awaits nothing of the listener when idle is set. */
static void serve_clients(int mode, bool idle)
{
	struct sockaddr_un at;
	socklen_t length;
	int listener = open_listener(&at, &length);
	char byte;

	atomic_store(&accepted, 0);
	for (unsigned i = 0; i < 2; i++) {
		interest_id id;

		atomic_store(&two[i].accepted, 0);
		ck_assert_int_eq(worker_new(&two[i].worker, (enum worker_mode) mode, 8, NULL), 0);
		two[i].ex = worker_executor(two[i].worker);
		ck_assert_int_eq(executor_watch(two[i].ex, listener, REGISTRY_SHARED, &id), 0);
		ck_assert_int_eq(executor_await_keep(two[i].ex, id, POLLER_READ, accept_all, (void *) (uintptr_t) i),
				 0);
		if (idle && i == 1)
			ck_assert_int_eq(executor_await_keep(two[i].ex, id, 0, accept_all, (void *) (uintptr_t) i), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(worker_start(two[i].worker, "worker", quit_now, NULL, two[i].worker), 0);

	for (int i = 0; i < CLIENTS; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(connect(fd, (struct sockaddr *) &at, length), 0);
		if (i % 3 == 0)		/* some come alone, some in bursts */
			ck_assert_int_eq(read(fd, &byte, 1), 0);
		ck_assert_int_eq(close(fd), 0);
	}
	until(&accepted, CLIENTS);
	for (unsigned i = 0; i < 2; i++) {
		worker_ask(two[i].worker);
		ck_assert_int_eq(worker_join(two[i].worker), 0);
		worker_free(two[i].worker);
	}
	ck_assert_int_eq(close(listener), 0);
}

START_TEST(no_connection_is_lost_between_two_workers_that_share_a_listener)
{
	serve_clients(_i, false);
	ck_assert_uint_eq(atomic_load(&two[0].accepted) + atomic_load(&two[1].accepted), CLIENTS);
}
END_TEST

START_TEST(a_worker_that_awaits_nothing_of_a_shared_listener_gets_nothing)
{
	serve_clients(_i, true);
	ck_assert_uint_eq(atomic_load(&two[0].accepted), CLIENTS);
	ck_assert_uint_eq(atomic_load(&two[1].accepted), 0);
}
END_TEST

/* --- failures ---------------------------------------------------------------------------------------------------- */

START_TEST(a_wait_that_fails_ends_the_worker_with_an_error_and_says_so)
{
	make(_i);
	start();
	atomic_store(&f.wait_error, EBADF);
	worker_ask(f.worker);
	until(&f.failed, 1);
	ck_assert_int_eq(worker_join(f.worker), -EBADF);
}
END_TEST

START_TEST(a_thread_that_cannot_be_had_is_an_error_and_nothing_runs)
{
	make(_i);
	f.create_fails_at = 1;
	ck_assert_int_eq(worker_start(f.worker, "worker", answer, count_failure, f.worker), -EAGAIN);
	ck_assert_int_eq(worker_join(f.worker), 0);
}
END_TEST

START_TEST(when_only_the_second_thread_cannot_be_had_the_first_is_ended)
{
	make(WORKER_THREADED);
	f.create_fails_at = 2;
	ck_assert_int_eq(worker_start(f.worker, "worker", answer, count_failure, f.worker), -EAGAIN);
	ck_assert_int_eq(worker_join(f.worker), 0);
}
END_TEST

START_TEST(without_descriptors_there_is_no_worker_and_nothing_is_left)
{
	struct rlimit limit, none;
	struct worker *worker = NULL;
	unsigned open_fds = count_open_fds();

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	for (unsigned spare = 0; spare < 3; spare++) {	/* the poller, the reactor's eventfd, the worker's own */
		int first = dup(0), r;

		ck_assert_int_eq(close(first), 0);
		none.rlim_cur = (rlim_t) first + spare;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
		r = worker_new(&worker, (enum worker_mode) _i, SLOTS, NULL);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_int_eq(r, -EMFILE);
		ck_assert_ptr_null(worker);
		ck_assert_uint_eq(count_open_fds(), open_fds);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tests = tcase_create("worker");

	tcase_set_timeout(tests, HANG_GUARD_S);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_worker_that_never_started_can_be_freed, 0, MODES);
	tcase_add_test(tests, freeing_nothing_is_fine);
	tcase_add_loop_test(tests, a_worker_ends_when_it_is_told_to_quit, 0, MODES);
	tcase_add_loop_test(tests, every_question_is_answered, 0, MODES);
	tcase_add_loop_test(tests, of_questions_that_melt_the_last_is_answered, 0, MODES);
	tcase_add_loop_test(tests, a_question_asked_before_the_start_is_answered, 0, MODES);
	tcase_add_loop_test(tests, callbacks_run_on_a_named_thread_that_takes_no_signal, 0, MODES);
	tcase_add_loop_test(tests, what_is_sent_comes_back, 0, MODES);
	tcase_add_loop_test(tests, a_worker_does_not_sleep_while_something_runs_again, 0, MODES);
	tcase_add_loop_test(tests, a_worker_wakes_up_for_a_timer, 0, MODES);
	tcase_add_loop_test(tests, a_full_channel_does_not_dead_lock_while_callbacks_register_more, 0, MODES);
	tcase_add_loop_test(tests, no_connection_is_lost_between_two_workers_that_share_a_listener, 0, MODES);
	tcase_add_loop_test(tests, a_worker_that_awaits_nothing_of_a_shared_listener_gets_nothing, 0, MODES);
	tcase_add_loop_test(tests, a_wait_that_fails_ends_the_worker_with_an_error_and_says_so, 0, MODES);
	tcase_add_loop_test(tests, a_thread_that_cannot_be_had_is_an_error_and_nothing_runs, 0, MODES);
	tcase_add_test(tests, when_only_the_second_thread_cannot_be_had_the_first_is_ended);
	tcase_add_loop_test(tests, without_descriptors_there_is_no_worker_and_nothing_is_left, 0, MODES);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
