/* SPDX-License-Identifier: MIT */
/*
 * What can be set is one table, `conf_keys`: section, name, parser, printer, the member of struct conf and its range.
 * Loading, -o, the dump and "did you mean" all read that table, so a key that is added to it is complete.
 *
 * What replaces what is decided by one number for each key, the source that set it last:
 *
 *	the same source again	a list grows; anything else was set twice, which is a mistake (but not with -o)
 *	a later source		a list begins anew, anything else is overwritten
 *
 * Every setting of every source is checked, also when a later source replaces it: a mistake in a file is a mistake.
 *
 * Rejected: to gather all settings first and judge then.  It needs a second representation of everything and gains
 * nothing, since every setting has to be judged with its own line anyway.
 */
#include "daemon/conf_keys.h"
#include "core/cleanup.h"
#include "daemon/conf_answer.h"
#include "daemon/conf_body.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_values.h"
#include "daemon/ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- The table ---- */

#define MEMBER_OF(type, member) .offset = offsetof(struct type, member), .width = sizeof ((struct type *) NULL)->member
#define MEMBER(member) MEMBER_OF(conf, member)
#define NUMBER(member, from, to, with_units) \
	.parse = conf_parse_number, .print = conf_print_number, MEMBER(member), \
	.min = (from), .max = (to), .units = &conf_##with_units
#define WORD(member, list) .parse = conf_parse_word, .print = conf_print_word, MEMBER(member), .words = conf_##list
#define ANSWER_NUMBER(member, from, to, with_units) \
	.parse = conf_parse_number, .print = conf_print_number, MEMBER_OF(conf_answer, member), \
	.min = (from), .max = (to), .units = &conf_##with_units
#define ANSWER_WORD(member, list) \
	.parse = conf_parse_word, .print = conf_print_word, MEMBER_OF(conf_answer, member), .words = conf_##list
#define OTHER(what) .parse = conf_parse_##what, .print = conf_print_##what

static const uint64_t hour = 3600 * 1000;

const struct conf_key conf_keys[] = {
	[CONF_KEY_LISTEN]		= { CONF_SERVER, "listen", OTHER(listen), .times = 256 },
	[CONF_KEY_WORKERS]		= { CONF_SERVER, "workers", OTHER(workers), MEMBER(workers), .min = 1, .max = 256,
					    .units = &conf_no_units },
	[CONF_KEY_EXECUTOR]		= { CONF_SERVER, "executor", WORD(executor, executors) },
	[CONF_KEY_BACKLOG]		= { CONF_SERVER, "backlog", NUMBER(backlog, 1, 65535, no_units) },
	[CONF_KEY_DRAIN_TIMEOUT]	= { CONF_SERVER, "drain_timeout", NUMBER(drain_timeout_ms, 0, 24 * hour, times) },
	[CONF_KEY_IDLE_EXIT]		= { CONF_SERVER, "idle_exit", NUMBER(idle_exit_ms, 0, 24 * hour, times) },

	[CONF_KEY_STATUS]		= { CONF_ROUTES, "status", ANSWER_NUMBER(answer.status, 200, 599, no_units) },
	[CONF_KEY_CONTENT_TYPE]		= { CONF_ANSWERS, "content_type", OTHER(content_type) },
	[CONF_KEY_HEADER]		= { CONF_ANSWERS, "header", OTHER(header), .times = 1000 },
	[CONF_KEY_BODY]			= { CONF_ANSWERS, "body", OTHER(body) },
	[CONF_KEY_BODY_FILE]		= { CONF_ANSWERS, "body_file", OTHER(body_file) },
	[CONF_KEY_GZIP]			= { CONF_ROUTES, "gzip", ANSWER_WORD(gzip, yes_no) },
	[CONF_KEY_METHODS]		= { CONF_ROUTES, "methods", OTHER(methods) },
	[CONF_KEY_OTHER_METHODS]	= { CONF_ROUTES, "other_methods", ANSWER_WORD(other_methods, refusals) },
	[CONF_KEY_DELAY]		= { CONF_ROUTES, "delay", ANSWER_NUMBER(delay_ms, 0, hour, times) },
	[CONF_KEY_ENABLE_IF_EXISTS]	= { CONF_ROUTE | CONF_MAINTENANCE, "enable_if_exists", OTHER(enable_if_exists) },

	[CONF_KEY_MAX_CONNECTIONS]	= { CONF_LIMITS, "max_connections",
					    NUMBER(limits.max_connections, 1, 1 << 20, no_units) },
	{ CONF_LIMITS, "max_request_line", NUMBER(limits.max_request_line, 64, HTTP_REQUEST_LINE_MAX, sizes) },
	{ CONF_LIMITS, "max_header", NUMBER(limits.max_header, 128, HTTP_HEADER_MAX, sizes) },
	{ CONF_LIMITS, "max_headers", NUMBER(limits.max_headers, 1, 10000, no_units) },
	{ CONF_LIMITS, "max_body", NUMBER(limits.max_body, 0, (uint64_t) 1 << 50, sizes) },
	{ CONF_LIMITS, "max_requests", NUMBER(limits.max_requests, 0, 1000000000, no_units) },
	{ CONF_LIMITS, "header_timeout", NUMBER(limits.header_timeout_ms, 10, 24 * hour, times) },
	{ CONF_LIMITS, "body_timeout", NUMBER(limits.body_timeout_ms, 10, 24 * hour, times) },
	{ CONF_LIMITS, "write_timeout", NUMBER(limits.write_timeout_ms, 10, 24 * hour, times) },
	{ CONF_LIMITS, "idle_timeout", NUMBER(limits.idle_timeout_ms, 10, 24 * hour, times) },

	{ CONF_LOG, "level", WORD(log_level, levels) },
	{ CONF_LOG, "access", OTHER(access) },
	{ CONF_LOG, "access_limit", NUMBER(access_limit, 0, 1000000, no_units) },
};

const size_t conf_n_keys = sizeof conf_keys / sizeof *conf_keys;

_Static_assert(sizeof conf_keys / sizeof *conf_keys <= CONF_KEYS_MAX, "each key has an origin");

/* ---- Mistakes ---- */

static int vmistake_at(struct conf_loading *load, const char *file, unsigned line, const char *format, va_list list)
{
	char *message;

	if (vasprintf(&message, format, list) < 0 || conf_errors_add(load->errors, file, line, message) < 0) {
		load->error = -ENOMEM;
		return -ENOMEM;
	}
	return -EINVAL;
}

int __attribute__((format(printf, 4, 5)))
conf_mistake_at(struct conf_loading *load, const char *file, unsigned line, const char *format, ...)
{
	va_list list;
	int r;

	va_start(list, format);
	r = vmistake_at(load, file, line, format, list);
	va_end(list);
	return r;
}

const char *conf_place(const struct conf_loading *load)
{
	return load->file ? load->file : "command line";
}

/* Where we are. */
int __attribute__((format(printf, 2, 3))) conf_mistake(struct conf_loading *load, const char *format, ...)
{
	va_list list;
	int r;

	va_start(list, format);
	r = vmistake_at(load, conf_place(load), load->line, format, list);
	va_end(list);
	return r;
}

int conf_out_of_memory(struct conf_loading *load)
{
	load->error = -ENOMEM;
	return -ENOMEM;
}

/* A mistake with a key, where we are. */
int __attribute__((format(printf, 3, 4)))
conf_wrong(struct conf_loading *load, const struct conf_key *key, const char *format, ...)
{
	cleanup(free_pointer) char *what = NULL;
	va_list list;
	int n;

	va_start(list, format);
	n = vasprintf(&what, format, list);
	va_end(list);
	if (n < 0) {
		what = NULL;
		return conf_out_of_memory(load);
	}
	return conf_mistake(load, "%s.%s: %s", conf_shown_name(load).text, key->name, what);
}

/* ---- Sections ---- */

static const struct {
	enum conf_section section;
	const char *word;
} sections[] = {
	{ CONF_SERVER, "server" }, { CONF_RESPONSE, "response" }, { CONF_ROUTE, "route" },
	{ CONF_LISTEN, "listen" }, { CONF_MAINTENANCE, "maintenance" }, { CONF_ERROR, "error" },
	{ CONF_LIMITS, "limits" }, { CONF_LOG, "log" },
};

enum { N_SECTIONS = sizeof sections / sizeof *sections };

const char *conf_section_word(unsigned of)
{
	for (size_t i = 0; i < N_SECTIONS; i++)
		if (of & sections[i].section)
			return sections[i].word;
	return "";
}

const char *conf_section_name(const struct conf_loading *load)
{
	return load->answer ? load->answer->name : conf_section_word(load->section);
}

/* A route's name is text of the file's. */
struct conf_shown conf_shown_name(const struct conf_loading *load)
{
	return conf_show(slice_of(conf_section_name(load)));
}

static int unknown_section(struct conf_loading *load, const char *written)
{
	struct conf_guess guess = { 0 };

	for (size_t i = 0; i < N_SECTIONS; i++)
		conf_guess_consider(&guess, written, sections[i].word, NULL, 0);
	if (guess.word)
		return conf_mistake(load, "unknown section [%s]; did you mean [%s]?", conf_show(slice_of(written)).text,
				    guess.word);
	return conf_mistake(load, "unknown section [%s]; there are [server], [response], [listen NAME], [route PATH], "
			    "[maintenance], [error STATUS], [limits] and [log]", conf_show(slice_of(written)).text);
}

int conf_enter(struct conf_loading *load, const char *name)
{
	size_t length = strcspn(name, " \t");
	const char *argument = name + length + strspn(name + length, " \t");

	load->section = 0;
	load->answer = NULL;
	for (size_t i = 0; i < N_SECTIONS; i++) {
		if (strlen(sections[i].word) != length || memcmp(sections[i].word, name, length) != 0)
			continue;
		if (sections[i].section & CONF_ANSWERS)
			return conf_enter_answer(load, sections[i].section, name, argument);
		if (*argument)
			break;
		load->section = sections[i].section;
		return 0;
	}
	return unknown_section(load, name);
}

/* A key that is right in another section is a better guess than one that is nearly right in this one. */
int conf_unknown_key(struct conf_loading *load, const char *written)
{
	const char *section = conf_section_word(load->section);
	struct conf_guess guess = { 0 };
	char others[512] = "";
	size_t length = 0;

	for (size_t i = 0; i < conf_n_keys; i++) {
		bool here = conf_keys[i].sections & load->section;

		conf_guess_consider(&guess, written, conf_keys[i].name,
				    here ? section : conf_section_word(conf_keys[i].sections), !here);
	}
	if (guess.word && strcmp(guess.section, section) == 0)
		return conf_mistake(load, "unknown key \"%s\" in [%s]; did you mean %s?",
				    conf_show(slice_of(written)).text, conf_shown_name(load).text, guess.word);
	if (guess.word)
		return conf_mistake(load, "unknown key \"%s\" in [%s]; did you mean [%s] %s?",
				    conf_show(slice_of(written)).text, conf_shown_name(load).text, guess.section, guess.word);

	for (size_t i = 0; i < conf_n_keys; i++) {
		if (conf_keys[i].sections & load->section)
			length += (size_t) snprintf(others + length, sizeof others - length, "%s%s",
						    length ? ", " : "", conf_keys[i].name);
	}
	return conf_mistake(load, "unknown key \"%s\" in [%s], which has %s",
			    conf_show(slice_of(written)).text, conf_shown_name(load).text, others);
}

/* ---- One setting ---- */

void conf_set(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	struct conf_origin *origin = conf_origin(load, key);
	bool again = origin->source == load->source;
	unsigned times = again ? origin->times + 1 : 1;
	int r;

	if (key != &conf_keys[CONF_KEY_BODY] && memchr(value.at, '\n', value.length)) {
		r = conf_wrong(load, key, "the value has more than one line");
	} else if (key != &conf_keys[CONF_KEY_BODY] && value.length > INI_TEXT_MAX) {
		r = conf_wrong(load, key, "the value has more than %d bytes", INI_TEXT_MAX);
	} else if (key->times && times > key->times) {
		r = times > key->times + 1 ? -EINVAL		/* that was told */
			: conf_mistake(load, "%s.%s is set more than %u times", conf_shown_name(load).text, key->name,
				       key->times);
	} else if (again && !key->times && !load->may_repeat) {
		r = conf_mistake(load, "%s.%s is set twice in this file; it was set in line %u",
				 conf_shown_name(load).text, key->name, origin->line);
	} else {
		if (!again && key == &conf_keys[CONF_KEY_LISTEN])
			conf_clear_listen(load->conf);
		if (!again && key == &conf_keys[CONF_KEY_HEADER])
			conf_clear_headers(load->answer);
		r = key->parse(load, key, value);
	}
	if (key == &conf_keys[CONF_KEY_LISTEN])
		load->conf->listen_is_set = true;

	/* The first line of the two stays the one that a third is told of. */
	if (!again || key->times)
		*origin = (struct conf_origin) {
			.source = load->source, .file = conf_place(load), .line = load->line, .times = times,
			.wrong = origin->wrong,
		};
	origin->wrong |= r < 0;
}

struct conf_origin *conf_origin(const struct conf_loading *load, const struct conf_key *key)
{
	size_t number = (size_t) (key - conf_keys);

	if (key->sections & CONF_ANSWERS)
		return &load->answer->origins[number - CONF_KEY_ANSWER];
	return &load->owned->origins[number];
}

const struct conf_key *conf_find_key(enum conf_section section, const char *name)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		if (conf_keys[i].sections & section && strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	}
	return NULL;
}
