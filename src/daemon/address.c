/* SPDX-License-Identifier: MIT */
/*
 * Everything here is numeric and pure but for the name of an interface behind '%'.  getaddrinfo() was rejected: it
 * takes "localhost" and asks the network at start-up, takes "1" for 0.0.0.1 and "http" for a port, and says of all
 * that goes wrong only "Name or service not known".  Here every refusal says what would have been right.
 *
 * Unused bytes of an address are zero, so two that were parsed can be compared by memcmp().
 */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
	MODE_DEFAULT = 0666,
	PATH_MAX_HERE = sizeof ((struct sockaddr_un *) NULL)->sun_path - 1,	/* a NUL ends it: 107 */
};

#define DIGITS "0123456789"

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static int parse_port(const char *text, in_port_t *ret, const char **ret_why)
{
	size_t length = strlen(text);
	unsigned long port;

	if (length == 0)
		return refuse(ret_why, "the port is missing behind the colon; write for example 127.0.0.1:8000");
	if (strspn(text, DIGITS) < length || length > 5)
		return refuse(ret_why, "the port is a number from 0 to 65535");
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return refuse(ret_why, "the port is a number from 0 to 65535");

	*ret = htons((in_port_t) port);
	return 0;
}

static void set_inet(struct address *to, struct in_addr at, in_port_t port)
{
	struct sockaddr_in inet = { .sin_family = AF_INET, .sin_addr = at, .sin_port = port };

	*to = (struct address) { .length = sizeof inet, .mode = MODE_DEFAULT };
	memcpy(&to->at, &inet, sizeof inet);
}

static void set_inet6(struct address *to, const struct in6_addr *at, in_port_t port, uint32_t scope)
{
	struct sockaddr_in6 inet6 = {
		.sin6_family = AF_INET6, .sin6_addr = *at, .sin6_port = port, .sin6_scope_id = scope,
	};

	*to = (struct address) { .length = sizeof inet6, .mode = MODE_DEFAULT };
	memcpy(&to->at, &inet6, sizeof inet6);
}

/* No part is empty, "." or ".."; it begins with /. */
static bool is_normal(const char *path)
{
	for (const char *part = path; *part; part += strcspn(part, "/")) {
		size_t length = strcspn(++part, "/");

		if (length == 0 || (length <= 2 && strspn(part, ".") >= length))
			return false;
	}
	return true;
}

static int parse_unix(const char *text, struct address *ret, const char **ret_why)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t length = strlen(text);

	if (length > PATH_MAX_HERE)
		return refuse(ret_why, "the path of a unix socket has at most 107 bytes");
	if (text[length - 1] == '/')
		return refuse(ret_why, "the path names a directory; write the path of the socket itself");
	if (!is_normal(text))
		return refuse(ret_why, "systemd refuses a path with /./, /../ or // in it; write the directory itself, like "
			      "/run/reactord/http.sock");
	if (text[length - 1] == '\\')
		return refuse(ret_why, "the path ends in a backslash, which continues the line in a unit; write another name");

	memcpy(un.sun_path, text, length);
	*ret = (struct address) {
		.length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + 1),
		.mode = MODE_DEFAULT,
	};
	memcpy(&ret->at, &un, sizeof un);
	return 1;
}

/* "[::1]:8000", "[fe80::1%eth0]:8000". */
static int parse_inet6(const char *text, struct address *ret, const char **ret_why)
{
	char address[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	const char *end = strchr(text, ']');
	struct in6_addr at;
	unsigned scope = 0;
	in_port_t port;
	char *interface;
	int r;

	if (!end)
		return refuse(ret_why, "the closing ] is missing; write [::1]:8000");
	if ((size_t) (end - text) > sizeof address)
		return refuse(ret_why, "between the brackets is no IPv6 address");
	memcpy(address, text + 1, (size_t) (end - text - 1));
	address[end - text - 1] = '\0';

	interface = strchr(address, '%');
	if (interface) {
		*interface++ = '\0';
		scope = if_nametoindex(interface);
		if (scope == 0)
			return refuse(ret_why, "behind the % is no network interface of this host");
	}
	if (inet_pton(AF_INET6, address, &at) != 1)
		return refuse(ret_why, "between the brackets is no IPv6 address");
	if (IN6_IS_ADDR_V4MAPPED(&at))		/* the kernel takes none for a socket of IPv6 alone */
		return refuse(ret_why, "this is an IPv4 address inside an IPv6 one; write it alone: 127.0.0.1:8000");
	if (IN6_IS_ADDR_LINKLOCAL(&at) && scope == 0)
		return refuse(ret_why, "an address of one link needs its network interface; write [fe80::1%eth0]:8000");
	if (end[1] != ':')
		return refuse(ret_why, "the port is missing behind the ]; write [::1]:8000");
	r = parse_port(end + 2, &port, ret_why);
	if (r < 0)
		return r;

	set_inet6(ret, &at, port, scope);
	return 1;
}

/* ":8000" is two sockets, not one of IPv6 that takes IPv4 as well: so a host without IPv6 is served, and what the log
 * says of a peer does not depend on net.ipv6.bindv6only. */
static int parse_every(const char *text, struct address ret[2], const char **ret_why)
{
	in_port_t port;
	int r;

	r = parse_port(text + 1, &port, ret_why);
	if (r < 0)
		return r;

	set_inet6(&ret[0], &in6addr_any, port, 0);
	set_inet(&ret[1], (struct in_addr) { .s_addr = htonl(INADDR_ANY) }, port);
	return 2;
}

static int parse_inet(const char *text, struct address *ret, const char **ret_why)
{
	char address[INET_ADDRSTRLEN];
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t) (colon - text) : strlen(text);
	struct in_addr at;
	in_port_t port;
	int r;

	if (strspn(text, DIGITS ".") < length)
		return refuse(ret_why, "host names are not looked up; write the address as numbers, for localhost "
				       "127.0.0.1:PORT or [::1]:PORT");
	if (!colon && !strchr(text, '.'))
		return refuse(ret_why, "an address is missing: :PORT is every address of this host, 127.0.0.1:PORT "
				       "this host alone");
	if (!colon)
		return refuse(ret_why, "the port is missing; write for example 127.0.0.1:8000");
	if (length >= sizeof address)
		return refuse(ret_why, "before the colon is no IPv4 address");
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, &at) != 1)
		return refuse(ret_why, "before the colon is no IPv4 address, which is four numbers from 0 to 255");
	r = parse_port(colon + 1, &port, ret_why);
	if (r < 0)
		return r;

	set_inet(ret, at, port);
	return 1;
}

/* --- what can stand behind an address ---------------------------------------------------------------------------- */

/* They are FileDescriptorName= and a part of a unit's name. */
const char *address_name_refused(const char *name)
{
	size_t length = strlen(name);

	if (length == 0)
		return "it is empty; a name is for example admin";
	if (length > ADDRESS_NAME_MAX)
		return "a name has at most 64 bytes";
	if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS "-_.") < length || strchr("-.", *name))
		return "a name has letters, digits, - _ and . only, and begins with none of the latter two";
	return NULL;
}

static int parse_mode(const char *digits, struct address *to, const char **ret_why)
{
	static const char why[] = "the mode of a unix socket is octal, from 0 to 0777, like mode=0660";
	unsigned long mode;

	if (to->at.ss_family != AF_UNIX)
		return refuse(ret_why, "mode= is for unix sockets only");
	if (*digits == '\0' || strspn(digits, "01234567") != strlen(digits) || strlen(digits) > 4)
		return refuse(ret_why, why);
	mode = strtoul(digits, NULL, 8);
	if (mode > 0777)
		return refuse(ret_why, why);
	to->mode = (mode_t) mode;
	return 0;
}

/* "mode=0660", "name=admin" */
static int parse_option(const char *word, struct address *to, const char **ret_why)
{
	const char *name = word + strlen("name="), *why;

	if (strncmp(word, "mode=", strlen("mode=")) == 0)
		return parse_mode(word + strlen("mode="), to, ret_why);
	if (strncmp(word, "name=", strlen("name=")) != 0)
		return refuse(ret_why, to->at.ss_family == AF_UNIX
			      ? "only mode=0660 and name=NAME or the like can follow the path of a unix socket, which has no "
				"blanks in it"
			      : "only name=NAME can follow the port");
	why = address_name_refused(name);
	if (why)
		return refuse(ret_why, why);
	strcpy(to->name, name);
	to->named = true;
	return 0;
}

static int parse_address(const char *text, struct address ret[2], const char **ret_why)
{
	const char *colon = strchr(text, ':');

	switch (*text) {
	case '\0':
		return refuse(ret_why, "it is empty; write ADDRESS:PORT, :PORT or the path of a unix socket");
	case '/':
		return parse_unix(text, ret, ret_why);
	case '@':
		return refuse(ret_why, "abstract unix sockets are refused: no permissions protect them; write a path");
	case '*':
		return refuse(ret_why, "every address of this host is written :PORT, without a *");
	case '[':
		return parse_inet6(text, ret, ret_why);
	default:
		break;
	}
	if (strncmp(text, "unix:", strlen("unix:")) == 0)
		return refuse(ret_why, "a unix socket is written as its path alone, without unix:");
	if (strstr(text, "://"))
		return refuse(ret_why, "this is a URL; write ADDRESS:PORT alone");
	if (strchr(text, '/'))
		return refuse(ret_why, "the path of a unix socket begins with /");
	if (colon && strchr(colon + 1, ':') && text + strcspn(text, ".") > colon
	    && strspn(text, DIGITS "abcdefABCDEF:.%") == strlen(text))
		return refuse(ret_why, "an IPv6 address is written in brackets, with the port behind: [::1]:8000");
	if (colon == text)
		return parse_every(text, ret, ret_why);
	return parse_inet(text, ret, ret_why);
}

/* Cut at so many bytes nothing becomes right that was wrong: whatever is right is shorter. */
enum { WORD_MAX = 256 };

static const char *copy_word(char to[WORD_MAX], const char *text)
{
	size_t length = strcspn(text, " \t");

	(void) snprintf(to, WORD_MAX, "%.*s", (int) length, text);
	return text + length + strspn(text + length, " \t");
}

int address_parse(const char *text, struct address ret[2], const char **ret_why)
{
	char word[WORD_MAX];
	int n;

	text = copy_word(word, text);
	n = parse_address(word, ret, ret_why);
	if (n < 0)
		return n;
	strcpy(ret[0].name, ADDRESS_NAME);
	while (*text) {
		text = copy_word(word, text);
		if (parse_option(word, &ret[0], ret_why) < 0)
			return -EINVAL;
	}
	if (n == 2) {
		memcpy(ret[1].name, ret[0].name, sizeof ret[1].name);
		ret[1].named = ret[0].named;
	}
	return n;
}

/* --- addresses as text, and compared ----------------------------------------------------------------------------- */

/* The bytes of a path; of an abstract name with its leading NUL; none for a socket without a name.  The kernel counts
 * the NUL that ends a path or does not, as bind() was called. */
static size_t path_length(const struct sockaddr_un *un, socklen_t length)
{
	size_t room = length > offsetof(struct sockaddr_un, sun_path)
		? length - offsetof(struct sockaddr_un, sun_path) : 0;

	if (room > sizeof un->sun_path)
		room = sizeof un->sun_path;
	if (room > 0 && un->sun_path[0] == '\0')
		return room;
	return strnlen(un->sun_path, room);
}

const char *address_text(const struct sockaddr *at, socklen_t length, char to[ADDRESS_TEXT_MAX])
{
	char number[INET6_ADDRSTRLEN], interface[IF_NAMESIZE];
	struct sockaddr_in inet;
	struct sockaddr_in6 inet6;
	struct sockaddr_un un = { 0 };
	size_t path;

	switch (length < sizeof at->sa_family ? AF_UNSPEC : at->sa_family) {
	case AF_INET:
		memcpy(&inet, at, sizeof inet);
		snprintf(to, ADDRESS_TEXT_MAX, "%s:%u", inet_ntop(AF_INET, &inet.sin_addr, number, sizeof number),
			 ntohs(inet.sin_port));
		return to;
	case AF_INET6:
		memcpy(&inet6, at, sizeof inet6);
		(void) inet_ntop(AF_INET6, &inet6.sin6_addr, number, sizeof number);
		if (inet6.sin6_scope_id && if_indextoname(inet6.sin6_scope_id, interface))
			snprintf(to, ADDRESS_TEXT_MAX, "[%s%%%s]:%u", number, interface, ntohs(inet6.sin6_port));
		else
			snprintf(to, ADDRESS_TEXT_MAX, "[%s]:%u", number, ntohs(inet6.sin6_port));
		return to;
	case AF_UNIX:
		memcpy(&un, at, length < sizeof un ? length : sizeof un);
		path = path_length(&un, length);
		if (path == 0)
			snprintf(to, ADDRESS_TEXT_MAX, "a unix socket without a name");
		else if (un.sun_path[0] == '\0')
			snprintf(to, ADDRESS_TEXT_MAX, "@%.*s", (int) path - 1, un.sun_path + 1);
		else
			snprintf(to, ADDRESS_TEXT_MAX, "%.*s", (int) path, un.sun_path);
		return to;
	default:
		snprintf(to, ADDRESS_TEXT_MAX, "a socket of a family that is neither IP nor unix");
		return to;
	}
}

bool address_equal(const struct address *wanted, const struct sockaddr *at, socklen_t length)
{
	struct sockaddr_in inet, inet_at;
	struct sockaddr_in6 inet6, inet6_at;
	struct sockaddr_un un, un_at = { 0 };
	size_t path;

	if (length < sizeof at->sa_family || wanted->at.ss_family != at->sa_family)
		return false;

	switch (at->sa_family) {
	case AF_INET:
		if (length < sizeof inet_at)
			return false;
		memcpy(&inet, &wanted->at, sizeof inet);
		memcpy(&inet_at, at, sizeof inet_at);
		return inet.sin_addr.s_addr == inet_at.sin_addr.s_addr
			&& (inet.sin_port == 0 || inet.sin_port == inet_at.sin_port);
	case AF_INET6:
		if (length < sizeof inet6_at)
			return false;
		memcpy(&inet6, &wanted->at, sizeof inet6);
		memcpy(&inet6_at, at, sizeof inet6_at);
		return memcmp(&inet6.sin6_addr, &inet6_at.sin6_addr, sizeof inet6.sin6_addr) == 0
			&& inet6.sin6_scope_id == inet6_at.sin6_scope_id
			&& (inet6.sin6_port == 0 || inet6.sin6_port == inet6_at.sin6_port);
	case AF_UNIX:
		memcpy(&un, &wanted->at, sizeof un);
		memcpy(&un_at, at, length < sizeof un_at ? length : sizeof un_at);
		path = path_length(&un, wanted->length);
		return path == path_length(&un_at, length) && memcmp(un.sun_path, un_at.sun_path, path) == 0;
	default:
		return false;
	}
}

static bool inet_collide(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_port == b->sin_port && a->sin_port != 0
		&& (a->sin_addr.s_addr == b->sin_addr.s_addr || a->sin_addr.s_addr == htonl(INADDR_ANY)
		    || b->sin_addr.s_addr == htonl(INADDR_ANY));
}

/* To the kernel an interface is a part of link-local addresses only. */
static bool inet6_collide(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	if (a->sin6_port != b->sin6_port || a->sin6_port == 0)
		return false;
	if (IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&b->sin6_addr))
		return true;
	return memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0
		&& (a->sin6_scope_id == b->sin6_scope_id || !IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr));
}

bool address_collide(const struct address *a, const struct address *b)
{
	const void *at_a = &a->at, *at_b = &b->at;

	if (a->at.ss_family != b->at.ss_family)
		return false;
	switch (a->at.ss_family) {
	case AF_INET:
		return inet_collide(at_a, at_b);
	case AF_INET6:
		return inet6_collide(at_a, at_b);
	default:
		return address_equal(a, at_b, b->length);
	}
}
