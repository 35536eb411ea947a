/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Notify: what systemd is told, by sd_notify(3), or over a descriptor that was passed to us because we may make no socket.
 * Main thread only.  Without either nothing happens; when the socket is gone that is logged once and serving goes on.
 */
#include <stdbool.h>
#include <stdint.h>

#define NOTIFY_NAME "notify"			/* of the descriptor: OpenFile=/run/systemd/notify:notify */

void notify_use(int fd);			/* takes it, in place of one before; -1: by sd_notify(3) again */
int notify_descriptor(void);			/* borrowed; -1: there is none */

bool notify_is_heard(void);			/* is there anybody to tell? */
void notify_ready(const char *status);
void notify_ready_and_remove(const char *name, const char *status);	/* and what is stored under FDNAME=name goes, in one */
void notify_reloading(void);			/* with MONOTONIC_USEC; notify_ready must follow, also after a failure */
void notify_stopping(const char *status);
void notify_status(const char *status);
void notify_extend_timeout(uint64_t usec);	/* EXTEND_TIMEOUT_USEC */
void notify_watchdog(void);
uint64_t notify_watchdog_usec(void);		/* half of WATCHDOG_USEC: how often to ping; 0: no watchdog */
void notify_barrier(void);			/* waits, 5 s at the most, until systemd has read what was sent */

/* The store of descriptors.  Negative errno, -ENOENT without $NOTIFY_SOCKET; whether systemd had room for it is not told. */
int notify_store(int fd, const char *name);	/* it is kept whatever becomes of it (FDPOLL=0); borrowed */
int notify_remove(const char *name);		/* all that is stored under that name */
int notify_barrier_usec(uint64_t usec);		/* as above; -ETIMEDOUT */
