/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Handover: descriptors, each with some bytes that say what it was used for, given to the process that comes after us.
 *
 * They are put into one socket pair: first a memfd with all the bytes, then the descriptors.  Whoever holds the reading
 * end, be it systemd, holds them all, and nothing is lost when the writer is gone.  They are taken by peeking, which
 * leaves the queue as it was: a taker that dies before it has said that it is ready has taken nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* --- giving ------------------------------------------------------------------------------------------------------ */

struct handover;

/* layout: the version of what the bytes mean. */
int handover_new(struct handover **ret, uint32_t layout);
struct handover *handover_free(struct handover *handover);	/* NULL is fine; returns NULL */

/* One more descriptor, borrowed until handover_finish(); kind must mean the same in every layout.  The bytes are
 * copied.  Negative errno. */
int handover_add(struct handover *handover, int fd, uint32_t kind, const struct iovec *parts, int n_parts);

/* Queues everything; *ret_fd is the reading end, the caller's to give away and to close.  It can be taken once the
 * handover is freed, or this process has ended.  -EAGAIN: the queue is too small for so many; -ETOOMANYREFS: more than
 * may be in flight (RLIMIT_NOFILE). */
int handover_finish(struct handover *handover, int *ret_fd);

/* Whether somebody else holds the reading end, when the caller has closed it, and still does when the time is over: what was
 * given to nobody is lost. */
bool handover_is_held(const struct handover *handover, int timeout_ms);

/* --- taking ------------------------------------------------------------------------------------------------------ */

struct handover_item {
	int fd;				/* owned until the caller takes it and sets it to -1; -1: it could not be had */
	uint32_t kind;
	const void *bytes;		/* aligned to 8 */
	size_t length;
};

struct handover_taken {			/* zero it before use */
	struct handover_item *items;	/* owned; in the order they were added */
	size_t n;
	uint32_t layout;
	uint32_t attempts;		/* how often it was taken before */
	void *map;
	size_t map_length;
};

/* Peeks at everything.  -EBADMSG: it is not whole, or was not made by handover_finish(); other negative errno. */
int handover_take(struct handover_taken *ret, int fd);
void handover_taken_deinit(struct handover_taken *taken);	/* closes what was not taken; may be called twice */
