/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and their bytes, from one process to the next: whole, as often as it takes, or not at all.  Linked with
 * -Wl,--wrap=setsockopt.
 */
#undef NDEBUG
#include "core/handover.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { LAYOUT = 7 };

static struct {
	unsigned open_fds;
	int queue;
	bool small_queue;
} f;

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	int small = 1;

	if (level == SOL_SOCKET && name == SO_SNDBUF && f.small_queue)
		value = &small;
	return __real_setsockopt(fd, level, name, value, length);
}

static void setup(void)
{
	f.open_fds = count_open_fds();
	f.queue = -1;
	f.small_queue = false;
}

static void teardown(void)
{
	close_fd(&f.queue);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

static ino_t inode_of(int fd)
{
	struct stat stat;

	ck_assert_int_eq(fstat(fd, &stat), 0);
	return stat.st_ino;
}

/* n memfds, each with its number as its kind and `number * 3` bytes of its number as its bytes; closed here. */
static void give(unsigned n, ino_t *inodes)
{
	struct handover *handover;

	ck_assert_int_eq(handover_new(&handover, LAYOUT), 0);
	for (unsigned i = 0; i < n; i++) {
		char bytes[3000];
		size_t length = i % 1000 * 3;
		struct iovec parts[2] = { { bytes, length / 2 }, { bytes + length / 2, length - length / 2 } };
		int fd = memfd_create("given", MFD_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		inodes[i] = inode_of(fd);
		memset(bytes, (int) i, length);
		ck_assert_int_eq(handover_add(handover, fd, i, parts, 2), 0);
	}
	ck_assert_int_eq(handover_finish(handover, &f.queue), 0);
	ck_assert_ptr_null(handover_free(handover));
}

static void close_from(int first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(close(first + (int) i), 0);
}

static void is_what_was_given(const struct handover_taken *taken, unsigned n, const ino_t *inodes)
{
	ck_assert_uint_eq(taken->n, n);
	ck_assert_uint_eq(taken->layout, LAYOUT);
	for (unsigned i = 0; i < n; i++) {
		const struct handover_item *item = &taken->items[i];
		char bytes[3000];

		memset(bytes, (int) i, sizeof bytes);
		ck_assert_uint_eq(inode_of(item->fd), inodes[i]);
		ck_assert_msg(item->kind == i && fcntl(item->fd, F_GETFD) & FD_CLOEXEC && (uintptr_t) item->bytes % 8 == 0 &&
			      item->length == i % 1000 * 3 && memcmp(item->bytes, bytes, item->length) == 0, "item %u", i);
	}
}

static const unsigned counts[] = { 0, 1, 2, 252, 253, 254, 506, 507, 1500 };

START_TEST(what_is_given_is_taken)
{
	static ino_t inodes[1500];
	unsigned n = counts[_i];
	struct handover_taken taken = { 0 };
	int first = dup(0);

	ck_assert_int_eq(close(first), 0);
	give(n, inodes);
	/* The memfd of the bytes came first, the queue last; what is between is given away. */
	close_from(first + 1, n);
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);
	is_what_was_given(&taken, n, inodes);
	handover_taken_deinit(&taken);
	handover_taken_deinit(&taken);
}
END_TEST

START_TEST(it_can_be_taken_again_and_attempts_are_counted)
{
	ino_t inodes[300];
	int first = dup(0);

	ck_assert_int_eq(close(first), 0);
	give(300, inodes);
	close_from(first + 1, 300);
	for (unsigned i = 0; i < 3; i++) {
		struct handover_taken taken = { 0 };
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0)		/* dies in the middle of everything */
			_exit(handover_take(&taken, f.queue) == 0 && taken.n == 300 ? 42 : 1);
		{
			int status;

			ck_assert_int_eq(waitpid(child, &status, 0), child);
			ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
		}
		ck_assert_int_eq(handover_take(&taken, f.queue), 0);
		ck_assert_uint_eq(taken.attempts, 2 * i + 1);
		is_what_was_given(&taken, 300, inodes);
		handover_taken_deinit(&taken);
	}
}
END_TEST

START_TEST(who_takes_a_descriptor_keeps_it)
{
	struct handover_taken taken = { 0 };
	ino_t inode;
	int first = dup(0), fd;

	ck_assert_int_eq(close(first), 0);
	give(1, &inode);
	close_from(first + 1, 1);
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);
	fd = take_fd(&taken.items[0].fd);
	handover_taken_deinit(&taken);
	ck_assert_uint_eq(inode_of(fd), inode);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Not cut, and not without end. */
START_TEST(without_room_for_all_the_rest_is_told_to_be_missing)
{
	static ino_t inodes[600];
	struct handover_taken taken = { 0 };
	struct rlimit limit, small;
	int first = dup(0), greatest = 0;
	unsigned had = 0;

	ck_assert_int_eq(close(first), 0);
	give(600, inodes);
	close_from(first + 1, 600);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	small = limit;
	small.rlim_cur = 300;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(taken.n, 600);
	for (unsigned i = 0; i < 600; i++) {
		if (taken.items[i].fd < 0)
			continue;
		had++;
		if (taken.items[i].fd > greatest)
			greatest = taken.items[i].fd;
		ck_assert_uint_eq(inode_of(taken.items[i].fd), inodes[i]);
	}
	ck_assert_uint_gt(had, 200);
	/* Under valgrind the limit is valgrind's word, and the kernel gives numbers beyond it. */
	ck_assert(had < 300 || greatest >= 300);
	handover_taken_deinit(&taken);
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);	/* and all are still there */
	is_what_was_given(&taken, 600, inodes);
	handover_taken_deinit(&taken);
}
END_TEST

/* One descriptor n times, each with its number as its bytes.  Each assertion writes a message: one for all of them. */
static struct handover *new_of(unsigned n)
{
	struct handover *handover;
	unsigned added = 0;

	ck_assert_int_eq(handover_new(&handover, LAYOUT), 0);
	for (unsigned i = 0; i < n; i++) {
		struct iovec part = { &i, sizeof i };

		added += handover_add(handover, 0, i, &part, 1) == 0;
	}
	ck_assert_uint_eq(added, n);
	return handover;
}

/* As many as a table of 20,000 has room for when they are taken. */
START_TEST(ten_thousands_are_taken)
{
	enum { MANY = 18000, SPARE = 100 };
	struct handover_taken taken = { 0 };
	struct handover *handover;
	struct rlimit limit;
	unsigned n = MANY, right = 0;
	ino_t inode = inode_of(0);
	struct stat stat;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < MANY + SPARE)
		n = (unsigned) limit.rlim_max - SPARE;
	handover = new_of(n);
	ck_assert_int_eq(handover_finish(handover, &f.queue), 0);
	handover_free(handover);
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);
	ck_assert_uint_eq(taken.n, n);
	for (unsigned i = 0; i < n; i++)
		right += fstat(taken.items[i].fd, &stat) == 0 && stat.st_ino == inode &&
			 *(const unsigned *) taken.items[i].bytes == i;
	ck_assert_uint_eq(right, n);
	handover_taken_deinit(&taken);
}
END_TEST

/* Of a unit with LimitNOFILE=65536, whose kernel gives the queue no more than it gives everybody. */
START_TEST(as_many_fit_as_a_process_can_have)
{
	struct handover *handover = new_of(65536);
	int r = handover_finish(handover, &f.queue);

	/* Who may not have so many open may not have them on their way either. */
	ck_assert(r == 0 || r == -ETOOMANYREFS);
	handover_free(handover);
}
END_TEST

START_TEST(a_queue_that_is_too_small_is_told_and_nobody_waits)
{
	struct handover *handover = new_of(10000);

	f.small_queue = true;
	ck_assert_int_eq(handover_finish(handover, &f.queue), -EAGAIN);
	ck_assert_int_eq(f.queue, -1);
	handover_free(handover);
}
END_TEST

START_TEST(what_nobody_holds_is_known)
{
	struct handover *handover;
	int queue, other;

	ck_assert_int_eq(handover_new(&handover, LAYOUT), 0);
	ck_assert_int_eq(handover_add(handover, 0, 1, NULL, 0), 0);
	ck_assert_int_eq(handover_finish(handover, &queue), 0);
	ck_assert(handover_is_held(handover, 0));
	other = dup(queue);
	ck_assert_int_eq(close(queue), 0);
	ck_assert(handover_is_held(handover, 0));
	ck_assert_int_eq(close(other), 0);
	ck_assert(!handover_is_held(handover, 0));
	handover_free(handover);
}
END_TEST

START_TEST(what_is_not_whole_is_refused)
{
	struct handover_taken taken = { 0 };
	int ends[2];

	/* Its writer is still there. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(handover_take(&taken, ends[0]), -EBADMSG);
	/* It has said something else. */
	ck_assert_int_eq(send(ends[1], "S", 1, 0), 1);
	ck_assert_int_eq(handover_take(&taken, ends[0]), -EBADMSG);
	ck_assert_int_eq(close(ends[1]), 0);
	ck_assert_int_eq(handover_take(&taken, ends[0]), -EBADMSG);
	ck_assert_int_eq(close(ends[0]), 0);
	/* Nothing was said at all. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(close(ends[1]), 0);
	ck_assert_int_eq(handover_take(&taken, ends[0]), -EBADMSG);
	ck_assert_int_eq(close(ends[0]), 0);
	/* It is no socket. */
	ends[0] = open_eventfd(0);
	ck_assert_int_lt(handover_take(&taken, ends[0]), 0);
	ck_assert_int_eq(close(ends[0]), 0);
	ck_assert_uint_eq(taken.n, 0);
}
END_TEST

/* A copy of a sound state, with one byte changed or cut short, is refused or is sound: nothing beyond it is touched. */
START_TEST(a_state_that_was_damaged_hurts_nobody)
{
	struct handover_taken taken = { 0 };
	struct handover *handover;
	struct iovec part = { (char[]) { "bytes of one" }, 12 };
	char copy[512];
	ssize_t length;
	int state;

	ck_assert_int_eq(handover_new(&handover, LAYOUT), 0);
	state = dup(0);
	ck_assert_int_eq(close(state--), 0);		/* the last one opened is the state's memfd */
	ck_assert_int_eq(handover_add(handover, 0, 1, &part, 1), 0);
	ck_assert_int_eq(handover_add(handover, 0, 2, &part, 1), 0);
	ck_assert_int_eq(handover_finish(handover, &f.queue), 0);
	length = pread(state, copy, sizeof copy, 0);
	state = dup(state);
	handover_free(handover);
	ck_assert_int_gt(length, 0);
	for (ssize_t i = 0; i < length * 8; i++) {
		char changed = copy[i / 8] ^ (char) (1 << i % 8);

		ck_assert_int_eq(pwrite(state, &changed, 1, i / 8), 1);
		if (handover_take(&taken, f.queue) == 0)
			for (size_t j = 0; j < taken.n; j++)
				for (size_t k = 0; k < taken.items[j].length; k++)
					ck_assert_int_ge(((const unsigned char *) taken.items[j].bytes)[k], 0);
		handover_taken_deinit(&taken);
		ck_assert_int_eq(pwrite(state, copy, (size_t) length, 0), length);
	}
	ck_assert_int_eq(handover_take(&taken, f.queue), 0);
	handover_taken_deinit(&taken);
	for (ssize_t i = length - 1; i >= 0; i--) {
		ck_assert_int_eq(ftruncate(state, i), 0);
		ck_assert_int_lt(handover_take(&taken, f.queue), 0);
	}
	ck_assert_int_eq(close(state), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handover");
	TCase *tests = tcase_create("handover");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, what_is_given_is_taken, 0, sizeof counts / sizeof *counts);
	tcase_add_test(tests, it_can_be_taken_again_and_attempts_are_counted);
	tcase_add_test(tests, who_takes_a_descriptor_keeps_it);
	tcase_add_test(tests, without_room_for_all_the_rest_is_told_to_be_missing);
	tcase_add_test(tests, ten_thousands_are_taken);
	tcase_add_test(tests, as_many_fit_as_a_process_can_have);
	tcase_add_test(tests, a_queue_that_is_too_small_is_told_and_nobody_waits);
	tcase_add_test(tests, what_nobody_holds_is_known);
	tcase_add_test(tests, what_is_not_whole_is_refused);
	tcase_add_test(tests, a_state_that_was_damaged_hurts_nobody);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
