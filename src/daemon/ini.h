/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Ini: a file of sections and settings, line by line, through inih.  What inih would cut, drop or mistake (ini.c tells
 * what) arrives whole or is a mistake with its line.
 *
 *	# a comment, and so is ; but only as the first byte of a line
 *	[section]
 *	key = value, with blanks ; semicolons # and hashes in it
 *		a line that begins with a blank continues the value
 *	key = "  one pair of quotation marks around a line's text is removed, blanks inside stay  "
 */
#include "http/slice.h"

#include <stdio.h>

enum {
	INI_TEXT_MAX	= 64 * 1024,		/* a line's text, without key, blanks around it and quotation marks */
	INI_LINE_MAX	= INI_TEXT_MAX + 1024,
	INI_KEY_MAX	= 48,			/* inih forgets what is longer than 49 */
	INI_FILE_MAX	= 16 * 1024 * 1024,	/* a file without an end must not be waited for */
};

enum ini_what {
	INI_SECTION,				/* text: its name */
	INI_SETTING,				/* key, and the first line of its value */
	INI_CONTINUED,				/* one more line of the value */
	INI_MISTAKE,				/* text: what is wrong with the line; reading goes on */
};

struct ini_event {
	enum ini_what what;
	unsigned line;
	unsigned empty_lines;			/* INI_CONTINUED: between the line before it and this one */
	bool quoted;
	const char *key;			/* INI_MISTAKE: set when the line continues the value of this key */
	struct slice text;			/* borrowed, like key, for the length of the call; any bytes and a NUL */
};

typedef int ini_fn(void *arg, const struct ini_event *event);	/* 0, or a negative errno that ends the reading */

/* Opens a file to be read.  Of what is no regular file only /dev/null is one, since a link to it masks a file: a fifo
 * would wait for its writer, /dev/zero has no end. */
int ini_open(const char *path, FILE **ret);

/* Tells of every line that says something.  Returns 0, also after mistakes; -ENOMEM; or what fn returned. */
int ini_read(FILE *from, ini_fn *fn, void *arg);

/* One line's text: blanks around it and then one pair of quotation marks are removed.  Returns 1 when there were
 * quotation marks, 0 when there were none, -EINVAL with *ret_why (static) when there is but one. */
int ini_unquote(struct slice text, struct slice *ret, const char **ret_why);

/* Prints a line's text so that it is read back as it is. */
void ini_write_text(struct slice text, FILE *to);
