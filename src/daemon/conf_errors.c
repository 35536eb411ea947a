/* SPDX-License-Identifier: MIT */
/*
 * A message ends up in a journal or on a terminal, so what it repeats of a file is made harmless here: no more than the
 * beginning of a value, no control characters, nothing that is not UTF-8, and at most ERRORS_MAX messages.  The one after
 * those says that there are more.
 *
 * A guess is the word with the fewest slips of the pen between it and what was written.  Rejected: to name all words
 * and let the reader find the nearest; that is what is done when none is near.
 */
#include "daemon/conf_errors.h"
#include "core/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ERRORS_MAX = 1000 };		/* a file of random bytes is not repeated in full */

/* Its length; 0: it is a control character, or not UTF-8 (RFC 3629).  A NUL ends the text. */
static size_t character_length(const char *text)
{
	const unsigned char *at = (const unsigned char *) text;
	/* What follows the first byte ends those that are C1, too long, surrogates, or beyond the last character. */
	unsigned char from = *at == 0xc2 || *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
	unsigned char to = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
	size_t length = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

	if (*at < 0x80)
		return *at >= ' ' && *at != 0x7f;
	if (*at < 0xc2 || *at > 0xf4 || at[1] < from || at[1] > to)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

/* Puts ? in place of each byte that cannot be shown. */
static void make_harmless(char *text)
{
	while (*text) {
		size_t length = character_length(text);

		if (length == 0)
			*text = '?';
		text += length > 0 ? length : 1;
	}
}

/* Behind the file's errors up to that line; a file that has none yet goes to the end. */
static size_t place_for(const struct conf_errors *errors, const char *file, unsigned line)
{
	size_t place = errors->n;

	while (place > 0 && strcmp(errors->at[place - 1].file, file) != 0)
		place--;
	if (place == 0)
		return errors->n;
	while (place > 0 && strcmp(errors->at[place - 1].file, file) == 0 && errors->at[place - 1].line > line)
		place--;
	return place;
}

int conf_errors_add(struct conf_errors *errors, const char *file, unsigned line, char *take_message)
{
	cleanup(free_pointer) char *message = take_message;
	cleanup(free_pointer) char *copy = NULL;
	struct conf_error *at;
	size_t place;

	if (errors->n > ERRORS_MAX)
		return 0;
	if (errors->n == ERRORS_MAX) {
		free(message);
		message = strdup("there are more mistakes than these");
	}
	copy = strdup(file);
	if (!copy || !message)
		return -ENOMEM;
	make_harmless(copy);
	make_harmless(message);
	at = realloc(errors->at, (errors->n + 1) * sizeof *at);
	if (!at)
		return -ENOMEM;
	errors->at = at;
	place = errors->n < ERRORS_MAX ? place_for(errors, copy, line) : errors->n;
	memmove(&at[place + 1], &at[place], (errors->n++ - place) * sizeof *at);
	at[place] = (struct conf_error) { .file = copy, .line = line, .message = message };
	copy = message = NULL;
	return 0;
}

void conf_errors_clear(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		free(errors->at[i].file);
		free(errors->at[i].message);
	}
	free(errors->at);
	*errors = (struct conf_errors) { 0 };
}

char *conf_error_text(const struct conf_error *error)
{
	char *text;
	int r;

	if (error->line > 0)
		r = asprintf(&text, "%s:%u: %s", error->file, error->line, error->message);
	else
		r = asprintf(&text, "%s: %s", error->file, error->message);
	return r < 0 ? NULL : text;
}

struct conf_shown conf_show(struct slice value)
{
	struct conf_shown shown;
	size_t n = value.length < CONF_SHOWN_MAX ? value.length : CONF_SHOWN_MAX;

	while (n > 0 && n < value.length && (value.at[n] & 0xc0) == 0x80)	/* not in the middle of a character */
		n--;
	memcpy(shown.text, value.at, n);
	strcpy(shown.text + n, n < value.length ? "..." : "");
	return shown;
}

/* ---- What was probably meant ---- */

/* How many letters must be put in, left out, changed or swapped with their neighbour; '-' is as good as '_'. */
static unsigned distance(const char *a, const char *b)
{
	enum { MOST = 32 };
	unsigned rows[3][MOST + 1], *two_above = rows[0], *above = rows[1], *row = rows[2];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > MOST || b_length > MOST)
		return MOST;
	for (size_t j = 0; j <= b_length; j++)
		above[j] = (unsigned) j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *oldest = two_above;

		row[0] = (unsigned) i;
		for (size_t j = 1; j <= b_length; j++) {
			int x = a[i - 1] == '-' ? '_' : tolower((unsigned char) a[i - 1]), y = b[j - 1];
			unsigned least = above[j - 1] + (x != y);

			if (above[j] + 1 < least)
				least = above[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			if (i > 1 && j > 1 && x == b[j - 2]
			    && tolower((unsigned char) a[i - 2]) == y && two_above[j - 2] + 1 < least)
				least = two_above[j - 2] + 1;
			row[j] = least;
		}
		two_above = above;
		above = row;
		row = oldest;
	}
	return above[b_length];
}

/* A word of eight letters may have three wrong, one of three letters one; or it was not written to its end. */
void conf_guess_consider(struct conf_guess *guess, const char *written, const char *word, const char *section,
			 unsigned handicap)
{
	unsigned d = distance(written, word);

	if (strlen(written) >= 3 && strncmp(word, written, strlen(written)) == 0)
		d = 1;
	if (d > (strlen(word) + 1) / 3)
		return;
	if (!guess->word || d + handicap < guess->distance)
		*guess = (struct conf_guess) { word, section, d + handicap };
}
