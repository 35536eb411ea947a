/* SPDX-License-Identifier: MIT */
/* The command line: what each option sets, and what is said to who mistypes one. */
#undef NDEBUG
#include "daemon/options.h"

#include "fixture.h"

#include <string.h>

static struct options options;
static char said[4096];

static void tear_down(void)
{
	options_deinit(&options);
	options_deinit(&options);	/* twice is fine */
}

/* Parses "reactord" and these words, and keeps what is said on stderr. */
static int parse(const char *const *words)
{
	char *argv[16] = { (char *) "reactord" };
	int argc = 1;
	int keep = dup(STDERR_FILENO);
	FILE *to = tmpfile();
	size_t n;
	int r;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *) words[argc - 1];
	ck_assert_int_eq(dup2(fileno(to), STDERR_FILENO), STDERR_FILENO);
	r = options_parse(&options, argc, argv);
	(void) fflush(stderr);
	(void) dup2(keep, STDERR_FILENO);
	(void) close(keep);
	rewind(to);
	n = fread(said, 1, sizeof said - 1, to);
	said[n] = '\0';
	(void) fclose(to);
	return r;
}

#define PARSE(...) parse((const char *const[]) { __VA_ARGS__ __VA_OPT__(,) NULL })

static const struct {
	const char *word;
	enum options_task task;
} tasks[] = {
	{ "-t", OPTIONS_CHECK }, { "--check", OPTIONS_CHECK },
	{ "-T", OPTIONS_DUMP }, { "--dump-config", OPTIONS_DUMP },
	{ "-V", OPTIONS_VERSION }, { "--version", OPTIONS_VERSION },
	{ "-h", OPTIONS_HELP }, { "--help", OPTIONS_HELP },
	{ "--reload", OPTIONS_RELOAD }, { "--strict", OPTIONS_SERVE },
};

START_TEST(an_option_names_a_task)
{
	ck_assert_int_eq(PARSE(tasks[_i].word), 0);
	ck_assert_int_eq(options.task, tasks[_i].task);
	ck_assert_int_eq(options.pid, 0);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(without_options_it_serves_from_the_default_file)
{
	ck_assert_int_eq(PARSE(), 0);
	ck_assert_int_eq(options.task, OPTIONS_SERVE);
	ck_assert_str_eq(options.source.file, SYSCONFDIR "/reactord.conf");
	ck_assert(!options.source.file_must_exist);
	ck_assert(!options.strict);
	ck_assert_uint_eq(options.source.n_listen + options.source.n_overrides, 0);
}
END_TEST

static const char *const files[][3] = {
	{ "-c", "f" }, { "-cf" }, { "--config", "f" }, { "--config=f" },
};

START_TEST(a_file_that_was_named_must_be_there)
{
	ck_assert_int_eq(parse(files[_i]), 0);
	ck_assert_str_eq(options.source.file, "f");
	ck_assert(options.source.file_must_exist);
}
END_TEST

static const char *const with_help[][4] = { { "-h", "-t" }, { "-t", "-h" }, { "-h", "-T", "-V" }, { "-t", "-t", "-h" } };

START_TEST(help_is_given_whatever_else_is_asked_for)
{
	ck_assert_int_eq(parse(with_help[_i]), 0);
	ck_assert_int_eq(options.task, OPTIONS_HELP);
}
END_TEST

START_TEST(strict_is_strict)
{
	ck_assert_int_eq(PARSE("--strict", "-t"), 0);
	ck_assert(options.strict);
	ck_assert_int_eq(options.task, OPTIONS_CHECK);
}
END_TEST

START_TEST(addresses_are_kept_in_their_order)
{
	ck_assert_int_eq(PARSE("-l", ":1", "--listen", ":2", "--listen=:3", "-l:4"), 0);
	ck_assert_uint_eq(options.source.n_listen, 4);
	ck_assert_str_eq(options.source.listen[0], ":1");
	ck_assert_str_eq(options.source.listen[1], ":2");
	ck_assert_str_eq(options.source.listen[2], ":3");
	ck_assert_str_eq(options.source.listen[3], ":4");
}
END_TEST

START_TEST(settings_are_kept_in_their_order)
{
	ck_assert_int_eq(PARSE("-o", "a.b=1", "--set", "c.d=2", "--set=e.f=3"), 0);
	ck_assert_uint_eq(options.source.n_overrides, 3);
	ck_assert_str_eq(options.source.overrides[0], "a.b=1");
	ck_assert_str_eq(options.source.overrides[1], "c.d=2");
	ck_assert_str_eq(options.source.overrides[2], "e.f=3");
}
END_TEST

static const char *const with_pid[][4] = {
	{ "--reload", "123" }, { "--reload=123" }, { "123", "--reload" }, { "--reload", "--", "123" },
};

START_TEST(a_reload_takes_a_process_id)
{
	ck_assert_int_eq(parse((const char *const[]) { with_pid[_i][0], with_pid[_i][1], with_pid[_i][2], NULL }), 0);
	ck_assert_int_eq(options.task, OPTIONS_RELOAD);
	ck_assert_int_eq(options.pid, 123);
}
END_TEST

START_TEST(a_stop_is_told_to_one_process)
{
	ck_assert_int_eq(parse((const char *const[]) { "--stopping", "123", NULL }), 0);
	ck_assert_int_eq(options.task, OPTIONS_STOPPING);
	ck_assert_int_eq(options.pid, 123);
}
END_TEST

/* systemd has no $MAINPID for ExecStop= then. */
START_TEST(a_stop_of_what_has_ended_is_told_to_nobody)
{
	ck_assert_int_eq(parse((const char *const[]) { "--stopping", NULL }), 0);
	ck_assert_int_eq(options.task, OPTIONS_STOPPING);
	ck_assert_int_eq(options.pid, 0);
}
END_TEST

static const struct {
	const char *words[4], *says;
} mistakes[] = {
	{ { "--stopping", "x" }, "x: this is no process id" },
	{ { "--stopping", "1", "--reload" }, "--stopping and --reload: one of them" },
	{ { "--reload", "x" }, "x: this is no process id" },
	{ { "--reload", "" }, ": this is no process id" },
	{ { "--reload", "0" }, "0: this is no process id" },
	{ { "--reload", "-1" }, "invalid option -- '1'" },
	{ { "--reload", "--", "-1" }, "-1: this is no process id" },
	{ { "--reload", " 1" }, " 1: this is no process id" },
	{ { "--reload", "+1" }, "+1: this is no process id" },
	{ { "--reload", "12x" }, "12x: this is no process id" },
	{ { "--reload", "2147483648" }, "2147483648: this is no process id" },
	{ { "--reload", "99999999999999999999" }, "99999999999999999999: this is no process id" },
	{ { "--reload", "1", "2" }, "2: this is no option" },
	{ { "--reload=1", "2" }, "2: this is no option" },
	{ { "--reload=" }, ": this is no process id" },
	{ { "reactord.conf" }, "reactord.conf: this is no option" },
	{ { "-t", "reactord.conf" }, "reactord.conf: this is no option" },
	{ { "--nonsense" }, "unrecognized option '--nonsense'" },
	{ { "-x" }, "invalid option -- 'x'" },
	{ { "-c" }, "option requires an argument -- 'c'" },
	{ { "-l" }, "option requires an argument -- 'l'" },
	{ { "-o" }, "option requires an argument -- 'o'" },
	{ { "--config" }, "option '--config' requires an argument" },
	{ { "--listen" }, "option '--listen' requires an argument" },
	{ { "--set" }, "option '--set' requires an argument" },
	{ { "-t", "-T" }, "-t and -T: one of them" },
	{ { "-Tt" }, "-T and -t: one of them" },
	{ { "--version", "--check" }, "-V and -t: one of them" },
	{ { "--reload=1", "--dump-config" }, "--reload and -T: one of them" },
	{ { "-t", "--reload", "1" }, "-t and --reload: one of them" },
	{ { "--check=yes" }, "option '--check' doesn't allow an argument" },
};

START_TEST(a_mistake_is_named_and_the_help_pointed_to)
{
	ck_assert_int_eq(parse(mistakes[_i].words), -EINVAL);
	ck_assert_msg(strncmp(said, "reactord: ", 10) == 0 && strstr(said, mistakes[_i].says), "said: %s", said);
	ck_assert_msg(strstr(said, "see reactord --help\n") != NULL, "said: %s", said);
}
END_TEST

START_TEST(the_help_names_every_option)
{
	static const char *const names[] = {
		"-c, --config", "-l, --listen", "-o, --set", "-t, --check", "-T, --dump-config", "--reload [PID]",
		"--strict", "-V, --version", "-h, --help",
	};
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	options_help(to);
	(void) fclose(to);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		ck_assert_msg(strstr(text, names[i]) != NULL, "%s is missing", names[i]);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_loop_test(tcase, an_option_names_a_task, 0, sizeof tasks / sizeof *tasks);
	tcase_add_test(tcase, without_options_it_serves_from_the_default_file);
	tcase_add_loop_test(tcase, a_file_that_was_named_must_be_there, 0, sizeof files / sizeof *files);
	tcase_add_loop_test(tcase, help_is_given_whatever_else_is_asked_for, 0, 4);
	tcase_add_test(tcase, strict_is_strict);
	tcase_add_test(tcase, addresses_are_kept_in_their_order);
	tcase_add_test(tcase, settings_are_kept_in_their_order);
	tcase_add_test(tcase, a_stop_is_told_to_one_process);
	tcase_add_test(tcase, a_stop_of_what_has_ended_is_told_to_nobody);
	tcase_add_loop_test(tcase, a_reload_takes_a_process_id, 0, sizeof with_pid / sizeof *with_pid);
	tcase_add_loop_test(tcase, a_mistake_is_named_and_the_help_pointed_to, 0, sizeof mistakes / sizeof *mistakes);
	tcase_add_test(tcase, the_help_names_every_option);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
