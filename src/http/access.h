/* SPDX-License-Identifier: MIT */
#pragma once

/* Access: what the log may be told of a request.  Worker's thread. */
#include "http/server.h"

/* Reports the request if log.access, as it is now, asks for it.  It is told when it is answered, with what it is answered:
 * of one that is given up in the middle there is nothing to tell.  request: what is known of it; id: as ${request_id}. */
void access_report(struct server *server, const struct connection *c, int fd, const struct held *held, uint32_t answer,
		   const struct http_request *request, const uint64_t id[2]);
