/* SPDX-License-Identifier: MIT */
/*
 * The records hold no pointers, so a connection is its record, when its wait began, and the bytes that it has beside it.
 * Handing over whole mappings would copy nothing, and tie the next process to the number of workers and slots of this
 * one.  An idle connection is 104 bytes here.
 */
#include "http/carry.h"

#include "core/cleanup.h"
#include "http/balance.h"

#include <assert.h>
#include <sys/mman.h>

struct carried_connection {
	struct connection connection;
	uint64_t since_ms;		/* when its timer was started */
	uint32_t kept_length;
	uint32_t name;			/* server->names of its listener's: its number is this process's own; 0: it had none */
};

struct carried_snapshot {
	uint64_t number;
	uint64_t image_length;
	uint32_t n_answers;
	uint32_t reserved;
};

static_assert(sizeof(struct carried_connection) == 80 && sizeof(struct prepared) == 44,
	      "another size is another CARRY_LAYOUT");

/* --- giving ------------------------------------------------------------------------------------------------------ */

int carry_snapshot(struct handover *handover, const struct snapshot *snapshot)
{
	struct carried_snapshot carried = { snapshot->number, snapshot->image_length, snapshot->n_answers, 0 };
	struct iovec parts[] = {
		{ &carried, sizeof carried },
		{ snapshot->answers, snapshot->n_answers * sizeof *snapshot->answers },
	};

	return handover_add(handover, snapshot->image_fd, CARRY_SNAPSHOT, parts, 2);
}

static bool is_idle(const struct connection *c)
{
	return c->state == CONNECTION_HEAD && c->in_length == 0 && c->out_length == 0 &&
	       !(c->flags & (CONNECTION_LAST | CONNECTION_CLOSING | CONNECTION_REFUSED));
}

static int carry_connection(struct handover *handover, struct server *server, uint32_t slot)
{
	const struct connection *c = &server->records.connections[slot];
	char *kept = records_kept(&server->records, slot);
	struct carried_connection carried = {
		.connection = *c,
		.since_ms = server->records.timers[slot].since_ms,
		.kept_length = c->flags & CONNECTION_KEPT ? (uint32_t) connection_kept_length(kept, RECORDS_KEPT_MAX) : 0,
		.name = server->names[c->name],
	};
	struct iovec parts[] = {
		{ &carried, sizeof carried },
		{ records_spilled_input(&server->records, slot), c->in_length },
		{ records_spilled_output(&server->records, slot) + c->out_offset, c->out_length },
		{ kept, carried.kept_length },
	};

	return handover_add(handover, executor_fd(server->ex, executor_id(server->ex, slot)),
			    is_idle(c) ? CARRY_IDLE : CARRY_BUSY, parts, 4);
}

int carry_connections(struct handover *handover, struct server *server)
{
	int r = 0;

	balance_take(server);
	for (uint32_t slot = 0; slot < server->high_slot && r == 0; slot++)
		if (server->records.connections[slot].state != CONNECTION_FREE)
			r = carry_connection(handover, server, slot);
	return r;
}

/* --- taking ------------------------------------------------------------------------------------------------------ */

int carry_take_snapshot(struct snapshot **ret, struct handover_item *item)
{
	const struct carried_snapshot *carried = item->bytes;
	struct snapshot *s;
	void *image;

	if (item->length < sizeof *carried || item->fd < 0 || carried->image_length > HTTP_IMAGE_MAX ||
	    (item->length - sizeof *carried) / sizeof *s->answers != carried->n_answers)
		return -EBADMSG;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->image_fd = -1;
	s->number = carried->number;
	s->n_answers = carried->n_answers;
	s->image_length = carried->image_length;
	s->answers = calloc(s->n_answers, sizeof *s->answers);
	image = mmap(NULL, s->image_length, PROT_READ, MAP_PRIVATE, item->fd, 0);
	if (!s->answers || image == MAP_FAILED) {
		snapshot_free(s);
		return -ENOMEM;
	}
	memcpy(s->answers, carried + 1, s->n_answers * sizeof *s->answers);
	s->image = image;
	s->image_fd = take_fd(&item->fd);
	*ret = s;
	return 0;
}

/* The record, if all of it is there and nothing in it leads out of its place. */
static const struct carried_connection *record_of(const struct handover_item *item)
{
	const struct carried_connection *carried = item->bytes;
	const struct connection *c = &carried->connection;
	const char *kept;

	if (item->length < sizeof *carried || c->in_length > RECORDS_INPUT_MAX || c->out_length > RECORDS_OUTPUT_MAX ||
	    carried->kept_length > RECORDS_KEPT_MAX || c->state > CONNECTION_DRAINING || c->state == CONNECTION_FREE ||
	    c->timer >= TIMER_DELAY + SERVER_DELAYS || c->timer == TIMER_PAUSE ||
	    item->length != sizeof *carried + c->in_length + c->out_length + carried->kept_length)
		return NULL;
	kept = (const char *) (carried + 1) + c->in_length + c->out_length;
	if (carried->kept_length != (c->flags & CONNECTION_KEPT ? connection_kept_length(kept, carried->kept_length) : 0))
		return NULL;
	return carried;
}

uint64_t carry_since(const struct handover_item *item, uint32_t layout)
{
	const struct carried_connection *carried = layout == CARRY_LAYOUT ? record_of(item) : NULL;

	return carried ? carried->since_ms : 0;
}

static void put_back(struct server *server, uint32_t slot, const struct carried_connection *carried)
{
	const struct connection *c = &carried->connection;
	const char *bytes = (const char *) (carried + 1);

	if (c->in_length > 0)
		memcpy(records_spilled_input(&server->records, slot), bytes, c->in_length);
	if (c->out_length > 0)
		memcpy(records_spilled_output(&server->records, slot), bytes + c->in_length, c->out_length);
	if (carried->kept_length > 0)
		memcpy(records_kept(&server->records, slot), bytes + c->in_length + c->out_length, carried->kept_length);
}

/* A name that is gone has nothing of its own. */
static uint8_t number_of(const struct server *server, uint32_t name)
{
	for (unsigned i = 1; i <= ROUTE_NAMES_MAX && name != 0; i++)
		if (server->names[i] == name)
			return (uint8_t) i;
	return 0;
}

static int take_connection(struct server *server, struct handover_item *item, uint32_t layout)
{
	static const struct carried_connection fresh = {
		.connection = { .state = CONNECTION_HEAD, .minor = 1 },
	};
	const struct carried_connection *carried = layout == CARRY_LAYOUT ? record_of(item) : NULL;
	uint32_t slot;
	int r;

	if (!carried && item->kind != CARRY_IDLE)
		return -EBADMSG;
	if (!carried)
		carried = &fresh;
	r = connection_resume(server, item->fd, &carried->connection, carried->since_ms, &slot);
	if (r < 0)
		return r;
	server->records.connections[slot].name = number_of(server, carried->name);
	item->fd = -1;
	put_back(server, slot, carried);
	return 0;
}

static void take(struct server *server, struct server_arrivals *base)
{
	struct carry_arrivals *arrivals = (struct carry_arrivals *) base;

	for (size_t i = 0; i < arrivals->n_snapshots; i++)
		(void) server_hold_older(server, arrivals->snapshots[i]);	/* without it its connections are not taken */
	for (size_t i = 0; i < arrivals->n; i++)
		if (take_connection(server, arrivals->items[i], arrivals->layout) == 0)
			arrivals->taken++;
}

uint64_t carry_to(struct server *server, struct carry_arrivals *arrivals)
{
	arrivals->base.take = take;
	return server_take_arrivals(server, &arrivals->base);
}

bool carry_uses(const struct server *server, const struct snapshot *snapshot)
{
	for (uint32_t slot = 0; slot < server->high_slot; slot++)
		if (server->records.connections[slot].state != CONNECTION_FREE &&
		    server->records.connections[slot].snapshot == snapshot->number)
			return true;
	return false;
}
