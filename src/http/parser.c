/* SPDX-License-Identifier: MIT */
/*
 * Everything is looked at once, from the first byte on, and a fault is answered at the byte that shows it.
 * So the same bytes get the same answer however they were split: no byte can change what an earlier one has
 * decided.  The limits work the same way: they only move the place where looking stops (struct scan), and say
 * what it means to get there.  Requests that are well formed but refused (413, 417, 421, 501) wait for the
 * end of the head, since a fault further on, which leaves in doubt where the message ends, weighs more.
 *
 * A parser that keeps its state between calls was rejected: nearly every head comes in one piece, and one
 * that does not is small and is read again from its start, which costs less than the state to save and hand
 * over.  So was a tree or a hash of field names: five of them matter, and their lengths already tell them
 * apart.
 */
#include "http/parser.h"
#include "http/blocks.h"

#include <arpa/inet.h>

enum { EMPTY_LINES_MAX = 2 };	/* before a request line; RFC 9112 2.2 asks for one at least */

enum {				/* what the fields of one head have told so far */
	SEEN_HOST		= 1 << 0,
	SEEN_CLOSE		= 1 << 1,
	SEEN_KEEP_ALIVE		= 1 << 2,
	SEEN_LENGTH		= 1 << 3,
	SEEN_CODING		= 1 << 4,	/* a Transfer-Encoding, be it empty */
	SEEN_CHUNKED		= 1 << 5,	/* and its last coding so far is chunked */
	SEEN_UNKNOWN_CODING	= 1 << 6,
	SEEN_CONTINUE		= 1 << 7,
	SEEN_EXPECTATION	= 1 << 8,	/* another one than 100-continue */
	SEEN_HTTPS		= 1 << 9,	/* the scheme of an absolute-form target */
};

struct head {
	struct http_request *request;
	unsigned seen;
	struct slice length_digits;	/* the first Content-Length, without leading zeros */
};

/* How far to look: to the end of the bytes, or to the last one that a limit allows. */
struct scan {
	const char *stop;
	int at_stop;		/* the verdict there: 0, more bytes are needed, or minus the limit's status */
};

static struct scan scan_within(const char *at, const char *end, size_t limit, int beyond)
{
	if ((size_t) (end - at) > limit)
		return (struct scan) { at + limit, -beyond };
	return (struct scan) { end, 0 };
}

static inline const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

static inline struct slice between(const char *at, const char *end)
{
	return (struct slice) { at, (size_t) (end - at) };
}

static struct slice trimmed(struct slice value)
{
	const char *end = value.at + value.length;
	const char *at = skip_blanks(value.at, end);

	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return between(at, end);
}

/* Compares with a word of small letters, digits and '-', where setting one bit makes a capital small and
 * changes none of the others.  (It makes other bytes out of control bytes only, and there are none in a
 * field.) */
static inline bool is_word(struct slice text, const char *word, size_t length)
{
	if (text.length != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((text.at[i] | 0x20) != word[i])
			return false;
	return true;
}

#define IS_WORD(text, literal) is_word(text, "" literal, sizeof literal - 1)

/* -- hosts: RFC 9110 4.2.1, 7.2; RFC 3986 3.2.2 ---------------------------------------------------------- */

static bool is_ipv6(struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (text.length >= sizeof copy)
		return false;
	memcpy(copy, text.at, text.length);
	copy[text.length] = '\0';
	return inet_pton(AF_INET6, copy, &address) == 1;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_ip_future(struct slice text)
{
	const char *end = text.at + text.length;
	const char *at = text.at;
	const char *dot;

	if (at == end || (*at | 0x20) != 'v')
		return false;
	dot = http_skip(++at, end, HTTP_HEX);
	if (dot == at || dot == end || *dot != '.' || dot + 1 == end)
		return false;
	for (at = dot + 1; at < end; at++)
		if (*at != ':' && !http_is(*at, HTTP_HOST))
			return false;
	return true;
}

/* Behind the uri-host at the start of the text, or NULL: its brackets hold no address. */
static const char *skip_host(const char *at, const char *end)
{
	if (at < end && *at == '[') {
		const char *close = memchr(at, ']', (size_t) (end - at));
		struct slice literal;

		if (!close)
			return NULL;
		literal = between(at + 1, close);
		return is_ipv6(literal) || is_ip_future(literal) ? close + 1 : NULL;
	}

	for (;;) {
		at = http_skip(at, end, HTTP_HOST);
		if (end - at < 3 || *at != '%' || !http_is(at[1], HTTP_HEX) || !http_is(at[2], HTTP_HEX))
			return at;
		at += 3;
	}
}

/* uri-host [ ":" port ].  The port is 0 when it has no digits, too.  False: it is not of that form. */
static bool split_authority(struct slice authority, struct slice *ret_host, unsigned *ret_port)
{
	const char *end = authority.at + authority.length;
	const char *at = skip_host(authority.at, end);
	unsigned port = 0;

	if (!at || (at < end && *at != ':'))
		return false;
	*ret_host = between(authority.at, at);

	for (at++; at < end; at++) {	/* behind an authority there is always something: a blank, or the line's end */
		port = port * 10 + (unsigned) (*at - '0');
		if (!http_is(*at, HTTP_DIGIT) || port > 65535)
			return false;
	}
	*ret_port = port;
	return true;
}

/* -- the request line: RFC 9112 3 ------------------------------------------------------------------------ */

static enum http_method method_of(struct slice name)
{
	switch (name.length) {
	case 3:
		return memcmp(name.at, "GET", 3) == 0 ? HTTP_GET : HTTP_OTHER;
	case 4:
		return memcmp(name.at, "HEAD", 4) == 0 ? HTTP_HEAD : HTTP_OTHER;
	case 5:
		return memcmp(name.at, "TRACE", 5) == 0 ? HTTP_TRACE : HTTP_OTHER;
	case 7:
		if (memcmp(name.at, "OPTIONS", 7) == 0)
			return HTTP_OPTIONS;
		return memcmp(name.at, "CONNECT", 7) == 0 ? HTTP_CONNECT : HTTP_OTHER;
	default:
		return HTTP_OTHER;
	}
}

/* "http://" authority [ "/" ... ] [ "?" ... ] */
static int take_absolute(struct head *head)
{
	struct http_request *request = head->request;
	struct slice target = request->target;
	const char *end = target.at + target.length;
	const char *at;
	const char *rest;
	struct slice host;
	unsigned port;

	if (target.length > 7 && strncasecmp(target.at, "http://", 7) == 0) {
		at = target.at + 7;
	} else if (target.length > 8 && strncasecmp(target.at, "https://", 8) == 0) {
		at = target.at + 8;
		head->seen |= SEEN_HTTPS;
	} else {
		return -400;
	}

	for (rest = at; rest < end && *rest != '/' && *rest != '?'; rest++)
		;
	/* A user in front of the host and an empty host are refused: RFC 9110 4.2.1, 4.2.4. */
	if (!split_authority(between(at, rest), &host, &port) || host.length == 0)
		return -400;

	request->form = HTTP_ABSOLUTE;
	request->host = between(at, rest);
	request->host_name = host;
	for (at = rest; rest < end && *rest != '?'; rest++)
		;
	request->path = rest > at ? between(at, rest) : SLICE("/");
	if (rest < end)
		request->query = between(rest + 1, end);
	return 1;
}

/* A target that is not of origin form; all its bytes are of those we take. */
static int take_target(struct head *head)
{
	struct http_request *request = head->request;
	struct slice host;
	unsigned port;

	if (request->method == HTTP_CONNECT) {
		/* RFC 9110 9.3.6: an empty or invalid port must be rejected. */
		if (!split_authority(request->target, &host, &port) || host.length == 0 || port == 0)
			return -400;
		request->form = HTTP_AUTHORITY;
		return 1;
	}
	if (request->target.length == 1 && *request->target.at == '*') {
		request->form = HTTP_ASTERISK;
		return request->method == HTTP_OPTIONS ? 1 : -400;
	}
	return take_absolute(head);
}

/* The version and its line end, byte by byte: they are not all there, or not as usual. */
static int parse_version_slowly(const char *at, const char *end, struct scan line)
{
	static const char form[] = "HTTP/1.1\r\n";
	bool digit;
	size_t i;

	for (i = 0; i < sizeof form - 1; i++) {
		if (i < 8 && at + i == line.stop)
			return line.at_stop;
		if (at + i == end)
			return 0;
		digit = i == 5 || i == 7;
		if (digit ? !http_is(at[i], HTTP_DIGIT) : at[i] != form[i])
			return i == 8 && at + i == line.stop && line.at_stop ? line.at_stop : -400;
	}
	return at[5] == '1' ? 1 : -505;
}

static int parse_version(struct http_request *ret, const char *at, const char *end, struct scan line)
{
	int r = 1;

	if (end - at < 10 || line.stop - at < 8 || memcmp(at, "HTTP/1.1\r\n", 10) != 0)
		r = parse_version_slowly(at, end, line);
	if (r > 0)
		ret->minor = at[7] != '0';	/* what comes after 1.1 is answered as 1.1: RFC 9110 2.5 */
	return r;
}

/* Moves on behind the line.  1, 0 when more is needed, or minus the status; so do the parts below. */
static int parse_request_line(struct head *head, const char **at_p, const char *end, size_t limit)
{
	struct http_request *request = head->request;
	struct scan line = scan_within(*at_p, end, limit, 414);
	const char *at = *at_p;
	const char *start = at;
	int r = 1;

	at = http_skip(at, line.stop, HTTP_TOKEN);
	if (at == line.stop)			/* a method is no target that could be too long */
		return line.at_stop ? -400 : 0;
	if (*at != ' ' || at == start)		/* a TLS greeting ends here too: no line end will come */
		return -400;
	request->method_name = between(start, at);
	request->method = method_of(request->method_name);

	start = ++at;
	at = http_skip(at, line.stop, HTTP_PATH);
	request->path = between(start, at);
	if (at < line.stop && *at == '?') {
		const char *query = at + 1;

		at = http_skip(query, line.stop, HTTP_TARGET);
		request->query = between(query, at);
	}
	if (at == line.stop)
		return line.at_stop;
	if (*at != ' ' || at == start)
		return -400;
	request->target = between(start, at);
	request->form = HTTP_ORIGIN;
	if (*start != '/' || request->method == HTTP_CONNECT) {
		request->path = request->query = (struct slice) { 0 };
		r = take_target(head);
		if (r < 0)
			return r;
	}

	r = parse_version(request, ++at, end, line);
	*at_p = at + 10;
	return r;
}

/* -- the fields that frame or route a message ------------------------------------------------------------ */

static int take_host(struct head *head, struct slice value)
{
	struct slice host;
	unsigned port;

	if (head->seen & SEEN_HOST)		/* RFC 9112 3.2 */
		return -400;
	head->seen |= SEEN_HOST;
	if (!split_authority(value, &host, &port))
		return -400;
	/* An http URI has a host, so an empty one is refused (RFC 9112 3.3), and ":80" as well, which is no field of a
	 * client at all; but with an absolute-form target nothing is wanted of an empty field. */
	if (host.length == 0 && (value.length > 0 || head->request->form != HTTP_ABSOLUTE))
		return -400;
	if (head->request->form != HTTP_ABSOLUTE) {
		head->request->host = value;
		head->request->host_name = host;
	}
	return 0;
}

/* The next member of a comma-separated list, without blanks; empty ones are members too.  False: there is
 * no more. */
static bool next_member(struct slice *rest, struct slice *ret)
{
	const char *comma;
	const char *end;

	if (!rest->at)
		return false;
	end = rest->at + rest->length;
	comma = memchr(rest->at, ',', rest->length);
	*ret = trimmed(between(rest->at, comma ? comma : end));
	*rest = comma ? between(comma + 1, end) : (struct slice) { 0 };
	return true;
}

static int take_connection(struct head *head, struct slice value)
{
	struct slice member;

	while (next_member(&value, &member)) {
		if (IS_WORD(member, "close"))
			head->seen |= SEEN_CLOSE;
		else if (IS_WORD(member, "keep-alive"))
			head->seen |= SEEN_KEEP_ALIVE;
	}
	return 0;
}

static int take_expect(struct head *head, struct slice value)
{
	struct slice member;

	/* A comma in a quoted string splits it into two members that are both unknown: it comes to the same. */
	while (next_member(&value, &member)) {
		if (IS_WORD(member, "100-continue"))
			head->seen |= SEEN_CONTINUE;
		else if (member.length > 0)
			head->seen |= SEEN_EXPECTATION;
	}
	return 0;
}

/* False: it does not fit. */
static bool number_of(struct slice digits, uint64_t *ret)
{
	uint64_t number = 0;

	for (size_t i = 0; i < digits.length; i++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t) (digits.at[i] - '0'), &number))
			return false;
	}
	*ret = number;
	return true;
}

static int take_content_length(struct head *head, struct slice value)
{
	struct slice member;
	const char *at;
	const char *end;

	if (head->seen & SEEN_CODING)		/* both: the classic of request smuggling, RFC 9112 6.1 */
		return -400;

	while (next_member(&value, &member)) {
		at = member.at;
		end = at + member.length;
		if (at == end || http_skip(at, end, HTTP_DIGIT) != end)
			return -400;
		while (at < end && *at == '0')
			at++;
		if (!(head->seen & SEEN_LENGTH))
			head->length_digits = between(at, end);
		else if (!slice_equal(head->length_digits, between(at, end)))
			return -400;
		head->seen |= SEEN_LENGTH;
	}

	/* What no counter can hold has no end that can be told, so it is not just more than is allowed (RFC 9110 8.6). */
	return number_of(head->length_digits, &head->request->content_length) ? 0 : -400;
}

/* token / quoted-string; NULL: neither. */
static const char *skip_token_or_quoted(const char *at, const char *end)
{
	const char *start = at;

	if (at == end || *at != '"') {
		at = http_skip(at, end, HTTP_TOKEN);
		return at > start ? at : NULL;
	}
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && ++at == end)
			return NULL;
	}
	return NULL;
}

/* *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) ) and the blanks behind; NULL: something
 * else. */
static const char *skip_parameters(const char *at, const char *end)
{
	const char *name;

	for (;;) {
		at = skip_blanks(at, end);
		if (at == end || *at != ';')
			return at;
		name = skip_blanks(at + 1, end);
		at = http_skip(name, end, HTTP_TOKEN);
		if (at == name)
			return NULL;
		at = skip_blanks(at, end);
		if (at == end || *at != '=')
			return NULL;
		at = skip_token_or_quoted(skip_blanks(at + 1, end), end);
		if (!at)
			return NULL;
	}
}

/* All its lines are one list, RFC 9112 6.1.  Chunked must be the last coding, once, and has no parameters
 * (7.1). */
static int take_transfer_encoding(struct head *head, struct slice value)
{
	const char *at = value.at;
	const char *end = at + value.length;
	struct slice coding;

	if (head->request->minor == 0 || head->seen & SEEN_LENGTH)
		return -400;
	head->seen |= SEEN_CODING;

	for (;;) {
		while (at < end && (*at == ',' || *at == ' ' || *at == '\t'))
			at++;
		if (at == end)
			return 0;
		coding = between(at, http_skip(at, end, HTTP_TOKEN));
		if (coding.length == 0 || head->seen & SEEN_CHUNKED)
			return -400;
		at = skip_blanks(coding.at + coding.length, end);
		if (IS_WORD(coding, "chunked")) {
			head->seen |= SEEN_CHUNKED;
		} else {
			head->seen |= SEEN_UNKNOWN_CODING;
			at = skip_parameters(at, end);
		}
		if (!at || (at < end && *at != ','))
			return -400;
	}
}

/* -- field lines: RFC 9112 5 ----------------------------------------------------------------------------- */

/* If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since by their lengths; who wants to know reads them again. */
static void note_condition(struct head *head, struct slice name)
{
	head->request->conditional |= IS_WORD(((struct slice) { name.at, 3 }), "if-");
}

static int take_field(struct head *head, struct slice name, struct slice value)
{
	switch (name.length) {
	case 4:
		return IS_WORD(name, "host") ? take_host(head, trimmed(value)) : 0;
	case 6:
		return IS_WORD(name, "expect") ? take_expect(head, value) : 0;
	case 8:
	case 13:
	case 19:
		note_condition(head, name);
		return 0;
	case 10:
		return IS_WORD(name, "connection") ? take_connection(head, value) : 0;
	case 14:
		return IS_WORD(name, "content-length") ? take_content_length(head, value) : 0;
	case 17:
		note_condition(head, name);
		return IS_WORD(name, "transfer-encoding") ? take_transfer_encoding(head, value) : 0;
	default:
		return 0;
	}
}

/* Moves on behind the empty line. */
static int parse_fields(struct head *head, const char **at_p, const char *end, const struct http_limits *limits)
{
	struct scan fields = scan_within(*at_p, end, limits->max_header, 431);
	const char *at = *at_p;
	const char *start = at;
	uint32_t lines = 0;
	struct slice name;
	struct slice value;
	int r;

	for (;; at += 2) {
		if (at == end)
			return 0;
		if (*at == '\r')
			break;
		if (at == fields.stop || lines++ == limits->max_headers)
			return -431;

		name.at = at;
		at = http_skip_name(at, fields.stop);
		if (at == fields.stop)
			return fields.at_stop;
		name.length = (size_t) (at - name.at);
		if (*at != ':' || name.length == 0)	/* a blank is refused before the colon, and as a fold */
			return -400;

		value.at = ++at;
		at = http_skip_value(at, fields.stop);
		value.length = (size_t) (at - value.at);
		if (at == fields.stop || (*at == '\r' && at + 1 == fields.stop))
			return fields.at_stop;
		if (*at != '\r' || at[1] != '\n')
			return -400;

		r = take_field(head, name, value);
		if (r < 0)
			return r;
	}

	if (at + 1 == end)
		return 0;
	head->request->fields = between(start, at);
	*at_p = at + 2;
	return at[1] == '\n' ? 1 : -400;
}

/* -- the head as a whole --------------------------------------------------------------------------------- */

static int skip_empty_lines(const char **at_p, const char *end)
{
	const char *at = *at_p;

	for (int lines = 0; at < end && *at == '\r'; lines++) {
		if (lines == EMPTY_LINES_MAX)
			return -400;
		if (at + 1 == end)
			return 0;
		if (at[1] != '\n')
			return -400;
		at += 2;
	}
	*at_p = at;
	return at < end;
}

/* What can only be told at the end.  A message whose extent is in doubt first. */
static int judge(const struct head *head, const struct http_limits *limits)
{
	struct http_request *request = head->request;
	unsigned seen = head->seen;

	if (!(seen & SEEN_HOST) && request->minor > 0)
		return -400;
	if (seen & SEEN_CODING && !(seen & SEEN_CHUNKED))	/* RFC 9112 6.3: the content has no end that can be told */
		return -400;

	request->chunked = seen & SEEN_CHUNKED;
	request->keep_alive = !(seen & SEEN_CLOSE) && (request->minor > 0 || seen & SEEN_KEEP_ALIVE);
	request->expect_continue = seen & SEEN_CONTINUE && request->minor > 0 &&
				   (request->chunked || request->content_length > 0);

	if (seen & SEEN_UNKNOWN_CODING)
		return -501;
	if (request->content_length > limits->max_body)
		return -413;
	if (seen & SEEN_HTTPS)
		return -421;
	if (seen & SEEN_EXPECTATION && request->minor > 0)
		return -417;
	return 1;
}

ssize_t http_parse_request(const char *bytes, size_t length, const struct http_limits *limits,
			   struct http_request *ret)
{
	struct head head = { .request = ret };
	const char *end = bytes + length;
	const char *at = bytes;
	int r;

	*ret = (struct http_request) { 0 };
	r = skip_empty_lines(&at, end);
	if (r > 0)
		r = parse_request_line(&head, &at, end, limits->max_request_line);
	if (r > 0)
		r = parse_fields(&head, &at, end, limits);
	if (r > 0)
		r = judge(&head, limits);
	return r > 0 ? at - bytes : r;
}
