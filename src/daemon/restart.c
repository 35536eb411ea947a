/* SPDX-License-Identifier: MIT */
/*
 * A new process that dies before it is ready is followed by another, which finds everything as it was, since it is only
 * peeked at.  One that dies each time of the very bytes it takes would do so for ever: after two attempts only idle
 * connections are taken, after four none.
 */
#include "daemon/restart.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/journal.h"
#include "daemon/listeners.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "http/carry.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	FREEZE_TIMEOUT_MS	= 2000,
	TAKE_TIMEOUT_MS		= 5000,
	STORE_TIMEOUT_MS	= 1000,
	BARRIER_USEC		= 5 * 1000 * 1000,
	ATTEMPTS_WITH_BUSY	= 2,
	ATTEMPTS		= 4,
};

/* --- giving ------------------------------------------------------------------------------------------------------ */

static int __attribute__((format(printf, 3, 4))) because(int error, char **ret_why, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(ret_why, format, list) < 0)
		*ret_why = NULL;
	va_end(list);
	return error;
}

static int store(int fd, char **ret_why)
{
	int r = notify_store(fd, RESTART_NAME);

	return r < 0 ? because(r, ret_why, "systemd cannot be reached: %s", strerror(-r)) : 0;
}

/* Workers stand still, and all they have is queued, and stored; *ret_fd is our hold of it. */
static int give(struct workers *workers, struct handover *handover, int *ret_fd, char **ret_why)
{
	int r;

	if (!workers_freeze(workers, FREEZE_TIMEOUT_MS))
		return because(-ETIMEDOUT, ret_why, "worker %d does not answer", workers_unanswered(workers));
	r = workers_carry(workers, handover);
	if (r == 0)
		r = handover_finish(handover, ret_fd);
	if (r == -ETOOMANYREFS)
		return because(r, ret_why, "there are more descriptors than may be on their way: LimitNOFILE= in the unit");
	if (r == -EAGAIN)
		return because(r, ret_why, "the queue has no room for so many");
	if (r < 0)
		return because(r, ret_why, "a queue of them cannot be made: %s", strerror(-r));
	return store(*ret_fd, ret_why);
}

static int begin(struct handover **ret, char **ret_why)
{
	int r;

	*ret_why = NULL;
	if (!notify_is_heard())
		return because(-ENOENT, ret_why, "systemd did not start this daemon");
	r = handover_new(ret, CARRY_LAYOUT);
	return r < 0 ? because(r, ret_why, "%s", strerror(-r)) : 0;
}

/* What systemd has no store for it closes; a newer one does so a moment after it has told that it has read it (seen on 257).
 * But since 254 it says in $FDSTORE that there is a store, and one that gives us its own socket is as new. */
static int store_timeout_ms(void)
{
	return !getenv("FDSTORE") && (notify_descriptor() >= 0 || getenv("MEMORY_PRESSURE_WATCH")) ? STORE_TIMEOUT_MS : 0;
}

int restart_give(struct workers *workers, char **ret_why)
{
	cleanup(close_fd) int fd = -1;
	struct handover *handover;
	int r;

	r = begin(&handover, ret_why);
	if (r < 0)
		return r;
	r = give(workers, handover, &fd, ret_why);
	/* systemd takes the queue, or closes it when it has no room for it, and says neither.  When it does not answer the
	 * message waits, and is read before it is told that we have ended. */
	if (r == 0 && notify_barrier_usec(BARRIER_USEC) == 0) {
		close_fd(&fd);
		if (!handover_is_held(handover, store_timeout_ms()))
			r = because(-ENOSPC, ret_why, "systemd has not stored them: the unit needs "
				    "FileDescriptorStoreMax=");
	}
	if (r < 0)
		workers_thaw(workers);
	handover_free(handover);
	return r < 0 ? r : (int) workers_connections(workers);
}

/* --- becoming another program ------------------------------------------------------------------------------------ */

static int inherit(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int pass_on_one(FILE *to, int fd, const char *name)
{
	(void) fprintf(to, "%s%d:%s", ftell(to) > 0 ? ":" : "", fd, name);
	return inherit(fd);
}

/* There is no other program. */
static void take_back(const struct listeners *listeners)
{
	(void) unsetenv(RESTART_LISTENERS);
	(void) unsetenv(RESTART_HANDOVER);
	for (size_t i = 0; i < listeners->n; i++)
		(void) fcntl(listeners->at[i].fds[0], F_SETFD, FD_CLOEXEC);
	if (journal_descriptor() >= 0)
		(void) fcntl(journal_descriptor(), F_SETFD, FD_CLOEXEC);
	if (notify_descriptor() >= 0)
		(void) fcntl(notify_descriptor(), F_SETFD, FD_CLOEXEC);
}

static bool are_passed(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++)
		if (!listeners->at[i].passed)
			return false;
	return true;
}

/* They keep their numbers, which LISTEN_FDS= could not tell: there may be others between them. */
static int pass_on(const struct listeners *listeners, int handover_fd)
{
	cleanup(free_pointer) char *text = NULL;
	char number[16];
	size_t length;
	FILE *to = open_memstream(&text, &length);
	int r = 0;

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < listeners->n && r == 0; i++)
		r = pass_on_one(to, listeners->at[i].fds[0], listeners->at[i].name);
	if (r == 0 && journal_descriptor() >= 0)
		r = pass_on_one(to, journal_descriptor(), JOURNAL_NAME);
	if (r == 0 && notify_descriptor() >= 0)
		r = pass_on_one(to, notify_descriptor(), NOTIFY_NAME);
	if (fclose(to) != 0)
		return -ENOMEM;
	if (r == 0)
		r = inherit(handover_fd);
	(void) snprintf(number, sizeof number, "%d", handover_fd);
	if (r == 0 && (setenv(RESTART_LISTENERS, text, 1) < 0 || setenv(RESTART_HANDOVER, number, 1) < 0))
		r = -errno;
	return r;
}

/* execv(3) ends every thread, and the writing end of the queue.  The log's has something to write until then, and workers
 * that stand still give it no more. */
static int become(struct workers *workers, const char *path, char **argv)
{
	int r;

	log_stop();
	(void) execv(path, argv);
	r = -errno;
	if (log_start() == 0)
		log_add_rings(workers->rings, workers->n);
	return r;
}

int restart_upgrade(struct workers *workers, struct listeners *listeners, const char *path, char **argv, char **ret_why)
{
	cleanup(close_fd) int fd = -1;
	struct handover *handover;
	int r;

	r = begin(&handover, ret_why);
	if (r < 0)
		return r;
	if (!are_passed(listeners)) {
		handover_free(handover);
		return because(-EOPNOTSUPP, ret_why, "its sockets are its own, and only those that systemd opened can be passed on");
	}
	r = give(workers, handover, &fd, ret_why);
	if (r == 0)
		r = pass_on(listeners, fd);
	if (r == 0)
		r = become(workers, path, argv);
	take_back(listeners);
	(void) notify_remove(RESTART_NAME);
	workers_thaw(workers);
	handover_free(handover);
	return *ret_why ? r : because(r, ret_why, "%s: %s", path, strerror(-r));
}

/* --- taking ------------------------------------------------------------------------------------------------------ */

static int take_snapshots(struct restart *restart)
{
	restart->snapshots = calloc(restart->taken.n + 1, sizeof(struct snapshot *));
	if (!restart->snapshots)
		return -ENOMEM;
	for (size_t i = 0; i < restart->taken.n; i++) {
		struct handover_item *item = &restart->taken.items[i];

		if (item->kind != CARRY_SNAPSHOT) {
			restart->n_connections++;
		} else if (restart->taken.layout == CARRY_LAYOUT) {
			int r = carry_take_snapshot(&restart->snapshots[restart->n_snapshots], item);

			if (r < 0)
				return r;
			restart->n_snapshots++;
		}
	}
	return 0;
}

static void forget(struct restart *restart)
{
	for (size_t i = 0; i < restart->n_snapshots; i++)
		snapshot_free(restart->snapshots[i]);
	free(restart->snapshots);
	restart->snapshots = NULL;
	restart->n_snapshots = restart->n_connections = restart->n_left = 0;
	handover_taken_deinit(&restart->taken);
}

int restart_look(struct restart *restart, int take_fd)
{
	int r;

	restart->fd = take_fd;
	r = handover_take(&restart->taken, restart->fd);
	if (r == 0)
		r = take_snapshots(restart);
	if (r < 0)	/* not some of it: what cannot be taken is closed */
		forget(restart);
	return r;
}

char *restart_why_fewer(const struct restart *restart)
{
	uint32_t attempts = restart->taken.attempts;
	char *why;
	int r;

	if (attempts >= ATTEMPTS_WITH_BUSY)
		r = asprintf(&why, "%u processes ended with them before they were ready, so %s closed", attempts,
			     attempts >= ATTEMPTS ? "all are" : "those in the middle of a request are");
	else if (restart->taken.layout != CARRY_LAYOUT)
		r = asprintf(&why, "it was of another version, so those in the middle of a request are closed");
	else
		r = asprintf(&why, "for the others there is no room (limits.max_connections), or no descriptor");
	return r < 0 ? NULL : why;
}

uint64_t restart_generation(const struct restart *restart)
{
	return restart->n_snapshots > 0 ? restart->snapshots[restart->n_snapshots - 1]->number : 0;
}

struct sorted {
	uint64_t since_ms;
	struct handover_item *item;
};

static int by_time(const void *a_, const void *b_)
{
	const struct sorted *a = a_, *b = b_;

	return (a->since_ms > b->since_ms) - (a->since_ms < b->since_ms);
}

static bool may_be_taken(const struct restart *restart, const struct handover_item *item)
{
	const struct handover_taken *taken = &restart->taken;

	return item->fd >= 0 && taken->attempts < ATTEMPTS &&
	       (item->kind == CARRY_IDLE || (item->kind == CARRY_BUSY && taken->attempts < ATTEMPTS_WITH_BUSY &&
					     taken->layout == CARRY_LAYOUT));
}

/* Those that can be taken, by the time of their timers; the caller's to free.  NULL: no memory. */
static struct sorted *sort(const struct restart *restart, size_t *ret_n)
{
	struct sorted *sorted = calloc(restart->taken.n + 1, sizeof *sorted);

	*ret_n = 0;
	for (size_t i = 0; sorted && i < restart->taken.n; i++) {
		struct handover_item *item = &restart->taken.items[i];

		if (may_be_taken(restart, item))
			sorted[(*ret_n)++] = (struct sorted) { carry_since(item, restart->taken.layout), item };
	}
	if (sorted)
		qsort(sorted, *ret_n, sizeof *sorted, by_time);
	return sorted;
}

/* As if they had to make room: the longest idle first, then those in the middle of something.  Before all, what nobody will
 * take. */
void restart_limit(struct restart *restart, size_t most)
{
	size_t n;
	cleanup(free_pointer) struct sorted *sorted = sort(restart, &n);
	size_t over = n > most ? n - most : 0;

	restart->n_left = n - over;
	for (size_t i = 0; i < restart->taken.n; i++)
		if (!may_be_taken(restart, &restart->taken.items[i]))
			close_fd(&restart->taken.items[i].fd);
	for (size_t i = 0; i < n && over > 0; i++) {
		if (sorted[i].item->kind != CARRY_IDLE)
			continue;
		close_fd(&sorted[i].item->fd);
		over--;
	}
	for (size_t i = 0; i < n && over > 0; i++) {
		if (sorted[i].item->fd < 0)
			continue;
		close_fd(&sorted[i].item->fd);
		over--;
	}
}

/* The connections by the time of their timers, a share for each worker in turn. */
static int share_out(struct restart *restart, struct carry_arrivals *arrivals, unsigned n_workers)
{
	size_t n;
	cleanup(free_pointer) struct sorted *sorted = sort(restart, &n);

	if (!sorted)
		return -ENOMEM;
	for (unsigned w = 0; w < n_workers; w++) {
		arrivals[w].items = calloc(n / n_workers + 1, sizeof *arrivals[w].items);
		if (!arrivals[w].items)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct carry_arrivals *to = &arrivals[i % n_workers];

		to->items[to->n++] = sorted[i].item;
	}
	return 0;
}

size_t restart_take(struct restart *restart, struct workers *workers)
{
	struct carry_arrivals *arrivals = calloc(workers->n, sizeof *arrivals);
	size_t taken = 0;
	bool answered = true;

	if (!arrivals || workers_take_older(workers, restart->snapshots, restart->n_snapshots) < 0) {
		free(arrivals);
		return 0;
	}
	restart->n_snapshots = 0;		/* they are the workers' */
	if (share_out(restart, arrivals, workers->n) == 0)
		answered = workers_take_arrivals(workers, arrivals, restart->taken.layout, TAKE_TIMEOUT_MS);
	for (unsigned w = 0; w < workers->n; w++) {
		taken += arrivals[w].taken;
		if (answered)
			free(arrivals[w].items);
	}
	if (answered)
		free(arrivals);
	else	/* a worker may still look at all that: better a leak */
		restart->taken = (struct handover_taken) { 0 };
	return taken;
}

void restart_deinit(struct restart *restart)
{
	forget(restart);
	close_fd(&restart->fd);
}
