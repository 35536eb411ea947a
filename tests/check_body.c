/* SPDX-License-Identifier: MIT */
/*
 * Chunked content by tables.  As in check_parser.c a refusal is written up to the byte that shows the
 * fault, and then what may follow.  Each row is walked whole, byte by byte, and in two pieces cut at every
 * place, and once more with chunk data skipped unseen: the verdict, and how many bytes were taken, are the
 * same.
 */
#undef NDEBUG
#include "http/body.h"
#include "http/slice.h"
#include "fixture.h"
#include "guarded.h"

#include <stdio.h>

enum { ALLOWED = 100 };

#define BYTES(literal) { literal, sizeof literal - 1 }

struct refusal {
	int status;
	const char *why;
	struct slice fault;	/* up to the byte that shows it */
	struct slice rest;
};

struct acceptance {
	const char *why;
	struct slice body;
};

#define LAST				"0\r\n\r\n"
#define REFUSED(status, why, fault, rest) { status, why, BYTES(fault), BYTES(rest) }
#define BAD(why, fault, rest)		REFUSED(400, why, fault, rest)
#define ZEROS				"00000000000000000000000000000000"	/* 32 of them */

static const struct refusal refusals[] = {
	/* chunk-size: RFC 9112 7.1 */
	BAD("9112 7.1: a size has digits", "\r", "\n"),
	BAD("9112 7.1: a size has digits", ";", "a\r\n"),
	BAD("9112 7.1: no sign", "+", "5\r\nabcde\r\n" LAST),
	BAD("9112 7.1: no sign", "-", "1\r\n"),
	BAD("9112 7.1: no prefix", "0x", "5\r\nabcde\r\n" LAST),
	BAD("9112 7.1: no prefix", "0X", "5\r\nabcde\r\n" LAST),
	BAD("9112 7.1: no suffix", "5h", "\r\nabcde\r\n" LAST),
	BAD("9112 7.1: g is no digit", "g", "\r\n"),
	BAD("9112 7.1: nor is G", "G", "\r\n"),
	BAD("9112 7.1: nor is @, before A", "@", "\r\n"),
	BAD("9112 7.1: nor is :, behind 9", ":", "\r\n"),
	BAD("9112 7.1: nor is `, before a", "`", "\r\n"),
	BAD("9112 7.1: nor is /, before 0", "/", "\r\n"),
	BAD("9112 7.1: an underscore", "1_", "0\r\n"),
	BAD("9112 7.1: a comma", "1,", "1\r\n"),
	BAD("9112 7.1: a fraction", "1.", "0\r\n"),
	BAD("9112 7.1: NUL", "\0", "5\r\n"),
	BAD("9112 7.1: NUL behind the size", "5\0", "\r\nabcde"),
	BAD("9112 7.1: digits that are not ASCII", "\xef", "\xbc\x95\r\n"),
	BAD("9112 7.1: a blank before the size", " ", "5\r\nabcde\r\n" LAST),
	BAD("9112 7.1: HTAB before the size", "\t", "5\r\n"),
	BAD("9112 7.1: an empty line before the size", "\r", "\n5\r\nabcde\r\n" LAST),
	BAD("9112 7.1: a lone LF before the size", "\n", "5\r\nabcde\r\n" LAST),
	BAD("9112 7.1.1: blanks behind the size need a semicolon", "5 \r", "\nabcde\r\n" LAST),
	BAD("9112 7.1.1: HTAB behind the size needs one too", "5\t\r", "\nabcde\r\n" LAST),
	BAD("9112 7.1: two sizes", "5 5", "\r\n"),
	BAD("9112 7.1: a vertical tab", "5\v", "\r\n"),
	BAD("9112 7.1: one that would be small in 64 bits", "10000000000000000", "5\r\n"),
	BAD("9112 7.1: one that would be 0 in 64 bits", "10000000000000000", "\r\n"),
	BAD("9112 7.1: past 64 bits, zeros before it", "000000000000000010000000000000000", ""),
	BAD("bounded: 33 digits", ZEROS "5", "\r\n"),
	BAD("bounded: 33 zeros", ZEROS "0", "\r\n"),

	/* Line ends: RFC 9112 2.2 is about lines of the head; 7.1 asks for CRLF */
	BAD("9112 7.1: a lone LF behind the size", "5\n", "abcde\r\n" LAST),
	BAD("9112 7.1: a lone CR behind the size", "5\ra", "bcde\r\n" LAST),
	BAD("9112 7.1: CR CR LF behind the size", "5\r\r", "\nabcde\r\n" LAST),
	BAD("9112 7.1: a lone LF behind the data", "5\r\nabcde\n", LAST),
	BAD("9112 7.1: a lone CR behind the data", "5\r\nabcde\r0", "\r\n\r\n"),
	BAD("9112 7.1: nothing behind the data", "5\r\nabcde0", "\r\n\r\n"),
	BAD("9112 7.1: more data than announced", "5\r\nabcdef", "\r\n" LAST),
	BAD("9112 7.1: less data than announced", "5\r\nabc\r\n0", "\r\n\r\n"),
	BAD("9112 7.1: two line ends behind the data", "5\r\nabcde\r\n\r", "\n" LAST),
	BAD("9112 7.1: CR CR LF behind the data", "5\r\nabcde\r\r", "\n" LAST),
	BAD("9112 7.1: a lone LF behind the last size", "0\n", "\r\n"),
	BAD("9112 7.1: a lone LF at the end", "0\r\n\n", ""),
	BAD("9112 7.1: a lone CR at the end", "0\r\n\rG", "ET / HTTP/1.1\r\n"),
	BAD("9112 7.1: CR CR LF at the end", "0\r\n\r\r", "\n"),

	/* chunk-ext: RFC 9112 7.1.1 */
	BAD("9112 7.1.1: no name", "5;\r", "\nabcde\r\n" LAST),
	BAD("9112 7.1.1: blanks for a name", "5; \r", "\nabcde\r\n" LAST),
	BAD("9112 7.1.1: no name before the next", "5;;", "a\r\n"),
	BAD("9112 7.1.1: no name before the equals sign", "5;=", "a\r\n"),
	BAD("9112 7.1.1: a name is a token", "5;\"", "a\"\r\n"),
	BAD("9112 7.1.1: a name is a token", "5;a(", "\r\n"),
	BAD("9112 7.1.1: a name is ASCII", "5;\xc3", "\xa9\r\n"),
	BAD("9112 7.1.1: two names", "5;a b", "\r\n"),
	BAD("9112 7.1.1: a blank behind the name", "5;a \r", "\n"),
	BAD("9112 7.1.1: a blank behind a value", "5;a=b \r", "\n"),
	BAD("9112 7.1.1: a blank behind a quoted value", "5;a=\"b\" \r", "\n"),
	BAD("9112 7.1.1: no value", "5;a=\r", "\n"),
	BAD("9112 7.1.1: blanks for a value", "5;a= \r", "\n"),
	BAD("9112 7.1.1: no value before the next", "5;a=;", "b\r\n"),
	BAD("9112 7.1.1: two equals signs", "5;a==", "b\r\n"),
	BAD("9112 7.1.1: two equals signs", "5;a=b=", "c\r\n"),
	BAD("9112 7.1.1: two values", "5;a=b c", "\r\n"),
	BAD("9112 7.1.1: a value is a token", "5;a=b/", "\r\n"),
	BAD("9112 7.1.1: a quote inside a token", "5;a=b\"", "c\"\r\n"),
	BAD("9112 7.1.1: a token behind a quote", "5;a=\"b\"c", "\r\n"),
	BAD("9112 7.1.1: two quotes", "5;a=\"b\"\"", "c\"\r\n"),
	BAD("9112 7.1.1: a comma for the semicolon", "5;a,", "b\r\n"),
	BAD("9112 7.1.1: a comma for the first semicolon", "5,", "a\r\n"),
	BAD("9112 7.1.1: a name without a semicolon", "5 x", "\r\n"),
	BAD("9112 7.1.1: a lone LF in an extension", "5;a\n", "abcde\r\n" LAST),
	BAD("9112 7.1.1: a lone LF before a name", "5;\n", "abcde\r\n" LAST),
	BAD("9112 7.1.1: a lone LF in a value", "5;a=b\n", "abcde\r\n" LAST),
	BAD("9112 7.1.1: a lone CR in an extension", "5;a\rb", "\r\n"),
	BAD("9112 7.1.1: NUL in an extension", "5;a\0", "\r\n"),
	BAD("9110 5.6.4: a line end in a quoted string", "5;a=\"b\r", "\nabcde\r\n" LAST),
	BAD("9110 5.6.4: a lone LF in a quoted string", "5;a=\"b\n", "c\"\r\n"),
	BAD("9110 5.6.4: an escaped line end", "5;a=\"b\\\r", "\nc\"\r\n"),
	BAD("9110 5.6.4: an escaped LF", "5;a=\"b\\\n", "c\"\r\n"),
	BAD("9110 5.6.4: an escaped NUL", "5;a=\"b\\\0", "c\"\r\n"),
	BAD("9110 5.6.4: DEL in a quoted string", "5;a=\"\x7f", "\"\r\n"),
	BAD("9110 5.6.4: a control byte in a quoted string", "5;a=\"\x1f", "\"\r\n"),
	BAD("9110 5.6.4: an escaped quote does not end it", "5;a=\"b\\\"\r", "\n"),
	BAD("extensions of the last chunk too", "0;a=\r", "\n\r\n"),

	/* Trailer fields: RFC 9112 7.1.2, 5 */
	BAD("9112 5.1: a blank before the colon", "0\r\nA ", ": b\r\n\r\n"),
	BAD("9112 5.2: obs-fold", "0\r\nA: b\r\n ", "c\r\n\r\n"),
	BAD("9112 5.2: obs-fold with HTAB", "0\r\nA: b\r\n\t", "c\r\n\r\n"),
	BAD("9112 5: a blank before the first", "0\r\n ", "A: b\r\n\r\n"),
	BAD("9112 5: no name", "0\r\n:", " b\r\n\r\n"),
	BAD("9112 5: no colon", "0\r\nabc\r", "\n\r\n"),
	BAD("9110 5.1: a name is a token", "0\r\na(", ": b\r\n\r\n"),
	BAD("9110 5.1: a name is ASCII", "0\r\n\x80", ": b\r\n\r\n"),
	BAD("9110 5.5: NUL in a value", "0\r\nA: b\0", "\r\n\r\n"),
	BAD("9110 5.5: DEL in a value", "0\r\nA: b\x7f", "\r\n\r\n"),
	BAD("9110 5.5: a vertical tab in a value", "0\r\nA:\v", "b\r\n\r\n"),
	BAD("9112 7.1.2: a lone LF behind a value", "0\r\nA: b\n", "\r\n"),
	BAD("9112 7.1.2: a lone CR behind a value", "0\r\nA: b\rC", ": d\r\n\r\n"),
	BAD("9112 7.1.2: CR CR LF behind a value", "0\r\nA: b\r\r", "\n\r\n"),
	BAD("9112 7.1.2: a lone LF behind the fields", "0\r\nA: b\r\n\n", ""),
	BAD("9112 7.1.2: a lone CR behind the fields", "0\r\nA: b\r\n\rG", "ET"),

	/* What may come: 100 bytes */
	REFUSED(413, "one chunk with one byte more", "65\r", "\n"),
	REFUSED(413, "told at the extension, if there is one", "65;", "a\r\n"),
	REFUSED(413, "told at a blank before it", "65 ", ";a\r\n"),
	REFUSED(413, "two chunks with one byte more",
		"5\r\nabcde\r\n60\r", "\n"),
	REFUSED(413, "after all that is allowed has come", "64\r\n"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"\r\n1\r", "\na\r\n" LAST),
	REFUSED(413, "the largest size of 64 bits", "ffffffffffffffff\r", "\n"),
	REFUSED(413, "one that would be small in 32 bits", "100000005\r", "\n"),
	BAD("a malformed size line weighs more", "65x", "\r\n"),
};

#define ACCEPTED(why, body) { why, BYTES(body) }

static const struct acceptance acceptances[] = {
	ACCEPTED("nothing at all", LAST),
	ACCEPTED("one chunk", "5\r\nabcde\r\n" LAST),
	ACCEPTED("chunks of one byte", "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" LAST),
	ACCEPTED("all that is allowed", "64\r\n"
		 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		 "\r\n" LAST),
	ACCEPTED("9112 7.1: sizes have no case", "a\r\n0123456789\r\nB\r\n0123456789a\r\nc\r\n0123456789ab\r\n"
		 "D\r\n0123456789abc\r\ne\r\n0123456789abcd\r\nF\r\n0123456789abcde\r\n" LAST),
	ACCEPTED("two digits", "1f\r\n0123456789012345678901234567890\r\n" LAST),
	ACCEPTED("9112 7.1: zeros before a size", "00000005\r\nabcde\r\n" LAST),
	ACCEPTED("9112 7.1: zeros for the last size", "0000\r\n\r\n"),
	ACCEPTED("as many zeros as are taken", "00000000000000000000000000000005\r\nabcde\r\n" ZEROS "\r\n\r\n"),
	ACCEPTED("padded sizes, each counted by itself", "0000000000000001\r\na\r\n0000000000000001\r\na\r\n"
		 "0000000000000001\r\na\r\n" LAST),
	ACCEPTED("data that looks like framing", "9\r\n\r\n0\r\n\r\n\r\n\r\n" LAST),
	ACCEPTED("data of any bytes", "5\r\n\0\xff\x7f\n\r\r\n" LAST),
	ACCEPTED("an extension", "5;a\r\nabcde\r\n" LAST),
	ACCEPTED("an extension with a value", "5;a=b\r\nabcde\r\n" LAST),
	ACCEPTED("extensions", "5;a=b;c;d=e\r\nabcde\r\n" LAST),
	ACCEPTED("an extension of the last chunk", "0;a=b\r\n\r\n"),
	ACCEPTED("9112 7.1.1: bad blanks in all their places", "5 \t; a \t= \tb\t; c ;d= e\r\nabcde\r\n" LAST),
	ACCEPTED("9112 7.1.1: any token", "5;!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: a quoted string", "5;a=\"b\"\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: an empty one", "5;a=\"\"\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: one with delimiters inside", "5;a=\"b;c=d, \t(e)\"\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: one with obs-text", "5;a=\"\x80\xff\"\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: escapes", "5;a=\"\\\"\\\\\\a\\\t\\ \\\xff\"\r\nabcde\r\n" LAST),
	ACCEPTED("9110 5.6.4: another behind it", "5;a=\"b\" ; c=\"d\";e\r\nabcde\r\n" LAST),
	ACCEPTED("9112 7.1.2: a trailer", "0\r\nA: b\r\n\r\n"),
	ACCEPTED("9112 7.1.2: trailers", "5\r\nabcde\r\n0\r\nA: b\r\nC:\r\nD: \t e\x80 f \r\n\r\n"),
	ACCEPTED("9110 5.5: quotes in a trailer are not looked into", "0\r\nA: \"b\\\r\n\r\n"),
	ACCEPTED("9110 6.5.1: what must not be a trailer changes nothing",
		 "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: x y\r\n\r\n"),
};

enum { N_REFUSALS = sizeof refusals / sizeof *refusals, N_ACCEPTANCES = sizeof acceptances / sizeof *acceptances };

/* How a walk went. */
struct outcome {
	int status;		/* 0: none */
	size_t taken;
	bool done;
};

/* Walks on with some more bytes, at the end of a page.  False: the walk is over. */
static bool walk(struct http_chunked *chunked, struct outcome *outcome, const char *bytes, size_t length)
{
	bool done = !outcome->done;
	ssize_t r = http_chunked_walk(chunked, guarded(bytes, length), length, &done);

	if (r < 0) {
		outcome->status = (int) -r;
		return false;
	}
	ck_assert(r == (ssize_t) length || done);
	ck_assert(r <= (ssize_t) length);
	outcome->taken += (size_t) r;
	outcome->done = done;
	return !done;
}

static struct outcome walk_in_two(const char *bytes, size_t length, size_t cut)
{
	struct outcome outcome = { 0 };
	struct http_chunked chunked;

	http_chunked_begin(&chunked, ALLOWED);
	if (walk(&chunked, &outcome, bytes, cut))
		(void) walk(&chunked, &outcome, bytes + cut, length - cut);
	return outcome;
}

static struct outcome walk_bytewise(const char *bytes, size_t length)
{
	struct outcome outcome = { 0 };
	struct http_chunked chunked;

	http_chunked_begin(&chunked, ALLOWED);
	for (size_t at = 0; at < length; at++)
		if (!walk(&chunked, &outcome, bytes + at, 1))
			break;
	return outcome;
}

/* As a connection does that discards a chunk's data in the kernel. */
static struct outcome walk_skipping(const char *bytes, size_t length)
{
	struct outcome outcome = { 0 };
	struct http_chunked chunked;
	uint64_t data;

	http_chunked_begin(&chunked, ALLOWED);
	for (size_t at = 0; at < length; at = outcome.taken) {
		data = http_chunked_data(&chunked);
		if (data > 0) {
			data = data < length - at ? data : length - at;
			data = data > 1 ? data - 1 : 1;		/* in several pieces */
			http_chunked_skip(&chunked, data);
			outcome.taken += data;
		} else if (!walk(&chunked, &outcome, bytes + at, 1)) {
			break;
		}
	}
	return outcome;
}

START_TEST(a_fault_is_told_at_the_byte_that_shows_it_and_not_before)
{
	const struct refusal *row = &refusals[_i];
	size_t length = row->fault.length + row->rest.length;
	struct outcome outcome;
	char bytes[4096];

	memcpy(bytes, row->fault.at, row->fault.length);
	memcpy(bytes + row->fault.length, row->rest.at, row->rest.length);

	outcome = walk_bytewise(bytes, length);
	ck_assert_msg(outcome.status == row->status, "%s: %d bytewise", row->why, outcome.status);
	ck_assert_msg(outcome.taken == row->fault.length - 1, "%s: %zu taken bytewise", row->why, outcome.taken);
	outcome = walk_skipping(bytes, length);
	ck_assert_msg(outcome.status == row->status, "%s: %d when skipping", row->why, outcome.status);
	ck_assert_msg(outcome.taken == row->fault.length - 1, "%s: %zu when skipping", row->why, outcome.taken);

	for (size_t cut = 0; cut <= length; cut++) {
		outcome = walk_in_two(bytes, length, cut);
		ck_assert_msg(outcome.status == row->status, "%s: %d, cut at %zu", row->why, outcome.status, cut);
		outcome = walk_in_two(bytes, cut, 0);
		ck_assert_msg(outcome.status == (cut < row->fault.length ? 0 : row->status) && !outcome.done,
			      "%s: %d of the first %zu", row->why, outcome.status, cut);
	}
}
END_TEST

START_TEST(a_good_body_is_walked_to_its_end_and_no_further)
{
	static const char behind[] = "\0\r\n0\r\n\r\nGET";
	const struct acceptance *row = &acceptances[_i];
	size_t length = row->body.length;
	struct outcome outcome;
	char bytes[4096];

	memcpy(bytes, row->body.at, length);
	memcpy(bytes + length, behind, sizeof behind);

	outcome = walk_bytewise(bytes, length + sizeof behind);
	ck_assert_msg(outcome.done && outcome.taken == length, "%s: bytewise, %zu", row->why, outcome.taken);
	outcome = walk_skipping(bytes, length + sizeof behind);
	ck_assert_msg(outcome.done && outcome.taken == length, "%s: skipping, %zu", row->why, outcome.taken);

	for (size_t cut = 0; cut <= length + sizeof behind; cut++) {
		outcome = walk_in_two(bytes, length + sizeof behind, cut);
		ck_assert_msg(outcome.done && outcome.taken == length, "%s: %d, %zu taken, cut at %zu", row->why,
			      outcome.status, outcome.taken, cut);
		outcome = walk_in_two(bytes, cut, 0);
		ck_assert_msg(outcome.status == 0 && outcome.done == (cut >= length), "%s: %d, %s of the first %zu",
			      row->why, outcome.status, outcome.done ? "done" : "not done", cut);
	}
}
END_TEST

START_TEST(nothing_is_taken_after_the_end)
{
	struct http_chunked chunked;
	bool done = false;

	http_chunked_begin(&chunked, ALLOWED);
	ck_assert_int_eq(http_chunked_walk(&chunked, LAST, 5, &done), 5);
	done = false;
	ck_assert_int_eq(http_chunked_walk(&chunked, LAST, 5, &done), 0);
	ck_assert(done);
}
END_TEST

START_TEST(any_byte_in_the_place_of_a_size_is_a_hex_digit_or_400)
{
	char bytes[] = "?\r\n";
	bool hex = (_i >= '0' && _i <= '9') || (_i >= 'a' && _i <= 'f') || (_i >= 'A' && _i <= 'F');
	struct http_chunked chunked;
	unsigned long value;
	bool done;

	bytes[0] = (char) _i;
	value = hex ? strtoul((char[]) { (char) _i, '\0' }, NULL, 16) : 0;
	http_chunked_begin(&chunked, ALLOWED);
	ck_assert_int_eq(http_chunked_walk(&chunked, bytes, 3, &done), hex ? 3 : -400);
	if (hex)
		ck_assert_uint_eq(http_chunked_data(&chunked), value);
}
END_TEST

static int with_byte(const char *before, int byte, const char *after)
{
	char bytes[64];
	int n = snprintf(bytes, sizeof bytes, "%sx%s", before, after);
	struct outcome outcome;

	bytes[strlen(before)] = (char) byte;
	outcome = walk_in_two(bytes, (size_t) n, 0);
	return outcome.done ? 200 : outcome.status;
}

START_TEST(each_byte_is_taken_where_its_grammar_has_it)
{
	bool text = _i == '\t' || (_i >= ' ' && _i != 0x7f);
	bool token = _i > ' ' && _i < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", _i);

	ck_assert_int_eq(with_byte("0;a", _i, "b\r\n\r\n"), token || _i == ';' || _i == '=' ? 200 : 400);
	ck_assert_int_eq(with_byte("0;a=b", _i, "c\r\n\r\n"), token || _i == ';' ? 200 : 400);
	ck_assert_int_eq(with_byte("0;a=\"b", _i, "c\"\r\n\r\n"), text && _i != '"' ? 200 : 400);
	ck_assert_int_eq(with_byte("0;a=\"\\", _i, "c\"\r\n\r\n"), text ? 200 : 400);
	ck_assert_int_eq(with_byte("0\r\na", _i, "b:c\r\n\r\n"), token || _i == ':' ? 200 : 400);
	ck_assert_int_eq(with_byte("0\r\na:", _i, "\r\n\r\n"), text ? 200 : 400);
}
END_TEST

START_TEST(data_is_told_once_its_size_line_is_complete)
{
	struct http_chunked chunked;
	bool done;

	http_chunked_begin(&chunked, ALLOWED);
	ck_assert_int_eq(http_chunked_walk(&chunked, "1e\r", 3, &done), 3);
	ck_assert_uint_eq(http_chunked_data(&chunked), 0);
	ck_assert_int_eq(http_chunked_walk(&chunked, "\nabc", 4, &done), 4);
	ck_assert_uint_eq(http_chunked_data(&chunked), 27);
	http_chunked_skip(&chunked, 0);
	http_chunked_skip(&chunked, 26);
	ck_assert_uint_eq(http_chunked_data(&chunked), 1);
	http_chunked_skip(&chunked, 1);
	ck_assert_uint_eq(http_chunked_data(&chunked), 0);
	ck_assert_int_eq(http_chunked_walk(&chunked, "\r\n" LAST, 7, &done), 7);
	ck_assert(done);
}
END_TEST

START_TEST(a_chunk_of_nearly_64_bits_is_skipped_in_one_step)
{
	struct http_chunked chunked;
	bool done;

	http_chunked_begin(&chunked, UINT64_MAX);
	ck_assert_int_eq(http_chunked_walk(&chunked, "fffffffffffffffe\r\n", 18, &done), 18);
	http_chunked_skip(&chunked, UINT64_MAX - 1);
	ck_assert_int_eq(http_chunked_walk(&chunked, "\r\n1\r\na\r\n", 8, &done), 8);
	ck_assert_int_eq(http_chunked_walk(&chunked, "1\r", 2, &done), -413);
}
END_TEST

/* -- bounds ---------------------------------------------------------------------------------------------- */

/* Writes the text again and again until that many bytes are there; returns where it stopped. */
static size_t repeat(char *to, size_t length, const char *text)
{
	for (size_t at = 0; at < length; at++)
		to[at] = text[at % strlen(text)];
	return length;
}

START_TEST(one_extension_is_bounded)
{
	static char bytes[HTTP_CHUNK_EXTENSIONS_MAX + 16] = "0;";
	struct outcome outcome;
	size_t length = 2 + repeat(bytes + 2, HTTP_CHUNK_EXTENSIONS_MAX - 1, "a");

	memcpy(bytes + length, "\r\n\r\n", 4);
	outcome = walk_in_two(bytes, length + 4, length / 2);
	ck_assert(outcome.done);

	memcpy(bytes + length, "a\r\n\r\n", 5);
	outcome = walk_in_two(bytes, length + 5, length / 2);
	ck_assert_int_eq(outcome.status, 400);
}
END_TEST

START_TEST(extensions_of_all_chunks_together_are_bounded)
{
	char chunk[1100] = "1;";
	size_t length = 2 + repeat(chunk + 2, 1023, "a=\"b\\\" \";cd");	/* 93 times, whole */
	struct http_chunked chunked;
	bool done;

	memcpy(chunk + length, "\r\nx\r\n", 5);
	http_chunked_begin(&chunked, ALLOWED);
	for (int n = 0; n < HTTP_CHUNK_EXTENSIONS_MAX / 1024; n++)
		ck_assert_int_gt(http_chunked_walk(&chunked, chunk, length + 5, &done), 0);
	ck_assert_int_eq(http_chunked_walk(&chunked, "1;a\r", 4, &done), -400);
}
END_TEST

START_TEST(trailers_are_bounded_and_extensions_do_not_count)
{
	static char bytes[HTTP_TRAILERS_MAX + 16] = "0;abc\r\n";
	size_t length = 7 + repeat(bytes + 7, HTTP_TRAILERS_MAX, "A: bcd\r\n");	/* a whole number of lines */
	struct outcome outcome;

	memcpy(bytes + length, "\r\n", 2);
	outcome = walk_in_two(bytes, length + 2, length / 2);
	ck_assert(outcome.done);

	memcpy(bytes + length, "A", 1);
	outcome = walk_in_two(bytes, length, length / 2);
	ck_assert_int_eq(outcome.status, 0);
	outcome = walk_in_two(bytes, length + 1, length / 2);
	ck_assert_int_eq(outcome.status, 431);
}
END_TEST

START_TEST(one_trailer_is_bounded)
{
	static char bytes[HTTP_TRAILERS_MAX + 16] = "0\r\nA:";
	size_t length = 5 + repeat(bytes + 5, HTTP_TRAILERS_MAX, "b");
	struct outcome outcome = walk_in_two(bytes, length, length / 2);

	ck_assert_int_eq(outcome.status, 431);
}
END_TEST

/* -- any bytes at all ------------------------------------------------------------------------------------ */

START_TEST(any_bytes_get_one_verdict_however_they_are_split)
{
	static const char alphabet[] = "\r\n\r\n\r\n;=\"\\ \t:0015aZ\x80\x01";
	unsigned long long random = 0x9e3779b97f4a7c15 + (unsigned) _i;

	for (int round = 0; round < 400; round++) {
		unsigned row = random_next(&random) % (N_REFUSALS + N_ACCEPTANCES);
		struct slice from = row < N_REFUSALS ? refusals[row].fault : acceptances[row - N_REFUSALS].body;
		struct outcome outcome;
		struct outcome other;
		char bytes[4096];

		memcpy(bytes, from.at, from.length);
		for (unsigned n = random_next(&random) % 4; n > 0; n--)
			bytes[random_next(&random) % from.length] = alphabet[random_next(&random) % (sizeof alphabet - 1)];

		outcome = walk_bytewise(bytes, from.length);
		other = walk_skipping(bytes, from.length);
		ck_assert(other.status == outcome.status && other.done == outcome.done && other.taken == outcome.taken);
		for (size_t cut = 0; cut <= from.length; cut++) {
			other = walk_in_two(bytes, from.length, cut);
			ck_assert_int_eq(other.status, outcome.status);
			ck_assert_int_eq(other.done, outcome.done);
			if (outcome.status == 0)
				ck_assert_uint_eq(other.taken, outcome.taken);
		}
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("body");
	TCase *rows = tcase_create("rows");
	TCase *bounds = tcase_create("bounds");
	TCase *any = tcase_create("any");

	tcase_add_loop_test(rows, a_fault_is_told_at_the_byte_that_shows_it_and_not_before, 0, N_REFUSALS);
	tcase_add_loop_test(rows, a_good_body_is_walked_to_its_end_and_no_further, 0, N_ACCEPTANCES);
	tcase_add_loop_test(rows, any_byte_in_the_place_of_a_size_is_a_hex_digit_or_400, 0, 256);
	tcase_add_loop_test(rows, each_byte_is_taken_where_its_grammar_has_it, 0, 256);
	tcase_add_test(rows, nothing_is_taken_after_the_end);
	tcase_add_test(rows, data_is_told_once_its_size_line_is_complete);
	tcase_add_test(rows, a_chunk_of_nearly_64_bits_is_skipped_in_one_step);
	suite_add_tcase(s, rows);

	tcase_add_test(bounds, one_extension_is_bounded);
	tcase_add_test(bounds, extensions_of_all_chunks_together_are_bounded);
	tcase_add_test(bounds, trailers_are_bounded_and_extensions_do_not_count);
	tcase_add_test(bounds, one_trailer_is_bounded);
	suite_add_tcase(s, bounds);

	tcase_add_loop_test(any, any_bytes_get_one_verdict_however_they_are_split, 0, 10);
	tcase_set_timeout(any, 60);
	suite_add_tcase(s, any);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
