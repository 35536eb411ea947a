/* SPDX-License-Identifier: MIT */
/*
 * The kernel's struct epoll_event is packed on some machines and not on others, so events are copied out of it, one
 * by one, into a struct of ours; that also keeps <sys/epoll.h> out of every other file.
 */
#include "core/poller.h"

#include "core/cleanup.h"

#include <assert.h>
#include <sys/epoll.h>

static_assert((uint32_t) POLLER_READ == EPOLLIN && (uint32_t) POLLER_WRITE == EPOLLOUT, "epoll's own values");
static_assert((uint32_t) POLLER_ERROR == (EPOLLERR | EPOLLHUP), "epoll's own values");
static_assert((uint32_t) POLLER_RDHUP == EPOLLRDHUP, "epoll's own values");

int poller_init(struct poller *poller)
{
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	return poller->fd < 0 ? -errno : 0;
}

void poller_deinit(struct poller *poller)
{
	close_fd(&poller->fd);
}

static int control(struct poller *poller, int operation, int fd, uint32_t what, enum poller_trigger trigger,
		   uint64_t id)
{
	struct epoll_event event = { .events = what, .data.u64 = id };

	switch (trigger) {
	case POLLER_EDGE:
		event.events |= EPOLLET | EPOLLRDHUP;
		break;
	case POLLER_ONCE:	/* RDHUP comes with READ; asked for beside WRITE alone it would use up the one event */
		event.events |= EPOLLONESHOT | (what & POLLER_READ ? EPOLLRDHUP : 0);
		break;
	case POLLER_EDGE_EXCLUSIVE:	/* with EPOLLRDHUP the kernel says EINVAL */
		event.events |= EPOLLET | EPOLLEXCLUSIVE;
		break;
	}
	return epoll_ctl(poller->fd, operation, fd, &event) < 0 ? -errno : 0;
}

int poller_add(struct poller *poller, int fd, uint32_t what, enum poller_trigger trigger, uint64_t id)
{
	return control(poller, EPOLL_CTL_ADD, fd, what, trigger, id);
}

int poller_modify(struct poller *poller, int fd, uint32_t what, enum poller_trigger trigger, uint64_t id)
{
	return control(poller, EPOLL_CTL_MOD, fd, what, trigger, id);
}

int poller_remove(struct poller *poller, int fd)
{
	return epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int poller_wait(struct poller *poller, struct event *ret_events, unsigned max, int timeout_ms)
{
	struct epoll_event events[POLLER_WAIT_MAX];
	int n;

	if (max > POLLER_WAIT_MAX)
		max = POLLER_WAIT_MAX;
	n = epoll_wait(poller->fd, events, (int) max, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;

	for (int i = 0; i < n; i++)
		ret_events[i] = (struct event) { .id = events[i].data.u64, .ready = events[i].events };
	return n;
}
