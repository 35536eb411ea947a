/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the tests of http share: a site, that is a server with a listener of its own, and clients that talk to it over
 * real sockets.  Nothing here sleeps to be right: whoever waits waits for an event, and the bound is there only to end
 * a test that hangs, which is a failure.
 */
#include "fixture.h"

#include "core/clock.h"
#include "http/server.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum { PATIENCE_MS = 20 * 1000, SITE_SNAPSHOTS_MAX = 4 };

/* --- the site ---------------------------------------------------------------------------------------------------- */

struct site {
	struct server *server;
	struct snapshot *snapshots[SITE_SNAPSHOTS_MAX];
	unsigned n_snapshots;
	int listener, answer_fd;
	uint8_t name;				/* of the listener; set it and names before the site is opened */
	const char *const *names;
	size_t n_names;
	struct sockaddr_storage at;
	socklen_t at_length;
	_Atomic uint32_t connections;
	unsigned open_fds;
};

static const struct http_limits generous_limits = {
	.max_connections = 64,
	.max_request_line = HTTP_REQUEST_LINE_MAX,
	.max_header = HTTP_HEADER_MAX,
	.max_headers = 5000,
	.max_body = 64 << 20,
	.header_timeout_ms = PATIENCE_MS,
	.body_timeout_ms = PATIENCE_MS,
	.write_timeout_ms = PATIENCE_MS,
	.idle_timeout_ms = PATIENCE_MS,
};

/* Tests that run in every way there is are loops from 0 to WAYS: both worker modes over both kinds of socket. */
enum { WAYS = 4 };

static inline enum worker_mode mode_of(int way)
{
	return way & 1 ? WORKER_THREADED : WORKER_INLINE;
}

static inline int family_of(int way)
{
	return way & 2 ? AF_UNIX : AF_INET;
}

static inline struct snapshot *make_routes(uint64_t number, const struct http_limits *limits,
					   const struct route_setting *routes, size_t n)
{
	struct route_settings configured = { .routes = routes, .n_routes = n };
	struct snapshot *snapshot = NULL;

	ck_assert_int_eq(snapshot_new(&snapshot, number, limits, &configured, n), 0);
	return snapshot;
}

static inline struct snapshot *make_snapshot(uint64_t number, const struct http_limits *limits,
					     const struct http_answer *response)
{
	struct route_setting route = { .on = ROUTE_ALWAYS, .answer = *response };

	return make_routes(number, limits, &route, 1);
}

static inline struct http_answer answer_with(struct slice body)
{
	return (struct http_answer) { .status = 200, .content_type = SLICE("text/plain"), .body = body };
}

/* A unix socket binds to an abstract address of the kernel's choice, TCP to a port of its choice. */
static inline void site_listen(struct site *site, int family)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	site->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(site->listener, 0);
	if (family == AF_INET)
		ck_assert_int_eq(bind(site->listener, (struct sockaddr *) &in, sizeof in), 0);
	else
		ck_assert_int_eq(bind(site->listener, (struct sockaddr *) &local, sizeof local.sun_family), 0);
	ck_assert_int_eq(listen(site->listener, 4096), 0);
	site->at_length = sizeof site->at;
	ck_assert_int_eq(getsockname(site->listener, (struct sockaddr *) &site->at, &site->at_length), 0);
}

/* The snapshot is the site's from now on. */
static inline void site_open_snapshot(struct site *site, int way, struct snapshot *snapshot, uint32_t room)
{
	struct server_listener listener;
	struct server_options options;

	site->answer_fd = open_eventfd(0);
	site_listen(site, family_of(way));
	site->snapshots[0] = snapshot;
	site->n_snapshots = 1;
	listener = (struct server_listener) { .fd = site->listener, .name = site->name, .lasting = true };
	options = (struct server_options) {
		.mode = mode_of(way),
		.max_connections = room,
		.listeners = &listener,
		.n_listeners = 1,
		.names = site->names,
		.n_names = site->n_names,
		.snapshot = snapshot,
		.connections = &site->connections,
		.answer_fd = site->answer_fd,
	};
	ck_assert_int_eq(server_new(&site->server, &options), 0);
	ck_assert_int_eq(server_start(site->server), 0);
}

static inline void site_open_with(struct site *site, int way, const struct http_limits *limits,
				  const struct http_answer *response, uint32_t room, enum access_log access)
{
	struct snapshot *snapshot;

	*site = (struct site) { .open_fds = count_open_fds() };
	snapshot = make_snapshot(1, limits, response);
	snapshot->access = access;
	snapshot->access_sample = 2;
	site_open_snapshot(site, way, snapshot, room);
}

static inline void site_open(struct site *site, int way, const struct http_limits *limits,
			     const struct http_answer *response)
{
	site_open_with(site, way, limits, response, limits->max_connections, ACCESS_OFF);
}

/* With more than one route; what they borrow must live as long as this runs. */
static inline void site_open_routes(struct site *site, int way, const struct http_limits *limits,
				    const struct route_setting *routes, size_t n)
{
	*site = (struct site) { .open_fds = count_open_fds() };
	site_open_snapshot(site, way, make_routes(1, limits, routes, n), limits->max_connections);
}

/* Waits until the worker has said something, or a little while: what it says may have been heard already. */
static inline void wait_for_word(struct site *site, uint64_t began_ms)
{
	struct pollfd waits = { .fd = site->answer_fd, .events = POLLIN };
	uint64_t count;

	ck_assert_uint_lt(clock_ms() - began_ms, PATIENCE_MS);
	(void) poll(&waits, 1, 5);
	(void) !read(site->answer_fd, &count, sizeof count);
}

#define WAIT_UNTIL(site, true_in_the_end) do { \
		uint64_t began_ms_ = clock_ms(); \
		while (!(true_in_the_end)) \
			wait_for_word(site, began_ms_); \
	} while (0)

/* The worker has made a turn since this was called. */
static inline void turn_over(struct site *site)
{
	uint64_t question = server_ask(site->server);

	WAIT_UNTIL(site, server_answered(site->server, question));
}

/* What is wished is asked for by a question of its own; the next one is answered after it. */
static inline void site_drain(struct site *site)
{
	server_drain(site->server);
	turn_over(site);
}

static inline void site_reload(struct site *site, const struct http_limits *limits, const struct http_answer *response)
{
	ck_assert_uint_lt(site->n_snapshots, SITE_SNAPSHOTS_MAX);
	site->snapshots[site->n_snapshots] = make_snapshot(site->n_snapshots + 1, limits, response);
	server_take_snapshot(site->server, site->snapshots[site->n_snapshots++]);
	turn_over(site);
}

static inline void wait_for_standing(struct site *site, uint32_t connections)
{
	WAIT_UNTIL(site, atomic_load(&site->server->standing) == connections);
}

static inline void wait_for_oldest_held(struct site *site, uint64_t number)
{
	WAIT_UNTIL(site, atomic_load(&site->server->oldest_held) == number);
}

/* Ends it with whatever stands, and counts that nothing is left open. */
static inline void site_close(struct site *site)
{
	server_stop(site->server);
	ck_assert_int_eq(server_join(site->server), 0);
	ck_assert_uint_eq(atomic_load(&site->server->standing), 0);
	ck_assert_uint_eq(atomic_load(&site->connections), 0);
	site->server = server_free(site->server);
	for (unsigned i = 0; i < site->n_snapshots; i++)
		site->snapshots[i] = snapshot_free(site->snapshots[i]);
	(void) close(site->listener);
	(void) close(site->answer_fd);
	if (site->open_fds != UINT_MAX)
		ck_assert_uint_eq(count_open_fds(), site->open_fds);
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

struct client {
	int fd;
	size_t start, end;
	char bytes[64 * 1024];		/* received, not yet looked at: from start to end */
};

/* receive_buffer: 0 for what the kernel gives. */
static inline void client_open_with(struct client *client, struct site *site, int receive_buffer)
{
	*client = (struct client) { .fd = socket(site->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	ck_assert_int_ge(client->fd, 0);
	if (receive_buffer > 0)
		ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer),
				 0);
	ck_assert_int_eq(connect(client->fd, (struct sockaddr *) &site->at, site->at_length), 0);
	ck_assert_int_eq(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	if (site->at.ss_family == AF_INET)	/* pieces are to arrive as such */
		ck_assert_int_eq(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int)), 0);
}

static inline void client_open(struct client *client, struct site *site)
{
	client_open_with(client, site, 0);
}

static inline void client_close(struct client *client)
{
	ck_assert_int_eq(close(client->fd), 0);
	client->fd = -1;
}

/* With a reset; on a unix socket there is no such thing but closing with unread bytes. */
static inline void client_reset(struct client *client)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	(void) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	client_close(client);
}

static inline void client_end(struct client *client)
{
	ck_assert_int_eq(shutdown(client->fd, SHUT_WR), 0);
}

static inline void client_wait(struct client *client, short events)
{
	struct pollfd waits = { .fd = client->fd, .events = events };

	ck_assert_int_eq(poll(&waits, 1, PATIENCE_MS), 1);
}

static inline void say_bytes(struct client *client, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(client->fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0) {
			ck_assert_msg(errno == EAGAIN, "send: %s", strerror(errno));
			client_wait(client, POLLOUT);
			continue;
		}
		bytes += n;
		length -= (size_t) n;
	}
}

static inline void say(struct client *client, const char *text)
{
	say_bytes(client, text, strlen(text));
}

/* Receives more behind what is there: bytes, 0 at the end, -errno for a reset. */
static inline ssize_t receive_more(struct client *client)
{
	ssize_t n;

	if (client->start > 0) {
		memmove(client->bytes, client->bytes + client->start, client->end - client->start);
		client->end -= client->start;
		client->start = 0;
	}
	ck_assert_uint_lt(client->end, sizeof client->bytes);
	for (;;) {
		n = recv(client->fd, client->bytes + client->end, sizeof client->bytes - client->end, 0);
		if (n >= 0 || errno != EAGAIN)
			break;
		client_wait(client, POLLIN);
	}
	if (n < 0)
		return -errno;
	client->end += (size_t) n;
	return n;
}

/* Takes exactly this text. */
static inline void hear(struct client *client, const char *text)
{
	size_t length = strlen(text);

	while (client->end - client->start < length) {
		ssize_t n = receive_more(client);

		ck_assert_msg(n > 0, "the connection ended with %d before \"%s\"", (int) n, text);
	}
	ck_assert_mem_eq(client->bytes + client->start, text, length);
	client->start += length;
}

struct reply {
	unsigned status;
	unsigned minor;
	bool close, keep_alive;		/* what its Connection says */
	bool has_length;
	size_t length;			/* Content-Length */
	char head[HTTP_HEAD_MAX + 1];
};

static inline const char *field_of(const struct reply *reply, const char *name)
{
	const char *at = strcasestr(reply->head, name);

	return at ? at + strlen(name) : NULL;
}

static inline void hear_head(struct client *client, struct reply *reply)
{
	const char *field;
	char *end;
	size_t n;

	while (!(end = memmem(client->bytes + client->start, client->end - client->start, "\r\n\r\n", 4))) {
		ssize_t r = receive_more(client);

		ck_assert_msg(r > 0, "the connection ended with %d before a whole head", (int) r);
	}
	n = (size_t) (end + 4 - (client->bytes + client->start));
	ck_assert_uint_lt(n, sizeof reply->head);
	memcpy(reply->head, client->bytes + client->start, n);
	reply->head[n] = '\0';
	client->start += n;

	ck_assert_int_eq(sscanf(reply->head, "HTTP/1.%u %u ", &reply->minor, &reply->status), 2);
	field = field_of(reply, "\r\nContent-Length: ");
	reply->has_length = field != NULL;
	reply->length = field ? strtoul(field, NULL, 10) : 0;
	field = field_of(reply, "\r\nConnection: ");
	reply->close = field && strncmp(field, "close\r\n", 7) == 0;
	reply->keep_alive = field && strncmp(field, "keep-alive\r\n", 12) == 0;
}

/* Takes exactly these bytes. */
static inline void hear_bytes(struct client *client, const char *bytes, size_t length)
{
	while (length > 0) {
		size_t n = client->end - client->start;

		if (n == 0) {
			ssize_t r = receive_more(client);

			ck_assert_msg(r > 0, "the connection ended with %d, %zu bytes early", (int) r, length);
			continue;
		}
		if (n > length)
			n = length;
		ck_assert_msg(memcmp(client->bytes + client->start, bytes, n) == 0, "the content differs");
		client->start += n;
		bytes += n;
		length -= n;
	}
}

/* A whole answer with that status and content; HEAD gets the same without the content. */
static inline struct reply hear_reply_to(struct client *client, bool head_only, unsigned status, struct slice body)
{
	struct reply reply;

	hear_head(client, &reply);
	ck_assert_uint_eq(reply.status, status);
	ck_assert(reply.has_length);
	ck_assert_uint_eq(reply.length, body.length);
	if (!head_only)
		hear_bytes(client, body.at, body.length);
	return reply;
}

static inline struct reply hear_reply(struct client *client, unsigned status, struct slice body)
{
	return hear_reply_to(client, false, status, body);
}

/* An error answer: whatever its content, it says that the connection ends. */
static inline struct reply hear_error(struct client *client, unsigned status)
{
	struct reply reply;

	hear_head(client, &reply);
	ck_assert_uint_eq(reply.status, status);
	ck_assert(reply.close);
	for (size_t left = reply.length; left > 0;) {
		size_t n = client->end - client->start;

		if (n == 0) {
			ck_assert_int_gt(receive_more(client), 0);
			continue;
		}
		n = n < left ? n : left;
		client->start += n;
		left -= n;
	}
	return reply;
}

/* The server said all: FIN, and neither more bytes nor a reset. */
static inline void hear_end(struct client *client)
{
	ssize_t n;

	ck_assert_uint_eq(client->end - client->start, 0);
	n = receive_more(client);
	ck_assert_msg(n == 0, "not the end, but %d", (int) n);
}

/* Whether nothing has come that was not looked at. */
static inline bool is_quiet(struct client *client)
{
	char byte;

	return client->start == client->end && recv(client->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* --- contents ---------------------------------------------------------------------------------------------------- */

/* Bytes in which no piece of 8 is where another was; the caller frees them. */
static inline char *make_pattern(size_t length, uint64_t seed)
{
	char *bytes = malloc(length + sizeof seed);

	ck_assert_ptr_nonnull(bytes);
	for (size_t at = 0; at < length; at += sizeof seed) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		memcpy(bytes + at, &seed, sizeof seed);
	}
	return bytes;
}
