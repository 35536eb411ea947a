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
#include "http/slice.h"

struct conf_loading;
struct conf_key;

/* value has a NUL behind it.  Returns 0; -EINVAL after the mistake was told; or -ENOMEM. */
typedef int conf_parse_fn(struct conf_loading *load, const struct conf_key *key, struct slice value);
typedef void conf_print_fn(const struct conf *conf, const struct conf_key *key, FILE *to);

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

struct conf_key {
	const char *section, *name;
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
	CONF_KEY_STATUS, CONF_KEY_CONTENT_TYPE, CONF_KEY_HEADER, CONF_KEY_BODY, CONF_KEY_BODY_FILE,
	CONF_KEY_MAX_CONNECTIONS,
};

enum { CONF_KEYS_MAX = 32 };

extern const struct conf_key conf_keys[];	/* sections are together */
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
	char **field_texts;		/* "Name: value", which the fields point into */
	struct http_field *fields;
	size_t n_fields;
	char *content_type;
	char *body;
	struct conf_origin origins[CONF_KEYS_MAX];	/* by the key's place in conf_keys */
};

struct conf_loading {
	struct conf *conf;
	struct conf_owned *owned;
	struct conf_errors *errors;
	int error;			/* -ENOMEM: all is given up */

	unsigned source;		/* each has a number, the first is 1; 0 while the defaults are set */
	bool may_repeat;		/* the command line: the last one counts */
	const char *file;		/* NULL: the command line */
	unsigned line;

	/* The setting that conf.c is reading; its value may have more lines. */
	const char *section;		/* of the table; NULL: unknown, and told so */
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
int conf_unknown_section(struct conf_loading *load, const char *written);
int conf_unknown_key(struct conf_loading *load, const char *section, const char *written);
int conf_out_of_memory(struct conf_loading *load);		/* returns -ENOMEM */
const char *conf_place(const struct conf_loading *load);	/* the file's name, or "command line" */

const struct conf_key *conf_find_key(const char *section, const char *name);	/* NULL: there is none */
const char *conf_find_section(const char *name);		/* as the table has it; NULL: there is none */

/* Sets a key from where we are; value has a NUL behind it.  A mistake is told and remembered in the key's origin. */
void conf_set(struct conf_loading *load, const struct conf_key *key, struct slice value);
