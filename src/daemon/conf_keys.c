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

#define MEMBER(member) .offset = offsetof(struct conf, member), .width = sizeof ((struct conf *) NULL)->member
#define NUMBER(member, from, to, with_units) \
	.parse = conf_parse_number, .print = conf_print_number, MEMBER(member), \
	.min = (from), .max = (to), .units = &conf_##with_units
#define WORD(member, list) .parse = conf_parse_word, .print = conf_print_word, MEMBER(member), .words = conf_##list
#define OTHER(what) .parse = conf_parse_##what, .print = conf_print_##what

static const uint64_t hour = 3600 * 1000;

const struct conf_key conf_keys[] = {
	[CONF_KEY_LISTEN]		= { "server", "listen", OTHER(listen), .times = 256 },
	[CONF_KEY_WORKERS]		= { "server", "workers", OTHER(workers), MEMBER(workers), .min = 1, .max = 256,
					    .units = &conf_no_units },
	[CONF_KEY_EXECUTOR]		= { "server", "executor", WORD(executor, executors) },
	[CONF_KEY_BACKLOG]		= { "server", "backlog", NUMBER(backlog, 1, 65535, no_units) },
	[CONF_KEY_DRAIN_TIMEOUT]	= { "server", "drain_timeout", NUMBER(drain_timeout_ms, 0, 24 * hour, times) },

	[CONF_KEY_STATUS]		= { "response", "status", NUMBER(answer.status, 200, 599, no_units) },
	[CONF_KEY_CONTENT_TYPE]		= { "response", "content_type", OTHER(content_type) },
	[CONF_KEY_HEADER]		= { "response", "header", OTHER(header), .times = 1000 },
	[CONF_KEY_BODY]			= { "response", "body", OTHER(body) },
	[CONF_KEY_BODY_FILE]		= { "response", "body_file", OTHER(body_file) },

	[CONF_KEY_MAX_CONNECTIONS]	= { "limits", "max_connections",
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

int conf_unknown_section(struct conf_loading *load, const char *written)
{
	struct conf_guess guess = { 0 };

	for (size_t i = 0; i < conf_n_keys; i++)
		conf_guess_consider(&guess, written, conf_keys[i].section, NULL, 0);
	if (guess.word)
		return conf_mistake(load, "unknown section [%s]; did you mean [%s]?", conf_show(slice_of(written)).text,
				    guess.word);
	return conf_mistake(load, "unknown section [%s]; there are [server], [response], [limits] and [log]",
			    conf_show(slice_of(written)).text);
}

int conf_unknown_key(struct conf_loading *load, const char *section, const char *written)
{
	struct conf_guess guess = { 0 };
	char others[512] = "";
	size_t length = 0;

	/* A key that is right in another section is a better guess than one that is nearly right in this one. */
	for (size_t i = 0; i < conf_n_keys; i++)
		conf_guess_consider(&guess, written, conf_keys[i].name, conf_keys[i].section,
				    strcmp(conf_keys[i].section, section) != 0);
	if (guess.word && strcmp(guess.section, section) == 0)
		return conf_mistake(load, "unknown key \"%s\" in [%s]; did you mean %s?",
				    conf_show(slice_of(written)).text, section, guess.word);
	if (guess.word)
		return conf_mistake(load, "unknown key \"%s\" in [%s]; did you mean [%s] %s?",
				    conf_show(slice_of(written)).text, section, guess.section, guess.word);

	for (size_t i = 0; i < conf_n_keys; i++) {
		if (strcmp(conf_keys[i].section, section) == 0)
			length += (size_t) snprintf(others + length, sizeof others - length, "%s%s",
						    length ? ", " : "", conf_keys[i].name);
	}
	return conf_mistake(load, "unknown key \"%s\" in [%s], which has %s",
			    conf_show(slice_of(written)).text, section, others);
}

/* ---- One setting ---- */

void conf_set(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	struct conf_origin *origin = &load->owned->origins[key - conf_keys];
	bool again = origin->source == load->source;
	unsigned times = again ? origin->times + 1 : 1;
	int r;

	if (key != &conf_keys[CONF_KEY_BODY] && memchr(value.at, '\n', value.length)) {
		r = conf_mistake(load, "%s.%s: the value has more than one line", key->section, key->name);
	} else if (key != &conf_keys[CONF_KEY_BODY] && value.length > INI_TEXT_MAX) {
		r = conf_mistake(load, "%s.%s: the value has more than %d bytes", key->section, key->name,
				 INI_TEXT_MAX);
	} else if (key->times && times > key->times) {
		r = times > key->times + 1 ? -EINVAL		/* that was told */
			: conf_mistake(load, "%s.%s is set more than %u times", key->section, key->name, key->times);
	} else if (again && !key->times && !load->may_repeat) {
		r = conf_mistake(load, "%s.%s is set twice in this file; it was set in line %u", key->section,
				 key->name, origin->line);
	} else {
		if (!again && key == &conf_keys[CONF_KEY_LISTEN])
			conf_clear_listen(load->conf);
		if (!again && key == &conf_keys[CONF_KEY_HEADER])
			conf_clear_headers(load);
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

const struct conf_key *conf_find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		if (strcmp(conf_keys[i].section, section) == 0 && strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	}
	return NULL;
}

const char *conf_find_section(const char *name)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		if (strcmp(conf_keys[i].section, name) == 0)
			return conf_keys[i].section;
	}
	return NULL;
}
