/* SPDX-License-Identifier: MIT */
/*
 * response.body and response.body_file are two ways to say one thing, so each replaces the other: at most one of
 * owned->body and conf->body_file comes from a setting.  The file is read last, and only the one that won.
 *
 * Rejected: to read a file when its key is parsed.  A page that a later source replaces would have to be there, and
 * readable, for nothing.
 */
#include "daemon/conf_body.h"
#include "core/cleanup.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_values.h"
#include "daemon/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void conf_clear_body(struct conf_loading *load)
{
	free(load->owned->body);
	load->owned->body = NULL;
	load->conf->answer.body = (struct slice) { "", 0 };
	free(load->conf->body_file);
	load->conf->body_file = NULL;
}

/* The two keys replace each other, but not within one source. */
static int begin_body(struct conf_loading *load, const struct conf_key *other)
{
	const struct conf_origin *origin = &load->owned->origins[other - conf_keys];

	if (origin->source && origin->source == load->source) {
		if (origin->line)
			return conf_mistake(load, "response.body and response.body_file are two bodies; "
					    "%s is set in line %u",
					    other->name, origin->line);
		return conf_mistake(load, "response.body and response.body_file are two bodies; set one of them");
	}
	conf_clear_body(load);
	return 0;
}

_Static_assert((int) INI_FILE_MAX <= (int) CONF_BODY_MAX, "a body that a file has room for is not too large");

int conf_parse_body(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	const char *at = value.at, *end = value.at + value.length;
	char *body;
	int r;

	while (at < end) {	/* lines of a file are that short; those of -o need not be, and could not be dumped */
		const char *line_end = memchr(at, '\n', (size_t) (end - at));
		size_t length = (size_t) ((line_end ? line_end : end) - at);

		if (length > INI_TEXT_MAX)
			return conf_mistake(load, "response.body: a line of it has more than %d bytes; put it into "
					    "a file, with body_file", INI_TEXT_MAX);
		at += length + 1;
	}
	r = begin_body(load, &conf_keys[CONF_KEY_BODY_FILE]);
	if (r < 0)
		return r;
	body = malloc(value.length + 1);
	if (!body)
		return conf_out_of_memory(load);

	memcpy(body, value.at, value.length);
	body[value.length] = '\0';
	load->owned->body = body;
	load->conf->answer.body = (struct slice) { body, value.length };
	return 0;
}

void conf_print_body(const struct conf *conf, const struct conf_key *key, FILE *to)
{
	struct slice rest = conf->answer.body;
	const char *newline;

	if (conf->body_file)
		return;
	if (rest.length == 0 || !memchr(rest.at, '\n', rest.length)) {
		conf_print_text(key->name, rest, to);
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
static char *resolve(const struct conf_loading *load, const char *path)
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

int conf_parse_body_file(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	char *path;
	int r;

	if (value.length == 0)
		return conf_mistake(load, "response.body_file: the path is missing");
	r = begin_body(load, &conf_keys[CONF_KEY_BODY]);
	if (r < 0)
		return r;
	path = resolve(load, value.at);
	if (!path)
		return conf_out_of_memory(load);

	load->conf->body_file = path;
	return 0;
}

void conf_print_body_file(const struct conf *conf, const struct conf_key *key, FILE *to)
{
	if (conf->body_file)
		conf_print_text(key->name, slice_of(conf->body_file), to);
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

int conf_read_body_file(struct conf_loading *load)
{
	const struct conf_origin *origin = &load->owned->origins[CONF_KEY_BODY_FILE];
	const char *path = load->conf->body_file, *why;
	size_t length = 0;
	char *body = NULL;
	int r;

	r = read_whole(path, &body, &length);
	if (r == -ENOMEM)
		return conf_out_of_memory(load);
	if (r < 0) {
		load->owned->origins[CONF_KEY_BODY_FILE].wrong = true;
		why = r == -EFBIG ? "it has more than 64M" : r == -EINVAL ? "it is no regular file" : strerror(-r);
		return conf_mistake_at(load, origin->file, origin->line, "response.body_file: cannot read %s: %s",
				       conf_show(slice_of(path)).text, why);
	}

	load->owned->body = body;
	load->conf->answer.body = (struct slice) { body, length };
	return 0;
}
