/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Connection: one client, from accept to close.
 *
 * Its record lives in the worker's mapping (records.h) and holds no pointer: slot numbers, offsets and lengths, and
 * the number of the snapshot it answers from.  Its descriptor, its callback and its event id are in the registry,
 * under the same slot number.
 */
#include "core/executor.h"
#include "http/body.h"
#include "http/parser.h"

struct server;

enum { CONNECTION_ACCEPTS_PER_TURN = 16 };

enum connection_state {		/* what the next bytes from the client are, or what holds them up */
	CONNECTION_FREE,
	CONNECTION_HEAD,	/* a request head, or nothing yet */
	CONNECTION_LENGTH,	/* content of a known length, thrown away */
	CONNECTION_CHUNKS,	/* chunked content, walked and thrown away */
	CONNECTION_DELAYED,	/* the answer is due later; requests behind it wait */
	CONNECTION_SENDING,	/* a long body is on its way out; requests behind it wait */
	CONNECTION_DRAINING,	/* all was said; what still comes is thrown away, so that the answer is not reset */
};

enum {				/* struct connection, flags */
	CONNECTION_MORE		= 0x01,	/* the socket may hold bytes that no event will tell of */
	CONNECTION_UNSEEN	= 0x02,	/* the spilled input was not looked at to its end: the output was full */
	CONNECTION_LAST		= 0x04,	/* no request is served after the one being read */
	CONNECTION_CLOSING	= 0x08,	/* the last answer is made: the end comes when the output is out */
	CONNECTION_HEAD_ONLY	= 0x10,	/* the answer to the content being read goes out without its body */
	CONNECTION_END_SEEN	= 0x20,	/* the client has sent its FIN */
	CONNECTION_REFUSED	= 0x40,	/* beyond max_connections: not counted, answered 503 */
	CONNECTION_SPILLED	= 0x80,	/* has pages of its own */
	CONNECTION_LINGER	= 0x100, /* more may come that nobody will look at: the end is no plain close */
	CONNECTION_KEPT		= 0x200, /* what the answer and the log repeat of the request was put aside until it is made */
};

struct connection {
	uint64_t snapshot;			/* the number of the one it answers from; 0: none is held */
	union {					/* by state */
		struct http_chunked chunks;	/* CHUNKS */
		uint64_t left;			/* LENGTH: content bytes left; DRAINING: bytes that may still come */
		uint64_t due_ms;		/* DELAYED: when it is answered, on CLOCK_MONOTONIC */
		struct {
			uint32_t offset, length;	/* SENDING: what is left of the body, in the snapshot's image */
		} rest;
	};
	uint32_t number;			/* names the connection in the log, among those of its worker */
	uint32_t requests;			/* answered so far */
	uint32_t in_length;			/* bytes in the spilled input */
	uint32_t out_offset, out_length;	/* unsent bytes in the spilled output */
	uint16_t answer;			/* of the request whose content is being read, or that waits for it */
	uint16_t flags;
	uint8_t state;				/* enum connection_state */
	uint8_t name;				/* of the listener that it came by, as routes.h numbers them */
	uint8_t minor : 4;			/* of that request */
	uint8_t waits : 4;			/* POLLER_READ or POLLER_WRITE as told to the executor; 0: nothing yet */
	uint8_t timer;				/* enum server_timer that runs, 0: none */
	uint32_t in_kernel;			/* sent and not taken by the client when TIMER_WRITE was started */
};

enum {				/* bytes of ours while it is idle */
	CONNECTION_IDLE_BYTES = sizeof(struct connection) + sizeof(struct timer) + sizeof(struct interest),
};
size_t connection_spill_bytes(const struct http_limits *limits);	/* that one can have beside that, at most */
size_t connection_refused_bytes(void);				/* the same, of one that is answered 503 for want of room */

/* Callback of a listener's interest; arg is the struct server. */
void connection_accept(void *arg, interest_id id, uint32_t ready);

/* Begins with a connection that was counted already: one that another worker accepted, and passed on. */
void connection_begin(struct server *server, int fd, uint8_t name);

/* Accepts what is queued, even in a pause, before a listener of our own is closed: nobody else would. */
struct server_listener;
void connection_accept_rest(struct server *server, const struct server_listener *listener);

/* Callback of a timer list, one for each enum server_timer. */
void connection_timed_out(void *arg, interest_id id);

/* The worker drains: an idle connection is closed, one that has asked nothing yet gets a second to do so, and another
 * is closed after its answer. */
void connection_drain(struct server *server, interest_id id);

/* A connection of the process before us goes on, in a turn of its own: what is beside its record is put in place before
 * that, by the caller.  Its descriptor and slot are then the worker's, and its number is the worker's next.
 * since_ms: when its timer was started.  -EBADMSG: it answers from what is not there; other negative errno. */
int connection_resume(struct server *server, int fd, const struct connection *record, uint64_t since_ms,
		      uint32_t *ret_slot);

/* How long that is which was put aside with CONNECTION_KEPT and begins here; 0: that it is longer than `most`. */
size_t connection_kept_length(const void *kept, size_t most);

void connection_close(struct server *server, interest_id id);	/* at once */
