/* SPDX-License-Identifier: MIT */
/*
 * The storm: clients that want too much, and, in a process of their own, clients that want what everybody wants and must not
 * feel the others.  tests/bench/storm starts both and says what came of it.
 *
 *	storm PORT bystanders		storm PORT ATTACK [CONNECTIONS]		(attacks: see kinds[])
 *
 * Bystanders print "ready", and from the first line on their standard input to the next they ask; then they print what they
 * saw.  A request is due at a time that does not depend on answers, and what its client waited counts from there: a client
 * that waits for one answer before it asks again would count a second in which nothing was served as one slow request.  How
 * much of it was our own lateness is printed, too.
 *
 * An attack prints "ready" when it has all its connections, and their answers if it wants one of each; and at the end of its
 * standard input what it saw.
 *
 * A load generator would be shorter; those that there are wait for answers, or do not look at them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
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
	ANSWER_MAX	= 2048,
	SAID_MAX	= 5,			/* mistakes that are told in words */
	/* bystanders */
	KEPT		= 10,			/* and one that connects anew */
	BYSTANDERS	= KEPT + 1,
	EVERY_US	= 10 * 1000,
	TO_END_US	= 10 * 1000 * 1000,	/* for what is not answered when no request is due any more */
	WAITS_MAX	= 1000 * 1000,		/* that are remembered */
	/* attackers */
	TICK_MS		= 10,
	STALLED_MS	= 250,			/* who can send nothing for so long begins anew */
	ATTACK_MAX_MS	= 120 * 1000,
	BUFFER		= 64 * 1024,
	DEAF_BUFFER	= 64 * 1024,		/* what is not read waits with the server: all TCP has little room */
	PIECES		= 4,			/* that one sends before the next may */
	EVENTS		= 256,
};

static uint16_t port;
static unsigned said;

static uint64_t clock_us(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(2);
}

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* --- what an answer looks like ----------------------------------------------------------------------------------- */

/* Every later one is the same, but for the two fields. */
struct answer {
	char bytes[ANSWER_MAX];
	size_t length;
	size_t date, target;			/* where they are; 0: nowhere */
};

#define TARGET "/storm/00-000000"
static const char date_form[] = "%a, %d %b %Y %H:%M:%S GMT";
enum { TARGET_LENGTH = sizeof TARGET - 1, DATE_LENGTH = 29 };

/* The whole length when the head is there; else 0. */
static size_t length_of(const char *bytes, size_t n)
{
	const char *end = memmem(bytes, n, "\r\n\r\n", 4);
	const char *field = end ? strcasestr(bytes, "\r\nContent-Length:") : NULL;

	return field ? (size_t) (end + 4 - bytes) + strtoul(field + 17, NULL, 10) : 0;
}

static size_t place_of(const char *bytes, const char *what, size_t behind)
{
	const char *found = strcasestr(bytes, what);

	return found ? (size_t) (found - bytes) + behind : 0;
}

/* Asks once, before there is any attack. */
static void learn(struct answer *answer, const char *request)
{
	struct sockaddr_in at = server_address();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *) &at, sizeof at) < 0 ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		give_up("the first request");
	while (answer->length == 0 || length_of(answer->bytes, answer->length) > answer->length) {
		ssize_t n = recv(fd, answer->bytes + answer->length, ANSWER_MAX - 1 - answer->length, 0);

		if (n <= 0)
			give_up("the first answer");
		answer->length += (size_t) n;
		answer->bytes[answer->length] = '\0';
	}
	(void) close(fd);
	if (strncmp(answer->bytes, "HTTP/1.1 200 ", 13) != 0 || length_of(answer->bytes, answer->length) != answer->length) {
		(void) fprintf(stderr, "the first answer is no model of others:\n%s\n", answer->bytes);
		exit(2);
	}
	answer->date = place_of(answer->bytes, "\r\nDate: ", 8);
	answer->target = place_of(answer->bytes, TARGET, 0);
}

/* A date that is one, and of now. */
static bool is_date(const char *bytes)
{
	char text[DATE_LENGTH + 1], again[64];
	struct tm tm = { 0 };
	const char *end;
	time_t then;

	memcpy(text, bytes, DATE_LENGTH);
	text[DATE_LENGTH] = '\0';
	end = strptime(text, date_form, &tm);
	if (!end || *end)
		return false;
	then = timegm(&tm);
	(void) strftime(again, sizeof again, date_form, gmtime(&then));
	return strcmp(text, again) == 0 && labs((long) (time(NULL) - then)) <= 60;
}

static bool is_right(const struct answer *model, const char *bytes, const char *target)
{
	char expected[ANSWER_MAX];

	memcpy(expected, model->bytes, model->length);
	if (model->target)
		memcpy(expected + model->target, target, TARGET_LENGTH);
	if (model->date) {
		if (!is_date(bytes + model->date))
			return false;
		memcpy(expected + model->date, bytes + model->date, DATE_LENGTH);
	}
	return memcmp(bytes, expected, model->length) == 0;
}

/* --- bystanders -------------------------------------------------------------------------------------------------- */

struct bystander {
	bool fresh;				/* a connection for each request */
	int fd;					/* -1: not connected */
	uint64_t due_us;			/* the request that is being served, or the next one */
	bool asking, connecting, answered;	/* answered, and asking: the end of the connection is awaited */
	unsigned number, requests;
	char target[TARGET_LENGTH + 16];
	char in[ANSWER_MAX];
	size_t length;
};

struct waits {
	uint32_t *us;
	size_t n;
};

static struct seen {				/* by kept and fresh ones */
	uint64_t requests, answered, lost, wrong, closed, reset, refused;
	struct waits waits, late;
} seen[2];
static struct answer models[2];
static struct bystander bystanders[BYSTANDERS];

static void remember(struct waits *waits, uint64_t us)
{
	if (waits->n < WAITS_MAX)
		waits->us[waits->n++] = us < UINT32_MAX ? (uint32_t) us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *) a, other = *(const uint32_t *) b;

	return (one > other) - (one < other);
}

static uint32_t share(const struct waits *waits, unsigned thousandths)
{
	size_t at = waits->n * thousandths / 1000;

	return waits->n ? waits->us[at < waits->n ? at : waits->n - 1] : 0;
}

static void print_seen(const char *name, struct seen *s)
{
	qsort(s->waits.us, s->waits.n, sizeof *s->waits.us, compare);
	qsort(s->late.us, s->late.n, sizeof *s->late.us, compare);
	(void) printf("%s requests %" PRIu64 " answered %" PRIu64 " lost %" PRIu64 " wrong %" PRIu64 " closed %" PRIu64
		      " reset %" PRIu64 " refused %" PRIu64 " p50 %" PRIu32 " p99 %" PRIu32 " max %" PRIu32
		      " late %" PRIu32 "\n", name, s->requests, s->answered, s->lost, s->wrong, s->closed, s->reset,
		      s->refused, share(&s->waits, 500), share(&s->waits, 990), share(&s->waits, 1000), share(&s->late, 990));
}

static void request_is_over(struct bystander *b)
{
	b->asking = b->answered = false;
	b->length = 0;
	b->due_us += EVERY_US;
}

static void leave(struct bystander *b)
{
	(void) close(b->fd);
	b->fd = -1;
	b->connecting = false;
}

/* The connection has ended, or must: error is 0 when the server closed it. */
static void has_ended(struct bystander *b, int error)
{
	struct seen *s = &seen[b->fresh];

	if (error == ECONNREFUSED)
		s->refused++;
	else if (error)
		s->reset++;
	else
		s->closed++;
	s->lost += b->asking && !b->answered;
	if (++said <= SAID_MAX)
		(void) fprintf(stderr, "bystander %u: %s%s, at its request %u\n", b->number,
			       error ? strerror(error) : "closed", b->asking && !b->answered ? ", and no answer" : "", b->requests);
	leave(b);
	if (b->asking)
		request_is_over(b);
}

static void is_wrong(struct bystander *b)
{
	struct seen *s = &seen[b->fresh];

	s->wrong++;
	s->lost += !b->answered;
	if (++said <= SAID_MAX)
		(void) fprintf(stderr, "bystander %u: a wrong answer to its request %u:\n%.*s\n", b->number, b->requests,
			       (int) b->length, b->in);
	leave(b);
	request_is_over(b);
}

static void ask(struct bystander *b)
{
	char request[256];
	int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: storm\r\n%s\r\n", b->target,
			 b->fresh ? "Connection: close\r\n" : "");

	b->connecting = false;
	if (send(b->fd, request, (size_t) n, MSG_NOSIGNAL) != n)
		has_ended(b, errno);
}

static void begin(struct bystander *b)
{
	struct sockaddr_in at = server_address();

	b->asking = true;
	b->requests++;
	seen[b->fresh].requests++;
	(void) snprintf(b->target, sizeof b->target, "/storm/%02u-%06u", b->number % 100, b->requests % 1000000);
	if (b->fd >= 0) {
		ask(b);
		return;
	}
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd < 0)
		give_up("socket");
	if (connect(b->fd, (struct sockaddr *) &at, sizeof at) == 0)
		ask(b);
	else if (errno == EINPROGRESS)
		b->connecting = true;
	else
		has_ended(b, errno);
}

static void is_connected(struct bystander *b)
{
	int error = 0;
	socklen_t length = sizeof error;

	(void) getsockopt(b->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error)
		has_ended(b, error);
	else
		ask(b);
}

/* A fresh one's request is over when the connection is. */
static void take_end(struct bystander *b, int error)
{
	if (error || !b->fresh || !b->answered) {
		has_ended(b, error);
		return;
	}
	leave(b);
	request_is_over(b);
}

static void receive(struct bystander *b, uint64_t now_us)
{
	const struct answer *model = &models[b->fresh];
	ssize_t n = recv(b->fd, b->in + b->length, sizeof b->in - b->length, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		take_end(b, n < 0 ? errno : 0);
		return;
	}
	b->length += (size_t) n;
	if (!b->asking || b->length > model->length || memcmp(b->in, model->bytes, b->length < 13 ? b->length : 13) != 0) {
		is_wrong(b);	/* more than an answer, or another status */
		return;
	}
	if (b->length < model->length)
		return;
	if (!is_right(model, b->in, b->target)) {
		is_wrong(b);
		return;
	}
	seen[b->fresh].answered++;
	remember(&seen[b->fresh].waits, now_us - b->due_us);
	if (b->fresh)
		b->answered = true;
	else
		request_is_over(b);
}

/* Begins what is due; returns when the next is, or 0: none will be. */
static uint64_t begin_due(uint64_t end_us, uint64_t waked_for_us)
{
	uint64_t now_us = clock_us(), next_us = 0;

	if (waked_for_us && now_us >= waked_for_us)	/* nothing but a processor was in the way */
		remember(&seen[0].late, now_us - waked_for_us);
	for (unsigned i = 0; i < BYSTANDERS; i++) {
		struct bystander *b = &bystanders[i];

		while (!b->asking && b->due_us <= now_us && b->due_us < end_us)
			begin(b);
		if (!b->asking && b->due_us < end_us && (next_us == 0 || b->due_us < next_us))
			next_us = b->due_us;
	}
	return next_us;
}

static bool all_is_over(uint64_t end_us)
{
	for (unsigned i = 0; i < BYSTANDERS; i++)
		if (bystanders[i].asking || bystanders[i].due_us < end_us)
			return false;
	return true;
}

/* Sleeps until there is something to do. */
static void turn(uint64_t next_us, uint64_t *end_us)
{
	struct pollfd waits[BYSTANDERS + 1];
	uint64_t now_us = clock_us(), most_us = now_us + 100 * 1000;
	uint64_t sleep_us = next_us == 0 || next_us > most_us ? most_us - now_us : next_us > now_us ? next_us - now_us : 0;
	struct timespec sleep = { .tv_sec = 0, .tv_nsec = (long) sleep_us * 1000 };
	char order[64];

	for (unsigned i = 0; i < BYSTANDERS; i++)
		waits[i] = (struct pollfd) { .fd = bystanders[i].fd, .events = bystanders[i].connecting ? POLLOUT : POLLIN };
	waits[BYSTANDERS] = (struct pollfd) { .fd = *end_us == UINT64_MAX ? STDIN_FILENO : -1, .events = POLLIN };
	if (ppoll(waits, BYSTANDERS + 1, &sleep, NULL) <= 0)
		return;
	now_us = clock_us();
	for (unsigned i = 0; i < BYSTANDERS; i++) {
		if (!waits[i].revents)
			continue;
		if (bystanders[i].connecting)
			is_connected(&bystanders[i]);
		else
			receive(&bystanders[i], now_us);
	}
	if (waits[BYSTANDERS].revents) {
		(void) !read(STDIN_FILENO, order, sizeof order);
		*end_us = now_us;
	}
}

/* Those that keep their connection have one, and have used it, before it begins: none is new when there is an attack. */
static void prepare_bystanders(void)
{
	for (unsigned i = 0; i < 2; i++) {
		seen[i].waits.us = calloc(WAITS_MAX, sizeof *seen[i].waits.us);
		seen[i].late.us = calloc(WAITS_MAX, sizeof *seen[i].late.us);
		if (!seen[i].waits.us || !seen[i].late.us)
			give_up("memory");
	}
	learn(&models[0], "GET " TARGET " HTTP/1.1\r\nHost: storm\r\n\r\n");
	learn(&models[1], "GET " TARGET " HTTP/1.1\r\nHost: storm\r\nConnection: close\r\n\r\n");
	for (unsigned i = 0; i < BYSTANDERS; i++)
		bystanders[i] = (struct bystander) { .fresh = i >= KEPT, .number = i, .fd = -1, .due_us = clock_us() };
	for (uint64_t end_us = clock_us() + 1; !all_is_over(end_us);)
		turn(begin_due(end_us, 0), &end_us);
	for (unsigned i = 0; i < 2; i++) {
		struct seen *s = &seen[i];

		*s = (struct seen) { .waits.us = s->waits.us, .late.us = s->late.us };
	}
}

static const char *take_precedence(void)
{
	struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &first) == 0)
		return "real-time";
	return setpriority(PRIO_PROCESS, 0, -20) == 0 ? "nice -20" : "no precedence";
}

static void run_bystanders(void)
{
	uint64_t end_us = UINT64_MAX, last_us = 0, next_us = 0;
	char order[64];

	prepare_bystanders();
	(void) printf("ready %s\n", take_precedence());
	(void) fflush(stdout);
	(void) !read(STDIN_FILENO, order, sizeof order);
	for (unsigned i = 0; i < BYSTANDERS; i++)
		bystanders[i].due_us = clock_us() + i * EVERY_US / BYSTANDERS;
	while (!all_is_over(end_us) && (last_us == 0 || clock_us() < last_us)) {
		next_us = begin_due(end_us, next_us);
		turn(next_us, &end_us);
		if (end_us != UINT64_MAX && last_us == 0)
			last_us = end_us + TO_END_US;
	}
	for (unsigned i = 0; i < BYSTANDERS; i++)
		seen[bystanders[i].fresh].lost += bystanders[i].asking && !bystanders[i].answered;
	print_seen("kept", &seen[0]);
	print_seen("fresh", &seen[1]);
}

/* --- attackers: what each kind says ------------------------------------------------------------------------------ */

#define ASK "GET / HTTP/1.1\r\nHost: storm\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: storm\r\n"
#define ENDLESS (UINT64_C(1) << 40)
enum { PIPELINE = 60 * 1000, UPLOAD = 16 * 1024 * 1024, CHUNKS = 1000 * 1000 };

static const struct kind {
	const char *name;
	unsigned connections;
	const char *head, *unit, *tail;		/* a message is a head, so many units, a tail */
	uint64_t units;
	unsigned answers;			/* to a message */
	unsigned per_tick;			/* connections that are opened; 0: more when those before are answered */
	unsigned rest_ms;			/* one byte, and then a rest of so long; 0: as much as goes */
	bool deaf;				/* reads nothing, and begins anew when it can send nothing */
	bool again;				/* has more to say after its answers, or when its connection was ended */
} kinds[] = {
	{ .name = "unread", .connections = 100, .unit = ASK, .units = ENDLESS, .per_tick = 100, .deaf = true,
	  .again = true },
	{ .name = "pipelines", .connections = 100, .unit = ASK, .units = PIPELINE, .answers = PIPELINE, .per_tick = 100,
	  .again = true },
	{ .name = "chunks", .connections = 100, .head = POST "Transfer-Encoding: chunked\r\n\r\n", .unit = "1\r\nx\r\n",
	  .units = CHUNKS, .tail = "0\r\n\r\n", .answers = 1, .per_tick = 100, .again = true },
	{ .name = "uploads", .connections = 50, .head = POST "Content-Length: 16777216\r\n\r\n", .unit = "x",
	  .units = UPLOAD, .answers = 1, .per_tick = 50, .again = true },
	{ .name = "drips", .connections = 5000, .head = "GET / HTTP/1.1\r\nHost: storm\r\nX: ", .unit = "x",
	  .units = ENDLESS, .per_tick = 100, .rest_ms = 1000, .again = true },
	{ .name = "idle", .connections = 9500, .unit = ASK, .units = 1, .answers = 1 },
	{ .name = "full", .connections = 14000, .unit = ASK, .units = 1, .answers = 1 },
	{ .name = "queue", .connections = 1000, .unit = ASK, .units = 1, .answers = 1, .per_tick = 2 },
};

enum { KINDS = sizeof kinds / sizeof *kinds, GROUP = 64 };

struct attacker {
	int fd;					/* -1: not connected */
	uint32_t wants;				/* as epoll was told */
	bool opened, ended, satisfied;		/* once; by the server; with all answers */
	uint64_t sent;				/* of the message */
	uint64_t received;
	uint64_t moved_ms;
};

static const struct kind *kind;
static unsigned n_attackers, n_opened, n_waiting;	/* waiting: opened and not answered, nor ended */
static struct attacker *attackers;
static char units[BUFFER];
static size_t units_length, head_length, unit_length, tail_length, answer_length;
static int epoll_fd;
static struct { uint64_t connected, refused, messages, sent, received, wrong, ended, reset; } counts;

static uint64_t message_length(void)
{
	return head_length + kind->units * unit_length + tail_length;
}

/* The bytes of the message from there on, or some of them. */
static const char *bytes_at(uint64_t at, size_t *ret_length)
{
	uint64_t in_units;

	if (at < head_length) {
		*ret_length = head_length - at;
		return kind->head + at;
	}
	at -= head_length;
	in_units = kind->units * unit_length;
	if (at < in_units) {
		*ret_length = units_length - at % units_length;
		if (*ret_length > in_units - at)
			*ret_length = in_units - at;
		return units + at % units_length;
	}
	at -= in_units;
	*ret_length = tail_length - at;
	return kind->tail + at;
}

static void prepare_message(void)
{
	struct answer answer = { 0 };

	head_length = kind->head ? strlen(kind->head) : 0;
	unit_length = strlen(kind->unit);
	tail_length = kind->tail ? strlen(kind->tail) : 0;
	while (units_length + unit_length <= sizeof units) {
		memcpy(units + units_length, kind->unit, unit_length);
		units_length += unit_length;
	}
	learn(&answer, ASK);
	answer_length = answer.length;
}

/* --- attackers: their connections -------------------------------------------------------------------------------- */

/* What is left to say is said, and what is said to us is read; a rest ends by itself. */
static void want(struct attacker *a)
{
	uint32_t what = kind->deaf ? 0 : EPOLLIN;
	struct epoll_event event = { .data.ptr = a };

	if (a->sent < message_length() && (kind->rest_ms == 0 || a->sent == 0))
		what |= EPOLLOUT;
	if (what == a->wants)
		return;
	event.events = a->wants = what;
	(void) epoll_ctl(epoll_fd, EPOLL_CTL_MOD, a->fd, &event);
}

static void forget(struct attacker *a)
{
	n_waiting -= !a->satisfied && !a->ended;
	(void) close(a->fd);
	a->fd = -1;
}

/* Addresses of its own for each kind, or there would not be ports enough. */
static struct sockaddr_in own_address(void)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t) (kind - kinds)),
	};
}

static void attacker_open(struct attacker *a, uint64_t now_ms)
{
	struct sockaddr_in own = own_address(), at = server_address();
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = a };
	int one = 1, buffer = DEAF_BUFFER;

	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		give_up("socket");
	(void) setsockopt(a->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	(void) setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (kind->deaf)
		(void) setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	n_opened += !a->opened;
	a->opened = true;
	a->ended = a->satisfied = false;
	a->sent = a->received = 0;
	a->moved_ms = now_ms;
	a->wants = EPOLLOUT;
	n_waiting++;
	if (bind(a->fd, (struct sockaddr *) &own, sizeof own) < 0 ||
	    (connect(a->fd, (struct sockaddr *) &at, sizeof at) < 0 && errno != EINPROGRESS)) {
		counts.refused++;
		forget(a);
		a->ended = true;
		return;
	}
	counts.connected++;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, a->fd, &event) < 0)
		give_up("epoll_ctl");
}

static void attacker_ended(struct attacker *a, int error)
{
	if (error == ECONNREFUSED)
		counts.refused++;
	else if (error)
		counts.reset++;
	else
		counts.ended++;
	forget(a);
	a->ended = true;
}

/* Returns whether it may have more to send now. */
static bool send_piece(struct attacker *a, uint64_t now_ms)
{
	size_t length;
	const char *bytes = bytes_at(a->sent, &length);
	ssize_t n = send(a->fd, bytes, kind->rest_ms ? 1 : length, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			attacker_ended(a, errno);
		return false;
	}
	a->sent += (uint64_t) n;
	a->moved_ms = now_ms;
	counts.sent += (uint64_t) n;
	return (size_t) n == length && a->sent < message_length();
}

/* Lengths alone are looked at: whoever checks all bytes of so many answers has no time left for an attack. */
static void attacker_receive(struct attacker *a)
{
	static char bytes[256 * 1024];
	ssize_t n = recv(a->fd, bytes, sizeof bytes, MSG_TRUNC);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		attacker_ended(a, n < 0 ? errno : 0);
		return;
	}
	a->received += (uint64_t) n;
	counts.received += (uint64_t) n;
	if (a->received < kind->answers * answer_length || a->satisfied)
		return;
	if (kind->answers == 0)		/* told that it is too slow; the end follows */
		return;
	counts.messages++;
	counts.wrong += a->received > kind->answers * answer_length || a->sent < message_length();
	if (kind->again) {
		a->sent = a->received = 0;
		return;
	}
	a->satisfied = true;
	n_waiting--;
}

static void attack(struct attacker *a, uint32_t events, uint64_t now_ms)
{
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
		int error = 0;
		socklen_t length = sizeof error;

		(void) getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		attacker_ended(a, error);
		return;
	}
	if (events & EPOLLOUT)
		for (int i = 0; i < PIECES && send_piece(a, now_ms); i++)
			;
	if (a->fd >= 0 && events & EPOLLIN)
		attacker_receive(a);
	if (a->fd >= 0)
		want(a);
}

/* Opens what is to be opened, and stirs who rests. */
static void tick(uint64_t now_ms)
{
	unsigned at_once = kind->per_tick ? kind->per_tick : n_waiting == 0 ? GROUP : 0;

	for (unsigned i = 0; i < n_attackers && at_once > 0; i++) {
		struct attacker *a = &attackers[i];

		if (a->fd >= 0 || (a->opened && !kind->again))
			continue;
		attacker_open(a, now_ms);
		at_once--;
	}
	if (!kind->rest_ms && !kind->deaf)
		return;
	for (unsigned i = 0; i < n_attackers; i++) {
		struct attacker *a = &attackers[i];

		if (a->fd < 0)
			continue;
		if (kind->rest_ms && a->sent > 0 && now_ms - a->moved_ms >= kind->rest_ms)
			(void) send_piece(a, now_ms);
		else if (kind->deaf && now_ms - a->moved_ms >= STALLED_MS)
			attacker_ended(a, 0);
	}
}

static void print_counts(void)
{
	unsigned newest_ended = 0, oldest_open = n_attackers;	/* which groups: within one there is no order */

	for (unsigned i = 0; i < n_attackers; i++) {
		if (attackers[i].ended)
			newest_ended = i;
		else if (i < oldest_open)
			oldest_open = i;
	}
	(void) printf("connected %" PRIu64 " refused %" PRIu64 " messages %" PRIu64 " sent %" PRIu64 " received %" PRIu64
		      " wrong %" PRIu64 " ended %" PRIu64 " reset %" PRIu64 " newest_ended %u oldest_open %u\n", counts.connected,
		      counts.refused, counts.messages, counts.sent, counts.received, counts.wrong, counts.ended,
		      counts.reset, newest_ended / GROUP, oldest_open / GROUP);
}

/* Returns false when the standard input has ended. */
static bool attack_turn(uint64_t now_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, TICK_MS);

	for (int i = 0; i < n; i++) {
		struct attacker *a = events[i].data.ptr;

		if (!a)
			return false;
		attack(a, events[i].events, now_ms);
	}
	return true;
}

static void run_attack(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLHUP };
	uint64_t now_ms = clock_us() / 1000, end_ms = now_ms + ATTACK_MAX_MS, ticked_ms = 0;
	bool ready = false;

	prepare_message();
	(void) setpriority(PRIO_PROCESS, 0, 19);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	attackers = calloc(n_attackers, sizeof *attackers);
	if (!attackers || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
		give_up("the attack");
	for (unsigned i = 0; i < n_attackers; i++)
		attackers[i].fd = -1;
	do {
		now_ms = clock_us() / 1000;
		if (now_ms - ticked_ms >= TICK_MS || (kind->per_tick == 0 && n_waiting == 0 && !ready)) {
			tick(now_ms);
			ticked_ms = now_ms;
		}
		if (!ready && n_opened == n_attackers && (kind->again || n_waiting == 0)) {
			ready = true;
			(void) printf("ready\n");
			(void) fflush(stdout);
		}
	} while (attack_turn(now_ms) && now_ms < end_ms);
	print_counts();
}

static void open_all_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		(void) fprintf(stderr, "Usage: storm PORT bystanders | ATTACK [CONNECTIONS]\n");
		return 2;
	}
	port = (uint16_t) atoi(argv[1]);
	open_all_descriptors();
	if (strcmp(argv[2], "bystanders") == 0) {
		run_bystanders();
		return 0;
	}
	for (kind = kinds; kind < kinds + KINDS && strcmp(kind->name, argv[2]) != 0; kind++)
		;
	if (kind == kinds + KINDS) {
		(void) fprintf(stderr, "storm: no attack of that name: %s\n", argv[2]);
		return 2;
	}
	n_attackers = argc > 3 ? (unsigned) atoi(argv[3]) : kind->connections;
	run_attack();
	return 0;
}
