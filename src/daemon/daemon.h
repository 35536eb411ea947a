/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Daemon: what the main thread has, and what its files do with it.
 *
 *	main.c		waits, and does what signals and time ask for
 *	starting.c	from the options to a daemon that is ready
 *	loading.c	the configuration, at the start and again
 *	ending.c	stops, restarts, and upgrades in place
 */
#include "daemon/alive.h"
#include "daemon/conf.h"
#include "daemon/idle.h"
#include "daemon/listeners.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/restart.h"
#include "daemon/status.h"
#include "daemon/switches.h"
#include "daemon/workers.h"

#include <limits.h>

enum { ADOPT_TIMEOUT_MS = 5000 };		/* for every worker to take a new configuration, or to begin its end */

/* Of a drain: another value of any of these is progress. */
struct progress {
	uint64_t moved_ms, requests;
	uint32_t connections;
};

struct daemon {
	char path[PATH_MAX];			/* of the program, as it was when it was started; "": not known */
	char **argv;				/* borrowed */
	struct options options;
	struct conf *started;			/* owned: what it was started with; its server.* and its room for
						 * connections stay as they are */
	struct conf *conf;			/* owned: in force; may be the one that it was started with */
	bool began_misconfigured;		/* that one is the built-in 503: the file was bad at the start */
	unsigned n_workers;
	struct listeners listeners;
	char **names;				/* owned: of the listeners, also when those are closed */
	size_t n_names;
	struct workers workers;
	struct restart restart;			/* what the process before us has left, until it is taken */
	struct alive alive;			/* what the process after us finds if we are killed */
	struct switches *switches;		/* owned: of the snapshot in force */
	int signal_fd;				/* owned */
	bool draining, leaving;
	bool stop_announced;			/* by SIGUSR1: the next SIGTERM is no restart */
	uint64_t drain_until_ms, next_drain_ms;
	struct progress drained;		/* so far */
	uint64_t watchdog_ms, next_watchdog_ms;	/* 0: there is no watchdog */
	uint64_t next_extend_ms;		/* when a load that goes on says so again */
	struct status status;
	struct idle idle;
};

const char *daemon_status(struct daemon *d);	/* as of now, for a message to systemd that is sent anyway; borrowed */
void daemon_look_at_status(struct daemon *d);	/* and tells systemd when it has changed */
void daemon_watch_use(struct daemon *d);	/* server.idle_exit, as it is now in force */
void daemon_watch_workers(struct daemon *d);	/* when it is time: tells systemd's watchdog that all of them answer */

/* To a daemon that serves and has told systemd so; or an exit status, with the reason in the log. */
int starting(struct daemon *d);
int starting_failed(enum log_kind kind, char *why, int status);		/* logs and frees why; returns the status */

int loading_at_start(struct daemon *d);		/* 0, also with the built-in 503 of a bad file; or an exit status */
/* From a file that is no good to the built-in 503: 0, or an exit status.  why: NULL if that was told. */
int loading_fall_back(struct daemon *d, const char *why);
/* What workers answer from, and what turns its routes on and off; negative errno, which loading_why_not() explains. */
int loading_snapshot(struct snapshot **ret, struct switches **ret_switches, uint64_t number, const struct daemon *d,
		     const struct conf *conf);
const char *loading_why_not(int error);
bool loading_is_misconfigured(const struct daemon *d);	/* the built-in 503 is in force */
void loading_again(struct daemon *d);		/* a reload, whose verdict is published */
void loading_refused(struct daemon *d);		/* one that comes while the daemon stops */

void ending_by(struct daemon *d, uint32_t signal);	/* hands connections over and ends the process, or begins to drain */
void ending_unused(struct daemon *d);		/* begins to, when server.idle_exit is over */
void ending_go_on(struct daemon *d);		/* while it drains: sets leaving when it is over */
void ending_in_another(struct daemon *d);	/* SIGUSR2: this process becomes what is at its path now; or all is as before */
