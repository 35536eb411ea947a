/* SPDX-License-Identifier: MIT */
/*
 * Whether the socket blocks is its maker's business, and is shared with whoever else holds it; so it is never relied on,
 * and never changed: each send says that it does not wait, and poll(2) does.
 */
#include "daemon/datagram.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

bool datagram_is_socket(int fd)
{
	struct sockaddr_un peer;
	socklen_t length = sizeof peer;

	return sd_is_socket(fd, AF_UNIX, SOCK_DGRAM, 0) > 0 && getpeername(fd, (struct sockaddr *) &peer, &length) == 0;
}

int datagram_send(int fd, const struct iovec *parts, size_t n, int pass_fd, int timeout_ms)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = n };
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	int r;

	if (pass_fd >= 0) {
		control.align = (struct cmsghdr) {
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof pass_fd),
		};
		memcpy(CMSG_DATA(&control.align), &pass_fd, sizeof pass_fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	while (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = errno == EINTR ? 1 : poll(&room, 1, timeout_ms);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}
