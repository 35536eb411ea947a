/* SPDX-License-Identifier: MIT */
/*
 * A heap would serve any mixture of durations at O(log n) for each step; a server moves a timer with nearly every
 * request and has only a handful of durations.  Lists do that with three assignments.
 */
#include "core/timers.h"

#include <assert.h>
#include <limits.h>

void timers_init(struct timers *timers, struct timer *at)
{
	*timers = (struct timers) { .at = at };
}

unsigned timers_add_list(struct timers *timers, uint32_t duration_ms)
{
	unsigned list = ++timers->n_lists;

	assert(list < TIMERS_LISTS_MAX);
	timers->lists[list].first = timers->lists[list].last = TIMERS_NONE;
	timers->lists[list].duration_ms = duration_ms;
	return list;
}

void timers_set_duration(struct timers *timers, unsigned list, uint32_t duration_ms)
{
	timers->lists[list].duration_ms = duration_ms;
}

void timers_start(struct timers *timers, uint32_t slot, unsigned list, uint64_t now_ms)
{
	struct timer *timer = &timers->at[slot];
	uint32_t last;

	assert(list > 0 && list <= timers->n_lists);
	if (timer->list == list && timer->next == TIMERS_NONE) {	/* already the last of its list */
		timer->since_ms = now_ms;
		return;
	}
	timers_stop(timers, slot);

	last = timers->lists[list].last;
	*timer = (struct timer) { .since_ms = now_ms, .previous = last, .next = TIMERS_NONE, .list = list };
	if (last == TIMERS_NONE)
		timers->lists[list].first = slot;
	else
		timers->at[last].next = slot;
	timers->lists[list].last = slot;
	timers->running |= 1u << list;
}

/* The two are neighbours: the second goes before the first. */
static void swap(struct timers *timers, uint32_t first, uint32_t second)
{
	struct timer *a = &timers->at[first], *b = &timers->at[second];
	unsigned list = a->list;

	b->previous = a->previous;
	a->next = b->next;
	a->previous = second;
	b->next = first;
	if (b->previous == TIMERS_NONE)
		timers->lists[list].first = second;
	else
		timers->at[b->previous].next = second;
	if (a->next == TIMERS_NONE)
		timers->lists[list].last = first;
	else
		timers->at[a->next].previous = first;
}

void timers_resume(struct timers *timers, uint32_t slot, unsigned list, uint64_t since_ms)
{
	uint32_t previous;

	timers_start(timers, slot, list, since_ms);
	for (;;) {
		previous = timers->at[slot].previous;
		if (previous == TIMERS_NONE || timers->at[previous].since_ms <= since_ms)
			return;
		swap(timers, previous, slot);
	}
}

void timers_stop(struct timers *timers, uint32_t slot)
{
	struct timer *timer = &timers->at[slot];

	if (timer->list == 0)
		return;
	if (timer->previous == TIMERS_NONE)
		timers->lists[timer->list].first = timer->next;
	else
		timers->at[timer->previous].next = timer->next;
	if (timer->next == TIMERS_NONE)
		timers->lists[timer->list].last = timer->previous;
	else
		timers->at[timer->next].previous = timer->previous;
	if (timers->lists[timer->list].first == TIMERS_NONE)
		timers->running &= ~(1u << timer->list);
	timer->list = 0;
}

uint32_t timers_oldest(const struct timers *timers, unsigned list)
{
	return timers->lists[list].first;
}

uint64_t timers_newest_ms(const struct timers *timers, unsigned list)
{
	uint32_t last = timers->lists[list].last;

	return last == TIMERS_NONE ? 0 : timers->at[last].since_ms;
}

/* Empty lists cost nothing: most of them are, most of the time. */
static unsigned lowest(uint32_t lists)
{
	return (unsigned) __builtin_ctz(lists);
}

uint32_t timers_take_due(struct timers *timers, uint64_t now_ms, unsigned *ret_list)
{
	for (uint32_t left = timers->running; left; left &= left - 1) {
		unsigned list = lowest(left);
		uint32_t slot = timers->lists[list].first;
		uint32_t duration_ms = timers->lists[list].duration_ms;

		if (duration_ms == 0 || timers->at[slot].since_ms + duration_ms > now_ms)
			continue;
		timers_stop(timers, slot);
		*ret_list = list;
		return slot;
	}
	return TIMERS_NONE;
}

int timers_timeout(const struct timers *timers, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;

	for (uint32_t left = timers->running; left; left &= left - 1) {
		unsigned list = lowest(left);
		uint32_t slot = timers->lists[list].first;
		uint64_t due_ms;

		if (timers->lists[list].duration_ms == 0)
			continue;
		due_ms = timers->at[slot].since_ms + timers->lists[list].duration_ms;
		if (due_ms < next_ms)
			next_ms = due_ms;
	}
	if (next_ms == UINT64_MAX)
		return -1;
	if (next_ms <= now_ms)
		return 0;
	return next_ms - now_ms < INT_MAX ? (int) (next_ms - now_ms) : INT_MAX;
}
