/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Report: what a worker has to tell the log, in a bounded ring of fixed-size records, one producer (the worker) and
 * one consumer (the log thread).  A worker never formats a line, never writes one, and never waits for who reads:
 * a full ring drops the record and counts it.
 */
#include "http/slice.h"

#include <stdatomic.h>
#include <stdint.h>

enum report_kind {
	REPORT_REQUEST,			/* the access log */
	REPORT_NO_DESCRIPTORS,		/* accept said EMFILE, ENFILE, ENOBUFS or ENOMEM: error */
	REPORT_FULL,			/* max_connections reached: somebody had to make room or was answered 503 */
	REPORT_CONNECTION_FAILED,	/* the kernel refused something for a connection that it should not: error */
};

enum { REPORT_KINDS = REPORT_CONNECTION_FAILED + 1 };
enum { REPORT_TEXT_MAX = 160, REPORT_PEER_MAX = 64, REPORT_ROUTE_MAX = 96 };

struct report {
	uint64_t time_us;		/* CLOCK_REALTIME */
	uint64_t connection;		/* counted from 1 in each worker; wraps at 2^32; 0: it is of none */
	uint64_t bytes;			/* of the answer */
	uint64_t request_id[2];		/* that the answer says; both 0: it says none */
	int32_t error;			/* errno, or 0 */
	uint16_t status;
	uint16_t worker;		/* 0, 1, ... */
	uint8_t kind;			/* enum report_kind */
	char peer[REPORT_PEER_MAX];	/* "127.0.0.1:51000", "[::1]:51000", "unix"; NUL-ended */
	char method[16];		/* NUL-ended, cut */
	char target[REPORT_TEXT_MAX];	/* NUL-ended, cut */
	char route[REPORT_ROUTE_MAX];	/* which answered, as routes_name() says; NUL-ended, cut: its snapshot may be gone
					 * when this is read */
};

enum { REPORT_RING_LENGTH = 1024 };

struct report_ring {
	_Alignas(64) _Atomic uint32_t head;	/* written by the producer */
	_Alignas(64) _Atomic uint32_t tail;	/* written by the consumer */
	_Atomic uint64_t dropped;
	_Atomic uint64_t suppressed[REPORT_KINDS];	/* that the producer left out, by enum report_kind */
	_Atomic bool reader_sleeps;		/* the reader sets it, looks once more, and waits on its eventfd */
	int wake_fd;				/* borrowed: the reader's eventfd, set before it sleeps first; -1: none */
	struct report at[REPORT_RING_LENGTH];
};

void report_set_peer(struct report *report, int fd);			/* a system call; "" when it is gone already */
void report_put(struct report_ring *ring, const struct report *report);	/* producer */
bool report_take(struct report_ring *ring, struct report *ret);		/* consumer; false: empty */
void report_suppress(struct report_ring *ring, unsigned kind);		/* producer: one was left out */
uint64_t report_take_suppressed(struct report_ring *ring, unsigned kind);	/* consumer: since it was last asked */
uint64_t report_take_dropped(struct report_ring *ring);			/* consumer: since it was last asked */
