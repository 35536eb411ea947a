/* SPDX-License-Identifier: MIT */
/*
 * Settings come from sources, in order: FILE, each of FILE.d, the -o options together, the -l options together.  This
 * file walks through them and hands each setting to conf_set(); then it judges what can be judged only when all is
 * known.
 *
 *	conf_keys.c	the table of keys, and what replaces what
 *	conf_values.c	how values are read and printed
 *	conf_body.c	the response's body, from the file itself or from another
 *	conf_errors.c	the list of mistakes, and "did you mean"
 *	conf_names.c	the names of listeners against those that there are
 *	conf_restart.c	what a reload cannot change
 *
 * A setting is set when it is over, at the next setting, section or end of the file, since its value may have more
 * lines.  A line of it that is a mistake takes the whole setting with it: half a value is not judged.
 *
 * Rejected: one merged text of all sources, read once.  The lines that messages name would be nobody's.
 */
#include "daemon/conf.h"
#include "core/cleanup.h"
#include "daemon/conf_answer.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_keys.h"
#include "daemon/conf_values.h"
#include "daemon/ini.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* ---- Files ---- */

static int append(struct conf_loading *load, const char *at, size_t length)
{
	if (load->capacity - load->length <= length) {
		size_t capacity = (load->length + length + 1) * 2;
		char *value = realloc(load->value, capacity);

		if (!value)
			return conf_out_of_memory(load);
		load->value = value;
		load->capacity = capacity;
	}
	memcpy(load->value + load->length, at, length);
	load->length += length;
	load->value[load->length] = '\0';
	return 0;
}

static int append_continuation(struct conf_loading *load, const struct ini_event *event)
{
	bool is_body = load->key == &conf_keys[CONF_KEY_BODY];
	bool is_comment = !event->quoted && event->text.length > 0 && strchr("#;", event->text.at[0]);
	int r = 0;

	if (!is_body && (load->value_begun || is_comment)) {
		load->key_wrong = true;
		return conf_mistake(load, "this line begins with a blank, so it continues the value of %s, which has one "
				    "line only; settings and comments begin in the first column", load->key->name);
	}
	for (unsigned i = 0; load->value_begun && i < event->empty_lines + 1 && r == 0; i++)
		r = append(load, "\n", 1);
	if (r == 0)
		r = append(load, event->text.at, event->text.length);
	load->value_begun = true;
	return r;
}

/* The setting that was being read is complete. */
static void finish_setting(struct conf_loading *load)
{
	const struct conf_key *key = load->key;
	unsigned line = load->line;

	load->key = NULL;
	if (!key || load->error)
		return;
	if (load->key_wrong) {
		conf_origin(load, key)->wrong = true;
		return;
	}
	load->line = load->key_line;
	conf_set(load, key, (struct slice) { load->value, load->length });
	load->line = line;
}

static int on_line(void *arg, const struct ini_event *event)
{
	struct conf_loading *load = arg;

	if (event->what == INI_MISTAKE && event->key)	/* a line of the value: without it there is nothing to judge */
		load->key_wrong = true;
	else if (event->what != INI_CONTINUED)
		finish_setting(load);
	load->line = event->line;

	switch (event->what) {
	case INI_SECTION:
		(void) conf_enter(load, event->text.at);
		break;
	case INI_SETTING:
		if (!load->section)
			break;
		load->key = conf_find_key(load->section, event->key);
		if (!load->key) {
			(void) conf_unknown_key(load, event->key);
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
		(void) conf_mistake(load, "%s", event->text.at);
		break;
	}
	return load->error;
}

/* Keeps a name for as long as the configuration lives. */
static const char *keep_name(struct conf_loading *load, const char *name)
{
	struct conf_owned *owned = load->owned;
	char **files = realloc(owned->files, (owned->n_files + 1) * sizeof *files);

	if (!files)
		return NULL;
	owned->files = files;
	files[owned->n_files] = strdup(name);
	return files[owned->n_files] ? files[owned->n_files++] : NULL;
}

static int load_file(struct conf_loading *load, const char *path, bool must_exist)
{
	FILE *file = NULL;		/* the compiler does not see that ini_open() returns no positive number */
	int r;

	load->source++;
	load->line = 0;
	load->section = 0;
	load->answer = NULL;
	load->key = NULL;
	load->file = keep_name(load, path);
	if (!load->file)
		return conf_out_of_memory(load);

	r = ini_open(path, &file);
	if (r == -ENOENT && !must_exist)
		return 0;
	if (r == -ENOMEM)
		return conf_out_of_memory(load);
	if (r < 0) {
		(void) conf_mistake(load, "cannot be read: %s", r == -EINVAL ? "it is no regular file" : strerror(-r));
		return load->error;
	}
	r = ini_read(file, on_line, load);
	(void) fclose(file);
	if (r == -ENOTSUP) {
		(void) conf_mistake(load, "the installed inih library does not return what it is given");
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
static int load_directory(struct conf_loading *load, const char *file)
{
	cleanup(free_pointer) char *path = NULL;
	char **names = NULL;
	size_t n = 0;
	struct dirent *entry;
	DIR *directory;

	if (asprintf(&path, "%s.d", file) < 0) {
		path = NULL;
		return conf_out_of_memory(load);
	}
	directory = opendir(path);
	if (!directory && errno == ENOENT)
		return 0;
	if (!directory) {
		if (errno == ENOMEM)
			return conf_out_of_memory(load);
		(void) conf_mistake_at(load, path, 0, "cannot be read: %s", strerror(errno));
		return load->error;
	}
	while (!load->error && (errno = 0, entry = readdir(directory))) {
		char **more;

		if (!is_drop_in(entry->d_name))
			continue;
		more = realloc(names, (n + 1) * sizeof *names);
		if (!more) {
			(void) conf_out_of_memory(load);
			break;
		}
		names = more;
		if (asprintf(&names[n], "%s/%s", path, entry->d_name) < 0)
			(void) conf_out_of_memory(load);
		else
			n++;
	}
	if (!load->error && errno)
		(void) conf_mistake_at(load, path, 0, "cannot be read: %s", strerror(errno));
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
static int load_override(struct conf_loading *load, const char *override)
{
	const char *equals, *dot;
	cleanup(free_pointer) char *name = NULL;
	cleanup(free_pointer) char *value = NULL;
	struct slice text;
	const struct conf_key *key;
	const char *why;
	char *key_name;

	override += strspn(override, " \t");
	equals = strchr(override, '=');
	dot = equals ? memrchr(override, '.', (size_t) (equals - override)) : NULL;
	if (!dot)
		return conf_mistake(load, "-o %s: it is written -o section.key=value",
				    conf_show(slice_of(override)).text);
	name = strndup(override, (size_t) (equals - override));
	if (!name)
		return conf_out_of_memory(load);
	key_name = name + (dot - override);
	*key_name++ = '\0';
	key_name[strcspn(key_name, " \t")] = '\0';
	if (conf_enter(load, name) < 0)
		return -EINVAL;
	key = conf_find_key(load->section, key_name);
	if (!key)
		return conf_unknown_key(load, key_name);

	if (ini_unquote(slice_of(equals + 1), &text, &why) < 0)
		return conf_wrong(load, key, "%s", why);
	value = strndup(text.at, text.length);
	if (!value)
		return conf_out_of_memory(load);
	conf_set(load, key, (struct slice) { value, text.length });
	return load->error;
}

static void load_command_line(struct conf_loading *load, const struct conf_source *source)
{
	load->file = NULL;
	load->line = 0;
	load->may_repeat = true;

	load->source++;
	for (size_t i = 0; i < source->n_overrides && !load->error; i++)
		(void) load_override(load, source->overrides[i]);
	load->source++;
	load->section = CONF_SERVER;
	load->answer = NULL;
	for (size_t i = 0; i < source->n_listen && !load->error; i++)
		conf_set(load, &conf_keys[CONF_KEY_LISTEN], slice_of(source->listen[i]));
}

/* ---- All of it ---- */

static int set_defaults(struct conf_loading *load)
{
	struct conf *conf = load->conf;
	int r;

	*conf = (struct conf) {
		.backlog = CONF_BACKLOG_DEFAULT,
		.drain_timeout_ms = 10 * 1000,
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
		.access = ACCESS_OFF,
		.access_sample = 1,
		.access_limit = 300,	/* below what journald takes from a unit, 10,000 in 30 s */
		.owned = load->owned,
	};
	r = conf_parse_listen(load, &conf_keys[CONF_KEY_LISTEN], SLICE("127.0.0.1:8000"));
	return r == 0 ? conf_add_response(load) : r;
}

/* wanted: the one key whose mistakes count; NULL: all do. */
static int load_conf(struct conf **ret, const struct conf_source *source, struct conf_errors *ret_errors,
		     const struct conf_key *wanted)
{
	struct conf_loading load = {
		.from = source, .errors = ret_errors,
		.image_max = source->image_max ? source->image_max : HTTP_IMAGE_MAX,
	};
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
	if (!load.error && !wanted)
		conf_finish_answers(&load);
	free(load.value);
	conf_forget_answers(&load);

	wrong = wanted ? load.owned->origins[wanted - conf_keys].wrong : ret_errors->n > errors_before;
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
	return load_conf(ret, source, ret_errors, &conf_keys[CONF_KEY_LISTEN]);
}

int conf_defaults(struct conf **ret)
{
	struct conf_errors errors = { 0 };
	int r;

	r = conf_load(ret, &(struct conf_source) { 0 }, &errors);
	conf_errors_clear(&errors);
	return r;
}

const char *conf_unit(const char *file, char to[CONF_UNIT_MAX])
{
	static const char directory[] = SYSCONFDIR "/reactord/";
	const char *name = file + strlen(directory);
	size_t length;

	strcpy(to, "reactord");
	if (strncmp(file, directory, strlen(directory)) != 0)
		return to;
	length = strlen(name);
	if (length > strlen(".conf") && length < CONF_UNIT_MAX - 20 && !strchr(name, '/') &&
	    strcmp(name + length - strlen(".conf"), ".conf") == 0)
		(void) sprintf(to, "reactord@%.*s", (int) (length - strlen(".conf")), name);
	return to;
}

struct conf *conf_free(struct conf *conf)
{
	struct conf_owned *owned;

	if (!conf)
		return NULL;
	conf_clear_listen(conf);
	for (size_t i = 0; i < conf->n_answers; i++)
		conf_answer_free(conf->answers[i]);
	free(conf->answers);
	free(conf->switches);
	owned = conf->owned;
	for (size_t i = 0; i < owned->n_files; i++)
		free(owned->files[i]);
	free(owned->files);
	free(owned);
	free(conf);
	return NULL;
}

/* The keys of one section; from: what they are members of. */
static void dump_section(const char *name, enum conf_section section, const void *from, FILE *to)
{
	fprintf(to, "[%s]\n", name);
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].sections & section)
			conf_keys[i].print(from, &conf_keys[i], to);
}

void conf_dump(const struct conf *conf, FILE *to)
{
	dump_section("server", CONF_SERVER, conf, to);
	for (size_t i = 0; i < conf->n_answers; i++) {
		fputc('\n', to);
		dump_section(conf->answers[i]->name, conf->answers[i]->kind, conf->answers[i], to);
	}
	fputc('\n', to);
	dump_section("limits", CONF_LIMITS, conf, to);
	fputc('\n', to);
	dump_section("log", CONF_LOG, conf, to);
}
