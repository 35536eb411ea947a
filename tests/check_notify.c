/* SPDX-License-Identifier: MIT */
/*
 * What systemd would hear: the datagrams, byte for byte, on a socket of the test's own; in both ways to tell it.
 */
#undef NDEBUG
#include "daemon/notify.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static struct {
	char directory[64], path[96];
	int fd;
	char heard[4096];
	unsigned fds;
} f;

static void setup(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	f.fds = count_open_fds();
	(void) snprintf(f.directory, sizeof f.directory, "/tmp/check_notify.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f.directory));
	(void) snprintf(f.path, sizeof f.path, "%s/notify", f.directory);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", f.path);
	f.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(f.fd, 0);
	ck_assert_int_eq(bind(f.fd, (struct sockaddr *) &at, sizeof at), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", f.path, 1), 0);
}

/* $NOTIFY_SOCKET is set as well then, and is of no use. */
static void setup_passed(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	setup();
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", f.path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *) &at, sizeof at), 0);
	notify_use(fd);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
}

static void teardown(void)
{
	notify_use(-1);
	close_fd(&f.fd);
	(void) unlink(f.path);
	(void) rmdir(f.directory);
	(void) unsetenv("NOTIFY_SOCKET");
	(void) unsetenv("WATCHDOG_USEC");
	(void) unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(count_open_fds(), f.fds);
}

/* One datagram, or "" when there is none. */
static const char *hear(void)
{
	ssize_t n = recv(f.fd, f.heard, sizeof f.heard - 1, 0);

	ck_assert(n >= 0 || errno == EAGAIN);
	f.heard[n > 0 ? n : 0] = '\0';
	return f.heard;
}

static uint64_t now_usec(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

START_TEST(ready_comes_with_a_status)
{
	notify_ready("serving on 127.0.0.1:8000");
	ck_assert_str_eq(hear(), "READY=1\nSTATUS=serving on 127.0.0.1:8000");
	ck_assert_str_eq(hear(), "");
}
END_TEST

START_TEST(reloading_comes_with_the_monotonic_clock_in_microseconds)
{
	uint64_t before = now_usec(), said = 0;
	int end = 0;

	notify_reloading();
	ck_assert_int_eq(sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64 "%n", &said, &end), 1);
	ck_assert_uint_eq(strlen(f.heard), (size_t) end);
	ck_assert_uint_ge(said, before);
	ck_assert_uint_le(said, now_usec());
}
END_TEST

START_TEST(an_abstract_socket_is_told_as_well)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	cleanup(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char name[64];
	int length = snprintf(name, sizeof name, "@check_notify.%ld", (long) getpid());

	memcpy(at.sun_path + 1, name + 1, (size_t) length - 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at,
			      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) length)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_watchdog();
	ck_assert_int_eq(recv(fd, f.heard, sizeof f.heard, 0), strlen("WATCHDOG=1"));
}
END_TEST

START_TEST(stopping_comes_with_a_status)
{
	notify_stopping("draining: 3 connections");
	ck_assert_str_eq(hear(), "STOPPING=1\nSTATUS=draining: 3 connections");
}
END_TEST

START_TEST(a_status_comes_alone)
{
	notify_status("draining: 1 left, 3 s");
	ck_assert_str_eq(hear(), "STATUS=draining: 1 left, 3 s");
}
END_TEST

START_TEST(more_time_is_asked_for_in_microseconds)
{
	notify_extend_timeout(5000000);
	ck_assert_str_eq(hear(), "EXTEND_TIMEOUT_USEC=5000000");
}
END_TEST

START_TEST(the_watchdog_is_fed)
{
	notify_watchdog();
	ck_assert_str_eq(hear(), "WATCHDOG=1");
}
END_TEST

static const struct { const char *status, *heard, *why; } statuses[] = {
	{ "two\nSTOPPING=1", "STATUS=two STOPPING=1", "a second line would be another variable" },
	{ "a\tb\r\x1b[1m\x7f", "STATUS=a b  [1m ", "it is shown on a terminal" },
	{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7", "STATUS=\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7", "UTF-8 stays" },
	{ "a\xff" "b", "STATUS=a?b", "systemd ignores a status that is not UTF-8" },
	{ "\xc0\xaf", "STATUS=??", "overlong" },
	{ "\xe0\x80\x80", "STATUS=???", "overlong" },
	{ "\xed\xa0\x80", "STATUS=???", "half a pair of surrogates" },
	{ "\xf4\x90\x80\x80", "STATUS=????", "beyond the last character" },
	{ "\xe2\x82", "STATUS=??", "cut short" },
	{ "\xe2\x82z", "STATUS=??z", "what follows is not swallowed" },
	{ "", "STATUS=", "nothing to say" },
};

START_TEST(a_status_is_one_line_of_utf8)
{
	notify_status(statuses[_i].status);
	ck_assert_msg(strcmp(hear(), statuses[_i].heard) == 0, "%s: \"%s\"", statuses[_i].why, f.heard);
}
END_TEST

/* Cut in the middle of a character it would be no UTF-8: _i shifts where that is. */
START_TEST(a_long_status_is_cut_and_still_utf8)
{
	char status[4096] = "";

	for (int i = 0; i < _i; i++)
		(void) strcat(status, "x");
	while (strlen(status) < sizeof status - 8)
		(void) strcat(status, "\xe2\x82\xac");
	notify_status(status);
	ck_assert_uint_gt(strlen(hear()), 1000);
	ck_assert_uint_lt(strlen(f.heard), sizeof status - 8);
	for (const char *c = f.heard + strlen("STATUS=") + _i; *c; c++) {
		if (*c == '?')
			continue;
		ck_assert_int_eq(strncmp(c, "\xe2\x82\xac", 3), 0);
		c += 2;
	}
}
END_TEST

START_TEST(the_watchdog_is_fed_twice_as_often_as_systemd_wants)
{
	char pid[16];

	(void) snprintf(pid, sizeof pid, "%ld", (long) getpid());
	(void) setenv("WATCHDOG_USEC", "30000000", 1);
	(void) setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(notify_watchdog_usec(), 15000000);
}
END_TEST

START_TEST(without_a_watchdog_it_is_never_fed)
{
	ck_assert_uint_eq(notify_watchdog_usec(), 0);
}
END_TEST

START_TEST(the_watchdog_of_another_process_is_not_ours)
{
	char pid[16];

	(void) snprintf(pid, sizeof pid, "%ld", (long) getpid() + 1);
	(void) setenv("WATCHDOG_USEC", "30000000", 1);
	(void) setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(notify_watchdog_usec(), 0);
}
END_TEST

START_TEST(without_systemd_nothing_happens)
{
	(void) unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	notify_reloading();
	notify_barrier();
	ck_assert_str_eq(hear(), "");
}
END_TEST

/* systemd closes what came with the message: that is its answer. */
static void *be_systemd(void *arg)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct iovec text = { f.heard, sizeof f.heard - 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof control };
	int blocking = (int) (intptr_t) arg;
	ssize_t n = recvmsg(blocking, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *first = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	f.heard[n > 0 ? n : 0] = '\0';
	if (first)
		(void) close(*(int *) (void *) CMSG_DATA(first));
	return first;
}

START_TEST(the_barrier_waits_until_systemd_has_read)
{
	pthread_t systemd;
	void *answered;

	ck_assert_int_eq(fcntl(f.fd, F_SETFL, 0), 0);
	ck_assert_int_eq(pthread_create(&systemd, NULL, be_systemd, (void *) (intptr_t) f.fd), 0);
	notify_barrier();
	ck_assert_int_eq(pthread_join(systemd, &answered), 0);
	ck_assert_ptr_nonnull(answered);
	ck_assert_str_eq(f.heard, "BARRIER=1");
}
END_TEST

START_TEST(a_descriptor_is_stored_and_removed_by_its_name)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct iovec text = { f.heard, sizeof f.heard - 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof control };
	cleanup(close_fd) int given = memfd_create("given", MFD_CLOEXEC), came = -1;
	struct stat a, b;
	ssize_t n;

	ck_assert_int_eq(notify_store(given, "kept"), 0);
	n = recvmsg(f.fd, &message, MSG_CMSG_CLOEXEC);
	ck_assert_int_gt(n, 0);
	f.heard[n] = '\0';
	ck_assert_str_eq(f.heard, "FDSTORE=1\nFDNAME=kept\nFDPOLL=0");
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
	came = *(int *) (void *) CMSG_DATA(CMSG_FIRSTHDR(&message));
	ck_assert_int_eq(fstat(given, &a), 0);
	ck_assert_int_eq(fstat(came, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(notify_remove("kept"), 0);
	ck_assert_str_eq(hear(), "FDSTOREREMOVE=1\nFDNAME=kept");
}
END_TEST

START_TEST(what_cannot_be_stored_is_told)
{
	ck_assert_int_eq(notify_store(-1, "none"), -EBADF);
	ck_assert_str_eq(hear(), "");
	(void) unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_store(0, "none"), -ENOENT);
	ck_assert_int_eq(notify_remove("none"), -ENOENT);
	ck_assert_int_eq(notify_barrier_usec(1), -ENOENT);
}
END_TEST

START_TEST(a_barrier_that_is_not_read_is_over_in_time)
{
	ck_assert_int_eq(notify_barrier_usec(1000), -ETIMEDOUT);
}
END_TEST

/* In a child, because it is remembered for the whole life of a process that it was said. */
static const char *said_of_three_messages(void)
{
	static char said[1024];
	cleanup(close_fd) int err = memfd_create("err", MFD_CLOEXEC);
	int status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_ge(err, 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (dup2(err, STDERR_FILENO) < 0)
			_exit(9);
		notify_ready("one");
		notify_status("two");
		notify_watchdog();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	n = pread(err, said, sizeof said - 1, 0);
	ck_assert_int_ge(n, 0);
	said[n] = '\0';
	return said;
}

START_TEST(that_systemd_does_not_hear_is_said_once)
{
	ck_assert_int_eq(unlink(f.path), 0);
	ck_assert_str_eq(said_of_three_messages(),
			 "reactord: warning: systemd cannot be told of our state: No such file or directory\n");
}
END_TEST

START_TEST(that_a_descriptor_leads_nowhere_any_more_is_said_once)
{
	close_fd(&f.fd);
	ck_assert_str_eq(said_of_three_messages(),
			 "reactord: warning: systemd cannot be told of our state: Connection refused\n");
	ck_assert_int_lt(notify_store(0, "none"), 0);
	ck_assert_int_lt(notify_barrier_usec(1000), 0);
}
END_TEST

START_TEST(what_cannot_be_stored_is_told_of_a_descriptor_too)
{
	ck_assert_int_eq(notify_store(-1, "none"), -EBADF);
	ck_assert_int_eq(notify_store(99, "none"), -EBADF);
	ck_assert_str_eq(hear(), "");
}
END_TEST

static void *hear_all(void *arg)
{
	struct timespec pause = { .tv_nsec = 1000 };

	for (int left = *(int *) arg; left > 0; (void) nanosleep(&pause, NULL))
		while (left > 0 && *hear())
			left--;
	return NULL;
}

/* More than the queue holds. */
START_TEST(a_message_waits_until_there_is_room)
{
	int n = 1000;
	pthread_t systemd;

	ck_assert_int_eq(pthread_create(&systemd, NULL, hear_all, &n), 0);
	for (int i = 0; i < n; i++)
		notify_watchdog();
	ck_assert_int_eq(pthread_join(systemd, NULL), 0);
	ck_assert_str_eq(f.heard, "WATCHDOG=1");
	ck_assert_str_eq(hear(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *notify = tcase_create("notify");

	TCase *passed = tcase_create("passed");

	tcase_add_checked_fixture(notify, setup, teardown);
	tcase_add_checked_fixture(passed, setup_passed, teardown);
	for (int i = 0; i < 2; i++) {
		TCase *to = i == 0 ? notify : passed;

		tcase_add_test(to, ready_comes_with_a_status);
		tcase_add_test(to, reloading_comes_with_the_monotonic_clock_in_microseconds);
		tcase_add_test(to, stopping_comes_with_a_status);
		tcase_add_test(to, a_status_comes_alone);
		tcase_add_test(to, more_time_is_asked_for_in_microseconds);
		tcase_add_test(to, the_watchdog_is_fed);
		tcase_add_loop_test(to, a_status_is_one_line_of_utf8, 0, (int) (sizeof statuses / sizeof *statuses));
		tcase_add_loop_test(to, a_long_status_is_cut_and_still_utf8, 0, 3);
		tcase_add_test(to, the_barrier_waits_until_systemd_has_read);
		tcase_add_test(to, a_descriptor_is_stored_and_removed_by_its_name);
		tcase_add_test(to, a_barrier_that_is_not_read_is_over_in_time);
	}
	tcase_add_test(notify, an_abstract_socket_is_told_as_well);
	tcase_add_test(notify, the_watchdog_is_fed_twice_as_often_as_systemd_wants);
	tcase_add_test(notify, without_a_watchdog_it_is_never_fed);
	tcase_add_test(notify, the_watchdog_of_another_process_is_not_ours);
	tcase_add_test(notify, without_systemd_nothing_happens);
	tcase_add_test(notify, what_cannot_be_stored_is_told);
	tcase_add_test(notify, that_systemd_does_not_hear_is_said_once);
	tcase_add_test(passed, that_a_descriptor_leads_nowhere_any_more_is_said_once);
	tcase_add_test(passed, what_cannot_be_stored_is_told_of_a_descriptor_too);
	tcase_add_test(passed, a_message_waits_until_there_is_room);
	suite_add_tcase(suite, notify);
	suite_add_tcase(suite, passed);
	return run_suite(suite);
}
