/* SPDX-License-Identifier: MIT */
/*
 * The floor: about the least that a server over epoll can do for a request, to measure others against.  One receive, one
 * send; a request ends at its empty line, and content is as long as its Content-Length says, in capitals as wrk writes it.
 * Nothing is checked and nobody is timed: it trusts its client, and is no server.
 *
 *	floor PORT [close] [BYTES]	close: one answer for each connection; BYTES: of the body, else "Hello"
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, INPUT = 64 * 1024, ANSWERS = 4096, DISCARD = 1024 * 1024, EVENTS = 1024 };

static struct {
	size_t content_left;		/* of the request that is being read */
	size_t unsent;			/* of one long answer */
} of[DESCRIPTORS];
static char input[INPUT], discard[DISCARD];
static char *answer, *answers;		/* one, and as many as a turn may need */
static size_t answer_length;
static bool closing, long_body;

static void make_answer(size_t body)
{
	char head[256];
	int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Sun, 22 Nov 2026 11:20:00 GMT\r\n"
			 "Content-Type: text/html\r\nContent-Length: %zu\r\n%s\r\n", body ? body : 5,
			 closing ? "Connection: close\r\n" : "");
	size_t copies = body ? 1 : ANSWERS;

	answer_length = (size_t) n + (body ? body : 5);
	answer = malloc(answer_length);
	answers = malloc(answer_length * copies);
	if (!answer || !answers)
		exit(1);
	memset(answer, 'x', answer_length);
	memcpy(answer, head, (size_t) n);
	if (!body)
		memcpy(answer + n, "Hello", 5);
	for (size_t i = 0; i < copies; i++)
		memcpy(answers + i * answer_length, answer, answer_length);
}

/* Requests that ended in these bytes. */
static size_t count_requests(int fd, const char *at, const char *end)
{
	const char *head_end;
	size_t n = 0;

	while (at < end && (head_end = memmem(at, (size_t) (end - at), "\r\n\r\n", 4))) {
		const char *length = *at == 'P' ? memmem(at, (size_t) (head_end - at), "Content-Length: ", 16) : NULL;
		size_t content = length ? strtoul(length + 16, NULL, 10) : 0;

		at = head_end + 4;
		if (content > (size_t) (end - at)) {
			of[fd].content_left = content - (size_t) (end - at);
			return n;
		}
		at += content;
		n++;
	}
	return n;
}

/* 1: the content has ended; 0: it goes on, or -1: the connection has ended. */
static long discard_content(int fd)
{
	while (of[fd].content_left > 0) {
		size_t want = of[fd].content_left < DISCARD ? of[fd].content_left : DISCARD;
		ssize_t n = recv(fd, discard, want, MSG_TRUNC);

		if (n <= 0)
			return n == 0 ? -1 : 0;
		of[fd].content_left -= (size_t) n;
	}
	return 1;
}

/* Returns requests that ended, or -1: the connection did.  What comes behind a head may be there already. */
static long receive(int fd)
{
	long ended, more;
	ssize_t n;

	if (of[fd].content_left > 0)
		return discard_content(fd);
	n = recv(fd, input, sizeof input, 0);
	if (n <= 0)
		return n == 0 ? -1 : 0;
	ended = (long) count_requests(fd, input, input + n);
	if (of[fd].content_left == 0)
		return ended;
	more = discard_content(fd);
	return more > 0 ? ended + more : ended;
}

static void send_answers(int fd, size_t n)
{
	size_t length = n * answer_length;
	ssize_t sent = send(fd, answers, length, MSG_NOSIGNAL);

	if (sent >= 0 && (size_t) sent < length)
		of[fd].unsent = length - (size_t) sent;
}

static void send_rest(int fd)
{
	ssize_t sent = send(fd, answers + answer_length - of[fd].unsent, of[fd].unsent, MSG_NOSIGNAL);

	if (sent > 0)
		of[fd].unsent -= (size_t) sent;
}

static void serve(int fd, uint32_t events)
{
	long n;

	if (of[fd].unsent > 0) {
		send_rest(fd);
		return;
	}
	n = receive(fd);
	if (n > 0)
		send_answers(fd, (size_t) n);
	if (n < 0 || (n > 0 && closing) || events & EPOLLRDHUP)
		close(fd);
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		uint32_t wanted = EPOLLIN | EPOLLRDHUP | EPOLLET | (long_body ? EPOLLOUT : 0);
		struct epoll_event event = { .events = wanted, .data.fd = fd };
		long n;

		of[fd].content_left = of[fd].unsent = 0;
		if (closing && (n = receive(fd)) != 0) {	/* the request came with the handshake */
			if (n > 0)
				send_answers(fd, (size_t) n);
			close(fd);
			continue;
		}
		(void) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static int listen_at(int port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((in_port_t) port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (closing)
		(void) setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *) &at, sizeof at) < 0 || listen(fd, 4096) < 0) {
		perror("floor");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener, epoll = epoll_create1(0);
	size_t body = 0;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "close") == 0)
			closing = true;
		else
			body = strtoul(argv[i], NULL, 10);
	}
	long_body = body > 0;
	if (argc < 2) {
		fprintf(stderr, "Usage: floor PORT [close] [BYTES]\n");
		return 1;
	}
	make_answer(body);
	listener = listen_at(atoi(argv[1]));
	events[0] = (struct epoll_event) { .events = EPOLLIN, .data.fd = listener };
	(void) epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(epoll, listener);
			else
				serve(events[i].data.fd, events[i].events);
		}
	}
}
