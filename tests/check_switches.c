/* SPDX-License-Identifier: MIT */
/*
 * Switches with real files, in a directory of each test's own.  What inotify tells is in its queue when the call that
 * changed the directory returns, so at_once() waits for nothing; a_second_later() says what time it is.  How many
 * watches there are is asked of the kernel.
 *
 * That inotify cannot be had, and that something happens between two steps, comes from calls that are wrapped.
 */
#undef NDEBUG
#include "daemon/switches.h"

#include "fixture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { FILES_MAX = 4, NEWS_MAX = 16 };

struct news {
	const char *file;
	bool on;
	int error;
};

static struct {
	char directory[64];
	char paths[FILES_MAX][128];
	const char *files[FILES_MAX];
	_Atomic bool on[FILES_MAX];
	size_t n;
	struct switches *switches;
	uint64_t now_ms;
	unsigned fds;

	struct news news[NEWS_MAX];
	size_t n_news;
	const char *removed_when_told;

	int refuse_init_with, refuse_watch_with;	/* an errno; 0: not refused */
	const char *made_before_watch;
	bool strndup_fails;
} f;

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
char *__real_strndup(const char *text, size_t length);
char *__wrap_strndup(const char *text, size_t length);

/* --- files; names are relative to the test's directory ----------------------------------------------------------- */

/* In one of a few buffers that take turns, so that a call may have two. */
static const char *path(const char *name)
{
	static char buffers[4][192];
	static unsigned turn;
	char *buffer = buffers[turn++ % 4];

	(void) snprintf(buffer, sizeof buffers[0], "%s/%s", f.directory, name);
	return buffer;
}

static void make(const char *name)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	(void) close(fd);
}

static void make_directory(const char *name)
{
	ck_assert_int_eq(mkdir(path(name), 0700), 0);
}

static void make_link(const char *to, const char *name)
{
	ck_assert_int_eq(symlink(to, path(name)), 0);
}

static void rename_to(const char *from, const char *to)
{
	ck_assert_int_eq(rename(path(from), path(to)), 0);
}

static void take_away(const char *name)
{
	ck_assert_int_eq(remove(path(name)), 0);
}

/* --- calls that are wrapped -------------------------------------------------------------------------------------- */

int __wrap_inotify_init1(int flags)
{
	if (f.refuse_init_with == 0)
		return __real_inotify_init1(flags);
	errno = f.refuse_init_with;
	return -1;
}

int __wrap_inotify_add_watch(int fd, const char *of, uint32_t mask)
{
	if (f.made_before_watch)
		make(f.made_before_watch);
	f.made_before_watch = NULL;
	if (f.refuse_watch_with == 0)
		return __real_inotify_add_watch(fd, of, mask);
	errno = f.refuse_watch_with;
	return -1;
}

char *__wrap_strndup(const char *text, size_t length)
{
	return f.strndup_fails ? NULL : __real_strndup(text, length);
}

/* --- the fixture ------------------------------------------------------------------------------------------------- */

static void setup(void)
{
	memset(&f, 0, sizeof f);
	(void) snprintf(f.directory, sizeof f.directory, "/tmp/check_switches.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f.directory));
	f.now_ms = 5000;
	f.fds = count_open_fds();
}

static void remove_all(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fdopendir(fd);
	struct dirent *entry;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR)
			remove_all(fd, entry->d_name);
		else
			ck_assert_int_eq(unlinkat(fd, entry->d_name, 0), 0);
	}
	(void) closedir(directory);
	ck_assert_int_eq(unlinkat(at, name, AT_REMOVEDIR), 0);
}

static void teardown(void)
{
	f.switches = switches_free(f.switches);
	ck_assert_uint_eq(count_open_fds(), f.fds);
	remove_all(AT_FDCWD, f.directory);
}

static void add(const char *name)
{
	(void) snprintf(f.paths[f.n], sizeof f.paths[0], "%s", path(name));
	f.files[f.n] = f.paths[f.n];
	f.n++;
}

static void note(void *arg, const char *file, bool on, int error)
{
	ck_assert_ptr_eq(arg, &f);
	ck_assert_uint_lt(f.n_news, NEWS_MAX);
	f.news[f.n_news++] = (struct news) { .file = file, .on = on, .error = error };
	if (f.removed_when_told)
		take_away(f.removed_when_told);
	f.removed_when_told = NULL;
}

static bool is_readable(void)
{
	struct pollfd ready = { .fd = switches_fd(f.switches), .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}

static void look(void)
{
	switches_look(f.switches, f.now_ms, note, &f);
}

static void at_once(void)
{
	ck_assert(is_readable());
	look();
}

static void a_second_later(void)
{
	f.now_ms = switches_next_ms(f.switches);
	look();
}

/* Begins, and takes the first look, which is due at once. */
static void begin(void)
{
	ck_assert_int_eq(switches_new(&f.switches, f.files, f.n, f.on), 0);
	ck_assert_uint_eq(switches_next_ms(f.switches), 0);
	look();
}

static void begin_with(const char *name)
{
	add(name);
	begin();
}

static unsigned count_watches(void)
{
	char line[512];
	unsigned n = 0;
	FILE *info;

	(void) snprintf(line, sizeof line, "/proc/self/fdinfo/%d", switches_fd(f.switches));
	info = fopen(line, "re");
	ck_assert_ptr_nonnull(info);
	while (fgets(line, sizeof line, info))
		n += strncmp(line, "inotify wd:", 11) == 0;
	(void) fclose(info);
	return n;
}

static void assert_told(size_t i, size_t file, bool on, int error)
{
	ck_assert_uint_gt(f.n_news, i);
	ck_assert_str_eq(f.news[i].file, f.files[file]);
	ck_assert_int_eq(f.news[i].on, on);
	ck_assert_int_eq(f.news[i].error, error);
}

/* --- coming and going -------------------------------------------------------------------------------------------- */

START_TEST(what_is_there_at_the_beginning_is_on_before_anybody_looks)
{
	make("there");
	add("there");
	add("missing");
	f.on[1] = true;
	ck_assert_int_eq(switches_new(&f.switches, f.files, f.n, f.on), 0);
	ck_assert(f.on[0]);
	ck_assert(!f.on[1]);
	look();
	ck_assert_uint_eq(f.n_news, 0);
}
END_TEST

START_TEST(a_file_that_comes_is_on_at_once)
{
	begin_with("file");
	ck_assert(!is_readable());
	make("file");
	at_once();
	ck_assert(f.on[0]);
	ck_assert_uint_eq(f.n_news, 1);
	assert_told(0, 0, true, 0);
}
END_TEST

START_TEST(a_file_that_goes_is_off_at_once)
{
	make("file");
	begin_with("file");
	take_away("file");
	at_once();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(f.n_news, 1);
	assert_told(0, 0, false, 0);
}
END_TEST

START_TEST(a_file_that_is_renamed_comes_and_goes_at_once)
{
	make_directory("aside");
	make("aside/file");
	begin_with("file");
	rename_to("aside/file", "file");
	at_once();
	ck_assert(f.on[0]);
	rename_to("file", "aside/file");
	at_once();
	ck_assert(!f.on[0]);
}
END_TEST

START_TEST(a_directory_is_as_good_as_a_file)
{
	begin_with("file");
	make_directory("file");
	at_once();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(another_file_in_the_directory_changes_nothing)
{
	begin_with("file");
	make("file2");
	at_once();
	ck_assert(!is_readable());
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(f.n_news, 0);
}
END_TEST

START_TEST(what_did_not_change_is_not_told_again)
{
	begin_with("file");
	make("file");
	at_once();
	a_second_later();
	a_second_later();
	ck_assert_uint_eq(f.n_news, 1);
}
END_TEST

/* Its directory is the root, and is not the empty string. */
START_TEST(a_file_in_the_root_directory_is_watched)
{
	f.files[f.n++] = "/reactord-check-switches-is-not-there";
	begin();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(count_watches(), 1);
}
END_TEST

/* --- several files ----------------------------------------------------------------------------------------------- */

START_TEST(two_files_in_one_directory_share_a_watch_and_have_a_flag_each)
{
	add("a");
	add("b");
	begin();
	ck_assert_uint_eq(count_watches(), 1);
	make("b");
	at_once();
	ck_assert(!f.on[0]);
	ck_assert(f.on[1]);
	ck_assert_uint_eq(f.n_news, 1);
	assert_told(0, 1, true, 0);
}
END_TEST

START_TEST(the_same_file_twice_turns_both_flags)
{
	add("file");
	add("file");
	begin();
	make("file");
	at_once();
	ck_assert(f.on[0]);
	ck_assert(f.on[1]);
	take_away("file");
	at_once();
	ck_assert(!f.on[0]);
	ck_assert(!f.on[1]);
}
END_TEST

START_TEST(a_directory_that_two_paths_lead_to_stays_watched_while_one_still_does)
{
	make_directory("d");
	make_directory("e");
	make_link("d", "link");
	add("link/a");
	add("d/b");
	begin();
	ck_assert_uint_eq(count_watches(), 1);
	make_link("e", "new");
	rename_to("new", "link");
	a_second_later();
	ck_assert_uint_eq(count_watches(), 2);
	look();		/* a removed watch would be told */
	make("d/b");
	at_once();
	ck_assert(f.on[1]);
}
END_TEST

START_TEST(without_files_there_is_nothing_ever_to_be_done)
{
	ck_assert_int_eq(switches_new(&f.switches, NULL, 0, NULL), 0);
	ck_assert_int_eq(switches_fd(f.switches), -1);
	ck_assert_uint_eq(switches_next_ms(f.switches), UINT64_MAX);
	look();
	ck_assert_int_eq(switches_fd(f.switches), -1);
	ck_assert_uint_eq(switches_next_ms(f.switches), UINT64_MAX);
	ck_assert_uint_eq(count_open_fds(), f.fds);
}
END_TEST

START_TEST(the_next_look_is_due_a_second_after_each)
{
	begin_with("file");
	ck_assert_uint_eq(switches_next_ms(f.switches), 6000);
	f.now_ms = 7500;
	look();
	ck_assert_uint_eq(switches_next_ms(f.switches), 8500);
}
END_TEST

/* --- directories that come, go and are others -------------------------------------------------------------------- */

START_TEST(a_directory_that_is_made_later_is_watched_from_the_next_look_on)
{
	begin_with("d/file");
	ck_assert_uint_eq(count_watches(), 0);
	ck_assert_uint_eq(f.n_news, 0);
	make_directory("d");
	a_second_later();
	ck_assert_uint_eq(count_watches(), 1);
	make("d/file");
	at_once();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_file_that_came_with_its_directory_is_on_at_the_next_look)
{
	begin_with("d/file");
	make_directory("d");
	make("d/file");
	a_second_later();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_directory_that_is_removed_and_made_again_is_watched_again)
{
	make_directory("d");
	begin_with("d/file");
	take_away("d");
	at_once();
	ck_assert_uint_eq(count_watches(), 0);
	make_directory("d");
	a_second_later();
	ck_assert_uint_eq(count_watches(), 1);
	make("d/file");
	at_once();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_directory_that_is_renamed_takes_its_file_along_at_once)
{
	make_directory("d");
	make("d/file");
	begin_with("d/file");
	rename_to("d", "old");
	at_once();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(count_watches(), 0);
}
END_TEST

START_TEST(a_directory_that_another_is_renamed_to_is_watched_and_the_old_one_is_not)
{
	make_directory("d");
	make_directory("new");
	make("new/file");
	begin_with("d/file");
	rename_to("d", "old");
	rename_to("new", "d");
	at_once();
	ck_assert(f.on[0]);
	ck_assert_uint_eq(count_watches(), 1);
	look();
	make("old/file");
	ck_assert(!is_readable());
	take_away("d/file");
	at_once();
	ck_assert(!f.on[0]);
}
END_TEST

START_TEST(a_link_in_the_path_that_leads_elsewhere_is_followed_at_the_next_look)
{
	make_directory("releases");
	make_directory("releases/1");
	make_directory("releases/2");
	make("releases/2/file");
	make_link("releases/1", "current");
	begin_with("current/file");
	ck_assert(!f.on[0]);
	make_link("releases/2", "next");
	rename_to("next", "current");
	a_second_later();
	ck_assert(f.on[0]);
	ck_assert_uint_eq(count_watches(), 1);
	look();		/* that the old watch was removed is told too */
	ck_assert(!is_readable());
	take_away("releases/2/file");
	at_once();
	ck_assert(!f.on[0]);
}
END_TEST

START_TEST(watches_do_not_pile_up_however_often_the_link_is_swapped)
{
	make_directory("1");
	make_directory("2");
	make_link("1", "current");
	add("current/a");
	add("current/b");
	begin();
	for (int i = 0; i < 50; i++) {
		make_link(i % 2 ? "1" : "2", "next");
		rename_to("next", "current");
		a_second_later();
		ck_assert_uint_eq(count_watches(), 1);
	}
}
END_TEST

START_TEST(a_link_is_on_while_what_it_names_is_there)
{
	make_directory("d");
	make_link("d/file", "link");
	begin_with("link");
	ck_assert(!f.on[0]);
	make("d/file");
	a_second_later();
	ck_assert(f.on[0]);
	take_away("d/file");
	a_second_later();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(f.n_news, 2);
	assert_told(1, 0, false, 0);
}
END_TEST

START_TEST(below_a_file_there_is_nothing_and_that_is_no_error)
{
	make("d");
	begin_with("d/file");
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(f.n_news, 0);
	ck_assert_uint_eq(count_watches(), 0);
}
END_TEST

/* --- what cannot be looked at ------------------------------------------------------------------------------------ */

/* A link to itself is an error to everybody; that a directory may not be searched is none to root, as whom tests may run. */
START_TEST(what_cannot_be_looked_at_counts_as_not_there_and_is_told_once)
{
	make_link("loop", "loop");
	begin_with("loop");
	ck_assert(!f.on[0]);
	a_second_later();
	a_second_later();
	ck_assert_uint_eq(f.n_news, 1);
	assert_told(0, 0, false, -ELOOP);
}
END_TEST

START_TEST(a_file_that_cannot_be_looked_at_any_more_goes_off_in_one_message)
{
	make("file");
	begin_with("file");
	take_away("file");
	make_link("file", "file");
	at_once();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(f.n_news, 1);
	assert_told(0, 0, false, -ELOOP);
}
END_TEST

START_TEST(an_error_that_comes_back_is_told_again)
{
	make_link("loop", "loop");
	begin_with("loop");
	take_away("loop");
	at_once();
	ck_assert_uint_eq(f.n_news, 1);		/* it counted as not there before, and is not there now */
	make_link("loop", "loop");
	at_once();
	ck_assert_uint_eq(f.n_news, 2);
	assert_told(1, 0, false, -ELOOP);
}
END_TEST

START_TEST(another_error_is_told)
{
	static char long_name[400];

	make_link("file", "file");
	begin_with("file");
	memset(long_name, 'x', 300);
	take_away("file");
	make_link(long_name, "file");
	at_once();
	ck_assert_uint_eq(f.n_news, 2);
	assert_told(1, 0, false, -ENAMETOOLONG);
}
END_TEST

START_TEST(one_that_cannot_be_looked_at_does_not_keep_the_others_from_it)
{
	make_link("loop", "loop");
	add("loop");
	add("file");
	begin();
	make("file");
	at_once();
	ck_assert(f.on[1]);
}
END_TEST

/* --- inotify that cannot be had ---------------------------------------------------------------------------------- */

START_TEST(without_inotify_a_look_a_second_serves)
{
	f.refuse_init_with = EMFILE;
	begin_with("file");
	ck_assert_int_eq(switches_fd(f.switches), -1);
	make("file");
	a_second_later();
	ck_assert(f.on[0]);
	take_away("file");
	a_second_later();
	ck_assert(!f.on[0]);
	ck_assert_uint_eq(switches_next_ms(f.switches), f.now_ms + 1000);
}
END_TEST

START_TEST(inotify_that_can_be_had_later_is_taken_then)
{
	f.refuse_init_with = EMFILE;
	begin_with("file");
	f.refuse_init_with = 0;
	a_second_later();
	make("file");
	at_once();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_watch_that_was_refused_is_had_later)
{
	f.refuse_watch_with = ENOSPC;
	begin_with("file");
	make("file");
	ck_assert(!is_readable());
	a_second_later();
	ck_assert(f.on[0]);
	ck_assert_uint_eq(f.n_news, 1);
	f.refuse_watch_with = 0;
	a_second_later();
	ck_assert_uint_eq(count_watches(), 1);
	take_away("file");
	at_once();
	ck_assert(!f.on[0]);
}
END_TEST

/* --- moments between two steps ----------------------------------------------------------------------------------- */

START_TEST(a_file_that_comes_just_before_the_watch_is_seen)
{
	f.made_before_watch = "file";
	add("file");
	ck_assert_int_eq(switches_new(&f.switches, f.files, f.n, f.on), 0);
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_file_that_comes_just_before_the_watch_is_put_back_is_seen)
{
	begin_with("d/file");
	make_directory("d");
	f.made_before_watch = "d/file";
	a_second_later();
	ck_assert(f.on[0]);
}
END_TEST

START_TEST(a_file_that_goes_just_after_it_was_looked_at_is_a_reason_to_look_again)
{
	begin_with("file");
	make("file");
	f.removed_when_told = "file";
	at_once();
	ck_assert(f.on[0]);
	at_once();
	ck_assert(!f.on[0]);
}
END_TEST

START_TEST(a_look_takes_all_events_that_wait)
{
	begin_with("file");
	for (int i = 0; i < 2000; i++) {
		make("other");
		take_away("other");
	}
	make("file");
	at_once();
	ck_assert(f.on[0]);
	ck_assert(!is_readable());
}
END_TEST

/* The kernel's queue holds 16,384 events (fs.inotify.max_queued_events) unless it was configured otherwise. */
START_TEST(a_queue_that_overflowed_is_only_a_reason_to_look)
{
	unsigned limit = 16384;
	FILE *setting = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	if (setting) {
		ck_assert_int_eq(fscanf(setting, "%u", &limit), 1);
		(void) fclose(setting);
	}
	begin_with("file");
	for (unsigned i = 0; i < limit / 2 + 1; i++) {
		make("o");
		take_away("o");
	}
	make("file");
	at_once();
	ck_assert(f.on[0]);
	while (is_readable())	/* where the queue was made longer, one look does not take all */
		look();
}
END_TEST

/* --- beginning and end ------------------------------------------------------------------------------------------- */

START_TEST(the_paths_are_copied)
{
	begin_with("file");
	memset(f.paths, 'x', sizeof f.paths);
	make("file");
	at_once();
	ck_assert(f.on[0]);
	ck_assert_str_eq(f.news[0].file, path("file"));
}
END_TEST

START_TEST(without_memory_there_is_nothing)
{
	struct switches *untouched = NULL;

	add("file");
	f.strndup_fails = true;
	ck_assert_int_eq(switches_new(&untouched, f.files, f.n, f.on), -ENOMEM);
	ck_assert_ptr_null(untouched);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	ck_assert_ptr_null(switches_free(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("switches");
	TCase *files = tcase_create("files");
	TCase *several = tcase_create("several");
	TCase *directories = tcase_create("directories");
	TCase *errors = tcase_create("errors");
	TCase *inotify = tcase_create("inotify");
	TCase *moments = tcase_create("moments");
	TCase *ends = tcase_create("ends");

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, what_is_there_at_the_beginning_is_on_before_anybody_looks);
	tcase_add_test(files, a_file_that_comes_is_on_at_once);
	tcase_add_test(files, a_file_that_goes_is_off_at_once);
	tcase_add_test(files, a_file_that_is_renamed_comes_and_goes_at_once);
	tcase_add_test(files, a_directory_is_as_good_as_a_file);
	tcase_add_test(files, another_file_in_the_directory_changes_nothing);
	tcase_add_test(files, what_did_not_change_is_not_told_again);
	tcase_add_test(files, a_file_in_the_root_directory_is_watched);
	suite_add_tcase(suite, files);

	tcase_add_checked_fixture(several, setup, teardown);
	tcase_add_test(several, two_files_in_one_directory_share_a_watch_and_have_a_flag_each);
	tcase_add_test(several, the_same_file_twice_turns_both_flags);
	tcase_add_test(several, a_directory_that_two_paths_lead_to_stays_watched_while_one_still_does);
	tcase_add_test(several, without_files_there_is_nothing_ever_to_be_done);
	tcase_add_test(several, the_next_look_is_due_a_second_after_each);
	suite_add_tcase(suite, several);

	tcase_add_checked_fixture(directories, setup, teardown);
	tcase_add_test(directories, a_directory_that_is_made_later_is_watched_from_the_next_look_on);
	tcase_add_test(directories, a_file_that_came_with_its_directory_is_on_at_the_next_look);
	tcase_add_test(directories, a_directory_that_is_removed_and_made_again_is_watched_again);
	tcase_add_test(directories, a_directory_that_is_renamed_takes_its_file_along_at_once);
	tcase_add_test(directories, a_directory_that_another_is_renamed_to_is_watched_and_the_old_one_is_not);
	tcase_add_test(directories, a_link_in_the_path_that_leads_elsewhere_is_followed_at_the_next_look);
	tcase_add_test(directories, watches_do_not_pile_up_however_often_the_link_is_swapped);
	tcase_add_test(directories, a_link_is_on_while_what_it_names_is_there);
	tcase_add_test(directories, below_a_file_there_is_nothing_and_that_is_no_error);
	suite_add_tcase(suite, directories);

	tcase_add_checked_fixture(errors, setup, teardown);
	tcase_add_test(errors, what_cannot_be_looked_at_counts_as_not_there_and_is_told_once);
	tcase_add_test(errors, a_file_that_cannot_be_looked_at_any_more_goes_off_in_one_message);
	tcase_add_test(errors, an_error_that_comes_back_is_told_again);
	tcase_add_test(errors, another_error_is_told);
	tcase_add_test(errors, one_that_cannot_be_looked_at_does_not_keep_the_others_from_it);
	suite_add_tcase(suite, errors);

	tcase_add_checked_fixture(inotify, setup, teardown);
	tcase_add_test(inotify, without_inotify_a_look_a_second_serves);
	tcase_add_test(inotify, inotify_that_can_be_had_later_is_taken_then);
	tcase_add_test(inotify, a_watch_that_was_refused_is_had_later);
	suite_add_tcase(suite, inotify);

	tcase_add_checked_fixture(moments, setup, teardown);
	tcase_add_test(moments, a_file_that_comes_just_before_the_watch_is_seen);
	tcase_add_test(moments, a_file_that_comes_just_before_the_watch_is_put_back_is_seen);
	tcase_add_test(moments, a_file_that_goes_just_after_it_was_looked_at_is_a_reason_to_look_again);
	tcase_add_test(moments, a_look_takes_all_events_that_wait);
	tcase_add_test(moments, a_queue_that_overflowed_is_only_a_reason_to_look);
	suite_add_tcase(suite, moments);

	tcase_add_checked_fixture(ends, setup, teardown);
	tcase_add_test(ends, the_paths_are_copied);
	tcase_add_test(ends, without_memory_there_is_nothing);
	tcase_add_test(ends, freeing_nothing_is_fine);
	suite_add_tcase(suite, ends);
	return run_suite(suite);
}
