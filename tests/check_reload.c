/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a reload: the file that the daemon writes, and the client that waits for it.  The daemon is a stand-in:
 * a child that publishes for every SIGHUP it is sent.  What it does next is told to it by what it was started with, and
 * it says by a pipe when it is ready, so nothing here waits for a time to pass.
 *
 * The client prints, so it runs in a child too, with its output in a file.
 */
#undef NDEBUG
#include "daemon/reload.h"

#include "core/cleanup.h"
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { NOBODY = 999999999 };	/* above any pid_max */

static struct {
	char directory[64];
	char path[96];
	pid_t daemon;
	int daemon_says;	/* a pipe: 'r' when it is ready, 's' for each signal that it took */
	int daemon_waits;	/* a pipe: a byte lets it publish, where it was told to wait */
} f;

static void setup(void)
{
	f.daemon = 0;
	f.daemon_says = f.daemon_waits = -1;
	(void) snprintf(f.directory, sizeof f.directory, "/tmp/check_reload.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f.directory));
	(void) snprintf(f.path, sizeof f.path, "%s/reload", f.directory);
	ck_assert_int_eq(setenv("RUNTIME_DIRECTORY", f.directory, 1), 0);
}

static void end_daemon(void)
{
	char new_path[128];

	if (f.daemon <= 0)
		return;
	(void) kill(f.daemon, SIGKILL);
	(void) waitpid(f.daemon, NULL, 0);
	f.daemon = 0;
	(void) snprintf(new_path, sizeof new_path, "%s/.reload.new", f.directory);
	(void) unlink(new_path);	/* it may have been in the middle of publishing */
}

static void teardown(void)
{
	end_daemon();
	close_pair((int[2]) { f.daemon_says, f.daemon_waits });
	(void) unlink(f.path);
	ck_assert_int_eq(rmdir(f.directory), 0);	/* so nothing else was left in it */
}

/* --- what is written --------------------------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
	static char text[8192];
	FILE *from = fopen(path, "re");
	size_t n;

	ck_assert_ptr_nonnull(from);
	n = fread(text, 1, sizeof text - 1, from);
	text[n] = '\0';
	(void) fclose(from);
	return text;
}

static char *expected(const char *format)
{
	static char text[1024];

	(void) snprintf(text, sizeof text, format, (long) getpid());
	return text;
}

static struct conf_errors two_errors(void)
{
	static struct conf_error errors[] = {
		{ .file = (char *) "/etc/reactord.conf", .line = 3, .message = (char *) "unknown key \"staus\"" },
		{ .file = (char *) "command line", .line = 0, .message = (char *) "two\nlines" },
	};

	return (struct conf_errors) { .at = errors, .n = 2 };
}

START_TEST(a_good_verdict_names_process_generation_and_time)
{
	ck_assert_int_eq(reload_publish(7, 123456789012345, true, NULL), 0);
	ck_assert_str_eq(read_file(f.path),
			 expected("pid=%ld\ngeneration=7\nbegan_usec=123456789012345\nresult=ok\n"));
}
END_TEST

START_TEST(a_list_without_errors_is_a_good_verdict)
{
	struct conf_errors none = { 0 };

	ck_assert_int_eq(reload_publish(1, 2, true, &none), 0);
	ck_assert_ptr_nonnull(strstr(read_file(f.path), "result=ok\n"));
}
END_TEST

START_TEST(a_refusal_has_one_line_for_each_error)
{
	struct conf_errors errors = two_errors();

	ck_assert_int_eq(reload_publish(7, 1, false, &errors), 0);
	ck_assert_str_eq(read_file(f.path), expected("pid=%ld\ngeneration=7\nbegan_usec=1\nresult=refused\n"
						     "error=/etc/reactord.conf:3: unknown key \"staus\"\n"
						     "error=command line: two lines\n"));
}
END_TEST

START_TEST(what_waits_for_a_restart_is_one_line_each_of_a_good_verdict)
{
	struct conf_errors warnings = two_errors();

	ck_assert_int_eq(reload_publish(7, 1, true, &warnings), 0);
	ck_assert_str_eq(read_file(f.path), expected("pid=%ld\ngeneration=7\nbegan_usec=1\nresult=ok\n"
						     "warning=/etc/reactord.conf:3: unknown key \"staus\"\n"
						     "warning=command line: two lines\n"));
}
END_TEST

/* Without memory for them there may be none. */
START_TEST(a_refusal_without_errors_is_one)
{
	ck_assert_int_eq(reload_publish(7, 1, false, NULL), 0);
	ck_assert_ptr_nonnull(strstr(read_file(f.path), "result=refused\n"));
}
END_TEST

/* As in the unit, where UMask= is 0777. */
START_TEST(everybody_can_read_a_verdict_whatever_the_umask)
{
	mode_t before = umask(0777);
	int r = reload_publish(1, 1, true, NULL);
	struct stat file;

	(void) umask(before);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(stat(f.path, &file), 0);
	ck_assert_int_eq(file.st_mode & 07777, 0644);
}
END_TEST

/* Who has the old one open reads it to its end. */
START_TEST(a_verdict_replaces_the_one_before_as_a_whole)
{
	cleanup(close_fd) int old = -1;
	struct stat file;

	ck_assert_int_eq(reload_publish(1, 1, true, NULL), 0);
	old = open(f.path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(old, 0);
	ck_assert_int_eq(reload_publish(2, 2, true, NULL), 0);
	ck_assert_int_eq(fstat(old, &file), 0);
	ck_assert_uint_eq(file.st_nlink, 0);
	ck_assert_ptr_nonnull(strstr(read_file(f.path), "generation=2\n"));
}
END_TEST

START_TEST(what_a_dead_daemon_left_half_written_is_no_obstacle)
{
	char new_path[128];
	int fd;

	(void) snprintf(new_path, sizeof new_path, "%s/.reload.new", f.directory);
	fd = open(new_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	(void) close(fd);
	ck_assert_int_eq(reload_publish(1, 1, true, NULL), 0);
	ck_assert_ptr_nonnull(strstr(read_file(f.path), "result=ok\n"));
}
END_TEST

START_TEST(of_several_runtime_directories_the_first_is_ours)
{
	char list[192];

	(void) snprintf(list, sizeof list, "%s:/nonexistent/other", f.directory);
	ck_assert_int_eq(setenv("RUNTIME_DIRECTORY", list, 1), 0);
	ck_assert_int_eq(reload_publish(1, 1, true, NULL), 0);
	ck_assert_ptr_nonnull(strstr(read_file(f.path), "result=ok\n"));
}
END_TEST

START_TEST(without_a_runtime_directory_nothing_is_written)
{
	ck_assert_int_eq(unsetenv("RUNTIME_DIRECTORY"), 0);
	ck_assert_int_eq(reload_publish(1, 1, true, NULL), 0);
	ck_assert_int_eq(access(f.path, F_OK), -1);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_an_error)
{
	ck_assert_int_eq(setenv("RUNTIME_DIRECTORY", "/nonexistent/reactord", 1), 0);
	ck_assert_int_eq(reload_publish(1, 1, true, NULL), -ENOENT);
}
END_TEST

START_TEST(publishing_leaves_no_descriptor_open)
{
	struct conf_errors errors = two_errors();
	unsigned before = count_open_fds();

	ck_assert_int_eq(reload_publish(1, 1, false, &errors), 0);
	ck_assert_uint_eq(count_open_fds(), before);
}
END_TEST

/* --- the client -------------------------------------------------------------------------------------------------- */

enum conduct {
	GOOD,			/* publishes that all is well */
	REFUSES,
	WARNS,			/* publishes that all is well, but for something */
	TOO_OLD_FIRST,		/* publishes on a load that began before it was asked, then waits for a byte, then well */
	ANOTHER_FIRST,		/* publishes for another process, then waits for a byte, then well */
	DIES,
	DIES_TELLING,		/* publishes, then dies */
	OF_ANOTHER_NAME,
	DIES_OF_HANGUP,
	LATE,			/* waits for a byte before it looks at the next signal */
};

static void publish_as(pid_t pid, uint64_t began_usec)
{
	FILE *to;
	char new_path[128];

	(void) snprintf(new_path, sizeof new_path, "%s/.other", f.directory);
	to = fopen(new_path, "we");
	if (!to)
		_exit(9);
	(void) fprintf(to, "pid=%ld\ngeneration=66\nbegan_usec=%llu\nresult=refused\nerror=not the one\n", (long) pid,
		       (unsigned long long) began_usec);
	if (fclose(to) != 0 || rename(new_path, f.path) < 0)
		_exit(9);
}

/* Returns only to be killed. */
static void be_a_daemon(enum conduct conduct, int says, int waits)
{
	uint64_t asked_long_ago = reload_clock_usec();
	struct conf_errors errors = two_errors();
	uint64_t generation = 1;
	struct signalfd_siginfo taken;
	sigset_t hangup;
	int signal_fd;		/* as the daemon does: sigwait(3) would unblock what it waits for */
	char byte;

	(void) sigemptyset(&hangup);
	(void) sigaddset(&hangup, SIGHUP);
	(void) sigprocmask(SIG_BLOCK, &hangup, NULL);
	signal_fd = signalfd(-1, &hangup, SFD_CLOEXEC);
	(void) prctl(PR_SET_NAME, conduct == OF_ANOTHER_NAME ? "another" : RELOAD_NAME);
	if (conduct == DIES_OF_HANGUP)
		(void) sigprocmask(SIG_UNBLOCK, &hangup, NULL);
	if (reload_publish(generation, reload_clock_usec(), true, NULL) < 0 || write(says, "r", 1) != 1)
		_exit(9);
	for (;;) {
		uint64_t began_usec;

		if (conduct == LATE && read(waits, &byte, 1) != 1)
			_exit(9);
		if (read(signal_fd, &taken, sizeof taken) != sizeof taken || write(says, "s", 1) != 1)
			_exit(9);
		began_usec = reload_clock_usec();
		switch (conduct) {
		case DIES:
			_exit(0);
		case DIES_TELLING:
			(void) reload_publish(++generation, began_usec, true, NULL);
			_exit(0);
		case REFUSES:
			(void) reload_publish(generation, began_usec, false, &errors);
			continue;
		case WARNS:
			(void) reload_publish(++generation, began_usec, true, &errors);
			continue;
		case TOO_OLD_FIRST:
			publish_as(getpid(), asked_long_ago);
			if (read(waits, &byte, 1) != 1)
				_exit(9);
			break;
		case ANOTHER_FIRST:
			publish_as(getpid() + 1, began_usec);
			if (read(waits, &byte, 1) != 1)
				_exit(9);
			break;
		case GOOD:
		case OF_ANOTHER_NAME:
		case DIES_OF_HANGUP:
		case LATE:
			break;
		}
		(void) reload_publish(++generation, began_usec, true, NULL);
	}
}

static void assert_says(char what)
{
	char byte;

	ck_assert_int_eq(read(f.daemon_says, &byte, 1), 1);
	ck_assert_int_eq(byte, what);
}

static void start_daemon(enum conduct conduct)
{
	int says[2], waits[2];

	ck_assert_int_eq(pipe2(says, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(waits, O_CLOEXEC), 0);
	f.daemon = fork();
	ck_assert_int_ge(f.daemon, 0);
	if (f.daemon == 0)
		be_a_daemon(conduct, says[1], waits[0]);
	(void) close(says[1]);
	(void) close(waits[0]);
	f.daemon_says = says[0];
	f.daemon_waits = waits[1];
	assert_says('r');
}

struct client {
	pid_t pid;
	int out, err;		/* files in memory */
	char said[2048], complained[2048];
};

static void start_client(struct client *client, pid_t asks)
{
	client->out = memfd_create("out", MFD_CLOEXEC);
	client->err = memfd_create("err", MFD_CLOEXEC);
	ck_assert(client->out >= 0 && client->err >= 0);
	client->pid = fork();
	ck_assert_int_ge(client->pid, 0);
	if (client->pid == 0) {
		int status;

		if (dup2(client->out, STDOUT_FILENO) < 0 || dup2(client->err, STDERR_FILENO) < 0)
			_exit(9);
		status = reload_request(asks);
		(void) fflush(stdout);
		_exit(status);
	}
}

static void read_said(int *fd, char *to, size_t capacity)
{
	ssize_t n = pread(*fd, to, capacity - 1, 0);

	ck_assert_int_ge(n, 0);
	to[n] = '\0';
	close_fd(fd);
}

static int wait_client(struct client *client)
{
	int status;

	ck_assert_int_eq(waitpid(client->pid, &status, 0), client->pid);
	read_said(&client->out, client->said, sizeof client->said);
	read_said(&client->err, client->complained, sizeof client->complained);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool client_ended(const struct client *client)
{
	siginfo_t info = { 0 };

	ck_assert_int_eq(waitid(P_PID, (id_t) client->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid != 0;
}

START_TEST(the_client_says_which_configuration_is_in_force)
{
	struct client client;

	start_daemon(GOOD);
	start_client(&client, f.daemon);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force\n");
	ck_assert_str_eq(client.complained, "");
}
END_TEST

START_TEST(a_refusal_is_exit_status_1_with_all_errors)
{
	struct client client;

	start_daemon(REFUSES);
	start_client(&client, f.daemon);
	ck_assert_int_eq(wait_client(&client), 1);
	ck_assert_str_eq(client.said, "");
	ck_assert_str_eq(client.complained,
			 "/etc/reactord.conf:3: unknown key \"staus\"\n"
			 "command line: two lines\n"
			 "reactord: the new configuration is refused; configuration 1 stays\n");
}
END_TEST

START_TEST(what_waits_for_a_restart_is_told_with_exit_status_0)
{
	struct client client;

	start_daemon(WARNS);
	start_client(&client, f.daemon);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force, except for what needs a restart\n");
	ck_assert_str_eq(client.complained,
			 "/etc/reactord.conf:3: unknown key \"staus\"\n"
			 "command line: two lines\n");
}
END_TEST

START_TEST(without_a_pid_the_daemon_of_the_directory_is_asked)
{
	struct client client;

	start_daemon(GOOD);
	start_client(&client, 0);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force\n");
}
END_TEST

START_TEST(without_a_pid_and_a_verdict_nobody_is_asked)
{
	struct client client;

	start_client(&client, 0);
	ck_assert_int_eq(wait_client(&client), 1);
	ck_assert_ptr_nonnull(strstr(client.complained, "names no running daemon"));
}
END_TEST

START_TEST(a_process_that_is_not_there_is_named)
{
	struct client client;

	start_client(&client, NOBODY);
	ck_assert_int_eq(wait_client(&client), 1);
	ck_assert_str_eq(client.complained, "reactord: cannot signal process 999999999: No such process\n");
}
END_TEST

/* That one daemon publishes here does not make another process one; the second is what root asks for by a verdict that
 * somebody else wrote. */
static const struct {
	enum conduct conduct;
	bool named;
	const char *why;
} others[] = {
	{ OF_ANOTHER_NAME, true, "is no reactord" },
	{ OF_ANOTHER_NAME, false, "is no reactord" },
	{ DIES_OF_HANGUP, true, "takes no SIGHUP" },
};

START_TEST(a_process_that_is_no_daemon_of_ours_is_not_signalled)
{
	char expected_text[128];
	struct client client;

	start_daemon(others[_i].conduct);
	start_client(&client, others[_i].named ? f.daemon : 0);
	ck_assert_int_eq(wait_client(&client), 1);
	(void) snprintf(expected_text, sizeof expected_text, "reactord: process %ld %s: it is not signalled\n",
			(long) f.daemon, others[_i].why);
	ck_assert_str_eq(client.complained, expected_text);
	ck_assert_int_eq(kill(f.daemon, SIGKILL), 0);	/* what it has not said by then it never will */
	ck_assert_int_eq(read(f.daemon_says, expected_text, 1), 0);
}
END_TEST

/* The daemon has published the wrong verdict when it reads the byte, and a client that believed it has not the last
 * word: its exit status would be 1, and its error the wrong one. */
static void assert_waits_for_the_second(enum conduct conduct)
{
	struct client client;

	start_daemon(conduct);
	start_client(&client, f.daemon);
	assert_says('s');
	send_byte(f.daemon_waits);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force\n");
	ck_assert_str_eq(client.complained, "");
}

/* The stale one is there, whole, before the client starts; so it has surely seen it. */
START_TEST(the_verdict_on_an_earlier_load_is_not_the_answer)
{
	struct client client;

	start_daemon(LATE);
	publish_as(f.daemon, reload_clock_usec());
	start_client(&client, f.daemon);
	send_byte(f.daemon_waits);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force\n");
}
END_TEST

START_TEST(a_load_under_way_when_it_was_asked_is_not_the_answer)
{
	assert_waits_for_the_second(TOO_OLD_FIRST);
}
END_TEST

START_TEST(the_verdict_of_another_process_is_not_the_answer)
{
	assert_waits_for_the_second(ANOTHER_FIRST);
}
END_TEST

/* One signal may be taken for both; either way each client has an answer to a load that began after it asked. */
START_TEST(two_clients_at_once_are_both_answered)
{
	struct client one, other;

	start_daemon(LATE);
	start_client(&one, f.daemon);
	start_client(&other, f.daemon);
	send_byte(f.daemon_waits);
	send_byte(f.daemon_waits);
	ck_assert_int_eq(wait_client(&one), 0);
	ck_assert_int_eq(wait_client(&other), 0);
}
END_TEST

/* Who asks while a load is under way is answered by the next one. */
START_TEST(a_client_that_asks_during_a_load_waits_for_the_next)
{
	struct client one, other;

	start_daemon(LATE);
	start_client(&one, f.daemon);
	send_byte(f.daemon_waits);
	ck_assert_int_eq(wait_client(&one), 0);
	start_client(&other, f.daemon);
	ck_assert(!client_ended(&other));	/* the daemon takes no signal before it reads the next byte */
	send_byte(f.daemon_waits);
	ck_assert_int_eq(wait_client(&other), 0);
	ck_assert_str_eq(other.said, "configuration 3 is in force\n");
}
END_TEST

/* Also when nobody has waited for it yet. */
START_TEST(a_daemon_that_dies_ends_the_wait)
{
	struct client client;

	start_daemon(DIES);
	start_client(&client, f.daemon);
	assert_says('s');
	ck_assert_int_eq(wait_client(&client), 1);
	ck_assert_ptr_nonnull(strstr(client.complained, "ended before it said anything\n"));
}
END_TEST

START_TEST(what_a_daemon_said_before_it_died_counts)
{
	struct client client;

	start_daemon(DIES_TELLING);
	start_client(&client, f.daemon);
	assert_says('s');
	ck_assert_int_eq(wait_client(&client), 0);
}
END_TEST

/* Its runtime directory is not known here, and /run/reactord/state names nobody or another. */
START_TEST(without_the_variable_a_stranger_is_signalled_and_not_waited_for)
{
	struct client client;

	start_daemon(GOOD);
	ck_assert_int_eq(unsetenv("RUNTIME_DIRECTORY"), 0);
	start_client(&client, f.daemon);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_ptr_nonnull(strstr(client.said, "its verdict is in its log\n"));
	assert_says('s');
}
END_TEST

/* As in ExecReload=, when the daemon could not write at its start. */
START_TEST(with_the_variable_a_verdict_is_waited_for_although_there_was_none)
{
	struct client client;

	start_daemon(GOOD);
	ck_assert_int_eq(unlink(f.path), 0);
	start_client(&client, f.daemon);
	ck_assert_int_eq(wait_client(&client), 0);
	ck_assert_str_eq(client.said, "configuration 2 is in force\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reload");
	TCase *daemon = tcase_create("daemon"), *client = tcase_create("client");

	tcase_add_checked_fixture(daemon, setup, teardown);
	tcase_add_test(daemon, a_good_verdict_names_process_generation_and_time);
	tcase_add_test(daemon, a_list_without_errors_is_a_good_verdict);
	tcase_add_test(daemon, a_refusal_has_one_line_for_each_error);
	tcase_add_test(daemon, what_waits_for_a_restart_is_one_line_each_of_a_good_verdict);
	tcase_add_test(daemon, a_refusal_without_errors_is_one);
	tcase_add_test(daemon, everybody_can_read_a_verdict_whatever_the_umask);
	tcase_add_test(daemon, a_verdict_replaces_the_one_before_as_a_whole);
	tcase_add_test(daemon, what_a_dead_daemon_left_half_written_is_no_obstacle);
	tcase_add_test(daemon, of_several_runtime_directories_the_first_is_ours);
	tcase_add_test(daemon, without_a_runtime_directory_nothing_is_written);
	tcase_add_test(daemon, a_directory_that_is_not_there_is_an_error);
	tcase_add_test(daemon, publishing_leaves_no_descriptor_open);
	suite_add_tcase(suite, daemon);

	tcase_add_checked_fixture(client, setup, teardown);
	tcase_add_test(client, the_client_says_which_configuration_is_in_force);
	tcase_add_test(client, a_refusal_is_exit_status_1_with_all_errors);
	tcase_add_test(client, what_waits_for_a_restart_is_told_with_exit_status_0);
	tcase_add_test(client, without_a_pid_the_daemon_of_the_directory_is_asked);
	tcase_add_test(client, without_a_pid_and_a_verdict_nobody_is_asked);
	tcase_add_test(client, a_process_that_is_not_there_is_named);
	tcase_add_loop_test(client, a_process_that_is_no_daemon_of_ours_is_not_signalled, 0,
			    sizeof others / sizeof *others);
	tcase_add_test(client, the_verdict_on_an_earlier_load_is_not_the_answer);
	tcase_add_test(client, a_load_under_way_when_it_was_asked_is_not_the_answer);
	tcase_add_test(client, the_verdict_of_another_process_is_not_the_answer);
	tcase_add_test(client, two_clients_at_once_are_both_answered);
	tcase_add_test(client, a_client_that_asks_during_a_load_waits_for_the_next);
	tcase_add_test(client, a_daemon_that_dies_ends_the_wait);
	tcase_add_test(client, what_a_daemon_said_before_it_died_counts);
	tcase_add_test(client, without_the_variable_a_stranger_is_signalled_and_not_waited_for);
	tcase_add_test(client, with_the_variable_a_verdict_is_waited_for_although_there_was_none);
	suite_add_tcase(suite, client);
	return run_suite(suite);
}
