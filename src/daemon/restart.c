/* SPDX-License-Identifier: MIT */
/*
 * A new process that dies before it is ready is followed by another, which finds everything as it was, since it is only
 * peeked at.  One that dies each time of the very bytes it takes would do so for ever: after two attempts only idle
 * connections are taken, after four none.
 */
#include "daemon/restart.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "http/carry.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

enum {
	FREEZE_TIMEOUT_MS	= 2000,
	TAKE_TIMEOUT_MS		= 5000,
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

/* systemd takes the queue, or closes it, when it has no room for it: it says neither. */
static int store(const struct handover *handover, int fd, char **ret_why)
{
	int r = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" RESTART_NAME "\nFDPOLL=0", &fd, 1);
	bool told = r > 0 && sd_notify_barrier(0, BARRIER_USEC) >= 0;

	(void) close(fd);
	if (r <= 0)
		return because(r < 0 ? r : -ENOENT, ret_why, "systemd cannot be reached: %s",
			       r < 0 ? strerror(-r) : "there is no NOTIFY_SOCKET");
	/* Without an answer the message waits, and is read before our end is. */
	if (told && !handover_is_held(handover))
		return because(-ENOSPC, ret_why, "systemd has not stored them: the unit needs FileDescriptorStoreMax=");
	return 0;
}

static int give(struct workers *workers, struct handover *handover, char **ret_why)
{
	int fd = -1;
	int r;

	r = workers_carry(workers, handover);
	if (r == 0)
		r = handover_finish(handover, &fd);
	if (r == -ETOOMANYREFS)
		return because(r, ret_why, "there are more descriptors than may be on their way: LimitNOFILE= in the unit");
	if (r < 0)
		return because(r, ret_why, "%s", strerror(-r));
	return store(handover, fd, ret_why);
}

int restart_give(struct workers *workers, char **ret_why)
{
	struct handover *handover;
	int r;

	*ret_why = NULL;
	if (!getenv("NOTIFY_SOCKET"))
		return because(-ENOENT, ret_why, "systemd did not start this daemon");
	r = handover_new(&handover, CARRY_LAYOUT);
	if (r < 0)
		return because(r, ret_why, "%s", strerror(-r));
	if (!workers_freeze(workers, FREEZE_TIMEOUT_MS))
		r = because(-ETIMEDOUT, ret_why, "worker %d does not answer", workers_unanswered(workers));
	else
		r = give(workers, handover, ret_why);
	if (r < 0)
		workers_thaw(workers);
	handover_free(handover);
	return r < 0 ? r : (int) workers_connections(workers);
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

int restart_look(struct restart *restart, int take_fd)
{
	int r;

	restart->fd = take_fd;
	r = handover_take(&restart->taken, restart->fd);
	if (r == 0)
		r = take_snapshots(restart);
	return r;
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
	return item->fd >= 0 && (item->kind == CARRY_IDLE || item->kind == CARRY_BUSY) &&
	       restart->taken.attempts < ATTEMPTS &&
	       (item->kind == CARRY_IDLE || restart->taken.attempts < ATTEMPTS_WITH_BUSY);
}

/* The connections by the time of their timers, a share for each worker in turn. */
static int share_out(struct restart *restart, struct carry_arrivals *arrivals, unsigned n_workers)
{
	cleanup(free_pointer) struct sorted *sorted = calloc(restart->taken.n + 1, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < restart->taken.n; i++) {
		struct handover_item *item = &restart->taken.items[i];

		if (may_be_taken(restart, item))
			sorted[n++] = (struct sorted) { carry_since(item, restart->taken.layout), item };
	}
	qsort(sorted, n, sizeof *sorted, by_time);
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
		if (answered)	/* else a worker may still look at it: better a leak than that */
			free(arrivals[w].items);
	}
	if (answered)
		free(arrivals);
	return taken;
}

void restart_deinit(struct restart *restart)
{
	for (size_t i = 0; i < restart->n_snapshots; i++)
		snapshot_free(restart->snapshots[i]);
	free(restart->snapshots);
	handover_taken_deinit(&restart->taken);
	close_fd(&restart->fd);
	*restart = (struct restart) { .fd = -1 };
}
