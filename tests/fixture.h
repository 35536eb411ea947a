/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the test programs of the core share: descriptors that are counted, pairs that do not block, and a main that
 * runs one suite.  Nothing here sleeps; the alarm is there only to end a program that hangs, which is a failure.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_GUARD_S = 300 };

static inline unsigned count_open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		n++;
	(void) closedir(directory);
	return n - 3;	/* "." and ".." and the directory itself */
}

/* Two connected stream sockets that do not block. */
static inline void open_pair(int ret_pair[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_pair), 0);
}

/* An eventfd that is ready to be read when count is not 0. */
static inline int open_eventfd(unsigned count)
{
	int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline void send_byte(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

/* Writes until the socket refuses, so that nothing can be sent before the peer has read. */
static inline void fill(int fd)
{
	static const char bytes[4096];

	while (write(fd, bytes, sizeof bytes) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

/* Reads until nothing is left; returns how much there was. */
static inline size_t empty(int fd)
{
	static _Thread_local char bytes[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		sum += (size_t) n;
	return sum;
}

static inline void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			(void) close(pair[i]);
		pair[i] = -1;
	}
}

/* So that a test may hold some thousand descriptors. */
static inline void raise_descriptor_limit(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_ge(limit.rlim_max, 4096);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	(void) alarm(HANG_GUARD_S);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
