/* SPDX-License-Identifier: MIT */
/*
 * An answer's section is found again by what it means, not by how it is written: [route /a/../b] and [route /b] are one,
 * whose settings a later file may replace one by one.
 *
 * What an answer does not say follows from its status: [response] says Hello, and a route nothing, when that is a
 * success; otherwise the body is the page of [error STATUS], if there is one, or "404 Not Found".  Rejected: to let
 * routes inherit what [response] says.  Whoever adds a field to one answer would have to take it out of all others.
 */
#include "daemon/conf_answer.h"
#include "core/cleanup.h"
#include "daemon/conf_body.h"
#include "daemon/conf_errors.h"
#include "daemon/conf_values.h"
#include "http/bytes.h"
#include "http/conditions.h"
#include "http/target.h"
#include "http/variables.h"

#include <ctype.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct conf_answer *conf_answer_free(struct conf_answer *answer)
{
	if (!answer)
		return NULL;
	conf_clear_headers(answer);
	free(answer->name);
	free(answer->host);
	free(answer->path);
	free(answer->listener);
	free(answer->body_file);
	free(answer->methods);
	free(answer->enable_if_exists);
	free(answer->field_texts);
	free(answer->fields);
	free(answer->content_type);
	free(answer->body);
	free(answer->gzip_bytes);
	free(answer);
	return NULL;
}

/* ---- Sections ---- */

/* Any order: sections are only to be found again, and there may be thousands. */
static int compare(const void *a_, const void *b_)
{
	const struct conf_answer *a = a_, *b = b_;
	int r = strcmp(a->listener ? a->listener : "", b->listener ? b->listener : "");

	if (r)
		return r;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == CONF_ERROR)
		return (a->answer.status > b->answer.status) - (a->answer.status < b->answer.status);
	if (a->kind != CONF_ROUTE)
		return 0;
	r = strcmp(a->host, b->host);
	if (r == 0)
		r = (a->path_length > b->path_length) - (a->path_length < b->path_length);
	if (r == 0)
		r = memcmp(a->path, b->path, a->path_length);
	return r ? r : a->prefix - b->prefix;
}

static struct conf_answer *find(const struct conf_loading *load, const struct conf_answer *like)
{
	struct conf_answer **found = tfind(like, &load->answers, compare);

	return found ? *found : NULL;
}

static void keep_it(void *answer)
{
	(void) answer;		/* the configuration's */
}

void conf_forget_answers(struct conf_loading *load)
{
	tdestroy(load->answers, keep_it);
	load->answers = NULL;
}

/* The answer becomes the configuration's, also on failure. */
static int add_answer(struct conf_loading *load, struct conf_answer *answer, const char *name)
{
	struct conf *conf = load->conf;
	struct conf_answer **answers = realloc(conf->answers, (conf->n_answers + 1) * sizeof *answers);

	if (answers)
		conf->answers = answers;
	answer->name = strdup(name);
	if (!answers || !answer->name) {
		conf_answer_free(answer);
		return conf_out_of_memory(load);
	}
	answer->file = conf_place(load);
	answer->line = load->line;
	answer->other_methods = 405;
	answer->on = ROUTE_ALWAYS;
	answer->answer.content_type = answer->answer.body = (struct slice) { "", 0 };
	if (answer->answer.status == 0)
		answer->answer.status = answer->kind == CONF_MAINTENANCE ? 503 : 200;
	answers[conf->n_answers++] = answer;
	if (!tsearch(answer, &load->answers, compare))
		return conf_out_of_memory(load);
	load->answer = answer;
	load->section = answer->kind;
	return 0;
}

int conf_add_response(struct conf_loading *load)
{
	struct conf_answer *answer = calloc(1, sizeof *answer);

	if (!answer)
		return conf_out_of_memory(load);
	answer->kind = CONF_RESPONSE;
	return add_answer(load, answer, "response");
}

/* The text with small letters; NULL: no memory. */
static char *lower(const char *text, size_t length)
{
	char *copy = strndup(text, length);

	for (char *at = copy; at && *at; at++)
		*at = (char) tolower((unsigned char) *at);
	return copy;
}

static bool is_host(const char *at, size_t length)
{
	const char *end = at + length;

	if (length > 2 && *at == '[')		/* an address, which is compared as it is written */
		return end[-1] == ']' && strspn(at + 1, "0123456789abcdefABCDEF:.") == length - 2;
	return http_skip(at, end, HTTP_HOST) == end;
}

static const char *pattern_refused(const char *pattern)
{
	const char *path = strchr(pattern, '/');
	const char *star = path ? strchr(path, '*') : NULL;

	if (!*pattern)
		return "the path is missing: it is [route /path], [route /prefix/*] or [route example.org/path]";
	if (strstr(pattern, "://"))
		return "it is written without http://, like [route example.org/path]";
	if (!path)
		return "there is no / in it; a route is [route /path], [route /prefix/*] or [route example.org/path], and "
		       "[route example.org/*] is all of a host";
	if (strpbrk(pattern, " \t"))
		return "there is a blank in it; in a path it is written %20, and for a listener's name it is [route /path on NAME]";
	if (!is_host(pattern, (size_t) (path - pattern)))
		return "what stands before the first / is no host, which has neither a port nor a *";
	if (memchr(pattern, '*', (size_t) (path - pattern)))
		return "a host has no *; each host has a route of its own";
	if (strpbrk(path, "?#"))
		return "only the path is compared; a ? in a path is written %3F, a # %23";
	if (star && star[1])
		return "a * can stand at the end only; a * in a path is written %2A";
	return NULL;
}

/* A prefix may end in the middle of a segment, /.* or /a/..*, whose dots are then not those of a dot segment; so it is made
 * normal with a letter behind it. */
static int set_path(struct conf_answer *answer, const char *path)
{
	size_t length = strlen(path);
	char *text = strdup(path);

	answer->path = malloc(3 * length + 1);
	answer->prefix = path[length - 1] == '*';
	if (!text || !answer->path) {
		free(text);
		return -ENOMEM;
	}
	if (answer->prefix)
		text[length - 1] = 'x';
	answer->path_length = http_path_normalise(answer->path, (struct slice) { text, length }) - answer->prefix;
	free(text);
	return 0;
}

/* Fills in host, path and prefix. */
static int parse_pattern(struct conf_loading *load, struct conf_answer *answer, const char *pattern)
{
	const char *path = strchr(pattern, '/');
	size_t length = path ? strlen(path) : 0;
	const char *why = pattern_refused(pattern);

	if (!why && length > HTTP_REQUEST_LINE_MAX)
		why = "the path is too long";
	if (why)
		return conf_mistake(load, "[route %s]: %s", conf_show(slice_of(pattern)).text, why);
	length = (size_t) (path - pattern);
	if (length > 1 && path[-1] == '.')	/* of the root: the same host */
		length--;
	answer->host = lower(pattern, length);
	if (!answer->host || set_path(answer, path) < 0)
		return conf_out_of_memory(load);
	return 0;
}

static int parse_status(struct conf_loading *load, struct conf_answer *answer, const char *text)
{
	char *end;
	unsigned long status = strtoul(text, &end, 10);

	if (strlen(text) != 3 || *end || status < 400 || status > 599)
		return conf_mistake(load, "[error %s]: it is [error STATUS], with a status from 400 to 599, like [error 404]",
				    conf_show(slice_of(text)).text);
	answer->answer.status = (unsigned) status;
	return 0;
}

static int set_listener(struct conf_loading *load, struct conf_answer *answer, const char *section, const char *name)
{
	const char *why = address_name_refused(name);

	if (why)
		return conf_mistake(load, "[%s]: %s", conf_show(slice_of(section)).text, why);
	answer->listener = strdup(name);
	return answer->listener ? 0 : conf_out_of_memory(load);
}

/* Takes " on NAME" off the end of a section's argument: what it says is only for listeners of that name.  In the section's
 * name, where no key is, since it tells one section from another: the same pattern can be there for several names. */
static int take_listener(struct conf_loading *load, struct conf_answer *answer, const char *section, char *argument)
{
	char *name = argument + strlen(argument), *on;

	while (name > argument && !strchr(" \t", name[-1]))
		name--;
	on = name;
	while (on > argument && strchr(" \t", on[-1]))
		on--;
	if (on - argument < 2 || memcmp(on - 2, "on", 2) != 0 || (on - argument > 2 && !strchr(" \t", on[-3])))
		return 0;
	on -= 2;
	while (on > argument && strchr(" \t", on[-1]))
		on--;
	*on = '\0';
	return set_listener(load, answer, section, name);
}

static int read_argument(struct conf_loading *load, struct conf_answer *answer, const char *section, char *argument)
{
	const char *word = conf_section_word(answer->kind);
	int r = 0;

	if (answer->kind == CONF_LISTEN)
		return set_listener(load, answer, section, argument);
	if (answer->kind == CONF_ROUTE || answer->kind == CONF_MAINTENANCE)
		r = take_listener(load, answer, section, argument);
	if (r < 0)
		return r;
	if (answer->kind == CONF_ROUTE)
		return parse_pattern(load, answer, argument);
	if (answer->kind == CONF_ERROR)
		return parse_status(load, answer, argument);
	if (*argument)
		return conf_mistake(load, "[%s %s]: nothing stands behind %s", word, conf_show(slice_of(argument)).text,
				    word);
	return 0;
}

int conf_enter_answer(struct conf_loading *load, enum conf_section kind, const char *name, const char *argument)
{
	cleanup(free_pointer) char *copy = strdup(argument);
	struct conf_answer *answer = calloc(1, sizeof *answer);
	int r;

	if (!answer || !copy) {
		free(answer);
		return conf_out_of_memory(load);
	}
	answer->kind = kind;
	r = read_argument(load, answer, name, copy);
	if (r < 0) {
		conf_answer_free(answer);
		return r;
	}
	load->answer = find(load, answer);
	if (load->answer) {
		conf_answer_free(answer);
		load->section = kind;
		return 0;
	}
	if (load->conf->n_answers > ROUTES_MAX) {
		conf_answer_free(answer);
		return conf_mistake(load, "[%s]: there are more than %d sections like that", conf_show(slice_of(name)).text,
				    ROUTES_MAX);
	}
	return add_answer(load, answer, name);
}

/* ---- What follows when all is loaded ---- */

static bool is_set(const struct conf_loading *load, int key)
{
	return conf_origin(load, &conf_keys[key])->source > 0;
}

static bool is_wrong(const struct conf_answer *answer)
{
	for (int i = 0; i < CONF_ANSWER_KEYS; i++)
		if (answer->origins[i].wrong)
			return true;
	return false;
}

/* The place of a mistake that shows only now: that of the first of these keys that was set, or else of the section. */
static void mistake_of(struct conf_loading *load, const int *keys, size_t n, const char *what)
{
	const struct conf_origin *origin = NULL;

	for (size_t i = 0; i < n && !(origin && origin->source); i++)
		origin = conf_origin(load, &conf_keys[keys[i]]);
	if (!origin || !origin->source)
		(void) conf_mistake_at(load, load->answer->file, load->answer->line, "%s.%s: %s",
				       conf_shown_name(load).text, conf_keys[keys[0]].name, what);
	else
		(void) conf_mistake_at(load, origin->file, origin->line, "%s.%s: %s", conf_shown_name(load).text,
				       conf_keys[keys[0]].name, what);
}

#define MISTAKE_OF(load, what, ...) \
	mistake_of(load, (const int[]) { __VA_ARGS__ }, sizeof (int[]) { __VA_ARGS__ } / sizeof(int), what)

static int own_body(struct conf_answer *answer, const char *text)
{
	answer->body = strdup(text);
	if (!answer->body)
		return -ENOMEM;
	answer->answer.body = slice_of(answer->body);
	return 0;
}

static void default_content_type(struct conf_loading *load, struct slice content_type)
{
	if (!is_set(load, CONF_KEY_CONTENT_TYPE))
		load->answer->answer.content_type = content_type;
}

/* Its page, and those of its fields that the answer does not have. */
static int take_error(struct conf_loading *load, const struct conf_answer *error)
{
	struct conf_answer *answer = load->answer;
	struct http_field *fields;

	answer->answer.body = error->answer.body;
	answer->foreign_body = true;
	default_content_type(load, error->answer.content_type);
	fields = realloc(answer->fields, (answer->n_fields + error->n_fields + 1) * sizeof *fields);
	if (!fields)
		return conf_out_of_memory(load);
	answer->fields = fields;
	answer->answer.fields = fields;
	for (size_t i = 0; i < error->n_fields; i++)
		if (!http_answer_has(&answer->answer, error->fields[i].name))
			fields[answer->answer.n_fields++] = error->fields[i];
	return 0;
}

static const struct conf_answer *find_error(const struct conf_loading *load, unsigned status)
{
	return find(load, &(struct conf_answer) { .kind = CONF_ERROR, .answer.status = status });
}

/* Neither body nor body_file was set. */
static int default_body(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;
	unsigned status = answer->answer.status;
	const struct conf_answer *error = answer->kind == CONF_ERROR ? NULL : find_error(load, status);
	const char *reason = http_reason(status);
	char text[64];

	if (!http_status_has_content(status)) {
		default_content_type(load, SLICE(""));
		return 0;
	}
	if (error)
		return take_error(load, error);
	if (status < 300) {
		bool is_rest = answer->kind == CONF_RESPONSE || answer->kind == CONF_LISTEN;

		default_content_type(load, is_rest ? SLICE("text/html") : SLICE(""));
		if (is_rest && own_body(answer, "Hello") < 0)
			return conf_out_of_memory(load);
		return 0;
	}
	(void) snprintf(text, sizeof text, "%u%s%s\n", status, *reason ? " " : "", reason);
	default_content_type(load, SLICE("text/plain"));
	return own_body(answer, text) < 0 ? conf_out_of_memory(load) : 0;
}

/* Of the bytes, so that all hosts that have the page agree on it (FNV-1a, and the length). */
static void make_etag(char to[64], struct slice body, const char *suffix)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < body.length; i++)
		hash = (hash ^ (unsigned char) body.at[i]) * 0x100000001b3;
	(void) snprintf(to, 64, "\"%016llx-%zx%s\"", (unsigned long long) hash, body.length, suffix);
}

static const struct http_field *find_field(const struct conf_answer *answer, struct slice name)
{
	for (size_t i = 0; i < answer->answer.n_fields; i++)
		if (slice_equal_nocase(answer->answer.fields[i].name, name))
			return &answer->answer.fields[i];
	return NULL;
}

/* What is configured as a field is what conditions are judged by. */
static void take_validators(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;
	const struct http_field *etag = find_field(answer, SLICE("ETag"));
	const struct http_field *modified = find_field(answer, SLICE("Last-Modified"));

	if (etag && !http_variables_used(etag->value)) {
		if (!http_is_etag(etag->value))
			MISTAKE_OF(load, "ETag: an entity tag has quotation marks, like \"v1\" or W/\"v1\"", CONF_KEY_HEADER);
		answer->validators.etag = etag->value;
	}
	if (modified && !http_variables_used(modified->value) &&
	    !http_date_read(modified->value, time(NULL), &answer->validators.modified))
		MISTAKE_OF(load, "Last-Modified: a date is written like Sun, 06 Nov 1994 08:49:37 GMT", CONF_KEY_HEADER);
}

/* A file has them by itself; fields that are configured go before them.  RFC 9110 8.8.2.1: no date may be in the
 * future. */
static void make_validators(struct conf_answer *answer)
{
	time_t now = time(NULL);

	if (answer->answer.status >= 300 || !answer->body_file)
		return;
	if (!find_field(answer, SLICE("ETag"))) {
		make_etag(answer->etag, answer->answer.body, "");
		make_etag(answer->gzip_etag, answer->answer.body, "-gzip");
		answer->answer.etag = answer->validators.etag = slice_of(answer->etag);
	}
	if (!find_field(answer, SLICE("Last-Modified")) && answer->modified > 0) {
		answer->validators.modified = answer->modified < now ? answer->modified : now;
		http_date_write(answer->last_modified, answer->validators.modified);
		answer->answer.last_modified = slice_of(answer->last_modified);
	}
}

/* What is not configured and comes to the head: ETag, Last-Modified, Content-Encoding, Vary, Allow.  And where variables
 * are, there must be room for what they repeat. */
enum { HEAD_DERIVED = 1024 };

static size_t room_for_head(const struct http_answer *answer)
{
	for (size_t i = 0; i < answer->n_fields; i++)
		if (http_variables_used(answer->fields[i].value))
			return HTTP_HEAD_MAX / 2;
	return HTTP_HEAD_MAX - HEAD_DERIVED;
}

static bool is_too_much(const struct conf_loading *load)
{
	return load->image_length > load->image_max;
}

/* All that is answered must fit into one image, whose end only making it would find out: too late for who asks whether the
 * file is good, and after more was read than there may be memory for.  So it is counted as it comes; what is added to
 * a head later is not known yet and counted as if it were long.  Told once, and nothing more is read then. */
static void add_to_image(struct conf_loading *load, uint64_t length)
{
	const struct conf_answer *answer = load->answer;
	bool told = is_too_much(load);

	load->image_length += length;
	if (!told && is_too_much(load))
		(void) conf_mistake_at(load, answer->file, answer->line, "[%s]: up to this one all heads and bodies together have more "
				       "than %lluM; make some bodies smaller, or leave out gzip = yes, which keeps a second copy",
				       conf_shown_name(load).text, (unsigned long long) load->image_max >> 20);
}

/* An answer has beside its own the head of a 304, the same again of the compressed copy, and those of Allow. */
static void count_heads(struct conf_loading *load, size_t length)
{
	const struct conf_answer *answer = load->answer;
	size_t n = 1 + (answer->answer.status < 300);

	if (answer->gzip)
		n *= 2;
	if (answer->methods)
		n += 2;
	add_to_image(load, n * HTTP_PERSISTENCES * (length + HEAD_DERIVED));
}

static void judge_head(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;
	char head[HTTP_HEAD_MAX];
	const char *why;
	uint32_t date;
	ssize_t n;

	/* The longest head is the one that says keep-alive. */
	n = http_head_write(head, room_for_head(&answer->answer), &answer->answer, HTTP_KEEP_ALIVE, &date);
	if (n < 0)
		MISTAKE_OF(load, "all fields together have more than 15 KiB, or 8 KiB with variables in them",
			   CONF_KEY_HEADER);
	else
		count_heads(load, (size_t) n);
	why = http_answer_refused(&answer->answer);
	if (why)
		MISTAKE_OF(load, why, CONF_KEY_STATUS, CONF_KEY_BODY_FILE, CONF_KEY_BODY, CONF_KEY_HEADER);
	if (answer->gzip && find_field(answer, SLICE("Content-Encoding")))
		MISTAKE_OF(load, "the body is compressed already, says header Content-Encoding", CONF_KEY_GZIP);
	if (answer->gzip && find_field(answer, SLICE("ETag")))
		MISTAKE_OF(load, "two representations cannot have one ETag; leave out the header ETag", CONF_KEY_GZIP);
	if (answer->kind == CONF_MAINTENANCE && !answer->enable_if_exists)
		MISTAKE_OF(load, "it is missing; name the file whose being there turns maintenance on",
			   CONF_KEY_ENABLE_IF_EXISTS);
}

/* Of a page that others have as well there is one compressed copy. */
static void compress(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;

	for (size_t i = 0; answer->foreign_body && i < load->conf->n_answers; i++) {
		const struct conf_answer *other = load->conf->answers[i];

		if (other->gzip_body.length > 0 && other->answer.body.at == answer->answer.body.at) {
			answer->gzip_body = other->gzip_body;
			return;
		}
	}
	(void) conf_compress_body(load);
	add_to_image(load, answer->gzip_body.length);
}

static void finish_answer(struct conf_loading *load)
{
	struct conf_answer *answer = load->answer;

	default_content_type(load, SLICE("text/html"));
	if (answer->body_file && !is_too_much(load) && !conf_origin(load, &conf_keys[CONF_KEY_BODY_FILE])->wrong)
		(void) conf_read_body_file(load);
	answer->n_own_fields = answer->n_fields;
	if (!load->error && !is_wrong(answer) && !is_set(load, CONF_KEY_BODY) && !is_set(load, CONF_KEY_BODY_FILE))
		(void) default_body(load);
	if (load->error || is_wrong(answer))
		return;
	judge_head(load);
	take_validators(load);
	make_validators(answer);
	if (!answer->foreign_body)
		add_to_image(load, answer->answer.body.length);
	if (answer->gzip && answer->answer.body.length > 0 && !is_too_much(load))
		compress(load);
}

/* Each file that some answer depends on gets a number. */
static int number_switches(struct conf *conf)
{
	conf->switches = calloc(conf->n_answers, sizeof *conf->switches);
	if (!conf->switches)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_answers; i++) {
		struct conf_answer *answer = conf->answers[i];
		size_t on = 0;

		if (!answer->enable_if_exists)
			continue;
		while (on < conf->n_switches && strcmp(conf->switches[on], answer->enable_if_exists) != 0)
			on++;
		if (on == conf->n_switches)
			conf->switches[conf->n_switches++] = answer->enable_if_exists;
		answer->on = (int) on;
	}
	return 0;
}

void conf_finish_answers(struct conf_loading *load)
{
	/* The errors first: others take their pages. */
	for (int errors = 1; errors >= 0; errors--) {
		for (size_t i = 0; i < load->conf->n_answers && !load->error; i++) {
			load->answer = load->conf->answers[i];
			load->section = load->answer->kind;
			if ((load->section == CONF_ERROR) != errors)
				continue;
			finish_answer(load);
			/* Many large ones take longer than a watchdog waits. */
			if (load->from->went_on && (load->answer->body_file || load->answer->gzip_bytes))
				load->from->went_on(load->from->arg);
		}
	}
	load->answer = NULL;
	if (!load->error && number_switches(load->conf) < 0)
		(void) conf_out_of_memory(load);
}

/* ---- What the workers answer from ---- */

/* In the log a route is named by its pattern alone, which has a slash and so is no other section's name. */
static struct slice shown_in_log(const struct conf_answer *answer)
{
	const char *pattern = answer->kind == CONF_ROUTE ? strpbrk(answer->name, " \t") : NULL;

	return slice_of(pattern ? pattern + strspn(pattern, " \t") : answer->name);
}

/* The number of a name among these, from 1 on; of none, 0. */
static unsigned number_of(const char *name, const char *const *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++)
		if (strcmp(names[i], name) == 0)
			return (unsigned) i + 1;
	return 0;
}

static struct route_setting route_setting(const struct conf_answer *from, unsigned name)
{
	return (struct route_setting) {
		.section = shown_in_log(from),
		.name = (uint8_t) name,
		.rest = from->kind == CONF_LISTEN,
		.host = slice_of(from->host ? from->host : ""),
		.path = { from->path, from->path_length },
		.prefix = from->prefix,
		.all = from->kind == CONF_MAINTENANCE,
		.on = from->on,
		.methods = slice_of(from->methods ? from->methods : ""),
		.other_methods = from->other_methods,
		.delay_ms = from->delay_ms,
		.answer = from->answer,
		.validators = from->validators,
		.gzip_body = from->gzip_body,
		.gzip_etag = slice_of(from->gzip_etag),
	};
}

int conf_routes(const struct conf *conf, const char *const *names, size_t n_names, struct route_settings *ret)
{
	struct route_setting *routes = calloc(conf->n_answers, sizeof *routes);
	struct http_answer *errors = calloc(conf->n_answers, sizeof *errors);
	size_t n_routes = 0, n_errors = 0;

	if (!routes || !errors) {
		free(routes);
		free(errors);
		return -ENOMEM;
	}
	for (size_t i = 0; i < conf->n_answers; i++) {
		const struct conf_answer *answer = conf->answers[i];
		unsigned name = answer->listener ? number_of(answer->listener, names, n_names) : 0;

		if (answer->kind == CONF_ERROR)
			errors[n_errors++] = answer->answer;
		else if (name > 0 || !answer->listener)
			routes[n_routes++] = route_setting(answer, name);
	}
	*ret = (struct route_settings) { .routes = routes, .n_routes = n_routes, .errors = errors, .n_errors = n_errors };
	return 0;
}

void conf_routes_free(struct route_settings *settings)
{
	free((void *) settings->routes);
	free((void *) settings->errors);
	*settings = (struct route_settings) { 0 };
}

size_t conf_own_names(const struct conf *conf, const char *names[ROUTE_NAMES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_answers && n < ROUTE_NAMES_MAX; i++) {
		const char *name = conf->answers[i]->listener;

		if (name && number_of(name, names, n) == 0)
			names[n++] = name;
	}
	return n;
}

/* What malloc(3) takes for so many: a head and alignment. */
static size_t chunk(size_t bytes)
{
	const size_t head = 8, align = 16, least = 32;
	size_t taken = (bytes + head + align - 1) / align * align;

	return taken < least ? least : taken;
}

static size_t text_bytes(const char *text)
{
	return text ? chunk(strlen(text) + 1) : 0;
}

/* It has room for all of it to be encoded, and no 0 at its end; the section's name is longer than it was written. */
static size_t path_bytes(const struct conf_answer *answer)
{
	return answer->path ? chunk(3 * strlen(answer->name)) : 0;
}

static size_t answer_bytes(const struct conf_answer *answer, bool bodies)
{
	size_t bytes = chunk(sizeof *answer) + text_bytes(answer->name) + text_bytes(answer->host) + path_bytes(answer) +
		       text_bytes(answer->listener) + text_bytes(answer->body_file) + text_bytes(answer->methods) +
		       text_bytes(answer->enable_if_exists) + text_bytes(answer->content_type);

	if (bodies)
		bytes += chunk(answer->gzip_body.length + 1);
	if (bodies && !answer->foreign_body)
		bytes += chunk(answer->answer.body.length + 1);
	for (size_t i = 0; i < answer->n_own_fields; i++)
		bytes += sizeof *answer->fields + sizeof *answer->field_texts + text_bytes(answer->field_texts[i]);
	return bytes;
}

size_t conf_bytes(const struct conf *conf, bool bodies)
{
	size_t bytes = sizeof *conf;

	for (size_t i = 0; i < conf->n_answers; i++)
		bytes += sizeof(struct conf_answer *) + answer_bytes(conf->answers[i], bodies);
	return bytes;
}

void conf_forget_bodies(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_answers; i++) {
		struct conf_answer *answer = conf->answers[i];

		free(answer->body);
		free(answer->gzip_bytes);
		answer->body = NULL;
		answer->gzip_bytes = NULL;
		answer->answer.body = answer->gzip_body = (struct slice) { "", 0 };
	}
}

void conf_answer_only(struct conf *conf, const struct http_answer *answer)
{
	while (conf->n_answers > 1)
		conf_answer_free(conf->answers[--conf->n_answers]);
	conf->answers[0]->answer = *answer;
	conf->answers[0]->n_own_fields = 0;
}
