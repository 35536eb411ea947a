/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Balance: a worker that has more than its share of the connections passes newcomers on to one that has less.
 */
#include <stdbool.h>
#include <stdint.h>

struct server;

/* Where others put newcomers for this worker; nothing is needed of a worker that is alone.  Negative errno. */
int balance_init(struct server *server);
void balance_deinit(struct server *server);		/* closes who was passed on and never taken; all workers are joined */

/* The newcomer, which was counted already, is another worker's from now on; false: it stays here.  Worker's thread. */
bool balance_pass(struct server *server, int fd, uint8_t name);

/* Takes who was passed on to this worker.  Of the main thread while all workers stand still, before it hands over what
 * they have. */
void balance_take(struct server *server);
