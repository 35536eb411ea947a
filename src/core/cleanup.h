/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Scope-bound clean-up: what a function owns is released when the name goes out of scope, unless it was taken.
 *
 *	cleanup(close_fd) int fd = open(...);
 *	...
 *	return take_fd(&fd);
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(function) __attribute__((cleanup(function)))

/* Closes *fd when it is one; keeps errno, sets *fd to -1. */
static inline void close_fd(int *fd)
{
	int keep = errno;

	if (*fd >= 0)
		(void) close(*fd);
	*fd = -1;
	errno = keep;
}

/* Moves the descriptor to the caller and leaves -1 behind. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* For any pointer that came from malloc: cleanup(free_pointer) char *text = ... */
static inline void free_pointer(void *pointer)
{
	free(*(void **) pointer);
	*(void **) pointer = NULL;
}
