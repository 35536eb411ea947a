/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Records: the memory of one worker's connections, one mapping (a memfd) without a pointer in it.
 *
 *	connections	one record for each slot
 *	timers		one for each slot: when its current wait began
 *	input, output	the worker's own buffers, used by one connection at a time, for one turn
 *	spill		for each slot a place for what is left over at the end of a turn: half a request, an unsent
 *			answer, what an answer that is due later will repeat of its request.  Pages come into being
 *			when they are written to and are given back when they are empty again, so an idle
 *			connection owns its record and nothing else.
 *
 * What is bound to the process (descriptor, callbacks, event id) is kept beside it, in the registry, under the same
 * slot number.
 */
#include "core/timers.h"
#include "http/connection.h"

enum {
	RECORDS_READ_MAX	= 16 * 1024,	/* bytes looked at in one turn of one connection */
	RECORDS_INPUT_MAX	= HTTP_REQUEST_LINE_MAX + HTTP_HEADER_MAX + 2 * RECORDS_READ_MAX,
	RECORDS_OUTPUT_MAX	= 96 * 1024,
	RECORDS_KEPT_MAX	= 64 * 1024,
};

struct records {
	int fd;				/* owned */
	char *base;			/* owned: the mapping */
	size_t length;
	uint32_t slots;
	struct connection *connections;	/* the following point into it */
	struct timer *timers;
	char *input;			/* RECORDS_INPUT_MAX */
	char *output;			/* RECORDS_OUTPUT_MAX */
	char *spills;
};

int records_init(struct records *records, uint32_t slots);
size_t records_bytes(uint32_t slots);	/* what it takes at most, without what is spilled */
size_t records_spill_bytes(size_t input, size_t output, size_t kept);	/* what one slot takes, with so much in each place */
void records_deinit(struct records *records);

char *records_spilled_input(struct records *records, uint32_t slot);	/* RECORDS_INPUT_MAX */
char *records_spilled_output(struct records *records, uint32_t slot);	/* RECORDS_OUTPUT_MAX */
char *records_kept(struct records *records, uint32_t slot);		/* RECORDS_KEPT_MAX */
void records_free_spill(struct records *records, uint32_t slot);	/* gives its pages back */
void records_trim(struct records *records, uint32_t slot);	/* the same of records from that slot on, and the two buffers */
