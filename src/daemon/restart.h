/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Restart: connections go from the process before to this one, and from this one to the next, through the store of
 * descriptors that systemd keeps for a service while it restarts (FileDescriptorStoreMax=).  Main thread.
 */
#include "core/handover.h"
#include "daemon/workers.h"

#define RESTART_NAME "handover"		/* FDNAME= of what is stored */

/* Gives every connection away.  Returns how many: the workers then stand still for good, and the process is to end at
 * once, without unwinding.  Or a negative errno, *ret_why (owned by the caller, may be NULL) says why, and the workers go
 * on as before. */
int restart_give(struct workers *workers, char **ret_why);

/* The same, and then this process becomes the program at that path, with these listeners; argv as for execv(3).  Returns
 * only when that failed: a negative errno, as restart_give(). */
struct listeners;
int restart_upgrade(struct workers *workers, struct listeners *listeners, const char *path, char **argv, char **ret_why);

#define RESTART_LISTENERS "REACTORD_LISTENERS"	/* of who becomes us: FD:NAME:FD:NAME ...; no name has a colon */
#define RESTART_HANDOVER "REACTORD_HANDOVER"	/* FD */

struct restart {			/* zero it before use; fd -1 */
	int fd;				/* owned: what the process before has left */
	struct handover_taken taken;
	struct snapshot **snapshots;	/* owned, oldest first */
	size_t n_snapshots;
	size_t n_connections;		/* that the process before had */
	size_t n_left;			/* of them those that are to be taken; 0 when they were */
};

/* Looks at what was left, and touches nothing of it: whoever dies before restart_take() leaves it to the next.  Returns 0,
 * or a negative errno when nothing can be taken: it is then as if there were no connections. */
int restart_look(struct restart *restart, int take_fd);
/* Closes those for which there is no room, and which would leave no descriptor for ourselves: the longest idle first.
 * Afterwards n_left is how many there are still. */
void restart_limit(struct restart *restart, size_t most);
uint64_t restart_generation(const struct restart *restart);	/* of the process before; 0: there was none, or unknown */

/* When systemd was told that we are ready, and to remove it from the store: the workers go on with the connections.
 * Returns how many; the others are closed. */
size_t restart_take(struct restart *restart, struct workers *workers);
char *restart_why_fewer(const struct restart *restart);		/* than there were; owned by the caller, may be NULL */
void restart_deinit(struct restart *restart);			/* may be called twice */
