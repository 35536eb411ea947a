/* SPDX-License-Identifier: MIT */
/*
 * One thread writes, because writing blocks: journal_send() does after a handful of records when journald does
 * not read, and a pipe does when it is full.  Nobody waits for that thread, not even the end of the daemon for longer
 * than a second; then it is left behind, and must not touch the workers' rings any more.  That is what the lock is
 * for: it is held while records are taken, never while one is written.
 *
 * Lines of the main thread go through a ring of the same kind.  A record is cut rather than allocated for.
 */
#include "daemon/log.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/thread.h"
#include "daemon/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	LINES		= 2048,		/* a power of two; a bad configuration has up to a thousand */
	TEXT_MAX	= 1024,
	FIELDS_MAX	= 16,
	STOP_MS		= 1000,
	SAY_EVERY_MS	= 1000,
	BATCH		= 64,		/* records of one ring before the next has its turn */
};

struct line {
	enum log_kind kind;
	int priority;
	unsigned config_line;
	char config_file[256];		/* empty: no configuration error */
	bool of_worker;			/* the next four say more */
	uint16_t worker;
	uint64_t connection;		/* 0: of none */
	char peer[REPORT_PEER_MAX];	/* empty: not known */
	int error;			/* errno, or 0; it is told behind the text */
	char text[TEXT_MAX];
};

/*
 * Of each kind only so many lines are written in a while; the others are counted.  When the while is over the last of
 * them is written with that number, so that the log ends with how things stand, and tells within seconds what it left
 * out, also when no more comes.
 */
struct pace {
	unsigned most, while_ms;
};

struct flood {
	uint64_t over_ms;		/* when the while is over; 0: none runs */
	unsigned written;		/* in it */
	bool pending;			/* `last` was not written */
	uint64_t left_out;		/* without it */
	struct line last;
};

static struct {
	bool to_journal;
	_Atomic int level;

	struct line lines[LINES];
	_Atomic uint32_t head, tail;	/* of lines, as in struct report_ring */
	_Atomic uint64_t dropped;
	_Atomic bool sleeps;

	bool started;			/* main thread's */
	pthread_t thread;
	int wake_fd, ended_fd;		/* eventfds: something to write; the thread has written all */
	_Atomic bool stop;
	bool abandoned;			/* main thread's: it was left behind when it was to stop */
	pthread_mutex_t lock;		/* rings are taken from under it, and the next two change */
	_Atomic size_t n_rings;
	bool ends;			/* the thread has seen stop, and does not come back */
	struct report_ring **rings;

	struct flood floods[LOG_KINDS];	/* the thread's */
	_Atomic unsigned access_limit;	/* requests in a second; 0: all */
	uint64_t requests_over_ms, requests_left_out;
	unsigned requests_written;
	uint64_t lost, lost_told_ms;
	bool failing;			/* the last line could not be written, */
	uint64_t failed_ms;		/* and then */
} logger = { .level = LOG_INFO, .wake_fd = -1, .ended_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Each was made by systemd-id128 new, and is what its entry in the catalog is found by.  One a line: a test reads them. */
static const char *const message_ids[LOG_KINDS] = {
	[LOG_STARTED]		= "d2f6617ef3044ffe8fa4b11614db6a36",
	[LOG_LISTENING]		= "9e50dca23bad4384887f488714213131",
	[LOG_CANNOT_LISTEN]	= "fe6f460ed2c143518ed68ecb30cc99fa",
	[LOG_STOPPING]		= "4c023e5b88fa43efa326de613ed3eae8",
	[LOG_CUT_OFF]		= "fd09e2658fc94cedad085f782fe1b2d3",
	[LOG_STOPPED]		= "445732598ade43a8950e3ae71732e324",
	[LOG_CONFIG_ERROR]	= "545a1b15cf554da19a2d9e2348ad4fff",
	[LOG_CONFIG_LOADED]	= "b0add203c0474224993a14b1390119a1",
	[LOG_CONFIG_REFUSED]	= "de1cdcabee7b4b298fe69794b35d34d3",
	[LOG_MISCONFIGURED]	= "ae39cc9e45af40c9898177e998cc11bf",
	[LOG_LISTEN_DIFFERS]	= "a7af450564a04dec9fbbafebed2a011a",
	[LOG_HANDED_OVER]	= "c960b24771d74e96bdcdf0b79d442b6d",
	[LOG_NOT_HANDED_OVER]	= "0959a3a5d0b54ae895cf6baafe55f58f",
	[LOG_TAKEN_OVER]	= "aab4266ae02b4ed4af4bdf2d60b28807",
	[LOG_KILLED]		= "dfa37b5096574540a5cfad0a9b30e526",
	[LOG_NOT_TAKEN_OVER]	= "0232cd2d5bee43d79edaa7d8d3fe887f",
	[LOG_NOT_UPGRADED]	= "9ea89d3cf2174a52bf154c48a07c5b7f",
	[LOG_IDLE]		= "086ab3c8451c42f4b43d86a796bddbbe",
	[LOG_NO_IDLE]		= "5e155401fdbf4d1d9357e3bc1460acbd",
	[LOG_SWITCH]		= "5efe0647b2bf48db8c1023c17aac1668",
	[LOG_SWITCH_UNSEEN]	= "477b8cf4fc924ceeafb510d287416b41",
	[LOG_LIMIT_LOWERED]	= "839442240de84680914f0df0a0c3a48b",
	[LOG_FEW_DESCRIPTORS]	= "ade2cd0e8855480ab280edf188f1f3ed",
	[LOG_WORKER_STUCK]	= "1df839e3d8e54dfcb3325faf09aaa78a",
	[LOG_WORKER_ENDED]	= "0e135fd0e6bc46a3933c3e1f6cdd1ce4",
	[LOG_NOT_NOTIFIED]	= "f55b211c8f914ca3864fa84b5b858b05",
	[LOG_NO_VERDICT]	= "7f57bcaeef9447abbe14c2d5ae1ae5cb",
	[LOG_NO_MEMORY]		= "78358b1e17bb478ba25148d0ac7ad749",
	[LOG_FAILED]		= "2e0e33bbdcb04212a2e8e3733801ab97",
	[LOG_REQUEST]		= "976aeea0ef8a4e789b7af3a83713cfea",
	[LOG_LEFT_OUT]		= "e131e4e0e4434464a3e93ba1ce32291e",
	[LOG_NO_DESCRIPTORS]	= "774c031bda2c42f9bcdaa77ca0caba70",
	[LOG_FULL]		= "931e2c92e5814c5e8e4dbe3c31984609",
	[LOG_CONNECTION_FAILED]	= "89d287e575cc461a98082dbdf29aa6cf",
	[LOG_DROPPED]		= "c8655eb3455e4ee98fb9aa559c04837c",
};

/* What is said of a failure, and at what pace in all; each worker has the same for itself (server_report). */
static const struct {
	enum log_kind kind;
	const char *text;
} failures[REPORT_KINDS] = {
	[REPORT_NO_DESCRIPTORS]		= { LOG_NO_DESCRIPTORS, "cannot accept connections" },
	[REPORT_FULL]			= { LOG_FULL, "limits.max_connections is reached: the longest idle make room, or new "
					    "ones get 503" },
	[REPORT_CONNECTION_FAILED]	= { LOG_CONNECTION_FAILED, "a connection was given up" },
};

static struct pace pace_of(const struct line *line)
{
	if (line->of_worker)
		return (struct pace) { 1, SAY_EVERY_MS };
	if (line->kind == LOG_CONFIG_ERROR || line->kind == LOG_LISTENING)	/* one load may tell so many */
		return (struct pace) { LINES / 2, 10 * 1000 };
	return (struct pace) { 10, 10 * 1000 };
}

/* --- writing a line: it may block -------------------------------------------------------------------------------- */

struct fields {
	struct iovec at[FIELDS_MAX];
	int n;
	char text[FIELDS_MAX][TEXT_MAX + 64];
};

static void __attribute__((format(printf, 2, 3))) add_field(struct fields *fields, const char *format, ...)
{
	char *text = fields->text[fields->n];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof fields->text[0], format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	if ((size_t) n >= sizeof fields->text[0])
		n = sizeof fields->text[0] - 1;
	fields->at[fields->n++] = (struct iovec) { text, (size_t) n };
}

static const char *stderr_prefix(enum log_kind kind, int priority)
{
	if (kind == LOG_CONFIG_ERROR || kind == LOG_REQUEST)
		return "";	/* begins with its place in a file; or is a line of an access log */
	if (priority <= LOG_ERR)
		return "reactord: error: ";
	return priority == LOG_WARNING ? "reactord: warning: " : "reactord: ";
}

/* To a terminal or a file; or to the journal's stream, which takes the priority in front. */
static bool write_stderr(enum log_kind kind, int priority, const char *text)
{
	char level[8] = "";
	const char *prefix = stderr_prefix(kind, priority);
	struct iovec parts[4];

	if (logger.to_journal)
		(void) snprintf(level, sizeof level, "<%d>", priority);
	parts[0] = (struct iovec) { level, strlen(level) };
	parts[1] = (struct iovec) { (char *) prefix, logger.to_journal ? 0 : strlen(prefix) };
	parts[2] = (struct iovec) { (char *) text, strlen(text) };
	parts[3] = (struct iovec) { (char *) "\n", 1 };
	return writev(STDERR_FILENO, parts, 4) >= 0;
}

/* fields holds what this kind has of its own.  False: nobody took it. */
static bool send_to_journal(enum log_kind kind, int priority, const char *text, struct fields *fields)
{
	add_field(fields, "MESSAGE=%s", text);
	add_field(fields, "PRIORITY=%d", priority);
	add_field(fields, "MESSAGE_ID=%s", message_ids[kind]);
	add_field(fields, "SYSLOG_IDENTIFIER=reactord");
	return journal_send(fields->at, fields->n) >= 0;
}

/* The journal's stream takes lines for a while that nobody will read, when journald was stopped: systemd holds its other
 * end, and in the end throws it away.  sure: what is lost with that must not be this line. */
static bool try_to_write(enum log_kind kind, int priority, const char *text, struct fields *fields, bool sure)
{
	bool written = logger.to_journal && send_to_journal(kind, priority, text, fields);

	if (!written && !(logger.to_journal && sure))
		written = write_stderr(kind, priority, text);
	logger.failing = !written;
	if (!written)
		logger.failed_ms = clock_ms();
	return written;
}

/* As above.  What is lost (a full disk, a pipe that does not block, no journal) is told when a line can be written again:
 * only then is there anyone to tell. */
static void write_or_count(enum log_kind kind, int priority, const char *text, struct fields *fields)
{
	if (!try_to_write(kind, priority, text, fields, false))
		logger.lost++;
}

/* left_out: so many of its kind were not written. */
static void write_record(const struct line *line, uint64_t left_out)
{
	char text[TEXT_MAX + 64], more[64] = "";
	struct fields fields;

	if (left_out > 0)
		(void) snprintf(more, sizeof more, " (%" PRIu64 " more suppressed)", left_out);
	(void) snprintf(text, sizeof text, "%s%s%s%s", line->text, line->error ? ": " : "",
			line->error ? strerror(line->error) : "", more);
	fields.n = 0;
	if (line->config_file[0]) {
		add_field(&fields, "REACTORD_CONFIG_FILE=%s", line->config_file);
		add_field(&fields, "REACTORD_CONFIG_LINE=%u", line->config_line);
	}
	if (line->of_worker)
		add_field(&fields, "REACTORD_WORKER=%u", line->worker);
	if (line->connection > 0)
		add_field(&fields, "REACTORD_CONNECTION=%" PRIu64, line->connection);
	if (line->peer[0])
		add_field(&fields, "REACTORD_PEER=%s", line->peer);
	if (left_out > 0)
		add_field(&fields, "REACTORD_LEFT_OUT=%" PRIu64, left_out);
	if (line->error)
		add_field(&fields, "ERRNO=%d", line->error);
	write_or_count(line->kind, line->priority, text, &fields);
}

/* --- floods ------------------------------------------------------------------------------------------------------ */

/* What the workers left out themselves. */
static uint64_t take_suppressed(enum log_kind kind)
{
	uint64_t n = 0;

	pthread_mutex_lock(&logger.lock);
	for (unsigned report = 0; report < REPORT_KINDS; report++)
		for (size_t i = 0; i < logger.n_rings && failures[report].text && failures[report].kind == kind; i++)
			n += report_take_suppressed(logger.rings[i], report);
	pthread_mutex_unlock(&logger.lock);
	return n;
}

/* Writes what was left out.  That is the first line of another while. */
static void end_while(struct flood *flood, uint64_t now_ms)
{
	flood->over_ms = 0;
	flood->written = 0;
	if (flood->last.of_worker)
		flood->left_out += take_suppressed(flood->last.kind);
	if (!flood->pending && flood->left_out == 0)
		return;
	write_record(&flood->last, flood->left_out - !flood->pending);
	flood->over_ms = now_ms + pace_of(&flood->last).while_ms;
	flood->written = 1;
	flood->pending = false;
	flood->left_out = 0;
}

static void write_at_its_pace(const struct line *line)
{
	struct flood *flood = &logger.floods[line->kind];
	struct pace pace = pace_of(line);
	uint64_t now_ms = clock_ms();

	if (flood->over_ms != 0 && now_ms >= flood->over_ms)
		end_while(flood, now_ms);
	if (flood->over_ms == 0)
		flood->over_ms = now_ms + pace.while_ms;
	if (flood->written < pace.most) {
		flood->written++;
		write_record(line, 0);
	} else {
		flood->left_out += flood->pending;
		flood->pending = true;
	}
	flood->last = *line;
}

/* Whether somebody must look when the while is over; a worker may have left out what it told nobody. */
static bool must_be_ended(const struct flood *flood)
{
	return flood->over_ms != 0 && (flood->pending || flood->left_out > 0 || flood->last.of_worker);
}

/* now: also those that are not over yet. */
static void end_whiles(bool now)
{
	uint64_t now_ms = clock_ms();

	for (int i = 0; i < LOG_KINDS; i++)
		if (must_be_ended(&logger.floods[i]) && (now || now_ms >= logger.floods[i].over_ms))
			end_while(&logger.floods[i], now_ms);
}

/* --- reports of the workers -------------------------------------------------------------------------------------- */

/* What a client sent must not look like a line of ours. */
static void escape(char *to, size_t capacity, const char *from)
{
	size_t length = 0;

	for (; *from && length + 5 < capacity; from++) {
		unsigned char c = (unsigned char) *from;

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			to[length++] = (char) c;
		else
			length += (size_t) snprintf(to + length, capacity - length, "\\x%02x", c);
	}
	to[length] = '\0';
}

static void write_request(const struct report *report)
{
	char method[4 * sizeof report->method + 8], target[4 * REPORT_TEXT_MAX + 8], route[4 * REPORT_ROUTE_MAX + 8];
	char text[TEXT_MAX];
	const char *peer = report->peer[0] ? report->peer : "-";	/* it was gone before it could be asked for */
	struct fields fields;

	escape(method, sizeof method, report->method[0] ? report->method : "-");
	escape(target, sizeof target, report->target[0] ? report->target : "-");
	escape(route, sizeof route, report->route);
	(void) snprintf(text, sizeof text, "%s \"%s %s\" %u %" PRIu64, peer, method, target, report->status,
		 report->bytes);
	fields.n = 0;
	add_field(&fields, "REACTORD_WORKER=%u", report->worker);
	add_field(&fields, "REACTORD_CONNECTION=%" PRIu64, report->connection);
	if (report->peer[0])
		add_field(&fields, "REACTORD_PEER=%s", report->peer);
	add_field(&fields, "REACTORD_METHOD=%s", method);
	add_field(&fields, "REACTORD_TARGET=%s", target);
	add_field(&fields, "REACTORD_ROUTE=%s", route);
	if (report->request_id[0] || report->request_id[1])
		add_field(&fields, "REACTORD_REQUEST_ID=%016" PRIx64 "%016" PRIx64, report->request_id[0],
			  report->request_id[1]);
	add_field(&fields, "REACTORD_STATUS=%u", report->status);
	add_field(&fields, "REACTORD_BYTES=%" PRIu64, report->bytes);
	write_or_count(LOG_REQUEST, LOG_INFO, text, &fields);
}

/* Requests have lines of their own, so what is left out of them is not told by the last of them. */
static void tell_requests_left_out(void)
{
	unsigned limit = atomic_load_explicit(&logger.access_limit, memory_order_relaxed);
	struct fields fields;
	char text[128];

	if (logger.requests_left_out == 0)
		return;
	(void) snprintf(text, sizeof text, "%" PRIu64 " more request%s answered and not logged (log.access_limit = %u)",
			logger.requests_left_out, logger.requests_left_out == 1 ? " was" : "s were", limit);
	fields.n = 0;
	add_field(&fields, "REACTORD_LEFT_OUT=%" PRIu64, logger.requests_left_out);
	write_or_count(LOG_LEFT_OUT, LOG_WARNING, text, &fields);
	logger.requests_left_out = 0;
}

static void take_request(const struct report *report)
{
	unsigned limit = atomic_load_explicit(&logger.access_limit, memory_order_relaxed);
	uint64_t now_ms = clock_ms();

	if (now_ms >= logger.requests_over_ms) {
		tell_requests_left_out();
		logger.requests_over_ms = now_ms + SAY_EVERY_MS;
		logger.requests_written = 0;
	}
	if (limit > 0 && logger.requests_written >= limit) {
		logger.requests_left_out++;
		return;
	}
	logger.requests_written++;
	write_request(report);
}

static void take_failure(const struct report *report)
{
	struct line line = {
		.kind = failures[report->kind].kind, .priority = LOG_WARNING, .of_worker = true,
		.worker = report->worker, .connection = report->connection, .error = report->error,
	};

	if (line.priority > logger.level) {	/* nor is what the workers leave out told later */
		(void) take_suppressed(line.kind);
		return;
	}
	memcpy(line.peer, report->peer, sizeof line.peer);
	(void) snprintf(line.text, sizeof line.text, "%s", failures[report->kind].text);
	write_at_its_pace(&line);
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

static bool take_line(struct line *ret)
{
	uint32_t tail = atomic_load_explicit(&logger.tail, memory_order_relaxed);

	if (atomic_load_explicit(&logger.head, memory_order_acquire) == tail)
		return false;
	*ret = logger.lines[tail % LINES];
	atomic_store_explicit(&logger.tail, tail + 1, memory_order_release);
	return true;
}

static bool take_report(size_t ring, struct report *ret)
{
	bool taken = false;

	pthread_mutex_lock(&logger.lock);
	if (ring < logger.n_rings) {
		taken = report_take(logger.rings[ring], ret);
		logger.lost += report_take_dropped(logger.rings[ring]);
	}
	pthread_mutex_unlock(&logger.lock);
	return taken;
}

/* When to tell how many records are lost: once a second, and once a second it is tried while nothing can be written. */
static uint64_t lost_due_ms(void)
{
	if (logger.failing)
		return logger.failed_ms + SAY_EVERY_MS;
	return logger.lost_told_ms ? logger.lost_told_ms + SAY_EVERY_MS : 0;
}

/* The last time of all there is no later to wait for. */
static void tell_lost(bool last)
{
	struct fields fields;
	char text[128];
	uint64_t now_ms = clock_ms();

	logger.lost += atomic_exchange(&logger.dropped, 0);
	if (logger.lost == 0)
		return;
	if (!last && now_ms < lost_due_ms())
		return;
	logger.lost_told_ms = now_ms;
	(void) snprintf(text, sizeof text, "%" PRIu64 " record%s lost because the log could not be written",
			logger.lost, logger.lost == 1 ? " was" : "s were");
	fields.n = 0;
	add_field(&fields, "REACTORD_LOST=%" PRIu64, logger.lost);
	if (LOG_WARNING > logger.level || try_to_write(LOG_DROPPED, LOG_WARNING, text, &fields, !last))
		logger.lost = 0;
}

/* Returns whether there was anything. */
static bool write_all(void)
{
	struct line line;
	struct report report;
	bool any = false;

	while (take_line(&line)) {
		write_at_its_pace(&line);
		any = true;
	}
	for (size_t i = 0; i < logger.n_rings; i++)
		for (int n = 0; n < BATCH && take_report(i, &report); n++) {
			if (report.kind == REPORT_REQUEST)
				take_request(&report);
			else
				take_failure(&report);
			any = true;
		}
	end_whiles(false);
	if (clock_ms() >= logger.requests_over_ms)
		tell_requests_left_out();
	tell_lost(false);
	return any;
}

static void set_sleeps(bool sleeps)
{
	atomic_store_explicit(&logger.sleeps, sleeps, memory_order_relaxed);
	pthread_mutex_lock(&logger.lock);
	for (size_t i = 0; i < logger.n_rings; i++)
		atomic_store_explicit(&logger.rings[i]->reader_sleeps, sleeps, memory_order_release);
	pthread_mutex_unlock(&logger.lock);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Until something is to be told although nothing comes; -1: nothing is. */
static int next_timeout_ms(void)
{
	uint64_t now_ms = clock_ms(), next_ms = UINT64_MAX;

	for (int i = 0; i < LOG_KINDS; i++)
		if (must_be_ended(&logger.floods[i]) && logger.floods[i].over_ms < next_ms)
			next_ms = logger.floods[i].over_ms;
	if (logger.requests_left_out > 0 && logger.requests_over_ms < next_ms)
		next_ms = logger.requests_over_ms;
	if (logger.lost > 0 && lost_due_ms() < next_ms)
		next_ms = lost_due_ms();
	if (next_ms == UINT64_MAX)
		return -1;
	return next_ms > now_ms ? (int) (next_ms - now_ms) : 0;
}

static void wake_up(int fd)
{
	uint64_t one = 1;

	(void) !write(fd, &one, sizeof one);
}

static bool is_to_end(void)
{
	bool ends;

	pthread_mutex_lock(&logger.lock);
	ends = logger.ends = atomic_load(&logger.stop);
	pthread_mutex_unlock(&logger.lock);
	return ends;
}

static void *write_until_stop(void *arg)
{
	struct pollfd wake = { .fd = logger.wake_fd, .events = POLLIN };
	uint64_t count;
	bool stopping;

	(void) arg;
	do {
		stopping = atomic_load(&logger.stop);
		if (write_all())
			continue;
		if (stopping && is_to_end())
			break;
		set_sleeps(true);
		if (!write_all())	/* the last look: whoever comes now wakes us */
			(void) poll(&wake, 1, next_timeout_ms());
		(void) !read(logger.wake_fd, &count, sizeof count);
		set_sleeps(false);
	} while (true);
	end_whiles(true);
	tell_requests_left_out();
	tell_lost(true);
	wake_up(logger.ended_fd);
	return NULL;
}

/* --- the main thread --------------------------------------------------------------------------------------------- */

/* systemd says in $JOURNAL_STREAM which socket it made our stderr: it may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long device, inode;
	struct stat file;

	return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 && fstat(STDERR_FILENO, &file) == 0 &&
	       file.st_dev == device && file.st_ino == inode;
}

/* Whoever started us may have closed one of the first three.  The next socket would then be it, and a client would be
 * sent the log. */
static int fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close_fd(&fd);
	return 0;
}

size_t log_bytes(void)
{
	return sizeof logger;
}

int log_open(void)
{
	logger.to_journal = stderr_is_journal();
	return fill_standard_descriptors();
}

void log_set_level(int priority)
{
	atomic_store(&logger.level, priority);
}

void log_set_access_limit(unsigned in_a_second)
{
	atomic_store(&logger.access_limit, in_a_second);
}

static void put_line(const struct line *line)
{
	uint32_t head = atomic_load_explicit(&logger.head, memory_order_relaxed);

	if (!logger.started) {
		write_record(line, 0);
		return;
	}
	if (head - atomic_load_explicit(&logger.tail, memory_order_acquire) == LINES) {
		atomic_fetch_add(&logger.dropped, 1);
		return;
	}
	logger.lines[head % LINES] = *line;
	atomic_store_explicit(&logger.head, head + 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_exchange_explicit(&logger.sleeps, false, memory_order_relaxed))
		wake_up(logger.wake_fd);
}

/* length: what vsnprintf(3) would have written. */
static void mark_cut(struct line *line, int length)
{
	if (length >= (int) sizeof line->text)
		memcpy(line->text + sizeof line->text - 4, "...", 4);
}

void log_write(enum log_kind kind, int priority, const char *format, ...)
{
	struct line line = { .kind = kind, .priority = priority };
	va_list arguments;
	int n;

	if (priority > atomic_load_explicit(&logger.level, memory_order_relaxed))
		return;
	va_start(arguments, format);
	n = vsnprintf(line.text, sizeof line.text, format, arguments);
	va_end(arguments);
	mark_cut(&line, n);
	put_line(&line);
}

void log_config_error(int priority, const char *file, unsigned config_line, const char *text)
{
	struct line line = { .kind = LOG_CONFIG_ERROR, .priority = priority, .config_line = config_line };

	if (priority > atomic_load_explicit(&logger.level, memory_order_relaxed))
		return;
	(void) snprintf(line.config_file, sizeof line.config_file, "%s", file);
	mark_cut(&line, snprintf(line.text, sizeof line.text, "%s", text));
	put_line(&line);
}

/* False: it hangs in a write. */
static bool join_thread(void)
{
	struct pollfd ended = { .fd = logger.ended_fd, .events = POLLIN };

	if (poll(&ended, 1, STOP_MS) != 1)
		return false;
	(void) pthread_join(logger.thread, NULL);
	logger.started = false;
	close_fd(&logger.wake_fd);
	close_fd(&logger.ended_fd);
	return true;
}

/* A thread that was left behind goes on, unless it is about to end. */
static bool take_back(void)
{
	pthread_mutex_lock(&logger.lock);
	logger.abandoned = logger.ends;
	if (!logger.ends)
		atomic_store(&logger.stop, false);
	pthread_mutex_unlock(&logger.lock);
	return !logger.abandoned;
}

int log_start(void)
{
	int r;

	if (logger.abandoned && take_back())
		return 0;
	if (logger.started && !(logger.abandoned && join_thread()))
		return -EBUSY;
	logger.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	logger.ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (logger.wake_fd < 0 || logger.ended_fd < 0) {
		r = -errno;
		close_fd(&logger.wake_fd);
		close_fd(&logger.ended_fd);
		return r;
	}
	atomic_store(&logger.n_rings, 0);
	logger.abandoned = logger.ends = false;
	atomic_store(&logger.stop, false);
	r = thread_start(&logger.thread, "log", write_until_stop, NULL);
	if (r < 0) {
		close_fd(&logger.wake_fd);
		close_fd(&logger.ended_fd);
		return r;
	}
	logger.started = true;
	return 0;
}

/* What was put there before is found when the thread is woken, which raises their flags when it sleeps again. */
void log_add_rings(struct report_ring **rings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rings[i]->wake_fd = logger.wake_fd;
	pthread_mutex_lock(&logger.lock);
	logger.rings = rings;
	atomic_store(&logger.n_rings, n);
	pthread_mutex_unlock(&logger.lock);
	wake_up(logger.wake_fd);
}

void log_stop(void)
{
	if (!logger.started || logger.abandoned)
		return;
	atomic_store(&logger.stop, true);
	wake_up(logger.wake_fd);
	if (join_thread())
		return;
	/* It keeps what is static, loses the rings, and goes with the process. */
	pthread_mutex_lock(&logger.lock);
	atomic_store(&logger.n_rings, 0);
	pthread_mutex_unlock(&logger.lock);
	logger.abandoned = true;
}
