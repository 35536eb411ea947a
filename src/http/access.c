/* SPDX-License-Identifier: MIT */
/*
 * Texts are copied, and cut, only when the request is wanted in the log: the record outlives the bytes of the request and
 * the snapshot that answered it.
 */
#include "http/access.h"

#include "http/variables.h"

#include <stdlib.h>

static void put_text(char *to, size_t capacity, struct slice text)
{
	size_t n = text.length < capacity - 1 ? text.length : capacity - 1;

	if (n > 0)
		memcpy(to, text.at, n);
	to[n] = '\0';
}

static bool is_wanted(struct server *server, unsigned status)
{
	const struct snapshot *snapshot = server->held->snapshot;

	switch (snapshot->access) {
	case ACCESS_OFF:
		return false;
	case ACCESS_ERRORS:
		return status >= 400;
	case ACCESS_SAMPLE:
		return server->sampled++ % snapshot->access_sample == 0;
	case ACCESS_ALL:
		return true;
	}
	abort();
}

void access_report(struct server *server, const struct connection *c, int fd, const struct held *held, uint32_t answer,
		   const struct http_request *request, const uint64_t id[2])
{
	const struct prepared *prepared = &held->snapshot->answers[answer];
	struct report report = { .kind = REPORT_REQUEST, .connection = c->number };

	if (!is_wanted(server, prepared->status))
		return;
	report.status = (uint16_t) prepared->status;
	report.bytes = c->flags & CONNECTION_HEAD_ONLY ? 0 : prepared->body_length;
	if (prepared->variables & HTTP_VARIABLES_REQUEST_ID)
		memcpy(report.request_id, id, sizeof report.request_id);
	put_text(report.method, sizeof report.method, request->method_name);
	put_text(report.target, sizeof report.target, request->target);
	if (held->snapshot->routes)	/* else it is one of the process before us */
		put_text(report.route, sizeof report.route, routes_name(held->snapshot->routes, answer));
	server_report(server, fd, &report);
}
