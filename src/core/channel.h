/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Channel: a bounded ring of events, one producer (the reactor) and one consumer (the executor), on one thread or on
 * two.  It cannot dead-lock, because nobody ever holds an event that does not fit: the producer asks for room first,
 * fetches at most that many events, straight into the ring, and then makes them visible.  The consumer only takes.
 * Closing wakes both ends; what was put before can still be taken.
 */
#include "core/poller.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct channel {
	struct event *at;			/* owned */
	uint32_t capacity;			/* a power of two */
	bool threaded;				/* the two ends are on two threads and may sleep */

	_Alignas(64) _Atomic uint32_t head;	/* events put so far; written by the producer */
	_Alignas(64) _Atomic uint32_t tail;	/* events taken so far; written by the consumer */
	_Alignas(64) _Atomic bool closed;
	_Atomic bool producer_sleeps, consumer_sleeps;
	pthread_mutex_t lock;			/* for sleeping only */
	pthread_cond_t room, events;
};

int channel_init(struct channel *channel, uint32_t capacity, bool threaded);
void channel_deinit(struct channel *channel);		/* when both ends have stopped */
void channel_close(struct channel *channel);		/* from any thread */
bool channel_closed(struct channel *channel);

/* Producer.  Up to *ret_n events may be written at the place returned; NULL and 0: there is no room now. */
struct event *channel_reserve(struct channel *channel, uint32_t *ret_n);
bool channel_wait_room(struct channel *channel);	/* threaded only; full: until half is free; false: closed */
void channel_commit(struct channel *channel, uint32_t n);

/* Consumer. */
bool channel_take(struct channel *channel, struct event *ret_event);	/* false: it is empty */
uint32_t channel_length(struct channel *channel);
void channel_wait_events(struct channel *channel);		/* threaded only; until one is there, or closed */
