/* SPDX-License-Identifier: MIT */
/*
 * The parser by tables.  A refusal is written in two parts, up to the byte that shows the fault and what
 * may follow it; so each row claims three things: nothing is said before that byte, the status comes with
 * it, and nothing behind it changes the status.  An accepted head is compared with all that is told of it,
 * written in one line.  Both are tried in every split there is, and at the end of a page behind which
 * nothing can be read.
 */
#undef NDEBUG
#include "http/parser.h"
#include "fixture.h"
#include "guarded.h"

#include <stdio.h>

static const struct http_limits usual = {
	.max_request_line = 512, .max_header = 2048, .max_headers = 20, .max_body = 1000,
};

#define BYTES(literal) { literal, sizeof literal - 1 }

struct refusal {
	int status;
	const char *why;
	struct slice fault;	/* up to the byte that shows it */
	struct slice rest;
};

struct acceptance {
	const char *why;
	struct slice head;
	const char *told;
};

#define GET		"GET / HTTP/1.1\r\n"
#define GET_10		"GET / HTTP/1.0\r\n"
#define POST		"POST / HTTP/1.1\r\nHost: a\r\n"
#define POST_10		"POST / HTTP/1.0\r\nHost: a\r\n"
#define HOST		"\r\nHost: a\r\n\r\n"

#define REFUSED(status, why, fault, rest)	{ status, why, BYTES(fault), BYTES(rest) }
/* The request line is at fault: at its end, at the end of its target, or at a byte. */
#define BAD_LINE(status, why, line)		REFUSED(status, why, line "\r\n", "Host: a\r\n\r\n")
#define BAD_TARGET(why, method, target)		REFUSED(400, why, method " " target " ", "HTTP/1.1" HOST)
#define BAD_BYTE(why, line, rest)		REFUSED(400, why, line, rest HOST)
/* A field line is at fault as a whole, or at a byte; or the fields together are. */
#define BAD_FIELD(why, line)			REFUSED(400, why, POST line "\r\n", "\r\n")
#define BAD_FIELD_10(why, line)			REFUSED(400, why, POST_10 line "\r\n", "\r\n")
#define BAD_FIELD_BYTE(why, line, rest)		REFUSED(400, why, POST line, rest "\r\n\r\n")
#define BAD_HOST(why, value)			REFUSED(400, why, GET "Host: " value "\r\n", "\r\n")
#define BAD_HEAD(status, why, lines)		REFUSED(status, why, POST lines "\r\n\r\n", "")

static const struct refusal refusals[] = {
	/* Line ends: RFC 9112 2.2 */
	BAD_BYTE("9112 2.2: three empty lines are no accident", "\r\n\r\n\r", "\nGET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: a lone LF is no empty line", "\n", "GET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: a lone CR is no empty line", "\rG", "ET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: a lone CR after an empty line", "\r\n\rG", "ET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: two CR and a LF are no empty line", "\r\r", "\nGET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: white space before the method", " ", "GET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: white space before the method, after an empty line", "\r\n\t", "GET / HTTP/1.1"),
	BAD_BYTE("9112 2.2: a lone LF does not end the request line", "GET / HTTP/1.1\n", "Host: a\n\n"),
	BAD_BYTE("9112 2.2: a lone CR does not end the request line", "GET / HTTP/1.1\rH", "ost: a"),
	BAD_BYTE("9112 2.2: CR CR LF does not end the request line", "GET / HTTP/1.1\r\r", "\n"),
	BAD_FIELD_BYTE("9112 2.2: a lone LF does not end a field line", "A: b\n", ""),
	BAD_FIELD_BYTE("9112 2.2: a lone CR does not end a field line", "A: b\rC", ": d"),
	BAD_FIELD_BYTE("9112 2.2: CR CR LF does not end a field line", "A: b\r\r", "\n"),
	BAD_FIELD_BYTE("9112 2.2: a lone LF does not end the head", "A: b\r\n\n", ""),
	BAD_FIELD_BYTE("9112 2.2: a lone CR does not end the head", "A: b\r\n\rC", ""),
	BAD_FIELD_BYTE("9112 2.2: CR CR LF does not end the head", "A: b\r\n\r\r", "\n"),

	/* The request line: RFC 9112 3 */
	BAD_BYTE("a TLS greeting never ends a line", "\x16", "\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	BAD_BYTE("an old SSL greeting", "\x80", "\x2e\x01\x00\x02"),
	BAD_BYTE("NUL as a method", "\0", " / HTTP/1.1"),
	BAD_BYTE("9112 3: no method", "\r\n ", "/ HTTP/1.1"),
	BAD_BYTE("9112 3.1: a method is a token", "GE(", "T / HTTP/1.1"),
	BAD_BYTE("9112 3.1: a colon in the method", "GET:", " / HTTP/1.1"),
	BAD_BYTE("9112 3: HTAB behind the method", "GET\t", "/ HTTP/1.1"),
	BAD_BYTE("9112 3: the line ends behind the method", "GET\r", "\n"),
	BAD_BYTE("9112 3: two SP behind the method", "GET  ", "/ HTTP/1.1"),
	BAD_BYTE("9112 3: two SP behind the target", "GET /  ", "HTTP/1.1"),
	BAD_BYTE("9112 3: HTAB behind the target", "GET /\t", "HTTP/1.1"),
	BAD_BYTE("9112 3: SP in the target", "GET /a b", " HTTP/1.1"),
	BAD_BYTE("9112 3: SP behind the version", "GET / HTTP/1.1 ", ""),
	BAD_BYTE("HTTP/0.9 is not spoken", "GET /\r", "\n"),
	BAD_BYTE("a lone LF behind the target", "GET /\n", ""),
	BAD_BYTE("9112 2.3: no version", "GET / \r", "\n"),
	BAD_BYTE("9112 2.3: the version is in capitals", "GET / h", "ttp/1.1"),
	BAD_BYTE("9112 2.3: the version is in capitals to the end", "GET / HTTp", "/1.1"),
	BAD_BYTE("9112 2.3: a minor version of two digits", "GET / HTTP/1.10", ""),
	BAD_BYTE("9112 2.3: a major version of two digits", "GET / HTTP/11", ".1"),
	BAD_BYTE("9112 2.3: no minor version", "GET / HTTP/1\r", "\n"),
	BAD_BYTE("9112 2.3: an empty minor version", "GET / HTTP/1.\r", "\n"),
	BAD_BYTE("9112 2.3: a comma", "GET / HTTP/1,", "1"),
	BAD_BYTE("9112 2.3: a sign", "GET / HTTP/+", "1.1"),
	BAD_BYTE("9112 2.3: a letter for a digit", "GET / HTTP/1.x", ""),
	BAD_BYTE("9112 2.3: blanks in the version", "GET / HTTP/ ", "1.1"),
	BAD_BYTE("9112 2.3: another protocol", "GET / HTTPS", "/1.1"),
	BAD_BYTE("9112 2.3: another protocol", "GET / I", "CY/1.1"),
	BAD_LINE(505, "9110 15.6.6: HTTP/2.0 in a line", "GET / HTTP/2.0"),
	BAD_LINE(505, "9110 15.6.6: HTTP/0.9 in a line", "GET / HTTP/0.9"),
	BAD_LINE(505, "9110 15.6.6: HTTP/3.7", "GET / HTTP/3.7"),
	BAD_BYTE("9113 3.4: the preface of HTTP/2", "PRI * ", "HTTP/2.0\r\n\r\nSM\r\n\r\n"),

	/* The target: RFC 9112 3.2 */
	BAD_BYTE("9112 3.2: a fragment is never sent", "GET /#", "a HTTP/1.1"),
	BAD_BYTE("9112 3.2: a fragment behind a query", "GET /?a#", "b HTTP/1.1"),
	BAD_BYTE("a control byte in a path", "GET /\x01", " HTTP/1.1"),
	BAD_BYTE("NUL in a path", "GET /a\0", "b HTTP/1.1"),
	BAD_BYTE("DEL in a path", "GET /\x7f", " HTTP/1.1"),
	BAD_BYTE("UTF-8 in a path", "GET /\xc3", "\xa9 HTTP/1.1"),
	BAD_BYTE("UTF-8 in a query", "GET /?\xc3", "\xa9 HTTP/1.1"),
	BAD_BYTE("a control byte in a query", "GET /?a\x1f", " HTTP/1.1"),
	BAD_TARGET("9112 3.2: no slash", "GET", "index.html"),
	BAD_TARGET("9112 3.2: a query alone", "GET", "?a=b"),
	BAD_TARGET("9112 3.2.2: a scheme that is not served", "GET", "ftp://a/"),
	BAD_TARGET("9112 3.2.2: a scheme that is not served", "GET", "ws://a/"),
	BAD_TARGET("9112 3.2.2: a scheme without an authority", "GET", "http:/a"),
	BAD_TARGET("9112 3.2.2: a scheme alone", "GET", "http:"),
	BAD_TARGET("9112 3.2.2: a scheme and slashes alone", "GET", "http://"),
	BAD_TARGET("9112 3.2.2: https and slashes alone", "GET", "https://"),
	BAD_TARGET("9110 4.2.1: an empty host", "GET", "http:///path"),
	BAD_TARGET("9110 4.2.1: an empty host before a query", "GET", "http://?query"),
	BAD_TARGET("9110 4.2.1: an empty host before a port", "GET", "http://:80/"),
	BAD_TARGET("9110 4.2.2: an empty host", "GET", "https:///path"),
	BAD_TARGET("9110 4.2.4: a user", "GET", "http://user@a/"),
	BAD_TARGET("9110 4.2.4: a user and a password", "GET", "http://user:word@a/"),
	BAD_TARGET("9110 4.2.4: an empty user", "GET", "http://@a/"),
	BAD_TARGET("3986 3.2.3: a port too large", "GET", "http://a:65536/"),
	BAD_TARGET("3986 3.2.3: a port of letters", "GET", "http://a:b/"),
	BAD_TARGET("3986 3.2.2: a backslash in the host", "GET", "http://a\\b/"),
	BAD_TARGET("3986 3.2.2: no closing bracket", "GET", "http://[::1/"),
	BAD_TARGET("3986 3.2.2: an unfinished escape", "GET", "http://a%4/"),
	BAD_TARGET("9112 3.2.3: authority form without CONNECT", "GET", "a:80"),
	BAD_TARGET("9112 3.2.4: an asterisk without OPTIONS", "GET", "*"),
	BAD_TARGET("9112 3.2.4: an asterisk without OPTIONS", "HEAD", "*"),
	BAD_TARGET("9112 3.2.4: methods are case-sensitive", "options", "*"),
	BAD_TARGET("9112 3.2.4: more than an asterisk", "OPTIONS", "**"),
	BAD_TARGET("9112 3.2.4: an asterisk with a query", "OPTIONS", "*?a"),
	BAD_TARGET("9112 3.2.4: an asterisk with a path", "OPTIONS", "*/"),
	BAD_TARGET("9112 3.2.3: CONNECT with origin form", "CONNECT", "/"),
	BAD_TARGET("9112 3.2.3: CONNECT with a path", "CONNECT", "a:80/"),
	BAD_TARGET("9112 3.2.3: CONNECT with a query", "CONNECT", "a:80?b"),
	BAD_TARGET("9112 3.2.3: CONNECT with absolute form", "CONNECT", "http://a:80/"),
	BAD_TARGET("9112 3.2.3: CONNECT with an asterisk", "CONNECT", "*"),
	BAD_TARGET("9110 9.3.6: CONNECT without a port", "CONNECT", "a"),
	BAD_TARGET("9110 9.3.6: CONNECT with an empty port", "CONNECT", "a:"),
	BAD_TARGET("9110 9.3.6: CONNECT with an invalid port", "CONNECT", "a:0"),
	BAD_TARGET("9110 9.3.6: CONNECT with an invalid port", "CONNECT", "a:65536"),
	BAD_TARGET("9110 9.3.6: CONNECT with an invalid port", "CONNECT", "a:80:80"),
	BAD_TARGET("9110 9.3.6: CONNECT without a host", "CONNECT", ":80"),
	BAD_TARGET("9112 3.2.3: CONNECT with a user", "CONNECT", "b@a:80"),

	/* Field lines: RFC 9112 5, RFC 9110 5 */
	BAD_FIELD_BYTE("9112 5.1: SP before the colon", "A ", ": b"),
	BAD_FIELD_BYTE("9112 5.1: HTAB before the colon", "A\t", ": b"),
	BAD_FIELD_BYTE("9112 5.1: SP before the colon of a length", "Content-Length ", ": 5"),
	BAD_FIELD_BYTE("9112 5.2: obs-fold with SP", "A: b\r\n ", "c"),
	BAD_FIELD_BYTE("9112 5.2: obs-fold with HTAB", "A: b\r\n\t", "c"),
	BAD_FIELD_BYTE("9112 2.2: white space before the first field", " ", "A: b"),
	BAD_FIELD_BYTE("9112 5: an empty name", ":", " b"),
	BAD_FIELD_BYTE("9112 5: no colon", "abc\r", "\n"),
	BAD_FIELD_BYTE("9112 5: no colon but an equals sign", "a=", "b"),
	BAD_FIELD_BYTE("9110 5.1: a name is a token", "a/", "b: c"),
	BAD_FIELD_BYTE("9110 5.1: a name is a token", "a\"", "b: c"),
	BAD_FIELD_BYTE("9110 5.1: a name is ASCII", "\xc3", "\xa9: c"),
	BAD_FIELD_BYTE("9110 5.1: NUL in a name", "a\0", "b: c"),
	BAD_FIELD_BYTE("9110 5.5: NUL in a value", "A: b\0", "c"),
	BAD_FIELD_BYTE("9110 5.5: NUL at the start of a value", "A:\0", "c"),
	BAD_FIELD_BYTE("9110 5.5: NUL far into a value", "A: 0123456789abcdefgh\0", "c"),
	BAD_FIELD_BYTE("9110 5.5: a vertical tab is no white space", "A: b\v", ""),
	BAD_FIELD_BYTE("9110 5.5: a form feed is no white space", "A:\f", "b"),
	BAD_FIELD_BYTE("9110 5.5: DEL in a value", "A: b\x7f", "c"),
	BAD_FIELD_BYTE("9110 5.5: DEL far into a value", "A: 0123456789abcdefgh\x7f", "c"),
	BAD_FIELD_BYTE("9110 5.5: ESC in a value", "A: b\x1b", "[0m"),

	/* Host: RFC 9112 3.2, RFC 9110 7.2, RFC 3986 3.2.2 */
	REFUSED(400, "9112 3.2: HTTP/1.1 without Host", GET "\r\n", ""),
	REFUSED(400, "9112 3.2: HTTP/1.9 without Host", "GET / HTTP/1.9\r\nA: b\r\n\r\n", ""),
	REFUSED(400, "9112 3.2.2: absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", ""),
	REFUSED(400, "9112 3.2.2: absolute form, bad Host", "GET http://a/ HTTP/1.1\r\nHost: b c\r\n", "\r\n"),
	BAD_FIELD("9112 3.2: two Hosts", "Host: b"),
	BAD_FIELD("9112 3.2: the same Host twice", "Host: a"),
	BAD_FIELD("9112 3.2: a second Host, empty", "hOST:"),
	BAD_FIELD_10("9112 3.2: two Hosts in HTTP/1.0", "Host: b"),
	REFUSED(400, "9112 3.2: a bad Host in HTTP/1.0", GET_10 "Host: /\r\n", "\r\n"),
	BAD_HOST("3986 3.2.2: a blank in the host", "a b"),
	BAD_HOST("9110 5.3: two hosts in one line are no host", "a, b"),
	BAD_HOST("9110 7.2: a user", "user@a"),
	BAD_HOST("9110 7.2: a path", "a/"),
	BAD_HOST("9110 7.2: a scheme", "http://a"),
	BAD_HOST("9110 7.2: a query", "a?b"),
	BAD_HOST("9110 7.2: a fragment", "a#b"),
	BAD_HOST("9110 7.2: a backslash", "a\\b"),
	BAD_HOST("9110 7.2: quotes", "\"a\""),
	BAD_HOST("9110 7.2: angle brackets", "<a>"),
	BAD_HOST("9110 7.2: not ASCII", "\xc3\xa9"),
	BAD_HOST("9112 3.3: an http URI without a host", ""),
	BAD_HOST("9112 3.3: nothing but blanks", " \t "),
	REFUSED(400, "9112 3.3: an empty Host in HTTP/1.0", GET_10 "Host:\r\n", "\r\n"),
	REFUSED(400, "9112 3.3: an empty Host for an asterisk", "OPTIONS * HTTP/1.1\r\nHost:\r\n", "\r\n"),
	REFUSED(400, "9110 4.2.1: a port alone, beside absolute form", "GET http://a/ HTTP/1.1\r\nHost: :80\r\n", "\r\n"),
	BAD_HOST("9110 4.2.1: an empty host before a port", ":80"),
	BAD_HOST("9110 4.2.1: an empty host before an empty port", ":"),
	BAD_HOST("3986 3.2.3: a port of letters", "a:http"),
	BAD_HOST("3986 3.2.3: a signed port", "a:-1"),
	BAD_HOST("3986 3.2.3: a port in hex", "a:0x50"),
	BAD_HOST("3986 3.2.3: two ports", "a:80:80"),
	BAD_HOST("3986 3.2.3: a port too large", "a:65536"),
	BAD_HOST("3986 3.2.3: a port past 32 bits", "a:4294967376"),
	BAD_HOST("3986 3.2.3: a port past 64 bits", "a:18446744073709551696"),
	BAD_HOST("3986 2.1: a percent sign alone", "a%"),
	BAD_HOST("3986 2.1: one hex digit", "a%4"),
	BAD_HOST("3986 2.1: no hex digits", "a%zz"),
	BAD_HOST("3986 2.1: a second digit that is none", "%4g"),
	BAD_HOST("3986 3.2.2: IPv6 without brackets", "::1"),
	BAD_HOST("3986 3.2.2: empty brackets", "[]"),
	BAD_HOST("3986 3.2.2: no closing bracket", "[::1"),
	BAD_HOST("3986 3.2.2: no opening bracket", "::1]"),
	BAD_HOST("3986 3.2.2: something behind the bracket", "[::1]a"),
	BAD_HOST("3986 3.2.2: a port without a colon", "[::1]80"),
	BAD_HOST("3986 3.2.2: something before the bracket", "a[::1]"),
	BAD_HOST("3986 3.2.2: two brackets", "[[::1]]"),
	BAD_HOST("3986 3.2.2: a name in brackets", "[a.example]"),
	BAD_HOST("3986 3.2.2: IPv4 in brackets", "[127.0.0.1]"),
	BAD_HOST("3986 3.2.2: a zone", "[fe80::1%25eth0]"),
	BAD_HOST("3986 3.2.2: a zone", "[fe80::1%eth0]"),
	BAD_HOST("3986 3.2.2: too few groups", "[1:2:3]"),
	BAD_HOST("3986 3.2.2: too many groups", "[1:2:3:4:5:6:7:8:9]"),
	BAD_HOST("3986 3.2.2: too many digits in a group", "[12345::]"),
	BAD_HOST("3986 3.2.2: two gaps", "[1::2::3]"),
	BAD_HOST("3986 3.2.2: bad IPv4 in IPv6", "[::256.0.0.1]"),
	BAD_HOST("3986 3.2.2: longer than any address",
		 "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]"),
	BAD_HOST("3986 3.2.2: IPvFuture without a version", "[v.a]"),
	BAD_HOST("3986 3.2.2: IPvFuture without a dot", "[v1a]"),
	BAD_HOST("3986 3.2.2: IPvFuture with a colon for the dot", "[v1:a]"),
	BAD_HOST("3986 3.2.2: IPvFuture without an address", "[v1.]"),
	BAD_HOST("3986 3.2.2: IPvFuture, version alone", "[v1]"),
	BAD_HOST("3986 3.2.2: IPvFuture, v alone", "[v]"),
	BAD_HOST("3986 3.2.2: IPvFuture with a slash", "[v1.a/b]"),
	BAD_HOST("3986 3.2.2: IPvFuture with a percent sign", "[v1.%41]"),

	/* Content-Length: RFC 9110 8.6, RFC 9112 6.3 */
	BAD_FIELD("9110 8.6: an empty length", "Content-Length:"),
	BAD_FIELD("9110 8.6: an empty length", "Content-Length: \t "),
	BAD_FIELD("9110 8.6: a sign", "Content-Length: +5"),
	BAD_FIELD("9110 8.6: a sign", "Content-Length: -5"),
	BAD_FIELD("9110 8.6: hex", "Content-Length: 0x5"),
	BAD_FIELD("9110 8.6: hex without a prefix", "Content-Length: a"),
	BAD_FIELD("9110 8.6: a fraction", "Content-Length: 5.0"),
	BAD_FIELD("9110 8.6: an exponent", "Content-Length: 5e1"),
	BAD_FIELD("9110 8.6: a unit", "Content-Length: 5B"),
	BAD_FIELD("9110 8.6: quotes", "Content-Length: \"5\""),
	BAD_FIELD("9110 8.6: a parameter", "Content-Length: 5;a"),
	BAD_FIELD("9110 8.6: a blank inside", "Content-Length: 5 5"),
	BAD_FIELD("9110 8.6: other digits than ASCII", "Content-Length: \xd9\xa5"),
	BAD_FIELD("9110 8.6: differing lengths in a list", "Content-Length: 5, 6"),
	BAD_FIELD("9110 8.6: differing lengths in a list", "Content-Length: 5,5,6"),
	BAD_FIELD("9110 8.6: an empty member", "Content-Length: 5,"),
	BAD_FIELD("9110 8.6: an empty member", "Content-Length: ,5"),
	BAD_FIELD("9110 8.6: an empty member", "Content-Length: 5,,5"),
	BAD_FIELD("9110 8.6: a comma alone", "Content-Length: ,"),
	BAD_FIELD("9112 6.3: differing lengths in two lines", "Content-Length: 5\r\nContent-Length: 6"),
	BAD_FIELD("9112 6.3: nothing and something", "Content-Length: 0\r\nContent-Length: 6"),
	BAD_FIELD("9112 6.3: the second is malformed", "Content-Length: 5\r\nContent-Length: 5a"),
	BAD_FIELD("9112 6.3: lengths equal modulo 64 bits",
		  "Content-Length: 5\r\nContent-Length: 18446744073709551621"),
	BAD_FIELD("9112 6.3: lengths too long for 64 bits that differ in the last digit",
		  "Content-Length: 99999999999999999999999, 99999999999999999999998"),
	BAD_FIELD("9110 8.6: past 64 bits", "Content-Length: 18446744073709551616"),
	BAD_FIELD("9110 8.6: past 64 bits in the last sum", "Content-Length: 18446744073709551619"),
	BAD_FIELD("9110 8.6: past 64 bits, and behind a line that is not", "A: b\r\nContent-Length: 99999999999999999999"),
	BAD_FIELD("9110 8.6: past 64 bits", "Content-Length: 99999999999999999999999999999999999"),
	BAD_HEAD(413, "9110 15.5.14: one more than allowed", "Content-Length: 1001"),
	BAD_HEAD(413, "9110 15.5.14: twice the same, too long", "Content-Length: 1001\r\nContent-Length: 1001"),
	BAD_HEAD(413, "9110 15.5.14: the largest number", "Content-Length: 18446744073709551615"),
	BAD_HEAD(413, "9110 15.5.14: with an expectation", "Expect: 100-continue\r\nContent-Length: 1001"),
	BAD_HEAD(413, "an unknown expectation weighs less", "Expect: tea\r\nContent-Length: 1001"),

	/* Transfer-Encoding: RFC 9112 6.1, 6.3, 7 */
	BAD_FIELD("9112 6.1: both, length first", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
	BAD_FIELD("9112 6.1: both, coding first", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
	BAD_FIELD("9112 6.1: both, though the length is 0", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
	BAD_FIELD("9112 6.1: both, though the coding is unknown", "Transfer-Encoding: gzip\r\nContent-Length: 5"),
	BAD_FIELD("9112 6.1: both, though the coding is empty", "Transfer-Encoding:\r\nContent-Length: 5"),
	BAD_FIELD("9112 6.1: both, though the length is too long",
		  "Content-Length: 1001\r\nTransfer-Encoding: chunked"),
	BAD_FIELD_10("9112 6.1: a coding in HTTP/1.0", "Transfer-Encoding: chunked"),
	BAD_FIELD_10("9112 6.1: an unknown coding in HTTP/1.0", "Transfer-Encoding: gzip"),
	BAD_FIELD("9112 7: chunked twice", "Transfer-Encoding: chunked, chunked"),
	BAD_FIELD("9112 7: chunked twice in two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	BAD_FIELD("9112 6.3: chunked is not the last", "Transfer-Encoding: chunked, gzip"),
	BAD_FIELD("9112 6.3: chunked is not the last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"),
	BAD_FIELD("9112 6.3: chunked is not the last", "Transfer-Encoding: gzip, chunked, gzip"),
	BAD_FIELD("9112 6.3: chunked is not the last", "Transfer-Encoding: chunked, identity"),
	BAD_FIELD("9112 7.1: chunked has no parameters", "Transfer-Encoding: chunked;a=b"),
	BAD_FIELD("9112 7.1: chunked has no parameters", "Transfer-Encoding: chunked ; q=1"),
	BAD_FIELD("9112 7: no comma", "Transfer-Encoding: gzip chunked"),
	BAD_FIELD("9112 7: a semicolon for the comma", "Transfer-Encoding: gzip; chunked"),
	BAD_FIELD("9112 7: quotes", "Transfer-Encoding: \"chunked\""),
	BAD_FIELD("9112 7: single quotes belong to a token; what is behind it does not", "Transfer-Encoding: 'a' b"),
	BAD_FIELD("9112 7: a coding is a token", "Transfer-Encoding: chunked/1"),
	BAD_FIELD("9112 7: a coding is a token", "Transfer-Encoding: =chunked"),
	BAD_FIELD("9112 7: a coding is ASCII", "Transfer-Encoding: chunked\xa0"),
	BAD_FIELD("9112 7: a coding is ASCII", "Transfer-Encoding: \xef\xbb\xbf" "chunked"),
	BAD_FIELD("9112 7: a parameter without a name", "Transfer-Encoding: gzip;=1"),
	BAD_FIELD("9112 7: a parameter without a value", "Transfer-Encoding: gzip;a="),
	BAD_FIELD("9112 7: a parameter with a colon", "Transfer-Encoding: gzip;a:b, chunked"),
	BAD_FIELD("9112 7: a parameter that is no value", "Transfer-Encoding: gzip;a=(b)"),
	BAD_FIELD("9112 7: a quote without an end", "Transfer-Encoding: gzip;a=\"b, chunked"),
	BAD_FIELD("9112 7: a quote that ends in a backslash", "Transfer-Encoding: gzip;a=\"b\\"),
	BAD_FIELD("9112 7: a quote without an end, escaped", "Transfer-Encoding: gzip;a=\"b\\\""),
	BAD_HEAD(400, "9112 6.3: no coding at all", "Transfer-Encoding:"),
	BAD_HEAD(400, "9112 6.3: only empty members", "Transfer-Encoding: , ,\t,"),
	BAD_HEAD(400, "9112 6.3: an unknown coding and no chunked", "Transfer-Encoding: gzip"),
	BAD_HEAD(400, "9112 6.3: an unknown coding and no chunked", "Transfer-Encoding: identity"),
	BAD_HEAD(501, "9112 6.1: an unknown coding before chunked", "Transfer-Encoding: gzip, chunked"),
	BAD_HEAD(501, "9112 6.1: one more", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
	BAD_HEAD(400, "9112 6.3: nearly chunked", "Transfer-Encoding: xchunked"),
	BAD_HEAD(400, "9112 6.3: nearly chunked", "Transfer-Encoding: chunkedx"),
	BAD_HEAD(400, "9112 6.3: nearly chunked", "Transfer-Encoding: chunke"),
	BAD_HEAD(501, "9112 7: with parameters", "Transfer-Encoding: a ; b = c;d=\"e, chunked\" , chunked"),
	BAD_HEAD(501, "9112 7: with an escaped quote", "Transfer-Encoding: a;b=\"\\\", chunked\", chunked"),
	BAD_HEAD(501, "an unknown expectation weighs less", "Expect: tea\r\nTransfer-Encoding: gzip, chunked"),

	/* Expect: RFC 9110 10.1.1 */
	BAD_HEAD(417, "9110 10.1.1: an unknown expectation", "Expect: tea"),
	BAD_HEAD(417, "9110 10.1.1: an unknown one beside the known", "Expect: 100-continue, tea"),
	BAD_HEAD(417, "9110 10.1.1: an unknown one in a line of its own", "Expect: tea\r\nExpect: 100-continue"),
	BAD_HEAD(417, "9110 10.1.1: nearly", "Expect: 100-continue=1"),
	BAD_HEAD(417, "9110 10.1.1: nearly", "Expect: 100 continue"),
	BAD_HEAD(417, "9110 10.1.1: nearly", "Expect: 200-continue"),
	BAD_HEAD(417, "9110 10.1.1: in quotes it is another one", "Expect: \"100-continue\""),
	BAD_HEAD(417, "9110 10.1.1: with a list inside", "Expect: a=\"b, 100-continue, c\""),

	/* Which fault counts */
	REFUSED(400, "no Host weighs more than 417", GET "Expect: tea\r\n\r\n", ""),
	REFUSED(400, "no Host weighs more than 413", GET "Content-Length: 1001\r\n\r\n", ""),
	REFUSED(400, "no Host weighs more than 501", GET "Transfer-Encoding: gzip\r\n\r\n", ""),
	REFUSED(400, "no Host weighs more than 421", "GET https://a/ HTTP/1.1\r\n\r\n", ""),
	BAD_FIELD("a later malformed line weighs more than 413", "Content-Length: 1001\r\nHost: b"),
	BAD_FIELD("a later length weighs more than 417", "Expect: tea\r\nContent-Length: x"),
	REFUSED(421, "9110 7.4: https is not served here", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	REFUSED(421, "9110 4.2.2: schemes have no case", "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	REFUSED(413, "413 weighs more than 421",
		"GET https://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", ""),
	REFUSED(505, "a version comes before a missing Host", "GET / HTTP/2.0\r\n", "\r\n"),
};

#define ACCEPTED(why, head, told)	{ why, BYTES(head), told }
#define TARGET(why, target, told)	ACCEPTED(why, "GET " target " HTTP/1.1" HOST, told)
#define FIELDS(why, lines, told)	ACCEPTED(why, POST lines "\r\n\r\n", told)
#define FIELDS_10(why, lines, told)	ACCEPTED(why, POST_10 lines "\r\n\r\n", told)
#define GOOD_HOST(why, value, host)	\
	ACCEPTED(why, GET "Host: " value "\r\n\r\n", "GET origin / ? @" host " 1.1 keep 0")

static const struct acceptance acceptances[] = {
	/* Whole requests of real clients */
	ACCEPTED("wrk", "GET / HTTP/1.1\r\nHost: 127.0.0.1:9020\r\n\r\n",
		 "GET origin / ? @127.0.0.1:9020 1.1 keep 0"),
	ACCEPTED("ab", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a:8000\r\n"
		 "User-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n",
		 "GET origin /a ? @a:8000 1.0 keep 0"),
	ACCEPTED("h2load --h1", "GET / HTTP/1.1\r\nHost: [::1]:8000\r\nuser-agent: h2load nghttp2/1.52.0\r\n\r\n",
		 "GET origin / ? @[::1]:8000 1.1 keep 0"),
	ACCEPTED("curl", "GET /x HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
		 "GET origin /x ? @localhost:8000 1.1 keep 0"),
	ACCEPTED("curl -T -", "PUT /x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
		 "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
		 "OTHER origin /x ? @localhost 1.1 keep chunked expect"),
	ACCEPTED("curl --http2", "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
		 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
		 "GET origin / ? @a 1.1 keep 0"),
	ACCEPTED("a browser", "GET /search?q=a%20b&l=en HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n"
		 "sec-ch-ua: \"Chromium\";v=\"122\", \"Not(A:Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n"
		 "Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
		 "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n"
		 "Cookie: a=\xc3\xa9; b=\"c\"\r\n\r\n",
		 "GET origin /search ?q=a%20b&l=en @www.example.com 1.1 keep 0"),
	ACCEPTED("a browser opens a WebSocket, and is told no", "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
		 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		 "GET origin /s ? @a 1.1 keep 0"),
	ACCEPTED("haproxy checks", "OPTIONS / HTTP/1.0\r\n\r\n", "OPTIONS origin / ? @ 1.0 close 0"),

	/* The request line */
	ACCEPTED("9112 2.2: an empty line before it", "\r\nGET / HTTP/1.1" HOST, "GET origin / ? @a 1.1 keep 0"),
	ACCEPTED("9112 2.2: two empty lines", "\r\n\r\nGET / HTTP/1.1" HOST, "GET origin / ? @a 1.1 keep 0"),
	ACCEPTED("9110 9.1: HEAD", "HEAD / HTTP/1.1" HOST, "HEAD origin / ? @a 1.1 keep 0"),
	ACCEPTED("9110 9.1: TRACE", "TRACE / HTTP/1.1" HOST, "TRACE origin / ? @a 1.1 keep 0"),
	ACCEPTED("9110 9.1: OPTIONS", "OPTIONS /a HTTP/1.1" HOST, "OPTIONS origin /a ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.1: methods are case-sensitive", "get / HTTP/1.1" HOST, "OTHER origin / ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.1: a longer one is another", "GETS / HTTP/1.1" HOST, "OTHER origin / ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.1: connect is not CONNECT", "connect / HTTP/1.1" HOST, "OTHER origin / ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.1: any token", "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1" HOST, "OTHER origin / ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.1: one letter", "X / HTTP/1.1" HOST, "OTHER origin / ? @a 1.1 keep 0"),
	ACCEPTED("9110 2.5: a later minor version", "GET / HTTP/1.2" HOST, "GET origin / ? @a 1.1 keep 0"),
	ACCEPTED("9110 2.5: the last minor version", "GET / HTTP/1.9" HOST, "GET origin / ? @a 1.1 keep 0"),
	ACCEPTED("HTTP/1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", "GET origin / ? @ 1.0 close 0"),
	ACCEPTED("HTTP/1.0 may have a Host", "GET / HTTP/1.0" HOST, "GET origin / ? @a 1.0 close 0"),

	/* The target */
	TARGET("a path", "/a/b.html", "GET origin /a/b.html ? @a 1.1 keep 0"),
	TARGET("a path that looks like an authority", "//b/c", "GET origin //b/c ? @a 1.1 keep 0"),
	TARGET("a path with a colon", "/http://b/", "GET origin /http://b/ ? @a 1.1 keep 0"),
	TARGET("a path with dots is as it was sent", "/../a/./b", "GET origin /../a/./b ? @a 1.1 keep 0"),
	TARGET("a query", "/?a=b", "GET origin / ?a=b @a 1.1 keep 0"),
	TARGET("an empty query", "/a?", "GET origin /a ? @a 1.1 keep 0"),
	TARGET("3986 3.4: a second question mark belongs to the query", "/a??b?c", "GET origin /a ??b?c @a 1.1 keep 0"),
	TARGET("3986 3.4: a slash belongs to the query", "/a?/b", "GET origin /a ?/b @a 1.1 keep 0"),
	TARGET("broken escapes are for who decodes them", "/%zz%4?%", "GET origin /%zz%4 ?% @a 1.1 keep 0"),
	TARGET("what browsers do not escape", "/\"<>[]\\^`{|}?\"<>[]\\^`{|}",
	       "GET origin /\"<>[]\\^`{|} ?\"<>[]\\^`{|} @a 1.1 keep 0"),
	TARGET("9112 3.2.2: absolute form, its authority wins", "http://b/c", "GET absolute /c ? @b 1.1 keep 0"),
	TARGET("9112 3.2.2: with a port and a query", "http://b:80/c?d", "GET absolute /c ?d @b:80 1.1 keep 0"),
	TARGET("9112 3.2.2: with an empty port", "http://b:/c", "GET absolute /c ? @b: 1.1 keep 0"),
	TARGET("9110 4.2.3: an empty path is a slash", "http://b", "GET absolute / ? @b 1.1 keep 0"),
	TARGET("9110 4.2.3: an empty path before a query", "http://b?c/d", "GET absolute / ?c/d @b 1.1 keep 0"),
	TARGET("3986 3.1: schemes have no case", "hTTp://b/", "GET absolute / ? @b 1.1 keep 0"),
	TARGET("3986 3.2.2: IPv6", "http://[::1]:80/", "GET absolute / ? @[::1]:80 1.1 keep 0"),
	TARGET("a question mark twice", "http://b/c?d?e", "GET absolute /c ?d?e @b 1.1 keep 0"),
	TARGET("an at sign behind the authority", "http://b/c@d", "GET absolute /c@d ? @b 1.1 keep 0"),
	ACCEPTED("9112 3.2.2: absolute form, empty Host", "GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n",
		 "GET absolute / ? @b 1.1 keep 0"),
	ACCEPTED("9112 3.2.2: absolute form in HTTP/1.0", "GET http://b/ HTTP/1.0\r\n\r\n",
		 "GET absolute / ? @b 1.0 close 0"),
	ACCEPTED("9112 3.2.4: OPTIONS with absolute form", "OPTIONS http://b HTTP/1.1" HOST,
		 "OPTIONS absolute / ? @b 1.1 keep 0"),
	ACCEPTED("9112 3.2.4: OPTIONS with an asterisk", "OPTIONS * HTTP/1.1" HOST,
		 "OPTIONS asterisk  ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.2.3: CONNECT", "CONNECT b:443 HTTP/1.1" HOST, "CONNECT authority  ? @a 1.1 keep 0"),
	ACCEPTED("9112 3.2.3: CONNECT to IPv6", "CONNECT [::1]:1 HTTP/1.1" HOST,
		 "CONNECT authority  ? @a 1.1 keep 0"),

	/* Host */
	GOOD_HOST("a name", "www.example.com", "www.example.com"),
	GOOD_HOST("blanks around it are not part of it", " \t a \t ", "a"),
	GOOD_HOST("a port", "a:8080", "a:8080"),
	GOOD_HOST("3986 3.2.3: an empty port", "a:", "a:"),
	GOOD_HOST("3986 3.2.3: the largest port", "a:65535", "a:65535"),
	GOOD_HOST("3986 3.2.3: port 0 is of the form", "a:0", "a:0"),
	GOOD_HOST("3986 3.2.3: zeros before the port", "a:000000000000080", "a:000000000000080"),
	GOOD_HOST("3986 3.2.2: IPv4", "127.0.0.1", "127.0.0.1"),
	GOOD_HOST("3986 3.2.2: what is no IPv4 is a name", "1.2.3.999", "1.2.3.999"),
	GOOD_HOST("3986 3.2.2: an underscore", "a_b", "a_b"),
	GOOD_HOST("3986 3.2.2: a dot at the end", "a.", "a."),
	GOOD_HOST("3986 3.2.2: all of a reg-name", "-._~!$&'()*+,;=%41%aF", "-._~!$&'()*+,;=%41%aF"),
	GOOD_HOST("3986 2.1: an escape alone", "%41", "%41"),
	GOOD_HOST("3986 3.2.2: IPv6", "[::1]", "[::1]"),
	GOOD_HOST("3986 3.2.2: IPv6, a port", "[::1]:80", "[::1]:80"),
	GOOD_HOST("3986 3.2.2: IPv6, an empty port", "[::1]:", "[::1]:"),
	GOOD_HOST("3986 3.2.2: IPv6, nothing but a gap", "[::]", "[::]"),
	GOOD_HOST("3986 3.2.2: IPv6, all groups", "[1:22:333:4444:a:B:c:D]", "[1:22:333:4444:a:B:c:D]"),
	GOOD_HOST("3986 3.2.2: IPv6, IPv4 at the end", "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
	GOOD_HOST("3986 3.2.2: IPv6, the longest", "[1111:1111:1111:1111:1111:1111:255.255.255.255]",
		  "[1111:1111:1111:1111:1111:1111:255.255.255.255]"),
	GOOD_HOST("3986 3.2.2: IPvFuture", "[v1.a]", "[v1.a]"),
	GOOD_HOST("3986 3.2.2: IPvFuture", "[VfF.a:b~!]:80", "[VfF.a:b~!]:80"),
	ACCEPTED("9110 5.1: names have no case", GET "hOsT:a\r\n\r\n", "GET origin / ? @a 1.1 keep 0"),

	/* Field lines */
	FIELDS("an empty value", "A:", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("blanks alone", "A: \t ", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("a value with blanks inside", "A: b \t c", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("9110 5.5: obs-text", "A: \x80\xff\xc3\xa9", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("9110 5.1: any token is a name", "!#$%&'*+-.^_`|~09azAZ: b", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("a value with colons", "A: b:c:d", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("HTAB far into a long value", "A: 0123456789\tabcdefghijklmnopq", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("names as long as those that matter",
	       "Hos_: a b\r\nExpec_: tea\r\nConnectio_: close\r\nContent-Lengt_: x\r\nTransfer-Encodin_: y",
	       "OTHER origin / ? @a 1.1 keep 0"),

	/* Connection: RFC 9112 9.3 */
	FIELDS("1.1: close", "Connection: close", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: options have no case", "cONNECTION: cLOSE", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: keep-alive", "Connection: keep-alive", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: close wins", "Connection: keep-alive, close", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: close wins", "Connection: close, keep-alive", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: in two lines", "Connection: close\r\nConnection: keep-alive", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: in a list", "Connection: a,\t,close ,b", "OTHER origin / ? @a 1.1 close 0"),
	FIELDS("1.1: whole tokens only", "Connection: closed, xclose, close-x", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: whole tokens only", "Connection: not close", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: an empty list", "Connection:", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: a bad list is tolerated", "Connection: ;;=\"close\", (", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: nothing but commas", "Connection: ,,,", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("1.1: another field named like it", "Proxy-Connection: close", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS_10("1.0: keep-alive", "Connection: keep-alive", "OTHER origin / ? @a 1.0 keep 0"),
	FIELDS_10("1.0: close wins", "Connection: keep-alive\r\nConnection: close", "OTHER origin / ? @a 1.0 close 0"),
	FIELDS_10("1.0: whole tokens only", "Connection: keep-alives", "OTHER origin / ? @a 1.0 close 0"),
	FIELDS_10("1.0: Keep-Alive is another field", "Keep-Alive: timeout=5", "OTHER origin / ? @a 1.0 close 0"),

	/* Content-Length */
	FIELDS("a length", "Content-Length: 5", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("nothing", "Content-Length: 0", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("no blanks", "content-length:5", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("blanks around", "CONTENT-LENGTH: \t 5\t ", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("as long as allowed", "Content-Length: 1000", "OTHER origin / ? @a 1.1 keep 1000"),
	FIELDS("zeros before it", "Content-Length: 00000000000000000000000000005", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("9110 8.6: the same twice", "Content-Length: 5, 5", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("9110 8.6: the same number twice", "Content-Length: 5,05", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("9110 8.6: nothing twice", "Content-Length: 0,00", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("9110 8.6: the same in two lines", "Content-Length: 5\r\nContent-Length: 5",
	       "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS_10("1.0: a length", "Content-Length: 5", "OTHER origin / ? @a 1.0 close 5"),
	ACCEPTED("9110 9.3.1: GET may have content", GET "Host: a\r\nContent-Length: 5\r\n\r\n",
		 "GET origin / ? @a 1.1 keep 5"),

	/* Transfer-Encoding */
	FIELDS("chunked", "Transfer-Encoding: chunked", "OTHER origin / ? @a 1.1 keep chunked"),
	FIELDS("codings have no case", "tRANSFER-eNCODING:cHUNKED", "OTHER origin / ? @a 1.1 keep chunked"),
	FIELDS("9110 5.6.1: empty members", "Transfer-Encoding: ,, chunked\t,,", "OTHER origin / ? @a 1.1 keep chunked"),
	FIELDS("an empty line beside it", "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: ,",
	       "OTHER origin / ? @a 1.1 keep chunked"),
	FIELDS("TE is another field", "TE: gzip, chunked", "OTHER origin / ? @a 1.1 keep 0"),

	/* Expect */
	FIELDS("100-continue", "Expect: 100-continue\r\nContent-Length: 5", "OTHER origin / ? @a 1.1 keep 5 expect"),
	FIELDS("after the length", "Content-Length: 5\r\nExpect: 100-continue", "OTHER origin / ? @a 1.1 keep 5 expect"),
	FIELDS("expectations have no case", "Content-Length: 5\r\nExpect: 100-CONTINUE",
	       "OTHER origin / ? @a 1.1 keep 5 expect"),
	FIELDS("chunked", "Transfer-Encoding: chunked\r\nExpect: 100-continue",
	       "OTHER origin / ? @a 1.1 keep chunked expect"),
	FIELDS("a list of it", "Content-Length: 5\r\nExpect: 100-continue,, 100-continue\r\nExpect: 100-continue",
	       "OTHER origin / ? @a 1.1 keep 5 expect"),
	FIELDS("an empty list", "Content-Length: 5\r\nExpect:", "OTHER origin / ? @a 1.1 keep 5"),
	FIELDS("9110 10.1.1: nothing will come", "Expect: 100-continue", "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS("9110 10.1.1: nothing will come", "Expect: 100-continue\r\nContent-Length: 0",
	       "OTHER origin / ? @a 1.1 keep 0"),
	FIELDS_10("9110 10.1.1: ignored in 1.0", "Content-Length: 5\r\nExpect: 100-continue",
		  "OTHER origin / ? @a 1.0 close 5"),
	FIELDS_10("9110 10.1.1: ignored in 1.0, whatever it is", "Expect: tea", "OTHER origin / ? @a 1.0 close 0"),
};

enum { N_REFUSALS = sizeof refusals / sizeof *refusals, N_ACCEPTANCES = sizeof acceptances / sizeof *acceptances };

static ssize_t parse(const char *bytes, size_t length, const struct http_limits *limits, struct http_request *ret)
{
	memset(ret, 0xa5, sizeof *ret);		/* nothing may be left unwritten */
	return http_parse_request(guarded(bytes, length), length, limits, ret);
}

static const char *told(const struct http_request *request)
{
	static const char *const methods[] = { "OTHER", "GET", "HEAD", "CONNECT", "OPTIONS", "TRACE" };
	static const char *const forms[] = { "origin", "absolute", "authority", "asterisk" };
	static char text[4096];
	char content[32] = "chunked";

	if (!request->chunked)
		(void) snprintf(content, sizeof content, "%llu", (unsigned long long) request->content_length);
	(void) snprintf(text, sizeof text, "%s %s %.*s ?%.*s @%.*s 1.%u %s %s%s", methods[request->method],
			forms[request->form], (int) request->path.length, request->path.at,
			(int) request->query.length, request->query.at, (int) request->host.length, request->host.at,
			(unsigned) request->minor, request->keep_alive ? "keep" : "close", content,
			request->expect_continue ? " expect" : "");
	return text;
}

START_TEST(a_fault_is_told_at_the_byte_that_shows_it_and_not_before)
{
	const struct refusal *row = &refusals[_i];
	size_t length = row->fault.length + row->rest.length;
	struct http_request request;
	char bytes[4096];
	ssize_t expected;

	memcpy(bytes, row->fault.at, row->fault.length);
	memcpy(bytes + row->fault.length, row->rest.at, row->rest.length);
	for (size_t n = 0; n <= length; n++) {
		expected = n < row->fault.length ? 0 : -row->status;
		ck_assert_msg(parse(bytes, n, &usual, &request) == expected, "%s: %zd instead of %zd after %zu of %zu",
			      row->why, parse(bytes, n, &usual, &request), expected, n, row->fault.length);
	}
}
END_TEST

START_TEST(a_good_head_is_read_to_its_end_and_no_further)
{
	static const char behind[] = "\0\r\n\xff GET";
	const struct acceptance *row = &acceptances[_i];
	size_t length = row->head.length;
	struct http_request request;
	char bytes[4096];
	ssize_t expected;

	memcpy(bytes, row->head.at, length);
	memcpy(bytes + length, behind, sizeof behind);
	for (size_t n = 0; n <= length + sizeof behind; n++) {
		expected = n < length ? 0 : (ssize_t) length;
		ck_assert_msg(parse(bytes, n, &usual, &request) == expected, "%s: %zd instead of %zd after %zu of %zu",
			      row->why, parse(bytes, n, &usual, &request), expected, n, length);
		if (expected > 0)
			ck_assert_msg(strcmp(told(&request), row->told) == 0, "%s:\n%s\n%s", row->why,
				      told(&request), row->told);
	}
}
END_TEST

START_TEST(names_and_targets_are_as_they_were_sent)
{
	struct http_request request;
	const char *text = "\r\nPATCH http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n";

	ck_assert_int_gt(parse(text, strlen(text), &usual, &request), 0);
	ck_assert(slice_equal(request.method_name, SLICE("PATCH")));
	ck_assert(slice_equal(request.target, SLICE("http://b/c?d")));
}
END_TEST

/* HEAD: the answer to a fault has no content either. */
START_TEST(the_method_is_told_even_of_a_head_that_is_refused)
{
	static const char *const texts[] = {
		"HEAD a HTTP/1.1\r\n", "HEAD / HTTP/2.0\r\n", "HEAD /\x01", "HEAD / HTTP/1.1\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "HEAD / HTTP/1.1\r\n ",
	};
	struct http_request request;

	ck_assert_int_lt(parse(texts[_i], strlen(texts[_i]), &usual, &request), 0);
	ck_assert_int_eq(request.method, HTTP_HEAD);
}
END_TEST

START_TEST(a_method_that_was_not_read_is_other)
{
	struct http_request request;

	ck_assert_int_eq(parse("HEAD\t", 5, &usual, &request), -400);
	ck_assert_int_eq(request.method, HTTP_OTHER);
}
END_TEST

/* 413 is refused with everything told, so that the content can be drained. */
START_TEST(a_body_too_large_is_refused_with_its_length_told)
{
	static const char text[] = "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n";
	struct http_request request;

	ck_assert_int_eq(parse(text, strlen(text), &usual, &request), -413);
	ck_assert_str_eq(told(&request), "OTHER origin /b ? @a 1.1 close 1001");
}
END_TEST

/* -- each byte in each place ----------------------------------------------------------------------------- */

static bool is_alphanumeric(int byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool is_one_of(int byte, const char *set)
{
	return byte > 0 && byte < 128 && strchr(set, byte);
}

/* 1 when it is read to its end. */
static ssize_t with_byte(const char *before, int byte, const char *after)
{
	struct http_request request;
	char bytes[256];
	int n = snprintf(bytes, sizeof bytes, "%sx%s", before, after);
	ssize_t r;

	bytes[strlen(before)] = (char) byte;
	r = parse(bytes, (size_t) n, &usual, &request);
	return r == n ? 1 : r;
}

START_TEST(a_method_and_a_field_name_are_made_of_token_bytes)
{
	bool token = is_alphanumeric(_i) || is_one_of(_i, "!#$%&'*+-.^_`|~");

	ck_assert_int_eq(with_byte("G", _i, "T / HTTP/1.1" HOST) > 0, token);
	ck_assert_int_eq(with_byte(POST "G", _i, "T: b\r\n\r\n") > 0, token || _i == ':');
}
END_TEST

START_TEST(a_target_is_made_of_visible_ascii_but_no_hash)
{
	bool good = _i > ' ' && _i < 0x7f && _i != '#';

	ck_assert_int_eq(with_byte("GET /", _i, " HTTP/1.1" HOST), good ? 1 : -400);
	ck_assert_int_eq(with_byte("GET /?a", _i, "b HTTP/1.1" HOST), good ? 1 : -400);
	ck_assert_int_eq(with_byte("GET http://a/", _i, " HTTP/1.1" HOST), good ? 1 : -400);
}
END_TEST

/* At all distances from the start of the value, for what looks at several bytes at once. */
START_TEST(a_field_value_has_no_control_bytes)
{
	bool good = (_i >= ' ' && _i != 0x7f) || _i == '\t';
	char before[64];

	for (int n = 0; n < 20; n++) {
		(void) snprintf(before, sizeof before, POST "A:%.*s", n, "\x80" "bcdefghijklmnopqrstuvwxyz");
		ck_assert_int_eq(with_byte(before, _i, "~\r\n\r\n") > 0, good);
		ck_assert_int_eq(with_byte(before, _i, " \x81 23456789\xff\r\n\r\n") > 0, good);
	}
}
END_TEST

START_TEST(a_host_is_made_of_reg_name_bytes)
{
	bool good = is_alphanumeric(_i) || is_one_of(_i, "-._~!$&'()*+,;=");

	ck_assert_int_eq(with_byte(GET "Host: a", _i, "0\r\n\r\n") > 0, good || _i == ':');
	ck_assert_int_eq(with_byte("GET http://a", _i, "0 HTTP/1.1" HOST) > 0, good || is_one_of(_i, ":/?"));
}
END_TEST

START_TEST(a_version_is_made_of_exactly_its_bytes)
{
	bool digit = _i >= '0' && _i <= '9';
	char text[] = "GET / HTTP/1.1" HOST;
	struct http_request request;
	ssize_t expected;

	for (size_t at = 5; at < 16; at++) {
		text[at] = (char) _i;
		expected = -400;
		if (_i == "GET / HTTP/1.1\r\n"[at] || (at == 13 && digit))
			expected = sizeof text - 1;
		if (at == 11 && digit && _i != '1')
			expected = -505;
		ck_assert_int_eq(parse(text, sizeof text - 1, &usual, &request), expected);
		text[at] = "GET / HTTP/1.1\r\n"[at];
	}
}
END_TEST

/* -- limits ---------------------------------------------------------------------------------------------- */

START_TEST(a_request_line_longer_than_its_limit_is_refused_at_the_first_byte_beyond)
{
	static const char text[] = "\r\nGET /abc?def HTTP/1.1" HOST;
	struct http_limits limits = usual;
	struct http_request request;
	size_t line = strcspn(text + 2, "\r");
	ssize_t beyond = _i <= 3 ? -400 : -414;		/* the method goes on, or the target: RFC 9112 3 */
	ssize_t expected;

	limits.max_request_line = (uint32_t) _i;
	for (size_t n = 0; n < sizeof text; n++) {
		expected = n == sizeof text - 1 ? (ssize_t) n : 0;
		if (line > limits.max_request_line)
			expected = n > 2 + limits.max_request_line ? beyond : 0;
		ck_assert_int_eq(parse(text, n, &limits, &request), expected);
	}
}
END_TEST

/* At that byte both are true.  Below the limit the fault is a fault, and at it only a line end is none. */
START_TEST(a_line_that_goes_on_behind_its_version_is_too_long_at_its_limit_and_malformed_before)
{
	static const char text[] = "GET / HTTP/1.1x";
	struct http_limits limits = usual;
	struct http_request request;

	limits.max_request_line = 14;
	ck_assert_int_eq(parse(text, 15, &limits, &request), -414);
	ck_assert_int_eq(parse("GET / HTTP/1.1\rx", 16, &limits, &request), -400);
	limits.max_request_line = 15;
	ck_assert_int_eq(parse(text, 15, &limits, &request), -400);
}
END_TEST

START_TEST(fields_longer_than_their_limit_are_431_at_the_first_byte_beyond)
{
	static const char text[] = GET "Host: a\r\nB:\r\nCdefg: hijklmnop \r\n\r\n";
	struct http_limits limits = usual;
	struct http_request request;
	size_t fields = sizeof text - sizeof GET - 2;
	ssize_t expected;

	limits.max_header = (uint32_t) _i;
	for (size_t n = 0; n < sizeof text; n++) {
		expected = n == sizeof text - 1 ? (ssize_t) n : 0;
		if (fields > limits.max_header)
			expected = n >= sizeof GET + limits.max_header ? -431 : 0;
		ck_assert_int_eq(parse(text, n, &limits, &request), expected);
	}
}
END_TEST

START_TEST(more_field_lines_than_allowed_are_431_at_the_first_byte_beyond)
{
	static const char text[] = GET "Host: a\r\nB: \r\nC: d\r\n\r\n";
	struct http_limits limits = usual;
	struct http_request request;

	limits.max_headers = 3;
	ck_assert_int_eq(parse(text, sizeof text - 1, &limits, &request), sizeof text - 1);
	limits.max_headers = 2;
	ck_assert_int_eq(parse(text, sizeof text - 9, &limits, &request), 0);
	ck_assert_int_eq(parse(text, sizeof text - 8, &limits, &request), -431);
	ck_assert_int_eq(parse(text, sizeof text - 1, &limits, &request), -431);
	limits.max_headers = 0;
	ck_assert_int_eq(parse(text, sizeof GET, &limits, &request), -431);
}
END_TEST

START_TEST(no_limit_of_a_body_lets_any_length_of_64_bits_pass)
{
	static const char text[] = POST "Content-Length: 18446744073709551615\r\n\r\n";
	static const char longer[] = POST "Content-Length: 18446744073709551616\r\n\r\n";
	struct http_limits limits = usual;
	struct http_request request;

	limits.max_body = UINT64_MAX;
	ck_assert_int_eq(parse(text, sizeof text - 1, &limits, &request), sizeof text - 1);
	ck_assert(request.content_length == UINT64_MAX);
	ck_assert_int_eq(parse(longer, sizeof longer - 1, &limits, &request), -400);
}
END_TEST

START_TEST(limits_larger_than_any_buffer_do_no_harm)
{
	struct http_limits limits = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX, 0, 0, 0, 0, 0 };
	struct http_request request;

	ck_assert_int_eq(parse(GET "Host: a\r\n\r\n", sizeof GET + 10, &limits, &request), sizeof GET + 10);
}
END_TEST

/* -- any bytes at all ------------------------------------------------------------------------------------ */

static size_t mutated(char *to, size_t capacity, unsigned long long *random)
{
	static const char *const pieces[] = {
		"\r\n", "\r", "\n", " ", ":", ",", "\t", "?", "/", "http://", "https://", "[::1]", "%41", "*", ";a=\"b\"",
		"Host: b\r\n", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
		"Expect: 100-continue\r\n", "\r\n\r\n", "HTTP/1.1", "HTTP/1.0", "9", "x",
	};
	unsigned row = random_next(random) % (N_REFUSALS + N_ACCEPTANCES);
	struct slice from = row < N_REFUSALS ? refusals[row].fault : acceptances[row - N_REFUSALS].head;
	size_t length = from.length;

	memcpy(to, from.at, length);
	for (unsigned n = random_next(random) % 4; n > 0; n--) {
		size_t at = random_next(random) % (length + 1);
		const char *piece = pieces[random_next(random) % (sizeof pieces / sizeof *pieces)];
		size_t remove = random_next(random) % 3;

		if (random_next(random) % 3 == 0 && at < length) {
			to[at] = (char) random_next(random);
			continue;
		}
		if (length + strlen(piece) > capacity)
			break;
		if (remove > length - at)
			remove = length - at;
		memmove(to + at + strlen(piece), to + at + remove, length - at - remove);
		memcpy(to + at, piece, strlen(piece));
		length += strlen(piece) - remove;
	}
	return length;
}

static bool lies_within(struct slice slice, const char *bytes, size_t length)
{
	if (slice.length == 0 || slice_equal(slice, SLICE("/")))
		return true;
	return slice.at >= bytes && slice.at + slice.length <= bytes + length;
}

START_TEST(any_bytes_get_one_verdict_however_they_are_split)
{
	unsigned long long random = 0x9e3779b97f4a7c15 + (unsigned) _i;
	struct http_limits limits = usual;
	struct http_request request;
	char bytes[4096];
	const char *at;
	ssize_t whole;
	ssize_t part;
	ssize_t before;
	size_t length;

	for (int round = 0; round < 400; round++) {
		length = mutated(bytes, sizeof bytes, &random);
		limits.max_request_line = random_next(&random) % 4 ? 512 : random_next(&random) % 32;
		limits.max_header = random_next(&random) % 4 ? 2048 : random_next(&random) % 64;
		limits.max_headers = random_next(&random) % 4 ? 20 : random_next(&random) % 4;

		at = guarded(bytes, length);
		whole = http_parse_request(at, length, &limits, &request);
		ck_assert_int_le(whole, (ssize_t) length);
		if (whole > 0)
			ck_assert(lies_within(request.method_name, at, length) && lies_within(request.target, at, length) &&
				  lies_within(request.path, at, length) && lies_within(request.query, at, length) &&
				  lies_within(request.host, at, length) && request.target.length > 0);

		before = 0;
		for (size_t n = 0; n <= length; n++) {
			part = parse(bytes, n, &limits, &request);
			ck_assert_msg(part == whole || part == 0, "%zd of all, %zd of the first %zu", whole, part, n);
			ck_assert_msg(part == whole || before == 0, "%zu bytes unsay what one less has said", n);
			ck_assert(part <= (ssize_t) n);
			before = part;
		}
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("parser");
	TCase *rows = tcase_create("rows");
	TCase *bytes = tcase_create("bytes");
	TCase *limits = tcase_create("limits");
	TCase *any = tcase_create("any");

	tcase_add_loop_test(rows, a_fault_is_told_at_the_byte_that_shows_it_and_not_before, 0, N_REFUSALS);
	tcase_add_loop_test(rows, a_good_head_is_read_to_its_end_and_no_further, 0, N_ACCEPTANCES);
	tcase_add_test(rows, names_and_targets_are_as_they_were_sent);
	tcase_add_loop_test(rows, the_method_is_told_even_of_a_head_that_is_refused, 0, 6);
	tcase_add_test(rows, a_method_that_was_not_read_is_other);
	tcase_add_test(rows, a_body_too_large_is_refused_with_its_length_told);
	suite_add_tcase(s, rows);

	tcase_add_loop_test(bytes, a_method_and_a_field_name_are_made_of_token_bytes, 0, 256);
	tcase_add_loop_test(bytes, a_target_is_made_of_visible_ascii_but_no_hash, 0, 256);
	tcase_add_loop_test(bytes, a_field_value_has_no_control_bytes, 0, 256);
	tcase_add_loop_test(bytes, a_host_is_made_of_reg_name_bytes, 0, 256);
	tcase_add_loop_test(bytes, a_version_is_made_of_exactly_its_bytes, 0, 256);
	suite_add_tcase(s, bytes);

	tcase_add_loop_test(limits, a_request_line_longer_than_its_limit_is_refused_at_the_first_byte_beyond, 0, 40);
	tcase_add_test(limits, a_line_that_goes_on_behind_its_version_is_too_long_at_its_limit_and_malformed_before);
	tcase_add_loop_test(limits, fields_longer_than_their_limit_are_431_at_the_first_byte_beyond, 0, 60);
	tcase_add_test(limits, more_field_lines_than_allowed_are_431_at_the_first_byte_beyond);
	tcase_add_test(limits, no_limit_of_a_body_lets_any_length_of_64_bits_pass);
	tcase_add_test(limits, limits_larger_than_any_buffer_do_no_harm);
	suite_add_tcase(s, limits);

	tcase_add_loop_test(any, any_bytes_get_one_verdict_however_they_are_split, 0, 10);
	tcase_set_timeout(any, 120);
	suite_add_tcase(s, any);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
