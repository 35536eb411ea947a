/* SPDX-License-Identifier: MIT */
/* The server of one worker as the main thread sees it: questions and answers, counts, the end; and two of them together. */
#undef NDEBUG
#include "http_fixture.h"

#include "http/carry.h"
#include "http/variables.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct slice hello = { "hello\n", 6 };
static struct site site;
static _Atomic int wait_error;	/* errno that epoll_wait fails with; 0: the real one is called */

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	int error = atomic_load(&wait_error);

	if (!error)
		return __real_epoll_wait(fd, events, max, timeout_ms);
	errno = error;
	return -1;
}

static unsigned count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		n++;
	(void) closedir(directory);
	return n - 2;
}

static void open_site(int way)
{
	struct http_answer answer = answer_with(hello);

	site_open(&site, way, &generous_limits, &answer);
}

static void teardown(void)
{
	if (site.server)
		site_close(&site);
}

START_TEST(a_question_is_answered_with_its_number)
{
	uint64_t first, second;

	open_site(_i);
	first = server_ask(site.server);
	second = server_ask(site.server);
	ck_assert_uint_eq(second, first + 1);
	WAIT_UNTIL(&site, server_answered(site.server, second));
	ck_assert(server_answered(site.server, first));
	ck_assert(!server_answered(site.server, second + 1));
}
END_TEST

START_TEST(an_answer_is_told_to_main)
{
	struct pollfd waits;
	uint64_t count;

	open_site(_i);
	turn_over(&site);
	(void) !read(site.answer_fd, &count, sizeof count);
	for (int i = 0; i < 100; i++) {
		uint64_t question = server_ask(site.server);

		while (!server_answered(site.server, question)) {	/* without a bound of its own: it is told */
			waits = (struct pollfd) { .fd = site.answer_fd, .events = POLLIN };
			ck_assert_int_eq(poll(&waits, 1, PATIENCE_MS), 1);
			(void) !read(site.answer_fd, &count, sizeof count);
		}
	}
}
END_TEST

/* A question may melt into the one before it, but the last is always answered. */
START_TEST(many_questions_are_all_answered)
{
	uint64_t question = 0;

	open_site(_i);
	for (int i = 0; i < 10000; i++)
		question = server_ask(site.server);
	WAIT_UNTIL(&site, server_answered(site.server, question));
}
END_TEST

START_TEST(a_question_is_answered_beside_busy_clients)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 100; i++) {
		say(&client, GET GET GET GET);
		turn_over(&site);
		for (int j = 0; j < 4; j++)
			hear_reply(&client, 200, hello);
	}
	client_close(&client);
}
END_TEST

START_TEST(requests_and_connections_are_counted)
{
	struct client client[3];

	open_site(_i);
	for (int i = 0; i < 3; i++) {
		client_open(&client[i], &site);
		say(&client[i], GET GET);
		hear_reply(&client[i], 200, hello);
		hear_reply(&client[i], 200, hello);
	}
	turn_over(&site);
	ck_assert_uint_eq(atomic_load(&site.server->requests), 6);
	ck_assert_uint_eq(atomic_load(&site.server->standing), 3);
	ck_assert_uint_eq(atomic_load(&site.connections), 3);
	for (int i = 0; i < 3; i++)
		client_close(&client[i]);
	wait_for_standing(&site, 0);
	ck_assert_uint_eq(atomic_load(&site.connections), 0);
}
END_TEST

START_TEST(the_same_snapshot_may_be_taken_again)
{
	open_site(_i);
	for (int i = 0; i < 3; i++) {
		server_take_snapshot(site.server, site.snapshots[0]);
		turn_over(&site);
		ck_assert_uint_eq(atomic_load(&site.server->oldest_held), 1);
	}
}
END_TEST

START_TEST(a_snapshot_that_nobody_answers_from_is_let_go_at_once)
{
	struct http_answer answer = answer_with(SLICE("new\n"));
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET);
	hear_reply(&client, 200, hello);
	for (uint64_t number = 2; number <= SITE_SNAPSHOTS_MAX; number++) {
		site_reload(&site, &generous_limits, &answer);
		ck_assert_uint_eq(atomic_load(&site.server->oldest_held), number);
		site.snapshots[number - 2] = snapshot_free(site.snapshots[number - 2]);
		say(&client, GET);
		hear_reply(&client, 200, answer.body);
	}
	client_close(&client);
}
END_TEST

/* Three at once: the one in the middle is let go while the oldest is still needed. */
START_TEST(snapshots_are_let_go_in_any_order)
{
	static const char begun[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
	struct http_answer answer = answer_with(SLICE("new\n"));
	struct client client[2];

	open_site(_i);
	for (int i = 0; i < 2; i++) {
		client_open(&client[i], &site);
		say(&client[i], begun);
		wait_for_standing(&site, (uint32_t) i + 1);
		turn_over(&site);
		site_reload(&site, &generous_limits, &answer);
	}
	ck_assert_uint_eq(atomic_load(&site.server->oldest_held), 1);
	say(&client[1], "x");
	hear_reply(&client[1], 200, answer.body);
	turn_over(&site);
	ck_assert_uint_eq(atomic_load(&site.server->oldest_held), 1);
	say(&client[0], "x");
	hear_reply(&client[0], 200, hello);
	wait_for_oldest_held(&site, 3);
	client_close(&client[0]);
	client_close(&client[1]);
}
END_TEST

START_TEST(timeouts_of_a_new_snapshot_apply_to_who_waits_already)
{
	struct http_limits limits = generous_limits;
	struct http_answer answer = answer_with(hello);
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET);
	hear_reply(&client, 200, hello);
	limits.idle_timeout_ms = 1;
	site_reload(&site, &limits, &answer);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(main_is_told_when_the_last_connection_of_a_drain_has_ended)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "GET / ");
	wait_for_standing(&site, 1);
	turn_over(&site);
	site_drain(&site);
	ck_assert_uint_eq(atomic_load(&site.server->standing), 1);
	say(&client, "HTTP/1.1\r\nHost: a\r\n\r\n");
	while (atomic_load(&site.server->standing) > 0) {	/* without a bound of its own: it is told */
		struct pollfd waits = { .fd = site.answer_fd, .events = POLLIN };
		uint64_t count;

		ck_assert_int_eq(poll(&waits, 1, PATIENCE_MS), 1);
		(void) !read(site.answer_fd, &count, sizeof count);
	}
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(draining_twice_and_stopping_twice_does_no_harm)
{
	open_site(_i);
	server_drain(site.server);
	site_drain(&site);
	site_drain(&site);
	server_stop(site.server);
	server_stop(site.server);
}
END_TEST

START_TEST(stopping_closes_every_connection_and_ends_the_threads)
{
	static struct client client[5];
	unsigned threads;

	open_site(_i);
	threads = count_threads();	/* a sanitizer may have one of its own by now */
	for (int i = 0; i < 5; i++) {
		client_open(&client[i], &site);
		say(&client[i], i % 2 ? "GET" : GET);
	}
	wait_for_standing(&site, 5);
	server_stop(site.server);
	ck_assert_int_eq(server_join(site.server), 0);
	ck_assert_uint_eq(atomic_load(&site.server->standing), 0);
	ck_assert_uint_eq(count_threads(), threads - (mode_of(_i) == WORKER_THREADED ? 2 : 1));
	for (int i = 0; i < 5; i++) {
		while (receive_more(&client[i]) > 0)
			client[i].start = client[i].end;
		client_close(&client[i]);
	}
}
END_TEST

START_TEST(a_server_whose_wait_fails_says_so_to_main)
{
	open_site(_i);
	atomic_store(&wait_error, EBADF);
	(void) server_ask(site.server);
	WAIT_UNTIL(&site, atomic_load(&site.server->failed));
	atomic_store(&wait_error, 0);
	ck_assert_int_eq(server_join(site.server), -EBADF);
}
END_TEST

START_TEST(a_server_that_was_never_started_can_be_freed)
{
	struct http_answer answer = answer_with(hello);
	struct server_options options = { .max_connections = 10, .connections = &site.connections };
	struct server *server = NULL;
	unsigned open_fds = count_open_fds();
	int answer_fd = open_eventfd(0);
	struct snapshot *snapshot = make_snapshot(1, &generous_limits, &answer);

	options.mode = mode_of(_i);
	options.answer_fd = answer_fd;
	options.snapshot = snapshot;
	ck_assert_int_eq(server_new(&server, &options), 0);
	ck_assert_int_eq(server_join(server), 0);
	ck_assert_ptr_null(server_free(server));
	ck_assert_ptr_null(server_free(NULL));
	snapshot_free(snapshot);
	ck_assert_int_eq(close(answer_fd), 0);
	ck_assert_uint_eq(count_open_fds(), open_fds);
}
END_TEST

/* Each descriptor that it needs is refused once. */
START_TEST(a_server_that_lacks_a_descriptor_fails_and_leaves_nothing_open)
{
	struct http_answer answer = answer_with(hello);
	struct snapshot *snapshot = make_snapshot(1, &generous_limits, &answer);
	struct server_options options = {
		.mode = mode_of(_i), .max_connections = 10, .snapshot = snapshot, .connections = &site.connections,
	};
	struct server *server = NULL;
	unsigned open_fds;
	struct rlimit limit, small;
	unsigned failed = 0;
	int r;

	options.answer_fd = open_eventfd(0);
	open_fds = count_open_fds();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	do {
		small = limit;
		small.rlim_cur = (rlim_t) options.answer_fd + 1 + failed;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
		r = server_new(&server, &options);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		if (r < 0) {
			ck_assert_int_eq(r, -EMFILE);
			ck_assert_ptr_null(server);
			ck_assert_uint_eq(count_open_fds(), open_fds);
			failed++;
		}
	} while (r < 0);
	ck_assert_uint_ge(failed, 3);	/* records, poller, eventfds */
	server_free(server);
	snapshot_free(snapshot);
	(void) close(options.answer_fd);
}
END_TEST

/* --- two workers ------------------------------------------------------------------------------------------------- */

enum { PAIR = 2 };

static struct server *pair[PAIR];

/* The workers of a site that was opened without starting any: they share its listener, which the first `accepting` of them
 * watch, and the count. */
static void open_pair_of_servers(int way, const struct http_limits *limits, unsigned accepting)
{
	struct http_answer answer = answer_with(hello);
	struct server_listener listener;
	struct server_options options;

	site = (struct site) { .open_fds = count_open_fds() };
	site.answer_fd = open_eventfd(0);
	site_listen(&site, family_of(way));
	site.snapshots[0] = make_snapshot(1, limits, &answer);
	listener = (struct server_listener) { .fd = site.listener, .shared = true, .lasting = true };
	for (unsigned i = 0; i < PAIR; i++) {
		options = (struct server_options) {
			.mode = mode_of(way),
			.number = i,
			.peers = pair,
			.n_peers = PAIR,
			.max_connections = limits->max_connections,
			.listeners = &listener,
			.n_listeners = i < accepting,
			.snapshot = site.snapshots[0],
			.connections = &site.connections,
			.answer_fd = site.answer_fd,
		};
		ck_assert_int_eq(server_new(&pair[i], &options), 0);
	}
	for (unsigned i = 0; i < PAIR; i++)
		ck_assert_int_eq(server_start(pair[i]), 0);
}

static void close_pair_of_servers(void)
{
	for (int i = 0; i < PAIR; i++)
		server_stop(pair[i]);
	for (int i = 0; i < PAIR; i++)
		server_thaw(pair[i]);
	for (int i = 0; i < PAIR; i++)
		ck_assert_int_eq(server_join(pair[i]), 0);
	for (int i = 0; i < PAIR; i++)
		pair[i] = server_free(pair[i]);
	ck_assert_uint_eq(atomic_load(&site.connections), 0);
	site.snapshots[0] = snapshot_free(site.snapshots[0]);
	(void) close(site.listener);
	(void) close(site.answer_fd);
	ck_assert_uint_eq(count_open_fds(), site.open_fds);
}

START_TEST(two_workers_serve_one_listener)
{
	enum { CLIENTS = 200 };
	static struct client client[CLIENTS];
	struct http_limits limits = generous_limits;

	limits.max_connections = CLIENTS;
	open_pair_of_servers(_i, &limits, PAIR);
	for (int i = 0; i < CLIENTS; i++) {
		client_open(&client[i], &site);
		say(&client[i], GET);
		hear_reply(&client[i], 200, hello);
	}
	ck_assert_uint_eq(atomic_load(&site.connections), CLIENTS);
	for (int i = 0; i < PAIR; i++)
		ck_assert_uint_ge(atomic_load(&pair[i]->standing), CLIENTS * 45 / 100);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&client[i]);
	close_pair_of_servers();
}
END_TEST

static void freeze(struct server *server)
{
	uint64_t question = server_freeze(server);

	WAIT_UNTIL(&site, server_answered(server, question));
}

/* It wakes when the question is there, which it must not take for the one that it stood still for. */
START_TEST(what_is_asked_behind_a_standstill_is_done_before_it_is_answered)
{
	enum { TIMES = 200 };
	struct http_answer answer = answer_with(hello);

	site_open(&site, _i, &generous_limits, &answer);
	for (uint64_t number = 2; number < 2 + TIMES; number++) {
		struct snapshot *snapshot = make_snapshot(number, &generous_limits, &answer);
		struct snapshot *before = site.snapshots[0];
		uint64_t question;

		freeze(site.server);
		server_thaw(site.server);
		question = server_take_snapshot(site.server, snapshot);
		WAIT_UNTIL(&site, server_answered(site.server, question));
		ck_assert_uint_eq(atomic_load(&site.server->oldest_held), number);
		site.snapshots[0] = snapshot;
		snapshot_free(before);
	}
}
END_TEST

/* All of them come to the one worker that moves. */
static void open_beside_one_that_stands_still(struct client *clients, int n, int way)
{
	struct http_limits limits = generous_limits;

	limits.max_connections = (uint32_t) n;
	open_pair_of_servers(way, &limits, 1);
	freeze(pair[1]);
	for (int i = 0; i < n; i++)
		client_open(&clients[i], &site);
	for (int i = 0; i < n; i++)
		say(&clients[i], GET);
	WAIT_UNTIL(&site, atomic_load(&site.connections) == (uint32_t) n);
}

static void all_are_answered(struct client *clients, int n)
{
	for (int i = 0; i < n; i++) {
		hear_reply(&clients[i], 200, hello);
		client_close(&clients[i]);
	}
	close_pair_of_servers();
}

START_TEST(half_of_a_burst_is_passed_on_to_a_worker_that_does_not_accept)
{
	enum { CLIENTS = 400 };
	static struct client clients[CLIENTS];

	open_beside_one_that_stands_still(clients, CLIENTS, _i);
	WAIT_UNTIL(&site, atomic_load(&pair[0]->standing) + atomic_load(&pair[1]->standing) == CLIENTS);
	ck_assert_uint_ge(atomic_load(&pair[1]->standing), CLIENTS * 48 / 100);
	ck_assert_uint_le(atomic_load(&pair[1]->standing), CLIENTS / 2);
	server_thaw(pair[1]);
	all_are_answered(clients, CLIENTS);
}
END_TEST

START_TEST(who_was_passed_on_and_not_yet_taken_is_handed_over)
{
	enum { CLIENTS = 60 };
	static struct client clients[CLIENTS];
	struct handover_taken taken = { 0 };
	struct handover *handover;
	int fd;

	open_beside_one_that_stands_still(clients, CLIENTS, _i);
	freeze(pair[0]);
	ck_assert_uint_eq(pair[1]->high_slot, 0);
	ck_assert_int_eq(handover_new(&handover, CARRY_LAYOUT), 0);
	ck_assert_int_eq(carry_connections(handover, pair[1]), 0);
	ck_assert_int_eq(handover_finish(handover, &fd), 0);
	handover_free(handover);
	ck_assert_int_eq(handover_take(&taken, fd), 0);
	ck_assert_uint_eq(taken.n, atomic_load(&pair[1]->standing));
	ck_assert_uint_gt(taken.n, 0);
	handover_taken_deinit(&taken);
	(void) close(fd);
	for (int i = 0; i < PAIR; i++)
		server_thaw(pair[i]);
	all_are_answered(clients, CLIENTS);
}
END_TEST

/* What is open and what is counted is looked at as the servers are closed. */
START_TEST(who_was_passed_on_and_never_taken_is_closed)
{
	enum { CLIENTS = 60 };
	static struct client clients[CLIENTS];

	open_beside_one_that_stands_still(clients, CLIENTS, _i);
	ck_assert_uint_gt(atomic_load(&pair[1]->standing), 0);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	close_pair_of_servers();
}
END_TEST

/* Silent, and told of in the turn that stops: as before, what is left is looked at as the servers are closed. */
START_TEST(who_was_passed_on_to_one_that_stops_is_closed)
{
	enum { CLIENTS = 20 };
	static struct client clients[CLIENTS];
	struct http_limits limits = generous_limits;

	limits.max_connections = CLIENTS;
	open_pair_of_servers(_i, &limits, 1);
	freeze(pair[1]);
	server_stop(pair[1]);
	for (int i = 0; i < CLIENTS; i++)
		client_open(&clients[i], &site);
	WAIT_UNTIL(&site, atomic_load(&site.connections) == CLIENTS);
	WAIT_UNTIL(&site, atomic_load(&pair[1]->standing) > 0);
	server_thaw(pair[1]);
	ck_assert_int_eq(server_join(pair[1]), 0);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	close_pair_of_servers();
}
END_TEST

START_TEST(who_cannot_be_passed_on_stays)
{
	enum { CLIENTS = 100 };
	static struct client clients[CLIENTS];
	struct http_limits limits = generous_limits;
	int full;

	limits.max_connections = CLIENTS;
	open_pair_of_servers(_i, &limits, 1);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(full, 0);
	ck_assert_int_ge(dup3(full, pair[1]->passed[1], O_CLOEXEC), 0);
	(void) close(full);
	for (int i = 0; i < CLIENTS; i++) {
		client_open(&clients[i], &site);
		say(&clients[i], GET);
	}
	WAIT_UNTIL(&site, atomic_load(&pair[0]->standing) == CLIENTS);
	WAIT_UNTIL(&site, atomic_load(&pair[1]->standing) == 0);	/* it is counted for a moment */
	all_are_answered(clients, CLIENTS);
}
END_TEST

START_TEST(two_workers_share_one_limit)
{
	enum { CLIENTS = 20, MOST = 5 };
	static struct client client[CLIENTS];
	struct http_limits limits = generous_limits;

	limits.max_connections = MOST;
	open_pair_of_servers(_i, &limits, PAIR);
	for (int i = 0; i < CLIENTS; i++) {
		struct reply reply;

		client_open(&client[i], &site);
		say(&client[i], GET);
		hear_head(&client[i], &reply);	/* 503 if all the connections are the other worker's */
		ck_assert(reply.status == 200 || reply.status == 503);
		ck_assert_uint_le(atomic_load(&site.connections), MOST + PAIR);
	}
	for (int i = 0; i < CLIENTS; i++)
		client_close(&client[i]);
	close_pair_of_servers();
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* Behind the server's mapping. */
static size_t bytes_in_use(void)
{
	struct stat stat;

	ck_assert_int_eq(fstat(site.server->records.fd, &stat), 0);
	return (size_t) stat.st_blocks * 512;
}

static void say_times(struct client *client, char c, size_t n)
{
	char *bytes = malloc(n);

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, c, n);
	say_bytes(client, bytes, n);
	free(bytes);
}

/* The longest head that is allowed, but for its end; then, when the server has looked at all of it, its end, and requests
 * whose answers nobody reads. */
static void begin_to_take_the_most(struct client *client)
{
	say(client, "GET /");
	say_times(client, 'p', HTTP_REQUEST_LINE_MAX - strlen("GET / HTTP/1.1"));
	say(client, " HTTP/1.1\r\nHost: a\r\nX: ");
	say_times(client, 'x', HTTP_HEADER_MAX - strlen("Host: a\r\nX: \r\n"));
}

/* In one piece, or all would be answered in between, and all memory given back. */
static void ask_without_listening(struct client *client)
{
	static char text[RECORDS_READ_MAX] = "\r\n\r\n";
	static const size_t each = sizeof GET - 1;

	for (size_t at = 4; at + each <= sizeof text; at += each)
		memcpy(text + at, GET, each);
	say_bytes(client, text, 4 + (sizeof text - 4) / each * each);
}

/* An answer that is due later, and repeats what it can. */
static void ask_for_later(struct client *client)
{
	say(client, "GET /later/");
	say_times(client, 'p', HTTP_VARIABLES_TEXT_MAX - 100);
	say(client, " HTTP/1.1\r\nHost: a\r\n\r\n");
}

START_TEST(no_connections_take_more_than_they_were_said_to)
{
	enum { CLIENTS = 8 };
	static struct client client[CLIENTS];
	static char page[SERVER_SHORT_BODY];
	struct http_field repeats = { SLICE("X"), SLICE("${path}") };
	const struct route_setting routes[] = {
		{ .on = ROUTE_ALWAYS, .answer = answer_with((struct slice) { page, sizeof page }) },
		{ .on = ROUTE_ALWAYS, .path = SLICE("/later/"), .prefix = true, .delay_ms = 600 * 1000, .section = SLICE("later"),
		  .answer = { .status = 200, .fields = &repeats, .n_fields = 1 } },
	};
	size_t spill = connection_spill_bytes(&generous_limits), tables;

	site_open_routes(&site, _i, &generous_limits, routes, 2);
	tables = records_bytes(site.server->records.slots);
	/* What is put aside of a request that is answered later has its place beside the other two. */
	ck_assert_uint_ge(spill, records_spill_bytes(HTTP_REQUEST_LINE_MAX + HTTP_HEADER_MAX + 2 * RECORDS_READ_MAX,
						     RECORDS_OUTPUT_MAX, HTTP_VARIABLES_TEXT_MAX));
	for (int i = 0; i < CLIENTS; i++) {
		client_open_with(&client[i], &site, 4096);
		begin_to_take_the_most(&client[i]);
	}
	WAIT_UNTIL(&site, bytes_in_use() > CLIENTS * (HTTP_REQUEST_LINE_MAX + HTTP_HEADER_MAX));
	for (int i = 0; i < CLIENTS; i++)
		ask_without_listening(&client[i]);
	WAIT_UNTIL(&site, bytes_in_use() > CLIENTS * (HTTP_REQUEST_LINE_MAX + HTTP_HEADER_MAX + SERVER_SHORT_BODY));
	ck_assert_uint_le(bytes_in_use(), tables + CLIENTS * spill);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&client[i]);
	wait_for_standing(&site, 0);
	for (int i = 0; i < CLIENTS; i++) {
		client_open(&client[i], &site);
		ask_for_later(&client[i]);
	}
	WAIT_UNTIL(&site, bytes_in_use() > CLIENTS * (HTTP_VARIABLES_TEXT_MAX - 4096));
	ck_assert_uint_le(bytes_in_use(), tables + CLIENTS * spill);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&client[i]);
}
END_TEST

enum { CROWD = 400 };
static struct client crowd[CROWD];

static void open_crowd(int way)
{
	struct http_limits limits = generous_limits;
	struct http_answer answer = answer_with(hello);

	raise_descriptor_limit();
	limits.max_connections = CROWD;
	site_open(&site, way, &limits, &answer);
	for (int i = 0; i < CROWD; i++) {
		client_open(&crowd[i], &site);
		say(&crowd[i], GET);
		hear_reply(&crowd[i], 200, hello);
	}
	wait_for_standing(&site, CROWD);
}

START_TEST(when_a_crowd_has_gone_its_memory_is_given_back)
{
	open_crowd(_i);
	ck_assert_uint_gt(bytes_in_use(), CROWD * (sizeof(struct connection) + sizeof(struct timer)));
	for (int i = 0; i < CROWD; i++)
		client_close(&crowd[i]);
	WAIT_UNTIL(&site, bytes_in_use() <= 2 * (size_t) sysconf(_SC_PAGESIZE));
	turn_over(&site);
	client_open(&crowd[0], &site);
	say(&crowd[0], GET);
	hear_reply(&crowd[0], 200, hello);
	client_close(&crowd[0]);
}
END_TEST

/* Those that came first stay, and are found where they were. */
START_TEST(who_stays_when_a_crowd_goes_is_served)
{
	size_t before;

	open_crowd(_i);
	before = bytes_in_use();
	for (int i = 10; i < CROWD; i++)
		client_close(&crowd[i]);
	WAIT_UNTIL(&site, bytes_in_use() < before / 2);
	for (int i = 0; i < 10; i++) {
		say(&crowd[i], GET);
		hear_reply(&crowd[i], 200, hello);
	}
	ck_assert_uint_eq(atomic_load(&site.server->standing), 10);
	for (int i = 0; i < 10; i++)
		client_close(&crowd[i]);
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, WAYS)

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *tests = tcase_create("server");

	tcase_set_timeout(tests, 240);
	tcase_add_checked_fixture(tests, NULL, teardown);
	ADD(a_question_is_answered_with_its_number);
	ADD(an_answer_is_told_to_main);
	ADD(many_questions_are_all_answered);
	ADD(a_question_is_answered_beside_busy_clients);
	ADD(requests_and_connections_are_counted);
	ADD(the_same_snapshot_may_be_taken_again);
	ADD(a_snapshot_that_nobody_answers_from_is_let_go_at_once);
	ADD(snapshots_are_let_go_in_any_order);
	ADD(timeouts_of_a_new_snapshot_apply_to_who_waits_already);
	ADD(main_is_told_when_the_last_connection_of_a_drain_has_ended);
	ADD(draining_twice_and_stopping_twice_does_no_harm);
	ADD(stopping_closes_every_connection_and_ends_the_threads);
	ADD(a_server_whose_wait_fails_says_so_to_main);
	tcase_add_loop_test(tests, a_server_that_was_never_started_can_be_freed, 0, 2);
	tcase_add_loop_test(tests, a_server_that_lacks_a_descriptor_fails_and_leaves_nothing_open, 0, 2);
	ADD(two_workers_serve_one_listener);
	ADD(what_is_asked_behind_a_standstill_is_done_before_it_is_answered);
	ADD(half_of_a_burst_is_passed_on_to_a_worker_that_does_not_accept);
	ADD(who_was_passed_on_and_not_yet_taken_is_handed_over);
	ADD(who_was_passed_on_and_never_taken_is_closed);
	ADD(who_was_passed_on_to_one_that_stops_is_closed);
	ADD(who_cannot_be_passed_on_stays);
	ADD(two_workers_share_one_limit);
	ADD(no_connections_take_more_than_they_were_said_to);
	ADD(when_a_crowd_has_gone_its_memory_is_given_back);
	ADD(who_stays_when_a_crowd_goes_is_served);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
