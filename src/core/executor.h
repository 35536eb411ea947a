/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Executor: takes events out of the channel and runs the callback that awaits them, once (await_once: then it is
 * forgotten) or every time (await_keep: it stays).
 *
 * The promises:
 * - A callback may watch, await and forget anything, its own interest included.  An event for an interest that is
 *   gone, because another callback forgot it in the same turn, is not delivered.
 * - An event for an interest that awaits something else is not lost: it is kept, and awaiting it runs the callback
 *   in the next turn.  Every event tells all that was kept and is awaited.
 * - RDHUP (the peer will send no more) is told with every event after it was seen.  A callback may stop at a short
 *   read only without it: no second event comes.
 * - ERROR is told to whatever callback the interest has, also when that awaits nothing.
 * - again runs the callback in the next turn, ready or not, and a turn with something to run again does not sleep.  Who
 *   yields already keeps its place.
 * - yield does so, too, but some of those that yield run in a turn and no more, in the order in which they asked, behind all
 *   others; what is ready for them meanwhile is kept.  So who has a lot to do is not felt by who has not, however many of
 *   them there are.
 * - One clock read per turn.  When a timer is due whoever waits on the poller is woken.
 *
 * Every interest has one timer; an interest without a descriptor (-1) is a timer and nothing else.
 * Everything here belongs to the executor's thread.  Failures are negative errno.
 */
#include "core/channel.h"
#include "core/registry.h"
#include "core/timers.h"

enum { EXECUTOR_YIELDED_PER_TURN = 4, EXECUTOR_DUE_PER_TURN = 64 };

struct executor;
typedef void executor_fn(void *arg, interest_id id, uint32_t ready);
typedef void executor_timer_fn(void *arg, interest_id id);

/* timers: one for each slot, zeroed, borrowed; NULL: the executor makes its own. */
int executor_new(struct executor **ret, struct poller *poller, struct channel *channel, uint32_t slots,
		 struct timer *timers);
struct executor *executor_free(struct executor *ex);			/* NULL is fine; returns NULL */
size_t executor_bytes(uint32_t slots);	/* what one takes at most, without the timers that it borrows */

int executor_watch(struct executor *ex, int fd, enum registry_kind kind, interest_id *ret_id);	/* borrows fd */
void executor_forget(struct executor *ex, interest_id id);		/* before closing fd; gone already is fine */
uint32_t executor_trim(struct executor *ex);				/* as registry_trim() */
int executor_fd(struct executor *ex, interest_id id);			/* -1: the interest is gone, or has none */
interest_id executor_id(struct executor *ex, uint32_t slot);		/* of who is in the slot now; 0: nobody */

/* what: POLLER_READ, POLLER_WRITE, both, or 0 for nothing but ERROR.  Replaces what was awaited before. */
int executor_await_once(struct executor *ex, interest_id id, uint32_t what, executor_fn *fn, void *arg);
int executor_await_keep(struct executor *ex, interest_id id, uint32_t what, executor_fn *fn, void *arg);
void executor_again(struct executor *ex, interest_id id);		/* ready may then be 0 */
void executor_yield(struct executor *ex, interest_id id);		/* as again, when a share was used up */

/* All timers of a list run for duration_ms; 0: for ever. */
unsigned executor_add_timer_list(struct executor *ex, uint32_t duration_ms, executor_timer_fn *fn, void *arg);
void executor_set_duration(struct executor *ex, unsigned list, uint32_t duration_ms);
void executor_start_timer(struct executor *ex, interest_id id, unsigned list);	/* also: again, or in another list */
void executor_stop_timer(struct executor *ex, interest_id id);
void executor_resume_timer(struct executor *ex, interest_id id, unsigned list, uint64_t since_ms);	/* started then */
interest_id executor_oldest(struct executor *ex, unsigned list);	/* 0: the list is empty */
uint64_t executor_newest_ms(struct executor *ex, unsigned list);	/* when its last timer was started; 0: empty */

uint64_t executor_now_ms(struct executor *ex);				/* CLOCK_MONOTONIC, as of this turn */

/* Runs every event that is in the channel, what asked to be run again, and some of what yielded and of the timers that are
 * due, since thousands may be due at once: the number of callbacks. */
int executor_turn(struct executor *ex);
bool executor_is_busy(struct executor *ex);				/* the next turn is not to be waited for */
