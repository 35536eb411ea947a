/* SPDX-License-Identifier: MIT */
/*
 * What systemd is told of the daemon while it serves, and for how long it serves when nobody comes.
 */
#include "daemon/daemon.h"

#include "core/clock.h"
#include "daemon/notify.h"

#include <stdio.h>

enum { LISTENERS_TEXT_MAX = 512 };

/* "127.0.0.1:8000, [::1]:8000" */
static void listeners_text(const struct listeners *listeners, char *to, size_t capacity)
{
	size_t length = 0;

	to[0] = '\0';
	for (size_t i = 0; i < listeners->n && length < capacity; i++)
		length += (size_t) snprintf(to + length, capacity - length, "%s%s", i > 0 ? ", " : "",
					    listeners->at[i].text);
}

static struct status_facts status_facts(struct daemon *d, char where[LISTENERS_TEXT_MAX])
{
	listeners_text(&d->listeners, where, LISTENERS_TEXT_MAX);
	return (struct status_facts) {
		.listeners = where,
		.misconfigured = loading_is_misconfigured(d),
		.connections = workers_connections(&d->workers) + (uint32_t) d->restart.n_left,
		.requests = workers_requests(&d->workers),
		.generation = workers_generation(&d->workers),
	};
}

const char *daemon_status(struct daemon *d)
{
	char where[LISTENERS_TEXT_MAX];
	struct status_facts facts = status_facts(d, where);

	return status_text(&d->status, &facts, clock_ms());
}

/* systemd is told that we live only when every worker answered what it was asked last time. */
void daemon_watch_workers(struct daemon *d)
{
	int stuck;

	if (d->next_watchdog_ms == 0 || clock_ms() < d->next_watchdog_ms)
		return;
	d->next_watchdog_ms = clock_ms() + d->watchdog_ms;
	stuck = workers_unanswered(&d->workers);
	if (stuck >= 0) {
		log_write(LOG_WORKER_STUCK, LOG_ERR, "worker %d does not answer: the watchdog is not fed", stuck);
		return;
	}
	notify_watchdog();
	workers_ask(&d->workers);
}

void daemon_look_at_status(struct daemon *d)
{
	char where[LISTENERS_TEXT_MAX];
	struct status_facts facts = status_facts(d, where);

	if (status_look(&d->status, &facts, clock_ms()))
		notify_status(d->status.text);
}

/* A listener of our own would be closed with us, and nobody start us again. */
void daemon_watch_use(struct daemon *d)
{
	uint32_t exit_ms = d->conf->idle_exit_ms;

	for (size_t i = 0; i < d->listeners.n && exit_ms > 0; i++) {
		if (d->listeners.at[i].passed)
			continue;
		log_write(LOG_NO_IDLE, LOG_WARNING, "server.idle_exit is not in force: systemd did not open the sockets, so no "
			  "client could start reactord again");
		exit_ms = 0;
	}
	idle_begin(&d->idle, exit_ms, workers_requests(&d->workers), clock_ms());
}
