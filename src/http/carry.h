/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Carry: connections and the snapshots that they still answer from, as bytes for the process that comes after us.
 *
 * Giving is the main thread's, while every worker is frozen (server_freeze); taking a connection is its new worker's.
 * An idle connection can be taken whatever the bytes mean to who gave them; another one only in the same layout.
 */
#include "core/handover.h"
#include "http/server.h"

enum { CARRY_LAYOUT = 5 };	/* to be counted up when a record, an answer or what is here changes */

enum carry_kind {		/* of a handover_item; these never change their meaning */
	CARRY_SNAPSHOT	= 1,	/* before all connections */
	CARRY_IDLE	= 2,	/* between two requests: nothing is lost if only the descriptor is taken */
	CARRY_BUSY	= 3,
};

/* Negative errno; what was added is as before. */
int carry_snapshot(struct handover *handover, const struct snapshot *snapshot);
int carry_connections(struct handover *handover, struct server *server);
bool carry_uses(const struct server *server, const struct snapshot *snapshot);	/* some connection answers from it */

/* The snapshot of an item, whose descriptor it takes; it answers what was begun, and can find nothing new.  -EBADMSG. */
int carry_take_snapshot(struct snapshot **ret, struct handover_item *item);

uint64_t carry_since(const struct handover_item *item, uint32_t layout);	/* when its timer was started */

/* What one worker is to take; the items sorted by carry_since(). */
struct carry_arrivals {
	struct server_arrivals base;
	struct handover_item **items;		/* borrowed, as all that follows, until the worker has answered */
	size_t n;
	uint32_t layout;
	const struct snapshot **snapshots;
	size_t n_snapshots;
	size_t taken;				/* the worker says: so many go on; the others still have their descriptors */
};

uint64_t carry_to(struct server *server, struct carry_arrivals *arrivals);	/* the number of the question */
