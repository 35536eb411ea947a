/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Timers: one list per duration.  All timers of a list run equally long, so a list is sorted by appending to it,
 * moving a timer is O(1), and what is due next is the least of a handful of heads.  The head of a list is also the
 * one that has waited longest.
 *
 * A timer is named by a slot number and holds no pointer, so that the table can be handed to another process; it
 * holds the time it was started at, not the time it is due: changing the duration of a list keeps it sorted.
 * "now" is always a parameter, in milliseconds of CLOCK_MONOTONIC.  Belongs to one thread.
 */
#include <stdint.h>

enum {
	TIMERS_LISTS_MAX = 16,
	TIMERS_NONE = UINT32_MAX,	/* no slot */
};

struct timer {
	uint64_t since_ms : 56;
	uint64_t list : 8;		/* 0: not running; else the list's number */
	uint32_t previous, next;	/* slots, or TIMERS_NONE at the ends */
};

struct timers {
	struct timer *at;		/* borrowed: as many as there are slots, zeroed */
	struct {
		uint32_t first, last;
		uint32_t duration_ms;	/* 0: nothing of this list is ever due */
	} lists[TIMERS_LISTS_MAX];
	unsigned n_lists;
	uint32_t running;		/* a bit for each list that is not empty */
};

void timers_init(struct timers *timers, struct timer *at);
unsigned timers_add_list(struct timers *timers, uint32_t duration_ms);	/* 1, 2, ...: its number */
void timers_set_duration(struct timers *timers, unsigned list, uint32_t duration_ms);

void timers_start(struct timers *timers, uint32_t slot, unsigned list, uint64_t now_ms);	/* also: again, or move */
void timers_resume(struct timers *timers, uint32_t slot, unsigned list, uint64_t since_ms);	/* started then; O(those that
											 * were started later) */
void timers_stop(struct timers *timers, uint32_t slot);			/* nothing to do when it does not run */

uint32_t timers_oldest(const struct timers *timers, unsigned list);	/* TIMERS_NONE: the list is empty */
uint64_t timers_newest_ms(const struct timers *timers, unsigned list);	/* when the last one was started; 0: empty */
uint32_t timers_take_due(struct timers *timers, uint64_t now_ms, unsigned *ret_list);	/* stops it; or TIMERS_NONE */
int timers_timeout(const struct timers *timers, uint64_t now_ms);	/* ms until the next is due; -1: never */
