/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Alive: a page that says which process serves and how many connections it has.  systemd keeps it in its store of
 * descriptors: a process that is killed can say nothing any more, and the next one finds the page.  Main thread, but for
 * the count.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ALIVE_NAME "alive"		/* FDNAME= of what is stored */

struct alive_page;

struct alive {				/* zero it before use; fd -1 */
	struct alive_page *page;	/* owned: its mapping */
	int fd;				/* owned, until it is stored */
};

int alive_init(struct alive *alive);				/* negative errno */
void alive_deinit(struct alive *alive);				/* may be called twice */

_Atomic uint32_t *alive_connections(struct alive *alive);	/* counted by the workers; NULL: there is no page */

/* In place of the one of the process before.  Without a store nothing happens. */
void alive_store(struct alive *alive);

/* Whether this process ends in order: its connections were closed, or are left to the next. */
void alive_ends(struct alive *alive, bool ends);

/* Of the page that was found: true when that process did not end in order, which is told once.  Takes fd, or -1. */
bool alive_was_killed(int fd, pid_t *ret_pid, uint32_t *ret_connections);
