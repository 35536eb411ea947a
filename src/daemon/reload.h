/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Reload: how `reactord --reload` learns the verdict of the daemon it signalled.  The daemon writes its verdict to
 * $RUNTIME_DIRECTORY/reload (by rename, mode 0644); the client notes the time, sends SIGHUP and waits for a verdict on
 * a load that began later than that.  A verdict on a load that was already under way does not count, so two reloads
 * at once each get the answer to what they asked.
 */
#include "daemon/conf.h"

#include <sys/types.h>

/* Daemon.  Without $RUNTIME_DIRECTORY nothing is written; a failure is a negative errno.  generation counts good
 * loads; began_usec is CLOCK_MONOTONIC before the file was opened; told: of a load that was refused its errors, of a
 * good one what is not in force before a restart; NULL: nothing. */
int reload_publish(uint64_t generation, uint64_t began_usec, bool good, const struct conf_errors *told);
uint64_t reload_clock_usec(void);

#define RELOAD_NAME "reactord"	/* the daemon's main thread, which blocks SIGHUP */

/* Client: `reactord --reload [PID]`; pid 0: the daemon whose verdict is in the runtime directory (/run/reactord/state when
 * $RUNTIME_DIRECTORY is not set).  Prints errors and warnings to stderr.  Returns the exit status: 0 loaded, 1 refused or no
 * verdict within 60 s, or no such daemon: only a process of that name which blocks SIGHUP is signalled. */
int reload_request(pid_t pid);

/* Signals a reactord and nobody else; hidden: also one that /proc does not show.  Prints what is wrong and returns a
 * negative errno, or 0 and a pidfd, the caller's to close; -1 where there are none. */
int reload_signal(pid_t pid, int signal, bool hidden, int *ret_process_fd);
