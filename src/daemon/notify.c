/* SPDX-License-Identifier: MIT */
/*
 * One datagram for each call, by sd_notify(3), which makes a socket for it each time: these are rare.  What systemd would
 * throw away is mended here, because it throws it away in silence: a STATUS that is not UTF-8, and a line break in one,
 * behind which another variable would begin.
 */
#include "daemon/notify.h"

#include "daemon/log.h"

#include <errno.h>
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
	log_write(LOG_NOT_NOTIFIED, LOG_WARNING, "systemd cannot be told of our state: %s", strerror(-r));
}

/* The length of the character that begins there, 0 when there is none: cut short, overlong, a surrogate, no UTF-8. */
static size_t character_length(const unsigned char *at)
{
	static const struct { unsigned char mask, lead; uint32_t least; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};
	uint32_t code;

	for (size_t n = 0; n < sizeof forms / sizeof *forms; n++) {
		if ((at[0] & forms[n].mask) != forms[n].lead)
			continue;
		code = at[0] & (unsigned char) ~forms[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((at[i] & 0xc0) != 0x80)	/* as is the NUL that ends it all */
				return 0;
			code = code << 6 | (at[i] & 0x3f);
		}
		return code < forms[n].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : n + 1;
	}
	return 0;
}

/* What comes from a configuration error may hold anything. */
static void make_printable(char *text)
{
	unsigned char *at = (unsigned char *) text;
	size_t length;

	while (*at) {
		length = character_length(at);
		if (length == 0)
			*at = '?';
		else if (*at < ' ' || *at == 0x7f)
			*at = ' ';
		at += length > 0 ? length : 1;
	}
}

static void send_with_status(const char *prefix, const char *status)
{
	char state[STATE_MAX];

	(void) snprintf(state, sizeof state, "%sSTATUS=%s", prefix, status);
	make_printable(state + strlen(prefix));
	send_state(state);
}

void notify_ready(const char *status)
{
	send_with_status("READY=1\n", status);
}

void notify_ready_and_remove(const char *name, const char *status)
{
	char prefix[128];

	(void) snprintf(prefix, sizeof prefix, "READY=1\nFDSTOREREMOVE=1\nFDNAME=%s\n", name);
	send_with_status(prefix, status);
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
	(void) notify_barrier_usec(BARRIER_USEC);	/* without an answer there is nobody to wait for */
}

/* What libsystemd says: 0 is that there is nobody to tell. */
static int told(int r)
{
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

int notify_store(int fd, const char *name)
{
	char state[128];

	(void) snprintf(state, sizeof state, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return told(sd_pid_notify_with_fds(0, 0, state, &fd, 1));
}

int notify_remove(const char *name)
{
	char state[128];

	(void) snprintf(state, sizeof state, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return told(sd_notify(0, state));
}

int notify_barrier_usec(uint64_t usec)
{
	return told(sd_notify_barrier(0, usec));
}
