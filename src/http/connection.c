/* SPDX-License-Identifier: MIT */
/*
 * (1) of the four files that follow a request: connection, parser, routes, response.
 *
 * A turn is what is done for one connection when its callback runs:
 *
 *	send what was left unsent  ->  receive once  ->  look at the bytes, adding answers to the output  ->  send once
 *	->  settle: what is the connection waiting for now?
 *
 * The bytes are looked at in the worker's own buffers.  Only what is left over at the end of the turn, half a request or
 * an unsent answer, is spilled to memory of the connection, and the next turn begins with it.
 *
 * A turn is bounded: one receive of 16 KiB that is looked at, or a few of content that nobody looks at, one send.
 * A connection with more to do yields: it is run again behind all others, and a few of those that yield in a turn of the
 * worker.  While output is blocked nothing is received: that is the back pressure.
 *
 * Functions of a turn return 1 when the turn goes on, 0 when it has come as far as it can, and a negative errno when the
 * connection is over.  Giving each connection buffers of its own would be simpler and cost them while it is idle.
 */
#include "http/connection.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "http/access.h"
#include "http/balance.h"
#include "http/server.h"
#include "http/variables.h"

#include <assert.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	ACCEPTS_OF_THE_REST	= 64 * 1024,	/* no backlog is longer */
	DISCARDS_PER_TURN	= 2,
	BODY_PER_TURN		= 256 * 1024,	/* of a long body that is sent */
	DRAIN_MAX		= 64 * 1024,	/* thrown away after the last answer */
	OUTPUT_FULL		= RECORDS_OUTPUT_MAX - HTTP_HEAD_MAX - SERVER_SHORT_BODY - 64,
};

static_assert(ROUTE_FIXED + ROUTE_ANSWERS_EACH * (ROUTES_MAX + 2) <= UINT16_MAX, "a record has room for every answer");
static_assert(3 * HTTP_REQUEST_LINE_MAX <= SERVER_DISCARD_MAX, "a path can be made normal in the scratch");

struct turn {
	struct server *server;
	struct connection *c;
	interest_id id;
	int fd;
	char *in;			/* what was received and not looked at: in + in_at up to in + in_length */
	size_t in_at, in_length;
	size_t out_length;		/* answers in the worker's output buffer */
	bool parsed;			/* the server's request is the one that is answered next */
	bool received, sent, answered;	/* what moved in this turn: timeouts begin anew */
	bool blocked;			/* the socket takes no more */
	bool ended;			/* recv said that nothing more will come */
};

static void on_ready(void *arg, interest_id id, uint32_t ready);

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* What variables and the log say of a request whose answer is made in a later turn, maybe by the next process. */
struct kept {
	uint64_t id[2];
	uint32_t host, path, query, method, target;	/* lengths of what follows */
	uint32_t has_query;
	char text[];
};

enum {				/* cut as in the log */
	KEPT_METHOD_MAX	= sizeof((struct report *) NULL)->method,
	KEPT_TARGET_MAX	= sizeof((struct report *) NULL)->target,
};

#define KEPT_MAX (sizeof(struct kept) + HTTP_VARIABLES_TEXT_MAX + KEPT_METHOD_MAX + KEPT_TARGET_MAX)

static_assert(KEPT_MAX <= RECORDS_KEPT_MAX, "what is kept has its place");

/* Half a head that lacks its last byte, and what one more receive brought behind it, which is more than is ever left over;
 * answers that nobody reads; and a request that its answer, which is due later, repeats. */
size_t connection_spill_bytes(const struct http_limits *limits)
{
	return records_spill_bytes(limits->max_request_line + limits->max_header + 2 * RECORDS_READ_MAX, RECORDS_OUTPUT_MAX,
				   KEPT_MAX);
}

size_t connection_refused_bytes(void)
{
	return records_spill_bytes(0, HTTP_HEAD_MAX + SERVER_SHORT_BODY, 0);
}

/* --- answering --------------------------------------------------------------------------------------------------- */

/* Of the request that is answered next. */
static uint64_t number_of_request(const struct connection *c)
{
	return (uint64_t) c->number << 32 | c->requests;
}

size_t connection_kept_length(const void *kept, size_t most)
{
	struct kept head;
	uint64_t length;

	if (most < sizeof head)
		return 0;
	memcpy(&head, kept, sizeof head);
	length = sizeof head + (uint64_t) head.host + head.path + head.query + head.method + head.target;
	return length <= most ? (size_t) length : 0;
}

/* Of the request only what the answer repeats. */
static struct http_request repeated(const struct http_request *request, unsigned variables)
{
	struct http_request part = { 0 };

	if (variables & HTTP_VARIABLES_HOST)
		part.host_name = request->host_name;
	if (variables & HTTP_VARIABLES_PATH)
		part.path = request->path;
	if (variables & HTTP_VARIABLES_QUERY)
		part.query = request->query;
	return part;
}

static struct slice cut(struct slice text, size_t most)
{
	return (struct slice) { text.at, text.length < most ? text.length : most };
}

/* At the end of the turn: the bytes of the head will be others'. */
static void keep_request(struct turn *t)
{
	struct kept *kept = (struct kept *) records_kept(&t->server->records, interest_slot(t->id));
	const struct snapshot *snapshot = server_held(t->server, t->c->snapshot)->snapshot;
	const struct http_request *request = &t->server->request;
	struct http_request part = repeated(request, snapshot->answers[t->c->answer].variables);
	const struct slice texts[] = { part.host_name, part.path, part.query, cut(request->method_name, KEPT_METHOD_MAX),
				       cut(request->target, KEPT_TARGET_MAX) };
	char *to = kept->text;

	*kept = (struct kept) {
		.host = (uint32_t) texts[0].length,
		.path = (uint32_t) texts[1].length,
		.query = (uint32_t) texts[2].length,
		.method = (uint32_t) texts[3].length,
		.target = (uint32_t) texts[4].length,
		.has_query = part.query.at != NULL,
	};
	http_request_id(kept->id, t->server->seed, number_of_request(t->c));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (texts[i].length > 0)
			memcpy(to, texts[i].at, texts[i].length);
		to += texts[i].length;
	}
	t->c->flags |= CONNECTION_KEPT | CONNECTION_SPILLED;
}

/* Whether it must be: an answer is owed that repeats something of a head of this turn, or is told with it. */
static bool must_keep_request(const struct turn *t)
{
	const struct connection *c = t->c;

	if (!t->parsed || (c->state != CONNECTION_LENGTH && c->state != CONNECTION_CHUNKS && c->state != CONNECTION_DELAYED))
		return false;
	return server_held(t->server, c->snapshot)->snapshot->answers[c->answer].variables ||
	       t->server->held->snapshot->access != ACCESS_OFF;
}

/* Takes the next one of what was kept, from *at on. */
static struct slice take_kept(const char **at, uint32_t length)
{
	struct slice text = { *at, length };

	*at += length;
	return text;
}

/* The id of the request that is answered; makes t->server->request that of an earlier turn, or empty where it was not
 * kept. */
static void recall_request(struct turn *t, uint64_t ret_id[2])
{
	struct http_request *request = &t->server->request;
	const struct kept *kept;
	const char *at;

	if (!(t->c->flags & CONNECTION_KEPT)) {
		http_request_id(ret_id, t->server->seed, number_of_request(t->c));
		if (!t->parsed)
			*request = (struct http_request) { 0 };
		return;
	}
	kept = (const struct kept *) records_kept(&t->server->records, interest_slot(t->id));
	memcpy(ret_id, kept->id, sizeof kept->id);
	at = kept->text;
	*request = (struct http_request) { .host_name = take_kept(&at, kept->host) };
	request->path = take_kept(&at, kept->path);
	request->query = take_kept(&at, kept->query);
	if (!kept->has_query)
		request->query.at = NULL;
	request->method_name = take_kept(&at, kept->method);
	request->target = take_kept(&at, kept->target);
}

/* The head, with what its variables repeat; returns the length, or -ENOBUFS. */
static ssize_t write_head(struct turn *t, char *to, struct slice head, bool variables)
{
	struct http_variables values;
	uint64_t id[2];

	if (!variables) {
		memcpy(to, head.at, head.length);
		return (ssize_t) head.length;
	}
	recall_request(t, id);
	http_variables_of(&values, &t->server->request, id);
	return http_variables_expand(to, HTTP_HEAD_MAX, head, &values);
}

/* Writes head and short body; returns the length, or -ENOBUFS when what it repeats of the request is too long. */
static ssize_t write_answer(struct turn *t, struct held *held, uint32_t answer)
{
	const struct prepared *prepared = &held->snapshot->answers[answer];
	enum http_persistence persistence = t->c->minor == 0 ? HTTP_KEEP_ALIVE : HTTP_KEEP;
	char *to = t->server->records.output + t->out_length;
	ssize_t n;

	if (t->c->flags & CONNECTION_LAST)
		persistence = HTTP_CLOSE;
	n = write_head(t, to, server_head(t->server, held, answer, persistence), prepared->variables);
	if (n < 0 || t->c->flags & CONNECTION_HEAD_ONLY || prepared->body_length > SERVER_SHORT_BODY)
		return n;
	memcpy(to + n, held->snapshot->image + prepared->body, prepared->body_length);
	return n + prepared->body_length;
}

static void log_answer(struct turn *t, const struct held *held, uint32_t answer)
{
	uint64_t id[2];

	if (t->server->held->snapshot->access == ACCESS_OFF)
		return;
	recall_request(t, id);
	access_report(t->server, t->c, t->fd, held, answer, &t->server->request, id);
}

/* Adds the answer to the output; a long body follows straight from its snapshot. */
static void add_answer(struct turn *t, struct held *held, uint32_t answer)
{
	struct connection *c = t->c;
	const struct prepared *prepared;
	ssize_t length;

	if (t->server->draining && !(c->flags & CONNECTION_LAST))
		c->flags |= CONNECTION_LAST | CONNECTION_LINGER;	/* the client did not know */
	length = write_answer(t, held, answer);
	if (length < 0) {
		answer = ROUTE_ERROR_414;
		c->flags |= CONNECTION_LAST | CONNECTION_LINGER;
		length = write_answer(t, held, answer);
		assert(length >= 0);	/* an error has no variables */
	}
	t->out_length += (size_t) length;
	log_answer(t, held, answer);

	prepared = &held->snapshot->answers[answer];
	if (!(c->flags & CONNECTION_HEAD_ONLY) && prepared->body_length > SERVER_SHORT_BODY) {
		server_hold(t->server, c, held);
		c->state = CONNECTION_SENDING;
		c->rest.offset = prepared->body;
		c->rest.length = prepared->body_length;
	} else {
		server_let_go(t->server, c);
		c->state = CONNECTION_HEAD;
	}
	if (c->flags & CONNECTION_LAST)
		c->flags |= CONNECTION_CLOSING;
	c->flags &= (uint16_t) ~(CONNECTION_HEAD_ONLY | CONNECTION_KEPT);
	c->requests++;
	server_count_request(t->server);
	t->answered = true;
	t->parsed = false;
}

/* The request cannot be served: its status, and then the end. */
static void fail_with(struct turn *t, uint32_t answer)
{
	t->c->flags |= CONNECTION_LAST | CONNECTION_LINGER;
	add_answer(t, t->server->held, answer);
}

static void fail(struct turn *t, unsigned status)
{
	fail_with(t, routes_error(status));
}

/* --- looking at what came: one function for each state ----------------------------------------------------------- */

/* RFC 9110 10.1.1: 100 only when the content has not begun to arrive and will be wanted. */
static void add_continue(struct turn *t)
{
	static const struct slice text = { "HTTP/1.1 100 Continue\r\n\r\n", 25 };

	memcpy(t->server->records.output + t->out_length, text.at, text.length);
	t->out_length += text.length;
}

/* The request was read to its end: it is answered now, or when its delay is over. */
static void request_is_read(struct turn *t, struct held *held, uint32_t answer)
{
	uint32_t delay_ms = held->snapshot->answers[answer].delay_ms;
	struct connection *c = t->c;

	if (delay_ms == 0) {
		add_answer(t, held, answer);
		return;
	}
	server_hold(t->server, c, held);
	c->answer = (uint16_t) answer;
	c->state = CONNECTION_DELAYED;
	c->due_ms = clock_ms() + delay_ms + 1;	/* not the turn's clock, which may be older than the request; and not early */
}

/* What the request asks for cannot be answered as it was configured: returns the error, or 0. */
static unsigned cannot_answer(const struct prepared *prepared, const struct http_request *request)
{
	struct http_request part;

	if (!prepared->variables)
		return 0;
	if (prepared->variables & HTTP_VARIABLES_HOST && request->host_name.length == 0)
		return 400;
	part = repeated(request, prepared->variables);
	return part.host_name.length + part.path.length + part.query.length > HTTP_VARIABLES_TEXT_MAX ? 414 : 0;
}

/* The content of the request is to be read first. */
static void begin_content(struct turn *t, struct held *held, uint32_t answer)
{
	struct connection *c = t->c;

	server_hold(t->server, c, held);
	c->answer = (uint16_t) answer;
	if (t->server->request.chunked) {
		c->state = CONNECTION_CHUNKS;
		http_chunked_begin(&c->chunks, server_limits(t->server)->max_body);
	} else {
		c->state = CONNECTION_LENGTH;
		c->left = t->server->request.content_length;
	}
}

/* The head is complete.  Without content the answer follows at once; else it is remembered until that was read. */
static void begin_request(struct turn *t)
{
	const struct http_request *request = &t->server->request;
	const struct http_limits *limits = server_limits(t->server);
	struct held *held = t->server->held;
	uint32_t answer = routes_find(held->snapshot->routes, t->c->name, request, t->server->discard);
	const struct prepared *prepared = &held->snapshot->answers[answer];
	struct connection *c = t->c;
	bool content = request->chunked || request->content_length > 0;
	bool expects = request->expect_continue && t->in_at == t->in_length;
	unsigned error;

	c->minor = request->minor;
	if (!request->keep_alive)
		c->flags |= CONNECTION_LAST;
	else if (limits->max_requests > 0 && c->requests + 1 >= limits->max_requests)
		c->flags |= CONNECTION_LAST | CONNECTION_LINGER;	/* the client does not know: its next may be on the way */
	error = cannot_answer(prepared, request);
	if (error) {
		fail(t, error);
		return;
	}
	if (expects && prepared->status >= 300) {
		c->flags |= CONNECTION_LAST | CONNECTION_LINGER;	/* the content may come all the same, or not */
		content = false;
	}
	if (content) {
		if (expects)
			add_continue(t);
		begin_content(t, held, answer);
	} else {
		request_is_read(t, held, answer);
	}
}

static int take_head(struct turn *t)
{
	ssize_t n;

	n = http_parse_request(t->in + t->in_at, t->in_length - t->in_at, server_limits(t->server), &t->server->request);
	if (n == 0)
		return 0;
	t->parsed = true;
	if (t->server->request.method == HTTP_HEAD)
		t->c->flags |= CONNECTION_HEAD_ONLY;
	if (n < 0) {
		fail(t, (unsigned) -n);
		return 1;
	}
	t->in_at += (size_t) n;
	begin_request(t);
	return 1;
}

static int content_is_read(struct turn *t)
{
	request_is_read(t, server_held(t->server, t->c->snapshot), t->c->answer);
	return 1;
}

static bool is_due(const struct turn *t)
{
	return executor_now_ms(t->server->ex) >= t->c->due_ms;
}

static int take_due(struct turn *t)
{
	add_answer(t, server_held(t->server, t->c->snapshot), t->c->answer);
	return 1;
}

static int take_length(struct turn *t)
{
	struct connection *c = t->c;
	size_t n = t->in_length - t->in_at;

	if (n > c->left)
		n = c->left;
	t->in_at += n;
	c->left -= n;
	return c->left > 0 ? 0 : content_is_read(t);
}

static int take_chunks(struct turn *t)
{
	bool done = false;
	ssize_t n;

	n = http_chunked_walk(&t->c->chunks, t->in + t->in_at, t->in_length - t->in_at, &done);
	if (n < 0) {
		fail(t, (unsigned) -n);
		return 1;
	}
	t->in_at += (size_t) n;
	return done ? content_is_read(t) : 0;
}

/* Nothing that was received is looked at before an answer is out. */
static bool must_answer_first(const struct turn *t)
{
	return t->out_length >= OUTPUT_FULL || t->c->state == CONNECTION_SENDING ||
	       (t->c->state == CONNECTION_DELAYED && !is_due(t));
}

/* Takes what was received apart, until it needs more, the output is full, or no further request is wanted. */
static void look(struct turn *t)
{
	struct connection *c = t->c;
	int r = 1;

	c->flags &= (uint16_t) ~CONNECTION_UNSEEN;
	while (r > 0 && !(c->flags & CONNECTION_CLOSING)) {
		if (must_answer_first(t)) {
			if (t->in_at < t->in_length)
				c->flags |= CONNECTION_UNSEEN;
			return;
		}
		switch ((enum connection_state) c->state) {
		case CONNECTION_HEAD:
			r = t->in_at < t->in_length ? take_head(t) : 0;
			break;
		case CONNECTION_LENGTH:
			r = take_length(t);
			break;
		case CONNECTION_CHUNKS:
			r = take_chunks(t);
			break;
		case CONNECTION_DELAYED:
			r = take_due(t);
			break;
		case CONNECTION_FREE:
		case CONNECTION_SENDING:
		case CONNECTION_DRAINING:
			abort();
		}
	}
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

/* What a peer or a network does to its connection is nothing to tell. */
static int broken(struct turn *t, int error)
{
	switch (error) {
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case ENOTCONN:
	case ECONNREFUSED:
	case ECONNABORTED:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case EPROTO:
		break;
	default:
		server_report(t->server, t->fd, &(struct report) {
			.kind = REPORT_CONNECTION_FAILED, .connection = t->c->number, .error = error,
		});
	}
	return -error;
}

/* One recv; remembers whether the socket may hold more.  Returns bytes, 0 for none now, or a negative errno. */
static ssize_t receive_to(struct turn *t, char *to, size_t length, int flags)
{
	struct connection *c = t->c;
	ssize_t n = recv(t->fd, to, length, flags);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return broken(t, errno);
		if (errno == EAGAIN)
			c->flags &= (uint16_t) ~CONNECTION_MORE;
		return 0;
	}
	if (n == 0) {
		t->ended = true;
		c->flags &= (uint16_t) ~CONNECTION_MORE;
		return 0;
	}
	t->received = true;
	/* A short read has emptied the socket; but after a FIN in the same event no second one would come. */
	if ((size_t) n < length && !(c->flags & CONNECTION_END_SEEN))
		c->flags &= (uint16_t) ~CONNECTION_MORE;
	else
		c->flags |= CONNECTION_MORE;
	return n;
}

/* Content that nobody looks at stays in the kernel: with MSG_TRUNC TCP drops exactly so many bytes.  Other sockets
 * ignore the flag and copy, so there must be a place as long as what is asked for.  tcp(7) */
static int discard(struct turn *t, uint64_t most, uint64_t *ret_n)
{
	*ret_n = 0;
	for (int i = 0; i < DISCARDS_PER_TURN && *ret_n < most && t->c->flags & CONNECTION_MORE; i++) {
		uint64_t want = most - *ret_n;
		ssize_t n;

		if (want > SERVER_DISCARD_MAX)
			want = SERVER_DISCARD_MAX;
		n = receive_to(t, t->server->discard, want, MSG_TRUNC);
		if (n < 0)
			return (int) n;
		*ret_n += (uint64_t) n;
	}
	return 1;
}

static int unread(int fd)
{
	int n;

	return ioctl(fd, SIOCINQ, &n) < 0 ? -1 : n;
}

static int receive_content(struct turn *t)
{
	struct connection *c = t->c;
	uint64_t n;
	int r;

	r = discard(t, c->state == CONNECTION_LENGTH ? c->left : http_chunked_data(&c->chunks), &n);
	if (r < 0)
		return r;
	if (c->state == CONNECTION_LENGTH)
		c->left -= n;
	else
		http_chunked_skip(&c->chunks, n);
	/* Exactly so many were asked for, so it was no short read; often there is nothing behind them all the same, and
	 * to ask is cheaper than a turn that finds out. */
	if (c->state == CONNECTION_LENGTH && c->left == 0 && !(c->flags & CONNECTION_END_SEEN) && unread(t->fd) == 0)
		c->flags &= (uint16_t) ~CONNECTION_MORE;
	return 1;
}

/* Gets what the state needs, unless there are bytes of ours that were not looked at. */
static int receive(struct turn *t)
{
	struct connection *c = t->c;
	bool content;
	ssize_t n;

	if (!(c->flags & CONNECTION_MORE) || c->flags & CONNECTION_UNSEEN || c->state == CONNECTION_DELAYED)
		return 1;
	content = c->state == CONNECTION_LENGTH ||
		  (c->state == CONNECTION_CHUNKS && http_chunked_data(&c->chunks) >= RECORDS_READ_MAX);
	if (content)
		return receive_content(t);

	n = receive_to(t, t->in + t->in_length, RECORDS_READ_MAX, 0);
	if (n < 0)
		return (int) n;
	t->in_length += (size_t) n;
	return 1;
}

/* The client has sent its last byte.  In the middle of a request that is an error (RFC 9112 8). */
static void take_end(struct turn *t)
{
	struct connection *c = t->c;

	if (c->flags & CONNECTION_UNSEEN || c->state == CONNECTION_SENDING)
		c->flags |= CONNECTION_MORE;	/* told again when what came before is answered */
	if (c->flags & (CONNECTION_CLOSING | CONNECTION_UNSEEN) || c->state == CONNECTION_SENDING)
		return;
	if (c->state == CONNECTION_HEAD && t->in_at == t->in_length) {
		c->flags |= CONNECTION_CLOSING;
		return;
	}
	fail(t, 400);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* Sends the bytes and, behind them, a share of the long body: 1 all of that is out, 0 the socket is full. */
static int send_bytes(struct turn *t, const char *bytes, size_t length, size_t *ret_sent)
{
	struct connection *c = t->c;
	struct iovec parts[2] = { { .iov_base = (char *) bytes, .iov_len = length } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 1 };
	size_t body = 0;
	ssize_t n;

	if (c->state == CONNECTION_SENDING) {
		const struct snapshot *snapshot = server_held(t->server, c->snapshot)->snapshot;

		body = c->rest.length < BODY_PER_TURN ? c->rest.length : BODY_PER_TURN;
		parts[1] = (struct iovec) { (char *) snapshot->image + c->rest.offset, body };
		message.msg_iovlen = 2;
		n = sendmsg(t->fd, &message, MSG_NOSIGNAL);
	} else {
		n = send(t->fd, bytes, length, MSG_NOSIGNAL);
	}
	if (n < 0) {
		if (errno != EAGAIN)
			return broken(t, errno);
		n = 0;
	}
	t->sent |= n > 0;
	*ret_sent = (size_t) n < length ? (size_t) n : length;
	t->blocked = (size_t) n < length + body;
	if (body > 0) {
		uint32_t of_body = (uint32_t) ((size_t) n - *ret_sent);

		c->rest.offset += of_body;
		c->rest.length -= of_body;
		if (c->rest.length == 0) {
			c->state = CONNECTION_HEAD;
			server_let_go(t->server, c);
		}
	}
	return t->blocked ? 0 : 1;
}

/* What an earlier turn could not send. */
static int send_left_over(struct turn *t)
{
	struct connection *c = t->c;
	size_t sent;
	int r;

	if (c->out_length == 0 && c->state != CONNECTION_SENDING)
		return 1;
	r = send_bytes(t, records_spilled_output(&t->server->records, interest_slot(t->id)) + c->out_offset,
		       c->out_length, &sent);
	if (r < 0)
		return r;
	c->out_offset += (uint32_t) sent;
	c->out_length -= (uint32_t) sent;
	return r > 0 && c->state == CONNECTION_SENDING ? 0 : r;	/* the next share: in the next turn */
}

/* All answers of this turn; what the socket does not take is copied, for its Date may change before it is sent. */
static int send_answers(struct turn *t)
{
	struct connection *c = t->c;
	size_t sent;
	int r;

	if (t->out_length == 0)
		return 1;
	r = send_bytes(t, t->server->records.output, t->out_length, &sent);
	if (r < 0)
		return r;
	c->out_offset = 0;
	c->out_length = (uint32_t) (t->out_length - sent);
	if (c->out_length > 0) {
		c->flags |= CONNECTION_SPILLED;
		memcpy(records_spilled_output(&t->server->records, interest_slot(t->id)),
		       t->server->records.output + sent, c->out_length);
	}
	return r;
}

/* --- settling ---------------------------------------------------------------------------------------------------- */

static void spill_input(struct turn *t)
{
	struct connection *c = t->c;
	uint32_t slot = interest_slot(t->id);

	c->in_length = (uint32_t) (t->in_length - t->in_at);
	if (c->in_length > 0) {
		c->flags |= CONNECTION_SPILLED;
		memcpy(records_spilled_input(&t->server->records, slot), t->in + t->in_at, c->in_length);
	} else if (c->flags & CONNECTION_SPILLED && !(c->flags & CONNECTION_KEPT) && c->out_length == 0) {
		c->flags &= (uint16_t) ~CONNECTION_SPILLED;
		records_free_spill(&t->server->records, slot);
	}
}

static void start_timer(struct turn *t, enum server_timer timer, bool anew)
{
	if (t->c->timer == timer && !anew)
		return;
	t->c->timer = (uint8_t) timer;
	if (timer == TIMER_NONE)
		executor_stop_timer(t->server->ex, t->id);
	else
		executor_start_timer(t->server->ex, t->id, timer);
}

static int wait_for(struct turn *t, uint32_t what)
{
	int r;

	if (t->c->waits == what)
		return 0;
	r = executor_await_keep(t->server->ex, t->id, what, on_ready, t->server);
	if (r < 0) {
		server_report(t->server, t->fd, &(struct report) {
			.kind = REPORT_CONNECTION_FAILED, .connection = t->c->number, .error = -r,
		});
		return r;
	}
	t->c->waits = (uint8_t) what;
	return 0;
}

/* Sent by us and not yet taken by the client's side. */
static uint32_t bytes_in_kernel(int fd)
{
	int n;

	return ioctl(fd, SIOCOUTQ, &n) < 0 ? 0 : (uint32_t) n;
}

/* What runs on although the next turn is ours: the drain, and the time for a head that we looked at to its last byte.
 * Else pieces that fill a read exactly would begin that time anew. */
static enum server_timer timer_while_busy(const struct connection *c)
{
	if (c->state == CONNECTION_DRAINING)
		return TIMER_DRAIN;
	if (c->state == CONNECTION_HEAD && c->in_length > 0 && !(c->flags & CONNECTION_UNSEEN))
		return TIMER_HEADER;
	return TIMER_NONE;
}

/* Timers of a list run equally long, and delays may be of any length: so one is waited for in steps, each the longest that
 * is not too long.  What the last step leaves over is waited for in the same way. */
static enum server_timer delay_timer(const struct turn *t)
{
	uint64_t left_ms = t->c->due_ms - executor_now_ms(t->server->ex);
	unsigned list;

	assert(!is_due(t));		/* what is due was answered before */
	list = (63 - (unsigned) __builtin_clzll(left_ms)) / 3;
	return TIMER_DELAY + (list < SERVER_DELAYS ? list : SERVER_DELAYS - 1);
}

/* A connection that owes us bytes is timed; one whose bytes or whose turn wait for us is not. */
static int settle(struct turn *t)
{
	struct connection *c = t->c;
	bool idle = c->state == CONNECTION_HEAD && c->in_length == 0 && !(c->flags & CONNECTION_MORE);
	bool busy = c->state == CONNECTION_SENDING ||
		    (c->flags & (CONNECTION_MORE | CONNECTION_UNSEEN) && c->state != CONNECTION_DELAYED);
	int r;

	if (t->blocked) {
		if (t->sent || c->timer != TIMER_WRITE)
			c->in_kernel = bytes_in_kernel(t->fd);
		start_timer(t, TIMER_WRITE, t->sent);
		return wait_for(t, POLLER_WRITE);
	}
	if (idle && t->server->draining && c->requests > 0)
		return -ESHUTDOWN;
	if (busy)	/* before READ is awaited: what is pending of it would let us run again at once */
		executor_yield(t->server->ex, t->id);
	r = wait_for(t, POLLER_READ);
	if (r < 0)
		return r;
	if (c->state == CONNECTION_DELAYED) {
		start_timer(t, delay_timer(t), false);
		return 0;
	}
	if (busy) {
		start_timer(t, timer_while_busy(c), t->answered);
		return 0;
	}

	switch ((enum connection_state) c->state) {
	case CONNECTION_HEAD:
		if (idle && t->server->draining)	/* its first request may be on the way: it was never told no */
			start_timer(t, TIMER_DRAIN, false);
		else if (c->in_length == 0 && c->requests > 0)
			start_timer(t, TIMER_IDLE, t->answered);
		else	/* from accept or the first byte on; a drip does not start it anew */
			start_timer(t, TIMER_HEADER, t->answered);
		break;
	case CONNECTION_LENGTH:
	case CONNECTION_CHUNKS:
		start_timer(t, TIMER_BODY, t->received);
		break;
	case CONNECTION_DRAINING:
		start_timer(t, TIMER_DRAIN, t->answered);
		break;
	case CONNECTION_FREE:
	case CONNECTION_DELAYED:
	case CONNECTION_SENDING:
		abort();
	}
	return 0;
}

/* The last answer is out.  Closing a socket with unread input resets the connection, and the client may lose the
 * answer: then our side is shut, and what comes is thrown away for a while.  That nothing is unread is known only
 * from having read in this very turn: while output was blocked nobody looked. */
static int end(struct turn *t)
{
	struct connection *c = t->c;
	bool all_seen = t->received && t->in_at == t->in_length &&
			!(c->flags & (CONNECTION_MORE | CONNECTION_LINGER));

	if (t->ended || all_seen)
		return -ESHUTDOWN;
	if (shutdown(t->fd, SHUT_WR) < 0)
		return -errno;
	t->in_at = t->in_length;
	c->flags &= (uint16_t) ~(CONNECTION_UNSEEN | CONNECTION_CLOSING);
	c->flags |= CONNECTION_MORE;
	c->state = CONNECTION_DRAINING;
	c->left = DRAIN_MAX;
	spill_input(t);
	return settle(t);
}

/* --- the turn ---------------------------------------------------------------------------------------------------- */

/* After the end: until the client closes, or a second has passed.  Beyond a bound nothing is read any more, but the
 * client still has that second to take the answer. */
static int drain(struct turn *t)
{
	uint64_t n;
	int r;

	r = discard(t, t->c->left, &n);
	if (r < 0)
		return r;
	t->c->left -= n;
	if (t->c->left == 0)
		t->c->flags &= (uint16_t) ~CONNECTION_MORE;
	return t->ended ? -ESHUTDOWN : settle(t);
}

/* What this turn answered goes out, and the connection waits, goes on, or ends. */
static int finish(struct turn *t)
{
	int r = send_answers(t);

	if (r < 0)
		return r;
	if (t->c->flags & CONNECTION_CLOSING && t->c->state != CONNECTION_SENDING && !t->blocked)
		return end(t);
	if (must_keep_request(t))
		keep_request(t);
	spill_input(t);
	return settle(t);
}

static int serve(struct turn *t)
{
	struct connection *c = t->c;
	bool left_over = c->out_length > 0 || c->state == CONNECTION_SENDING;
	int r;

	if (c->state == CONNECTION_DRAINING)
		return drain(t);
	r = send_left_over(t);
	if (r < 0)
		return r;
	if (r == 0 || (c->state == CONNECTION_DELAYED && !is_due(t)))	/* what was received stays where it is */
		return settle(t);
	if (left_over && c->state != CONNECTION_DELAYED) {	/* many may be written to at once: that was its share */
		c->flags |= CONNECTION_MORE;
		return settle(t);
	}
	if (c->in_length > 0)
		memcpy(t->in, records_spilled_input(&t->server->records, interest_slot(t->id)), c->in_length);
	t->in_length = c->in_length;
	if (c->flags & CONNECTION_CLOSING)
		return finish(t);
	r = receive(t);
	if (r < 0)
		return r;
	look(t);
	if (t->ended)
		take_end(t);
	return finish(t);
}

static struct turn turn_of(struct server *server, interest_id id)
{
	return (struct turn) {
		.server = server,
		.c = server_connection(server, id),
		.id = id,
		.fd = executor_fd(server->ex, id),
		.in = server->records.input,
	};
}

static void on_ready(void *arg, interest_id id, uint32_t ready)
{
	struct turn t = turn_of(arg, id);

	if (ready & POLLER_RDHUP)
		t.c->flags |= CONNECTION_END_SEEN;
	if (ready & (POLLER_READ | POLLER_RDHUP | POLLER_ERROR))
		t.c->flags |= CONNECTION_MORE;
	/* Whose answer is due later is not received from, so this alone tells that it is gone. */
	if ((ready & POLLER_ERROR && t.c->state == CONNECTION_DELAYED) || serve(&t) < 0)
		connection_close(t.server, id);
}

/* The kernel has room for more only when a good part of its buffer is free, and it may take a client that reads
 * steadily longer than the timeout to get there.  That it took something is progress. */
static bool goes_on_reading(struct turn *t)
{
	uint32_t n = bytes_in_kernel(t->fd);

	if (n >= t->c->in_kernel)
		return false;
	t->c->in_kernel = n;
	start_timer(t, TIMER_WRITE, true);
	return true;
}

void connection_timed_out(void *arg, interest_id id)
{
	struct turn t = turn_of(arg, id);
	struct connection *c = t.c;
	bool in_request = c->timer == TIMER_BODY || (c->timer == TIMER_HEADER && c->in_length > 0);

	if (c->timer == TIMER_WRITE && goes_on_reading(&t))
		return;
	if (c->timer >= TIMER_DELAY) {
		c->timer = TIMER_NONE;
		if (serve(&t) < 0)
			connection_close(t.server, id);
		return;
	}
	c->timer = TIMER_NONE;
	if (!in_request) {
		connection_close(t.server, id);
		return;
	}
	t.in_at = t.in_length = c->in_length;
	fail(&t, 408);
	if (finish(&t) < 0)
		connection_close(t.server, id);
}

void connection_drain(struct server *server, interest_id id)
{
	struct turn t = turn_of(server, id);

	/* A request may have come that was not told yet: it is answered, not reset. */
	t.c->flags |= CONNECTION_MORE;
	if (serve(&t) < 0)
		connection_close(server, id);
}

/* --- from accept to close ---------------------------------------------------------------------------------------- */

void connection_close(struct server *server, interest_id id)
{
	struct connection *c = server_connection(server, id);
	int fd = executor_fd(server->ex, id);

	server_let_go(server, c);
	if (c->flags & CONNECTION_SPILLED)
		records_free_spill(&server->records, interest_slot(id));
	executor_forget(server->ex, id);
	(void) close(fd);
	c->state = CONNECTION_FREE;
	if (c->flags & CONNECTION_REFUSED)
		server->refusals--;
	else
		server_count(server, -1);
	if (server->paused)
		server_resume(server);
	server_rest_soon(server);
}

/* Counts the newcomer, or makes room for it: false when nobody can be asked to leave. */
static bool admit(struct server *server, uint32_t number, int fd)
{
	uint32_t most = server_limits(server)->max_connections;
	interest_id oldest;

	if (server_count(server, +1) <= most)
		return true;
	server_report(server, fd, &(struct report) { .kind = REPORT_FULL, .connection = number });
	oldest = server_oldest(server);
	if (oldest)
		connection_close(server, oldest);
	else
		server_count(server, -1);
	return oldest != 0;
}

/* Whether what the record answers from is there. */
static bool can_resume(const struct connection *record, const struct held *held)
{
	bool needs_answer = record->state == CONNECTION_LENGTH || record->state == CONNECTION_CHUNKS ||
			    record->state == CONNECTION_DELAYED;

	if (record->snapshot == 0)
		return !needs_answer && record->state != CONNECTION_SENDING;
	if (!held || (needs_answer && record->answer >= held->snapshot->n_answers))
		return false;
	return record->state != CONNECTION_SENDING ||
	       (size_t) record->rest.offset + record->rest.length <= held->snapshot->image_length;
}

int connection_resume(struct server *server, int fd, const struct connection *record, uint64_t since_ms,
		      uint32_t *ret_slot)
{
	struct held *held = record->snapshot ? server_find_held(server, record->snapshot) : NULL;
	struct connection *c;
	interest_id id;
	int r;

	if (!can_resume(record, held))
		return -EBADMSG;
	r = executor_watch(server->ex, fd, REGISTRY_STANDING, &id);
	if (r < 0)
		return r;
	r = executor_await_keep(server->ex, id, POLLER_READ, on_ready, server);
	if (r < 0) {
		executor_forget(server->ex, id);
		return r;
	}
	*ret_slot = interest_slot(id);
	if (*ret_slot >= server->high_slot)
		server->high_slot = *ret_slot + 1;
	c = server_connection(server, id);
	*c = *record;
	c->snapshot = 0;
	c->out_offset = 0;
	c->waits = POLLER_READ;
	c->flags |= CONNECTION_MORE;	/* whatever was told, was told to another */
	if (held)
		server_hold(server, c, held);
	c->number = ++server->accepted;	/* its old one may be another's here: the workers before us each counted from 1 */
	if (c->flags & CONNECTION_REFUSED)
		server->refusals++;
	else
		server_count(server, +1);
	if (c->timer != TIMER_NONE)
		executor_resume_timer(server->ex, id, c->timer, since_ms);
	executor_again(server->ex, id);
	return 0;
}

static void begin(struct server *server, uint32_t number, int fd, uint8_t name, bool admitted)
{
	struct connection *c;
	interest_id id;
	struct turn t;
	int r;

	r = executor_watch(server->ex, fd, REGISTRY_STANDING, &id);
	if (r < 0) {
		server_report(server, fd, &(struct report) {
			.kind = REPORT_CONNECTION_FAILED, .connection = number, .error = -r,
		});
		if (admitted)
			server_count(server, -1);
		(void) close(fd);
		return;
	}
	if (interest_slot(id) >= server->high_slot)
		server->high_slot = interest_slot(id) + 1;
	c = server_connection(server, id);
	*c = (struct connection) { .state = CONNECTION_HEAD, .number = number, .name = name, .minor = 1 };
	t = turn_of(server, id);
	c->flags = CONNECTION_MORE;
	if (admitted) {
		r = serve(&t);	/* the request is usually there */
	} else {
		server->refusals++;
		c->flags |= CONNECTION_REFUSED;
		fail_with(&t, ROUTE_REFUSED);
		r = finish(&t);
	}
	if (r < 0)
		connection_close(server, id);
}

void connection_begin(struct server *server, int fd, uint8_t name)
{
	begin(server, ++server->accepted, fd, name, true);
}

static void open_connection(struct server *server, int fd, uint8_t name)
{
	uint32_t number = ++server->accepted;
	bool admitted = admit(server, number, fd);

	if (!admitted || !balance_pass(server, fd, name))
		begin(server, number, fd, name, admitted);
}

/* Out of descriptors or memory: nothing is accepted until a connection ends, or for a while.  Else the newcomer
 * is at fault, and gone (accept(2)). */
static bool accept_can_go_on(struct server *server, int error)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
		return true;
	default:
		server_report(server, -1, &(struct report) { .kind = REPORT_NO_DESCRIPTORS, .error = error });
		server_pause(server);
		return false;
	}
}

void connection_accept_rest(struct server *server, const struct server_listener *listener)
{
	for (int i = 0; i < ACCEPTS_OF_THE_REST && server->refusals < SERVER_REFUSALS_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			open_connection(server, fd, listener->name);
		else if (!accept_can_go_on(server, errno))
			return;
	}
}

/* Returns whether there may be more. */
static bool accept_some(struct server *server, const struct server_listener *listener)
{
	for (int i = 0; i < CONNECTION_ACCEPTS_PER_TURN; i++) {
		int fd;

		if (server->refusals >= SERVER_REFUSALS_MAX)
			server_pause(server);
		if (server->paused)
			return false;
		fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			open_connection(server, fd, listener->name);
		else if (!accept_can_go_on(server, errno))
			return false;
	}
	return true;
}

void connection_accept(void *arg, interest_id id, uint32_t ready)
{
	struct server *server = arg;

	(void) ready;
	if (accept_some(server, server_listener(server, id)))
		executor_again(server->ex, id);
}
