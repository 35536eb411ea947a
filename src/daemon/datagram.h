/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Datagram: one message into a connected datagram socket that was passed to us, which is what the journal and systemd
 * take where we may make no socket of our own.
 */
#include <stdbool.h>
#include <sys/uio.h>

bool datagram_is_socket(int fd);		/* a connected one; not a listener that has the same name */

/* pass_fd goes along, -1: none.  Waits timeout_ms (-1: for ever) while there is no room.  Returns 0 or a negative errno;
 * -ETIMEDOUT: there was no room. */
int datagram_send(int fd, const struct iovec *parts, size_t n, int pass_fd, int timeout_ms);
