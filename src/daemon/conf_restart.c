/* SPDX-License-Identifier: MIT */
/*
 * What a reload cannot change: the sockets, the threads, and the room for connections, which are all made at start.
 * Addresses are compared by what they mean, in any order: the same one written in another way needs no restart.
 *
 * What is said holds for a reload that is refused and for one that is done but for this; the caller says which.
 *
 * Rejected: a flag for each key in the table.  Three of the five are compared in a way of their own, and the advice for
 * three of them is another.
 */
#include "daemon/conf.h"
#include "core/cleanup.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_keys.h"
#include "daemon/conf_values.h"

#include <stdlib.h>
#include <string.h>

static bool same_place(const struct address *a, const struct address *b)
{
	return a->length == b->length && memcmp(&a->at, &b->at, a->length) == 0;
}

static bool has_address(const struct conf *conf, const struct address *wanted)
{
	for (size_t i = 0; i < conf->n_listen; i++) {
		for (unsigned j = 0; j < conf->listen[i].n; j++) {
			if (same_place(&conf->listen[i].at[j], wanted)
			    && conf->listen[i].at[j].mode == wanted->mode
			    && strcmp(conf->listen[i].at[j].name, wanted->name) == 0)
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
static char *setting_text(const struct conf *conf, const struct conf_key *key)
{
	char *text = NULL, *write_at;
	size_t length;
	FILE *to;

	if (key == &conf_keys[CONF_KEY_LISTEN]) {
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

static void needs_restart(const struct conf *running, const struct conf *wanted, const struct conf_key *key,
			  const char *file, const char *what_to_do, struct conf_errors *ret_errors)
{
	const struct conf_origin *origin = &((const struct conf_owned *) wanted->owned)->origins[key - conf_keys];
	cleanup(free_pointer) char *old = setting_text(running, key);
	cleanup(free_pointer) char *new = setting_text(wanted, key);
	char *message;

	if (asprintf(&message, "%s.%s = %s in place of %s needs %s", conf_section_word(key->sections), key->name,
		     new ? new : "?", old ? old : "?", what_to_do) < 0)
		return;
	(void) conf_errors_add(ret_errors, origin->source ? origin->file : file, origin->line, message);
}

size_t conf_needs_restart(const struct conf *running, const struct conf *wanted, const char *file,
			  struct conf_errors *ret_errors)
{
	char unit[CONF_UNIT_MAX], restart[CONF_UNIT_MAX + 100], restart_sockets[2 * CONF_UNIT_MAX + 100];
	char more[CONF_UNIT_MAX + 200];
	size_t n = 0;

	(void) conf_unit(file, unit);
	(void) snprintf(restart, sizeof restart, "`systemctl restart %s`", unit);
	(void) snprintf(restart_sockets, sizeof restart_sockets, "`systemctl daemon-reload && systemctl restart %s.socket %s`",
			unit, unit);
	(void) snprintf(more, sizeof more, "%s: it is more than the daemon was started with", restart);
	if (!listens_within(running, wanted) || !listens_within(wanted, running)) {
		needs_restart(running, wanted, &conf_keys[CONF_KEY_LISTEN], file, restart_sockets, ret_errors);
		n++;
	}
	for (int i = CONF_KEY_WORKERS; i <= CONF_KEY_BACKLOG; i++) {
		if (i == CONF_KEY_WORKERS ? running->workers == wanted->workers
				     : conf_number(running, &conf_keys[i]) == conf_number(wanted, &conf_keys[i]))
			continue;
		needs_restart(running, wanted, &conf_keys[i], file, i == CONF_KEY_BACKLOG ? restart_sockets : restart, ret_errors);
		n++;
	}
	if (wanted->limits.max_connections > running->max_connections_at_start) {
		needs_restart(running, wanted, &conf_keys[CONF_KEY_MAX_CONNECTIONS], file,
			      more, ret_errors);
		n++;
	}
	return n;
}
