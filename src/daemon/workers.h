/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Workers: all of them together, as the main thread sees them, and the snapshots that they answer from.  A snapshot is
 * freed when every worker has said that it holds none as old.
 */
#include "daemon/conf.h"
#include "daemon/listeners.h"
#include "http/carry.h"
#include "http/server.h"

struct workers {				/* zero it before use; answer_fd -1 */
	struct server **at;			/* owned */
	unsigned n;
	int answer_fd;				/* owned: readable when a worker has something to say */
	_Atomic uint32_t *connections;		/* of all workers: borrowed if set before workers_start, else here: */
	_Atomic uint32_t counted;
	struct snapshot **snapshots;		/* owned, oldest first; the last one is in force */
	size_t n_snapshots;
	bool arriving;				/* connections of the process before us are on their way to the workers */
	uint64_t *questions;			/* owned: the last one asked of each */
	struct report_ring **rings;		/* owned; the rings are the servers' */
};

/* server.workers; auto: the CPUs that the process may use now, which may be others the next time. */
unsigned workers_wanted(const struct conf *conf);

/* Makes and starts so many workers.  The snapshot becomes the workers', also on failure. */
int workers_start(struct workers *workers, unsigned n, const struct conf *conf, const struct listeners *listeners,
		  const char *const *names, size_t n_names, struct snapshot *snapshot);	/* names: listeners_names() */
bool workers_leave(struct workers *workers, int timeout_ms);	/* all end; false: one does not answer */
void workers_stop(struct workers *workers);		/* closes every connection and ends the threads */
void workers_deinit(struct workers *workers);		/* after workers_stop; may be called twice */

/* Every worker takes the snapshot; it becomes the workers', also on failure. */
int workers_take_snapshot(struct workers *workers, struct snapshot *snapshot);
uint64_t workers_generation(const struct workers *workers);	/* the number of the snapshot in force */

/* All workers stand still, or none does: false. */
bool workers_freeze(struct workers *workers, int timeout_ms);
void workers_thaw(struct workers *workers);
int workers_carry(struct workers *workers, struct handover *handover);	/* while they are frozen: negative errno */

/* The snapshots of the process before us, oldest first and all older than ours, become the workers'; then each worker
 * takes its arrivals.  -ENOMEM; false: a worker has not answered in time. */
int workers_take_older(struct workers *workers, struct snapshot **snapshots, size_t n);
bool workers_take_arrivals(struct workers *workers, struct carry_arrivals *arrivals, uint32_t layout, int timeout_ms);

void workers_drain(struct workers *workers);		/* accept no more, end what stands */
uint32_t workers_connections(struct workers *workers);
uint64_t workers_requests(struct workers *workers);
uint64_t workers_moved_ms(struct workers *workers);	/* when a body or an answer last went on, as of the last question */

void workers_ask(struct workers *workers);
int workers_unanswered(struct workers *workers);	/* the first worker that owes an answer; -1: none does */
int workers_failed(struct workers *workers);		/* the first whose loop ended with an error; -1: none */
bool workers_wait(struct workers *workers, int timeout_ms);	/* until all have answered; false: time is up */
void workers_heard(struct workers *workers);		/* answer_fd was readable: frees what nobody holds */
