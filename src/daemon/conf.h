/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Configuration: /etc/reactord.conf and what is in its .d directory, read with inih, to one struct conf.  Loading
 * either gives a whole configuration or a list of all mistakes; nothing is half applied.
 */
#include "daemon/address.h"
#include "http/parser.h"
#include "http/response.h"
#include "http/routes.h"
#include "http/snapshot.h"

#include <stdint.h>
#include <stdio.h>

enum conf_executor { CONF_INLINE, CONF_THREADED };

struct conf_listen {
	char *text;			/* owned: the value as it was written */
	struct address at[2];
	unsigned n;			/* 1 or 2 */
};

enum { CONF_BACKLOG_DEFAULT = 4096 };

struct conf_answer;			/* a section that says an answer: conf_answer.h */

struct conf {
	struct conf_listen *listen;	/* owned */
	size_t n_listen;
	bool listen_is_set;		/* by a file, -l or -o; else it is the default */
	unsigned workers;		/* 0: auto */
	enum conf_executor executor;
	unsigned backlog;		/* CONF_BACKLOG_DEFAULT is what reactord.socket has, too */
	uint32_t drain_timeout_ms;
	uint32_t idle_exit_ms;		/* 0: it stays */

	struct conf_answer **answers;	/* owned; the first is [response], the others come as they were written */
	size_t n_answers;
	const char **switches;		/* owned, its strings are the answers': the files of enable_if_exists, each once */
	size_t n_switches;

	struct http_limits limits;
	uint32_t max_connections_at_start;	/* a reload cannot go beyond what the daemon was started with; as loaded */

	int log_level;			/* a priority of syslog(3): LOG_ERR ... LOG_DEBUG */
	enum access_log access;
	uint32_t access_sample;		/* every Nth request */
	uint32_t access_limit;		/* requests in the log in a second; 0: no limit */

	void *owned;			/* conf.c's */
};

struct conf_error {
	char *file;			/* "/etc/reactord.conf", "command line" */
	unsigned line;			/* 0: none */
	char *message;
};

struct conf_errors {			/* zero it before use; of each file together and in the order of its lines */
	struct conf_error *at;		/* owned */
	size_t n;
};

enum { CONF_BODY_MAX = 64 * 1024 * 1024 };	/* a response body's size at most */

struct conf_source {			/* where settings come from, in this order: a later one replaces an earlier one */
	const char *file;		/* NULL: none; behind it what FILE.d has that ends in .conf */
	bool file_must_exist;		/* false: without it the built-in defaults are in force */
	const char *const *overrides;	/* "section.key=value" */
	size_t n_overrides;
	const char *const *listen;	/* -l ADDR: in place of all others */
	size_t n_listen;
	uint64_t image_max;		/* of all heads and bodies together; 0: HTTP_IMAGE_MAX */
	void (*went_on)(void *arg);	/* after each body that was read from a file or compressed; NULL: nobody asks */
	void *arg;
};

/* Returns 0 and a configuration; -EINVAL and at least one error (what, where, and what was probably meant); or -ENOMEM,
 * when the errors are not all. */
int conf_load(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors);
/* As above, but only a mistake in server.listen is a failure; the others are in ret_errors all the same, and nothing but
 * listen and backlog is to be used.  For who opens the sockets: that a page cannot be read is no reason to listen
 * elsewhere. */
int conf_load_listen(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors);
int conf_defaults(struct conf **ret);				/* the built-in ones, from no file at all */

/* The unit that runs with the file: "reactord", or "reactord@blue" with /etc/reactord/blue.conf. */
enum { CONF_UNIT_MAX = 300 };
const char *conf_unit(const char *file, char to[CONF_UNIT_MAX]);

struct conf *conf_free(struct conf *conf);			/* NULL is fine; returns NULL */
size_t conf_bytes(const struct conf *conf, bool bodies);	/* what it takes, with its bodies or without */
void conf_forget_bodies(struct conf *conf);			/* when a snapshot has them */
void conf_errors_clear(struct conf_errors *errors);

/* One "FILE:LINE: message" (or "FILE: message") as it is shown to a person; returns a new string, or NULL. */
char *conf_error_text(const struct conf_error *error);

/* What the workers answer from, borrowed from the configuration; the two arrays are the caller's to free.  names: of the
 * listeners, the first has the number 1; what is for others is left out. */
int conf_routes(const struct conf *conf, const char *const *names, size_t n_names, struct route_settings *ret);
void conf_routes_free(struct route_settings *settings);
/* The names that the configuration itself speaks of, each once; borrowed. */
size_t conf_own_names(const struct conf *conf, const char *names[ROUTE_NAMES_MAX]);

/* Replaces all that is configured by one answer, which is borrowed. */
void conf_answer_only(struct conf *conf, const struct http_answer *answer);

/* Prints the settings in force as a file that can be read back.  Whether it went well the stream knows. */
void conf_dump(const struct conf *conf, FILE *to);

/* Some listeners that there are, or are to be. */
struct named_listener {
	const char *name, *text;	/* "admin", "127.0.0.1:8001" */
};

/* Adds an error for each name that the configuration has and no listener, and where it has any for each name, but
 * ADDRESS_NAME, that a listener has and the configuration does not.  who: "systemd passed" */
void conf_judge_names(const struct conf *conf, const struct named_listener *listeners, size_t n, const char *who,
		      struct conf_errors *ret_errors);
/* The same for those that the daemon opens by itself. */
void conf_judge_own_names(const struct conf *conf, struct conf_errors *ret_errors);
bool conf_names_listeners(const struct conf *conf);	/* does server.listen name any? */

/* What differs and needs a restart (server.* but drain_timeout and idle_exit, and a limits.max_connections that was
 * raised): adds one error for each key to ret_errors; returns how many.  file is named when the key is in none. */
size_t conf_needs_restart(const struct conf *running, const struct conf *wanted, const char *file,
			  struct conf_errors *ret_errors);
