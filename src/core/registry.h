/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Registry: the table of interests.  An interest is what is wanted from one descriptor: READ, WRITE or both.  Each
 * lives in a slot and is named by an id, slot and generation; the generation goes up when the slot is freed, so an id
 * that outlived its interest is simply not found.  The first time something is wanted the descriptor is added to the
 * poller, afterwards it is modified, and only when the kernel does not know it already.
 *
 * The registry borrows descriptors: whoever owns one removes its interest first and closes it then.  An interest may
 * have no descriptor at all (-1): it is then a slot for a timer.  Belongs to the executor's thread.
 */
#include "core/poller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t interest_id;		/* slot in the lower, generation in the upper half; 0 names nothing */

enum registry_kind {
	REGISTRY_STANDING,		/* stays in the kernel, edge-triggered: READ and RDHUP, WRITE once it was wanted */
	REGISTRY_ONE_SHOT,		/* silent in the kernel after each event until it is wanted again */
	REGISTRY_SHARED,		/* a listener that other pollers watch, too: READ only, one of them is told */
};

/* What the executor keeps for an interest is here beside it: one look-up, one cache line for two interests. */
struct interest {
	void (*fn)(void *arg, interest_id id, uint32_t ready);	/* executor's */
	void *arg;						/* executor's; borrowed */
	int fd;							/* borrowed */
	uint32_t generation;
	uint32_t next;						/* in the free list, or in one of the executor's lists */
	uint8_t awaits : 4;					/* executor's: READ | WRITE that the callback waits for */
	uint8_t yields : 1;					/* executor's: its list is that of those that yield */
	uint8_t armed;						/* READ | WRITE as the kernel knows it */
	uint8_t pending;					/* executor's: ready, and not yet told */
	uint8_t flags;						/* executor's and registry's */
};

enum {				/* struct interest, flags */
	INTEREST_USED		= 0x01,
	INTEREST_KEEP		= 0x02,	/* stays awaited after its callback ran */
	INTEREST_AGAIN		= 0x04,	/* is on a list of those that run again */
	INTEREST_KNOWN		= 0x08,	/* the kernel has it */
	INTEREST_ONE_SHOT	= 0x10,
	INTEREST_SHARED		= 0x20,
	INTEREST_NO_MORE	= 0x40,	/* RDHUP was seen: told with every event from then on */
	INTEREST_ASKED		= 0x80,	/* runs again even when nothing is ready: executor_again or _yield was called */
};

struct registry {
	struct poller *poller;		/* borrowed */
	struct interest *at;		/* owned; pages are touched as slots are used */
	uint32_t slots;
	uint32_t used;
	uint32_t free;			/* first of the free list, or slots */
	uint32_t untouched;		/* slots from here on were never used, or were given back */
	uint32_t first_generation;	/* of those: nobody was ever called so there */
};

int registry_init(struct registry *registry, struct poller *poller, uint32_t slots);
size_t registry_bytes(uint32_t slots);	/* what it takes at most */
void registry_deinit(struct registry *registry);

/* Takes a slot; the kernel is told at the first registry_want.  -ENOSPC: the table is full. */
int registry_add(struct registry *registry, int fd, enum registry_kind kind, interest_id *ret_id);

/* The poller is told that READ, WRITE or both are wanted from now on, if it does not know.  A standing interest is
 * only ever widened; nothing wanted (0) takes a one-shot or shared one away from the kernel. */
int registry_want(struct registry *registry, interest_id id, uint32_t what);

void registry_remove(struct registry *registry, interest_id id);		/* before closing the descriptor */
void registry_release(struct registry *registry, uint32_t slot);	/* executor's: removed while on a list of its */
struct interest *registry_get(struct registry *registry, interest_id id);	/* NULL: it is gone */
interest_id registry_id(const struct registry *registry, uint32_t slot);	/* of who is in the slot now; 0: nobody */

/* Gives back the memory of the slots behind the last one that is in use; returns the first of them.  Looks at every slot. */
uint32_t registry_trim(struct registry *registry);

static inline uint32_t interest_slot(interest_id id)
{
	return (uint32_t) id;
}
