/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the mistakes of a configuration are told with: the list that conf.h has the type of, values as they can stand in
 * a message, and guesses at what was meant.  Nothing here knows a key or a file.
 */
#include "daemon/conf.h"
#include "http/slice.h"

enum { CONF_SHOWN_MAX = 60 };		/* of a value in a message */

/* A value as it can stand in a message: not too much of it.  conf_errors_add() sees to the bytes. */
struct conf_shown {
	char text[CONF_SHOWN_MAX + sizeof "..."];
};

struct conf_guess {			/* zero it before use */
	const char *word;		/* NULL: nothing is near */
	const char *section;		/* of a key */
	unsigned distance;
};

/* The errors of one file stand together, in the order of their lines, since some are known only when all is read.
 * Returns 0, also when the list is full and the message is dropped; or -ENOMEM.  The message is taken in any case, file
 * is copied; in both each control byte, and each that is not UTF-8, becomes a question mark. */
int conf_errors_add(struct conf_errors *errors, const char *file, unsigned line, char *take_message);

struct conf_shown conf_show(struct slice value);

/* Makes word the guess if it is near to what was written, and nearer than the guess so far by more than the handicap.
 * word and section are borrowed. */
void conf_guess_consider(struct conf_guess *guess, const char *written, const char *word, const char *section,
			 unsigned handicap);
