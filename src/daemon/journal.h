/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Journal: one record, as fields of the form NAME=value; by sd_journal_sendv(3), or over a descriptor that was passed
 * to us because we may make no socket.
 */
#include <sys/uio.h>

#define JOURNAL_NAME "journal"			/* of the descriptor: OpenFile=/run/systemd/journal/socket:journal */

void journal_use(int fd);			/* takes it, for good; from any thread, once.  Records then go there. */
int journal_descriptor(void);			/* borrowed; -1: there is none */

/* Waits while journald does not read.  Returns 0, or a negative errno when the record is not in the journal. */
int journal_send(const struct iovec *fields, int n);
