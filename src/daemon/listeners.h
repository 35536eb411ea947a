/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Listeners: the sockets that systemd passed, or else those that the configuration names.  One that was passed, and
 * a unix socket, is shared by all workers; one of our own has a socket for each worker (SO_REUSEPORT, set after the
 * first bind, so that a second daemon still gets EADDRINUSE).
 */
#include "daemon/conf.h"

struct listener {
	char *name;			/* owned: FileDescriptorName=, or name= of server.listen */
	uint8_t number;			/* of the name, from 1 on: the same for all that have it */
	char text[ADDRESS_TEXT_MAX];	/* where it really listens: the kernel's port for port 0 */
	struct sockaddr_storage at;	/* from getsockname */
	socklen_t length;
	int *fds;			/* owned, with the array */
	unsigned n_fds;			/* 1: shared; else one for each worker */
	dev_t device;			/* of a unix socket that we bound: only that is removed */
	ino_t inode;
	bool passed;			/* by systemd: its address and its unix path belong to systemd */
};

struct listeners {			/* zero it before use */
	struct listener *at;
	size_t n;
	int handover_fd;		/* what the process before us has left in systemd's store, the caller's; -1: nothing */
	int alive_fd;			/* and its page, see alive.h; also the caller's */
	bool inherited;			/* by the program that this process was before */
};

/* Takes what sd_listen_fds_with_names(3) gives, sets O_NONBLOCK and the options, and unsets the variables.  Returns
 * the number of listeners, 0 without systemd; or a negative errno with *ret_why (owned by the caller) naming the
 * descriptor that is no listening stream socket.  Those of journal.h and notify.h are in the same list, and go there. */
int listeners_take_passed(struct listeners *listeners, char **ret_why);

/* Binds every address of the configuration, or none.  *ret_why: "cannot listen on ADDR: reason" (owned by the caller);
 * a unix socket left behind by a dead daemon is replaced, a living one is "in use". */
int listeners_bind(struct listeners *listeners, const struct conf *conf, unsigned n_workers, char **ret_why);

/* Closes them, not the caller's two; removes the unix sockets that we bound. */
void listeners_close(struct listeners *listeners);

/* With passed listeners: the addresses that the configuration sets and systemd did not pass, and what it passed, as one
 * text with the command that mends it (owned by the caller); NULL: they agree, or server.listen was not set.
 * unit: conf_unit() */
char *listeners_disagree(const struct listeners *listeners, const struct conf *conf, const char *unit);

/* The names, in the order of their numbers: an array that is the caller's to free, with its strings; NULL: no memory. */
char **listeners_names(const struct listeners *listeners, size_t *ret_n);

/* Adds an error for each name that the configuration has and no listener, or the reverse; those that were passed, or else
 * those that are to be bound. */
void listeners_judge_names(const struct listeners *listeners, const struct conf *conf, struct conf_errors *ret_errors);
