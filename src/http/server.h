/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Server: what one worker has to answer HTTP: its listeners, its connections, its copy of the answers, its buffers.
 * The main thread owns it and asks through it; all else belongs to the worker's executor thread.
 *
 * The main thread states what it wishes (a snapshot, draining, stopping) and asks; the worker answers with the number
 * of the question, after it did what was wished.  Wishes are states, not messages, so asking twice does no harm.
 */
#include "core/worker.h"
#include "http/records.h"
#include "http/report.h"
#include "http/routes.h"
#include "http/snapshot.h"

#include <semaphore.h>
#include <stdatomic.h>

enum server_timer {		/* also the numbers of the executor's timer lists */
	TIMER_NONE,
	TIMER_HEADER,		/* from accept, or the first byte of a head, to its end */
	TIMER_BODY,		/* without any content coming */
	TIMER_WRITE,		/* without the client taking any byte */
	TIMER_IDLE,		/* between requests */
	TIMER_DRAIN,		/* of an ended connection; while draining, of one that never sent a byte */
	TIMER_PAUSE,		/* not a connection's: listeners wait for descriptors */
	TIMER_DELAY,		/* the first of several, see SERVER_DELAYS */
};

enum {
	SERVER_REFUSALS_MAX	= 64,	/* connections that are being answered 503 at a time */
	SERVER_DISCARD_MAX	= 512 * 1024,	/* bytes of content thrown away by one recv */
	SERVER_SHORT_BODY	= ROUTE_REFUSED_MAX,	/* a body up to this goes out with its head from the output buffer */
	SERVER_DELAYS		= 8,		/* timer lists for answers that are due later, of 1, 8, 64 ... ms */
	TIMER_REST		= TIMER_DELAY + SERVER_DELAYS,	/* not a connection's either: memory is given back */
};

_Static_assert((int) TIMER_REST < (int) TIMERS_LISTS_MAX, "the executor has room for all lists");

/* One head of an answer, ready to be copied to the output buffer; its body is copied, or sent, from the image. */
struct ready {
	char *head;
	uint32_t length;
	time_t dated;			/* the second that Date says */
};

/* A snapshot as a worker holds it: the newest, and older ones that connections still answer from. */
struct held {
	const struct snapshot *snapshot;	/* borrowed from main until the worker says it holds it no more */
	uint32_t connections;
	struct held *older;
	char *bytes;				/* owned: of all that is ready */
	struct ready (*ready)[HTTP_PERSISTENCES];	/* owned; by answer */
};

struct server_listener {
	int fd;				/* borrowed */
	uint8_t name;			/* its number, see routes.h */
	bool shared;			/* other workers accept from the same socket */
	bool lasting;			/* it outlives us: what is queued when we stop waits for the next */
	interest_id id;
};

struct server_options {
	enum worker_mode mode;
	unsigned number;			/* of the worker: 0, 1, ... */
	uint32_t max_connections;		/* room for so many */
	const struct server_listener *listeners;	/* copied */
	size_t n_listeners;
	const char *const *names;		/* of listeners: the first is that of the number 1; needed only at the start */
	size_t n_names;
	struct server *const *peers;		/* all workers, this one among them, made before any is started; borrowed */
	unsigned n_peers;			/* 0: it is alone */
	const struct snapshot *snapshot;	/* to begin with; borrowed */
	_Atomic uint32_t *connections;		/* of all workers; borrowed */
	int answer_fd;				/* main's eventfd, written to when a question is answered; borrowed */
};

struct server_arrivals {			/* what takes them is carry.c's: server.c knows no hand-over */
	void (*take)(struct server *server, struct server_arrivals *arrivals);
};

struct server {
	struct worker *worker;
	struct executor *ex;			/* worker's */
	struct server_options options;
	struct server_listener *listeners;
	struct records records;
	char *discard;				/* SERVER_DISCARD_MAX: where content goes that nobody reads; and scratch */
	uint64_t seed[2];			/* random: of request ids */
	char date[HTTP_DATE_LENGTH];		/* of the second `dated`: written once for all heads */
	time_t dated, now;
	uint64_t now_ms;			/* the executor's when the clock of Date was read: `now` */
	uint32_t scanned;			/* where the last search for a connection of who is gone ended */
	struct http_request request;		/* the last head of the turn: its bytes are the turn's */
	struct held *held;			/* newest first */
	int passed[2];				/* a pipe: newcomers that other workers pass on to this one, see balance.h */
	interest_id passed_id;
	unsigned last_peer;			/* that one was passed on to */
	interest_id pause_id, rest_id;		/* for their timers */
	bool paused;				/* the listeners are not awaited */
	bool resting;				/* TIMER_REST runs */
	bool draining;
	uint32_t refusals;
	uint32_t high_slot;			/* slots at and above this hold no connection */
	uint32_t accepted;
	uint32_t sampled;			/* requests, for log.access = sample=N */
	uint64_t reported_ms[REPORT_KINDS];	/* by enum report_kind */
	struct report_ring *reports;		/* owned */
	uint32_t names[ROUTE_NAMES_MAX + 1];	/* what another process can know a listener's name by; 0: there is none */

	/* Main writes, the worker reads. */
	_Alignas(64) _Atomic(const struct snapshot *) wish_snapshot;
	_Atomic bool wish_drain, wish_stop, wish_freeze;
	_Atomic(struct server_arrivals *) wish_arrivals;
	sem_t stir;			/* who stands still looks again at what is wished */
	_Atomic uint64_t asked;

	/* The worker writes, main reads. */
	_Alignas(64) _Atomic uint64_t answered;
	_Atomic uint64_t oldest_held;		/* the number of the oldest snapshot that it still needs */
	_Atomic uint64_t requests;
	_Atomic uint64_t moved_ms;		/* as of the last question: when a body or an answer last went on */
	_Atomic bool failed;			/* its loop ended with an error, which server_join returns */

	/* All workers read it and write it: who passes a newcomer on counts it here. */
	_Alignas(64) _Atomic uint32_t standing;	/* its connections */
};

/* Main thread. */
int server_new(struct server **ret, const struct server_options *options);
struct server *server_free(struct server *server);		/* after server_join; NULL is fine; returns NULL */
int server_start(struct server *server);
uint64_t server_ask(struct server *server);			/* the question's number */
bool server_answered(struct server *server, uint64_t question);

/* Each states a wish, asks, and returns the question's number.  After server_stop no other question is answered. */
uint64_t server_take_snapshot(struct server *server, const struct snapshot *snapshot);
uint64_t server_drain(struct server *server);			/* accept no more, end what stands */
uint64_t server_stop(struct server *server);			/* close everything and leave */
int server_join(struct server *server);

/* What one takes at most: without connections that have anything beside their records, and without snapshots; what
 * connections that are answered 503 for want of room have; and its copy of a snapshot's heads. */
size_t server_bytes(uint32_t max_connections, size_t n_listeners);
size_t server_refusals_bytes(void);
size_t server_held_bytes(uint32_t n_answers, size_t heads_length);

/* The worker answers and then stands still, so that the main thread may read all that is the worker's, until the thaw. */
uint64_t server_freeze(struct server *server);
void server_thaw(struct server *server);

/* Connections that arrived from the process before us, for this worker; the main thread's again when it has answered. */
uint64_t server_take_arrivals(struct server *server, struct server_arrivals *arrivals);

/* Worker's thread; for connection.c. */
struct held *server_held(struct server *server, uint64_t snapshot);	/* never NULL for a number that is held */
struct slice server_head(struct server *server, struct held *held, uint32_t answer,
			 enum http_persistence persistence);		/* with the Date of this turn */
struct held *server_find_held(struct server *server, uint64_t snapshot);	/* NULL: it is not there */
int server_hold_older(struct server *server, const struct snapshot *snapshot);	/* one that was never the newest here */
uint32_t server_count(struct server *server, int change);	/* connections of all workers, after the change */
void server_hold(struct server *server, struct connection *connection, struct held *held);
void server_let_go(struct server *server, struct connection *connection);
const struct server_listener *server_listener(const struct server *server, interest_id id);	/* whose interest it is */
void server_pause(struct server *server);			/* the listeners are not awaited for a while */
void server_resume(struct server *server);			/* a connection ended, or the while is over */
void server_rest_soon(struct server *server);			/* a connection ended, and it may be time */
/* At most one of a failing kind in a second.  fd: whose peer is told; -1: nobody's. */
void server_report(struct server *server, int fd, struct report *report);
interest_id server_oldest(struct server *server);		/* a connection that can make room; 0: none */

static inline struct connection *server_connection(struct server *server, interest_id id)
{
	return &server->records.connections[interest_slot(id)];
}

static inline void server_count_request(struct server *server)
{
	uint64_t requests = atomic_load_explicit(&server->requests, memory_order_relaxed);

	atomic_store_explicit(&server->requests, requests + 1, memory_order_relaxed);
}

static inline const struct http_limits *server_limits(const struct server *server)
{
	return &server->held->snapshot->limits;
}
