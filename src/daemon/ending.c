/* SPDX-License-Identifier: MIT */
/*
 * A stop drains: what was begun is answered, and systemd is asked to wait for as long as that goes on.  A restart leaves
 * the connections to the next process, and an upgrade in place to the next program; what fails is a stop, or nothing.
 */
#include "daemon/daemon.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/notify.h"

#include <signal.h>
#include <stdio.h>

enum {
	DRAIN_LOOK_MS		= 1000,
	DRAIN_EXTEND_MS		= 5000,		/* that systemd waits from the last progress on, whatever TimeoutStopSec= says */
};

/* Nothing is unwound: what is ours is in systemd's hands, and to close it here would be seen by nobody but us. */
static _Noreturn void leave_to_next(int connections)
{
	log_write(LOG_HANDED_OVER, LOG_INFO, "left to the next process: %d connection%s", connections,
		  connections == 1 ? "" : "s");
	log_stop();
	_exit(0);
}

/* A stop that is part of a restart.  Whoever sends SIGTERM does not say which it is; so the unit announces a stop
 * beforehand, by ExecStop=.  systemd runs that only for a unit that is active: while it starts or reloads, and until
 * systemd has read that this is over, SIGTERM comes alone.  That is taken for a restart: connections that are left to
 * systemd and taken by nobody are closed by it a moment later, and those that are closed here are lost for good. */
static void try_hand_over(struct daemon *d)
{
	cleanup(free_pointer) char *why = NULL;
	int r;

	if (d->stop_announced || !notify_is_heard())
		return;
	notify_stopping("handing connections over");
	r = restart_give(&d->workers, &why);
	if (r >= 0) {
		alive_ends(&d->alive, true);
		leave_to_next(r);
	}
	log_write(LOG_NOT_HANDED_OVER, LOG_WARNING, "connections cannot be left to the next process: %s",
		  why ? why : strerror(-r));
}

static void tell_drain(struct daemon *d, void (*notify)(const char *status), uint64_t now_ms)
{
	uint64_t left_ms = d->drain_until_ms > now_ms ? d->drain_until_ms - now_ms : 0;
	char status[128];

	(void) snprintf(status, sizeof status, "draining: %u left, %llu s", workers_connections(&d->workers),
			(unsigned long long) (left_ms + 999) / 1000);
	notify(status);
}

/* Whether a connection ended, a request was answered, or a body or an answer went on since the last look. */
static bool drain_progresses(struct daemon *d)
{
	const struct progress before = d->drained;

	d->drained = (struct progress) {
		workers_moved_ms(&d->workers), workers_requests(&d->workers), workers_connections(&d->workers),
	};
	return d->drained.moved_ms != before.moved_ms || d->drained.requests != before.requests ||
	       d->drained.connections != before.connections;
}

static void cut_off(struct daemon *d, uint32_t left)
{
	if (left > 0)
		log_write(LOG_CUT_OFF, LOG_WARNING, "closed in the middle of a request: %u connection%s", left,
			  left == 1 ? "" : "s");
	d->leaving = true;
}

static void begin_drain(struct daemon *d, const char *why)
{
	uint64_t now_ms = clock_ms();

	if (d->draining) {	/* asked twice: whoever asks does not want to wait */
		cut_off(d, workers_connections(&d->workers));
		return;
	}
	d->draining = true;
	d->drain_until_ms = now_ms + d->conf->drain_timeout_ms;
	d->next_drain_ms = now_ms + DRAIN_LOOK_MS;
	tell_drain(d, notify_stopping, now_ms);
	(void) drain_progresses(d);
	notify_extend_timeout(DRAIN_EXTEND_MS * 1000ull);
	log_write(LOG_STOPPING, LOG_INFO, "%s: stopping, %u connections, waiting %u ms at the most", why,
		  workers_connections(&d->workers), d->conf->drain_timeout_ms);
	workers_drain(&d->workers);
	/* Who comes now is told at once that nobody listens; a socket of systemd's stays open, for the next of us. */
	if (workers_wait(&d->workers, ADOPT_TIMEOUT_MS))
		listeners_close(&d->listeners);
}

void ending_by(struct daemon *d, uint32_t signal)
{
	if (signal == SIGTERM && !d->draining)
		try_hand_over(d);
	begin_drain(d, signal == SIGTERM ? "SIGTERM" : "SIGINT");
}

void ending_go_on(struct daemon *d)
{
	uint64_t now_ms = clock_ms();
	uint32_t left = workers_connections(&d->workers);

	if (workers_unanswered(&d->workers) < 0 && left == 0) {
		d->leaving = true;
	} else if (now_ms >= d->drain_until_ms) {
		cut_off(d, left);
	} else if (now_ms >= d->next_drain_ms) {
		tell_drain(d, notify_status, now_ms);
		if (drain_progresses(d))
			notify_extend_timeout(DRAIN_EXTEND_MS * 1000ull);
		d->next_drain_ms = now_ms + DRAIN_LOOK_MS;
		workers_ask(&d->workers);
	}
}

/* The socket stays systemd's: the next client starts us again, also one that comes while we end. */
void ending_unused(struct daemon *d)
{
	if (!idle_look(&d->idle, d->conf->idle_exit_ms, workers_connections(&d->workers), workers_requests(&d->workers),
		       clock_ms()))
		return;
	log_write(LOG_IDLE, LOG_INFO, "unused for server.idle_exit: ends, and the next client starts it again");
	begin_drain(d, "idle");
}

/* --- an upgrade in place ------------------------------------------------------------------------------------------- */

/* Into what is at our path now, which may be another than we are. */
void ending_in_another(struct daemon *d)
{
	cleanup(free_pointer) char *why = NULL;

	log_write(LOG_HANDED_OVER, LOG_INFO, "SIGUSR2: %s is run in place of this process, with %u connections", d->path,
		  workers_connections(&d->workers));
	notify_reloading();
	if (d->stop_announced)		/* it waits for the other program, too */
		(void) kill(getpid(), SIGUSR1);
	alive_ends(&d->alive, true);
	(void) restart_upgrade(&d->workers, &d->listeners, d->path, d->argv, &why);
	alive_ends(&d->alive, false);
	log_write(LOG_NOT_UPGRADED, LOG_ERR, "no upgrade, and all is as before: %s", why ? why : "out of memory");
	notify_ready(daemon_status(d));
}
