/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer's way into the parser and the body: any bytes, read as a head and walked as chunked content.
 * It claims what no table of cases can: that nothing is read or written where it should not be (the
 * sanitizers see to that), and that splitting the bytes changes no verdict.  Which bytes are good is for
 * the tables of check_parser.c and check_body.c.
 *
 * With clang: -fsanitize=fuzzer,address,undefined -DFUZZING, and the directory tests/corpus to start
 * from.  Without: a program that replays the files and directories it is given, so that "make check" keeps
 * what was once found.
 */
#undef NDEBUG
#include "http/body.h"
#include "http/parser.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A copy in memory of just that size, for a sanitizer to see the end of. */
static char *copy_of(const char *bytes, size_t length)
{
	char *copy = malloc(length ? length : 1);

	assert(copy);
	return length ? memcpy(copy, bytes, length) : copy;
}

static ssize_t parse(const char *bytes, size_t length, const struct http_limits *limits)
{
	char *copy = copy_of(bytes, length);
	struct http_request request;
	ssize_t r = http_parse_request(copy, length, limits, &request);

	assert(r <= (ssize_t) length && (r >= 0 || (r <= -400 && r >= -505)));
	if (r > 0) {
		assert(request.target.length > 0 && request.method_name.length > 0);
		assert(request.form == HTTP_ASTERISK || request.form == HTTP_AUTHORITY || request.path.at[0] == '/');
		assert(!request.chunked || request.content_length == 0);
		assert(request.content_length <= limits->max_body);
	}
	free(copy);
	return r;
}

static void try_head(const char *bytes, size_t length, const struct http_limits *limits)
{
	ssize_t whole = parse(bytes, length, limits);
	ssize_t before = 0;
	ssize_t part;
	size_t each = length < 512 ? 1 : length / 512;		/* not every split of a large one */

	for (size_t n = 0; n < length; n += each) {
		part = parse(bytes, n, limits);
		assert(part == whole || (part == 0 && before == 0));
		before = part;
	}
}

/* Minus the status; else the bytes taken, and one more when the body has ended there. */
static ssize_t walk(const char *bytes, size_t length, size_t cut)
{
	struct http_chunked chunked;
	size_t taken = 0;
	bool done = false;
	ssize_t r;

	http_chunked_begin(&chunked, 4096);
	for (size_t at = 0; at < length && !done; at += cut) {
		size_t n = length - at < cut ? length - at : cut;
		char *copy = copy_of(bytes + at, n);

		r = http_chunked_walk(&chunked, copy, n, &done);
		free(copy);
		if (r < 0)
			return r;
		assert(r <= (ssize_t) n && (done || r == (ssize_t) n));
		taken += (size_t) r;
	}
	return (ssize_t) taken + done;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct http_limits usual = {
		.max_request_line = 8192, .max_header = 32768, .max_headers = 100, .max_body = 1 << 24,
	};
	static const struct http_limits tight = {
		.max_request_line = 30, .max_header = 60, .max_headers = 2, .max_body = 10,
	};
	const char *text = (const char *) bytes;

	try_head(text, length, &usual);
	try_head(text, length, &tight);
	assert(walk(text, length, 1) == walk(text, length, SIZE_MAX / 2));
	assert(walk(text, length, 3) == walk(text, length, 7));
	return 0;
}

#ifndef FUZZING
#include <dirent.h>

static int replay(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "re");
	size_t length;

	if (!file) {
		perror(path);
		return -1;
	}
	length = fread(bytes, 1, sizeof bytes, file);
	(void) fclose(file);
	return LLVMFuzzerTestOneInput(bytes, length);
}

static int replay_all(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];
	int r = 0;

	if (!directory)
		return replay(path);
	while (r == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		(void) snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		r = replay(name);
	}
	(void) closedir(directory);
	return r;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay_all(argv[i]) < 0)
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
#endif
