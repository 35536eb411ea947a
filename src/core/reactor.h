/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Reactor: waits on the poller and puts what is ready into the channel.  It knows ids, never what they stand for.
 * It asks the poller for as many events as the channel has room for; what does not fit stays in the kernel.
 *
 * Either the executor's thread calls reactor_turn() between two turns of its own, or the reactor runs on a thread of
 * its own until the channel is closed.
 */
#include "core/channel.h"
#include "core/poller.h"

struct reactor {
	struct poller *poller;		/* borrowed */
	struct channel *channel;	/* borrowed */
	int wake_fd;			/* owned: an eventfd; ends a wait of reactor_run */
};

int reactor_init(struct reactor *reactor, struct poller *poller, struct channel *channel);
void reactor_deinit(struct reactor *reactor);

/* One wait; returns the number of events put, or a negative errno.  With a full channel it does not wait. */
int reactor_turn(struct reactor *reactor, int timeout_ms);

int reactor_run(struct reactor *reactor);	/* until the channel is closed and reactor_wake was called */
void reactor_wake(struct reactor *reactor);	/* from any thread */
