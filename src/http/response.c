/* SPDX-License-Identifier: MIT */
/*
 * Everything here runs when a configuration is loaded, never for a request; so it is written to be checked by eye, not
 * to be fast.  Date is always the first field (RFC 9110 6.6.1 asks for it, no order), so that its place does not
 * depend on what was configured.
 */
#include "http/response.h"

#include "http/bytes.h"
#include "http/variables.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* RFC 9110 15 and the IANA registry of status codes. */
static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },			{ 201, "Created" },		{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },			{ 204, "No Content" },
	{ 205, "Reset Content" },	{ 206, "Partial Content" },	{ 207, "Multi-Status" },
	{ 208, "Already Reported" },	{ 226, "IM Used" },
	{ 300, "Multiple Choices" },	{ 301, "Moved Permanently" },	{ 302, "Found" },
	{ 303, "See Other" },		{ 304, "Not Modified" },	{ 305, "Use Proxy" },
	{ 307, "Temporary Redirect" },	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },		{ 401, "Unauthorized" },	{ 402, "Payment Required" },
	{ 403, "Forbidden" },		{ 404, "Not Found" },		{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },	{ 409, "Conflict" },		{ 410, "Gone" },
	{ 411, "Length Required" },	{ 412, "Precondition Failed" },	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },				{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },	{ 422, "Unprocessable Content" },
	{ 423, "Locked" },		{ 424, "Failed Dependency" },	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },				{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },		{ 503, "Service Unavailable" },	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },				{ 506, "Variant Also Negotiates" },
	{ 507, "Insufficient Storage" },				{ 508, "Loop Detected" },
	{ 511, "Network Authentication Required" },
};

const char *http_reason(unsigned status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

bool http_status_has_content(unsigned status)
{
	return status >= 200 && status != 204 && status != 205 && status != 304;
}

/* A 304 may say the length that a 200 would have had; having no such thing, it says none (RFC 9110 8.6). */
bool http_status_has_length(unsigned status)
{
	return status >= 200 && status != 204 && status != 304;
}

void http_date_write(char to[HTTP_DATE_LENGTH], time_t at)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[64];
	struct tm tm;

	if (!gmtime_r(&at, &tm))
		memset(&tm, 0, sizeof tm);
	(void) snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
			tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(to, text, HTTP_DATE_LENGTH);
}

static bool is_one_of(struct slice name, const char *const *names)
{
	for (; *names; names++)
		if (slice_equal_nocase(name, slice_of(*names)))
			return true;
	return false;
}

struct writer {
	char *to;
	size_t length, capacity;	/* length goes on counting when capacity is used up */
};

static void write_slice(struct writer *w, struct slice bytes)
{
	if (w->length + bytes.length <= w->capacity)
		memcpy(w->to + w->length, bytes.at, bytes.length);
	w->length += bytes.length;
}

static void __attribute__((format(printf, 2, 3))) write_text(struct writer *w, const char *format, ...)
{
	char text[128];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (n > 0)
		write_slice(w, (struct slice) { text, (size_t) n < sizeof text ? (size_t) n : sizeof text - 1 });
}

static void write_field(struct writer *w, struct slice name, struct slice value)
{
	write_slice(w, name);
	write_slice(w, SLICE(": "));
	write_slice(w, value);
	write_slice(w, SLICE("\r\n"));
}

bool http_answer_has(const struct http_answer *answer, struct slice name)
{
	for (size_t i = 0; i < answer->n_fields; i++)
		if (slice_equal_nocase(answer->fields[i].name, name))
			return true;
	return false;
}

/* A value becomes a template, which is not longer. */
static void write_configured(struct writer *w, const struct http_field *field)
{
	write_slice(w, field->name);
	write_slice(w, SLICE(": "));
	if (w->length + field->value.length <= w->capacity)
		w->length += http_variables_compile(w->to + w->length, field->value);
	else
		w->length += field->value.length;
	write_slice(w, SLICE("\r\n"));
}

static void write_unless_empty(struct writer *w, struct slice name, struct slice value)
{
	if (value.length > 0)
		write_field(w, name, value);
}

/* Who sends Upgrade must name it in Connection, too (RFC 9110 7.8). */
static void write_connection(struct writer *w, enum http_persistence persistence, bool upgrade)
{
	switch (persistence) {
	case HTTP_KEEP:
	case HTTP_PERSISTENCES:
		if (upgrade)
			write_field(w, SLICE("Connection"), SLICE("upgrade"));
		break;
	case HTTP_KEEP_ALIVE:
		write_field(w, SLICE("Connection"), upgrade ? SLICE("keep-alive, upgrade") : SLICE("keep-alive"));
		break;
	case HTTP_CLOSE:
		write_field(w, SLICE("Connection"), upgrade ? SLICE("close, upgrade") : SLICE("close"));
		break;
	}
}

ssize_t http_head_write(char *to, size_t capacity, const struct http_answer *answer, enum http_persistence persistence,
			uint32_t *ret_date)
{
	static const char no_date[HTTP_DATE_LENGTH + 1] = "                             ";
	/* What describes the content that a 304 does not have is left out (RFC 9110 15.4.5). */
	static const char *const of_content[] = {
		"Content-Disposition", "Content-Encoding", "Content-Language", NULL,
	};
	struct writer w = { .to = to, .capacity = capacity };
	uint32_t date;

	write_text(&w, "HTTP/1.1 %u %s\r\n", answer->status, http_reason(answer->status));
	write_slice(&w, SLICE("Date: "));
	date = (uint32_t) w.length;
	write_slice(&w, (struct slice) { no_date, HTTP_DATE_LENGTH });
	write_slice(&w, SLICE("\r\n"));
	if (answer->content_type.length > 0 && http_status_has_content(answer->status))
		write_field(&w, SLICE("Content-Type"), answer->content_type);
	for (size_t i = 0; i < answer->n_fields; i++)
		if (answer->status != 304 || !is_one_of(answer->fields[i].name, of_content))
			write_configured(&w, &answer->fields[i]);
	write_unless_empty(&w, SLICE("ETag"), answer->etag);
	write_unless_empty(&w, SLICE("Last-Modified"), answer->last_modified);
	write_unless_empty(&w, SLICE("Content-Encoding"), answer->content_encoding);
	write_unless_empty(&w, SLICE("Vary"), answer->vary);
	write_unless_empty(&w, SLICE("Allow"), answer->allow);
	if (http_status_has_length(answer->status))
		write_text(&w, "Content-Length: %zu\r\n", answer->body.length);

	write_connection(&w, persistence, http_answer_has(answer, SLICE("Upgrade")));
	write_slice(&w, SLICE("\r\n"));

	if (w.length > capacity)
		return -ENOBUFS;
	*ret_date = date;
	return (ssize_t) w.length;
}

static bool is_all(struct slice text, unsigned classes)
{
	const char *end = text.at + text.length;

	return text.length == 0 || http_skip(text.at, end, classes) == end;
}

const char *http_field_refused(struct slice name, struct slice value)
{
	static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection", "Date", NULL };
	static const char *const hop_by_hop[] = { "Keep-Alive", "Trailer", "TE", NULL };

	if (name.length == 0 || !is_all(name, HTTP_TOKEN))
		return "a field name is letters, digits and !#$%&'*+-.^_`|~ only";
	if (!is_all(value, HTTP_VALUE))
		return "a field value has no control characters";
	if (http_variables_refused(value))
		return http_variables_refused(value);
	if (slice_equal_nocase(name, SLICE("Content-Type")))
		return "this has a key of its own, content_type";
	if (is_one_of(name, ours))
		return "reactord sets this field itself";
	if (is_one_of(name, hop_by_hop))
		return "this field belongs to the connection, not to an answer";
	return NULL;
}

const char *http_answer_refused(const struct http_answer *answer)
{
	unsigned status = answer->status;

	if (status < 200 || status > 599)
		return "a status is 200 to 599";
	if (status == 206 || status == 416)
		return "ranges are not offered, so 206 and 416 cannot be answered";
	if (answer->body.length > 0 && !http_status_has_content(status))
		return "an answer with status 204, 205 or 304 has no body";
	if (status == 401 && !http_answer_has(answer, SLICE("WWW-Authenticate")))
		return "401 needs a header WWW-Authenticate";
	if (status == 407 && !http_answer_has(answer, SLICE("Proxy-Authenticate")))
		return "407 needs a header Proxy-Authenticate";
	if (status == 426 && !http_answer_has(answer, SLICE("Upgrade")))
		return "426 needs a header Upgrade";
	return NULL;
}
