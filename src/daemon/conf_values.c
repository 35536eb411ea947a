/* SPDX-License-Identifier: MIT */
/*
 * Each kind of value is a parser and a printer, side by side, since one must read what the other writes.  Numbers,
 * sizes, times and words go to the member that the key names; the rest know their own place in struct conf.
 *
 * Times without a unit are seconds; their printer always writes one.  Nothing is rounded and nothing is clipped to its
 * range: rejected, because a setting would then be in force that nobody wrote.
 */
#include "daemon/conf_values.h"
#include "daemon/address.h"
#include "daemon/conf_answer.h"
#include "daemon/conf_errors.h"
#include "daemon/ini.h"
#include "http/bytes.h"
#include "http/variables.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

const struct conf_units conf_no_units = { "a whole number, like 100", false, { { "", 1 } } };
const struct conf_units conf_sizes = {
	"a whole number of bytes, or with K, M or G behind it, like 8K", true,
	{ { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 } },
};
const struct conf_units conf_times = {
	"a whole number with ms, s, m or h behind it, like 200ms or 30s", false,
	{ { "h", 3600 * 1000 }, { "m", 60 * 1000 }, { "s", 1000 }, { "ms", 1 } },
};

const struct conf_word conf_yes_no[] = { { "no", 0 }, { "yes", 1 }, { NULL, 0 } };
const struct conf_word conf_refusals[] = { { "405", 405 }, { "501", 501 }, { NULL, 0 } };
const struct conf_word conf_executors[] = { { "inline", CONF_INLINE }, { "threaded", CONF_THREADED }, { NULL, 0 } };
const struct conf_word conf_levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE }, { "info", LOG_INFO },
	{ "debug", LOG_DEBUG }, { NULL, 0 },
};
const struct conf_word conf_accesses[] = {
	{ "off", ACCESS_OFF }, { "errors", ACCESS_ERRORS }, { "sample=N", ACCESS_SAMPLE },
	{ "all", ACCESS_ALL }, { NULL, 0 },
};

/* ---- Numbers, sizes, times ---- */

static void store_number(struct conf_loading *load, const struct conf_key *key, uint64_t number)
{
	void *at = (char *) (key->sections & CONF_ANSWERS ? (void *) load->answer : load->conf) + key->offset;

	if (key->width == sizeof number) {
		memcpy(at, &number, sizeof number);
	} else {
		uint32_t narrow = (uint32_t) number;

		assert(key->width == sizeof narrow);
		memcpy(at, &narrow, sizeof narrow);
	}
}

uint64_t conf_number(const void *from, const struct conf_key *key)
{
	const void *at = (const char *) from + key->offset;
	uint64_t number;
	uint32_t narrow;

	if (key->width == sizeof number) {
		memcpy(&number, at, sizeof number);
		return number;
	}
	assert(key->width == sizeof narrow);
	memcpy(&narrow, at, sizeof narrow);
	return narrow;
}

/* The number with the largest unit that leaves it whole. */
struct amount {
	char text[32];
};

static struct amount amount(uint64_t number, const struct conf_units *units)
{
	const struct conf_unit *unit = units->at;
	struct amount amount;

	while (unit->factor > 1 && (number == 0 || number % unit->factor != 0))
		unit++;
	snprintf(amount.text, sizeof amount.text, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
	return amount;
}

static int parse_amount(struct conf_loading *load, const struct conf_key *key, struct slice value, uint64_t *ret)
{
	const struct conf_units *units = key->units;
	uint64_t number = 0, factor = 0;
	bool overflow = false;
	struct slice suffix;
	size_t digits = 0;

	for (; digits < value.length && isdigit((unsigned char) value.at[digits]); digits++)
		overflow |= __builtin_mul_overflow(number, 10, &number)
			|| __builtin_add_overflow(number, (uint64_t) (value.at[digits] - '0'), &number);
	suffix = (struct slice) { value.at + digits, value.length - digits };

	if (suffix.length == 0 && units == &conf_times)
		factor = 1000;
	for (const struct conf_unit *unit = units->at; !factor && unit->suffix; unit++) {
		if (units->ignore_case ? slice_equal_nocase(suffix, slice_of(unit->suffix))
				       : slice_equal(suffix, slice_of(unit->suffix)))
			factor = unit->factor;
	}
	if (digits == 0 || factor == 0)
		return conf_wrong(load, key, "\"%s\" is not %s", conf_show(value).text,
				    units->like);
	if (overflow || __builtin_mul_overflow(number, factor, &number) || number < key->min || number > key->max)
		return conf_wrong(load, key, "%s is out of range, which is %s to %s",
				    conf_show(value).text, amount(key->min, units).text, amount(key->max, units).text);

	*ret = number;
	return 0;
}

int conf_parse_number(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	uint64_t number;
	int r;

	r = parse_amount(load, key, value, &number);
	if (r < 0)
		return r;

	store_number(load, key, number);
	return 0;
}

void conf_print_number(const void *from, const struct conf_key *key, FILE *to)
{
	fprintf(to, "%s = %s\n", key->name, amount(conf_number(from, key), key->units).text);
}

int conf_parse_workers(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	if (slice_equal(value, SLICE("auto"))) {
		load->conf->workers = 0;
		return 0;
	}
	if (value.length == 0 || !isdigit((unsigned char) value.at[0]))
		return conf_wrong(load, key, "\"%s\" is neither auto nor a number from %" PRIu64
				    " to %" PRIu64, conf_show(value).text, key->min, key->max);
	return conf_parse_number(load, key, value);
}

void conf_print_workers(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf *conf = from;

	if (conf->workers == 0)
		fprintf(to, "%s = auto\n", key->name);
	else
		conf_print_number(conf, key, to);
}

/* ---- Words ---- */

static int wrong_word(struct conf_loading *load, const struct conf_key *key, const struct conf_word *words,
		      struct slice value)
{
	struct conf_shown shown = conf_show(value);
	struct conf_guess guess = { 0 };
	char all[128] = "";
	size_t length = 0;

	for (const struct conf_word *word = words; word->text; word++) {
		conf_guess_consider(&guess, shown.text, word->text, NULL, 0);
		length += (size_t) snprintf(all + length, sizeof all - length, "%s%s",
					    length == 0 ? "" : word[1].text ? ", " : " or ", word->text);
	}
	if (guess.word)
		return conf_wrong(load, key, "\"%s\" is not %s; did you mean %s?",
				    shown.text, all, guess.word);
	return conf_wrong(load, key, "\"%s\" is not %s", shown.text, all);
}

int conf_parse_word(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	for (const struct conf_word *word = key->words; word->text; word++) {
		if (slice_equal(value, slice_of(word->text))) {
			store_number(load, key, word->value);
			return 0;
		}
	}
	return wrong_word(load, key, key->words, value);
}

void conf_print_word(const void *from, const struct conf_key *key, FILE *to)
{
	for (const struct conf_word *word = key->words; word->text; word++) {
		if (conf_number(from, key) == word->value)
			fprintf(to, "%s = %s\n", key->name, word->text);
	}
}

int conf_parse_access(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	static const struct conf_key sample = { CONF_LOG, "access", .min = 1, .max = 1000000000, .units = &conf_no_units };
	const struct slice begin = SLICE("sample=");
	uint64_t every = 1;
	int r;

	if (value.length >= begin.length && memcmp(value.at, begin.at, begin.length) == 0) {
		r = parse_amount(load, &sample, (struct slice) {
			value.at + begin.length, value.length - begin.length,
		}, &every);
		if (r < 0)
			return r;
		load->conf->access = ACCESS_SAMPLE;
		load->conf->access_sample = (uint32_t) every;
		return 0;
	}
	for (const struct conf_word *word = conf_accesses; word->text; word++) {
		if (word->value != ACCESS_SAMPLE && slice_equal(value, slice_of(word->text))) {
			load->conf->access = word->value;
			load->conf->access_sample = 1;
			return 0;
		}
	}
	return wrong_word(load, key, conf_accesses, value);
}

void conf_print_access(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf *conf = from;

	switch (conf->access) {
	case ACCESS_SAMPLE:
		fprintf(to, "%s = sample=%" PRIu32 "\n", key->name, conf->access_sample);
		return;
	case ACCESS_OFF:
	case ACCESS_ERRORS:
	case ACCESS_ALL:
		fprintf(to, "%s = %s\n", key->name, conf_accesses[conf->access].text);
		return;
	}
}

/* ---- server.listen ---- */

void conf_clear_listen(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listen; i++)
		free(conf->listen[i].text);
	free(conf->listen);
	conf->listen = NULL;
	conf->n_listen = 0;
}

static int add_listen(struct conf_loading *load, const struct conf_listen *listen, struct slice value)
{
	struct conf *conf = load->conf;
	struct conf_listen *at;
	char *text;

	text = strndup(value.at, value.length);
	if (!text)
		return conf_out_of_memory(load);
	at = realloc(conf->listen, (conf->n_listen + 1) * sizeof *at);
	if (!at) {
		free(text);
		return conf_out_of_memory(load);
	}

	conf->listen = at;
	at[conf->n_listen] = *listen;
	at[conf->n_listen++].text = text;
	return 0;
}

/* value ends with a NUL.  Two that collide are told here: to systemd it would be a unit that cannot be started, and then
 * nobody listens anywhere. */
int conf_parse_listen(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	struct conf_listen listen = { 0 };
	struct conf *conf = load->conf;
	const char *why;
	int n;

	n = address_parse(value.at, listen.at, &why);
	if (n < 0)
		return conf_wrong(load, key, "\"%s\": %s", conf_show(value).text, why);
	listen.n = (unsigned) n;

	for (size_t i = 0; i < conf->n_listen; i++) {
		for (unsigned j = 0; j < conf->listen[i].n * listen.n; j++) {
			const struct address *old = &conf->listen[i].at[j % conf->listen[i].n];
			const struct address *new = &listen.at[j / conf->listen[i].n];

			if (address_collide(old, new))
				return conf_wrong(load, key, "\"%s\" collides with \"%s\": only one of the two can be "
						  "listened on", conf_show(value).text,
						  conf_show(slice_of(conf->listen[i].text)).text);
		}
	}
	return add_listen(load, &listen, value);
}

void conf_print_listen(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf *conf = from;

	/* Not the same as the default address that was set: then systemd's sockets must agree with it. */
	if (!conf->listen_is_set)
		fprintf(to, "# Not set, so the sockets that systemd passes are right as they are; without any:\n");
	for (size_t i = 0; i < conf->n_listen; i++)
		fprintf(to, "%s%s = %s\n", conf->listen_is_set ? "" : "#", key->name, conf->listen[i].text);
}

/* ---- The answer ---- */

static bool skip_token(const char **at, const char *stop)
{
	const char *begin = *at;

	*at = http_skip(begin, stop, HTTP_TOKEN);
	return *at > begin;
}

static bool skip_byte(const char **at, const char *stop, char byte)
{
	if (*at == stop || **at != byte)
		return false;
	(*at)++;
	return true;
}

/* Behind the first quotation mark. */
static bool skip_quoted(const char **at, const char *stop)
{
	do {
		*at = http_skip(*at, stop, HTTP_QUOTED);
		if (skip_byte(at, stop, '"'))
			return true;
	} while (skip_byte(at, stop, '\\') && *at < stop && http_is(*(*at)++, HTTP_VALUE));
	return false;
}

static void skip_blanks(const char **at, const char *stop)
{
	while (skip_byte(at, stop, ' ') || skip_byte(at, stop, '\t'))
		;
}

/* RFC 9110 8.3.1: type "/" subtype *( OWS ";" OWS [ name "=" ( token / quoted-string ) ] ) */
static bool is_media_type(struct slice value)
{
	const char *at = value.at, *stop = value.at + value.length;

	if (!skip_token(&at, stop) || !skip_byte(&at, stop, '/') || !skip_token(&at, stop))
		return false;
	while (at < stop) {
		skip_blanks(&at, stop);
		if (!skip_byte(&at, stop, ';'))
			return false;
		skip_blanks(&at, stop);
		if (at == stop || *at == ';')
			continue;
		if (!skip_token(&at, stop) || !skip_byte(&at, stop, '='))
			return false;
		if (skip_byte(&at, stop, '"') ? !skip_quoted(&at, stop) : !skip_token(&at, stop))
			return false;
	}
	return true;
}

int conf_parse_content_type(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	char *text;

	if (value.length > 0 && !is_media_type(value))
		return conf_wrong(load, key, "\"%s\" is no media type, like text/html or "
				    "text/plain; charset=utf-8", conf_show(value).text);
	text = strndup(value.at, value.length);
	if (!text)
		return conf_out_of_memory(load);

	free(load->answer->content_type);
	load->answer->content_type = text;
	load->answer->answer.content_type = (struct slice) { text, value.length };
	return 0;
}

void conf_print_text(const char *name, struct slice text, FILE *to)
{
	fprintf(to, "%s = ", name);
	ini_write_text(text, to);
	fputc('\n', to);
}

void conf_print_content_type(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;

	conf_print_text(key->name, answer->answer.content_type, to);
}

void conf_clear_headers(struct conf_answer *answer)
{
	for (size_t i = 0; i < answer->n_fields; i++)
		free(answer->field_texts[i]);
	answer->n_fields = answer->answer.n_fields = 0;
}

/* Fields with one value, which is no list (RFC 9110 5.3): of two a client takes one, and another client the other. */
static bool stands_once(struct slice name)
{
	static const char *const names[] = { "Content-Location", "ETag", "Expires", "Last-Modified", "Location", "Retry-After" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal_nocase(name, slice_of(names[i])))
			return true;
	return false;
}

int conf_parse_header(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	struct conf_answer *answer = load->answer;
	const char *colon = memchr(value.at, ':', value.length);
	struct http_field field, *fields;
	char **texts;
	const char *why;

	if (!colon)
		return conf_wrong(load, key, "\"%s\" is not a field, like Retry-After: 60",
				    conf_show(value).text);
	field.name = (struct slice) { value.at, (size_t) (colon - value.at) };
	field.value = (struct slice) { colon + 1, value.length - field.name.length - 1 };
	while (field.value.length > 0 && strchr(" \t", field.value.at[0])) {
		field.value.at++;
		field.value.length--;
	}
	while (field.value.length > 0 && strchr(" \t", field.value.at[field.value.length - 1]))
		field.value.length--;
	why = http_field_refused(field.name, field.value);
	if (!why && answer->kind == CONF_ERROR && http_variables_used(field.value))
		why = "an error is answered also when there is no request to repeat something of, so it has no variables";
	if (!why && stands_once(field.name) && http_answer_has(&answer->answer, field.name))
		why = "an answer has it only once";
	if (why)
		return conf_wrong(load, key, "%s: %s", conf_show(field.name).text, why);

	/* Each array grows by itself: a failure of the second leaves the first larger than it need be, and that is all. */
	texts = realloc(answer->field_texts, (answer->n_fields + 1) * sizeof *texts);
	if (!texts)
		return conf_out_of_memory(load);
	answer->field_texts = texts;
	fields = realloc(answer->fields, (answer->n_fields + 1) * sizeof *fields);
	if (!fields)
		return conf_out_of_memory(load);
	answer->fields = fields;
	answer->answer.fields = fields;
	texts[answer->n_fields] = strndup(value.at, value.length);
	if (!texts[answer->n_fields])
		return conf_out_of_memory(load);

	field.name.at = texts[answer->n_fields];
	field.value.at = texts[answer->n_fields] + (field.value.at - value.at);
	fields[answer->n_fields++] = field;
	answer->answer.n_fields = answer->n_fields;
	return 0;
}

void conf_print_header(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;

	for (size_t i = 0; i < answer->n_own_fields; i++) {
		const struct http_field *field = &answer->answer.fields[i];

		fprintf(to, "%s = %.*s: %.*s\n", key->name, (int) field->name.length, field->name.at,
			(int) field->value.length, field->value.at);
	}
}

/* ---- Methods ---- */

enum { METHODS_MAX = 256 };		/* they are said in Allow */

/* A method in small letters is another method, which nobody means. */
static const char *method_refused(struct slice method)
{
	if (method.length == 0 || http_skip(method.at, method.at + method.length, HTTP_TOKEN) < method.at + method.length)
		return "is no method; they are written like GET, POST";
	if (slice_equal_nocase(method, SLICE("CONNECT")) || slice_equal_nocase(method, SLICE("TRACE")))
		return "is never served";
	if (slice_equal_nocase(method, SLICE("any")))
		return "stands alone, in small letters: methods = any";
	for (size_t i = 0; i < method.length; i++)
		if (isupper((unsigned char) method.at[i]))
			return NULL;
	return "has small letters; methods are case-sensitive, write GET, POST";
}

int conf_parse_methods(struct conf_loading *load, const struct conf_key *key, struct slice value)
{
	const char *end = value.at + value.length;
	char *list = malloc(2 * value.length + 1), *to = list;

	if (!list)
		return conf_out_of_memory(load);
	if (value.length > METHODS_MAX) {
		free(list);
		return conf_wrong(load, key, "the list has more than %d bytes", METHODS_MAX);
	}
	for (const char *at = value.at; at <= end && !slice_equal(value, SLICE("any"));) {
		const char *comma = memchr(at, ',', (size_t) (end - at));
		struct slice method = { at, (size_t) ((comma ? comma : end) - at) };
		const char *why;

		at += method.length + 1;
		while (method.length > 0 && strchr(" \t", *method.at)) {
			method.at++;
			method.length--;
		}
		while (method.length > 0 && strchr(" \t", method.at[method.length - 1]))
			method.length--;
		why = method_refused(method);
		if (why) {
			free(list);
			return conf_wrong(load, key, "\"%s\" %s", conf_show(method).text, why);
		}
		to += sprintf(to, "%s%.*s", to > list ? ", " : "", (int) method.length, method.at);
	}
	free(load->answer->methods);
	load->answer->methods = list;
	*to = '\0';
	if (to == list) {
		free(list);
		load->answer->methods = NULL;
	}
	return 0;
}

void conf_print_methods(const void *from, const struct conf_key *key, FILE *to)
{
	const struct conf_answer *answer = from;

	fprintf(to, "%s = %s\n", key->name, answer->methods ? answer->methods : "any");
}
