/* SPDX-License-Identifier: MIT */
/*
 * What can be set is one table, `keys`: section, name, parser, printer, the member of struct conf and its range.
 * Loading, -o, the dump and "did you mean" all read that table, so a key that is added to it is complete.
 *
 * Settings come from sources, in order: FILE, each of FILE.d, the -o options together, the -l options together.
 * Every setting of every source is checked, also when a later source replaces it: a mistake in a file is a mistake.
 * What replaces what is decided by one number for each key, the source that set it last:
 *
 *	the same source again	a list grows; anything else was set twice, which is a mistake (but not with -o)
 *	a later source		a list begins anew, anything else is overwritten
 *
 * response.body and response.body_file are two ways to say one thing, so each also replaces the other.  The file of the
 * body is read last, and only the one that won.
 *
 * Rejected: to gather all settings first and judge then.  It needs a second representation of everything and gains
 * nothing, since every setting has to be judged with its own line anyway.
 */
#include "daemon/conf.h"
#include "core/cleanup.h"
#include "daemon/ini.h"
#include "http/snapshot.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <syslog.h>

enum {
	ERRORS_MAX	= 1000,		/* a file of random bytes is not repeated in full */
	SHOWN_MAX	= 60,		/* of a value in a message */
	HEADERS_MAX	= 1000,
	LISTEN_MAX	= 256,
};

/* ---- The table's types ---- */

struct load;
struct key;

/* Returns 0; -EINVAL after the mistake was told; or -ENOMEM. */
typedef int parse_fn(struct load *load, const struct key *key, struct slice value);
typedef void print_fn(const struct conf *conf, const struct key *key, FILE *to);

struct unit {
	const char *suffix;
	uint64_t factor;
};

struct units {
	const char *like;		/* what a person may write */
	bool ignore_case;
	struct unit at[5];		/* the largest first; ended by one without a suffix */
};

struct word {
	const char *text;		/* NULL ends a list */
	unsigned value;
};

struct key {
	const char *section, *name;
	parse_fn *parse;
	print_fn *print;
	size_t offset, width;		/* of the member, for numbers and words */
	uint64_t min, max;
	const struct units *units;
	const struct word *words;
	bool repeatable;
};

enum { N_KEYS_MAX = 32 };

struct origin {				/* where a key was set last */
	unsigned source;		/* 0: nowhere */
	const char *file;		/* borrowed from owned->files */
	unsigned line;
	bool wrong;			/* some setting of it was a mistake */
};

struct owned {				/* what struct conf points to and cannot free by itself */
	char **files;
	size_t n_files;
	char **field_texts;		/* "Name: value", which the fields point into */
	struct http_field *fields;
	size_t n_fields;
	char *content_type;
	char *body;
	struct origin origins[N_KEYS_MAX];
};

struct load {
	struct conf *conf;
	struct owned *owned;
	struct conf_errors *errors;
	int error;			/* -ENOMEM: all is given up */

	unsigned source;
	bool may_repeat;		/* the command line: the last one counts */
	const char *file;		/* NULL: the command line */
	unsigned line;

	/* The setting that is being read; its value may have more lines. */
	const char *section;		/* of the table; NULL: unknown, and told so */
	const struct key *key;		/* NULL: none */
	unsigned key_line;
	bool key_wrong;
	bool value_begun;		/* the value has a first line, which may be empty */
	char *value;			/* owned, with a NUL behind it */
	size_t length, capacity;
};

static const char command_line[] = "command line";

static parse_fn parse_number, parse_word, parse_workers, parse_listen, parse_content_type, parse_header, parse_body,
	parse_body_file, parse_access;
static print_fn print_number, print_word, print_workers, print_listen, print_content_type, print_header, print_body,
	print_body_file, print_access;

static const struct units no_units = { "a whole number, like 100", false, { { "", 1 } } };
static const struct units sizes = {
	"a whole number of bytes, or with K, M or G behind it, like 8K", true,
	{ { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 } },
};
static const struct units times = {
	"a whole number with ms, s, m or h behind it, like 200ms or 30s", false,
	{ { "h", 3600 * 1000 }, { "m", 60 * 1000 }, { "s", 1000 }, { "ms", 1 } },
};

static const struct word executors[] = { { "inline", CONF_INLINE }, { "threaded", CONF_THREADED }, { NULL, 0 } };
static const struct word levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE }, { "info", LOG_INFO },
	{ "debug", LOG_DEBUG }, { NULL, 0 },
};
static const struct word accesses[] = {
	{ "off", CONF_ACCESS_OFF }, { "errors", CONF_ACCESS_ERRORS }, { "sample=N", CONF_ACCESS_SAMPLE },
	{ "all", CONF_ACCESS_ALL }, { NULL, 0 },
};

#define MEMBER(member) .offset = offsetof(struct conf, member), .width = sizeof ((struct conf *) NULL)->member
#define NUMBER(member, from, to, with_units) \
	.parse = parse_number, .print = print_number, MEMBER(member), .min = (from), .max = (to), .units = &with_units
#define WORD(member, list) .parse = parse_word, .print = print_word, MEMBER(member), .words = (list)
#define OTHER(what) .parse = parse_##what, .print = print_##what

enum { KEY_LISTEN, KEY_WORKERS, KEY_EXECUTOR, KEY_BACKLOG, KEY_DRAIN_TIMEOUT, KEY_STATUS, KEY_CONTENT_TYPE,
	KEY_HEADER, KEY_BODY, KEY_BODY_FILE, KEY_MAX_CONNECTIONS, KEYS_WITH_A_NAME };

static const uint64_t hour = 3600 * 1000;

static const struct key keys[] = {
	[KEY_LISTEN]		= { "server", "listen", OTHER(listen), .repeatable = true },
	[KEY_WORKERS]		= { "server", "workers", OTHER(workers), MEMBER(workers), .min = 1, .max = 256,
				    .units = &no_units },
	[KEY_EXECUTOR]		= { "server", "executor", WORD(executor, executors) },
	[KEY_BACKLOG]		= { "server", "backlog", NUMBER(backlog, 1, 65535, no_units) },
	[KEY_DRAIN_TIMEOUT]	= { "server", "drain_timeout", NUMBER(drain_timeout_ms, 0, 24 * hour, times) },

	[KEY_STATUS]		= { "response", "status", NUMBER(answer.status, 200, 599, no_units) },
	[KEY_CONTENT_TYPE]	= { "response", "content_type", OTHER(content_type) },
	[KEY_HEADER]		= { "response", "header", OTHER(header), .repeatable = true },
	[KEY_BODY]		= { "response", "body", OTHER(body) },
	[KEY_BODY_FILE]		= { "response", "body_file", OTHER(body_file) },

	[KEY_MAX_CONNECTIONS]	= { "limits", "max_connections",
				    NUMBER(limits.max_connections, 1, 1 << 20, no_units) },
	{ "limits", "max_request_line", NUMBER(limits.max_request_line, 64, HTTP_REQUEST_LINE_MAX, sizes) },
	{ "limits", "max_header", NUMBER(limits.max_header, 128, HTTP_HEADER_MAX, sizes) },
	{ "limits", "max_headers", NUMBER(limits.max_headers, 1, 10000, no_units) },
	{ "limits", "max_body", NUMBER(limits.max_body, 0, (uint64_t) 1 << 50, sizes) },
	{ "limits", "max_requests", NUMBER(limits.max_requests, 0, 1000000000, no_units) },
	{ "limits", "header_timeout", NUMBER(limits.header_timeout_ms, 10, 24 * hour, times) },
	{ "limits", "body_timeout", NUMBER(limits.body_timeout_ms, 10, 24 * hour, times) },
	{ "limits", "write_timeout", NUMBER(limits.write_timeout_ms, 10, 24 * hour, times) },
	{ "limits", "idle_timeout", NUMBER(limits.idle_timeout_ms, 10, 24 * hour, times) },

	{ "log", "level", WORD(log_level, levels) },
	{ "log", "access", OTHER(access) },
};

enum { N_KEYS = sizeof keys / sizeof *keys };

_Static_assert((int) N_KEYS <= (int) N_KEYS_MAX, "each key has an origin");

/* ---- Mistakes ---- */

static int add_error(struct conf_errors *errors, const char *file, unsigned line, char *take_message)
{
	cleanup(free_pointer) char *message = take_message;
	cleanup(free_pointer) char *copy = NULL;
	struct conf_error *at;

	if (errors->n > ERRORS_MAX)
		return 0;
	if (errors->n == ERRORS_MAX) {
		free(message);
		message = strdup("there are more mistakes than these");
	}
	copy = strdup(file);
	if (!copy || !message)
		return -ENOMEM;
	at = realloc(errors->at, (errors->n + 1) * sizeof *at);
	if (!at)
		return -ENOMEM;
	errors->at = at;
	errors->at[errors->n++] = (struct conf_error) { .file = copy, .line = line, .message = message };
	copy = message = NULL;
	return 0;
}

static int vmistake_at(struct load *load, const char *file, unsigned line, const char *format, va_list list)
{
	char *message;

	if (vasprintf(&message, format, list) < 0 || add_error(load->errors, file, line, message) < 0) {
		load->error = -ENOMEM;
		return -ENOMEM;
	}
	return -EINVAL;
}

static int __attribute__((format(printf, 4, 5)))
mistake_at(struct load *load, const char *file, unsigned line, const char *format, ...)
{
	va_list list;
	int r;

	va_start(list, format);
	r = vmistake_at(load, file, line, format, list);
	va_end(list);
	return r;
}

static const char *load_place(const struct load *load)
{
	return load->file ? load->file : command_line;
}

/* Where we are. */
static int __attribute__((format(printf, 2, 3))) mistake(struct load *load, const char *format, ...)
{
	va_list list;
	int r;

	va_start(list, format);
	r = vmistake_at(load, load_place(load), load->line, format, list);
	va_end(list);
	return r;
}

static int out_of_memory(struct load *load)
{
	load->error = -ENOMEM;
	return -ENOMEM;
}

/* A value as it can stand in a message: one line, and not too much of it. */
struct shown {
	char text[SHOWN_MAX + sizeof "..."];
};

static struct shown show(struct slice value)
{
	struct shown shown;
	size_t n = value.length < SHOWN_MAX ? value.length : SHOWN_MAX;

	for (size_t i = 0; i < n; i++)
		shown.text[i] = iscntrl((unsigned char) value.at[i]) ? '?' : value.at[i];
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

struct guess {
	const char *word;
	const char *section;		/* of a key */
	unsigned distance;
};

/* A word of eight letters may have three wrong, one of three letters one; or it was not written to its end. */
static void consider(struct guess *guess, const char *written, const char *word, const char *section, unsigned handicap)
{
	unsigned d = distance(written, word);

	if (strlen(written) >= 3 && strncmp(word, written, strlen(written)) == 0)
		d = 1;
	if (d > (strlen(word) + 1) / 3)
		return;
	if (!guess->word || d + handicap < guess->distance)
		*guess = (struct guess) { word, section, d + handicap };
}

static int unknown_section(struct load *load, const char *written)
{
	struct guess guess = { 0 };

	for (size_t i = 0; i < N_KEYS; i++)
		consider(&guess, written, keys[i].section, NULL, 0);
	if (guess.word)
		return mistake(load, "unknown section [%s]; did you mean [%s]?", show(slice_of(written)).text,
			       guess.word);
	return mistake(load, "unknown section [%s]; there are [server], [response], [limits] and [log]",
		       show(slice_of(written)).text);
}

static int unknown_key(struct load *load, const char *section, const char *written)
{
	struct guess guess = { 0 };
	char others[512] = "";
	size_t length = 0;

	/* A key that is right in another section is a better guess than one that is nearly right in this one. */
	for (size_t i = 0; i < N_KEYS; i++)
		consider(&guess, written, keys[i].name, keys[i].section, strcmp(keys[i].section, section) != 0);
	if (guess.word && strcmp(guess.section, section) == 0)
		return mistake(load, "unknown key \"%s\" in [%s]; did you mean %s?", show(slice_of(written)).text,
			       section, guess.word);
	if (guess.word)
		return mistake(load, "unknown key \"%s\" in [%s]; did you mean [%s] %s?",
			       show(slice_of(written)).text, section, guess.section, guess.word);

	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].section, section) == 0)
			length += (size_t) snprintf(others + length, sizeof others - length, "%s%s",
						    length ? ", " : "", keys[i].name);
	}
	return mistake(load, "unknown key \"%s\" in [%s], which has %s", show(slice_of(written)).text, section, others);
}

/* ---- Numbers, sizes, times ---- */

static void store_number(struct conf *conf, const struct key *key, uint64_t number)
{
	void *at = (char *) conf + key->offset;

	if (key->width == sizeof number) {
		memcpy(at, &number, sizeof number);
	} else {
		uint32_t narrow = (uint32_t) number;

		assert(key->width == sizeof narrow);
		memcpy(at, &narrow, sizeof narrow);
	}
}

static uint64_t load_number(const struct conf *conf, const struct key *key)
{
	const void *at = (const char *) conf + key->offset;
	uint64_t number;
	uint32_t narrow;

	if (key->width == sizeof number) {
		memcpy(&number, at, sizeof number);
		return number;
	}
	assert(key->width == sizeof narrow);
	memcpy(&narrow, at, sizeof narrow);
	return narrow;
}

/* The number with the largest unit that leaves it whole. */
struct amount {
	char text[32];
};

static struct amount amount(uint64_t number, const struct units *units)
{
	const struct unit *unit = units->at;
	struct amount amount;

	while (unit->factor > 1 && (number == 0 || number % unit->factor != 0))
		unit++;
	snprintf(amount.text, sizeof amount.text, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
	return amount;
}

static int parse_amount(struct load *load, const struct key *key, struct slice value, uint64_t *ret)
{
	const struct units *units = key->units;
	uint64_t number = 0, factor = 0;
	bool overflow = false;
	struct slice suffix;
	size_t digits = 0;

	for (; digits < value.length && isdigit((unsigned char) value.at[digits]); digits++)
		overflow |= __builtin_mul_overflow(number, 10, &number)
			|| __builtin_add_overflow(number, (uint64_t) (value.at[digits] - '0'), &number);
	suffix = (struct slice) { value.at + digits, value.length - digits };

	if (suffix.length == 0 && units == &times)
		factor = 1000;
	for (const struct unit *unit = units->at; !factor && unit->suffix; unit++) {
		if (units->ignore_case ? slice_equal_nocase(suffix, slice_of(unit->suffix))
				       : slice_equal(suffix, slice_of(unit->suffix)))
			factor = unit->factor;
	}
	if (digits == 0 || factor == 0)
		return mistake(load, "%s.%s: \"%s\" is not %s", key->section, key->name, show(value).text, units->like);
	if (overflow || __builtin_mul_overflow(number, factor, &number) || number < key->min || number > key->max)
		return mistake(load, "%s.%s: %s is out of range, which is %s to %s", key->section, key->name,
			       show(value).text, amount(key->min, units).text, amount(key->max, units).text);

	*ret = number;
	return 0;
}

static int parse_number(struct load *load, const struct key *key, struct slice value)
{
	uint64_t number;
	int r;

	r = parse_amount(load, key, value, &number);
	if (r < 0)
		return r;

	store_number(load->conf, key, number);
	return 0;
}

static void print_number(const struct conf *conf, const struct key *key, FILE *to)
{
	fprintf(to, "%s = %s\n", key->name, amount(load_number(conf, key), key->units).text);
}

static int parse_workers(struct load *load, const struct key *key, struct slice value)
{
	if (slice_equal(value, SLICE("auto"))) {
		load->conf->workers = 0;
		return 0;
	}
	if (value.length == 0 || !isdigit((unsigned char) value.at[0]))
		return mistake(load, "server.workers: \"%s\" is neither auto nor a number from %" PRIu64 " to %" PRIu64,
			       show(value).text, key->min, key->max);
	return parse_number(load, key, value);
}

static void print_workers(const struct conf *conf, const struct key *key, FILE *to)
{
	if (conf->workers == 0)
		fprintf(to, "%s = auto\n", key->name);
	else
		print_number(conf, key, to);
}

/* ---- Words ---- */

static int wrong_word(struct load *load, const struct key *key, const struct word *words, struct slice value)
{
	struct shown shown = show(value);
	struct guess guess = { 0 };
	char all[128] = "";
	size_t length = 0;

	for (const struct word *word = words; word->text; word++) {
		consider(&guess, shown.text, word->text, NULL, 0);
		length += (size_t) snprintf(all + length, sizeof all - length, "%s%s",
					    length == 0 ? "" : word[1].text ? ", " : " or ", word->text);
	}
	if (guess.word)
		return mistake(load, "%s.%s: \"%s\" is not %s; did you mean %s?", key->section, key->name, shown.text,
			       all, guess.word);
	return mistake(load, "%s.%s: \"%s\" is not %s", key->section, key->name, shown.text, all);
}

static int parse_word(struct load *load, const struct key *key, struct slice value)
{
	for (const struct word *word = key->words; word->text; word++) {
		if (slice_equal(value, slice_of(word->text))) {
			store_number(load->conf, key, word->value);
			return 0;
		}
	}
	return wrong_word(load, key, key->words, value);
}

static void print_word(const struct conf *conf, const struct key *key, FILE *to)
{
	for (const struct word *word = key->words; word->text; word++) {
		if (load_number(conf, key) == word->value)
			fprintf(to, "%s = %s\n", key->name, word->text);
	}
}

static int parse_access(struct load *load, const struct key *key, struct slice value)
{
	static const struct key sample = { "log", "access", .min = 1, .max = 1000000000, .units = &no_units };
	const struct slice begin = SLICE("sample=");
	uint64_t every = 1;
	int r;

	if (value.length >= begin.length && memcmp(value.at, begin.at, begin.length) == 0) {
		r = parse_amount(load, &sample, (struct slice) {
			value.at + begin.length, value.length - begin.length,
		}, &every);
		if (r < 0)
			return r;
		load->conf->access = CONF_ACCESS_SAMPLE;
		load->conf->access_sample = (uint32_t) every;
		return 0;
	}
	for (const struct word *word = accesses; word->text; word++) {
		if (word->value != CONF_ACCESS_SAMPLE && slice_equal(value, slice_of(word->text))) {
			load->conf->access = word->value;
			load->conf->access_sample = 1;
			return 0;
		}
	}
	return wrong_word(load, key, accesses, value);
}

static void print_access(const struct conf *conf, const struct key *key, FILE *to)
{
	switch (conf->access) {
	case CONF_ACCESS_SAMPLE:
		fprintf(to, "%s = sample=%" PRIu32 "\n", key->name, conf->access_sample);
		return;
	case CONF_ACCESS_OFF:
	case CONF_ACCESS_ERRORS:
	case CONF_ACCESS_ALL:
		fprintf(to, "%s = %s\n", key->name, accesses[conf->access].text);
		return;
	}
}

/* ---- server.listen ---- */

static void clear_listen(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listen; i++)
		free(conf->listen[i].text);
	free(conf->listen);
	conf->listen = NULL;
	conf->n_listen = 0;
}

static int add_listen(struct load *load, const struct conf_listen *listen, struct slice value)
{
	struct conf *conf = load->conf;
	struct conf_listen *at;
	char *text;

	text = strndup(value.at, value.length);
	if (!text)
		return out_of_memory(load);
	at = realloc(conf->listen, (conf->n_listen + 1) * sizeof *at);
	if (!at) {
		free(text);
		return out_of_memory(load);
	}

	conf->listen = at;
	at[conf->n_listen] = *listen;
	at[conf->n_listen++].text = text;
	return 0;
}

static bool same_place(const struct address *a, const struct address *b)
{
	return a->length == b->length && memcmp(&a->at, &b->at, a->length) == 0;
}

/* The kernel chooses another port each time, so port 0 may be asked for twice. */
static bool has_port_0(const struct address *address)
{
	struct sockaddr_in inet;
	struct sockaddr_in6 inet6;

	switch (address->at.ss_family) {
	case AF_INET:
		memcpy(&inet, &address->at, sizeof inet);
		return inet.sin_port == 0;
	case AF_INET6:
		memcpy(&inet6, &address->at, sizeof inet6);
		return inet6.sin6_port == 0;
	default:
		return false;
	}
}

/* value ends with a NUL. */
static int parse_listen(struct load *load, const struct key *key, struct slice value)
{
	struct conf_listen listen = { 0 };
	struct conf *conf = load->conf;
	const char *why;
	int n;

	n = address_parse(value.at, listen.at, &why);
	if (n < 0)
		return mistake(load, "server.listen: \"%s\": %s", show(value).text, why);
	listen.n = (unsigned) n;
	if (conf->n_listen == LISTEN_MAX)
		return mistake(load, "server.listen: there are more than %d addresses", LISTEN_MAX);

	for (size_t i = 0; i < conf->n_listen; i++) {
		for (unsigned j = 0; j < conf->listen[i].n * listen.n; j++) {
			const struct address *old = &conf->listen[i].at[j % conf->listen[i].n];
			const struct address *new = &listen.at[j / conf->listen[i].n];

			if (same_place(old, new) && !has_port_0(new))
				return mistake(load, "server.listen: \"%s\" is already listened on by \"%s\"",
					       show(value).text, show(slice_of(conf->listen[i].text)).text);
		}
	}
	return add_listen(load, &listen, value);
}

static void print_listen(const struct conf *conf, const struct key *key, FILE *to)
{
	/* Not the same as the default address that was set: then systemd's sockets must agree with it. */
	if (!conf->listen_is_set)
		fprintf(to, "# Not set, so the sockets that systemd passes are right as they are; without any:\n");
	for (size_t i = 0; i < conf->n_listen; i++)
		fprintf(to, "%s%s = %s\n", conf->listen_is_set ? "" : "#", key->name, conf->listen[i].text);
}

/* ---- The answer ---- */

static int parse_content_type(struct load *load, const struct key *key, struct slice value)
{
	const char *why = NULL;
	char *text;

	/* Under this name the field belongs to us; it is the value that is asked about. */
	if (value.length > 0)
		why = http_field_refused(SLICE("Content-Language"), value);
	if (why)
		return mistake(load, "response.content_type: \"%s\": %s", show(value).text, why);
	text = strndup(value.at, value.length);
	if (!text)
		return out_of_memory(load);

	free(load->owned->content_type);
	load->owned->content_type = text;
	load->conf->answer.content_type = (struct slice) { text, value.length };
	return 0;
}

static void print_text(const char *name, struct slice text, FILE *to)
{
	fprintf(to, "%s = ", name);
	ini_write_text(text, to);
	fputc('\n', to);
}

static void print_content_type(const struct conf *conf, const struct key *key, FILE *to)
{
	print_text(key->name, conf->answer.content_type, to);
}

static void clear_headers(struct load *load)
{
	struct owned *owned = load->owned;

	for (size_t i = 0; i < owned->n_fields; i++)
		free(owned->field_texts[i]);
	owned->n_fields = 0;
	load->conf->answer.n_fields = 0;
}

static int parse_header(struct load *load, const struct key *key, struct slice value)
{
	struct owned *owned = load->owned;
	const char *colon = memchr(value.at, ':', value.length);
	struct http_field field, *fields;
	char **texts;
	const char *why;

	if (!colon)
		return mistake(load, "response.header: \"%s\" is not a field, like Retry-After: 60", show(value).text);
	if (owned->n_fields == HEADERS_MAX)
		return mistake(load, "response.header: there are more than %d fields", HEADERS_MAX);
	field.name = (struct slice) { value.at, (size_t) (colon - value.at) };
	field.value = (struct slice) { colon + 1, value.length - field.name.length - 1 };
	while (field.value.length > 0 && strchr(" \t", field.value.at[0])) {
		field.value.at++;
		field.value.length--;
	}
	while (field.value.length > 0 && strchr(" \t", field.value.at[field.value.length - 1]))
		field.value.length--;
	why = http_field_refused(field.name, field.value);
	if (why)
		return mistake(load, "response.header: %s: %s", show(field.name).text, why);

	/* Each array grows by itself: a failure of the second leaves the first larger than it need be, and that is all. */
	texts = realloc(owned->field_texts, (owned->n_fields + 1) * sizeof *texts);
	if (!texts)
		return out_of_memory(load);
	owned->field_texts = texts;
	fields = realloc(owned->fields, (owned->n_fields + 1) * sizeof *fields);
	if (!fields)
		return out_of_memory(load);
	owned->fields = fields;
	load->conf->answer.fields = fields;
	texts[owned->n_fields] = strndup(value.at, value.length);
	if (!texts[owned->n_fields])
		return out_of_memory(load);

	field.name.at = texts[owned->n_fields];
	field.value.at = texts[owned->n_fields] + (field.value.at - value.at);
	fields[owned->n_fields++] = field;
	load->conf->answer.n_fields = owned->n_fields;
	return 0;
}

static void print_header(const struct conf *conf, const struct key *key, FILE *to)
{
	for (size_t i = 0; i < conf->answer.n_fields; i++) {
		const struct http_field *field = &conf->answer.fields[i];

		fprintf(to, "%s = %.*s: %.*s\n", key->name, (int) field->name.length, field->name.at,
			(int) field->value.length, field->value.at);
	}
}

static void clear_body(struct load *load)
{
	free(load->owned->body);
	load->owned->body = NULL;
	load->conf->answer.body = (struct slice) { "", 0 };
	free(load->conf->body_file);
	load->conf->body_file = NULL;
}

/* The two keys replace each other, but not within one source. */
static int begin_body(struct load *load, const struct key *other)
{
	const struct origin *origin = &load->owned->origins[other - keys];

	if (origin->source && origin->source == load->source) {
		if (origin->line)
			return mistake(load, "response.body and response.body_file are two bodies; %s is set in line %u",
				       other->name, origin->line);
		return mistake(load, "response.body and response.body_file are two bodies; set one of them");
	}
	clear_body(load);
	return 0;
}

static int parse_body(struct load *load, const struct key *key, struct slice value)
{
	const char *at = value.at, *end = value.at + value.length;
	char *body;
	int r;

	while (at < end) {	/* lines of a file are that short; those of -o need not be, and could not be dumped */
		const char *line_end = memchr(at, '\n', (size_t) (end - at));
		size_t length = (size_t) ((line_end ? line_end : end) - at);

		if (length > INI_TEXT_MAX)
			return mistake(load, "response.body: a line of it has more than %d bytes; put it into a file, "
				       "with body_file", INI_TEXT_MAX);
		at += length + 1;
	}
	r = begin_body(load, &keys[KEY_BODY_FILE]);
	if (r < 0)
		return r;
	body = malloc(value.length + 1);
	if (!body)
		return out_of_memory(load);

	memcpy(body, value.at, value.length);
	body[value.length] = '\0';
	load->owned->body = body;
	load->conf->answer.body = (struct slice) { body, value.length };
	return 0;
}

static void print_body(const struct conf *conf, const struct key *key, FILE *to)
{
	struct slice rest = conf->answer.body;
	const char *newline;

	if (conf->body_file)
		return;
	if (rest.length == 0 || !memchr(rest.at, '\n', rest.length)) {
		print_text(key->name, rest, to);
		return;
	}
	fprintf(to, "%s =\n", key->name);
	do {
		struct slice line = rest;

		newline = memchr(rest.at, '\n', rest.length);
		if (newline) {
			line.length = (size_t) (newline - rest.at);
			rest.at += line.length + 1;
			rest.length -= line.length + 1;
		}
		fputc('\t', to);
		ini_write_text(line, to);
		fputc('\n', to);
	} while (newline && rest.length > 0);
	if (newline)		/* a newline at the very end: an empty line behind it */
		fprintf(to, "\t\"\"\n");
}

/* A path relative to the file that names it; of the command line, to the working directory.  Absolute, so that a dump
 * can be put anywhere. */
static char *resolve(const struct load *load, const char *path)
{
	cleanup(free_pointer) char *here = NULL;
	const char *slash = load->file ? strrchr(load->file, '/') : NULL;
	int directory = slash ? (int) (slash - load->file + 1) : 0;
	char *resolved;

	if (path[0] == '/')
		return strdup(path);
	if (directory == 0 || load->file[0] != '/') {
		here = getcwd(NULL, 0);
		if (!here)
			return NULL;
	}
	if (asprintf(&resolved, "%s%s%.*s%s", here ? here : "", here ? "/" : "", directory, slash ? load->file : "",
		     path) < 0)
		return NULL;
	return resolved;
}

static int parse_body_file(struct load *load, const struct key *key, struct slice value)
{
	char *path;
	int r;

	if (value.length == 0)
		return mistake(load, "response.body_file: the path is missing");
	r = begin_body(load, &keys[KEY_BODY]);
	if (r < 0)
		return r;
	path = resolve(load, value.at);
	if (!path)
		return out_of_memory(load);

	load->conf->body_file = path;
	return 0;
}

static void print_body_file(const struct conf *conf, const struct key *key, FILE *to)
{
	if (conf->body_file)
		print_text(key->name, slice_of(conf->body_file), to);
}

/* Returns 0, or a negative errno; -EFBIG: more than CONF_BODY_MAX.  The size that fstat() tells is where to begin, not
 * the truth: files of /proc have none, and a file may grow while it is read. */
static int read_whole(const char *path, char **ret, size_t *ret_length)
{
	cleanup(close_fd) int fd = -1;
	cleanup(free_pointer) char *bytes = NULL;
	size_t length = 0, capacity;
	struct stat stat;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);	/* a fifo would wait for its writer */
	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (S_ISDIR(stat.st_mode))
		return -EISDIR;
	if (!S_ISREG(stat.st_mode))
		return -EINVAL;
	if (stat.st_size > CONF_BODY_MAX)
		return -EFBIG;

	capacity = (size_t) stat.st_size + 1;		/* one more, to see the end without growing */
	for (;;) {
		ssize_t n;

		if (!bytes || length == capacity) {
			char *more;

			if (length == capacity)
				capacity = capacity * 2 + 4096;
			more = realloc(bytes, capacity);
			if (!more)
				return -ENOMEM;
			bytes = more;
		}
		n = read(fd, bytes + length, capacity - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t) n;
		if (length > CONF_BODY_MAX)
			return -EFBIG;
	}

	*ret = bytes;
	*ret_length = length;
	bytes = NULL;
	return 0;
}

static int read_body_file(struct load *load)
{
	const struct origin *origin = &load->owned->origins[KEY_BODY_FILE];
	const char *path = load->conf->body_file, *why;
	size_t length = 0;
	char *body = NULL;
	int r;

	r = read_whole(path, &body, &length);
	if (r == -ENOMEM)
		return out_of_memory(load);
	if (r < 0) {
		load->owned->origins[KEY_BODY_FILE].wrong = true;
		why = r == -EFBIG ? "it has more than 64M" : r == -EINVAL ? "it is no regular file" : strerror(-r);
		return mistake_at(load, origin->file, origin->line, "response.body_file: cannot read %s: %s",
				  show(slice_of(path)).text, why);
	}

	load->owned->body = body;
	load->conf->answer.body = (struct slice) { body, length };
	return 0;
}

/* ---- One setting ---- */

static void set(struct load *load, const struct key *key, struct slice value)
{
	struct origin *origin = &load->owned->origins[key - keys];
	bool again = origin->source == load->source;
	int r;

	if (key != &keys[KEY_BODY] && memchr(value.at, '\n', value.length)) {
		r = mistake(load, "%s.%s: the value has more than one line", key->section, key->name);
	} else if (key != &keys[KEY_BODY] && value.length > INI_TEXT_MAX) {
		r = mistake(load, "%s.%s: the value has more than %d bytes", key->section, key->name, INI_TEXT_MAX);
	} else if (again && !key->repeatable && !load->may_repeat) {
		r = mistake(load, "%s.%s is set twice in this file; it was set in line %u", key->section, key->name,
			    origin->line);
	} else {
		if (!again && key == &keys[KEY_LISTEN])
			clear_listen(load->conf);
		if (!again && key == &keys[KEY_HEADER])
			clear_headers(load);
		r = key->parse(load, key, value);
	}
	if (key == &keys[KEY_LISTEN])
		load->conf->listen_is_set = true;

	/* The first line of the two stays the one that a third is told of. */
	if (!again || key->repeatable)
		*origin = (struct origin) {
			.source = load->source, .file = load_place(load), .line = load->line, .wrong = origin->wrong,
		};
	origin->wrong |= r < 0;
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static const char *find_section(const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].section, name) == 0)
			return keys[i].section;
	}
	return NULL;
}

/* ---- Files ---- */

static int append(struct load *load, const char *at, size_t length)
{
	if (load->capacity - load->length <= length) {
		size_t capacity = (load->length + length + 1) * 2;
		char *value = realloc(load->value, capacity);

		if (!value)
			return out_of_memory(load);
		load->value = value;
		load->capacity = capacity;
	}
	memcpy(load->value + load->length, at, length);
	load->length += length;
	load->value[load->length] = '\0';
	return 0;
}

static int append_continuation(struct load *load, const struct ini_event *event)
{
	bool is_body = load->key == &keys[KEY_BODY];
	int r = 0;

	if (!is_body && !event->quoted && event->text.length > 0 && strchr("#;", event->text.at[0])) {
		load->key_wrong = true;
		return mistake(load, "a line that begins with a blank continues the value of %s; a comment begins in the "
			       "first column, and a value's line with # or ; has quotation marks", load->key->name);
	}
	if (load->length + event->empty_lines + event->text.length >= CONF_BODY_MAX) {
		load->key_wrong = true;
		return mistake(load, "%s.%s: the value has more than 64M", load->key->section, load->key->name);
	}
	for (unsigned i = 0; is_body && load->value_begun && i < event->empty_lines && r == 0; i++)
		r = append(load, "\n", 1);
	if (load->value_begun && r == 0)
		r = append(load, is_body ? "\n" : " ", 1);
	if (r == 0)
		r = append(load, event->text.at, event->text.length);
	load->value_begun = true;
	return r;
}

/* The setting that was being read is complete. */
static void finish_setting(struct load *load)
{
	const struct key *key = load->key;
	unsigned line = load->line;

	load->key = NULL;
	if (!key || load->error)
		return;
	if (load->key_wrong) {
		load->owned->origins[key - keys].wrong = true;
		return;
	}
	load->line = load->key_line;
	set(load, key, (struct slice) { load->value, load->length });
	load->line = line;
}

static int on_line(void *arg, const struct ini_event *event)
{
	struct load *load = arg;

	if (event->what == INI_MISTAKE && event->key)	/* a line of the value: without it there is nothing to judge */
		load->key_wrong = true;
	else if (event->what != INI_CONTINUED)
		finish_setting(load);
	load->line = event->line;

	switch (event->what) {
	case INI_SECTION:
		load->section = find_section(event->text.at);
		if (!load->section)
			(void) unknown_section(load, event->text.at);
		break;
	case INI_SETTING:
		if (!load->section)
			break;
		load->key = find_key(load->section, event->key);
		if (!load->key) {
			(void) unknown_key(load, load->section, event->key);
			break;
		}
		load->key_line = event->line;
		load->key_wrong = false;
		load->length = 0;
		/* "key =" with the value in the lines below does not begin with an empty line. */
		load->value_begun = event->text.length > 0 || event->quoted;
		(void) append(load, event->text.at, event->text.length);
		break;
	case INI_CONTINUED:
		if (load->key && !load->key_wrong)
			(void) append_continuation(load, event);
		break;
	case INI_MISTAKE:
		(void) mistake(load, "%s", event->text.at);
		break;
	}
	return load->error;
}

/* Keeps a name for as long as the configuration lives. */
static const char *keep_name(struct load *load, const char *name)
{
	struct owned *owned = load->owned;
	char **files = realloc(owned->files, (owned->n_files + 1) * sizeof *files);

	if (!files)
		return NULL;
	owned->files = files;
	files[owned->n_files] = strdup(name);
	return files[owned->n_files] ? files[owned->n_files++] : NULL;
}

static int load_file(struct load *load, const char *path, bool must_exist)
{
	FILE *file;
	int r;

	load->source++;
	load->line = 0;
	load->section = NULL;
	load->key = NULL;
	load->file = keep_name(load, path);
	if (!load->file)
		return out_of_memory(load);

	r = ini_open(path, &file);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r == -ENOMEM)
		return out_of_memory(load);
	if (r < 0) {
		(void) mistake(load, "cannot be read: %s", r == -EINVAL ? "it is no regular file" : strerror(-r));
		return load->error;
	}
	r = ini_read(file, on_line, load);
	(void) fclose(file);
	if (r == -ENOTSUP) {
		(void) mistake(load, "the installed inih library does not return what it is given");
		return load->error;
	}
	if (r < 0)
		load->error = r;
	finish_setting(load);
	return load->error;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_drop_in(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > strlen(".conf") && strcmp(name + length - strlen(".conf"), ".conf") == 0;
}

/* What FILE.d has that ends in .conf, in the order of the names' bytes, whatever the locale says. */
static int load_directory(struct load *load, const char *file)
{
	cleanup(free_pointer) char *path = NULL;
	char **names = NULL;
	size_t n = 0;
	struct dirent *entry;
	DIR *directory;

	if (asprintf(&path, "%s.d", file) < 0) {
		path = NULL;
		return out_of_memory(load);
	}
	directory = opendir(path);
	if (!directory && errno == ENOENT)
		return 0;
	if (!directory) {
		if (errno == ENOMEM)
			return out_of_memory(load);
		(void) mistake_at(load, path, 0, "cannot be read: %s", strerror(errno));
		return load->error;
	}
	while (!load->error && (errno = 0, entry = readdir(directory))) {
		char **more;

		if (!is_drop_in(entry->d_name))
			continue;
		more = realloc(names, (n + 1) * sizeof *names);
		if (!more) {
			(void) out_of_memory(load);
			break;
		}
		names = more;
		if (asprintf(&names[n], "%s/%s", path, entry->d_name) < 0)
			(void) out_of_memory(load);
		else
			n++;
	}
	if (!load->error && errno)
		(void) mistake_at(load, path, 0, "cannot be read: %s", strerror(errno));
	(void) closedir(directory);

	if (n > 0)
		qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++) {
		if (!load->error)
			(void) load_file(load, names[i], true);
		free(names[i]);
	}
	free(names);
	return load->error;
}

/* ---- The command line ---- */

/* "section.key=value"; the last dot before the = parts the two, since a section's name may have some. */
static int load_override(struct load *load, const char *override)
{
	const char *equals, *dot;
	cleanup(free_pointer) char *name = NULL;
	cleanup(free_pointer) char *value = NULL;
	struct slice text;
	const struct key *key;
	const char *why;
	char *key_name;

	override += strspn(override, " \t");
	equals = strchr(override, '=');
	dot = equals ? memrchr(override, '.', (size_t) (equals - override)) : NULL;
	if (!dot)
		return mistake(load, "-o %s: it is written -o section.key=value", show(slice_of(override)).text);
	name = strndup(override, (size_t) (equals - override));
	if (!name)
		return out_of_memory(load);
	key_name = name + (dot - override);
	*key_name++ = '\0';
	key_name[strcspn(key_name, " \t")] = '\0';
	if (!find_section(name))
		return unknown_section(load, name);
	key = find_key(name, key_name);
	if (!key)
		return unknown_key(load, name, key_name);

	if (ini_unquote(slice_of(equals + 1), &text, &why) < 0)
		return mistake(load, "%s.%s: %s", key->section, key->name, why);
	value = strndup(text.at, text.length);
	if (!value)
		return out_of_memory(load);
	set(load, key, (struct slice) { value, text.length });
	return load->error;
}

static void load_command_line(struct load *load, const struct conf_source *source)
{
	load->file = NULL;
	load->line = 0;
	load->may_repeat = true;

	load->source++;
	for (size_t i = 0; i < source->n_overrides && !load->error; i++)
		(void) load_override(load, source->overrides[i]);
	load->source++;
	for (size_t i = 0; i < source->n_listen && !load->error; i++)
		set(load, &keys[KEY_LISTEN], slice_of(source->listen[i]));
}

/* ---- All of it ---- */

static int set_defaults(struct load *load)
{
	struct conf *conf = load->conf;
	int r;

	*conf = (struct conf) {
		.backlog = 4096,
		.drain_timeout_ms = 10 * 1000,
		.answer.status = 200,
		.limits = {
			.max_connections = 10000,
			.max_request_line = 8 * 1024,
			.max_header = 32 * 1024,
			.max_headers = 100,
			.max_body = 16 * 1024 * 1024,
			.header_timeout_ms = 10 * 1000,
			.body_timeout_ms = 30 * 1000,
			.write_timeout_ms = 30 * 1000,
			.idle_timeout_ms = 60 * 1000,
		},
		.executor = CONF_INLINE,
		.log_level = LOG_INFO,
		.access = CONF_ACCESS_OFF,
		.access_sample = 1,
		.owned = load->owned,
	};
	r = parse_listen(load, &keys[KEY_LISTEN], SLICE("127.0.0.1:8000"));
	if (r == 0)
		r = parse_content_type(load, &keys[KEY_CONTENT_TYPE], SLICE("text/html"));
	if (r == 0)
		r = parse_body(load, &keys[KEY_BODY], SLICE("Hello"));
	return r;
}

/* What can be judged only when all of it is known. */
static void check_answer(struct load *load)
{
	struct origin *origins = load->owned->origins;
	const struct origin *culprit = &origins[KEY_STATUS];
	char head[HTTP_HEAD_MAX];
	const char *why;
	uint32_t date;

	if (load->conf->body_file && !origins[KEY_BODY_FILE].wrong)
		(void) read_body_file(load);
	if (load->error || origins[KEY_STATUS].wrong || origins[KEY_BODY].wrong || origins[KEY_BODY_FILE].wrong
	    || origins[KEY_CONTENT_TYPE].wrong || origins[KEY_HEADER].wrong)
		return;

	/* "status = 204" alone is a whole configuration: the body that it cannot have was not asked for. */
	if (!http_status_has_content(load->conf->answer.status)) {
		if (!origins[KEY_BODY].source && !origins[KEY_BODY_FILE].source)
			clear_body(load);
		if (!origins[KEY_CONTENT_TYPE].source)
			load->conf->answer.content_type = (struct slice) { "", 0 };
	}

	/* The longest head is the one that says keep-alive. */
	if (http_head_write(head, sizeof head, &load->conf->answer, HTTP_KEEP_ALIVE, &date) < 0) {
		(void) mistake_at(load, origins[KEY_HEADER].source ? origins[KEY_HEADER].file : load_place(load),
				  origins[KEY_HEADER].line, "response.header: all fields together have more than %d bytes",
				  HTTP_HEAD_MAX);
	}
	why = http_answer_refused(&load->conf->answer);
	if (!why)
		return;
	if (!culprit->source)
		culprit = &origins[load->conf->body_file ? KEY_BODY_FILE : KEY_BODY];
	if (!culprit->source)
		culprit = &origins[KEY_HEADER];
	(void) mistake_at(load, culprit->source ? culprit->file : load_place(load),
			  culprit->line, "response.status: %s", why);
}

/* wanted: the one key whose mistakes count; NULL: all do. */
static int load_conf(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors,
		     const struct key *wanted)
{
	struct load load = { .errors = ret_errors };
	size_t errors_before = ret_errors->n;
	bool wrong;

	load.conf = calloc(1, sizeof *load.conf);
	load.owned = calloc(1, sizeof *load.owned);
	if (!load.conf || !load.owned) {
		free(load.conf);
		free(load.owned);
		return -ENOMEM;
	}

	(void) set_defaults(&load);
	if (source->file && !load.error) {
		(void) load_file(&load, source->file, source->file_must_exist);
		if (!load.error)
			(void) load_directory(&load, source->file);
	}
	if (!load.error)
		load_command_line(&load, source);
	if (!load.error)
		check_answer(&load);
	free(load.value);

	wrong = wanted ? load.owned->origins[wanted - keys].wrong : ret_errors->n > errors_before;
	if (load.error || wrong) {
		conf_free(load.conf);
		return load.error ? load.error : -EINVAL;
	}
	load.conf->max_connections_at_start = load.conf->limits.max_connections;
	*ret = load.conf;
	return 0;
}

int conf_load(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors)
{
	return load_conf(ret, source, ret_errors, NULL);
}

int conf_load_listen(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors)
{
	return load_conf(ret, source, ret_errors, &keys[KEY_LISTEN]);
}

int conf_defaults(struct conf **ret)
{
	struct conf_errors errors = { 0 };
	int r;

	r = conf_load(ret, &(struct conf_source) { 0 }, &errors);
	conf_errors_clear(&errors);
	return r;
}

struct conf *conf_free(struct conf *conf)
{
	struct owned *owned;

	if (!conf)
		return NULL;
	clear_listen(conf);
	free(conf->body_file);
	owned = conf->owned;
	for (size_t i = 0; i < owned->n_fields; i++)
		free(owned->field_texts[i]);
	for (size_t i = 0; i < owned->n_files; i++)
		free(owned->files[i]);
	free(owned->field_texts);
	free(owned->fields);
	free(owned->files);
	free(owned->content_type);
	free(owned->body);
	free(owned);
	free(conf);
	return NULL;
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

int conf_dump(const struct conf *conf, FILE *to)
{
	const char *section = NULL;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (!section || strcmp(section, keys[i].section) != 0) {
			fprintf(to, "%s[%s]\n", section ? "\n" : "", keys[i].section);
			section = keys[i].section;
		}
		keys[i].print(conf, &keys[i], to);
	}
	if (fflush(to) != 0 || ferror(to))
		return errno > 0 ? -errno : -EIO;
	return 0;
}

/* ---- What a reload cannot change ---- */

static bool has_address(const struct conf *conf, const struct address *wanted)
{
	for (size_t i = 0; i < conf->n_listen; i++) {
		for (unsigned j = 0; j < conf->listen[i].n; j++) {
			if (same_place(&conf->listen[i].at[j], wanted) && conf->listen[i].at[j].mode == wanted->mode)
				return true;
		}
	}
	return false;
}

/* In any order, and however they were written. */
static bool listens_within(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < a->n_listen; i++) {
		for (unsigned j = 0; j < a->listen[i].n; j++) {
			if (!has_address(b, &a->listen[i].at[j]))
				return false;
		}
	}
	return true;
}

/* What stands behind "key = ", as the dump prints it; of a list with commas between. */
static char *setting_text(const struct conf *conf, const struct key *key)
{
	char *text = NULL, *write_at;
	size_t length;
	FILE *to;

	if (key == &keys[KEY_LISTEN]) {
		to = open_memstream(&text, &length);
		for (size_t i = 0; to && i < conf->n_listen; i++)
			fprintf(to, "%s%s", i ? ", " : "", conf->listen[i].text);
		return to && fclose(to) == 0 ? text : NULL;
	}
	to = open_memstream(&text, &length);
	if (!to)
		return NULL;
	key->print(conf, key, to);
	if (fclose(to) != 0 || !(write_at = strchr(text, '='))) {
		free(text);
		return NULL;
	}
	memmove(text, write_at + 2, strlen(write_at + 2) + 1);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void needs_restart(const struct conf *running, const struct conf *wanted, const struct key *key,
			  const char *file, const char *what_to_do, struct conf_errors *ret_errors)
{
	const struct origin *origin = &((const struct owned *) wanted->owned)->origins[key - keys];
	cleanup(free_pointer) char *old = setting_text(running, key);
	cleanup(free_pointer) char *new = setting_text(wanted, key);
	char *message;

	if (asprintf(&message, "%s.%s changed from %s to %s: %s", key->section, key->name, old ? old : "?",
		     new ? new : "?", what_to_do) < 0)
		return;
	(void) add_error(ret_errors, origin->source ? origin->file : file, origin->line, message);
}

size_t conf_needs_restart(const struct conf *running, const struct conf *wanted, const char *file,
			  struct conf_errors *ret_errors)
{
	static const char restart[] = "needs `systemctl restart reactord`; the running configuration stays";
	static const char restart_sockets[] = "needs `systemctl daemon-reload && systemctl restart reactord.socket "
					      "reactord`; the running configuration stays";
	size_t n = 0;

	if (!listens_within(running, wanted) || !listens_within(wanted, running)) {
		needs_restart(running, wanted, &keys[KEY_LISTEN], file, restart_sockets, ret_errors);
		n++;
	}
	for (int i = KEY_WORKERS; i <= KEY_BACKLOG; i++) {
		if (i == KEY_WORKERS ? running->workers == wanted->workers
				     : load_number(running, &keys[i]) == load_number(wanted, &keys[i]))
			continue;
		needs_restart(running, wanted, &keys[i], file, restart, ret_errors);
		n++;
	}
	if (wanted->limits.max_connections > running->max_connections_at_start) {
		needs_restart(running, wanted, &keys[KEY_MAX_CONNECTIONS], file,
			      "more than the daemon was started with needs `systemctl restart reactord`; the running "
			      "configuration stays", ret_errors);
		n++;
	}
	return n;
}
