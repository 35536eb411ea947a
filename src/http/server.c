/* SPDX-License-Identifier: MIT */
/*
 * What the main thread asks comes as an event, so a worker that answers has proved that its poller, channel and
 * executor all move.  Nothing here runs for an ordinary request but server_head().
 */
#include "http/server.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/pages.h"
#include "http/balance.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
	DRAIN_MS	= 1000,
	PAUSE_MS	= 50,		/* so who has descriptors again is back within 100 ms */
	REST_MS		= 1000,
	REPORT_EVERY_MS	= 1000,
	EXTRA_SLOTS	= SERVER_REFUSALS_MAX + 6,	/* the worker's own interests, the pause, the rest, and some to spare */
};

/* Something changed that the main thread waits for. */
static void tell_main(struct server *server)
{
	uint64_t one = 1;

	(void) !write(server->options.answer_fd, &one, sizeof one);	/* a full counter has told it already */
}

/* --- snapshots --------------------------------------------------------------------------------------------------- */

static struct held *held_free(struct held *held)
{
	free(held->bytes);
	free(held->ready);
	free(held);
	return NULL;
}

size_t server_held_bytes(uint32_t n_answers, size_t heads_length)
{
	return sizeof(struct held) + heads_length + n_answers * sizeof *((struct held *) NULL)->ready;
}

/* Copies the heads out of the image: only a worker's own copy can get a new Date every second. */
static struct held *held_new(const struct snapshot *snapshot)
{
	struct held *held = calloc(1, sizeof *held);
	size_t length = 0;

	if (!held)
		return NULL;
	held->snapshot = snapshot;
	held->bytes = malloc(snapshot_heads_length(snapshot));
	held->ready = calloc(snapshot->n_answers, sizeof *held->ready);
	if (!held->bytes || !held->ready)
		return held_free(held);

	for (uint32_t i = 0; i < snapshot->n_answers; i++) {
		const struct prepared *prepared = &snapshot->answers[i];

		for (int p = 0; p < HTTP_PERSISTENCES; p++) {
			struct ready *ready = &held->ready[i][p];

			ready->head = held->bytes + length;
			ready->length = prepared->head_length[p];
			memcpy(ready->head, snapshot->image + prepared->head[p], ready->length);
			length += ready->length;
		}
	}
	return held;
}

/* Drops what no connection names, except the newest, and tells main what is still needed. */
static void drop_unused(struct server *server)
{
	struct held **link = &server->held->older;
	uint64_t oldest = server->held->snapshot->number;

	while (*link) {
		struct held *held = *link;

		if (held->connections > 0) {
			oldest = held->snapshot->number;
			link = &held->older;
			continue;
		}
		*link = held->older;
		held_free(held);
	}
	atomic_store_explicit(&server->oldest_held, oldest, memory_order_release);
	tell_main(server);
}

struct held *server_held(struct server *server, uint64_t snapshot)
{
	struct held *held = server->held;

	while (held->snapshot->number != snapshot)
		held = held->older;
	return held;
}

struct held *server_find_held(struct server *server, uint64_t snapshot)
{
	struct held *held = server->held;

	while (held && held->snapshot->number != snapshot)
		held = held->older;
	return held;
}

int server_hold_older(struct server *server, const struct snapshot *snapshot)
{
	struct held **link = &server->held;
	struct held *held;

	while (*link && (*link)->snapshot->number > snapshot->number)
		link = &(*link)->older;
	if (*link && (*link)->snapshot == snapshot)
		return 0;
	held = held_new(snapshot);
	if (!held)
		return -ENOMEM;
	held->older = *link;
	*link = held;
	return 0;
}

void server_hold(struct server *server, struct connection *connection, struct held *held)
{
	if (connection->snapshot == held->snapshot->number)
		return;
	server_let_go(server, connection);
	connection->snapshot = held->snapshot->number;
	held->connections++;
}

void server_let_go(struct server *server, struct connection *connection)
{
	struct held *held;

	if (connection->snapshot == 0)
		return;
	held = server_held(server, connection->snapshot);
	connection->snapshot = 0;
	if (--held->connections == 0 && held != server->held)
		drop_unused(server);
}

/* Read at most once in a turn, for all who are answered in it; the coarse clock is some milliseconds late at most. */
static time_t now_of(struct server *server)
{
	uint64_t now_ms = executor_now_ms(server->ex);
	struct timespec now;

	if (server->now_ms != now_ms) {
		(void) clock_gettime(CLOCK_REALTIME_COARSE, &now);
		server->now = now.tv_sec;
		server->now_ms = now_ms;
	}
	return server->now;
}

static void write_date(struct server *server, struct ready *ready, uint32_t at, time_t now)
{
	if (server->dated != now) {
		http_date_write(server->date, now);
		server->dated = now;
	}
	memcpy(ready->head + at, server->date, HTTP_DATE_LENGTH);
	ready->dated = now;
}

struct slice server_head(struct server *server, struct held *held, uint32_t answer, enum http_persistence persistence)
{
	struct ready *ready = &held->ready[answer][persistence];
	time_t now = now_of(server);

	if (ready->dated != now)
		write_date(server, ready, held->snapshot->answers[answer].date, now);
	return (struct slice) { ready->head, ready->length };
}

/* Timeouts count from when a wait began, so they take their new length for waits that have begun already. */
static void apply_limits(struct server *server)
{
	const struct http_limits *limits = server_limits(server);

	executor_set_duration(server->ex, TIMER_HEADER, limits->header_timeout_ms);
	executor_set_duration(server->ex, TIMER_BODY, limits->body_timeout_ms);
	executor_set_duration(server->ex, TIMER_WRITE, limits->write_timeout_ms);
	executor_set_duration(server->ex, TIMER_IDLE, limits->idle_timeout_ms);
}

static int adopt(struct server *server, const struct snapshot *snapshot)
{
	struct held *held;

	if (server->held && server->held->snapshot == snapshot)
		return 0;
	held = held_new(snapshot);
	if (!held)
		return -ENOMEM;
	held->older = server->held;
	server->held = held;
	drop_unused(server);
	apply_limits(server);
	return 0;
}

/* --- listeners --------------------------------------------------------------------------------------------------- */

/* A listener that cannot be watched now is tried again when the pause is over. */
static void await_listener(struct server *server, interest_id id, uint32_t what)
{
	if (executor_await_keep(server->ex, id, what, connection_accept, server) < 0)
		executor_start_timer(server->ex, server->pause_id, TIMER_PAUSE);
}

static void await_listeners(struct server *server, uint32_t what)
{
	for (size_t i = 0; i < server->options.n_listeners; i++) {
		await_listener(server, server->listeners[i].id, what);
		if (what)	/* what came meanwhile is told by no event */
			executor_again(server->ex, server->listeners[i].id);
	}
}

/* There are few. */
const struct server_listener *server_listener(const struct server *server, interest_id id)
{
	const struct server_listener *listener = server->listeners;

	while (listener->id != id)
		listener++;
	return listener;
}

void server_pause(struct server *server)
{
	if (!server->paused) {
		server->paused = true;
		await_listeners(server, 0);
	}
	executor_start_timer(server->ex, server->pause_id, TIMER_PAUSE);
}

void server_resume(struct server *server)
{
	if (server->draining)
		return;
	server->paused = false;
	executor_stop_timer(server->ex, server->pause_id);
	await_listeners(server, POLLER_READ);
}

static void on_pause_over(void *arg, interest_id id)
{
	(void) id;
	server_resume(arg);
}

static int watch_listeners(struct server *server)
{
	for (size_t i = 0; i < server->options.n_listeners; i++) {
		struct server_listener *listener = &server->listeners[i];
		int r;

		r = executor_watch(server->ex, listener->fd, listener->shared ? REGISTRY_SHARED : REGISTRY_STANDING,
				   &listener->id);
		if (r < 0)
			return r;
		r = executor_await_keep(server->ex, listener->id, POLLER_READ, connection_accept, server);
		if (r < 0)
			return r;
	}
	return 0;
}

uint32_t server_count(struct server *server, int change)
{
	uint32_t standing = atomic_fetch_add(&server->standing, (uint32_t) change) + (uint32_t) change;
	uint32_t all = atomic_fetch_add(server->options.connections, (uint32_t) change) + (uint32_t) change;

	if (standing == 0 && server->draining)	/* told when it can be seen, or main would look too early and sleep */
		tell_main(server);
	return all;
}

/* One whose answer is due later, and who has sent its end: in all likelihood it waits for nothing any more.  They are in no
 * order; but where they are what fills the place, the next is near. */
static interest_id find_gone(struct server *server)
{
	for (uint32_t i = 0; i < server->high_slot; i++) {
		uint32_t slot = server->scanned++ % server->high_slot;
		const struct connection *c = &server->records.connections[slot];

		if (c->state == CONNECTION_DELAYED && c->flags & CONNECTION_END_SEEN)
			return executor_id(server->ex, slot);
	}
	return 0;
}

interest_id server_oldest(struct server *server)
{
	static const enum server_timer order[] = { TIMER_IDLE, TIMER_HEADER, TIMER_BODY };

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		interest_id id = executor_oldest(server->ex, order[i]);

		if (id)
			return id;
	}
	return find_gone(server);
}

/* --- rest -------------------------------------------------------------------------------------------------------- */

/* Nothing is in the buffers between two turns of connections. */
static void on_rest(void *arg, interest_id id)
{
	struct server *server = arg;
	uint32_t slot = executor_trim(server->ex);

	(void) id;
	server->resting = false;
	if (slot < server->high_slot)
		server->high_slot = slot;
	records_trim(&server->records, slot);
	pages_give_back(server->discard, server->discard + SERVER_DISCARD_MAX, MADV_DONTNEED);
}

/* When there are far fewer than there were.  Not at once: where each request has a connection of its own, the last one
 * ends all the time. */
void server_rest_soon(struct server *server)
{
	uint32_t standing = atomic_load_explicit(&server->standing, memory_order_relaxed);

	if (server->resting || standing > server->high_slot / 4)
		return;
	server->resting = true;
	executor_start_timer(server->ex, server->rest_id, TIMER_REST);
}

/* --- reports ----------------------------------------------------------------------------------------------------- */

void server_report(struct server *server, int fd, struct report *report)
{
	struct timespec now;

	if (report->kind != REPORT_REQUEST) {
		uint64_t *last_ms = &server->reported_ms[report->kind];
		uint64_t now_ms = clock_ms();	/* not the turn's: the log counts from when it hears of it */

		if (*last_ms != 0 && now_ms - *last_ms < REPORT_EVERY_MS) {
			report_suppress(server->reports, report->kind);
			return;
		}
		*last_ms = now_ms;
	}
	if (fd >= 0)
		report_set_peer(report, fd);
	(void) clock_gettime(CLOCK_REALTIME, &now);
	report->time_us = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
	report->worker = (uint16_t) server->options.number;
	report_put(server->reports, report);
}

/* --- the worker's side of what main asks ------------------------------------------------------------------------- */

static void for_each_connection(struct server *server, void (*fn)(struct server *server, interest_id id))
{
	for (uint32_t slot = 0; slot < server->high_slot; slot++)
		if (server->records.connections[slot].state != CONNECTION_FREE)
			fn(server, executor_id(server->ex, slot));
}

static void accept_the_rest(struct server *server)
{
	for (size_t i = 0; i < server->options.n_listeners; i++)
		if (!server->listeners[i].lasting)
			connection_accept_rest(server, &server->listeners[i]);
}

static void stop_listening(struct server *server)
{
	for (size_t i = 0; i < server->options.n_listeners; i++)
		executor_forget(server->ex, server->listeners[i].id);
	executor_forget(server->ex, server->pause_id);
}

static void take_arrivals(struct server *server)
{
	struct server_arrivals *arrivals = atomic_exchange(&server->wish_arrivals, NULL);

	if (!arrivals)
		return;
	arrivals->take(server, arrivals);
	drop_unused(server);		/* what nobody came with */
}

/* Their timers begin anew with every byte: what main asks for while it drains costs nothing otherwise. */
static void tell_progress(struct server *server)
{
	uint64_t body_ms = executor_newest_ms(server->ex, TIMER_BODY);
	uint64_t write_ms = executor_newest_ms(server->ex, TIMER_WRITE);

	atomic_store_explicit(&server->moved_ms, body_ms > write_ms ? body_ms : write_ms, memory_order_relaxed);
}

static void answer(struct server *server)
{
	uint64_t asked = atomic_load_explicit(&server->asked, memory_order_acquire);
	bool adopted = adopt(server, atomic_load_explicit(&server->wish_snapshot, memory_order_acquire)) == 0;

	take_arrivals(server);
	if (atomic_load(&server->wish_drain) && !server->draining) {
		server->draining = true;
		for_each_connection(server, connection_drain);	/* before newcomers need their descriptors */
		accept_the_rest(server);
		stop_listening(server);
	}
	if (atomic_load(&server->wish_stop)) {
		server->draining = true;
		stop_listening(server);
		executor_forget(server->ex, server->passed_id);
		for_each_connection(server, connection_close);
		worker_quit(server->worker);
	}
	tell_progress(server);
	/* Without memory for the snapshot the question stays open: main sees that and says so. */
	if (adopted)
		atomic_store_explicit(&server->answered, asked, memory_order_release);
	tell_main(server);
}

/* The wish to stand still may have come while an earlier question was answered: then the one that came with it is answered
 * where the worker stands.  What is asked behind the end of it is not done yet: it comes as a question of its own. */
static void on_ask(void *arg)
{
	struct server *server = arg;

	answer(server);
	while (atomic_load_explicit(&server->wish_freeze, memory_order_acquire)) {
		(void) sem_wait(&server->stir);
		if (atomic_load_explicit(&server->wish_freeze, memory_order_acquire))
			answer(server);
	}
}

static void on_failure(void *arg)
{
	struct server *server = arg;

	atomic_store_explicit(&server->failed, true, memory_order_release);
	tell_main(server);
}

/* --- the main thread's side -------------------------------------------------------------------------------------- */

static void add_timers(struct server *server)
{
	for (int timer = TIMER_HEADER; timer <= TIMER_DRAIN; timer++)
		(void) executor_add_timer_list(server->ex, DRAIN_MS, connection_timed_out, server);
	(void) executor_add_timer_list(server->ex, PAUSE_MS, on_pause_over, server);
	for (unsigned i = 0; i < SERVER_DELAYS; i++)
		(void) executor_add_timer_list(server->ex, 1u << 3 * i, connection_timed_out, server);
	(void) executor_add_timer_list(server->ex, REST_MS, on_rest, server);
}

/* FNV-1a.  Of two names that agree in it the connections of one would be taken for the other's: nobody has such. */
static uint32_t hash_name(const char *name)
{
	uint32_t hash = 0x811c9dc5;

	for (; *name; name++)
		hash = (hash ^ (unsigned char) *name) * 0x01000193;
	return hash ? hash : 1;
}

/* A slot that is freed while its connection waits to be run again is free only in the next turn; until then there may come as
 * many as a turn takes from each listener, and from other workers. */
static uint32_t slots_for(uint32_t max_connections, size_t n_listeners)
{
	return max_connections + EXTRA_SLOTS + (uint32_t) (n_listeners + 1) * (1 + CONNECTION_ACCEPTS_PER_TURN);
}

size_t server_bytes(uint32_t max_connections, size_t n_listeners)
{
	uint32_t slots = slots_for(max_connections, n_listeners);

	return sizeof(struct server) + sizeof(struct report_ring) + (n_listeners + 1) * sizeof(struct server_listener) +
	       SERVER_DISCARD_MAX + records_bytes(slots) + worker_bytes(slots);
}

size_t server_refusals_bytes(void)
{
	return SERVER_REFUSALS_MAX * connection_refused_bytes();
}

int server_new(struct server **ret, const struct server_options *options)
{
	struct server *server = aligned_alloc(64, sizeof *server);
	uint32_t slots = slots_for(options->max_connections, options->n_listeners);
	int r;

	if (!server)
		return -ENOMEM;
	memset(server, 0, sizeof *server);
	server->options = *options;
	server->records.fd = -1;
	server->passed[0] = server->passed[1] = -1;
	for (size_t i = 0; i < options->n_names; i++)
		server->names[i + 1] = hash_name(options->names[i]);
	if (getrandom(server->seed, sizeof server->seed, 0) < 0) {
		r = -errno;
		free(server);
		return r;
	}
	atomic_store(&server->wish_snapshot, options->snapshot);
	(void) sem_init(&server->stir, 0, 0);
	r = -ENOMEM;
	server->reports = aligned_alloc(64, sizeof *server->reports);
	server->listeners = calloc(options->n_listeners + 1, sizeof *server->listeners);
	if (!server->reports || !server->listeners)
		goto fail;
	memset(server->reports, 0, sizeof *server->reports);
	server->reports->wake_fd = -1;
	if (options->n_listeners > 0)
		memcpy(server->listeners, options->listeners, options->n_listeners * sizeof *server->listeners);
	server->discard = mmap(NULL, SERVER_DISCARD_MAX, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (server->discard == MAP_FAILED) {
		server->discard = NULL;
		goto fail;
	}
	r = records_init(&server->records, slots);
	if (r < 0)
		goto fail;
	r = worker_new(&server->worker, options->mode, slots, server->records.timers);
	if (r < 0)
		goto fail;
	server->ex = worker_executor(server->worker);
	add_timers(server);
	r = adopt(server, options->snapshot);
	if (r < 0)
		goto fail;
	r = executor_watch(server->ex, -1, REGISTRY_STANDING, &server->pause_id);
	if (r == 0)
		r = executor_watch(server->ex, -1, REGISTRY_STANDING, &server->rest_id);
	if (r < 0)
		goto fail;
	r = balance_init(server);
	if (r < 0)
		goto fail;
	*ret = server;
	return 0;
fail:
	server_free(server);
	return r;
}

struct server *server_free(struct server *server)
{
	if (!server)
		return NULL;
	balance_deinit(server);
	worker_free(server->worker);
	while (server->held) {
		struct held *older = server->held->older;

		held_free(server->held);
		server->held = older;
	}
	records_deinit(&server->records);
	if (server->discard)
		(void) munmap(server->discard, SERVER_DISCARD_MAX);
	(void) sem_destroy(&server->stir);
	free(server->listeners);
	free(server->reports);
	free(server);
	return NULL;
}

int server_start(struct server *server)
{
	char name[16];
	int r;

	r = watch_listeners(server);
	if (r < 0)
		return r;
	(void) snprintf(name, sizeof name, "worker-%u", server->options.number);
	return worker_start(server->worker, name, on_ask, on_failure, server);
}

uint64_t server_ask(struct server *server)
{
	uint64_t question = atomic_fetch_add_explicit(&server->asked, 1, memory_order_release) + 1;

	worker_ask(server->worker);
	return question;
}

bool server_answered(struct server *server, uint64_t question)
{
	return atomic_load_explicit(&server->answered, memory_order_acquire) >= question;
}

uint64_t server_take_snapshot(struct server *server, const struct snapshot *snapshot)
{
	atomic_store_explicit(&server->wish_snapshot, snapshot, memory_order_release);
	return server_ask(server);
}

uint64_t server_drain(struct server *server)
{
	atomic_store(&server->wish_drain, true);
	return server_ask(server);
}

uint64_t server_stop(struct server *server)
{
	atomic_store(&server->wish_stop, true);
	return server_ask(server);
}

uint64_t server_freeze(struct server *server)
{
	uint64_t question;

	atomic_store(&server->wish_freeze, true);
	question = server_ask(server);
	(void) sem_post(&server->stir);
	return question;
}

void server_thaw(struct server *server)
{
	atomic_store_explicit(&server->wish_freeze, false, memory_order_release);
	(void) sem_post(&server->stir);
}

uint64_t server_take_arrivals(struct server *server, struct server_arrivals *arrivals)
{
	atomic_store(&server->wish_arrivals, arrivals);
	return server_ask(server);
}

int server_join(struct server *server)
{
	return worker_join(server->worker);
}
