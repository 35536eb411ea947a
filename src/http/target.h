/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Target: the path of a request, so that all ways to write one path are one (RFC 3986 6.2.2): percent-encoded unreserved
 * characters are decoded, other percent-encodings get capital digits, bytes that cannot stand in a path are encoded, and
 * dot segments are removed.  An encoded slash stays encoded, and empty segments stay.  Pure.
 */
#include "http/slice.h"

/* True: http_path_normalise() would change nothing.  A path with a '%' or with a segment that begins with a dot is never
 * said to be normal, though it may be: this is the short look that spares nearly all paths the long one. */
bool http_path_is_normal(struct slice path);

/* Writes the path, which begins with '/', to a place of 3 * path.length bytes; returns its new length. */
size_t http_path_normalise(char *to, struct slice path);

/* Writes bytes of a request's target as they can stand in a field that a client takes for a URI, with all that is not
 * allowed there percent-encoded: no control byte, no blank, no quotation mark, no backslash.  A '%' stays.  to has room
 * for 3 * text.length bytes.  Returns the length. */
size_t http_target_escape(char *to, struct slice text);
