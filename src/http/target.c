/* SPDX-License-Identifier: MIT */
/*
 * Two passes: the first makes every byte what it is to be, the second takes dot segments out, in place, since it never
 * writes further than it has read.  One pass would have to look for dots that are written %2E while it looks for
 * segments.
 */
#include "http/target.h"

#include "http/bytes.h"

static bool is_unreserved(char byte)		/* RFC 3986 2.3 */
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

/* pchar without percent-encodings, and the slash: RFC 3986 3.3 */
static bool is_of_path(char byte)
{
	return http_is(byte, HTTP_HOST) || byte == ':' || byte == '@' || byte == '/';
}

static unsigned hex_value(char digit)
{
	return digit <= '9' ? (unsigned) (digit - '0') : (unsigned) ((digit | 0x20) - 'a') + 10;
}

static char *put_encoded(char *to, char byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*to++ = '%';
	*to++ = digits[(unsigned char) byte >> 4];
	*to++ = digits[(unsigned char) byte & 15];
	return to;
}

bool http_path_is_normal(struct slice path)
{
	for (size_t i = 0; i < path.length; i++)
		if (!is_of_path(path.at[i]) || (path.at[i] == '.' && i > 0 && path.at[i - 1] == '/'))
			return false;
	return true;
}

/* RFC 3986 6.2.2.1, 6.2.2.2 */
static size_t decode(char *to, struct slice path)
{
	const char *at = path.at, *end = at + path.length;
	char *start = to;

	while (at < end) {
		if (is_of_path(*at)) {
			*to++ = *at++;
		} else if (*at == '%' && end - at > 2 && http_is(at[1], HTTP_HEX) && http_is(at[2], HTTP_HEX)) {
			char byte = (char) (hex_value(at[1]) << 4 | hex_value(at[2]));

			if (is_unreserved(byte))
				*to++ = byte;
			else
				to = put_encoded(to, byte);
			at += 3;
		} else {
			to = put_encoded(to, *at++);
		}
	}
	return (size_t) (to - start);
}

/* RFC 3986 5.2.4, for a path that begins with a slash */
static size_t remove_dots(char *path, size_t length)
{
	size_t out = 0;

	for (size_t at = 0, end; at < length; at = end) {
		const char *slash = memchr(path + at + 1, '/', length - at - 1);
		size_t n;

		end = slash ? (size_t) (slash - path) : length;
		n = end - at;
		if ((n == 2 && path[at + 1] == '.') || (n == 3 && path[at + 1] == '.' && path[at + 2] == '.')) {
			if (n == 3)	/* back to before the last slash */
				while (out > 0 && path[--out] != '/')
					;
			if (end == length)
				path[out++] = '/';
			continue;
		}
		memmove(path + out, path + at, n);
		out += n;
	}
	return out;
}

size_t http_path_normalise(char *to, struct slice path)
{
	return remove_dots(to, decode(to, path));
}

size_t http_target_escape(char *to, struct slice text)
{
	char *start = to;

	for (size_t i = 0; i < text.length; i++) {
		if (is_of_path(text.at[i]) || text.at[i] == '?' || text.at[i] == '%')
			*to++ = text.at[i];
		else
			to = put_encoded(to, text.at[i]);
	}
	return (size_t) (to - start);
}
