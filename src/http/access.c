/* SPDX-License-Identifier: MIT */
/*
 * The peer's address is asked for only here, so a server that logs nothing pays for no system call, and no connection
 * carries an address with it.
 */
#include "http/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void put_text(char *to, size_t capacity, struct slice text)
{
	size_t n = text.length < capacity - 1 ? text.length : capacity - 1;

	if (n > 0)
		memcpy(to, text.at, n);
	to[n] = '\0';
}

static void put_peer(char to[REPORT_PEER_MAX], int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t length = sizeof peer;
	char text[INET6_ADDRSTRLEN] = "";

	if (getpeername(fd, (struct sockaddr *) &peer, &length) < 0)
		return;
	if (peer.ss_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *) &peer;

		(void) inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		(void) snprintf(to, REPORT_PEER_MAX, "%s:%u", text, ntohs(in->sin_port));
	} else if (peer.ss_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &peer;

		(void) inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		(void) snprintf(to, REPORT_PEER_MAX, "[%s]:%u", text, ntohs(in6->sin6_port));
	} else {
		put_text(to, REPORT_PEER_MAX, SLICE("unix"));
	}
}

static bool is_wanted(struct server *server, const struct held *held, unsigned status)
{
	switch (held->snapshot->access) {
	case ACCESS_OFF:
		return false;
	case ACCESS_ERRORS:
		return status >= 400;
	case ACCESS_SAMPLE:
		return server->sampled++ % held->snapshot->access_sample == 0;
	case ACCESS_ALL:
		return true;
	}
	abort();
}

void access_report(struct server *server, uint32_t connection, int fd, const struct held *held,
		   uint32_t answer, const struct http_request *request)
{
	const struct prepared *prepared = &held->snapshot->answers[answer];
	struct report report = { .kind = REPORT_REQUEST, .connection = connection };

	if (!is_wanted(server, held, prepared->status))
		return;
	report.status = (uint16_t) prepared->status;
	report.bytes = request->method == HTTP_HEAD ? 0 : prepared->body_length;
	put_peer(report.peer, fd);
	put_text(report.method, sizeof report.method, request->method_name);
	put_text(report.target, sizeof report.target, request->target);
	server_report(server, &report);
}
