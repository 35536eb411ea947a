/* SPDX-License-Identifier: MIT */
/*
 * The names of listeners: those that the configuration speaks of against those that there are.  A name that is wrong on
 * one side would answer with what was meant for others, so it is a mistake and no warning.
 *
 * That server.listen has a name is no promise that systemd has passed it, since systemd may not have been told yet: the
 * daemon warns of that where it compares the addresses (listeners_disagree).
 */
#include "core/cleanup.h"
#include "daemon/conf_answer.h"
#include "daemon/conf_errors.h"

#include <stdlib.h>
#include <string.h>

bool conf_names_listeners(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listen; i++)
		if (conf->listen[i].at[0].named)
			return true;
	return false;
}

/* The first section that is for listeners of a name; of the name, if one is given. */
static const struct conf_answer *find_section(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_answers; i++) {
		const struct conf_answer *answer = conf->answers[i];

		if (answer->listener && (!name || strcmp(answer->listener, name) == 0))
			return answer;
	}
	return NULL;
}

static bool listen_has(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_listen; i++)
		if (strcmp(conf->listen[i].at[0].name, name) == 0)
			return true;
	return false;
}

static bool is_there(const struct named_listener *listeners, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(listeners[i].name, name) == 0)
			return true;
	return false;
}

/* "http (127.0.0.1:8000), admin ([::1]:8001)"; NULL: no memory. */
static char *all_of(const struct named_listener *listeners, size_t n)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	for (size_t i = 0; to && i < n; i++)
		(void) fprintf(to, "%s%s (%s)", i > 0 ? ", " : "", listeners[i].name, listeners[i].text);
	return to && fclose(to) == 0 ? text : NULL;
}

static void tell_missing(const struct conf_answer *answer, const char *who, const char *all, struct conf_errors *ret_errors)
{
	char *message;

	if (asprintf(&message, "[%s]: there is no listener of that name; %s %s", conf_show(slice_of(answer->name)).text, who,
		     all) >= 0)
		(void) conf_errors_add(ret_errors, answer->file, answer->line, message);
}

static void tell_unknown(const struct conf_answer *first, const struct named_listener *listener, const char *who,
			 struct conf_errors *ret_errors)
{
	char *message;

	if (asprintf(&message, "[%s]: %s %s (%s), too, of which nothing is said; write [listen %s]",
		     conf_show(slice_of(first->name)).text, who, listener->name, listener->text, listener->name) >= 0)
		(void) conf_errors_add(ret_errors, first->file, first->line, message);
}

void conf_judge_names(const struct conf *conf, const struct named_listener *listeners, size_t n, const char *who,
		      struct conf_errors *ret_errors)
{
	const struct conf_answer *first = find_section(conf, NULL);
	cleanup(free_pointer) char *all = all_of(listeners, n);

	for (size_t i = 0; i < conf->n_answers; i++) {
		const struct conf_answer *answer = conf->answers[i];

		if (answer->listener && !is_there(listeners, n, answer->listener))
			tell_missing(answer, who, all ? all : "others", ret_errors);
	}
	for (size_t i = 0; i < n && first; i++) {
		const char *name = listeners[i].name;

		if (strcmp(name, ADDRESS_NAME) != 0 && !find_section(conf, name) && !listen_has(conf, name) &&
		    !is_there(listeners, i, name))
			tell_unknown(first, &listeners[i], who, ret_errors);
	}
}

void conf_judge_own_names(const struct conf *conf, struct conf_errors *ret_errors)
{
	struct named_listener *own = calloc(conf->n_listen + 1, sizeof *own);

	for (size_t i = 0; own && i < conf->n_listen; i++)
		own[i] = (struct named_listener) { conf->listen[i].at[0].name, conf->listen[i].text };
	if (own)
		conf_judge_names(conf, own, conf->n_listen, "server.listen has", ret_errors);
	free(own);
}
