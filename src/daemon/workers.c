/* SPDX-License-Identifier: MIT */
#include "daemon/workers.h"

#include "core/cleanup.h"
#include "core/clock.h"

#include <assert.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

enum { WORKERS_AUTO_MAX = 256 };

unsigned workers_wanted(const struct conf *conf)
{
	cpu_set_t cpus;
	int n;

	if (conf->workers > 0)
		return conf->workers;
	if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
		n = CPU_COUNT(&cpus);
	else	/* there are more than the set has room for */
		n = (int) sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > WORKERS_AUTO_MAX ? WORKERS_AUTO_MAX : (unsigned) n;
}

uint64_t workers_generation(const struct workers *workers)
{
	return workers->n_snapshots > 0 ? workers->snapshots[workers->n_snapshots - 1]->number : 0;
}

/* The array has room for one more than it holds before a snapshot is given to anyone. */
static int keep_snapshot(struct workers *workers, struct snapshot *snapshot)
{
	struct snapshot **grown;

	grown = realloc(workers->snapshots, (workers->n_snapshots + 1) * sizeof *grown);
	if (!grown) {
		snapshot_free(snapshot);
		return -ENOMEM;
	}
	workers->snapshots = grown;
	workers->snapshots[workers->n_snapshots++] = snapshot;
	return 0;
}

static struct server_listener for_worker(const struct listener *listener, unsigned worker, unsigned n_workers)
{
	bool one = listener->n_fds == 1;

	assert(one || worker < listener->n_fds);

	return (struct server_listener) {
		.fd = listener->fds[one ? 0 : worker],
		.name = listener->number,
		.shared = one && n_workers > 1,
		.lasting = listener->passed,
	};
}

static int make_one(struct workers *workers, unsigned number, unsigned n_workers, const struct conf *conf,
		     const struct listeners *listeners, const char *const *names, size_t n_names)
{
	cleanup(free_pointer) struct server_listener *own = calloc(listeners->n + 1, sizeof *own);
	struct server_options options = {
		.mode = conf->executor == CONF_THREADED ? WORKER_THREADED : WORKER_INLINE,
		.number = number,
		.max_connections = conf->limits.max_connections,
		.listeners = own,
		.n_listeners = listeners->n,
		.names = names,
		.n_names = n_names,
		.peers = workers->at,
		.n_peers = n_workers,
		.snapshot = workers->snapshots[workers->n_snapshots - 1],
		.connections = workers->connections,
		.answer_fd = workers->answer_fd,
	};
	int r;

	if (!own)
		return -ENOMEM;
	for (size_t i = 0; i < listeners->n; i++)
		own[i] = for_worker(&listeners->at[i], number, n_workers);
	r = server_new(&workers->at[number], &options);
	if (r < 0)
		return r;
	workers->n++;
	workers->rings[number] = workers->at[number]->reports;
	return 0;
}

int workers_start(struct workers *workers, unsigned n, const struct conf *conf, const struct listeners *listeners,
		  const char *const *names, size_t n_names, struct snapshot *snapshot)
{
	int r;

	r = keep_snapshot(workers, snapshot);
	if (r < 0)
		return r;
	if (!workers->connections)
		workers->connections = &workers->counted;
	workers->answer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->answer_fd < 0)
		return -errno;
	workers->at = calloc(n, sizeof *workers->at);
	workers->questions = calloc(n, sizeof *workers->questions);
	workers->rings = calloc(n, sizeof(struct report_ring *));
	if (!workers->at || !workers->questions || !workers->rings)
		return -ENOMEM;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = make_one(workers, i, n, conf, listeners, names, n_names);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = server_start(workers->at[i]);
	return r;
}

bool workers_leave(struct workers *workers, int timeout_ms)
{
	for (unsigned i = 0; i < workers->n; i++)
		workers->questions[i] = server_stop(workers->at[i]);
	return workers_wait(workers, timeout_ms);
}

void workers_stop(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		(void) server_stop(workers->at[i]);
	for (unsigned i = 0; i < workers->n; i++)
		(void) server_join(workers->at[i]);
}

void workers_deinit(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		server_free(workers->at[i]);
	for (size_t i = 0; i < workers->n_snapshots; i++)
		snapshot_free(workers->snapshots[i]);
	close_fd(&workers->answer_fd);
	free(workers->at);
	free(workers->questions);
	free(workers->rings);
	free(workers->snapshots);
	*workers = (struct workers) { .answer_fd = -1 };
}

int workers_take_snapshot(struct workers *workers, struct snapshot *snapshot)
{
	int r = keep_snapshot(workers, snapshot);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < workers->n; i++)
		workers->questions[i] = server_take_snapshot(workers->at[i], snapshot);
	return 0;
}

bool workers_freeze(struct workers *workers, int timeout_ms)
{
	for (unsigned i = 0; i < workers->n; i++)
		workers->questions[i] = server_freeze(workers->at[i]);
	return workers_wait(workers, timeout_ms);
}

void workers_thaw(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		server_thaw(workers->at[i]);
}

/* Of the snapshots those that are still answered from, and the last one, whose number the next process goes on from. */
int workers_carry(struct workers *workers, struct handover *handover)
{
	int r = 0;

	for (size_t i = 0; i < workers->n_snapshots && r == 0; i++) {
		bool needed = i == workers->n_snapshots - 1;

		for (unsigned w = 0; w < workers->n && !needed; w++)
			needed = carry_uses(workers->at[w], workers->snapshots[i]);
		if (needed)
			r = carry_snapshot(handover, workers->snapshots[i]);
	}
	for (unsigned w = 0; w < workers->n && r == 0; w++)
		r = carry_connections(handover, workers->at[w]);
	return r;
}

int workers_take_older(struct workers *workers, struct snapshot **snapshots, size_t n)
{
	struct snapshot **grown = realloc(workers->snapshots, (workers->n_snapshots + n + 1) * sizeof *grown);

	if (!grown)
		return -ENOMEM;
	workers->snapshots = grown;
	memmove(grown + n, grown, workers->n_snapshots * sizeof *grown);
	if (n > 0)
		memcpy(grown, snapshots, n * sizeof *grown);
	workers->n_snapshots += n;
	return 0;
}

bool workers_take_arrivals(struct workers *workers, struct carry_arrivals *arrivals, uint32_t layout, int timeout_ms)
{
	bool answered;

	workers->arriving = true;	/* nobody has said yet that it holds the older snapshots */
	for (unsigned i = 0; i < workers->n; i++) {
		arrivals[i].layout = layout;
		arrivals[i].snapshots = (const struct snapshot **) workers->snapshots;
		arrivals[i].n_snapshots = workers->n_snapshots;
		workers->questions[i] = carry_to(workers->at[i], &arrivals[i]);
	}
	answered = workers_wait(workers, timeout_ms);
	workers->arriving = !answered;
	workers_heard(workers);
	return answered;
}

void workers_drain(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		workers->questions[i] = server_drain(workers->at[i]);
}

uint32_t workers_connections(struct workers *workers)
{
	return atomic_load(workers->connections);
}

uint64_t workers_requests(struct workers *workers)
{
	uint64_t requests = 0;

	for (unsigned i = 0; i < workers->n; i++)
		requests += atomic_load_explicit(&workers->at[i]->requests, memory_order_relaxed);
	return requests;
}

uint64_t workers_moved_ms(struct workers *workers)
{
	uint64_t latest_ms = 0;

	for (unsigned i = 0; i < workers->n; i++) {
		uint64_t moved_ms = atomic_load_explicit(&workers->at[i]->moved_ms, memory_order_relaxed);

		if (moved_ms > latest_ms)
			latest_ms = moved_ms;
	}
	return latest_ms;
}

void workers_ask(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		workers->questions[i] = server_ask(workers->at[i]);
}

int workers_unanswered(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		if (!server_answered(workers->at[i], workers->questions[i]))
			return (int) i;
	return -1;
}

int workers_failed(struct workers *workers)
{
	for (unsigned i = 0; i < workers->n; i++)
		if (atomic_load_explicit(&workers->at[i]->failed, memory_order_acquire))
			return (int) i;
	return -1;
}

bool workers_wait(struct workers *workers, int timeout_ms)
{
	struct pollfd answers = { .fd = workers->answer_fd, .events = POLLIN };
	int64_t until_ms = (int64_t) clock_ms() + timeout_ms;
	int64_t left_ms;

	while (workers_unanswered(workers) >= 0) {
		left_ms = until_ms - (int64_t) clock_ms();
		if (left_ms <= 0)
			return false;
		if (poll(&answers, 1, (int) left_ms) > 0)
			workers_heard(workers);
	}
	return true;
}

void workers_heard(struct workers *workers)
{
	uint64_t oldest = workers_generation(workers);
	uint64_t count;
	size_t unused = 0;

	(void) !read(workers->answer_fd, &count, sizeof count);
	for (unsigned i = 0; i < workers->n; i++) {
		uint64_t held = atomic_load_explicit(&workers->at[i]->oldest_held, memory_order_acquire);

		if (held < oldest)
			oldest = held;
	}
	while (!workers->arriving && unused < workers->n_snapshots && workers->snapshots[unused]->number < oldest)
		snapshot_free(workers->snapshots[unused++]);
	workers->n_snapshots -= unused;
	memmove(workers->snapshots, workers->snapshots + unused, workers->n_snapshots * sizeof *workers->snapshots);
}
