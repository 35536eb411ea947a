/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Thread: starts one with a name that takes no signal: they belong to the main thread.  Blocked before it is made, because
 * it inherits the mask, and one that blocked them itself would take those that come before.
 */
#include <pthread.h>
#include <signal.h>

/* 0 or a negative errno.  A name of more than 15 bytes is left out. */
static inline int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg)
{
	sigset_t all, before;
	int r;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, NULL, fn, arg);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void) pthread_setname_np(*ret, name);
	return -r;
}
