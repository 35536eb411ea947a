/* SPDX-License-Identifier: MIT */
/*
 * The log, read at both its ends: fd 2 is a pipe of the test's own, and sd_journal_sendv() is a stand-in that takes,
 * fails, or hangs.  The clock goes only when a test moves it.
 */
#undef NDEBUG
#include "daemon/log.h"

#include "fixture.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __attribute__((used)) __wrap_sd_journal_sendv(const struct iovec *fields, int n);	/* with -flto nobody else knows */

enum { MANY = 3000, SENT_MAX = 4096, FIELDS = 16 };

/* --- a clock that is moved by hand ------------------------------------------------------------------------------- */

static _Atomic uint64_t now_s = 1000;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec) { .tv_sec = (time_t) now_s };
	return 0;
}

/* --- a journal --------------------------------------------------------------------------------------------------- */

static _Atomic enum { JOURNAL_TAKES, JOURNAL_FAILS, JOURNAL_HANGS } journal_does;
static int hang_pipe[2];

static struct sent {
	int n;
	char *fields[FIELDS];
} sent[SENT_MAX];
static _Atomic unsigned n_sent;	/* written by the log's thread; the records are read when it has ended */

int __attribute__((used)) __wrap_access(const char *path, int mode);

int __wrap_access(const char *path, int mode)
{
	(void) path;
	(void) mode;
	return 0;			/* the journal's socket is there */
}

int __wrap_sd_journal_sendv(const struct iovec *fields, int n)
{
	char byte;

	if (journal_does == JOURNAL_FAILS)
		return -ECONNREFUSED;
	if (journal_does == JOURNAL_HANGS)	/* until the other end is closed */
		(void) !read(hang_pipe[0], &byte, 1);
	if (n_sent == SENT_MAX || n > FIELDS)
		abort();
	for (int i = 0; i < n; i++)
		sent[n_sent].fields[i] = strndup(fields[i].iov_base, fields[i].iov_len);
	sent[n_sent++].n = n;
	return 0;
}

/* The value of a field that is there once, or NULL. */
static const char *field(unsigned record, const char *name)
{
	size_t length = strlen(name);
	const char *value = NULL;

	ck_assert_uint_lt(record, n_sent);
	for (int i = 0; i < sent[record].n; i++)
		if (strncmp(sent[record].fields[i], name, length) == 0 && sent[record].fields[i][length] == '=') {
			ck_assert_ptr_null(value);
			value = sent[record].fields[i] + length + 1;
		}
	return value;
}

/* --- a standard error -------------------------------------------------------------------------------------------- */

static int kept_stderr, out[2];
static char text[1 << 20];
static struct report_ring *ring;

static int start_log(struct report_ring **rings, size_t n)
{
	int r = log_start();

	if (r == 0)
		log_add_rings(rings, n);
	return r;
}

static void set_up(void)
{
	void *memory;

	(void) unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(posix_memalign(&memory, 64, sizeof *ring), 0);
	ring = memset(memory, 0, sizeof *ring);
	ring->wake_fd = -1;
	journal_does = JOURNAL_TAKES;
	now_s += 3600;
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(out[1], F_SETPIPE_SZ, sizeof text / 2), 0);
	ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_eq(dup2(out[1], STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(log_open(), 0);
	log_set_level(LOG_INFO);
	log_set_access_limit(0);
}

static void tear_down(void)
{
	log_stop();
	(void) dup2(kept_stderr, STDERR_FILENO);
	(void) close(kept_stderr);
	close_pair(out);
	free(ring);
	for (unsigned i = 0; i < n_sent; i++)
		for (int j = 0; j < sent[i].n; j++)
			free(sent[i].fields[j]);
	n_sent = 0;
}

/* All that was written so far. */
static const char *written(void)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(out[0], text + length, sizeof text - 1 - length)) > 0)
		length += (size_t) n;
	text[length] = '\0';
	return text;
}

static void use_journal(void)
{
	struct stat file;
	char stream[64];

	ck_assert_int_eq(fstat(STDERR_FILENO, &file), 0);
	(void) snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long) file.st_dev, (unsigned long) file.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	ck_assert_int_eq(log_open(), 0);
}

/* Runs the thread until it has written all that is in the ring. */
static const char *write_reports(void)
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	log_stop();
	return written();
}

static void put_failure(enum report_kind kind, int error)
{
	report_put(ring, &(struct report) { .kind = (uint8_t) kind, .error = error });
}

/* The next line of the running thread, without its end. */
static const char *next_line(void)
{
	struct pollfd line = { .fd = out[0], .events = POLLIN };
	size_t n = 0;

	do {
		ck_assert_int_eq(poll(&line, 1, -1), 1);
		ck_assert_int_eq(read(out[0], text + n, 1), 1);
	} while (text[n++] != '\n');
	text[n - 1] = '\0';
	return text;
}

static struct report a_request(void)
{
	return (struct report) {
		.kind = REPORT_REQUEST, .worker = 3, .connection = 77, .status = 200, .bytes = 5,
		.peer = "127.0.0.1:51000", .method = "GET", .target = "/path", .route = "/pa*",
	};
}

/* --- what a person reads ----------------------------------------------------------------------------------------- */

static const struct {
	enum log_kind kind;
	int priority;
	const char *line;
} lines[] = {
	{ LOG_STARTED, LOG_INFO, "reactord: x 1\n" },
	{ LOG_LISTENING, LOG_NOTICE, "reactord: x 1\n" },
	{ LOG_LISTEN_DIFFERS, LOG_WARNING, "reactord: warning: x 1\n" },
	{ LOG_FAILED, LOG_ERR, "reactord: error: x 1\n" },
	{ LOG_FAILED, LOG_CRIT, "reactord: error: x 1\n" },
};

START_TEST(a_line_says_who_and_how_bad)
{
	log_write(lines[_i].kind, lines[_i].priority, "x %d", 1);
	ck_assert_str_eq(written(), lines[_i].line);
}
END_TEST

START_TEST(the_thread_writes_the_same_lines_in_order)
{
	char expected[4096] = "";

	ck_assert_int_eq(log_start(), 0);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		log_write(lines[i].kind, lines[i].priority, "x %d", 1);
		(void) strcat(expected, lines[i].line);
	}
	log_stop();
	ck_assert_str_eq(written(), expected);
}
END_TEST

START_TEST(an_error_of_the_configuration_begins_with_its_place)
{
	log_config_error(LOG_ERR, "/etc/reactord.conf", 7, "/etc/reactord.conf:7: unknown key");
	ck_assert_str_eq(written(), "/etc/reactord.conf:7: unknown key\n");
}
END_TEST

START_TEST(a_request_is_a_line_of_an_access_log)
{
	struct report request = a_request();

	report_put(ring, &request);
	ck_assert_str_eq(write_reports(), "127.0.0.1:51000 \"GET /path\" 200 5\n");
}
END_TEST

START_TEST(what_is_not_known_of_a_request_is_a_dash)
{
	report_put(ring, &(struct report) { .kind = REPORT_REQUEST, .status = 400 });
	ck_assert_str_eq(write_reports(), "- \"- -\" 400 0\n");
}
END_TEST

START_TEST(a_client_cannot_forge_a_line)
{
	struct report request = a_request();

	(void) strcpy(request.method, "G\"T");
	(void) strcpy(request.target, "/\n1.2.3.4:5 \"GET /\r\t\x1b\\\x7f\xc3\xa9");
	report_put(ring, &request);
	ck_assert_str_eq(write_reports(), "127.0.0.1:51000 \"G\\x22T "
			 "/\\x0a1.2.3.4:5 \\x22GET /\\x0d\\x09\\x1b\\x5c\\x7f\\xc3\\xa9\" 200 5\n");
}
END_TEST

START_TEST(the_longest_target_is_escaped_whole)
{
	struct report request = a_request();
	char expected[1024] = "127.0.0.1:51000 \"GET ";

	memset(request.target, 0x80, sizeof request.target - 1);
	for (size_t i = 0; i < sizeof request.target - 1; i++)
		(void) strcat(expected, "\\x80");
	(void) strcat(expected, "\" 200 5\n");
	report_put(ring, &request);
	ck_assert_str_eq(write_reports(), expected);
}
END_TEST

START_TEST(a_line_that_is_too_long_says_that_it_was_cut)
{
	char x[2000];
	size_t length;

	memset(x, 'x', sizeof x);
	log_write(LOG_FAILED, LOG_INFO, "%.*s", (int) sizeof x, x);
	length = strlen(written());
	ck_assert_uint_gt(length, 1000);
	ck_assert_uint_lt(length, 1100);
	ck_assert_str_eq(text + length - 5, "x...\n");

	log_write(LOG_FAILED, LOG_INFO, "%.*s", (int) (length - strlen("reactord: \n")), x);
	ck_assert_uint_eq(strlen(written()), length);
	ck_assert_str_eq(text + length - 5, "xxxx\n");

	x[sizeof x - 1] = '\0';
	log_config_error(LOG_ERR, "file", 1, x);
	length = strlen(written());
	ck_assert_str_eq(text + length - 5, "x...\n");
}
END_TEST

START_TEST(what_is_less_important_than_the_level_is_left_out)
{
	log_set_level(LOG_ERR);
	log_write(LOG_STARTED, LOG_INFO, "no");
	log_write(LOG_STARTED, LOG_WARNING, "no");
	log_config_error(LOG_WARNING, "file", 1, "no");
	put_failure(REPORT_FULL, 0);
	report_suppress(ring, REPORT_FULL);
	ring->dropped = 5;
	(void) write_reports();
	log_config_error(LOG_ERR, "file", 1, "yes");
	ck_assert_str_eq(text, "");
	ck_assert_str_eq(written(), "yes\n");
}
END_TEST

START_TEST(requests_do_not_ask_the_level)
{
	struct report request = a_request();

	log_set_level(LOG_ERR);
	report_put(ring, &request);
	ck_assert_str_eq(write_reports(), "127.0.0.1:51000 \"GET /path\" 200 5\n");
}
END_TEST

START_TEST(debug_is_for_who_asks)
{
	log_write(LOG_FAILED, LOG_DEBUG, "no");
	log_set_level(LOG_DEBUG);
	log_write(LOG_FAILED, LOG_DEBUG, "yes");
	ck_assert_str_eq(written(), "reactord: yes\n");
}
END_TEST

/* --- floods ------------------------------------------------------------------------------------------------------ */

#define NO_DESCRIPTORS "reactord: warning: cannot accept connections: Too many open files"

START_TEST(of_a_flood_the_first_is_told_and_after_a_second_the_last_with_how_many_were_not)
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	put_failure(REPORT_NO_DESCRIPTORS, EMFILE);
	ck_assert_str_eq(next_line(), NO_DESCRIPTORS);
	for (int i = 0; i < 3; i++)
		put_failure(REPORT_NO_DESCRIPTORS, EMFILE);
	put_failure(REPORT_NO_DESCRIPTORS, ENFILE);
	put_failure(REPORT_FULL, 0);	/* its line says that those before it were looked at */
	ck_assert_ptr_nonnull(strstr(next_line(), "limits.max_connections is reached"));
	now_s++;	/* and nothing comes any more that would tell it */
	ck_assert_str_eq(next_line(), NO_DESCRIPTORS " in system (3 more suppressed)");
	put_failure(REPORT_NO_DESCRIPTORS, EMFILE);
	log_stop();	/* has no second to wait */
	ck_assert_str_eq(written(), NO_DESCRIPTORS "\n");
}
END_TEST

/* A worker leaves out most by itself. */
START_TEST(what_the_workers_left_out_is_told_when_the_flood_is_over)
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	put_failure(REPORT_NO_DESCRIPTORS, EMFILE);
	ck_assert_str_eq(next_line(), NO_DESCRIPTORS);
	for (int i = 0; i < 100; i++)
		report_suppress(ring, REPORT_NO_DESCRIPTORS);
	report_suppress(ring, REPORT_FULL);	/* of another kind */
	now_s++;
	ck_assert_str_eq(next_line(), NO_DESCRIPTORS " (99 more suppressed)");
	report_suppress(ring, REPORT_NO_DESCRIPTORS);
	log_stop();
	ck_assert_str_eq(written(), NO_DESCRIPTORS "\n");
}
END_TEST

START_TEST(a_flood_of_one_kind_does_not_hide_another)
{
	put_failure(REPORT_FULL, 0);
	put_failure(REPORT_FULL, 0);
	put_failure(REPORT_CONNECTION_FAILED, ENOMEM);
	ck_assert_str_eq(write_reports(), "reactord: warning: limits.max_connections is reached: the longest idle make "
			 "room, or new ones get 503\n"
			 "reactord: warning: a connection was given up: Cannot allocate memory\n"
			 "reactord: warning: limits.max_connections is reached: the longest idle make room, or new ones "
			 "get 503\n");
}
END_TEST

/* A file that comes and goes in a loop: the log ends with how it is. */
START_TEST(of_a_flood_of_the_main_thread_ten_are_told_and_after_ten_seconds_the_last)
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	for (int i = 0; i < 100; i++)
		log_write(LOG_SWITCH, LOG_NOTICE, "switch %d", i);
	log_write(LOG_STARTED, LOG_INFO, "another");
	for (int i = 0; i < 10; i++) {
		char expected[64];

		(void) snprintf(expected, sizeof expected, "reactord: switch %d", i);
		ck_assert_str_eq(next_line(), expected);
	}
	ck_assert_str_eq(next_line(), "reactord: another");
	now_s += 10;
	log_write(LOG_SWITCH, LOG_NOTICE, "switch 100");
	ck_assert_str_eq(next_line(), "reactord: switch 99 (89 more suppressed)");
	ck_assert_str_eq(next_line(), "reactord: switch 100");
}
END_TEST

START_TEST(a_bad_configuration_is_told_whole)
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	for (int i = 0; i < 1000; i++)
		log_config_error(LOG_ERR, "file", 1, "error");
	log_stop();
	(void) written();
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(strncmp(text + i * 6, "error\n", 6), 0);
	ck_assert_uint_eq(strlen(text), 1000 * 6);
}
END_TEST

START_TEST(what_was_left_out_is_a_field_too)
{
	use_journal();
	for (int i = 0; i < 3; i++)
		put_failure(REPORT_NO_DESCRIPTORS, EMFILE);
	(void) write_reports();
	ck_assert_uint_eq(n_sent, 2);
	ck_assert_ptr_null(field(0, "REACTORD_LEFT_OUT"));
	ck_assert_str_eq(field(1, "REACTORD_LEFT_OUT"), "1");
	ck_assert_str_eq(field(1, "MESSAGE_ID"), field(0, "MESSAGE_ID"));
}
END_TEST

#define REQUEST "127.0.0.1:51000 \"GET /path\" 200 5"

START_TEST(beyond_the_limit_requests_are_counted)
{
	struct report request = a_request();

	log_set_access_limit(2);
	ck_assert_int_eq(start_log(&ring, 1), 0);
	for (int i = 0; i < 7; i++)
		report_put(ring, &request);
	ck_assert_str_eq(next_line(), REQUEST);
	ck_assert_str_eq(next_line(), REQUEST);
	put_failure(REPORT_FULL, 0);	/* its line says that those before it were looked at */
	ck_assert_ptr_nonnull(strstr(next_line(), "limits.max_connections is reached"));
	now_s++;
	ck_assert_str_eq(next_line(), "reactord: warning: 5 more requests were answered and not logged "
			 "(log.access_limit = 2)");
	for (int i = 0; i < 3; i++)
		report_put(ring, &request);
	log_stop();
	ck_assert_str_eq(written(), REQUEST "\n" REQUEST "\n"
			 "reactord: warning: 1 more request was answered and not logged (log.access_limit = 2)\n");
}
END_TEST

START_TEST(without_a_limit_all_requests_are_logged)
{
	struct report request = a_request();

	log_set_access_limit(0);
	for (int i = 0; i < REPORT_RING_LENGTH; i++)
		report_put(ring, &request);
	(void) write_reports();
	ck_assert_uint_eq(strlen(text), REPORT_RING_LENGTH * sizeof REQUEST);
}
END_TEST

/* --- sinks that do not take -------------------------------------------------------------------------------------- */

/* A pipe that is full, and blocks who writes to it.  Returns how many bytes are in it. */
static size_t fill_stderr(void)
{
	int length;

	ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
	fill(STDERR_FILENO);
	ck_assert_int_eq(fcntl(out[1], F_SETFL, 0), 0);
	ck_assert_int_eq(ioctl(out[0], FIONREAD, &length), 0);
	return (size_t) length;
}

/* Of the lines of many(): how many came, and how many are told to be lost. */
static uint64_t count_lines(const char *at, uint64_t *ret_lost)
{
	uint64_t came = 0;
	unsigned long lost, suppressed;

	*ret_lost = 0;
	for (const char *line = at; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
		came += strncmp(line, "reactord: many", 14) == 0;
		if (sscanf(line, "reactord: many (%lu more suppressed)", &suppressed) == 1)
			came += suppressed;
		if (sscanf(line, "reactord: warning: %lu records were lost", &lost) == 1)
			*ret_lost += lost;
	}
	return came;
}

static void many(void)
{
	for (int i = 0; i < MANY; i++)
		log_write(LOG_LISTENING, LOG_INFO, "many");
}

START_TEST(what_a_full_pipe_cost_is_told_when_it_is_read_again)
{
	size_t filled = fill_stderr();
	uint64_t came, lost;

	ck_assert_uint_lt(filled, sizeof text);
	ck_assert_int_eq(start_log(&ring, 1), 0);
	many();
	while (filled > 0)
		filled -= (size_t) read(out[0], text, filled);
	log_stop();
	came = count_lines(written(), &lost);
	ck_assert_uint_ge(came, 256);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(came + lost, MANY);
}
END_TEST

/* The thread is woken for what is in them, and by what comes later. */
START_TEST(rings_are_read_that_are_added_while_it_runs)
{
	struct pollfd line = { .fd = out[0], .events = POLLIN };

	ck_assert_int_eq(log_start(), 0);
	report_put(ring, &(struct report) { .kind = REPORT_REQUEST });
	log_add_rings(&ring, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(poll(&line, 1, -1), 1);
		ck_assert_int_gt(read(out[0], text, sizeof text), 0);
		if (i == 0)
			report_put(ring, &(struct report) { .kind = REPORT_REQUEST });
	}
}
END_TEST

START_TEST(what_a_journal_that_hung_cost_is_told_when_it_reads_again)
{
	uint64_t lost = 0;
	unsigned came = 0;

	use_journal();
	ck_assert_int_eq(pipe2(hang_pipe, O_CLOEXEC), 0);
	journal_does = JOURNAL_HANGS;
	ck_assert_int_eq(start_log(&ring, 1), 0);
	many();
	(void) close(hang_pipe[1]);
	log_stop();
	(void) close(hang_pipe[0]);
	for (unsigned i = 0; i < n_sent; i++) {
		came += strncmp(field(i, "MESSAGE"), "many", 4) == 0;
		if (field(i, "REACTORD_LEFT_OUT"))
			came += strtoul(field(i, "REACTORD_LEFT_OUT"), NULL, 10);
		if (strstr(field(i, "MESSAGE"), "lost"))
			lost += strtoul(field(i, "MESSAGE"), NULL, 10);
	}
	ck_assert_uint_ge(came, 256);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(came + lost, MANY);
}
END_TEST

static bool log_thread_runs(void)
{
	DIR *tasks = opendir("/proc/self/task");
	bool runs = false;

	for (struct dirent *task; (task = readdir(tasks)); ) {
		char path[300], name[32] = "";
		FILE *comm;

		(void) snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
		comm = task->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!comm)
			continue;
		runs = runs || (fgets(name, sizeof name, comm) && strcmp(name, "log\n") == 0);
		(void) fclose(comm);
	}
	(void) closedir(tasks);
	return runs;
}

/* In a process of its own, because the thread stays behind.  0: all is well. */
static int leave_a_hanging_thread(void (*let_go)(void))
{
	ck_assert_int_eq(start_log(&ring, 1), 0);
	many();
	log_stop();
	if (ring->tail != 0)		/* it was hanging before it came to the rings */
		return 1;
	many();				/* blocks as little as before, and so does a second stop */
	log_stop();
	report_put(ring, &(struct report) { .kind = REPORT_REQUEST });
	memset(ring, 0xff, sizeof *ring);
	free(ring);			/* the thread must not touch it when it goes on */
	let_go();
	while (log_thread_runs())
		(void) sched_yield();
	if (log_start() < 0)		/* another, which can be ended */
		return 2;
	log_stop();
	return 0;
}

static void read_stderr(void)
{
	(void) written();
}

static void close_hang_pipe(void)
{
	(void) close(hang_pipe[1]);
}

static int exit_status(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(a_full_pipe_that_nobody_reads_does_not_hold_up_the_end)
{
	pid_t child;

	(void) fill_stderr();
	child = fork();
	if (child == 0)
		_exit(leave_a_hanging_thread(read_stderr));
	ck_assert_int_eq(exit_status(child), 0);
}
END_TEST

START_TEST(a_journal_that_hangs_does_not_hold_up_the_end)
{
	pid_t child;

	use_journal();
	ck_assert_int_eq(pipe2(hang_pipe, O_CLOEXEC), 0);
	journal_does = JOURNAL_HANGS;
	child = fork();
	if (child == 0)
		_exit(leave_a_hanging_thread(close_hang_pipe));
	close_pair(hang_pipe);		/* or the child's would not be the last end */
	ck_assert_int_eq(exit_status(child), 0);
}
END_TEST

/* As when an upgrade in place has failed. */
START_TEST(a_thread_that_was_left_behind_is_taken_back)
{
	struct report request = a_request();

	use_journal();
	ck_assert_int_eq(pipe2(hang_pipe, O_CLOEXEC), 0);
	journal_does = JOURNAL_HANGS;
	ck_assert_int_eq(start_log(&ring, 1), 0);
	log_write(LOG_STARTED, LOG_INFO, "before");
	log_stop();
	ck_assert_int_eq(start_log(&ring, 1), 0);
	ck_assert_int_eq(start_log(&ring, 1), -EBUSY);
	log_write(LOG_STARTED, LOG_INFO, "after");
	report_put(ring, &request);
	close_hang_pipe();
	log_stop();
	ck_assert_uint_eq(n_sent, 3);
	ck_assert_str_eq(field(0, "MESSAGE"), "before");
	ck_assert_str_eq(field(1, "MESSAGE"), "after");
	ck_assert_str_eq(field(2, "REACTORD_STATUS"), "200");
	(void) close(hang_pipe[0]);
}
END_TEST

/* It writes its last lines when it is asked for again: another is started when it has. */
START_TEST(a_thread_that_hangs_at_its_very_end_is_followed_by_another)
{
	use_journal();
	ck_assert_int_eq(pipe2(hang_pipe, O_CLOEXEC), 0);
	ck_assert_int_eq(start_log(&ring, 1), 0);
	for (int i = 0; i < 12; i++)	/* the last is told at the end */
		log_write(LOG_STARTED, LOG_INFO, "%d", i);
	log_write(LOG_STOPPED, LOG_INFO, "behind them");
	while (n_sent < 11)
		(void) sched_yield();
	journal_does = JOURNAL_HANGS;
	log_stop();
	ck_assert_int_eq(start_log(&ring, 1), -EBUSY);
	close_hang_pipe();
	ck_assert_int_eq(start_log(&ring, 1), 0);
	log_write(LOG_STOPPED, LOG_INFO, "after");
	log_stop();
	ck_assert_str_eq(field(n_sent - 1, "MESSAGE"), "after");
	(void) close(hang_pipe[0]);
}
END_TEST

START_TEST(a_line_that_could_not_be_written_is_told_with_the_next)
{
	ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
	fill(STDERR_FILENO);
	log_write(LOG_STARTED, LOG_INFO, "lost");
	(void) written();
	ck_assert_int_eq(start_log(&ring, 1), 0);
	log_write(LOG_STARTED, LOG_INFO, "there");
	log_stop();
	ck_assert_str_eq(written(), "reactord: there\n"
			 "reactord: warning: 1 record was lost because the log could not be written\n");
}
END_TEST

/* Nothing more comes, so nothing else would find out that the disk has room again. */
START_TEST(what_is_lost_is_told_again_and_again_until_it_can_be)
{
	ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
	fill(STDERR_FILENO);
	log_write(LOG_STARTED, LOG_INFO, "lost");
	log_write(LOG_STARTED, LOG_INFO, "lost");
	ck_assert_int_eq(start_log(&ring, 1), 0);
	while (atomic_load(&ring->reader_sleeps) == false)
		(void) sched_yield();
	(void) written();
	now_s++;
	ck_assert_str_eq(next_line(), "reactord: warning: 2 records were lost because the log could not be written");
}
END_TEST

START_TEST(what_the_workers_dropped_is_told)
{
	ring->dropped = 5;
	ck_assert_str_eq(write_reports(),
			 "reactord: warning: 5 records were lost because the log could not be written\n");
}
END_TEST

START_TEST(what_was_dropped_within_a_second_of_the_end_is_told_as_well)
{
	ring->dropped = 5;
	(void) write_reports();
	ring->dropped = 6;
	ck_assert_str_eq(write_reports(),
			 "reactord: warning: 6 records were lost because the log could not be written\n");
}
END_TEST

/* --- the journal ------------------------------------------------------------------------------------------------- */

static void field_is(unsigned record, const char *name, const char *value)
{
	ck_assert_msg(field(record, name) != NULL, "%s is missing", name);
	ck_assert_str_eq(field(record, name), value);
}

START_TEST(a_line_goes_to_the_journal_with_its_fields)
{
	use_journal();
	log_write(LOG_STARTED, LOG_WARNING, "x %d", 1);
	ck_assert_uint_eq(n_sent, 1);
	ck_assert_int_eq(sent[0].n, 4);
	field_is(0, "MESSAGE", "x 1");
	field_is(0, "PRIORITY", "4");
	field_is(0, "SYSLOG_IDENTIFIER", "reactord");
	field_is(0, "MESSAGE_ID", "d2f6617ef3044ffe8fa4b11614db6a36");
	ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(every_kind_has_a_message_id_of_its_own)
{
	use_journal();
	for (unsigned i = 0; i < LOG_KINDS; i++)
		log_write((enum log_kind) i, LOG_INFO, "x");
	ck_assert_uint_eq(n_sent, LOG_KINDS);
	for (unsigned i = 0; i < LOG_KINDS; i++) {
		ck_assert_uint_eq(strspn(field(i, "MESSAGE_ID"), "0123456789abcdef"), 32);
		ck_assert_uint_eq(strlen(field(i, "MESSAGE_ID")), 32);
		for (unsigned j = 0; j < i; j++)
			ck_assert_str_ne(field(i, "MESSAGE_ID"), field(j, "MESSAGE_ID"));
	}
}
END_TEST

START_TEST(an_error_of_the_configuration_has_its_place_as_fields)
{
	use_journal();
	log_config_error(LOG_ERR, "/etc/reactord.conf", 7, "/etc/reactord.conf:7: unknown key");
	field_is(0, "MESSAGE", "/etc/reactord.conf:7: unknown key");
	field_is(0, "PRIORITY", "3");
	field_is(0, "REACTORD_CONFIG_FILE", "/etc/reactord.conf");
	field_is(0, "REACTORD_CONFIG_LINE", "7");
}
END_TEST

START_TEST(a_request_has_its_parts_as_fields)
{
	struct report request = a_request();

	use_journal();
	(void) strcpy(request.target, "/\nMESSAGE=x");
	request.request_id[0] = 0x1f;
	request.request_id[1] = UINT64_MAX;
	report_put(ring, &request);
	ck_assert_str_eq(write_reports(), "");
	ck_assert_uint_eq(n_sent, 1);
	field_is(0, "MESSAGE", "127.0.0.1:51000 \"GET /\\x0aMESSAGE=x\" 200 5");
	field_is(0, "PRIORITY", "6");
	field_is(0, "MESSAGE_ID", "976aeea0ef8a4e789b7af3a83713cfea");
	field_is(0, "SYSLOG_IDENTIFIER", "reactord");
	field_is(0, "REACTORD_WORKER", "3");
	field_is(0, "REACTORD_CONNECTION", "77");
	field_is(0, "REACTORD_PEER", "127.0.0.1:51000");
	field_is(0, "REACTORD_METHOD", "GET");
	field_is(0, "REACTORD_TARGET", "/\\x0aMESSAGE=x");
	field_is(0, "REACTORD_ROUTE", "/pa*");
	field_is(0, "REACTORD_REQUEST_ID", "000000000000001fffffffffffffffff");
	field_is(0, "REACTORD_STATUS", "200");
	field_is(0, "REACTORD_BYTES", "5");
}
END_TEST

START_TEST(a_request_without_an_id_has_no_such_field)
{
	struct report request = a_request();

	use_journal();
	report_put(ring, &request);
	(void) write_reports();
	ck_assert_ptr_null(field(0, "REACTORD_REQUEST_ID"));
}
END_TEST

START_TEST(a_failure_has_its_errno_as_a_field)
{
	use_journal();
	report_put(ring, &(struct report) { .kind = REPORT_NO_DESCRIPTORS, .error = EMFILE, .worker = 2 });
	ck_assert_str_eq(write_reports(), "");
	field_is(0, "ERRNO", "24");
	field_is(0, "REACTORD_WORKER", "2");
	field_is(0, "PRIORITY", "4");
}
END_TEST

START_TEST(a_failure_has_the_connection_that_it_is_of)
{
	use_journal();
	report_put(ring, &(struct report) { .kind = REPORT_CONNECTION_FAILED, .error = ENOMEM, .worker = 2, .connection = 9,
					    .peer = "127.0.0.1:5" });
	report_put(ring, &(struct report) { .kind = REPORT_NO_DESCRIPTORS, .error = EMFILE });
	(void) write_reports();
	field_is(0, "REACTORD_CONNECTION", "9");
	field_is(0, "REACTORD_PEER", "127.0.0.1:5");
	ck_assert_ptr_null(field(1, "REACTORD_CONNECTION"));	/* it is of none */
	ck_assert_ptr_null(field(1, "REACTORD_PEER"));
}
END_TEST

START_TEST(what_the_journal_does_not_take_goes_to_its_stream)
{
	use_journal();
	journal_does = JOURNAL_FAILS;
	log_write(LOG_FAILED, LOG_ERR, "x");
	log_write(LOG_STARTED, LOG_INFO, "y");
	ck_assert_str_eq(written(), "<3>x\n<6>y\n");
}
END_TEST

/* Its stream may take what nobody will read. */
START_TEST(how_many_are_lost_is_told_to_the_journal_itself)
{
	use_journal();
	journal_does = JOURNAL_FAILS;
	ck_assert_int_eq(start_log(&ring, 1), 0);
	atomic_store(&ring->dropped, 5);
	for (int i = 0; i < 2; i++) {
		log_write(LOG_STARTED, LOG_INFO, "x");
		ck_assert_str_eq(next_line(), "<6>x");
		now_s++;
	}
	log_stop();	/* the last time of all anybody is told */
	ck_assert_str_eq(written(), "<4>5 records were lost because the log could not be written\n");

	ck_assert_int_eq(start_log(&ring, 1), 0);
	atomic_store(&ring->dropped, 6);
	log_write(LOG_STARTED, LOG_INFO, "x");
	ck_assert_str_eq(next_line(), "<6>x");
	journal_does = JOURNAL_TAKES;
	log_stop();
	ck_assert_str_eq(written(), "");
	ck_assert_uint_eq(n_sent, 1);
	field_is(0, "REACTORD_LOST", "6");
}
END_TEST

static const char *const other_streams[] = { "1:1", "", ":", "x", "18446744073709551615:1" };

START_TEST(a_stream_that_is_not_our_stderr_is_not_the_journal)
{
	ck_assert_int_eq(setenv("JOURNAL_STREAM", other_streams[_i], 1), 0);
	ck_assert_int_eq(log_open(), 0);
	log_write(LOG_STARTED, LOG_INFO, "x");
	ck_assert_uint_eq(n_sent, 0);
	ck_assert_str_eq(written(), "reactord: x\n");
}
END_TEST

/* --- the thread -------------------------------------------------------------------------------------------------- */

struct producer {
	pthread_t thread;
	struct report_ring *ring;
	_Atomic bool *stop;
};

static void *report_until_stop(void *arg)
{
	struct producer *p = arg;
	struct report request = a_request();

	for (; !atomic_load(p->stop); request.connection++) {
		report_put(p->ring, &request);
		(void) sched_yield();
	}
	return NULL;
}

/* A worker may run before the log does, and a record may come while the thread falls asleep: a wake-up that is lost
 * would leave the reader of the pipe waiting. */
START_TEST(the_sleeping_thread_hears_of_every_worker)
{
	struct pollfd readable = { .fd = out[0], .events = POLLIN };
	struct report_ring *rings[2];
	struct producer producers[2];
	_Atomic bool stop = false;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(posix_memalign((void **) &rings[i], 64, sizeof *ring), 0);
		memset(rings[i], 0, sizeof *ring);
		producers[i] = (struct producer) { .ring = rings[i], .stop = &stop };
		ck_assert_int_eq(pthread_create(&producers[i].thread, NULL, report_until_stop, &producers[i]), 0);
	}
	ck_assert_int_eq(start_log(rings, 2), 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(poll(&readable, 1, -1), 1);
		(void) written();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(producers[i].thread, NULL), 0);
	for (int i = 0; i < 1000; i++) {	/* and now one at a time */
		struct report request = a_request();

		while (strstr(written(), "GET"))
			;
		report_put(rings[i % 2], &request);
		ck_assert_int_eq(poll(&readable, 1, -1), 1);
	}
	log_stop();
	free(rings[0]);
	free(rings[1]);
}
END_TEST

START_TEST(starting_and_stopping_leaves_no_descriptor)
{
	unsigned before = count_open_fds();

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(start_log(&ring, 1), 0);
		ck_assert_int_eq(start_log(&ring, 1), -EBUSY);
		log_stop();
		log_stop();
	}
	ck_assert_uint_eq(count_open_fds(), before);
}
END_TEST

START_TEST(no_socket_of_ours_becomes_the_standard_error)
{
	pid_t child = fork();

	if (child == 0) {
		for (int fd = 0; fd <= 2; fd++)
			(void) close(fd);
		(void) log_open();
		_exit(open("/", O_RDONLY | O_CLOEXEC) > 2 ? 0 : 1);
	}
	ck_assert_int_eq(exit_status(child), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_line_says_who_and_how_bad, 0, sizeof lines / sizeof *lines);
	tcase_add_test(tcase, the_thread_writes_the_same_lines_in_order);
	tcase_add_test(tcase, an_error_of_the_configuration_begins_with_its_place);
	tcase_add_test(tcase, a_request_is_a_line_of_an_access_log);
	tcase_add_test(tcase, what_is_not_known_of_a_request_is_a_dash);
	tcase_add_test(tcase, a_client_cannot_forge_a_line);
	tcase_add_test(tcase, the_longest_target_is_escaped_whole);
	tcase_add_test(tcase, a_line_that_is_too_long_says_that_it_was_cut);
	tcase_add_test(tcase, what_is_less_important_than_the_level_is_left_out);
	tcase_add_test(tcase, requests_do_not_ask_the_level);
	tcase_add_test(tcase, debug_is_for_who_asks);
	tcase_add_test(tcase, of_a_flood_the_first_is_told_and_after_a_second_the_last_with_how_many_were_not);
	tcase_add_test(tcase, what_the_workers_left_out_is_told_when_the_flood_is_over);
	tcase_add_test(tcase, a_flood_of_one_kind_does_not_hide_another);
	tcase_add_test(tcase, of_a_flood_of_the_main_thread_ten_are_told_and_after_ten_seconds_the_last);
	tcase_add_test(tcase, a_bad_configuration_is_told_whole);
	tcase_add_test(tcase, what_was_left_out_is_a_field_too);
	tcase_add_test(tcase, beyond_the_limit_requests_are_counted);
	tcase_add_test(tcase, without_a_limit_all_requests_are_logged);
	tcase_add_test(tcase, what_is_lost_is_told_again_and_again_until_it_can_be);
	tcase_add_test(tcase, what_a_full_pipe_cost_is_told_when_it_is_read_again);
	tcase_add_test(tcase, rings_are_read_that_are_added_while_it_runs);
	tcase_add_test(tcase, what_a_journal_that_hung_cost_is_told_when_it_reads_again);
	tcase_add_test(tcase, a_full_pipe_that_nobody_reads_does_not_hold_up_the_end);
	tcase_add_test(tcase, a_journal_that_hangs_does_not_hold_up_the_end);
	tcase_add_test(tcase, a_thread_that_was_left_behind_is_taken_back);
	tcase_add_test(tcase, a_thread_that_hangs_at_its_very_end_is_followed_by_another);
	tcase_add_test(tcase, a_line_that_could_not_be_written_is_told_with_the_next);
	tcase_add_test(tcase, what_the_workers_dropped_is_told);
	tcase_add_test(tcase, what_was_dropped_within_a_second_of_the_end_is_told_as_well);
	tcase_add_test(tcase, a_line_goes_to_the_journal_with_its_fields);
	tcase_add_test(tcase, every_kind_has_a_message_id_of_its_own);
	tcase_add_test(tcase, an_error_of_the_configuration_has_its_place_as_fields);
	tcase_add_test(tcase, a_request_has_its_parts_as_fields);
	tcase_add_test(tcase, a_request_without_an_id_has_no_such_field);
	tcase_add_test(tcase, a_failure_has_its_errno_as_a_field);
	tcase_add_test(tcase, a_failure_has_the_connection_that_it_is_of);
	tcase_add_test(tcase, what_the_journal_does_not_take_goes_to_its_stream);
	tcase_add_test(tcase, how_many_are_lost_is_told_to_the_journal_itself);
	tcase_add_loop_test(tcase, a_stream_that_is_not_our_stderr_is_not_the_journal, 0,
			    sizeof other_streams / sizeof *other_streams);
	tcase_add_test(tcase, the_sleeping_thread_hears_of_every_worker);
	tcase_add_test(tcase, starting_and_stopping_leaves_no_descriptor);
	tcase_add_test(tcase, no_socket_of_ours_becomes_the_standard_error);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
