/* SPDX-License-Identifier: MIT */
#pragma once

/* Access: what the log may be told of a request.  Worker's thread. */
#include "http/server.h"

/* Reports the request if the snapshot's log.access asks for it.  It is told when its answer is chosen, before its
 * content was read; content that turns out to be malformed is told as an answer of its own. */
/* number: as ${request_id} has it, the connection's and behind it in 32 bits the request's. */
void access_report(struct server *server, uint64_t number, int fd, const struct held *held, uint32_t answer,
		   const struct http_request *request);
