/* SPDX-License-Identifier: MIT */
/*
 * The strict client: many connections at once, on which every byte of every answer must be right, and which must never
 * end.  Whatever is not so is counted; who runs it beside a restart says what may be.
 *
 *	strict PORT THINK_MS SEQUENTIAL PIPELINED POSTING READING FRESH
 *
 * The last five say how many connections of each kind there are, see kinds[].  A line on the standard input is answered by
 * a line of counts.  At its end no request is begun any more; when all that were are answered the counts are printed for
 * the last time.
 *
 * No two requests have the same target, and an answer repeats its own in Location: so one that was given twice, or to
 * another, is seen.  A long content consists of numbered lines, all of one version, which a connection never sees go back.
 *
 * An HTTP library would be shorter, and would do what it is there for: try again, behind our back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_MS		= 4,
	TIME_TO_END_MS	= 30 * 1000,	/* for what is not answered when no request is begun any more */
	REQUESTS_MAX	= 8 * 1024,	/* bytes of all that are sent at once */
	HEAD_MAX	= 1024,
	POST_LENGTH	= 5000,
	CHUNK_LENGTH	= 1000,
	LINE_LENGTH	= 16,		/* "VVVVVV NNNNNNNN\n" */
	VERSION_LENGTH	= 6,
	LONG_LENGTH	= 200 * 1000 * LINE_LENGTH,
	RECEIVE_BUFFER	= 64 * 1024,	/* of a slow reader: the more waits with the server */
	SAID_MAX	= 10,		/* mistakes that are told in words */
};

static const struct kind {
	const char *path;
	unsigned at_once;		/* requests */
	size_t piece;			/* bytes that are sent before a pause */
	unsigned pause_ms;
	bool posts, reads_slowly, fresh;
} kinds[] = {
	{ .path = "echo", .at_once = 1, .piece = REQUESTS_MAX },			/* sequential */
	{ .path = "echo", .at_once = 8, .piece = 150, .pause_ms = 8 },			/* pipelined */
	{ .path = "echo", .at_once = 1, .piece = 400, .pause_ms = 8, .posts = true },
	{ .path = "long", .at_once = 3, .piece = REQUESTS_MAX, .pause_ms = 8, .reads_slowly = true },
	{ .path = "echo", .at_once = 1, .piece = REQUESTS_MAX, .fresh = true },		/* a connection for each request */
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static const char short_content[] = "there";

struct client {
	const struct kind *kind;
	unsigned number;
	int fd;				/* -1: not connected */
	uint64_t due_ms;		/* nothing is sent, or read slowly, before */
	uint64_t begun;			/* requests; names the last one */
	unsigned owed;			/* answers: to the last so many */
	char requests[REQUESTS_MAX];
	size_t length, sent;
	/* the answer that is being read */
	char head[HEAD_MAX];
	size_t head_length;
	bool in_content;
	uint64_t content_length, content_at;
	char line[LINE_LENGTH + 1];	/* of a long content: what is expected now */
	char version[VERSION_LENGTH + 1];	/* the last one */
};

static struct { uint64_t requests, answered, lost, wrong, closed, reset, connects, refused; } counts;
static struct client *clients;
static unsigned n_clients, think_ms;
static uint16_t port;
static int epoll_fd;
static uint64_t now_ms, end_ms;
static bool ending;

static uint64_t clock_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Half of it to one and a half: no two clients keep in step. */
static uint64_t after_thinking(void)
{
	return now_ms + think_ms / 2 + (unsigned) rand() % (think_ms + 1);
}

static void print_counts(void)
{
	(void) printf("requests %" PRIu64 " answered %" PRIu64 " lost %" PRIu64 " wrong %" PRIu64 " closed %" PRIu64
		      " reset %" PRIu64 " connects %" PRIu64 " refused %" PRIu64 "\n", counts.requests, counts.answered,
		      counts.lost, counts.wrong, counts.closed, counts.reset, counts.connects, counts.refused);
	(void) fflush(stdout);
}

/* --- connecting and ending --------------------------------------------------------------------------------------- */

static void disconnect(struct client *c)
{
	(void) close(c->fd);
	c->fd = -1;
	c->owed = 0;
	c->length = c->sent = 0;
}

static void has_ended(struct client *c, int error)
{
	if (error)
		counts.reset++;
	else
		counts.closed++;
	counts.lost += c->owed;
	if (counts.reset + counts.closed <= SAID_MAX)
		(void) fprintf(stderr, "connection %u (%s, %s): %s, %u answers owed\n", c->number, c->kind->path,
			       c->kind->posts ? "posting" : "getting", error ? strerror(error) : "closed", c->owed);
	disconnect(c);
	c->due_ms = now_ms;
}

static void is_wrong(struct client *c, const char *what)
{
	if (++counts.wrong <= SAID_MAX)
		(void) fprintf(stderr, "connection %u (%s): %s; at byte %" PRIu64 " of the content behind this head:\n%.*s\n",
			       c->number, c->kind->path, what, c->content_at, (int) c->head_length, c->head);
	counts.lost += c->owed;
	disconnect(c);
	c->due_ms = now_ms;
}

static void begin_answer(struct client *c)
{
	c->head_length = 0;
	c->in_content = false;
	c->content_at = 0;
}

static void open_connection(struct client *c)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, buffer = RECEIVE_BUFFER;
	struct epoll_event event = { .events = c->kind->reads_slowly ? 0 : EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && c->kind->reads_slowly)
		(void) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &at, sizeof at) < 0) {
		if (++counts.refused <= SAID_MAX)
			perror("connect");
		disconnect(c);
		c->due_ms = now_ms + 10;
		return;
	}
	counts.connects++;
	(void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void) fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
		abort();
	begin_answer(c);
	if (!c->kind->fresh)
		c->due_ms = after_thinking();
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static void add(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct client *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	c->length += (size_t) vsnprintf(c->requests + c->length, sizeof c->requests - c->length, format, arguments);
	va_end(arguments);
	if (c->length >= sizeof c->requests)
		abort();
}

static void add_bytes(struct client *c, size_t n)
{
	if (n >= sizeof c->requests - c->length)
		abort();
	memset(c->requests + c->length, 'x', n);
	c->length += n;
}

/* By length and chunked in turn. */
static void add_content(struct client *c)
{
	if (c->begun % 2 == 0) {
		add(c, "Content-Length: %d\r\n\r\n", POST_LENGTH);
		add_bytes(c, POST_LENGTH);
		return;
	}
	add(c, "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < POST_LENGTH / CHUNK_LENGTH; i++) {
		add(c, "%x\r\n", CHUNK_LENGTH);
		add_bytes(c, CHUNK_LENGTH);
		add(c, "\r\n");
	}
	add(c, "0\r\n\r\n");
}

static void begin_requests(struct client *c)
{
	c->length = c->sent = 0;
	for (unsigned i = 0; i < c->kind->at_once; i++) {
		c->begun++;
		add(c, "%s /%s/%u-%" PRIu64 " HTTP/1.1\r\nHost: strict\r\n%s", c->kind->posts ? "POST" : "GET", c->kind->path,
		    c->number, c->begun, c->kind->fresh ? "Connection: close\r\n" : "");
		if (c->kind->posts)
			add_content(c);
		else
			add(c, "\r\n");
		c->owed++;
		counts.requests++;
	}
}

static void send_piece(struct client *c)
{
	size_t most = c->length - c->sent;
	ssize_t n = send(c->fd, c->requests + c->sent, most < c->kind->piece ? most : c->kind->piece, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		has_ended(c, errno);
		return;
	}
	c->sent += n > 0 ? (size_t) n : 0;
	c->due_ms = now_ms + c->kind->pause_ms;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* NULL: the head is that of the answer to the oldest request that is owed one. */
static const char *head_mistake(struct client *c)
{
	static const char status[] = "HTTP/1.1 201 ";
	char location[128];
	const char *length;

	c->head[c->head_length] = '\0';
	if (c->owed == 0)
		return "an answer that nobody asked for";
	if (strncmp(c->head, status, sizeof status - 1) != 0)
		return "another status";
	(void) snprintf(location, sizeof location, "\r\nLocation: /%s/%u-%" PRIu64 "\r\n", c->kind->path, c->number,
			c->begun - c->owed + 1);
	if (!strstr(c->head, location))
		return "an answer to something else";
	length = strstr(c->head, "\r\nContent-Length: ");
	if (!length)
		return "no length";
	c->content_length = strtoull(length + 18, NULL, 10);
	if (c->content_length != (c->kind->reads_slowly ? LONG_LENGTH : sizeof short_content - 1))
		return "another length";
	memcpy(c->line, "?????? 00000000\n", sizeof c->line);
	return NULL;
}

static void next_line(char *line)
{
	int digit = LINE_LENGTH - 2;

	while (line[digit] == '9')
		line[digit--] = '0';
	line[digit]++;
}

/* Which version it is the first line says. */
static bool is_right_content(struct client *c, const char *bytes, size_t n)
{
	if (!c->kind->reads_slowly)
		return memcmp(bytes, short_content + c->content_at, n) == 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = c->content_at + i;

		if (at < VERSION_LENGTH)
			c->line[at] = bytes[i];
		else if (at % LINE_LENGTH == 0)
			next_line(c->line);
		if (bytes[i] != c->line[at % LINE_LENGTH])
			return false;
	}
	return true;
}

static void end_answer(struct client *c)
{
	if (c->kind->reads_slowly && memcmp(c->line, c->version, VERSION_LENGTH) < 0) {
		is_wrong(c, "an older version than before");
		return;
	}
	memcpy(c->version, c->line, VERSION_LENGTH);
	counts.answered++;
	c->owed--;
	begin_answer(c);
	if (c->owed > 0)
		return;
	if (c->kind->fresh)
		disconnect(c);
	c->due_ms = after_thinking();
}

/* Returns how many bytes belonged to the answer; 0 when the connection was given up. */
static size_t take_bytes(struct client *c, const char *bytes, size_t n)
{
	const char *mistake;

	if (!c->in_content) {
		if (c->head_length == HEAD_MAX - 1) {
			is_wrong(c, "a long head");
			return 0;
		}
		c->head[c->head_length++] = *bytes;
		if (c->head_length < 4 || memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4) != 0)
			return 1;
		mistake = head_mistake(c);
		if (mistake) {
			is_wrong(c, mistake);
			return 0;
		}
		c->in_content = true;
		return 1;
	}
	if (n > c->content_length - c->content_at)
		n = c->content_length - c->content_at;
	if (!is_right_content(c, bytes, n)) {
		is_wrong(c, "another content");
		return 0;
	}
	c->content_at += n;
	if (c->content_at == c->content_length)
		end_answer(c);
	return n;
}

static void receive(struct client *c)
{
	static char bytes[32 * 1024];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		has_ended(c, n < 0 ? errno : 0);
		return;
	}
	for (size_t at = 0; at < (size_t) n;) {
		size_t taken = take_bytes(c, bytes + at, (size_t) n - at);

		at += taken;
		if (c->fd < 0) {
			counts.wrong += taken > 0 && at < (size_t) n;	/* behind the last answer */
			return;
		}
	}
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

/* What is due for a client. */
static void step(struct client *c)
{
	if (now_ms < c->due_ms)
		return;
	if (c->fd < 0 && !ending)
		open_connection(c);
	if (c->fd < 0 || now_ms < c->due_ms)
		return;
	if (c->owed == 0 && !ending)
		begin_requests(c);
	if (c->sent < c->length) {
		send_piece(c);
	} else if (c->kind->reads_slowly) {
		c->due_ms = now_ms + c->kind->pause_ms;
		receive(c);
	}
}

static void take_orders(void)
{
	char text[64];
	ssize_t n = read(STDIN_FILENO, text, sizeof text);

	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n')
			print_counts();
	if (n > 0)
		return;
	ending = true;
	end_ms = now_ms + TIME_TO_END_MS;
	(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
}

static uint64_t all_owed(void)
{
	uint64_t owed = 0;

	for (unsigned i = 0; i < n_clients; i++)
		owed += clients[i].owed;
	return owed;
}

static void turn(int timeout_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(epoll_fd, events, 256, timeout_ms);

	now_ms = clock_ms();
	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (!c)
			take_orders();
		else if (c->fd >= 0)
			receive(c);
	}
	for (unsigned i = 0; i < n_clients; i++)
		step(&clients[i]);
}

static void make_clients(char **numbers)
{
	for (unsigned k = 0; k < KINDS; k++)
		n_clients += (unsigned) atoi(numbers[k]);
	clients = calloc(n_clients + 1, sizeof *clients);
	if (!clients)
		abort();
	for (unsigned k = 0, made = 0; k < KINDS; k++)
		for (int i = 0; i < atoi(numbers[k]); i++, made++)
			clients[made] = (struct client) {
				.kind = &kinds[k], .number = made, .fd = -1, .version = "000000",
			};
}

int main(int argc, char **argv)
{
	struct epoll_event orders = { .events = EPOLLIN };
	struct rlimit limit;

	if (argc != 3 + KINDS) {
		(void) fputs("usage: strict PORT THINK_MS SEQUENTIAL PIPELINED POSTING READING FRESH\n", stderr);
		return 64;
	}
	port = (uint16_t) atoi(argv[1]);
	think_ms = (unsigned) atoi(argv[2]);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &orders) < 0) {
		perror("strict");
		return 71;
	}
	make_clients(argv + 3);
	now_ms = clock_ms();
	while (!ending || (all_owed() > 0 && now_ms < end_ms))
		turn(TICK_MS);
	turn(0);			/* the end of a connection that nobody had asked anything */
	counts.lost += all_owed();
	print_counts();
	return 0;
}
