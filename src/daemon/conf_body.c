/* SPDX-License-Identifier: MIT */
/*
 * body and body_file are two ways to say one thing, so each replaces the other: at most one of the two comes from a
 * setting.  The file is read last, and only the one that won.
 *
 * Rejected: to read a file when its key is parsed.  A page that a later source replaces would have to be there, and
 * readable, for nothing.
 */
#include "daemon/conf_body.h"
#include "core/cleanup.h"
#include "daemon/conf_answer.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_values.h"
#include "daemon/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

void conf_clear_body(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;

	free(answer->body);
	answer->body = NULL;
	answer->answer.body = (struct slice) { "", 0 };
	free(answer->body_file);
	answer->body_file = NULL;
}

/* The two keys replace each other, but not within one source. */
static int begin_body(struct conf_loading *load, const struct conf_key *other)
{
	const struct conf_origin *origin = conf_origin(load, other);
	const char *section = conf_section_name(load);

	if (origin->source && origin->source == load->source) {
		if (origin->line)
			return conf_mistake(load, "%s.body and %s.body_file are two bodies; %s is set in line %u",
					    section, section, other->name, origin->line);
		return conf_mistake(load, "%s.body and %s.body_file are two bodies; set one of them", section, section);
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
			return conf_wrong(load, key, "a line of it has more than %d bytes; put it into "
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
	load->answer->body = body;
	load->answer->answer.body = (struct slice) { body, value.length };
	return 0;
}

void conf_print_body(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;
	struct slice rest = answer->answer.body;
	const char *newline;

	if (answer->body_file)
		return;
	if (answer->foreign_body) {
		fprintf(to, "# Not set, so it is that of [error %u].\n", answer->answer.status);
		return;
	}
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

static int parse_path(struct conf_loading *load, const struct conf_key *key, struct slice value, char **ret)
{
	if (value.length == 0)
		return conf_wrong(load, key, "the path is missing");
	*ret = resolve(load, value.at);
	return *ret ? 0 : conf_out_of_memory(load);
}

int conf_parse_body_file(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	char *path;
	int r;

	r = parse_path(load, key, value, &path);
	if (r < 0)
		return r;
	r = begin_body(load, &conf_keys[CONF_KEY_BODY]);
	if (r < 0) {
		free(path);
		return r;
	}
	load->answer->body_file = path;
	return 0;
}

void conf_print_body_file(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;

	if (answer->body_file)
		conf_print_text(key->name, slice_of(answer->body_file), to);
}

int conf_parse_enable_if_exists(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	char *path;
	int r;

	r = parse_path(load, key, value, &path);
	if (r < 0)
		return r;
	free(load->answer->enable_if_exists);
	load->answer->enable_if_exists = path;
	return 0;
}

void conf_print_enable_if_exists(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;

	if (answer->enable_if_exists)
		conf_print_text(key->name, slice_of(answer->enable_if_exists), to);
}

/* Returns 0, or a negative errno; -EFBIG: more than CONF_BODY_MAX.  The size that fstat() tells is where to begin, not
 * the truth: files of /proc have none, and a file may grow while it is read. */
static int read_whole(const char *path, char **ret, size_t *ret_length, time_t *ret_modified)
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
	*ret_modified = stat.st_mtime;
	bytes = NULL;
	return 0;
}

int conf_read_body_file(struct conf_loading *load)
{
	struct conf_origin *origin = conf_origin(load, &conf_keys[CONF_KEY_BODY_FILE]);
	struct conf_answer *answer = load->answer;
	size_t length = 0;
	char *body = NULL;
	const char *why;
	int r;

	r = read_whole(answer->body_file, &body, &length, &answer->modified);
	if (r == -ENOMEM)
		return conf_out_of_memory(load);
	if (r < 0) {
		origin->wrong = true;
		why = r == -EFBIG ? "it has more than 64M" : r == -EINVAL ? "it is no regular file" : strerror(-r);
		return conf_mistake_at(load, origin->file, origin->line, "%s.body_file: cannot read %s: %s", conf_shown_name(load).text,
				       conf_show(slice_of(answer->body_file)).text, why);
	}

	answer->body = body;
	answer->answer.body = (struct slice) { body, length };
	return 0;
}

int conf_compress_body(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;
	struct slice body = answer->answer.body;
	z_stream stream = {
		.next_in = (Bytef *) body.at,
		.avail_in = (uInt) body.length,
	};
	char *bytes;
	int r;

	/* 16: with a gzip header, which has no file name and no time: the same page has the same bytes everywhere. */
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return conf_out_of_memory(load);
	bytes = malloc(body.length + 1);
	if (!bytes) {
		(void) deflateEnd(&stream);
		return conf_out_of_memory(load);
	}
	stream.next_out = (Bytef *) bytes;
	stream.avail_out = (uInt) body.length;
	r = deflate(&stream, Z_FINISH);
	if (r == Z_STREAM_END && stream.total_out < body.length) {
		answer->gzip_bytes = bytes;
		answer->gzip_body = (struct slice) { bytes, stream.total_out };
	} else {	/* it does not become smaller */
		free(bytes);
	}
	(void) deflateEnd(&stream);
	return 0;
}
