/* SPDX-License-Identifier: MIT */
/*
 * The wake-up goes through the poller as an event with id 0, which names no interest: the executor does not find it,
 * as it does not find any other id whose interest is gone, and so nobody needs to filter it out.
 */
#include "core/reactor.h"

#include "core/cleanup.h"

#include <sys/eventfd.h>

int reactor_init(struct reactor *reactor, struct poller *poller, struct channel *channel)
{
	int r;

	*reactor = (struct reactor) { .poller = poller, .channel = channel };
	reactor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reactor->wake_fd < 0)
		return -errno;
	r = poller_add(poller, reactor->wake_fd, POLLER_READ, POLLER_EDGE, 0);
	if (r < 0)
		close_fd(&reactor->wake_fd);
	return r;
}

void reactor_deinit(struct reactor *reactor)
{
	if (!reactor->poller)
		return;
	if (reactor->wake_fd >= 0)
		(void) poller_remove(reactor->poller, reactor->wake_fd);
	close_fd(&reactor->wake_fd);
	reactor->poller = NULL;
}

int reactor_turn(struct reactor *reactor, int timeout_ms)
{
	uint32_t room;
	struct event *events = channel_reserve(reactor->channel, &room);
	int n;

	if (!events)
		return 0;
	n = poller_wait(reactor->poller, events, room, timeout_ms);
	if (n > 0)
		channel_commit(reactor->channel, (uint32_t) n);
	return n;
}

int reactor_run(struct reactor *reactor)
{
	int r = 0;

	while (r >= 0 && channel_wait_room(reactor->channel))
		r = reactor_turn(reactor, -1);
	channel_close(reactor->channel);	/* without a reactor the executor must not sleep for ever */
	return r < 0 ? r : 0;
}

void reactor_wake(struct reactor *reactor)
{
	uint64_t one = 1;

	(void) !write(reactor->wake_fd, &one, sizeof one);	/* a full counter is awake already */
}
