/* SPDX-License-Identifier: MIT */
/*
 * The field lines are read again from the bytes of the head.  The parser could remember where each of these fields is,
 * and would pay for it with every request; few have any, and fewer are for an answer that has something to decide.
 *
 * What cannot be read is never taken as a reason to leave an answer out: a malformed date or list does not match, so
 * If-None-Match and the dates let the answer go out.  Only If-Match, which says what must hold, refuses then.
 */
#include "http/conditions.h"

#include "http/bytes.h"

#include <stdlib.h>

/* --- field lines and lists --------------------------------------------------------------------------------------- */

static struct slice trimmed(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct slice) { at, (size_t) (end - at) };
}

/* The value of the next line with that name; false: there is no more. */
static bool next_line(struct slice *fields, struct slice name, struct slice *ret)
{
	const char *end = fields->at + fields->length;
	const char *at = fields->at;

	while (at < end) {
		const char *line_end = memchr(at, '\r', (size_t) (end - at));
		const char *colon = memchr(at, ':', (size_t) (line_end - at));
		bool found = slice_equal_nocase((struct slice) { at, (size_t) (colon - at) }, name);

		at = line_end + 2;
		if (!found)
			continue;
		*ret = trimmed(colon + 1, line_end);
		*fields = (struct slice) { at, (size_t) (end - at) };
		return true;
	}
	return false;
}

/* The value of the only line with that name; false: there is none, or more than one, which is no date. */
static bool only_line(struct slice fields, struct slice name, struct slice *ret)
{
	struct slice other;

	return next_line(&fields, name, ret) && !next_line(&fields, name, &other);
}

/* --- entity tags: RFC 9110 8.8.3 --------------------------------------------------------------------------------- */

struct tag {
	struct slice opaque;		/* with its quotation marks */
	bool weak;
};

/* The tag at the start of the text; NULL: there is none, else behind it. */
static const char *read_tag(const char *at, const char *end, struct tag *ret)
{
	const char *start;

	ret->weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
	start = at += ret->weak ? 2 : 0;
	if (at == end || *at++ != '"')
		return NULL;
	while (at < end && *at != '"' && *at != ' ' && *at != '\t')	/* etagc: other control bytes are in no field */
		at++;
	if (at == end || *at++ != '"')
		return NULL;
	ret->opaque = (struct slice) { start, (size_t) (at - start) };
	return at;
}

bool http_is_etag(struct slice text)
{
	struct tag tag;

	return read_tag(text.at, text.at + text.length, &tag) == text.at + text.length;
}

/* Behind the blanks and commas: empty members are allowed (RFC 9110 5.6.1). */
static const char *skip_commas(const char *at, const char *end)
{
	while (at < end && (*at == ',' || *at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* Whether a line is a list of tags; *found becomes true when one of them is the current one. */
static bool read_tags(struct slice line, const struct tag *current, bool strongly, bool *found)
{
	const char *end = line.at + line.length;
	const char *at = line.at;
	struct tag tag;

	while ((at = skip_commas(at, end)) < end) {
		at = read_tag(at, end, &tag);
		if (!at)
			return false;
		*found |= current->opaque.length > 0 && slice_equal(tag.opaque, current->opaque) &&
			  !(strongly && (tag.weak || current->weak));
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at < end && *at != ',')
			return false;
	}
	return true;
}

/*
 * All lines of that name are one list, and "*" stands alone.  A list that cannot be read to its end matches nothing,
 * wherever it is broken.  nginx skips what it cannot read and takes a tag that it finds beside it; but then an If-Match
 * holds of which half was not understood.  (h2o looks for one tag that is the whole value, and at no If-Match.)
 * *ret_there: there is such a line.
 */
static bool matches(struct slice fields, struct slice name, const struct http_validators *validators, bool strongly,
		    bool *ret_there)
{
	struct tag current = { 0 };
	struct slice line;
	bool found = false, readable = true;

	*ret_there = true;
	if (only_line(fields, name, &line) && slice_equal(line, SLICE("*")))
		return true;
	if (validators->etag.length == 0 ||
	    !read_tag(validators->etag.at, validators->etag.at + validators->etag.length, &current))
		current.opaque = (struct slice) { 0 };
	*ret_there = false;
	while (next_line(&fields, name, &line)) {
		*ret_there = true;
		readable &= read_tags(line, &current, strongly, &found);
	}
	return readable && found;
}

/* --- dates: RFC 9110 5.6.7 --------------------------------------------------------------------------------------- */

struct date {
	int year, month, day, hour, minute, second;
};

static bool take(const char **at, const char *end, const char *text, size_t length)
{
	if ((size_t) (end - *at) < length || memcmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

static bool take_number(const char **at, const char *end, int digits, bool padded, int *ret)
{
	int number = 0;

	if (end - *at < digits)
		return false;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (padded && i == 0 && **at == ' ')
			continue;
		if (!http_is(**at, HTTP_DIGIT))
			return false;
		number = number * 10 + (**at - '0');
	}
	*ret = number;
	return true;
}

/* Names are case-sensitive. */
static bool take_name(const char **at, const char *end, const char *const *names, int *ret)
{
	for (int i = 0; names[i]; i++) {
		if (take(at, end, names[i], strlen(names[i]))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", NULL,
};
static const char *const long_days[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", NULL,
};
static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", NULL };

static bool take_time(const char **at, const char *end, struct date *date)
{
	return take_number(at, end, 2, false, &date->hour) && take(at, end, ":", 1) &&
	       take_number(at, end, 2, false, &date->minute) && take(at, end, ":", 1) &&
	       take_number(at, end, 2, false, &date->second);
}

static time_t seconds_of(const struct date *date, int year)
{
	struct tm tm = {
		.tm_year = year - 1900, .tm_mon = date->month, .tm_mday = date->day,
		.tm_hour = date->hour, .tm_min = date->minute, .tm_sec = date->second,
	};

	return timegm(&tm);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_imf(const char *at, const char *end, struct date *date)
{
	int day;

	return take_name(&at, end, days, &day) && take(&at, end, ", ", 2) &&
	       take_number(&at, end, 2, false, &date->day) && take(&at, end, " ", 1) &&
	       take_name(&at, end, months, &date->month) && take(&at, end, " ", 1) &&
	       take_number(&at, end, 4, false, &date->year) && take(&at, end, " ", 1) &&
	       take_time(&at, end, date) && take(&at, end, " GMT", 4) && at == end;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool read_rfc850(const char *at, const char *end, time_t now, struct date *date)
{
	struct tm tm;
	int day, latest;

	if (!(take_name(&at, end, long_days, &day) && take(&at, end, ", ", 2) &&
	      take_number(&at, end, 2, false, &date->day) && take(&at, end, "-", 1) &&
	      take_name(&at, end, months, &date->month) && take(&at, end, "-", 1) &&
	      take_number(&at, end, 2, false, &date->year) && take(&at, end, " ", 1) &&
	      take_time(&at, end, date) && take(&at, end, " GMT", 4) && at == end) || !gmtime_r(&now, &tm))
		return false;
	latest = tm.tm_year + 1900 + 50;
	date->year = latest - (latest - date->year) % 100;
	if (seconds_of(date, date->year - 50) > now)	/* what is more than 50 years ahead, by a second even, is past */
		date->year -= 100;
	return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool read_asctime(const char *at, const char *end, struct date *date)
{
	int day;

	return take_name(&at, end, days, &day) && take(&at, end, " ", 1) &&
	       take_name(&at, end, months, &date->month) && take(&at, end, " ", 1) &&
	       take_number(&at, end, 2, true, &date->day) && take(&at, end, " ", 1) &&
	       take_time(&at, end, date) && take(&at, end, " ", 1) &&
	       take_number(&at, end, 4, false, &date->year) && at == end;
}

static int days_in(int year, int month)
{
	static const char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return lengths[month] + (month == 1 && leap);
}

/* The day of the week is not compared with the date: nothing depends on it. */
bool http_date_read(struct slice text, time_t now, time_t *ret)
{
	const char *end = text.at + text.length;
	struct date date;

	if (!read_imf(text.at, end, &date) && !read_rfc850(text.at, end, now, &date) &&
	    !read_asctime(text.at, end, &date))
		return false;
	if (date.day < 1 || date.day > days_in(date.year, date.month) || date.hour > 23 ||
	    date.minute > 59 || date.second > 60)
		return false;
	*ret = date.year < 1970 ? 0 : seconds_of(&date, date.year);
	return true;
}

/* --- conditions: RFC 9110 13 ------------------------------------------------------------------------------------- */

/* Whether there is such a field to be compared with: one date, and something that was modified. */
static bool date_of(struct slice fields, struct slice name, const struct http_validators *validators, time_t *ret)
{
	struct slice line;

	return validators->modified != 0 && only_line(fields, name, &line) && http_date_read(line, time(NULL), ret);
}

enum http_verdict http_judge(struct slice fields, enum http_method method, const struct http_validators *validators)
{
	bool reads = method == HTTP_GET || method == HTTP_HEAD;
	bool there, matched;
	time_t date;

	/* 13.2.1: they select nothing that could have changed */
	if (method == HTTP_OPTIONS || method == HTTP_CONNECT || method == HTTP_TRACE)
		return HTTP_PROCEED;

	/* 13.2.2, steps 1 and 2 */
	matched = matches(fields, SLICE("If-Match"), validators, true, &there);
	if (there ? !matched
		  : date_of(fields, SLICE("If-Unmodified-Since"), validators, &date) && validators->modified > date)
		return HTTP_PRECONDITION_FAILED;

	/* Steps 3 and 4.  5 is about ranges, which are not offered. */
	matched = matches(fields, SLICE("If-None-Match"), validators, false, &there);
	if (there ? matched
		  : reads && date_of(fields, SLICE("If-Modified-Since"), validators, &date) &&
		    validators->modified <= date)
		return reads ? HTTP_NOT_MODIFIED : HTTP_PRECONDITION_FAILED;
	return HTTP_PROCEED;
}

/* --- Accept-Encoding: RFC 9110 12.4.2, 12.5.3 -------------------------------------------------------------------- */

enum { NOT_SAID = -1, MOST = 1000 };

struct weights {			/* in thousandths */
	int gzip, any, identity;
};

/* ( "0" [ "." *3DIGIT ] ) / ( "1" [ "." *3"0" ] ); -1: it is none */
static int read_weight(struct slice text)
{
	int weight, factor = 100;

	if (text.length == 0 || text.length > 5 || (*text.at != '0' && *text.at != '1') ||
	    (text.length > 1 && text.at[1] != '.'))
		return -1;
	weight = (*text.at - '0') * MOST;
	for (size_t i = 2; i < text.length; i++, factor /= 10) {
		if (!http_is(text.at[i], HTTP_DIGIT))
			return -1;
		weight += (text.at[i] - '0') * factor;
	}
	return weight <= MOST ? weight : -1;
}

/* One member, "gzip" or "gzip;q=0.5"; false: it is malformed. */
static bool take_coding(struct slice member, struct weights *weights)
{
	const char *end = member.at + member.length;
	const char *at = http_skip(member.at, end, HTTP_TOKEN);
	struct slice coding = { member.at, (size_t) (at - member.at) };
	struct slice rest = trimmed(at, end);
	int weight = MOST;

	if (coding.length == 0)
		return member.length == 0;
	if (rest.length > 0) {
		if (*rest.at != ';')
			return false;
		rest = trimmed(rest.at + 1, end);
		if (rest.length < 2 || (rest.at[0] | 0x20) != 'q' || rest.at[1] != '=')
			return false;
		weight = read_weight((struct slice) { rest.at + 2, rest.length - 2 });
		if (weight < 0)
			return false;
	}
	if (slice_equal_nocase(coding, SLICE("gzip")) || slice_equal_nocase(coding, SLICE("x-gzip")))
		weights->gzip = weight;
	else if (slice_equal_nocase(coding, SLICE("identity")))
		weights->identity = weight;
	else if (slice_equal(coding, SLICE("*")))
		weights->any = weight;
	return true;
}

bool http_accepts_gzip(struct slice fields)
{
	struct weights weights = { NOT_SAID, NOT_SAID, NOT_SAID };
	struct slice line;

	while (next_line(&fields, SLICE("Accept-Encoding"), &line)) {
		const char *end = line.at + line.length;

		for (const char *at = line.at; at < end;) {
			const char *comma = memchr(at, ',', (size_t) (end - at));

			if (!take_coding(trimmed(at, comma ? comma : end), &weights))
				return false;
			at = comma ? comma + 1 : end;
		}
	}
	if (weights.gzip == NOT_SAID)
		weights.gzip = weights.any;
	return weights.gzip > 0 && weights.gzip >= weights.identity;
}
