/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Address: what server.listen can say, as text and as a socket address.
 *
 *	127.0.0.1:8000   [::1]:8000   :8000 (every address of both families)   /run/reactord/http.sock mode=0660
 *
 * and behind each " name=admin", by which the listener is known elsewhere.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ADDRESS_NAME "http"		/* of a listener that was given none */

enum { ADDRESS_TEXT_MAX = 160, ADDRESS_NAME_MAX = 64 };

struct address {
	struct sockaddr_storage at;
	socklen_t length;
	mode_t mode;			/* of a unix socket; 0666 when none was given */
	char name[ADDRESS_NAME_MAX + 1];	/* ADDRESS_NAME when none was given */
	bool named;			/* one was */
};

/* Parses one value of server.listen into one address, or two (":PORT": [::] first, then 0.0.0.0).  Returns how many,
 * or -EINVAL with *ret_why set to a text that says what is wrong and what would be right (static, not to be freed). */
int address_parse(const char *text, struct address ret[2], const char **ret_why);

/* Why listeners cannot be called so; NULL: they can.  For "name=admin: <text>". */
const char *address_name_refused(const char *name);

/* "127.0.0.1:8000", "[::1]:8000", "/run/x.sock": as a person writes it; returns to. */
const char *address_text(const struct sockaddr *at, socklen_t length, char to[ADDRESS_TEXT_MAX]);

/* The same address (family, address and port, or path)?  Port 0 equals every port. */
bool address_equal(const struct address *wanted, const struct sockaddr *at, socklen_t length);

/* Can only one of the two have a socket: are they the same, or is one every address of the family, with the same port?
 * Port 0 is another port each time. */
bool address_collide(const struct address *a, const struct address *b);
