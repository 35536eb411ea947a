/* SPDX-License-Identifier: MIT */
/*
 * inih reads lines by a function that we give it; so what it does to a file can be mended before it sees it.  As
 * Debian builds it, it
 *
 *	- splits a line of more than 198 bytes and takes the tail for a setting of its own;
 *	- cuts a section's name at 49 bytes, and a value at a semicolon behind a blank, inside quotation marks too;
 *	- counts lines for itself alone, tells only the first that is wrong, and stops a line at a NUL byte;
 *	- takes an indented comment for a comment, even in the middle of a value, and drops what follows a section's ].
 *
 * So our reader looks at each line first.  It keeps the section's name and gives inih a number for it.  It gives a
 * value in pieces that fit, each between two bars, the later ones as continuation lines:
 *
 *	key = |the first piece |
 *	 |; and the second|
 *
 * Nothing between the bars is at either end of a line, so no blank is stripped; a semicolon behind a blank begins a
 * piece, where inih does not look for comments.  The handler takes the bars off and joins the pieces.  inih asks for
 * the next line only after it has told of the one before, so the reader knows which line a piece belongs to, and
 * when it begins the next line it can tell whether all of the last one came back.
 *
 * A larger INI_MAX_LINE is a property of the installed library and cannot be asked for.
 */
#include "daemon/ini.h"
#include "core/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLANKS " \t\r\v\f"

enum {
	PIECE_LINE_MAX	= 190,			/* what every build of inih takes; its buffer has 200 */
	PIECE_LINE_MIN	= INI_KEY_MAX + 32,	/* less makes no sense */
};

enum above {			/* what a line that begins with a blank would continue */
	ABOVE_NOTHING,		/* the start of the file, or a section */
	ABOVE_SETTING,
	ABOVE_MISTAKE,		/* it belongs to what was already told to be wrong */
};

struct reader {
	FILE *from;
	ini_fn *fn;
	void *arg;
	int error;			/* a negative errno: nothing more is read */

	char *line;			/* owned, INI_LINE_MAX + 1 */
	size_t length;
	size_t n_read;			/* bytes of the file */
	unsigned number;		/* of the line */
	unsigned empty_lines;		/* since the last that said something */
	bool section_known;		/* false: what follows has no section to belong to */
	bool section_missing;		/* there was none yet, as opposed to one that was wrong */
	unsigned sections;
	enum above above;
	bool continuing;		/* the line is part of the value of `key` */

	bool handing_over;		/* the line is a setting or continues one, and not all of it is with inih */
	struct ini_event event;		/* what is told when it has come back */
	char key[INI_KEY_MAX + 1];
	struct slice rest;		/* of the text: not yet with inih */
	size_t expected;		/* the length of the text */
	bool key_given;

	char *back;			/* owned, INI_TEXT_MAX + 1: the pieces that came back */
	size_t back_length;
};

static int tell(struct reader *reader, const struct ini_event *event)
{
	int r;

	r = reader->fn(reader->arg, event);
	if (r < 0)
		reader->error = r;
	return r;
}

static void __attribute__((format(printf, 2, 3))) mistake(struct reader *reader, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	(void) tell(reader, &(struct ini_event) {
		.what = INI_MISTAKE, .line = reader->number, .text = slice_of(text),
		.key = reader->continuing ? reader->key : NULL,
	});
}

static struct slice trim(struct slice text)
{
	while (text.length > 0 && strchr(BLANKS, text.at[0]) && text.at[0] != '\0') {
		text.at++;
		text.length--;
	}
	while (text.length > 0 && strchr(BLANKS, text.at[text.length - 1]) && text.at[text.length - 1] != '\0')
		text.length--;
	return text;
}

int ini_unquote(struct slice text, struct slice *ret, const char **ret_why)
{
	text = trim(text);
	if (text.length == 0 || text.at[0] != '"') {
		*ret = text;
		return 0;
	}
	if (text.length == 1 || text.at[text.length - 1] != '"') {
		*ret_why = "a text that begins with a quotation mark must end with one (the outer pair is removed; "
			   "put one more pair around a text that has its own)";
		return -EINVAL;
	}
	*ret = (struct slice) { text.at + 1, text.length - 2 };
	return 1;
}

void ini_write_text(struct slice text, FILE *to)
{
	bool quote = text.length == 0 || trim(text).length < text.length || text.at[0] == '"';

	if (quote)
		fputc('"', to);
	fwrite(text.at, 1, text.length, to);
	if (quote)
		fputc('"', to);
}

/* The end is also where the file becomes too large. */
static int read_byte(struct reader *reader)
{
	int byte = getc_unlocked(reader->from);

	return byte != EOF && ++reader->n_read > INI_FILE_MAX ? EOF : byte;
}

/* One line without its line end.  False at the end, or when it cannot be read: that is told. */
static bool read_line(struct reader *reader)
{
	bool too_long = false, has_nul = false;
	int byte;

	do {
		reader->length = 0;
		too_long = has_nul = false;
		while ((byte = read_byte(reader)) != EOF && byte != '\n') {
			has_nul |= byte == '\0';
			if (reader->length < INI_LINE_MAX)
				reader->line[reader->length++] = (char) byte;
			else
				too_long = true;
		}
		reader->number++;
		if (ferror(reader->from)) {
			mistake(reader, "cannot be read: %s", strerror(errno));
			return false;
		}
		if (reader->n_read > INI_FILE_MAX) {
			mistake(reader, "the file has more than %d MiB; a large body belongs into a file of its own, "
					"with body_file", INI_FILE_MAX >> 20);
			return false;
		}
		if (too_long)
			mistake(reader, "the line is too long; a value's line has at most %d bytes", INI_TEXT_MAX);
		else if (has_nul)
			mistake(reader, "there is a NUL byte in the line");
		if (too_long || has_nul)
			reader->above = ABOVE_MISTAKE;
	} while ((too_long || has_nul) && byte != EOF && !reader->error);

	if (reader->error || too_long || has_nul || (byte == EOF && reader->length == 0))
		return false;
	if (reader->number == 1 && reader->length >= 3 && memcmp(reader->line, "\xEF\xBB\xBF", 3) == 0) {
		reader->length -= 3;
		memmove(reader->line, reader->line + 3, reader->length);
	}
	return true;
}

/* The ] that belongs to the first [, since a name may have a pair of its own: [route [::1]/a].  NULL: there is none. */
static const char *closing_bracket(struct slice line)
{
	int depth = 0;

	for (size_t i = 0; i < line.length; i++) {
		depth += (line.at[i] == '[') - (line.at[i] == ']');
		if (depth == 0)
			return line.at + i;
	}
	return NULL;
}

/* Returns whether inih is to hear of it; as "[1]", "[2]". */
static bool look_at_section(struct reader *reader, struct slice line)
{
	const char *end = closing_bracket(line);
	struct slice name, behind;

	reader->section_known = reader->section_missing = false;
	reader->above = ABOVE_MISTAKE;
	if (!end) {
		mistake(reader, "the ] of the section is missing");
		return false;
	}
	name = trim((struct slice) { line.at + 1, (size_t) (end - line.at - 1) });
	behind = trim((struct slice) { end + 1, line.length - (size_t) (end + 1 - line.at) });
	if (name.length == 0) {
		mistake(reader, "the name of the section is missing between [ and ]");
		return false;
	}
	if (behind.length > 0 && !strchr("#;", behind.at[0])) {
		mistake(reader, "only a comment can stand behind the ] of a section");
		return false;
	}

	reader->section_known = true;
	reader->above = ABOVE_NOTHING;
	reader->sections++;
	((char *) name.at)[name.length] = '\0';
	(void) tell(reader, &(struct ini_event) { .what = INI_SECTION, .line = reader->number, .text = name });
	return true;
}

/* A value's line: true when inih is to have it. */
static bool look_at_text(struct reader *reader, enum ini_what what, struct slice text)
{
	const char *why;
	int quoted;

	quoted = ini_unquote(text, &text, &why);
	if (quoted < 0) {
		mistake(reader, "%s", why);
		reader->above = ABOVE_MISTAKE;
		return false;
	}
	if (text.length > INI_TEXT_MAX) {
		mistake(reader, "the line is too long; a value's line has at most %d bytes", INI_TEXT_MAX);
		reader->above = ABOVE_MISTAKE;
		return false;
	}

	reader->event = (struct ini_event) {
		.what = what, .line = reader->number, .empty_lines = reader->empty_lines, .quoted = quoted > 0,
		.key = reader->key,
	};
	reader->rest = text;
	reader->expected = text.length;
	reader->back_length = 0;
	reader->key_given = what == INI_CONTINUED;
	reader->handing_over = true;
	reader->above = ABOVE_SETTING;
	return true;
}

static bool look_at_setting(struct reader *reader, struct slice line)
{
	const char *equals = memchr(line.at, '=', line.length);
	struct slice key;

	reader->above = ABOVE_MISTAKE;
	if (!equals) {
		mistake(reader, "there is no = in the line; a setting is written key = value, and a line that continues "
				"a value begins with a blank");
		return false;
	}
	key = trim((struct slice) { line.at, (size_t) (equals - line.at) });
	if (key.length == 0) {
		mistake(reader, "there is no key before the =");
		return false;
	}
	for (size_t i = 0; i < key.length; i++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", key.at[i])) {
			mistake(reader, "\"%.*s%s\" is no key: letters, digits, _ and - make one",
				(int) (key.length < INI_KEY_MAX ? key.length : INI_KEY_MAX), key.at,
				key.length > INI_KEY_MAX ? "..." : "");
			return false;
		}
	}
	if (key.length > INI_KEY_MAX) {
		mistake(reader, "\"%.*s...\" is no key: none is that long", INI_KEY_MAX, key.at);
		return false;
	}
	if (reader->section_missing) {
		mistake(reader, "\"%.*s\" stands before the first [section]", (int) key.length, key.at);
		return false;
	}
	if (!reader->section_known)
		return false;

	memcpy(reader->key, key.at, key.length);
	reader->key[key.length] = '\0';
	return look_at_text(reader, INI_SETTING, (struct slice) {
		equals + 1, reader->length - (size_t) (equals + 1 - reader->line),
	});
}

static bool look_at_continuation(struct reader *reader, struct slice line)
{
	bool wanted;

	switch (reader->above) {
	case ABOVE_NOTHING:
		mistake(reader, "a line that begins with a blank continues the setting above it, and there is none; "
				"settings begin in the first column");
		reader->above = ABOVE_MISTAKE;
		return false;
	case ABOVE_MISTAKE:
		return false;
	case ABOVE_SETTING:
		reader->continuing = true;
		wanted = look_at_text(reader, INI_CONTINUED, line);
		reader->continuing = false;
		return wanted;
	}
	abort();
}

/* The next line of the file that inih is to have. */
static bool next_line(struct reader *reader, bool *ret_section)
{
	for (;;) {
		struct slice line;
		bool indented, wanted;

		if (reader->error || !read_line(reader))
			return false;
		reader->line[reader->length] = '\0';
		line = trim((struct slice) { reader->line, reader->length });
		if (line.length == 0) {
			reader->empty_lines++;
			continue;
		}
		indented = line.at != reader->line;
		if (!indented && (line.at[0] == '#' || line.at[0] == ';'))
			continue;

		*ret_section = !indented && line.at[0] == '[';
		if (indented)
			wanted = look_at_continuation(reader, line);
		else if (*ret_section)
			wanted = look_at_section(reader, line);
		else
			wanted = look_at_setting(reader, line);
		reader->empty_lines = 0;
		if (wanted)
			return true;
	}
}

/* As much of the text as fits, between bars. */
static char *give_piece(struct reader *reader, char *to, size_t capacity)
{
	size_t room = capacity < PIECE_LINE_MAX ? capacity : PIECE_LINE_MAX;
	size_t length = (size_t) sprintf(to, "%s%s|", reader->key_given ? "" : reader->key,
					 reader->key_given ? " " : " = ");
	const char *text = reader->rest.at;
	size_t n = 0;

	room -= length + strlen("|\n") + 1;
	while (n < reader->rest.length && n < room) {
		if (n > 0 && (text[n] == ';' || text[n] == '#') && strchr(BLANKS, text[n - 1]))
			break;
		to[length++] = text[n++];
	}
	memcpy(to + length, "|\n", sizeof "|\n");

	reader->rest.at += n;
	reader->rest.length -= n;
	reader->key_given = true;
	return to;
}

/* Tells of the line that inih has brought back. */
static int tell_of_line(struct reader *reader)
{
	if (!reader->handing_over)
		return 0;
	reader->handing_over = false;
	if (reader->back_length != reader->expected) {	/* not the inih that we know: better no file than half of one */
		reader->error = -ENOTSUP;
		return reader->error;
	}
	reader->back[reader->back_length] = '\0';
	reader->event.text = (struct slice) { reader->back, reader->back_length };
	return tell(reader, &reader->event);
}

/* inih's fgets(). */
static char *on_read(char *to, int capacity, void *stream)
{
	struct reader *reader = stream;
	bool is_section;

	if (reader->error)
		return NULL;
	if (capacity < PIECE_LINE_MIN) {	/* a library that was built for toys */
		reader->error = -ENOTSUP;
		return NULL;
	}
	if (reader->handing_over && (!reader->key_given || reader->rest.length > 0))
		return give_piece(reader, to, (size_t) capacity);

	if (tell_of_line(reader) < 0 || !next_line(reader, &is_section))
		return NULL;
	if (is_section) {
		sprintf(to, "[%u]\n", reader->sections);
		return to;
	}
	return give_piece(reader, to, (size_t) capacity);
}

/* inih's handler: 1 is good.  Section and key are what we gave. */
static int on_piece(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	size_t length;

	if (!name)		/* some builds tell of sections as well */
		return 1;
	length = value ? strlen(value) : 0;
	if (length < 2 || value[0] != '|' || value[length - 1] != '|'
	    || reader->back_length + length - 2 > INI_TEXT_MAX)
		return 0;
	memcpy(reader->back + reader->back_length, value + 1, length - 2);
	reader->back_length += length - 2;
	return 1;
}

int ini_open(const char *path, FILE **ret)
{
	cleanup(close_fd) int fd = -1;
	struct stat stat;
	bool is_null;
	FILE *file;

	/* A fifo without a writer would keep a blocking open for ever. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (S_ISDIR(stat.st_mode))
		return -EISDIR;
	is_null = S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3);
	if (!S_ISREG(stat.st_mode) && !is_null)
		return -EINVAL;
	file = fdopen(fd, "re");
	if (!file)
		return -errno;

	(void) take_fd(&fd);
	*ret = file;
	return 0;
}

int ini_read(FILE *from, ini_fn *fn, void *arg)
{
	struct reader reader = { .from = from, .fn = fn, .arg = arg, .section_missing = true };
	int r;

	reader.line = malloc(INI_LINE_MAX + 1);
	reader.back = malloc(INI_TEXT_MAX + 1);
	if (!reader.line || !reader.back)
		reader.error = -ENOMEM;

	r = reader.error ? 0 : ini_parse_stream(on_read, &reader, on_piece, &reader);
	if (r != 0 && !reader.error)		/* -2: no memory; else an inih that we do not know */
		reader.error = r == -2 ? -ENOMEM : -ENOTSUP;
	free(reader.line);
	free(reader.back);
	return reader.error;
}
