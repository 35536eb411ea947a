/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Status: the line that `systemctl status` shows while the daemon serves.  Told only when it changed, and at most every
 * 5 s; while nothing at all happens it is looked at less often, so that a host at rest is left alone.  Main thread.
 */
#include <stdbool.h>
#include <stdint.h>

enum {
	STATUS_TEXT_MAX		= 1536,
	STATUS_EVERY_MS		= 5000,
	STATUS_AT_REST_MS	= 15000,
};

struct status_facts {
	const char *listeners;		/* "127.0.0.1:8000, [::1]:8000" */
	bool misconfigured;		/* the built-in 503 is what is served */
	uint32_t connections;
	uint64_t requests;		/* since the start */
	uint64_t generation;		/* of the configuration */
};

struct status {				/* zero it before use */
	uint64_t next_ms;		/* when status_look() is due; UINT64_MAX: never */
	uint64_t counted_ms, counted;	/* when requests were counted last, and how many there were */
	uint64_t tenths;		/* of a request per second, at that time */
	bool refused;			/* the note is of a configuration that was refused */
	char note[512];			/* of the last reload; empty: all is well */
	char text[STATUS_TEXT_MAX];	/* as systemd knows it */
};

/* What the last reload has to say, until the next; NULL: nothing. */
void status_note(struct status *status, bool refused, const char *note);

/* The text as of now, for a message that is sent anyway. */
const char *status_text(struct status *status, const struct status_facts *facts, uint64_t now_ms);

/* Whether systemd is to be told status->text; sets the time of the next look. */
bool status_look(struct status *status, const struct status_facts *facts, uint64_t now_ms);
