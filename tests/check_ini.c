/* SPDX-License-Identifier: MIT */
/*
 * What is read from a file is written down as one line of text for each event, and compared:
 *
 *	section	1 server
 *	setting 2 key=value
 *	more	4 +1 value		one empty line was between
 *	mistake	5 what is wrong
 */
#undef NDEBUG
#include "daemon/ini.h"

#include "fixture.h"

#include <string.h>
#include <sys/stat.h>

static FILE *to;
static char *got;
static size_t got_length;

static void setup(void)
{
	got = NULL;
	to = open_memstream(&got, &got_length);
	ck_assert_ptr_nonnull(to);
}

static void teardown(void)
{
	if (to)
		fclose(to);
	free(got);
	to = NULL;
}

static int write_down(void *arg, const struct ini_event *event)
{
	switch (event->what) {
	case INI_SECTION:
		fprintf(to, "section %u %s\n", event->line, event->text.at);
		break;
	case INI_SETTING:
		fprintf(to, "setting %u %s=%s\n", event->line, event->key, event->text.at);
		break;
	case INI_CONTINUED:
		fprintf(to, "more %u +%u %s\n", event->line, event->empty_lines, event->text.at);
		break;
	case INI_MISTAKE:
		fprintf(to, "mistake %u %s\n", event->line, event->text.at);
		break;
	}
	if (event->what != INI_MISTAKE)
		ck_assert_uint_eq(strlen(event->text.at), event->text.length);
	return 0;
}

/* Returns the text of all events. */
static const char *read_bytes(const char *bytes, size_t length)
{
	FILE *from = fmemopen((void *) bytes, length ? length : 1, "r");

	ck_assert_ptr_nonnull(from);
	if (length == 0)
		(void) getc(from);
	ck_assert_int_eq(ini_read(from, write_down, NULL), 0);
	fclose(from);
	fclose(to);
	to = NULL;
	return got;
}

static const struct {
	const char *file, *events, *because;
} files[] = {
	{ "", "", "nothing" },
	{ "\n\n  \n\t\r\n", "", "empty lines" },
	{ "# a\n; b\n#[c]\n;d = e\n", "", "comments" },
	{ "[s]\nk = v\n", "section 1 s\nsetting 2 k=v\n", "the simple case" },
	{ "[s]\nk = v", "section 1 s\nsetting 2 k=v\n", "the last line needs no end" },
	{ "[s]\r\nk = v\r\n", "section 1 s\nsetting 2 k=v\n", "line ends of elsewhere" },
	{ "\xEF\xBB\xBF[s]\nk=v\n", "section 1 s\nsetting 2 k=v\n", "a byte order mark" },
	{ "\xEF\xBB\xBF# c\n[s]\n", "section 2 s\n", "a byte order mark before a comment" },
	{ "[s]\nk=\n", "section 1 s\nsetting 2 k=\n", "no value" },
	{ "[s]\nk\t  =\t v  w \t\n", "section 1 s\nsetting 2 k=v  w\n", "blanks around are stripped, inside they stay" },
	{ "[s]\nk = a = b : c\n", "section 1 s\nsetting 2 k=a = b : c\n", "the first = counts" },
	{ "[s]\nk = [x]\n", "section 1 s\nsetting 2 k=[x]\n", "a value with brackets" },
	{ "[s]\nk = a ; b\n", "section 1 s\nsetting 2 k=a ; b\n", "inih would cut a value here" },
	{ "[s]\nk = a # b\n", "section 1 s\nsetting 2 k=a # b\n", "a hash is no comment inside a line" },
	{ "[s]\nk = ;a\n", "section 1 s\nsetting 2 k=;a\n", "a semicolon first" },
	{ "[s]\nk = ; ; ;\n", "section 1 s\nsetting 2 k=; ; ;\n", "many" },
	{ "[s]\nk = a;b\n", "section 1 s\nsetting 2 k=a;b\n", "without a blank" },
	{ "[s]\nk = a\t;b\v;c\f;d\n", "section 1 s\nsetting 2 k=a\t;b\v;c\f;d\n", "behind other blanks" },
	{ "[s]\nk = \"a ; b\"\n", "section 1 s\nsetting 2 k=a ; b\n", "inih cuts inside quotation marks too" },
	{ "[s]\nk = \"  a\t\"\n", "section 1 s\nsetting 2 k=  a\t\n", "quotation marks keep blanks" },
	{ "[s]\nk = \"\"\n", "section 1 s\nsetting 2 k=\n", "nothing in quotation marks" },
	{ "[s]\nk = \"\"a\"\"\n", "section 1 s\nsetting 2 k=\"a\"\n", "one pair is removed" },
	{ "[s]\nk = a \"b\"\n", "section 1 s\nsetting 2 k=a \"b\"\n", "quotation marks inside" },
	{ "[s]\nk = \"a|b\\\"\n", "section 1 s\nsetting 2 k=a|b\\\n", "bars and backslashes are text" },
	{ "[s]\nk = |\n", "section 1 s\nsetting 2 k=|\n", "a bar alone" },
	{ "[s]\nk = a\n b\n", "section 1 s\nsetting 2 k=a\nmore 3 +0 b\n", "continued" },
	{ "[s]\nk = a\n\tb ; c\n", "section 1 s\nsetting 2 k=a\nmore 3 +0 b ; c\n", "continued, with a semicolon" },
	{ "[s]\nk = a\n # b\n ; c\n", "section 1 s\nsetting 2 k=a\nmore 3 +0 # b\nmore 4 +0 ; c\n",
	  "inih takes an indented comment for one, even inside a value" },
	{ "[s]\nk = a\n [b]\n", "section 1 s\nsetting 2 k=a\nmore 3 +0 [b]\n", "continued, with brackets" },
	{ "[s]\nk = a\n b = c\n", "section 1 s\nsetting 2 k=a\nmore 3 +0 b = c\n", "continued, with =" },
	{ "[s]\nk = a\n\n \n b\n", "section 1 s\nsetting 2 k=a\nmore 5 +2 b\n", "empty lines are counted" },
	{ "[s]\nk = a\n# c\n b\n", "section 1 s\nsetting 2 k=a\nmore 4 +0 b\n", "a comment between" },
	{ "[s]\nk = a\n \" b \"\n", "section 1 s\nsetting 2 k=a\nmore 3 +0  b \n", "continued, in quotation marks" },
	{ "[s]\nk =\n b\n", "section 1 s\nsetting 2 k=\nmore 3 +0 b\n", "the value below" },
	{ "[s]\nk=1\n[t]\nl=2\n[s]\nk=3\n",
	  "section 1 s\nsetting 2 k=1\nsection 3 t\nsetting 4 l=2\nsection 5 s\nsetting 6 k=3\n", "a section twice" },
	{ "[s]\nk=1\nk=2\n", "section 1 s\nsetting 2 k=1\nsetting 3 k=2\n", "a key twice is no continuation" },
	{ "[ a b ]  # c\n", "section 1 a b\n", "blanks and a comment around a section's name" },
	{ "[a;b ;c]\n", "section 1 a;b ;c\n", "inih looks for comments in a section's name" },

	{ "k = v\n", "mistake 1 \"k\" stands before the first [section]\n", "no section" },
	{ "[s]\nv\n", "section 1 s\nmistake 2 there is no = in the line; a setting is written key = value, and a line "
	  "that continues a value begins with a blank\n", "no =" },
	{ "[s]\nk: v\n", "section 1 s\nmistake 2 there is no = in the line; a setting is written key = value, and a line "
	  "that continues a value begins with a blank\n", "inih takes a colon for =" },
	{ "[s]\nk: v = w\n", "section 1 s\nmistake 2 \"k: v\" is no key: letters, digits, _ and - make one\n",
	  "inih takes a colon for =" },
	{ "[s]\nthe key is here but it has some fifty bytes of text = v\n", "section 1 s\nmistake 2 \"the key is here but it "
	  "has some fifty bytes of t...\" is no key: letters, digits, _ and - make one\n", "a long one is not all repeated" },
	{ "[s]\n = v\n", "section 1 s\nmistake 2 a line that begins with a blank continues the setting above it, and "
	  "there is none; settings begin in the first column\n", "nothing above" },
	{ "[s]\n=v\n", "section 1 s\nmistake 2 there is no key before the =\n", "inih has an empty key" },
	{ "[s\nk=v\n[t]\nl=w\n", "mistake 1 the ] of the section is missing\nsection 3 t\nsetting 4 l=w\n",
	  "what follows belongs to no section, neither the one before" },
	{ "[]\nk=v\n", "mistake 1 the name of the section is missing between [ and ]\n", "no name" },
	{ "[ ]\n", "mistake 1 the name of the section is missing between [ and ]\n", "no name" },
	{ "[s] k = v\n", "mistake 1 only a comment can stand behind the ] of a section\n", "inih drops what follows" },
	{ "[s]\nk = \"v\n", "section 1 s\nmistake 2 a text that begins with a quotation mark must end with one (the "
	  "outer pair is removed; put one more pair around a text that has its own)\n", "half a pair" },
	{ "[s]\nk = \"\n m\nl = w\n", "section 1 s\nmistake 2 a text that begins with a quotation mark must end with "
	  "one (the outer pair is removed; put one more pair around a text that has its own)\nsetting 4 l=w\n",
	  "what continues a mistake is not judged" },
	{ "[s]\nx\ny\n=z\nk=v\n", "section 1 s\nmistake 2 there is no = in the line; a setting is written key = value, "
	  "and a line that continues a value begins with a blank\nmistake 3 there is no = in the line; a setting is "
	  "written key = value, and a line that continues a value begins with a blank\nmistake 4 there is no key "
	  "before the =\nsetting 5 k=v\n", "inih tells only of the first" },
	{ "[s]\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz=v\n", "section 1 s\nmistake 2 "
	  "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv...\" is no key: none is that long\n",
	  "inih forgets the end of a long key" },
	{ "[s]\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv=v\n w\n", "section 1 s\nsetting 2 "
	  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv=v\nmore 3 +0 w\n", "the longest key" },
};

START_TEST(a_file_is_read_line_by_line)
{
	const char *events = read_bytes(files[_i].file, strlen(files[_i].file));

	ck_assert_msg(strcmp(events, files[_i].events) == 0, "%s: \"%s\" gave\n%s", files[_i].because, files[_i].file,
		      events);
}
END_TEST

/* All bytes but NUL and the line end; no blank at either end. */
static void fill_text(char *at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		at[i] = "a ;b\t#;c] [=:|\"\x80\xff\x01" "d"[i * 7 % 19];
	at[0] = 'A';
	at[length - 1] = 'Z';
}

/* inih takes 198 bytes; each length around a multiple of a piece's is a case. */
START_TEST(a_long_value_arrives_whole)
{
	static char file[INI_TEXT_MAX + 64], value[INI_TEXT_MAX + 1], expected[INI_TEXT_MAX + 64];
	size_t length = (size_t) _i;

	fill_text(value, length);
	value[length] = '\0';
	snprintf(file, sizeof file, "[s]\nk = %s\nl = w\n", value);
	snprintf(expected, sizeof expected, "section 1 s\nsetting 2 k=%s\nsetting 3 l=w\n", value);
	ck_assert_str_eq(read_bytes(file, strlen(file)), expected);
}
END_TEST

START_TEST(a_value_of_64_kib_arrives_whole_in_a_continuation_too)
{
	static char file[2 * INI_TEXT_MAX + 64], value[INI_TEXT_MAX + 1], expected[2 * INI_TEXT_MAX + 64];

	fill_text(value, INI_TEXT_MAX);
	snprintf(file, sizeof file, "[s]\nk = %s\n\t\"%s\"\n", value, value);
	snprintf(expected, sizeof expected, "section 1 s\nsetting 2 k=%s\nmore 3 +0 %s\n", value, value);
	ck_assert_str_eq(read_bytes(file, strlen(file)), expected);
}
END_TEST

START_TEST(a_longer_line_is_a_mistake_and_not_cut)
{
	size_t lengths[] = { INI_TEXT_MAX + 1, INI_LINE_MAX, INI_LINE_MAX + 1, 4 * INI_LINE_MAX };
	size_t length = lengths[_i];
	char *file = malloc(length + 64);

	ck_assert_ptr_nonnull(file);
	memcpy(file, "[s]\nk=", 6);
	memset(file + 6, 'x', length);
	strcpy(file + 6 + length, "\n more\nl=w\n");
	ck_assert_str_eq(read_bytes(file, strlen(file)), "section 1 s\nmistake 2 the line is too long; a value's line has "
			 "at most 65536 bytes\nsetting 4 l=w\n");
	free(file);
}
END_TEST

START_TEST(a_long_section_name_arrives_whole)
{
	static char file[INI_TEXT_MAX + 64], name[INI_TEXT_MAX + 1], expected[INI_TEXT_MAX + 64];
	static const size_t lengths[] = { 49, 50, 51, 198, 199, 200, INI_TEXT_MAX };

	memset(name, 'n', lengths[_i]);
	name[lengths[_i]] = '\0';
	snprintf(file, sizeof file, "[%s]\nk=v\n", name);
	snprintf(expected, sizeof expected, "section 1 %s\nsetting 2 k=v\n", name);
	ck_assert_str_eq(read_bytes(file, strlen(file)), expected);
}
END_TEST

START_TEST(a_long_comment_is_no_setting)
{
	char file[1000];

	memset(file, 'x', sizeof file);
	memcpy(file, "[s]\n# ", 6);
	memcpy(file + 202, "=y=", 3);
	memcpy(file + 994, "\nk=v\n", 6);
	ck_assert_str_eq(read_bytes(file, strlen(file)), "section 1 s\nsetting 3 k=v\n");
}
END_TEST

START_TEST(a_nul_byte_is_a_mistake_of_its_line_alone)
{
	static const char file[] = "[s]\nk = a\0b\nl = w\n\0\n";

	ck_assert_str_eq(read_bytes(file, sizeof file - 1), "section 1 s\nmistake 2 there is a NUL byte in the line\n"
			 "setting 3 l=w\nmistake 4 there is a NUL byte in the line\n");
}
END_TEST

START_TEST(a_nul_byte_in_the_last_line_is_a_mistake_too)
{
	static const char file[] = "[s]\nk = a\0b";

	ck_assert_str_eq(read_bytes(file, sizeof file - 1), "section 1 s\nmistake 2 there is a NUL byte in the line\n");
}
END_TEST

static ssize_t fail_to_read(void *cookie, char *bytes, size_t length)
{
	int *calls = cookie;

	if ((*calls)++ == 0) {
		memcpy(bytes, "[s]\nk=v\n", 8);
		return 8;
	}
	errno = EIO;
	return -1;
}

START_TEST(an_error_in_the_middle_is_not_the_end_of_the_file)
{
	int calls = 0;
	FILE *from = fopencookie(&calls, "r", (cookie_io_functions_t) { .read = fail_to_read });

	ck_assert_int_eq(ini_read(from, write_down, NULL), 0);
	fclose(from);
	fclose(to);
	to = NULL;
	ck_assert_str_eq(got, "section 1 s\nsetting 2 k=v\nmistake 3 cannot be read: Input/output error\n");
}
END_TEST

struct endless {
	size_t left;			/* SIZE_MAX: it never ends */
	char byte;
};

static ssize_t read_endless(void *cookie, char *bytes, size_t length)
{
	struct endless *file = cookie;
	size_t n = length < file->left ? length : file->left;

	memset(bytes, file->byte, n);
	file->left -= file->left == SIZE_MAX ? 0 : n;
	return (ssize_t) n;
}

static const struct {
	struct endless file;
	const char *events, *because;
} endless[] = {
	{ { INI_FILE_MAX, '\n' }, "", "as large as a file may be" },
	{ { INI_FILE_MAX + 1, '\n' }, "mistake 16777217 the file has more than 16 MiB; a large body belongs into a file of "
	  "its own, with body_file\n", "line ends count too" },
	{ { SIZE_MAX, 'x' }, "mistake 1 the file has more than 16 MiB; a large body belongs into a file of its own, with "
	  "body_file\n", "one line" },
	{ { SIZE_MAX, '\0' }, "mistake 1 the file has more than 16 MiB; a large body belongs into a file of its own, with "
	  "body_file\n", "what /dev/zero would give" },
};

START_TEST(a_file_without_an_end_is_a_mistake)
{
	struct endless file = endless[_i].file;
	FILE *from = fopencookie(&file, "r", (cookie_io_functions_t) { .read = read_endless });

	ck_assert_int_eq(ini_read(from, write_down, NULL), 0);
	fclose(from);
	fclose(to);
	to = NULL;
	ck_assert_msg(strcmp(got, endless[_i].events) == 0, "%s gave\n%s", endless[_i].because, got);
}
END_TEST

static int stop(void *arg, const struct ini_event *event)
{
	(*(int *) arg)++;
	return -ECANCELED;
}

START_TEST(what_the_function_returns_ends_the_reading)
{
	char file[] = "[s]\nk=v\nl=w\n";
	FILE *from = fmemopen(file, strlen(file), "r");
	int calls = 0;

	ck_assert_int_eq(ini_read(from, stop, &calls), -ECANCELED);
	ck_assert_int_eq(calls, 1);
	fclose(from);
}
END_TEST

START_TEST(what_is_no_file_is_not_opened)
{
	char directory[] = "/tmp/check_ini.XXXXXX", path[64];
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(ini_open(directory, &file), -EISDIR);
	snprintf(path, sizeof path, "%s/fifo", directory);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(ini_open(path, &file), -EINVAL);	/* and does not wait for its writer */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(ini_open(path, &file), -ENOENT);
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(ini_open("/dev/zero", &file), -EINVAL);	/* it has no end */
	ck_assert_int_eq(ini_open("/dev/null", &file), 0);	/* a link to it masks a file */
	fclose(file);
}
END_TEST

static const char *const texts[] = {
	"", " ", "a", " a", "a\t", "\"", "\"a", "\"a\"", "a\"", "# a", "; a", "a\r", "\r", "=",
};

START_TEST(a_text_that_was_written_is_read_back)
{
	char *file;
	size_t length;
	FILE *written = open_memstream(&file, &length);
	char expected[64];

	fprintf(written, "[s]\nk = ");
	ini_write_text(slice_of(texts[_i]), written);
	fprintf(written, "\n\t");
	ini_write_text(slice_of(texts[_i]), written);
	fprintf(written, "\n");
	fclose(written);
	snprintf(expected, sizeof expected, "section 1 s\nsetting 2 k=%s\nmore 3 +0 %s\n", texts[_i], texts[_i]);
	ck_assert_str_eq(read_bytes(file, length), expected);
	free(file);
}
END_TEST

#define N(table) ((int) (sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("ini");
	TCase *tests = tcase_create("ini");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_file_is_read_line_by_line, 0, N(files));
	tcase_add_loop_test(tests, a_long_value_arrives_whole, 170, 400);
	tcase_add_loop_test(tests, a_long_value_arrives_whole, INI_TEXT_MAX - 2, INI_TEXT_MAX + 1);
	tcase_add_test(tests, a_value_of_64_kib_arrives_whole_in_a_continuation_too);
	tcase_add_loop_test(tests, a_longer_line_is_a_mistake_and_not_cut, 0, 4);
	tcase_add_loop_test(tests, a_long_section_name_arrives_whole, 0, 7);
	tcase_add_test(tests, a_long_comment_is_no_setting);
	tcase_add_test(tests, a_nul_byte_is_a_mistake_of_its_line_alone);
	tcase_add_test(tests, a_nul_byte_in_the_last_line_is_a_mistake_too);
	tcase_add_test(tests, an_error_in_the_middle_is_not_the_end_of_the_file);
	tcase_add_loop_test(tests, a_file_without_an_end_is_a_mistake, 0, N(endless));
	tcase_add_test(tests, what_the_function_returns_ends_the_reading);
	tcase_add_test(tests, what_is_no_file_is_not_opened);
	tcase_add_loop_test(tests, a_text_that_was_written_is_read_back, 0, N(texts));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
