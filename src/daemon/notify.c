/* SPDX-License-Identifier: MIT */
/*
 * One datagram for each call: over the descriptor that was passed to us, or else by sd_notify(3), which makes a socket for
 * it each time: these are rare.  To write all of them ourselves was rejected: libsystemd knows every kind of address that
 * $NOTIFY_SOCKET can name.  What systemd would throw away is mended here, because it throws it away in silence: a STATUS
 * that is not UTF-8, and a line break in one, behind which another variable would begin.
 */
#include "daemon/notify.h"

#include "core/cleanup.h"
#include "daemon/datagram.h"
#include "daemon/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { BARRIER_USEC = 5 * 1000 * 1000, STATE_MAX = 2048 };

static int notify_fd = -1;

/* pass_fd goes along, -1: none.  Returns as libsystemd does: 0 is that there is nobody to tell. */
static int tell(const char *state, int pass_fd)
{
	struct iovec part = { (char *) state, strlen(state) };
	int r;

	if (notify_fd < 0)
		return pass_fd < 0 ? sd_notify(0, state) : sd_pid_notify_with_fds(0, 0, state, &pass_fd, 1);
	r = datagram_send(notify_fd, &part, 1, pass_fd, BARRIER_USEC / 1000);
	return r < 0 ? r : 1;
}

bool notify_is_heard(void)
{
	return notify_fd >= 0 || getenv("NOTIFY_SOCKET");
}

/* Serving goes on without systemd; that it does not hear us is said once. */
static void send_state(const char *state)
{
	static bool said;
	int r = tell(state, -1);

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

	if (fd < 0)
		return -EBADF;
	(void) snprintf(state, sizeof state, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return told(tell(state, fd));
}

int notify_remove(const char *name)
{
	char state[128];

	(void) snprintf(state, sizeof state, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return told(tell(state, -1));
}

/* systemd closes the pipe's other end when it comes to it, which is behind all that was sent before. */
static int barrier_over(uint64_t usec)
{
	cleanup(close_fd) int read_fd = -1, write_fd = -1;
	struct pollfd end;
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	read_fd = fds[0];
	write_fd = fds[1];
	r = tell("BARRIER=1", write_fd);
	if (r < 0)
		return r;
	close_fd(&write_fd);
	end = (struct pollfd) { .fd = read_fd };
	r = poll(&end, 1, (int) (usec / 1000));
	return r < 0 ? -errno : r > 0 ? 0 : -ETIMEDOUT;
}

int notify_barrier_usec(uint64_t usec)
{
	return notify_fd < 0 ? told(sd_notify_barrier(0, usec)) : barrier_over(usec);
}

void notify_use(int fd)
{
	close_fd(&notify_fd);
	notify_fd = fd;
}

int notify_descriptor(void)
{
	return notify_fd;
}
