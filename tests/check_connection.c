/* SPDX-License-Identifier: MIT */
/*
 * Connections, as their clients see them: over real sockets, in both worker modes, on TCP and on unix sockets.
 * Linked with -Wl,--wrap=accept4, so that a worker can be out of descriptors, and with -Wl,--wrap=clock_gettime, so that
 * time passes for it when a test says so, and no test is wrong on a machine that is slow.
 */
#undef NDEBUG
#include "http/variables.h"
#include "http_fixture.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

enum { LONG_BODY = 5 << 20, SMALL_BUFFER = 4096 };

static const struct slice hello = { "hello\n", 6 };
static struct site site;
static char *long_body;			/* LONG_BODY bytes of a pattern */

static _Atomic int accept_error;	/* errno that accept4 fails with; 0: the real one is called */
static _Atomic unsigned accepts_failed;

static _Atomic uint64_t passed_ms;	/* CLOCK_MONOTONIC is so much ahead */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	uint64_t ms = atomic_load(&passed_ms);
	int r = __real_clock_gettime(clock, ret);

	if (r == 0 && clock == CLOCK_MONOTONIC) {
		ret->tv_sec += (time_t) (ms / 1000);
		ret->tv_nsec += (long) (ms % 1000) * 1000000;
		if (ret->tv_nsec >= 1000000000) {
			ret->tv_sec++;
			ret->tv_nsec -= 1000000000;
		}
	}
	return r;
}

int __real_accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags);

int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
	int error = atomic_load(&accept_error);

	if (error) {
		atomic_fetch_add(&accepts_failed, 1);
		errno = error;
		return -1;
	}
	return __real_accept4(fd, peer, length, flags);
}

static void setup(void)
{
	atomic_store(&accept_error, 0);
	atomic_store(&accepts_failed, 0);
	atomic_store(&passed_ms, 0);
	long_body = make_pattern(LONG_BODY, 1);
}

static void teardown(void)
{
	free(long_body);
	if (site.server)
		site_close(&site);
}

/* The usual site: a short answer, and limits that nobody meets. */
static void open_site(int way)
{
	struct http_answer answer = answer_with(hello);

	site_open(&site, way, &generous_limits, &answer);
}

static struct slice whole_long_body(void)
{
	return (struct slice) { long_body, LONG_BODY };
}

static void open_long_site(int way)
{
	struct http_answer answer = answer_with(whole_long_body());

	site_open(&site, way, &generous_limits, &answer);
}

static void open_limited_site(int way, const struct http_limits *limits)
{
	struct http_answer answer = answer_with(hello);

	site_open(&site, way, limits, &answer);
}

/* Whether any connection has memory beside its record. */
static bool is_anything_spilled(void)
{
	const struct records *records = &site.server->records;
	off_t at = lseek(records->fd, records->spills - records->base, SEEK_DATA);

	ck_assert(at >= 0 || errno == ENXIO);
	return at >= 0;
}

/* --- requests and their pieces ----------------------------------------------------------------------------------- */

START_TEST(a_connection_is_kept_for_further_requests)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 100; i++) {
		struct reply reply;

		say(&client, GET);
		reply = hear_reply(&client, 200, hello);
		ck_assert(!reply.close && !reply.keep_alive);
	}
	ck_assert_uint_eq(atomic_load(&site.server->requests), 100);
	client_close(&client);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(an_answer_says_the_time_of_now)
{
	struct client client;
	struct reply reply;
	struct tm tm = { 0 };
	time_t before = time(NULL);
	time_t said;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET);
	reply = hear_reply(&client, 200, hello);
	ck_assert_ptr_nonnull(strptime(field_of(&reply, "\r\nDate: "), "%a, %d %b %Y %H:%M:%S GMT", &tm));
	said = timegm(&tm);
	ck_assert_int_ge(said, before - 1);	/* the coarse clock is late by a tick */
	ck_assert_int_le(said, time(NULL));
	client_close(&client);
}
END_TEST

START_TEST(a_thousand_requests_in_one_write_are_answered)
{
	struct client client;
	char *requests = malloc(1000 * (sizeof GET - 1));

	open_site(_i);
	for (size_t i = 0; i < 1000; i++)
		memcpy(requests + i * (sizeof GET - 1), GET, sizeof GET - 1);
	client_open(&client, &site);
	say_bytes(&client, requests, 1000 * (sizeof GET - 1));
	for (int i = 0; i < 1000; i++)
		hear_reply(&client, 200, hello);
	turn_over(&site);
	ck_assert(is_quiet(&client));
	client_close(&client);
	free(requests);
}
END_TEST

START_TEST(a_head_may_be_cut_at_any_byte)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (size_t at = 1; at < sizeof GET - 1; at++) {
		say_bytes(&client, GET, at);
		turn_over(&site);
		ck_assert(is_quiet(&client));
		say_bytes(&client, &GET[at], sizeof GET - 1 - at);
		hear_reply(&client, 200, hello);
	}
	client_close(&client);
}
END_TEST

START_TEST(two_requests_may_be_cut_at_any_byte)
{
	static const char two[] = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"
				  "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (size_t at = 1; at < sizeof two - 1; at++) {
		say_bytes(&client, two, at);
		turn_over(&site);
		say_bytes(&client, two + at, sizeof two - 1 - at);
		hear_reply(&client, 200, hello);
		hear_reply_to(&client, true, 200, hello);
	}
	client_close(&client);
}
END_TEST

/* A request with a header of so many bytes: lines of 128. */
static char *make_large(size_t header, size_t line, size_t *ret_length)
{
	char *bytes = malloc(line + header + 64);
	char *at = bytes;

	at = stpcpy(at, "GET /");
	memset(at, 'p', line);
	at = stpcpy(at + line, " HTTP/1.1\r\n");
	*ret_length = (size_t) (at - bytes);
	at = stpcpy(at, "Host: a\r\n");
	while ((size_t) (at - bytes) - *ret_length + 128 <= header) {
		at = stpcpy(at, "X: ");
		memset(at, 'v', 123);
		at = stpcpy(at + 123, "\r\n");
	}
	at = stpcpy(at, "\r\n");
	*ret_length = (size_t) (at - bytes);
	return bytes;
}

static const struct { size_t header, line; } larges[] = {
	{ 16000, 10 },
	{ 16384, 10 },
	{ 20000, 10 },
	{ 100000, 10 },
	{ HTTP_HEADER_MAX, 10 },
	{ 1000, HTTP_REQUEST_LINE_MAX - 20 },
	{ HTTP_HEADER_MAX, HTTP_REQUEST_LINE_MAX - 20 },
};

START_TEST(a_head_may_be_larger_than_one_read)
{
	for (size_t i = 0; i < sizeof larges / sizeof *larges; i++) {
		size_t length;
		char *large = make_large(larges[i].header, larges[i].line, &length);
		struct client client;

		if (i == 0)
			open_site(_i);
		client_open(&client, &site);
		for (int j = 0; j < 3; j++) {		/* alone, */
			say_bytes(&client, large, length);
			hear_reply(&client, 200, hello);
		}
		for (int j = 0; j < 3; j++) {		/* behind others and before others */
			say(&client, GET GET);
			say_bytes(&client, large, length);
			say(&client, GET);
			say_bytes(&client, large, length);
		}
		for (int j = 0; j < 3 * 5; j++)
			hear_reply(&client, 200, hello);
		client_close(&client);
		free(large);
	}
}
END_TEST

START_TEST(a_head_beyond_the_limits_is_refused)
{
	static const struct { size_t header, line; unsigned status; } cases[] = {
		{ HTTP_HEADER_MAX + 1024, 10, 431 },
		{ 1000, HTTP_REQUEST_LINE_MAX, 414 },
	};

	for (size_t i = 0; i < 2; i++) {
		size_t length;
		char *large = make_large(cases[i].header, cases[i].line, &length);
		struct client client;

		if (i == 0)
			open_site(_i);
		client_open(&client, &site);
		say(&client, GET);
		say_bytes(&client, large, length);
		hear_reply(&client, 200, hello);
		hear_error(&client, cases[i].status);
		hear_end(&client);
		client_close(&client);
		free(large);
	}
}
END_TEST

START_TEST(empty_lines_before_a_request_are_skipped)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "\r\n");
	turn_over(&site);
	say(&client, GET "\r\n" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(an_old_client_is_served_and_left)
{
	struct client client;
	struct reply reply;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "GET / HTTP/1.0\r\n\r\n");
	reply = hear_reply(&client, 200, hello);
	ck_assert(reply.close && reply.minor == 1);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(an_old_client_that_asks_for_it_is_kept)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 3; i++) {
		say(&client, "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab");
		ck_assert(hear_reply(&client, 200, hello).keep_alive);
	}
	say(&client, GET);
	ck_assert(!hear_reply(&client, 200, hello).keep_alive);
	client_close(&client);
}
END_TEST

START_TEST(who_asks_for_a_close_gets_one_answer_and_a_clean_end)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET GET_CLOSE GET GET GET);
	ck_assert(!hear_reply(&client, 200, hello).close);
	ck_assert(hear_reply(&client, 200, hello).close);
	hear_end(&client);
	client_close(&client);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(the_last_request_that_is_allowed_says_that_it_is)
{
	struct http_limits limits = generous_limits;
	struct client client;

	limits.max_requests = 3;
	open_limited_site(_i, &limits);
	client_open(&client, &site);
	say(&client, GET GET GET GET GET);
	ck_assert(!hear_reply(&client, 200, hello).close);
	ck_assert(!hear_reply(&client, 200, hello).close);
	ck_assert(hear_reply(&client, 200, hello).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(an_answer_to_head_has_no_content_even_if_it_is_an_error)
{
	struct client client;
	struct reply reply;

	open_site(_i);
	client_open(&client, &site);
	say(&client, HEAD "HEAD / HTTP/1.1\r\n\r\n");
	hear_reply_to(&client, true, 200, hello);
	hear_head(&client, &reply);
	ck_assert_uint_eq(reply.status, 400);
	ck_assert_uint_gt(reply.length, 0);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(methods_of_their_own_are_answered_and_the_connection_kept)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	hear_reply(&client, 200, SLICE(""));
	hear_reply(&client, 405, SLICE("405 Method Not Allowed\n"));
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(an_answer_without_content_has_no_length)
{
	struct http_answer answer = { .status = 204, .content_type = SLICE("text/html") };
	struct client client;

	site_open(&site, _i, &generous_limits, &answer);
	client_open(&client, &site);
	say(&client, GET GET);
	for (int i = 0; i < 2; i++) {
		struct reply reply;

		hear_head(&client, &reply);
		ck_assert_uint_eq(reply.status, 204);
		ck_assert(!reply.has_length);
	}
	client_close(&client);
}
END_TEST

/* --- content ----------------------------------------------------------------------------------------------------- */

static const size_t lengths[] = {
	0, 1, 16383, 16384, 16385, 2 * 16384, 262143, 262144, 262145, 1 << 20, 4 * 262144 + 1,
};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static void say_put(struct client *client, size_t length)
{
	char head[128];

	(void) snprintf(head, sizeof head, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", length);
	say(client, head);
}

START_TEST(content_of_any_length_ends_where_the_next_request_begins)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < N_LENGTHS; i++) {
		size_t n = lengths[i];
		char *bytes = malloc(n + 256);
		size_t head;

		/* In one write, with requests before and behind it. */
		head = (size_t) snprintf(bytes, 128, GET "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", n);
		memset(bytes + head, 'G', n);
		memcpy(bytes + head + n, GET, sizeof GET - 1);
		say_bytes(&client, bytes, head + n + sizeof GET - 1);
		for (int j = 0; j < 3; j++)
			hear_reply(&client, 200, hello);

		/* The head, the content and the next request each in a write of its own. */
		say_put(&client, n);
		turn_over(&site);
		say_bytes(&client, bytes + head, n);
		hear_reply(&client, 200, hello);
		say(&client, GET);
		hear_reply(&client, 200, hello);

		/* The next request in the write of the content. */
		say_put(&client, n);
		turn_over(&site);
		say_bytes(&client, bytes + head, n + sizeof GET - 1);
		hear_reply(&client, 200, hello);
		hear_reply(&client, 200, hello);
		free(bytes);
	}
	client_close(&client);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(chunks_of_any_length_end_where_the_next_request_begins)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 1; i < N_LENGTHS; i++) {
		size_t n = lengths[i];
		char *bytes = malloc(3 * n + 512);
		char *at = stpcpy(bytes, GET "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");

		for (int j = 0; j < 3; j++) {
			at += sprintf(at, "%zx;a=b\r\n", n);
			memset(at, '0', n);
			at = stpcpy(at + n, "\r\n");
		}
		at = stpcpy(at, "0\r\nX: y\r\n\r\n" GET);
		say_bytes(&client, bytes, (size_t) (at - bytes));
		for (int j = 0; j < 3; j++)
			hear_reply(&client, 200, hello);
		free(bytes);
	}
	client_close(&client);
}
END_TEST

START_TEST(chunks_of_one_byte_are_read)
{
	static const char chunk[] = "1\r\nx\r\n";
	enum { CHUNKS = 50000 };
	char *bytes = malloc(CHUNKS * (sizeof chunk - 1));
	struct client client;

	open_site(_i);
	for (size_t i = 0; i < CHUNKS; i++)
		memcpy(bytes + i * (sizeof chunk - 1), chunk, sizeof chunk - 1);
	client_open(&client, &site);
	for (int i = 0; i < 2; i++) {
		say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
		say_bytes(&client, bytes, CHUNKS * (sizeof chunk - 1));
		say(&client, "0\r\n\r\n");
	}
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
	free(bytes);
}
END_TEST

START_TEST(too_much_content_is_refused)
{
	struct http_limits limits = generous_limits;
	struct client client;

	limits.max_body = 10;
	open_limited_site(_i, &limits);
	client_open(&client, &site);
	say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
		     "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890" GET);
	hear_reply(&client, 200, hello);
	hear_error(&client, 413);
	hear_end(&client);
	client_close(&client);

	client_open(&client, &site);
	say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "5\r\n01234\r\n5\r\n01234\r\n1\r\n0\r\n0\r\n\r\n" GET);
	hear_error(&client, 413);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(malformed_chunks_are_refused_and_nothing_behind_them_is_served)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n" GET);
	hear_error(&client, 400);
	hear_end(&client);
	client_close(&client);
	ck_assert_uint_eq(atomic_load(&site.server->requests), 1);
}
END_TEST

/* --- Expect: 100-continue ---------------------------------------------------------------------------------------- */

#define PUT_EXPECT "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

START_TEST(who_waits_for_it_is_told_to_continue)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 3; i++) {
		say(&client, PUT_EXPECT);
		hear(&client, CONTINUE);
		say(&client, "01234");
		hear_reply(&client, 200, hello);
	}
	client_close(&client);
}
END_TEST

START_TEST(who_has_not_waited_is_not_told_to_continue)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, PUT_EXPECT "01234" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(continue_comes_behind_the_answers_before_it)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET GET PUT_EXPECT);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	hear(&client, CONTINUE);
	say(&client, "01234" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(continue_comes_behind_a_long_answer_that_waits)
{
	struct client client;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET PUT_EXPECT);
	turn_over(&site);
	hear_reply(&client, 200, whole_long_body());
	hear(&client, CONTINUE);
	say(&client, "01234");
	hear_reply(&client, 200, whole_long_body());
	client_close(&client);
}
END_TEST

START_TEST(who_is_refused_is_not_told_to_continue)
{
	struct http_answer answer = { .status = 503, .body = SLICE("back at ten\n") };
	struct client client;

	site_open(&site, _i, &generous_limits, &answer);
	client_open(&client, &site);
	say(&client, PUT_EXPECT);
	ck_assert(hear_reply(&client, 503, answer.body).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(too_much_content_is_refused_before_it_is_sent)
{
	struct http_limits limits = generous_limits;
	struct client client;

	limits.max_body = 4;
	open_limited_site(_i, &limits);
	client_open(&client, &site);
	say(&client, PUT_EXPECT);
	hear_error(&client, 413);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(an_expectation_in_chunks_is_met_too)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
	hear(&client, CONTINUE);
	say(&client, "1\r\nx\r\n0\r\n\r\n" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

/* --- long answers and clients that do not read ------------------------------------------------------------------- */

START_TEST(long_answers_are_whole_and_in_order)
{
	struct client client;

	open_long_site(_i);
	client_open(&client, &site);
	say(&client, GET HEAD GET HEAD GET);
	hear_reply(&client, 200, whole_long_body());
	hear_reply_to(&client, true, 200, whole_long_body());
	hear_reply(&client, 200, whole_long_body());
	hear_reply_to(&client, true, 200, whole_long_body());
	hear_reply(&client, 200, whole_long_body());
	client_close(&client);
}
END_TEST

/* A body is copied with its head up to SERVER_SHORT_BODY and sent from the image beyond. */
START_TEST(answers_around_every_edge_are_whole)
{
	static const uint32_t edges[] = { 0, 1, SERVER_SHORT_BODY - 1, SERVER_SHORT_BODY, SERVER_SHORT_BODY + 1,
					  65536, 262143, 262144, 262145, 2 * 262144 };

	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
		struct slice body = { long_body, edges[i] };
		struct http_answer answer = answer_with(body);
		struct client client;

		site_open(&site, _i, &generous_limits, &answer);
		client_open(&client, &site);
		for (int j = 0; j < 20; j++)
			say(&client, GET HEAD);
		for (int j = 0; j < 20; j++) {
			hear_reply(&client, 200, body);
			hear_reply_to(&client, true, 200, body);
		}
		say(&client, GET_CLOSE GET);
		ck_assert(hear_reply(&client, 200, body).close);
		hear_end(&client);
		client_close(&client);
		site_close(&site);
	}
}
END_TEST

START_TEST(a_slow_reader_gets_every_byte)
{
	struct slice body = { long_body, 1 << 20 };
	struct http_answer answer = answer_with(body);
	struct client client;
	struct reply reply;

	site_open(&site, _i, &generous_limits, &answer);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET GET_CLOSE);
	for (int i = 0; i < 2; i++) {
		hear_head(&client, &reply);
		for (size_t at = 0; at < body.length; at += 4096) {
			hear_bytes(&client, body.at + at, 4096);
			if (at % 65536 == 0)
				turn_over(&site);
		}
	}
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* The client asks and does not read: at some point the server must read no more.  How much it took is what the
 * kernel holds for both plus at most one read.  Requests are large, so that not too many are answered. */
START_TEST(a_server_whose_answers_wait_reads_no_more)
{
	enum { MOST = 256 << 20, REQUESTS = 100 };
	struct slice body = { long_body, 10000 };
	struct http_answer answer = answer_with(body);
	struct client client;
	size_t length;
	char *one = make_large(8000, 10, &length);
	char *requests = malloc(REQUESTS * length);
	size_t said = 0;

	for (size_t i = 0; i < REQUESTS; i++)
		memcpy(requests + i * length, one, length);
	site_open(&site, _i, &generous_limits, &answer);
	client_open(&client, &site);
	while (said < MOST) {
		struct pollfd waits = { .fd = client.fd, .events = POLLOUT };
		size_t at = said % (REQUESTS * length);
		ssize_t n = send(client.fd, requests + at, REQUESTS * length - at, MSG_NOSIGNAL);

		if (n > 0) {
			said += (size_t) n;
			continue;
		}
		ck_assert_int_eq(errno, EAGAIN);
		turn_over(&site);
		if (poll(&waits, 1, 200) == 0)	/* only how long we try; less said is nothing wrong */
			break;
	}
	ck_assert_uint_lt(said, MOST);
	ck_assert_uint_gt(said / length, 10);

	/* All of it is answered, in the end the request that was cut off. */
	client_end(&client);
	for (size_t i = 0; i < said / length; i++)
		hear_reply(&client, 200, body);
	if (said % length > 0)
		hear_error(&client, 400);
	hear_end(&client);
	client_close(&client);
	free(requests);
	free(one);
}
END_TEST

/* --- how connections end ----------------------------------------------------------------------------------------- */

START_TEST(after_a_half_close_every_request_is_answered)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 200; i++)
		say(&client, GET);
	client_end(&client);
	for (int i = 0; i < 200; i++)
		hear_reply(&client, 200, hello);
	hear_end(&client);
	client_close(&client);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(after_a_half_close_long_answers_are_whole)
{
	struct client client;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET GET GET);
	client_end(&client);
	turn_over(&site);
	for (int i = 0; i < 3; i++)
		hear_reply(&client, 200, whole_long_body());
	hear_end(&client);
	client_close(&client);
}
END_TEST

static const char *const halves[] = {
	"G",
	"GET / HTTP/1.1\r\nHost: a\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n\r",
	"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
	"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
	"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
};

START_TEST(half_a_request_is_answered_400)
{
	open_site(_i);
	for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
		for (int later = 0; later < 2; later++) {
			struct client client;

			client_open(&client, &site);
			say(&client, GET);
			say(&client, halves[i]);
			if (later)
				turn_over(&site);
			client_end(&client);
			hear_reply(&client, 200, hello);
			hear_error(&client, 400);
			hear_end(&client);
			client_close(&client);
		}
	}
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(a_client_that_says_nothing_and_ends_is_left)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	client_end(&client);
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* The kernel would answer unread bytes with a reset, and that would take the answer from the client. */
START_TEST(an_answer_is_not_lost_when_more_comes_than_was_wanted)
{
	static const char *const lasts[] = { "BAD\r\n\r\n", GET_CLOSE, "GET / HTTP/1.0\r\n\r\n" };

	open_site(_i);
	for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) {
		char piece[1024];
		struct client client;
		struct reply reply;

		memset(piece, 'x', sizeof piece);
		memcpy(piece, lasts[i], strlen(lasts[i]));
		client_open(&client, &site);
		say_bytes(&client, piece, sizeof piece);
		for (int j = 0; j < 50; j++) {
			say_bytes(&client, piece, sizeof piece);
			if (j % 10 == 0)
				turn_over(&site);
		}
		hear_head(&client, &reply);
		ck_assert(reply.close);
		hear_bytes(&client, i == 0 ? "400 Bad Request\n" : hello.at, reply.length);
		hear_end(&client);
		client_close(&client);
	}
	wait_for_standing(&site, 0);
}
END_TEST

/* While the answer waited for the client nothing was read; the bytes that came meanwhile were told by no event that
 * anybody awaited. */
START_TEST(a_long_last_answer_is_not_lost_when_more_comes_while_it_waits)
{
	struct slice body = { long_body, 250000 };	/* one share of a turn: what waits is the end of it */
	struct http_answer answer = answer_with(body);
	struct client client;

	site_open(&site, _i, &generous_limits, &answer);
	ck_assert_int_eq(setsockopt(site.listener, SOL_SOCKET, SO_SNDBUF, &(int) { SMALL_BUFFER }, sizeof(int)), 0);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET_CLOSE);
	client_wait(&client, POLLIN);
	turn_over(&site);
	turn_over(&site);
	say(&client, GET);
	ck_assert(hear_reply(&client, 200, body).close);
	hear_end(&client);
	client_close(&client);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(a_client_that_does_not_stop_talking_is_left)
{
	struct client client;
	char piece[4096];

	memset(piece, 'x', sizeof piece);
	open_site(_i);
	client_open(&client, &site);
	say(&client, "BAD\r\n\r\n");
	for (;;) {
		ssize_t n = send(client.fd, piece, sizeof piece, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;		/* reset: that is how such a one learns it */
		if (n < 0)
			client_wait(&client, POLLOUT);
	}
	wait_for_standing(&site, 0);
	client_close(&client);
}
END_TEST

START_TEST(a_client_may_reset_at_any_moment)
{
	static const char *const befores[] = {
		"", "G", GET, GET GET "GET /", GET_CLOSE, "BAD\r\n\r\n", PUT_EXPECT, PUT_EXPECT "ab",
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
	};

	open_long_site(_i);
	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < sizeof befores / sizeof *befores; i++) {
			struct client client;

			client_open(&client, &site);
			say(&client, befores[i]);
			if (round % 3 == 1)
				turn_over(&site);
			if (round % 3 == 2 && strncmp(befores[i], GET, 20) == 0)
				client_wait(&client, POLLIN);
			client_reset(&client);
		}
	}
	wait_for_standing(&site, 0);
}
END_TEST

/* --- timeouts ---------------------------------------------------------------------------------------------------- */

/* Half of the time that a client is given for anything. */
enum { HALF_MS = PATIENCE_MS / 2 };

/* The worker has done what there was to do, and then so much time passes. */
static void pass(unsigned ms)
{
	turn_over(&site);
	turn_over(&site);
	atomic_fetch_add(&passed_ms, ms);
	turn_over(&site);
}

START_TEST(a_silent_client_is_left)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	pass(HALF_MS);
	ck_assert(is_quiet(&client));
	pass(HALF_MS);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(half_a_head_is_answered_408)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "GET / HTTP/1.1\r\nHost: ");
	pass(HALF_MS);
	ck_assert(is_quiet(&client));
	pass(HALF_MS);
	hear_error(&client, 408);
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* The time for a head begins with its first byte. */
START_TEST(half_a_head_behind_another_request_is_answered_408)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, GET);
	hear_reply(&client, 200, hello);
	pass(HALF_MS);
	say(&client, "G");
	pass(HALF_MS);
	ck_assert(is_quiet(&client));
	pass(HALF_MS);
	hear_error(&client, 408);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(half_a_content_is_answered_408)
{
	open_site(_i);
	for (size_t i = 3; i < sizeof halves / sizeof *halves; i++) {
		struct client client;

		client_open(&client, &site);
		say(&client, halves[i]);
		pass(HALF_MS);
		ck_assert(is_quiet(&client));
		pass(HALF_MS);
		hear_error(&client, 408);
		hear_end(&client);
		client_close(&client);
	}
}
END_TEST

START_TEST(an_idle_client_is_left)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	for (int i = 0; i < 3; i++) {
		say(&client, GET);
		hear_reply(&client, 200, hello);
		pass(HALF_MS);
		ck_assert(is_quiet(&client));
	}
	pass(HALF_MS);
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* What the kernel took into the client's buffer after the server began to wait is progress, once. */
START_TEST(who_does_not_read_is_left)
{
	struct client client;
	struct reply reply;
	ssize_t n;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET GET GET);
	client_wait(&client, POLLIN);
	for (uint64_t began_ms = clock_ms(); atomic_load(&site.server->standing) > 0;) {
		ck_assert_uint_lt(clock_ms() - began_ms, 100 * PATIENCE_MS);
		pass(PATIENCE_MS);
		(void) poll(NULL, 0, 1);
	}
	hear_head(&client, &reply);
	do {
		client.start = client.end;
		n = receive_more(&client);
	} while (n > 0);
	client_close(&client);
}
END_TEST

/* Some bytes at a time: a drip, and pieces that fill a read exactly, behind which there may be more. */
static const size_t drips[] = { 1, 100, RECORDS_READ_MAX };

START_TEST(a_drip_does_not_extend_the_time_for_a_head)
{
	char piece[RECORDS_READ_MAX];
	struct client client;
	int i;

	for (size_t at = 0; at < sizeof piece; at += 128) {
		memset(piece + at, 'x', 128);
		memcpy(piece + at, "\r\nX: ", 5);
	}
	open_site(_i % WAYS);
	client_open(&client, &site);
	say(&client, "GET / HTTP/1.1");
	for (i = 0; i < 15 && is_quiet(&client); i++) {
		say_bytes(&client, piece + (size_t) i * drips[_i / WAYS] % sizeof piece, drips[_i / WAYS]);
		pass(PATIENCE_MS / 5);
	}
	ck_assert_int_ge(i, 4);
	ck_assert_int_le(i, 6);
	hear_error(&client, 408);
	client_close(&client);
}
END_TEST

START_TEST(content_that_goes_on_coming_is_waited_for)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say_put(&client, 40);
	for (int i = 0; i < 40; i++) {
		pass(HALF_MS);
		ck_assert(is_quiet(&client));
		say(&client, "x");
	}
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

/* A client that reads steadily makes progress, though the kernel, whose buffer is large, does not ask us for more for
 * a long time. */
START_TEST(who_reads_slowly_is_waited_for)
{
	enum { PIECE = 128 * 1024 };
	struct client client;
	struct reply reply;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET_CLOSE);
	hear_head(&client, &reply);
	for (size_t at = 0; at < LONG_BODY; at += PIECE) {
		pass(HALF_MS);
		hear_bytes(&client, long_body + at, PIECE);
	}
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* --- answers that are due later, and such that repeat something of their request --------------------------------- */

enum { DELAY_MS = 5000 };

static const struct http_field location[] = {
	{ { "Location", 8 }, { "https://${host}${target}", 24 } }, { { "X-Id", 4 }, { "${request_id}", 13 } },
};

static void open_routes_site(int way)
{
	const struct http_answer redirect = {
		.status = 201, .content_type = SLICE("text/plain"), .fields = location, .n_fields = 2, .body = SLICE("there"),
	};
	struct route_setting routes[] = {
		{ .on = ROUTE_ALWAYS, .answer = answer_with(hello) },
		{ .path = SLICE("/slow"), .delay_ms = DELAY_MS, .answer = answer_with(SLICE("slow")) },
		{ .path = SLICE("/slower"), .delay_ms = 2 * DELAY_MS + 777, .answer = answer_with(SLICE("slower")) },
		{ .path = SLICE("/long"), .delay_ms = 1, .answer = answer_with(whole_long_body()) },
		{ .path = SLICE("/refused"), .delay_ms = DELAY_MS, .answer = answer_with(SLICE("no")) },
		{ .path = SLICE("/to/"), .prefix = true, .answer = redirect },
		{ .path = SLICE("/later/"), .prefix = true, .delay_ms = DELAY_MS, .answer = redirect },
	};

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		routes[i].on = ROUTE_ALWAYS;
	routes[4].answer.status = 503;
	site_open_routes(&site, way, &generous_limits, routes, sizeof routes / sizeof *routes);
}

#define ASK(method, target) method " " target " HTTP/1.1\r\nHost: h.example:81\r\n\r\n"

static void hear_redirect(struct client *client, const char *expected)
{
	struct reply reply = hear_reply(client, 201, SLICE("there"));
	const char *said = field_of(&reply, "\r\nLocation: ");

	ck_assert_ptr_nonnull(said);
	ck_assert_msg(strncmp(said, expected, strlen(expected)) == 0 && said[strlen(expected)] == '\r', "%s", reply.head);
	said = field_of(&reply, "\r\nX-Id: ");
	ck_assert_ptr_nonnull(said);
	ck_assert_uint_eq(strspn(said, "0123456789abcdef"), HTTP_REQUEST_ID_LENGTH);
}

START_TEST(a_delayed_answer_comes_when_it_is_due)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, ASK("GET", "/slow"));
	turn_over(&site);
	for (int i = 0; i < 4; i++) {
		pass(DELAY_MS / 5);
		ck_assert(is_quiet(&client));
	}
	pass(DELAY_MS / 5 + 1);
	hear_reply(&client, 200, SLICE("slow"));
	say(&client, GET);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(requests_behind_a_delayed_answer_wait_for_it)
{
	struct client client, other;

	open_routes_site(_i);
	client_open(&client, &site);
	client_open(&other, &site);
	say(&client, GET ASK("GET", "/slow") GET ASK("HEAD", "/slower") GET);
	hear_reply(&client, 200, hello);
	say(&other, GET);
	hear_reply(&other, 200, hello);
	ck_assert(is_quiet(&client));
	pass(DELAY_MS + 1);
	hear_reply(&client, 200, SLICE("slow"));
	hear_reply(&client, 200, hello);
	pass(DELAY_MS + 1);
	say(&client, GET);
	ck_assert(is_quiet(&client));
	pass(DELAY_MS + 778);
	hear_reply_to(&client, true, 200, SLICE("slower"));
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
	client_close(&other);
}
END_TEST

START_TEST(a_delay_begins_at_the_end_of_the_request)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, "PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
	turn_over(&site);
	pass(DELAY_MS + 1);
	ck_assert(is_quiet(&client));
	say(&client, "2");
	turn_over(&site);
	pass(DELAY_MS / 2);
	ck_assert(is_quiet(&client));
	pass(DELAY_MS / 2 + 1);
	hear_reply(&client, 200, SLICE("slow"));
	client_close(&client);
}
END_TEST

START_TEST(many_delayed_answers_wait_at_once)
{
	static struct client clients[60];

	open_routes_site(_i);
	for (int i = 0; i < 60; i++) {
		client_open(&clients[i], &site);
		say(&clients[i], i % 2 ? ASK("GET", "/slow") : ASK("GET", "/slower"));
	}
	wait_for_standing(&site, 60);
	turn_over(&site);
	pass(DELAY_MS + 1);
	for (int i = 1; i < 60; i += 2)
		hear_reply(&clients[i], 200, SLICE("slow"));
	for (int i = 0; i < 60; i += 2)
		ck_assert(is_quiet(&clients[i]));
	pass(DELAY_MS + 778);
	for (int i = 0; i < 60; i++) {
		if (i % 2 == 0)
			hear_reply(&clients[i], 200, SLICE("slower"));
		client_close(&clients[i]);
	}
}
END_TEST

START_TEST(who_is_gone_gets_no_delayed_answer)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, ASK("GET", "/slow") GET);
	wait_for_standing(&site, 1);
	turn_over(&site);
	client_reset(&client);
	wait_for_standing(&site, 0);
}
END_TEST

/* Who has sent its end may be gone: where room is needed, it is its. */
START_TEST(who_has_sent_its_end_makes_room_before_its_delayed_answer)
{
	struct http_limits limits = generous_limits;
	const struct route_setting routes[] = {
		{ .on = ROUTE_ALWAYS, .answer = answer_with(hello) },
		{ .on = ROUTE_ALWAYS, .path = SLICE("/slow"), .delay_ms = DELAY_MS, .answer = answer_with(SLICE("slow")) },
	};
	struct client waits, gone, late, later;

	limits.max_connections = 2;
	site_open_routes(&site, _i, &limits, routes, 2);
	client_open(&waits, &site);
	say(&waits, ASK("GET", "/slow"));
	client_open(&gone, &site);
	say(&gone, ASK("GET", "/slow"));
	wait_for_standing(&site, 2);
	turn_over(&site);
	client_open(&late, &site);
	say(&late, GET);
	hear_error(&late, 503);
	client_end(&gone);
	turn_over(&site);
	turn_over(&site);
	client_open(&later, &site);
	say(&later, GET);
	hear_reply(&later, 200, hello);
	hear_end(&gone);
	pass(DELAY_MS + 1);
	hear_reply(&waits, 200, SLICE("slow"));
	client_close(&waits);
	client_close(&gone);
	client_close(&late);
	client_close(&later);
}
END_TEST

START_TEST(what_is_not_repeated_may_be_long)
{
	static char path[HTTP_HEAD_MAX + 5000];
	const struct http_field id = { SLICE("X-Id"), SLICE("${request_id}") };
	struct route_setting route = { .on = ROUTE_ALWAYS, .answer = answer_with(hello) };
	struct client client;

	route.answer.fields = &id;
	route.answer.n_fields = 1;
	memset(path, 'x', sizeof path - 1);
	site_open_routes(&site, _i, &generous_limits, &route, 1);
	client_open(&client, &site);
	say(&client, "PUT /");
	say(&client, path);
	say(&client, " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
	turn_over(&site);
	say(&client, "2");
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(who_has_sent_its_end_gets_its_delayed_answers)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, ASK("GET", "/slow") ASK("GET", "/slow"));
	client_end(&client);
	turn_over(&site);
	pass(DELAY_MS + 1);
	hear_reply(&client, 200, SLICE("slow"));
	pass(DELAY_MS + 1);
	hear_reply(&client, 200, SLICE("slow"));
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(a_stop_waits_for_a_delayed_answer)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, ASK("GET", "/slow"));
	wait_for_standing(&site, 1);
	turn_over(&site);
	site_drain(&site);
	ck_assert(is_quiet(&client));
	pass(DELAY_MS + 1);
	ck_assert(hear_reply(&client, 200, SLICE("slow")).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(a_delayed_answer_may_be_long)
{
	struct client client;

	open_routes_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, ASK("GET", "/long") ASK("GET", "/long") GET);
	turn_over(&site);
	pass(2);
	hear_reply(&client, 200, whole_long_body());
	turn_over(&site);
	pass(2);
	hear_reply(&client, 200, whole_long_body());
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(a_delayed_refusal_is_given_without_the_content)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, "PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
	turn_over(&site);
	pass(DELAY_MS / 2);
	ck_assert(is_quiet(&client));
	pass(DELAY_MS / 2 + 1);
	ck_assert(hear_reply(&client, 503, SLICE("no")).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(an_answer_repeats_what_it_was_asked)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, ASK("GET", "/to/a?b=c") ASK("GET", "/to//x") GET);
	hear_redirect(&client, "https://h.example/to/a?b=c");
	hear_redirect(&client, "https://h.example/to//x");
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

/* The request is gone from the buffer when its content or its delay is over; others have been there since. */
START_TEST(an_answer_that_is_made_later_repeats_its_own_request)
{
	struct client client, chunked, delayed, other;

	open_routes_site(_i);
	client_open(&client, &site);
	client_open(&chunked, &site);
	client_open(&delayed, &site);
	client_open(&other, &site);
	say(&client, "PUT /to/1?one HTTP/1.1\r\nHost: one\r\nContent-Length: 5\r\n\r\n123");
	say(&chunked, "PUT /to/2 HTTP/1.1\r\nHost: two\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n12");
	say(&delayed, "PUT http://three/later/3? HTTP/1.1\r\nHost: other\r\nContent-Length: 1\r\n\r\n1");
	turn_over(&site);
	say(&other, ASK("GET", "/to/other/and/longer?than=the#rest"));
	hear_error(&other, 400);
	say(&chunked, "3\r\n0\r\n\r\n" ASK("PUT", "/to/4"));
	say(&client, "45" ASK("GET", "/to/5"));
	hear_redirect(&client, "https://one/to/1?one");
	hear_redirect(&client, "https://h.example/to/5");
	hear_redirect(&chunked, "https://two/to/2");
	hear_redirect(&chunked, "https://h.example/to/4");
	pass(DELAY_MS + 1);
	hear_redirect(&delayed, "https://three/later/3?");
	say(&delayed, GET);
	hear_reply(&delayed, 200, hello);
	ck_assert(!is_anything_spilled());
	client_close(&client);
	client_close(&chunked);
	client_close(&delayed);
	client_close(&other);
}
END_TEST

START_TEST(without_a_host_there_is_none_to_repeat)
{
	struct client client;

	open_routes_site(_i);
	client_open(&client, &site);
	say(&client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	hear_reply(&client, 200, hello);
	say(&client, "GET /to/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	hear_error(&client, 400);
	hear_end(&client);
	client_close(&client);
}
END_TEST

START_TEST(what_is_too_long_to_be_repeated_is_refused)
{
	static char path[HTTP_HEAD_MAX + 1];
	static const char *const targets[] = { "/to/", "/later/" };

	memset(path, 'x', sizeof path - 1);
	open_routes_site(_i);
	for (int i = 0; i < 2; i++) {
		struct client client;

		client_open(&client, &site);
		say(&client, "GET ");
		say(&client, targets[i]);
		say(&client, path);
		say(&client, " HTTP/1.1\r\nHost: a\r\n\r\n");
		hear_error(&client, 414);
		hear_end(&client);
		client_close(&client);
	}
}
END_TEST

/* --- draining ---------------------------------------------------------------------------------------------------- */

static int error_of(const struct client *client)
{
	int error = -1;
	socklen_t length = sizeof error;

	ck_assert_int_eq(getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
	return error;
}

START_TEST(draining_closes_who_is_idle_and_accepts_nobody)
{
	struct client idle, silent, late;

	open_site(_i);
	client_open(&idle, &site);
	client_open(&silent, &site);
	say(&idle, GET);
	hear_reply(&idle, 200, hello);
	wait_for_standing(&site, 2);
	site_drain(&site);
	hear_end(&idle);
	hear_end(&silent);	/* in its second */
	wait_for_standing(&site, 0);
	client_open(&late, &site);	/* the kernel takes it, for who comes after us */
	say(&late, GET);
	turn_over(&site);
	ck_assert(is_quiet(&late));
	client_close(&late);
	client_close(&idle);
	client_close(&silent);
}
END_TEST

START_TEST(draining_answers_the_first_request_of_who_was_silent)
{
	struct client silent, slow;

	open_site(_i);
	client_open(&silent, &site);
	client_open(&slow, &site);
	wait_for_standing(&site, 2);
	site_drain(&site);
	turn_over(&site);
	ck_assert(is_quiet(&silent));
	say(&silent, GET);
	ck_assert(hear_reply(&silent, 200, hello).close);
	hear_end(&silent);
	say(&slow, "GET / HT");
	turn_over(&site);
	say(&slow, "TP/1.1\r\nHost: a\r\n\r\n");
	ck_assert(hear_reply(&slow, 200, hello).close);
	hear_end(&slow);
	client_close(&silent);
	client_close(&slow);
	wait_for_standing(&site, 0);
}
END_TEST

START_TEST(draining_answers_a_request_that_was_begun)
{
	struct client head, content;

	open_site(_i);
	client_open(&head, &site);
	client_open(&content, &site);
	say(&head, "GET / HTTP/1.1\r\n");
	say_put(&content, 5);
	wait_for_standing(&site, 2);
	turn_over(&site);
	site_drain(&site);
	say(&head, "Host: a\r\n\r\n" GET);
	say(&content, "01234" GET);
	ck_assert(hear_reply(&head, 200, hello).close);
	ck_assert(hear_reply(&content, 200, hello).close);
	hear_end(&head);
	hear_end(&content);
	client_close(&head);
	client_close(&content);
	wait_for_standing(&site, 0);
}
END_TEST

/* Who ends a connection that the client would keep cannot know whether its next request is on the way already: a plain
 * close would reset it, and the answer with it (RFC 9112 9.6).  The end is said, and what comes is thrown away. */
START_TEST(who_is_not_kept_without_having_said_so_may_still_send)
{
	struct http_limits limits = generous_limits;
	struct http_answer answer = answer_with(hello);
	struct client last, drained, closing;

	limits.max_requests = 2;
	site_open(&site, _i, &limits, &answer);
	client_open(&last, &site);
	client_open(&drained, &site);
	client_open(&closing, &site);
	say(&last, GET GET);
	hear_reply(&last, 200, hello);
	ck_assert(hear_reply(&last, 200, hello).close);
	hear_end(&last);
	say(&drained, "GET / HTTP/1.1\r\n");
	say(&closing, "GET / HTTP/1.1\r\nConnection: close\r\n");
	wait_for_standing(&site, 3);
	turn_over(&site);
	site_drain(&site);
	say(&drained, "Host: a\r\n\r\n");
	ck_assert(hear_reply(&drained, 200, hello).close);
	hear_end(&drained);
	say(&closing, "Host: a\r\n\r\n");
	ck_assert(hear_reply(&closing, 200, hello).close);
	hear_end(&closing);
	say(&last, GET);
	say(&drained, GET);
	turn_over(&site);
	ck_assert_int_eq(error_of(&last), 0);
	ck_assert_int_eq(error_of(&drained), 0);
	wait_for_standing(&site, 2);	/* it knew */
	client_close(&last);
	client_close(&drained);
	client_close(&closing);
	wait_for_standing(&site, 0);
}
END_TEST

/* Nobody comes after us who would accept what is queued at a listener that ends with us.  The worker is kept from
 * accepting until draining is asked for. */
START_TEST(draining_answers_who_is_queued_at_a_listener_that_ends)
{
	static struct client queued[40];

	open_site(_i);
	site.server->listeners[0].lasting = false;
	atomic_store(&accept_error, EMFILE);
	for (int i = 0; i < 40; i++) {
		client_open(&queued[i], &site);
		say(&queued[i], GET);
	}
	WAIT_UNTIL(&site, atomic_load(&accepts_failed) > 0);
	atomic_store(&accept_error, 0);
	site_drain(&site);
	for (int i = 0; i < 40; i++) {
		hear_reply(&queued[i], 200, hello);
		hear_end(&queued[i]);
		client_close(&queued[i]);
	}
	wait_for_standing(&site, 0);
}
END_TEST

/* Those that were accepted as usual, and those that draining finds in the queue. */
START_TEST(a_connection_is_answered_by_the_name_of_its_listener)
{
	const struct route_setting routes[] = {
		{ .on = ROUTE_ALWAYS, .answer = answer_with(hello) },
		{ .name = 1, .rest = true, .on = ROUTE_ALWAYS, .answer = answer_with(SLICE("one")) },
		{ .name = 2, .rest = true, .on = ROUTE_ALWAYS, .answer = answer_with(SLICE("two")) },
	};
	struct client client, queued;

	site = (struct site) { .open_fds = count_open_fds(), .name = 2 };
	site_open_snapshot(&site, _i, make_routes(1, &generous_limits, routes, 3), 10);
	site.server->listeners[0].lasting = false;
	client_open(&client, &site);
	say(&client, GET GET);
	hear_reply(&client, 200, SLICE("two"));
	hear_reply(&client, 200, SLICE("two"));
	client_close(&client);
	wait_for_standing(&site, 0);
	atomic_store(&accept_error, EMFILE);
	client_open(&queued, &site);
	say(&queued, GET);
	WAIT_UNTIL(&site, atomic_load(&accepts_failed) > 0);
	atomic_store(&accept_error, 0);
	site_drain(&site);
	hear_reply(&queued, 200, SLICE("two"));
	client_close(&queued);
	wait_for_standing(&site, 0);
}
END_TEST

/* The connection stands when the request is sent, and the request is there when draining is asked for. */
START_TEST(draining_answers_a_request_that_had_arrived)
{
	for (int i = 0; i < 50; i++) {
		struct client client;

		open_site(_i);
		client_open(&client, &site);
		wait_for_standing(&site, 1);
		say(&client, GET);
		server_drain(site.server);
		hear_reply(&client, 200, hello);
		hear_end(&client);
		client_close(&client);
		site_close(&site);
	}
}
END_TEST

START_TEST(draining_lets_a_long_answer_be_finished)
{
	struct client client;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET GET);
	client_wait(&client, POLLIN);
	site_drain(&site);
	ck_assert(!hear_reply(&client, 200, whole_long_body()).close);
	ck_assert(hear_reply(&client, 200, whole_long_body()).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* The request came while the answer before it waited, when nothing was read. */
START_TEST(draining_does_not_reset_a_long_answer_behind_which_a_request_came)
{
	struct client client;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	say(&client, GET);
	client_wait(&client, POLLIN);
	for (int i = 0; i < 100; i++)
		turn_over(&site);
	site_drain(&site);
	turn_over(&site);
	say(&client, GET);
	hear_reply(&client, 200, whole_long_body());
	ck_assert(hear_reply(&client, 200, whole_long_body()).close);
	hear_end(&client);
	client_close(&client);
}
END_TEST

/* --- a new snapshot ---------------------------------------------------------------------------------------------- */

START_TEST(a_new_snapshot_answers_the_next_request_and_the_old_one_finishes_its_own)
{
	char *other = make_pattern(LONG_BODY, 2);
	struct slice new_body = { other, LONG_BODY };
	struct http_answer answer = answer_with(new_body);
	struct client client, second;
	struct reply reply;

	open_long_site(_i);
	client_open_with(&client, &site, SMALL_BUFFER);
	client_open(&second, &site);
	say(&second, GET);
	hear_reply(&second, 200, whole_long_body());
	say(&client, GET);
	hear_head(&client, &reply);
	site_reload(&site, &generous_limits, &answer);
	ck_assert_uint_eq(atomic_load(&site.server->oldest_held), 1);
	say(&second, GET);
	hear_reply(&second, 200, new_body);
	hear_bytes(&client, long_body, LONG_BODY);
	wait_for_oldest_held(&site, 2);
	site.snapshots[0] = snapshot_free(site.snapshots[0]);
	say(&client, GET);
	hear_reply(&client, 200, new_body);
	client_close(&client);
	client_close(&second);
	free(other);
}
END_TEST

START_TEST(a_request_is_answered_from_the_snapshot_it_began_with)
{
	struct http_answer answer = answer_with(SLICE("new\n"));
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say_put(&client, 2);
	wait_for_standing(&site, 1);
	turn_over(&site);
	say(&client, "a");
	turn_over(&site);
	site_reload(&site, &generous_limits, &answer);
	ck_assert_uint_eq(atomic_load(&site.server->oldest_held), 1);
	say(&client, "b" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, answer.body);
	wait_for_oldest_held(&site, 2);
	client_close(&client);
}
END_TEST

START_TEST(a_snapshot_is_let_go_when_its_connection_is_closed)
{
	struct http_answer answer = answer_with(hello);
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say_put(&client, 2);
	wait_for_standing(&site, 1);
	turn_over(&site);
	site_reload(&site, &generous_limits, &answer);
	client_reset(&client);
	wait_for_oldest_held(&site, 2);
}
END_TEST

/* Half a head that was within the old limits, and is as large as they get, is judged by the new ones. */
START_TEST(limits_may_change_in_the_middle_of_a_head)
{
	struct http_answer answer = answer_with(hello);
	struct http_limits small = generous_limits;
	size_t length;
	char *large = make_large(HTTP_HEADER_MAX, HTTP_REQUEST_LINE_MAX - 20, &length);
	struct client lowered, raised;

	small.max_header = 8192;
	small.max_headers = 10;
	open_site(_i);
	client_open(&lowered, &site);
	say_bytes(&lowered, large, length - 1);
	wait_for_standing(&site, 1);
	turn_over(&site);
	site_reload(&site, &small, &answer);
	(void) !send(lowered.fd, "\n", 1, MSG_NOSIGNAL);
	hear_error(&lowered, 431);
	client_close(&lowered);

	client_open(&raised, &site);
	say(&raised, "GET / HTTP/1.1\r\n");
	wait_for_standing(&site, 1);
	turn_over(&site);
	site_reload(&site, &generous_limits, &answer);
	free(large);
	large = make_large(HTTP_HEADER_MAX, 0, &length);
	say_bytes(&raised, large + strlen("GET / HTTP/1.1\r\n"), length - strlen("GET / HTTP/1.1\r\n"));
	hear_reply(&raised, 200, hello);
	client_close(&raised);
	free(large);
}
END_TEST

/* --- room -------------------------------------------------------------------------------------------------------- */

static void open_site_for(int way, uint32_t connections, struct slice body)
{
	struct http_limits limits = generous_limits;
	struct http_answer answer = answer_with(body);

	limits.max_connections = connections;
	site_open(&site, way, &limits, &answer);
}

START_TEST(the_longest_idle_makes_room)
{
	struct client client[3];

	open_site_for(_i, 2, hello);
	for (int i = 0; i < 3; i++) {
		client_open(&client[i], &site);
		say(&client[i], GET);
		hear_reply(&client[i], 200, hello);
	}
	hear_end(&client[0]);
	for (int i = 1; i < 3; i++) {
		say(&client[i], GET);
		hear_reply(&client[i], 200, hello);
	}
	ck_assert_uint_eq(atomic_load(&site.connections), 2);
	for (int i = 0; i < 3; i++)
		client_close(&client[i]);
}
END_TEST

START_TEST(an_idle_one_makes_room_before_an_older_one_in_a_head)
{
	struct client head, idle, third;

	open_site_for(_i, 2, hello);
	client_open(&head, &site);
	say(&head, "GET / ");
	wait_for_standing(&site, 1);
	turn_over(&site);
	client_open(&idle, &site);
	say(&idle, GET);
	hear_reply(&idle, 200, hello);
	client_open(&third, &site);
	say(&third, GET);
	hear_reply(&third, 200, hello);
	hear_end(&idle);
	say(&head, "HTTP/1.1\r\nHost: a\r\n\r\n");
	hear_reply(&head, 200, hello);
	client_close(&head);
	client_close(&idle);
	client_close(&third);
}
END_TEST

START_TEST(without_an_idle_one_the_longest_in_a_head_makes_room)
{
	struct client content, head, third;

	open_site_for(_i, 2, hello);
	client_open(&content, &site);
	say_put(&content, 5);
	wait_for_standing(&site, 1);
	turn_over(&site);
	client_open(&head, &site);
	say(&head, "GET");
	wait_for_standing(&site, 2);
	turn_over(&site);
	client_open(&third, &site);
	say(&third, GET);
	hear_reply(&third, 200, hello);
	hear_end(&head);
	say(&content, "01234");
	hear_reply(&content, 200, hello);
	client_close(&content);
	client_close(&head);
	client_close(&third);
}
END_TEST

START_TEST(when_nobody_can_make_room_the_newcomer_is_told_to_come_again)
{
	struct client busy[2], third;
	struct reply reply;

	open_site_for(_i, 2, whole_long_body());
	for (int i = 0; i < 2; i++) {
		client_open_with(&busy[i], &site, SMALL_BUFFER);
		say(&busy[i], GET GET);
		client_wait(&busy[i], POLLIN);
	}
	for (int i = 0; i < 200; i++) {		/* more than are refused at a time */
		client_open(&third, &site);
		if (i % 2)
			say(&third, GET);
		reply = hear_error(&third, 503);
		ck_assert_ptr_nonnull(field_of(&reply, "\r\nRetry-After: 1\r\n"));
		hear_end(&third);
		client_close(&third);
	}
	ck_assert_uint_eq(atomic_load(&site.connections), 2);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			hear_reply(&busy[i], 200, whole_long_body());
	client_open(&third, &site);
	say(&third, GET);
	hear_reply(&third, 200, whole_long_body());
	client_close(&third);
	client_close(&busy[0]);
	client_close(&busy[1]);
}
END_TEST

/* Nobody of them reads or goes: the others wait for a place among those that are refused. */
START_TEST(only_so_many_are_refused_at_a_time)
{
	enum { MANY = SERVER_REFUSALS_MAX + 20 };
	static struct client busy, many[MANY];

	open_site_for(_i, 1, whole_long_body());
	client_open_with(&busy, &site, SMALL_BUFFER);
	say(&busy, GET);
	client_wait(&busy, POLLIN);
	for (int i = 0; i < MANY; i++)
		client_open(&many[i], &site);
	for (int i = 0; i < MANY; i++) {
		hear_error(&many[i], 503);
		client_close(&many[i]);
	}
	client_close(&busy);
	wait_for_standing(&site, 0);
}
END_TEST

static const int accept_errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM };

START_TEST(without_descriptors_it_waits_and_then_accepts)
{
	struct client standing, waiting[5];

	open_site(_i % WAYS);
	client_open(&standing, &site);
	say(&standing, GET);
	hear_reply(&standing, 200, hello);
	atomic_store(&accept_error, accept_errors[_i / WAYS]);
	for (int i = 0; i < 5; i++) {
		client_open(&waiting[i], &site);
		say(&waiting[i], GET);
	}
	WAIT_UNTIL(&site, atomic_load(&accepts_failed) >= 3);
	say(&standing, GET);		/* others are served meanwhile */
	hear_reply(&standing, 200, hello);
	atomic_store(&accept_error, 0);
	client_close(&standing);
	for (int i = 0; i < 5; i++) {
		hear_reply(&waiting[i], 200, hello);
		client_close(&waiting[i]);
	}
}
END_TEST

/* Tried at once again and again, a thousand failures would take no time; with pauses between them they take minutes. */
START_TEST(without_descriptors_it_does_not_spin)
{
	struct client client;

	open_site(_i);
	atomic_store(&accept_error, EMFILE);
	client_open(&client, &site);
	for (int i = 0; i < 1000; i++)
		turn_over(&site);
	ck_assert_uint_lt(atomic_load(&accepts_failed), 500);
	atomic_store(&accept_error, 0);
	client_close(&client);
}
END_TEST

START_TEST(a_newcomer_that_is_gone_stops_nobody)
{
	struct client client;

	open_site(_i);
	atomic_store(&accept_error, ECONNABORTED);
	client_open(&client, &site);
	WAIT_UNTIL(&site, atomic_load(&accepts_failed) >= 3);
	atomic_store(&accept_error, 0);
	say(&client, GET);
	hear_reply(&client, 200, hello);
	client_close(&client);
}
END_TEST

START_TEST(an_idle_connection_owns_its_record_only)
{
	size_t length;
	char *large = make_large(HTTP_HEADER_MAX, 10, &length);
	struct slice body = { long_body, 100000 };
	struct http_answer answer = answer_with(body);
	struct client client;

	site_open(&site, _i, &generous_limits, &answer);
	client_open_with(&client, &site, SMALL_BUFFER);
	for (int round = 0; round < 3; round++) {
		say_bytes(&client, large, length / 2);
		turn_over(&site);
		turn_over(&site);
		ck_assert(is_anything_spilled());
		say_bytes(&client, large + length / 2, length - length / 2);
		hear_reply(&client, 200, body);
		for (int i = 0; i < 100; i++)
			say(&client, GET);
		for (int i = 0; i < 100; i++)
			hear_reply(&client, 200, body);
		turn_over(&site);
		turn_over(&site);
		ck_assert(!is_anything_spilled());
	}
	client_close(&client);
	free(large);
}
END_TEST

START_TEST(a_closed_connection_gives_its_memory_back)
{
	struct client client;

	open_site(_i);
	client_open(&client, &site);
	say(&client, "GET / HTTP/1.1\r\n");
	wait_for_standing(&site, 1);
	WAIT_UNTIL(&site, is_anything_spilled());
	client_reset(&client);
	wait_for_standing(&site, 0);
	ck_assert(!is_anything_spilled());
}
END_TEST

START_TEST(one_that_asks_without_end_does_not_keep_another_from_being_served)
{
	struct client greedy, other;
	char *requests = malloc(10000 * (sizeof HEAD - 1));

	for (size_t i = 0; i < 10000; i++)
		memcpy(requests + i * (sizeof HEAD - 1), HEAD, sizeof HEAD - 1);
	open_site(_i);
	client_open(&greedy, &site);
	client_open(&other, &site);
	for (int i = 0; i < 50; i++) {
		(void) !send(greedy.fd, requests, 10000 * (sizeof HEAD - 1), MSG_NOSIGNAL);
		say(&other, GET);
		hear_reply(&other, 200, hello);
	}
	client_reset(&greedy);
	client_close(&other);
	free(requests);
	wait_for_standing(&site, 0);
}
END_TEST

/* --- the log ----------------------------------------------------------------------------------------------------- */

static void open_logged_site(int way)
{
	struct http_answer answer = answer_with(hello);

	site_open_with(&site, way, &generous_limits, &answer, 10, ACCESS_ALL);
}

START_TEST(the_access_log_tells_requests)
{
	struct http_answer answer = answer_with(hello);
	struct report report;
	struct client client;

	site_open_with(&site, _i, &generous_limits, &answer, 10, ACCESS_ALL);
	client_open(&client, &site);
	say(&client, "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n" "HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n" "BAD\r\n\r\n");
	hear_reply(&client, 200, hello);
	hear_reply_to(&client, true, 200, hello);
	hear_error(&client, 400);
	hear_end(&client);
	client_close(&client);
	turn_over(&site);

	ck_assert(report_take(site.server->reports, &report));
	ck_assert_uint_eq(report.kind, REPORT_REQUEST);
	ck_assert_uint_eq(report.status, 200);
	ck_assert_uint_eq(report.bytes, hello.length);
	ck_assert_str_eq(report.method, "GET");
	ck_assert_str_eq(report.target, "/a?b");
	if (family_of(_i) == AF_UNIX)
		ck_assert_str_eq(report.peer, "unix");
	else
		ck_assert_int_eq(strncmp(report.peer, "127.0.0.1:", 10), 0);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_str_eq(report.method, "HEAD");
	ck_assert_uint_eq(report.bytes, 0);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_uint_eq(report.status, 400);
	ck_assert_str_eq(report.route, "error 400");
	ck_assert(!report_take(site.server->reports, &report));
}
END_TEST

/* The record has a copy: when it is read the configuration may be gone that named the route. */
START_TEST(the_access_log_names_the_route_that_answered)
{
	char name[] = "/abc/*";
	struct route_setting routes[] = {
		{ .section = SLICE("response"), .on = ROUTE_ALWAYS, .answer = answer_with(hello) },
		{ .section = slice_of(name), .path = SLICE("/abc/"), .prefix = true, .on = ROUTE_ALWAYS, .answer = answer_with(hello) },
	};
	struct http_answer answer = answer_with(hello);
	struct report report;
	struct client client;
	struct snapshot *snapshot;

	site = (struct site) { .open_fds = count_open_fds() };
	snapshot = make_routes(1, &generous_limits, routes, 2);
	snapshot->access = ACCESS_ALL;
	site_open_snapshot(&site, _i, snapshot, 10);
	memset(name, 'x', strlen(name));
	client_open(&client, &site);
	say(&client, "GET /abc/d HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	hear_reply(&client, 200, hello);
	hear_reply(&client, 200, hello);
	client_close(&client);
	site_reload(&site, &generous_limits, &answer);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_str_eq(report.route, "/abc/*");
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_str_eq(report.route, "response");
}
END_TEST

/* At once, behind a pipeline, and with content that comes later: each time the log has the id that the client got. */
START_TEST(the_access_log_has_the_id_that_the_answer_says)
{
	const struct http_field field = { SLICE("X-Id"), SLICE("${request_id}") };
	struct http_answer answer = answer_with(hello);
	struct report report;
	struct client client;

	answer.fields = &field;
	answer.n_fields = 1;
	site_open_with(&site, _i, &generous_limits, &answer, 10, ACCESS_ALL);
	client_open(&client, &site);
	say(&client, GET GET);
	say_put(&client, 5);
	turn_over(&site);
	say(&client, "01234BAD\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		struct reply reply = hear_reply(&client, 200, hello);
		char id[64];

		ck_assert(report_take(site.server->reports, &report));
		(void) snprintf(id, sizeof id, "%016llx%016llx\r\n", (unsigned long long) report.request_id[0],
				(unsigned long long) report.request_id[1]);
		ck_assert_int_eq(strncmp(field_of(&reply, "X-Id: "), id, strlen(id)), 0);
	}
	hear_error(&client, 400);
	turn_over(&site);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_uint_eq(report.request_id[0] | report.request_id[1], 0);	/* that answer says none */
	client_close(&client);
}
END_TEST

/* What happens to a request behind its head, and the one line that there is of it. */
static const struct { const char *begins, *goes_on; unsigned status; bool times_out; const char *target; } contents[] = {
	{ "PUT /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", "345", 200, false, "/up" },
	{ "PUT /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", "", 408, true, "/up" },
	{ "PUT /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", "345\r\nx\r\n", 400, false, "/up" },
	{ "PUT /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "fffffff\r\n", 413, false, "/up" },
	{ "PUT /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "", 400, false, "/up" },	/* in one turn */
	{ "GET / HTTP/1.1\r\nHo", "", 408, true, "" },	/* not of this client is what was asked before */
};

START_TEST(the_access_log_has_one_line_of_a_request_with_the_status_that_it_got)
{
	struct client before, client;
	struct report report;
	int i = _i / WAYS;
	char text[128];

	open_logged_site(_i % WAYS);
	client_open(&before, &site);
	client_open(&client, &site);
	(void) snprintf(text, sizeof text, contents[i].begins, "up");
	say(&client, text);
	wait_for_standing(&site, 2);
	turn_over(&site);
	turn_over(&site);
	say(&before, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
	hear_reply(&before, 200, hello);
	client_close(&before);
	if (contents[i].times_out)
		pass(PATIENCE_MS + 1000);
	else
		say(&client, contents[i].goes_on);
	if (contents[i].status == 200)
		hear_reply(&client, 200, hello);
	else
		hear_error(&client, contents[i].status);
	client_close(&client);
	wait_for_standing(&site, 0);
	for (int n = 0; n < 2; n++) {
		ck_assert(report_take(site.server->reports, &report));
		if (strcmp(report.target, "/other") == 0)
			continue;
		ck_assert_uint_eq(report.status, contents[i].status);
		ck_assert_str_eq(report.target, contents[i].target);
		ck_assert_str_eq(report.method, *contents[i].target ? "PUT" : "");
	}
	ck_assert(!report_take(site.server->reports, &report));
}
END_TEST

/* To reset a connection is a thing of TCP: of a unix socket the end is seen, and answered. */
START_TEST(the_access_log_has_nothing_of_who_leaves_in_the_middle)
{
	struct report report;
	struct client client;

	open_logged_site(_i);
	client_open(&client, &site);
	say_put(&client, 5);
	wait_for_standing(&site, 1);
	turn_over(&site);
	client_reset(&client);
	wait_for_standing(&site, 0);
	ck_assert_int_eq(report_take(site.server->reports, &report), family_of(_i) == AF_UNIX);
	ck_assert(family_of(_i) != AF_UNIX || report.status == 400);
}
END_TEST

static const struct { enum access_log access; unsigned reports; } logs[] = {
	{ ACCESS_OFF, 0 },
	{ ACCESS_ERRORS, 1 },
	{ ACCESS_SAMPLE, 3 },		/* every second of five */
	{ ACCESS_ALL, 5 },
};

START_TEST(the_access_log_tells_what_is_asked_for)
{
	struct http_answer answer = answer_with(hello);
	struct report report;
	struct client client;
	unsigned n = 0;

	site_open_with(&site, 0, &generous_limits, &answer, 10, logs[_i].access);
	client_open(&client, &site);
	say(&client, GET GET GET GET "BAD\r\n\r\n");
	for (int i = 0; i < 4; i++)
		hear_reply(&client, 200, hello);
	hear_error(&client, 400);
	hear_end(&client);
	client_close(&client);
	turn_over(&site);
	while (report_take(site.server->reports, &report))
		n++;
	ck_assert_uint_eq(n, logs[_i].reports);
}
END_TEST

START_TEST(who_finds_no_room_is_told_with_its_address)
{
	struct http_limits limits = generous_limits;
	struct http_answer answer = answer_with(hello);
	struct client first, second;
	struct report report;

	limits.max_connections = 1;
	site_open(&site, _i, &limits, &answer);
	client_open(&first, &site);
	say(&first, GET);
	hear_reply(&first, 200, hello);
	client_open(&second, &site);
	say(&second, GET);
	hear_reply(&second, 200, hello);
	hear_end(&first);
	turn_over(&site);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_uint_eq(report.kind, REPORT_FULL);
	ck_assert_uint_eq(report.connection, 2);
	ck_assert_int_eq(strncmp(report.peer, family_of(_i) == AF_UNIX ? "unix" : "127.0.0.1:", 4), 0);
	client_close(&first);
	client_close(&second);
}
END_TEST

START_TEST(what_does_not_fit_in_a_report_is_cut)
{
	struct http_answer answer = answer_with(hello);
	struct report report;
	struct client client;
	size_t length;
	char *large = make_large(100, 1000, &length);

	site_open_with(&site, _i, &generous_limits, &answer, 10, ACCESS_ALL);
	client_open(&client, &site);
	say_bytes(&client, large, length);
	hear_reply(&client, 200, hello);
	turn_over(&site);
	ck_assert(report_take(site.server->reports, &report));
	ck_assert_uint_eq(strlen(report.target), REPORT_TEXT_MAX - 1);
	ck_assert_int_eq(strncmp(report.target, "/ppp", 4), 0);
	client_close(&client);
	free(large);
}
END_TEST

/* --- all of it --------------------------------------------------------------------------------------------------- */

START_TEST(a_server_stops_whatever_its_connections_do)
{
	static const char *const states[] = {
		"", "G", GET, GET GET, PUT_EXPECT, "BAD\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
	};
	enum { N = sizeof states / sizeof *states };
	static struct client client[N];

	open_long_site(_i);
	for (int i = 0; i < N; i++) {
		client_open_with(&client[i], &site, SMALL_BUFFER);
		say(&client[i], states[i]);
	}
	wait_for_standing(&site, N);
	server_stop(site.server);
	for (int i = 0; i < N; i++) {
		while (receive_more(&client[i]) > 0)
			client[i].start = client[i].end;
		client_close(&client[i]);
	}
}
END_TEST

#define ADD(test) tcase_add_loop_test(tests, test, 0, WAYS)
#define COUNT(table) (int) (sizeof table / sizeof *table)

static TCase *group(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_set_timeout(tests, 240);
	tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("connection");
	TCase *tests = group(suite, "requests");

	ADD(a_connection_is_kept_for_further_requests);
	ADD(an_answer_says_the_time_of_now);
	ADD(a_thousand_requests_in_one_write_are_answered);
	ADD(a_head_may_be_cut_at_any_byte);
	ADD(two_requests_may_be_cut_at_any_byte);
	ADD(a_head_may_be_larger_than_one_read);
	ADD(a_head_beyond_the_limits_is_refused);
	ADD(empty_lines_before_a_request_are_skipped);
	ADD(an_old_client_is_served_and_left);
	ADD(an_old_client_that_asks_for_it_is_kept);
	ADD(who_asks_for_a_close_gets_one_answer_and_a_clean_end);
	ADD(the_last_request_that_is_allowed_says_that_it_is);
	ADD(an_answer_to_head_has_no_content_even_if_it_is_an_error);
	ADD(methods_of_their_own_are_answered_and_the_connection_kept);
	ADD(an_answer_without_content_has_no_length);

	tests = group(suite, "content");
	ADD(content_of_any_length_ends_where_the_next_request_begins);
	ADD(chunks_of_any_length_end_where_the_next_request_begins);
	ADD(chunks_of_one_byte_are_read);
	ADD(too_much_content_is_refused);
	ADD(malformed_chunks_are_refused_and_nothing_behind_them_is_served);
	ADD(who_waits_for_it_is_told_to_continue);
	ADD(who_has_not_waited_is_not_told_to_continue);
	ADD(continue_comes_behind_the_answers_before_it);
	ADD(continue_comes_behind_a_long_answer_that_waits);
	ADD(who_is_refused_is_not_told_to_continue);
	ADD(too_much_content_is_refused_before_it_is_sent);
	ADD(an_expectation_in_chunks_is_met_too);

	tests = group(suite, "answers");
	ADD(long_answers_are_whole_and_in_order);
	ADD(answers_around_every_edge_are_whole);
	ADD(a_slow_reader_gets_every_byte);
	ADD(a_server_whose_answers_wait_reads_no_more);

	tests = group(suite, "ends");
	ADD(after_a_half_close_every_request_is_answered);
	ADD(after_a_half_close_long_answers_are_whole);
	ADD(half_a_request_is_answered_400);
	ADD(a_client_that_says_nothing_and_ends_is_left);
	ADD(an_answer_is_not_lost_when_more_comes_than_was_wanted);
	ADD(a_long_last_answer_is_not_lost_when_more_comes_while_it_waits);
	ADD(a_client_that_does_not_stop_talking_is_left);
	ADD(a_client_may_reset_at_any_moment);

	tests = group(suite, "timeouts");
	ADD(a_silent_client_is_left);
	ADD(half_a_head_is_answered_408);
	ADD(half_a_head_behind_another_request_is_answered_408);
	ADD(half_a_content_is_answered_408);
	ADD(an_idle_client_is_left);
	ADD(who_does_not_read_is_left);
	tcase_add_loop_test(tests, a_drip_does_not_extend_the_time_for_a_head, 0, WAYS * COUNT(drips));
	ADD(content_that_goes_on_coming_is_waited_for);
	ADD(who_reads_slowly_is_waited_for);

	tests = group(suite, "answers");
	ADD(a_delayed_answer_comes_when_it_is_due);
	ADD(requests_behind_a_delayed_answer_wait_for_it);
	ADD(a_delay_begins_at_the_end_of_the_request);
	ADD(many_delayed_answers_wait_at_once);
	ADD(who_is_gone_gets_no_delayed_answer);
	ADD(who_has_sent_its_end_makes_room_before_its_delayed_answer);
	ADD(what_is_not_repeated_may_be_long);
	ADD(who_has_sent_its_end_gets_its_delayed_answers);
	ADD(a_stop_waits_for_a_delayed_answer);
	ADD(a_delayed_answer_may_be_long);
	ADD(a_delayed_refusal_is_given_without_the_content);
	ADD(an_answer_repeats_what_it_was_asked);
	ADD(an_answer_that_is_made_later_repeats_its_own_request);
	ADD(without_a_host_there_is_none_to_repeat);
	ADD(what_is_too_long_to_be_repeated_is_refused);

	tests = group(suite, "draining");
	ADD(draining_closes_who_is_idle_and_accepts_nobody);
	ADD(draining_answers_the_first_request_of_who_was_silent);
	ADD(draining_answers_a_request_that_was_begun);
	ADD(who_is_not_kept_without_having_said_so_may_still_send);
	ADD(draining_answers_who_is_queued_at_a_listener_that_ends);
	ADD(a_connection_is_answered_by_the_name_of_its_listener);
	ADD(draining_answers_a_request_that_had_arrived);
	ADD(draining_lets_a_long_answer_be_finished);
	ADD(draining_does_not_reset_a_long_answer_behind_which_a_request_came);

	tests = group(suite, "snapshots");
	ADD(a_new_snapshot_answers_the_next_request_and_the_old_one_finishes_its_own);
	ADD(a_request_is_answered_from_the_snapshot_it_began_with);
	ADD(a_snapshot_is_let_go_when_its_connection_is_closed);
	ADD(limits_may_change_in_the_middle_of_a_head);

	tests = group(suite, "room");
	ADD(the_longest_idle_makes_room);
	ADD(an_idle_one_makes_room_before_an_older_one_in_a_head);
	ADD(without_an_idle_one_the_longest_in_a_head_makes_room);
	ADD(when_nobody_can_make_room_the_newcomer_is_told_to_come_again);
	ADD(only_so_many_are_refused_at_a_time);
	tcase_add_loop_test(tests, without_descriptors_it_waits_and_then_accepts, 0, WAYS * COUNT(accept_errors));
	ADD(without_descriptors_it_does_not_spin);
	ADD(a_newcomer_that_is_gone_stops_nobody);
	ADD(an_idle_connection_owns_its_record_only);
	ADD(a_closed_connection_gives_its_memory_back);
	ADD(one_that_asks_without_end_does_not_keep_another_from_being_served);

	tests = group(suite, "log");
	ADD(the_access_log_tells_requests);
	ADD(the_access_log_names_the_route_that_answered);
	ADD(the_access_log_has_the_id_that_the_answer_says);
	tcase_add_loop_test(tests, the_access_log_has_one_line_of_a_request_with_the_status_that_it_got, 0,
			    WAYS * (int) COUNT(contents));
	ADD(the_access_log_has_nothing_of_who_leaves_in_the_middle);
	tcase_add_loop_test(tests, the_access_log_tells_what_is_asked_for, 0, COUNT(logs));
	ADD(who_finds_no_room_is_told_with_its_address);
	ADD(what_does_not_fit_in_a_report_is_cut);

	tests = group(suite, "stop");
	ADD(a_server_stops_whatever_its_connections_do);
	return run_suite(suite);
}
