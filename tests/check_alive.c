/* SPDX-License-Identifier: MIT */
/* What is found of a process that was killed, of one that ended in order, and of what is no page at all. */
#undef NDEBUG
#include "daemon/alive.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct {
	struct alive alive;
	unsigned open_fds;
	pid_t pid;
	uint32_t connections;
} f;

static void setup(void)
{
	f.open_fds = count_open_fds();
	f.alive.fd = -1;
	f.pid = 0;
	f.connections = UINT32_MAX;
	(void) unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(alive_init(&f.alive), 0);
}

static void teardown(void)
{
	alive_deinit(&f.alive);
	alive_deinit(&f.alive);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

/* A child with a page of its own, whose descriptor stays with us, serves 7 and is killed, or ends. */
static int left_by_a_child(bool in_order)
{
	struct alive alive = { .fd = -1 };
	int ready[2], fd, status;
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	ck_assert_int_eq(alive_init(&alive), 0);
	fd = dup(alive.fd);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		atomic_fetch_add(alive_connections(&alive), 7);
		if (in_order) {
			alive_ends(&alive, true);
			_exit(0);
		}
		(void) !write(ready[1], "x", 1);
		for (;;)
			(void) pause();
	}
	if (!in_order) {
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	alive_deinit(&alive);
	(void) close(ready[0]);
	(void) close(ready[1]);
	return fd;
}

START_TEST(who_was_killed_is_told_with_its_connections)
{
	ck_assert(alive_was_killed(left_by_a_child(false), &f.pid, &f.connections));
	ck_assert_int_eq(f.pid, getpid());	/* who made the page: the child only used it */
	ck_assert_uint_eq(f.connections, 7);
}
END_TEST

START_TEST(it_is_told_once)
{
	int fd = left_by_a_child(false), again = dup(fd);

	ck_assert(alive_was_killed(fd, &f.pid, &f.connections));
	ck_assert(!alive_was_killed(again, &f.pid, &f.connections));
}
END_TEST

START_TEST(of_who_ended_in_order_nothing_is_told)
{
	ck_assert(!alive_was_killed(left_by_a_child(true), &f.pid, &f.connections));
	ck_assert_uint_eq(f.connections, UINT32_MAX);
}
END_TEST

START_TEST(an_end_that_did_not_come_is_taken_back)
{
	int fd = dup(f.alive.fd);

	alive_ends(&f.alive, true);
	alive_ends(&f.alive, false);
	ck_assert(alive_was_killed(fd, &f.pid, &f.connections));
	ck_assert_uint_eq(f.connections, 0);
}
END_TEST

START_TEST(what_is_no_page_tells_nothing)
{
	static const char *const texts[] = { "", "short", "alive002 of another layout", "alive000" };
	int fd;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		fd = memfd_create("no page", MFD_CLOEXEC);
		ck_assert_int_eq(write(fd, texts[i], strlen(texts[i])), (ssize_t) strlen(texts[i]));
		ck_assert(!alive_was_killed(dup(fd), &f.pid, &f.connections));
		ck_assert_int_eq(ftruncate(fd, 20), 0);		/* as long as one */
		ck_assert(!alive_was_killed(fd, &f.pid, &f.connections));
	}
	ck_assert(!alive_was_killed(open_eventfd(0), &f.pid, &f.connections));
	ck_assert(!alive_was_killed(-1, &f.pid, &f.connections));
}
END_TEST

START_TEST(it_takes_the_place_of_the_one_before)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "" };
	char name[64], heard[256];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length;
	ssize_t n;

	(void) snprintf(name, sizeof name, "@check-alive-%d", (int) getpid());
	(void) snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "%s", name + 1);
	length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name));
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, length), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	alive_store(&f.alive);
	n = recv(fd, heard, sizeof heard - 1, 0);
	ck_assert_int_gt(n, 0);
	heard[n] = '\0';
	ck_assert_str_eq(heard, "FDSTOREREMOVE=1\nFDNAME=alive");
	n = recv(fd, heard, sizeof heard - 1, 0);
	ck_assert_int_gt(n, 0);
	heard[n] = '\0';
	ck_assert_str_eq(heard, "FDSTORE=1\nFDNAME=alive\nFDPOLL=0");
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alive");
	TCase *tests = tcase_create("alive");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, who_was_killed_is_told_with_its_connections);
	tcase_add_test(tests, it_is_told_once);
	tcase_add_test(tests, of_who_ended_in_order_nothing_is_told);
	tcase_add_test(tests, an_end_that_did_not_come_is_taken_back);
	tcase_add_test(tests, what_is_no_page_tells_nothing);
	tcase_add_test(tests, it_takes_the_place_of_the_one_before);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
