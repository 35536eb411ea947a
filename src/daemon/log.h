/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Log: to the journal with fields when systemd started us ($JOURNAL_STREAM names our stderr), else to stderr.  A thread
 * of its own writes, because the journal blocks when journald does not read; workers hand it reports, the main
 * thread hands it lines, both by rings that drop and count when they are full.  Before log_start() and after
 * log_stop() lines are written at once, by the caller.
 */
#include "http/report.h"

#include <stddef.h>
#include <syslog.h>

enum log_kind {			/* each has a MESSAGE_ID of its own, and an entry in systemd/reactord.catalog */
	LOG_STARTED,
	LOG_LISTENING,
	LOG_CANNOT_LISTEN,
	LOG_STOPPING,
	LOG_CUT_OFF,		/* connections are closed in the middle of something */
	LOG_STOPPED,
	LOG_CONFIG_ERROR,
	LOG_CONFIG_LOADED,
	LOG_CONFIG_REFUSED,
	LOG_MISCONFIGURED,	/* at the start: all is answered 503 */
	LOG_LISTEN_DIFFERS,
	LOG_HANDED_OVER,	/* connections are left to the next process */
	LOG_NOT_HANDED_OVER,
	LOG_TAKEN_OVER,
	LOG_KILLED,		/* the process before did not end in order */
	LOG_NOT_TAKEN_OVER,
	LOG_NOT_UPGRADED,
	LOG_IDLE,		/* server.idle_exit: unused, it leaves */
	LOG_NO_IDLE,		/* and where it cannot be */
	LOG_SWITCH,		/* what enable_if_exists names came or went */
	LOG_SWITCH_UNSEEN,
	LOG_LIMIT_LOWERED,
	LOG_FEW_DESCRIPTORS,	/* too few for a single connection */
	LOG_WORKER_STUCK,
	LOG_WORKER_ENDED,
	LOG_NOT_NOTIFIED,	/* systemd does not hear of our state */
	LOG_NO_VERDICT,		/* of a reload: it cannot be written */
	LOG_NO_MEMORY,
	LOG_FAILED,		/* anything else that ends or hinders the daemon */
	LOG_REQUEST,
	LOG_LEFT_OUT,		/* requests that log.access_limit kept out of the log */
	LOG_NO_DESCRIPTORS,
	LOG_FULL,
	LOG_CONNECTION_FAILED,
	LOG_DROPPED,
	LOG_KINDS,
};

size_t log_bytes(void);				/* what it takes at most */
int log_open(void);				/* first of all; decides where to; level is LOG_INFO until log_set_level */
void log_set_level(int priority);		/* less important lines are left out, but not requests, which have
						 * log.access of their own; from the main thread, at any time */
void log_set_access_limit(unsigned in_a_second);	/* of requests, the others are counted; 0, as it begins: all */

/* Main thread. */
void log_write(enum log_kind kind, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* As above, with REACTORD_CONFIG_FILE and REACTORD_CONFIG_LINE; text is "FILE:LINE: message". */
void log_config_error(int priority, const char *file, unsigned line, const char *text);

int log_start(void);				/* starts the thread, or takes back one that was left behind */
/* Once, while it runs: it reads these rings, too.  Sets their wake_fd; the array and the rings are borrowed until
 * log_stop. */
void log_add_rings(struct report_ring **rings, size_t n);
void log_stop(void);				/* writes what is left, for a second at the most, and ends the thread; one
						 * that hangs is left behind, and lines are no more written until log_start() */
