/* SPDX-License-Identifier: MIT */
/*
 * What journald would read: the datagrams, byte for byte, on a socket of the test's own; and sd_journal_sendv() is a
 * stand-in, that says when it was asked instead.
 */
#undef NDEBUG
#include "daemon/journal.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ASKED_LIBSYSTEMD = -4711 };

#define FIELD(text) { (char *) (text), sizeof(text) - 1 }

static int libsystemd_says = ASKED_LIBSYSTEMD;

static struct {
	int pair[2];			/* ours, journald's */
	char heard[65536];
	ssize_t length;
} f;

int __attribute__((used)) __wrap_sd_journal_sendv(const struct iovec *fields, int n);	/* with -flto nobody else knows */

int __wrap_sd_journal_sendv(const struct iovec *fields, int n)
{
	(void) fields;
	(void) n;
	return libsystemd_says;
}

static int access_errno;		/* 0: the journal's socket is there */
int __attribute__((used)) __wrap_access(const char *path, int mode);

int __wrap_access(const char *path, int mode)
{
	ck_assert_str_eq(path, "/run/systemd/journal/socket");
	ck_assert_int_eq(mode, F_OK);
	errno = access_errno;
	return access_errno ? -1 : 0;
}

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, f.pair), 0);
	journal_use(f.pair[0]);
}

static void teardown(void)
{
	journal_use(-1);
	close_pair(f.pair);
}

static void hear(void)
{
	f.length = recv(f.pair[1], f.heard, sizeof f.heard, 0);
}

#define ck_assert_heard(text) \
	do { \
		hear(); \
		ck_assert_int_eq(f.length, sizeof(text) - 1); \
		ck_assert_mem_eq(f.heard, text, sizeof(text) - 1); \
	} while (0)

START_TEST(a_record_is_a_datagram_and_a_field_a_line)
{
	struct iovec fields[] = { FIELD("MESSAGE=all is well"), FIELD("PRIORITY=6"), FIELD("EMPTY="), FIELD("SUM=1=1") };

	ck_assert_int_eq(journal_send(fields, 4), 0);
	ck_assert_heard("MESSAGE=all is well\nPRIORITY=6\nEMPTY=\nSUM=1=1\n");
}
END_TEST

START_TEST(a_value_with_lines_of_its_own_comes_with_its_length)
{
	struct iovec fields[] = { FIELD("A=1"), FIELD("MESSAGE=one\nPRIORITY=0"), FIELD("B=2") };

	ck_assert_int_eq(journal_send(fields, 3), 0);
	ck_assert_heard("A=1\nMESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\nB=2\n");
}
END_TEST

START_TEST(a_length_is_written_low_byte_first)
{
	char text[2 + 0x0302] = "A=\n";
	struct iovec field = { text, sizeof text };

	memset(text + 3, 'x', sizeof text - 3);
	ck_assert_int_eq(journal_send(&field, 1), 0);
	hear();
	ck_assert_int_eq(f.length, 2 + 8 + 0x0302 + 1);
	ck_assert_mem_eq(f.heard, "A\n\x02\x03\0\0\0\0\0\0\nx", 12);
}
END_TEST

/* The longest that the log writes. */
START_TEST(a_record_of_all_fields_goes_in_one)
{
	char text[1088] = "A=";
	struct iovec fields[16];

	memset(text + 2, '\n', sizeof text - 2);
	for (int i = 0; i < 16; i++)
		fields[i] = (struct iovec) { text, sizeof text };
	ck_assert_int_eq(journal_send(fields, 16), 0);
	hear();
	ck_assert_int_eq(f.length, 16 * (sizeof text + 9));
}
END_TEST

START_TEST(what_is_no_field_is_refused)
{
	struct iovec field = FIELD("no field");

	ck_assert_int_eq(journal_send(&field, 1), -EINVAL);
}
END_TEST

START_TEST(without_a_descriptor_libsystemd_is_asked)
{
	struct iovec field = FIELD("A=1");

	journal_use(-1);
	ck_assert_int_eq(journal_send(&field, 1), ASKED_LIBSYSTEMD);
	ck_assert_int_eq(recv(f.pair[1], f.heard, sizeof f.heard, MSG_DONTWAIT), -1);
}
END_TEST

/* As it is when journald's socket was made anew; and no signal ends the program. */
START_TEST(where_nobody_listens_any_more_it_fails_each_time)
{
	struct iovec field = FIELD("A=1");

	close_fd(&f.pair[1]);
	for (int i = 0; i < 3; i++)
		ck_assert_int_lt(journal_send(&field, 1), 0);
}
END_TEST

static void *hear_many(void *arg)
{
	for (int i = 0; i < *(int *) arg; i++) {
		hear();
		if (f.length != 4)
			return NULL;
	}
	return arg;
}

/* More than the queue holds; whether or not the socket itself would block. */
START_TEST(a_record_waits_until_there_is_room)
{
	struct iovec field = FIELD("A=1");
	pthread_t journald;
	void *heard_all;
	int n = 1000;

	ck_assert_int_eq(fcntl(f.pair[0], F_SETFL, _i ? O_NONBLOCK : 0), 0);
	ck_assert_int_eq(pthread_create(&journald, NULL, hear_many, &n), 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(journal_send(&field, 1), 0);
	ck_assert_int_eq(pthread_join(journald, &heard_all), 0);
	ck_assert_ptr_nonnull(heard_all);
}
END_TEST

/* libsystemd takes it for no error. */
START_TEST(without_a_socket_of_the_journal_a_record_is_not_there)
{
	static const struct iovec field = FIELD("MESSAGE=x");

	journal_use(-1);
	libsystemd_says = 0;
	ck_assert_int_eq(journal_send(&field, 1), 0);
	access_errno = ENOENT;
	ck_assert_int_eq(journal_send(&field, 1), -ENOENT);
	access_errno = EACCES;		/* who may not look cannot tell */
	ck_assert_int_eq(journal_send(&field, 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *journal = tcase_create("journal");

	tcase_add_checked_fixture(journal, setup, teardown);
	tcase_add_test(journal, a_record_is_a_datagram_and_a_field_a_line);
	tcase_add_test(journal, a_value_with_lines_of_its_own_comes_with_its_length);
	tcase_add_test(journal, a_length_is_written_low_byte_first);
	tcase_add_test(journal, a_record_of_all_fields_goes_in_one);
	tcase_add_test(journal, what_is_no_field_is_refused);
	tcase_add_test(journal, without_a_descriptor_libsystemd_is_asked);
	tcase_add_test(journal, where_nobody_listens_any_more_it_fails_each_time);
	tcase_add_loop_test(journal, a_record_waits_until_there_is_room, 0, 2);
	tcase_add_test(journal, without_a_socket_of_the_journal_a_record_is_not_there);
	suite_add_tcase(suite, journal);
	return run_suite(suite);
}
