/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Poller: the thin layer over epoll(7), and the only one who knows it.  It is told which descriptors to watch, and
 * for what, and carries a 64-bit id for each; poller_wait() says which ids are ready.  It never owns a descriptor.
 *
 * poller_wait() may be called on one thread while the other functions are called on another (epoll_ctl(2) and
 * epoll_wait(2) are safe together).  All functions return 0 or a count, or a negative errno.
 */
#include <stdint.h>

enum {				/* what is wanted, and what is ready: the values are epoll's own */
	POLLER_READ	= 0x0001,
	POLLER_WRITE	= 0x0004,
	POLLER_ERROR	= 0x0018,	/* ready only: EPOLLERR or EPOLLHUP; the next recv or send says which */
	POLLER_RDHUP	= 0x2000,	/* the peer will send no more */
};

enum poller_trigger {
	POLLER_EDGE,			/* told once for every change */
	POLLER_ONCE,			/* told once, then silent until poller_modify (EPOLLONESHOT) */
	POLLER_EDGE_EXCLUSIVE,		/* as EDGE, one of several pollers is told (EPOLLEXCLUSIVE); cannot be modified */
};

enum { POLLER_WAIT_MAX = 1024 };	/* events of one wait */

struct event {
	uint64_t id;
	uint32_t ready;
};

struct poller {
	int fd;		/* owned */
};

int poller_init(struct poller *poller);
void poller_deinit(struct poller *poller);
int poller_add(struct poller *poller, int fd, uint32_t what, enum poller_trigger trigger, uint64_t id);
int poller_modify(struct poller *poller, int fd, uint32_t what, enum poller_trigger trigger, uint64_t id);
int poller_remove(struct poller *poller, int fd);

/* Waits up to timeout_ms (-1: for ever), writes at most max events, returns how many; 0 also when a signal came. */
int poller_wait(struct poller *poller, struct event *ret_events, unsigned max, int timeout_ms);
