/* SPDX-License-Identifier: MIT */
/*
 * Who accepts is decided by the kernel, and not evenly.  Of the workers that wait for one socket it wakes the first, and one
 * that runs already takes whoever comes while the others are still waking up; between sockets of one address
 * (SO_REUSEPORT) it throws dice.  But a connection is served where it lives, for as long as it lives.
 *
 * So each worker has a pipe, in which any other puts the descriptor and the listener's name of a newcomer: eight bytes,
 * which are written and read whole (pipe(7)).  The pipe's reading end is an interest like any other.
 *
 * Rejected: to take turns by going to the end of the kernel's queue after each accept costs two epoll_ctl() for each
 * connection, and in a burst whoever runs still takes nearly all (seen: 43 of 1,000 to 543).  To stop accepting while
 * others have less needs somebody who says when to begin again.
 */
#include "http/balance.h"

#include "core/cleanup.h"
#include "http/server.h"

#include <fcntl.h>

struct newcomer {
	int32_t fd;
	uint32_t name;
};

enum { TAKEN_PER_TURN = CONNECTION_ACCEPTS_PER_TURN };

static ssize_t take_some(struct server *server)
{
	struct newcomer some[TAKEN_PER_TURN];
	ssize_t n = read(server->passed[0], some, sizeof some);

	for (size_t i = 0; n > 0 && i < (size_t) n / sizeof *some; i++)
		connection_begin(server, some[i].fd, (uint8_t) some[i].name);
	return n;
}

static void on_passed(void *arg, interest_id id, uint32_t ready)
{
	struct server *server = arg;

	(void) ready;
	if (take_some(server) == TAKEN_PER_TURN * sizeof(struct newcomer))
		executor_again(server->ex, id);
}

void balance_take(struct server *server)
{
	while (server->passed[0] >= 0 && take_some(server) > 0)
		;
}

int balance_init(struct server *server)
{
	int r;

	if (server->options.n_peers < 2)
		return 0;
	if (pipe2(server->passed, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r = executor_watch(server->ex, server->passed[0], REGISTRY_STANDING, &server->passed_id);
	if (r < 0)
		return r;
	return executor_await_keep(server->ex, server->passed_id, POLLER_READ, on_passed, server);
}

void balance_deinit(struct server *server)
{
	struct newcomer newcomer;

	while (server->passed[0] >= 0 && read(server->passed[0], &newcomer, sizeof newcomer) > 0) {
		(void) close(newcomer.fd);
		server_count(server, -1);
	}
	close_fd(&server->passed[0]);
	close_fd(&server->passed[1]);
}

/* Of the connections of all, with a little to spare, lest every third one moves. */
static uint64_t share(const struct server *server)
{
	uint64_t all = atomic_load_explicit(server->options.connections, memory_order_relaxed);

	return (all + all / 32) / server->options.n_peers + 1;
}

/* One that has less than the average, a different one each time; NULL: none has. */
static struct server *find_peer(struct server *server)
{
	uint64_t all = atomic_load_explicit(server->options.connections, memory_order_relaxed);
	unsigned n = server->options.n_peers;

	for (unsigned i = 0; i < n; i++) {
		struct server *peer = server->options.peers[++server->last_peer % n];

		if (peer != server && (uint64_t) atomic_load_explicit(&peer->standing, memory_order_relaxed) * n < all)
			return peer;
	}
	return NULL;
}

bool balance_pass(struct server *server, int fd, uint8_t name)
{
	struct newcomer newcomer = { fd, name };
	struct server *peer;

	if (server->options.n_peers < 2 || server->draining ||
	    atomic_load_explicit(&server->standing, memory_order_relaxed) <= share(server))
		return false;
	peer = find_peer(server);
	if (!peer)
		return false;
	atomic_fetch_add_explicit(&peer->standing, 1, memory_order_relaxed);	/* before it can be taken, and closed */
	if (write(peer->passed[1], &newcomer, sizeof newcomer) != sizeof newcomer) {	/* full */
		atomic_fetch_sub_explicit(&peer->standing, 1, memory_order_relaxed);
		return false;
	}
	atomic_fetch_sub_explicit(&server->standing, 1, memory_order_relaxed);
	return true;
}
