/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Worker: one reactor and one executor, driven in one of two ways by the same code.
 *
 *	inline		one thread waits, fills the channel, empties it, waits again
 *	threaded	the reactor waits on a thread of its own; the executor's thread sleeps on the channel
 *
 * The main thread asks a worker by worker_ask(): the worker's callback then runs on the executor's thread.  The
 * question travels as an event, so it has gone through poller, channel and executor when it is answered.
 */
#include "core/executor.h"

enum worker_mode {
	WORKER_INLINE,
	WORKER_THREADED,
};

struct worker;
typedef void worker_fn(void *arg);

/* slots: interests at most, the worker's own one included.  timers: as for executor_new. */
int worker_new(struct worker **ret, enum worker_mode mode, uint32_t slots, struct timer *timers);
struct worker *worker_free(struct worker *w);			/* when it has been joined; NULL is fine; returns NULL */

size_t worker_bytes(uint32_t slots);	/* what one takes at most, without the timers that it borrows */

struct executor *worker_executor(struct worker *w);		/* before the start, or on the executor's thread */

/* Starts the thread(s).  On the executor's thread on_ask runs after each worker_ask (several may melt into one), and
 * on_failure, last of all, when a loop ended with an error: worker_join then says which.  It may be NULL. */
int worker_start(struct worker *w, const char *name, worker_fn *on_ask, worker_fn *on_failure, void *arg);
void worker_ask(struct worker *w);				/* from any thread */
void worker_quit(struct worker *w);				/* executor's thread: after this turn it ends */
int worker_join(struct worker *w);				/* what the loop ended with: 0 or a negative errno */
