/* SPDX-License-Identifier: MIT */
/*
 * The journal's own protocol: a record is a datagram, a field a line NAME=value; a value that has lines of its own is
 * written as NAME, a line break, its length in 64 bits, low byte first, and the value.  Records that are too long for a
 * datagram go as a memfd there; ours never are.
 *
 * When journald's socket is made anew, the descriptor leads nowhere, and there is no right to connect another: the
 * sender gets an error each time, and log.c writes to the standard error instead.
 */
#include "daemon/journal.h"

#include "daemon/datagram.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Where in this program a record was sent from is the same for all of them. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum { FIELDS_MAX = 24, PARTS_PER_FIELD = 4 };

static _Atomic int journal_fd = -1;

struct record {
	struct iovec parts[FIELDS_MAX * PARTS_PER_FIELD];
	size_t n;
	unsigned char lengths[FIELDS_MAX][1 + sizeof(uint64_t)];	/* with the line break before it */
};

static void add_part(struct record *record, const void *bytes, size_t length)
{
	record->parts[record->n++] = (struct iovec) { (void *) bytes, length };
}

/* A name has no line break, so the first '=' is before it. */
static void add_lines(struct record *record, const struct iovec *field, unsigned char *length)
{
	const char *equals = memchr(field->iov_base, '=', field->iov_len);
	size_t name_length = (size_t) (equals - (const char *) field->iov_base);
	uint64_t value_length = field->iov_len - name_length - 1;

	length[0] = '\n';
	for (size_t i = 0; i < sizeof value_length; i++)
		length[1 + i] = (unsigned char) (value_length >> 8 * i);
	add_part(record, field->iov_base, name_length);
	add_part(record, length, 1 + sizeof value_length);
	add_part(record, equals + 1, value_length);
}

static int send_record(int fd, const struct iovec *fields, int n)
{
	struct record record;

	if (n > FIELDS_MAX)
		return -E2BIG;
	record.n = 0;
	for (int i = 0; i < n; i++) {
		if (!memchr(fields[i].iov_base, '=', fields[i].iov_len))
			return -EINVAL;
		if (memchr(fields[i].iov_base, '\n', fields[i].iov_len))
			add_lines(&record, &fields[i], record.lengths[i]);
		else
			add_part(&record, fields[i].iov_base, fields[i].iov_len);
		add_part(&record, "\n", 1);
	}
	return datagram_send(fd, record.parts, record.n, -1, -1);
}

void journal_use(int fd)
{
	atomic_store(&journal_fd, fd);
}

int journal_descriptor(void)
{
	return atomic_load(&journal_fd);
}

/* To libsystemd it is no error that there is no journal at all: while its socket is gone a record would be lost in
 * silence (seen on 257, where that goes when it is stopped). */
static int send_by_library(const struct iovec *fields, int n)
{
	int r = sd_journal_sendv(fields, n);

	return r >= 0 && access("/run/systemd/journal/socket", F_OK) < 0 && errno == ENOENT ? -ENOENT : r;
}

int journal_send(const struct iovec *fields, int n)
{
	int fd = journal_descriptor();

	return fd < 0 ? send_by_library(fields, n) : send_record(fd, fields, n);
}
