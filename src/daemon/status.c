/* SPDX-License-Identifier: MIT */
/*
 * Requests per second are counted between looks, by the main thread; a worker that kept a rate would pay for it with every
 * request.
 */
#include "daemon/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { COUNT_OVER_MS = 1000 };		/* over less than that a rate says nothing */

void status_note(struct status *status, bool refused, const char *note)
{
	status->refused = refused;
	(void) snprintf(status->note, sizeof status->note, "%s", note ? note : "");
}

static void count(struct status *status, uint64_t requests, uint64_t now_ms)
{
	uint64_t ms = now_ms - status->counted_ms;

	if (status->counted_ms != 0 && ms < COUNT_OVER_MS)
		return;
	status->tenths = status->counted_ms != 0 ? (requests - status->counted) * 10000 / ms : 0;
	status->counted_ms = now_ms;
	status->counted = requests;
}

/* "1234", "7.5": one that is small has a digit more. */
static void write_rate(char *to, size_t capacity, uint64_t tenths)
{
	if (tenths >= 100 || tenths % 10 == 0)
		(void) snprintf(to, capacity, "%" PRIu64, tenths / 10);
	else
		(void) snprintf(to, capacity, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

/* Returns whether it is another than before. */
static bool make(struct status *status, const struct status_facts *facts)
{
	bool noted = status->note[0];
	char text[STATUS_TEXT_MAX], rate[32];

	write_rate(rate, sizeof rate, status->tenths);
	(void) snprintf(text, sizeof text, "%s%s%s%s%s, %" PRIu32 " connection%s, %s requests/s, configuration %" PRIu64 "%s%s",
			noted && status->refused ? "configuration refused: " : "", noted && status->refused ? status->note : "",
			noted && status->refused ? "; " : "",
			facts->misconfigured ? "misconfigured, see the journal: answering 503 on " : "serving on ",
			facts->listeners, facts->connections, facts->connections == 1 ? "" : "s", rate, facts->generation,
			noted && !status->refused ? ", except for what needs a restart: " : "",
			noted && !status->refused ? status->note : "");
	if (strcmp(text, status->text) == 0)
		return false;
	memcpy(status->text, text, sizeof text);
	return true;
}

const char *status_text(struct status *status, const struct status_facts *facts, uint64_t now_ms)
{
	count(status, facts->requests, now_ms);
	(void) make(status, facts);
	if (status->next_ms != UINT64_MAX)
		status->next_ms = now_ms + STATUS_EVERY_MS;
	return status->text;
}

bool status_look(struct status *status, const struct status_facts *facts, uint64_t now_ms)
{
	bool changed;

	count(status, facts->requests, now_ms);
	changed = make(status, facts);
	status->next_ms = now_ms + (changed ? STATUS_EVERY_MS : STATUS_AT_REST_MS);
	return changed;
}
