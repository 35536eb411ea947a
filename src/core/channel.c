/* SPDX-License-Identifier: MIT */
/*
 * head and tail only ever grow (they wrap at 2^32, which the capacity divides), so head - tail is the length and a
 * full ring differs from an empty one.  The event is written before head is (release), and read after it (acquire).
 *
 * An end that finds nothing to do raises its flag, looks once more, and sleeps on a condition variable; the other
 * end looks at the flag after each step.  The two full fences order "my step, then your flag" against "my flag, then
 * your step", so one of the two always sees the other: no wake-up is lost, and a running pair takes no lock.
 *
 * A producer that found no room sleeps until half of the ring is free.  Woken at the first event taken it would fetch
 * that one, find no room, and sleep again: two sleeps and two waits on the poller for every event, just when there
 * is most to do.  (An old head makes the consumer see less than there is, and wake too often, never too seldom.)
 *
 * The simpler way, a lock around every step, costs two locks for each turn of a worker that has no second thread.
 */
#include "core/channel.h"

#include <errno.h>
#include <stdlib.h>

int channel_init(struct channel *channel, uint32_t capacity, bool threaded)
{
	if (capacity == 0 || (capacity & (capacity - 1)) != 0)
		return -EINVAL;
	*channel = (struct channel) { .capacity = capacity, .threaded = threaded };
	channel->at = calloc(capacity, sizeof *channel->at);
	if (!channel->at)
		return -ENOMEM;

	pthread_mutex_init(&channel->lock, NULL);
	pthread_cond_init(&channel->room, NULL);
	pthread_cond_init(&channel->events, NULL);
	return 0;
}

void channel_deinit(struct channel *channel)
{
	if (!channel->at)
		return;
	free(channel->at);
	channel->at = NULL;
	pthread_mutex_destroy(&channel->lock);
	pthread_cond_destroy(&channel->room);
	pthread_cond_destroy(&channel->events);
}

bool channel_closed(struct channel *channel)
{
	return atomic_load(&channel->closed);
}

void channel_close(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	atomic_store(&channel->closed, true);
	pthread_cond_signal(&channel->room);
	pthread_cond_signal(&channel->events);
	pthread_mutex_unlock(&channel->lock);
}

/* After a step of ours: the other end may have gone to sleep for want of it. */
static void wake(struct channel *channel, _Atomic bool *sleeps, pthread_cond_t *condition)
{
	if (!channel->threaded)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(sleeps, memory_order_relaxed))
		return;
	pthread_mutex_lock(&channel->lock);
	pthread_cond_signal(condition);
	pthread_mutex_unlock(&channel->lock);
}

uint32_t channel_length(struct channel *channel)
{
	return atomic_load_explicit(&channel->head, memory_order_acquire) -
	       atomic_load_explicit(&channel->tail, memory_order_acquire);
}

struct event *channel_reserve(struct channel *channel, uint32_t *ret_n)
{
	uint32_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
	uint32_t room = channel->capacity - channel_length(channel);
	uint32_t at = head & (channel->capacity - 1);
	uint32_t to_the_end = channel->capacity - at;

	*ret_n = room < to_the_end ? room : to_the_end;
	return *ret_n ? &channel->at[at] : NULL;
}

void channel_commit(struct channel *channel, uint32_t n)
{
	uint32_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);

	if (n == 0)
		return;
	atomic_store_explicit(&channel->head, head + n, memory_order_release);
	wake(channel, &channel->consumer_sleeps, &channel->events);
}

bool channel_take(struct channel *channel, struct event *ret_event)
{
	uint32_t tail = atomic_load_explicit(&channel->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&channel->head, memory_order_acquire);

	if (head == tail)
		return false;
	*ret_event = channel->at[tail & (channel->capacity - 1)];
	atomic_store_explicit(&channel->tail, tail + 1, memory_order_release);
	if (head - (tail + 1) <= channel->capacity / 2)
		wake(channel, &channel->producer_sleeps, &channel->room);
	return true;
}

bool channel_wait_room(struct channel *channel)
{
	if (channel_closed(channel))
		return false;
	if (channel_length(channel) < channel->capacity)
		return true;	/* without the lock: this is the usual case */

	pthread_mutex_lock(&channel->lock);
	atomic_store_explicit(&channel->producer_sleeps, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	while (!channel_closed(channel) && channel_length(channel) > channel->capacity / 2)
		pthread_cond_wait(&channel->room, &channel->lock);
	atomic_store_explicit(&channel->producer_sleeps, false, memory_order_relaxed);
	pthread_mutex_unlock(&channel->lock);
	return !channel_closed(channel);
}

void channel_wait_events(struct channel *channel)
{
	if (channel_length(channel) > 0)
		return;

	pthread_mutex_lock(&channel->lock);
	atomic_store_explicit(&channel->consumer_sleeps, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	while (!channel_closed(channel) && channel_length(channel) == 0)
		pthread_cond_wait(&channel->events, &channel->lock);
	atomic_store_explicit(&channel->consumer_sleeps, false, memory_order_relaxed);
	pthread_mutex_unlock(&channel->lock);
}
