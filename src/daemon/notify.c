/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include "daemon/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { BARRIER_USEC = 5 * 1000 * 1000, STATE_MAX = 2048 };

/* Serving goes on without systemd; that it does not hear us is said once. */
static void send_state(const char *state)
{
	static bool said;
	int r = sd_notify(0, state);

	if (r >= 0 || said)
		return;
	said = true;
	log_write(LOG_FAILED, LOG_WARNING, "systemd cannot be told of our state: %s", strerror(-r));
}

/* STATUS is one line: what comes from a configuration error may hold another. */
static void send_with_status(const char *prefix, const char *status)
{
	char state[STATE_MAX];
	size_t from = strlen(prefix);

	(void) snprintf(state, sizeof state, "%sSTATUS=%s", prefix, status);
	for (char *c = state + from; *c; c++)
		if (*c == '\n')
			*c = ' ';
	send_state(state);
}

void notify_ready(const char *status)
{
	send_with_status("READY=1\n", status);
}

void notify_reloading(void)
{
	struct timespec now;
	char state[96];

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	(void) snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			(uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
	send_state(state);
}

void notify_stopping(const char *status)
{
	send_with_status("STOPPING=1\n", status);
}

void notify_status(const char *status)
{
	send_with_status("", status);
}

void notify_extend_timeout(uint64_t usec)
{
	char state[64];

	(void) snprintf(state, sizeof state, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
	send_state(state);
}

void notify_watchdog(void)
{
	send_state("WATCHDOG=1");
}

uint64_t notify_watchdog_usec(void)
{
	uint64_t usec;

	return sd_watchdog_enabled(0, &usec) > 0 ? usec / 2 : 0;
}

void notify_barrier(void)
{
	(void) sd_notify_barrier(0, BARRIER_USEC);	/* without an answer there is nobody to wait for */
}
