/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The keys of the configuration, and the loading that sets them.  Private to the files conf*.c.
 *
 * Every setting comes in through conf_set(), whatever its source: it judges what is the same for all keys (set twice,
 * too long, more than one line), decides what replaces what, and calls the key's parser.  The loading says where we
 * are, for the messages: source, file and line are set before conf_set() is called.
 */
#include "daemon/conf.h"
#include "daemon/conf_errors.h"
#include "http/slice.h"

struct conf_loading;
struct conf_key;

/* value has a NUL behind it.  Returns 0; -EINVAL after the mistake was told; or -ENOMEM. */
typedef int conf_parse_fn(struct conf_loading *load, const struct conf_key *key, struct slice value);
/* from: the struct conf, or for a key of an answer its struct conf_answer. */
typedef void conf_print_fn(const void *from, const struct conf_key *key, FILE *to);

struct conf_unit {
	const char *suffix;
	uint64_t factor;
};

struct conf_units {
	const char *like;		/* what a person may write */
	bool ignore_case;
	struct conf_unit at[5];		/* the largest first; ended by one without a suffix */
};

struct conf_word {
	const char *text;		/* NULL ends a list */
	unsigned value;
};

enum conf_section {			/* bits, for the sections that a key can be in */
	CONF_SERVER		= 1 << 0,
	CONF_RESPONSE		= 1 << 1,
	CONF_ROUTE		= 1 << 2,
	CONF_MAINTENANCE	= 1 << 3,
	CONF_ERROR		= 1 << 4,
	CONF_LIMITS		= 1 << 5,
	CONF_LOG		= 1 << 6,
	CONF_LISTEN		= 1 << 7,

	CONF_ROUTES		= CONF_RESPONSE | CONF_LISTEN | CONF_ROUTE | CONF_MAINTENANCE,
	CONF_ANSWERS		= CONF_ROUTES | CONF_ERROR,
};

struct conf_key {
	unsigned sections;		/* of enum conf_section */
	const char *name;
	conf_parse_fn *parse;
	conf_print_fn *print;
	size_t offset, width;		/* of the member, for numbers and words */
	uint64_t min, max;
	const struct conf_units *units;
	const struct conf_word *words;
	unsigned times;			/* a list, and in one source it can be set that often; 0: it is no list */
};

/* The keys that the code speaks of, at their place in the table; the others follow. */
enum {
	CONF_KEY_LISTEN, CONF_KEY_WORKERS, CONF_KEY_EXECUTOR, CONF_KEY_BACKLOG, CONF_KEY_DRAIN_TIMEOUT,
	CONF_KEY_IDLE_EXIT,
	CONF_KEY_STATUS, CONF_KEY_CONTENT_TYPE, CONF_KEY_HEADER, CONF_KEY_BODY, CONF_KEY_BODY_FILE, CONF_KEY_GZIP,
	CONF_KEY_METHODS, CONF_KEY_OTHER_METHODS, CONF_KEY_DELAY, CONF_KEY_ENABLE_IF_EXISTS,
	CONF_KEY_MAX_CONNECTIONS,
};

enum {
	CONF_KEYS_MAX		= 40,
	CONF_KEY_ANSWER		= CONF_KEY_STATUS,		/* the first of an answer's keys */
	CONF_ANSWER_KEYS	= CONF_KEY_ENABLE_IF_EXISTS + 1 - CONF_KEY_ANSWER,
};

extern const struct conf_key conf_keys[];	/* those of a section are together */
extern const size_t conf_n_keys;		/* at most CONF_KEYS_MAX */

struct conf_origin {			/* where a key was set last */
	unsigned source;		/* 0: nowhere */
	const char *file;		/* borrowed from owned->files, or constant */
	unsigned line;
	unsigned times;			/* by that source */
	bool wrong;			/* some setting of it was a mistake */
};

struct conf_owned {			/* what struct conf points to and cannot free by itself */
	char **files;
	size_t n_files;
	struct conf_origin origins[CONF_KEYS_MAX];	/* by the key's place in conf_keys; those of answers are with them */
};

struct conf_loading {
	const struct conf_source *from;
	struct conf *conf;
	struct conf_owned *owned;
	struct conf_errors *errors;
	int error;			/* -ENOMEM: all is given up */

	unsigned source;		/* each has a number, the first is 1; 0 while the defaults are set */
	bool may_repeat;		/* the command line: the last one counts */
	const char *file;		/* NULL: the command line */
	unsigned line;

	enum conf_section section;	/* where we are; 0: in one that was told to be wrong */
	struct conf_answer *answer;	/* of that section; NULL: it says none */
	void *answers;			/* owned: a tree of tsearch(3), by what the sections mean */
	uint64_t image_length, image_max;	/* of the heads and bodies so far, and of all at most */

	/* The setting that conf.c is reading; its value may have more lines. */
	const struct conf_key *key;	/* NULL: none */
	unsigned key_line;
	bool key_wrong;
	bool value_begun;		/* the value has a first line, which may be empty */
	char *value;			/* owned, with a NUL behind it */
	size_t length, capacity;
};

/* Tell a mistake: where we are, or at a place.  Return -EINVAL, or -ENOMEM, which is in load->error too. */
int conf_mistake(struct conf_loading *load, const char *format, ...) __attribute__((format(printf, 2, 3)));
int conf_mistake_at(struct conf_loading *load, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int conf_wrong(struct conf_loading *load, const struct conf_key *key, const char *format, ...)	/* "SECTION.KEY: ..." */
	__attribute__((format(printf, 3, 4)));
int conf_unknown_key(struct conf_loading *load, const char *written);
int conf_out_of_memory(struct conf_loading *load);		/* returns -ENOMEM */
const char *conf_place(const struct conf_loading *load);	/* the file's name, or "command line" */

const struct conf_key *conf_find_key(enum conf_section section, const char *name);	/* NULL: there is none */

/* Makes [name] the section where we are.  A mistake is told. */
int conf_enter(struct conf_loading *load, const char *name);
const char *conf_section_name(const struct conf_loading *load);	/* "response", "route /x" */
struct conf_shown conf_shown_name(const struct conf_loading *load);	/* the same for a message */
const char *conf_section_word(unsigned sections);		/* "response", "route": of the first of these bits */
struct conf_origin *conf_origin(const struct conf_loading *load, const struct conf_key *key);	/* in that section */

/* Sets a key from where we are; value has a NUL behind it.  A mistake is told and remembered in the key's origin. */
void conf_set(struct conf_loading *load, const struct conf_key *key, struct slice value);
