/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Stopping: systemd ends a service by SIGTERM whether it is stopped or restarted.  Before that it runs ExecStop=, and only
 * then its job tells which.  `reactord --stopping PID` is that command: it asks, and announces a stop by SIGUSR1.
 */
#include <sys/types.h>

/* pid 0: the process has ended already.  Returns an exit status.  When systemd cannot be asked nothing is announced: if it
 * is a stop after all, systemd closes what was left to it. */
int stopping_announce(pid_t pid);
